"""The images that methods are scored on: a folder's, or digits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid import alphas, digits, files, images
from pellucid.digits import Lesson
from pellucid.errors import FileError, MissingExtra
from pellucid.images import Image
from pellucid.methods import Clean

__all__ = ["Images", "load_images"]


@dataclass(frozen=True)
class Images:
    """Clean images by name, (h, w) or (h, w, 3) float64 in [0, 1], or (h, w, 2 or 4) with alpha; or a ``stack`` (n, h, w) of
    digits.

    ``places`` are the images' numbers among the folder's files, which seed their noise: a file that cannot be read keeps its
    number, and so do the others. ``labels`` are the digits' values where they are known, and ``lesson`` clean training digits
    (uint8) with theirs. ``failed`` has a line for each file that could not be read, ``notes`` has lines for the reader of the
    scores.
    """

    source: str
    named: tuple[tuple[str, Clean], ...] = ()
    places: tuple[int, ...] = ()
    stack: Clean | None = None
    labels: NDArray[np.uint8] | None = None
    lesson: Lesson | None = None
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_images(source: Path, *, limit: int | None = None, alpha: bool = False) -> Images:
    """The clean images of a folder (8 or 16 bits as they are, gray stays gray), or the digits of an IDX file of images.

    ``limit`` keeps the first so many. With ``alpha`` it is the last channel, 1 where a file has none. An image that cannot be read
    is listed in ``failed``. Raises `FileError` when nothing is left.
    """
    if source.is_file():
        stack, labels, lesson = digits.read(source, limit)
        return Images(source.name, stack=stack, labels=labels, lesson=lesson)
    paths = files.list_images(source)[:limit]
    stems = [path.stem for path in paths]
    named: list[tuple[str, Clean]] = []
    places: list[int] = []
    failed: list[str] = []
    notes: list[str] = []
    for place, path in enumerate(paths):
        try:
            image = files.read(path)
        except (FileError, MissingExtra) as error:
            failed.append(str(error) if isinstance(error, FileError) else f"{path}: {error}")
            continue
        # Exactly the file's levels over their maximum, in float64: float32 would shift the last digits of the score.
        pixels = image.pixels.astype(np.float64)
        steps = image.steps
        clean = np.rint(pixels * steps) / steps if steps is not None else pixels
        if alpha:
            clean = np.concatenate([_shown(image), _alpha(image)], axis=2)
        name = path.stem if stems.count(path.stem) == 1 else path.name
        named.append((name, clean[..., 0] if clean.shape[2] == 1 else clean))
        places.append(place)
        if image.alpha is None and alpha:
            notes.append(f"{name}: it has no transparency, so all of it is taken for what is to be kept")
        elif image.alpha is not None and not alpha:
            notes.append(f"{name}: its transparency is ignored")
    if not named:
        raise FileError(failed[0] if failed else f"{source}: no image in it can be read")
    gray = sum(clean.ndim == 2 for _, clean in named)
    if 0 < gray < len(named):
        notes.append(f"{gray} gray and {len(named) - gray} colour images: the means are over both")
    return Images(source.name, named=tuple(named), places=tuple(places), failed=tuple(failed), notes=tuple(notes))


def _shown(image: Image) -> Clean:
    """The pixels with what stands under alpha 0, which is filled elsewhere: the picture that was there before it was cut out."""
    pixels = image.pixels.astype(np.float64)
    if image.mask is None:
        return pixels
    return np.where(images.whole(image.mask.valid)[..., None], pixels, images.hidden_pixels(image))


def _alpha(image: Image) -> Clean:
    """Alpha (h, w, 1), 1 where there is none."""
    if image.alpha is None:
        return np.ones((*image.pixels.shape[:2], 1))
    return image.alpha[..., None].astype(np.float64) / alphas.opaque(image.alpha.dtype)
