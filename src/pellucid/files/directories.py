"""TIFF's directories of tags, which EXIF data is made of, too: read from any file and written anew, every value byte for byte.

Pillow reads and writes them as well, but makes other types of some values and question marks of letters beyond ASCII.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from pellucid.files.metadata import EXIF_HEAD

__all__ = ["EXIF", "GPS", "Entries", "exif_of", "parsed_exif", "read_directory", "written_directory"]

EXIF, GPS, INTEROPERABILITY = 34665, 34853, 0xA005
"""Tags whose value is the place of a further directory."""

UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
"""Type -> the bytes that a change of byte order turns round together (TIFF 6.0, section 2; a rational is two of 4 bytes)."""

BIG_TYPES = (16, 17, 18)
"""BigTIFF's types of 8 bytes, which EXIF does not know."""

MOST_BYTES = 1 << 24
"""Bytes of one value; a damaged count claims gigabytes."""

MOST_ENTRIES = 4096

Entry = tuple[int, int, bytes]
"""Type, count, and the value's bytes, little-endian."""

Entries = Mapping[int, Entry]
"""Tag -> entry."""


def read_directory(read: Callable[[int, int], bytes], place: int, *, order: str, big: bool = False) -> dict[int, Entry]:
    """The entries of the directory at ``place``; ``read(place, length)`` gives bytes, ``order`` is ``<`` or ``>``.

    Entries of unknown type, or whose values lie beyond the end, are left out. Raises `struct.error` where there is no directory.
    """
    head, step, inline = (8, 20, 8) if big else (2, 12, 4)
    (count,) = struct.unpack(order + ("Q" if big else "H"), read(place, head))
    if count > MOST_ENTRIES:
        raise struct.error("no directory")
    table = read(place + head, count * step)
    found = {}
    for index in range(len(table) // step):
        entry = table[index * step : (index + 1) * step]
        tag, kind, length = struct.unpack_from(order + ("HHQ" if big else "HHI"), entry)
        unit = UNITS.get(kind)
        if unit is None:
            continue
        size = length * unit * (2 if kind in (5, 10) else 1)
        value = entry[-inline:][:size]
        if size > inline:
            (where,) = struct.unpack(order + ("Q" if big else "I"), entry[-inline:])
            value = read(where, size) if size <= MOST_BYTES else b""
        if len(value) == size and length:
            found[tag] = (kind, length, _turned(value, unit) if order == ">" else value)
    return found


def _turned(value: bytes, unit: int) -> bytes:
    return b"".join(value[start : start + unit][::-1] for start in range(0, len(value), unit)) if unit > 1 else value


def number(entries: Entries, tag: int) -> int | None:
    """The value of an entry that is one whole number, or None."""
    kind, count, value = entries.get(tag, (0, 0, b""))
    return int.from_bytes(value, "little") if kind in (3, 4, 13) and count == 1 else None


def written_directory(entries: Entries, place: int) -> bytes:
    """The bytes of a little-endian directory with these entries, for the even ``place`` in its file; no other follows."""
    table = struct.pack("<H", len(entries))
    values = b""
    start = place + 2 + 12 * len(entries) + 4
    for tag, (kind, count, value) in sorted(entries.items()):
        table += struct.pack("<HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack("<I", start + len(values))
            values += value + b"\0" * (len(value) % 2)
    return table + b"\0\0\0\0" + values


def exif_of(first: Entries, details: Entries, place: Entries) -> bytes | None:
    """EXIF data (``Exif``, two zeros, a TIFF) of the first directory's entries, the camera's details and the place on Earth."""
    inner = [(code, entries) for code, entries in ((EXIF, details), (GPS, place)) if entries]
    if not first and not inner:
        return None
    pointers = {code: (4, 1, b"\0\0\0\0") for code, _ in inner}
    start = 8 + len(written_directory({**first, **pointers}, 8))
    content = b""
    for code, entries in inner:
        at = start + len(content)
        pointers[code] = (4, 1, struct.pack("<I", at))
        content += written_directory(entries, at)
    return EXIF_HEAD + b"II*\0" + struct.pack("<I", 8) + written_directory({**first, **pointers}, 8) + content


def parsed_exif(exif: bytes | None) -> tuple[Entries, Entries, Entries]:
    """The other way: first directory (without pointers), details, place; empty where the data cannot be followed."""
    data = (exif or b"").removeprefix(EXIF_HEAD)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return {}, {}, {}

    def read(start: int, length: int) -> bytes:
        return data[start : start + length]

    try:
        return with_inner(read, struct.unpack_from(order + "I", data, 4)[0], order=order)
    except struct.error:
        return {}, {}, {}


def with_inner(
    read: Callable[[int, int], bytes], place: int, *, order: str, big: bool = False
) -> tuple[dict[int, Entry], Entries, Entries]:
    """A first directory without its pointers, and the two that it points to, without theirs."""
    first = read_directory(read, place, order=order, big=big)
    inner = []
    for code in (EXIF, GPS):
        at = number(first, code)
        first.pop(code, None)
        try:
            entries = read_directory(read, at, order=order, big=big) if at else {}
        except struct.error:
            entries = {}
        entries.pop(INTEROPERABILITY, None)
        inner.append(entries)
    return first, inner[0], inner[1]
