"""JPEG keeps the waves of a picture's 8x8 blocks, rounded to steps.

Whatever the picture was, each of its waves lies within half a step of the one in the file: that is the quantisation constraint set
of Yang, Galatsanos and Katsaggelos 1993 ("Regularized reconstruction to reduce blocking artifacts of block discrete cosine
transform compressed images"). A restored picture is held to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import Planes

__all__ = ["SIDE", "Quantised", "blocks_of", "luma_steps", "means", "transform"]

SIDE = 8
"""Side of the blocks in pixels."""

LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""The steps for luma at quality 50 (ITU-T T.81, Annex K), which libjpeg scales by quality."""

CHROMA_TABLE = np.full((SIDE, SIDE), 99)
CHROMA_TABLE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
"""The same for the two planes of colour."""

COLOURS = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
"""From red, green and blue to luma and the two planes of colour (ITU-T T.871)."""

BACK = np.linalg.inv(COLOURS.astype(np.float64)).astype(np.float32)

TURNS = 3
"""How often `Quantised.evened` takes turns: more gain less than a tenth of what the first gains."""

STRIP = 64
"""Rows that are held at once: the waves of a large piece would take much memory."""


def _transform() -> NDArray[np.float32]:
    frequency, place = np.arange(SIDE)[:, None], np.arange(SIDE)[None]
    single = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE))
    single[0] /= np.sqrt(2)
    return np.kron(single, single).astype(np.float32)


transform = _transform()
"""The orthonormal DCT-II as a matrix on flattened blocks."""


def luma_steps(quality: int, *, turned: bool = False) -> NDArray[np.float64]:
    """The steps (64,) of luma at a quality of libjpeg's scale, 1 to 100, in 8-bit levels; ``turned``: of a picture whose rows and
    columns were exchanged since."""
    return _scaled(LUMA_TABLE.T if turned else LUMA_TABLE, quality)


def _scaled(table: NDArray[np.int64], quality: int) -> NDArray[np.float64]:
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    answer: NDArray[np.float64] = np.maximum(1, np.floor((table.ravel() * scale + 50) / 100))
    return answer


