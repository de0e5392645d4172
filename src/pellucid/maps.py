"""The planes about noise that a network is given beside the image: the noise's standard deviation, and impulses.

The same functions serve training and restoration. Each looks no farther than `REACH` pixels and knows only the grid of multiples of
`GRID`, so that a tile answers as the whole image does.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "GRID",
    "NONE",
    "REACH",
    "Blotches",
    "Curve",
    "Extremes",
    "Places",
    "Spots",
    "between",
    "box_mean",
    "candidates",
    "filled",
    "impulses",
    "local_mean",
    "sigma",
    "spots",
    "sums",
    "unlikely",
]

Planes = NDArray[np.float32]

LEVELS = 3
"""How many times `filled` halves the image to look for a good pixel."""

GRID = 2**LEVELS
"""A part of an image is filled as the whole is if it begins at multiples of this in both directions."""

REACH = 3 * GRID
"""How far any of these functions looks, in pixels: `filled` sees one cell of its coarsest grid to either side, and the rest."""

SMOOTH = 2.0
"""Width (standard deviation in pixels) of the Gaussian window of `local_mean`. On ten held-out photographs with Poisson noise of
peak 4 and 30 and speckle of variance 0.1, maps from windows of 1, 2 and 4 pixels were within 0.1 dB of one another at peak 4 and
of one from the clean image itself; 4 lost 0.4 dB under speckle."""

COUNTED = 4
"""Half the side, less a half, of the window in which `impulses` counts what is black or white."""

OFF = 0.03
"""The error of a first output, taken for a standard deviation. On ten held-out gray photographs with 10, 30 and 60 % impulses of
any value a second pass gained 3.1, 2.4 and 1.6 dB with it, 3.2, 2.1 and 1.2 with 0.02; a third pass lost."""

SPOT, STEEP = 0.08, 1.0
"""How far a pixel is beyond all but three of the 24 around it, in shares of full range and of what these span, for `spots`."""

ALIKE = 0.35
"""How far other channels may be off, as a share of how far the one is that was struck alone."""

TRUSTED = 0.5
"""Share of a 3x3 window's weight that must be good for `filled` to look no farther."""

TOGETHER = 32
"""Rows that `between` weighs at once."""

STRIP = 64
"""Rows or columns of which `box_mean` sums at once: of a large image the sums, in float64, would take much memory."""

KERNEL = np.array([1, 2, 1], dtype=np.float32) / 4


@dataclass(frozen=True)
class Curve:
    """The noise's standard deviation by the intensity it is at: ``sigma**2 + gain * m + speckle * m**2`` at mean m in [0, 1].

    ``sigma`` in shares of full range, ``gain`` the variance that Poisson noise has at white (1 / peak), ``speckle`` that of
    multiplicative noise. After Foi et al. 2008, "Practical Poissonian-Gaussian Noise Modeling and Fitting", with the
    square beside it.
    """

    sigma: float = 0.0
    gain: float = 0.0
    speckle: float = 0.0

    @property
    def flat(self) -> bool:
        """Whether the noise is the same at every intensity."""
        return self.gain == 0 and self.speckle == 0

    def scaled(self, factor: float) -> Curve:
        """The curve for an image times ``factor``."""
        return Curve(self.sigma * factor, self.gain * factor, self.speckle)

    def raised(self, factor: float) -> Curve:
        """The curve of noise of the same kind whose standard deviation is ``factor`` times as large at every intensity."""
        return Curve(self.sigma * factor, self.gain * factor**2, self.speckle * factor**2)

    def variance(self, mean: NDArray[Any]) -> Planes:
        """At ``mean``; below black as at black."""
        light = np.maximum(mean, 0)
        answer: Planes = np.float32(self.sigma**2) + light * (np.float32(self.gain) + np.float32(self.speckle) * light)
        return answer


NONE = Curve()
"""No noise at all."""


@dataclass(frozen=True)
class Extremes:
    """Impulses that are black or white: the shares ``pepper`` and ``salt`` of all pixels, and their values ``low`` and ``high``."""

    pepper: float
    salt: float
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Blotches:
    """Noise in colour that is many pixels wide: its standard deviation ``level``, mean of the channels, in 8-bit levels, and how
    many times smaller the picture must be for it to be about a pixel wide (``shrink``)."""

    level: float
    shrink: int


