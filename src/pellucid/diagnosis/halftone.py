"""Whether a picture is a print in dots (halftone), and how far these are apart.

A screen of dots is a square lattice, turned against the pixels: in the spectra of all windows alike there are two peaks, at a right
angle and equally far from the middle. Bricks and windows have their peaks on the axes, cloth has them elsewhere in each window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["pitch"]

SIDE = 64
"""Side in pixels of the windows whose spectra are looked at."""

FEWEST, MOST = 6, 24
"""How many windows there must be, and how many are looked at."""

NEAREST, FARTHEST = 2.2, 12.0
"""Distances of the dots in pixels that are looked for."""

BUSY = 6.0
"""Standard deviation in 8-bit levels that a window must have: paper has no dots."""

ABOVE = 4.0
"""How far the power at a peak is above the usual one at its frequency (natural logarithm, median of the windows). Of photographs
with noise of any kind at most 2.2, of prints 5 to 8."""

STRONG = 8.0
"""Amplitude in 8-bit levels that the waves must have."""

OFF_AXIS, NEAR = 3, 1.6
"""How many steps of the spectrum a peak must be away from either axis, since what is drawn stands upright; and how near to where it
should be the other one is."""

ALIKE = 0.3
"""By how many steps of the spectrum a peak may be farther from the middle in one window than in another (six in ten of them):
threads of cloth are nowhere as even as a screen."""


def pitch(parts: Sequence[NDArray[np.float32]]) -> float | None:
    """How far the dots of a print are apart in the ``parts`` (h, w, channels), in pixels; None where there are none.

    Of several inks, each with a lattice of its own, the coarsest.
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
    first = _lattice(cut[..., channels // 2])
    if first is None or channels == 1:
        return first
    found = [first, *(_lattice(cut[..., channel]) for channel in range(channels) if channel != channels // 2)]
    return max(apart for apart in found if apart is not None)


_hann = np.hanning(SIDE + 1)[:SIDE]
_window = np.outer(_hann, _hann).astype(np.float32)
_rows = np.fft.fftfreq(SIDE, 1 / SIDE)[:, None] * np.ones(SIDE // 2)
_columns = np.arange(SIDE // 2) * np.ones((SIDE, 1))
_far = np.hypot(_rows, _columns)
_inside = (_far > SIDE / FARTHEST) & (_far < SIDE / NEAREST)
_rings = np.rint(_far).astype(np.intp)


def _lattice(cut: NDArray[np.float32]) -> float | None:
    """The pitch of the lattice in windows (n, `SIDE`, `SIDE`)."""
    values = (cut - cut.mean(axis=(1, 2), keepdims=True)) * np.float32(255)
    values = values[values.std(axis=(1, 2)) > BUSY]
    if len(values) < FEWEST:
        return None
    powers = np.abs(np.fft.rfft2(values * _window)[..., : SIDE // 2]) ** 2
    power = np.median(powers, axis=0)
    height = np.log(power + 1)
    usual = np.zeros(int(_rings.max()) + 1)
    for ring in np.unique(_rings):
        usual[ring] = np.median(height[np.abs(_rings - ring) <= 1])
    waves = (height - usual[_rings] > ABOVE) & (2 * np.sqrt(power) > STRONG * (SIDE / 2) ** 2)
    upright = np.minimum(np.abs(_rows), _columns) < OFF_AXIS
    height = np.where(waves & _inside & ~upright, height - usual[_rings], 0.0)
    row, column = (int(place) for place in np.unravel_index(int(np.argmax(height)), height.shape))
    if height[row, column] <= 0:
        return None
    first = float(_rows[row, column]), float(_columns[row, column])
    if not _wave(waves, -first[1], first[0]):
        return None
    exact = _middles(powers, row, column)
    low, high = np.quantile(exact, (0.2, 0.8))
    if high - low > ALIKE:
        return None
    far = float(np.median(exact))
    half = (first[0] - first[1]) / 2, (first[0] + first[1]) / 2
    if _wave(waves, *half) and _wave(waves, -half[1], half[0]):
        # Those were the diagonals of the lattice.
        far /= np.sqrt(2)
    return SIDE / far


def _wave(waves: NDArray[np.bool_], row: float, column: float) -> bool:
    """Whether there is a wave near these frequencies, or, which is the same, near their negatives."""
    if column < 0:
        row, column = -row, -column
    return bool(waves[np.hypot(_rows - row, _columns - column) < NEAR].any())


def _middles(powers: NDArray[np.float32], row: int, column: int) -> NDArray[np.float64]:
    """How far from the middle of each window's spectrum (n, rows, columns) the peak is, between its steps."""
    places = np.ix_(np.arange(row - 1, row + 2) % SIDE, np.arange(column - 1, min(column + 2, SIDE // 2)))
    weights = np.sqrt(powers[:, places[0], places[1]]).astype(np.float64)
    down, right = ((weights * each[places]).sum(axis=(1, 2)) for each in (_rows, _columns))
    answer: NDArray[np.float64] = np.hypot(down, right) / np.maximum(weights.sum(axis=(1, 2)), 1e-9)
    return answer
