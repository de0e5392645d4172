"""Whether a picture repeats itself more exactly than the noise that was measured lets it: tiles, patterns, small dithering.

White noise never comes again: two patches of it differ by twice its variance, wherever they are. Where a picture has many pairs of
patches, one distance apart, that differ by much less, what was measured was the pattern, and these pairs tell the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import Curve

__all__ = ["level"]

NEAREST, FARTHEST = 4, 40
"""Distances in pixels, down or across, between which a pattern is looked for: what is nearer is alike in any picture."""

ALIKE = 0.08
"""How far the picture's finest detail must agree with itself at such a distance (1: it is the same). Strong noise on photographs
agrees by chance, up to 0.03; tiles of six kinds by a sixth."""

SIDE = 8
"""Side in pixels of the patches that are compared."""

LESS = 0.75
"""Share of the level that was measured which these pairs must stay below, to refute it."""

HEAPED = 0.1
"""Share of a patch's values at either end of the range from which it says nothing: clipping took noise away."""

FEWEST, MOST = 0.004, 1.6
"""Which share of the pairs must be as near as the noise lets them, and how many times the mean of these a difference may be."""


def level(parts: Sequence[NDArray[np.float32]], curve: Curve) -> float | None:
    """The level in 8-bit levels of white noise on a pattern that repeats itself, where that refutes noise of this ``curve``; None
    where it does not, or where none repeats itself."""
    lag = _lag(parts)
    if lag is None:
        return None
    down, right = lag
    energies, shares = [], []
    for part in parts:
        height, width = part.shape[0] - down, part.shape[1] - abs(right)
        if min(height, width) < SIDE:
            continue
        first = part[:height, max(0, -right) :][:, :width]
        second = part[down:, max(0, right) :][:, :width]
        apart = _patches(np.square((first - second) * np.float32(255)))
        free = _patches((first <= 0) | (first >= 1)) <= HEAPED
        energies.append(apart[free])
        shares.append(apart[free] / np.maximum(2 * 255**2 * curve.variance(_patches(first)[free]), 1e-3))
    if not sum(map(len, energies)):
        return None
    energy, share = np.concatenate(energies), np.concatenate(shares)
    found = float(np.quantile(share, FEWEST))
    for _ in range(8):
        near = share <= MOST * found
        found = float(share[near].mean())
    if near.mean() < FEWEST or found > LESS**2:
        return None
    return float(np.sqrt(energy[near].mean() / 2))


def _patches(values: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """The means of (h, w, channels) in patches, all in one row."""
    rows, columns = values.shape[0] // SIDE, values.shape[1] // SIDE
    cut = values[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, -1)
    answer: NDArray[np.floating[Any]] = cut.mean(axis=(1, 3, 4)).ravel()
    return answer


def _lag(parts: Sequence[NDArray[np.float32]]) -> tuple[int, int] | None:
    """The distance, down and right, at which the finest detail agrees most with itself; None where it hardly does."""
    side = min(min(part.shape[:2]) for part in parts)
    reach = min(FARTHEST, side // 2)
    if reach <= NEAREST:
        return None
    products = np.zeros((reach + 1, 2 * reach + 1))
    energy = 0.0
    for part in parts:
        plane = part[..., part.shape[2] // 2].astype(np.float64)
        fine = plane[1:-1, 1:-1] - (plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]) / 4
        shape = fine.shape[0] + reach, fine.shape[1] + reach
        power = np.square(np.abs(np.fft.rfft2(fine, shape)))
        whole = np.fft.irfft2(power, shape)
        energy += float(whole[0, 0])
        room = np.outer(1 - np.arange(reach + 1) / fine.shape[0], 1 - np.abs(np.arange(-reach, reach + 1)) / fine.shape[1])
        products += whole[: reach + 1][:, np.arange(-reach, reach + 1)] / room
    down, right = np.indices(products.shape)
    right = right - reach
    products[(down < NEAREST) & (np.abs(right) < NEAREST)] = -np.inf
    products[(down == 0) & (right < 0)] = -np.inf
    best = int(np.argmax(products))
    if energy <= 0 or products.ravel()[best] < ALIKE * energy:
        return None
    return int(down.ravel()[best]), int(right.ravel()[best])
