"""How likely what was found in a frame of a clip is damage, by where the like of it is in the frames before and after.

The network that finds damage is given the neighbours in place of what the camera looks at, and knows nothing of what moves by
itself: hair, grass, masts, birds and snow lie outside both neighbours, as dust does, and what stays before the camera is where a
scratch is. A small second network is given what parts them: where the patch around a place is found again before and after, by the
same way both times, and whether other places go that way; how much the neighbours differ there, and whether things of that kind lie
nearby in them; the lines through the place, how they lean, end and go; the first network's chances, colours, and small things
around. It answers for places some pixels wide: ``between.npz``; ``pellucid calibrate between`` makes it again.
"""

from __future__ import annotations

from dataclasses import dataclass
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

SHARED, MOST_SURE = 0.7, 12.0
"""How much the mean answer for the places of a frame counts beside a place's own, and the most that either is, in logits: on frames
that were held out, 0.98 of the damage stayed with it, 0.96 without, and less of what is like damage."""

LINE, TALL, LEAN, TOLD = 73, 0.7, 0.5, 0.6
"""The first feature of the upright line through a place; the share of the frame's height over which a line stands that may be a
scratch, the pixels by which it leans in a hundred rows at most, and the share of its places that are found in both neighbours."""

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

    @cached_property
    def rough(self) -> Pixels:
        """The frame, roughly filled."""
        return mending.roughly_filled(self.frame, mending.grown(self.hole, 1))

    @cached_property
    def apart(self) -> Pixels:
        """How far pixels (h, w) lie from the rough filling."""
        return mending.gray(self.frame - self.rough)


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
    plane = mending.gray(seen.frame)
    parts = [
        *_matched(seen, plane, rows, columns),
        *_differing(seen, flat),
        *_shaped(seen, plane, rows, columns),
        *_lined(seen, plane, rows, columns),
        *_coloured(seen, plane, flat),
    ]
    return np.nan_to_num(np.stack(parts, axis=1).astype(np.float32), posinf=10, neginf=-10)


def _log(values: Pixels | float, least: float) -> Pixels:
    return np.asarray(np.log(np.maximum(values, 0) + np.float32(least)), np.float32)


# -- where it is again ------------------------------------------------------------------------------------------------


def _halved(plane: Pixels) -> Pixels:
    padded = np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2)), mode="edge")
    return np.asarray((padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]) / np.float32(4), np.float32)


def _flat(plane: Pixels) -> Pixels:
    small = _halved(plane)
    return small - motion.box(small, WIDE)


