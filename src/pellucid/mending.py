"""Damage of film and prints, in numbers: frames brought into place, what damage looks like without a network, holes filled.

All functions take float32 pixels (h, w, c) or planes (h, w) in [0, 1] and change none of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pellucid import motion
from pellucid.images import Pixels

__all__ = [
    "brought",
    "extreme",
    "falling",
    "found_alone",
    "found_between",
    "grown",
    "held_back",
    "most",
    "outside",
    "roughly_filled",
    "small_things",
    "softened",
    "summed",
    "upright",
]

Places = NDArray[np.intp]

TALL = 49
"""Pixels up and down over which a scratch is one: what is lighter or darker than its sides for so long is no detail."""

BESIDE = 3
"""Pixels to either side that a scratch is held against: it is up to three wide."""

SMALL = 9
"""Pixels: what is less wide is small (`small_things`)."""

MOST = 8 / 255
"""The most that one pixel counts for a scratch: one bright spot does not make a column of them."""

ALIKE = 0.01
"""How much two frames differ, by noise and grain, where nothing moved: no smaller change is believed."""


BAND = 64
"""Rows that are worked on at once: what is made on the way stays in the processor's cache."""

MOST_APART = 0.06
"""The most that one pixel counts when blocks are brought into place, 15 levels: dust and blotches are farther away than that."""

BETTER, BETTER_BY = 0.8, 0.002
"""The share of the difference that a block's own motion must leave, and by how much less, for it to be taken."""


def gray(pixels: Pixels) -> Pixels:
    """The mean (h, w) of the channels."""
    plane = pixels[..., 0].copy()
    for channel in range(1, pixels.shape[2]):
        plane += pixels[..., channel]
    plane /= np.float32(pixels.shape[2])
    return plane


def brought(frame: Pixels, other: Pixels, *, noise: float = ALIKE) -> Pixels:
    """``other`` with its parts where they are in ``frame`` (`pellucid.motion`); as it is where frames are small.

    A damaged block is found nowhere, or somewhere by chance: a block leaves the motion of those around it for a good reason only.
    """
    if min(frame.shape[:2]) < 2 * motion.BLOCK or frame.shape != other.shape:
        return other
    plane, old = gray(frame), gray(other)
    own = motion.find(plane, old, noise * 2**0.5, noise)
    tries = [_median_of(own, side) for side in (0, 5, 3)]
    best, down, right = _apart(plane, old, tries[0]), tries[0].down, tries[0].right
    for each in (*tries[1:], own):
        cost = _apart(plane, old, each)
        nearer = cost < BETTER * best - np.float32(BETTER_BY)
        best, down, right = (np.where(nearer, new, kept) for new, kept in ((cost, best), (each.down, down), (each.right, right)))
    moves = motion.Motion(down, right)
    return np.ascontiguousarray(motion.moved(np.ascontiguousarray(other.transpose(2, 0, 1)), moves).transpose(1, 2, 0))


