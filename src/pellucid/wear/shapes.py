"""Shapes of damage, as coverage (h, w) from 0 to 1: specks, and strokes along lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["branched", "patchy", "runs", "softened", "speck", "stroke", "upsampled", "wander"]

Pixels = NDArray[np.float32]


def speck(radius: float, soft: float, rng: np.random.Generator) -> Pixels:
    """A spot of no regular outline, about ``radius`` pixels from its middle to its edge, which is ``soft`` pixels wide."""
    size = int(np.ceil((1.9 if radius > 2 else 1.6) * radius + 1 + soft / 2))
    y, x, a, b, turn2, turn3 = rng.random(6, dtype=np.float32)
    line = np.arange(-size, size + 1, dtype=np.float32)
    down, across = (line + (y - 0.5))[:, None], (line + (x - 0.5))[None]
    far = np.sqrt(down * down + across * across)
    angle = np.arctan2(down, across)
    rim = 1 + 0.35 * a * np.cos(2 * angle + 6.283 * turn2) + 0.2 * b * np.cos(3 * angle + 6.283 * turn3)
    if radius > 2:
        for waves, (much, turn) in enumerate(rng.random((9, 2), dtype=np.float32), 4):
            rim += np.float32(0.9 / waves) * (much - np.float32(0.3)) * np.cos(waves * angle + np.float32(6.283) * turn)
    cover: Pixels = np.clip((np.float32(radius) * rim - far) * np.float32(1 / soft) + np.float32(0.5), 0, 1)
    return cover


def softened(cover: Pixels, times: int) -> Pixels:
    """A coverage (h, w) or (h, w, 1), out of focus: each of so many ``times`` the mean of two by two pixels, the edges joined."""
    for _ in range(times):
        cover = (cover + np.roll(cover, 1, 0) + np.roll(cover, 1, 1) + np.roll(cover, (1, 1), (0, 1))) / np.float32(4)
    return cover


def patchy(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> Pixels:
    """Smooth values (h, w) from 0 to 1 with hills about ``cell`` pixels apart."""
    rows, columns = (max(2, int(side / cell) + 2) for side in shape)
    coarse = rng.random((rows, columns), dtype=np.float32)
    hills: Pixels = upsampled(coarse[None], *shape)[0]
    return hills


def upsampled(values: Pixels, height: int, width: int) -> Pixels:
    """Values (n, a, b) at (n, height, width), linear between them; the outermost lie at the corners."""
    return np.asarray(_weights(values.shape[1], height) @ values @ _weights(values.shape[2], width).T, np.float32)


def _weights(few: int, many: int) -> Pixels:
    if few == 1:
        return np.ones((many, 1), np.float32)
    places = np.linspace(0, few - 1, many)
    weights: Pixels = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(few))).astype(np.float32)
    return weights


def wander(count: int, step: float, turn: float, curl: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (count, 2) of a line that begins at 0, 0 in any direction, ``step`` pixels apart. Its curvature is ``curl`` radians a
    point in either direction for all of it, and wanders by ``turn`` from point to point."""
    bend = rng.normal(0, curl) + rng.normal(0, turn, count)
    angle = rng.uniform(0, 2 * np.pi) + np.cumsum(bend)
    points = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return np.cumsum(step * points, axis=0)


def branched(
    length: float, turn: float, forks: int, rng: np.random.Generator, *, toward: float | None = None
) -> list[NDArray[np.float64]]:
    """Lines of a crack or a filament: one of ``length`` pixels, and ``forks`` shorter ones that leave it, and those before."""
    trunk = wander(max(3, int(length)), 1.0, turn, 0.0, rng)
    if toward is not None:
        angle = toward - np.arctan2(*(trunk[min(4, len(trunk) - 1)]))
        turned = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        trunk = trunk @ turned.T
    lines = [trunk]
    for _ in range(forks):
        parent = lines[int(rng.integers(len(lines)))]
        start = parent[int(rng.integers(len(parent)))]
        lines.append(start + wander(max(3, int(length * rng.uniform(0.15, 0.5))), 1.0, turn, 0.0, rng))
    return lines


def stroke(points: NDArray[np.float64], width: NDArray[np.float64] | float, strength: Pixels | float) -> tuple[int, int, Pixels]:
    """The coverage of a line of points (n, 2) at most a pixel apart, ``width`` pixels wide, times ``strength``; both may differ
    from point to point. Gives its first row and column, and the coverage."""
    half = np.asarray(width, np.float32) / 2
    reach = int(np.ceil(half.max() + 0.5))
    whole = np.floor(points).astype(np.int64)
    top, left = (whole.min(axis=0) - reach).tolist()
    height, across = (whole.max(axis=0) - whole.min(axis=0) + 2 * reach + 2).tolist()
    cover = np.zeros(height * across, np.float32)
    part = (points - whole).astype(np.float32)
    line = np.arange(-reach, reach + 2, dtype=np.float32)
    down, right = np.meshgrid(line, line, indexing="ij")
    far = np.sqrt((down.ravel() - part[:, :1]) ** 2 + (right.ravel() - part[:, 1:]) ** 2)
    laid = np.clip(np.reshape(half, (-1, 1)) + np.float32(0.5) - far, 0, 1) * np.reshape(np.asarray(strength, np.float32), (-1, 1))
    first = (whole[:, 0] - top) * across + whole[:, 1] - left
    near = (down.ravel() * across + right.ravel()).astype(np.int64)
    np.maximum.at(cover, (first[:, None] + near).ravel(), laid.ravel())
    return int(top), int(left), cover.reshape(height, across)


def runs(count: int, there: float, gone: float, rng: np.random.Generator) -> Pixels:
    """1 and 0 along ``count`` pixels in turn: stretches of about ``there`` and ``gone`` pixels (exponential)."""
    each = max(4, int(2.5 * count / (there + gone)) + 4)
    lengths = rng.exponential(1, 2 * each) * np.tile([there, gone], each) + 1
    edges = np.cumsum(lengths) - rng.uniform(0, there + gone)
    inside = np.searchsorted(edges, np.arange(count), side="right")
    on: Pixels = ((inside + int(rng.integers(2))) % 2 == 0).astype(np.float32)
    return on