def _matched(seen: Seen, plane: Pixels, rows: Places, columns: Places) -> list[Pixels]:
    """How well the patch around each place is found in the neighbours, and by which way."""
    own = _flat(plane)
    others = [_flat(mending.gray(each)) for each in (*seen.came, *seen.around)]
    weight = np.minimum(_halved(np.abs(seen.apart)), np.float32(0.3))
    y, x = rows // 2, columns // 2
    down, right = np.indices((2 * HALF + 1, 2 * HALF + 1))
    # Every second place says as much.
    down, right = (each[(down + right) % 2 == 0] for each in (down, right))
    pad = HALF + REACH
    padded = [np.pad(each, pad, mode="reflect" if min(each.shape) > pad else "edge") for each in others]
    mine = np.pad(own, HALF, mode="edge")[y[:, None] + down, x[:, None] + right]
    mass = np.pad(weight, HALF, mode="edge")[y[:, None] + down, x[:, None] + right]
    mass = mass + np.float32(SURROUND) * mass.max(axis=1, keepdims=True) + np.float32(1e-4)
    mass /= mass.sum(axis=1, keepdims=True)
    bulk = (np.abs(mine) * mass).sum(axis=1) + np.float32(LEAST)
    side = 2 * REACH + 1
    found = np.empty((2, len(y), side, side), np.float32)
    for index in range(2):
        windows = np.lib.stride_tricks.sliding_window_view(padded[index], (side, side))
        total = np.zeros((len(y), side, side), np.float32)
        for one, (dy, dx) in enumerate(zip(down, right, strict=True)):
            near = windows[y + dy, x + dx]
            near -= mine[:, one][:, None, None]
            np.abs(near, out=near)
            near *= mass[:, one][:, None, None]
            total += near
        found[index] = total / bulk[:, None, None]
    down, right = y[:, None] + REACH + down, x[:, None] + REACH + right
    near = [(np.abs(padded[index][down, right] - mine) * mass).sum(axis=1) / bulk for index in (2, 3)]
    middle = REACH
    still = found[:, :, middle - 1 : middle + 2, middle - 1 : middle + 2].min(axis=(2, 3)).max(axis=0)
    ways = np.arange(-REACH, REACH + 1)
    farthest = max(map(abs, seen.steps))
    ways = ways[np.abs(ways) * farthest <= REACH]
    loose = np.stack([_least_of(each) for each in found])
    at = [middle + step * ways for step in seen.steps]
    exact = [found[index][:, at[index][:, None], at[index][None]] for index in range(2)]
    around = [loose[index][:, at[index][:, None], at[index][None]] for index in range(2)]
    both = np.minimum(np.maximum(exact[0], around[1]), np.maximum(around[0], exact[1])).reshape(len(y), -1)
    best = both.argmin(axis=1)
    joint = both[np.arange(len(y)), best]
    way = np.stack(np.unravel_index(best, (len(ways), len(ways))), axis=1)
    way = ways[way].astype(np.float32)
    moves = np.hypot(way[:, 0], way[:, 1])
    slow = (np.abs(ways)[:, None] <= 1) & (np.abs(ways)[None] <= 1)
    elsewhere = np.where(slow.ravel(), np.float32(9), both).min(axis=1)
    ranges = [
        found[:, :, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1].min(axis=(2, 3)).max(axis=0)
        for reach in (3, 8, 16)
    ]
    usual = np.quantile(both[:, ::4], (0.02, 0.2), axis=1).astype(np.float32)
    # What others do, as far as they are sure.
    trust = np.clip(1.2 - joint, 0, 1)
    apart = np.abs(way[:, None] - way[None]).max(axis=2)
    alike = (apart <= 1).astype(np.float32) * trust[None]
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
        _log(np.full(len(y), 1e4 * len(y) / plane.size, np.float32), 0.5),
        np.full(len(y), seen.steps[0] < 0 < seen.steps[1], np.float32),
    ]


