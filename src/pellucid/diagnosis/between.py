"""How likely what was found in a frame of a clip is damage, by where the like of it is in the frames before and after.

The network that finds damage is given the neighbours in place of what the camera looks at, and knows nothing of what moves by
itself: hair, grass, masts, birds and snow lie outside both neighbours, as dust does, and what stays before the camera is where a
scratch is. A small second network is given what parts them: where the patch around a place is found again before and after, by the
same way both times, and whether other places go that way; how much the neighbours differ there, and whether things of that kind lie
nearby in them; the lines through the place, how they lean, end and go; the first network's chances, colours, and small things
around. It answers for places some pixels wide: ``between.npz``; ``pellucid calibrate between`` makes it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from pellucid import mending, motion, passing
from pellucid.diagnosis import damage, estimator
from pellucid.images import Pixels

__all__ = ["CELLS", "Seen", "chances", "features", "judged", "load", "places"]

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]

CELLS, MOST = (8, 16, 32, 64), 400
"""Rows and columns of the cells of a frame that are judged as one, and most of them: of more, larger ones are judged."""

REACH, HALF = 16, 3
"""Places of the frame in half its size to each side where a patch is looked for, and its size: 7 x 7 of them."""

WIDE = 9
"""Places of the frame in half its size over which its mean is taken off: light is no likeness."""

SURROUND = 0.15
"""The weight of a patch's darkest parts, beside those of the thing in it."""

SHARED, MOST_SURE, BELIEVED = 3.0, 4.0, 1.5
"""How much the mean answer for the places of a frame counts beside a place's own, the most that either is, and what is added, in
logits. Where most of what was found is damage, the rest is: in two worn clips with all defects 0.79 and 0.91 of the damage stay, of
0.80 and 0.91 that were found; where a place's own answer counted most, 0.75 and 0.87 did, and more of what is like damage."""

LINE = 73
"""The first feature of the upright line through a place, of those that `LINED` names."""

LINED = (
    "there",
    "long",
    "lean",
    "bent",
    "from top",
    "to foot",
    "found",
    "goes",
    "turns",
    "goes before",
    "tilts",
    "scatters",
    "ends",
    "leans",
)
"""The features of a line: whether there is one; its share of the frame's height, how it leans and bends, and whether it begins at
the top and ends at the foot; the share of its places that are found in both neighbours, how they go, by how much that changes, and
how they went before; how far that differs from above to below, and by chance; the shares of lines that end and lean as it does."""

TALL, LEAN, FOUND = 0.7, 0.5, 0.6
"""The share of the frame's height over which a line stands that may be a scratch, the pixels by which it leans in a hundred rows at
most, and the share of its places that are found in both neighbours."""

AT_ONCE = 4
"""Places whose patches are looked for at once: what is made on the way stays in the processor's cache."""

LEAST = 0.01
"""A difference that is no more than this says nothing: 2.5 levels."""


