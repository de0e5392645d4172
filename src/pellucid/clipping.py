"""Clipped noise: beyond black and white values are lost, which changes the noise and the mean.

An 8-bit picture cannot hold values below black, so a noisy shadow is too light, and a noisy highlight too dark, however well
the noise is then averaged away. The model is that of Foi 2009, "Clipped noisy images: Heteroskedastic modeling and practical
denoising": the noise is normal before it is clipped, except that of few photons, which follows their counts. From the noise level,
the model gives the mean and the deviation of clipped noise at each true intensity. Read backwards, from the mean to the intensity,
it corrects the output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import lgamma

import numpy as np
from numpy.typing import NDArray

from pellucid import maps
from pellucid.maps import Curve

__all__ = ["Clipping", "cut_at_zero"]

NODES = 513
"""Intensities, evenly from black to white, at which everything is tabled; between them it is linear."""

FEW_PHOTONS = 64
"""Peak up to which photon noise is computed from counts: the distribution of larger counts is as good as normal."""

LEAST_MOVED = 0.02 / 255
"""Least correction of an output, as a share of full range: smaller ones are left out."""

LEAST_LEFT = 0.7
"""Least level that the network is given near black and white, as a share of the level before clipping. At black 0.58 is left, but
farther up the noise reaches as far as before. With a lower share the network leaves bright specks in black areas: 86 of 23,000
black pixels under level 50 were above 10, and none with this share."""

STRIP = 64
"""Rows that are moved at once: a large piece's tables of places would take much memory."""


