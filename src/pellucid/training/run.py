"""A training run, from the request to the files that it writes: the recipe is adapted, images are read, outputs written."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from pellucid import saving
from pellucid.errors import OptionError, PellucidError
from pellucid.families import FAMILIES, names
from pellucid.images import Range
from pellucid.training import export, feed, figures, looks, loop, page, recipes, rounding, scoring, tensorboard, trimming
from pellucid.training.batches import make_batch
from pellucid.training.cache import Store
from pellucid.training.export import Outputs
from pellucid.training.loop import Progress, Run
from pellucid.training.networks import Unet
from pellucid.training.pictures import Pictures, channels_of, load, load_named, load_noisy, load_pairs
from pellucid.training.recipes import Recipe
from pellucid.training.scoring import Scores
from pellucid.training.survey import Kind

__all__ = ["Ready", "Request", "finish", "is_first", "prepare", "round_off", "train", "trim"]

Places = Path | tuple[tuple[str, Path], ...]

TRIM_STEPS, TRIM_BATCH = 40, 8
"""The batches, and the crops in each, that show which channels are idle."""

INT8_STEPS = 16
"""The batches, as large, that show the ranges of the layers of eight bits."""

TRIM_DRAWN = 0.25
"""The pixels of drawn pictures beside the others, as a share of theirs."""


@dataclass(frozen=True)
class Request:
    """The options of a run, as `docs/training.md` explains them; None: the recipe's own value.

    ``recipe`` is a shipped recipe's name or a TOML file. The training images are one of ``images`` (clean), ``sources`` (named
    sources, each with a place; one may have several), ``pairs`` (one or two places, see `survey.match`) and ``noisy``; ``valid``
    are the held-out images, in the same form, and ``held_out`` is their share where ``valid`` is not given; ``cache`` is the most
    that decoded images may take on disk, in bytes (see `cache.Store`). At most one of ``minutes``, ``epochs`` and ``steps`` is
    given. ``out`` is the model's file, ``start`` the model or file whose weights the run begins from. ``workers`` as of
    `loop.train`. ``tensorboard`` is the folder of logs, in which this run has a folder of the model's name. Raises `OptionError`
    for options that do not go together.
    """

    recipe: str
    images: Path | None = None
    sources: tuple[tuple[str, Path], ...] = ()
    pairs: tuple[Path, ...] = ()
    noisy: Path | None = None
    valid: tuple[Path, ...] = ()
    held_out: float | None = None
    value_range: Range = "auto"
    cache: int | None = None
    channels: int | None = None
    patience: int | None = None
    minutes: float | None = None
    epochs: float | None = None
    steps: int | None = None
    out: Path | None = None
    start: Path | None = None
    resume: bool = False
    seed: int = 0
    device: str = "auto"
    workers: int | None = None
    overwrite: bool = False
    tensorboard: Path | None = None

    def __post_init__(self) -> None:
        if self.images is not None and self.sources:
            raise OptionError("--images: give one place, or NAME=PLACE for each of several sources")
        given = [name for name in ("images", "pairs", "noisy") if getattr(self, name) or (name == "images" and self.sources)]
        if len(given) > 1:
            raise OptionError(
                f"--{given[0]} and --{given[1]}: give one of these options: training images are clean, or pairs, or noisy"
            )
        for name, places, most in (("pairs", self.pairs, 2), ("valid", self.valid, 2 if self.pairs else 1)):
            if len(places) > most:
                raise OptionError(f"--{name} takes {'one or two places' if most == 2 else 'one folder'}, not {len(places)}")
        if not 0 <= self.seed < 2**63:
            raise OptionError(f"--seed takes whole numbers from 0 to 2**63 - 1, not {self.seed}")
        if self.workers is not None:
            feed.check(self.workers)
        if self.valid and self.held_out is not None:
            raise OptionError(
                "--valid and --held-out: held-out images come from a folder of their own or are a share of the others"
            )

    @property
    def kind(self) -> str:
        """The option that names the training images; ``images`` where none does."""
        return "pairs" if self.pairs else "noisy" if self.noisy is not None else "images"

    @property
    def source(self) -> Path | None:
        """The first place of training images."""
        return self.pairs[0] if self.pairs else self.noisy or self.images


@dataclass(frozen=True)
class Ready:
    """A run about to begin: the adapted ``recipe``, the ``pictures``, the weights to begin with, and the paths of the outputs.

    ``overwrite`` allows replacing outputs that exist: the request allows it, or an earlier part of this run wrote them.
    """

    request: Request
    recipe: Recipe
    pictures: Pictures
    start: dict[str, torch.Tensor] | None
    paths: Outputs
    overwrite: bool


def prepare(request: Request, *, tell: Callable[[str], None] | None = None) -> Ready:
    """Adapts the recipe to the request and reads the images; ``tell`` is called with a line of progress where that takes long.

    Raises `OptionError` for options that do not go together and where an output exists, `TrainingError` for images that nothing can
    be learnt from, `FileError` for files that cannot be read.
    """
    store = Store(budget=request.cache)
    if tell is not None and is_first():
        store = replace(store, tell=tell)
    recipe, start = _adapted(request, store)
    out = request.out or Path(f"{recipe.name}.onnx")
    if out.suffix != ".onnx":
        raise OptionError(f"--out {out}: the model's file name must end in .onnx")
    saving.check_folder(out)
    paths = Outputs.beside(out)
    taken = [path for path in paths.results if saving.exists(path)]
    # A run that was stopped has left its first results: the same run may replace them.
    overwrite = request.overwrite or (request.resume and paths.checkpoint.exists())
    if taken and not overwrite:
        raise OptionError(f"{taken[0]} exists; --force overwrites it, --out names another place")
    if request.tensorboard is not None:
        tensorboard.check()
        logs = request.tensorboard / out.stem
        if logs.exists() and not overwrite:
            raise OptionError(f"{logs} exists; --force adds logs that TensorBoard shows instead, --out names another model")
    return Ready(request, recipe, _read(request, recipe, store), start, paths, overwrite)


def is_first() -> bool:
    """Whether this process prints and writes: the first of those that torchrun has started together."""
    return os.environ.get("RANK", "0") == "0"


def _adapted(request: Request, store: Store) -> tuple[Recipe, dict[str, torch.Tensor] | None]:
    """The recipe with the request's values, and the weights to begin with."""
    recipe = recipes.find(request.recipe)
    if recipe.data.kind == "digits" and request.kind != "images":
        raise OptionError(f"--{request.kind}: recipe {recipe.name} learns from digits; 'own' and 'photo' learn from pictures")
    begun = str(request.start)
    # The images decide which file of a family to begin from, and how many channels a network for noisy images has.
    by_data = request.kind != "images" or (request.images is not None and begun in FAMILIES)
    channels = request.channels
    if channels is None and by_data and request.source is not None:
        learnt: Kind = "pairs" if request.pairs else "noisy" if request.noisy is not None else "clean"
        places = request.pairs or (request.source,)
        channels = channels_of(learnt, places, recipe.data, value_range=request.value_range, store=store)
    if channels is not None:
        recipe = recipes.with_channels(recipe, channels)
    start = None
    if request.start is not None:
        card, start = export.beginning(begun, recipe.data.channels)
        if card is not None and begun in (*FAMILIES, *names()):
            recipe = recipes.with_network_of(recipe, Recipe.from_dict(card.recipe))
        if card is not None:
            start = export.for_planes(start, card, recipe)
    if request.held_out is not None:
        recipe = replace(recipe, data=replace(recipe.data, held_out=request.held_out))
    if request.patience is not None:
        recipe = replace(recipe, training=replace(recipe.training, patience=request.patience))
    if start is not None and recipe.training.tuning_rate:
        recipe = replace(recipe, training=replace(recipe.training, rate=recipe.training.tuning_rate))
    length = recipe.training.lasting(minutes=request.minutes, epochs=request.epochs, steps=request.steps)
    return replace(recipe, training=length), start


