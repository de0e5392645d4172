"""Which images a run learns from, and the form in which they are kept: their depth, channels and smaller copies."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import images, rgba
from pellucid.images import Range
from pellucid.saving import files_below
from pellucid.training import survey
from pellucid.training.survey import Decoded

__all__ = ["Form", "Levels", "Source", "identity", "source"]

Levels = NDArray[Any]

LEAST = 256
"""Side in pixels below which no image is cropped: validation needs as much."""

OVERHEAD = 2048
"""Bytes that an image takes beside its pixels: its thumbnail, its line in the index, and the padding."""


@dataclass(frozen=True)
class Form:
    """The form in which images are kept: in ``eight`` bits or their own depth; ``gray`` or in their own channels; with smaller
    copies at ``scales`` where a ``patch`` still fits into them. ``value_range`` gives the file's values of black and white.
    ``alpha``: as red, green, blue and alpha."""

    eight: bool
    gray: bool
    scales: tuple[float, ...] = (1.0,)
    patch: int = 0
    value_range: Range = "auto"
    alpha: bool = False

    def base(self, levels: Levels) -> Levels:
        """The image itself, (height, width, 1 or 3, or 4 with alpha), contiguous."""
        if self.eight and levels.dtype != np.uint8:
            levels = np.rint(np.clip(survey.floats(levels), 0, 1) * 255).astype(np.uint8)
        if self.gray and levels.shape[2] == 3:
            luma = images.gray(levels.astype(np.float32))
            levels = luma if levels.dtype.kind == "f" else np.rint(luma).astype(levels.dtype)
        return np.ascontiguousarray(levels)

    def smaller(self, base: Levels) -> tuple[tuple[float, Levels], ...]:
        """The smaller copies of an image, each with its scale."""
        height, width, channels = base.shape
        made = []
        for scale in dict.fromkeys(self.scales):
            size = round(width * scale), round(height * scale)
            if scale != 1 and min(size) >= self.patch and channels == 4:
                made.append((scale, rgba.resized(base, size[1], size[0])))
            elif scale != 1 and min(size) >= self.patch:
                plane = PillowImage.fromarray(base[..., 0] if channels == 1 else base)
                small = np.asarray(plane.resize(size, PillowImage.Resampling.LANCZOS))
                made.append((scale, small.reshape(size[1], size[0], channels)))
        return tuple(made)

    def bytes_of(self, sizes: NDArray[np.int64], each: NDArray[Any]) -> NDArray[np.float64]:
        """The bytes that images of these heights and widths (n, 2) take with their smaller copies, at ``each`` bytes a pixel."""
        height, width = sizes[:, 0], sizes[:, 1]
        total = np.asarray(height * width * each, dtype=np.float64)
        for scale in dict.fromkeys(self.scales):
            high, wide = np.rint(height * scale), np.rint(width * scale)
            if scale != 1:
                total += np.where(np.minimum(high, wide) >= self.patch, high * wide * each, 0)
        return total + OVERHEAD

    @property
    def least(self) -> int:
        """The side in pixels below which no image is cropped: a patch must fit into the same copies as before."""
        return max(LEAST, math.ceil(self.patch / min(self.scales)) + 1)

    def keys(self, source: Source) -> tuple[str, ...]:
        """The names under which an image may be in the cache; the first one is that for writing."""

        def key(gray: bool) -> str:
            patch = self.patch if self.scales != (1.0,) else 0
            parts = (pellucid.__version__, source.identity, self.eight, gray, self.scales, patch, self.value_range)
            alpha = ("alpha",) if self.alpha else ()
            return hashlib.sha256(json.dumps(parts + alpha).encode()).hexdigest()[:32]

        # An image that was kept in its own channels, and has one, is gray.
        return (key(True), key(False)) if self.gray else (key(False),)


@dataclass(frozen=True)
class Source:
    """The origin of an image: its ``name``, its ``identity`` (values that change when the file does), and ``read``, which decodes
    it and raises `FileError` or `MissingExtra`; ``path`` is its file, where it has one of its own."""

    name: str
    identity: tuple[str | int, ...]
    read: Callable[[], Decoded]
    path: Path | None = None


def source(path: Path, value_range: Range = "auto", *, alpha: bool = False) -> Source:
    """The source of an image file, read with its ``alpha`` or without."""
    return Source(path.name, identity(path), lambda: survey.read(path, value_range, alpha=alpha), path)


def identity(path: Path) -> tuple[str | int, ...]:
    """Values that change when a file does, or, if the image is a folder, when one of its files does."""
    try:
        parts = [entry.stat() for entry in files_below(path)] if path.is_dir() else [path.stat()]
        return (str(path.resolve()), len(parts), sum(part.st_size for part in parts), max(part.st_mtime_ns for part in parts))
    except (OSError, ValueError):
        # Reading the file raises the error that explains it.
        return (str(path), 0, 0, 0)
