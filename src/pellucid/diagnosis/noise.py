"""How strong the noise is, by intensity, and how it is spread over the frequencies: from the calmest 8x8 blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis.sampling import HEAPED, SIDE, Blocks, between
from pellucid.maps import Curve

__all__ = [
    "GROUPS",
    "SHARES",
    "Resampled",
    "by_light",
    "curve",
    "enlarged",
    "even_curve",
    "independence",
    "interpolated",
    "length",
    "resampled",
    "sparse_sigma",
    "spectrum",
    "spread",
    "strip_sigma",
    "struck_sigma",
    "white_sigma",
]

LOWEST = (1, 4)
LOW, HIGH, HIGHEST = 9, 10, 14
"""Coefficients of order (row + column) 1 to LOW tell how busy a block is; those from HIGH to HIGHEST, the last, are measured. The
orders LOWEST hold hardly anything but the picture."""

CALM_OF = 8
"""One block of so many is measured at each intensity, the calmest."""

CALM_SHARE = 0.05
FEWEST = 600
"""Share of the blocks that is measured, the calmest; and how many at least: 600 blocks of 15 coefficients give about 1 %."""

SHARES = (0.01, 0.04, 0.16)
"""The shares of the calmest blocks whose spectra `spectrum` gives: texture loses power as they grow fewer, noise does not."""

ALIKE, ALIKE_ALL = 1.15, 1.35
"""How many times as strong at most the calmest blocks may be as those of the next smaller of `SHARES`, and as those of the
smallest, for there to be noise alone."""

ENDS = 0.1
"""How near to black or white the calmest blocks are where noise was clipped, on average."""

MOSTLY = 0.5
"""The share of the blocks that must be farther from black and white for these alone to count: in a dark picture few are, and have
noise that is stronger than that of the others."""

STEEP, STEEPEST = 4.0, 36.0
"""The ratio of energies of orders 5 and 6 to 7 and 8 up to which orders 0 to 4 go on from them: where noise may have any course,
and where it ends between them."""

EDGE, HOLLOW = 2.75, 10.0
"""How many times as strong orders 5 and 6 are as 7 and 8, and as the highest, in noise that was made twice as large by a smooth
kernel: 2.8 to 6.8, and 11 to 44 times. In grain, camera noise and noise that was enlarged less it was both in 2 of 160 pictures."""

RUN, SLOW = 60, 6
"""Pixels in which a period of fine detail is looked for, and how many periods they hold at least: longer ones are the picture's."""

MOSAIC = 29
"""How many periods such a run has, at least, that are a camera's mosaic's, which comes again every other pixel."""

PERIODIC = 40.0
"""How much stronger than the usual one the frequency must be, both ways, with which detail comes and goes in a picture that was
enlarged. Noise enlarged 1.1 to 3 times (but not 2) had 45 to 1300; photographs without it, or with noise of other kinds, at most
28, at the frequency of JPEG's blocks; a camera's mosaic has up to 44 at its own."""

FLOOR = 0.3
"""Added to second differences before their logarithm, in 8-bit levels: what rounding leaves."""

FRACTION = 2.5
"""How many times as strong as orders 7 and 8 orders 5 and 6 may be in noise that was enlarged by up to 1.5 times."""

QUANTILES = (0.01, 0.05, 0.2, 0.5)
"""The shares of the blocks for `spread`."""

GROUPS = ((5, 6), (7, 8), (9, 10), (11, 14))
"""The orders whose mean energy it gives."""

BENDS = 1.6
"""How many times as strong the variance must be where it is strongest as where it is weakest, between the 10th and the 90th
percentile of the intensities, for noise to count as dependent on them."""

FAINT = 8.0
"""Level in 8-bit levels below which more than `BENDS` is asked for where texture may be in what is measured."""

BINS = 12

NEARLY, TURNS_NEARLY = 1.2, 1.8
"""As `EVEN` and `TURNS`, where there is next to no texture: noise of level 2 to 8 is overrated by a twentieth there, by a quarter
at one intensity of ten. One of 120 photographs seemed to have noise that follows the light."""

