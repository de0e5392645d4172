"""The scores of an exported model: held-out images restored through the engine, in the same way as users restore their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, metrics, restorer, tasks
from pellucid.cards import Card
from pellucid.degradations import Degradation
from pellucid.errors import PellucidError
from pellucid.metrics import Metric
from pellucid.restorer import Restorer
from pellucid.tasks import base
from pellucid.tasks.settings import Settings
from pellucid.training import batches, survey
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

__all__ = ["Row", "Scores", "score"]

MOST = 40
"""The most images that are scored; ten times as many of digits, which are small."""

SIDE = 512
"""Side in pixels of the middle of an image that is scored: enough to measure its noise, and a fraction of a second's work."""

SECONDS = 60.0
"""Seconds after which no further image is begun."""

PAIRS = "pairs"
"""Name of the row of pairs, whose noise is the images' own."""


@dataclass(frozen=True)
class Row:
    """Mean ``score`` by the headline metric, and ``ssim`` (where that is PSNR, and the images are large enough), by method, under
    one noise."""

    noise: str
    score: dict[str, float]
    ssim: dict[str, float]


@dataclass(frozen=True)
class Scores:
    """The scores of a model on ``images`` of the ``held_out`` ones, each cropped to its middle `SIDE` pixels.

    ``methods`` are the picture as it is given (`Learning.before`: ``noisy``, ``bicubic``), the model that the run began from, where
    there is one, and the model itself. ``blind``: models that take the noise level measured it from the image. ``metric``
    is the task's headline. ``notes`` are lines
    for the user.
    """

    methods: tuple[str, ...]
    rows: tuple[Row, ...]
    images: int
    held_out: int
    engine: str
    blind: bool
    metric: Metric
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A small table."""
        measured = ", the noise level measured from each image" if self.blind else ""
        lines = [[self.metric.title, *self.methods]]
        lines += [[row.noise, *(self.written(row.score[method]) for method in self.methods)] for row in self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        table = [
            "  "
            + "  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        ]
        return "\n".join([f"{self.images} of {self.held_out} held-out images, by {self.engine}{measured}:", *table])

    def written(self, value: float) -> str:
        """A score in the metric's digits."""
        return f"{value:.{self.metric.digits}f}"

    def on(self, card: Card) -> Card:
        """The card with these scores, such as ``held-out gaussian:25, blind``, in the place of those of the same name."""
        # Nobody knows the noise level of pairs: their row needs no such remark.
        blind = {row.noise: ", blind" if self.blind and row.noise != PAIRS else "" for row in self.rows}
        scores = {
            f"held-out {row.noise}{blind[row.noise]}{self.metric.suffix}": round(row.score[self.methods[-1]], 3)
            for row in self.rows
        }
        return replace(
            card,
            scores=card.scores | scores,
            training=card.training | {"scored_images": self.images, "scored_by": self.engine},
        )


@dataclass(frozen=True)
class _Case:
    """An image ``given`` to restore, (h, w, channels), float32 in [0, 1], and the perfect output ``clean``.

    ``before`` is the output of strength 0. ``degradation`` is None for a pair, whose noise is its own.
    """

    noise: str
    clean: NDArray[np.float32]
    given: NDArray[np.float32]
    before: NDArray[np.float32]
    degradation: Degradation | None


