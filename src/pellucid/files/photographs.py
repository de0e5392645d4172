"""JPEG, WebP, AVIF, HEIF and BMP, through Pillow (HEIF: through pillow-heif)."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import pillow
from pellucid.errors import FileError, MissingExtra
from pellucid.files import codecs, profiles
from pellucid.files.base import Document, Page, Reading, joined, levels, picture_of, planes
from pellucid.files.claims import check_size, content_of
from pellucid.files.companions import DEPTH, GAIN_MAP, PICTURE, left_out, remark, without_companions
from pellucid.files.metadata import iptc_of, photoshop_of, resolution_of, settled, thumbnails, upright
from pellucid.images import Image

__all__ = [
    "animation",
    "check_avif",
    "described",
    "from_bmp",
    "from_heif",
    "from_webp",
    "heif",
    "inks_to_picture",
    "open_avif",
    "open_gif",
    "open_jpeg",
    "open_webp",
    "opened",
    "save_jpeg",
    "shown",
    "to_avif",
    "to_bmp",
    "to_heif",
    "to_webp",
]

JPEG_QUALITY = 95
"""Quality of a JPEG whose source was another format."""

LEAST_JPEG_QUALITY = 90
"""Least quality of a JPEG whose source was a JPEG, too; the source's own tables are used where they are finer."""

MOST_IN_MARKER = 65000
"""Bytes of EXIF, XMP or IPTC that fit into one segment of a JPEG (65,533, less their names); longer ones are dropped."""

MOST_FRAMES = 100_000

TIMELESS = "an animation: the output does not keep how long each frame is shown"

_deepening = threading.Lock()


def opened(content: bytes, *kinds: str) -> PillowImage.Image:
    """The picture that Pillow finds in the bytes, of one of ``kinds``, its size checked, not yet decoded."""
    picture = pillow.opened(io.BytesIO(content), *kinds)
    # Palettes become colours.
    channels = 4 if picture.mode in ("P", "PA") else len(picture.getbands())
    check_size(picture.width, picture.height, channels, len(content), itemsize=4 if picture.mode in ("I", "F") else 1)
    return picture


def described(image: Image, picture: PillowImage.Image) -> Image:
    """The image with what lies beside the pixels in Pillow's picture."""
    exif = picture.info.get("exif")
    if not exif:
        parsed = picture.getexif()
        exif = parsed.tobytes() if len(parsed) else None
    xmp = picture.info.get("xmp")
    return replace(
        image,
        icc=picture.info.get("icc_profile") or None,
        exif=exif,
        xmp=xmp if isinstance(xmp, bytes) and xmp else None,
        resolution=resolution_of(picture.info),
    )


def animation(
    content: bytes,
    kind: str,
    reading: Reading,
    beside: Callable[[Image, PillowImage.Image], Image] = described,
    deep: Iterable[NDArray[np.uint16]] | None = None,
    *,
    full: bool = False,
) -> Document | None:
    """The frames of an animation as pages, each as it is shown; None where the content is one picture.

    ``beside`` gives the first frame what lies beside its pixels, which is the whole animation's: all have its profile and are
    turned as it says. ``deep`` are the frames where they have more than the 8 bits that Pillow gives. ``full`` as of `picture_of`.
    """
    with pillow.unlimited(), opened(content, kind) as picture:
        count = getattr(picture, "n_frames", 1)
        if count > MOST_FRAMES:
            raise FileError(f"{count} frames are more than pellucid reads")
        itemsize = 1 if deep is None else 2
        check_size(picture.width, picture.height, len(picture.getbands()), len(content), itemsize=itemsize, pages=count)
    if count < 2:
        return None

    def shallow(frames: PillowImage.Image) -> Iterator[NDArray[Any]]:
        for index in range(count):
            with pillow.unlimited():
                frames.seek(index)
                values = np.asarray(shown(frames))
            yield values

    def pages() -> Iterator[Page]:
        first, done = None, 0
        with opened(content, kind) as frames:
            for values in islice(shallow(frames) if deep is None else deep, count):
                done += 1
                frame = replace(picture_of(values, reading, full=full), flat=False)
                if first is None:
                    frames.load()
                    first = frame = beside(frame, frames)
                else:
                    frame = upright(replace(frame, exif=first.exif, resolution=first.resolution))
                    frame = replace(frame, exif=None, icc=first.icc, notes=first.notes)
                yield Page((replace(frame, remarks=(TIMELESS, *first.remarks)),))
        if done < count:
            raise FileError(f"it is cut off: {done} of its {count} frames are there")

    return Document(pages(), count, (count,), "T")


