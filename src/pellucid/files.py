"""Reads and writes stills. `FORMATS` lists what is known; digits in MNIST's IDX format are read, too.

Reading keeps what lies beside the pixels (alpha, colour profile, EXIF, resolution) and turns the picture upright once; writing goes
to a temporary name in the same folder, then renames, and never replaces a file unless told to.
"""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import UnidentifiedImageError

from pellucid import images
from pellucid.errors import FileError, ImageError
from pellucid.images import Image
from pellucid.saving import replacing

__all__ = ["FORMATS", "Format", "ending_of", "list_images", "load_mnist", "read", "read_idx", "replacing", "write"]

ORIENTATION = 0x0112
"""The EXIF tag that says how the picture lies."""

JPEG_QUALITY = 95

MOST_PIXELS = 1_000_000_000
"""A file that claims more is refused before it is decoded: a decompression bomb, or a picture for another tool."""


@dataclass(frozen=True)
class Format:
    """A file format: ``endings`` of its names, whether it keeps ``alpha``, and how its bytes are read and made."""

    name: str
    endings: tuple[str, ...]
    alpha: bool
    decode: Callable[[bytes], Image]
    encode: Callable[[Image], bytes]


def read(path: Path) -> Image:
    """The picture in ``path``, upright; `FileError` in one line when it is missing, foreign, truncated or of a kind not known."""
    kind = _format_of(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    if not content:
        raise FileError(f"{path}: the file is empty")
    try:
        return _upright(kind.decode(content))
    except FileError as error:
        raise FileError(f"{path}: {error}") from error
    except (ImageError, UnidentifiedImageError, OSError, ValueError, SyntaxError, RuntimeError, struct.error) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileError(f"{path}: damaged, or not a {kind.name} file ({said})") from error
    except (IndexError, KeyError, TypeError, zlib.error, PillowImage.DecompressionBombError) as error:
        raise FileError(f"{path}: damaged, or not a {kind.name} file ({type(error).__name__})") from error


def write(path: Path, image: Image, *, overwrite: bool = False, before: Callable[[Path], None] | None = None) -> None:
    """Writes the image in the format that the name's ending says, at its own bit depth where the format has it.

    ``before`` is called with the finished file under its temporary name, before it becomes ``path``. Raises `FileError` when
    ``path`` exists and ``overwrite`` is not said, when it cannot be written, and when the format cannot hold the image's alpha.
    """
    kind = _format_of(path)
    if image.alpha is not None and not kind.alpha:
        raise FileError(f"{path}: {kind.name} keeps no transparency; write PNG, TIFF or WebP")
    if path.exists() and not overwrite:
        raise FileError(f"{path} exists; --force overwrites it")
    content = kind.encode(image)
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(content)
        if before is not None:
            before(temporary)


def list_images(folder: Path) -> list[Path]:
    """The files of ``folder`` (not below it) whose endings are known, sorted by name; `FileError` when it is no folder."""
    if not folder.is_dir():
        raise FileError(f"{folder}: no such folder")
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in _ENDINGS and path.is_file())


# -- metadata ---------------------------------------------------------------------------------------------------------


def _upright(image: Image) -> Image:
    """The image turned as its EXIF says, and the tag set to 'upright', so that no reader turns it again."""
    if image.exif is None:
        return image
    exif = PillowImage.Exif()
    exif.load(image.exif)
    turn = exif.get(ORIENTATION, 1)
    if turn not in range(2, 9):
        return image
    exif[ORIENTATION] = 1

    def turned(plane: NDArray[Any]) -> NDArray[Any]:
        # EXIF 2.32, table 6: mirrored for 2, 4, 5, 7; then turned by quarters.
        if turn in (5, 6, 7, 8):
            plane = plane.swapaxes(0, 1)
        if turn in (3, 4, 7, 8):
            plane = plane[::-1]
        if turn in (2, 3, 6, 7):
            plane = plane[:, ::-1]
        return np.ascontiguousarray(plane)

    alpha = None if image.alpha is None else turned(image.alpha)
    return replace(image, pixels=turned(image.pixels), alpha=alpha, exif=exif.tobytes())


