"""The service's counters in Prometheus' text format (version 0.0.4): a page of code in place of a dependency."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from pathlib import Path

from pellucid import __version__
from pellucid.web.pool import Pool

__all__ = ["MEDIA", "Metrics"]

MEDIA = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""The upper ends of the histogram's buckets in seconds."""


class Metrics:
    """Counters since the start."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._pixels = 0
        self._bytes = {"in": 0, "out": 0}
        self._begun = time.time()

    def request(self, path: str, status: int) -> None:
        """Counts a request whose response had ``status``; ``path`` is the route's, never the client's."""
        self._requests[path, status] += 1

    def restored(self, seconds: float, pixels: int) -> None:
        """Counts a restoration: its time from its place in the queue to its output."""
        self._buckets[sum(seconds > end for end in BUCKETS)] += 1
        self._seconds += seconds
        self._pixels += pixels

    def transferred(self, way: str, count: int) -> None:
        """Counts bytes, ``in`` or ``out``."""
        self._bytes[way] += count

    def text(self, pool: Pool) -> str:
        """The page that Prometheus reads."""
        lines: list[str] = []

        def metric(name: str, kind: str, about: str, values: dict[str, float]) -> None:
            lines.append(f"# HELP pellucid_{name} {about}")
            lines.append(f"# TYPE pellucid_{name} {kind}")
            lines.extend(f"pellucid_{name}{labels} {value:g}" if value < 1e6 else f"pellucid_{name}{labels} {value:.0f}"
                         for labels, value in values.items())  # fmt: skip

        requests = {
            f'{{path="{path}",status="{status}"}}': float(count) for (path, status), count in sorted(self._requests.items())
        }
        metric("requests_total", "counter", "Requests answered.", requests)
        total, spread = 0, {}
        for end, count in zip((*(f"{end:g}" for end in BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            spread[f'_bucket{{le="{end}"}}'] = float(total)
        metric("restore_seconds", "histogram", "Time from a restoration's place in the queue to its output.",
               spread | {"_sum": self._seconds, "_count": float(total)})  # fmt: skip
        metric("restored_pixels_total", "counter", "Pixels restored.", {"": float(self._pixels)})
        moved = {f'{{way="{way}"}}': float(count) for way, count in self._bytes.items()}
        metric("picture_bytes_total", "counter", "Bytes of pictures received and sent.", moved)
        metric("waiting", "gauge", "Requests that wait for a worker.", {"": float(sum(t.state == "waiting" for t in pool.places))})
        metric("working", "gauge", "Workers at work.", {"": float(pool.working)})
        metric("worker_restarts_total", "counter", "Workers that were replaced.", {"": float(pool.restarts)})
        metric("start_time_seconds", "gauge", "Start of the service in Unix time.", {"": self._begun})
        memory = _memory()
        if memory is not None:
            metric("server_memory_bytes", "gauge", "Resident memory of the server's own process.", {"": float(memory)})
        metric("info", "gauge", "The version.", {f'{{version="{__version__}"}}': 1.0})
        return "\n".join(lines) + "\n"


def _memory() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):  # not Linux
        return None
