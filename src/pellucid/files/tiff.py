"""TIFF read, through tifffile: every depth, pages, tiles, ImageJ's stacks and OME's description.

A file's pages are restored in the order in which they lie there and written in that order, each with its own tags; so a
description that speaks of them (OME-XML) stays true word for word. ImageJ has stacks of its own, one directory for many planes:
they are read and written by its rules.
"""

from __future__ import annotations

import logging
import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import alphas, pillow
from pellucid.errors import FileError, MissingExtra
from pellucid.files import base, codecs
from pellucid.files.base import Document, Page, Reading, picture_of, picture_of_rows, planes, raw_rows
from pellucid.files.claims import check_size
from pellucid.files.directories import exif_of, with_inner
from pellucid.files.metadata import ORIENTATION, turned
from pellucid.files.photographs import shown
from pellucid.files.stored import Stored
from pellucid.files.tiff_checks import CUT_OFF, check_codecs, check_directories, check_places, check_whole
from pellucid.files.tiff_notes import (
    ALPHAS,
    ASSOCIATED,
    CIELAB,
    COMPRESSIONS,
    GDAL_NODATA,
    ICC,
    INKS,
    IPTC,
    JPEG,
    LARGEST_VALUE,
    MASK,
    MINISBLACK,
    MINISWHITE,
    OME_KEY,
    PALETTE,
    PLACES,
    REDUCED,
    RGB,
    TRANSPARENCY,
    UNASSOCIATED,
    WORDS,
    XMP,
    YCBCR,
    ImageJStack,
    Planes,
    TiffFile,
    TiffNotes,
    as_light,
    extras_of,
    nodata_tag,
)
from pellucid.images import FILE_DEPTHS, Image, Nodata, Rows

__all__ = ["open_tiff"]

LOOKS = 8
"""Rows of a large page that show whether a sample is alpha: each may be a strip or a row of tiles to unpack."""

HIGHEST_STRIP = 4096
"""Rows of a strip or tile up to which a page is read in bands: a part of it cannot be unpacked."""


@contextmanager
def open_tiff(path: Path, reading: Reading) -> Iterator[Document]:
    """A TIFF's pages. Thumbnails and reduced copies are left out: they would show the noisy picture."""
    import tifffile

    # Its remarks on what it makes of a damaged file are for who asked for logs, not for everyone's terminal.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    codecs.lend(tifffile)
    check_directories(path)
    size = path.stat().st_size
    # OME-XML may name other files; only this one is read.
    with tifffile.TiffFile(path, _multifile=False) as opened:
        file: Any = opened
        first = file.pages[0]
        count = len(file.pages)
        # The reader ends at the last page that it finds: a stack would be cut unseen.
        if _table(file, file.pages[count - 1])[1] != 0:
            raise FileError(f"its directories are damaged or cut off after page {count}")
        if reading.axes:
            yield _by_axes(file, reading, size)
            return
        if file.is_imagej and first.dtype is not None and first.dtype.name in ("uint8", "uint16", "float32"):
            document = _imagej(file, reading, size)
            if document is not None:
                yield document
                return
        places = [index for index in range(count) if not int(file.pages[index].subfiletype) & REDUCED]
        if not places:
            raise FileError("it holds no picture")

        def pages() -> Iterator[Page]:
            claimed = 0
            for number, place in enumerate(places):
                page = file.pages[place]
                if number >= reading.first:
                    yield _page(path, file, place, reading, size, claimed)
                claimed += int(page.imagewidth) * int(page.imagelength) * int(page.samplesperpixel)

        shape = (len(places),) if len(places) > 1 else ()
        about = TiffFile(bool(file.is_bigtiff), path.name)
        yield Document(pages(), len(places), shape, "Q" * len(shape), about, first=reading.first)


def _table(file: Any, page: Any) -> tuple[set[int], int]:
    """The tags that a page's directory lists, and the place of the next directory (0: it is the last)."""
    head, step, size = (8, 20, 8) if file.is_bigtiff else (2, 12, 4)
    order: Literal["little", "big"] = "little" if file.byteorder == "<" else "big"
    handle = file.filehandle
    handle.seek(page.offset)
    length = int.from_bytes(handle.read(head), order) * step
    content = handle.read(length + size)
    codes = {int.from_bytes(content[place : place + 2], order) for place in range(0, length, step)}
    return codes, int.from_bytes(content[length:], order)


