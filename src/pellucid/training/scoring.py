"""What a model is worth once it is exported: held-out images restored through the engine, as its users will restore their own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, images, metrics, restorer
from pellucid.cards import Card
from pellucid.degradations import Degradation
from pellucid.errors import PellucidError
from pellucid.restorer import Restorer
from pellucid.training import survey
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

__all__ = ["Row", "Scores", "score"]

MOST = 40
"""How many images are scored at most; of digits, small as they are, ten times as many."""

SIDE = 512
"""Side in pixels of the middle of an image that is scored: enough to find its noise, and a fraction of a second's work."""

SECONDS = 60.0
"""Seconds after which no further image is begun."""

CAP = 70.0
"""PSNR in dB at which an image's score is capped: one that is restored without any error must not make the mean infinite."""

PAIRS = "pairs"
"""What stands for the noise where it is as the images have it."""


@dataclass(frozen=True)
class Row:
    """Mean ``psnr`` in dB and ``ssim`` (where the images are large enough) by method, under one noise."""

    noise: str
    psnr: dict[str, float]
    ssim: dict[str, float]


@dataclass(frozen=True)
class Scores:
    """The scores of a model on ``images`` of the ``held_out`` ones, of each the middle `SIDE` pixels.

    ``methods``: what was given (``noisy``, or ``bicubic`` where images are made larger), what the run began from, where that is
    a model, and the model itself. ``blind`` says that models were not told the level, as when they serve. ``notes`` are lines for
    the user.
    """

    methods: tuple[str, ...]
    rows: tuple[Row, ...]
    images: int
    held_out: int
    engine: str
    blind: bool
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A small table, PSNR in dB."""
        told = ", the level of noise estimated" if self.blind else ""
        lines = [["PSNR in dB", *self.methods]]
        lines += [[row.noise, *(f"{row.psnr[method]:.2f}" for method in self.methods)] for row in self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        table = [
            "  "
            + "  ".join([line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))])
            for line in lines
        ]
        return "\n".join([f"{self.images} of {self.held_out} held-out images, by {self.engine}{told}:", *table])

    def on(self, card: Card) -> Card:
        """The card with these scores, such as ``held-out gaussian:25, blind``, in the place of those of the same name."""
        # Nobody knows the level of the noise in pairs: there it goes without saying.
        told = {row.noise: ", blind" if self.blind and row.noise != PAIRS else "" for row in self.rows}
        found = {f"held-out {row.noise}{told[row.noise]}": round(row.psnr[self.methods[-1]], 3) for row in self.rows}
        return replace(
            card,
            scores=card.scores | found,
            training=card.training | {"scored_images": self.images, "scored_by": self.engine},
        )


@dataclass(frozen=True)
class _Case:
    """An image (h, w, channels) to restore, float32 in [0, 1], with what a perfect answer is."""

    noise: str
    clean: NDArray[np.float32]
    given: NDArray[np.float32]
    scale: int


def score(
    model: Path, pictures: Pictures, recipe: Recipe, *, begun_from: str | None = None, seconds: float = SECONDS
) -> Scores | None:
    """Scores the model in the file ``model`` on the held-out images: clean ones under the recipe's validation noises, pairs as they
    are.

    ``begun_from`` is a shipped model's name or an ``.onnx`` file to set beside it. No image is begun after ``seconds``; Ctrl-C,
    too, ends it with those that are done. None where there are no clean images to compare with. Raises `PellucidError` where
    the model cannot be run, as without an engine.
    """
    if pictures.kind == "noisy":
        return None
    noises = [degradations.parse(text) for text in recipe.data.validation] if pictures.kind == "clean" else []
    own = restorer.load(model)
    models = {model.stem: own}
    notes: list[str] = []
    if begun_from is not None:
        # A file's name without ending, as the model's own; of one and the same name, the older one says so.
        name = Path(begun_from).stem if begun_from.endswith(".onnx") else begun_from
        try:
            first = restorer.load(begun_from)
            if first.card.task == own.card.task:
                models = {name if name != model.stem else f"{name} (before)": first, **models}
        except PellucidError as error:
            notes.append(f"what the run began from is not scored: {error}")
    plain = "bicubic" if noises and noises[0].scale > 1 else "noisy"
    found: dict[str, dict[str, list[tuple[float, float | None]]]] = {}
    most = min(len(pictures.valid), 10 * MOST if recipe.data.kind == "digits" else MOST)
    done = 0
    begun = time.monotonic()
    try:
        for index in range(most):
            if done and time.monotonic() - begun > seconds:
                break
            # All of an image or nothing: the means of all noises are of the same images.
            scores = [(case.noise, _scored(case, models, plain)) for case in _cases(pictures, index, noises)]
            for noise, by_method in scores:
                for method, values in by_method.items():
                    found.setdefault(noise, {}).setdefault(method, []).append(values)
            done += 1
    except KeyboardInterrupt:
        if not done:
            raise
    rows = tuple(_row(noise, by_method) for noise, by_method in found.items())
    methods = (plain, *models)
    for row in rows:
        best = max(methods[:-1], key=lambda method: row.psnr[method])
        if row.psnr[plain] >= CAP:
            # Without noise there is nothing to gain.
            continue
        if row.psnr[best] > row.psnr[methods[-1]]:
            words = {"noisy": "the noisy image", "bicubic": "bicubic enlargement"}.get(best, best)
            notes.append(f"{row.noise}: {words} has {row.psnr[best]:.2f} dB, {methods[-1]} {row.psnr[methods[-1]]:.2f}")
    return Scores(methods, rows, done, len(pictures.valid), own.engine, own.takes_sigma, tuple(notes))


def _cases(pictures: Pictures, index: int, noises: list[Degradation]) -> Iterator[_Case]:
    """The middle of held-out image ``index`` under each noise, drawn from generator ``index``; of pairs, as it is."""
    picture = pictures.valid[index]
    height, width = (min(SIDE, size) for size in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    window = (slice(top, top + height), slice(left, left + width))
    clean = survey.floats(picture[window])
    if pictures.kind == "pairs":
        yield _Case(PAIRS, clean, survey.floats(pictures.valid_shots[index].levels[window]), 1)
        return
    for noise in noises:
        perfect, given = noise.pair(clean, np.random.default_rng(index))
        yield _Case(str(noise), np.asarray(perfect, dtype=np.float32), given, noise.scale)


def _scored(case: _Case, models: dict[str, Restorer], plain: str) -> dict[str, tuple[float, float | None]]:
    """PSNR and SSIM of what was given and of each model's answer."""
    untouched = images.enlarged(case.given, case.scale) if case.scale > 1 else case.given
    answers: dict[str, Any] = {plain: untouched}
    answers |= {name: one.restore(case.given, scale=case.scale if case.scale > 1 else None) for name, one in models.items()}
    return {name: _compared(case.clean, np.clip(answer, 0, 1)) for name, answer in answers.items()}


def _compared(clean: NDArray[np.float32], answer: NDArray[np.float32]) -> tuple[float, float | None]:
    large = min(clean.shape[:2]) >= metrics.METRICS["ssim"].least_side
    similarity = metrics.ssim(clean, answer, data_range=1.0) if large else None
    return min(CAP, metrics.psnr(clean, answer, data_range=1.0)), similarity


def _row(noise: str, by_method: dict[str, list[tuple[float, float | None]]]) -> Row:
    psnr = {method: float(np.mean([value for value, _ in values])) for method, values in by_method.items()}
    similar = {method: [value for _, value in values if value is not None] for method, values in by_method.items()}
    return Row(noise, psnr, {method: float(np.mean(values)) for method, values in similar.items() if values})
