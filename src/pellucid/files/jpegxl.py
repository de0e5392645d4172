"""JPEG XL, through imagecodecs, whose decoder says nothing of colours and words: those are read here from the header and the boxes
(ISO/IEC 18181-1, annexes D and E; 18181-2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pellucid.errors import FileError
from pellucid.files import codecs
from pellucid.files.base import Reading, picture_of
from pellucid.files.claims import check_size
from pellucid.files.companions import remark
from pellucid.files.metadata import settled, thumbnails
from pellucid.images import Image

__all__ = ["BARE", "CONTAINER", "from_jpegxl", "size_of"]

BARE = b"\xff\x0a"
"""How a codestream by itself begins."""

CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
"""How one in boxes begins."""

MOST_WORDS = 1 << 22
"""Bytes of EXIF or XMP, unpacked."""

RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Width to height where the header says no width."""

ALPHA, GRAY, D65, SRGB, SRGB_CURVE, LINEAR = 0, 1, 1, 1, 13, 8
"""Numbers of a channel's kind, a colour space, a white point, primaries and a transfer function."""


@dataclass(frozen=True)
class Header:
    """A codestream's header: its size, the transfer function of sRGB's colours (None: other colours), its channels beside
    them, whether it moves."""

    height: int
    width: int
    curve: int | None = SRGB_CURVE
    extra: tuple[int, ...] = ()
    moving: bool = False
    itemsize: int = 1


class _Bits:
    """Numbers from the bits of a codestream, the lowest first."""

    def __init__(self, content: bytes) -> None:
        # A header is short; a name in it may be long.
        self._bits = int.from_bytes(content[:4096], "little")
        self._left = 8 * min(len(content), 4096)

    def take(self, count: int) -> int:
        """A number of so many bits."""
        self._left -= count
        if self._left < 0:
            raise FileError("its header is cut off")
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        return value

    def choice(self, *ways: tuple[int, int]) -> int:
        """One of four numbers: each an offset, and how many bits are added to it."""
        offset, count = ways[self.take(2)]
        return offset + self.take(count)

    def enumerated(self) -> int:
        """The number of a name."""
        return self.choice((0, 0), (1, 0), (2, 4), (18, 6))


def size_of(head: bytes) -> tuple[int, int]:
    """Width and height by the beginning of a file; `FileError` where they are not there."""
    place = 0 if head.startswith(BARE) else head.find(BARE)
    header = _header(head[place:] if place >= 0 else b"")
    return header.width, header.height


def from_jpegxl(content: bytes, reading: Reading) -> Image:
    """The picture in a JPEG XL file, upright. `FileError` for animations and for colours that are not those of sRGB,
    `MissingExtra` without imagecodecs."""
    imagecodecs = codecs.imagecodecs()
    boxes = list(_boxes(content)) if content.startswith(CONTAINER) else [(b"jxlc", content)]
    stream = b"".join(part if name == b"jxlc" else part[4:] for name, part in boxes if name in (b"jxlc", b"jxlp"))
    header = _header(stream)
    check_size(header.width, header.height, 3 + len(header.extra), len(content), itemsize=header.itemsize)
    if header.moving:
        raise FileError("an animated JPEG XL is not read")
    if header.curve not in (SRGB_CURVE, LINEAR):
        raise FileError("a JPEG XL in other colours than those of sRGB is not read; convert it to PNG or TIFF")
    if header.extra not in ((), (ALPHA,)):
        raise FileError(f"{len(header.extra)} channels beside the colours, and only alpha is read")
    values = np.asarray(imagecodecs.jpegxl_decode(content))
    while values.ndim > 3 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[..., 0]
    words: dict[bytes, bytes] = {}
    for name, part in boxes:
        if name == b"brob":
            # Packed by Brotli, behind the name that it has unpacked.
            name, part = part[:4], _unpacked(part[4:])
        words.setdefault(name, part)
    # The decoder has turned the picture by the header, and EXIF's orientation does not count.
    given = b"Exif\0\0" + words[b"Exif"][4 + int.from_bytes(words[b"Exif"][:4], "big") :] if b"Exif" in words else None
    exif = settled(given, values.shape)[1] if given else None
    image = picture_of(values, reading, full=True)
    linear = ("the values are in linear light, which the output does not state",) if header.curve == LINEAR else ()
    return replace(
        image,
        flat=False,
        exif=exif,
        xmp=words.get(b"xml ") or None,
        remarks=image.remarks + linear + remark(thumbnails(given) if given else ()),
    )


def _unpacked(content: bytes) -> bytes:
    """The bytes that Brotli has packed; none where they are too many to be words."""
    imagecodecs = codecs.imagecodecs()
    try:
        return bytes(imagecodecs.brotli_decode(content, out=bytearray(MOST_WORDS)))
    except imagecodecs.BrotliError:
        return b""


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each box."""
    place = 0
    while place + 8 <= len(content):
        size, head = int.from_bytes(content[place : place + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(content[place + 8 : place + 16], "big"), 16
        end = len(content) if size == 0 else place + size
        if end <= place or end > len(content):
            raise FileError("a box is cut off")
        yield content[place + 4 : place + 8], content[place + head : end]
        place = end


def _header(stream: bytes) -> Header:
    if not stream.startswith(BARE):
        raise FileError("this is not a JPEG XL file")
    bits = _Bits(stream[2:])
    height, width = _size(bits)
    if bits.take(1):
        return Header(height, width)
    if bits.take(1):
        bits.take(3)
        if bits.take(1):
            _size(bits)
        # A preview, or an animation: what follows is not read.
        if bits.take(1) or bits.take(1):
            return Header(height, width, moving=True)
    itemsize = _depth(bits)
    bits.take(1)
    extra = tuple(_extra(bits) for _ in range(bits.choice((0, 0), (1, 0), (2, 4), (1, 12))))
    bits.take(1)
    return Header(height, width, _curve(bits), extra, itemsize=itemsize)


def _size(bits: _Bits) -> tuple[int, int]:
    def side(small: int) -> int:
        return 8 * (1 + bits.take(5)) if small else bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    small = bits.take(1)
    height = side(small)
    ratio = bits.take(3)
    if ratio == 0:
        return height, side(small)
    across, down = RATIOS[ratio - 1]
    return height, height * across // down


def _depth(bits: _Bits) -> int:
    """The bytes of a sample, by its bits."""
    if bits.take(1):
        depth = bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
    else:
        depth = bits.choice((8, 0), (10, 0), (12, 0), (1, 6))
    return 1 if depth <= 8 else 2 if depth <= 16 else 4


def _extra(bits: _Bits) -> int:
    """The kind of a channel beside the colours."""
    if bits.take(1):
        return ALPHA
    kind = bits.enumerated()
    _depth(bits)
    bits.choice((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.choice((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind != ALPHA:
        raise FileError("channels beside the colours other than alpha are not read")
    bits.take(1)
    return kind


def _curve(bits: _Bits) -> int | None:
    """The transfer function of colours that are sRGB's; None for others."""
    if bits.take(1):
        return SRGB_CURVE
    if bits.take(1):
        # A profile.
        return None
    gray = bits.enumerated() == GRAY
    if bits.enumerated() != D65 or (not gray and bits.enumerated() != SRGB):
        return None
    # A gamma of its own, or a function by its number.
    return None if bits.take(1) else bits.enumerated()
