"""How much of a restoration each pixel gets: masks that people draw, at any size; and pixels that must stay as they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage

from pellucid.alphas import is_transparent, opaque_of
from pellucid.errors import ImageError, OptionError
from pellucid.images import Image, array_of, floating, gray, resized
from pellucid.masks import Mask
from pellucid.rows import Rows, whole
from pellucid.steps import Steps
from pellucid.tasks.settings import Settings, Shape
from pellucid.tiling import Place

__all__ = ["changed", "check", "fitted", "of_image", "of_piece", "plane", "untouched", "untouched_values"]

Weights = NDArray[np.float32]

ROUNDING = np.float32(1e-6)
"""How near to 0 or 1 a scaled mask is taken for that: sums of a filter's weights differ so much from 1."""


def of_image(image: Image) -> Weights:
    """The weights (h, w) of a picture: its alpha, where that lets anything through, else its luma; white is 1."""
    if is_transparent(image):
        return plane(whole(image.alpha).astype(np.float32) / np.float32(opaque_of(image)))
    return plane(gray(floating(image).pixels)[..., 0])


def plane(mask: ArrayLike) -> Weights:
    """The weights (h, w) as float32 in [0, 1], from floats in [0, 1], truth values, or whole numbers of 8 or 16 bits; `ImageError`
    for another shape or dtype, and for what is no number."""
    values = np.asarray(array_of(mask))
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    if values.ndim != 2 or values.size == 0:
        raise ImageError(f"a mask has the shape (h, w), not {values.shape}")
    if values.dtype.name in ("uint8", "uint16"):
        return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)
    if values.dtype.kind not in "fb":
        raise ImageError(f"a mask has floats, truth values, or whole numbers of 8 or 16 bits, not {values.dtype}")
    if not np.isfinite(values).all():
        raise ImageError("a mask has numbers alone, no NaN")
    return np.clip(values.astype(np.float32), 0, 1)


def check(task: str, settings: Settings | Steps, picture: Image) -> None:
    """Raises `OptionError` where the size of the output is not known before the work: no mask can be fitted to it."""
    if None in settings.answer(Shape.of(picture))[:2]:
        raise OptionError(f"{task}: a mask cannot be fitted to an output that is cut off (crop); leave out one of them")


def fitted(weights: Weights, height: int, width: int) -> Weights:
    """The weights at that size: linear between pixels, averaged where they shrink."""
    if weights.shape == (height, width):
        return weights
    scaled = resized(weights[..., None], height, width, PillowImage.Resampling.BILINEAR)[..., 0]
    scaled[scaled < ROUNDING] = 0
    scaled[scaled > 1 - ROUNDING] = 1
    return scaled


def of_piece(weights: Weights, place: Place, scale: int) -> Weights:
    """The weights of a piece's output; those at the border go on where the piece is padded beyond it."""
    height, width = weights.shape
    rows = np.clip(np.arange(place.top * scale, (place.top + place.height) * scale), 0, height - 1)
    columns = np.clip(np.arange(place.left * scale, (place.left + place.width) * scale), 0, width - 1)
    return weights[rows[:, None], columns]


def untouched(output: Image, picture: Image, weights: Weights) -> Image:
    """The output with the picture's own values where the weight is 0, for the writer, where the picture kept them (`Image.kept`)
    and the output has its size and channels."""
    values = picture.kept
    if values is None or output.pixels.shape != picture.pixels.shape:
        return output
    height, width = output.pixels.shape[:2]
    touched = fitted(weights, height, width) > 0
    if output.mask is None:
        there: Any = touched if not isinstance(values, Rows) else Rows(touched.shape, touched.dtype, lambda a, b: touched[a:b])
        return replace(output, mask=Mask(there, values))
    valid = output.mask.valid
    if isinstance(valid, Rows):
        return replace(output, mask=replace(output.mask, valid=_both(valid, touched)))
    return replace(output, mask=replace(output.mask, valid=valid & touched))


def _both(valid: Rows, touched: NDArray[np.bool_]) -> Rows:
    return Rows(valid.shape, valid.dtype, lambda top, bottom: valid.take(top, bottom) & touched[top:bottom])


def changed(output: Image, picture: Image) -> Weights | None:
    """1 where the output's pixel is another one, else 0: there the source's values come back, which may have more bits than a
    pixel. None where all of them fit into pixels, or the output has another size or other channels."""
    after, before = output.pixels, picture.pixels
    if isinstance(after, Rows) or picture.dtype.itemsize < 4 or after.shape != before.shape:
        return None
    return np.asarray((after != before).any(axis=2), np.float32)


def untouched_values(output: NDArray[Any], given: Any, weights: Weights) -> NDArray[Any]:
    """An array with the given one's values where the weight is 0, where both have one shape."""
    values = array_of(given)
    if values.shape != output.shape:
        return output
    still = fitted(weights, *values.shape[:2]) == 0
    output[still] = values[still]
    return output
