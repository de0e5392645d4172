"""Whether a picture repeats itself more exactly than the noise that was measured lets it: tiles, patterns, small dithering.

White noise never comes again: two patches of it differ by twice its variance, wherever they are. Where a picture has many pairs of
patches, one distance apart, that differ by much less, what was measured was the pattern, and these pairs tell the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import Curve

__all__ = ["FINE", "Repeats", "again", "level", "of"]

NEAREST, FARTHEST = 4, 40
"""Distances in pixels, down or across, between which a pattern is looked for: what is nearer is alike in any picture."""

ALIKE = 0.08
"""How far the picture's finest detail must agree with itself at such a distance (1: it is the same). Strong noise on photographs
agrees by chance, up to 0.03; tiles of six kinds by a sixth."""

BEYOND = 8.0
"""How many times as far as chance leads it on average, which is one by the root of the number of pixels, the finest detail must
agree with itself at some distance to come again: of some thousand distances the farthest has five."""

MOSTLY = 0.3
"""How far it must agree for the picture to be a pattern, mostly."""

FINE, LINES, MORE = 1.25, 0.3, 1.2
"""How much of the variance of white noise is in the finest detail, and at least how much of that of rows or columns; and how many
times as much as there is they must make to be refuted."""

SIDES = ((8, 0.75, 0.0), (4, 0.5, 0.05))
"""Sides in pixels of the patches that are compared; the share of the level that was measured which their pairs must stay below, to
refute it; and how many of all patches must have one. Chance makes more of small ones alike."""

HEAPED = 0.1
"""Share of a patch's values at either end of the range from which it says nothing: clipping took noise away."""

FEWEST, MOST = 0.004, 1.6
"""Which share of the pairs must be as near as the noise lets them, and how many times the mean of these a difference may be."""


@dataclass(frozen=True)
class Repeats:
    """How a picture's finest detail agrees with itself: its variance, ``energy``, of which noise is a part; and what of it is there
    again, ``down`` and ``right`` of where it is, as a share of full range squared, at all distances that are looked at."""

    energy: float
    products: NDArray[np.float64]

    @property
    def lag(self) -> tuple[int, int] | None:
        """The distance, down and right, at which it agrees most; None where it hardly does."""
        best = int(np.argmax(self.products))
        down, right = np.unravel_index(best, self.products.shape)
        if self.energy <= 0 or self.products.ravel()[best] < ALIKE * self.energy:
            return None
        return int(down), int(right) - self.products.shape[1] // 2

    @property
    def pattern(self) -> bool:
        """Whether most of what is fine is a pattern."""
        return bool(self.products.max() > MOSTLY * self.energy > 0)

    @property
    def most(self) -> float:
        """The variance that white noise has at most: it never comes again."""
        return max(0.0, self.energy - float(self.products.max())) / FINE

    def refute(self, sigma: float, rows: float, columns: float) -> bool:
        """Whether white noise of ``sigma``, and ``rows`` and ``columns`` that are lighter and darker by chance, all in shares of
        full range, are more than what does not come again down and right."""
        both = np.delete(self.products[1:], self.products.shape[1] // 2, axis=1)
        left = self.energy - float(both.max())
        return self.pattern and FINE * sigma**2 + LINES * (rows**2 + columns**2) > MORE * left


def again(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the ``parts`` (h, w, channels) have anything that comes again oftener than chance lets it."""
    repeats = of(parts)
    if repeats is None:
        return False
    chance = BEYOND / np.sqrt(sum(part[..., 0].size for part in parts))
    return bool(repeats.products.max() > max(ALIKE, chance) * repeats.energy > 0)


def level(parts: Sequence[NDArray[np.float32]], curve: Curve, repeats: Repeats | None) -> float | None:
    """The level in 8-bit levels of white noise on a pattern that repeats itself, where that refutes noise of this ``curve``; None
    where it does not, or where none repeats itself."""
    lag = None if repeats is None else repeats.lag
    if lag is None:
        return None
    for side, less, fewest in SIDES:
        found = _repeated(parts, curve, lag, side)
        if found is not None and found[0] <= less**2 and found[2] >= fewest:
            return found[1]
    return None


def _repeated(
    parts: Sequence[NDArray[np.float32]], curve: Curve, lag: tuple[int, int], side: int
) -> tuple[float, float, float] | None:
    """How much variance the patches of this ``side`` have that are there again, as a share of what the ``curve`` says, the level in
    8-bit levels that makes, and the share of all patches that they are; None where there are none."""
    down, right = lag
    patches = 0
    energies, shares = [], []
    for part in parts:
        height, width = part.shape[0] - down, part.shape[1] - abs(right)
        if min(height, width) < side:
            continue
        first = part[:height, max(0, -right) :][:, :width]
        second = part[down:, max(0, right) :][:, :width]
        apart = _patches(np.square((first - second) * np.float32(255)), side)
        free = _patches((first <= 0) | (first >= 1), side) <= HEAPED
        patches += len(free)
        energies.append(apart[free])
        shares.append(apart[free] / np.maximum(2 * 255**2 * curve.variance(_patches(first, side)[free]), 1e-3))
    if not sum(map(len, energies)):
        return None
    energy, share = np.concatenate(energies), np.concatenate(shares)
    found = float(np.quantile(share, FEWEST))
    for _ in range(8):
        near = share <= MOST * found
        found = float(share[near].mean())
    if near.mean() < FEWEST:
        return None
    return found, float(np.sqrt(energy[near].mean() / 2)), np.count_nonzero(near) / patches


def _patches(values: NDArray[Any], side: int) -> NDArray[np.floating[Any]]:
    """The means of (h, w, channels) in patches, all in one row."""
    rows, columns = values.shape[0] // side, values.shape[1] // side
    cut = values[: rows * side, : columns * side].reshape(rows, side, columns, side, -1)
    answer: NDArray[np.floating[Any]] = cut.mean(axis=(1, 3, 4)).ravel()
    return answer


def of(parts: Sequence[NDArray[np.float32]]) -> Repeats | None:
    """How the ``parts`` (h, w, channels) repeat themselves; None where they are too small."""
    side = min(min(part.shape[:2]) for part in parts)
    reach = min(FARTHEST, side // 2)
    if reach <= NEAREST:
        return None
    products = np.zeros((reach + 1, 2 * reach + 1))
    energy, count = 0.0, 0
    for part in parts:
        plane = part[..., part.shape[2] // 2].astype(np.float64)
        fine = plane[1:-1, 1:-1] - (plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]) / 4
        shape = fine.shape[0] + reach, fine.shape[1] + reach
        power = np.square(np.abs(np.fft.rfft2(fine, shape)))
        whole = np.fft.irfft2(power, shape)
        energy += float(whole[0, 0])
        count += fine.size
        room = np.outer(1 - np.arange(reach + 1) / fine.shape[0], 1 - np.abs(np.arange(-reach, reach + 1)) / fine.shape[1])
        products += whole[: reach + 1][:, np.arange(-reach, reach + 1)] / room
    down, right = np.indices(products.shape)
    right = right - reach
    products[(down < NEAREST) & (np.abs(right) < NEAREST)] = -np.inf
    products[(down == 0) & (right < 0)] = -np.inf
    return Repeats(energy / count, products / count)
