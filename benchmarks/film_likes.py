"""Clips of what is like damage and is none, for `benchmarks/film.py --what likes`: kinds that are drawn into clean frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

Pixels = NDArray[np.float32]
Values = NDArray[np.float64]
Kind = Callable[[Pixels, np.random.Generator], Pixels]

TURN = 2 * np.pi

LIKES: dict[str, Callable[[Pixels, int], Pixels]] = {}
"""By name, what makes of clean frames and the number of their scene frames with something like damage."""


def like(seed: int) -> Callable[[Kind], Kind]:
    """Puts a kind into `LIKES`, with draws of its own for each scene."""

    def put(kind: Kind) -> Kind:
        LIKES[kind.__name__] = lambda frames, scene: kind(frames, np.random.default_rng(seed + scene))
        return kind

    return put


class Canvas:
    """Draws on a plane of twice the size of a frame, to an eighth of a frame's pixel."""

    FINE = 4

    def __init__(self, height: int, width: int) -> None:
        self.plane = PillowImage.new("L", (2 * self.FINE * width, 2 * self.FINE * height))
        self._on = ImageDraw.Draw(self.plane)

    def line(self, points: ArrayLike, width: int = 2, fill: int = 255) -> None:
        """Through points (n, 2), x before y."""
        places = self.FINE * np.asarray(points, np.float64)
        self._on.line([(x, y) for x, y in places.tolist()], fill=fill, width=self.FINE * width)

    def lines(self, starts: Sequence[ArrayLike], ends: Sequence[ArrayLike], width: int = 2, fill: int = 255) -> None:
        """Straight ones, from pairs (x, y) to others, each of values or arrays."""
        for x, y, far, low in np.broadcast(*starts, *ends):
            self.line([(x, y), (far, low)], width, fill)

    def polygon(self, points: ArrayLike) -> None:
        """A filled one."""
        self._on.polygon([(x, y) for x, y in (self.FINE * np.asarray(points, np.float64)).tolist()], fill=255)

    def box(self, left: float, top: float, right: float, bottom: float) -> None:
        """A filled rectangle."""
        self._on.rectangle([self.FINE * side for side in (left, top, right, bottom)], fill=255)

    def dots(self, x: ArrayLike, y: ArrayLike, radius: ArrayLike, fill: ArrayLike = 255, low: ArrayLike | None = None) -> None:
        """Filled ellipses; ``low`` is the radius from top to bottom."""
        for across, down, wide, high, tone in np.broadcast(x, y, radius, radius if low is None else low, fill):
            self._on.ellipse(self._around(across, down, wide, high), fill=int(tone))

    def rings(self, x: ArrayLike, y: ArrayLike, radius: ArrayLike) -> None:
        """Circles that are not filled."""
        for across, down, wide in np.broadcast(x, y, radius):
            self._on.ellipse(self._around(across, down, wide, wide), outline=255, width=2 * self.FINE)

    def text(self, x: float, y: float, words: str, size: int) -> None:
        """Words in the font that Pillow has."""
        self._on.text((self.FINE * x, self.FINE * y), words, fill=255, font=ImageFont.load_default(size=self.FINE * size))

    def _around(self, x: float, y: float, wide: float, high: float) -> list[float]:
        return [self.FINE * float(side) for side in (x - wide, y - high, x + wide, y + high)]


def _drawn(frames: Pixels, draw: Callable[[Canvas, int], None], value: ArrayLike, share: float = 1.0) -> Pixels:
    """Each frame with what ``draw`` draws on its number, in this gray or colour, so far opaque."""
    made = []
    for at, frame in enumerate(frames):
        canvas = Canvas(*frame.shape[:2])
        draw(canvas, at)
        alpha = np.asarray(canvas.plane.reduce(2 * canvas.FINE), np.float32)[..., None] * np.float32(share / 255)
        made.append(frame + alpha * (np.asarray(value, np.float32) - frame))
    return np.stack(made)


def _room(frames: Pixels) -> tuple[int, int]:
    """Rows and columns of a canvas."""
    return 2 * frames.shape[1], 2 * frames.shape[2]


# -- what falls and floats ------------------------------------------------------------------------------------------------


