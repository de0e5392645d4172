"""A report on the user's own images before a network learns from them: their sizes, depths and noise, and warnings.

`read` decodes a picture in its own depth, with facts about the file that stay when the pixels are dropped; `look` makes the report.
Images that nothing can be learnt from raise `TrainingError`.
"""

from __future__ import annotations

import csv
import hashlib
import io
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

from pellucid import diagnosis, files, images, regular, rgba
from pellucid.diagnosis import Diagnosis
from pellucid.errors import FileError, TrainingError
from pellucid.images import Range

__all__ = ["Decoded", "Facts", "Kind", "Survey", "floats", "inspected", "look", "match", "read", "usable"]

Kind = Literal["clean", "pairs", "noisy", "composed"]
Levels = NDArray[Any]

TOPS = {"uint8": 255, "uint16": 65535}
"""White, by the dtype of integer levels."""

INSPECTED = 60
"""The most clean images whose noise is measured: enough to know a folder."""

NOISY = 4.0
"""Noise level in 8-bit levels from which an image is too noisy to be called clean; below it, fine texture looks like noise, too."""

ALIKE = 1.0
"""Mean difference in 8-bit levels of two images' thumbnails below which they are taken for the same picture."""

THUMBNAIL = 16
"""Side in pixels of a thumbnail."""

RELATED = 0.3
"""Correlation of a pair's thumbnails below which the two are of different scenes."""

NAMED = 3
"""The most names in a warning."""


@dataclass(frozen=True)
class Facts:
    """Facts about the whole picture in a file: ``size`` (height, width), ``depth`` (uint8, uint16 or float32), ``coloured``;
    ``digest``, the same for two pictures with the same pixels; and its ``thumbnail`` in gray, flat, in 8-bit levels. ``ends`` are
    the file's values for black and white."""

    size: tuple[int, int]
    depth: str
    coloured: bool
    ends: tuple[float, float | None]
    digest: bytes
    thumbnail: NDArray[np.float32]

    @classmethod
    def of(cls, levels: Levels, ends: tuple[float, float | None]) -> Facts:
        """The facts about a picture (height, width, channels)."""
        size = (levels.shape[0], levels.shape[1])
        # The hash reads the array itself: a copy of a large picture takes as much memory again.
        digest = hashlib.sha256(repr(levels.shape).encode())
        digest.update(np.ascontiguousarray(levels).data)
        return cls(size, levels.dtype.name, levels.shape[2] >= 3, ends, digest.digest(), _thumbnail(levels))


@dataclass(frozen=True)
class Decoded:
    """A training image: ``levels`` (height, width, 1 or 3, or 4 with alpha), uint8, uint16 or float32, and ``smaller`` copies by
    their scale.

    ``facts`` are those of its file, in which it may be larger and have another depth.
    """

    name: str
    levels: Levels
    facts: Facts
    smaller: tuple[tuple[float, Levels], ...] = ()


