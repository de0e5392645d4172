"""How much nearer to the clean image an answer is than the noisy one, measured without the clean image.

With white Gaussian noise, the mean square error of the best answer is the noise's variance times the answer's mean divergence
(Efron 2011, "Tweedie's Formula and Selection Bias"); that of any answer is what it took away, less the variance, and twice that
product (Stein 1981). The first is off where the network is not the best one, the second where the level is. A small network (its
weights in ``gain.npz``; ``pellucid calibrate gain`` makes them again) reads both, and what was taken away, and says by how much
the first is off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis import estimator

__all__ = ["COARSE", "Measured", "best", "expected", "load"]

COARSE = (2, 4, 8)
"""Sides in pixels of the blocks in whose means what was taken away is looked at: those of noise are as small as chance makes
them."""

FARTHEST = 6.0
"""The most by which the formulas may differ, in dB: where hardly any error is left, the second subtracts large numbers."""


@dataclass
class Measured:
    """Measurements of an answer, added up part by part; all are sums over pixels, of values in [0, 1]."""

    error: float = 0.0
    noise: float = 0.0
    taken: float = 0.0
    ends: float = 0.0
    count: int = 0
    channels: int = 1
    coarse: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(COARSE)))
    calm: list[NDArray[np.float32]] = field(default_factory=list)

    def add(
        self,
        planes: NDArray[np.float32],
        answer: NDArray[np.float32],
        level: NDArray[np.float32],
        divergence: NDArray[np.float32],
    ) -> None:
        """A part: its noisy ``planes`` and the ``answer`` (channels, h, w), the noise's ``level`` (h, w), and what the answer's
        ``divergence`` is at each pixel (h, w), the mean of the channels."""
        variance = np.square(level)
        gone = planes - answer
        self.error += float((variance * divergence).sum(dtype=np.float64))
        self.noise += float(variance.sum(dtype=np.float64))
        self.taken += float(np.square(gone).mean(axis=0).sum(dtype=np.float64))
        self.ends += float(((planes <= 0) | (planes >= 1)).mean(axis=0).sum(dtype=np.float64))
        self.count += level.size
        self.channels = len(planes)
        for place, side in enumerate(COARSE):
            means = _means(gone, side)
            self.coarse[place] += float(np.square(means).mean(axis=0).sum(dtype=np.float64)) * side**4
        steps = np.square(np.diff(answer, axis=1)[:, :, :-1]) + np.square(np.diff(answer, axis=2)[:, :-1])
        self.calm.append(_means(steps, COARSE[-1]).mean(axis=0).ravel())


def _means(planes: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The means of blocks of ``side`` pixels of (channels, h, w)."""
    rows, columns = (length // side for length in planes.shape[1:])
    cut = planes[:, : rows * side, : columns * side].reshape(len(planes), rows, side, columns, side)
    answer: NDArray[np.float32] = cut.mean(axis=(2, 4))
    return answer


def best(found: Measured) -> float:
    """The gain in dB of the best possible answer with this divergence (Efron's formula)."""
    return -10 * float(np.log10(max(found.error / found.noise, 1e-6)))


def features(found: Measured) -> NDArray[np.float32]:
    """The network's input."""
    first = best(found)
    any_answer = -10 * float(np.log10(max((found.taken - found.noise + 2 * found.error) / found.noise, 1e-6)))
    steps = np.concatenate(found.calm) * found.count / found.noise
    return np.array(
        [
            first,
            np.clip(any_answer - first, -FARTHEST, FARTHEST),
            found.taken / found.noise,
            *np.log2(found.coarse / found.noise + 1e-3),
            np.log2(255 * np.sqrt(found.noise / found.count) + estimator.FLOOR),
            found.channels,
            found.ends / found.count,
            *np.log2(np.quantile(steps, [0.1, 0.5, 0.9]) + 1e-3),
        ],
        dtype=np.float32,
    )


def expected(found: Measured) -> float:
    """The gain in dB."""
    return best(found) + float(load().of(features(found))[0])


@lru_cache(maxsize=1)
def load() -> estimator.Weights:
    """The shipped weights."""
    return estimator.stored("gain.npz")
