"""A small network that reads the measurements: what is noise, what only looks like it, and how much there is.

Classical measurements of calm blocks cannot tell a meadow from film grain where an image has nothing but meadow; together with how
they change from calm to calmer blocks, from frequency to frequency and with what JPEG has left, they do. The network is the mean of
six, side by side in its layers, of a few thousand weights each: ``estimator.npz``; ``pellucid calibrate noise`` makes them
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis import impulses, noise
from pellucid.diagnosis.sampling import Blocks

__all__ = ["FLOOR", "Estimate", "Weights", "answer", "features", "load", "stored", "targets"]

FLOOR = 0.5
"""Added to levels before their logarithm, in 8-bit levels: what is below hardly matters."""

MOST_DENSITY = 0.95


@dataclass(frozen=True)
class Estimate:
    """Standard deviations in 8-bit levels of ``white`` noise and of ``correlated`` noise, and the ``density`` of impulses of any
    value."""

    white: float
    correlated: float
    density: float


@dataclass(frozen=True)
class Weights:
    """Layers of (inputs, outputs) matrices with biases, ReLU between them; ``mean`` and ``spread`` of the features."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]

    def of(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network's raw answer to features."""
        values = (inputs - self.mean) / self.spread
        for index, (matrix, bias) in enumerate(self.layers):
            values = values @ matrix + bias
            if index < len(self.layers) - 1:
                values = np.maximum(values, 0)
        return values


def features(
    parts: Sequence[NDArray[np.float32]], blocks: Blocks, white: float, quality: int | None, rougher: float
) -> NDArray[np.float32]:
    """The network's input, from an image: logarithms of spectra and of outliers, ``white`` (`noise.white_sigma`), JPEG's traces."""
    spectra = noise.spectrum(blocks)
    return np.concatenate(
        [
            np.log2(spectra.ravel() + 0.1),
            np.log2(noise.spread(blocks).ravel() + 0.1),
            [noise.independence(parts)],
            [np.log2(white + 0.1)],
            impulses.outliers(parts),
            [(100 if quality is None else quality) / 25, np.log2(min(rougher, 4.0))],
        ]
    ).astype(np.float32)


def targets(white: float, correlated: float, density: float) -> NDArray[np.float32]:
    """The answer that the network should give."""
    return np.array([np.log2(white + FLOOR), np.log2(correlated + FLOOR), 4 * np.sqrt(density)], dtype=np.float32)


def answer(weights: Weights, inputs: NDArray[np.float32]) -> Estimate:
    """The network's answer to an image's features."""
    white, correlated, density = (float(value) for value in weights.of(inputs))
    return Estimate(max(0.0, 2**white - FLOOR), max(0.0, 2**correlated - FLOOR), min(MOST_DENSITY, max(0.0, density / 4) ** 2))


def stored(name: str) -> Weights:
    """The weights in a file of this package."""
    with (resources.files("pellucid.diagnosis") / name).open("rb") as file, np.load(file) as read:
        count = sum(each.startswith("matrix") for each in read.files)
        layers = tuple((read[f"matrix{index}"], read[f"bias{index}"]) for index in range(count))
        return Weights(read["mean"], read["spread"], layers)


@lru_cache(maxsize=1)
def load() -> Weights:
    """The shipped weights."""
    return stored("estimator.npz")
