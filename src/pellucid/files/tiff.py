"""TIFF read, through tifffile: every depth, pages, tiles, ImageJ's stacks and OME's description.

A file's pages are restored in the order in which they lie there and written in that order, each with its own tags; so a
description that speaks of them (OME-XML) stays true word for word. ImageJ has stacks of its own, one directory for many planes:
they are read and written by its rules.
"""

from __future__ import annotations

import logging
import math
import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import regular
from pellucid.errors import FileError, MissingExtra
from pellucid.files import base, codecs
from pellucid.files.base import (
    Document,
    Page,
    Reading,
    picture_of,
    picture_of_rows,
    planes,
    raw_rows,
)
from pellucid.files.claims import check_bytes, check_size
from pellucid.files.directories import exif_of, with_inner
from pellucid.files.embedded import MOST_IN_HEAD, size_of
from pellucid.files.metadata import ORIENTATION
from pellucid.files.photographs import shown
from pellucid.files.stored import Stored
from pellucid.images import FILE_DEPTHS, Image, Nodata, Rows

__all__ = ["ImageJStack", "Planes", "TiffFile", "TiffNotes", "at_depth", "imagej_fitted", "open_tiff", "without_words"]

MINISWHITE, MINISBLACK, RGB, PALETTE, MASK, INKS, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
"""Values of the tag PhotometricInterpretation."""

REDUCED, TRANSPARENCY = 1, 4
"""Bits of the tag NewSubfileType."""

JPEG = 7
COMPRESSIONS = {1: None, 5: "lzw", 8: "adobe_deflate", 32946: "adobe_deflate", 50000: "zstd"}
"""Tag Compression -> what is written. Everything else, such as JPEG, is written with deflate: nothing is lost again."""

EMBEDDED = frozenset((6, 7, 22610, 33003, 33004, 33005, 33007, 34712, 34892, 34933, 34934, 48124, 50001, 50002, 52546))
"""Values of the tag Compression whose strips and tiles are pictures of others: JPEG, JPEG 2000 and XR, PNG, WebP, JPEG XL."""

MOST_PAGES = 1_000_000

MOST_TAGS = 4096
"""Tags of a directory; the reader refuses more."""

TAG_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Type of a tag -> bytes of a value."""

NUMBER_BYTES = 48
"""Bytes of memory for a number of a tag: an object, a place in a list, and one in an array."""

LITTLE_TAGS = 1 << 20
"""Bytes that the tags of a page may need without more ado."""

HIGHEST_STRIP = 4096
"""Rows of a strip or tile up to which a page is read in bands: a part of it cannot be unpacked."""

CUT_OFF = "the pixels are cut off"

LARGEST_VALUE, SMALLEST_VALUE = 281, 280
ICC, XMP, IPTC = 34675, 700, 33723
SAMPLE_VALUES = (340, 341)
GDAL_NODATA = 42113

WORDS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 40091, 40092, 40093, 40094, 40095)
"""Tags about the picture that EXIF shares: document's and page's name, description, maker, model, software, date, artist, host,
copyright, and Windows' title, comment, author, keywords, subject."""

PLACES = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113)
"""GeoTIFF's and GDAL's tags: where on Earth the pixels lie, and which value means none."""

OME_KEY = "OME-XML"

IMAGEJ_PLACES = ("ROI", "Overlays", "roi", "overlays")
"""ImageJ's metadata that name places in pixels, packed in a format of its own."""

IMAGEJ_WORDS = ("Info", "Labels", "Properties")
"""ImageJ's metadata that only tells; the rest says what the axes and colours are."""


@dataclass(frozen=True)
class TiffNotes:
    """How a page was stored, and tags that are passed on as they are (code, type, count, value)."""

    compression: str | None = "adobe_deflate"
    separate: bool = False
    inverted: bool = False
    tile: tuple[int, int] | None = None
    premultiplied: bool = False
    description: bytes | None = None
    resolution: tuple[float, float] | None = None
    tags: tuple[tuple[int, int, int, Any], ...] = ()


@dataclass(frozen=True)
class TiffFile:
    """Metadata of the file as a whole."""

    big: bool


@dataclass(frozen=True)
class ImageJStack:
    """ImageJ's own kind of file: its whole shape and axes (of TZCYXS), metadata by name, how it was stored."""

    shape: tuple[int, ...]
    axes: str
    dtype: str
    photometric: int
    metadata: tuple[tuple[str, Any], ...]
    resolution: tuple[float, float]
    unit: int
    compression: str | None


