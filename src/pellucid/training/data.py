"""Training data: images decoded once into the cache, and batches that are a pure function of seed and step.

There are three kinds of it: clean images, which are spoiled here; pairs of a noisy and a clean image; and noisy images alone. Of
the last, each half-size picture that is made of one pixel of every 2x2 cell learns to foretell another one made of their
neighbours, whose noise is independent of its own (Huang et al. 2021, "Neighbor2Neighbor: Self-Supervised Denoising from
Single Noisy Images").

Because a batch depends on nothing but (seed, step), any number of them may be prepared ahead (`pellucid.training.feed`), and a run
that is resumed sees the same ones as a run that never stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import degradations, files, images, samples
from pellucid.answering import Told
from pellucid.cards import TrainingImages
from pellucid.diagnosis import Diagnosis
from pellucid.errors import FileError, OptionError, TrainingError
from pellucid.images import Range
from pellucid.tasks import Denoise, Pair, Task
from pellucid.training import cache, mnist, photos, survey
from pellucid.training.cache import Form, Source, Store
from pellucid.training.recipes import Data, Recipe
from pellucid.training.survey import Facts, Kind, Look, Seen

__all__ = [
    "Batch",
    "Neighbours",
    "Pictures",
    "channels",
    "load",
    "load_noisy",
    "load_pairs",
    "make_batch",
    "pack",
    "shown",
    "stack",
    "validation_batches",
]

Levels = NDArray[np.uint8]
Depth = NDArray[Any]
Planes = NDArray[np.float32]

PACK_MANIFEST = "pellucid-pack.json"


NEIGHBOURS = np.array([(0, 1), (0, 2), (1, 0), (1, 3), (2, 0), (2, 3), (3, 1), (3, 2)])
"""The two pixels of a 2x2 cell (0 and 1 above, 2 and 3 below) that touch by a side, in either order."""


@dataclass(frozen=True)
class Shot:
    """A noisy picture, (height, width, channels), and the noise that was found in all of it."""

    levels: Depth
    found: Diagnosis


@dataclass(frozen=True)
class Pictures:
    """Decoded images, (height, width, channels) each, and where they come from.

    Of ``kind`` clean and pairs, ``train`` and ``valid`` are clean, of noisy they are noisy. ``shots`` and ``valid_shots`` are the
    noisy ones of both, in the same order; clean images have none. ``found`` is what a look at them said. Clean images are uint8; of
    the others each has its file's depth: uint8, uint16, or float32 in the file's units of black to white. All but digits lie in
    files (see `pellucid.training.cache`), are read as they are drawn, and cannot be written to.
    """

    names: tuple[str, ...]
    train: tuple[Depth, ...]
    valid: tuple[Depth, ...]
    origin: tuple[TrainingImages, ...]
    notes: tuple[str, ...] = ()
    kind: Kind = "clean"
    shots: tuple[Shot, ...] = ()
    valid_shots: tuple[Shot, ...] = ()
    found: Look | None = None

    @cached_property
    def chances(self) -> NDArray[np.float64] | None:
        """How often each image is drawn, in proportion to its pixels; None where all are of one size."""
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.train], dtype=np.float64)
        return None if np.ptp(areas) == 0 else areas / areas.sum()


@dataclass(frozen=True)
class Neighbours:
    """What a batch of noisy images was made of: ``whole`` (n, channels + maps, 2h, 2w), float32, and which pixel of each 2x2 cell
    ``first`` became the input's and ``second`` the target's: (n, h, w), int64, 0 to 3."""

    whole: Planes
    first: NDArray[np.int64]
    second: NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """``input`` (n, channels + maps, h, w) and ``target`` (n, channels, h, w), or larger by the task's factor; float32.

    ``enlarged``, of the target's shape, is what a residual is taken from where that is not what is seen.

    Where no image is clean, one of two more says how the network learns all the same: ``neighbours``, or ``probe``, standard normal
    noise of the target's shape. ``again`` (n,) says which examples the network is shown by its own first answer to them
    (`pellucid.training.looks`).
    """

    input: Planes
    target: Planes
    enlarged: Planes | None = None
    neighbours: Neighbours | None = None
    probe: Planes | None = None
    again: tuple[bool, ...] = ()

    @property
    def base(self) -> Planes:
        """What a residual is taken from, of the target's shape."""
        return self.input[:, : self.target.shape[1]] if self.enlarged is None else self.enlarged


