"""The scenes of a clip: where it cuts, and the noise of each scene.

Noise that is measured in each frame by itself jumps from frame to frame, and with it the output: it flickers. So the kind of noise
is decided once for each scene, and its level follows what is measured now and then. Grain looks like texture in one frame; the next
frame has the same texture and other grain, so the two together say how strong grain is (`beside`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pellucid import diagnosis, images, motion
from pellucid.diagnosis import Diagnosis
from pellucid.images import Image, Pixels
from pellucid.views import View

__all__ = ["EVERY", "Cuts", "Follower", "Levels", "beside", "levels_of", "place_of", "spread", "thumbnail"]

SMALL = 64
"""Pixels of the longer side of the picture in which cuts are looked for: a mean over a hundred pixels has little noise."""

APART = 10.0
"""Mean difference of two frames in 8-bit levels, their own mean taken away, from which a cut is possible."""

TIMES = 3.0
"""How many times as large as the usual difference of the frames around it that of a cut is."""

AROUND = 6
"""Frames before and after that say what is usual."""

EVERY = 48
"""Frames between two measurements of the noise in a scene: two seconds of film."""

STEADY = 0.05
"""Change of the level, as a share, that is not followed: measurements of one level differ by as much."""

CALM = 0.5
"""The share of the blocks, those with the least detail, in which two frames are held against each other: there a motion that is
wrong by a part of a pixel adds least."""

LOWEST = 0.1, 0.3, 0.5
"""Which of the levels that those blocks show count: shares below a low one, below the one that is believed (others hold things that
change), and below the median."""

UNEVEN = 1.4
"""How many times the low one the median may be: noise gives blocks about one level (1.1 to 1.25 times), motion that was not
found gives them levels far apart (twice and more)."""

LEAST_RAISED, MOST_RAISED = 1.15, 4.0
"""How many times the level of one frame two frames must show for it to be raised, and how far it is raised at most."""


def thumbnail(plane: NDArray[np.generic], white: float) -> NDArray[np.float32]:
    """A plane (h, w) as means of equal blocks, its longer side `SMALL` pixels at most, in 8-bit levels, without its mean."""
    height, width = plane.shape
    block = max(1, -(-max(height, width) // SMALL))
    rows, columns = max(1, height // block), max(1, width // block)
    part = plane[: rows * block, : columns * block] if min(height, width) >= block else plane[:1, :1]
    if part.shape[0] < rows * block or part.shape[1] < columns * block:
        block = 1
    shape = (part.shape[0] // block, block, part.shape[1] // block, block)
    means = part.reshape(shape).mean(axis=(1, 3), dtype=np.float32) * np.float32(255 / white)
    small: NDArray[np.float32] = means - means.mean()
    return small


class Cuts:
    """Finds cuts: give it the thumbnails in order; `firsts` are the frames with which scenes begin."""

    def __init__(self) -> None:
        self._last: list[NDArray[np.float32]] = []
        self._one: list[float] = []
        self._two: list[float] = []

    def add(self, small: NDArray[np.float32]) -> bool:
        """Adds a frame; whether it differs from the one before by as much as after a cut, as far as frames so far show."""
        before = self._last
        self._one.append(float(np.abs(small - before[-1]).mean()) if before else 0.0)
        self._two.append(float(np.abs(small - before[-2]).mean()) if len(before) > 1 else np.inf)
        self._last = [*before[-1:], small]
        usual = self._one[-1 - AROUND : -1]
        return self._one[-1] > max(APART, TIMES * float(np.median(usual)) if usual else 0.0)

    @property
    def firsts(self) -> tuple[int, ...]:
        """The first frames of the scenes, 0 among them. A flash of one frame is no cut: what comes after is as before."""
        found = [0]
        count = len(self._one)
        for number in range(1, count):
            one = self._one[number]
            usual = self._one[max(1, number - AROUND) : number] + self._one[number + 1 : number + 1 + AROUND]
            if one <= max(APART, TIMES * float(np.median(usual)) if usual else 0.0):
                continue
            back = self._two[number] < 0.5 * one
            flash = number + 1 < count and self._two[number + 1] < 0.5 * one
            if not back and not flash:
                found.append(number)
        return tuple(found)


@dataclass(frozen=True)
class Levels:
    """The noise of one scene: measurements by the number of the frame."""

    samples: tuple[tuple[int, Diagnosis], ...]

    def at(self, number: int) -> Diagnosis | None:
        """The noise of a frame: the kind that most measurements found, at the level that those around it say."""
        if not self.samples:
            return None
        kind = Counter(found.kind for _, found in self.samples).most_common(1)[0][0]
        alike = [(place, found) for place, found in self.samples if found.kind == kind]
        levels = np.array([found.sigma for _, found in alike])
        base = alike[int(np.argsort(levels, kind="stable")[len(levels) // 2])][1]
        if base.spots is not None and base.spots.colours is not None:
            # Each frame has colours of its own.
            base = replace(base, spots=base.spots.anew)
        if base.sigma <= 0:
            return base
        level = float(np.interp(number, [place for place, _ in alike], _calm(levels)))
        return _at_level(base, level / base.sigma)


def _calm(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running medians of three, so that one wrong measurement has no say; the ends by Tukey's rule (Exploratory Data Analysis,
    1977, chapter 7): the median of the end, its neighbour, and where a line through the next two would be."""
    if len(levels) < 3:
        return levels
    calm = levels.copy()
    calm[1:-1] = np.median([levels[:-2], levels[1:-1], levels[2:]], axis=0)
    calm[0] = np.median([levels[0], calm[1], 3 * calm[1] - 2 * calm[2]])
    calm[-1] = np.median([levels[-1], calm[-2], 3 * calm[-2] - 2 * calm[-3]])
    return calm