def _page(path: Path, file: Any, place: int, reading: Reading, size: int, before: int) -> Page:
    """The page; ``before`` are the samples that earlier ones have."""
    page = file.pages[place]
    listed, _ = _table(file, page)
    if any(code in listed and code not in page.tags for code in (270, ICC, XMP, IPTC)):
        raise FileError("its description or profile is cut off")
    photometric = int(page.photometric)
    samples = int(page.samplesperpixel)
    if page.imagedepth > 1:
        raise FileError(f"its pages have {page.imagedepth} planes, and only flat ones are read")
    if int(page.subfiletype) & TRANSPARENCY or photometric == MASK:
        raise FileError("a page is a transparency mask, which is not read")
    extras = extras_of(page)
    stated = _nodata(page)
    premultiplied = ASSOCIATED in extras
    # Many writers of alpha do not say what it is.
    unstated = photometric == RGB and samples == 4 and extras == (0,) and not any(code in page.tags for code in PLACES)
    rows = _rows(page, reading, size, before, (UNASSOCIATED,) if unstated else extras)
    if rows is not None and unstated and not _is_alpha(rows, _white(page, rows.dtype)):
        rows = None
    if rows is not None:
        inverted = photometric == MINISWHITE and rows.dtype.kind == "u"
        if inverted:
            rows = rows.mapped(as_light, rows.shape, rows.dtype)
        white, nodata = _white(page, rows.dtype), _as_read(stated, rows.dtype, inverted=inverted)
        about: dict[str, Any] = {"full": _is_shown(page), "premultiplied": premultiplied, "mirror": _mirror(rows.dtype, inverted)}
        image = picture_of_rows(rows, reading, white=white, nodata=nodata, **about)
        image = replace(image, flat=False)
        return Page((_beside(image, file, page, inverted=inverted, white=white, nodata=stated),))
    # Without imagecodecs, libtiff unpacks JPEG; it knows no other order of planes, and 8 bits.
    by_libtiff = int(page.compression) == JPEG and not codecs.is_whole() and page.axes in ("YX", "YXS") and page.bitspersample == 8
    if photometric == CIELAB or (photometric == YCBCR and int(page.compression) != JPEG) or by_libtiff:
        check_size(page.imagewidth, page.imagelength, samples, size, before=before)
        values = _by_pillow(path, place)
        # It leaves out what it does not know, and divides by alpha.
        if (1 if values.ndim == 2 else values.shape[2]) != samples or premultiplied:
            if by_libtiff:
                raise MissingExtra("imagecodecs", codecs.EXTRA)
            raise FileError(f"pixels of kind {page.photometric.name} with {samples} samples are not read")
        values = as_light(values) if photometric == MINISWHITE else values
    elif photometric in (MINISWHITE, MINISBLACK, RGB, PALETTE, INKS, YCBCR):
        values = _values(page, size, before)
    else:
        raise FileError(f"pixels of kind {getattr(page.photometric, 'name', photometric)} are not read")
    valid: NDArray[np.bool_] | None = None
    remarks: tuple[str, ...] = ()
    if photometric == PALETTE:
        if stated is not None and (values == stated).any():
            valid = np.broadcast_to((values != stated)[..., None], (*values.shape, 3))
            remarks = (f"nodata {stated:.10g}: these pixels stay as they are, as colours; the output states no such value",)
        values = _looked_up(values, page.colormap)
    if photometric in (PALETTE, CIELAB):
        # The value is none of the colours'.
        stated = None
    elif stated is not None:
        stated *= _widened(page)
    if unstated:
        held = Rows(values.shape, values.dtype, lambda top, bottom: values[top:bottom])
        extras = (UNASSOCIATED,) if _is_alpha(held, _white(page, values.dtype)) else extras
    one = _is_one_picture(values.shape, photometric, extras)
    inverted = one and photometric == MINISWHITE and values.dtype.kind == "u"
    if inverted:
        values = as_light(values)
    white, nodata = _white(page, values.dtype), _as_read(stated, values.dtype, inverted=inverted)
    if photometric == INKS and samples == 4 and values.dtype.name in ("uint8", "uint16"):
        made = planes(values, reading, kind="inks")
    elif photometric == INKS:
        raise FileError(f"it has {samples} inks of {values.dtype}, and only CMYK of 8 or 16 bits is read")
    elif one:
        about = {"full": _is_shown(page), "premultiplied": premultiplied, "mirror": _mirror(values.dtype, inverted)}
        image = picture_of(values, reading, white=white, nodata=nodata, valid=valid, **about)
        made = Page((replace(image, remarks=image.remarks + remarks),))
    else:
        known = samples - len(extras)
        colours = 3 if known >= 3 and photometric in (RGB, YCBCR) else 1
        alpha = next((known + index for index, kind in enumerate(extras) if kind in ALPHAS), None)
        about = {"colours": colours, "alpha": alpha, "premultiplied": premultiplied}
        made = planes(values, reading, kind="channels", white=white, nodata=nodata, **about)
    first = _beside(replace(made.pictures[0], flat=False), file, page, inverted=inverted, white=white, nodata=stated)
    return replace(made, pictures=(first, *made.pictures[1:]))


