"""Reads and writes stills. `FORMATS` lists what is known; digits in MNIST's IDX format are read, too.

Reading keeps what lies beside the pixels (alpha, colour profile, EXIF, XMP, IPTC, resolution) and turns the picture upright once;
writing goes to a temporary name in the same folder, then renames, and never replaces a file unless told to. `read` and `write` take
one picture; `open_pages` and `write_pages` any file, page by page, so that a stack needs no more memory than one of its pages.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import UnidentifiedImageError

from pellucid import depths, developing, regular, saving
from pellucid.errors import FileError, MemoryShort, OptionError, PellucidError, SizeError
from pellucid.files import arrays, claims, dicom, dng, geometry, jpegxl, omezarr, photographs, png, pnm, raw, tiff, tiff_writing
from pellucid.files.base import Document, Format, Page, Reading
from pellucid.files.claims import content_of, limited, within
from pellucid.files.encoders import is_clip
from pellucid.files.idx import MNIST_FILES, load_mnist, read_idx
from pellucid.files.metadata import ORIENTATION, stripped, upright
from pellucid.images import Image, Range, Rows
from pellucid.saving import replacing, replacing_folder

__all__ = [
    "DNG",
    "FORMATS",
    "MNIST_FILES",
    "ORIENTATION",
    "WRITTEN",
    "Document",
    "Format",
    "Page",
    "at_depth",
    "check_depth",
    "check_length",
    "check_written",
    "ending_named",
    "ending_of",
    "is_clip",
    "is_folder_of_pictures",
    "is_folder_picture",
    "is_raw",
    "is_stack",
    "limited",
    "list_images",
    "load_mnist",
    "names_picture",
    "open_pages",
    "pictured",
    "read",
    "read_idx",
    "replacing",
    "with_size",
    "within",
    "writable_name",
    "write",
    "write_pages",
]

AnyPath = TypeVar("AnyPath", Path, PurePath)

RAW_ENDINGS = (
    *(".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    # Older cameras, and those that few have.
    *(".3fr", ".crw", ".dcr", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".rwl", ".sr2", ".x3f"),
)

PNM_MEDIA = ("image/x-portable-anymap", "image/x-portable-graymap", "image/x-portable-pixmap", "image/x-portable-bitmap")

RAW_MEDIA = (
    "image/x-dcraw",
    "image/x-canon-cr2",
    "image/x-canon-cr3",
    "image/x-nikon-nef",
    "image/x-nikon-nrw",
    "image/x-sony-arw",
    "image/x-fuji-raf",
    "image/x-olympus-orf",
    "image/x-panasonic-rw2",
    "image/x-pentax-pef",
    "image/x-samsung-srw",
)

ALL_DEPTHS = ("8", "16", "float32")

FORMATS: tuple[Format, ...] = (
    Format("PNG", (".png",), media=("image/png",), open=png.open_png, encode=png.to_png, depths=("8", "16")),
    Format(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".jif"),
        media=("image/jpeg",),
        alpha=False,
        open=photographs.open_jpeg,
        save=photographs.save_jpeg,
        inks=True,
    ),
    Format(
        "TIFF",
        (".tif", ".tiff"),
        media=("image/tiff",),
        open=tiff.open_tiff,
        save=tiff_writing.save_tiff,
        inks=True,
        depths=ALL_DEPTHS,
        in_parts=True,
    ),
    Format("WebP", (".webp",), media=("image/webp",), open=photographs.open_webp, encode=photographs.to_webp),
    Format("AVIF", (".avif",), media=("image/avif",), decode=photographs.from_avif, encode=photographs.to_avif),
    Format(
        "HEIF",
        (".heic", ".heif", ".hif"),
        media=("image/heic", "image/heif"),
        decode=photographs.from_heif,
        encode=photographs.to_heif,
    ),
    Format(
        "BMP",
        (".bmp", ".dib"),
        media=("image/bmp", "image/x-ms-bmp"),
        alpha=False,
        decode=photographs.from_bmp,
        encode=photographs.to_bmp,
    ),
    Format(
        "PNM",
        (".pnm", ".pgm", ".ppm", ".pbm"),
        media=PNM_MEDIA,
        alpha=False,
        open=pnm.open_pnm,
        save=pnm.save_pnm,
        holds={".pgm": 1, ".ppm": 3, ".pbm": 0},
        depths=("8", "16"),
        in_parts=True,
    ),
    Format(
        "NumPy",
        (".npy",),
        media=("application/x-npy",),
        open=arrays.open_npy,
        save=arrays.save_npy,
        depths=ALL_DEPTHS,
        in_parts=True,
    ),
    Format("OpenEXR", (".exr",), media=("image/x-exr",), open=arrays.open_exr, save=arrays.save_exr, depths=("float32",)),
    Format(
        "DICOM",
        (".dcm", ".dicom"),
        media=("application/dicom",),
        alpha=False,
        open=dicom.open_dicom,
        save=dicom.save_dicom,
        depths=(),
    ),
    Format("OME-Zarr", (".zarr",), alpha=False, open=omezarr.open_zarr, save=omezarr.save_zarr, folder=True, depths=()),
    Format("JPEG XL", (".jxl",), media=("image/jxl",), decode=jpegxl.from_jpegxl, instead=".png"),
    Format("GIF", (".gif",), media=("image/gif",), open=photographs.open_gif, instead=".png"),
    Format(
        "DNG",
        (".dng",),
        media=("image/x-adobe-dng",),
        decode=raw.from_raw,
        save=dng.save_dng,
        instead=".tif",
        sensor=True,
        depths=("16",),
    ),
    Format("camera RAW", RAW_ENDINGS, media=RAW_MEDIA, decode=raw.from_raw, instead=".tif"),
)

WRITTEN = tuple(kind for kind in FORMATS if kind.writes and not kind.folder and not kind.sensor)
"""The formats that any picture can be written in; a folder's format is written only from its own kind, and DNG from what a sensor
saw."""

DNG = ".dng"
"""The ending of outputs that hold what a camera's sensor saw."""

