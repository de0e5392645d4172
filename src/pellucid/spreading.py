"""From hints at places to the whole picture: what the hints say beyond a proposal goes to pixels that are alike.

A Gaussian process (kriging): the difference of hints and proposal is a random function of place, light, texture and the proposal
itself, and its mean under the hints is known in closed form (Rasmussen and Williams 2006, "Gaussian Processes for Machine
Learning", equation 2.25). Pixels are alike that are near, as light, as rough and of the same proposed colour; an edge of light
is a long way. Compared with the optimisation of Levin et al. 2004 ("Colorization using Optimization") it needs no solver over all
pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import walls

__all__ = ["COLOUR", "LIGHT", "MOST", "Surroundings", "propagated", "reached", "squares", "surroundings", "traits"]

Planes = NDArray[np.float32]

PLACE = 200.0
"""Pixels of the small picture that count as one step. This and the other steps were chosen on 24 held-out photographs, by the error
with 5, 10 and 50 hints; half or twice as much costs 0.1 to 0.3 of CIEDE2000."""

LIGHT = 30.0
"""L that counts as one step, of the pixel, and of its surroundings of `NEAR` pixels."""

FAR_LIGHT = 40.0
"""The same of its surroundings of `FAR` pixels."""

ROUGH = 1.5
"""Steps of the logarithm of the light's standard deviation in the surroundings of `NEAR` pixels."""

COLOUR = 14.0
"""Chroma on the even scale that the proposals of two pixels differ by, as one step."""

NEAR, FAR = 3, 8
"""Radii in pixels of the surroundings: means of squares, taken twice."""

EVENED = 3
"""Radius in pixels of the neighbourhoods in which what was said is evened along the light."""

MISSED = 1.0
"""Squared error of what was said in a neighbourhood, on the even scale, beyond which the neighbourhood counts less."""

STEADY = 2.0
"""L that varies too little in a neighbourhood to say anything of colour."""

REACH = 2.0
"""Steps at which likeness ends: beyond them it falls faster than exponentially."""

EDGE = 0.8
"""How much faster it falls with the square of the steps of light, so that nothing moves behind a strong edge: one of 30 L."""

SIDE = 2.0
"""The same by the light of the side of an edge: a bright spot of a dark thing is as light as the bright thing beside it. On 39
held-out photographs that are not in benchmarks/colours.txt it costs 1 % of the error with 5 and 10 hints, nothing with 50."""

ASIDE = 4
"""Radius in pixels of the neighbourhoods by which sides are found."""

TEXTURE = 4.5
"""The standard deviation of light, in L, of a neighbourhood that is texture rather than an edge."""

CONCERNED = 8.0
"""A pixel that is an eighth as alike as a hint's own place, beyond `FARTHEST`, is concerned in full."""

FARTHEST = 0.04
"""As alike as this a pixel is not concerned."""

DOUBT = 0.06
"""The standard deviation of a hint, as a share of that of colours: a hint's place has its colour to within this."""

SETTLED = 4.0
"""Standard deviation on the even scale of the colours that count as one: between two hints a place has the colour of one of them
rather than a mean that is neither's. This, `LOYAL` and `KEPT` were chosen on 48 photographs that are not among the 24 of
benchmarks/colours.txt: their error with 5, 10 and 50 hints fell by 3, 5 and 2 %."""

LOYAL = 3
"""The power of likeness by which hints count when a place settles for one of them."""

KEPT = 0.02
"""How much the mean counts beside the hints then, of which the nearest place's own has 1."""

MOST = 128
"""Hints that are used at most: of more, each is the mean of some that are near one another."""


