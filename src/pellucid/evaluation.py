"""Scores models and classical methods on clean images that are spoiled here, by a protocol that is written beside the scores.

The protocol of the denoising papers: noise is added in float64 and not clipped (unless the noise says ``:clip``); the seed of
image n, files sorted by name, is n: ``numpy.random.default_rng(n)``; the answer is clipped to [0, 1] and not rounded; PSNR is
taken over all pixels and channels of an image, then the mean over images.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import __version__, baselines, files, metrics
from pellucid.degradations import Degradation
from pellucid.errors import FileError, OptionError
from pellucid.restorer import Restorer

__all__ = ["Evaluation", "Images", "evaluate", "load_images", "spoiled", "write_json"]

DIGIT_CAP = 70.0
"""PSNR in dB at which one digit's score is capped: a digit restored without any error must not make the mean infinite."""

SSIM_SIDE = 11

Clean = NDArray[np.float64]


@dataclass(frozen=True)
class Images:
    """Clean images by name, (h, w) or (h, w, 3) float64 in [0, 1]; or a ``stack`` (n, h, w) of digits.

    ``failed``: what could not be read.
    """

    source: str
    named: tuple[tuple[str, Clean], ...] = ()
    stack: Clean | None = None
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Scores: ``results`` has one row an image, noise and method, ``summary`` their means.

    ``protocol`` is everything that the figures depend on.
    """

    protocol: dict[str, Any]
    results: tuple[dict[str, Any], ...]
    summary: tuple[dict[str, Any], ...]
    failed: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The evaluation as JSON text."""
        data = {"protocol": self.protocol, "results": self.results, "summary": self.summary, "failed": self.failed}
        return json.dumps(data, indent=1, ensure_ascii=False)


def load_images(source: Path, *, limit: int | None = None) -> Images:
    """The clean images of a folder (8 bits as they are, gray stays gray), or the digits of an IDX file of images.

    ``limit`` keeps the first so many. An image that cannot be read is listed in ``failed``. Raises `FileError` when nothing
    is left.
    """
    if source.is_file():
        stack = files.read_idx(source)
        if stack.ndim != 3:
            raise FileError(f"{source}: an IDX file of shape {stack.shape} holds no images")
        return Images(source.name, stack=stack[:limit] / np.float64(255))
    named: list[tuple[str, Clean]] = []
    failed: list[str] = []
    for path in files.list_images(source)[:limit]:
        try:
            image = files.read(path)
        except FileError as error:
            failed.append(str(error))
            continue
        top = np.iinfo(image.dtype).max if image.dtype.kind == "u" else None
        # Exactly the file's levels over their maximum, in float64: float32 would shift the last digits of the score.
        pixels = image.pixels.astype(np.float64)
        clean = np.rint(pixels * top) / top if top is not None else pixels
        named.append((path.stem, clean[..., 0] if clean.shape[2] == 1 else clean))
    if not named:
        raise FileError(f"{source}: no image that can be read")
    return Images(source.name, named=tuple(named), failed=tuple(failed))


def spoiled(clean: Clean, noise: Degradation, index: int) -> NDArray[np.float32]:
    """Image number ``index`` with the protocol's noise."""
    return noise(clean, np.random.default_rng(index))


