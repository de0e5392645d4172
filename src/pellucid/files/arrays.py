"""NumPy's ``.npy`` and OpenEXR: arrays of numbers, and how the axes of an array make pictures."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pellucid import regular
from pellucid.errors import FileError, MissingExtra, OptionError
from pellucid.files import base
from pellucid.files.base import (
    BAND_ROWS,
    Document,
    Page,
    Reading,
    joined,
    joined_rows,
    picture_of,
    picture_of_rows,
    raw_rows,
)
from pellucid.files.claims import check_size
from pellucid.files.stored import Pick, Stored, cut
from pellucid.images import FILE_DEPTHS, Image, Rows

__all__ = ["assembled", "check_exr", "exr", "frames", "guessed", "inner_shape", "open_exr", "open_npy", "save_exr", "save_npy"]


SLAB = 128 << 20
"""Bytes of pictures that are read and written together where their values lie between one another's."""

MOST_IN_HEADER = 1 << 14
"""Bytes in which the header of an array file must be; NumPy itself takes 10,000."""


# -- axes -------------------------------------------------------------------------------------------------------------


def inner_shape(shape: tuple[int, ...], axes: str) -> tuple[tuple[int, ...], str, tuple[int, ...]]:
    """The stack's lengths, its letters, and where the array's axes go: those of the stack first, then Y, X, S.

    Raises `OptionError` where the letters do not fit the array.
    """
    if len(axes) != len(shape):
        raise OptionError(f"--axes {axes}: {len(axes)} letters do not fit an array of shape {shape}; give one for each axis")
    if len(set(axes)) != len(axes) or not axes.isalpha() or "Y" not in axes or "X" not in axes:
        raise OptionError(f"--axes {axes}: give Y and X once each, S for colour, and other letters for a stack, none twice")
    inner = [axes.index(letter) for letter in "YXS" if letter in axes]
    if len(inner) == 3 and not 1 <= shape[inner[2]] <= 4:
        raise OptionError(f"--axes {axes}: S is colour, of 1 to 4 samples, and that axis has {shape[inner[2]]}")
    outer = [place for place in range(len(shape)) if place not in inner]
    return tuple(shape[place] for place in outer), "".join(axes[place] for place in outer), (*outer, *inner)


def frames(values: NDArray[Any], axes: str, reading: Reading, valid: NDArray[np.bool_] | None = None) -> Iterator[Page]:
    """The pictures in an array, one after another; ``valid``, of its shape, is False where no image is."""
    leading, _, order = inner_shape(values.shape, axes)
    ordered = values.transpose(order)
    for index in np.ndindex(*leading):
        there = None if valid is None else valid.transpose(order)[index]
        yield Page((replace(picture_of(np.array(ordered[index]), reading, valid=there), flat=False),))


def assembled(pages: Iterator[Page], axes: str, shape: tuple[int, ...], into: NDArray[Any] | None = None) -> NDArray[Any]:
    """The array of that shape and axes again, from its pictures; written ``into`` one where it is given."""
    leading, _, order = inner_shape(shape, axes)
    whole = into
    for index, page in zip(np.ndindex(*leading), pages, strict=True):
        values = joined(page)
        if whole is None:
            whole = np.empty(shape, values.dtype)
        place = whole.transpose(order)[index]
        place[...] = values.reshape(place.shape)
    if whole is None:
        raise FileError("it holds no picture")
    return whole


# -- npy --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NpyArray:
    """The array's whole shape, its axes and dtype."""

    shape: tuple[int, ...]
    axes: str
    dtype: str


def guessed(shape: tuple[int, ...]) -> str:
    """The axes of an array that does not say: colour last where that axis has 3 or 4, the others a stack."""
    colour = len(shape) > 2 and shape[-1] in (1, 3, 4)
    stack = len(shape) - (3 if colour else 2)
    return "QRTZCPVWABDEFGHIJKLMNOU"[:stack] + ("YXS" if colour else "YX")


@contextmanager
def open_npy(path: Path, reading: Reading) -> Iterator[Document]:
    """The pictures in an array file; nothing in it is ever unpickled."""
    with regular.opened(path) as file:
        values = _stored(file)
        shape = values.shape
        if not reading.axes and len(shape) > 2 and shape[-1] == 2:
            # Gray with alpha, most likely; as a stack, of pictures two pixels wide.
            stack = guessed((*shape[:-1], 1))[:-1]
            raise FileError(
                f"an array of shape {shape} may be gray with alpha (--axes {stack}S) or gray pictures (--axes {stack}C): "
                "name its axes"
            )
        axes = reading.axes.upper() if reading.axes else guessed(shape)
        leading, letters, order = inner_shape(shape, axes)
        height, width = (shape[place] for place in order[len(leading) :][:2])
        stored = os.fstat(file.fileno()).st_size
        colours = shape[order[-1]] if "S" in axes else 1
        banded = reading.sparing and height * width >= base.BANDED and axes in ("YX", "YXS") and not values.fortran
        together = order != tuple(range(len(order))) or values.fortran
        # Where values of pictures lie between one another's, several are read at once.
        slab = 2 * min(SLAB, values.end) + 12 * height * width * colours if together else None
        held = 0 if banded else slab
        check_size(width, height, colours, stored, itemsize=values.dtype.itemsize, pages=math.prod(leading), held=held)
        if values.end > stored:
            raise FileError("the pixels are cut off")
        about = NpyArray(shape, axes, values.dtype.str)
        if banded:
            rows = raw_rows(file, values.begin, shape, values.dtype)
            yield Document([Page((replace(picture_of_rows(rows, reading), flat=False),))], 1, (), "", about)
            return
        yield Document(_frames(values, axes, reading), math.prod(leading), leading, letters, about)


