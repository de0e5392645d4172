"""Runs that several processes share: ``--shard``, ``--cluster``, and inputs and outputs that are URLs."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pellucid.cli.arguments import as_json, count, number, requiring, shown
from pellucid.errors import OptionError
from pellucid.steps import Steps
from pellucid.tasks import Task
from pellucid.tasks.settings import ClipSettings, FileSettings, Settings

if TYPE_CHECKING:
    from pellucid.chains import Chain
    from pellucid.cluster import rays, work
    from pellucid.restorer import Restorer

__all__ = ["add_spreading", "asked", "done"]

EXTRA = "shard"
"""The extra that brings what such runs need."""

EVERY = 0.5
"""Seconds between two looks of the line of progress."""


def add_spreading(command: argparse.ArgumentParser) -> None:
    """Which share of a folder is done."""
    command.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="do one of N shares of the folder IN: run it N times, with I from 1 to N, on as many machines as you have",
    )
    command.add_argument(
        "--cluster",
        metavar="ADDRESS|local",
        help="share the folder IN among the nodes of a Ray cluster; local starts one on this machine",
    )
    command.add_argument("--cpus-per-actor", type=count, metavar="N", help="with --cluster: the cores of each process (default: 1)")
    command.add_argument(
        "--gpus-per-actor", type=number(0, 64), metavar="N", help="with --cluster: the GPUs of each process, 0.5 for half of one"
    )
    command.add_argument(
        "--retry-failed",
        action="store_true",
        help="with --shard, --cluster or a URL: try again what failed in an earlier run",
    )


def asked(options: argparse.Namespace) -> bool:
    """Whether the command asks for such a run."""
    from pellucid.cluster import stores

    urls = any(stores.is_url(each) for each in (*options.inputs, options.out or ""))
    if options.cluster is not None and options.shard is not None:
        raise OptionError("--shard and --cluster both share the work; leave one of them out")
    if options.cluster is None and (options.cpus_per_actor, options.gpus_per_actor) != (None, None):
        raise OptionError("--cpus-per-actor and --gpus-per-actor are for --cluster")
    asked = urls or options.shard is not None or options.cluster is not None
    if options.retry_failed and not asked:
        raise OptionError("--retry-failed is for runs with --shard, --cluster or a URL; --resume tries again what has no output")
    return asked


def done(
    options: argparse.Namespace,
    task: Task | Steps,
    settings: Settings | Steps,
    how: tuple[FileSettings, ClipSettings],
    loaded: Callable[[dict[str, Any]], Restorer | Chain],
    *,
    mosaic: bool,
) -> int:
    """Does the run, with a line for each file and the sum; the exit status."""
    from pellucid import memory, plan

    if len(options.inputs) != 1 or options.out is None or "-" in (options.inputs[0], options.out):
        raise OptionError("with --shard, --cluster or a URL name one folder of inputs, and with --out one of outputs")
    if options.confidence is not None:
        raise OptionError(
            "--confidence does not go with --shard, --cluster or a URL; ask for it with a few pictures on one machine"
        )
    with requiring(EXTRA):
        from pellucid.cluster import work
    order = work.Order(
        options.inputs[0],
        options.out,
        loaded,
        task,
        settings,
        *how,
        {
            "device": options.device,
            "engine": options.engine,
            "memory": memory.parse_size(options.memory) if options.memory is not None else None,
        },
        plan.Selection(options.recursive, tuple(options.include), tuple(options.exclude)),
        options.force,
        mosaic,
    )
    if options.cluster is not None:
        with requiring("cluster"):
            from pellucid.cluster import rays
        # An order that cannot be done is refused before a cluster is waited for.
        order.check()
        rays.connected(options.cluster)
        cpus, gpus = options.cpus_per_actor or 1, options.gpus_per_actor or 0
        clustered = rays.ClusterRun(order, cpus=cpus, gpus=gpus, retry=options.retry_failed)
        return _Shown(clustered, order, json=options.json).all()
    with requiring(EXTRA):
        run = work.run(order, work.Shard(*(options.shard or (1, 1))), retry=options.retry_failed)
        return _Shown(run, order, json=options.json).all()


class _Shown:
    """The lines about a run, a line of progress on a terminal, and the sum."""

    def __init__(self, run: work.Run | rays.ClusterRun, order: work.Order, *, json: bool) -> None:
        from pellucid.cluster import stores, work

        self._run = run
        self._json = json
        self._counts = work.Counts()
        self._source, self._out = stores.open_store(order.source), stores.open_store(order.out)
        self._begun = time.monotonic()
        self._drawn = 0.0
        # One more listing costs little beside the work, and the time left is worth it to who looks.
        self._total = run.count() if sys.stderr.isatty() else None

    def all(self) -> int:
        """Shows every row as it comes; the exit status."""
        try:
            for row in self._run:
                if row is not None:  # a portion of a large file
                    self._counts.add(row)
                    self._clear()
                    self._show(row)
                self._draw()
        finally:
            self._clear()
            self._sum_up()
        left_out = self._run.left_out
        return 0 if self._counts.good and left_out.good else 1

    def _show(self, row: dict[str, Any]) -> None:
        if self._json:
            print(as_json(_in_line(row)), flush=True)
        elif row["status"] == "done":
            size = f"{row['width']}x{row['height']}" + (f", {row['pages']} pages" if row["pages"] > 1 else "")
            size += f", {row['frames']} frames" if row["frames"] > 1 else ""
            parts = (size, row["model"], row["line"], f"{row['seconds']:.2f} s")
            names = f"{self._source.name(row['input'])} -> {self._out.name(row['output'])}"
            print(shown(f"{names}: {', '.join(part for part in parts if part)}"), flush=True)
            for remark in row["remarks"]:
                print(shown(f"  {remark}"), flush=True)
        else:
            print(f"pellucid: {shown(row['error'])}", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        now = time.monotonic()
        if self._total is None or now - self._drawn < EVERY:
            return
        self._drawn = now
        counts, seconds = self._counts, now - self._begun
        over = counts.done + counts.failed
        left = round(seconds * (self._total - over) / max(1, over))
        portions = getattr(self._run, "portions", (0, 0))
        parts = (
            f"done {counts.done}, failed {counts.failed} of {self._total}",
            f"{over / seconds:.1f} files/s",
            f"{counts.pixels / 1e6 / seconds:.1f} megapixels/s",
            f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left" if over else "",
            f"portions of large files: {portions[0]} of {portions[1]}" if portions[1] else "",
        )
        print(f"\r\x1b[K{'  '.join(part for part in parts if part)}", end="", file=sys.stderr, flush=True)

    def _clear(self) -> None:
        if self._total is not None:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _sum_up(self) -> None:
        counts, before = self._counts, self._run.left_out
        seconds = time.monotonic() - self._begun
        rate = f", {counts.pixels / 1e6:.1f} megapixels in {seconds:.1f} s" if counts.done else ""
        print(f"done {counts.done}, skipped {before.skipped}, failed {counts.failed}{rate}", file=sys.stderr)
        if before.failed_before:
            print(f"failed in an earlier run {before.failed_before}; --retry-failed tries them again", file=sys.stderr)
        if before.otherwise:
            print(
                f"made before with other settings, another model or another version {before.otherwise}; --force makes them again",
                file=sys.stderr,
            )


def _shard(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 3/8: the first number is from 1 to the second")
    return int(found[1]), int(found[2])


def _in_line(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the manifest as a line of data: its error or null, its facts beside the rest, as a run of one process has them."""
    line = {"error": None, **row, "at": row["at"].isoformat()}
    facts, settings = (json.loads(line.pop(name, None) or "{}") for name in ("facts", "settings"))
    return {**line, "settings": settings, **facts}
