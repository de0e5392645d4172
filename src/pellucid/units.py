"""From the values of a file or an array to pixels and back, whatever their unit: from the smallest floats to the largest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.rows import BAND

__all__ = ["normalised", "unnormalised"]

UNUSUAL = 1e30
"""A number near the end of float32's range: where black and white are as far apart, or as near as its inverse, float64 is used."""

LARGEST = float(np.finfo(np.float32).max)
"""The largest pixel: what lies farther beyond black and white is clipped to it, for an infinity would not stay alone."""


def normalised(values: NDArray[Any], ends: tuple[float, float], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Values as pixels, finite where they are; ``ends`` are the values of pixels 0 and 1. Put into ``out``, if given."""
    if ends[0] == 0 and values.dtype.itemsize <= 2 and values.dtype.kind != "f" and _is_usual(ends):
        # In one pass over the memory, which is what large images take their time from.
        pixels: NDArray[np.float32] = np.divide(values, np.float32(ends[1]), out=out, dtype=np.float32)
        return pixels
    if out is None:
        out = np.empty(values.shape, np.float32)
    if ends == (0, 1) and values.dtype.kind == "f" and values.dtype.itemsize <= 4:
        out[...] = values
        return out
    share, black, span = _halved(ends)
    # In float64: a float32 has 24 bits, and no number near the ends of its range can be divided by another.
    for band in _bands(values):
        wide = values[band].astype(np.float64)
        with np.errstate(over="ignore"):
            if share != 1:
                wide *= share
            if black != 0:
                wide -= black
            if span != 1:
                wide /= span
        np.clip(wide, -LARGEST, LARGEST, out=wide)
        out[band] = wide
    return out


def unnormalised(
    pixels: NDArray[Any], ends: tuple[float, float], dtype: np.dtype[Any], out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """The way back: pixels as values of ``dtype``, whole numbers rounded and clipped to it, floats finite. Put into ``out``, if
    given."""
    if out is None:
        out = np.empty(pixels.shape, dtype)
    share, black, span = _halved(ends)
    whole = dtype.kind != "f"
    low, high = (0, 1) if dtype.kind == "b" else (float(end) for end in _limits(dtype))
    # float32 has enough digits for 16 bits.
    width = np.float32 if whole and dtype.itemsize <= 2 and _is_usual(ends) else np.float64
    for band in _bands(pixels):
        wide: NDArray[np.floating[Any]] = pixels[band].astype(width)
        with np.errstate(over="ignore"):
            if span != 1:
                wide *= span
            if black != 0:
                wide += black
            if share != 1:
                wide /= share
        if whole:
            np.rint(wide, out=wide)
        np.clip(wide, low, high, out=wide)
        out[band] = wide
    return out


def _is_usual(ends: tuple[float, float]) -> bool:
    """Whether float32 can be used for what lies between them."""
    return abs(ends[0]) < UNUSUAL and 1 / UNUSUAL < abs(ends[1] - ends[0]) < UNUSUAL


def _halved(ends: tuple[float, float]) -> tuple[float, float, float]:
    """A factor, and black and the distance to white by it: 1, or a half where the distance itself is no number."""
    black, white = ends
    share = 1.0 if np.isfinite(white - black) else 0.5
    return share, black * share, white * share - black * share


def _bands(values: NDArray[Any]) -> list[slice]:
    """Rows that are worked on together: the wide numbers of all at once would take much memory."""
    step = max(1, BAND // max(1, values[:1].size))
    return [slice(top, top + step) for top in range(0, len(values), step)]


def _limits(dtype: np.dtype[Any]) -> tuple[Any, Any]:
    limits: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return limits.min, limits.max
