"""Noise taken out over time: a frame fused with the frames before it, before the still denoiser gets it.

A Kalman filter for each pixel. The fused frame before is moved to this one (`pellucid.motion`) and made as light as it; how far
both disagree beyond what noise explains is taken for change, and change is believed. So what stands still or moves as a whole
gathers the light of many frames, and what is new comes from this frame alone: no ghosts. Beside the fused frame comes the share of
the noise that each place has left, and the denoiser is given that. A network that learnt to look at more (`Beside`) gets the frame
itself, what the frames before it show, and the next frame, too: it sees what the filter had to leave out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.clipping import cut_at_zero
from pellucid.images import Pixels
from pellucid.maps import Places, between
from pellucid.motion import BLOCK, Motion, Sizes, back, box, find, moved, shrunk, warped
from pellucid.views import Window

__all__ = [
    "BESIDE",
    "RUN_IN",
    "Beside",
    "Fused",
    "beside",
    "both_ways",
    "foresee",
    "fuse",
    "in_cells",
    "in_planes",
    "levels",
    "settled",
]

NEW = 1.25
"""How many times the expected noise a block, and three by three around it, must show for nothing of the frames before to be taken
there."""

MOST_NEW = 0.25
"""The share of new blocks beyond which the whole frame is: after a cut that nobody found, or in a flash."""

NEW_ALIKE = 2.0
"""The same for noise that is not white: a window holds fewer values that know nothing of each other."""

LOOSER = 3.75
"""How many times as far beyond what is expected a window must be to disagree, where noise is not white."""

USUAL = 2.5, 40.0
"""How many times the stated noise half of the windows may show, in all squares and in those of means, for that to be noise and no
change."""

RISE = 1.1
"""By how much that may rise from one frame to the next."""

WIDER, SMALL, LARGE = 1.7, 3, 5
"""How many times as much noise a large one of the `WINDOWS` may show as a small one, beyond what white noise makes. Grain and a
camera's noise showed up to 1.35 times as much, scenes that fade into others 1.9 to 3.5 times."""

TRUST = 20.0
"""How many times the disagreement counts as change: the still denoiser takes the noise away that this leaves, but no ghost."""

SURER = 10.0
"""By how many times more change counts where it is as large as the noise's variance: what is surely another thing leaves no
trace."""

AT_MOST, MANY, MORE_SURE = 4.0, 1.6, 64.0
"""The two widest means are looked at together with those around them, too, each for so many times what noise makes of it at most.
Noise alone gives 0.92 times that; beyond so many times they are other smooth things, as in a camera that is thrown round, and
count so many times: where a picture is smooth, the still denoiser takes away far more noise than elsewhere."""

DRIFT = 0.006
"""Change of each pixel that is expected from frame to frame, as a share of the noise's variance: it bounds the memory to thirteen
frames."""

LIGHTER = 3.0
"""Standard deviations by which the contrast of the whole picture must differ to be taken for changed."""

MOST_LIGHTER = 1.5
"""How many times the contrast may be what it was in the frame before: more is a flash."""

FADES = 0.05
"""Change of a channel's mean from one frame to the next, as a share of full range, beyond which it is a flash, too."""

CUT_OFF = 1.2
"""How many times the square by which the mean of noise is moved, where it is cut off at black and white, counts as change, where
noise is not white: the mean of many frames is moved as far as one, and no longer looks as if it were."""

DARK, BRIGHT = 2.5, 1.8
"""How many times as strong as it is afterwards noise was when it was cut off at black, and at white, where it is not white: a
camera's is cut off before its colours are mixed, its tones curved, and neighbours evened out. With 2.4 at black frames of
a photograph that has no red lost up to 0.51 dB, and 0.31 with 2.5; with 1.5 at white (and `CUT_OFF` 2) those of a made bright scene
lost up to 0.37, and 0.16 with 1.8."""

PART, OTHER, FAR = 8, 4.0, 0.04
"""Side in pixels of the parts of a frame that show another thing where the mean of a channel is farther off than so many standard
deviations, and so much of full range, beyond that what moves in parts of a pixel differs by."""

