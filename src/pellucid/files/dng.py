"""DNG: what a camera's sensor saw, as linear colours or as a mosaic, with the camera's data beside it.

Adobe's "Digital Negative Specification" 1.4. The tiles are packed as lossless JPEG, the one method for whole numbers of 16 bits
that all readers know. The first directory is a preview of what the file holds, in which everything else hangs: a reader that shows
previews never shows an older picture.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import developing, images, memory
from pellucid.camera import RGB_TO_XYZ
from pellucid.errors import FileError
from pellucid.files import codecs
from pellucid.files.base import Document, Page
from pellucid.files.directories import EXIF, GPS, Entries, Entry, number, read_directory, with_inner, written_directory
from pellucid.images import Image
from pellucid.mosaics import ORDER, CameraData

__all__ = ["CROP_ORIGIN", "CROP_SIZE", "NOISE", "ORIENTATION", "Source", "doubles", "fractions", "save_dng", "source_of"]

TILE = 512
"""Side in pixels of the tiles, each of which is packed by itself; less where the picture is less wide, for LibRaw takes a tile that
is wider for one that ends where the picture does."""

PREVIEW, QUALITY = 1024, 90
"""The longest side in pixels of the preview, and its JPEG quality."""

HEADS = {
    b"II*\0": "<",
    b"MM\0*": ">",
    b"IIRO": "<",
    b"IIRS": "<",
    b"MMOR": ">",
    b"IIU\0": "<",
}
"""How RAW files begin that are built like a TIFF, and their order of bytes; Olympus' and Panasonic's have marks of their own."""

MAKER_NOTE, DNG_PRIVATE = 0x927C, 50740

PANASONIC_PLACE = 280
"""Where the samples of a RW2 begin, whose own tag for that holds no place."""

JPEGS = (7, 34892)
"""How tiles are packed that are JPEG, lossless or lossy."""

LARGEST = 2**32 - 2**20
"""Bytes that a file may have: places in it are numbers of 32 bits."""

SUB, XMP, ICC = 330, 700, 34675
PHOTOMETRIC, CFA, LINEAR = 262, 32803, 34892
VERSION, BACKWARD, CAMERA_MODEL = 50706, 50707, 50708
CROP_ORIGIN, CROP_SIZE, MATRIX, NEUTRAL, EXPOSURE = 50719, 50720, 50721, 50728, 50730
ILLUMINANT, NOISE, ORIGINAL_NAME, PREVIEW_SPACE = 50778, 51041, 50827, 50970
ORIENTATION, MAKER, MODEL = 274, 271, 272

WORDS = (270, 271, 272, 305, 306, 315, 316, 33432, 36867, XMP)
"""Tags of the first directory that speak of the picture: description, maker, model, software, date, artist, computer, copyright,
XMP."""

COLOUR = (
    *range(50721, 50730),  # ColorMatrix1 to AsShotWhiteXY
    EXPOSURE,
    *(50734, 50735, 50736),  # LinearResponseLimit, CameraSerialNumber, LensInfo
    *(50778, 50779, 50781),  # the two illuminants, RawDataUniqueID
    *range(50931, 50943),  # calibration signatures, profile name to copyright, hue and saturation, tone curve
    *(50964, 50965),  # ForwardMatrix1 and 2
    *(50981, 50982, 51107, 51108, 51109, 51110),  # look table and its encoding, exposure offset, default black
)
"""Tags of DNG's first directory that say how a camera's colours are to be taken, and with which camera they were made."""

OLD = (50781,)
"""Tags of that directory that describe the old pixels: no output has them."""


@dataclass(frozen=True)
class Source:
    """Metadata of a RAW file: entries of the ``first`` directory, the camera's ``details``, the ``place`` on Earth,
    DNG's on ``colour``, and those of the directory of the ``raw`` pixels; the ``maker_note`` as Adobe keeps it; the file's
    ``name``."""

    first: Entries = field(default_factory=dict)
    details: Entries = field(default_factory=dict)
    place: Entries = field(default_factory=dict)
    colour: Entries = field(default_factory=dict)
    raw: Entries = field(default_factory=dict)
    maker_note: bytes | None = None
    name: str = ""

    @property
    def turn(self) -> int:
        """EXIF's orientation."""
        found = number(self.first, ORIENTATION) or 1
        return found if found in range(1, 9) else 1

    def is_packed_as_said(self, content: bytes) -> bool:
        """Whether each tile or strip that is said to be a JPEG begins as one: those of an encrypted file do not."""
        if number(self.raw, 259) not in JPEGS:
            return True
        return all(content[place : place + 2] == b"\xff\xd8" for place in _numbers(self.raw.get(324) or self.raw.get(273)))

    @property
    def end(self) -> int:
        """Bytes that the file has at least, by what it says of the places of its pixels; 0 where it says nothing of them."""
        tiled = 324 in self.raw
        starts, lengths = (_numbers(self.raw.get(code)) for code in ((324, 325) if tiled else (273, 279)))
        if starts == [0xFFFFFFFF]:
            starts = _numbers(self.raw.get(PANASONIC_PLACE))
        return max((start + length for start, length in zip(starts, lengths, strict=False)), default=0)


