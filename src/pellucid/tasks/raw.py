"""RAW: the mosaic of a camera's sensor becomes a picture in the camera's colours, and its noise is taken out, in one.

The network is given the mosaic in balanced light (`pellucid.sensor`), and the noise's level at each of its pixels; its output is
taken away from the colours that linear filters interpolate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import images, maps, sensor
from pellucid.degradations import Degradation
from pellucid.diagnosis import sensors
from pellucid.diagnosis.shot import Found, measured
from pellucid.engines import Graph, Models
from pellucid.errors import ImageError, OptionError
from pellucid.images import Image, Pixels, Rows
from pellucid.maps import Curve
from pellucid.mosaics import ORDER, PLAIN, CameraData
from pellucid.sensor import Bayer, Sensor
from pellucid.tasks import RawSettings, base
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["CASES", "METRICS", "PROTOCOL", "Found", "Learning", "degraded", "known", "measured", "prepare", "scored"]

CASES: tuple[str, ...] = ("bayer:0", "bayer:0.0005", "bayer:0.005")

METRICS: tuple[str, ...] = ("psnr", "ssim")

EDGE = 8
"""Pixels at each edge that are not scored: papers on demosaicing leave as many out, or more."""

PROTOCOL: Mapping[str, str] = {"crop": f"{EDGE} pixels at each edge", "psnr": "per image, in linear light"}


TILE = {"bf16": 2048, "f32": 1616}
"""Side in pixels of the square that no piece has more pixels than, by the engine's precision: as for `pellucid.tasks.denoise`."""

ENGINE_BYTES = {"bf16": 210, "f32": 400}
"""Bytes that the engine needs for each pixel of the piece that it works on, by its precision."""

PIECE_BYTES = 100
"""Bytes for each pixel of each piece in flight: the balanced mosaic and its level, the interpolated colours, the output."""

BEST_BYTES, BETWEEN_BYTES = 96, 24
"""The same for what is held beside these where four answers are averaged, and where two strengths are mixed."""

PEDESTAL, WHITE = 2048 / 65535, 65535.0
"""Black of mosaics, as a share of their range, and the white of all outputs: what noise is left may lie below black."""

BRIGHTNESS = np.array([0.25, 0.5, 0.25], np.float32)
"""Weights of balanced red, green and blue: as many as a mosaic has samples of each."""

TURNED = ((), (2,), (1,), (1, 2))
"""The axes along which the mosaic is mirrored for the mean of four answers (``best``)."""

REST, ROUNDING = 0.05, 1 / (12 * 63487.0**2)
"""Share of the noise's standard deviation that an output is said to have where all was taken away; and the variance of rounding to
its steps."""

HALO_SHARE = 0.85
"""The share of the card's ``halo`` that a tile's margin has: as for `pellucid.tasks.denoise`."""


# -- restoring --------------------------------------------------------------------------------------------------------


