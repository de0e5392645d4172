"""The look at one's own images before a network learns from them: what is there, and what is wrong with it.

`read` gives a picture at the depth it has, and facts about it, which are kept where it is not itself; `look` says what was found in
a few rows, and what looks wrong in a line each. What cannot work at all raises `TrainingError`.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import diagnosis, files, images
from pellucid.diagnosis import Diagnosis
from pellucid.errors import FileError, TrainingError
from pellucid.images import Range

__all__ = ["Facts", "Kind", "Look", "Seen", "floats", "inspected", "look", "match", "read", "usable"]

Kind = Literal["clean", "pairs", "noisy"]
Levels = NDArray[Any]

TOPS = {"uint8": 255, "uint16": 65535}
"""The white of whole numbers."""

INSPECTED = 60
"""How many images at most are measured for noise where the network need not be told of it: enough to know a folder."""

NOISY = 4.0
"""Level in 8-bit levels from which an image is too noisy to be called clean; the estimator finds less in fine texture, too."""

ALIKE = 1.0
"""Mean difference in 8-bit levels of two images' thumbnails below which they are taken for the same picture."""

THUMBNAIL = 16
RELATED = 0.3
"""Correlation of a pair's thumbnails below which they do not show the same."""

NAMED = 3
"""How many names a warning gives."""


@dataclass(frozen=True)
class Facts:
    """What is known of a picture as its file has it, all of it: ``size`` (height, width), ``depth`` (uint8, uint16 or float32),
    ``coloured``; ``digest``, the same for two pictures of the same pixels; and its ``thumbnail`` in gray, flat, in 8-bit levels.
    ``ends`` are the file's values for black and white."""

    size: tuple[int, int]
    depth: str
    coloured: bool
    ends: tuple[float, float | None]
    digest: bytes
    thumbnail: NDArray[np.float32]

    @classmethod
    def of(cls, levels: Levels, ends: tuple[float, float | None]) -> Facts:
        """Those of (height, width, channels)."""
        size = (levels.shape[0], levels.shape[1])
        # The bytes are hashed where they are: a copy of a large picture is as much memory again.
        digest = hashlib.sha256(repr(levels.shape).encode())
        digest.update(np.ascontiguousarray(levels).data)
        return cls(size, levels.dtype.name, levels.shape[2] == 3, ends, digest.digest(), _thumbnail(levels))


@dataclass(frozen=True)
class Seen:
    """One picture to learn from: ``levels`` (height, width, 1 or 3), uint8, uint16 or float32, and ``smaller`` copies by their
    scale; ``facts`` are those of the file, which may have more of it, in another depth."""

    name: str
    levels: Levels
    facts: Facts
    smaller: tuple[tuple[float, Levels], ...] = ()


