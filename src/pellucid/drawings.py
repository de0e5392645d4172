"""Impulses on what was drawn, found and replaced by exact values: on ground of one value, and by colours that are there once.

In a drawing every colour comes again, for letters and lines have few, and blends of two where they meet. An impulse of any value in
red, green and blue has a colour of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import Planes

__all__ = ["grounded", "keys", "recoloured", "recurring", "surrounded"]

NAMES = 2**24
"""How many names colours have: as many as there are colours of 8 bits."""

RARE = 1e-6
"""The chance below which so many pixels of one name are no impulses that have it by chance."""

COUNTED = 255
"""Up to how many pixels a colour may need to come again, by the number of impulses."""

BLENDED = 10 / 255
"""How far a colour may be from the blends of two colours beside it to be one of them, as JPEG and rounding leave it."""

MOST = 5
"""How many of the eight pixels around an impulse have one colour for it to be the true one, nearly always."""

NEIGHBOURS = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)


def grounded(planes: Planes) -> Planes:
    """``planes`` (c, h, w) with each pixel replaced by the eight around it where these have one exact value, and it has another."""
    answer = planes.copy()
    if min(planes.shape[1:]) < 3:
        return answer
    even = surrounded(planes, 3)
    ground = planes[:, : even.shape[0], : even.shape[1]]
    np.copyto(answer[:, 1:-1, 1:-1], ground, where=even)
    return answer


def surrounded(planes: Planes, side: int) -> NDArray[np.bool_]:
    """Where squares (h + 1 - side, w + 1 - side) of an odd ``side`` begin in ``planes`` (c, h, w) whose pixels are all equal but
    for the one in the middle."""
    # Each pixel but the middle one equals that beside it and that below it, and so all of them are equal.
    across, down = ((planes[:, :, 1:] == planes[:, :, :-1]).all(axis=0), (planes[:, 1:] == planes[:, :-1]).all(axis=0))
    height, width = planes.shape[1] + 1 - side, planes.shape[2] + 1 - side
    even = np.ones((height, width), bool)
    middle = side // 2
    for row in range(side):
        for column in range(side - 1):
            if row != middle or column not in (middle - 1, middle):
                even &= across[row : row + height, column : column + width]
                even &= down[column : column + height, row : row + width]
    return even


def keys(planes: Planes) -> NDArray[np.uint32]:
    """A number (h, w) for the exact value of each pixel of (c, h, w)."""
    bits = [np.ascontiguousarray(plane).view(np.uint32) for plane in planes]
    mixed = bits[0] * np.uint32(0x9E3779B1)
    for other in bits[1:]:
        mixed ^= mixed >> np.uint32(15)
        mixed *= np.uint32(0x85EBCA6B)
        mixed += other * np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0x27D4EB2F)
    mixed ^= mixed >> np.uint32(16)
    return mixed


def named(planes: Planes) -> NDArray[np.uint32]:
    """The name (h, w) of the colour of each pixel of (c, h, w), below `NAMES`; few colours share one, by chance."""
    return keys(planes) >> np.uint32(8)


def recurring(bands: Iterable[Planes]) -> NDArray[np.uint32]:
    """The sorted names of the colours that come again in the ``bands`` (c, h, w) of a picture: of more pixels than impulses of any
    value have of one name by chance. One band at a time is held, and a number for each name."""
    table = np.zeros(NAMES, np.uint32)
    for band in bands:
        found, more = np.unique(named(band), return_counts=True)
        table[found] += more.astype(np.uint32)
    there = np.flatnonzero(table)
    counts = table[there]
    pixels = np.bincount(np.minimum(counts, COUNTED)) * np.arange(min(int(counts.max(initial=0)), COUNTED) + 1)
    answer: NDArray[np.uint32] = there[counts >= _again(pixels)].astype(np.uint32)
    return answer


def _again(pixels: NDArray[np.int64]) -> int:
    """How many pixels of one name are no chance, by how many ``pixels`` have a name that just 0, 1, 2 and so on have."""
    again = 2
    while again < COUNTED:
        # Pixels whose names have fewer are impulses, spread over all names (Poisson).
        mean = float(pixels[:again].sum()) / NAMES
        beyond, term, least = 1 - math.exp(-mean), math.exp(-mean), 1
        while beyond > RARE and least < COUNTED:
            term *= mean / least
            beyond -= term
            least += 1
        if least <= again:
            break
        again = least
    return again


def recoloured(planes: Planes, colours: NDArray[np.uint32]) -> tuple[Planes, NDArray[np.bool_], NDArray[np.bool_]]:
    """``planes`` (c, h, w) with the impulses replaced, and where (h, w) these are: pixels whose names are none of the sorted
    ``colours``, and that are no blend of two colours around them. Each gets the colour that most of the eight pixels around it
    have; third, where (h, w) `MOST` of them or more have that.
    """
    names = np.pad(named(planes), 1, mode="symmetric")
    framed = np.pad(planes, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    places = np.minimum(np.searchsorted(colours, names), max(0, len(colours) - 1))
    known = colours[places] == names if len(colours) else np.zeros(names.shape, bool)
    rows, columns = np.nonzero(~known[1:-1, 1:-1])
    answer, struck = planes.copy(), np.zeros(planes.shape[1:], bool)
    clear = struck.copy()
    if not len(rows):
        return answer, struck, clear
    around = [(rows + 1 + down, columns + 1 + right) for down, right in NEIGHBOURS]
    good = np.stack([known[place] for place in around])
    beside = np.stack([names[place] for place in around])
    values = np.stack([framed[:, place[0], place[1]] for place in around])
    # How many of the others have the same colour; pixels that are impulses themselves say nothing.
    votes = np.stack([((beside == each) & good).sum(axis=0) for each in beside]) * good
    usual = np.take_along_axis(values, votes.argmax(axis=0)[None, None], axis=0)[0]
    apart = np.abs(values - usual).max(axis=1) * good
    other = np.take_along_axis(values, apart.argmax(axis=0)[None, None], axis=0)[0]
    here = planes[:, rows, columns]
    line = other - usual
    share = np.clip(((here - usual) * line).sum(axis=0) / np.maximum(np.square(line).sum(axis=0), np.float32(1e-9)), 0, 1)
    off = np.abs(here - usual - share * line).max(axis=0)
    chosen = good.any(axis=0) & (off > np.float32(BLENDED))
    answer[:, rows[chosen], columns[chosen]] = usual[:, chosen]
    struck[rows[chosen], columns[chosen]] = True
    clear[rows, columns] = chosen & (votes.max(axis=0) >= MOST)
    return answer, struck, clear
