"""The offers of the service: tasks with their settings, models, formats and limits. Page, query and OpenAPI are made from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid import __version__, files, restorer, steps
from pellucid.errors import OptionError
from pellucid.families import FAMILIES
from pellucid.files import encoders
from pellucid.steps import Steps
from pellucid.tasks import TASKS, Task
from pellucid.tasks.settings import Attached, FileSettings, Setting, Shape
from pellucid.web.limits import Limits

__all__ = ["FILES", "READING", "Catalogue", "Offer"]

READING = ("range", "axes")
"""The file settings that say how a file is read."""

FILES = tuple(row.name for row in FileSettings.declared() if "file" in row.kinds)
"""The file settings that are files themselves: fields of the form."""

SAMPLE = Shape(480, 640, 3, alpha=False)
"""The picture by which a task is asked whether its output is as large as the input."""


@dataclass(frozen=True)
class Offer:
    """One task with the names of the models that serve it, the default first."""

    task: Task
    models: tuple[str, ...]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All settings of a request: the model, those of the task, those of the file."""
        model = Setting(
            "the model that restores the picture",
            kind="choice",
            choices=self.models,
            label="Model",
            main=True,
            name="model",
            default=self.models[0],
        )
        return model, *self.task.settings.declared(), *FileSettings.declared()

    @property
    def parts(self) -> dict[str, tuple[str, ...]]:
        """The names of the settings that may be files, which are parts of the form, and their endings beside those of pictures."""
        return {row.name: row.endings for row in self.task.settings.declared() if "file" in row.kinds}

    @property
    def finds(self) -> str | None:
        """The flag under which a task that gives alpha gives that alone: a mask of what it found. None for other tasks."""
        kind = self.task.settings
        if not kind().answer(SAMPLE).alpha:
            return None
        flags = (row.name for row in kind.declared() if row.kinds == ("flag",))
        return next((name for name in flags if kind(**{name: True}).answer(SAMPLE).channels == 1), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: everything that a form is made from."""
        task = self.task
        return {
            "name": task.name,
            "summary": task.summary,
            "keeps_size": task.settings().answer(SAMPLE)[:2] == SAMPLE[:2],
            "mark": task.mark,
            "verbs": list(task.verbs),
            "finds": self.finds,
            "headline": task.headline,
            "after": task.after,
            "facts": [
                {name: getattr(fact, name) for name in ("name", "help", "header", "label", "unit")} | {"schema": fact.schema}
                for fact in task.facts
            ],
            "options": [_option(row, task) for row in self.settings],
        }


class Catalogue:
    """The offers, by the name of the task, and the models behind them. ``models`` are name -> file or shipped name."""

    def __init__(self, models: Mapping[str, str]) -> None:
        self.models = tuple(models)
        self._restorers = {name: restorer.load(path) for name, path in models.items()}
        rows = (row for row in TASKS.values() if row.command)
        offers = (Offer(row, self._serving(row)) for row in rows)
        self.offers = {offer.task.name: offer for offer in offers if offer.models}
        # Those of the user that serves, too: read once, as models are.
        self.presets = {name: preset for name, preset in steps.presets().items() if self._offered(preset.steps)}

    def _serving(self, row: Task) -> tuple[str, ...]:
        names = [name for name, model in self._restorers.items() if model.task is row]
        return tuple(sorted(names, key=lambda name: name != row.model))

    def offer(self, name: str | None) -> Offer:
        """The offer of this name, the first without one; `OptionError` where there is none."""
        if name is None:
            return next(iter(self.offers.values()))
        if name not in self.offers:
            raise OptionError(f"task must be one of {', '.join(self.offers)}, not {name[:40]!r}")
        return self.offers[name]

    def preset(self, name: str) -> Steps:
        """The steps of a preset; `OptionError` for an unknown name."""
        if name not in self.presets:
            raise OptionError(f"preset must be one of {', '.join(self.presets)}, not {name[:40]!r}")
        return self.presets[name].steps

    def check(self, chosen: Steps) -> None:
        """Raises `OptionError` for a step whose task or model is not on offer."""
        for step in chosen.steps:
            offer = self.offer(step.task.name)
            if step.model not in offer.models:
                raise OptionError(f"step {step.task.name}: model must be one of {', '.join(offer.models)}, not {step.model[:40]!r}")

    def _offered(self, chosen: Steps) -> bool:
        try:
            self.check(chosen)
        except OptionError:
            return False
        return True

    def to_dict(self, limits_by: Callable[[str], Limits]) -> dict[str, Any]:
        """The response of `/v1/models`; ``limits_by`` gives the limits for pictures that a model restores."""
        by_task = {name: limits_by(offer.models[0]) for name, offer in self.offers.items()}
        limits = next(iter(by_task.values()))
        return {
            "version": __version__,
            "tasks": [
                {**offer.to_dict(), "pixels": by_task[name].pixels, "words": by_task[name].words}
                for name, offer in self.offers.items()
            ],
            "presets": [
                {"name": name, "summary": preset.summary, "steps": preset.steps.text(paths=False)}
                for name, preset in self.presets.items()
            ],
            "models": [_model(name, model) for name, model in self._restorers.items()],
            "formats": [
                {"name": kind.name, "endings": list(kind.endings), "media_types": list(kind.media), "written": kind.writes}
                for kind in files.FORMATS
                if not kind.folder
            ],
            "clips": [ending for kind in encoders.CONTAINERS for ending in kind.endings],
            "limits": {
                "bytes": limits.bytes,
                "pixels": limits.pixels,
                "seconds": limits.seconds,
                "preview": limits.preview,
                "words": limits.words,
            },
        }


def _option(row: Setting, task: Task) -> dict[str, Any]:
    """A setting as JSON; ``of_task``: a model may not take it. A bound is null where there is none."""
    fields = (
        "name",
        "label",
        "help",
        "step",
        "marks",
        "choices",
        "main",
        "many",
        "live",
        "painted",
        "proposes",
        "follows",
        "endings",
    )
    kinds: Sequence[str] = row.kinds
    plain = {"kind": kinds[0], "kinds": list(kinds), **{field: getattr(row, field) for field in fields}}
    plain["default"] = None if isinstance(row.default, Attached) else row.default
    plain["of_task"] = row.name in task.settings.names()
    if "number" in kinds:
        bounds = {"low": row.low, "high": row.high}
        plain |= {name: None if math.isinf(value) else value for name, value in bounds.items()}
        plain |= {"above": row.above, "whole": row.whole}
    return plain


def _model(name: str, model: restorer.Restorer) -> dict[str, Any]:
    # The first file for each number of channels; of a family, the others are for noise of other kinds.
    cards = {card.channels: card for card in reversed([model.models.card(role) for role in model.models])}
    family = FAMILIES.get(name)
    return {
        "name": name,
        "task": model.task.name,
        "summary": family.summary if family is not None and family.summary else model.card.summary,
        "takes": list(model.takes),
        "takes_sigma": "sigma" in model.takes,
        "takes_noise": bool(model.card.noises),
        "channels": sorted(cards),
        "licence": model.card.licence,
        "parameters": sum(card.parameters for card in cards.values()),
    }
