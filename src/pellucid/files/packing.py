"""How the chunks of an OME-Zarr are packed, and how large each may get: looked at before a chunk is unpacked.

The decoders (numcodecs) take as much memory as a chunk's own header asks for, or as what comes out of it needs; so a chunk of a few
kilobytes could take all that there is. Headers are compared with what the array says of its chunks. Where there is no header that
binds, the chunk is unpacked piece by piece, and thrown away, up to that many bytes: much faster than what follows.
"""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.errors import FileError

__all__ = ["BLOSC_HEAD", "CODECS", "LARGEST_CHUNK", "Packing", "check_blosc", "packing_of"]

CHECKSUMS = frozenset(["crc32", "crc32c", "adler32", "fletcher32", "jenkins_lookup3"])
"""Codecs that put four bytes before or behind the others."""

PACKING = frozenset(["blosc", "zstd", "zlib", "gzip", "bz2", "lzma", "lz4"])
"""Codecs that make bytes fewer, by as much as their content lets them."""

WIDENING = frozenset(["astype", "fixedscaleoffset", "delta", "quantize"])
"""Codecs that may store values in another dtype."""

CODECS = CHECKSUMS | PACKING | WIDENING | {"shuffle", "bitround", "packbits", "bytes", "transpose", "sharding_indexed"}
"""The codecs that chunks may be packed by. numcodecs has more, and one of them unpickles."""

LARGEST_CHUNK = 2 << 30
"""Bytes of a chunk, unpacked: it has to be in memory whole."""

BLOSC_HEAD = 16
"""Bytes of a Blosc chunk's header: its length unpacked at 4, packed at 12."""

SLACK = 64
"""Bytes for checksums within what is packed."""

PIECE = 1 << 20
"""Bytes that are unpacked at once."""

LZMA_MEMORY = 128 << 20
"""Bytes that unpacking LZMA may take beside its output: its strongest setting takes 65 MiB."""

TOO_MANY = "has more values than a chunk of its array"
CUT_OFF = "is cut off"
DAMAGED = "is damaged: it cannot be unpacked"


@dataclass(frozen=True)
class Packing:
    """How an array's chunks are packed: by the codec ``name`` (empty: not at all) with its ``settings``, to at most ``most`` bytes
    when they are unpacked. ``before`` and ``behind`` are the bytes of checksums around that. ``parts``: a chunk is a shard of so
    many chunks of this kind, and ``index`` are the bytes of its table of them, at its end or (``leads``) at its beginning."""

    name: str = ""
    most: int = LARGEST_CHUNK
    settings: dict[str, Any] = field(default_factory=dict)
    before: int = 0
    behind: int = 0
    parts: int = 0
    index: int = 0
    leads: bool = False

    def check(self, content: bytes) -> None:
        """Raises `ValueError` for a stored chunk, or shard, that cannot be unpacked, or that is more than it may be then."""
        if not self.parts:
            self._check(content)
            return
        for begin, end in self._places(content):
            self._check(content[begin:end])

    def check_part(self, content: bytes, begin: int, size: int) -> None:
        """The same for a part of a stored file of that ``size`` from ``begin`` on: one chunk of a shard, or its table."""
        table = (0, self.index) if self.leads else (size - self.index, size)
        if self.parts and (begin, begin + len(content)) != table:
            self._check(content)

    @property
    def has_heads(self) -> bool:
        """Whether the first `BLOSC_HEAD` bytes of a file tell what `check` would: `check_head`."""
        return self.name == "blosc" and not self.parts and not self.before

    def check_head(self, head: bytes, size: int) -> None:
        """`check` for a chunk of that ``size``, by its first bytes."""
        if self.has_heads:
            check_blosc(head, size - self.behind, self.most)

    def _check(self, content: bytes) -> None:
        if self.name:
            UNPACKING[self.name](content[self.before : len(content) - self.behind], self.most, self.settings)

    def _places(self, content: bytes) -> Iterator[tuple[int, int]]:
        """Where the chunks of a shard lie."""
        if len(content) < self.index:
            raise ValueError(CUT_OFF)
        table = content[: self.index] if self.leads else content[len(content) - self.index :]
        for place, length in np.frombuffer(table, "<u8", 2 * self.parts).reshape(-1, 2).tolist():
            if (place, length) == (2**64 - 1, 2**64 - 1):
                continue
            if place + length > len(content):
                raise ValueError(CUT_OFF)
            yield place, place + length


