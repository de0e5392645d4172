"""Seeded ways to spoil a clean image.

A degradation is a frozen dataclass; calling it with a clean image and a generator gives the spoiled one. Images are
float arrays of shape ``(height, width)`` or ``(height, width, channels)`` in [0, 1]; the answer has the same shape and is
float32. Nothing here keeps state: the same image, fields and generator state give the same answer.

The text form ``kind:level[:clip]`` (``gaussian:25``, ``salt-pepper:0.1``, ``gaussian:51:clip``) is what the command line
and recipes use; `parse` reads it and ``str()`` writes it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import images
from pellucid.errors import OptionError

__all__ = ["DEGRADATIONS", "Degradation", "Gaussian", "Jpeg", "Poisson", "SaltPepper", "Shrink", "Speckle", "parse"]

Pixels = NDArray[np.float32]
Floats = NDArray[np.floating]


@runtime_checkable
class Degradation(Protocol):
    """A seeded way to spoil a clean image."""

    kind: ClassVar[str]

    @property
    def sigma(self) -> float:
        """Standard deviation of the signal-independent Gaussian part, in 8-bit levels; 0 where there is none."""

    @property
    def density(self) -> float:
        """Share of pixels replaced by impulses, 0 to 1."""

    @property
    def scale(self) -> int:
        """How many times smaller the spoiled image is; 1 for every noise."""

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The spoiled image."""


class _Law:
    """What most kinds answer of themselves: neither Gaussian noise nor impulses."""

    @property
    def sigma(self) -> float:
        """Standard deviation of the signal-independent Gaussian part, in 8-bit levels."""
        return 0.0

    @property
    def density(self) -> float:
        """Share of pixels replaced by impulses."""
        return 0.0

    @property
    def scale(self) -> int:
        """How many times smaller the spoiled image is."""
        return 1


