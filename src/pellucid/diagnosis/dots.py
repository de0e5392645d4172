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

COLOURS, MOSTLY, GRAYS, MOSTLY_GRAY, BY_CHANCE = 8, 0.6, 2, 0.8, 0.6
"""How many colours a palette has, and the share of the dots that must have one; the same for gray, with half of that radius less.
By chance eight such colours are those of an eighth of all impulses; and of how many two grays may be at most, for them to tell."""

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

SOFT, FLANKS, ASIDE = 0.3, (0.12, 0.75), 3
"""How many more of the dots may have a pixel beside them whose value lies so far on the way from the ground to theirs, than one so
many pixels farther off, as noise makes some. At most a quarter of squares of 1 to 3 pixels with noise of up to 15, or JPEG of that,
had one; stars and fluorescent dots, whose light a lens spreads, 0.38 to 0.85."""

HALF = 0.674
"""The median of the absolute values of a normal variable, in standard deviations: `QUARTILE` of one of which half was clipped."""

SEVERAL = 1 / 3
"""Which share of the dots in colour must be off in more than one channel: hot pixels, and impulses in each channel by itself, are
off in one."""

EXACT = 0.5
"""Share of the dots that may be exactly black or white in all channels. All hot pixels, and all of salt and pepper, are."""


def dotted(parts: Sequence[NDArray[np.float32]], level: float) -> bool:
    """Whether what stands out in the ``parts`` (h, w, channels), with noise of this ``level`` (8-bit levels), are drawn dots."""
    width = _grounded(parts)
    if width is None:
        return False
    least = np.float32(max(FAR, BEYOND * level / 255, BEYOND * width))
    found, pixels, between, several, soft, flanks = [], 0, 0, 0, 0, 0
    for part in some(parts, COUNTED):
        if min(part.shape[:2]) <= 2 * ASIDE:
            continue
        inner = slice(ASIDE, -ASIDE)
        far = np.zeros((part.shape[0] - 2 * ASIDE, part.shape[1] - 2 * ASIDE), np.float32)
        channels = np.zeros(far.shape, np.int64)
        for channel in range(part.shape[2]):
            plane = part[..., channel]
            ground = median(eight(plane, 1))[ASIDE - 1 : 1 - ASIDE, ASIDE - 1 : 1 - ASIDE]
            off = np.abs(plane[inner, inner] - ground)
            np.maximum(far, off, out=far)
            out = off > least
            channels += out
            rows, columns = np.nonzero(out)
            soft += _beside(plane, ground[out], rows, columns, 1) - _beside(plane, ground[out], rows, columns, ASIDE)
            flanks += len(rows)
        out = far > least
        found.append(part[inner, inner][out])
        pixels += out.size
        between += int((far > BETWEEN * least).sum() - out.sum())
        several += int(np.count_nonzero(channels >= min(2, part.shape[2])))
    colours = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
    if len(colours) < max(FEWEST, LEAST * pixels) or several < SEVERAL * len(colours) or soft > SOFT * flanks:
        return False
    by_chance = parts[0].shape[2] * erfc(BETWEEN * float(least) / max(level / 255, 1e-6) / MEDIANS / sqrt(2)) * pixels
    if between - 2 * by_chance > FADING * len(colours):
        return False
    if float(((colours <= 0) | (colours >= 1)).all(axis=1).mean()) > EXACT:
        return False
    colours = colours[:: -(-len(colours) // ASKED)]
    near, count, share = RADIUS + WIDER * level / 255, COLOURS, MOSTLY
    # Gray impulses in a picture of three channels have few colours among all that there are.
    if float((np.ptp(colours, axis=1) < near).mean()) > MOSTLY_GRAY:
        near, count, share = near - RADIUS / 2, GRAYS, MOSTLY_GRAY
        if 2 * near * count > BY_CHANCE * (1 - 2 * least):
            return False
    alike = np.abs(colours[:, None] - colours[None]).max(axis=2) < near
    left = np.ones(len(colours), bool)
    for _ in range(count):
        # The colour that most of the others have.
        left &= ~alike[int((alike & left).sum(axis=1).argmax())]
    return bool(1 - left.mean() > share)


def _beside(
    plane: NDArray[np.float32], ground: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], step: int
) -> int:
    """How many dots of a ``plane``, at these ``rows`` and ``columns`` from `ASIDE` on, have a pixel so many steps up, down, left
    or right whose value is between theirs and that of their ``ground``."""
    rows, columns = rows + ASIDE, columns + ASIDE
    size = plane[rows, columns] - ground
    between = np.zeros(len(rows), bool)
    for down, right in ((0, step), (0, -step), (step, 0), (-step, 0)):
        way = (plane[rows + down, columns + right] - ground) / size
        between |= (way > FLANKS[0]) & (way < FLANKS[1])
    return int(np.count_nonzero(between))


def _grounded(parts: Sequence[NDArray[np.float32]]) -> float | None:
    """The standard deviation of the noise on the ground, in shares of full range, where most pixels have one colour, but for noise;
    None elsewhere."""
    looked = [part[:: max(1, len(part) // 64)] for part in parts]
    pixels = np.concatenate([part.reshape(-1, part.shape[2]) for part in looked])
    middle = np.median(pixels, axis=0)
    off = np.abs(pixels - middle)
    steps = np.concatenate([np.abs(np.diff(part, axis=1)).reshape(-1, part.shape[2]) for part in looked])
    # Half of a clipped ground has no noise.
    wide, noise = np.quantile(off, QUARTILE, axis=0) / NORMAL, np.quantile(steps, QUARTILE, axis=0) / (NORMAL * np.sqrt(2))
    if (wide > WIDE * noise + SPARE).any():
        return None
    if (off < 3 * (wide + SPARE)).all(axis=1).mean() <= GROUND:
        return None
    return float(np.where((middle <= 0) | (middle >= 1), wide * NORMAL / HALF, wide).max())


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
