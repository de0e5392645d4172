"""How far the dyes of a colour film, slide or print have faded, read from what its pixels look like on the whole.

A dye that has lost a share of its density in the dark leaves of a value v of its channel ``factor * v ** power``: black is no
longer black there, and the channel varies less, in the logarithm, than the others. Cyan goes first on most films of the 1950s to
1970s, yellow next, and the base turns yellow (Wilhelm and Brower 1993; `pellucid.wear.whole.Fading` makes the same). A sunset,
water or a wall of brick looks like that in some of its measurements and not in others. A small network has learnt the difference
from photographs, half of which were faded: ``dyes.npz``; ``pellucid calibrate fading`` makes it again. It answers with the chance
of each loss.
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
    """Pixels (n, c) of a small picture (h, w, c): medians of blocks of it, where it has so many."""
    height, width, channels = small.shape
    rows, columns = height // BLOCK, width // BLOCK
    if rows * columns < 2 * LEAST:
        return small.reshape(-1, channels)
    part = small[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK, channels).transpose(0, 2, 4, 1, 3)
    medians: Pixels = np.median(part.reshape(rows * columns, channels, BLOCK * BLOCK), axis=2).astype(np.float32)
    return medians


def features(values: Pixels) -> NDArray[np.float32]:
    """The network's input, from pixels (n, 3) in [0, 1]."""
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
    ).astype(np.float32)


def belief(samples: Sequence[Pixels], weights: estimator.Weights | None = None) -> Belief | None:
    """The belief from the pixels (n, c) of a scene; None where they are gray, toned or too few."""
    if not samples or samples[0].shape[1] != 3:
        return None
    values = np.clip(np.concatenate(samples), 0, 1)
    if len(values) < LEAST:
        return None
    values = values[:: -(-len(values) // MOST)]
    if _toned(values):
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
