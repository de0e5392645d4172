"""What a report shows of an evaluation: pictures to look at, beside the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations
from pellucid.digits import spoiled_digits
from pellucid.errors import OptionError
from pellucid.evaluation import Evaluation, Images, spoiled
from pellucid.methods import Clean, Method, Model, Noisy, methods_of

__all__ = ["Exhibit", "check_chosen", "gather"]

ROW = 10
"""Digits in a row."""

SIDE = 256
"""Side in pixels of what an exhibit shows."""


@dataclass(frozen=True)
class Exhibit:
    """What a report shows of one image under one noise: crops (h, w, 1 or 3), float32.

    ``reason`` is ``chosen``, or ``worst`` for one of the lowest scores; ``clean`` is in [0, 1], ``noisy`` may leave it; ``answers``
    and ``psnr`` (dB, of the whole image; None where not one pixel differs) go by method.
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
    """What a report shows of an evaluation: the ``chosen`` images, and the ``worst`` ones of its last method; of digits the first
    ten.

    Without a name three images, evenly from the first to the last, are chosen; their middle 256x256 pixels are shown, under the
    noise in the middle of the list. The worst are the images of the lowest PSNR, each under the noise where its score lies farthest
    below that noise's mean, and shown where the error is largest. Raises `OptionError` for a name that is not among the images.
    """
    if images.stack is not None:
        return _first_digits(images.stack, evaluation, models)
    if not evaluation.results:
        return []
    blind = bool(evaluation.protocol["blind"])
    methods = methods_of(models, baselines, blind)
    check_chosen(images, chosen)
    # What no method could answer, such as an image too small to be scaled down, shows nothing.
    scored = {row["image"] for row in evaluation.results if "error" not in row}
    names = [name for name, _ in images.named if name in scored]
    if not names:
        return []
    noises = list(dict.fromkeys(row["noise"] for row in evaluation.results))
    places = np.unique(np.linspace(0, len(names) - 1, 3).round().astype(int))
    wanted = [(name, noises[len(noises) // 2], "chosen") for name in (chosen or [names[place] for place in places])]
    wanted = [entry for entry in wanted if entry[0] in scored]
    wanted += [(name, noise, "worst") for name, noise in _worst(evaluation, methods[-1].name, worst)]
    return [_exhibit(images, evaluation, methods, *entry) for entry in wanted]


def check_chosen(images: Images, chosen: Sequence[str]) -> None:
    """Raises `OptionError` when a name is not among the images, or names are given for digits."""
    if chosen and images.stack is not None:
        raise OptionError("digits have no names; a report shows the first ten")
    names = [name for name, _ in images.named]
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise OptionError(f"no image {unknown[0]!r} among the {len(names)} that are evaluated")


def _first_digits(stack: Clean, evaluation: Evaluation, models: Mapping[str, Model]) -> list[Exhibit]:
    """The first ten digits in a row, under each noise, with the means of all."""

    def row(digits: NDArray[np.floating]) -> Noisy:
        return np.concatenate(list(digits[:ROW]), axis=1)[..., None].astype(np.float32)

    methods = methods_of(models, (), bool(evaluation.protocol["blind"]))
    found = []
    for text in dict.fromkeys(entry["noise"] for entry in evaluation.summary):
        noise = degradations.parse(text)
        noisy = spoiled_digits(stack, noise)
        answers = {
            method.name: row(np.clip(method.model.restore_batch(noisy[:ROW], sigma=method.sigma(noise)), 0, 1))
            for method in methods
            if method.model is not None
        }
        scores = {entry["method"]: entry["psnr"] for entry in evaluation.summary if entry["noise"] == text}
        found.append(Exhibit("the first ten digits", text, "chosen", row(stack), row(noisy), answers, scores))
    return found


def _worst(evaluation: Evaluation, method: str, count: int) -> list[tuple[str, str]]:
    means = {row["noise"]: row["psnr"] for row in evaluation.summary if row["method"] == method}
    below: dict[str, tuple[float, str]] = {}
    for row in evaluation.results:
        if row["method"] == method and row["psnr"] is not None:
            short = (row["psnr"] - means[row["noise"]], row["noise"])
            below[row["image"]] = min(short, below.get(row["image"], short))
    order = sorted(below, key=lambda name: (below[name], name))
    return [(name, below[name][1]) for name in order[:count]]


def _exhibit(images: Images, evaluation: Evaluation, methods: Sequence[Method], name: str, noise_text: str, reason: str) -> Exhibit:
    index = [entry for entry, _ in images.named].index(name)
    clean, noise = images.named[index][1], degradations.parse(noise_text)
    clean, noisy = spoiled(clean, noise, images.places[index])
    shown_noisy = noisy.repeat(noise.scale, axis=0).repeat(noise.scale, axis=1)
    scores = {row["method"]: row for row in evaluation.results if row["image"] == name and row["noise"] == noise_text}
    answers = {
        method.name: np.clip(method(noisy, noise, method.told(clean, noisy, noise)), 0, 1)
        for method in methods
        if method.name != "none" and "error" not in scores.get(method.name, {})
    }
    height, width = clean.shape[:2]
    top, left = max(0, (height - SIDE) // 2), max(0, (width - SIDE) // 2)
    if reason == "worst" and answers:
        top, left = _largest_error(np.square(list(answers.values())[-1] - clean).reshape(height, width, -1).sum(axis=2))

    def crop(pixels: NDArray[np.floating]) -> Noisy:
        part = pixels[top : top + SIDE, left : left + SIDE].astype(np.float32)
        return part if part.ndim == 3 else part[..., None]

    shown = {method: crop(answer) for method, answer in answers.items()}
    return Exhibit(
        name, noise_text, reason, crop(clean), crop(shown_noisy), shown, {method: row["psnr"] for method, row in scores.items()}
    )


def _largest_error(energy: NDArray[np.float64]) -> tuple[int, int]:
    """The corner of the window of an exhibit's size that holds the most of ``energy`` (h, w)."""
    total = np.pad(energy.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    high, wide = (min(SIDE, side) for side in energy.shape)
    inside = total[high:, wide:] - total[:-high, wide:] - total[high:, :-wide] + total[:-high, :-wide]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(top), int(left)
