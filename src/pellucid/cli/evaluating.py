"""Commands that score and show: evaluate, compare, models, demo."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pellucid.cli.arguments import Commands, add, add_engine, count
from pellucid.errors import OptionError

__all__ = ["add_compare", "add_demo", "add_evaluate", "add_models"]

DEFAULT_NOISE = ("gaussian:0", "gaussian:5", "gaussian:15", "gaussian:25", "gaussian:50")
"""The degradations that `evaluate` applies to clean images where none is named."""


# -- evaluate ---------------------------------------------------------------------------------------------------------


def add_evaluate(commands: Commands) -> None:
    """Adds `evaluate`."""
    command = add(commands, "evaluate", _evaluate, "score models and classical methods on clean images that are spoiled here")
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
    command.add_argument("--limit", type=count, help="only the first so many images")
    command.add_argument("--runs", type=count, default=3, help="timed calls an image, their median counts (default: 3)")
    command.add_argument(
        "--workers", type=count, default=1, help="images at a time; scores stay the same, times suffer (default: 1)"
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
    add_engine(command)
    command.add_argument("--force", action="store_true", help="overwrite files that exist")


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


# -- compare ----------------------------------------------------------------------------------------------------------


def add_compare(commands: Commands) -> None:
    """Adds `compare`."""
    command = add(commands, "compare", _compare, "compare two pictures, such as one before and after")
    command.add_argument("first", type=Path, metavar="A", help="the picture that counts as true")
    command.add_argument("second", type=Path, metavar="B", help="the other, of the same size")
    command.add_argument("-o", "--out", type=Path, metavar="FIG.png", help="draw both and their difference")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")


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


# -- models -----------------------------------------------------------------------------------------------------------


def add_models(commands: Commands) -> None:
    """Adds `models`."""
    command = add(commands, "models", _models, "list the shipped models")
    command.add_argument("--json", action="store_true", help="as JSON, with the whole cards")


def _models(options: argparse.Namespace) -> int:
    from pellucid.cards import read_card
    from pellucid.families import names, shipped_path

    cards = [read_card(shipped_path(name)) for name in names()]
    if options.json:
        rows: list[dict[str, Any]] = []
        for name, card in zip(names(), cards, strict=True):
            entry = asdict(card)
            for field in ("spec", "recipe"):
                entry.pop(field)
            rows.append({"file": f"{name}.onnx", "bytes": shipped_path(name).stat().st_size, **entry})
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return 0
    for name, card in zip(names(), cards, strict=True):
        size = shipped_path(name).stat().st_size / 2**20
        told = ", ".join(card.maps) or "nothing (blind)"
        print(f"{name}: {card.summary}")
        print(f"  task {card.task}, {card.channels} channel(s), told {told}, {card.parameters:,} parameters, {size:.1f} MiB")
        print(f"  weights: {card.licence}")
        for source in card.training_images:
            print(f"  trained on {source.count} images: {source.source}; {source.licence}")
        for noise, value in card.scores.items():
            print(f"  {noise}: {value:.2f} dB")
    return 0


# -- demo -------------------------------------------------------------------------------------------------------------


def add_demo(commands: Commands) -> None:
    """Adds `demo`."""
    command = add(commands, "demo", _demo, "spoil and restore the package's own photograph and digits, and draw it")
    command.add_argument("-o", "--out", type=Path, default=Path("pellucid-demo.png"), help="the picture's file")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")


def _demo(options: argparse.Namespace) -> int:
    from pellucid import demo

    for line in demo.run(options.out, overwrite=options.force):
        print(line, flush=True)
    return 0