def _median_of(moves: motion.Motion, side: int) -> motion.Motion:
    """The median of the moves of ``side`` x ``side`` blocks around each, of all of them where ``side`` is 0."""
    if not side:
        return motion.Motion(*(np.full_like(part, np.median(part)) for part in (moves.down, moves.right)))
    padded = (np.pad(part, side // 2, mode="edge") for part in (moves.down, moves.right))
    return motion.Motion(*(np.median(np.lib.stride_tricks.sliding_window_view(part, (side, side)), axis=(2, 3)) for part in padded))


def _apart(plane: Pixels, old: Pixels, moves: motion.Motion) -> Pixels:
    """The mean difference of each block from where it is said to be, to the pixel, by every second row and column; no pixel counts
    for more than `MOST_APART`."""
    height, width = plane.shape
    down, right = (
        np.repeat(np.repeat(np.rint(part).astype(np.intp), motion.BLOCK // 2, 0), motion.BLOCK // 2, 1)
        for part in (moves.down, moves.right)
    )
    rows, columns = np.arange(0, height, 2)[:, None], np.arange(0, width, 2)[None]
    down, right = down[: len(rows), : columns.size], right[: len(rows), : columns.size]
    there = old[np.clip(rows + down, 0, height - 1), np.clip(columns + right, 0, width - 1)]
    apart = np.minimum(np.abs(plane[::2, ::2] - there), np.float32(MOST_APART))
    half = motion.BLOCK // 2
    tops, lefts = np.arange(0, len(rows), half), np.arange(0, columns.size, half)
    sums = np.add.reduceat(np.add.reduceat(apart, tops, axis=0), lefts, axis=1)
    counts = np.outer(np.diff([*tops, len(rows)]), np.diff([*lefts, columns.size]))
    return np.asarray(sums / counts, dtype=np.float32)


def upright(plane: Pixels) -> Pixels:
    """How much each pixel of a plane belongs to a line from above to below: in units of `MOST`, dark lines below 0.

    A mean over `TALL` rows of the difference to both sides, so that what is short or slanted counts for little.
    """
    padded = np.pad(plane, ((0, 0), (BESIDE, BESIDE)), mode="edge")
    left, right = padded[:, : -2 * BESIDE], padded[:, 2 * BESIDE :]
    # Lighter, or darker, than both sides: an edge is between them.
    ridge, darker = np.maximum(left, right), np.minimum(left, right)
    np.maximum(np.subtract(plane, ridge, out=ridge), 0, out=ridge)
    ridge += np.minimum(np.subtract(plane, darker, out=darker), 0, out=darker)
    np.clip(ridge, -MOST, MOST, out=ridge)
    half = TALL // 2
    sums = summed(ridge)
    rows = np.arange(len(plane))
    first, after = np.maximum(rows - half, 0), np.minimum(rows + half + 1, len(plane))
    # Beyond the picture there is nothing: a line that ends there is as long as it can be.
    mean = sums[after]
    mean -= sums[first]
    mean /= (after - first)[:, None].astype(np.float32)
    mean /= np.float32(MOST)
    return mean


def summed(plane: Pixels) -> Pixels:
    """The sums (h + 1, w) of the rows above each: much faster than NumPy's own."""
    sums = np.zeros((len(plane) + 1, plane.shape[1]), np.float32)
    for above, row, below in zip(sums[:-1], plane, sums[1:], strict=True):
        np.add(above, row, out=below)
    return sums


def small_things(plane: Pixels) -> tuple[Pixels, Pixels]:
    """How much each pixel is lighter, and darker, than what is around it, of things less than `SMALL` pixels wide: the plane less
    its opening, and its closing less the plane (Serra 1982, "top hats")."""
    low = extreme(extreme(plane, np.minimum), np.maximum)
    high = extreme(extreme(plane, np.maximum), np.minimum)
    return plane - low, high - plane


def extreme(plane: Pixels, which: np.ufunc, window: int = SMALL) -> Pixels:
    """The least or the greatest of the window of so many pixels around each; beyond the edge there is nothing."""
    half = window // 2
    height, width = plane.shape
    framed = np.pad(plane, half, mode="edge")
    found = np.empty_like(plane)
    for top in range(0, height, BAND):
        part = framed[top : top + BAND + 2 * half]
        high = len(part) - 2 * half
        reach = 1
        # Windows that double, and then overlap.
        while 2 * reach <= window:
            part = which(part[:-reach], part[reach:])
            part = which(part[:, :-reach], part[:, reach:])
            reach *= 2
        rest = window - reach
        part = which(part[:high], part[rest : rest + high])
        which(part[:, :width], part[:, rest : rest + width], out=found[top : top + high])
    return found


def outside(frame: Pixels, before: Pixels, after: Pixels) -> Pixels:
    """By how much a pixel (h, w) is lighter than both neighbours in time, in the channel in which it is most so; darker: below
    0."""
    found = np.empty(frame.shape[:2], np.float32)
    for top in range(0, len(frame), BAND):
        own, low, other = (np.ascontiguousarray(each[top : top + BAND].transpose(2, 0, 1)) for each in (frame, before, after))
        high = np.maximum(low, other)
        np.minimum(low, other, out=low)
        up, down = np.subtract(own, high, out=high).max(axis=0), np.subtract(low, own, out=low).max(axis=0)
        np.subtract(np.maximum(up, 0, out=up), np.maximum(down, 0, out=down), out=found[top : top + BAND])
    return found


def most(pixels: Pixels) -> Pixels:
    """The greatest of the channels: much faster than NumPy's own over a short last axis."""
    most = pixels[..., 0]
    for channel in range(1, pixels.shape[-1]):
        most = np.maximum(most, pixels[..., channel])
    return most


def roughly_filled(pixels: Pixels, hole: NDArray[np.bool_]) -> Pixels:
    """The pixels with those of the hole (h, w) filled smoothly from what is around them (push and pull: Gortler et al. 1996).

    Means of two by two pixels outside the hole, again and again, until no hole is left; then back, finer and finer.
    """
    if not hole.any():
        return pixels
    known = (~hole).astype(np.float32)
    planes = np.stack([pixels[..., channel] * known for channel in range(pixels.shape[2])])
    if min(hole.shape) < 2 or not known.any():
        return _pulled(planes, known).transpose(1, 2, 0)
    # Nothing but the hole is needed of the finest size.
    coarse = _pulled(*_pushed(planes, known))
    rows, columns = np.nonzero(hole)
    filled = pixels.copy(order="K")
    for channel, plane in enumerate(coarse):
        filled[..., channel][rows, columns] = _between(plane, rows, columns)
    return filled


def _pulled(weighted: Pixels, weight: Pixels) -> Pixels:
    """Planes (c, h, w) that are ``weighted`` by what is known (h, w), 0 or 1, filled where that is 0."""
    if weight.all():
        return weighted
    if min(weight.shape) < 2 or not weight.any():
        usual = weighted.sum((1, 2)) / weight.sum() if weight.any() else np.full(len(weighted), 0.5)
        return np.where(weight > 0, weighted, usual[:, None, None]).astype(np.float32)
    coarse = _doubled(_pulled(*_pushed(weighted, weight)))[:, : weight.shape[0], : weight.shape[1]]
    np.copyto(coarse, weighted, where=weight > 0)
    return coarse


def _pushed(weighted: Pixels, weight: Pixels) -> tuple[Pixels, Pixels]:
    """The same half as high and wide: means of what is known of two by two pixels, and whether that is anything."""
    known = _halved(weight[None])[0]
    small = _halved(weighted)
    # A cell with one known pixel is known.
    small *= 1 / np.maximum(known, 1)
    return small, np.minimum(known, 1)


def _halved(planes: Pixels) -> Pixels:
    """The sums of two by two pixels of planes (c, h, w); beyond the edge there is nothing."""
    _, height, width = planes.shape
    if height % 2 or width % 2:
        planes = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)))
    rows = planes[:, ::2] + planes[:, 1::2]
    halved: Pixels = rows[:, :, ::2] + rows[:, :, 1::2]
    return halved


def _doubled(planes: Pixels) -> Pixels:
    """Planes (c, h, w) twice as high and wide, linear between the middles of the cells."""
    count, height, width = planes.shape
    most, least = np.float32(0.75) * planes, np.float32(0.25) * planes
    tall = np.empty((count, 2 * height, width), np.float32)
    np.add(most[:, 1:], least[:, :-1], out=tall[:, 2::2])
    np.add(most[:, :-1], least[:, 1:], out=tall[:, 1:-1:2])
    tall[:, 0], tall[:, -1] = planes[:, 0], planes[:, -1]
    most, least = np.float32(0.75) * tall, np.float32(0.25) * tall
    wide = np.empty((count, 2 * height, 2 * width), np.float32)
    np.add(most[:, :, 1:], least[:, :, :-1], out=wide[:, :, 2::2])
    np.add(most[:, :, :-1], least[:, :, 1:], out=wide[:, :, 1:-1:2])
    wide[:, :, 0], wide[:, :, -1] = tall[:, :, 0], tall[:, :, -1]
    return wide


def _between(plane: Pixels, rows: Places, columns: Places) -> Pixels:
    """`_doubled` of a plane (h, w) at ``rows`` and ``columns`` of the larger one."""
    height, width = plane.shape
    (above, beside_rows), (left, beside_columns) = (
        (places // 2, np.clip(places // 2 + 2 * (places % 2) - 1, 0, side - 1))
        for places, side in ((rows, height), (columns, width))
    )
    flat, above, beside_rows = plane.ravel(), above * width, beside_rows * width
    near = np.float32(0.75) * flat[above + left] + np.float32(0.25) * flat[beside_rows + left]
    far = np.float32(0.75) * flat[above + beside_columns] + np.float32(0.25) * flat[beside_rows + beside_columns]
    return np.asarray(np.float32(0.75) * near + np.float32(0.25) * far, dtype=np.float32)


# -- without a network ------------------------------------------------------------------------------------------------

APART = 0.06
"""How far a pixel lies outside both neighbours in time to be held for dust: 15 levels."""

CALM = 0.05
"""How far the neighbours may differ from each other there: where they do not agree, something moves."""

LINE = 0.45
"""How much of a line from above to below is held for a scratch (`upright`)."""


def found_between(frame: Pixels, before: Pixels, after: Pixels) -> Pixels:
    """How likely each pixel (h, w) is damaged, 0 to 1, as neighbours in time show that were brought into place.

    Damage that lasts one frame lies outside the range of both neighbours, which agree (Kokaram 1998, "Motion Picture Restoration",
    the rule called SDIp); scratches, which stay, by `found_alone`.
    """
    low, high = np.minimum(before, after), np.maximum(before, after)
    away = np.maximum(most(frame - high), most(low - frame))
    calm = most(high - low) < CALM
    dust = np.where(calm, np.clip(0.5 + (away - APART) / (2 * APART), 0, 1), 0)
    return np.asarray(np.maximum(dust, found_alone(frame)), dtype=np.float32)


def found_alone(frame: Pixels) -> Pixels:
    """The same of one picture: long upright lines alone, since dust looks like detail."""
    line = np.abs(upright(gray(frame)))
    return np.asarray(np.clip(0.5 + (line - LINE) / (2 * LINE), 0, 1), dtype=np.float32)


# -- what falls -------------------------------------------------------------------------------------------------------

FAST = 32
"""Pixels, down and right each, by which snow, rain and sparks go from frame to frame at most, beside what the camera looks at."""

SPECKS, MOST_SPECKS = 12, 300
"""Specks that must fall together to be weather, and of how many it is found which way they go."""

AT_ONCE = 64
"""Specks that are looked at together: what is made on the way stays in the processor's cache."""

SAME = 0.5
"""The share of a speck's contrast that it has at least in other frames: it lies otherwise on their pixels."""

AROUND = 5
"""Pixels, down and right each, within which specks that go the same way must lie."""

STREAK, LARGEST = 5, 16
"""Pixels above and below a speck where a scratch goes on, and the width of the largest flakes."""

STILL, AS_HIGH = 3, 0.25
"""Pixels, down and right each, within which dirt in the gate or on the glass lies from frame to frame, and the share of its
contrast by which it may change."""

TOGETHER, MOST_FALL = 5.0, 0.5
"""By how many deviations more specks must go one way than do by chance; and the share of those alike that must fall for all of them
to be held for weather: some are hidden in one of the frames, or turn."""


def falling(
    frame: Pixels,
    before: Pixels,
    after: Pixels,
    hole: NDArray[np.bool_],
    steps: tuple[int, int] = (-1, 1),
    *,
    came: tuple[Pixels, Pixels] | None = None,
    known: tuple[Pixels, Pixels, Pixels] | None = None,
) -> NDArray[np.bool_]:
    """The part of a hole (h, w) that falls as snow does: specks that are as far on in one neighbour as they are back in the other,
    many of them together. Dust lies elsewhere in each frame.

    ``steps`` are the times of the neighbours, in frames from this one; both are in place, but for what moves by itself. ``came``:
    the neighbours before they were brought there, None where that is the same. Dirt that stays in the frame while the camera pans
    shows in these, and does not fall. ``known``: how far each of the frames lies `outside` the other two, where that
    is known.
    """
    fell = np.zeros_like(hole)
    others = None if known is None else known[1:]
    if known is not None:
        own = np.where(hole, known[0], np.float32(0))
    else:
        own = np.zeros(hole.shape, np.float32)
        own[hole] = outside(*(pixels[hole][None] for pixels in (frame, before, after)))[0]
    for sign in (np.float32(1), np.float32(-1)):
        rows, columns = _specks(sign * own)
        if len(rows) >= SPECKS:
            stay = _stay(frame, rows, columns, sign * own[rows, columns], came or (before, after), sign)
            rows, columns = rows[~stay], columns[~stay]
        if len(rows) >= SPECKS:
            others = others or (outside(before, frame, after), outside(after, frame, before))
            near = [extreme(sign * other, np.maximum, AROUND) for other in others]
            falls = _fall(rows, columns, np.float32(SAME) * sign * own[rows, columns], near, steps)
            here = np.zeros_like(hole)
            here[rows[falls], columns[falls]] = True
            here = grown(here, SMALL // 2) & hole
            for _ in range(LARGEST // 4):
                # Larger flakes, as far as they are found.
                here = grown(here, 2) & hole
            fell |= here
    return fell


def _stay(
    frame: Pixels, rows: Places, columns: Places, own: Pixels, others: Sequence[Pixels], sign: np.float32
) -> NDArray[np.bool_]:
    """Which of the specks at ``rows`` and ``columns`` of a frame, higher by ``own`` than what is around them, or lower where
    ``sign`` is -1, are as high, and as small, in the same place of all others, in one channel at least."""
    y, x = (each.ravel() - STILL // 2 for each in np.indices((STILL, STILL)))
    beside = np.array([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]).T * STREAK
    stay = np.ones((len(rows), frame.shape[2]), bool)
    height, width = frame.shape[:2]

    def at(other: Pixels, down: Places, right: Places) -> Pixels:
        # The edge repeated.
        near = other[np.clip(rows[:, None] + down, 0, height - 1), np.clip(columns[:, None] + right, 0, width - 1)]
        return np.asarray(sign * near, np.float32)

    for other in others:
        near = at(other, y, x)
        around = np.median(at(other, *beside), axis=1)
        stay &= np.abs(near - sign * frame[rows, columns][:, None]).min(axis=1) < np.float32(AS_HIGH) * own[:, None]
        stay &= near.max(axis=1) - around >= np.float32(SAME) * own[:, None]
    return np.asarray(stay.any(axis=1))


def _fall(rows: Places, columns: Places, least: Pixels, others: Sequence[Pixels], steps: tuple[int, int]) -> NDArray[np.bool_]:
    """Which of the specks at ``rows`` and ``columns`` are on their way with the others: in both neighbours there is as much as
    ``least`` where it leads."""
    reach = FAST * max(map(abs, steps))
    near = [np.pad(other, reach) for other in others]
    ways = np.arange(-FAST, FAST + 1)
    down, right = rows[:, None] + reach, columns[:, None] + reach

    def hits(way: int, across: Places) -> NDArray[np.bool_]:
        first, last = (
            plane[down + step * way, right + step * across] >= least[:, None] for plane, step in zip(near, steps, strict=True)
        )
        return np.asarray(first & last)

    every = -(-len(rows) // MOST_SPECKS)
    counts = np.zeros((len(ways), len(ways)), np.intp)
    windows = []
    for plane, step in zip(near, steps, strict=True):
        beyond, side = reach - FAST * abs(step), 2 * FAST * abs(step) + 1
        inner = plane[beyond : len(plane) - beyond, beyond : plane.shape[1] - beyond]
        windows.append(np.lib.stride_tricks.sliding_window_view(inner, (side, side))[..., ::step, ::step])
    for first in range(0, len(rows), every * AT_ONCE):
        some = slice(first, first + every * AT_ONCE, every)
        before, after = (each[rows[some], columns[some]] >= least[some, None, None] for each in windows)
        # No more than a byte holds.
        counts += (before & after).view(np.uint8).sum(axis=0, dtype=np.uint8)
    # Things that stay where the picture stays are of it.
    counts[FAST - 1 : FAST + 2, FAST - 1 : FAST + 2] = 0
    chance = float(np.median(counts))
    likely = counts > chance + TOGETHER * (chance + 1) ** 0.5
    falls = np.zeros(len(rows), bool)
    if every * counts.max() >= SPECKS:
        for way in np.flatnonzero(likely.any(axis=1)).tolist():
            falls |= hits(int(ways[way]), ways[likely[way]]).any(axis=1)
    return falls | bool(falls.mean() > MOST_FALL)


def _specks(plane: Pixels) -> tuple[Places, Places]:
    """The rows and columns of the highest pixels of a plane, `APART` or more, one of `SMALL` around it; none of a scratch."""
    rows, columns = np.nonzero(plane >= APART)
    half = SMALL // 2
    padded = np.pad(plane, max(half, STREAK))
    down, right = rows[:, None] + max(half, STREAK), columns[:, None] + max(half, STREAK)
    own = plane[rows, columns]
    least, beside = np.float32(SAME) * own, np.arange(-1, 2)
    goes_on = [padded[down + way, right + beside].max(axis=1) >= least for way in (-STREAK, STREAK)]
    is_wide = [padded[down + beside, right + way].max(axis=1) >= least for way in (-STREAK, STREAK)]
    # A flake before the camera is as wide as it is high.
    kept = ~(goes_on[0] | goes_on[1]) | is_wide[0] | is_wide[1]
    rows, columns, down, right, own = (each[kept] for each in (rows, columns, down, right, own))
    y, x = (each.ravel() - half for each in np.indices((SMALL, SMALL)))
    near = padded[down + y, right + x]
    # The first of those alike in a speck.
    highest = near.argmax(axis=1) == len(y) // 2
    return rows[highest], columns[highest]


# -- masks ------------------------------------------------------------------------------------------------------------


def held_back(chance: Pixels, sure: float, around: float) -> NDArray[np.bool_]:
    """Where damage is: places of the chance ``around`` or more that hold one, within `REACH` pixels, of ``sure`` or more."""
    seeds = grown(chance >= sure, REACH)
    return (chance >= around) & seeds


REACH = 6
"""Pixels from a place that is surely damaged to one that is less surely so."""


def grown(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """The mask with all within ``by`` pixels of it, up and down, left and right."""
    if not by or not mask.any():
        return mask
    wide = mask
    for axis in (0, 1):
        # Steps that double: as many as the way has bits.
        done = 0
        while done < by:
            step = min(by - done, done + 1)
            moved = wide.copy()
            ahead, behind = [slice(None)] * 2, [slice(None)] * 2
            ahead[axis], behind[axis] = slice(step, None), slice(None, -step)
            moved[tuple(ahead)] |= wide[tuple(behind)]
            moved[tuple(behind)] |= wide[tuple(ahead)]
            wide, done = moved, done + step
    return wide


def softened(mask: NDArray[np.bool_]) -> Pixels:
    """The mask as shares, 1 in it and falling off over two pixels around it: what is filled has no hard edge."""
    soft = motion.box(mask.astype(np.float32), 3)
    return np.maximum(mask, soft).astype(np.float32)
