"""How cutting out learns: things pasted on grounds, and photographs with masks, as the network is given them.

Pasted things teach the seam where the pasting shows, so thing and ground go through one camera afterwards: light, noise, blur and
JPEG. Half of the examples have prompts, and more than half an answer before that is spoiled in some way, as looks after the first
have.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageFilter

from pellucid import asked, cutting, pillow
from pellucid.cutting import Prompts
from pellucid.degradations import Degradation
from pellucid.errors import OptionError
from pellucid.images import Pixels
from pellucid.tasks import base

__all__ = ["SOURCES", "Learning"]

SOURCES = ("things", "scenes", "parts", "grounds")
"""Images to learn from. ``things``: with alpha, pasted on grounds; ``scenes``: photographs with the mask of their subject as alpha,
colour kept where it is 0; ``parts``: the same with the mask of one thing of several, learnt with a prompt; ``grounds``: photographs
without a subject. All but the things may be left out."""

PROMPTS = ("any", "none", "box", "point")
"""The prompts of examples: drawn, or one kind for all."""

BILINEAR, BICUBIC = PillowImage.Resampling.BILINEAR, PillowImage.Resampling.BICUBIC


@dataclass
class _Scene:
    """The parts of an example: the picture (s, s, 3) in 8-bit levels, alpha of what is meant and of other things (s, s) in
    [0, 1], and how much more than others the pixels around soft edges count."""

    picture: NDArray[np.float32]
    meant: Pixels
    others: Pixels
    band: float


@dataclass(frozen=True)
class Learning(base.Learning):
    """Pictures to cut out of, made while training runs.

    ``scenes`` is the share of the examples that are photographs with masks, where there are any, ``parts`` the share of those that
    are learnt with a prompt; ``empty`` the share of composites with nothing to cut. ``prompted``: the share with a box or points.
    ``first``: the share without an answer before. ``band``: how much more than others the pixels around soft edges count.
    ``made``: the share of composites whose ground is computed. ``digits``: things are digits, in a colour of their own. ``prompt``
    is ``any``, or what all that are prompted have: ``none``, ``box``, or ``point``, about the middle of the thing.
    """

    scenes: float = 0.55
    parts: float = 0.1
    empty: float = 0.12
    prompted: float = 0.5
    first: float = 0.4
    band: float = 2.0
    made: float = 0.2
    digits: bool = False
    prompt: str = "any"
    name: ClassVar[str] = "cutout"
    sources: ClassVar[tuple[str, ...]] = SOURCES
    with_alpha: ClassVar[tuple[str, ...]] = SOURCES[:3]
    optional: ClassVar[tuple[str, ...]] = SOURCES[1:]
    draws: ClassVar[Literal["pixels", "levels"]] = "levels"
    before: ClassVar[str] = "picture"
    words: ClassVar[str] = "the picture itself"

    def __post_init__(self) -> None:
        for name in ("scenes", "parts", "empty", "prompted", "first", "made"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"task cutout: {name} must be a share from 0 to 1")
        if self.prompt not in PROMPTS:
            raise OptionError(f"task cutout: prompt must be one of {', '.join(PROMPTS)}")
        if self.band < 0:
            raise OptionError("task cutout: band must be 0 or more")

    @property
    def maps(self) -> tuple[str, ...]:
        """The planes that the network is given beside the picture."""
        return cutting.MAPS

    def planes(self, channels: int) -> tuple[int, int]:
        """Three channels in, alpha out."""
        return 3, 1

    def of_case(self, case: Degradation) -> Learning:
        """Validation: first looks at what the case says, with something to cut in each picture."""
        alpha = asked.of(case)
        if not isinstance(alpha, asked.Alpha):
            return self
        return replace(self, prompt=alpha.prompt or "none", prompted=float(bool(alpha.prompt)), first=1.0, empty=0.0)

    def composed(self, drawn: base.Drawn, side: int, rng: np.random.Generator) -> base.Pair:
        """An example of ``side`` pixels; ``drawn`` gives an image of a source, or None where there is none."""
        prompted = bool(rng.random() < self.prompted)
        scene = self._scene(drawn, side, rng, prompted)
        prompted = prompted and bool(scene.meant.max() > 0.5)
        picture = _developed(scene.picture, rng, gentle=self.digits)
        before = None if rng.random() < self.first else _spoiled(scene.meant, scene.others, rng)
        prompts = _prompts(scene.meant, scene.others, before, rng, self.prompt) if prompted else Prompts()
        if prompts.box is not None and before is not None:
            before = before * _inside(prompts.box, side)
        planes = cutting.maps(picture, prompts, before)
        weight = _weight(scene.meant, scene.band)[..., None]
        # Without strength the picture stays whole.
        whole = np.ones((side, side, 1), dtype=np.float32)
        return base.Pair(picture, planes, np.ascontiguousarray(scene.meant)[..., None], whole, weight=weight)

    def _scene(self, drawn: base.Drawn, side: int, rng: np.random.Generator, prompted: bool) -> _Scene:
        if not self.digits and rng.random() < self.scenes:
            part = prompted and rng.random() < min(1.0, self.parts / max(self.prompted * self.scenes, 1e-6))
            source = "parts" if part and drawn.has("parts") else "scenes"
            if drawn.has(source):
                return _photograph(_levels(drawn(source)), side, rng)
        made = self.digits or rng.random() < self.made or not drawn.has("grounds")
        ground = None if made else drawn("grounds")
        canvas = _made(side, rng) if ground is None else _ground(_levels(ground), side, rng)
        meant, others = (np.zeros((side, side), dtype=np.float32) for _ in range(2))
        if rng.random() >= self.empty:
            self._paste(canvas, meant, others, drawn, rng, prompted)
        return _Scene(canvas, meant, others, self.band)

    def _paste(
        self, canvas: Pixels, meant: Pixels, others: Pixels, drawn: base.Drawn, rng: np.random.Generator, prompted: bool
    ) -> None:
        side = canvas.shape[0]
        # Others lie below, or above; with nothing asked for, all that is pasted is meant.
        count = int(rng.choice((1, 2, 3), p=(0.7, 0.22, 0.08)))
        which = count - 1 if rng.random() < 0.75 else int(rng.integers(count))
        for number in range(count):
            # A thing that is cut out of a photograph is one, too; its edge is coarser.
            cut = not self.digits and rng.random() < 0.3 and drawn.has("scenes")
            thing = drawn("scenes") if cut else drawn("things")
            if self.digits:
                thing = _tinted(thing, rng)
            # Most things are large; a filling one is cut by the edges.
            share = rng.uniform(0.3, 1.0) if count == 1 else rng.uniform(0.25, 0.65)
            if count == 1 and rng.random() < 0.12:
                share = rng.uniform(1.0, 1.4)
            pasted = _pasted(canvas, _levels(thing), share * side, rng, plain=self.digits)
            if pasted is None:
                continue
            window, alpha = pasted
            mine, other = (meant, others) if number == which or not prompted else (others, meant)
            other[window] *= 1 - alpha
            mine[window] = alpha + mine[window] * (1 - alpha)


# -- things on grounds ------------------------------------------------------------------------------------------------


def _levels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The image in 8 bits."""
    if image.dtype == np.uint8:
        return image
    levels: NDArray[np.uint8] = np.clip(image * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
    return levels


def _pillow(levels: NDArray[np.uint8]) -> PillowImage.Image:
    if levels.shape[2] == 1:
        levels = np.repeat(levels, 3, axis=2)
    return PillowImage.fromarray(np.ascontiguousarray(levels))


def _ground(levels: NDArray[np.uint8], side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A part of a photograph, half to all of it, mirrored or not, often blurred as grounds are."""
    image = _pillow(levels[..., :3])
    width, height = image.size
    shorter = min(width, height)
    length = min(shorter, max(shorter * rng.uniform(0.5, 1.0), min(shorter, 0.6 * side)))
    left, top = rng.uniform(0, width - length), rng.uniform(0, height - length)
    image = image.resize((side, side), BILINEAR, (left, top, left + length, top + length))
    if rng.random() < 0.5:
        image = image.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.45:
        image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.5, 1 + side / 40))))
    return np.asarray(image, dtype=np.float32)


def _made(side: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """A computed ground: a slope from one colour to another, soft spots and fine grain; often the white or gray of a studio."""
    studio = rng.random() < 0.5
    low, high = (170, 256) if studio else (0, 256)
    colours = rng.uniform(low, high, (2, 1, 1, 3)).astype(np.float32)
    if studio:
        colours = colours.mean(axis=-1, keepdims=True) + rng.uniform(-8, 8, (2, 1, 1, 3)).astype(np.float32)
    spots = _smooth(side, int(rng.integers(2, 9)), rng)
    canvas = colours[0] + (colours[1] - colours[0]) * (0.5 + 0.25 * spots[..., None])
    if not studio:
        for cells in (int(rng.integers(8, 20)), int(rng.integers(20, 64))):
            tint = rng.uniform(-25, 25, 3).astype(np.float32)
            canvas += _smooth(side, min(cells, side), rng)[..., None] * tint
    ground: NDArray[np.float32] = np.clip(canvas, 0, 255)
    return ground


def _smooth(side: int, cells: int, rng: np.random.Generator) -> Pixels:
    """Smooth noise (side, side) of standard deviation about 1 with so many waves across."""
    grid = rng.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(PillowImage.fromarray(grid).resize((side, side), BICUBIC), dtype=np.float32)


def _tinted(digit: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A digit in a colour of its own, with a slope of light."""
    digit = _levels(digit)
    height, width = digit.shape[:2]
    colour = rng.uniform(0, 256, 3) + rng.uniform(-30, 30, 3) * np.linspace(-1, 1, height)[:, None, None]
    tinted = np.empty((height, width, 4), dtype=np.uint8)
    tinted[..., :3] = np.clip(colour, 0, 255)
    tinted[..., 3] = digit[..., -1]
    return tinted


def _pasted(
    canvas: NDArray[np.float32], thing: NDArray[np.uint8], length: float, rng: np.random.Generator, *, plain: bool
) -> tuple[tuple[slice, slice], Pixels] | None:
    """Pastes a thing, ``length`` pixels long, into the canvas: where, and its alpha there; None where it lies outside."""
    side = canvas.shape[0]
    placed = _placed(thing, length, rng, plain=plain)
    height, width = placed.shape[:2]
    # Most lie within; some are cut by an edge of the picture.
    out = 0.35 if rng.random() < 0.25 else 0.0
    corner = []
    for size in (height, width):
        room = side - size
        low, high = (min(0.0, room) - out * size, max(0.0, room) + out * size) if out else (min(0.0, room), max(0.0, room))
        corner.append(
            round(
                float(rng.triangular(low - 1e-3, (low + high) / 2, high + 1e-3) if rng.random() < 0.5 else rng.uniform(low, high))
            )
        )
    top, left = corner
    window = slice(max(0, top), min(side, top + height)), slice(max(0, left), min(side, left + width))
    part = placed[window[0].start - top : window[0].stop - top, window[1].start - left : window[1].stop - left]
    if part.shape[0] < 4 or part.shape[1] < 4 or part[..., 3].max() < 128:
        return None
    below = canvas[window]
    colour = part[..., :3].astype(np.float32)
    alpha = part[..., 3].astype(np.float32) * np.float32(1 / 255)
    if not plain:
        if rng.random() < 0.35:
            _shadow(canvas, placed[..., 3], top, left, rng)
        if rng.random() < 0.6:
            weights = alpha[::4, ::4, None]
            mean = (colour[::4, ::4] * weights).sum((0, 1)) / max(float(weights.sum()), 1e-3)
            match = np.float32(rng.uniform(0, 0.5))
            contrast = np.float32(rng.uniform(0.7, 1.1))
            colour -= mean
            colour *= contrast
            colour += mean + match * (below[::4, ::4].mean((0, 1)) - mean)
            np.clip(colour, 0, 255, out=colour)
    below += (colour - below) * alpha[..., None]
    return window, alpha


def _placed(thing: NDArray[np.uint8], length: float, rng: np.random.Generator, *, plain: bool) -> NDArray[np.uint8]:
    """The thing (h, w, 4), cut to its alpha, ``length`` pixels long, mirrored, turned, stretched; its edge eroded or feathered."""
    alpha = thing[..., 3]
    rows, columns = np.flatnonzero((alpha > 12).any(axis=1)), np.flatnonzero((alpha > 12).any(axis=0))
    if not len(rows):
        return np.zeros((8, 8, 4), dtype=np.uint8)
    box = (float(columns[0]), float(rows[0]), float(columns[-1]) + 1, float(rows[-1]) + 1)
    share = length / max(box[2] - box[0], box[3] - box[1])
    stretch = float(np.exp(rng.uniform(-0.15, 0.15)))
    size = max(6, round((box[2] - box[0]) * share * stretch)), max(6, round((box[3] - box[1]) * share / stretch))
    image = PillowImage.fromarray(np.ascontiguousarray(thing)).resize(size, BILINEAR, box)
    if plain:
        return np.asarray(image)
    if rng.random() < 0.5:
        image = image.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.35:
        image = image.rotate(float(rng.uniform(-25, 25)), BILINEAR, expand=True)
    placed = np.array(image)
    draw = rng.random()
    if draw < 0.45:
        # Blurred, and its middle moved: an edge that is softer, or lies further in.
        soft = image.getchannel("A").filter(ImageFilter.BoxBlur(float(rng.uniform(0.4, 1.6))))
        levels = np.asarray(soft, dtype=np.float32)
        steep = np.float32(rng.uniform(1.0, 2.5))
        placed[..., 3] = np.clip((levels - 255) * steep + np.float32(rng.uniform(255, 255 + 100 * (steep - 1) / 1.5)), 0, 255)
        # Below the blurred edge lies colour that the file may not have.
    return placed


def _shadow(canvas: NDArray[np.float32], alpha: NDArray[np.uint8], top: int, left: int, rng: np.random.Generator) -> None:
    """Darkens the ground by the thing's blurred outline, moved and pressed flat."""
    side = canvas.shape[0]
    height, width = alpha.shape
    flat = float(rng.uniform(0.3, 1.0))
    spread = float(rng.uniform(2, 8)) * side / 256
    image = PillowImage.fromarray(alpha)
    low = max(4, round(height * flat))
    image = image.resize((width, low), BILINEAR)
    whole = PillowImage.new("L", (side, side))
    whole.paste(image, (left + round(rng.uniform(-0.15, 0.15) * width), top + height - low + round(rng.uniform(0, 0.08) * height)))
    dark = np.asarray(whole.filter(ImageFilter.BoxBlur(spread)), dtype=np.float32)
    canvas *= 1 - dark[..., None] * np.float32(rng.uniform(0.2, 0.7) / 255)


# -- photographs ------------------------------------------------------------------------------------------------------


def _photograph(levels: NDArray[np.uint8], side: int, rng: np.random.Generator) -> _Scene:
    """A part of a photograph around its subject, from close up to all of it, stretched a little."""
    alpha = levels[..., 3]
    height, width = alpha.shape
    rows, columns = np.flatnonzero((alpha > 127).any(axis=1)), np.flatnonzero((alpha > 127).any(axis=0))
    if len(rows):
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    else:
        top, bottom, left, right = 0, height, 0, width
    aspect = float(np.exp(rng.uniform(-0.25, 0.25)))
    longer = max(bottom - top, (right - left) / aspect) * float(np.exp(rng.uniform(0.02, 1.0)))
    down = min(float(height), longer)
    across = min(float(width), longer * aspect)
    # Where the picture is not high or wide enough, it is stretched no more than half.
    down, across = min(down, across * 1.6), min(across, down * 1.6)
    corner = []
    for first, last, length, most in ((top, bottom, down, height), (left, right, across, width)):
        low, high = sorted((last - length, float(first)))
        if rng.random() < 0.15:
            low, high = low - 0.2 * length, high + 0.2 * length
        corner.append(float(np.clip(rng.uniform(low, high), 0, most - length)))
    box = (corner[1], corner[0], corner[1] + across, corner[0] + down)
    # Not as RGBA: Pillow would drop the colours where alpha is 0.
    colour = PillowImage.fromarray(np.ascontiguousarray(levels[..., :3])).resize((side, side), BILINEAR, box)
    mask = PillowImage.fromarray(np.ascontiguousarray(alpha)).resize((side, side), BILINEAR, box)
    if rng.random() < 0.5:
        colour, mask = (each.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT) for each in (colour, mask))
    picture, meant = np.asarray(colour, dtype=np.float32), np.asarray(mask, dtype=np.float32) * np.float32(1 / 255)
    return _Scene(picture, meant, np.zeros_like(meant), -0.6)


# -- one camera for all -----------------------------------------------------------------------------------------------


@lru_cache
def _noise() -> NDArray[np.float32]:
    """Standard normal noise to cut from: (640, 640, 3)."""
    return np.random.default_rng(0).standard_normal((640, 640, 3), dtype=np.float32)


def _developed(picture: NDArray[np.float32], rng: np.random.Generator, *, gentle: bool) -> Pixels:
    """The picture (s, s, 3) in [0, 1], after light, colour, blur, noise and JPEG that thing and ground share."""
    side = picture.shape[0]
    gains = np.exp(rng.normal(0, 0.06, 3) + rng.normal(0, 0.15)).astype(np.float32)
    picture = (picture - np.float32(110)) * np.float32(np.exp(rng.normal(0, 0.15))) + np.float32(110)
    picture *= gains
    draw = rng.random()
    if draw < 0.05:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)
    elif draw < 0.15:
        # Leaves that are blue: what a thing is does not hang on its colour, but on how that differs from the rest.
        picture = picture[..., rng.permutation(3)]
    if rng.random() < 0.4:
        top, left = rng.integers(0, 640 - min(side, 320), 2)
        noise = _noise()[top : top + side, left : left + side]
        if noise.shape == picture.shape:
            picture += noise * np.float32(rng.uniform(1, 14))
    levels = np.clip(picture, 0, 255).astype(np.uint8)
    if not gentle and rng.random() < 0.55:
        image = PillowImage.fromarray(levels)
        if rng.random() < 0.4:
            image = image.filter(ImageFilter.BoxBlur(float(rng.uniform(0.3, 1.2))))
        if rng.random() < 0.6:
            buffer = io.BytesIO()
            image.save(buffer, "JPEG", quality=int(rng.integers(35, 95)))
            image = pillow.opened(buffer)
        levels = np.asarray(image)
    return levels.astype(np.float32) * np.float32(1 / 255)


