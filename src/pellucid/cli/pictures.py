"""Commands for one's own pictures: one for each task, run, watch, presets, inspect."""

from __future__ import annotations

import argparse
import json
import os
import signal
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from pellucid import steps
from pellucid.cli import piping, spreading
from pellucid.cli.arguments import Commands, add, add_engine, add_model, add_settings, number, settings_of, shown
from pellucid.errors import FileError, OptionError, PellucidError
from pellucid.steps import Steps
from pellucid.tasks import TASKS, Task
from pellucid.tasks.settings import Always, ClipSettings, FileSettings, Settings

if TYPE_CHECKING:
    from pellucid import batch, plan
    from pellucid.chains import Chain
    from pellucid.restorer import Restorer

__all__ = ["add_inspect", "add_presets", "add_restoring", "add_run", "add_watch"]

PICTURES = "a picture, a clip, a folder of them, or - for standard input; or s3://BUCKET/FOLDER and the like"

PIPE = Path("-")
"""Stands for the standard input or output."""


# -- one task, or several in a row ------------------------------------------------------------------------------------


def add_restoring(commands: Commands) -> None:
    """Adds a command for each task."""
    for task in TASKS.values():
        if task.command:
            command = add(commands, task.name, _restore, task.summary)
            command.set_defaults(task=task)
            command.add_argument("inputs", nargs="+", metavar="IN", help=PICTURES)
            _add_places(command, task.mark)
            add_model(command, task)
            add_settings(command, task.settings)
            for name, about in task.settings.BESIDE.items():
                command.add_argument(f"--{name}", metavar="FILE", help=about)
            _add_work(command)
            spreading.add_spreading(command)


def add_run(commands: Commands) -> None:
    """Adds `run`: several tasks in a row."""
    command = add(commands, "run", _run, "several tasks on each picture, one after the other")
    command.mixed = True
    command.description = (
        "Does several tasks on each picture, one after the other. STEPS are their names joined by +, each with its settings: "
        "denoise:strength=0.8+upscale:scale=2. Nothing is rounded between them. Inside a value write : as %3A, + as %2B, % as %25."
    )
    command.add_argument("steps", metavar="STEPS", help="the steps, such as denoise+upscale:scale=2; none with --preset")
    command.add_argument("inputs", nargs="*", metavar="IN", help=PICTURES)
    add_preset(command)
    _add_places(command, "STEPS")
    _add_work(command)
    spreading.add_spreading(command)


def add_preset(command: argparse._ActionsContainer) -> None:
    """The name of a preset, in the place of steps."""
    command.add_argument("--preset", metavar="NAME", help="the steps of a preset; 'pellucid presets' lists them")


def _add_places(command: argparse.ArgumentParser, mark: str) -> None:
    """Where pictures are found and outputs written."""
    command.add_argument(
        "-o",
        "--out",
        help="the output: a file, if the name has a format's ending, else a folder, made if missing; several pictures need "
        f"a folder; - is the standard output (default: IN.{mark}.EXT)",
    )
    add_selection(command)
    command.add_argument(
        "--resume",
        action="store_true",
        help="skip pictures that have an output in the folder, from the same content and settings; go on with a clip that an "
        "interrupted run has begun",
    )
    add_settings(command, ClipSettings)


def add_selection(command: argparse.ArgumentParser) -> None:
    """Which pictures of a folder are taken."""
    command.add_argument("-r", "--recursive", action="store_true", help="include folders below a folder; the outputs keep the tree")
    command.add_argument(
        "--include", action="append", default=[], metavar="GLOB", help="take only matching files of a folder, such as '*.jpg'"
    )
    command.add_argument("--exclude", action="append", default=[], metavar="GLOB", help="leave out matching files of a folder")


