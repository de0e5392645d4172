"""How long a clip's file states that it is: what is cut off, what comes behind, and streams that state nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.files import ends


def box(kind: bytes, size: int, *, large: bool = False) -> bytes:
    """A box of MP4 of so many bytes in all."""
    head = (1).to_bytes(4, "big") + kind + size.to_bytes(8, "big") if large else size.to_bytes(4, "big") + kind
    return head + bytes(size - len(head))


def element(name: int, size: int | None, length: int = 8) -> bytes:
    """An element of Matroska; without a size it is as long as its stream."""
    stated = (1 << (7 * length)) - 1 if size is None else size
    return name.to_bytes(4, "big") + (stated | 1 << (7 * length)).to_bytes(length, "big") + bytes(size or 40)


WHOLE = {
    "mp4": box(b"ftyp", 24) + box(b"moov", 90) + box(b"mdat", 500),
    "large mp4": box(b"ftyp", 24) + box(b"mdat", 500, large=True) + box(b"moov", 90),
    "fragments": box(b"ftyp", 24) + box(b"moov", 90) + (box(b"moof", 60) + box(b"mdat", 200)) * 3,
    "matroska": element(ends.EBML, 30, 1) + element(ends.SEGMENT, 700),
    "avi": b"RIFF" + (600).to_bytes(4, "little") + bytes(600),
    "long avi": (b"RIFF" + (600).to_bytes(4, "little") + bytes(600)) * 2,
}

OPEN = {
    "mp4, the last box to the end": box(b"ftyp", 24) + (0).to_bytes(4, "big") + b"mdat" + bytes(500),
    "matroska, live": element(ends.EBML, 30, 1) + element(ends.SEGMENT, None),
    "avi, live": b"RIFF" + bytes(4) + bytes(600),
    "mpeg": b"\x00\x00\x01\xba" + bytes(600),
}


def missing(content: bytes, folder: Path) -> int:
    path = folder / "clip"
    path.write_bytes(content)
    return ends.missing(path)


@pytest.mark.parametrize("kind", WHOLE)
def test_what_is_cut_off_is_counted(kind: str, tmp_path: Path) -> None:
    whole = WHOLE[kind]
    assert missing(whole, tmp_path) == 0
    assert [missing(whole[:-lost], tmp_path) for lost in (1, 7, 60)] == [1, 7, 60]


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize(
    "trailer", [b"\x00" * 24, b"&&&&" + bytes(40), box(b"SEFT", 48), b"x"], ids=["zeros", "text", "box", "byte"]
)
def test_what_a_camera_appends_is_no_loss(kind: str, trailer: bytes, tmp_path: Path) -> None:
    assert missing(WHOLE[kind] + trailer, tmp_path) == 0


@pytest.mark.parametrize("kind", OPEN)
def test_where_no_length_is_stated_nothing_is_missing(kind: str, tmp_path: Path) -> None:
    assert [missing(OPEN[kind][: len(OPEN[kind]) - lost], tmp_path) for lost in (0, 100)] == [0, 0]
