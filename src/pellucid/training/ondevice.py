"""Batches made on the device that learns, where a recipe asks for no more than crops, white noise, smaller copies or mosaics.

A GPU would wait for its batches: cores make some hundred examples a second each, and what they make goes through shared memory and
over to the device. So the pictures go there once, and crops, noise and the two bicubic scalings are computed there, by the laws of
`pellucid.training.batches`, `pellucid.degradations` and `pellucid.images`; a test holds them equal. Only the draws are others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch

from pellucid import degradations, images
from pellucid.tasks.base import Learning, NoiseRange
from pellucid.training import mosaics
from pellucid.training.batches import Batch
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

__all__ = ["batches", "serves"]

ROOM = 4 * 2**30
"""Bytes of pixels that the pictures may take on the device; more of them are left to the processor."""


def serves(pictures: Pictures, recipe: Recipe) -> bool:
    """Whether batches of this recipe can be made here: from clean pictures that have room, by a task's plain pairs alone."""
    task = recipe.task
    if pictures.kind != "clean" or recipe.data.kind != "images" or recipe.data.gray:
        return False
    if sum(picture.size for picture in pictures.train) > ROOM:
        return False
    if min(min(picture.shape[:2]) for picture in pictures.train) < recipe.data.patch:
        return False
    noise: tuple[NoiseRange, ...] = getattr(task, "noise", ())
    if task.plain == "shrink":
        return not noise
    if task.plain == "mosaic":
        return recipe.data.patch % 2 == 0
    return task.plain == "noise" and not getattr(task, "doubt", 0) and all(_is_white(entry) for entry in noise)


def _is_white(entry: NoiseRange) -> bool:
    return entry.kind == degradations.Gaussian.kind and entry.spread == "uniform" and not entry.clip and not entry.then


def batches(pictures: Pictures, recipe: Recipe, seed: int, start: int, rank: int = 0, *, device: torch.device) -> Iterator[Batch]:
    """Batches ``start``, ``start + 1``, ... without end, their planes tensors on ``device``.

    As of `pellucid.training.batches.make_batch`, each depends on seed, step and rank alone (on devices of one kind).
    """
    crops = _Crops(pictures, recipe, device)
    generator = torch.Generator(device)
    cameras = mosaics.Cameras(recipe.task, seed, device) if recipe.task.plain == "mosaic" else None
    step = start
    while True:
        generator.manual_seed(int(np.random.SeedSequence([seed, rank, step]).generate_state(1, np.uint64)[0]))
        clean = crops.drawn(generator)
        if cameras is not None:
            yield _batch(*cameras.shots(clean, generator))
        elif recipe.task.plain == "shrink":
            yield _smaller(clean, recipe.task.scales[step % len(recipe.task.scales)])
        else:
            yield _noisy(clean, recipe.task, generator)
        step += 1


