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
from pellucid.tasks.colorize_settings import ColorizeSettings
from pellucid.tasks.cutout_settings import CutoutSettings
from pellucid.tasks.film_settings import FilmSettings
from pellucid.tasks.settings import Settings, Shape, setting

if TYPE_CHECKING:
    from pellucid.tasks.base import TaskModule

__all__ = [
    "LARGEST",
    "ON_CLIPS",
    "TASKS",
    "ColorizeSettings",
    "CutoutSettings",
    "DenoiseSettings",
    "Fact",
    "FilmSettings",
    "RawSettings",
    "Task",
    "UpscaleSettings",
    "commands",
    "find",
    "way",
]

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
        live=True,
    )
    strength: float = setting(
        1.0,
        "how much noise to take away: 0 keeps the picture, 1 restores it in full, between them it blends; above 1 the model is "
        "given so many times the noise level, and leaves less noise and less detail",
        low=0,
        high=2,
        step=0.01,
        label="Strength",
        main=True,
        live=True,
    )
    colour_noise: float | None = setting(
        None,
        "the same for the noise in the colours alone: 0 keeps it, 1 takes it away as the model does, 2 takes more; brightness is "
        "left to the strength, and gray pictures have no such noise (default: the same as the strength)",
        low=0,
        high=2,
        step=0.01,
        label="Colour noise",
        main=True,
        live=True,
        follows="strength",
    )
    detail: float = setting(
        1.0,
        "how strong the fine detail of the restored picture is: 1 as the model gives it, 0 smooth, 2 twice as strong; edges stay",
        low=0,
        high=2,
        step=0.01,
        label="Detail",
        main=True,
        live=True,
    )
    keep_grain: float = setting(
        0.0,
        "how much of the finest grain to keep, 0 to 1, so that skin and film look natural",
        low=0,
        high=1,
        step=0.01,
        metavar="SHARE",
        label="Keep grain",
        live=True,
    )
    descreen: bool = setting(
        False,
        "take away the dots of a print (halftone), and the finest detail with them; other pictures are denoised as ever",
        kind="flag",
        label="Take away the dots of a print",
    )
    best: bool = setting(
        False,
        "take the mean of four answers, of the picture as it is and mirrored: a little nearer to the clean picture, in four times "
        "the time",
        kind="flag",
        label="Best quality, four times as long",
    )
    keep_mosaic: bool = setting(
        False,
        "of a RAW file: write the sensor's mosaic without its noise, for a developer's own demosaicing, and not its colours",
        kind="flag",
        label="Keep the mosaic of RAW files",
        of="mosaics",
    )
    gain: bool = setting(
        False,
        "predict the gain: how many dB closer to the clean picture the output is than the input",
        kind="flag",
        label="Predict the gain",
        changes_output=False,
    )

    @property
    def inspects(self) -> bool:
        """Unless the level is given."""
        return self.sigma is None

    @property
    def apart(self) -> bool:
        """Whether the colours are restored in another way than the brightness."""
        return self.colour_noise is not None and self.colour_noise != self.strength

    @property
    def share(self) -> float:
        """`strength` up to 1. Where colours go their own way, the task's own passes blend."""
        return 1.0 if self.apart else min(self.strength, 1.0)

    @property
    def most(self) -> float:
        """The larger of `strength` and `colour_noise`: above 1 the model is given more noise than there is."""
        return max(self.strength, self.colour_noise or 0.0)

    @property
    def pictured(self) -> bool:
        """Detail, the dots of a print and the gain are those of pictures."""
        return self.detail != 1 or self.descreen or self.gain

    def trusted(self, maps: Sequence[str]) -> tuple[str, ...]:
        """``confidence``, where the noise is known: a blind model does not say it."""
        return ("confidence",) if "sigma" in maps else ()

    def line(self, facts: Mapping[str, Any]) -> str:
        """The noise level, or the noise that was found, what it was raised to, and the gain that is expected."""
        sigma, saw, gain = (facts.get(name) for name in ("sigma", "saw", "expected_gain"))
        parts = [f"{saw} (estimated)" if saw is not None else "blind" if sigma is None else f"noise level {sigma:.1f}"]
        if self.strength > 1 and saw is not None:
            parts.append(f"raised to noise level {sigma:.1f}" if sigma else "no noise level to raise")
        if gain is not None:
            parts.append(f"expected gain {gain:.1f} dB" if gain >= 0.05 else "no gain expected")
        return ", ".join(parts)

    @classmethod
    def taken_by(cls, maps: Sequence[str]) -> tuple[str, ...]:
        """A blind model takes no ``sigma``."""
        return tuple(name for name in cls.names() if name != "sigma" or "sigma" in maps)