_ENDINGS = {ending: entry for entry in FORMATS for ending in entry.endings}

TRANSPARENT = ".png"
"""The ending of outputs with alpha whose own format holds none."""

STACK = ".tif"
"""The ending of outputs in colour whose own format keeps the number of channels."""

STACKS = ("TIFF", "NumPy", "DICOM", "OME-Zarr")
"""The formats that hold several pages."""

MAGIC = (
    (b"\x89PNG\r\n\x1a\n", 0, "PNG"),
    (b"\xff\xd8\xff", 0, "JPEG"),
    # Before TIFF, which Canon's older RAW files begin like. Most makers' cannot be told from one.
    (b"CR\2\0", 8, "camera RAW"),
    (b"ftypcrx ", 4, "camera RAW"),
    (b"FUJIFILMCCD-RAW", 0, "camera RAW"),
    (b"IIRO", 0, "camera RAW"),
    (b"IIRS", 0, "camera RAW"),
    (b"MMOR", 0, "camera RAW"),
    (b"IIU\0", 0, "camera RAW"),
    (b"II*\0", 0, "TIFF"),
    (b"MM\0*", 0, "TIFF"),
    (b"II+\0", 0, "TIFF"),
    (b"MM\0+", 0, "TIFF"),
    (b"WEBP", 8, "WebP"),
    (b"ftypavif", 4, "AVIF"),
    (b"ftyphei", 4, "HEIF"),
    (b"ftypmif1", 4, "HEIF"),
    (b"BM", 0, "BMP"),
    *((b"P%d%c" % (kind, space), 0, "PNM") for kind in range(1, 7) for space in b"\n \r\t"),
    (b"\x93NUMPY", 0, "NumPy"),
    (b"\x76\x2f\x31\x01", 0, "OpenEXR"),
    (b"DICM", 128, "DICOM"),
    (b"GIF8", 0, "GIF"),
    (jpegxl.BARE, 0, "JPEG XL"),
    (jpegxl.CONTAINER, 0, "JPEG XL"),
    (b"%PDF", 0, "PDF"),
    (b"8BPS", 0, "Photoshop"),
)
"""Bytes, where they stand, and the format that begins so: for a picture under another's name."""


