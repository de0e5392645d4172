"""Pictures that a smooth kernel has enlarged, noise and all: by how much, from which pixels, and the picture at its old size.

Pixels on those of the smaller picture have more fine detail than pixels between them, so detail is stronger and weaker with a
period (Gallagher 2005, "Detection of linear and cubic interpolation in JPEG compressed images"): its frequency tells the factor,
its phase where the pixels lie. The smaller picture follows by least squares. If that, enlarged again, is the picture but for
roundings, it was enlarged; and nothing is lost where it is restored at the size that it had: noise is white there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import images
from pellucid.diagnosis import noise, sampling
from pellucid.diagnosis.sampling import Window
from pellucid.images import Pixels
from pellucid.views import View

__all__ = ["Axis", "Enlarged", "found"]

KERNELS = ("BILINEAR", "BICUBIC", "LANCZOS")
"""Pillow's kernels that are tried."""

STRIPS, BREADTH = 6, 48
"""How many strips the detail is measured in, from end to end of the picture, and how broad they are, in pixels."""

SMALLEST = 96
"""Side in pixels below which there is too little of a period."""

FLOOR = 0.3
"""Added to second differences before their logarithm, in 8-bit levels: what rounding leaves."""

SLOW = 31
"""Pixels over whose mean detail is compared: longer periods are the picture's."""

SLOWEST = 0.09
"""The lowest frequency that is looked for, in periods a pixel: that of a picture enlarged by 1.1."""

FINER = 16
"""How many times as finely as its length gives them frequencies are looked up: one that is off by a thirtieth of that step moves
the pixels by a thirtieth of their distance at the picture's ends."""

PERIODIC = 6.0
"""How many times as strong as the usual one the frequency must be, both ways."""

TOGETHER = 0.01
"""How far the frequencies of rows and columns may be apart."""

SEAMS = 0.003
"""How near to the eighth of a period a pixel, as the seams of a JPEG's blocks have it, a frequency is theirs."""

SEGMENT, SEGMENTS, MOST = 160, 5, 0.75
"""Length in pixels of the segments of a strip that are made smaller and enlarged again, how many there are, and the share of them
that must come back as they were: noise that was clipped before does not quite."""

ALIKE, MIDDLE = 1.15, 320
"""How many times as far off as the best kernel another may be for the noise, which is white by the right one, to choose between
them: bilinear and bicubic pictures twice as large are alike. And the side in pixels of the part in which it is looked at."""

FARTHER = 4.0
"""How many times as far off as the lesser factor the larger one may be that has the same period, for it to be the right one: it was
up to 3 times as far where it was right, and 5 to 200 times where it was not."""

OWN, OWN_SHARE = 1.5, 0.5
"""Level in 8-bit levels, and share of the level in the channels, from which the differences of channels have noise of their own. In
them there is hardly any texture: on 33 photographs with noise of level 3 and 8, twice as large, noise was whitest by the right one
of both kernels each time; in the channels, by bilinear ones, in a quarter of those that bicubic ones had enlarged."""

RARER, WHITE, LONE = 0.2, 0.1, (1.1, 1.2)
"""By how much whiter (logarithm) noise must be, elsewhere, at the size that another kernel than bicubic gives, where both are as
near; how near to white; and how many times as strong at most more of the calm blocks may be than the fewest, and most of them
(`noise.SHARES`). Fine texture looks like noise that bilinear enlargement made blue, and what is taken for that has twice the
level."""

ENDS = 4
"""Small pixels at either end of a segment that are left out: those beyond have a part in them."""

BLOCK, AROUND = 128, 16
"""Pixels of the smaller picture that are worked out at once, and those on either side on which they depend."""

RIDGE = 1e-4
"""Keeps pixels of the smaller picture that are hardly in the larger one, at its edges, from growing without bounds."""

SLACK = 0.06
"""By how much of a small pixel the edge of the larger picture may lie beyond those that are taken to cover it."""


