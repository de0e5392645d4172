"""The pixel convention: float32, height x width x channels, sRGB in [0, 1]; and the way there and back from arrays.

A large image may be on its way as the whole numbers of its file, or as `Rows`, which are read when they are asked for: its pixels
are the same numbers, made where they are used. `Image` carries beside its pixels what must come back unchanged: alpha, the
source's dtype and shape, which of its values are black and white, colour profile, EXIF, XMP, IPTC, texts, resolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage

from pellucid import masks, ranges
from pellucid.errors import ImageError
from pellucid.masks import Mask
from pellucid.mosaics import CameraData
from pellucid.ranges import Nodata, Range, parse_range
from pellucid.rows import BAND, Rows, remembering, rows_of, streamed, whole
from pellucid.units import normalised, unnormalised

__all__ = [
    "BICUBIC",
    "Image",
    "Nodata",
    "Pixels",
    "Range",
    "Rows",
    "array_of",
    "as_pixels",
    "cropped",
    "enlarged",
    "floating",
    "from_array",
    "from_rows",
    "from_values",
    "gray",
    "held",
    "hidden_pixels",
    "in_bands",
    "parse_range",
    "resized",
    "rows_of",
    "streamed",
    "to_array",
    "to_levels",
    "to_values",
    "white_of",
    "whole",
    "with_pixels",
]

Pixels = NDArray[np.float32]

BICUBIC = PillowImage.Resampling.BICUBIC

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601 weights of red, green and blue: what Pillow's ``L`` and the papers' gray test sets use."""

BYTES: np.dtype[Any] = np.dtype(np.uint8)

WHOLE = ("uint8", "uint16")
"""The dtypes whose values an `Image` may have in the place of its pixels: a pixel made of one fits into no fewer bytes."""

ROWS = 256
"""Rows that are looked at together where all values are."""

FARTHEST = np.float32(2**16)
"""The largest pixel that is worked on, black and white being 0 and 1: from far larger ones networks in float32 make infinities."""

DEPTHS = ("uint8", "uint16", "float32", "float64")
"""The dtypes of arrays that say by themselves what black and white are."""

PILLOW = ("1", "L", "I", "F", "RGB", "RGBA")
"""The modes of Pillow whose values are light, and alpha; beside them whole numbers of 16 bits (``I;16`` and its like)."""

EMPTY = "the array has no values but NaN, infinite, masked ones and nodata"
"""The reason to refuse a picture without any value. One page of several may be so: it comes back as it is."""

FILE_DEPTHS = ("bool", "int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32", "float64")
"""The dtypes that files have."""