def read(path: Path, *, value_range: Range = "auto", axes: str | None = None, mosaic: bool = False) -> Image:
    """The one picture in ``path``, upright; CMYK as sRGB.

    ``value_range`` says which values are black and white, ``axes`` names the axes where the file does not, ``mosaic`` asks for what
    a camera's sensor saw, which is not upright: see `Reading`. Raises
    `FileError` in one line when the file is missing, foreign, truncated, of a kind not known, or holds more than one picture;
    `MissingExtra` when its format needs a package that is not installed.
    """
    with open_pages(path, value_range=value_range, axes=axes, mosaic=mosaic) as document:
        if document.count != 1:
            raise FileError(f"{path}: it has {document.count} pages, and only single pictures work here")
        page = next(iter(document.pages), None)
        if page is None:
            raise FileError(f"{path}: it holds no picture")
        if page.kind == "inks":
            return photographs.inks_to_picture(page, Reading())
        if len(page.pictures) != 1:
            raise FileError(
                f"{path}: it has {len(page.pictures)} channels, and only gray or colour, with alpha or without, works here"
            )
        return page.pictures[0]


def check_length(path: Path, memory: int | None) -> None:
    """Raises `MemoryShort` where a picture that is read whole is longer than ``memory`` lets it be, the bytes that this process may
    have in all: before anything of it is read. A folder's files are read whole."""
    kind = _format_of(path)
    if kind.in_parts:
        return
    with within(memory), _ours(path, kind, b""):
        try:
            for file in saving.files_below(path) if kind.folder and path.is_dir() else (path,):
                claims.check_length(file.stat().st_size)
        except OSError as error:
            raise FileError(f"cannot be read: {error.strerror}") from error


@contextmanager
def open_pages(
    path: Path,
    *,
    value_range: Range = "auto",
    axes: str | None = None,
    sparing: bool = False,
    keep: bool = False,
    memory: int | None = None,
    mosaic: bool = False,
    first: int = 0,
) -> Iterator[Document]:
    """What ``path`` holds, page by page: see `Document`; ``sparing``, ``keep`` and ``mosaic``: see `Reading`; ``memory``: bytes
    that this process may have in all; ``first``: the page that the pages begin with, counted from 0. The rest and errors as of
    `read`, and `MemoryShort`; errors also come as pages are taken, and their rows."""
    kind = _format_of(path)
    reading = Reading(value_range, axes, sparing, keep=keep, mosaic=mosaic, first=first)
    start = b"" if kind.folder else _start(path)
    if kind.folder and not path.is_dir():
        raise FileError(
            f"{path}: {f'this is a file, and an {kind.name} is a folder' if path.exists() else 'there is no such folder'}"
        )
    if kind.open is None:
        with within(memory), _ours(path, kind, start):
            page = _upright(Page((_decoded(path, kind, reading),)))
        yield Document(iter([page][first:]), first=first)
        return
    manager = kind.open(path, reading)
    with within(memory), _ours(path, kind, start):
        document = manager.__enter__()
    try:
        pages = _checked(path, kind, start, document, memory)
        left_out = first - document.first
        yield replace(document, pages=islice(pages, left_out, None) if left_out else pages, first=first)
    finally:
        # Read to its end or not: the file is closed, and closing it tells nothing that matters.
        manager.__exit__(None, None, None)


def _start(path: Path) -> bytes:
    try:
        # A device would be read for ever, a pipe waited for.
        with regular.opened(path) as file:
            start = file.read(256)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    if not start:
        raise FileError(f"{path}: the file is empty")
    return start


def _decoded(path: Path, kind: Format, reading: Reading) -> Image:
    if kind.decode is None:
        raise FileError(f"{kind.name} cannot be read")
    return kind.decode(content_of(path), reading)


def _checked(path: Path, kind: Format, start: bytes, document: Document, memory: int | None) -> Iterator[Page]:
    """The document's pages upright, every error of theirs ours."""
    pages = iter(document.pages)
    while True:
        with within(memory), _ours(path, kind, start):
            page = next(pages, None)
            if page is not None:
                page = _upright(page)
        if page is None:
            return
        yield replace(page, pictures=tuple(_with_checked_rows(path, kind, start, picture) for picture in page.pictures))


def _with_checked_rows(path: Path, kind: Format, start: bytes, picture: Image) -> Image:
    """The picture, errors of its rows ours."""

    def checked(rows: Rows) -> Rows:
        def take(top: int, bottom: int) -> NDArray[Any]:
            with _ours(path, kind, start):
                return rows.take(top, bottom)

        return Rows(rows.shape, rows.dtype, take)

    return _with_rows(picture, checked)


