"""Parts that all formats share: the table's row, a file's pages, and arrays as pictures."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from pellucid import alphas, images
from pellucid.files.stored import Stored
from pellucid.images import Image, Nodata, Range, Rows

__all__ = [
    "BANDED",
    "BAND_ROWS",
    "Document",
    "Format",
    "Page",
    "Reading",
    "fitting",
    "joined",
    "joined_rows",
    "levels",
    "picture_of",
    "picture_of_rows",
    "planes",
    "raw_rows",
]

BANDED = 32_000_000
"""Pixels from which a picture comes as `Rows` where its format can be read so; a smaller one takes little memory."""

BAND_ROWS = 64
"""Rows that are written at once where a format has no unit of its own."""


@dataclass(frozen=True)
class Reading:
    """How a file is to be read: ``value_range`` says what black and white are, ``axes`` names the axes where the file does not.

    ``axes`` has one letter for each axis, first to last: Y and X for height and width, S for the samples of colour (1 to 4 of them,
    the fourth being alpha); every other letter is an axis of the stack. ``sparing`` says that memory is to be spared: pictures may
    come as the file's whole numbers, and those of `BANDED` pixels and more as `Rows` (see `pellucid.images.Image`). ``keep``: some
    pixels must come back to the bit (`Image.kept`). ``mosaic`` asks for what a camera's sensor saw, where a file has it, in the
    place of a developed picture. ``first`` is the first page that is wanted: a format may leave out those before it, and says so
    (`Document.first`).
    """

    value_range: Range = "auto"
    axes: str | None = None
    sparing: bool = False
    keep: bool = False
    mosaic: bool = False
    first: int = 0


@dataclass(frozen=True)
class Page:
    """One page of a file, as ``pictures`` that are restored one by one.

    ``kind`` says how they make up the page: ``picture``, one image; ``inks``, the three colours of CMYK as a colour image
    (inverted: no ink is white) and the black ink as a gray one; ``channels``, a gray image for each channel, or a colour image of
    the first three and a gray one for each other.
    """

    pictures: tuple[Image, ...]
    kind: str = "picture"

    @property
    def samples(self) -> int:
        """How many samples a pixel has, alpha among them."""
        return sum(picture.pixels.shape[2] + (picture.alpha is not None) for picture in self.pictures)

    @property
    def remedy(self) -> str:
        """How a picture comes of its channels, for messages."""
        return "name the axes (YXS) if the fourth is alpha" if self.samples == 4 else "save those of the picture alone"


@dataclass(frozen=True)
class Document:
    """The content of a file: ``count`` pages, read as they are asked for.

    ``shape`` are the lengths of the stack's axes (their product is ``count``), ``axes`` their letters where known. ``about`` is
    what the file's own format wants back; only its module looks inside. ``name`` is what the file will be called, for it is
    written under another; empty where it is read. ``first`` is the number of the page that ``pages`` begin with.
    """

    pages: Iterable[Page]
    count: int = 1
    shape: tuple[int, ...] = ()
    axes: str = ""
    about: object | None = None
    name: str = ""
    first: int = 0

    @property
    def single(self) -> bool:
        """Whether it is one page and no stack of one."""
        return self.count == 1 and not self.shape


@dataclass(frozen=True)
class Format:
    """A file format: the ``endings`` of its names, whether it keeps ``alpha``, and how it is read and written.

    Either ``decode`` and ``encode`` turn bytes into a picture and back, or ``open`` and ``save`` do it page by page with a path.
    Without both ``encode`` and ``save`` it is only read, and ``instead`` is the ending of what is written. ``inks`` says whether
    CMYK can be written, ``folder`` whether it is a folder and no file, ``sensor`` whether it holds nothing but what a camera's
    sensor saw: other pictures are then written as ``instead`` says. ``media`` are its media types (MIME), the first being the one
    to write; a folder has none. ``holds`` are the channels of the pictures that endings stand for, where not all stand for any; 0
    where none is written. ``depths`` are those that ``--depth`` may ask of it, by name: 8, 16, float32. ``in_parts`` says whether
    it is read in parts, so that a file may be longer than memory.
    """

    name: str
    endings: tuple[str, ...]
    media: tuple[str, ...] = ()
    alpha: bool = True
    decode: Callable[[bytes, Reading], Image] | None = None
    encode: Callable[[Image], bytes] | None = None
    open: Callable[[Path, Reading], AbstractContextManager[Document]] | None = None
    save: Callable[[Path, Iterator[Page], Document], None] | None = None
    instead: str = ""
    inks: bool = False
    folder: bool = False
    holds: Mapping[str, int] = field(default_factory=dict)
    depths: tuple[str, ...] = ("8",)
    sensor: bool = False
    in_parts: bool = False
    whites: tuple[str, ...] = ()
    longest: int | None = None
    colours: tuple[int, ...] = ()
    check: Callable[[Image], None] | None = None
    ready: Callable[[], object] | None = None

    @property
    def writes(self) -> bool:
        """Whether it can be written."""
        return self.encode is not None or self.save is not None


def picture_of(
    values: NDArray[Any],
    reading: Reading,
    *,
    white: float | None = None,
    nodata: Nodata | None = None,
    full: bool = False,
    valid: NDArray[np.bool_] | None = None,
    premultiplied: bool = False,
    mirror: float | None = None,
) -> Image:
    """An image from an array that may be gray with alpha (h, w, 2), as files have it; the rest as of `images.from_values`."""
    return images.from_values(
        _native(values),
        reading.value_range,
        white=white,
        sparing=reading.sparing,
        nodata=nodata,
        valid=valid,
        full=full,
        premultiplied=premultiplied,
        keep=reading.keep,
        mirror=mirror,
    )


def picture_of_rows(
    rows: Rows,
    reading: Reading,
    *,
    white: float | None = None,
    nodata: Nodata | None = None,
    full: bool = False,
    premultiplied: bool = False,
    mirror: float | None = None,
) -> Image:
    """The same as `picture_of` for values that are read as they are asked for."""
    about: dict[str, Any] = {"nodata": nodata, "full": full, "premultiplied": premultiplied, "keep": reading.keep, "mirror": mirror}
    return images.from_rows(rows, reading.value_range, white=white, **about)


def raw_rows(file: BinaryIO, begin: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Rows:
    """An array that lies in a file, unpacked, from the byte ``begin`` on; its rows have the machine's order of bytes."""
    values = Stored(file, begin, shape, dtype)

    def take(top: int, bottom: int) -> NDArray[Any]:
        return _native(values.take((slice(top, bottom), *(slice(None),) * (len(shape) - 1))))

    return Rows(tuple(shape), dtype.newbyteorder("="), take)


