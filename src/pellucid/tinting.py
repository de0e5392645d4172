"""Colours for a picture that keeps its light: chroma of a small picture, carried to full size along the edges of the light.

Light is CIE luminance Y of linear sRGB, and L of CIELAB (D65) is made of it. Chroma is CIELAB's a and b. Where a colour of that
chroma does not exist at that light, its chroma gives way and Y stays: the way from gray to a colour is a line in linear RGB, and
all of that line has one Y.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.camera import RGB_TO_XYZ
from pellucid.images import Pixels
from pellucid.maps import sums
from pellucid.tiling import Place

__all__ = ["Carried", "carried", "lightness", "luminance", "tinted"]

Planes = NDArray[np.float32]

WHITE = RGB_TO_XYZ.sum(axis=1)
"""XYZ of white."""

XYZ_TO_RGB = np.linalg.inv(RGB_TO_XYZ).astype(np.float32)

DELTA = 6 / 29
"""CIELAB's curve is a straight line below the cube of this."""

WINDOW = 4
"""Pixels of the small picture on each side within which chroma is taken for a linear function of the light: with 256 pixels a side,
a thirtieth of the picture. Chosen by eye on photographs of the package."""

SMOOTH = 2.0
"""Added to the variance of L in such a window (L from 0 to 100): where the light varies by less than its root, chroma is flat."""


MISSED = 1.0
"""Squared error of chroma (CIELAB) in a window, beyond which the window counts less."""

STRIP = 1 << 14
"""Pixels that are worked on together: what fits into a processor's cache beside itself several times."""


def decoded(values: Planes) -> Planes:
    """Linear light of sRGB values in [0, 1], any shape (IEC 61966-2-1)."""
    linear: Planes = np.maximum(values, np.float32(0.04045))
    linear += np.float32(0.055)
    linear *= np.float32(1 / 1.055)
    # NumPy's logarithm and exponential take less time than its power.
    np.log(linear, out=linear)
    linear *= np.float32(2.4)
    np.exp(linear, out=linear)
    np.copyto(linear, values * np.float32(1 / 12.92), where=values <= 0.04045)
    return linear


def encoded(linear: Planes) -> Planes:
    """sRGB values of linear light in [0, 1], any shape: the inverse of `decoded`."""
    # x to the power of 5/12 is the cube root times its own fourth root.
    values = _cube_root(np.maximum(linear, np.float32(0.0031308)))
    values *= np.sqrt(np.sqrt(values))
    values *= np.float32(1.055)
    values -= np.float32(0.055)
    np.copyto(values, linear * np.float32(12.92), where=linear <= 0.0031308)
    return values