class _Crops:
    """The pictures' pixels behind each other on the device, and crops of them."""

    def __init__(self, pictures: Pictures, recipe: Recipe, device: torch.device) -> None:
        self.data, self.count, self.device = recipe.data, recipe.training.batch, device
        # Gray that stands for all channels would be written out here: a recipe for colour learns from colour.
        pixels = np.concatenate([picture.reshape(-1, recipe.data.channels) for picture in pictures.train])
        self.pixels = torch.from_numpy(pixels).to(device)
        sizes = torch.tensor([picture.shape[:2] for picture in pictures.train])
        areas = sizes.prod(dim=1)
        self.heights, self.widths = sizes.to(device).unbind(1)
        self.begins = (areas.cumsum(0) - areas).to(device)
        chances = torch.ones(len(areas)) if pictures.chances is None else torch.from_numpy(pictures.chances)
        self.chances = chances.double().cumsum(0).div(chances.double().sum()).to(device)

    def drawn(self, generator: torch.Generator) -> torch.Tensor:
        """Crops (n, channels, side, side) in [0, 1], turned and mirrored: pictures are drawn by their pixels, the most detailed
        of several crops is kept."""
        side, drawn = self.data.patch, self.count * self.data.detail

        def random(*shape: int) -> torch.Tensor:
            return torch.rand(*shape, generator=generator, device=self.device, dtype=torch.float64)

        which = torch.searchsorted(self.chances, random(drawn), right=True).clamp_max(len(self.chances) - 1)
        top = (random(drawn) * (self.heights[which] - side + 1)).long()
        left = (random(drawn) * (self.widths[which] - side + 1)).long()
        turned = (
            (random(3, drawn, 1, 1) < 0.5)
            if self.data.augment
            else torch.zeros(3, drawn, 1, 1, dtype=torch.bool, device=self.device)
        )
        place = torch.arange(side, device=self.device)
        down, across = place[None, :, None], place[None, None, :]
        # Mirrored across, down and along the diagonal: all eight ways.
        rows, columns = torch.where(turned[0], across, down), torch.where(turned[0], down, across)
        rows, columns = torch.where(turned[1], side - 1 - rows, rows), torch.where(turned[2], side - 1 - columns, columns)
        first = self.begins[which] + top * self.widths[which] + left
        found = self.pixels[first[:, None, None] + rows * self.widths[which][:, None, None] + columns]
        crops = found.float() / 255
        if self.data.detail > 1:
            detail = crops.diff(dim=1).abs().mean(dim=(1, 2, 3)) + crops.diff(dim=2).abs().mean(dim=(1, 2, 3))
            best = detail.view(self.count, self.data.detail).argmax(dim=1)
            crops = crops[torch.arange(self.count, device=self.device) * self.data.detail + best]
        return crops.permute(0, 3, 1, 2)


def _noisy(clean: torch.Tensor, task: Learning, generator: torch.Generator) -> Batch:
    """The crops with white noise, and its maps."""
    count = len(clean)
    weights, ranges = _levels(task, clean.device)
    low, high = ranges[torch.multinomial(weights, count, replacement=True, generator=generator)].unbind(1)
    level = low + (high - low) * torch.rand(count, generator=generator, device=clean.device)
    sigma = level.view(-1, 1, 1, 1).expand(-1, 1, *clean.shape[2:])
    noise = torch.randn(clean.shape, generator=generator, device=clean.device)
    planes = {"sigma": sigma, "impulses": torch.zeros_like(sigma)}
    return _batch(torch.cat([clean + sigma * noise, *(planes[name] for name in task.maps)], dim=1), clean)


@lru_cache(maxsize=4)
def _levels(task: Learning, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """The chance of each range of noise, in proportion, and its ends as shares of full range."""
    ranges: tuple[NoiseRange, ...] = getattr(task, "noise", ())
    weights = torch.tensor([entry.weight for entry in ranges], device=device)
    return weights, torch.tensor([(entry.low / 255, entry.high / 255) for entry in ranges], device=device)


def _smaller(clean: torch.Tensor, scale: int) -> Batch:
    """The crops, smaller in eight bits, and these enlarged."""
    side = clean.shape[2] // scale * scale
    part = clean[:, :, :side, :side]
    down = _scaling(side, side // scale, clean.device)
    small = ((down @ part @ down.T).clamp(0, 1) * 255).round() / 255
    up = _scaling(side // scale, side, clean.device)
    return _batch(small, part, up @ small @ up.T)


@lru_cache(maxsize=16)
def _scaling(before: int, after: int, device: torch.device) -> torch.Tensor:
    """The effect of Pillow's bicubic on a column of ``before`` pixels, as a matrix."""
    same = np.eye(before, dtype=np.float32)[..., None]
    return torch.from_numpy(images.resized(same, after, before, images.BICUBIC)[..., 0]).to(device)


def _batch(given: torch.Tensor, target: torch.Tensor, enlarged: torch.Tensor | None = None) -> Batch:
    planes = [None if entry is None else entry.contiguous(memory_format=torch.channels_last) for entry in (given, target, enlarged)]
    return Batch(*cast(Any, planes))
