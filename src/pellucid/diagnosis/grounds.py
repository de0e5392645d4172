"""Impulses on what was drawn: single pixels that differ from a ground of one exact value, wherever chance has put them.

Dots of letters stand in lines, those of dithering keep their distances. Impulses do neither: in each row there are as many as its
ground has room for, but for chance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import Spots, surrounded

__all__ = ["impulses"]

SIDE = 5
"""Side in pixels of the ground, of one exact value, in whose middle a pixel may differ."""

FEWEST, LEAST, MOST = 60, 5e-4, 0.1
"""How many such pixels there must be, and which share of the places that may have one, at least and at most."""

CHANCE = 0.65, 1.5
"""How much their number differs from row to row, and from column to column, as a multiple of what chance makes of it (the variance
of a Poisson variable). On pages with 1 and 2 % of impulses 0.9 to 1.3 times; of dots in clean text of 6 to 18 pixels in six fonts
1.9 to 74 times in one of the two directions; of dithering less than 0.6 times."""

ROOM = 0.3
"""How many a row must have by chance to be asked: of fewer the variance is too uncertain."""


def impulses(parts: Sequence[NDArray[np.float32]]) -> Spots | None:
    """The impulses in the ``parts`` (h, w, channels) of a drawn picture; None where there are none."""
    struck = places = 0
    spread: tuple[list[float], list[float]] = ([], [])
    for part in parts:
        if min(part.shape[:2]) < SIDE:
            continue
        free = surrounded(part.transpose(2, 0, 1), SIDE)
        middle = SIDE // 2
        off = free & (part[middle:-middle, middle:-middle] != part[: 1 - SIDE, : 1 - SIDE]).any(axis=2)
        struck += int(np.count_nonzero(off))
        places += int(np.count_nonzero(free))
        for axis in (0, 1):
            spread[axis].extend(_excess(off.sum(axis=axis), free.sum(axis=axis)))
    few = max(FEWEST, LEAST * places) <= struck <= MOST * places
    if not few or not all(len(each) and CHANCE[0] < np.mean(each) < CHANCE[1] for each in spread):
        return None
    return Spots(struck / places, ground=True)


def _excess(found: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.float64]:
    """Squares of how far the numbers ``found`` are from those by chance, by the ``room`` of each row, in variances of chance."""
    likely = room * (found.sum() / max(int(room.sum()), 1))
    kept = likely > ROOM
    answer: NDArray[np.float64] = np.square(found[kept] - likely[kept]) / likely[kept]
    return answer