@dataclass(frozen=True)
class Quantised:
    """A picture that was a JPEG of this ``quality`` (libjpeg's scale); the first whole block begins at row ``top`` and column
    ``left``, 0 to 7. Colour has half as many pixels each way, as it has in most JPEGs.

    ``turned``: rows and columns were exchanged since, as where a portrait photograph was turned. ``alone``: it has had no other
    noise. ``squares``: it was drawn in squares of one colour; their height and the row where the first whole one begins, their
    width and the column.
    """

    quality: int
    top: int = 0
    left: int = 0
    turned: bool = False
    alone: bool = True
    squares: tuple[tuple[int, int], tuple[int, int]] | None = None

    @cached_property
    def _most(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """How far waves of luma, and of colour, may be from where they are, as shares of full range."""
        tables = (table.T if self.turned else table for table in (LUMA_TABLE, CHROMA_TABLE))
        luma, colour = (_scaled(table, self.quality) / (2 * 255) for table in tables)
        return luma.astype(np.float32), colour.astype(np.float32)

    @property
    def level(self) -> float:
        """The standard deviation of what rounding leaves of luma, in 8-bit levels, where no wave is next to nothing."""
        return float(np.sqrt(np.square(luma_steps(self.quality)).mean() / 12))

    def hold(self, output: Planes, planes: Planes, top: int = 0, left: int = 0, *, trusted: bool = False) -> None:
        """Holds the restored ``output`` (channels, h, w), in its place, to what the JPEG ``planes`` may have been. Their first
        pixel is at row ``top`` and column ``left`` of the picture; blocks that are not whole are left as they are.

        Unless the change is ``trusted``, the share of its energy in a block that is left within the bounds scales it: a restoration
        that goes far beyond them is of another picture, as a network's is that learnt from photographs and is given letters or
        pixel art.
        """
        luma, colour = self._most
        if len(planes) != 3:
            for restored, plane in zip(output, planes, strict=True):
                for rows, columns in _strips(plane.shape, (self.top - top) % SIDE, (self.left - left) % SIDE, SIDE):
                    change = restored[rows, columns] - plane[rows, columns]
                    restored[rows, columns] = plane[rows, columns] + _held(change, luma, trusted=trusted)
            return
        side = 2 * SIDE
        for rows, columns in _strips(planes.shape[1:], (self.top - top) % side, (self.left - left) % side, side):
            given, restored = planes[:, rows, columns], output[:, rows, columns]
            change = np.tensordot(COLOURS, restored - given, axes=1)
            change[0] = _held(change[0], luma, trusted=trusted)
            for plane in change[1:]:
                small = (plane[0::2, 0::2] + plane[1::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 1::2]) / 4
                plane += (_held(small, colour, trusted=trusted) - small).repeat(2, axis=0).repeat(2, axis=1)
            restored[...] = given + np.tensordot(BACK, change, axes=1)

    def evened(self, planes: Planes, top: int = 0, left: int = 0) -> Planes:
        """The picture that the JPEG ``planes`` (channels, h, w) of ``squares`` of one colour may have been; the place as of `hold`.

        Pictures of such squares, and those that the JPEG may have been, are convex sets; the nearest of either is taken in turn.
        A block gets the share of the change that is within the bounds: next to none where something else was drawn.
        """
        assert self.squares is not None
        (high, down), (wide, right) = self.squares
        most = self._most[0]
        first = [(there - here) % SIDE for there, here in ((self.top, top), (self.left, left))]
        last = [begin + max(0, length - begin) // SIDE * SIDE for begin, length in zip(first, planes.shape[1:], strict=True)]
        inside = (slice(None), *(slice(begin, end) for begin, end in zip(first, last, strict=True)))
        given = _luma(planes[inside])
        even = planes.copy()
        for turn in range(TURNS):
            for plane in even:
                plane[...] = means(means(plane, high, down - top).T, wide, right - left).T
            waves = blocks_of(_luma(even[inside]) - given) @ transform.T
            held = np.clip(waves, -most, most)
            if turn < TURNS - 1:
                even[inside] += _placed((held - waves) @ transform, given.shape)
        answer = planes.copy()
        share = np.repeat(_share(waves, held, most), SIDE * SIDE, axis=1)
        answer[inside] += _placed(share, given.shape) * (even[inside] - planes[inside])
        self.hold(answer, planes, top, left)
        return answer


def _luma(planes: Planes) -> NDArray[np.float32]:
    """The luma (h, w) of (channels, h, w)."""
    return planes[0] if len(planes) != 3 else np.asarray(np.tensordot(COLOURS[0], planes, axes=1), np.float32)


def _strips(shape: tuple[int, ...], top: int, left: int, side: int) -> list[tuple[slice, slice]]:
    """Rows and columns of whole blocks of this ``side``, the first at row ``top`` and column ``left``, so many rows at once."""
    bottom, right = (first + max(0, length - first) // side * side for first, length in zip((top, left), shape, strict=True))
    if right <= left:
        return []
    return [(slice(first, min(first + STRIP, bottom)), slice(left, right)) for first in range(top, bottom, STRIP)]


def _held(change: NDArray[np.float32], most: NDArray[np.float32], *, trusted: bool) -> NDArray[np.float32]:
    """The change (h, w) of whole blocks, whose waves are at most so large."""
    waves = blocks_of(change) @ transform.T
    held = np.clip(waves, -most, most)
    if not trusted:
        held *= _share(waves, held, most)
    return _placed(held @ transform, change.shape)


def _share(waves: NDArray[np.float32], held: NDArray[np.float32], most: NDArray[np.float32]) -> NDArray[np.float32]:
    """Which share of the energy of the ``waves`` of each block (n, 1) is left of it in those that are ``held``."""
    before, after = (np.square(each / most).sum(axis=1, keepdims=True) for each in (waves, held))
    return np.asarray(after / np.maximum(before, np.float32(1e-12)), np.float32)


def blocks_of(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """The blocks (n, 64) of (h, w), whose sides they divide."""
    height, width = plane.shape
    return plane.reshape(height // SIDE, SIDE, width // SIDE, SIDE).swapaxes(1, 2).reshape(-1, SIDE * SIDE)


def _placed(blocks: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The plane (h, w) that has these blocks (n, 64)."""
    height, width = shape
    return blocks.reshape(height // SIDE, width // SIDE, SIDE, SIDE).swapaxes(1, 2).reshape(height, width)


def means(plane: NDArray[np.float32], side: int, first: int) -> NDArray[np.float32]:
    """The mean of every ``side`` rows of (h, w), the first of which begin at row ``first``, in each of them."""
    begins = np.unique(np.concatenate([[0], np.arange(first % side, len(plane), side)]))
    lengths = np.diff(np.append(begins, len(plane)))
    return np.repeat(np.add.reduceat(plane, begins, axis=0) / lengths[:, None].astype(np.float32), lengths, axis=0)
