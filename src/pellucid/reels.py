"""Measures the faults of a reel as a whole: the gate that let it wander, the light that flickered, the dyes that faded.

Frames are looked at small, one after the other (`Reel.add`). Each is held against the one before by a robust fit of one motion and
one brightness; things that move by themselves, dust and flashes have no say. At the end (`Reel.entries`) the paths of motion and
brightness are parted, scene by scene, into what is slow (the camera, a fade, an evening) and what is not: the gate, and flicker.
All motion is in shares of the frame's longer side, so that it holds at any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis import dyes
from pellucid.images import Pixels
from pellucid.paths import jumps, median_around, spread_of, trembles, trembling, unsteady
from pellucid.wear.whole import BASE

__all__ = ["CELLS", "SIDE", "Entry", "Fading", "Reel", "corners", "faded", "moved_by", "shifted", "spread", "unfaded"]

SIDE = 320
"""Pixels of the longer side of the frames that are looked at: motion is found to a twentieth of a pixel in them."""

CELLS = 3, 4
"""Rows and columns of the areas whose brightness is followed."""

WANDERS = 0.0003
"""Standard deviation of the gate's wandering from which it is mended, as a share of the longer side: a fifth of a pixel of 720."""

FLICKERS = 0.004
"""The same for brightness, in its logarithm: one level of 255."""

FLASH = 0.18
"""Change of the logarithm of brightness for one frame that is no flicker of a lamp but a flash: 20 %."""

FLASHES = 6.0
"""The same in standard deviations of the flicker: a lamp that flickers much is no flash."""

STEP = 0.25
"""Change of the logarithm of brightness that stays: no flicker, but another scene."""

FALLS = 0.8, 1.2, 1.6
"""Powers of the square of the distance with which light falls off to the corners, that are tried."""

DARKER, SURE, ALIKE = 0.05, 4.0, 8.0
"""The least share missing in the corners that is mended, by how many times its error it must be known, and how many measurements
count as one."""

BRIGHTEST = 0.30
"""The largest correction of brightness, in its logarithm."""

DARK = 0.02
"""Brightness below which nothing is known of flicker."""


