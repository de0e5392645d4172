"""Walks over a message of Protocol Buffers (protobuf.dev/programming-guides/encoding), field by field, in place.

The onnx package would do it in 17 MB and a third of a second.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

__all__ = ["fields"]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

MOST = 1_000_000
"""Fields of one message at most: a file could have a billion of two bytes each."""


def fields(file: IO[bytes], end: int) -> Iterator[tuple[int, int | None, int]]:
    """The fields of the message that begins where the file is and ends at ``end``: (number, value, end of the field).

    ``value`` is that of a whole number; None for other content, at the beginning of which the file then is: it may be read, or
    walked over in turn. Raises `ValueError` where the bytes are no message.
    """
    here = file.tell()
    for _ in range(MOST):
        if here >= end:
            return
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("a field without a number")
        if kind == VARINT:
            value = _varint(file)
            here = file.tell()
            yield number, value, here
            continue
        if kind not in (FIXED64, BYTES, FIXED32):
            raise ValueError(f"field {number} of kind {kind}")
        length = _varint(file) if kind == BYTES else {FIXED64: 8, FIXED32: 4}[kind]
        here = file.tell() + length
        if here > end:
            raise ValueError("a field ends beyond its message")
        yield number, None, here
        file.seek(here, io.SEEK_SET)
    raise ValueError(f"a message of more than {MOST} fields")


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number that does not end")
