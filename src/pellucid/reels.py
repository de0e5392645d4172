"""Measures the faults of a reel as a whole: the gate that let it wander, the light that flickered, the dyes that faded.

Frames are looked at small, one after the other (`Reel.add`). Each is held against the one before by a robust fit of one motion and
one brightness; things that move by themselves, dust and flashes have no say. At the end (`Reel.entries`) the paths of motion and
brightness are parted, scene by scene, into what is slow (the camera, a fade, an evening) and what is not: the gate, and flicker.
All motion is in shares of the frame's longer side, so that it holds at any size.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pellucid import registration
from pellucid.diagnosis import dyes, exposure
from pellucid.images import Pixels
from pellucid.paths import jumps, median_around, spread_of, trembles, trembling, unsteady
from pellucid.registration import CELLS, DARK
from pellucid.wear.whole import BASE

__all__ = ["CELLS", "SIDE", "Entry", "Fading", "Reel", "corners", "faded", "spread", "unfaded"]

SIDE = 320
"""Pixels of the longer side of the frames that are looked at: motion is found to a twentieth of a pixel in them."""

WANDERS = 0.0003
"""Standard deviation of the gate's wandering from which it is mended, as a share of the longer side: a fifth of a pixel of 720."""

DOUBTS = 4.0
"""The same in standard errors of a frame's place: fog, water and crowds do not say where the camera is."""

FLICKERS = 0.004
"""The same for brightness, in its logarithm: one level of 255."""

UNSEEN = 0.25 / 255
"""The same as a share of full range, a quarter of a level: grain on nearly black frames says no more."""

FLASH = 0.18
"""Change of the logarithm of brightness for one frame that is no flicker of a lamp but a flash: 20 %."""

FLASHES = 6.0
"""The same in standard deviations of the flicker: a lamp that flickers much is no flash."""

STEP = 0.25
"""Change of the logarithm of brightness that stays: no flicker, but another scene."""

FOR_GOOD = 0.75
"""The share of the pairs of frames before and after it that must differ by as much: fewer do about flashes."""

FALLS = 0.8, 1.2, 1.6
"""Powers of the square of the distance with which light falls off to the corners, that are tried."""

DARKER, SURE, ALIKE = 0.05, 4.0, 8.0
"""The least share missing in the corners that is mended, by how many times its error it must be known, and how many measurements
count as one."""

COLOURS = 2**27
"""Bytes of pixels for the colours of a reel at most: of a longer one fewer of each frame are looked at."""

BRIGHTEST = 0.30
"""The largest correction of brightness, in its logarithm."""


RECALLED, BLOCKS, UNLIKE = 8, 8, 0.04
"""Frames before each one that it may be held against, since a flash may last some; the rows and columns of means that are
compared; and how far these differ on average where the frame before is another picture, or in another light."""


@dataclass(frozen=True)
class Fading:
    """A value v of a channel has become ``factor * v ** power``; one of each for each channel. ``exposed``: light has changed
    before that, and not when the film was shown or scanned."""

    power: tuple[float, ...] = (1.0, 1.0, 1.0)
    factor: tuple[float, ...] = (1.0, 1.0, 1.0)
    exposed: bool = False

    @property
    def none(self) -> bool:
        """Whether nothing has faded."""
        return self.power == (1.0,) * len(self.power) and self.factor == (1.0,) * len(self.factor)


@dataclass(frozen=True)
class Entry:
    """The correction of one frame: ``gain``, a factor of its values for each of `CELLS`; ``shift``, by how much it is moved down
    and right, in shares of the longer side; and the ``fading`` of its scene.

    ``vignette`` is the share of light that is missing in the corners, and the power with which it falls (`corners`).
    ``light`` is the logarithm of its brightness beside other frames of its scene, flicker left out, and ``flash`` whether that is
    short: both are meant, and tell a frame from those around it. ``black``: darker than anything is known of.
    """

    gain: tuple[tuple[float, ...], ...] = ((1.0,),)
    shift: tuple[float, float] = (0.0, 0.0)
    fading: Fading = field(default_factory=Fading)
    light: float = 0.0
    flash: bool = False
    black: bool = False
    vignette: tuple[float, float] = (0.0, 1.0)

    @property
    def level(self) -> bool:
        """Whether its brightness stays."""
        return self.vignette[0] == 0 and all(value == 1 for row in self.gain for value in row)


