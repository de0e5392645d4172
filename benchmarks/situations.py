"""Made pictures of situations in which denoisers go wrong, each with its clean truth; exits 1 if an output is worse than its input
by more than a tenth of a dB.

    pip install -e '.[bench]'
    python benchmarks/situations.py [--photos FOLDER] [--only WORD] [--json]

PSNR in dB (at most 99) of the input, of what `photo` makes of it without settings, and of what OpenCV's non-local means makes of it
at h = 10, the strength of its own example; then the noise as it was found. Pages, screens, pixels and prints are drawn, photographs
are the package's own, or those of FOLDER, one after the other. Everything follows from the row's number.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

import pellucid
from pellucid import files, samples
from pellucid.errors import PellucidError

Floats = NDArray[np.float64]
Values = NDArray[Any]

SIDE = 384
SAME = 99.0
LOST = 0.1
"""By how many dB an output may be worse than its input."""

BITS = {"uint8": 255, "uint16": 4095}
"""Counts of 16 bits have 12 of them in use."""

WORDS = [
    "the quick brown fox",
    "jumps over",
    "a lazy dog",
    "while 413 pages",
    "of text lie",
    "beside it",
    "(No. 42);",
    "Nothing else.",
]


@dataclass(frozen=True)
class Made:
    """A picture (h, w, channels) as a file has it, whole numbers, and what it would be without its fault."""

    picture: Values
    clean: Values


@dataclass(frozen=True)
class Situation:
    """A ``name``, and how a picture is made of a photograph (h, w, 3), 0 to 255, and a generator; ``settings`` are asked for."""

    name: str
    make: Callable[[Floats, np.random.Generator], Made]
    settings: dict[str, Any] = field(default_factory=dict)


def levels(values: Floats) -> Values:
    """The values rounded to 8 bits."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def pair(clean: Floats, noisy: Floats) -> Made:
    """Both in 8 bits."""
    return Made(levels(noisy), levels(clean))


def unspoiled(clean: Floats) -> Made:
    """A picture without a fault."""
    return pair(clean, clean)


# -- what is drawn ----------------------------------------------------------------------------------------------------


def page(rng: np.random.Generator, size: int = 12, paper: int = 255, ink: int = 0, pitch: int | None = None) -> Floats:
    """A page of text (h, w, 1), a line every ``pitch`` pixels."""
    picture = PillowImage.new("L", (SIDE, SIDE), paper)
    for top in range(12, SIDE - size, round(1.4 * size) if pitch is None else pitch):
        line = " ".join(rng.choice(WORDS, 30))
        ImageDraw.Draw(picture).text((14, top), line, fill=ink, font=ImageFont.load_default(size))
    return np.asarray(picture, dtype=np.float64)[..., None]


def screen(rng: np.random.Generator, *, dark: bool = False) -> Floats:
    """Windows, buttons and labels on a screen (h, w, 3)."""
    back, front = ((30, 32, 38), (225, 225, 230)) if dark else ((245, 246, 248), (25, 25, 30))
    picture = PillowImage.new("RGB", (SIDE, SIDE), back)
    pen = ImageDraw.Draw(picture)
    for _ in range(14):
        left, top, wide, high = (int(rng.integers(low, most)) for low, most in ((0, 300), (0, 330), (40, 160), (24, 90)))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        pen.rounded_rectangle((left, top, left + wide, top + high), 5, fill=colour if rng.random() < 0.5 else back, outline=front)
        pen.text((left + 6, top + 4), " ".join(rng.choice(WORDS, 4)), fill=front, font=ImageFont.load_default(12))
    return np.asarray(picture, dtype=np.float64)