@dataclass(frozen=True)
class Survey:
    """The report of `look`: ``rows`` (name, text) for people, and ``warnings``, one line each."""

    rows: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The rows as a short table."""
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"  {name:<{width}}  {text}" for name, text in self.rows)


def floats(levels: Levels) -> NDArray[np.float32]:
    """Integer levels as pixels in [0, 1]; floats stay as they are."""
    if 0 in levels.strides:
        # One gray plane repeated in all channels: each gets memory of its own.
        levels = np.ascontiguousarray(levels)
    if levels.dtype.kind == "f":
        return np.asarray(levels, dtype=np.float32)
    return np.asarray(levels, dtype=np.float32) / np.float32(TOPS[levels.dtype.name])


# -- reading ----------------------------------------------------------------------------------------------------------


def read(path: Path, value_range: Range = "auto", *, alpha: bool = False) -> Decoded:
    """The picture in ``path`` in its own depth: uint8, uint16, or float32 (not clipped); with ``alpha`` as red, green, blue, alpha,
    and under alpha 0 what the file has there."""
    picture = files.read(path, value_range=value_range)
    pixels = rgba.planes_of(picture) if alpha else picture.pixels
    depth = np.dtype(np.uint8 if picture.steps == 255 else np.uint16 if picture.steps is not None else np.float32)
    if depth.kind == "u":
        top = np.float32(TOPS[depth.name])
        # A range narrower than the file's values leaves some outside of it.
        outside = float(pixels.min()) < 0 or float(pixels.max()) > 1
        levels: Levels = np.asarray(pixels, np.float32) if outside else np.rint(pixels * top).astype(depth)
    else:
        levels = np.asarray(pixels, dtype=np.float32)
    return Decoded(path.name, levels, Facts.of(levels, (picture.black, picture.white)))


def match(places: Sequence[Path]) -> tuple[list[tuple[Path, Path]], list[str]]:
    """Pairs of files (noisy, clean), and a line for each file without a partner.

    ``places`` are two folders, whose files are matched by their names without ending, or one CSV of two columns: a noisy and a
    clean file in each row, relative to the CSV's folder; a first row that names no file is a heading. Raises `TrainingError` where
    there is no pair, `FileError` for a file that cannot be read.
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
    return pairs, [f"left out: {path}: no partner has that name" for path in alone]


def _by_stem(folder: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in files.list_images(folder):
        if path.stem in paths:
            raise TrainingError(
                f"{folder}: {paths[path.stem].name} and {path.name} have the same name, so the partner is not clear; keep one"
            )
        paths[path.stem] = path
    return paths


def _from_csv(path: Path) -> list[tuple[Path, Path]]:
    if path.is_dir():
        raise TrainingError(
            f"--pairs {path}: one folder is too few; name the folder of the clean images, too, or a CSV of two columns"
        )
    try:
        with io.TextIOWrapper(io.BufferedReader(regular.opened(path)), newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileError(f"{path}: not a CSV: {getattr(error, 'strerror', None) or error}") from error
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != 2), None)
    if wrong is not None:
        raise TrainingError(f"{path}: row {wrong} has {len(rows[wrong - 1])} columns, not two (noisy, clean)")
    pairs = [(path.parent / noisy.strip(), path.parent / clean.strip()) for noisy, clean in rows]
    if pairs and not any(entry.exists() for entry in pairs[0]):
        pairs = pairs[1:]
    if not pairs:
        raise TrainingError(f"{path}: no row names a pair of images")
    return pairs


LEAST = 32
"""Side in pixels of the smallest patch: fewer pixels than that show a network little but their own edges."""


def usable(pictures: Sequence[Decoded], patch: int, where: str, around: int = 0) -> tuple[list[Decoded], list[str]]:
    """The pictures that a patch fits into, which shrinks to `LEAST` for small ones; a line about these, and one for each other.
    ``around``: the pixels on each side of a patch that an example has no more.

    Raises `TrainingError` where there is none, or where they disagree about the values of black and white.
    """
    least = min(LEAST + 2 * around, patch)
    fitting = [picture for picture in pictures if min(picture.levels.shape[:2]) >= least]
    if not fitting:
        largest = max((min(picture.levels.shape[:2]) for picture in pictures), default=0)
        why = f"the largest has a side of {largest}" if pictures else "none can be read"
        raise TrainingError(f"{where}: no image of at least {least}x{least} pixels to learn from; {why}")
    # An image that is stretched between its own darkest and lightest value has stronger noise than its neighbour.
    own = [picture for picture in fitting if picture.facts.ends != (0.0, None) and picture.facts.depth == "float32"]
    if own and len({picture.facts.ends for picture in fitting}) > 1:
        raise TrainingError(f"{where}: {own[0].name} does not say which values are black and white; --range LO:HI does")
    none = [picture.name for picture in pictures if min(picture.levels.shape[:2]) < least]
    return fitting, [*shrunk(fitting, patch), *(f"left out: {name}: smaller than a patch of {least} pixels" for name in none)]


