"""The pixel convention: float32, height x width x channels, sRGB in [0, 1]; and the way there and back from arrays.

A large image may be on its way as the whole numbers of its file, or as `Rows`, which are read when they are asked for: its pixels
are the same numbers, made where they are used. `Image` carries beside its pixels what must come back unchanged: alpha, the
source's dtype and shape, which of its values are black and white, colour profile, EXIF, XMP, IPTC, texts, resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage

from pellucid.errors import ImageError, OptionError

__all__ = [
    "BICUBIC",
    "Image",
    "Pixels",
    "Range",
    "Rows",
    "as_pixels",
    "enlarged",
    "floating",
    "from_array",
    "from_rows",
    "from_values",
    "gray",
    "parse_range",
    "resized",
    "rows_of",
    "streamed",
    "to_array",
    "to_levels",
    "to_values",
    "whole",
    "with_alpha_resized",
    "with_pixels",
]

Pixels = NDArray[np.float32]

BICUBIC = PillowImage.Resampling.BICUBIC

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601 weights of red, green and blue: what Pillow's ``L`` and the papers' gray test sets use."""

BYTES: np.dtype[Any] = np.dtype(np.uint8)

WHOLE = ("uint8", "uint16")
"""The dtypes whose values an `Image` may have in the place of its pixels: a pixel made of one fits into no fewer bytes."""

BAND = 2**18
"""Values that are made levels at once: 1 MB of float32, which stays in a processor's cache from one step to the next."""

DEPTHS = ("uint8", "uint16", "float32", "float64")
"""The dtypes of arrays that say by themselves what black and white are."""

FILE_DEPTHS = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32", "float64")
"""The dtypes that files have."""

Range = Literal["auto", "dtype"] | tuple[float, float]
"""Which values are black and white. ``dtype``: the smallest and largest of an integer dtype, 0 and 1 of floats. ``auto``: as
``dtype`` for 8 and 16 bits without sign (0 and the white that the file tells, where it does: 4095 for 12 bits) and for floats that
lie in [0, 1]; otherwise the image's own smallest and largest value. Or the two values themselves."""


