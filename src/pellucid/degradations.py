"""Seeded ways to degrade a clean image.

A degradation is a frozen dataclass; calling it with a clean image and a generator gives the degraded one. Images are float
arrays of shape ``(height, width)`` or ``(height, width, channels)`` in [0, 1]; the output has the same shape and is float32.
Nothing here keeps state: the same image, fields and generator state give the same output.

The text form ``kind:level[:clip]`` (``gaussian:25``, ``salt-pepper:0.1``, ``gaussian:51:clip``) is that of the command line
and of recipes, several in a row with ``+`` (``gaussian:25+salt-pepper:0.1+jpeg:40``, ``shrink:2+jpeg:70``); `parse` reads it and
``str()`` writes it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import asked, camera, images, pillow, sensor, wear
from pellucid.errors import OptionError
from pellucid.laws import Degradation, Law, checked
from pellucid.maps import Curve, Extremes

__all__ = [
    "DEGRADATIONS",
    "Camera",
    "Chain",
    "Degradation",
    "Gaussian",
    "Grain",
    "Impulses",
    "Jpeg",
    "Poisson",
    "SaltPepper",
    "Shrink",
    "Speckle",
    "parse",
]

Pixels = NDArray[np.float32]
Depth = TypeVar("Depth", bound=np.floating[Any])


def _finished(noisy: NDArray[np.floating], clip: bool) -> Pixels:
    return np.asarray(np.clip(noisy, 0.0, 1.0) if clip else noisy, dtype=np.float32)


@dataclass(frozen=True)
class Gaussian(Law):
    """White Gaussian noise of standard deviation ``level`` in 8-bit levels (25 means 25/255 of full range).

    Not clipped unless ``clip``: the published protocol for denoisers keeps values outside [0, 1].
    """

    level: float
    clip: bool = False
    kind: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", checked(self.kind, "standard deviation", self.level, 0, 1000))

    @property
    def sigma(self) -> float:
        """``level``."""
        return self.level

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        if self.level == 0:
            return _finished(clean, self.clip)
        # float32 inputs draw float32 noise (training: half the time); float64 inputs follow the published protocol.
        dtype = np.float32 if clean.dtype == np.float32 else np.float64
        noise: NDArray[np.floating] = rng.standard_normal(clean.shape, dtype=dtype)
        return _finished(clean + noise * (self.level / 255), self.clip)


@dataclass(frozen=True)
class _Replaced(Law):
    """A share ``level`` (0 to 1) of pixels is replaced."""

    level: float
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", checked(self.kind, "share of pixels", self.level, 0, 1))

    @property
    def density(self) -> float:
        """``level``."""
        return self.level


@dataclass(frozen=True)
class SaltPepper(_Replaced):
    """A share ``level`` (0 to 1) of pixels replaced: half by 0, half by 1, each channel of a pixel alike."""

    kind: ClassVar[str] = "salt-pepper"

    @property
    def extremes(self) -> Extremes | None:
        """Half of them black, half white."""
        return Extremes(self.level / 2, self.level / 2) if self.level else None

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        noisy = np.array(clean, dtype=np.float32)
        draw = rng.random(clean.shape[:2], dtype=np.float32)
        noisy[draw < self.level / 2] = 0.0
        noisy[(draw >= self.level / 2) & (draw < self.level)] = 1.0
        return noisy


@dataclass(frozen=True)
class Impulses(_Replaced):
    """A share ``level`` (0 to 1) of pixels replaced by random values: any of [0, 1] alike, each channel its own."""

    kind: ClassVar[str] = "impulses"

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        noisy = np.array(clean, dtype=np.float32)
        hit = rng.random(clean.shape[:2], dtype=np.float32) < self.level
        values = rng.random(clean.shape, dtype=np.float32)
        noisy[hit] = values[hit]
        return noisy


@dataclass(frozen=True)
class Poisson(Law):
    """Photon noise: each pixel is Poisson-distributed with mean ``clean * level`` and divided by ``level`` again.

    ``level`` is the peak, the count of photons at white: 30 is a dim picture, 1000 a bright one. Negative values of the
    input count as 0. The output may exceed 1 unless ``clip``.
    """

    level: float
    clip: bool = False
    kind: ClassVar[str] = "poisson"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", checked(self.kind, "peak", self.level, 0.1, 1e9))

    @property
    def curve(self) -> Curve | None:
        """Variance in proportion to intensity, 1 / ``level`` at white."""
        return Curve(gain=1 / self.level)

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        return _finished(rng.poisson(np.maximum(clean, 0) * self.level) / self.level, self.clip)


@dataclass(frozen=True)
class Speckle(Law):
    """Multiplicative noise ``clean * (1 + n)``, n Gaussian with variance ``level``. Not clipped unless ``clip``."""

    level: float
    clip: bool = False
    kind: ClassVar[str] = "speckle"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", checked(self.kind, "variance", self.level, 0, 10))

    @property
    def curve(self) -> Curve | None:
        """Variance in proportion to the square of intensity, ``level`` at white."""
        return Curve(speckle=self.level)

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        noise = rng.standard_normal(clean.shape)
        return _finished(clean * (1 + np.sqrt(self.level) * noise), self.clip)


@dataclass(frozen=True)
class Jpeg(Law):
    """JPEG compression at quality ``level`` (1 to 100), with libjpeg's tables and 4:2:0 colour as Pillow writes it.

    The image is clipped and rounded to 8 bits first, as the format demands. Uses no randomness.
    """

    level: float
    kind: ClassVar[str] = "jpeg"

    def __post_init__(self) -> None:
        # A quality is a whole number.
        object.__setattr__(self, "level", float(round(checked(self.kind, "quality", self.level, 1, 100))))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        levels = np.rint(np.clip(clean, 0, 1) * 255).astype(np.uint8)
        squeezed = levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels
        buffer = io.BytesIO()
        PillowImage.fromarray(squeezed).save(buffer, "JPEG", quality=int(self.level))
        with pillow.opened(buffer) as decoded:
            pixels: Pixels = np.asarray(decoded, dtype=np.float32) / np.float32(255)
        return pixels.reshape(clean.shape)


@dataclass(frozen=True)
class Grain(Law):
    """Correlated Gaussian noise, as in film and in enlarged or smoothed pictures: standard deviation ``level`` in 8-bit levels.

    White noise under a Gaussian window 0.4 to 1.5 pixels wide (its standard deviation, drawn), scaled to ``level``. In colour, a
    drawn share is common to the three channels. Not clipped unless ``clip``.
    """

    level: float
    clip: bool = False
    kind: ClassVar[str] = "grain"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", checked(self.kind, "standard deviation", self.level, 0, 255))

    @property
    def curve(self) -> Curve | None:
        """None: the network must not take it for white noise."""
        return None

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        scene = np.atleast_3d(clean)
        height, width, channels = scene.shape
        spread, common = rng.uniform(0.4, 1.5), rng.uniform(0, 1)
        radius = int(np.ceil(3 * spread))
        window = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * spread**2)).astype(np.float32)
        # Each of the two passes keeps the variance.
        window /= np.sqrt(np.square(window).sum())
        noise = rng.standard_normal((height + 2 * radius, width + 2 * radius, channels), dtype=np.float32)
        if channels == 3:
            shared = rng.standard_normal((*noise.shape[:2], 1), dtype=np.float32)
            noise = np.float32(np.sqrt(1 - common)) * noise + np.float32(np.sqrt(common)) * shared
        down = sum(weight * noise[index : index + height] for index, weight in enumerate(window))
        across = sum(weight * down[:, index : index + width] for index, weight in enumerate(window))
        grain = np.asarray(across, dtype=np.float32) * np.float32(self.level / 255)
        return _finished((scene + grain).reshape(clean.shape), self.clip)


@dataclass(frozen=True)
class Camera(Law):
    """A camera's picture of a scene in little light: noise on the sensor, then the camera's processing (`pellucid.camera.shots`).

    ``level`` is the gain of the shot noise (0 to 0.05); JPEG of quality 80 to 98 ends it. So the noise is correlated and depends on
    the signal. A perfect output is the camera's picture of the same scene without noise, before JPEG: the mean of many shots. Gray
    images pass as colourless ones. Always clipped.
    """

    level: float
    kind: ClassVar[str] = "camera"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", checked(self.kind, "gain of the shot noise", self.level, 0, 0.05))

    @property
    def curve(self) -> Curve | None:
        """None: no law gives the noise that the processing leaves."""
        return None

    def pair(self, clean: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """The camera's picture of the scene without noise, and with it."""
        scene = np.clip(np.atleast_3d(clean), 0, 1).astype(np.float32)
        gray = scene.shape[2] == 1
        ideal, noisy = camera.shots(np.repeat(scene, 3, axis=2) if gray else scene, self.level, rng)
        both = ideal, Jpeg(float(rng.integers(80, 99)))(noisy, rng)
        perfect, degraded = (images.gray(picture) if gray else picture for picture in both)
        return perfect.reshape(clean.shape), degraded.reshape(clean.shape)

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        return self.pair(clean, rng)[1]


