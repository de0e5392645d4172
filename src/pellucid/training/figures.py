"""The figures of a run: its loss curve, and held-out images clean, degraded and restored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from pellucid import degradations, report
from pellucid.errors import MissingExtra
from pellucid.files import replacing
from pellucid.images import Pixels
from pellucid.tasks.base import Pair
from pellucid.training import batches, survey
from pellucid.training.export import Outputs
from pellucid.training.looks import planes_of
from pellucid.training.loop import Progress, Run
from pellucid.training.losses import answer
from pellucid.training.networks import Network
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Example", "draw", "examples", "has_loss", "loss_name"]

SAMPLES = 10
"""How many held-out digits the figure has, as in the notebook of the seed; of photographs a third as many."""


def draw(run: Run, recipe: Recipe, pictures: Pictures, paths: Outputs) -> list[Path]:
    """Writes the loss curve and the sample picture of a run; returns their paths."""
    return [_curve(run, recipe, pictures, paths.curve), _samples(run, recipe, pictures, paths.samples)]


def loss_name(recipe: Recipe, pictures: Pictures) -> str:
    """The name of the loss that is used for most of a run."""
    if pictures.kind != "noisy":
        return recipe.training.loss
    return "neighbours" if recipe.from_neighbours else recipe.training.noisy_loss


def has_loss(line: Progress, recipe: Recipe, pictures: Pictures) -> bool:
    """Whether a line's loss is that of `loss_name`: one of the run's finish by another loss is in another unit, and would only
    compress the curve."""
    plan = recipe.training
    finishing = line.done >= 1 - plan.finish_share and plan.finish_loss != plan.loss
    return math.isfinite(line.loss) and (pictures.kind == "noisy" or not finishing)


def _curve(run: Run, recipe: Recipe, pictures: Pictures, path: Path) -> Path:
    """Training and held-out loss, and held-out scores, against minutes."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "train") from error
    figure: Figure = Figure(figsize=(10, 4), layout="constrained")
    left, *others = figure.subplots(1, 2 if any(line.scores for line in run.history) else 1, squeeze=False)[0]
    lines = [line for line in run.history if has_loss(line, recipe, pictures)]
    left.plot([line.minutes for line in lines], [line.loss for line in lines], label="training")
    left.plot([line.minutes for line in lines], [line.validation_loss for line in lines], label="held out")
    left.set(xlabel="minutes", ylabel=f"loss ({loss_name(recipe, pictures)})", title=f"{recipe.name}: loss")
    left.legend()
    noises = [noise for noise in (run.history[-1].scores or {}) if noise != "mean"] if run.history else []
    for right in others:
        for noise in noises:
            scores = [(line.scores or {}).get(noise, np.nan) for line in run.history]
            right.plot([line.minutes for line in run.history], scores, label=noise)
        right.set(xlabel="minutes", ylabel=recipe.validated.title, title="held-out images")
        if len(noises) < 12:
            right.legend(fontsize="small")
    for axes in (left, *others):
        axes.grid(alpha=0.3)
    with replacing(path, overwrite=True) as temporary:
        figure.savefig(temporary, dpi=100, format="png")
    return path


@dataclass(frozen=True)
class Example:
    """The middle of a held-out image: ``noisy``, the base that a residual is taken away from (the noisy image, its enlargement),
    and ``restored``, both unclipped; ``clean`` where it is known. Each is (height, width, channels), float32."""

    noise: str
    clean: Pixels | None
    noisy: Pixels
    restored: Pixels

    @property
    def parts(self) -> dict[str, Pixels]:
        """The images by name in the order clean, noisy, restored."""
        clean = {} if self.clean is None else {"clean": self.clean}
        return {**clean, self.noise: self.noisy, "restored": self.restored}


@torch.no_grad()
def examples(network: Network, recipe: Recipe, pictures: Pictures, *, noise: str | None = None) -> list[Example]:
    """Held-out images drawn at random, always the same, restored by the network on the CPU; it is given the true noise level.

    A network that learnt from a second look at impulses has one. Clean images are degraded by ``noise`` (None: the middle one of
    the validation noises); pairs and noisy images are used as they are.
    """
    rng = np.random.default_rng(0)
    degradation = degradations.parse(noise or recipe.data.validation[len(recipe.data.validation) // 2])
    count = min(SAMPLES if recipe.data.kind == "digits" else 3, len(pictures.valid))
    if pictures.kind == "composed":
        pairs = [batches.held_out_pair(pictures, recipe, degradation, index) for index in range(count)]
        return [_example(network, recipe, str(degradation), pair, pair.clean) for pair in pairs]
    side = 28 if recipe.data.kind == "digits" else 256
    drawn: list[Example] = []
    for index in rng.choice(len(pictures.valid), size=count, replace=False):
        picture = pictures.valid[int(index)]
        height, width = (min(side, size) // network.multiple_of * network.multiple_of for size in picture.shape[:2])
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        window = (slice(top, top + height), slice(left, left + width))
        clean = survey.floats(picture[window])
        if recipe.task.sees == "whole":
            clean = batches.whole(picture, recipe.data.patch)
        if pictures.kind == "clean":
            pair = recipe.task.degrade(clean, degradation, rng)
        else:
            pair = batches.shown(pictures.valid_shots[int(index)], window, recipe.task, clean if pictures.kind == "pairs" else None)
        perfect = {"clean": pair.clean, "pairs": clean, "noisy": None}[pictures.kind]
        name = str(degradation) if pictures.kind == "clean" else recipe.task.before
        drawn.append(_example(network, recipe, name, pair, perfect))
    return drawn


def _example(network: Network, recipe: Recipe, name: str, pair: Pair, perfect: Pixels | None) -> Example:
    planes, base, _ = planes_of(batches.stack([pair]), network, torch.device("cpu"))
    restored = answer(network, network.answer, planes, base)[0].permute(1, 2, 0).numpy()
    # An answer of other planes than the input's is shown beside the input itself.
    given, target = recipe.task.planes(recipe.data.channels)
    parts = [None if perfect is None else recipe.task.picture(pair.image, perfect), pair.base if given == target else pair.image]
    parts.append(recipe.task.picture(pair.image, restored))
    channels = max(part.shape[2] for part in parts if part is not None)
    clean, before, after = (None if part is None else np.repeat(part, channels // part.shape[2], axis=2) for part in parts)
    assert before is not None
    assert after is not None
    return Example(name, clean, before, after)


def _samples(run: Run, recipe: Recipe, pictures: Pictures, path: Path) -> Path:
    """A picture of the held-out images of `examples`: a column each."""
    shown = [example.parts for example in examples(run.network, recipe, pictures)]
    rows = {name: [parts[name] for parts in shown] for name in shown[0]}
    report.grid(rows, path, zoom=3 if recipe.data.kind == "digits" else 1, overwrite=True)
    return path
