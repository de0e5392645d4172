"""The noise of a camera's sensor, from its mosaic: the law of shot and read noise, hot and dead pixels, and rows that are too light
or too dark.

Samples of one site of the mosaic make a plane, in which noise is white. All values are as shares of the range from black (0) to the
sensor's end (1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pellucid import camera
from pellucid.diagnosis.sampling import SIDE, between, by_order, transform
from pellucid.maps import Curve
from pellucid.mosaics import ORDER

__all__ = ["NEAREST", "Marks", "law", "marks", "rows_of", "struck"]

Plane = NDArray[np.float32]

LOW, MIDDLE, HIGH, HIGHEST = 3, 8, 9, 14
"""Coefficients of order (row + column) LOW to MIDDLE tell whether there is texture in a block, lower ones how its light slopes;
those from HIGH to HIGHEST are measured."""

BLOCKS = 12_000
"""Blocks of each plane that are looked at."""

FEWEST = 40
"""The fewest blocks that say anything."""

PLAIN = 1.08
"""The power at middle orders around a block, as a multiple of the noise's, up to which it counts as plain: chance moves the mean
over nine blocks by a twelfth. They must not overlap: what they share would tie a block's high orders to the choice."""

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

HIDDEN, FARTHEST_READ = 0.15, 100.0
"""The read noise's variance, as a share of the shot noise's in the darkest tenth of the blocks, below which it is hidden; and how
many times as large as usual it may be: that of old cameras at ISO 100."""

STRUCK, SPREAD = 8.0, 3.0
"""How many standard deviations a sample must be beyond all its neighbours to be hot or dead: Gaussian noise never is. And how many
times as far as these are apart: fine texture seldom is."""

NEAREST = ((-2, 0), (2, 0), (0, -2), (0, 2))
"""The four nearest samples of the same site: down, right."""

NOTICED, FARTHEST = 3.0, 4.0
"""How many times as much as chance the rows must differ for there to be row noise; and how many times as much as most of them one
may, to be noise and no picture."""


def law(planes: Sequence[Plane]) -> tuple[float, float]:
    """The gain of the shot noise, and the standard deviation of the read noise, of planes (h, w) of one sensor.

    The variance of a sample is ``gain`` times its light, and the read noise's. Blocks of 8x8 samples count that have no more power
    at middle frequencies than noise of the law has: so there is no texture in them, and their high frequencies, which chance made
    apart from the others, have the noise's power. A line is put through it by relative error (Foi et al. 2008), and the law that it
    gives says anew which blocks count, until nothing changes.
    """
    light, busy, around, power = (np.concatenate(each).astype(np.float64) for each in zip(*map(_blocks, planes), strict=True))
    if len(light) < FEWEST:
        return 0.0, 0.0
    floored = min(float(plane.min()) for plane in planes) >= 0
    gain, read = _begun(light, busy, power)
    for _ in range(ROUNDS):
        expected = np.maximum(gain * light + read, FAINTEST)
        reach = TAIL * np.sqrt(expected)
        within = (light + reach < CLIPPED) & (light - reach > (0 if floored else -1))
        ratio = np.where(within, busy / np.maximum(gain * around + read, FAINTEST), np.inf)
        most = max(PLAIN, float(np.partition(ratio, FEWEST - 1)[FEWEST - 1]))
        kept = (ratio <= most) & np.isfinite(ratio)
        if kept.sum() < FEWEST // 2:
            break
        before = gain, read
        gain, read = _line(light[kept], power[kept], expected[kept])
        if abs(gain - before[0]) <= 1e-3 * before[0] and abs(read - before[1]) <= 1e-3 * before[1]:
            break
    else:
        kept = ratio <= most
    if most > PLAIN:
        # There is texture everywhere: of what was measured, so much at most is noise.
        less = float(np.sqrt(PLAIN / most))
        return gain * less, float(np.sqrt(_usual(gain * less))) if gain > 0 else float(np.sqrt(read * less))
    return _likely(light[kept], power[kept], gain, read)


