"""Which shipped files belong together: a name such as ``photo`` stands for a family of files, each in a role.

Roles are the words of the task that the family is for: `pellucid.tasks` says which role serves which picture. Standard library
alone: the command line's help lists families.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

__all__ = ["FAMILIES", "Family", "names", "shipped_path"]


@dataclass(frozen=True)
class Family:
    """The task that the files are for, and the shipped file (without ``.onnx``) that serves in each role."""

    task: str
    files: Mapping[str, str]


_IMPULSES = {"impulses": "photo-impulses", "processed": "photo-camera"}

FAMILIES: dict[str, Family] = {
    "photo": Family("denoise", {"gray": "photo-gray", "colour": "photo-color", **_IMPULSES}),
    "photo-fast": Family("denoise", {"gray": "photo-fast-gray", "colour": "photo-fast-color", **_IMPULSES}),
    "digits": Family("denoise", {"gray": "digits"}),
    "seed-digits": Family("denoise", {"gray": "seed-digits"}),
    "upscale": Family("upscale", {"colour": "upscale"}),
    "upscale-photo": Family("upscale", {"colour": "upscale-photo"}),
}
"""Name -> family. A lone ``.onnx`` file is a family of one, in the role that the channels of its card name."""


def names() -> tuple[str, ...]:
    """The shipped files' names, without ``.onnx``."""
    return tuple(dict.fromkeys(file for family in FAMILIES.values() for file in family.files.values()))


def shipped_path(name: str) -> Path:
    """Where a shipped file lies."""
    return Path(str(resources.files("pellucid") / "models" / f"{name}.onnx"))
