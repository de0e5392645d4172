"""From hints at places to the whole picture: what the hints say beyond a proposal goes to pixels that are alike.

A Gaussian process (kriging): the difference of hints and proposal is a random function of place, light, texture and the proposal
itself, and its mean under the hints is known in closed form (Rasmussen and Williams 2006, "Gaussian Processes for Machine
Learning", equation 2.25). Pixels are alike that are near, as light, as rough and of the same proposed colour; an edge of light
is a long way. Compared with the optimisation of Levin et al. 2004 ("Colorization using Optimization") it needs no solver over all
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import walls
from pellucid.maps import sums

__all__ = ["COLOUR", "LIGHT", "MOST", "Spread", "Surroundings", "propagated", "squares", "surroundings", "traits"]

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

NEAR, FAR = 2, 8
"""Radii in pixels of the surroundings: means of squares, taken twice."""

EVENED = 3
"""Radius in pixels of the neighbourhoods in which what was said is evened along the light."""

MISSED = 1.0
"""Squared error of what was said in a neighbourhood, on the even scale, beyond which the neighbourhood counts less."""

STEADY = 2.0
"""L that varies too little in a neighbourhood to say anything of colour."""

REACH = 2.5
"""Steps at which likeness ends: beyond them it falls faster than exponentially."""

EDGE = 0.4
"""How much faster it falls with the square of the steps of light, so that nothing moves behind a strong edge: one of 30 L."""

SIDE = 1.0
"""The same by the light of the side of an edge: a bright spot of a dark thing is as light as the bright thing beside it.
This, `EDGE`, `REACH` and `NEAR` were chosen on 74 photographs that are not in benchmarks/colours.txt, as far as
nothing behind a strong edge moves by more than 1 (CIEDE2000) on made pictures."""

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


def propagated(light: Planes, even: Planes, hints: NDArray[np.floating]) -> Planes:
    """Chroma (h, w, 2) on the even scale that has the colours of the ``hints`` at their places and where the picture is like these;
    elsewhere it is the proposal.

    ``light`` is L (h, w) of the small picture, ``even`` the proposal (h, w, 2), ``hints`` (n, 4): y, x in its pixels, and chroma on
    the even scale. Without hints, the proposal itself.

    >>> light = np.full((32, 32), 50.0, dtype=np.float32)
    >>> red = propagated(light, np.zeros((32, 32, 2), np.float32), np.array([[16, 16, 25.0, 10.0]]))
    >>> [round(float(value)) for value in red[16, 16]]
    [25, 10]
    """
    return Spread(light, hints).propagated(even) if np.size(hints) else even


class Spread:
    """Hints (n, 4), at least one, in a picture of ``light`` (h, w), as for `propagated`: what does not depend on the proposal is
    worked out once."""

    def __init__(self, light: Planes, hints: NDArray[np.floating]) -> None:
        self.light = light
        self.hints = _thinned(np.asarray(hints, dtype=np.float32).reshape(-1, 4))
        self.rows, self.columns = (np.clip(self.hints[:, axis].astype(int), 0, side - 1) for axis, side in enumerate(light.shape))
        self.at = self.rows * light.shape[1] + self.columns
        around = surroundings(light)
        looks = _standing(light, around)
        bright = [*(np.float32(EDGE**0.5) * looks[BRIGHT]), around.side.ravel() * np.float32(SIDE**0.5 / LIGHT)]
        self.away = squares(looks, looks[:, self.at])
        self.barred = squares(bright, [trait[self.at] for trait in bright])
        part = around.part.ravel()
        for row, number in zip(self.barred, part[self.at], strict=True):
            row[part != number] = np.inf

    def propagated(self, even: Planes) -> Planes:
        """`propagated` for the proposal ``even`` (h, w, 2)."""
        light, hints = self.light, self.hints
        alike = self._likeness(even)
        missing = hints[:, 2:] - even[self.rows, self.columns]
        within = alike[:, self.at].T.astype(np.float64)
        weights = np.linalg.solve(within + DOUBT**2 * np.eye(len(hints)), missing.astype(np.float64))
        change = (weights.T.astype(np.float32) @ alike).reshape(2, *light.shape)
        sure = np.square(alike.max(axis=0)).reshape(light.shape) + np.float32(1e-4)
        found = self._met(_settled(even.transpose(2, 0, 1) + _evened(change, light, sure), alike, hints[:, 2:]))
        # No colour is beyond all that was said and proposed: hints that contradict one another side by side would make some.
        known = np.concatenate([hints[:, 2:], even.reshape(-1, 2)])
        return np.clip(found, known.min(axis=0), known.max(axis=0), out=found)

    def reached(self, even: Planes) -> Planes:
        """How far the hints concern each pixel (h, w), 0 to 1: 1 where the picture is somewhat like one of their places, 0 behind a
        strong edge."""
        nearest = self._likeness(even).max(axis=0).reshape(self.light.shape)
        return np.asarray(np.clip(CONCERNED * (nearest - FARTHEST), 0, 1), dtype=np.float32)

    def _likeness(self, even: Planes) -> Planes:
        """How alike all pixels are to the hints' places (n, h * w), 0 to 1: by the distance q of their traits, that of their light
        l alone, and that of their sides s of edges, exp(-q - (q / `REACH`)^2 - `EDGE` l^2 - `SIDE` s^2); not at all where only
        ways over strong edges lead from one to the other."""
        chroma = np.ascontiguousarray(even.reshape(-1, 2).T) / np.float32(COLOUR)
        likeness = squares(chroma, chroma[:, self.at])
        likeness += self.away
        # Row by row: that stays in the processor's cache.
        for row, barred in zip(likeness, self.barred, strict=True):
            steps = np.sqrt(row)
            row *= np.float32(REACH**-2)
            row += steps
            row += barred
            np.negative(row, out=row)
            np.exp(row, out=row)
        return likeness

    def _met(self, even: Planes) -> Planes:
        """``even`` with what is still missing at each hint added there, and around it where the light is the same."""
        light, rows, columns = self.light, self.rows, self.columns
        bright = light[rows, columns]

        def share(down: NDArray[Any], across: NDArray[Any], lighter: NDArray[Any]) -> Planes:
            away = (np.square(down) + np.square(across)) / (2 * EVENED**2) + np.square(lighter / (2 * STEADY))
            return np.asarray(np.exp(-away), dtype=np.float32)

        among = share(rows[:, None] - rows, columns[:, None] - columns, bright[:, None] - bright)
        missing = self.hints[:, 2:] - even[rows, columns]
        weights = np.linalg.solve(among + 0.01 * np.eye(len(rows)), missing.astype(np.float64))
        for row, column, level, weight in zip(rows, columns, bright, weights.astype(np.float32), strict=True):
            top, left = max(0, row - 3 * EVENED), max(0, column - 3 * EVENED)
            part = light[top : row + 3 * EVENED + 1, left : column + 3 * EVENED + 1]
            down, across = np.arange(part.shape[0]) + top - row, np.arange(part.shape[1]) + left - column
            even[top : top + len(down), left : left + len(across)] += share(down[:, None], across, part - level)[..., None] * weight
        return even


BRIGHT = slice(2, 5)
"""Which of the traits are of light."""


@dataclass(frozen=True)
class Surroundings:
    """The light around each pixel (h, w): its mean ``near`` and ``far``, how ``rough`` it is, that of the ``side`` of
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