@dataclass(frozen=True)
class _Recent:
    """A frame that others may be held against: its ``pixels``, their ``plane``, the ``means`` of parts of it, and its place and
    light on their paths; the ``key`` that it was held against, too. ``lost``: nobody knows its place. Frames of one ``chain`` know
    each other's."""

    pixels: Pixels
    plane: Pixels
    means: Pixels
    place: tuple[float, float] = (0.0, 0.0)
    light: Pixels = field(default_factory=lambda: np.zeros(CELLS, np.float32))
    key: registration.Key = field(default_factory=registration.Key)
    lost: bool = False
    chain: int = 0


class Reel:
    """Frames as they are looked at, in their order."""

    def __init__(self) -> None:
        self._recent: deque[_Recent] = deque(maxlen=RECALLED)
        self._shape: tuple[int, int] | None = None
        self._chains: list[int] = []
        self._moves: list[tuple[float, float]] = []
        self._doubts: list[tuple[float, float]] = []
        self._gains: list[Pixels] = []
        self._changes: list[Pixels] = []
        self._means: list[float] = []
        self._colours: list[Pixels] = []
        self._bytes, self._thin = 0, 1

    def add(self, small: Pixels) -> None:
        """The next frame, (h, w, c), small (`SIDE`)."""
        # Black where there is no number: few such pixels have no say.
        small = small if np.isfinite(small).all() else np.where(np.isfinite(small), small, np.float32(0))
        plane = small.mean(axis=2, dtype=np.float32)
        self._means.append(float(plane.mean()))
        looked = len(self._means) % 12 == 1
        self._colours.append(dyes.sampled(small)[:: self._thin].copy() if looked else np.empty((0, 3, small.shape[2]), np.float32))
        self._bytes += self._colours[-1].nbytes
        if self._bytes > COLOURS:
            # Memory does not grow with the length of the reel.
            self._thin *= 2
            self._colours = [part[::2].copy() for part in self._colours]
            self._bytes = sum(part.nbytes for part in self._colours)
        if self._recent and self._recent[-1].plane.shape != plane.shape:
            self._recent.clear()
        self._hold(small, plane)
        self._shape = plane.shape[0], plane.shape[1]

    def _hold(self, small: Pixels, plane: Pixels) -> None:
        """Holds the next frame against the one before; behind a flash, or a black frame, against one from before that, so that what
        is measured in it has no say."""
        means = registration.means(plane, BLOCKS)
        self._changes.append(np.full((CELLS[0] * CELLS[1], 3), np.nan, np.float32))
        if not self._recent:
            self._chains.append(len(self._chains))
            self._recent.append(_Recent(small, plane, means, chain=self._chains[-1]))
            self._moves.append((0.0, 0.0))
            self._doubts.append((0.0, 0.0))
            self._gains.append(np.zeros(CELLS, np.float32))
            return
        last, side = self._recent[-1], max(plane.shape)
        for before in _alike(means, self._recent):
            fit, gains = registration.held_against(before.plane, plane)
            key = copy(before.key)
            near, fit = fit, key.step(before.plane, plane, fit)
            apart = _apart(means, before.means)
            # A frame that is burnt out, black or another picture says nothing of its place.
            lost = not np.isfinite(fit.doubt).all() and (before.lost or apart > UNLIKE)
            if not lost:
                break
        if small.shape[2] == before.pixels.shape[2] == 3 and np.isfinite(near.rest):
            self._changes[-1] = registration.brightened(before.pixels, small, near)
        levels = [max(DARK, float(each.mean())) for each in (before.means, means)]
        if DARK in levels:
            # Nothing else is known of the light of a black frame.
            gains = np.full(CELLS, np.log(levels[1] / levels[0]), np.float32)
        move = (0.0, 0.0) if lost else (fit.down / side, fit.right / side)
        place = before.place[0] + move[0], before.place[1] + move[1]
        light = before.light + gains
        self._chains.append(len(self._chains) if lost else before.chain)
        self._recent.append(_Recent(small, plane, means, place, light, key, lost, self._chains[-1]))
        # The figures as they were measured, to the bit, where the frame before is the one that it was held against.
        self._moves.append(move if before is last else (place[0] - last.place[0], place[1] - last.place[1]))
        self._doubts.append((fit.doubt[0] / side, fit.doubt[1] / side))
        self._gains.append(gains if before is last else light - last.light)

    def entries(self, firsts: Sequence[int]) -> list[Entry]:
        """The correction of each frame; ``firsts`` are the first frames of the scenes."""
        light = np.cumsum([float(each.mean()) for each in self._gains])
        scenes = list(pairwise([*sorted({*firsts, *_steps(light)}), len(self._means)]))
        vignette = self._vignette(scenes)
        parts = [self._scene(first, after, light[first:after]) for first, after in scenes]
        film = any(entry.shift != (0.0, 0.0) or not entry.level for part in parts for entry in part)
        fadings = self._fadings(scenes, OFTENER if film else 1.0)
        return [
            replace(entry, vignette=vignette, fading=fading, black=self._means[first + number] <= DARK)
            for (first, _), part, fading in zip(scenes, parts, fadings, strict=True)
            for number, entry in enumerate(part)
        ]

    def _vignette(self, scenes: Sequence[tuple[int, int]]) -> tuple[float, float]:
        """How much light the corners of the reel lack, and the power of the fall; nothing where that is not sure.

        A thing that the camera passes gets darker on its way out, wherever it began: the brightness of an area goes with how far
        the camera has moved it. So the content of the scene has no say, and a camera that stands still says nothing, nor does a
        scene in which nobody knows how far it has gone.
        """
        if self._shape is None:
            return 0.0, 1.0
        ways, lights = [], []
        for first, after in scenes:
            if after - first < 5:
                continue
            moves, gains = np.array(self._moves[first:after]), np.stack(self._gains[first:after]).astype(np.float64)
            doubts, known = np.array(self._doubts[first:after]), _most_of(self._chains[first:after])
            unknown = ~np.isfinite(doubts).all(axis=1) & known
            unknown[0] = True
            moves[unknown], gains[unknown] = 0, 0
            way = np.cumsum(moves, axis=0)[known]
            if known.sum() < 5 or not np.hypot(*way.std(axis=0)) > DOUBTS * np.hypot(*np.median(doubts[known][1:], axis=0)):
                continue
            light = np.cumsum(gains.reshape(after - first, -1), axis=0)[known]
            # The change that all areas share is the lamp's, and each one's mean is the scene's.
            lights.append(_centred(light))
            ways.append(way * max(self._shape))
        if not lights:
            return 0.0, 1.0
        light = np.concatenate(lights)
        best = (0.0, 1.0, np.inf, 0.0)
        for power in FALLS:
            slope = _slopes(self._shape, power)
            course = np.concatenate([_centred(-way @ slope) for way in ways])
            level, rest, error = _line(course.ravel(), light.ravel())
            if rest < best[2]:
                best = (level, power, rest, error)
        level, power, _, error = best
        # The logarithm falls faster than the light: halfway to where the areas lie, by so much.
        level /= 1 + level / 4
        return (round(min(level, 0.8), 4), power) if level > max(DARKER, SURE * error) else (0.0, 1.0)

    def _fadings(self, scenes: Sequence[tuple[int, int]], odds: float) -> list[Fading]:
        """How each scene has faded: as the others have, where it does not contradict them. A scene that says nothing stays."""
        alone = [dyes.belief([part for part in self._colours[first:after] if len(part)]) for first, after in scenes]
        together = iter(dyes.agreed([each for each in alone if each is not None]))
        beliefs = [None if each is None else next(together) for each in alone]
        channels = self._colours[0].shape[2] if self._colours else 3
        fadings: dict[int, Fading] = {}
        for belief in beliefs:
            if id(belief) in fadings:
                continue
            # Scenes that have faded alike say together how their light changes.
            alike = [scene for scene, own in zip(scenes, beliefs, strict=True) if own is belief]
            powers = exposure.powers_of(np.stack([each for first, after in alike for each in self._changes[first:after]]))
            read, exposed = (belief, 0.0) if belief is None or powers is None else exposure.weighed(belief, powers)
            fadings[id(belief)] = replace(_fading(read, channels, odds), exposed=exposed > 0.5)
        return [fadings[id(belief)] for belief in beliefs]

    def _scene(self, first: int, after: int, course: NDArray[np.float64]) -> list[Entry]:
        """The correction of each frame of a scene; ``course`` is the logarithm of its brightness."""
        count = after - first
        if count < 5:
            return [Entry(light=round(float(light), 5)) for light in course]
        shift = self._shifts(first, after)
        gains = np.stack(self._gains[first:after]).astype(np.float64)
        gains[0] = 0
        bright = np.cumsum(gains.reshape(count, -1), axis=0)
        whole = bright.mean(axis=1)
        # A flash, and what is black, tell nothing of the lamp.
        lit = np.array(self._means[first:after]) > DARK
        sudden = whole - median_around(whole)
        calm = lit & (np.abs(sudden) < max(FLASH, FLASHES * spread_of(sudden[lit])))
        flash = lit & ~calm & (_apart_for_a_moment(whole) > FLASH / 2)
        if spread_of(sudden[lit]) > BRIGHTEST:
            # A strobe: no lamp flickers so much.
            calm = np.zeros_like(lit)
        least = max(FLICKERS, UNSEEN / max(DARK, float(np.median(self._means[first:after]))))
        flicker = trembling(whole, least, calm)
        areas = np.stack([trembling(bright[:, cell] - whole, least, calm) for cell in range(bright.shape[1])], axis=1)
        wrong = np.clip(flicker[:, None] + areas, -BRIGHTEST, BRIGHTEST)
        light = course - wrong.mean(axis=1)
        return [
            Entry(
                ((1.0,),) if not np.any(row) else tuple(map(tuple, np.exp(-row).reshape(CELLS).round(5).tolist())),
                (round(-float(down), 7), round(-float(right), 7)),
                light=round(float(bright), 5),
                flash=bool(sudden),
            )
            for row, (down, right), bright, sudden in zip(wrong, shift, light, flash, strict=True)
        ]

    def _shifts(self, first: int, after: int) -> NDArray[np.float64]:
        """By how much the gate has moved each frame of a scene, (n, 2)."""
        steps = np.array(self._moves[first:after])
        steps[0] = 0
        parts = []
        apart = {*_breaks(self._chains[first:after]), *(place + 1 for place in jumps(steps[1:]))}
        for begin, end in pairwise([0, *sorted(apart), len(steps)]):
            part = steps[begin:end].copy()
            part[0] = 0
            known = _most_of(self._chains[first + begin : first + end])
            gate = unsteady(np.cumsum(part, axis=0), known)
            doubt = np.median(np.array(self._doubts[first + begin : first + end])[known], axis=0)
            least = np.maximum(WANDERS, DOUBTS * doubt)
            found = [axis if trembles(axis[known], own) else np.zeros_like(axis) for axis, own in zip(gate.T, least, strict=True)]
            parts.append(np.stack(found, axis=1))
        return np.concatenate(parts)


