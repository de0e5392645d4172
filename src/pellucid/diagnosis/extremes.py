"""Black and white pixels that replaced others: how many there are at either end of the range, if chance put them there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis import repeats
from pellucid.diagnosis.impulses import FAR, differing
from pellucid.diagnosis.neighbours import COUNTED, ROWS, eight, median, some
from pellucid.diagnosis.photons import MANY
from pellucid.diagnosis.spots import MOST_SPOTS
from pellucid.diagnosis.stars import are_stars, spread
from pellucid.maps import Extremes

__all__ = ["measured"]

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

SHUN, ENOUGH = 0.4, 30
"""As a share of what chance has of them, how few neighbours of a black (white) pixel may be black (white) as well; and how many
chance must have for that to be asked."""

TOGETHER = 2.0
"""How many times likelier than by chance the neighbour of a black (white) pixel may be black (white) as well: in pictures of black
and white things it is many times likelier."""

ALIKE = 3.0
"""How many times as many pixels as at the other end there may be at one with stars for those at both to be taken away. On a sky
with 200 to 2,000 stars and 0.5 or 2 % of impulses the output was 0.1 to 10 dB better than the picture up to 2.5 times, and 2 worse
at 7."""

REGULAR = 1.6
"""How many times as often as on average two lonely black or white pixels may be at some distance: those of dithering and tiles keep
to a few, impulses to none."""

LAGS = 8
"""The distances that are looked at, in pixels, down and across."""


def measured(parts: Sequence[NDArray[np.float32]]) -> Extremes | None:
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
            # Few hot pixels of one channel each leave the other channels as they were: `pellucid.diagnosis.spots` knows which.
            found = (low, high) if min(low, high) > 0 or max(low, high) >= MOST_SPOTS else None
    if found is None or any(share > 0 and _by_rule(parts, value) for value, share in zip(ends, found, strict=True)):
        return None
    found = _without_stars(found, _glitter(parts))
    if found is None:
        return None
    # More than all pixels are not struck.
    most = min(1.0, 1 / max(found[0] + found[1], 1e-6))
    return Extremes(found[0] * most, found[1] * most, ends[0], ends[1])


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
    # Both are easier to believe: nobody asks for each by itself.
    agree = fewer >= FEWEST and more <= 2 * fewer
    single = (0.0, 0.0) if agree or more == 0 else _by_itself(parts, ends, whole, (low, high), alone)
    most = max(single)
    # Whether each may be true, and its result; the first that is counts.
    verdicts = (
        (agree, (low, high)),
        # The end with more would be believed by itself.
        (most >= max(FEWEST, more), (low, high)),
        # Black or white areas may fill even the quarter with the least.
        (fewer >= FEWEST, (fewer, fewer)),
        (most >= FEWEST, single),
    )
    return next((shares for true, shares in verdicts if true), None)


def _by_itself(
    parts: Sequence[NDArray[np.float32]], ends: Sequence[float], whole: bool, shares: tuple[float, float], alone: bool
) -> tuple[float, float]:
    """Those of the ``shares`` at either end that would be believed if that end alone were struck; 0 for others. ``alone``: whether
    they were measured so."""
    low, high = (
        share if share > 0 and (alone or _share(parts, value, inward, whole, alone=True) > 0) else 0.0
        for value, inward, share in zip(ends, (1, -1), shares, strict=True)
    )
    if max(low, high) >= FEWEST and differing(parts, FAR) > OTHERS + 3 * max(low, high):
        # Impulses of any value, or strong noise, some of which are at an end.
        return 0.0, 0.0
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
    if low**2 * CELL**2 * np.count_nonzero(least) > ENOUGH and pair < SHUN * low**2:
        # Dithering keeps dots apart.
        return 0.0
    if pair > TOGETHER * max(low, FEWEST) ** 2 + 0.002 or (alone and pair > low**2 + TOGETHER_ALONE * low * (1 - low) + 0.002):
        return 0.0
    near, apart_by, spike = (NEAR, APART, SPIKE) if not alone else FEW_ALONE if low < FEW else MANY_ALONE
    if inside < near or sum(len(np.unique(part)) for part in some(parts, ROWS)) <= MANY:
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


def _by_rule(parts: Sequence[NDArray[np.float32]], value: float) -> bool:
    """Whether pixels of this value are where a pattern has put them, and no chance."""
    if _regular(parts, value):
        return True
    return repeats.again([(part == np.float32(value)).all(axis=2, keepdims=True).astype(np.float32) for part in parts])


def _regular(parts: Sequence[NDArray[np.float32]], value: float) -> bool:
    """Whether pixels of this value keep certain distances, as they do in dithering, tiles and chessboards, and never by chance."""
    counts = np.zeros((LAGS + 1, 2 * LAGS + 1))
    room = np.zeros_like(counts)
    for part in some(parts, COUNTED):
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


def _glitter(parts: Sequence[NDArray[np.float32]]) -> tuple[bool, bool]:
    """Whether what stands out in the parts are stars or glitter: what is darker than what is around it, and what is brighter."""
    wide, count = [0, 0], [0, 0]
    for part in some(parts, COUNTED):
        plane = part[..., part.shape[2] // 2]
        if min(plane.shape) < 3:
            continue
        off = plane[1:-1, 1:-1] - median(eight(plane, 1))
        for side, there in enumerate((off < -np.float32(FAR), off > np.float32(FAR))):
            rows, columns = np.nonzero(there)
            wide[side], count[side] = wide[side] + spread(plane, rows + 1, columns + 1), count[side] + len(rows)
    return are_stars(wide[0], count[0]), are_stars(wide[1], count[1])


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
