"""Lines of the scene that pass a camera: wires, posts and the pickets of a fence, which look like scratches and are none.

A scratch stays at its place in the frame, and wanders there from frame to frame (Kokaram 1998, "Motion Picture Restoration",
chapter 6; `pellucid.wear` has its law). A line that passes goes on by as much to the next frame as it came from the last.
All functions take float32 pixels (h, w, c) or planes (h, w) in [0, 1] and change none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.images import Pixels
from pellucid.mending import BAND, MOST, gray, grown, summed

__all__ = ["EVERY", "Line", "Peaks", "lines", "passing"]

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

EVERY = 8
"""Rows from one place of a line to the next at which it is looked for."""

TALL, LONG = 49, 17
"""Rows over which an upright line is one, and columns over which a level one is, which may be slanted."""

SIDES = 2, 3
"""Pixels to either side that a line is held against; of two that are close together the nearer one counts."""

CLEAR, ALIKE = 0.25, 0.5
"""The share of its rows in which a line must show, and the share of that which it shows in the neighbours at least."""

JUMP, GAP = 1.5, 3
"""Pixels by which a line goes aside from place to place at most, and the places over which it may be hidden."""

FEWEST, FEWEST_LEVEL = 3, 6
"""Places of the shortest lines: upright ones, and level ones."""

NEAR, FAST = 3.0, 40
"""Pixels a frame within which a line that stays is found again, and by which one that passes goes at most."""

STEADY, WHOLE_LINE = 0.2, 0.35
"""Pixels by which a line's step from the last frame may differ from that to the next one: of the whole line, and of a place."""

BOTH, QUICK, UNEVEN = 0.9, 1.4, 0.35
"""Pixels that a line must go both times, and on average, for its steps to differ by more, and the share of its pace by which they
may then differ, as a hand holds a camera: a scratch wanders by half a pixel a frame (standard deviation), and hardly ever twice so
far in one direction."""

ROUGHLY = 0.8
"""The same of the places of level lines, which nobody can take for scratches."""

SLOWEST = 0.6
"""Pixels a frame that a line must go to pass: a scratch that wanders does so less often, and hardly ever twice alike."""

MOST_OF_IT, MOST_OF_LEVEL, SOME = 0.5, 0.3, 0.25
"""The share of a line's places that go alike, of an upright and of a level one, which is no scratch, and where `TOGETHER` places
of surer lines go the same way."""

ENOUGH = 8
"""Places of an upright line that must go alike where they are less than most of it: farther from frame to frame than `NEAR`, where
nothing wanders."""

TOGETHER, SAME_WAY = 30, 0.3
"""Places of other lines, and pixels a frame by which their way may differ."""

REACH, FREE, RUN, CROSSING = 3, 6, 8, 7
"""Pixels to either side of a line that are of it; how far aside nothing may be found, so that it is no blotch before the line; and
for how many rows something must be found along it, but for gaps of fewer rows than the last."""

ENDS, ENDS_LEVEL, STRAIGHT = 24, 160, 16
"""By how many rows a line goes on behind its outermost places, upright ones, which may be scratches, and level ones; as straight as
so many places are there."""


@dataclass(frozen=True)
class _Peaks:
    """Where lines may be: ``place`` (bands, w) to parts of a pixel, not a number where none is, and how ``clear`` (bands, w)."""

    place: NDArray[np.float32]
    clear: NDArray[np.float32]


@dataclass(frozen=True)
class Line:
    """A line through bands of `EVERY` rows: their numbers, the pixels in which it is, and its place to parts of a pixel."""

    bands: Places
    columns: Places
    places: NDArray[np.float32]

    @property
    def lean(self) -> float:
        """By how many pixels it goes aside from row to row."""
        rows = EVERY * (self.bands - self.bands.mean())
        return float((rows * (self.places - self.places.mean())).sum() / max(1.0, float((rows * rows).sum())))


@dataclass(frozen=True)
class _Way:
    """By how many pixels a frame a line goes, how unsteadily, and which share of its places does."""

    pace: float
    apart: float
    share: float