def evaluate(
    images: Images,
    *,
    models: Mapping[str, Restorer],
    noises: Sequence[Degradation],
    baselines: Sequence[str] = ("none",),
    blind: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Scores every method on every image under every noise.

    Models are told the level where they take one and the noise is Gaussian, unless ``blind``; classical methods are always
    told. ``on_progress`` gets (images done, images in all). Raises `OptionError` when there is nothing to score.
    """
    methods = _methods(models, baselines, blind)
    if not methods or not noises:
        raise OptionError("evaluate: name at least one model or baseline, and one noise")
    if images.stack is not None:
        results, summary = _digits(images.stack, models, noises, baselines)
    else:
        results = []
        total = len(images.named) * len(noises)
        for index, (name, clean) in enumerate(images.named):
            for noise in noises:
                noisy = spoiled(clean, noise, index)
                results += [_scored(name, clean, noisy, noise, method, run) for method, run in methods.items()]
                if on_progress is not None:
                    on_progress(len(results) // len(methods), total)
        summary = _summary(results, noises, list(methods))
    return Evaluation(_protocol(images, noises, models, blind), tuple(results), tuple(summary), images.failed)


def write_json(path: Path, evaluation: Evaluation, *, overwrite: bool = False) -> None:
    """Writes `Evaluation.to_json` to ``path``; `FileError` when it exists and ``overwrite`` is not said."""
    with files.replacing(path, overwrite=overwrite) as temporary:
        temporary.write_text(evaluation.to_json(), "utf-8")


Method = Callable[[NDArray[np.float32], Degradation], NDArray[Any]]


def _methods(models: Mapping[str, Restorer], names: Sequence[str], blind: bool) -> dict[str, Method]:
    def of_model(model: Restorer) -> Method:
        def run(noisy: NDArray[np.float32], noise: Degradation) -> NDArray[Any]:
            told = noise.sigma if model.takes_sigma and not blind and noise.kind == "gaussian" else None
            answer: NDArray[Any] = model.restore(noisy, sigma=told)
            return answer

        return run

    def of_baseline(name: str) -> Method:
        method = baselines.find(name)

        def run(noisy: NDArray[np.float32], noise: Degradation) -> NDArray[Any]:
            planes = noisy if noisy.ndim == 3 else noisy[..., None]
            return method.function(planes, noise).reshape(noisy.shape)

        return run

    found = {name: of_baseline(name) for name in names}
    clash = sorted(set(found) & set(models))
    if clash:
        raise OptionError(f"{clash[0]!r} names both a model and a baseline")
    return found | {name: of_model(model) for name, model in models.items()}


def _scored(name: str, clean: Clean, noisy: NDArray[np.float32], noise: Degradation, method: str, run: Method) -> dict[str, Any]:
    begun = time.perf_counter()
    raw = run(noisy, noise)
    seconds = time.perf_counter() - begun
    answer = np.clip(np.asarray(raw, dtype=np.float64), 0, 1)
    return {
        "image": name,
        "noise": str(noise),
        "method": method,
        "psnr": _finite(metrics.psnr(clean, answer, data_range=1.0)),
        "ssim": round(metrics.ssim(clean, answer, data_range=1.0), 6) if min(clean.shape[:2]) >= SSIM_SIDE else None,
        "seconds_per_megapixel": round(seconds / (clean.shape[0] * clean.shape[1] / 1e6), 4),
    }


def _finite(value: float) -> float | None:
    """A score as JSON can hold it: None stands for infinite (not one pixel differs)."""
    return round(value, 6) if np.isfinite(value) else None


def _summary(results: list[dict[str, Any]], noises: Sequence[Degradation], methods: list[str]) -> list[dict[str, Any]]:
    rows = []
    for noise in noises:
        for method in methods:
            of_it = [row for row in results if row["noise"] == str(noise) and row["method"] == method]
            scores = [row["psnr"] for row in of_it]
            finite = [value for value in scores if value is not None]
            similar = [row["ssim"] for row in of_it if row["ssim"] is not None]
            worst = min((row for row in of_it if row["psnr"] is not None), key=lambda row: row["psnr"], default=None)
            rows.append(
                {
                    "noise": str(noise),
                    "method": method,
                    "images": len(of_it),
                    "psnr": round(float(np.mean(finite)), 4) if finite else None,
                    "psnr_spread": round(float(np.std(finite)), 4) if finite else None,
                    "identical": len(scores) - len(finite),
                    "ssim": round(float(np.mean(similar)), 6) if similar else None,
                    "worst": worst["image"] if worst else None,
                    "seconds_per_megapixel": round(float(np.median([row["seconds_per_megapixel"] for row in of_it])), 4),
                }
            )
    return rows


def _digits(
    stack: Clean, models: Mapping[str, Restorer], noises: Sequence[Degradation], names: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Digits are scored as a stack: thousands of small images, a row of the summary each noise and method, no row an image."""
    others = sorted(set(names) - {"none"})
    if others:
        raise OptionError(f"baseline {others[0]!r} is for pictures; digits are compared with 'none' alone")
    summary = []
    for noise in noises:
        # The whole stack from one generator, as one tall image: impulses and noise are drawn pixel by pixel.
        count, height, width = stack.shape
        noisy = noise(stack.reshape(count * height, width), np.random.default_rng(0)).reshape(stack.shape)
        for method in (*names, *models):
            begun = time.perf_counter()
            answer = noisy if method == "none" else models[method].restore_batch(noisy)
            seconds = time.perf_counter() - begun
            squared = np.square(np.clip(answer.astype(np.float64), 0, 1) - stack).mean(axis=(1, 2))
            scores = -10 * np.log10(np.maximum(squared, 10 ** (-DIGIT_CAP / 10)))
            summary.append(
                {
                    "noise": str(noise),
                    "method": method,
                    "images": count,
                    "psnr": round(float(scores.mean()), 4),
                    "psnr_spread": round(float(scores.std()), 4),
                    "worst": int(scores.argmin()),
                    "seconds_per_megapixel": round(seconds / (stack.size / 1e6), 4),
                }
            )
    return [], summary


def _protocol(images: Images, noises: Sequence[Degradation], models: Mapping[str, Restorer], blind: bool) -> dict[str, Any]:
    stack = images.stack is not None
    seed = (
        "one generator, numpy.random.default_rng(0), for all digits"
        if stack
        else "numpy.random.default_rng(n) for image n, sorted by name"
    )
    return {
        "pellucid": __version__,
        "task": "denoise",
        "images": images.source,
        "count": len(images.stack) if images.stack is not None else len(images.named),
        "noise": [str(noise) for noise in noises],
        "seed": seed,
        "clipping": "noise is not clipped unless ':clip' is said; answers are clipped to [0, 1]",
        "rounding": "none",
        "crop": "none",
        "psnr": f"per image, capped at {DIGIT_CAP:g} dB, then the mean"
        if stack
        else "per image over all pixels and channels, then the mean",
        "level": "not told to models (blind)" if blind else "told to models that take it (Gaussian) and to all baselines",
        "blind": blind,
        "models": {name: [card.name for card in model.cards.values()] for name, model in models.items()},
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }
