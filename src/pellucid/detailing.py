"""Fine detail of a restored picture, made stronger or fainter: what lies between it and itself smoothed, edges left out.

The smoothed picture is that of a guided filter whose guide is the picture itself (He, Sun and Tang, "Guided Image Filtering", IEEE
TPAMI 2013): it keeps edges, so that making the rest stronger draws no halos beside them. The layer is that of the luma, and added
to all channels alike: colours stay.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pellucid import images, maps
from pellucid.tiling import Place

__all__ = ["REACH", "detailed"]

Planes = NDArray[np.float32]

WINDOW = 5
"""Side in pixels of the filter's windows: detail is what is finer."""

REACH = 2 * (WINDOW // 2)
"""Pixels around a piece on which its output depends: two means, one after the other."""

FAINT = np.float32((8 / 255) ** 2)
"""Variance of a window, in [0, 1], at which half of what varies there is detail: that of texture with a deviation of 8 levels. In a
window with an edge, of 40 levels and more, less than a twentieth is."""


def detailed(piece: Callable[[Planes, Place, Planes], Planes], amount: float, planes: Planes, place: Place, room: Planes) -> Planes:
    """The output of ``piece`` with ``amount`` times its fine detail: 1 leaves it, 0 takes it away, 2 makes it twice as strong."""
    output = piece(planes, place, room)
    luma: Planes = output[0] if len(output) == 1 else np.tensordot(images.LUMA, output, axes=1).astype(np.float32)
    mean = maps.box_mean(luma, WINDOW)
    variance = np.maximum(maps.box_mean(np.square(luma), WINDOW) - np.square(mean), 0)
    slope = np.asarray(variance / (variance + FAINT), dtype=np.float32)
    smooth = maps.box_mean(slope, WINDOW) * luma + maps.box_mean(mean - slope * mean, WINDOW)
    return np.asarray(output + np.float32(amount - 1) * (luma - smooth), dtype=np.float32)
