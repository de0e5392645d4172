"""Lists and deletes the files that pellucid keeps in the user's cache. It deletes no file but those that pellucid put there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pellucid import compiled, saving
from pellucid.engines import cache_folder
from pellucid.files import MNIST_FILES
from pellucid.training import photos

__all__ = ["KINDS", "Kept", "Kind", "clear", "found"]


@dataclass(frozen=True)
class Kind:
    """Files of one kind: their folder in the cache ("" is the cache itself), a pattern of their names, and what they are for."""

    folder: str
    name: re.Pattern[str]
    about: str


KINDS = (
    Kind("", compiled.NAME, "compiled models"),
    Kind("images", re.compile(r"[0-9a-f]{16}\.images"), "decoded images of training runs"),
    # By name: people put photographs of their own beside them to learn from both.
    Kind("photos", re.compile("|".join(re.escape(photo.name) for photo in photos.listed())), "photographs by 'fetch photos'"),
    Kind("mnist", re.compile("|".join(rf"{re.escape(name)}\.gz" for name in MNIST_FILES.values())), "digits by 'fetch mnist'"),
)
"""All that pellucid keeps, each made again when it is needed."""


@dataclass(frozen=True)
class Kept:
    """The files of a `Kind` that are in the cache, and the bytes that they take."""

    kind: Kind
    paths: tuple[Path, ...]
    bytes: int


def found(folder: Path | None = None) -> list[Kept]:
    """The files in ``folder`` (None: the user's cache), a row for each of `KINDS`. Links are none of pellucid's files."""
    base = folder or cache_folder()
    rows = []
    for kind in KINDS:
        paths, taken = [], 0
        for path in _files(base / kind.folder) if base is not None else ():
            if kind.name.fullmatch(path.name):
                paths.append(path)
                with suppress(OSError):
                    taken += path.stat().st_size
        rows.append(Kept(kind, tuple(paths), taken))
    return rows


def clear(folder: Path | None = None) -> tuple[int, int, list[Path]]:
    """Takes away what `found` finds, temporary files of killed runs, and folders that are empty then.

    The number of files that went and their bytes; and the entries that are left: not pellucid's, or not to be deleted.
    """
    base = folder or cache_folder()
    if base is None:
        return 0, 0, []
    count, freed = 0, 0
    for row in found(base):
        for path in row.paths:
            with suppress(OSError):
                size = path.stat().st_size
                path.unlink()
                count, freed = count + 1, freed + size
    for place in dict.fromkeys([*(base / kind.folder for kind in KINDS if kind.folder), base]):
        with suppress(OSError):
            saving.sweep(place)
        # Only an empty folder goes; a link to one is the user's.
        if not place.is_symlink():
            with suppress(OSError):
                place.rmdir()
    return count, freed, sorted(base.iterdir()) if base.is_dir() else []


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_symlink():
        return
    with suppress(OSError), os.scandir(folder) as entries:
        yield from sorted(Path(entry.path) for entry in entries if entry.is_file(follow_symlinks=False))
