"""DICOM, through pydicom: the frames of an image, and the same file again with other pixels."""

from __future__ import annotations

import copy
import io
import logging
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import regular
from pellucid.errors import FileError, MissingExtra
from pellucid.files.base import Document, Page, Reading, joined, picture_of
from pellucid.files.claims import check_bytes, check_size
from pellucid.files.embedded import MOST_IN_HEAD, size_of
from pellucid.files.geometry import middle
from pellucid.images import Nodata
from pellucid.ranges import mirrored

__all__ = ["open_dicom", "save_dicom"]

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
"""Transfer syntaxes: uncompressed, little-endian."""

DEFLATED = "1.2.840.10008.1.2.1.99"
"""The transfer syntax of a data set that is packed as a whole."""

RUN_LENGTHS = "1.2.840.10008.1.2.5"
"""The transfer syntax of frames that have no header with a size."""

WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
"""Kinds of elements that are words in one piece, and the bytes of a word."""

PIECE = 1 << 24
"""Bytes that are unpacked at once to count them."""

OF_VALUES = (
    *("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTSequence", "VOILUTFunction", "ModalityLUTSequence"),
    *("RescaleSlope", "RescaleIntercept", "RescaleType", "PresentationLUTShape", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("SmallestImagePixelValue", "LargestImagePixelValue", "PlanarConfiguration"),
)
"""Elements that describe a data set's values; they no longer hold where gray becomes colour, or colour gray."""


@dataclass(frozen=True)
class DicomFile:
    """The whole data set but its pixels, and whether large values are dark."""

    dataset: Any
    inverted: bool


def _pydicom() -> Any:
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise MissingExtra("pydicom", "dicom") from error
    logging.getLogger("pydicom").addHandler(logging.NullHandler())
    return pydicom


@contextmanager
def open_dicom(path: Path, reading: Reading) -> Iterator[Document]:
    """A DICOM image's frames, as stored (without rescaling to units, which the file goes on describing). Raises `MissingExtra`."""
    pydicom = _pydicom()
    from pydicom.pixels import utils as pixels

    size = path.stat().st_size
    check_bytes(size, f"its {size} bytes")
    _check_deflated(path)
    dataset = pydicom.dcmread(path)
    if "PixelData" not in dataset:
        raise FileError("it holds no pixels of whole numbers")
    height, width, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1))
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    depth = max(1, -(-int(dataset.get("BitsAllocated", 8)) // 8))
    # Frames are read one by one, and written all at once.
    frames = 2 * depth * width * height * samples * max(0, count) if count > 1 else 0
    held = frames + max(depth + 4, 8) * width * height * samples
    check_size(width, height, samples, size, itemsize=depth, pages=count, held=held)
    _check_frames(dataset, width, height, count)
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in ("MONOCHROME1", "MONOCHROME2", "RGB") and not photometric.startswith("YBR"):
        raise FileError(f"pixels of kind {photometric} are not read")
    stored, signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
    white = None if signed or stored % 8 == 0 else float(2**stored - 1)
    mirror = _mirror(stored, signed) if photometric == "MONOCHROME1" else None
    padding = _padding(dataset, signed)
    shown, apart = _shown(padding, mirror) if mirror is not None and padding is not None else (padding, None)

    least, most = (-(1 << (stored - 1)), (1 << (stored - 1)) - 1) if signed else (0, (1 << stored) - 1)
    # Padding may lie beyond the stored bits, which the reader leaves out of all values unless it is told not to.
    within = padding is None or least <= padding.low <= padding.high <= most

    def pages() -> Iterator[Page]:
        for values in pixels.iter_pixels(dataset, correct_unused_bits=within):
            values = np.asarray(values)
            valid = None if apart is None else ~apart.of(values[..., None])
            if mirror is not None:
                values = mirrored(values, mirror)
            image = picture_of(values, reading, white=white, nodata=shown, valid=valid, mirror=mirror)
            if apart is not None and image.mask is not None:
                image = replace(image, remarks=(*image.remarks, f"{apart.words}: these pixels stay as they are"))
            yield Page((replace(image, flat=False),))

    shape = (count,) if count > 1 else ()
    yield Document(pages(), count, shape, "Z" * len(shape), DicomFile(dataset, mirror is not None))


def _check_deflated(path: Path) -> None:
    """Raises `MemoryShort` where a data set that is packed as a whole unpacks to more bytes than there is memory for.

    Its reader unpacks all of them, before it looks at any.
    """
    from pydicom.filereader import read_dataset, read_preamble

    with regular.opened(path) as opened, io.BufferedReader(opened) as file:
        read_preamble(file, False)
        about = read_dataset(file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag >> 16 != 2)
        if str(about.get("TransferSyntaxUID", "")) != DEFLATED:
            return
        unpacker, packed, count = zlib.decompressobj(-zlib.MAX_WBITS), file.read(), 0
        while packed and (piece := unpacker.decompress(packed, PIECE)):
            packed, count = unpacker.unconsumed_tail, count + len(piece)
            # The whole, and the pixels once more.
            check_bytes(2 * count, f"its {count} bytes and more, unpacked,")


def _check_frames(dataset: Any, width: int, height: int, count: int) -> None:
    """Raises `FileError` where a packed frame is a picture of another size by its own header, or of a kind whose size is not known
    before it is unpacked: its decoder goes by that."""
    from pydicom.encaps import generate_frames

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or syntax == RUN_LENGTHS:
        return
    table = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
    places = tuple(dataset[name].value for name in table) if all(name in dataset for name in table) else None
    for frame in generate_frames(dataset.PixelData, number_of_frames=count, extended_offsets=places):
        found = size_of(frame[:MOST_IN_HEAD])
        if found is None:
            raise FileError(f"frames packed by {syntax.name} of no known size are not read")
        if found != (width, height):
            raise FileError(f"a frame of {width}x{height} pixels holds a picture of {found[0]}x{found[1]}")


SPACINGS = (
    "PixelSpacing",
    "ImagerPixelSpacing",
    "NominalScannedPixelSpacing",
    "DetectorElementSpacing",
    "ObjectPixelSpacingInCenterOfBeam",
)
"""Attributes that state the distance between rows and between columns."""

COUNTED_DOWN, COUNTED_ACROSS = ("TotalPixelMatrixRows",), ("TotalPixelMatrixColumns",)
"""Attributes that count rows and columns of more than one frame."""


FIRSTS = (
    ("RegionLocationMinX0", "TMLinePositionX0", "ShutterLeftVerticalEdge", "CollimatorLeftVerticalEdge"),
    ("RegionLocationMinY0", "TMLinePositionY0", "ShutterUpperHorizontalEdge", "CollimatorUpperHorizontalEdge"),
)
LASTS = (
    ("RegionLocationMaxX1", "TMLinePositionX1", "ShutterRightVerticalEdge", "CollimatorRightVerticalEdge"),
    ("RegionLocationMaxY1", "TMLinePositionY1", "ShutterLowerHorizontalEdge", "CollimatorLowerHorizontalEdge"),
)
"""Attributes across, and down, that name the first and the last pixel of something; shutters and collimators count from 1."""

ROUND, CORNERED = ("Shutter", "Collimator"), ("VerticesOfThePolygonalShutter", "VerticesOfThePolygonalCollimator")
"""A round shutter or collimator has a center (row and column) and a radius, a polygonal one vertices (rows and columns in turn)."""

MIDDLES = (("ReferencePixelX0", "DopplerSampleVolumeXPosition"), ("ReferencePixelY0", "DopplerSampleVolumeYPosition"))
"""And one pixel, or a place between two."""

DELTAS = ("PhysicalDeltaX", "PhysicalDeltaY")
"""The size of a pixel in an ultrasound region, in the unit that it states."""


def _places_fitted(dataset: Any, down: Fraction, across: Fraction) -> None:
    """Changes what a data set says of places in its pixels: ultrasound regions, shutters, collimators."""
    for place in (dataset, *(dataset.get("SequenceOfUltrasoundRegions") or ())):
        for axis, grown in enumerate((across, down)):
            for names, shift in ((FIRSTS[axis], 0), (LASTS[axis], 1)):
                for name in names:
                    if (value := place.get(name)) is not None:
                        base = int(name.startswith(("Shutter", "Collimator")))
                        setattr(place, name, round((int(value) - base + shift) * grown) - shift + base)
            for name in MIDDLES[axis]:
                if (value := place.get(name)) is not None:
                    setattr(place, name, round(((int(value) + Fraction(1, 2)) * grown) - Fraction(1, 2)))
            if (delta := place.get(DELTAS[axis])) is not None:
                setattr(place, DELTAS[axis], float(delta) / float(grown))
    half, factors = Fraction(1, 2), (down, across)
    for name in (*(f"CenterOfCircular{kind}" for kind in ROUND), *CORNERED):
        if (numbers := dataset.get(name)) is not None:
            # They count from 1.
            moved = [round((int(number) - half) * factors[index % 2] + half) for index, number in enumerate(numbers)]
            setattr(dataset, name, moved)
    for kind in ROUND:
        if (radius := dataset.get(f"RadiusOfCircular{kind}")) is not None:
            setattr(dataset, f"RadiusOfCircular{kind}", round(int(radius) * across))


def _fit(dataset: Any, down: Fraction, across: Fraction) -> None:
    """Changes what a data set, and what lies in its sequences, says of the size of its pixels."""
    # Overlays are drawn pixel by pixel at the size that the picture had.
    for element in [element for element in dataset if element.tag.group & 0xFF00 == 0x6000 and element.tag.group <= 0x601E]:
        del dataset[element.tag]
    _places_fitted(dataset, down, across)
    spacing = next((place.PixelSpacing for place in _within(dataset) if place.get("PixelSpacing")), None)
    directions = next((place.ImageOrientationPatient for place in _within(dataset) if place.get("ImageOrientationPatient")), None)
    rows, columns = (float(length) for length in spacing) if spacing else (0.0, 0.0)
    # The middle of the first pixel moves.
    off = [0.0, 0.0, 0.0]
    if directions is not None and len(directions) == 6:
        along, beside = ([float(each) for each in directions[at : at + 3]] for at in (0, 3))
        off = [columns * middle(across) * one + rows * middle(down) * other for one, other in zip(along, beside, strict=True)]
    for place in _within(dataset):
        for name in SPACINGS:
            lengths = place.get(name)
            if lengths is not None and len(lengths) == 2:
                setattr(place, name, [_decimal(float(lengths[0]) / down), _decimal(float(lengths[1]) / across)])
        position = place.get("ImagePositionPatient")
        if position is not None and len(position) == 3:
            place.ImagePositionPatient = [_decimal(float(at) + by) for at, by in zip(position, off, strict=True)]
        for names, grown in ((COUNTED_DOWN, down), (COUNTED_ACROSS, across)):
            for name in names:
                if place.get(name) is not None:
                    setattr(place, name, round(int(place.get(name)) * grown))


def _within(dataset: Any) -> Iterator[Any]:
    """The data set and those in its sequences that speak of its own frames, and of no other picture."""
    yield dataset
    for name in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for item in dataset.get(name) or ():
            for element in item:
                if element.VR == "SQ":
                    yield from element.value


def _decimal(value: float) -> str:
    """A number as DICOM writes decimals: in at most 16 characters."""
    return f"{value:.10g}" if len(f"{value:.10g}") <= 16 else f"{value:.8g}"


def _padding(dataset: Any, signed: bool) -> Nodata | None:
    """The values that pad the picture, as they are stored."""
    ends = [dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")]
    if ends[0] is None:
        return None
    # Some writers state a negative value without its sign.
    values = [int(end) - 65536 if signed and int(end) > 32767 else int(end) for end in ends if end is not None]
    return Nodata(float(min(values)), float(max(values)), "padding")


def _shown(padding: Nodata, mirror: int) -> tuple[Nodata | None, Nodata | None]:
    """The values that pad a picture whose large values are dark, once these are light: a range, or what is stored where it is none
    any more."""
    low, high = (int(mirrored(np.array(end, np.int64), mirror)) for end in (padding.high, padding.low))
    if low > high:
        return None, padding
    return Nodata(low, high, padding.name, (padding.low, padding.high)), None


def _mirror(stored: int, signed: bool) -> int:
    """The value that 0 becomes where large values are dark: the largest of the stored bits, or -1 where they have a sign."""
    return -1 if signed else 2**stored - 1


def _swap(_: Any, element: Any) -> None:
    """Turns round the bytes of each word of an element that is words and lies in bytes as the file has them."""
    size = WORDS.get(element.VR)
    if size is not None and isinstance(element.value, bytes) and len(element.value) % size == 0:
        element.value = np.frombuffer(element.value, f">u{size}").astype(f"<u{size}").tobytes()


def save_dicom(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Writes the data set with these pixels, uncompressed, marked as derived and with an identity of its own."""
    pydicom = _pydicom()
    from pydicom.uid import generate_uid

    about = document.about
    if not isinstance(about, DicomFile):
        raise FileError("a DICOM file is written only from one; write TIFF or PNG")
    source = about.dataset
    made = []
    for page in pages:
        values = joined(page)
        inverted = about.inverted and values.ndim == 2
        mirror = _mirror(int(source.BitsStored), bool(source.PixelRepresentation))
        made.append(mirrored(values, mirror) if inverted else values)
    whole = np.stack(made)
    if whole.dtype.itemsize * 8 != int(source.BitsAllocated) and math.log2(int(source.BitsAllocated) or 1) % 1:
        raise FileError(f"samples of {source.BitsAllocated} bits are not written; write TIFF")
    dataset = copy.deepcopy(source)
    dataset.file_meta.TransferSyntaxUID = EXPLICIT
    dataset.BitsAllocated = whole.dtype.itemsize * 8
    recoloured = (3 if whole.ndim == 4 else 1) != int(source.SamplesPerPixel)
    if recoloured:
        dataset.SamplesPerPixel = 3 if whole.ndim == 4 else 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        for name in OF_VALUES:
            dataset.pop(name, None)
    if whole.ndim == 4:
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
    before = int(source.Rows), int(source.Columns)
    after = whole.shape[1], whole.shape[2]
    if after != before:
        _fit(dataset, Fraction(after[0], before[0]), Fraction(after[1], before[1]))
        dataset.Rows, dataset.Columns = after
    # A small copy of the picture as it was, and the places of frames that were packed.
    for name in ("IconImageSequence", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
        dataset.pop(name, None)
    if not source.file_meta.TransferSyntaxUID.is_little_endian:
        dataset.walk(_swap)
    content = whole.astype(whole.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if whole.dtype.itemsize == 1 else "OW"
    dataset["PixelData"].is_undefined_length = False
    kinds = list(dataset.get("ImageType", None) or ["ORIGINAL", "PRIMARY"])
    dataset.ImageType = ["DERIVED", *kinds[1:]]
    done = "noise removed" if after == before else "enlarged"
    dataset.DerivationDescription = done if not recoloured else "colours made by software" if whole.ndim == 4 else "made gray"
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
