"""An enlarged picture keeps its true size in metres, inches or on Earth: the metadata change with the number of pixels."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import ExifTags
from PIL import Image as PillowImage
from PIL.TiffImagePlugin import IFDRational

import pellucid
from pellucid import batch, files, images, plan
from pellucid.files import geometry
from pellucid.files.directories import parsed_exif
from pellucid.tasks import UpscaleSettings

HEIGHT, WIDTH = 20, 30


def values(channels: int = 3, dtype: str = "uint8") -> NDArray[Any]:
    down, across = np.indices((HEIGHT, WIDTH))
    plane = (down * 5 + across * 4).astype(dtype)
    return plane if channels == 1 else np.stack([plane] * channels, axis=2)


def enlarged(path: Path, scale: float) -> Path:
    out = path.with_name(f"out-{path.name}")
    (outcome,) = batch.restore_files(plan.plan([path], out), pellucid.load("upscale"), UpscaleSettings(scale=scale))
    assert outcome.error is None
    return out


# -- the law: each format that has a notion of size --------------------------------------------------------------------

Size = tuple[float, ...]
"""Height and width in whatever unit the format has; where it says where the picture lies, its corners, too."""


def by_pillow(**settings: Any) -> Callable[[Path], None]:
    return lambda path: PillowImage.fromarray(values()).save(path, dpi=(240, 120), **settings)


def pillows_size(path: Path) -> Size:
    with PillowImage.open(path) as picture:
        across, down = picture.info["dpi"]
        return picture.height / float(down), picture.width / float(across)


def with_exif(path: Path) -> None:
    exif = PillowImage.Exif()
    exif[ExifTags.Base.XResolution], exif[ExifTags.Base.YResolution], exif[ExifTags.Base.ResolutionUnit] = (
        IFDRational(240),
        IFDRational(120),
        2,
    )
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExifImageWidth], details[ExifTags.Base.ExifImageHeight] = WIDTH, HEIGHT
    details[ExifTags.Base.FocalPlaneXResolution], details[ExifTags.Base.FocalPlaneYResolution] = (
        IFDRational(4000),
        IFDRational(4000),
    )
    # Where the subject is, and how wide and high.
    details[0x9214], details[0xA214] = (12, 10, 6, 4), (12, 10)
    PillowImage.fromarray(values()).save(path, exif=exif)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("area", [(9, 4), (9, 4, 3), (9, 4, 5, 2)])
def test_a_subject_stays_where_it_is_when_its_picture_is_turned(tmp_path: Path, turn: int, area: tuple[int, ...]) -> None:
    exif = PillowImage.Exif()
    exif[ExifTags.Base.Orientation] = turn
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[0x9214], details[0xA214] = area, area[:2]
    pixels = np.zeros((16, 24), np.uint8)
    pixels[4, 9] = 255
    PillowImage.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image = files.read(tmp_path / "a.png")
    _, inner, _ = parsed_exif(image.exif)
    for tag in (0x9214, 0xA214):
        across, down, *size = np.frombuffer(inner[tag][2], "<u2")[: len(area)]
        assert image.pixels[down, across] == 1
        assert size in ([], list(area[2:] if turn < 5 else area[:1:-1]))


def exifs_size(path: Path) -> Size:
    image = files.read(path)
    first, details, _ = parsed_exif(image.exif)

    def ratio(entry: tuple[int, int, bytes]) -> float:
        return int.from_bytes(entry[2][:4], "little") / int.from_bytes(entry[2][4:], "little")

    height, width = image.pixels.shape[:2]
    assert [int.from_bytes(details[tag][2], "little") for tag in (0xA003, 0xA002)] == [height, width]
    subject = np.concatenate([np.frombuffer(details[tag][2], "<u2") for tag in (0x9214, 0xA214)])
    shares = subject / np.resize([width, height], subject.shape)
    return height / ratio(first[283]), width / ratio(first[282]), width / ratio(details[0xA20E]), *shares


def plain_tiff(unit: int) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, values(), photometric="rgb", metadata=None, resolution=(50, 25), resolutionunit=unit)


def tiffs_size(path: Path) -> Size:
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        return page.imagelength / page.resolution[1], page.imagewidth / page.resolution[0], float(page.resolutionunit)


def imagej(path: Path) -> None:
    stack = np.stack([values(1, "uint16")] * 3)
    tifffile.imwrite(
        path,
        stack,
        imagej=True,
        resolution=(5, 4),
        metadata={"unit": "um", "spacing": 1.5, "axes": "ZYX", "xorigin": 6.0, "yorigin": 4.0},
    )


def imagejs_size(path: Path) -> Size:
    with tifffile.TiffFile(path) as file:
        assert file.is_imagej
        assert file.imagej_metadata is not None
        about = file.imagej_metadata
        across, down = file.pages[0].resolution  # type: ignore[union-attr]
        return *tiffs_size(path), about["xorigin"] / across, about["yorigin"] / down, about["spacing"], len(file.series[0].shape)


def ome(path: Path) -> None:
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "um", "PhysicalSizeY": 0.4, "PhysicalSizeYUnit": "um"}
    tifffile.imwrite(path, np.stack([values(1)] * 2), ome=True, metadata=metadata, photometric="minisblack")


def omes_size(path: Path) -> Size:
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
        assert xml is not None
        # Read by what the description says.
        shape = file.series[0].shape
    told = {key: float(value) for key, value in re.findall(r'\s((?:Physical)?Size[XY])="([^"]+)"', xml)}
    assert (told["SizeY"], told["SizeX"]) == shape[-2:]
    return told["SizeY"] * told["PhysicalSizeY"], told["SizeX"] * told["PhysicalSizeX"]


def geotiff(*tags: tuple[int, int, int, tuple[float, ...]], point: bool = False) -> Callable[[Path], None]:
    keys = (1, 1, 0, 1, 1025, 0, 1, 2 if point else 1)
    extra = [*((code, kind, count, value, True) for code, kind, count, value in tags), (34735, 3, 8, keys, True)]
    return lambda path: tifffile.imwrite(path, values(1), metadata=None, extratags=extra)


def on_earth(path: Path) -> Size:
    """Where the outer corners lie, by GeoTIFF's own rules."""
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        tags = {tag.code: tag.value for tag in page.tags.values()}
        height, width = page.shape
    # Files of the kind PixelIsPoint give the coordinates of a pixel's middle.
    edge = 0.5 if tags[34735][7] == 2 else 0.0
    corners: list[float] = []
    for column, row in ((-edge, -edge), (width - edge, height - edge), (width - edge, -edge)):
        if 34264 in tags:
            matrix = np.reshape(tags[34264], (4, 4))
            corners += (matrix @ [column, row, 0, 1])[:2].tolist()
        else:
            (i, j, _, x, y, _), (across, down, _) = tags[33922], tags[33550]
            corners += [x + (column - i) * across, y - (row - j) * down]
    return tuple(corners)