def _read(request: Request, recipe: Recipe, store: Store) -> Pictures:
    """The images, split into those to learn from and those held out."""
    values = request.value_range
    if request.pairs:
        return load_pairs(request.pairs, recipe.data, recipe.task, valid=request.valid, value_range=values, store=store)
    valid = request.valid[0] if request.valid else None
    if recipe.task.named and request.noisy is None:
        named = " ".join(f"--images {source}=PLACE" for source in recipe.task.named)
        if valid is not None:
            raise OptionError("--valid: a share of each named source is held out (--held-out)")
        if request.images is not None and recipe.data.kind != "digits" and len(recipe.task.named) > len(recipe.task.optional) + 1:
            raise OptionError(f"--images {request.images}: recipe {recipe.name} learns from several sources: {named}")
        places = request.sources if request.images is None else ((recipe.task.named[0], request.images),)
        return load_named(places, recipe.data, recipe.task, value_range=values, store=store)
    if request.sources:
        raise OptionError(f"--images {request.sources[0][0]}=: recipe {recipe.name} has no named sources; give one place alone")
    if request.noisy is not None:
        return load_noisy(request.noisy, recipe.data, recipe.task, valid=valid, value_range=values, store=store)
    look = request.images is not None and recipe.data.kind == "images"
    return load(request.images, recipe.data, valid=valid, value_range=values, look=look, store=store, around=recipe.task.around)


