"""How likely a place of a picture alone is damaged, by three answers of the network that finds damage and by what is around it.

That network has learnt from crops, and how much damage a whole picture has it cannot see: a print with ten sure specks has more of
them, and a speck in grass is one of many. It has learnt from large specks: of a picture at twice its size it finds more dust, and
takes less for it that is none, but it finds less of lines. A small second network is given all its answers (of the picture, of the
picture turned by half, and at twice its size), their means nearby and farther away, of all damage and of what is as light or dark,
and along lines through the place. Beside them it is given the picture's detail, colour and edges there; how far the place is from
a rough filling, and whether white or black over that would look so; and how strong small things around are that nobody took for
damage: ``damage.npz``; ``pellucid calibrate damage`` makes it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pellucid import mending, motion
from pellucid.diagnosis import estimator
from pellucid.images import Pixels

__all__ = ["GUESS", "GUESS_LARGER", "beside_filling", "beside_things", "columns", "features", "glimpsed", "judged", "load"]

GUESS, GUESS_LARGER = 0.1, 0.05
"""The chance in the first answer, and in that at twice the size, from which a place is looked at again, and judged."""

UNSEEN, UNSEEN_WIDE = 0.003, 0.05
"""A place around which the answer at twice the size is nowhere higher is a thing in the picture, whatever the others say; more is
asked of what is wide. In crops of held-out photographs that was so of nine tenths of what was wrongly found in clean ones, and of a
hundredth of the dust and none of the cracks that were found. Lines do not show as well at twice the size: they are left out."""

CROSSING, OF_LINES, LONG = 16, 0.5, 0.5
"""Where lines cross, none stands out from the others: a place is left out, too, if so many pixels to each side of it this share of
the chance is seen at twice the size or lies in lines, and if the likeliest long line through it has this mean chance."""

WIDE, ACROSS, RIM = 0.6, 7, 9
"""The mean chance of so many pixels to each side from which they are of no line, a crease with its shade among these, and how far
from there the rim of a thing reaches."""

UPRIGHT, IN_LINE = 0.2, 0.3
"""How much of an upright line a place must be of (`mending.upright`), or by how much more chance the likeliest line through it must
have than the median of all, for it to be in a line."""

SURE = 0.6
"""The mean chance from which damage counts as seen, when it is counted around a place."""

NEARBY, AROUND, FAR = (1, 3), 16, 64
"""Pixels to each side of a place over which chances are averaged: less far than pieces overlap."""

BLOCK = 4
"""Rows and columns whose mean stands for them where chances far around a place count: sixteen times less work."""

CELL, NEAR_CELLS, CELLS, ALL_CELLS = 8, 3, 5, 15
"""Rows and columns of the cells of which the highest value stands for all, and how many cells to each side, or across, count."""

WAYS = {"short": (12, 3, 8), "long": (30, 3, 12), "shorter": (8, 2, 8)}
"""Lines through a place: pixels to both sides, from each to the next of which the chance counts, and directions."""

COLOURED = 5
"""Pixels to each side whose colour a place is held against."""

WHITE, BLACK, LEAST = 0.95, 0.08, 0.05
"""The values that dust, paper and dirt are held to have, and the least distance from them that a share of them is reckoned from."""

MOST = 100_000
"""Places judged at once."""


def glimpsed(first: Pixels, larger: Pixels | None) -> NDArray[np.bool_]:
    """The places to be judged: where the first answer, or that at twice the size, takes damage for possible."""
    return first >= GUESS if larger is None else (first >= GUESS) | (larger >= GUESS_LARGER)


def features(
    frame: Pixels,
    maps: Sequence[Pixels],
    first: Pixels,
    turned: Pixels,
    where: NDArray[np.bool_],
    larger: Pixels | None = None,
) -> NDArray[np.float32]:
    """The network's input (n, 54) for the places ``where`` (h, w) of a frame (h, w, 3) in [0, 1]; `columns` names it.

    ``maps`` are `mending.upright` of its mean channel and both planes of `mending.small_things`. ``first`` and ``turned`` (h, w)
    are the chances in both answers; what ``turned`` says elsewhere does not count, and damage is half as likely there as ``first``
    says. ``larger`` (h, w) is the chance at twice the size; without it the mean of the others stands for it.
    """
    return np.stack(list(_measured(frame, maps, first, turned, where, larger).values()), axis=1).astype(np.float32)


@lru_cache(maxsize=1)
def columns() -> tuple[str, ...]:
    """The names of what `features` gives, in its order."""
    plane = np.zeros((8, 8), np.float32)
    return tuple(_measured(plane[..., None].repeat(3, axis=2), (plane,) * 3, plane, plane, plane == 0, None))


def _measured(
    frame: Pixels,
    maps: Sequence[Pixels],
    first: Pixels,
    turned: Pixels,
    where: NDArray[np.bool_],
    larger: Pixels | None,
) -> dict[str, Pixels]:
    """The features (n,) by name."""
    chance: Pixels = np.where(where, first + turned, first) * np.float32(0.5)
    finer = chance if larger is None else larger
    upright, lighter, darker = maps
    light = lighter > darker
    rows, columns = np.nonzero(where)
    of_light = light[where]
    plane = mending.gray(frame)
    colour = mending.most(frame) + mending.most(-frame)
    edges = np.zeros_like(plane)
    edges[1:-1] = np.abs(plane[2:] - plane[:-2])
    edges[:, 1:-1] += np.abs(plane[:, 2:] - plane[:, :-2])

    def far(values: Pixels, *reach: int) -> list[Pixels]:
        coarse = _coarse(values)
        return [_mean(coarse, each // BLOCK)[rows // BLOCK, columns // BLOCK] for each in reach]

    def cells(values: Pixels, many: int, least: float) -> Pixels:
        return _logarithm(motion.box(values, many)[rows // CELL, columns // CELL], least)

    around, farther = far(chance, AROUND, FAR)
    (like_light,), (like_dark,) = far(np.where(light, chance, 0), FAR), far(np.where(light, 0, chance), FAR)
    detail = _logarithm(far(lighter + darker, AROUND)[0], 0.005)
    own, up, down = chance[where], lighter[where], darker[where]
    highest = mending.extreme(chance, np.maximum, 7)[where]
    both = np.maximum(chance, finer)
    both_cells, finer_cells = _highest(both), _highest(finer)
    found = {
        "odds": _odds(own),
        "first over turned": _logarithm(first[where], 0.01) - _logarithm(turned[where], 0.01),
        "highest odds": _odds(highest),
        **{f"mean within {reach}": _logarithm(_mean(chance, reach)[where], 1e-3) for reach in NEARBY},
        "mean around": _logarithm(around, 1e-4),
        "mean far around": _logarithm(farther, 1e-4),
        "sure far around": _logarithm(far((chance >= SURE).astype(np.float32), FAR)[0], 1e-5),
        "as light far around": _logarithm(np.where(up > down, like_light, like_dark), 1e-4),
        "upright": np.abs(upright[where]),
        "lighter": _logarithm(up, 0.01),
        "darker": _logarithm(down, 0.01),
        "detail": detail,
        "over detail": _logarithm(np.maximum(up, down), 0.01) - detail,
        "colour over colour around": (colour - _mean(colour, COLOURED))[where],
        "colour": colour[where],
        "light": plane[where],
        "edge": _logarithm(mending.extreme(edges, np.maximum, 3)[where], 0.01),
        **_along("short", chance, rows, columns),
        **beside_filling(frame, where),
        **beside_things(plane, (lighter, darker), where, of_light),
        "cells": cells(both_cells, ALL_CELLS, 1e-3),
        "cells around": cells(both_cells, CELLS, 1e-3),
        "sure cells": cells((both_cells > SURE).astype(np.float32), ALL_CELLS, 1e-3),
        "places nearby": _logarithm(far(where.astype(np.float32), 8)[0], 0.01),
        "places far around": _logarithm(far(where.astype(np.float32), FAR)[0], 1e-4),
        "finer odds": _odds(finer[where]),
        "highest finer odds": _odds(mending.extreme(finer, np.maximum, 7)[where]),
        **{f"finer mean within {reach}": _logarithm(_mean(finer, reach)[where], 1e-3) for reach in NEARBY},
        "finer cells around": cells(finer_cells, CELLS, 1e-3),
        "finer cells": cells(finer_cells, ALL_CELLS, 1e-3),
        "sure finer cells": cells((finer_cells > SURE).astype(np.float32), ALL_CELLS, 1e-3),
        "finer cells as light": np.where(
            of_light,
            cells(_highest(np.where(light, finer, 0)), ALL_CELLS, 1e-3),
            cells(_highest(np.where(light, 0, finer)), ALL_CELLS, 1e-3),
        ),
        "looked at in twice the size": np.full(len(rows), larger is not None, np.float32),
    }
    wide = mending.extreme(both, np.maximum, 3)
    for name in ("long", "shorter"):
        found |= _along(name, wide, rows, columns)
    return found


def beside_filling(
    frame: Pixels, where: NDArray[np.bool_], rough: Pixels | None = None, off: Pixels | None = None
) -> dict[str, Pixels]:
    """How far places are from what a rough filling of all of them puts there: on the whole, to which side, from channel to channel;
    which share of white, or of black, would make that of it, and by how much that differs between channels; the filling's light and
    colour, the place's colour, and the difference nearby. ``rough`` (h, w, 3) and ``off`` (h, w): a filling of these places and of
    others, and how far pixels lie from it."""
    rough = mending.roughly_filled(frame, mending.grown(where, 1)) if rough is None else rough
    filling, given = rough[where], frame[where]
    apart = given - filling
    side = np.sign(apart.mean(axis=1))[:, None]
    covered = np.where(
        side > 0, apart / np.maximum(np.float32(WHITE) - filling, LEAST), -apart / np.maximum(filling - np.float32(BLACK), LEAST)
    )

    def spread(values: Pixels) -> Pixels:
        return np.asarray(np.ptp(values, axis=1), dtype=np.float32)

    nearby = _mean(mending.gray(np.abs(frame - rough)) if off is None else off, 2)
    return {
        "off the filling": np.abs(apart).mean(axis=1),
        "to which side": side[:, 0],
        "off the filling by channel": spread(np.abs(apart)),
        "covered": np.clip(covered.mean(axis=1), -1, 2),
        "covered by channel": np.clip(spread(covered), 0, 2),
        "light of the filling": filling.mean(axis=1),
        "colour of the filling": spread(filling),
        "colour of the place": spread(given),
        "off the filling nearby": _logarithm(nearby[where], 0.005),
    }


def beside_things(
    plane: Pixels,
    things: tuple[Pixels, Pixels],
    where: NDArray[np.bool_],
    of_light: NDArray[np.bool_],
    at: NDArray[np.bool_] | None = None,
) -> dict[str, Pixels]:
    """How strong small things around places are that nobody took for damage, and as light or dark as these, and by how much the
    places are stronger; how rough the picture is around them, and in them. ``at``: those of the places that are asked for, None
    for all; ``of_light`` (n,) are theirs."""
    at = where if at is None else at
    places = np.nonzero(at)
    rows, columns = (each // CELL for each in places)
    spared = mending.grown(where, 1)
    light, dark = (_highest(np.where(spared, 0, each)) for each in things)

    def like(of: Pixels, other: Pixels) -> Pixels:
        return _logarithm(np.where(of_light, of[rows, columns], other[rows, columns]), 0.005)

    usual = like(motion.box(light, 2 * NEAR_CELLS + 1), motion.box(dark, 2 * NEAR_CELLS + 1))
    most = like(*(mending.extreme(each, np.maximum, 2 * NEAR_CELLS + 1) for each in (light, dark)))
    own = _logarithm(np.maximum(things[0][places], things[1][places]), 0.01)
    rough = np.zeros_like(plane)
    rough[1:-1, 1:-1] = np.abs(4 * plane[1:-1, 1:-1] - plane[:-2, 1:-1] - plane[2:, 1:-1] - plane[1:-1, :-2] - plane[1:-1, 2:])
    rest, share = (_mean(_coarse(each), AROUND // BLOCK) for each in (np.where(spared, 0, rough), (~spared).astype(np.float32)))
    beside = (rest / np.maximum(share, LEAST))[tuple(each // BLOCK for each in places)]
    return {
        "usual thing": usual,
        "greatest thing": most,
        "things beside": like(motion.box(light, 3), motion.box(dark, 3)),
        "over the usual thing": own - usual,
        "over the greatest thing": own - most,
        "rough around": _logarithm(beside.astype(np.float32), 0.002),
        "rough": _logarithm(rough[places], 0.005),
    }


def _highest(plane: Pixels) -> Pixels:
    """The highest values of the cells of a plane."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % CELL), (0, -width % CELL)), mode="edge")
    rows = padded[::CELL]
    for step in range(1, CELL):
        rows = np.maximum(rows, padded[step::CELL])
    highest = rows[:, ::CELL]
    for step in range(1, CELL):
        highest = np.maximum(highest, rows[:, step::CELL])
    return np.asarray(highest, dtype=np.float32)


