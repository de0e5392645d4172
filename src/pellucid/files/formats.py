"""The formats that there are, by their endings and their first bytes, and what the name of a file says."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TypeVar

from pellucid.errors import FileError, OptionError
from pellucid.files import arrays, dicom, dng, encoders, jpegxl, omezarr, photographs, png, pnm, raw, tiff, tiff_writing
from pellucid.files.base import Format

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

WHOLE = ("uint8", "uint16")
"""The dtypes of which a file may state a white of its own."""

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
        longest=65500,
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
        # MaxSampleValue is believed of 16 bits alone: of 8 many programs write the largest value that there is.
        whites=("uint16",),
    ),
    Format(
        "WebP",
        (".webp",),
        media=("image/webp",),
        open=photographs.open_webp,
        encode=photographs.to_webp,
        longest=16383,
        colours=(1, 2),
    ),
    Format(
        "AVIF",
        (".avif",),
        media=("image/avif",),
        open=photographs.open_avif,
        encode=photographs.to_avif,
        longest=65536,
        colours=(1, 2),
        check=photographs.check_avif,
    ),
    Format(
        "HEIF",
        (".heic", ".heif", ".hif"),
        media=("image/heic", "image/heif"),
        decode=photographs.from_heif,
        encode=photographs.to_heif,
        colours=(2,),
        ready=photographs.heif,
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
        whites=WHOLE,
    ),
    Format(
        "NumPy",
        (".npy",),
        media=("application/x-npy",),
        open=arrays.open_npy,
        save=arrays.save_npy,
        depths=ALL_DEPTHS,
        in_parts=True,
        whites=WHOLE,
    ),
    Format(
        "OpenEXR",
        (".exr",),
        media=("image/x-exr",),
        open=arrays.open_exr,
        save=arrays.save_exr,
        depths=("float32",),
        check=arrays.check_exr,
        ready=arrays.exr,
    ),
    Format(
        "DICOM",
        (".dcm", ".dicom"),
        media=("application/dicom",),
        alpha=False,
        open=dicom.open_dicom,
        save=dicom.save_dicom,
        depths=(),
        whites=WHOLE,
    ),
    Format(
        "OME-Zarr",
        (".zarr",),
        alpha=False,
        open=omezarr.open_zarr,
        save=omezarr.save_zarr,
        folder=True,
        depths=(),
        whites=WHOLE,
    ),
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

ENDINGS = {ending: entry for entry in FORMATS for ending in entry.endings}

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


CLIP = "this is a clip, and only pictures work here"
"""The message where a clip is taken for a picture."""


def format_of(path: Path) -> Format:
    """The format of a file of this name; `FileError` where its ending is not known."""
    kind = ENDINGS.get(path.suffix.lower())
    if kind is None and encoders.is_clip(path):
        raise FileError(f"{path}: {CLIP}")
    if kind is None:
        raise FileError(f"{path}: the ending {path.suffix!r} is not one of {', '.join(ENDINGS)}")
    return kind


def begins_as(start: bytes) -> str | None:
    """The name of the format that begins with these bytes, or None."""
    return next((name for magic, place, name in MAGIC if start[place : place + len(magic)] == magic), None)


def other_kind(kind: Format, start: bytes) -> str | None:
    """A message that names the file's format, where its first bytes belong to another format than its ending."""
    found = begins_as(start)
    # Many RAW files begin like a TIFF.
    if found is None or found == kind.name or kind.decode is raw.from_raw:
        return None
    return f"named as a {kind.name} file, but its content is {found}"


def ending_of(content: bytes) -> str:
    """The ending that a file of this content should have, by its first bytes; `FileError` when they are of no known format."""
    name = begins_as(content)
    kind = next((kind for kind in FORMATS if kind.name == name), None)
    if kind is None and encoders.clip_ending(content) is not None:
        raise FileError(CLIP)
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


def is_stack(path: PurePath) -> bool:
    """Whether a file of this name may hold several pages, so that its axes are asked for."""
    kind = ENDINGS.get(path.suffix.lower())
    return kind is not None and kind.name in STACKS


def is_raw(path: PurePath) -> bool:
    """Whether a file of this name comes from a camera's sensor, and may hold its mosaic."""
    kind = ENDINGS.get(path.suffix.lower())
    return kind is not None and kind.decode is raw.from_raw


def is_folder_picture(path: Path) -> bool:
    """Whether this is a folder that is one picture by its name, and no folder of pictures."""
    kind = ENDINGS.get(path.suffix.lower())
    return kind is not None and kind.folder and path.is_dir()


def is_folder_of_pictures(path: Path) -> bool:
    """Whether this is a folder to look for pictures in, and not one picture itself."""
    return path.is_dir() and not is_folder_picture(path)


def list_images(folder: Path) -> list[Path]:
    """The files of ``folder`` (not below it) whose endings are known, sorted by name; `FileError` when it is no folder."""
    if not folder.is_dir():
        raise FileError(f"{folder}: there is no such folder")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS and path.is_file())


def names_picture(path: PurePath, *, folder: bool = False) -> bool:
    """Whether the path has an ending that is known, of what is read or written; with ``folder`` one of folders."""
    kind = ENDINGS.get(path.suffix.lower())
    return kind is not None and (kind.folder or not folder)


def writable_name(path: AnyPath, *, alpha: bool = False, channels: int | None = None, mosaic: bool = False) -> AnyPath:
    """The path, with the ending of what is written instead where its own format is only read (camera RAW: ``.tif``), where it has
    no ``alpha`` and the output has (JPEG: `TRANSPARENT`), or where it stands for another number of ``channels`` than the output has
    whatever the picture has (``.pgm`` in colour: ``.ppm``, ``.zarr``: `STACK`). ``mosaic``: of what a camera's sensor saw, `DNG` is
    written."""
    kind = ENDINGS.get(path.suffix.lower())
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
    # A picture that is no bitmap any more is gray.
    wanted = channels or held or 1
    if kind is None or held is None or held == wanted:
        return path
    return path.with_suffix(next(ending for ending, count in kind.holds.items() if count == wanted))


def check_written(path: Path, *, alpha: bool = False, channels: int | None = None) -> Format:
    """The format that a file of this name is written in; `FileError` that lists the endings there are where it is none, where it
    holds no ``alpha`` and the output has that, or where its ending is for gray pictures and the output has 3 ``channels``."""
    suffix = path.suffix.lower()
    kind = ENDINGS.get(suffix)
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
    what it holds. `MissingExtra` where the package that writes it is not installed."""
    kind = check_written(path)
    if kind.ready is not None:
        kind.ready()
    if depth != "auto" and depth not in kind.depths:
        others = ", ".join(entry.name for entry in FORMATS if entry.writes and depth in entry.depths)
        bits = depth if depth == "float32" else f"{depth} bits"
        raise FileError(f"{path}: --depth {depth}: {kind.name} does not hold {bits} as pellucid writes it; {others} do")
