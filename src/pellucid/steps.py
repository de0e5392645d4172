"""Several tasks in a row, as text and as tables: ``denoise+upscale:scale=2``, and presets with a name.

The text joins steps by ``+`` and a step's settings by ``:``, as degradations do. Inside a value these two and ``%`` are written
%2B, %3A and %25. Presets are tables of TOML: those of the package in ``presets.toml``, the user's in the file that `user_file`
names. Standard library alone: ``pellucid --help`` reads this.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from pellucid import regular, tasks
from pellucid.errors import FileError, OptionError
from pellucid.tasks import Fact, Task
from pellucid.tasks.settings import Attached, Setting, Settings, Shape, check_type

__all__ = ["FACTS", "Preset", "Step", "Steps", "parse", "preset", "presets", "texts_of", "user_file"]

ESCAPES = {"%": "%25", ":": "%3A", "+": "%2B"}
"""Characters of the text form, and how a value writes them."""

SETTINGS = re.compile(r"(?<!=[A-Za-z]):|:(?![\\/])")
"""Where one setting ends and the next begins: at each colon but that of a drive, as in ``like=C:\\old.jpg``."""

SAMPLES = (Shape(64, 64, 1, alpha=False), Shape(64, 64, 3, alpha=False))
"""The pictures by which the order of steps is checked: gray and in colour."""

MOST = 16
"""The most steps in a row: a text from the network, which is read before the work, may not ask for thousands."""

MOST_VARIANTS = 100
"""The most pictures that steps may make of one: the variants of several steps multiply."""

FACTS: tuple[Fact, ...] = (
    Fact(
        "steps",
        "what each step did, in order: its task, the file that served, and the facts of its task",
        {"type": "array", "items": {"type": "object"}},
        default=[],
    ),
)
"""The facts of an output that several steps made."""


@dataclass(frozen=True)
class Step:
    """One step: a task, its settings, and the model that serves (a family's name, or an ``.onnx`` file)."""

    task: Task
    settings: Settings
    model: str

    @classmethod
    def of(cls, name: str, given: Mapping[str, Any], model: str | None = None) -> Step:
        """The step of the task of this name, from values by the settings' names; `OptionError` where there is none."""
        task = _find(name)
        return cls(task, task.settings.of(given), model or task.model)

    def text(self, *, paths: bool = True) -> str:
        """The step as text; `parse` reads it. Without ``paths`` files are named by their last name alone."""
        parts = [self.task.name]
        if self.model != self.task.model:
            parts.append(f"model={_escaped(self.model if paths else Path(self.model).name)}")
        for row in self.task.settings.declared():
            value = getattr(self.settings, row.name)
            if value == row.default or value is None:
                continue
            short = value if paths or not isinstance(value, Attached) else replace(value, path=None)
            parts += [f"{row.name}={_escaped(each)}" for each in row.text(short)]
        return ":".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """All that the step's output depends on beside the files of the models, as JSON holds it."""
        return {"task": self.task.name, "model": self.model, **self.settings.to_dict()}


@dataclass(frozen=True)
class Steps:
    """Steps one after the other, each over the output of the one before. ``name`` is the preset's, empty where there is none.

    Raises `OptionError` where there is no step, and for an order that makes no sense.
    """

    steps: tuple[Step, ...]
    name: str = ""

    def __post_init__(self) -> None:
        if not self.steps:
            raise OptionError(f"name at least one step, such as {_EXAMPLE}")
        _check_count(len(self.steps))
        _check_order(self.steps)
        count = math.prod(len(step.settings.each()) for step in self.steps)
        if count > MOST_VARIANTS:
            raise OptionError(f"these steps ask for {count} pictures of each: {MOST_VARIANTS} at most")

    @property
    def mark(self) -> str:
        """The suffix of outputs, ``photo.MARK.jpg``: the preset's name, or the steps' own marks."""
        return self.name or ".".join(step.task.mark for step in self.steps)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts that an output comes with."""
        return FACTS

    def text(self, *, paths: bool = True) -> str:
        """The steps as text, settings at their defaults left out; `parse` reads it."""
        return "+".join(step.text(paths=paths) for step in self.steps)

    def to_dict(self) -> dict[str, Any]:
        """All that the output depends on beside picture and files of models, as JSON holds it."""
        return {"steps": [step.to_dict() for step in self.steps]}

    def facts_as_json(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts as JSON holds them: each step with its task, its model and the facts of its row."""
        done = facts.get("steps", ())
        rows = zip(self.steps, done, strict=False)
        return {
            "steps": [
                {"task": step.task.name, "model": each["model"], **step.task.facts_as_json(each["facts"])} for step, each in rows
            ]
        }

    @property
    def masked(self) -> bool:
        """Whether the output is a mask, whose values are not in the picture's units any more."""
        return _only_a_mask(self.steps[-1])

    @property
    def inspects(self) -> bool:
        """Whether the first step measures the noise of its picture."""
        return self.steps[0].settings.inspects

    def attached(self) -> list[Path]:
        """The files that the settings of the steps name."""
        return [path for step in self.steps for path in step.settings.attached()]

    def answer(self, given: Shape) -> Shape:
        """The shape of the output for a picture of this shape; a side is None from where only the work itself shows it."""
        for step in self.steps:
            given = step.settings.answer(given)
        return given

    def line(self, facts: Mapping[str, Any]) -> str:
        """A few words for people about each step."""
        done = facts.get("steps", ())
        lines = [(step.task.name, step.settings.line(each["facts"])) for step, each in zip(self.steps, done, strict=False)]
        return "; ".join(f"{name} {words}" if words else name for name, words in lines)

    def each(self) -> Mapping[str, Steps]:
        """The variants that the steps ask for, by name: all combinations; one without a name where there is no choice."""
        choices = [step.settings.each() for step in self.steps]
        variants: dict[str, Steps] = {}
        for names in product(*choices):
            chosen = zip(self.steps, choices, names, strict=True)
            steps = tuple(replace(step, settings=each[name]) for step, each, name in chosen)
            variants["-".join(name for name in names if name)] = replace(self, steps=steps)
        return variants


@dataclass(frozen=True)
class Preset:
    """Steps with a name, and a line about what they are for; ``own`` where they come from the user's file."""

    name: str
    summary: str
    steps: Steps
    own: bool = False


def parse(text: str, attached: Mapping[str, Path] | None = None, *, paths: bool = True) -> Steps:
    """The steps that ``task:name=value:name=value+task...`` names; a flag needs no value.

    ``model=NAME`` names another model than the task's own. ``attached`` are files by ``TASK.SETTING``, for the first step of that
    task. Without ``paths`` no text names a file: for text that comes from other people. Raises `OptionError` for an unknown task or
    setting, a bad value, and an order that makes no sense.

    >>> parse("denoise:strength=0.8+upscale:scale=2").answer(Shape(10, 20, 3, False))[:2]
    (20, 40)
    >>> parse("denoise+upscale:scale=3").text()
    'denoise+upscale:scale=3.0'
    """
    if not text.strip():
        raise OptionError(f"name at least one step, such as {_EXAMPLE}")
    left = dict(attached or {})
    steps: list[Step] = []
    parts = text.split("+")
    _check_count(len(parts))
    for part in parts:
        name, *entries = SETTINGS.split(part)
        task = _find(name.strip())
        files = {key.partition(".")[2]: left.pop(key) for key in list(left) if key.partition(".")[0] == task.name}
        steps.append(_read(task, entries, files, paths=paths))
    if left:
        raise OptionError(f"{next(iter(left))[:40]!r} is not TASK.SETTING of one of the steps {text[:80]}")
    return Steps(tuple(steps))


def texts_of(task: Task, entries: Sequence[str]) -> dict[str, list[str]]:
    """Texts by the names of settings, from the ``name=value`` of a step's text; `OptionError` for what is none.

    >>> texts_of(tasks.TASKS["denoise"], ["best", "keep-grain=0.3"])
    {'best': ['true'], 'keep_grain': ['0.3']}
    """
    given: dict[str, list[str]] = {}
    flags = [row.name for row in task.settings.declared() if row.kind == "flag"]
    for entry in entries:
        name, given_value, value = entry.partition("=")
        name = name.strip().replace("-", "_")
        if not given_value and name not in flags:
            raise OptionError(f"step {task.name}: write {entry[:40] or 'a setting'!r} as NAME=VALUE, such as strength=0.8")
        given.setdefault(name, []).append(_unescaped(value) if given_value else "true")
    return given


def _read(task: Task, entries: Sequence[str], attached: Mapping[str, Path], *, paths: bool) -> Step:
    """A step from the ``name=value`` of its text."""
    given = texts_of(task, entries)
    models = given.pop("model", [task.model])
    if len(models) != 1 or not models[0]:
        raise OptionError(f"step {task.name}: name one model")
    try:
        settings = task.settings.read(given, attached, paths=paths)
    except OptionError as error:
        raise OptionError(f"step {task.name}: {error}") from error
    return Step(task, settings, models[0])


def _find(name: str) -> Task:
    """The task's row, one that is a command; `OptionError` where there is none."""
    known = [row.name for row in tasks.TASKS.values() if row.command]
    if name not in known:
        raise OptionError(f"{name[:40]!r} is no step; the steps are {', '.join(known)}, joined by +: {_EXAMPLE}")
    return tasks.TASKS[name]


_EXAMPLE = "denoise+upscale:scale=2"


def _escaped(text: str) -> str:
    return re.sub("[%:+]", lambda found: ESCAPES[found[0]], text)


def _unescaped(text: str) -> str:
    back = {escape: character for character, escape in ESCAPES.items()}
    return re.sub("%25|%3A|%2B", lambda found: back[found[0].upper()], text, flags=re.IGNORECASE)


# -- the order --------------------------------------------------------------------------------------------------------


def _check_count(steps: int) -> None:
    if steps > MOST:
        raise OptionError(f"{steps} steps are too many: {MOST} at most")


def _check_order(steps: Sequence[Step]) -> None:
    """Raises `OptionError` for steps of which one spoils what a later one needs, or does nothing."""
    for number, step in enumerate(steps):
        before = steps[:number]
        ended = next((other for other in before if _only_a_mask(other)), None)
        if ended is not None:
            raise OptionError(f"{step.task.name} comes after {ended.task.name}, whose output is a mask and no picture: put it last")
        spoilt = next((other for other in before if _changes_pixels(other)), None)
        if step.task.early and spoilt is not None:
            raise OptionError(
                f"{step.task.name} comes after {spoilt.task.name}, which changes the noise that it measures: "
                f"write {step.task.name}+{spoilt.task.name}"
            )
        if step in before and not _resizes(step):
            raise OptionError(f"{step.task.name} comes twice with the same settings: once is enough")


def _resizes(step: Step) -> bool:
    sizes = [(step.settings.answer(given), given) for given in SAMPLES]
    return any(None not in answer[:2] and answer[:2] != given[:2] for answer, given in sizes)


def _changes_pixels(step: Step) -> bool:
    """Whether other pixels lie there than the camera saw: another number of them, or with colours that were made."""
    return _resizes(step) or step.settings.answer(SAMPLES[0]).channels != 1


def _only_a_mask(step: Step) -> bool:
    return step.settings.answer(SAMPLES[1]).channels == 1


# -- presets ----------------------------------------------------------------------------------------------------------


LONGEST_PRESETS = 1 << 20
"""Bytes of a file of presets at most."""


def user_file(environment: Mapping[str, str] = os.environ) -> Path:
    """The user's presets: ``presets.toml`` in the folder ``pellucid`` of XDG_CONFIG_HOME, or of ~/.config without it."""
    base = environment.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base else Path.home() / ".config") / "pellucid" / "presets.toml"


