"""The bounds of the service: for one request, and for all of them together."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from pellucid.errors import OptionError

__all__ = ["Limits", "workers"]


SHARE = 0.8
"""The share of the time limit that a picture may be expected to take. The rest is for reading and writing it."""

PREVIEW = 0.5
"""Seconds that the pixels of a preview, and those around it, may take. As much again is for sending and reading the picture."""

RUNS = 2
"""How often the network goes over a preview at most: where the colours are restored in another way than the brightness."""

LEAST_PREVIEW = 96
"""Side in pixels of the smallest preview: in a smaller one nobody sees what a setting does."""


@dataclass(frozen=True)
class Limits:
    """Bounds of the service. Raises `OptionError` for values that leave nothing to do.

    ``bytes`` are the most that one upload may have, ``pixels`` the most that it and its output may have (the pages of a stack
    together), ``seconds`` the longest that reading, restoring and writing one may take, ``transfer`` the longest in seconds that an
    upload or a response may take. At most ``queue`` requests wait while ``workers`` are at work; ``held`` is the most bytes of
    uploads that are on the disk at once. ``timed``: ``pixels`` follow from ``seconds`` and the speed of this computer (`within`).
    ``preview`` are the most pixels of a part that is shown while settings are moved.
    """

    bytes: int = 100_000_000
    pixels: int = 64_000_000
    seconds: float = 120.0
    transfer: float = 120.0
    queue: int = 64
    workers: int = 1
    held: int = 1_000_000_000
    timed: bool = False
    preview: int = 512 * 512

    def __post_init__(self) -> None:
        for name in ("bytes", "pixels", "seconds", "transfer", "workers", "held"):
            if not getattr(self, name) > 0:
                raise OptionError(f"{name} must be above 0, not {getattr(self, name)}")
        if self.queue < 0:
            raise OptionError(f"queue must be 0 or more, not {self.queue}")

    @property
    def output(self) -> int:
        """The most bytes of an output: eight bytes for each sample of a picture of four channels."""
        return max(self.bytes, 32 * self.pixels)

    @property
    def advice(self) -> str:
        """Ways to restore a picture of more than ``pixels``."""
        return (
            f"a smaller picture, a {'longer --timeout' if self.timed else 'larger --max-megapixels'} or the command line would work"
        )

    @property
    def words(self) -> str:
        """The limit of ``pixels`` as the end of "640x480 pixels are more than ...", with the advice."""
        most = f"{float(f'{self.pixels / 1e6:.3g}'):g} megapixels"
        if self.timed:
            return f"the {most} that this computer can restore within {self.seconds:g} seconds; {self.advice}"
        return f"the {most} that this service accepts; {self.advice}"

    def within(self, speed: float, margin: int = 0) -> Limits:
        """The limits of a computer that restores ``speed`` pixels a second: no picture that would take too long is accepted.

        ``margin`` are the pixels on each side of a preview that are restored with it.
        """
        most = max(1, int(SHARE * self.seconds * speed))
        side = max(LEAST_PREVIEW, int((PREVIEW / RUNS * speed) ** 0.5) - 2 * margin)
        limits = replace(self, preview=min(side**2, self.preview))
        return replace(limits, pixels=most, timed=True) if most < self.pixels else limits


def workers() -> int:
    """The number of workers where none is given: one for each group of cores, and one more, which reads or writes a picture while
    the engine works on another."""
    return _core_groups() + 1


def _core_groups() -> int:
    """The number of groups of cores that share a last-level cache, among those this process may use; 1 where the system does not
    say."""
    try:
        usable = os.sched_getaffinity(0)
        groups = set()
        for core in usable:
            caches = sorted(Path(f"/sys/devices/system/cpu/cpu{core}/cache").glob("index*"))
            groups.add((caches[-1] / "shared_cpu_list").read_text("ascii").strip())
    except (OSError, IndexError, AttributeError):
        return 1
    return max(1, len(groups))