@contextmanager
def open_webp(path: Path, reading: Reading) -> Iterator[Document]:
    """The picture in a WebP file, or its frames."""
    content = content_of(path)
    yield animation(content, "WEBP", reading) or Document([Page((from_webp(content, reading),))])


@contextmanager
def open_gif(path: Path, reading: Reading) -> Iterator[Document]:
    """The picture in a GIF, or its frames."""
    content = content_of(path)
    yield animation(content, "GIF", reading) or Document([Page((_read(content, reading, "GIF"),))])


def shown(picture: PillowImage.Image) -> PillowImage.Image:
    """The picture as gray or RGB, with alpha or without: what a palette, bits or other colour spaces show."""
    mode = picture.mode
    if mode in ("P", "PA"):
        return picture.convert("RGBA" if "transparency" in picture.info or mode == "PA" else "RGB")
    if mode in ("L", "RGB", "1") and "transparency" in picture.info:
        return picture.convert("RGBA" if mode == "RGB" else "LA")
    if mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        return picture.convert("RGB")
    if mode == "1":
        return picture.convert("L")
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise FileError(f"pixels of kind {mode!r} are not read")
    return picture


def _read(content: bytes, reading: Reading, kind: str) -> Image:
    with opened(content, kind) as picture:
        values = np.asarray(shown(picture))
        return described(picture_of(values, reading), picture)


def _saved(image: Image, kind: str, values: NDArray[Any], **settings: Any) -> bytes:
    buffer = io.BytesIO()
    beside = {"icc_profile": image.icc, "exif": image.exif, "xmp": image.xmp, "dpi": image.resolution}
    PillowImage.fromarray(values).save(buffer, kind, **settings, **{name: value for name, value in beside.items() if value})
    return buffer.getvalue()


# -- JPEG -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JpegNotes:
    """How a JPEG was made: chroma subsampling in Pillow's numbers, quantisation tables, whether it is progressive."""

    subsampling: int
    tables: tuple[tuple[int, ...], ...]
    progressive: bool


@contextmanager
def open_jpeg(path: Path, reading: Reading) -> Iterator[Document]:
    """A JPEG's one picture; CMYK stays in inks."""
    from PIL import JpegImagePlugin

    content = content_of(path)
    _check_kind(content)
    # Pillow opens a JPEG with further pictures behind the first (MPO) as JPEG, too.
    with opened(content, "JPEG") as picture:
        notes = JpegNotes(
            subsampling=max(0, JpegImagePlugin.get_sampling(picture)),
            tables=tuple(tuple(table) for _, table in sorted(picture.quantization.items())),  # type: ignore[attr-defined]
            progressive=bool(picture.info.get("progressive")),
        )
        if picture.mode == "CMYK":
            page = planes(np.asarray(picture), reading, kind="inks")
        else:
            page = Page((picture_of(np.asarray(shown(picture)), reading),))
        first = described(page.pictures[0], picture)
        resources = [data for name, data in getattr(picture, "applist", []) if name == "APP13"]
        # Long resources go over several segments, each with its own head.
        head = b"Photoshop 3.0\0"
        iptc = iptc_of(b"".join(data.removeprefix(head) for data in resources if data.startswith(head)))
        comment = picture.info.get("comment")
        text = (("comment", comment.decode("utf-8", "replace")),) if comment else ()
        promised = without_companions(first.xmp or b"")[1]
        beside = remark(left_out(content, getattr(picture, "n_frames", 1), promised))
        first = replace(first, iptc=iptc, text=text, notes=notes, remarks=first.remarks + beside)
    yield Document([replace(page, pictures=(first, *page.pictures[1:]))])


LOSSLESS = (0xC3, 0xC7, 0xCB, 0xCF)
"""Markers of frames without loss."""

JPEG_LS = 0xF7