def _with_rows(picture: Image, change: Callable[[Rows], Rows]) -> Image:
    """The picture, what of it is rows changed."""

    def changed(part: Any) -> Any:
        return change(part) if isinstance(part, Rows) else part

    mask = picture.mask and replace(picture.mask, valid=changed(picture.mask.valid), values=changed(picture.mask.values))
    pixels, alpha, kept = (changed(part) for part in (picture.pixels, picture.alpha, picture.kept))
    return replace(picture, pixels=pixels, alpha=alpha, mask=mask, kept=kept)


def _upright(page: Page) -> Page:
    first = page.pictures[0]
    if first.exif is None and first.xmp is None:
        return page
    # Metadata of the page stand with its first picture; all of its pictures turn by them.
    others = (replace(upright(replace(other, exif=first.exif)), exif=None) for other in page.pictures[1:])
    return replace(page, pictures=(upright(first), *others))


@contextmanager
def _ours(path: Path, kind: Format, start: bytes) -> Iterator[None]:
    """Turns whatever a decoder raises into a `FileError` that names the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except SizeError as error:
        raise SizeError(f"{path}: {error}") from error
    except FileError as error:
        raise FileError(f"{path}: {_other_kind(kind, start) or error}") from error
    except MemoryError as error:
        raise FileError(f"{path}: it needs more memory than there is") from error
    except MemoryShort as error:
        raise MemoryShort(f"{path}: {error}") from error
    except PellucidError as error:
        if type(error).__name__ == "ImageError":
            raise FileError(f"{path}: {error}") from error
        raise
    # Dozens of decoders stand behind this line, and a damaged file provokes from them every kind of error that there is.
    except Exception as error:
        other = _other_kind(kind, start)
        raise FileError(f"{path}: {other or f'it is damaged, or not a {kind.name} file ({_said(error)})'}") from error


def _said(error: Exception) -> str:
    """The message of a decoder or an encoder, in one line of at most 200 characters."""
    if isinstance(error, UnidentifiedImageError):
        return "its beginning is not understood"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    told = error.args[0] if error.args else ""
    # LibRaw speaks in bytes.
    text = (told.decode("utf-8", "replace") if isinstance(told, bytes) else str(error)).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__


def _other_kind(kind: Format, start: bytes) -> str | None:
    """A message that names the file's format, where its first bytes belong to another format than its ending."""
    found = _begins_as(start)
    # Many RAW files begin like a TIFF.
    if found is None or found == kind.name or kind.decode is raw.from_raw:
        return None
    return f"named as a {kind.name} file, but its content is {found}"


def _begins_as(start: bytes) -> str | None:
    return next((name for magic, place, name in MAGIC if start[place : place + len(magic)] == magic), None)


def write(path: Path, image: Image, *, overwrite: bool = False, before: Callable[[Path], None] | None = None) -> None:
    """Writes the image in the format that the name's ending says, at its own bit depth and in its own units where the format can.

    ``before`` is called with the finished file under its temporary name, before it becomes ``path``. Raises `FileError` when
    ``path`` exists and ``overwrite`` is not said, when it cannot be written, and when the format cannot hold the image's alpha.
    """
    write_pages(path, [Page((image,))], Document(()), overwrite=overwrite, before=before)


def with_size(
    document: Document, height: int, width: int, samples: int | None = None, dtype: np.dtype[Any] | None = None
) -> Document:
    """The document with pages of that size, so many ``samples`` (with alpha) and that ``dtype``: what it knows of an array is
    changed."""
    about = document.about
    if (
        isinstance(about, arrays.NpyArray | tiff.ImageJStack)
        and dtype is not None
        and np.dtype(about.dtype).newbyteorder("=") != dtype
    ):
        about = replace(about, dtype=dtype.str)
        document = replace(document, about=about)
    if not isinstance(about, arrays.NpyArray | tiff.ImageJStack | tiff.Planes):
        return document
    if samples is not None and samples != dict(zip(about.axes, about.shape, strict=True)).get("S", 1):
        return replace(document, about=None)
    sides = {"Y": height, "X": width}
    shape = tuple(sides.get(axis, length) for axis, length in zip(about.axes, about.shape, strict=True))
    if isinstance(about, tiff.ImageJStack) and shape != about.shape:
        about = tiff.imagej_fitted(about, shape)
    return replace(document, about=replace(about, shape=shape))


