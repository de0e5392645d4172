"""Packs: the images of a folder as one file of bounded size, made for machines that train elsewhere."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from pellucid import files, pillow, rgba, saving
from pellucid.errors import FileError, ImageError, MissingExtra, TrainingError
from pellucid.training import forms
from pellucid.training.forms import Source
from pellucid.training.survey import Decoded, Facts

__all__ = ["PACK_MANIFEST", "entries", "pack"]

PACK_MANIFEST = "pellucid-pack.json"
"""Name of the manifest inside a pack."""

PACK_QUALITIES: tuple[int | None, ...] = (None, 98, 95)
"""The WebP qualities that a pack tries at full size, best first; None is lossless."""

PACK_SCALES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""The sizes that a pack then tries at the last of `PACK_QUALITIES`."""


def entries(place: Path, *, alpha: bool = False) -> tuple[list[Source], str]:
    """The images of a pack, with ``alpha`` as red, green, blue and alpha, and a description of them; `FileError` for a file that is
    no pack."""
    try:
        # The archive stays open as long as one of its images may be read.
        archive = zipfile.ZipFile(place)
        names = sorted(name for name in archive.namelist() if name != PACK_MANIFEST)
        manifest = json.loads(archive.read(PACK_MANIFEST))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FileError(f"{place}: this is not a pack of images ('pellucid pack' makes one): {error}") from error

    def read(name: str) -> Decoded:
        try:
            with archive.open(name) as content, pillow.opened(content) as picture:
                if alpha:
                    levels = np.asarray(picture.convert("RGBA"))
                else:
                    levels = np.asarray(picture.convert("RGB") if picture.mode == "RGBA" else picture)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise FileError(f"{place}: {name}: {error}") from error
        levels = levels[..., None] if levels.ndim == 2 else levels
        return Decoded(name, levels, Facts.of(levels, (0.0, None)))

    whole = forms.identity(place)
    return [Source(name, (*whole, name), partial(read, name)) for name in names], f"{place.name}: {manifest['stored']}"


def pack(
    folder: Path, out: Path, *, megabytes: float, side: int | None = None, alpha: bool = False, overwrite: bool = False
) -> str:
    """Writes the images of ``folder`` into one file of at most ``megabytes`` (10**6 bytes); returns a description.

    The pack is a zip of WebP pictures with a manifest that describes them: lossless where that fits, else with the mildest loss
    that fits. A picture whose shorter side has more than ``side`` pixels is first scaled down to it. ``alpha`` keeps transparency,
    and the colours under it. Files that cannot be read are left out; the description has a line for each. Raises `FileError` where
    ``out`` exists, `TrainingError` where no file can be read, or even the smallest form is too large.
    """
    saving.check_folder(out)
    if out.exists() and not overwrite:
        raise FileError(f"{out} exists; --force overwrites it")
    paths = files.list_images(folder)
    if not paths:
        raise TrainingError(f"{folder}: it holds no images to pack")
    budget = int(megabytes * 1e6)
    left_out: dict[Path, str] = {}
    encoded = partial(_encoded, side=side, alpha=alpha)
    ladder = [(1.0, quality) for quality in PACK_QUALITIES] + [(scale, PACK_QUALITIES[-1]) for scale in PACK_SCALES[1:]]
    for scale, quality in ladder:
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            # A sample predicts the size of all well enough to skip a hopeless step.
            sample = paths[:: max(1, len(paths) // 12)]
            sizes = [
                len(made) for made in pool.map(partial(encoded, scale=scale, quality=quality), sample) if isinstance(made, bytes)
            ]
            if sizes and sum(sizes) * len(paths) / len(sizes) > 1.15 * budget:
                continue
            made = list(pool.map(partial(encoded, scale=scale, quality=quality), paths))
        left_out.update((path, entry) for path, entry in zip(paths, made, strict=True) if isinstance(entry, str))
        contents = [entry for entry in made if isinstance(entry, bytes)]
        # They are not tried at the next sizes.
        paths = [path for path in paths if path not in left_out]
        if not paths:
            raise TrainingError(f"{folder}: it holds no images to pack: {next(iter(left_out.values()))}")
        names = _names(paths)
        how = "lossless" if quality is None else f"WebP quality {quality}"
        stored = f"{len(paths)} images{' with alpha' if alpha else ''}, {how}"
        stored += f", shorter sides of at most {side} pixels (Lanczos)" if side is not None else ""
        stored += f", scaled by {scale:g} (Lanczos)" if scale < 1 else ""
        about = {"stored": stored, "scale": scale, "quality": quality, "images": len(paths)}
        about |= {"side": side} if side is not None else {}
        manifest = json.dumps(about | ({"alpha": True} if alpha else {}))
        size = sum(len(content) + 2 * len(name.encode()) + 150 for content, name in zip(contents, names, strict=True))
        if size + len(manifest) + 400 > budget:
            continue
        with (
            files.replacing(out, overwrite=overwrite) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,
        ):
            archive.writestr(PACK_MANIFEST, manifest)
            for name, content in zip(names, contents, strict=True):
                # A fixed date: the same folder packs to the same bytes.
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
        return "\n".join([f"{stored}, {out.stat().st_size / 1e6:.1f} MB", *(f"left out: {line}" for line in left_out.values())])
    raise TrainingError(f"{folder}: {len(paths)} images do not fit into {megabytes:g} MB even at a fifth of their size")


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each picture of a folder. The stem stays, for it decides whether the image is held out; of several with one stem
    the endings are folders in the pack."""
    # Bytes of a name that are no character get an escape.
    stems = [path.stem.encode("utf-8", "backslashreplace").decode("utf-8") for path in paths]
    counts = Counter(stems)
    folders = ("" if counts[stem] == 1 else f"{path.suffix[1:]}/" for stem, path in zip(stems, paths, strict=True))
    return [f"{folder}{stem}.webp" for folder, stem in zip(folders, stems, strict=True)]


def _encoded(path: Path, scale: float, quality: int | None, *, side: int | None, alpha: bool) -> bytes | str:
    """The picture in its form, or a line that says why there is none."""
    try:
        read = files.read(path)
        pixels = rgba.planes_of(read) if alpha else read.pixels
        levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
        height, width = levels.shape[:2]
        if side is not None:
            scale *= min(1.0, side / min(height, width))
        height, width = max(1, round(height * scale)), max(1, round(width * scale))
        if alpha and scale < 1:
            levels = rgba.resized(levels, height, width)
        picture = PillowImage.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
        if scale < 1 and not alpha:
            picture = picture.resize((width, height), PillowImage.Resampling.LANCZOS)
        buffer = io.BytesIO()
        # Exact: colours stay where nothing is shown.
        picture.save(buffer, "WEBP", lossless=quality is None, quality=quality or 100, method=4, exact=alpha)
        return buffer.getvalue()
    except (FileError, ImageError, MissingExtra) as error:
        return str(error) if isinstance(error, FileError) else f"{path}: {error}"
    except (OSError, ValueError) as error:
        return f"{path}: cannot be packed: {error}"
