"""Traces of JPEG: where its grid of blocks lies, and its quality from the steps that the coefficients were rounded to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import images
from pellucid.quantised import SIDE, Quantised, luma_steps, transform

__all__ = ["Grid", "confirmed", "grid", "quality", "quantised"]

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


def quantised(parts: Sequence[NDArray[np.float32]], quality: int) -> Quantised:
    """The JPEG of this ``quality`` that the ``parts`` were, which begin at whole blocks of eight pixels of the picture."""
    return Quantised(quality, *grid(parts)[0])


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


def _cells(parts: Sequence[NDArray[np.float32]], where: Grid) -> NDArray[np.float32]:
    """Some of the grid's 8x8 blocks, (n, 64), of luma in 8-bit levels, 0 at middle gray."""
    found = []
    for part in parts:
        luma = _luma(part[where[0] :, where[1] :]) * np.float32(255) - np.float32(128)
        height, width = (side // SIDE * SIDE for side in luma.shape)
        cells = luma[:height, :width].reshape(height // SIDE, SIDE, width // SIDE, SIDE).swapaxes(1, 2)
        found.append(cells.reshape(-1, SIDE * SIDE))
    cells = np.concatenate(found)
    return cells[:: max(1, len(cells) // MOST)]


def _luma(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) of (h, w, channels): in one plane of memory, whatever the part's layout."""
    if part.shape[2] == 1:
        return part[..., 0]
    red, green, blue = (part[..., channel] * weight for channel, weight in enumerate(images.LUMA))
    answer: NDArray[np.float32] = red + green + blue
    return answer


def _agreement(coefficients: NDArray[Any], wanted: list[int], quality: int) -> float:
    """How well the coefficients are multiples of that quality's steps: 1 exactly, 0 not at all or too few to tell."""
    steps = luma_steps(quality)[wanted].astype(np.float32)
    multiples = coefficients / steps
    large = multiples[np.abs(multiples) > 0.6]
    return float(np.cos(np.float32(2 * np.pi) * large).mean()) if len(large) >= 60 else 0.0