def _is_one_picture(shape: tuple[int, ...], photometric: int, extras: tuple[int, ...]) -> bool:
    """Gray or colour, with alpha or without; anything else is channels."""
    samples = 1 if len(shape) == 2 else shape[2]
    if samples in (2, 4):
        # Some writers of colours leave out what the fourth sample is: it is alpha.
        return (photometric == RGB) == (samples == 4) and (extras[:1] in ((1,), (2,)) or (samples == 4 and not extras))
    return samples == 1 or (samples == 3 and photometric != MINISWHITE)


def _is_alpha(rows: Rows, white: float | None) -> bool:
    """Whether the fourth sample is alpha by its values, (h, w, 4): half of them or more are exactly 0 or opaque, and not all are 0.
    Light, such as near infrared, is never so flat. ``white`` is the largest value that the page states."""
    height, width = rows.shape[:2]
    if height * width < base.BANDED:
        looks = [rows.take(0, height)[..., 3]]
    else:
        step = -(-height // LOOKS)
        looks = [rows.take(row, row + 1)[..., 3] for row in range(step // 2, height, step)]
    top = alphas.opaque(rows.dtype)
    # Floats may have it in the units of colours that go up to 255.
    opaque = {top, 255.0 if rows.dtype.kind == "f" else white or top}
    none = sum(int(np.count_nonzero(look == 0)) for look in looks)
    full = sum(int(np.count_nonzero(look == rows.dtype.type(value))) for look in looks for value in opaque)
    count = sum(look.size for look in looks)
    return none < count and 2 * (none + full) >= count


def _by_pillow(path: Path, place: int) -> NDArray[Any]:
    """The page's samples, (h, w) or (h, w, n): gray as light, Lab and YCbCr as red, green and blue, inks as they are."""
    with path.open("rb") as stream, pillow.unlimited(), pillow.opened(stream, "TIFF") as picture:
        picture.seek(place)
        turn = int(picture.getexif().get(ORIENTATION) or 1)
        values = np.asarray(picture if picture.mode == "CMYK" else shown(picture))
    # It has turned the picture as the page says, and `upright` is going to.
    return turned(values, {6: 8, 8: 6}.get(turn, turn))


def _rows(page: Any, reading: Reading, size: int, before: int, extras: tuple[int, ...]) -> Rows | None:
    """The page's samples row by row, (h, w) or (h, w, n), where it is so large that this is asked for, and can be read so.
    ``extras`` are the kinds of those beyond the colours."""
    height, width, samples = int(page.imagelength), int(page.imagewidth), int(page.samplesperpixel)
    photometric = int(page.photometric)
    if not reading.sparing or height * width < base.BANDED or page.dtype is None or page.axes not in ("YX", "YXS"):
        return None
    if photometric not in (MINISWHITE, MINISBLACK, RGB) and not (photometric == YCBCR and int(page.compression) == JPEG):
        return None
    if int(page.compression) == JPEG and not codecs.is_whole():
        return None
    whole_bytes = page.bitspersample == 8 * page.dtype.itemsize and page.dtype.name in FILE_DEPTHS
    shape = (height, width) if page.axes == "YX" else (height, width, samples)
    if not whole_bytes or not _is_one_picture(shape, photometric, extras):
        return None
    check_places(page, size, before, held=0)
    check_codecs(page)
    handle, dtype = page.parent.filehandle, page.dtype.newbyteorder("=")
    settings = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if int(page.compression) == JPEG else {}

    if page.is_contiguous:
        return raw_rows(handle, page.dataoffsets[0], shape, page.dtype.newbyteorder(page.parent.byteorder))
    high = int(page.tilelength if page.is_tiled else page.rowsperstrip)
    across = -(-width // int(page.tilewidth)) if page.is_tiled else 1
    if high > HIGHEST_STRIP:
        return None

    def unpacked(top: int, bottom: int) -> NDArray[Any]:
        out = np.empty((bottom - top, width, samples), dtype)
        for index in range(top // high * across, -(-bottom // high) * across):
            handle.seek(page.dataoffsets[index])
            packed = handle.read(page.databytecounts[index])
            if len(packed) < page.databytecounts[index]:
                raise FileError(CUT_OFF)
            values, (_, _, down, left, _), _ = page.decode(packed or None, index, **settings)
            first, last = max(top, down), min(bottom, down + high)
            # A tile may reach beyond the picture.
            place = out[first - top : last - top, left : left + (int(page.tilewidth) if page.is_tiled else width)]
            place[...] = page.nodata if values is None else values[0, first - down : last - down, : place.shape[1]]
        return out.reshape(bottom - top, *shape[1:])

    return Rows(shape, dtype, unpacked)


def _values(page: Any, size: int, before: int = 0) -> NDArray[Any]:
    """The page's samples, (h, w) or (h, w, n)."""
    if page.dtype is None:
        raise FileError("its sample format is not read")
    check_places(page, size, before)
    check_codecs(page)
    # One worker: many small strips gain nothing, and errors stay in this thread.
    try:
        values: NDArray[Any] = page.asarray(maxworkers=1)
    except NotImplementedError as error:  # samples of 9 to 15 bits, say
        raise MissingExtra("imagecodecs", codecs.EXTRA) from error
    check_whole(page.parent, size)
    if page.axes == "SYX":
        values = values.transpose(1, 2, 0)
    elif page.axes not in ("YX", "YXS"):
        raise FileError(f"a page's axes {page.axes} are not read")
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    return values if _widened(page) == 1 else values * np.uint8(_widened(page))


def _widened(page: Any) -> int:
    """By how much the values of 1, 2 and 4 bits are multiplied, so that white is 255: 1 for all others."""
    bits = int(page.bitspersample)
    return 1 if bits not in (1, 2, 4) or int(page.photometric) == PALETTE else 255 // (2**bits - 1)


def _looked_up(values: NDArray[Any], palette: Any) -> NDArray[Any]:
    if palette is None or values.ndim != 2 or values.dtype.kind != "u":
        raise FileError("a palette is missing")
    table = np.asarray(palette, dtype=np.uint16)
    if int(values.max()) >= table.shape[1]:
        raise FileError("a value lies outside the palette")
    # Most palettes are of 8 bits, widened by 256 or 257.
    if not (table % 257).any() or not (table & 255).any():
        table = (table >> 8).astype(np.uint8)
    return np.ascontiguousarray(table[:, values].transpose(1, 2, 0))


def _white(page: Any, dtype: np.dtype[Any]) -> float | None:
    """The largest value that the page says there is, where that is not the dtype's own."""
    if dtype != np.uint16:
        return None
    bits = page.bitspersample
    stated = page.tags.valueof(LARGEST_VALUE)
    if isinstance(stated, tuple):
        stated = max(stated) if stated else None
    if isinstance(stated, int) and 255 <= stated < 65535:
        return float(stated)
    return float(2**bits - 1) if isinstance(bits, int) and 8 < bits < 16 else None


def _nodata(page: Any) -> float | None:
    """The value that GDAL's tag states to be no image."""
    try:
        value = float(page.tags.valueof(GDAL_NODATA))
    except (TypeError, ValueError):
        return None
    # NaN is none anyway.
    return value if np.isfinite(value) else None


def _as_read(stated: float | None, dtype: np.dtype[Any], *, inverted: bool) -> Nodata | None:
    """The value that is no image among those that have become light, if they were ``inverted``."""
    if stated is None:
        return None
    mirror = _mirror(dtype, inverted)
    value = stated if mirror is None else mirror - stated
    return Nodata(value, value, stored=(stated, stated))


def _mirror(dtype: np.dtype[Any], inverted: bool) -> float | None:
    """The value that is light once values whose 0 is white were ``inverted``: the mirror of 0."""
    return float(np.iinfo(dtype).max) if inverted else None


def _is_shown(page: Any) -> bool:
    """Whether the values are colours that are to be shown as they are, and no counts of a camera: a profile says so."""
    return ICC in page.tags


def _beside(image: Image, file: Any, page: Any, *, inverted: bool, white: float | None, nodata: float | None) -> Image:
    """The image with what the page says beside the pixels; ``nodata`` is the stored value that is no image, as it is written."""
    tags = page.tags
    unit = int(page.resolutionunit)
    across, down = (float(dots) for dots in page.resolution)
    known = 0 < across < 1e7 and 0 < down < 1e7 and (282 in tags)
    factor = {2: 1.0, 3: 2.54}.get(unit)
    passed = [(code, int(tag.dtype), tag.count, tag.value) for code in PLACES if (tag := tags.get(code)) is not None]
    if _nodata(page) not in (None, nodata):
        passed = [tag for tag in passed if tag[0] != GDAL_NODATA] + ([] if nodata is None else [nodata_tag(nodata)])
    if white is not None:
        passed.append((LARGEST_VALUE, 3, 1, int(white)))
    described = tags.valueof(270)
    text: tuple[tuple[str, str], ...] = ()
    description = None
    if page.is_ome and isinstance(described, str):
        text = ((OME_KEY, described),)
    elif page.is_shaped and isinstance(described, str) and tags.valueof(ORIENTATION, 1) == 1:
        # The shape of tifffile's own stacks.
        description = described.encode()
    tile = (page.tilelength, page.tilewidth) if page.is_tiled and not page.tilelength % 16 and not page.tilewidth % 16 else None
    notes = TiffNotes(
        compression=COMPRESSIONS.get(int(page.compression), "adobe_deflate"),
        separate=page.axes == "SYX",
        inverted=inverted,
        tile=tile,
        kind=(int(page.photometric), extras_of(page)),
        samples=int(page.samplesperpixel),
        description=description,
        resolution=(across, down) if known and factor is None else None,
        tags=tuple(passed),
    )
    words = [code for code in WORDS if code != 270 or not (page.is_ome or page.is_shaped)]
    icc, xmp = tags.valueof(ICC), tags.valueof(XMP)
    return replace(
        image,
        icc=icc if isinstance(icc, bytes) and icc else None,
        exif=_exif_of(file, page, words),
        xmp=xmp.rstrip(b"\0") if isinstance(xmp, bytes) and xmp else None,
        iptc=_iptc_of(file, page),
        text=text,
        resolution=(across * factor, down * factor) if known and factor is not None else None,
        notes=notes,
    )


def _iptc_of(file: Any, page: Any) -> bytes | None:
    """IPTC's records, as they are: some writers call them longs, and then a reader may turn their bytes round."""
    tag = page.tags.get(IPTC)
    if tag is None:
        return None
    length = tag.count * {1: 1, 4: 4, 7: 1}.get(int(tag.dtype), 0)
    if not 4 < length < 1 << 24:
        return None
    file.filehandle.seek(tag.valueoffset)
    return bytes(file.filehandle.read(length)) or None


def _exif_of(file: Any, page: Any, words: list[int]) -> bytes | None:
    """EXIF data with the page's words, orientation, camera settings and place."""
    handle = file.filehandle

    def read(place: int, length: int) -> bytes:
        handle.seek(place)
        return bytes(handle.read(length))

    try:
        first, details, place = with_inner(read, page.offset, order=file.byteorder, big=bool(file.is_bigtiff))
    except struct.error:
        # The page was found, its words are not: no reason to lose the picture.
        first, details, place = {}, {}, {}
    kept = {code: entry for code, entry in first.items() if code in words}
    turn = page.tags.valueof(ORIENTATION, 1)
    if turn in range(2, 9):
        kept[ORIENTATION] = (3, 1, bytes([turn, 0]))
    return exif_of(kept, details, place)


def _imagej(file: Any, reading: Reading, size: int) -> Document | None:
    """ImageJ's stack, or None where the file is better read page by page."""
    series = file.series[0]
    axes, shape = series.axes, tuple(series.shape)
    first = file.pages[0]
    if not re.fullmatch("T?Z?C?YXS?", axes) or int(first.photometric) not in (MINISWHITE, MINISBLACK, RGB):
        return None
    inner = 3 if axes.endswith("S") else 2
    if inner == 3 and shape[-1] != 3:
        return None
    leading, dtype = shape[:-inner], first.dtype
    count = int(np.prod(leading, dtype=np.int64)) if leading else 1
    colours = shape[-1] if inner == 3 else 1
    check_size(shape[-inner + 1], shape[-inner], colours, size, itemsize=dtype.itemsize, pages=count)
    needed = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if series.dataoffset is not None:
        if series.dataoffset + needed > size:
            raise FileError(CUT_OFF)
        lies = dtype.newbyteorder(file.byteorder)
        source: Any = Stored(file.filehandle, series.dataoffset, (count, *shape[-inner:]), lies)
    elif len(file.pages) == count:
        source = None
    else:
        return None
    kept = {
        key: value for key, value in (file.imagej_metadata or {}).items() if key not in ("images", "channels", "slices", "frames")
    }
    about = ImageJStack(
        shape=shape,
        axes=axes,
        dtype=dtype.name,
        photometric=int(first.photometric),
        metadata=tuple(kept.items()),
        resolution=tuple(float(dots) for dots in first.resolution),  # type: ignore[arg-type]
        unit=int(first.resolutionunit),
        compression=COMPRESSIONS.get(int(first.compression), "adobe_deflate"),
    )

    def pages() -> Iterator[Page]:
        for index in range(reading.first, count):
            values = _values(file.pages[index], size) if source is None else source.take((index, *(slice(None),) * inner))
            image = replace(picture_of(values, reading), flat=False)
            icc = first.tags.valueof(ICC)
            yield Page((replace(image, icc=icc if isinstance(icc, bytes) and icc else None),))

    return Document(pages(), count, leading, axes[:-inner], about, first=reading.first)


def _by_axes(file: Any, reading: Reading, size: int) -> Document:
    """The file's first series with its axes named: colour may lie in any of them. The whole of it is read at once."""
    from pellucid.files.arrays import frames, inner_shape

    series = file.series[0]
    shape = tuple(series.shape)
    itemsize = np.dtype(series.dtype).itemsize
    rest = math.prod(shape[1:])
    # Frames are picked out of the whole, and what is written is put together as a whole.
    check_size(rest, shape[0], 1, size, itemsize=itemsize, held=rest * shape[0] * (2 * itemsize + 4))
    axes = str(reading.axes).upper()
    leading, letters, _ = inner_shape(shape, axes)
    for page in series.pages:
        if page is None:
            raise FileError("a page is missing")
    values = series.asarray(maxworkers=1)
    check_whole(file, size)
    count = int(np.prod(leading, dtype=np.int64)) if leading else 1
    pages = (replace(page, pictures=tuple(page.pictures)) for page in frames(values, axes, reading))
    return Document(pages, count, leading, letters, Planes(shape, axes))