@dataclass(frozen=True)
class Planes:
    """Pages that belong together as colour, by ``--axes``: the array's whole shape and its axes."""

    shape: tuple[int, ...]
    axes: str


def imagej_fitted(about: ImageJStack, shape: tuple[int, ...]) -> ImageJStack:
    """The stack with planes of another size: as many pixels more for each unit of length. Selections, which count pixels, go."""
    grown = {axis: after / before for axis, before, after in zip(about.axes, about.shape, shape, strict=True)}
    across, down = about.resolution
    kept = tuple((key, value) for key, value in about.metadata if key not in IMAGEJ_PLACES)
    return replace(about, resolution=(across * grown["X"], down * grown["Y"]), metadata=kept)


def without_words(document: Document) -> Document:
    """The document without ImageJ's texts."""
    if not isinstance(document.about, ImageJStack):
        return document
    kept = tuple((key, value) for key, value in document.about.metadata if key not in IMAGEJ_WORDS)
    return replace(document, about=replace(document.about, metadata=kept))


def at_depth(image: Image) -> Image:
    """The image, whose values are in another dtype than when it was read, without tags that state values in the old one."""
    notes = image.notes
    if isinstance(notes, TiffNotes):
        tags = tuple(tag for tag in notes.tags if tag[0] not in (SMALLEST_VALUE, LARGEST_VALUE, *SAMPLE_VALUES, GDAL_NODATA))
        image = replace(image, notes=replace(notes, tags=tags))
    if OME_KEY not in dict(image.text):
        return image
    kind = {"float32": "float"}.get(image.dtype.name, image.dtype.name)

    def retyped(found: re.Match[str]) -> str:
        return re.sub(r'\sSignificantBits="[^"]*"', "", re.sub(r'(\sType=")[^"]*', rf"\g<1>{kind}", found[0]))

    return replace(
        image, text=tuple((key, re.sub(r"<Pixels\b[^>]*", retyped, text) if key == OME_KEY else text) for key, text in image.text)
    )


# -- reading ----------------------------------------------------------------------------------------------------------


@contextmanager
def open_tiff(path: Path, reading: Reading) -> Iterator[Document]:
    """A TIFF's pages. Thumbnails and reduced copies are left out: they would show the noisy picture."""
    import tifffile

    # Its remarks on what it makes of a damaged file are for who asked for logs, not for everyone's terminal.
    logging.getLogger("tifffile").addHandler(logging.NullHandler())
    codecs.lend(tifffile)
    _check_directories(path)
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
        yield Document(pages(), len(places), shape, "Q" * len(shape), TiffFile(bool(file.is_bigtiff)), first=reading.first)


def _check_directories(path: Path) -> None:
    """Raises `FileError` where the directories go in a circle, which the reader would follow for ever, or are too many, and
    `MemoryShort` where the values of one's tags need more memory than there is: the reader takes them as lists of numbers."""
    size = path.stat().st_size
    with regular.opened(path) as handle:
        start = handle.read(16)
        order: Literal["little", "big"] = "little" if start[:2] == b"II" else "big"
        big = int.from_bytes(start[2:4], order) == 43
        head, step, length = (8, 20, 8) if big else (2, 12, 4)
        place, known = int.from_bytes(start[8:16] if big else start[4:8], order), set[int]()
        while place:
            if place in known:
                raise FileError(f"its directories are damaged: after page {len(known)} they go in a circle")
            if len(known) == MOST_PAGES:
                raise FileError(f"more than {MOST_PAGES} pages are more than pellucid reads")
            known.add(place)
            handle.seek(place)
            count = int.from_bytes(handle.read(head), order)
            end = place + head + count * step
            if end + length > size:
                # Cut off: what the reader finds is looked at after this.
                return
            if count <= MOST_TAGS:
                _check_tags(handle.read(count * step), order, step, size, len(known))
            handle.seek(end)
            place = int.from_bytes(handle.read(length), order)


