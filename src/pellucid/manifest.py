"""The manifest of a folder of outputs, which says how each was made.

A run into a folder keeps a manifest there, `MANIFEST`: one JSON line for each output, with the hashes of the input, of the output
and of the model, and the settings. The line is written before the output gets its name. So an output with the hash in its line is
complete, whenever the run was killed, and any other output is not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pellucid import __version__, files, regular, saving
from pellucid.errors import FileError

__all__ = ["MANIFEST", "Manifest", "digest_of"]

MANIFEST = ".pellucid.jsonl"
"""The manifest's name in the folder of outputs."""


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
        self._lines: dict[str, dict[str, object]] = {}
        if not os.path.lexists(self.path):
            return
        try:
            with regular.opened(self.path, links=False) as file:
                text = file.read().decode("utf-8", errors="replace")
        except OSError as error:
            raise FileError(f"{self.path}: cannot be read: {error.strerror}") from error
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._lines[str(entry["output"])] = entry
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # the last line of a killed run; its output will be made again

    def how(self, source: Path) -> dict[str, object]:
        """Settings, model and version that make the output of an input."""
        return {**self._how, "model": self._model(source)}

    def has(self, source: Path, target: Path, digest: str) -> bool:
        """Whether the output is there, unchanged, from that content, model and settings."""
        entry = self._lines.get(self._name(target))
        if entry is None or entry.get("input_sha256") != digest or not (target.is_file() or files.is_folder_picture(target)):
            return False
        return all(entry.get(key) == value for key, value in self.how(source).items()) and entry.get("output_sha256") == digest_of(
            target
        )

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
        return os.path.relpath(target, self.folder).replace(os.sep, "/")


def digest_of(path: Path) -> str:
    """The hash of a file's content; of a folder's names and contents."""
    try:
        if path.is_dir():
            whole = hashlib.sha256()
            for file in saving.files_below(path):
                whole.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0" + digest_of(file).encode())
            return whole.hexdigest()
        with regular.opened(path) as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
