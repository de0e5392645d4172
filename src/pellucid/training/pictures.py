"""Training images: decoded once into the cache, split into those to learn from and held-out ones.

There are four kinds: clean images, which are degraded later; pairs of a noisy and a clean image; noisy images alone; and images of
named sources, of which a task composes its examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import files, samples
from pellucid.cards import TrainingImages
from pellucid.diagnosis import Diagnosis
from pellucid.errors import OptionError, TrainingError
from pellucid.images import Range
from pellucid.tasks.base import Learning
from pellucid.training import cache, forms, mnist, packs, photos, survey
from pellucid.training.cache import Store
from pellucid.training.forms import Form, Source
from pellucid.training.recipes import Data
from pellucid.training.splits import is_held_out, parted, split
from pellucid.training.survey import Decoded, Kind, Survey

__all__ = [
    "Copies",
    "Depth",
    "Pictures",
    "Shot",
    "Stock",
    "channels_of",
    "is_held_out",
    "load",
    "load_named",
    "load_noisy",
    "load_pairs",
]

Depth = NDArray[Any]
"""Pixels at their own depth: uint8, uint16, or float32."""


Copies = tuple[Depth, ...]
"""An image, and its smaller copies, the largest first."""


@dataclass(frozen=True)
class Shot:
    """A noisy picture, (height, width, channels), and the diagnosis of its noise."""

    levels: Depth
    diagnosis: Diagnosis


@dataclass(frozen=True)
class Stock:
    """The images of a named source, to learn from (``train``) and held out (``valid``); ``chances`` are those of the former to be
    drawn, None: all alike."""

    train: tuple[Copies, ...]
    valid: tuple[Copies, ...]
    chances: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Pictures:
    """Decoded images, (height, width, channels) each, and their origin.

    ``train`` and ``valid`` are clean images, or noisy ones where ``kind`` is noisy. ``shots`` and ``valid_shots`` are the noisy
    images of both, in the same order; none where ``kind`` is clean. ``stocks`` are the images of named sources, where ``kind`` is
    composed; ``train`` and ``valid`` are then those of the first source. ``survey`` is the report on them. Clean images are uint8;
    each of the others has its file's depth: uint8, uint16, or float32 in the file's units of black to white. All but digits lie in
    files (see `pellucid.training.cache`), are read when they are drawn, and cannot be written to.
    """

    names: tuple[str, ...]
    train: tuple[Depth, ...]
    valid: tuple[Depth, ...]
    origin: tuple[TrainingImages, ...]
    notes: tuple[str, ...] = ()
    kind: Kind = "clean"
    shots: tuple[Shot, ...] = ()
    valid_shots: tuple[Shot, ...] = ()
    survey: Survey | None = None
    stocks: Mapping[str, Stock] = field(default_factory=dict)

    @cached_property
    def chances(self) -> NDArray[np.float64] | None:
        """The chance of each image to be drawn, in proportion to its pixels; None where all are of one size."""
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.train], dtype=np.float64)
        return None if np.ptp(areas) == 0 else areas / areas.sum()


def load(
    source: Path | None,
    data: Data,
    *,
    valid: Path | None = None,
    value_range: Range = "auto",
    look: bool = False,
    store: Store | None = None,
    around: int = 0,
) -> Pictures:
    """The clean images that ``source`` holds, split into training and held-out ones; or the latter from ``valid``.

    ``source`` is a folder of pictures, a pack (see `packs.pack`), a folder of MNIST's IDX files, or None: the images that
    ``pellucid fetch`` has put into the user's cache; for digits, where there is nothing, those in the package. ``value_range`` says
    which values of files are black and white, as in `pellucid.files.read`; ``look`` asks for a look at them; decoded images are
    kept in ``store``. ``around``: the pixels on each side of a crop that an example has no more.
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
            "this recipe learns from photographs: 'pellucid fetch photos' downloads some, or name your own with --images"
        )
    sources, notes = _sources(source, value_range)
    others, more = _sources(valid, value_range) if valid is not None else ([], [])
    opened, unread = _opened([*sources, *others], _form("clean", data, value_range), store)
    notes += [*more, *unread]
    named = _readable(opened[: len(sources)])
    if not named:
        raise TrainingError(f"{source}: it holds no image that can be read")
    fitting, small = survey.usable(named, data.patch, str(source), around)
    notes += small
    if valid is None:
        learnt, held_out = split(fitting, data)
        if not held_out:
            raise TrainingError(f"{source}: one image is too few; validation needs a second one")
    else:
        held_out, small = survey.usable(_readable(opened[len(sources) :]), data.patch, str(valid), around)
        learnt, notes = fitting, [*notes, *small]
    names = [picture.name for picture in learnt]
    train = [_in_channels(scaled, data.channels) for picture in learnt for scaled in _at_scales(picture, data)]
    if not train:
        raise TrainingError(f"{source}: no image is as large as a patch of {data.patch} pixels at the scales {data.scales}")
    report = None
    if look:
        some = learnt[:: max(1, len(learnt) // survey.INSPECTED)]
        rest = [picture for picture in learnt if not any(picture is one for one in some)]
        report = survey.look("clean", [*some, *rest], held_out, survey.inspected(some))
    kept = tuple(_in_channels(picture.levels, data.channels) for picture in held_out)
    return Pictures(tuple(names), tuple(train), kept, _origin(names, data, source.name), tuple(notes), survey=report)


def load_named(
    places: Sequence[tuple[str, Path]], data: Data, task: Learning, *, value_range: Range = "auto", store: Store | None = None
) -> Pictures:
    """The images of a task's named sources, each split into training and held-out ones.

    ``places`` are (source, folder or pack); a source may have several. For digits, ``places`` are empty, or name a folder of
    MNIST's IDX files: the sources with alpha have the digits, white with alpha, and for others the batches draw made textures.
    Images of any size serve. Raises `TrainingError` for a source with fewer than two images, `OptionError` for one that the task
    does not have.
    """
    for source, _ in places:
        if source not in task.named:
            raise OptionError(f"--images {source}=: task {task.name} learns from {', '.join(task.named)}")
    if data.kind == "digits":
        return _digits_as(places, data, task)
    given = [source for source in task.named if any(source == name for name, _ in places)]
    needed = [source for source in task.named if source not in task.optional]
    if any(source not in given for source in needed):
        options = " ".join(f"--images {source}=FOLDER" for source in needed)
        more = f"; {', '.join(task.optional)} may be left out" if task.optional else ""
        raise TrainingError(f"this recipe learns from {' and '.join(task.named)}: name the folders, {options}{more}")
    stocks: dict[str, Stock] = {}
    names: list[str] = []
    notes: list[str] = []
    origin: list[TrainingImages] = []
    for source in given:
        alpha = source in task.with_alpha
        form = replace(_form("clean", data, value_range), gray=data.channels == 1 and not alpha, alpha=alpha)
        found: dict[Path, list[Decoded]] = {}
        for place in (place for name, place in places if name == source):
            entries, lines = _sources(place, value_range, alpha=alpha)
            opened, unread = _opened(entries, form, store)
            found[place] = _readable(opened)
            if alpha:
                opaque = [picture.name for picture in found[place] if _says_nothing(picture.levels[..., 3])]
                found[place] = [picture for picture in found[place] if picture.name not in set(opaque)]
                lines += [f"left out: {name}: it has no transparency, or nothing else" for name in opaque]
            notes += [*lines, *unread]
        # All places at once: a group may lie in several.
        together = [picture for pictures in found.values() for picture in pictures]
        learnt, held_out = split(together, data) if together else ([], [])
        learning = {id(picture) for picture in learnt}
        for place, pictures in found.items():
            mine = [picture.name for picture in pictures if id(picture) in learning]
            origin += _origin(mine, data, place.name) if mine else ()
        if not learnt or not held_out:
            shown = ", ".join(str(place) for name, place in places if name == source)
            raise TrainingError(
                f"{source}: {shown}: {len(learnt)} images are too few; two are needed, one of them to validate with"
            )
        stocks[source] = _stock(learnt, held_out, data, data.channels if not alpha else 4)
        names += [picture.name for picture in learnt]
        notes.append(f"{source}: {len(learnt)} images to learn from, {len(held_out)} held out")
    return _composed(tuple(names), stocks, tuple(origin), tuple(notes))


def _says_nothing(alpha: Depth) -> bool:
    """Whether a picture is opaque everywhere, or shows nothing at all."""
    return bool(alpha.min() == alpha.max()) and int(alpha.flat[0]) in (0, 255)


def _stock(learnt: Sequence[Decoded], held_out: Sequence[Decoded], data: Data, channels: int) -> Stock:
    def copies(picture: Decoded) -> Copies:
        made = (picture.levels, *(small for _, small in sorted(picture.smaller, key=lambda entry: -entry[0])))
        return tuple(_in_channels(levels, channels) for levels in made)

    weights = np.array([_weight(picture.name, data) for picture in learnt])
    if not weights.any():
        raise TrainingError("data.weights leave no image to learn from")
    chances = None if np.ptp(weights) == 0 else weights / weights.sum()
    return Stock(tuple(map(copies, learnt)), tuple(map(copies, held_out)), chances)


def _weight(name: str, data: Data) -> float:
    return next((entry.weight for entry in data.weights if entry.match in name), 1.0)


def _composed(
    names: tuple[str, ...], stocks: dict[str, Stock], origin: tuple[TrainingImages, ...], notes: tuple[str, ...]
) -> Pictures:
    first = next(iter(stocks.values()))
    train, valid = (tuple(copies[0] for copies in part) for part in (first.train, first.valid))
    return Pictures(names, train, valid, origin, notes, "composed", stocks=stocks)


def load_pairs(
    places: Sequence[Path],
    data: Data,
    task: Learning,
    *,
    valid: Sequence[Path] = (),
    value_range: Range = "auto",
    store: Store | None = None,
) -> Pictures:
    """Pairs of a noisy and a clean image, split into training and held-out ones; or the held-out ones come from ``valid``.

    ``places`` and ``valid`` as for `survey.match`. The network's maps follow from the diagnosis of each noisy image, as in
    restoring. Raises `TrainingError` when there are too few, `FileError` when a place cannot be read.
    """
    _check_source(task, "pairs")
    matched, notes = survey.match(places)
    matched_valid, more = survey.match(valid) if valid else ([], [])
    paths = [path for pair in (*matched, *matched_valid) for path in pair]
    opened, unread = _opened([forms.source(path, value_range) for path in paths], _form("pairs", data, value_range), store)
    couples = list(zip(opened[::2], opened[1::2], strict=True))
    notes += [*more, *unread]
    pairs = _pairs(couples[: len(matched)], places[0], data, notes)
    if valid:
        held_out = _pairs(couples[len(matched) :], valid[0], data, notes)
    else:
        _, out = split([noisy for noisy, _ in pairs], data)
        if not out:
            raise TrainingError(f"{places[0]}: one pair is too few; validation needs a second one")
        chosen = {id(picture) for picture in out}
        held_out = [pair for pair in pairs if id(pair[0]) in chosen]
        pairs = [pair for pair in pairs if id(pair[0]) not in chosen]
    train, clean = [noisy for noisy, _ in pairs], [clean for _, clean in pairs]
    others, clean_others = [noisy for noisy, _ in held_out], [clean for _, clean in held_out]
    shots, valid_shots = _shots(train, data), _shots(others, data)
    diagnoses, partners = [shot.diagnosis for shot in shots], [*clean, *clean_others]
    report = survey.look("pairs", train, others, diagnoses, partners, takes_level="sigma" in task.maps)
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
        report,
    )


def load_noisy(
    source: Path, data: Data, task: Learning, *, valid: Path | None = None, value_range: Range = "auto", store: Store | None = None
) -> Pictures:
    """Noisy images without clean ones, split into training and held-out ones; or the held-out ones come from ``valid``.

    The lower edge of a single image is held out. Raises `TrainingError` when there is nothing to learn from, `FileError` when
    ``source`` cannot be read.
    """
    _check_source(task, "noisy")
    sources = [_noisy_sources(place, value_range) for place in (source, valid) if place is not None]
    opened, notes = _opened([entry for part in sources for entry in part], _form("noisy", data, value_range), store)
    train, small = survey.usable(_readable(opened[: len(sources[0])]), data.patch, str(source))
    notes += small
    if valid is not None:
        held_out, small = survey.usable(_readable(opened[len(sources[0]) :]), data.patch, str(valid))
        notes += small
    else:
        train, held_out = split(train, data)
        if not held_out:
            train, held_out = parted(train[0], data)
    shots, valid_shots = _shots(train, data), _shots(held_out, data)
    report = survey.look("noisy", train, held_out, [shot.diagnosis for shot in shots], takes_level="sigma" in task.maps)
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
        report,
    )