def _add_work(command: argparse.ArgumentParser) -> None:
    """How files are read and written, and what does the work."""
    add_settings(command, FileSettings)
    add_engine(command)
    command.add_argument(
        "--memory",
        metavar="SIZE",
        help="the most memory to use, such as 2GiB; it does not change the output (default: 80%% of the free memory)",
    )
    command.add_argument(
        "--confidence",
        metavar="FILE",
        help="write how far to trust the output, too: a picture of the error's standard deviation at each pixel (black none, "
        "white 32 levels; hatched what may be invented), or with .tif and .npy the deviation itself; of several pictures a folder",
    )
    command.add_argument("--json", action="store_true", help="print one JSON line for each picture")
    command.add_argument("--force", action="store_true", help="overwrite outputs that exist")


def _restore(options: argparse.Namespace) -> int:
    task: Task = options.task
    settings, loaded = settings_of(task.settings, options), partial(_loaded, task.name, options.model)
    others = {name: place for name in task.settings.BESIDE if (place := getattr(options, name)) is not None}
    for name, place in others.items():
        if place == "-" or (Path(place).is_file() and not options.force):
            raise FileError(f"--{name} {place}: " + ("name a file" if place == "-" else "the file exists; --force overwrites it"))
    inputs = list(options.inputs)
    if others and str(PIPE) in map(str, inputs):
        raise OptionError(f"--{next(iter(others))} reads a picture once more, and standard input can be read once")
    for name, place in others.items():
        if any(os.path.realpath(place) == os.path.realpath(other) for other in (*map(str, inputs), options.out) if other):
            raise OptionError(f"--{name} {place}: this is the picture or its output; name another file")
    before = {name: _state(place) for name, place in others.items()}
    status = _done(options, task, settings, loaded)
    for name, place in others.items():
        if status == 0 and _state(place) != before[name]:
            raise OptionError(f"--{name} {place}: this is the output, which stays; name another file")
        if status == 0:
            again = argparse.Namespace(**{**vars(options), "inputs": inputs, "out": place, "confidence": None})
            status = _done(again, task, settings.beside(name), loaded)
    return status


def _state(place: str) -> tuple[int, int] | None:
    """What tells whether a file has been written anew; None where there is none. Other shares may write to a folder at any time."""
    try:
        found = Path(place).stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def _loaded(task: str, name: str, how: dict[str, Any]) -> Restorer:
    """The model for a task."""
    from pellucid import restorer

    model = restorer.load(name, **how)
    if model.task is not TASKS[task]:
        raise OptionError(f"--model {name} is for another task; 'pellucid {model.task.name}' takes it")
    return model


def _run(options: argparse.Namespace) -> int:
    chosen, inputs = steps_of([options.steps, *options.inputs], options.preset)
    options.inputs = inputs
    return _done(options, chosen, chosen, partial(_loaded_chain, chosen))


def _loaded_chain(chosen: Steps, how: dict[str, Any]) -> Chain:
    from pellucid import chains

    return chains.load(chosen, **how)


def steps_of(given: Sequence[str], preset: str | None) -> tuple[Steps, Sequence[str]]:
    """The steps of a command, from its first argument or from a preset, and the arguments that follow."""
    if preset is not None:
        return steps.preset(preset), given
    if len(given) < 2:
        steps.parse(given[0])
        raise OptionError(f"name a picture after the steps {given[0]}")
    return steps.parse(given[0]), given[1:]