# -- prompts and answers before ---------------------------------------------------------------------------------------


def _small(plane: Pixels, side: int) -> Pixels:
    image = PillowImage.fromarray(plane)
    return np.asarray(image.resize((side, side), PillowImage.Resampling.BOX), dtype=np.float32)


def _spoiled(meant: Pixels, others: Pixels, rng: np.random.Generator) -> Pixels:
    """An answer as a look before might have given it: parts missing, other things in it, moved, grown, shrunk, soft or wrong."""
    side = meant.shape[0]
    draw = rng.random()
    if draw < 0.04:
        return np.full_like(meant, rng.uniform(0, 0.4))
    if draw < 0.12:
        spots = _smooth(side, int(rng.integers(2, 6)), rng)
        return np.asarray(np.clip(0.5 + rng.uniform(0.5, 2) * (spots - rng.uniform(0, 1)), 0, 1), dtype=np.float32)
    answer = meant
    if rng.random() < 0.5 and others.any():
        answer = np.maximum(answer, others * np.float32(rng.uniform(0.3, 1)))
    missing, added = rng.random() < 0.5, rng.random() < 0.4
    if missing or added:
        spots = _smooth(side, int(rng.integers(2, 7)), rng)
        steep, level = np.float32(rng.uniform(1, 6)), np.float32(rng.uniform(0.3, 1.4))
        if missing:
            answer = answer * np.clip(0.5 - steep * (spots - level), 0, 1)
        if added:
            answer = np.maximum(answer, np.clip(0.5 - steep * (spots + level + 0.2), 0, 1))
    if rng.random() < 0.5:
        # Coarse: moved, and grown or shrunk by another level of its blurred edge.
        cells = max(4, round(side * rng.uniform(0.08, 0.3)))
        small = _small(np.ascontiguousarray(answer), cells)
        small = np.roll(small, tuple(rng.integers(-1, 2, 2)), (0, 1)) if rng.random() < 0.3 else small
        answer = np.asarray(PillowImage.fromarray(small).resize((side, side), BILINEAR), dtype=np.float32)
        if rng.random() < 0.6:
            answer = np.float32(0.5) + np.float32(rng.uniform(1.5, 5)) * (answer - np.float32(rng.uniform(0.2, 0.8)))
    if rng.random() < 0.4:
        answer = answer * np.float32(rng.uniform(0.5, 1)) + np.float32(rng.uniform(0, 0.2))
    return np.asarray(np.clip(answer, 0, 1), dtype=np.float32)


