"""Trains the small networks of `pellucid.diagnosis`: `estimator` reads the noise from a picture's measurements, `gain` predicts
what restoring gains, `doubt` how far each pixel is off. Examples, training, file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from torch import nn

from pellucid import degradations, images
from pellucid.diagnosis import doubt, estimator, gain, jpeg, noise, sampling
from pellucid.errors import TrainingError
from pellucid.restorer import Restorer
from pellucid.saving import replacing
from pellucid.tasks import DenoiseSettings
from pellucid.tasks.denoise import measured, noise_of
from pellucid.views import View

__all__ = [
    "Examples",
    "doubt_examples",
    "doubt_scores",
    "example",
    "examples",
    "gain_examples",
    "gain_scores",
    "gathered",
    "save",
    "scores",
    "train",
    "train_doubt",
]

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


def gathered(features: Sequence[NDArray[np.floating]], targets: Sequence[NDArray[np.floating]]) -> Examples:
    """The examples of several pictures, (n, f) and (n, t) each, as one. Raises `TrainingError` where none of them gave any."""
    if not features:
        raise TrainingError("nothing was found in the examples to learn from; more of them, or other images, may help")
    return Examples(np.concatenate(features).astype(np.float32), np.concatenate(targets).astype(np.float32))


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
            restored = model.restore(noisy, range="dtype")
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


PIXELS = 400
"""Pixels of each example that the network of `pellucid.diagnosis.doubt` learns from: those near one another say the same."""

DOUBTED = {"white": 0.7, "poisson": 0.08, "camera": 0.08, "grain+jpeg": 0.05, "jpeg": 0.05, "gaussian+impulses": 0.04}
"""Degradations of these examples, and the share of each; ``white`` is Gaussian noise whose level is given, in error by 5 %."""

DOUBT_SIDE = 208
"""The most pixels on a side of these examples."""


def doubt_examples(
    models: Sequence[Restorer],
    pictures: list[NDArray[np.uint8]],
    count: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> Examples:
    """Pixels of ``count`` restored crops: what `doubt.features` says of each, and the target (n, 2): the logarithm (base 2) of its
    absolute error as a share of the noise's level, and that level in 8-bit levels. Some are restored in part, as masks do, or with
    other settings than the default."""
    features, targets = [], []
    for index in range(count):
        rng = np.random.default_rng([seed, 7, index])
        crop = _crop(pictures[int(rng.integers(len(pictures)))], rng)[:DOUBT_SIDE, :DOUBT_SIDE]
        kind = str(rng.choice(list(DOUBTED), p=list(DOUBTED.values())))
        sigma = float(np.exp(rng.uniform(np.log(1.5), np.log(75))))
        white = degradations.Gaussian(sigma, clip=bool(rng.random() < 0.5))
        degradation = white if kind == "white" else _noise(kind, rng)
        assert degradation is not None
        clean, noisy = degradation.pair(crop, rng)
        if rng.random() < 0.5:
            noisy = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.float32) / np.float32(255)
        stated = sigma * float(np.exp(rng.normal(0, 0.05))) if kind == "white" else None
        settings = DenoiseSettings.of({"sigma": stated, **_varied(rng)})
        image = images.from_array(np.asarray(noisy, dtype=np.float32))
        model = models[int(rng.integers(len(models)))]
        found = noise_of(View((image,)), model.models, settings)
        if not found.nothing and found.level is not None:
            given, answer = (
                np.ascontiguousarray(each.pixels.transpose(2, 0, 1)) for each in (image, model.restore(image, settings))
            )
            level = found.sigma(given)
            read = doubt.features(given, answer, level, white=found.white, density=found.density)
            error = np.abs(answer - np.asarray(clean, dtype=np.float32).transpose(2, 0, 1))
            rows, columns = (rng.integers(0, side, PIXELS) for side in level.shape)
            channel = rng.integers(0, len(error), PIXELS)
            least = np.maximum(level[rows, columns], doubt.FAINTEST)
            features.append(read[rows, columns])
            off = np.log2(error[channel, rows, columns] / least + 1e-4)
            targets.append(np.stack([off, 255 * least], axis=1))
        if on_progress is not None:
            on_progress(index + 1, count)
    return gathered(features, targets)


def _varied(rng: np.random.Generator) -> dict[str, float]:
    """Settings of a denoiser: the default for most."""
    made: list[dict[str, float]] = [
        {"strength": float(rng.random())},
        {"strength": float(rng.uniform(1, 2))},
        {"keep_grain": float(rng.random())},
        {"detail": float(rng.uniform(0, 2))},
        {"colour_noise": float(rng.uniform(0, 2))},
    ]
    return {} if rng.random() < 0.65 else made[int(rng.choice(len(made), p=[0.5, 0.1, 0.2, 0.1, 0.1]))]


def train_doubt(learnt: Examples, *, steps: int = 6000, seed: int = 0) -> estimator.Weights:
    """The network of `pellucid.diagnosis.doubt`: the quantile `doubt.INSIDE` of the error's logarithm, by the pinball loss."""

    def loss(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        beyond = target[:, :1] - answer
        return torch.maximum(doubt.INSIDE * beyond, (doubt.INSIDE - 1) * beyond).mean()

    return _trained(learnt, steps, seed, loss=loss, hidden=24, batch=2048, jitter=0.0, outputs=1)


def doubt_scores(weights: estimator.Weights, held: Examples) -> list[str]:
    """Lines for people: the share of errors inside one standard deviation, by the noise's level, and where most and least is
    expected."""
    answer, level = weights.of(held.features)[:, 0], held.targets[:, 1]
    inside = held.targets[:, 0] <= answer
    lines = []
    for low, high in pairwise(LEVELS):
        chosen = (level >= low) & (level < high)
        if chosen.any():
            parts = np.array_split(np.flatnonzero(chosen)[np.argsort(answer[chosen])], 4)
            shares = ", ".join(f"{inside[part].mean():.1%}" for part in parts)
            lines.append(
                f"level {low:g} to {high:g}: {inside[chosen].mean():.1%} inside; by quarters of what is expected: {shares}"
            )
    return lines


LEVELS = (0, 3, 6, 12, 20, 30, 45, 80, 300)
"""Bounds of the levels by which it is said how well errors are foretold."""


def _huber(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.smooth_l1_loss(answer, target, beta=0.2)


def train(
    learnt: Examples,
    *,
    steps: int = 6000,
    seed: int = 0,
    members: int = 1,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = _huber,
    hidden: int = HIDDEN,
    batch: int = 256,
    jitter: float = 0.05,
    dropout: float = 0.0,
    outputs: int | None = None,
) -> estimator.Weights:
    """The network trained on the examples: three layers, Adam, the rate falling to 0; ``batch`` examples a step; ``jitter`` is
    the deviation of noise that is added to features, ``dropout`` the share of the inner values that are left out of each step,
    ``outputs`` how many values the network answers with (None: as many as there are targets).

    With several ``members``, each from other random weights, the network answers their mean: they lie side by side in its layers.
    """
    trained = [
        _trained(
            learnt, steps, seed + index, loss=loss, hidden=hidden, batch=batch, jitter=jitter, dropout=dropout, outputs=outputs
        )
        for index in range(members)
    ]
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


def _trained(
    learnt: Examples,
    steps: int,
    seed: int,
    *,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = _huber,
    hidden: int = HIDDEN,
    batch: int = 256,
    jitter: float = 0.05,
    dropout: float = 0.0,
    outputs: int | None = None,
) -> estimator.Weights:
    """The network trained: ``jitter`` is the deviation of noise that is added to features, ``dropout`` the share of the inner
    values that are left out of each step, ``outputs`` how many it has (None: as many as there are targets)."""
    torch.manual_seed(seed)
    mean, spread = learnt.features.mean(axis=0), learnt.features.std(axis=0) + np.float32(1e-3)
    inputs, targets = torch.from_numpy((learnt.features - mean) / spread), torch.from_numpy(learnt.targets)
    network = nn.Sequential(
        nn.Linear(inputs.shape[1], hidden),
        nn.ReLU(),
        nn.Dropout(dropout) if dropout else nn.Identity(),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(dropout) if dropout else nn.Identity(),
        nn.Linear(hidden, targets.shape[1] if outputs is None else outputs),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(len(inputs), (batch,))
        # Measurements of one image are never the same twice: a little noise stands for that.
        given = inputs[chosen] + jitter * torch.randn(batch, inputs.shape[1])
        off = loss(network(given), targets[chosen])
        optimizer.zero_grad()
        off.backward()  # type: ignore[no-untyped-call]
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