def _least_of(costs: Pixels) -> Pixels:
    """The least of three by three."""
    padded = np.pad(costs, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = np.minimum(np.minimum(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
    return np.minimum(np.minimum(rows[:, :, :-2], rows[:, :, 1:-1]), rows[:, :, 2:])


# -- what differs there -----------------------------------------------------------------------------------------------


def _differing(seen: Seen, flat: tuple[Places, Places]) -> list[Pixels]:
    """How far a place lies outside both neighbours, how far these differ around it, and whether things lie outside in them."""
    before, after = seen.around
    own = mending.outside(seen.frame, before, after)
    theirs = [mending.outside(before, seen.frame, after), mending.outside(after, seen.frame, before)]
    side = np.sign(own[flat])
    far = np.abs(own[flat])
    differ = mending.most(np.abs(before - after))
    parts = [own[flat], _log(far, 0.01), _log(mending.extreme(np.abs(own), np.maximum, 3)[flat], 0.01)]
    parts += [_log(motion.box(differ, reach)[flat], 0.003) for reach in (3, 9, 25)]
    parts += [_log(motion.box(np.abs(own), reach)[flat], 0.003) for reach in (9, 33, 97)]
    for reach in (9, 33, 97):
        both = [motion.box(np.abs(each), reach)[flat] for each in theirs]
        parts += [_log(np.minimum(*both), 0.003), _log(np.maximum(*both), 0.003)]
    for reach in (9, 25):
        light = np.minimum(*(mending.extreme(each, np.maximum, reach)[flat] for each in theirs))
        dark = np.minimum(*(mending.extreme(-each, np.maximum, reach)[flat] for each in theirs))
        like, unlike = np.where(side > 0, light, dark), np.where(side > 0, dark, light)
        parts += [_log(like, 0.01) - _log(far, 0.01), _log(unlike, 0.01) - _log(far, 0.01)]
    # In the frame's own place: what stays there while the camera moves.
    stays = [mending.most(np.abs(seen.frame - other)) for other in seen.came]
    goes = [mending.most(np.abs(seen.frame - other)) for other in seen.around]
    for reach in (3, 9):
        parts += [_log(np.maximum(*(motion.box(each, reach)[flat] for each in which)), 0.005) for which in (stays, goes)]
    return parts


# -- its shape --------------------------------------------------------------------------------------------------------


def _shaped(seen: Seen, plane: Pixels, rows: Places, columns: Places) -> list[Pixels]:
    """How what was found lies around a place: how much of it, along which lines, and how upright."""
    flat = (rows, columns)
    hole = seen.hole.astype(np.float32)
    height, width = hole.shape
    tall = np.cumsum(np.pad(motion.box(hole, 3), ((1, 0), (0, 0))), axis=0, dtype=np.float32)
    long = np.cumsum(np.pad(motion.box(hole, 3), ((0, 0), (1, 0))), axis=1, dtype=np.float32)
    upright = [
        tall[np.minimum(rows + reach, height), columns] - tall[np.maximum(rows - reach, 0), columns] for reach in (16, 60, height)
    ]
    level = [long[rows, np.minimum(columns + reach, width)] - long[rows, np.maximum(columns - reach, 0)] for reach in (16, 60)]
    parts = [_log(motion.box(hole, reach)[flat], 0.002) for reach in (5, 17, 65)]
    parts += [_log(each, 1) for each in (*upright, *level)]
    parts.append(_log(np.full(len(rows), hole.mean(), np.float32), 1e-4))
    # The mean over lines through the place, of what stands out as it does.
    apart = seen.apart
    sign = np.sign(apart[flat])[:, None]
    for reach in (8, 24):
        angles = np.pi * np.arange(24) / 24
        steps = np.arange(-reach, reach + 1)
        padded = np.pad(apart * hole, reach)
        y, x = rows + reach, columns + reach
        means = np.stack(
            [
                (
                    np.minimum(
                        sign
                        * padded[
                            y[:, None] + np.rint(steps * np.sin(way)).astype(int),
                            x[:, None] + np.rint(steps * np.cos(way)).astype(int),
                        ],
                        np.float32(0.1),
                    )
                ).mean(axis=1)
                for way in angles
            ]
        )
        best = means.argmax(axis=0)
        parts += [_log(means.max(axis=0), 0.003), _log(np.median(means, axis=0), 0.003), _log(means[12], 0.003)]
        parts += [
            np.abs(angles[best] - np.pi / 2).astype(np.float32),
            _log(means[[11, 13]].max(axis=0), 0.003) - _log(means[12], 0.003),
        ]
    blurred = motion.box(plane, 3)
    down, right = np.zeros_like(plane), np.zeros_like(plane)
    down[1:-1] = blurred[2:] - blurred[:-2]
    right[:, 1:-1] = blurred[:, 2:] - blurred[:, :-2]
    yy, yx, xx = (motion.box(each, 11)[flat] for each in (down * down, down * right, right * right))
    spread = np.hypot(yy - xx, 2 * yx)
    parts += [spread / (yy + xx + np.float32(1e-6)), (xx - yy) / (spread + np.float32(1e-6)), yx / (spread + np.float32(1e-6))]
    return parts


def _lined(seen: Seen, plane: Pixels, rows: Places, columns: Places) -> list[Pixels]:
    """The upright line through a place: how long, how straight and how upright it is, where it ends, and how it goes in the
    neighbours, on the whole and from above to below."""
    lines = passing.lines([plane, *(mending.gray(each) for each in seen.came)], seen.hole, seen.steps)
    height = len(plane)
    parts = np.zeros((len(rows), 14), np.float32)
    if not lines:
        return [*parts.T, np.zeros(len(rows), np.float32)]
    tops = np.array([line.bands[0] for line, _ in lines])
    feet = np.array([line.bands[-1] for line, _ in lines])
    leans = np.array([line.lean for line, _ in lines])
    nearest = np.full(len(rows), 5.0, np.float32)
    for line, gone in lines:
        middle = line.bands * passing.EVERY + passing.EVERY // 2
        there = np.abs(columns - np.interp(rows, middle, line.places)).astype(np.float32)
        there[(rows < middle[0] - 24) | (rows > middle[-1] + 24)] = np.inf
        told = np.isfinite(gone).all(axis=1)
        first, last = (float(np.median(each[told])) if told.sum() > 1 else 9.0 for each in gone.T)
        tilt = scatter = 0.0
        if told.sum() > 5:
            mean = gone[told].mean(axis=1)
            place = (line.bands[told] - line.bands[told].mean()) / (height / passing.EVERY)
            tilt = float((place * mean).sum() / max(1e-3, float((place * place).sum())))
            scatter = float(np.std(gone[told][:, 1] - gone[told][:, 0]))
        lean = line.places - np.polyval(np.polyfit(middle, line.places, 1), middle)
        others = max(1, len(lines) - 1)
        own = [
            1.0,
            len(line.bands) * passing.EVERY / height,
            abs(line.lean) * 100,
            float(np.std(lean)),
            float(line.bands[0] < 3),
            float(line.bands[-1] > height // passing.EVERY - 4),
            float(told.mean()),
            min(4.0, abs(first + last) / 2),
            min(4.0, abs(first - last)),
            min(4.0, abs(first)),
            abs(tilt),
            scatter,
            float(((np.abs(tops - line.bands[0]) < 2) & (np.abs(feet - line.bands[-1]) < 2)).sum() - 1) / others,
            float((np.abs(leans - line.lean) < 0.004).sum() - 1) / others,
        ]
        closer = there < nearest
        parts[closer] = own
        nearest[closer] = there[closer]
    return [*parts.T, np.full(len(rows), np.log(len(lines) + 1), np.float32)]


# -- its colours ------------------------------------------------------------------------------------------------------


def _coloured(seen: Seen, plane: Pixels, flat: tuple[Places, Places]) -> list[Pixels]:
    """How sure the network is, what the place looks like beside a rough filling, and how strong small things around are that nobody
    took for damage."""
    chance = seen.chance
    number = np.zeros(chance.shape, np.intp)
    number[seen.hole] = np.arange(np.count_nonzero(seen.hole))
    within = number[flat]
    lighter, darker = mending.small_things(plane)
    light = lighter > darker
    maps = (mending.upright(plane), lighter, darker)
    things = damage.beside_things(plane, (lighter, darker), seen.hole, light[seen.hole])
    filling = damage.beside_filling(seen.frame, seen.hole, seen.rough)
    parts = [_log(chance[flat], 0.01) - _log(1 - chance[flat], 0.01)]
    parts += [_log(motion.box(chance, reach)[flat], 0.001) for reach in (5, 33, 97)]
    parts += [np.abs(maps[0][flat]), _log(lighter[flat], 0.01), _log(darker[flat], 0.01), _log(np.abs(seen.apart[flat]), 0.01)]
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
    chance = 1 / (1 + np.exp(-answer - np.float32(SHARED) * answer.mean()))
    # What stands in all three frames as a scratch does may be a post before a camera that does not move, but nobody can tell.
    line = given[:, LINE:]
    stands = (line[:, 0] > 0) & (line[:, 1] >= TALL) & (line[:, 2] <= LEAN) & (line[:, 6] >= TOLD) & (line[:, 7] <= passing.SLOWEST)
    return np.asarray(np.where(stands, 1, chance), np.float32)


@lru_cache(maxsize=1)
def load() -> estimator.Weights:
    """The trained weights."""
    return estimator.stored("between.npz")
