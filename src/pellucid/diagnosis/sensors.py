"""The noise of a camera's sensor, from its mosaic: the law of shot and read noise, hot and dead pixels, and rows that are too light
or too dark.

Samples of one colour of the mosaic make a plane, in which noise is white. All values are as shares of the range from black (0) to
the sensor's end (1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pellucid import camera
from pellucid.diagnosis.sampling import SIDE, between, by_order, transform
from pellucid.maps import Curve
from pellucid.mosaics import ORDER

__all__ = ["NEAREST", "OVERLAP", "Law", "Marks", "beside", "law", "marks", "rows_of", "struck"]

Plane = NDArray[np.float32]
Values = NDArray[np.float64]
Places = tuple[NDArray[np.int64], NDArray[np.int64]]

EVEN, ODD, HIGH, HIGHEST = (4, 6, 8), (5, 7), 9, 14
"""Coefficients of these middle orders (row + column) tell whether there is texture in a block, lower ones how its light slopes;
those from HIGH to HIGHEST are measured. Even and odd orders have the same texture, but noise of their own."""

FEWEST = 40
"""The fewest blocks that say anything."""

PLAIN, CALMER = 4.0, 2.0
"""The power at even orders, as a multiple of the noise's, up to which a block counts: what texture adds to the high ones is found
with the law itself. And the same at first, at all middle orders, while the law is known roughly."""

STRAY = 3.0
"""Power at high orders, as a multiple of what is expected, from which a block does not count: an edge, or a pixel that does not
work. Noise alone has as much in one of a million blocks."""

DOUBTED = 0.4
"""Where all blocks have texture, this power of how much less of it would be plain is taken off what was measured: too low a level
costs a picture less than too high a one."""

CALMEST, OF_CALMEST, REFUTED = 0.01, 0.42, 0.2
"""The share of the blocks that are the calmest; what share of noise's mean power they have at the most, where there is noise alone
(chi square of 21 coefficients); and how far they may stay below that for the law to hold."""

HELD = 0.25
"""How firmly the share that texture adds to high orders is held towards 0, for the root of the number of blocks: two standard
deviations of the product of two orders' noise, which is about 0.12."""

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

DARK, UNSURE, SPREAD_READ, FARTHEST_READ = 0.02, 0.05, 0.8, 100.0
"""The darkest share of the blocks, by whose light and shot noise the read noise is told; how large a share of that shot noise the
blocks may be wrong by; the standard deviation of the logarithm of the variance of cameras' read noise at one gain, and how many
times the usual variance it may be: that of old cameras at ISO 100."""

BESIDE, PLENTY = 1.25, 500
"""How many times the variance of green's noise that of red or blue must be, or the inverse of that, to have a law of its own; and
how many plain blocks there must be to say so."""

STRUCK, SPREAD = 8.0, 2.5
"""How many standard deviations a sample must be beyond all its neighbours to be hot or dead: Gaussian noise never is. And how many
times as far as these are apart: fine texture seldom is."""

LIT, LIT_BY_CHANCE = 0.06, 1.4
"""The share of a light point that those which touch it get at least, where a lens drew it; and how many standard deviations of the
noise chance may give them."""

NEAREST = ((-2, 0), (2, 0), (0, -2), (0, 2))
"""The four nearest samples of the same site: down, right."""

TOUCHING, BEYOND = ((-1, 0), (1, 0), (0, -1), (0, 1)), ((-3, 0), (3, 0), (0, -3), (0, 3))
"""The four pixels that touch one, and those of the same sites behind them."""

LIKE = tuple((down, right) for down in (-4, -2, 0, 2, 4) for right in (-4, -2, 0, 2, 4) if (down, right) != (0, 0))
"""Samples of the same site around one."""

OVERLAP = 8
"""Rows that a band of a mosaic shares with the next: twice as far as hot pixels are looked at around."""

ALIKE = -0.2
"""The correlation of two neighbouring rows' differences up to which there is row noise, whose own is -2/3."""

NOTICED, FARTHEST = 3.0, 4.0
"""How many times as much as chance the rows must differ for there to be row noise; and how many times as much as most of them one
may, to be noise and no picture."""


@dataclass(frozen=True)
class _Blocks:
    """Measures of blocks of samples: their mean ``light``, and the mean power of a coefficient of middle order, ``even`` and
    ``odd`` ones and all (``middle``), and of ``high`` order."""

    light: Values
    even: Values
    odd: Values
    middle: Values
    high: Values

    def __len__(self) -> int:
        return len(self.light)


