"""Scores of an output against the clean image. Each states which way is better, and none guesses the data range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError, OptionError

__all__ = ["METRICS", "PSNR_CAP", "Metric", "difference", "ms_ssim", "mse", "psnr", "scores", "ssim"]

Values = NDArray[np.floating[Any]]

PSNR_CAP = 70.0
"""PSNR in dB at which the score of a digit or a held-out image is capped: an image restored without any error must not make the
mean infinite."""


def _both(clean: Values, answer: Values, data_range: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if clean.shape != answer.shape or clean.ndim not in (2, 3) or clean.size == 0:
        raise ImageError(f"images of shapes {clean.shape} and {answer.shape} cannot be compared")
    if not data_range > 0:
        raise OptionError(f"data_range must be above 0, not {data_range!r}")
    return clean.astype(np.float64), answer.astype(np.float64)


def mse(clean: Values, answer: Values) -> float:
    """Mean squared difference over all pixels and channels."""
    first, second = _both(clean, answer, 1.0)
    return float(np.mean(np.square(first - second)))


def difference(clean: Values, answer: Values) -> NDArray[np.float64]:
    """``answer`` minus ``clean``, pixel by pixel; `ImageError` for unequal shapes."""
    first, second = _both(clean, answer, 1.0)
    return second - first


def psnr(clean: Values, answer: Values, *, data_range: float) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(data_range^2 / MSE) over all pixels and channels; infinite where they are equal.

    Images (h, w) or (h, w, channels) of any float dtype; ``data_range`` is the distance from black to white (1.0 for floats in
    [0, 1]). Raises `ImageError` for unequal shapes.
    """
    first, second = _both(clean, answer, data_range)
    error = float(np.mean(np.square(first - second)))
    return float("inf") if error == 0 else float(10 * np.log10(data_range**2 / error))


def ssim(clean: Values, answer: Values, *, data_range: float) -> float:
    """Mean structural similarity, at most 1; of colour images the mean of the channels.

    Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity": Gaussian window of 11 pixels and
    standard deviation 1.5, K1 = 0.01, K2 = 0.03, population covariance, the mean over the pixels whose window lies inside. Raises
    `ImageError` for unequal shapes and for images under 11 pixels a side.
    """
    first, second = _both(clean, answer, data_range)
    if min(first.shape[:2]) < SSIM_SIDE:
        raise ImageError(f"SSIM needs at least {SSIM_SIDE} pixels a side; the image has {first.shape[1]}x{first.shape[0]}")
    return float(np.mean([_similarity(*planes, data_range)[0] for planes in _channels(first, second)]))


def ms_ssim(clean: Values, answer: Values, *, data_range: float) -> float:
    """Multi-scale structural similarity, at most 1; of colour images the mean of the channels.

    Wang, Simoncelli and Bovik 2003, "Multi-scale structural similarity for image quality assessment": contrast and structure at
    five scales, each the mean of 2x2 pixels of the one before (an odd last row or column is left out), luminance at the coarsest,
    with the published exponents; the windows and constants of `ssim`. A negative structure counts as 0. Raises `ImageError` for
    unequal shapes and for images under 176 pixels a side, whose coarsest scale is smaller than the window.
    """
    first, second = _both(clean, answer, data_range)
    if min(first.shape[:2]) < MS_SSIM_SIDE:
        raise ImageError(f"MS-SSIM needs at least {MS_SSIM_SIDE} pixels a side; the image has {first.shape[1]}x{first.shape[0]}")
    scores = []
    for one, other in _channels(first, second):
        score = 1.0
        for scale, exponent in enumerate(MS_SSIM_EXPONENTS):
            whole, structure = _similarity(one, other, data_range)
            last = scale == len(MS_SSIM_EXPONENTS) - 1
            score *= max(0.0, whole if last else structure) ** exponent
            one, other = _halved(one), _halved(other)
        scores.append(score)
    return float(np.mean(scores))


SSIM_RADIUS = 5

