"""A user's script, as docs and README show it: `make check` holds it to mypy's strict rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import pellucid

levels: NDArray[np.uint8] = np.zeros((40, 50, 3), np.uint8)
clean: NDArray[np.uint8] = pellucid.restore(levels, sigma=25)
same: NDArray[np.uint8] = pellucid.denoise(levels, keep_grain=0.2)
large: NDArray[np.float32] = pellucid.upscale(np.zeros((40, 50), np.float32), scale=3)
other: NDArray[np.uint8] = pellucid.restore(levels, model="upscale", scale=2)
stack: NDArray[np.int16] = pellucid.denoise(np.zeros((5, 40, 50), np.int16), range=(0, 4095), axes="ZYX")

model: pellucid.Restorer = pellucid.load("photo-fast")
again: NDArray[np.uint8] = model.restore(levels, pellucid.DenoiseSettings(sigma=10, strength=0.8))
details: pellucid.Restoration = model.details(levels)
found: pellucid.Diagnosis | None = details.diagnosis
noise: pellucid.Diagnosis = pellucid.inspect(levels)


def whole(source: Path, target: Path) -> None:
    """A file restored with all that it holds beside the pixels."""
    picture: pellucid.Image = pellucid.read(source)
    try:
        pellucid.write(target, pellucid.denoise(picture))
    except pellucid.FileError as error:
        print(error)
