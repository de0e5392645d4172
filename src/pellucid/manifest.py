"""The manifest of a folder of outputs, which says how each was made.

A run into a folder keeps a manifest there, `MANIFEST`: one JSON line for each output, with the hashes of the input, of the output
and of the model, and the settings. The line is written before the output gets its name. So an output with the hash in its line is
complete, whenever the run was killed, and any other output is not.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pellucid import __version__, files, regular, saving
from pellucid.errors import FileError

__all__ = ["MANIFEST", "Manifest", "digest_of", "input_of"]

MANIFEST = ".pellucid.jsonl"
"""The manifest's name in the folder of outputs."""

LONGEST, LARGEST = 1 << 20, 1 << 32
"""Bytes of a line, and of all, that are read."""

HOW = ("input_sha256", "settings", "pellucid", "model")
"""The keys of an entry that say how an output was made, and of what."""


class Manifest:
    """The manifest of a folder: what is done there, by content and settings."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], model: Callable[[Path], str]) -> None:
        """``settings`` are those that outputs depend on, as JSON takes them; ``model`` gives the fingerprint of what
        restores an input."""
        self.folder = folder
        self.path = folder / MANIFEST
        self._model = model
        how = {"settings": dict(settings), "pellucid": __version__}
        # As it comes back from a file, where a pair is a list.
        self._how: dict[str, object] = json.loads(json.dumps(how))
        self._made: dict[str, bytes] | None = None
        if not os.path.lexists(self.path):
            self._made = {}
            return
        try:
            regular.opened(self.path, links=False).close()
        except OSError as error:
            raise FileError(f"{self.path}: {regular.unread(error)}") from error

    def _read(self) -> dict[str, bytes]:
        """The note on each output, as `_mark`."""
        made: dict[str, bytes] = {}
        for entry in _entries(self.path):
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                made[str(entry["output"])] = _mark(entry)
        return made

    def how(self, source: Path) -> dict[str, object]:
        """Settings, model and version that make the output of an input."""
        return {**self._how, "model": self._model(source)}

    def has(self, source: Path, target: Path, digest: str) -> bool:
        """Whether the output is there, unchanged, from that content, model and settings."""
        if self._made is None:
            self._made = self._read()
        mark = self._made.get(self._name(target))
        if mark is None or not (target.is_file() or files.is_folder_picture(target)):
            return False
        # The output is hashed where all else is as it was.
        entry = {"input_sha256": digest, **self.how(source)}
        return mark.startswith(_half(entry)) and mark == _mark({**entry, "output_sha256": digest_of(target)})

    def note(self, source: Path, target: Path, digest: str, finished: Path) -> None:
        """Writes the line of an output that is about to get its name."""
        entry = {
            "output": self._name(target),
            "output_sha256": digest_of(finished),
            "input": str(source),
            "input_sha256": digest,
            **self.how(source),
        }
        # ASCII: a name need not be valid text.
        saving.append_line(self.path, json.dumps(entry))

    def _name(self, target: Path) -> str:
        return _inner(target, self.folder)


def input_of(target: Path, folder: Path) -> str | None:
    """The path of the input that the manifest of a folder of outputs names for an output; None where it names none."""
    if not os.path.lexists(folder / MANIFEST):
        return None
    name = _inner(target, folder)
    found = [entry.get("input") for entry in _entries(folder / MANIFEST) if entry.get("output") == name]
    return str(found[-1]) if found else None


def _inner(target: Path, folder: Path) -> str:
    """The path of an output as the manifest has it."""
    return os.path.relpath(target, folder).replace(os.sep, "/")


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a manifest, whose lines are read one by one. A line that is no entry is left out, such as the last line of a
    killed run: its output will be made again."""
    try:
        with regular.opened(path, links=False) as opened, io.BufferedReader(opened) as file:
            size = os.fstat(opened.fileno()).st_size
            if size > LARGEST:
                raise FileError(f"{path}: it has {size} bytes, and at most {LARGEST} are read; begin a new folder")
            torn = False
            while line := file.readline(LONGEST):
                whole = line.endswith(b"\n")
                if whole and not torn:
                    with suppress(ValueError, RecursionError):
                        entry = json.loads(line)
                        if isinstance(entry, dict):
                            yield entry
                torn = not whole
    except OSError as error:
        raise FileError(f"{path}: {regular.unread(error)}") from error


def _half(entry: Mapping[str, object]) -> bytes:
    """A hash of how an output was made, and of what."""
    return hashlib.sha256(json.dumps([entry.get(key) for key in HOW], sort_keys=True).encode()).digest()


def _mark(entry: Mapping[str, object]) -> bytes:
    """The same, and a hash of what was made."""
    return _half(entry) + hashlib.sha256(json.dumps(entry.get("output_sha256")).encode()).digest()


def digest_of(path: Path) -> str:
    """The hash of a file's content; of a folder's names and contents."""
    try:
        if path.is_dir():
            whole = hashlib.sha256()
            for file in saving.files_below(path):
                whole.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0" + digest_of(file).encode())
            return whole.hexdigest()
        return regular.digest(path)
    except OSError as error:
        raise FileError(f"{path}: {regular.unread(error)}") from error
