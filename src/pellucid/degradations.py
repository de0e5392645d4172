"""Seeded ways to spoil a clean image.

A degradation is a frozen dataclass; calling it with a clean image and a generator gives the spoiled one. Images are
float arrays of shape ``(height, width)`` or ``(height, width, channels)`` in [0, 1]; the answer has the same shape and is
float32. Nothing here keeps state: the same image, fields and generator state give the same answer.

The text form ``kind:level[:clip]`` (``gaussian:25``, ``salt-pepper:0.1``, ``gaussian:51:clip``) is what the command line
and recipes use, several in a row with ``+`` (``gaussian:25+salt-pepper:0.1+jpeg:40``); `parse` reads it and ``str()`` writes it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import images
from pellucid.errors import OptionError

__all__ = [
    "DEGRADATIONS",
    "Camera",
    "Chain",
    "Degradation",
    "Gaussian",
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

    def whole(self, clean: NDArray[Depth]) -> NDArray[Depth]:
        """The part of a clean image that is spoiled, and that an answer is compared with: all of it for every noise."""

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

    def whole(self, clean: NDArray[Depth]) -> NDArray[Depth]:
        """The part of a clean image that is spoiled."""
        return clean


def _checked(kind: str, name: str, value: float, low: float, high: float) -> float:
    """``value`` as a float; `OptionError` when it is not a number in [low, high]."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not low <= number <= high:
        raise OptionError(f"{kind}: {name} must be a number from {low:g} to {high:g}, not {value!r}")
    return number


def _text(value: float) -> str:
    """The number as short as it can be read back exactly, without a ``+``, which parts a chain."""
    short = f"{value:g}"
    return short if float(short) == value and "+" not in short else repr(value)


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
        return f"{self.kind}:{_text(self.level)}{':clip' if self.clip else ''}"


@dataclass(frozen=True)
class _Replaced(_Law):
    """What replaces a share ``level`` (0 to 1) of pixels."""

    level: float
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checked(self.kind, "share of pixels", self.level, 0, 1))

    @property
    def density(self) -> float:
        """``level``."""
        return self.level

    def __str__(self) -> str:
        return f"{self.kind}:{_text(self.level)}"


@dataclass(frozen=True)
class SaltPepper(_Replaced):
    """A share ``level`` (0 to 1) of pixels replaced: half by 0, half by 1, each channel of a pixel alike."""

    kind: ClassVar[str] = "salt-pepper"

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
        return f"{self.kind}:{_text(self.level)}{':clip' if self.clip else ''}"


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
        return f"{self.kind}:{_text(self.level)}{':clip' if self.clip else ''}"


@dataclass(frozen=True)
class Jpeg(_Law):
    """JPEG compression at quality ``level`` (1 to 100), with libjpeg's tables and 4:2:0 colour as Pillow writes it.

    The image is clipped and rounded to 8 bits first, as the format demands. Uses no randomness.
    """

    level: float
    kind: ClassVar[str] = "jpeg"

    def __post_init__(self) -> None:
        # A quality is a whole number.
        object.__setattr__(self, "level", float(round(_checked(self.kind, "quality", self.level, 1, 100))))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        levels = np.rint(np.clip(clean, 0, 1) * 255).astype(np.uint8)
        squeezed = levels[..., 0] if levels.ndim == 3 and levels.shape[2] == 1 else levels
        buffer = io.BytesIO()
        PillowImage.fromarray(squeezed).save(buffer, "JPEG", quality=int(self.level))
        with PillowImage.open(buffer) as decoded:
            pixels: Pixels = np.asarray(decoded, dtype=np.float32) / np.float32(255)
        return pixels.reshape(clean.shape)

    def __str__(self) -> str:
        return f"{self.kind}:{_text(self.level)}"