def presets(path: Path | None = None) -> dict[str, Preset]:
    """Name -> preset: the package's, and those of the user's file at ``path`` (None: `user_file`), which come before others of
    their name. `OptionError` for a file that is no TOML, or a preset that is none."""
    shipped = resources.files("pellucid") / "presets.toml"
    found = _presets(shipped.read_text("utf-8"), "presets.toml", Path(), own=False)
    try:
        path = user_file() if path is None else path
        text = regular.read(path, LONGEST_PRESETS).decode("utf-8")
    except (FileNotFoundError, RuntimeError):
        # No such file, or neither HOME nor an entry for the user: no presets of one's own.
        return found
    except OSError as error:
        raise OptionError(f"{path}: {regular.unread(error)}") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"{path}: cannot be read: it is not UTF-8") from error
    return found | _presets(text, str(path), path.parent, own=True)


def preset(name: str, path: Path | None = None) -> Steps:
    """The steps of a preset; `OptionError` for an unknown name."""
    check_type("preset", name, str, "a preset's name")
    known = presets(path)
    if name not in known:
        others = ""
        with suppress(RuntimeError):
            others = f" ({user_file()} may hold others)"
        raise OptionError(f"there is no preset {name[:40]!r}; there are {', '.join(known)}{others}")
    return known[name].steps