def channels_of(
    kind: Kind, places: Sequence[Path], data: Data, *, value_range: Range = "auto", store: Store | None = None
) -> Literal[1, 3]:
    """1 where all images of a folder (of pairs, the noisy ones) are gray, else 3; files that cannot be read do not count.

    ``places`` is one folder, or for pairs as in `survey.match`. Decoded images stay in the store for `load`.
    """
    if kind == "pairs":
        sources = [forms.source(noisy, value_range) for noisy, _ in survey.match(places)[0]]
    else:
        sources = _noisy_sources(places[0], value_range) if kind == "noisy" else _sources(places[0], value_range)[0]
    # In most folders of colour pictures the first one has colour: then the others need not be decoded yet.
    for part in (sources[:1], sources):
        decoded, _ = cache.opened(part, replace(_form(kind, data, value_range), gray=False), store or Store())
        if any(picture.facts.coloured for picture in _readable(decoded)):
            return 3
    return 1


def _check_source(task: Learning, kind: Kind) -> None:
    """Raises `TrainingError` where the task does not learn from images of this kind."""
    if kind not in task.sources:
        only = "clean images alone" if task.sources == ("clean",) else f"images of these kinds: {', '.join(task.sources)}"
        raise TrainingError(f"task {task.name} learns from {only}")


