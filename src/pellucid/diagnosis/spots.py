"""Few impulses of any value, on a picture without other noise: they show by themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid import maps
from pellucid.diagnosis.neighbours import COUNTED, some
from pellucid.diagnosis.stars import are_stars, spread
from pellucid.maps import Spots

__all__ = ["MOST_SPOTS", "measured"]

SPOT, STEEP, STEEPER, HARDLY = 0.15, 3.0, 4.0, 1.0
"""How far from all but one of the 24 pixels around it an impulse on a clean picture is at least, in shares of full range; and as
a multiple of what these span, where one channel is struck alone, and where all are; the last one texture has, too."""

ALONE, ALL, PURE = 1e-4, 1.2e-4, 0.2
"""The shares of such pixels from which there are impulses, and how many of those that texture has, too, they are then. The worst
of 215 clean pictures had 5e-5 struck alone, and 2.3e-4 that were a seventh of them."""

FEWEST_SPOTS = 6
"""How many such pixels there must be at least for them to be impulses."""

MOST_SPOTS = 0.04
"""The share of the pixels from which they are not few: a dark picture of few photons has as many."""

COMPANY, NEARLY, ACCOMPANIED, ASKED = 6, 0.4, 0.6, 400
"""How many pixels away on each side a stroke is looked for that has the value of such a pixel, but for this share of how far that
is off; how many of them may have one; and how many are asked. On photographs with 0.05 to 2 % of hot ones at most 0.43 had
one, nine in ten less than 0.3; of the dots and ends of letters, after JPEG or with faint noise, at least 0.72."""

HIDDEN = 0.55
"""Which share of the impulses is seen so, about: others are too near to what is around them, or in texture."""


def measured(parts: Sequence[NDArray[np.float32]]) -> Spots | None:
    """Few impulses of any value on a picture without other noise, in all channels or in one alone; None where there are none."""
    pixels = alone = steep = hardly = wide = count = 0
    beside: list[NDArray[np.bool_]] = []
    lone: list[NDArray[np.bool_]] = []
    for part in some(parts, COUNTED):
        planes = part.transpose(2, 0, 1)
        struck_alone, struck, texture = [], [], []
        for channel in range(len(planes)):
            rows, columns, beyond, span, lonely = maps.candidates(planes, channel, SPOT, 1)
            chosen = np.flatnonzero(beyond > STEEP * span)
            wide += spread(planes[channel], rows[chosen], columns[chosen])
            count += len(chosen)
            beside.append(_in_company(planes[channel], rows[chosen], columns[chosen]))
            lone.append(lonely[chosen[:: _every(len(chosen))]])
            struck_alone.append(int(np.count_nonzero(lonely & (beyond > STEEP * span))))
            struck.append(int(np.count_nonzero(beyond > STEEPER * span)))
            texture.append(int(np.count_nonzero(beyond > HARDLY * span)))
        alone += sum(struck_alone) if len(planes) > 1 else 0
        steep += max(struck)
        hardly += max(texture)
        pixels += part.shape[0] * part.shape[1]
    if alone > max(ALONE * pixels, FEWEST_SPOTS) and alone > steep / 2:
        found = Spots(alone / pixels / HIDDEN, alone=True)
    elif steep > max(ALL * pixels, FEWEST_SPOTS) and steep > PURE * hardly:
        found = Spots(steep / pixels / HIDDEN)
    else:
        return None
    accompanied = np.concatenate(beside)
    if found.alone and parts[0].shape[2] > 1:
        accompanied = accompanied[np.concatenate(lone)]
    few = found.share < MOST_SPOTS and accompanied.mean() < ACCOMPANIED and not are_stars(wide, count)
    return found if few else None


def _every(count: int) -> int:
    """One of so many is asked of this ``count``."""
    return -(-max(count, 1) // ASKED)


def _in_company(plane: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the pixels that stand out, or of every so many of them, have their value in common with a stroke near by: with a
    pixel that does not stand out itself."""
    framed, out = np.pad(plane, COMPANY, mode="symmetric"), np.zeros(plane.shape, bool)
    out[rows, columns] = True
    out = np.pad(out, COMPANY)
    chosen = slice(None, None, _every(len(rows)))
    places = np.arange(2 * COMPANY + 1)
    down, right = np.ix_(places, places)
    windows = rows[chosen, None, None] + down, columns[chosen, None, None] + right
    values, here = framed[windows], plane[rows[chosen], columns[chosen]]
    near = values[:, COMPANY - 2 : COMPANY + 3, COMPANY - 2 : COMPANY + 3].reshape(-1, 25)
    off = np.abs(here - np.median(near, axis=1))
    alike = np.abs(values - here[:, None, None]) < np.float32(NEARLY) * off[:, None, None]
    answer: NDArray[np.bool_] = (alike & ~out[windows]).any(axis=(1, 2))
    return answer
