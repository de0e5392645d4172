"""Compiled graphs on disk, for the next process: each under a hash of all that it depends on, with a checksum, written whole.

A file that was cut short, changed or put under another's name is none: the graph is compiled again, and the file replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pellucid import regular, saving
from pellucid.errors import FileError

__all__ = ["key", "load", "processor", "store", "tidy"]

MAGIC = b"pellucid graph 1\n"

ENDING = ".graph"

LARGEST = 1 << 30
"""Bytes that the compiled graphs take together; 14 of the shipped models' took 52 MB (OpenVINO 2026.4, float32)."""

OLDEST = 90 * 24 * 3600
"""Seconds after which a graph that was not used is taken away: what an older engine, or another processor, has left."""

NAME = re.compile(rf"[0-9a-f]{{64}}{re.escape(ENDING)}")
"""The names that `store` gives."""

ARITHMETIC = ("ONEDNN_", "DNNL_", "OV_", "OPENVINO_")
"""How environment variables begin that engines heed when they compile, such as ``ONEDNN_MAX_CPU_ISA``."""


def key(content: bytes, **facts: object) -> str:
    """The name of the compiled form of the model in ``content``: a hash of that, of ``facts`` (such as the engine's version and the
    precision), of the processor, and of the environment variables that engines heed."""
    heeded = {name: value for name, value in os.environ.items() if name.startswith(ARITHMETIC)}
    whole: Mapping[str, object] = {"facts": facts, "processor": processor(), "environment": heeded}
    text = json.dumps(whole, sort_keys=True, default=str).encode("utf-8", "surrogateescape")
    return hashlib.sha256(hashlib.sha256(content).digest() + text).hexdigest()


def processor() -> str:
    """The processor and its instruction sets, as well as the system tells them."""
    with suppress(OSError), Path("/proc/cpuinfo").open("rb") as file:
        # That of the first one. Flags as x86 calls them; Features as ARM does.
        for line in file.read(2**14).decode("ascii", "replace").splitlines():
            if line.startswith(("flags", "Features")):
                return f"{platform.machine()} {line}"
    return f"{platform.machine()} {platform.processor()}"


def load(folder: Path, name: str) -> bytes | None:
    """The compiled graph of that `key`; None where there is none, or none that is as it was written."""
    path = folder / f"{name}{ENDING}"
    try:
        content = regular.read(path)
    except OSError:
        return None
    with suppress(OSError):
        # Used now: `tidy` goes by that.
        os.utime(path)
    checksum, graph = content[len(MAGIC) : len(MAGIC) + 32], content[len(MAGIC) + 32 :]
    return graph if content.startswith(MAGIC) and checksum == _checksum(name, graph) else None


def store(folder: Path, name: str, graph: bytes) -> None:
    """Keeps a compiled graph under its `key`; a folder that cannot be written to, or a full disk, is no reason to stop."""
    with suppress(OSError):
        # Remains of killed runs.
        saving.sweep(folder)
    with suppress(FileError), saving.replacing(folder / f"{name}{ENDING}", overwrite=True) as temporary:
        temporary.write_bytes(MAGIC + _checksum(name, graph) + graph)
    tidy(folder, name)


def tidy(folder: Path, kept: str = "") -> list[str]:
    """Takes away compiled graphs that were not used for `OLDEST` seconds, then those used longest ago while all take more than
    `LARGEST` bytes; never that of the key ``kept``. The names of those that went.

    Nothing goes but regular files of this folder that have a name of `store` and begin as it writes them.
    """
    found: list[tuple[float, int, Path]] = []
    with suppress(OSError):
        for path in folder.iterdir():
            if NAME.fullmatch(path.name) and (state := _state(path)) is not None:
                found.append((*state, path))
    gone: list[str] = []
    whole = sum(size for _, size, _ in found)
    for used, size, path in sorted(found):
        # A clock that went backwards makes none of them old.
        if path.stem == kept or (whole <= LARGEST and time.time() - used <= OLDEST):
            continue
        with suppress(OSError):
            path.unlink()
            gone.append(path.name)
            whole -= size
    return gone


def _state(path: Path) -> tuple[float, int] | None:
    """When one of our files was last used, and its size; None for what is none of ours."""
    try:
        with regular.opened(path, links=False) as file:
            status = os.fstat(file.fileno())
            return (status.st_mtime, status.st_size) if file.read(len(MAGIC)) == MAGIC else None
    except OSError:
        return None


def _checksum(name: str, graph: bytes) -> bytes:
    """A checksum of the graph and the name, so that one file is not taken for another."""
    whole = hashlib.sha256(name.encode())
    whole.update(graph)
    return whole.digest()