@dataclass(frozen=True)
class Camera(_Law):
    """What a camera makes of a scene in little light: noise on the sensor, seen through the camera's own processing.

    ``level`` is the gain of the shot noise (0 to 0.05): the variance of a sensor value in [0, 1] is ``level`` times it, and the
    read noise. Brooks et al. 2019, "Unprocessing Images for Learned Raw Denoising": the image is taken back to sensor values (tone
    curve, gamma 2.2, colour matrix, white balance, mosaic), noise is added there (their fit of the read noise to the shot noise of
    real cameras; shot gains of 0.0001 to 0.012 are theirs), and the same steps lead forward again. Between them lie what they
    leave out and cameras do: bilinear demosaicing, some smoothing, more of colour than of brightness, and JPEG of quality 80 to
    97. So the noise is correlated and depends on the signal. Gray images pass as colourless ones. Always clipped; 0 still has the
    processing.
    """

    level: float
    kind: ClassVar[str] = "camera"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", _checked(self.kind, "gain of the shot noise", self.level, 0, 0.05))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        scene = np.clip(np.atleast_3d(clean), 0, 1).astype(np.float64)
        gray = scene.shape[2] == 1
        scene = np.repeat(scene, 3, axis=2) if gray else scene
        matrix = _camera_matrix(rng)
        gains = np.array([rng.uniform(1.9, 2.4), 1.0, rng.uniform(1.5, 1.9)]) / rng.normal(0.8, 0.1)
        linear = (0.5 - np.sin(np.arcsin(1 - 2 * scene) / 3)) ** 2.2 @ matrix.T
        mosaic = _mosaic(_dimmed(np.clip(linear, 0, 1), gains))
        if self.level > 0:
            read = np.exp(2.18 * np.log(self.level) + 1.20 + rng.normal(0, 0.26))
            mosaic = mosaic + rng.standard_normal(mosaic.shape) * np.sqrt(mosaic * self.level + read)
        sensed = np.clip(_demosaiced(np.clip(mosaic, 0, 1)) * gains, 0, 1)
        toned = np.clip(sensed @ np.linalg.inv(matrix).T, 0, 1) ** (1 / 2.2)
        developed = _smoothed(3 * toned**2 - 2 * toned**3, rng.uniform(0, 0.5), rng.uniform(0.3, 1.0))
        answer = Jpeg(float(rng.integers(80, 98)))(developed, rng)
        if gray:
            answer = images.gray(answer)
        return answer.reshape(clean.shape)

    def __str__(self) -> str:
        return f"{self.kind}:{_text(self.level)}"


RGB_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
"""sRGB's primaries (IEC 61966-2-1)."""

XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.613, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.838, -0.263, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.097, 0.1581, 0.5181]],
    ]
)
"""Four cameras' colour matrices, as Brooks et al. 2019 list them."""


def _camera_matrix(rng: np.random.Generator) -> NDArray[np.float64]:
    """A camera's colour matrix from linear sRGB, a random mixture of the four; white stays white."""
    shares = rng.uniform(1e-8, 1e8, len(XYZ_TO_CAMERA))
    matrix = np.tensordot(shares / shares.sum(), XYZ_TO_CAMERA, 1) @ RGB_TO_XYZ
    answer: NDArray[np.float64] = matrix / matrix.sum(axis=1, keepdims=True)
    return answer


