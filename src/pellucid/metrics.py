"""Scores of an output against the clean image. Each states which way is better, and none guesses the data range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.camera import RGB_TO_XYZ
from pellucid.errors import ImageError, OptionError

__all__ = [
    "COMPARED",
    "METRICS",
    "PSNR_CAP",
    "Metric",
    "carded",
    "ciede2000",
    "colour_difference",
    "difference",
    "gmsd",
    "iou",
    "mae",
    "ms_ssim",
    "mse",
    "psnr",
    "scores",
    "ssim",
]

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


def gmsd(clean: Values, answer: Values, *, data_range: float) -> float:
    """Gradient magnitude similarity deviation of the luma; 0 where images are equal, about 0.1 where a good eye sees blur.

    Xue, Zhang, Mou and Bovik 2014, "Gradient Magnitude Similarity Deviation": both images at half the size (means of 2x2 pixels,
    side by side), Prewitt's gradients, black beyond the edges, their similarity at each pixel, and its standard deviation over the
    image. Luma is that of Rec. 601. Raises `ImageError` for unequal shapes and for images under 6 pixels a side.
    """
    first, second = _both(clean, answer, data_range)
    if min(first.shape[:2]) < GMSD_SIDE:
        raise ImageError(f"GMSD needs at least {GMSD_SIDE} pixels a side; the image has {first.shape[1]}x{first.shape[0]}")
    changes = [_changes(_halved(_luma(values) / data_range)) for values in (first, second)]
    alike = (2 * changes[0] * changes[1] + GMS_C) / (changes[0] ** 2 + changes[1] ** 2 + GMS_C)
    return float(np.std(alike))


def mae(clean: Values, answer: Values, *, data_range: float) -> float:
    """Mean absolute difference over all pixels and channels, as a share of ``data_range``; 0 where they are equal.

    Images (h, w) or (h, w, channels) of any float dtype. Raises `ImageError` for unequal shapes.
    """
    first, second = _both(clean, answer, data_range)
    return float(np.mean(np.abs(first - second))) / data_range


def iou(clean: Values, answer: Values, *, data_range: float) -> float:
    """How far two masks cover each other: pixels that both hold over pixels that either holds, 0 to 1 ("intersection over union").

    A pixel belongs to a mask where its value is above half of ``data_range``. Two empty masks are alike: 1. Masks (h, w) or (h, w,
    1) of any float dtype. Raises `ImageError` for unequal shapes.
    """
    first, second = (values > data_range / 2 for values in _both(clean, answer, data_range))
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 1.0


def ciede2000(clean: Values, answer: Values, *, data_range: float) -> float:
    """The mean colour difference CIEDE2000 of two sRGB pictures; 0 where they are equal, about 1 where an eye just sees it.

    Pictures (h, w), (h, w, 1) or (h, w, 3) of any float dtype, ``data_range`` the distance from black to white; gray ones count as
    colourless. See `colour_difference`. Raises `ImageError` for unequal shapes.
    """
    first, second = (_lab(np.atleast_3d(values) / data_range) for values in _both(clean, answer, data_range))
    return float(np.mean(colour_difference(first, second)))


def colour_difference(first: Values, second: Values) -> NDArray[np.float64]:
    """CIEDE2000 of colours (..., 3) in CIELAB (L 0 to 100, a, b), (...), with weights kL = kC = kH = 1.

    Sharma, Wu and Dalal 2005, "The CIEDE2000 Color-Difference Formula: Implementation Notes, Supplementary Test Data, and
    Mathematical Observations"; their 34 published pairs test it.
    """
    light1, a1, b1 = np.moveaxis(np.asarray(first, dtype=np.float64), -1, 0)
    light2, a2, b2 = np.moveaxis(np.asarray(second, dtype=np.float64), -1, 0)
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    chroma1, chroma2 = np.hypot(a1, b1), np.hypot(a2, b2)
    hue1, hue2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    coloured = chroma1 * chroma2 != 0
    # The way from one hue to the other is the shorter one; a colour without chroma has no hue.
    turn = np.where(coloured, (hue2 - hue1 + 180) % 360 - 180, 0.0)
    turn = np.where(coloured & (turn == -180) & (hue2 > hue1), 180.0, turn)
    between = hue1 + hue2
    far = np.abs(hue1 - hue2) > 180
    middle = np.where(far, np.where(between < 360, between + 360, between - 360), between) / 2
    hue = np.where(coloured, middle, between)
    light, chroma = (light1 + light2) / 2, (chroma1 + chroma2) / 2
    cosines = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    offset = (light - 50) ** 2
    by_light = (light2 - light1) / (1 + 0.015 * offset / np.sqrt(20 + offset))
    by_chroma = (chroma2 - chroma1) / (1 + 0.045 * chroma)
    by_hue = 2 * np.sqrt(chroma1 * chroma2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * cosines)
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7)) * np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    squared = by_light**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue
    difference: NDArray[np.float64] = np.sqrt(np.maximum(squared, 0))
    return difference


def _lab(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB (h, w, 3) of sRGB pixels (h, w, 1 or 3) in [0, 1]; D65."""
    clipped = np.clip(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), 0, 1)
    linear = np.where(clipped <= 0.04045, clipped / 12.92, ((clipped + 0.055) / 1.055) ** 2.4)
    # Divided by the sum of each row, which is white: gray has neither a nor b.
    shares = linear @ (RGB_TO_XYZ / RGB_TO_XYZ.sum(axis=1, keepdims=True)).T
    bent = np.where(shares > (6 / 29) ** 3, np.cbrt(shares), shares / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


GMS_C = 170 / 255**2
"""The paper's constant, for images in [0, 1]: changes much smaller than its root count as alike."""
GMSD_SIDE = 6

SSIM_RADIUS = 5

SSIM_SIDE = 2 * SSIM_RADIUS + 1
"""Side of the window in pixels, and the least side of an image."""

MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first; from the paper."""
MS_SSIM_SIDE = SSIM_SIDE * 2 ** (len(MS_SSIM_EXPONENTS) - 1)


def _luma(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    if pixels.ndim == 2:
        return pixels
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels @ np.array([0.299, 0.587, 0.114])


def _changes(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """The magnitude of Prewitt's gradients, black beyond the edges."""
    plane = np.pad(plane, 1)
    across, down = plane[:, 2:] - plane[:, :-2], plane[2:] - plane[:-2]
    across = (across[2:] + across[1:-1] + across[:-2]) / 3
    down = (down[:, 2:] + down[:, 1:-1] + down[:, :-2]) / 3
    return np.hypot(across, down)


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

    @property
    def suffix(self) -> str:
        """The end of a score's name on a card: the title, for all but PSNR."""
        return "" if self.name == "psnr" else f", {self.title}"


METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric("psnr", "PSNR", "peak signal-to-noise ratio", "dB", 2, True, psnr),
        Metric("ssim", "SSIM", "structural similarity, 1 is identical", "", 4, True, ssim, SSIM_SIDE),
        Metric("ms_ssim", "MS-SSIM", "multi-scale structural similarity, 1 is identical", "", 4, True, ms_ssim, MS_SSIM_SIDE),
        Metric("gmsd", "GMSD", "deviation of the similarity of gradients, 0 is identical", "", 4, False, gmsd, GMSD_SIDE),
        Metric("iou", "IoU", "overlap of the masks at half of full alpha, 1 is identical", "", 3, True, iou),
        Metric("mae", "MAE", "mean absolute error, 0 is identical", "", 4, False, mae),
        Metric("ciede2000", "CIEDE2000", "mean colour difference, 0 is identical, 1 is just seen", "", 2, False, ciede2000),
    )
}
"""Name -> metric. `pellucid.tasks.base.TaskModule.METRICS` names those that score a task."""


def carded(name: str) -> Metric:
    """The metric of the score that a card has under ``name``: the one that the name ends with (`Metric.suffix`), else PSNR.

    >>> carded("held-out alpha:box, IoU").name, carded("held-out gaussian:25, blind").unit
    ('iou', 'dB')
    """
    return next((row for row in METRICS.values() if row.suffix and name.endswith(row.suffix)), METRICS["psnr"])


COMPARED = ("psnr", "ssim", "ms_ssim")
"""The metrics of two pictures of which no task is known."""


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
