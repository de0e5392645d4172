"""Commands that score and show: evaluate, compare, models, demo."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli import beside
from pellucid.cli.arguments import Commands, add, add_engine, as_json, count, shown
from pellucid.errors import OptionError
from pellucid.families import FAMILIES, names, shipped_path
from pellucid.tasks import ON_CLIPS, TASKS

if TYPE_CHECKING:
    from pellucid.methods import Tuned
    from pellucid.restorer import Restorer

__all__ = ["add_compare", "add_demo", "add_evaluate", "add_models"]

# -- evaluate ---------------------------------------------------------------------------------------------------------


def add_evaluate(commands: Commands) -> None:
    """Adds `evaluate`."""
    command = add(commands, "evaluate", _evaluate, "degrade clean images, restore them, and score models and classical methods")
    command.add_argument(
        "images", type=Path, help="a folder of clean images, MNIST's IDX file of images, or a clip or a folder of clips"
    )
    first = next(iter(TASKS))
    command.add_argument("--task", choices=tuple(TASKS), default=first, help=f"the task that is scored (default: {first})")
    command.add_argument(
        "--model",
        action="append",
        default=[],
        help="a model's name or file, with settings (photo:best, photo:strength=0.8) or without, or several that run in turn "
        "(photo+upscale); may be repeated",
    )
    command.add_argument(
        "--noise",
        action="append",
        default=[],
        metavar="KIND[:LEVEL][:clip]",
        help="how images are degraded, such as gaussian:25, or several in a row, such as shrink:2+gaussian:5+jpeg:70; or what is "
        "asked for: alpha, alpha:box, alpha:point (of pictures with alpha, or NAME.mask.png beside them), gray, hints:10; may be "
        "repeated (default: the task's own, which the protocol lists)",
    )
    command.add_argument("--baselines", default="", help="classical methods to compare with, separated by commas")
    command.add_argument("--blind", action="store_true", help="do not give the models the noise level")
    command.add_argument("--limit", type=count, help="use only the first LIMIT images, or frames of each clip")
    command.add_argument("--runs", type=count, help="the number of timed calls for each image; the median counts (default: 3)")
    command.add_argument(
        "--workers",
        type=count,
        help="the number of images at a time; scores stay the same, times get longer (default: 1)",
    )
    command.add_argument("--out", type=Path, help="write protocol, results and summary as JSON")
    command.add_argument("--report", type=Path, help="write an HTML page of tables, charts, and images, the worst three among them")
    command.add_argument(
        "--show",
        action="append",
        default=[],
        metavar="IMAGE",
        help="show this image on the page (its name without ending); may be repeated",
    )
    command.add_argument("--figure", type=Path, help="write a picture: clean, noisy and restored side by side")
    add_engine(command)
    command.add_argument("--force", action="store_true", help="overwrite files that exist")


def _evaluate(options: argparse.Namespace) -> int:
    from pellucid import asked, degradations, evaluation, exhibits, htmlreport, methods, plan, report, saving, screening

    task = TASKS[options.task]
    written = [path for path in (options.out, options.report, options.figure) if path is not None]
    if len(set(written)) < len(written):
        raise OptionError("--out, --report and --figure need different names")
    for path in written:
        # Before the work, not after it.
        plan.check_apart(path, [options.images, *map(Path, options.model)])
        if saving.exists(path) and not options.force:
            raise OptionError(f"{path} exists; --force overwrites it")
        if not path.parent.is_dir():
            raise OptionError(f"{path}: there is no folder {path.parent}")
    if options.figure is not None and options.figure.suffix.lower() != ".png":
        raise OptionError(f"--figure {options.figure}: the name of a figure must end in .png")
    clips = screening.clips_in(options.images)
    if clips:
        return _evaluate_clips(options, clips)
    noises = [degradations.parse(text) for text in options.noise or task.module().CASES]
    methods.check_cases(task, noises)
    models = {name: steps[0] if len(steps) == 1 else methods.InTurn(tuple(steps)) for name, steps in _models_of(options).items()}
    baselines = [name.strip() for name in options.baselines.split(",") if name.strip()]
    if not models and not baselines:
        raise OptionError("evaluate: name at least one --model or --baselines")
    with_alpha = any(isinstance(asked.of(noise), asked.Alpha) for noise in noises)
    images = evaluation.load_images(options.images, limit=options.limit, alpha=with_alpha)
    exhibits.check_chosen(images, options.show)

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    result = evaluation.evaluate(
        images,
        models=models,
        noises=noises,
        baselines=baselines,
        task=task.name,
        blind=options.blind,
        runs=options.runs or evaluation.RUNS,
        workers=options.workers or 1,
        memory=True,
        on_progress=show if sys.stderr.isatty() else None,
    )
    # The scores first: nothing that fails afterwards can lose them, not even a closed pipe behind the table.
    if options.out is not None:
        evaluation.write_json(options.out, result, overwrite=options.force)
    print("\n".join(map(shown, report.text_table(result).split("\n"))))
    if options.report is not None:
        exhibited = exhibits.gather(images, result, models=models, baselines=baselines, chosen=options.show)
        htmlreport.write(options.report, result, exhibited, overwrite=options.force)
        print(shown(options.report))
    if options.figure is not None:
        report.evaluation_figure(
            images, models, noises, options.figure, task=task.name, blind=options.blind, overwrite=options.force
        )
        print(shown(options.figure))
    for line in (*result.notes, *result.failed):
        print(f"pellucid: {shown(line)}", file=sys.stderr)
    return 1 if result.failed else 0


def _models_of(options: argparse.Namespace) -> dict[str, list[Restorer | Tuned]]:
    """The steps of each model that ``--model`` names, by the name that tables show."""
    from pellucid import methods, restorer

    found: dict[str, list[Restorer | Tuned]] = {}
    for name in options.model:
        parts = [name] if Path(name).is_file() else name.split("+")
        files = [_settings_apart(part) for part in parts]
        # A file is shown by its name alone: readers of the table need not know its folder.
        title = "+".join((Path(file).stem if Path(file).suffix == ".onnx" else file) + entries for file, entries in files)
        found[name if title in found else title] = [
            methods.tuned(restorer.load(file, device=options.device, engine=options.engine), entries.split(":")[1:])
            for file, entries in files
        ]
    return found


CLIP_NOISES = ("gaussian:20", "gaussian:50")


def _evaluate_clips(options: argparse.Namespace, clips: Sequence[Path]) -> int:
    """Scores models, over time and frame by frame, and filters on clips."""
    from pellucid import degradations, evaluation, htmlreport, methods, screening

    if options.task != ON_CLIPS:
        raise OptionError(f"clips are scored for {ON_CLIPS}, not for {options.task}")
    if options.figure is not None or options.show:
        raise OptionError("--figure and --show are for pictures; --report shows clips")
    idle = [f"--{name}" for name in ("blind", "runs", "workers") if getattr(options, name)]
    if idle:
        raise OptionError(f"{idle[0]} is for pictures: models measure the noise of clips, one clip at a time")
    noises = [degradations.parse(text) for text in options.noise or CLIP_NOISES]
    methods.check_cases(TASKS[options.task], noises)
    models = {name: steps[0] for name, steps in _models_of(options).items() if len(steps) == 1}
    if len(models) < len(set(options.model)):
        raise OptionError("--model: clips are restored by one model at a time; leave out those that run in turn")
    filters = [name.strip() for name in options.baselines.split(",") if name.strip()]
    if not models and not filters:
        raise OptionError("evaluate: name at least one --model or --baselines")

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    result, reels = screening.screen(
        clips, models, noises, filters, count=options.limit or screening.MOST, told=show if sys.stderr.isatty() else None
    )
    if options.out is not None:
        evaluation.write_json(options.out, result, overwrite=options.force)
    print("\n".join(map(shown, screening.table(result).split("\n"))))
    if options.report is not None:
        htmlreport.write_clips(options.report, result, reels, overwrite=options.force)
        print(shown(options.report))
    for line in result.failed:
        print(f"pellucid: {shown(line)}", file=sys.stderr)
    return 1 if result.failed else 0


# -- compare ----------------------------------------------------------------------------------------------------------


def add_compare(commands: Commands) -> None:
    """Adds `compare`."""
    command = add(commands, "compare", _compare, "compare two pictures, such as one before and after")
    command.add_argument("first", type=Path, metavar="A", help="the reference, such as the clean picture")
    command.add_argument("second", type=Path, metavar="B", help="the picture to compare with it, of the same size")
    command.add_argument(
        "--range",
        default="auto",
        metavar="auto|dtype|LO:HI",
        help="which values are black and white in both (default: auto, those of A where both have values of one kind)",
    )
    command.add_argument("-o", "--out", type=Path, metavar="FIG.png", help="draw both and their difference into a PNG")
    command.add_argument("--json", action="store_true", help="print the scores as JSON")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")


def _compare(options: argparse.Namespace) -> int:
    from pellucid import comparing, images, report

    if options.out is not None:
        beside.check_figure("out", options.out, (options.first, options.second), force=options.force)
    pair = comparing.read(options.first, options.second, images.parse_range(options.range))
    scores = comparing.compare(pair)
    if options.json:
        print(as_json({**scores, "remarks": pair.remarks}))
    else:
        for name, value in scores.items():
            missing = "identical" if name == "psnr" else "too small"
            text = missing if value is None else ("yes" if value else "no") if isinstance(value, bool) else f"{value:.4f}"
            print(f"{name.replace('_', ' '):<20}{text}")
    if options.out is not None:
        report.comparison(pair, (options.first.name, options.second.name), options.out, overwrite=options.force)
        if not options.json:
            print(shown(options.out))
    for line in () if options.json else pair.remarks:
        print(f"pellucid: {shown(line)}", file=sys.stderr)
    return 0


def _settings_apart(model: str) -> tuple[str, str]:
    """A model's name, and the settings behind it (``:best``, ``:strength=0.8``)."""
    found = re.fullmatch(r"(.+?)((?::[a-z][a-z_-]*(?:=[^:]*)?)*)", model)
    return (model, "") if found is None or Path(model).is_file() else (found[1], found[2])