@dataclass(frozen=True)
class Chain(Law):
    """Several degradations, one after the other; ``parts`` has two or more, of which only the first may change the size."""

    parts: tuple[Degradation, ...]
    kind: ClassVar[str] = "chain"

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or any(part.scale > 1 for part in self.parts[1:]):
            raise OptionError("a chain of degradations needs two or more, and only the first may change the size")
        if any(asked.of(part) is not None for part in self.parts[1:]):
            raise OptionError("in a chain of degradations 'alpha', 'gray' and 'hints' must come first: they say what is asked for")
        for kind in (Camera.kind, sensor.Bayer.kind):
            if any(part.kind == kind for part in self.parts[1:]):
                raise OptionError(f"in a chain of degradations {kind!r} must come first: it takes a scene, not a picture")

    @property
    def sigma(self) -> float:
        """That of the Gaussian parts together."""
        return float(np.sqrt(sum(part.sigma**2 for part in self.parts)))

    @property
    def scale(self) -> int:
        """That of its first part."""
        return self.parts[0].scale

    @property
    def density(self) -> float:
        """Share of pixels that are an impulse of one part or another."""
        return float(1 - np.prod([1 - part.density for part in self.parts]))

    @property
    def curve(self) -> Curve | None:
        """That of the parts together; None where JPEG has smoothed the noise before it."""
        curves = [part.curve for part in self.parts]
        if any(curve is None for curve in curves) or any(part.kind == Jpeg.kind for part in self.parts):
            return None
        known = [curve for curve in curves if curve is not None]
        return Curve(
            float(np.sqrt(sum(curve.sigma**2 for curve in known))),
            sum(curve.gain for curve in known),
            sum(curve.speckle for curve in known),
        )

    @property
    def extremes(self) -> Extremes | None:
        """Those of its last part: any later part moves impulses away from black and white."""
        return self.parts[-1].extremes

    def pair(self, clean: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """The first part's perfect output, and the clean image degraded by all parts."""
        perfect, degraded = self.parts[0].pair(clean, rng)
        for part in self.parts[1:]:
            degraded = part(degraded, rng)
        return perfect, np.asarray(degraded, dtype=np.float32)

    def stated(self, perfect: NDArray[Any], rng: np.random.Generator) -> Chain:
        """The chain whose first part says what it knows of the perfect output."""
        return replace(self, parts=(self.parts[0].stated(perfect, rng), *self.parts[1:]))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        return self.pair(clean, rng)[1]

    def __str__(self) -> str:
        return "+".join(map(str, self.parts))


@dataclass(frozen=True)
class Shrink(Law):
    """The image at a ``level``-th of its size (2 to 8): bicubic, widened against aliasing, in 8 bits, as papers on enlarging do.

    The only one that changes the size, so it is not a row of `DEGRADATIONS`: sides are first cut to multiples, the output
    has (height // level, width // level) pixels. Uses no randomness.
    """

    level: float
    kind: ClassVar[str] = "shrink"

    def __post_init__(self) -> None:
        level = checked(self.kind, "factor", self.level, 2, 8)
        if level != round(level):
            raise OptionError(f"shrink: factor must be a whole number, not {self.level!r}")
        object.__setattr__(self, "level", level)

    @property
    def scale(self) -> int:
        """``level``."""
        return int(self.level)

    def pair(self, clean: NDArray[Depth], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """The part of an image that is used, and that part made smaller."""
        part = self._part(clean)
        return part, self(part, rng)

    def _part(self, clean: NDArray[Depth]) -> NDArray[Depth]:
        """The part of an image, from its upper left corner, whose sides divide by the factor; `OptionError` when none is left."""
        height, width = (side // self.scale * self.scale for side in clean.shape[:2])
        if not height or not width:
            raise OptionError(f"shrink: {clean.shape[1]}x{clean.shape[0]} pixels are too few for a factor of {self.scale}")
        return clean[:height, :width]

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        part = self._part(clean)
        height, width = (side // self.scale for side in part.shape[:2])
        small = images.resized(np.atleast_3d(part), height, width, PillowImage.Resampling.BICUBIC)
        levels = np.rint(np.clip(small, 0, 1) * 255) / 255
        return levels.reshape(height, width, *clean.shape[2:]).astype(np.float32)


DEGRADATIONS: dict[str, type[Gaussian | SaltPepper | Impulses | Poisson | Speckle | Grain | Jpeg | Camera]] = {
    Gaussian.kind: Gaussian,
    SaltPepper.kind: SaltPepper,
    Impulses.kind: Impulses,
    Poisson.kind: Poisson,
    Speckle.kind: Speckle,
    Grain.kind: Grain,
    Jpeg.kind: Jpeg,
    Camera.kind: Camera,
}


def parse(text: str) -> Degradation:
    """The degradation that ``kind:level[:clip]`` names, one of `DEGRADATIONS` or `Shrink`; several with ``+`` are a `Chain`.

    `pellucid.asked` has those that ask for another picture than the one that is given: ``alpha``, ``alpha:box``, ``alpha:point``,
    ``gray``, ``hints:10``; `pellucid.sensor` has ``bayer:LEVEL``; `pellucid.wear` the damage of film, prints and tape.

    >>> parse("gaussian:25:clip")
    Gaussian(level=25.0, clip=True)
    >>> parse("gaussian:25+jpeg:40").sigma
    25.0

    Raises `OptionError` for an unknown kind, a level out of range, or ``clip`` where a kind has no such choice.
    """
    if "+" in text:
        return Chain(tuple(parse(part) for part in text.split("+")))
    found = asked.parse(text.strip()) or sensor.parse(text.strip()) or wear.parse(text.strip())
    if found is not None:
        return found
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
    if law in (SaltPepper, Impulses, Jpeg, Camera):
        raise OptionError(f"{kind} stays within the range, so it takes no ':clip'")
    return law(level, clip=True)  # type: ignore[arg-type, call-arg]
