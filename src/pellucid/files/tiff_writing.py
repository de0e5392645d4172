"""TIFF written: pages of any depth, packed as they were, with their tags; ImageJ's stacks by its own rules.

`pellucid.files.tiff` reads them; `pellucid.files.tiff_notes` has what it keeps for here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import images
from pellucid.files import codecs
from pellucid.files.base import Document, Page, Reading, joined, joined_rows, picture_of
from pellucid.files.directories import EXIF, GPS, Entries, parsed_exif, written_directory
from pellucid.files.geometry import Tag, geotiff_fitted, ome_fitted, ome_renamed, ome_sampled, shaped_fitted
from pellucid.files.tiff_notes import (
    ASSOCIATED,
    COMPRESSIONS,
    GDAL_NODATA,
    INKS,
    IPTC,
    LARGEST_VALUE,
    MINISBLACK,
    MINISWHITE,
    OME_KEY,
    RGB,
    UNASSOCIATED,
    WORDS,
    XMP,
    YCBCR,
    ImageJStack,
    Planes,
    TiffFile,
    TiffNotes,
    as_light,
    nodata_tag,
)
from pellucid.images import Rows

__all__ = ["save_tiff"]

LARGEST = 3_900_000_000
"""Bytes of pixels that a classic TIFF can hold, with room for the rest below 2^32; above it is a BigTIFF."""

STRIP_BYTES = 1 << 18
"""About so many bytes of pixels go into a packed strip, as tifffile does it."""


def save_tiff(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes the pages, each at its own depth and in its own units."""
    import tifffile

    codecs.lend(tifffile)
    about = document.about
    if isinstance(about, ImageJStack):
        _save_imagej(path, pages, document, about)
        return
    if isinstance(about, Planes):
        pages = _unfolded(pages, document, about)
    first = next(pages)
    size = document.count * sum(
        part.nbytes // part.dtype.itemsize * picture.dtype.itemsize
        for picture in first.pictures
        for part in (picture.pixels, picture.alpha)
        if part is not None
    )
    big = size > LARGEST or (isinstance(about, TiffFile) and about.big)
    names = (about.name if isinstance(about, TiffFile) else "", document.name)
    details: list[tuple[Entries, Entries]] = []
    with tifffile.TiffWriter(path, bigtiff=big, byteorder="<", shaped=False, ome=False) as writer:
        for number, page in enumerate(_chain(first, pages)):
            words, *inner = parsed_exif(page.pictures[0].exif)
            # A BigTIFF's directories are built otherwise: there the camera's settings are left out.
            details.append(({}, {}) if big else (inner[0], inner[1]))
            _write_page(writer, page, words, details[-1], names=names, paged=(number, document.count))
    if any(inner for both in details for inner in both):
        _append_details(path, details)


def _chain(first: Page, rest: Iterator[Page]) -> Iterator[Page]:
    yield first
    yield from rest


