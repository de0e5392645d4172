"""Pixels that were replaced: black and white ones are counted, ones of any value show as unlike all their neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import erfc

import numpy as np
from numpy.typing import NDArray

from pellucid import maps
from pellucid.maps import Extremes, Spots

__all__ = ["STEPS", "TAILS", "beyond", "counted", "differing", "extremes", "outliers", "photon_step", "spots", "stand_alone"]

CELL = 32
"""Side in pixels of the cells in which black and white pixels are counted."""

FEWEST = 0.002
"""Share of pixels, black and white each, below which there are no impulses."""

DARK = 0.25
"""How far the darkest (brightest) value of a picture may be from the end of the range to be that of its impulses."""

NEAR = 0.06
"""Values so near to an end that do not reach it are counted beside those at the end."""

CONTINUOUS = 1e-3
"""How near to an end the next value must be for values to be continuous: counts of photons are not."""

APART = 0.2
"""How far from an end all but one of a pixel's four neighbours are at least, for a pixel at the end, or near it, to be counted as
standing alone."""

FEW, FEW_ALONE, MANY_ALONE = 0.15, (0.1, 0.25, 4.0), (0.25, 0.25, 3.0)
"""`NEAR`, `APART` and `SPIKE` where one end alone seems to be struck: below the share `FEW`, and above. Strong noise that was
clipped has many pixels there, and as many farther off; texture has few."""

OTHERS = 0.05
"""How many pixels that are far from their neighbours there may be beside three times as many as impulses of one end."""

MOST_ALONE, TOGETHER_ALONE = 0.5, 0.25
"""The most pixels that are impulses of one end alone, since counts of few photons and dark pictures have more at black; and the
correlation that neighbours may have in that."""

SPIKE = 4.0
"""How many times as many lonely pixels must be at an end as near it: noise that was clipped there has about as many at either."""

TOGETHER = 2.0
"""How many times likelier than by chance the neighbour of a black (white) pixel may be black (white) as well: in pictures of black
and white things it is many times likelier."""

STEPS = (0.03, 0.06, 0.1, 0.15, 0.22, 0.3, 0.45, 0.6)
"""The differences from the median of the neighbours beyond which `outliers` counts."""

TAILS = (0.8, 0.9, 0.95, 0.98, 0.99)
"""The shares of these differences whose bound `outliers` gives, as a multiple of the median one: of noise alone they hardly depend
on its level, impulses on top of it make them longer."""

FINEST = 0.002
"""Added to these bounds: half a level of 8 bits, below which nothing differs."""

BEYOND = 4.5
"""How many standard deviations of the noise a pixel is from the median of its neighbours at least for `counted`."""

FAR, FARTHEST = 0.35, 0.6
"""Least distance from that median for `counted`, in shares of full range, since nearer values may be the picture's own; and the
largest that is asked for, since few impulses are farther: the number of pixels that stronger noise puts there is subtracted."""

AROUND = 1.1
"""How many times as far from the median of its neighbours as from the truth noise is."""

BESIDE = 2.5
"""How many times likelier than by chance the neighbour of a pixel so far off may be so far off as well. On 26 held-out photographs
with 5 to 30 % of impulses on top of noise it was 0.8 to 2.0 times, in ten pages of text without any 2.9 to 16 times."""

BEYOND_ALL, AGREE = 0.6, 0.5
"""How far a pixel that is far off must be beyond all but one of its eight neighbours on that side, as a share of the least distance
that counts as far; and how far these may be apart, but for the highest and the lowest, as a share of its own distance: then it
stands alone."""

DENSITIES, ALONE_OF_FAR = (0.1, 0.2, 0.3, 0.5, 1.0), (0.37, 0.33, 0.26, 0.14, 0.09)
"""At these shares of impulses, how many of the pixels that are far off must stand alone. On photographs, with noise of
0 to 20 besides, at least 0.50, 0.62, 0.52 and 0.24 of them did at the first four; of letters, screens and hatching at most 0.35."""

SPREAD, APART_OF, STARS = 0.12, 3, 0.05
"""How far, as a share of how far a pixel stands out, one beside it must stand out the same way to be part of the same star; at
which distance in pixels others are asked the same, since texture and noise put as many there; and how many more, as a share of the
pixels that stand out, there may be beside than there (and as much as chance makes of it). Impulses of 0.2 to 20 % on photographs
with noise of 0 to 25 had 0.08 fewer to 0.02 more, stars narrower than a pixel 0.11 to 0.94 more."""

ALIKE = 3.0
"""How many times as many pixels as at the other end there may be at one with stars for those at both to be taken away. On a sky
with 200 to 2,000 stars and 0.5 or 2 % of impulses the output was 0.1 to 10 dB better than the picture up to 2.5 times, and 2 worse
at 7."""

MANY = 24
"""How many different values counts of few photons have at most: impulses of any value have more."""

ROUNDED = 1 / 255
"""How far such values may be from multiples of their step: they were rounded to 8 bits, perhaps."""

ROWS, COUNTED = 16_000, 150_000
"""Pixels that `outliers` looks at, about, and `counted`."""

REGULAR = 1.6
"""How many times as often as on average two lonely black or white pixels may be at some distance: those of dithering and tiles keep
to a few, impulses to none."""

LAGS = 8
"""The distances that are looked at, in pixels, down and across."""

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

BAND = 32
"""Rows that the latter takes together: what is beside one another matters."""


def extremes(parts: Sequence[NDArray[np.float32]]) -> Extremes | None:
    """The black and white impulses in the ``parts`` (h, w, channels each); None where there are none.

    Impulses are everywhere alike, black and white areas are not: the share is that of the quarter of cells with the least. That
    quarter must show what chance makes of it, too: pixels at an end beside one another no oftener than that. Lonely ones must be
    at the ends, not near them.
    """
    ends = [float(min(part.min() for part in parts)), float(max(part.max() for part in parts))]
    unclipped = ends[0] < 0 or ends[1] > 1
    if unclipped:
        # Noise beyond the range was not clipped; impulses on top of it are exactly black and white.
        ends = [0.0, 1.0]
    found = _shares(parts, ends, unclipped)
    if found is None and parts[0].shape[2] > 1:
        # Each channel struck on its own: a pixel is one as soon as one of its channels is.
        each = [
            _shares([part[..., channel : channel + 1] for part in parts], ends, unclipped) for channel in range(parts[0].shape[2])
        ]
        struck = [shares for shares in each if shares is not None]
        if len(struck) == len(each):
            # Struck together, they are fewer pixels.
            pixels = sum(part[..., 0].size for part in parts)
            low, high = (
                min(
                    1 - float(np.prod([1 - shares[side] for shares in struck])),
                    float(sum(np.count_nonzero((part == np.float32(ends[side])).any(axis=2)) for part in parts) / pixels),
                )
                for side in (0, 1)
            )
            # Few hot pixels of one channel each leave the other channels as they were: `spots` knows which.
            found = (low, high) if min(low, high) > 0 or max(low, high) >= MOST_SPOTS else None
    if found is None or any(share > 0 and _regular(parts, value) for value, share in zip(ends, found, strict=True)):
        return None
    found = _without_stars(found, _glitter(parts))
    if found is None:
        return None
    # More than all pixels are not struck.
    most = min(1.0, 1 / max(found[0] + found[1], 1e-6))
    return Extremes(found[0] * most, found[1] * most, ends[0], ends[1])


def _regular(parts: Sequence[NDArray[np.float32]], value: float) -> bool:
    """Whether pixels of this value keep certain distances, as they do in dithering, tiles and chessboards, and never by chance."""
    counts = np.zeros((LAGS + 1, 2 * LAGS + 1))
    room = np.zeros_like(counts)
    for part in _some(parts, COUNTED):
        struck = (part == np.float32(value)).all(axis=2)
        inside = struck[1:-1, 1:-1].copy()
        # Lonely ones: those of black and white areas keep together.
        for down, right in ((0, 1), (2, 1), (1, 0), (1, 2)):
            inside &= ~struck[down : down + inside.shape[0], right : right + inside.shape[1]]
        if min(inside.shape) <= 4 * LAGS:
            continue
        for down in range(LAGS + 1):
            for right in range(-LAGS, LAGS + 1):
                first = inside[down:, max(right, 0) : inside.shape[1] + min(right, 0)]
                second = inside[: inside.shape[0] - down, max(-right, 0) : inside.shape[1] - max(right, 0)]
                counts[down, LAGS + right] += np.count_nonzero(first & second)
                room[down, LAGS + right] += first.size
    # The same pair is no other one, and lonely pixels that are near have neighbours in common.
    below, beside = np.indices(counts.shape)
    far = (below + np.abs(beside - LAGS) > 2) & ((below > 0) | (beside > LAGS))
    if not room[far].all():
        return False
    rates = counts[far] / room[far]
    most = int(np.argmax(rates))
    expected = float(rates.mean()) * float(room[far][most])
    return bool(counts[far][most] > REGULAR * expected + 6 * np.sqrt(expected) + 4)


def spots(parts: Sequence[NDArray[np.float32]]) -> Spots | None:
    """Few impulses of any value on a picture without other noise, in all channels or in one alone; None where there are none."""
    pixels = alone = steep = hardly = wide = count = 0
    beside: list[NDArray[np.bool_]] = []
    lone: list[NDArray[np.bool_]] = []
    for part in _some(parts, COUNTED):
        planes = part.transpose(2, 0, 1)
        struck_alone, struck, texture = [], [], []
        for channel in range(len(planes)):
            rows, columns, beyond, span, lonely = maps.candidates(planes, channel, SPOT, 1)
            chosen = np.flatnonzero(beyond > STEEP * span)
            wide += _spread(planes[channel], rows[chosen], columns[chosen])
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
    few = found.share < MOST_SPOTS and accompanied.mean() < ACCOMPANIED and not _are_stars(wide, count)
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


def _shares(parts: Sequence[NDArray[np.float32]], ends: Sequence[float], whole: bool) -> tuple[float, float] | None:
    """The shares of black and of white impulses that replace all channels of a pixel; None where there are none.

    One end alone may be struck. Both are easier to believe: noise and texture put lonely pixels at one end or the other.
    """
    pixels = sum(part.size for part in parts)
    # Most pictures have no more to look at.
    there = [
        within and sum(np.count_nonzero(part == np.float32(value)) for part in parts) >= FEWEST / 2 * pixels
        for value, within in zip(ends, (ends[0] <= DARK, ends[1] >= 1 - DARK), strict=True)
    ]
    alone = not all(there)
    low, high = (
        _share(parts, value, inward, whole, alone) if some else 0.0
        for value, inward, some in zip(ends, (1, -1), there, strict=True)
    )
    fewer, more = sorted((low, high))
    if fewer >= FEWEST and more <= 2 * fewer:
        return low, high
    if more == 0:
        return None
    by_itself = (low, high) if alone else _each_alone(parts, ends, whole, (low, high))
    if max(by_itself) >= FEWEST and differing(parts, FAR) > OTHERS + 3 * max(by_itself):
        # Impulses of any value, or strong noise, some of which are at an end.
        by_itself = (0.0, 0.0)
    most = max(by_itself)
    # Whether each may be true, and its result; the first that is counts.
    verdicts = (
        # The end with more would be believed by itself.
        (most >= max(FEWEST, more), (low, high)),
        # Black or white areas may fill even the quarter with the least.
        (fewer >= FEWEST, (fewer, fewer)),
        (most >= FEWEST, by_itself),
    )
    return next((shares for true, shares in verdicts if true), None)


def _each_alone(
    parts: Sequence[NDArray[np.float32]], ends: Sequence[float], whole: bool, shares: tuple[float, float]
) -> tuple[float, float]:
    """Those of the ``shares`` at either end that would be believed if that end alone were struck; 0 for others."""
    low, high = (
        share if share > 0 and _share(parts, value, inward, whole, alone=True) > 0 else 0.0
        for value, inward, share in zip(ends, (1, -1), shares, strict=True)
    )
    return low, high


def _share(parts: Sequence[NDArray[np.float32]], value: float, inward: int, whole: bool, alone: bool) -> float:
    """The share of pixels that are impulses of this value; 0 where what is there is no work of chance.

    ``whole``: whether values beyond the range show that nothing was clipped. ``alone``: whether there may be none at the other end.
    """
    struck = [(part == np.float32(value)).all(axis=2) if part.shape[2] > 1 else part[..., 0] == np.float32(value) for part in parts]
    count = np.concatenate([_cells(there) for there in struck])
    if len(count) < 8 or count.mean() < FEWEST / 2:
        return 0.0
    # The quarter with the least: in most pictures nothing there is quite black or white, and nothing else need be looked at.
    least = count <= np.quantile(count, 0.25)
    low = float(count[least].mean())
    if (low < FEWEST / 4 and not whole) or (alone and low > MOST_ALONE):
        return 0.0
    inside = _inside(parts, value, inward)
    if inside is None:
        return 0.0
    if whole and not alone and inside < CONTINUOUS:
        # No value of unclipped noise is exactly black or white by chance.
        return float(np.mean(np.concatenate([there.ravel() for there in struck])))
    pairs = np.concatenate([_cells(np.pad(there[:, 1:] & there[:, :-1], ((0, 0), (1, 0)))) for there in struck])
    pair = float(pairs[least].mean())
    if pair > TOGETHER * max(low, FEWEST) ** 2 + 0.002 or (alone and pair > low**2 + TOGETHER_ALONE * low * (1 - low) + 0.002):
        return 0.0
    near, apart_by, spike = (NEAR, APART, SPIKE) if not alone else FEW_ALONE if low < FEW else MANY_ALONE
    if inside < near or sum(len(np.unique(part)) for part in _some(parts, ROWS)) <= MANY:
        # Photon counts of a dim picture have few levels: the next one counts as near.
        near = max(near, 1.5 * inside)
    lonely = lonely_near = 0
    for part, there in zip(parts, struck, strict=True):
        around, apart = np.ones_like(there), np.ones_like(there)
        for channel in range(part.shape[2]):
            distance = (part[..., channel] - np.float32(value)) * np.float32(inward)
            around &= distance < np.float32(near)
            apart &= _second_nearest(distance) > apart_by
        lonely += int(np.count_nonzero(there & apart))
        lonely_near += int(np.count_nonzero(around & apart & ~there))
    if lonely < max(1, spike * lonely_near):
        return 0.0
    # The choice of the lowest quarter lowers the mean: that of a normal variable below its quarter is -1.27.
    share = low
    for _ in range(3):
        share = min(1.0, low + 1.27 * float(np.sqrt(max(share * (1 - share), 1e-9) / CELL**2)))
    # Where every cell has the same, the quarter is not the lowest of a spread.
    return min(share, float(np.median(count)) * 1.02) if np.median(count) > 0 else share


def _inside(parts: Sequence[NDArray[np.float32]], value: float, inward: int) -> float | None:
    """How far from the end the nearest value that is not at it lies; None where there is none."""
    end = np.float32(value)
    found = [part[part > end].min(initial=np.inf) if inward > 0 else part[part < end].max(initial=-np.inf) for part in parts]
    nearest = float(min(found) if inward > 0 else max(found))
    return abs(nearest - value) if np.isfinite(nearest) else None


def _second_nearest(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """The second smallest of the four pixels beside each: small where the pixel is in an area of small ones, whatever struck
    there."""
    framed = np.pad(plane, 1, mode="edge")
    above, below, left, right = framed[:-2, 1:-1], framed[2:, 1:-1], framed[1:-1, :-2], framed[1:-1, 2:]
    answer: NDArray[np.float32] = np.minimum(
        np.maximum(np.minimum(above, below), np.minimum(left, right)),
        np.minimum(np.maximum(above, below), np.maximum(left, right)),
    )
    return answer


def _cells(plane: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The share of true pixels in each whole cell; of a smaller part, in all of it."""
    rows, columns = plane.shape[0] // CELL, plane.shape[1] // CELL
    if not rows or not columns:
        return np.array([plane.mean()])
    whole = plane[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL)
    return np.asarray(whole.mean(axis=(1, 3), dtype=np.float64).ravel())


