"""What a network is trained to do: the pair (input, target) made from a clean image.

A `Task` turns a clean image and a generator into what the network sees and what it should answer; `TASKS` lists them. The
command line, evaluation and training derive their choices from that table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations
from pellucid.errors import OptionError

__all__ = ["MAPS", "TASKS", "Denoise", "NoiseRange", "Pair"]

Pixels = NDArray[np.float32]

MAPS: tuple[str, ...] = ("sigma", "impulses")
"""The planes that a network may take beside the image, in this order, each of the image's height and width:
``sigma``, the standard deviation of the noise at each pixel as a share of full range (25 in 8-bit levels is 25/255);
``impulses``, the share of pixels replaced by impulses, 0 to 1."""


@dataclass(frozen=True)
class Pair:
    """One training example: ``image`` and ``clean`` have shape (height, width, channels), ``maps`` (height, width, maps)."""

    image: Pixels
    maps: Pixels
    clean: Pixels


@dataclass(frozen=True)
class NoiseRange:
    """Noise of one kind, its level drawn between ``low`` and ``high``, chosen with a chance in proportion to ``weight``.

    ``spread`` says how levels are drawn: ``uniform``, or ``log`` (evenly in the logarithm; ``low`` must be above 0).
    """

    kind: str
    low: float
    high: float
    weight: float = 1.0
    clip: bool = False
    spread: Literal["uniform", "log"] = "uniform"

    def __post_init__(self) -> None:
        for level in (self.low, self.high):
            degradations.make(self.kind, level, clip=self.clip)
        if self.low > self.high or self.weight <= 0:
            raise OptionError(f"noise range {self.kind}: low {self.low} must not exceed high {self.high}; weight above 0")
        if self.spread not in ("uniform", "log") or (self.spread == "log" and self.low <= 0):
            raise OptionError(f"noise range {self.kind}: spread is 'uniform', or 'log' with low above 0")

    def draw(self, rng: np.random.Generator) -> degradations.Degradation:
        """A degradation with a level drawn from this range."""
        if self.spread == "log":
            level = float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        else:
            level = float(rng.uniform(self.low, self.high))
        return degradations.make(self.kind, level, clip=self.clip)


@dataclass(frozen=True)
class Denoise:
    """Noisy in, clean out. ``noise`` is what training draws from; ``maps`` what the network is told beside the image.

    With no maps the network is blind: it is never told the level.
    """

    noise: tuple[NoiseRange, ...]
    maps: tuple[str, ...] = MAPS
    name: ClassVar[str] = "denoise"
    summary: ClassVar[str] = "take the noise out of an image"
    metric: ClassVar[str] = "psnr"

    def __post_init__(self) -> None:
        if not self.noise:
            raise OptionError("task denoise: name at least one noise range")
        unknown = [name for name in self.maps if name not in MAPS]
        if unknown:
            raise OptionError(f"task denoise: unknown map {unknown[0]!r}; known: {', '.join(MAPS)}")

    def pair(self, clean: Pixels, rng: np.random.Generator) -> Pair:
        """A training example from a clean image of shape (height, width, channels), float32 in [0, 1]."""
        weights = np.array([entry.weight for entry in self.noise])
        entry = self.noise[int(rng.choice(len(self.noise), p=weights / weights.sum()))]
        return self.spoil(clean, entry.draw(rng), rng)

    def spoil(self, clean: Pixels, noise: degradations.Degradation, rng: np.random.Generator) -> Pair:
        """The example with this very noise; validation uses it so that every run is scored alike."""
        values = {"sigma": noise.sigma / 255, "impulses": noise.density}
        maps = np.empty((*clean.shape[:2], len(self.maps)), dtype=np.float32)
        maps[:] = [values[name] for name in self.maps]
        return Pair(image=noise(clean, rng), maps=maps, clean=clean)


TASKS: dict[str, type[Denoise]] = {Denoise.name: Denoise}
