"""Files and data beside a picture that are not read: the output's metadata does not promise them, and a line tells the user."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import batch, files, images, plan
from pellucid.errors import FileError
from pellucid.files import companions
from pellucid.tasks import DenoiseSettings

KEPT = '<dc:title xmlns:dc="http://purl.org/dc/elements/1.1/">a</dc:title>'

CONTAINER = (
    '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" Item:Length="1"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{}" Item:Length="99"/></rdf:li></rdf:Seq>'
    "</Container:Directory>"
)

GOOGLE = "http://ns.google.com/photos"

PROMISES: dict[str, tuple[str, str, str]] = {
    "gain map": ('hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"', 'hdrgm:Version="1.0"', ""),
    "gain map, as elements": ('hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"', "", "<hdrgm:Version>1.0</hdrgm:Version>"),
    "gain map, another prefix": ('g="http://ns.adobe.com/hdr-gain-map/1.0/"', "g:Version='1.0' g:GainMapMax='3'", ""),
    "gain map in a container": (
        f'Container="{GOOGLE}/1.0/container/" xmlns:Item="{GOOGLE}/1.0/container/item/"',
        "",
        CONTAINER.format("GainMap"),
    ),
    "Apple's gain map": ('HDRGainMap="http://ns.apple.com/HDRGainMap/1.0/"', 'HDRGainMap:HDRGainMapVersion="65536"', ""),
    "motion photo": (f'GCamera="{GOOGLE}/1.0/camera/"', 'GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="5024"', ""),
    "motion photo in a container": (
        f'Container="{GOOGLE}/1.0/container/" xmlns:Item="{GOOGLE}/1.0/container/item/"',
        "",
        CONTAINER.format("MotionPhoto"),
    ),
    "depth": (f'GDepth="{GOOGLE}/1.0/depthmap/"', 'GDepth:Format="RangeInverse" GDepth:Mime="image/png"', ""),
    "dynamic depth": (
        f'Device="{GOOGLE}/dd/1.0/device/" xmlns:Camera="{GOOGLE}/dd/1.0/camera/"',
        "",
        '<Device:Cameras><rdf:Seq><rdf:li><Camera:DepthMap a="b"/></rdf:li></rdf:Seq></Device:Cameras>',
    ),
    "sound": (f'GAudio="{GOOGLE}/1.0/audio/"', 'GAudio:Mime="audio/mp4a-latm"', ""),
}

TOLD = {
    "gain": "HDR gain map",
    "Apple": "HDR gain map",
    "motion": "video",
    "depth": "depth map",
    "dynamic": "depth map",
    "sound": "sound",
}


def xmp_of(space: str, attributes: str, elements: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:{space} xmp:Rating="5" {attributes}>{KEPT}{elements}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode()


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (24, 30, 3), dtype=np.uint8)


def restored(path: Path, target: Path) -> batch.Outcome:
    (outcome,) = batch.restore_files(plan.plan([path], target), pellucid.load("photo"), DenoiseSettings(sigma=5))
    return outcome


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".png", ".tif"])
@pytest.mark.parametrize("name", PROMISES)
def test_xmp_promises_nothing_that_is_not_there(name: str, ending: str, tmp_path: Path) -> None:
    xmp = xmp_of(*PROMISES[name])
    PillowImage.fromarray(picture()).save(tmp_path / "a.jpg", xmp=xmp)
    outcome = restored(tmp_path / "a.jpg", tmp_path / f"out{ending}")
    assert outcome.remarks == (f"not read, and not in the output: {TOLD[name.split()[0].rstrip(',').removesuffix(chr(39) + 's')]}",)
    left = files.read(outcome.output).xmp
    assert left is not None
    # All else is as it was, and it is XML still.
    for word in ("hdrgm", "HDRGainMap", "Container", "Semantic", "GCamera", "Video", "GDepth", "Device", "GAudio", "g:", "Version"):
        assert word.encode() not in left.replace(b"xmlns:rdf", b"").replace(b"adobe:ns", b"")
    assert KEPT.encode() in left
    assert b'xmp:Rating="5"' in left
    import xml.etree.ElementTree as Tree

    Tree.fromstring(left.replace(b"xmp:Rating", b"Rating"))


def test_other_words_of_the_same_namespace_stay() -> None:
    xmp = xmp_of(f'GCamera="{GOOGLE}/1.0/camera/"', 'GCamera:BurstID="7" GCamera:MotionPhotoVersion="1"', "")
    left, gone = companions.without_companions(xmp)
    assert left == xmp.replace(b' GCamera:MotionPhotoVersion="1"', b"")
    assert gone == ("video",)
    plain = xmp_of('GCamera="x"', 'GCamera:MotionPhoto="1"', "")
    assert companions.without_companions(plain) == (plain, ())


@pytest.mark.parametrize("count", [1, 2])
def test_further_pictures_of_a_jpeg_are_told_and_gone(count: int, tmp_path: Path) -> None:
    first = PillowImage.fromarray(picture())
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[first.resize((16, 8))] * count)
    outcome = restored(tmp_path / "a.jpg", tmp_path / "out.jpg")
    assert outcome.remarks == (f"not read, and not in the output: further picture{'s' if count > 1 else ''}",)
    content = outcome.output.read_bytes()
    assert b"MPF\0" not in content
    assert content.count(b"\xff\xd8\xff") == 1


def test_a_video_behind_a_jpeg_is_told_and_gone(tmp_path: Path) -> None:
    PillowImage.fromarray(picture()).save(tmp_path / "a.jpg")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"\0\0\0\x18ftypmp42" + bytes(5000))
    outcome = restored(tmp_path / "a.jpg", tmp_path / "out.jpg")
    assert outcome.remarks == ("not read, and not in the output: video",)
    assert b"ftyp" not in outcome.output.read_bytes()


MORE = {
    "video": [b"\0\0\0\x18ftyp" + brand for brand in (b"mp42", b"iso5", b"3gp4", b"avc1", b"qt  ")] + [b"MotionPhoto_Data"],
    "depth map": [b"DualShot_DepthMap_1"],
    "sound": [b"SoundShot_000", b"\0\0\0\x18ftypM4A ", b"RIFF\1\2\3\4WAVE"],
    "HDR gain map": [
        b"\xff\xd8\xff\xe2\0\x40urn:iso:std:iso:ts:21496:-1\0",
        b"\xff\xd8\xff xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/'",
    ],
    "further picture": [b"\xff\xd8\xff\xe0\0\x10JFIF\0"],
}


@pytest.mark.parametrize(("what", "behind"), [(what, each) for what, kinds in MORE.items() for each in kinds])
@pytest.mark.parametrize("progressive", [False, True])
def test_what_stands_behind_a_jpeg_is_told_and_gone(what: str, behind: bytes, progressive: bool, tmp_path: Path) -> None:
    stream = io.BytesIO()
    PillowImage.fromarray(picture()).save(stream, "JPEG", progressive=progressive, restart_marker_blocks=2)
    (tmp_path / "a.jpg").write_bytes(stream.getvalue() + bytes(9) + behind + bytes(400))
    assert files.read(tmp_path / "a.jpg").remarks == (f"not read, and not in the output: {what}",)
    files.write(tmp_path / "out.jpg", files.read(tmp_path / "a.jpg"))
    assert behind not in (tmp_path / "out.jpg").read_bytes()[1:]
    # The same bytes in front of the picture's end are the picture's own.
    comment = b"\xff\xfe" + struct.pack(">H", len(behind) + 2) + behind
    (tmp_path / "b.jpg").write_bytes(stream.getvalue()[:2] + comment + stream.getvalue()[2:] + bytes(9) + b"words of a tool")
    assert files.read(tmp_path / "b.jpg").remarks == ()


def test_a_plain_picture_has_no_remark(tmp_path: Path) -> None:
    PillowImage.fromarray(picture()).save(tmp_path / "a.jpg", xmp=xmp_of('a="b"', 'a:c="1"', ""))
    assert files.read(tmp_path / "a.jpg").remarks == ()


# -- kinds of files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".jif", ".JPG"])
def test_every_ending_of_jpeg_is_one(ending: str, tmp_path: Path) -> None:
    PillowImage.fromarray(picture()).save(tmp_path / f"a{ending}", "JPEG", quality=95)
    outcome = restored(tmp_path / f"a{ending}", tmp_path / f"out{ending}")
    assert outcome.error is None
    with PillowImage.open(outcome.output) as written:
        assert written.format == "JPEG"


@pytest.mark.parametrize(
    ("marker", "bits", "said"), [(0xC1, 12, "a JPEG of 12 bits"), (0xC3, 8, "a lossless JPEG"), (0xF7, 8, "JPEG-LS")]
)
def test_kinds_of_jpeg_that_are_not_read_are_named(marker: int, bits: int, said: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    PillowImage.fromarray(picture()).save(buffer, "JPEG")
    content = bytearray(buffer.getvalue())
    place = content.index(b"\xff\xc0")
    content[place + 1], content[place + 4] = marker, bits
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(FileError, match=f"a.jpg: {said} is not read; convert it to TIFF or PNG"):
        files.read(tmp_path / "a.jpg")


@pytest.mark.parametrize("ending", [".png", ".webp", ".gif"])
def test_frames_of_an_animation_are_pages(ending: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [PillowImage.fromarray(rng.integers(0, 255, (20, 24, 3), dtype=np.uint8)) for _ in range(3)]
    settings: dict[str, Any] = {"lossless": True} if ending == ".webp" else {}
    frames[0].save(tmp_path / f"a{ending}", save_all=True, append_images=frames[1:], duration=100, **settings)
    with files.open_pages(tmp_path / f"a{ending}") as document:
        pages = [images.to_array(page.pictures[0])[..., :3] for page in document.pages]
    assert len(pages) == document.count == 3
    if ending != ".gif":
        np.testing.assert_array_equal(pages, [np.asarray(frame) for frame in frames])
    outcome = restored(tmp_path / f"a{ending}", tmp_path / "out.tif")
    assert (outcome.error, outcome.pages) == (None, 3)
    assert outcome.remarks == ("an animation: the output does not keep how long each frame is shown",)
    refused = pytest.raises(FileError, match="3 pages, and PNG holds one picture; write TIFF or NumPy")
    with refused, files.open_pages(tmp_path / f"a{ending}") as document:
        files.write_pages(tmp_path / "out.png", document.pages, document)


def test_a_gif_is_read_and_becomes_a_png(tmp_path: Path) -> None:
    PillowImage.fromarray(picture()[..., 0]).save(tmp_path / "a.gif")
    planned = plan.plan([tmp_path / "a.gif"], None)
    assert planned.pairs[0][1].name == "a.clean.png"
    (outcome,) = batch.restore_files(planned, pellucid.load("photo"), DenoiseSettings(sigma=5))
    assert outcome.error is None
    assert files.read(outcome.output).pixels.shape[:2] == (24, 30)


@pytest.mark.parametrize("shape", [(21, 34), (21, 34, 3), (21, 34, 4), (64, 64, 3)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("boxed", [False, True])
def test_jpeg_xl_is_read(shape: tuple[int, ...], dtype: str, boxed: bool, tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    values = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(values, lossless=True, usecontainer=boxed))
    image = files.read(tmp_path / "a.jxl")
    np.testing.assert_array_equal(images.to_array(image).squeeze(), values)
    # imagecodecs writes 16 bits as linear light.
    assert bool(image.remarks) == (dtype == "uint16")
    assert plan.plan([tmp_path / "a.jxl"], None).pairs[0][1].name == "a.clean.png"


def test_a_jpeg_in_jpeg_xl_keeps_its_words(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    exif = PillowImage.Exif()
    exif[271] = "a maker"
    buffer = io.BytesIO()
    PillowImage.fromarray(picture()).save(buffer, "JPEG", exif=exif, xmp=xmp_of(*PROMISES["gain map"]))
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode_jpeg(buffer.getvalue()))
    image = files.read(tmp_path / "a.jxl")
    assert image.exif is not None
    assert b"a maker" in image.exif
    assert image.xmp is not None
    assert b"hdrgm" not in image.xmp
    assert image.remarks == ("not read, and not in the output: HDR gain map",)


def test_jpeg_xl_that_is_not_read_is_one_line(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    content = imagecodecs.jpegxl_encode(picture(), lossless=True)
    for name, broken in (("cut", content[:20]), ("short", content[:5]), ("words", b"\xff\x0a" + bytes(2)), ("none", b"words")):
        (tmp_path / f"{name}.jxl").write_bytes(broken)
        with pytest.raises(FileError) as caught:
            files.read(tmp_path / f"{name}.jxl")
        assert "\n" not in str(caught.value)


def test_a_thumbnail_that_is_left_out_is_named(tmp_path: Path) -> None:
    small = b"\xff\xd8 a small copy \xff\xd9"
    head = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 1, 26)
    exif = head + struct.pack("<HHHIIHHIII", 2, 0x0201, 4, 1, 56, 0x0202, 4, 1, len(small), 0) + small
    PillowImage.new("RGB", (32, 24), (90, 120, 40)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + exif)
    image = files.read(tmp_path / "a.jpg")
    assert image.remarks == ("not read, and not in the output: thumbnail",)
    assert image.exif is not None
    assert small not in image.exif
    PillowImage.new("RGB", (32, 24)).save(tmp_path / "b.jpg", exif=b"Exif\0\0" + head[:-4] + bytes(4))
    assert files.read(tmp_path / "b.jpg").remarks == ()
