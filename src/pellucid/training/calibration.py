"""Trains the two small networks of `pellucid.diagnosis`: `estimator` reads the noise from a picture's measurements, `gain` predicts
what restoring gains. Examples, training, file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from torch import nn

from pellucid import degradations, images
from pellucid.diagnosis import estimator, gain, jpeg, noise, sampling
from pellucid.restorer import Restorer
from pellucid.saving import replacing
from pellucid.tasks import DenoiseSettings
from pellucid.tasks.denoise import measured
from pellucid.views import View

__all__ = ["Examples", "example", "examples", "gain_examples", "gain_scores", "save", "scores", "train"]

SIDES = (192, 720)
"""The sides of the crops in pixels."""

PAGES = 0.14
"""The share of generated pages of text among the pictures."""

KINDS = {
    "clean": 0.18,
    "gaussian": 0.2,
    "poisson": 0.1,
    "speckle": 0.05,
    "camera": 0.16,
    "grain": 0.08,
    "grain+jpeg": 0.06,
    "jpeg": 0.06,
    "gaussian+jpeg": 0.03,
    "impulses": 0.08,
    "gaussian+impulses": 0.12,
}
"""The degradations of the crops, and the share of each."""

HIDDEN = 64


@dataclass(frozen=True)
class Examples:
    """Features (n, f) and targets (n, t)."""

    features: NDArray[np.float32]
    targets: NDArray[np.float32]


def example(picture: NDArray[np.uint8], rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The features of a crop of ``picture`` (h, w, 3) under noise drawn by ``rng``, and the network's target for them."""
    crop = _page(rng) if rng.random() < PAGES else _crop(picture, rng)
    kind = str(rng.choice(list(KINDS), p=np.array(list(KINDS.values())) / sum(KINDS.values())))
    degradation = _noise(kind, rng)
    perfect, noisy = crop, crop
    if degradation is not None:
        perfect, noisy = degradation.pair(crop, rng)
    if rng.random() < 0.6:
        noisy = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.float32) / np.float32(255)
    parts = [window.of(noisy) for window in sampling.windows(*noisy.shape[:2])]
    quality, rougher = jpeg.quality(parts)
    blocks = sampling.blocks(parts)
    features = estimator.features(parts, blocks, noise.white_sigma(blocks), quality, rougher)
    white = correlated = 0.0
    if (
        kind in ("gaussian", "poisson", "speckle", "gaussian+impulses")
        and degradation is not None
        and degradation.curve is not None
    ):
        white = 255 * float(np.sqrt(degradation.curve.variance(perfect).mean()))
    elif kind in ("camera", "grain", "grain+jpeg", "gaussian+jpeg"):
        correlated = 255 * float(np.sqrt(np.square(noisy - perfect).mean()))
    return features, estimator.targets(white, correlated, degradation.density if degradation is not None else 0.0)


