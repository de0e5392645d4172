"""Which pixels of a small picture can be reached from one another without crossing a strong edge of its light.

An edge is strong by how far the light steps there, less what steps all around: leaves, gravel and knitting are texture, and one
surface. The parts are those of the bottleneck distance (a way is as long as its strongest edge), cut at one length: unlike the sum
along a way, it does not grow with the size of a surface, so that a textured one stays whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import box_mean

__all__ = ["parts"]

Planes = NDArray[np.float32]
Labels = NDArray[np.intp]

STRONG = 24.0
"""L that an edge must step by to part what is on its sides. This and the next two were chosen on made pictures, for surfaces with
texture of up to 9 L and edges of 30 L on them, and on 74 photographs that are not in benchmarks/colours.txt."""

USUAL = 0.4
"""The share of an edge's step that pixels around it may step by, on average, and it still counts in full: an edge between two even
surfaces has 0.15 of it, a line with two edges 0.3, leaves 0.7 and more."""

AROUND = 16
"""Radius in pixels of what is around an edge: a mean over squares, taken twice."""

LEAST = 100
"""Pixels that a part must have to be one: smaller ones belong to a neighbour."""

WIDE = 32
"""Pixels from its sides that an edge is filled at most by the parts there: most are filled after five."""


def parts(light: Planes) -> Labels:
    """A number for each pixel of ``light`` (h, w), L from 0 to 100: the same for those that no strong edge parts.

    >>> light = np.full((40, 60), 30, np.float32)
    >>> light[:, 25:35] = 70
    >>> labels = parts(light)
    >>> bool(labels[20, 10] != labels[20, 50])
    True
    """
    smooth = box_mean(light, 3)
    steps = _steps(smooth)
    around = box_mean(box_mean(steps, 2 * AROUND + 1), 2 * AROUND + 1)
    found = _connected(steps - np.maximum(around - np.float32(USUAL) * steps, 0) < STRONG)
    sizes = np.bincount(found.ravel() + 1)
    sizes[0] = 0
    found[sizes[found + 1] < LEAST] = -1
    return _filled(found, smooth)


def _connected(open_: NDArray[np.bool_]) -> Labels:
    """Numbers (h, w) of the connected parts, by four neighbours, of what is ``open_``; -1 elsewhere.

    Rows are cut into runs, and runs that touch are joined (He et al. 2008): of runs there are few.
    """
    begins = open_.copy()
    begins[:, 1:] &= ~open_[:, :-1]
    runs = np.where(open_, np.cumsum(begins).reshape(open_.shape) - 1, -1)
    above, below = runs[:-1], runs[1:]
    touches = (above >= 0) & (below >= 0)
    touches[:, 1:] &= (above[:, 1:] != above[:, :-1]) | (below[:, 1:] != below[:, :-1])
    first, second = above[touches], below[touches]
    # The last entry is that of what is not open.
    root = np.append(np.arange(int(begins.sum())), -1)
    while True:
        one, other = root[first], root[second]
        if (one == other).all():
            return root[runs]
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        while (root[root] != root).any():
            root = root[root]


def _filled(found: Labels, light: Planes) -> Labels:
    """``found`` with numbers for the pixels that have none, from those that have, a pixel further each time and `WIDE` at most:
    that of the neighbour whose light is nearest."""
    wide = found.shape[1] + 2
    numbers, levels = np.pad(found, 1, constant_values=-1).ravel(), np.pad(light, 1).ravel()
    open_ = np.flatnonzero(np.pad(found < 0, 1))
    for _ in range(WIDE):
        if not len(open_):
            break
        beside = open_[:, None] + np.array([1, -1, wide, -wide])
        away = np.where(numbers[beside] >= 0, np.abs(levels[beside] - levels[open_, None]), np.inf)
        nearest = beside[np.arange(len(open_)), away.argmin(axis=1)]
        numbers[open_] = numbers[nearest]
        open_ = open_[numbers[open_] < 0]
    return numbers.reshape(-1, wide)[1:-1, 1:-1]


def _steps(plane: Planes) -> Planes:
    """How far values differ in the square of five pixels around each; the edge is repeated."""
    around = np.pad(plane, 2, mode="edge")
    most, least = (_of_five(_of_five(around, choose).T, choose).T for choose in (np.maximum, np.minimum))
    return most - least


def _of_five(plane: Planes, choose: np.ufunc) -> Planes:
    """The one of five neighbours along the first axis, which gets four shorter, that ``choose`` takes of pairs."""
    two = choose(plane[:-1], plane[1:])
    five: Planes = choose(choose(two[:-3], two[2:-1]), plane[4:])
    return five
