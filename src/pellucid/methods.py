"""Methods that are compared: models, several of them in turn, and classical methods, all behind one call."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import asked, degradations, tasks, wear
from pellucid.baselines import BASELINES, Baseline, find
from pellucid.degradations import Degradation
from pellucid.errors import OptionError
from pellucid.restorer import Restorer
from pellucid.steps import texts_of
from pellucid.tasks import Task
from pellucid.tasks.settings import Settings

__all__ = [
    "Clean",
    "InTurn",
    "Method",
    "Model",
    "Noisy",
    "Row",
    "Tuned",
    "check_cases",
    "methods_of",
    "peak",
    "steps_of",
    "task_of_cases",
    "tuned",
]

Clean = NDArray[np.float64]
Noisy = NDArray[np.float32]
Row = dict[str, Any]


@dataclass(frozen=True)
class Tuned:
    """A restorer with settings by name, ``given``, in place of its defaults."""

    restorer: Restorer
    given: Mapping[str, Any]


@dataclass(frozen=True)
class InTurn:
    """Restorers that are one method: the first is given the image, each of the others the output of the one before.

    So ``photo`` and ``upscale`` take noise away and then enlarge; at most one of them enlarges.
    """

    steps: tuple[Restorer | Tuned, ...]

    def __post_init__(self) -> None:
        if len(self.steps) < 2 or sum(bool(step.card.scales) for step in steps_of(self)) > 1:
            raise OptionError("a chain of models needs two or more, and at most one may enlarge")


Model = Restorer | Tuned | InTurn
"""A model, one with settings of its own, or several in turn."""


def steps_of(model: Model) -> tuple[Restorer, ...]:
    """The restorers that a model goes through."""
    return tuple(step.restorer if isinstance(step, Tuned) else step for step in _each(model))


def _each(model: Model) -> tuple[Restorer | Tuned, ...]:
    return model.steps if isinstance(model, InTurn) else (model,)


def tuned(restorer: Restorer, entries: Sequence[str]) -> Restorer | Tuned:
    """The restorer with the settings that ``name=value`` entries name (a flag needs no value); as it is where there are none.

    Raises `OptionError` for what is no setting of its task, and for a bad value.
    """
    if not entries:
        return restorer
    texts = texts_of(restorer.task, entries)
    settings = restorer.task.settings.read(texts)
    return Tuned(restorer, {name: getattr(settings, name) for name in texts})


def _task_of(model: Model) -> Task:
    """The task that a model does: that of the step that enlarges, else of the last."""
    steps = steps_of(model)
    return next((step for step in steps if step.card.scales), steps[-1]).task


# -- the cases --------------------------------------------------------------------------------------------------------


def check_cases(task: Task, cases: Sequence[Degradation]) -> None:
    """Raises the `OptionError` of the task's module for a case that models of the task are not for."""
    known = task.module().known
    for case in cases:
        # Blind, and without maps: nothing but the kind of case is looked at.
        known(case, (), blind=True)


def task_of_cases(cases: Sequence[Degradation], models: Mapping[str, Model]) -> Task:
    """The task that all of the cases are for; where that is more than one, the one that the models do.

    Raises `OptionError` for cases of different tasks.
    """
    fitting = [task for task in tasks.TASKS.values() if _fit(task, cases)]
    if not fitting:
        listed = ", ".join(map(str, cases))
        raise OptionError(f"evaluate: no one task has all of these cases: {listed}; score the cases of one task at a time")
    names = {_task_of(model).name for model in models.values()}
    return next((task for task in fitting if task.name in names), fitting[0])


def _fit(task: Task, cases: Sequence[Degradation]) -> bool:
    try:
        check_cases(task, cases)
    except OptionError:
        return False
    return True


