"""Colours as lightness and chroma: CIELAB from sRGB and back with the light kept, chroma on an even scale, bins of it, and the
table from light to colour.

CIELAB is that of CIE 15:2004 under D65 (2 degrees), sRGB that of IEC 61966-2-1. All functions take and answer float32 arrays whose
last axis holds the planes. ``light`` is L of CIELAB in [0, 100]; ``ab`` its a and b. ``even`` is chroma on the even scale: the hue
of ``ab``, and a length at which equal steps look alike (see `even_of`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BINS",
    "BIN_STEP",
    "EVEN_SPAN",
    "ab_of",
    "by_light",
    "even_of",
    "gray_of",
    "hint_planes",
    "kept",
    "lab_of",
    "light_of",
    "light_of_gray",
    "planes_of",
    "rgb_of",
    "small_size",
    "unplaned",
]

Planes = NDArray[np.float32]

TO_XYZ = np.array(
    [[0.4123908, 0.3575843, 0.1804808], [0.2126390, 0.7151687, 0.0721923], [0.0193308, 0.1191948, 0.9505322]], dtype=np.float64
)
"""Linear sRGB to XYZ: from the primaries and the white of IEC 61966-2-1 (rows of CSS Color 4)."""

WHITE = TO_XYZ.sum(axis=1)
"""XYZ of sRGB's white, so that R = G = B has no chroma at all: CIE's D65 to four digits."""

TO_CONES = (TO_XYZ / WHITE[:, None]).astype(np.float32)
"""Linear sRGB to X, Y and Z as shares of white's."""

FROM_CONES = np.linalg.inv(TO_XYZ / WHITE[:, None]).astype(np.float32)

LINEAR_UP_TO = (6 / 29) ** 3
"""Below this share of white's luminance, L is linear in it (CIE 15:2004)."""

EVEN_RATE = 0.045
"""CIEDE2000 (and CIE94) divide a difference of chroma by 1 + 0.045 C."""

EVEN_SPAN = 48.0
"""The length on the even scale that is 1 in a network's planes: sRGB's most colourful colour, pure blue, has 43."""

BIN_STEP = 6.0
"""The distance of two neighbouring bins on the even scale: between two colours there, CIEDE2000 is about 6."""

STEPS = 4096
"""Entries of the tables that stand for powers; between two of them, values are interpolated: L is exact to 0.001."""