def _at_level(found: Diagnosis, factor: float) -> Diagnosis:
    """The same kind of noise with ``factor`` times the standard deviation."""
    if abs(factor - 1) < STEADY:
        return found
    return replace(
        found,
        gaussian_sigma=found.gaussian_sigma * factor,
        poisson_gain=found.poisson_gain * factor**2,
        speckle=found.speckle * factor**2,
        correlated=found.correlated * factor,
        curve=found.curve.raised(factor),
        places=None if found.places is None else found.places.raised(factor),
        smaller=None if found.smaller is None else _at_level(found.smaller, factor),
    )


def beside(found: Diagnosis, picture: Image, other: Image) -> Diagnosis:
    """The noise ``found`` in a frame, held against a frame ``other`` of the same scene: correlated noise, of which one frame
    shows a half or less where there is texture, at the level by which the two differ once motion is undone.

    Never less than what was found: where a codec has copied blocks from frame to frame, their noise is the same.
    """
    if found.kind != "correlated" or picture.pixels.shape != other.pixels.shape:
        return found
    one, two = (images.floating(each).pixels for each in (picture, other))
    if min(one.shape[:2]) < 4 * motion.BLOCK:
        return found
    noise = found.sigma / 255
    moves = motion.find(one.mean(axis=2), two.mean(axis=2), noise * 2**0.5, noise)
    shown = motion.moved(np.ascontiguousarray(two.transpose(2, 0, 1)), moves).transpose(1, 2, 0)
    light = _blocks(one).mean(axis=(1, 2, 3))
    # Noise is cut off at black and white.
    within = np.abs(light - 0.5) < 0.45
    if not within.any():
        return found
    # Blocks have their own means: light may change. None has more noise than it has variance.
    noisy = np.minimum(_variances(one - shown) / 2, _variances(one))[within]
    detail = _variances((one + shown) / 2)[within] - noisy / 2
    times = noisy / np.maximum(found.curve.variance(light[within]), 1e-12)
    calm = times[np.argsort(detail, kind="stable")[: max(1, round(CALM * len(times)))]]
    low, factor, middle = (float(np.sqrt(value)) for value in np.quantile(calm, LOWEST))
    if middle > UNEVEN * low or factor < LEAST_RAISED:
        return found
    return _at_level(found, min(factor, MOST_RAISED))


def _blocks(pixels: Pixels) -> Pixels:
    """Whole blocks (n, side, side, c) of a frame (h, w, c)."""
    side, (height, width, channels) = motion.BLOCK, pixels.shape
    rows, columns = height // side, width // side
    parts = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, channels).swapaxes(1, 2)
    return np.ascontiguousarray(parts).reshape(-1, side, side, channels)


def _variances(pixels: Pixels) -> NDArray[np.float64]:
    """The variance in each block of a frame (h, w, c), the mean of its channels."""
    variances: NDArray[np.float64] = _blocks(pixels).var(axis=(1, 2), dtype=np.float64).mean(axis=1)
    return variances


class Follower:
    """The noise of frames that come one after the other and are not known ahead: asked for each in turn."""

    def __init__(self) -> None:
        self._cuts = Cuts()
        self._number = -1
        self._samples: list[tuple[int, Diagnosis]] = []
        self._measured: tuple[Image, Diagnosis] | None = None
        self._first = 0
        self.begins = True
        """Whether a scene begins with the frame that was asked for last."""

    def of(self, picture: Image, small: NDArray[np.float32]) -> Diagnosis | None:
        """The noise of the next frame, whose thumbnail is ``small``."""
        self._number += 1
        self.begins = self._cuts.add(small) or self._number == 0
        if self.begins:
            self._samples, self._first, self._measured = [], self._number, None
        if self._measured is not None:
            before, found = self._measured
            held = self._number - 1, beside(found, before, picture)
            # The first of a scene has counted as it was: there was no other.
            self._samples = [held] if self._samples[-1][0] == held[0] else [*self._samples, held]
            self._measured = None
        if (self._number - self._first) % EVERY == 0:
            self._measured = picture, diagnosis.look(View((picture,)))
            if not self._samples:
                self._samples = [(self._number, self._measured[1])]
        return Levels(tuple(self._samples)).at(self._number)


def place_of(firsts: Sequence[int], number: int) -> int:
    """Which scene a frame is in, from 0; ``firsts`` are the first frames of the scenes."""
    return bisect_right(firsts, number) - 1


def spread(places: Sequence[int], firsts: Sequence[int], count: int) -> tuple[int, ...]:
    """Those of the frames ``places`` that lie `EVERY` frames apart in their scene: before all ``count`` frames are known, noise of
    small frames is taken for cuts. A scene's last frame, which no next one was held against, counts only where it is the first."""
    kept: list[int] = []
    for place in places:
        alone = not kept or place_of(firsts, kept[-1]) != place_of(firsts, place)
        last = place + 1 == count or place + 1 in firsts
        if alone or (place - kept[-1] >= EVERY and not last):
            kept.append(place)
    return tuple(kept)


def levels_of(samples: Sequence[tuple[int, Diagnosis]], firsts: Sequence[int]) -> tuple[Levels, ...]:
    """The measurements, scene by scene; a scene without any has those of the nearest frame."""
    bounds = [*firsts, np.inf]
    scenes = []
    for first, after in pairwise(bounds):
        own = tuple((number, found) for number, found in samples if first <= number < after)
        if not own and samples:
            own = (min(samples, key=lambda sample: abs(sample[0] - first)),)
        scenes.append(Levels(own))
    return tuple(scenes)