def beyond(parts: Sequence[NDArray[np.float32]]) -> float:
    """The share of values beyond black and white, which only noise that was not clipped has."""
    outside = sum(np.count_nonzero((part < -0.01) | (part > 1.01)) for part in parts)
    return outside / sum(part.size for part in parts)


def photon_step(parts: Sequence[NDArray[np.float32]]) -> float:
    """The value of one photon, where values are few and whole multiples of it, as those of a camera that counts photons; else 0.

    An ink and its paper are two values, too, and whole multiples: see `pellucid.diagnosis.clipped.counted`.
    """
    # Every other row has them all, and most pictures need not be looked at to the end.
    values = np.zeros(0, dtype=np.float32)
    for part in parts:
        rows = part[::2, :, part.shape[2] // 2]
        for sample in (rows[:: max(1, len(rows) // 8)], rows):
            values = np.union1d(values, sample)
            if len(values) > MANY:
                return 0.0
    if len(values) < 2:
        return 0.0
    # Not every count need be there; and each is rounded.
    numbers = np.rint(values / np.median(np.diff(values)))
    step = float((values * numbers).sum() / max(float(np.square(numbers).sum()), 1))
    if not step > 4 * ROUNDED:
        return 0.0
    off = values - step * np.rint(values / step)
    return step if float(np.abs(off).max()) <= ROUNDED else 0.0


def outliers(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """How pixels differ from the median of their eight neighbours: the logarithms of the shares that do by more than each of
    `STEPS` (to base 10), and of the bounds of `TAILS` (to base 2).

    The middle one of three channels is taken: an impulse replaces all of them.
    """
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    found = np.abs(
        np.concatenate(
            [np.zeros(1), *((middle - around).ravel() for middle, around in _with_medians(parts, max(1, pixels // ROWS)))]
        )
    )
    shares = np.array([np.mean(found > step) for step in STEPS])
    middle, *bounds = np.quantile(found, (0.5, *TAILS))
    return np.concatenate([np.log10(shares + 1e-4), np.log2((np.array(bounds) + FINEST) / (middle + FINEST))])


def differing(parts: Sequence[NDArray[np.float32]], least: float) -> float:
    """The share of pixels that differ by at ``least`` so much, as a share of full range, from the median of their neighbours."""
    pixels = sum(part.shape[0] * part.shape[1] for part in parts)
    shares = [np.abs(middle - around).ravel() > least for middle, around in _with_medians(parts, max(1, pixels // ROWS))]
    return float(np.concatenate(shares).mean()) if shares else 0.0


def counted(parts: Sequence[NDArray[np.float32]], sigma: float) -> float:
    """The share of pixels that are impulses of any value, on top of noise of ``sigma`` (8-bit levels); 0 where chance made none.

    From those farther from the median of their neighbours than the noise moves any, and how likely an impulse, anywhere in [0, 1]
    alike, is so far from there. Letters and other fine things are far, too, but beside one another.
    """
    far = _least_far(sigma)
    chance = erfc(far / (AROUND * sigma / 255) / np.sqrt(2)) if sigma > 0 else 0.0
    beyond = likely = pixels = beside = pairs = 0.0
    for middle, around in _with_medians(_some(parts, COUNTED), 1):
        there = np.abs(middle - around) > far
        beyond += float(np.count_nonzero(there))
        likely += float((np.clip(around - far, 0, 1) + np.clip(1 - around - far, 0, 1)).sum(dtype=np.float64))
        pixels += there.size
        beside += float(np.count_nonzero(there[:, 1:] & there[:, :-1]) + np.count_nonzero(there[1:] & there[:-1]))
        pairs += there[:, 1:].size + there[1:].size
    if not likely or not pairs or beside / pairs > BESIDE * (beyond / pixels) ** 2:
        return 0.0
    return min(1.0, max(0.0, beyond - chance * pixels) / likely)


def stand_alone(parts: Sequence[NDArray[np.float32]], sigma: float, density: float) -> bool:
    """Whether the pixels that are far from their neighbours stand alone, as impulses of any value with this ``density`` do on top
    of noise of ``sigma`` (8-bit levels): what is around one agrees. Strokes of letters, lines and edges have others beside them."""
    least = _least_far(sigma)
    far = alone = wide = 0
    for part in _some(parts, COUNTED):
        plane = part[..., part.shape[2] // 2]
        if min(plane.shape) < 3:
            continue
        middle, around = plane[1:-1, 1:-1], np.stack(_beside(plane, 1))
        rows, columns = np.nonzero(np.abs(middle - _median(list(around))) > least)
        wide += _spread(plane, rows + 1, columns + 1)
        ranked, here = np.sort(around[:, rows, columns], axis=0), middle[rows, columns]
        off = np.abs(here - (ranked[3] + ranked[4]) / 2)
        beyond = np.maximum(here - ranked[6], ranked[1] - here) > np.float32(BEYOND_ALL) * least
        far += len(rows)
        alone += int(np.count_nonzero(beyond & (ranked[6] - ranked[1] < np.float32(AGREE) * off)))
    return alone >= float(np.interp(density, DENSITIES, ALONE_OF_FAR)) * max(far, 1) and not _are_stars(wide, far)


def _spread(plane: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> int:
    """How many more of these pixels have one beside them that stands out with them than one a little farther off."""
    framed = np.pad(plane, APART_OF, mode="symmetric")

    def at(down: int, right: int) -> NDArray[np.float32]:
        values: NDArray[np.float32] = framed[rows + APART_OF + down, columns + APART_OF + right]
        return values

    base = _median([at(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right])
    off = at(0, 0) - base
    beside, farther = (
        np.max([(at(*place) - base) * np.sign(off) for place in ((0, step), (0, -step), (step, 0), (-step, 0))], axis=0)
        for step in (1, APART_OF)
    )
    least = np.float32(SPREAD) * np.abs(off)
    return int(np.count_nonzero(beside > least)) - int(np.count_nonzero(farther > least))


def _glitter(parts: Sequence[NDArray[np.float32]]) -> tuple[bool, bool]:
    """Whether what stands out in the parts are stars or glitter: what is darker than what is around it, and what is brighter."""
    wide, count = [0, 0], [0, 0]
    for part in _some(parts, COUNTED):
        plane = part[..., part.shape[2] // 2]
        if min(plane.shape) < 3:
            continue
        off = plane[1:-1, 1:-1] - _median(_beside(plane, 1))
        for side, there in enumerate((off < -np.float32(FAR), off > np.float32(FAR))):
            rows, columns = np.nonzero(there)
            wide[side], count[side] = wide[side] + _spread(plane, rows + 1, columns + 1), count[side] + len(rows)
    return _are_stars(wide[0], count[0]), _are_stars(wide[1], count[1])


def _without_stars(shares: tuple[float, float], stars: tuple[bool, bool]) -> tuple[float, float] | None:
    """The ``shares`` of black and of white impulses, where what stands out at either end may be ``stars``; None where all is."""
    struck = [share > 0 for share in shares]
    # No star is at both ends: what seems so are impulses that struck more than one pixel.
    if all(stars) or not any(star and there for star, there in zip(stars, struck, strict=True)):
        return shares
    # Pixels at the end without stars are impulses, and there are as many impulses among the stars.
    least = min(share for star, share in zip(stars, shares, strict=True) if not star)
    if least < FEWEST / 2:
        return None
    if max(shares) <= ALIKE * least:
        return least, least
    # So many stars that more would be lost with them.
    return (0.0 if stars[0] else shares[0]), (0.0 if stars[1] else shares[1])


def _are_stars(wide: int, count: int) -> bool:
    """Whether ``count`` pixels that stand out are stars or glitter, whose light fell between pixels; ``wide`` as of `_spread`."""
    return count > 0 and wide > STARS * count + float(np.sqrt(count))


def _least_far(sigma: float) -> np.float32:
    """How far from the median of its neighbours a pixel is at least that noise of ``sigma`` (8-bit levels) has not moved there."""
    return np.float32(min(max(BEYOND * sigma / 255, FAR), FARTHEST))


def _some(parts: Sequence[NDArray[np.float32]], pixels: int) -> Sequence[NDArray[np.float32]]:
    """About so many ``pixels`` of the parts: bands of rows, evenly spread."""
    step = sum(part.shape[0] * part.shape[1] for part in parts) // pixels
    if step < 2:
        return parts
    return [part[top : top + BAND] for part in parts for top in range(0, len(part) - BAND + 1, BAND)][::step]


def _with_medians(parts: Sequence[NDArray[np.float32]], step: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Pixels and the medians of their eight neighbours (h, w), of every so many rows of each part."""
    for part in parts:
        plane = part[..., part.shape[2] // 2]
        if min(plane.shape) < 3:
            continue
        yield plane[1:-1:step, 1:-1], _median(_beside(plane, step))


def _beside(plane: NDArray[np.float32], step: int) -> list[NDArray[np.float32]]:
    """The eight neighbours of every pixel but those at the edges, of every so many rows."""
    return [
        plane[1 + down : plane.shape[0] - 1 + down : step, 1 + right : plane.shape[1] - 1 + right]
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        if down or right
    ]


def _median(planes: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The median of eight planes at each place, the mean of the fourth and the fifth: many times as fast as `numpy.partition`.

    Batcher's networks: sorted pairs, sorted fours, and of two fours the highest of the lower half and the lowest of the upper one.
    """
    ranked = list(planes)

    def sort(*pairs: tuple[int, int]) -> None:
        for one, other in pairs:
            ranked[one], ranked[other] = np.minimum(ranked[one], ranked[other]), np.maximum(ranked[one], ranked[other])

    sort((0, 1), (2, 3), (4, 5), (6, 7))
    sort((0, 2), (1, 3), (4, 6), (5, 7))
    sort((1, 2), (5, 6))
    # One four from its lowest is paired with the other from its highest: the lower of each pair are the lowest four of all.
    low = np.maximum.reduce([np.minimum(ranked[index], ranked[7 - index]) for index in range(4)])
    high = np.minimum.reduce([np.maximum(ranked[index], ranked[7 - index]) for index in range(4)])
    answer: NDArray[np.float32] = (low + high) / 2
    return answer