class Peaks:
    """Where lines from above to below may be in planes (h, w) of one size, which are looked at when they are first asked for;
    ``tall``: the rows over which a line is one."""

    def __init__(self, planes: Sequence[Pixels], tall: int = TALL) -> None:
        self.planes = planes
        self._tall = tall
        self._shares: dict[int, Pixels] = {}
        self._found: dict[tuple[int, float], _Peaks] = {}

    def of(self, number: int, sign: np.float32) -> _Peaks:
        """Those of a plane: of light lines, of dark ones where the ``sign`` is -1."""
        if number not in self._shares:
            self._shares[number] = _shares(self.planes[number], self._tall)
        key = number, float(sign)
        if key not in self._found:
            self._found[key] = _peaks(sign * self._shares[number])
        return self._found[key]

    def others(self, sign: np.float32) -> list[_Peaks]:
        """Those of all planes but the first."""
        return [self.of(number, sign) for number in range(1, len(self.planes))]


def passing(
    frame: Pixels, came: tuple[Pixels, Pixels], hole: Mask, steps: tuple[int, int] = (-1, 1), *, peaks: Peaks | None = None
) -> Mask:
    """The part of a hole (h, w) that is a line of the scene: upright ones that go on in the frame from neighbour to neighbour by as
    much each time, and level ones, which no scratch is, that do so or stay.

    ``came``: the neighbours, in the light of the frame and where they are themselves; ``steps`` are their times, in frames from
    this one. ``peaks``: those of the mean channels of the frame and of both, where they are known.
    """
    gone = np.zeros_like(hole)
    if hole.any() and frame.shape == came[0].shape == came[1].shape and min(hole.shape) >= 2 * TALL:
        peaks = peaks or Peaks([gray(each) for each in (frame, *came)])
        level = Peaks([np.ascontiguousarray(plane.T) for plane in peaks.planes], LONG)
        gone |= _gone(peaks, hole, steps, upright=True) | _gone(level, hole.T, steps, upright=False).T
    return gone


