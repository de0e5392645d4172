"""The images that the package carries, so that the demonstration, training and the tests run with nothing else at hand.

Their licences lie beside them; none of them taught a shipped model.
"""

from __future__ import annotations

import io
import json
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from pellucid import pillow

__all__ = ["digits", "photograph"]

SIDE = 28


def photograph() -> NDArray[np.uint8]:
    """A colour photograph of an otter, (400, 608, 3); CC0."""
    return _decoded("photograph.webp")


def digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The last 2,000 of MNIST's training digits, (2000, 28, 28), and their labels, (2000,)."""
    mosaic = _decoded("digits.png")
    rows, columns = mosaic.shape[0] // SIDE, mosaic.shape[1] // SIDE
    images = mosaic.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)
    labels = json.loads((resources.files(__name__) / "digits.json").read_text("utf-8"))["labels"]
    return images, np.array([int(label) for label in labels], dtype=np.uint8)


def _decoded(name: str) -> NDArray[np.uint8]:
    with pillow.opened(io.BytesIO((resources.files(__name__) / name).read_bytes())) as picture:
        return np.asarray(picture)
