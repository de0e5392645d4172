"""The interface of every way to degrade an image, and the parts that most have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import OptionError
from pellucid.maps import Curve, Extremes

__all__ = ["Degradation", "Law", "checked", "text_of"]

Pixels = NDArray[np.float32]
Depth = TypeVar("Depth", bound=np.floating[Any])


@runtime_checkable
class Degradation(Protocol):
    """A seeded way to degrade a clean image."""

    kind: ClassVar[str]

    @property
    def sigma(self) -> float:
        """Standard deviation of the signal-independent Gaussian part, in 8-bit levels; 0 where there is none."""

    @property
    def density(self) -> float:
        """Share of pixels replaced by impulses, 0 to 1."""

    @property
    def scale(self) -> int:
        """How many times smaller the degraded image is; 1 for every noise."""

    @property
    def curve(self) -> Curve | None:
        """The noise's standard deviation by intensity, without impulses; None where no law gives it (processed noise)."""

    @property
    def extremes(self) -> Extremes | None:
        """Its black and white impulses; None where there are none."""

    def pair(self, clean: NDArray[Depth], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """The perfect output (the clean image, but for a camera's processing and a smaller size), and the degraded image."""

    def stated(self, perfect: NDArray[Any], rng: np.random.Generator) -> Degradation:
        """The same, with what it says of the perfect output: a box, a point, hints (`pellucid.asked`)."""

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The degraded image."""


class Law(ABC):
    """Properties of most kinds: no Gaussian part, no impulses, the same size, the clean image as perfect output; their text."""

    kind: ClassVar[str]
    level: float
    clip: bool = False

    def __str__(self) -> str:
        return f"{self.kind}:{text_of(self.level)}{':clip' if self.clip else ''}"

    @property
    def sigma(self) -> float:
        """None of it is signal-independent Gaussian."""
        return 0.0

    @property
    def density(self) -> float:
        """No pixel is replaced."""
        return 0.0

    @property
    def scale(self) -> int:
        """The size stays."""
        return 1

    @property
    def curve(self) -> Curve | None:
        """That of Gaussian noise of ``sigma``."""
        return Curve(sigma=self.sigma / 255)

    @property
    def extremes(self) -> Extremes | None:
        """None."""
        return None

    def pair(self, clean: NDArray[Depth], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """The clean image, and the degraded one."""
        return clean, self(clean, rng)

    def stated(self, perfect: NDArray[Any], rng: np.random.Generator) -> Self:
        """The same: it says nothing."""
        return self

    @abstractmethod
    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The degraded image."""


def checked(kind: str, name: str, value: float, low: float, high: float) -> float:
    """``value`` as a float; `OptionError` when it is not a number in [low, high]."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        raise OptionError(f"{kind}: {name} must be a number from {low:g} to {high:g}, not {value!r}")
    return number


def text_of(value: float) -> str:
    """The number as short as it can be read back exactly, without a ``+``, which parts a chain."""
    short = f"{value:g}"
    return short if float(short) == value and "+" not in short else repr(value)