def by_rational_polynomials(path: Path) -> Size:
    """Where the outer corners lie on the scale of a satellite's polynomials, which count from the first pixel's middle."""
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        numbers, sides = page.tags[50844].value, page.shape
    return *((at - 0.5 - numbers[2 + axis]) / numbers[7 + axis] for axis in (0, 1) for at in (0, sides[axis])), *numbers[4:7]


POLYNOMIALS = (50844, 12, 92, (1.0, 1.0, 9.5, 14.5, 50.0, 10.0, 100.0, 10.0, 15.0, 0.1, 0.2, 500.0, *[0.25] * 80))
SCALE, TIE = (33550, 12, 3, (10.0, 5.0, 0.0)), (33922, 12, 6, (3.0, 4.0, 0.0, 500000.0, 4600000.0, 0.0))
MATRIX = (34264, 12, 16, (8.0, 2.0, 0.0, 5e5, 1.0, -9.0, 0.0, 4.6e6, *[0.0] * 7, 1.0))


FORMATS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], Size]]] = {
    "PNG": (".png", by_pillow(), pillows_size),
    "JPEG": (".jpg", by_pillow(), pillows_size),
    "BMP": (".bmp", by_pillow(), pillows_size),
    "JPEG's EXIF": (".jpg", with_exif, exifs_size),
    "PNG's EXIF": (".png", with_exif, exifs_size),
    "WebP's EXIF": (".webp", with_exif, exifs_size),
    "AVIF's EXIF": (".avif", with_exif, exifs_size),
    "TIFF by the inch": (".tif", plain_tiff(2), tiffs_size),
    "TIFF by the centimetre": (".tif", plain_tiff(3), tiffs_size),
    "ImageJ": (".tif", imagej, imagejs_size),
    "OME-TIFF": (".ome.tif", ome, omes_size),
    "GeoTIFF": (".tif", geotiff(SCALE, TIE), on_earth),
    "GeoTIFF of points": (".tif", geotiff(SCALE, TIE, point=True), on_earth),
    "satellite": (".tif", geotiff(POLYNOMIALS), by_rational_polynomials),
    "GeoTIFF, turned": (".tif", geotiff(MATRIX), on_earth),
    "GeoTIFF of points, turned": (".tif", geotiff(MATRIX, point=True), on_earth),
}


