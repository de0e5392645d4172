"""The level of noise on few colours: tiles, pixels of games, letters.

Noise widens every colour alike, whatever the picture: the characteristic function of the values, the Fourier transform of their
histogram, is the picture's own times that of the noise. A few colours have one that does not fade, so what fades is the noise's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Colours", "of"]

BINS = 1024
"""How fine the histogram is."""

FREQUENCIES = np.arange(0.07, 0.9, 0.0125)
"""Where it is looked at, in radians for each 8-bit level: below, it shows the window over the values; above, their rounding."""

LEVELS = np.geomspace(1.5, 60, 75)
"""The levels that are tried, in 8-bit levels."""

SHARES = np.geomspace(1e-3, 1, 25)
"""How strong the picture's own may be, squared: one colour of as many as there are."""

ABOVE, FEWEST, LEAST = 8.0, 4, 0.02
"""By how many times chance it must be exceeded, at how many frequencies, and how strong the picture's own must be, to say anything.
Photographs with noise of level 50 had 3 such frequencies at most."""


@dataclass(frozen=True)
class Colours:
    """Few colours, and the ``level`` in 8-bit levels of the noise on them, 0 where there is none; ``sure`` is the square of the
    characteristic function at `FREQUENCIES`, less what chance may have made of it."""

    level: float
    sure: NDArray[np.float64]

    def refute(self, sigma: float) -> bool:
        """Whether no noise as strong as this can be on the colours, in 8-bit levels, whatever they are."""
        return bool((self.sure > np.exp(-np.square(sigma * FREQUENCIES))).any())

    def fainter(self, other: Colours | None) -> bool:
        """Whether the ``other`` picture has the same colours with less on them."""
        return other is not None and other.level < self.level


def of(parts: Sequence[NDArray[np.float32]]) -> Colours | None:
    """The colours of the ``parts`` (h, w, channels); None where they are many."""
    power, chance = np.zeros(len(FREQUENCIES)), 0.0
    values = (np.arange(BINS) + 0.5) * (255 / BINS)
    # Values fade out towards black and white, where clipping would have made edges.
    window = np.sin(np.pi * values / 255) ** 4
    waves = np.exp(1j * np.outer(FREQUENCIES, values))
    channels = parts[0].shape[2]
    for channel in range(channels):
        counts = np.sum([np.histogram(part[..., channel], BINS, (0, 1))[0] for part in parts], axis=0)
        seen = counts * window
        whole = max(float(seen.sum()), 1e-9)
        power += np.square(np.abs(waves @ seen) / whole) / channels
        chance += float((seen * window).sum()) / whole**2 / channels
    if chance <= 0 or np.count_nonzero(power > ABOVE * chance) < FEWEST:
        return None
    # The most likely of all levels and shares, since the powers have exponential distributions.
    means = SHARES[:, None, None] * np.exp(-np.square(LEVELS[:, None] * FREQUENCIES)) + chance
    share, found = np.unravel_index(int(np.argmax(-(np.log(means) + power / means).sum(axis=2))), means.shape[:2])
    if SHARES[share] < LEAST:
        return None
    return Colours(float(LEVELS[found]) if found > 0 else 0.0, power - ABOVE * chance)
