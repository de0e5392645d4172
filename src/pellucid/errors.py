"""Every error that pellucid raises on purpose.

    PellucidError
    ├── InputError          the image, folder or value that was given cannot be used
    │   ├── ImageError      an array or picture of the wrong shape, kind or content
    │   ├── FileError       a file that cannot be read or written
    │   │   ├── SizeError   one that is, or claims to be, larger than the limit
    │   │   └── DiskFull    the disk is full, for this file and for the next
    │   └── OptionError     an option outside its range, or a combination that cannot work
    ├── ModelError          a model, card, network or recipe that is unknown or damaged
    ├── EngineError         the graph cannot be run here (no engine, no such device)
    │   └── MemoryShort     the picture needs more memory than may be taken
    ├── MissingExtra        an optional package is needed; names the extra that brings it
    └── TrainingError       training cannot go on (no images, loss is not a number)

Each message is one line that names what was given and what would work. The command line prints that line and exits
with status 2 (usage: ``OptionError``) or 1 (everything else). An error of any other kind is a fault of pellucid's: one line as
well, that says where the details are, and status 70.
"""

from __future__ import annotations

__all__ = [
    "DiskFull",
    "EngineError",
    "FileError",
    "ImageError",
    "InputError",
    "MemoryShort",
    "MissingExtra",
    "ModelError",
    "OptionError",
    "PellucidError",
    "RangeWarning",
    "SizeError",
    "TrainingError",
]


class PellucidError(Exception):
    """Base of the family; catch this to catch them all."""


class InputError(PellucidError):
    """Something that was given cannot be used."""


class ImageError(InputError):
    """An array or picture of the wrong shape, kind or content."""


class FileError(InputError):
    """A file that cannot be read or written."""


class SizeError(FileError):
    """A file that has, or claims to have, more pixels than the limit allows."""


class DiskFull(FileError):  # noqa: N818  # the name says what is wrong, and reads so where it is caught
    """A file that cannot be written because the disk, or the user's share of it, is full."""


class OptionError(InputError):
    """An option outside its range, or options that cannot go together."""


class ModelError(PellucidError):
    """A model, card, network or recipe that is unknown or damaged."""


class EngineError(PellucidError):
    """The graph cannot be run here."""


class MemoryShort(EngineError):  # noqa: N818  # the name says what is wrong
    """The picture needs more memory than may be taken now."""


class MissingExtra(PellucidError):  # noqa: N818  # the name says what is wrong, and reads so where it is raised
    """An optional package is not installed.

    ``package`` is the package that could not be imported, ``extra`` the name in ``pip install 'pellucid[extra]'`` that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"{package} is not installed; pip install 'pellucid[{extra}]' brings it")

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        # So that it can go from one process to another: its arguments are not its message.
        return MissingExtra, (self.package, self.extra)


class TrainingError(PellucidError):
    """Training cannot start or go on."""


class RangeWarning(UserWarning):
    """Black and white of an array were found from its values (floats above 1, counts in 16 bits); ``range`` sets them."""
