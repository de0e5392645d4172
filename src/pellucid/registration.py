"""One frame held against another: how far the picture has moved as a whole, in parts of a pixel, and how its light has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pellucid.images import Pixels

__all__ = ["CELLS", "DARK", "Fit", "Key", "brightened", "held_against", "means", "shifted"]

CELLS = 3, 4
"""Rows and columns of the areas whose brightness is followed."""

BANDS = 8
"""Bands of rows of a picture whose motions are held against each other."""

SOME = 5
"""Each so many pixels of which the median says how far most differ."""

KEPT, FAR = 48, 0.15
"""Frames for which one is kept that they are held against, and the share of the longer side that the camera may go meanwhile."""

WORSE, ALIKE = 1.5, 0.01
"""How many times as much as frame from frame, and how much more, others may differ from the one that is kept: where more, it
shows something else."""

LOBES = 3
"""Lobes of the windowed sinc that moves frames back."""

ALIKE_IN_BOTH, KNOWN = 0.1, 0.02
"""The share of the power of gradients that two frames must have in common, since grain is new in each; and the share of the power
of a motion that nothing else explains, as more light or a camera that comes nearer: below these nothing says where a frame is."""

LIT, MANY = (0.1, 0.97), 40_000
"""Values of which it is asked how their light has changed channel by channel: darker ones are grain, brighter ones cut off; and
the pixels of a frame from which every second row is enough."""

DARK = 0.02
"""Brightness below which nothing is known of flicker."""


class Fit(NamedTuple):
    """A motion in pixels, the ``gain``, how far most pixels still differ (``rest``), and the standard errors of the motion
    (``doubt``), by which the parts of the picture agree: infinite where grain, or an even slope, is all there is."""

    down: float
    right: float
    gain: float
    rest: float
    doubt: tuple[float, float]


def held_against(before: Pixels, frame: Pixels) -> tuple[Fit, Pixels]:
    """How far the picture has moved down and right from one plane (h, w) to the next, and by how much the logarithm of its
    brightness has changed in each of `CELLS`.

    One motion, that of the middle of a picture that may turn and grow, and one gain that most pixels agree on: least squares on the
    gradient (Lucas and Kanade 1981), from coarse to fine, weighted by Tukey's rule, so that things that move by themselves do not
    count.
    """
    sizes = [(before, frame)]
    while min(sizes[-1][0].shape) >= 48:
        sizes.append((_half(sizes[-1][0]), _half(sizes[-1][1])))
    start = sizes[-1]
    down, right = _whole_motion(*start)
    fit = Fit(down, right, 1.0, np.inf, (np.inf, np.inf))
    for old, new in reversed(sizes):
        if old is not start[0]:
            fit = fit._replace(down=2 * fit.down, right=2 * fit.right)
        for _ in range(3):
            finer = _finer(old, new, fit.down, fit.right)
            if finer is None:
                break
            step = abs(finer.down - fit.down) + abs(finer.right - fit.right)
            fit = finer
            if step < 0.02:
                break
    height, width = frame.shape
    if abs(fit.down) > height / 3 or abs(fit.right) > width / 3 or not np.isfinite(fit.down + fit.right):
        return Fit(0.0, 0.0, 1.0, np.inf, (np.inf, np.inf)), np.zeros(CELLS, np.float32)
    return fit, _gains(before, frame, fit.down, fit.right, fit.gain)


class Key:
    """A frame that those after it are held against, too: steps from each frame to the next one err a little each, and their sum
    wanders off."""

    def __init__(self) -> None:
        self._plane: Pixels | None = None
        self._kept = 0
        self._away = 0.0, 0.0

    def step(self, last: Pixels, plane: Pixels, step: Fit) -> Fit:
        """How far a ``plane`` has moved from the ``last`` one, in pixels, by the frame that is kept; ``step``, which is how far it
        has by the last one itself, where that shows something else, or another part of the scene."""
        about = self._away[0] + step.down, self._away[1] + step.right
        near = np.isfinite(step.rest) and np.hypot(*about) < FAR * max(plane.shape) and self._kept < KEPT
        own = self._found(plane, about, step.rest) if near else None
        if own is None:
            self._plane, self._kept, self._away = last, 0, (0.0, 0.0)
            own = step
        moved = own._replace(down=own.down - self._away[0], right=own.right - self._away[1])
        self._away = own.down, own.right
        self._kept += 1
        return moved

    def _found(self, plane: Pixels, about: tuple[float, float], rest: float) -> Fit | None:
        """Where a plane lies beside the kept one; None where that is no better known than ``about`` where."""
        if self._plane is None or self._plane.shape != plane.shape:
            return None
        found = _finer(self._plane, plane, *about)
        if found is not None:
            found = _finer(self._plane, plane, found.down, found.right)
        if found is None or found.rest > WORSE * rest + ALIKE or np.hypot(found.down - about[0], found.right - about[1]) > 1:
            return None
        return found


def _half(plane: Pixels) -> Pixels:
    height, width = (side // 2 * 2 for side in plane.shape)
    part = plane[:height, :width]
    mean: Pixels = (part[::2, ::2] + part[1::2, ::2] + part[::2, 1::2] + part[1::2, 1::2]) * np.float32(0.25)
    return mean


def _whole_motion(before: Pixels, frame: Pixels) -> tuple[float, float]:
    """The motion in whole pixels of small planes, by the phases of their spectra (Kuglin and Hines 1975)."""
    height, width = before.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None]
    first, second = (np.fft.rfft2((plane - plane.mean()) * window) for plane in (before, frame))
    product = second * np.conj(first)
    peak = np.fft.irfft2(product / (np.abs(product) + 1e-6), s=before.shape)
    places = np.argsort(peak, axis=None)[-2:]
    best, chosen = np.inf, (0.0, 0.0)
    for place in (0, *places.tolist()):
        y, x = divmod(int(place), width)
        y, x = y - height if y > height // 2 else y, x - width if x > width // 2 else x
        if abs(y) > height // 3 or abs(x) > width // 3:
            continue
        old = before[max(0, -y) : height - max(0, y), max(0, -x) : width - max(0, x)]
        new = frame[max(0, y) : height + min(0, y), max(0, x) : width + min(0, x)]
        apart = np.abs(old - new)
        # Nothing is as good a guess: it needs less proof.
        cost = float(np.median(apart) + apart.mean()) * (1.0 if place else 0.9)
        if cost < best:
            best, chosen = cost, (float(y), float(x))
    return chosen


def _sampled(plane: Pixels, down: float, right: float) -> tuple[Pixels, slice, slice]:
    """The plane moved down and right, where it covers its frame (rows, columns), by cubic convolution (Keys 1981)."""
    height, width = plane.shape
    y, x = int(np.floor(-down)), int(np.floor(-right))
    rows = slice(max(0, 1 - y), min(height, height - y - 2))
    columns = slice(max(0, 1 - x), min(width, width - x - 2))
    if rows.stop - rows.start < 8 or columns.stop - columns.start < 8:
        return np.empty((0, 0), np.float32), rows, columns
    part = plane[rows.start + y - 1 : rows.stop + y + 2, columns.start + x - 1 : columns.stop + x + 2]
    part = _convolved(part, cubic(-down - y), 0)
    return _convolved(part, cubic(-right - x), 1), rows, columns


def cubic(share: float) -> tuple[float, float, float, float]:
    """The weights of four samples for a place ``share`` of the way from the second to the third."""
    t = share
    return ((-t + 2 * t * t - t**3) / 2, (2 - 5 * t * t + 3 * t**3) / 2, (t + 4 * t * t - 3 * t**3) / 2, (t**3 - t * t) / 2)


def _convolved(plane: Pixels, weights: Sequence[float], axis: int) -> Pixels:
    count = plane.shape[axis] + 1 - len(weights)
    parts = [plane[place : place + count] if axis == 0 else plane[:, place : place + count] for place in range(len(weights))]
    total: Pixels = np.float32(weights[0]) * parts[0]
    for weight, part in zip(weights[1:], parts[1:], strict=True):
        total += np.float32(weight) * part
    return total


def _finer(before: Pixels, frame: Pixels, down: float, right: float) -> Fit | None:
    """A motion after one step of least squares on the gradient; None where nothing can be known."""
    moved, rows, columns = _sampled(before, down, right)
    if not moved.size:
        return None
    # Where a camera comes nearer, or turns, the middle stays.
    middle, reach = (np.array(frame.shape) - 1) / 2, np.float32(2 / max(frame.shape))
    y = reach * (np.arange(rows.start, rows.stop) - middle[0]).astype(np.float32)[:, None]
    x = reach * (np.arange(columns.start, columns.stop) - middle[1]).astype(np.float32)
    basis = _changes(moved, y, x)
    apart = (frame[rows, columns] - moved)[: len(moved) // BANDS * BANDS].reshape(BANDS, -1, 1)
    answer, rest, spread = np.zeros(5), apart, 0.0
    for _ in range(4):
        spread = 1.4826 * float(np.median(np.abs(rest.ravel()[::SOME]))) + 1e-4
        weight = np.square(rest * np.float32(1 / (4.7 * spread)))
        np.square(np.maximum(np.subtract(1, weight, out=weight), 0, out=weight), out=weight)
        weighted = basis * weight.swapaxes(1, 2)
        matrices = (weighted @ basis.swapaxes(1, 2)).astype(np.float64)
        sides = (weighted @ apart).astype(np.float64)
        whole = matrices.sum(axis=0)
        ridge = np.diag(1e-6 * np.trace(whole) / 3 + np.array([1e-6] * 5))
        answer = np.linalg.solve(whole + ridge, sides.sum(axis=0))[:, 0]
        rest = apart - (answer.astype(np.float32) @ basis)[..., None]
    if not np.isfinite(answer).all():
        return None
    # The jackknife (Efron 1982): answers without each of the bands.
    without = np.linalg.solve(whole + ridge - matrices, sides.sum(axis=0) - sides)[..., 0]
    shared = (weighted @ _changes(frame[rows, columns], y, x).swapaxes(1, 2)).astype(np.float64).sum(axis=0)
    doubt = _with_grain(np.sqrt((BANDS - 1) * without.var(axis=0))[:2], whole + ridge, (shared + shared.T) / 2)
    # A fit of gradients holds for about a pixel.
    steps = np.clip(answer[:2], -1.5, 1.5)
    return Fit(down + float(steps[0]), right + float(steps[1]), float(1 + answer[2]), spread, (float(doubt[0]), float(doubt[1])))


def _changes(plane: Pixels, y: Pixels, x: Pixels) -> Pixels:
    """How a plane with rows at ``y`` and columns at ``x`` changes with each part of a motion (down, right), a gain, a camera that
    comes nearer, and one that turns: (bands, 5, pixels), whose sums are that of the whole."""
    planes = np.zeros((5, *plane.shape), np.float32)
    np.subtract(plane[:-2], plane[2:], out=planes[0, 1:-1])
    np.subtract(plane[:, :-2], plane[:, 2:], out=planes[1, :, 1:-1])
    planes[:2] *= np.float32(0.5)
    planes[2] = plane
    planes[3] = y * planes[0] + x * planes[1]
    planes[4] = x * planes[0] - y * planes[1]
    high = len(plane) // BANDS * BANDS
    return np.ascontiguousarray(planes[:, :high].reshape(5, BANDS, -1).swapaxes(0, 1))


def _with_grain(doubt: NDArray[np.float64], own: NDArray[np.float64], shared: NDArray[np.float64]) -> NDArray[np.float64]:
    """The standard errors of both parts of a motion, from those by ``own``, the normal matrix of one frame, grain and all (5, 5);
    ``shared`` is that of two frames, whose grains have nothing in common."""
    powers, turns = np.linalg.eigh(own)
    turns /= np.sqrt(np.maximum(powers, 1e-12 * powers[-1]))
    shares, ways = np.linalg.eigh(turns.T @ shared @ turns)
    squares = np.square((turns @ ways)[:2])
    errors = squares @ (1 / np.where(shares > ALIKE_IN_BOTH, shares, 1e-6))
    power = np.diag(shared)[:2]
    known = (power > 0) & (errors * power * KNOWN < 1)
    grown: NDArray[np.float64] = np.where(known, doubt * errors / squares.sum(axis=1), np.inf)
    return grown


def _gains(before: Pixels, frame: Pixels, down: float, right: float, gain: float) -> Pixels:
    moved, rows, columns = _sampled(before, down, right)
    whole = np.float32(np.log(np.clip(gain, 0.2, 5)))
    gains = np.full(CELLS, whole, np.float32)
    if not moved.size:
        return gains
    new = frame[rows, columns]
    lit = (moved > DARK) & (new > DARK) & (moved < 0.98) & (new < 0.98)
    ratio = np.log(np.maximum(new, DARK) / np.maximum(moved, DARK))
    height, width = moved.shape
    for row in range(CELLS[0]):
        for column in range(CELLS[1]):
            part = slice(row * height // CELLS[0], (row + 1) * height // CELLS[0])
            across = slice(column * width // CELLS[1], (column + 1) * width // CELLS[1])
            values = ratio[part, across][lit[part, across]]
            if values.size >= 64:
                gains[row, column] = np.median(values)
    return gains


def brightened(before: Pixels, frame: Pixels, fit: Fit) -> Pixels:
    """By how much the logarithm of each channel (areas, c) has changed from pixels (h, w, c) to the next frame's in each of
    `CELLS`, by one set of pixels for all channels; not a number where few are neither dark nor burnt out."""
    channels = frame.shape[2]
    changes = np.full((CELLS[0] * CELLS[1], channels), np.nan, np.float32)
    samples = [_sampled(before[..., channel], fit.down, fit.right) for channel in range(channels)]
    _, rows, columns = samples[0]
    step = 1 if frame.shape[0] * frame.shape[1] < MANY else 2
    old, new = np.stack([part[::step] for part, _, _ in samples]), frame[rows, columns][::step].transpose(2, 0, 1)
    if not old.size:
        return changes
    lit = np.asarray(((np.minimum(old, new) > LIT[0]) & (np.maximum(old, new) < LIT[1])).all(axis=0))
    ratio = np.log(np.maximum(new, LIT[0]) / np.maximum(old, LIT[0]))
    height, width = lit.shape
    for cell in range(len(changes)):
        row, column = divmod(cell, CELLS[1])
        part = slice(row * height // CELLS[0], (row + 1) * height // CELLS[0])
        across = slice(column * width // CELLS[1], (column + 1) * width // CELLS[1])
        values = ratio[:, part, across][:, lit[part, across]]
        if values.shape[1] >= 64:
            changes[cell] = np.median(values, axis=1)
    return changes


def means(pixels: Pixels, count: int) -> Pixels:
    """The means of ``count`` x ``count`` parts of pixels (h, w) or (h, w, c), or of as many parts as there are pixels."""
    height, width = pixels.shape[:2]
    rows, columns = (np.arange(min(count, side)) * side // min(count, side) for side in (height, width))
    sums = np.add.reduceat(np.add.reduceat(pixels, rows, axis=0), columns, axis=1)
    sizes = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return np.asarray(sums / (sizes if pixels.ndim == 2 else sizes[..., None]), dtype=np.float32)


def shifted(pixels: Pixels, down: float, right: float) -> Pixels:
    """Pixels (h, w, c) moved down and right, by a windowed sinc (Lanczos, three lobes: shorter ones soften), the edge repeated."""
    height, width, _ = pixels.shape
    for axis, way, side in ((0, down, height), (1, right, width)):
        whole = int(np.floor(-way))
        share = -way - whole
        if whole == 0 and share == 0:
            continue
        reach = abs(whole) + LOBES
        padded = np.pad(pixels, [(reach, reach) if each == axis else (0, 0) for each in range(3)], mode="edge")
        begin = reach + whole + 1 - LOBES
        after = begin + side + 2 * LOBES - 1
        away = share + LOBES - 1 - np.arange(2 * LOBES)
        weights = np.sinc(away) * np.sinc(away / LOBES)
        pixels = _convolved(padded[begin:after] if axis == 0 else padded[:, begin:after], weights / weights.sum(), axis)
    return pixels