@dataclass(frozen=True)
class Look:
    """What `look` found: ``rows`` (what, how much) for people, and ``warnings``, one line each."""

    rows: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A short table."""
        width = max(len(what) for what, _ in self.rows)
        return "\n".join(f"  {what:<{width}}  {found}" for what, found in self.rows)


def floats(levels: Levels) -> NDArray[np.float32]:
    """Pixels in [0, 1] of integer levels; floats as they are."""
    if 0 in levels.strides:
        # Gray that stands for all channels: as if each had been written.
        levels = np.ascontiguousarray(levels)
    if levels.dtype.kind == "f":
        return np.asarray(levels, dtype=np.float32)
    return np.asarray(levels, dtype=np.float32) / np.float32(TOPS[levels.dtype.name])


# -- reading ----------------------------------------------------------------------------------------------------------


def read(path: Path, value_range: Range = "auto") -> Seen:
    """The picture in ``path``, its pixels at the depth they have: whole numbers of 8 or 16 bits, or float32 (not clipped)."""
    picture = files.read(path, value_range=value_range)
    pixels = picture.pixels
    depth = np.dtype(np.uint8 if picture.steps == 255 else np.uint16 if picture.steps is not None else np.float32)
    if depth.kind == "u":
        top = np.float32(TOPS[depth.name])
        # A range narrower than the file's values leaves some outside of it.
        outside = float(pixels.min()) < 0 or float(pixels.max()) > 1
        levels: Levels = np.asarray(pixels, np.float32) if outside else np.rint(pixels * top).astype(depth)
    else:
        levels = np.asarray(pixels, dtype=np.float32)
    return Seen(path.name, levels, Facts.of(levels, (picture.black, picture.white)))


def match(places: Sequence[Path]) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pairs of files (noisy, clean), and a line for each file without a partner.

    ``places`` are two folders, whose files are matched by their names without ending, or one CSV of two columns: a noisy and a
    clean file in each row, relative to the CSV's folder; a first row that names no file is a heading. Raises
    `TrainingError` when there
    is no pair, and `FileError` for what cannot be read.
    """
    if len(places) == 1:
        return _from_csv(places[0]), []
    noisy, clean = (_by_stem(folder) for folder in places)
    if not noisy or not clean:
        raise TrainingError(f"{places[0] if not noisy else places[1]}: no images")
    pairs = [(noisy[stem], clean[stem]) for stem in noisy if stem in clean]
    if not pairs:
        raise TrainingError(
            f"{places[0]}, {places[1]}: no image has a partner of the same name; a CSV of two columns can name them"
        )
    alone = [noisy[stem] for stem in noisy if stem not in clean] + [clean[stem] for stem in clean if stem not in noisy]
    return pairs, [f"left out: {path}: without a partner of that name" for path in alone]


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files.list_images(folder):
        if path.stem in found:
            raise TrainingError(f"{folder}: {found[path.stem].name} and {path.name} have one name; which is the partner?")
        found[path.stem] = path
    return found


def _from_csv(path: Path) -> list[tuple[Path, Path]]:
    if path.is_dir():
        raise TrainingError(f"--pairs {path}: a folder alone; name that of the clean images, too, or a CSV of two columns")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: not a CSV: {error}") from error
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != 2), None)
    if wrong is not None:
        raise TrainingError(f"{path}: row {wrong} has {len(rows[wrong - 1])} columns; noisy and clean are two")
    pairs = [(path.parent / noisy.strip(), path.parent / clean.strip()) for noisy, clean in rows]
    if pairs and not any(entry.exists() for entry in pairs[0]):
        pairs = pairs[1:]
    if not pairs:
        raise TrainingError(f"{path}: no row names a pair of images")
    return pairs


def usable(seen: Sequence[Seen], patch: int, where: str) -> tuple[list[Seen], list[str]]:
    """Those that a patch fits into, and a line for each other one; `TrainingError` when there is none, or when they disagree about
    which values are black and white."""
    fitting = [picture for picture in seen if min(picture.levels.shape[:2]) >= patch]
    if not fitting:
        largest = max((min(picture.levels.shape[:2]) for picture in seen), default=0)
        said = f"the largest has a side of {largest}" if seen else "there is none that can be read"
        raise TrainingError(f"{where}: no image of at least {patch}x{patch} pixels to learn from; {said}")
    # An image that is stretched between its own darkest and lightest value has another noise than its neighbour.
    own = [picture for picture in fitting if picture.facts.ends != (0.0, None) and picture.facts.depth == "float32"]
    if own and len({picture.facts.ends for picture in fitting}) > 1:
        raise TrainingError(f"{where}: {own[0].name} does not say which values are black and white; --range LO:HI does")
    small = [picture.name for picture in seen if min(picture.levels.shape[:2]) < patch]
    return fitting, [f"left out: {name}: smaller than the patch of {patch} pixels" for name in small]


# -- looking ----------------------------------------------------------------------------------------------------------


