"""Noise on few colours, its level and its law: tiles, pixels of games, letters.

Noise widens every colour alike, or as its law says, whatever the picture: the histogram is a mixture of Gaussians, but for black
and white, where what was clipped is. One that is too wide fits no palette at all, so the widest that fits is the noise, if colours
are few. They are where the characteristic function of the values, the Fourier transform of their histogram, does not fade: it is
the picture's own times that of the noise. The law counts by which the colours are fewest. The palette also tells
the mean of the colours behind each value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import erf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import Curve

__all__ = ["Colours", "histograms", "of", "sharp"]

FREQUENCIES = np.arange(0.07, 0.9, 0.0125)
"""Where it is looked at, in radians for each 8-bit level: below, it shows the window over the values; above, their rounding."""

LEVELS = np.geomspace(1.5, 60, 75)
"""The levels that are tried, in 8-bit levels."""

STEADY: dict[str, Callable[[NDArray[Any]], NDArray[np.float64]]] = {"sigma": np.positive, "gain": np.sqrt, "speckle": np.log}
"""The laws of noise that are tried, fields of its curve, the same everywhere, of photons, in proportion to the light; and by what
function of the light its level is steady."""

NORMAL = (np.linspace(-8, 8, 4097), np.array([0.5 + erf(step / sqrt(2)) / 2 for step in np.linspace(-8, 8, 4097)]))
"""Values of a normal variable, and the chance of a lower one."""

SHARES = np.geomspace(1e-3, 1, 25)
"""How strong the picture's own may be, squared: one colour of as many as there are."""

ABOVE, FEWEST, LEAST = 8.0, 4, 0.02
"""By how many times chance it must be exceeded, at how many frequencies, and how strong the picture's own must be, to say anything.
Photographs with noise of level 50 had 3 such frequencies at most."""

ROUNDS, ASKED, FASTER = 100, 10, 0.95
"""How often the palette is improved that fits best; after how many rounds each it is asked whether it does; and how much of a
round's step the next one begins with, at most."""

WIDER, UNLIKELY, UNFIT = 3.0, 6.0, 0.0005
"""By how many standard deviations of chance the misfit of the best palette may exceed what chance leaves at the level that is
named; by how many, and by how much for each pixel besides, it must to refute a level, for there are more rounds to go."""

COUNTED = 150_000
"""For how many pixels the misfit is worked out at most: what the rounds leave grows with them, and chance does not as much."""

FEWER = 0.7
"""How many times as many colours as by one level for all there may be by a law by which noise follows the light, to believe it."""

HEAPED = 0.1
"""How much more misfit for each pixel there may be with what is black or white: noise that was clipped at a colour in the range has
half beside it at least."""

RARELY, FEWEST_GAPS, EVEN, NO_GAPS = 1e-4, 6, 0.85, 1.15
"""Which share of the pixels a value has at least to be one that is there; between how many there must be gaps, and which share of
these must be alike, for values to be evenly apart; and how far these are apart at least then, since rare values are
missing, too."""

SPREAD, MOST_GAPS = 0.6, 6.0
"""Width of the Gaussian window that fills the gaps between such values, as a multiple of how far these are apart; and the most that
they may be."""

SKEWED = 0.015
"""How much more misfit for each pixel noise of photons may have: few photons are not distributed as Gaussians are."""

PEAKED, SHARP, MOST_SHARP = 4.0, 0.7, 24
"""How many times as many pixels an exact value has as those beside it; and how many pixels have one in what was drawn, of so many
at most."""

NEARLY = 0.2
"""How far levels may be apart, as a share, to be nearly the same."""

EXPLAINED = 0.3
"""How much of this misfit there may be for each black or white pixel: of an impulse it is 1.4 at least."""

OFF, GOES_ON = 0.35, 0.2
"""How much of the noise pixels must be off the colours behind them, as a share of its variance, and how far neighbours may be off
alike (their correlation), for the noise to be white. Photographs as they are, with a camera's noise, grain or JPEG, had at most
0.75, and at least 0.29; with white noise that is so strong that it hides the picture they may pass for few colours, and have that
noise."""

