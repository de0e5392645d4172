"""The kinds of values that settings have: in words, checked, and read from text. Standard library alone."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from pellucid import regular
from pellucid.errors import FileError, OptionError

__all__ = ["CHECKS", "READERS", "WORDS", "Attached", "Kind", "as_number", "check_type", "shown", "text_of"]

Kind = Literal["number", "flag", "choice", "text", "colour", "file", "point", "box", "hint", "palette"]
"""The kinds of values. ``point`` is X,Y; ``box`` X0,Y0,X1,Y1; ``hint`` X,Y=COLOUR. They count pixels of the upright picture from 0
at the top left; a box does not hold column X1 and row Y1. ``palette`` is a list of colours with commas between. ``file`` is the
path of a file (see `Attached`)."""

COLOURS = {
    "black": "#000000",
    "white": "#ffffff",
    "gray": "#808080",
    "silver": "#c0c0c0",
    "red": "#ff0000",
    "maroon": "#800000",
    "crimson": "#dc143c",
    "salmon": "#fa8072",
    "pink": "#ffc0cb",
    "orange": "#ffa500",
    "gold": "#ffd700",
    "yellow": "#ffff00",
    "khaki": "#f0e68c",
    "beige": "#f5f5dc",
    "tan": "#d2b48c",
    "brown": "#a52a2a",
    "chocolate": "#d2691e",
    "olive": "#808000",
    "lime": "#00ff00",
    "green": "#008000",
    "darkgreen": "#006400",
    "teal": "#008080",
    "turquoise": "#40e0d0",
    "cyan": "#00ffff",
    "skyblue": "#87ceeb",
    "steelblue": "#4682b4",
    "blue": "#0000ff",
    "navy": "#000080",
    "indigo": "#4b0082",
    "purple": "#800080",
    "violet": "#ee82ee",
    "magenta": "#ff00ff",
}
"""Names of colours that are taken beside #RRGGBB and #RGB, with their values in CSS."""

FARTHEST = 10**9
"""No picture has a side of so many pixels."""

LARGEST = 1 << 30
"""Bytes of the largest file that a setting names: a picture of 10^9 pixels."""


@dataclass(frozen=True)
class Attached:
    """A file that a setting names. Two are equal where their contents are: a changed file is a changed setting."""

    name: str = field(compare=False)
    sha256: str
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def of(cls, path: Path) -> Attached:
        """The file at ``path``; `FileError` where it cannot be read."""
        try:
            return cls(path.name, regular.digest(path, LARGEST), path)
        except OSError as error:
            raise FileError(f"{path}: {regular.unread(error)}") from error

    @property
    def file(self) -> Path:
        """The path of the file; `OptionError` where only its name and content's hash are known."""
        if self.path is None:
            raise OptionError(f"{self.name}: the file itself is not there")
        return self.path

    def to_dict(self) -> dict[str, str]:
        """The content for a manifest: the same file under another name gives the same output."""
        return {"sha256": self.sha256}


class Ranged(Protocol):
    """The limits of a value: see `pellucid.tasks.settings.Setting`."""

    @property
    def low(self) -> float:
        """The least number."""

    @property
    def high(self) -> float:
        """The largest number."""

    @property
    def above(self) -> bool:
        """Whether the least is left out."""

    @property
    def whole(self) -> bool:
        """Whether numbers have no fraction."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts to choose from."""


def check_type(name: str, value: Any, kinds: type | tuple[type, ...], words: str) -> None:
    """Raises `OptionError` where an argument of Python's functions is none of these types, which are ``words``."""
    if not isinstance(value, kinds):
        raise OptionError(f"{name} must be {words}, not {shown(value)}")


def shown(value: Any) -> str:
    """A value that was given, as a message names it."""
    try:
        return repr(value)[:60]
    except ValueError:
        # Python writes no whole number of more than 4300 digits.
        return f"a {type(value).__name__} of too many digits"


def _number_in_words(row: Ranged) -> str:
    if row.whole:
        return f"a whole number from {row.low:g} to {row.high:g}"
    if row.above:
        return f"a number above {row.low:g} and up to {row.high:g}"
    if math.isinf(row.low) or math.isinf(row.high):
        return "a number"
    return f"a number from {row.low:g} to {row.high:g}"


WORDS: dict[str, Callable[[Ranged], str]] = {
    "number": _number_in_words,
    "flag": lambda row: "true or false",
    "choice": lambda row: f"one of {', '.join(row.choices)}",
    "text": lambda row: "text",
    "colour": lambda row: "a colour (#RRGGBB, or a name such as red, skyblue, olive)",
    "file": lambda row: "a file",
    "point": lambda row: "X,Y in whole pixels from 0",
    "box": lambda row: "X0,Y0,X1,Y1 in whole pixels from 0, X0 below X1 and Y0 below Y1",
    "hint": lambda row: "a hint X,Y=COLOUR (whole pixels from 0; #RRGGBB, or a name such as red, skyblue, olive)",
    "palette": lambda row: "colours with commas between",
}


