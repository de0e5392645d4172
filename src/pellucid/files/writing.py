"""Pages into a file, as its format can hold them: under a temporary name, then renamed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import depths
from pellucid.errors import FileError, PellucidError
from pellucid.files import arrays, geometry, omezarr, photographs, profiles, raw, tiff_notes
from pellucid.files.base import Document, Format, Page, Reading, message_of, with_rows
from pellucid.files.formats import STACKS, check_written, format_of
from pellucid.files.metadata import stripped, upright
from pellucid.images import Image, Rows
from pellucid.saving import exists, replacing, replacing_folder
from pellucid.tasks.settings import Shape


def write(path: Path, image: Image, *, overwrite: bool = False, before: Callable[[Path], None] | None = None) -> None:
    """Writes the image in the format that the name's ending says, at its own bit depth and in its own units where the format can.

    ``before`` is called with the finished file under its temporary name, before it becomes ``path``. Raises `FileError` when
    ``path`` exists and ``overwrite`` is not said, when it cannot be written, and when the format cannot hold the image's alpha.
    """
    write_pages(path, [Page((image,))], Document(()), overwrite=overwrite, before=before)


def write_pages(
    path: Path,
    pages: Iterable[Page],
    document: Document,
    *,
    overwrite: bool = False,
    strip: bool = False,
    before: Callable[[Path], None] | None = None,
) -> None:
    """Writes the pages of ``document`` (as `open_pages` gave it, other pixels in them) as they are given, one after another.

    ``strip`` drops EXIF, XMP, IPTC and texts; the colour profile, resolution and what says how a stack's axes lie stay. ``before``
    as of `write`. Raises `FileError` as `write` does, and when the format cannot hold several pages; what goes wrong while the
    pages are made is raised as it is.
    """
    kind = check_written(path)
    _check_count(path, kind, document)
    if exists(path) and not overwrite:
        raise FileError(f"{path} exists; --force overwrites it")
    document = replace(document, name=path.name)
    if strip:
        document = omezarr.without_words(tiff_notes.without_words(document))
    failed: list[Exception] = []
    prepared = _prepared(path, kind, (_watched_rows(page, failed) for page in _watched(pages, failed)), strip)
    if kind.folder and path.exists() and not omezarr.is_group(path):
        raise FileError(f"{path} exists and is not an {kind.name}: it is not replaced")
    with (replacing_folder if kind.folder else replacing)(path, overwrite=overwrite) as temporary:
        try:
            if kind.save is not None:
                kind.save(temporary, prepared, document)
            elif kind.encode is not None:
                temporary.write_bytes(kind.encode(next(prepared).pictures[0]))
        except FileError as error:
            if error in failed or str(error).startswith(str(path)):
                raise
            raise FileError(f"{path}: {error}") from error
        except (PellucidError, OSError, MemoryError):
            raise
        except Exception as error:
            if error in failed:
                raise
            # The encoder's error for a picture that its format has no room for, such as 70,000 pixels across in a JPEG.
            raise FileError(f"{path}: {kind.name} cannot hold this picture ({message_of(error)})") from error
        if before is not None:
            before(temporary)


def _watched(pages: Iterable[Page], failed: list[Exception]) -> Iterator[Page]:
    """The pages; what goes wrong while they are made is no fault of the file's, and noted."""
    try:
        yield from pages
    except Exception as error:
        failed.append(error)
        raise


def _watched_rows(page: Page, failed: list[Exception]) -> Page:
    """The page, what goes wrong while its rows are made noted likewise."""

    def watched(rows: Rows) -> Rows:
        def take(top: int, bottom: int) -> NDArray[Any]:
            try:
                return rows.take(top, bottom)
            except Exception as error:
                failed.append(error)
                raise

        return Rows(rows.shape, rows.dtype, take)

    return replace(page, pictures=tuple(with_rows(picture, watched) for picture in page.pictures))


def _prepared(path: Path, kind: Format, pages: Iterator[Page], strip: bool) -> Iterator[Page]:
    """The pages as the format can hold them."""
    for page in pages:
        if page.kind == "inks" and not kind.inks:
            page = Page((photographs.inks_to_picture(page, Reading()),))
        if not kind.sensor:
            page = replace(page, pictures=tuple(_developed(path, kind, picture) for picture in page.pictures))
        _check_page(path, kind, page, Shape.of(page.pictures[0]))
        first, *others = (_spread(kind, stripped(picture) if strip else picture) for picture in page.pictures)
        colours = first.pixels.shape[2] + (first.alpha is not None) in kind.colours
        # The profile of the page stands with its first picture.
        pictures = (profiles.carried(first, kind.name, page.kind, colours=colours), *others)
        yield replace(page, pictures=tuple(geometry.fitted(picture) for picture in pictures))


