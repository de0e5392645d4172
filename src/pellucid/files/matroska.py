"""States the shape of a pixel, and the length of a clip, in a Matroska file that FFmpeg has written through PyAV: that has no way
to say it.

The two elements for the display size go into the description of the track; the free space that FFmpeg leaves before it gets as much
smaller, so that nothing behind it moves. Elements by the Matroska specification (RFC 9559), their coding by EBML (RFC 8794).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pellucid.errors import FileError

__all__ = ["state_aspect", "state_length"]

SEGMENT, SEEK_HEAD, INFO, TRACKS, CLUSTER = 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675
SEEK, SEEK_ID, SEEK_POSITION = 0x4DBB, 0x53AB, 0x53AC
TRACK, VIDEO, DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT = 0xAE, 0xE0, 0x54B0, 0x54BA, 0x54B2
SCALE, DURATION = 0x2AD7B1, 0x4489
VOID, CRC = 0xEC, 0xBF

PADDING = Fraction(12, 100)
"""Seconds of a packet of Opus at most: no more of it can be padding."""

HEAD = 1 << 20
"""Bytes from the beginning in which the descriptions lie; attachments come behind them."""


@dataclass(frozen=True)
class _Element:
    """An element: its identifier, where it begins, where its content begins and ends."""

    name: int
    begin: int
    content: int
    end: int


def state_aspect(path: Path, width: int, height: int, aspect: Fraction) -> None:
    """Writes the display size of the first track with pictures, for frames of ``width`` x ``height`` pixels of that ``aspect``."""
    with path.open("r+b") as file:
        head = bytearray(file.read(HEAD))
        segment = next((each for each in _children(head, 0, len(head)) if each.name == SEGMENT), None)
        found = {} if segment is None else _described(head, segment.content)
        if segment is None or TRACKS not in found or VOID not in found:
            raise FileError(f"{path}: the shape of its pixels cannot be written")
        tracks, void = found[TRACKS], found[VOID]
        content, changed = _with_display(bytes(head[tracks.content : tracks.end]), round(width * aspect), height)
        written = _coded(TRACKS, content)
        more = len(written) - (tracks.end - tracks.begin)
        left = void.end - void.begin - more
        if not changed or left < 10 or not void.end <= tracks.begin:
            raise FileError(f"{path}: there is no room for the shape of its pixels")
        between = bytes(head[void.end : tracks.begin])
        head[void.begin : tracks.end] = _void(left) + between + written
        if SEEK_HEAD in found:
            seeks = found[SEEK_HEAD]
            moved = _moved(bytes(head[seeks.content : seeks.end]), void.end - segment.content, tracks.begin - segment.content, more)
            head[seeks.content : seeks.end] = moved
        file.seek(0)
        file.write(head)


def state_length(path: Path, seconds: Fraction) -> None:
    """Writes that the clip is ``seconds`` long where FFmpeg has stated up to `PADDING` more: it counts in the end of the last
    packet of sound, which is padding that is not heard."""
    with path.open("r+b") as file:
        head = file.read(HEAD)
        segment = next((each for each in _children(head, 0, len(head)) if each.name == SEGMENT), None)
        info = None if segment is None else _described(head, segment.content).get(INFO)
        if info is None:
            return
        inner = bytearray(head[info.content : info.end])
        parts = {each.name: each for each in _children(inner, 0, len(inner))}
        length = parts.get(DURATION)
        if length is None or length.end - length.content != 8:
            return
        unit = Fraction(1, 1000)
        if SCALE in parts:
            unit = Fraction(int.from_bytes(inner[parts[SCALE].content : parts[SCALE].end], "big"), 10**9)
        stated = Fraction(struct.unpack(">d", inner[length.content : length.end])[0]) * unit
        if not 0 < stated - seconds <= PADDING:
            return
        inner[length.content : length.end] = struct.pack(">d", float(seconds / unit))
        if CRC in parts:
            begin = parts[CRC].end
            inner[begin - 4 : begin] = zlib.crc32(bytes(inner[begin:])).to_bytes(4, "little")
        file.seek(info.content)
        file.write(inner)


def _described(head: bytes | bytearray, start: int) -> dict[int, _Element]:
    """The elements before the pictures, by name; of free space the last before the tracks."""
    found: dict[int, _Element] = {}
    for each in _children(head, start, len(head)):
        if each.name == CLUSTER:
            break
        if each.name != VOID or TRACKS not in found:
            found[each.name] = each
    return found


def _children(data: bytes | bytearray, start: int, end: int) -> list[_Element]:
    found = []
    while start < end - 1:
        name, after = _number(data, start, marked=True)
        length, content = _number(data, after, marked=False)
        # A segment that was being written states no length: all ones.
        unknown = length == (1 << (7 * (content - after))) - 1
        stop = end if unknown or content + length > end else content + length
        found.append(_Element(name, start, content, stop))
        if name == SEGMENT:
            break
        start = stop
    return found


def _number(data: bytes | bytearray, at: int, *, marked: bool) -> tuple[int, int]:
    """A number of variable length, and where it ends; ``marked`` keeps the bit that says how long it is, as identifiers do."""
    first = data[at]
    length = 9 - first.bit_length()
    if length > 8 or at + length > len(data):
        return 0, len(data)
    value = int.from_bytes(data[at : at + length], "big")
    return (value if marked else value & ((1 << (7 * length)) - 1)), at + length


def _coded(name: int, content: bytes) -> bytes:
    """An element, its length in eight bytes."""
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + (len(content) | 1 << 56).to_bytes(8, "big") + content


def _void(length: int) -> bytes:
    """Free space of so many bytes in all, nine or more."""
    return _coded(VOID, bytes(length - 9))


def _with_display(content: bytes, width: int, height: int) -> tuple[bytes, bool]:
    """The content of the tracks with a display size in the first one that has pictures; whether there is one."""
    parts, changed = [], False
    for track in _children(content, 0, len(content)):
        inner = content[track.content : track.end]
        videos = [each for each in _children(inner, 0, len(inner)) if each.name == VIDEO] if track.name == TRACK else []
        if track.name == CRC:
            continue
        if not videos or changed:
            parts.append(content[track.begin : track.end])
            continue
        video, changed = videos[0], True
        kept = [
            inner[video.content :][each.begin : each.end]
            for each in _children(inner[video.content : video.end], 0, video.end - video.content)
            if each.name not in (DISPLAY_WIDTH, DISPLAY_HEIGHT, DISPLAY_UNIT)
        ]
        sizes = [_coded(name, side.to_bytes(4, "big")) for name, side in ((DISPLAY_WIDTH, width), (DISPLAY_HEIGHT, height))]
        parts.append(_coded(TRACK, inner[: video.begin] + _coded(VIDEO, b"".join([*kept, *sizes])) + inner[video.end :]))
    return _with_crc(b"".join(parts)), changed


def _with_crc(content: bytes) -> bytes:
    return bytes([CRC, 0x84]) + zlib.crc32(content).to_bytes(4, "little") + content


def _moved(content: bytes, low: int, high: int, by: int) -> bytes:
    """The list of places with those from ``low`` to ``high`` (from the segment's beginning) moved forward by ``by`` bytes."""
    changed = bytearray(content)
    inner_start = 0
    for seek in _children(content, 0, len(content)):
        if seek.name == CRC:
            inner_start = seek.end
            continue
        for part in _children(content, seek.content, seek.end) if seek.name == SEEK else []:
            if part.name == SEEK_POSITION:
                place = int.from_bytes(content[part.content : part.end], "big")
                if low <= place <= high:
                    changed[part.content : part.end] = (place - by).to_bytes(part.end - part.content, "big")
    if inner_start:
        changed[inner_start - 4 : inner_start] = zlib.crc32(bytes(changed[inner_start:])).to_bytes(4, "little")
    return bytes(changed)