WANDERS = 0.05
"""Change of a block's mean, as a share of full range, that is light which wanders: beyond it stands another smooth thing."""

NEXT = 0.6
"""The share that the next restored frame has where both are alike. On made clips and ones that the network learnt from, the best
share was 0.55 to 0.7 up to `APART`, and 0.2 at twice that."""

BACK = 0.67
"""The share of that by which the next frame is moved towards this one, where nothing moves: so errors flicker less."""

APART = 1.0
"""How far apart two restored frames are where that share is half as large, in 8-bit levels beside noise of level 1: it grows as the
root of the noise's level."""

LEAST_ALIKE = 0.15
"""The share of that trust that a frame must have on average: after a cut that nobody found, few places are alike, by chance."""

RUN_IN = 12
"""Frames before a segment that are fused, and not restored: beyond them nothing reaches."""

HALF = 2
"""Side in pixels of the cells in which the noise's variance and the share of it that is left are known: change is looked for in
frames of half the size."""

CELL = 4
"""Side in pixels of the cells in which the level that is left is stated to a network."""

BAND = 2 * BLOCK
"""Rows of a frame that are worked on at once: what they take stays in a core's cache."""

BESIDE = ("noise", "old", *(f"{which}-{colour}" for which in ("noisy", "before", "after") for colour in "rgb"))
"""The planes that a network may take beside a fused frame: the standard deviation of the noise of the frame itself, and that of
what the frames before it show; these two, and the next frame, each of the latter where this frame has it."""


@dataclass(frozen=True)
class _Window:
    """A look for change in frames of half the size (`HALF`): the mean over ``first`` pixels a side, squared, and the mean of that
    over ``second``. It disagrees where that is ``more`` times as large as noise makes it; half of white noise's are below ``half``.
    ``of``: of each channel, of their mean, or of the difference of two."""

    of: str
    first: int
    second: int
    more: float
    half: float


WINDOWS = (
    _Window("channels", 1, 5, 1.12, 1.0),
    _Window("mean", 1, 5, 1.4, 0.97),
    _Window("mean", 1, 3, 2.0, 0.93),
    _Window("mean", 3, 5, 1.8, 0.8),
    _Window("mean", 5, 1, 7.5, 0.455),
    _Window("mean", 9, 1, 7.5, 0.455),
    _Window("colour", 5, 1, 7.5, 0.455),
)
"""Energy shows what is sharp, means show what is faint and wide: 2.7 standard deviations of the mean of 18 by 18 pixels are
two levels, where noise has level 20."""


@dataclass(frozen=True)
class Coming:
    """How the frame behind a fused one has moved from it: where each block of that frame is found in this one, and where each of
    this one in that (``back``)."""

    motion: Motion
    back: Motion


@dataclass(frozen=True)
class Fused:
    """A frame with what those before it tell: ``pixels`` (h, w, c), float32, and the ``share`` of the noise's variance that is left
    in each cell of `HALF`, 1 where nothing is known of earlier frames. ``usual``: how many times the stated noise the `WINDOWS`
    have shown so far; None before any was looked at, and for white noise. ``before`` and ``old``: what those frames show, in the
    place and the light of this one, and the share of the noise that it has; None where nothing was taken from them. ``noise``: the
    variance of the frame's noise. ``coming``: how the next frame has moved from this one, where that was looked for. ``cut``:
    whether noise may be cut off at black, and at white: where it is not, values lie beyond."""

    pixels: Pixels
    share: Pixels
    usual: tuple[float, ...] | None = None
    before: Pixels | None = None
    old: Pixels | None = None
    noise: float = 0.0
    coming: Coming | None = None
    cut: tuple[bool, bool] = (True, True)

    @property
    def alone(self) -> bool:
        """Whether nothing of earlier frames is in it."""
        return bool((self.share == 1).all())

    def wide(self, white: bool) -> tuple[float, float]:
        """How many times as much noise means over few pixels have, and over blocks, as if it were white."""
        if white:
            return 1.0, 1.0
        return (4.0, 9.0) if self.usual is None else (self.usual[1], self.usual[5])