@dataclass(frozen=True)
class RawSettings(DenoiseSettings):
    """Those of `DenoiseSettings`, for what a camera's sensor saw; there is no ``sigma``."""

    @property
    def share(self) -> float:
        """All: the task's own passes blend."""
        return 1.0


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
    noise: str = setting(
        "auto",
        "noise and JPEG artefacts: remove takes them away before the picture is enlarged, keep enlarges them with the rest, auto "
        "takes away what harms the enlargement",
        kind="choice",
        choices=("auto", "keep", "remove"),
        label="Noise",
        main=True,
    )
    auto: bool = setting(
        False,
        "do what measured best for the noise that is found: take it away first, or enlarge by the model that learnt JPEG artefacts "
        "(without this, noise is taken away all the same, and a line suggests the model)",
        kind="flag",
        label="Do what is best for the noise found",
    )

    def trusted(self, maps: Sequence[str]) -> tuple[str, ...]:
        """``invented``, and where the noise is looked at ``confidence``: what is left of it."""
        return ("invented",) if self.noise == "keep" else ("confidence", "invented")

    @property
    def inspects(self) -> bool:
        """Unless the noise is kept whatever it is."""
        return self.noise != "keep"

    def line(self, facts: Mapping[str, Any]) -> str:
        """The factor, and what became of the noise, where some was found."""
        saw, found = facts.get("saw"), facts.get("diagnosis")
        if saw is None or getattr(found, "kind", "clean") == "clean":
            return f"x{self.scale:g}"
        return f"x{self.scale:g}, {saw} ({'taken away first' if facts.get('denoised') else 'left to the model'})"

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
    ``helpers`` are families that the task's module may open beside its own. ``facts`` are those of an output. ``frames`` are the
    pictures of a clip that one output may look at. ``instead`` (kind of document, name of a row) names the row that does this
    command's work on such documents; ``command`` is False for a row that is reached in this way alone. ``early``: it measures the
    noise that the picture was taken with, so it comes before steps that change that (`pellucid.steps`).
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
    helpers: tuple[str, ...] = ()
    frames: int = 1
    instead: tuple[tuple[str, str], ...] = ()
    command: bool = True
    early: bool = False

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

FOUND: tuple[Fact, ...] = (
    Fact(
        "sure",
        "how sure the model is of its answer, 0 to 1; null where it was not asked",
        _NUMBER_OR_NULL,
        header="Sure",
        label="sure",
    ),
    Fact(
        "share",
        "the share of the picture that is left, 0 to 1",
        _NUMBER_OR_NULL,
        header="Share",
        digits=4,
    ),
    Fact(
        "warning",
        "why the result may not be what was meant; null where nothing speaks for that",
        _TEXT_OR_NULL,
        header="Warning",
        label="but",
    ),
)
"""The facts about what was cut out."""

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
            early=True,
            instead=(("mosaic", "raw"),),
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
            facts=(
                *NOISE,
                Fact(
                    "denoised",
                    "whether noise or JPEG artefacts were taken away before the picture was enlarged",
                    {"type": "boolean"},
                    default=False,
                    header="Denoised",
                    label="noise taken away first",
                ),
            ),
            helpers=("photo",),
            shorthands=(
                ("clean", "upscale", "the model for clean pictures"),
                ("photo", "upscale-photo", "the model for photographs with a little noise or JPEG artefacts"),
            ),
        ),
        Task(
            name="colorize",
            summary="give gray pictures colours",
            mark="colour",
            verbs=("Colour", "Colouring", "Coloured"),
            headline="see it in colours",
            after="the colours are a proposal: click a place and choose its colour; the light stays the picture's own",
            model="colorize",
            settings=ColorizeSettings,
            facts=(
                Fact(
                    "sure",
                    "how sure the model is of the colours, 0 to 1, on average over the picture",
                    _NUMBER_OR_NULL,
                    header="Sure",
                    label="sure",
                ),
                Fact(
                    "was_colour",
                    "whether the picture had colours, which were left aside",
                    {"type": "boolean"},
                    default=False,
                    header="Was-Colour",
                    label="had colours",
                ),
            ),
        ),
        Task(
            name="cutout",
            summary="cut things out of their background",
            mark="cutout",
            verbs=("Cut out", "Cutting out", "Cut out"),
            headline="see it without its background",
            after="click on what you mean, or drag a box around it: the rest becomes transparent",
            model="cutout",
            settings=CutoutSettings,
            facts=FOUND,
        ),
        Task(
            name="film",
            summary="mend worn film, prints and slides: scratches, dust, flicker, fading, an unsteady gate",
            mark="mended",
            verbs=("Mend", "Mending", "Mended"),
            headline="see it without scratches and dust",
            after="the page shows the picture before and after; --damage, and Show damage here, show what was found",
            model="film",
            settings=FilmSettings,
            facts=(
                Fact(
                    "damaged",
                    "the share of the picture that is damaged, 0 to 1",
                    _NUMBER_OR_NULL,
                    header="Damaged",
                    digits=5,
                    label="damaged",
                ),
                Fact(
                    "faded",
                    "how far the colours have faded, in words; null where they have not, or were left alone",
                    _TEXT_OR_NULL,
                    header="Faded",
                    label="faded",
                ),
                Fact(
                    "grain",
                    "the level of the grain that was taken away, in 8-bit levels; null where it was left",
                    _NUMBER_OR_NULL,
                    header="Grain",
                    digits=1,
                    label="grain",
                ),
            ),
            frames=4,
        ),
        Task(
            name="raw",
            summary="make pictures of the mosaic of a camera's sensor, without noise",
            mark="clean",
            verbs=("Denoise", "Denoising", "Denoised"),
            headline="see it without noise",
            after="the page measures the noise level and shows the picture before and after",
            model="raw",
            settings=RawSettings,
            facts=NOISE,
            command=False,
        ),
    )
}
"""Name -> row, in the order in which they are shown."""

ON_CLIPS = "denoise"
"""Name of the task that is scored on clips, over time beside frame by frame."""


def way(task: Task) -> Task | None:
    """The row by way of which users reach one that they do not name (`Task.instead`); None for one that they name."""
    if task.command:
        return None
    return next(row for row in TASKS.values() if task.name in dict(row.instead).values())


def commands() -> dict[str, Task]:
    """The rows that users name: the others are reached by way of these (`Task.instead`)."""
    return {name: row for name, row in TASKS.items() if row.command}
