"""The pixel convention: float32, height x width x channels, sRGB in [0, 1]; and the way there and back from arrays.

`Image` carries beside its pixels what must come back unchanged: alpha, the source's dtype and shape, colour profile, EXIF,
resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage

from pellucid.errors import ImageError

__all__ = ["Image", "Pixels", "from_array", "gray", "resized", "to_array", "to_levels", "with_pixels"]

Pixels = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601 weights of red, green and blue: what Pillow's ``L`` and the papers' gray test sets use."""

BYTES: np.dtype[Any] = np.dtype(np.uint8)

BAND = 2**18
"""Values that are made levels at once: 1 MB of float32, which stays in a processor's cache from one step to the next."""

DEPTHS = ("uint8", "uint16", "float32", "float64")


@dataclass(frozen=True)
class Image:
    """An image: ``pixels`` (height, width, 1 or 3), float32, nominally in [0, 1]; noise may leave the range.

    ``alpha`` (height, width) stays in the source's dtype and is never filtered. ``dtype`` is the source's, ``flat`` whether it came
    as (height, width) without a channel axis. ``icc``, ``exif`` and ``resolution`` (dots per inch) are as the file had them;
    ``subsampling`` is a JPEG's chroma subsampling in Pillow's numbers (None: not a JPEG).
    """

    pixels: Pixels
    alpha: NDArray[Any] | None = None
    dtype: np.dtype[Any] = BYTES
    flat: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    resolution: tuple[float, float] | None = None
    subsampling: int | None = None


def from_array(array: ArrayLike) -> Image:
    """The image in an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4; the last is alpha).

    Takes uint8, uint16, float32 and float64; integers are divided by their dtype's maximum, floats taken as [0, 1] and not
    clipped. Raises `ImageError` for other shapes and dtypes, for an empty array, and for NaN or infinite values.
    """
    values = np.asarray(array)
    if values.dtype.name not in DEPTHS:
        raise ImageError(f"an array of dtype {values.dtype} is no image; {', '.join(DEPTHS)} are taken")
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise ImageError(f"an array of shape {values.shape} is no image; (h, w), (h, w, 1), (h, w, 3) and (h, w, 4) are taken")
    if values.size == 0:
        raise ImageError(f"an array of shape {values.shape} has no pixels")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ImageError("the array has NaN or infinite values; replace them first")
    flat = values.ndim == 2
    planes = values[..., None] if flat else values
    alpha = None
    if planes.shape[2] == 4:
        planes, alpha = planes[..., :3], planes[..., 3]
    if values.dtype.kind == "u":
        # In one pass over the memory, which is what large images take their time from.
        pixels: Pixels = np.divide(planes, np.float32(np.iinfo(values.dtype).max), dtype=np.float32)
    else:
        pixels = planes.astype(np.float32)
    return Image(pixels=pixels, alpha=alpha, dtype=values.dtype, flat=flat)


def to_array(image: Image) -> NDArray[Any]:
    """The image as an array of its source's dtype and shape: integers are clipped and rounded, floats are not."""
    values: NDArray[Any] = image.pixels
    if image.dtype.kind == "u":
        values = to_levels(image.pixels, image.dtype)
    values = values.astype(image.dtype, copy=False)
    if image.alpha is not None:
        values = np.concatenate([values, image.alpha[..., None].astype(image.dtype)], axis=2)
    return values[..., 0] if image.flat else values


def to_levels(pixels: Pixels, dtype: np.dtype[Any]) -> NDArray[Any]:
    """(h, w, c) pixels as integers of ``dtype``: clipped to [0, 1], times its maximum, rounded."""
    levels = np.empty(pixels.shape, dtype)
    rows = max(1, BAND // max(1, pixels[:1].size))
    for start in range(0, len(pixels), rows):
        band = np.clip(pixels[start : start + rows], 0, 1)
        band *= np.float32(np.iinfo(dtype).max)
        levels[start : start + rows] = np.rint(band, out=band)
    return levels


def with_pixels(image: Image, pixels: Pixels) -> Image:
    """The same image with other pixels; everything beside them is kept."""
    return replace(image, pixels=pixels)


def gray(pixels: NDArray[np.floating[Any]]) -> Pixels:
    """The luma (height, width, 1) of colour pixels (height, width, 3), by Rec. 601; gray pixels come back as they are."""
    if pixels.shape[2] == 1:
        return pixels.astype(np.float32)
    luma: Pixels = (pixels.astype(np.float32) @ LUMA)[..., None]
    return luma


def resized(pixels: NDArray[np.floating[Any]], height: int, width: int, kernel: PillowImage.Resampling) -> Pixels:
    """Pixels (h, w, channels) at another size, float32, by Pillow's ``kernel``, widened where the image shrinks; nothing is
    clipped."""
    planes = [
        np.asarray(PillowImage.fromarray(pixels[..., channel].astype(np.float32)).resize((width, height), kernel))
        for channel in range(pixels.shape[2])
    ]
    return np.stack(planes, axis=2)
