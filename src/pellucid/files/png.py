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
from PIL import Image as PillowImage

from pellucid.errors import FileError
from pellucid.files import codecs, profiles
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
    kind: str = "PNG"

    def profile(self, channels: int) -> bytes | None:
        """The profile of the stated colours: see `profiles.Stating`. cICP outweighs sRGB, and that the gamma."""
        found = {name: whole[8:-4] for name, whole in _chunks(SIGNATURE + self.colour)}
        if len(code := found.get(b"cICP", b"")) == 4:
            return profiles.of_code(code[0], code[1], channels)
        if b"sRGB" in found or len(gamma := found.get(b"gAMA", b"")) != 4:
            return None
        # In steps of a hundred-thousandth; white comes first.
        steps = struct.unpack(">8I", found[b"cHRM"]) if len(found.get(b"cHRM", b"")) == 32 else ()
        places = tuple(step / 100_000 for step in (*steps[2:], *steps[:2]))
        return profiles.of_gamma(100_000 / max(1, int.from_bytes(gamma, "big")), places or None, channels)


@contextmanager
def open_png(path: Path, reading: Reading) -> Iterator[Document]:
    """The picture in a PNG file, or the frames of an animated one."""
    content = content_of(path)
    # Only the chunk of an animation makes it one, and only before the pixels.
    moving = b"acTL" in content[: max(0, content.find(b"IDAT"))]
    if moving:
        deep = _frames(content) if content[24:25] == b"\x10" else None
        document = animation(
            content, "PNG", reading, lambda image, picture: _beside(image, picture, content), deep, full=_is_shown(content)
        )
        if document is not None:
            yield document
            return
    yield Document([Page((from_png(content, reading),))])


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
        values = values if key is None else _transparent(values, key)
        return _beside(picture_of(values, reading, full=_is_shown(content)), picture, content)


def _is_shown(content: bytes) -> bool:
    """Whether the file says that its values are colours to be shown: it holds no counts of a camera then."""
    return not SHOWN.isdisjoint(name for name, _ in _chunks(content))


def _beside(image: Image, picture: PillowImage.Image, content: bytes) -> Image:
    """The image with what lies beside the pixels of Pillow's picture, which is loaded: texts behind the pixels are found then."""
    image = described(image, picture)
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


def _transparent(values: NDArray[Any], key: tuple[int, ...]) -> NDArray[Any]:
    """The pixels with alpha: 0 where they are the transparent value or colour."""
    planes = np.atleast_3d(values)
    opaque = (planes != np.array(key, values.dtype)).any(axis=2, keepdims=True)
    return np.concatenate([planes, opaque * values.dtype.type(np.iinfo(values.dtype).max)], axis=2)


def _frames(content: bytes) -> Iterator[NDArray[np.uint16]]:
    """The frames of an animated PNG of 16 bits, (h, w) or (h, w, n), each as it is shown: Pillow gives 8 bits alone.

    A frame covers a part of the canvas, replaces what is there or lies over it, and may be taken away afterwards (PNG 3, 11.3.2).
    """
    controls: list[tuple[int, ...] | None] = []
    packed: list[bytes] = []
    head = b""
    for name, whole in _chunks(content):
        body = whole[8:-4]
        if name == b"IHDR":
            head = body
        elif name == b"fcTL":
            controls.append(struct.unpack(">5I2H2B", body))
            packed.append(b"")
        elif name == b"IDAT" and not controls:
            # A still for programs without animation comes first, as Pillow counts it.
            controls.append(None)
            packed.append(body)
        elif name in (b"IDAT", b"fdAT"):
            packed[-1] += body if name == b"IDAT" else body[4:]
    canvas: NDArray[np.uint16] | None = None
    key = _key(content)
    width, height = struct.unpack(">II", head[:8])
    for control, data in zip(controls, packed, strict=True):
        _, across, down, left, top, _, _, gone, over = control or (0, width, height, 0, 0, 0, 0, 0, 0)
        if left + across > width or top + down > height:
            raise FileError("a frame lies beyond the picture")
        still = _chunk(b"IHDR", struct.pack(">II", across, down) + head[8:]) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
        values = codecs.png_samples(SIGNATURE + still)
        values = values if key is None else _transparent(values, key)
        if control is None:
            yield values
            continue
        canvas = np.zeros((height, width, *values.shape[2:]), np.uint16) if canvas is None else canvas
        part = canvas[top : top + down, left : left + across]
        before = part.copy()
        part[...] = _over(values, before) if over and values.ndim == 3 and values.shape[2] in (2, 4) else values
        yield canvas.copy()
        if gone:
            part[...] = before if gone == 2 else 0


def _over(values: NDArray[np.uint16], below: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Pixels with straight alpha, laid over others."""
    upper, lower = (each[..., -1:].astype(np.float64) / 65535 for each in (values, below))
    lower = lower * (1 - upper)
    both = upper + lower
    colours = (values[..., :-1] * upper + below[..., :-1] * lower) / np.where(both > 0, both, 1)
    pixels: NDArray[np.uint16] = np.rint(np.concatenate([colours, both * 65535], axis=2)).astype(np.uint16)
    return pixels


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
