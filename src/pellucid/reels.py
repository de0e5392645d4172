"""What happened to a reel as a whole: the gate that let it wander, the light that flickered, the dyes that faded.

Frames are looked at small, one after the other (`Reel.add`). Each is held against the one before by a robust fit of one motion and
one brightness; things that move by themselves, dust and flashes have no say. At the end (`Reel.entries`) the paths of motion and
brightness are parted, scene by scene, into what is slow (the camera, a fade, an evening) and what is not: the gate, and flicker.
All motion is in shares of the frame's longer side, so that it holds at any size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pellucid.images import Pixels

__all__ = ["CELLS", "SIDE", "Entry", "Fading", "Reel", "faded", "moved_by", "shifted", "spread", "unfaded"]

SIDE = 320
"""Pixels of the longer side of the frames that are looked at: motion is found to a twentieth of a pixel in them."""

CELLS = 3, 4
"""Rows and columns of the areas whose brightness is followed."""

SLOW = 16.0, 9.0, 5.0, 3.0
"""Frames, the standard deviations of the windows over which motion and brightness are smooth: the first that suffices. In the first
one chance is down to a fifth."""

TURNS = 1.0, 1.6
"""How many times what trembles may be left beside a smooth course of motion, and of brightness, which turns more slowly."""

TREMBLES = 0.35
"""How much of what is not slow must change from frame to frame, to be of the gate or the lamp: a hand that holds a camera, and
clouds, take several frames for each turn."""

WANDERS = 0.00022
"""Standard deviation of the gate's wandering from which it is mended, as a share of the longer side: a sixth of a pixel of 720."""

FLICKERS = 0.004
"""The same for brightness, in its logarithm: one level of 255."""

PLAIN = 1.12
"""How many times as much as after the smooth course may be left after a plain one (still, even, or ever faster), for that to be
it."""

FLASH = 0.18
"""Change of the logarithm of brightness for one frame that is no flicker of a lamp but a flash: 20 %."""

FLASHES = 6.0
"""The same in standard deviations of the flicker: a lamp that flickers much is no flash."""

STEP = 0.25
"""Change of the logarithm of brightness that stays: no flicker, but another scene."""

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
    """What is to be done about one frame: ``gain``, a factor of its values for each of `CELLS`; ``shift``, by how much it is moved
    down and right, in shares of the longer side; and the ``fading`` of its scene."""

    gain: tuple[tuple[float, ...], ...] = ((1.0,),)
    shift: tuple[float, float] = (0.0, 0.0)
    fading: Fading = field(default_factory=Fading)

    @property
    def level(self) -> bool:
        """Whether its brightness stays."""
        return all(value == 1 for row in self.gain for value in row)


class Reel:
    """Frames as they are looked at, in their order."""

    def __init__(self) -> None:
        self._last: Pixels | None = None
        self._moves: list[tuple[float, float]] = []
        self._gains: list[Pixels] = []
        self._means: list[float] = []
        self._colours: list[Pixels] = []

    def add(self, small: Pixels) -> None:
        """The next frame, (h, w, c), small (`SIDE`)."""
        plane = small.mean(axis=2, dtype=np.float32)
        self._means.append(float(plane.mean()))
        self._colours.append(small[::4, ::4].copy() if len(self._means) % 12 == 1 else np.empty((0, 0, small.shape[2]), np.float32))
        if self._last is None or self._last.shape != plane.shape:
            self._moves.append((0.0, 0.0))
            self._gains.append(np.zeros(CELLS, np.float32))
        else:
            (down, right), gain = moved_by(self._last, plane)
            side = max(plane.shape)
            self._moves.append((down / side, right / side))
            self._gains.append(gain)
        self._last = plane

    def entries(self, firsts: Sequence[int]) -> list[Entry]:
        """What is to be done about each frame; ``firsts`` are the first frames of the scenes."""
        found: list[Entry] = []
        for first, after in pairwise([*sorted({*firsts, *self._steps()}), len(self._means)]):
            found += self._scene(first, after)
        return found

    def _steps(self) -> list[int]:
        """Frames with which brightness is another for good: a cut that nobody told, or a lamp that went on."""
        path = np.cumsum([float(each.mean()) for each in self._gains])
        found = []
        for place in range(1, len(path)):
            before, behind = path[max(0, place - 4) : place], path[place : place + 4]
            if abs(path[place] - path[place - 1]) > STEP and abs(np.median(behind) - np.median(before)) > STEP:
                found.append(place)
        return found

    def _scene(self, first: int, after: int) -> list[Entry]:
        count = after - first
        fading = faded([small for small in self._colours[first:after] if small.size])
        if count < 5:
            return [Entry(fading=fading)] * count
        steps = np.array(self._moves[first:after])
        steps[0] = 0
        path = np.cumsum(steps, axis=0)
        shift = np.stack([_wandering(path[:, axis], WANDERS, TURNS[0]) for axis in (0, 1)], axis=1)
        gains = np.stack(self._gains[first:after]).astype(np.float64)
        gains[0] = 0
        bright = np.cumsum(gains.reshape(count, -1), axis=0)
        whole = bright.mean(axis=1)
        # A flash, and what is black, tell nothing of the lamp.
        lit = np.array(self._means[first:after]) > DARK
        sudden = whole - _median_around(whole)
        calm = lit & (np.abs(sudden) < max(FLASH, FLASHES * _spread_of(sudden[lit])))
        flicker = _wandering(whole, FLICKERS, TURNS[1], calm)
        areas = np.stack([_wandering(bright[:, cell] - whole, FLICKERS, TURNS[1], calm) for cell in range(bright.shape[1])], axis=1)
        wrong = np.clip(flicker[:, None] + areas, -BRIGHTEST, BRIGHTEST)
        return [
            Entry(
                ((1.0,),) if not np.any(row) else tuple(map(tuple, np.exp(-row).reshape(CELLS).round(5).tolist())),
                (round(-float(down), 7), round(-float(right), 7)),
                fading,
            )
            for row, (down, right) in zip(wrong, shift, strict=True)
        ]