def _done(
    options: argparse.Namespace,
    task: Task | Steps,
    settings: Settings | Steps,
    loaded: Callable[[dict[str, Any]], Restorer | Chain],
) -> int:
    """Plans, restores and shows; ``task`` has the outputs' mark and facts, ``loaded`` gives what restores them."""
    from pellucid import batch, footage, memory, plan

    how, clip = settings_of(FileSettings, options), settings_of(ClipSettings, options)
    if spreading.asked(options):
        return spreading.done(options, task, settings, (how, clip), loaded, mosaic=_mosaic(task, how, options))
    options.inputs = [Path(each) for each in options.inputs]
    # Before any file is looked at.
    batch.reading(how)
    footage.check(clip)
    # A path forgets the slash at its end.
    options.folder = options.out is not None and options.out.endswith(("/", os.sep))
    options.out = None if options.out is None else Path(options.out)
    piped = PIPE in options.inputs or options.out == PIPE
    if piped and len(settings.each()) > 1:
        raise OptionError("standard input or output takes one picture, and these settings ask for several")
    with tempfile.TemporaryDirectory(prefix="pellucid-") if piped else nullcontext() as room:
        if room is None:
            selection = plan.Selection(options.recursive, tuple(options.include), tuple(options.exclude))
            ending = _ending(options.format)
            how_named: dict[str, Any] = {"mark": task.mark, "folder": options.folder, **Always.of(settings.answer)._asdict()}
            how_named["clip_ending"] = ".mkv" if clip.lossless else None
            how_named["mosaic"] = _mosaic(task, how, options)
            planned = plan.plan(options.inputs, options.out, selection, ending=ending, **how_named)
        else:
            planned = _pipe_plan(options, task.mark, Path(room), Always.of(settings.answer))
        room_for = memory.parse_size(options.memory) if options.memory is not None else None
        model = loaded({"device": options.device, "engine": options.engine, "memory": room_for})
        shown = _Shown(planned, task, settings, options)
        run: dict[str, Any] = {"overwrite": options.force, "resume": options.resume, "clip": clip}
        run["confidence"] = _trusted(options.confidence, planned)
        outcomes = batch.restore_variants(planned, model, settings, how, **run, progress=shown.progress, told=shown.frames)
        status = shown.all(outcomes)
        if options.out == PIPE and status == 0:
            sys.stdout.buffer.write(planned.pairs[0][1].read_bytes())
            sys.stdout.buffer.flush()
    return status


def _mosaic(task: Task | Steps, how: FileSettings, options: argparse.Namespace) -> bool:
    """Whether the outputs of RAW files are DNG: the task's own family gives them to the row that knows what a sensor saw. Masks and
    other depths are for pictures."""
    plain = how.mask is None and how.protect is None and how.depth == "auto"
    return (
        plain
        and options.confidence is None
        and isinstance(task, Task)
        and "mosaic" in dict(task.instead)
        and options.model == task.model
    )


def _trusted(given: str | None, planned: plan.Plan) -> Callable[[Path], Path] | None:
    """The path of the confidence by that of an output: the one file, or NAME.confidence.png in a folder."""
    from pellucid import files

    if given is None:
        return None
    place = Path(given)
    if given.endswith(("/", os.sep)) or place.is_dir() or not place.suffix:
        return _beside(place)
    if len(planned.pairs) + len(planned.failed) > 1:
        raise OptionError(f"--confidence {given}: several pictures need a folder; end its name in /")
    files.check_written(place)
    if any(os.path.realpath(place) in map(os.path.realpath, pair) for pair in planned.pairs):
        raise OptionError(f"--confidence {given}: this is the picture or its output; name another file")
    return lambda target: place


def _beside(folder: Path) -> Callable[[Path], Path]:
    """The path of the confidence in a folder."""
    return lambda target: folder / f"{target.stem}.confidence.png"


def _pipe_plan(options: argparse.Namespace, mark: str, room: Path, always: Always) -> plan.Plan:
    """The one picture of a pipe, by way of files in a temporary folder: so it is treated as any file is."""
    from pellucid import files, memory, plan

    if len(options.inputs) > 1 or options.inputs[0].is_dir():
        raise OptionError("standard input or output takes one picture; name a folder with --out for several")
    if options.resume:
        raise OptionError("--resume needs a folder of outputs; it does not work with standard input or output")
    source: Path = options.inputs[0]
    if source == PIPE and options.out is None:
        options.out = PIPE
    if options.out == PIPE and not hasattr(sys.stdout, "buffer"):
        raise FileError("standard output: it is closed")
    if options.json and options.out == PIPE:
        raise OptionError("--json and a picture cannot both go to the standard output; name a file for the picture with --out")
    if source == PIPE:
        source = piping.received(room, memory.parse_size(options.memory) if options.memory is not None else None)
    ending = _ending(options.format)
    if options.out == PIPE:
        target = room / f"output{ending}" if ending is not None else files.writable_name(room / source.name, **always._asdict())
        return plan.plan([source], target.with_stem("output"), **always._asdict())
    return plan.plan([source], options.out, ending=ending, mark=mark, folder=options.folder, **always._asdict())


