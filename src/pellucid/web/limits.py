"""What one request, and all of them together, may take."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pellucid.errors import OptionError

__all__ = ["Limits", "workers"]


@dataclass(frozen=True)
class Limits:
    """Bounds of the service. Raises `OptionError` for values that leave nothing to do.

    ``bytes`` are the most that one upload may have, ``pixels`` the most of it and of its answer (a stack's pages together),
    ``seconds`` the longest that reading, restoring and writing one may take, ``transfer`` the longest in seconds for an upload to
    come or an answer to go. ``queue`` requests wait at most while ``workers`` are at work; ``held`` is the most bytes of uploads
    that lie here at once.
    """

    bytes: int = 100_000_000
    pixels: int = 64_000_000
    seconds: float = 120.0
    transfer: float = 120.0
    queue: int = 64
    workers: int = 1
    held: int = 1_000_000_000

    def __post_init__(self) -> None:
        for name in ("bytes", "pixels", "seconds", "transfer", "workers", "held"):
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.queue < 0:
            raise OptionError(f"queue must be 0 or more, not {self.queue}")

    @property
    def answer(self) -> int:
        """The most bytes of an answer: eight bytes for each sample of a picture of four channels."""
        return max(self.bytes, 32 * self.pixels)


def workers() -> int:
    """How many pictures are at work at once where nobody says: one for each group of cores, and one more, so that one is read or
    written while the engine has another."""
    return _core_groups() + 1


def _core_groups() -> int:
    """The groups of cores that share a last-level cache, of those this process may use; 1 where that is not told."""
    try:
        usable = os.sched_getaffinity(0)
        groups = set()
        for core in usable:
            caches = sorted(Path(f"/sys/devices/system/cpu/cpu{core}/cache").glob("index*"))
            groups.add((caches[-1] / "shared_cpu_list").read_text("ascii").strip())
    except (OSError, IndexError, AttributeError):
        return 1
    return max(1, len(groups))