# -- models -----------------------------------------------------------------------------------------------------------


def add_models(commands: Commands) -> None:
    """Adds `models`."""
    command = add(commands, "models", _models, "list the shipped models and their files")
    command.add_argument("--json", action="store_true", help="print the files with their whole cards as JSON")


def _models(options: argparse.Namespace) -> int:
    from pellucid.cards import read_card
    from pellucid.metrics import carded

    cards = {name: read_card(shipped_path(name)) for name in names()}
    sizes = {name: shipped_path(name).stat().st_size for name in names()}
    if options.json:
        rows: list[dict[str, Any]] = []
        for name, card in cards.items():
            entry = asdict(card)
            for field in ("spec", "recipe"):
                entry.pop(field)
            rows.append({"file": f"{name}.onnx", "bytes": sizes[name], **entry})
        print(as_json(rows, indent=1))
        return 0
    print("Models (--model NAME), and the files that serve in each role:\n")
    for name, family in FAMILIES.items():
        task = TASKS[family.task]
        default = ", the default" if task.model == name else ""
        about = family.summary or task.summary
        print(f"{name}: {task.name} ({about[0].lower()}{about[1:]}){default}")
        for role, file in family.files.items():
            print(f"  {role:<10} {file}")
    print("\nFiles (--model takes their names, too):\n")
    for name, card in cards.items():
        maps = f"inputs: picture, {', '.join(card.maps)}" if card.maps else "input: picture"
        channels = "gray" if card.channels == 1 else "colour"
        print(f"{name}: {card.summary}")
        print(f"  task {card.task}, {channels}, {maps}, {card.parameters:,} parameters, {sizes[name] / 2**20:.1f} MiB")
        print(f"  weights: {card.licence}")
        for source in card.training_images:
            print(f"  trained on {source.count} images: {source.source}; {source.licence}")
        for noise, value in card.scores.items():
            metric = carded(noise)
            print(f"  {noise}: {value:.{metric.digits}f} {metric.unit}".rstrip())
    return 0


# -- demo -------------------------------------------------------------------------------------------------------------


def add_demo(commands: Commands) -> None:
    """Adds `demo`."""
    command = add(commands, "demo", _demo, "degrade and restore the package's own photograph and digits, and draw them")
    command.add_argument("-o", "--out", type=Path, default=Path("pellucid-demo.png"), help="the PNG file to write")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")


def _demo(options: argparse.Namespace) -> int:
    from pellucid import demo

    for line in demo.run(options.out, overwrite=options.force):
        print(line, flush=True)
    return 0