@pytest.mark.parametrize("scale", [2, 3, 2.5])
@pytest.mark.parametrize("name", FORMATS)
def test_size_in_the_formats_own_unit_is_what_it_was(name: str, scale: float, tmp_path: Path) -> None:
    ending, make, size = FORMATS[name]
    make(tmp_path / f"a{ending}")
    if "centimetre" in name:
        # It is written in dots per inch.
        height, width, unit = tiffs_size(enlarged(tmp_path / f"a{ending}", scale))
        assert np.array([height, width]) * (2.54 if unit == 2 else 1) == pytest.approx((HEIGHT / 25, WIDTH / 50), rel=1e-3)
        return
    out = enlarged(tmp_path / f"a{ending}", scale)
    assert files.read(out).pixels.shape[:2] == (HEIGHT * scale, WIDTH * scale) if name not in ("ImageJ", "OME-TIFF") else True
    assert size(out) == pytest.approx(size(tmp_path / f"a{ending}"), rel=2e-3 if ending in (".jpg", ".png", ".bmp") else 1e-9)


@pytest.mark.parametrize("kind", ["plain", "frames"])
def test_dicom_states_the_size_of_its_pixels(tmp_path: Path, kind: str) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence

    dataset, frames = Dataset(), 2 if kind == "frames" else 1
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PhotometricInterpretation = HEIGHT, WIDTH, 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    place = dataset
    if kind == "frames":
        dataset.NumberOfFrames = frames
        measures, position, orientation, group = Dataset(), Dataset(), Dataset(), Dataset()
        group.PixelMeasuresSequence = Sequence([measures])
        group.PlaneOrientationSequence, group.PlanePositionSequence = Sequence([orientation]), Sequence([position])
        dataset.SharedFunctionalGroupsSequence = Sequence([group])
    else:
        measures = position = orientation = place
        dataset.ImagerPixelSpacing = [0.8, 0.4]
    measures.PixelSpacing = [0.6, 0.3]
    position.ImagePositionPatient, orientation.ImageOrientationPatient = [10, 20, 30], [1, 0, 0, 0, 0, -1]
    region = Dataset()
    region.RegionLocationMinX0, region.RegionLocationMaxX1 = 2, 9
    region.RegionLocationMinY0, region.RegionLocationMaxY1 = 4, 19
    region.ReferencePixelX0, region.PhysicalDeltaX, region.PhysicalDeltaY = 3, 0.06, 0.03
    dataset.SequenceOfUltrasoundRegions = Sequence([region])
    dataset.ShutterLeftVerticalEdge, dataset.ShutterRightVerticalEdge = 1, WIDTH
    dataset.CenterOfCircularShutter, dataset.RadiusOfCircularShutter = [10, 16], 8
    dataset.VerticesOfThePolygonalCollimator = [1, 1, 1, WIDTH, HEIGHT, WIDTH]
    dataset.PixelData = np.stack([values(1, "uint16") * 20] * frames).tobytes()
    pydicom.dcmwrite(tmp_path / "a.dcm", dataset, enforce_file_format=True)
    out = pydicom.dcmread(enlarged(tmp_path / "a.dcm", 3))
    assert (out.Rows, out.Columns) == (60, 90)
    assert out.pixel_array.shape[-2:] == (60, 90)
    if kind == "frames":
        group = out.SharedFunctionalGroupsSequence[0]
        measures, position = group.PixelMeasuresSequence[0], group.PlanePositionSequence[0]
    else:
        measures = position = out
        assert out.ImagerPixelSpacing == pytest.approx([0.8 / 3, 0.4 / 3])
    assert measures.PixelSpacing == pytest.approx([0.2, 0.1])
    # The outer corner of the first pixel is where it was: half a pixel before its middle, along rows and columns.
    assert position.ImagePositionPatient == pytest.approx([10 - 0.15 + 0.05, 20, 30 + 0.3 - 0.1])
    assert out.DerivationDescription == "enlarged"
    region = out.SequenceOfUltrasoundRegions[0]
    assert (region.RegionLocationMinX0, region.RegionLocationMaxX1) == (6, 29)
    assert (region.RegionLocationMinY0, region.RegionLocationMaxY1) == (12, 59)
    assert (region.ReferencePixelX0, out.ShutterLeftVerticalEdge, out.ShutterRightVerticalEdge) == (10, 1, 3 * WIDTH)
    # Row 10 is the tenth, whose middle of three is the 29th.
    assert (list(out.CenterOfCircularShutter), out.RadiusOfCircularShutter) == ([29, 47], 24)
    assert list(out.VerticesOfThePolygonalCollimator) == [2, 2, 2, 3 * WIDTH - 1, 3 * HEIGHT - 1, 3 * WIDTH - 1]
    assert (region.PhysicalDeltaX, region.PhysicalDeltaY) == pytest.approx((0.02, 0.01))


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("scale", [2, 3, 1.5])
def test_an_ome_zarr_states_the_size_of_its_pixels(tmp_path: Path, version: int, scale: float) -> None:
    zarr = pytest.importorskip("zarr", reason="the extra zarr is not installed")
    from tests import test_omezarr

    source = test_omezarr.pyramid(
        tmp_path / "a.ome.zarr", test_omezarr.samples((2, 50, 41), "uint8"), "zyx", version, chunks=(1, 16, 16)
    )
    out = enlarged(source, scale)

    def told(path: Path) -> list[dict[str, Any]]:
        attributes = dict(zarr.open_group(str(path), mode="r").attrs)
        levels: list[dict[str, Any]] = (attributes.get("ome") or attributes)["multiscales"][0]["datasets"]
        return levels

    assert len(told(out)) > 1
    for number, (before, after) in enumerate(zip(told(source), told(out), strict=True)):
        arrays = [zarr.open_array(str(path / level["path"]), mode="r") for path, level in ((source, before), (out, after))]
        scales = [np.array(level["coordinateTransformations"][0]["scale"]) for level in (before, after)]
        sizes = [scale * array.shape for scale, array in zip(scales, arrays, strict=True)]
        if number == 0:
            assert arrays[1].shape == (2, round(50 * scale), round(41 * scale))
        assert sizes[1] == pytest.approx(sizes[0], rel=0.06)
        assert scales[1][0] == scales[0][0]
    with files.open_pages(out) as document:
        assert document.count == 2


