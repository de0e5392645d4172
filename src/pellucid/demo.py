"""The demonstration: the package's own photograph and digits, degraded and restored, as a table and a picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pellucid import degradations, metrics, report, restorer, samples, saving
from pellucid.errors import FileError

__all__ = ["run"]

PHOTO_NOISE = "gaussian:25"
DIGIT_NOISES = ("gaussian:51:clip", "gaussian:127.5:clip", "salt-pepper:0.25")
DIGITS_SHOWN = 10


def run(out: Path, *, overwrite: bool = False) -> Iterator[str]:
    """Degrades and restores; yields the lines of a table (PSNR in dB), then the picture's path. Writes ``out``, a PNG.

    Raises `FileError` when ``out`` exists and ``overwrite`` is False.
    """
    saving.check_folder(out)
    if out.exists() and not overwrite:
        raise FileError(f"{out} exists; --force overwrites it")
    yield f"{'image':<12} {'noise':<20} {'noisy dB':>9} {'restored dB':>12} {'model':<12} {'seconds':>8}"
    panels: list[tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]] = []

    clean = samples.photograph().astype(np.float64) / 255
    noise = degradations.parse(PHOTO_NOISE)
    noisy = noise(clean, np.random.default_rng(0))
    photo = restorer.load("photo")
    photo.restore(noisy[:64, :64], range="dtype")  # compiles the graph, so that the time below is the work's own
    begun = time.perf_counter()
    # Without a level: it is estimated, as for any picture of the user's.
    restored = photo.restore(noisy, range="dtype")
    seconds = time.perf_counter() - begun
    yield _line("photograph", noise, clean, noisy, restored, "photo", seconds)
    panels += [("clean", clean.astype(np.float32)), (f"noisy, {noise}", noisy), ("restored by photo, level estimated", restored)]

    digits = samples.digits()[0][:DIGITS_SHOWN].astype(np.float64) / 255
    rows = [("digits, clean", _row(digits))]
    for text in DIGIT_NOISES:
        noise = degradations.parse(text)
        degraded = np.stack([noise(digit, np.random.default_rng(index)) for index, digit in enumerate(digits)])
        rows.append((f"digits, {noise}", _row(degraded)))
        for name in ("seed-digits", "digits"):
            model = restorer.load(name)
            begun = time.perf_counter()
            outputs = model.restore_batch(degraded)
            seconds = time.perf_counter() - begun
            yield _line("10 digits", noise, digits, degraded, outputs, name, seconds)
            rows.append((f"restored by {name}", _row(outputs)))
    report.sheet(panels, rows, out, overwrite=overwrite)
    yield str(out)


def _row(digits: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """(n, height, width) as one strip of shape (height, n * width, 1)."""
    count, height, width = digits.shape
    return digits.transpose(1, 0, 2).reshape(height, count * width, 1).astype(np.float32)


def _line(
    image: str,
    noise: degradations.Degradation,
    clean: np.ndarray[tuple[int, ...], np.dtype[np.floating]],
    noisy: np.ndarray[tuple[int, ...], np.dtype[np.floating]],
    restored: np.ndarray[tuple[int, ...], np.dtype[np.floating]],
    model: str,
    seconds: float,
) -> str:
    before = metrics.psnr(clean, np.clip(noisy, 0, 1), data_range=1.0)
    after = metrics.psnr(clean, np.clip(restored, 0, 1), data_range=1.0)
    return f"{image:<12} {noise!s:<20} {before:>9.2f} {after:>12.2f} {model:<12} {seconds:>8.2f}"
