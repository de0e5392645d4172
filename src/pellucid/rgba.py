"""Pictures as red, green, blue and alpha in one array: for learning and scoring, where colours count that are not shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import images
from pellucid.images import Image, Pixels

__all__ = ["planes_of", "resized"]


def planes_of(image: Image) -> Pixels:
    """The image as red, green, blue and alpha, (h, w, 4), float32, nominally in [0, 1].

    Where no image is, stands what the file has there, such as the colours under alpha 0; alpha is 1 where the file has none.
    """
    pixels = images.whole(images.floating(image).pixels)
    if image.mask is not None:
        pixels = np.where(images.whole(image.mask.valid)[..., None], pixels, images.hidden_pixels(image))
    height, width = pixels.shape[:2]
    output = np.ones((height, width, 4), dtype=np.float32)
    output[..., :3] = pixels
    if image.alpha is not None:
        shown = images.whole(image.alpha)
        output[..., 3] = shown if shown.dtype.kind == "f" else shown / np.float32(np.iinfo(shown.dtype).max)
    return output


def resized(levels: NDArray[Any], height: int, width: int) -> NDArray[np.uint8]:
    """A picture (h, w, 4), uint8, at another size (Lanczos).

    Colours count by their alpha, so that none bleeds out of what is transparent; where nothing is shown, they count alike.
    """
    planes = levels.astype(np.float32) / np.float32(255)
    colour, alpha = planes[..., :3], planes[..., 3:]
    kernel = PillowImage.Resampling.LANCZOS
    both = images.resized(np.concatenate([colour * alpha, colour, alpha], axis=2), height, width, kernel)
    shown = np.clip(both[..., 6:], 0, 1)
    # Below one level of alpha the quotient is noise, and is not shown.
    mixed = np.where(shown >= 1 / 255, both[..., :3] / np.maximum(shown, 1 / 255), both[..., 3:6])
    output: NDArray[np.uint8] = np.rint(np.clip(np.concatenate([mixed, shown], axis=2), 0, 1) * 255).astype(np.uint8)
    return output
