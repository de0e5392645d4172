"""Whether noise was clipped: black and white values are as many as noise of that level, clipped, has at each intensity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pellucid.clipping import Clipping
from pellucid.diagnosis import noise, sampling
from pellucid.diagnosis.sampling import SIDE
from pellucid.maps import Curve

__all__ = ["CALMER", "LEAST_BINS", "clipping", "fitted", "of_told", "paper", "share"]

LEAST_BINS = 4
"""Intensities at which noise must be seen for `fitted`."""

MOVED = (0.7, 12.0)
"""How many times the variance that is seen it was before, at least and at most."""

CALMER = 2
"""One block of so many is measured, the calmest of each intensity: where values are clipped, a block that has less of the low
frequencies has more of the high ones. On 22 held-out photographs, the calmest eighth (half) said 1.9 % (0.6) too much of level 50,
6.2 % (2.5) of 75."""

LEAST = 0.25
"""At this share of the intensities, those with the least, noise is as measured: texture adds to the others."""

DOUBT = 1.4
"""How much better noise of another kind must fit than that of the kind which it was taken for."""

HALVINGS = 10
"""After so many of that range the level is known to a thousandth or two."""

FEWEST = 2e-4
"""Share of all values that clipped noise must have at an end for it to matter there."""

AS_MANY = 0.5
"""How many of the values that noise of this level would have at an end must be there: a picture with less noise than it is said to
have has less, and where its shadows are no accident they would be lost."""

ALL = 0.95
"""Share of a block's values at an end from which the block says nothing: it is black, or white, with noise or without."""

LEAST_AT_BLACK = 0.01
"""The share of what it grows by, from black to where the picture is lightest, that noise has at black for anything to go beyond."""

KNOWN_PEAK = 20
"""Peak below which counts of photons have so few values that they are known by them."""

ENOUGH = 0.9
"""The share of a level that is told which must be measured for it to be true."""

BLOCKS = 4000
"""Blocks in which the values at the ends are counted, about."""


STRIP = (4, 16)
"""Rows and columns of the strips in which `paper` looks: as much as lies between lines of small letters."""

PAPER = (0.12, 0.88)
"""Between which share of a strip's values must be at the end of the range for noise to show there."""

MODE = 1.9
"""How many times the mean of the calm strips the energy of one may be: chance makes 1.6 times of it, a letter a hundred times."""

FEWEST_STRIPS, LEAST_PAPER = 40, 0.04
"""How many strips of paper there must be, and which share of all."""


