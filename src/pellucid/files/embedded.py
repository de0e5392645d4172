"""The size of a picture of another format that is a part of a file, by its own header: its decoder makes room by that."""

from __future__ import annotations

from pellucid.errors import FileError
from pellucid.files import jpegxl

__all__ = ["MOST_IN_HEAD", "size_of"]

MOST_IN_HEAD = 1 << 16
"""Bytes in which a size must stand; a JPEG's tables and words may come first."""

FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}
"""Markers of a JPEG's frame, and JPEG-LS's."""


def size_of(head: bytes) -> tuple[int, int] | None:
    """Width and height by the beginning of a JPEG, JPEG-LS, JPEG 2000, PNG, WebP or JPEG XL; None where it says none."""
    if head.startswith(b"\xff\xd8"):
        return _jpeg(head)
    if (place := head[:200].find(b"\xff\x4f\xff\x51")) >= 0 and len(head) >= place + 24:
        # Reference grid, and where the picture begins on it (ISO/IEC 15444-1, A.5.1).
        across, down, left, top = (_number(head, place + 8 + 4 * index) for index in range(4))
        return max(0, across - left), max(0, down - top)
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return _number(head, 16), _number(head, 20)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return _webp(head)
    if head.startswith((jpegxl.BARE, jpegxl.CONTAINER)):
        try:
            return jpegxl.size_of(head)
        except FileError:
            return None
    return None


def _number(head: bytes, place: int) -> int:
    return int.from_bytes(head[place : place + 4], "big")


def _jpeg(head: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(head) and head[place] == 0xFF:
        marker = head[place + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            place += 1
        elif marker in FRAMES:
            return int.from_bytes(head[place + 7 : place + 9], "big"), int.from_bytes(head[place + 5 : place + 7], "big")
        else:
            place += 2 + int.from_bytes(head[place + 2 : place + 4], "big")
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L" and len(head) >= 25:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and len(head) >= 30:
        return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None