def _decoded(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light of sRGB's codes in [0, 1]."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def _encoded(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB's codes of linear light in [0, 1]."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


def _root(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB's cube root with a linear foot."""
    return np.where(share > LINEAR_UP_TO, np.cbrt(share), share * (29 / 6) ** 2 / 3 + 4 / 29)


class _Law:
    """A function on [0, 1] as a table, evenly spaced in the square root of its argument where ``rooted``, with its differences."""

    def __init__(self, values: NDArray[np.float64], *, rooted: bool = False) -> None:
        self.rooted = rooted
        self.values = values.astype(np.float32)
        self.steps = np.append(np.diff(values), 0).astype(np.float32)

    def __call__(self, at: Planes) -> Planes:
        place = np.clip(at, 0, 1)
        if self.rooted:
            np.sqrt(place, out=place)
        place *= np.float32(STEPS)
        whole = place.astype(np.int32)
        place -= whole
        place *= self.steps.take(whole)
        place += self.values.take(whole)
        return place


GRID = np.linspace(0, 1, STEPS + 1)
_LINEAR = _Law(_decoded(GRID))
_CODE = _Law(_encoded(GRID**2), rooted=True)
_ROOT = _Law(_root(GRID))
_GRAY = _Law(116 * _root(_decoded(GRID)) - 16)


def lab_of(rgb: NDArray[np.floating]) -> Planes:
    """CIELAB (..., 3) of sRGB (..., 3) in [0, 1], clipped to that; float32, exact to 0.002.

    >>> [round(float(value), 1) for value in lab_of(np.array([1.0, 0.0, 0.0]))]
    [53.2, 80.1, 67.2]
    """
    roots = _ROOT(_LINEAR(np.asarray(rgb, dtype=np.float32)) @ TO_CONES.T)
    x, y, z = roots[..., 0], roots[..., 1], roots[..., 2]
    lab = np.empty_like(roots)
    np.multiply(y, 116, out=lab[..., 0])
    lab[..., 0] -= 16
    np.multiply(x - y, 500, out=lab[..., 1])
    np.multiply(y - z, 200, out=lab[..., 2])
    return lab


def light_of(rgb: NDArray[np.floating]) -> Planes:
    """L of CIELAB (...) in [0, 100] of sRGB (..., 3) in [0, 1]: what a colour picture keeps here when it loses its colours."""
    return np.asarray(116 * _ROOT(_LINEAR(np.asarray(rgb, dtype=np.float32)) @ TO_CONES[1]) - 16, dtype=np.float32)


def light_of_gray(gray: NDArray[np.floating]) -> Planes:
    """L of CIELAB in [0, 100], of gray values in [0, 1] coded as sRGB; the same shape."""
    return _GRAY(np.asarray(gray, dtype=np.float32))


def gray_of(light: NDArray[np.floating]) -> Planes:
    """Gray values in [0, 1] coded as sRGB, of ``light`` in [0, 100]: the inverse of `light_of_gray`."""
    root = (np.asarray(light, dtype=np.float32) + 16) / np.float32(116)
    return _CODE(np.where(root > 6 / 29, root * root * root, np.float32(3 * (6 / 29) ** 2) * (root - np.float32(4 / 29))))


def rgb_of(light: NDArray[np.floating], ab: NDArray[np.floating]) -> Planes:
    """sRGB (..., 3) in [0, 1] of ``light`` (...) and ``ab`` (..., 2). Where no colour of sRGB is that light and that colourful,
    chroma gives way and hue and light stay (see `kept`)."""
    light = np.asarray(light, dtype=np.float32)
    ab = np.asarray(ab, dtype=np.float32)
    linear = _linear_of(light, ab)
    outside = (linear.min(axis=-1) < -1e-5) | (linear.max(axis=-1) > 1 + 1e-5)
    if outside.any():
        linear[outside] = _linear_of(light[outside], kept(light[outside], ab[outside]))
    return _CODE(linear)


def kept(light: NDArray[np.floating], ab: NDArray[np.floating]) -> Planes:
    """``ab`` (n, 2) made less colourful, at the same hue, as far as sRGB has no such colour of that ``light`` (n,): by
    bisection, to 1/1000 of its length."""
    light = np.clip(np.asarray(light, dtype=np.float32), 0, 100)
    ab = np.asarray(ab, dtype=np.float32)
    low = np.zeros(light.shape, dtype=np.float32)
    high = np.ones(light.shape, dtype=np.float32)
    for _ in range(10):
        middle: Planes = (low + high) * np.float32(0.5)
        linear = _linear_of(light, ab * middle[..., None])
        fits = (linear.min(axis=-1) >= -1e-5) & (linear.max(axis=-1) <= 1 + 1e-5)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return np.asarray(ab * low[..., None], dtype=np.float32)


def _linear_of(light: Planes, ab: Planes) -> Planes:
    """Linear sRGB (..., 3), which may lie outside [0, 1]."""
    roots = np.empty((*light.shape, 3), dtype=np.float32)
    y = (light + 16) / np.float32(116)
    roots[..., 0] = y + ab[..., 0] / 500
    roots[..., 1] = y
    roots[..., 2] = y - ab[..., 1] / 200
    foot = np.float32(3 * (6 / 29) ** 2) * (roots - np.float32(4 / 29))
    shares = np.where(roots > 6 / 29, roots * roots * roots, foot)
    return np.asarray(shares @ FROM_CONES.T, dtype=np.float32)


def even_of(ab: NDArray[np.floating]) -> Planes:
    """Chroma (..., 2) on the even scale: the hue of ``ab``, and the length ln(1 + 0.045 C) / 0.045 for chroma C.

    That is the integral of 1 / (1 + 0.045 C), by which CIEDE2000 and CIE94 weigh differences of chroma: on this scale, distances
    are about differences as people see them, so that means, bins and losses are taken here. 10 becomes 8.3, 50 becomes 26.2.
    """
    ab = np.asarray(ab, dtype=np.float32)
    chroma = np.sqrt(np.square(ab).sum(axis=-1, keepdims=True))
    scaled = np.maximum(chroma * np.float32(EVEN_RATE), np.float32(1e-6))
    return np.asarray(ab * (np.log(1 + scaled) / scaled), dtype=np.float32)


def ab_of(even: NDArray[np.floating]) -> Planes:
    """``ab`` (..., 2) of chroma on the even scale: the inverse of `even_of`."""
    even = np.asarray(even, dtype=np.float32)
    scaled = np.sqrt(np.square(even).sum(axis=-1, keepdims=True)) * np.float32(EVEN_RATE)
    scaled = np.maximum(scaled, np.float32(1e-6))
    return np.asarray(even * ((np.exp(scaled) - 1) / scaled), dtype=np.float32)


def planes_of(even: NDArray[np.floating]) -> Planes:
    """Chroma on the even scale as a network has it: in [-1, 1], 0 is gray."""
    planes: Planes = np.clip(np.asarray(even, dtype=np.float32) / np.float32(EVEN_SPAN), -1, 1)
    return planes


def unplaned(planes: NDArray[np.floating]) -> Planes:
    """Chroma on the even scale from a network's planes in [-1, 1]: the inverse of `planes_of`."""
    return np.asarray(planes, dtype=np.float32) * np.float32(EVEN_SPAN)


@lru_cache(maxsize=1)
def _bins() -> Planes:
    """Points of a square grid on the even scale that are at most half a step away from a colour of sRGB; gray is one of them."""
    ramp = np.linspace(0, 1, 24, dtype=np.float32)
    colours = np.stack(np.meshgrid(ramp, ramp, ramp, indexing="ij"), axis=-1).reshape(-1, 3)
    even = even_of(lab_of(colours)[:, 1:])
    cells = np.unique(np.rint(even / BIN_STEP).astype(int), axis=0)
    bins: Planes = (cells * BIN_STEP).astype(np.float32)
    return bins


BINS: Planes = _bins()
"""The centres (n, 2) of the coarse bins that a network tells apart, on the even scale."""


def small_size(height: int, width: int, area: int = 256 * 256, multiple: int = 32) -> tuple[int, int]:
    """The size, in multiples of ``multiple``, at which the network looks at a whole picture: of about ``area`` pixels, whatever
    the picture's own size.

    >>> small_size(3000, 4000), small_size(512, 768), small_size(64, 64), small_size(1, 30000)
    ((224, 288), (224, 320), (256, 256), (64, 1024))
    """
    share = (area / (height * width)) ** 0.5
    down, across = (max(2, round(side * share / multiple)) for side in (height, width))
    # A side of the least size leaves the other one less than its share.
    most = max(2, round(area / (2 * multiple * multiple)))
    return min(down, most) * multiple, min(across, most) * multiple


TABLE: Planes = np.array(
    [
        [0.2, 0.1],
        [0.4, 0.5],
        [0.7, 1.8],
        [0.8, 2.7],
        [1.0, 3.4],
        [1.0, 4.5],
        [1.3, 5.6],
        [1.3, 6.1],
        [1.1, 6.6],
        [1.2, 7.3],
        [1.0, 7.3],
        [0.8, 6.7],
        [0.6, 6.6],
        [0.4, 5.9],
        [0.2, 4.6],
        [0.0, 3.8],
        [-0.2, 3.4],
        [-0.3, 2.7],
        [-0.6, 1.4],
        [-0.8, 0.8],
        [-0.4, 0.3],
    ],
    dtype=np.float32,
)
"""Chroma on the even scale for L = 0, 5, ... 100: four fifths of the geometric median over 1,515 training photographs, narrow
subjects weighed down. The whole median is too warm for photographs at large: on 24 held-out ones, by which the share was chosen, it
has a CIEDE2000 of 12.28, this one 12.12, gray 12.15."""


def by_light(light: NDArray[np.floating]) -> Planes:
    """The mean colour of photographs at that ``light`` (...), on the even scale (..., 2): the guess that takes no network."""
    place = np.clip(np.asarray(light, dtype=np.float32), 0, 100)
    steps = np.arange(0, 101, 5)
    return np.stack([np.interp(place, steps, values) for values in TABLE.T], axis=-1, dtype=np.float32)


def hint_planes(hints: NDArray[np.floating], shape: tuple[int, int], radius: int = 1) -> Planes:
    """The planes (h, w, 3) of hints (n, 4) that a network is given beside the light: two of chroma, and 1 where there is a hint.

    A hint is y and x in pixels of the small picture, and chroma on the even scale; it fills a square of ``radius`` pixels to each
    side. Those outside the picture count at its edge. A later hint lies upon an earlier one.
    """
    planes = np.zeros((*shape, 3), dtype=np.float32)
    for y, x, a, b in np.asarray(hints, dtype=np.float32).reshape(-1, 4):
        row, column = (min(max(int(at), 0), side - 1) for at, side in zip((y, x), shape, strict=True))
        square = planes[max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
        square[:] = (*planes_of(np.array([a, b])), 1)
    return planes