def _check_tags(table: bytes, order: Literal["little", "big"], step: int, size: int, page: int) -> None:
    """Raises `MemoryShort` where the values of the tags in the ``table`` of a page need more memory than there is; values that lie
    beyond the end of the file, of that ``size``, are not read."""
    needed, wide = 0, (step - 4) // 2
    for begin in range(0, len(table), step):
        kind = int.from_bytes(table[begin + 2 : begin + 4], order)
        count = int.from_bytes(table[begin + 4 : begin + 4 + wide], order)
        stored = count * TAG_BYTES.get(kind, 0)
        if wide < stored <= size:
            # Bytes and text twice; of numbers a list, and an array of 8 bytes each.
            needed += 2 * stored if TAG_BYTES[kind] == 1 else NUMBER_BYTES * count
    if needed > LITTLE_TAGS:
        check_bytes(needed, f"the tags of page {page}")


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
    extras = tuple(int(kind) for kind in page.extrasamples)
    rows = _rows(page, reading, size, before)
    if rows is not None:
        inverted = photometric == MINISWHITE and rows.dtype.kind == "u"
        if inverted:
            top = rows.dtype.type(np.iinfo(rows.dtype).max)
            rows = rows.mapped(lambda band: top - band, rows.shape, rows.dtype)
        white = _white(page, rows.dtype)
        image = picture_of_rows(
            rows, reading, white=white, nodata=_nodata(page), full=_is_shown(page), premultiplied=extras[:1] == (1,)
        )
        image = replace(image, flat=False)
        return Page((_beside(image, file, page, inverted=inverted, white=white),))
    # Without imagecodecs, libtiff unpacks JPEG; it knows no other order of planes, and 8 bits.
    by_pillow = int(page.compression) == JPEG and not codecs.is_whole() and page.axes in ("YX", "YXS") and page.bitspersample == 8
    if photometric == CIELAB or (photometric == YCBCR and int(page.compression) != JPEG) or by_pillow:
        check_size(page.imagewidth, page.imagelength, samples, size, before=before)
        with path.open("rb") as stream, PillowImage.open(stream, formats=["TIFF"]) as picture:
            picture.seek(place)
            values = np.asarray(shown(picture))
    elif photometric in (MINISWHITE, MINISBLACK, RGB, PALETTE, INKS, YCBCR):
        values = _values(page, size, before)
    else:
        raise FileError(f"pixels of kind {getattr(page.photometric, 'name', photometric)} are not read")
    if photometric == PALETTE:
        values = _looked_up(values, page.colormap)
    inverted = photometric == MINISWHITE and values.dtype.kind == "u"
    if inverted:
        values = np.iinfo(values.dtype).max - values
    white = _white(page, values.dtype)
    if photometric == INKS and samples == 4 and values.dtype.name in ("uint8", "uint16"):
        made = planes(values, reading, kind="inks")
    elif photometric == INKS:
        raise FileError(f"it has {samples} inks of {values.dtype}, and only CMYK of 8 or 16 bits is read")
    elif _is_one_picture(values.shape, photometric, extras):
        multiplied = extras[:1] == (1,)
        image = picture_of(values, reading, white=white, nodata=_nodata(page), full=_is_shown(page), premultiplied=multiplied)
        made = Page((image,))
    else:
        made = planes(values, reading, kind="channels", white=white, nodata=_nodata(page))
    first = _beside(replace(made.pictures[0], flat=False), file, page, inverted=inverted, white=white)
    return replace(made, pictures=(first, *made.pictures[1:]))


def _is_one_picture(shape: tuple[int, ...], photometric: int, extras: tuple[int, ...]) -> bool:
    """Gray or colour, with alpha or without; anything else is channels."""
    if len(shape) == 2 or shape[2] in (1, 3):
        return True
    if shape[2] == 4:
        return photometric == RGB
    return shape[2] == 2 and extras in ((1,), (2,))


