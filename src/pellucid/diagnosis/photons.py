"""Counts of few photons: values that are few, and whole multiples of what one photon adds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid.clipping import Clipping
from pellucid.diagnosis import noise, sampling
from pellucid.diagnosis.clipped import CALMER, LEAST_BINS
from pellucid.maps import Curve

__all__ = ["MANY", "counted", "step"]

MANY = 24
"""How many different values counts of few photons have at most: impulses of any value have more."""

ROUNDED = 1 / 255
"""How far such values may be from multiples of their step: they were rounded to 8 bits, perhaps."""

COUNTS = (0.85, 1.4)
"""Between which the variances of counts of photons are, as shares of what they should be, but for a tenth of the intensities at
either end. On ten held-out photographs, peaks of 1 to 3, clipped, they were 0.98 to 1.29; dithered to black and white, 0.27 to
2.9."""

LIT, BLACK, CHANCE = 4, 0.75, 8
"""From how many photons a pixel is lit; how many of the lit ones are black at most, as a share of those with one photon, and how
many more by chance. Counts of that many photons are none a quarter as often as one, and half as often where they only seem so many;
impulses are black wherever they strike."""

FEW_VALUES, MANY_COUNTS = 3, 2.5
"""Where there are more values than that, black not counted, the middle one of these shares need only be within this factor of 1."""


def step(parts: Sequence[NDArray[np.float32]]) -> float:
    """The value of one photon, where values are few and whole multiples of it, as those of a camera that counts photons; else 0.

    An ink and its paper are two values, too, and whole multiples: see `counted`.
    """
    # Every other row has them all, and most pictures need not be looked at to the end.
    values = np.zeros(0, dtype=np.float32)
    for part in parts:
        rows = part[::2, :, part.shape[2] // 2]
        for sample in (rows[:: max(1, len(rows) // 8)], rows):
            values = np.union1d(values, sample)
            if len(values) > MANY:
                return 0.0
    if len(values) < 2:
        return 0.0
    # Not every count need be there; and each is rounded.
    numbers = np.rint(values / np.median(np.diff(values)))
    one = float((values * numbers).sum() / max(float(np.square(numbers).sum()), 1))
    if not one > 4 * ROUNDED:
        return 0.0
    off = values - one * np.rint(values / one)
    return one if float(np.abs(off).max()) <= ROUNDED else 0.0


def counted(parts: Sequence[NDArray[np.float32]], step: float) -> bool:
    """Whether values that are multiples of ``step`` are counts of photons: at each intensity their variance is that of such counts,
    and as much of it is in the finest detail as chance puts there. Letters, inks and dithering have any other variance.
    """
    light, variance = noise.by_light(sampling.blocks(parts, heaped=1.0), CALMER)
    if len(light) < LEAST_BINS or variance.min() <= 0:
        return False
    if not _as_many_black(parts, step):
        return False
    counts = Clipping(Curve(gain=step), low=False, high=max(float(part.max()) for part in parts) <= 1)
    low, middle, high = np.quantile(variance / np.maximum(counts.variance(light), 1e-8), (0.1, 0.5, 0.9))
    if max(float(part.max()) for part in parts) > (FEW_VALUES - 0.5) * step:
        # So many values evenly apart are hardly anything else; texture adds to what they vary by.
        return bool(1 / MANY_COUNTS < middle < MANY_COUNTS)
    return bool(low > COUNTS[0] and high < COUNTS[1])


def _as_many_black(parts: Sequence[NDArray[np.float32]], step: float) -> bool:
    """Whether no more lit pixels are black, of those whose eight neighbours are not, than by how many have one photon."""
    black, single = 0, 0
    for part in parts:
        plane = part[..., part.shape[2] // 2]
        height, width = plane.shape
        shifts = [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]
        around = np.stack([plane[down : height - 2 + down, right : width - 2 + right] for down, right in shifts])
        # Those around may have more by chance: the light itself is not known, but none and one share it.
        lit = (around.min(axis=0) > step / 2) & (around.mean(axis=0) > LIT * step)
        counts = np.rint(plane[1:-1, 1:-1][lit] / step)
        black += int((counts == 0).sum())
        single += int((counts == 1).sum())
    return black <= BLACK * single + CHANCE