HALVES, NOTHING_ELSE = 0.1, 0.035
"""How far from a half the share of black and white values may be where there was nothing else before noise was clipped; and how
much misfit for each pixel that may have: black and white under noise of level 15 to 70 have up to 0.034, and lamps, stars and
fluorescent dots on ground that is not quite black, under noise of level 50, 0.044 and more."""

INK = 0.04
"""The share that the rarer of black and white must have, in the mean of the channels: on ground that is black alone, dots and cells
that are fainter than the noise would be black, too. 1-bit pictures have 0.05 and more of each."""

VALUES, RARE = 8, 0.1
"""So many values are counted together, and the share of these that have the least, where impulses of any value are refuted."""


@dataclass(frozen=True)
class Colours:
    """Few colours, and the ``curve`` of the noise on them, nothing where there is none; ``counts`` (channels, 256) are their
    histograms; ``off`` is the misfit of the best palette, with black and white. ``pure``: each channel is black and white alone."""

    curve: Curve
    counts: NDArray[np.float64]
    off: float = 0.0
    pure: bool = False

    @property
    def ends(self) -> bool:
        """Whether noise on the colours explains what is black and white, too."""
        return self.level > 0 and self.off < EXPLAINED * float(self.counts[:, (0, -1)].sum())

    @property
    def noisy(self) -> bool:
        """Whether there is noise on them. Black and white without noise are nothing but ends, and have nothing beside them."""
        return self.level > 0 and self.off < HEAPED * float(self.counts.sum())

    @property
    def level(self) -> float:
        """The standard deviation of the noise, in 8-bit levels, all over the picture."""
        values = self.counts.sum(axis=0)
        return 255 * sqrt(float(self.curve.variance(np.arange(256) / 255) @ values) / max(float(values.sum()), 1.0))

    @cached_property
    def table(self) -> NDArray[np.float32]:
        """The mean of the colours that may be behind each value of each channel (channels, 256), as shares of full range."""
        return np.asarray(_Fit.of(self.counts, self.curve, ends=True).means / 255, np.float32)

    def alike(self, curve: Curve) -> bool:
        """Whether noise of this ``curve`` is nearly that on the colours."""
        ours, theirs = (np.array([each.sigma, np.sqrt(each.gain), np.sqrt(each.speckle)]) for each in (self.curve, curve))
        return bool(np.allclose(ours, theirs, rtol=NEARLY, atol=0))

    def refute(self, curve: Curve) -> bool:
        """Whether no noise of this ``curve``, or stronger, can be on the colours, whatever they are."""
        fit = _Fit.of(self.counts, curve)
        unfit = SKEWED if max(map(_apart, self.counts)) > 1 else UNFIT
        return bool(fit.misfit > UNLIKELY * fit.chance + unfit * float(self.counts.sum()))

    def white(self, parts: Sequence[NDArray[np.float32]]) -> bool:
        """Whether what the pixels of ``parts`` (h, w, channels) are off these colours is white noise. Where the colours are none of
        the picture's, it goes on from pixel to pixel as the picture does, or is next to nothing."""
        if self.level == 0:
            return False
        likely, energy = 0.0, 0.0
        products = np.zeros(4)
        variance = self.curve.variance(np.arange(256) / 255)
        for part in parts:
            values = np.rint(np.clip(part, 0, 1) * np.float32(255)).astype(np.uint8)
            inside = (values > 0) & (values < 255)
            for channel, table in enumerate(self.table):
                plane, there = values[..., channel], inside[..., channel]
                off = (part[..., channel] - table[plane]) * there
                energy += float(np.square(off).sum())
                likely += float((variance[plane] * there).sum())
                for index, (down, right) in enumerate(((0, 1), (1, 0), (0, 2), (2, 0))):
                    products[index] += float((off[down:, right:] * off[: len(off) - down, : off.shape[1] - right]).sum())
        return bool(energy > OFF * likely and products.max() < GOES_ON * energy)

    def fainter(self, other: Colours | None) -> bool:
        """Whether the ``other`` picture has less noise on its colours."""
        return other is not None and other.level < self.level