def _stored(file: BinaryIO) -> Stored:
    """The array in the file; its header is read, and no more than that."""
    start = file.read(MOST_IN_HEADER)
    if start.startswith(b"PK"):
        raise FileError("it does not hold one array")
    header = io.BytesIO(start)
    read = np.lib.format.read_array_header_1_0
    if np.lib.format.read_magic(header) != (1, 0):
        # 3.0 is 2.0 with names in UTF-8, and no picture's dtype has names.
        read = np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(header)
    if not 2 <= len(shape) <= 16 or any(side < 1 for side in shape):
        raise FileError(f"an array of shape {shape} is not a picture")
    if dtype.name not in FILE_DEPTHS:
        raise FileError(f"values of dtype {dtype} are not an image; {', '.join(FILE_DEPTHS)} are taken")
    return Stored(file, header.tell(), shape, dtype, fortran=fortran)


def _frames(values: Stored, axes: str, reading: Reading) -> Iterator[Page]:
    """The pictures in the file, one after another."""
    for index, last, picks, order in _slabs(values, axes):
        slab = values.take(picks).transpose(order)
        for at in range(last):
            # A copy: a picture on its way must not hold the slab.
            frame = np.array(slab[at]) if index else slab
            yield Page((replace(picture_of(frame, reading), flat=False),))