def _ending(name: str | None) -> str | None:
    """The ending of the format that ``--format`` names."""
    from pellucid import files

    return files.ending_named(name) if name is not None else None


class _Shown:
    """The lines that the user reads about a run: one for each file, a bar on a terminal, and the sum of many files."""

    def __init__(self, planned: plan.Plan, task: Task | Steps, settings: Settings | Steps, options: argparse.Namespace) -> None:
        from pellucid import batch

        self._task = task
        self._settings = settings
        self._options = options
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
            print(json.dumps(outcome.to_dict(self._task)), flush=True)
        elif outcome.error is not None:
            if self._total == 1:
                print(f"pellucid: {shown(outcome.error)}", file=sys.stderr)
        elif not outcome.skipped:
            # A picture that goes to the standard output has it for itself.
            place = sys.stderr if options.out == PIPE else sys.stdout
            _print_done(outcome, self._settings, place, named=PIPE not in (*options.inputs, options.out))
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


def _print_done(outcome: batch.Outcome, settings: Settings | Steps, place: TextIO, *, named: bool = True) -> None:
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


# -- watch -------------------------------------------------------------------------------------------------------------


def add_watch(commands: Commands) -> None:
    """Adds `watch`."""
    command = add(commands, "watch", _watch, "restore each picture that comes into a folder")
    command.set_defaults(endless=True)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="the folder to look into")
    command.add_argument("-o", "--out", type=Path, required=True, help="the folder of the outputs, made if missing")
    chosen = command.add_mutually_exclusive_group()
    first = next(iter(TASKS))
    chosen.add_argument("--steps", default=first, help=f"what to do, such as denoise+upscale:scale=2 (default: {first})")
    add_preset(chosen)
    command.add_argument(
        "--every", type=number(0.05, 86400), default=2.0, metavar="SECONDS", help="the time between two looks (default: 2)"
    )
    command.add_argument("--once", action="store_true", help="do what is there now, and end")
    add_selection(command)
    _add_work(command)


def _watch(options: argparse.Namespace) -> int:
    from pellucid import batch, chains, memory, plan, watching

    chosen = steps.preset(options.preset) if options.preset is not None else steps.parse(options.steps)
    how = settings_of(FileSettings, options)
    batch.reading(how)
    _ending(how.format)
    room = memory.parse_size(options.memory) if options.memory is not None else None
    chain = chains.load(chosen, device=options.device, engine=options.engine, memory=room)
    selection = plan.Selection(options.recursive, tuple(options.include), tuple(options.exclude))
    if options.confidence is not None and Path(options.confidence).suffix:
        raise OptionError(f"--confidence {options.confidence}: a watched folder needs a folder for them")
    trusted = None if options.confidence is None else _beside(Path(options.confidence))
    watch = watching.Watch(options.folder, options.out, chain, how, selection, options.force, trusted)
    stop = threading.Event()
    failed = False

    def end(*_: object) -> None:
        # What is being written is finished; the picture in hand is done by the next watch.
        stop.set()
        raise KeyboardInterrupt

    with watching.alone(options.out, lambda line: print(shown(line), file=sys.stderr)), _ended_by(end):
        outcomes = watch.outcomes(options.every, stop, once=options.once)
        try:
            for outcome in outcomes:
                failed = failed or outcome.error is not None
                _show_watched(outcome, chosen, options)
        except KeyboardInterrupt:
            if not stop.is_set():
                raise
            return 0
    return 1 if failed and options.once else 0


