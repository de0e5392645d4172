"""The settings that a user can choose: help, kind and range of each, declared once, at the field of a dataclass.

The command line makes its arguments from these declarations, HTTP its query parameters and its description (OpenAPI), the page its
fields, Python its keyword arguments. Standard library alone: ``pellucid --help`` reads them and needs nothing else.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from pellucid.errors import FileError, OptionError
from pellucid.tasks.kinds import CHECKS, READERS, WORDS, Attached, Kind, as_number, check_type, shown, text_of

__all__ = [
    "Always",
    "Attached",
    "ClipSettings",
    "FileSettings",
    "Kind",
    "Setting",
    "Settings",
    "Shape",
    "as_number",
    "check_type",
    "setting",
    "shown",
]

METADATA = "pellucid"
"""The key under which a dataclass field keeps its `Setting`."""


class Shape(NamedTuple):
    """The size of a picture in pixels, its colour channels (1 or 3), and whether it has alpha; a side is None where only the work
    itself shows it."""

    height: int | None
    width: int | None
    channels: int
    alpha: bool

    @classmethod
    def of(cls, picture: Any) -> Shape:
        """That of an `Image`."""
        height, width, channels = picture.pixels.shape
        return cls(height, width, channels, alpha=picture.alpha is not None)


class Always(NamedTuple):
    """The properties that outputs have whatever their pictures are: ``alpha``, whether they have it, and their ``channels``; None
    where these are the picture's."""

    alpha: bool
    channels: int | None

    @classmethod
    def of(cls, answer: Callable[[Shape], Shape]) -> Always:
        """From the function that gives the output's shape for a picture's."""
        gray, colour = (answer(Shape(None, None, channels, alpha=False)) for channels in (1, 3))
        return cls(colour.alpha, colour.channels if gray.channels == colour.channels else None)


@dataclass(frozen=True)
class Setting:
    """One setting: its ``help``, its ``kind`` (or several, tried in order) and its range.

    A number lies between ``low`` and ``high``, both included unless ``above`` leaves out ``low``, and has no fraction where it is
    ``whole``; ``step`` and ``marks`` are what a form offers. ``many``: it may come more than once, and its value is a tuple.
    ``metavar`` stands for the value in the help of the command line. ``label`` is what a form calls it, ``main`` whether the form
    shows it at first sight, ``live`` whether the page shows at once, for a part of the picture, what another value does.
    ``painted``: it is a mask, which can be painted on the page; ``proposes``: its values are different proposals, which the page
    shows side by side. ``follows`` names the setting whose value it has where its own is None. ``endings`` are those that a file
    may have beside pictures'. ``changes_output`` is False for what is only reported: resuming a folder does not look at it.
    ``of``: it concerns only files of this kind (``pictures``, ``stacks``, ``clips`` or ``mosaics``), and is refused without any.
    ``name`` and ``default`` are those of the field it stands at."""

    help: str
    kind: Kind | tuple[Kind, ...] = "number"
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    whole: bool = False
    step: float | None = None
    choices: tuple[str, ...] = ()
    metavar: str | None = None
    label: str = ""
    main: bool = False
    live: bool = False
    painted: bool = False
    proposes: bool = False
    follows: str = ""
    marks: tuple[float, ...] = ()
    many: bool = False
    endings: tuple[str, ...] = ()
    changes_output: bool = True
    of: str = ""
    name: str = ""
    default: Any = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds, in the order in which they are tried."""
        return self.kind if isinstance(self.kind, tuple) else (self.kind,)

    @property
    def flag(self) -> str:
        """The setting's option on the command line, such as ``--keep-grain``."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def allowed(self) -> str:
        """The values that it takes, in words."""
        return " or ".join(WORDS[kind](self) for kind in self.kinds)

    def refused(self, value: Any) -> OptionError:
        """The error for a value that it does not take."""
        return OptionError(f"{self.name} must be {self.allowed}, not {shown(value)}")

    def check(self, value: Any) -> Any:
        """The value as it is kept; `OptionError` for one that is not taken, such as text where a number belongs."""
        if value is None and self.default is None:
            return None
        if self.many:
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise OptionError(f"{self.name} must be a list, not {shown(value)}")
            return tuple(self._checked(each) for each in value)
        return self._checked(value)

    def _checked(self, value: Any) -> Any:
        for kind in self.kinds:
            kept = CHECKS[kind](self, value)
            if kept is not None:
                return kept
        raise self.refused(value)

    def read(self, text: str, *, paths: bool = True) -> Any:
        """The value that ``text`` stands for, as the command line and a query write it; `OptionError` for what is none.

        Without ``paths`` no text names a file.
        """
        if not paths and self.kinds == ("file",):
            raise OptionError(f"{self.name} is a file: send the file itself, not text")
        for kind in self.kinds:
            if kind == "file" and not paths:
                continue
            try:
                kept = READERS[kind](self, text)
            except FileError as error:
                if len(self.kinds) == 1:
                    raise
                raise FileError(f"{self.refused(text)} ({str(error).rpartition(': ')[2].lower()})") from error
            if kept is not None:
                return self._checked(kept)
        raise self.refused(text)

    def text(self, value: Any) -> list[str]:
        """The value as text: one entry, or one for each where there may be many; none for None. `read` reads it back."""
        if value is None:
            return []
        return [text_of(each) for each in (value if self.many else (value,))]


