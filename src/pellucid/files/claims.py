"""Checks what a file's header claims before anything is read by it: the size of a picture, of all its pages, of its values.

Every format asks `check_size`, and those that are read whole take their bytes from `content_of`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path

from pellucid import memory, regular
from pellucid.errors import FileError, SizeError

__all__ = ["MOST_PIXELS", "check_bytes", "check_length", "check_size", "content_of", "limited", "within"]

MOST_PIXELS = 1_000_000_000
"""A file that claims more is refused before it is decoded: a decompression bomb, or a picture for another tool."""

MOST_PAGES = 1_000_000
"""The most pages of a stack."""

UNSUSPICIOUS = 1 << 26
"""Samples (pixels times channels) that any file may claim. Above, a file must have some bytes to show for them."""

MOST_SAMPLES_PER_BYTE = 5000
"""Deflate packs at most 1032 bytes into one, a JPEG 500 samples; what claims more than this is empty or a bomb."""

LITTLE = 1 << 24
"""Bytes for which the system is not asked how much memory is free, where nobody has set a limit."""

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class _Limit:
    """The limits that `limited` and `within` set; ``memory`` is what the process may use, in bytes."""

    most: int = MOST_PIXELS
    words: str = "pellucid reads"
    output: Callable[[int, int], Size] | None = None
    memory: int | None = None


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)
"""The limit that `check_size` holds a header to, where there is one."""


def check_size(
    width: int,
    height: int,
    channels: int,
    stored: int,
    *,
    itemsize: int = 1,
    pages: int = 1,
    before: int = 0,
    held: int | None = None,
    beside: int = 0,
) -> int:
    """Raises an error when a picture is more than can be taken, more than ``stored`` bytes of a file can hold, or more than there
    is memory for: `FileError`, `SizeError`, `MemoryShort`.

    ``itemsize`` is the bytes of a sample, ``pages`` how many such pictures the file has, ``before`` the samples of other pages that
    it claims. ``held`` are the bytes that reading takes, where they are not those of the picture and what becomes of it, ``beside``
    those of other things. Answers with ``before`` and the samples that this adds.
    """
    if width < 1 or height < 1 or channels < 1:
        raise FileError(f"{width}x{height} pixels of {channels} samples are not a picture")
    if not 1 <= pages <= MOST_PAGES:
        raise FileError(f"{pages} pages are more than pellucid reads")
    limit = _limit.get() or _Limit()
    samples = width * height * channels
    if width * height > limit.most or samples > 4 * MOST_PIXELS:
        raise SizeError(f"{width}x{height} pixels{_of(channels)} are more than {limit.words}")
    high, wide = (height, width) if limit.output is None else limit.output(height, width)
    if high * wide > limit.most:
        raise SizeError(f"{width}x{height} pixels would become {wide}x{high}, more than {limit.words}")
    claimed = before + samples * pages
    if claimed > UNSUSPICIOUS and claimed > MOST_SAMPLES_PER_BYTE * stored:
        many = f" on {pages} pages" if pages > 1 else " and others" if before else ""
        raise SizeError(f"its header claims {width}x{height} pixels{_of(channels)}{many}, far more than {stored} bytes can hold")
    needed = beside + (samples * _each(itemsize) if held is None else held)
    check_bytes(needed, f"{width}x{height} pixels{_of(channels)}")
    return claimed


def _of(channels: int) -> str:
    return f" of {channels} samples" if channels > 4 else ""


def _each(itemsize: int) -> int:
    """Bytes of memory for a sample: the input and the output, one after the other what is decoded, float32 and float32."""
    return {1: 2, 2: 6}.get(itemsize, max(itemsize + 4, 8))


def check_bytes(needed: int, what: str) -> None:
    """Raises `MemoryShort`, in which ``what`` need so many bytes, where there is less memory."""
    limit = (_limit.get() or _Limit()).memory
    if limit is not None or needed > LITTLE:
        memory.check(needed, limit, what)


def check_length(size: int) -> None:
    """Raises `MemoryShort` where there is less memory than a file of ``size`` bytes takes."""
    # For a short file, what its header claims says more.
    if size > LITTLE:
        check_bytes(size, f"its {size} bytes")


def content_of(path: Path) -> bytes:
    """All bytes of a regular file; `MemoryShort` where there is less memory than they take."""
    with regular.opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_length(size)
    return regular.read(path, size)


@contextmanager
def limited(most: int, words: str = "are taken here", output: Callable[[int, int], Size] | None = None) -> Iterator[None]:
    """Within it, `check_size` refuses pages of more than ``most`` pixels by what their headers say, before they are decoded.

    ``output`` gives the height and width of the output for those of a page; they are held to the same limit. ``words`` end the
    message "640x480 pixels are more than ...".
    """
    token = _limit.set(replace(_limit.get() or _Limit(), most=most, words=words, output=output))
    try:
        yield
    finally:
        _limit.reset(token)


@contextmanager
def within(most: int | None) -> Iterator[None]:
    """Within it, the process may use so many bytes of memory in all; None: as many as without."""
    if most is None:
        yield
        return
    token = _limit.set(replace(_limit.get() or _Limit(), memory=most))
    try:
        yield
    finally:
        _limit.reset(token)