def _form(kind: Kind, data: Data, value_range: Range) -> Form:
    """The form in which each image is kept."""
    if kind == "clean":
        return Form(True, data.channels == 1, data.scales, data.patch, value_range)
    return Form(False, data.channels == 1, value_range=value_range)


def _opened(sources: Sequence[Source], form: Form, store: Store | None) -> tuple[list[Decoded | None], list[str]]:
    """Each image, None for those that cannot be read; a line for each of these, and lines about all of them."""
    entries, notes = cache.opened(sources, form, store or Store())
    problems = [entry for entry in entries if isinstance(entry, str)]
    pictures = [None if isinstance(entry, str) else entry for entry in entries]
    return pictures, [*problems, *notes, *(() if form.eight else _on_one_scale(sources, pictures, form, store))]


def _on_one_scale(sources: Sequence[Source], pictures: list[Decoded | None], form: Form, store: Store | None) -> list[str]:
    """Reads those again, in their places, whose values of black and white were found from each one's own: they get the same, or a
    noisy image and its clean partner would differ in brightness. A line about it."""
    if form.value_range != "auto":
        return []
    notes = []
    for floats in (False, True):
        own = [at for at, picture in enumerate(pictures) if picture is not None and _is_scaled(picture, floats=floats)]
        ends = {picture.facts.ends for at in own if (picture := pictures[at]) is not None}
        if len(ends) < 2:
            continue
        black, white = min(low for low, _ in ends), max(high if high is not None else LARGEST[floats] for _, high in ends)
        again = [forms.source(path, (black, white)) for at in own if (path := sources[at].path) is not None]
        if len(again) < len(own):
            continue
        entries, _ = cache.opened(again, replace(form, value_range=(black, white)), store or Store())
        for at, entry in zip(own, entries, strict=True):
            pictures[at] = None if isinstance(entry, str) else entry
        notes.append(f"values: black is {black:.6g}, white {white:.6g}, found from those of all images (--range LO:HI sets them)")
    return notes


