"""Whether the pixels that stand out are dots that were drawn, in a few colours, and no impulses.

Impulses of any value have any colour. Dots have those of a palette, off by noise, or by what a JPEG left of them; hot pixels and
salt and pepper are off by nothing. Drops and twigs in photographs have few colours, too, so the ground must be of one colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis.neighbours import COUNTED, eight, median, some

__all__ = ["dotted", "smoothed"]

FAR, BEYOND = 0.15, 5.0
"""How far from the median of its neighbours a dot is in a channel at least, in shares of full range; and in standard deviations of
the noise."""

FEWEST, LEAST, ASKED = 12, 1e-3, 400
"""How many such pixels there must be, and which share of all; and how many are asked, about."""

BETWEEN, FADING = 0.6, 0.5
"""From which share of that distance on pixels are between dots and ground, and how many times as many as dots there may be, besides
those that noise of this level puts there: noise that is stronger at some places has many more, since it fades out."""

RADIUS, WIDER = 24 / 255, 1.5
"""How far a colour may be from one of the palette, in each channel; and in standard deviations of the noise, besides."""

COLOURS, MOSTLY, GRAYS, MOSTLY_GRAY = 8, 0.6, 2, 0.8
"""How many colours a palette has, and the share of the dots that must have one; the same for gray. By chance eight such colours are
those of an eighth of all impulses, and two grays of a third."""

GROUND, WIDE, SPARE = 0.75, 1.15, 1 / 255
"""Which share of the pixels must have the colour of the ground, within three standard deviations; how many times as far they may
be from it as neighbours are from one another, in standard deviations; and by how much farther. Drawn ground with noise or JPEG was
0.3 to 1.2 times as wide; in photographs with noise of 15 with drops, twigs or birds on it 1.26 and more."""

ALIKE = 0.2
"""The correlation of pixels of the ground with their neighbours from which their noise was smoothed."""

MEDIANS = 1.1
"""How many standard deviations of the noise a pixel and the median of its neighbours differ by."""

QUARTILE, NORMAL = 0.75, 1.15
"""A quantile of the absolute values of a normal variable, and how many standard deviations it is."""

EXACT = 0.5
"""Share of the dots that may be exactly black or white in all channels. All hot pixels, and all of salt and pepper, are."""


def dotted(parts: Sequence[NDArray[np.float32]], level: float) -> bool:
    """Whether what stands out in the ``parts`` (h, w, channels), with noise of this ``level`` (8-bit levels), are drawn dots."""
    if not _grounded(parts):
        return False
    least = np.float32(max(FAR, BEYOND * level / 255))
    found, pixels, between = [], 0, 0
    for part in some(parts, COUNTED):
        if min(part.shape[:2]) < 3:
            continue
        off = np.zeros((part.shape[0] - 2, part.shape[1] - 2), np.float32)
        for channel in range(part.shape[2]):
            plane = part[..., channel]
            np.maximum(off, np.abs(plane[1:-1, 1:-1] - median(eight(plane, 1))), out=off)
        out = off > least
        found.append(part[1:-1, 1:-1][out])
        pixels += out.size
        between += int((off > BETWEEN * least).sum() - out.sum())
    colours = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
    if len(colours) < max(FEWEST, LEAST * pixels):
        return False
    by_chance = parts[0].shape[2] * erfc(BETWEEN * float(least) / max(level / 255, 1e-6) / MEDIANS / sqrt(2)) * pixels
    if between - 2 * by_chance > FADING * len(colours):
        return False
    if float(((colours <= 0) | (colours >= 1)).all(axis=1).mean()) > EXACT:
        return False
    colours = colours[:: -(-len(colours) // ASKED)]
    apart = np.abs(colours[:, None] - colours[None]).max(axis=2)
    near = apart < RADIUS + WIDER * level / 255
    count, share = (COLOURS, MOSTLY) if colours.shape[1] > 1 else (GRAYS, MOSTLY_GRAY)
    left = np.ones(len(colours), bool)
    for _ in range(count):
        # The colour that most of the others have.
        left &= ~near[int((near & left).sum(axis=1).argmax())]
    return bool(1 - left.mean() > share)


def _grounded(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether most pixels have one colour, but for noise."""
    looked = [part[:: max(1, len(part) // 64)] for part in parts]
    pixels = np.concatenate([part.reshape(-1, part.shape[2]) for part in looked])
    off = np.abs(pixels - np.median(pixels, axis=0))
    steps = np.concatenate([np.abs(np.diff(part, axis=1)).reshape(-1, part.shape[2]) for part in looked])
    # Of ground that is clipped half have no noise.
    wide, noise = np.quantile(off, QUARTILE, axis=0) / NORMAL, np.quantile(steps, QUARTILE, axis=0) / (NORMAL * np.sqrt(2))
    if (wide > WIDE * noise + SPARE).any():
        return False
    return bool((off < 3 * (wide + SPARE)).all(axis=1).mean() > GROUND)


def smoothed(parts: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the noise of the ground goes on from pixel to pixel, as a JPEG leaves it, which keeps a quarter of the colours."""
    products = energy = 0.0
    for part in parts:
        planes = part if part.shape[2] == 1 else part[..., ::2] - part[..., 1:2]
        off = planes - np.median(planes, axis=(0, 1))
        # Dots and what is beside them are no ground.
        near = np.abs(off) < 3 * np.quantile(np.abs(off), QUARTILE) / NORMAL + SPARE
        pairs = near[:, 1:] & near[:, :-1]
        products += float((off[:, 1:] * off[:, :-1] * pairs).sum())
        energy += float((np.square(off[:, 1:]) * pairs).sum())
    return products > ALIKE * energy > 0