def score(
    model: Path, pictures: Pictures, recipe: Recipe, *, begun_from: str | None = None, seconds: float = SECONDS
) -> Scores | None:
    """Scores the model in the file ``model`` on the held-out images: clean ones under the recipe's validation noises, pairs as they
    are.

    ``begun_from`` is a shipped model's name or an ``.onnx`` file that is scored for comparison. No image is begun after
    ``seconds``; Ctrl-C ends the scoring, too: the images that are done count. None where there are no clean images to compare with.
    Raises `PellucidError` where the model cannot be run, such as without an engine.
    """
    if pictures.kind == "noisy":
        return None
    noises = [degradations.parse(text) for text in recipe.data.validation] if pictures.kind in ("clean", "composed") else []
    own = restorer.load(model)
    models = {model.stem: own}
    notes: list[str] = []
    if begun_from is not None:
        # A file's name without its ending, like the model's own; if both are the same, the older one is marked.
        name = Path(begun_from).stem if begun_from.endswith(".onnx") else begun_from
        try:
            first = restorer.load(begun_from)
            if first.card.task == own.card.task:
                models = {name if name != model.stem else f"{name} (before)": first, **models}
        except PellucidError as error:
            notes.append(f"the model that the run began from is not scored: {error}")
    task, metric = recipe.task, recipe.headline
    collected: dict[str, dict[str, list[tuple[float, float | None]]]] = {}
    most = min(len(pictures.valid), 10 * MOST if recipe.data.kind == "digits" else MOST)
    done = 0
    begun = time.monotonic()
    try:
        for index in range(most):
            if done and time.monotonic() - begun > seconds:
                break
            # An image counts under every noise or not at all: all means are over the same images.
            scores = [(case.noise, _scored(case, models, recipe)) for case in _cases(pictures, index, noises, recipe)]
            for noise, by_method in scores:
                for method, values in by_method.items():
                    collected.setdefault(noise, {}).setdefault(method, []).append(values)
            done += 1
    except KeyboardInterrupt:
        if not done:
            raise
    rows = tuple(_row(noise, by_method) for noise, by_method in collected.items())
    methods = (task.before, *models)
    for row in rows:
        gains = {method: value if metric.higher_is_better else -value for method, value in row.score.items()}
        best = max(methods[:-1], key=lambda method: gains[method])
        if metric.name == "psnr" and row.score[task.before] >= metrics.PSNR_CAP:
            # An image without noise cannot be improved.
            continue
        if gains[best] > gains[methods[-1]]:
            words = task.words if best == task.before else best
            value = f"{row.score[best]:.{metric.digits}f} {metric.unit or metric.label}"
            notes.append(f"{row.noise}: {words} has {value}, {methods[-1]} {row.score[methods[-1]]:.{metric.digits}f}")
    return Scores(methods, rows, done, len(pictures.valid), own.engine, "sigma" in own.takes, metric, tuple(notes))


def _cases(pictures: Pictures, index: int, noises: list[Degradation], recipe: Recipe) -> Iterator[_Case]:
    """The middle of held-out image ``index`` under each noise, drawn from generator ``index``; that of a pair is as it is. Of named
    sources the examples are those of validation."""
    if pictures.kind == "composed":
        for noise in noises:
            pair = batches.held_out_pair(pictures, recipe, noise, index)
            # The answer of strength 0 has the target's planes; where the example's base has others, nothing is answered.
            nothing = pair.base if pair.base.shape == pair.clean.shape else np.zeros_like(pair.clean)
            clean, before = (recipe.task.picture(pair.image, planes) for planes in (pair.clean, nothing))
            yield _Case(str(noise), clean, pair.image, before, base.stated(noise, clean, index))
        return
    picture = pictures.valid[index]
    height, width = (min(SIDE, size) for size in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    window = (slice(top, top + height), slice(left, left + width))
    clean = batches.whole(picture, SIDE) if recipe.task.sees == "whole" else survey.floats(picture[window])
    if pictures.kind == "pairs":
        noisy = survey.floats(pictures.valid_shots[index].levels[window])
        yield _Case(PAIRS, clean, noisy, noisy, None)
        return
    module = tasks.find(recipe.task.name).module()
    for noise in noises:
        perfect, given, before = base.degraded(module, noise, clean, np.random.default_rng(index))
        case = base.stated(noise, perfect, index)
        yield _Case(str(noise), np.asarray(perfect, dtype=np.float32), given, before, case)


def _scored(case: _Case, models: dict[str, Restorer], recipe: Recipe) -> dict[str, tuple[float, float | None]]:
    """The headline metric, and SSIM, of the picture as it was given and of each model's output."""
    outputs: dict[str, Any] = {recipe.task.before: case.before}
    outputs |= {name: model.restore(case.given, _settings(case, model)) for name, model in models.items()}
    return {name: _compared(case.clean, np.clip(output, 0, 1), recipe.headline) for name, output in outputs.items()}


def _settings(case: _Case, model: Restorer) -> Settings | None:
    """The settings for the case: the model measures the noise itself, as it does for its users."""
    if case.degradation is None:
        return None
    return model.task.module().known(case.degradation, model.card.maps, blind=True)


def _compared(clean: NDArray[np.float32], output: NDArray[np.float32], metric: Metric) -> tuple[float, float | None]:
    if metric.name != "psnr":
        return metric.function(clean, np.reshape(output, clean.shape), data_range=1.0), None
    large = min(clean.shape[:2]) >= metrics.METRICS["ssim"].least_side
    similarity = metrics.ssim(clean, output, data_range=1.0) if large else None
    return min(metrics.PSNR_CAP, metrics.psnr(clean, output, data_range=1.0)), similarity


def _row(noise: str, by_method: dict[str, list[tuple[float, float | None]]]) -> Row:
    score = {method: float(np.mean([value for value, _ in values])) for method, values in by_method.items()}
    similar = {method: [value for _, value in values if value is not None] for method, values in by_method.items()}
    return Row(noise, score, {method: float(np.mean(values)) for method, values in similar.items() if values})
