"""Frames that are made: a photograph moves under a camera, and things move in front of it, throw shadows and change their shape.

Whoever learns from clips, or measures on them, knows the truth of these to the last pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid.images import Pixels
from pellucid.motion import box

__all__ = ["cut_out", "frames", "strip"]

Levels = NDArray[np.uint8]

GRID = 4
"""Cells a side in which a picture is bent: within one, places lie on straight lines."""

STILL, WHOLE = 0.25, 0.25
"""The share of the cameras that stand still, and of those that move by whole pixels: nothing is made softer there."""

SLOWEST = 0.3
"""Pixels from frame to frame of slow cameras and things."""

FASTEST, FASTEST_THING = 20.0, 40.0
"""The same of fast cameras and of fast things."""

MOST = 1 / 8, 1 / 4
"""The share of a frame's side that cameras and things go at most: in small frames everything would be new otherwise."""

BLURRED = 0.25
"""The share of the clips that are exposed for half the time between two frames."""

FADING = 0.1
"""The share whose light changes."""

SHADOW = 0.4
"""How much light a shadow takes at most."""


@dataclass(frozen=True)
class _Path:
    """How something moves: ``at`` frame number ``time`` it is at ``place`` (down, right) and goes on by ``step`` a frame; it swings
    to and fro, ``swing`` pixels far, turns by ``turn`` radians and grows by ``growth`` a frame, and bends by ``bend`` pixels."""

    place: NDArray[np.float64]
    step: NDArray[np.float64]
    time: float
    swing: NDArray[np.float64]
    pace: float
    turn: float = 0.0
    growth: float = 0.0
    bend: float = 0.0
    phase: float = 0.0
    trembles: NDArray[np.float64] | None = None

    def at(self, time: float) -> NDArray[np.float64]:
        """The place at a time."""
        away = time - self.time
        place = self.place + self.step * away + self.swing * (np.sin(self.pace * time + self.phase) - np.sin(self.phase))
        if self.trembles is not None:
            place = place + self.trembles[round(time) % len(self.trembles)]
        return np.asarray(place, np.float64)

    def seen(self, points: NDArray[np.float64], side: float, time: float) -> NDArray[np.float64]:
        """Where points (n, n, 2) around the middle lie in the picture that moves, around its own middle."""
        away = time - self.time
        cos, sin = np.cos(self.turn * away), np.sin(self.turn * away)
        turned = np.stack([points[..., 0] * cos - points[..., 1] * sin, points[..., 0] * sin + points[..., 1] * cos], axis=-1)
        turned *= np.exp(self.growth * away)
        if self.bend:
            waves = 2 * np.pi * points[..., ::-1] / side + self.phase + self.pace * time
            turned += self.bend * np.sin(waves)
        return turned


def frames(ground: Levels, things: Sequence[Levels], side: int, count: int, rng: np.random.Generator) -> Pixels:
    """Frames (count, side, side, channels), float32 in [0, 1]: a part of ``ground`` (h, w, channels), mirrored beyond its edges,
    and before it ``things`` (h, w, 4), each on its way.

    >>> import numpy as np
    >>> ground = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
    >>> frames(ground, [], 32, 3, np.random.default_rng(1)).shape
    (3, 32, 32, 3)
    """
    times = np.arange(count) - (count - 2)  # the last but one, which is learnt from most often, is in the middle of it all
    exposed = np.linspace(0, 0.5, 3) if rng.random() < BLURRED else np.zeros(1)
    camera = _camera(side, count, rng)
    shown = _under(ground, camera, side, [time + part for time in times for part in exposed], rng)
    made = shown.reshape(count, len(exposed), side, side, -1)
    for thing in things:
        _pass(made, thing, times, exposed, rng)
    whole = made.mean(axis=1)
    if rng.random() < FADING:
        light = np.exp(np.cumsum(rng.normal(0, 0.015, count)) + rng.normal(0, 0.01, count))
        whole *= light[:, None, None, None].astype(np.float32)
    answer: Pixels = np.clip(whole * np.float32(1 / 255), 0, 1)
    return answer