def lines(peaks: Peaks, hole: Mask, steps: tuple[int, int]) -> list[tuple[Line, Pixels]]:
    """The upright lines that are near a hole (h, w), and by how many pixels a frame each of their places goes to either neighbour,
    (n, 2): not a number where it is not found within `NEAR`.

    ``peaks`` are those of a frame and its neighbours, in its light and where they are themselves, at the times ``steps``.
    """
    near = _long(grown(hole, 1), RUN + 2)[EVERY // 2 :: EVERY]
    found: list[tuple[Line, Pixels]] = []
    if not near.any() or min(hole.shape) < 2 * TALL:
        return found
    for sign in (np.float32(1), np.float32(-1)):
        own = peaks.of(0, sign)
        for line in _lines(own, near, FEWEST):
            least = np.float32(ALIKE) * own.clear[line.bands, line.columns]
            found.append((line, _steps(line, peaks.others(sign), least, steps)))
    return found


def _steps(line: Line, others: Sequence[_Peaks], least: Pixels, steps: tuple[int, int]) -> Pixels:
    """By how many pixels a frame the places of a line go to either neighbour (n, 2), within `NEAR`."""
    gone = [_nearest(line, other, least, line.places, NEAR * abs(step)) / step for other, step in zip(others, steps, strict=True)]
    return np.stack(gone, axis=1)


def _gone(peaks: Peaks, hole: Mask, steps: tuple[int, int], *, upright: bool) -> Mask:
    """The part of a hole that is lines from above to below which pass, or which go steadily where they are not ``upright``."""
    near = _long(grown(hole, 1), RUN + 2)[EVERY // 2 :: EVERY]
    if not near.any():
        return np.zeros_like(hole)
    found: list[tuple[Line, _Way]] = []
    for sign in (np.float32(1), np.float32(-1)):
        own = peaks.of(0, sign)
        clear = _lines(own, near, FEWEST if upright else FEWEST_LEVEL)
        if clear:
            others = peaks.others(sign)
            moving = [_moving(other, own) for other in others] if upright else None
            found += [(line, _way(line, own, others, steps, moving)) for line in clear]
    if upright:
        found = [(line, way) for line, way in found if abs(way.pace) >= SLOWEST]
    sure = [_surely(line, way, upright=upright) for line, way in found]
    paces = np.array([way.pace for (line, way), clearly in zip(found, sure, strict=True) if clearly for _ in line.bands])
    gone = np.zeros_like(hole)
    for (line, way), clearly in zip(found, sure, strict=True):
        if clearly or (way.share >= SOME and int((np.abs(paces - way.pace) < SAME_WAY).sum()) >= TOGETHER):
            gone |= _around(line, hole, ENDS if upright else ENDS_LEVEL)
    return gone


def _long(mask: Mask, rows: int) -> Mask:
    """The runs of so many rows or more of a mask."""
    for grow in (False, True):
        done = 1
        while done < rows:
            step = min(done, rows - done)
            # Runs lose their ends, and get them back.
            wide = np.pad(mask, ((step, step), (0, 0))) if grow else mask
            mask = wide[step:] | wide[:-step] if grow else wide[step:] & wide[:-step]
            done += step
    return mask


def _shares(plane: Pixels, tall: int) -> Pixels:
    """How much of the ``tall`` rows around the middle of each band (bands, w) a pixel is lighter than both sides, dark ones below
    0; 1 is all."""
    near, far = SIDES
    width = plane.shape[1]
    padded = np.pad(plane, ((0, 0), (far, far)), mode="edge")
    ridge = np.empty_like(plane)
    for top in range(0, len(plane), BAND):
        own, beside = plane[top : top + BAND], padded[top : top + BAND]
        (left, right), (farther_left, farther_right) = (
            [beside[:, far + way * side : far + way * side + width] for way in (-1, 1)] for side in (near, far)
        )
        # Above 0 where it is lighter, or darker, than both sides; of the sides, the one where that is more.
        other = np.maximum(farther_left, farther_right)
        lighter = np.maximum(left, right)
        np.subtract(own, np.minimum(lighter, other, out=lighter), out=lighter)
        np.minimum(farther_left, farther_right, out=other)
        darker = np.minimum(left, right)
        # The nearer one of two that are alike counts.
        nearer = own < darker
        np.subtract(np.maximum(darker, other, out=darker), own, out=darker)
        dark = (darker > lighter) | ((darker == lighter) & nearer)
        np.clip(np.maximum(lighter, darker, out=other), 0, np.float32(MOST), out=other)
        np.multiply(other, np.float32(1) - np.float32(2) * dark, out=ridge[top : top + BAND])
    sums = summed(ridge)
    rows = np.arange(EVERY // 2, len(plane), EVERY)
    first, after = np.maximum(rows - tall // 2, 0), np.minimum(rows + tall // 2 + 1, len(plane))
    mean = (sums[after] - sums[first]) / (np.float32(MOST) * (after - first)[:, None].astype(np.float32))
    return np.asarray(mean, dtype=np.float32)


def _peaks(shares: Pixels) -> _Peaks:
    """The highest pixels of each band."""
    high = np.maximum(shares, 0)
    width = high.shape[1]
    padded = np.pad(high, ((0, 0), (2, 2)))
    near = [padded[:, way : way + width] for way in range(5)]
    # The right one of two that are alike.
    peak = (high >= np.float32(CLEAR * ALIKE)) & (high >= near[0]) & (high >= near[1]) & (high > near[3]) & (high >= near[4])
    aside = (near[3] - near[1] + 2 * (near[4] - near[0])) / np.maximum(sum(near), np.float32(1e-6))
    place = np.where(peak, np.arange(width, dtype=np.float32) + aside, np.float32(np.nan))
    return _Peaks(place.astype(np.float32), np.where(peak, high, np.float32(0)))


def _lines(peaks: _Peaks, near: Mask, fewest: int) -> list[Line]:
    """The lines that are clear, from above to below, of so many places or more, that are ``near`` (bands, w) what was found."""
    bands, columns = np.nonzero(peaks.clear >= np.float32(CLEAR))
    places = peaks.place[bands, columns]
    count, height = len(bands), len(peaks.clear)
    reach = int(np.ceil(JUMP)) + 1
    numbers = np.full((height + GAP, peaks.clear.shape[1] + 2 * reach), -1)
    numbers[bands, columns + reach] = np.arange(count)
    above, below = np.full(count, -1), np.full(count, -1)
    for gap in range(1, GAP + 1):
        ends = np.flatnonzero(below < 0)
        there = numbers[bands[ends, None] + gap, columns[ends, None] + np.arange(2 * reach + 1)]
        far = np.where((there >= 0) & (above[there] < 0), np.abs(places[there] - places[ends, None]), np.float32(np.inf))
        nearest = far.argmin(axis=1)
        far, there = (np.take_along_axis(each, nearest[:, None], axis=1)[:, 0] for each in (far, there))
        order = np.argsort(far, kind="stable")
        order = order[far[order] <= JUMP]
        # Each is the next place of one line, the nearest.
        _, first = np.unique(there[order], return_index=True)
        chosen = order[first]
        below[ends[chosen]], above[there[chosen]] = there[chosen], ends[chosen]
    label = np.arange(count)
    edges = np.searchsorted(bands, np.arange(height + 1))
    for first, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        # Those above have theirs already.
        own = above[first:after]
        label[first:after] = np.where(own >= 0, label[own], label[first:after])
    wanted = (np.bincount(label, minlength=count) >= fewest) & (np.bincount(label, near[bands, columns], count) > 0)
    order = np.argsort(label, kind="stable")
    order = order[wanted[label[order]]]
    if not len(order):
        return []
    parts = np.split(order, np.flatnonzero(np.diff(label[order])) + 1)
    return [Line(bands[part], columns[part], places[part]) for part in parts]


def _way(line: Line, own: _Peaks, others: Sequence[_Peaks], steps: tuple[int, int], moving: Sequence[_Peaks] | None) -> _Way:
    """How a line goes: an upright one with those of the other frames that are ``moving``, a level one without."""
    # Where both lie on one side, the way from this frame to the farther one says more.
    both = steps[0] < 0 < steps[1]
    weights = np.array(
        [-steps[0], steps[1]] if both else [abs(steps[0]) > abs(steps[1]), abs(steps[1]) > abs(steps[0])], np.float32
    )
    weights /= weights.sum()
    sharp = 1.0 if both else 2.0
    least = np.float32(ALIKE) * own.clear[line.bands, line.columns]
    gone = _steps(line, others, least, steps)
    if moving is not None and (np.isfinite(gone).mean(axis=0) < SOME).all():
        gone = _fast(line, moving, least, steps)
    paces, apart = gone @ weights, sharp * (gone[:, 1] - gone[:, 0])
    known = np.isfinite(paces)
    if known.sum() < 2:
        return _Way(0.0, np.inf, 0.0)
    pace = float(np.median(paces[known]))
    within = ROUGHLY if moving is None else WHOLE_LINE
    away = float(np.median(apart[known]))
    alike = (np.abs(paces - pace) < within) & (np.abs(apart - np.clip(away, -_uneven(pace), _uneven(pace))) < within)
    return _Way(pace, away, float(alike.mean()))


def _surely(line: Line, way: _Way, *, upright: bool) -> bool:
    """Whether a line passes, whatever others do: most of it, or enough of one that goes where no scratch does."""
    if abs(way.apart) >= _uneven(way.pace, STEADY if upright else WHOLE_LINE):
        return False
    if not upright:
        return way.share >= MOST_OF_LEVEL
    return way.share >= (SOME if abs(way.pace) >= NEAR and way.share * len(line.bands) >= ENOUGH else MOST_OF_IT)


def _uneven(pace: float, least: float = 0.0) -> float:
    """By how many pixels the steps of a line that goes on by ``pace`` may differ."""
    if abs(pace) < QUICK:
        return least
    return max(least, min(2 * (abs(pace) - BOTH), SLOWEST + UNEVEN * abs(pace)))


def _nearest(line: Line, other: _Peaks, least: Pixels, to: Pixels, within: float | Pixels) -> Pixels:
    """How far the peak of another frame that is as clear as ``least``, and nearest to the places ``to``, lies from the line's
    places; not a number where none is near."""
    reach = int(np.ceil(np.max(within))) + 1
    columns = np.rint(to).astype(np.intp)[:, None] + np.arange(-reach, reach + 1)
    within_it = (columns >= 0) & (columns < other.clear.shape[1])
    columns = np.clip(columns, 0, other.clear.shape[1] - 1)
    there = other.place[line.bands[:, None], columns]
    fits = within_it & (other.clear[line.bands[:, None], columns] >= least[:, None])
    far = np.where(fits, np.abs(there - to[:, None]), np.float32(np.inf))
    best = far.argmin(axis=1)[:, None]
    found = np.take_along_axis(there, best, axis=1)[:, 0] - line.places
    return np.where(np.take_along_axis(far, best, axis=1)[:, 0] <= within, found, np.float32(np.nan))


def _moving(other: _Peaks, own: _Peaks) -> _Peaks:
    """The peaks of another frame without those that are in the same place of this one: they are other lines."""
    padded = np.pad(own.clear > 0, ((0, 0), (2, 2)))
    wide = padded[:, :-1] | padded[:, 1:]
    stays = wide[:, :-3] | wide[:, 2:-1] | wide[:, 3:]
    return _Peaks(other.place, np.where(stays, np.float32(0), other.clear))


def _fast(line: Line, moving: Sequence[_Peaks], least: Pixels, steps: tuple[int, int]) -> Pixels:
    """By how many pixels a frame a line that stays nowhere near goes to either neighbour (n, 2), as far as both agree on a way."""
    tries = np.array([pace for pace in range(-FAST, FAST + 1) if abs(pace) > NEAR], np.float32)
    # All at once: the line again and again, each time somewhere else.
    many = len(tries)
    tried = Line(np.tile(line.bands, many), np.tile(line.columns, many), np.tile(line.places, many))
    clear: Pixels = np.tile(least, many)
    paces: Pixels = np.repeat(tries, len(least))
    within = np.maximum(1, np.abs(paces) * np.float32(UNEVEN / 2))
    both = np.stack(
        [
            (_nearest(tried, other, clear, tried.places + np.float32(step) * paces, abs(step) * within) / step).reshape(many, -1)
            for other, step in zip(moving, steps, strict=True)
        ]
    )
    counts = np.isfinite(both).all(axis=0).sum(axis=1)
    return np.asarray(both[:, counts.argmax()].T, np.float32)


def _around(line: Line, hole: Mask, ends: int) -> Mask:
    """The pixels of a hole that are of a line: for `RUN` rows or more, and none of a blotch before it."""
    middle = line.bands * EVERY + EVERY // 2
    rows = np.arange(max(0, middle[0] - ends), min(len(hole), middle[-1] + ends + 1))
    places = np.interp(rows, middle, line.places)
    for end, beyond in ((slice(None, STRAIGHT), rows < middle[0]), (slice(-STRAIGHT, None), rows > middle[-1])):
        slope, place = np.polyfit(middle[end] - middle[end].mean(), line.places[end], 1)
        places[beyond] = place + slope * (rows[beyond] - middle[end].mean())
    width = hole.shape[1]
    rows, places = (each[(places >= 0) & (places <= width - 1)] for each in (rows, places))
    columns = np.rint(places).astype(np.intp)
    padded = np.pad(hole, ((0, 0), (FREE, FREE)))
    there = padded[rows[:, None], columns[:, None] + np.arange(2 * FREE + 1)]
    own = there[:, FREE - REACH : FREE + REACH + 1]
    on = own.any(axis=1) & ~there[:, 0] & ~there[:, -1]
    # Thin lines may cross it.
    on = _without_runs(~_without_runs(~on, CROSSING), RUN)
    gone = np.zeros_like(padded)
    gone[rows[:, None], columns[:, None] + FREE + np.arange(-REACH, REACH + 1)] = on[:, None] & own
    return gone[:, FREE:-FREE]


def _without_runs(on: Mask, shorter: int) -> Mask:
    """Values in a row without runs of fewer True ones."""
    left = on.copy()
    edges = np.flatnonzero(np.diff(np.pad(on.astype(np.int8), 1)))
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if after - first < shorter:
            left[first:after] = False
    return left