def source_of(content: bytes) -> Source:
    """The entries of the file's directories; empty where it is not built like a TIFF."""
    order = HEADS.get(content[:4])
    if order is None:
        return Source()

    def read(start: int, length: int) -> bytes:
        return content[start : start + length]

    try:
        place = struct.unpack_from(order + "I", content, 4)[0]
        first, details, position = with_inner(read, place, order=order)
    except struct.error:
        return Source()
    raw: Entries = first
    for start in _numbers(first.get(SUB))[:16]:
        try:
            inner = read_directory(read, start, order=order)
        except struct.error:
            continue
        if number(inner, PHOTOMETRIC) in (CFA, LINEAR):
            raw = inner
            break
    note = _maker_note(read, place, order)
    kept = {code: entry for code, entry in details.items() if code != MAKER_NOTE}
    colour = {code: first[code] for code in COLOUR if code in first and code not in OLD and VERSION in first}
    return Source(first, kept, position, colour, raw, note or _private(first))


def _private(first: Entries) -> bytes | None:
    """A DNG's own record of the maker's notes."""
    found = first.get(DNG_PRIVATE)
    return found[2] if found is not None and found[2].startswith(b"Adobe\0") else None


def _maker_note(read: Callable[[int, int], bytes], place: int, order: str) -> bytes | None:
    """The maker's notes as DNGPrivateData has them: with the order of bytes and the place that their own places count from."""

    def entry(start: int, tag: int) -> tuple[int, int] | None:
        (count,) = struct.unpack(order + "H", read(start, 2))
        for index in range(min(count, 4096)):
            code, _, length, value = struct.unpack(order + "HHII", read(start + 2 + 12 * index, 12))
            if code == tag:
                return length, value
        return None

    try:
        details = entry(place, EXIF)
        found = entry(details[1], MAKER_NOTE) if details is not None else None
    except struct.error:
        return None
    if found is None or found[0] <= 4 or found[0] > 1 << 24:
        return None
    notes = read(found[1], found[0])
    if len(notes) < found[0]:
        return None
    record = (b"II" if order == "<" else b"MM") + struct.pack(">I", found[1]) + notes
    return b"Adobe\0MakN" + struct.pack(">I", len(record)) + record + b"\0" * (len(record) % 2)


def _numbers(entry: Entry | None) -> list[int]:
    """The whole numbers of an entry, however many."""
    if entry is None or entry[0] not in (3, 4, 13):
        return []
    found: list[int] = np.frombuffer(entry[2], "<u2" if entry[0] == 3 else "<u4").tolist()
    return found


def doubles(entry: Entry | None) -> tuple[float, ...]:
    """The values of an entry of doubles."""
    return struct.unpack(f"<{entry[1]}d", entry[2]) if entry is not None and entry[0] == 12 else ()


