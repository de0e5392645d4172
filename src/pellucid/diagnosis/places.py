"""Whether noise differs from place to place, more than its intensity explains: a level for each cell of the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis.drawn import rectangles
from pellucid.diagnosis.noise import HIGH, HIGHEST, LOW, white_sigma
from pellucid.diagnosis.sampling import SIDE, blocks, transform
from pellucid.maps import Curve, Places

__all__ = ["partial", "places"]

ACROSS = 40
"""Side of a cell in pixels, about."""

STEP = 5
"""Blocks begin at multiples of this: it meets every phase of a JPEG's grid."""

CALM, FEWEST = 0.3, 24
"""The share of a cell's blocks that is measured, the calmest; and how many blocks it must have."""

HEAPED = 0.05
"""Share of a block's values at either end of the range from which it is left out."""

WHITE, RESTLESS = 1.2, 1.05
"""How many times as strong middle frequencies may be as high ones: of texture they are stronger, of white noise not. And how many
times that the high ones of all blocks may be."""

ENOUGH, BESIDE = 0.2, 2
"""The share of cells that must be without texture; and of the eight around one how many must be so, too, for it to count: fine
texture looks like noise in a cell here and there, and noise does not stop at a cell's edge."""

APART = 0.2
"""How far levels must be from what their intensity explains (standard deviation of their logarithm) for noise to differ."""

ALSO = 0.6
"""And how far in every channel, as a share of how far they are in green."""

SMOOTH = 0.65
"""And which share of that may be left beside the mean of the cells around: what is by chance, or texture, is all left."""

FAINTEST = 1.35
"""How many times the level of the calmest blocks the faintest cell may have: where all have more, it is texture. With noise that
differs it was at most 1.1 times on eight photographs, with fine texture in leaves up to 1.8 times."""

NOTABLE, IN_PART, WHITE_IN_PART, ALSO_IN_PART = 2.5, 0.03, (WHITE, 1.35), 0.5
"""Level in 8-bit levels from which noise in a part of the picture is looked for; the share of the cells that must have it; how many
times as strong middle frequencies may be as high ones there; and how much of it each other channel must have, as a share of
green's. Five of 227 clean photographs, gray and colour, had so many cells: one of them was noisy, and the networks put the others
at 0.7 at most."""

QUIET, QUIETER = 0.1, 0.5
"""The share of cells that must have less than that share of the noise of nearly all cells that have any: there it is absent."""


def places(parts: Sequence[NDArray[np.float32]], rows: int, curve: Curve) -> Places | None:
    """The level by place, where it differs; None where one ``curve`` by intensity does.

    ``parts`` (h, w, channels) are all of a picture, or windows evenly spread in so many ``rows``.
    """
    # Green has most of the detail, and shows most. Noise that differs does so in all channels, and texture need not be in each.
    first, *others = (1, 0, 2) if parts[0].shape[2] == 3 else (0,)
    level, known, spread = _apart([part[..., first] for part in parts], rows, curve)
    if spread < APART or any(
        there.mean() >= ENOUGH and less < ALSO * spread
        for _, there, less in (_apart([part[..., other] for part in parts], rows, curve) for other in others)
    ):
        return None
    whole = np.where(known, np.log(np.maximum(level, 1e-3)), 0.0)
    around = _around(whole, known, own=False)
    alike = known & np.isfinite(around)
    if not alike.any() or _spread((whole - around)[alike]) > SMOOTH * _spread(whole[known]):
        return None
    calm = white_sigma(blocks([part[..., first, None] for part in parts]))
    if np.exp(whole[known].min()) > FAINTEST * calm > 0:
        return None
    # Cells whose noise texture hides get the level around them. Texture is in single cells: those around it are believed as well.
    smooth = _around(_filled(whole, known), np.ones_like(known), own=True)
    return Places(np.exp(smooth))


