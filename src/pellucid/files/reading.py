"""Any still or stack, page by page: upright, and every error of a decoder ours."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pellucid import regular, saving
from pellucid.errors import FileError, MemoryShort, PellucidError, SizeError
from pellucid.files import claims, photographs
from pellucid.files.base import Document, Format, Page, Reading, message_of, with_rows
from pellucid.files.claims import content_of, within
from pellucid.files.formats import format_of, other_kind
from pellucid.files.metadata import upright
from pellucid.images import EMPTY, Image, Range, Rows


def read(path: Path, *, value_range: Range = "auto", axes: str | None = None, mosaic: bool = False) -> Image:
    """The one picture in ``path``, upright; CMYK as sRGB.

    ``value_range`` says which values are black and white, ``axes`` names the axes where the file does not, ``mosaic`` asks for what
    a camera's sensor saw, which is not upright: see `Reading`. Raises
    `FileError` in one line when the file is missing, foreign, truncated, of a kind not known, or holds more than one picture;
    `MissingExtra` when its format needs a package that is not installed.
    """
    with open_pages(path, value_range=value_range, axes=axes, mosaic=mosaic) as document:
        if document.count != 1:
            raise FileError(f"{path}: it has {document.count} pages, and only single pictures work here")
        page = next(iter(document.pages), None)
        if page is None:
            raise FileError(f"{path}: it holds no picture")
        if page.kind == "inks":
            return photographs.inks_to_picture(page, Reading())
        if len(page.pictures) != 1:
            alone = "only gray or colour, with alpha or without, works here"
            raise FileError(f"{path}: it has {page.samples} channels, and {alone}; {page.remedy}")
        return page.pictures[0]


def check_length(path: Path, memory: int | None) -> None:
    """Raises `MemoryShort` where a picture that is read whole is longer than ``memory`` lets it be, the bytes that this process may
    have in all: before anything of it is read. A folder's files are read whole."""
    kind = format_of(path)
    if kind.in_parts:
        return
    with within(memory), _ours(path, kind, b""):
        try:
            for file in saving.files_below(path) if kind.folder and path.is_dir() else (path,):
                claims.check_length(file.stat().st_size)
        except OSError as error:
            raise FileError(regular.unread(error)) from error


@contextmanager
def open_pages(
    path: Path,
    *,
    value_range: Range = "auto",
    axes: str | None = None,
    sparing: bool = False,
    keep: bool = False,
    memory: int | None = None,
    mosaic: bool = False,
    first: int = 0,
) -> Iterator[Document]:
    """The document at ``path``, page by page: see `Document`; ``sparing``, ``keep`` and ``mosaic``: see `Reading`; ``memory``:
    bytes that this process may have in all; ``first``: the page that the pages begin with, counted from 0. The rest and errors as
    of `read`, and `MemoryShort`; errors also come as pages are taken, and their rows."""
    kind = format_of(path)
    reading = Reading(value_range, axes, sparing, keep=keep, mosaic=mosaic, first=first)
    start = b"" if kind.folder else _start(path)
    if kind.folder and not path.is_dir():
        raise FileError(
            f"{path}: {f'this is a file, and an {kind.name} is a folder' if path.exists() else 'there is no such folder'}"
        )
    if kind.open is None:
        with within(memory), _ours(path, kind, start):
            page = _upright(Page((_decoded(path, kind, reading),)))
            if _is_empty(page):
                raise FileError(EMPTY)
        yield Document(iter([page][first:]), first=first)
        return
    manager = kind.open(path, reading)
    with within(memory), _ours(path, kind, start):
        document = manager.__enter__()
    try:
        pages = _checked(path, kind, start, document, memory)
        left_out = first - document.first
        yield replace(document, pages=islice(pages, left_out, None) if left_out else pages, first=first)
    finally:
        # Read to its end or not: the file is closed, and closing it tells nothing that matters.
        manager.__exit__(None, None, None)


def _start(path: Path) -> bytes:
    try:
        # A device would be read for ever, a pipe waited for.
        with regular.opened(path) as file:
            start = file.read(256)
    except OSError as error:
        raise FileError(f"{path}: {regular.unread(error)}") from error
    if not start:
        raise FileError(f"{path}: the file is empty")
    return start


def _decoded(path: Path, kind: Format, reading: Reading) -> Image:
    if kind.decode is None:
        raise FileError(f"{kind.name} cannot be read")
    return kind.decode(content_of(path), reading)


def _checked(path: Path, kind: Format, start: bytes, document: Document, memory: int | None) -> Iterator[Page]:
    """The document's pages upright, every error of theirs ours. Some may be without any value, but not all."""
    pages = iter(document.pages)
    number, empty = document.first, document.first == 0
    while True:
        with within(memory), _ours(path, kind, start):
            page = next(pages, None)
            if page is not None:
                page = _upright(page)
                number += 1
                empty = empty and _is_empty(page)
                if empty and number == document.count:
                    raise FileError(EMPTY)
        if page is None:
            return
        yield replace(page, pictures=tuple(_with_checked_rows(path, kind, start, picture) for picture in page.pictures))


def _is_empty(page: Page) -> bool:
    return all(picture.empty for picture in page.pictures)


def _with_checked_rows(path: Path, kind: Format, start: bytes, picture: Image) -> Image:
    """The picture, errors of its rows ours."""

    def checked(rows: Rows) -> Rows:
        def take(top: int, bottom: int) -> NDArray[Any]:
            with _ours(path, kind, start):
                return rows.take(top, bottom)

        return Rows(rows.shape, rows.dtype, take)

    return with_rows(picture, checked)


def _upright(page: Page) -> Page:
    first = page.pictures[0]
    if first.exif is None and first.xmp is None:
        return page
    # Metadata of the page stand with its first picture; all of its pictures turn by them.
    others = (replace(upright(replace(other, exif=first.exif)), exif=None) for other in page.pictures[1:])
    return replace(page, pictures=(upright(first), *others))


@contextmanager
def _ours(path: Path, kind: Format, start: bytes) -> Iterator[None]:
    """Turns whatever a decoder raises into a `FileError` that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SizeError as error:
        raise SizeError(f"{path}: {error}") from error
    except FileError as error:
        raise FileError(f"{path}: {other_kind(kind, start) or error}") from error
    except MemoryError as error:
        raise FileError(f"{path}: it needs more memory than there is") from error
    except MemoryShort as error:
        raise MemoryShort(f"{path}: {error}") from error
    except PellucidError as error:
        if type(error).__name__ == "ImageError":
            raise FileError(f"{path}: {error}") from error
        raise
    # Dozens of decoders stand behind this line, and a damaged file provokes from them every kind of error that there is.
    except Exception as error:
        other = other_kind(kind, start)
        raise FileError(f"{path}: {other or f'it is damaged, or not a {kind.name} file ({message_of(error)})'}") from error