@dataclass(frozen=True)
class Image:
    """An image: ``pixels`` (height, width, 1 or 3), float32, nominally in [0, 1]; noise may leave the range.

    Where memory is spared (see `pellucid.files.open_pages`) ``pixels`` are integers instead, the source's own values, of which
    `as_pixels` makes pixels; or `Rows` of either. `floating` answers with the plain image.

    ``alpha`` (height, width) stays in the source's dtype and is never filtered, only
    enlarged with the rest. ``dtype`` is the source's, ``flat`` whether it came
    as (height, width) without a channel axis; ``black`` and ``white`` are the source's values of pixels 0 and 1 (white None: the
    dtype's own), ``stated`` says that the file states its white. ``mirror`` is there where small values are light in the file: they
    were `ranges.mirrored`. ``icc``, ``exif``, ``xmp``, ``iptc`` (IIM records), ``text`` (key
    and value) and ``resolution`` (dots per inch) are as the file had them; ``notes`` is what the file's own format wants back, such
    as a JPEG's tables: only its module looks inside.

    ``mask`` says where no image is, and what stands there: ``pixels`` are filled in those places; ``empty``: there is no image
    anywhere. ``size`` is the (height, width) that the picture had when it was read: `grown` is what has become of it. ``corner``
    (row, column) is where a part begins that was cut out of it. ``remarks`` are lines for the user on how it was read, and on what
    was found in it.

    ``mosaic`` is there where the pixels (height, width, 1) are the samples of a camera's sensor, ``camera`` where they (height,
    width, 3) are linear light in a camera's own colours: no picture before `pellucid.developing.developed` makes one. ``shot`` says
    that the colours were made of such samples: no JPEG came before them.

    >>> image = from_array(np.zeros((40, 60), np.uint8))
    >>> image.pixels.shape, image.dtype, image.flat
    ((40, 60, 1), dtype('uint8'), True)
    """

    pixels: Any
    alpha: Any = None
    dtype: np.dtype[Any] = BYTES
    flat: bool = False
    black: float = 0.0
    white: float | None = None
    stated: bool = False
    mirror: float | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    text: tuple[tuple[str, str], ...] = ()
    resolution: tuple[float, float] | None = None
    notes: object | None = None
    mask: Mask | None = None
    empty: bool = False
    size: tuple[int, int] | None = None
    corner: tuple[int, int] | None = None
    kept: Any = None
    remarks: tuple[str, ...] = ()
    mosaic: CameraData | None = None
    camera: CameraData | None = None
    shot: bool = False

    @property
    def grown(self) -> tuple[Fraction, Fraction]:
        """How many times as high and as wide the pixels are as when they were read; a part has kept its size."""
        if self.size is None or self.corner is not None:
            return Fraction(1), Fraction(1)
        height, width = self.pixels.shape[:2]
        return Fraction(height, self.size[0]), Fraction(width, self.size[1])

    @property
    def is_grown(self) -> bool:
        """Whether the pixels are of another size than they were read in."""
        return self.size is not None and self.pixels.shape[:2] != self.size

    @property
    def ends(self) -> tuple[float, float]:
        """Black and white as the file has them."""
        black, white = self.black, white_of(self)
        return (black, white) if self.mirror is None else (self.mirror - black, self.mirror - white)

    @property
    def steps(self) -> float | None:
        """How many of the source's whole numbers lie between pixels 0 and 1 (255 for 8 bits); None where it has fractions."""
        if self.dtype.kind == "f":
            return None
        return white_of(self) - self.black


def array_of(given: Any) -> NDArray[Any]:
    """The array that was given, or that is made of a list, a tensor or a Pillow image; a masked array keeps its mask.

    Raises `ImageError` for what NumPy makes no array of, and for a Pillow image whose values are not light: a palette's numbers,
    inks, or colours of another kind than red, green and blue.
    """
    if isinstance(given, PillowImage.Image) and not (given.mode in PILLOW or given.mode.startswith("I;16")):
        raise ImageError(f"a Pillow image of mode {given.mode} is not taken: convert it to RGB or RGBA first")
    try:
        return np.asanyarray(given)
    except MemoryError:
        raise
    except Exception as error:  # lists of unequal rows, tensors that NumPy cannot have: other people's code may raise anything
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ImageError(f"no array can be made of this {type(given).__name__}: {why}") from error


def from_array(array: ArrayLike, value_range: Range = "dtype", *, sparing: bool = False) -> Image:
    """The image in an array of shape (h, w), (h, w, 1), (h, w, 3) or (h, w, 4; alpha is the last).

    Takes uint8, uint16, float32 and float64; integers are divided by their dtype's maximum, floats taken as [0, 1] and not
    clipped. With ``value_range`` auto counts in 16 bits and floats of another range than about [0, 1] are told by their values.
    Masked elements of a masked array, NaN and infinite values are no image: see `Image.mask`. ``sparing`` as of `from_values`.
    Raises `ImageError` for other shapes and dtypes, for an empty array, and for one without any value.
    """
    valid = ~np.ma.getmaskarray(array) if np.ma.isMaskedArray(array) else None
    values = np.asarray(array_of(array))
    if values.dtype.name not in DEPTHS:
        raise ImageError(f"an array of dtype {values.dtype} is not an image; {', '.join(DEPTHS)} are taken")
    if values.ndim == 3 and values.shape[2] == 2:
        raise ImageError(_shapes(values.shape))
    image = from_values(values, value_range, sparing=sparing, valid=valid)
    if image.empty:
        raise ImageError(EMPTY)
    return image