def _inside(box: tuple[float, float, float, float], side: int) -> Pixels:
    plane = np.zeros((side, side), dtype=np.float32)
    left, top, right, bottom = (max(0, round(edge)) for edge in box)
    plane[top:bottom, left:right] = 1
    return plane


def _prompts(meant: Pixels, others: Pixels, before: Pixels | None, rng: np.random.Generator, kind: str) -> Prompts:
    """A box, points, or both, as one would give them for what is meant; or one of that kind, without a mistake."""
    side = meant.shape[0]
    there = meant > 0.5
    if kind == "point":
        return Prompts(points=(_middle(there, rng),))
    box = None
    draw = rng.random()
    if draw < 0.5 or kind == "box":
        rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
        size = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
        # Half of the boxes are right, the others are drawn by hand: mostly too large.
        loose = 0.0 if kind == "box" or rng.random() < 0.5 else 0.05 * size
        edges = np.array((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1), dtype=float)
        edges += np.array((-1, -1, 1, 1)) * rng.uniform(-0.3, 1, 4) * loose
        box = (float(edges[0]), float(edges[1]), float(edges[2]), float(edges[3]))
        if draw < 0.4 or kind == "box":
            return Prompts(box=box)
    yes, no = [], []
    if before is not None and rng.random() < 0.5:
        # Corrections of the answer before.
        yes += _picked((meant > 0.7) & (before < 0.5), rng, 1)
        no += _picked((meant < 0.1) & (before > 0.5), rng, 1)
    if not yes or rng.random() < 0.3:
        if rng.random() < 0.5:
            yes.append(_middle(there, rng))
        else:
            yes += _picked(meant > 0.8, rng, int(rng.choice((1, 1, 2, 4, 8))))
    if rng.random() < 0.35:
        wrong = others > 0.5 if others.max() > 0.5 else meant < 0.05
        no += _picked(wrong, rng, int(rng.choice((1, 1, 2, 4))))
    clip = np.clip
    return Prompts(tuple((float(clip(x, 0, side)), float(clip(y, 0, side))) for x, y in yes), tuple(no), box)