def _checked(kind: str, name: str, value: float, low: float, high: float) -> float:
    """``value`` as a float; `OptionError` when it is not a number in [low, high]."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        raise OptionError(f"{kind}: {name} must be a number from {low:g} to {high:g}, not {value!r}")
    return number


def _finished(noisy: NDArray[np.floating], clip: bool) -> Pixels:
    return np.asarray(np.clip(noisy, 0.0, 1.0) if clip else noisy, dtype=np.float32)


@dataclass(frozen=True)
class Gaussian(_Law):
    """White Gaussian noise of standard deviation ``level`` in 8-bit levels (25 means 25/255 of full range).

    Not clipped unless ``clip``: the published protocol for denoisers keeps values outside [0, 1].
    """

    level: float
    clip: bool = False
    kind: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checked(self.kind, "standard deviation", self.level, 0, 1000))

    @property
    def sigma(self) -> float:
        """``level``."""
        return self.level

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        if self.level == 0:
            return _finished(clean, self.clip)
        # float32 inputs draw float32 noise (training: half the time); float64 inputs follow the published protocol.
        if clean.dtype == np.float32:
            noise: NDArray[np.floating] = rng.standard_normal(clean.shape, dtype=np.float32)
        else:
            noise = rng.standard_normal(clean.shape)
        return _finished(clean + noise * (self.level / 255), self.clip)

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}{':clip' if self.clip else ''}"


@dataclass(frozen=True)
class SaltPepper(_Law):
    """A share ``level`` (0 to 1) of pixels replaced: half by 0, half by 1, each channel of a pixel alike."""

    level: float
    kind: ClassVar[str] = "salt-pepper"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checked(self.kind, "share of pixels", self.level, 0, 1))

    @property
    def density(self) -> float:
        """``level``."""
        return self.level

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        noisy = np.array(clean, dtype=np.float32)
        draw = rng.random(clean.shape[:2], dtype=np.float32)
        noisy[draw < self.level / 2] = 0.0
        noisy[(draw >= self.level / 2) & (draw < self.level)] = 1.0
        return noisy

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}"


@dataclass(frozen=True)
class Poisson(_Law):
    """Photon noise: each pixel is Poisson-distributed with mean ``clean * level`` and divided by ``level`` again.

    ``level`` is the peak, the count of photons at white: 30 is a dim picture, 1000 a bright one. Negative values of the
    input count as 0. The answer may exceed 1 unless ``clip``.
    """

    level: float
    clip: bool = False
    kind: ClassVar[str] = "poisson"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checked(self.kind, "peak", self.level, 0.1, 1e9))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        return _finished(rng.poisson(np.maximum(clean, 0) * self.level) / self.level, self.clip)

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}{':clip' if self.clip else ''}"


@dataclass(frozen=True)
class Speckle(_Law):
    """Multiplicative noise ``clean * (1 + n)``, n Gaussian with variance ``level``. Not clipped unless ``clip``."""

    level: float
    clip: bool = False
    kind: ClassVar[str] = "speckle"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checked(self.kind, "variance", self.level, 0, 10))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        noise = rng.standard_normal(clean.shape)
        return _finished(clean * (1 + np.sqrt(self.level) * noise), self.clip)

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}{':clip' if self.clip else ''}"


@dataclass(frozen=True)
class Jpeg(_Law):
    """JPEG compression at quality ``level`` (1 to 100), with libjpeg's tables and 4:2:0 colour as Pillow writes it.

    The image is clipped and rounded to 8 bits first, as the format demands. Uses no randomness.
    """

    level: float
    kind: ClassVar[str] = "jpeg"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checked(self.kind, "quality", self.level, 1, 100))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        levels = np.rint(np.clip(clean, 0, 1) * 255).astype(np.uint8)
        squeezed = levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels
        buffer = io.BytesIO()
        PillowImage.fromarray(squeezed).save(buffer, "JPEG", quality=round(self.level))
        with PillowImage.open(buffer) as decoded:
            pixels: Pixels = np.asarray(decoded, dtype=np.float32) / np.float32(255)
        return pixels.reshape(clean.shape)

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}"


@dataclass(frozen=True)
class Shrink(_Law):
    """The image at a ``level``-th of its size (2 to 8): bicubic, widened against aliasing, in 8 bits, as papers on enlarging do.

    The only one that changes the size, so it is no row of `DEGRADATIONS`: sides are first cut to multiples (`whole`), the answer
    has (height // level, width // level) pixels. Uses no randomness.
    """

    level: float
    kind: ClassVar[str] = "shrink"

    def __post_init__(self) -> None:
        level = _checked(self.kind, "factor", self.level, 2, 8)
        if level != round(level):
            raise OptionError(f"shrink: factor must be a whole number, not {self.level!r}")
        object.__setattr__(self, "level", level)

    @property
    def scale(self) -> int:
        """``level``."""
        return int(self.level)

    def whole(self, clean: Floats) -> Floats:
        """The part of an image, from its upper left corner, whose sides divide by the factor; `OptionError` when none is left."""
        height, width = (side // self.scale * self.scale for side in clean.shape[:2])
        if not height or not width:
            raise OptionError(f"shrink: {clean.shape[1]}x{clean.shape[0]} pixels are too few for a factor of {self.scale}")
        return clean[:height, :width]

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        part = self.whole(clean)
        height, width = (side // self.scale for side in part.shape[:2])
        small = images.resized(np.atleast_3d(part), height, width, PillowImage.Resampling.BICUBIC)
        levels = np.rint(np.clip(small, 0, 1) * 255) / 255
        return levels.reshape(height, width, *clean.shape[2:]).astype(np.float32)

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}"


DEGRADATIONS: dict[str, type[Gaussian] | type[SaltPepper] | type[Poisson] | type[Speckle] | type[Jpeg]] = {
    Gaussian.kind: Gaussian,
    SaltPepper.kind: SaltPepper,
    Poisson.kind: Poisson,
    Speckle.kind: Speckle,
    Jpeg.kind: Jpeg,
}


def parse(text: str) -> Degradation:
    """The degradation that ``kind:level[:clip]`` names, one of `DEGRADATIONS` or `Shrink`.

    >>> parse("gaussian:25:clip")
    Gaussian(level=25.0, clip=True)

    Raises `OptionError` for an unknown kind, a level out of range, or ``clip`` where a kind has no such choice.
    """
    kind, _, rest = text.strip().partition(":")
    level, _, flag = rest.partition(":")
    if kind == Shrink.kind and level and not flag:
        return Shrink(level)  # type: ignore[arg-type]  # text is converted and checked by the dataclass
    if kind not in DEGRADATIONS or not level or flag not in ("", "clip"):
        known = ", ".join(DEGRADATIONS)
        raise OptionError(f"noise {text!r} is not KIND:LEVEL[:clip] with KIND one of {known}")
    return make(kind, level, clip=flag == "clip")


def make(kind: str, level: float | str, clip: bool = False) -> Degradation:
    """The degradation of this ``kind`` and ``level``; `OptionError` as in `parse`."""
    if kind not in DEGRADATIONS:
        raise OptionError(f"noise {kind!r} is not one of {', '.join(DEGRADATIONS)}")
    law = DEGRADATIONS[kind]
    if not clip:
        return law(level)  # type: ignore[arg-type]  # text is converted and checked by the dataclass
    if law is SaltPepper or law is Jpeg:
        raise OptionError(f"{kind} never leaves the range: it takes no ':clip'")
    return law(level, clip=True)  # type: ignore[arg-type, call-arg]
