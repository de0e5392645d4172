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
    """The task that the files are for, the shipped file (without ``.onnx``) that serves in each role, and a line for people."""

    task: str
    files: Mapping[str, str]
    summary: str = ""


_IMPULSES = {"impulses": "photo-impulses", "processed": "photo-camera"}

FAMILIES: dict[str, Family] = {
    "photo": Family(
        "denoise",
        {"gray": "photo-gray", "colour": "photo-color", **_IMPULSES, "second": "video"},
        "Takes noise of any kind and level, and JPEG artefacts, out of photographs",
    ),
    "photo-fast": Family(
        "denoise",
        {"gray": "photo-fast-gray", "colour": "photo-fast-color", **_IMPULSES, "clip": "video"},
        "Does the work of photo in less time, and leaves a little more noise",
    ),
    "digits": Family("denoise", {"gray": "digits"}, "Takes Gaussian noise and impulses out of handwritten digits"),
    "seed-digits": Family(
        "denoise", {"gray": "seed-digits"}, "The seed's autoencoder for handwritten digits, trained at one level of Gaussian noise"
    ),
    "upscale": Family("upscale", {"colour": "upscale", "processed": "upscale-photo"}, "Enlarges clean photographs"),
    "colorize": Family("colorize", {"light": "colorize"}, "Proposes colours for gray pictures, and obeys hints"),
    "upscale-photo": Family(
        "upscale", {"colour": "upscale-photo"}, "Enlarges photographs with a little noise or JPEG artefacts, and removes these"
    ),
    "raw": Family("raw", {"mosaic": "raw"}, "Makes pictures of the mosaic of a camera's sensor, and takes its noise out"),
    "film": Family(
        "film",
        {"find": "film-find", "fill": "film-fill"},
        "Mends worn film, prints and slides: finds scratches, dust and the like, and fills them",
    ),
    "cutout": Family("cutout", {"colour": "cutout"}, "Cuts things out of their background, best with a click or a box"),
}
"""Name -> family. A lone ``.onnx`` file is a family of one, in the role that the channels of its card name."""


def names() -> tuple[str, ...]:
    """The shipped files' names, without ``.onnx``."""
    return tuple(dict.fromkeys(file for family in FAMILIES.values() for file in family.files.values()))


def shipped_path(name: str) -> Path:
    """The path of a shipped file."""
    return Path(str(resources.files("pellucid") / "models" / f"{name}.onnx"))