def _apart(one: Pixels, other: Pixels) -> float:
    """How far means differ on average."""
    return float(np.abs(one - other).mean())


def _alike(means: Pixels, recent: Sequence[_Recent]) -> Iterator[_Recent]:
    """The frame that the next one, with these ``means``, is held against: the last of the ``recent`` frames; where it is unlike
    that, first the latest that is far more alike, or whose place is known where the last one's is not."""
    last = recent[-1]
    most = _apart(means, last.means)
    if most > UNLIKE:
        for each in reversed(recent):
            if _apart(means, each.means) < (2 * most if last.lost and not each.lost else most / 2):
                yield each
                break
    yield last


def _most_of(chains: Sequence[int]) -> NDArray[np.bool_]:
    """Which frames are of the chain that has most of them."""
    numbers, counts = np.unique(chains, return_counts=True)
    return np.asarray(np.array(chains) == numbers[np.argmax(counts)])


def _breaks(chains: Sequence[int]) -> Iterator[int]:
    """Frames from which on none is of a chain that was there before."""
    last = {chain: place for place, chain in enumerate(chains)}
    until = -1
    for place, chain in enumerate(chains):
        if place == until + 1 and place:
            yield place
        until = max(until, last[chain])


def _steps(path: NDArray[np.float64]) -> list[int]:
    """Frames with which brightness is another for good: a cut that nobody told, or a lamp that went on."""
    found = []
    for place in range(1, len(path)):
        before, behind = path[max(0, place - RECALLED) : place], path[place : place + RECALLED]
        if abs(path[place] - path[place - 1]) > STEP and (np.abs(before[:, None] - behind) > STEP).mean() > FOR_GOOD:
            found.append(place)
    return found


