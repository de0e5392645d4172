"""A camera's sensor: what it measures of a scene through a Bayer mosaic, with its noise; and the planes that a network makes
colours of.

Everything here is in balanced light: linear, in the camera's own colours, times the gains of its white balance, so that a gray
thing has three equal values and edges lie in one place in all of them. 0 is black; 1 is where the least amplified colour is at the
sensor's end, so others go up to their gain. The mosaic is red, green / green, blue (RGGB), and both sides are even.

`pellucid.training.mosaics` has the same for batches on a device; a test holds both equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid import camera
from pellucid.errors import OptionError
from pellucid.laws import Law, checked
from pellucid.maps import Curve
from pellucid.mosaics import ORDER, CameraData

__all__ = [
    "AROUND",
    "FILTERS",
    "LARGEST",
    "SITES",
    "WINDOW",
    "Bayer",
    "Sensor",
    "balanced",
    "interpolated",
    "levels",
    "lights",
    "linear",
    "parse",
    "read_noise",
    "sampled",
    "toned",
]

Pixels = NDArray[np.float32]

SITES = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2))
"""The four samples of each 2x2 pixels: row, column, and the colour (0 red, 1 green, 2 blue)."""

AROUND = 4
"""How far `lights` looks, in pixels."""

WINDOW = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""The window, along samples of one site, under which `lights` averages: 1.0 samples wide (standard deviation), 2 pixels."""

LARGEST = 0.1
"""The largest gain of the shot noise: ten photons at white."""

BELOW = 0.0031308
"""Up to here sRGB's tone curve is a line (IEC 61966-2-1)."""


# -- colours from a mosaic by linear filters ----------------------------------------------------------------------------

_Weights = dict[tuple[int, int], float]

_GREEN: _Weights = {(0, 0): 4, (-1, 0): 2, (1, 0): 2, (0, -1): 2, (0, 1): 2, (-2, 0): -1, (2, 0): -1, (0, -2): -1, (0, 2): -1}
_BESIDE: _Weights = {
    **{(0, 0): 5, (0, -1): 4, (0, 1): 4, (0, -2): -1, (0, 2): -1, (-2, 0): 0.5, (2, 0): 0.5},
    **{(-1, -1): -1, (-1, 1): -1, (1, -1): -1, (1, 1): -1},
}
_ABOVE: _Weights = {(right, down): weight for (down, right), weight in _BESIDE.items()}
_ACROSS: _Weights = {
    **{(0, 0): 6, (-1, -1): 2, (-1, 1): 2, (1, -1): 2, (1, 1): 2},
    **{(-2, 0): -1.5, (2, 0): -1.5, (0, -2): -1.5, (0, 2): -1.5},
}
_ITSELF: _Weights = {(0, 0): 8}

FILTERS: dict[tuple[int, int], tuple[_Weights, ...]] = {
    (0, 0): (_ITSELF, _GREEN, _ACROSS),
    (0, 1): (_BESIDE, _ITSELF, _ABOVE),
    (1, 0): (_ABOVE, _ITSELF, _BESIDE),
    (1, 1): (_ACROSS, _GREEN, _ITSELF),
}
"""By a sample's row and column: for red, green and blue the weight, in eighths, of each pixel around it (down, right)."""


def interpolated(mosaic: Pixels) -> Pixels:
    """The colours (3, h, w) of a mosaic (h, w) with even sides, by linear filters; mirrored at its edges.

    Each filter is the mean of the samples of a colour around a pixel, and some of how far the pixel's own colour bends there:
    Malvar, He and Cutler 2004, "High-Quality Linear Interpolation for Demosaicing of Bayer-Patterned Color Images".
    """
    height, width = mosaic.shape
    # Mirrored at the outermost pixels, a mosaic goes on in step.
    wide = np.pad(mosaic, 2, mode="reflect")
    colours = np.zeros((3, height, width), np.float32)
    for (row, column), filters in FILTERS.items():
        for colour, weights in enumerate(filters):
            total = colours[colour, row::2, column::2]
            for (down, right), weight in weights.items():
                top, left = 2 + row + down, 2 + column + right
                total += wide[top : top + height - row : 2, left : left + width - column : 2] * np.float32(weight / 8)
    return colours


