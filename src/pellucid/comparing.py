"""Two pictures, read on one scale of values, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid import alphas, files, metrics, ranges
from pellucid.errors import ImageError
from pellucid.images import Image, Range, white_of

__all__ = ["Pair", "compare", "read"]


@dataclass(frozen=True)
class Pair:
    """A reference, ``first``, and the picture that is compared with it.

    ``one`` and ``other`` are their pixels (h, w, channels), float64, 0 and 1 the black and the white of both; ``remarks`` are lines
    for the user on how they were read.
    """

    first: Image
    second: Image
    one: NDArray[np.float64]
    other: NDArray[np.float64]
    remarks: tuple[str, ...]


def read(first: Path, second: Path, value_range: Range = "auto") -> Pair:
    """The pictures of two files on one scale.

    ``value_range`` says which values are black and white. With ``auto`` those of ``first`` are the second's, too, where both have
    floats, or whole numbers of one kind whose white neither file states: ranges that are estimated from the values of each would
    hide that one is brighter, or call two of the same values different. Raises `FileError`, and `ImageError` for pictures of
    different sizes or channels.
    """
    pictures = files.read(first, value_range=value_range), files.read(second, value_range=value_range)
    one, other = (picture.pixels.astype(np.float64) for picture in pictures)
    if one.shape[:2] != other.shape[:2]:
        sizes = [f"{path} has {width}x{height}" for path, (height, width) in ((first, one.shape[:2]), (second, other.shape[:2]))]
        raise ImageError(f"{' and '.join(sizes)} pixels: only pictures of one size can be compared")
    if one.shape != other.shape:
        kinds = ["gray" if picture.pixels.shape[2] == 1 else "colour" for picture in pictures]
        raise ImageError(f"{first} is {kinds[0]} and {second} is {kinds[1]}: they cannot be compared")
    remarks = [
        f"{path}: {share:.2g} of the pixels are no image, and were filled"
        for path, picture in zip((first, second), pictures, strict=True)
        if picture.mask is not None and not picture.mask.shown and (share := 1 - float(picture.mask.valid.mean())) > 0
    ]
    sets = "--range LO:HI sets them"
    (black, white), (own_black, own_white) = ends = [picture.ends for picture in pictures]
    if value_range == "auto" and _shares_range(*pictures):
        if (black, white) != (own_black, own_white):
            other = (other * (own_white - own_black) + (own_black - black)) / (white - black)
        if any(map(_is_estimated, pictures)):
            where = f"estimated from the values of {first}" if _is_estimated(pictures[0]) else f"as in {first}"
            remarks.append(f"values: black is {black:.6g}, white {white:.6g} in both, {where} ({sets})")
    elif value_range == "auto":
        remarks += [
            f"values: black is {low:.6g}, white {high:.6g} in {path}, estimated from its values ({sets})"
            for path, picture, (low, high) in zip((first, second), pictures, ends, strict=True)
            if _is_estimated(picture)
        ]
    return Pair(pictures[0], pictures[1], one, other, tuple(remarks))


def _shares_range(one: Image, other: Image) -> bool:
    """Whether equal values mean the same in both pictures."""
    if one.dtype.kind == other.dtype.kind == "f":
        return True
    return (one.dtype, one.mirror) == (other.dtype, other.mirror) and not (one.stated or other.stated)


def _is_estimated(picture: Image) -> bool:
    """Whether black and white were found from the picture's values."""
    return not picture.stated and (picture.black, white_of(picture)) != ranges.dtype_ends(picture.dtype)


def compare(pair: Pair) -> dict[str, float | bool | None]:
    """The scores of the second picture against the first, over [0, 1], and how they differ in 8-bit levels.

    ``largest_difference`` is that of any pixel and channel, ``mean_shift`` the largest shift of a channel's mean. A score is None
    where the pictures are too small for it, and PSNR where they are ``identical``. Only ``same_transparency`` looks at alpha: it
    is the same to within half a step of the coarser one. Raises `ImageError` for pictures of different sizes.
    """
    difference = metrics.difference(pair.one, pair.other) * 255
    if pair.first.alpha is None or pair.second.alpha is None:
        same_alpha = pair.first.alpha is pair.second.alpha
    else:
        (shown, step), (beside, other_step) = (_shares(picture) for picture in (pair.first, pair.second))
        # Halves that are rounded are off by all of half a step.
        same_alpha = bool((np.abs(shown - beside) <= max(step, other_step) * (0.5 + 1e-6)).all())
    return {
        **metrics.scores(pair.one, pair.other, metrics.COMPARED),
        "largest_difference": round(float(np.abs(difference).max()), 3),
        "mean_shift": round(float(np.abs(difference.mean(axis=(0, 1))).max()), 3),
        "identical": bool(not difference.any()),
        "same_transparency": same_alpha,
    }


def _shares(picture: Image) -> tuple[NDArray[np.float64], float]:
    """A picture's alpha over [0, 1], and its step there; for floats, that below 1."""
    most = alphas.opaque_of(picture)
    alpha = picture.alpha
    step = float(np.finfo(alpha.dtype).eps) if alpha.dtype.kind == "f" else 1 / most
    return np.clip(alpha.astype(np.float64) / most, 0, 1), step