@dataclass(frozen=True)
class Seen:
    """A frame (h, w, 3), its neighbours in its place, ``around``, and where they were, ``came``; how likely each pixel is damaged,
    ``chance`` (h, w), what was found, ``hole`` (h, w), and the times of the neighbours, in frames from this one."""

    frame: Pixels
    around: tuple[Pixels, Pixels]
    came: tuple[Pixels, Pixels]
    chance: Pixels
    hole: Mask
    steps: tuple[int, int] = (-1, 1)

    maps: tuple[Pixels, ...] | None = None
    """Planes (h, w) that are known already: `mending.upright` and both `mending.small_things` of the frame, `mending.outside`."""

    @cached_property
    def rough(self) -> Pixels:
        """The frame, roughly filled."""
        return mending.roughly_filled(self.frame, mending.grown(self.hole, 1))

    @cached_property
    def off(self) -> tuple[Pixels, Pixels]:
        """How far pixels (h, w) lie from the rough filling, on the whole and by the mean of their channels' distances."""
        filled = mending.grown(self.hole, 1)
        apart = (self.frame[filled] - self.rough[filled])[None]
        planes = np.zeros((2, *filled.shape), np.float32)
        planes[:, filled] = np.concatenate([mending.gray(apart), mending.gray(np.abs(apart))])
        return planes[0], planes[1]

    @property
    def apart(self) -> Pixels:
        """How far pixels (h, w) lie from the rough filling, on the whole."""
        return self.off[0]

    @cached_property
    def planes(self) -> tuple[Pixels, Pixels, Pixels]:
        """The mean channels (h, w) of the frame and of its neighbours where they were."""
        return mending.gray(self.frame), mending.gray(self.came[0]), mending.gray(self.came[1])

    @cached_property
    def peaks(self) -> passing.Peaks:
        """Where upright lines may be in these."""
        return passing.Peaks(self.planes)

    @cached_property
    def theirs(self) -> tuple[Pixels, Pixels]:
        """How far the neighbours lie outside the other two (`mending.outside`)."""
        before, after = self.around
        return mending.outside(before, self.frame, after), mending.outside(after, self.frame, before)

    @cached_property
    def known(self) -> tuple[Pixels, ...]:
        """The planes ``maps``, made where they are not given."""
        if self.maps is not None:
            return self.maps
        plane = self.planes[0]
        return mending.upright(plane), *mending.small_things(plane), mending.outside(self.frame, *self.around)

    def without(self, gone: Mask) -> Seen:
        """The same without a part of what was found. All that is known of the frames goes on."""
        left = replace(self, hole=self.hole & ~gone)
        left.__dict__.update(
            {name: self.__dict__[name] for name in ("planes", "peaks", "theirs", "known") if name in self.__dict__}
        )
        return left


def places(seen: Seen, side: int | None = None) -> tuple[Places, Places, Places]:
    """The rows and columns of the pixels that stand for the cells in which something was found, and the number of the cell of each
    pixel of the hole, in the order of `np.nonzero`: the pixels that are farthest from a rough filling. ``side``: that of the cells,
    in pixels; None: the smallest of `CELLS` with which there are no more than `MOST`."""
    rows, columns = np.nonzero(seen.hole)
    away = np.abs(seen.apart[seen.hole])
    for size in CELLS if side is None else (side,):
        cells = rows // size * (seen.hole.shape[1] // size + 1) + columns // size
        order = np.lexsort((-away, cells))
        _, first, cell = np.unique(cells[order], return_index=True, return_inverse=True)
        if len(first) <= MOST:
            break
    chosen = order[first]
    cell_of = np.empty(len(rows), np.intp)
    cell_of[order] = cell
    return rows[chosen], columns[chosen], cell_of


def features(seen: Seen, rows: Places, columns: Places) -> NDArray[np.float32]:
    """The network's input (n, f) for places of a frame."""
    flat = (rows, columns)
    parts = [
        *_matched(seen, rows, columns),
        *_differing(seen, flat),
        *_shaped(seen, rows, columns),
        *_lined(seen, rows, columns),
        *_coloured(seen, flat),
    ]
    return np.nan_to_num(np.stack(parts, axis=1).astype(np.float32), posinf=10, neginf=-10)


def _log(values: Pixels | float, least: float) -> Pixels:
    return np.asarray(np.log(np.maximum(values, 0) + np.float32(least)), np.float32)


def _windows(plane: Pixels, flat: tuple[Places, Places], side: int) -> Pixels:
    """The windows (n, side, side, ...) of ``side`` pixels (odd) around places of a plane, or of pixels, the edge repeated."""
    half, (height, width, *channels) = side // 2, plane.shape
    rows, columns = (np.arange(-half, half + 1) + each[:, None] for each in flat)
    if min(height, width) < side:
        return _clipped(plane, rows, columns)
    # Much faster, but for windows that go beyond the edge.
    top, left = np.clip(rows[:, 0], 0, height - side), np.clip(columns[:, 0], 0, width - side)
    many = int(np.prod(channels))
    every = np.lib.stride_tricks.sliding_window_view(plane.reshape(height, -1), (side, side * many))
    windows: Pixels = every[top, left * many].reshape(-1, side, side, *channels)
    beyond = (top != rows[:, 0]) | (left != columns[:, 0])
    windows[beyond] = _clipped(plane, rows[beyond], columns[beyond])
    return windows