@contextmanager
def _ended_by(end: Callable[..., None]) -> Iterator[None]:
    """SIGTERM, by which a system's manager ends a service, calls ``end``."""
    before = signal.signal(signal.SIGTERM, end) if threading.current_thread() is threading.main_thread() else None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _show_watched(outcome: batch.Outcome, chosen: Steps, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(outcome.to_dict(chosen)), flush=True)
    elif outcome.error is not None:
        print(f"pellucid: {shown(outcome.error)}", file=sys.stderr, flush=True)
    elif not outcome.skipped:
        _print_done(outcome, chosen, sys.stdout)


# -- presets ----------------------------------------------------------------------------------------------------------


def add_presets(commands: Commands) -> None:
    """Adds `presets`."""
    command = add(commands, "presets", _presets, "list steps with a name, for run and watch")
    command.add_argument("--json", action="store_true", help="print one JSON line for each")


def _presets(options: argparse.Namespace) -> int:
    known = steps.presets()
    for preset in known.values():
        text = preset.steps.text()
        if options.json:
            print(json.dumps({"name": preset.name, "summary": preset.summary, "steps": text, "own": preset.own}))
        else:
            print(shown(f"{preset.name:18}{preset.summary}{' (your own)' if preset.own else ''}"))
            print(shown(f"{'':18}{text}"))
    if not options.json:
        with suppress(RuntimeError):  # nobody has a file of presets who has neither HOME nor an entry for the user
            print(shown(f"your own: {steps.user_file()}"))
    return 0


# -- inspect ----------------------------------------------------------------------------------------------------------


def add_inspect(commands: Commands) -> None:
    """Adds `inspect`."""
    command = add(commands, "inspect", _inspect, "measure the noise in pictures: its kind and its level")
    command.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="pictures, or folders of them")
    add_settings(command, FileSettings, "range", "axes")
    command.add_argument("--json", action="store_true", help="print one JSON line for each picture")
    command.add_argument("--map", type=Path, metavar="FIG.png", help="draw a map of the noise level in one picture")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")


def _inspect(options: argparse.Namespace) -> int:
    from pellucid import diagnosis, files, images, report, views
    from pellucid.diagnosis import shot

    # A map is drawn of the picture that people see.
    how: dict[str, Any] = {"value_range": images.parse_range(options.range), "axes": options.axes, "mosaic": options.map is None}
    paths = [
        found for path in options.inputs for found in (files.list_images(path) if files.is_folder_of_pictures(path) else [path])
    ]
    if not paths:
        raise FileError(f"{options.inputs[0]}: this folder holds no pictures")
    if options.map is not None and len(paths) > 1:
        raise OptionError(f"--map takes one picture, not {len(paths)}")
    failed = False
    for path in paths:
        try:
            picture = files.read(path, **how)
        except PellucidError as error:
            if len(paths) == 1:
                raise
            print(f"pellucid: {shown(error)}", file=sys.stderr)
            failed = True
            continue
        found: shot.Found | diagnosis.Diagnosis
        found = diagnosis.look(views.View((picture,))) if picture.mosaic is None else shot.inspected(picture)
        if options.json:
            mosaic = picture.mosaic
            white = picture.black + (picture.steps or 1.0) if picture.white is None else picture.white
            ends = {"black": picture.black, "white": white} if mosaic is None else {"black": mosaic.black, "white": mosaic.white}
            print(json.dumps({"input": str(path), **found.to_dict(), **ends, "remarks": picture.remarks}), flush=True)
        else:
            print(shown(f"{path}: {found}") if len(paths) > 1 else str(found), flush=True)
            for remark in (*(found.details() if isinstance(found, shot.Found) else ()), *picture.remarks):
                print(shown(f"  {remark}"), flush=True)
        if options.map is not None:
            assert isinstance(found, diagnosis.Diagnosis)
            report.noise_map(picture.pixels, found, options.map, overwrite=options.force)
    return 1 if failed else 0
