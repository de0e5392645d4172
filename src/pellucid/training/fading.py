"""Trains the network of `pellucid.diagnosis.dyes`, which reads from a picture how far its dyes have faded: examples, training."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid.diagnosis import dyes, estimator
from pellucid.training.calibration import Examples, train
from pellucid.wear import whole

__all__ = ["examples", "faded_examples", "scores", "trained"]

SIDE = 320
"""The longer side of the small pictures."""

TWICE = 3
"""Examples that are made of one crop, each worn by itself."""

PAIRS = 0.35
"""The share of the scenes that are of two pictures: more scenes than there are pictures."""

USUAL = whole.Fading.magenta, whole.Fading.yellow
"""Losses of magenta and yellow as shares of cyan's, of half of the faded pictures; those of the others are drawn from `OTHERS`."""

OTHERS = (0.0, 0.6), (0.2, 0.9)

LEVELS = 0.03, 0.75
"""Losses of cyan."""

GRAY = 0.05
"""The share of gray pictures, most of them toned: they have no dyes."""


def examples(
    pictures: list[NDArray[np.uint8]], count: int, seed: int, on_progress: Callable[[int, int], None] | None = None
) -> Examples:
    """``count`` examples, each a pure function of ``seed`` and its number. Targets (n, 3): losses of cyan, magenta and yellow."""
    features, targets = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, 11, index // TWICE])
        if index % TWICE == 0:
            values = _crop(pictures[int(rng.integers(len(pictures)))], rng)
            if rng.random() < PAIRS:
                values = np.concatenate(
                    [values[::2], _crop(pictures[int(rng.integers(len(pictures)))], rng)[:: int(rng.integers(1, 6))]]
                )
        worn, lost = faded_examples(values, np.random.default_rng([seed, 12, index]))
        features.append(dyes.features(worn))
        targets.append(lost)
        if on_progress is not None:
            on_progress(index + 1, count)
    return Examples(np.stack(features), np.array(targets, dtype=np.float32))