def prepare(view: View, models: Models, settings: RawSettings) -> base.Job:
    """Measures the noise on the mosaic's four planes, and makes colours of the mosaic piece by piece.

    The picture is a mosaic (`Image.mosaic`), or one plane of light from 0 to 1, red first. Its output has three planes, linear
    light in the camera's own colours (`Image.camera`), unbalanced. Raises `OptionError` for any other picture, and for ``sigma``;
    `ImageError` for less than one cell of the mosaic.
    """
    if view.shape[2] != 1:
        raise OptionError("a model for RAW takes the mosaic of a sensor, one plane; this picture has colours already")
    if min(view.shape[:2]) < 2:
        raise ImageError(f"a mosaic has at least 2x2 pixels, not {view.shape[1]}x{view.shape[0]}")
    if settings.sigma is not None:
        raise OptionError("sigma: the noise of a RAW file is measured from its mosaic; strength takes more of it, or less")
    role = next(iter(models))
    card = models.card(role)
    given = view.picture.mosaic
    data = PLAIN if given is None else given
    # Nobody need measure twice: a preview of a part comes again and again.
    found = view.found = view.found if isinstance(view.found, Found) else measured(view.picture, data)
    # LibRaw takes the black of three colours for that of four, one of which is 0, and the picture for darker than it is.
    pedestal = PEDESTAL if settings.keep_mosaic and given is not None else 0.0
    step = base.Pass(
        partial(_restored, models.graph(role), data, found, settings, pedestal, None if given is None else view.picture.steps),
        tile=TILE[models.precision],
        engine_bytes=ENGINE_BYTES[models.precision],
        piece_bytes=PIECE_BYTES + BEST_BYTES * settings.best + BETWEEN_BYTES * (settings.strength not in (0, 1) or settings.apart),
        channels=3,
        halo=max(round(HALO_SHARE * card.halo), 2 * sensor.AROUND),
        multiple_of=card.multiple_of,
    )

    def finish(picture: Image, pixels: NDArray[Any] | Rows) -> Image:
        if picture.mosaic is None:
            return images.with_pixels(picture, pixels)
        left = replace(picture.mosaic, black=(pedestal * WHITE,) * 4, white=WHITE, noise=_left(found, settings))
        plain = replace(picture, pixels=pixels, mosaic=None, camera=left, dtype=np.dtype(np.uint16), black=0.0, white=None)
        return _sampled(plain) if settings.keep_mosaic else plain

    def facts() -> Mapping[str, Any]:
        return {"sigma": found.level, "estimated": found.measured, "saw": str(found)}

    return base.Job(card.name, (step,), finish=finish, facts=facts)


def _sampled(image: Image) -> Image:
    """The mosaic of an image of a camera's colours: each pixel's own one."""
    data = image.camera
    assert data is not None
    height, width, _ = image.pixels.shape

    def samples(top: int, bottom: int) -> NDArray[Any]:
        band = images.rows_of(image.pixels, top, bottom)
        mosaic = np.empty((*band.shape[:2], 1), band.dtype)
        for (row, column), colour in zip(ORDER, data.sites, strict=True):
            part = (slice((row - top) % 2, None, 2), slice(column, None, 2))
            mosaic[(*part, 0)] = band[(*part, colour)]
        return mosaic

    rows = Rows((height, width, 1), image.pixels.dtype, samples)
    pixels = rows if isinstance(image.pixels, Rows) else images.whole(rows)
    return replace(image, pixels=pixels, mosaic=data, camera=None)


def _left(found: Found, settings: RawSettings) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """The law of the noise that the output still has, for red, green and blue."""
    share = max(REST, 1 - min(settings.strength, 1.0), settings.keep_grain) ** 2
    red, green, blue = ((share * factor * found.gain, share * factor * found.read**2 + ROUNDING) for factor in found.beside)
    return red, green, blue


def _restored(
    graph: Graph,
    data: CameraData,
    found: Found,
    settings: RawSettings,
    pedestal: float,
    steps: float | None,
    planes: Pixels,
    place: Place,
    room: Pixels,
) -> Pixels:
    """The colours (3, h, w) of a piece of the mosaic (1, h, w)."""
    light = sensor.balanced(planes[0], data, steps, place.top, place.left)
    _mended(light, found, data, place)
    mosaic = _in_step(light, place)
    turned = tuple(slice(None, None, -1 if odd else 1) for odd in data.phase)
    # Mirrored, a mosaic of even sides begins with red.
    mosaic = np.ascontiguousarray(mosaic[turned])
    curves = found.curves(data.gains)
    output = _colours(graph, mosaic, [curves[colour] for _, _, colour in sensor.SITES], settings)
    gains = np.array(data.gains, np.float32)[:, None, None]
    output *= np.float32(1 - pedestal) / gains
    output += np.float32(pedestal)
    return np.ascontiguousarray(output[(slice(None), *turned)])