def setting(default: Any, help: str, **how: Any) -> Any:
    """A dataclass field with this default, and a `Setting` of this help."""
    return field(default=default, metadata={METADATA: Setting(help, **how)})


@dataclass(frozen=True)
class Declared:
    """A dataclass whose fields are declared by `setting`. Values out of range raise `OptionError`, wherever they come from."""

    def __post_init__(self) -> None:
        for each in self.declared():
            object.__setattr__(self, each.name, each.check(getattr(self, each.name)))

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        """The settings in the order in which they are shown: the main ones first, a class's own before those that it inherits."""
        rows = [
            replace(entry.metadata[METADATA], name=entry.name, default=entry.default)
            for entry in fields(cls)
            if METADATA in entry.metadata
        ]
        own = list(inspect.get_annotations(cls))
        return tuple(sorted(rows, key=lambda each: (not each.main, own.index(each.name) if each.name in own else len(own))))

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The names of the settings, in the same order."""
        return tuple(each.name for each in cls.declared())

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From values by name; `OptionError` for a name that is not one of the settings."""
        return cls(**cls.checked(given))

    def given(self, *of: str) -> tuple[str, ...]:
        """The flags of the settings that are not at their defaults and concern only files of these kinds (`Setting.of`)."""
        return tuple(each.flag for each in self.declared() if each.of in of and getattr(self, each.name) != each.default)

    def attached(self) -> list[Path]:
        """The files that settings name, such as a mask: no output may replace them."""
        values = [getattr(self, name) for name in self.names()]
        each = [one for value in values for one in (value if isinstance(value, tuple) else (value,))]
        return [one.path for one in each if isinstance(one, Attached) and one.path is not None]

    @classmethod
    def checked(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same values; `OptionError` for a name that is not one of the settings."""
        for name in given:
            if name not in cls.names():
                raise OptionError(f"{str(name)[:40]!r} is not a setting here; the settings are {', '.join(cls.names())}")
        return given

    @classmethod
    def read(cls, given: Mapping[str, Sequence[str]], attached: Mapping[str, Path] | None = None, *, paths: bool = True) -> Self:
        """From text by name, and from files by name; `OptionError` for a bad value, a strange name, or a name that comes twice.

        Without ``paths`` no text names a file: for text that comes from other people.
        """
        values: dict[str, Any] = {}
        rows = {each.name: each for each in cls.declared()}
        for name, texts in given.items():
            row = rows.get(name)
            if row is None:
                raise OptionError(f"{name[:40]!r} is not a setting here; the settings are {', '.join(rows)}")
            if not row.many and len(texts) != 1:
                raise OptionError(f"{name} is given {len(texts)} times")
            read = [row.read(text, paths=paths) for text in texts]
            values[name] = tuple(read) if row.many else read[0]
        for name, path in (attached or {}).items():
            if name not in rows or "file" not in rows[name].kinds:
                raise OptionError(f"{name[:40]!r} is not a setting that takes a file")
            values[name] = (Attached.of(path),) if rows[name].many else Attached.of(path)
        return cls(**values)

    def text(self) -> dict[str, list[str]]:
        """The settings as text, those at their defaults left out; `read` reads them back."""
        rows = ((each, getattr(self, each.name)) for each in self.declared())
        return {each.name: each.text(value) for each, value in rows if value != each.default and value is not None}

    def to_dict(self) -> dict[str, Any]:
        """All that the output depends on, as JSON holds it."""
        return {each.name: _plain(getattr(self, each.name)) for each in self.declared() if each.changes_output}


@dataclass(frozen=True)
class Settings(Declared):
    """The settings of a task: what its output depends on beside picture and model. Each task has a class of its own."""

    strength: float = setting(
        1.0,
        "how much of the restoration to use: 0 keeps the picture, 1 restores it in full",
        low=0,
        high=1,
        step=0.01,
        label="Strength",
        main=True,
    )

    BESIDE: ClassVar[Mapping[str, str]] = {}
    """Other pictures that may be written beside the output: a name, which is an option of the command line with a file, and
    help."""

    @property
    def share(self) -> float:
        """The share of the restored picture in the output; the rest is the picture as it was."""
        return self.strength

    @property
    def pictured(self) -> bool:
        """Whether a camera's RAW file is developed first, because these settings are for pictures alone."""
        return False

    @property
    def inspects(self) -> bool:
        """Whether the noise of the picture is measured. In a clip that is done once for a scene, not in each frame."""
        return False

    def answer(self, given: Shape) -> Shape:
        """The shape of the output for a picture of this shape."""
        return given

    def line(self, facts: Mapping[str, Any]) -> str:
        """A few words for people about what was done, from the output's facts."""
        return ""

    def each(self) -> Mapping[str, Self]:
        """The variants that are asked for, by name: each is one picture. One without a name where there is no choice."""
        return {"": self}

    def beside(self, name: str) -> Self:
        """The settings that make the other picture of that name, one of `BESIDE`."""
        raise OptionError(f"there is no picture {name!r} beside this one")

    def trusted(self, maps: Sequence[str]) -> tuple[str, ...]:
        """The names of the planes that say how far to trust an output (`pellucid.confidence`), by a model that is given these
        ``maps`` beside the picture; none where the task does not say that."""
        return ()

    @classmethod
    def taken_by(cls, maps: Sequence[str]) -> tuple[str, ...]:
        """The names of the settings that a model takes which is given these ``maps`` beside the picture."""
        return cls.names()


@dataclass(frozen=True)
class FileSettings(Declared):
    """Settings of the file and not of the picture in it: how its values are read, and how the output is written."""

    format: str | None = setting(
        None, "the format of the output, such as png (default: each picture's own)", kind="text", label="Format", of="pictures"
    )
    range: str = setting(
        "auto",
        "which values are black and white (auto: the file's own statement, or the full range of its type; the values in use for "
        "counts of 8 to 14 bits in 16, floats beyond 0 to 1, signed and 32-bit integers)",
        kind="text",
        metavar="auto|dtype|LO:HI",
        label="Black and white",
        of="pictures",
    )
    axes: str | None = setting(
        None,
        "an array's or a TIFF's axes, first to last: Y and X, S for colour, other letters for a stack (such as TZYX)",
        kind="text",
        label="Axes of a stack",
        of="stacks",
    )
    strip: bool = setting(
        False, "leave out EXIF, XMP, IPTC and texts; the colour profile stays", kind="flag", label="Drop metadata"
    )
    depth: str = setting(
        "auto",
        "the output's depth: 8 or 16 bits or float32, with black and white at the ends of its range; auto is each picture's own",
        kind="choice",
        choices=("auto", "8", "16", "float32"),
        label="Depth",
        of="pictures",
    )
    mask: Attached | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "a picture of any size that says where to work: white in full, black not at all, gray in part; of a picture with "
        "transparency that is the mask",
        kind="file",
        label="Where to work (mask)",
        painted=True,
    )
    protect: Attached | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "the same for what is to be spared: white stays as it is, to the bit",
        kind="file",
        label="What to spare (mask)",
        painted=True,
    )

    @property
    def pictured(self) -> bool:
        """Whether a camera's RAW file is developed first: masks and other depths are for pictures."""
        return self.mask is not None or self.protect is not None or self.depth != "auto"


@dataclass(frozen=True)
class ClipSettings(Declared):
    """Settings of a clip's file: which part of it is worked on, and how the output is encoded."""

    start: str | None = setting(
        None,
        "where in a clip to begin: seconds, M:SS or H:MM:SS (default: at its beginning)",
        kind="text",
        metavar="TIME",
        of="clips",
    )
    end: str | None = setting(
        None,
        "where in a clip to end; the frame at that time is left out (default: at its end)",
        kind="text",
        metavar="TIME",
        of="clips",
    )
    codec: str | None = setting(
        None,
        "how a clip is encoded: h264, hevc, av1, vp9, ffv1, prores and others (default: its own codec, where that can be written)",
        kind="text",
        of="clips",
    )
    quality: float = setting(
        80.0,
        "how well a clip is encoded, 0 to 100; at 80, encoding changes hardly anything that can be seen",
        low=0,
        high=100,
        metavar="Q",
        of="clips",
    )
    alone: bool = setting(
        False, "restore each frame of a clip by itself, without what the frames before it show", kind="flag", of="clips"
    )
    lossless: bool = setting(
        False, "encode a clip without any loss (FFV1, in a file with the ending .mkv)", kind="flag", of="clips"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value.to_dict() if isinstance(value, Attached) else value
