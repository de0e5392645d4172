"""How colouring is learnt: examples of light, hints and chroma from colour photographs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import asked, colour, degradations, images
from pellucid.degradations import Degradation
from pellucid.errors import OptionError
from pellucid.images import Pixels
from pellucid.tasks import base

__all__ = ["Learning", "given_gray"]

FILMS = np.array([[0.299, 0.587, 0.114], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.05, 0.45, 0.5], [0.4, 0.4, 0.2]], dtype=np.float32)
"""How much of red, green and blue films and conversions see: luma, single channels, orthochromatic and panchromatic film."""

CELL = 2
"""Pixels of the patch along a side for each value of chroma: it has no finer detail in most pictures."""


@dataclass(frozen=True)
class Learning(base.Learning):
    """Light and hints in, chroma on the even scale (`colour.planes_of`) out.

    The light is L of CIELAB, or for the share ``wild`` what other films, fading, blur, grain or JPEG make of the colours. A share
    ``unsaid`` of the examples has no hints, the others 1 to ``hints``, few more often than many: each is the mean colour of a small
    square, up to a pixel beside its place. ``tint`` is how far the picture's colours are changed first, as a share: more or less
    saturation, another balance of red and blue.
    """

    hints: int = 50
    unsaid: float = 0.45
    wild: float = 0.5
    tint: float = 0.15
    name: ClassVar[str] = "colorize"
    sees: ClassVar[Literal["crop", "whole"]] = "whole"
    limits: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    before: ClassVar[str] = "gray"
    words: ClassVar[str] = "the gray picture"

    def __post_init__(self) -> None:
        if self.hints < 1 or not all(0 <= share <= 1 for share in (self.unsaid, self.wild, self.tint)):
            raise OptionError("task colorize: hints must be 1 or more; unsaid, wild and tint shares from 0 to 1")

    @property
    def maps(self) -> tuple[str, ...]:
        """The planes of hints."""
        return ("hint-a", "hint-b", "hint")

    def planes(self, channels: int) -> tuple[int, int]:
        """One plane of light in, two of chroma out."""
        return 1, 2

    def pair(self, clean: Pixels, rng: np.random.Generator) -> base.Pair:
        """A training example from a colour picture (h, w, 3), float32 in [0, 1]."""
        tinted = _tinted(clean, self.tint, rng)
        light = _wild_light(tinted, rng) if rng.random() < self.wild else colour.light_of(tinted)
        count = 0 if rng.random() < self.unsaid else round(float(np.exp(rng.uniform(0, np.log(self.hints)))))
        return self._example(light, tinted, rng, count)

    def degrade(self, clean: Pixels, case: Degradation, rng: np.random.Generator) -> base.Pair:
        """The example with the light that is given in the case (`given_gray`), and with the hints of an `asked.Gray`."""
        light = colour.light_of_gray(given_gray(case, clean, rng))
        says = asked.of(case)
        return self._example(light, clean, rng, round(says.level) if isinstance(says, asked.Gray) else 0)

    def picture(self, image: Pixels, planes: Pixels) -> Pixels:
        """The light with that chroma, as sRGB."""
        return colour.rgb_of(image[..., 0] * 100, colour.ab_of(colour.unplaned(planes[..., :2])))

    def _example(self, light: Pixels, tinted: Pixels, rng: np.random.Generator, count: int) -> base.Pair:
        height, width = light.shape
        even = colour.even_of(colour.lab_of(_averaged(tinted, CELL))[..., 1:])
        image = np.asarray(light / 100, dtype=np.float32)[..., None]
        chroma = colour.planes_of(even).repeat(CELL, axis=0).repeat(CELL, axis=1)[:height, :width]
        hints = _drawn_hints(even, (height, width), count, rng)
        chroma = np.ascontiguousarray(chroma)
        return base.Pair(image, hints, chroma, np.zeros_like(chroma))


def given_gray(case: Degradation, clean: NDArray[Any], rng: np.random.Generator) -> Pixels:
    """The gray picture (h, w) that a case gives of a colour one: L of CIELAB, with what the case has beside `asked.Gray`."""
    gray = colour.gray_of(colour.light_of(clean))
    parts: tuple[Degradation, ...] = getattr(case, "parts", (case,))
    for part in parts[asked.of(case) is not None :]:
        gray = part(gray, rng)
    return gray


def _averaged(pixels: Pixels, cell: int) -> Pixels:
    """The means of square cells; an odd row or column at the end is repeated."""
    height, width, _ = pixels.shape
    down, right = -height % cell, -width % cell
    if down or right:
        pixels = np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="edge")
    # NumPy adds whole arrays much faster than it takes means of short axes.
    rows = reduce(np.add, [pixels[index::cell] for index in range(cell)])
    cells = reduce(np.add, [rows[:, index::cell] for index in range(cell)])
    return np.asarray(cells / np.float32(cell**2), dtype=np.float32)


def _tinted(clean: Pixels, share: float, rng: np.random.Generator) -> Pixels:
    """The picture with a little more or less saturation, another balance of red and blue, and another contrast."""
    saturation, warmth, curve = rng.uniform(-share, share, size=3).astype(np.float32)
    luma = (clean @ FILMS[0])[..., None]
    tinted = luma + (1 + saturation) * (clean - luma)
    tinted *= np.array([1 + warmth / 4, 1, 1 - warmth / 4], dtype=np.float32)
    # A curve through black and white: brighter or darker in between.
    return np.asarray(np.clip(tinted + curve * luma * (1 - luma), 0, 1), dtype=np.float32)


def _wild_light(tinted: Pixels, rng: np.random.Generator) -> Pixels:
    """L of CIELAB as some film, some conversion or an old print has the scene."""
    film = FILMS[int(rng.integers(len(FILMS)))] if rng.random() < 0.7 else rng.dirichlet((1, 1.5, 1)).astype(np.float32)
    gray = tinted @ film
    if rng.random() < 0.2:
        (height, width), share = gray.shape, rng.uniform(0.4, 0.8)
        small = images.resized(gray[..., None], max(8, round(height * share)), max(8, round(width * share)), images.BICUBIC)
        gray = images.resized(small, height, width, images.BICUBIC)[..., 0]
    if rng.random() < 0.4:
        black, white = rng.uniform(0, 0.2), rng.uniform(0.8, 1)
        gray = black + (white - black) * np.clip(gray, 0, 1) ** np.float32(rng.uniform(0.7, 1.4))
    if rng.random() < 0.25:
        gray = gray + np.float32(rng.uniform(0, 0.03)) * rng.standard_normal(gray.shape, dtype=np.float32)
    if rng.random() < 0.1:
        gray = degradations.Jpeg(float(rng.uniform(30, 90)))(gray, rng)
    return colour.light_of_gray(gray)


def _drawn_hints(even: Pixels, shape: tuple[int, int], count: int, rng: np.random.Generator) -> Pixels:
    """Planes of so many hints at random places."""
    rows, columns = even.shape[:2]
    places = np.stack([rng.integers(rows, size=count), rng.integers(columns, size=count)], axis=1)
    colours = even[places[:, 0], places[:, 1]]
    beside = places * CELL + rng.integers(-1, 2, size=places.shape)
    return colour.hint_planes(np.concatenate([beside, colours], axis=1), shape, radius=int(rng.integers(0, 3)))
