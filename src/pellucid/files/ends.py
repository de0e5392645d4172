"""How long the file of a clip is by what its parts state: a copy that was broken off is shorter.

The boxes of MP4 and MOV (ISO/IEC 14496-12), the segment of Matroska and WebM (RFC 9559), the chunks of AVI (RIFF). MPEG streams
state no length.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

__all__ = ["missing"]

BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp")
"""The first boxes of files."""

LATER = (b"moof", b"mfra", b"sidx", b"ssix", b"uuid", b"meta", b"udta", b"emsg", b"prft")
"""Boxes that may follow them. Behind others lies no box: some cameras append what is theirs alone."""

EBML, SEGMENT = 0x1A45DFA3, 0x18538067

MOST = 100_000
"""Parts of a file that are looked at, at most: fragments of an MP4."""


def missing(path: Path) -> int:
    """The bytes that a file lacks by what its last part states; 0 where none do, or nothing is stated."""
    with path.open("rb") as file:
        held = os.fstat(file.fileno()).st_size
        head = file.read(8)
        if head[4:] in BOXES:
            stated = _boxes(file, held)
        elif head[:4] == EBML.to_bytes(4, "big"):
            stated = _segment(file)
        elif head[:4] == b"RIFF":
            stated = _chunks(file, held)
        else:
            stated = held
    return max(0, stated - held)


def _boxes(file: BinaryIO, held: int) -> int:
    at = 0
    for _ in range(MOST):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        if head[4:8] not in (*BOXES, *LATER):
            return held
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:
            # The last one, which goes on to the end; or no box.
            return held
        at += size
    return at


def _segment(file: BinaryIO) -> int:
    at = 0
    for name in (EBML, SEGMENT):
        file.seek(at)
        head = file.read(12)
        if head[:4] != name.to_bytes(4, "big") or len(head) < 12:
            return 0
        length = 9 - head[4].bit_length()
        size = int.from_bytes(head[4 : 4 + length], "big") & ((1 << (7 * length)) - 1)
        if length > 8 or size == (1 << (7 * length)) - 1:
            # As of a stream that was being written.
            return 0
        at += 4 + length + size
    return at


def _chunks(file: BinaryIO, held: int) -> int:
    at = 0
    for _ in range(MOST):
        file.seek(at)
        head = file.read(8)
        if head[:4] != b"RIFF" or len(head) < 8:
            return at
        size = int.from_bytes(head[4:], "little")
        if size in (0, 0xFFFFFFFF):
            # As of a stream that was being written.
            return held
        at += 8 + size
    return at