def _presets(text: str, file: str, folder: Path, *, own: bool) -> dict[str, Preset]:
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # tomllib's own error is a `ValueError`; so is that of a number of thousands of digits.
        raise OptionError(f"{file}: it is no TOML: {error}") from error
    return {name: _preset(name, table, f"{file}: preset {name}", folder, own=own) for name, table in tables.items()}


def _preset(name: str, table: Any, where: str, folder: Path, *, own: bool) -> Preset:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}", name):
        raise OptionError(f"{where}: a name has letters, digits, - and _, at most 40")
    summary, entries = (table.get("summary", ""), table.get("steps")) if isinstance(table, dict) else ("", None)
    if not isinstance(entries, list) or not isinstance(summary, str):
        raise OptionError(f"{where}: write a summary, and steps as a list of tables: steps = [{{task = 'denoise'}}]")
    if unknown := sorted(set(table) - {"summary", "steps"}):
        raise OptionError(f"{where}: {unknown[0]!r} has no place here; a preset has a summary and steps")
    steps = []
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("task"), str) or not isinstance(entry.get("model", ""), str):
            raise OptionError(f"{where}: each step is a table with the name of its task, such as {{task = 'denoise'}}")
        rest = {key: value for key, value in entry.items() if key not in ("task", "model")}
        try:
            step = Step.of(entry["task"], _beside(entry["task"], rest, folder), entry.get("model"))
        except (FileError, OptionError) as error:
            raise OptionError(f"{where}: {error}") from error
        steps.append(step)
    try:
        return Preset(name, summary, Steps(tuple(steps), name), own)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from error


def _beside(name: str, given: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The values of a step's table: text is read as the command line reads it, and files lie beside the table's own file."""
    rows = {row.name: row for row in _find(name).settings.declared()}

    def value(key: str, entry: Any) -> Any:
        row = rows.get(key)
        if row is None or row.kinds == ("text",):
            return entry
        if row.many and isinstance(entry, list):
            return tuple(_from_toml(row, each, folder) for each in entry)
        return _from_toml(row, entry, folder)

    return {key: value(key, entry) for key, entry in given.items()}


def _from_toml(row: Setting, entry: Any, folder: Path) -> Any:
    if not isinstance(entry, str):
        return entry
    return row.read(str(folder / entry) if "file" in row.kinds and (folder / entry).is_file() else entry)
