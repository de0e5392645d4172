"""One piece of a noisy picture: the planes that a network is given, and what is made of the network's output.

All arrays are (channels, height, width), float32. The maps, the filling of impulses, the
subtraction of the residual, and the bounds that hold the network back where noise is faint, are here; `pellucid.tasks.denoise`
chooses the files, `pellucid.restorer` cuts the picture into pieces and puts them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pellucid import drawings, images, maps
from pellucid.cards import Card
from pellucid.engines import Graph, Planes, in_channels
from pellucid.following import BESIDE
from pellucid.noise import EXPLAINED, WINDOW, Noise
from pellucid.quantised import SIDE, Quantised
from pellucid.tiling import Place

__all__ = [
    "OnBlocks",
    "Turned",
    "answer",
    "answer_as_gray",
    "answer_in_turn",
    "apart",
    "as_gray",
    "finished",
    "mean",
    "straightened",
    "with_maps",
]

FARTHEST = 4.5
"""Standard deviations that Gaussian noise moves a pixel at most (one in 150,000 goes farther): nothing more is taken away, so
that an image with hardly any noise comes back as it was, whatever the network's output is."""

FAINTEST = 2.0
"""Level in 8-bit levels below which only a share of the network's correction is applied: the level divided by this. The errors of
the correction do not shrink with the noise. At level 1, half of the correction made none of 17 held-out photographs worse; the
whole made one worse, by 0.35 dB."""

FAINTER = 0.92
"""Factor on the variance that the level map has for a gray image whose impulses of any value were replaced: a pixel that was
wrongly taken for an impulse is smoother than it was. It gained 0.06 dB on 17 held-out photographs with 10 % of impulses on sigma
25, 0.02 at 30 %, and nothing in colour, where impulses are better known."""

MOVED, SIGNS = 0.25, 64
"""By how many standard deviations of the noise `_explained` moves the picture; and the side of the square of random signs that it
moves it by, again and again."""

LIKELY = 0.5
"""Chance of being an impulse from which a value is replaced, where few are."""

MIRRORED = (-1, -2)
"""Axes along which an image is mirrored, one after the other, when it is restored again."""

DENSE = 0.2
"""Share of impulses from which an image is restored again once and not twice: further outputs were 0.05 dB worse in gray."""

TURNS = 4
"""The answers whose mean `Turned` takes: of the image as it is, mirrored across, mirrored down, and both."""