class Rows:
    """The pixels or values of an image that is not held in memory: an array that is taken row by row.

    ``shape`` (height, width, ...) and ``dtype`` as of an array; ``take(top, bottom)`` answers with the array's rows from ``top`` to
    before ``bottom``. Those of a file are taken in any order, those of an answer (see `streamed`) once each, from above to below.
    ``seconds`` is how long it took to make those that were taken, where that is more than reading.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], take: Callable[[int, int], NDArray[Any]]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.take = take
        self.seconds = 0.0

    @property
    def size(self) -> int:
        """How many values there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """How many bytes they would take in memory."""
        return self.size * self.dtype.itemsize

    def bands(self, rows: int) -> Iterator[NDArray[Any]]:
        """All of it, so many rows at a time."""
        for top in range(0, self.shape[0], rows):
            yield self.take(top, min(top + rows, self.shape[0]))

    def mapped(self, change: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
        """Rows made of these by ``change``, which makes of a band another as high; of that ``shape`` and ``dtype``."""
        return Rows(shape, dtype, lambda top, bottom: change(self.take(top, bottom)))


def streamed(shape: tuple[int, ...], dtype: np.dtype[Any], bands: Iterator[NDArray[Any]]) -> Rows:
    """Rows that come as ``bands`` of any height, from above to below; to be taken in that order."""
    held: list[NDArray[Any]] = []
    at = 0

    def take(top: int, bottom: int) -> NDArray[Any]:
        nonlocal at
        if top != at:
            raise ValueError(f"row {top} where row {at} is next")
        parts: list[NDArray[Any]] = []
        while at < bottom:
            band = held.pop() if held else next(bands)
            wanted = bottom - at
            if len(band) > wanted:
                held.append(band[wanted:])
            parts.append(band[:wanted])
            at += len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    return Rows(shape, dtype, take)


def rows_of(values: NDArray[Any] | Rows, top: int, bottom: int) -> NDArray[Any]:
    """The rows from ``top`` to before ``bottom``, of an array or of what is not held."""
    return values.take(top, bottom) if isinstance(values, Rows) else values[top:bottom]


def whole(values: NDArray[Any] | Rows) -> NDArray[Any]:
    """All rows in one array."""
    if not isinstance(values, Rows):
        return values
    out = np.empty(values.shape, values.dtype)
    top = 0
    for band in values.bands(max(1, BAND * values.shape[0] // max(1, values.size))):
        out[top : top + len(band)] = band
        top += len(band)
    return out


@dataclass(frozen=True)
class Image:
    """An image: ``pixels`` (height, width, 1 or 3), float32, nominally in [0, 1]; noise may leave the range.

    Where memory is spared (see `pellucid.files.open_pages`) ``pixels`` are integers instead, the source's own values, of which
    `as_pixels` makes pixels; or `Rows` of either. `floating` answers with the plain image.

    ``alpha`` (height, width) stays in the source's dtype and is never filtered, only
    enlarged with the rest. ``dtype`` is the source's, ``flat`` whether it came
    as (height, width) without a channel axis; ``black`` and ``white`` are the source's values of pixels 0 and 1 (white None: the
    dtype's own). ``icc``, ``exif``, ``xmp``, ``iptc`` (IIM records), ``text`` (key and value) and ``resolution`` (dots per inch)
    are as the file had them; ``notes`` is what the file's own format wants back, such as a JPEG's tables: only its module looks
    inside.
    """

    pixels: Any
    alpha: Any = None
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


def from_array(array: ArrayLike, *, sparing: bool = False) -> Image:
    """The image in an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4; alpha is the last).

    Takes uint8, uint16, float32 and float64; integers are divided by their dtype's maximum, floats taken as [0, 1] and not
    clipped. ``sparing`` as of `from_values`. Raises `ImageError` for other shapes and dtypes, for an empty array, and for NaN or
    infinite values.
    """
    values = np.asarray(array)
    if values.dtype.name not in DEPTHS:
        raise ImageError(f"an array of dtype {values.dtype} is not an image; {', '.join(DEPTHS)} are taken")
    return from_values(values, "dtype", sparing=sparing)


def from_values(values: NDArray[Any], value_range: Range, *, white: float | None = None, sparing: bool = False) -> Image:
    """As `from_array`, of any of `FILE_DEPTHS`; ``value_range`` says which values are black and white.

    ``white`` is what the file tells of its white, for ``auto``; it is not believed where a value lies above it. With ``sparing``,
    whole numbers of 8 and 16 bits stay what they are: see `Image`.
    """
    _check(values.shape, values.dtype)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ImageError("the array has NaN or infinite values; replace them first")
    flat = values.ndim == 2
    planes = values[..., None] if flat else values
    alpha = None
    if planes.shape[2] == 4:
        planes, alpha = planes[..., :3], planes[..., 3]
    ends = _ends(planes.dtype, value_range, white, lambda: (float(planes.min()), float(planes.max())))
    pixels: NDArray[Any] = planes if sparing and planes.dtype.name in WHOLE else _scaled(planes, ends)
    return Image(pixels=pixels, alpha=alpha, dtype=values.dtype, flat=flat, black=ends[0], white=_white(values.dtype, ends))


def from_rows(rows: Rows, value_range: Range, *, white: float | None = None) -> Image:
    """As `from_values`, sparing, of what is not held in memory; where ``auto`` needs all values they are read once for that."""
    _check(rows.shape, rows.dtype)
    flat = len(rows.shape) == 2
    height, width, channels = rows.shape if not flat else (*rows.shape, 1)
    colours = channels - (channels == 4)

    def colour(band: NDArray[Any]) -> NDArray[Any]:
        return band[..., None] if flat else band[..., :colours]

    def extremes() -> tuple[float, float]:
        found = [(float(colour(band).min()), float(colour(band).max())) for band in rows.bands(256)]
        if not np.isfinite(found).all():
            raise ImageError("the array has NaN or infinite values; replace them first")
        return min(low for low, _ in found), max(high for _, high in found)

    ends = _ends(rows.dtype, value_range, white, extremes)

    def pixels(band: NDArray[Any]) -> NDArray[Any]:
        values = colour(band)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ImageError("the array has NaN or infinite values; replace them first")
        return values if values.dtype.name in WHOLE else _scaled(values, ends)

    kept = rows.dtype if rows.dtype.name in WHOLE else np.dtype(np.float32)
    alpha = rows.mapped(lambda band: band[..., 3], (height, width), rows.dtype) if channels == 4 else None
    return Image(
        pixels=rows.mapped(pixels, (height, width, colours), kept),
        alpha=alpha,
        dtype=rows.dtype,
        flat=flat,
        black=ends[0],
        white=_white(rows.dtype, ends),
    )


def _check(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.name not in FILE_DEPTHS:
        raise ImageError(f"values of dtype {dtype} are not an image; {', '.join(FILE_DEPTHS)} are taken")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ImageError(f"an array of shape {shape} is not an image; (h, w), (h, w, 1), (h, w, 3) and (h, w, 4) are taken")
    if 0 in shape:
        raise ImageError(f"an array of shape {shape} has no pixels")


def _white(dtype: np.dtype[Any], ends: tuple[float, float]) -> float | None:
    return None if ends[1] == float(_dtype_ends(dtype)[1]) else ends[1]


def _scaled(values: NDArray[Any], ends: tuple[float, float], out: Pixels | None = None) -> Pixels:
    """Values as pixels: ``ends`` are those of black and white."""
    black, top = ends
    if black == 0 and values.dtype.itemsize <= 2 and values.dtype.kind != "f":
        # In one pass over the memory, which is what large images take their time from.
        pixels: Pixels = np.divide(values, np.float32(top), out=out, dtype=np.float32)
        return pixels
    # A float32 has 24 bits: what has more is shifted and scaled before it is rounded to one.
    wide: NDArray[Any] = values.astype(np.float32 if values.dtype.kind == "f" and values.dtype.itemsize <= 4 else np.float64)
    if (black, top) != (0, 1):
        wide -= black
        wide /= top - black
    if out is None:
        return wide.astype(np.float32, copy=False)
    out[...] = wide
    return out


def as_pixels(image: Image, values: NDArray[Any], *, out: Pixels | None = None) -> Pixels:
    """The pixels (channels, rows, columns) that a part (rows, columns, channels) of ``image.pixels`` stands for, in an array of
    their own or in ``out``."""
    planes = values.transpose(2, 0, 1)
    if out is None:
        out = np.empty(planes.shape, dtype=np.float32)
    if values.dtype.kind == "f":
        out[...] = planes
        return out
    return _scaled(planes, (image.black, _dtype_ends(image.dtype)[1] if image.white is None else image.white), out)


def floating(image: Image) -> Image:
    """The image with float32 pixels in memory, whatever it has now."""
    pixels = whole(image.pixels)
    alpha = None if image.alpha is None else whole(image.alpha)
    if pixels.dtype.kind != "f":
        pixels = _scaled(pixels, (image.black, _dtype_ends(image.dtype)[1] if image.white is None else image.white))
    return replace(image, pixels=pixels, alpha=alpha)


def _dtype_ends(dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind in "fb":
        return 0.0, 1.0
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def _ends(
    dtype: np.dtype[Any], value_range: Range, white: float | None, extremes: Callable[[], tuple[float, float]]
) -> tuple[float, float]:
    """Black and white, two different values; ``extremes`` answers with the smallest and the largest that there are."""
    if isinstance(value_range, tuple):
        return float(value_range[0]), float(value_range[1])
    own = _dtype_ends(dtype)
    if value_range == "dtype":
        return own
    if dtype.name in ("bool", "uint8", "uint16") and white is None:
        return own
    low, high = extremes()
    if white is not None and low >= 0 and white > 0 and high <= white:
        return 0.0, float(white)
    if dtype.name in ("uint8", "uint16") or (dtype.kind == "f" and low >= 0 and high <= 1):
        return own
    return (low, high) if high > low else (low, low + 1)


def to_array(image: Image) -> NDArray[Any]:
    """The image as an array of its source's dtype, shape and units: integers are rounded and clipped to their dtype, floats not."""
    values = to_values(image, whole(image.pixels))
    if image.alpha is not None:
        values = np.concatenate([values, whole(image.alpha)[..., None].astype(image.dtype)], axis=2)
    return values[..., 0] if image.flat else values


def to_values(image: Image, pixels: NDArray[Any], *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Some of ``image.pixels`` (h, w, c), or what was made of them, in the dtype and units of its source; put into ``out``, if
    given."""
    if pixels.dtype.kind != "f":
        return pixels
    values: NDArray[Any] = pixels
    own = _dtype_ends(image.dtype)
    white = own[1] if image.white is None else image.white
    if image.dtype.name in ("uint8", "uint16") and (image.black, white) == own:
        return to_levels(pixels, image.dtype, out=out)
    if (image.black, white) != (0, 1):
        # As in `_scaled`: float32 does for 16 bits.
        wide = np.float64 if image.dtype.itemsize > (4 if image.dtype.kind == "f" else 2) else np.float32
        scaled: NDArray[Any] = values.astype(wide)
        scaled *= white - image.black
        if image.black:
            scaled += image.black
        values = scaled
    if image.dtype.kind != "f":
        values = np.clip(np.rint(values), *own)
    if out is None:
        return values.astype(image.dtype, copy=False)
    out[...] = values
    return out


def to_levels(pixels: Pixels, dtype: np.dtype[Any], *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """(h, w, c) pixels as integers of ``dtype``: clipped to [0, 1], times its maximum, rounded; put into ``out``, if given."""
    levels = np.empty(pixels.shape, dtype) if out is None else out
    rows = max(1, BAND // max(1, pixels[:1].size))
    for start in range(0, len(pixels), rows):
        band = np.clip(pixels[start : start + rows], 0, 1)
        band *= np.float32(np.iinfo(dtype).max)
        levels[start : start + rows] = np.rint(band, out=band)
    return levels


def with_pixels(image: Image, pixels: NDArray[Any] | Rows) -> Image:
    """The same image with other pixels; everything beside them is kept."""
    return replace(image, pixels=pixels)


def gray(pixels: NDArray[np.floating[Any]]) -> Pixels:
    """The luma (height, width, 1) of colour pixels (height, width, 3), by Rec. 601; gray pixels come back as they are."""
    if pixels.shape[2] == 1:
        return pixels.astype(np.float32)
    luma: Pixels = (pixels.astype(np.float32) @ LUMA)[..., None]
    return luma


def resized(
    pixels: NDArray[np.floating[Any]],
    height: int,
    width: int,
    kernel: PillowImage.Resampling,
    box: tuple[float, float, float, float] | None = None,
) -> Pixels:
    """Pixels (h, w, channels), or the ``box`` (left, top, right, bottom) of them, at another size, float32, by Pillow's ``kernel``,
    widened where the image shrinks; nothing is clipped."""
    planes = [
        np.asarray(PillowImage.fromarray(pixels[..., channel].astype(np.float32)).resize((width, height), kernel, box))
        for channel in range(pixels.shape[2])
    ]
    return np.stack(planes, axis=2)


def enlarged(pixels: NDArray[np.floating[Any]], scale: int) -> Pixels:
    """Pixels (h, w, channels) at ``scale`` times their size, float32, bicubic; nothing is clipped."""
    height, width = pixels.shape[:2]
    return resized(pixels, scale * height, scale * width, BICUBIC)


def with_alpha_resized(image: Image) -> Image:
    """The image with its alpha at the size of its pixels: bicubic, in alpha's own depth."""
    if image.alpha is None or image.alpha.shape[:2] == image.pixels.shape[:2]:
        return image
    alpha = whole(image.alpha)
    height, width = image.pixels.shape[:2]
    larger = resized(alpha[..., None].astype(np.float32), height, width, BICUBIC)[..., 0]
    low, high = _dtype_ends(alpha.dtype)
    larger = np.clip(larger, max(low, float(alpha.min())), min(high, float(alpha.max())))
    return replace(image, alpha=(np.rint(larger) if alpha.dtype.kind != "f" else larger).astype(alpha.dtype))
