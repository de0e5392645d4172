"""The pictures that a report of an evaluation shows beside the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, metrics, tasks
from pellucid.degradations import Degradation
from pellucid.digits import degraded_digits
from pellucid.errors import OptionError
from pellucid.evaluation import Evaluation, Images
from pellucid.methods import Clean, Method, Model, Noisy, methods_of
from pellucid.tasks import Task, base

__all__ = ["Exhibit", "check_chosen", "gather"]

ROW = 10
"""Digits in a row."""

SIDE = 256
"""Side in pixels of the crop that an exhibit shows."""


@dataclass(frozen=True)
class Exhibit:
    """The pictures that a report shows of one image under one noise: crops (h, w, 1 or 3), float32.

    ``reason`` is ``chosen``, or ``worst`` for one of the worst scores; ``clean`` is in [0, 1]; ``noisy`` is the image as it is
    given to the methods, enlarged (bicubic) where it is smaller, and may leave the range. ``answers`` are the outputs, and ``psnr``
    the scores of the whole image by the evaluation's headline metric, both by method; a score is None where not one pixel differs.
    """

    image: str
    noise: str
    reason: str
    clean: Noisy
    noisy: Noisy
    answers: Mapping[str, Noisy]
    psnr: Mapping[str, float | None]


def gather(
    images: Images,
    evaluation: Evaluation,
    *,
    models: Mapping[str, Model],
    baselines: Sequence[str] = (),
    chosen: Sequence[str] = (),
    worst: int = 3,
) -> list[Exhibit]:
    """The exhibits of an evaluation: the ``chosen`` images, and the ``worst`` ones of its last method; the first ten of digits.

    Without names three images, evenly from the first to the last, are chosen; their middle 256x256 pixels are shown, under the
    noise in the middle of the list. The worst are the images of the worst scores, each under the noise where its score is farthest
    from that noise's mean, and shown where the error is largest. Raises `OptionError` for a name that is not among the images.
    """
    task = tasks.find(evaluation.protocol["task"])
    cases = [degradations.parse(text) for text in evaluation.protocol["noise"]]
    methods = methods_of(models, baselines, task, cases, blind=bool(evaluation.protocol["blind"]))
    if images.stack is not None:
        return _first_digits(images.stack, evaluation, methods, cases)
    check_chosen(images, chosen)
    # An image on which every method failed, such as one too small to be scaled down, has nothing to show.
    scored = {row["image"] for row in evaluation.results if "error" not in row}
    names = [name for name, _ in images.named if name in scored]
    if not names:
        return []
    texts = list(dict.fromkeys(row["noise"] for row in evaluation.results))
    places = np.unique(np.linspace(0, len(names) - 1, 3).round().astype(int))
    wanted = [(name, texts[len(texts) // 2], "chosen") for name in (chosen or [names[place] for place in places])]
    wanted = [entry for entry in wanted if entry[0] in scored]
    headline = task.module().METRICS[0]
    wanted += [(name, text, "worst") for name, text in _worst(evaluation, headline, methods[-1].name, worst)]
    return [_exhibit(task, images, evaluation, methods, *entry) for entry in wanted]


def check_chosen(images: Images, chosen: Sequence[str]) -> None:
    """Raises `OptionError` when a name is not among the images, or names are given for digits."""
    if chosen and images.stack is not None:
        raise OptionError("digits have no names; a report shows the first ten")
    names = [name for name, _ in images.named]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise OptionError(f"none of the {len(names)} evaluated images has the name {unknown[0]!r}")


def _first_digits(stack: Clean, evaluation: Evaluation, methods: Sequence[Method], cases: Sequence[Degradation]) -> list[Exhibit]:
    """The first ten digits in a row, under each noise, with the mean scores of all."""

    def row(digits: NDArray[np.floating]) -> Noisy:
        return np.concatenate(list(digits[:ROW]), axis=1)[..., None].astype(np.float32)

    shown = []
    for case in cases:
        noisy = degraded_digits(stack, case)
        outputs = {
            method.name: row(np.clip(method.batch(noisy[:ROW], case), 0, 1)) for method in methods if method.model is not None
        }
        scores = {entry["method"]: entry["psnr"] for entry in evaluation.summary if entry["noise"] == str(case)}
        shown.append(Exhibit("the first ten digits", str(case), "chosen", row(stack), row(noisy), outputs, scores))
    return shown


def _worst(evaluation: Evaluation, headline: str, method: str, count: int) -> list[tuple[str, str]]:
    """Names of the images with the worst scores, and the noise of each."""
    better = 1 if metrics.METRICS[headline].higher_is_better else -1
    means = {row["noise"]: row[headline] for row in evaluation.summary if row["method"] == method}
    below: dict[str, tuple[float, str]] = {}
    for row in evaluation.results:
        if row["method"] == method and row[headline] is not None:
            short = (better * (row[headline] - means[row["noise"]]), row["noise"])
            below[row["image"]] = min(short, below.get(row["image"], short))
    order = sorted(below, key=lambda name: (below[name], name))
    return [(name, below[name][1]) for name in order[:count]]


def _exhibit(
    task: Task, loaded: Images, evaluation: Evaluation, methods: Sequence[Method], name: str, noise_text: str, reason: str
) -> Exhibit:
    index = [entry for entry, _ in loaded.named].index(name)
    clean, noise = loaded.named[index][1], degradations.parse(noise_text)
    perfect, noisy, before = base.degraded(task.module(), noise, clean, np.random.default_rng(loaded.places[index]))
    clean = perfect.astype(np.float64, copy=False)
    case = base.stated(noise, clean, loaded.places[index])
    if before.shape != noisy.shape and before.shape[:2] == noisy.shape[:2]:
        # Where other planes are asked for, the picture itself tells more than an answer of strength 0.
        before = noisy
    scores = {row["method"]: row for row in evaluation.results if row["image"] == name and row["noise"] == noise_text}
    outputs = {
        method.name: np.clip(method(noisy, case, method.level_of(clean, noisy, case)), 0, 1)
        for method in methods
        if method.name != "none" and "error" not in scores.get(method.name, {})
    }
    height, width = clean.shape[:2]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    if reason == "worst" and outputs:
        errors = np.square(list(outputs.values())[-1].reshape(clean.shape) - clean)
        top, left = _largest_error(errors.reshape(height, width, -1).sum(axis=2))

    def crop(pixels: NDArray[np.floating]) -> Noisy:
        part = pixels[top : top + SIDE, left : left + SIDE].astype(np.float32)
        return part if part.ndim == 3 else part[..., None]

    headline = task.module().METRICS[0]
    true, given, *others = alike([crop(clean), crop(before), *map(crop, outputs.values())])
    shown = dict(zip(outputs, others, strict=True))
    return Exhibit(name, noise_text, reason, true, given, shown, {method: row[headline] for method, row in scores.items()})


def alike(pictures: Sequence[Noisy]) -> list[Noisy]:
    """Pictures (h, w, channels) with as many channels as the one of them that has most; gray is repeated."""
    channels = max(picture.shape[2] for picture in pictures)
    return [np.repeat(picture, channels // picture.shape[2], axis=2) for picture in pictures]


def _largest_error(energy: NDArray[np.float64]) -> tuple[int, int]:
    """The corner of the window of an exhibit's size that holds the most of ``energy`` (h, w)."""
    total = np.pad(energy.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    high, wide = (min(SIDE, side) for side in energy.shape)
    inside = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(top), int(left)
