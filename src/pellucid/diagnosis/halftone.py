"""Whether a picture is a print in dots (halftone), and how far these are apart.

A screen of dots is a square lattice: in the spectra of all windows alike there are two waves, at a right angle and equally far from
the middle, and their multiples. Bricks and windows have their waves along the axes, and more besides; cloth has them elsewhere in
each window. Checked cloth, tiled walls and woven patterns may have the same waves, but keep their shape in the light and in the
dark; dots grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lattice", "lattice"]

SIDE = 64
"""Side in pixels of the windows whose spectra are looked at."""

FEWEST, MOST = 6, 24
"""How many windows there must be, and how many are looked at."""

NEAREST, FARTHEST = 2.2, 14.5
"""Distances of the dots in pixels that are looked for."""

BUSY = 6.0
"""Standard deviation in 8-bit levels that a window must have: paper has no dots."""

ABOVE = 4.0
"""How far the power at a peak is above the usual one at its frequency (natural logarithm, median of the windows):
at most 2.2 in photographs with noise of any kind, 5 to 8 in prints."""

STRONG = 8.0
"""Amplitude in 8-bit levels that the waves must have."""

OFF_AXIS, NEAR = 3, 1.6
"""How many steps of the spectrum a wave must be away from either axis for two waves to be enough, since what is drawn stands
upright; and how near to where it should be another one is."""

ALIKE = 0.3
"""By how many steps of the spectrum a wave may be farther from the middle in one window than in another (six in ten of them):
threads of cloth are nowhere as even as a screen."""

MULTIPLES = (2 + 2j, 2 + 1j, 1 + 2j, 2 + 0j, 1 + 1j, 1 + 0j)
"""Which wave of its lattice the strongest one may be, as so many of the first and of the second, along real and imaginary."""

ORDERS = 4
"""So many times the first wave are looked for in what `_is_all` counts."""

ALL, FIRST, EQUAL = 0.7, 0.22, 0.5
"""Which share of a window's power, beyond the picture's own, an upright lattice must have, and its two first waves (medians); and
how far the powers of these may be apart (natural logarithm). Prints of light and dark tones have 0.86 to 1, 0.36 to 0.94 and 0 to
0.2; maps of tiles at most 0.26, ordered dithering 0.02 to 0.11 in its first waves, letters of one width 0.85 and more apart."""

BETWEEN, CALMER, EVEN = 0.25, 0.3, 1.7
"""The share of a spectrum's powers that lie between the waves of a lattice, and of the windows that have hardly anything else; and
how many times as strong the noise at middle frequencies may be as at high ones for it to be white, in power."""

FINER = 0.6
"""Share of the first wave's frequency below which power counts as the picture's own."""

TONES = 3.0
"""Standard deviation in 8-bit levels that the windows' means must have for anybody to see that dots grow with the light."""

GROWING = 1.2
"""By how much the crossed wave of a print falls from black to white, at least (see `_are_dots`). Thirty-five prints of two tone
ranges, with noise, JPEG and in two values, have 2.1 to 2.9; checks, grids and weaves under uneven light at most 0.14."""

SMALL = 0.42
"""How strong the crossed wave of an even tint is, at least: it is 0.48 and 0.75 where three and one and a half tenths are black, or
white, of checks and weaves next to nothing, of grids with lines up to three tenths wide at most 0.36. Nobody can tell an even tint
near one half from a weave."""


@dataclass(frozen=True)
class Lattice:
    """A picture with a lattice all over: how far its points are ``apart``, in pixels; ``dots``: whether it is a print; and the
    ``level``, in 8-bit levels, of white noise on what is woven or tiled."""

    apart: float
    dots: bool = True
    level: float | None = None


