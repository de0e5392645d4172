"""Which noise is in an image, and how much: measured from the image alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.images import Pixels

__all__ = ["gaussian_sigma"]

SIDE = 8
"""Side of the blocks in pixels."""

STEP = 3
"""Blocks begin at every third pixel: an odd step meets every phase of a regular texture and of a JPEG's 8x8 grid."""

LOW, HIGH = 9, 10
"""Coefficients of order (row + column) 1 to LOW tell how busy a block is; those from HIGH on are measured."""

CALM_SHARE = 0.05
FEWEST = 600
"""Share of the blocks that is measured, the calmest; and how many at least: 600 blocks of 15 coefficients give about 1 %."""

MOST_BLOCKS = 100_000
"""Of a large image, so many blocks evenly spread: more change the answer by less than a hundredth and cost time."""


def gaussian_sigma(pixels: Pixels) -> float:
    """Standard deviation of the white Gaussian noise in ``pixels`` (height, width, channels), in 8-bit levels.

    The quadratic mean of the channels. Blocks are transformed by a cosine transform, under which white noise stays white:
    what the low coefficients of a block say of its texture is independent of the noise in the high ones. So the blocks with
    the least energy at low frequencies are chosen without bias, and the noise is the median over the high coefficients of
    their mean square. After the block-DCT estimators of Ponomarenko et al. ("An automatic approach to lossy compression of
    AVIRIS images", IGARSS 2007).

    An image with a side under 16 pixels answers 0: too small to measure.
    """
    height, width, channels = pixels.shape
    if min(height, width) < 2 * SIDE:
        return 0.0
    variances = [_variance(pixels[..., channel]) for channel in range(channels)]
    return float(np.sqrt(np.mean(variances)))


def _variance(plane: NDArray[np.float32]) -> float:
    windows = np.lib.stride_tricks.sliding_window_view(plane, (SIDE, SIDE))
    # Small images are measured at every pixel: they have too few blocks to leave any out.
    step = STEP if windows.shape[0] * windows.shape[1] > 4 * STEP * STEP * FEWEST else 1
    while (windows.shape[0] // step) * (windows.shape[1] // step) > MOST_BLOCKS:
        step += 2
    blocks = windows[::step, ::step].reshape(-1, SIDE * SIDE) * np.float32(255)
    usable = blocks[_unclipped(blocks)]
    if len(usable) < 60:
        # Nearly all of it is black or white; what noise there was cannot be told from what is left.
        return 0.0
    order, transform = _cosine_transform()
    coefficients = usable @ transform.T
    busy = np.square(coefficients[:, (order >= 1) & (order <= LOW)]).sum(axis=1)
    count = min(len(busy), max(FEWEST, int(CALM_SHARE * len(busy))))
    calm = np.argpartition(busy, count - 1)[:count]
    energies = np.square(coefficients[calm][:, order >= HIGH]).mean(axis=0)
    return float(np.median(energies))


def _cosine_transform() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The order of each coefficient and the orthonormal two-dimensional DCT-II as a matrix on flattened blocks."""
    frequency, place = np.arange(SIDE)[:, None], np.arange(SIDE)[None]
    single = np.sqrt(2 / SIDE) * np.cos(np.pi * (2 * place + 1) * frequency / (2 * SIDE))
    single[0] /= np.sqrt(2)
    order = (np.arange(SIDE)[:, None] + np.arange(SIDE)[None]).ravel()
    return order, np.kron(single, single).astype(np.float32)


def _unclipped(blocks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Blocks with at most a twentieth of their values heaped at either end of the range, where clipping hides noise.

    Values beyond the ends show that nothing was clipped (float images may leave the range): then every block counts.
    """
    if (blocks < 0).any() or (blocks > 255).any():
        return np.ones(len(blocks), dtype=np.bool_)
    heaped = (blocks <= 0) | (blocks >= 255)
    kept: NDArray[np.bool_] = heaped.mean(axis=1) <= 0.05
    return kept