def at_depth(page: Page, depth: str) -> Page:
    """The page at a depth of `pellucid.depths`, black and white at the ends of its range; as it is for ``auto``."""
    if depth == "float32" and page.kind == "inks":
        page = Page((photographs.inks_to_picture(page, Reading()),))
    changed = [(picture, depths.at_depth(picture, depth)) for picture in page.pictures]
    return replace(page, pictures=tuple(after if after is before else tiff.at_depth(after) for before, after in changed))


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
    if not document.single and kind.name not in STACKS:
        raise FileError(f"{path}: it has {document.count} pages, and {kind.name} holds one picture; write TIFF or NumPy")
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists; --force overwrites it")
    document = replace(document, name=path.name)
    if strip:
        document = omezarr.without_words(tiff.without_words(document))
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
            raise FileError(f"{path}: {kind.name} cannot hold this picture ({_said(error)})") from error
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

    return replace(page, pictures=tuple(_with_rows(picture, watched) for picture in page.pictures))


def _prepared(path: Path, kind: Format, pages: Iterator[Page], strip: bool) -> Iterator[Page]:
    """The pages as the format can hold them."""
    for page in pages:
        if page.kind == "inks" and not kind.inks:
            page = Page((photographs.inks_to_picture(page, Reading()),))
        if page.kind == "channels" and kind.name != "TIFF":
            raise FileError(f"{path}: it has {len(page.pictures)} channels, and {kind.name} holds gray or colour; write TIFF")
        if page.pictures[0].alpha is not None and not kind.alpha:
            raise FileError(f"{path}: {kind.name} holds no transparency; write PNG, TIFF or WebP")
        if not kind.sensor:
            page = replace(page, pictures=tuple(_developed(path, kind, picture) for picture in page.pictures))
        check_written(path, channels=page.pictures[0].pixels.shape[2])
        pictures = (stripped(picture) if strip else picture for picture in page.pictures)
        yield replace(page, pictures=tuple(geometry.fitted(picture) for picture in pictures))


def _developed(path: Path, kind: Format, picture: Image) -> Image:
    """What a sensor saw, as a picture, upright."""
    if picture.mosaic is not None:
        raise FileError(f"{path}: {kind.name} holds no mosaic of a sensor; write DNG")
    return picture if picture.camera is None else upright(raw.developed(picture))


def pictured(image: Image) -> Image:
    """The image as people look at it: what a camera's sensor saw is plainly developed, and upright. Any other as it is."""
    light = developing.interpolated(image)
    return image if light.camera is None else upright(raw.developed(light))


def writable_name(path: AnyPath, *, alpha: bool = False, channels: int | None = None, mosaic: bool = False) -> AnyPath:
    """The path, with the ending of what is written instead where its own format is only read (camera RAW: ``.tif``), where it has
    no ``alpha`` and the output has (JPEG: `TRANSPARENT`), or where it stands for another number of ``channels`` than the output has
    whatever the picture has (``.pgm`` in colour: ``.ppm``, ``.zarr``: `STACK`). ``mosaic``: of what a camera's sensor saw, `DNG` is
    written."""
    kind = _ENDINGS.get(path.suffix.lower())
    if mosaic and is_raw(path):
        return path.with_suffix(DNG)
    if kind is not None and kind.instead:
        return path.with_suffix(kind.instead)
    if kind is not None and alpha and not kind.alpha:
        return path.with_suffix(TRANSPARENT)
    if kind is not None and kind.folder and channels == 3:
        # Its arrays keep their axes.
        return path.with_suffix(STACK)
    held = None if kind is None else kind.holds.get(path.suffix.lower())
    # What is no bitmap any more is gray.
    wanted = channels or held or 1
    if kind is None or held is None or held == wanted:
        return path
    return path.with_suffix(next(ending for ending, count in kind.holds.items() if count == wanted))


def is_stack(path: PurePath) -> bool:
    """Whether a file of this name may hold several pages, so that its axes are asked for."""
    kind = _ENDINGS.get(path.suffix.lower())
    return kind is not None and kind.name in STACKS