def _crop(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """A crop of a random size, from the picture or from half or a third of it, gray or in colour."""
    shrunk = int(rng.choice([1, 2, 3]))
    if min(picture.shape[:2]) // shrunk >= SIDES[0]:
        small = PillowImage.fromarray(picture).resize(
            (picture.shape[1] // shrunk, picture.shape[0] // shrunk), PillowImage.Resampling.LANCZOS
        )
        picture = np.asarray(small)
    height, width = (int(min(side, rng.integers(*SIDES))) for side in picture.shape[:2])
    top, left = (int(rng.integers(0, whole - part + 1)) for whole, part in zip(picture.shape, (height, width), strict=False))
    crop = picture[top : top + height, left : left + width].astype(np.float32) / np.float32(255)
    return images.gray(crop) if rng.random() < 0.5 else crop


def _page(rng: np.random.Generator) -> NDArray[np.float32]:
    """A generated page of letters and lines, gray or in colour: of all that has no impulses it looks most as if it had."""
    height, width = (int(rng.integers(*SIDES)) for _ in range(2))
    paper = rng.integers(150, 256) + rng.integers(-25, 26, 3) * (rng.random() < 0.3)
    ink = rng.integers(0, 110) + rng.integers(-60, 61, 3) * (rng.random() < 0.3)
    if rng.random() < 0.15:
        paper, ink = ink, paper
    page = PillowImage.new("RGB", (width, height), tuple(int(level) for level in np.clip(paper, 0, 255)))
    pen, colour = ImageDraw.Draw(page), tuple(int(level) for level in np.clip(ink, 0, 255))
    top, left, size = int(rng.integers(4, 40)), int(rng.integers(2, 60)), float(np.exp(rng.uniform(np.log(8), np.log(48))))
    font, step = ImageFont.load_default(size), size * float(rng.uniform(1.05, 1.9))
    letters = np.array(list("eeeeettttaaaooonnniiihhsssrrdlucmfywgpbvkxqjz0123456789EATSRM.,-"))
    while top < height:
        if rng.random() < 0.08:
            pen.line((left, top, width - left, top), fill=colour, width=int(rng.integers(1, 4)))
        elif rng.random() < 0.92:
            words = ("".join(rng.choice(letters, int(rng.integers(1, 10)))) for _ in range(2 + round(width / size / 3)))
            pen.text((left, top), " ".join(words), fill=colour, font=font)
        top += max(1, round(step))
    pixels = np.asarray(page, dtype=np.float32) / np.float32(255)
    return images.gray(pixels) if rng.random() < 0.5 else pixels


def _noise(kind: str, rng: np.random.Generator) -> degradations.Degradation | None:
    def log(low: float, high: float) -> float:
        return float(np.exp(rng.uniform(np.log(low), np.log(high))))

    clip = bool(rng.random() < 0.5)
    made: dict[str, Callable[[], degradations.Degradation]] = {
        "gaussian": lambda: degradations.Gaussian(log(1, 80), clip),
        "poisson": lambda: degradations.Poisson(log(3, 3000), clip),
        "speckle": lambda: degradations.Speckle(log(0.0005, 0.2), clip),
        "camera": lambda: degradations.Camera(log(0.0001, 0.012)),
        "grain": lambda: degradations.Grain(log(1, 40), clip),
        "jpeg": lambda: degradations.Jpeg(float(rng.integers(10, 98))),
        "impulses": lambda: degradations.Impulses(float(rng.uniform(0, 0.9)) ** 1.5),
    }
    if kind == "clean":
        return None
    parts = [made[part]() for part in kind.split("+")]
    return parts[0] if len(parts) == 1 else degradations.Chain(tuple(parts))


def examples(
    pictures: list[NDArray[np.uint8]], count: int, seed: int, on_progress: Callable[[int, int], None] | None = None
) -> Examples:
    """``count`` examples, each a pure function of ``seed`` and its number."""
    features, targets = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        measurements, target = example(pictures[int(rng.integers(len(pictures)))], rng)
        features.append(measurements)
        targets.append(target)
        if on_progress is not None:
            on_progress(index + 1, count)
    return Examples(np.stack(features), np.stack(targets))


def gain_examples(
    model: Restorer,
    pictures: list[NDArray[np.uint8]],
    count: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Examples:
    """Up to so many examples of what a denoiser gains on white Gaussian noise whose level it must measure. Crops whose noise is
    taken for another kind are left out. Targets (n, 1): the true gain less `gain.best`, in dB."""
    features, targets = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        crop = _crop(pictures[int(rng.integers(len(pictures)))], rng)
        noise = degradations.Gaussian(float(np.exp(rng.uniform(np.log(1.5), np.log(75)))), clip=bool(rng.random() < 0.3))
        noisy = noise(crop, rng)
        sums = measured(View((images.from_array(noisy),)), model.models, DenoiseSettings())
        if isinstance(sums, gain.Measured):
            restored = model.restore(noisy)
            true = 10 * np.log10(np.square(noisy - crop).mean() / max(float(np.square(restored - crop).mean()), 1e-9))
            features.append(gain.features(sums))
            targets.append([true - gain.best(sums)])
        if on_progress is not None:
            on_progress(index + 1, count)
    return Examples(np.array(features, dtype=np.float32), np.array(targets, dtype=np.float32))


def gain_scores(weights: estimator.Weights, held: Examples) -> list[str]:
    """A line for people: the error of the predicted gain on held-out examples."""
    off = np.abs(weights.of(held.features)[:, 0] - held.targets[:, 0])
    return [f"gain: off by {np.median(off):.2f} dB (median), {np.quantile(off, 0.9):.2f} (90th percentile) in {len(off)}"]


def train(learnt: Examples, *, steps: int = 6000, seed: int = 0, members: int = 1) -> estimator.Weights:
    """The network trained on the examples: three layers, Huber loss, Adam, the rate falling to 0.

    With several ``members``, each from other random weights, the network answers their mean: they lie side by side in its layers.
    """
    trained = [_trained(learnt, steps, seed + index) for index in range(members)]
    if members == 1:
        return trained[0]
    first, *between, last = zip(*(member.layers for member in trained), strict=True)
    layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = [
        (np.concatenate([matrix for matrix, _ in first], axis=1), np.concatenate([bias for _, bias in first]))
    ]
    for layer in between:
        layers.append((_diagonal([matrix for matrix, _ in layer]), np.concatenate([bias for _, bias in layer])))
    share = np.float32(1 / members)
    layers.append((share * np.concatenate([matrix for matrix, _ in last]), share * np.sum([bias for _, bias in last], axis=0)))
    return estimator.Weights(trained[0].mean, trained[0].spread, tuple(layers))


def _diagonal(matrices: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """One matrix of several along its diagonal, zero elsewhere."""
    heights, widths = ([0, *np.cumsum([matrix.shape[axis] for matrix in matrices])] for axis in (0, 1))
    whole = np.zeros((heights[-1], widths[-1]), np.float32)
    for index, matrix in enumerate(matrices):
        whole[heights[index] : heights[index + 1], widths[index] : widths[index + 1]] = matrix
    return whole


def _trained(learnt: Examples, steps: int, seed: int) -> estimator.Weights:
    torch.manual_seed(seed)
    mean, spread = learnt.features.mean(axis=0), learnt.features.std(axis=0) + np.float32(1e-3)
    inputs, targets = torch.from_numpy((learnt.features - mean) / spread), torch.from_numpy(learnt.targets)
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, targets.shape[1])
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(len(inputs), (256,))
        # Measurements of one image are never the same twice: a little noise stands for that.
        given = inputs[chosen] + 0.05 * torch.randn(256, inputs.shape[1])
        loss = nn.functional.smooth_l1_loss(network(given), targets[chosen], beta=0.2)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    layers = [module for module in network if isinstance(module, nn.Linear)]
    return estimator.Weights(
        mean,
        spread,
        tuple((layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()) for layer in layers),
    )


def save(weights: estimator.Weights, path: Path, *, overwrite: bool = False) -> None:
    """Writes the weights into an ``.npz``; `FileError` when ``path`` exists, unless ``overwrite``."""
    arrays = {f"matrix{index}": matrix for index, (matrix, _) in enumerate(weights.layers)}
    arrays |= {f"bias{index}": bias for index, (_, bias) in enumerate(weights.layers)}
    with replacing(path, overwrite=overwrite) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, mean=weights.mean, spread=weights.spread, **arrays)  # type: ignore[arg-type]


def scores(weights: estimator.Weights, held: Examples) -> list[str]:
    """Lines for people: how often clean is called noisy, and the errors of levels and densities on held-out examples."""
    answers = [estimator.answer(weights, features) for features in held.features]
    estimates = np.array([(answer.white, answer.correlated, answer.density) for answer in answers])
    white, correlated = (2 ** held.targets[:, column] - estimator.FLOOR for column in (0, 1))
    density = np.square(held.targets[:, 2] / 4)
    lines = []
    clean = (white < 0.1) & (correlated < 0.1) & (density == 0)
    if clean.any():
        lines.append(f"clean: {np.mean(estimates[clean, :2].max(axis=1) > 0.8):.1%} of {clean.sum()} called noisy")
    for name, column, chosen in (("white", 0, (white >= 2) & (density == 0)), ("correlated", 1, correlated >= 2)):
        if chosen.any():
            level = (white, correlated)[column][chosen]
            off = np.abs(estimates[chosen, column] / level - 1)
            kind = np.mean(estimates[chosen, column] >= estimates[chosen, 1 - column])
            lines.append(f"{name}: {kind:.1%} of {chosen.sum()} called so; level off by {np.median(off):.1%} (median)")
    struck = density > 0.02
    if struck.any():
        off = np.abs(estimates[struck, 2] - density[struck])
        lines.append(f"impulses: density off by {np.median(off):.3f} (median of {struck.sum()})")
    return lines