def test_openexr_has_windows_of_the_new_size(tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage, "xDensity": 100.0}
    exr.File(header, {"Y": values(1, "float32") / np.float32(255)}).write(str(tmp_path / "a.exr"))
    out = exr.File(str(enlarged(tmp_path / "a.exr", 2))).header()
    assert [corner.tolist() for name in ("dataWindow", "displayWindow") for corner in out[name]] == [[0, 0], [59, 39]] * 2
    assert out["xDensity"] == 200


# -- words --------------------------------------------------------------------------------------------------------------


def test_xmp_states_the_new_size(tmp_path: Path) -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:ImageWidth="30" exif:PixelYDimension="20" '
        b'tiff:XResolution="300/1" GPano:FullPanoWidthPixels="60" tiff:Make="30"><tiff:ImageLength>20</tiff:ImageLength>'
        b"</rdf:Description></x:xmpmeta>"
    )
    PillowImage.fromarray(values()).save(tmp_path / "a.jpg", xmp=xmp)
    out = files.read(enlarged(tmp_path / "a.jpg", 3)).xmp
    assert out == xmp.replace(b'h="30"', b'h="90"').replace(b'n="20"', b'n="60"').replace(b">20<", b">60<").replace(
        b"300/1", b"900/1"
    ).replace(b'Pixels="60"', b'Pixels="180"')


def test_regions_of_interest_move_along() -> None:
    xml = (
        '<OME><Image><Pixels SizeX="10" SizeY="20" SizeC="2" PhysicalSizeX="1.5e-1"/></Image>'
        '<ROI><Rectangle X="1" Y="2" Width="3" Height="4" TheZ="1"/><Polygon Points="1,2 3,4"/></ROI></OME>'
    )
    assert geometry.ome_fitted(xml, images.Fraction(3), images.Fraction(2)) == (
        '<OME><Image><Pixels SizeX="30" SizeY="40" SizeC="2" PhysicalSizeX="0.05"/></Image>'
        '<ROI><Rectangle X="3" Y="4" Width="9" Height="8" TheZ="1"/><Polygon Points="3,4 9,8"/></ROI></OME>'
    )


def test_tifffiles_own_shape_follows(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([values(1)] * 3), photometric="minisblack")
    out = enlarged(tmp_path / "a.tif", 2)
    with tifffile.TiffFile(out) as file:
        assert file.series[0].shape == (3, 40, 60)
        assert json.loads(file.pages[0].description)["shape"] == [3, 40, 60]  # type: ignore[union-attr]


def test_a_picture_of_the_same_size_keeps_every_word(tmp_path: Path) -> None:
    with_exif(tmp_path / "a.jpg")
    image = files.read(tmp_path / "a.jpg")
    assert not image.is_grown
    assert geometry.fitted(image) is image


def test_a_turned_picture_is_enlarged_from_how_it_stands(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[ExifTags.Base.Orientation] = 6
    PillowImage.fromarray(values()).save(tmp_path / "a.jpg", exif=exif, dpi=(240, 120))
    out = enlarged(tmp_path / "a.jpg", 2)
    with PillowImage.open(io.BytesIO(out.read_bytes())) as picture:
        assert picture.size == (40, 60)
        assert tuple(round(dots) for dots in picture.info["dpi"]) == (240, 480)
