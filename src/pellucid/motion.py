"""Motion from frame to frame, in parts of a pixel, where there is noise.

The motion is found block by block. The whole picture is looked at first, in small frames, where a mean over 64 pixels has an eighth
of the noise: the shift of all, and of each block where it is surely another. Then the method of Lucas and Kanade (1981, "An
iterative image registration technique") makes that finer, from small frames to large ones: at first with one affine motion for all
blocks, as a camera moves, then block by block, each bound to its neighbours the more, the less it shows by itself. A block moves
only where that is surely better than standing still.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pellucid.images import Pixels

__all__ = ["BLOCK", "Motion", "back", "box", "find", "moved", "shrunk"]

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

STEPS = ((8, 3), (4, 4), (2, 4))
"""How many times smaller the frames are, and how many steps are taken in each."""

TOGETHER = 2
"""The first of these steps in each size move all blocks as one affine motion."""

AGAIN = 2
"""How many of the last steps are taken where the motion is nearly known."""

TURNS = 3
"""Times that it is asked anew from where in the other frame a block comes."""

SOLVED = 8
"""Times that blocks are balanced with their neighbours in a step."""

ALIKE = 0.35
"""Pixels by which the motions of two neighbours are expected to differ."""

EDGE = 1.0
"""Pixels of difference from which two neighbours bind each other by half: they belong to different things."""

SURE = 8.0
"""Times the noise's variance by which the squared differences of three by three blocks must be less with motion than without it:
chance alone makes them so much less in one of fifty."""

BLURRED = 0.0586
"""The share of white noise's variance that is left in the slopes of a frame after `_smooth`."""

TAPS = 6
"""Pixels whose weighted mean is a pixel between them, along each side."""


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


