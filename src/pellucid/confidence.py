"""The planes beside an output that say how far to trust it, as a picture and as a file.

``confidence``: the standard deviation of the error at each pixel, in [0, 1] (`pellucid.diagnosis.doubt`). ``invented``: where the
output may show what no pixel of the input says. The picture is gray, black where nothing is off; what may be invented is hatched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import files, images, maps, ranges
from pellucid.errors import FileError
from pellucid.images import Image

__all__ = ["STEP", "WHITE", "check", "drawn", "fitted", "invented", "joined", "save"]

WHITE = 32
"""The standard deviation in 8-bit levels that is drawn white; black is none, and gray levels lie evenly between."""

STEP, LINE = 8, 2
"""Pixels from one line of the hatching to the next, and those across a line."""

BEYOND = 4.0
"""Deviation in 8-bit levels of what an enlargement has and its input cannot say, from which it is hatched."""

WINDOW = 9
"""Side in pixels of the output's windows in which that deviation is taken."""

Planes = Mapping[str, NDArray[Any]]


def invented(output: NDArray[np.float32], height: int, width: int) -> NDArray[np.bool_]:
    """Where pixels (h, w, channels) of an enlargement have detail that a picture of ``height`` x ``width`` pixels cannot hold: the
    output less itself made so small and large again."""
    luma = images.gray(output)
    small = images.resized(luma, height, width, images.BICUBIC)
    beyond = luma - images.resized(small, luma.shape[0], luma.shape[1], PillowImage.Resampling.LANCZOS)
    energy = maps.box_mean(np.square(beyond[..., 0]), WINDOW)
    return np.asarray(energy > (BEYOND / 255) ** 2)


def fitted(planes: Planes, height: int, width: int) -> dict[str, NDArray[Any]]:
    """The planes at another size."""
    return {
        name: plane
        if plane.shape == (height, width)
        else images.resized(plane[..., None].astype(np.float32), height, width, PillowImage.Resampling.BILINEAR)[..., 0]
        if plane.dtype.kind == "f"
        else images.resized(plane[..., None].astype(np.float32), height, width, PillowImage.Resampling.NEAREST)[..., 0] > 0.5
        for name, plane in planes.items()
    }


def joined(before: Planes, after: Planes, height: int, width: int) -> dict[str, NDArray[Any]]:
    """The planes of two steps, one after the other, at the size of the output: the root of the sum of both squared deviations, as
    of errors that have nothing to do with each other, and what either may have invented."""
    both = fitted(before, height, width)
    for name, plane in fitted(after, height, width).items():
        if name not in both:
            both[name] = plane
        elif name == "invented":
            both[name] = both[name] | plane
        else:
            both[name] = np.hypot(both[name], plane)
    return both


def drawn(planes: Planes) -> NDArray[np.uint8]:
    """The planes as a gray picture (h, w): ``confidence`` from black to `WHITE`, ``invented`` hatched."""
    shape = next(iter(planes.values())).shape
    level = planes.get("confidence", np.zeros(shape, np.float32))
    gray = np.rint(np.clip(level * np.float32(255 / WHITE), 0, 1) * 255).astype(np.uint8)
    if "invented" in planes:
        lines = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) % STEP < LINE
        gray = np.where(planes["invented"] & lines, np.where(gray < 128, np.uint8(255), np.uint8(0)), gray)
    return np.asarray(gray, dtype=np.uint8)


def check(path: Path, names: Sequence[str]) -> None:
    """Before the work: raises `FileError` where no such file is written, or where it would hold numbers and a task that has planes
    of these ``names`` has none."""
    kind = files.check_written(path)
    if not kind.depths:
        raise FileError(f"{path}: {kind.name} is written from its own kind alone; name a PNG, or a TIFF for numbers")
    if "float32" in kind.depths and "confidence" not in names:
        raise FileError(f"{path}: this task says only where its output may be invented; name a PNG for that")


def save(path: Path, planes: Planes, picture: Image, *, overwrite: bool = False) -> None:
    """Writes the planes: a TIFF or an array has the deviation itself, in the units of the ``picture``'s values, as float32 (what
    may be invented is not in it); other formats have the drawn picture. Raises `FileError`."""
    check(path, tuple(planes))
    kind = files.check_written(path)
    if "float32" not in kind.depths:
        words = f"standard deviation of the error: black 0, white {WHITE} levels of 255; hatched: may be invented"
        gray = images.from_array(drawn(planes))
        files.write(path, replace(gray, text=(("Comment", words),)) if kind.name == "PNG" else gray, overwrite=overwrite)
        return
    white = ranges.dtype_ends(picture.dtype)[1] if picture.white is None else picture.white
    values = planes["confidence"] * np.float32(white - picture.black)
    files.write(path, Image(pixels=values[..., None], dtype=np.dtype(np.float32), flat=True), overwrite=overwrite)