# -- reading ----------------------------------------------------------------------------------------------------------


def load(
    source: Path | None,
    data: Data,
    *,
    valid: Path | None = None,
    value_range: Range = "auto",
    look: bool = False,
    store: Store | None = None,
) -> Pictures:
    """The clean images that ``source`` holds, split into training and held-out ones; or the latter from ``valid``.

    ``source`` is a folder of pictures, a pack (see `pack`), a folder of MNIST's IDX files, or None: what ``pellucid fetch`` has put
    into the user's cache; for digits, where there is nothing, those in the package. ``value_range`` says which values of files are
    black and white, as of `pellucid.files.read`; ``look`` asks for a look at them; decoded images are kept in ``store``.
    Raises `TrainingError` when there are too few, `FileError` when ``source`` cannot be read or the store cannot be written.
    """
    if data.kind == "digits":
        if valid is not None:
            raise OptionError("--valid: a recipe for digits holds out the last of them")
        return _digits(source, data)
    if source is None:
        source = photos.cached()
    if source is None:
        raise TrainingError(
            "this recipe learns from photographs: 'pellucid fetch photos' brings some, or name your own with --images"
        )
    sources, notes = _sources(source, value_range)
    others, more = _sources(valid, value_range) if valid is not None else ([], [])
    seen, unread = _opened([*sources, *others], _form("clean", data, value_range), store)
    notes += [*more, *unread]
    named = _readable(seen[: len(sources)])
    if not named:
        raise TrainingError(f"{source}: no image in it that can be read")
    fitting, small = survey.usable(named, data.patch, str(source))
    notes += small
    if valid is None:
        learnt, held_out = _split(fitting, data)
        if not held_out:
            raise TrainingError(f"{source}: one image is too few; validation needs a second one")
    else:
        held_out, small = survey.usable(_readable(seen[len(sources) :]), data.patch, str(valid))
        learnt, notes = fitting, [*notes, *small]
    names = [picture.name for picture in learnt]
    train = [_in_channels(scaled, data.channels) for picture in learnt for scaled in _at_scales(picture, data)]
    if not train:
        raise TrainingError(f"{source}: no image is as large as a patch of {data.patch} pixels at the scales {data.scales}")
    found = None
    if look:
        some = learnt[:: max(1, len(learnt) // survey.INSPECTED)]
        rest = [picture for picture in learnt if not any(picture is one for one in some)]
        found = survey.look("clean", [*some, *rest], held_out, survey.inspected(some))
    kept = tuple(_in_channels(picture.levels, data.channels) for picture in held_out)
    return Pictures(tuple(names), tuple(train), kept, _origin(names, data, source.name), tuple(notes), found=found)


def load_pairs(
    places: Sequence[Path],
    data: Data,
    task: Task,
    *,
    valid: Sequence[Path] = (),
    value_range: Range = "auto",
    store: Store | None = None,
) -> Pictures:
    """Pairs of a noisy and a clean image, split into training and held-out ones, or the latter from ``valid``.

    ``places`` and ``valid`` as of `survey.match`. Whoever restores tells the network what is found in an image: so it is told here.
    Raises `TrainingError` when there are too few, `FileError` when a place cannot be read.
    """
    task = _denoising(task)
    matched, notes = survey.match(places)
    matched_valid, more = survey.match(valid) if valid else ([], [])
    paths = [path for pair in (*matched, *matched_valid) for path in pair]
    seen, unread = _opened([cache.source(path, value_range) for path in paths], _form("pairs", data, value_range), store)
    couples = list(zip(seen[::2], seen[1::2], strict=True))
    notes += [*more, *unread]
    pairs = _pairs(couples[: len(matched)], places[0], data, notes)
    if valid:
        held_out = _pairs(couples[len(matched) :], valid[0], data, notes)
    else:
        _, out = _split([noisy for noisy, _ in pairs], data)
        if not out:
            raise TrainingError(f"{places[0]}: one pair is too few; validation needs a second one")
        chosen = {id(picture) for picture in out}
        held_out = [pair for pair in pairs if id(pair[0]) in chosen]
        pairs = [pair for pair in pairs if id(pair[0]) not in chosen]
    train, clean = [noisy for noisy, _ in pairs], [clean for _, clean in pairs]
    others, clean_others = [noisy for noisy, _ in held_out], [clean for _, clean in held_out]
    shots, valid_shots = _shots(train, data), _shots(others, data)
    found = survey.look("pairs", train, others, [shot.found for shot in shots], [*clean, *clean_others], told="sigma" in task.maps)
    names = tuple(picture.name for picture in train)
    return Pictures(
        names,
        tuple(_in_channels(picture.levels, data.channels) for picture in clean),
        tuple(_in_channels(picture.levels, data.channels) for picture in clean_others),
        _origin(list(names), data, places[0].name),
        tuple(notes),
        "pairs",
        shots,
        valid_shots,
        found,
    )


def load_noisy(
    source: Path, data: Data, task: Task, *, valid: Path | None = None, value_range: Range = "auto", store: Store | None = None
) -> Pictures:
    """Noisy images without clean ones, split into training and held-out ones, or the latter from ``valid``; of one alone, its lower
    edge is held out.

    Raises `TrainingError` when there is nothing to learn from, `FileError` when ``source`` cannot be read.
    """
    task = _denoising(task)
    sources = [_noisy_sources(place, value_range) for place in (source, valid) if place is not None]
    seen, notes = _opened([entry for part in sources for entry in part], _form("noisy", data, value_range), store)
    train, small = survey.usable(_readable(seen[: len(sources[0])]), data.patch, str(source))
    notes += small
    if valid is not None:
        held_out, small = survey.usable(_readable(seen[len(sources[0]) :]), data.patch, str(valid))
        notes += small
    else:
        train, held_out = _split(train, data)
        if not held_out:
            train, held_out = _parted(train[0], data)
    shots, valid_shots = _shots(train, data), _shots(held_out, data)
    found = survey.look("noisy", train, held_out, [shot.found for shot in shots], told="sigma" in task.maps)
    names = tuple(picture.name for picture in train)
    return Pictures(
        names,
        tuple(shot.levels for shot in shots),
        tuple(shot.levels for shot in valid_shots),
        _origin(list(names), data, source.name),
        tuple(notes),
        "noisy",
        shots,
        valid_shots,
        found,
    )


def channels(
    kind: Kind, places: Sequence[Path], data: Data, *, value_range: Range = "auto", store: Store | None = None
) -> Literal[1, 3]:
    """1 where all images of a folder (of pairs: the noisy ones) are gray, else 3; what cannot be read does not count.

    ``places`` are one, or of pairs as of `survey.match`. What is decoded for that is kept for whoever loads them.
    """
    if kind == "pairs":
        sources = [cache.source(noisy, value_range) for noisy, _ in survey.match(places)[0]]
    else:
        sources = _noisy_sources(places[0], value_range) if kind == "noisy" else _sources(places[0], value_range)[0]
    # Most folders of colour pictures show it in the first one: then the others are decoded when it is known what they are for.
    for part in (sources[:1], sources):
        seen, _ = cache.opened(part, replace(_form(kind, data, value_range), gray=False), store or Store())
        if any(picture.facts.coloured for picture in _readable(seen)):
            return 3
    return 1


def _form(kind: Kind, data: Data, value_range: Range) -> Form:
    """What is kept of each image."""
    if kind == "clean":
        return Form(True, data.channels == 1, data.scales, data.patch, value_range)
    return Form(False, data.channels == 1, value_range=value_range)


def _opened(sources: Sequence[Source], form: Form, store: Store | None) -> tuple[list[Seen | None], list[str]]:
    """Each image, None for those that cannot be read; a line for each of these, and lines about all of them."""
    seen, notes = cache.opened(sources, form, store or Store())
    problems = [entry for entry in seen if isinstance(entry, str)]
    return [None if isinstance(entry, str) else entry for entry in seen], [*problems, *notes]


def _readable(seen: Sequence[Seen | str | None]) -> list[Seen]:
    return [entry for entry in seen if isinstance(entry, Seen)]


def _pairs(
    couples: Sequence[tuple[Seen | None, Seen | None]], place: Path, data: Data, notes: list[str]
) -> list[tuple[Seen, Seen]]:
    """The pairs that can be learnt from; a line for each other image goes to ``notes``."""
    pairs: list[tuple[Seen, Seen]] = []
    for noisy, clean in couples:
        if noisy is None or clean is None:
            continue
        if noisy.facts.size != clean.facts.size:
            sizes = " and ".join(f"{seen.facts.size[1]}x{seen.facts.size[0]}" for seen in (noisy, clean))
            notes.append(f"left out: {noisy.name}: noisy and clean are of different sizes, {sizes}")
            continue
        pairs.append((noisy, clean))
    if not pairs:
        why = f"; {notes[-1].removeprefix('left out: ')}" if notes else ""
        raise TrainingError(f"{place}: no pair to learn from{why}")
    everyone, _ = survey.usable([seen for pair in pairs for seen in pair], data.patch, str(place))
    fitting = {id(seen) for seen in everyone}
    small = [noisy.name for noisy, _ in pairs if id(noisy) not in fitting]
    notes += [f"left out: {name}: smaller than the patch of {data.patch} pixels" for name in small]
    return [pair for pair in pairs if id(pair[0]) in fitting]


def _noisy_sources(place: Path, value_range: Range) -> list[Source]:
    """The images of a folder, or one."""
    paths = [place] if place.is_file() else files.list_images(place)
    if not paths:
        raise TrainingError(f"{place}: no images")
    return [cache.source(path, value_range) for path in paths]


def _split(pictures: Sequence[Seen], data: Data) -> tuple[list[Seen], list[Seen]]:
    """Those to learn from and those held out; nothing is held out of one alone."""
    train = [picture for picture in pictures if not is_held_out(picture.name, data)]
    valid = [picture for picture in pictures if is_held_out(picture.name, data)]
    # A handful of images: the hash picked none, or all. The last one (by name) is kept out, so that validation is honest.
    if len(pictures) > 1 and not valid:
        valid = [train.pop()]
    elif not train:
        train = [valid.pop(0)]
    return train, valid


def _parted(picture: Seen, data: Data) -> tuple[list[Seen], list[Seen]]:
    """One image in two: its lower edge, a patch high or the share that is held out, is not learnt from."""
    height = picture.levels.shape[0]
    edge = max(data.patch, round(height * data.held_out))
    if height - edge < data.patch:
        raise TrainingError(f"{picture.name}: one image of {height} rows is too few; two patches of {data.patch} are needed")
    upper, lower = (
        Seen(name, levels, Facts.of(levels, picture.facts.ends))
        for name, levels in (
            (picture.name, picture.levels[: height - edge]),
            (f"{picture.name} (lower edge)", picture.levels[height - edge :]),
        )
    )
    return [upper], [lower]


def _shots(pictures: Sequence[Seen], data: Data) -> tuple[Shot, ...]:
    shots = [replace(seen, levels=_in_channels(seen.levels, data.channels)) for seen in pictures]
    return tuple(Shot(seen.levels, found) for seen, found in zip(shots, survey.inspected(shots), strict=True))


def is_held_out(name: str, data: Data) -> bool:
    """Whether an image of that file name is kept for validation."""
    stem = Path(name).stem
    draw = int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4]) / 2**32
    return draw < data.held_out or any(word in stem for word in data.hold_out)


