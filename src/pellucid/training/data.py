"""Training data: images decoded once into memory as 8-bit levels, and batches that are a pure function of seed and step.

Because a batch depends on nothing but (seed, step), any number of threads may prepare them ahead, and a run that is resumed sees
the same ones as a run that never stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import degradations, files, images, samples
from pellucid.cards import TrainingImages
from pellucid.errors import FileError, MissingExtra, TrainingError
from pellucid.tasks import Pair, Task
from pellucid.training import mnist, photos
from pellucid.training.recipes import Data, Recipe

__all__ = ["Batch", "Pictures", "batches", "load", "make_batch", "pack", "validation_batches"]

Levels = NDArray[np.uint8]
Planes = NDArray[np.float32]

PACK_MANIFEST = "pellucid-pack.json"


@dataclass(frozen=True)
class Pictures:
    """Decoded images, (height, width, channels) uint8 each, and where they come from."""

    names: tuple[str, ...]
    train: tuple[Levels, ...]
    valid: tuple[Levels, ...]
    origin: tuple[TrainingImages, ...]
    notes: tuple[str, ...] = ()

    @cached_property
    def chances(self) -> NDArray[np.float64] | None:
        """How often each image is drawn, in proportion to its pixels; None where all are of one size."""
        areas = np.array([picture.shape[0] * picture.shape[1] for picture in self.train], dtype=np.float64)
        return None if np.ptp(areas) == 0 else areas / areas.sum()


@dataclass(frozen=True)
class Batch:
    """``input`` (n, channels + maps, h, w), ``target`` and ``base``, what a residual is taken from: (n, channels, h, w), or larger
    by the task's factor; float32."""

    input: Planes
    target: Planes
    base: Planes


# -- reading ----------------------------------------------------------------------------------------------------------


def load(source: Path | None, data: Data) -> Pictures:
    """The images that ``source`` holds, split into training and held-out ones.

    ``source`` is a folder of pictures, a pack (see `pack`), a folder of MNIST's IDX files, or None: what ``pellucid fetch`` has put
    into the user's cache; for digits, where there is nothing, those in the package.
    Raises `TrainingError` when there are too few, `FileError` when ``source`` cannot be read.
    """
    if data.kind == "digits":
        return _digits(source, data)
    if source is None:
        source = photos.cached()
    if source is None:
        raise TrainingError(
            "this recipe learns from photographs: 'pellucid fetch photos' brings some, or name your own with --images"
        )
    named, notes = _from_pack(source) if source.is_file() else _from_folder(source)
    train, valid, names = [], [], []
    for name, levels in named:
        if min(levels.shape[:2]) < data.patch:
            notes.append(f"{name}: left out, smaller than the patch of {data.patch} pixels")
            continue
        picture = _in_channels(levels, data.channels)
        if is_held_out(name, data):
            valid.append(picture)
        else:
            train.append(picture)
            names.append(name)
    if not train:
        raise TrainingError(f"{source}: no image of at least {data.patch}x{data.patch} pixels to learn from")
    if not valid:
        # A handful of images: the hash picked none. The last one (by name) is kept out, so that validation is honest.
        if len(train) < 2:
            raise TrainingError(f"{source}: one image is too few; validation needs a second one")
        valid.append(train.pop())
        names.pop()
    train = [scaled for picture in train for scaled in _at_scales(picture, data)]
    if not train:
        raise TrainingError(f"{source}: no image is as large as a patch of {data.patch} pixels at the scales {data.scales}")
    return Pictures(tuple(names), tuple(train), tuple(valid), _origin(names, data, source.name), tuple(notes))


def is_held_out(name: str, data: Data) -> bool:
    """Whether an image of that file name is kept for validation."""
    stem = Path(name).stem
    draw = int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4]) / 2**32
    return draw < data.held_out or any(word in stem for word in data.hold_out)