EVEN, LEAST_EVEN, TURNS = 1.1, 6, 1.35
"""How many times as strong middle frequencies may be as high ones at an intensity that has noise alone, and no texture; how many
such intensities there must be to go by; and what they need instead of `BENDS` below `FAINT`. On 242 clean photographs, gray and in
colour, with Gaussian noise of level 1.5 to 8, one in 180 seemed to follow the light so; by all intensities one in 30."""

STRIP, STRIPS = (4, 16), 40
"""Rows and columns of the strips of `strip_sigma`, and how many must be calm."""

CELL = 24
LEAST_CELLS = 12
"""Side in pixels of the cells in which `sparse_sigma` and `struck_sigma` measure, and how many there must be."""

WHOLE = 0.85
"""The share of good pixels, of as many as there are elsewhere, with which a cell counts for `sparse_sigma`."""

FEWEST_GOOD = 0.1
"""The share of second differences that must be of good pixels alone for `struck_sigma` to tell a level: half of the pixels."""

BELOW = 1.5
"""The share of second differences with a replaced pixel that are below t is this times t. It would be 5/3 if one of the three
pixels, one time in three the middle one, which counts twice, were anything alike on either side of what was there; but the range
ends, and two may be replaced."""


def white_sigma(blocks: Blocks) -> float:
    """Standard deviation of the white noise in 8-bit levels; 0 where there are too few blocks to tell.

    The median over the high coefficients of their mean square in the calmest blocks. After the block-DCT estimators of Ponomarenko
    et al. ("An automatic approach to lossy compression of AVIRIS images", IGARSS 2007).
    """
    if len(blocks.values) < 60:
        # Nearly all of it is black or white; what noise there was cannot be told from what is left.
        return 0.0
    calm = blocks.calmest(CALM_SHARE, 1, LOW, FEWEST)
    return float(np.sqrt(np.median(np.take(blocks.energies[between(HIGH, HIGHEST)], calm, axis=1).mean(axis=1))))


def spectrum(blocks: Blocks) -> NDArray[np.float64]:
    """(`SHARES`, `GROUPS`): standard deviations in 8-bit levels of the calmest blocks' coefficients of these orders.

    Calm by their orders 1 to 4.
    """
    answer = np.zeros((len(SHARES), len(GROUPS)))
    if len(blocks.values) < 60:
        return answer
    for row, share in enumerate(SHARES):
        calm = blocks.calmest(share, 1, 4, 60)
        for column, (low, high) in enumerate(GROUPS):
            answer[row, column] = np.sqrt(np.median(np.take(blocks.energies[between(low, high)], calm, axis=1).mean(axis=1)))
    return answer


@dataclass(frozen=True)
class Resampled:
    """The ``level`` in 8-bit levels of noise that somebody shrank, enlarged or turned; how much of it the highest orders and the
    middle ones lack, as factors; whether that is sure; how much the highest lack at least, by blocks of any calmness; and how much
    more of the highest or lowest orders less calm blocks have, at most, as a factor."""

    level: float = 0.0
    high: float = 1.0
    middle: float = 1.0
    sure: bool = True
    least: float = 1.0
    apart: float = 1.0


def resampled(blocks: Blocks) -> Resampled:
    """The noise of a picture that somebody shrank, enlarged or turned; none where texture is in what is measured.

    All orders' mean energy. Where there is nothing but
    noise, calmer blocks have as much as others; but the very calmest may be near black or white, where noise was clipped before.
    """
    found = _resampled(blocks)
    # Near black and white a tone curve and clipping leave less of it.
    middling = (blocks.means > 255 * ENDS) & (blocks.means < 255 * (1 - ENDS))
    if np.count_nonzero(middling) < FEWEST or middling.all() or middling.mean() < MOSTLY:
        return found
    return max(found, _resampled(blocks.where(middling)), key=lambda each: each.level)


