"""Paths of motion and brightness over the frames of a scene, parted into what is slow and what trembles.

The motion of a camera and the light of a day are smooth; a gate and a lamp change from frame to frame. Two ways to part them: the
gate's by likelihood (`unsteady`), since it lasts some frames, as a slow camera does; the lamp's by windows (`trembling`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

__all__ = ["jumps", "median_around", "spread_of", "trembles", "trembling", "unsteady"]

Path = NDArray[np.float64]

TREMBLES = 0.35
"""How much of what is not slow must change from frame to frame, to be of the gate or the lamp: a hand that holds a camera, and
clouds, take several frames for each turn."""

# -- the gate ----------------------------------------------------------------------------------------------------------

GATES = ((1.0, 0.0), (0.5, 0.6), (0.33, 0.8), (0.15, 0.85))
"""Gates that are held for possible: the share of the variance that is new in each frame, and the correlation of the rest from one
frame to the next."""

LENGTHS = 3.0, 4.5, 7.0, 11.0, 18.0, 30.0, 50.0, 100.0
"""Frames over which a camera's way is alike: the lengths of Gaussian covariances."""

REACHES = 1.0, 10.0, 100.0, 1000.0, 10_000.0
"""How far the camera goes, in standard deviations of the gate."""

STOPS = 8
"""Parts of a window at whose ends a camera that stands may begin to move, and stop: it is known better while it stands."""

PACE, GOES = 8.0, (10.0, 100.0, 1000.0)
"""Frames over which the speed of such a camera is alike, and how far it goes, in standard deviations of the gate."""

TOGETHER = 96
"""Frames that are parted at once; longer scenes are in windows that overlap by half."""

FEWEST = 8
"""Frames of a scene from which its gate can be known."""

HAND = 6.0, 0.5
"""Frames: a camera whose way is alike over no more is held by a hand, which trembles by itself. The path that is taken
for the gate's must then be such a share of the path that is not slow."""

STANDS_OUT = 5.0
"""Standard deviations of the gate from which a frame was not found where it is: it has no say, and stays."""


def unsteady(path: Path, known: NDArray[np.bool_] | None = None) -> Path:
    """The gate's part of a path (n, axes), 0 in frames whose place is not ``known``, which have no say: its mean given the path,
    under all of `GATES` and of the cameras of `LENGTHS` and `REACHES`, and those that stand still, go evenly, or stop and go, each
    by its likelihood (Rasmussen and Williams 2006, chapters 2 and 5)."""
    count = len(path)
    known = np.ones(count, bool) if known is None else known
    if known.sum() < FEWEST:
        return np.zeros_like(path)
    if count <= TOGETHER:
        return np.stack([_unsteady(axis, known) for axis in path.T], axis=1)
    total, weights = np.zeros_like(path), np.zeros((count, 1))
    half = TOGETHER // 2
    ramp = np.minimum(np.arange(1, TOGETHER + 1), np.arange(TOGETHER, 0, -1))[:, None].astype(float)
    for first in sorted({*range(0, count - TOGETHER, half), count - TOGETHER}):
        part = slice(first, first + TOGETHER)
        total[part] += ramp * unsteady(path[part], known[part])
        weights[part] += ramp
    return np.asarray(total / weights)


def _unsteady(path: Path, known: NDArray[np.bool_]) -> Path:
    """The same of one axis of a window."""
    gate = np.zeros_like(path)
    gate[known], by_hand = _mean_of_gate(path[known], tuple(np.flatnonzero(known).tolist()))
    apart = np.abs(gate - np.median(gate[known]))
    calm = known & (apart <= STANDS_OUT * 1.4826 * np.median(apart[known]) + 1e-9)
    if not calm[known].all() and calm.sum() > 0.8 * known.sum() and calm.sum() >= FEWEST:
        gate = np.zeros_like(path)
        gate[calm], by_hand = _mean_of_gate(path[calm], tuple(np.flatnonzero(calm).tolist()))
    if by_hand < HAND[1] * spread_of((path - _slow(path, calm.astype(float), HAND[0]))[known]):
        return np.zeros_like(path)
    return gate