def lattice(parts: Sequence[NDArray[np.float32]], *, drawn: bool = False) -> Lattice | None:
    """The lattice in the ``parts`` (h, w, channels); None where there is none.

    Where several inks have a lattice each, the coarsest counts. ``drawn``: details recur, as they do in drawings, and in prints
    whose dots lie on the pixels; then the lattice must be nearly all that there is.
    """
    windows = [
        part[top : top + SIDE, left : left + SIDE]
        for part in parts
        for top in range(0, part.shape[0] - SIDE + 1, SIDE)
        for left in range(0, part.shape[1] - SIDE + 1, SIDE)
    ]
    windows = windows[:: max(1, len(windows) // MOST)]
    if len(windows) < FEWEST:
        return None
    cut = np.stack(windows)
    channels = cut.shape[3]
    first = _lattice(cut[..., channels // 2], drawn)
    if first is None:
        return None
    # One ink may be an even tint, which shows nothing, and another not.
    found = [first, *(_lattice(cut[..., channel], drawn) for channel in range(channels) if channel != channels // 2)]
    return max((each for each in found if each is not None and each.dots), key=lambda each: each.apart, default=first)


_hann = np.hanning(SIDE + 1)[:SIDE]
_window = np.outer(_hann, _hann).astype(np.float32)
_rows = np.fft.fftfreq(SIDE, 1 / SIDE)[:, None] * np.ones(SIDE // 2)
_columns = np.arange(SIDE // 2) * np.ones((SIDE, 1))
_places = _columns + 1j * _rows
_far = np.abs(_places)
_inside = (_far > SIDE / FARTHEST) & (_far < SIDE / NEAREST)
_rings = np.rint(_far).astype(np.intp)


def _lattice(cut: NDArray[np.float32], drawn: bool) -> Lattice | None:
    """The lattice in windows (n, `SIDE`, `SIDE`)."""
    means = cut.mean(axis=(1, 2), keepdims=True)
    values = (cut - means) * np.float32(255)
    busy = values.std(axis=(1, 2)) > BUSY
    values = values[busy]
    if len(values) < FEWEST:
        return None
    powers = np.abs(np.fft.rfft2(values * _window)[..., : SIDE // 2]) ** 2
    power = np.median(powers, axis=0)
    height = np.log(power + 1)
    usual = np.zeros(int(_rings.max()) + 1)
    for ring in np.unique(_rings):
        usual[ring] = np.median(height[np.abs(_rings - ring) <= 1])
    waves = (height - usual[_rings] > ABOVE) & (2 * np.sqrt(power) > STRONG * (SIDE / 2) ** 2)
    height = np.where(waves & _inside, height - usual[_rings], 0.0)
    row, column = (int(place) for place in np.unravel_index(int(np.argmax(height)), height.shape))
    if height[row, column] <= 0:
        return None
    strongest = _peak(np.log(power + 1), row, column)
    for multiple in MULTIPLES:
        wave = strongest / multiple
        if abs(wave) > SIDE / FARTHEST and waves[_near(wave)].any() and waves[_near(1j * wave)].any():
            break
    else:
        return None
    low, high = np.quantile(_middles(powers, row, column), (0.2, 0.8))
    if high - low > ALIKE * abs(multiple):
        return None
    upright = min(abs(wave.real), abs(wave.imag)) < OFF_AXIS
    nothing_else = _is_all(powers, wave)
    if (upright or drawn) and not nothing_else:
        return None
    if _are_dots(values, means[busy, 0, 0], wave):
        return Lattice(SIDE / abs(wave))
    return Lattice(SIDE / abs(wave), dots=False, level=_floor(powers)) if nothing_else else None


def _near(wave: complex) -> NDArray[np.bool_]:
    """Where in a spectrum (rows, columns) this wave is, or, which is the same, its negative."""
    answer: NDArray[np.bool_] = np.minimum(np.abs(_places - wave), np.abs(_places + wave)) < NEAR
    return answer


def _is_all(powers: NDArray[np.float32], wave: complex) -> bool:
    """Whether spectra (n, rows, columns) have hardly more than the lattice of this wave and the one at a right angle to it, the two
    of them equally strong."""
    fine = _far > FINER * abs(wave)
    orders = [complex(first, second) for first in range(ORDERS + 1) for second in range(-ORDERS, ORDERS + 1) if first or second]
    lattice = np.any([_near(wave * order) for order in orders], axis=0) & fine
    first = (_near(wave) | _near(1j * wave)) & fine
    whole = np.maximum(powers[:, fine].sum(axis=1), 1e-9)
    share, of_first = (np.median(powers[:, there].sum(axis=1) / whole) for there in (lattice, first))
    one, other = (np.log(powers[:, _near(each)].mean(axis=1) + 1) for each in (wave, 1j * wave))
    return bool(share > ALL and of_first > FIRST and np.median(np.abs(one - other)) < EQUAL)


def _are_dots(values: NDArray[np.float32], means: NDArray[np.float32], wave: complex) -> bool:
    """Whether the lattice of this wave in windows ``values`` (n, rows, columns) is one of dots that grow with the ``means`` of the
    windows, or, where these are alike, of small ones.

    The crossed waves run along the sum and the difference of the lattice's own two; counted is how strong they are beside these,
    and whether they raise the peaks (1) or the hollows (-1). Small white dots have nothing but peaks, small black ones nothing but
    hollows, and half and half is a chessboard, which has neither.
    """
    one, other = _strength(values, wave), _strength(values, 1j * wave)
    own = np.maximum(np.abs(one * other) ** 1.5, 1e-9)
    sums = _strength(values, wave + 1j * wave) * np.conj(one * other)
    differences = _strength(values, wave - 1j * wave) * np.conj(one) * other
    crossed = (sums + differences).real / (2 * own)
    if 255 * float(means.std()) <= TONES:
        return abs(float(np.median(crossed))) > SMALL
    return -float(np.polyfit(means, crossed, 1)[0]) > GROWING


def _strength(values: NDArray[np.float32], wave: complex) -> NDArray[np.complex128]:
    """Amplitude and phase of a wave in windows (n, rows, columns)."""
    down, across = (np.exp(-2j * np.pi * np.arange(SIDE) * steps / SIDE) * _hann for steps in (wave.imag, wave.real))
    answer: NDArray[np.complex128] = down @ values @ across
    return answer


def _floor(powers: NDArray[np.float32]) -> float | None:
    """The level in 8-bit levels of the white noise between the waves of spectra (n, rows, columns); None where it is not white."""
    # The power of white noise has an exponential distribution.
    low = -np.log(1 - BETWEEN)
    middle, high = (
        float(np.quantile(np.quantile(powers[:, ring], BETWEEN, axis=1), CALMER)) / low
        for ring in ((_far > SIDE / 8) & (_far < SIDE / 3.2), _far > SIDE / 3)
    )
    if not 1 / EVEN < middle / max(high, 1e-9) < EVEN:
        return None
    return float(np.sqrt(high / np.square(_window, dtype=np.float64).sum()))


def _peak(height: NDArray[np.floating], row: int, column: int) -> complex:
    """Where the wave at a peak of a spectrum's logarithm is, between its steps, columns along real: a parabola's, either way."""

    def at(down: int, right: int) -> float:
        # A real picture's spectrum has the negatives of its frequencies, too.
        return float(height[down % SIDE, right] if right >= 0 else height[-down % SIDE, -right])

    middle, shifts = at(row, column), []
    for down, right in ((0, 1), (1, 0)):
        before, after = at(row - down, column - right), at(row + down, min(column + right, SIDE // 2 - 1))
        shifts.append(0.5 * (before - after) / min(before - 2 * middle + after, -1e-6))
    return complex(_columns[row, column] + shifts[0], _rows[row, column] + shifts[1])


def _middles(powers: NDArray[np.float32], row: int, column: int) -> NDArray[np.float64]:
    """How far from the middle of each window's spectrum (n, rows, columns) the wave is, between its steps."""
    places = np.ix_(np.arange(row - 1, row + 2) % SIDE, np.arange(max(column - 1, 0), min(column + 2, SIDE // 2)))
    weights = np.sqrt(powers[:, places[0], places[1]]).astype(np.float64)
    answer: NDArray[np.float64] = np.abs((weights * _places[places]).sum(axis=(1, 2))) / np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    return answer
