"""Checks what a TIFF claims against its length and the free memory before a reader believes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pellucid import regular
from pellucid.errors import FileError, MissingExtra
from pellucid.files import codecs
from pellucid.files.claims import check_bytes, check_size
from pellucid.files.embedded import MOST_IN_HEAD, size_of

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

CUT_OFF = "the pixels are cut off"


def check_directories(path: Path) -> None:
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


def check_places(page: Any, size: int, before: int, held: int | None = None) -> None:
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


def check_codecs(page: Any) -> None:
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
            # A part without a header uses that of the file.
            if page.jpegheader is not None:
                continue
            raise FileError(f"pixels packed by {getattr(page.compression, 'name', page.compression)} of no known size are not read")
        # A last strip may be a whole one.
        if found[0] > max(width, int(page.imagewidth)) + 64 or found[1] > max(height, int(page.rowsperstrip or 0)) + 64:
            raise FileError(f"a part of {width}x{height} pixels holds a picture of {found[0]}x{found[1]}")


def check_whole(file: Any, size: int) -> None:
    """Raises `FileError` where the file has become shorter: the reader takes what it does not find for zeros."""
    if os.fstat(file.filehandle.fileno()).st_size < size:
        raise FileError(CUT_OFF)