@dataclass(frozen=True)
class Clipping:
    """Noise of a ``curve`` that was clipped at black (``low``), at white (``high``), or both, in an image times ``factor``."""

    curve: Curve
    low: bool = True
    high: bool = True
    factor: float = 1.0

    def scaled(self, factor: float) -> Clipping:
        """That of the image times ``factor``."""
        return replace(self, factor=self.factor * factor)

    def sigma(self, planes: maps.Planes) -> maps.Planes:
        """The standard deviation (h, w) of the clipped noise in noisy ``planes`` (c, h, w): at least `LEAST_LEFT` times that of the
        noise before clipping, which `maps.sigma` gives."""
        variance = np.zeros(planes.shape[1:], dtype=np.float32)
        for plane in planes:
            light = maps.local_mean(plane)
            light /= np.float32(self.factor)
            for top in range(0, len(light), STRIP):
                variance[top : top + STRIP] += self.variance(light[top : top + STRIP]) / len(planes)
        np.maximum(variance, np.float32((LEAST_LEFT * self.curve.sigma) ** 2), out=variance)
        answer: maps.Planes = np.sqrt(variance, out=variance)
        answer *= np.float32(self.factor)
        return answer

    def expected(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of the clipped noise on ``pixels`` of any shape, in [0, 1], of the image without a factor."""
        table = _table(self.curve, self.low, self.high)
        return np.interp(pixels, np.linspace(0, 1, NODES), table.mean).astype(np.float32)

    def undone(self, answer: maps.Planes) -> maps.Planes:
        """Replaces ``answer`` (c, h, w), the mean of clipped noise, by the intensities behind it, in place."""
        table = _table(self.curve, self.low, self.high)
        unit, factors, offsets = np.float32((NODES - 1) / self.factor), table.factors, table.offsets * np.float32(self.factor)
        first, last = table.moved
        for plane in answer:
            for top in range(0, len(plane), STRIP):
                part = plane[top : top + STRIP]
                if part.min() > first * self.factor and part.max() < last * self.factor:
                    continue
                place = part * unit
                place += 1
                between = np.clip(place, 0, NODES, out=place).astype(np.intp)
                # No place lies beyond the tables: `wrap` is the fastest way to take.
                part *= factors.take(between, mode="wrap")
                part += offsets.take(between, mode="wrap")
        return answer

    def variance(self, mean: NDArray[np.floating]) -> NDArray[np.float64]:
        """The variance of the clipped noise where its mean is ``mean``, in [0, 1], of the image without a factor."""
        table = _table(self.curve, self.low, self.high)
        answer: NDArray[np.float64] = np.interp(mean, table.mean, table.variance)
        return answer

    def shares(self, mean: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Which share of the values is at black, and which at white, where what was left has that ``mean``."""
        table = _table(self.curve, self.low, self.high)
        return np.interp(mean, table.mean, table.black), np.interp(mean, table.mean, table.white)


@dataclass(frozen=True)
class _Table:
    """For each of `NODES` intensities the ``mean`` and ``variance`` of what is left, and which share of it is ``black`` and
    ``white``; of the straight line from a mean to its intensity, below black, between each two of as many means, and from white on,
    the ``factors`` and ``offsets``; and the means between which nothing is ``moved``."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    black: NDArray[np.float64]
    white: NDArray[np.float64]
    factors: NDArray[np.float32]
    offsets: NDArray[np.float32]
    moved: tuple[float, float]


def cut_at_zero(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean and the deviation of normal noise of deviation 1 on each of the ``values``, of any shape, when what is below 0 has
    become 0."""
    mean, square, _, _ = _normal(values, np.ones_like(values), low=True, high=False)
    return mean, np.sqrt(square - np.square(mean))


@lru_cache(maxsize=16)
def _table(curve: Curve, low: bool, high: bool) -> _Table:
    light = np.linspace(0, 1, NODES)
    few = curve.sigma == 0 and curve.speckle == 0 and 1 / curve.gain <= FEW_PHOTONS if curve.gain > 0 else False
    left = _counts(light, 1 / curve.gain, high) if few else _normal(light, np.sqrt(curve.variance(light)), low, high)
    mean, square, black, white = left
    # Never the same twice, so that it can be read backwards.
    mean = np.maximum.accumulate(mean) + 1e-9 * np.arange(NODES)
    shift = np.interp(light, mean, light) - light
    down, up = light[shift <= -LEAST_MOVED], light[shift >= LEAST_MOVED]
    moved = (float(down.max(initial=-np.inf)), float(up.min(initial=np.inf)))
    slopes = np.concatenate([[0], np.diff(shift) * (NODES - 1), [0]])
    offsets = np.concatenate([shift[:1], shift]) - slopes * np.concatenate([[0], light])
    return _Table(
        mean, np.maximum(square - mean**2, 0), black, white, (1 + slopes).astype(np.float32), offsets.astype(np.float32), moved
    )


def _normal(light: NDArray[np.float64], sigma: NDArray[np.float64], low: bool, high: bool) -> tuple[NDArray[np.float64], ...]:
    """Mean, mean square and shares at either end of normal noise that was clipped."""
    sigma = np.maximum(sigma, 1e-9)
    down = -light / sigma if low else np.full_like(light, -np.inf)
    up = (1 - light) / sigma if high else np.full_like(light, np.inf)
    black, white = _below(down), 1 - _below(up)
    within = 1 - black - white
    density_down, density_up = (np.exp(-(end**2) / 2) / np.sqrt(2 * np.pi) for end in (down, up))
    # An end that is infinitely far has no density, whatever it is multiplied with.
    edge = np.where(np.isfinite(down), down, 0) * density_down - np.where(np.isfinite(up), up, 0) * density_up
    mean = light * within + sigma * (density_down - density_up) + white
    square = (light**2 + sigma**2) * within + 2 * light * sigma * (density_down - density_up) + sigma**2 * edge + white
    return mean, square, black, white


def _below(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of a normal variable that is below ``value`` (Abramowitz and Stegun 1964, 26.2.17: off by 7.5e-8 at most)."""
    far = np.abs(np.clip(value, -40, 40))
    part = 1 / (1 + 0.2316419 * far)
    series = part * (0.319381530 + part * (-0.356563782 + part * (1.781477937 + part * (-1.821255978 + part * 1.330274429))))
    tail = np.exp(-(far**2) / 2) / np.sqrt(2 * np.pi) * series
    answer: NDArray[np.float64] = np.where(value < 0, tail, 1 - tail)
    return answer


def _counts(light: NDArray[np.float64], peak: float, high: bool) -> tuple[NDArray[np.float64], ...]:
    """The same as `_normal` for counts of photons, ``peak`` of them at white; they are never below black."""
    most = int(peak) if high else int(peak + 12 * np.sqrt(peak) + 24)
    count = np.arange(most + 1)
    expected = np.maximum(light * peak, 1e-12)[:, None]
    chance = np.exp(count * np.log(expected) - expected - np.array([lgamma(number + 1) for number in count]))
    value = count / peak
    rest = np.maximum(1 - chance.sum(axis=1), 0) if high else np.zeros_like(light)
    white = rest + chance[:, value >= 1].sum(axis=1) if high else rest
    return (chance * value).sum(axis=1) + rest, (chance * value**2).sum(axis=1) + rest, chance[:, 0], white
