"""Pieces of a picture that was made larger, restored at the size that it had."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis.drawn import Squares
from pellucid.diagnosis.enlarged import Enlarged
from pellucid.tasks import base
from pellucid.tiling import Place

__all__ = ["each_enlarged", "each_square"]

Planes = NDArray[np.float32]


def each_square(
    step: base.Pass, repeated: Squares, channels: int, planes: Planes, place: Place, room: Planes | None = None
) -> Planes:
    """The answer of the ``step`` to a piece (channels, h, w) of a picture whose pixels were repeated: a value for each square.

    The piece begins at a multiple of the squares' sides; but a square that is cut off at the picture's edge shifts them.
    """
    sides = []
    begins = (place.top, place.left)
    for axis, (size, first) in enumerate(((repeated.rows, repeated.top), (repeated.columns, repeated.left))):
        length, shift = planes.shape[1 + axis], -first % size
        count = length // size + (step.multiple_of if shift else 0)
        # Beyond the picture, and the piece, mirrored: squares of padding are none.
        seen = -(-(min(length, place.within[axis] - begins[axis]) + shift) // size)
        mirrored = np.pad(np.arange(min(count, seen)), (0, max(0, count - seen)), mode="symmetric")
        sides.append((size, shift, np.maximum(mirrored * size - shift, 0)))
    (rows, down, at_rows), (columns, right, at_columns) = sides
    given = np.empty((channels + step.room, len(at_rows), len(at_columns)), dtype=np.float32)
    small = given[:channels]
    small[...] = planes[:, at_rows][:, :, at_columns]
    within = tuple(-(-(length + shift) // size) for length, (size, shift, _) in zip(place.within, sides, strict=True))
    there = Place(place.top // rows, place.left // columns, len(at_rows), len(at_columns), (within[0], within[1]))
    output = step.piece(small, there, given).repeat(rows, axis=1).repeat(columns, axis=2)
    return np.ascontiguousarray(output[:, down : down + planes.shape[1], right : right + planes.shape[2]])


def each_enlarged(step: base.Pass, way: Enlarged, planes: Planes, place: Place, room: Planes | None = None) -> Planes:
    """A piece (channels, h, w) of an enlarged picture without what the ``step`` takes away from it at the size that it had."""
    # Pixels beyond the picture are padding.
    rows, columns = (
        min(length, whole - begin) for length, whole, begin in zip(planes.shape[1:], place.within, place[:2], strict=True)
    )
    part, (top, left) = way.moved(place.top, place.left)
    small = part.small(planes[:, :rows, :columns].transpose(1, 2, 0))
    height, width = small.shape[:2]
    more = [(0, -side % step.multiple_of) for side in (height, width)]
    given = np.zeros((len(planes) + step.room, height + more[0][1], width + more[1][1]), dtype=np.float32)
    shown = given[: len(planes)]
    shown[...] = np.pad(small.transpose(2, 0, 1), ((0, 0), *more), mode="symmetric")
    within = way.rows.count(place.within[0]), way.columns.count(place.within[1])
    output = step.piece(shown, Place(top, left, given.shape[1], given.shape[2], within), given)[:, :height, :width]
    answer = planes.copy()
    answer[:, :rows, :columns] -= part.large(small - output.transpose(1, 2, 0), rows, columns).transpose(2, 0, 1)
    return answer