def _at_scales(picture: Levels, data: Data) -> Iterator[Levels]:
    """The picture at each of the recipe's scales where a patch still fits into it; at scale 1 always."""
    height, width, channels = picture.shape
    for scale in data.scales:
        size = round(width * scale), round(height * scale)
        if scale == 1:
            yield picture
        elif min(size) >= data.patch:
            small = PillowImage.fromarray(picture[..., 0] if channels == 1 else picture).resize(
                size, PillowImage.Resampling.LANCZOS
            )
            yield np.asarray(small).reshape(size[1], size[0], channels)


def _in_channels(levels: Levels, channels: int) -> Levels:
    """Gray or colour, as the network wants it, as a contiguous (h, w, channels) array."""
    if levels.ndim == 2:
        levels = levels[..., None]
    if levels.shape[2] == channels:
        return np.ascontiguousarray(levels)
    if channels == 3:
        return np.repeat(levels, 3, axis=2)
    return np.rint(images.gray(levels.astype(np.float32))).astype(np.uint8)


def _origin(names: list[str], data: Data, folder: str) -> tuple[TrainingImages, ...]:
    counts: dict[tuple[str, str], int] = {}
    for name in names:
        credit = next((entry for entry in data.credits if entry.match in name), None)
        key = (credit.source, credit.licence) if credit else (f"images of {folder!r}", "not stated")
        counts[key] = counts.get(key, 0) + 1
    return tuple(TrainingImages(source, count, licence) for (source, licence), count in counts.items())


def _from_folder(folder: Path) -> tuple[list[tuple[str, Levels]], list[str]]:
    paths = files.list_images(folder)
    notes: list[str] = []
    named: list[tuple[str, Levels]] = []

    def decode(path: Path) -> Levels | str:
        try:
            levels: Levels = np.rint(np.clip(files.read(path).pixels, 0, 1) * 255).astype(np.uint8)
            return levels
        except FileError as error:
            return f"left out: {error}"
        except MissingExtra as error:
            return f"left out: {path}: {error}"

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for path, decoded in zip(paths, pool.map(decode, paths), strict=True):
            if isinstance(decoded, str):
                notes.append(decoded)
            else:
                named.append((path.name, decoded))
    return named, notes


