"""Motion from frame to frame, in parts of a pixel, where there is noise.

The motion is found block by block. The whole picture is looked at first, in small frames, where a mean over 64 pixels has an eighth
of the noise: the shift of all, and of each block where it is surely another. Then the method of Lucas and Kanade (1981, "An
iterative image registration technique") makes that finer, from small frames to large ones: at first with one affine motion for all
blocks, as a camera moves, then block by block, each bound to its neighbours the more, the less it shows by itself. A block moves
only where that is surely better than standing still.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pellucid.images import Pixels

__all__ = ["BLOCK", "Motion", "Sizes", "back", "box", "find", "moved", "shrunk", "warped"]

BLOCK = 16
"""Side in pixels of the blocks whose motion is found."""

CELL = 8
"""Side in pixels of the parts of a block that move together. Where the picture turns or grows, their motions lie between those
of the blocks."""

JOIN = 0.5
"""Pixels by which such a motion may differ from the block's own: beyond, the neighbour is another thing."""

SMALLEST = 8
"""How many times smaller the frames are in which motion is first looked for."""

REACH = 5
"""Pixels of those small frames that motion goes at most: 40 of the frame's own, either way."""

CHANCE = 3.0
"""Standard deviations by which a block must be nearer with a motion of its own than with that of the whole picture: among many
motions chance favours one."""

STEPS = ((8, 2, 1), (4, 2, 2), (2, 1, 3))
"""How many times smaller the frames are, how many steps in each move all blocks as one affine motion, and how many move each block
by itself."""

TURNS = 3
"""Times that it is asked anew from where in the other frame a block comes."""

SOLVED = 8
"""Times that blocks are balanced with their neighbours in a step."""

HELD = 2
"""How many of these times in a row they are bound as they were."""

ALIKE = 0.35
"""Pixels by which the motions of two neighbours are expected to differ."""

EDGE = 1.0
"""Pixels of difference from which two neighbours bind each other by half: they belong to different things."""

SURE = 12.0
"""Times the noise's variance by which the squared differences of three by three blocks must be less with motion than without it,
where the blocks around them move as well."""

SURE_ALONE = 40.0
"""The same where they do not: where there is much to see, noise alone moves each of the nine, both ways, and makes the differences
less by 18."""

WIDE, MOVING = 9, 25.0
"""Blocks a side of what is around, and by how many times the variance its differences must be less with its mean motion for it to
move."""

SURE_WIDE = 8.0
"""Times by which each of its blocks has a say at most."""

BLURRED = 0.0586
"""The share of white noise's variance that is left in the slopes of a frame after `_smooth`."""

TAPS = 6
"""Pixels whose weighted mean is a pixel between them, along each side."""

PARTS = 128
"""Parts of a pixel for which those weights are tabled: motion is not known better."""

ALIKE_CELLS = 1 / 8
"""Pixels by which the motions of the parts of a block may differ for it to be moved as one: that takes half the time, and motion
is hardly known better."""

AT_ONCE = 128
"""How many parts are moved at once: what is gathered of them fits into a core's cache."""


@dataclass(frozen=True)
class Motion:
    """Where each block of a frame is found in the one before: pixels ``down`` and ``right`` of its own place, (rows of blocks,
    columns of blocks), float64."""

    down: NDArray[np.float64]
    right: NDArray[np.float64]

    @property
    def none(self) -> bool:
        """Whether nothing moves."""
        return not (self.down.any() or self.right.any())

    @cached_property
    def pieces(self) -> tuple[_Pieces, ...]:
        """The parts of a picture that move so: several planes are moved alike."""
        blocks, fine = self.down.shape, _between(self)
        # Two by two parts that move alike are one.
        parts = [part.reshape(blocks[0], 2, blocks[1], 2).swapaxes(1, 2).reshape(*blocks, 4) for part in (fine.down, fine.right)]
        alike = np.maximum(*(part.max(axis=2) - part.min(axis=2) for part in parts)) < ALIKE_CELLS
        whole = np.repeat(np.repeat(alike, 2, 0), 2, 1)
        return (
            _Pieces.of(BLOCK, *(np.where(alike, part.mean(axis=2), 0) for part in parts)),
            _Pieces.of(CELL, *(np.where(whole, 0, part) for part in (fine.down, fine.right))),
        )