def partial(parts: Sequence[NDArray[np.float32]], rows: int, curve: Curve) -> Iterator[tuple[Places, list[NDArray[np.float32]]]]:
    """The level by place where some of the picture has white noise and some has none, and the parts (h, w, channels) that have it:
    first by the cells that have no texture, then by more of them; nothing where it is not so.

    ``parts`` as of `places`. Where the ``curve`` by intensity says that noise follows the light, only that counts as without noise
    which would have less even if noise were in proportion to the light. The parts without noise get the level 0.
    """
    first, *others = (1, 0, 2) if parts[0].shape[2] == 3 else (0,)
    grid = _cells([part[..., first] for part in parts], rows)
    level = grid[..., 0]
    loud = level >= NOTABLE
    for white in WHITE_IN_PART:
        noisy = loud & (grid[..., 2] < white)
        if noisy.mean() < IN_PART:
            continue
        if others:
            for other in others:
                loud &= _cells([part[..., other] for part in parts], rows)[..., 0] > ALSO_IN_PART * level
            noisy &= loud
            others = []
        noisy &= _neighbours(noisy) >= BESIDE
        if noisy.mean() < IN_PART:
            continue
        quiet = ~noisy & (level > 0) & (level < QUIETER * np.quantile(level[noisy], 0.1))
        if not curve.flat:
            share = level / np.maximum(grid[..., 1], 1e-3)
            quiet &= share < QUIETER * np.quantile(share[noisy], 0.1)
        if quiet.mean() >= QUIET:
            filled = _filled(np.where(noisy, _around(level, noisy, own=True), 0.0), noisy | quiet)
            yield Places(filled), _cut(parts, noisy)