def _cube_root(values: Planes) -> Planes:
    """The cube root of float32 values above 0, to its last bit but one: four times as fast as NumPy's.

    A third of a float's bits is its cube root to 4 %; Halley's step leaves a cube of the error, twice.
    """
    root: Planes = (values.view(np.int32) // 3 + np.int32(709921077)).view(np.float32)
    for _ in range(2):
        cube = root * root
        cube *= root
        both = cube + values
        cube += both  # 2 cube + values
        both += values  # cube + 2 values
        both /= cube
        root *= both
    return root


def luminance(planes: Planes) -> Planes:
    """Y (h, w) in [0, 1] of sRGB planes (1 or 3, h, w)."""
    light = np.zeros(planes.shape[1:], np.float32)
    weights = RGB_TO_XYZ[1].astype(np.float32) if len(planes) == 3 else np.ones(1, np.float32)
    for plane, weight in zip(planes, weights, strict=True):
        for top, bottom in _strips(light):
            linear = decoded(np.clip(plane[top:bottom], 0, 1))
            linear *= weight
            light[top:bottom] += linear
    return light


def lightness(light: Planes) -> Planes:
    """CIELAB's L, 0 to 100, of luminance Y (h, w) in [0, 1]."""
    bright = np.empty_like(light)
    for top, bottom in _strips(light):
        bright[top:bottom] = _curve(light[top:bottom])
    bright *= np.float32(116)
    bright -= np.float32(16)
    return bright


def _strips(plane: Planes) -> Iterator[tuple[int, int]]:
    rows = max(1, STRIP // plane.shape[1])
    return ((top, min(top + rows, len(plane))) for top in range(0, len(plane), rows))


def _curve(light: Planes) -> Planes:
    """CIELAB's f: a cube root with a straight start."""
    curved = _cube_root(np.maximum(light, np.float32(DELTA**3)))
    np.copyto(curved, np.float32(1 / (3 * DELTA**2)) * light + np.float32(4 / 29), where=light <= DELTA**3)
    return curved


def _uncurved(value: Planes) -> Planes:
    """The inverse of `_curve`."""
    light: Planes = value * value
    light *= value
    np.copyto(light, np.float32(3 * DELTA**2) * (value - np.float32(4 / 29)), where=value <= DELTA)
    return light


def tinted(light: Planes, chroma: Planes) -> Planes:
    """sRGB planes (3, h, w) in [0, 1] of luminance Y (h, w) and chroma a, b (2, h, w).

    Y is kept: chroma shrinks where there is no such colour.

    >>> import numpy as np
    >>> gray = np.full((1, 1), 0.2, np.float32)
    >>> red = tinted(gray, np.array([[[60.0]], [[40.0]]], np.float32))
    >>> bool(abs(luminance(red) - gray).max() < 1e-6)
    True
    """
    colours = np.empty((3, *light.shape), np.float32)
    for top, bottom in _strips(light):
        part = light[top:bottom]
        colours[:, top:bottom] = _tinted(part, _curve(part), chroma[:, top:bottom])
    return colours


def _tinted(light: Planes, curve: Planes, chroma: Planes) -> Planes:
    """`tinted` for a strip, whose CIELAB f is ``curve``."""
    across = _uncurved(curve + chroma[0] * np.float32(1 / 500))
    across *= np.float32(WHITE[0])
    deep = _uncurved(curve - chroma[1] * np.float32(1 / 200))
    deep *= np.float32(WHITE[2])
    linear = np.empty((3, *light.shape), np.float32)
    for row, plane in zip(XYZ_TO_RGB, linear, strict=True):
        np.multiply(across, row[0], out=plane)
        plane += (row[1] - 1) * light
        plane += row[2] * deep
    # How far the way from gray to the colour stays within black and white.
    most, least = linear.max(axis=0), linear.min(axis=0)
    tiny = np.float32(1e-9)
    share = (1 - light) / np.maximum(most, tiny)
    np.minimum(share, light / np.maximum(-least, tiny), out=share)
    np.minimum(share, np.float32(1), out=share)
    linear *= share
    linear += light
    return encoded(np.clip(linear, 0, 1, out=linear))


@dataclass(frozen=True)
class Carried:
    """Chroma as a linear function of L in each place: ``slope`` and ``offset`` (h, w, 2) of the small picture."""

    slope: Pixels
    offset: Pixels

    def tint(self, light: Planes, place: Place) -> Planes:
        """sRGB planes (3, h, w) of the piece at ``place``, whose luminance is ``light`` (h, w)."""
        columns, across = _between(self.slope.shape[1], place.left, light.shape[1], place.within[1])
        rows, down = _between(self.slope.shape[0], place.top, light.shape[0], place.within[0])
        first, last = int(rows.min()), int(rows.max()) + 2
        # Enlarged to the side once; downwards strip by strip, where it stays in the processor's cache.
        wide = [
            np.ascontiguousarray(part[:, columns] * (1 - across) + part[:, columns + 1] * across)
            for values in (self.slope, self.offset)
            for part in values[first:last].transpose(2, 0, 1)
        ]
        colours = np.empty((3, *light.shape), np.float32)
        for top, bottom in _strips(light):
            strip = light[top:bottom]
            curve = _curve(strip)
            bright = curve * np.float32(116) - np.float32(16)
            above, share = rows[top:bottom] - first, down[top:bottom, None]
            slope_a, slope_b, a, b = (plane[above] * (1 - share) + plane[above + 1] * share for plane in wide)
            slope_a *= bright
            slope_b *= bright
            colours[:, top:bottom] = _tinted(strip, curve, np.stack([a + slope_a, b + slope_b]))
        return colours


def _between(small: int, start: int, count: int, whole: int) -> tuple[NDArray[np.intp], Planes]:
    """For each of ``count`` pixels from ``start`` on, of a side that has ``whole``: the pixel of the ``small`` side before it, and
    the share of the next one."""
    place = np.clip((np.arange(start, start + count) + 0.5) * (small / whole) - 0.5, 0, small - 1)
    before = np.minimum(place.astype(np.intp), max(small - 2, 0))
    return before, (place - before).astype(np.float32)


def carried(bright: Planes, chroma: Planes) -> Carried:
    """A fit of ``chroma`` (h, w, 2) to L, ``bright`` (h, w), in the window around each pixel: both of the small picture.

    He et al. 2013, "Guided Image Filtering", with coefficients that are enlarged instead of the picture (He and Sun 2015, "Fast
    Guided Filter"). Each window counts by how well its line fits: one that holds an edge between two colours would give the texture
    beside it the colours of both.
    """
    mean = _averaged(bright)
    varies = np.maximum(_averaged(bright * bright) - mean * mean, 0)
    lines: list[Planes] = []
    missed = np.full_like(bright, MISSED)
    for plane in chroma.transpose(2, 0, 1):
        middle = _averaged(plane)
        both = _averaged(bright * plane) - mean * middle
        slope: Planes = np.divide(both, varies + np.float32(SMOOTH), dtype=np.float32)
        lines += [slope, middle - slope * mean]
        missed += np.maximum(_averaged(plane * plane) - middle * middle + slope * (slope * varies - 2 * both), 0)
    counts: Planes = np.float32(1) / (missed * missed)
    total = _averaged(counts)
    slope_a, offset_a, slope_b, offset_b = (_averaged(line * counts) / total for line in lines)
    return Carried(np.stack([slope_a, slope_b], axis=2), np.stack([offset_a, offset_b], axis=2))


def _averaged(plane: Planes) -> Planes:
    """The mean in the window around each pixel of (h, w), at the edges of what there is of it."""
    around = np.pad(plane, WINDOW)
    for axis, size in enumerate(plane.shape):
        around = sums(around, 2 * WINDOW + 1, axis)
        place = np.arange(size)
        counts = (np.minimum(place, WINDOW) + np.minimum(size - 1 - place, WINDOW) + 1).astype(np.float32)
        around /= counts[:, None] if axis == 0 else counts
    return around
