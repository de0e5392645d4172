"""Whether the edges of a picture are as hard as drawn ones: from one pixel to the next, with even ground on both sides.

A lens spreads every edge over some pixels; squares, stripes and tiles have none of that, with noise and after JPEG, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis.neighbours import COUNTED, some
from pellucid.images import LUMA

__all__ = ["hard"]

LEAST, ABOVE = 10 / 255, 5.0
"""How far neighbours differ across an edge at least, in the mean of two rows, in shares of full range; and as a multiple of how far
they usually differ, as noise makes them."""

EVEN, NOISE = 0.15, 2.0
"""How far the pixels beside those of an edge may differ from these, as a share of the edge; and as a multiple of how far neighbours
usually differ, besides."""

USUAL = 2.1
"""The median of a normal variable's absolute values for each quarter quantile of them: of the smallest squares half of all
neighbours lie across an edge."""

HARD, ENOUGH = 0.85, 0.01
"""Which share of the edges must be hard, and which share of all places edges. Among 85 photographs, clean, with noise of level 5
and 25, black and white or other impulses, after JPEG, or with every other pixel left out, those with so many edges had at most
0.74; drawn squares of 2 to 16 pixels with noise of up to 15, or JPEG of that, 0.92 to 1 for the most part."""

BLOCK, EVERYWHERE = 16, 0.85
"""Side of blocks in pixels, and which share of them must have a hard edge: letters on a photograph have nothing but such edges,
too, and leave room for the photograph."""


def hard(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the ``parts`` (h, w, channels) have many edges, all over, and nearly all of them are hard: in the luma, which a JPEG
    keeps at full size, or in the channels."""
    looked = some(parts, COUNTED)
    if parts[0].shape[2] == 3 and _hard([(part @ np.asarray(LUMA, np.float32))[..., None] for part in looked]):
        return True
    return _hard(looked)


def _hard(parts: Sequence[NDArray[np.float32]]) -> bool:
    found = edges = places = filled = blocks = 0
    for part in parts:
        there: NDArray[np.bool_] = np.zeros(part.shape[:2], bool)
        for axis in (0, 1):
            lines = np.moveaxis(part, axis, 0)
            if lines.shape[0] < 6 or lines.shape[1] < 2:
                continue
            apart = np.diff(lines, axis=0)
            usual = USUAL * float(np.quantile(np.abs(apart), 0.25))
            least = max(LEAST, ABOVE * usual)
            # Chance puts no edge into two rows that are beside one another.
            both = (apart[:, 1:] + apart[:, :-1]) / 2
            size = np.abs(both)
            here, before, after = size[2:-2], size[1:-3], size[3:-1]
            either = np.abs(apart[2:-2]) > least / 2
            edge = (here > least) & (here >= before) & (here >= after) & either[:, 1:] & either[:, :-1]
            beside = EVEN * here + NOISE * usual
            sharp = edge & (before < beside) & (after < beside)
            np.moveaxis(there, axis, 0)[2:-3, :-1] |= sharp.any(axis=2)
            found += int(np.count_nonzero(sharp))
            edges += int(np.count_nonzero(edge))
            places += here.size
        down, right = part.shape[0] // BLOCK, part.shape[1] // BLOCK
        each = there[: down * BLOCK, : right * BLOCK].reshape(down, BLOCK, right, BLOCK).any(axis=(1, 3))
        filled += int(np.count_nonzero(each))
        blocks += each.size
    return found > HARD * edges and edges > ENOUGH * places and filled >= EVERYWHERE * blocks
