"""DICOM, through pydicom: the frames of an image, and the same file again with other pixels."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import FileError, MissingExtra
from pellucid.files.base import Document, Page, Reading, check_size, joined, picture_of
from pellucid.images import Nodata

__all__ = ["open_dicom", "save_dicom"]

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
"""Transfer syntaxes: uncompressed, little-endian."""


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

    dataset = pydicom.dcmread(path)
    if "PixelData" not in dataset:
        raise FileError("no pixels of whole numbers in it")
    height, width, samples = int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1))
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    check_size(width, height, samples, path.stat().st_size)
    if not 1 <= count <= 1_000_000:
        raise FileError(f"{count} frames are more than this can take")
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in ("MONOCHROME1", "MONOCHROME2", "RGB") and not photometric.startswith("YBR"):
        raise FileError(f"pixels of kind {photometric} are not known")
    stored, signed = int(dataset.BitsStored), bool(dataset.PixelRepresentation)
    white = None if signed or stored % 8 == 0 else float(2**stored - 1)
    inverted = photometric == "MONOCHROME1"
    padding = _padding(dataset, stored, signed, inverted)

    def pages() -> Iterator[Page]:
        for values in pixels.iter_pixels(dataset):
            values = np.asarray(values)
            if inverted:
                values = _inverted(values, stored, signed)
            yield Page((replace(picture_of(values, reading, white=white, nodata=padding), flat=False),))

    shape = (count,) if count > 1 else ()
    yield Document(pages(), count, shape, "Z" * len(shape), DicomFile(dataset, inverted))


def _padding(dataset: Any, stored: int, signed: bool, inverted: bool) -> Nodata | None:
    """The values that pad the picture, as its pixels are read."""
    ends = [dataset.get("PixelPaddingValue"), dataset.get("PixelPaddingRangeLimit")]
    if ends[0] is None:
        return None
    # Some writers state a negative value without its sign.
    values = [int(end) - 65536 if signed and int(end) > 32767 else int(end) for end in ends if end is not None]
    if inverted:
        values = [(-1 if signed else 2**stored - 1) - value for value in values]
    return Nodata(min(values), max(values), "padding")


def _inverted(values: Any, stored: int, signed: bool) -> Any:
    # Of signed values -1 is the mirror of 0, of unsigned the top of the stored bits.
    mirror = -1 if signed else 2**stored - 1
    return (mirror - values.astype(np.int64)).clip(np.iinfo(values.dtype).min, np.iinfo(values.dtype).max).astype(values.dtype)


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
        made.append(_inverted(values, int(source.BitsStored), bool(source.PixelRepresentation)) if about.inverted else values)
    whole = np.stack(made)
    if whole.dtype.itemsize * 8 != int(source.BitsAllocated) and math.log2(int(source.BitsAllocated) or 1) % 1:
        raise FileError(f"samples of {source.BitsAllocated} bits are not written; write TIFF")
    dataset = copy.deepcopy(source)
    dataset.file_meta.TransferSyntaxUID = EXPLICIT
    dataset.BitsAllocated = whole.dtype.itemsize * 8
    if whole.ndim == 4:
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
    content = whole.astype(whole.dtype.newbyteorder("<")).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if whole.dtype.itemsize == 1 else "OW"
    dataset["PixelData"].is_undefined_length = False
    kinds = list(dataset.get("ImageType", None) or ["ORIGINAL", "PRIMARY"])
    dataset.ImageType = ["DERIVED", *kinds[1:]]
    dataset.DerivationDescription = "noise removed"
    dataset.SOPInstanceUID = generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