def _apart_for_a_moment(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each value differs from those before it and from those behind it, where both do so alike."""
    sides = []
    for turn in (1, -1):
        part = path[::turn]
        before = [np.median(part[max(0, place - 5) : place]) if place else part[0] for place in range(len(part))]
        sides.append((part - np.array(before))[::turn])
    alike = np.sign(sides[0]) == np.sign(sides[1])
    return np.where(alike, np.minimum(np.abs(sides[0]), np.abs(sides[1])), 0)


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values (n, areas) without the mean of each frame, then of each area."""
    apart = values - values.mean(axis=1, keepdims=True)
    return np.asarray(apart - apart.mean(axis=0))


def _slopes(shape: tuple[int, int], power: float) -> NDArray[np.float64]:
    """By how much the light of each of `CELLS` changes for each pixel that it moves down and right, (2, areas), at a level of 1."""
    places = [(np.arange(count) + 0.5) / count * 2 - 1 for count in CELLS]
    down, right = (each.ravel() for each in np.meshgrid(*places, indexing="ij"))
    far = (down**2 + right**2) / 2
    outward = power * np.maximum(far, 1e-3) ** (power - 1)
    return np.stack([outward * down * 2 / shape[0], outward * right * 2 / shape[1]])


def _line(course: NDArray[np.float64], light: NDArray[np.float64]) -> tuple[float, float, float]:
    """The slope that most agree on, what is left, and the slope's error, by Tukey's weights."""
    weight = np.ones_like(light)
    slope = 0.0
    for _ in range(8):
        power = float((weight * course * course).sum())
        if power < 1e-9:
            return 0.0, np.inf, np.inf
        slope = float((weight * course * light).sum()) / power
        rest = light - slope * course
        spread = spread_of(rest) + 1e-6
        weight = np.square(np.maximum(1 - np.square(rest / (4.7 * spread)), 0))
    # Areas of one frame, and frames that follow one another, err alike: as if there were `ALIKE` times fewer.
    return slope, float(np.minimum(np.abs(rest), 4.7 * spread).mean()), spread * (ALIKE / power) ** 0.5


# -- fading ------------------------------------------------------------------------------------------------------------

UNSURE = 0.1
"""The chance that dyes have not faded, from which colours stay as they are."""

OFTENER = 4.0
"""How many times as likely a clip has faded whose gate or lamp trembles: it is film, and was kept for long."""

LEAST_LOST = 0.03
"""The loss of cyan from which colours are mended."""


def faded(samples: Sequence[Pixels]) -> Fading:
    """How the dyes of a scene have faded, from small pictures (h, w, c) of it (`pellucid.diagnosis.dyes`)."""
    channels = samples[0].shape[2] if samples else 3
    return _fading(dyes.belief([dyes.sampled(small) for small in samples]), channels)


def _fading(belief: dyes.Belief | None, channels: int, odds: float = 1.0) -> Fading:
    """The fading to mend, from a belief, if fading is ``odds`` times as likely beforehand as it was to the network: the loss by
    which values are mended to their mean power, or none where that is not sure."""
    nothing = Fading((1.0,) * channels, (1.0,) * channels)
    if belief is None:
        return nothing
    chances = belief.chances * np.where(dyes.LOSSES > 0, odds, 1)
    chances /= chances.sum()
    if chances[0] > UNSURE:
        return nothing
    # A value is mended by the power 1 / (1 - loss): the mean of the losses falls short of that.
    cyan = 1 - 1 / float(chances @ (1 / (1 - dyes.LOSSES)))
    if cyan < LEAST_LOST:
        return nothing
    _, magenta, yellow = (1 - chances[0]) * belief.dyes
    powers, factors = 1 - np.array([cyan, magenta, yellow]), 1 - cyan * BASE
    return Fading(tuple(np.round(powers, 4).tolist()), tuple(np.round(factors, 4).tolist()))


def unfaded(planes: Pixels, fading: Fading) -> Pixels:
    """Planes (c, h, w) as they were before they faded."""
    result = np.empty_like(planes)
    for index, plane in enumerate(planes):
        power, factor = fading.power[index], fading.factor[index]
        if (power, factor) == (1.0, 1.0):
            result[index] = plane
        else:
            np.power(np.maximum(plane, 0) * np.float32(1 / factor), np.float32(1 / power), out=result[index])
    return result


# -- whole frames -------------------------------------------------------------------------------------------------------


def spread(grid: Pixels, height: int, width: int) -> Pixels:
    """Values in the middles of areas (a, b), linear between them, as a plane (height, width)."""
    result = grid
    for axis, side in ((0, height), (1, width)):
        count = result.shape[axis]
        place = np.clip((np.arange(side) + 0.5) * count / side - 0.5, 0, count - 1)
        low = np.minimum(place.astype(np.intp), max(0, count - 2))
        share = (place - low).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(2)])
        first, second = result.take(low, axis), result.take(np.minimum(low + 1, count - 1), axis)
        result = first + share * (second - first)
    return np.asarray(result, dtype=np.float32)


def corners(vignette: tuple[float, float], height: int, width: int) -> Pixels:
    """The factor (height, width) that gives the corners their light back."""
    level, power = vignette
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    across = np.linspace(-1, 1, width, dtype=np.float32)[None]
    dark = np.float32(level) * ((down**2 + across**2) / 2) ** np.float32(power)
    return np.asarray(1 / np.maximum(1 - dark, np.float32(0.2)), dtype=np.float32)