def histograms(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """How many values of each channel of the ``parts`` (h, w, channels) are at each level, (channels, 256)."""
    channels = range(parts[0].shape[2])
    rounded = [np.rint(np.clip(part, 0, 1) * np.float32(255)).astype(np.uint8) for part in parts]
    counts = [np.sum([np.bincount(part[..., channel].ravel(), minlength=256) for part in rounded], axis=0) for channel in channels]
    return np.array(counts, dtype=np.float64)


def without(counts: NDArray[np.float64], density: float) -> bool:
    """Whether this share of impulses of any value cannot be among the pixels of histograms ``counts`` (channels, 256): hardly any
    have some values."""
    found = counts.reshape(len(counts), -1, VALUES).sum(axis=2)
    likely = density * counts.sum(axis=1) / found.shape[1]
    return bool((np.quantile(found, RARE, axis=1) < likely / 2 - UNLIKELY * np.sqrt(likely)).any())


def sharp(counts: NDArray[np.float64]) -> bool:
    """Whether most pixels have one of a few exact values, by histograms ``counts`` (channels, 256); black and white ones count for
    nothing."""
    beside = (counts[:, :-2] + counts[:, 2:]) / 2
    inside = counts[:, 1:-1]
    peaks = np.sort(inside * (inside > PEAKED * beside), axis=1)[:, -MOST_SHARP:].sum(axis=1)
    few = bool((peaks > SHARP * inside.sum(axis=1)).all())
    # Counts of photons have gaps between them, too.
    return few and max(map(_apart, counts)) == 1


def of(counts: NDArray[np.float64]) -> Colours | None:
    """The colours of histograms ``counts`` (channels, 256); None where they are many."""
    whole = counts * min(1.0, COUNTED / max(1.0, float(counts.sum(axis=1).max())))
    laws = [law for law in STEADY if _few(whole, law)]
    if not laws:
        return _pure(whole)
    found, fewest = Colours(Curve(), whole, _Fit.of(whole, Curve(), ends=True).misfit), np.inf
    # One level for all is what is usual: where it may be, another law must leave fewer colours than that does.
    for law in dict.fromkeys(("sigma", *laws)):
        curve = _widest(whole, law)
        each = Colours(curve, whole, _Fit.of(whole, curve, ends=True).misfit)
        colours = _Fit.of(whole, curve).colours / (1 if law == "sigma" else FEWER)
        if curve != Curve() and colours < fewest and (law in laws or each.noisy):
            found, fewest = each, colours
    return found


def _pure(counts: NDArray[np.float64]) -> Colours | None:
    """Black and white alone under noise that was clipped: half of all values are at the ends, and the others fade from there as
    one half of a normal distribution does. None where the histograms (channels, 256) are not so."""
    whole = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    if abs(float((counts[:, (0, -1)] / whole).sum(axis=1).mean()) - 0.5) > HALVES:
        return None
    shares = np.stack([counts[:, :128].sum(axis=1), counts[:, 128:].sum(axis=1)], axis=1) / whole
    best, found, rarer = np.inf, Curve(), 0.0
    for level in LEVELS:
        below = np.interp((np.arange(257) - 0.5) / level, *NORMAL)
        below[0], below[-1] = 0, 1
        dark = np.diff(below)
        # Values that noise takes across the middle are counted on the other side.
        crossed = float(dark[128:].sum())
        black = np.clip((shares[:, :1] - crossed) / max(1 - 2 * crossed, 1e-9), 0, 1)
        likely = np.maximum(black * dark + (1 - black) * dark[::-1], 1e-12)
        there = counts > 0
        off = 2 * float((counts[there] * np.log((counts / whole)[there] / likely[there])).sum())
        if off < best:
            best, found, rarer = off, Curve(level / 255), float(np.minimum(black, 1 - black).mean())
    pure = best < NOTHING_ELSE * float(counts.sum()) and rarer > INK
    return Colours(found, counts, best, pure=True) if pure else None


def _widest(counts: NDArray[np.float64], law: str) -> Curve:
    """The strongest noise of a ``law``, a field of the curve, that fits some palette; nothing where none does."""
    # A width above one that does not fit does not fit, either.
    low, high = 0, len(LEVELS)
    apart = max(map(_apart, counts))
    while low < high:
        middle = (low + high) // 2
        least = SKEWED * float(counts.sum()) if law == "gain" and apart > 1 else 0.0
        fit = _Fit.of(counts, _curve(law, float(LEVELS[middle])), enough=least)
        low, high = (low, middle) if fit.misfit > max(WIDER * fit.chance, least) else (middle + 1, high)
    return _curve(law, float(LEVELS[low - 1])) if low > 0 else Curve()


def _curve(law: str, level: float) -> Curve:
    """The curve of a ``law`` that has this level, in 8-bit levels, at middle gray."""
    return Curve(**{law: level / 255 if law == "sigma" else (level / 255) ** 2 * (2 if law == "gain" else 4)})


def _few(counts: NDArray[np.float64], law: str) -> bool:
    """Whether there are few colours in histograms ``counts`` (channels, 256): the transform does not fade but for noise. It
    is looked at where noise has the same level by its ``law``: in the light, its root, or its logarithm."""
    apart = max(map(_apart, counts))
    counts = _spread(counts, apart) if apart > 1 else counts
    even = STEADY[law](np.arange(257) + (law == "speckle"))
    even = even * (255 / even[-1])
    return _unfading(counts, (even[1:] + even[:-1]) / 2, np.diff(even), FEWEST if law == "sigma" else 2 * FEWEST)


def _unfading(counts: NDArray[np.float64], values: NDArray[np.float64], rounded: NDArray[np.float64], fewest: int) -> bool:
    """Whether the transform of histograms ``counts`` (channels, n) of the ``values``, 0 to 255, each of which stands for those that
    are ``rounded`` to it, so far apart, is beyond chance at the ``fewest`` frequencies, and does not fade but for noise."""
    power, chance = np.zeros(len(FREQUENCIES)), np.zeros(len(FREQUENCIES))
    # Values fade out towards black and white, where clipping would have made edges.
    window = np.sin(np.pi * values / 255) ** 4
    waves = np.exp(1j * np.outer(FREQUENCIES, values)) * np.sinc(np.outer(FREQUENCIES, rounded) / (2 * np.pi))
    for row in counts:
        windowed = row * window
        whole = max(float(windowed.sum()), 1e-9)
        power += np.square(np.abs(waves @ windowed) / whole) / len(counts)
        chance += np.square(np.abs(waves)) @ (windowed * window) / whole**2 / len(counts)
    if chance.min() <= 0 or np.count_nonzero(power > ABOVE * chance) < fewest:
        return False
    # The most likely of all levels and shares, since the powers have exponential distributions.
    means = SHARES[:, None, None] * np.exp(-np.square(LEVELS[:, None] * FREQUENCIES)) + chance
    share, _ = np.unravel_index(int(np.argmax(-(np.log(means) + power / means).sum(axis=2))), means.shape[:2])
    return bool(SHARES[share] >= LEAST)


@dataclass(frozen=True)
class _Fit:
    """How well the best palette with some noise fits histograms: the ``misfit`` is how much worse it is than chance has it (twice
    the logarithm of a likelihood), ``chance`` the standard deviation of that. ``means`` (channels, 256) are the colours behind
    each value, in 8-bit levels; ``colours`` is how many there are."""

    misfit: float
    chance: float
    means: NDArray[np.float64]
    colours: float

    @classmethod
    def of(cls, counts: NDArray[np.float64], curve: Curve, *, ends: bool = False, enough: float | None = None) -> _Fit:
        """To histograms ``counts`` (channels, 256), with noise of that ``curve``. ``ends``: with black and white, where what was
        clipped is. ``enough``: a misfit of so much, or of `WIDER` times what chance makes, need not be improved."""
        shades = np.arange(256.0)
        apart = max(map(_apart, counts))
        counts = _spread(counts, apart) if apart > 1 else counts
        width = 255 * np.sqrt(np.maximum(curve.variance(shades / 255), 1e-9))
        # From each colour (rows) to each value.
        below = np.interp((np.arange(257) - 0.5 - shades[:, None]) / width[:, None], *NORMAL)
        if ends:
            below[:, 0], below[:, -1] = 0, 1
        chances = np.diff(below, axis=1)
        values = shades
        if not ends:
            counts, chances, values = counts[:, 1:-1], chances[:, 1:-1], shades[1:-1]
            chances /= np.maximum(chances.sum(axis=1, keepdims=True), 1e-12)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        there = counts > 0
        free = max(1, int(np.count_nonzero(there) / max(1.0, apart)))

        def off(palette: NDArray[np.float64]) -> float:
            likely = np.maximum(palette @ chances, 1e-12)
            return 2 * float((counts[there] * np.log(shares[there] / likely[there])).sum()) - free

        most = -np.inf if enough is None else max(WIDER * sqrt(2 * free), enough)
        palette = _best(shares, chances, lambda palette: off(palette) <= most)
        likely, misfit = np.maximum(palette @ chances, 1e-12), off(palette)
        means = ((palette * shades) @ chances + 1e-12 * values) / (likely + 1e-12)
        entropy = -(palette * np.log(np.maximum(palette, 1e-12))).sum(axis=1)
        return cls(misfit, sqrt(2 * free), means, float(np.exp(entropy).mean()))


def _apart(counts: NDArray[np.float64]) -> float:
    """How far the values that are there are apart, in 8-bit levels, if they are evenly apart as counts of photons are; else 1."""
    gaps = np.diff(np.flatnonzero(counts[1:-1] > RARELY * counts.sum()))
    if len(gaps) < FEWEST_GAPS:
        return 1.0
    apart = float(gaps[gaps <= 2 * np.median(gaps)].mean())
    return apart if apart > NO_GAPS and float((gaps <= np.ceil(apart)).mean()) > EVEN else 1.0


def _spread(counts: NDArray[np.float64], apart: float) -> NDArray[np.float64]:
    """The histograms ``counts`` (channels, 256) without the gaps between values that are so far apart; black and white stay."""
    # Rounded, values that are less than two levels apart have gaps here and there.
    gaps = apart if apart >= 2 else min(MOST_GAPS, apart / (apart - 1))
    reach = int(np.ceil(2 * gaps))
    window = np.exp(-np.square(np.arange(-reach, reach + 1) / (SPREAD * gaps)) / 2)
    inside = [np.convolve(row[1:-1], window / window.sum(), "same") for row in counts]
    return np.concatenate([counts[:, :1], inside, counts[:, -1:]], axis=1)


def _best(
    shares: NDArray[np.float64], chances: NDArray[np.float64], good: Callable[[NDArray[np.float64]], bool]
) -> NDArray[np.float64]:
    """The palette (channels, 256) that fits the ``shares`` of values best, if each colour (rows) has these ``chances`` of values;
    or the first that is ``good`` enough, which is asked every `ASKED` rounds.

    Expectation and maximization, each round of which fits better, begun where the one before pointed (Biggs and Andrews 1997).
    """
    start = found = np.full((len(shares), len(chances)), 1 / len(chances))
    before = None
    for count in range(ROUNDS):
        if count % ASKED == ASKED - 1 and good(found):
            break
        better = start * ((shares / np.maximum(start @ chances, 1e-12)) @ chances.T)
        step = better - start
        ahead = better
        if before is not None:
            alike = (step * before).sum(axis=1) / np.maximum(np.square(before).sum(axis=1), 1e-30)
            ahead = better + np.clip(alike, 0, FASTER)[:, None] * (better - found)
            # No colour is lost for good.
            ahead = np.maximum(ahead, better / 10)
        found, before = better, step
        start = ahead / np.maximum(ahead.sum(axis=1, keepdims=True), 1e-12)
    return found