def _write_page(
    writer: Any, page: Page, words: Entries, details: tuple[Entries, Entries], *, names: tuple[str, str], paged: tuple[int, int]
) -> None:
    image = page.pictures[0]
    notes = image.notes if isinstance(image.notes, TiffNotes) else TiffNotes()
    rows = joined_rows(page)
    photometric, extras = _photometric(page, rows.shape, rows.dtype, notes)
    if notes.inverted and photometric == MINISWHITE:
        rows = rows.mapped(as_light, rows.shape, rows.dtype)
    separate = notes.separate and len(rows.shape) == 3
    integer = rows.dtype.kind in "iu"
    values: Any
    if separate:
        values = images.whole(rows).transpose(2, 0, 1)
    elif isinstance(image.pixels, Rows):
        values = _packed(rows, notes, predicted=integer)
    else:
        values = rows.take(0, rows.shape[0])
    down, across = image.grown
    placed = notes.tags if not image.is_grown else geotiff_fitted(notes.tags, across, down, image.corner)
    if notes.inverted and photometric != MINISWHITE:
        placed = _turned_over(placed, rows.dtype)
    tags: list[tuple[int, int, int, Any, bool]] = [(*tag, True) for tag in placed]
    told = LARGEST_VALUE in {tag[0] for tag in tags}
    if image.white is not None and image.black == 0 and image.dtype == np.uint16 and image.white.is_integer() and not told:
        tags.append((LARGEST_VALUE, 3, 1, int(image.white), True))
    description = notes.description
    samples = 1 if len(rows.shape) == 2 else rows.shape[2]
    before = samples if notes.samples is None else notes.samples
    if description is not None and (image.is_grown or samples != before):
        size = (*image.size, before) if image.size is not None else (0, 0, 0)
        description = shaped_fitted(description, size, (rows.shape[0], rows.shape[1], samples))
    xml = dict(image.text).get(OME_KEY)
    if xml is not None:
        xml = ome_fitted(xml, across, down) if image.is_grown else xml
        xml = ome_sampled(xml, before, samples) if samples != before else xml
        description = ome_renamed(xml, *names).encode()
    tags += [(code, *words[code], True) for code in WORDS if code in words and (code != 270 or description is None)]
    if image.xmp:
        tags.append((XMP, 1, len(image.xmp), image.xmp, True))
    if image.iptc:
        tags.append((IPTC, 7, len(image.iptc), image.iptc, True))
    tags += [(code - 1, 4, 1, 0, True) for code, inner in zip((EXIF, GPS), details, strict=True) if inner]
    resolution, unit = (image.resolution, 2) if image.resolution else (notes.resolution, 1)
    if unit == 1 and resolution is not None and xml is None and b"\nunit=" in words.get(270, (0, 0, b""))[2]:
        # ImageJ states the unit in words of its own.
        resolution = (resolution[0] * float(across), resolution[1] * float(down))
    writer.write(
        values,
        shape=None if isinstance(values, np.ndarray) else rows.shape,
        dtype=None if isinstance(values, np.ndarray) else rows.dtype,
        rowsperstrip=_strip(rows) if notes.compression and notes.tile is None else None,
        photometric=photometric,
        planarconfig=("separate" if separate else "contig") if len(rows.shape) == 3 else None,
        extrasamples=extras or None,
        compression=_written(notes.compression),
        predictor=2 if notes.compression and integer else None,
        tile=notes.tile,
        iccprofile=image.icc,
        resolution=resolution,
        resolutionunit=unit if resolution else None,
        subfiletype=2 if paged[1] > 1 and xml is None and description is None else 0,
        description=description,
        software=False,
        metadata=None,
        extratags=tags,
        contiguous=False,
    )


def _written(compression: str | None) -> str | None:
    """How the pixels are packed: as they were, but by deflate where the source's way cannot be written here."""
    import tifffile

    tag = next((tag for tag, name in COMPRESSIONS.items() if name == compression), 1)
    return compression if tag in tifffile.TIFF.COMPRESSORS else "adobe_deflate"