def from_values(
    values: NDArray[Any],
    value_range: Range,
    *,
    white: float | None = None,
    sparing: bool = False,
    nodata: Nodata | None = None,
    valid: NDArray[np.bool_] | None = None,
    full: bool = False,
    premultiplied: bool = False,
    keep: bool = False,
    mirror: float | None = None,
) -> Image:
    """As `from_array`, of any of `FILE_DEPTHS`; ``value_range`` says which values are black and white.

    ``white`` is what the file tells of its white, for ``auto``; it is not believed where a value lies above it. ``full`` as of
    `pellucid.ranges.find`. ``nodata`` are values that are no image, ``valid`` (the array's shape) is False where none is. Colours
    that are ``premultiplied`` by alpha are not filled: where nothing is shown they are 0. With ``sparing``, whole numbers of 8 and
    16 bits stay what they are: see `Image`. ``keep`` as of `pellucid.files.base.Reading`, ``mirror`` as of `Image`. An array
    without any value is no error here: see `Image.empty`.
    """
    _check(values.shape, values.dtype)
    flat = values.ndim == 2
    planes = values[..., None] if flat else values
    planes, alpha = (planes[..., :-1], planes[..., -1]) if planes.shape[2] in (2, 4) else (planes, None)
    beside = valid if valid is None or flat else np.asarray(np.all(valid[..., : planes.shape[2]], axis=2), dtype=bool)
    there = _there(planes, alpha, nodata, beside)
    hidden = there is not None and not there.any()
    if hidden and not isinstance(value_range, tuple):
        # Nothing is shown anywhere: any range does.
        value_range = "dtype"
    found = ranges.find(planes.dtype, value_range, partial(_usable, planes, there), white=white, full=full, mirror=mirror)
    remarks = ranges.remarks(found)
    if not found.plain:
        kept = found.pixels(planes)
        remarks += (_shown(found.words, float((~kept if there is None else there & ~kept).mean())),)
        there = kept if there is None else there & kept
    image = Image(
        pixels=planes,
        alpha=alpha,
        dtype=values.dtype,
        flat=flat,
        black=found.ends[0],
        white=_white(values.dtype, found.ends),
        stated=value_range == "auto" and found.ends == (0.0, white),
        mirror=mirror,
        empty=hidden and alpha is None,
    )
    if keep and values.dtype.name not in WHOLE:
        image = replace(image, kept=planes)
    if there is not None:
        if nodata is not None and (share := float(nodata.of(planes).mean())) > 0:
            remarks += (_shown(nodata.words, share),)
        if planes.dtype.kind == "f" and (share := 1 - float(np.isfinite(planes).all(axis=2).mean())) > 0:
            remarks += (_shown("NaN and infinite values", share),)
        image = replace(
            image,
            mask=Mask(there, planes, _reserved(planes, nodata, found), alpha is not None and bool((there == (alpha != 0)).all())),
        )
        if not (premultiplied and image.mask is not None and image.mask.shown):
            planes = masks.fill(planes, there, found.middle(planes.dtype))
    pixels: NDArray[Any] = planes if sparing and planes.dtype.name in WHOLE else normalised(planes, found.ends)
    return replace(image, pixels=pixels, size=(values.shape[0], values.shape[1]), remarks=remarks)