def cut_out(picture: Levels, length: int, rng: np.random.Generator) -> Levels:
    """A thing (h, w, 4) of so many pixels that is a part of a ``picture`` (h, w, channels), round, with a rim, or with corners."""
    tall, wide = (min(picture.shape[axis], max(8, round(length * float(rng.uniform(0.4, 1))))) for axis in (0, 1))
    top, left = (int(rng.integers(size - own + 1)) for size, own in zip(picture.shape, (tall, wide), strict=False))
    part = picture[top : top + tall, left : left + wide, :3].astype(np.float32)
    if rng.random() < 0.5:
        part = part * np.float32(rng.uniform(0.4, 1.4)) + np.float32(rng.uniform(-60, 60))
    rows, columns = np.ogrid[-1 : 1 : complex(tall), -1 : 1 : complex(wide)]
    power = float(rng.choice((2, 4, 8)))
    alpha = np.clip((1 - np.abs(rows) ** power - np.abs(columns) ** power) * length / 3, 0, 1)
    colours = np.broadcast_to(part, (tall, wide, 3)) if part.shape[2] == 1 else part
    whole = np.concatenate([np.clip(colours, 0, 255), 255 * alpha[..., None]], axis=2)
    levels: Levels = np.rint(whole).astype(np.uint8)
    return levels