LARGEST = (65535.0, 1.0)
"""White where a file of 16 bits, or of floats, has no other."""


def _is_scaled(picture: Decoded, *, floats: bool) -> bool:
    """Whether the file has whole numbers of more than 8 bits, or (with ``floats``) floats."""
    facts = picture.facts
    return facts.depth == "float32" if floats else facts.depth == "uint16" or (facts.depth == "uint8" and facts.ends[1] is not None)


def _readable(entries: Sequence[Decoded | str | None]) -> list[Decoded]:
    return [entry for entry in entries if isinstance(entry, Decoded)]


def _pairs(
    couples: Sequence[tuple[Decoded | None, Decoded | None]], place: Path, data: Data, notes: list[str]
) -> list[tuple[Decoded, Decoded]]:
    """The pairs that can be learnt from; ``notes`` gets a line for each image that is left out."""
    pairs: list[tuple[Decoded, Decoded]] = []
    for noisy, clean in couples:
        if noisy is None or clean is None:
            continue
        if noisy.facts.size != clean.facts.size:
            sizes = " and ".join(f"{each.facts.size[1]}x{each.facts.size[0]}" for each in (noisy, clean))
            notes.append(f"left out: {noisy.name}: the noisy and the clean image have different sizes, {sizes}")
            continue
        pairs.append((noisy, clean))
    if not pairs:
        why = f"; {notes[-1].removeprefix('left out: ')}" if notes else ""
        raise TrainingError(f"{place}: no pair to learn from{why}")
    survey.usable([each for pair in pairs for each in pair], data.patch, str(place))
    large, lines = survey.usable([noisy for noisy, _ in pairs], data.patch, str(place))
    fitting = {id(picture) for picture in large}
    notes += lines
    return [pair for pair in pairs if id(pair[0]) in fitting]