def _check_kind(content: bytes) -> None:
    """Raises `FileError` for kinds of JPEG that are not read, by what the header of its frame says."""
    place = 2
    while content[:2] == b"\xff\xd8" and place + 9 < len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:  # fill bytes may stand before a marker
            place += 1
            continue
        if marker == JPEG_LS or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            bits = content[place + 4]
            if marker == JPEG_LS or marker in LOSSLESS:
                kind = "JPEG-LS" if marker == JPEG_LS else "a lossless JPEG"
                raise FileError(f"{kind} is not read; convert it to TIFF or PNG")
            if bits != 8:
                raise FileError(f"a JPEG of {bits} bits is not read; convert it to TIFF or PNG")
            return
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")


def save_jpeg(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes the one page: never coarser in colour and tables than a JPEG that it came from."""
    page = next(pages)
    image = page.pictures[0]
    values = joined(page) if page.kind == "inks" else levels(image, "uint8")
    if page.kind == "inks" and values.dtype != np.uint8:
        values = (values >> 8).astype(np.uint8)
    settings: dict[str, Any] = {"quality": JPEG_QUALITY, "subsampling": 0}
    if isinstance(image.notes, JpegNotes):
        settings = {
            "qtables": _finer_tables(image.notes.tables, LEAST_JPEG_QUALITY),
            "subsampling": image.notes.subsampling,
            "progressive": image.notes.progressive,
        }
    if image.iptc and len(image.iptc) < MOST_IN_MARKER:
        segment = b"Photoshop 3.0\0" + photoshop_of(image.iptc)
        settings["extra"] = b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
    comment = dict(image.text).get("comment")
    if comment and len(comment.encode()) < MOST_IN_MARKER:
        settings["comment"] = comment.encode()
    fits = replace(
        image,
        exif=image.exif if image.exif and len(image.exif) < MOST_IN_MARKER else None,
        xmp=image.xmp if image.xmp and len(image.xmp) < MOST_IN_MARKER else None,
    )
    if page.kind == "inks":
        buffer = io.BytesIO()
        beside = {"icc_profile": fits.icc, "exif": fits.exif, "xmp": fits.xmp, "dpi": fits.resolution}
        inks = PillowImage.frombytes("CMYK", (values.shape[1], values.shape[0]), values.tobytes())
        inks.save(buffer, "JPEG", **settings, **{name: value for name, value in beside.items() if value})
        path.write_bytes(buffer.getvalue())
    else:
        path.write_bytes(_saved(fits, "JPEG", values, **settings))


def _finer_tables(tables: tuple[tuple[int, ...], ...], quality: int) -> list[list[int]]:
    """Two tables, for luma and chroma, nowhere coarser than the source's nor than those of ``quality``."""
    buffer = io.BytesIO()
    PillowImage.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    with pillow.opened(buffer) as small:
        floor = [np.array(small.quantization[index]) for index in (0, 1)]  # type: ignore[attr-defined]
    own = [np.array(table) for table in tables if len(table) == 64]
    luma = np.minimum.reduce([floor[0], *own[:1]])
    chroma = np.minimum.reduce([floor[1], *(own[1:] or own[:1])])
    return [np.maximum(luma, 1).tolist(), np.maximum(chroma, 1).tolist()]


def inks_to_picture(page: Page, reading: Reading) -> Image:
    """CMYK as an sRGB image, through its profile where it has one."""
    from PIL import ImageCms

    values = joined(page)
    if values.dtype != np.uint8:
        values = (values >> 8).astype(np.uint8)
    first = page.pictures[0]
    inks = PillowImage.frombytes("CMYK", (values.shape[1], values.shape[0]), values.tobytes())
    colours: PillowImage.Image | None = None
    if first.icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(first.icc))
            intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
            flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
            srgb = ImageCms.createProfile("sRGB")
            colours = ImageCms.profileToProfile(inks, profile, srgb, renderingIntent=intent, outputMode="RGB", flags=flags)
        except (ImageCms.PyCMSError, OSError, ValueError):
            # A damaged profile, or one of other inks: as good as none.
            colours = None
    image = picture_of(np.asarray(colours if colours is not None else inks.convert("RGB")), reading)
    # The profile spoke of the inks.
    return replace(first, pixels=image.pixels, dtype=image.dtype, black=0.0, white=None, flat=False, icc=None, notes=None)


# -- WebP, BMP --------------------------------------------------------------------------------------------------------