def _resolution(info: dict[Any, Any]) -> tuple[float, float] | None:
    try:
        across, down = (float(dots) for dots in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if across > 0 and down > 0 else None


def _described(image: Image, picture: PillowImage.Image) -> Image:
    exif = picture.getexif()
    return replace(
        image,
        icc=picture.info.get("icc_profile"),
        exif=exif.tobytes() if len(exif) else None,
        resolution=_resolution(picture.info),
    )


# -- Pillow's formats -------------------------------------------------------------------------------------------------


def _open(content: bytes) -> PillowImage.Image:
    picture = PillowImage.open(io.BytesIO(content))
    if picture.width * picture.height > MOST_PIXELS:
        raise FileError(f"{picture.width}x{picture.height} pixels are more than this can take")
    if getattr(picture, "n_frames", 1) > 1:
        raise FileError(f"{picture.n_frames} frames; only single pictures are taken")  # type: ignore[attr-defined]
    return picture


def _from_pillow(content: bytes) -> Image:
    with _open(content) as picture:
        described = picture
        mode = picture.mode
        profile = picture.info.get("icc_profile")
        if mode in ("P", "PA") or (mode in ("L", "RGB", "1") and "transparency" in picture.info):
            picture = picture.convert("RGBA" if "transparency" in picture.info or mode == "PA" else "RGB")
        elif mode in ("CMYK", "YCbCr", "LAB", "HSV"):
            # The profile speaks of the inks, not of the RGB that is made of them here.
            picture, profile = picture.convert("RGB"), None
        elif mode == "1":
            picture = picture.convert("L")
        elif mode not in ("L", "LA", "RGB", "RGBA"):
            raise FileError(f"pixels of kind {mode!r} are not known")
        values = np.asarray(picture)
        subsampling = None
        if described.format == "JPEG":
            from PIL import JpegImagePlugin

            subsampling = max(0, JpegImagePlugin.get_sampling(described))
        return replace(_described(_from_values(values), described), icc=profile, subsampling=subsampling)


def _from_values(values: NDArray[Any]) -> Image:
    """An image from an array that may be gray with alpha (h, w, 2), as files have it."""
    if values.ndim == 3 and values.shape[2] == 2:
        return replace(images.from_array(values[..., 0]), alpha=values[..., 1])
    return images.from_array(values)


def _levels(image: Image, dtype: type[np.unsignedinteger[Any]]) -> NDArray[Any]:
    """The image as integers of ``dtype``, (h, w) or (h, w, 2 to 4), alpha scaled with it."""
    top = np.iinfo(dtype).max
    values = images.to_levels(image.pixels, np.dtype(dtype))
    if image.alpha is not None:
        own = np.iinfo(image.alpha.dtype).max if image.alpha.dtype.kind == "u" else 1
        alpha = np.rint(np.clip(image.alpha / own, 0, 1) * top).astype(dtype)
        if image.alpha.dtype == np.dtype(dtype):
            alpha = image.alpha
        values = np.concatenate([values, alpha[..., None]], axis=2)
    return values[..., 0] if values.shape[2] == 1 else values


def _saved(image: Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    described = {"icc_profile": image.icc, "exif": image.exif, "dpi": image.resolution}
    PillowImage.fromarray(_levels(image, np.uint8)).save(
        buffer, kind, **settings, **{name: value for name, value in described.items() if value}
    )
    return buffer.getvalue()


def _to_jpeg(image: Image) -> bytes:
    # The source's subsampling, or none: never coarser than it was.
    subsampling = 0 if image.subsampling is None else image.subsampling
    return _saved(image, "JPEG", quality=JPEG_QUALITY, subsampling=subsampling)


def _to_webp(image: Image) -> bytes:
    return _saved(image, "WEBP", lossless=True, quality=80, exact=True)


# -- PNG: 8 bits through Pillow, 16 through imagecodecs (Pillow has no 16-bit colour) --------------------------------


def _from_png(content: bytes) -> Image:
    # Byte 24 of a PNG is the header chunk's bit depth.
    if len(content) < 33 or content[:8] != b"\x89PNG\r\n\x1a\n" or content[24] != 16:
        return _from_pillow(content)
    import imagecodecs

    with _open(content) as picture:
        described = _described(images.from_array(np.zeros((1, 1), np.uint16)), picture)
    image = _from_values(imagecodecs.png_decode(content))
    return replace(image, icc=described.icc, exif=described.exif, resolution=described.resolution)


def _to_png(image: Image) -> bytes:
    if image.dtype == np.uint8:
        return _saved(image, "PNG")
    import imagecodecs

    content: bytes = bytes(imagecodecs.png_encode(_levels(image, np.uint16)))
    chunks = b""
    if image.icc:
        chunks += _chunk(b"iCCP", b"ICC\0\0" + zlib.compress(image.icc))
    if image.resolution:
        across, down = (round(dots / 0.0254) for dots in image.resolution)  # dots per inch to dots per metre
        chunks += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if image.exif:
        chunks += _chunk(b"eXIf", image.exif.removeprefix(b"Exif\0\0"))
    # The signature (8 bytes) and the header chunk (25) come first.
    return content[:33] + chunks + content[33:]


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


# -- TIFF -------------------------------------------------------------------------------------------------------------


def _from_tiff(content: bytes) -> Image:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as file:
        if len(file.pages) != 1:
            raise FileError(f"{len(file.pages)} pages; only single pictures are taken")
        page = file.pages[0]
        if not isinstance(page, tifffile.TiffPage):
            raise FileError("no picture in it")
        if page.imagewidth * page.imagelength > MOST_PIXELS:
            raise FileError(f"{page.imagewidth}x{page.imagelength} pixels are more than this can take")
        photometric = page.photometric
        if photometric not in (0, 1, 2):
            # Palettes, inks and other colour spaces: Pillow knows how to turn them into RGB.
            return _from_pillow(content)
        values = page.asarray()
        if page.planarconfig == 2 and values.ndim == 3:
            values = values.transpose(1, 2, 0)
        if values.dtype == np.bool_:
            values = values.astype(np.uint8) * 255
        if photometric == 0 and values.dtype.kind == "u":
            values = np.iinfo(values.dtype).max - values
        tags = page.tags
        icc = tags[34675].value if 34675 in tags else None
        resolution = None
        if page.resolutionunit in (2, 3) and min(page.resolution) > 0:
            factor = 1.0 if page.resolutionunit == 2 else 2.54
            resolution = (page.resolution[0] * factor, page.resolution[1] * factor)
        exif = None
        if ORIENTATION in tags and tags[ORIENTATION].value != 1:
            turned = PillowImage.Exif()
            turned[ORIENTATION] = tags[ORIENTATION].value
            exif = turned.tobytes()
    return replace(_from_values(values), icc=icc, resolution=resolution, exif=exif)


def _to_tiff(image: Image) -> bytes:
    import tifffile

    if image.dtype.kind == "u":
        values = _levels(image, np.uint8 if image.dtype == np.uint8 else np.uint16)
    else:
        values = image.pixels.astype(image.dtype)
        if image.alpha is not None:
            values = np.concatenate([values, image.alpha[..., None].astype(image.dtype)], axis=2)
        values = values[..., 0] if values.shape[2] == 1 else values
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        values,
        photometric="rgb" if image.pixels.shape[2] == 3 else "minisblack",
        planarconfig="contig" if values.ndim == 3 else None,
        extrasamples=None if image.alpha is None else ["unassalpha"],
        compression="adobe_deflate",
        iccprofile=image.icc,
        resolution=image.resolution,
        resolutionunit=2 if image.resolution else None,
        metadata=None,
    )
    return buffer.getvalue()


FORMATS: tuple[Format, ...] = (
    Format("PNG", (".png",), True, _from_png, _to_png),
    Format("JPEG", (".jpg", ".jpeg"), False, _from_pillow, _to_jpeg),
    Format("TIFF", (".tif", ".tiff"), True, _from_tiff, _to_tiff),
    Format("WebP", (".webp",), True, _from_pillow, _to_webp),
)

_ENDINGS = {ending: entry for entry in FORMATS for ending in entry.endings}


def _format_of(path: Path) -> Format:
    kind = _ENDINGS.get(path.suffix.lower())
    if kind is None:
        raise FileError(f"{path}: the ending {path.suffix!r} is not one of {', '.join(_ENDINGS)}")
    return kind


def ending_of(content: bytes) -> str:
    """The ending that a file of this content should have, by its first bytes; `FileError` when they are of no known format."""
    for start, ending in _SIGNATURES.items():
        if content.startswith(start):
            return ending
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    raise FileError(f"no picture in a known format ({', '.join(kind.name for kind in FORMATS)})")


_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"II+\0": ".tif",
    b"MM\0+": ".tif",
}


# -- MNIST's format ---------------------------------------------------------------------------------------------------

MNIST_FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The bytes of an IDX file, plain or gzipped: (n, h, w) for images, (n,) for labels. `FileError` when it is not one."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    # Two zero bytes, the type (8: unsigned byte), the number of axes, then each axis as a big-endian 32-bit number.
    if len(content) < 8 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 3:
        raise FileError(f"{path}: not an IDX file of bytes")
    axes = content[3]
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    if len(content) != 4 + 4 * axes + int(np.prod(shape)):
        raise FileError(f"{path}: the IDX header says {shape}, but {len(content)} bytes are there")
    return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * axes).reshape(shape)


def load_mnist(folder: Path) -> dict[str, NDArray[np.uint8]]:
    """MNIST's four arrays from a folder of its IDX files (with or without ``.gz``), by the keys of `MNIST_FILES`."""
    found: dict[str, NDArray[np.uint8]] = {}
    for key, name in MNIST_FILES.items():
        paths = [folder / f"{name}.gz", folder / name]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise FileError(f"{folder}: neither {name} nor {name}.gz is there")
        found[key] = read_idx(path)
    return found
