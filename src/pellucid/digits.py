"""The protocol of stacks of digits: how they are read, degraded and scored.

Digits are scored as a stack of thousands of small images, and none has a row of its own. Beside the PSNR stands the share that a
classifier reads right, which has learnt from clean digits alone (`pellucid.recognition`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pellucid import asked, files, metrics, samples
from pellucid.degradations import Degradation
from pellucid.errors import FileError, MissingExtra, OptionError
from pellucid.methods import Clean, Method, Noisy, Row
from pellucid.recognition import Reader

__all__ = ["PROTOCOL", "Digits", "Lesson", "degraded_digits", "read", "scores"]

PROTOCOL: Mapping[str, str] = {"psnr": f"per image, capped at {metrics.PSNR_CAP:g} dB"}
"""The lines of the protocol that differ from those of pictures."""

Lesson = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Clean training digits (n, h, w), and their values (n,)."""


class Digits(NamedTuple):
    """A ``stack`` (n, h, w) in [0, 1]; ``labels`` (n,) are the digits' values and ``lesson`` what a classifier learns from, None
    where the values are not known."""

    stack: Clean
    labels: NDArray[np.uint8] | None
    lesson: Lesson | None


def read(source: Path, limit: int | None) -> Digits:
    """The first ``limit`` digits of an IDX file of images; `FileError` when it holds none."""
    stack = files.read_idx(source)
    if stack.ndim != 3:
        raise FileError(f"{source}: this IDX file has shape {stack.shape}; images have three axes")
    labels = _labels(source, len(stack), limit)
    lesson = _lesson(source.parent) if labels is not None else None
    return Digits(stack[:limit] / np.float64(255), labels, lesson)


def degraded_digits(stack: Clean, noise: Degradation) -> Noisy:
    """The whole stack (n, h, w) with noise from one generator, drawn as for one tall image of n * h rows."""
    count, height, width = stack.shape
    return noise(stack.reshape(count * height, width), np.random.default_rng(0)).reshape(stack.shape)


def scores(
    stack: Clean, labels: NDArray[np.uint8] | None, lesson: Lesson | None, methods: Sequence[Method], noises: Sequence[Degradation]
) -> tuple[list[Row], tuple[str, ...]]:
    """A row for each noise and method, and lines for the reader; `OptionError` for methods and noises that take pictures alone."""
    others = [method.name for method in methods if method.model is None and method.name != "none"]
    if others:
        raise OptionError(f"baseline {others[0]!r} takes no digits; 'none' does")
    if any(asked.of(noise) is not None for noise in noises):
        raise OptionError("digits are scored without noise or with it; to score another task, give a folder of pictures")
    if any(noise.scale > 1 for noise in noises):
        raise OptionError("digits keep their size; to score enlarging, give a folder of pictures")
    reader: Reader | None = None
    notes: tuple[str, ...] = ()
    if lesson is not None:
        try:
            reader = Reader.trained(*lesson)
        except MissingExtra as error:
            notes = (f"the share of digits that is read right is left out: {error}",)
    readable = float(np.mean(reader.read(stack) == labels)) if reader is not None else None
    summary = []
    for noise in noises:
        noisy = degraded_digits(stack, noise)
        for method in methods:
            # Compiles the network, which is not counted.
            method.batch(noisy[:1], noise)
            begun = time.perf_counter()
            output = method.batch(noisy, noise)
            seconds = time.perf_counter() - begun
            pixels = np.clip(output.astype(np.float64), 0, 1)
            psnr = -10 * np.log10(np.maximum(np.square(pixels - stack).mean(axis=(1, 2)), 10 ** (-metrics.PSNR_CAP / 10)))
            row = {
                "noise": str(noise),
                "method": method.name,
                "images": len(stack),
                "psnr": round(float(psnr.mean()), 4),
                "psnr_spread": round(float(psnr.std()), 4),
                "worst": int(psnr.argmin()),
                "worst_psnr": round(float(psnr.min()), 4),
                "seconds_per_megapixel": round(seconds / (stack.size / 1e6), 4),
            }
            if reader is not None and readable is not None:
                row["accuracy"] = round(float(np.mean(reader.read(pixels) == labels)), 6)
                row["accuracy_clean"] = round(readable, 6)
            summary.append(row)
    return summary, notes


def _labels(path: Path, count: int, limit: int | None) -> NDArray[np.uint8] | None:
    """The labels beside MNIST's file of images, by its own naming; None where there are none."""
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    if beside == path or not beside.is_file():
        return None
    labels = files.read_idx(beside)
    return labels[:limit] if labels.shape == (count,) else None


def _lesson(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """MNIST's training digits where all of it is in the folder, else the package's 2,000."""
    try:
        mnist = files.load_mnist(folder)
    except FileError:
        return samples.digits()
    return mnist["train_images"], mnist["train_labels"]