def _slabs(values: Stored, axes: str) -> Iterator[tuple[tuple[int, ...], int, tuple[Pick, ...], tuple[int, ...]]]:
    """The parts of the array that are read or written at once: as many pictures, one after another, as lie between one another's
    values and fit into `SLAB`. The index of the first one, their count, the part, and the order that brings them to the front."""
    leading, _, order = inner_shape(values.shape, axes)
    if not leading:
        yield (), 1, (slice(None),) * len(order), order
        return
    frame = math.prod(values.shape[place] for place in order[len(leading) :]) * values.dtype.itemsize
    depth = 1 if order == tuple(range(len(order))) and not values.fortran else max(1, SLAB // frame)
    kept = order[len(leading) - 1 :]
    # The axes that are left, in the order in which they lie there.
    front = tuple(sorted(kept).index(place) for place in kept)
    for index in np.ndindex(*leading):
        if index[-1] % depth == 0:
            count = min(depth, leading[-1] - index[-1])
            picks: list[Pick] = [slice(None)] * len(order)
            for place, at in zip(order, index, strict=False):
                picks[place] = at
            picks[order[len(leading) - 1]] = slice(index[-1], index[-1] + count)
            yield index, count, tuple(picks), front


def save_npy(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes the pictures as one array, of the source's shape where it was one."""
    first = next(pages)
    about = document.about
    rows = joined_rows(first)
    if isinstance(about, NpyArray):
        shape, axes = about.shape, about.axes
    else:
        shape = (*document.shape, *rows.shape)
        axes = _free(document.axes, len(document.shape)) + "YXS"[: len(rows.shape)]
    if len(rows.shape) == 3 and rows.shape[2] not in (1, 2, 3, 4):
        raise FileError(f"an array holds no picture of {rows.shape[2]} channels; write TIFF")
    dtype = np.dtype(about.dtype) if isinstance(about, NpyArray) else rows.dtype
    with path.open("w+b", buffering=0) as file:
        start = io.BytesIO()
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(start, header)
        file.write(start.getvalue())
        values = Stored(file, file.tell(), shape, dtype)
        if isinstance(first.pictures[0].pixels, Rows):
            for band in rows.bands(BAND_ROWS):
                file.write(band.astype(dtype, copy=False).tobytes())
            return
        # A disk that has no room says so now.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, values.end)
        else:
            file.truncate(values.end)
        for index, count, picks, order in _slabs(values, axes):
            slab = np.empty([len(range(*pick.indices(side))) for pick, side in cut(picks, shape)], dtype)
            ordered = slab.transpose(order)
            for at in range(count):
                page = first if at == 0 and not any(index) else next(pages, None)
                if page is None:
                    raise FileError("pages are missing")
                frame = joined(page)
                if joined_rows(page).shape != rows.shape:
                    raise FileError("pages of different sizes do not fit into one array; write TIFF")
                place = ordered[at] if index else ordered
                place[...] = frame.reshape(place.shape)
            values.put(picks, slab)


def _free(axes: str, count: int) -> str:
    """The stack's letters where each is there once and none is colour's, else any."""
    fits = len(axes) == count == len(set(axes)) and not set(axes) & set("YXS")
    return axes if fits else "QRTZCPVWABDEFGHIJKLMNOU"[:count]


# -- OpenEXR ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExrNotes:
    """An OpenEXR file's own attributes, by name."""

    header: tuple[tuple[str, Any], ...]


def exr() -> Any:
    """The package OpenEXR. Raises `MissingExtra` where it is not installed."""
    try:
        import OpenEXR
    except ModuleNotFoundError as error:
        raise MissingExtra("OpenEXR", "exr") from error
    return OpenEXR


COLOURS = (("R", "G", "B"), ("R", "G", "B", "A"), ("Y",), ("Y", "A"))
"""The channels of an OpenEXR file that make one picture."""


@contextmanager
def open_exr(path: Path, reading: Reading) -> Iterator[Document]:
    """The picture in an OpenEXR file, in linear light as it is. Raises `MissingExtra`."""
    package = exr()
    size = path.stat().st_size
    with package.File(str(path), header_only=True) as head:
        if len(head.parts) != 1:
            raise FileError(f"it has {len(head.parts)} parts, and only single pictures are read")
        header = head.header()
        # Before the file is closed, which empties it.
        attributes = tuple((key, value) for key, value in header.items() if key not in ("channels", "type"))
        low, high = header["dataWindow"]
        channels = {channel.name for channel in header["channels"]}
        width, height = (int(high[axis]) - int(low[axis]) + 1 for axis in (0, 1))
        # The library reads channel by channel, and they are put together; halves come as floats of 16 bits.
        check_size(width, height, len(channels), size, itemsize=4, held=width * height * len(channels) * 12)
    names = next((names for names in COLOURS if set(names) == channels), None)
    if names is None:
        raise FileError(f"channels {', '.join(sorted(channels))} do not make a picture; R, G, B or Y, with A or without, do")
    with package.File(str(path), separate_channels=True) as file:
        # The library tells of pixels that it does not find on its own output, and goes on without them.
        if not file.parts:
            raise FileError("the pixels are damaged or cut off")
        found = file.channels()
        values = [np.asarray(found[name].pixels) for name in names]
    if any(plane.shape != values[0].shape or plane.dtype != values[0].dtype for plane in values):
        raise FileError("channels of different sizes or depths are not read")
    stacked = values[0] if len(values) == 1 else np.stack(values, axis=2)
    image = replace(picture_of(stacked, reading, premultiplied=True), flat=False, notes=ExrNotes(attributes))
    yield Document([Page((image,))])


def _exr_fitted(header: dict[str, Any], shape: tuple[int, ...], down: float, across: float) -> dict[str, Any]:
    """The attributes for pixels that have become smaller by these factors."""
    fitted = dict(header)
    # Windows are a first and a last pixel, each across and down.
    for name in ("dataWindow", "displayWindow"):
        if name in header:
            first, last = (np.asarray(corner) for corner in header[name])
            begin = np.rint(first * np.array([across, down])).astype(np.int32)
            size = np.rint((last + 1 - first) * np.array([across, down])) if name == "displayWindow" else np.array(shape[1::-1])
            fitted[name] = (begin, (begin + size - 1).astype(np.int32))
    if "xDensity" in header:
        fitted["xDensity"] = header["xDensity"] * across
    return fitted


def check_exr(image: Image) -> None:
    """Raises `FileError` for a picture of a dtype that OpenEXR does not have."""
    if image.dtype.name not in ("float16", "float32", "uint32"):
        raise FileError(f"OpenEXR holds linear light in floats of 16 or 32 bits, not {image.dtype}; write TIFF")


def save_exr(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes an OpenEXR file: floats only, for it means linear light. Raises `MissingExtra`."""
    package = exr()
    image: Image = next(pages).pictures[0]
    check_exr(image)
    values = joined(Page((image,)))
    stacked = values[..., None] if values.ndim == 2 else values
    names = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}[stacked.shape[2]]
    channels = {name: np.ascontiguousarray(stacked[..., index]) for index, name in enumerate(names)}
    header = dict(image.notes.header) if isinstance(image.notes, ExrNotes) else {"compression": package.ZIP_COMPRESSION}
    if image.is_grown:
        header = _exr_fitted(header, stacked.shape[:2], *(float(grown) for grown in image.grown))
    package.File({**header, "type": package.scanlineimage}, channels).write(str(path))
