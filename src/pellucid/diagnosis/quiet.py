"""Whether a picture has places too quiet for the noise that was measured.

White noise is in every window of three by three pixels. Where many of them are far quieter than it would make them, what was
measured was something else: the letters of a page, most often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid.maps import Curve

__all__ = ["Windows", "faintest", "level", "refutes", "windows"]

Windows = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]
"""The answer of `windows`: standard deviation, mean, and count of black and white values of each window."""

WINDOWS = 40_000
"""How many windows are looked at, about."""

ENDS = 4
"""How many of a window's nine values may be black or white: clipping takes noise away."""

LEAST = 0.3
"""Standard deviation in 8-bit levels below which a window is no place of noise, but flat."""

QUIET = 0.15
"""Share of the noise's standard deviation below which a window is too quiet. A window of white noise is so once in a million; half
clipped, once in a thousand; and where the noise is a quarter of what it is elsewhere, once in a hundred."""

MOST = 0.08
"""Share of windows that may be too quiet. In six photographs with noise of 3 to 50 at one level none was."""

BETWEEN = 12.0
"""Standard deviation in 8-bit levels below which a window has no impulse of any value, as a rule. With 30 and 50 % of impulses, 9
and 1 % of the windows of photographs were so: three times as many as have none."""

HALF, MOST_HALF = 0.5, 0.25
"""The same for noise that grows with the light, which is known at each place: of photographs with photon noise or speckle, at most
8 % of the windows had less than half."""

LEFT = 0.62
"""Share of its standard deviation that noise has left around white, or black, in windows of which half is clipped."""

CALM = 1.8
"""How many times the level the standard deviation of a window may be that still counts as noise alone."""


def windows(parts: Sequence[NDArray[np.float32]]) -> Windows:
    """Standard deviation, in 8-bit levels, mean, as a share of full range, and count of black and white values of windows that are
    neither clipped nor flat."""
    pixels = sum(part.size for part in parts)
    step = max(2, round(float(np.sqrt(pixels / WINDOWS))))
    deviations, means, counts = [], [], []
    for part in parts:
        views = np.lib.stride_tricks.sliding_window_view(part, (3, 3), axis=(0, 1))[::step, ::step]
        nine = views.reshape(-1, 9).astype(np.float64)
        spread = 255 * nine.std(axis=1)
        ends = ((nine <= 0) | (nine >= 1)).sum(axis=1)
        good = (ends <= ENDS) & (spread > LEAST)
        deviations.append(spread[good])
        means.append(nine.mean(axis=1)[good])
        counts.append(ends[good])
    return np.concatenate(deviations), np.concatenate(means), np.concatenate(counts)


def refutes(looked: Windows, curve: Curve, density: float) -> bool:
    """Whether more windows are too quiet than noise of this ``curve``, and impulses of this ``density``, explain."""
    spread, light, _ = looked
    if len(spread) < WINDOWS // 100:
        return False
    if density > 0:
        # Windows without any impulse, three times as many as there would be.
        return float((spread < BETWEEN).mean()) > 3 * (1 - density) ** 9 + MOST
    noise = 255 * np.sqrt(curve.variance(light))
    if not curve.flat:
        return float((spread < HALF * noise).mean()) > MOST_HALF
    return float((spread < QUIET * noise).mean()) > MOST


def faintest(looked: Windows, curve: Curve) -> float:
    """The level, in 8-bit levels, of noise of this ``curve`` where it is faintest. In photographs with photon noise or speckle the
    quietest windows had 1.9 to 4.2 times as much; in letters, which look like such noise, a tenth to three quarters."""
    _, light, _ = looked
    return 255 * float(np.sqrt(np.quantile(curve.variance(light), 0.05))) if len(light) else 0.0


def level(looked: Windows) -> float:
    """The level of white noise, in 8-bit levels, that the quietest windows have; infinite where no window says anything, as in
    pictures of nothing but black and white."""
    spread, _, ends = looked
    if not len(spread):
        return np.inf
    found = float(np.quantile(spread, 0.05)) / 0.6
    calm = spread < CALM * found
    for _ in range(8):
        found = float(np.sqrt(np.square(spread[calm]).mean() * 9 / 8))
        calm = spread < CALM * found
    return found / LEFT if float(ends[calm].mean()) > 2 else found
