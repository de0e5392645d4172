"""Arrays that are not held in memory: their rows are taken as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BAND", "Rows", "remembering", "rows_of", "streamed", "whole"]

BAND = 2**18
"""Values that are made levels at once: 1 MB of float32, which stays in a processor's cache from one step to the next."""


class Rows:
    """The pixels or values of an image that is not held in memory: an array that is taken row by row.

    ``shape`` (height, width, ...) and ``dtype`` as of an array; ``take(top, bottom)`` answers with the array's rows from ``top`` to
    before ``bottom``. Those of a file are taken in any order, those of an answer (see `streamed`) once each, from above to below.
    ``seconds`` is how long it took to make those that were taken, where that is more than reading.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], take: Callable[[int, int], NDArray[Any]]) -> None:
        self.shape = shape
        self.dtype = dtype
        self.take = take
        self.seconds = 0.0

    @property
    def size(self) -> int:
        """How many values there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """How many bytes they would take in memory."""
        return self.size * self.dtype.itemsize

    def bands(self, rows: int) -> Iterator[NDArray[Any]]:
        """All of it, so many rows at a time."""
        for top in range(0, self.shape[0], rows):
            yield self.take(top, min(top + rows, self.shape[0]))

    def mapped(self, change: Callable[[NDArray[Any]], NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
        """Rows made of these by ``change``, which makes of a band another as high; of that ``shape`` and ``dtype``."""
        return Rows(shape, dtype, lambda top, bottom: change(self.take(top, bottom)))


def streamed(shape: tuple[int, ...], dtype: np.dtype[Any], bands: Iterator[NDArray[Any]]) -> Rows:
    """Rows that come as ``bands`` of any height, from above to below; to be taken in that order."""
    held: list[NDArray[Any]] = []
    at = 0

    def take(top: int, bottom: int) -> NDArray[Any]:
        nonlocal at
        if top != at:
            raise ValueError(f"row {top} where row {at} is next")
        parts: list[NDArray[Any]] = []
        while at < bottom:
            band = held.pop() if held else next(bands)
            wanted = bottom - at
            if len(band) > wanted:
                held.append(band[wanted:])
            parts.append(band[:wanted])
            at += len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    return Rows(shape, dtype, take)


def remembering(rows: Rows) -> Rows:
    """Rows that are not read again where the same are asked for twice in a row."""
    last: tuple[int, int, NDArray[Any]] | None = None

    def take(top: int, bottom: int) -> NDArray[Any]:
        nonlocal last
        known = last
        if known is not None and known[0] <= top and bottom <= known[1]:
            return known[2][top - known[0] : bottom - known[0]]
        band = rows.take(top, bottom)
        last = (top, bottom, band)
        return band

    return Rows(rows.shape, rows.dtype, take)


def rows_of(values: NDArray[Any] | Rows, top: int, bottom: int) -> NDArray[Any]:
    """The rows from ``top`` to before ``bottom``, of an array or of what is not held."""
    return values.take(top, bottom) if isinstance(values, Rows) else values[top:bottom]


def whole(values: NDArray[Any] | Rows) -> NDArray[Any]:
    """All rows in one array."""
    if not isinstance(values, Rows):
        return values
    out = np.empty(values.shape, values.dtype)
    top = 0
    for band in values.bands(max(1, BAND * values.shape[0] // max(1, values.size))):
        out[top : top + len(band)] = band
        top += len(band)
    return out
