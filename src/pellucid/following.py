"""Noise taken out over time: a frame fused with the frames before it, before the still denoiser gets it.

A Kalman filter for each pixel. The fused frame before is moved to this one by block matching; how far both disagree beyond what
noise explains is taken for change, and change is believed. So what stands still or moves as a whole gathers the light of many
frames, and what is new comes from this frame alone: no ghosts. Beside the fused frame comes the share of the noise that each place
has left, and the still denoiser is given that. Motion is in whole pixels, so that the noise that is left stays white, as the
denoiser has learnt it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.images import Pixels
from pellucid.maps import Places

__all__ = ["RUN_IN", "Fused", "fuse", "levels"]

BLOCK = 16
"""Side in pixels of the blocks that move together."""

COARSE = 8
"""How many times smaller the frames are in which motion is first looked for: a mean over 64 pixels has an eighth of the noise."""

REACH = 5
"""Pixels of the small frame that motion goes at most: 40 of the frame's own, either way."""

CHANCE = 3.0
"""Standard deviations by which the difference must be smaller, for a block to leave the motion it has, than noise alone would make
it: among many motions chance favours one, and a still picture that is moved by chance is blurred."""

NEAR, FAR = 3, 9
"""Sides in pixels of the windows in which two frames are held to disagree: a small one for edges, a large one for faint change."""

NEAR_MORE, FAR_MORE = 1.7, 1.15
"""How many times the expected noise a window must show to disagree. In the smaller one chance alone gives 1.5 in one of fifty."""

MEAN_MORE = 9.0
"""How many times its expected variance the square of the mean difference in the larger window must be: three standard
deviations."""

NEW = 1.25
"""How many times the expected noise three by three blocks must show for nothing of the frames before to be taken there."""

NEAR_MORE_ALIKE, FAR_MORE_ALIKE, NEW_ALIKE = 3.0, 1.6, 1.6
"""The same for noise that is not white: a window holds fewer values that know nothing of each other."""

USUAL = 2.5, 40.0
"""How many times the stated noise half of the windows may show, in squares and in means, for that to be noise and no change."""

RISE = 1.1
"""By how much that may rise from one frame to the next."""

TRUST = 20.0
"""How many times the disagreement counts as change: the still denoiser takes the noise away that this leaves, but no ghost. On
three real clips at levels 20 and 50, 3 to 30 were worth the same within 0.25 dB; with 3 a flash left up to 6 dB of ghosts."""

DRIFT = 0.01
"""Change of each pixel that is expected from frame to frame, as a share of the noise's variance: it bounds the memory to ten
frames."""

RUN_IN = 12
"""Frames before a segment that are fused, and not restored: beyond them nothing reaches."""

CELL = 4
"""Side in pixels of the cells in which the level that is left is stated."""


@dataclass(frozen=True)
class Fused:
    """A frame with what those before it tell: ``pixels`` (h, w, c), float32, and the ``share`` (h, w) of the noise's variance that
    is left, 1 where nothing is known of earlier frames. ``usual``: how many times the stated noise windows have shown so far, in
    squares and in the means of each channel; None before any was looked at."""

    pixels: Pixels
    share: Pixels
    usual: tuple[float, ...] | None = None