def from_webp(content: bytes, reading: Reading) -> Image:
    """The picture in a WebP file."""
    return _read(content, reading, "WEBP")


def to_webp(image: Image) -> bytes:
    """A lossless WebP file; gray becomes RGB, for WebP has none."""
    return _saved(image, "WEBP", levels(image, "uint8"), lossless=True, quality=80, exact=True)


def from_bmp(content: bytes, reading: Reading) -> Image:
    """The picture in a BMP file."""
    return _read(content, reading, "BMP")


def to_bmp(image: Image) -> bytes:
    """A BMP file, which holds pixels and resolution and nothing else."""
    return _saved(replace(image, icc=None, exif=None, xmp=None), "BMP", levels(image, "uint8"))


# -- AVIF -------------------------------------------------------------------------------------------------------------


@contextmanager
def open_avif(path: Path, reading: Reading) -> Iterator[Document]:
    """The picture in an AVIF file, or its frames; 10 and 12 bits come as 16, for which it raises `MissingExtra` without
    imagecodecs."""
    content = content_of(path)
    depth, code = _avif_depth(content), _avif_code(content)
    frames = None if depth == 8 else _deep_avif(content, depth)

    def beside(image: Image, picture: PillowImage.Image) -> Image:
        image = described(image, picture)
        if depth != 8:
            image = replace(image, notes=AvifNotes(depth))
        if image.icc is None and code is not None:
            # The encoder writes no other code than sRGB's.
            image = replace(image, icc=profiles.of_code(*code))
            if profiles.is_dynamic(code[1]):
                image = replace(image, remarks=(*image.remarks, "colours of high dynamic range: the output does not state them"))
        return image

    moving = animation(content, "AVIF", reading, beside, frames, full=depth != 8)
    if moving is not None:
        yield moving
        return
    with opened(content, "AVIF") as picture:
        values = np.asarray(shown(picture)) if frames is None else next(frames)
        yield Document([Page((beside(picture_of(values, reading, full=depth != 8), picture),))])


def _deep_avif(content: bytes, depth: int) -> Iterator[NDArray[np.uint16]]:
    """The pictures in an AVIF file of 10 or 12 bits, of 16 bits each."""
    imagecodecs = codecs.imagecodecs()
    with opened(content, "AVIF") as picture:
        count = getattr(picture, "n_frames", 1)
        check_size(
            picture.width,
            picture.height,
            len(picture.getbands()),
            len(content),
            itemsize=2,
            pages=count,
            held=2 * count * picture.width * picture.height * len(picture.getbands()),
        )
        size, mode = (picture.height, picture.width), picture.mode
    # All at once: the decoder breaks down where it is asked for one of several.
    decoded = imagecodecs.avif_decode(content)
    for values in decoded if count > 1 else (decoded,):
        if values.ndim == 3 and values.shape[2] == 4 and mode == "RGB":
            values = values[..., :3]
        if values.shape[:2] != size:
            raise FileError("its pictures are not of one size")
        # Left-aligned, the lower bits filled with the upper ones: white is 65535 then.
        yield ((values << (16 - depth)) | (values >> (2 * depth - 16))).astype(np.uint16)


@dataclass(frozen=True)
class AvifNotes:
    """Bits for each sample of the AVIF file: 10 or 12."""

    depth: int


def _avif_depth(content: bytes) -> int:
    """Bits for each sample, from the configuration box ``av1C`` (AV1 in ISOBMFF, 2.3.3): a flag for more than 8, a flag for 12."""
    place = content.find(b"av1C")
    flags = content[place + 6] if 0 <= place < len(content) - 6 else 0
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


def _avif_code(content: bytes) -> tuple[int, int] | None:
    """The numbers of the primaries and the transfer function, from the box ``colr`` (ISO/IEC 14496-12, 12.1.5), or None."""
    place = content.find(b"colrnclx")
    if not 0 <= place < len(content) - 12:
        return None
    return struct.unpack_from(">HH", content, place + 8)


def check_avif(image: Image) -> None:
    """Raises `FileError` for a picture of an AVIF file of 10 or 12 bits: an encoder of these keeps no colour profile."""
    if isinstance(image.notes, AvifNotes) and image.dtype == np.uint16:
        raise FileError(
            f"AVIF is written with 8 bits, and the picture has {image.notes.depth}; write PNG or TIFF, or ask for --depth 8"
        )