def _colours(graph: Graph, mosaic: Pixels, noise: Sequence[Curve], settings: RawSettings) -> Pixels:
    """Balanced colours (3, h, w) of a mosaic (h, w), with as much noise as the settings leave."""
    level, interpolated = sensor.levels(mosaic, noise), sensor.interpolated(mosaic)
    made: dict[float, Pixels] = {}

    def by(factor: float) -> Pixels:
        if factor not in made:
            given = np.stack([mosaic, level * np.float32(factor)])
            turns = TURNED if settings.best else TURNED[:1]
            output: Pixels = np.stack([_residual(graph, given, axes) for axes in turns]).mean(axis=0, dtype=np.float32)
            made[factor] = np.subtract(interpolated, output, out=output)
        return made[factor]

    def amount(strength: float) -> Pixels:
        if strength >= 1 or strength == 0:
            return by(strength)
        return by(0.0) + np.float32(strength) * (by(1.0) - by(0.0))

    output = amount(settings.strength)
    if settings.apart:
        other = amount(settings.colour_noise or 0.0)
        output = np.asarray(other + np.tensordot(BRIGHTNESS, output - other, 1), dtype=np.float32)
    if settings.keep_grain > 0:
        lost = by(0.0) - output
        fine = np.stack([plane - maps.local_mean(plane) for plane in lost])
        output = np.asarray(output + np.float32(settings.keep_grain) * fine, dtype=np.float32)
    return output.copy() if any(output is each for each in made.values()) else output


def _residual(graph: Graph, given: Pixels, axes: tuple[int, ...]) -> Pixels:
    """The noise that the network takes away, as it answers the mosaic and its level (2, h, w) mirrored along ``axes``."""
    if not axes:
        alone: Pixels = graph(given[None])[0]
        return alone
    step = graph.card.multiple_of
    # Mirrored, a mosaic of even sides begins with another colour: one more row, or column, and red is first again.
    beyond = tuple((1, step - 1) if axis in axes else (0, 0) for axis in range(3))
    mirrored = np.pad(np.flip(given, axes), beyond, mode="reflect")
    inner = tuple(slice(1, 1 - step) if axis in axes else slice(None) for axis in range(3))
    residual: Pixels = np.flip(graph(mirrored[None])[0][inner], axes)
    return residual


def _mended(light: Pixels, found: Found, data: CameraData, place: Place) -> None:
    """Takes row noise away from a piece of balanced light, and gives hot and dead pixels the mean of the nearest of their site."""
    height, width = light.shape
    if found.offsets is not None:
        rows = found.offsets[place.top : place.top + height]
        for (row, column), colour in zip(ORDER, data.sites, strict=True):
            part = light[(row - place.top) % 2 :: 2, (column - place.left) % 2 :: 2]
            own = rows[(row - place.top) % 2 :: 2]
            part[: len(own)] -= (own * np.float32(data.gains[colour]))[:, None]
    if found.marks.rows is None or found.marks.columns is None:
        return
    inside = (found.marks.rows >= place.top) & (found.marks.rows < place.top + height)
    inside &= (found.marks.columns >= place.left) & (found.marks.columns < place.left + width)
    down, right = found.marks.rows[inside] - place.top, found.marks.columns[inside] - place.left
    if not len(down):
        return
    around = []
    for below, beside in sensors.NEAREST:
        # Beyond the piece, the neighbour on the other side.
        y, x = down + below, right + beside
        y, x = np.where((y < 0) | (y >= height), down - below, y), np.where((x < 0) | (x >= width), right - beside, x)
        around.append(light[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)])
    light[down, right] = np.median(np.stack(around), axis=0)


def _in_step(mosaic: Pixels, place: Place) -> Pixels:
    """A piece of a mosaic, mirrored anew beyond the picture's lower and right ends, so that the mosaic goes on there."""
    height, width = (min(side, whole - start) for side, whole, start in zip(mosaic.shape, place.within, place[:2], strict=True))
    if (height, width) == mosaic.shape:
        return mosaic
    beyond = ((0, mosaic.shape[0] - height), (0, mosaic.shape[1] - width))
    # A side of one pixel has nothing to mirror.
    return np.pad(mosaic[:height, :width], beyond, mode="reflect" if min(height, width) > 1 else "edge")


# -- evaluation -------------------------------------------------------------------------------------------------------


