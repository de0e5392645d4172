"""Whether two paths are one file's, so that no output replaces an input. Standard library alone.

Two hard links are two files here: an output is renamed into its place, and what the other name stands for stays as it was.
"""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

__all__ = ["identity", "ignores_case", "is_same"]


def ignores_case(folder: str) -> bool:
    """Whether names in a folder that differ in case alone are one name, as on Windows and, most often, on macOS.

    Nothing is written to find out: a folder that can also be had by its name in the other case is the same one. Where it is not
    there yet, or has no letters, the folder above it says so.
    """
    above, name = os.path.split(folder)
    other = name.swapcase()
    if not name:
        return False
    if other != name:
        try:
            return os.path.samefile(folder, os.path.join(above, other))  # noqa: PTH118, PTH121
        except OSError:
            if os.path.lexists(folder):
                return False
    return ignores_case(above)


def identity(path: Path) -> str:
    """A text that two paths share where they are the same file's: links are followed, and names are compared as their file system
    does. Those that ignore case ignore how letters are composed, too."""
    # Not `Path.resolve`, which fails on a link that leads round in a circle.
    real = os.path.realpath(path)
    return unicodedata.normalize("NFC", real).casefold() if ignores_case(os.path.dirname(real)) else real  # noqa: PTH120


def is_same(one: str | Path, other: str | Path) -> bool:
    """Whether both are one file's, there or not; no for a name that no file can have, which whoever reads or writes it refuses."""
    try:
        return identity(Path(one)) == identity(Path(other))
    except (OSError, ValueError):
        return False