def strip(frames_below: Levels, side: int, count: int, rng: np.random.Generator) -> Pixels:
    """Frames (count, side, side, channels) of a real clip: square ones lie one below the other in ``frames_below``. They may be
    mirrored, turned, and run backwards."""
    width = min(frames_below.shape[:2])
    held = frames_below[: frames_below.shape[0] // width * width, :width].reshape(-1, width, width, frames_below.shape[2])
    every = 2 if len(held) >= 2 * count and rng.random() < 0.25 else 1
    first = int(rng.integers(max(1, len(held) - every * (count - 1))))
    chosen = np.minimum(first + every * np.arange(count), len(held) - 1)
    if rng.random() < 0.5:
        chosen = chosen[::-1]
    top, left = (int(rng.integers(max(1, width - side + 1))) for _ in range(2))
    rows, columns = (_mirrored(np.arange(begin, begin + side), width) for begin in (top, left))
    part = held[chosen][:, rows][:, :, columns].astype(np.float32) * np.float32(1 / 255)
    if rng.random() < 0.5:
        part = part[:, :, ::-1]
    return np.ascontiguousarray(np.rot90(part, int(rng.integers(4)), (1, 2)))


def _camera(side: int, count: int, rng: np.random.Generator) -> _Path:
    none = np.zeros(2)
    chance = float(rng.random())
    trembles = rng.normal(0, rng.uniform(0, 1.2), (2 * count + 1, 2)) if rng.random() < 0.4 else None
    if chance < STILL:
        return _Path(none, none, 0.0, none, 0.0, trembles=trembles if rng.random() < 0.3 else None)
    step = _way(min(FASTEST, MOST[0] * side), rng)
    if chance < STILL + WHOLE:
        return _Path(none, np.rint(step), 0.0, none, 0.0)
    turn, growth = (float(rng.normal(0, 0.006)) * (rng.random() < 0.5) for _ in range(2))
    bend = float(rng.uniform(0.5, 3)) * (rng.random() < 0.25)
    pace = float(rng.uniform(0.1, 0.8))
    return _Path(none, step, 0.0, none, pace, turn, growth, bend, float(rng.uniform(0, 6)), trembles)


def _way(fastest: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A step from frame to frame, slow ones as likely as fast ones."""
    speed, angle = np.exp(rng.uniform(np.log(SLOWEST), np.log(fastest))), rng.uniform(0, 2 * np.pi)
    return np.asarray(speed * np.array([np.sin(angle), np.cos(angle)]), np.float64)


def _corners(height: float, width: float) -> NDArray[np.float64]:
    """The corners of the cells (GRID + 1, GRID + 1, 2) around the middle."""
    return np.stack(
        np.meshgrid(np.linspace(-0.5, 0.5, GRID + 1) * height, np.linspace(-0.5, 0.5, GRID + 1) * width, indexing="ij"), -1
    )


def _under(ground: Levels, camera: _Path, side: int, times: Sequence[float], rng: np.random.Generator) -> Pixels:
    """The ground as the camera sees it at these times (n, side, side, channels), in 8-bit levels."""
    points = _corners(side, side)
    there = [camera.seen(points, side, time) + camera.at(time) for time in times]
    low = np.floor(np.min(there, axis=(0, 1, 2))).astype(int) - 3
    high = np.ceil(np.max(there, axis=(0, 1, 2))).astype(int) + 3
    starts = [int(rng.integers(max(1, size - length + 1))) for size, length in zip(ground.shape, high - low, strict=False)]
    rows, columns = (
        _mirrored(np.arange(start, start + length), size)
        for start, length, size in zip(starts, high - low, ground.shape, strict=False)
    )
    part = _pillow(ground[rows][:, columns])
    return np.stack([_rendered(part, side, side, each - low) for each in there])


def _mirrored(places: NDArray[np.int_], size: int) -> NDArray[np.int_]:
    """Places within ``size``, mirrored at its ends."""
    around = places % (2 * size)
    return np.where(around < size, around, 2 * size - 1 - around)


def _pillow(levels: Levels) -> PillowImage.Image:
    return PillowImage.fromarray(np.ascontiguousarray(levels[..., 0] if levels.shape[2] == 1 else levels))


def _rendered(picture: PillowImage.Image, height: int, width: int, corners: NDArray[np.float64]) -> Pixels:
    """(height, width, channels): each cell shows what lies between its ``corners`` (down, right) in the picture."""
    rows, columns = (np.rint(np.linspace(0, size, GRID + 1)).astype(int) for size in (height, width))
    mesh = []
    for row in range(GRID):
        for column in range(GRID):
            own = corners[row : row + 2, column : column + 2]
            quad = [own[at] for at in ((0, 0), (1, 0), (1, 1), (0, 1))]
            window = (int(columns[column]), int(rows[row]), int(columns[column + 1]), int(rows[row + 1]))
            mesh.append((window, tuple(float(value) for point in quad for value in point[::-1])))
    made = picture.transform((width, height), PillowImage.Transform.MESH, mesh, PillowImage.Resampling.BICUBIC)
    return np.atleast_3d(np.asarray(made, np.float32))


def _pass(made: Pixels, thing: Levels, times: NDArray[np.int_], exposed: NDArray[np.float64], rng: np.random.Generator) -> None:
    """Puts a thing, on its way, into the frames (n, exposures, h, w, channels)."""
    side = made.shape[2]
    longest = max(thing.shape[:2])
    length = side * float(np.exp(rng.uniform(np.log(0.15), np.log(0.9))))
    picture = _pillow(thing)
    if length < longest:
        sizes = [max(4, round(size * length / longest)) for size in thing.shape[1::-1]]
        picture = picture.resize((sizes[0], sizes[1]), PillowImage.Resampling.BICUBIC)
    tall, wide = picture.height, picture.width
    swings = rng.random() < 0.4
    path = _Path(
        rng.uniform(0.1, 0.9, 2) * side,
        _way(min(FASTEST_THING, MOST[1] * side), rng) if rng.random() < 0.85 else np.zeros(2),
        0.0,
        rng.normal(0, 8, 2) if swings else np.zeros(2),
        float(rng.uniform(0.2, 1.5)),
        float(rng.normal(0, 0.05)) * (rng.random() < 0.6),
        float(rng.normal(0, 0.01)) * (rng.random() < 0.3),
        float(rng.uniform(0.5, 0.08 * min(tall, wide))) if rng.random() < 0.5 and min(tall, wide) > 12 else 0.0,
        float(rng.uniform(0, 6)),
    )
    half = int(np.ceil(0.6 * np.hypot(tall, wide))) + 3
    points = _corners(2 * half, 2 * half)
    shadow = np.float32(rng.uniform(0, SHADOW)) if rng.random() < 0.5 else np.float32(0)
    offset = rng.integers(-6, 7, 2)
    for number, time in enumerate(times):
        for index, part in enumerate(exposed):
            now = float(time + part)
            place = path.at(now)
            corner = np.floor(place).astype(int) - half
            within = path.seen(points - (place - np.floor(place)), max(tall, wide), now) + np.array([tall, wide]) / 2
            shown = _rendered(picture, 2 * half, 2 * half, within)
            alpha = shown[..., 3:] * np.float32(1 / 255)
            canvas = made[number, index]
            if shadow:
                dark = 1 - shadow * box(alpha[..., 0], 9)[..., None]
                _onto(canvas, corner + offset, dark, lambda below, above: below * above)
            colours = shown[..., :3].mean(axis=2, keepdims=True) if canvas.shape[2] == 1 else shown[..., :3]
            both = np.concatenate([colours, alpha], axis=2)
            _onto(canvas, corner, both, lambda below, above: below + above[..., -1:] * (above[..., :-1] - below))


def _onto(canvas: Pixels, corner: NDArray[np.int_], layer: Pixels, joined: Callable[[Pixels, Pixels], Pixels]) -> None:
    """Joins a layer to what lies below it, where both are."""
    begin = np.maximum(corner, 0)
    end = np.minimum(corner + layer.shape[:2], canvas.shape[:2])
    if (begin >= end).any():
        return
    there = slice(begin[0], end[0]), slice(begin[1], end[1])
    own = tuple(slice(low - first, high - first) for low, high, first in zip(begin, end, corner, strict=True))
    canvas[there] = joined(canvas[there], layer[own])