def _odds(chance: Pixels) -> Pixels:
    return _logarithm(chance, 1e-5) - _logarithm(1 - chance, 1e-5)


def _coarse(plane: Pixels) -> Pixels:
    """The means of blocks of a plane, its edge repeated."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, -height % BLOCK), (0, -width % BLOCK)), mode="edge")
    rows = sum((padded[step::BLOCK] for step in range(1, BLOCK)), padded[::BLOCK])
    total = sum((rows[:, step::BLOCK] for step in range(1, BLOCK)), rows[:, ::BLOCK])
    return np.asarray(total / np.float32(BLOCK**2), dtype=np.float32)


def _logarithm(values: Pixels, least: float) -> Pixels:
    return np.log(np.maximum(values, 0) + np.float32(least))


def _mean(plane: Pixels, reach: int) -> Pixels:
    return motion.box(plane, 2 * reach + 1)


def _along(name: str, chance: Pixels, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> dict[str, Pixels]:
    """The logarithm of the mean chance along lines through places: along the likeliest, and the median of all."""
    reach, each, ways = WAYS[name]
    padded = np.pad(chance, reach, mode="edge")
    across = padded.shape[1]
    places, flat = (rows + reach) * across + columns + reach, padded.ravel()
    steps = range(-reach, reach + 1, each)
    means = []
    for angle in np.pi * np.arange(ways) / ways:
        down, right = np.sin(angle), np.cos(angle)
        total = np.zeros(len(rows), np.float32)
        for step in steps:
            total += flat[places + round(step * down) * across + round(step * right)]
        means.append(total / np.float32(len(steps)))
    return {
        f"likeliest {name} line": _logarithm(np.max(means, axis=0), 1e-3),
        f"usual {name} line": _logarithm(np.median(means, axis=0).astype(np.float32), 1e-3),
    }


def judged(
    frame: Pixels,
    maps: Sequence[Pixels],
    first: Pixels,
    turned: Pixels,
    where: NDArray[np.bool_],
    larger: Pixels | None = None,
) -> Pixels:
    """How likely each of the places ``where`` is damaged, (n,), in the order of `np.nonzero`; all else as `features` takes it."""
    if not where.any():
        return np.zeros(0, np.float32)
    inputs = features(frame, maps, first, turned, where, larger)
    parts = [load().of(inputs[start : start + MOST])[:, 0] for start in range(0, len(inputs), MOST)]
    chance = np.asarray(1 / (1 + np.exp(-np.clip(np.concatenate(parts), -30, 30))), dtype=np.float32)
    if larger is not None:
        lines = [columns().index(f"{name} line") for name in ("likeliest short", "usual short", "likeliest long")]
        likeliest, usual, long = np.exp(inputs[:, lines].T)
        wide = mending.grown(_mean(np.where(where, (first + turned) / 2, 0), ACROSS) >= WIDE, RIM)
        least = np.where(wide, np.float32(UNSEEN_WIDE), np.float32(UNSEEN))
        in_line = (np.abs(maps[0]) >= UPRIGHT)[where] | (likeliest - usual >= IN_LINE)
        unseen = (mending.extreme(larger, np.maximum, 7) < least)[where] & ~in_line
        whole, left = (np.zeros(where.shape, np.float32) for _ in range(2))
        whole[where], left[where] = chance, np.where(unseen, 0, chance)
        crossing = (_mean(left, CROSSING) >= np.float32(OF_LINES) * _mean(whole, CROSSING))[where] & (long >= LONG)
        chance[unseen & ~crossing] = 0
    return chance


@lru_cache(maxsize=1)
def load() -> estimator.Weights:
    """The trained weights."""
    return estimator.stored("damage.npz")
