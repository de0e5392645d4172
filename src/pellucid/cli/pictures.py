"""Commands for one's own pictures: denoise, upscale, inspect."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pellucid.cli.arguments import Commands, add, add_engine, add_settings
from pellucid.errors import FileError, OptionError, PellucidError

if TYPE_CHECKING:
    from pellucid import batch, plan

__all__ = ["add_inspect", "add_restoring"]

PIPE = Path("-")
"""Stands for the standard input or output."""


# -- denoise, upscale -------------------------------------------------------------------------------------------------


def add_restoring(commands: Commands) -> None:
    """Adds `denoise` and `upscale`."""
    from pellucid.options import MARKS

    for task, said in (("denoise", "take the noise out of pictures"), ("upscale", "make pictures larger")):
        command = add(commands, task, _restore, said)
        mark = MARKS[task]
        command.set_defaults(mark=mark, enlarges=task == "upscale")
        _add_pictures(command, task, mark)


def _add_pictures(command: argparse.ArgumentParser, task: str, mark: str) -> None:
    """What a command takes that restores pictures."""
    command.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="a picture, a folder of them, or - for standard input")
    command.add_argument(
        "-o", "--out", type=Path, help=f"the answer's file, a folder for several, or - for standard output (default: IN.{mark}.EXT)"
    )
    command.add_argument("-r", "--recursive", action="store_true", help="also the folders below a folder; the tree is kept")
    command.add_argument("--include", action="append", default=[], metavar="GLOB", help="of folders only what matches, as '*.jpg'")
    command.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="of folders nothing that matches")
    command.add_argument(
        "--resume", action="store_true", help="skip pictures whose answers are in the folder, from the same content and settings"
    )
    add_settings(command, task)
    add_engine(command)
    command.add_argument(
        "--memory",
        metavar="SIZE",
        help="the most memory to use, such as 2GiB; no answer depends on it (default: 80%% of what is free)",
    )
    command.add_argument("--json", action="store_true", help="one JSON line for each picture")
    command.add_argument("--force", action="store_true", help="overwrite answers that exist")


def _restore(options: argparse.Namespace) -> int:
    from pellucid import batch, memory, plan, restorer

    settings = batch.Settings.of(vars(options))
    piped = PIPE in options.inputs or options.out == PIPE
    with tempfile.TemporaryDirectory(prefix="pellucid-") if piped else nullcontext() as room:
        if room is None:
            selection = plan.Selection(options.recursive, tuple(options.include), tuple(options.exclude))
            planned = plan.plan(options.inputs, options.out, selection, ending=_ending(options.format), mark=options.mark)
        else:
            planned = _pipe_plan(options, Path(room))
        room_for = memory.parse_size(options.memory) if options.memory is not None else None
        model = restorer.load(options.model, device=options.device, engine=options.engine, memory=room_for)
        outcomes = batch.restore_files(planned, model, settings, overwrite=options.force, resume=options.resume)
        status = _show_outcomes(planned, outcomes, options)
        if options.out == PIPE and status == 0:
            sys.stdout.buffer.write(planned.pairs[0][1].read_bytes())
            sys.stdout.buffer.flush()
    return status


def _pipe_plan(options: argparse.Namespace, room: Path) -> plan.Plan:
    """The one picture of a pipe, by way of files in a temporary folder: so it is treated as any file is."""
    from pellucid import files, plan

    if len(options.inputs) > 1 or options.inputs[0].is_dir():
        raise OptionError("a pipe takes one picture")
    if options.resume:
        raise OptionError("--resume needs a folder for the answers, not a pipe")
    source: Path = options.inputs[0]
    if source == PIPE and options.out is None:
        options.out = PIPE
    if options.json and options.out == PIPE:
        raise OptionError("--json and a picture cannot both go to the standard output; name a file with --out")
    if source == PIPE:
        content = sys.stdin.buffer.read()
        try:
            source = room / f"stdin{files.ending_of(content)}"
        except FileError as error:
            raise FileError(f"standard input: {error}") from error
        source.write_bytes(content)
    target = files.writable_name(room / f"answer{_ending(options.format) or source.suffix}")
    if options.out == PIPE:
        return plan.plan([source], target)
    return plan.plan([source], options.out, ending=_ending(options.format), mark=options.mark)


def _ending(name: str | None) -> str | None:
    """The ending that ``--format`` says."""
    from pellucid import files

    return files.ending_named(name) if name is not None else None


def _show_outcomes(planned: plan.Plan, outcomes: Generator[batch.Outcome, None, None], options: argparse.Namespace) -> int:
    """Says what becomes of each file, and of many in the end; the exit status."""
    from pellucid import batch

    tally = batch.Tally()
    several = len(planned.pairs) + len(planned.failed) > 1
    bar = _Bar(planned) if several and sys.stderr.isatty() else None
    begun = time.perf_counter()

    def show(outcome: batch.Outcome) -> None:
        tally.add(outcome)
        if bar is not None:
            bar.clear()
        if options.json:
            print(json.dumps(asdict(outcome), default=str), flush=True)
        elif outcome.error is not None:
            if not several:
                print(f"pellucid: {outcome.error}", file=sys.stderr)
        elif not outcome.skipped:
            level = "blind" if outcome.sigma is None else f"sigma {outcome.sigma:.1f}"
            level = f"x{options.scale:g}" if options.enlarges else level
            level = f"{outcome.saw} (estimated)" if outcome.saw is not None else level
            if outcome.expected_gain is not None:
                gain = f"expected gain {outcome.expected_gain:.1f} dB" if outcome.expected_gain >= 0.05 else "no gain expected"
                level = f"{level}, {gain}"
            size = f"{outcome.width}x{outcome.height}" + (f", {outcome.pages} pages" if outcome.pages > 1 else "")
            names = f"{outcome.input} -> {outcome.output}: " if PIPE not in (*options.inputs, options.out) else ""
            # A picture that goes to the standard output has it for itself.
            place = sys.stderr if options.out == PIPE else sys.stdout
            print(f"{names}{size}, {outcome.model}, {level}, {outcome.seconds:.2f} s", file=place, flush=True)
        if bar is not None:
            bar.draw(outcome, tally)

    interrupted = False
    try:
        for outcome in outcomes:
            show(outcome)
    except KeyboardInterrupt:
        interrupted = True
        # If it came while something was shown here, what is being written is still to be finished and told.
        with suppress(KeyboardInterrupt, StopIteration):
            show(outcomes.throw(KeyboardInterrupt()))
    if bar is not None:
        bar.clear()
    if several:
        seconds = time.perf_counter() - begun
        rate = f", {tally.pixels / 1e6:.1f} megapixels in {seconds:.1f} s" if tally.done else ""
        rest = len(planned.pairs) + len(planned.failed) - tally.done - tally.skipped - len(tally.failed)
        left = f", not tried {rest}" if rest else ""
        print(f"done {tally.done}, skipped {tally.skipped}, failed {len(tally.failed)}{left}{rate}", file=sys.stderr)
        for outcome in tally.failed:
            print(f"failed: {outcome.error}", file=sys.stderr)
    if interrupted:
        raise KeyboardInterrupt
    return 1 if tally.failed else 0


class _Bar:
    """One line on a terminal that is drawn anew: files done, megapixels a second, time left."""

    def __init__(self, planned: plan.Plan) -> None:
        self._begun = time.perf_counter()
        self._total = len(planned.pairs) + len(planned.failed)
        # The time left goes by the size of the files: they may differ much.
        self._sizes = {source: _size(source) for source, _ in planned.pairs}
        self._left = sum(self._sizes.values())
        self._worked = 0

    def draw(self, outcome: batch.Outcome, tally: batch.Tally) -> None:
        size = self._sizes.get(outcome.input, 0)
        self._left -= size
        self._worked += 0 if outcome.skipped else size
        seconds = time.perf_counter() - self._begun
        count = tally.done + tally.skipped + len(tally.failed)
        text = f"{count}/{self._total} files  {tally.pixels / 1e6 / seconds:.1f} megapixels/s"
        if self._worked and count < self._total:
            left = round(seconds * self._left / self._worked)
            text += f"  {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
        print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        # Return, and erase to the end of the line (ECMA-48, EL).
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _size(path: Path) -> int:
    from pellucid import saving

    try:
        return sum(file.stat().st_size for file in saving.files_below(path)) if path.is_dir() else path.stat().st_size
    except OSError:
        return 0


# -- inspect ----------------------------------------------------------------------------------------------------------


def add_inspect(commands: Commands) -> None:
    """Adds `inspect`."""
    command = add(commands, "inspect", _inspect, "say which noise is in pictures, and how much")
    command.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="pictures, or folders of them")
    command.add_argument("--range", default="auto", help="which values are black and white, as of denoise")
    command.add_argument("--axes", help="an array's or a TIFF's axes, as of denoise")
    command.add_argument("--json", action="store_true", help="one JSON line for each picture")
    command.add_argument("--map", type=Path, metavar="FIG.png", help="draw where how much noise is, of one picture")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")


def _inspect(options: argparse.Namespace) -> int:
    from pellucid import diagnosis, files, images, report

    paths = [
        found for path in options.inputs for found in (files.list_images(path) if files.is_folder_of_pictures(path) else [path])
    ]
    if not paths:
        raise FileError(f"{options.inputs[0]}: no image in this folder")
    if options.map is not None and len(paths) > 1:
        raise OptionError("--map draws one picture")
    failed = False
    for path in paths:
        try:
            picture = files.read(path, value_range=images.parse_range(options.range), axes=options.axes)
        except PellucidError as error:
            if len(paths) == 1:
                raise
            print(f"pellucid: {error}", file=sys.stderr)
            failed = True
            continue
        found = diagnosis.inspect(picture.pixels)
        if options.json:
            print(json.dumps({"input": str(path), **found.to_dict()}), flush=True)
        else:
            print(f"{path}: {found}" if len(paths) > 1 else str(found), flush=True)
        if options.map is not None:
            report.noise_map(picture.pixels, found, options.map, overwrite=options.force)
    return 1 if failed else 0
