"""Makes a picture of a camera's linear light, plainly, as LibRaw does by default: white balance, colours to sRGB, tone curve."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import images, sensor
from pellucid.images import Image, Rows
from pellucid.mosaics import CameraData

__all__ = ["developed", "interpolated", "shown"]

SLOPE, KNEE, POWER, LIFT = 4.5, 0.018, 0.45, 1.099
"""The tone curve: a line up to the knee, then a power, lifted so that they meet (ITU-R BT.709; LibRaw's default, ``gamm``)."""

BAND = 1 << 20
"""Pixels that are developed at once."""


def interpolated(image: Image) -> Image:
    """A mosaic (`Image.mosaic`) as linear light (`Image.camera`), with its noise: colours by linear filters. Any other image as it
    is. So people see what their picture was before the noise was taken out."""
    data = image.mosaic
    if data is None:
        return image
    height, width = image.pixels.shape[:2]
    pixels = np.empty((height, width, 3), np.uint16)
    gains = np.array(data.gains, np.float32)
    rows = max(2, BAND // width // 2 * 2)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - 2), min(bottom + 2, height)
        samples = images.as_pixels(image, images.rows_of(image.pixels, first, last))[0]
        light = sensor.balanced(samples, data, image.steps, first, 0)
        # A side of one pixel has nothing to mirror.
        beyond = [(0, side % 2) for side in light.shape]
        light = np.pad(light, beyond, mode="reflect" if min(light.shape) > 1 else "edge")
        # Mirrored, a mosaic of even sides begins with red.
        turned = tuple(slice(None, None, -1 if odd else 1) for odd in data.phase)
        colours = sensor.interpolated(np.ascontiguousarray(light[turned]))[(slice(None), *turned)]
        shares = colours[:, top - first : bottom - first, :width].transpose(1, 2, 0) / gains
        pixels[top:bottom] = images.to_levels(np.clip(shares, 0, 1), np.dtype(np.uint16))
    light_of = replace(data, black=(0.0,) * 4, white=65535.0)
    return replace(image, pixels=pixels, dtype=np.dtype(np.uint16), black=0.0, white=None, mosaic=None, camera=light_of)


def developed(image: Image) -> Image:
    """An image of a camera's linear light (`Image.camera`) as an sRGB image of 16 bits, not yet turned upright; any other as it is.

    Light beyond the sensor's range is white: each balanced colour ends where the least amplified one does. As `Rows` for `Rows`.
    """
    data = image.camera
    if data is None:
        return image
    shape = image.pixels.shape
    if isinstance(image.pixels, Rows):
        pixels: Any = image.pixels.mapped(lambda band: shown(band, data), shape, np.dtype(np.uint16))
    else:
        pixels = np.empty(shape, np.uint16)
        rows = max(1, BAND // shape[1])
        for top in range(0, shape[0], rows):
            pixels[top : top + rows] = shown(image.pixels[top : top + rows], data)
    return replace(image, pixels=pixels, dtype=np.dtype(np.uint16), black=0.0, white=None, flat=False, camera=None, shot=True)


def shown(pixels: NDArray[Any], data: CameraData) -> NDArray[np.uint16]:
    """The 16-bit sRGB values of pixels (h, w, 3) of a camera: shares of 65535 as floats, or whole numbers."""
    values = pixels.astype(np.float32) if pixels.dtype.kind == "f" else pixels / np.float32(65535)
    black = np.float32(data.black[0] / data.white)
    light = (values - black) * (np.array(data.gains, np.float32) / (1 - black))
    np.clip(light, 0, 1, out=light)
    light = np.clip(light @ np.array(data.srgb, np.float32).T, 0, 1)
    curved = np.where(light <= KNEE, SLOPE * light, LIFT * np.maximum(light, KNEE) ** np.float32(POWER) - (LIFT - 1))
    return images.to_levels(np.asarray(curved, np.float32), np.dtype(np.uint16))