def as_number(value: Any) -> float | None:
    """The number as a float, also one of NumPy's; text, and truth values, that happen to read as numbers are mistakes."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None:
        # NumPy takes a length of time for a whole number.
        real = kind in ("i", "u", "f") and value.shape == ()
    else:
        real = (isinstance(value, Real) and not isinstance(value, bool)) or type(value).__name__ == "Decimal"
    if not real:
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _check_number(row: Ranged, value: Any) -> float | int | None:
    kept = as_number(value)
    if kept is None or not math.isfinite(kept):
        return None
    within = row.low < kept <= row.high if row.above else row.low <= kept <= row.high
    if row.whole:
        return int(kept) if within and kept == int(kept) else None
    return kept if within else None


def _check_flag(row: Ranged, value: Any) -> bool | None:
    # NumPy has truth values of its own.
    return bool(value) if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool") else None


def _check_choice(row: Ranged, value: Any) -> str | None:
    return value if isinstance(value, str) and value in row.choices else None


def _check_text(row: Ranged, value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _check_colour(row: Ranged, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = COLOURS.get(value.lower(), value.lower())
    if re.fullmatch("#[0-9a-f]{3}", text):
        text = "#" + "".join(2 * digit for digit in text[1:])
    return text if re.fullmatch("#[0-9a-f]{6}", text) else None


def _check_file(row: Ranged, value: Any) -> Attached | None:
    if isinstance(value, Attached):
        return value
    return Attached.of(Path(value)) if isinstance(value, str | Path) else None


def _whole(value: Any, count: int) -> tuple[int, ...] | None:
    """``count`` whole numbers of 0 or more."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != count:
        return None
    # NumPy has whole numbers of its own.
    if any(isinstance(each, bool) or not isinstance(each, Integral) or as_number(each) is None for each in value):
        return None
    return tuple(map(int, value)) if all(0 <= each < FARTHEST for each in value) else None


def _check_point(row: Ranged, value: Any) -> tuple[int, ...] | None:
    return _whole(value, 2)


def _check_box(row: Ranged, value: Any) -> tuple[int, ...] | None:
    box = _whole(value, 4)
    return box if box is not None and box[0] < box[2] and box[1] < box[3] else None


def _check_hint(row: Ranged, value: Any) -> tuple[int, int, str] | None:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 3:
        return None
    point, colour = _whole(value[:2], 2), _check_colour(row, value[2])
    return (point[0], point[1], colour) if point is not None and colour is not None else None


def _check_palette(row: Ranged, value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    colours = [_check_colour(row, each.strip()) for each in value.split(",")]
    return None if None in colours else ",".join(each for each in colours if each is not None)


CHECKS: dict[str, Callable[[Ranged, Any], Any]] = {
    "number": _check_number,
    "flag": _check_flag,
    "choice": _check_choice,
    "text": _check_text,
    "colour": _check_colour,
    "file": _check_file,
    "point": _check_point,
    "box": _check_box,
    "hint": _check_hint,
    "palette": _check_palette,
}


def _read_number(row: Ranged, text: str) -> float | None:
    try:
        return _check_number(row, float(text))
    except ValueError:
        return None


def _read_flag(row: Ranged, text: str) -> bool | None:
    return text == "true" if text in ("true", "false") else None


def _read_file(row: Ranged, text: str) -> Attached | None:
    return Attached.of(Path(text)) if text else None


def _read_whole(row: Ranged, text: str) -> tuple[int, ...] | None:
    parts = text.split(",")
    return tuple(int(part) for part in parts) if all(re.fullmatch("[0-9]{1,9}", part) for part in parts) else None


def _read_box(row: Ranged, text: str) -> tuple[int, ...] | None:
    return _check_box(row, _read_whole(row, text))


def _read_point(row: Ranged, text: str) -> tuple[int, ...] | None:
    return _check_point(row, _read_whole(row, text))


def _read_hint(row: Ranged, text: str) -> tuple[int, int, str] | None:
    place, _, colour = text.partition("=")
    return _check_hint(row, (*(_read_whole(row, place) or ()), colour))


READERS: dict[str, Callable[[Ranged, str], Any]] = {
    "number": _read_number,
    "flag": _read_flag,
    "choice": _check_choice,
    "text": _check_text,
    "colour": _check_colour,
    "file": _read_file,
    "point": _read_point,
    "box": _read_box,
    "hint": _read_hint,
    "palette": _check_palette,
}
assert set(READERS) == set(CHECKS) == set(WORDS) == set(get_args(Kind))


def text_of(value: Any) -> str:
    """A value as text, which its kind reads back."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Attached):
        return str(value.path if value.path is not None else value.name)
    if isinstance(value, tuple) and len(value) == 3:
        return f"{value[0]},{value[1]}={value[2]}"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