def _at_scales(picture: Seen, data: Data) -> list[Depth]:
    """The picture at each of the recipe's scales where a patch still fits into it; at scale 1 always."""
    copies = {1.0: picture.levels, **dict(picture.smaller)}
    return [copies[scale] for scale in data.scales if scale in copies]


def _in_channels(levels: Depth, channels: int) -> Depth:
    """(h, w, channels): a gray picture stands for all channels, and takes no more memory than it did."""
    return np.broadcast_to(levels, (*levels.shape[:2], channels))


def _origin(names: list[str], data: Data, folder: str) -> tuple[TrainingImages, ...]:
    counts: dict[tuple[str, str], int] = {}
    for name in names:
        credit = next((entry for entry in data.credits if entry.match in name), None)
        key = (credit.source, credit.licence) if credit else (f"images of {folder!r}", "not stated")
        counts[key] = counts.get(key, 0) + 1
    return tuple(TrainingImages(source, count, licence) for (source, licence), count in counts.items())


def _sources(place: Path, value_range: Range) -> tuple[list[Source], list[str]]:
    """The images of a folder or a pack, and what is to be said of them."""
    if not place.is_file():
        return [cache.source(path, value_range) for path in files.list_images(place)], []
    try:
        # Open as long as one of its images may be read.
        archive = zipfile.ZipFile(place)
        names = sorted(name for name in archive.namelist() if name != PACK_MANIFEST)
        manifest = json.loads(archive.read(PACK_MANIFEST))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FileError(f"{place}: not a pack of images ('pellucid pack' makes one): {error}") from error

    def read(name: str) -> Seen:
        try:
            with archive.open(name) as content, PillowImage.open(content) as picture:
                levels = np.asarray(picture)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise FileError(f"{place}: {name}: {error}") from error
        levels = levels[..., None] if levels.ndim == 2 else levels
        return Seen(name, levels, Facts.of(levels, (0.0, None)))

    whole = cache.identity(place)
    return [Source(name, (*whole, name), partial(read, name)) for name in names], [f"{place.name}: {manifest['stored']}"]


