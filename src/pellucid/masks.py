"""Pixels that are no image: nodata, padding, NaN, what a masked array masks, and what lies under alpha 0.

They are filled before the work, so that they have no influence on their neighbours and nothing is measured in them, and what stood
there is put back at the end, to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.rows import Rows, rows_of

__all__ = ["CONTEXT", "Mask", "enlarged", "fill", "fill_rows", "in_channels", "nearest", "resized"]

REACH = 32
"""How far, in pixels, a fill looks up and down for an image; to the left and right it looks as far as the picture goes."""

CONTEXT = 2 * REACH
"""Rows above and below a band that its fill depends on: what is `REACH` rows away is mirrored, which takes as many rows beyond."""

BAND_ROWS = 192
"""Rows that are filled at once."""

FAR = np.int32(1 << 30)
"""A distance that nothing has."""

Bools = NDArray[np.bool_]

Take = Callable[[int, int], NDArray[Any]]
"""The rows of something from one to before another."""


@dataclass(frozen=True)
class Mask:
    """Which pixels are an image, and what stands where none is.

    ``valid`` (height, width) is True where there is an image; ``values`` (height, width, channels) are the source's, in its dtype
    and units. Either may be `Rows`. ``reserved`` is the value that stands for no image, where one does: no pixel
    of the image may come to have it. ``shown``: where alpha is 0, so that the mask follows alpha when the picture is enlarged.
    """

    valid: Any
    values: Any
    reserved: float | None = None
    shown: bool = False

    def put_back(self, values: NDArray[Any], top: int) -> NDArray[Any]:
        """The rows ``values`` (h, w, channels) of an output, from the row ``top`` on, with what stood there where no image is."""
        bottom = top + len(values)
        valid = rows_of(self.valid, top, bottom)
        if self.reserved is not None:
            values = _without(values, self.reserved)
        elif valid.all():
            return values
        before = rows_of(self.values, top, bottom)
        return np.where(valid[..., None], values, before.astype(values.dtype, copy=False))


def in_channels(mask: Mask, channels: int) -> Mask:
    """The mask of a gray picture, for a picture in which each value stands in so many channels."""

    def wide(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values, (*values.shape[:2], channels))

    values = mask.values
    if isinstance(values, Rows):
        return replace(mask, values=values.mapped(wide, (*values.shape[:2], channels), values.dtype))
    return replace(mask, values=wide(values))


def _without(values: NDArray[Any], reserved: float) -> NDArray[Any]:
    """The values, those that are ``reserved`` moved to the next one that is not."""
    same = values == values.dtype.type(reserved)
    if not same.any():
        return values
    here = values.dtype.type(reserved)
    if values.dtype.kind == "f":
        other = np.nextafter(here, values.dtype.type(0 if reserved else 1))
    else:
        other = here - 1 if reserved == np.iinfo(values.dtype).max else here + 1
    return np.where(same, other, values)


# -- filling ----------------------------------------------------------------------------------------------------------


def fill(values: NDArray[Any], valid: Bools, blank: float) -> NDArray[Any]:
    """``values`` (h, w, channels) with an image everywhere: a copy, filled band by band as `fill_rows` does."""
    out = values.copy()
    height = len(values)
    for top in range(0, height, BAND_ROWS):
        bottom = min(top + BAND_ROWS, height)
        if not valid[top:bottom].all():
            out[top:bottom] = _filled(values, valid, top, bottom, blank)
    return out


def fill_rows(values: Take, valid: Take, height: int, blank: float) -> Take:
    """As `fill`, of rows that are taken as they are asked for: the same to the bit, whatever rows are asked for."""

    def take(top: int, bottom: int) -> NDArray[Any]:
        there = valid(top, bottom)
        if there.all():
            return values(top, bottom)
        above, below = max(0, top - CONTEXT), min(height, bottom + CONTEXT)
        wide, mask = values(above, below), valid(above, below)
        out = wide[top - above : bottom - above].copy()
        for first in range(0, bottom - top, BAND_ROWS):
            last = min(first + BAND_ROWS, bottom - top)
            if not there[first:last].all():
                out[first:last] = _filled(wide, mask, first + top - above, last + top - above, blank)
        return out

    return take


def _filled(values: NDArray[Any], valid: Bools, top: int, bottom: int, blank: float) -> NDArray[Any]:
    """The rows from ``top`` to before ``bottom``, filled by mirroring the image at its border, as it is mirrored at the edges of a
    picture: noise goes on as it is. Each pixel is mirrored at the nearest border to the left, right, above or below, and again at
    the other end of what lies there, as often as it takes. Pixels without image near them are ``blank``."""
    above, below = max(0, top - CONTEXT), min(len(values), bottom + CONTEXT)
    values, valid = values[above:below], valid[above:below]
    height, width = valid.shape
    core = slice(top - above, bottom - above)
    least = np.full((bottom - top, width), FAR, np.int32)
    source = np.zeros((bottom - top, width), np.int32)
    for axis, reach in ((1, FAR - 1), (0, REACH)):
        for forward in (True, False):
            border, run = (plane[core] for plane in _borders(valid, axis, forward))
            at = np.arange(width, dtype=np.int32)[None] if axis == 1 else np.arange(height, dtype=np.int32)[core, None]
            away = at - border if forward else border - at
            nearer = (away <= reach) & (away < least) & (border >= 0) & (border < FAR)
            # Steps back from the border: there and back again in a run of pixels.
            back = np.maximum(away - 1, 0) % (2 * run)
            back = np.where(back < run, back, 2 * run - 1 - back)
            place = np.where(nearer, border - back if forward else border + back, 0)
            if axis == 1:
                found = np.arange(height, dtype=np.int32)[core, None] * width + place
            else:
                found = place * width + np.arange(width, dtype=np.int32)[None]
            np.copyto(source, found, where=nearer)
            np.copyto(least, away, where=nearer)
    flat = values.reshape(height * width, -1)
    made = flat[source.ravel()].reshape(bottom - top, *values.shape[1:])
    made[least == FAR] = values.dtype.type(blank)
    return made


def _borders(valid: Bools, axis: int, forward: bool) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For each pixel the place, along the axis, of the last pixel of the image before it (or of the next one behind it), and how
    many pixels of the image lie there in a run, up to `REACH`."""
    if not forward:
        border, run = _borders(np.flip(valid, axis), axis, True)
        return np.flip(valid.shape[axis] - 1 - border, axis), np.flip(run, axis)
    places = np.arange(valid.shape[axis], dtype=np.int32)
    places = places[None] if axis == 1 else places[:, None]
    border = np.maximum.accumulate(np.where(valid, places, -FAR), axis=axis)
    gap = np.maximum.accumulate(np.where(valid, -1, places), axis=axis)
    # At a border, what lies between it and the last gap before it; behind the border that number stays.
    length = np.where(valid, np.minimum(places - gap, REACH), 0)
    index = np.clip(border, 0, None)
    run = np.take_along_axis(length, index, axis)
    return border, np.maximum(run, 1).astype(np.int32)


