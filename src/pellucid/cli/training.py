"""Commands that make models: train, export, pack, calibrate, fetch, recipes."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pellucid.cli.arguments import Commands, add, as_json, count, number, requiring, seed, shown
from pellucid.errors import FileError, OptionError

__all__ = ["add_calibrate", "add_export", "add_fetch", "add_pack", "add_recipes", "add_train"]


# -- train ------------------------------------------------------------------------------------------------------------


def add_train(commands: Commands) -> None:
    """Adds `train`."""
    command = add(commands, "train", _train, "train a model by a recipe")
    command.add_argument("recipe", help="a shipped recipe's name (see 'recipes') or a .toml file")
    command.add_argument(
        "--images",
        action="append",
        metavar="[NAME=]PLACE",
        help="a folder of images, a pack, or a folder of MNIST's IDX files (default: those of 'fetch', or the package's digits); "
        "NAME=PLACE for each source of a recipe with several, as often as needed",
    )
    command.add_argument(
        "--pairs",
        type=Path,
        nargs="+",
        metavar="PLACE",
        help="two folders, noisy and clean images of the same names, or one CSV file of pairs",
    )
    command.add_argument(
        "--noisy", type=Path, metavar="DIR", help="a folder of noisy images, or one image; no clean ones are needed"
    )
    command.add_argument(
        "--valid", type=Path, nargs="+", metavar="PLACE", help="held-out images, in the form of the training images"
    )
    command.add_argument("--held-out", type=number(0.001, 0.9), metavar="SHARE", help="hold out this share (default: the recipe's)")
    command.add_argument(
        "--range", default="auto", metavar="auto|dtype|LO:HI", help="which values are black and white (default: auto)"
    )
    command.add_argument(
        "--cache",
        metavar="SIZE",
        help="disk space for decoded images, such as 50GB; 0 holds them in memory (default: 20GB, or half of the free space)",
    )
    command.add_argument(
        "--patience",
        type=count,
        metavar="N",
        help="stop after N validations in a row without a better score (default: the recipe's)",
    )
    length = command.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=number(0.01, 1e6), help="train for this many minutes")
    length.add_argument("--epochs", type=number(0.01, 1e6), help="train for this many passes over the images")
    length.add_argument("--steps", type=count, help="train for this many batches")
    command.add_argument("--out", type=Path, help="the model's file (default: RECIPE.onnx)")
    command.add_argument(
        "--from",
        dest="start",
        type=Path,
        metavar="MODEL",
        help="begin from a shipped model, or from a file's weights (.onnx, .npz or .checkpoint)",
    )
    command.add_argument("--channels", type=int, choices=(1, 3), help="1 for gray, 3 for colour (default: the recipe's)")
    command.add_argument("--resume", action="store_true", help="continue from the checkpoint of a stopped run")
    command.add_argument("--seed", type=seed, default=0, help="the seed of weights, crops and noise (default: 0)")
    command.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to train (default: auto)")
    command.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that make the batches; 0: threads make them (default: with eight cores or more all but two, at most 14; "
        "with fewer one, where examples are slow to make)",
    )
    command.add_argument(
        "--tensorboard", type=Path, metavar="DIR", help="write logs for TensorBoard into a folder of the model's name"
    )
    command.add_argument("--force", action="store_true", help="overwrite a model that exists")


def _train(options: argparse.Namespace) -> int:
    from pellucid import images, memory

    with requiring("train"):
        from pellucid.training import loop, run

    place, sources = _places(options.images or ())
    ready = run.prepare(
        run.Request(
            recipe=options.recipe,
            images=place,
            sources=sources,
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
        tell=lambda line: print(f"pellucid: {shown(line)}", file=sys.stderr, flush=True),
    )
    pictures = ready.pictures
    lines = [f"pellucid: {note}" for note in pictures.notes]
    if pictures.survey is not None:
        lines += [str(pictures.survey), *(f"pellucid: warning: {warning}" for warning in pictures.survey.warnings)]
    count = f"{len(pictures.train)} images to learn from, {len(pictures.valid)} held out"
    lines.append(f"{ready.recipe.name}: {count}; Ctrl-C stops early and keeps the model")
    # If several processes train together, only the first one prints.
    if run.is_first():
        print("\n".join(shown(line) for text in lines for line in text.split("\n")), file=sys.stderr)

    def show(line: loop.Progress) -> None:
        text = (
            f"{line.done:6.1%}  step {line.step}  loss {line.loss:.4f}  {line.speed:.0f} images/s  {line.minutes_left:.1f} min left"
        )
        if line.step == 0:
            text = "before the first step:"
        if line.validation_loss is not None:
            text += f"\n        held-out loss {line.validation_loss:.4g}"
        if line.scores is not None:
            metric = ready.recipe.validated
            text += f"  {metric.title}: " + "  ".join(f"{noise} {value:.{metric.digits}f}" for noise, value in line.scores.items())
        print(text, file=sys.stderr, flush=True)

    trained = run.train(ready, on_progress=show)
    if trained.first:
        for entry in run.finish(ready, trained):
            if isinstance(entry, Path):
                print(shown(entry), flush=True)
            else:
                text = "\n".join(shown(line) for line in str(entry).split("\n"))
                print(f"pellucid: {text}", file=sys.stderr, flush=True)
    return 0


def _places(given: Sequence[str]) -> tuple[Path | None, tuple[tuple[str, Path], ...]]:
    """The one place of training images, or the places of named sources, as ``--images`` names them."""
    found = [(entry, re.match(r"([a-z][a-z0-9-]*)=(.+)", entry)) for entry in given]
    named = [(match[1], Path(match[2])) for entry, match in found if match and not Path(entry).exists()]
    if len(named) == len(given):
        return None, tuple(named)
    if len(given) > 1:
        raise OptionError("--images: give one place, or NAME=PLACE for each of several sources")
    return Path(given[0]), ()


# -- export -----------------------------------------------------------------------------------------------------------


def add_export(commands: Commands) -> None:
    """Adds `export`."""
    command = add(commands, "export", _export, "turn a weights file into a model")
    command.add_argument("weights", type=Path, help="a .weights.npz that 'train' wrote, or with --trim or --int8 a model")
    command.add_argument("-o", "--out", type=Path, help="the model's file (default: beside the weights)")
    command.add_argument(
        "--scores", type=Path, action="append", default=[], metavar="FILE.json", help="an evaluation whose scores go into the card"
    )
    command.add_argument(
        "--trim",
        action="append",
        metavar="[NAME=]PLACE",
        help="leave out the channels that are idle on the training images in PLACE (as --images of 'train'): the same answers in "
        "less time",
    )
    command.add_argument(
        "--int8",
        action="append",
        metavar="[NAME=]PLACE",
        help="multiply 8-bit integers, in ranges measured on the training images in PLACE (as --trim): almost the same answers in "
        "less time",
    )
    command.add_argument("--force", action="store_true", help="overwrite a model that exists")


def _export(options: argparse.Namespace) -> int:
    from pellucid import plan, saving

    with requiring("train"):
        from pellucid.training import export, run

    name = options.weights.name.removesuffix(".npz").removesuffix(".weights")
    if options.trim and options.int8:
        raise OptionError("--trim and --int8: one after the other; --trim first")
    option, given = ("--trim", options.trim) if options.trim else ("--int8", options.int8)
    if given and name.endswith(".onnx"):
        # The model itself stays.
        name = f"{name.removesuffix('.onnx')}.{'trimmed' if options.trim else 'int8'}"
    out: Path = options.out or options.weights.with_name(f"{name}.onnx")
    plan.check_apart(out, [options.weights])
    saving.check_folder(out)
    if given:
        if options.scores:
            raise OptionError(f"{option}: the model is another one then; give --scores of its own, without {option}")
        if out.exists() and not options.force:
            raise FileError(f"{out} exists; --force overwrites it, --out names another place")
        place, sources = _places(given)
        remake = run.trim if options.trim else run.round_off
        scores = remake(options.weights, out, place or sources, overwrite=options.force)
        print(shown(out))
        for line in str(scores or "").splitlines():
            print(shown(line), file=sys.stderr)
        return 0
    card, weights = export.load_weights(options.weights)
    named = export.with_scores(replace(card, name=out.stem), options.scores)
    export.write_model(out, named, export.network_of(card, weights), overwrite=options.force)
    print(shown(out))
    return 0


# -- pack -------------------------------------------------------------------------------------------------------------


def add_pack(commands: Commands) -> None:
    """Adds `pack`."""
    command = add(commands, "pack", _pack, "put a folder of images into one file of bounded size, for training elsewhere")
    command.add_argument("folder", type=Path, help="the folder of images")
    command.add_argument("-o", "--out", type=Path, required=True, help="the pack's file")
    command.add_argument("--megabytes", type=number(0.001, 1e6), required=True, help="its largest size, in 10^6 bytes")
    command.add_argument("--side", type=count, metavar="N", help="scale pictures down whose shorter side is longer than N pixels")
    command.add_argument("--alpha", action="store_true", help="keep transparency, and the colours under it")
    command.add_argument("--force", action="store_true", help="overwrite a pack that exists")


def _pack(options: argparse.Namespace) -> int:
    from pellucid import plan

    with requiring("train"):
        from pellucid.training.packs import pack

    plan.check_apart(options.out, [options.folder])
    packed = pack(
        options.folder,
        options.out,
        megabytes=options.megabytes,
        side=options.side,
        alpha=options.alpha,
        overwrite=options.force,
    )
    words, *left_out = packed.split("\n")
    print(shown(f"{options.out}: {words}"))
    for line in left_out:
        print(f"pellucid: {shown(line)}", file=sys.stderr)
    return 0


# -- calibrate --------------------------------------------------------------------------------------------------------


def add_calibrate(commands: Commands) -> None:
    """Adds `calibrate`."""
    command = add(
        commands,
        "calibrate",
        _calibrate,
        "train the small networks behind 'inspect', '--gain', '--confidence', '--defade' and 'film'",
    )
    command.add_argument(
        "what",
        choices=("noise", "gain", "confidence", "fading", "damage", "between"),
        help="noise: the network that measures noise; gain: the network that predicts what 'photo' gains; confidence: the network "
        "that predicts how far each pixel is off; fading: the network that reads how far dyes have faded; damage: the network that "
        "judges what 'film' has found in a picture alone; between: the network that judges what it has found in clips",
    )
    command.add_argument("--images", type=Path, help="a folder of clean photographs, or a pack (default: those of 'fetch photos')")
    command.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.npz", help="the weights' file")
    command.add_argument(
        "--examples",
        type=count,
        default=16_000,
        help="examples to learn from (default: 16000; gain needs 3500, confidence 1200, fading 144000, damage 700, between 1200)",
    )
    command.add_argument("--seed", type=seed, default=0, help="the seed of crops and noise (default: 0)")
    command.add_argument("--force", action="store_true", help="overwrite weights that exist")


def _calibrate(options: argparse.Namespace) -> int:
    from pellucid import plan, restorer, saving

    with requiring("train"):
        from pellucid.tasks import film
        from pellucid.training import between, calibration, damage, fading, recipes
        from pellucid.training.pictures import load

    if options.out.suffix != ".npz":
        raise OptionError(f"--out {options.out}: the name of weights ends in .npz")
    saving.check_folder(options.out)
    if options.images is not None:
        plan.check_apart(options.out, [options.images])
    if saving.exists(options.out) and not options.force:
        raise FileError(f"{options.out} exists; --force overwrites it")
    table = replace(recipes.find("film-find" if options.what in ("fading", "damage", "between") else "photo").data, scales=(1.0,))
    pictures = load(options.images, table)

    def show(done: int, of: int) -> None:
        if done % 200 == 0 or done == of:
            print(f"{done / of:6.1%}  {done} examples", file=sys.stderr, flush=True)

    def finished(weights: Any, held: Callable[[], Any], scores: Callable[[Any, Any], Iterable[str]]) -> int:
        """Keeps the weights first: the examples that are held out take a while."""
        calibration.save(weights, options.out, overwrite=options.force)
        print(shown(options.out))
        for line in scores(weights, held()):
            print(line, file=sys.stderr)
        return 0

    if options.what == "confidence":
        models = [restorer.load(name) for name in ("photo", "photo", "photo-fast")]
        pixels = calibration.doubt_examples(models, list(pictures.train), options.examples, options.seed, show)
        doubt = calibration.train_doubt(pixels, seed=options.seed)
        held = partial(calibration.doubt_examples, models, list(pictures.valid), max(20, options.examples // 8), options.seed + 1)
        return finished(doubt, held, calibration.doubt_scores)
    if options.what == "fading":
        dyes = fading.trained(
            fading.examples(list(pictures.train), options.examples, options.seed, show),
            steps=min(12_000, options.examples),
            seed=options.seed,
        )
        held = partial(fading.examples, list(pictures.valid), max(60, options.examples // 8), options.seed + 1)
        return finished(dyes, held, fading.scores)
    if options.what in ("damage", "between"):
        finding, judging = restorer.load(film.FAMILY).models, damage if options.what == "damage" else between
        places = partial(damage.examples, partial(film.looks, finding))
        if options.what == "between":
            places = partial(between.examples, partial(film.glanced, finding))
        judge = judging.trained(
            places(list(pictures.train), options.examples, options.seed, show),
            steps=min(4000, 20 * options.examples),
            seed=options.seed,
        )
        held = partial(places, list(pictures.valid), max(10, options.examples // 8), options.seed + 1)
        return finished(judge, held, judging.scores)
    of_gain = options.what == "gain"
    make = partial(calibration.gain_examples, restorer.load("photo")) if of_gain else calibration.examples
    scores = calibration.gain_scores if of_gain else calibration.scores
    examples = make(list(pictures.train), options.examples, options.seed, show)
    # Much of a gain's error is chance: with more steps, or several networks, the examples are learnt by heart.
    steps, members = (min(6000, options.examples), 1) if of_gain else (min(25_000, 10 * options.examples), 6)
    learnt = calibration.train(examples, steps=steps, seed=options.seed, members=members)
    return finished(
        learnt,
        partial(make, list(pictures.valid), max(min(50, options.examples), options.examples // 10), options.seed + 1),
        scores,
    )


# -- fetch ------------------------------------------------------------------------------------------------------------


def add_fetch(commands: Commands) -> None:
    """Adds `fetch`."""
    command = add(commands, "fetch", _fetch, "download a public data set for training into the user's cache, and check it")
    command.add_argument(
        "name",
        choices=("mnist", "photos"),
        help="mnist: 70,000 digits, 11 MB; photos: the photographs that 'photo' learnt from, 0.2 GB of packages",
    )
    command.add_argument("-o", "--out", type=Path, help="a folder to download into (default: the user's cache)")


def _fetch(options: argparse.Namespace) -> int:
    with requiring("train"):
        from pellucid.training import mnist, photos

    if options.name == "mnist":
        for path in mnist.fetch(options.out):
            print(shown(path), flush=True)
        return 0
    done, failed = 0, []
    for path, error in photos.fetch(options.out):
        if error is None:
            done += 1
            print(shown(path), flush=True)
        else:
            failed.append(shown(f"{path.name}: {error}"))
            print(f"pellucid: {failed[-1]}", file=sys.stderr, flush=True)
    if failed:
        print(f"pellucid: {done} photographs are there, {len(failed)} could not be downloaded", file=sys.stderr)
    return 1 if failed else 0


# -- recipes ----------------------------------------------------------------------------------------------------------


def add_recipes(commands: Commands) -> None:
    """Adds `recipes`."""
    command = add(commands, "recipes", _recipes, "list the shipped recipes")
    command.add_argument("--json", action="store_true", help="print the whole recipes as JSON")


def _recipes(options: argparse.Namespace) -> int:
    with requiring("train"):
        from pellucid.training import recipes

    shipped = [recipes.find(name) for name in recipes.names()]
    if options.json:
        print(as_json([recipe.to_dict() for recipe in shipped], indent=1))
        return 0
    for recipe in shipped:
        print(f"{recipe.name:<20} {recipe.summary}")
    return 0