@dataclass(frozen=True)
class Axis:
    """One direction: how many times as large the picture is (``factor``), and where its ``first`` pixel lies among the larger
    picture's, in pixels from the middle of the first of those; it covers their edge."""

    factor: float
    first: float

    @classmethod
    def at(cls, factor: float, one: float) -> Axis:
        """With a pixel of the smaller picture at ``one``."""
        most = factor / 2 - 0.5
        return cls(factor, most - (most - one + SLACK * factor) % factor + SLACK * factor)

    def count(self, length: int) -> int:
        """How many pixels of the smaller picture so many of the larger one have."""
        return int(np.ceil(self.small(length - 0.5) + 0.5 - SLACK))

    def small(self, place: float) -> float:
        """A place of the larger picture in the smaller one."""
        return (place - self.first) / self.factor

    def moved(self, start: int) -> tuple[Axis, int]:
        """The axis of a part that begins at the pixel ``start``, and the number of the small pixel that it begins with."""
        part = Axis.at(self.factor, self.first - start)
        return part, round(self.small(start + part.first))

    def cover(self, begin: int, length: int, whole: int) -> tuple[int, int]:
        """Where the pixels of the larger picture begin, and how many they are, that ``length`` pixels of the smaller one from
        ``begin`` depend on; the larger picture has so many as a ``whole``."""
        first, last = (self.first + (begin + each) * self.factor for each in (-AROUND, length + AROUND))
        start = max(0, int(first))
        return start, min(whole, int(np.ceil(last))) - start

    def box(self, length: int, start: int = 0, skipped: int = 0, most: int | None = None) -> tuple[float, float]:
        """Where ``length`` pixels from ``start`` lie in the smaller picture without the ``skipped`` ones, edge to edge."""
        ends = (self.small(start + each) + 0.5 - skipped for each in (-0.5, length - 0.5))
        first, last = (float(np.clip(end, 0, most)) for end in ends)
        return first, last

    def weights(self, kernel: str, rows: range, columns: range) -> NDArray[np.float64]:
        """How much each of these pixels of the larger picture (rows) has of each of those of the smaller one (columns)."""
        box = self.box(len(rows), rows.start, columns.start, len(columns))
        eye = PillowImage.fromarray(np.eye(len(columns), dtype=np.float32))
        made = eye.resize((len(columns), len(rows)), PillowImage.Resampling[kernel], (0, box[0], len(columns), box[1]))
        return np.asarray(made, dtype=np.float64)

    def shrunk(self, kernel: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The smaller picture of values (length, ...) along their first axis, by least squares, a block after the other."""
        length, count = len(values), self.count(len(values))
        flat = values.reshape(length, -1)
        answer = np.empty((count, flat.shape[1]), dtype=np.float32)
        for start in range(0, count, BLOCK):
            stop = min(start + BLOCK, count)
            columns = range(max(0, start - AROUND), min(count, stop + AROUND))
            # The pixels that lie within these, edges and all; at the picture's ends, all.
            top, bottom = (self.first + (edge - 0.5) * self.factor + 0.5 for edge in (columns.start, columns.stop))
            first = int(np.ceil(top)) if columns.start else 0
            last = int(bottom) if columns.stop < count else length
            weights = self.weights(kernel, range(first, last), columns)
            solved = _inverse(weights)[start - columns.start : stop - columns.start].astype(np.float32)
            np.matmul(solved, flat[first:last], out=answer[start:stop])
        return answer.reshape(count, *values.shape[1:])

    def gain(self, kernel: str) -> float:
        """The variance of white noise that was enlarged, as a share of what it was."""
        count = 2 * AROUND
        weights = self.weights(kernel, range(int(self.factor * 8), int(self.factor * (count - 8))), range(count))
        return float(np.square(weights).sum(axis=1).mean())


@dataclass(frozen=True)
class Enlarged:
    """How a picture was enlarged: along its ``rows`` (from above to below) and ``columns``, by which of `KERNELS`."""

    rows: Axis
    columns: Axis
    kernel: str

    @property
    def factor(self) -> float:
        """How many times as large the sides are, in the mean."""
        return (self.rows.factor + self.columns.factor) / 2

    @property
    def gain(self) -> float:
        """The standard deviation of white noise that was enlarged, as a share of what it was."""
        return float(np.sqrt(self.rows.gain(self.kernel) * self.columns.gain(self.kernel)))

    def moved(self, top: int, left: int) -> tuple[Enlarged, tuple[int, int]]:
        """The same of a part that begins at this pixel, and the row and column of the smaller picture that it begins with."""
        (rows, down), (columns, right) = self.rows.moved(top), self.columns.moved(left)
        return replace(self, rows=rows, columns=columns), (down, right)

    def small(self, pixels: Pixels) -> Pixels:
        """The picture (h, w, channels) at the size that it had."""
        down = self.rows.shrunk(self.kernel, pixels)
        across = self.columns.shrunk(self.kernel, np.ascontiguousarray(down.transpose(1, 0, 2)))
        return np.ascontiguousarray(across.transpose(1, 0, 2))

    def size(self, height: int, width: int) -> tuple[int, int]:
        """The height and width that a picture of this size had."""
        return self.rows.count(height), self.columns.count(width)

    def parts(self, view: View, windows: Iterable[Window]) -> list[Pixels]:
        """The picture at the size that it had, through windows of that size; the rest of it is not worked out."""
        found = []
        for window in windows:
            (top, height), (left, width) = (
                axis.cover(begin, length, whole)
                for axis, begin, length, whole in (
                    (self.rows, window.top, window.height, view.shape[0]),
                    (self.columns, window.left, window.width, view.shape[1]),
                )
            )
            way, (down, right) = self.moved(top, left)
            small = way.small(view.parts([Window(top, left, height, width)])[0])
            found.append(Window(window.top - down, window.left - right, window.height, window.width).of(small))
        return found

    def large(self, small: Pixels, height: int, width: int) -> Pixels:
        """The smaller picture (h, w, channels) at the size that it has now."""
        top, bottom = self.rows.box(height, most=small.shape[0])
        left, right = self.columns.box(width, most=small.shape[1])
        return images.resized(small, height, width, PillowImage.Resampling[self.kernel], (left, top, right, bottom))


@dataclass(frozen=True)
class _Period:
    """The strongest ``frequency`` with which detail comes and goes along an axis, in periods a pixel; how many times as strong as
    the usual one it is; and its ``angle`` at the first pixel."""

    frequency: float
    strength: float
    angle: float

    def axis(self, length: int, *, aliased: bool) -> Axis:
        """The axis of a picture enlarged by 2 or more with this period; ``aliased``: by less, for it is shorter than two pixels."""
        frequency, angle = (1 - self.frequency, -self.angle) if aliased else (self.frequency, self.angle)
        found = Axis.at(1 / frequency, -angle / (2 * np.pi * frequency))
        count = round(length / found.factor)
        whole = Axis.at(length / count, length / count / 2 - 0.5)
        # A picture that nobody has cut has a whole number of them.
        near = abs(length / found.factor - count) < SLACK and abs(found.first - whole.first) < SLACK * found.factor
        return whole if near else found


def found(view: View) -> tuple[Enlarged, float, bool] | None:
    """How a picture, which is in memory, was enlarged if it was; by how much it is another, in 8-bit levels, when it has been made
    smaller and enlarged again; and whether its detail has a period. None where it is too small to tell.

    A picture that was made exactly twice as large has none: all its pixels lie as far from those of the smaller one.
    """
    if min(view.shape[:2]) < SMALLEST:
        return None
    strips = [_strips(view, axis) for axis in (0, 1)]
    down, across = (_period(each) for each in strips)
    periodic = min(down.strength, across.strength) > PERIODIC and abs(down.frequency - across.frequency) < TOGETHER
    periodic &= abs(down.frequency - 1 / 8) > SEAMS
    ways = [
        [period.axis(length, aliased=aliased) for period, length in zip((down, across), view.shape, strict=False)]
        for aliased in (False, True)
    ]
    if not periodic:
        ways = [[min((Axis.at(2, one) for one in (0.5, 1.5)), key=lambda axis: _off(axis, "BICUBIC", each)) for each in strips]]
    tried = []
    for axes in ways:
        off = {
            kernel: math.hypot(*(_off(axis, kernel, each) for axis, each in zip(axes, strips, strict=True))) for kernel in KERNELS
        }
        least = min(off.values())
        best = [Enlarged(axes[0], axes[1], kernel) for kernel in KERNELS if off[kernel] <= ALIKE * least]
        tried.append((least, best))
    # A picture enlarged by 3 has the period of one enlarged by 1.5, and is as one of that size, too, for it has less detail.
    least, best = tried[0] if tried[0][0] < FARTHER * tried[-1][0] else tried[-1]
    way = best[0] if len(best) == 1 else _likelier(view, best)
    return way, least, periodic


def _likelier(view: View, ways: Sequence[Enlarged]) -> Enlarged:
    """The way, of those that are as near, at whose size noise is white; bicubic where another is hardly better, or texture may be
    in what is looked at."""
    spectra = {way.kernel: _spectrum(view, way) for way in ways}
    off = {kernel: abs(float(np.log(np.divide(*np.maximum(calm[0, [0, -1]], SLACK))))) for kernel, (calm, _) in spectra.items()}
    whitest = min(ways, key=lambda way: off[way.kernel])
    if all(own for _, own in spectra.values()):
        return whitest
    usual = next((way for way in ways if way.kernel == "BICUBIC"), whitest)
    calm = spectra[whitest.kernel][0]
    lone = bool((calm[1:] <= np.outer(LONE, calm[0])).all())
    return whitest if lone and off[whitest.kernel] < WHITE and off[usual.kernel] - off[whitest.kernel] > RARER else usual


def _spectrum(view: View, way: Enlarged) -> tuple[NDArray[np.float64], bool]:
    """The noise of the middle of the picture at the size that it had, as `noise.spectrum` gives it; that of the channels'
    differences where they have noise of their own, and whether they have."""
    height, width = (min(MIDDLE, side) for side in view.shape[:2])
    middle = Window((view.shape[0] - height) // 2, (view.shape[1] - width) // 2, height, width)
    small = way.moved(middle.top, middle.left)[0].small(view.parts([middle])[0])
    calm = noise.spectrum(sampling.blocks([small]))
    if small.shape[2] < 3:
        return calm, False
    # Black and white are no ends of differences: raised above white, none is left out.
    apart = (small[..., ::2] - small[..., 1:2]) / np.float32(np.sqrt(2)) + np.float32(2)
    own = noise.spectrum(sampling.blocks([apart]))
    return (own, True) if own[0, -1] > max(OWN, OWN_SHARE * calm[0, -1]) else (calm, False)


def _strips(view: View, axis: int) -> NDArray[np.float32]:
    """Strips along an axis (length, breadth of all), in 8-bit levels: of green, where there is colour."""
    height, width, channels = view.shape
    across = (width, height)[axis]
    breadth = min(BREADTH, across // STRIPS)
    begins = [(across - breadth) * number // (STRIPS - 1) for number in range(STRIPS)]
    windows = [Window(0, each, height, breadth) if axis == 0 else Window(each, 0, breadth, width) for each in begins]
    parts = [part[..., channels // 2] for part in view.parts(windows)]
    return np.concatenate([part if axis == 0 else part.T for part in parts], axis=1) * np.float32(255)


def _period(strips: NDArray[np.float32]) -> _Period:
    """With which period detail comes and goes along strips (length, breadth)."""
    detail = np.log(np.abs(np.diff(strips, n=2, axis=0)) + np.float32(FLOOR)).mean(axis=1, dtype=np.float64)
    around = np.pad(detail, SLOW // 2, mode="reflect")
    detail -= np.convolve(around, np.full(SLOW, 1 / SLOW), "valid")
    whole = 2 ** int(np.ceil(np.log2(FINER * len(detail))))
    waves = np.fft.rfft(detail * np.hanning(len(detail)), whole)
    slow = round(SLOWEST * whole)
    strength = np.abs(waves[slow : round(0.495 * whole)])
    best = int(np.argmax(strength))
    usual = max(float(np.median(strength)), 1e-9)
    frequency = (slow + best) / whole
    # The first of them lies between the first pixel and the third.
    return _Period(frequency, float(strength[best]) / usual, float(np.angle(waves[slow + best])) - 2 * np.pi * frequency)


def _off(axis: Axis, kernel: str, strips: NDArray[np.float32]) -> float:
    """By how much strips (length, breadth) are others once they have been made smaller along their length and enlarged again."""
    length = min(SEGMENT, len(strips))
    end = min(round(ENDS * axis.factor), length // 3)
    found = []
    for number in range(SEGMENTS):
        start = (len(strips) - length) * number // (SEGMENTS - 1)
        part = axis.moved(start)[0]
        segment = strips[start : start + length]
        again = _again(kernel, round(part.factor, 5), round(part.first, 2), length)[end : length - end] @ segment
        found.append(np.square(segment[end : length - end] - again).mean())
    return float(np.sqrt(np.quantile(found, MOST)))


@lru_cache(maxsize=16)
def _again(kernel: str, factor: float, first: float, length: int) -> NDArray[np.float32]:
    """The matrix that makes ``length`` pixels smaller and enlarges them again."""
    axis = Axis(factor, first)
    weights = axis.weights(kernel, range(length), range(axis.count(length)))
    return (weights @ _inverse(weights)).astype(np.float32)


def _inverse(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix that gives the smaller picture by least squares from one with these weights of it."""
    across = weights.T @ weights + RIDGE * np.eye(weights.shape[1])
    return np.asarray(np.linalg.solve(across, weights.T), dtype=np.float64)