def train(ready: Ready, *, on_progress: Callable[[Progress], None] | None = None) -> Run:
    """Trains by `loop.train` with the request's values; ``on_progress`` is called with every line of the history."""
    request = ready.request
    log = None
    if request.tensorboard is not None and is_first():
        log = tensorboard.Log(request.tensorboard / ready.paths.model.stem, ready.recipe, ready.pictures, resumed=request.resume)

    def tell(line: Progress) -> None:
        if log is not None:
            log.progress(line)
        if on_progress is not None:
            on_progress(line)

    with closing(log) if log is not None else nullcontext():
        return loop.train(
            ready.recipe,
            ready.pictures,
            checkpoint=ready.paths.checkpoint,
            device=request.device,
            workers=request.workers,
            seed=request.seed,
            resume=request.resume,
            start=ready.start,
            on_progress=tell,
            on_validated=log.validated if log is not None else None,
        )


def finish(ready: Ready, run: Run) -> Iterator[Path | str | Scores]:
    """Writes the run's files; yields each path as soon as it is written, lines for the user, and the model's scores.

    Weights come first, so that no later failure can lose them. If several processes train together, only the first one writes.
    """
    recipe, pictures, paths = ready.recipe, ready.pictures, ready.paths
    begun_from = ready.request.start.name if ready.request.start is not None else None
    card = export.card_of(recipe, pictures, run, paths.model.stem, begun_from=begun_from)
    export.save_weights(paths.weights, card, run.network.state_dict())
    if run.diverged:
        kept = f"of its best step, {run.best_step}" if run.best_step else "that the run began from: no step was better"
        over = f"step {run.diverged}: the loss is not a number, so the run ended"
        yield f"{over}; the model has the weights {kept}; a lower training.rate may help"
    if run.best_step != run.steps and not run.diverged:
        export.save_weights(paths.last, card, run.last)
        yield f"the best step was {run.best_step}; {paths.last} has the last step's weights"
    else:
        # It may be there from an earlier run that this one replaces.
        paths.last.unlink(missing_ok=True)
    if run.stalled:
        yield f"{recipe.training.patience} validations in a row brought no better score: the run ended early"
    yield from figures.draw(run, recipe, pictures, paths)
    yield paths.weights
    written = export.can_write_models()
    if written:
        export.write_model(paths.model, card, run.network, overwrite=ready.overwrite)
        yield paths.model
    else:
        yield f"ONNX is not installed here; 'pellucid export {paths.weights}' makes the model on a machine that has it"
    if run.finished:
        paths.checkpoint.unlink(missing_ok=True)
    else:
        yield f"stopped early; --resume goes on from {paths.checkpoint}"
    scores, unscored = None, "Without ONNX no model was written, so none was scored."
    if written:
        scores, unscored = _scored(ready)
    short = scoring.length(run, recipe.validated)
    if scores is not None:
        scores = replace(scores, notes=(*scores.notes, *short))
        card = scores.on(card)
        export.write_card(paths.model, card)
        export.save_weights(paths.weights, card, run.network.state_dict())
        yield scores
        yield from scores.notes
    else:
        yield unscored
        yield from short
    page.write(paths.page, card, run, recipe, pictures, scores, unscored)
    yield paths.page