def _picked(there: NDArray[np.bool_], rng: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Pixels drawn from those that are True; none where there are none."""
    places = np.flatnonzero(there)
    if not len(places):
        return []
    return [(place % there.shape[1] + 0.5, place // there.shape[1] + 0.5) for place in map(int, rng.choice(places, count))]


def _middle(there: NDArray[np.bool_], rng: np.random.Generator) -> tuple[float, float]:
    """About the pixel farthest from the edge."""
    side = there.shape[0]
    cells = max(8, side // 4)
    image = PillowImage.fromarray(there.astype(np.uint8) * np.uint8(255)).resize((cells, cells), PillowImage.Resampling.BOX)
    total = np.zeros((cells, cells), dtype=np.float32)
    for radius in (1, 3, 7):
        total += np.asarray(image.filter(ImageFilter.BoxBlur(radius)), dtype=np.float32)
    total += rng.random((cells, cells), dtype=np.float32)
    row, column = divmod(int(total.argmax()), cells)
    return (column + 0.5) * side / cells, (row + 0.5) * side / cells


def _weight(meant: Pixels, band: float) -> Pixels:
    """How much each pixel counts: 1, and ``band`` more, or less, within a few pixels of where alpha is neither 0 nor 1."""
    soft = (meant > 0.05) & (meant < 0.95)
    image = PillowImage.fromarray(soft.astype(np.uint8) * np.uint8(255)).filter(ImageFilter.BoxBlur(2))
    near = np.minimum(np.asarray(image, dtype=np.float32) * np.float32(8 / 255), 1)
    weight: Pixels = 1 + np.float32(band) * near
    return weight
