"""Traces of JPEG: where its grid of blocks lies, and its quality from the steps that the coefficients were rounded to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import images
from pellucid.quantised import SIDE, Quantised, luma_steps, transform

__all__ = ["Grid", "confirmed", "found", "grid", "quality"]

Grid = tuple[int, int]

SHARPEST = 1.035
"""How much rougher the seams of the grid must be than the other places of a period."""

QUALITIES = range(5, 97)

LOOKED_AT = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1))
"""The coefficients whose steps are measured, row and column: those that are rarely rounded to zero."""

AGREEMENT = 0.55
"""The mean cosine of the coefficients' phases above which a step counts as found; 1 for exact multiples, 0 for any values."""

ENOUGH = 120_000
"""Pixels on which the seams are looked for, about."""

MOST = 500
"""Blocks that are looked at, at most."""

COARSE = 10
"""Steps from which the coefficients of a JPEG are told from any others for `confirmed`."""

ROUNDED = 2.5
"""How far they may be from multiples of their steps then, half of them: the pixels were rounded."""


LOW, HIGH = 6, 4
"""Up to which order (row and column added) coefficients tell the steps, and from which on those that are next to zero tell the
grid: in its blocks alone most of them were rounded to that."""

PATCH, PATCHES = 2 * SIDE - 1, 100
"""Side in pixels of the patches whose blocks are tried at every place, and how many there are at most."""

VARIED, PALE = 2.0, 0.7
"""Standard deviation in 8-bit levels below which a block or patch says nothing; and where too few have as much, as on a pale
page."""

NEXT_TO_ZERO, ZEROS = 0.75, 0.1
"""How large a coefficient may be that was zero before the pixels were rounded; and by which share there are more of them in the
blocks of the grid than at the median of all places. None of ten photographs had more than 0.03 more somewhere; as JPEGs of quality
95 they had 0.23 or more, of 60 0.47."""

NEAR, STRAY = 0.8, 0.3
"""How far from a multiple of its step a coefficient may be after the pixels were rounded; and the share that may be anywhere: of
blocks in which values were clipped."""

SOME, DIFFERENT, EVIDENCE = 100, 6, 20.0
"""How many blocks are looked at for all steps, at most; how many different ones there must be; and the logarithm of how many times
as likely the coefficients must be as multiples of the steps as they are without. It is below zero in photographs and drawings that
were no JPEG, 400 and more in JPEGs up to quality 92."""


def grid(parts: Sequence[NDArray[np.float32]]) -> tuple[Grid, float]:
    """Where the seams of 8x8 blocks lie (row and column, 0 to 7, counted from the parts' corners), and how much rougher they are.

    The third difference across a seam is larger than elsewhere, where JPEG has smoothed. The second answer is the smaller of both
    directions' ratios of the seams' mean to the median of the other places': 1 where there is no grid.
    """
    phases, ratios = [], []
    lumas = [_luma(part) for part in parts]
    pixels = sum(luma.size for luma in lumas)
    # Every so many lines: an odd number, which meets every row of the blocks.
    step = 1 + pixels // ENOUGH // 2 * 2
    for axis in (0, 1):
        sums, counts = np.zeros(SIDE), np.zeros(SIDE)
        for whole in lumas:
            luma = np.moveaxis(whole, axis, 0)[:, ::step]
            if len(luma) < 4 * SIDE:
                continue
            rough = np.abs(luma[:-3] - 3 * luma[1:-2] + 3 * luma[2:-1] - luma[3:]).mean(axis=1)
            for phase in range(SIDE):
                # The difference that begins at pixel p lies across the seam between p + 1 and p + 2.
                here = rough[(phase - 2) % SIDE :: SIDE]
                sums[phase] += here.sum()
                counts[phase] += len(here)
        means = sums / np.maximum(counts, 1)
        phase = int(np.argmax(means))
        others = float(np.median(np.delete(means, phase)))
        phases.append(phase)
        ratios.append(float(means[phase]) / max(others, 1e-6) if means[phase] > 0 else 1.0)
    return (phases[0], phases[1]), min(ratios)