def paper(parts: Sequence[NDArray[np.float32]]) -> float | None:
    """Standard deviation in 8-bit levels of noise on paper that is white (or black) to the end of the range; None where there is
    hardly any.

    Noise that is clipped half and half keeps half of its energy: the share at the end says how much. Letters are left out.
    """
    best: tuple[int, float] | None = None
    for end in (1, 0):
        if any(part.max() > 1.0001 if end else part.min() < -1e-4 for part in parts):
            # Nothing was clipped.
            continue
        shares, energies, total = [], [], 0
        for part in parts:
            height, width = (side // size * size for side, size in zip(part.shape, STRIP, strict=False))
            for shift in range(0, STRIP[0] if min(height - STRIP[0], width) > 0 else 0, 2):
                inward = np.abs(np.float32(end) - part[shift : height - STRIP[0] + shift, :width, part.shape[2] // 2])
                cut = inward.reshape(-1, STRIP[0], width // STRIP[1], STRIP[1])
                there = (cut <= 0).mean(axis=(1, 3), dtype=np.float32).ravel()
                inside = (there > PAPER[0]) & (there < PAPER[1])
                total += len(inside)
                shares.append(there[inside])
                energies.append(np.square(cut).mean(axis=(1, 3), dtype=np.float32).ravel()[inside])
        share_at = np.concatenate(shares) if shares else np.zeros(0)
        if len(share_at) < max(FEWEST_STRIPS, LEAST_PAPER * total):
            continue
        variance = np.concatenate(energies) / _left(share_at)
        level = float(np.quantile(variance, 0.1)) / 0.64
        for _ in range(6):
            calm = variance < MODE * level
            level = float(variance[calm].mean())
        count = int(np.count_nonzero(calm))
        if count >= max(FEWEST_STRIPS, LEAST_PAPER * total) and (best is None or count > best[0]):
            best = (count, 255 * float(np.sqrt(level)))
    return None if best is None else best[1]


def _left(share: NDArray[np.floating]) -> NDArray[np.float64]:
    """The mean square distance from the end of normal noise, in variances, where it puts this share of the values at the end."""
    normal = NormalDist()
    steps = np.linspace(0.02, 0.98, 49)
    table = []
    for part in steps:
        inside = -normal.inv_cdf(float(part))
        table.append((1 + inside**2) * normal.cdf(inside) + inside * normal.pdf(inside))
    answer: NDArray[np.float64] = np.interp(share, steps, table)
    return answer


def clipping(parts: Sequence[NDArray[np.float32]], curve: Curve) -> Clipping | None:
    """How noise of that ``curve`` was clipped in the ``parts`` (h, w, channels each); None where it was not."""
    if curve.gain == 0 and curve.sigma == 0 and curve.speckle == 0:
        return None
    # Most pictures have few values at either end, and need not be looked at any closer.
    total = sum(part.size for part in parts)
    there = [_at_end(parts, end) >= FEWEST * total for end in (0, 1)]
    if not any(there):
        return None
    step = max(1, total // SIDE**2 // BLOCKS) if len(parts) == 1 else 1
    blocks = [_blocks(part, step) for part in parts if min(part.shape[:2]) >= SIDE]
    if not blocks:
        return None
    means, black, white = (np.concatenate([each[index] for each in blocks]) for index in range(3))
    whole = Clipping(curve)
    found = []
    for end, (actual, expected) in enumerate(zip((black, white), whole.shares(means), strict=True)):
        usable = actual < ALL
        many = float(expected[usable].sum())
        found.append(bool(there[end] and many > FEWEST * len(means) and actual[usable].sum() > AS_MANY * many))
    # Noise that grows from nothing at black, or from next to nothing, never goes beyond it.
    lightest = float(curve.variance(np.quantile(means, [0.99]))[0])
    low, high = found[0] and bool(curve.sigma**2 > LEAST_AT_BLACK * (lightest - curve.sigma**2)), found[1]
    return Clipping(curve, low=low, high=high) if low or high else None


def fitted(
    parts: Sequence[NDArray[np.float32]], ends: Clipping, terms: Sequence[str] = ("sigma", "gain", "speckle")
) -> Curve | None:
    """The noise by intensity where it is so strong that much of what is seen of it was clipped, at the ``ends``; None where too
    little is seen.

    Each of the ``terms`` gives one curve, with the level that makes the noise left after clipping as strong as measured; the answer
    is the curve that fits best. Noise of few photons has few values, and was known by them; noise that is nothing at black
    leaves hardly a value there.
    """
    blocks = sampling.blocks(parts, heaped=ALL)
    light, variance = noise.by_light(blocks, CALMER)
    if len(light) < LEAST_BINS:
        return None
    measured = np.log(np.maximum(variance, 1e-8))
    black = float((blocks.values <= 0).mean())
    best: tuple[float, Curve] | None = None
    for term, power in (("sigma", 0), ("gain", 1), ("speckle", 2)):
        if term not in terms:
            continue
        # Clipping takes some of the variance, never adds to it.
        least = float(np.median(measured - power * np.log(np.maximum(light, 1e-3))))
        low, high = least + np.log(MOVED[0]), least + np.log(MOVED[1])
        off = measured
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            curve = _with(term, float(np.exp(middle)))
            off = measured - np.log(np.maximum(replace(ends, curve=curve).variance(light), 1e-8))
            low, high = (middle, high) if np.quantile(off, LEAST) > 0 else (low, middle)
        if curve.gain > 0 and 1 / curve.gain <= KNOWN_PEAK:
            continue
        misfit = float(np.quantile(np.abs(off), 0.8)) * (1 if getattr(ends.curve, term) > 0 else DOUBT)
        # Black values that nothing explains: noise which is nothing at black leaves hardly one.
        misfit += max(0.0, black - float(Clipping(curve).shares(blocks.means / 255)[0].mean()))
        if best is None or misfit < best[0]:
            best = (misfit, curve)
    return None if best is None else best[1]


def of_told(parts: Sequence[NDArray[np.float32]], curve: Curve) -> Clipping | None:
    """As `clipping`, of Gaussian noise of which somebody says that it is there: reckoned with no more of it than is."""
    ends = clipping(parts, curve)
    if ends is None:
        return None
    measured = fitted(parts, ends, ("sigma",))
    if measured is None:
        return None
    return replace(ends, curve=curve) if measured.sigma > ENOUGH * curve.sigma else clipping(parts, measured)


def share(parts: Sequence[NDArray[np.float32]]) -> float:
    """Which share of all values is black or white."""
    return (_at_end(parts, 0) + _at_end(parts, 1)) / sum(part.size for part in parts)


def _with(term: str, variance: float) -> Curve:
    """The curve that has this variance at white, by one term alone."""
    return Curve(**{term: float(np.sqrt(variance)) if term == "sigma" else variance})


def _at_end(parts: Sequence[NDArray[np.float32]], end: int) -> int:
    """How many values are at black (0) or at white (1); none where some are beyond, which nothing was clipped then."""
    inward = [part if end == 0 else 1 - part for part in parts]
    beyond = any(part.min() < -1e-4 for part in inward)
    return 0 if beyond else sum(int(np.count_nonzero(part <= 0)) for part in inward)


def _blocks(part: NDArray[np.float32], step: int) -> tuple[NDArray[np.float32], ...]:
    """The mean of each 8x8 block of each channel, and its shares of values at black and at white; one row of blocks in ``step``."""
    rows, columns = part.shape[0] // SIDE, part.shape[1] // SIDE
    cut = part[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, part.shape[2])[::step]
    return tuple(values.mean(axis=(1, 3), dtype=np.float32).ravel() for values in (cut, cut <= 0, cut >= 1))