def sampled(colours: Pixels) -> Pixels:
    """The samples (h, w) of ``colours`` (3, h, w)."""
    mosaic = np.empty(colours.shape[1:], np.float32)
    for row, column, colour in SITES:
        mosaic[row::2, column::2] = colours[colour, row::2, column::2]
    return mosaic


def balanced(pixels: Pixels, data: CameraData, steps: float | None, top: int, left: int) -> Pixels:
    """Balanced light (h, w) of the pixels of a mosaic, whose first one lies at that row and column; at most the sensor's end.

    ``steps``: the pixels are a file's whole numbers as shares of so many (`pellucid.images.Image.steps`); None: they are as they
    are in the file.
    """
    whole = 1.0 if steps is None else steps
    light = np.empty_like(pixels)
    for (row, column), black, colour in zip(ORDER, data.black, data.sites, strict=True):
        part = (slice((row - top) % 2, None, 2), slice((column - left) % 2, None, 2))
        gain = data.gains[colour]
        reach = data.white - black
        np.multiply(pixels[part], np.float32(whole * gain / reach), out=light[part])
        light[part] -= np.float32(black * gain / reach)
        np.minimum(light[part], np.float32(gain), out=light[part])
    return light


# -- noise --------------------------------------------------------------------------------------------------------------


def lights(mosaic: Pixels) -> Pixels:
    """The mean (h, w) of the samples of the same site around each pixel of a mosaic (h, w); mirrored at its edges."""
    height, width = mosaic.shape
    wide = np.pad(mosaic, AROUND, mode="reflect")
    down = np.zeros((height, wide.shape[1]), np.float32)
    for index, weight in enumerate(WINDOW):
        down += wide[2 * index : 2 * index + height] * np.float32(weight)
    light = np.zeros_like(mosaic)
    for index, weight in enumerate(WINDOW):
        light += down[:, 2 * index : 2 * index + width] * np.float32(weight)
    return light


def levels(mosaic: Pixels, noise: Sequence[Curve]) -> Pixels:
    """The noise's standard deviation at each pixel of a mosaic (h, w), by the law of each of the four `SITES`."""
    light = lights(mosaic)
    for (row, column, _), curve in zip(SITES, noise, strict=True):
        part = light[row::2, column::2]
        part[...] = np.sqrt(curve.variance(part))
    return light


def read_noise(gain: float, rng: np.random.Generator) -> float:
    """The standard deviation of a sensor's read noise, drawn for a gain of its shot noise, both as shares of the range: what Brooks
    et al. found, spread as far as cameras differ, and never less than some tenths of a count of 14 bits."""
    slope, offset = camera.READ
    found = float(np.exp((slope * np.log(gain) + offset) / 2 + rng.normal(0, 0.4)))
    return float(np.hypot(found, np.exp(rng.uniform(np.log(2e-5), np.log(2e-4)))))


