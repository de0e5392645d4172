"""The noise of a camera's sensor, from its mosaic: the law of shot and read noise, hot and dead pixels, and rows that are too light
or too dark.

Samples of one colour of the mosaic make a plane, in which noise is white. All values are as shares of the range from black (0) to
the sensor's end (1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pellucid import camera
from pellucid.diagnosis.sampling import SIDE, between, by_order, transform
from pellucid.maps import Curve
from pellucid.mosaics import ORDER

__all__ = ["NEAREST", "Law", "Marks", "beside", "law", "marks", "rows_of", "struck"]

Plane = NDArray[np.float32]
Values = NDArray[np.float64]

LOW, MIDDLE, HIGH, HIGHEST = 4, 8, 9, 14
"""Coefficients of order (row + column) LOW to MIDDLE tell whether there is texture in a block, lower ones how its light slopes;
those from HIGH to HIGHEST are measured."""

FEWEST = 40
"""The fewest blocks that say anything."""

PLAIN = 2.0
"""The power at middle orders, as a multiple of the noise's, up to which a block counts: what texture adds to the high ones is found
with the law itself."""

STRAY = 3.0
"""Power at high orders, as a multiple of what is expected, from which a block does not count: an edge, or a pixel that does not
work. Noise alone has as much in one of a million blocks."""

DOUBTED = 0.4
"""Where all blocks have texture, this power of how much less of it would be plain is taken off what was measured: too low a level
costs a picture less than too high a one."""

CALM, BINS = 0.1, 12
"""The share of the blocks of like light from which the first law comes, the calmest, and the ranges of light."""

ROUNDS = 30
"""How often the law and the blocks that count are worked out in turn, at most."""

FAINTEST = 1e-11
"""The least variance: a thousandth of a step of 14 bits, squared."""

FLOORED = 0.02
"""The share of a block's samples at either end from which it does not count, where the sensor cuts off what lies beyond."""

CLIPPED, TAIL = 0.98, 2.5
"""Light that may have been clipped; and how many standard deviations of its noise a block stays away from both ends."""

LEAST_READ = 2e-5
"""What there is of read noise beside `camera.READ`: rounding to 14 bits, as a share of the range."""

DARK, UNSURE, SPREAD_READ, FARTHEST_READ = 0.02, 0.04, 0.8, 100.0
"""The darkest share of the blocks, by whose light and shot noise the read noise is told; how large a share of that shot noise the
blocks may be wrong by; the standard deviation of the logarithm of the variance of cameras' read noise at one gain, and how many
times the usual variance it may be: that of old cameras at ISO 100."""

BESIDE, PLENTY = 1.25, 500
"""How many times the variance of green's noise that of red or blue must be, or the inverse of that, to have a law of its own; and
how many plain blocks there must be to say so."""

STRUCK, SPREAD = 8.0, 5.0
"""How many standard deviations a sample must be beyond all its neighbours to be hot or dead: Gaussian noise never is. And how many
times as far as these are apart: fine texture seldom is."""

NEAREST = ((-2, 0), (2, 0), (0, -2), (0, 2))
"""The four nearest samples of the same site: down, right."""

NOTICED, FARTHEST = 3.0, 4.0
"""How many times as much as chance the rows must differ for there to be row noise; and how many times as much as most of them one
may, to be noise and no picture."""


@dataclass(frozen=True)
class _Blocks:
    """Of blocks of samples: their mean ``light``, and the mean power of a coefficient of ``middle`` and of ``high`` order."""

    light: Values
    middle: Values
    high: Values

    def __len__(self) -> int:
        return len(self.light)


@dataclass(frozen=True)
class _Line:
    """The law of variances: ``gain`` times the light, and ``read``; the share ``spill`` of a block's texture at middle orders that
    it has at high ones, too; blocks counted that had up to ``most`` times the noise's power at middle orders."""

    gain: float
    read: float
    spill: float = 0.0
    most: float = PLAIN

    def expected(self, light: Values) -> Values:
        """The variance at that light."""
        return np.maximum(self.gain * light + self.read, FAINTEST)


class Law(NamedTuple):
    """The ``gain`` of a sensor's shot noise, and the standard deviation of its ``read`` noise; ``sure`` is False where there is
    texture everywhere, so that they may be far off."""

    gain: float
    read: float
    sure: bool = True