def _crop(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Pixels of a part of the picture, small, with those beside them, (n, 3, 3)."""
    high, wide = picture.shape[:2]
    share = 1.0 if rng.random() < 0.3 else float(rng.uniform(0.4, 0.9))
    height, width = max(1, round(share * high)), max(1, round(share * wide))
    top, left = (int(rng.integers(0, whole - part + 1)) for whole, part in ((high, height), (wide, width)))
    part = PillowImage.fromarray(picture[top : top + height, left : left + width])
    scale = min(1.0, SIDE / max(height, width))
    small = part.resize(
        (max(1, round(scale * width)), max(1, round(scale * height))), PillowImage.Resampling.BICUBIC, reducing_gap=2.0
    )
    values = dyes.sampled(np.asarray(small, np.float32) / np.float32(255))
    return values[::2] if len(values) > dyes.MOST // 2 else values


def faded_examples(
    values: NDArray[np.floating], rng: np.random.Generator
) -> tuple[NDArray[np.float32], tuple[float, float, float]]:
    """Pixels with those beside them, (n, 3, 3), as another lamp, camera or lens would have shown them, half of them faded, then
    with grain and dust; and the losses of cyan, magenta and yellow."""
    if rng.random() < 0.3:
        light = values.mean(axis=2, keepdims=True)
        values = np.clip(light + rng.uniform(0.6, 1.4) * (values - light), 0, 1)
    if rng.random() < 0.2:
        values = np.clip(values * np.exp(rng.normal(0, [0.1, 0.03, 0.13])), 0, 1)
    if rng.random() < 0.3:
        values = values ** np.exp(rng.normal(0, 0.2))
    if rng.random() < 0.12:
        # Haze.
        share = rng.uniform(0, 0.12)
        values = values * (1 - share) + share * rng.uniform(0.8, 1, 3)
    gray = bool(rng.random() < GRAY)
    if gray:
        values = np.repeat(values @ np.array([[0.3], [0.59], [0.11]]), 3, axis=2)
        if rng.random() < 0.7:
            tone = np.sort(rng.normal(0, 0.15, 3))[:: -1 if rng.random() < 0.7 else 1]
            values = values ** np.exp(tone.mean() - tone)
        # A camera's noise has colours.
        values = np.clip(values + rng.normal(0, 0.004, values.shape), 0, 1)
    if rng.random() < 0.5:
        # Corners without light: which pixels lie there does not matter here.
        values = values * (1 - rng.uniform(0, 0.4) * rng.random((len(values), 1, 1)) ** 2)
    if rng.random() < 0.5:
        values = np.clip(values * (1 + rng.normal(0, 0.05)), 0, 1)
    lost: tuple[float, float, float] = (0.0, 0.0, 0.0)
    if not gray and rng.random() < 0.5:
        cyan = float(rng.uniform(*LEVELS))
        magenta, yellow = USUAL if rng.random() < 0.5 else (float(rng.uniform(*each)) for each in OTHERS)
        lost = cyan, magenta * cyan, yellow * cyan
        values = values ** (1 - np.array(lost)) * (1 - cyan * whole.BASE)
    if rng.random() < 0.5:
        values = values + rng.normal(0, rng.uniform(0, 0.008), values.shape)
    if rng.random() < 0.5:
        each = values.reshape(-1, 3).copy()
        struck = rng.integers(0, len(each), int(rng.uniform(0, 0.02) * len(each)))
        much, bright = rng.random((len(struck), 1)), rng.random((len(struck), 1)) < 0.5
        each[struck] += much * (np.where(bright, rng.uniform(0.75, 1), rng.uniform(0, 0.15)) - each[struck])
        values = each.reshape(values.shape)
    return np.clip(values, 0, 1).astype(np.float32), lost


def trained(learnt: Examples, *, steps: int, seed: int = 0, members: int = 6) -> estimator.Weights:
    """The network: cross-entropy of the chances, and squares of the losses where there are some."""
    chosen = Examples(learnt.features, np.concatenate([_shared(learnt.targets[:, 0]), learnt.targets], axis=1))
    return train(
        chosen,
        steps=steps,
        seed=seed,
        members=members,
        loss=partial(_off, len(dyes.LOSSES)),
        jitter=0.25,
        hidden=80,
        dropout=0.15,
    )


def _shared(losses: NDArray[np.float32]) -> NDArray[np.float32]:
    """Losses as chances of `dyes.LOSSES`: each is shared by its two neighbours."""
    chances = np.zeros((len(losses), len(dyes.LOSSES)), np.float32)
    chances[losses == 0, 0] = 1
    some = np.flatnonzero(losses > 0)
    place = np.clip(np.interp(losses[some], dyes.LOSSES[1:], np.arange(1, len(dyes.LOSSES))), 1, len(dyes.LOSSES) - 1.001)
    low = place.astype(int)
    chances[some, low] = 1 - (place - low)
    chances[some, low + 1] = place - low
    return chances


def _off(count: int, answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    surprise = -(target[:, :count] * torch.log_softmax(answer[:, :count], dim=1)).sum(dim=1).mean()
    losses = target[:, count:]
    off = torch.square(answer[:, count:] - losses) * (losses[:, :1] > 0)
    return surprise + 20 * off.mean()


def scores(weights: estimator.Weights, held: Examples) -> list[str]:
    """Lines for people: how often unfaded pictures would be touched, and by how much losses are off."""
    answer = weights.of(held.features).astype(np.float64)
    count = len(dyes.LOSSES)
    chances = dyes.chances_of(answer[:, :count])
    true = held.targets[:, 0]
    none = chances[:, 0]
    lines = []
    for sure in (0.05, 0.1, 0.15, 0.2, 0.3):
        line = f"none at most {sure:g}: {np.mean(none[true == 0] < sure):.1%} of {np.sum(true == 0)} unfaded touched"
        for low, high in ((0.15, 0.25), (0.3, 0.4), (0.45, 0.55), (0.65, 0.75)):
            part = (true >= low) & (true < high)
            found = np.where(none < sure, chances @ dyes.LOSSES, 0)[part]
            line += f"; {low:g} to {high:g}: {np.mean(found > 0):.0%}, off by {np.abs(found - true[part]).mean():.3f}"
        lines.append(line)
    some = true > 0
    lines.append(
        "losses off by " + ", ".join(f"{value:.3f}" for value in np.abs(answer[some, count:] - held.targets[some]).mean(axis=0))
    )
    return lines