def shrunk(pictures: Sequence[Decoded], patch: int) -> list[str]:
    """A line about the pictures that are smaller than a patch; none where all have room for it."""
    small = [picture for picture in pictures if min(picture.levels.shape[:2]) < patch]
    if not small:
        return []
    least = min(min(picture.levels.shape[:2]) for picture in small)
    which = small[0].name if len(small) == 1 else f"{len(small)} images ({small[0].name} and others)"
    return [f"{which}: smaller than the patch of {patch} pixels, which shrinks for batches with them, to {least} or a little less"]


# -- looking ----------------------------------------------------------------------------------------------------------


def inspected(pictures: Sequence[Decoded]) -> list[Diagnosis]:
    """The diagnosis of each picture's noise."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda picture: diagnosis.inspect(floats(picture.levels)), pictures))


def look(
    kind: Kind,
    train: Sequence[Decoded],
    valid: Sequence[Decoded],
    diagnoses: Sequence[Diagnosis],
    clean: Sequence[Decoded] = (),
    *,
    takes_level: bool = True,
) -> Survey:
    """The report on the images that a network is to learn from.

    ``diagnoses`` are those of ``train``, in its order, or of its first images; ``clean`` are the partners of ``train`` and
    ``valid``; ``takes_level``: the network is given the noise level. Raises `TrainingError` where it is, but no noise can be
    measured in any noisy image.
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
        warnings.append(f"images of several depths: {', '.join(_counts(depths))}; each is scaled from its own black to its white")
    rows += _noise(kind, train, diagnoses, clean, takes_level, warnings)
    _same(train, valid, warnings)
    if clean:
        _partners([*train, *valid], clean, warnings)
    return Survey(tuple(rows), tuple(warnings))


def _counts(counter: Counter[str]) -> list[str]:
    return [f"{count} {name}" if len(counter) > 1 else name for name, count in counter.most_common()]


def _depth(picture: Decoded) -> str:
    return {"uint8": "8 bits", "uint16": "16 bits"}.get(picture.facts.depth, "float")