@dataclass(frozen=True, eq=False)
class Places:
    """The noise's standard deviation by place, in 8-bit levels: that of the cells of an even grid, an array (rows, columns) or rows
    of numbers."""

    levels: ArrayLike

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", np.asarray(self.levels))

    @property
    def grid(self) -> NDArray[Any]:
        """The levels as an array."""
        return np.asarray(self.levels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places) and np.array_equal(self.grid, other.grid)

    def __hash__(self) -> int:
        return hash(self.grid.tobytes())

    def sigma(self, top: int, left: int, height: int, width: int, within: tuple[int, int]) -> Planes:
        """The plane (h, w) for a piece of an image whose height and width are ``within``, as shares of full range."""
        grid = np.asarray(self.grid, dtype=np.float32) / np.float32(255)
        down, right = (
            (np.arange(begin, begin + length) + 0.5) / whole
            for begin, length, whole in ((top, height, within[0]), (left, width, within[1]))
        )
        # Columns first, while there are few rows: then whole rows are taken.
        return between(np.ascontiguousarray(between(grid.T, right).T), down)

    def raised(self, factor: float) -> Places:
        """Levels that are ``factor`` times as high everywhere."""
        return Places(self.grid * factor)

    @property
    def least(self) -> float:
        """The faintest level."""
        return float(self.grid.min())

    @property
    def most(self) -> float:
        """The strongest level."""
        return float(self.grid.max())

    @property
    def mean(self) -> float:
        """The quadratic mean."""
        return float(np.sqrt(np.square(self.grid, dtype=np.float64).mean()))


def between(rows: Planes, places: NDArray[Any]) -> Planes:
    """The values (places, columns) at ``places`` (0 to 1, rising) along the ``rows``: on straight lines between their middles."""
    at = np.clip(places * len(rows) - 0.5, 0, len(rows) - 1)
    first = np.minimum(at.astype(np.intp), max(len(rows) - 2, 0))
    share = (at - first).astype(np.float32)
    values = np.empty((len(places), rows.shape[1]), np.float32)
    # A product of a few rows at a time is the fastest way to weigh them.
    for start in range(0, len(places), TOGETHER):
        part = slice(start, start + TOGETHER)
        low = first[start]
        own = first[part] - low
        weights = np.zeros((len(own), own[-1] + 2), np.float32)
        line = np.arange(len(own))
        weights[line, own + 1] = share[part]
        weights[line, own] = 1 - share[part]
        known = rows[low : low + weights.shape[1]]
        np.matmul(weights[:, : len(known)], known, out=values[part])
    return values


@dataclass(frozen=True)
class Spots:
    """Impulses on an image without other noise: the ``share`` of pixels, whether each struck one channel ``alone``, and whether
    they show because the ``ground`` around them is one exact value, or because their colours are none of the ``colours`` of a
    drawing (sorted names, see `pellucid.drawings`; empty before these are looked for)."""

    share: float
    alone: bool = False
    ground: bool = False
    colours: NDArray[np.uint32] | None = field(default=None, compare=False, repr=False)

    @property
    def unseen(self) -> bool:
        """Whether they show by colours that are not looked for yet."""
        return self.colours is not None and not len(self.colours)

    @property
    def anew(self) -> Spots:
        """The same impulses by colours that are not looked for yet."""
        return replace(self, colours=np.empty(0, np.uint32))


def sigma(planes: Planes, curve: Curve) -> Planes:
    """The plane (h, w) of the noise's standard deviation, the quadratic mean of the channels of ``planes`` (c, h, w)."""
    if curve.flat:
        return np.full(planes.shape[1:], curve.sigma, dtype=np.float32)
    variance = np.mean([curve.variance(local_mean(plane)) for plane in planes], axis=0, dtype=np.float32)
    answer: Planes = np.sqrt(variance)
    return answer


def local_mean(plane: Planes) -> Planes:
    """(h, w) under a Gaussian window of `SMOOTH` pixels, mirrored at the edges."""
    radius = round(3 * SMOOTH)
    window = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * SMOOTH**2)).astype(np.float32)
    return _windowed(plane, window / window.sum())


def impulses(planes: Planes, extremes: Extremes) -> Planes:
    """The plane (h, w) of the chance that a pixel of ``planes`` (c, h, w) is one of the black and white impulses.

    A pixel with no channel at either end is none. One at an end may be part of a black or white area: that chance is what is
    at that end around it beyond the impulses' own share (Bayes' rule).
    """
    certain = np.zeros(planes.shape[1:], dtype=np.float32)
    density = extremes.pepper + extremes.salt
    for share, value in ((extremes.pepper, extremes.low), (extremes.salt, extremes.high)):
        if share <= 0:
            continue
        for plane in planes:
            there = (plane == np.float32(value)).astype(np.float32)
            count = (2 * COUNTED + 1) ** 2
            around = _windowed(there, np.full(2 * COUNTED + 1, 1 / (2 * COUNTED + 1), dtype=np.float32))
            # Three standard deviations of the count are chance.
            beyond = around - np.float32(share + 3 * np.sqrt(share * (1 - share) / count))
            natural = np.clip(beyond / np.float32(max(1 - density, 1e-3)), 0, 1)
            chance = np.float32(share) / (np.float32(share) + np.float32(1 - density) * natural)
            np.maximum(certain, there * chance, out=certain)
    return certain