def inspected(pictures: Sequence[Seen]) -> list[Diagnosis]:
    """What noise each has."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda picture: diagnosis.inspect(floats(picture.levels)), pictures))


def look(
    kind: Kind,
    train: Sequence[Seen],
    valid: Sequence[Seen],
    found: Sequence[Diagnosis],
    clean: Sequence[Seen] = (),
    *,
    told: bool = True,
) -> Look:
    """What there is to learn from, and what is wrong with it.

    ``found`` says which noise ``train`` has, in its order, or the first of it; ``clean`` are the partners of ``train`` and
    ``valid``; ``told`` whether the network is told the level. Raises `TrainingError` where noisy images have no noise that the
    network could be told of.
    """
    sizes = sorted({(picture.levels.shape[1], picture.levels.shape[0]) for picture in train}, key=lambda size: size[0] * size[1])
    size = "x".join(map(str, sizes[0])) + (f" to {'x'.join(map(str, sizes[-1]))}, {len(sizes)} sizes" if len(sizes) > 1 else "")
    pixels = sum(picture.levels.shape[0] * picture.levels.shape[1] for picture in train)
    depths = Counter(_depth(picture) for picture in train)
    channels = Counter("colour" if picture.facts.coloured else "gray" for picture in train)
    rows = [
        ("images", f"{len(train)} to learn from, {len(valid)} held out ({', '.join(_counts(channels))})"),
        ("size", f"{size}; {pixels / 1e6:.1f} megapixels"),
        ("depth", ", ".join(_counts(depths))),
    ]
    warnings: list[str] = []
    if len(depths) > 1:
        warnings.append(f"images of several depths: {', '.join(_counts(depths))}; each is taken between its own black and white")
    rows += _noise(kind, train, found, clean, told, warnings)
    _same(train, valid, warnings)
    if clean:
        _partners([*train, *valid], clean, warnings)
    return Look(tuple(rows), tuple(warnings))


def _counts(counter: Counter[str]) -> list[str]:
    return [f"{count} {what}" if len(counter) > 1 else what for what, count in counter.most_common()]


def _depth(picture: Seen) -> str:
    return {"uint8": "8 bits", "uint16": "16 bits"}.get(picture.facts.depth, "float")


def _named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _noise(
    kind: Kind, train: Sequence[Seen], found: Sequence[Diagnosis], clean: Sequence[Seen], told: bool, warnings: list[str]
) -> list[tuple[str, str]]:
    """The rows that tell of noise."""
    if not found:
        return []
    levels = sorted(entry.sigma for entry in found)
    kinds = ", ".join(_counts(Counter(entry.kind for entry in found)))
    how_many = "" if len(found) == len(train) else f" in {len(found)} of them"
    rows = [("noise", f"sigma {levels[0]:.1f} to {levels[-1]:.1f}, median {levels[len(levels) // 2]:.1f}{how_many} ({kinds})")]
    if kind == "clean":
        noisy = [picture.name for picture, entry in zip(train, found, strict=False) if entry.sigma >= NOISY]
        if noisy:
            warnings.append(
                f"{len(noisy)} of {len(found)} 'clean' images look noisy (sigma {NOISY:g} or more): {_named(noisy)}; what is in "
                "them will be learnt as if it were the picture"
            )
        return rows
    nothing = [picture.name for picture, entry in zip(train, found, strict=False) if entry.sigma == 0]
    if told and len(nothing) == len(found):
        raise TrainingError(
            f"no noise is found in any of the {len(found)} noisy images, and the network is to be told how much there is; "
            "a recipe with task.maps = [] is not told"
        )
    if nothing and told:
        warnings.append(f"no noise is found in {len(nothing)} of {len(found)} noisy images: {_named(nothing)}")
    if kind == "pairs":
        errors = [float(np.square(floats(a.levels) - floats(b.levels)).mean()) for a, b in zip(train, clean, strict=False)]
        same = [picture.name for picture, error in zip(train, errors, strict=True) if error == 0]
        if same:
            warnings.append(f"{len(same)} pairs are the same picture twice: {_named(same)}")
        noise = sorted(255 * error**0.5 for error in errors)
        rows.append(("pairs differ", f"by {noise[0]:.1f} to {noise[-1]:.1f} levels of 255, median {noise[len(noise) // 2]:.1f}"))
        return rows
    structured = [picture.name for picture, entry in zip(train, found, strict=False) if entry.kind in ("correlated", "jpeg")]
    striped = [picture.name for picture in train if _stripes(floats(picture.levels)) > STRIPED]
    if structured:
        warnings.append(
            f"the noise of {len(structured)} of {len(found)} images is correlated from pixel to pixel, or compressed: "
            f"{_named(structured)}; a network that learns from noisy images alone will keep it"
        )
    if striped:
        warnings.append(
            f"rows or columns have noise in common in {len(striped)} images: {_named(striped)}; a network that learns from noisy "
            "images alone will keep it"
        )
    struck = [picture.name for picture, entry in zip(train, found, strict=False) if entry.impulse_density > 0]
    if struck:
        warnings.append(
            f"{len(struck)} images have impulses: {_named(struck)}; the mean of their neighbours is not the clean pixel"
        )
    return rows


STRIPED = 3.0
"""How many times as strong as by chance the noise that a row or a column has in common must be to be told of."""


def _stripes(pixels: NDArray[np.float32]) -> float:
    """How many times larger the row and column means of the fine noise are than they would be if no two pixels had it in common.

    Second differences across the rows (down a column) take smooth content away; the mean of one row of them has a variance of that
    of a pixel over the row's length where pixels have nothing in common. Medians, so that the edges of what is shown do not count.
    """
    plane = pixels.mean(axis=2)
    found = 0.0
    for turned in (plane, plane.T):
        fine = turned[1:-1] - (turned[:-2] + turned[2:]) / 2
        # A texture or an edge along the row would pass for noise in common: several parts of each row must agree.
        parts = [part for part in np.array_split(fine, 4, axis=1) if part.shape[1] > 0]
        means = np.stack([part.mean(axis=1) for part in parts])
        common = float(np.median([np.median(means[a] * means[b]) for a in range(4) for b in range(a)]))
        alone = float(np.median(np.abs(fine))) ** 2 / 0.455 / parts[0].shape[1]
        if alone > 0 and common > 0:
            found = max(found, common / alone)
    return found


def _thumbnail(levels: Levels) -> NDArray[np.float32]:
    gray = images.gray(floats(levels)) if levels.shape[2] == 3 else floats(levels)
    plane = PillowImage.fromarray(np.ascontiguousarray(gray[..., 0]))
    return 255 * np.asarray(plane.resize((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.BOX), dtype=np.float32).ravel()


def _same(train: Sequence[Seen], valid: Sequence[Seen], warnings: list[str]) -> None:
    """Warns of pictures that are there twice, and of held-out ones that are learnt from."""
    pictures = [*train, *valid]
    digests: dict[bytes, int] = {}
    thumbnails = np.stack([picture.facts.thumbnail for picture in pictures])
    flat = np.ptp(thumbnails, axis=1) < 8
    twice: list[str] = []
    leaks: list[str] = []
    for index, picture in enumerate(pictures):
        first = digests.setdefault(picture.facts.digest, index)
        if first == index and not flat[index] and index:
            near = np.abs(thumbnails[:index] - thumbnails[index]).mean(axis=1)
            nearest = int(np.argmin(near))
            if near[nearest] < ALIKE:
                first = nearest
        if first != index:
            across = first < len(train) <= index
            (leaks if across else twice).append(f"{picture.name} = {pictures[first].name}")
    if twice:
        warnings.append(f"{len(twice)} images are there twice: {_named(twice)}")
    if leaks:
        warnings.append(f"{len(leaks)} held-out images are learnt from, too, so that their scores flatter: {_named(leaks)}")


def _partners(noisy: Sequence[Seen], clean: Sequence[Seen], warnings: list[str]) -> None:
    """Warns of pairs that do not show the same."""
    strangers = []
    for one, other in zip(noisy, clean, strict=True):
        first, second = one.facts.thumbnail, other.facts.thumbnail
        if min(float(first.std()), float(second.std())) > 1 and float(np.corrcoef(first, second)[0, 1]) < RELATED:
            strangers.append(one.name)
    if strangers:
        warnings.append(f"{len(strangers)} pairs do not look like the same picture: {_named(strangers)}")