def _scored(ready: Ready) -> tuple[Scores | None, str]:
    """The scores of the model that was written, or the reason why there are none."""
    start = ready.request.start
    begun = str(start) if start is not None else ""
    is_model = begun in (*FAMILIES, *names()) or begun.endswith(".onnx")
    try:
        scores = scoring.score(ready.paths.model, ready.pictures, ready.recipe, begun_from=begun if is_model else None)
    except PellucidError as error:
        return None, f"the model is not scored: {error}"
    return scores, (
        "the model is not scored: no image is clean, and there is an estimate for white noise without impulses alone, and for "
        "models that take its level"
    )


def trim(source: Path, out: Path, places: Places, *, overwrite: bool = False) -> Scores | None:
    """Writes the model of a weights file or model, ``source``, without the channels that are idle (`trimming.trimmed`) on pictures
    in ``places``, those that its recipe learns from; the scores of both on the held-out ones, as of `scoring.score`.

    Raises `OptionError` for a network that has no such channels, and as `prepare` does.
    """
    return _remade("--trim", trimming.trimmed, TRIM_STEPS, source, out, places, overwrite)


def round_off(source: Path, out: Path, places: Places, *, overwrite: bool = False) -> Scores | None:
    """The same in eight bits (`rounding.rounded`), with the ranges of its layers on such pictures."""
    return _remade("--int8", rounding.rounded, INT8_STEPS, source, out, places, overwrite)


def _remade(
    option: str,
    remake: Callable[[Unet, Iterable[torch.Tensor]], Unet],
    steps: int,
    source: Path,
    out: Path,
    places: Places,
    overwrite: bool,
) -> Scores | None:
    card, weights = export.load_weights(source)
    network = export.network_of(card, weights)
    if not isinstance(network, Unet):
        raise OptionError(f"{option}: {source} has a network of kind {card.spec.get('name')!r}; it must be of kind 'unet'")
    recipe = recipes.Recipe.from_dict(card.recipe)
    images, sources = (places, ()) if isinstance(places, Path) else (None, places)
    pictures = _read(Request(recipe=recipe.name, images=images, sources=sources), recipe, Store())
    small = replace(recipe, training=replace(recipe.training, batch=TRIM_BATCH))
    shown = _and_drawn(pictures, recipe) if pictures.kind == "clean" and recipe.data.kind == "images" else pictures
    batches = (make_batch(shown, small, 0, step) for step in range(steps))
    made = remake(network, (looks.planes_of(batch, network, torch.device("cpu"))[0] for batch in batches))
    recipe = replace(recipe, network=made.spec)
    card = replace(
        card,
        name=out.stem,
        parameters=sum(weight.numel() for weight in made.parameters()),
        spec={"name": made.spec.network, **asdict(made.spec)},
        recipe=recipe.to_dict(),
        # Those of the model before are not its own.
        scores={},
    )
    export.write_model(out, card, made, overwrite=overwrite)
    scores = scoring.score(out, pictures, recipe, begun_from=str(source) if source.suffix == ".onnx" else None)
    if scores is not None:
        export.write_card(out, scores.on(card))
    return scores


def _and_drawn(pictures: Pictures, recipe: Recipe) -> Pictures:
    """The pictures, and drawn ones beside them."""
    rng, side = np.random.default_rng(0), 2 * recipe.data.patch
    pixels = sum(picture.shape[0] * picture.shape[1] for picture in pictures.train)
    drawn = [trimming.pattern(side, recipe.data.channels, rng) for _ in range(math.ceil(TRIM_DRAWN * pixels / side**2))]
    return replace(pictures, train=(*pictures.train, *drawn))