def find(frame: Pixels, before: Pixels, noise: float, old: float, *, near: Motion | None = None) -> Motion:
    """The motion between two planes (h, w) of one size, at least `BLOCK` pixels each way.

    ``noise`` is the standard deviation of their difference without motion, ``old`` that of the noise in ``before``, both as shares
    of full range. ``near``: about how it moves, where that is known; then it is only made finer.
    """
    blocks = -(-frame.shape[0] // BLOCK), -(-frame.shape[1] // BLOCK)
    half = shrunk(frame, 2), shrunk(before, 2)
    noise = max(noise, 1e-4)
    if near is None:
        sizes = {2: half}
        for scale in (4, 8):
            sizes[scale] = shrunk(sizes[scale // 2][0], 2), shrunk(sizes[scale // 2][1], 2)
        motion = _searched(*sizes[SMALLEST], blocks, noise)
        steps = [(scale, step < TOGETHER) for scale, count in STEPS for step in range(count)]
    else:
        sizes, motion = {2: half}, near
        steps = [(2, False)] * AGAIN
    smooth: dict[int, tuple[Pixels, Pixels]] = {}
    for scale, together in steps:
        if scale not in smooth:
            smooth[scale] = _smooth(sizes[scale][0]), _smooth(sizes[scale][1])
        motion = _finer(*smooth[scale], motion, scale, noise, old, together=together)
    return _sure(*half, motion, noise)


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
    rows, columns = -(-height // CELL), -(-width // CELL)
    # Cells beyond the edge are left out.
    fine = _between(motion)
    down, right = (part[:rows, :columns] for part in (fine.down, fine.right))
    there = np.nonzero((down != 0) | (right != 0))
    down, right = down[there], right[there]
    whole = np.floor(down).astype(np.intp), np.floor(right).astype(np.intp)
    first, second = _weights(down - whole[0]), _weights(right - whole[1]).swapaxes(-1, -2)
    # Rows of all planes lie beside each other, so that one product serves them all.
    side = CELL + TAPS - 1
    beyond = ((side, side + rows * CELL - height), (0, 0), (side, side + columns * CELL - width))
    framed = np.pad(planes.transpose(1, 0, 2), beyond, mode="edge")
    tall, _, wide = framed.shape
    y, x = (
        np.clip(cells * CELL + moves + side + 1 - TAPS // 2, 0, most - side)
        for cells, moves, most in zip(there, whole, (tall, wide), strict=True)
    )
    places = ((y * count * wide + x)[:, None] + np.arange(side * count) * wide).reshape(-1, side * count)
    lines = sliding_window_view(framed.ravel(), side)
    answer = np.ascontiguousarray(framed[side : side + rows * CELL, :, side : side + columns * CELL])
    cells = answer.reshape(rows, CELL, count, columns, CELL).transpose(0, 3, 1, 2, 4)
    parts = (lines[places] @ second).reshape(-1, side, count * CELL)
    cells[there] = (first @ parts).reshape(-1, CELL, count, CELL)
    return answer[:height, :, :width].transpose(1, 0, 2)


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


def _weights(part: NDArray[np.float64]) -> Pixels:
    """Matrices (cells, `CELL`, `CELL` + `TAPS` - 1) that move by ``part`` of a pixel."""
    distance = part.reshape(-1, 1) - (np.arange(TAPS) - (TAPS // 2 - 1))
    taps = np.sinc(distance) * np.sinc(distance / (TAPS // 2))
    taps /= taps.sum(axis=1, keepdims=True)
    # Each row of a matrix is the one before, one further.
    row = np.zeros((len(taps), 2 * CELL + TAPS - 2), np.float32)
    row[:, CELL - 1 : CELL - 1 + TAPS] = taps
    return np.ascontiguousarray(sliding_window_view(row, CELL + TAPS - 1, axis=1)[:, ::-1])


# -- how it is found --------------------------------------------------------------------------------------------------


def _searched(frame: Pixels, before: Pixels, blocks: tuple[int, int], noise: float) -> Motion:
    """The motion of each block from the smallest frames, in whole pixels of theirs: that of the whole picture, unless another is
    surely better."""
    height, width = frame.shape
    padded = np.pad(before, REACH, mode="edge")
    side = BLOCK // SMALLEST
    shifts = [(dy, dx) for dy in range(-REACH, REACH + 1) for dx in range(-REACH, REACH + 1)]
    away = np.zeros((len(shifts), blocks[0] * side, blocks[1] * side), np.float32)
    whole = []
    for number, (dy, dx) in enumerate(shifts):
        apart = away[number, :height, :width]
        np.subtract(frame, padded[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width], out=apart)
        np.abs(apart, out=apart)
        # Without what comes from beyond the edge.
        inner = apart[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
        whole.append(float(inner.mean()) if inner.size else np.inf)
    # Long rows added, one after the other: NumPy adds short ones slowly.
    rows = np.add.reduce([away[:, first::side] for first in range(side)])
    sums = np.add.reduce([rows[..., first::side] for first in range(side)])
    around = np.pad(sums, ((0, 0), (1, 1), (1, 1)), mode="edge")
    near = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
    near = (near[..., :-2] + near[..., 1:-1] + near[..., 2:]) / np.float32(9 * side * side)
    none, most = len(shifts) // 2, int(np.argmin(whole))
    # The mean of absolute differences of Gaussian noise varies by 0.6 of its deviation.
    spare = np.float32(CHANCE * 0.6 * noise / SMALLEST / (3 * side))
    chosen = np.where(near[none] <= near[most], none, most)
    own = np.take_along_axis(near, chosen[None], 0)[0]
    chosen = np.where(near.min(axis=0) < own - spare, near.argmin(axis=0), chosen)
    places = np.array(shifts, np.float64)[chosen] * SMALLEST
    return Motion(places[..., 0], places[..., 1])


def _finer(frame: Pixels, before: Pixels, motion: Motion, scale: int, noise: float, old: float, *, together: bool) -> Motion:
    """One step of Lucas and Kanade's in frames that are ``scale`` times smaller."""
    blocks, side = motion.down.shape, BLOCK // scale
    shown = _warped(before, motion, scale)
    down, right = np.zeros_like(shown), np.zeros_like(shown)
    np.subtract(shown[2:], shown[:-2], out=down[1:-1])
    np.subtract(shown[:, 2:], shown[:, :-2], out=right[:, 1:-1])
    apart = frame - shown
    variance = (noise / scale) ** 2
    # A pixel that differs by far more than noise shows another thing, and says little.
    weight = 1 / (1 + np.square(apart) * np.float32(1 / (9 * variance)))
    # Slopes in the pixels of the whole frame.
    down *= np.float32(0.5 / scale)
    right *= np.float32(0.5 / scale)
    by_down, by_right = weight * down, weight * right
    sums = [
        _totals(plane, side, blocks) / variance
        for plane in (by_down * down, by_down * right, by_right * right, by_down * apart, by_right * apart)
    ]
    yy, yx, xx, y, x = sums
    # Noise has slopes, too.
    false = _totals(weight, side, blocks) * (BLURRED * (old / scale) ** 2 / variance / scale**2)
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
    down, right = motion.down, motion.right
    y, x = y + yy * down + yx * right, x + yx * down + xx * right
    binding = 1 / ALIKE**2 / (1 if scale == 2 else 4)
    for _ in range(SOLVED):
        weight, beside_y, beside_x = (np.zeros(yy.shape) for _ in range(3))
        around = _framed(down), _framed(right)
        for top, left in ((0, 1), (2, 1), (1, 0), (1, 2)):
            there = [part[top : top + rows, left : left + columns] for part in around]
            own = binding / (1 + (np.square(there[0] - down) + np.square(there[1] - right)) / EDGE**2)
            weight += own
            beside_y += own * there[0]
            beside_x += own * there[1]
        one, two = yy + weight, xx + weight
        first, second = y + beside_y, x + beside_x
        # The own weight is above 0, so this is, too.
        whole = one * two - np.square(yx)
        down, right = (two * first - yx * second) / whole, (one * second - yx * first) / whole
    return down - motion.down, right - motion.right


def _sure(frame: Pixels, before: Pixels, motion: Motion, noise: float) -> Motion:
    """The motion where it is surely better than none, by frames of half the size."""
    if motion.none:
        return motion
    blocks, side = motion.down.shape, BLOCK // 2
    # Held against the opposite motion, for which pixels between pixels are as smooth: the mean of two pixels has less noise than
    # one, and is nearer to any frame.
    other = Motion(-motion.down, -motion.right)
    gained = np.square(frame - _warped(before, other, 2)) - np.square(frame - _warped(before, motion, 2))
    around = box(_totals(gained, side, blocks).astype(np.float32), 3) * np.float32(9)
    moves = around > np.float32(4 * SURE * (noise / 2) ** 2)
    return Motion(np.where(moves, motion.down, 0.0), np.where(moves, motion.right, 0.0))


def _warped(plane: Pixels, motion: Motion, scale: int) -> Pixels:
    """A plane (h, w), ``scale`` times smaller than the frame, moved; between pixels by straight lines."""
    height, width = plane.shape
    side = BLOCK // scale
    down, right = (
        np.repeat(np.repeat((part / scale).astype(np.float32), side, 0), side, 1)[:height, :width]
        for part in (motion.down, motion.right)
    )
    y = np.clip(np.arange(height, dtype=np.float32)[:, None] + down, 0, height - 1.001)
    x = np.clip(np.arange(width, dtype=np.float32)[None] + right, 0, width - 1.001)
    top, left = y.astype(np.int32), x.astype(np.int32)
    y -= top
    x -= left
    places = top * np.int32(width) + left
    flat = plane.ravel()
    above, below = flat.take(places), flat.take(places + width)
    above += x * (flat.take(places + 1) - above)
    below += x * (flat.take(places + (width + 1)) - below)
    below -= above
    below *= y
    above += below
    between: Pixels = above
    return between


def _totals(plane: Pixels, side: int, blocks: tuple[int, int]) -> Part:
    """The sums over blocks of ``side`` pixels a side; 0 beyond the edge."""
    tall, wide = blocks[0] * side, blocks[1] * side
    if plane.shape != (tall, wide):
        plane = np.pad(plane, ((0, max(0, tall - plane.shape[0])), (0, max(0, wide - plane.shape[1]))))[:tall, :wide]
    rows = plane[::side].copy()
    for first in range(1, side):
        rows += plane[first::side]
    totals: Part = (rows.reshape(*blocks, side) @ np.ones(side, np.float32)).astype(np.float64)
    return totals


def _framed(plane: NDArray[Any]) -> NDArray[Any]:
    """The plane (h, w) with its edge repeated once all around: `numpy.pad` takes ten times as long for small ones."""
    framed = np.empty((plane.shape[0] + 2, plane.shape[1] + 2), plane.dtype)
    framed[1:-1, 1:-1] = plane
    framed[0, 1:-1], framed[-1, 1:-1] = plane[0], plane[-1]
    framed[:, 0], framed[:, -1] = framed[:, 1], framed[:, -2]
    return framed


def _smooth(plane: Pixels) -> Pixels:
    """The plane (h, w) blurred by 1, 2, 1 along each side."""
    padded = _framed(plane)
    rows = padded[:-2] + padded[2:]
    rows += 2 * padded[1:-1]
    smooth: Pixels = rows[:, :-2] + rows[:, 2:]
    smooth += 2 * rows[:, 1:-1]
    smooth *= np.float32(1 / 16)
    return smooth


# -- planes -----------------------------------------------------------------------------------------------------------


def shrunk(plane: Pixels, scale: int) -> Pixels:
    """Means (h / scale, w / scale), rounded up, of blocks of ``scale`` pixels a side; the last ones as if their edge went on."""
    if scale == 1:
        return plane
    down, right = -plane.shape[0] % scale, -plane.shape[1] % scale
    padded = np.pad(plane, ((0, down), (0, right)), mode="edge") if down or right else plane
    # Rows first, one after the other, then a product: NumPy adds short rows slowly.
    rows = padded[::scale] + padded[1::scale]
    for first in range(2, scale):
        rows += padded[first::scale]
    means: Pixels = rows.reshape(len(rows), rows.shape[1] // scale, scale) @ np.full(scale, scale**-2, np.float32)
    return means


def box(plane: Pixels, side: int) -> Pixels:
    """The mean (h, w) of the window of ``side`` pixels (odd) around each, the edge repeated."""
    half = side // 2
    padded = np.pad(plane, half, mode="edge")
    # Sums of shifted rows, then columns: exact, and for small windows as fast as running sums.
    rows = padded[: plane.shape[0]].copy()
    for shift in range(1, side):
        rows += padded[shift : shift + plane.shape[0]]
    whole = rows[:, : plane.shape[1]].copy()
    for shift in range(1, side):
        whole += rows[:, shift : shift + plane.shape[1]]
    return whole / np.float32(side * side)
