"""How finding and filling of damage are learnt: photographs move under a camera, are worn, and their neighbours brought into place.

Things that look like damage and are none are drawn into the photographs first: wires, fences, hair, writing, rain, snow, stars,
and things that pass so fast that no other frame has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from pellucid import images, mending, moving, wear
from pellucid.degradations import Degradation
from pellucid.errors import OptionError
from pellucid.images import Pixels
from pellucid.tasks import base
from pellucid.wear import shapes

__all__ = ["LONE", "PARTS", "TOGETHER", "Learning", "filling_maps", "finding_maps"]

PARTS = ("find", "fill", "mend")
"""A network learns one of these: where the damage is; what belongs there; or both at once, from one picture alone."""

AROUND = tuple(f"{which}-{colour}" for which in ("before", "after") for colour in ("r", "g", "b"))

MAPS: dict[str, tuple[str, ...]] = {
    "find": (*AROUND, "lone", "upright", "lighter", "darker", "outside"),
    "fill": (*AROUND, "lone", "damage", "grain"),
    "mend": (),
}
"""The planes beside the picture: the frames before and after, brought into place, the picture itself where there is none; whether
there is none (`LONE`, else `TOGETHER`); `mending.upright`, `mending.small_things` and `mending.outside`; the damage, as shares;
and the standard deviation of the grain."""

LONE, TOGETHER = 1.0, 0.5
"""Neither is 0: networks without biases need a plane that is not."""

REACH = 16
"""Pixels that the camera moves at most, from frame to frame."""

IN_FRONT = 0.5
"""The share of what is like damage, in clips, that moves by itself: rain, snow, and what is nearer to the camera than the rest."""

IN_DAMAGE = 8.0
"""How many times a damaged pixel counts when filling is learnt: there are few."""


def finding_maps(frame: Pixels, around: tuple[Pixels, Pixels] | None) -> list[Pixels]:
    """The planes beside a frame (h, w, 3) for a network that finds, eleven planes in all, as pixels (h, w, 3) and planes (h, w);
    ``around``: its neighbours in place."""
    before, after = (frame, frame) if around is None else around
    lone = np.full(frame.shape[:2], LONE if around is None else TOGETHER, np.float32)
    plane = mending.gray(frame)
    outside = np.zeros_like(plane) if around is None else mending.outside(frame, before, after)
    return [before, after, lone, mending.upright(plane), *mending.small_things(plane), outside]


def filling_maps(frame: Pixels, around: tuple[Pixels, Pixels] | None, damage: Pixels, grain: float | Pixels) -> list[Pixels]:
    """The planes beside a roughly filled frame (h, w, 3) for a network that fills, nine planes in all; ``damage`` (h, w) are
    shares.

    ``grain`` is its level in [0, 1], one for all pixels or (h, w).
    """
    before, after = (frame, frame) if around is None else around
    level = np.empty(frame.shape[:2], np.float32)
    level[:] = grain
    return [before, after, np.full_like(level, LONE if around is None else TOGETHER), damage, level]


@dataclass(frozen=True)
class Learning(base.Learning):
    """``part`` is one of `PARTS`. A share ``alone`` of the examples has no neighbours, as prints have none; a share ``unworn`` has
    no damage, a share ``like`` holds what is like damage and is none, a share ``colourless`` is gray. ``grain`` is the highest
    level of grain, in 8-bit levels."""

    part: str = "find"
    alone: float = 0.4
    unworn: float = 0.15
    like: float = 0.4
    colourless: float = 0.25
    grain: float = 20.0
    name: ClassVar[str] = "film"
    before: ClassVar[str] = "worn"
    words: ClassVar[str] = "the worn picture"

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise OptionError(f"task film: part must be one of {', '.join(PARTS)}, not {self.part!r}")
        if not all(0 <= share <= 1 for share in (self.alone, self.unworn, self.like, self.colourless)) or self.grain < 0:
            raise OptionError("task film: alone, unworn, like and colourless must be shares from 0 to 1, grain 0 or more")

    @property
    def metric(self) -> str | None:
        """Finding is scored by the overlap of the masks: PSNR is highest where next to nothing is found."""
        return "iou" if self.part == "find" else None

    @property
    def role(self) -> str | None:
        """The part; what mends at once is alone."""
        return None if self.part == "mend" else self.part

    @property
    def around(self) -> int:
        """The way that the camera moves."""
        return 0 if self.part == "mend" else REACH

    @property
    def maps(self) -> tuple[str, ...]:
        """Those of the part."""
        return MAPS[self.part]

    def planes(self, channels: int) -> tuple[int, int]:
        """The picture in; the chance of damage out, or the picture."""
        return channels, 1 if self.part == "find" else channels

    def pair(self, clean: Pixels, rng: np.random.Generator) -> base.Pair:
        """A training example from a photograph (h, w, channels), float32 in [0, 1]; it is smaller by `REACH` on each side."""
        if self.part == "mend":
            thin = wear.Scratches(float(rng.uniform(20, 120))), wear.Dust(float(rng.uniform(10, 100)))
            scratched = wear.wear(clean[None], thin, rng).frames[0]
            return base.Pair(image=scratched, maps=_none(clean), clean=clean, base=scratched)
        lone = bool(rng.random() < self.alone)
        if rng.random() < self.colourless:
            clean = images.gray(clean)
        like = bool(rng.random() < self.like)
        in_front = like and not lone and bool(rng.random() < IN_FRONT)
        scene = _like_damage(clean, LIKES_ALONE if lone else LIKES, rng) if like and not in_front else clean
        frames, moves = _moving(scene, 1 if lone else 3, rng)
        if in_front:
            _draw_in_front(frames, moves, rng)
        middle = len(frames) // 2
        level = 0.0 if rng.random() < 0.4 else float(rng.uniform(0, self.grain))
        defects = [] if rng.random() < self.unworn else _local(lone, rng)
        if self.part == "find" and rng.random() < 0.1:
            defects.append(wear.Stains(float(rng.uniform(2, 8))))
        if level:
            defects.append(wear.FilmGrain(level, spread=float(rng.uniform(0, 1.2)), common=float(rng.random())))
        worn = wear.wear(frames, defects, rng)
        around = None if lone else _in_place(worn.frames, moves, rng)
        # Measured levels are never exact.
        doubt = float(np.exp(rng.normal(0, 0.15)))
        shown = _coloured(frames[middle]), _coloured(worn.frames[middle])
        around = None if around is None else (_coloured(around[0]), _coloured(around[1]))
        return self._example(*shown, worn.damage[middle], around, level / 255 * doubt, rng)

    def degrade(self, clean: Pixels, case: Degradation, rng: np.random.Generator) -> base.Pair:
        """The example of a picture alone, worn as the case says: damage is where that changes it."""
        worn = wear.wear(clean[None], case, rng)
        if self.part == "mend":
            return base.Pair(image=worn.frames[0], maps=_none(clean), clean=clean, base=worn.frames[0])
        return self._example(_coloured(clean), _coloured(worn.frames[0]), worn.damage[0], None, 0.0, None)

    def _example(
        self,
        perfect: Pixels,
        worn: Pixels,
        damage: NDArray[np.bool_],
        around: tuple[Pixels, Pixels] | None,
        level: float,
        rng: np.random.Generator | None,
    ) -> base.Pair:
        if self.part == "find":
            nothing = np.zeros((*worn.shape[:2], 1), np.float32)
            return base.Pair(
                image=worn, maps=np.dstack(finding_maps(worn, around)), clean=damage[..., None].astype(np.float32), base=nothing
            )
        hole = _as_found(damage, rng)
        rough = mending.roughly_filled(worn, hole)
        shares = hole.astype(np.float32)
        weight = 1 + np.float32(IN_DAMAGE) * shares[..., None]
        maps = np.dstack(filling_maps(rough, around, shares, level))
        return base.Pair(image=rough, maps=maps, clean=perfect, base=rough, weight=weight)

    def picture(self, image: Pixels, planes: Pixels) -> Pixels:
        """The planes as they are."""
        return planes


def _none(pixels: Pixels) -> Pixels:
    return np.empty((*pixels.shape[:2], 0), np.float32)


def _coloured(pixels: Pixels) -> Pixels:
    """Three channels, all alike where there is one."""
    return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)


# -- frames -----------------------------------------------------------------------------------------------------------


def _moving(scene: Pixels, count: int, rng: np.random.Generator) -> tuple[Pixels, list[tuple[int, int]]]:
    """Frames (count, h, w, c) of a camera that moves over the scene, and where each stands: rows and columns from the middle one.

    In some, a thing passes that no other frame has at that place.
    """
    height, width = (side - 2 * REACH for side in scene.shape[:2])
    step = np.zeros(2) if rng.random() < 0.3 else np.clip(rng.normal(0, 5, 2), -REACH, REACH)
    moves = [(round(float(step[0] * place)), round(float(step[1] * place))) for place in range(-(count // 2), count // 2 + 1)]
    frames = np.stack([scene[REACH + y : REACH + y + height, REACH + x : REACH + x + width] for y, x in moves])
    if count > 1 and rng.random() < 0.4:
        _pass(frames, scene, rng)
    return frames, moves


def _pass(frames: Pixels, scene: Pixels, rng: np.random.Generator) -> None:
    """Puts a thing, a part of the scene, into each frame (n, h, w, c), each time somewhere else."""
    height, width = frames.shape[1:3]
    levels = np.rint(255 * np.clip(scene, 0, 1)).astype(np.uint8)
    cut = moving.cut_out(levels, int(rng.integers(6, max(7, max(height, width) // 2))), rng).astype(np.float32) / np.float32(255)
    thing, share = cut[..., : scene.shape[2]], cut[..., 3:]
    tall, wide = cut.shape[:2]
    place = np.array([rng.integers(-tall // 2, height - tall // 2), rng.integers(-wide // 2, width - wide // 2)], float)
    way = rng.normal(0, 24, 2)
    for frame in frames:
        y, x = (round(float(value)) for value in place)
        inside = slice(max(0, y), min(height, y + tall)), slice(max(0, x), min(width, x + wide))
        part = slice(max(0, -y), max(0, min(tall, height - y))), slice(max(0, -x), max(0, min(wide, width - x)))
        if inside[0].start < inside[0].stop and inside[1].start < inside[1].stop:
            frame[inside] += share[part] * (thing[part] - frame[inside])
        place += way


Kind = Callable[[float, np.random.Generator], wear.Defect]

KINDS: tuple[tuple[float, float, Kind], ...] = (
    (0.5, 0.35, lambda size, rng: wear.Scratches(float(rng.uniform(4, 40)), wide=1.2 + 1.8 * size * rng.random())),
    (
        0.8,
        0.8,
        lambda size, rng: wear.Dust(float(np.exp(rng.uniform(-0.5, 2.7))) / size**1.5, radius=0.6 + 0.8 * size * rng.random()),
    ),
    (0.3, 0.5, lambda size, rng: wear.Hairs(float(rng.uniform(2, 15)), long=60 * size, wide=1 + size)),
    (0.4, 0.4, lambda size, rng: wear.Blotches(float(rng.uniform(2, 16)) / size, radius=3 + 5 * size * rng.random())),
    (0.08, 0.12, lambda size, rng: wear.Mould(float(rng.uniform(3, 10)))),
    (0.0, 0.3, lambda size, rng: wear.Creases(float(rng.uniform(0.5, 2.5)), wide=1 + 2 * size)),
    (0.0, 0.2, lambda size, rng: wear.Cracks(float(rng.uniform(2, 10)))),
    (0.08, 0.0, lambda size, rng: wear.Dropouts(float(rng.uniform(10, 60)))),
)
"""The defects that are to be found and filled: the chance that a frame of a clip has some, the same for a picture alone, and how
they are drawn for their ``size``, 1 as usual."""


def _local(lone: bool, rng: np.random.Generator) -> list[wear.Defect]:
    """Defects of one example, more than most film has: a crop would hold none. Prints are scanned larger, and their dust is."""
    size = float(np.exp(rng.uniform(-0.1, 1.0 if lone else 0.4)))
    return [made(size, rng) for in_clips, in_prints, made in KINDS if rng.random() < (in_prints if lone else in_clips)]


def _in_place(frames: Pixels, moves: list[tuple[int, int]], rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """The first and the last of three frames with their parts where the middle one has them; now and then wrong by a little, in
    some blocks by more, and of a slightly other light."""
    height, width = frames.shape[1:3]
    found = []
    for frame, (y, x) in ((frames[0], moves[0]), (frames[-1], moves[-1])):
        blocks = -(-height // 16), -(-width // 16)
        wrong = rng.random(blocks) < rng.choice([0.0, 0.05, 0.3])
        astray = np.where(wrong, rng.integers(-4, 5, (2, *blocks)), 0)
        down, right = (np.repeat(np.repeat(part, 16, 0), 16, 1)[:height, :width] for part in astray)
        rows = np.clip(np.arange(height)[:, None] - y + down, 0, height - 1)
        columns = np.clip(np.arange(width)[None] - x + right, 0, width - 1)
        other = frame[rows, columns]
        if rng.random() < 0.5:
            # Half a pixel off.
            other = (other + np.roll(other, 1, int(rng.integers(2)))) / np.float32(2)
        other = other * np.float32(1 + rng.normal(0, 0.015)) + np.float32(rng.normal(0, 0.005))
        found.append(np.asarray(np.clip(other, 0, 1), dtype=np.float32))
    return found[0], found[1]


def _as_found(damage: NDArray[np.bool_], rng: np.random.Generator | None) -> NDArray[np.bool_]:
    """A mask as it is found: a pixel or two wider, with some that are whole."""
    if rng is None:
        return mending.grown(damage, 1)
    hole = mending.grown(damage, int(rng.integers(1, 3)))
    if rng.random() < 0.3:
        height, width = hole.shape
        top, left = int(rng.integers(height)), int(rng.integers(width))
        hole = hole.copy()
        hole[top : top + int(rng.integers(2, 20)), left : left + int(rng.integers(2, 20))] = True
    return hole


# -- what is like damage and is none -------------------------------------------------------------------------------------


Drawing = Callable[[Any, int, int, np.random.Generator], None]


def _like_damage(scene: Pixels, likes: tuple[Drawing, ...], rng: np.random.Generator) -> Pixels:
    """The scene with one of ``likes`` drawn into it, sharp or a little soft."""
    height, width, channels = scene.shape
    draw = likes[int(rng.integers(len(likes)))]
    share = shapes.softened(_shares(height, width, lambda on: draw(on, 2 * width, 2 * height, rng)), _softness(rng))
    shown = share * np.float32(rng.uniform(0.4, 1))
    return np.asarray(scene + shown * (_any_colour(channels, rng) - scene), dtype=np.float32)


def _draw_in_front(frames: Pixels, moves: list[tuple[int, int]], rng: np.random.Generator) -> None:
    """Draws into each frame (n, h, w, c) rain or snow, each drop of which falls by itself, or one of `LIKES` that is nearer to the
    camera than the rest, or sways: it moves by another way than the picture."""
    count, height, width, channels = frames.shape
    if rng.random() < 0.6:
        fall = _fall(height, width, rng)
        layers = [_shares(height, width, partial(fall, at)) for at in range(count)]
        softness = 0
    else:
        draw = LIKES[int(rng.integers(len(LIKES)))]
        tall, wide = height + 4 * REACH, width + 4 * REACH
        layer = _shares(tall, wide, lambda on: draw(on, 2 * wide, 2 * tall, rng))
        nearer, sway = rng.uniform(0, 2.0), rng.normal(0, 2.0, 2)
        layers = []
        for at, move in enumerate(moves):
            top, left = (
                2 * REACH + int(np.clip(round(nearer * part + own * (at - count // 2)), -2 * REACH, 2 * REACH))
                for part, own in zip(move, sway, strict=True)
            )
            layers.append(layer[top : top + height, left : left + width])
        softness = _softness(rng)
    colour, strength = _any_colour(channels, rng), np.float32(rng.uniform(0.4, 1))
    for frame, share in zip(frames, layers, strict=True):
        shown = shapes.softened(share, softness) * strength
        frame += shown * (colour - frame)


def _fall(height: int, width: int, rng: np.random.Generator) -> Callable[[int, Any], None]:
    """A function that draws frame ``at`` of rain or snow on a canvas of twice the size. Nearer drops and flakes are larger,
    and fall faster."""
    tall, wide = 2 * height, 2 * width
    many = int(tall * wide / np.exp(rng.uniform(np.log(700), np.log(8000))))
    top, left, near = rng.uniform(0, tall, many), rng.uniform(0, wide, many), rng.uniform(0.4, 1, many)
    fill, slant = int(rng.integers(80, 256)), float(rng.normal(0, 0.25))
    if rng.random() < 0.5:
        length, speed = rng.uniform(10, 70), rng.uniform(20, 120)
        thick = int(rng.integers(1, 4))

        def rain(at: int, on: Any) -> None:
            for y, x, share in zip(top, left, near, strict=True):
                here = (y + at * speed * share) % (tall + length) - length
                on.line(
                    [(x + slant * here, here), (x + slant * (here + length * share), here + length * share)], fill=fill, width=thick
                )

        return rain
    size, speed = rng.uniform(1.5, 7), rng.uniform(2, 30)
    across = rng.normal(0, 0.5 * speed, many)

    def snow(at: int, on: Any) -> None:
        for y, x, share, aside in zip(top, left, near, across, strict=True):
            here, there, half = (y + at * speed * share) % tall, (x + at * aside) % wide, size * share
            on.ellipse([there - half, here - half, there + half, here + half], fill=fill)

    return snow


def _shares(height: int, width: int, draw: Callable[[Any], None]) -> Pixels:
    """The drawing that ``draw`` makes on a canvas of twice the size, as shares (height, width, 1)."""
    canvas = PillowImage.new("L", (2 * width, 2 * height))
    draw(ImageDraw.Draw(canvas))
    return np.asarray(canvas.reduce(2), np.float32)[..., None] / np.float32(255)


def _softness(rng: np.random.Generator) -> int:
    """How often a drawing is softened: it is in focus, nearly, or far out of it."""
    draw = rng.random()
    return 0 if draw < 0.5 else 1 if draw < 0.8 else int(rng.integers(2, 7))


def _any_colour(channels: int, rng: np.random.Generator) -> Pixels:
    colour = np.full(3, rng.random()) if rng.random() < 0.7 else rng.random(3)
    return colour[:channels].astype(np.float32)


def _wires(draw: Any, width: int, height: int, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 6))):
        ends = rng.integers(-width // 4, 5 * width // 4, 2), rng.integers(-height // 4, 5 * height // 4, 2)
        across = rng.random() < 0.7
        line = [(0, int(ends[1][0])), (width, int(ends[1][1]))] if across else [(int(ends[0][0]), 0), (int(ends[0][1]), height)]
        draw.line(line, fill=255, width=int(rng.integers(1, 6)))


def _fence(draw: Any, width: int, height: int, rng: np.random.Generator) -> None:
    step, wide, slant = int(rng.integers(12, 60)), int(rng.integers(1, 8)), int(rng.integers(-40, 41))
    for x in range(-height, width + height, step):
        draw.line([(x, 0), (x + slant, height)], fill=255, width=wide)
    if rng.random() < 0.5:
        for y in range(0, height, step * int(rng.integers(1, 4))):
            draw.line([(0, y), (width, y - slant)], fill=255, width=wide)


def _hair(draw: Any, width: int, height: int, rng: np.random.Generator) -> None:
    """Many that run beside each other: locks, grass, fur."""
    way, side = rng.uniform(0, np.pi), rng.integers(10, 60)
    x, y = rng.integers(width), rng.integers(height)
    for _ in range(int(rng.integers(8, 40))):
        begin = np.array([x, y]) + rng.normal(0, side, 2)
        angle = way + rng.normal(0, 0.15)
        bend = rng.normal(0, 0.06)
        points = [tuple(begin)]
        for _ in range(12):
            begin = begin + 8 * np.array([np.cos(angle), np.sin(angle)])
            angle += bend
            points.append(tuple(begin))
        draw.line([(float(a), float(b)) for a, b in points], fill=int(rng.integers(120, 256)), width=int(rng.integers(1, 4)))


def _writing(draw: Any, width: int, height: int, rng: np.random.Generator) -> None:
    letters = "".join(chr(int(code)) for code in rng.integers(33, 122, 60))
    for row in range(int(rng.integers(1, 5))):
        size = int(rng.integers(14, 60))
        place = int(rng.integers(0, width // 2)), int(rng.integers(0, height))
        draw.text(place, letters[row * 10 : row * 10 + int(rng.integers(3, 20))], fill=255, font_size=size)


def _rain(draw: Any, width: int, height: int, rng: np.random.Generator) -> None:
    slant, long = float(rng.normal(0, 0.2)), int(rng.integers(10, 80))
    for _ in range(int(rng.integers(20, 150))):
        x, y = int(rng.integers(width)), int(rng.integers(-long, height))
        draw.line([(x, y), (x + slant * long, y + long)], fill=int(rng.integers(60, 200)), width=int(rng.integers(1, 4)))


def _dots(draw: Any, width: int, height: int, rng: np.random.Generator, least: int = 15) -> None:
    """Snow, stars, lights, leaves: many of about one size."""
    size = float(rng.uniform(1, 7))
    for _ in range(int(rng.integers(least, 200))):
        x, y, half = rng.integers(width), rng.integers(height), size * rng.uniform(0.4, 1)
        draw.ellipse([x - half, y - half, x + half, y + half], fill=int(rng.integers(80, 256)))


def _blades(draw: Any, width: int, height: int, rng: np.random.Generator) -> None:
    """Blades of grass and twigs, a few of which stand out: wide at one end, pointed at the other, and bent."""
    side, way = float(rng.uniform(3, 12)), rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(3, 25))):
        steps, long = 12, rng.uniform(4, 16)
        angles = way + rng.normal(0, 0.5) + rng.normal(0, 0.08) * np.arange(steps)
        ahead = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        spine = rng.uniform(0, (width, height)) + long * np.cumsum(ahead, axis=0)
        half = side * np.linspace(1, 0, steps)[:, None] * ahead[:, ::-1] * (-1, 1)
        outline = np.concatenate([spine + half, (spine - half)[::-1]])
        draw.polygon([(float(x), float(y)) for x, y in outline], fill=int(rng.integers(200, 256)))


LIKES: tuple[Drawing, ...] = (_wires, _fence, _hair, _writing, _rain, _dots, _blades)
"""Drawings that are made into a photograph as part of it."""

LIKES_ALONE: tuple[Drawing, ...] = (_fence, _hair, _writing, partial(_dots, least=100), _blades)
"""The same in a picture alone, where only what comes in numbers can be told from dust and hairs: a network that had all of the
above found neither."""