SSIM_SIDE = 2 * SSIM_RADIUS + 1
"""Side of the window in pixels, and the least side of an image."""

MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first; from the paper."""
MS_SSIM_SIDE = SSIM_SIDE * 2 ** (len(MS_SSIM_EXPONENTS) - 1)


def _channels(first: NDArray[np.float64], second: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    if first.ndim == 2:
        return [(first, second)]
    return [(first[..., channel], second[..., channel]) for channel in range(first.shape[2])]


def _similarity(first: NDArray[np.float64], second: NDArray[np.float64], data_range: float) -> tuple[float, float]:
    """The means of SSIM, and of its factor for contrast and structure, of two planes (h, w)."""
    mean1, mean2 = _smoothed(first), _smoothed(second)
    variance1 = _smoothed(first * first) - mean1 * mean1
    variance2 = _smoothed(second * second) - mean2 * mean2
    covariance = _smoothed(first * second) - mean1 * mean2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    structure = (2 * covariance + c2) / (variance1 + variance2 + c2)
    luminance = (2 * mean1 * mean2 + c1) / (mean1 * mean1 + mean2 * mean2 + c1)
    return float(np.mean(luminance * structure)), float(np.mean(structure))


def _halved(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each 2x2 pixels."""
    height, width = plane.shape[0] // 2 * 2, plane.shape[1] // 2 * 2
    even = plane[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def _smoothed(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The plane under the Gaussian window, where the window lies inside."""
    places = np.arange(-SSIM_RADIUS, SSIM_RADIUS + 1)
    window = np.exp(-(places**2) / (2 * 1.5**2))
    window /= window.sum()
    height, width = plane.shape
    across = sum(weight * plane[:, i : width - 2 * SSIM_RADIUS + i] for i, weight in enumerate(window))
    down: NDArray[np.float64] = np.zeros((height - 2 * SSIM_RADIUS, width - 2 * SSIM_RADIUS))
    for i, weight in enumerate(window):
        down += weight * across[i : height - 2 * SSIM_RADIUS + i]
    return down


@dataclass(frozen=True)
class Metric:
    """A score of an output against the clean image.

    ``name`` is the key in JSON; ``label``, ``summary``, ``unit`` and ``digits`` (those behind the point) are how tables and pages
    show it. ``function(clean, output, data_range=...)`` computes it; images with a side below ``least_side`` pixels have none. A
    metric without a ``least_side`` may be infinite, which JSON writes as null: not one pixel differs.
    """

    name: str
    label: str
    summary: str
    unit: str
    digits: int
    higher_is_better: bool
    function: Callable[..., float]
    least_side: int = 1

    @property
    def title(self) -> str:
        """The label with the unit."""
        return f"{self.label} in {self.unit}" if self.unit else self.label


METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric("psnr", "PSNR", "peak signal-to-noise ratio", "dB", 2, True, psnr),
        Metric("ssim", "SSIM", "structural similarity, 1 is identical", "", 4, True, ssim, SSIM_SIDE),
        Metric("ms_ssim", "MS-SSIM", "multi-scale structural similarity, 1 is identical", "", 4, True, ms_ssim, MS_SSIM_SIDE),
    )
}
"""Name -> metric. `pellucid.tasks.base.TaskModule.METRICS` names those that score a task."""


def scores(clean: Values, output: Values, names: Sequence[str]) -> dict[str, float | None]:
    """The metrics of these names, of images in [0, 1]; None where the images are too small for one, and for one that is infinite,
    as PSNR is where not one pixel differs."""
    if np.array_equal(clean.astype(np.float32), output.astype(np.float32)):
        # Outputs are float32, and the clean image is not: rounding is no error.
        output = clean
    rounded: dict[str, float | None] = {}
    for name in names:
        metric = METRICS[name]
        large = min(clean.shape[:2]) >= metric.least_side
        value = metric.function(clean, output, data_range=1.0) if large else float("inf")
        rounded[name] = round(value, 6) if np.isfinite(value) else None
    return rounded