def fuse(pixels: Pixels, variance: Pixels, past: Fused | None, *, white: bool = True) -> Fused:
    """The frame (h, w, c) with what ``past``, the frame before it, knows; ``variance`` (h, w) is the noise's, of full range
    squared. With ``past`` None the frame as it is.

    Noise that is not ``white`` has neighbours that are alike, and channels that differ: what chance does in a window is then taken
    from the frames themselves, as half of all windows show it. It is bounded (`USUAL`), and rises slowly (`RISE`), so that a flash
    is not taken for noise.
    """
    if past is None or past.pixels.shape != pixels.shape or min(pixels.shape[:2]) < 2 * BLOCK:
        return Fused(pixels, np.ones(pixels.shape[:2], np.float32))
    noise = float(np.sqrt(variance.mean() * (1 + past.share.mean()) / pixels.shape[2]))
    rows, columns = _moved(_mean(pixels), _mean(past.pixels), noise)
    before, share = past.pixels[rows, columns], past.share[rows, columns]
    difference = pixels - before
    apart = _mean(np.square(difference))
    expected = variance * (1 + share)
    wide, usual = _box(apart, FAR), _box(expected, FAR)
    means = [np.square(_box(difference[..., channel], FAR)) for channel in range(pixels.shape[2])]
    near, shown = NEAR_MORE, None
    if not white:
        # Half of the squares of a normal variable are below 0.455 of their mean.
        found = [float(np.median(wide / usual)), *(float(np.median(mean / usual)) * FAR**2 / 0.455 for mean in means)]
        most = [USUAL[0], *[USUAL[1]] * len(means)]
        shown = tuple(
            float(np.clip(value, 1, top if past.usual is None else min(top, RISE * before)))
            for value, top, before in zip(found, most, past.usual or most, strict=True)
        )
        scale = np.float32(shown[0])
        expected, usual, variance = expected * scale, usual * scale, variance * scale
        near = NEAR_MORE_ALIKE
    change = np.maximum(wide - np.float32(FAR_MORE if white else FAR_MORE_ALIKE) * usual, 0)
    np.maximum(change, _box(apart, NEAR) - np.float32(near) * _box(expected, NEAR), out=change)
    # Lighter or darker, or of another colour, as a whole: the mean shows that where squares do not.
    for mean, alike in zip(means, [1.0] * len(means) if shown is None else [each / shown[0] for each in shown[1:]], strict=True):
        np.maximum(change, mean - np.float32(max(1.0, alike) * MEAN_MORE / FAR**2) * usual, out=change)
    # What is new around here as a whole, after a cut or in a flash, is not weighed place by place: some looks alike by chance.
    blocks = [_box(_shrunk(part, BLOCK), 3) for part in (apart, expected)]
    new = np.repeat(np.repeat(blocks[0] > np.float32(NEW if white else NEW_ALIKE) * blocks[1], BLOCK, 0), BLOCK, 1)[
        : share.shape[0], : share.shape[1]
    ]
    change[new] = np.float32(1e6) * variance[new]
    prior = share + np.float32(DRIFT) + np.float32(TRUST) * change / variance
    gain = prior / (prior + 1)
    return Fused(before + gain[..., None] * difference, gain, shown)


def levels(variance: Pixels, fused: Fused) -> Places:
    """The noise that is left in a fused frame, in 8-bit levels, cell by cell."""
    left = variance * fused.share
    grid = 255 * np.sqrt(_shrunk(left, CELL))
    return Places(tuple(map(tuple, grid.tolist())))


# -- motion -----------------------------------------------------------------------------------------------------------


