"""Frames of a clip that come one after the other, and those around each: the window that an output looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pellucid.files import yuv
from pellucid.files.yuv import Layout, Planes
from pellucid.images import Image, Pixels

__all__ = ["Beyond", "Coming", "Numbered", "picture", "picture_and_beyond", "small", "window"]


class Numbered(Protocol):
    """An object that has a place in a clip."""

    @property
    def number(self) -> int:
        """The frame's number, from 0."""


One = TypeVar("One", bound=Numbered)


class Coming(Iterator[One]):
    """Frames that come, some of which can be looked at before they do."""

    def __init__(self, frames: Iterator[One]) -> None:
        self._frames = frames
        self._waiting: deque[One] = deque()

    def __next__(self) -> One:
        return self._waiting.popleft() if self._waiting else next(self._frames)

    def ahead(self, count: int) -> list[One]:
        """The next ``count`` frames, or as many as there are; they still come."""
        self._waiting.extend(islice(self._frames, max(0, count - len(self._waiting))))
        return list(islice(self._waiting, count))


def window(frame: One, before: Iterable[One], after: Iterable[One], count: int, scene: tuple[int, int]) -> list[One]:
    """The ``count`` frames of a scene (its first frame, and the one behind its last) nearest to one, it among them, in their order:
    at the ends of a scene they lie on one side."""
    first, end = scene
    own = [each for each in (*before, frame, *after) if first <= each.number < end]
    nearest = sorted(own, key=lambda each: (abs(each.number - frame.number), each.number))[:count]
    return sorted(nearest, key=lambda each: each.number)


@dataclass(frozen=True)
class Beyond:
    """Pixels of a frame whose colours lie beyond black, white or the pixels' primaries: their ``places``, counted row by row as the
    frame is shown, and ``by`` how much they do, (channels, places)."""

    places: NDArray[np.uint32]
    by: Pixels


def picture(planes: Planes, layout: Layout) -> Image:
    """A frame as the door takes it. Values beyond black and white are cut off for the work alone: see `pellucid.files.yuv`."""
    return picture_and_beyond(planes, layout)[0]


def picture_and_beyond(planes: Planes, layout: Layout) -> tuple[Image, Beyond | None]:
    """A frame as the door takes it, and what was cut off for that, if anything was."""
    pixels = yuv.to_pixels(planes, layout)
    alpha = yuv.alpha_of(planes, layout) if layout.alpha else None
    channels = pixels.transpose(2, 0, 1)
    beyond = None
    if not layout.bounded and (pixels.min() < 0 or pixels.max() > 1):
        places = np.flatnonzero(np.logical_or.reduce([(channel < 0) | (channel > 1) for channel in channels])).astype(np.uint32)
        by = channels.reshape(len(channels), -1)[:, places]
        beyond = Beyond(places, by - np.clip(by, 0, 1))
    return Image(np.clip(pixels, 0, 1, out=pixels), alpha, dtype=layout.dtype), beyond


def small(planes: Planes, layout: Layout, side: int) -> Pixels:
    """A frame as means of equal blocks, (h, w, channels), float32 in [0, 1], no side longer than ``side``; of colour differences
    the nearest."""
    height, width = planes[0].shape
    block = max(1, -(-max(height, width) // side))
    rows, columns = max(1, height // block), max(1, width // block)
    parts = [_blocks(planes[0], block, rows, columns)]
    for plane in planes[1 : layout.channels]:
        down, across = (layout.down, layout.across) if layout.kind == "yuv" else (1, 1)
        own = max(1, block // max(down, across))
        tall, wide = max(1, plane.shape[0] // own), max(1, plane.shape[1] // own)
        means = _blocks(plane, own, tall, wide)
        parts.append(means[np.arange(rows) * tall // rows][:, np.arange(columns) * wide // columns])
    whole = replace(layout, across=1, down=1, alpha=False)
    return np.clip(yuv.to_pixels(tuple(parts), whole), 0, 1)


def _blocks(plane: Pixels, block: int, rows: int, columns: int) -> Pixels:
    part = plane[: rows * block, : columns * block]
    if part.shape != (rows * block, columns * block):
        return part.astype(np.float32)
    # Rows first: NumPy adds long rows much faster than short ones.
    lines = part.reshape(rows, block, columns * block).sum(axis=1, dtype=np.float32)
    means: Pixels = lines.reshape(rows, columns, block).sum(axis=2) / np.float32(block * block)
    return means