# -- sizes ------------------------------------------------------------------------------------------------------------


def nearest(size: int, before: int, start: int = 0, stop: int | None = None) -> NDArray[np.intp]:
    """Which of ``before`` places each of ``size`` places stands for when a side is enlarged; those from ``start`` to ``stop``."""
    places = np.arange(start, size if stop is None else stop)
    return np.asarray((2 * places + 1) * before // (2 * size), dtype=np.intp)


def enlarged(values: Any, height: int, width: int) -> Any:
    """An array (h, w, ...) or rows at another size, each pixel repeated."""
    tall, wide = values.shape[:2]
    columns = nearest(width, wide)
    if not isinstance(values, Rows):
        return values[nearest(height, tall)[:, None], columns]

    def take(top: int, bottom: int) -> NDArray[Any]:
        rows = nearest(height, tall, top, bottom)
        part = values.take(int(rows[0]), int(rows[-1]) + 1)
        made: NDArray[Any] = part[(rows - rows[0])[:, None], columns]
        return made

    return Rows((height, width, *values.shape[2:]), values.dtype, take)


def resized(mask: Mask, height: int, width: int) -> Mask:
    """The mask of a picture that was enlarged to that size."""
    if mask.valid.shape[:2] == (height, width):
        return mask
    return replace(mask, valid=enlarged(mask.valid, height, width), values=enlarged(mask.values, height, width))