def propagated(light: Planes, even: Planes, hints: NDArray[np.floating], around: Surroundings | None = None) -> Planes:
    """Chroma (h, w, 2) on the even scale that has the colours of the ``hints`` at their places and where the picture is like these;
    elsewhere it is the proposal.

    ``light`` is L (h, w) of the small picture, ``even`` the proposal (h, w, 2), ``hints`` (n, 4): y, x in its pixels, and chroma on
    the even scale. Without hints, the proposal itself. ``around`` are the `surroundings` of the light where they are known.

    >>> light = np.full((32, 32), 50.0, dtype=np.float32)
    >>> red = propagated(light, np.zeros((32, 32, 2), np.float32), np.array([[16, 16, 25.0, 10.0]]))
    >>> [round(float(value)) for value in red[16, 16]]
    [25, 10]
    """
    hints = _thinned(np.asarray(hints, dtype=np.float32).reshape(-1, 4), light.shape)
    if not len(hints):
        return even
    height, width = light.shape
    rows, columns = (np.clip(hints[:, axis].astype(int), 0, side - 1) for axis, side in enumerate((height, width)))
    at = rows * width + columns
    alike = _likeness(light, even, at, around or surroundings(light))
    missing = hints[:, 2:] - even.reshape(-1, 2)[at]
    within = alike[at].astype(np.float64)
    weights = np.linalg.solve(within + DOUBT**2 * np.eye(len(at)), missing.astype(np.float64))
    said = (alike @ weights.astype(np.float32)).reshape(height, width, 2)
    sure = np.square(alike.max(axis=1)).reshape(height, width) + np.float32(1e-4)
    found = _met(_settled(even + _evened(said, light, sure), alike, hints[:, 2:]), light, hints)
    # No colour is beyond all that was said and proposed: hints that contradict one another side by side would make some.
    known = np.concatenate([hints[:, 2:], even.reshape(-1, 2)])
    return np.clip(found, known.min(axis=0), known.max(axis=0), out=found)


def reached(light: Planes, even: Planes, hints: NDArray[np.floating], around: Surroundings | None = None) -> Planes:
    """How far the ``hints`` concern each pixel (h, w), 0 to 1: 1 where the picture is somewhat like one of their places, 0 behind a
    strong edge. Arguments as for `propagated`."""
    hints = _thinned(np.asarray(hints, dtype=np.float32).reshape(-1, 4), light.shape)
    height, width = light.shape
    if not len(hints):
        return np.zeros((height, width), dtype=np.float32)
    rows, columns = (np.clip(hints[:, axis].astype(int), 0, side - 1) for axis, side in enumerate((height, width)))
    nearest = _likeness(light, even, rows * width + columns, around or surroundings(light)).max(axis=1).reshape(height, width)
    return np.asarray(np.clip(CONCERNED * (nearest - FARTHEST), 0, 1), dtype=np.float32)


BRIGHT = slice(2, 5)
"""Which of the traits are of light."""


@dataclass(frozen=True)
class Surroundings:
    """What the light around each pixel is (h, w): its mean ``near`` and ``far``, how ``rough`` it is, that of the ``side`` of
    an edge that the pixel is on, and the number of the ``part`` of the picture that strong edges close in."""

    near: Planes
    far: Planes
    rough: Planes
    side: Planes
    part: NDArray[np.intp]


def surroundings(light: Planes) -> Surroundings:
    """The surroundings of each pixel of a small picture's ``light`` (h, w)."""
    near = _mean(light, NEAR)
    rough = np.log(np.sqrt(np.maximum(_mean(np.square(light - near), NEAR), 0)) + 2)
    return Surroundings(near, _mean(light, FAR), rough, _side(light), walls.parts(light))


def traits(light: Planes, even: Planes, around: Surroundings | None = None) -> Planes:
    """What makes pixels alike (h * w, traits), in steps."""
    height, width = light.shape
    around = around or surroundings(light)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    planes = [
        rows / PLACE,
        columns / PLACE,
        light / LIGHT,
        around.near / LIGHT,
        around.far / FAR_LIGHT,
        around.rough / ROUGH,
        even[..., 0] / COLOUR,
        even[..., 1] / COLOUR,
    ]
    return np.stack([np.asarray(plane, dtype=np.float32).ravel() for plane in planes], axis=1)


