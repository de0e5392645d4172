"""NumPy's ``.npy`` and OpenEXR: arrays of numbers, and how the axes of an array make pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import FileError, MissingExtra, OptionError
from pellucid.files import base
from pellucid.files.base import (
    BAND_ROWS,
    Document,
    Page,
    Reading,
    check_size,
    joined,
    joined_rows,
    picture_of,
    picture_of_rows,
    raw_rows,
)
from pellucid.images import Image, Rows

__all__ = ["assembled", "frames", "guessed", "inner_shape", "open_exr", "open_npy", "save_exr", "save_npy"]


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
    values = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(values, np.ndarray):
        # An archive of several arrays under this name.
        values.close()
        raise FileError("it does not hold one array")
    if values.ndim < 2 or values.ndim > 16 or values.size == 0:
        raise FileError(f"an array of shape {values.shape} is not a picture")
    axes = reading.axes.upper() if reading.axes else guessed(values.shape)
    leading, letters, order = inner_shape(values.shape, axes)
    height, width = (values.shape[place] for place in order[len(leading) :][:2])
    check_size(width, height, 1, path.stat().st_size)
    about = NpyArray(tuple(values.shape), axes, values.dtype.str)
    if reading.sparing and height * width >= base.BANDED and axes in ("YX", "YXS") and values.flags.c_contiguous:
        # Read, not mapped: what is mapped counts as memory until something else needs it.
        begin, shape, dtype = int(getattr(values, "offset", 0)), values.shape, values.dtype
        del values
        with path.open("rb") as file:
            rows = raw_rows(file, begin, shape, dtype)
            yield Document([Page((replace(picture_of_rows(rows, reading), flat=False),))], 1, (), "", about)
        return
    yield Document(frames(values, axes, reading), math.prod(leading), leading, letters, about)


def save_npy(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes the pictures as one array, of the source's shape where it was one."""
    first = next(pages)
    about = document.about
    if isinstance(first.pictures[0].pixels, Rows):
        rows = joined_rows(first)
        shape = about.shape if isinstance(about, NpyArray) else rows.shape
        dtype = np.dtype(about.dtype) if isinstance(about, NpyArray) else rows.dtype
        with path.open("wb") as file:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for band in rows.bands(BAND_ROWS):
                file.write(band.astype(dtype, copy=False).tobytes())
        return
    values = joined(first)

    def each() -> Iterator[Page]:
        yield first
        for page in pages:
            if joined(page).shape != values.shape:
                raise FileError("pages of different sizes do not fit into one array; write TIFF")
            yield page

    if isinstance(about, NpyArray):
        shape, axes = about.shape, about.axes
    else:
        shape = (*document.shape, *values.shape)
        axes = _free(document.axes, len(document.shape)) + "YXS"[: values.ndim]
    if values.ndim == 3 and values.shape[2] not in (1, 2, 3, 4):
        raise FileError(f"an array holds no picture of {values.shape[2]} channels; write TIFF")
    dtype = values.dtype if not isinstance(about, NpyArray) else np.dtype(about.dtype)
    into = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        # A disk that fills up while a mapped file is written kills the process without a word.
        with path.open("r+b") as begun:
            os.posix_fallocate(begun.fileno(), 0, path.stat().st_size)
    assembled(each(), axes, shape, into)
    into.flush()


def _free(axes: str, count: int) -> str:
    """The stack's letters where each is there once and none is colour's, else any."""
    fits = len(axes) == count == len(set(axes)) and not set(axes) & set("YXS")
    return axes if fits else "QRTZCPVWABDEFGHIJKLMNOU"[:count]


# -- OpenEXR ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ExrNotes:
    """An OpenEXR file's own attributes, by name."""

    header: tuple[tuple[str, Any], ...]


def _exr() -> Any:
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
    exr = _exr()
    size = path.stat().st_size
    with exr.File(str(path), header_only=True) as head:
        if len(head.parts) != 1:
            raise FileError(f"it has {len(head.parts)} parts, and only single pictures are read")
        header = head.header()
        # Before the file is closed, which empties it.
        attributes = tuple((key, value) for key, value in header.items() if key not in ("channels", "type"))
        low, high = header["dataWindow"]
        channels = {channel.name for channel in header["channels"]}
        width, height = (int(high[axis]) - int(low[axis]) + 1 for axis in (0, 1))
        check_size(width, height, len(channels), size)
    names = next((names for names in COLOURS if set(names) == channels), None)
    if names is None:
        raise FileError(f"channels {', '.join(sorted(channels))} do not make a picture; R, G, B or Y, with A or without, do")
    with exr.File(str(path), separate_channels=True) as file:
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


def save_exr(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes an OpenEXR file: floats only, for it means linear light. Raises `MissingExtra`."""
    exr = _exr()
    image: Image = next(pages).pictures[0]
    values = joined(Page((image,)))
    if values.dtype.name not in ("float16", "float32", "uint32"):
        raise FileError(f"OpenEXR holds linear light in floats of 16 or 32 bits, not {values.dtype}; write TIFF")
    stacked = values[..., None] if values.ndim == 2 else values
    names = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}[stacked.shape[2]]
    channels = {name: np.ascontiguousarray(stacked[..., index]) for index, name in enumerate(names)}
    header = dict(image.notes.header) if isinstance(image.notes, ExrNotes) else {"compression": exr.ZIP_COMPRESSION}
    if image.is_grown:
        header = _exr_fitted(header, stacked.shape[:2], *(float(grown) for grown in image.grown))
    exr.File({**header, "type": exr.scanlineimage}, channels).write(str(path))
