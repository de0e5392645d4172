"""How likely a place of a picture alone is damaged, by two answers of the network that finds damage and by what is around it.

That network has learnt from crops, and how much damage a whole picture has it cannot see: a print with ten sure specks has more of
them, and a speck in grass is one of many. A small second network is given both answers (of the picture, and of the picture turned
by half), their means nearby and farther away, of all damage and of what is as light or dark, and along lines through the place;
beside them the picture's detail, colour and edges there: ``damage.npz``; ``pellucid calibrate damage`` makes it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pellucid import mending, motion
from pellucid.diagnosis import estimator
from pellucid.images import Pixels

__all__ = ["GUESS", "features", "judged", "load"]

GUESS = 0.25
"""The chance in the first answer from which a place is looked at again, and judged."""

SURE = 0.6
"""The mean chance from which damage counts as seen, when it is counted around a place."""

NEARBY, AROUND, FAR = (1, 3), 16, 64
"""Pixels to each side of a place over which chances are averaged: less far than pieces overlap."""

BLOCK = 4
"""Rows and columns whose mean stands for them where chances far around a place count: sixteen times less work."""

ALONG, EACH, WAYS = 12, 3, 8
"""Pixels to both sides along a line through a place, from each to the next of which the chance counts, and directions of lines."""

COLOURED = 5
"""Pixels to each side whose colour a place is held against."""

MOST = 100_000
"""Places judged at once."""


def features(frame: Pixels, maps: Sequence[Pixels], first: Pixels, turned: Pixels, where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The network's input (n, 20) for the places ``where`` (h, w) of a frame (h, w, 3) in [0, 1].

    ``maps`` are `mending.upright` of its mean channel and both planes of `mending.small_things`. ``first`` and ``turned`` (h, w)
    are the chances in both answers; what ``turned`` says elsewhere does not count, and damage is half as likely there as ``first``
    says.
    """
    chance: Pixels = np.where(where, first + turned, first) * np.float32(0.5)
    upright, lighter, darker = maps
    light = lighter > darker
    rows, columns = np.nonzero(where)
    plane = mending.gray(frame)
    colour = mending.most(frame) + mending.most(-frame)
    edges = np.zeros_like(plane)
    edges[1:-1] = np.abs(plane[2:] - plane[:-2])
    edges[:, 1:-1] += np.abs(plane[:, 2:] - plane[:, :-2])

    def far(values: Pixels, *reach: int) -> list[Pixels]:
        coarse = _coarse(values)
        return [_mean(coarse, each // BLOCK)[rows // BLOCK, columns // BLOCK] for each in reach]

    around, farther = far(chance, AROUND, FAR)
    (like_light,), (like_dark,) = far(np.where(light, chance, 0), FAR), far(np.where(light, 0, chance), FAR)
    detail = _logarithm(far(lighter + darker, AROUND)[0], 0.005)
    own, up, down = chance[where], lighter[where], darker[where]
    highest = mending.extreme(chance, np.maximum, 7)[where]
    planes = [
        _odds(own),
        _logarithm(first[where], 0.01) - _logarithm(turned[where], 0.01),
        _odds(highest),
        *(_logarithm(_mean(chance, reach)[where], 1e-3) for reach in NEARBY),
        _logarithm(around, 1e-4),
        _logarithm(farther, 1e-4),
        _logarithm(far((chance >= SURE).astype(np.float32), FAR)[0], 1e-5),
        _logarithm(np.where(up > down, like_light, like_dark), 1e-4),
        np.abs(upright[where]),
        _logarithm(up, 0.01),
        _logarithm(down, 0.01),
        detail,
        _logarithm(np.maximum(up, down), 0.01) - detail,
        (colour - _mean(colour, COLOURED))[where],
        colour[where],
        plane[where],
        _logarithm(mending.extreme(edges, np.maximum, 3)[where], 0.01),
        *_along(chance, rows, columns),
    ]
    return np.stack(planes, axis=1).astype(np.float32)


def _odds(chance: Pixels) -> Pixels:
    return _logarithm(chance, 1e-5) - _logarithm(1 - chance, 1e-5)


def _coarse(plane: Pixels) -> Pixels:
    """The means of blocks of a plane, its edge repeated."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % BLOCK), (0, -width % BLOCK)), mode="edge")
    rows = sum((padded[step::BLOCK] for step in range(1, BLOCK)), padded[::BLOCK])
    total = sum((rows[:, step::BLOCK] for step in range(1, BLOCK)), rows[:, ::BLOCK])
    return np.asarray(total / np.float32(BLOCK**2), dtype=np.float32)


def _logarithm(values: Pixels, least: float) -> Pixels:
    return np.log(np.maximum(values, 0) + np.float32(least))


def _mean(plane: Pixels, reach: int) -> Pixels:
    return motion.box(plane, 2 * reach + 1)


def _along(chance: Pixels, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> tuple[Pixels, Pixels]:
    """The logarithm of the mean chance along lines through places: along the likeliest, and the median of all."""
    padded = np.pad(chance, ALONG, mode="edge")
    rows, columns = rows + ALONG, columns + ALONG
    steps = range(-ALONG, ALONG + 1, EACH)
    means = []
    for angle in np.pi * np.arange(WAYS) / WAYS:
        down, right = np.sin(angle), np.cos(angle)
        total = np.zeros(len(rows), np.float32)
        for step in steps:
            total += padded[rows + round(step * down), columns + round(step * right)]
        means.append(total / np.float32(len(steps)))
    return _logarithm(np.max(means, axis=0), 1e-3), _logarithm(np.median(means, axis=0).astype(np.float32), 1e-3)


def judged(frame: Pixels, maps: Sequence[Pixels], first: Pixels, turned: Pixels, where: NDArray[np.bool_]) -> Pixels:
    """How likely each of the places ``where`` is damaged, (n,), in the order of `np.nonzero`; all else as `features` takes it."""
    if not where.any():
        return np.zeros(0, np.float32)
    inputs = features(frame, maps, first, turned, where)
    parts = [load().of(inputs[start : start + MOST])[:, 0] for start in range(0, len(inputs), MOST)]
    return np.asarray(1 / (1 + np.exp(-np.clip(np.concatenate(parts), -30, 30))), dtype=np.float32)


@lru_cache(maxsize=1)
def load() -> estimator.Weights:
    """The trained weights."""
    return estimator.stored("damage.npz")