def _named(names: Sequence[str]) -> str:
    """The first few names, and the number of the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _noise(
    kind: Kind,
    train: Sequence[Decoded],
    diagnoses: Sequence[Diagnosis],
    clean: Sequence[Decoded],
    takes_level: bool,
    warnings: list[str],
) -> list[tuple[str, str]]:
    """The rows about noise."""
    if not diagnoses:
        return []
    levels = sorted(entry.sigma for entry in diagnoses)
    kinds = ", ".join(_counts(Counter(entry.kind for entry in diagnoses)))
    how_many = "" if len(diagnoses) == len(train) else f" in {len(diagnoses)} of them"
    rows = [("noise", f"level {levels[0]:.1f} to {levels[-1]:.1f}, median {levels[len(levels) // 2]:.1f}{how_many} ({kinds})")]
    if kind == "clean":
        noisy = [picture.name for picture, entry in zip(train, diagnoses, strict=False) if entry.sigma >= NOISY]
        if noisy:
            warnings.append(
                f"{len(noisy)} of {len(diagnoses)} 'clean' images look noisy (noise level {NOISY:g} or more): {_named(noisy)}; the "
                "network will learn to keep such noise"
            )
        return rows
    nothing = [picture.name for picture, entry in zip(train, diagnoses, strict=False) if entry.sigma == 0]
    if takes_level and len(nothing) == len(diagnoses):
        raise TrainingError(
            f"no noise is found in any of the {len(diagnoses)} noisy images, and the network needs its level; set "
            "task.maps = [] in the recipe for a blind network"
        )
    if nothing and takes_level:
        warnings.append(f"no noise is found in {len(nothing)} of {len(diagnoses)} noisy images: {_named(nothing)}")
    if kind == "pairs":
        errors = [float(np.square(floats(a.levels) - floats(b.levels)).mean()) for a, b in zip(train, clean, strict=False)]
        same = [picture.name for picture, error in zip(train, errors, strict=True) if error == 0]
        if same:
            warnings.append(f"{len(same)} pairs are the same picture twice: {_named(same)}")
        noise = sorted(255 * error**0.5 for error in errors)
        rows.append(("pairs differ", f"by {noise[0]:.1f} to {noise[-1]:.1f} levels of 255, median {noise[len(noise) // 2]:.1f}"))
        return rows
    structured = [picture.name for picture, entry in zip(train, diagnoses, strict=False) if entry.kind in ("correlated", "jpeg")]
    striped = [picture.name for picture in train if _stripes(floats(picture.levels)) > STRIPED]
    if structured:
        warnings.append(
            f"the noise of {len(structured)} of {len(diagnoses)} images is correlated from pixel to pixel, or compressed: "
            f"{_named(structured)}; a network that learns from noisy images alone will keep it"
        )
    if striped:
        warnings.append(
            f"the noise of {len(striped)} images has stripes along rows or columns: {_named(striped)}; a network that learns from "
            "noisy images alone will keep them"
        )
    struck = [picture.name for picture, entry in zip(train, diagnoses, strict=False) if entry.impulse_density > 0]
    if struck:
        warnings.append(
            f"{len(struck)} images have impulses: {_named(struck)}; the mean of their neighbours is not the clean pixel"
        )
    return rows


STRIPED = 3.0
"""How many times stronger than by chance the noise common to a row or a column must be for a warning."""


def _stripes(pixels: NDArray[np.float32]) -> float:
    """How many times larger the means of rows and columns of the fine noise are than with independent pixels, squared.

    Second differences across the rows (down a column) remove smooth content; the mean of a row of them has the variance of a pixel
    over the row's length if pixels are independent. Medians, so that edges in the scene do not count.
    """
    plane = pixels.mean(axis=2)
    strongest = 0.0
    for turned in (plane, plane.T):
        fine = turned[1:-1] - (turned[:-2] + turned[2:]) / 2
        # A texture or an edge along the row would pass for a stripe: several parts of each row must agree.
        parts = [part for part in np.array_split(fine, 4, axis=1) if part.shape[1] > 0]
        means = np.stack([part.mean(axis=1) for part in parts])
        common = float(np.median([np.median(means[a] * means[b]) for a in range(4) for b in range(a)]))
        alone = float(np.median(np.abs(fine))) ** 2 / 0.455 / parts[0].shape[1]
        if alone > 0 and common > 0:
            strongest = max(strongest, common / alone)
    return strongest


def _thumbnail(levels: Levels) -> NDArray[np.float32]:
    gray = images.gray(floats(levels[..., :3])) if levels.shape[2] >= 3 else floats(levels)
    plane = PillowImage.fromarray(np.ascontiguousarray(gray[..., 0]))
    return 255 * np.asarray(plane.resize((THUMBNAIL, THUMBNAIL), PillowImage.Resampling.BOX), dtype=np.float32).ravel()


def _same(train: Sequence[Decoded], valid: Sequence[Decoded], warnings: list[str]) -> None:
    """Warns of duplicates, and of held-out pictures that are among the training images, too."""
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
        warnings.append(f"{len(twice)} images occur twice: {_named(twice)}")
    if leaks:
        warnings.append(f"{len(leaks)} held-out images are training images, too, so the scores are too good: {_named(leaks)}")


def _partners(noisy: Sequence[Decoded], clean: Sequence[Decoded], warnings: list[str]) -> None:
    """Warns of pairs whose two pictures are of different scenes."""
    strangers = []
    for one, other in zip(noisy, clean, strict=True):
        first, second = one.facts.thumbnail, other.facts.thumbnail
        if min(float(first.std()), float(second.std())) > 1 and float(np.corrcoef(first, second)[0, 1]) < RELATED:
            strangers.append(one.name)
    if strangers:
        warnings.append(f"{len(strangers)} pairs do not look like the same picture: {_named(strangers)}")
