"""Finds the parts of a picture that say nothing of its noise: areas of one exact value, and drawings, whose details recur exactly.

Noise never repeats itself. So a flat area that is exactly flat, and a detail that is there twice to the last digit, have none: a
page around a photograph, the bars of a film, letters, tiles, dithering. The rest is measured; where there is hardly any rest,
the picture has no noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import drawings
from pellucid.diagnosis import jpeg, photons

__all__ = ["Sight", "Squares", "gray", "in_squares", "rectangles", "sight", "squares", "various"]

CELL = 16
"""Side in pixels of the cells that are measured or left out."""

FLAT = 3
"""Side in pixels of the patches that are exactly one value in a flat area."""

PAGE = 0.005
"""Share of the pixels that an exact value must fill in such patches to be that of a page."""

ALONE = 0.25
"""How many such patches there may be of values one or two levels away, as a share of those of a page's value: the sky of a clean
photograph has steps of one level, each of which is flat."""

CONSTANT = 0.05
"""Share of a cell's pixels that have a page's value from which the cell says nothing."""

ALL = 0.98
"""Share from which there is nothing else in the cell."""

TOGETHER = 0.35
"""How far pixels of a page's value keep together in a cell, at least (0: as chance puts them, 1: in one piece): clipped noise
makes black and white pixels one by one."""

FRINGE, NEAR = 0.25, 10 / 255
"""Share of the pixels beside black or white ones that may be so near to them: of letters few are, of clipped noise most."""

LEFT = 0.15
"""How many cells must be left, as a share of those that are not a page's alone, for what is in them to be measured."""

FEWEST = 6
"""How many cells must be left at least for what is in them to be measured."""

DETAIL = 6
"""Side in pixels of the details that are compared."""

ONE_OF = 16
"""One detail of so many is compared: chosen by its own content, so that of those that are alike all are."""

BUSY = 12
"""How many of the 60 pairs of neighbours in a detail must differ for it to count: black areas with a few clipped pixels recur."""

RECURRING = 0.1
"""The share of the details that are there twice, exactly, from which some of the picture was drawn: at most 0.03 in 43
photographs, with noise of any kind or none; 0.8 to 1 in text and tiles."""

COMPARED = 40
"""How many details there must be to say so."""

PALETTE, GRAYS = 300, 16
"""How many colours a picture of few colours has at most, and how many grays."""

SQUARES = 4
"""Edges of squares that most parts must have, across and down, for their places to show that the pixels stand in squares."""

EQUAL = 0.3
"""The share of neighbours that may be equal, black and white ones left out, in a picture that has noise: of level 2 in gray a
seventh are, of what was drawn most."""

COARSE = 70
"""Quality of a JPEG up to which its flat areas are its own, and no page."""

MIDDLE, FILLED = (0.1, 0.9), 0.75
"""And between which quantiles which share of all levels must be in use: noise leaves no gaps between its values."""

LEAST_SIDE, MOST_PARTS = 2, 24
"""Cells that a rectangle of what is left must have on each side, and how many rectangles are taken at most."""

TOLERANCE = 3.5 / 255
"""How far three channels of a gray picture may be apart, but for one pixel in a thousand: JPEG and colour profiles round them."""

TINT = 0.6 / 255
"""How far they may be apart on average: a tint is the same everywhere, what rounding leaves is not."""


@dataclass(frozen=True)
class Sight:
    """The ``parts`` (h, w, channels each) that may show noise; ``drawn``: hardly anything is in them but what was drawn;
    ``recurring``: because details recur; ``squares``: because pixels stand in squares of equal ones."""

    parts: list[NDArray[np.float32]]
    drawn: bool = False
    recurring: bool = True
    squares: bool = False


