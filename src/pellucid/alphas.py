"""Pictures that get alpha, become their alpha, or lose their edges: everything beside their pixels follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import masks, ranges
from pellucid.images import BICUBIC, Image, cropped, resized, white_of
from pellucid.rows import rows_of, whole

__all__ = ["as_mask", "cropped_to", "is_transparent", "opaque", "opaque_of", "with_alpha", "with_alpha_resized"]

BAND = 256
"""Rows that are looked at together."""


def opaque(dtype: np.dtype[Any]) -> float:
    """The value of alpha in this dtype where nothing shows through: the largest whole number, 1 for floats and truth values."""
    return float(np.iinfo(dtype).max) if dtype.kind in "iu" else 1.0


def opaque_of(image: Image) -> float:
    """The value of the image's own alpha where nothing shows through. It is the colours' white where alpha is in their units: whole
    numbers of which the file states their white, and none lies above it, or floats above 2 and a tenth of that white. Filters leave
    floats a little above 1, which are opaque, too."""
    own = opaque(image.alpha.dtype)
    if image.alpha.dtype.kind in "iu" and not (image.stated and image.white is not None):
        return own
    height = image.alpha.shape[0]
    largest = max(float(rows_of(image.alpha, top, min(top + BAND, height)).max()) for top in range(0, height, BAND))
    if image.alpha.dtype.kind in "iu":
        return white_of(image) if largest <= white_of(image) else own
    return max(largest, white_of(image)) if largest > max(2.0, white_of(image) / 10) else own


def with_alpha(image: Image, planes: NDArray[Any], hidden: float = 0.0, *, own: bool = False) -> Image:
    """The image with the pixels and the alpha of ``planes`` (h, w, channels + 1): its own whole numbers, or float32 in [0, 1].

    Alpha gets the image's dtype. It is ``hidden`` where no image is, and nowhere above the alpha that was there before, which it is
    multiplied by, unless it was made of that (``own``).
    """
    alpha = planes[..., -1]
    most = opaque(image.dtype)
    if alpha.dtype != image.dtype:
        scaled = alpha.astype(np.float64) * most
        alpha = (scaled if image.dtype.kind == "f" else np.rint(scaled)).astype(image.dtype)
    before = image.alpha
    if before is not None:
        shares = whole(before) / np.float64(opaque_of(image))
        within = np.minimum(alpha, shares * most) if own else alpha * shares
        alpha = (within if image.dtype.kind == "f" else np.rint(within)).astype(image.dtype)
    if image.mask is not None:
        alpha = np.where(whole(image.mask.valid), alpha, alpha.dtype.type(hidden * most))
    return replace(image, pixels=planes[..., :-1], alpha=alpha)


def as_mask(image: Image, plane: Any) -> Image:
    """Alpha as a gray picture, from a ``plane`` (h, w, 1): black is what is cut away. Profile, mask and what the image's own format
    wants back were for its colours."""
    image = replace(image, pixels=plane, alpha=None, flat=True, icc=None, notes=None, mask=None)
    return replace(image, black=0.0, white=None)


def is_transparent(image: Image) -> bool:
    """Whether alpha lets anything through: many programs write one that does not."""
    if image.alpha is None:
        return False
    most, height = opaque_of(image), image.alpha.shape[0]
    return any(bool((rows_of(image.alpha, top, min(top + BAND, height)) < most).any()) for top in range(0, height, BAND))


def cropped_to(image: Image, shown: NDArray[Any], beyond: float = 0.0) -> Image:
    """The part of an image in memory that holds all of ``shown`` (h, w; whole numbers of full range, or floats) above ``beyond``, a
    share of full range; all of it where there is nothing."""
    least = np.rint(beyond * opaque(shown.dtype)) if shown.dtype.kind in "iu" else beyond
    there = shown > least
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    if not len(rows):
        return image
    top, left, bottom, right = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    part = cropped(image, top, left, bottom, right)
    mask = image.mask
    if mask is not None:
        area = slice(top, bottom), slice(left, right)
        mask = replace(mask, valid=mask.valid[area], values=mask.values[area])
    return replace(part, mask=mask, size=image.size, corner=(top, left))


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
        # Pixels that come to be shown have the colours that were filled in.
        mask = replace(mask, valid=whole(mask.valid) | (whole(image.alpha) != 0))
    return replace(image, mask=mask)
