"""Batches that are a pure function of seed and step.

Because a batch depends on nothing but (seed, process, step), any number of them may be prepared ahead (`pellucid.training.feed`),
and a run that is resumed sees the same ones as a run that never stopped.

Where no image is clean, each half-size picture that is made of one pixel of every 2x2 cell learns to predict another one made of
their neighbours, whose noise is independent of its own (Huang et al. 2021, "Neighbor2Neighbor: Self-Supervised Denoising from
Single Noisy Images").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import degradations, images
from pellucid.degradations import Degradation
from pellucid.tasks.base import Learning, Pair
from pellucid.training import survey
from pellucid.training.networks import Spec
from pellucid.training.pictures import Depth, Pictures, Shot
from pellucid.training.recipes import Data, Recipe
from pellucid.training.survey import Kind

__all__ = ["Batch", "Neighbours", "held_out_pair", "make_batch", "patch_for", "shown", "stack", "validation_batches", "whole"]

Planes = NDArray[np.float32]

NEIGHBOURS = np.array([(0, 1), (0, 2), (1, 0), (1, 3), (2, 0), (2, 3), (3, 1), (3, 2)])
"""The two pixels of a 2x2 cell (0 and 1 above, 2 and 3 below) that touch by a side, in either order."""


@dataclass(frozen=True)
class Neighbours:
    """The origin of a batch without clean images: ``whole`` (n, channels + maps, 2h, 2w), float32. ``first`` and ``second`` (n, h,
    w), int64, 0 to 3, are the pixels of each 2x2 cell that became the input's and the target's."""

    whole: Planes
    first: NDArray[np.int64]
    second: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """``input`` (n, channels + maps, h, w) and ``target`` (n, channels, h, w), or larger by the task's factor; float32.

    ``enlarged``, of the target's shape, is the base of a residual; None where that is the input.

    Where no image is clean, the network learns from one of ``neighbours`` and ``probe``, standard normal noise of the target's
    shape. ``again`` (n,) marks the examples that have a second look (`pellucid.training.looks`). ``weight`` (n, 1, h, w), of the
    target's size, says how much each pixel counts in the loss; None: all alike.
    """

    input: Planes
    target: Planes
    enlarged: Planes | None = None
    neighbours: Neighbours | None = None
    probe: Planes | None = None
    again: tuple[bool, ...] = ()
    weight: Planes | None = None

    @property
    def base(self) -> Planes:
        """The planes that a residual is taken from, of the target's shape."""
        return self.input[:, : self.target.shape[1]] if self.enlarged is None else self.enlarged