@dataclass(frozen=True)
class _Line:
    """The law of variances: ``gain`` times the light, and ``read``; the share ``spill`` of a block's texture at middle orders that
    it has at high ones, too; blocks counted that had up to ``beyond`` times as much power at even orders as is plain."""

    gain: float
    read: float
    spill: float = 0.0
    beyond: float = 1.0

    def expected(self, light: Values) -> Values:
        """The variance at that light."""
        return np.maximum(self.gain * light + self.read, FAINTEST)


class Law(NamedTuple):
    """The ``gain`` of a sensor's shot noise, and the standard deviation of its ``read`` noise; ``sure`` is False where there is
    texture everywhere, so that they may be far off."""

    gain: float
    read: float
    sure: bool = True


def law(parts: Sequence[Plane], phase: tuple[int, int] = (0, 0), step: float = 0.0) -> Law:
    """The noise of the green samples of parts (h, w) of a mosaic.

    Each part begins at the same place of the mosaic, ``phase`` is that of its red samples; ``step`` is the distance of two values
    that a file's whole numbers can have: rounding to them belongs to the read noise. Green samples lie closer than those of
    any other colour, on a lattice turned by 45 degrees: so the highest frequencies of its blocks have little of a picture that a
    lens drew. The variance of a sample is ``gain`` times its light, and the read noise's. Both are fitted by relative error (Foi et
    al. 2008) to the power of high frequencies, together with the share that texture adds, which is told by middle ones; blocks
    without much texture count, the law says anew which they are, until nothing changes. 0 and 0 where there are too few.

    A block's texture is known but for the noise in its middle frequencies. Least squares would take that for texture, find that
    texture adds too little, and noise too strong. So the even orders choose and weigh blocks and are the instrument for the odd
    ones (two-stage least squares; Wright 1928): noise is independent in both.
    """
    blocks = _joined([_blocks(_diamonds(part, sum(phase) % 2 == 0), part) for part in parts])
    if len(blocks) < FEWEST:
        return Law(0.0, 0.0, sure=False)
    rounding = step**2 / 12
    line = _fitted(blocks, rounding, floored=min(float(part.min()) for part in parts) >= 0)
    shares = blocks.high / line.expected(blocks.light)
    calmest = float(np.quantile(shares, CALMEST)) / OF_CALMEST
    if calmest < REFUTED and blocks.high.min() > 0:
        # A test pattern, which is texture alone.
        gain = max(line.gain, line.read) * calmest
        return Law(gain, float(np.sqrt(_usual(gain, rounding))), sure=False)
    if line.beyond > 1:
        less = line.beyond**-DOUBTED
        gain = line.gain * less
        return Law(gain, float(np.sqrt(_usual(gain, rounding) if gain > 0 else line.read * less)), sure=False)
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


def _fitted(blocks: _Blocks, rounding: float, *, floored: bool) -> _Line:
    """The law by least squares, which is a little too high, and then by the instrument, which needs a law near the true one to
    choose its blocks by."""
    first = _settled(_begun(blocks), blocks, (blocks.middle, blocks.middle), CALMER, rounding, floored=floored)
    line = _settled(first, blocks, (blocks.even, blocks.odd), PLAIN, rounding, floored=floored)
    return line if line.gain > 0 or first.gain <= 0 else first


def _settled(
    line: _Line, blocks: _Blocks, textures: tuple[Values, Values], plain: float, rounding: float, *, floored: bool
) -> _Line:
    """The law, and the blocks that count by it, in turn; blocks are chosen and weighed by the first of the ``textures``."""
    for _ in range(ROUNDS):
        expected = line.expected(blocks.light)
        reach = TAIL * np.sqrt(expected)
        within = (blocks.light + reach < CLIPPED) & (blocks.light - reach > (0 if floored else -1))
        ratio = np.where(within, textures[0] / expected, np.inf)
        most = max(plain, float(np.partition(ratio, FEWEST - 1)[FEWEST - 1]))
        likely = expected + line.spill * np.maximum(textures[0] - expected, 0)
        kept = (ratio <= most) & np.isfinite(ratio) & (blocks.high < STRAY * likely)
        if kept.sum() < FEWEST // 2:
            break
        light, scale = blocks.light[kept], 1 / likely[kept]
        instruments, terms = (
            np.stack([light, np.ones_like(light), (texture - expected)[kept]], axis=1) * scale[:, None] for texture in textures
        )
        found = _solved(light, instruments, terms, blocks.high[kept] * scale, scale, rounding)
        # Halfway: which blocks count depends on the law.
        before = line
        gain, read, spill = ((old + new) / 2 for old, new in zip((line.gain, line.read, line.spill), found, strict=True))
        line = _Line(gain, read, spill, most / plain)
        if abs(line.gain - before.gain) <= 1e-3 * before.gain and abs(line.read - before.read) <= 1e-3 * before.read:
            break
    return line


