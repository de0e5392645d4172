"""Paths of motion and brightness over the frames of a scene, parted into what is slow and what trembles.

The motion of a camera and the light of a day are smooth; a gate and a lamp change from frame to frame. Two ways to part them: the
gate's by likelihood (`unsteady`), since it lasts some frames, as a slow camera does; the lamp's by windows (`trembling`).
"""

from __future__ import annotations

from functools import lru_cache

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

TOGETHER = 96
"""Frames that are parted at once; longer scenes are in windows that overlap by half."""

FEWEST = 8
"""Frames of a scene from which its gate can be known."""

HAND = 6.0, 0.5
"""Frames: a camera whose way is alike over no more is held by a hand, which trembles by itself. The path that is taken
for the gate's must then be such a share of the path that is not slow."""

STANDS_OUT = 5.0
"""Standard deviations of the gate from which a frame was not found where it is: it has no say, and stays."""


def unsteady(path: Path) -> Path:
    """The gate's part of a path (n, axes): its mean given the path, under all of `GATES` and of the cameras of `LENGTHS` and
    `REACHES`, and one that stands still or goes evenly, each by its likelihood (Rasmussen and Williams 2006, chapters 2 and 5)."""
    count = len(path)
    if count < FEWEST:
        return np.zeros_like(path)
    if count <= TOGETHER:
        return np.stack([_unsteady(axis) for axis in path.T], axis=1)
    total, weights = np.zeros_like(path), np.zeros((count, 1))
    half = TOGETHER // 2
    ramp = np.minimum(np.arange(1, TOGETHER + 1), np.arange(TOGETHER, 0, -1))[:, None].astype(float)
    for first in sorted({*range(0, count - TOGETHER, half), count - TOGETHER}):
        part = slice(first, first + TOGETHER)
        total[part] += ramp * unsteady(path[part])
        weights[part] += ramp
    return np.asarray(total / weights)


def _unsteady(path: Path) -> Path:
    """The same of one axis of a window."""
    times = np.arange(len(path), dtype=float)
    gate, length = _mean_of_gate(path, _candidates(len(path)))
    apart = np.abs(gate - np.median(gate))
    calm = apart <= STANDS_OUT * 1.4826 * np.median(apart) + 1e-9
    if not calm.all() and calm.mean() > 0.8 and calm.sum() >= FEWEST:
        gate = np.zeros_like(path)
        gate[calm], length = _mean_of_gate(path[calm], _made(times[calm]))
    if length <= HAND[0] and spread_of(gate) < HAND[1] * spread_of(path - _slow(path, calm.astype(float), HAND[0])):
        return np.zeros_like(path)
    return gate


Candidate = tuple[Path, Path, Path, float, float]
"""The matrix that makes a path white under a covariance, the camera's even course made white, the gate's covariance, the logarithm
of the likelihood's factor that does not depend on the path, and the camera's length."""


@lru_cache(maxsize=2)
def _candidates(count: int) -> tuple[Candidate, ...]:
    return _made(np.arange(count, dtype=float))


def _made(times: Path) -> tuple[Candidate, ...]:
    apart = np.abs(times[:, None] - times)
    middle = (times - times.mean()) / max(1.0, float(np.ptp(times)) / 2)
    course = np.stack([np.ones_like(times), middle], axis=1)
    made = []
    for new, lasting in GATES:
        gate = (1 - new) * lasting**apart if lasting else np.zeros_like(apart)
        gate = gate + new * (apart == 0)
        for order in (1, 2):
            made.append(_candidate(gate, gate, course[:, :order], np.inf))
        for length in LENGTHS:
            camera = np.exp(-0.5 * np.square(apart / length))
            made += [_candidate(gate + reach * reach * camera, gate, course, length) for reach in REACHES]
    return tuple(made)


def _candidate(whole: Path, gate: Path, course: Path, length: float) -> Candidate:
    lower = np.linalg.cholesky(whole)
    whitening = np.linalg.inv(lower)
    even = whitening @ course
    fixed = -float(np.log(np.diag(lower)).sum()) - 0.5 * float(np.linalg.slogdet(even.T @ even)[1])
    return whitening, even, gate, fixed, length


def _mean_of_gate(path: Path, candidates: tuple[Candidate, ...]) -> tuple[Path, float]:
    """The gate's mean, and the likeliest length of the camera's way."""
    likely, means = [], []
    for whitening, even, gate, fixed, _ in candidates:
        values = whitening @ path
        rest = values - even @ np.linalg.solve(even.T @ even, even.T @ values)
        free = len(path) - even.shape[1]
        # The gate's deviation is not known: that which is likeliest.
        likely.append(fixed - 0.5 * free * np.log(float(rest @ rest) / free + 1e-18))
        means.append(gate @ (whitening.T @ rest))
    chances = np.exp(np.array(likely) - max(likely))
    return np.asarray(chances / chances.sum() @ np.array(means)), candidates[int(np.argmax(likely))][-1]


JUMPS = 8.0, 0.004
"""By how many deviations of its changes, and by what share of the longer side, a path must leave its course for good to
have jumped."""


def jumps(steps: Path) -> list[int]:
    """Frames with which a path jumps for good, from its ``steps`` (n, axes): frames are missing there, or were not found."""
    found = []
    sudden = np.stack([steps[:, axis] - median_around(steps[:, axis]) for axis in range(steps.shape[1])], axis=1)
    for axis in range(steps.shape[1]):
        away = sudden[:, axis]
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