def quality(parts: Sequence[NDArray[np.float32]]) -> tuple[int | None, float]:
    """The quality (5 to 96) of the JPEG that the ``parts`` were, and how much rougher its seams are; None where there is no grid.

    Where the steps of the coefficients cannot be made out (noise or changes came after) the quality is the one whose seams are so
    rough.
    """
    where, rougher = grid(parts)
    if rougher < SHARPEST:
        return None, rougher
    cells = _cells(parts, where)
    wanted = [row * SIDE + column for row, column in LOOKED_AT]
    coefficients = cells @ transform[wanted].T
    agreements = [_agreement(coefficients, wanted, candidate) for candidate in QUALITIES]
    best = max(agreements)
    if best < AGREEMENT:
        return None, rougher
    # A step that divides the true one agrees as well: the coarsest of those that agree is the one.
    return next(q for q, agreement in zip(QUALITIES, agreements, strict=True) if agreement > 0.93 * best), rougher


def found(parts: Sequence[NDArray[np.float32]]) -> Quantised | None:
    """The JPEG that the ``parts`` were, which begin at whole blocks of eight pixels of the picture, by its coefficients alone,
    wherever its grid lies and whether or not rows and columns were exchanged since; None where there was none."""
    zeros, (seams, rougher) = _by_zeros(parts), grid(parts)
    places = [zeros] if zeros is not None else []
    places += [seams] if rougher >= SHARPEST and seams != zeros else []
    return next((best for place in places if (best := _likeliest(parts, place)) is not None), None)


