"""A picture at another depth: as a file of 8 or 16 bits or of float32 would hold it, with black and white at the ends of its range.

Between the steps of a chain a picture is as a float32 file holds it, so that nothing is rounded there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import masks, ranges
from pellucid.alphas import opaque, opaque_of
from pellucid.images import Image, floating, to_levels
from pellucid.masks import Mask
from pellucid.rows import Rows
from pellucid.units import normalised

__all__ = ["DEPTHS", "as_source", "at_depth", "between"]

DEPTHS: dict[str, np.dtype[Any]] = {"8": np.dtype(np.uint8), "16": np.dtype(np.uint16), "float32": np.dtype(np.float32)}
"""The depths by name."""

MIDDLE = 0.5
"""The pixel that stands where no image is, and none is near: half way from black to white, as where files are read."""


def at_depth(image: Image, depth: str) -> Image:
    """The image at one of `DEPTHS`, pixels 0 and 1 at the ends of its range; as it is for ``auto``, and where it has that depth."""
    if depth == "auto":
        return image
    dtype = DEPTHS[depth]
    if image.dtype == dtype and image.black == 0 and image.white is None:
        return image
    return _at(image, dtype)


def between(image: Image) -> Image:
    """The image as a float32 file gives it back: pixels that are no image are filled from those around them as they are now."""
    image = _at(image, DEPTHS["float32"])
    mask = image.mask
    if mask is None:
        return image
    pixels = image.pixels
    if isinstance(pixels, Rows):
        assert isinstance(mask.valid, Rows)
        filled = masks.fill_rows(pixels.take, mask.valid.take, pixels.shape[0], MIDDLE)
        return replace(image, pixels=Rows(pixels.shape, pixels.dtype, filled))
    return replace(image, pixels=masks.fill(pixels, mask.valid, MIDDLE))


def as_source(image: Image, source: Image) -> Image:
    """The image, which `between` was made of ``source``, in the dtype and units of that again."""
    alpha = image.alpha
    if alpha is not None:
        most = opaque(source.dtype) if source.alpha is None else opaque_of(source)
        alpha = _mapped(alpha, lambda band: _alpha_at(band, source.dtype, opaque(band.dtype), most), source.dtype)
    return replace(
        image,
        dtype=source.dtype,
        black=source.black,
        white=source.white,
        flat=image.flat,
        alpha=alpha,
        mask=_mask_of(image, source),
    )


def _mask_of(image: Image, source: Image) -> Mask | None:
    """The image's mask with what stood there in the source, in its units."""
    mask, before = image.mask, source.mask
    if mask is None or before is None:
        return None if mask is None else replace(mask, values=_values_at(mask.values, (0.0, 1.0), source.dtype))
    height, width = image.pixels.shape[:2]
    before = masks.resized(before, height, width)
    if mask.values.shape[2] != before.values.shape[2]:
        before = masks.in_channels(before, mask.values.shape[2])
    return replace(before, valid=mask.valid)


def _at(image: Image, dtype: np.dtype[Any]) -> Image:
    """The image at that depth."""
    ends = image.black, ranges.dtype_ends(image.dtype)[1] if image.white is None else image.white
    mask = image.mask
    if mask is not None:
        mask = replace(mask, values=_values_at(mask.values, ends, dtype), reserved=None)
    alpha = image.alpha
    if alpha is not None:
        shown = opaque_of(image)
        alpha = _mapped(alpha, lambda band: _alpha_at(band, dtype, shown, opaque(dtype)), dtype)
    pixels = image.pixels
    if isinstance(pixels, Rows):
        if pixels.dtype.kind != "f":
            pixels = pixels.mapped(lambda band: normalised(band, ends), pixels.shape, np.dtype(np.float32))
    else:
        pixels = floating(image).pixels
    return replace(image, pixels=pixels, alpha=alpha, mask=mask, dtype=dtype, black=0.0, white=None, kept=None)


def _mapped(values: Any, change: Any, dtype: np.dtype[Any]) -> Any:
    return values.mapped(change, values.shape, dtype) if isinstance(values, Rows) else change(values)


def _alpha_at(alpha: NDArray[Any], dtype: np.dtype[Any], shown: float, most: float) -> NDArray[Any]:
    """Alpha in another dtype, ``most`` where it was ``shown``."""
    if alpha.dtype == dtype and shown == most:
        return alpha
    shares = alpha.astype(np.float64) / shown
    if dtype.kind not in "iu":
        return (shares * most).astype(dtype)
    return np.rint(np.clip(shares, 0, 1) * most).astype(dtype)


def _values_at(values: Any, ends: tuple[float, float], dtype: np.dtype[Any]) -> Any:
    """Values of pixels that are no image, in another dtype: black for NaN, where the dtype has only numbers."""

    def change(band: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(invalid="ignore"):
            pixels = normalised(band, ends)
        if dtype.kind == "f":
            return pixels.astype(dtype)
        pixels = np.nan_to_num(np.clip(pixels, 0, 1), nan=0.0)
        if dtype.name in ("uint8", "uint16"):
            return to_levels(pixels, dtype)
        low, high = ranges.dtype_ends(dtype)
        return np.rint(low + pixels.astype(np.float64) * (high - low)).astype(dtype)

    return _mapped(values, change, dtype)