def spots(planes: Planes, alone: bool) -> NDArray[np.bool_]:
    """Which values (c, h, w) of ``planes`` are unlike all around them; of one channel ``alone``, where the others are not."""
    struck = np.zeros(planes.shape, dtype=bool)
    framed = np.pad(planes, ((0, 0), (2, 2), (2, 2)), mode="symmetric")
    for channel in range(len(planes)):
        rows, columns, beyond, span, lonely = candidates(framed, channel, SPOT)
        chosen = beyond > STEEP * span
        if alone and len(planes) > 1:
            chosen &= lonely
        struck[channel, rows[chosen] - 2, columns[chosen] - 2] = True
    return struck


def candidates(
    planes: Planes, channel: int, least: float, spared: int = 3
) -> tuple[NDArray[np.intp], NDArray[np.intp], Planes, Planes, NDArray[np.bool_]]:
    """Where (rows, columns) values of a ``channel`` of (c, h, w) are by ``least`` above or below the 24 around them, but
    for so many that are ``spared``.

    Beside the places by how much they are, what these 24 span, and whether the other channels are nothing like it. The two
    outermost rows and columns are not looked at.
    """
    plane = planes[channel]
    height, width = plane.shape
    if min(height, width) < 5:
        nothing = np.zeros(0, np.intp)
        return nothing, nothing, np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros(0, bool)
    middle = plane[2:-2, 2:-2]
    above, below, left, right = plane[1:-3, 2:-2], plane[3:-1, 2:-2], plane[2:-2, 1:-3], plane[2:-2, 3:-1]
    high, other_high = np.maximum(above, below), np.maximum(left, right)
    low, other_low = np.minimum(above, below), np.minimum(left, right)
    # All but one of the four beside it, which most pixels fail.
    second_high = np.maximum(np.minimum(high, other_high), np.maximum(low, other_low))
    second_low = np.minimum(np.maximum(low, other_low), np.minimum(high, other_high))
    rows, columns = np.nonzero((middle > second_high + np.float32(least)) | (middle < second_low - np.float32(least)))
    rows, columns = rows + 2, columns + 2
    around = np.stack([planes[:, rows + down, columns + over] for down in range(-2, 3) for over in range(-2, 3) if down or over])
    around.sort(axis=0)
    here = planes[:, rows, columns]
    least_of, most_of = around[spared, channel], around[-1 - spared, channel]
    beyond = np.maximum(here[channel] - most_of, least_of - here[channel])
    off = np.abs(here - (around[11] + around[12]) / 2)
    others = np.delete(off, channel, axis=0).max(axis=0, initial=0)
    kept = beyond > least
    lonely = others < ALIKE * off[channel]
    return rows[kept], columns[kept], beyond[kept], (most_of - least_of)[kept], lonely[kept]


def unlikely(planes: Planes, answer: Planes, density: float | Planes, sigma: float | Planes) -> Planes:
    """The plane (h, w) of the chance that a pixel of ``planes`` (c, h, w) is an impulse of any value, by a first output ``answer``.

    Bayes' rule: an impulse is anywhere in [0, 1] alike in each channel, a true pixel near the answer in all of them, off by noise
    of ``sigma`` (share of full range) and by the answer's own error (`OFF`). ``density`` and ``sigma`` are of all pixels, or of
    each (h, w). Gray that is shown in several channels is one.
    """
    if len(planes) > 1 and (planes == planes[:1]).all():
        planes, answer = planes[:1], answer.mean(axis=0, keepdims=True, dtype=np.float32)
    share, spread = np.float32(density), np.hypot(np.float32(sigma), np.float32(OFF))
    off = np.square((planes - answer) / spread).sum(axis=0)
    true = np.exp(-off / 2) / (spread * np.float32(np.sqrt(2 * np.pi))) ** len(planes)
    chance: Planes = share / (share + (1 - share) * true)
    return chance