def law(parts: Sequence[Plane], phase: tuple[int, int] = (0, 0)) -> Law:
    """The noise of the green samples of parts (h, w) of a mosaic.

    Each part begins at the same place of the mosaic, ``phase`` is that of its red samples. Green samples lie closer than those of
    any other colour, on a lattice turned by 45 degrees: so the highest frequencies of its blocks have little of a picture that a
    lens drew. The variance of a sample is ``gain`` times its light, and the read noise's. Both are fitted by relative error (Foi et
    al. 2008) to the power of high frequencies, together with the share that texture adds, which is told by middle ones; blocks
    without much texture count, the law says anew which they are, until nothing changes. 0 and 0 where there are too few.
    """
    blocks = _joined([_blocks(_diamonds(part, sum(phase) % 2 == 0), part) for part in parts])
    if len(blocks) < FEWEST:
        return Law(0.0, 0.0, sure=False)
    line = _fitted(blocks, floored=min(float(part.min()) for part in parts) >= 0)
    if line.most > PLAIN:
        less = (PLAIN / line.most) ** DOUBTED
        gain = line.gain * less
        return Law(gain, float(np.sqrt(_usual(gain) if gain > 0 else line.read * less)), sure=False)
    return Law(line.gain, float(np.sqrt(line.read)))


def beside(parts: Sequence[Plane], phase: tuple[int, int], gain: float, read: float) -> tuple[float, float, float]:
    """By how much the variance of red, green and blue differs from the law: 1 where nothing is sure to differ.

    Some makers multiply the values of some colours before they write them, by no more than their white balance would.
    """
    factors = [1.0, 1.0, 1.0]
    for colour, (row, column) in ((0, phase), (2, (1 - phase[0], 1 - phase[1]))):
        sites = [part[row::2, column::2] for part in parts]
        blocks = _joined([_blocks(_squares(site), site) for site in sites])
        if gain <= 0 or len(blocks) < PLENTY:
            continue
        green, factor = _Line(gain, read**2), 1.0
        for _ in range(ROUNDS):
            before = factor
            expected = factor * green.expected(blocks.light)
            kept = (blocks.middle <= 1.5 * expected) & (blocks.high <= STRAY * expected)
            kept &= blocks.light + TAIL * np.sqrt(expected) < CLIPPED
            if kept.sum() < PLENTY:
                break
            factor *= float((blocks.high[kept] / expected[kept]).mean())
            if abs(factor - before) < 1e-3 * factor:
                break
        else:
            continue
        if kept.sum() >= PLENTY and not 1 / BESIDE < factor < BESIDE:
            factors[colour] = factor
    return factors[0], factors[1], factors[2]


def _fitted(blocks: _Blocks, *, floored: bool) -> _Line:
    line = _begun(blocks)
    for _ in range(ROUNDS):
        expected = line.expected(blocks.light)
        reach = TAIL * np.sqrt(expected)
        within = (blocks.light + reach < CLIPPED) & (blocks.light - reach > (0 if floored else -1))
        ratio = np.where(within, blocks.middle / expected, np.inf)
        most = max(PLAIN, float(np.partition(ratio, FEWEST - 1)[FEWEST - 1]))
        texture = np.maximum(blocks.middle - expected, 0)
        likely = expected + line.spill * texture
        kept = (ratio <= most) & np.isfinite(ratio) & (blocks.high < STRAY * likely)
        if kept.sum() < FEWEST // 2:
            break
        found = _solved(blocks.light[kept], (blocks.middle - expected)[kept], blocks.high[kept], likely[kept])
        # Halfway: which blocks count depends on the law.
        before = line
        gain, read, spill = ((old + new) / 2 for old, new in zip((line.gain, line.read, line.spill), found, strict=True))
        line = _Line(gain, read, spill, most)
        if abs(line.gain - before.gain) <= 1e-3 * before.gain and abs(line.read - before.read) <= 1e-3 * before.read:
            break
    return line


def _solved(light: Values, texture: Values, power: Values, likely: Values) -> tuple[float, float, float]:
    """Gain, read noise (its variance) and spill by relative error; the read noise as dark blocks tell it, or as cameras have it.

    In a picture without shadows shot noise hides it, and what texture is left in dark blocks looks like it.
    """
    terms = np.stack([light, np.ones_like(light), texture], axis=1) / likely[:, None]
    wanted = power / likely
    gain, spill = _least(terms[:, [0, 2]], wanted)
    if gain <= 0:
        read, spill = _least(terms[:, 1:], wanted)
        return 0.0, read, min(spill, 1.0)
    free = np.linalg.lstsq(terms, wanted, rcond=None)[0][1]
    # The variance of a mean of squares.
    information = terms.T @ terms * (sum(range(2 * SIDE - 1 - HIGHEST, 2 * SIDE - HIGH)) / 2)
    chance = float(np.sqrt(max(0.0, np.linalg.pinv(information)[1, 1])))
    dark = max(0.0, float(np.quantile(light, DARK)))
    read = 0.0
    # The gain without read noise is the largest that there can be; the usual read noise follows from the gain.
    for _ in range(3):
        error = max(float(np.hypot(chance, UNSURE * gain * dark)), FAINTEST)
        usual = _usual(max(gain, 1e-3 * FAINTEST))
        choices = usual * np.exp(np.linspace(-6, np.log(FARTHEST_READ), 425))
        cost = np.square((choices - free) / error) + np.square(np.log(choices / usual) / SPREAD_READ)
        read = float(choices[np.argmin(cost)])
        gain, spill = _least(terms[:, [0, 2]], wanted - read / likely)
    return gain, read, min(spill, 1.0)


