"""How far a restored pixel is from the clean one, told without the clean one: a standard deviation for each pixel.

A small network (its weights in ``doubt.npz``; ``pellucid calibrate confidence`` makes them again) reads what lies around a pixel:
the noise's level, the contrast and the edges of the output, what was taken away, finely and in the mean, which is where detail went
with the noise. It learnt the quantile of the absolute error that 68.27 % of errors are below (Koenker and Bassett 1978,
"Regression Quantiles"): of a Gaussian that is one standard deviation, and of any error 68 % lie inside one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pellucid import images, maps
from pellucid.diagnosis import estimator

__all__ = ["FLOOR", "INSIDE", "REACH", "expected", "features", "load"]

Planes = NDArray[np.float32]

INSIDE = 0.6827
"""The share of a Gaussian's errors inside one standard deviation."""

CONTRASTS, TAKEN = (5, 17), (3, 9, 25)
"""Sides in pixels of the windows in which the output's variance, and what was taken away, is averaged."""

REACH = 1 + max(*CONTRASTS, *TAKEN) // 2
"""Pixels around one on which its features depend."""

FLOOR = np.float32(1e-3)
"""Added to variances, as shares of the noise's, before their logarithm."""

FAINTEST = np.float32(0.2 / 255)
"""The least level, in [0, 1]: an error is never expected to be nothing, and 8-bit files are rounded by 0.29 levels."""

NEAR = np.float32(0.1)
"""How near to black or white, in [0, 1], clipping matters."""

ROWS = 2**18
"""About how many pixels are worked on at once."""


def features(given: Planes, output: Planes, level: Planes, *, white: bool, density: float) -> Planes:
    """The network's input (h, w, features), from a picture as it was ``given`` and its ``output`` (channels, h, w), the noise's
    ``level`` (h, w) in [0, 1], whether that is ``white``, and the share of impulses."""
    level = np.maximum(level, FAINTEST)
    variance = np.square(level)
    luma: Planes = output[0] if len(output) == 1 else np.tensordot(images.LUMA, output, axes=1).astype(np.float32)
    gone = given - output
    energy: Planes = np.asarray(np.square(gone).mean(axis=0), dtype=np.float32)
    edges = (
        np.square(np.gradient(luma, axis=0)) + np.square(np.gradient(luma, axis=1)) if min(luma.shape) > 1 else np.zeros_like(luma)
    )
    coarse = np.asarray(
        np.mean([np.square(maps.box_mean(plane, TAKEN[1])) for plane in gone], axis=0) * TAKEN[1] ** 2, dtype=np.float32
    )
    shares = [_variance(luma, side) for side in CONTRASTS]
    shares += [maps.box_mean(np.asarray(edges, dtype=np.float32), 3)]
    shares += [maps.box_mean(energy, side) for side in TAKEN]
    shares += [coarse]
    logarithms = [np.log2(share / variance + FLOOR) for share in shares]
    plain = [
        np.log2(255 * level + np.float32(estimator.FLOOR)),
        luma,
        np.minimum(np.minimum(luma, 1 - luma), NEAR) / NEAR,
        np.full_like(luma, len(output)),
        np.full_like(luma, white),
        np.full_like(luma, np.log2(density + 1e-3)),
    ]
    return np.stack([*logarithms, *plain], axis=2, dtype=np.float32)


def _variance(plane: Planes, side: int) -> Planes:
    mean = maps.box_mean(plane, side)
    return np.maximum(maps.box_mean(np.square(plane), side) - np.square(mean), 0)


def expected(
    given: Planes, output: Planes, level: Planes, *, white: bool, density: float, weights: estimator.Weights | None = None
) -> Planes:
    """The standard deviation (h, w) of the output's error at each pixel, in [0, 1]; see `features`."""
    weights = load() if weights is None else weights
    answer = np.empty(level.shape, np.float32)
    for top, bottom, above, below in _bands(*level.shape):
        part = slice(above, below)
        read = features(given[:, part], output[:, part], level[part], white=white, density=density)[top - above : bottom - above]
        exponent = np.clip(weights.of(read)[..., 0], -12, 6)
        answer[top:bottom] = np.maximum(level[top:bottom], FAINTEST) * np.exp2(exponent)
    return np.minimum(answer, 1)


def _bands(height: int, width: int) -> Iterator[tuple[int, int, int, int]]:
    """Rows from and to, and those around them that their features depend on."""
    rows = max(1, ROWS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        yield top, bottom, max(0, top - REACH), min(height, bottom + REACH)


@lru_cache(maxsize=1)
def load() -> estimator.Weights:
    """The shipped weights."""
    return estimator.stored("doubt.npz")
