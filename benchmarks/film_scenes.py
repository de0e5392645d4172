"""The clips and stills that `benchmarks/film.py` measures on: photographs that move under a camera, with things that move in front.

Photographs and things are those that no recipe of the task `film` learns from: its ``hold_out`` and ``masks/measure``.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def flash(frames: Pixels) -> Pixels:
    """A flash in one frame, and a fade to black in the last quarter: both are meant."""
    made = frames.copy()
    made[len(made) // 3] = np.clip(1.8 * made[len(made) // 3] + 0.1, 0, 1)
    quarter = len(made) // 4
    made[-quarter:] *= np.linspace(1, 0.1, quarter, dtype=np.float32)[:, None, None, None]
    return made
