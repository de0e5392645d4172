"""Arrays that lie in a file as they are, read and written part by part.

None is mapped: a mapped file that another program cuts short, or a disk that fills up, ends the process without a word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import FileError

__all__ = ["Pick", "Stored", "cut"]

BLOCK = 1 << 24
"""Bytes that are read at once where only some values of them are wanted."""

Pick = int | slice
"""Which part of an axis: one index, or a slice (from, to), which may be empty (all of it)."""


class Stored:
    """An array of that ``shape`` and ``dtype`` in ``file``, from the byte ``begin`` on; ``fortran``: the values along its first
    axis lie side by side. `FileError` where the file ends too early."""

    def __init__(self, file: BinaryIO, begin: int, shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran: bool = False) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.fortran = fortran
        self._file = file
        self.begin = begin
        # As it lies in the file.
        self._lies = self.shape[::-1] if fortran else self.shape

    @property
    def end(self) -> int:
        """The byte after the last one."""
        return self.begin + math.prod(self.shape) * self.dtype.itemsize

    def take(self, picks: tuple[Pick, ...]) -> NDArray[Any]:
        """The part of each axis that ``picks`` says, as indexing an array does, in memory of its own."""
        if self.fortran:
            return np.transpose(self._taken(self.begin, self._lies, picks[::-1]))
        return self._taken(self.begin, self._lies, picks)

    def put(self, picks: tuple[Pick, ...], values: NDArray[Any]) -> None:
        """Writes ``values`` into that part."""
        if self.fortran:
            self._put(self.begin, self._lies, picks[::-1], np.transpose(values))
        else:
            self._put(self.begin, self._lies, picks, values)

    def _taken(self, place: int, shape: tuple[int, ...], picks: tuple[Pick, ...]) -> NDArray[Any]:
        place, shape, picks = self._within(place, shape, picks)
        if not picks:
            return self._read(place, ())
        out = np.empty([len(range(*pick.indices(side))) for pick, side in cut(picks, shape)], self.dtype)
        if _whole(picks[1:], shape[1:]):
            self._fill(place + _begin(picks[0], shape[0]) * self._bytes(shape[1:]), out)
            return out
        for at, top, bottom in self._blocks(shape, picks):
            start = place + top * self._bytes(shape[1:])
            if bottom - top == 1 and self._bytes(shape[1:]) > BLOCK:
                out[at] = self._taken(start, shape[1:], picks[1:])
            else:
                out[at : at + bottom - top] = self._read(start, (bottom - top, *shape[1:]))[(slice(None), *picks[1:])]
        return out

    def _put(self, place: int, shape: tuple[int, ...], picks: tuple[Pick, ...], values: NDArray[Any]) -> None:
        place, shape, picks = self._within(place, shape, picks)
        if not picks:
            self._write(place, values)
            return
        for at, top, bottom in self._blocks(shape, picks):
            start = place + top * self._bytes(shape[1:])
            if _whole(picks[1:], shape[1:]):
                self._write(start, values[at : at + bottom - top])
            elif bottom - top == 1 and self._bytes(shape[1:]) > BLOCK:
                self._put(start, shape[1:], picks[1:], values[at])
            else:
                block = self._read(start, (bottom - top, *shape[1:]))
                block[(slice(None), *picks[1:])] = values[at : at + bottom - top]
                self._write(start, block)

    def _within(self, place: int, shape: tuple[int, ...], picks: tuple[Pick, ...]) -> tuple[int, tuple[int, ...], tuple[Pick, ...]]:
        """Where the part begins, without the outer axes of which one index is picked."""
        while picks and not isinstance(picks[0], slice):
            place += picks[0] * self._bytes(shape[1:])
            shape, picks = shape[1:], picks[1:]
        return place, shape, picks

    def _blocks(self, shape: tuple[int, ...], picks: tuple[Pick, ...]) -> Iterator[tuple[int, int, int]]:
        """Indices of the first axis that are read together, and the place of the first among those picked."""
        pick = picks[0]
        assert isinstance(pick, slice)
        begin, end, _ = pick.indices(shape[0])
        step = max(1, BLOCK // max(1, self._bytes(shape[1:])))
        for top in range(begin, end, step):
            yield top - begin, top, min(top + step, end)

    def _bytes(self, shape: tuple[int, ...]) -> int:
        return math.prod(shape) * self.dtype.itemsize

    def _read(self, place: int, shape: tuple[int, ...]) -> NDArray[Any]:
        values = np.empty(shape, self.dtype)
        self._fill(place, values)
        return values

    def _fill(self, place: int, values: NDArray[Any]) -> None:
        """Reads into an array in C order."""
        self._file.seek(place)
        room = memoryview(values.reshape(-1).view(np.uint8).data)
        while room:
            # One call reads 2 GiB at most.
            done = self._file.readinto(room[: 1 << 30])  # type: ignore[attr-defined]
            if not done:
                raise FileError("the pixels are cut off")
            room = room[done:]

    def _write(self, place: int, values: NDArray[Any]) -> None:
        self._file.seek(place)
        content = np.ascontiguousarray(values, self.dtype).reshape(-1).view(np.uint8).data
        while content:
            content = content[self._file.write(content[:BLOCK]) :]


def cut(picks: tuple[Pick, ...], shape: tuple[int, ...]) -> list[tuple[slice, int]]:
    """The axes that are left of an array of that ``shape``: which part, and how long the whole is."""
    return [(pick, side) for pick, side in zip(picks, shape, strict=True) if isinstance(pick, slice)]


def _begin(pick: Pick, side: int) -> int:
    return pick.indices(side)[0] if isinstance(pick, slice) else pick


def _whole(picks: tuple[Pick, ...], shape: tuple[int, ...]) -> bool:
    """Whether all of each axis is picked."""
    return all(isinstance(pick, slice) and pick.indices(side)[:2] == (0, side) for pick, side in zip(picks, shape, strict=True))
