"""What a network is trained to do: the pair (input, target) made from a clean image.

A `Task` turns a clean image and a generator into what the network sees and what it should answer; `TASKS` lists them. The
command line, evaluation and training derive their choices from that table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, images, maps
from pellucid.errors import OptionError
from pellucid.maps import Extremes

__all__ = ["MAPS", "TASKS", "Denoise", "NoiseRange", "Pair", "Task", "Upscale"]

Pixels = NDArray[np.float32]

MAPS: tuple[str, ...] = ("sigma", "impulses")
"""The planes that a network may take beside the image, in this order, each of the image's height and width:
``sigma``, the standard deviation of the noise at each pixel as a share of full range (25 in 8-bit levels is 25/255), of all but
impulses; ``impulses``, the chance that a pixel was replaced by an impulse, 0 to 1."""

MEASURED = 17
"""Side in pixels of the window in which the standard deviation of noise that no law tells is measured for training."""


@dataclass(frozen=True)
class Pair:
    """One training example: ``image`` has shape (height, width, channels), ``maps`` (height, width, maps).

    ``clean`` is the perfect answer, ``base`` what the network's residual is taken away from: both (height, width, channels), or
    larger by the factor that the image is to be enlarged by. ``again`` asks for what `pellucid.training.looks` makes of it.
    """

    image: Pixels
    maps: Pixels
    clean: Pixels
    base: Pixels
    again: bool = False


@dataclass(frozen=True)
class NoiseRange:
    """Noise of one kind, its level drawn between ``low`` and ``high``, chosen with a chance in proportion to ``weight``.

    ``spread`` says how levels are drawn: ``uniform``, or ``log`` (evenly in the logarithm; ``low`` must be above 0). ``then`` are
    noises that follow upon it, one after the other.
    """

    kind: str
    low: float
    high: float
    weight: float = 1.0
    clip: bool = False
    spread: Literal["uniform", "log"] = "uniform"
    then: tuple[NoiseRange, ...] = ()

    def __post_init__(self) -> None:
        # From a file they come as a list of tables.
        followers = (entry if isinstance(entry, NoiseRange) else NoiseRange(**entry) for entry in self.then)
        object.__setattr__(self, "then", tuple(followers))
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
        first = degradations.make(self.kind, level, clip=self.clip)
        if not self.then:
            return first
        return degradations.Chain((first, *(entry.draw(rng) for entry in self.then)))


def _drawn(ranges: tuple[NoiseRange, ...], rng: np.random.Generator) -> degradations.Degradation:
    """A degradation of one of the ranges, as their weights have it."""
    weights = np.array([entry.weight for entry in ranges])
    return ranges[int(rng.choice(len(ranges), p=weights / weights.sum()))].draw(rng)


@dataclass(frozen=True)
class Denoise:
    """Noisy in, clean out. ``noise`` is what training draws from; ``maps`` what the network is told beside the image.

    With no maps the network is blind: it is never told the level. ``doubt`` is how far wrong it is told in training: the standard
    deviation of the logarithm of the factor between true and told (levels of noise that must be estimated are never exact).
    ``again`` is the share of the examples made from clean images with impulses of any value that are shown as whoever restores
    shows them the second time, by the network's own first answer.
    """

    noise: tuple[NoiseRange, ...]
    maps: tuple[str, ...] = MAPS
    doubt: float = 0.0
    again: float = 0.0
    name: ClassVar[str] = "denoise"
    summary: ClassVar[str] = "take the noise out of an image"
    keeps_size: ClassVar[bool] = True
    metric: ClassVar[str] = "psnr"

    def __post_init__(self) -> None:
        if not self.noise:
            raise OptionError("task denoise: name at least one noise range")
        if not 0 <= self.doubt <= 1:
            raise OptionError(f"task denoise: doubt is a number from 0 to 1, not {self.doubt!r}")
        if not 0 <= self.again <= 1:
            raise OptionError(f"task denoise: again is a share from 0 to 1, not {self.again!r}")
        unknown = [name for name in self.maps if name not in MAPS]
        if unknown:
            raise OptionError(f"task denoise: unknown map {unknown[0]!r}; known: {', '.join(MAPS)}")
        if self.again and self.maps != MAPS:
            raise OptionError(f"task denoise: to look again, the network takes the maps {', '.join(MAPS)}")

    def of_batch(self, number: int) -> Denoise:
        """The task of a batch: this one."""
        return self

    def pair(self, clean: Pixels, rng: np.random.Generator) -> Pair:
        """A training example from a clean image of shape (height, width, channels), float32 in [0, 1]."""
        pair = self.spoil(clean, _drawn(self.noise, rng), rng, doubt=self.doubt)
        return replace(pair, again=bool(rng.random() < self.again)) if pair.again else pair

    def spoil(self, clean: Pixels, noise: degradations.Degradation, rng: np.random.Generator, *, doubt: float = 0.0) -> Pair:
        """The example with this very noise; validation uses it so that every run is scored alike, and looks again wherever the
        network learns to."""
        perfect, noisy = noise.pair(clean, rng)
        perfect = np.asarray(perfect, dtype=np.float32)

        def level(planes: Pixels) -> Pixels:
            if noise.curve is None:
                error = np.square(noisy - perfect).mean(axis=2)
                sigma = np.sqrt(maps.box_mean(error, MEASURED))
            else:
                sigma = maps.sigma(planes, noise.curve)
            return sigma * np.float32(np.exp(rng.normal(0, doubt))) if doubt > 0 else sigma

        # Whoever estimates the share of impulses does that well, or sees each.
        pair = self.told(noisy, perfect, noise.density, noise.extremes, level)
        return replace(pair, again=self.again > 0 and noise.density > 0 and noise.extremes is None)

    def told(
        self, noisy: Pixels, clean: Pixels, density: float, extremes: Extremes | None, level: Callable[[Pixels], Pixels]
    ) -> Pair:
        """The example with what the network is told of a ``noisy`` image (height, width, channels), and shown of it.

        ``density`` is the share of impulses; black and white ones, of which ``extremes`` tells, are seen one by one and filled.
        ``level`` says the noise's standard deviation (height, width) in [0, 1] of what is shown, (channels, height, width).
        """
        if not self.maps:
            return Pair(image=noisy, maps=np.empty((*noisy.shape[:2], 0), dtype=np.float32), clean=clean, base=noisy)
        planes = np.ascontiguousarray(noisy.transpose(2, 0, 1))
        chance = np.full(planes.shape[1:], density, dtype=np.float32)
        if extremes is not None:
            chance = maps.impulses(planes, extremes)
            planes = maps.filled(planes, chance)
        planes_by_name = {"sigma": level(planes), "impulses": chance}
        image = np.ascontiguousarray(planes.transpose(1, 2, 0))
        return Pair(
            image=image,
            base=image,
            maps=np.stack([planes_by_name[name] for name in self.maps], axis=2),
            clean=clean,
        )


@dataclass(frozen=True)
class Upscale:
    """Small in, large out, by each of the factors ``scales`` (2 to 8): a batch has one, in turn.

    The small image is the large one scaled down (`degradations.Shrink`: bicubic, widened against aliasing), and then spoiled by one
    of ``noise`` where there is any, of which the network is told nothing. Its residual is taken away from the bicubic enlargement
    of what it sees.
    """

    scales: tuple[int, ...] = (2, 3, 4)
    noise: tuple[NoiseRange, ...] = ()
    name: ClassVar[str] = "upscale"
    summary: ClassVar[str] = "make an image larger"
    keeps_size: ClassVar[bool] = False
    metric: ClassVar[str] = "psnr"
    maps: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if not self.scales:
            raise OptionError("task upscale: name at least one scale")
        for scale in self.scales:
            degradations.Shrink(scale)

    def of_batch(self, number: int) -> Upscale:
        """The task of a batch: one factor after the other."""
        return replace(self, scales=(self.scales[number % len(self.scales)],))

    def pair(self, clean: Pixels, rng: np.random.Generator) -> Pair:
        """A training example from a large image of shape (height, width, channels), float32 in [0, 1]; one of several factors is
        drawn."""
        scale = self.scales[0] if len(self.scales) == 1 else int(rng.choice(self.scales))
        shrunk = degradations.Shrink(scale)
        return self.spoil(clean, degradations.Chain((shrunk, _drawn(self.noise, rng))) if self.noise else shrunk, rng)

    def spoil(self, clean: Pixels, noise: degradations.Degradation, rng: np.random.Generator) -> Pair:
        """The example with this very factor, and noise upon the small image."""
        large, small = noise.pair(clean, rng)
        large = np.asarray(large, dtype=np.float32)
        return Pair(
            image=small,
            maps=np.empty((*small.shape[:2], 0), dtype=np.float32),
            clean=large,
            base=images.enlarged(small, noise.scale),
        )


Task = Denoise | Upscale

TASKS: dict[str, type[Denoise] | type[Upscale]] = {Denoise.name: Denoise, Upscale.name: Upscale}
