"""The level of noise on few colours: tiles, pixels of games, letters.

Noise widens every colour alike, whatever the picture: the histogram is a mixture of Gaussians of one width, but for black and
white, where what was clipped is. One that is too wide fits no palette at all, so the widest that fits is the noise, if colours are
few. They are where the characteristic function of the values, the Fourier transform of their histogram, does not fade: it is the
picture's own times that of the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

__all__ = ["Colours", "of"]

BINS = 1024
"""How fine the histogram is that is transformed."""

FREQUENCIES = np.arange(0.07, 0.9, 0.0125)
"""Where it is looked at, in radians for each 8-bit level: below, it shows the window over the values; above, their rounding."""

LEVELS = np.geomspace(1.5, 60, 75)
"""The levels that are tried, in 8-bit levels."""

SHARES = np.geomspace(1e-3, 1, 25)
"""How strong the picture's own may be, squared: one colour of as many as there are."""

ABOVE, FEWEST, LEAST = 8.0, 4, 0.02
"""By how many times chance it must be exceeded, at how many frequencies, and how strong the picture's own must be, to say anything.
Photographs with noise of level 50 had 3 such frequencies at most."""

ROUNDS = 300
"""How often the palette is improved that fits best."""

WIDER, UNLIKELY, UNFIT = 3.0, 6.0, 0.0015
"""By how many standard deviations of chance the misfit of the best palette may exceed what chance leaves at the level that is
named; by how many, and by how much for each pixel besides, it must to refute a level. After `ROUNDS` the palettes of two to twelve
colours with noise of 3 to 25 had up to 0.0012 left at the true level, for there are more rounds to go."""

COUNTED = 150_000
"""For how many pixels the misfit is worked out at most: what the rounds leave grows with them, and chance does not as much.
At 640x640 three colours with noise of 25 read 8 with all pixels, and 24.5 so."""

HEAPED = 0.1
"""How much more misfit for each pixel there may be with what is black or white: noise that was clipped at a colour in the range has
half beside it at least."""

VALUES, RARE = 8, 0.1
"""So many values are counted together, and the share of these that have the least, where impulses of any value are refuted."""


@dataclass(frozen=True)
class Colours:
    """Few colours, and the ``level`` in 8-bit levels of the noise on them, 0 where there is none; ``counts`` (channels, 256) are
    their histograms."""

    level: float
    counts: NDArray[np.float64]

    def refute(self, sigma: float) -> bool:
        """Whether no noise as strong as this can be on the colours, in 8-bit levels, whatever they are."""
        misfit, chance = _misfit(self.counts, sigma)
        return bool(misfit > UNLIKELY * chance + UNFIT * float(self.counts.sum()))

    def without(self, density: float) -> bool:
        """Whether this share of impulses of any value cannot be among the pixels: hardly any have some values."""
        found = self.counts.reshape(len(self.counts), -1, VALUES).sum(axis=2)
        likely = density * self.counts.sum(axis=1) / found.shape[1]
        return bool((np.quantile(found, RARE, axis=1) < likely / 2 - UNLIKELY * np.sqrt(likely)).any())

    def fainter(self, other: Colours | None) -> bool:
        """Whether the ``other`` picture has less noise on its colours."""
        return other is not None and other.level < self.level


def of(parts: Sequence[NDArray[np.float32]]) -> Colours | None:
    """The colours of the ``parts`` (h, w, channels); None where they are many."""
    if not _few(parts):
        return None
    channels = range(parts[0].shape[2])
    rounded = [np.rint(np.clip(part, 0, 1) * np.float32(255)).astype(np.uint8) for part in parts]
    counts = [np.sum([np.bincount(part[..., channel].ravel(), minlength=256) for part in rounded], axis=0) for channel in channels]
    whole = np.array(counts, dtype=np.float64)
    whole *= min(1.0, COUNTED / max(1.0, float(whole.sum(axis=1).max())))
    # A width above one that does not fit does not fit, either.
    low, high = 0, len(LEVELS)
    while low < high:
        middle = (low + high) // 2
        misfit, chance = _misfit(whole, float(LEVELS[middle]))
        low, high = (low, middle) if misfit > WIDER * chance else (middle + 1, high)
    level = float(LEVELS[low - 1]) if low > 0 else 0.0
    # Black and white without noise are nothing but ends, and have nothing beside them.
    heaped = _misfit(whole, level, ends=True)[0] > HEAPED * float(whole.sum())
    return Colours(0.0 if heaped else level, whole)


def _few(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the ``parts`` have few colours: the transform of their histogram does not fade but for noise."""
    power, chance = np.zeros(len(FREQUENCIES)), 0.0
    values = (np.arange(BINS) + 0.5) * (255 / BINS)
    # Values fade out towards black and white, where clipping would have made edges.
    window = np.sin(np.pi * values / 255) ** 4
    waves = np.exp(1j * np.outer(FREQUENCIES, values))
    channels = parts[0].shape[2]
    for channel in range(channels):
        counts = np.sum([np.histogram(part[..., channel], BINS, (0, 1))[0] for part in parts], axis=0)
        windowed = counts * window
        whole = max(float(windowed.sum()), 1e-9)
        power += np.square(np.abs(waves @ windowed) / whole) / channels
        chance += float((windowed * window).sum()) / whole**2 / channels
    if chance <= 0 or np.count_nonzero(power > ABOVE * chance) < FEWEST:
        return False
    # The most likely of all levels and shares, since the powers have exponential distributions.
    means = SHARES[:, None, None] * np.exp(-np.square(LEVELS[:, None] * FREQUENCIES)) + chance
    share, _ = np.unravel_index(int(np.argmax(-(np.log(means) + power / means).sum(axis=2))), means.shape[:2])
    return bool(SHARES[share] >= LEAST)


def _misfit(counts: NDArray[np.float64], sigma: float, *, ends: bool = False) -> tuple[float, float]:
    """How much worse than chance has it (twice the logarithm of a likelihood) the best palette with noise of ``sigma`` (8-bit
    levels) fits histograms ``counts`` (channels, 256); and the standard deviation of chance. ``ends``: with black and white, where
    what was clipped is."""
    if sigma <= 0:
        return 0.0, 1.0
    below = np.array([erf((step + 0.5) / (sigma * sqrt(2))) for step in range(-256, 256)]) / 2 + 0.5
    steps = np.arange(256) - np.arange(256)[:, None] + 256
    # From each colour (rows) to each value.
    chances = below[steps] - below[steps - 1]
    if ends:
        chances[:, 0], chances[:, -1] = below[steps[:, 0]], 1 - below[steps[:, -1] - 1]
    else:
        counts, chances = counts[:, 1:-1], chances[:, 1:-1] / chances[:, 1:-1].sum(axis=1, keepdims=True)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    palette = np.full((len(counts), 256), 1 / 256)
    for _ in range(ROUNDS):
        # Expectation and maximization: each round fits better.
        palette *= (shares / np.maximum(palette @ chances, 1e-12)) @ chances.T
    there = counts > 0
    misfit = 2 * (counts[there] * np.log(shares[there] / np.maximum(palette @ chances, 1e-12)[there])).sum()
    free = max(1, int(np.count_nonzero(there)))
    return float(misfit) - free, sqrt(2 * free)