def _least(terms: Values, wanted: Values) -> list[float]:
    """Least squares without numbers below 0: those that would be are 0, the lowest first."""
    left = list(range(terms.shape[1]))
    while left:
        found = np.linalg.lstsq(terms[:, left], wanted, rcond=None)[0]
        if found.min() >= 0:
            break
        left.pop(int(found.argmin()))
    answer = [0.0] * terms.shape[1]
    for index, column in enumerate(left):
        answer[column] = float(found[index])
    return answer


def _usual(gain: float) -> float:
    """The variance of the read noise that a real camera of this gain has."""
    slope, offset = camera.READ
    return float(np.exp(slope * np.log(gain) + offset)) + LEAST_READ**2


def _begun(blocks: _Blocks) -> _Line:
    """A first law: through the calmest blocks of each range of light."""
    chosen = []
    for first, last in pairwise(np.quantile(blocks.light, np.linspace(0, 1, BINS + 1))):
        inside = np.flatnonzero((blocks.light >= first) & (blocks.light <= last))
        chosen.append(inside[np.argsort(blocks.middle[inside])[: max(8, round(CALM * len(inside)))]])
    calm = np.concatenate(chosen)
    light, power = blocks.light[calm], blocks.high[calm]
    expected = np.full(len(calm), max(float(np.median(power)), FAINTEST))
    line = _Line(0.0, 0.0)
    for _ in range(4):
        gain, read = _least(np.stack([light, np.ones_like(light)], axis=1) / expected[:, None], power / expected)
        line = _Line(gain, read)
        expected = line.expected(light)
    return line


# -- blocks of samples --------------------------------------------------------------------------------------------------


def _diamonds(mosaic: Plane, odd: bool) -> Plane:
    """Blocks of 8x8 green samples (n, 64) along the diagonals, side by side without overlap; ``odd``: row and column of green
    samples add up to an odd number."""
    height, width = mosaic.shape
    across = 2 * SIDE
    if height < across or width < across + SIDE + 1:
        return np.zeros((0, SIDE * SIDE), np.float32)
    rows, columns = np.arange((height - across) // SIDE + 1), np.arange((width - across - SIDE - 1) // across + 1)
    # The upper corner of each: every second row of them is set off by half.
    top = SIDE * rows[:, None] + 0 * columns
    left = across * columns + SIDE * (rows[:, None] % 2) + SIDE - 1
    left += (top + left + odd) % 2
    down, right = np.mgrid[:SIDE, :SIDE]
    down, right = (down + right).ravel(), (down - right).ravel()
    blocks: Plane = mosaic[top.reshape(-1, 1) + down, left.reshape(-1, 1) + right]
    return blocks


def _squares(plane: Plane) -> Plane:
    """Blocks of 8x8 samples (n, 64) of one site, side by side."""
    if min(plane.shape) < SIDE:
        return np.zeros((0, SIDE * SIDE), np.float32)
    views = np.lib.stride_tricks.sliding_window_view(plane, (SIDE, SIDE))[::SIDE, ::SIDE]
    return np.ascontiguousarray(views).reshape(-1, SIDE * SIDE)


def _blocks(values: Plane, plane: Plane) -> _Blocks:
    """What counts of the blocks ``values`` (n, 64) of a plane."""
    usable = (values >= CLIPPED).mean(axis=1) < FLOORED
    if plane.min() >= 0:
        # A sensor that cuts off what is below black.
        usable &= (values <= 0).mean(axis=1) < FLOORED
    values = values[usable]
    energies = np.square(transform[by_order] @ values.T)
    middle, high = (energies[between(*orders)].mean(axis=0) for orders in ((LOW, MIDDLE), (HIGH, HIGHEST)))
    return _Blocks(*(each.astype(np.float64) for each in (values.mean(axis=1), middle, high)))


def _joined(parts: Sequence[_Blocks]) -> _Blocks:
    return _Blocks(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("light", "middle", "high")))