def _by_zeros(parts: Sequence[NDArray[np.float32]]) -> Grid | None:
    """Where blocks have more coefficients next to zero than elsewhere; None where there is no such place."""
    every = [
        np.lib.stride_tricks.sliding_window_view(_luma(part), (PATCH, PATCH))[::SIDE, ::SIDE].reshape(-1, PATCH, PATCH)
        for part in parts
        if min(part.shape[:2]) >= PATCH
    ]
    count = sum(map(len, every))
    # Three times as many as are looked at, for some may be flat.
    patches = np.concatenate(
        [each[:: max(1, count // (3 * PATCHES))] for each in every] or [np.zeros((0, PATCH, PATCH), np.float32)]
    )
    patches = _spread(patches[_varied(255 * patches.std(axis=(1, 2)))], PATCHES)
    if len(patches) < DIFFERENT:
        return None
    blocks = np.lib.stride_tricks.sliding_window_view(patches, (SIDE, SIDE), axis=(1, 2)).transpose(1, 2, 0, 3, 4)
    fine = blocks.reshape(-1, SIDE * SIDE) @ transform[_orders() >= HIGH].T
    zeros = (np.abs(fine) < np.float32(NEXT_TO_ZERO / 255)).reshape(SIDE * SIDE, -1).mean(axis=1)
    place = int(zeros.argmax())
    return divmod(place, SIDE) if zeros[place] > np.median(zeros) + ZEROS else None


def _likeliest(parts: Sequence[NDArray[np.float32]], where: Grid) -> Quantised | None:
    """The JPEG with this grid whose steps the coefficients fit best; None where they fit none."""
    cells, ends = _cells(parts, where, every=True), _cells([_at_ends(part) for part in parts], where, every=True).max(axis=1)
    varied = _varied(cells.std(axis=1))
    cells, ends = cells[varied], ends[varied]
    # Those in which nothing was clipped, if there are some.
    cells = cells[ends < 0] if np.count_nonzero(ends < 0) >= DIFFERENT else cells
    cells = np.unique(np.rint(_spread(cells, 4 * SOME)), axis=0)
    if len(cells) < DIFFERENT:
        return None
    low = (_orders() > 0) & (_orders() <= LOW)
    coefficients = np.abs(_spread(cells, SOME) @ transform[low].T)
    steps = _all_steps()[:, None, low]
    multiples = np.rint(coefficients / steps)
    near = np.abs(coefficients - multiples * steps) < NEAR
    gain = np.log(STRAY + (1 - STRAY) * np.maximum(1, steps / (2 * NEAR)))
    evidence = (np.where(near, gain, np.float32(np.log(STRAY))) * (multiples > 0)).sum(axis=(1, 2))
    best = int(evidence.argmax())
    if evidence[best] < EVIDENCE:
        return None
    turned, quality = divmod(best, len(QUALITIES))
    return Quantised(QUALITIES[quality], *where, turned=bool(turned))


@lru_cache(maxsize=1)
def _all_steps() -> NDArray[np.float32]:
    """The steps (n, 64) of every quality, and then of every one whose table was turned."""
    return np.array([luma_steps(each, turned=turned) for turned in (False, True) for each in QUALITIES], np.float32)


def _varied(deviations: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which blocks say something, by their standard deviations."""
    several = np.count_nonzero(deviations > VARIED) >= DIFFERENT
    return np.asarray(deviations > (VARIED if several else PALE))


def _orders() -> NDArray[np.intp]:
    return np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()


def _spread(array: NDArray[Any], most: int) -> NDArray[Any]:
    """At most so many of its items, evenly spread."""
    return array[np.linspace(0, len(array) - 1, min(most, len(array))).astype(np.intp)]


def _at_ends(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Which pixels are black or white in a channel, as a gray picture (h, w, 1)."""
    return np.asarray(((part <= 0) | (part >= 1)).any(axis=2, keepdims=True), np.float32)


def confirmed(parts: Sequence[NDArray[np.float32]]) -> int | None:
    """The `quality` of the JPEG that the ``parts`` were, by all coefficients of its blocks; None where there was none: what was
    drawn on a grid has other coefficients."""
    found, _ = quality(parts)
    if found is None:
        return None
    coefficients = _cells(parts, grid(parts)[0]) @ transform.T
    coefficients = coefficients[np.square(coefficients[:, 1:]).sum(axis=1) > (4 * SIDE) ** 2]
    steps = luma_steps(found).astype(np.float32)
    coarse = steps >= COARSE
    if not coarse.any() or len(coefficients) < 4:
        return found
    multiples = coefficients[:, coarse] / steps[coarse]
    off = np.abs(multiples - np.rint(multiples)) * steps[coarse]
    return found if np.median(off.mean(axis=1)) < ROUNDED else None


def _cells(parts: Sequence[NDArray[np.float32]], where: Grid, *, every: bool = False) -> NDArray[np.float32]:
    """Some of the grid's 8x8 blocks, or ``every`` one, (n, 64), of luma in 8-bit levels, 0 at middle gray."""
    found = []
    for part in parts:
        luma = _luma(part[where[0] :, where[1] :]) * np.float32(255) - np.float32(128)
        height, width = (side // SIDE * SIDE for side in luma.shape)
        cells = luma[:height, :width].reshape(height // SIDE, SIDE, width // SIDE, SIDE).swapaxes(1, 2)
        found.append(cells.reshape(-1, SIDE * SIDE))
    cells = np.concatenate(found)
    return cells if every else cells[:: max(1, len(cells) // MOST)]


def _luma(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) of (h, w, channels): in one plane of memory, whatever the part's layout."""
    if part.shape[2] == 1:
        plane: NDArray[np.float32] = part[..., 0]
        return plane
    red, green, blue = (part[..., channel] * weight for channel, weight in enumerate(images.LUMA))
    answer: NDArray[np.float32] = red + green + blue
    return answer


def _agreement(coefficients: NDArray[Any], wanted: list[int], quality: int) -> float:
    """How well the coefficients are multiples of that quality's steps: 1 exactly, 0 not at all or too few to tell."""
    steps = luma_steps(quality)[wanted].astype(np.float32)
    multiples = coefficients / steps
    large = multiples[np.abs(multiples) > 0.6]
    return float(np.cos(np.float32(2 * np.pi) * large).mean()) if len(large) >= 60 else 0.0
