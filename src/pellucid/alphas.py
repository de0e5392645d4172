"""Pictures that get alpha, become their alpha, or lose their edges: everything beside their pixels follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import masks, ranges
from pellucid.images import BICUBIC, Image, resized
from pellucid.rows import whole

__all__ = ["as_mask", "cropped", "opaque", "with_alpha", "with_alpha_resized"]


def opaque(dtype: np.dtype[Any]) -> float:
    """The value of alpha in this dtype where nothing shows through: the largest whole number, 1 for floats and truth values."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def with_alpha(image: Image, planes: NDArray[Any], hidden: float = 0.0) -> Image:
    """The image with the pixels and the alpha of ``planes`` (h, w, channels + 1): its own whole numbers, or float32 in [0, 1].

    Alpha gets the image's dtype. It is ``hidden`` where no image is, and nowhere above the alpha that was there before.
    """
    alpha = planes[..., -1]
    most = opaque(image.dtype)
    if alpha.dtype != image.dtype:
        scaled = alpha.astype(np.float64) * most
        alpha = (scaled if image.dtype.kind == "f" else np.rint(scaled)).astype(image.dtype)
    before = image.alpha
    if before is not None:
        product = alpha.astype(np.float64) * whole(before) / opaque(before.dtype)
        alpha = (product if image.dtype.kind == "f" else np.rint(product)).astype(image.dtype)
    if image.mask is not None:
        alpha = np.where(whole(image.mask.valid), alpha, alpha.dtype.type(hidden * most))
    return replace(image, pixels=planes[..., :-1], alpha=alpha)


def as_mask(image: Image, plane: Any) -> Image:
    """Alpha as a gray picture, from a ``plane`` (h, w, 1): black is what is cut away. Profile, mask and what the image's own format
    wants back were for its colours."""
    whole_range = {"black": 0.0, "white": None}
    return replace(image, pixels=plane, alpha=None, flat=True, icc=None, notes=None, mask=None, **whole_range)


def cropped(image: Image, top: int, left: int, height: int, width: int) -> Image:
    """The part of an image in memory that begins at row ``top`` and column ``left``."""
    rows, columns = slice(top, top + height), slice(left, left + width)
    mask = image.mask
    if mask is not None:
        mask = replace(mask, valid=mask.valid[rows, columns], values=mask.values[rows, columns])
    alpha = None if image.alpha is None else image.alpha[rows, columns]
    return replace(image, pixels=image.pixels[rows, columns], alpha=alpha, mask=mask, corner=(top, left))


def with_alpha_resized(image: Image) -> Image:
    """The image with its alpha, bicubic and in alpha's own depth, and its mask, each pixel repeated, at the size of its pixels."""
    height, width = image.pixels.shape[:2]
    if image.alpha is not None and image.alpha.shape[:2] != (height, width):
        alpha = whole(image.alpha)
        larger = resized(alpha[..., None].astype(np.float32), height, width, BICUBIC)[..., 0]
        low, high = ranges.dtype_ends(alpha.dtype)
        larger = np.clip(larger, max(low, float(alpha.min())), min(high, float(alpha.max())))
        image = replace(image, alpha=(np.rint(larger) if alpha.dtype.kind != "f" else larger).astype(alpha.dtype))
    if image.mask is None or image.mask.valid.shape[:2] == (height, width):
        return image
    mask = masks.resized(image.mask, height, width)
    if mask.shown:
        # What comes to be shown has the colours that were filled in.
        mask = replace(mask, valid=whole(mask.valid) | (whole(image.alpha) != 0))
    return replace(image, mask=mask)