def planes(
    values: NDArray[Any],
    reading: Reading,
    *,
    kind: str,
    colours: int = 1,
    alpha: int | None = None,
    white: float | None = None,
    nodata: Nodata | None = None,
    premultiplied: bool = False,
) -> Page:
    """The page of (h, w, n) values whose channels are ``inks`` or ``channels``: see `Page`.

    The first ``colours`` are one image. ``alpha`` is the channel that is alpha for all others: it stands with the image before it,
    so that channels keep their order.
    """
    values = _native(values)
    if kind == "inks":
        top = values.dtype.type(np.iinfo(values.dtype).max)
        light = top - values
        parts = (images.from_values(part, "dtype", sparing=reading.sparing) for part in (light[..., :3], light[..., 3]))
        return Page(tuple(parts), kind)
    starts = [0, *(index for index in range(colours, values.shape[2]) if index != alpha)]
    pictures = []
    for start, end in itertools.pairwise((*starts, values.shape[2])):
        part = values[..., start:end]
        valid = None if alpha is None else np.broadcast_to(values[..., alpha, None] != 0, part.shape)
        pictures.append(picture_of(part, reading, white=white, nodata=nodata, valid=valid, premultiplied=premultiplied))
    return Page(tuple(pictures), kind)


def joined(page: Page) -> NDArray[Any]:
    """The page's values as one array, (h, w) or (h, w, n), of its source's dtype and units; the way back from `planes`."""
    parts = [images.to_array(replace(picture, flat=False)) for picture in page.pictures]
    values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)
    if page.kind == "inks":
        values = np.iinfo(values.dtype).max - values
    return values[..., 0] if values.shape[2] == 1 else values


