"""Whether a JPEG was drawn in squares of one colour, as pixel art is that was made larger: its edges look like noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pellucid import images
from pellucid.quantised import SIDE, Quantised, blocks_of, luma_steps, means, transform

__all__ = ["plainly", "squared"]

Lines = list[tuple[int, int]]
"""The side of squares along an axis, and where they begin, in each part of a picture."""

SIDES = range(2, 17)
"""Sides of the squares in pixels that are looked for, where there is room for eight of them."""

EDGES = 1.3
"""How many times as much neighbours must differ across the edges of squares as anywhere within. In 16 photographs, with and without
noise, at quality 30 and more, nothing with a period of 2 to 8 pixels beside the seams of blocks was above 1.3."""

LOW, BEYOND, FEWER = 4, 0.1, 0.2
"""Up to which order coefficients are looked at, and which share of them may be farther than half a step from those of even squares,
and one level of rounding: in squares so large that nothing of what the JPEG did is left in their means; and how much more by the
side of the squares, divided by it, where some is. Noise before the JPEG moves more of them."""

FAR = 1.5
"""How many times as many in squares that may be there show that they are others, or that noise was there before the JPEG. Squares
of 8 pixels in strong colours had 1.05 times as many at quality 75, a plaid of 6x9 pixels with noise of level 6 2.4."""

LEAST = 1.0
"""Difference of neighbours in 8-bit levels below which rounding may make them differ."""

PLAIN, CLEAR = 4.0, 8.0
"""The same where no coefficients show a JPEG, and by how many 8-bit levels they must differ there: blocks of a smooth sky have
plain seams, too, but these are no higher than a few levels."""

SEAMS, APART = 4.0, 2.0
"""The same across the seams, where squares are as large as blocks and lie on them; and how many times as far apart pixels beside
seams must be there, on average, as the gentlest slope leaves them of which something is kept within the blocks."""

SLOPE = 0.44
"""How far apart the means of two blocks are, in 8-bit levels, by the step of the lowest wave, on a slope whose wave is half a step:
8 pixels of it, whose wave is 18.2 times what it rises in one."""


def squared(parts: Sequence[NDArray[np.float32]], blocks: Quantised) -> Quantised | None:
    """The JPEG ``blocks`` that the ``parts`` (h, w, channels) were, with the squares of one colour that they stand in, by the first
    part; None where they do not, or have noise besides."""
    lumas = _lumas(parts)
    wrong: list[tuple[Lines, Lines]] = []
    for rows, columns in product(*(_lines(lumas, axis, blocks) for axis in (0, 1))):
        if any(_are_parts(lumas, 0, rows, down, blocks) and _are_parts(lumas, 1, columns, right, blocks) for down, right in wrong):
            # So small that they keep some of the noise.
            continue
        most = BEYOND + FEWER / math.sqrt(rows[0][0] * columns[0][0])
        beyond = _beyond(lumas, blocks, rows, columns)
        if beyond <= most:
            return replace(blocks, alone=True, squares=(rows[0], columns[0]))
        if beyond > FAR * most:
            wrong.append((rows, columns))
    return None


def _beyond(lumas: Sequence[NDArray[np.float32]], blocks: Quantised, rows: Lines, columns: Lines) -> float:
    """The share of the coefficients that are farther from those of even squares than rounding put them."""
    steps = luma_steps(blocks.quality, turned=blocks.turned)
    low = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel() <= LOW
    beyond = []
    for luma, down, right in zip(lumas, rows, columns, strict=True):
        even = means(means(luma, *down).T, *right).T
        kept, off = (np.abs(_blocks(each, blocks) @ transform[low].T) > steps[low] / 2 + 1 for each in (luma, even - luma))
        # Even blocks say nothing.
        beyond.append(off[kept[:, 1:].any(axis=1)])
    share = np.concatenate(beyond)
    return float(share.mean()) if share.size else 0.0


def _are_parts(lumas: Sequence[NDArray[np.float32]], axis: int, small: Lines, large: Lines, blocks: Quantised) -> bool:
    """Whether squares cut larger ones into equal parts along an axis, with no edges of their own between these."""
    side, whole = small[0][0], large[0][0]
    if whole % side or any((one - other) % side for (_, one), (_, other) in zip(small, large, strict=True)):
        return False
    across, within = [], []
    for luma, (_, place), (_, begun) in zip(lumas, small, large, strict=True):
        differences, places, seams = _differences(luma, axis, blocks)
        between = differences[~seams & (places % side == place) & (places % whole != begun)]
        # Where all of them are seams, nothing tells.
        across.append(float(between.mean()) if len(between) else np.inf)
        within.append(_edges(luma, axis, blocks, side).within)
    return side == whole or float(np.median(across)) <= EDGES * max(float(np.median(within)), LEAST)


def plainly(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the ``parts`` stand in squares so plainly that no coefficients of a JPEG need show it."""
    lumas = _lumas(parts)
    return all(_lines(lumas, axis, None) for axis in (0, 1))


