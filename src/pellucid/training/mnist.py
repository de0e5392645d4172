"""MNIST in the user's cache: downloaded from the usual public mirrors on request, and checked before it is kept."""

from __future__ import annotations

import gzip
import hashlib
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid import regular
from pellucid.engines import cache_folder
from pellucid.errors import FileError
from pellucid.files import MNIST_FILES, replacing

__all__ = ["HUES", "MIRRORS", "cached", "coloured", "cut_out", "fetch"]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
)

CHECKSUMS = {
    "train_images": "6bbc9ace898e44ae57da46a324031adb",
    "train_labels": "a25bea736e30d166cdddb491f175f624",
    "test_images": "2646ac647ad5339dbf082846283269ea",
    "test_labels": "27ae3e4e09519cfbb04c329615203637",
}
"""MD5 of each file's content without gzip, which differs from mirror to mirror."""

TIMEOUT_S = 60

LARGEST = 1 << 26
"""Bytes of a packed file at most; the largest has 9.9 million."""

HUES = (
    (250, 158, 186),
    (250, 162, 145),
    (226, 175, 118),
    (187, 189, 117),
    (139, 199, 142),
    (85, 203, 183),
    (49, 202, 225),
    (100, 194, 250),
    (169, 181, 251),
    (222, 166, 226),
)
"""The colours of the digits 0 to 9 in 8-bit levels: CIELAB's lightness 75, chroma 38 and a hue of 36 degrees times the digit, so
that lightness says nothing of the colour."""


def cached() -> Path | None:
    """The folder in the user's cache that holds all of MNIST; None where it was not fetched."""
    base = cache_folder()
    if base is None:
        return None
    folder = base / "mnist"
    return folder if all((folder / f"{name}.gz").is_file() for name in MNIST_FILES.values()) else None


def fetch(
    folder: Path | None = None, *, mirrors: Sequence[str] = MIRRORS, checksums: Mapping[str, str] = CHECKSUMS
) -> Iterator[Path]:
    """Downloads the four files (11 MB) into ``folder`` (None: the user's cache), yielding the path of each.

    A right file that exists already stays; a wrong one is an error and is never replaced. Raises `FileError` where no mirror has
    the right content.
    """
    if folder is None:
        base = cache_folder()
        if base is None:
            raise FileError("the cache folder cannot be written; name a folder with --out")
        folder = base / "mnist"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be made: {error.strerror}") from error
    for key, name in MNIST_FILES.items():
        path = folder / f"{name}.gz"
        if path.exists():
            try:
                content = regular.read(path, LARGEST)
            except OSError:
                content = b""
            if _checksum(content) != checksums[key]:
                raise FileError(f"{path} exists, but is not MNIST's file; move it away")
        else:
            content = _downloaded(f"{name}.gz", checksums[key], mirrors)
            with replacing(path) as temporary:
                temporary.write_bytes(content)
        yield path


def coloured(digits: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], ...]:
    """Each of the digits (n, h, w) in the colour of its value, (h, w, 3), uint8."""
    tints = np.array(HUES, dtype=np.float32) / 255
    return tuple(np.rint(digit[..., None] * tints[label]).astype(np.uint8) for digit, label in zip(digits, labels, strict=True))


def cut_out(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A digit (h, w, channels), uint8, as a white one (h, w, 4) whose alpha is its light."""
    made = np.full((*digit.shape[:2], 4), 255, dtype=np.uint8)
    made[..., 3] = digit.max(axis=2)
    return made


def _checksum(content: bytes) -> str | None:
    try:
        return hashlib.md5(gzip.decompress(content), usedforsecurity=False).hexdigest()
    except (OSError, EOFError, zlib.error):
        return None


def _downloaded(name: str, checksum: str, mirrors: Sequence[str]) -> bytes:
    failures = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(f"{mirror}/{name}", timeout=TIMEOUT_S) as response:
                content: bytes = response.read()
        except (urllib.error.URLError, OSError) as error:
            failures.append(f"{mirror}: {getattr(error, 'reason', error)}")
            continue
        if _checksum(content) == checksum:
            return content
        failures.append(f"{mirror}: another content than MNIST's")
    raise FileError(f"{name}: no mirror has it ({'; '.join(failures)})")