def _clipped(plane: Pixels, rows: Places, columns: Places) -> Pixels:
    """The crossings of rows (n, a) and columns (n, b), those beyond the edge being the outermost ones."""
    height, width = plane.shape[:2]
    crossings: Pixels = plane[np.clip(rows, 0, height - 1)[:, :, None], np.clip(columns, 0, width - 1)[:, None]]
    return crossings


def _inner(windows: Pixels, side: int) -> Pixels:
    """The middle of larger windows."""
    first = (windows.shape[1] - side) // 2
    return windows[:, first : first + side, first : first + side]


def _mean(plane: Pixels, flat: tuple[Places, Places], side: int) -> Pixels:
    """The means (n,) of the windows around places of a plane."""
    if len(flat[0]) * side**2 <= plane.size:
        return _mean_of(_windows(plane, flat, side))
    # Sums of columns first, of as many rows: of what lies beyond the edge, as often as it counts.
    height, width = plane.shape
    rows, columns = flat
    top, bottom = rows - side // 2, rows + side // 2 + 1
    across = np.clip(columns[:, None] + np.arange(-(side // 2), side // 2 + 1), 0, width - 1)
    sums = mending.summed(plane)
    total = sums[np.minimum(bottom, height)[:, None], across] - sums[np.maximum(top, 0)[:, None], across]
    for beyond, row in ((-top, plane[0]), (bottom - height, plane[-1])):
        some = beyond > 0
        total[some] += beyond[some, None].astype(np.float32) * row[across[some]]
    return np.asarray(total.sum(axis=1) / np.float32(side**2), np.float32)


def _mean_of(windows: Pixels) -> Pixels:
    return np.asarray(windows.mean(axis=(1, 2)), np.float32)


# -- where it is again ------------------------------------------------------------------------------------------------


def _flat(plane: Pixels) -> Pixels:
    small = motion.shrunk(plane, 2)
    return small - motion.box(small, WIDE)


def _matched(seen: Seen, rows: Places, columns: Places) -> list[Pixels]:
    """How well the patch around each place is found in the neighbours, and by which way."""
    own, *others = (_flat(each) for each in (*seen.planes, *(mending.gray(each) for each in seen.around)))
    weight = np.minimum(motion.shrunk(np.abs(seen.apart), 2), np.float32(0.3))
    y, x = rows // 2, columns // 2
    # Every second place says as much as all: those of even rows and columns, and those of odd ones.
    grid = np.indices((2 * HALF + 1, 2 * HALF + 1))
    down, right = np.concatenate([grid[:, ::2, ::2].reshape(2, -1), grid[:, 1::2, 1::2].reshape(2, -1)], axis=1)
    pad = HALF + REACH
    padded = [np.pad(each, pad, mode="reflect" if min(each.shape) > pad else "edge") for each in others]
    mine = np.pad(own, HALF, mode="edge")[y[:, None] + down, x[:, None] + right]
    mass = np.pad(weight, HALF, mode="edge")[y[:, None] + down, x[:, None] + right]
    mass = mass + np.float32(SURROUND) * mass.max(axis=1, keepdims=True) + np.float32(1e-4)
    mass /= mass.sum(axis=1, keepdims=True)
    bulk = (np.abs(mine) * mass).sum(axis=1) + np.float32(LEAST)
    side = 2 * REACH + 1
    found = np.empty((2, len(y), side, side), np.float32)
    # Rows of what is looked at follow each other without a gap: NumPy is faster with long ones. A run that begins in one
    # and ends in the next counts for nothing.
    wide = side + 2 * HALF
    length = side * wide - 2 * HALF
    here, apart = np.zeros((AT_ONCE, wide * wide), np.float32), np.zeros((AT_ONCE, len(down), side * wide), np.float32)
    parts, step, first = [], here.itemsize, 0
    for start, many in ((0, HALF + 1), (wide + 1, HALF)):
        shape, strides = (AT_ONCE, many, many, length), (here.strides[0], 2 * wide * step, 2 * step, step)
        moved = np.lib.stride_tricks.as_strided(here[:, start:], shape, strides, writeable=False)
        part = slice(first, first + many * many)
        parts.append((moved, mine[:, part].reshape(-1, many, many, 1), apart[:, part].reshape(*shape[:3], -1)[..., :length]))
        first = part.stop
    mass /= bulk[:, None]
    for index in range(2):
        windows = np.lib.stride_tricks.sliding_window_view(padded[index], (wide, wide))
        for first in range(0, len(y), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            count = len(y[some])
            here[:count] = windows[y[some], x[some]].reshape(count, -1)
            for moved, given, out in parts:
                np.subtract(moved[:count], given[some], out=out[:count])
            np.abs(apart, out=apart)
            total = mass[some, None] @ apart[:count]
            found[index, some] = total.reshape(-1, side, wide)[..., :side]
    down, right = y[:, None] + REACH + down, x[:, None] + REACH + right
    near = [(np.abs(padded[index][down, right] - mine) * mass).sum(axis=1) for index in (2, 3)]
    middle = REACH
    still = found[:, :, middle - 1 : middle + 2, middle - 1 : middle + 2].min(axis=(2, 3)).max(axis=0)
    farthest = max(map(abs, seen.steps))
    ways = np.arange(-(REACH // farthest), REACH // farthest + 1)
    loose = [_least_of(each) for each in found]
    exact, around = (
        [_by_way(each, len(ways) // 2, step) for each, step in zip(costs, seen.steps, strict=True)] for costs in (found, loose)
    )
    both = np.minimum(np.maximum(exact[0], around[1]), np.maximum(around[0], exact[1])).reshape(len(y), -1)
    best = both.argmin(axis=1)
    joint = both[np.arange(len(y)), best]
    way = np.stack(np.unravel_index(best, (len(ways), len(ways))), axis=1)
    way = ways[way].astype(np.float32)
    moves = np.hypot(way[:, 0], way[:, 1])
    slow = (np.abs(ways)[:, None] <= 1) & (np.abs(ways)[None] <= 1)
    elsewhere = np.where(slow.ravel(), np.float32(9), both).min(axis=1)
    ranges = [
        found[:, :, middle - reach : middle + reach + 1]
        .min(axis=2)[..., middle - reach : middle + reach + 1]
        .min(axis=2)
        .max(axis=0)
        for reach in (3, 8, 16)
    ]
    usual = np.quantile(both[:, ::4], (0.02, 0.2), axis=1).astype(np.float32)
    # The ways of others, as far as they are sure.
    trust = np.clip(1.2 - joint, 0, 1)
    alike = (np.abs(way[:, None, 0] - way[:, 0]) <= 1) & (np.abs(way[:, None, 1] - way[:, 1]) <= 1)
    alike = alike * trust
    np.fill_diagonal(alike, 0)
    together = alike.sum(axis=1)
    near_by = ((np.abs(rows[:, None] - rows) < 40) & (np.abs(columns[:, None] - columns) < 40)).astype(np.float32)
    np.fill_diagonal(near_by, 0)
    count = near_by.sum(axis=1) + np.float32(0.5)

    def nearby(values: Pixels) -> Pixels:
        return np.asarray((near_by @ values + 0.5 * values) / count, np.float32)

    def whole(values: Pixels) -> Pixels:
        return np.full(len(y), np.median(values) if len(y) else 0, np.float32)

    return [
        *(_log(each, 0.05) for each in (found[0].min(axis=(1, 2)), found[1].min(axis=(1, 2)), joint, elsewhere, still)),
        *(_log(each, 0.05) for each in ranges),
        *(_log(each, 0.05) for each in usual),
        *(_log(np.maximum(near[0], near[1]), 0.05), _log(np.minimum(near[0], near[1]), 0.05)),
        _log(joint, 0.05) - _log(usual[0], 0.05),
        np.abs(way[:, 0]),
        np.abs(way[:, 1]),
        moves,
        _log(bulk, 0.01),
        _log(together, 0.5),
        together / max(1, len(y)),
        nearby(joint),
        nearby(still),
        nearby(_log(ranges[1], 0.05)),
        whole(joint),
        whole(still),
        whole(ranges[1]),
        _log(count, 0.5),
        _log(np.full(len(y), 1e4 * len(y) / seen.hole.size, np.float32), 0.5),
        np.full(len(y), seen.steps[0] < 0 < seen.steps[1], np.float32),
    ]


def _by_way(costs: Pixels, far: int, step: int) -> Pixels:
    """The costs (n, side, side) of ways of up to ``far`` a frame, ``step`` times as far each."""
    every = slice(REACH - far * abs(step), REACH + far * abs(step) + 1, abs(step))
    chosen = costs[:, every, every]
    return chosen if step > 0 else chosen[:, ::-1, ::-1]


def _least_of(costs: Pixels) -> Pixels:
    """The least of three by three."""
    least = costs
    for axis in (1, 2):
        given, least = np.moveaxis(least, axis, 0), least.copy()
        along = np.moveaxis(least, axis, 0)
        np.minimum(along[1:], given[:-1], out=along[1:])
        np.minimum(along[:-1], given[1:], out=along[:-1])
    return least


# -- what differs there -----------------------------------------------------------------------------------------------


def _differing(seen: Seen, flat: tuple[Places, Places]) -> list[Pixels]:
    """How far a place lies outside both neighbours, how far these differ around it, and whether things lie outside in them."""
    before, after = seen.around
    own = np.abs(seen.known[3])
    away = seen.known[3][flat]
    far = np.abs(away)
    others = [_windows(each, flat, 25) for each in seen.theirs]
    near = [_windows(each, flat, 9) for each in (seen.frame, *seen.around, *seen.came)]
    parts = [away, _log(far, 0.01), _log(_windows(own, flat, 3).max(axis=(1, 2)), 0.01)]
    differ = np.empty_like(own)
    for top in range(0, len(own), mending.BAND):
        differ[top : top + mending.BAND] = _apart(before[top : top + mending.BAND], after[top : top + mending.BAND])
    differ = _windows(differ, flat, 25)
    parts += [_log(_mean_of(_inner(differ, reach)), 0.003) for reach in (3, 9, 25)]
    parts += [_log(_mean(own, flat, reach), 0.003) for reach in (9, 33, 97)]
    theirs = [np.abs(each) for each in seen.theirs]
    for reach in (9, 33, 97):
        both = [_mean(each, flat, reach) for each in theirs]
        parts += [_log(np.minimum(*both), 0.003), _log(np.maximum(*both), 0.003)]
    for reach in (9, 25):
        light = np.minimum(*(_inner(each, reach).max(axis=(1, 2)) for each in others))
        dark = np.minimum(*(-_inner(each, reach).min(axis=(1, 2)) for each in others))
        like, unlike = np.where(away > 0, light, dark), np.where(away > 0, dark, light)
        parts += [_log(like, 0.01) - _log(far, 0.01), _log(unlike, 0.01) - _log(far, 0.01)]
    # In the frame's own place: what stays there while the camera moves.
    goes, stays = ([_apart(near[0], other) for other in which] for which in (near[1:3], near[3:]))
    for reach in (3, 9):
        parts += [_log(np.maximum(*(_mean_of(_inner(each, reach)) for each in which)), 0.005) for which in (stays, goes)]
    return parts


def _apart(one: Pixels, other: Pixels) -> Pixels:
    """By how much pixels (..., 3) differ, in the channel in which they differ most."""
    return mending.most(np.abs(one - other))


# -- its shape --------------------------------------------------------------------------------------------------------


def _shaped(seen: Seen, rows: Places, columns: Places) -> list[Pixels]:
    """How what was found lies around a place: how much of it, along which lines, and how upright."""
    flat = (rows, columns)
    hole = seen.hole.astype(np.float32)
    height = len(hole)
    near = motion.box(hole, 3)
    tall = mending.summed(near)
    long = np.lib.stride_tricks.sliding_window_view(np.pad(near, ((0, 0), (60, 60))), 120, axis=1)[flat]
    upright = [
        tall[np.minimum(rows + reach, height), columns] - tall[np.maximum(rows - reach, 0), columns] for reach in (16, 60, height)
    ]
    level = [long[:, 60 - reach : 60 + reach].sum(axis=1) for reach in (16, 60)]
    parts = [_log(_mean(hole, flat, reach), 0.002) for reach in (5, 17, 65)]
    parts += [_log(each, 1) for each in (*upright, *level)]
    parts.append(_log(np.full(len(rows), hole.mean(), np.float32), 1e-4))
    # The mean over lines through the place, of what stands out as it does.
    apart = seen.apart * hole
    sign = np.sign(apart[flat])[:, None, None]
    angles = np.pi * np.arange(24) / 24
    for reach in (8, 24):
        steps = np.arange(-reach, reach + 1)
        padded = np.pad(apart, reach)
        down, right = (np.rint(steps * way(angles)[:, None]).astype(np.intp) for way in (np.sin, np.cos))
        there = ((rows + reach) * padded.shape[1] + columns + reach)[:, None, None] + down * padded.shape[1] + right
        means = np.minimum(sign * padded.ravel()[there], np.float32(0.1)).mean(axis=2).T
        best = means.argmax(axis=0)
        parts += [_log(means.max(axis=0), 0.003), _log(np.median(means, axis=0), 0.003), _log(means[12], 0.003)]
        parts += [
            np.abs(angles[best] - np.pi / 2).astype(np.float32),
            _log(means[[11, 13]].max(axis=0), 0.003) - _log(means[12], 0.003),
        ]
    blurred = motion.box(seen.planes[0], 3)
    steep, aside = np.zeros_like(blurred), np.zeros_like(blurred)
    steep[1:-1] = blurred[2:] - blurred[:-2]
    aside[:, 1:-1] = blurred[:, 2:] - blurred[:, :-2]
    steep, aside = _windows(steep, flat, 11), _windows(aside, flat, 11)
    yy, yx, xx = (_mean_of(each) for each in (steep * steep, steep * aside, aside * aside))
    spread = np.hypot(yy - xx, 2 * yx)
    parts += [spread / (yy + xx + np.float32(1e-6)), (xx - yy) / (spread + np.float32(1e-6)), yx / (spread + np.float32(1e-6))]
    return parts


def _lined(seen: Seen, rows: Places, columns: Places) -> list[Pixels]:
    """The upright line through a place: how long, how straight and how upright it is, where it ends, and how it goes in the
    neighbours, on the whole and from above to below."""
    lines = passing.lines(seen.peaks, seen.hole, seen.steps)
    height = len(seen.hole)
    parts = np.zeros((len(rows), len(LINED)), np.float32)
    if not lines:
        return [*parts.T, np.zeros(len(rows), np.float32)]
    tops = np.array([line.bands[0] for line, _ in lines])
    feet = np.array([line.bands[-1] for line, _ in lines])
    leans = np.array([line.lean for line, _ in lines])
    nearest = np.full(len(rows), 5.0, np.float32)
    for (line, gone), lean in zip(lines, leans.tolist(), strict=True):
        middle = line.bands * passing.EVERY + passing.EVERY // 2
        there = np.abs(columns - np.interp(rows, middle, line.places)).astype(np.float32)
        there[(rows < middle[0] - 24) | (rows > middle[-1] + 24)] = np.inf
        known = np.isfinite(gone).all(axis=1)
        first, last = (float(np.median(each[known])) if known.sum() > 1 else 9.0 for each in gone.T)
        tilt = scatter = 0.0
        if known.sum() > 5:
            mean = gone[known].mean(axis=1)
            place = (line.bands[known] - line.bands[known].mean()) / (height / passing.EVERY)
            tilt = float((place * mean).sum() / max(1e-3, float((place * place).sum())))
            scatter = float(np.std(gone[known][:, 1] - gone[known][:, 0]))
        straight = lean * (middle - middle.mean())
        others = max(1, len(lines) - 1)
        own = [
            1.0,
            len(line.bands) * passing.EVERY / height,
            abs(lean) * 100,
            float(np.std(line.places - straight)),
            float(line.bands[0] < 3),
            float(line.bands[-1] > height // passing.EVERY - 4),
            float(known.mean()),
            min(4.0, abs(first + last) / 2),
            min(4.0, abs(first - last)),
            min(4.0, abs(first)),
            abs(tilt),
            scatter,
            float(((np.abs(tops - line.bands[0]) < 2) & (np.abs(feet - line.bands[-1]) < 2)).sum() - 1) / others,
            float((np.abs(leans - lean) < 0.004).sum() - 1) / others,
        ]
        closer = there < nearest
        parts[closer] = own
        nearest[closer] = there[closer]
    return [*parts.T, np.full(len(rows), np.log(len(lines) + 1), np.float32)]


# -- its colours ------------------------------------------------------------------------------------------------------


def _coloured(seen: Seen, flat: tuple[Places, Places]) -> list[Pixels]:
    """How sure the network is, what the place looks like beside a rough filling, and how strong small things around are that nobody
    took for damage."""
    chance, plane = seen.chance, seen.planes[0]
    upright, lighter, darker, _ = seen.known
    up, down = lighter[flat], darker[flat]
    at = np.zeros(chance.shape, bool)
    at[flat] = True
    order = np.lexsort(flat[::-1])
    things = damage.beside_things(plane, (lighter, darker), seen.hole, (up > down)[order], at)
    filling = damage.beside_filling(seen.frame, at, seen.rough, seen.off[1])
    within = np.empty(len(order), np.intp)
    within[order] = np.arange(len(order))
    parts = [_log(chance[flat], 0.01) - _log(1 - chance[flat], 0.01)]
    parts += [_log(_mean(chance, flat, reach), 0.001) for reach in (5, 33, 97)]
    parts += [np.abs(upright[flat]), _log(up, 0.01), _log(down, 0.01), _log(np.abs(seen.apart[flat]), 0.01)]
    parts += [each[within] for each in (*things.values(), *filling.values())]
    parts += [np.full(len(flat[0]), value, np.float32) for value in (plane.mean(), np.std(plane))]
    return parts


# -- its answer -------------------------------------------------------------------------------------------------------


def judged(seen: Seen) -> Pixels:
    """How likely each pixel of the hole is damaged, (n,), in the order of `np.nonzero`."""
    if not seen.hole.any():
        return np.zeros(0, np.float32)
    rows, columns, cell = places(seen)
    return chances(load(), features(seen, rows, columns))[cell]


def chances(weights: estimator.Weights, given: NDArray[np.float32]) -> Pixels:
    """How likely the places of one frame are damaged (n,), by their `features` and by what the others of the frame are."""
    answer = np.clip(weights.of(given)[:, 0], -MOST_SURE, MOST_SURE)
    chance = 1 / (1 + np.exp(-answer - np.float32(SHARED) * answer.mean() - np.float32(BELIEVED)))
    # A line that stands in all three frames as a scratch does may be a post before a camera that stands still: nobody can tell.
    there, long, lean, found, goes = (given[:, LINE + LINED.index(name)] for name in ("there", "long", "lean", "found", "goes"))
    stands = (there > 0) & (long >= TALL) & (lean <= LEAN) & (found >= FOUND) & (goes <= passing.SLOWEST)
    return np.asarray(np.where(stands, 1, chance), np.float32)


@lru_cache(maxsize=1)
def load() -> estimator.Weights:
    """The trained weights."""
    return estimator.stored("between.npz")