def tiles(rng: np.random.Generator, side: int, colours: int) -> Floats:
    """A map of tiles (h, w, 3), as games have it."""
    kinds = rng.integers(0, 256, (colours, 3))[rng.integers(0, colours, (6, side, side))]
    chosen = rng.integers(0, 6, (SIDE // side, SIDE // side))
    whole: Floats = np.concatenate([np.concatenate(list(kinds[row]), axis=1) for row in chosen]).astype(np.float64)
    return whole


def drawn(clean: Floats, rng: np.random.Generator, sigma: float) -> Made:
    """Noise on a drawing."""
    return pair(clean, with_noise(clean, rng, sigma))


def dithered(photo: Floats) -> Floats:
    """A photograph in a few colours, dithered by Floyd and Steinberg (h, w, 3)."""
    return np.asarray(PillowImage.fromarray(levels(photo)).quantize(16).convert("RGB"), dtype=np.float64)


def cells(rng: np.random.Generator) -> Floats:
    """Bright spots and threads on dark ground, 0 to 1, (h, w, 1): what a microscope sees."""
    down, right = np.mgrid[:SIDE, :SIDE]
    light = np.full((SIDE, SIDE), 0.03)
    for _ in range(60):
        row, column, wide, bright = rng.uniform(0, SIDE), rng.uniform(0, SIDE), rng.uniform(2, 14), rng.uniform(0.05, 0.5)
        light += bright * np.exp(-((down - row) ** 2 + (right - column) ** 2) / (2 * wide**2))
    for _ in range(12):
        slope, start = rng.uniform(-1, 1), rng.uniform(0, SIDE)
        light += 0.15 * np.exp(-((down - start - slope * right - 12 * np.sin(right / 25)) ** 2) / 6)
    bounded: Floats = np.clip(light, 0, 0.95)[..., None]
    return bounded


def printed(photo: Floats, pitch: float, angles: Sequence[float]) -> Floats:
    """A print in dots (h, w, channels): each ink has a lattice of its own angle; drawn four times as large and made smaller."""
    fine = 4
    height, width = photo.shape[:2]
    down, right = np.mgrid[: height * fine, : width * fine] / fine
    inks = []
    for channel, angle in enumerate(angles):
        turn = np.deg2rad(angle)
        along, across = np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right
        screened = (2 + np.cos(2 * np.pi * along / pitch) + np.cos(2 * np.pi * across / pitch)) / 4
        # Shares of paper: the lattice's values are evened out, so that a tone has as much of it as its light says.
        ranks = np.sort(screened.ravel())[:: max(1, screened.size // 4096)]
        even = np.searchsorted(ranks, screened) / len(ranks)
        tone = photo[..., channel].repeat(fine, axis=0).repeat(fine, axis=1) / 255
        white = (even < tone).astype(np.float64)
        inks.append(white.reshape(height, fine, width, fine).mean(axis=(1, 3)) * 235 + 12)
    return np.stack(inks, axis=2)


# -- what is done to pictures -----------------------------------------------------------------------------------------


def with_noise(clean: Floats, rng: np.random.Generator, sigma: float, gain: float = 0.0) -> Floats:
    """Noise of ``sigma`` in levels, and of photons with so much variance for each level."""
    return clean + np.sqrt(sigma**2 + gain * np.maximum(clean, 0)) * rng.standard_normal(clean.shape)


def remapped(photo: Floats, low: float, high: float) -> Floats:
    """The photograph between two levels."""
    return low + photo * (high - low) / 255


def resampled(values: Floats, factor: float, kernel: str) -> Floats:
    """Scaled by Pillow's kernel, in floats."""
    size = round(values.shape[1] * factor), round(values.shape[0] * factor)
    planes = [PillowImage.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(values, 2, 0)]
    scaled = [np.asarray(plane.resize(size, PillowImage.Resampling[kernel])) for plane in planes]
    return np.stack(scaled, axis=2).astype(np.float64)


def turned(values: Floats, angle: float, kernel: str) -> Floats:
    """Turned by so many degrees, in floats; the middle of it, without the corners."""
    planes = [PillowImage.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(values, 2, 0)]
    whole = np.stack([np.asarray(plane.rotate(angle, PillowImage.Resampling[kernel])) for plane in planes], axis=2)
    height, width = whole.shape[:2]
    inner = round(min(height, width) / (np.cos(np.deg2rad(angle)) + np.sin(np.deg2rad(angle)))) - 2
    top, left = (height - inner) // 2, (width - inner) // 2
    return whole[top : top + inner, left : left + inner].astype(np.float64)


def blotches(shape: tuple[int, ...], rng: np.random.Generator, width: float, sigma: float) -> Floats:
    """Noise in colour alone (h, w, 3), under a Gaussian window of that width, with no luma (ITU-R BT.601)."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(shape[0]), np.fft.fftfreq(shape[1]), indexing="ij"))
    window = np.exp(-2 * (np.pi * frequency * width) ** 2)
    made = []
    for _ in range(2):
        plane = np.fft.ifft2(np.fft.fft2(rng.standard_normal(shape[:2])) * window).real
        made.append(plane / plane.std() * sigma)
    blue, red = made
    return np.stack([1.402 * red, -0.344 * blue - 0.714 * red, 1.772 * blue], axis=2)


def spoiled(sigma: float, gain: float = 0.0, low: float = 0, high: float = 255) -> Callable[[Floats, np.random.Generator], Made]:
    """Noise on the photograph between two levels."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        clean = remapped(photo, low, high)
        return pair(clean, with_noise(clean, rng, sigma, gain))

    return make


def framed(value: float, share: float, sigma: float, kind: str) -> Callable[[Floats, np.random.Generator], Made]:
    """A constant around a noisy photograph: ``letterbox``, ``page`` or ``round``."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        height, width = photo.shape[:2]
        down, right = np.mgrid[:height, :width]
        if kind == "letterbox":
            hidden = (down < height * share / 2) | (down >= height * (1 - share / 2))
        elif kind == "page":
            inner = np.sqrt(1 - share)
            hidden = ~((down < height * inner) & (right < width * inner))
        else:
            hidden = (down - height / 2) ** 2 + (right - width / 2) ** 2 > (1 - share) * height * width / np.pi
        clean = np.where(hidden[..., None], value, photo)
        return pair(clean, np.where(hidden[..., None], value, with_noise(photo, rng, sigma)))

    return make


def after(change: Callable[[Floats], Floats], sigma: float) -> Callable[[Floats, np.random.Generator], Made]:
    """Noise that was changed together with the picture."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        return pair(change(photo), change(with_noise(photo, rng, sigma)))

    return make


def banded(rows: float, columns: float, sigma: float, dim: float = 1.0) -> Callable[[Floats, np.random.Generator], Made]:
    """Rows and columns that are lighter and darker."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        clean = photo * dim
        bands = rows * rng.standard_normal((photo.shape[0], 1, 1)) + columns * rng.standard_normal((1, photo.shape[1], 1))
        return pair(clean, with_noise(clean, rng, sigma) + bands)

    return make


def green(photo: Floats, rng: np.random.Generator) -> Made:
    """Leaves: hardly any red or blue."""
    clean = photo * np.array([0.08, 0.9, 0.05])
    return pair(clean, with_noise(clean, rng, 5, 0.3))


def under_sky(photo: Floats, rng: np.random.Generator) -> Made:
    """A camera's picture with a bright sky, in which the tone curve leaves next to no noise."""
    height = photo.shape[0] // 2
    clean = photo * 0.7 + 13
    clean[:height] = np.linspace(245, 251, height)[:, None, None]
    noise = rng.standard_normal(photo.shape)
    noise += (np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 2
    noise *= 6 / noise.std()
    noise[:height] *= 0.08
    return pair(clean, clean + noise)


def micrograph(light: Floats, rng: np.random.Generator, photons: float, reading: float) -> Made:
    """Counts of 12 bits: so many photons at white, and noise of reading in counts."""
    counts = light * 3800 + 120
    noisy = counts + rng.standard_normal(light.shape) * np.sqrt(reading**2 + counts * 3800 / photons)
    return Made(*(np.clip(np.rint(values), 0, 4095).astype(np.uint16) for values in (noisy, counts)))


def by_place(shape: str, low: float, high: float) -> Callable[[Floats, np.random.Generator], Made]:
    """Noise that grows from left to right, or towards the corners."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        down, right = np.mgrid[-1 : 1 : photo.shape[0] * 1j, -1 : 1 : photo.shape[1] * 1j]
        share = (right + 1) / 2 if shape == "right" else (down**2 + right**2) / 2
        return pair(photo, photo + (low + (high - low) * share)[..., None] * rng.standard_normal(photo.shape))

    return make


def in_part(shape: str, sigma: float) -> Callable[[Floats, np.random.Generator], Made]:
    """Noise in the lower half, in the right one, or in a quarter; none elsewhere."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        height, width = (side // 2 for side in photo.shape[:2])
        noise = sigma * rng.standard_normal(photo.shape)
        if shape in ("lower half", "quarter"):
            noise[:height] = 0
        if shape in ("right half", "quarter"):
            noise[:, :width] = 0
        return pair(photo, photo + noise)

    return make


def in_colour(width: float, sigma: float, fine: float) -> Callable[[Floats, np.random.Generator], Made]:
    """Blotches of colour, and fine noise besides."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        return pair(photo, with_noise(photo, rng, fine) + blotches(photo.shape, rng, width, sigma))

    return make


def struck(share: float, channels: int) -> Callable[[Floats, np.random.Generator], Made]:
    """A few pixels that are white: in red alone where there is colour."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        clean = photo if channels == 3 else photo[..., 1:2]
        noisy = clean.copy()
        noisy[rng.random(photo.shape[:2]) < share, 0] = 255
        return pair(clean, noisy)

    return make


def one_channel(share: float, channel: int, *, ends: bool) -> Callable[[Floats, np.random.Generator], Made]:
    """Impulses in a channel alone: black and white ones (``ends``), or of any value."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        noisy = photo.copy()
        there = rng.random(photo.shape[:2]) < share
        count = int(there.sum())
        noisy[there, channel] = 255 * rng.integers(0, 2, count) if ends else rng.integers(0, 256, count)
        return pair(photo, noisy)

    return make


def struck_page(photo: Floats, rng: np.random.Generator) -> Made:
    """A page of text with impulses of any value."""
    clean = page(rng, 13)
    noisy = np.where(rng.random(clean.shape) < 0.01, rng.integers(0, 256, clean.shape), clean)
    return pair(clean, noisy)


def inserted(photo: Floats, rng: np.random.Generator) -> Made:
    """A noisy photograph on a screen."""
    clean = screen(rng)
    noisy = clean.copy()
    clean[60:300, 70:340] = photo[:240, :270]
    noisy[60:300, 70:340] = with_noise(photo[:240, :270], rng, 20)
    return pair(clean, noisy)


def repeated(photo: Floats, rng: np.random.Generator) -> Made:
    """A noisy photograph that was made larger by repeating its pixels."""
    small = photo[: SIDE // 2, : SIDE // 2]
    return pair(*(each.repeat(2, axis=0).repeat(2, axis=1) for each in (small, with_noise(small, rng, 20))))


def screened(angles: Sequence[float], pitch: float, *, kept: bool) -> Callable[[Floats, np.random.Generator], Made]:
    """A print in dots: nothing is to be done to it (``kept``), or the dots are to be taken away."""

    def make(photo: Floats, rng: np.random.Generator) -> Made:
        dots = printed(photo, pitch, angles)
        return unspoiled(dots) if kept else pair(photo[..., : len(angles)] / 255 * 235 + 12, dots)

    return make


def gray(photo: Floats, rng: np.random.Generator) -> Made:
    """A noisy gray picture, stored as red, green and blue."""
    noisy = with_noise(photo[..., 1:2], rng, 30)
    return pair(photo[..., [1, 1, 1]], noisy[..., [0, 0, 0]])


SITUATIONS = (
    Situation("page of text", lambda photo, rng: unspoiled(page(rng))),
    Situation("page of text, noise 5", lambda photo, rng: (lambda clean: pair(clean, with_noise(clean, rng, 5)))(page(rng))),
    Situation(
        "gray page, noise 15", lambda photo, rng: (lambda clean: pair(clean, with_noise(clean, rng, 15)))(page(rng, 16, 225, 40))
    ),
    Situation("photograph on a page, noise 15", framed(245, 0.3, 15, "page")),
    Situation("screen", lambda photo, rng: unspoiled(screen(rng))),
    Situation("dark screen", lambda photo, rng: unspoiled(screen(rng, dark=True))),
    Situation("photograph on a screen, noise 20", inserted),
    Situation("tiles of a game", lambda photo, rng: unspoiled(tiles(rng, 16, 6))),
    Situation("pixels four times as large", lambda photo, rng: unspoiled(tiles(rng, 8, 4)[:96, :96].repeat(4, 0).repeat(4, 1))),
    Situation("photograph in 16 colours", lambda photo, rng: unspoiled(dithered(photo))),
    Situation("photograph", lambda photo, rng: unspoiled(photo)),
    Situation("pixels repeated, noise 20", repeated),
    Situation("letterbox, noise 10", framed(0, 0.25, 10, "letterbox")),
    Situation("gray letterbox, noise 25", framed(16, 0.4, 25, "letterbox")),
    Situation("round field, noise 15", framed(3, 0.4, 15, "round")),
    Situation("micrograph, 300 photons", lambda photo, rng: micrograph(cells(rng), rng, 300, 20)),
    Situation("micrograph, 40 photons", lambda photo, rng: micrograph(cells(rng), rng, 40, 30)),
    Situation("thermal picture, 12 bits", lambda photo, rng: micrograph(photo[..., 1:2] / 255 * 0.2, rng, 1e6, 40)),
    Situation("noise 25, halved, bicubic", after(lambda values: resampled(values, 0.5, "BICUBIC"), 25)),
    Situation("noise 15, x0.7, Lanczos", after(lambda values: resampled(values, 0.7, "LANCZOS"), 15)),
    Situation("noise 15, x1.25, bilinear", after(lambda values: resampled(values, 1.25, "BILINEAR"), 15)),
    Situation("noise 15, x1.5, bicubic", after(lambda values: resampled(values, 1.5, "BICUBIC"), 15)),
    Situation("noise 15, turned, bilinear", after(lambda values: turned(values, 30, "BILINEAR"), 15)),
    Situation("noise 25, turned, bicubic", after(lambda values: turned(values, 30, "BICUBIC"), 25)),
    Situation("bands in rows", banded(8, 0, 0)),
    Situation("bands in columns, noise 5", banded(0, 10, 5)),
    Situation("bands in the dark, noise 4", banded(5, 0, 4, 0.3)),
    Situation("pale, noise 4", spoiled(2, 0.06, 200, 255)),
    Situation("nearly white, noise 4", spoiled(2, 0.05, 235, 255)),
    Situation("dark, noise 3", spoiled(2, 0.3, 0, 40)),
    Situation("nearly black, noise 3", spoiled(2, 0.6, 0, 20)),
    Situation("saturated green", green),
    Situation("blotches of colour", in_colour(8, 8, 0)),
    Situation("blotches of colour, noise 5", in_colour(5, 10, 5)),
    Situation("print in dots", screened((45,), 5.6, kept=True)),
    Situation("print in coloured dots", screened((15, 75, 45), 6.4, kept=True)),
    Situation("print in dots, descreened", screened((45,), 5.6, kept=False), {"descreen": True}),
    Situation("print in coloured dots, descreened", screened((15, 75, 45), 6.4, kept=False), {"descreen": True}),
    Situation("hot pixels in red, 0.1 %", struck(0.001, 3)),
    Situation("hot pixels in gray, 0.3 %", struck(0.003, 1)),
    Situation("noise 3 to 25 by place", by_place("right", 3, 25)),
    Situation("noise 4 to 20 in the corners", by_place("corners", 4, 20)),
    Situation("gray as colour, noise 30", gray),
    Situation("noise 6 under a bright sky", under_sky),
    Situation("tight text, noise 5", lambda photo, rng: drawn(page(rng, 9, pitch=10), rng, 5)),
    Situation("tight small text, noise 3", lambda photo, rng: drawn(page(rng, 7, pitch=8), rng, 3)),
    Situation("dark page, noise 6", lambda photo, rng: drawn(page(rng, 11, 30, 220), rng, 6)),
    Situation("noise 15 in the lower half", in_part("lower half", 15)),
    Situation("noise 8 in the right half", in_part("right half", 8)),
    Situation("noise 20 in a quarter", in_part("quarter", 20)),
    Situation("bands in rows and columns", banded(6, 6, 0)),
    Situation("faint bands under noise 15", banded(5, 0, 15)),
    Situation("10 % of red black and white", one_channel(0.1, 0, ends=True)),
    Situation("10 % of blue of any value", one_channel(0.1, 2, ends=False)),
    Situation("page of text, 1 % of any value", struck_page),
    Situation("tiles of a game, noise 8", lambda photo, rng: drawn(tiles(rng, 16, 12), rng, 8)),
)


def photographs(folder: Path | None) -> list[Floats]:
    """Photographs (`SIDE`, `SIDE`, 3), 0 to 255: the package's own, two parts of it, or the middle of each of a folder's."""
    if folder is None:
        whole = samples.photograph().astype(np.float64)
        return [whole[8 : 8 + SIDE, :SIDE], whole[8 : 8 + SIDE, -SIDE:]]
    found = []
    for path in files.list_images(folder):
        pixels = files.read(path).pixels.astype(np.float64) * 255
        if pixels.shape[2] == 3 and min(pixels.shape[:2]) >= SIDE:
            top, left = ((side - SIDE) // 2 for side in pixels.shape[:2])
            found.append(pixels[top : top + SIDE, left : left + SIDE])
    if not found:
        raise SystemExit(f"{folder}: no colour photograph of {SIDE}x{SIDE} pixels")
    return found


def psnr(one: Values, other: Values) -> float:
    """In dB, at most `SAME`."""
    whole = BITS[str(one.dtype)]
    squared = float(np.square((one.astype(np.float64) - other) / whole).mean())
    return min(SAME, -10 * float(np.log10(max(squared, 1e-12))))


def non_local_means(picture: Values) -> Values:
    """OpenCV's, at its example's strength."""
    import cv2

    whole = BITS[str(picture.dtype)]
    eight = np.rint(picture * (255 / whole)).astype(np.uint8)
    if picture.shape[2] == 1:
        output = cv2.fastNlMeansDenoising(eight[..., 0], None, 10, 7, 21)[..., None]
    else:
        output = cv2.fastNlMeansDenoisingColored(np.ascontiguousarray(eight[..., ::-1]), None, 10, 10, 7, 21)[..., ::-1]
    values: Values = np.rint(output * (whole / 255)).astype(picture.dtype)
    return values


def made(number: int, photos: Sequence[Floats]) -> Made:
    """The picture of a row."""
    return SITUATIONS[number].make(photos[number % len(photos)], np.random.default_rng(number))


def measured(number: int, photos: Sequence[Floats], *, beside: bool = True) -> dict[str, Any]:
    """The row of a situation."""
    situation, pictures = SITUATIONS[number], made(number, photos)
    given = pictures.picture if pictures.picture.shape[2] == 3 else pictures.picture[..., 0]
    found = pellucid.load().details(given, **situation.settings)
    output = np.asarray(found.image).reshape(pictures.clean.shape)
    row = {
        "name": situation.name,
        "input": psnr(pictures.clean, pictures.picture),
        "output": psnr(pictures.clean, output),
        "noise": str(found.diagnosis),
    }
    if beside:
        row["non-local means"] = psnr(pictures.clean, non_local_means(pictures.picture))
    return row


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="other photographs (default: the package's own)")
    parser.add_argument("--only", default="", metavar="WORD", help="only the rows whose names contain it")
    parser.add_argument("--json", action="store_true", help="as JSON, a line for each row")
    options = parser.parse_args()
    worse = []
    try:
        photos = photographs(options.photos)
        if not options.json:
            print(f"{'':<34}{'input':>8}{'output':>8}{'nlm':>8}  noise")
        for number, situation in enumerate(SITUATIONS):
            if options.only not in situation.name:
                continue
            row = measured(number, photos)
            if row["output"] < row["input"] - LOST:
                worse.append(situation.name)
            if options.json:
                print(json.dumps(row), flush=True)
            else:
                figures = "".join(f"{row[name]:>8.2f}" for name in ("input", "output", "non-local means"))
                print(f"{row['name']:<34}{figures}  {row['noise']}", flush=True)
    except PellucidError as error:
        print(f"situations: {error}", file=sys.stderr)
        return 1
    if worse:
        print(f"worse than the input: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
