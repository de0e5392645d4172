"""A look at a picture before the work: its windows, crops, or the whole of it small; in memory, or read in bands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pellucid.images import BICUBIC, Image, Pixels, as_pixels, resized, rows_of

__all__ = ["View", "Window"]


class Window(Protocol):
    """A part of an image, in pixels: its ``top`` row and ``left`` column, its ``height`` and ``width``."""

    @property
    def top(self) -> int:
        """The first row."""

    @property
    def left(self) -> int:
        """The first column."""

    @property
    def height(self) -> int:
        """How many rows."""

    @property
    def width(self) -> int:
        """How many columns."""


class View:
    """A look at a picture before the work, wherever its pixels are: in memory, or in a file that is read in bands.

    ``frames`` are the pictures that one output looks at: the picture itself, or those of a clip around it that exist; ``at`` is
    the place of the picture among them. ``found`` is the picture's diagnosis once somebody has looked: nobody need look twice.
    ``clip`` is what a survey of the whole clip says of each of the frames (`tasks.base.Surveying`); None for a picture alone.
    ``beside`` is what stands beside a frame that was made of several (`tasks.base.Following`); ``looked_ahead``: the next frame is
    among the frames, where the scene has one. ``transparent``: a frame of the clip, be it another, lets something through.
    """

    def __init__(
        self,
        frames: tuple[Image, ...],
        at: int = 0,
        found: Any = None,
        clip: tuple[Any, ...] | None = None,
        *,
        beside: Any = None,
        looked_ahead: bool = False,
        transparent: bool = False,
    ) -> None:
        self.frames = frames
        self.at = at
        self.found = found
        self.clip = clip
        self.beside = beside
        self.looked_ahead = looked_ahead
        self.transparent = transparent

    @property
    def picture(self) -> Image:
        """The picture that is to be restored."""
        return self.frames[self.at]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Its height, width and channels."""
        height, width, channels = self.picture.pixels.shape
        return height, width, channels

    def parts(self, windows: Iterable[Window]) -> list[Pixels]:
        """The pixels (h, w, channels) in each of the windows, which come band by band: rows of a file are read once."""
        return list(self.each_part(windows))

    def each_part(self, windows: Iterable[Window]) -> Iterator[Pixels]:
        """The same, each when it is asked for: the first ones may tell enough."""
        band: NDArray[Any] | None = None
        top = -1
        for window in windows:
            if window.top != top or band is None:
                top = window.top
                band = rows_of(self.picture.pixels, top, top + window.height)
            part = band[:, window.left : window.left + window.width]
            yield as_pixels(self.picture, part).transpose(1, 2, 0)

    def opaque(self, windows: Iterable[Window]) -> list[NDArray[np.bool_]] | None:
        """Which pixels (h, w) in each of the windows are an image: neither wholly transparent nor nodata; None where all are."""
        mask = self.picture.mask
        if mask is None:
            return None
        return [rows_of(mask.valid, each.top, each.top + each.height)[:, each.left : each.left + each.width] for each in windows]

    def bands(self) -> Iterator[tuple[Pixels, NDArray[np.bool_] | None]]:
        """All pixels (h, w, channels), in bands of about a megapixel, from above to below; beside them which are an image."""
        height, width, _ = self.shape
        rows = max(1, 2**20 // width)
        mask = self.picture.mask
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            opaque = None if mask is None else rows_of(mask.valid, top, bottom)
            yield as_pixels(self.picture, rows_of(self.picture.pixels, top, bottom)).transpose(1, 2, 0), opaque

    def crops(self, side: int, count: int, multiple_of: int) -> Iterator[Pixels]:
        """At most ``count`` crops (channels, h, w), evenly spread; their sides are at most ``side``, and multiples of
        ``multiple_of``."""
        height, width, _ = self.shape
        sides = [min(side, each) // multiple_of * multiple_of for each in (height, width)]
        # Where so many crops cover the picture, overlapping, they do: one place is no sample of another.
        across = min(math.ceil(width / sides[1]), count)
        down = min(math.ceil(height / sides[0]), count // across)
        for top in _spread(height, sides[0], down):
            band = rows_of(self.picture.pixels, top, top + sides[0])
            for left in _spread(width, sides[1], across):
                yield as_pixels(self.picture, band[:, left : left + sides[1]])

    def small(self, side: int) -> Pixels:
        """The whole picture (h, w, channels) with no side longer than ``side``: scaled down, bicubic, and never up.

        The pixels are read once, in bands, each of which is first averaged in whole blocks; a block is at most half as long as a
        pixel of the small picture, so that the average changes little of it.
        """
        height, width = self.shape[:2]
        share = min(1.0, side / max(height, width))
        size = max(1, round(height * share)), max(1, round(width * share))
        block = max(1, int(1 / share) // 2)
        rows: list[Pixels] = []
        for top in range(0, height, 64 * block):
            band = rows_of(self.picture.pixels, top, min(top + 64 * block, height))
            rows.append(_averaged(as_pixels(self.picture, band), block))
        # The last blocks may be cut short: the box ends where the picture does.
        box = (0.0, 0.0, width / block, height / block)
        return resized(np.concatenate(rows, axis=1).transpose(1, 2, 0), *size, BICUBIC, box)


def _averaged(planes: Pixels, block: int) -> Pixels:
    """Planes (c, h, w), averaged in square blocks; those at the lower and right edge have fewer pixels."""
    if block == 1:
        return planes
    height, width = planes.shape[1:]
    down, right = -height % block, -width % block
    if down or right:
        planes = np.pad(planes, ((0, 0), (0, down), (0, right)))
    # One row after the other, then one column: NumPy adds the few values of a block slowly.
    rows = planes[:, ::block].copy()
    for first in range(1, block):
        rows += planes[:, first::block]
    sums = rows[:, :, ::block].copy()
    for first in range(1, block):
        sums += rows[:, :, first::block]
    # The blocks that are cut short are averaged over what they have.
    tall, wide = (np.minimum(block, size - np.arange(0, size, block)).astype(np.float32) for size in (height, width))
    sums /= tall[:, None] * wide
    return sums


def _spread(whole: int, part: int, count: int) -> list[int]:
    """The places where ``count`` parts of a length begin: from end to end where they cover the ``whole``, else evenly."""
    if count > 1 and count * part >= whole:
        return [(whole - part) * index // (count - 1) for index in range(count)]
    return [(whole - part) * (2 * index + 1) // (2 * count) for index in range(count)]
