"""The lines that the user reads about a run: one for each file, a bar on a terminal, and the sum of many files."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from pellucid.cli.arguments import as_json, shown
from pellucid.steps import Steps
from pellucid.tasks import Task
from pellucid.tasks.settings import Settings

if TYPE_CHECKING:
    from pellucid import batch, plan

__all__ = ["Shown", "print_done", "show_watched"]


class Shown:
    """The lines that the user reads about a run: one for each file, a bar on a terminal, and the sum of many files."""

    def __init__(
        self, planned: plan.Plan, task: Task | Steps, settings: Settings | Steps, options: argparse.Namespace, *, piped: bool
    ) -> None:
        from pellucid import batch

        self._task = task
        self._settings = settings
        self._options = options
        self._piped = piped
        self._total = (len(planned.pairs) + len(planned.failed)) * len(settings.each())
        self._tally = batch.Tally()
        self._bar = _Bar(planned) if sys.stderr.isatty() else None
        self._begun = time.perf_counter()

    def all(self, outcomes: Generator[batch.Outcome, None, None]) -> int:
        """Shows every outcome as it comes; the exit status."""
        interrupted = False
        try:
            for outcome in outcomes:
                self._show(outcome)
        except KeyboardInterrupt:
            interrupted = True
            # If it came while something was shown here, the file that is being written is still to be finished and shown.
            with suppress(KeyboardInterrupt, StopIteration):
                self._show(outcomes.throw(KeyboardInterrupt()))
        if self._bar is not None:
            self._bar.clear()
        if self._total > 1:
            self._sum_up()
        if interrupted:
            raise KeyboardInterrupt
        return 1 if self._tally.failed else 0

    def progress(self, share: float) -> None:
        """Shows how far the picture in hand is, 0 to 1."""
        if self._bar is not None:
            self._bar.draw(self._tally, share)

    def frames(self, done: int, count: int | None) -> None:
        """Shows how many frames of the clip in hand are done."""
        if self._bar is not None:
            self._bar.frames(self._tally, done, count)

    def _show(self, outcome: batch.Outcome) -> None:
        options = self._options
        self._tally.add(outcome)
        if self._bar is not None:
            self._bar.clear()
        if options.json:
            print(as_json(outcome.to_dict(self._task)), flush=True)
        elif outcome.error is not None:
            if self._total == 1:
                print(f"pellucid: {shown(outcome.error)}", file=sys.stderr)
        elif not outcome.skipped:
            # A picture that goes to the standard output has it for itself.
            place = sys.stderr if str(options.out) == "-" else sys.stdout
            print_done(outcome, self._settings, place, named=not self._piped)
        if self._bar is not None:
            self._bar.done(outcome)
            if self._total > 1:
                self._bar.draw(self._tally, 0.0)

    def _sum_up(self) -> None:
        tally = self._tally
        seconds = time.perf_counter() - self._begun
        rate = f", {tally.pixels / 1e6:.1f} megapixels in {seconds:.1f} s" if tally.done else ""
        rest = self._total - tally.done - tally.skipped - len(tally.failed)
        left = f", not tried {rest}" if rest else ""
        print(f"done {tally.done}, skipped {tally.skipped}, failed {len(tally.failed)}{left}{rate}", file=sys.stderr)
        for outcome in tally.failed:
            print(f"failed: {shown(outcome.error)}", file=sys.stderr)


def print_done(outcome: batch.Outcome, settings: Settings | Steps, place: TextIO, *, named: bool = True) -> None:
    """A line about an output, ``named`` with its files, and the remarks on it."""
    count = f", {outcome.pages} pages" if outcome.pages > 1 else f", {outcome.frames} frames" if outcome.frames > 1 else ""
    size = f"{outcome.width}x{outcome.height}{count}"
    names = f"{outcome.input} -> {outcome.output}: " if named else ""
    parts = (size, outcome.model, settings.line(outcome.facts), f"{outcome.seconds:.2f} s")
    print(shown(f"{names}{', '.join(part for part in parts if part)}"), file=place, flush=True)
    for remark in outcome.remarks:
        print(shown(f"  {remark}"), file=place, flush=True)


class _Bar:
    """One line on a terminal that is drawn anew: files done, megapixels a second, how far the picture in hand is, time left."""

    def __init__(self, planned: plan.Plan) -> None:
        self._begun = time.perf_counter()
        self._drawn = self._begun
        self._total = len(planned.pairs) + len(planned.failed)
        # The time left goes by the size of the files: they may differ much.
        self._sizes = {source: _size(source) for source, _ in planned.pairs}
        self._sources = [source for source, _ in planned.pairs]
        self._left = sum(self._sizes.values())
        self._worked = 0
        self._ended = 0
        self._clip: tuple[float, int] | None = None

    def done(self, outcome: batch.Outcome) -> None:
        """Counts a file that is over."""
        size = self._sizes.get(outcome.input, 0)
        self._left -= size
        self._worked += 0 if outcome.skipped else size
        self._ended += outcome.input in self._sizes
        self._clip = None

    def frames(self, tally: batch.Tally, done: int, count: int | None) -> None:
        """The line for a clip, its rate and the time left by the frames of this run."""
        now = time.perf_counter()
        if self._clip is None or done < self._clip[1] or not done:
            # Frames that an earlier run has finished take no time in this one.
            self._clip = (now, done)
        if now - self._drawn < (1.0 if self._drawn == self._begun else 0.12):
            return
        self._drawn = now
        files = f"{tally.done + tally.skipped + len(tally.failed)}/{self._total} files  " if self._total > 1 else ""
        begun, before = self._clip
        if not done:
            text = "looking for scenes"
        else:
            rate = (done - before) / max(now - begun, 1e-6)
            text = f"{done}/{count} frames  {rate:.1f} frames/s"
            if rate and count is not None:
                left = round((count - done) / rate)
                text += f"  {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        print(f"\r\x1b[K{files}{text}", end="", file=sys.stderr, flush=True)

    def draw(self, tally: batch.Tally, share: float) -> None:
        now = time.perf_counter()
        # A picture that is done at once needs no bar, and a terminal no more than eight lines a second.
        if share > 0 and now - self._drawn < (1.0 if self._drawn == self._begun else 0.12):
            return
        self._drawn = now
        seconds = now - self._begun
        count = tally.done + tally.skipped + len(tally.failed)
        parts = [f"{count}/{self._total} files  {tally.pixels / 1e6 / seconds:.1f} megapixels/s"] if self._total > 1 else []
        if share > 0:
            parts.append(f"{100 * share:.0f} %")
        ahead = self._sizes[self._sources[self._ended]] if self._ended < len(self._sources) else 0
        worked = self._worked + share * ahead
        if worked and count < self._total:
            left = round(seconds * (self._left - share * ahead) / worked)
            parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        print(f"\r\x1b[K{'  '.join(parts)}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        # Return, and erase to the end of the line (ECMA-48, EL).
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _size(path: Path) -> int:
    from pellucid import saving

    try:
        return sum(file.stat().st_size for file in saving.files_below(path)) if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


def show_watched(outcome: batch.Outcome, chosen: Steps, options: argparse.Namespace) -> None:
    """Shows an outcome of a folder that is watched."""
    if options.json:
        print(as_json(outcome.to_dict(chosen)), flush=True)
    elif outcome.error is not None:
        print(f"pellucid: {shown(outcome.error)}", file=sys.stderr, flush=True)
    elif not outcome.skipped:
        print_done(outcome, chosen, sys.stdout)