def _chance(planes: NDArray[np.float32], noise: Noise, first: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """The chance (h, w) that a pixel of (c, h, w) is an impulse: black and white ones by their value, others by a ``first``
    output."""
    if noise.extremes is not None:
        return maps.impulses(planes, noise.extremes)
    if noise.spots is not None:
        if noise.spots.colours is not None:
            return np.asarray(drawings.recoloured(planes, noise.spots.colours)[1], dtype=np.float32)
        if first is not None:
            return np.asarray(_struck(planes, noise, first).any(axis=0), dtype=np.float32)
        there = maps.spots(planes, noise.spots.alone).any(axis=0)
        return np.asarray(np.where(there, 1, noise.density), dtype=np.float32)
    assert first is not None
    return maps.unlikely(planes, first, noise.density, noise.curve.sigma)


def _struck(planes: NDArray[np.float32], noise: Noise, first: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which values (c, h, w) are impulses, by a ``first`` output: one channel may be struck alone."""
    each = [maps.unlikely(plane[None], other[None], noise.density, 0.0) for plane, other in zip(planes, first, strict=True)]
    return np.stack(each) > LIKELY


def with_maps(
    planes: NDArray[np.float32],
    card: Card,
    noise: Noise,
    room: NDArray[np.float32] | None = None,
    first: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The network's input for (c, h, w): the planes, with impulses filled where they are known, and the card's maps behind them.

    Black and white impulses are known; those of any value show in a ``first`` output. The input is made in ``room``, which begins
    with the planes, where there is one and nothing is filled: copies of large pieces take time.
    """
    if not card.maps:
        return np.ascontiguousarray(planes)
    channels, height, width = planes.shape
    if room is not None and not noise.known and first is None:
        given = room
    else:
        given = np.empty((channels + len(card.maps), height, width), dtype=np.float32)
        given[:channels] = planes
    chance: NDArray[np.float32] | float = noise.density
    if noise.known or first is not None:
        chance = _chance(planes, noise, first)
        given[:channels] = maps.filled(planes, chance)
    for index, name in enumerate(card.maps):
        if name == "impulses":
            given[channels + index] = chance
        elif name in BESIDE and noise.around is not None:
            given[channels + index] = noise.around[BESIDE.index(name)]
        elif "-" in name:
            # A frame alone stands for those around it.
            given[channels + index] = given["rgb".index(name[-1]) % channels]
        else:
            given[channels + index] = noise.curve.sigma if noise.flat else noise.sigma(given[:channels])
            if noise.share < 1:
                # Noise in some pixels counts as fainter noise in all of them. The bound on the output goes by a pixel's own noise.
                given[channels + index] *= np.float32(np.sqrt(noise.share))
    return given


def finished(
    pixels: NDArray[np.float32],
    output: NDArray[np.float32],
    card: Card,
    noise: Noise,
    sigma: NDArray[np.float32] | None = None,
    share: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Overwrites ``output`` with the restored pixels (c, h, w): ``output`` itself (clean image) or ``pixels - output`` (residual).

    ``sigma`` is the level map; None where it is flat, or where noise was clipped: clipped noise is fainter, but its tail is as long
    as before. ``share`` (h, w), of the noise that is taken away: what clipping did is undone in proportion, since values that
    still have their noise are no means.
    """
    if card.answer == "clean":
        return output
    if noise.nothing:
        output[...] = pixels
        return output
    if noise.white and noise.density == 0 and noise.level is not None:
        most = np.float32(FARTHEST) * (sigma if sigma is not None else np.float32(noise.strongest / 255))
        np.clip(output, -most, most, out=output)
        if noise.faint:
            _within_noise(output, noise.level)
            output *= np.float32(min(1.0, noise.level / FAINTEST))
    answer = np.subtract(pixels, output, out=output)
    if noise.clipping is None:
        return answer
    if share is None:
        return noise.clipping.undone(answer)
    return np.asarray(answer + share * (noise.clipping.undone(answer.copy()) - answer), np.float32)


def _within_noise(output: NDArray[np.float32], level: float) -> None:
    """Scales down the residual ``output`` (c, h, w), in its place, wherever it has more energy than the noise.

    The best residual never has more: it is the mean of the noise given the image, and a mean varies less than its variable. Where
    noise is faint and texture strong, the network's residual has more, most of it texture: the square of the excess scales it.
    """
    energy = maps.box_mean(np.square(output).mean(axis=0, dtype=np.float32), WINDOW)
    allowed = np.float32((level / 255) ** 2)
    output *= np.square(allowed / np.maximum(energy, allowed))


def _explained(output: Planes, graph: Graph, given: Planes, channels: int, noise: Noise, place: Place | None) -> Planes:
    """Scales down the residual ``output`` (c, h, w), in its place, to the share of it that the noise explains, and returns that
    share (h, w).

    The residual's product with the noise is the noise's variance times the residual's divergence, on average (Stein 1981), whatever
    the picture: a second run on the picture with a small random change tells that. Beside its own energy it is the share of the
    residual by which the mean square error is least. Where letters and patterns look like noise, that is next to nothing.
    """
    # Noise that follows the light is as strong as a pixel's own value says, on average.
    level = np.sqrt(noise.curve.variance(np.clip(given[:channels], 0, 1)))
    # Clipped values do not move with the noise.
    level[(given[:channels] == 0) | (given[:channels] == 1)] = 0
    height, width = output.shape[1:]
    top, left = (0, 0) if place is None else (place.top, place.left)
    signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (channels, SIGNS, SIGNS))
    change = signs[:, (top + np.arange(height)) % SIGNS][:, :, (left + np.arange(width)) % SIGNS]
    moved = given.copy()
    moved[:channels] += np.float32(MOVED) * level * change
    product = ((graph(moved[None])[0] - output) * change * level).mean(axis=0) / np.float32(MOVED)
    energy = maps.box_mean(np.square(output).mean(axis=0, dtype=np.float32), EXPLAINED)
    # Less what chance may have made of it.
    chance = np.sqrt(maps.box_mean(np.square(product, dtype=np.float32), EXPLAINED)) / np.float32(EXPLAINED)
    explained = maps.box_mean(np.asarray(product, np.float32), EXPLAINED) - chance
    share = np.asarray(np.clip(explained / np.maximum(energy, np.float32(1e-9)), 0, 1), np.float32)
    output *= share
    return share


def _by_colours(output: Planes, pixels: Planes, colours: NDArray[np.float32], share: Planes) -> None:
    """Replaces the residual ``output`` (c, h, w), in its place, by what ``pixels`` are off the few ``colours`` behind them, where
    that explains more of the noise; ``share`` (h, w) is 0 there, for they are no means of clipped noise.

    Each of two residuals is a mean of the noise: the one with more energy is nearer to it.
    """
    steps = np.linspace(0, 1, colours.shape[1])
    likely = np.stack([np.interp(plane, steps, table) for plane, table in zip(pixels, colours, strict=True)])
    off = np.asarray(pixels - likely, np.float32)
    energies = (maps.box_mean(np.square(each).mean(axis=0, dtype=np.float32), EXPLAINED) for each in (off, output))
    more = np.greater(*energies)
    np.copyto(output, off, where=more)
    share[more] = 0


def answer(
    graph: Graph,
    noise: Noise,
    planes: NDArray[np.float32],
    place: Place | None = None,
    room: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The restored planes for (c, h, w), whose sides the card's multiple divides; the same wherever the piece lies.

    A graph of one channel restores an image of three channel by channel. An image whose noise is stronger than any that the graph
    learnt from is made fainter first. ``room`` as of `with_maps`.
    """
    card = graph.card
    if noise.spots is not None and noise.spots.ground:
        return drawings.grounded(planes)
    if noise.quantised is not None and noise.quantised.squares is not None:
        return _with_grain(noise.quantised.evened(planes, *((0, 0) if place is None else place[:2])), planes, noise.keep_grain)
    if noise.places is not None and place is not None:
        noise = replace(noise, local=noise.places.sigma(place.top, place.left, planes.shape[1], planes.shape[2], place.within))
    if noise.beside is not None and place is not None:
        noise = replace(noise, around=noise.beside.planes(place, noise.more))
    factor = noise.brightness(card)
    if factor != 1:
        noise = noise.scaled(factor)
        room = np.empty((len(planes) + len(card.maps), *planes.shape[1:]), dtype=np.float32)
        planes = np.multiply(planes, np.float32(factor), out=room[: len(planes)])
    if card.channels == len(planes):
        output = _answer_of_all(graph, planes, noise, room, place)
    else:
        output = in_channels(planes, card.channels, lambda part: _answer_of_all(graph, part, noise, place=place))
    return output if factor == 1 else np.divide(output, np.float32(factor), out=output)


def _answer_of_all(
    graph: Graph,
    planes: NDArray[np.float32],
    noise: Noise,
    room: NDArray[np.float32] | None = None,
    place: Place | None = None,
) -> NDArray[np.float32]:
    card = graph.card
    given = with_maps(planes, card, noise, room)
    shown = given[: len(planes)]
    by_map = "sigma" in card.maps and not noise.flat and noise.clipping is None
    sigma = given[len(planes) + card.maps.index("sigma")] if by_map else None
    output = graph(given[None])[0]
    share = None
    if noise.doubted and card.answer != "clean":
        share = _explained(output, graph, given, len(planes), noise, place)
        if noise.colours is not None and len(noise.colours) == len(planes):
            _by_colours(output, shown, noise.colours, share)
    output = finished(shown, output, card, noise, sigma, share)
    if noise.passes > 1:
        first = output
        given = with_maps(planes, card, noise, first=first)
        shown = given[: len(planes)]
        output = finished(shown, graph(given[None])[0], card, noise)
        if noise.spots is not None:
            # All other values are the true ones.
            np.copyto(output, planes, where=~_struck(planes, noise, first))
    if noise.extremes is not None and noise.level == 0 and "impulses" in card.maps:
        # Without other noise a pixel that is not an impulse is the true one.
        output += (given[len(planes) + card.maps.index("impulses")] == 0) * (planes - output)
    if noise.spots is not None and noise.spots.colours is not None:
        usual, struck, clear = drawings.recoloured(planes, noise.spots.colours)
        np.copyto(output, usual, where=clear | ~struck)
    if noise.quantised is not None and noise.quantised.alone:
        noise.quantised.hold(output, planes, *((0, 0) if place is None else place[:2]), trusted=noise.patterned)
    return _with_grain(output, shown, noise.keep_grain)


def _with_grain(output: NDArray[np.float32], shown: NDArray[np.float32], keep: float) -> NDArray[np.float32]:
    """Puts a share ``keep`` of the fine part of ``shown - output`` back into ``output`` (c, h, w)."""
    if keep > 0:
        for plane, lost in zip(output, shown - output, strict=True):
            plane += np.float32(keep) * (lost - maps.local_mean(lost))
    return output


def answer_as_gray(run: Callable[[NDArray[np.float32]], NDArray[np.float32]], planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The answer of ``run`` to one gray plane (1, h, w), three times: for a gray image that has three equal channels, or nearly."""
    plane = planes[1:2] if (planes == planes[1]).all() else planes.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.repeat(run(plane), len(planes), axis=0)


def answer_in_turn(
    graph: Graph,
    then: Graph,
    noise: Noise,
    planes: NDArray[np.float32],
    place: Place | None = None,
    room: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """The same as `answer`, but its output replaces the impulses alone, and the graph ``then`` takes the other noise away.

    ``then`` knows noise better than the graph that knows both: by 0.5 dB on 17 held-out photographs with sigma 25 and 10 % of salt
    and pepper, and by 0.4 with as many impulses of any value. For the latter it runs again, mirrored, with the impulses replaced by
    its own outputs so far: the mean of all outputs is 0.08 (gray) and 0.1 dB (colour) better, as their errors differ.
    """
    first = answer(graph, replace(noise, keep_grain=0.0, clipping=None), planes, place, room)
    mended = replace(noise.mended, keep_grain=0.0)
    if noise.passes > 1 and len(planes) == 1:
        mended = replace(mended, share=mended.share * FAINTER)

    def replaced(by: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(planes + _chance(planes, noise, by) * (by - planes), dtype=np.float32)

    shown = replaced(first)
    output = answer(then, mended, shown)
    if noise.passes > 1:
        for count, axes in enumerate(MIRRORED[: 2 if noise.density < DENSE else 1], 1):
            shown = replaced(output)
            output *= np.float32(count / (count + 1))
            output += _mirrored(answer(then, mended, _mirrored(shown, axes)), axes) / np.float32(count + 1)
    return _with_grain(output, shown, noise.keep_grain)


class Turned(Graph):
    """A graph that answers with the mean of its answers to an image as it is, mirrored and turned, each turned back.

    The errors of such answers differ, so their mean has fewer (Timofte et al. 2016, "Seven Ways to Improve Example-Based Single
    Image Super Resolution"). ``turns`` is 4, the mirrored ones, or 8, these with rows and columns exchanged, too.
    """

    def __init__(self, graph: Graph, turns: int = TURNS) -> None:
        self.graph, self.card, self.engine = graph, graph.card, graph.engine
        ways = [(axes, exchanged) for exchanged in (False, True) for axes in ((), (-1,), (-2,), (-1, -2))]
        self.ways = ways[:turns]

    def __call__(self, planes: Planes) -> Planes:
        """As of `Graph`."""
        total = self.graph(planes)
        for axes, exchanged in self.ways[1:]:
            turned = np.flip(planes, axes)
            output = self.graph(np.ascontiguousarray(turned.swapaxes(-1, -2) if exchanged else turned))
            total += np.flip(output.swapaxes(-1, -2) if exchanged else output, axes)
        total /= np.float32(len(self.ways))
        return total


class OnBlocks(Graph):
    """A graph that is given a picture that was a JPEG as it lay in the file: whole blocks first, and rows and columns as they were.

    A network learns where the blocks of a JPEG begin when all of those that it learns from begin in the same place: of photographs
    that were cut off their blocks by 3 and 5 pixels, it mended a tenth to a quarter as much.
    """

    def __init__(self, graph: Graph, blocks: Quantised) -> None:
        self.graph, self.card, self.engine, self.blocks = graph, graph.card, graph.engine, blocks

    def __call__(self, planes: Planes) -> Planes:
        """As of `Graph`; the planes begin at whole blocks of eight pixels of the picture."""
        before = (-self.blocks.top % SIDE, -self.blocks.left % SIDE)
        more = [(each, -each % self.card.multiple_of) for each in before]
        given = np.pad(planes, ((0, 0), (0, 0), *more), mode="symmetric")
        height, width = planes.shape[-2:]
        if self.blocks.turned:
            output = self.graph(np.ascontiguousarray(given.swapaxes(-1, -2))).swapaxes(-1, -2)
        else:
            output = self.graph(given)
        top, left = before
        return output[..., top : top + height, left : left + width]


def _mirrored(planes: NDArray[np.float32], axes: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.flip(planes, axes))


def as_gray(
    piece: Callable[..., NDArray[np.float32]], planes: NDArray[np.float32], place: Place, room: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """`answer_as_gray` of a piece at its place."""
    return answer_as_gray(lambda plane: piece(plane, place), planes)


def mean(
    piece: Callable[..., NDArray[np.float32]],
    other: Callable[..., NDArray[np.float32]],
    planes: NDArray[np.float32],
    place: Place,
    room: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The mean of two answers for a piece, whose errors differ."""
    answer = piece(planes, place, room)
    answer += other(planes, place)
    answer *= np.float32(0.5)
    return answer


def apart(
    piece: Callable[..., NDArray[np.float32]],
    other: Callable[..., NDArray[np.float32]] | None,
    shares: tuple[float, float],
    planes: NDArray[np.float32],
    place: Place,
    room: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The brightness as ``piece`` restores it, the colours as ``other`` does (None: the same), each blended by its share with that
    of the picture.

    Brightness is the luma (Rec. 601), colours are what each channel has beyond it. Where a colour does not fit to the brightness,
    between black and white, it is made paler until it does: so no luma changes.
    """
    whole = piece(planes, place, room)
    if shares[0] == shares[1] and other is None:
        # As the door blends, to the bit.
        return whole if shares[0] == 1 else (whole - planes) * np.float32(shares[0]) + planes
    whole, given = np.clip(whole, 0, 1), np.clip(planes, 0, 1)
    luma, before = _luma(whole), _luma(given)
    coloured = whole if other is None else np.clip(other(planes, place, room), 0, 1)
    colours = coloured - (luma if other is None else _luma(coloured))
    given -= before
    given += np.float32(shares[1]) * (colours - given)
    luma = before + np.float32(shares[0]) * (luma - before)
    # How far a colour may go in each pixel, as a share of where it would.
    highest, lowest = np.maximum(given.max(axis=0), 1e-6), np.minimum(given.min(axis=0), -1e-6)
    given *= np.clip(np.minimum((1 - luma) / highest, luma / -lowest), 0, 1)
    given += luma
    return given


def _luma(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The luma (h, w) of (3, h, w)."""
    return np.asarray(np.tensordot(images.LUMA, planes, axes=1), dtype=np.float32)


def straightened(
    lighter: tuple[NDArray[np.float32], NDArray[np.float32]],
    piece: Callable[..., NDArray[np.float32]],
    planes: NDArray[np.float32],
    place: Place,
    room: NDArray[np.float32],
) -> NDArray[np.float32]:
    """The ``piece`` of planes (channels, h, w) whose rows and columns are as light as those beside them; ``lighter`` as of
    `pellucid.diagnosis.bands.lightness`."""
    # Pixels beyond the picture are padding.
    down, right = (
        np.minimum(np.arange(start, start + length), len(known) - 1)
        for start, length, known in zip((place.top, place.left), planes.shape[1:], lighter, strict=True)
    )
    return piece(planes - lighter[0][down].T[:, :, None] - lighter[1][right].T[:, None], place)