def traits(light: Planes, even: Planes) -> Planes:
    """The traits that make pixels alike (traits, h * w), in steps."""
    return np.concatenate([_standing(light, surroundings(light)), even.reshape(-1, 2).T / np.float32(COLOUR)])


def _standing(light: Planes, around: Surroundings) -> Planes:
    """Those of the `traits` that no proposal changes."""
    height, width = light.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    planes = [
        rows / PLACE,
        columns / PLACE,
        light / LIGHT,
        around.near / LIGHT,
        around.far / FAR_LIGHT,
        around.rough / ROUGH,
    ]
    return np.stack([np.asarray(plane, dtype=np.float32).ravel() for plane in planes])


def squares(looks: Sequence[Planes] | Planes, others: Sequence[Planes] | Planes) -> Planes:
    """The squared distances (m, n) of all ``looks`` (traits, n) to ``others`` (traits, m)."""
    squared = np.zeros((len(others[0]), len(looks[0])), dtype=np.float32)
    for trait, other in zip(looks, others, strict=True):
        for row, value in zip(squared, other, strict=True):
            step = trait - value
            step *= step
            row += step
    return squared


def _side(light: Planes) -> Planes:
    """The light (h, w) of the side of an edge that each pixel is on, without its texture: the mean of the neighbourhoods around it,
    even ones counting most (after Kuwahara et al. 1976)."""
    mean = _mean(light, ASIDE)
    varies: Planes = np.maximum(_mean(light * light, ASIDE) - mean * mean, 0) + np.float32(TEXTURE**2)
    counts: Planes = np.float32(1) / (varies * varies)
    return np.asarray(_mean(mean * counts, ASIDE) / _mean(counts, ASIDE), dtype=np.float32)