@like(1)
def rain(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Drops fall by 30 to 50 pixels a frame, each on its own way: no drop is twice in one place."""
    return _rain(frames, rng, 0.1, (60, 100), (30, 60), frames[0, ..., 0].size // 1000)


@like(11)
def slant_rain(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Rain at a slant, drops of all speeds."""
    slope = rng.uniform(0.2, 0.8) * rng.choice([-1, 1])
    return _rain(frames, rng, slope, (40, 120), (20, 70), frames[0, ..., 0].size * 3 // 1250, wide=3)


def _rain(
    frames: Pixels,
    rng: np.random.Generator,
    slope: float,
    speeds: tuple[float, float],
    lengths: tuple[float, float],
    count: int,
    wide: float = 1,
) -> Pixels:
    height, width = _room(frames)
    x, y = rng.uniform((1 - wide) / 2 * width, (1 + wide) / 2 * width, count), rng.uniform(0, height, count)
    speed, length = rng.uniform(*speeds, count), rng.uniform(*lengths, count)

    def draw(on: Canvas, at: int) -> None:
        here = (y + at * speed) % (height + length) - length
        on.lines((x + slope * here, here), (x + slope * (here + length), here + length), fill=150)

    return _drawn(frames, draw, 0.85, 0.5)


@like(2)
def snow(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Flakes of 1 to 4 pixels that sink by 2 to 8 pixels a frame and sway."""
    return _snow(frames, rng, 2500, (1.5, 4.5), 0, 3.5, 12)


@like(12)
def snow_near(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Flakes of 4 to 12 pixels, close to the camera."""
    return _snow(frames, rng, 9000, (4, 12), rng.uniform(-1, 1), 3, 8)


@like(13)
def snow_far(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Many flakes of 1 to 2 pixels."""
    return _snow(frames, rng, 1200, (0.8, 2.2), rng.uniform(-3, 3), 5, 5)


def _snow(
    frames: Pixels, rng: np.random.Generator, room: int, sizes: tuple[float, float], drift: float, fall: float, sway: float
) -> Pixels:
    height, width = _room(frames)
    count = width * height // room
    x, y, radius = rng.uniform(0, width, count), rng.uniform(0, height, count), rng.uniform(*sizes, count)
    phase = rng.uniform(0, TURN, count)

    def draw(on: Canvas, at: int) -> None:
        on.dots((x + drift * at * radius + sway * np.sin(at / 6 + phase)) % width, (y + at * fall * radius) % height, radius, 230)

    return _drawn(frames, draw, 0.97, 0.95)


@like(14)
def snow_storm(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Flakes that the wind drives across, blurred by their motion."""
    height, width = _room(frames)
    count = width * height // 2500
    x, y, wide = rng.uniform(0, width, count), rng.uniform(0, height, count), rng.uniform(1, 5, count)
    way = rng.uniform(12, 30) * rng.choice([-1, 1])
    across, down = rng.normal(way, 5, count), rng.normal(8, 5, count)

    def draw(on: Canvas, at: int) -> None:
        here, there = (x + at * across) % width, (y + at * down) % height
        for number in range(1, 5):
            part = wide.astype(int) == number
            starts, ends = ((here + side * across / 4, there + side * down / 4) for side in (-1, 1))
            on.lines([each[part] for each in starts], [each[part] for each in ends], number, 210)

    return _drawn(frames, draw, 0.95, 0.9)


COLOURS = (0.9, 0.1, 0.1), (0.1, 0.8, 0.2), (0.95, 0.85, 0.1), (0.1, 0.2, 0.9), (0.95, 0.95, 0.95)
BROWNS = (0.6, 0.3, 0.05), (0.75, 0.55, 0.1), (0.35, 0.3, 0.05)
LAMPS = (1, 0.2, 0.1), (0.2, 1, 0.3), (1, 0.95, 0.7), (0.4, 0.5, 1)
BALLS = (0.95, 0.95, 0.9), (0.9, 0.5, 0.1), (0.8, 0.9, 0.2), (0.1, 0.1, 0.12)


@like(23)
def confetti(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Pieces of paper in five colours that turn and fall."""
    for colour in COLOURS:
        frames = _papers(frames, rng, colour)
    return frames


def _papers(frames: Pixels, rng: np.random.Generator, colour: ArrayLike) -> Pixels:
    height, width = _room(frames)
    x, y, size = rng.uniform(0, width, 18), rng.uniform(0, height, 18), rng.uniform(3, 9, 18)
    across, down = rng.normal(0, 5, 18), rng.uniform(4, 16, 18)
    phase, turn = rng.uniform(0, TURN, 18), rng.uniform(0.3, 1.2, 18)

    def draw(on: Canvas, at: int) -> None:
        here, there = (x + across * at + 6 * np.sin(at / 2 + phase)) % width, (y + down * at) % height
        high = size * np.abs(np.sin(turn * at + phase)) + 1
        for sides in zip(here - size, there - high, here + size, there + high, strict=True):
            on.box(*sides)

    return _drawn(frames, draw, colour)


@like(24)
def leaves(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Leaves that turn and fall."""
    for colour in BROWNS:
        frames = _leaves(frames, rng, colour)
    return frames


def _leaves(frames: Pixels, rng: np.random.Generator, colour: ArrayLike) -> Pixels:
    height, width = _room(frames)
    around = np.linspace(0, TURN, 10)[:, None]
    x, y, size = rng.uniform(0, width, 13), rng.uniform(0, height, 13), rng.uniform(4, 12, 13)
    across, down = rng.normal(6, 5, 13), rng.uniform(3, 12, 13)
    phase, turn = rng.uniform(0, TURN, 13), rng.uniform(0.2, 0.7, 13)

    def draw(on: Canvas, at: int) -> None:
        long, short, angle = size * np.cos(around), 0.45 * size * np.sin(around), turn * at + phase
        left = (x + across * at + 15 * np.sin(0.4 * at + phase)) % width + long * np.cos(angle) - short * np.sin(angle)
        top = (y + down * at) % height + long * np.sin(angle) + short * np.cos(angle)
        for points in np.stack([left, top], axis=-1).swapaxes(0, 1):
            on.polygon(points)

    return _drawn(frames, draw, colour)


@like(35)
def bubbles(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Rings that rise."""
    height, width = _room(frames)
    x, y, radius, phase = (rng.uniform(0, most, 60) for most in (width, height, 1, TURN))
    radius = 3 + 11 * radius

    def draw(on: Canvas, at: int) -> None:
        on.rings(x + 6 * np.sin(at / 3 + phase), (y - at * (4 + radius / 2)) % height, radius)

    return _drawn(frames, draw, 0.9, 0.8)


# -- what flies -----------------------------------------------------------------------------------------------------------


@like(22)
def birds(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """A flock that crosses, beating its wings."""
    height, width = _room(frames)
    x, y = rng.uniform(0, width, 14), rng.uniform(0, height * 0.7, 14)
    across, down = rng.normal(rng.choice([-1, 1]) * rng.uniform(10, 30), 4, 14), rng.normal(0, 4, 14)
    size, phase = rng.uniform(5, 14, 14), rng.uniform(0, TURN, 14)

    def draw(on: Canvas, at: int) -> None:
        here, there = (x + across * at) % width, (y + down * at) % height
        tips = there - 0.8 * size * np.sin(1.3 * at + phase)
        for side in (-1, 1):
            on.lines((here, there), (here + side * size, tips), 3)
        on.dots(here, there, 4, low=2)

    return _drawn(frames, draw, 0.08, 0.95)


@like(36)
def insects(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Dark points that go here and there."""
    height, width = _room(frames)
    ways = rng.uniform(0, 1, (25, 2)) * [width, height] + np.cumsum(rng.normal(0, 12, (len(frames), 25, 2)), axis=0)
    radius = rng.uniform(1.5, 3.5, 25)
    return _drawn(frames, lambda on, at: on.dots(ways[at, :, 0] % width, ways[at, :, 1] % height, radius), 0.06, 0.9)


@like(33)
def balls(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Four balls that cross fast."""
    for colour in BALLS:
        frames = _ball(frames, rng, colour)
    return frames


def _ball(frames: Pixels, rng: np.random.Generator, colour: ArrayLike) -> Pixels:
    height, width = _room(frames)
    x, y, radius = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(4, 16)
    across, down = rng.uniform(30, 100, 2) * rng.choice([-1, 1], 2)
    return _drawn(frames, lambda on, at: on.dots((x + across * at) % width, (y + down * at) % height, radius), colour)


# -- lights ---------------------------------------------------------------------------------------------------------------


@like(4)
def stars(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """A sky at night: the scene at a tenth of its light, and still points of one or two pixels."""
    return _stars(frames, rng, 0, 0)


@like(20)
def pan_stars(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Stars under a camera that pans."""
    return _stars(frames, rng, *rng.uniform(-14, 14, 2))


def _stars(frames: Pixels, rng: np.random.Generator, across: float, down: float) -> Pixels:
    height, width = _room(frames)
    count = width * height // 2500
    x, y, radius = rng.uniform(0, width, count), rng.uniform(0, height, count), rng.uniform(0.5, 2.2, count)
    fill = rng.integers(80, 256, count)

    def draw(on: Canvas, at: int) -> None:
        on.dots((x + at * across) % width, (y + at * down) % height, radius, fill)

    return _drawn(0.1 * frames + np.float32(0.02), draw, 0.95, 0.9)


@like(19)
def turning_stars(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Stars that turn around the middle of the frame."""
    height, width = _room(frames)
    count = width * height // 2500
    away, angle, radius = 1.2 * width * np.sqrt(rng.uniform(0, 1, count)), rng.uniform(0, TURN, count), rng.uniform(0.5, 2, count)
    fill, turn = rng.integers(80, 256, count), rng.uniform(-0.02, 0.02)

    def draw(on: Canvas, at: int) -> None:
        on.dots(width / 2 + away * np.cos(angle + turn * at), height / 2 + away * np.sin(angle + turn * at), radius, fill)

    return _drawn(0.1 * frames + np.float32(0.02), draw, 0.95, 0.9)


@like(25)
def sparks(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Bright streaks from one point, as of a grinder."""
    height, width = _room(frames)
    x, y, base = rng.uniform(0.2, 0.8) * width, rng.uniform(0.4, 0.8) * height, rng.uniform(0, TURN)
    born = np.repeat(np.arange(-8, len(frames) + 1), 25)
    angle, speed = rng.normal(base, 0.35, born.size), rng.uniform(25, 60, born.size)

    def draw(on: Canvas, at: int) -> None:
        for age in at - np.arange(-8, at + 1) + 0.3:
            here = np.abs(at + 0.3 - born - age) < 0.1
            if age < 8:
                start, end = (
                    (x + speed * time * np.cos(angle), y + speed * time * np.sin(angle) + 2.5 * time * time)
                    for time in (max(0, age - 0.5), age)
                )
                on.lines([each[here] for each in start], [each[here] for each in end], fill=int(255 - 20 * age))

    return _drawn(0.35 * frames, draw, (1.0, 0.8, 0.4))


@like(26)
def embers(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Points that rise from a fire and glow unevenly."""
    height, width = _room(frames)
    x, y = rng.uniform(0.3 * width, 0.7 * width, 70), rng.uniform(0, height, 70)
    across, down = rng.normal(0, 5, 70), -rng.uniform(6, 25, 70)
    radius, phase = rng.uniform(1, 2.5, 70), rng.uniform(0, TURN, 70)

    def draw(on: Canvas, at: int) -> None:
        here = (x + across * at + 8 * np.sin(0.8 * at + phase)) % width
        on.dots(here, (y + down * at) % height, radius, 160 + 90 * np.sin(1.1 * at + phase))

    return _drawn(0.3 * frames, draw, (1.0, 0.6, 0.2))


@like(27)
def fireworks(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Six bursts of streaks in colours, each over fourteen frames."""
    frames = 0.15 * frames
    for _ in range(6):
        frames = _burst(frames, rng)
    return frames


def _burst(frames: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = _room(frames)
    x, y, begin = rng.uniform(0.15, 0.85) * width, rng.uniform(0.15, 0.6) * height, int(rng.integers(-6, len(frames)))
    speed, colour = rng.uniform(8, 20), rng.uniform(0.3, 1, 3)
    angle, share = rng.uniform(0, TURN, 60), rng.uniform(0.6, 1, 60)

    def draw(on: Canvas, at: int) -> None:
        age = at - begin
        if 0 <= age < 14:
            starts, ends = (
                (x + way * np.cos(angle), y + way * np.sin(angle) + 0.4 * age * age)
                for way in (speed * share * (1 - 0.85**time) / 0.15 for time in (max(0, age - 0.5), age + 1))
            )
            on.lines(starts, ends, 3, 255 - 15 * age)

    return _drawn(frames, draw, colour)


@like(28)
def flashes(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Flashes of cameras in a crowd: up to three bright spots with a glow, each in one frame."""
    height, width = _room(frames)
    spots = [rng.uniform([0, 0.2 * height, 3], [width, height, 9], (int(rng.integers(0, 4)), 3)).T for _ in frames]
    glow = np.arange(10, 0, -1)

    def draw(on: Canvas, at: int) -> None:
        for x, y, radius in spots[at].T:
            on.dots(x, y, radius * glow / 3, 255 * (1 - glow / 11) ** 2)
            on.dots(x, y, 0.6 * radius)

    return _drawn(0.5 * frames, draw, 1.0)


@like(32)
def blinking(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Lights in four colours that blink."""
    frames = 0.4 * frames
    for colour in LAMPS:
        frames = _lamps(frames, rng, colour)
    return frames


def _lamps(frames: Pixels, rng: np.random.Generator, colour: ArrayLike) -> Pixels:
    height, width = _room(frames)
    x, y, radius = rng.uniform(0, width, 8), rng.uniform(0, height, 8), rng.uniform(2, 8, 8)
    phase, time = rng.integers(0, 12, 8), rng.integers(2, 9, 8)

    def draw(on: Canvas, at: int) -> None:
        lit = (at + phase) // time % 2 == 1
        on.dots(x[lit], y[lit], radius[lit])

    return _drawn(frames, draw, colour)


@like(34)
def lightning(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Three bolts in the dark, each in one frame."""
    height, width = _room(frames)
    made = 0.2 * frames
    bolts: dict[int, Values] = {}
    for at in rng.choice(len(frames), min(3, len(frames)), replace=False).tolist():
        steps = np.stack([rng.normal(0, 14, 40), np.full(40, height / 60)], axis=1)
        bolts[at] = np.array([rng.uniform(0.2, 0.8) * width, 0]) + np.cumsum(steps, axis=0)
        made[at] = np.clip(0.45 * frames[at] + 0.1, 0, 1)
    return _drawn(made, lambda on, at: on.line(bolts[at], 3) if at in bolts else None, 1.0)


@like(37)
def glitter(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Sun on water: points that come and go in the lower half."""
    height, width = _room(frames)
    x, y = rng.uniform(0, width, 220), rng.uniform(0.5, 1, 220) * height
    phase, speed = rng.uniform(0, TURN, 220), rng.uniform(0.4, 1.6, 220)

    def draw(on: Canvas, at: int) -> None:
        light = np.sin(speed * at + phase)
        lit = light > 0.3
        on.dots(x[lit], y[lit], 4, 255 * light[lit], low=1.5)

    return _drawn(frames, draw, 1.0)


# -- lines ----------------------------------------------------------------------------------------------------------------


@like(3)
def wires(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Wires and poles of one pixel that stay in the picture, dark: half of them upright."""
    height, width = _room(frames)
    upright, level = rng.uniform(0, width, 6), rng.uniform(0, height * 0.7, 6)

    def draw(on: Canvas, at: int) -> None:
        on.lines((upright + 2 * at, 0), (upright + 2 * at, height))
        on.lines((0, level), (width, level + 60))

    return _drawn(frames, draw, 0.1, 0.8)


@like(15)
def pan_wires(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Wires that sag between poles, under a pan."""
    height, width = _room(frames)
    step, gap = rng.uniform(4, 24) * rng.choice([-1, 1]), rng.uniform(300, 600)
    tops, tone = np.sort(rng.uniform(0.1, 0.6, 4)) * height, rng.uniform(0.05, 0.2)
    along = np.linspace(0, 1, 20)

    def draw(on: Canvas, at: int) -> None:
        for pole in np.arange(-gap + step * at % gap, width + gap, gap):
            on.line([(pole, tops[0] - 20), (pole, height)], 3)
            for top in tops:
                on.line(np.stack([pole + along * gap, top + 72 * along * (1 - along)], axis=1))

    return _drawn(frames, draw, tone, 0.9)


@like(16)
def slant_wires(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Ten wires at slants, under a pan."""
    height, width = _room(frames)
    across, down = rng.uniform(-16, 16, 2)
    starts, slants = rng.uniform(-width, 1.5 * width, 10), 1.3 * height * rng.uniform(-0.6, 0.6, 10)

    def draw(on: Canvas, at: int) -> None:
        on.lines((starts + across * at, 0.2 * down * at - 100), (starts + across * at + slants, 1.3 * height))

    return _drawn(frames, draw, 0.1, 0.85)


@like(6)
def fence(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """A fence of bright pickets two pixels wide, close to the camera."""
    return _pickets(frames, -2, 44, 4, 0.9)


@like(18)
def pickets(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Pickets of any width, distance and speed, bright or dark."""
    return _pickets(frames, rng.uniform(-20, 20), rng.uniform(30, 80), int(rng.integers(3, 9)), rng.choice([0.9, 0.15]))


def _pickets(frames: Pixels, step: float, gap: float, wide: int, tone: float) -> Pixels:
    height, width = _room(frames)

    def draw(on: Canvas, at: int) -> None:
        x = np.arange(step * at % gap - gap, width + gap, gap)
        on.lines((x, height // 4), (x, height), wide)
        on.lines((0, (0.4 * height, 0.8 * height)), (width, (0.4 * height, 0.8 * height)), wide)

    return _drawn(frames, draw, tone)


@like(17)
def chain_link(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """A fence of wires that cross at right angles, under a pan."""
    height, width = _room(frames)
    across, down = rng.uniform(-12, 12, 2)
    gap, tone = rng.uniform(36, 70), rng.choice([0.75, 0.2])

    def draw(on: Canvas, at: int) -> None:
        for side in (-1, 1):
            x = np.arange(-width - height, 2 * width + height, gap) + (across - side * 0.3 * down) * at % gap
            on.lines((x + side * height, 0), (x, height), 3)

    return _drawn(frames, draw, tone, 0.9)


@like(40)
def blinds(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Slats of light that move and open."""
    height, width = _room(frames)
    gap, step = rng.uniform(20, 50), rng.uniform(-3, 3)

    def draw(on: Canvas, at: int) -> None:
        for left in np.arange(step * at % gap - 2 * gap, width + 2 * gap, gap):
            on.box(left, 0, left + 2 + 0.4 * at, height)

    return _drawn(0.6 * frames, draw, 0.9, 0.8)


@like(39)
def masts(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Masts of boats that rock, and their rigging."""
    height, width = _room(frames)
    x, top, phase = rng.uniform(0, width, 10), rng.uniform(0, 0.4, 10) * height, rng.uniform(0, TURN, 10)
    tone = rng.choice([0.95, 0.1])

    def draw(on: Canvas, at: int) -> None:
        tips = x + 0.03 * np.sin(0.35 * at + phase) * (0.85 * height - top), top
        on.lines((x, 0.85 * height), tips, 3)
        on.lines((x + 40, 0.85 * height), tips, 1, 200)

    return _drawn(frames, draw, tone, 0.95)


@like(38)
def grass(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Blades before the scene, in the wind."""
    height, width = _room(frames)
    x, high, phase = rng.uniform(0, width, 160), rng.uniform(0.2, 0.6, 160) * height, rng.uniform(0, TURN, 160)
    lean, fill = rng.normal(0, 0.15, 160), rng.integers(100, 256, 160)
    return _strands(frames, 0.75, x, fill, lambda up, at: (lean + 0.12 * np.sin(at / 2 + 0.3 * phase)) * up * up / 150, -high)


@like(5)
def hair(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Locks of thin hair before the scene, which move with the head."""
    height, width = _room(frames)
    x, slant, bend = rng.uniform(0.3, 0.6, 90) * width, rng.uniform(-0.6, 0.6, 90), rng.uniform(-0.002, 0.002, 90)
    fill = rng.integers(120, 256, 90)
    return _strands(frames, 0.12, x, fill, lambda down, at: 10 * np.sin(at / 7) + slant * down + bend * down * down, 0.75 * height)


@like(21)
def wind_hair(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Locks of dark or bright hair in the wind."""
    height, width = _room(frames)
    x, slant, bend = rng.uniform(0.2, 0.7, 80) * width, rng.uniform(-0.8, 0.8, 80), rng.uniform(-0.003, 0.003, 80)
    phase, speed, fill = rng.uniform(0, TURN, 80), rng.uniform(0.2, 0.7, 80), rng.integers(120, 256, 80)

    def bent(down: Values, at: int) -> Values:
        return slant * down + bend * down * down + 18 * np.sin(speed * at + phase + down / 90) * down / height

    return _strands(frames, rng.choice([0.12, 0.8]), x, fill, bent, 0.75 * height)


def _strands(
    frames: Pixels, tone: float, x: Values, fill: NDArray[np.int_], bent: Callable[[Values, int], Values], long: ArrayLike
) -> Pixels:
    """Curves from the top at ``x``, or with a negative length from the bottom; ``bent`` is how far they lie aside at distances
    (points, n) in a frame."""
    away = np.linspace(np.zeros(x.shape), np.broadcast_to(np.abs(long), x.shape), 36)
    y = away if np.all(np.asarray(long) > 0) else _room(frames)[0] - away

    def draw(on: Canvas, at: int) -> None:
        for points, one in zip(np.stack([x + bent(away, at), y], axis=-1).swapaxes(0, 1), fill.tolist(), strict=True):
            on.line(points, fill=one)

    return _drawn(frames, draw, tone, 0.9)


@like(31)
def clock(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """A white face and a hand that turns."""
    height, width = _room(frames)
    middle, radius = np.array([rng.uniform(0.3, 0.7) * width, rng.uniform(0.4, 0.6) * height]), 0.35 * height
    speed, phase = rng.uniform(0.1, 0.9), rng.uniform(0, TURN)

    def draw(on: Canvas, at: int) -> None:
        hands = [(TURN * hour / 12, 0.88, 0.97, 4) for hour in range(12)] + [(phase + speed * at, 0, 0.9, 3), (1, 0, 0.7, 7)]
        for angle, inner, outer, wide in hands:
            on.line([middle + radius * way * np.array([np.cos(angle), np.sin(angle)]) for way in (inner, outer)], wide)

    return _drawn(_drawn(frames, lambda on, at: on.dots(middle[0], middle[1], radius), 0.92), draw, 0.05)


# -- writing --------------------------------------------------------------------------------------------------------------

TITLES = (
    "ill-lit still life",
    "THE END / 1931",
    "i l | I ! . : ,",
    "It was a dark night.",
    "Illinois, 12 July",
    "||| Hill & Willis |||",
)
SPOKEN = (
    "Where were you last night?",
    "I don't know.",
    "Illinois, 1931",
    "- No! - Yes!",
    "He will be back.",
    "It's all right, Lily.",
)


@like(0)
def text(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Titles and subtitles, each line for eight frames."""
    height, width = _room(frames)

    def draw(on: Canvas, at: int) -> None:
        on.text(width // 8, height * 4 // 5, TITLES[at // 8 % len(TITLES)], 44)
        on.text(width // 10, height // 8, TITLES[(at // 8 + 3) % len(TITLES)], 26)

    return _drawn(frames, draw, 0.95)


@like(29)
def subtitles(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Lines that stand for one to six frames, some with a frame between them."""
    height, width = _room(frames)
    plan: list[str] = []
    while len(plan) < len(frames):
        plan += [str(rng.choice(SPOKEN))] * int(rng.choice([1, 1, 2, 3, 6])) + [""] * int(rng.integers(2))
    size = int(rng.integers(28, 50))
    return _drawn(frames, lambda on, at: on.text(width // 8, height * 4 // 5, plan[at], size), 0.95)


@like(30)
def timecode(frames: Pixels, rng: np.random.Generator) -> Pixels:
    """Digits of which some change with each frame."""
    height, width = _room(frames)
    size, first = int(rng.integers(20, 44)), int(rng.integers(0, 90000))
    left, top = rng.uniform(0.05, 0.4) * width, rng.choice([0.05, 0.85]) * height

    def draw(on: Canvas, at: int) -> None:
        number = first + at
        on.text(left, top, f"00:{number // 1500 % 60:02}:{number // 25 % 60:02}:{number % 25:02}  {number:07}", size)

    return _drawn(frames, draw, 0.97)
