"""Arithmetic of mattes: a coarse alpha refined against the picture, and the colours of what is before the background.

Pure functions of arrays, float32 pixels in [0, 1]. Those that work on a piece of a picture are given its place, and answer in any
piece as on the whole picture.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import images, memory
from pellucid.images import Pixels
from pellucid.tiling import Place

__all__ = [
    "BLOCK",
    "REACH",
    "SMALL",
    "blurred",
    "coefficients",
    "covering",
    "enlarged",
    "foreground",
    "means",
    "refined",
    "scaled",
    "valid",
]

BILINEAR = PillowImage.Resampling.BILINEAR

BLOCK = 8
"""Side in pixels of the blocks that wide windows are averaged in; pieces begin at multiples of it."""

WIDE = 5
"""Blocks to each side of the wide window: 11 blocks of 8 pixels are 88, and Forte (2021) has 90."""

NARROW = 3
"""Pixels to each side of the narrow window: 7 pixels, and Forte (2021) has 6."""

REACH = 64
"""How far, in pixels, `foreground` looks: the wide window, the pixels between two blocks, and the narrow window (55), in whole
blocks."""

BAND = 128
"""Rows that are worked on together: planes of half a megabyte, which the cache of a core holds."""

FAINT = 1e-3
"""Weight of the wide window's colours where the narrow one has hardly any foreground."""

SMALL = 384
"""Longest side in pixels of the small picture that `coefficients` are computed on. With 512 errors were the same; it took twice
as long."""

WINDOWS = (10, 4)
"""Pixels to each side of the windows of both rounds, on a picture of 512 pixels. On eight composites of 1,200 pixels with a
blurred and bent coarse alpha, the error around soft edges was 0.079 (one round of 10: 0.090; of 4: 0.114; the plain filter: 0.139;
the coarse alpha enlarged: 0.199)."""

SMOOTHNESS = 5e-5
"""Variance of colours, over [0, 1], below which a window shows no edge: between 2e-5 and 1e-4, which measured alike."""

SURE = 0.08
"""Coarse alpha this near to 0 or 1 is sure of itself."""

END = 0.03
"""How near to 0 or 1 a refined alpha is taken for that."""


BLURRED = 0.02
"""Radius of the blur behind a thing, as a share of the picture's longer side: like a portrait lens."""


