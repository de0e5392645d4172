"""The pixel convention: float32, height x width x channels, sRGB in [0, 1]; and the way there and back from arrays.

`Image` carries beside its pixels what must come back unchanged: alpha, the source's dtype and shape, which of its values are black
and white, colour profile, EXIF, XMP, IPTC, texts, resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage

from pellucid.errors import ImageError, OptionError

__all__ = [
    "Image",
    "Pixels",
    "Range",
    "from_array",
    "from_values",
    "gray",
    "parse_range",
    "resized",
    "to_array",
    "to_levels",
    "with_pixels",
]

Pixels = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601 weights of red, green and blue: what Pillow's ``L`` and the papers' gray test sets use."""

BYTES: np.dtype[Any] = np.dtype(np.uint8)

BAND = 2**18
"""Values that are made levels at once: 1 MB of float32, which stays in a processor's cache from one step to the next."""

DEPTHS = ("uint8", "uint16", "float32", "float64")
"""The dtypes of arrays that say by themselves what black and white are."""

FILE_DEPTHS = ("int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32", "float64")
"""The dtypes that files have."""

Range = Literal["auto", "dtype"] | tuple[float, float]
"""Which values are black and white. ``dtype``: the smallest and largest of an integer dtype, 0 and 1 of floats. ``auto``: as
``dtype`` for 8 and 16 bits without sign (0 and the white that the file tells, where it does: 4095 for 12 bits) and for floats that
lie in [0, 1]; otherwise the image's own smallest and largest value. Or the two values themselves."""


@dataclass(frozen=True)
class Image:
    """An image: ``pixels`` (height, width, 1 or 3), float32, nominally in [0, 1]; noise may leave the range.

    ``alpha`` (height, width) stays in the source's dtype and is never filtered. ``dtype`` is the source's, ``flat`` whether it came
    as (height, width) without a channel axis; ``black`` and ``white`` are the source's values of pixels 0 and 1 (white None: the
    dtype's own). ``icc``, ``exif``, ``xmp``, ``iptc`` (IIM records), ``text`` (key and value) and ``resolution`` (dots per inch)
    are as the file had them; ``notes`` is what the file's own format wants back, such as a JPEG's tables: only its module looks
    inside.
    """

    pixels: Pixels
    alpha: NDArray[Any] | None = None
    dtype: np.dtype[Any] = BYTES
    flat: bool = False
    black: float = 0.0
    white: float | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    text: tuple[tuple[str, str], ...] = ()
    resolution: tuple[float, float] | None = None
    notes: object | None = None

    @property
    def steps(self) -> float | None:
        """How many of the source's whole numbers lie between pixels 0 and 1 (255 for 8 bits); None where it has fractions."""
        if self.dtype.kind == "f":
            return None
        return (_dtype_ends(self.dtype)[1] if self.white is None else self.white) - self.black


def parse_range(text: str) -> Range:
    """``auto``, ``dtype`` or ``LO:HI``, two different finite numbers; `OptionError` for anything else."""
    if text == "auto":
        return "auto"
    if text == "dtype":
        return "dtype"
    low, colon, high = text.partition(":")
    try:
        ends = (float(low), float(high))
    except ValueError:
        ends = (np.nan, np.nan)
    if not colon or not np.isfinite(ends).all() or ends[0] == ends[1]:
        raise OptionError(f"a range is auto, dtype or LO:HI (such as 0:4095), not {text!r}")
    return ends


def from_array(array: ArrayLike) -> Image:
    """The image in an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4; alpha is the last).

    Takes uint8, uint16, float32 and float64; integers are divided by their dtype's maximum, floats taken as [0, 1] and not
    clipped. Raises `ImageError` for other shapes and dtypes, for an empty array, and for NaN or infinite values.
    """
    values = np.asarray(array)
    if values.dtype.name not in DEPTHS:
        raise ImageError(f"an array of dtype {values.dtype} is no image; {', '.join(DEPTHS)} are taken")
    return from_values(values, "dtype")


def from_values(values: NDArray[Any], value_range: Range, *, white: float | None = None) -> Image:
    """As `from_array`, of any of `FILE_DEPTHS`; ``value_range`` says which values are black and white.

    ``white`` is what the file tells of its white, for ``auto``; it is not believed where a value lies above it.
    """
    if values.dtype.name not in FILE_DEPTHS:
        raise ImageError(f"values of dtype {values.dtype} are no image; {', '.join(FILE_DEPTHS)} are taken")
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
    black, top = _ends(planes, value_range, white)
    if black == 0 and planes.dtype.itemsize <= 2:
        # In one pass over the memory, which is what large images take their time from.
        pixels: Pixels = np.divide(planes, np.float32(top), dtype=np.float32) if top != 1 else planes.astype(np.float32)
    else:
        # A float32 has 24 bits: what has more is shifted and scaled before it is rounded to one.
        wide: NDArray[Any] = planes.astype(np.float32 if planes.dtype.kind == "f" and planes.dtype.itemsize <= 4 else np.float64)
        if (black, top) != (0, 1):
            wide -= black
            wide /= top - black
        pixels = wide.astype(np.float32, copy=False)
    own = float(_dtype_ends(values.dtype)[1])
    return Image(pixels=pixels, alpha=alpha, dtype=values.dtype, flat=flat, black=black, white=None if top == own else top)


def _dtype_ends(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind == "f":
        return 0.0, 1.0
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def _ends(values: NDArray[Any], value_range: Range, white: float | None) -> tuple[float, float]:
    """Black and white, two different values."""
    if isinstance(value_range, tuple):
        return float(value_range[0]), float(value_range[1])
    own = _dtype_ends(values.dtype)
    if value_range == "dtype":
        return own
    if values.dtype.name in ("uint8", "uint16") and white is None:
        return own
    low, high = float(values.min()), float(values.max())
    if white is not None and low >= 0 and white > 0 and high <= white:
        return 0.0, float(white)
    if values.dtype.name in ("uint8", "uint16") or (values.dtype.kind == "f" and low >= 0 and high <= 1):
        return own
    return (low, high) if high > low else (low, low + 1)


def to_array(image: Image) -> NDArray[Any]:
    """The image as an array of its source's dtype, shape and units: integers are rounded and clipped to their dtype, floats not."""
    values: NDArray[Any] = image.pixels
    own = _dtype_ends(image.dtype)
    white = own[1] if image.white is None else image.white
    if image.dtype.name in ("uint8", "uint16") and (image.black, white) == own:
        values = to_levels(image.pixels, image.dtype)
    else:
        if (image.black, white) != (0, 1):
            # As in `from_values`: float32 does for 16 bits.
            wide = np.float64 if image.dtype.itemsize > (4 if image.dtype.kind == "f" else 2) else np.float32
            scaled: NDArray[Any] = values.astype(wide)
            scaled *= white - image.black
            if image.black:
                scaled += image.black
            values = scaled
        if image.dtype.kind != "f":
            values = np.clip(np.rint(values), *own)
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
