"""Whether a picture has blotches of colour: noise of a few pixels and more in width that its luma has not.

The colours of a clean picture change where its light does, or along a line between two colours. Noise in colour does neither: it
is in both directions of the colour plane, and as much of it in calm tiles as in others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid.images import LUMA
from pellucid.maps import Blotches

__all__ = ["measured"]

TILE, CELL = 64, 4
"""Sides in pixels of the tiles that are compared, and of the cells whose means are transformed."""

BANDS = ((3, 5), (5, 9), (9, 16))
"""Half waves in a tile, from and below: waves of about 32, 18 and 10 pixels."""

QUANTILE = 0.1
"""The share of the tiles that has less: texture adds to the others."""

FEWEST, MANY = 12, 50
"""How many tiles there must be, and of how many windows about they are looked at."""

WEIGHTS, ENOUGH = (4.0, 2.0, -3.3), 15.0
"""Weights of the logarithms (to base 2) of the three bands' levels, and from which sum on there are blotches. The greatest sum
of 150 photographs at half size, 48 whole ones and 540 with white noise, grain, a camera's noise or JPEG was 14.8; more than nine in
ten of 240 with blotches of level 11 and Gaussian windows of 3 to 8 pixels have more."""

MOST, ALIKE = 0.9, 2.6
"""At this share of the tiles the lowest band may be so many times as strong as at `QUANTILE`: noise is everywhere, coloured things
are not. Nine in ten of the made ones had less than 2.3, as one in ten of photographs had that nearly reach `ENOUGH`. No
blotches are found in any of 1,075 photographs, whole and at half size."""

SUDDEN = 5.0
"""The kurtosis of the steps from cell to cell, in the tiles that have least, from which colour changes suddenly: in squares and
other drawn things of one colour most steps are none, and the others large. Gaussian noise has 3."""

LEAST = 0.2
"""Level in 8-bit levels below which a band counts as this."""

WHITE, CHANCE = 0.85, 0.03
"""The variance of white noise in the lesser direction of colour, as a share of its variance in a channel; and how much is
left of it at least where it is taken away: it was measured, too."""

SHARE = 0.7
"""The level as a share of the level of the lowest band: 0.65 to 0.75 for made blotches with windows of 3 to 8 pixels."""

BROAD = 1.75
"""How many times as strong the lowest band is as the next from which blotches are looked for at an eighth of the size, else at a
quarter: for Gaussian windows of 4.5 pixels. The file for processed noise learnt from windows of about a pixel; at the better of the
two sizes it gained 4 to 10 dB on six photographs, at the other one up to 4 less."""


def _transform() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The cosine transform of a tile's cells along one side, and the weights (bands, rows, columns) of the bands' means."""
    count = TILE // CELL
    frequency = np.arange(count)
    matrix = np.sqrt(2 / count) * np.cos(np.pi * (2 * frequency[None] + 1) * frequency[:, None] / (2 * count))
    matrix[0] /= np.sqrt(2)
    far = np.hypot(frequency[:, None], frequency[None])
    inside = np.stack([(far >= least) & (far < most) for least, most in BANDS])
    return matrix.astype(np.float32), (inside / inside.sum(axis=(1, 2), keepdims=True)).astype(np.float32)


_matrix, _bands = _transform()


def measured(parts: Sequence[NDArray[np.float32]], sigma: float = 0.0) -> Blotches | None:
    """The blotches in the ``parts`` (h, w, 3), which have white noise of ``sigma`` (8-bit levels) besides; None where there are
    none."""
    if parts[0].shape[2] != 3:
        return None
    cells = _cells(parts[:: -(-len(parts) // MANY)])
    if len(cells) < FEWEST:
        return None
    tiles = _variances(cells)
    white = (sigma / CELL) ** 2
    calm = np.maximum(np.quantile(tiles, QUANTILE, axis=0) - WHITE * white, CHANCE * white)
    level = np.maximum(np.sqrt(np.maximum(calm, 0)), LEAST)
    most = float(np.sqrt(np.quantile(tiles[:, 0], MOST)))
    if np.array(WEIGHTS) @ np.log2(level) < ENOUGH or most > ALIKE * level[0]:
        return None
    if np.quantile(_suddenness(cells), QUANTILE) > SUDDEN:
        return None
    return Blotches(SHARE * float(level[0]), 8 if level[0] > BROAD * level[1] else 4)


def _cells(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The means of the cells of each tile of the ``parts`` (h, w, 3), (tiles, 3, rows, columns), in 8-bit levels: luma, and how far
    blue and red are from it."""
    count = TILE // CELL
    found = []
    for part in parts:
        rows, columns = (side // TILE for side in part.shape[:2])
        if not rows or not columns:
            continue
        cut = part[: rows * TILE, : columns * TILE]
        # Sums of slices: many times as fast as the mean of a view with five axes.
        down = cut[0::CELL] + cut[1::CELL] + cut[2::CELL] + cut[3::CELL]
        small = (down[:, 0::CELL] + down[:, 1::CELL] + down[:, 2::CELL] + down[:, 3::CELL]) * np.float32(255 / CELL**2)
        luma = small @ np.array(LUMA, np.float32)
        planes = np.stack([luma, small[..., 2] - luma, small[..., 0] - luma])
        found.append(planes.reshape(3, rows, count, columns, count).transpose(1, 3, 0, 2, 4).reshape(-1, 3, count, count))
    return np.concatenate(found) if found else np.zeros((0, 3, count, count), np.float32)


def _variances(cells: NDArray[np.float32]) -> NDArray[np.float64]:
    """For each tile of ``cells``, and each band, the variance of colour in its lesser direction, of what does not follow the luma,
    (tiles, bands), in squared 8-bit levels of a cell."""
    waves = _matrix @ cells @ _matrix.T
    products = {
        pair: np.tensordot(waves[:, pair[0]] * waves[:, pair[1]], _bands, axes=((1, 2), (1, 2))).astype(np.float64)
        for pair in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
    }
    light = np.maximum(products[0, 0], 1e-6)
    blue = products[1, 1] - products[0, 1] ** 2 / light
    red = products[2, 2] - products[0, 2] ** 2 / light
    both = products[1, 2] - products[0, 1] * products[0, 2] / light
    answer: NDArray[np.float64] = (blue + red) / 2 - np.sqrt(np.square(blue - red) / 4 + np.square(both))
    return answer


def _suddenness(cells: NDArray[np.float32]) -> NDArray[np.float64]:
    """For each tile of ``cells`` the kurtosis of the steps of its colours from cell to cell."""
    colours = cells[:, 1:].astype(np.float64)
    steps = np.concatenate([np.diff(colours, axis=axis).reshape(len(cells), -1) for axis in (2, 3)], axis=1)
    squares = np.square(steps)
    answer: NDArray[np.float64] = np.square(squares).mean(axis=1) / np.maximum(np.square(squares.mean(axis=1)), 1e-9)
    return answer
