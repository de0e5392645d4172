"""Files of decoded images: some hundred in a row, an index with checksums behind them."""

from __future__ import annotations

import json
import math
import os
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pellucid.training.forms import OVERHEAD
from pellucid.training.survey import Decoded, Facts

ALIGNED = 64
"""Arrays begin at multiples of this many bytes."""

ENDING = ".images"

MAGIC = b"pellucid images 1\n"
"""The first and the last bytes of a file; the number is the version of its format."""


@dataclass(frozen=True)
class Kept:
    """An image, or its middle, in a ``file`` (None: in memory), with its ``key`` and its ``size`` there in bytes."""

    picture: Decoded
    key: str
    size: int
    file: Path | None = None


def write(file: BinaryIO, made: Kept) -> dict[str, Any]:
    """Appends the arrays of an image to the file; returns its entry for the index."""
    picture, facts = made.picture, made.picture.facts
    file.write(bytes(-file.tell() % ALIGNED))
    begun, crc, arrays = file.tell(), 0, []
    for scale, array in ((0.0, facts.thumbnail), (1.0, picture.levels), *picture.smaller):
        padding = bytes(-file.tell() % ALIGNED)
        file.write(padding)
        arrays.append((scale, file.tell(), array.shape, array.dtype.str))
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        file.write(content)
        crc = zlib.crc32(content, zlib.crc32(padding, crc))
    kept = {"size": facts.size, "depth": facts.depth, "coloured": facts.coloured, "ends": facts.ends, "digest": facts.digest.hex()}
    return {"key": made.key, "facts": kept, "arrays": arrays, "bytes": (begun, file.tell()), "crc": crc}


def read(path: Path, mapped: NDArray[np.uint8] | None, entry: dict[str, Any], name: str, *, check: bool = True) -> Kept | None:
    """The image of an entry of the index, in the mapped file; None where it is damaged."""
    try:
        begin, end = entry["bytes"]
        if mapped is None or (check and zlib.crc32(mapped[begin:end].data) != entry["crc"]):
            return None
        arrays = {}
        for scale, offset, shape, text in entry["arrays"]:
            kind = np.dtype(text)
            arrays[scale] = mapped[offset : offset + math.prod(shape) * kind.itemsize].view(kind).reshape(shape)
        stored = entry["facts"]
        height, width = stored["size"]
        black, white = stored["ends"]
        digest, thumbnail = bytes.fromhex(stored["digest"]), np.array(arrays.pop(0.0))
        facts = Facts((height, width), stored["depth"], stored["coloured"], (black, white), digest, thumbnail)
        picture = Decoded(name, arrays.pop(1.0), facts, tuple(arrays.items()))
        size = picture.levels.nbytes + sum(small.nbytes for _, small in picture.smaller) + OVERHEAD
        return Kept(picture, entry["key"], size, path)
    except (KeyError, TypeError, ValueError):
        return None


def mapped(path: Path) -> NDArray[np.uint8] | None:
    """The file's bytes; None where another process deleted it."""
    try:
        return np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    except (OSError, ValueError):
        return None


def index(place: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """All images in the cache by their keys, the largest of each key; damaged and foreign files are deleted."""
    entries: dict[str, tuple[Path, dict[str, Any]]] = {}
    for path in files(place):
        try:
            with path.open("rb") as file:
                file.seek(-(ALIGNED + len(MAGIC)), os.SEEK_END)
                tail = file.read()
                if not tail.endswith(MAGIC):
                    raise ValueError
                end = json.loads(tail[:ALIGNED])
                file.seek(-(ALIGNED + len(MAGIC) + end["length"]), os.SEEK_END)
                content = file.read(end["length"])
            if zlib.crc32(content) != end["crc"]:
                raise ValueError
            for entry in json.loads(content):
                other = entries.get(entry["key"])
                if other is None or entry["bytes"][1] - entry["bytes"][0] > other[1]["bytes"][1] - other[1]["bytes"][0]:
                    entries[entry["key"]] = (path, entry)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError):
            remove(path)
    return entries


def files(place: Path) -> list[Path]:
    """The files in the folder."""
    return [path for path in place.iterdir() if path.suffix == ENDING]


def length(path: Path) -> int:
    """The bytes of a file; 0 where another process deleted it."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def age(path: Path) -> float:
    """The time at which a file was last in use; 0 where another process deleted it."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def taken(place: Path) -> int:
    """The bytes of all files in the folder."""
    return sum(length(path) for path in files(place))


def remove(path: Path) -> None:
    """Deletes a file where that can be done."""
    # A process that has mapped the file keeps its bytes; Windows refuses to delete it then.
    with suppress(OSError):
        path.unlink()