def _wandering(path: NDArray[np.float64], least: float, turns: float, calm: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """What of a path is neither slow nor too faint; nothing where it does not tremble. Frames that are not ``calm`` have no say,
    and none of it."""
    weight = np.ones(len(path)) if calm is None else calm.astype(float)
    if weight.sum() < 5:
        return np.zeros(len(path))
    # A camera that turns sooner leaves more than what changes from frame to frame accounts for.
    between = path[1:-1] - (path[:-2] + path[2:]) / 2
    trembling = _spread_of(between[weight[1:-1] > 0])
    for window in SLOW:
        rest = path - _slow(path, weight, window)
        if _spread_of(rest[weight > 0]) <= turns * trembling:
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
    whole = _spread_of(rest[weight > 0])
    between = rest[1:-1] - (rest[:-2] + rest[2:]) / 2
    trembling = _spread_of(between[weight[1:-1] > 0])
    return rest if whole >= least and trembling > TREMBLES * whole else np.zeros(len(path))


def _spread_of(values: NDArray[np.float64]) -> float:
    """The standard deviation that most values agree on."""
    return float(1.4826 * np.median(np.abs(values))) if values.size else 0.0


def _slow(path: NDArray[np.float64], weight: NDArray[np.float64], window: float) -> NDArray[np.float64]:
    """The path as parabolas fitted in a window around each frame say (Cleveland 1979): lines would cut off the camera's turns."""
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


def _median_around(path: NDArray[np.float64]) -> NDArray[np.float64]:
    padded = np.pad(path, 3, mode="reflect")
    around: NDArray[np.float64] = np.median(np.lib.stride_tricks.sliding_window_view(padded, 7), axis=1)
    return around


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
    """What is to be added to a motion, and the gain; None where it cannot be known."""
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

DARKEST = 1.5
"""The share in per cent of a scene that stands for its black: it has no colour in most scenes, whatever they show."""

MEAN = 0.3
"""How much the mean colour of a scene counts beside that of its black: it is near gray, but for what the scene shows."""

LOSSES = np.array([1.0, 0.3, 0.6]), np.array([0.0, 0.04, 0.15])
"""What cyan, magenta and yellow lose in the dark, as shares of cyan's loss, and what the base then lacks of red, green and blue: of
most films of the 1950s to 1970s (Wilhelm and Brower 1993; `pellucid.wear.whole.Fading`)."""

GUESSES = np.arange(0, 0.75, 0.025)
"""The losses of cyan that are tried."""

UNLIKELY = 0.25
"""How much colour a loss must explain, in the logarithm, for each unit of it."""

PROVED, REFUTED = 0.3, 0.05
"""How much colour of black it must explain, in the logarithm, and how much of the colour of the whole: photographs
that have not faded are to be left alone. Chosen on 16 photographs: one of these was touched unworn."""


def faded(samples: Sequence[Pixels]) -> Fading:
    """How the dyes of a scene have faded, from small frames (h, w, c) of it.

    A dye that has lost a part of its density leaves its channel's values at a power below 1, so that black is no longer black, and
    takes on a colour. Cyan goes first on most films: that one loss is sought which leaves least colour in the scene's black.
    """
    nothing = Fading((1.0,) * 3, (1.0,) * 3)
    if not samples or samples[0].shape[2] != 3:
        channels = samples[0].shape[2] if samples else 3
        return Fading((1.0,) * channels, (1.0,) * channels)
    values = np.concatenate([small.reshape(-1, 3) for small in samples]).astype(np.float64)
    if len(values) < 200 or np.abs(values - values.mean(axis=1, keepdims=True)).max() < 0.02:
        return nothing
    values = values[:: max(1, len(values) // 20_000)]
    black, mean = np.array([_colours_left(_unfaded_by(values, loss)) for loss in GUESSES]).T
    best = int(np.argmin(black + MEAN * mean + UNLIKELY * GUESSES))
    explained, gained = black[0] - black[best], mean[0] - mean[best]
    if best < 2 or best == len(GUESSES) - 1 or explained < PROVED or gained < REFUTED:
        return nothing
    powers, factors = 1 - GUESSES[best] * LOSSES[0], 1 - GUESSES[best] * LOSSES[1]
    return Fading(tuple(np.round(powers, 4).tolist()), tuple(np.round(factors, 4).tolist()))


def _unfaded_by(values: NDArray[np.float64], loss: float) -> NDArray[np.float64]:
    whole: NDArray[np.float64] = np.clip(values / (1 - loss * LOSSES[1]), 0, 1.2) ** (1 / (1 - loss * LOSSES[0]))
    return whole


def _colours_left(values: NDArray[np.float64]) -> tuple[float, float]:
    """How much red and blue differ from green, in the logarithm, in the black of the scene, and on the whole."""
    light = values.mean(axis=1)
    parts = (values[light <= np.percentile(light, DARKEST)], values)
    middles = [np.log(np.median(part, axis=0) + 0.02) for part in parts]
    first, second = (float(abs(red - green) + abs(blue - green) / 2) for red, green, blue in middles)
    return first, second


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