@dataclass(frozen=True)
class _Cameras:
    """Cameras beside a gate with the covariance ``gate`` (n, n). ``whitens`` (cameras, n, n) takes the camera's even course out of
    a path and leaves the rest by the inverse of its covariance; ``fixed`` is what does not depend on the path in the logarithm of
    the likelihood, ``free`` the degrees of freedom, ``lengths`` those of the cameras' ways."""

    gate: Path
    whitens: Path
    fixed: Path
    free: int
    lengths: Path

    @classmethod
    def made(cls, gate: Path, ways: Path, course: Path, lengths: Sequence[float]) -> _Cameras:
        """Cameras with these covariances, ``ways`` (cameras, n, n), beside an even ``course`` (n, terms)."""
        inverse = np.linalg.inv(gate + ways)
        even = inverse @ course
        inner = course.T @ even
        fixed = -0.5 * (np.linalg.slogdet(gate + ways)[1] + np.linalg.slogdet(inner)[1])
        whitens = np.asarray(inverse - even @ np.linalg.solve(inner, even.swapaxes(1, 2)), np.float64)
        return cls(gate, whitens, fixed, course.shape[0] - course.shape[1], np.array(lengths))

    def beside(self, path: Path) -> tuple[Path, Path]:
        """The logarithm of the likelihood of each camera, and the gate's mean beside it (cameras, n)."""
        rest = self.whitens @ path
        # The gate's deviation is not known: that which is likeliest.
        return self.fixed - 0.5 * self.free * np.log(np.maximum(rest @ path, 0) / self.free + 1e-18), rest @ self.gate


def _mean_of_gate(path: Path, times: tuple[int, ...]) -> tuple[Path, float]:
    """The gate's mean from its places at these frames, and how much of it there is if a hand holds the camera: infinitely much
    where it goes too evenly for that."""
    path = path - path.mean()
    tried = list(_cameras(times))
    found = [each.beside(path) for each in tried]
    best = int(np.argmax([likely.max() for likely, _ in found]))
    length, by_hand = tried[best].lengths[np.argmax(found[best][0])], np.inf
    if length <= HAND[0]:
        # A hand, too, stops and goes: its trembling is no gate's for that.
        by_hand = spread_of(_mean(found))
    if np.isfinite(length) and len(path) >= 3 * STOPS:
        found.append(_stopping(times, tried[best].gate).beside(path))
    return _mean(found), by_hand


def _mean(found: Sequence[tuple[Path, Path]]) -> Path:
    """The mean of means (cameras, n), each by its likelihood."""
    likely, means = (np.concatenate(parts) for parts in zip(*found, strict=True))
    chances = np.exp(likely - likely.max())
    return np.asarray(chances / chances.sum() @ means)


@lru_cache(maxsize=2)
def _cameras(times: tuple[int, ...]) -> tuple[_Cameras, ...]:
    """Cameras that stand still, go evenly, and are alike over a length, beside each of `GATES`."""
    place = np.array(times, float)
    apart = np.abs(place[:, None] - place)
    course = np.stack([np.ones_like(place), (place - place.mean()) / max(1.0, float(np.ptp(place)) / 2)], axis=1)
    made = []
    for new, lasting in GATES:
        gate = (1 - new) * (lasting**apart if lasting else np.zeros_like(apart)) + new * (apart == 0)
        made += [_Cameras.made(gate, np.zeros((1, *gate.shape)), course[:, :order], (np.inf,)) for order in (1, 2)]
        ways = np.stack([reach**2 * np.exp(-0.5 * np.square(apart / length)) for length in LENGTHS for reach in REACHES])
        made.append(_Cameras.made(gate, ways, course, np.repeat(LENGTHS, len(REACHES)).tolist()))
    return tuple(made)


def _stopping(times: tuple[int, ...], gate: Path) -> _Cameras:
    """Cameras that stand still, move from one frame to another, and stand still again."""
    frames = np.arange(times[-1] + 1)
    alike = np.exp(-0.5 * np.square((frames[:, None] - frames) / PACE))
    ways = []
    for begin, end in combinations(np.linspace(0, len(frames), STOPS + 1), 2):
        moves = np.clip(np.minimum(frames - begin, end - frames) / 2 + 1, 0, 1)
        # The way is the sum of its speeds.
        way = np.cumsum(np.cumsum(moves[:, None] * alike * moves, axis=0), axis=1)[np.ix_(times, times)]
        ways += [np.square(far / (end - begin)) * way for far in GOES]
    return _Cameras.made(gate, np.stack(ways), np.ones((len(times), 1)), [PACE] * len(ways))


JUMPS = 8.0, 0.004
"""By how many deviations of its changes, and by what share of the longer side, a path must leave its course for good to
have jumped."""