def _moved(frame: Pixels, before: Pixels, noise: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each pixel of ``frame`` (h, w) is found in ``before``: rows and columns (h, w); ``noise`` is the standard deviation of
    their difference."""
    height, width = frame.shape
    small, past = (_shrunk(each, COARSE) for each in (frame, before))
    blocks = -(-height // BLOCK), -(-width // BLOCK)
    motion = _coarse(small, past, blocks, noise)
    for scale in (4, 2, 1):
        motion = _refined(_shrunk(frame, scale), _shrunk(before, scale), motion, scale, blocks, noise)
    down, right = (np.repeat(np.repeat(part, BLOCK, 0), BLOCK, 1)[:height, :width] for part in motion)
    rows = np.clip(np.arange(height)[:, None] + down, 0, height - 1)
    columns = np.clip(np.arange(width)[None] + right, 0, width - 1)
    return rows, columns


def _spare(noise: float, scale: int, count: int) -> np.float32:
    """By how much chance changes the mean of the absolute differences of ``count`` pixels, each the mean of ``scale`` x ``scale``:
    those of Gaussian noise have the mean 0.8 and the standard deviation 0.6 of the noise's."""
    return np.float32(CHANCE * 0.6 * noise / scale / np.sqrt(count))


def _coarse(frame: Pixels, before: Pixels, blocks: tuple[int, int], noise: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The motion of each block, in the frame's own pixels, from the small frames: the whole search."""
    height, width = frame.shape
    padded = np.pad(before, REACH, mode="edge")
    step = BLOCK // COARSE
    rows = np.minimum(np.arange(blocks[0]) * step + step // 2, height - 1)
    columns = np.minimum(np.arange(blocks[1]) * step + step // 2, width - 1)
    best = _box(np.abs(frame - before), 2 * step + 1)[np.ix_(rows, columns)] - _spare(noise, COARSE, (2 * step + 1) ** 2)
    down, right = np.zeros(blocks, np.intp), np.zeros(blocks, np.intp)
    for dy in range(-REACH, REACH + 1):
        for dx in range(-REACH, REACH + 1):
            moved = padded[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
            apart = _box(np.abs(frame - moved), 2 * step + 1)[np.ix_(rows, columns)]
            nearer = apart < best
            best[nearer], down[nearer], right[nearer] = apart[nearer], dy * COARSE, dx * COARSE
    return down, right


def _refined(
    frame: Pixels,
    before: Pixels,
    motion: tuple[NDArray[np.intp], NDArray[np.intp]],
    scale: int,
    blocks: tuple[int, int],
    noise: float,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The motion with one step of ``scale`` pixels in each direction tried (across corners, too, where that costs little), and in
    the smallest frames the motion of the neighbours and none."""
    height, width = frame.shape
    side = BLOCK // scale
    tall, wide = blocks[0] * side, blocks[1] * side
    padded = np.pad(frame, ((0, tall - height), (0, wide - width)), mode="edge")
    ys, xs = np.arange(tall)[:, None], np.arange(wide)[None]
    kept = motion
    best: Pixels | None = None
    around = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy or dx) and (scale > 1 or not (dy and dx))]
    steps = [(0, 0), *around]
    tries = [(kept[0] + dy * scale, kept[1] + dx * scale) for dy, dx in steps]
    if scale == 4:
        for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
            tries.append((np.roll(kept[0], shift, axis), np.roll(kept[1], shift, axis)))
        tries.append((np.zeros_like(kept[0]), np.zeros_like(kept[1])))
    for down, right in tries:
        dy, dx = (np.repeat(np.repeat(part // scale, side, 0), side, 1) for part in (down, right))
        # By places in a row of all pixels: NumPy takes these twice as fast as pairs of places.
        moved = before.ravel().take(np.clip(ys + dy, 0, height - 1) * width + np.clip(xs + dx, 0, width - 1))
        apart = _shrunk(np.abs(padded - moved), side)
        if best is None:
            best, motion = apart - _spare(noise, scale, side * side), (down.copy(), right.copy())
            continue
        nearer = apart < best
        best[nearer] = apart[nearer]
        motion[0][nearer], motion[1][nearer] = down[nearer], right[nearer]
    return motion


def _shrunk(plane: Pixels, scale: int) -> Pixels:
    """Means of blocks of ``scale`` pixels a side; the last ones over what they have, repeated."""
    if scale == 1:
        return plane
    down, right = -plane.shape[0] % scale, -plane.shape[1] % scale
    padded = np.pad(plane, ((0, down), (0, right)), mode="edge") if down or right else plane
    # Rows first, then a product: NumPy adds short rows slowly.
    rows = padded.reshape(len(padded) // scale, scale, padded.shape[1]).sum(axis=1, dtype=np.float32)
    means: Pixels = rows.reshape(len(rows), rows.shape[1] // scale, scale) @ np.full(scale, scale**-2, np.float32)
    return means


def _mean(pixels: Pixels) -> Pixels:
    """The mean (h, w) of the channels."""
    mean: Pixels = pixels @ np.full(pixels.shape[2], 1 / pixels.shape[2], np.float32)
    return mean


def _box(plane: Pixels, side: int) -> Pixels:
    """The mean of the window of ``side`` pixels (odd) around each, the edge repeated."""
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
