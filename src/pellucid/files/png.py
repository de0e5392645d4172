"""PNG: Pillow reads it, 16 bits in two turns (`codecs.png_samples`). The writer is our own, but for deflate.

Libraries try five filters for each row and pack with zlib: three to four times as long as two filters and libdeflate, for files
of the same size.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import FileError
from pellucid.files import codecs
from pellucid.files.base import Document, Page, Reading, fitting, picture_of
from pellucid.files.claims import check_size, content_of
from pellucid.files.metadata import EXIF_HEAD
from pellucid.files.photographs import animation, described, opened, shown
from pellucid.images import Image

__all__ = ["from_png", "open_png", "to_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"

COLOUR_CHUNKS = (b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI")
"""Chunks that say what the values mean as colours, beside a profile."""

SHOWN = frozenset((b"iCCP", b"sRGB", b"cICP"))
"""Chunks of a picture that is meant to be looked at as it is."""

LEVEL = 2
"""Deflate's level. Restored photographs in colour, 512x512: 475 KB in 10 ms, by level 1 482 KB in 6, by 4 473 KB in 11;
zlib's own takes 23 ms for 482 KB, and 79 for the 472 KB of its level 6."""

MOST = 1 << 30
"""Bytes of image data in one chunk: its length has 31 bits."""

BAND = 1 << 18
"""Bytes of rows that are filtered at a time."""

COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}
"""Channels -> colour type."""

XMP_KEY = "XML:com.adobe.xmp"

OBSOLETE_KEYS = ("Raw profile type exif", "Raw profile type APP1", "Raw profile type xmp", "Thumb::")
"""Beginnings of text keys that hold metadata in old ways, kept elsewhere, or describe a thumbnail."""


@dataclass(frozen=True)
class PngNotes:
    """The colour chunks of a PNG, whole."""

    colour: bytes


@contextmanager
def open_png(path: Path, reading: Reading) -> Iterator[Document]:
    """The picture in a PNG file, or the frames of an animated one."""
    content = content_of(path)
    # Only the chunk of an animation makes it one, and only before the pixels.
    moving = b"acTL" in content[: max(0, content.find(b"IDAT"))]
    yield (animation(content, "PNG", reading) if moving else None) or Document([Page((from_png(content, reading),))])


def from_png(content: bytes, reading: Reading) -> Image:
    """The picture in a PNG file."""
    if content[:8] != SIGNATURE or len(content) < 33:
        raise FileError("this is not a PNG file")
    with opened(content, "PNG") as picture:
        key = _key(content)
        if key is not None:
            # Pillow compares it with values that it has made wider, or not at all.
            picture.info.pop("transparency", None)
        # Byte 24 is the header chunk's bit depth.
        if content[24] == 16:
            channels = len(picture.getbands()) + (key is not None)
            check_size(picture.width, picture.height, channels, len(content), itemsize=2)
            values: NDArray[Any] = codecs.png_samples(content)
            picture.load()
        else:
            values = np.asarray(shown(picture))
        if key is not None:
            planes = np.atleast_3d(values)
            opaque = (planes != np.array(key, values.dtype)).any(axis=2, keepdims=True)
            values = np.concatenate([planes, opaque * values.dtype.type(np.iinfo(values.dtype).max)], axis=2)
        # A file that says that its values are colours to be shown holds no counts of a camera.
        colours = not SHOWN.isdisjoint(name for name, _ in _chunks(content))
        image = described(picture_of(values, reading, full=colours), picture)
        # Written after the pixels they are found only once those are read.
        text = getattr(picture, "text", {})
    kept = tuple((str(key), str(value)) for key, value in text.items() if key != XMP_KEY and not key.startswith(OBSOLETE_KEYS))
    xmp = image.xmp or (str(text[XMP_KEY]).encode() if XMP_KEY in text else None)
    colour = b"".join(whole for name, whole in _chunks(content) if name in COLOUR_CHUNKS)
    return replace(image, xmp=xmp, text=kept, notes=PngNotes(colour) if colour else None)