def _resampled(blocks: Blocks) -> Resampled:
    """As `resampled`, by all of the blocks."""
    few, some, many = spectrum(blocks)
    if few[-1] <= 0:
        return Resampled()
    sure = not ((some > ALIKE * few).any() or (many > ALIKE_ALL * few).any())
    if not sure:
        light = float(blocks.means[blocks.calmest(SHARES[0], 1, 4, 60)].mean()) / 255
        few = some
        if ENDS < light < 1 - ENDS or (many > ALIKE * some).any():
            return Resampled()
    least = min(float(row[0] / max(row[-1], 1e-9)) for row in (few, some, many))
    apart = max(float(many[order] / max(few[order], 1e-9)) for order in (0, -1))
    return Resampled(_all_orders(few, STEEP), float(few[0] / few[-1]), float(few[0] / few[1]), sure, least, apart)


def enlarged(blocks: Blocks) -> float:
    """The level in 8-bit levels of noise that was made twice as large, or more, by a smooth kernel; 0 where it was not.

    It has next to no high frequencies, and ends at once where they begin.
    """
    few = spectrum(blocks)[0]
    if few[1] <= 0 or few[0] < EDGE * few[1] or few[0] < HOLLOW * few[-1]:
        return 0.0
    return _all_orders(few, STEEPEST)