def _there(
    planes: NDArray[Any], alpha: NDArray[Any] | None, nodata: Nodata | None, beside: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    """Where there is an image (rows, columns); None where it is everywhere."""
    there = beside
    for other in (
        None if alpha is None else alpha != 0,
        None if nodata is None else ~nodata.of(planes),
        np.isfinite(planes).all(axis=2) if planes.dtype.kind == "f" else None,
    ):
        there = other if there is None else there if other is None else there & other
    return None if there is None or there.all() else there


def _usable(planes: NDArray[Any], there: NDArray[np.bool_] | None) -> Iterator[NDArray[Any]]:
    """The values that are an image, some rows at a time."""
    for top in range(0, len(planes), ROWS):
        band = planes[top : top + ROWS]
        yield band if there is None else band[there[top : top + ROWS]]


def _reserved(planes: NDArray[Any] | Rows, nodata: Nodata | None, found: ranges.Found) -> float | None:
    """The value that stands for no image, and that no pixel of one may come to have."""
    if nodata is not None:
        low, high = ranges.dtype_ends(planes.dtype) if planes.dtype.kind in "iu" else (-np.inf, np.inf)
        alone = nodata.single and low <= nodata.low <= high and not nodata.together(planes.shape[2], planes.dtype)
        return nodata.low if alone else None
    return found.reserved[0] if len(found.reserved) == 1 else None


def _shown(what: str, share: float) -> str:
    return (
        f"{what}: {share:.2g} of the pixels stay as they are"
        if share < 0.001
        else f"{what}: {share:.1%} of the pixels stay as they are"
    )


def from_rows(
    rows: Rows,
    value_range: Range,
    *,
    white: float | None = None,
    nodata: Nodata | None = None,
    full: bool = False,
    premultiplied: bool = False,
    keep: bool = False,
    mirror: float | None = None,
) -> Image:
    """As `from_values`, sparing, of what is not held in memory; where ``auto`` needs all values they are read once for that."""
    _check(rows.shape, rows.dtype)
    flat = len(rows.shape) == 2
    height, width, channels = rows.shape if not flat else (*rows.shape, 1)
    transparent = channels in (2, 4)
    colours = channels - transparent
    read = holes = some = False

    def colour(band: NDArray[Any]) -> NDArray[Any]:
        return band[..., None] if flat else band[..., :colours]

    def there(band: NDArray[Any]) -> NDArray[np.bool_] | None:
        return _there(colour(band), band[..., -1] if transparent else None, nodata, None)

    def bands() -> Iterator[NDArray[Any]]:
        nonlocal read, holes, some
        for band in rows.bands(ROWS):
            usable = there(band)
            holes = holes or usable is not None
            some = some or usable is None or bool(usable.any())
            yield colour(band) if usable is None else colour(band)[usable]
        read = True

    try:
        found = ranges.find(rows.dtype, value_range, bands, white=white, full=full, mirror=mirror)
    except ImageError:
        # There is no value to find a range from.
        found = ranges.find(rows.dtype, "dtype", bands)
        read = holes = True
    # Where all of it was read, it is known whether there are holes.
    masked = not found.plain or (holes if read else transparent or nodata is not None or rows.dtype.kind == "f")
    values = rows.mapped(colour, (height, width, colours), rows.dtype)
    alpha = rows.mapped(lambda band: band[..., -1], (height, width), rows.dtype) if transparent else None
    remarks = ranges.remarks(found)
    mask = None
    if masked:
        rows = remembering(rows)

        def valid(band: NDArray[Any]) -> NDArray[np.bool_]:
            usable, kept = there(band), None if found.plain else found.pixels(colour(band))
            if usable is None:
                return np.ones(band.shape[:2], bool) if kept is None else kept
            return usable if kept is None else usable & kept

        values = rows.mapped(colour, (height, width, colours), rows.dtype)
        mask = Mask(rows.mapped(valid, (height, width), np.dtype(bool)), values, _reserved(values, nodata, found), transparent)
        if not premultiplied:
            filled = masks.fill_rows(values.take, mask.valid.take, height, found.middle(rows.dtype))
            values = Rows(values.shape, values.dtype, filled)
        remarks += tuple(f"{what}: these pixels stay as they are" for what in (found.words, nodata.words if nodata else "") if what)
    dtype = rows.dtype if rows.dtype.name in WHOLE else np.dtype(np.float32)

    def pixels(band: NDArray[Any]) -> NDArray[Any]:
        return band if band.dtype.name in WHOLE else normalised(band, found.ends)

    return Image(
        pixels=values.mapped(pixels, (height, width, colours), dtype),
        alpha=alpha,
        dtype=rows.dtype,
        flat=flat,
        black=found.ends[0],
        white=_white(rows.dtype, found.ends),
        stated=value_range == "auto" and found.ends == (0.0, white),
        mirror=mirror,
        mask=mask,
        empty=read and not some and not transparent,
        size=(height, width),
        kept=rows.mapped(colour, (height, width, colours), rows.dtype) if keep and rows.dtype.name not in WHOLE else None,
        remarks=remarks,
    )


def _check(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.name not in FILE_DEPTHS:
        raise ImageError(f"values of dtype {dtype} are not an image; {', '.join(FILE_DEPTHS)} are taken")
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 2, 3, 4)):
        raise ImageError(_shapes(shape))
    if 0 in shape:
        raise ImageError(f"an array of shape {shape} has no pixels")


def _shapes(shape: tuple[int, ...]) -> str:
    return f"an array of shape {shape} is not an image; (h, w), (h, w, 1), (h, w, 3) and (h, w, 4) are taken"


def _white(dtype: np.dtype[Any], ends: tuple[float, float]) -> float | None:
    return None if ends[1] == float(ranges.dtype_ends(dtype)[1]) else ends[1]


