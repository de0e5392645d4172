"""The images that methods are scored on: clean ones, those with alpha, digits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid import digits, files, rgba
from pellucid.digits import Lesson
from pellucid.errors import FileError, ImageError, MissingExtra
from pellucid.images import Image
from pellucid.methods import Clean

__all__ = ["Images", "load_images"]


@dataclass(frozen=True)
class Images:
    """Clean images by name, (h, w), (h, w, 3) or with alpha (h, w, 4), float64 in [0, 1]; or a ``stack`` (n, h, w) of digits.

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


MASK = ".mask"
"""The name of a picture's mask, before the ending: ``cat.mask.png`` says what is in front in ``cat.jpg``."""


def load_images(source: Path, *, limit: int | None = None, alpha: bool = False) -> Images:
    """The clean images of a folder (8 or 16 bits as they are, gray stays gray), or the digits of an IDX file of images.

    With ``alpha`` they are red, green, blue and alpha, colours under alpha 0 as they are in the file; where a gray picture
    ``NAME.mask.EXT`` lies beside ``NAME.EXT``, that is its alpha; an image with neither is listed in ``failed``. ``limit`` keeps
    the first so many. An image that cannot be read is listed in ``failed``. Raises `FileError` when nothing is left.
    """
    if source.is_file():
        stack, labels, lesson = digits.read(source, limit)
        return Images(source.name, stack=stack, labels=labels, lesson=lesson)
    paths = files.list_images(source)
    beside = {path.stem.removesuffix(MASK): path for path in paths if alpha and path.stem.endswith(MASK)}
    paths = [path for path in paths if path not in beside.values()][:limit]
    stems = [path.stem for path in paths]
    named: list[tuple[str, Clean]] = []
    places: list[int] = []
    failed: list[str] = []
    notes: list[str] = []
    for place, path in enumerate(paths):
        try:
            image = files.read(path)
            shown = _with_alpha(path, image, beside.get(path.stem)) if alpha else None
        except (FileError, ImageError, MissingExtra) as error:
            failed.append(str(error) if isinstance(error, FileError) else f"{path}: {error}")
            continue
        name = path.stem if stems.count(path.stem) == 1 else path.name
        if shown is not None:
            named.append((name, shown))
            places.append(place)
            continue
        # Exactly the file's levels over their maximum, in float64: float32 would shift the last digits of the score.
        pixels = image.pixels.astype(np.float64)
        steps = image.steps
        clean = np.rint(pixels * steps) / steps if steps is not None else pixels
        named.append((name, clean[..., 0] if clean.shape[2] == 1 else clean))
        places.append(place)
        if image.alpha is not None:
            notes.append(f"{name}: its transparency is ignored")
    if not named:
        raise FileError(failed[0] if failed else f"{source}: no image in it can be read")
    gray = sum(clean.ndim == 2 for _, clean in named)
    if 0 < gray < len(named):
        notes.append(f"{gray} gray and {len(named) - gray} colour images: the means are over both")
    return Images(source.name, named=tuple(named), places=tuple(places), failed=tuple(failed), notes=tuple(notes))


def _with_alpha(path: Path, image: Image, mask: Path | None) -> Clean:
    """Red, green, blue and alpha (h, w, 4) of the image in ``path``; alpha from the file ``mask``, where there is one."""
    planes = rgba.planes_of(image).astype(np.float64)
    if mask is None:
        if image.alpha is None:
            raise ImageError("it has no alpha, and no mask lies beside it, so nobody knows what is right")
        return planes
    other = files.read(mask).pixels
    if other.shape[:2] != planes.shape[:2] or other.shape[2] != 1:
        raise ImageError(f"{mask.name} must be a gray picture of the same size")
    planes[..., 3] = np.clip(other[..., 0], 0, 1)
    return planes
