"""How much of the machine there is: memory that is free, memory that this process has, cores; and sizes as people write them."""

from __future__ import annotations

import math
import mmap
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pellucid.errors import MemoryShort, OptionError

__all__ = ["check", "cores", "free", "parse_size", "room", "short", "shown", "used"]

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


SHARE = 0.8
"""The share of the free memory that is taken where nobody says how much may be."""

SPARE = 64 * 2**20
"""Bytes without which this process can do nothing much."""


def parse_size(text: str) -> int:
    """Bytes, from a number with one of the units kB, MB, GB, TB, KiB, MiB, GiB, TiB (the B may be left out), or `OptionError`."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*([kmgt]?i?)b?\s*", text.lower())
    size = float(found[1]) * UNITS[found[2]] if found is not None and found[2] in UNITS else math.inf
    if size == math.inf:
        raise OptionError(f"{text[:40]!r} is not a size of memory; write it as 2GiB or 1500MB")
    return round(size)


def shown(size: float) -> str:
    """A number of bytes as people read it: MiB below one GiB, and 1 where it is less, GiB above."""
    return f"{max(float(size > 0), size / 2**20):.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free(root: Path = Path("/")) -> int | None:
    """Bytes that can still be taken without pushing anything out: of the machine, or of the control group (a container) if it has
    fewer. None where the system does not tell (it is no Linux). ``root`` is where ``proc`` and ``sys`` are.
    """
    rooms = list(_groups(root))
    with suppress(OSError):
        found = re.search(r"MemAvailable:\s*(\d+) kB", (root / "proc/meminfo").read_text("utf-8"))
        if found is not None:
            rooms.append(1024 * int(found[1]))
    return max(0, min(rooms)) if rooms else None


def room(limit: int | None) -> int | None:
    """Bytes that may still be taken where ``limit`` are all that this process may have (None: nobody says; then a share of what is
    free, or None where the system does not tell)."""
    if limit is not None:
        return limit - used()
    there = free()
    return None if there is None else int(SHARE * there)


def check(needed: int, limit: int | None, what: str) -> None:
    """Raises `MemoryShort`, in which ``what`` need so many bytes, where `room` has fewer."""
    there = room(limit)
    if there is not None and needed > there:
        may = f"{shown(there)} may be used (--memory SIZE allows more)"
        if limit is not None:
            may = f"this process has {shown(limit - there)} of the {shown(limit)} that --memory allows"
        raise MemoryShort(f"{what} need {shown(needed)} more memory, and {may}")


def _groups(root: Path) -> Iterator[int]:
    """The bytes that this process's control groups leave free: version 2, and version 1's for memory."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, place = line.split(":", 2)
        if kinds == "":
            base, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in kinds.split(","):
            base, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        # A group's limit holds for those inside it. In a container the outermost that can be seen is its own.
        inner = base / place.strip("/")
        for folder in (inner, *inner.parents):
            with suppress(OSError, ValueError):
                limit = int((folder / names[0]).read_text("utf-8"))
                # Files that are kept in memory go when it is needed.
                kept = re.search(rf"^{names[2]} (\d+)$", (folder / "memory.stat").read_text("utf-8"), re.MULTILINE)
                yield limit - int((folder / names[1]).read_text("utf-8")) + (int(kept[1]) if kept else 0)
            if folder == base:
                break


def short() -> bool:
    """Whether this process gets no more memory from the system: libraries then call a picture damaged that is well."""
    try:
        mmap.mmap(-1, SPARE).close()
    except (OSError, ValueError, MemoryError):
        return True
    return False


def used() -> int:
    """Bytes of memory that this process has now; on systems that do not tell, the most that it has had, or 0."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
