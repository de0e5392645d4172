"""Folders that are one picture: what they hold is read from regular files inside them, never through a link, a device or a pipe."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pellucid import regular, saving
from pellucid.errors import FileError, MissingExtra
from pellucid.files.packing import Packing

__all__ = ["METADATA", "copied", "files_of", "metadata", "store", "zarr"]

MOST_IN_METADATA = 1 << 26
"""Bytes of a file of metadata. JSON takes up to twenty times its bytes in memory."""

METADATA = (".zarray", ".zattrs", ".zgroup", "zarr.json")
"""The files of a group, or an array, that are no chunks."""


def zarr() -> Any:
    """zarr-python. Raises `MissingExtra`."""
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise MissingExtra("zarr", "zarr") from error
    return zarr


def files_of(folder: Path) -> Iterator[Path]:
    """All files in the group and below it; `FileError` that names what is neither a regular file nor a folder."""
    try:
        yield from saving.files_below(folder)
    except OSError as error:
        raise FileError(f"it cannot be read: {error.strerror}") from error


def metadata(folder: Path, name: str) -> dict[str, Any]:
    """A metadata file's content, in one line's words where it is damaged."""
    try:
        with regular.opened(folder / name, links=False) as file:
            content = file.read(MOST_IN_METADATA + 1)
        found = json.loads(content) if len(content) <= MOST_IN_METADATA else None
    except FileNotFoundError as error:
        raise FileError(f"its {name} is missing") from error
    except OSError as error:
        raise FileError(f"its {name} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(f"its {name} is damaged: it is not JSON") from error
    if not isinstance(found, dict):
        raise FileError(f"its {name} is damaged: it is not a JSON object")
    return found


def copied(source: Path, target: Path) -> None:
    """Copies the content of a regular file that is no link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = regular.opened(source, links=False)
    except OSError as error:
        raise FileError(f"its {source.name} cannot be read: {error.strerror}") from error
    with file, target.open("xb") as copy:
        while part := file.read(1 << 20):
            copy.write(part)


def store(folder: Path, packing: Packing) -> Any:
    """A store that zarr-python reads an array from, whose chunks are packed so."""
    return _guarded()(folder, packing)


@lru_cache(maxsize=1)
def _guarded() -> Any:
    zarr()
    # A heavy import, for OME-Zarr alone.
    import asyncio

    from zarr.storage import LocalStore

    class Guarded(LocalStore):  # type: ignore[misc, unused-ignore]
        """Reads regular files that are no links, and checks them at each reading: they may be others by then."""

        def __init__(self, root: Path, packing: Packing, *, read_only: bool = True) -> None:
            super().__init__(root, read_only=read_only)
            self.packing = packing

        def with_read_only(self, read_only: bool = False) -> Any:
            return type(self)(self.root, self.packing, read_only=read_only)

        def _checked(self, key: str, byte_range: Any) -> bytes | None:
            try:
                with regular.opened(self.root / key, links=False) as file:
                    content, begin, size = _part(file, byte_range)
            except (FileNotFoundError, NotADirectoryError):
                return None
            except OSError as error:
                if (self.root / key).is_dir() and not (self.root / key).is_symlink():
                    return None
                raise FileError(f"its chunk {self.root.name}/{key} cannot be read: {error.strerror}") from error
            if Path(key).name not in METADATA:
                try:
                    if byte_range is None:
                        self.packing.check(content)
                    else:
                        self.packing.check_part(content, begin, size)
                except ValueError as error:
                    raise FileError(f"its chunk {self.root.name}/{key} {error}") from error
            return content

        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            content = await asyncio.to_thread(self._checked, key, byte_range)
            return None if content is None else _prototype(prototype).buffer.from_bytes(content)

        def get_sync(self, key: str, *, prototype: Any = None, byte_range: Any = None) -> Any:
            content = self._checked(key, byte_range)
            return None if content is None else _prototype(prototype).buffer.from_bytes(content)

        async def get_partial_values(self, prototype: Any, key_ranges: Any) -> Any:
            return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]

    return Guarded


def _part(file: io.FileIO, wanted: Any) -> tuple[bytes, int, int]:
    """The bytes of the file that zarr-python asks for: all, or some from its beginning or before its end; where they begin, and the
    file's size."""
    size = os.fstat(file.fileno()).st_size
    begin, end = 0, size
    if hasattr(wanted, "start"):
        begin, end = wanted.start, min(size, wanted.end)
    elif hasattr(wanted, "offset"):
        begin = wanted.offset
    elif wanted is not None:
        begin = max(0, size - wanted.suffix)
    file.seek(begin)
    parts, place = [], begin
    # One call reads 2 GiB at most.
    while place < end and (part := file.read(end - place)):
        parts.append(part)
        place += len(part)
    return b"".join(parts), begin, size


def _prototype(given: Any) -> Any:
    from zarr.core.buffer import default_buffer_prototype

    return given if given is not None else default_buffer_prototype()
