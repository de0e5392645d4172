"""The scores of an exported model: held-out images restored through the engine, in the same way as users restore their own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, images, metrics, restorer, tasks
from pellucid.cards import Card
from pellucid.degradations import Degradation
from pellucid.diagnosis.gain import Measured
from pellucid.engines import Models
from pellucid.errors import PellucidError
from pellucid.families import FAMILIES
from pellucid.metrics import Metric
from pellucid.restorer import Restorer
from pellucid.tasks import base
from pellucid.tasks.base import Learning
from pellucid.tasks.settings import Settings
from pellucid.training import batches, survey
from pellucid.training.loop import Progress, Run
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe
from pellucid.views import View

__all__ = ["Row", "Scores", "length", "score", "shipped"]

MOST = 40
"""The most images that are scored; ten times as many of digits, which are small."""

SIDE = 512
"""Side in pixels of the middle of an image that is scored: enough to measure its noise, and a fraction of a second's work."""

SECONDS = 60.0
"""Seconds after which no further image is begun."""

PAIRS = "pairs"
"""Name of the row of pairs, whose noise is the images' own."""

ESTIMATED = "noisy images, estimated"
"""Name of the row of noisy images without clean ones, whose errors Stein's estimate gives."""

CERTAIN = 0.05
"""dB by which another method must be better for a line to say so: estimates of one image differ by chance."""

FEW = 1000
"""Steps below which a run from random weights is said to be short: ten minutes on two cores are 2,600 (docs/training.md)."""

LEAST_SHARE = 0.02
"""The least error that an estimate is taken for, as a share of the noise's (17 dB): smaller ones are differences of large
numbers."""

RISING = 0.1
"""dB by which the score still rose in the last fifth of a run that might have been longer."""


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

    ``methods`` are the picture as it is given (`Learning.before`: ``noisy``, ``bicubic``), the shipped model for the task, the
    model that the run began from, where these are and can be run, and the model itself. ``blind``: models that take the noise
    level measured it from the image. ``metric`` is the task's headline. ``notes`` are lines for the user.
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
        blind = {row.noise: ", blind" if self.blind and row.noise not in (PAIRS, ESTIMATED) else "" for row in self.rows}
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

    ``before`` is the output of strength 0. ``degradation`` is None for a pair, whose noise is its own. ``view`` is what a model is
    given where that is more than the image.
    """

    noise: str
    clean: NDArray[np.float32]
    given: NDArray[np.float32]
    before: NDArray[np.float32]
    degradation: Degradation | None
    view: View | None = None


def score(
    model: Path, pictures: Pictures, recipe: Recipe, *, begun_from: str | None = None, seconds: float = SECONDS
) -> Scores | None:
    """Scores the model in the file ``model`` on the held-out images: clean ones under the recipe's validation noises, pairs as they
    are, noisy images alone by the error that Stein's estimate gives (`pellucid.tasks.denoise.measured`).

    Beside it the shipped model for the task (`shipped`), and ``begun_from``, a shipped model's name or an ``.onnx`` file. No image
    is begun after ``seconds``; Ctrl-C ends the scoring, too: the images that are done count. None where nothing can be compared:
    noisy images whose noise is not white, or has impulses. Raises `PellucidError` where the model cannot be run, such as without an
    engine.
    """
    noises = [degradations.parse(text) for text in recipe.data.validation] if pictures.kind in ("clean", "composed") else []
    own = _serving(model, recipe)
    models, notes = _others(own, model, recipe, begun_from)
    models[model.stem] = own
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
            if pictures.kind == "noisy":
                scores = _estimated(pictures, index, models, task)
            else:
                scores = [(case.noise, _scored(case, models, recipe)) for case in _cases(pictures, index, noises, recipe)]
            for noise, by_method in scores:
                for method, values in by_method.items():
                    collected.setdefault(noise, {}).setdefault(method, []).append(values)
            done += bool(scores)
    except KeyboardInterrupt:
        if not done:
            raise
    if not collected:
        return None
    rows = tuple(_row(noise, by_method) for noise, by_method in collected.items())
    methods = (task.before, *models)
    notes += _not_better(rows, methods, task, metric)
    return Scores(methods, rows, done, len(pictures.valid), own.engine, "sigma" in own.takes, metric, tuple(notes))


def shipped(recipe: Recipe) -> str | None:
    """The shipped model for what the recipe learns: the task's own, or that for digits; None where there is none."""
    name = recipe.task.name
    wanted = "digits" if recipe.data.kind == "digits" else tasks.find(name).model
    return wanted if wanted in FAMILIES and FAMILIES[wanted].task == name else None


def _serving(model: Path, recipe: Recipe) -> Restorer:
    """The model in a file; one that does a part of the work serves with the shipped files that do the others."""
    name, role = shipped(recipe), recipe.task.role
    if name is None or role is None or role not in FAMILIES[name].files:
        return restorer.load(model)
    family = restorer.load(name)
    return Restorer(model.stem, family.task, Models({**family.models.paths, role: model}))