def jumps(steps: Path) -> list[int]:
    """Frames with which a path jumps for good, from its ``steps`` (n, axes): frames are missing there, or were not found."""
    found = []
    for axis in steps.T:
        away = axis - _beside(axis)
        least = JUMPS[0] * spread_of(away) + JUMPS[1]
        for place in np.flatnonzero(np.abs(away) > least):
            near = away[max(0, place - 2) : place + 3]
            if abs(near.sum()) > 0.5 * abs(away[place]):
                found.append(int(place))
    return sorted(set(found))


# -- the lamp ----------------------------------------------------------------------------------------------------------

SLOW = 16.0, 9.0, 5.0, 3.0
"""Frames, the standard deviations of the windows over which brightness is smooth: the first that suffices. In the first one
chance is down to a fifth."""

TURNS = 1.6
"""How many times what trembles may be left beside a smooth course."""

PLAIN = 1.12
"""How many times as much as after the smooth course may be left after a plain one (still, even, or ever faster), for that to be
it."""


def trembling(path: Path, least: float, calm: NDArray[np.bool_] | None = None) -> Path:
    """The part of a path that is neither slow nor too faint; 0 where the path does not tremble, and in frames that are not
    ``calm``, which have no say."""
    weight = np.ones(len(path)) if calm is None else calm.astype(float)
    if weight.sum() < 5:
        return np.zeros(len(path))
    # Light that turns sooner leaves more than what changes from frame to frame accounts for.
    between = path[1:-1] - (path[:-2] + path[2:]) / 2
    quick = spread_of(between[weight[1:-1] > 0])
    for window in SLOW:
        rest = path - _slow(path, weight, window)
        if spread_of(rest[weight > 0]) <= TURNS * quick:
            break
    # Once more without what stands out.
    spread = 1.4826 * np.median(np.abs(rest[weight > 0])) + 1e-9
    sure = weight * (np.abs(rest) < 4 * spread)
    if sure.sum() >= 5:
        rest = path - _slow(path, sure, window)
    # At the ends of a scene a window knows half: a plain course of the whole of it, where that says as much, is surer.
    time = np.linspace(-1, 1, len(path))
    for order in range(3):
        plain = path - np.polynomial.Polynomial.fit(time, path, order, w=np.maximum(sure, 1e-6))(time)
        most = PLAIN * float(np.sqrt(np.square(rest[sure > 0]).mean()))
        if float(np.sqrt(np.square(plain[sure > 0]).mean())) <= most:
            rest = plain
            break
    rest *= weight
    return rest if trembles(rest[weight > 0], least) else np.zeros(len(path))


def trembles(rest: Path, least: float) -> bool:
    """Whether what is left of a path is at least so much, and changes from frame to frame."""
    whole = spread_of(rest)
    return whole >= least and spread_of(rest[1:-1] - (rest[:-2] + rest[2:]) / 2) > TREMBLES * whole


def spread_of(values: Path) -> float:
    """The standard deviation that most values agree on."""
    return float(1.4826 * np.median(np.abs(values))) if values.size else 0.0


def _beside(path: Path) -> Path:
    """Each value as those beside it say, on both sides and on each alone: a path that turns says so, too."""
    count = len(path)
    padded = np.pad(path, 4, constant_values=np.nan)
    before, after = ([padded[4 + way * far : 4 + way * far + count] for far in range(1, 5)] for way in (-1, 1))
    tries = [(one + other) / 2 for one, other in zip(before, after, strict=True)]
    tries += [2 * side[0] - side[1] for side in (before, after)]
    # At the ends one side is all there is.
    return np.asarray(np.nanmedian(tries, axis=0)) if count > 2 else path


def _slow(path: Path, weight: Path, window: float) -> Path:
    """The path as parabolas fitted in a window around each frame say (Cleveland 1979): lines would cut off its turns."""
    count = len(path)
    reach = round(2.5 * window)
    slow = np.empty(count)
    for place in range(count):
        low, high = max(0, place - reach), min(count, place + reach + 1)
        away = (np.arange(low, high) - place) / window
        near = np.exp(-(away**2) / 2) * weight[low:high]
        if np.count_nonzero(near) < 4:
            slow[place] = path[place]
            continue
        basis = np.stack([np.ones_like(away), away, away**2])
        matrix = (basis * near) @ basis.T + 1e-9 * np.eye(3)
        slow[place] = np.linalg.solve(matrix, (basis * near) @ path[low:high])[0]
    return slow


def median_around(path: Path) -> Path:
    """The median of seven around each."""
    padded = np.pad(path, 3, mode="reflect")
    around: Path = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7), axis=1)
    return around