def _dimmed(linear: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undoes the gains of white balance and exposure; highlights are kept, since clipped ones were never dimmer (Brooks et al.)."""
    inflection = 0.9
    bright = np.clip((linear.mean(axis=2, keepdims=True) - inflection) / (1 - inflection), 0, 1) ** 2
    safe: NDArray[np.float64] = linear * np.maximum(bright + (1 - bright) / gains, 1 / gains)
    return safe


def _mosaic(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a sensor with a Bayer mosaic (RGGB) sees of (h, w, 3): (h, w)."""
    seen = linear[..., 1].copy()
    seen[::2, ::2] = linear[::2, ::2, 0]
    seen[1::2, 1::2] = linear[1::2, 1::2, 2]
    return seen


def _demosaiced(mosaic: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w, 3) from an RGGB mosaic (h, w): each colour the mean of its values among the 3x3 pixels around, weighted 1 2 1."""
    height, width = mosaic.shape
    planes = np.zeros((height, width, 3))
    known = np.zeros((height, width, 3))
    for channel, (rows, columns) in enumerate((((0,), (0,)), ((0, 1), (1, 0)), ((1,), (1,)))):
        for row, column in zip(rows, columns, strict=True):
            planes[row::2, column::2, channel] = mosaic[row::2, column::2]
            known[row::2, column::2, channel] = 1
    return _around(planes) / np.maximum(_around(known), 1e-9)


def _around(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(h, w, c) under the window 1 2 1 across and down, without what lies outside; the sum of its weights is 16 inside."""
    wide = np.pad(planes, ((1, 1), (1, 1), (0, 0)))
    down = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    across: NDArray[np.float64] = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return across


def _smoothed(pixels: NDArray[np.float64], brightness: float, colour: float) -> NDArray[np.float64]:
    """Shares of ``brightness`` and ``colour`` (0 to 1) of an image (h, w, 3) replaced by their mean around each pixel."""
    weights = _around(np.ones((*pixels.shape[:2], 1)))
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    chroma = pixels - luma[..., None]
    luma = luma + brightness * (_around(luma[..., None]) / weights - luma[..., None])[..., 0]
    for _ in range(2):
        chroma = chroma + colour * (_around(chroma) / weights - chroma)
    smoothed: NDArray[np.float64] = chroma + luma[..., None]
    return smoothed


@dataclass(frozen=True)
class Chain(_Law):
    """Several degradations, one after the other; ``parts`` has two or more."""

    parts: tuple[Degradation, ...]
    kind: ClassVar[str] = "chain"

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or any(part.scale > 1 for part in self.parts):
            raise OptionError("a chain of degradations has two or more, and none that changes the size")

    @property
    def sigma(self) -> float:
        """Of the Gaussian parts together."""
        return float(np.sqrt(sum(part.sigma**2 for part in self.parts)))

    @property
    def density(self) -> float:
        """Share of pixels that are an impulse of one part or another."""
        return float(1 - np.prod([1 - part.density for part in self.parts]))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        spoiled = clean
        for part in self.parts:
            spoiled = part(spoiled, rng)
        return np.asarray(spoiled, dtype=np.float32)

    def __str__(self) -> str:
        return "+".join(str(part) for part in self.parts)


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

    def whole(self, clean: NDArray[Depth]) -> NDArray[Depth]:
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
        return f"{self.kind}:{_text(self.level)}"


DEGRADATIONS: dict[str, type[Gaussian | SaltPepper | Impulses | Poisson | Speckle | Jpeg | Camera]] = {
    Gaussian.kind: Gaussian,
    SaltPepper.kind: SaltPepper,
    Impulses.kind: Impulses,
    Poisson.kind: Poisson,
    Speckle.kind: Speckle,
    Jpeg.kind: Jpeg,
    Camera.kind: Camera,
}


def parse(text: str) -> Degradation:
    """The degradation that ``kind:level[:clip]`` names, one of `DEGRADATIONS` or `Shrink`; several with ``+`` are a `Chain`.

    >>> parse("gaussian:25:clip")
    Gaussian(level=25.0, clip=True)
    >>> parse("gaussian:25+jpeg:40").sigma
    25.0

    Raises `OptionError` for an unknown kind, a level out of range, or ``clip`` where a kind has no such choice.
    """
    if "+" in text:
        return Chain(tuple(parse(part) for part in text.split("+")))
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
        raise OptionError(f"{kind} never leaves the range: it takes no ':clip'")
    return law(level, clip=True)  # type: ignore[arg-type, call-arg]
