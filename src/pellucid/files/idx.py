"""Reads MNIST's format, IDX: arrays of bytes behind a header of their lengths."""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid import regular
from pellucid.errors import FileError

__all__ = ["MNIST_FILES", "load_mnist", "read_idx"]

MNIST_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


MOST = 1 << 30
"""Bytes of an array at most; MNIST's largest has 47 million."""


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The bytes of an IDX file, plain or gzipped: (n, h, w) for images, (n,) for labels. `FileError` when it is not one."""
    try:
        content = regular.read(path)
        if content[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                # No more than its own header says that there is.
                content = packed.read(16)
                content += packed.read(_length(content) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path}: {regular.unread(error)}") from error
    # Two zero bytes, the type (8: unsigned byte), the number of axes, then each axis as a big-endian 32-bit number.
    if len(content) < 8 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 3:
        raise FileError(f"{path}: this is not an IDX file of bytes")
    axes = content[3]
    if len(content) < 4 + 4 * axes:
        raise FileError(f"{path}: this is not an IDX file of bytes")
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    if len(content) != 4 + 4 * axes + math.prod(shape):
        raise FileError(f"{path}: the IDX header states {shape}, but the file has {len(content)} bytes")
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def _length(start: bytes) -> int:
    """How many bytes an array has by the beginning of its file; at most `MOST`."""
    axes = min(start[3], 3) if len(start) > 3 else 0
    sides = [int.from_bytes(start[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(axes)]
    return min(math.prod(sides), MOST)


def load_mnist(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """MNIST's four arrays from a folder of its IDX files (with or without ``.gz``), by the keys of `MNIST_FILES`."""
    found: dict[str, NDArray[np.uint8]] = {}
    for key, name in MNIST_FILES.items():
        paths = [folder / f"{name}.gz", folder / name]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise FileError(f"{folder}: it holds neither {name} nor {name}.gz")
        found[key] = read_idx(path)
    return found