def _likeness(light: Planes, even: Planes, at: NDArray[np.intp], around: Surroundings) -> Planes:
    """How alike all pixels are to those ``at`` (h * w, n), 0 to 1: by the distance q of their traits, that of their light l alone,
    and that of their sides s of edges, exp(-q - (q / `REACH`)^2 - `EDGE` l^2 - `SIDE` s^2); not at all where only ways over strong
    edges lead from one to the other."""
    looks = traits(light, even, around)
    others = looks[at]
    squared = squares(looks, others)
    steps = np.sqrt(squared)
    squared *= np.float32(REACH**-2)
    squared += steps
    side = around.side.reshape(-1, 1) * np.float32(SIDE**0.5 / LIGHT)
    bright = np.concatenate([np.float32(EDGE**0.5) * looks[:, BRIGHT], side], axis=1)
    steps = squares(bright, bright[at])
    squared += steps
    np.negative(squared, out=squared)
    likeness: Planes = np.exp(squared, out=squared)
    likeness *= around.part.reshape(-1, 1) == around.part.ravel()[at]
    return likeness


def _side(light: Planes) -> Planes:
    """The light (h, w) of the side of an edge that each pixel is on, without its texture: the mean of the neighbourhoods around it,
    even ones counting most (after Kuwahara et al. 1976)."""
    mean = _mean(light, ASIDE)
    varies: Planes = np.maximum(_mean(light * light, ASIDE) - mean * mean, 0) + np.float32(TEXTURE**2)
    counts: Planes = np.float32(1) / (varies * varies)
    return np.asarray(_mean(mean * counts, ASIDE) / _mean(counts, ASIDE), dtype=np.float32)


def squares(looks: Planes, others: Planes) -> Planes:
    """The squared distances (n, m) of rows."""
    squared: Planes = looks @ (-2 * others.T)
    squared += np.square(looks).sum(axis=1)[:, None]
    squared += np.square(others).sum(axis=1)
    np.maximum(squared, 0, out=squared)
    return squared


def _met(even: Planes, light: Planes, hints: Planes) -> Planes:
    """``even`` with what is still missing at each hint added there, and around it where the light is the same."""
    height, width = light.shape
    rows, columns = (np.clip(hints[:, axis].astype(int), 0, side - 1) for axis, side in enumerate((height, width)))
    bright = light[rows, columns]

    def share(down: NDArray[Any], across: NDArray[Any], lighter: NDArray[Any]) -> Planes:
        away = (np.square(down) + np.square(across)) / (2 * EVENED**2) + np.square(lighter / (2 * STEADY))
        return np.asarray(np.exp(-away), dtype=np.float32)

    among = share(rows[:, None] - rows, columns[:, None] - columns, bright[:, None] - bright)
    missing = hints[:, 2:] - even[rows, columns]
    weights = np.linalg.solve(among + 0.01 * np.eye(len(rows)), missing.astype(np.float64))
    for row, column, level, weight in zip(rows, columns, bright, weights.astype(np.float32), strict=True):
        top, left = max(0, row - 3 * EVENED), max(0, column - 3 * EVENED)
        part = light[top : row + 3 * EVENED + 1, left : column + 3 * EVENED + 1]
        down, across = np.arange(part.shape[0]) + top - row, np.arange(part.shape[1]) + left - column
        even[top : top + len(down), left : left + len(across)] += share(down[:, None], across, part - level)[..., None] * weight
    return even


