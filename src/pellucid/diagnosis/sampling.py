"""Which pixels are looked at, and their 8x8 blocks under a cosine transform."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.quantised import SIDE, transform

__all__ = ["HEAPED", "SIDE", "Blocks", "Window", "between", "blocks", "by_order", "transform", "windows"]

WHOLE = 640 * 640
"""Images of up to so many pixels are looked at whole."""

ACROSS = 64
"""Side in pixels of the windows through which larger images are seen; where they begin divides by `SIDE`, as a JPEG's grid does."""

WINDOWS = 100
"""How many there are at most: four hundred thousand pixels tell the noise within a hundredth, whatever the image's size."""

STACK, AT_ONCE = 64, 16
"""Blocks that are transformed in one product, and products in one go."""

HEAPED = 0.05
"""The share of a block's values at either end of the range with which it still counts, usually."""

MOST_HEAPED = 0.5
"""The same share where all blocks have more than `HEAPED`."""

BLOCKS = 11_000
"""How many blocks are transformed at most."""


@dataclass(frozen=True)
class Window:
    """A part of an image: its ``top`` row and ``left`` column, ``height`` and ``width``."""

    top: int
    left: int
    height: int
    width: int

    def of(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The part of (h, w, ...)."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def windows(height: int, width: int) -> list[Window]:
    """The parts of an image of this size that are looked at: all of it, or windows evenly spread."""
    if height * width <= WHOLE or min(height, width) < ACROSS:
        # A long strip is cut at its middle: its short side leaves no room for windows.
        tall, wide = (min(side, max(ACROSS, WHOLE // min(height, width))) for side in (height, width))
        return [Window((height - tall) // 2 // SIDE * SIDE, (width - wide) // 2 // SIDE * SIDE, tall, wide)]
    aspect = np.sqrt(height / width)
    rows = int(np.clip(round(np.sqrt(WINDOWS) * aspect), 1, min(WINDOWS, height // ACROSS)))
    columns = int(np.clip(WINDOWS // rows, 1, width // ACROSS))
    tops = np.linspace(0, height - ACROSS, rows).astype(int) // SIDE * SIDE
    lefts = np.linspace(0, width - ACROSS, columns).astype(int) // SIDE * SIDE
    return [Window(int(top), int(left), ACROSS, ACROSS) for top in tops for left in lefts]


_order = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
"""The order (row + column) of each coefficient."""

by_order = np.argsort(_order, kind="stable")


def between(low: int, high: int) -> slice:
    """Where the coefficients of the orders low to high lie in `Blocks.energies`."""
    first, last = np.searchsorted(_order[by_order], [low, high + 1])
    return slice(int(first), int(last))


@dataclass(frozen=True)
class Blocks:
    """``values`` (n, 64) of pixels in 8-bit levels, from one channel each, one channel after the other; none of them clipped."""

    values: NDArray[np.float32]
    _busy: dict[tuple[int, int], NDArray[np.float32]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def energies(self) -> NDArray[np.float32]:
        """The squared coefficients (64, n), by order (see `between`): a sum over some orders is one of whole rows."""
        count = len(self.values)
        answer = np.empty((SIDE * SIDE, count), dtype=np.float32)
        rows = transform[by_order]
        # In products so small that the linear algebra library runs each in one thread: threads that it starts wait busily for
        # more, for a while, and take the cores from the engine that runs next (a third of its time on 512x512 pixels). In the
        # same room again and again: fresh memory takes as long as the products.
        room = np.empty((AT_ONCE, SIDE * SIDE, STACK), dtype=np.float32)
        whole = count - count % STACK
        for start in range(0, whole, AT_ONCE * STACK):
            stop = min(start + AT_ONCE * STACK, whole)
            stacked = self.values[start:stop].reshape(-1, STACK, SIDE * SIDE)
            made = np.matmul(rows, stacked.transpose(0, 2, 1), out=room[: len(stacked)])
            np.square(made.transpose(1, 0, 2), out=answer[:, start:stop].reshape(SIDE * SIDE, -1, STACK))
        np.square(rows @ self.values[whole:].T, out=answer[:, whole:])
        return answer

    @cached_property
    def means(self) -> NDArray[np.float32]:
        """The mean of each block in 8-bit levels."""
        answer: NDArray[np.float32] = self.values.mean(axis=1)
        return answer

    def where(self, kept: NDArray[np.bool_]) -> Blocks:
        """Those (n) that are ``kept``, transformed already."""
        some = Blocks(self.values[kept])
        some.__dict__["energies"] = self.energies[:, kept]
        return some

    def busy(self, low: int, high: int) -> NDArray[np.float32]:
        """The energy of each block at the orders low to high."""
        # Asked for again and again, with the same orders.
        if (low, high) not in self._busy:
            self._busy[low, high] = self.energies[between(low, high)].sum(axis=0)
        return self._busy[low, high]

    def calmest(self, share: float, low: int, high: int, fewest: int) -> NDArray[np.int64]:
        """The numbers of a ``share`` of the blocks, at least ``fewest``: those with the least energy at the orders low to high.

        White noise has independent coefficients: what a block's lower orders say of its texture is no hint of its noise at others.
        """
        busy = self.busy(low, high)
        count = min(len(busy), max(fewest, round(share * len(busy))))
        answer: NDArray[np.int64] = np.argpartition(busy, count - 1)[:count]
        return answer


def blocks(parts: Sequence[NDArray[np.float32]], heaped: float | None = None) -> Blocks:
    """Blocks of the ``parts`` (h, w, channels each), at odd steps, which meet every phase of a regular texture and of a JPEG's
    grid.

    Each channel gives its share of them. A block with more than `HEAPED` of its values at either end of the range, where
    clipping hides noise, is left out; values beyond the ends show that nothing was clipped. ``heaped`` is another bound, for
    whoever reckons with clipping: which blocks strong noise heaps at the ends is chance, and those that it spares have less.
    """
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    step = 1
    while pixels * parts[0].shape[2] / step**2 > BLOCKS:
        step += 2
    views = [
        np.lib.stride_tricks.sliding_window_view(part[..., channel], (SIDE, SIDE))[::step, ::step]
        for part in parts
        for channel in range(part.shape[2])
        if min(part.shape[:2]) >= SIDE
    ]
    values = np.empty((sum(view.shape[0] * view.shape[1] for view in views), SIDE * SIDE), dtype=np.float32)
    start = 0
    for view in views:
        stop = start + view.shape[0] * view.shape[1]
        np.multiply(view, np.float32(255), out=values[start:stop].reshape(view.shape))
        start = stop
    if len(values) and values.min() >= -0.01 and values.max() <= 255.01:
        share = ((values <= 0) | (values >= 255)).mean(axis=1)
        # Where noise is so strong that nearly all of them are, those that are least: better too low a level than none.
        most = max(HEAPED, float(np.quantile(share, 0.1)))
        values = values[share <= (heaped or (most if most <= MOST_HEAPED else HEAPED))]
    return Blocks(values)
