"""The noise of a camera's shot, from its mosaic: what `pellucid.diagnosis.sensors` finds, where it looks for it, and what the file
states."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import images, sensor
from pellucid.diagnosis import sensors
from pellucid.images import Image, Pixels
from pellucid.maps import Curve
from pellucid.mosaics import CameraData, Colour

__all__ = ["Found", "inspected", "lit", "measured"]

MEASURED, WINDOW = 6_000_000, 256
"""Pixels of a mosaic in which its noise is measured, in bands of so many rows: a larger mosaic says no more."""

COLUMNS, BAND = 512, 512
"""Pairs of columns in which row noise is measured, and rows that are looked at together."""

MIDDLE, DIFFERS = 0.18, 1.25
"""Light at which the noise level is told, a gray card's; and how many times as strong the noise that a file states is there, or as
faint, for a line to say so."""

NONE = sensors.Marks()

COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Found:
    """The noise of a mosaic: the ``gain`` of its shot noise and its ``read`` noise, as shares of the range from black to the
    sensor's end; for each of red, green and blue the factor ``beside`` on their variance; pixels that do not work; and the standard
    deviation of its row noise, with how much each row is too light. ``measured`` is False where the file's own law was taken;
    ``stated`` is that law's level at middle gray as a multiple of the measured one, 0 where the file states none."""

    gain: float
    read: float
    beside: tuple[float, float, float] = (1.0, 1.0, 1.0)
    marks: sensors.Marks = NONE
    rows: float = 0.0
    offsets: NDArray[np.float32] | None = None
    measured: bool = True
    stated: float = 0.0

    def __str__(self) -> str:
        """In words."""
        if self.gain <= 0 and self.read <= 0:
            words = ["no noise to speak of"]
        else:
            words = [f"sensor noise: gain {self.gain:.2g}, read noise {self.read:.2g}"]
        if not self.measured:
            words.append("as the file states: it has too little without texture to measure it")
        elif self.stated > 0 and not 1 / DIFFERS < self.stated < DIFFERS:
            words.append(f"the file states {self.stated:.2g} times that level")
        for name, factor in zip(COLOURS, self.beside, strict=True):
            if factor != 1:
                words.append(f"{name} {np.sqrt(factor):.2g} times as strong")
        if self.marks.hot or self.marks.dead:
            words.append(f"{self.marks.hot} hot and {self.marks.dead} dead pixels")
        if self.rows > 0:
            words.append(f"row noise {self.rows:.2g}")
        return ", ".join(words)

    @property
    def level(self) -> float:
        """The noise's standard deviation at middle gray, in levels of 255."""
        return 255 * float(np.sqrt(Curve(self.read, self.gain).variance(np.full(1, MIDDLE))[0]))

    def details(self) -> tuple[str, ...]:
        """The law of each colour, in words, a line each."""
        laws = zip(COLOURS, self._laws(), strict=True)
        return tuple(f"{name}: gain {law.gain:.3g}, read noise {law.sigma:.3g}" for name, law in laws)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the gain and the read noise of each colour, and what else was found."""
        laws = {name: {"gain": law.gain, "read": law.sigma} for name, law in zip(COLOURS, self._laws(), strict=True)}
        marks = {"hot": self.marks.hot, "dead": self.marks.dead}
        return {"kind": "sensor", **laws, **marks, "rows": self.rows, "measured": self.measured, "stated": self.stated}

    def _laws(self) -> tuple[Curve, ...]:
        """The law of unbalanced red, green and blue."""
        return tuple(Curve(self.read, self.gain).raised(float(np.sqrt(factor))) for factor in self.beside)

    def curves(self, gains: Colour) -> tuple[Curve, Curve, Curve]:
        """The law of balanced red, green and blue."""
        red, green, blue = (law.scaled(gain) for law, gain in zip(self._laws(), gains, strict=True))
        return red, green, blue


def measured(picture: Image, data: CameraData) -> Found:
    """The noise of a mosaic, measured on it; as the file states it, where it is too small to tell or has texture everywhere."""
    plain = replace(data, gains=(1.0, 1.0, 1.0))
    rows, offsets = sensors.rows_of(_columns(picture, plain))
    parts = []
    for top, part in _windows(picture, plain):
        parts.append(part - offsets[top : top + len(part), None] if rows > 0 else part)
    whole = picture.mosaic is not None and np.issubdtype(picture.dtype, np.integer)
    law = sensors.law(parts, data.phase, 1 / (data.white - max(data.black)) if whole else 0.0)
    stated = None if data.noise is None else Curve(float(np.sqrt(max(0.0, data.noise[1][1]))), data.noise[1][0])
    if not law.sure and stated is not None:
        found = Found(stated.gain, stated.sigma, measured=False)
    else:
        found = Found(law.gain, law.read, sensors.beside(parts, data.phase, law.gain, law.read) if law.sure else (1.0, 1.0, 1.0))
        if stated is not None and (law.gain > 0 or law.read > 0):
            light = np.full(1, MIDDLE)
            share = stated.variance(light) / Curve(law.read, law.gain).variance(light)
            found = replace(found, stated=float(np.sqrt(share[0])))
    colours = found.curves(data.gains)
    curves = [colours[colour] for colour in data.sites]
    height = picture.pixels.shape[0]
    bands = ((top, lit(picture, data, top, min(top + BAND + sensors.OVERLAP, height))) for top in range(0, height, BAND))
    marks = sensors.marks(bands, curves, BAND)
    return replace(found, marks=marks, rows=rows, offsets=offsets if rows > 0 else None)


def inspected(picture: Image) -> Found:
    """The noise of a picture that is a mosaic (`Image.mosaic`)."""
    assert picture.mosaic is not None
    return measured(picture, picture.mosaic)


def _windows(picture: Image, data: CameraData) -> Iterator[tuple[int, Pixels]]:
    """The first row and the samples of parts of the mosaic, evenly spread: all of it, where it is small."""
    height, width = (side // 2 * 2 for side in picture.pixels.shape[:2])
    rows = min(height, WINDOW)
    count = max(1, min(-(-height // rows), -(-MEASURED // (rows * width))))
    for index in range(count):
        top = (height - rows) * index // max(1, count - 1) // 2 * 2
        yield top, lit(picture, data, top, top + rows)[:, :width]


def _columns(picture: Image, data: CameraData) -> Pixels:
    """Some of the mosaic's columns, in full height."""
    height, width = picture.pixels.shape[:2]
    pairs = np.linspace(0, max(0, width - 2), min(COLUMNS, max(1, width // 2))).astype(int) // 2 * 2
    chosen = np.unique(np.concatenate([pairs, np.minimum(pairs + 1, width - 1)]))
    return np.concatenate([lit(picture, data, top, min(top + BAND, height))[:, chosen] for top in range(0, height, BAND)])


def lit(picture: Image, data: CameraData, top: int, bottom: int) -> Pixels:
    """Rows of the mosaic as balanced light, its own site first."""
    pixels = images.as_pixels(picture, images.rows_of(picture.pixels, top, bottom))[0]
    return sensor.balanced(pixels, data, None if picture.mosaic is None else picture.steps, top, 0)