def filled(planes: Planes, chance: Planes) -> Planes:
    """``planes`` (c, h, w) with what is likely no true pixel (``chance`` (h, w) near 1) taken from the good pixels around.

    The mean of the 3x3 pixels around by their weights; where hardly one of them is good, of ever larger cells (pull-push, after
    Gortler et al. 1996, "The Lumigraph").
    """
    good = 1 - chance
    answer: Planes = np.asarray(planes + chance * (_pulled(planes * good, good, LEVELS) - planes), dtype=np.float32)
    return answer


def box_mean(plane: Planes, side: int) -> Planes:
    """(h, w): the mean of the ``side`` x ``side`` pixels (an odd number) around each, mirrored at the edges."""
    reach = side // 2
    for _ in (0, 1):
        # Rows first become columns, then rows again.
        plane = plane.T
        mean = np.empty_like(plane)
        for start in range(0, len(plane), STRIP):
            part = np.pad(plane[start : start + STRIP], ((0, 0), (reach + 1, reach)), mode="symmetric")
            # Differences of a running sum, in float64: in float32 a long sum would lose what its differences are made of.
            total = np.cumsum(part, axis=1, dtype=np.float64)
            mean[start : start + STRIP] = (total[:, side:] - total[:, :-side]) / side
        plane = mean
    return plane


def sums(plane: Planes, count: int, axis: int) -> Planes:
    """The sums of ``count`` neighbours along an axis of a plane (h, w), which gets ``count`` - 1 shorter: of sums of 1, 2, 4, ...
    of them, which takes a quarter of the time of running sums, and float32 holds them."""
    size = plane.shape[axis] - count + 1

    def part(values: Planes, start: int, length: int) -> Planes:
        return values[start : start + length] if axis == 0 else values[:, start : start + length]

    total, power, start = np.zeros_like(part(plane, 0, size)), 1, 0
    while True:
        if count & power:
            total += part(plane, start, size)
            start += power
        if 2 * power > count:
            return total
        plane = part(plane, 0, plane.shape[axis] - power) + part(plane, power, plane.shape[axis] - power)
        power *= 2


def _pulled(light: NDArray[Any], good: NDArray[Any], levels: int) -> NDArray[Any]:
    """The mean of ``light`` / ``good`` around each pixel, from as near as there is something good."""
    weight = _windowed(good, KERNEL)
    near = _windowed(light, KERNEL)
    mean = near / np.maximum(weight, 1e-6)
    if levels == 0:
        # Where nothing is good within reach: what there is, which is nothing.
        return mean
    height, width = good.shape
    far = _pulled(_halved(light), _halved(good[None])[0], levels - 1)
    far = far.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    trust = np.minimum(weight / np.float32(TRUSTED), 1)
    answer: Planes = far + trust * (mean - far)
    return answer


def _halved(planes: NDArray[Any]) -> Planes:
    """The means of 2x2 pixels; a last odd row or column counts twice."""
    padded = np.pad(planes, ((0, 0), (0, planes.shape[1] % 2), (0, planes.shape[2] % 2)), mode="edge")
    answer: Planes = (padded[:, ::2, ::2] + padded[:, 1::2, ::2] + padded[:, ::2, 1::2] + padded[:, 1::2, 1::2]) / np.float32(4)
    return answer


def _windowed(planes: Planes, window: NDArray[Any]) -> Planes:
    """(..., h, w) under a window of odd length, across and down, mirrored at the edges."""
    radius = len(window) // 2
    height, width = planes.shape[-2:]
    tall = _mirrored(planes, radius, -2)
    down = window[0] * tall[..., :height, :]
    for index in range(1, len(window)):
        down += window[index] * tall[..., index : index + height, :]
    wide = _mirrored(down, radius, -1)
    across: Planes = window[0] * wide[..., :width]
    for index in range(1, len(window)):
        across += window[index] * wide[..., index : index + width]
    return across


def _mirrored(planes: Planes, reach: int, axis: int) -> Planes:
    """``planes`` with ``reach`` pixels more at either end of an axis, those of its edge in reverse."""
    if planes.shape[axis] < reach:
        # So narrow that it is mirrored more than once.
        around = [(0, 0)] * planes.ndim
        around[axis] = (reach, reach)
        return np.pad(planes, around, mode="symmetric")
    # Crops of training are so small that `numpy.pad` would take longer than the window itself.
    first, last = np.arange(reach)[::-1], planes.shape[axis] - 1 - np.arange(reach)
    return np.concatenate([np.take(planes, first, axis), planes, np.take(planes, last, axis)], axis=axis)