def as_pixels(image: Image, values: NDArray[Any], *, out: Pixels | None = None) -> Pixels:
    """The pixels (channels, rows, columns) that a part (rows, columns, channels) of ``image.pixels`` stands for, in an array of
    their own or in ``out``; none farther from 0 than `FARTHEST`."""
    planes = values.transpose(2, 0, 1)
    if out is None:
        out = np.empty(planes.shape, dtype=np.float32)
    if values.dtype.kind == "f":
        return np.clip(planes, -FARTHEST, FARTHEST, out=out)
    pixels = normalised(planes, (image.black, white_of(image)), out)
    return pixels if image.white is None else np.clip(pixels, -FARTHEST, FARTHEST, out=pixels)


def floating(image: Image) -> Image:
    """The image with float32 pixels in memory, whatever it has now."""
    image = held(image)
    if image.pixels.dtype.kind == "f":
        return image
    return replace(image, pixels=normalised(image.pixels, (image.black, white_of(image))))


def white_of(image: Image) -> float:
    """The value in the source's units that is white."""
    return ranges.dtype_ends(image.dtype)[1] if image.white is None else image.white


def to_array(image: Image) -> NDArray[Any]:
    """The image as an array of its source's dtype, shape and units: integers are rounded and clipped to their dtype, floats not.
    Where no image is stands what stood there."""
    values = to_values(image, whole(image.pixels))
    if image.mask is not None:
        values = image.mask.put_back(values, 0)
    if image.alpha is not None:
        values = np.concatenate([values, whole(image.alpha)[..., None].astype(image.dtype)], axis=2)
    return values[..., 0] if image.flat and values.shape[2] == 1 else values


def hidden_pixels(image: Image) -> Pixels:
    """The values of pixels that are no image, as pixels (h, w, c) for formats that hold other values: black for NaN."""
    assert image.mask is not None
    pixels = normalised(whole(image.mask.values), (image.black, white_of(image)))
    return np.nan_to_num(np.clip(pixels, 0, 1), nan=0.0)


def held(image: Image) -> Image:
    """The image with everything of it in memory, as it is."""
    mask = image.mask if image.mask is None else replace(image.mask, valid=whole(image.mask.valid), values=whole(image.mask.values))
    alpha, kept = (None if part is None else whole(part) for part in (image.alpha, image.kept))
    return replace(image, pixels=whole(image.pixels), alpha=alpha, mask=mask, kept=kept)


def in_bands(image: Image) -> Image:
    """The image with its pixels, alpha and mask as `Rows`, whatever they are now: what is made of it comes band by band, too."""

    def rows(values: Any) -> Any:
        if values is None or isinstance(values, Rows):
            return values
        return Rows(values.shape, values.dtype, lambda top, bottom: values[top:bottom])

    mask = image.mask if image.mask is None else replace(image.mask, valid=rows(image.mask.valid), values=rows(image.mask.values))
    return replace(image, pixels=rows(image.pixels), alpha=rows(image.alpha), mask=mask, kept=rows(image.kept))


def to_values(image: Image, pixels: NDArray[Any], *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Some of ``image.pixels`` (h, w, c), or what was made of them, in the dtype and units of its source; put into ``out``, if
    given."""
    if pixels.dtype.kind != "f":
        return pixels
    own = ranges.dtype_ends(image.dtype)
    white = white_of(image)
    if image.dtype.name in ("uint8", "uint16") and (image.black, white) == own:
        return to_levels(pixels, image.dtype, out=out)
    if (image.black, white) == (0, 1) and image.dtype.kind == "f" and image.dtype.itemsize >= pixels.dtype.itemsize:
        if out is None:
            return pixels.astype(image.dtype, copy=False)
        out[...] = pixels
        return out
    return unnormalised(pixels, (image.black, white), image.dtype, out)


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


def cropped(image: Image, top: int, left: int, bottom: int, right: int) -> Image:
    """The part of an image that is in memory; its mask is left out."""
    rows, columns = slice(top, bottom), slice(left, right)
    mosaic = None if image.mosaic is None else image.mosaic.shifted(top, left)
    alpha = None if image.alpha is None else whole(image.alpha)[rows, columns]
    return replace(image, pixels=image.pixels[rows, columns], alpha=alpha, mask=None, size=None, kept=None, mosaic=mosaic)


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