def interpolated(parts: Sequence[NDArray[np.float32]], blocks: Blocks) -> float:
    """The level in 8-bit levels of noise that was enlarged, by up to 1.5 times, in a picture of such ``parts`` (h, w, channels) and
    ``blocks``; 0 where it was not.

    Pixels between those of the smaller picture are means of several, and have less noise than pixels on them: second differences
    are stronger and weaker with a period, along rows and along columns (Gallagher 2005, "Detection of linear and cubic
    interpolation in JPEG compressed images").
    """
    few = spectrum(blocks)[0]
    if few[1] <= 0 or few[0] > FRACTION * few[1]:
        return 0.0
    found = []
    for axis in (0, 1):
        power = np.zeros(RUN // 2 + 1)
        for part in parts:
            detail = np.median(np.abs(np.diff(part, n=2, axis=1 - axis)), axis=axis)
            strength = np.log(detail + np.float32(FLOOR / 255))
            for start in range(0, len(strength) - RUN + 1, RUN // 2):
                run = strength[start : start + RUN]
                power += np.square(np.abs(np.fft.rfft((run - run.mean(axis=0)) * _hann, axis=0))).sum(axis=1)
        ratio = power[SLOW - 1 : MOSAIC] / max(float(np.median(power)), 1e-9)
        found.append((int(np.argmax(ratio)), float(ratio.max())))
    (down, firm), (across, other) = found
    return _all_orders(few, STEEP) if min(firm, other) > PERIODIC and abs(down - across) <= 1 else 0.0


_hann = np.hanning(RUN)[:, None]


def _all_orders(few: NDArray[np.float64], steepest: float) -> float:
    """The level of noise with this row of `spectrum`: orders 0 to 4, which hold the picture, go on from orders 5 to 8, by a ratio
    of energies that counts up to ``steepest``."""
    calm = np.square(few)
    below = calm[0] * np.sqrt(np.clip(calm[0] / calm[1], 1, steepest))
    orders = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
    weights = np.histogram(orders, [0, *(low for low, _ in GROUPS), HIGHEST + 1])[0]
    return float(np.sqrt(float(weights @ np.concatenate([[below], calm])) / SIDE**2))


def spread(blocks: Blocks) -> NDArray[np.float64]:
    """Standard deviations in 8-bit levels below which `QUANTILES` of the blocks are, at middle and at high orders (2, `QUANTILES`).

    Where there is only noise the blocks are much alike, texture differs from place to place.
    """
    answer = np.zeros((2, len(QUANTILES)))
    if len(blocks.values) < 60:
        return answer
    for row, (low, high) in enumerate(((5, 8), (HIGH, HIGHEST))):
        energy = blocks.energies[between(low, high)].mean(axis=0)
        answer[row] = np.sqrt(np.quantile(energy, QUANTILES))
    return answer


def independence(parts: Sequence[NDArray[np.float32]]) -> float:
    """How far the channels' finest detail goes its own ways: 0 where all channels have the same, 0.7 for independent noise; -1 for
    gray.

    The median difference of two channels' second differences along rows, as a share of their sum.
    """
    if parts[0].shape[2] < 3:
        return -1.0
    apart, together = [], []
    for part in parts:
        rows = part[:: max(1, part.shape[0] // 48)]
        signed = _bend(rows)
        bend = np.abs(signed)
        for first, second in ((0, 1), (2, 1)):
            apart.append(np.abs(signed[..., first] - signed[..., second]).ravel())
            together.append((bend[..., first] + bend[..., second]).ravel())
    return float(np.median(np.concatenate(apart)) / max(float(np.median(np.concatenate(together))), 1e-4))


def curve(blocks: Blocks, sigma: float) -> Curve:
    """The noise by intensity; the flat one of ``sigma`` (8-bit levels) where it is the same at all.

    The calmest blocks of each intensity are measured at their high orders.
    """
    flat = Curve(sigma=sigma / 255)
    if len(blocks.values) < 600 or sigma <= 0:
        return flat
    light, variance, white = _by_light(blocks, CALM_OF)
    if len(light) < 4:
        return flat
    nearly = white < NEARLY
    if sigma < FAINT and np.count_nonzero(nearly) >= LEAST_EVEN:
        return _bent(blocks, light[nearly], variance[nearly], TURNS_NEARLY) or flat
    # The fainter the noise, the more texture is in what is measured, and the more must be seen to be believed.
    return _bent(blocks, light, variance, BENDS + max(0.0, FAINT - sigma)) or flat


def even_curve(blocks: Blocks, sigma: float) -> Curve | None:
    """As `curve`, by the intensities that have no texture alone; None where these are too few to go by.

    The calmest blocks of all are dark ones, in dark, pale and strongly coloured pictures, too, and have less than others of noise
    that grows with the light.
    """
    if len(blocks.values) < 600:
        return None
    light, variance, white = _by_light(blocks, CALM_OF)
    even = white < EVEN
    if np.count_nonzero(even) < LEAST_EVEN:
        return None
    return _bent(blocks, light[even], variance[even], TURNS if sigma < FAINT else BENDS) or Curve(sigma=sigma / 255)


def _bent(blocks: Blocks, light: NDArray[np.float64], variance: NDArray[np.float64], bends: float) -> Curve | None:
    """The curve through the variances at these intensities; None where it does not rise by the factor ``bends``."""
    if variance.max() < bends * variance.min():
        # A curve through these bends no more than they do.
        return None
    best = _fitted(light, variance)
    means = np.clip(blocks.means / 255, 0, 1)
    variances = best.variance(np.quantile(means, [0.1, 0.5, 0.9]).astype(np.float32))
    return None if best.flat or variances.max() < bends * max(float(variances.min()), 1e-9) else best


def by_light(blocks: Blocks, one_of: int = CALM_OF) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The intensities, from black (0) to white (1), at which there are blocks enough, and the noise's variance there: by one block
    ``one_of`` so many, the calmest."""
    light, variance, _ = _by_light(blocks, one_of)
    return light, variance


def _by_light(blocks: Blocks, one_of: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """As `by_light`; and, third, how many times as strong middle frequencies are there as high ones: of white noise once, of
    texture more. That is measured in blocks that lower frequencies than either choose."""
    if not len(blocks.values):
        return np.zeros(0), np.zeros(0), np.zeros(0)
    means = np.clip(blocks.means / 255, 0, 1)
    busy, smooth = blocks.busy(1, LOW), blocks.busy(*LOWEST)
    middle, high = (blocks.energies[between(*orders)].mean(axis=0) for orders in ((LOWEST[1] + 1, LOW), (HIGH, HIGHEST)))
    edges = np.quantile(means, np.linspace(0, 1, BINS + 1))
    found = []
    for first, last in pairwise(edges):
        inside = np.flatnonzero((means >= first) & (means <= last))
        # A bin as wide as to hold light and dark says nothing of either.
        if len(inside) < 60:
            continue
        count = max(40, len(inside) // one_of)
        calm, even = (inside[np.argpartition(order[inside], count - 1)[:count]] for order in (busy, smooth))
        white = np.sqrt(float(middle[even].mean()) / max(float(high[even].mean()), 1e-9))
        found.append((float(means[calm].mean()), float(high[calm].mean()) / 255**2, float(white)))
    light, variance, whiteness = np.array(found).reshape(-1, 3).T
    return light, variance, whiteness


def _fitted(light: NDArray[np.float64], variance: NDArray[np.float64]) -> Curve:
    """The simplest of the curves with one or two terms that fits the variances well: by relative error, the larger ones trimmed."""
    terms = np.stack([np.ones_like(light), light, light**2], axis=1)
    weight = 1 / np.maximum(variance, 1e-8)
    best: tuple[float, NDArray[np.float64]] | None = None
    for chosen in ((0,), (1,), (2,), (0, 1), (0, 2)):
        kept = np.ones(len(light), dtype=bool)
        solution = np.zeros(3)
        for _ in range(3):
            part = terms[kept][:, chosen] * weight[kept, None]
            solution = np.zeros(3)
            solution[list(chosen)] = np.linalg.lstsq(part, np.ones(kept.sum()), rcond=None)[0]
            error = np.abs(terms @ solution * weight - 1)
            kept = error <= np.quantile(error, 0.8)
        if (solution < 0).any():
            continue
        # A second term must earn its place.
        score = float(np.sqrt(np.square(error[kept]).mean())) * (1.0 if len(chosen) == 1 else 1.25) + 0.01
        if best is None or score < best[0]:
            best = (score, solution)
    if best is None:
        return Curve(float(np.sqrt(np.median(variance))))
    sigma, gain, speckle = best[1]
    return Curve(float(np.sqrt(sigma)), float(gain), float(speckle))


def length(blocks: Blocks) -> float:
    """How far noise is correlated, in pixels: where its autocorrelation has fallen to 1 / e, from the calmest blocks.

    The noise is taken for white noise under a Gaussian window: of the width (standard deviation) whose spectrum falls from orders 5
    and 6 to 9 and 10 as theirs does.
    """
    calm = spectrum(blocks)[1]
    if calm[2] <= 0 or calm[0] <= calm[2]:
        return 0.0
    # A coefficient of order k along both axes has the frequency pi k / 16 along each; power falls with exp(-(frequency * width)^2)
    # of each axis.
    frequencies = np.array([5.5, 9.5]) / 2 * np.pi / SIDE
    width = float(np.sqrt(np.log((calm[0] / calm[2]) ** 2) / (2 * float(np.diff(frequencies**2)[0]))))
    # Its autocorrelation is a Gaussian wider by the root of two.
    return 2 * width


def sparse_sigma(parts: Sequence[NDArray[np.float32]], good: Sequence[NDArray[np.bool_]]) -> float:
    """Standard deviation in 8-bit levels of the noise of the ``good`` pixels (h, w) of the ``parts``, where others were replaced.

    From second differences along rows of three good pixels, in the tenth of the cells that has the least, less what chance makes of
    such a choice; 0 where too few are left.
    """
    found: list[NDArray[np.float64]] = []
    whole: list[NDArray[np.float64]] = []
    for part, kept in zip(parts, good, strict=True):
        triples = kept[:, :-2] & kept[:, 1:-1] & kept[:, 2:]
        bend = np.square(_bend(part)).mean(axis=2, dtype=np.float32) / 6
        counts = _cells(triples).sum(axis=1)
        power = _cells(bend * triples).sum(axis=1, dtype=np.float64)
        enough = counts >= 12
        # Differences that share pixels: so many of them are worth half as many independent ones.
        expected = _tenth(counts[enough] * part.shape[2] * 2 / 3.9)
        found.append(power[enough] / counts[enough] / expected)
        whole.append(counts[enough])
    cells = np.concatenate(found) if found else np.zeros(0)
    if len(cells):
        # Where fewer are good than elsewhere, noise was clipped: what is left of it is fainter.
        counts = np.concatenate(whole)
        full = cells[counts >= WHOLE * np.quantile(counts, 0.8)]
        cells = full if len(full) >= LEAST_CELLS else cells
    return 255 * float(np.sqrt(np.quantile(cells, 0.1))) if len(cells) >= LEAST_CELLS else 0.0


def struck_sigma(parts: Sequence[NDArray[np.float32]], density: float) -> float:
    """As `sparse_sigma`, where nobody knows which pixels were replaced by any value, but that they are the share ``density``.

    A share (1 - density)**3 of the second differences comes from good pixels alone; their median has half of that share below it,
    and some of the other differences. The median error on 17 held-out photographs with sigma 10 and 25, 10 to 30 % of impulses: 0
    to 6 % too much (texture), where the network, which takes impulses for noise, was off by -34 to +9 %.
    """
    good = (1 - density) ** 3
    if good < FEWEST_GOOD:
        return 0.0
    found: list[NDArray[np.float64]] = []
    heaped: list[NDArray[np.float64]] = []
    for part in parts:
        values = np.sort(_cells(np.abs(_bend(part))), axis=1)
        count = values.shape[1]
        median = np.zeros(len(values), dtype=np.float32)
        for _ in range(4):
            other = np.minimum(BELOW * median, 1)
            place = np.minimum((good / 2 + (1 - good) * other) * count, count - 1).astype(np.intp)
            median = values[np.arange(len(values)), place]
        # Chance of the twentieth cell: the median of so many is off by 1.4 / sqrt(n), in parts of itself.
        found.append(median / (1 - 1.645 * 1.4 / np.sqrt(good * count)))
        heaped.append(_cells((part[:, 1:-1] <= 0) | (part[:, 1:-1] >= 1)).mean(axis=1))
    medians = np.concatenate(found) if found else np.zeros(0)
    if len(medians) and min(part.min() for part in parts) >= 0 and max(part.max() for part in parts) <= 1:
        clear = medians[np.concatenate(heaped) <= HEAPED]
        medians = clear if len(clear) >= LEAST_CELLS else medians
    if len(medians) < LEAST_CELLS:
        return 0.0
    return 255 * float(np.quantile(medians, 0.05)) / (0.6745 * float(np.sqrt(6)))


def strip_sigma(parts: Sequence[NDArray[np.float32]]) -> float:
    """Standard deviation in 8-bit levels of the calmest strips, as high as there is room between lines of small letters; 0 where
    they are too few, or do not have it in common."""
    found = []
    total = 0
    for part in parts:
        height, width = (side // size * size for side, size in zip(part.shape, STRIP, strict=False))
        for shift in range(0, STRIP[0] if min(height - STRIP[0], width) > 0 else 0, 2):
            plane = part[shift : height - STRIP[0] + shift, :width, part.shape[2] // 2]
            cut = plane.reshape(-1, STRIP[0], width // STRIP[1], STRIP[1])
            mean = cut.mean(axis=(1, 3), dtype=np.float32)
            variance = np.square(cut - mean[:, None, :, None]).mean(axis=(1, 3), dtype=np.float32) * np.float32(64 / 63)
            found.append(variance.ravel())
            total += variance.size
    variances = np.concatenate(found) if found else np.zeros(0)
    if not len(variances):
        return 0.0
    level = float(np.quantile(variances, CALM_SHARE / 2)) / 0.8
    for _ in range(6):
        calm = variances[variances < 1.6 * level]
        if len(calm) < max(STRIPS, CALM_SHARE * total):
            return 0.0
        level = float(calm.mean())
    return 255 * float(np.sqrt(level))


def _bend(part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Second differences along the rows of (h, w, channels)."""
    answer: NDArray[np.float32] = part[:, :-2] - 2 * part[:, 1:-1] + part[:, 2:]
    return answer


def _cells(values: NDArray[Any]) -> NDArray[Any]:
    """The values of (h, w) or (h, w, channels) cell by cell, (cells, values of one); what fills no cell is left out."""
    rows, columns = (side // CELL for side in values.shape[:2])
    channels = values.size // (values.shape[0] * values.shape[1])
    cut = values[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL * channels)
    return cut.swapaxes(1, 2).reshape(rows * columns, CELL * CELL * channels)


def _tenth(freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Below which share of its mean a tenth of a mean of squares of so many independent numbers is (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * freedom)
    answer: NDArray[np.float64] = (1 - spread - 1.2816 * np.sqrt(spread)) ** 3
    return answer
