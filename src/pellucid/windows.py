"""Frames of a clip that come one after the other, and those around each: the window that an output looks at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from pellucid.files import yuv
from pellucid.files.clips import Frame
from pellucid.files.yuv import Layout, Planes
from pellucid.images import Image, Pixels

__all__ = ["Coming", "Pictures", "small", "window"]


class Coming(Iterator[Frame]):
    """Frames that come, some of which can be looked at before they do."""

    def __init__(self, frames: Iterator[Frame]) -> None:
        self._frames = frames
        self._waiting: deque[Frame] = deque()

    def __next__(self) -> Frame:
        return self._waiting.popleft() if self._waiting else next(self._frames)

    def ahead(self, count: int) -> list[Frame]:
        """The next ``count`` frames, or as many as there are; they still come."""
        self._waiting.extend(islice(self._frames, max(0, count - len(self._waiting))))
        return list(islice(self._waiting, count))


def window(frame: Frame, before: Sequence[Frame], after: Sequence[Frame], count: int, scene: tuple[int, int]) -> list[Frame]:
    """The ``count`` frames of a scene (its first frame, and the one behind its last) nearest to one, it among them, in their order:
    at the ends of a scene they lie on one side."""
    first, end = scene
    own = [each for each in (*before, frame, *after) if first <= each.number < end]
    nearest = sorted(own, key=lambda each: (abs(each.number - frame.number), each.number))[:count]
    return sorted(nearest, key=lambda each: each.number)


class Pictures:
    """Frames as pictures: each is made once while it is in a window."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._made: dict[int, Image] = {}

    def of(self, frames: Sequence[Frame]) -> tuple[Image, ...]:
        """The pictures of the frames; those of others are forgotten."""
        self._made = {each.number: self._made.get(each.number) or picture(each.planes, self._layout) for each in frames}
        return tuple(self._made.values())


def picture(planes: Planes, layout: Layout) -> Image:
    """A frame as the door takes it. Values beyond black and white are cut off for the work alone: see `pellucid.files.yuv`."""
    return Image(np.clip(yuv.to_pixels(planes, layout), 0, 1), dtype=layout.dtype)


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
    whole = Layout(layout.kind, layout.depth, matrix=layout.matrix, full=layout.full)
    return np.clip(yuv.to_pixels(tuple(parts), whole), 0, 1)


def _blocks(plane: Pixels, block: int, rows: int, columns: int) -> Pixels:
    part = plane[: rows * block, : columns * block]
    if part.shape != (rows * block, columns * block):
        return part.astype(np.float32)
    # Rows first: NumPy adds long rows much faster than short ones.
    lines = part.reshape(rows, block, columns * block).sum(axis=1, dtype=np.float32)
    means: Pixels = lines.reshape(rows, columns, block).sum(axis=2) / np.float32(block * block)
    return means
