"""Commands for one's own pictures: one for each task, run, watch, presets, inspect."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid import steps
from pellucid.cli import beside, piping, showing, spreading
from pellucid.cli.arguments import Commands, add, add_engine, add_model, add_settings, as_json, number, settings_of, shown
from pellucid.errors import FileError, OptionError, PellucidError
from pellucid.steps import Steps
from pellucid.tasks import TASKS, Task, way
from pellucid.tasks.settings import Always, ClipSettings, FileSettings, Settings

if TYPE_CHECKING:
    from pellucid import plan
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
    return _done(options, task, settings_of(task.settings, options), partial(_loaded, task.name, options.model))


def _loaded(task: str, name: str, how: dict[str, Any]) -> Restorer:
    """The model for a task."""
    from pellucid import restorer

    model = restorer.load(name, **how)
    by = way(model.task)
    if by is not None:
        raise OptionError(
            f"--model {name} is what 'pellucid {by.name}' takes by itself where a picture needs it; leave --model out"
        )
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
    from pellucid import files, footage, memory, working

    how, clip = settings_of(FileSettings, options), settings_of(ClipSettings, options)
    others = beside.asked(options, settings)
    if spreading.asked(options):
        return _spread(options, task, settings, (how, clip), loaded, others)
    options.inputs = [Path(each) for each in options.inputs]
    # Before any file is looked at.
    working.reading(how)
    footage.check(clip)
    kept = [*settings.attached(), *how.attached()]
    # A path forgets the slash at its end.
    options.folder = options.out is not None and options.out.endswith(("/", os.sep))
    options.out = None if options.out is None else Path(options.out)
    piped = PIPE in options.inputs or options.out == PIPE
    if piped and len(settings.each()) > 1:
        raise OptionError("standard input or output takes one picture, and these settings ask for several")
    if others and PIPE in options.inputs:
        raise OptionError(f"--{next(iter(others))} reads a picture once more, and standard input can be read once")
    with tempfile.TemporaryDirectory(prefix="pellucid-") if piped else nullcontext() as room:
        if room is None:
            how_named: dict[str, Any] = {"mark": task.mark, "folder": options.folder, **Always.of(settings.answer)._asdict()}
            how_named |= {"mosaic": _mosaic(task, settings, how, options), "variants": settings.each(), "kept": kept}
            planned = _planned(options, clip, options.out, how_named, _ending(options.format))
        else:
            planned = _pipe_plan(options, task.mark, Path(room), Always.of(settings.answer), kept)
        working.check_kinds(planned, settings, how, clip)
        sides = beside.places(options, planned, settings, others, kept)
        runs = [(planned, settings, beside.confidences(options.confidence, beside.above(planned)))]
        for name, place in others.items():
            other = settings.beside(name)  # type: ignore[union-attr]  # steps have none
            named = {"mark": task.mark, "folder": sides[name].folder, "kept": kept, **Always.of(other.answer)._asdict()}
            # A file has its own ending, whatever the format of the outputs is.
            ending = _ending(options.format) if sides[name].folder else None
            again = _planned(options, clip, Path(place), named, ending)
            if len(again.pairs) == 1 and files.is_clip(again.pairs[0][0]):
                # Before the first run: among several clips, one that fails does not end the work on the others.
                footage.check_output(*again.pairs[0], other, clip)
            runs.append((again, other, None))
        room_for = memory.parse_size(options.memory) if options.memory is not None else None
        model = loaded({"device": options.device, "engine": options.engine, "memory": room_for})
        status = 0
        for work in runs:
            status = status or _worked(options, task, model, (how, clip), *work)
        if options.out == PIPE and status == 0:
            sys.stdout.buffer.write(planned.pairs[0][1].read_bytes())
            sys.stdout.buffer.flush()
    return status


def _worked(
    options: argparse.Namespace,
    task: Task | Steps,
    model: Restorer | Chain,
    hows: tuple[FileSettings, ClipSettings],
    planned: plan.Plan,
    settings: Settings | Steps,
    confidence: Callable[[Path], Path] | None,
) -> int:
    """Restores what is planned, and shows each outcome; the exit status."""
    from pellucid import batch

    how, clip = hows
    seen = showing.Shown(planned, task, settings, options, piped=PIPE in (*options.inputs, options.out))
    run: dict[str, Any] = {"overwrite": options.force, "resume": options.resume, "clip": clip, "confidence": confidence}
    return seen.all(batch.restore_variants(planned, model, settings, how, **run, progress=seen.progress, told=seen.frames))


def _planned(
    options: argparse.Namespace, clip: ClipSettings, out: Path | None, named: dict[str, Any], ending: str | None
) -> plan.Plan:
    from pellucid import plan

    selection = plan.Selection(options.recursive, tuple(options.include), tuple(options.exclude))
    return plan.plan(options.inputs, out, selection, ending=ending, clip_ending=".mkv" if clip.lossless else None, **named)


def _spread(
    options: argparse.Namespace,
    task: Task | Steps,
    settings: Settings | Steps,
    hows: tuple[FileSettings, ClipSettings],
    loaded: Callable[[dict[str, Any]], Restorer | Chain],
    others: Mapping[str, str],
) -> int:
    """The same by several processes."""
    for name, place in others.items():
        beside.check_folder(name, place, options)
    status = spreading.done(options, task, settings, hows, loaded, mosaic=_mosaic(task, settings, hows[0], options))
    for name, place in others.items():
        if status == 0:
            again = argparse.Namespace(**{**vars(options), "out": place})
            status = spreading.done(again, task, settings.beside(name), hows, loaded, mosaic=False)  # type: ignore[union-attr]
    return status


def _mosaic(task: Task | Steps, settings: Settings | Steps, how: FileSettings, options: argparse.Namespace) -> bool:
    """Whether the outputs of RAW files are DNG, by the rule of `working.takes_mosaics` before any model is open: the task's own
    family gives them to the row that knows what a sensor saw."""
    return (
        options.confidence is None
        and isinstance(task, Task)
        and isinstance(settings, Settings)
        and not (settings.pictured or how.pictured)
        and "mosaic" in dict(task.instead)
        and options.model == task.model
    )


def _pipe_plan(options: argparse.Namespace, mark: str, room: Path, always: Always, kept: Sequence[Path]) -> plan.Plan:
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
    return plan.plan([source], options.out, ending=ending, mark=mark, folder=options.folder, kept=kept, **always._asdict())


def _ending(name: str | None) -> str | None:
    """The ending of the format that ``--format`` names."""
    from pellucid import files

    return files.ending_named(name) if name is not None else None


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
    from pellucid import chains, memory, plan, watching, working

    chosen = steps.preset(options.preset) if options.preset is not None else steps.parse(options.steps)
    how = settings_of(FileSettings, options)
    working.reading(how)
    _ending(how.format)
    room = memory.parse_size(options.memory) if options.memory is not None else None
    chain = chains.load(chosen, device=options.device, engine=options.engine, memory=room)
    selection = plan.Selection(options.recursive, tuple(options.include), tuple(options.exclude))
    if options.confidence is not None:
        beside.check_several(beside.CONFIDENCE, options.confidence)
    trusted = beside.confidences(options.confidence, options.out)
    # Options that do not go together are refused at once, and not at the first picture.
    working.Work.of(chain, chosen, how, None, trusted)
    watch = watching.Watch(options.folder, options.out, chain, how, selection, options.force, trusted)
    stop = threading.Event()
    failed = False

    def end(*_: object) -> None:
        # The file that is being written is finished; the next watch does the picture in hand.
        stop.set()
        raise KeyboardInterrupt

    with watching.alone(options.out, lambda line: print(shown(line), file=sys.stderr)), _ended_by(end):
        outcomes = watch.outcomes(options.every, stop, once=options.once)
        try:
            for outcome in outcomes:
                failed = failed or outcome.error is not None
                showing.show_watched(outcome, chosen, options)
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
            print(as_json({"name": preset.name, "summary": preset.summary, "steps": text, "own": preset.own}))
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
    if options.map is not None:
        beside.check_figure("map", options.map, paths, force=options.force)
    failed = False
    for path in paths:
        try:
            picture = files.read(path, **how)
        except PellucidError as error:
            if options.json:
                print(as_json({"input": str(path), "error": str(error)}), flush=True)
            if len(paths) > 1 or not options.json:
                print(f"pellucid: {shown(error)}", file=sys.stderr)
            failed = True
            continue
        found: shot.Found | diagnosis.Diagnosis
        found = diagnosis.look(views.View((picture,))) if picture.mosaic is None else shot.inspected(picture)
        if options.json:
            mosaic = picture.mosaic
            black, white = picture.ends if mosaic is None else (mosaic.black, mosaic.white)
            facts = {**found.to_dict(), "black": black, "white": white, "remarks": picture.remarks}
            print(as_json({"input": str(path), "error": None, **facts}), flush=True)
        else:
            print(shown(f"{path}: {found}") if len(paths) > 1 else str(found), flush=True)
            for remark in (*(found.details() if isinstance(found, shot.Found) else ()), *picture.remarks):
                print(shown(f"  {remark}"), flush=True)
        if options.map is not None:
            assert isinstance(found, diagnosis.Diagnosis)
            report.noise_map(picture.pixels, found, options.map, overwrite=options.force)
    return 1 if failed else 0