def _strip(rows: Rows) -> int:
    """How many rows go into a strip that is packed."""
    return max(1, STRIP_BYTES * rows.shape[0] // max(1, rows.nbytes))


def _packed(rows: Rows, notes: TiffNotes, *, predicted: bool) -> Iterator[Any]:
    """Input for tifffile in the place of an array: its tiles, or its strips as the bytes that they will be."""
    import tifffile

    width = rows.shape[1]
    if notes.tile is not None:
        for band in rows.bands(notes.tile[0]):
            for left in range(0, width, notes.tile[1]):
                yield np.ascontiguousarray(band[:, left : left + notes.tile[1]])
        return
    if notes.compression is None:
        yield from (band.tobytes() for band in rows.bands(_strip(rows)))
        return
    pack = tifffile.TIFF.COMPRESSORS[next(tag for tag, name in COMPRESSIONS.items() if name == _written(notes.compression))]
    for band in rows.bands(_strip(rows)):
        values = np.ascontiguousarray(band.reshape(len(band), width, -1))
        if predicted:
            values = tifffile.TIFF.PREDICTORS[2](values, axis=-2)
        yield pack(values)


def _photometric(page: Page, shape: tuple[int, ...], dtype: np.dtype[Any], notes: TiffNotes) -> tuple[int, list[int]]:
    """The kind of pixels, and what each sample beyond the colours is (0 unknown, 1 alpha multiplied in, 2 alpha)."""
    samples = 1 if len(shape) == 2 else shape[2]
    stored, stated = notes.kind
    if page.kind == "inks":
        return INKS, []
    if page.kind == "channels":
        photometric = RGB if stored == YCBCR else stored
        more = samples - (3 if photometric == RGB else 1)
        return photometric, list(stated) if len(stated) == more else [0] * more
    colour = page.pictures[0].pixels.shape[2]
    if colour == 3:
        # Three bands that the file does not call colours.
        if stored == MINISBLACK and notes.samples == samples == 3:
            return MINISBLACK, [0, 0]
        return RGB, [ASSOCIATED if ASSOCIATED in stated else UNASSOCIATED] * (samples - colour)
    extras = [ASSOCIATED if ASSOCIATED in stated else UNASSOCIATED] * (samples - colour)
    return (MINISWHITE if notes.inverted and dtype.kind == "u" and not extras else MINISBLACK), extras


def _turned_over(tags: tuple[Tag, ...], dtype: np.dtype[Any]) -> tuple[Tag, ...]:
    """The tags of a page whose white was 0 and is no longer: the value that is no image is another."""
    top = np.iinfo(dtype).max
    return tuple(nodata_tag(top - float(tag[3])) if tag[0] == GDAL_NODATA else tag for tag in tags)


def _append_details(path: Path, details: list[tuple[Entries, Entries]]) -> None:
    """Puts the EXIF and GPS directories behind the pixels and points the pages' tags there.

    tifffile writes no such directories, nor the tags that point to them; the tags before those have kept their places.
    """
    import tifffile

    with tifffile.TiffFile(path, mode="r+", is_ome=False, is_imagej=False) as opened:
        file: Any = opened
        handle = file.filehandle
        for page, both in zip(file.pages, details, strict=True):
            for code, entries in zip((EXIF, GPS), both, strict=True):
                if not entries:
                    continue
                handle.seek(0, io.SEEK_END)
                place = handle.tell() + handle.tell() % 2
                handle.write(b"\0" * (place - handle.tell()) + written_directory(entries, place))
                tag = page.tags[code - 1]
                handle.seek(tag.offset)
                handle.write(code.to_bytes(2, "little"))
                handle.seek(tag.valueoffset)
                handle.write(place.to_bytes(4, "little"))


def _save_imagej(path: Path, pages: Iterator[Page], document: Document, about: ImageJStack) -> None:
    import tifffile

    icc: list[bytes | None] = []

    def values() -> Iterator[NDArray[Any]]:
        for page in pages:
            icc.append(page.pictures[0].icc)
            yield joined(page)

    # The first page is taken before the file begins: its profile belongs into the first directory.
    frames = values()
    first = next(frames)

    def all_values() -> Iterator[NDArray[Any]]:
        yield first
        yield from frames

    tifffile.imwrite(
        path,
        all_values() if document.count > 1 else first.reshape(about.shape),
        shape=about.shape,
        dtype=about.dtype,
        imagej=True,
        photometric={MINISWHITE: "miniswhite", RGB: "rgb"}.get(about.photometric, "minisblack"),
        resolution=about.resolution if min(about.resolution) > 0 else None,
        resolutionunit=about.unit if min(about.resolution) > 0 else None,
        compression=_written(about.compression),
        iccprofile=icc[0],
        software=False,
        metadata={**dict(about.metadata), "axes": about.axes},
    )


def _unfolded(pages: Iterator[Page], document: Document, about: Planes) -> Iterator[Page]:
    """The pages that the file had before `--axes` put them together as colour: gray planes, or what they were."""
    from pellucid.files.arrays import assembled

    whole = assembled(pages, about.axes, about.shape)
    colour = about.axes.endswith("S")
    planes_of = whole.reshape(-1, *about.shape[-3:]) if colour else whole.reshape(-1, *about.shape[-2:])
    for values in planes_of:
        yield Page((replace(picture_of(values, Reading("dtype")), flat=False),))