def _noisy_sources(place: Path, value_range: Range) -> list[Source]:
    """The images of a folder, or one."""
    paths = [place] if place.is_file() else files.list_images(place)
    if not paths:
        raise TrainingError(f"{place}: it holds no images")
    return [forms.source(path, value_range) for path in paths]


def _shots(pictures: Sequence[Decoded], data: Data) -> tuple[Shot, ...]:
    shots = [replace(picture, levels=_in_channels(picture.levels, data.channels)) for picture in pictures]
    return tuple(Shot(shot.levels, diagnosis) for shot, diagnosis in zip(shots, survey.inspected(shots), strict=True))


def _at_scales(picture: Decoded, data: Data) -> list[Depth]:
    """The picture at each of the recipe's scales where a patch still fits into it; at scale 1 always."""
    copies = {1.0: picture.levels, **dict(picture.smaller)}
    return [copies[scale] for scale in data.scales if scale in copies]


def _in_channels(levels: Depth, channels: int) -> Depth:
    """The levels as (h, w, channels): a gray picture is repeated in all channels, without more memory."""
    return np.broadcast_to(levels, (*levels.shape[:2], channels))


def _origin(names: list[str], data: Data, folder: str) -> tuple[TrainingImages, ...]:
    counts: dict[tuple[str, str], int] = {}
    for name in names:
        credit = next((entry for entry in data.credits if entry.match in name), None)
        key = (credit.source, credit.licence) if credit else (f"images of {folder!r}", "not stated")
        counts[key] = counts.get(key, 0) + 1
    return tuple(TrainingImages(source, count, licence) for (source, licence), count in counts.items())


def _sources(place: Path, value_range: Range, *, alpha: bool = False) -> tuple[list[Source], list[str]]:
    """The images of a folder or a pack, and lines about them for the user."""
    if place.is_file():
        sources, stored = packs.entries(place, alpha=alpha)
        return sources, [stored]
    return [forms.source(path, value_range, alpha=alpha) for path in files.list_images(place)], []


def _digits_as(places: Sequence[tuple[str, Path]], data: Data, task: Learning) -> Pictures:
    """The digits, white with alpha, for each source that has alpha."""
    pictures = _digits(places[0][1] if places else None, data)
    train, valid = ([(mnist.cut_out(digit),) for digit in part] for part in (pictures.train, pictures.valid))
    stock = Stock(tuple(train), tuple(valid))
    return _composed(pictures.names, dict.fromkeys(task.with_alpha, stock), pictures.origin, pictures.notes)


def _digits(source: Path | None, data: Data) -> Pictures:
    notes: tuple[str, ...] = ()
    if source is None:
        source = mnist.cached()
    if source is None:
        digits, labels = samples.digits()
        notes = (f"the {len(digits)} digits in the package; 'pellucid fetch mnist' downloads all of MNIST for --images FOLDER",)
    else:
        read = files.load_mnist(source)
        digits, labels = read["train_images"], read["train_labels"]
    kept = len(digits) - round(len(digits) * data.held_out)
    if data.colours:
        pictures = mnist.coloured(digits, labels)
    else:
        pictures = tuple(_in_channels(digit[..., None], data.channels) for digit in digits)
    origin = _origin([f"mnist-{index}" for index in range(kept)], data, "digits")
    return Pictures(("mnist",), pictures[:kept], pictures[kept:], origin, notes)