def _settled(even: Planes, alike: Planes, colours: Planes) -> Planes:
    """``even`` (2, h, w) moved towards those ``colours`` (n, 2) of hints that it is near already, by how ``alike`` (n, h * w) the
    places are, as (h, w, 2): one step of mean shift (Comaniciu and Meer 2002). The mean of a red and a green hint is brown; what is
    there is one or the other."""
    mean = even.reshape(2, -1)
    total = np.full(mean.shape[1], KEPT, dtype=np.float32)
    settled = mean * np.float32(KEPT)
    for row, chroma in zip(alike, colours, strict=True):
        weight = np.square(mean[0] - chroma[0])
        weight += np.square(mean[1] - chroma[1])
        weight *= np.float32(-0.5 / SETTLED**2)
        np.exp(weight, out=weight)
        for _ in range(LOYAL):
            weight *= row
        total += weight
        for plane, value in zip(settled, chroma, strict=True):
            plane += weight * value
    settled /= total
    return np.ascontiguousarray(settled.T).reshape(*even.shape[1:], 2)


def _evened(change: Planes, light: Planes, sure: Planes) -> Planes:
    """``change`` (2, h, w) as straight lines over the light in each neighbourhood of `EVENED` pixels, by what is ``sure`` there: a
    guided filter (He, Sun and Tang 2010) that fills the pixels along an edge, which are like neither side. Each neighbourhood
    counts by how well its line fits: one that holds an edge would give the texture behind it some of the colours before it."""

    def mean(plane: Planes) -> Planes:
        return _mean(plane, EVENED)

    weight = mean(sure)
    centre = mean(sure * light) / weight
    varies = np.maximum(mean(sure * light * light) / weight - centre**2, 0)
    lines: list[tuple[Planes, Planes]] = []
    missed = np.full_like(light, MISSED)
    for plane in change:
        level = mean(sure * plane) / weight
        both = mean(sure * light * plane) / weight - centre * level
        slope = np.asarray(both / (varies + np.float32(STEADY**2)), dtype=np.float32)
        lines.append((slope, level - slope * centre))
        missed += np.maximum(mean(sure * plane * plane) / weight - level**2 + slope * (slope * varies - 2 * both), 0)
    counts: Planes = np.float32(1) / (missed * missed)
    total = mean(counts)
    evened = [(mean(slope * counts) * light + mean(offset * counts)) / total for slope, offset in lines]
    return np.stack(evened).astype(np.float32)


def _mean(plane: Planes, radius: int) -> Planes:
    """The mean of squares of 2 * ``radius`` + 1 pixels, taken twice; the edge is repeated."""
    for axis in (0, 1, 0, 1):
        rim = [(0, 0), (0, 0)]
        rim[axis] = (radius, radius)
        plane = sums(np.pad(plane, rim, mode="edge"), 2 * radius + 1, axis)
        plane *= np.float32(1 / (2 * radius + 1))
    return plane


def _thinned(hints: Planes) -> Planes:
    """At most `MOST` hints: those of much the same colour in one cell of a grid become their mean, which stands at the place of the
    one in the middle. So a spot of another colour in a scribble stays, and a hint beside it."""
    cell = 4
    while len(hints) > MOST:
        cell *= 2
        # As many units of chroma as pixels: the coarser the grid, the more colours count as one.
        _, keys = np.unique(np.floor(hints / np.float32(cell)), axis=0, return_inverse=True)
        order = np.argsort(keys, kind="stable")
        groups = np.split(hints[order], np.flatnonzero(np.diff(keys[order])) + 1)
        hints = np.stack([np.append(group[len(group) // 2, :2], group[:, 2:].mean(axis=0)) for group in groups])
    return hints