def _settled(even: Planes, alike: Planes, colours: Planes) -> Planes:
    """``even`` (h, w, 2) moved towards those ``colours`` (n, 2) of hints that it is near already, by how ``alike`` (h * w, n) the
    places are: one step of mean shift (Comaniciu and Meer 2002). The mean of a red and a green hint is brown; what is there is one
    or the other."""
    mean = even.reshape(-1, 2)
    away = np.square(mean).sum(axis=1)[:, None] + np.square(colours).sum(axis=1) - 2 * mean @ colours.T
    away *= np.float32(-0.5 / SETTLED**2)
    weights = np.exp(np.minimum(away, 0, out=away), out=away)
    for _ in range(LOYAL):
        weights *= alike
    total = weights.sum(axis=1)[:, None] + np.float32(KEPT)
    settled: Planes = (weights @ colours + np.float32(KEPT) * mean) / total
    return settled.reshape(even.shape)


def _evened(said: Planes, light: Planes, sure: Planes) -> Planes:
    """``said`` (h, w, 2) as straight lines over the light in each neighbourhood of `EVENED` pixels, by what is ``sure`` there: a
    guided filter (He, Sun and Tang 2010) that fills the pixels along an edge, which are like neither side. Each neighbourhood
    counts by how well its line fits: one that holds an edge would give the texture behind it some of the colours before it."""

    def mean(plane: Planes) -> Planes:
        return _mean(plane, EVENED)

    weight = mean(sure)
    centre = mean(sure * light) / weight
    varies = np.maximum(mean(sure * light * light) / weight - centre**2, 0)
    lines: list[tuple[Planes, Planes]] = []
    missed = np.full_like(light, MISSED)
    for plane in np.moveaxis(said, -1, 0):
        level = mean(sure * plane) / weight
        both = mean(sure * light * plane) / weight - centre * level
        slope = np.asarray(both / (varies + np.float32(STEADY**2)), dtype=np.float32)
        lines.append((slope, level - slope * centre))
        missed += np.maximum(mean(sure * plane * plane) / weight - level**2 + slope * (slope * varies - 2 * both), 0)
    counts: Planes = np.float32(1) / (missed * missed)
    total = mean(counts)
    evened = [(mean(slope * counts) * light + mean(offset * counts)) / total for slope, offset in lines]
    return np.stack(evened, axis=-1).astype(np.float32)


def _mean(plane: Planes, radius: int) -> Planes:
    """The mean of squares of 2 * ``radius`` + 1 pixels, taken twice; the edge is repeated."""
    for axis in (0, 1, 0, 1):
        rim = [(0, 0), (0, 0)]
        rim[axis] = (radius, radius)
        plane = _sums(np.pad(plane, rim, mode="edge"), 2 * radius + 1, axis)
        plane *= np.float32(1 / (2 * radius + 1))
    return plane


def _sums(plane: Planes, count: int, axis: int) -> Planes:
    """The sums of ``count`` neighbours along an axis: of sums of 1, 2, 4, ... of them, which takes a quarter of the time of running
    sums, and float32 holds them."""
    size = plane.shape[axis] - count + 1

    def part(values: Planes, start: int, length: int) -> Planes:
        return values[start : start + length] if axis == 0 else values[:, start : start + length]

    total, power, start = np.zeros_like(part(plane, 0, size)), 1, 0
    while True:
        if count & power:
            total += part(plane, start, size)
            start += power
        if 2 * power > count:
            return total
        plane = part(plane, 0, plane.shape[axis] - power) + part(plane, power, plane.shape[axis] - power)
        power *= 2


def _thinned(hints: Planes, shape: tuple[int, ...]) -> Planes:
    """At most `MOST` hints: those in one cell of a grid become their mean, which stands at the place of the one in the middle."""
    cell = 4
    while len(hints) > MOST:
        cell *= 2
        keys = hints[:, 0].astype(int) // cell * (max(shape) + 1) + hints[:, 1].astype(int) // cell
        order = np.argsort(keys, kind="stable")
        groups = np.split(hints[order], np.flatnonzero(np.diff(keys[order])) + 1)
        hints = np.stack([np.append(group[len(group) // 2, :2], group[:, 2:].mean(axis=0)) for group in groups])
    return hints