def _solved(
    light: Values, instruments: Values, terms: Values, wanted: Values, scale: Values, rounding: float
) -> tuple[float, float, float]:
    """Gain, read noise (its variance) and spill by relative error; the read noise as dark blocks tell it, or as cameras have it.

    ``terms`` (n, 3) are a block's light, 1 and its texture, and ``wanted`` (n,) its high power, all times ``scale`` (n,). In a
    picture without shadows shot noise hides the read noise, and what texture is left in dark blocks looks like it.
    """
    within, across = instruments.T @ terms, instruments.T
    # Where there is little texture, chance decides how much of it two orders share: held towards 0 by as much.
    within[2, 2] = max(0.0, within[2, 2]) + HELD * float(np.sqrt(len(light)))
    gain, spill = _least(within, across @ wanted, [0, 2])
    if gain <= 0:
        read, spill = _least(within, across @ wanted, [1, 2])
        return 0.0, read, min(spill, 1.0)
    free = float((np.linalg.pinv(within) @ (across @ wanted))[1])
    # The variance of a mean of squares.
    information = terms.T @ terms * (sum(range(2 * SIDE - 1 - HIGHEST, 2 * SIDE - HIGH)) / 2)
    chance = float(np.sqrt(max(0.0, np.linalg.pinv(information)[1, 1])))
    dark = max(0.0, float(np.quantile(light, DARK)))
    read = 0.0
    # The gain without read noise is the largest that there can be; the usual read noise follows from the gain.
    for _ in range(3):
        error = max(float(np.hypot(chance, UNSURE * gain * dark)), FAINTEST)
        usual = _usual(max(gain, 1e-3 * FAINTEST), rounding)
        choices = usual * np.exp(np.linspace(-6, np.log(FARTHEST_READ), 425))
        cost = np.square((choices - free) / error) + np.square(np.log(choices / usual) / SPREAD_READ)
        read = float(choices[np.argmin(cost)])
        gain, spill = _least(within, across @ (wanted - read * scale), [0, 2])
    return gain, read, min(spill, 1.0)


def _least(within: Values, across: Values, columns: list[int]) -> list[float]:
    """Solves the normal equations (3, 3) for some of the three numbers, none below 0: those that would be are 0, the lowest
    first."""
    left, answer = list(columns), dict.fromkeys(columns, 0.0)
    while left:
        found = np.linalg.lstsq(within[np.ix_(left, left)], across[left], rcond=None)[0]
        if found.min() >= 0:
            answer |= dict(zip(left, found.tolist(), strict=True))
            break
        left.pop(int(found.argmin()))
    return [answer[column] for column in columns]


def _usual(gain: float, rounding: float) -> float:
    """The variance of the read noise that a real camera of this gain has, and of ``rounding``."""
    slope, offset = camera.READ
    return float(np.exp(slope * np.log(gain) + offset)) + rounding


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
        terms = np.stack([light, np.ones_like(light)], axis=1) / expected[:, None]
        gain, read = _least(terms.T @ terms, terms.T @ (power / expected), [0, 1])
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
    """The measures of the blocks ``values`` (n, 64) of a plane, without those that have clipped samples."""
    usable = (values >= CLIPPED).mean(axis=1) < FLOORED
    if plane.min() >= 0:
        # A sensor that cuts off what is below black.
        usable &= (values <= 0).mean(axis=1) < FLOORED
    values = values[usable]
    energies = np.square(transform[by_order] @ values.T)
    even, odd = (np.concatenate([energies[between(order, order)] for order in orders]) for orders in (EVEN, ODD))
    parts = (even, odd, np.concatenate([even, odd]), energies[between(HIGH, HIGHEST)])
    return _Blocks(values.mean(axis=1).astype(np.float64), *(part.mean(axis=0).astype(np.float64) for part in parts))


def _joined(parts: Sequence[_Blocks]) -> _Blocks:
    return _Blocks(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(_Blocks)))


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
        """The number of hot and dead samples."""
        return self.hot + self.dead