@dataclass(frozen=True)
class Fading:
    """A value v of a channel has become ``factor * v ** power``; one of each for each channel."""

    power: tuple[float, ...] = (1.0, 1.0, 1.0)
    factor: tuple[float, ...] = (1.0, 1.0, 1.0)

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
    short: both are meant, and tell a frame from those around it.
    """

    gain: tuple[tuple[float, ...], ...] = ((1.0,),)
    shift: tuple[float, float] = (0.0, 0.0)
    fading: Fading = field(default_factory=Fading)
    light: float = 0.0
    flash: bool = False
    vignette: tuple[float, float] = (0.0, 1.0)

    @property
    def level(self) -> bool:
        """Whether its brightness stays."""
        return self.vignette[0] == 0 and all(value == 1 for row in self.gain for value in row)


class Reel:
    """Frames as they are looked at, in their order."""

    def __init__(self) -> None:
        self._last: Pixels | None = None
        self._shape: tuple[int, int] | None = None
        self._moves: list[tuple[float, float]] = []
        self._gains: list[Pixels] = []
        self._means: list[float] = []
        self._colours: list[Pixels] = []

    def add(self, small: Pixels) -> None:
        """The next frame, (h, w, c), small (`SIDE`)."""
        plane = small.mean(axis=2, dtype=np.float32)
        self._means.append(float(plane.mean()))
        self._colours.append(dyes.sampled(small) if len(self._means) % 12 == 1 else np.empty((0, small.shape[2]), np.float32))
        if self._last is None or self._last.shape != plane.shape:
            self._moves.append((0.0, 0.0))
            self._gains.append(np.zeros(CELLS, np.float32))
        else:
            (down, right), gain = moved_by(self._last, plane)
            side = max(plane.shape)
            self._moves.append((down / side, right / side))
            self._gains.append(gain)
        self._last = plane
        self._shape = plane.shape[0], plane.shape[1]

    def entries(self, firsts: Sequence[int]) -> list[Entry]:
        """The correction of each frame; ``firsts`` are the first frames of the scenes."""
        light = np.cumsum([float(each.mean()) for each in self._gains])
        scenes = list(pairwise([*sorted({*firsts, *_steps(light)}), len(self._means)]))
        vignette = self._vignette(scenes)
        parts = [self._scene(first, after, light[first:after]) for first, after in scenes]
        film = any(entry.shift != (0.0, 0.0) or not entry.level for part in parts for entry in part)
        fadings = self._fadings(scenes, OFTENER if film else 1.0)
        return [
            replace(entry, vignette=vignette, fading=fading) for part, fading in zip(parts, fadings, strict=True) for entry in part
        ]

    def _vignette(self, scenes: Sequence[tuple[int, int]]) -> tuple[float, float]:
        """How much light the corners of the reel lack, and the power of the fall; nothing where that is not sure.

        A thing that the camera passes gets darker on its way out, wherever it began: the brightness of an area goes with how far
        the camera has moved it. So the content of the scene has no say, and a camera that stands still says nothing.
        """
        if self._shape is None:
            return 0.0, 1.0
        ways, lights = [], []
        for first, after in scenes:
            if after - first < 5:
                continue
            moves, gains = np.array(self._moves[first:after]), np.stack(self._gains[first:after]).astype(np.float64)
            moves[0], gains[0] = 0, 0
            light = np.cumsum(gains.reshape(after - first, -1), axis=0)
            # The change that all areas share is the lamp's, and each one's mean is the scene's.
            lights.append(_centred(light))
            ways.append(np.cumsum(moves, axis=0) * max(self._shape))
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
        channels = self._colours[0].shape[1] if self._colours else 3
        return [_fading(None if each is None else next(together), channels, UNSURE_OF_CLIPS, odds) for each in alone]

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
        flicker = trembling(whole, FLICKERS, calm)
        areas = np.stack([trembling(bright[:, cell] - whole, FLICKERS, calm) for cell in range(bright.shape[1])], axis=1)
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
        for begin, end in pairwise([0, *(place for place in jumps(steps) if place), len(steps)]):
            part = steps[begin:end].copy()
            part[0] = 0
            gate = unsteady(np.cumsum(part, axis=0))
            parts.append(np.stack([axis if trembles(axis, WANDERS) else np.zeros_like(axis) for axis in gate.T], axis=1))
        return np.concatenate(parts)


def _steps(path: NDArray[np.float64]) -> list[int]:
    """Frames with which brightness is another for good: a cut that nobody told, or a lamp that went on."""
    found = []
    for place in range(1, len(path)):
        before, behind = path[max(0, place - 4) : place], path[place : place + 4]
        if abs(path[place] - path[place - 1]) > STEP and abs(np.median(behind) - np.median(before)) > STEP:
            found.append(place)
    return found


def _apart_for_a_moment(path: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much each value differs from those before it and from those behind it, where both do so alike."""
    sides = []
    for turn in (1, -1):
        part = path[::turn]
        before = [np.median(part[max(0, place - 3) : place]) if place else part[0] for place in range(len(part))]
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


# -- one frame held against the one before -----------------------------------------------------------------------------


def moved_by(before: Pixels, frame: Pixels) -> tuple[tuple[float, float], Pixels]:
    """How far the picture has moved down and right from one plane (h, w) to the next, in pixels, and by how much the logarithm of
    its brightness has changed in each of `CELLS`.

    One motion and one gain that most pixels agree on: least squares on the gradient (Lucas and Kanade 1981), from coarse to fine,
    weighted by Tukey's rule, so that things that move by themselves do not count.
    """
    sizes = [(before, frame)]
    while min(sizes[-1][0].shape) >= 48:
        sizes.append((_half(sizes[-1][0]), _half(sizes[-1][1])))
    start = sizes[-1]
    down, right = _whole_motion(*start)
    gain = 1.0
    for old, new in reversed(sizes):
        if old is not start[0]:
            down, right = 2 * down, 2 * right
        for _ in range(3):
            step = _step(old, new, down, right)
            if step is None:
                break
            down, right, gain = down + step[0], right + step[1], step[2]
            if abs(step[0]) + abs(step[1]) < 0.02:
                break
    height, width = frame.shape
    if abs(down) > height / 3 or abs(right) > width / 3 or not np.isfinite(down + right):
        return (0.0, 0.0), np.zeros(CELLS, np.float32)
    return (float(down), float(right)), _gains(before, frame, down, right, gain)


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
    part = _convolved(part, -down - y, 0)
    return _convolved(part, -right - x, 1), rows, columns


