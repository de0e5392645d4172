"""The HTML page of a run: its length, images, network and loss, the model's scores, the curves, and held-out pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from pellucid import __version__, evaluation, htmlreport
from pellucid.cards import Card
from pellucid.htmlreport import Sample
from pellucid.training import figures
from pellucid.training.figures import Example
from pellucid.training.loop import Progress, Run
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe
from pellucid.training.scoring import SIDE, Scores, shipped

__all__ = ["write"]

LINES = 12
"""The most notes of one kind on the page; the others are only counted."""

KINDS = {
    "clean": "clean images, degraded here",
    "pairs": "pairs of a noisy and a clean image",
    "noisy": "noisy images alone",
    "composed": "examples composed of images of several sources",
}


def write(
    path: Path, card: Card, run: Run, recipe: Recipe, pictures: Pictures, scores: Scores | None, unscored: str | None = None
) -> None:
    """Writes the page of a run to ``path``; ``unscored`` says why there are no ``scores``."""
    own = scores.methods[-1] if scores is not None else card.name
    facts = {
        "name": card.name,
        "lead": _lead(run, recipe, scores),
        "warnings": list(pictures.survey.warnings) if pictures.survey is not None else [],
        "notes": [*_shortened(pictures.notes), *(scores.notes if scores is not None else ())],
        "metric": {name: getattr(recipe.validated, name) for name in ("label", "title", "summary", "digits", "higher_is_better")},
        "scores": None if scores is None else {**_plain(scores), "said": _described(scores, own)},
        "unscored": unscored,
        "pictured": _pictured(pictures),
        "history": [_line(line, recipe, pictures) for line in run.history],
        "before": None if run.before is None else _line(run.before, recipe, pictures),
        "best_step": run.best_step,
        "loss": figures.loss_name(recipe, pictures),
        "validated": _validated(run, recipe, pictures),
        "losses": _losses(recipe, pictures),
        "about": _about(card, run, recipe, pictures),
    }
    htmlreport.write_run(path, facts, _samples(run, recipe, pictures), overwrite=True)


def _plain(scores: Scores) -> dict[str, Any]:
    """The scores as plain data, without the metric."""
    return {name: value for name, value in vars(scores).items() if name != "metric"} | {
        "rows": [asdict(row) for row in scores.rows]
    }


def _lead(run: Run, recipe: Recipe, scores: Scores | None) -> str:
    """One or two sentences: the run's length and its result."""
    text = f"Recipe {recipe.name}: {run.steps:,} steps in {run.minutes:.1f} minutes on {_device(run)}."
    if scores is not None and scores.rows:
        row = scores.rows[len(scores.rows) // 2]
        unit = recipe.validated.unit or recipe.validated.label
        others = ", ".join(
            f"{scores.written(row.score[method])} {unit} {_phrase(method, recipe)}" for method in scores.methods[:-1]
        )
        text += f" Held-out images, {row.noise}: {scores.written(row.score[scores.methods[-1]])} {unit} restored, {others}."
    return text


def _phrase(method: str, recipe: Recipe) -> str:
    if method == recipe.task.before:
        return f"for {recipe.task.words}"
    is_shipped = method == shipped(recipe) or method.endswith(" (shipped)")
    return f"by {method}, {'the shipped model' if is_shipped else 'the model that the run began from'}"


def _described(scores: Scores, own: str) -> str:
    measured = " The noise level was measured from each image, as users have it." if scores.blind else ""
    return (
        f"The exported file {own}, run by {scores.engine} on {scores.images} of {scores.held_out} held-out images; larger images "
        f"are cropped to their middle {SIDE}x{SIDE} pixels.{measured}"
    )


def _pictured(pictures: Pictures) -> str:
    level = "; a network that takes the noise level is given the true one" if pictures.kind == "clean" else ""
    psnr = " The PSNR is that of the crop." if pictures.kind != "noisy" else ""
    return f"Held-out images, drawn at random, restored by the network of the best step{level}.{psnr}"


def _validated(run: Run, recipe: Recipe, pictures: Pictures) -> str:
    level = "the true one" if pictures.kind == "clean" else "the one measured from each image"
    before = " The first point is the score of the weights that the run began from." if run.before is not None else ""
    return (
        f"Mean {recipe.validated.label} of the held-out images at each validation, by the network in training; a network that "
        f"takes the noise level is given {level}. The largest points mark the step that was kept.{before}"
    )


def _losses(recipe: Recipe, pictures: Pictures) -> str:
    text = "The training loss is the mean since the line before, the held-out loss that of the averaged weights."
    if pictures.kind == "noisy" and not recipe.from_neighbours:
        text += " Both estimate the squared error against the clean picture without having it (Stein's unbiased estimate)."
    elif pictures.kind == "noisy":
        text += " Both are measured against noisy pictures, so they never reach 0: only the decrease counts."
    return text


def _line(line: Progress, recipe: Recipe, pictures: Pictures) -> dict[str, Any]:
    """A line of the history as plain data; a loss of another kind is left out."""
    return vars(line) | ({} if figures.has_loss(line, recipe, pictures) else {"loss": None})


def _shortened(notes: Sequence[str]) -> list[str]:
    more = [f"and {len(notes) - LINES} more like these"] if len(notes) > LINES else []
    return [*notes[:LINES], *more]


def _device(run: Run) -> str:
    """The name of the processor or the GPU."""
    return torch.cuda.get_device_name() if run.device.startswith("cuda") else evaluation.processor() or run.device


def _about(card: Card, run: Run, recipe: Recipe, pictures: Pictures) -> list[dict[str, Any]]:
    plan, spec = recipe.training, asdict(recipe.network)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    speeds = [line.speed for line in run.history if line.speed > 0]
    ended = "as planned" if run.finished else "early, by its user"
    if run.stalled:
        ended = f"early: {plan.patience} validations in a row were no better"
    if run.diverged:
        ended = f"early: the loss of step {run.diverged} is not a number"
    length = f"{plan.minutes:g} minutes" if plan.minutes else f"{plan.epochs:g} epochs" if plan.epochs else f"{plan.steps} steps"
    images: list[list[Any]] = [
        ["Learnt from", KINDS[pictures.kind]],
        ["Source", [f"{source.source} ({source.count}), licence: {source.licence}" for source in pictures.origin]],
    ]
    if pictures.survey is None:
        images.append(["Images", f"{len(pictures.train)} to learn from, {len(pictures.valid)} held out"])
    else:
        images += [[name.capitalize(), text] for name, text in pictures.survey.rows]
    return [
        {
            "title": "How it went",
            "facts": [
                ["Recipe", f"{recipe.name}: {recipe.summary}"],
                ["Began from", card.training["from"] or "fresh weights"],
                ["Planned length", length],
                ["Steps", run.steps],
                ["Minutes", round(run.minutes, 1)],
                ["Ended", ended],
                [
                    "Step that was kept",
                    f"{run.best_step}, the best on held-out images" if run.best_step else "0: no step was better",
                ],
                ["Images a second", round(median(speeds), 1) if speeds else None],
            ],
        },
        {"title": "Images", "facts": images},
        {
            "title": "Network and rule",
            "facts": [
                ["Network", recipe.network.network],
                ["Parameters", f"{card.parameters:,}"],
                *(
                    [name.replace("_", " ").capitalize(), value]
                    for name, value in spec.items()
                    if name not in ("channels", "maps", "scales")
                ),
                ["Channels", recipe.data.channels],
                ["Maps beside the image", list(card.maps) or "none"],
                ["Reach around each pixel, in pixels", card.halo],
                [
                    "Loss",
                    figures.loss_name(recipe, pictures)
                    if pictures.kind == "noisy" or plan.loss == plan.finish_loss or not plan.finish_share
                    else f"{plan.loss}, then {plan.finish_loss}",
                ],
                [
                    "Batch",
                    f"{plan.batch} crops of {recipe.data.patch}x{recipe.data.patch}"
                    + (f", in each of {processes} processes" if processes > 1 else ""),
                ],
                ["Optimizer", f"{plan.optimizer}, rate {plan.rate:g}, {plan.schedule}"],
                ["Average of weights", plan.ema or "none"],
                ["Seed", run.seed],
            ],
        },
        {
            "title": "Machine",
            "facts": [
                ["Device", _device(run)],
                ["Processor cores", os.cpu_count()],
                ["Processes", processes],
                ["PyTorch", torch.__version__],
                ["pellucid", __version__],
            ],
        },
    ]


def _samples(run: Run, recipe: Recipe, pictures: Pictures) -> list[Sample]:
    """The pictures of the page: a row of digits for each validation noise, or a few images one by one."""
    before = recipe.task.before
    if recipe.data.kind != "digits":
        shown = figures.examples(run.network, recipe, pictures)
        return [_sample(f"Held-out image {number}", [example], before, 1) for number, example in enumerate(shown, 1)]
    return [
        _sample("Held-out digits", figures.examples(run.network, recipe, pictures, noise=noise), before, 3)
        for noise in recipe.data.validation
    ]


def _sample(name: str, row: Sequence[Example], before: str, zoom: int) -> Sample:
    """Examples of one size beside each other."""
    clean = [example.clean for example in row if example.clean is not None]
    noisy, restored = (np.concatenate([getattr(example, part) for example in row], axis=1) for part in ("noisy", "restored"))
    return Sample(name, row[0].noise, np.concatenate(clean, axis=1) if clean else None, noisy, restored, before, zoom)
