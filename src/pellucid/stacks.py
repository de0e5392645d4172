"""Arrays of one or several pictures: how they are read, and the way back to an array."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid import images, masks, ranges
from pellucid.errors import ImageError, OptionError
from pellucid.files import arrays
from pellucid.files.base import Page, Reading
from pellucid.images import Image, Range
from pellucid.tasks.settings import as_number, shown

__all__ = ["Frames", "first_of", "frames_of", "in_range", "masked_as", "reading_of", "restored"]


class Restored(Protocol):
    """The result of restoring a picture."""

    @property
    def image(self) -> Any:
        """The restored picture."""


@dataclass(frozen=True)
class Frames:
    """The pictures in an array, one after another, and the way back: ``whole`` makes an array of the restored ones."""

    pictures: Iterator[Image]
    whole: Callable[[Iterable[Image]], NDArray[Any]]


def frames_of(array: ArrayLike, value_range: Range, axes: str | None) -> Frames:
    """The pictures of an array, as the command line takes those of an array file. Raises `ImageError` and `OptionError`."""
    masked = np.ma.getmaskarray(array) if np.ma.isMaskedArray(array) else None
    # Where nothing is done to a pixel it comes back to the bit: float32, which the work is done in, has 24 bits.
    values, reading = np.asarray(images.array_of(array)), replace(reading_of(value_range, axes), keep=True)
    if values.dtype.name not in images.FILE_DEPTHS:
        raise ImageError(f"an array of dtype {values.dtype} is not an image; {', '.join(images.FILE_DEPTHS)} are taken")
    if values.ndim < 2 or values.size == 0:
        raise ImageError(f"an array of shape {values.shape} is not an image; (h, w) and (h, w, 3) are, or several of these")
    if reading.axes is None and values.ndim > 2 and values.shape[-1] == 2:
        # Gray with alpha, most likely; as a stack, of pictures two pixels wide.
        raise ImageError(f"an array of shape {values.shape} is not an image; for a stack, name its axes, such as axes='ZYX'")
    letters = reading.axes if reading.axes is not None else arrays.guessed(values.shape)
    reading = replace(reading, axes=letters)

    def whole(pictures: Iterable[Image]) -> NDArray[Any]:
        pages = [Page((picture,)) for picture in pictures]
        first = pages[0].pictures[0]
        height, width, channels = first.pixels.shape
        sides = {"Y": height, "X": width, "S": channels + (first.alpha is not None)}
        # Gray may have become colour, or have got alpha.
        due = letters if "S" in letters or sides["S"] == 1 else f"{letters}S"
        if first.flat and sides["S"] == 1:
            # A mask of colours has no axis for them.
            due = due.replace("S", "")
        before = dict(zip(letters, values.shape, strict=True))
        shape = tuple((before | sides)[letter] for letter in due)
        output = arrays.assembled(iter(pages), due, shape)
        if output.dtype == values.dtype.newbyteorder("="):
            # The bytes of each value in the order in which they came.
            output = output.astype(values.dtype, copy=False)
        if masked is None:
            return output
        there = np.asarray(masked.any(axis=letters.index("S"))) if "S" in letters and "S" not in due else masked
        own = letters if there is masked else due
        places = np.ix_(*(masks.nearest(size, before[letter]) for size, letter in zip(shape, own, strict=False)))
        mask = there[places] if due == own else np.broadcast_to(there[places][..., None], shape)
        return np.ma.MaskedArray(output, mask=mask, fill_value=array.fill_value)  # type: ignore[union-attr]

    valid = None if masked is None else ~masked
    return Frames(_pictures(arrays.frames(values, letters, reading, valid), values.shape, letters), whole)


def first_of(array: ArrayLike, value_range: Range, axes: str | None) -> Image:
    """The first picture of an array that has any value."""
    return next(picture for picture in frames_of(array, value_range, axes).pictures if not picture.empty)


def _pictures(pages: Iterator[Page], shape: tuple[int, ...], letters: str) -> Iterator[Image]:
    """The pictures of an array; `ImageError` where none has any value."""
    last, empty = math.prod(arrays.inner_shape(shape, letters)[0]) - 1, True
    for number, page in enumerate(pages):
        picture = page.pictures[0]
        empty = empty and picture.empty
        if empty and number == last:
            raise ImageError(images.EMPTY)
        yield picture


def restored(array: ArrayLike, value_range: Range, axes: str | None, restore: Callable[[Image], Restored]) -> NDArray[Any]:
    """The array of what ``restore`` makes of each of its pictures; says how they were read (`pellucid.ranges.warn`)."""
    said: list[str] = []

    def each(pictures: Iterable[Image]) -> Iterator[Image]:
        for picture in pictures:
            said.extend(picture.remarks if not said else ())
            yield restore(picture).image

    frames = frames_of(array, value_range, axes)
    output = frames.whole(each(frames.pictures))
    ranges.warn(said)
    return output


def reading_of(value_range: Any, axes: Any) -> Reading:
    """How an array or a file is read; `OptionError` for a range or axes that are none."""
    if axes is not None and not isinstance(axes, str):
        raise OptionError(f"axes must be letters, such as 'ZYX', not {shown(axes)}")
    found: Any = value_range if isinstance(value_range, str) and value_range in ("auto", "dtype") else _ends(value_range)
    if found is None:
        raise OptionError(f"range must be 'auto', 'dtype' or two different numbers, such as (0, 4095), not {shown(value_range)}")
    return Reading(found, None if axes is None else axes.upper())


def _ends(given: Any) -> tuple[float, float] | None:
    """Black and white, where these are two different finite numbers."""
    ends = tuple(given) if isinstance(given, tuple | list) or (isinstance(given, np.ndarray) and given.ndim == 1) else ()
    low, high = map(as_number, ends) if len(ends) == 2 else (None, None)
    if low is None or high is None:
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low != high else None


def in_range(picture: Image) -> Image:
    """An array's image as it leaves, in memory of its own: noise may have left the range, an output does not."""
    pixels = picture.pixels
    return images.with_pixels(picture, np.clip(pixels, 0, 1) if pixels.dtype.kind == "f" else pixels.copy())


def masked_as(given: Any, output: NDArray[Any]) -> NDArray[Any]:
    """The output with the mask of the array that was given, each of its pixels repeated where the output is larger."""
    if not np.ma.isMaskedArray(given):
        return output
    mask = masks.enlarged(np.ma.getmaskarray(given), *output.shape[:2])
    if mask.shape != output.shape:
        # Gray has become colour, has got alpha, or colours have become a mask.
        there = np.asarray(np.atleast_3d(mask).any(axis=2))
        mask = there if output.ndim == 2 else np.broadcast_to(there[..., None], output.shape)
    return np.ma.MaskedArray(output, mask=mask, fill_value=given.fill_value)