def is_raw(path: PurePath) -> bool:
    """Whether a file of this name comes from a camera's sensor, and may hold its mosaic."""
    kind = _ENDINGS.get(path.suffix.lower())
    return kind is not None and kind.decode is raw.from_raw


def ending_of(content: bytes) -> str:
    """The ending that a file of this content should have, by its first bytes; `FileError` when they are of no known format."""
    name = _begins_as(content)
    kind = next((kind for kind in FORMATS if kind.name == name), None)
    if kind is None:
        known = ", ".join(kind.name for kind in FORMATS)
        raise FileError(f"{f'a picture in {name}, which is not' if name else 'no picture in'} a known format ({known})")
    return kind.endings[0]


def ending_named(name: str) -> str:
    """The ending for a format's name, or for one of its endings without the dot; `OptionError` for another, or one only read."""
    for kind in WRITTEN:
        if name.lower() == kind.name.lower():
            return kind.endings[0]
        if f".{name.lower()}" in kind.endings:
            return f".{name.lower()}"
    raise OptionError(f"format {name[:40]!r} is not one of {', '.join(kind.name.lower() for kind in WRITTEN)}")


def is_folder_picture(path: Path) -> bool:
    """Whether this is a folder that is one picture by its name, and no folder of pictures."""
    kind = _ENDINGS.get(path.suffix.lower())
    return kind is not None and kind.folder and path.is_dir()


def is_folder_of_pictures(path: Path) -> bool:
    """Whether this is a folder to look for pictures in, and not one picture itself."""
    return path.is_dir() and not is_folder_picture(path)


def list_images(folder: Path) -> list[Path]:
    """The files of ``folder`` (not below it) whose endings are known, sorted by name; `FileError` when it is no folder."""
    if not folder.is_dir():
        raise FileError(f"{folder}: there is no such folder")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())


def names_picture(path: PurePath, *, folder: bool = False) -> bool:
    """Whether the path has an ending that is known, of what is read or written; with ``folder`` one of folders."""
    kind = _ENDINGS.get(path.suffix.lower())
    return kind is not None and (kind.folder or not folder)


def check_written(path: Path, *, alpha: bool = False, channels: int | None = None) -> Format:
    """The format that a file of this name is written in; `FileError` that lists the endings there are where it is none, where it
    holds no ``alpha`` and the output has that, or where its ending is for gray pictures and the output has 3 ``channels``."""
    suffix = path.suffix.lower()
    kind = _ENDINGS.get(suffix)
    fitting = (kind for kind in FORMATS if kind.writes and (kind.alpha or not alpha) and not kind.sensor)
    written = ", ".join(ending for entry in fitting for ending in entry.endings if entry.holds.get(ending) != 0)
    if kind is None:
        raise FileError(f"{path}: no format is written under the ending {path.suffix!r}; use one of {written}")
    if not kind.writes:
        raise FileError(f"{path}: {kind.name} is only read; to write, use one of {written}")
    if alpha and not kind.alpha:
        raise FileError(f"{path}: {kind.name} holds no transparency; use one of {written}, or put a background behind it")
    held = kind.holds.get(suffix)
    if held == 0:
        raise FileError(f"{path}: files with the ending {suffix} are only read; to write, use one of {written}")
    if held == 1 and channels == 3:
        # The other way round, a gray picture is held in three channels.
        other = next(ending for ending, count in kind.holds.items() if count == 3)
        raise FileError(f"{path}: {suffix} is for gray pictures, and this output has colours; use {other}")
    return kind


def check_depth(path: Path, depth: str) -> None:
    """`FileError` where the format that a file of this name is written in does not hold that depth: 8, 16 or float32; ``auto`` is
    what it holds."""
    kind = check_written(path)
    if depth != "auto" and depth not in kind.depths:
        others = ", ".join(entry.name for entry in FORMATS if entry.writes and depth in entry.depths)
        bits = depth if depth == "float32" else f"{depth} bits"
        raise FileError(f"{path}: --depth {depth}: {kind.name} does not hold {bits} as pellucid writes it; {others} do")


def _format_of(path: Path) -> Format:
    kind = _ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: the ending {path.suffix!r} is not one of {', '.join(_ENDINGS)}")
    return kind