@dataclass(frozen=True)
class Squares:
    """A picture whose pixels were repeated: each of a smaller one is so many ``rows`` high and ``columns`` wide. The first whole
    one begins at row ``top`` and column ``left``, which are less than that."""

    rows: int
    columns: int
    top: int = 0
    left: int = 0

    def small(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """The smaller picture (h, w, ...) of one (height, width, ...); what is cut off at an edge counts as a pixel."""
        height, width = pixels.shape[:2]
        down, right = _begins(height, self.rows, self.top), _begins(width, self.columns, self.left)
        return pixels[down][:, right]


def gray(parts: Iterable[NDArray[np.float32]], shown: Sequence[NDArray[np.bool_]] | None = None) -> bool:
    """Whether three channels are one gray picture: all equal, or as nearly as a JPEG of three equal channels leaves them, wherever
    they are ``shown`` (h, w)."""
    apart, total = 0, 0
    tint = np.zeros(2)
    for number, part in enumerate(parts):
        if part.shape[2] != 3:
            return False
        green = part[..., 1]
        hidden = None if shown is None or shown[number].all() else ~shown[number]
        for index, other in enumerate((part[..., 0], part[..., 2])):
            off = other - green
            if hidden is not None:
                off[hidden] = 0
            tint[index] += float(off.sum(dtype=np.float64))
            np.abs(off, out=off)
            # Most pictures have no more to look at.
            if off[::8, ::8].mean(dtype=np.float64) > TOLERANCE or off.max() > 4 * TOLERANCE:
                return False
            apart += int(np.count_nonzero(off > TOLERANCE))
        total += green.size
    return bool(apart <= 2e-3 * total and np.abs(tint).max() <= TINT * total)


def sight(parts: Sequence[NDArray[np.float32]], shown: Sequence[NDArray[np.bool_]] | None = None) -> Sight:
    """The areas of the ``parts`` that may show noise, and whether there are any; ``shown`` (h, w) are the opaque pixels of each."""
    given = list(parts)
    keys = [drawings.keys(part.transpose(2, 0, 1)) for part in parts]
    if _in_squares(keys):
        return Sight(given, drawn=True, squares=True)
    pages = _pages(parts, keys)
    details = _details(keys)
    recurring = details.share >= RECURRING
    few = _few_colours(keys, PALETTE if parts[0].shape[2] == 3 else GRAYS)
    if few and (recurring or photons.step(parts) == 0):
        return Sight(given, drawn=True, recurring=recurring)
    if len(pages) or recurring:
        # A JPEG's blocks are alike, and flat, where hardly anything was kept of them.
        quality = jpeg.confirmed(parts)
        recurring = recurring and quality is None
        pages = pages if quality is None or quality > COARSE else pages[:0]
    hidden = shown is not None and not all(there.all() for there in shown)
    if not len(pages) and not recurring and not hidden:
        return Sight(given)
    left: list[NDArray[np.bool_]] = []
    cells = alone = 0
    for index, key in enumerate(keys):
        page, full = _of_pages(key, pages)
        if recurring:
            page |= _cells(details.where[index], key.shape).any(axis=2)
        if shown is not None:
            there = _cells(shown[index], key.shape)
            page |= ~there.all(axis=2)
            full |= ~there.any(axis=2)
        cells += page.size
        alone += int(np.count_nonzero(full))
        left.append(~page)
    count = sum(int(np.count_nonzero(each)) for each in left)
    if count < max(min(FEWEST, cells), LEFT * (cells - alone)):
        visible = cells - alone if hidden else cells
        return Sight(given, drawn=bool(recurring or len(pages) or visible == 0))
    taken = [
        part[CELL * top : CELL * bottom, CELL * first : CELL * last]
        for part, free in zip(parts, left, strict=True)
        for top, bottom, first, last in rectangles(free)
    ]
    return Sight(taken or given)


def in_squares(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the pixels of the ``parts`` stand in squares of equal ones: something small was made larger by whole factors, without
    a filter."""
    return _in_squares([drawings.keys(part.transpose(2, 0, 1)) for part in parts])


def _in_squares(keys: Sequence[NDArray[np.uint32]]) -> bool:
    sides = [
        [np.flatnonzero((key[:, 1:] != key[:, :-1]).any(axis=0)) for key in keys],
        [np.flatnonzero((key[1:] != key[:-1]).any(axis=1)) for key in keys],
    ]
    if sum(len(places) >= SQUARES for places in (*sides[0], *sides[1])) <= len(keys):
        return False
    # Any factor is a multiple of one of these.
    return all(any(all(len(np.unique(places % factor)) <= 1 for places in side) for factor in (2, 3, 5, 7)) for side in sides)


def squares(pixels: NDArray[Any]) -> Squares | None:
    """How the pixels of a whole picture (h, w, channels) were repeated; None where they were not, down and across."""
    found = []
    for axis in (0, 1):
        lines = np.moveaxis(pixels, axis, 0)
        # A few lines tell most pictures.
        for step in (max(1, lines.shape[1] // 8), 1):
            some = lines[:, ::step]
            edges = 1 + np.flatnonzero((some[1:] != some[:-1]).any(axis=(1, 2)))
            apart = math.gcd(*(int(gap) for gap in np.diff(edges))) if len(edges) >= SQUARES else 0
            if apart < 2:
                return None
        found.append((apart, int(edges[0]) % apart))
    (rows, top), (columns, left) = found
    return Squares(rows, columns, top, left)


def various(pixels: NDArray[Any]) -> bool:
    """Whether values in a picture (h, w, channels) differ as noise makes them differ: in a drawing most neighbours are equal, or
    the values are those of a palette, with gaps between them."""
    inside = np.asarray(((pixels > 0) & (pixels < 1)).any(axis=2))
    equal = count = 0
    for axis in (0, 1):
        lines, there = np.moveaxis(pixels, axis, 0), np.moveaxis(inside, axis, 0)
        pairs = there[1:] & there[:-1]
        equal += int(np.count_nonzero((lines[1:] == lines[:-1]).all(axis=2) & pairs))
        count += int(np.count_nonzero(pairs))
    if count == 0 or equal > EQUAL * count:
        return False
    for channel in range(pixels.shape[2]):
        plane = np.rint(255 * np.clip(pixels[..., channel], 0, 1))
        low, high = np.quantile(plane, MIDDLE)
        there = np.unique(plane[(plane >= low) & (plane <= high)])
        if len(there) < FILLED * (high - low + 1):
            return False
    return True


def _begins(length: int, size: int, first: int) -> NDArray[np.intp]:
    """Where squares of this size begin along a side, the first whole one at ``first``; and 0, where one is cut off."""
    whole = np.arange(first, length, size)
    return np.concatenate([[0], whole]) if first > 0 else whole


def _few_colours(keys: Sequence[NDArray[np.uint32]], most: int) -> bool:
    """Whether there are at most so many colours."""
    colours = np.zeros(0, np.uint32)
    for key in keys:
        for rows in (key[:: max(1, len(key) // 8)], key):
            colours = np.union1d(colours, np.unique(rows))
            if len(colours) > most:
                return False
    return len(colours) <= sum(key.size for key in keys) // 64


# -- pages ------------------------------------------------------------------------------------------------------------


def _pages(parts: Sequence[NDArray[np.float32]], keys: Sequence[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    """The keys of values that fill flat areas."""
    nothing = np.zeros(0, np.uint32)
    places, values = [], []
    total = sum(key.size for key in keys)
    flats = [_flat(key) for key in keys]
    if sum(int(np.count_nonzero(flat)) for flat in flats) < PAGE * total:
        return nothing
    for part, key, flat in zip(parts, keys, flats, strict=True):
        rows, columns = np.nonzero(flat[::2])
        rows, columns = 2 * rows + 1, columns + 1
        places.append(key[rows, columns])
        values.append(part[rows, columns])
    found, first, counts = np.unique(np.concatenate(places), return_index=True, return_counts=True)
    colours = np.concatenate(values)[first]
    many = np.flatnonzero(2 * counts >= PAGE * total)
    answer = []
    for index in many:
        off = np.abs(colours - colours[index]).max(axis=1)
        if counts[(off > 0) & (off < 2.5 / 255)].sum() > ALONE * counts[index]:
            continue
        end = bool(((colours[index] <= 0) | (colours[index] >= 1)).all())
        if end and _fringe(parts, keys, found[index], colours[index]) > FRINGE:
            continue
        answer.append(found[index])
    return np.array(answer, np.uint32)


def _flat(key: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Where a patch of equal pixels begins."""
    across = key[:, 1:] == key[:, :-1]
    down = key[1:, :-2] == key[:-1, :-2]
    rows = across[:, 1:] & across[:, :-1]
    answer: NDArray[np.bool_] = rows[2:] & rows[1:-1] & rows[:-2] & down[1:] & down[:-1]
    return answer


def _fringe(
    parts: Sequence[NDArray[np.float32]], keys: Sequence[NDArray[np.uint32]], key: np.uint32, colour: NDArray[np.float32]
) -> float:
    """Which share of the pixels to the right of, or below, one with this value, and without it, nearly have it."""
    beside = near = 0
    for part, each in zip(parts, keys, strict=True):
        there = each == key
        for edge, values in ((there[:, :-1] & ~there[:, 1:], part[:, 1:]), (there[:-1] & ~there[1:], part[1:])):
            others = values[edge]
            beside += len(others)
            near += int(np.count_nonzero(np.abs(others - colour).max(axis=1, initial=0) < NEAR))
    return near / max(beside, 1)


def _of_pages(key: NDArray[np.uint32], pages: NDArray[np.uint32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which cells are a page's in part, and which have nothing else."""
    rows, columns = (side // CELL for side in key.shape)
    if not len(pages):
        return np.zeros((rows, columns), bool), np.zeros((rows, columns), bool)
    there = key == pages[0] if len(pages) == 1 else np.isin(key, pages)
    pairs = np.zeros_like(there)
    pairs[:, 1:] = there[:, 1:] & (key[:, 1:] == key[:, :-1])
    share = _cells(there, key.shape).mean(axis=2)
    both = _cells(pairs, key.shape).mean(axis=2)
    together = (both - share**2) / np.maximum(share - share**2, 1e-6)
    full = share > ALL
    return (share > CONSTANT) & (together > TOGETHER) | full, full


def _cells(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The pixels of each cell, (rows, columns, pixels); ``mask`` may lack the last rows and columns of the ``shape``."""
    rows, columns = (side // CELL for side in shape)
    whole = mask
    if mask.shape[0] < rows * CELL or mask.shape[1] < columns * CELL:
        whole = np.zeros((rows * CELL, columns * CELL), bool)
        high, wide = min(mask.shape[0], rows * CELL), min(mask.shape[1], columns * CELL)
        whole[:high, :wide] = mask[:high, :wide]
    cut = whole[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    return cut.swapaxes(1, 2).reshape(rows, columns, CELL * CELL)


# -- details that recur -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Details:
    """Which ``share`` of the details is there twice, and ``where`` those begin that are, in each part."""

    share: float
    where: list[NDArray[np.bool_]]


def _details(keys: Sequence[NDArray[np.uint32]]) -> _Details:
    hashes, places = [], []
    fullest: np.intp | int = 0
    for number, key in enumerate(keys):
        if min(key.shape) < DETAIL:
            continue
        # A polynomial of the keys, along rows and then columns.
        mixed = _summed(_summed(key, 0x01000193, 1), 0x5BD1E995, 0)
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(0x2C1B3C6D)
        mixed ^= mixed >> np.uint32(12)
        chosen = mixed & np.uint32(ONE_OF - 1)
        if number == 0:
            # The most frequent remainder is taken: a chessboard has so few details that none may have a fixed one.
            fullest = np.argmax(np.bincount(chosen.ravel().astype(np.intp), minlength=ONE_OF))
        rows, columns = np.nonzero(chosen == fullest)
        pairs = np.zeros(len(rows), np.uint8)
        across, down = key[:, 1:] != key[:, :-1], key[1:] != key[:-1]
        for below in range(DETAIL):
            for right in range(DETAIL - 1):
                pairs += across[rows + below, columns + right]
                pairs += down[rows + right, columns + below]
        busy = pairs >= BUSY
        hashes.append(mixed[rows[busy], columns[busy]])
        places.append(np.stack([np.full(int(busy.sum()), number), rows[busy], columns[busy]]))
    where = [np.zeros(key.shape, bool) for key in keys]
    every = np.concatenate(hashes) if hashes else np.zeros(0, np.uint32)
    if len(every) < COMPARED:
        return _Details(0.0, where)
    _, back, counts = np.unique(every, return_inverse=True, return_counts=True)
    twice = counts[back] > 1
    for number, row, column in np.concatenate(places, axis=1)[:, twice].T:
        where[number][row, column] = True
    return _Details(float(twice.mean()), where)


def _summed(values: NDArray[np.uint32], base: int, axis: int) -> NDArray[np.uint32]:
    """The sum of `DETAIL` values along an axis, each times the next power of ``base``, modulo 2**32."""

    def off(array: NDArray[Any], begin: int, length: int) -> NDArray[Any]:
        return array[begin : begin + length] if axis == 0 else array[:, begin : begin + length]

    length = values.shape[axis]
    power = [np.uint32(base**count % 2**32) for count in range(5)]
    two = off(values, 0, length - 1) + power[1] * off(values, 1, length - 1)
    four = off(two, 0, length - 3) + power[2] * off(two, 2, length - 3)
    answer: NDArray[np.uint32] = off(four, 0, length - 5) + power[4] * off(two, 4, length - 5)
    return answer


# -- what is left -----------------------------------------------------------------------------------------------------


def rectangles(free: NDArray[np.bool_]) -> list[tuple[int, int, int, int]]:
    """Rectangles of free cells (top, bottom, left, right), the largest first; none overlaps another."""
    answer: list[tuple[int, int, int, int]] = []
    room = free.copy()
    least = min(LEAST_SIDE, *free.shape) if free.size else 1
    while room.any() and len(answer) < MOST_PARTS:
        best = _largest(room, least) or (_largest(room, 1) if not answer else None)
        if best is None:
            break
        top, bottom, first, last = best
        room[top:bottom, first:last] = False
        answer.append(best)
    return answer


def _largest(room: NDArray[np.bool_], least: int) -> tuple[int, int, int, int] | None:
    """The largest rectangle of free cells with at least so many on each side."""
    heights = np.zeros(room.shape[1], np.intp)
    best, size = None, 0
    for bottom, row in enumerate(room, 1):
        heights = np.where(row, heights + 1, 0)
        for height in np.unique(heights[heights >= least]):
            # The longest run of columns that are at least so high.
            steps = np.diff(np.concatenate([[0], (heights >= height).astype(np.int8), [0]]))
            begins, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
            longest = int(np.argmax(ends - begins))
            width = int(ends[longest] - begins[longest])
            if width >= least and width * height > size:
                size = width * int(height)
                best = (bottom - int(height), bottom, int(begins[longest]), int(ends[longest]))
    return best