def _from_pack(path: Path) -> tuple[list[tuple[str, Levels]], list[str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if name != PACK_MANIFEST)
            manifest = json.loads(archive.read(PACK_MANIFEST))
            contents = [archive.read(name) for name in names]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: not a pack of images ('pellucid pack' makes one): {error}") from error

    def decode(content: bytes) -> Levels:
        with PillowImage.open(io.BytesIO(content)) as picture:
            return np.asarray(picture)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        decoded = list(pool.map(decode, contents))
    return list(zip(names, decoded, strict=True)), [f"{path.name}: {manifest['stored']}"]


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
    pictures = tuple(_in_channels(digit, data.channels) for digit in digits)
    origin = _origin([f"mnist-{index}" for index in range(kept)], data, "digits")
    return Pictures(("mnist",), pictures[:kept], pictures[kept:], origin, notes)


# -- batches ----------------------------------------------------------------------------------------------------------


def make_batch(pictures: Pictures, recipe: Recipe, seed: int, step: int, rank: int = 0) -> Batch:
    """Batch number ``step`` of process ``rank``: crops, flips and noise drawn from (seed, step, rank) alone."""
    rng = np.random.default_rng([seed, rank, step])
    data = recipe.data
    count, size = len(pictures.train), recipe.training.batch * data.detail
    if pictures.chances is None:
        # Images of one size are drawn without repetition within an epoch.
        places = range(step * size, (step + 1) * size)
        chosen = np.array([_order(count, seed, rank, place // count)[place % count] for place in places])
    else:
        chosen = rng.choice(count, size=size, p=pictures.chances)
    rounds = chosen.reshape(-1, data.detail)
    crops = [max((_crop(pictures.train[index], data, rng) for index in drawn), key=_detail) for drawn in rounds]
    task = recipe.task.of_batch(step)
    return _stack([_pair(crop, task, data, rng) for crop in crops])


def _pair(crop: Planes, task: Task, data: Data, rng: np.random.Generator) -> Pair:
    """A training example; of a share of them, as the recipe says, a gray one in all channels."""
    if data.gray and rng.random() < data.gray:
        return _in_all_channels(task.pair(images.gray(crop), rng), data.channels)
    return task.pair(crop, rng)


def _in_all_channels(pair: Pair, channels: int) -> Pair:
    """A gray example for a network of so many channels, as the restorer shows it gray images."""
    image, clean, base = (planes.repeat(channels, axis=2) for planes in (pair.image, pair.clean, pair.base))
    return Pair(image, pair.maps, clean, base)


@lru_cache(maxsize=4)
def _order(count: int, seed: int, rank: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, rank, epoch, count]).permutation(count)


def _crop(picture: Levels, data: Data, rng: np.random.Generator) -> Planes:
    height, width = picture.shape[:2]
    side = data.patch
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    crop = picture[top : top + side, left : left + side]
    if data.augment:
        crop = np.rot90(crop, int(rng.integers(4)))
        if rng.integers(2):
            crop = crop[:, ::-1]
    return np.asarray(crop, dtype=np.float32) / np.float32(255)


def _detail(crop: Planes) -> float:
    """The mean absolute difference of neighbours, across and down."""
    return float(np.abs(np.diff(crop, axis=0)).mean() + np.abs(np.diff(crop, axis=1)).mean())


def _stack(pairs: list[Pair]) -> Batch:
    inputs = np.stack([np.concatenate([pair.image, pair.maps], axis=2) for pair in pairs])
    targets, bases = np.stack([pair.clean for pair in pairs]), np.stack([pair.base for pair in pairs])
    return Batch(*(np.ascontiguousarray(planes.transpose(0, 3, 1, 2)) for planes in (inputs, targets, bases)))


def batches(pictures: Pictures, recipe: Recipe, seed: int, start: int, rank: int = 0, threads: int = 2) -> Iterator[Batch]:
    """Batches ``start``, ``start + 1``, ... without end, prepared ahead by ``threads`` threads (NumPy draws without the lock)."""
    ahead = 2 * threads
    with ThreadPoolExecutor(max_workers=threads) as pool:

        def submit(step: int) -> Future[Batch]:
            return pool.submit(make_batch, pictures, recipe, seed, step, rank)

        waiting = [submit(start + offset) for offset in range(ahead)]
        step = start + ahead
        try:
            while True:
                yield waiting.pop(0).result()
                waiting.append(submit(step))
                step += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def validation_batches(pictures: Pictures, recipe: Recipe, *, most: int, side: int = 256) -> Iterator[tuple[str, Batch]]:
    """The held-out images under each validation noise, always the same: (noise, batch) in batches of one size each.

    At most ``most`` images; larger ones are cropped to their middle ``side`` pixels. Image n has the noise of generator n.
    """
    multiple = 64
    chosen = pictures.valid[:most]
    for text in recipe.data.validation:
        noise = degradations.parse(text)
        group: list[Pair] = []
        for index, picture in enumerate(chosen):
            clean = picture.astype(np.float32) / np.float32(255)
            height, width = (min(side, size - size % multiple if size >= multiple else size) for size in clean.shape[:2])
            top, left = (clean.shape[0] - height) // 2, (clean.shape[1] - width) // 2
            middle = clean[top : top + height, left : left + width]
            pair = recipe.task.spoil(middle, noise, np.random.default_rng(index))
            if group and (group[0].clean.shape != pair.clean.shape or len(group) * pair.clean.size >= 500_000):
                yield text, _stack(group)
                group = []
            group.append(pair)
        if group:
            yield text, _stack(group)


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
