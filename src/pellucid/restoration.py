"""The result of restoring a picture, and how it came about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray

from pellucid.diagnosis import Diagnosis

__all__ = ["Restoration"]


@dataclass(frozen=True)
class Restoration:
    """A restored image and how it came about.

    ``image`` is the input, restored: an `Image` for an `Image`, an array for an array. ``model`` is the name of the file that
    served, ``seconds`` the time it took. ``remarks`` are lines on how the input was read (which values are black and white where
    they were found, and what was no image), and on what the task found. ``facts`` are the facts of the task's row by name
    (`pellucid.tasks.TASKS`). ``planes`` are those that say how far to trust the output, each (h, w), where they were asked for:
    ``confidence``, the standard deviation of the error in [0, 1], and ``invented`` (see `pellucid.confidence`).

    >>> import numpy as np, pellucid
    >>> details = pellucid.load("photo").details(np.zeros((40, 60), np.uint8), sigma=20)
    >>> details.model, details.image.shape
    ('photo-gray', (40, 60))
    """

    image: Any
    model: str
    seconds: float
    remarks: tuple[str, ...] = ()
    planes: Mapping[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)
    ask: Callable[[], Mapping[str, Any]] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """The facts by name, worked out when first asked for."""
        return {} if self.ask is None else dict(self.ask())

    def __getstate__(self) -> dict[str, Any]:
        # `ask` may hold graphs and pictures, so another process gets the facts alone.
        return {
            "image": self.image,
            "model": self.model,
            "seconds": self.seconds,
            "remarks": self.remarks,
            "planes": self.planes,
            "ask": None,
            "facts": self.facts,
        }

    @property
    def sigma(self) -> float | None:
        """The noise level that was used, in 8-bit levels: at middle gray where it depends on intensity; None where the model takes
        none."""
        return self.facts.get("sigma")

    @property
    def estimated(self) -> bool:
        """Whether the noise level was measured from the image."""
        return bool(self.facts.get("estimated", False))

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The noise that was found; None where the image was not inspected."""
        return self.facts.get("diagnosis")