def _likely(light: NDArray[np.float64], variance: NDArray[np.float64], gain: float, read: float) -> tuple[float, float]:
    """The law with a read noise that the blocks tell, or that cameras have.

    In a picture without shadows shot noise hides it, and what texture is left in dark blocks looks like it: then it is taken as
    real cameras of that gain have it, or as far from that as they come, and the gain follows anew.
    """
    if gain <= 0:
        return gain, float(np.sqrt(read))
    usual = _usual(gain)
    hidden = read < HIDDEN * gain * float(np.quantile(light, 0.1))
    likely = usual if hidden else min(read, FARTHEST_READ * usual)
    if likely != read:
        expected = np.maximum(gain * light + likely, FAINTEST)
        over = np.maximum(light, 0) / expected
        gain = max(0.0, float(over @ ((variance - likely) / expected)) / max(float(over @ over), 1e-30))
    return gain, float(np.sqrt(likely))


def _usual(gain: float) -> float:
    """The variance of the read noise that a real camera of this gain has."""
    slope, offset = camera.READ
    return float(np.exp(slope * np.log(gain) + offset)) + LEAST_READ**2


def _begun(light: NDArray[np.float64], busy: NDArray[np.float64], power: NDArray[np.float64]) -> tuple[float, float]:
    """A first law: through the calmest blocks of each range of light."""
    chosen = []
    for first, last in pairwise(np.quantile(light, np.linspace(0, 1, BINS + 1))):
        inside = np.flatnonzero((light >= first) & (light <= last))
        chosen.append(inside[np.argsort(busy[inside])[: max(8, round(CALM * len(inside)))]])
    calm = np.concatenate(chosen)
    expected = np.full(len(calm), max(float(np.median(power[calm])), FAINTEST))
    gain, read = 0.0, 0.0
    for _ in range(4):
        gain, read = _line(light[calm], power[calm], expected)
        expected = np.maximum(gain * light[calm] + read, FAINTEST)
    return gain, read


def _line(light: NDArray[np.float64], variance: NDArray[np.float64], expected: NDArray[np.float64]) -> tuple[float, float]:
    """The line through the variances by relative error: neither of its two numbers is below 0."""
    terms = np.stack([light, np.ones_like(light)], axis=1) / expected[:, None]
    wanted = variance / expected
    found = np.linalg.lstsq(terms, wanted, rcond=None)[0]
    if found[0] < 0:
        return 0.0, float((terms[:, 1] @ wanted) / (terms[:, 1] @ terms[:, 1]))
    if found[1] < 0:
        return float((terms[:, 0] @ wanted) / max(float(terms[:, 0] @ terms[:, 0]), 1e-30)), 0.0
    return float(found[0]), float(found[1])


def _blocks(plane: Plane) -> tuple[Plane, Plane, Plane, Plane]:
    """Of blocks of a plane, evenly spread: the mean, the mean power of a coefficient of middle order around it, the mean of the
    blocks around, and its own mean power of a coefficient of high order."""
    height, width = plane.shape
    if min(plane.shape) < SIDE:
        return (np.zeros(0, np.float32),) * 4
    step = max(SIDE, int(np.sqrt(height * width / BLOCKS)))
    views = np.lib.stride_tricks.sliding_window_view(plane, (SIDE, SIDE))[::step, ::step]
    values = np.ascontiguousarray(views).reshape(-1, SIDE * SIDE)
    usable = (values >= CLIPPED).mean(axis=1) < FLOORED
    if plane.min() >= 0:
        # A sensor that cuts off what is below black.
        usable &= (values <= 0).mean(axis=1) < FLOORED
    energies = np.square(transform[by_order] @ values.T)
    means = values.mean(axis=1)
    busy, light = (_around(each, views.shape[:2]) for each in (energies[between(LOW, MIDDLE)].mean(axis=0), means))
    return means[usable], busy[usable], light[usable], energies[between(HIGH, HIGHEST)].mean(axis=0)[usable]


def _around(values: Plane, shape: tuple[int, ...]) -> Plane:
    """The mean over each block and those that touch it: texture goes on there, and chance does not."""
    wide = np.pad(values.reshape(shape), 1, mode="edge")
    height, width = shape
    parts = [wide[down : down + height, right : right + width] for down in range(3) for right in range(3)]
    mean: Plane = np.mean(parts, axis=0, dtype=np.float32).ravel()
    return mean


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
