"""How far the dyes of a colour film, slide or print have faded, read from what its pixels look like on the whole.

A dye that has lost a share of its density in the dark leaves of a value v of its channel ``factor * v ** power``: black is no
longer black there, and the channel varies less, in the logarithm, than the others. Cyan goes first on most films of the 1950s to
1970s, yellow next, and the base turns yellow (Wilhelm and Brower 1993; `pellucid.wear.whole.Fading` makes the same). A sunset,
water or a wall of brick looks like that in some of its measurements and not in others. The surest is this: from light to shade one
thing changes by the same factor in all channels, whatever its colour and the lamp's, and in faded ones by its power. A small
network has learnt the difference from photographs, half of which were faded: ``dyes.npz``. It is the mean of twelve: six that
learnt from 24,000 examples, and six larger ones from 144,000, which ``pellucid calibrate fading`` makes again. It answers with the
chance of each loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis import estimator
from pellucid.images import Pixels

__all__ = ["LOSSES", "Belief", "agreed", "belief", "chances_of", "features", "load", "sampled"]

LOSSES = np.concatenate([[0.0], np.linspace(0.05, 0.8, 16)])
"""The losses of cyan whose chances the network says; the first is none."""

PRIOR = np.concatenate([[0.5], np.full(16, 0.5 / 16)])
"""Their chances among the pictures that it has learnt from."""

BLOCK = 4
"""Rows and columns of a small picture of which the median counts: dust and scratches have no say in it."""

LEAST = 200
"""Pixels without which nothing is known."""

MOST = 6000
"""Pixels that are looked at."""

FLOOR = 0.012
"""Added to values before their logarithm."""

SHARES = np.array([0.2, 1, 3, 10, 25, 50, 75, 90, 97, 99, 99.8])
"""Per cent of the pixels: the values of each channel below which these lie."""

BANDS = np.array([0, 1.5, 5, 15, 35, 65, 85, 95, 98.5, 100])
"""Per cent of the pixels, from the darkest: the colour of each band."""

RATIOS = np.array([1, 5, 15, 30, 50, 70, 85, 95, 99])
"""Per cent of the pixels: the ratios of two channels below which these lie."""

PAIRS = (0, 1), (2, 1), (0, 2)
"""The channels that are held against each other."""

_MORE = np.array([0.015, 0.05, 0.09, 0.14, 0.2, 0.27, 0.36, 0.5, 0.7, 1.01])
SLOPES = np.concatenate([-_MORE[::-1], _MORE])
"""By how much more one channel changes than another, as a share of both together: bounds of the histogram."""

PARTS, IN_BANDS = np.array([5, 15, 30, 50, 70, 85, 95]), np.array([30, 50, 70])
"""Per cent of the changes: the shares below which these lie, of all and of those in the dark, in between and in the light."""

CHANGES = 0.04, 0.4
"""The least change from a pixel to one beside it that counts, in the logarithm, and the most that one counts for."""

WITHIN = 0.02, 0.985
"""Values that changes are taken from: beyond, a camera has bent or cut off what was there."""

TONED = 0.012
"""How much the ratios of channels differ among pixels of one brightness, in the logarithm, in a picture that has dyes: in a gray
one with a tone, they follow from it."""

EVEN = 0.7
"""How much of what one scene says counts where several are put together: a network errs alike in scenes of one kind."""

APART = 3.0
"""By how much, in the logarithm, a loss may be less likely to a scene than its own, for the reel's to hold there."""


@dataclass(frozen=True)
class Belief:
    """``chances`` of each of `LOSSES`, and the ``dyes``' losses (3,) of cyan, magenta and yellow, if they have faded."""

    chances: NDArray[np.float64]
    dyes: NDArray[np.float64]


def sampled(small: Pixels) -> Pixels:
    """Pixels (n, 3, c) of a small picture (h, w, c), medians of blocks of it where it has so many: each, the one on its right, and
    the one below it."""
    height, width, channels = small.shape
    rows, columns = height // BLOCK, width // BLOCK
    if rows * columns >= 2 * LEAST:
        part = small[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, channels).transpose(0, 2, 4, 1, 3)
        small = np.median(part.reshape(rows, columns, channels, BLOCK * BLOCK), axis=3).astype(np.float32)
    return np.stack([small[:-1, :-1], small[:-1, 1:], small[1:, :-1]], axis=2).reshape(-1, 3, channels)


def features(values: Pixels) -> NDArray[np.float32]:
    """The network's input, from pixels in [0, 1] with those beside them, (n, 3, 3), as `sampled` gives them."""
    return np.concatenate([_colours(values[:, 0]), _slopes(values)]).astype(np.float32)


