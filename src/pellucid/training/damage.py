"""Trains the network of `pellucid.diagnosis.damage`, which judges what was found in pictures alone: examples, training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from torch import nn

from pellucid import images, wear
from pellucid.diagnosis import damage, estimator
from pellucid.images import Pixels
from pellucid.training.calibration import Examples, gathered, train

__all__ = ["examples", "scores", "trained"]

SIDE = 320
"""Side in pixels of the crops."""

WORN = (
    "dust:1",
    "dust:2",
    "dust:3",
    "cracks:1",
    "cracks:2",
    "cracks:4",
    "creases:1",
    "creases:1.5",
    "creases:2",
    "creases:2+dust:1",
    "hairs:2+dust:1",
    "blotches:2+dust:1",
    "scratches:8",
    "scratches:4+dust:1+creases:1",
    "scratches:8+dust:2+creases:1",
    "dust:3+creases:2+cracks:4",
    "dust:2+cracks:2",
)
"""Damage of the crops; a third of them has none."""

LARGE = 0.4
"""The share of the crops that are judged, too, as parts of a large picture, which is looked at once, in its own size alone."""

PLACES = 3000
"""Most places of a crop that count: one that is worn all over says no more than others."""

SMALLER, COLOURLESS, GRAINY, LEVEL = 0.5, 0.2, 0.15, 8.0
"""Shares of the pictures that are made as small as a crop, of gray ones and of those with grain, and the most grain, in 8-bit
levels."""

Look = Callable[[Pixels], tuple[Pixels, Pixels, Pixels, Pixels]]
"""The three answers (h, w) of the network that finds damage to a picture (h, w, 3), and planes beside it
(`pellucid.tasks.film.looks`)."""


def examples(
    look: Look,
    pictures: list[NDArray[np.uint8]],
    count: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Examples:
    """Places of ``count`` crops, each a pure function of ``seed`` and its number: what `damage.features` says of each, and the
    target (n, 2): whether it is damaged, and the number of its crop. Raises `TrainingError` where nothing was
    found in any of them."""
    features, targets = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, 13, index])
        crop = _crop(pictures[int(rng.integers(len(pictures)))], rng)
        if rng.random() < COLOURLESS:
            crop = images.gray(crop).repeat(3, axis=2)
        mask = np.zeros(crop.shape[:2], bool)
        defects = "" if rng.random() < 1 / 3 else str(rng.choice(WORN))
        if rng.random() < GRAINY:
            defects += ("+" if defects else "") + f"film-grain:{rng.uniform(1, LEVEL):.3f}"
        if defects:
            worn = wear.wear(crop[None], defects, rng)
            crop, mask = worn.frames[0], worn.damage[0]
        crop = np.rint(255 * np.clip(crop, 0, 1)).astype(np.float32) / np.float32(255)
        first, turned, twice, maps = look(crop)
        for larger in (twice, None) if rng.random() < LARGE else (twice,):
            where = damage.glimpsed(first, larger)
            if where.any():
                inputs = damage.features(crop, tuple(maps), first, first if larger is None else turned, where, larger)
                chosen = rng.permutation(len(inputs))[:PLACES]
                features.append(inputs[chosen])
                targets.append(np.stack([mask[where][chosen], np.full(len(chosen), index)], axis=1))
        if on_progress is not None:
            on_progress(index + 1, count)
    return gathered(features, targets)


def _crop(picture: NDArray[np.uint8], rng: np.random.Generator) -> Pixels:
    """A part (h, w, 3) of a picture, in [0, 1]; half of the pictures are made smaller first: little is left of JPEG then."""
    image = PillowImage.fromarray(picture)
    least = min(image.size)
    if least > SIDE and rng.random() < SMALLER:
        image = image.resize((round(image.width * SIDE / least), round(image.height * SIDE / least)), PillowImage.Resampling.BOX)
    top, left = (int(rng.integers(0, max(1, side - SIDE + 1))) for side in (image.height, image.width))
    part = np.asarray(image.crop((left, top, min(left + SIDE, image.width), min(top + SIDE, image.height))).convert("RGB"))
    return part.astype(np.float32) / np.float32(255)


def trained(learnt: Examples, *, steps: int, seed: int = 0, members: int = 3) -> estimator.Weights:
    """The network: cross-entropy of whether each place is damaged."""
    chosen = Examples(learnt.features, learnt.targets[:, :1])
    return train(chosen, steps=steps, seed=seed, members=members, loss=_surprise, jitter=0.05, hidden=48, batch=2048)


def _surprise(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(answer, target)


def scores(weights: estimator.Weights, held: Examples) -> list[str]:
    """Lines for people: of the places that were glimpsed, precision and recall by how sure they must be."""
    chance = 1 / (1 + np.exp(-weights.of(held.features)[:, 0].astype(np.float64)))
    true = held.targets[:, 0] > 0
    lines = []
    for sure in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        found = chance >= sure
        right = (found & true).sum()
        precision, recall = right / max(1, found.sum()), right / max(1, true.sum())
        lines.append(f"sure {sure:g}: precision {precision:.3f}, recall {recall:.3f} of {len(true)} places")
    return lines