def packing_of(entry: dict[str, Any], version: int) -> Packing:
    """How the array with these metadata is packed. Raises `FileError` for codecs that are not read, or not in that order."""
    if version == 2:
        filters = entry.get("filters") or []
        used = [*(filters if isinstance(filters, list) else [filters]), *([entry["compressor"]] if entry.get("compressor") else [])]
        return _packing(used, _bytes(entry.get("chunks"), entry.get("dtype")))
    used = entry.get("codecs") or []
    used = used if isinstance(used, list) else [used]
    kind = entry.get("data_type")
    grid = _inner(entry.get("chunk_grid")).get("chunk_shape")
    names = [_named(codec) for codec in used]
    if "sharding_indexed" not in names:
        return _packing(used, _bytes(grid, kind))
    if names[-1] != "sharding_indexed" or set(names[:-1]) - {"transpose"}:
        raise FileError("its shards are packed as a whole, which is not read")
    about = _inner(used[-1])
    inner, table = about.get("codecs") or [], about.get("index_codecs") or []
    if not isinstance(inner, list) or not isinstance(table, list) or "sharding_indexed" in map(_named, inner):
        raise FileError("its shards hold shards, which are not read")
    for codec in table:
        if _named(codec) not in ("bytes", "crc32c"):
            raise FileError(f"the tables of its shards are packed by {_named(codec)[:40]!r}, which is not read")
    made = _packing(inner, _bytes(about.get("chunk_shape"), kind))
    parts = _count(grid, about.get("chunk_shape"))
    index = 16 * parts + 4 * sum(_named(codec) == "crc32c" for codec in table)
    leads = about.get("index_location") == "start"
    return Packing(made.name, made.most, made.settings, made.before, made.behind, parts, index, leads)


def _packing(used: list[Any], size: int) -> Packing:
    """By the codecs in the order in which they were applied, for chunks of so many bytes."""
    names = [_named(codec) for codec in used]
    for name in names:
        if name not in CODECS:
            raise FileError(f"its chunks are packed by {name[:40]!r}, which is not read")
    packed = [place for place, name in enumerate(names) if name in PACKING]
    wide = 8 if WIDENING & set(names) else 1
    most = min(wide * size + SLACK, LARGEST_CHUNK)
    if not packed:
        return Packing(most=most)
    last = packed[-1]
    if len(packed) > 1 or set(names[last + 1 :]) - CHECKSUMS:
        raise FileError(f"its chunks are packed by {' and '.join(names[packed[0] :])}, one after another, which is not read")
    around = [_leads(codec) for codec in used[last + 1 :]]
    return Packing(names[last], most, _settings(used[last]), 4 * sum(around), 4 * (len(around) - sum(around)))


def _named(codec: Any) -> str:
    name = (codec.get("id") or codec.get("name")) if isinstance(codec, dict) else codec
    return str(name).removeprefix("numcodecs.")


def _inner(codec: Any) -> dict[str, Any]:
    inner = codec.get("configuration") if isinstance(codec, dict) else None
    return inner if isinstance(inner, dict) else {}


def _settings(codec: Any) -> dict[str, Any]:
    return {**codec, **_inner(codec)} if isinstance(codec, dict) else {}


def _leads(codec: Any) -> bool:
    """Whether a checksum stands before what it is of."""
    usual = "start" if _named(codec) in ("crc32", "adler32") else "end"
    return bool(_settings(codec).get("location", usual) == "start")


def _bytes(shape: Any, kind: Any) -> int:
    """The bytes of a chunk of that shape; the most that there may be where this is no shape: opening the array says that."""
    try:
        return int(math.prod(int(side) for side in shape) * np.dtype(kind).itemsize)
    except (TypeError, ValueError):
        return LARGEST_CHUNK


