"""The picture that comes through the standard input, as a file: no more of it than is read of any file."""

from __future__ import annotations

import sys
from pathlib import Path

from pellucid.errors import FileError, MemoryShort

__all__ = ["received"]

PIECE = 1 << 20
"""Bytes that are taken at once."""


def received(room: Path, memory: int | None) -> Path:
    """The standard input as a file in the folder ``room``, with the ending of its format.

    ``memory``: the bytes that this process may have in all. Raises `FileError`, and `MemoryShort` for what is longer than that,
    such as a device that does not end.
    """
    from pellucid import saving
    from pellucid.files import claims, ending_of

    if sys.stdin is None:
        raise FileError("standard input: it is closed")
    piece = sys.stdin.buffer.read(PIECE)
    try:
        source, size = room / f"stdin{ending_of(piece)}", 0
        with claims.within(memory), source.open("xb") as file:
            while piece:
                size += len(piece)
                claims.check_length(size)
                file.write(piece)
                piece = sys.stdin.buffer.read(PIECE)
    except MemoryShort as error:
        raise MemoryShort(f"standard input: {error}") from error
    except FileError as error:
        raise FileError(f"standard input: {error}") from error
    except OSError as error:
        raise saving.failure(source, error) from error
    return source