class _Edges(NamedTuple):
    """Where squares begin along an axis, how much neighbours differ ``across`` their edges, and the most that they do ``within``,
    in 8-bit levels."""

    place: int
    across: float
    within: float


def _lines(lumas: Sequence[NDArray[np.float32]], axis: int, blocks: Quantised | None) -> list[Lines]:
    """The sides that squares may have along an axis, and where these begin in each (h, w); the largest first."""

    def middling(found: Sequence[_Edges]) -> tuple[float, float]:
        return float(np.median([each.across for each in found])), float(np.median([each.within for each in found]))

    answer: list[Lines] = []
    room = min((luma.shape[axis] for luma in lumas), default=0) // SIDE
    for side in reversed([each for each in SIDES if each <= room]):
        found = [_edges(luma, axis, blocks, side) for luma in lumas]
        across, within = middling(found)
        if across > EDGES * max(within, LEAST) and (blocks is not None or across > max(PLAIN * within, CLEAR)):
            answer.append([(side, each.place) for each in found])
    if blocks is None or not lumas:
        return answer
    found = [_edges(luma, axis, blocks, None) for luma in lumas]
    across, within = middling(found)
    steps = luma_steps(blocks.quality, turned=blocks.turned)
    slope = SLOPE * max(steps[1], steps[SIDE]) / 2 + steps[0] / SIDE
    if across > max(SEAMS * within, APART * slope):
        answer.append([(SIDE, each.place) for each in found])
    return answer


def _edges(luma: NDArray[np.float32], axis: int, blocks: Quantised | None, side: int | None) -> _Edges:
    """The edges of squares of this ``side`` along an axis of (h, w), by those that are not on the seams of the JPEG's blocks; or
    these seams, without a side."""
    differences, places, seams = _differences(luma, axis, blocks)
    first = None if blocks is None else (blocks.top, blocks.left)[axis]
    if side is None:
        return _Edges(first or 0, float(differences[seams].mean()), float(differences[~seams].mean()))
    sums, counts = (np.bincount(places[~seams] % side, weights, side) for weights in (differences[~seams], None))
    each = sums / np.maximum(counts, 1)
    place = int(each.argmax())
    # Seams where no square begins are rougher than other places, too.
    others = differences[seams & (places % side != place)]
    within = max(float(np.delete(each, place).max()), float(others.mean()) / EDGES if len(others) else 0.0)
    return _Edges(place, float(each[place]), within)


def _differences(
    luma: NDArray[np.float32], axis: int, blocks: Quantised | None
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """How much neighbours along an axis differ on average, where the second of them is, and which places are seams of blocks."""
    differences: NDArray[np.float32] = np.abs(np.diff(luma, axis=axis)).mean(axis=1 - axis)
    places = 1 + np.arange(len(differences))
    return differences, places, places % SIDE == (-1 if blocks is None else (blocks.top, blocks.left)[axis])


def _lumas(parts: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The luma (h, w) of each of the parts that is not too small, in 8-bit levels."""
    weights = np.asarray(images.LUMA, np.float32)
    large = (part for part in parts if min(part.shape[:2]) >= 4 * SIDE)
    return [np.float32(255) * (part[..., 0] if part.shape[2] == 1 else part @ weights) for part in large]


def _blocks(luma: NDArray[np.float32], blocks: Quantised) -> NDArray[np.float32]:
    """The JPEG's whole blocks (n, 64) of (h, w)."""
    cut = luma[blocks.top :, blocks.left :]
    rows, columns = (side // SIDE * SIDE for side in cut.shape)
    return blocks_of(cut[:rows, :columns])