def _count(outer: Any, inner: Any) -> int:
    """The chunks of a shard."""
    try:
        count = math.prod(int(many) // int(few) for many, few in zip(outer, inner, strict=True))
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise FileError("the shape of its shards is damaged") from error
    if not 1 <= count <= LARGEST_CHUNK // 16:
        raise FileError("its shards have more chunks than are read")
    return count


# -- each codec -------------------------------------------------------------------------------------------------------


def check_blosc(header: bytes, size: int, most: int) -> None:
    """Raises `ValueError` for a chunk of Blosc's, of that ``size``, that is cut off, or that is more than ``most`` bytes when it is
    unpacked; ``header`` is its beginning."""
    # numcodecs 0.16 does not look how long such a chunk is, and reads beyond its end.
    if size < BLOSC_HEAD or int.from_bytes(header[12:16], "little") > size:
        raise ValueError(CUT_OFF)
    if int.from_bytes(header[4:8], "little") > most:
        raise ValueError(TOO_MANY)


def _blosc(content: bytes, most: int, _: dict[str, Any]) -> None:
    check_blosc(content[:BLOSC_HEAD], len(content), most)


def _lz4(content: bytes, most: int, _: dict[str, Any]) -> None:
    # numcodecs puts the length before it.
    if int.from_bytes(content[:4], "little") > most:
        raise ValueError(TOO_MANY)


def _zstd(content: bytes, most: int, _: dict[str, Any]) -> None:
    stated = _zstd_size(content)
    if stated is None:
        from numcodecs import zstd

        try:
            zstd.decompress(content, bytearray(most))
        except RuntimeError as error:
            # Fewer bytes than there is room for are as many as there should be.
            if "expected to decompress" not in str(error):
                raise ValueError(TOO_MANY if "too small" in str(error) else DAMAGED) from error
    elif stated > most:
        raise ValueError(TOO_MANY)


def _zstd_size(content: bytes) -> int | None:
    """The bytes that the first frame says it has, unpacked (RFC 8878, 3.1.1.1); None where it does not say."""
    if len(content) < 6 or content[:4] != b"\x28\xb5\x2f\xfd":
        return None
    about = content[4]
    single, flag = bool(about & 32), about >> 6
    length = (1 if single else 0, 2, 4, 8)[flag]
    begin = 5 + (not single) + (0, 1, 2, 4)[about & 3]
    if not length:
        return None
    return int.from_bytes(content[begin : begin + length], "little") + (256 if flag == 1 else 0)


def _streamed(content: bytes, most: int, start: Callable[[], Any], failures: tuple[type[Exception], ...]) -> None:
    """Unpacks one stream after another, and counts."""
    left, count = content, 0
    try:
        while left:
            stream, given = start(), left
            while not stream.eof:
                piece = stream.decompress(given, PIECE)
                count += len(piece)
                if count > most:
                    raise ValueError(TOO_MANY)
                given = getattr(stream, "unconsumed_tail", b"")
                if not piece and not given and not stream.eof:
                    raise ValueError(CUT_OFF)
            # gzip may be followed by zeros.
            left = stream.unused_data.lstrip(b"\0")
    except failures as error:
        raise ValueError(DAMAGED) from error


def _gzip(content: bytes, most: int, _: dict[str, Any]) -> None:
    _streamed(content, most, lambda: zlib.decompressobj(47), (zlib.error,))


def _bz2(content: bytes, most: int, _: dict[str, Any]) -> None:
    _streamed(content, most, bz2.BZ2Decompressor, (OSError, EOFError))


def _lzma(content: bytes, most: int, settings: dict[str, Any]) -> None:
    if settings.get("format", lzma.FORMAT_XZ) == lzma.FORMAT_RAW:
        raise ValueError("is packed by LZMA without a header, which is not read")
    _streamed(content, most, lambda: lzma.LZMADecompressor(memlimit=LZMA_MEMORY), (lzma.LZMAError, EOFError))


UNPACKING: dict[str, Callable[[bytes, int, dict[str, Any]], None]] = {
    "blosc": _blosc,
    "lz4": _lz4,
    "zstd": _zstd,
    "gzip": _gzip,
    "zlib": _gzip,
    "bz2": _bz2,
    "lzma": _lzma,
}
"""Codec of `PACKING` -> what raises `ValueError` for bytes that it would make more than so many of, or that it cannot unpack."""