@dataclass(frozen=True)
class Beside:
    """The frames that a network is given beside a fused one: the frame as it came, those ``before`` and ``after`` it as they lie in
    it, (h, w, 3), and the ``noise`` of the first two by place."""

    noisy: Pixels
    before: Pixels
    after: Pixels
    noise: Places
    old: Places

    def planes(self, place: Window, more: float = 1.0) -> tuple[Pixels, ...]:
        """The planes `BESIDE`, (h, w) each, of a piece; beyond the frame they are mirrored, as pieces are. The levels are ``more``
        times as high."""
        top, left, height, width = place.top, place.left, place.height, place.width
        within = self.noisy.shape[:2]
        rows, columns = (
            np.pad(np.arange(size), (0, max(0, begin + length - size)), mode="symmetric")[begin : begin + length]
            for size, begin, length in zip(within, (top, left), (height, width), strict=True)
        )
        inside = top + height <= within[0] and left + width <= within[1]
        levels = (np.float32(more) * level.sigma(top, left, height, width, within) for level in (self.noise, self.old))
        frames = (
            frame[top : top + height, left : left + width] if inside else frame[rows][:, columns]
            for frame in (self.noisy, self.before, self.after)
        )
        return (*levels, *(frame[..., channel] for frame in frames for channel in range(3)))


def fuse(pixels: Pixels, variance: Pixels, past: Fused | None, *, white: bool = True) -> Fused:
    """The frame (h, w, c) with what ``past``, the frame before it, knows; ``variance`` is the noise's in each cell of `HALF`, of
    full range squared. With ``past`` None the frame as it is.

    Noise that is not ``white`` has neighbours that are alike, and channels that differ: what chance does in a window is then taken
    from the frames themselves, as half of all windows show it. It is bounded (`USUAL`), and rises slowly (`RISE`), so that a flash
    is not taken for noise. Where large windows show far more than small ones (`WIDER`), as while one scene fades into another, the
    frame stays as it is; so it does in places where noise is cut off at black and white.
    """
    height, width = pixels.shape[:2]
    # Plane by plane: NumPy is slow where it goes along three channels.
    planes = _planes(pixels)
    cut = (True, True) if white else (float(planes.min()) >= 0, float(planes.max()) <= 1)
    alone = Fused(_picture(planes), np.ones_like(variance), noise=float(variance.mean()), cut=cut)
    if past is None or past.pixels.shape != pixels.shape or min(height, width) < 2 * BLOCK:
        return alone
    last = _planes(past.pixels)
    if _flashes(planes, last):
        return alone
    motion = _motion(past, pixels, *_levels(past, past.wide(white)[0]))[0] if past.coming is None else past.coming.motion
    share = past.share if motion.none else np.clip(warped(past.share, motion, HALF), 1e-3, 1)
    joined = _joined(alone, moved(last, motion), share, variance, past, white=white)
    return alone if joined is None else joined


def both_ways(fused: Fused, after: Pixels, variance: Pixels, *, white: bool = True) -> Fused:
    """A ``fused`` frame with what the next one, ``after`` it (h, w, c), tells, too: for noise that no network looks around in. The
    next frame was foreseen. `fuse` goes on from the frame that is given."""
    if fused.coming is None or _flashes(_planes(fused.pixels), _planes(after)):
        return fused
    there = moved(_planes(after), fused.coming.back)
    joined = _joined(fused, there, np.ones_like(fused.share), variance, fused, white=white)
    return fused if joined is None else replace(fused, pixels=joined.pixels, share=joined.share)