def _colours(values: Pixels) -> NDArray[np.floating]:
    """How far the channels of pixels (n, 3) reach, and how they go together."""
    count = len(values)
    logs = np.log(np.maximum(values, 0) + np.float32(FLOOR))
    ratios = np.stack([logs[:, 0] - logs[:, 1], logs[:, 2] - logs[:, 1], logs[:, 0] - logs[:, 2]], axis=1)
    ranked = ratios[np.argsort(values.mean(axis=1), kind="stable"), :2]
    bounds = np.round(BANDS / 100 * count).astype(int)
    bands = [ranked[low : max(high, low + 1)] for low, high in pairwise(bounds)]
    middles = np.stack([np.median(band, axis=0) for band in bands])
    within = np.stack([np.median(np.abs(band - middle), axis=0) for band, middle in zip(bands, middles, strict=True)])
    spread = logs.std(axis=0) + np.float32(1e-3)
    apart = (logs - logs.mean(axis=0)) / spread
    alike = apart.T @ apart / count
    colour = values.max(axis=1) - values.min(axis=1)
    hue = 3 * values.argmax(axis=1) + values.argmin(axis=1)
    hues = [np.bincount(part, minlength=9)[[1, 2, 3, 5, 6, 7]] / count for part in (hue, hue[colour > 0.15])]
    return np.concatenate(
        [
            np.percentile(logs, SHARES, axis=0).T.ravel(),
            middles.ravel(),
            np.log(within.mean(axis=0) + TONED),
            np.percentile(ratios, RATIOS, axis=0).T.ravel(),
            [alike[0, 1], alike[1, 2], alike[0, 2]],
            np.log(spread),
            np.sqrt(np.concatenate(hues)),
            np.percentile(colour, [2, 25, 50, 90]),
        ]
    )


def _slopes(values: Pixels) -> NDArray[np.floating]:
    """By how much more each channel changes than another from pixels to those beside them, (n, 3, 3)."""
    logs = np.log(np.maximum(values, 0) + np.float32(FLOOR))
    usual = np.asarray(((values > WITHIN[0]) & (values < WITHIN[1])).all(axis=2))
    counts = (usual[:, 1:] & usual[:, :1]).ravel()
    changes = (logs[:, 1:] - logs[:, :1]).reshape(-1, 3)[counts]
    light = values[:, 0].mean(axis=1).repeat(2)[counts]
    size = np.abs(changes)
    much = size.mean(axis=1)
    weight = np.where(much > CHANGES[0], np.minimum(much, CHANGES[1]), 0)
    if not weight.any():
        return np.zeros(len(PAIRS) * (len(SLOPES) - 1 + len(PARTS)) + 6 * len(IN_BANDS) + 3)
    band = np.digitize(light, np.percentile(light, [33, 67]))
    found = []
    for one, other in PAIRS:
        more = (changes[:, one] - changes[:, other]) * np.sign(changes[:, one] + changes[:, other])
        more /= size[:, one] + size[:, other] + np.float32(1e-6)
        order = np.argsort(more, kind="stable")
        more, shares, bands = more[order], weight[order], band[order]
        found += [np.sqrt(np.histogram(more, SLOPES, weights=shares)[0] / shares.sum()), _parted(more, shares, PARTS)]
        if (one, other) != PAIRS[-1]:
            found += [_parted(more[bands == each], shares[bands == each], IN_BANDS) for each in range(3)]
    return np.concatenate([*found, np.log(size.mean(axis=0) + 1e-3)])


def _parted(ranked: Pixels, weight: Pixels, parts: NDArray[np.floating]) -> NDArray[np.floating]:
    """The values, which are in their order, below which these per cent of the weight lie; zeros where there is none."""
    reached = np.cumsum(weight, dtype=np.float64)
    if not len(ranked) or reached[-1] == 0:
        return np.zeros(len(parts))
    return np.asarray(ranked[np.minimum(np.searchsorted(reached, parts / 100 * reached[-1]), len(ranked) - 1)])


def belief(samples: Sequence[Pixels], weights: estimator.Weights | None = None) -> Belief | None:
    """The belief from the pixels (n, 3, c) of a scene (`sampled`); None where they are gray, toned or too few."""
    if not samples or samples[0].shape[2] != 3:
        return None
    values = np.clip(np.concatenate(samples), 0, 1)
    if len(values) < LEAST:
        return None
    values = values[:: -(-len(values) // MOST)]
    if _toned(values[:, 0]):
        return None
    answer = (load() if weights is None else weights).of(features(values)).astype(np.float64)
    return Belief(chances_of(answer[: len(LOSSES)]), np.clip(answer[len(LOSSES) :], 0, 0.9))


def chances_of(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chances (..., n) whose logarithms are known but for what all have in common."""
    chances = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(chances / chances.sum(axis=-1, keepdims=True))


def _toned(values: Pixels) -> bool:
    """Whether colours follow from brightness: a gray picture, whatever its tone."""
    logs = np.log(values + np.float32(0.05))
    order = np.argsort(logs[:, 1], kind="stable")
    ratios = (logs[:, (0, 2)] - logs[:, 1:2])[order]
    bands = np.array_split(ratios, 24)
    apart = [np.abs(band - np.median(band, axis=0)).mean(axis=0) for band in bands]
    return bool(np.mean(apart) < TONED)


def agreed(beliefs: Sequence[Belief]) -> list[Belief]:
    """The beliefs of one reel's scenes, joined: a reel fades as a whole. A scene that the joint one hardly fits keeps its own."""
    if len(beliefs) < 2:
        return list(beliefs)
    evidence = np.log(np.array([each.chances for each in beliefs]) + 1e-6) - np.log(PRIOR)
    total = EVEN * evidence.sum(axis=0) + (1 - EVEN) * evidence.mean(axis=0) + np.log(PRIOR)
    whole = Belief(chances_of(total), np.mean([each.dyes for each in beliefs], axis=0))
    best = int(np.argmax(whole.chances))
    return [own if evidence[at].max() - evidence[at, best] > APART else whole for at, own in enumerate(beliefs)]


@lru_cache(maxsize=1)
def load() -> estimator.Weights:
    """The shipped weights."""
    return estimator.stored("dyes.npz")
