"""Impulses on what was drawn: single pixels that differ from a ground of one exact value, wherever chance has put them.

Dots of letters stand in lines, those of dithering keep their distances. Impulses do neither: in each row there are as many as its
ground has room for, but for chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid import drawings
from pellucid.maps import Spots

__all__ = ["by_colour", "dotted", "impulses", "mostly", "of_any_value"]

SIDE = 5
"""Side in pixels of the ground, of one exact value, in whose middle a pixel may differ."""

FEWEST, LEAST, MOST = 40, 5e-4, 0.1
"""How many such pixels there must be, and which share of the places that may have one, at least and at most."""

CHANCE = 0.65, 1.5
"""How much their number differs from row to row, and from column to column, as a multiple of what chance makes of it (the variance
of a Poisson variable). On pages with 1 and 2 % of impulses 0.9 to 1.3 times; of dots in clean text of 6 to 18 pixels in six fonts
1.9 to 74 times in one of the two directions; of dithering less than 0.6 times."""

ROOM = 0.3
"""How many a row must have by chance to be asked: of fewer the variance is too uncertain."""

MOSTLY = 0.25
"""Share of the picture that is ground from which impulses on it are looked for whatever else there seems to be. A sky of stars that
ended in black had 0.03, the most of 64 photographs in which any were found."""

SAMPLE, SINGLE, MANY = 20_000, 0.6, 64
"""In how many pixels colours are counted at first, the share of them that may have a colour of their own in a drawing with
impulses, and how many pixels a drawing has for each colour. In a photograph most of them have one, in such a sample."""

MOST_STRUCK = 0.25
"""The share of the pixels that may be impulses by their colours: of more, too few neighbours would be left."""


HALF = np.float32(0.5)
"""The middle of the range of values."""

EVEN, SPREAD, ALIKE, ODD = 2.5, 1.65, 5.0, 0.05
"""How far the colours of impulses are from any value by chance, as multiples of one over the square root of how many there are:
the greatest difference of a distribution from an even one (Kolmogorov's, surpassed once in 140 000 times), of the share that an
octant of the cube of colours has from an eighth, and the correlation of two channels (five standard deviations each); and how far
besides, for some of a drawing's own pixels may be among them."""


def by_colour(parts: Sequence[NDArray[np.float32]]) -> Spots | None:
    """The impulses of any value in the ``parts`` (h, w, 3) of a drawing, whose colours are there once; None where there
    are none. The colours that come again are left to be found in the whole picture."""
    if parts[0].shape[2] != 3:
        return None
    planes = [part.transpose(2, 0, 1) for part in parts]
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    every = max(1, min(8, pixels // SAMPLE))
    some = np.concatenate([drawings.keys(each[:, ::every]).ravel() for each in planes])
    some = some[:: max(1, len(some) // SAMPLE)]
    _, counts = np.unique(some, return_counts=True)
    if np.count_nonzero(counts == 1) > SINGLE * len(some):
        return None
    colours = drawings.recurring(planes)
    if not 0 < len(colours) <= pixels // MANY:
        return None
    values: list[NDArray[np.float32]] = []
    spread: tuple[list[float], list[float]] = ([], [])
    for each in planes:
        off = drawings.recoloured(each, colours)[1]
        values.append(each[:, off])
        for axis in (0, 1):
            spread[axis].extend(_excess(off.sum(axis=axis), np.full(off.shape[1 - axis], off.shape[axis])))
    struck = np.concatenate(values, axis=1)
    share = struck.shape[1] / pixels
    few = max(FEWEST, LEAST * pixels) <= struck.shape[1] <= MOST_STRUCK * pixels
    return Spots(share).anew if few and _by_chance(spread) and of_any_value(struck) else None


def of_any_value(struck: NDArray[np.float32]) -> bool:
    """Whether the colours ``struck`` (3, n) are those of impulses: in each channel any value, whatever the others have. Stars and
    dots are light or dark in all channels at once, or of the colours of a scale."""
    chance = 1 / math.sqrt(struck.shape[1])
    steps = np.linspace(0, 1, struck.shape[1])
    # The greatest and the least of three values are even, too, so bent; those of pure colours are the ends.
    even = np.vstack([struck, struck.max(axis=0) ** 3, 1 - (1 - struck.min(axis=0)) ** 3])
    if np.abs(np.sort(even, axis=1) - steps).max() > EVEN * chance + ODD:
        return False
    octants = np.bincount((struck > HALF).T @ np.array([1, 2, 4]), minlength=8) / struck.shape[1]
    together = np.abs(np.corrcoef(struck) - np.eye(3)).max()
    return bool(np.abs(octants - 1 / 8).max() < SPREAD * chance + ODD and together < ALIKE * chance + ODD)


def mostly(parts: Sequence[NDArray[np.float32]], density: float) -> bool:
    """Whether the ``parts`` are ground, mostly, of which impulses of this ``density`` have left so much as is there."""
    places = sum(int(np.count_nonzero(drawings.surrounded(part.transpose(2, 0, 1), SIDE))) for part in parts)
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    return bool(places >= MOSTLY * pixels * math.pow(1 - density, SIDE**2 - 1))


def impulses(parts: Sequence[NDArray[np.float32]]) -> Spots | None:
    """The impulses in the ``parts`` (h, w, channels) of a drawn picture; None where there are none."""
    found, dots = _single(parts)
    return None if dots else found


def dotted(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the ``parts`` (h, w, channels) are ground, mostly, with dots of one pixel on it that are no impulses."""
    found, dots = _single(parts)
    return found is not None and dots and mostly(parts, found.share)


def _single(parts: Sequence[NDArray[np.float32]]) -> tuple[Spots | None, bool]:
    """The single pixels on ground, if chance has spread them, and whether their colours are not those of impulses."""
    struck = places = 0
    values: list[NDArray[np.float32]] = []
    spread: tuple[list[float], list[float]] = ([], [])
    for part in parts:
        if min(part.shape[:2]) < SIDE:
            continue
        free = drawings.surrounded(part.transpose(2, 0, 1), SIDE)
        middle = SIDE // 2
        off = free & (part[middle:-middle, middle:-middle] != part[: 1 - SIDE, : 1 - SIDE]).any(axis=2)
        struck += int(np.count_nonzero(off))
        places += int(np.count_nonzero(free))
        inner, ground = part[middle:-middle, middle:-middle][off], part[: 1 - SIDE, : 1 - SIDE][off]
        values.append(inner[(inner != ground).sum(axis=1) >= min(2, part.shape[2])])
        for axis in (0, 1):
            spread[axis].extend(_excess(off.sum(axis=axis), free.sum(axis=axis)))
    few = max(FEWEST, LEAST * places) <= struck <= MOST * places
    if not few or not _by_chance(spread):
        return None, False
    # Those that strike one channel alone have the ground's values in the others; pure colours have one in common with the ground.
    whole = np.concatenate(values)
    dots = whole.shape[1] == 3 and len(whole) >= max(FEWEST, struck / 3) and not of_any_value(whole.T)
    return Spots(struck / places, ground=True), dots


def _by_chance(spread: Sequence[Sequence[float]]) -> bool:
    """Whether pixels are spread over rows and columns by chance, by the answers of `_excess`."""
    return all(len(each) > 0 and CHANCE[0] < float(np.mean(each)) < CHANCE[1] for each in spread)


def _excess(found: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.float64]:
    """Squares of how far the numbers ``found`` are from those by chance, by the ``room`` of each row, in variances of chance."""
    likely = room * (found.sum() / max(int(room.sum()), 1))
    kept = likely > ROOM
    answer: NDArray[np.float64] = np.square(found[kept] - likely[kept]) / likely[kept]
    return answer