def joined_rows(page: Page) -> Rows:
    """The same as `joined`, row by row, for a page in memory or not."""
    first = page.pictures[0]
    if len(page.pictures) != 1 or not isinstance(first.pixels, Rows):
        values = joined(page)
        return Rows(values.shape, values.dtype, lambda top, bottom: values[top:bottom])
    height, width, colours = first.pixels.shape
    samples = colours + (first.alpha is not None)
    alpha, pixels = first.alpha, first.pixels

    def take(top: int, bottom: int) -> NDArray[Any]:
        values = images.to_values(first, pixels.take(top, bottom))
        if first.mask is not None:
            values = first.mask.put_back(values, top)
        if alpha is not None:
            beside = images.rows_of(alpha, top, bottom)
            values = np.concatenate([values, beside[..., None].astype(first.dtype)], axis=2)
        return values[..., 0] if samples == 1 else values

    return Rows((height, width) if samples == 1 else (height, width, samples), first.dtype, take)


def fitting(image: Image, dtypes: tuple[str, ...]) -> NDArray[Any]:
    """The image in its own dtype and units if that is one of ``dtypes``; else over the whole range of the last, the deepest."""
    if image.dtype.name in dtypes and (image.alpha is None or image.alpha.dtype == image.dtype):
        return joined(Page((image,)))
    return levels(image, image.dtype.name if image.dtype.name in dtypes else dtypes[-1])


def levels(image: Image, dtype: str) -> NDArray[Any]:
    """The image over the whole range of an unsigned ``dtype``, (h, w) or (h, w, 2 to 4), alpha scaled with it."""
    top = np.iinfo(dtype).max
    values = images.whole(image.pixels)
    if values.dtype.kind == "f":
        values = images.to_levels(values, np.dtype(dtype))
    elif values.dtype != np.dtype(dtype) or image.black != 0 or image.white is not None:
        values = images.to_levels(images.floating(replace(image, pixels=values, alpha=None)).pixels, np.dtype(dtype))
    if image.mask is not None:
        valid = images.whole(image.mask.valid)[..., None]
        values = np.where(valid, values, images.to_levels(images.hidden_pixels(image), np.dtype(dtype)))
    if image.alpha is not None:
        alpha = images.whole(image.alpha)
        if alpha.dtype != np.dtype(dtype):
            alpha = np.rint(np.clip(alpha.astype(np.float64) / alphas.opaque_of(image), 0, 1) * top).astype(dtype)
        values = np.concatenate([values, alpha[..., None]], axis=2)
    return values[..., 0] if values.shape[2] == 1 else values


def with_rows(picture: Image, change: Callable[[Rows], Rows]) -> Image:
    """The picture, each of its arrays that is read in rows changed."""

    def changed(part: Any) -> Any:
        return change(part) if isinstance(part, Rows) else part

    mask = picture.mask and replace(picture.mask, valid=changed(picture.mask.valid), values=changed(picture.mask.values))
    pixels, alpha, kept = (changed(part) for part in (picture.pixels, picture.alpha, picture.kept))
    return replace(picture, pixels=pixels, alpha=alpha, mask=mask, kept=kept)


def message_of(error: Exception) -> str:
    """The message of a decoder or an encoder, in one line of at most 200 characters."""
    if isinstance(error, UnidentifiedImageError):
        return "its beginning is not understood"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    first = error.args[0] if error.args else ""
    # LibRaw speaks in bytes.
    text = (first.decode("utf-8", "replace") if isinstance(first, bytes) else str(error)).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def _native(values: NDArray[Any]) -> NDArray[Any]:
    """The same values in the machine's own order of bytes."""
    return values.astype(values.dtype.newbyteorder("="), copy=False)
