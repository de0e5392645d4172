"""Trains the network of `pellucid.diagnosis.between`, which judges what was found in frames of clips: examples, training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pellucid import images, moving, wear
from pellucid.diagnosis import between, estimator
from pellucid.images import Pixels
from pellucid.training import likes
from pellucid.training.calibration import Examples, gathered, train
from pellucid.wear import shapes

__all__ = ["clip", "examples", "scores", "trained"]

SIDE = 288
"""Side in pixels of the frames."""

LIKE, WORN_LIKE, CLEAN = 0.45, 0.1, 0.05
"""The share of the frames with something that is like damage, of those with that and damage, and of those with neither."""

ENDS = 0.12
"""The share of the frames whose neighbours lie on one side."""

GRAINY, LEVEL, COLOURLESS, THINGS, GATE = 0.4, 9.0, 0.2, 0.5, 0.1
"""The share of the frames with grain, and the most of it, in 8-bit levels; of gray ones, of those in which something passes, and
of those with dirt in the gate, which stays."""

ALONE = 0.6
"""The share of the worn frames that have one kind of damage."""

DEFECTS: tuple[tuple[float, str, float, float], ...] = (
    (0.5, "scratches", 2, 30),
    (0.5, "dust", 0.2, 5),
    (0.3, "hairs", 0.5, 6),
    (0.3, "blotches", 0.5, 6),
    (0.2, "mould", 0.6, 4),
    (0.08, "dropouts", 3, 25),
)
"""The chance that a worn frame has it, its name, and its least and greatest level."""

DEAR = 4.0
"""How many times a damaged place that is left costs what one that is wrongly mended does."""

Glance = Callable[[Pixels, tuple[Pixels, Pixels], tuple[int, int]], between.Seen]
"""The damage found in a frame (h, w, 3) beside its neighbours at these times (`pellucid.tasks.film.glanced`)."""


def clip(
    pictures: list[NDArray[np.uint8]], rng: np.random.Generator, kinds: list[str] | None = None
) -> tuple[Pixels, NDArray[np.bool_], tuple[int, int]]:
    """A frame and its neighbours (3, h, w, 3), where the frame is damaged (h, w), and the times of the neighbours. With ``kinds``
    one of these is in it, and no damage; else it is drawn what it holds."""
    ground, other = (pictures[int(rng.integers(len(pictures)))] for _ in range(2))
    things = []
    if rng.random() < THINGS:
        things = [moving.cut_out(other, int(rng.integers(30, 200)), rng)]
    steps = (-1, 1) if rng.random() >= ENDS else (-2, -1) if rng.random() < 0.5 else (1, 2)
    times = [0, *steps]
    count = max(times) - min(times) + 1
    frames = moving.frames(ground, things, SIDE, count, rng)[..., :3]
    frames = frames if frames.shape[3] == 3 else frames.repeat(3, axis=3)
    if rng.random() < COLOURLESS:
        frames = images.gray(frames).repeat(3, axis=3)
    first = min(times)
    draw = rng.random()
    if kinds is not None or draw < LIKE + WORN_LIKE:
        frames = likes.drawn(frames, range(first, first + count), rng, kinds)
    damage = np.zeros(frames.shape[:3], bool)
    is_worn = kinds is None and not (draw < LIKE or draw > 1 - CLEAN)
    defects = []
    if is_worn:
        shares = np.array([share for share, *_ in DEFECTS])
        one = int(rng.choice(len(DEFECTS), p=shares / shares.sum()))
        chosen = np.arange(len(DEFECTS)) == one if rng.random() < ALONE else rng.random(len(DEFECTS)) < shares
        for (_, name, low, high), has in zip(DEFECTS, chosen, strict=True):
            if has:
                level = np.exp(rng.uniform(np.log(low), np.log(high)))
                defects.append(f"{name}:{level:.3f}" + (f":broken={rng.random():.2f}" if name == "scratches" else ""))
    if rng.random() < GRAINY:
        defects.append(f"film-grain:{rng.uniform(1, LEVEL):.3f}")
    if defects:
        worn = wear.wear(frames, "+".join(defects), rng)
        frames, damage = worn.frames, worn.damage.copy()
    if is_worn and rng.random() < GATE:
        frames = _dirty_gate(frames, damage, rng)
    levels = np.rint(255 * np.clip(frames, 0, 1)).astype(np.float32) / np.float32(255)
    at = [time - first for time in times]
    return levels[at], damage[at[0]], steps


def _dirty_gate(frames: Pixels, damage: NDArray[np.bool_], rng: np.random.Generator) -> Pixels:
    """The frames with specks and fibres that stay in their places, as dirt in the gate does; they are added to the damage."""
    made = frames.copy()
    height, width = frames.shape[1:3]
    for _ in range(int(rng.integers(1, 8))):
        top, left = int(rng.integers(height)), int(rng.integers(width))
        if rng.random() < 0.6:
            alpha = shapes.speck(float(rng.uniform(0.8, 5)), float(rng.uniform(0.8, 2)), rng)
        else:
            points = shapes.wander(int(rng.uniform(12, 60)), 1.0, 0.06, 0.03, rng)
            down, right, alpha = shapes.stroke(points, float(rng.uniform(0.8, 2)), 1.0)
            top, left = top + down, left + right
        alpha = alpha * np.float32(rng.uniform(0.5, 1))
        tone = np.float32(rng.uniform(0, 0.2) if rng.random() < 0.6 else rng.uniform(0.8, 1))
        rows, columns = np.arange(len(alpha)) + top, np.arange(alpha.shape[1]) + left
        own = np.ix_((rows >= 0) & (rows < height), (columns >= 0) & (columns < width))
        rows, columns, alpha = rows[own[0].ravel()], columns[own[1].ravel()], alpha[own]
        for frame, mask in zip(made, damage, strict=True):
            part = np.ix_(rows, columns)
            frame[part] += alpha[..., None] * (tone - frame[part])
            mask[part] |= alpha > 0.1
    return made


def examples(
    glance: Glance,
    pictures: list[NDArray[np.uint8]],
    count: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    kinds: list[str] | None = None,
) -> Examples:
    """Places of ``count`` frames, each a pure function of ``seed`` and its number: what `between.features` says of each, and the
    target (n, 3): the share of what was found there that is damaged, how many pixels that were, and the number of the frame. Raises
    `TrainingError` where nothing was found in any of them."""
    features, targets = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, 17, index])
        frames, damage, steps = clip(pictures, rng, kinds)
        seen = glance(frames[0], (frames[1], frames[2]), steps)
        if seen.hole.any():
            rows, columns, cell = between.places(seen, int(rng.choice(between.CELLS[:2])))
            many = np.bincount(cell, minlength=len(rows))
            right = np.bincount(cell, damage[seen.hole], minlength=len(rows))
            features.append(between.features(seen, rows, columns))
            targets.append(np.stack([right / many, many, np.full(len(rows), index)], axis=1))
        if on_progress is not None:
            on_progress(index + 1, count)
    return gathered(features, targets)


def trained(learnt: Examples, *, steps: int, seed: int = 0, members: int = 3) -> estimator.Weights:
    """The network: cross-entropy of the share of each place that is damaged. A frame that has a hundred times as many places counts
    for ten times as much."""
    frame = learnt.targets[:, 2].astype(np.intp)
    share = np.clip(1.5 * learnt.targets[:, 0], 0, 1)
    weight = np.sqrt(learnt.targets[:, 1]) / np.sqrt(np.bincount(frame)[frame]) * (1 + (DEAR - 1) * share)
    chosen = Examples(learnt.features, np.stack([share, weight / weight.mean()], axis=1).astype(np.float32))
    return train(chosen, steps=steps, seed=seed, members=members, loss=_surprise, jitter=0.05, hidden=48, batch=2048, outputs=1)


def _surprise(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.binary_cross_entropy_with_logits(answer[:, 0], target[:, 0], weight=target[:, 1])


def scores(weights: estimator.Weights, held: Examples) -> list[str]:
    """Lines for people: of what was found, the pixels that stay by how sure they must be, damaged ones and others."""
    frame = held.targets[:, 2]
    chance = np.zeros(len(frame))
    for number in np.unique(frame):
        chance[frame == number] = between.chances(weights, held.features[frame == number])
    right, wrong = held.targets[:, 0] * held.targets[:, 1], (1 - held.targets[:, 0]) * held.targets[:, 1]
    lines = []
    for sure in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        kept = chance >= sure
        lines.append(
            f"sure {sure:g}: {right[kept].sum() / max(1, right.sum()):.3f} of {right.sum():.0f} damaged pixels stay, "
            f"{wrong[kept].sum() / max(1, wrong.sum()):.3f} of {wrong.sum():.0f} others"
        )
    return lines