def to_avif(image: Image) -> bytes:
    """An AVIF file of 8 bits, chroma as fine as luma. `FileError` as of `check_avif`."""
    check_avif(image)
    settings = {"quality": 95, "subsampling": "4:4:4", "speed": 8}
    return _saved(replace(image, resolution=None), "AVIF", levels(image, "uint8"), **settings)


# -- HEIF -------------------------------------------------------------------------------------------------------------


NCLX = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
"""A HEIF file's statement of its colours beside a profile."""


@dataclass(frozen=True)
class HeifNotes:
    """Bits for each sample of a HEIF file (8, 10 or 12), its chroma (420, 422, 444) and, by the names of `NCLX`, its colours."""

    depth: int
    chroma: int
    colours: tuple[tuple[str, int], ...]
    kind: str = "HEIF"

    def profile(self, channels: int) -> bytes | None:
        """The profile of the stated colours: see `profiles.Stating`."""
        stated = dict(self.colours)
        return profiles.of_code(stated.get(NCLX[0], 2), stated.get(NCLX[1], 2), channels)


def heif() -> Any:
    """The package pillow-heif. Raises `MissingExtra` where it is not installed."""
    try:
        import pillow_heif
    except ModuleNotFoundError as error:
        raise MissingExtra("pillow-heif", "heif") from error
    return pillow_heif


def from_heif(content: bytes, reading: Reading) -> Image:
    """The first picture in a HEIF file, upright; 10 and 12 bits come as 16. Raises `MissingExtra`."""
    file = heif().open_heif(content, convert_hdr_to_8bit=False)
    # The file's own main picture; the others are bursts, depths and previews.
    picture = file[file.primary_index]
    width, height = picture.size
    deep = 1 if int(picture.info.get("bit_depth", 8)) <= 8 else 2
    check_size(width, height, len(picture.mode.split(";")[0]), len(content), itemsize=deep)
    values = np.asarray(picture)
    depth = int(picture.info.get("bit_depth", 8))
    gone = [DEPTH] if picture.info.get("depth_images") else []
    gone += [GAIN_MAP] if any("gainmap" in str(kind).lower() for kind in picture.info.get("aux") or ()) else []
    gone += [PICTURE if len(file) == 2 else f"{PICTURE}s"] if len(file) > 1 else []
    exif, xmp, nclx = picture.info.get("exif"), picture.info.get("xmp"), picture.info.get("nclx_profile") or {}
    return replace(
        picture_of(values, reading, full=True),
        icc=picture.info.get("icc_profile") or None,
        # The container's own turn has been taken, and HEIF says that EXIF's does not count.
        exif=settled(exif, values.shape)[1] if exif else None,
        xmp=xmp or None,
        remarks=remark((*gone, *(thumbnails(exif) if exif else ()))),
        notes=HeifNotes(depth, int(picture.info.get("chroma") or 444), tuple((key, nclx[key]) for key in NCLX if key in nclx)),
    )


def to_heif(image: Image) -> bytes:
    """A HEIF file of 8, 10 or 12 bits, its chroma as fine as its source's, or as luma. Raises `MissingExtra`."""
    package = heif()
    deep = image.dtype != np.uint8
    values = levels(image, "uint16" if deep else "uint8")
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[1 if values.ndim == 2 else values.shape[2]]
    if mode == "LA":
        values = np.concatenate([values[..., :1]] * 3 + [values[..., 1:]], axis=2)
        mode = "RGBA"
    buffer = io.BytesIO()
    twelve = package.options.SAVE_HDR_TO_12_BIT
    notes = image.notes if isinstance(image.notes, HeifNotes) else HeifNotes(12, 444, ())
    beside = {"icc_profile": image.icc, "exif": image.exif, "xmp": image.xmp, **dict(notes.colours)}
    with _deepening:
        package.options.SAVE_HDR_TO_12_BIT = notes.depth != 10
        try:
            package.encode(
                mode + (";16" if deep else ""),
                (values.shape[1], values.shape[0]),
                values.tobytes(),
                buffer,
                quality=95,
                chroma=notes.chroma,
                **{name: value for name, value in beside.items() if value is not None},
            )
        finally:
            package.options.SAVE_HDR_TO_12_BIT = twelve
    return buffer.getvalue()