@dataclass(frozen=True)
class Marks:
    """Pixels of a mosaic that do not work: ``hot`` ones are lighter than they should be, ``dead`` ones darker. ``rows`` and
    ``columns`` are the places of all, from the mosaic's upper left corner."""

    hot: int = 0
    dead: int = 0
    rows: NDArray[np.int64] | None = None
    columns: NDArray[np.int64] | None = None

    @property
    def count(self) -> int:
        """Of both kinds."""
        return self.hot + self.dead


def struck(mosaic: Plane, noise: Sequence[Curve]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which samples of a balanced mosaic (h, w) are hot, and which are dead; ``noise`` is the law at its four sites.

    Each must leave the eight nearest of its site behind by `STRUCK` standard deviations, and be twice as light, or half as light,
    as the four pixels that touch it: a star, however small, lights these, too. The two outermost pixels are not judged.
    """
    light = mosaic.copy()
    for (row, column), curve in zip(ORDER, noise, strict=True):
        part = light[row::2, column::2]
        part[...] = np.sqrt(curve.variance(np.maximum(part, 0)) + np.float32(1e-9))
    sigma = light
    inner = mosaic[2:-2, 2:-2]
    height, width = inner.shape

    def at(down: int, right: int) -> Plane:
        return mosaic[2 + down : 2 + down + height, 2 + right : 2 + right + width]

    like = [at(down, right) for down in (-2, 0, 2) for right in (-2, 0, 2) if (down, right) != (0, 0)]
    near = [at(-1, 0), at(1, 0), at(0, -1), at(0, 1)]
    highest, lowest = np.maximum.reduce(like), np.minimum.reduce(like)
    # The noise of what is there beneath; and texture, by how much the neighbours differ.
    wide = np.pad(sigma, 2, mode="reflect")
    around = np.maximum.reduce([wide[2 + down :, 2 + right :][: sigma.shape[0], : sigma.shape[1]] for down, right in NEAREST])
    most = np.float32(STRUCK) * around[2:-2, 2:-2] + np.float32(SPREAD) * (highest - lowest)
    hot, dead = np.zeros(mosaic.shape, bool), np.zeros(mosaic.shape, bool)
    hot[2:-2, 2:-2] = (inner - highest > most) & (inner > 2 * np.maximum.reduce(near))
    dead[2:-2, 2:-2] = (lowest - inner > most) & (2 * inner < np.minimum.reduce(near))
    return hot, dead


def marks(bands: Iterable[tuple[int, Plane]], noise: Sequence[Curve], rows: int) -> Marks:
    """Hot and dead pixels of a balanced mosaic that comes in ``bands``: the first row, an even one, and the samples (h, w),
    ``rows`` rows and four more that the next one has, too."""
    down, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    count = [0, 0]
    for top, band in bands:
        for index, which in enumerate(struck(band, noise)):
            y, x = np.nonzero(which)
            # Those near a band's lower end are the next one's, which begins four rows above it.
            own = (y < rows + 2) & (y >= 2)
            count[index] += int(own.sum())
            down.append(y[own] + top)
            right.append(x[own])
    return Marks(count[0], count[1], np.concatenate(down), np.concatenate(right))


def rows_of(mosaic: Plane) -> tuple[float, Plane]:
    """The standard deviation of the row noise of a mosaic (h, w), and how much each row is too light (h,); 0 where there is none.

    A row's median difference from the mean of the two nearest of its sites: texture has no such rows from one side of a picture to
    the other, but for a few, such as a horizon, which are left alone. The offsets themselves follow by least squares, held towards
    0 by as much as chance moves them.
    """
    height, width = mosaic.shape
    off = np.zeros(height, np.float32)
    if height < 32 or width < 64:
        return 0.0, off
    bend = mosaic[2:-2] - (mosaic[:-4] + mosaic[4:]) / 2
    middle = np.median(bend, axis=1)
    spread = np.median(np.abs(bend - middle[:, None]), axis=1) * 1.4826
    # The standard deviation of a median.
    chance = float(np.median(spread)) * 1.2533 / np.sqrt(width)
    found = float(np.median(np.abs(middle))) * 1.4826
    # A row's own offset, and half of each of two others'.
    power = (found**2 - chance**2) / 1.5
    if found < NOTICED * max(chance, 1e-7) or power <= 0:
        return 0.0, off
    middle[np.abs(middle) > FARTHEST * found] = 0
    held = (chance**2 / power) / 1.5
    for _ in range(60):
        error = middle - (off[2:-2] - (off[:-4] + off[4:]) / 2)
        step = -held * off
        step[2:-2] += error
        step[:-4] -= error / 2
        step[4:] -= error / 2
        off += np.float32(0.4) * step
    return float(np.sqrt(power)), off
