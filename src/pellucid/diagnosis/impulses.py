"""Pixels that were replaced by any value: they are unlike all their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis.neighbours import COUNTED, ROWS, eight, median, some, with_medians
from pellucid.diagnosis.stars import are_stars, spread

__all__ = ["AROUND", "FAR", "STEPS", "TAILS", "beyond", "counted", "differing", "outliers", "stand_alone"]

STEPS = (0.03, 0.06, 0.1, 0.15, 0.22, 0.3, 0.45, 0.6)
"""The differences from the median of the neighbours beyond which `outliers` counts."""

TAILS = (0.8, 0.9, 0.95, 0.98, 0.99)
"""The shares of these differences whose bound `outliers` gives, as a multiple of the median one: of noise alone they hardly depend
on its level, impulses on top of it make them longer."""

FINEST = 0.002
"""Added to these bounds: half a level of 8 bits, below which nothing differs."""

BEYOND = 4.5
"""How many standard deviations of the noise a pixel is from the median of its neighbours at least for `counted`."""

FAR, FARTHEST = 0.35, 0.6
"""Least distance from that median for `counted`, in shares of full range, since nearer values may be the picture's own; and the
largest that is asked for, since few impulses are farther: the number of pixels that stronger noise puts there is subtracted."""

AROUND = 1.1
"""How many times as far from the median of its neighbours as from the truth noise is."""

BESIDE = 2.5
"""How many times likelier than by chance the neighbour of a pixel so far off may be so far off as well. On 26 held-out photographs
with 5 to 30 % of impulses on top of noise it was 0.8 to 2.0 times, in ten pages of text without any 2.9 to 16 times."""

BEYOND_ALL, AGREE = 0.6, 0.5
"""How far a pixel that is far off must be beyond all but one of its eight neighbours on that side, as a share of the least distance
that counts as far; and how far these may be apart, but for the highest and the lowest, as a share of its own distance: then it
stands alone."""

DENSITIES, ALONE_OF_FAR = (0.1, 0.2, 0.3, 0.5, 1.0), (0.37, 0.33, 0.26, 0.14, 0.09)
"""At these shares of impulses, how many of the pixels that are far off must stand alone. On photographs, with noise of
0 to 20 besides, at least 0.50, 0.62, 0.52 and 0.24 of them did at the first four; of letters, screens and hatching at most 0.35."""


def beyond(parts: Sequence[NDArray[np.float32]]) -> float:
    """The share of values beyond black and white, which only noise that was not clipped has."""
    outside = sum(np.count_nonzero((part < -0.01) | (part > 1.01)) for part in parts)
    return outside / sum(part.size for part in parts)


def outliers(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """How pixels differ from the median of their eight neighbours: the logarithms of the shares that do by more than each of
    `STEPS` (to base 10), and of the bounds of `TAILS` (to base 2).

    The middle one of three channels is taken: an impulse replaces all of them.
    """
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    found = np.abs(
        np.concatenate(
            [np.zeros(1), *((middle - around).ravel() for middle, around in with_medians(parts, max(1, pixels // ROWS)))]
        )
    )
    shares = np.array([np.mean(found > step) for step in STEPS])
    middle, *bounds = np.quantile(found, (0.5, *TAILS))
    return np.concatenate([np.log10(shares + 1e-4), np.log2((np.array(bounds) + FINEST) / (middle + FINEST))])


def differing(parts: Sequence[NDArray[np.float32]], least: float) -> float:
    """The share of pixels that differ by at ``least`` so much, as a share of full range, from the median of their neighbours."""
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    shares = [np.abs(middle - around).ravel() > least for middle, around in with_medians(parts, max(1, pixels // ROWS))]
    return float(np.concatenate(shares).mean()) if shares else 0.0


def counted(parts: Sequence[NDArray[np.float32]], sigma: float) -> float:
    """The share of pixels that are impulses of any value, on top of noise of ``sigma`` (8-bit levels); 0 where chance made none.

    From those farther from the median of their neighbours than the noise moves any, and how likely an impulse, anywhere in [0, 1]
    alike, is so far from there. Letters and other fine things are far, too, but beside one another.
    """
    far = _least_far(sigma)
    chance = erfc(far / (AROUND * sigma / 255) / np.sqrt(2)) if sigma > 0 else 0.0
    beyond = likely = pixels = beside = pairs = 0.0
    for middle, around in with_medians(some(parts, COUNTED), 1):
        there = np.abs(middle - around) > far
        beyond += float(np.count_nonzero(there))
        likely += float((np.clip(around - far, 0, 1) + np.clip(1 - around - far, 0, 1)).sum(dtype=np.float64))
        pixels += there.size
        beside += float(np.count_nonzero(there[:, 1:] & there[:, :-1]) + np.count_nonzero(there[1:] & there[:-1]))
        pairs += there[:, 1:].size + there[1:].size
    if not likely or not pairs or beside / pairs > BESIDE * (beyond / pixels) ** 2:
        return 0.0
    return min(1.0, max(0.0, beyond - chance * pixels) / likely)


def stand_alone(parts: Sequence[NDArray[np.float32]], sigma: float, density: float) -> bool:
    """Whether the pixels that are far from their neighbours stand alone, as impulses of any value with this ``density`` do on top
    of noise of ``sigma`` (8-bit levels): what is around one agrees. Strokes of letters, lines and edges have others beside them."""
    least = _least_far(sigma)
    far = alone = wide = 0
    for part in some(parts, COUNTED):
        plane = part[..., part.shape[2] // 2]
        if min(plane.shape) < 3:
            continue
        middle, around = plane[1:-1, 1:-1], np.stack(eight(plane, 1))
        rows, columns = np.nonzero(np.abs(middle - median(list(around))) > least)
        wide += spread(plane, rows + 1, columns + 1)
        ranked, here = np.sort(around[:, rows, columns], axis=0), middle[rows, columns]
        off = np.abs(here - (ranked[3] + ranked[4]) / 2)
        beyond = np.maximum(here - ranked[6], ranked[1] - here) > np.float32(BEYOND_ALL) * least
        far += len(rows)
        alone += int(np.count_nonzero(beyond & (ranked[6] - ranked[1] < np.float32(AGREE) * off)))
    return alone >= float(np.interp(density, DENSITIES, ALONE_OF_FAR)) * max(far, 1) and not are_stars(wide, far)


def _least_far(sigma: float) -> np.float32:
    """How far from the median of its neighbours a pixel is at least that noise of ``sigma`` (8-bit levels) has not moved there."""
    return np.float32(min(max(BEYOND * sigma / 255, FAR), FARTHEST))