def cubic(share: float) -> tuple[float, float, float, float]:
    """The weights of four samples for a place ``share`` of the way from the second to the third."""
    t = share
    return ((-t + 2 * t * t - t**3) / 2, (2 - 5 * t * t + 3 * t**3) / 2, (t + 4 * t * t - 3 * t**3) / 2, (t**3 - t * t) / 2)


def _convolved(plane: Pixels, share: float, axis: int) -> Pixels:
    count = plane.shape[axis] - 3
    parts = [plane[place : place + count] if axis == 0 else plane[:, place : place + count] for place in range(4)]
    total: Pixels = sum(np.float32(weight) * part for weight, part in zip(cubic(share), parts, strict=True))  # type: ignore[assignment]
    return total


def _step(before: Pixels, frame: Pixels, down: float, right: float) -> tuple[float, float, float] | None:
    """The step down and right to add to a motion, and the gain; None where they cannot be known."""
    moved, rows, columns = _sampled(before, down, right)
    if not moved.size:
        return None
    new = frame[rows, columns]
    dy, dx = np.gradient(moved)
    light = moved
    apart = new - moved
    weight = np.ones_like(apart)
    answer = np.zeros(3)
    rest = apart
    for _ in range(4):
        spread = 1.4826 * float(np.median(np.abs(rest))) + 1e-4
        weight = np.square(np.maximum(1 - np.square(rest / np.float32(4.7 * spread)), 0))
        planes = (-dy, -dx, light)
        matrix = np.array([[float((weight * one * other).sum()) for other in planes] for one in planes])
        side = np.array([float((weight * one * apart).sum()) for one in planes])
        matrix += np.diag(1e-6 * np.trace(matrix) / 3 + np.array([1e-6] * 3))
        answer = np.linalg.solve(matrix, side)
        rest = apart - np.float32(answer[0]) * -dy - np.float32(answer[1]) * -dx - np.float32(answer[2]) * light
    # A fit of gradients holds for about a pixel.
    return float(np.clip(answer[0], -1.5, 1.5)), float(np.clip(answer[1], -1.5, 1.5)), float(1 + answer[2])


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


# -- fading ------------------------------------------------------------------------------------------------------------

UNSURE, UNSURE_OF_CLIPS = 0.05, 0.1
"""The chance that dyes have not faded, from which colours stay as they are, of pictures alone and of clips, which show more: chosen
on photographs held out of the training, of which 1.8 % and 3.3 % were touched unfaded."""

OFTENER = 4.0
"""How many times as likely a clip has faded whose gate or lamp trembles: it is film, and was kept for long."""

LEAST_LOST = 0.03
"""The loss of cyan from which colours are mended."""


def faded(samples: Sequence[Pixels]) -> Fading:
    """How the dyes of a scene have faded, from small pictures (h, w, c) of it (`pellucid.diagnosis.dyes`)."""
    channels = samples[0].shape[2] if samples else 3
    return _fading(dyes.belief([dyes.sampled(small) for small in samples]), channels, UNSURE)


def _fading(belief: dyes.Belief | None, channels: int, unsure: float, odds: float = 1.0) -> Fading:
    """The fading to mend, from a belief, if fading is ``odds`` times as likely beforehand as it was to the network: the mean loss,
    or none where that is not sure."""
    nothing = Fading((1.0,) * channels, (1.0,) * channels)
    if belief is None:
        return nothing
    chances = belief.chances * np.where(dyes.LOSSES > 0, odds, 1)
    chances /= chances.sum()
    if chances[0] > unsure:
        return nothing
    cyan = float(chances @ dyes.LOSSES)
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


def shifted(pixels: Pixels, down: float, right: float) -> Pixels:
    """Pixels (h, w, c) moved down and right, by cubic convolution, the edge repeated."""
    height, width, _ = pixels.shape
    for axis, way, side in ((0, down, height), (1, right, width)):
        whole = int(np.floor(-way))
        share = -way - whole
        if whole == 0 and share == 0:
            continue
        reach = abs(whole) + 3
        padded = np.pad(pixels, [(reach, reach) if each == axis else (0, 0) for each in range(3)], mode="edge")
        begin = reach + whole - 1
        part = padded[begin : begin + side + 3] if axis == 0 else padded[:, begin : begin + side + 3]
        pixels = _convolved(part, share, axis)
    return pixels