def settled(pixels: Pixels, after: Pixels, fused: Fused) -> tuple[Pixels, Pixels]:
    """A restored frame (h, w, c) with what the next one, restored, ``after`` it, tells: that one knows of a frame more. Where both
    are hardly apart, most of what they differ by is the error of this one. And the next one, with what this one tells, where
    nothing moves: to move this one, too, takes long, and gains little. ``fused``: what was restored, the next one foreseen."""
    if fused.coming is None or pixels.shape != after.shape or pixels.shape != fused.pixels.shape:
        return pixels, after
    planes = _planes(pixels)
    there = _planes(after)
    # A copy where nothing moves: what is given stays.
    away = there.copy() if fused.coming.back.none else moved(there, fused.coming.back)
    still = _still(fused.coming.back)
    small, apart = [], []
    for rows in _bands(planes):
        part = away[:, rows]
        part -= planes[:, rows]
        small.append(shrunk(part, HALF))
        apart.append(shrunk(_mean_square(part), HALF))
    # Beside the noise of a whole frame: errors grow more slowly than the noise does.
    trust = box(np.concatenate(apart), 3) / np.float32(APART**2 * np.sqrt(fused.noise) / 255)
    trust *= np.sqrt(trust)
    trust = np.float32(NEXT) / (1 + trust)
    if trust.mean() < LEAST_ALIKE * NEXT:
        return pixels, after
    following = there.copy() if still.any() else None
    # Light that fades is not followed.
    lighter = np.tensordot(np.concatenate(small, axis=1), trust / trust.sum())[:, None, None]
    # A picture does not leave its range, black to white or what it had.
    (least, most), within = ((min(0.0, float(each.min())), max(1.0, float(each.max()))) for each in (planes, there))
    for rows in _bands(planes):
        part = away[:, rows]
        part -= lighter
        part *= _spread(trust[rows.start // HALF : -(-rows.stop // HALF)], HALF, part.shape[1:])
        here = still[rows.start // BLOCK : -(-rows.stop // BLOCK)]
        if following is not None and here.any():
            next_part = following[:, rows]
            next_part -= part * _spread(np.where(here, np.float32(BACK), np.float32(0)), BLOCK, part.shape[1:])
            np.clip(next_part, *within, out=next_part)
        part += planes[:, rows]
        np.clip(part, least, most, out=part)
    return _picture(away), after if following is None else _picture(following)


def _still(motion: Motion) -> NDArray[np.bool_]:
    """The blocks that stand still, and with them all around: between blocks motion is between theirs."""
    moves = np.pad((motion.down != 0) | (motion.right != 0), 1)
    moves = moves[:-2] | moves[1:-1] | moves[2:]
    return np.asarray(~(moves[:, :-2] | moves[:, 1:-1] | moves[:, 2:]))


def _flashes(planes: Pixels, other: Pixels) -> bool:
    return float(np.abs(planes.mean(axis=(1, 2)) - other.mean(axis=(1, 2))).max()) > FADES


def _joined(fused: Fused, before: Pixels, share: Pixels, variance: Pixels, past: Fused, *, white: bool) -> Fused | None:
    """A frame with what another shows in its place: the planes ``before``, with that ``share`` of the noise; None where that is a
    flash, or most of it something else. ``past`` says what is usual."""
    planes, own = _planes(fused.pixels), fused.share
    expected = variance * (own + share)
    light = _light(planes, before, expected, past.wide(white)[1])
    if light is None:
        return None
    lit, apart = np.empty_like(planes), np.empty_like(planes)
    for rows in _bands(planes):
        np.subtract(planes[:, rows], light.put(before, rows, lit), out=apart[:, rows])
    change, new, usual = _change(apart, expected, past.usual, white=white)
    if new.mean() > MOST_NEW:
        return None
    if not white:
        change += np.float32(CUT_OFF) * _cut_off(planes, apart, own + share, fused.cut)
    if usual is not None:
        variance = variance * np.float32(usual[0])
    change /= variance
    change *= np.float32(TRUST) * (1 + np.float32(SURER) * change)
    prior = share + np.float32(DRIFT) + change
    if new.any():
        prior[_spread(new, BLOCK // HALF, own.shape)] = np.float32(1e6)
    gain = np.asarray(prior / (prior + own), np.float32)
    for rows in _bands(planes):
        part = apart[:, rows]
        part *= _spread(gain[rows.start // HALF : -(-rows.stop // HALF)], HALF, part.shape[1:])
        part += lit[:, rows]
    return replace(
        fused, pixels=_picture(apart), share=np.asarray(gain * own, np.float32), usual=usual, before=_picture(lit), old=share
    )


def levels(variance: Pixels, fused: Fused) -> Places:
    """The noise that is left in a fused frame, in 8-bit levels, by place; ``variance`` as of `fuse`."""
    return _in_cells(variance * fused.share)


def in_cells(sigma: Pixels) -> Places:
    """The level by place, of noise whose standard deviation at each pixel is ``sigma`` (h, w), as a share of full range."""
    return Places(255 * shrunk(sigma, CELL))


def _in_cells(variance: Pixels) -> Places:
    return Places(255 * np.sqrt(shrunk(variance, CELL // HALF)))


def in_planes(pixels: Pixels) -> Pixels:
    """The same picture (h, w, c), its channels one behind the other in memory: whoever uses it twice brings them there once."""
    return _picture(_planes(pixels))


def foresee(fused: Fused, after: Pixels, *, white: bool = True) -> Fused:
    """The same with how the frame ``after`` it (h, w, c) has moved: `fuse` takes it from there."""
    if after.shape != fused.pixels.shape or min(after.shape[:2]) < 2 * BLOCK:
        return fused
    both, noise = _levels(fused, fused.wide(white)[0])
    motion, own, there = _motion(fused, after, both, noise)
    return replace(fused, coming=Coming(motion, find(own, there, both, noise, near=back(motion))))


def beside(pixels: Pixels, variance: Pixels, fused: Fused, after: Pixels | None) -> Beside | None:
    """The frames that a network is given beside ``pixels`` (h, w, 3), a frame that was ``fused``; ``after`` is the next frame of
    the scene, which was foreseen; None where there is none. None where nothing was taken from frames before."""
    if fused.before is None or fused.old is None:
        return None
    there = None if after is None or fused.coming is None else _next(fused, fused.coming, variance, after)
    before, old = _belongs(fused.before, fused, fused.old, variance)
    next_one = fused.pixels if there is None else _belongs(there, fused, None, variance)[0]
    return Beside(pixels, before, next_one, _in_cells(variance), _in_cells(variance * old))


def _belongs(other: Pixels, fused: Fused, old: Pixels | None, variance: Pixels) -> tuple[Pixels, Pixels]:
    """A frame (h, w, c) in the place of a ``fused`` one, and the share of the noise that it has (``old``; None: all), with the
    fused frame wherever it surely shows another thing: a network believes two frames that show what is behind what passes."""
    planes, there = _planes(fused.pixels), _planes(other)
    whole = np.ones_like(fused.share) if old is None else old
    expected = shrunk(variance * (fused.share + whole), PART // HALF)
    apart = np.concatenate([shrunk(there[:, rows] - planes[:, rows], PART) for rows in _bands(planes)], axis=1)
    far = np.square(apart).max(axis=0) > np.float32(OTHER**2 / PART**2) * expected + np.float32(FAR**2)
    if not far.any():
        return other, whole
    there = there.copy()
    for rows in _bands(planes):
        here = far[rows.start // PART : -(-rows.stop // PART)]
        if here.any():
            shown = _spread(here, PART, planes[0, rows].shape)
            there[:, rows][:, shown] = planes[:, rows][:, shown]
    cells = _spread(far, PART // HALF, whole.shape)
    return _picture(there), np.where(cells, fused.share, whole)


def _motion(fused: Fused, after: Pixels, both: float, noise: float) -> tuple[Motion, Sizes, Sizes]:
    """Where each block of a frame is found in the ``fused`` one before it, and the means of the channels of both; ``both`` and
    ``noise`` as `_levels` gives them."""
    own, there = (Sizes(_mean(_planes(pixels))) for pixels in (fused.pixels, after))
    return find(there, own, both, noise * float(np.sqrt(fused.share.mean()))), own, there


def _levels(fused: Fused, wide: float) -> tuple[float, float]:
    """The standard deviation of the noise in the mean of the channels: of the difference of a fused frame and another, and of that
    other."""
    noise = wide * fused.noise / fused.pixels.shape[2]
    return float(np.sqrt(noise * (1 + fused.share.mean()))), float(np.sqrt(noise))


def _next(fused: Fused, coming: Coming, variance: Pixels, after: Pixels) -> Pixels | None:
    """The next frame as it lies in this one; None where most of it is something else, as after a cut that nobody found."""
    there = moved(_planes(after), coming.back)
    expected = shrunk(variance * (1 + fused.share), BLOCK // HALF)
    return None if (_apart(there, _planes(fused.pixels)) > 2 * expected).mean() > 2 * MOST_NEW else _picture(there)


def _apart(planes: Pixels, other: Pixels) -> Pixels:
    """The mean square of the difference of planes (c, h, w), block by block."""
    return np.concatenate([shrunk(_mean_square(planes[:, rows] - other[:, rows]), BLOCK) for rows in _bands(planes)])


def _change(
    difference: Pixels, noise: Pixels, past: tuple[float, ...] | None, *, white: bool
) -> tuple[Pixels, NDArray[np.bool_], tuple[float, ...] | None]:
    """How much of a difference (c, h, w) ``noise`` of that variance does not explain, in each cell of `HALF`; the blocks that are
    new as a whole; and what is usual."""
    channels = len(difference)
    usual: list[float] = []
    energy = np.concatenate([shrunk(_mean_square(difference[:, rows]), HALF) for rows in _bands(difference)])
    smooth, each_channel = box(noise, 5), shrunk(difference, HALF)
    planes = {"mean": [_mean(each_channel)], "colour": []}
    if channels == 3:
        planes["colour"] = [each_channel[one] - each_channel[1] for one in (0, 2)]
    change = np.zeros_like(energy)
    shown: list[float] = []
    for number, window in enumerate(WINDOWS):
        if window.of == "channels":
            found, share = [box(energy, window.second)], 1.0
        else:
            found = [_squares(plane, window) for plane in planes[window.of]]
            # The difference of two channels has twice the variance of one; half of it is how far each has changed.
            share = (0.5 if window.of == "colour" else 1 / channels) / (4 * window.first**2)
        if window.of == "colour":
            found = [np.asarray(each * np.float32(0.25)) for each in found]
        scale = 1.0
        if not white and found:
            ratio = max(float(np.median(each / smooth)) for each in found) / (window.half * share)
            shown.append(ratio)
            highest = USUAL[0 if number == 0 else 1]
            scale = float(np.clip(ratio, 1, highest if past is None else min(highest, RISE * past[number])))
        usual.append(scale)
        more = window.more if white else 1 + LOOSER * (window.more - 1) / (1 if window.second > 1 else 4)
        if white and window.of == "mean" and window.second == 1:
            # None counts for much: a small thing that is surely another is no change of all around it.
            step = window.first // 2
            usually = np.float32(share) * smooth[::step, ::step]
            many = _around(np.minimum(found[0][::step, ::step], np.float32(AT_MOST) * usually), 2 * (2 * window.first // step) + 1)
            many -= np.float32(MANY) * usually
            if many.max() > 0:
                many *= np.float32(MORE_SURE)
                np.maximum(change, _spread(many, step, change.shape), out=change)
        for each in found:
            each -= np.float32(more * scale * share) * smooth
            np.maximum(change, each, out=change)
    # Where all around is new, after a cut or in a flash, places are not weighed one by one: some look alike by chance.
    blocks = [shrunk(part, BLOCK // HALF) for part in (energy, noise)]
    most = np.float32(NEW if white else NEW_ALIKE * usual[0])
    new = (box(blocks[0], 3) > most * box(blocks[1], 3)) & (blocks[0] > most * blocks[1])
    if not white and shown[LARGE] > WIDER * max(1.0, shown[SMALL]):
        # The scene itself has changed.
        new[:] = True
    return change, new, None if white else tuple(usual)


def _cut_off(planes: Pixels, apart: Pixels, both: Pixels, cut: tuple[bool, bool]) -> Pixels:
    """The square by which the mean of noise is moved where it is ``cut`` off at black or white, the mean of the channels (c, h, w),
    in each cell of `HALF`. How strong the noise of each is there says how far two frames are ``apart``, ``both`` of which have so
    many times its variance."""
    more = CELL // HALF
    # A wide window: the next values of a camera's noise are alike, and the moves are steep.
    times = box(shrunk(both, more), 5)
    moved = np.zeros_like(times)
    for plane, difference in zip(planes, apart, strict=True):
        deviation = np.maximum(np.sqrt(box(shrunk(np.square(difference), CELL), 5) / times), np.float32(1e-4))
        light = box(shrunk(plane, CELL), 3)
        # Where noise reaches both ends, what one moves the other moves back.
        move = np.zeros_like(light)
        if cut[0]:
            move += _moved_by(light, np.float32(DARK) * deviation)
        if cut[1]:
            move -= _moved_by(1 - light, np.float32(BRIGHT) * deviation)
        moved += np.square(move)
    return _spread(moved / np.float32(len(planes)), more, (both.shape[0], both.shape[1]))


def _moved_by(near: Pixels, deviation: Pixels) -> Pixels:
    """How far the mean of noise of that ``deviation`` is moved away from an end that it is so ``near``."""
    return np.asarray(deviation * np.interp(near / deviation, *_moves()), np.float32)


@lru_cache(maxsize=1)
def _moves() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean of Gaussian noise that is cut off at 0, and how far that is above what values without noise are afterwards; both
    beside the deviation of what is left."""
    values = np.linspace(-4, 8, 1201)
    means, deviations = cut_at_zero(values)
    return means / deviations, (means - np.maximum(values, 0)) / deviations


def _around(plane: Pixels, side: int) -> Pixels:
    """The mean (h, w) of the window of ``side`` pixels (odd) around each, as far as it lies in the plane."""
    for _ in range(2):
        length = len(plane)
        sums = np.concatenate([np.zeros((1, plane.shape[1])), np.cumsum(plane, axis=0, dtype=np.float64)])
        middle = np.arange(length)
        low, high = np.maximum(middle - side // 2, 0), np.minimum(middle + side // 2 + 1, length)
        plane = ((sums[high] - sums[low]) / (high - low)[:, None]).T
    return np.asarray(plane, np.float32)


def _squares(plane: Pixels, window: _Window) -> Pixels:
    """The squared means of a plane, and their means."""
    squares = np.square(box(plane, window.first) if window.first > 1 else plane)
    return box(squares, window.second) if window.second > 1 else squares


@dataclass(frozen=True)
class _Light:
    """How a frame is made as light as another: ``factors`` and ``offsets`` of each channel (c, 1, 1), and what the blocks of a row
    differ by beyond these, where light wanders, (c, rows of blocks, width); None where they do not."""

    factors: Pixels
    offsets: Pixels
    away: Pixels | None

    def put(self, planes: Pixels, rows: slice, lit: Pixels) -> Pixels:
        """Puts these rows of ``planes`` (c, h, w) into ``lit``, as light as the other frame, and returns them."""
        part = lit[:, rows]
        more = self.offsets
        if self.away is not None:
            # The rows of blocks that these lie in, and one on each side.
            near = slice(max(0, rows.start // BLOCK - 1), rows.stop // BLOCK + 1)
            more = more + _shares(self.away.shape[1])[rows, near] @ self.away[:, near]
        if (self.factors == 1).all():
            return np.add(planes[:, rows], more, out=part)
        np.multiply(planes[:, rows], self.factors, out=part)
        part += more
        return part


@lru_cache(maxsize=4)
def _shares(blocks: int) -> Pixels:
    """The share that each row of ``blocks`` has in each row of pixels, (rows of pixels, rows of blocks)."""
    return between(np.eye(blocks, dtype=np.float32), (np.arange(blocks * BLOCK) + 0.5) / (blocks * BLOCK))


def _light(planes: Pixels, before: Pixels, expected: Pixels, wide: float) -> _Light | None:
    """How the frame ``before`` becomes as light as ``planes`` (c, h, w): contrast and lightness of each channel as a whole, as
    light fades, and then block by block, as it wanders; None for a flash, or another picture. ``wide`` is how many times as much
    noise means over blocks have as if it were white."""
    one, other = shrunk(planes, BLOCK), shrunk(before, BLOCK)
    noise = shrunk(expected, BLOCK // HALF)
    variance = noise * np.float32(wide / BLOCK**2)
    contrast = _contrast(one, other, variance)
    if contrast is None:
        return None
    factors, offsets = (part[:, None, None] for part in contrast)
    away = one - factors * other - offsets
    # A block in which other things have changed, too, has no say.
    alike = _apart(planes, before) - np.square(one - other).mean(axis=0) < 1.2 * noise
    alike &= np.abs(away).max(axis=0) < WANDERS + LIGHTER * np.sqrt(variance)
    alike = alike.astype(np.float32)
    count = np.float32(9) * box(alike, 3)
    mean = np.stack([np.float32(9) * box(part * alike, 3) for part in away]) / np.maximum(count, 1)
    # As James and Stein's estimator: what chance makes is not followed.
    mean *= np.maximum(0, 1 - 4 * variance / np.maximum(count, 1) / np.maximum(np.square(mean), 1e-12))
    mean *= count >= 2
    if not mean.any():
        return _Light(factors, offsets, None)
    across = (np.arange(planes.shape[2]) + 0.5) / (mean.shape[2] * BLOCK)
    return _Light(factors, offsets, np.stack([np.ascontiguousarray(between(part.T, across).T) for part in mean]))


def _contrast(one: Pixels, other: Pixels, variance: Pixels) -> tuple[Pixels, Pixels] | None:
    """Factor and offset of each channel that lead from the means of blocks ``other`` (c, rows, columns) to ``one``; None where they
    differ by more than light that fades."""
    factors, offsets = np.ones(len(one), np.float32), np.zeros(len(one), np.float32)
    weight = np.ones_like(variance)
    for _ in range(3):
        total = float(weight.sum())
        for channel in range(len(one)):
            means = [float((weight * part[channel]).sum()) / total for part in (one, other)]
            spread = float((weight * np.square(other[channel] - means[1])).sum()) / total
            both = float((weight * (other[channel] - means[1]) * (one[channel] - means[0])).sum()) / total
            factor = both / spread if spread > 1e-4 else 1.0
            chance = np.sqrt(float(variance.mean()) / max(total * spread, 1e-9))
            if not 1 / MOST_LIGHTER < factor < MOST_LIGHTER:
                # A flash, or another picture.
                return None
            factors[channel] = factor if abs(factor - 1) > LIGHTER * chance else 1.0
            offsets[channel] = means[0] - factors[channel] * means[1]
        apart = np.square(one - factors[:, None, None] * other - offsets[:, None, None]).mean(axis=0)
        usual = max(float(np.median(apart)), float(variance.mean()), 1e-12)
        weight = 1 / (1 + np.square(apart / (4 * usual)))
    return factors, offsets


def _bands(planes: Pixels) -> Iterator[slice]:
    """The rows of planes (c, h, w), `BAND` at a time."""
    for top in range(0, planes.shape[1], BAND):
        yield slice(top, min(top + BAND, planes.shape[1]))


def _spread(part: NDArray[Any], scale: int, shape: tuple[int, int]) -> NDArray[Any]:
    """Each value for ``scale`` pixels a side, (h, w) in all."""
    # Columns first, while there are few rows: then whole rows are repeated.
    return np.repeat(np.repeat(part, scale, 1), scale, 0)[: shape[0], : shape[1]]


def _planes(pixels: Pixels) -> Pixels:
    """A picture (h, w, c) as planes (c, h, w), one behind the other in memory."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _picture(planes: Pixels) -> Pixels:
    return planes.transpose(1, 2, 0)


def _mean(planes: Pixels) -> Pixels:
    """The mean (h, w) of planes."""
    total: Pixels = planes[0].copy()
    for plane in planes[1:]:
        total += plane
    total *= np.float32(1 / len(planes))
    return total


def _mean_square(planes: Pixels) -> Pixels:
    """The mean (h, w) of the squares of planes."""
    squares: Pixels = np.einsum("chw,chw->hw", planes, planes)
    squares *= np.float32(1 / len(planes))
    return squares