def means(planes: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """The mean of each place of planes (n, h, w) and its neighbours up to ``radius`` away, those that there are."""
    rows, columns = (
        np.minimum(np.arange(size) + radius + 1, size) - np.maximum(np.arange(size) - radius, 0) for size in planes.shape[1:]
    )
    share = 1 / (rows[:, None] * columns)
    output = np.empty_like(planes)
    for plane, mean in zip(planes, output, strict=True):
        np.multiply(_windows(np.pad(plane, radius), radius), share, out=mean)
    return output


def _windows(plane: NDArray[Any], radius: int) -> NDArray[Any]:
    """The sum of each place of (h, w) and its neighbours up to ``radius`` away, without the rim where some are missing.

    Windows of 2, 4, 8 and so on are sums of two of half their size, and one of any size is a sum of these: few additions, and none
    of the digits are lost that the difference of two long sums loses.
    """
    for axis in (0, 1):
        # A window along rows is one along columns of the transposed plane, which is never copied.
        lines = plane if axis == 0 else plane.T
        size, start = 2 * radius + 1, 1
        total = lines[: len(lines) - size + 1]
        width, part = 1, lines
        while 2 * width <= size:
            part = part[:-width] + part[width:]
            width *= 2
            if size & width:
                total = total + part[start : start + len(total)]
                start += width
        plane = total if axis == 0 else total.T
    return plane


def coefficients(picture: Pixels, alpha: Pixels) -> Pixels:
    """Coefficients that refine a coarse ``alpha`` (h, w) against a small ``picture`` (h, w, c): (h, w, c + 1), a factor for each
    channel and a summand; `refined` applies them at any size.

    The guided filter of He, Sun and Tang (2013) with a colour guide, computed on a small picture and enlarged as in He and Sun
    (2015): near each place alpha is a linear function of the colours, the one with the least squared error in a window. Each place
    counts by how far its coarse alpha is from one half, and what it says is taken for more decided than it is: the filter learns
    from what is known beside the edge, and finds the edge itself in the colours. Twice, the second time from its own answer in
    smaller windows (see `WINDOWS`). Where alpha is within `SURE` of 0 or 1 all around, it is that: the factors are 0.
    """
    short = max(alpha.shape) / 512
    for number, width in enumerate(WINDOWS):
        radius = max(1, round(width * short))
        found = _fitted(picture, alpha, radius)
        there, beyond = means(np.stack([alpha > SURE, alpha < 1 - SURE]).astype(np.float64), max(1, radius // 2)) > 0
        found[:, ~there | ~beyond] = 0
        found[-1, ~beyond] = 1
        if number + 1 < len(WINDOWS):
            alpha = refined(found, picture.transpose(2, 0, 1))
    return found.transpose(1, 2, 0)


def _fitted(picture: Pixels, alpha: Pixels, radius: int) -> Pixels:
    """The factors of one round: two halves at once, each with all that its windows reach."""
    height, middle = len(alpha), len(alpha) // 2

    def half(top: int, bottom: int) -> Pixels:
        first, last = max(0, top - 2 * radius), min(height, bottom + 2 * radius)
        return _fitted_part(picture[first:last], alpha[first:last], radius)[:, top - first : bottom - first]

    with ThreadPoolExecutor(min(2, memory.cores())) as pool:
        return np.concatenate(list(pool.map(half, (0, middle), (middle, height))), axis=1)


def _fitted_part(picture: Pixels, alpha: Pixels, radius: int) -> Pixels:
    channels = picture.shape[2]
    guide, level = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float64), alpha.astype(np.float64)
    weight = (2 * level - 1) ** 2 + 1e-3
    wanted = np.clip(2 * level - 0.5, 0, 1)
    pairs = [(one, other) for one in range(channels) for other in range(one, channels)]
    weighed = weight * guide
    products = [weighed[one] * guide[other] for one, other in pairs]
    averaged = means(np.stack([weight, *weighed, weight * wanted, *(weighed * wanted), *products]), radius)
    averaged = averaged[1:] / averaged[0]
    middle, mean, both, squares = np.split(averaged, [channels, channels + 1, 2 * channels + 1])
    variances = {pair: squares[place] - middle[pair[0]] * middle[pair[1]] for place, pair in enumerate(pairs)}
    for one in range(channels):
        variances[one, one] += SMOOTHNESS
    factors = _solved(variances, both - middle * mean)
    added = mean - (factors * middle).sum(axis=0)
    return means(np.concatenate([factors, added]), radius).astype(np.float32)


def _solved(variances: dict[tuple[int, int], NDArray[np.float64]], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """The solution (c, h, w) of the equations with these symmetric matrices, by cofactors: a solver of one small matrix after the
    other takes ten times as long."""
    if len(wanted) == 1:
        return wanted / variances[0, 0]
    xx, xy, xz, yy, yz, zz = (variances[pair] for pair in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)))
    first, second, third = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
    fourth, fifth, sixth = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
    rows = ((first, second, third), (second, fourth, fifth), (third, fifth, sixth))
    solved = np.stack([sum(cofactor * each for cofactor, each in zip(row, wanted, strict=True)) for row in rows])
    return np.asarray(solved / (xx * first + xy * second + xz * third))


def valid(place: Place) -> tuple[int, int]:
    """The height and width of the part of a piece that lies in the picture; the rest is padding."""
    return min(place.height, place.within[0] - place.top), min(place.width, place.within[1] - place.left)


def scaled(whole: Pixels, place: Place, kernel: PillowImage.Resampling = images.BICUBIC) -> Pixels:
    """The part (h, w, c) at ``place`` of a picture, padding left out, from the ``whole`` of it at any size, as that is scaled."""
    high, wide = valid(place)
    down, across = whole.shape[0] / place.within[0], whole.shape[1] / place.within[1]
    top, left = place.top * down, place.left * across
    bottom, right = (place.top + high) * down, (place.left + wide) * across
    # Pillow's kernels reach two pixels of the smaller picture (bicubic), and look beyond the box.
    rim = [int(np.ceil(2 * max(1.0, step))) + 1 for step in (down, across)]
    first = max(0, int(top) - rim[0]), max(0, int(left) - rim[1])
    part = whole[first[0] : int(np.ceil(bottom)) + rim[0], first[1] : int(np.ceil(right)) + rim[1]]
    box = (left - first[1], top - first[0], min(right - first[1], part.shape[1]), min(bottom - first[0], part.shape[0]))
    return images.resized(part, high, wide, kernel, box)


def enlarged(small: Pixels, place: Place, area: tuple[float, float, float, float] | None = None) -> Pixels:
    """The part (c, h, w) at ``place`` of a picture, padding left out, from a ``small`` version (h, w, c) of the whole, or of an
    ``area`` (top, left, height, width; all in pixels of the picture), whose edges go on outside; bilinear."""
    sides, starts = valid(place), (place.top, place.left)
    corner, size = ((0.0, 0.0), place.within) if area is None else (area[:2], area[2:])
    ranges, places = [], []
    for axis in (0, 1):
        step = small.shape[axis] / size[axis]
        middles = np.arange(starts[axis], starts[axis] + sides[axis]) + 0.5 - corner[axis]
        at = np.clip(middles * step - 0.5, 0, small.shape[axis] - 1)
        first, last = int(at[0]), min(int(at[-1]) + 2, small.shape[axis])
        ranges.append(slice(first, last))
        places.append(at - first)
    part = small[ranges[0], ranges[1]]
    if (part == part[0, 0]).all():
        # Most pieces are all thing or all background.
        return np.broadcast_to(part[0, 0][:, None, None], (small.shape[2], *sides))
    return _between(part.transpose(2, 0, 1), places[0], places[1])


def _between(planes: Pixels, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> Pixels:
    """The values (c, rows, columns) between those of small planes (c, h, w), at places in them.

    Rows come last: whole rows are added fast. A matrix product is as fast, but its threads get in the way of those of the pieces.
    """
    for axis, places in ((2, columns), (1, rows)):
        low = np.minimum(places.astype(np.intp), planes.shape[axis] - 1)
        part = (places - low).astype(np.float32)
        part = part if axis == 2 else part[:, None]
        above = np.take(planes, np.minimum(low + 1, planes.shape[axis] - 1), axis)
        planes = np.take(planes, low, axis)
        above -= planes
        above *= part
        planes += above
    return planes


def refined(part: Pixels, planes: Pixels) -> Pixels:
    """Alpha (h, w) in [0, 1] of ``planes`` (c, h, w), by their ``part`` (c + 1, h, w) of the enlarged `coefficients`."""
    alpha: Pixels = part[-1].copy()
    for factors, plane in zip(part, planes, strict=False):
        alpha += factors * plane
    # The filter rounds off both ends by a little, and a background that is nearly gone is still there.
    alpha -= np.float32(END)
    alpha *= np.float32(1 / (1 - 2 * END))
    return np.clip(alpha, 0, 1, out=alpha)


def foreground(planes: Pixels, alpha: Pixels) -> Pixels:
    """The colours (c, h, w) of what is before the background in ``planes`` (c, h, w), where ``alpha`` (h, w) of it shows.

    Forte (2021), "Approximate Fast Foreground Colour Estimation", after Germer et al. (2020): the foreground's and the
    background's colours are means of the neighbourhood, corrected so that both together are the picture; first in a wide window,
    then in a narrow one. Weights are the fourth power of alpha and of 1 - alpha, and the square in the narrow window, where Forte
    has the first: a place where both are mixed says little of either (on an edge of 12 pixels between even colours the error where
    alpha is above 0.1 is 0.013 at most, and was 0.058). Where alpha is 1 the colours are the picture's. Where it is 0 they
    are those of the foreground within `REACH`, so that no program that scales the picture mixes in another colour, and black
    beyond. A part of a picture that begins at a multiple of `BLOCK` has the colours that the whole has, `REACH` from its edges.
    """
    output: Pixels = np.where(alpha == 1, planes, np.float32(0))
    edges = np.zeros(alpha.shape, bool)
    edges[1:] = alpha[1:] != alpha[:-1]
    edges[:, 1:] |= alpha[:, 1:] != alpha[:, :-1]
    rows, columns = np.flatnonzero(edges.any(axis=1)), np.flatnonzero(edges.any(axis=0))
    if len(rows):
        # A pixel `REACH` away from an edge looks as far again.
        area = tuple(
            slice(max(0, int(each[0]) // BLOCK * BLOCK - 2 * REACH), int(each[-1]) + 1 + 2 * REACH) for each in (rows, columns)
        )
        output[(slice(None), *area)] = _colours(planes[(slice(None), *area)], alpha[area])
    elif 0 < alpha[0, 0] < 1:
        output[...] = _colours(planes, alpha)
    return output


def _colours(planes: Pixels, alpha: Pixels) -> Pixels:
    """The colours around edges; in bands of rows, so that what is worked on stays near the processor."""
    height, width = alpha.shape
    wide = [_wide(planes, np.square(np.square(each))) for each in (alpha, 1 - alpha)]
    rows, columns = (np.clip((np.arange(size) + 0.5) / BLOCK - 0.5, 0, (size - 1) // BLOCK) for size in (height, width))
    output = np.empty_like(planes)
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        first, last = max(0, top - NARROW), min(height, bottom + NARROW)
        block = int(rows[first])
        near, behind = (_between(each[:, block : int(rows[last - 1]) + 2], rows[first:last] - block, columns) for each in wide)
        closer = _closer(planes[:, first:last], alpha[first:last], near, behind)
        output[:, top:bottom] = closer[:, top - first : bottom - first]
    return output


def _closer(planes: Pixels, alpha: Pixels, near: Pixels, behind: Pixels) -> Pixels:
    """The foreground's colours in the narrow window, from those ``near`` and ``behind`` (c, h, w) in the wide one."""
    pure = np.square(alpha)
    estimate = _corrected(planes, alpha, near, behind)
    estimate *= pure
    closer = _narrow(estimate)
    near *= FAINT
    closer += near
    closer /= _narrow(pure[None]) + FAINT
    output = _corrected(planes, alpha, closer, behind)
    np.copyto(output, planes, where=alpha == 1)
    return output


def _corrected(planes: Pixels, alpha: Pixels, near: Pixels, behind: Pixels) -> Pixels:
    """The foreground's colours ``near``, changed by what they and those ``behind`` do not explain."""
    output = near - behind
    output *= alpha
    output += behind
    np.subtract(planes, output, out=output)
    output *= alpha
    output += near
    return np.clip(output, 0, 1, out=output)


def _wide(planes: Pixels, weights: Pixels) -> Pixels:
    """The mean in the wide window of planes (c, h, w), by the ``weights`` (h, w): (c, rows, columns) of blocks."""
    height, width = weights.shape
    down, across = -(-height // BLOCK), -(-width // BLOCK)
    padded = np.zeros((down * BLOCK, across * BLOCK), np.float32)
    blocks = np.empty((len(planes) + 1, down, across))
    for number in range(len(blocks)):
        padded[:height, :width] = planes[number] * weights if number < len(planes) else weights
        # Rows first: NumPy adds long rows much faster than short ones.
        rows = padded.reshape(down, BLOCK, across * BLOCK).sum(axis=1)
        blocks[number] = rows.reshape(down, across, BLOCK).sum(axis=2)
    averaged = means(blocks, WIDE)
    return np.asarray(averaged[:-1] / (averaged[-1] + 1e-6), np.float32)


def _narrow(planes: Pixels) -> Pixels:
    """The mean of planes (c, h, w) in the narrow window of seven, the edge repeated."""
    output = np.empty_like(planes)
    for plane, mean in zip(planes, output, strict=True):
        np.multiply(_windows(np.pad(plane, NARROW, mode="edge"), NARROW), np.float32(1 / (2 * NARROW + 1) ** 2), out=mean)
    return output


# -- backgrounds ------------------------------------------------------------------------------------------------------


def covering(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """The largest part in the middle of a picture (h, w, c) of the proportions of ``shape``, with as many channels as that has."""
    height, width = pixels.shape[:2]
    share = min(height / shape[0], width / shape[1])
    high, wide = max(1, round(shape[0] * share)), max(1, round(shape[1] * share))
    top, left = (height - high) // 2, (width - wide) // 2
    part = pixels[top : top + high, left : left + wide]
    return images.gray(part) if shape[2] == 1 else part if part.shape[2] == 3 else np.repeat(part, 3, axis=2)


def blurred(small: Pixels, alpha: Pixels) -> Pixels:
    """The background of a small picture (h, w, c) out of focus: without what is at alpha 1, whose colours would spread into it."""
    radius = max(1, round(BLURRED * max(alpha.shape)))
    # Where there is no background near, there is one farther away.
    weight = np.maximum(1 - alpha, 1e-4)[..., None].astype(np.float64)
    both = np.ascontiguousarray(np.concatenate([small * weight, weight], axis=2).transpose(2, 0, 1))
    for _ in range(3):
        both = means(both, radius)
    return np.asarray((both[:-1] / both[-1]).transpose(1, 2, 0), dtype=np.float32)
