"""The tasks: one row of `TASKS` each, with the settings that a user has and the facts that an output comes with.

To add a task, write ``tasks/NAME.py`` (`pellucid.tasks.base.TaskModule` lists what it has), add a row here, a family to
`pellucid.families`, and give it a recipe and a model. Command line, HTTP, page, Python, evaluation and training derive all else.
Standard library alone: ``pellucid --help`` reads this table, and a task's module is imported when a command needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pellucid.errors import OptionError
from pellucid.tasks.settings import Settings, Shape, setting

if TYPE_CHECKING:
    from pellucid.tasks.base import TaskModule

__all__ = ["LARGEST", "TASKS", "DenoiseSettings", "Fact", "Task", "UpscaleSettings", "find"]

LARGEST = 8
"""The largest factor to enlarge by: beyond it hardly anything of the output comes from the picture."""


@dataclass(frozen=True)
class DenoiseSettings(Settings):
    """The settings of denoising: see each field's declaration."""

    sigma: float | None = setting(
        None,
        "noise level: standard deviation of the noise; 255 is the range from black to white (default: estimated from the picture)",
        low=0,
        high=255,
        step=0.5,
        label="Noise level",
        main=True,
    )
    keep_grain: float = setting(
        0.0,
        "how much of the finest grain to keep, 0 to 1, so that skin and film look natural",
        low=0,
        high=1,
        step=0.01,
        metavar="SHARE",
        label="Keep grain",
    )
    descreen: bool = setting(
        False,
        "take away the dots of a print (halftone), and the finest detail with them; other pictures are denoised as ever",
        kind="flag",
        label="Take away the dots of a print",
    )
    gain: bool = setting(
        False,
        "predict the gain: how many dB closer to the clean picture the output is than the input",
        kind="flag",
        label="Predict the gain",
        changes_output=False,
    )

    def line(self, facts: Mapping[str, Any]) -> str:
        """The noise level, or the noise that was found, and the gain that is expected."""
        sigma, saw, gain = (facts.get(name) for name in ("sigma", "saw", "expected_gain"))
        parts = [f"{saw} (estimated)" if saw is not None else "blind" if sigma is None else f"noise level {sigma:.1f}"]
        if gain is not None:
            parts.append(f"expected gain {gain:.1f} dB" if gain >= 0.05 else "no gain expected")
        return ", ".join(parts)

    @classmethod
    def taken_by(cls, maps: Sequence[str]) -> tuple[str, ...]:
        """A blind model takes no ``sigma``."""
        return tuple(name for name in cls.names() if name != "sigma" or "sigma" in maps)


@dataclass(frozen=True)
class UpscaleSettings(Settings):
    """The settings of enlarging: see each field's declaration."""

    scale: float = setting(
        2.0,
        f"how many times as wide and high the output is, above 1 and up to {LARGEST}; the shipped models learnt 2, 3 and 4",
        low=1,
        high=LARGEST,
        above=True,
        step=0.01,
        label="Scale",
        main=True,
        marks=(2, 3, 4),
    )
    strength: float = setting(
        1.0,
        "how much of the model's enlargement to use: 0 gives the bicubic enlargement, 1 the model's",
        low=0,
        high=1,
        step=0.01,
        label="Strength",
        main=True,
    )

    def line(self, facts: Mapping[str, Any]) -> str:
        """The factor."""
        return f"x{self.scale:g}"

    def answer(self, given: Shape) -> Shape:
        """Both sides times ``scale``, rounded."""
        height, width = (None if side is None else max(1, round(side * self.scale)) for side in given[:2])
        return given._replace(height=height, width=width)