# -- a camera and a scene -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sensor:
    """A camera and an exposure: how it sees a photograph.

    ``curved``: the photograph was made with a tone curve beside sRGB's, which is undone. ``matrix`` (3, 3) leads from linear sRGB
    to the camera's balanced colours, white to white. ``gains`` are those of the white balance, the least of them 1. ``exposure`` is
    the light that white has. ``gain`` and ``read`` are the law of the noise of the unbalanced samples: variance ``gain`` at white,
    and the standard deviation at black. ``floored``: samples below black are black.
    """

    curved: bool
    matrix: Pixels
    gains: tuple[float, float, float]
    exposure: float
    gain: float
    read: float
    floored: bool

    @classmethod
    def drawn(cls, gain: float, rng: np.random.Generator) -> Sensor:
        """One of many cameras, with shot noise of this ``gain``; none has noise at 0."""
        # From the colours of sRGB itself to those of a real camera, whose filters let more of other colours through.
        share = np.float32(rng.choice([0.0, 1.0, rng.uniform()]))
        matrix = share * camera.colour_matrix(rng) + (1 - share) * np.eye(3, dtype=np.float32)
        red, blue = (float(np.exp(rng.uniform(np.log(1.1), np.log(2.8)))) for _ in range(2))
        return cls(
            curved=bool(rng.random() < 0.3),
            matrix=matrix,
            # Mosaics of developed pictures, on which demosaicing is compared, have no balance to undo.
            gains=(red, 1.0, blue) if rng.random() < (0.85 if gain > 0 else 0.5) else (1.0, 1.0, 1.0),
            exposure=float(np.exp(rng.uniform(np.log(0.15), np.log(1.3)))),
            gain=gain,
            read=read_noise(gain, rng) if gain > 0 else 0.0,
            floored=bool(rng.random() < 0.2),
        )

    def noise(self) -> tuple[Curve, ...]:
        """The law of the noise of the balanced samples at each of `SITES`."""
        law = Curve(sigma=self.read, gain=self.gain)
        return tuple(law.scaled(self.gains[colour]) for _, _, colour in SITES)

    def colours(self, scene: Pixels) -> Pixels:
        """The light (h, w, 3), without noise, of a photograph (h, w, 3) in [0, 1]: what a sensor without a mosaic would see."""
        display = 0.5 - np.sin(np.arcsin(1 - 2 * scene) / 3) if self.curved else scene
        light = np.clip(linear(display) @ self.matrix.T, 0, None) * np.float32(self.exposure)
        answer: Pixels = np.minimum(light, np.array(self.gains, np.float32)).astype(np.float32)
        return answer

    def shot(self, colours: Pixels, rng: np.random.Generator) -> Pixels:
        """The samples (h, w) of that light with noise; without, where there is none."""
        mosaic = sampled(colours.transpose(2, 0, 1))
        if self.gain == 0 and self.read == 0:
            return mosaic
        noise = rng.standard_normal(mosaic.shape, dtype=np.float32)
        for (row, column, colour), curve in zip(SITES, self.noise(), strict=True):
            part = mosaic[row::2, column::2]
            part += noise[row::2, column::2] * np.sqrt(curve.variance(part))
            np.clip(part, 0 if self.floored else None, self.gains[colour], out=part)
        return mosaic


def linear(display: Any) -> Any:
    """Light of sRGB values (0 to 1), by the inverse of its tone curve; arrays of NumPy."""
    return np.where(display <= 12.92 * BELOW, display / 12.92, ((np.maximum(display, 0) + 0.055) / 1.055) ** 2.4)


def toned(light: Any) -> Any:
    """sRGB values of light, by its tone curve, which goes on as a line below black and as it is above white; arrays of NumPy."""
    return np.where(light <= BELOW, light * 12.92, 1.055 * np.maximum(light, BELOW) ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Bayer(Law):
    """A plain sensor's samples of a picture: the light of its sRGB values, white at the sensor's end, through the mosaic.

    ``level`` is the gain of the shot noise (0 to 0.1), beside which there is read noise (`read_noise`); 0: no noise at all. The
    perfect output is the light in all three colours. Sides are cut to even numbers.
    """

    level: float
    kind: ClassVar[str] = "bayer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", checked(self.kind, "gain of the shot noise", self.level, 0, LARGEST))

    @property
    def curve(self) -> Curve | None:
        """None: it holds for the samples, not for the picture."""
        return None

    def pair(self, clean: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """The light (h, w, 3), and the samples (h, w)."""
        colours, sensor = self.seen(clean, rng)
        return colours, sensor.shot(colours, rng)

    def seen(self, clean: NDArray[Any], rng: np.random.Generator) -> tuple[Pixels, Sensor]:
        """The light (h, w, 3), and the sensor."""
        if clean.ndim != 3 or clean.shape[2] != 3:
            raise OptionError(f"{self}: a mosaic is made of pictures in colour")
        height, width = (side // 2 * 2 for side in clean.shape[:2])
        read = read_noise(self.level, rng) if self.level > 0 else 0.0
        sensor = Sensor(False, np.eye(3, dtype=np.float32), (1.0, 1.0, 1.0), 1.0, self.level, read, False)
        return sensor.colours(np.clip(clean[:height, :width], 0, 1).astype(np.float32)), sensor

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The samples."""
        return self.pair(clean, rng)[1]


def parse(text: str) -> Bayer | None:
    """The case ``bayer:LEVEL``; None where the text names another."""
    kind, _, level = text.partition(":")
    return Bayer(level) if kind == Bayer.kind else None  # type: ignore[arg-type]  # text is converted and checked by the dataclass
