"""Colour profiles of gray pictures that become colour ones."""

from __future__ import annotations

import io
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid.images import Image

__all__ = ["fitting", "gray_curve", "through"]

SPACE = slice(16, 20)
"""The place of the colour space in a profile's header (ICC.1:2022, 7.2.8)."""


def _is_gray(icc: bytes | None) -> bool:
    return icc is not None and icc[SPACE] == b"GRAY"


@lru_cache(maxsize=4)
def gray_curve(icc: bytes | None) -> NDArray[np.float32] | None:
    """The sRGB values of the 256 evenly spaced values of a gray profile; None where there is no such profile, or none that can be
    read."""
    if not _is_gray(icc):
        return None
    assert icc is not None
    from PIL import ImageCms

    ramp = PillowImage.frombytes("L", (256, 1), bytes(range(256)))
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        shown = ImageCms.profileToProfile(ramp, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    assert shown is not None
    values = np.asarray(shown)[0].mean(axis=1) / 255
    # Rounding to 8 bits may make steps: a gray profile has none.
    return np.maximum.accumulate(values).astype(np.float32)


def through(curve: NDArray[np.float32], planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Planes of gray values in [0, 1], any shape, as sRGB values."""
    return np.interp(planes, np.linspace(0, 1, len(curve)), curve).astype(np.float32)


def fitting(image: Image) -> Image:
    """The image without its profile where that is for gray and the pixels are colours: without one, they are sRGB."""
    return replace(image, icc=None) if image.pixels.shape[2] == 3 and _is_gray(image.icc) else image