def _key(content: bytes) -> tuple[int, ...] | None:
    """The gray value or colour that is transparent (chunk tRNS), as wide as 8 bits where it has fewer; None where none is."""
    depth, kind = content[24], content[25]
    channels = {0: 1, 2: 3}.get(kind)
    chunk = next((whole for name, whole in _chunks(content) if name == b"tRNS"), None)
    if channels is None or chunk is None or len(chunk) < 12 + 2 * channels:
        return None
    # PNG's specification: of a value of fewer than 16 bits only its lowest count.
    values = (value % 2**depth for value in struct.unpack_from(f">{channels}H", chunk, 8))
    return tuple(value * (255 // (2**depth - 1)) if depth < 8 else value for value in values)


def to_png(image: Image) -> bytes:
    """A PNG file of 8 or 16 bits; floats and wider integers are spread over 16."""
    values = np.atleast_3d(fitting(image, ("uint8", "uint16")))
    height, width, channels = values.shape
    packed = codecs.deflated(_filtered(values).data, LEVEL)
    header = struct.pack(">IIBBBBB", width, height, 8 * values.itemsize, COLOURS[channels], 0, 0, 0)
    chunks = b""
    # PNG's specification: a profile outweighs the other colour chunks, and may not stand beside sRGB.
    if image.icc:
        chunks += _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(image.icc))
    elif isinstance(image.notes, PngNotes):
        chunks += image.notes.colour
    if image.resolution:
        across, down = (round(dots / 0.0254) for dots in image.resolution)  # dots per inch to dots per metre
        chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if image.exif:
        chunks += _chunk(b"eXIf", image.exif.removeprefix(EXIF_HEAD))
    if image.xmp:
        chunks += _international(XMP_KEY, image.xmp)
    for key, value in image.text:
        # A key is 1 to 79 characters of Latin-1; what was no PNG may have others.
        name = key.encode("latin-1", "replace")[:79].replace(b"\0", b" ") or b"Comment"
        chunks += _international(name.decode("latin-1"), value.encode())
    data = [_chunk(b"IDAT", packed[start : start + MOST]) for start in range(0, len(packed), MOST)]
    return b"".join([SIGNATURE, _chunk(b"IHDR", header), chunks, *data, _chunk(b"IEND", b"")])


def _filtered(values: NDArray[np.unsignedinteger]) -> NDArray[np.uint8]:
    """The rows' bytes (h, 1 + n) as PNG packs them: the filter's number, then what differs from the pixel to the left or above, of
    both the one with the smaller sum (the heuristic of PNG's specification)."""
    height, width, channels = values.shape
    pixel = channels * values.itemsize
    answer = np.empty((height, 1 + pixel * width), np.uint8)
    before = np.zeros((1, pixel * width), np.uint8)
    # As many rows at a time as the processor's cache has room for.
    step = max(1, BAND // (pixel * width))
    for start in range(0, height, step):
        rows = np.ascontiguousarray(values[start : start + step].astype(values.dtype.newbyteorder(">"), copy=False))
        rows = rows.view(np.uint8).reshape(len(rows), -1)
        beside = rows.copy()
        beside[:, pixel:] -= rows[:, :-pixel]
        above = rows - np.concatenate([before, rows[:-1]])
        # Bytes count the smaller way round.
        sums = [np.minimum(each, 0 - each).sum(axis=1, dtype=np.int64) for each in (beside, above)]
        better = sums[1] < sums[0]
        answer[start : start + step, 0] = np.where(better, 2, 1)
        answer[start : start + step, 1:] = np.where(better[:, None], above, beside)
        before = rows[-1:]
    return answer


def _chunk(name: bytes, content: bytes) -> bytes:
    return b"".join([struct.pack(">I", len(content)), name, content, struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))])


def _international(key: str, value: bytes) -> bytes:
    """A chunk of UTF-8 text, packed where it is long."""
    packed = len(value) > 1024 and key != XMP_KEY
    head = key.encode("latin-1") + b"\0" + (b"\1" if packed else b"\0") + b"\0\0\0"
    return _chunk(b"iTXt", head + (zlib.compress(value) if packed else value))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and whole bytes of each chunk."""
    place = 8
    while place + 12 <= len(content):
        length = 12 + int.from_bytes(content[place : place + 4], "big")
        yield content[place + 4 : place + 8], content[place : place + length]
        place += length