@dataclass(frozen=True)
class Fact:
    """A fact that an output comes with: ``name`` in JSON, ``header`` (X-Pellucid-HEADER) in HTTP where it has one.

    ``schema`` is its JSON Schema, ``default`` its value where the task has none, ``digits`` those behind the point in the header.
    The header is left out where the fact is None. ``label`` and ``unit`` are the page's words for it; without a label the page does
    not show it.
    """

    name: str
    help: str
    schema: Mapping[str, Any]
    default: Any = None
    header: str | None = None
    digits: int = 2
    label: str = ""
    unit: str = ""

    def in_header(self, value: Any) -> str:
        """The value as the header writes it."""
        if isinstance(value, bool):
            return str(value).lower()
        return f"{value:.{self.digits}f}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Task:
    """One task.

    ``name`` is the command, ``?task=``, the ``[task]`` name of recipes, ``task`` of cards and the module. ``summary`` describes it
    in help, page and OpenAPI. ``mark`` goes into the name of outputs: ``photo.MARK.jpg``. ``verbs`` are its button, its work and
    its result ("Denoise", "Denoising", "Denoised"); ``headline`` ends the page's "Drop an image and ...", ``after`` says on the
    page what the user gets. ``model`` is the family that serves where none is named; ``shorthands`` (flag, family, help) name
    another.
    ``facts`` are those of an output. ``frames`` are the pictures that one output looks at, an odd number. ``instead`` (kind of
    document, name of a row) names the row that does this command's work on such documents; ``command`` is False for a row that
    is reached in this way alone.
    """

    name: str
    summary: str
    mark: str
    verbs: tuple[str, str, str]
    headline: str
    after: str
    model: str
    settings: type[Settings]
    facts: tuple[Fact, ...] = ()
    shorthands: tuple[tuple[str, str, str], ...] = ()
    frames: int = 1
    instead: tuple[tuple[str, str], ...] = ()
    command: bool = True

    def __reduce__(self) -> tuple[Any, ...]:
        # By its name: there is one row of a name in each process.
        return find, (self.name,)

    def facts_as_json(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """All facts of the row as JSON holds them; those that ``facts`` lacks have their defaults."""
        values = {fact.name: facts.get(fact.name, fact.default) for fact in self.facts}
        return {name: _plain(value) for name, value in values.items()}

    def module(self) -> TaskModule:
        """The module that does the work, imported now."""
        module: TaskModule = import_module(f"{__name__}.{self.name}")
        return module


def _plain(value: Any) -> Any:
    """A value as JSON holds it: a diagnosis as a table, one of NumPy's numbers as Python's."""
    for way in ("to_dict", "item"):
        if hasattr(value, way):
            return getattr(value, way)()
    return value


def find(name: str) -> Task:
    """The row of this name; `OptionError` where there is none."""
    if name not in TASKS:
        raise OptionError(f"unknown task {name[:40]!r}; the tasks are {', '.join(TASKS)}")
    return TASKS[name]


_NUMBER_OR_NULL = {"type": ["number", "null"]}
_TEXT_OR_NULL = {"type": ["string", "null"]}

NOISE: tuple[Fact, ...] = (
    Fact(
        "sigma",
        "the noise level that was used, in 8-bit levels; null if the model takes none",
        _NUMBER_OR_NULL,
        header="Sigma",
        digits=4,
        label="noise level",
    ),
    Fact(
        "estimated",
        "whether the noise level was measured from the picture",
        {"type": "boolean"},
        default=False,
        header="Estimated",
        label="estimated",
    ),
    Fact("saw", "the measured noise in words, if no level was given", _TEXT_OR_NULL, header="Noise"),
    Fact("diagnosis", "the measured noise as data", {"type": ["object", "null"]}),
    Fact(
        "expected_gain",
        "how many dB closer to the clean picture the output is than the input; null if it was not asked for or cannot be predicted",
        _NUMBER_OR_NULL,
        header="Expected-Gain",
        label="expected gain",
        unit="dB",
    ),
)
"""The facts about the noise of the input: those of tasks that look at it."""

TASKS: dict[str, Task] = {
    row.name: row
    for row in (
        Task(
            name="denoise",
            summary="take the noise out of pictures",
            mark="clean",
            verbs=("Denoise", "Denoising", "Denoised"),
            headline="see it without noise",
            after="the page measures the noise level and shows the picture before and after",
            model="photo",
            settings=DenoiseSettings,
            facts=NOISE,
        ),
        Task(
            name="upscale",
            summary="make pictures larger",
            mark="large",
            verbs=("Enlarge", "Enlarging", "Enlarged"),
            headline="see it enlarged",
            after="the page shows the picture before and after",
            model="upscale",
            settings=UpscaleSettings,
            facts=NOISE,
            shorthands=(
                ("clean", "upscale", "the model for clean pictures"),
                ("photo", "upscale-photo", "the model for photographs with a little noise or JPEG artefacts"),
            ),
        ),
    )
}
"""Name -> row, in the order in which they are shown."""
