"""The settings of a restoration: each one's name, default, range and help, declared once.

The command line makes its arguments from `RESTORING`, HTTP its query parameters and its description (OpenAPI), the page its
fields. What all of them make of the values is `pellucid.batch.Settings.of`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pellucid.errors import OptionError

__all__ = ["MARKS", "RESTORING", "Option", "of_task", "read"]

MARKS = {"denoise": "clean", "upscale": "large"}
"""Name of a task, of `pellucid.tasks.TASKS` -> what the names of its answers bear: ``photo.clean.jpg``."""


@dataclass(frozen=True)
class Option:
    """One setting. ``name`` is the parameter's; the command line writes ``--name`` with dashes for underscores.

    ``kind`` says what its values are: ``number`` (from ``low`` to ``high``), ``flag`` (off unless said), ``choice`` (one of
    ``choices``) or ``text``. ``default`` None: left out, which ``help`` explains. ``tasks`` are the names of those it is for, in
    `pellucid.tasks.TASKS`; empty for all. ``label`` is what a form calls it, ``main`` whether it shows it at first sight. ``marks``
    are a number's values that a form offers. ``shorthands``: the command line takes ``--NAME`` for one of its values (name, value,
    help).
    """

    name: str
    help: str
    kind: Literal["number", "flag", "choice", "text"] = "text"
    default: float | str | bool | None = None
    low: float = -math.inf
    high: float = math.inf
    step: float | None = None
    choices: tuple[str, ...] = ()
    metavar: str | None = None
    tasks: tuple[str, ...] = ()
    label: str = ""
    main: bool = False
    marks: tuple[float, ...] = ()
    shorthands: tuple[tuple[str, str, str], ...] = ()

    @property
    def flag(self) -> str:
        """As the command line writes it."""
        return f"--{self.name.replace('_', '-')}"

    def read(self, text: str) -> Any:
        """The value that ``text`` says: float, str or bool; `OptionError` when it is none of those allowed."""
        if self.kind == "number":
            try:
                value = float(text)
            except ValueError:
                value = math.nan
            if not self.low <= value <= self.high:
                raise OptionError(f"{self.name}: {text[:40]!r} is no number from {self.low:g} to {self.high:g}")
            return value
        if self.kind == "flag":
            if text not in ("true", "false"):
                raise OptionError(f"{self.name}: {text[:40]!r} is neither true nor false")
            return text == "true"
        if self.kind == "choice" and text not in self.choices:
            raise OptionError(f"{self.name}: {text[:40]!r} is not one of {', '.join(self.choices)}")
        return text


RESTORING: tuple[Option, ...] = (
    Option("model", "a shipped model's name or an .onnx file", default="photo", tasks=("denoise",), label="Model", main=True),
    Option(
        "model",
        "a shipped model's name or an .onnx file",
        default="upscale",
        tasks=("upscale",),
        label="Model",
        main=True,
        shorthands=(
            ("clean", "upscale", "the model for clean pictures"),
            ("photo", "upscale-photo", "the one for photographs with a little noise, or what JPEG has left"),
        ),
    ),
    Option(
        "scale",
        "how many times as high and wide, above 1 and up to 8; 2, 3 and 4 are what the shipped model learnt",
        kind="number",
        default=2.0,
        low=1.01,
        high=8,
        step=0.01,
        tasks=("upscale",),
        label="Scale",
        main=True,
        marks=(2, 3, 4),
    ),
    Option(
        "sigma",
        "standard deviation of the noise in 8-bit levels, 0 to 255 (default: estimated from the picture)",
        kind="number",
        low=0,
        high=255,
        step=0.5,
        tasks=("denoise",),
        label="Noise level",
        main=True,
    ),
    Option(
        "strength",
        "0 leaves the picture, 1 restores it",
        kind="number",
        default=1.0,
        low=0,
        high=1,
        step=0.01,
        label="Strength",
        main=True,
    ),
    Option(
        "keep_grain",
        "put back so much of the finest grain, 0 to 1, so that skin and film stay alive",
        kind="number",
        default=0.0,
        low=0,
        high=1,
        step=0.01,
        metavar="SHARE",
        tasks=("denoise",),
        label="Keep grain",
    ),
    Option("format", "the answers' format, such as png (default: each picture's own)", label="Format"),
    Option(
        "range",
        "which values are black and white; sigma counts 255 between them (auto: what the file says, or the dtype's own; of floats "
        "beyond 0 to 1, signed and 32-bit integers the page's smallest and largest)",
        default="auto",
        metavar="auto|dtype|LO:HI",
        label="Black and white",
    ),
    Option(
        "axes",
        "an array's or a TIFF's axes, first to last: Y and X, S for colour, other letters for a stack (such as TZYX)",
        label="Axes of a stack",
    ),
    Option(
        "gain",
        "predict how much nearer to the clean picture the answer is, in dB",
        kind="flag",
        default=False,
        tasks=("denoise",),
        label="Predict the gain",
    ),
    Option(
        "strip", "leave EXIF, XMP, IPTC and texts out; the colour profile stays", kind="flag", default=False, label="Drop metadata"
    ),
)
"""In the order in which they are shown."""


def of_task(task: str) -> tuple[Option, ...]:
    """The settings of a task, by its name in `pellucid.tasks.TASKS`."""
    return tuple(option for option in RESTORING if not option.tasks or task in option.tasks)


def read(task: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The value of each of the task's settings, as ``given`` in text or by default; `OptionError` for a bad value or another name,
    and for a task that is none."""
    # Not above: the command line's help needs the declarations and none of what tasks are made of.
    from pellucid.tasks import TASKS

    if task not in TASKS:
        raise OptionError(f"no task {task[:40]!r}; there are {', '.join(TASKS)}")
    known = {option.name: option for option in of_task(task)}
    strangers = [name for name in given if name not in known]
    if strangers:
        raise OptionError(f"{strangers[0][:40]!r} is no option of {task}; there are {', '.join(known)}")
    return {name: option.read(given[name]) if name in given else option.default for name, option in known.items()}
