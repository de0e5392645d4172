"""PNM: PGM and PPM of 8 and 16 bits, binary or as text, and PBM bitmaps. A header of numbers, then the samples."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import regular
from pellucid.errors import FileError
from pellucid.files import base
from pellucid.files.base import (
    BAND_ROWS,
    Document,
    Page,
    Reading,
    fitting,
    joined_rows,
    picture_of,
    picture_of_rows,
    raw_rows,
)
from pellucid.files.claims import check_bytes, check_size
from pellucid.images import Image, Rows

__all__ = ["open_pnm", "save_pnm"]

NUMBER = re.compile(rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,10})")
"""A number of the header, after white space and comments."""

MOST_AS_TEXT = 1 << 28
"""Bytes of a file whose samples are written as text; larger ones would take many times their size in memory."""


TEXT_AT_ONCE = 1 << 16
"""Bytes of such text that are taken apart at once: as words they take forty times their room."""

MOST_IN_HEADER = 1 << 16
"""Bytes in which the header must be, its comments with it."""


@dataclass(frozen=True)
class PnmNotes:
    """The value that the file says is white."""

    white: int


@contextmanager
def open_pnm(path: Path, reading: Reading) -> Iterator[Document]:
    """The picture in a PBM, PGM or PPM file; the largest value that its header allows is white."""
    with regular.opened(path) as file:
        start = file.read(MOST_IN_HEADER)
        size = os.fstat(file.fileno()).st_size
        kind, (width, height, white), place = _header(start, size)
        if not reading.sparing or width * height < base.BANDED or kind not in (5, 6):
            channels = 3 if kind in (3, 6) else 1
            check_size(width, height, channels, size, itemsize=1 if white < 256 else 2)
            check_bytes(size, f"its {size} bytes")
            # No longer than when it was checked.
            yield Document([Page((_whole(start + file.read(max(0, size - len(start))), reading),))])
            return
        dtype = np.dtype(np.uint8 if white < 256 else ">u2")
        shape = (height, width, 3) if kind == 6 else (height, width)
        rows = raw_rows(file, place + 1, shape, dtype)
        if size - place - 1 < rows.nbytes:
            raise FileError("the pixels are cut off")

        def checked(band: NDArray[Any]) -> NDArray[Any]:
            if band.max() > white:
                raise FileError(f"a value is larger than its header's {white}")
            return band

        full = white in (255, 65535)
        image = picture_of_rows(
            rows if full else rows.mapped(checked, shape, rows.dtype), reading, white=None if full else white, full=True
        )
        yield Document([Page((replace(image, notes=PnmNotes(white)),))])


def _header(content: bytes, stored: int) -> tuple[int, tuple[int, int, int], int]:
    """The kind (1 to 6), width, height and white, and where the header ends."""
    if not re.match(rb"P[1-6]\s", content):
        raise FileError("this is not a PNM file (PBM, PGM or PPM)")
    kind = content[1] - ord("0")
    place, header = 2, []
    for _ in range(2 if kind in (1, 4) else 3):
        found = NUMBER.match(content, place)
        if found is None:
            raise FileError("its header is cut off")
        header.append(int(found[1]))
        place = found.end()
    width, height = header[:2]
    check_size(width, height, 3 if kind in (3, 6) else 1, stored, held=0)
    white = header[2] if len(header) == 3 else 1
    if not 1 <= white <= 65535:
        raise FileError(f"a largest value of {white} is not between 1 and 65535")
    return kind, (width, height, white), place


def _whole(content: bytes, reading: Reading) -> Image:
    kind, (width, height, white), place = _header(content, len(content))
    channels = 3 if kind in (3, 6) else 1
    shape = (height, width, channels) if channels == 3 else (height, width)
    values: NDArray[Any]
    if kind <= 3:
        values = _as_text(content[place:], shape, bitmap=kind == 1)
    elif kind == 4:
        values = _bits(content[place + 1 :], height, width)
    else:
        dtype = np.dtype(np.uint8 if white < 256 else ">u2")
        needed = int(np.prod(shape)) * dtype.itemsize
        # One white space ends the header.
        if len(content) - place - 1 < needed:
            raise FileError("the pixels are cut off")
        values = np.frombuffer(content, dtype, int(np.prod(shape)), place + 1).reshape(shape)
    if kind in (1, 4):
        # A bit that is set is black.
        return picture_of(((1 - values) * 255).astype(np.uint8), reading)
    if values.max() > white:
        raise FileError(f"a value is larger than its header's {white}")
    narrow = values.astype(np.uint8 if white < 256 else np.uint16)
    full = white in (255, 65535)
    return replace(picture_of(narrow, reading, white=None if full else white, full=True), notes=PnmNotes(white))


def _as_text(content: bytes, shape: tuple[int, ...], *, bitmap: bool) -> NDArray[np.uint16]:
    if len(content) > MOST_AS_TEXT:
        raise FileError("a file of this length with samples as text is not read; convert it to a binary file")
    count = int(np.prod(shape))
    numbers = np.empty(count, np.uint16)
    done = place = 0
    content = re.sub(rb"#[^\r\n]*", b" ", content)
    while done < count:
        # As many at a time as take little memory; none is torn.
        end = min(len(content), place + TEXT_AT_ONCE)
        while end < len(content) and not content[end - 1 : end].isspace():
            end += 1
        words = content[place:end].split()
        if bitmap:
            # Bits need no space between them.
            words = [bytes([digit]) for digit in b"".join(words)]
        if place >= len(content):
            raise FileError("the pixels are cut off")
        part = [int(word) for word in words[: count - done]]
        if part and not 0 <= min(part) <= max(part) <= (1 if bitmap else 65535):
            raise FileError("a sample lies outside its range")
        numbers[done : done + len(part)] = part
        done += len(part)
        place = end
    return numbers.reshape(shape)


def _bits(content: bytes, height: int, width: int) -> NDArray[np.uint8]:
    row = (width + 7) // 8
    if len(content) < row * height:
        raise FileError("the pixels are cut off")
    packed = np.frombuffer(content, np.uint8, row * height).reshape(height, row)
    return np.unpackbits(packed, axis=1)[:, :width]


def save_pnm(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes a binary PGM or PPM file with the source's largest value; it holds nothing beside the pixels. A
    ``.ppm`` has three channels, whatever the picture has: other programs go by its name."""
    page = next(pages)
    image = page.pictures[0]
    rows: Rows
    if isinstance(image.pixels, Rows) and image.dtype.name in ("uint8", "uint16"):
        rows = joined_rows(page)
        largest = 0.0 if image.white is None else image.white
        if image.mask is not None:
            # Values that are no image come back as they were, and may lie above white.
            largest = max(largest, *(float(band.max()) for band in image.mask.values.bands(BAND_ROWS)))
    else:
        values = fitting(image, ("uint8", "uint16"))
        rows = Rows(values.shape, values.dtype, lambda top, bottom: values[top:bottom])
        largest = float(values.max())
    if len(rows.shape) == 2 and document.name.lower().endswith(".ppm"):
        gray = rows
        rows = Rows((*gray.shape, 3), gray.dtype, lambda top, bottom: np.repeat(gray.take(top, bottom)[..., None], 3, axis=2))
    top = int(np.iinfo(rows.dtype).max)
    # That holds for 12 bits of another file in 16, too.
    white = image.notes.white if isinstance(image.notes, PnmNotes) else int(image.white or top) if image.black == 0 else top
    if not 1 <= white <= top or largest > white:
        white = top
    dtype = np.dtype(">u2" if white > 255 else np.uint8)
    with path.open("wb") as file:
        file.write(b"P%d\n%d %d\n%d\n" % (5 if len(rows.shape) == 2 else 6, rows.shape[1], rows.shape[0], white))
        for band in rows.bands(BAND_ROWS):
            file.write(band.astype(dtype).tobytes())
