"""The clips and stills that `benchmarks/film.py` measures on: photographs that move under a camera, with things that move in front,
and what is like damage and is none.

Photographs and things are those that no recipe of the task `film` learns from: its ``hold_out`` and ``masks/measure``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from pellucid import files

Pixels = NDArray[np.float32]

SIZE = 288, 352
"""Rows and columns of a frame."""

SCENES = (
    ("photos/175-buddiesofbudgie-BuddiesOfBudgie_roman-colosseum.webp", "duck"),
    ("photos/010-lomiri-picosdeeuropa_by_Aitzol_Berasategi.webp", "emu"),
    ("photos/030-plasma-2560x1600.webp", "songbird"),
    ("photos/172-buddiesofbudgie-BuddiesOfBudgie_oakland-zoo-otters.webp", "alpaca"),
    ("photos/173-buddiesofbudgie-BuddiesOfBudgie_perched-osprey.webp", "yak"),
    ("free/various/bolts-qoi-Central_Bern_from_north.webp", "giraffe"),
)
"""The photograph behind and the thing in front (of ``masks/measure``)."""


def _pixels(path: Path) -> Pixels:
    return np.asarray(files.read(path).pixels[..., :3], np.float32)


def _thing(data: Path, name: str, high: int) -> tuple[Pixels, Pixels]:
    """The colours and the alpha of a thing that is ``high`` pixels tall."""
    cv2: Any = import_module("cv2")
    colours = _pixels(data / "masks/measure" / f"{name}.webp")
    alpha = files.read(data / "masks/measure" / f"{name}.mask.png").pixels[..., 0].astype(np.float32)
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    size = max(2, round(high * (columns[-1] - columns[0]) / (rows[-1] - rows[0]))), high
    small = [cv2.resize(np.ascontiguousarray(plane[part]), size, interpolation=cv2.INTER_AREA) for plane in (colours, alpha)]
    return small[0], small[1]


def moving(data: Path, number: int, count: int, size: tuple[int, int] = SIZE) -> Pixels:
    """The clean clip (count, h, w, 3) of scene ``number``: the camera pans and comes nearer, a thing crosses; the second half of
    every third scene is another photograph (a cut)."""
    cv2: Any = import_module("cv2")
    rng = np.random.default_rng(1000 + number)
    height, width = size
    photo, name = SCENES[number % len(SCENES)]
    grounds = [_pixels(data / photo)]
    if number % 3 == 2:
        grounds.append(_pixels(data / SCENES[(number + 1) % len(SCENES)][0]))
    frames = []
    # Photographs were compressed: they are made smaller, so that little of that is left.
    least = [max(height / ground.shape[0], width / ground.shape[1]) for ground in grounds]
    phase, speed = rng.uniform(0, 2 * np.pi, 2), rng.uniform(0.008, 0.02, 2)
    thing, alpha = _thing(data, name, round(height * rng.uniform(0.3, 0.5)))
    step, bob = rng.uniform(2.0, 7.0), rng.uniform(2, 8)
    for at in range(count):
        which = 1 if len(grounds) > 1 and at >= count // 2 else 0
        ground = grounds[which]
        zoom = max(0.75, least[which] * 1.02) * (1 + 0.001 * at)
        room = np.array(ground.shape[:2]) * zoom - np.array(size)
        top, left = room * (0.5 + 0.45 * np.sin(2 * np.pi * speed * at + phase))
        scaled = np.array([[zoom, 0, -left], [0, zoom, -top]], np.float32)
        frame = cv2.warpAffine(ground, scaled, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        x, y = at * step % (width + alpha.shape[1]) - alpha.shape[1], height * 0.95 - alpha.shape[0] + bob * np.sin(at / 5)
        place = np.array([[1, 0, x], [0, 1, y]], np.float32)
        share = cv2.warpAffine(alpha, place, (width, height))[..., None]
        front = cv2.warpAffine(thing, place, (width, height), borderMode=cv2.BORDER_REPLICATE)
        frames.append(np.clip(frame + share * (front - frame), 0, 1))
    return np.stack(frames).astype(np.float32)


# -- what is like damage and is none --------------------------------------------------------------------------------------


def _drawn(frames: Pixels, draw: Callable[[ImageDraw.ImageDraw, int], None], value: float, share: float) -> Pixels:
    """Each frame with what ``draw`` draws on its number, at twice the size."""
    made = []
    for at, frame in enumerate(frames):
        height, width = frame.shape[:2]
        canvas = PillowImage.new("L", (2 * width, 2 * height))
        draw(ImageDraw.Draw(canvas), at)
        alpha = np.asarray(canvas.reduce(2), np.float32)[..., None] * np.float32(share / 255)
        made.append(frame + alpha * (np.float32(value) - frame))
    return np.stack(made)


def rain(frames: Pixels) -> Pixels:
    """Drops fall by 30 to 50 pixels a frame, each on its own way: no drop is twice in one place."""
    rng = np.random.default_rng(1)
    height, width = (2 * side for side in frames.shape[1:3])
    count = width * height // 4000
    x, y, fast, long = (
        rng.uniform(0, width, count),
        rng.uniform(0, height, count),
        rng.uniform(60, 100, count),
        rng.uniform(30, 60, count),
    )

    def draw(on: ImageDraw.ImageDraw, at: int) -> None:
        for left, top, step, length in zip(x, y, fast, long, strict=True):
            here = (top + at * step) % (height + length) - length
            on.line([(left + 0.1 * here, here), (left + 0.1 * (here + length), here + length)], fill=150, width=2)

    return _drawn(frames, draw, 0.85, 0.5)


def snow(frames: Pixels) -> Pixels:
    """Flakes of 1 to 4 pixels that sink by 2 to 8 pixels a frame and sway."""
    rng = np.random.default_rng(2)
    height, width = (2 * side for side in frames.shape[1:3])
    count = width * height // 2500
    x, y, size = rng.uniform(0, width, count), rng.uniform(0, height, count), rng.uniform(1.5, 4.5, count)
    turn = rng.uniform(0, 6.28, count)

    def draw(on: ImageDraw.ImageDraw, at: int) -> None:
        for left, top, radius, phase in zip(x, y, size, turn, strict=True):
            here, across = (top + at * 3.5 * radius) % height, (left + 12 * np.sin(at / 6 + phase)) % width
            on.ellipse([across - radius, here - radius, across + radius, here + radius], fill=230)

    return _drawn(frames, draw, 0.97, 0.95)


def wires(frames: Pixels) -> Pixels:
    """Wires and poles of one pixel that stay in the picture, dark: half of them upright."""
    rng = np.random.default_rng(3)
    height, width = (2 * side for side in frames.shape[1:3])
    upright = rng.uniform(0, width, 6)
    level = rng.uniform(0, height * 0.7, 6)

    def draw(on: ImageDraw.ImageDraw, at: int) -> None:
        for place in upright:
            on.line([(place + 2 * at, 0), (place + 2 * at, height)], fill=255, width=2)
        for place in level:
            on.line([(0, place), (width, place + 60)], fill=255, width=2)

    return _drawn(frames, draw, 0.1, 0.8)


def fence(frames: Pixels) -> Pixels:
    """A fence of bright pickets two pixels wide, close to the camera."""
    height, width = (2 * side for side in frames.shape[1:3])

    def draw(on: ImageDraw.ImageDraw, at: int) -> None:
        for place in range(-2 * at % 44, width, 44):
            on.line([(place, height // 3), (place, height)], fill=255, width=4)
        for place in (height // 2, height * 5 // 6):
            on.line([(0, place), (width, place)], fill=255, width=6)

    return _drawn(frames, draw, 0.9, 1.0)


def stars(frames: Pixels) -> Pixels:
    """A sky at night: the scene at a tenth of its light, and still points of one or two pixels."""
    rng = np.random.default_rng(4)
    height, width = (2 * side for side in frames.shape[1:3])
    count = width * height // 3000
    x, y, size = rng.uniform(0, width, count), rng.uniform(0, height, count), rng.uniform(0.6, 2.2, count)

    def draw(on: ImageDraw.ImageDraw, at: int) -> None:
        for left, top, radius in zip(x, y, size, strict=True):
            on.ellipse([left - radius, top - radius, left + radius, top + radius], fill=255)

    return _drawn(0.1 * frames + np.float32(0.02), draw, 0.95, 0.9)


def text(frames: Pixels) -> Pixels:
    """Titles and subtitles, each line for eight frames."""
    height, width = (2 * side for side in frames.shape[1:3])
    lines = (
        "ill-lit still life",
        "THE END / 1931",
        "i l | I ! . : ,",
        "It was a dark night.",
        "Illinois, 12 July",
        "||| Hill & Willis |||",
    )

    def draw(on: ImageDraw.ImageDraw, at: int) -> None:
        font = ImageFont.load_default(size=44)
        on.text((width // 8, height * 4 // 5), lines[at // 8 % len(lines)], fill=255, font=font)
        on.text((width // 10, height // 8), lines[(at // 8 + 3) % len(lines)], fill=255, font=ImageFont.load_default(size=26))

    return _drawn(frames, draw, 0.95, 1.0)


def hair(frames: Pixels) -> Pixels:
    """Locks of thin hair before the scene, which move with the head."""
    rng = np.random.default_rng(5)
    height, width = (2 * side for side in frames.shape[1:3])
    locks = [
        (rng.uniform(0.3, 0.6) * width, rng.uniform(-0.6, 0.6), rng.uniform(-0.002, 0.002), int(rng.integers(120, 256)))
        for _ in range(90)
    ]

    def draw(on: ImageDraw.ImageDraw, at: int) -> None:
        sway = 10 * np.sin(at / 7)
        for start, slant, bend, fill in locks:
            points = [(start + sway + slant * down + bend * down * down, float(down)) for down in range(0, height * 3 // 4, 12)]
            on.line(points, fill=fill, width=2)

    return _drawn(frames, draw, 0.12, 0.9)


LIKES: dict[str, Callable[[Pixels], Pixels]] = {each.__name__: each for each in (rain, snow, wires, fence, stars, text, hair)}
"""By name, what is drawn into the frames of a clean clip."""


def flash(frames: Pixels) -> Pixels:
    """A flash in one frame, and a fade to black in the last quarter: both are meant."""
    made = frames.copy()
    made[len(made) // 3] = np.clip(1.8 * made[len(made) // 3] + 0.1, 0, 1)
    quarter = len(made) // 4
    made[-quarter:] *= np.linspace(1, 0.1, quarter, dtype=np.float32)[:, None, None, None]
    return made