class Sizes:
    """A plane (h, w) in smaller sizes, each made when it is first asked for: a frame is looked at with the one before it, and again
    with the one behind."""

    def __init__(self, plane: Pixels) -> None:
        self.shape = plane.shape
        self._sizes = {2: shrunk(plane, 2)}
        self._smooth: dict[int, Pixels] = {}

    def at(self, scale: int) -> Pixels:
        """The plane ``scale`` times smaller: 2, 4, 8, ..."""
        if scale not in self._sizes:
            self._sizes[scale] = shrunk(self.at(scale // 2), 2)
        return self._sizes[scale]

    def smooth(self, scale: int) -> Pixels:
        """The same, blurred a little."""
        if scale not in self._smooth:
            self._smooth[scale] = _smooth(self.at(scale))
        return self._smooth[scale]


def find(frame: Pixels | Sizes, before: Pixels | Sizes, noise: float, old: float, *, near: Motion | None = None) -> Motion:
    """The motion between two planes (h, w) of one size, at least `BLOCK` pixels each way.

    ``noise`` is the standard deviation of their difference without motion, ``old`` that of the noise in ``before``, both as shares
    of full range. ``near``: about how it moves, where that is known; then it is only made finer, and what stands still there does.
    """
    one, other = (each if isinstance(each, Sizes) else Sizes(each) for each in (frame, before))
    blocks = -(-one.shape[0] // BLOCK), -(-one.shape[1] // BLOCK)
    noise = max(noise, 1e-4)
    if near is not None and near.none:
        return near
    if near is None:
        motion = _searched(one.at(SMALLEST), other.at(SMALLEST), blocks, noise)
        steps = [(scale, step < together) for scale, together, own in STEPS for step in range(together + own)]
    else:
        motion, steps = near, [(2, False)]
    for scale, together in steps:
        motion = _finer(one.smooth(scale), other.smooth(scale), motion, scale, noise, old, together=together)
    if near is not None:
        moves = (near.down != 0) | (near.right != 0)
        return Motion(np.where(moves, motion.down, 0.0), np.where(moves, motion.right, 0.0))
    return _sure(one.at(2), other.at(2), motion, noise)


def back(motion: Motion) -> Motion:
    """Where about each block of the frame *before* is found in the frame that moved so."""
    blocks = motion.down.shape
    rows, columns = np.ogrid[: blocks[0], : blocks[1]]
    down, right = -motion.down, -motion.right
    for _ in range(TURNS):
        y = np.clip(rows + np.rint(down / BLOCK), 0, blocks[0] - 1).astype(np.intp)
        x = np.clip(columns + np.rint(right / BLOCK), 0, blocks[1] - 1).astype(np.intp)
        down, right = -motion.down[y, x], -motion.right[y, x]
    return Motion(down, right)


def moved(planes: Pixels, motion: Motion) -> Pixels:
    """Planes (c, h, w) of the frame before, as they lie in this one. Pixels between pixels are means weighted by a windowed sinc
    (Lanczos, three lobes); beyond the edge the last pixel is repeated."""
    if motion.none:
        return planes
    count, height, width = planes.shape
    tall, wide = (size * BLOCK for size in motion.down.shape)
    shown = np.empty((count, tall, wide), np.float32)
    if sum(len(each.there[0]) * each.side**2 for each in motion.pieces) < tall * wide:
        shown[:, :height, :width] = planes
    for each in motion.pieces:
        each.put(planes, shown)
    return shown[:, :height, :width]


@dataclass(frozen=True)
class _Pieces:
    """The parts of a picture, ``side`` pixels a side, that move: which they are (row and column among all), the first row and
    column of what each shows, and by how many of the `PARTS` of a pixel it moves beside that, both down and to the right."""

    side: int
    there: tuple[NDArray[np.intp], ...]
    begin: tuple[NDArray[np.intp], ...]
    rest: tuple[NDArray[np.intp], ...]

    @classmethod
    def of(cls, side: int, down: NDArray[np.float64], right: NDArray[np.float64]) -> _Pieces:
        """Those of an even grid."""
        there = np.nonzero((down != 0) | (right != 0))
        begin, rest = [], []
        for cells, part in zip(there, (down[there], right[there]), strict=True):
            under = np.floor(part)
            begin.append(cells * side + under.astype(np.intp) + 1 - TAPS // 2)
            rest.append(np.rint(PARTS * (part - under)).astype(np.intp))
        return cls(side, there, tuple(begin), tuple(rest))

    def put(self, planes: Pixels, shown: Pixels) -> None:
        """Puts what moves of ``planes`` (c, h, w) into its place in the planes ``shown``, whole parts."""
        count, height, width = shown.shape
        places = shown.reshape(count, height // self.side, self.side, width // self.side, self.side).swapaxes(2, 3)
        reach = np.arange(self.side + TAPS - 1)
        windows = sliding_window_view(planes, (len(reach),) * 2, axis=(1, 2))
        within = np.logical_and(
            *((begin >= 0) & (begin < size) for begin, size in zip(self.begin, windows.shape[1:3], strict=True))
        )
        by_down, by_right = _weights(self.side)
        for inside in (True, False):
            which = np.flatnonzero(within == inside)
            # A few at a time: what is gathered is larger than what comes of it.
            for first in range(0, len(which), AT_ONCE):
                (row, column), (y, x), (down, right) = (
                    tuple(part[which[first : first + AT_ONCE]] for part in each) for each in (self.there, self.begin, self.rest)
                )
                one, other = by_down[down], by_right[right]
                if not inside:
                    # Beyond the edge the last pixel goes on.
                    y = np.clip(y[:, None] + reach, 0, planes.shape[1] - 1)[:, :, None]
                    x = np.clip(x[:, None] + reach, 0, planes.shape[2] - 1)[:, None]
                    y = y * planes.shape[2] + x
                for plane, window, place in zip(planes, windows, places, strict=True):
                    given = window[y, x] if inside else plane.ravel().take(y, mode="wrap")
                    place[row, column] = one @ (given @ other)


def _between(motion: Motion) -> Motion:
    """The motion of each cell: between those of the blocks around it, where these move alike; where a block stands still, none."""
    own, made = [], []
    for part in (motion.down, motion.right):
        own.append(np.repeat(np.repeat(part, 2, 0), 2, 1))
        plane = part
        for _ in range(2):
            padded = np.pad(plane, ((1, 1), (0, 0)), mode="edge")
            twice = np.empty((2 * plane.shape[0], plane.shape[1]))
            twice[0::2] = 0.25 * padded[:-2] + 0.75 * plane
            twice[1::2] = 0.25 * padded[2:] + 0.75 * plane
            # Turned each time: rows first, then columns.
            plane = twice.T
        made.append(plane)
    alone = np.hypot(made[0] - own[0], made[1] - own[1]) > JOIN
    alone |= (own[0] == 0) & (own[1] == 0)
    return Motion(np.where(alone, own[0], made[0]), np.where(alone, own[1], made[1]))


@lru_cache(maxsize=2)
def _weights(side: int) -> tuple[Pixels, Pixels]:
    """Matrices (`PARTS` + 1, ``side``, ``side`` + `TAPS` - 1) that move by each part of a pixel, and the same turned."""
    distance = np.arange(PARTS + 1)[:, None] / PARTS - (np.arange(TAPS) - (TAPS // 2 - 1))
    taps = np.sinc(distance) * np.sinc(distance / (TAPS // 2))
    taps /= taps.sum(axis=1, keepdims=True)
    # Each row of a matrix is the one before, one further.
    row = np.zeros((len(taps), 2 * side + TAPS - 2), np.float32)
    row[:, side - 1 : side - 1 + TAPS] = taps
    matrices = np.ascontiguousarray(sliding_window_view(row, side + TAPS - 1, axis=1)[:, ::-1])
    return matrices, np.ascontiguousarray(matrices.swapaxes(1, 2))


# -- how it is found --------------------------------------------------------------------------------------------------


def _searched(frame: Pixels, before: Pixels, blocks: tuple[int, int], noise: float) -> Motion:
    """The motion of each block from the smallest frames, in whole pixels of theirs: that of the whole picture, unless another is
    surely better."""
    height, width = frame.shape
    side = BLOCK // SMALLEST
    shifts = np.arange(-REACH, REACH + 1)
    away = np.zeros((len(shifts), len(shifts), blocks[0] * side, blocks[1] * side), np.float32)
    apart = away[:, :, :height, :width]
    np.subtract(frame, sliding_window_view(np.pad(before, REACH, mode="edge"), (height, width)), out=apart)
    np.abs(apart, out=apart)
    # Without what comes from beyond the edge.
    down, right = (
        ((there >= 0) & (there < size)).astype(np.float32)
        for size in (height, width)
        for there in (shifts[:, None] + np.arange(size),)
    )
    count = down.sum(axis=1)[:, None] * right.sum(axis=1)
    total = ((apart @ right[:, :, None])[..., 0] * down[:, None]).sum(axis=2)
    whole = np.where(count > 0, total / np.maximum(count, 1), np.inf).ravel()
    # Long rows added, one after the other: NumPy adds short ones slowly.
    each = away.reshape(-1, *away.shape[2:])
    rows = np.add.reduce([each[:, first::side] for first in range(side)])
    sums = np.add.reduce([rows[..., first::side] for first in range(side)])
    around = np.pad(sums, ((0, 0), (1, 1), (1, 1)), mode="edge")
    near = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
    near = (near[..., :-2] + near[..., 1:-1] + near[..., 2:]) / np.float32(9 * side * side)
    none, most = len(whole) // 2, int(np.argmin(whole))
    # The mean of absolute differences of Gaussian noise varies by 0.6 of its deviation.
    spare = np.float32(CHANCE * 0.6 * noise / SMALLEST / (3 * side))
    chosen = np.where(near[none] <= near[most], none, most)
    own = np.take_along_axis(near, chosen[None], 0)[0]
    chosen = np.where(near.min(axis=0) < own - spare, near.argmin(axis=0), chosen)
    down, right = (shifts[part].astype(np.float64) * SMALLEST for part in np.divmod(chosen, len(shifts)))
    return Motion(down, right)


def _finer(frame: Pixels, before: Pixels, motion: Motion, scale: int, noise: float, old: float, *, together: bool) -> Motion:
    """One step of Lucas and Kanade's in frames that are ``scale`` times smaller."""
    blocks, side = motion.down.shape, BLOCK // scale
    shown = warped(before, motion, scale)
    apart = frame - shown
    variance = (noise / scale) ** 2
    planes = np.empty((6, *shown.shape), np.float32)
    weight, down, right = planes[0], np.zeros_like(shown), np.zeros_like(shown)
    # A pixel that differs by far more than noise shows another thing, and says little.
    np.square(apart, out=weight)
    weight *= np.float32(1 / (9 * variance))
    weight += 1
    np.reciprocal(weight, out=weight)
    np.subtract(shown[2:], shown[:-2], out=down[1:-1])
    np.subtract(shown[:, 2:], shown[:, :-2], out=right[:, 1:-1])
    by_down, by_right = np.multiply(weight, down, out=planes[4]), np.multiply(weight, right, out=planes[5])
    np.multiply(by_down, down, out=planes[1])
    np.multiply(by_down, right, out=planes[2])
    np.multiply(by_right, right, out=planes[3])
    by_down *= apart
    by_right *= apart
    sums = _totals(planes, side, blocks) / variance
    # Slopes in the pixels of the whole frame.
    slope = 0.5 / scale
    yy, yx, xx = sums[1:4] * slope**2
    y, x = sums[4:] * slope
    # Noise has slopes, too.
    false = sums[0] * (BLURRED * (old / scale) ** 2 / scale**2)
    yy, xx = (np.maximum(own - false, 0.1 * own) for own in (yy, xx))
    dy, dx = _affine(yy, yx, xx, y, x) if together else _bound(motion, yy, yx, xx, y, x, scale)
    most = 2.0 * scale if together else float(scale)
    return Motion(motion.down + np.clip(dy, -most, most), motion.right + np.clip(dx, -most, most))


Part = NDArray[np.float64]


def _affine(yy: Part, yx: Part, xx: Part, y: Part, x: Part) -> tuple[Part, Part]:
    """The one affine motion that suits all blocks best."""
    rows, columns = yy.shape
    grid = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    terms = np.stack([np.ones(yy.shape), *grid]).reshape(3, -1)
    mixed = (terms * yx.ravel()) @ terms.T
    matrix = np.block([[(terms * yy.ravel()) @ terms.T, mixed], [mixed, (terms * xx.ravel()) @ terms.T]])
    matrix[np.diag_indices(6)] += 1.0
    solved = np.linalg.solve(matrix, np.concatenate([terms @ y.ravel(), terms @ x.ravel()]))
    return (solved[:3] @ terms).reshape(yy.shape), (solved[3:] @ terms).reshape(yy.shape)


def _bound(motion: Motion, yy: Part, yx: Part, xx: Part, y: Part, x: Part, scale: int) -> tuple[Part, Part]:
    """How each block moves on, by what it shows and by its neighbours."""
    rows, columns = yy.shape
    own = moves = np.stack([motion.down, motion.right])
    aims = np.stack([y + yy * own[0] + yx * own[1], x + yx * own[0] + xx * own[1]])
    shown, squared = np.stack([yy, xx]), np.square(yx)
    near = np.empty((4, 2, rows, columns))
    binding = 1 / ALIKE**2 / (1 if scale == 2 else 4)
    for step in range(SOLVED):
        framed = _framed(moves)
        for place, (top, left) in enumerate(((0, 1), (2, 1), (1, 0), (1, 2))):
            near[place] = framed[:, top : top + rows, left : left + columns]
        if step % HELD == 0:
            apart = np.square(near - moves)
            bonds = binding / (1 + (apart[:, :1] + apart[:, 1:]) / EDGE**2)
            one, two = whole = shown + bonds.sum(axis=0)
            # The bonds are above 0, so this is, too.
            share = 1 / (one * two - squared)
        near *= bonds
        wanted = aims + near.sum(axis=0)
        moves = (whole[::-1] * wanted - yx * wanted[::-1]) * share
    down, right = moves - own
    return down, right


def _sure(frame: Pixels, before: Pixels, motion: Motion, noise: float) -> Motion:
    """The motion where it is surely better than none, by frames of half the size."""
    if motion.none:
        return motion
    smooth = Motion(*(box(part.astype(np.float32), WIDE).astype(np.float64) for part in (motion.down, motion.right)))
    # A thing that moves by itself has no great say in what moves around it.
    wide = np.clip(_gained(frame, before, smooth, noise), -SURE_WIDE, SURE_WIDE)
    moving = np.float32(WIDE**2) * box(wide, WIDE) > MOVING
    around = np.float32(9) * box(_gained(frame, before, motion, noise), 3)
    moves = around > np.where(moving, SURE, SURE_ALONE)
    return Motion(np.where(moves, motion.down, 0.0), np.where(moves, motion.right, 0.0))


def _gained(frame: Pixels, before: Pixels, motion: Motion, noise: float) -> Pixels:
    """By how many times the noise's variance the squared differences of each block are less with motion than without it, by frames
    of half the size."""
    # Held against the opposite motion, for which pixels between pixels are as smooth: the mean of two pixels has less noise than
    # one, and is nearer to any frame.
    there, opposite = warped(before, motion, 2), warped(before, Motion(-motion.down, -motion.right), 2)
    # The difference of both squares is four times as much.
    totals = _totals((there - opposite) * (2 * frame - there - opposite), BLOCK // 2, motion.down.shape)
    return np.asarray(totals / noise**2, np.float32)


def warped(plane: Pixels, motion: Motion, scale: int) -> Pixels:
    """A plane (h, w), ``scale`` times smaller than the frame, moved; between pixels by straight lines."""
    height, width = plane.shape
    side = BLOCK // scale
    # Rows of all blocks' columns, and columns of all blocks' rows: a block moves as one.
    y = np.repeat((motion.down / scale).astype(np.float32), side, 0)[:height]
    x = np.repeat((motion.right / scale).astype(np.float32), side, 1)[:, :width]
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + y, 0, height - 1.001)
    x = np.clip(np.arange(width, dtype=np.float32) + x, 0, width - 1.001)
    top, left = y.astype(np.intp), x.astype(np.intp)
    y -= top
    x -= left
    top *= width
    top, y = (np.repeat(part, side, 1)[:, :width] for part in (top, y))
    left, x = (np.repeat(part, side, 0)[:height] for part in (left, x))
    top += left
    flat = plane.ravel()
    # No place lies beyond the plane: `wrap` is the fastest way to take.
    above, above_right, below, below_right = (flat[first:].take(top, mode="wrap") for first in (0, 1, width, width + 1))
    above_right -= above
    above_right *= x
    above += above_right
    below_right -= below
    below_right *= x
    below += below_right
    below -= above
    below *= y
    above += below
    between: Pixels = above
    return between


def _totals(planes: Pixels, side: int, blocks: tuple[int, int]) -> Part:
    """The sums of planes (..., h, w) over blocks of ``side`` pixels a side; 0 beyond the edge."""
    *deep, height, width = planes.shape
    tall, wide = blocks[0] * side, blocks[1] * side
    if (height, width) != (tall, wide):
        beyond = [*((0, 0) for _ in deep), (0, max(0, tall - height)), (0, max(0, wide - width))]
        planes = np.pad(planes, beyond)[..., :tall, :wide]
    rows = planes[..., ::side, :].copy()
    for first in range(1, side):
        rows += planes[..., first::side, :]
    totals: Part = (rows.reshape(*deep, *blocks, side) @ np.ones(side, np.float32)).astype(np.float64)
    return totals


def _framed(planes: NDArray[Any], reach: int = 1) -> NDArray[Any]:
    """The planes (..., h, w) with their edge repeated all around: `numpy.pad` takes ten times as long for small ones."""
    *deep, height, width = planes.shape
    framed = np.empty((*deep, height + 2 * reach, width + 2 * reach), planes.dtype)
    inner = framed[..., reach:-reach, :]
    inner[..., reach:-reach] = planes
    inner[..., :reach], inner[..., -reach:] = planes[..., :1], planes[..., -1:]
    framed[..., :reach, :], framed[..., -reach:, :] = inner[..., :1, :], inner[..., -1:, :]
    return framed


def _smooth(plane: Pixels) -> Pixels:
    """The plane (h, w) blurred by 1, 2, 1 along each side."""
    part = _framed(plane)
    for _ in range(2):
        # Twice 1, 1.
        part = part[:-1] + part[1:]
        part = part[:, :-1] + part[:, 1:]
    part *= np.float32(1 / 16)
    return part


# -- planes -----------------------------------------------------------------------------------------------------------


def shrunk(planes: Pixels, scale: int) -> Pixels:
    """Means (..., h / scale, w / scale), rounded up, of blocks of ``scale`` pixels a side of planes (..., h, w); the last ones as
    if their edge went on."""
    if scale == 1:
        return planes
    *deep, height, width = planes.shape
    down, right = -height % scale, -width % scale
    padded = np.pad(planes, [*((0, 0) for _ in deep), (0, down), (0, right)], mode="edge") if down or right else planes
    # Rows first, which are long, then a product: NumPy adds short rows slowly.
    rows = padded.reshape(*deep, -1, scale, width + right).sum(axis=-2)
    means: Pixels = rows.reshape(*rows.shape[:-1], -1, scale) @ np.full(scale, scale**-2, np.float32)
    return means


def box(plane: Pixels, side: int) -> Pixels:
    """The mean (h, w) of the window of ``side`` pixels (odd) around each, the edge repeated."""
    whole = _summed(_summed(_framed(plane, side // 2), side).T, side).T
    whole *= np.float32(1 / side**2)
    return whole


def _summed(plane: Pixels, side: int) -> Pixels:
    """The sums of ``side`` rows that follow each other, of each such: sums of two rows, of four, ..., and of these as many as it
    takes."""
    length = len(plane) - side + 1
    total: Pixels | None = None
    sums, count, done = plane, 1, 0
    while count <= side:
        if side & count:
            part = sums[done : done + length]
            total = part if total is None else total + part
            done += count
        if 2 * count <= side:
            sums = sums[:-count] + sums[count:]
        count *= 2
    assert total is not None
    return total