def _rows(page: Any, reading: Reading, size: int, before: int) -> Rows | None:
    """The page's samples row by row, (h, w) or (h, w, n), where it is so large that this is asked for, and can be read so."""
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
    if not whole_bytes or not _is_one_picture(shape, photometric, tuple(int(kind) for kind in page.extrasamples)):
        return None
    _check_places(page, size, before, held=0)
    _check_codecs(page)
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
    _check_places(page, size, before)
    _check_codecs(page)
    # One worker: many small strips gain nothing, and errors stay in this thread.
    try:
        values: NDArray[Any] = page.asarray(maxworkers=1)
    except NotImplementedError as error:  # samples of 9 to 15 bits, say
        raise MissingExtra("imagecodecs", codecs.EXTRA) from error
    _check_whole(page.parent, size)
    if page.axes == "SYX":
        values = values.transpose(1, 2, 0)
    elif page.axes not in ("YX", "YXS"):
        raise FileError(f"a page's axes {page.axes} are not read")
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(255)
    elif page.bitspersample in (2, 4) and values.dtype == np.uint8 and int(page.photometric) != PALETTE:
        values = values * np.uint8(255 // (2**page.bitspersample - 1))
    return values


def _check_places(page: Any, size: int, before: int, held: int | None = None) -> None:
    """Raises an error when the page claims what the file of that size cannot have, or more than there is memory for; ``before`` and
    ``held`` as of `check_size`."""
    width, height, samples = int(page.imagewidth), int(page.imagelength), int(page.samplesperpixel)
    itemsize = page.dtype.itemsize
    across, high = (int(page.tilewidth), int(page.tilelength)) if page.is_tiled else (width, min(height, int(page.rowsperstrip)))
    # A part that is packed is unpacked as a whole, and copied; and it says its size itself.
    part = 0 if page.is_contiguous else 3 * across * high * samples * itemsize
    check_size(across, high, samples, size, itemsize=itemsize, held=part)
    check_size(width, height, samples, size, itemsize=itemsize, before=before, held=held, beside=part)
    places = np.asarray(page.dataoffsets, dtype=np.uint64)
    lengths = np.asarray(page.databytecounts, dtype=np.uint64)
    # The reader fills missing parts with zeros: a truncated file would come out black in part.
    wanted = int(np.prod(page.chunked))
    if len(places) != len(lengths) or len(places) < wanted or (places + lengths > size)[:wanted].any():
        raise FileError(CUT_OFF)
    if int(page.compression) in EMBEDDED:
        _check_embedded(page, across, high)
    if int(page.compression) == 1 and int(lengths[:wanted].sum()) < page.imagewidth * page.imagelength * page.samplesperpixel // 8:
        raise FileError(CUT_OFF)


def _check_codecs(page: Any) -> None:
    """Raises `MissingExtra` where the pixels are packed in a way that only imagecodecs unpacks, and it is not installed."""
    import tifffile

    known = tifffile.TIFF.DECOMPRESSORS, tifffile.TIFF.UNPREDICTORS
    if (int(page.compression) not in known[0] or int(page.predictor) not in known[1]) and not codecs.is_whole():
        raise MissingExtra("imagecodecs", codecs.EXTRA)


def _check_embedded(page: Any, width: int, height: int) -> None:
    """Raises `FileError` where a strip or tile is a picture of a format of its own that is larger than the part is, or of a kind
    whose size is not known before it is unpacked: its decoder goes by that."""
    handle = page.parent.filehandle
    for place, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        if not length:
            continue
        handle.seek(place)
        found = size_of(handle.read(min(int(length), MOST_IN_HEAD)))
        if found is None:
            # What has no header uses that of the file.
            if page.jpegheader is not None:
                continue
            raise FileError(f"pixels packed by {getattr(page.compression, 'name', page.compression)} of no known size are not read")
        # A last strip may be a whole one.
        if found[0] > max(width, int(page.imagewidth)) + 64 or found[1] > max(height, int(page.rowsperstrip or 0)) + 64:
            raise FileError(f"a part of {width}x{height} pixels holds a picture of {found[0]}x{found[1]}")


def _check_whole(file: Any, size: int) -> None:
    """Raises `FileError` where the file has become shorter: the reader takes what it does not find for zeros."""
    if os.fstat(file.filehandle.fileno()).st_size < size:
        raise FileError(CUT_OFF)


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
    told = page.tags.valueof(LARGEST_VALUE)
    if isinstance(told, tuple):
        told = max(told) if told else None
    if isinstance(told, int) and 255 <= told < 65535:
        return float(told)
    return float(2**bits - 1) if isinstance(bits, int) and 8 < bits < 16 else None


def _nodata(page: Any) -> Nodata | None:
    """The value that GDAL's tag states to be no image."""
    told = page.tags.valueof(GDAL_NODATA)
    try:
        value = float(told)
    except (TypeError, ValueError):
        return None
    # NaN is none anyway.
    return Nodata(value, value) if np.isfinite(value) else None


def _is_shown(page: Any) -> bool:
    """Whether the values are colours that are to be shown as they are, and no counts of a camera: a profile says so."""
    return ICC in page.tags


def _beside(image: Image, file: Any, page: Any, *, inverted: bool, white: float | None) -> Image:
    tags = page.tags
    unit = int(page.resolutionunit)
    across, down = (float(dots) for dots in page.resolution)
    known = 0 < across < 1e7 and 0 < down < 1e7 and (282 in tags)
    factor = {2: 1.0, 3: 2.54}.get(unit)
    passed = [(code, int(tag.dtype), tag.count, tag.value) for code in PLACES if (tag := tags.get(code)) is not None]
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
        premultiplied=bool(page.extrasamples) and int(page.extrasamples[0]) == 1,
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
    _check_whole(file, size)
    count = int(np.prod(leading, dtype=np.int64)) if leading else 1
    pages = (replace(page, pictures=tuple(page.pictures)) for page in frames(values, axes, reading))
    return Document(pages, count, leading, letters, Planes(shape, axes))