def make_batch(pictures: Pictures, recipe: Recipe, seed: int, step: int, rank: int = 0) -> Batch:
    """Batch number ``step`` of process ``rank``: crops, flips and noise drawn from (seed, step, rank) alone."""
    rng = np.random.default_rng([seed, rank, step])
    data = recipe.data
    # In a noisy crop detail and noise look alike, so crops are not chosen by detail.
    detail = 1 if pictures.kind == "noisy" else data.detail
    count, size = len(pictures.train), recipe.training.batch * detail
    if pictures.chances is None:
        # Images of one size are drawn without repetition within an epoch.
        places = range(step * size, (step + 1) * size)
        chosen = np.array([_order(count, seed, rank, place // count)[place % count] for place in places])
    else:
        chosen = rng.choice(count, size=size, p=pictures.chances)
    if pictures.kind != "composed" and recipe.task.sees != "whole":
        data = replace(data, patch=patch_for(recipe, [pictures.train[index].shape for index in chosen]))
        recipe = replace(recipe, data=data)
    rounds = chosen.reshape(-1, detail)
    if pictures.kind == "noisy":
        return _without_clean([_pair_of(pictures.shots[index], None, recipe, rng) for index in chosen], recipe, rng)
    if pictures.kind == "pairs":
        drawn_pairs = ([_pair_of(pictures.shots[index], pictures.train[index], recipe, rng) for index in drawn] for drawn in rounds)
        return stack([max(drawn, key=lambda pair: _detail(pair.clean)) for drawn in drawn_pairs])
    task = recipe.task.of_batch(step)
    if pictures.kind == "composed":
        drawing = _Drawing(pictures, recipe, rng)
        return stack([task.composed(drawing, data.patch, rng) for _ in range(recipe.training.batch)])
    if task.sees == "whole":
        # Each picture alike: a large one has no more to show than a small one.
        parts = (_part(pictures.train[index], data, rng) for index in rng.integers(count, size=recipe.training.batch))
        return stack([_pair(part, task, data, rng) for part in parts])
    crops = [max((_crop(pictures.train[index], data, rng) for index in drawn), key=_detail) for drawn in rounds]
    return stack([_pair(crop, task, data, rng) for crop in crops])


def patch_for(recipe: Recipe, shapes: Sequence[tuple[int, ...]]) -> int:
    """The side of a batch's crops: the recipe's patch, or where an image of these shapes is smaller, the largest that fits into all
    of them and that the network takes."""
    least = min(min(shape[:2]) for shape in shapes)
    if least >= recipe.data.patch:
        return recipe.data.patch
    grid = math.lcm(_multiple_of(recipe.network) * (2 if recipe.from_neighbours else 1), *recipe.task.scales)
    return max(grid, least // grid * grid)


@lru_cache(maxsize=4)
def _multiple_of(spec: Spec) -> int:
    """The number that divides the sides of what this network takes."""
    return spec.build().multiple_of


def validation_batches(pictures: Pictures, recipe: Recipe, *, most: int, side: int = 256) -> Iterator[tuple[str, Batch]]:
    """The held-out images under each validation noise, always the same: (noise, batch) in batches of one size each. Pairs and
    noisy images come as they are, under the name of their kind.

    At most ``most`` images; larger ones are cropped to their middle ``side`` pixels, or scaled to the patch where the task sees the
    whole picture. Image n has the noise of generator n. With named sources, as many examples are composed as the largest source has
    held-out images.
    """
    if pictures.kind == "composed":
        yield from _composed_batches(pictures, recipe, most)
        return
    chosen = pictures.valid[:most]
    for text in recipe.data.validation if pictures.kind == "clean" else (pictures.kind,):
        group: list[Pair] = []
        for index, picture in enumerate(chosen):
            window = _middle(picture, side, 16 if recipe.data.kind == "images" else 1)
            pixels = whole(picture, recipe.data.patch) if recipe.task.sees == "whole" else survey.floats(picture[window])
            if pictures.kind == "clean":
                pair = recipe.task.degrade(pixels, degradations.parse(text), np.random.default_rng(index))
            else:
                pair = shown(pictures.valid_shots[index], window, recipe.task, pixels)
            if group and (group[0].clean.shape != pair.clean.shape or len(group) * pair.clean.size >= 500_000):
                yield text, _validating(group, pictures.kind, recipe)
                group = []
            group.append(pair)
        if group:
            yield text, _validating(group, pictures.kind, recipe)


def _composed_batches(pictures: Pictures, recipe: Recipe, most: int) -> Iterator[tuple[str, Batch]]:
    count = min(most, max(len(stock.valid) for stock in pictures.stocks.values()))
    for text in recipe.data.validation:
        group: list[Pair] = []
        for index in range(count):
            group.append(held_out_pair(pictures, recipe, degradations.parse(text), index))
            if len(group) * group[0].clean.size >= 500_000:
                yield text, stack(group)
                group = []
        if group:
            yield text, stack(group)


def held_out_pair(pictures: Pictures, recipe: Recipe, case: Degradation, index: int) -> Pair:
    """Example number ``index`` that validation composes for the case, always the same: with generator ``index``, and held-out image
    ``index`` of the first source (modulo their number)."""
    rng = np.random.default_rng(index)
    drawing = _Drawing(pictures, recipe, rng, held_out=index)
    return recipe.task.of_case(case).composed(drawing, recipe.data.patch, rng)


class _Drawing:
    """`Drawn` from the pictures' named sources: from those to learn from, or from those held out, where ``held_out`` is the number
    of the first one that is drawn from the first source."""

    def __init__(self, pictures: Pictures, recipe: Recipe, rng: np.random.Generator, held_out: int | None = None) -> None:
        self.pictures, self.data, self.rng = pictures, recipe.data, rng
        self.levels = recipe.task.draws == "levels"
        self.held_out, self.next = held_out is not None, held_out

    def has(self, source: str) -> bool:
        return self.data.kind == "digits" or source in self.pictures.stocks

    def __call__(self, source: str, least: int | None = None) -> NDArray[Any]:
        least = self.data.patch if least is None else least
        if self.data.kind == "digits" and source not in self.pictures.stocks:
            return _texture(least, self.data.channels, self.rng)
        stock = self.pictures.stocks[source]
        kept = stock.valid if self.held_out else stock.train
        if self.next is not None and source == next(iter(self.pictures.stocks)):
            index, self.next = self.next % len(kept), None
        elif self.held_out or stock.chances is None:
            index = int(self.rng.integers(len(kept)))
        else:
            index = int(self.rng.choice(len(kept), p=stock.chances))
        enough = [copy for copy in kept[index] if min(copy.shape[:2]) >= least]
        levels: Depth = enough[-1] if enough else kept[index][0]
        return levels if self.levels else survey.floats(levels)


def _texture(side: int, channels: int, rng: np.random.Generator) -> Planes:
    """A made ground (side, side, channels) in [0, 1]: noise of four sizes around a drawn colour."""
    made = np.full((side, side, channels), rng.random(channels, dtype=np.float32))
    contrast = rng.uniform(0.05, 0.4)
    for octave in range(4):
        cells = min(side, 2 ** (octave + 1))
        noise = rng.standard_normal((cells, cells, channels), dtype=np.float32)
        made = made + np.float32(contrast / 2**octave) * images.resized(noise, side, side, images.BICUBIC)
    texture: Planes = np.clip(made, 0, 1).astype(np.float32)
    return texture


def shown(shot: Shot, window: tuple[slice, slice], task: Learning, clean: Planes | None = None) -> Pair:
    """That part of a noisy picture as the network sees it; ``clean`` is the same part of the clean one, where there is one."""
    noisy = survey.floats(shot.levels[window])
    return task.found(noisy, noisy if clean is None else clean, shot.diagnosis)


def stack(pairs: list[Pair]) -> Batch:
    """The pairs, all of one size, as a batch."""
    (height, width, channels), maps = pairs[0].image.shape, pairs[0].maps.shape[2]
    given = np.empty((len(pairs), channels + maps, height, width), dtype=np.float32)
    for place, pair in zip(given, pairs, strict=True):
        place[:channels] = pair.image.transpose(2, 0, 1)
        place[channels:] = pair.maps.transpose(2, 0, 1)
    target = _channels_first([pair.clean for pair in pairs])
    same = all(pair.base is pair.image for pair in pairs)
    enlarged = None if same else _channels_first([pair.base for pair in pairs])
    weights = [np.ones((*pair.clean.shape[:2], 1), np.float32) if pair.weight is None else pair.weight for pair in pairs]
    weight = None if all(pair.weight is None for pair in pairs) else _channels_first(weights)
    return Batch(given, target, enlarged, again=tuple(pair.again for pair in pairs), weight=weight)


def _pair(crop: Planes, task: Learning, data: Data, rng: np.random.Generator) -> Pair:
    """A training example; for the share that the recipe names, a gray one in all channels."""
    if data.gray and rng.random() < data.gray:
        return _in_all_channels(task.pair(images.gray(crop), rng), task.planes(data.channels))
    return task.pair(crop, rng)


def _in_all_channels(pair: Pair, channels: tuple[int, int]) -> Pair:
    """A gray example with so many channels in and out, as the restorer gives gray images to a colour network."""
    image, clean = (
        each.repeat(count // each.shape[2], axis=2) for each, count in zip((pair.image, pair.clean), channels, strict=True)
    )
    base = image if pair.base is pair.image else pair.base.repeat(channels[1] // pair.base.shape[2], axis=2)
    return replace(pair, image=image, clean=clean, base=base)


@lru_cache(maxsize=4)
def _order(count: int, seed: int, rank: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, rank, epoch, count]).permutation(count)


def _crop(picture: Depth, data: Data, rng: np.random.Generator) -> Planes:
    return _cut(picture.shape, data, rng)(picture)


def _part(picture: Depth, data: Data, rng: np.random.Generator) -> Planes:
    """A random square of the picture, a large part of it, scaled to the patch; mirrored across alone: what is above stays above."""
    height, width = picture.shape[:2]
    short = min(height, width)
    side = int(rng.integers(max(1, round(data.part * short)), short + 1))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    mirrored = data.augment and bool(rng.integers(2))
    part = _scaled(picture[top : top + side, left : left + side], data.patch)
    return np.ascontiguousarray(part[:, ::-1]) if mirrored else part


def whole(picture: Depth, side: int) -> Planes:
    """The square in the picture's middle, scaled to ``side``; (side, side, channels), float32 in [0, 1]."""
    height, width = picture.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return _scaled(picture[top : top + short, left : left + short], side)


def _scaled(square: Depth, side: int) -> Planes:
    """A square of 8-bit levels at that side (bicubic, widened against aliasing), as pixels."""
    if square.shape[0] == side:
        return survey.floats(np.ascontiguousarray(square))
    levels = np.ascontiguousarray(square)
    plane = PillowImage.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    small = np.asarray(plane.resize((side, side), images.BICUBIC))
    return survey.floats(small.reshape(side, side, levels.shape[2]))


def _cut(shape: tuple[int, ...], data: Data, rng: np.random.Generator) -> Callable[[Depth], Planes]:
    """A function that cuts the same crop, turned and mirrored in the same way, out of any picture of that shape."""
    height, width = shape[:2]
    side = data.patch
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    turns, mirrored = (int(rng.integers(4)), int(rng.integers(2))) if data.augment else (0, 0)

    def cut(picture: Depth) -> Planes:
        # Contiguous: gray that stands for all channels has them in one place.
        crop = np.rot90(np.ascontiguousarray(picture[top : top + side, left : left + side]), turns)
        return survey.floats(crop[:, ::-1] if mirrored else crop)

    return cut


def _pair_of(shot: Shot, clean: Depth | None, recipe: Recipe, rng: np.random.Generator) -> Pair:
    """A crop of a noisy picture with the same crop of its clean one; where there is none, with itself."""
    cut = _cut(shot.levels.shape, recipe.data, rng)
    noisy = cut(shot.levels)
    return recipe.task.found(noisy, noisy if clean is None else cut(clean), shot.diagnosis)


def _without_clean(pairs: list[Pair], recipe: Recipe, rng: np.random.Generator) -> Batch:
    """Noisy crops with the planes that the recipe's loss for noisy images needs beside them."""
    if recipe.from_neighbours:
        return _neighbours(pairs, rng)
    batch = stack(pairs)
    return replace(batch, probe=rng.standard_normal(batch.target.shape, dtype=np.float32))


def _neighbours(pairs: list[Pair], rng: np.random.Generator) -> Batch:
    """Half-size images of each noisy crop: one pixel of every 2x2 cell, drawn at random, and one that touches it by a side."""
    whole = stack(pairs)
    count, _, height, width = whole.input.shape
    drawn = NEIGHBOURS[rng.integers(len(NEIGHBOURS), size=(count, height // 2, width // 2))]
    first, second = drawn[..., 0], drawn[..., 1]
    target = _picked(whole.target, second)
    given = _picked(whole.input, first)
    return Batch(given, target, neighbours=Neighbours(whole.input, first, second))


def _picked(planes: Planes, which: NDArray[np.int64]) -> Planes:
    """Pixel number ``which`` (n, h, w) of every 2x2 cell of ``planes`` (n, c, 2h, 2w)."""
    count, channels, height, width = planes.shape
    cells = planes.reshape(count, channels, height // 2, 2, width // 2, 2).transpose(0, 1, 2, 4, 3, 5)
    flat = cells.reshape(count, channels, height // 2, width // 2, 4)
    return np.ascontiguousarray(np.take_along_axis(flat, which[:, None, :, :, None], axis=4)[..., 0])


def _detail(crop: Planes) -> float:
    """The mean absolute difference of neighbours, across and down."""
    return float(np.abs(np.diff(crop, axis=0)).mean() + np.abs(np.diff(crop, axis=1)).mean())


def _channels_first(images: list[Planes]) -> Planes:
    """(n, c, h, w) of images (h, w, c)."""
    height, width, channels = images[0].shape
    planes = np.empty((len(images), channels, height, width), dtype=np.float32)
    for place, image in zip(planes, images, strict=True):
        place[:] = image.transpose(2, 0, 1)
    return planes


def _validating(pairs: list[Pair], kind: Kind, recipe: Recipe) -> Batch:
    return _without_clean(pairs, recipe, np.random.default_rng(len(pairs))) if kind == "noisy" else stack(pairs)


def _middle(picture: Depth, side: int, least: int) -> tuple[slice, slice]:
    """The window of the picture's middle, at most ``side`` pixels a side, of a size that networks take; small ones in steps of
    ``least``."""
    multiple = 64
    height, width = (min(side, size - size % (multiple if size >= multiple else least)) for size in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)