# -- the methods ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Method:
    """A model, or several in turn, or a classical method, which does the task of that name; it can be sent to another process."""

    name: str
    task: str
    model: Model | None
    blind: bool

    def __call__(self, noisy: Noisy, case: Degradation, level: Degradation) -> Noisy:
        """The output for (h, w) or (h, w, 3), of the same shape or larger by the scale; ``level`` is that of `level_of`."""
        if self.model is not None:
            output = noisy
            for step, settings in self._steps(case):
                # The clean picture lies in [0, 1], wherever its noise reaches.
                output = step.restore(output, settings, range="dtype")
            return output
        planes = noisy if noisy.ndim == 3 else noisy[..., None]
        output = find(self.name).function(planes, level)
        return output if noisy.ndim == 3 else output[..., 0]

    def batch(self, stack: Noisy, case: Degradation) -> Noisy:
        """The outputs for a stack (n, h, w) of small images at once; a classical method leaves it as it is."""
        if self.model is None:
            return stack
        for step, settings in self._steps(case):
            stack = step.restore_batch(stack, settings, range="dtype")
        return stack

    def _steps(self, case: Degradation) -> list[tuple[Restorer, Settings]]:
        """The model's steps with their settings: the first step of the evaluated task is given what is known of the case, the
        others their defaults."""
        assert self.model is not None
        steps = steps_of(self.model)
        names = [step.task.name for step in steps]
        settings = [step.task.settings() for step in steps]
        first = names.index(self.task)
        known = steps[first].task.module().known
        settings[first] = known(case, steps[first].card.maps, blind=self.blind)
        given = [step.given if isinstance(step, Tuned) else {} for step in _each(self.model)]
        return [(step, replace(own, **more)) for step, own, more in zip(steps, settings, given, strict=True)]

    def level_of(self, clean: Clean, noisy: Noisy, case: Degradation) -> Degradation:
        """The noise that a classical method is given: the true one if it knows its kind, else Gaussian noise of the same energy."""
        if self.model is not None or case.kind == "gaussian" or case.scale > 1 or asked.of(case) is not None:
            return case
        if find(self.name).fills:
            return wear.covered(case, clean, noisy)
        if case.density > 0 and find(self.name).knows_impulses:
            return case
        return degradations.Gaussian(min(1000.0, 255 * float(np.sqrt(np.square(noisy - clean).mean()))))


def methods_of(
    models: Mapping[str, Model], names: Sequence[str], task: Task, cases: Sequence[Degradation], *, blind: bool
) -> tuple[Method, ...]:
    """The classical methods of these names, then the models.

    Raises `OptionError` where a name is both, and where one is for another task; `MissingExtra` for what is not installed.
    """
    clash = sorted(set(names) & set(models))
    if clash:
        raise OptionError(f"{clash[0]!r} names both a model and a baseline")
    classical = [find(name) for name in dict.fromkeys(names)]
    for baseline in classical:
        # Before the work, not in the middle of it.
        baseline.check()
        _check_baseline(baseline, task, cases)
    for name, model in models.items():
        own = _task_of(model)
        if own.name != task.name:
            raise OptionError(f"{name!r} is for the task {own.name}, not {task.name}")
    return (
        *(Method(baseline.name, task.name, None, blind) for baseline in classical),
        *(Method(name, task.name, model, blind) for name, model in models.items()),
    )


def _check_baseline(baseline: Baseline, task: Task, cases: Sequence[Degradation]) -> None:
    if baseline.task is not None and baseline.task != task.name:
        raise OptionError(f"{baseline.name!r} is for the task {baseline.task}, not {task.name}")
    changed = [case for case in cases if case.scale > 1]
    if baseline.task is None and changed:
        others = ", ".join(entry.name for entry in BASELINES.values() if entry.task == task.name)
        raise OptionError(f"{baseline.name!r} keeps the size, which {changed[0]} does not; for {task.name} there are {others}")


def peak(method: Method, noisy: Noisy, case: Degradation, level: Degradation) -> float | None:
    """The peak memory of this process in MiB after one call; None where that fails or cannot be read."""
    try:
        method(noisy, case, level)
    except Exception:  # a method that failed is reported by its row
        return None
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a child's figure starts with its parent's.
        line = next(line for line in status.read_text("utf-8").splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    if sys.platform == "darwin":
        import resource

        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
    return None