def _digits(source: Path | None, data: Data) -> Pictures:
    notes: tuple[str, ...] = ()
    if source is None:
        source = mnist.cached()
    if source is None:
        digits, _ = samples.digits()
        notes = (f"the {len(digits)} digits in the package; 'pellucid fetch mnist' or --images FOLDER brings all of MNIST",)
    else:
        digits = files.load_mnist(source)["train_images"]
    kept = len(digits) - round(len(digits) * data.held_out)
    pictures = tuple(_in_channels(digit[..., None], data.channels) for digit in digits)
    origin = _origin([f"mnist-{index}" for index in range(kept)], data, "digits")
    return Pictures(("mnist",), pictures[:kept], pictures[kept:], origin, notes)


# -- batches ----------------------------------------------------------------------------------------------------------


def make_batch(pictures: Pictures, recipe: Recipe, seed: int, step: int, rank: int = 0) -> Batch:
    """Batch number ``step`` of process ``rank``: crops, flips and noise drawn from (seed, step, rank) alone."""
    rng = np.random.default_rng([seed, rank, step])
    data = recipe.data
    # Of a noisy crop, nobody can say whether it is detail or noise that it has more of.
    detail = 1 if pictures.kind == "noisy" else data.detail
    count, size = len(pictures.train), recipe.training.batch * detail
    if pictures.chances is None:
        # Images of one size are drawn without repetition within an epoch.
        places = range(step * size, (step + 1) * size)
        chosen = np.array([_order(count, seed, rank, place // count)[place % count] for place in places])
    else:
        chosen = rng.choice(count, size=size, p=pictures.chances)
    rounds = chosen.reshape(-1, detail)
    if pictures.kind == "noisy":
        return _without_clean([_pair_of(pictures.shots[index], None, recipe, rng) for index in chosen], recipe, rng)
    if pictures.kind == "pairs":
        drawn_pairs = ([_pair_of(pictures.shots[index], pictures.train[index], recipe, rng) for index in drawn] for drawn in rounds)
        return stack([max(drawn, key=lambda pair: _detail(pair.clean)) for drawn in drawn_pairs])
    crops = [max((_crop(pictures.train[index], data, rng) for index in drawn), key=_detail) for drawn in rounds]
    task = recipe.task.of_batch(step)
    return stack([_pair(crop, task, data, rng) for crop in crops])


def _pair(crop: Planes, task: Task, data: Data, rng: np.random.Generator) -> Pair:
    """A training example; of a share of them, as the recipe says, a gray one in all channels."""
    if data.gray and rng.random() < data.gray:
        return _in_all_channels(task.pair(images.gray(crop), rng), data.channels)
    return task.pair(crop, rng)


def _in_all_channels(pair: Pair, channels: int) -> Pair:
    """A gray example for a network of so many channels, as the restorer shows it gray images."""
    image, clean = (planes.repeat(channels, axis=2) for planes in (pair.image, pair.clean))
    base = image if pair.base is pair.image else pair.base.repeat(channels, axis=2)
    return replace(pair, image=image, clean=clean, base=base)


@lru_cache(maxsize=4)
def _order(count: int, seed: int, rank: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, rank, epoch, count]).permutation(count)


def _crop(picture: Depth, data: Data, rng: np.random.Generator) -> Planes:
    return _cut(picture.shape, data, rng)(picture)


def _cut(shape: tuple[int, ...], data: Data, rng: np.random.Generator) -> Callable[[Depth], Planes]:
    """The same crop, turned and mirrored in the same way, of any picture of that shape."""
    height, width = shape[:2]
    side = data.patch
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    turns, mirrored = (int(rng.integers(4)), int(rng.integers(2))) if data.augment else (0, 0)

    def cut(picture: Depth) -> Planes:
        # Contiguous: gray that stands for all channels has them in one place.
        crop = np.rot90(np.ascontiguousarray(picture[top : top + side, left : left + side]), turns)
        return survey.floats(crop[:, ::-1] if mirrored else crop)

    return cut


def _pair_of(shot: Shot, clean: Depth | None, recipe: Recipe, rng: np.random.Generator) -> Pair:
    """A crop of a noisy picture, and of its clean one; of the noisy one itself where there is none."""
    cut = _cut(shot.levels.shape, recipe.data, rng)
    noisy = cut(shot.levels)
    return _as_found(noisy, noisy if clean is None else cut(clean), shot.found, recipe.task)


def _denoising(task: Task) -> Denoise:
    """The task of a recipe that learns from noisy pictures; `TrainingError` for another."""
    if not isinstance(task, Denoise):
        raise TrainingError(f"task {task.name} learns from clean pictures alone")
    return task


def shown(shot: Shot, window: tuple[slice, slice], task: Task, clean: Planes | None = None) -> Pair:
    """That part of a noisy picture as the network sees it; ``clean`` is the same part of the clean one, where there is one."""
    noisy = survey.floats(shot.levels[window])
    return _as_found(noisy, noisy if clean is None else clean, shot.found, task)


def _as_found(noisy: Planes, clean: Planes, found: Diagnosis, task: Task) -> Pair:
    """The example with what the restorer tells the network of noise that was found."""
    task = _denoising(task)
    # A network that never saw any is told of no impulses, and one that sees clean images beside clipped noise of no clipping.
    extremes = found.extremes if "impulses" in task.maps else None
    told = replace(Told.of(found), clipping=found.clipping if clean is noisy else None)
    return task.told(noisy, clean, found.impulse_density, extremes, told.sigma)


def _without_clean(pairs: list[Pair], recipe: Recipe, rng: np.random.Generator) -> Batch:
    """Noisy crops with what the recipe's loss of noisy images needs beside them."""
    if recipe.from_neighbours:
        return _neighbours(pairs, rng)
    batch = stack(pairs)
    return replace(batch, probe=rng.standard_normal(batch.target.shape, dtype=np.float32))


def _neighbours(pairs: list[Pair], rng: np.random.Generator) -> Batch:
    """Of each noisy crop one pixel of every 2x2 cell, drawn at random, and one that touches it by a side."""
    whole = stack(pairs)
    count, _, height, width = whole.input.shape
    drawn = NEIGHBOURS[rng.integers(len(NEIGHBOURS), size=(count, height // 2, width // 2))]
    first, second = drawn[..., 0], drawn[..., 1]
    target = _picked(whole.target, second)
    given = _picked(whole.input, first)
    return Batch(given, target, neighbours=Neighbours(whole.input, first, second))


def _picked(planes: Planes, which: NDArray[np.int64]) -> Planes:
    """Pixel number ``which`` (n, h, w) of every 2x2 cell of ``planes`` (n, c, 2h, 2w)."""
    count, channels, height, width = planes.shape
    cells = planes.reshape(count, channels, height // 2, 2, width // 2, 2).transpose(0, 1, 2, 4, 3, 5)
    flat = cells.reshape(count, channels, height // 2, width // 2, 4)
    return np.ascontiguousarray(np.take_along_axis(flat, which[:, None, :, :, None], axis=4)[..., 0])


def _detail(crop: Planes) -> float:
    """The mean absolute difference of neighbours, across and down."""
    return float(np.abs(np.diff(crop, axis=0)).mean() + np.abs(np.diff(crop, axis=1)).mean())


def stack(pairs: list[Pair]) -> Batch:
    """The pairs, all of one size, as a batch."""
    (height, width, channels), told = pairs[0].image.shape, pairs[0].maps.shape[2]
    given = np.empty((len(pairs), channels + told, height, width), dtype=np.float32)
    for place, pair in zip(given, pairs, strict=True):
        place[:channels] = pair.image.transpose(2, 0, 1)
        place[channels:] = pair.maps.transpose(2, 0, 1)
    target = _channels_first([pair.clean for pair in pairs])
    same = all(pair.base is pair.image for pair in pairs)
    enlarged = None if same else _channels_first([pair.base for pair in pairs])
    return Batch(given, target, enlarged, again=tuple(pair.again for pair in pairs))


def _channels_first(images: list[Planes]) -> Planes:
    """(n, c, h, w) of images (h, w, c)."""
    height, width, channels = images[0].shape
    planes = np.empty((len(images), channels, height, width), dtype=np.float32)
    for place, image in zip(planes, images, strict=True):
        place[:] = image.transpose(2, 0, 1)
    return planes


def validation_batches(pictures: Pictures, recipe: Recipe, *, most: int, side: int = 256) -> Iterator[tuple[str, Batch]]:
    """The held-out images under each validation noise, always the same: (noise, batch) in batches of one size each; of pairs and
    noisy images as they are, under that word.

    At most ``most`` images; larger ones are cropped to their middle ``side`` pixels. Image n has the noise of generator n.
    """
    chosen = pictures.valid[:most]
    for text in recipe.data.validation if pictures.kind == "clean" else (pictures.kind,):
        group: list[Pair] = []
        for index, picture in enumerate(chosen):
            window = _middle(picture, side, 16 if pictures.kind == "noisy" else 1)
            pixels = survey.floats(picture[window])
            if pictures.kind == "clean":
                pair = recipe.task.spoil(pixels, degradations.parse(text), np.random.default_rng(index))
            else:
                pair = shown(pictures.valid_shots[index], window, recipe.task, pixels)
            if group and (group[0].clean.shape != pair.clean.shape or len(group) * pair.clean.size >= 500_000):
                yield text, _validating(group, pictures.kind, recipe)
                group = []
            group.append(pair)
        if group:
            yield text, _validating(group, pictures.kind, recipe)


def _validating(pairs: list[Pair], kind: Kind, recipe: Recipe) -> Batch:
    return _without_clean(pairs, recipe, np.random.default_rng(len(pairs))) if kind == "noisy" else stack(pairs)


def _middle(picture: Depth, side: int, least: int) -> tuple[slice, slice]:
    """The window of the picture's middle, at most ``side`` pixels a side, of a size that networks take; small ones in steps of
    ``least``."""
    multiple = 64
    height, width = (min(side, size - size % (multiple if size >= multiple else least)) for size in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return slice(top, top + height), slice(left, left + width)


# -- packs ------------------------------------------------------------------------------------------------------------

# What a pack tries, best first: WebP lossless, then lossy at falling quality, then smaller pictures at the last of these.
PACK_QUALITIES: tuple[int | None, ...] = (None, 98, 95)
PACK_SCALES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


def pack(folder: Path, out: Path, *, megabytes: float, overwrite: bool = False) -> str:
    """Writes the images of ``folder`` into one file of at most ``megabytes`` (10**6 bytes); answers how they are stored.

    The pack is a zip of WebP pictures with a manifest that says what was done: lossless where that fits, else the mildest
    loss of the ladder above. Raises `FileError` when ``out`` exists, and `TrainingError` when even the last step is too large.
    """
    if out.exists() and not overwrite:
        raise FileError(f"{out} exists; --force overwrites it")
    paths = files.list_images(folder)
    if not paths:
        raise TrainingError(f"{folder}: no images to pack")
    budget = int(megabytes * 1e6)
    ladder = [(1.0, quality) for quality in PACK_QUALITIES] + [(scale, PACK_QUALITIES[-1]) for scale in PACK_SCALES[1:]]
    for scale, quality in ladder:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            # The first few tell the rest's size well enough to skip a hopeless step.
            sample = paths[:: max(1, len(paths) // 12)]
            guess = (
                sum(len(c) for c in pool.map(partial(_encoded, scale=scale, quality=quality), sample)) * len(paths) / len(sample)
            )
            if guess > 1.15 * budget:
                continue
            contents = list(pool.map(partial(_encoded, scale=scale, quality=quality), paths))
        how = "lossless" if quality is None else f"WebP quality {quality}"
        stored = f"{len(paths)} images, {how}" + (f", scaled by {scale:g} (Lanczos)" if scale < 1 else "")
        manifest = json.dumps({"stored": stored, "scale": scale, "quality": quality, "images": len(paths)})
        size = sum(len(content) + 2 * len(path.name) + 150 for content, path in zip(contents, paths, strict=True))
        if size + len(manifest) + 400 > budget:
            continue
        with (
            files.replacing(out, overwrite=overwrite) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
        ):
            archive.writestr(PACK_MANIFEST, manifest)
            for path, content in zip(paths, contents, strict=True):
                # A fixed date: the same folder packs to the same bytes.
                archive.writestr(zipfile.ZipInfo(f"{path.stem}.webp", (1980, 1, 1, 0, 0, 0)), content)
        return f"{stored}, {out.stat().st_size / 1e6:.1f} MB"
    raise TrainingError(f"{folder}: {len(paths)} images do not fit into {megabytes:g} MB even at a fifth of their size")


def _encoded(path: Path, scale: float, quality: int | None) -> bytes:
    try:
        levels = np.rint(np.clip(files.read(path).pixels, 0, 1) * 255).astype(np.uint8)
        picture = PillowImage.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
        if scale < 1:
            size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
            picture = picture.resize(size, PillowImage.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", lossless=quality is None, quality=quality or 100, method=4)
        return buffer.getvalue()
    except (OSError, ValueError) as error:
        raise FileError(f"{path}: cannot be packed: {error}") from error