def _others(own: Restorer, model: Path, recipe: Recipe, begun_from: str | None) -> tuple[dict[str, Restorer], list[str]]:
    """The models to compare with by name, and lines about those that cannot be run."""
    models: dict[str, Restorer] = {}
    notes = []
    for title, given in (("the shipped model", shipped(recipe)), ("the model that the run began from", begun_from)):
        if given is None:
            continue
        # A file's name without its ending, like the model's own; if both are the same, the older one is marked.
        name = Path(given).stem if given.endswith(".onnx") else given
        name = name if name != model.stem else f"{name} ({'before' if given == begun_from else 'shipped'})"
        try:
            first = _serving(Path(given), recipe) if given.endswith(".onnx") else restorer.load(given)
            # A shipped file that is scored itself needs no second column.
            scored = any(path.read_bytes() == model.read_bytes() for path in first.models.paths.values())
            if first.card.task == own.card.task and (given == begun_from or not scored):
                models[name] = first
        except PellucidError as error:
            notes.append(f"{title} is not scored: {error}")
    return models, notes


def _not_better(rows: Sequence[Row], methods: Sequence[str], task: Learning, metric: Metric) -> list[str]:
    """A line for each row in which another method has a better score than the model, the last one."""
    own, notes = methods[-1], []
    for row in rows:
        if metric.name == "psnr" and row.score[task.before] >= metrics.PSNR_CAP:
            # An image without noise cannot be improved.
            continue
        gains = {method: value if metric.higher_is_better else -value for method, value in row.score.items()}
        best = max(methods[:-1], key=lambda method: gains[method])
        if gains[best] > gains[own] + (CERTAIN if row.noise == ESTIMATED else 0):
            words = task.words if best == task.before else best
            value = f"{row.score[best]:.{metric.digits}f} {metric.unit or metric.label}"
            harmful = best != task.before and gains[own] < gains[task.before]
            rest = f", and worse than {task.words}" if harmful else ""
            notes.append(f"{row.noise}: {words} has {value}, {own} {row.score[own]:.{metric.digits}f}: {own} is not better{rest}")
    return notes


def length(run: Run, metric: Metric) -> list[str]:
    """A line where a run was too short: few steps from random weights, or a score of held-out images that still rose at its end."""
    if run.stalled or run.diverged:
        return []
    if run.steps < FEW and run.before is None:
        return [f"{run.steps} steps are few: a network that begins from random weights needs {FEW} and more; train longer"]
    scored = [line for line in (run.before, *run.history) if line is not None and line.validation_loss is not None]
    if len(scored) < 3 or run.best_step != run.steps:
        return []
    last = scored[-1]
    earlier = next((line for line in reversed(scored[:-1]) if line.done <= 0.8 * last.done), None)
    rose = 0.0 if earlier is None else _rise(earlier, last, metric)
    if rose < RISING:
        return []
    return [f"held-out images still gained {rose:.2f} dB in the last fifth of the run: a longer one would be better"]


def _rise(earlier: Progress, last: Progress, metric: Metric) -> float:
    """By how many dB the score rose between two validations: PSNR, or where there is none the loss."""
    if metric.name == "psnr" and earlier.scores is not None and last.scores is not None:
        return last.scores["mean"] - earlier.scores["mean"]
    before, after = earlier.validation_loss or 0.0, last.validation_loss or 0.0
    return 10 * math.log10(before / after) if before > 0 and after > 0 else 0.0


def _estimated(
    pictures: Pictures, index: int, models: dict[str, Restorer], task: Learning
) -> list[tuple[str, dict[str, tuple[float, float | None]]]]:
    """The estimated PSNR of held-out noisy image ``index`` by method; nothing where its noise allows no estimate."""
    shot = pictures.valid_shots[index]
    levels = shot.levels[_window(shot.levels.shape)]
    view = View((images.from_array(survey.floats(levels)),), found=shot.diagnosis)
    estimates: dict[str, tuple[float, float | None]] = {}
    for name, model in models.items():
        measure: Callable[..., Any] | None = getattr(model.task.module(), "measured", None)
        found = None if measure is None else measure(view, model.models, model.settings(), shot.diagnosis)
        if not isinstance(found, Measured):
            return []
        # Stein 1981: what was taken away, less the noise, and twice the noise times the divergence.
        error = (found.taken - found.noise + 2 * found.error) / found.count
        noise = found.noise / found.count
        estimates[task.before] = (-10 * math.log10(noise), None)
        estimates[name] = (-10 * math.log10(max(error, LEAST_SHARE * noise)), None)
    return [(ESTIMATED, estimates)]


def _window(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The middle of an image, at most `SIDE` pixels a side."""
    height, width = (min(SIDE, size) for size in shape[:2])
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)


def _cases(pictures: Pictures, index: int, noises: list[Degradation], recipe: Recipe) -> Iterator[_Case]:
    """The middle of held-out image ``index`` under each noise, drawn from generator ``index``; that of a pair is as it is. With
    named sources the examples are those of validation."""
    if pictures.kind == "composed":
        for noise in noises:
            pair = batches.held_out_pair(pictures, recipe, noise, index)
            # The answer of strength 0 has the target's planes; where the example's base has others, nothing is answered.
            nothing = pair.base if pair.base.shape == pair.clean.shape else np.zeros_like(pair.clean)
            clean, before = (recipe.task.picture(pair.image, planes) for planes in (pair.clean, nothing))
            yield _Case(str(noise), clean, pair.image, before, base.stated(noise, clean, index), recipe.task.view(pair))
        return
    picture = pictures.valid[index]
    window = _window(picture.shape)
    clean = batches.whole(picture, min(SIDE, *picture.shape[:2])) if recipe.task.sees == "whole" else survey.floats(picture[window])
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
    for name, model in models.items():
        settings = _settings(case, model)
        if case.view is None:
            outputs[name] = model.restore(case.given, settings, range="dtype")
        else:
            outputs[name] = model.details(case.view, settings).image.pixels
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
