"""The methods that are compared: models, several of them in turn, and classical methods, all behind one call."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations
from pellucid.baselines import find
from pellucid.degradations import Degradation
from pellucid.errors import OptionError
from pellucid.restorer import Restorer

__all__ = [
    "Clean",
    "InTurn",
    "Method",
    "Model",
    "Noisy",
    "Row",
    "methods_of",
    "peak",
    "scale_of",
    "steps_of",
    "task_of",
    "task_of_noises",
    "told_sigma",
]

Clean = NDArray[np.float64]
Noisy = NDArray[np.float32]
Row = dict[str, Any]


@dataclass(frozen=True)
class InTurn:
    """Restorers that are one method: the first is shown the image, each of the others the answer of the one before.

    So ``photo`` and ``upscale`` take noise away and then enlarge; at most one of them enlarges.
    """

    steps: tuple[Restorer, ...]

    def __post_init__(self) -> None:
        if len(self.steps) < 2 or sum(bool(step.card.scales) for step in self.steps) > 1:
            raise OptionError("models in turn are two or more, of which at most one enlarges")

    def restore(self, image: Noisy, *, sigma: float | None = None, scale: float | None = None) -> Noisy:
        """As `Restorer.restore`: the first gets ``sigma``, the one that enlarges gets ``scale``."""
        for number, step in enumerate(self.steps):
            image = step.restore(image, sigma=None if number else sigma, scale=scale if step.card.scales else None)
        return image

    def restore_batch(self, stack: Noisy, *, sigma: float | None = None) -> Noisy:
        """As `Restorer.restore_batch`: the first gets ``sigma``."""
        for number, step in enumerate(self.steps):
            stack = step.restore_batch(stack, sigma=None if number else sigma)
        return stack

    @property
    def takes_sigma(self) -> bool:
        """Whether the first does."""
        return self.steps[0].takes_sigma


Model = Restorer | InTurn
"""A model, or several in turn."""


def steps_of(model: Model) -> tuple[Restorer, ...]:
    """The restorers that a model goes through."""
    return model.steps if isinstance(model, InTurn) else (model,)


def task_of(model: Model) -> str:
    """The task of the step that enlarges, else of the last."""
    steps = steps_of(model)
    return next((step for step in steps if step.card.scales), steps[-1]).card.task


def task_of_noises(noises: Sequence[Degradation]) -> str:
    """The task whose images these noises spoil; `OptionError` for noises of more than one."""
    scales = {noise.scale for noise in noises}
    if 1 in scales and len(scales) > 1:
        raise OptionError("evaluate: noises to take away and images to enlarge are two tasks; score one at a time")
    return "denoise" if scales == {1} else "upscale"


def scale_of(noise: Degradation) -> int | None:
    """The factor that an image is to be enlarged by; None where it keeps its size."""
    return noise.scale if noise.scale > 1 else None


def told_sigma(model: Model, noise: Degradation, *, blind: bool) -> float | None:
    """The ``sigma`` that a model is given, in 8-bit levels: that of Gaussian noise; None if it takes none, or ``blind``."""
    return noise.sigma if model.takes_sigma and not blind and noise.kind == "gaussian" else None


@dataclass(frozen=True)
class Method:
    """A model, or several in turn, or a classical method, in a form that can be sent to another process."""

    name: str
    model: Model | None
    blind: bool

    def __call__(self, noisy: Noisy, noise: Degradation, level: Degradation) -> Noisy:
        """The answer to (h, w) or (h, w, 3), of the same shape or larger by the scale; ``level`` is by `told`."""
        if self.model is not None:
            answer: Noisy = self.model.restore(noisy, sigma=self.sigma(noise), scale=scale_of(noise))
            return answer
        planes = noisy if noisy.ndim == 3 else noisy[..., None]
        answer = find(self.name).function(planes, level)
        return answer if noisy.ndim == 3 else answer[..., 0]

    def sigma(self, noise: Degradation) -> float | None:
        """`told_sigma` of this model."""
        assert self.model is not None
        return told_sigma(self.model, noise, blind=self.blind)

    def told(self, clean: Clean, noisy: Noisy, noise: Degradation) -> Degradation:
        """The noise that a classical method is given: the true one if it knows its kind, else Gaussian noise of the same energy."""
        if self.model is not None or noise.kind == "gaussian" or noise.scale > 1:
            return noise
        if noise.density > 0 and find(self.name).knows_impulses:
            return noise
        return degradations.Gaussian(min(1000.0, 255 * float(np.sqrt(np.square(noisy - clean).mean()))))


def methods_of(models: Mapping[str, Model], names: Sequence[str], blind: bool) -> tuple[Method, ...]:
    """The classical methods of these names, then the models; `OptionError` where a name is both, `MissingExtra` for one whose
    package is not here."""
    clash = sorted(set(names) & set(models))
    if clash:
        raise OptionError(f"{clash[0]!r} names both a model and a baseline")
    for name in names:
        # Before the work, not in the middle of it.
        find(name).check()
    classical = [Method(find(name).name, None, blind) for name in dict.fromkeys(names)]
    return (*classical, *(Method(name, model, blind) for name, model in models.items()))


def peak(method: Method, noisy: Noisy, noise: Degradation, level: Degradation) -> float | None:
    """The peak memory of this process in MiB after one call; None where that fails or cannot be read."""
    try:
        method(noisy, noise, level)
    except Exception:  # a method that failed is reported by its row
        return None
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a child's figure starts with its parent's.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return round(int(line.split()[1]) / 1024, 1)
    if sys.platform == "darwin":
        import resource

        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
    return None