def known(case: Degradation, maps: Sequence[str], *, blind: bool) -> RawSettings:
    """Nothing: the noise is measured. Raises `OptionError` for a case that is no mosaic."""
    if not isinstance(case, Bayer):
        raise OptionError(f"{case} is no mosaic; raw takes those alone, such as bayer:0.005")
    return RawSettings()


def scored(case: Degradation, pixels: NDArray[Any]) -> NDArray[Any]:
    """All but the edges."""
    return pixels[EDGE:-EDGE, EDGE:-EDGE] if min(pixels.shape[:2]) > 4 * EDGE else pixels


def degraded(
    case: Degradation, clean: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
    """The light of a picture, its mosaic, and what linear filters make of that."""
    colours, mosaic = case.pair(clean, rng)
    return colours, mosaic, sensor.interpolated(mosaic).transpose(1, 2, 0)


# -- learning ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learning(base.Learning):
    """A mosaic in, colours out, in balanced light.

    Each photograph is seen by a drawn camera (`Sensor.drawn`). ``gain`` are the least and the largest gain of its shot noise, drawn
    evenly in the logarithm; a share ``noiseless`` has no noise. ``doubt`` is the error of the level map: the standard deviation of
    the logarithm of the factor between map and truth (measured levels are never exact).
    """

    gain: tuple[float, float] = (1e-5, 0.04)
    noiseless: float = 0.2
    doubt: float = 0.04
    name: ClassVar[str] = "raw"
    before: ClassVar[str] = "interpolated"
    words: ClassVar[str] = "the linear interpolation"
    plain: ClassVar[Literal["noise", "shrink", "mosaic"] | None] = "mosaic"

    def __post_init__(self) -> None:
        if len(self.gain) != 2 or not 0 < self.gain[0] <= self.gain[1] <= sensor.LARGEST:
            raise OptionError(f"task raw: gain must be two numbers above 0 and up to {sensor.LARGEST:g}, not {self.gain!r}")
        if not 0 <= self.noiseless <= 1 or not 0 <= self.doubt <= 1:
            raise OptionError("task raw: noiseless and doubt must be numbers from 0 to 1")

    @property
    def maps(self) -> tuple[str, ...]:
        """The noise's level at each pixel of the mosaic."""
        return ("sigma",)

    def planes(self, channels: int) -> tuple[int, int]:
        """A mosaic in, three colours out."""
        return 1, 3

    def camera(self, rng: np.random.Generator) -> Sensor:
        """A camera, with noise or without."""
        if rng.random() < self.noiseless:
            return Sensor.drawn(0.0, rng)
        low, high = self.gain
        return Sensor.drawn(float(np.exp(rng.uniform(np.log(low), np.log(high)))), rng)

    def pair(self, clean: Pixels, rng: np.random.Generator) -> base.Pair:
        """A training example from a photograph (height, width, 3), float32 in [0, 1]; its sides are cut to even numbers."""
        camera = self.camera(rng)
        height, width = (side // 2 * 2 for side in clean.shape[:2])
        doubt = float(np.exp(rng.normal(0, self.doubt)))
        return self._shown(camera.colours(clean[:height, :width]), camera, rng, doubt)

    def degrade(self, clean: Pixels, case: Degradation, rng: np.random.Generator) -> base.Pair:
        """The example of a plain sensor with this noise."""
        if not isinstance(case, Bayer):
            raise OptionError(f"task raw: {case} is no mosaic; bayer:GAIN is, such as bayer:0.005")
        return self._shown(*case.seen(clean, rng), rng, 1.0)

    def _shown(self, colours: Pixels, camera: Sensor, rng: np.random.Generator, doubt: float) -> base.Pair:
        mosaic = camera.shot(colours, rng)
        level = sensor.levels(mosaic, camera.noise()) * np.float32(doubt)
        interpolated = np.ascontiguousarray(sensor.interpolated(mosaic).transpose(1, 2, 0))
        return base.Pair(image=mosaic[..., None], maps=level[..., None], clean=colours, base=interpolated)

    def picture(self, image: Pixels, planes: Pixels) -> Pixels:
        """The colours as they are shown."""
        return np.asarray(np.clip(sensor.toned(planes), 0, 1), dtype=np.float32)
