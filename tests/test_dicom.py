"""DICOM: what lies beside the pixels in the data set, and padding that is beyond its bits."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import files, images

pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")

HIGH, WIDE = 20, 24


def data_set(syntax: str, content: bytes, **elements: Any) -> Any:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import generate_uid

    made = pydicom.Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.Rows, made.Columns, made.SamplesPerPixel, made.PixelRepresentation = HIGH, WIDE, 1, 0
    made.PhotometricInterpretation, made.BitsAllocated, made.BitsStored, made.HighBit = "MONOCHROME2", 16, 12, 11
    made.PixelData = content
    made["PixelData"].VR = "OW"
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def counts() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(500, 3500, (HIGH, WIDE)).astype(np.uint16)


def even(source: Path, target: Path) -> Any:
    """The data set with all pixels at a quarter of white."""
    with files.open_pages(source) as document:
        pages = [
            replace(page, pictures=(images.with_pixels(picture, np.full(picture.pixels.shape, 0.25, np.float32)),))
            for page in document.pages
            for picture in page.pictures
        ]
        files.write_pages(target, pages, document)
    return pydicom.dcmread(target)


@pytest.mark.parametrize("big", [False, True], ids=["little-endian", "big-endian"])
def test_words_have_the_order_of_the_output(tmp_path: Path, big: bool) -> None:
    order = ">" if big else "<"
    words = {"OW": "u2", "OF": "f4", "OL": "u4", "OD": "f8", "OV": "u8"}
    made = data_set("1.2.840.10008.1.2.2" if big else "1.2.840.10008.1.2.1", counts().astype(f"{order}u2").tobytes())
    inner = pydicom.Dataset()
    for number, (kind, dtype) in enumerate(words.items()):
        for place in (made, inner):
            place.add_new(0x00111000 + number, kind, np.arange(300, 310).astype(order + dtype).tobytes())
    inner.LUTDescriptor = [256, 0, 16]
    inner.add_new(0x00283006, "OW", np.arange(256).astype(f"{order}u2").tobytes())
    made.VOILUTSequence = pydicom.Sequence([inner])
    made.add_new(0x00111010, "OB", b"ab")
    pydicom.dcmwrite(tmp_path / "a.dcm", made, implicit_vr=False, little_endian=not big, enforce_file_format=True)
    with files.open_pages(tmp_path / "a.dcm") as document:
        files.write_pages(tmp_path / "b.dcm", document.pages, document)
    after = pydicom.dcmread(tmp_path / "b.dcm")
    np.testing.assert_array_equal(after.pixel_array, counts())
    for place in (after, after.VOILUTSequence[0]):
        for number, dtype in enumerate(words.values()):
            np.testing.assert_array_equal(np.frombuffer(place[0x00111000 + number].value, f"<{dtype}"), np.arange(300, 310))
    np.testing.assert_array_equal(np.frombuffer(after.VOILUTSequence[0].LUTData, "<u2"), np.arange(256))
    assert after[0x00111010].value == b"ab"


def test_places_of_packed_frames_go_with_the_packing(tmp_path: Path) -> None:
    from pydicom.encaps import encapsulate_extended
    from pydicom.uid import JPEGBaseline8Bit

    frames = []
    for _ in range(2):
        buffer = io.BytesIO()
        PillowImage.fromarray((counts() // 16).astype(np.uint8)).save(buffer, "JPEG")
        frames.append(buffer.getvalue())
    content, places, lengths = encapsulate_extended(frames)
    made = data_set(JPEGBaseline8Bit, content, BitsAllocated=8, BitsStored=8, HighBit=7, NumberOfFrames=2)
    made.ExtendedOffsetTable, made.ExtendedOffsetTableLengths = places, lengths
    made["PixelData"].VR = "OB"
    pydicom.dcmwrite(tmp_path / "a.dcm", made, implicit_vr=False, little_endian=True, enforce_file_format=True)
    after = even(tmp_path / "a.dcm", tmp_path / "b.dcm")
    assert "ExtendedOffsetTable" not in after
    assert "ExtendedOffsetTableLengths" not in after
    assert after.pixel_array.shape == (2, HIGH, WIDE)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    ("padding", "limit"), [(65535, None), (60000, 65535), (4095, 65535), (4000, 4095), (0, None), (5000, None)]
)
def test_padding_beyond_the_stored_bits_comes_back(tmp_path: Path, photometric: str, padding: int, limit: int | None) -> None:
    values = counts()
    values[:, :6] = padding
    values[:, 6:8] = padding if limit is None else limit
    made = data_set("1.2.840.10008.1.2.1", values.tobytes(), PhotometricInterpretation=photometric)
    made.add_new("PixelPaddingValue", "US", padding)
    if limit is not None:
        made.add_new("PixelPaddingRangeLimit", "US", limit)
    pydicom.dcmwrite(tmp_path / "a.dcm", made, implicit_vr=False, little_endian=True, enforce_file_format=True)
    with files.open_pages(tmp_path / "a.dcm") as document:
        picture = next(iter(document.pages)).pictures[0]
    assert picture.white == 4095
    assert any(remark.startswith(f"padding {padding}") for remark in picture.remarks)
    # The reader's own arrays have the stored bits alone.
    after = np.frombuffer(even(tmp_path / "a.dcm", tmp_path / "b.dcm").PixelData, "<u2").reshape(HIGH, WIDE)
    np.testing.assert_array_equal(after[:, :8], values[:, :8])
    assert (after[:, 8:] == (4095 - 1024 if photometric == "MONOCHROME1" else 1024)).all()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_the_range_of_the_dtype_is_that_of_the_values_in_the_file(tmp_path: Path, photometric: str) -> None:
    made = data_set("1.2.840.10008.1.2.1", counts().tobytes(), PhotometricInterpretation=photometric)
    pydicom.dcmwrite(tmp_path / "a.dcm", made, implicit_vr=False, little_endian=True, enforce_file_format=True)
    ends = (65535, 0) if photometric == "MONOCHROME1" else (0, 65535)
    for asked in ("dtype", tuple(map(float, ends))):
        assert files.read(tmp_path / "a.dcm", value_range=asked).ends == ends


def test_signed_padding_beyond_the_stored_bits_comes_back(tmp_path: Path) -> None:
    values = counts().astype(np.int16) - 2000
    values[:, :6] = -32768
    made = data_set("1.2.840.10008.1.2.1", values.tobytes(), PixelRepresentation=1)
    made.add_new("PixelPaddingValue", "SS", -32768)
    pydicom.dcmwrite(tmp_path / "a.dcm", made, implicit_vr=False, little_endian=True, enforce_file_format=True)
    after = np.frombuffer(even(tmp_path / "a.dcm", tmp_path / "b.dcm").PixelData, "<i2").reshape(HIGH, WIDE)
    assert (after[:, :6] == -32768).all()
    assert after[:, 6:].min() >= values[:, 6:].min()