def _filled(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The values of cells (rows, columns), those that are not ``known`` as what is around them."""
    filled, known = values.copy(), known.copy()
    while not known.all():
        wider = _around(filled, known, own=False)
        fresh = ~known & np.isfinite(wider)
        filled[fresh] = wider[fresh]
        known |= fresh
    return filled


def _cut(parts: Sequence[NDArray[np.float32]], there: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
    """The areas of the parts that are in the cells that are ``there``."""
    if len(parts) > 1:
        return [part for part, kept in zip(parts, there.ravel(), strict=True) if kept]
    whole = parts[0]
    down, right = (np.linspace(0, side, count + 1).astype(int) for side, count in zip(whole.shape, there.shape, strict=False))
    return [whole[down[top] : down[bottom], right[left] : right[last]] for top, bottom, left, last in rectangles(there)]


def _neighbours(there: NDArray[np.bool_]) -> NDArray[np.intp]:
    """How many of the eight cells around each are ``there`` (rows, columns)."""
    framed = np.pad(there, 1).astype(np.intp)
    down, right = there.shape
    around: NDArray[np.intp] = sum(
        (framed[row : row + down, column : column + right] for row in range(3) for column in range(3)), start=-there.astype(np.intp)
    )
    return around


def _apart(planes: Sequence[NDArray[np.float32]], rows: int, curve: Curve) -> tuple[NDArray[np.float64], NDArray[np.bool_], float]:
    """The level in each cell of a channel (h, w); which cells have no texture; and how far these levels are from what the intensity
    explains, 0 where too few are told."""
    measured = _cells(planes, rows)
    level, light, white = measured[..., 0], measured[..., 1], measured[..., 2]
    known = (level > 0) & (white < WHITE)
    known &= _neighbours(known) >= BESIDE
    if min(known.shape) < 3 or known.mean() < ENOUGH:
        return level, known, 0.0
    explained = np.sqrt(curve.variance(light.astype(np.float32))) * 255
    off = np.log(np.maximum(level, 1e-3) / np.maximum(explained, 1e-3))
    return level, known, _spread(off[known])


def _cells(planes: Sequence[NDArray[np.float32]], rows: int) -> NDArray[np.float64]:
    """The measures of `_grid` for a channel (h, w) of all of a picture, or of windows in so many ``rows``: each is a cell."""
    if len(planes) == 1:
        return _grid(planes[0])
    columns = len(planes) // rows
    return np.array(
        [[_grid(plane, whole=True)[0, 0] for plane in planes[row * columns : (row + 1) * columns]] for row in range(rows)]
    )


_order = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
_bands = np.stack([(_order >= least) & (_order <= most) for least, most in ((1, LOW), (5, 7), (HIGH, HIGHEST))], axis=1)
_bands = (_bands / _bands.sum(axis=0)).astype(np.float32)
"""The weights (coefficients, 3) that make of a block's energy the mean of its low, middle and high frequencies."""


def _grid(plane: NDArray[np.float32], *, whole: bool = False) -> NDArray[np.float64]:
    """Three measures (rows, columns, 3) for each cell of a channel (h, w), or for the ``whole`` of it.

    The level in 8-bit levels, how light its calm blocks are, and how much stronger middle frequencies are than high ones; zeros
    where there is too little to go by.
    """
    edges = [np.linspace(0, side, (1 if whole else max(1, round(side / ACROSS))) + 1).astype(int) for side in plane.shape]
    begins = [[np.arange(first, last - SIDE + 1, STEP) for first, last in pairwise(ends)] for ends in edges]
    measured = np.zeros((len(begins[0]), len(begins[1]), 3))
    if min(plane.shape) < SIDE:
        return measured
    # All blocks of all cells at once: a cell by itself takes longer to call than to compute.
    rows, columns = (np.concatenate(each) for each in begins)
    views = np.lib.stride_tricks.sliding_window_view(plane, (SIDE, SIDE))
    blocks = views[np.ix_(rows, columns)].reshape(len(rows), len(columns), SIDE * SIDE) * np.float32(255)
    energy = np.square(blocks @ transform.T) @ _bands
    light = blocks.mean(axis=-1)
    kept = ((blocks <= 0) | (blocks >= 255)).mean(axis=-1) <= HEAPED
    ends = [np.cumsum([0, *(len(each) for each in side)]) for side in begins]
    for row in range(measured.shape[0]):
        for column in range(measured.shape[1]):
            cell = slice(ends[0][row], ends[0][row + 1]), slice(ends[1][column], ends[1][column + 1])
            measured[row, column] = _measured(energy[cell][kept[cell]], light[cell][kept[cell]])
    return measured


def _measured(energy: NDArray[np.float32], light: NDArray[np.float32]) -> tuple[float, float, float]:
    """The three measures of `_grid` for a cell, from the energy (blocks, 3) and the mean of each of its blocks."""
    if len(energy) < FEWEST:
        return 0.0, 0.0, 0.0
    count = max(FEWEST, round(CALM * len(energy)))
    calm = np.argpartition(energy[:, 0], count - 1)[:count]
    _, middle, high = energy[calm].mean(axis=0, dtype=np.float64)
    more = max(middle, float(energy[:, 2].mean()) / RESTLESS**2)
    return float(np.sqrt(high)), float(light[calm].mean()) / 255, float(np.sqrt(more / max(high, 1e-6)))


def _spread(values: NDArray[np.float64]) -> float:
    """The standard deviation, of all but the least and the greatest."""
    low, high = np.quantile(values, (0.1, 0.9))
    return float(high - low) / 2.56


def _around(values: NDArray[np.float64], known: NDArray[np.bool_], *, own: bool) -> NDArray[np.float64]:
    """The mean of the known cells beside each, with or without its ``own``; NaN where none is known."""
    total, count = np.zeros_like(values), np.zeros_like(values)
    framed, there = np.pad(np.where(known, values, 0.0), 1), np.pad(known, 1)
    for down in range(3):
        for right in range(3):
            if own or (down, right) != (1, 1):
                total += framed[down : down + values.shape[0], right : right + values.shape[1]]
                count += there[down : down + values.shape[0], right : right + values.shape[1]]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