def check_output(path: Path, source: Path, document: Document, page: Page, shape: Shape, depth: str = "auto") -> None:
    """Before the work: raises `FileError` where the format of ``path`` cannot hold what comes of a ``page`` of ``source``, at this
    ``depth`` of `pellucid.depths`; ``shape`` is that of its first picture then."""
    kind = check_written(path)
    _check_count(path, kind, document)
    if kind.sensor:
        return
    if not kind.depths and format_of(source).name != kind.name:
        raise FileError(f"{path}: {kind.name} is written from its own kind alone; write TIFF or PNG")
    picture = page.pictures[0]
    if picture.mosaic is not None or picture.camera is not None:
        # Developed to 16 bits.
        picture, shape = replace(picture, dtype=np.dtype(np.uint16)), shape._replace(channels=3)
    if depth != "auto":
        picture = replace(picture, dtype=depths.DEPTHS[depth])
    if page.kind == "inks" and not kind.inks:
        page = Page((picture,))
    _check_page(path, kind, page, shape)
    try:
        if kind.check is not None:
            kind.check(picture)
    except FileError as error:
        raise FileError(f"{path}: {error}") from error


def _check_count(path: Path, kind: Format, document: Document) -> None:
    if not document.single and kind.name not in STACKS:
        raise FileError(f"{path}: it has {document.count} pages, and {kind.name} holds one picture; write TIFF or NumPy")


def _check_page(path: Path, kind: Format, page: Page, shape: Shape) -> None:
    """Raises `FileError` where the format does not hold the channels, alpha or size of a page; ``shape`` is that of its first
    picture."""
    if page.kind == "channels" and kind.name != "TIFF":
        held = f"{kind.name} holds gray or colour"
        raise FileError(f"{path}: it has {page.samples} channels, and {held}; write TIFF, or {page.remedy}")
    if shape.alpha and not kind.alpha:
        raise FileError(f"{path}: {kind.name} holds no transparency; write PNG, TIFF or WebP")
    check_written(path, channels=shape.channels)
    longest = max(shape.height or 0, shape.width or 0)
    if kind.longest is not None and longest > kind.longest:
        raise FileError(f"{path}: {kind.name} cannot hold this picture: a side of {longest} pixels is longer than {kind.longest}")


def _spread(kind: Format, picture: Image) -> Image:
    """The picture over the whole range of its dtype, where its file states a smaller white and this one has no place to say so."""
    if not picture.stated or picture.white is None or picture.dtype.name in kind.whites:
        return picture
    return tiff_notes.at_depth(depths.at_depth(picture, "8" if picture.dtype == np.uint8 else "16"))


def _developed(path: Path, kind: Format, picture: Image) -> Image:
    """The picture; linear light of a sensor developed and turned upright. `FileError` for a mosaic."""
    if picture.mosaic is not None:
        raise FileError(f"{path}: {kind.name} holds no mosaic of a sensor; write DNG")
    return picture if picture.camera is None else upright(raw.developed(picture))


def with_size(
    document: Document, height: int, width: int, samples: int | None = None, dtype: np.dtype[Any] | None = None
) -> Document:
    """The document with pages of that size, so many ``samples`` (with alpha) and that ``dtype``: what it knows of an array is
    changed."""
    about = document.about
    if (
        isinstance(about, arrays.NpyArray | tiff_notes.ImageJStack)
        and dtype is not None
        and np.dtype(about.dtype).newbyteorder("=") != dtype
    ):
        about = replace(about, dtype=dtype.str)
        document = replace(document, about=about)
    if not isinstance(about, arrays.NpyArray | tiff_notes.ImageJStack | tiff_notes.Planes):
        return document
    if samples is not None and samples != dict(zip(about.axes, about.shape, strict=True)).get("S", 1):
        return replace(document, about=None)
    sides = {"Y": height, "X": width}
    shape = tuple(sides.get(axis, length) for axis, length in zip(about.axes, about.shape, strict=True))
    if isinstance(about, tiff_notes.ImageJStack) and shape != about.shape:
        about = tiff_notes.imagej_fitted(about, shape)
    return replace(document, about=replace(about, shape=shape))


def at_depth(page: Page, depth: str) -> Page:
    """The page at a depth of `pellucid.depths`, black and white at the ends of its range; as it is for ``auto``."""
    if depth == "float32" and page.kind == "inks":
        page = Page((photographs.inks_to_picture(page, Reading()),))
    changed = [(picture, depths.at_depth(picture, depth)) for picture in page.pictures]
    return replace(page, pictures=tuple(after if after is before else tiff_notes.at_depth(after) for before, after in changed))