def struck(mosaic: Plane, noise: Sequence[Curve]) -> tuple[Places, Places]:
    """The rows and columns of the hot samples of a balanced mosaic (h, w), and of the dead ones; ``noise`` is the law at its four
    sites.

    Each must leave those of its site behind by `STRUCK` standard deviations, be twice as light, or half as light, as the four
    pixels that touch it, and leave these as they are: a lens draws no star and no glint so small that they get nothing of it. The
    two outermost pixels are not judged.
    """
    inner = mosaic[2:-2, 2:-2]
    if inner.size == 0:
        none = np.zeros(0, np.int64)
        return (none, none), (none, none)
    nearest = [_beside(mosaic, *place) for place in NEAREST]
    highest, lowest = np.maximum.reduce(nearest), np.minimum.reduce(nearest)
    # The noise of what is there beneath.
    most = highest.copy()
    for (row, column), curve in zip(ORDER, noise, strict=True):
        part = most[row::2, column::2]
        part[...] = np.float32(STRUCK) * np.sqrt(curve.variance(np.maximum(part, 0)) + np.float32(1e-9))
    touching = [_beside(mosaic, *place) for place in TOUCHING]
    hot = (inner - highest > most) & (inner > 2 * np.maximum.reduce(touching))
    dead = (lowest - inner > most) & (2 * inner < np.minimum.reduce(touching))
    found = []
    for sign, which in ((np.float32(1), hot), (np.float32(-1), dead)):
        rows, columns = np.nonzero(which)
        alone = _alone(sign * mosaic, rows + 2, columns + 2, most[rows, columns] / np.float32(STRUCK))
        found.append((rows[alone] + 2, columns[alone] + 2))
    return found[0], found[1]


def _beside(mosaic: Plane, down: int, right: int) -> Plane:
    """The samples that lie so many pixels from each, but for the two outermost."""
    height, width = mosaic.shape
    return mosaic[2 + down : height - 2 + down, 2 + right : width - 2 + right]


def _alone(mosaic: Plane, rows: NDArray[np.int64], columns: NDArray[np.int64], sigma: Plane) -> NDArray[np.bool_]:
    """Which of those pixels, light ones, stand alone: nothing else around them does, and they light none that touches them."""

    def at(places: Sequence[tuple[int, int]]) -> Plane:
        # Mirrored at the edges, where the mosaic goes on in step.
        down, right = (np.abs(np.add.outer(index, [each[axis] for each in places])) for axis, index in enumerate((rows, columns)))
        ends = mosaic.shape[0] - 1, mosaic.shape[1] - 1
        down, right = (np.where(index > end, 2 * end - index, index) for index, end in zip((down, right), ends, strict=True))
        values: Plane = mosaic[np.clip(down, 0, ends[0]), np.clip(right, 0, ends[1])]
        return values

    if not len(rows):
        return np.zeros(0, bool)
    own, like = mosaic[rows, columns], at(LIKE)
    apart = own - like.max(axis=1) > np.float32(STRUCK) * sigma + np.float32(SPREAD) * np.ptp(like, axis=1)
    lit = at(TOUCHING).mean(axis=1) - at(BEYOND).mean(axis=1)
    alone: NDArray[np.bool_] = apart & (lit < np.float32(LIT) * (own - np.median(like, axis=1)) + np.float32(LIT_BY_CHANCE) * sigma)
    return alone


def marks(bands: Iterable[tuple[int, Plane]], noise: Sequence[Curve], rows: int) -> Marks:
    """Hot and dead pixels of a balanced mosaic that comes in ``bands``: the first row, an even one, and the samples (h, w),
    ``rows`` rows and `OVERLAP` more that the next one has, too."""
    down, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    count = [0, 0]
    for top, band in bands:
        for index, (y, x) in enumerate(struck(band, noise)):
            # Those near a band's ends are its neighbour's, but for the picture's own ends.
            own = (y < rows + OVERLAP // 2) & (y >= (OVERLAP // 2 if top else 0))
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
    if float((middle[2:] * middle[:-2]).mean()) > ALIKE * found**2:
        # One that is too light makes its neighbours look too dark; those of a pattern are alike.
        return 0.0, off
    held = (chance**2 / power) / 1.5
    for _ in range(60):
        error = middle - (off[2:-2] - (off[:-4] + off[4:]) / 2)
        step = -held * off
        step[2:-2] += error
        step[:-4] -= error / 2
        step[4:] -= error / 2
        off += np.float32(0.4) * step
    return float(np.sqrt(power)), off