def fractions(entry: Entry | None) -> tuple[float, ...]:
    """The values of an entry of whole numbers or fractions; those that divide by 0 make it empty."""
    if entry is None or entry[0] in (3, 4):
        return tuple(map(float, _numbers(entry)))
    if entry[0] not in (5, 10):
        return ()
    parts = struct.unpack(f"<{2 * entry[1]}{'i' if entry[0] == 10 else 'I'}", entry[2])
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    return tuple(above / below for above, below in pairs) if all(below for _, below in pairs) else ()


# -- writing ----------------------------------------------------------------------------------------------------------


def save_dng(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes a camera's picture: linear colours (`Image.camera`), or a mosaic (`Image.mosaic`)."""
    image = next(pages).pictures[0]
    data = image.camera or image.mosaic
    codecs.imagecodecs()
    if data is None:
        raise FileError(
            "a DNG holds what a camera's sensor saw, and this picture is developed: write TIFF (.tif) or another format"
        )
    source = data.file if isinstance(data.file, Source) else Source()
    height, width, samples = image.pixels.shape
    if height * width * samples * 2 > LARGEST:
        raise FileError(f"{width}x{height} pixels are more than a DNG holds")
    with path.open("wb") as file:
        file.write(b"II*\0\0\0\0\0")
        small = _Small(height, width, samples)
        tiles = list(_written_tiles(file, image, small))
        jpeg = _preview(small.picture(), image, data)
        preview = _placed(file, jpeg[0])
        raw = _placed(file, None, _raw_directory(image, data, source, tiles))
        inner = {code: entries for code, entries in ((EXIF, source.details), (GPS, source.place)) if entries}
        pointers = {code: _placed(file, None, entries) for code, entries in inner.items()}
        first = _first_directory(data, source, document.name)
        first |= _preview_directory(preview, len(jpeg[0]), jpeg[1])
        first |= {code: _long(place) for code, place in {SUB: raw, **pointers}.items()}
        start = _placed(file, None, first)
        file.seek(4)
        file.write(struct.pack("<I", start))


def _tile(width: int) -> int:
    """The side of the tiles of a picture so wide: a multiple of 16, as TIFF wants it, where that fits."""
    return min(TILE, width // 16 * 16 or width)


def _placed(file: BinaryIO, content: bytes | None, entries: Entries | None = None) -> int:
    """Writes bytes, or a directory, at the next even place, and answers with it."""
    place = file.seek(0, io.SEEK_END)
    if place % 2:
        file.write(b"\0")
        place += 1
    file.write(written_directory(entries, place) if entries is not None else content or b"")
    return place


def _written_tiles(file: BinaryIO, image: Image, small: _Small) -> Iterator[tuple[int, int]]:
    """The place and the length of each tile, from left to right and from above to below. All cores pack."""
    height, width, _ = image.pixels.shape
    side = _tile(width)
    with ThreadPoolExecutor(memory.cores()) as pool:
        for top in range(0, height, side):
            values = _values(image, top, min(top + side, height))
            shown = pool.submit(small.add, values)
            for packed in pool.map(_packed, [values[:, left : left + side] for left in range(0, width, side)], repeat(side)):
                yield _placed(file, packed), len(packed)
            shown.result()


def _packed(tile: NDArray[np.uint16], side: int) -> bytes:
    """A tile as lossless JPEG, as large as all are."""
    missing = ((0, side - tile.shape[0]), (0, side - tile.shape[1]), (0, 0))
    # Beyond the edge a tile goes on two by two, as a mosaic does: that packs best.
    tile = np.pad(tile, missing, mode="symmetric") if any(map(any, missing)) else tile
    tile = np.ascontiguousarray(tile if tile.shape[2] == 3 else tile[..., 0])
    return bytes(codecs.imagecodecs().jpeg_encode(tile, lossless=True, bitspersample=16, predictor=1))


def _values(image: Image, top: int, bottom: int) -> NDArray[np.uint16]:
    """Rows of the image as whole numbers of 16 bits."""
    band = images.rows_of(image.pixels, top, bottom)
    return band if band.dtype == np.uint16 else images.to_levels(band, np.dtype(np.uint16))


class _Small:
    """The mean of so many pixels each way, collected as rows come: what a preview is made of."""

    def __init__(self, height: int, width: int, samples: int) -> None:
        step = max(1, -(-max(height, width) // PREVIEW))
        # A mosaic's four sites are averaged each by itself.
        self.step = step if samples == 3 else max(2, step + step % 2)
        self.width, self.samples = width, samples
        self.left: NDArray[np.uint16] | None = None
        self.rows: list[NDArray[np.float32]] = []

    def add(self, values: NDArray[np.uint16]) -> None:
        """Takes the next rows."""
        values = values if self.left is None else np.concatenate([self.left, values])
        whole = len(values) // self.step * self.step
        self.left = values[whole:]
        across = self.width // self.step * self.step
        if not whole or not across:
            return
        cells = values[:whole, :across].reshape(whole // self.step, self.step, across // self.step, self.step, self.samples)
        if self.samples == 3:
            self.rows.append(cells.mean(axis=(1, 3), dtype=np.float32))
        else:
            sites = [cells[:, row::2, :, column::2].mean(axis=(1, 3), dtype=np.float32) for row, column in ORDER]
            self.rows.append(np.concatenate(sites, axis=2))

    def picture(self) -> NDArray[np.float32]:
        """(h, w, 3), or (h, w, 4): a mosaic's four sites. One pixel where the image has not as many as a step."""
        if not self.rows:
            assert self.left is not None
            mean = self.left.reshape(-1, self.samples).mean(axis=0, dtype=np.float32)
            return np.tile(mean, (1, 1, 1 if self.samples == 3 else 4))
        return np.concatenate(self.rows)


def _preview(small: NDArray[np.float32], image: Image, data: CameraData) -> tuple[bytes, tuple[int, int]]:
    """A JPEG of the picture as it is developed, not turned, and its height and width."""
    shares = small / np.float32(65535)
    if image.camera is None:
        light = [(shares[..., index] * 65535 - black) / (data.white - black) for index, black in enumerate(data.black)]
        colours = [np.mean([light[index] for index in range(4) if data.sites[index] == colour], axis=0) for colour in range(3)]
        shares = np.stack(colours, axis=2).astype(np.float32)
        data = replace(data, black=(0.0,) * 4, white=1.0)
    levels = (developing.shown(shares, data) >> 8).astype(np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(levels).save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return bytes(buffer.getvalue()), levels.shape[:2]


def _raw_directory(image: Image, data: CameraData, source: Source, tiles: list[tuple[int, int]]) -> Entries:
    height, width, samples = image.pixels.shape
    entries = {
        254: _long(0),
        256: _long(width),
        257: _long(height),
        258: _shorts(*(16,) * samples),
        259: _shorts(7),
        PHOTOMETRIC: _shorts(LINEAR if samples == 3 else CFA),
        277: _shorts(samples),
        284: _shorts(1),
        322: _long(_tile(width)),
        323: _long(_tile(width)),
        324: _long(*(place for place, _ in tiles)),
        325: _long(*(length for _, length in tiles)),
        50717: _long(*(round(data.white),) * samples),
    }
    if samples == 3:
        entries |= {50713: _shorts(1, 1), 50714: _rationals(*(data.black[0],) * 3)}
    else:
        entries |= {
            33421: _shorts(2, 2),
            33422: (1, 4, bytes(data.sites)),
            50710: (1, 3, bytes((0, 1, 2))),
            50711: _shorts(1),
            50713: _shorts(2, 2),
            50714: _rationals(*data.black),
        }
    left, top, wide, high = data.crop or (0.0, 0.0, float(width), float(height))
    entries |= {CROP_ORIGIN: _rationals(left, top), CROP_SIZE: _rationals(wide, high), 50718: _rationals(1.0, 1.0)}
    # Best quality scale, anti-alias strength.
    return entries | {code: source.raw[code] for code in (50780, 50738) if code in source.raw}


def _first_directory(data: CameraData, source: Source, name: str) -> dict[int, Entry]:
    words = {code: source.first[code] for code in WORDS if code in source.first}
    maker, model = (_text_of(words.get(code)) for code in (MAKER, MODEL))
    camera = source.first.get(CAMERA_MODEL) or _text(f"{maker} {model}".strip() or "Camera")
    entries: dict[int, Entry] = {
        **words,
        ORIENTATION: _shorts(data.turn),
        305: _text("pellucid"),
        VERSION: (1, 4, bytes((1, 4, 0, 0))),
        BACKWARD: (1, 4, bytes((1, 1, 0, 0))),
        CAMERA_MODEL: camera,
        **_colours(data),
        **source.colour,
    }
    entries.setdefault(MAKER, _text(maker or "unknown"))
    entries.setdefault(MODEL, _text(model or "unknown"))
    if data.noise is not None:
        entries[NOISE] = (12, 6, struct.pack("<6d", *(value for pair in data.noise for value in pair)))
    if source.maker_note is not None:
        entries[DNG_PRIVATE] = (1, len(source.maker_note), source.maker_note)
    if source.name:
        entries[ORIGINAL_NAME] = _text(source.name)
    return entries


def _colours(data: CameraData) -> dict[int, Entry]:
    """The tags on colour that a DNG must have: those of a source that is one take their place."""
    matrix = np.array(data.matrix) if data.matrix is not None else _matrix_of(data)
    rows = matrix.ravel().tolist()
    return {
        MATRIX: _rationals(*rows, signed=True),
        NEUTRAL: _rationals(*(1 / gain for gain in data.gains)),
        EXPOSURE: _rationals(0.0, signed=True),
        ILLUMINANT: _shorts(21),
    }


def _matrix_of(data: CameraData) -> NDArray[np.float64]:
    """From CIE XYZ to the camera's unbalanced colours, by what leads from these to sRGB."""
    unbalanced = np.linalg.inv(np.array(data.srgb)) / np.array(data.gains)[:, None]
    matrix: NDArray[np.float64] = unbalanced @ np.linalg.inv(RGB_TO_XYZ)
    return matrix


def _preview_directory(place: int, length: int, size: tuple[int, int]) -> Mapping[int, Entry]:
    height, width = size
    return {
        254: _long(1),
        256: _long(width),
        257: _long(height),
        258: _shorts(8, 8, 8),
        259: _shorts(7),
        PHOTOMETRIC: _shorts(6),
        273: _long(place),
        277: _shorts(3),
        278: _long(height),
        279: _long(length),
        284: _shorts(1),
        530: _shorts(1, 1),
        531: _shorts(1),
        532: _rationals(0, 255, 128, 255, 128, 255),
        PREVIEW_SPACE: _long(2),
    }


def _long(*values: int) -> Entry:
    return 4, len(values), struct.pack(f"<{len(values)}I", *values)


def _shorts(*values: int) -> Entry:
    return 3, len(values), struct.pack(f"<{len(values)}H", *values)


def _rationals(*values: float, signed: bool = False) -> Entry:
    """Numbers as fractions over a power of ten: seven digits behind the point, or as many as there is room for."""
    packed = b""
    for value in values:
        scale = 10_000_000
        while abs(value) * scale >= 2**31 and scale > 1:
            scale //= 10
        packed += struct.pack("<iI" if signed else "<II", round(value * scale), scale)
    return (10 if signed else 5), len(values), packed


def _text(words: str) -> Entry:
    content = words.encode() + b"\0"
    return 2, len(content), content


def _text_of(entry: Entry | None) -> str:
    return "" if entry is None else entry[2].split(b"\0")[0].decode("utf-8", "replace").strip()
