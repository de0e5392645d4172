"""Opens regular files and nothing else: a device never ends, and a pipe waits for its other side. Standard library alone."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from pathlib import Path

__all__ = ["digest", "opened", "read", "unread"]

# Without O_NONBLOCK, opening a pipe waits for a writer. Windows has neither of these flags.
QUIETLY = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)

ANY_HOLES = 1 << 26
"""Bytes up to which a file may be nothing but holes."""

MOST_HOLES = 5000
"""A longer file of more than so many times the bytes that lie on the disk is none that a camera or a program wrote."""

MOST_PARTS = 10_000
"""Parts of a file between its holes that are counted: one of more is no empty file."""


def opened(path: Path, flags: int = os.O_RDONLY, *, links: bool = True) -> io.FileIO:
    """The file, opened without a buffer; ``flags`` as of `os.open`.

    With ``links`` a link to a regular file is one, else it is refused. Raises `OSError`, also for what is no regular file.
    """
    if "\0" in str(path):
        raise OSError(None, "no name of a file has a NUL in it", repr(str(path)))
    if not links and path.is_symlink():
        raise OSError(None, "it is a link, which is not followed here", str(path))
    # Before it is opened, for some devices do something when they are; and after it, for it may be another one by then.
    if not flags & os.O_CREAT or path.exists():
        _check(path, path.stat())
    held = os.open(path, flags | QUIETLY | (0 if links else NO_LINK), 0o666)
    try:
        _check(path, os.fstat(held))
        mode = {os.O_RDONLY: "r", os.O_WRONLY: "w", os.O_RDWR: "r+"}[flags & (os.O_RDONLY | os.O_WRONLY | os.O_RDWR)]
        return io.FileIO(held, mode)
    except BaseException:
        os.close(held)
        raise


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(None, "it is a folder" if stat.S_ISDIR(status.st_mode) else "it is not a regular file", str(path))


def read(path: Path, most: int | None = None) -> bytes:
    """The file's content; `OSError` for what is no regular file, or has more than ``most`` bytes."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(None, f"it has {size} bytes, more than the {most} that are taken", str(path))
        parts = []
        # One call reads 2 GiB at most.
        while part := file.read(most + 1 if most is not None else -1):
            parts.append(part)
        return b"".join(parts)


def unread(error: Exception) -> str:
    """Why a file was not read, after its name and a colon: the same words wherever a file is missing."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def digest(path: Path, most: int | None = None, *, links: bool = True) -> str:
    """The SHA-256 of the file's content; `OSError` as of `read`, and for one that is nearly all holes: its length says nothing, and
    hashing it would take hours."""
    with opened(path, links=links) as file:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(None, f"it has {size} bytes, more than the {most} that are taken", str(path))
        if size > ANY_HOLES and size > MOST_HOLES * _stored(file.fileno(), size):
            raise OSError(None, f"nearly all of its {size} bytes are holes, which hold nothing", str(path))
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stored(held: int, size: int) -> int:
    """The bytes of the file that are no holes, as far as the system knows."""
    if not hasattr(os, "SEEK_DATA"):
        return size
    stored = place = 0
    try:
        for _ in range(MOST_PARTS):
            begin = os.lseek(held, place, os.SEEK_DATA)
            place = os.lseek(held, begin, os.SEEK_HOLE)
            stored += place - begin
            if place >= size:
                return stored
        return size
    except OSError as error:
        # There are none from this place on; or the system cannot say.
        return stored if error.errno == errno.ENXIO else size
    finally:
        os.lseek(held, 0, os.SEEK_SET)
