"""RAW from the shell: files as makers write them, those without a Bayer mosaic, and damaged ones."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage

import pellucid
from pellucid import cli, files, images, metrics
from pellucid.errors import FileError
from pellucid.files import dng
from pellucid.files import raw as reading

sys.path.insert(0, str(Path(__file__).parent))

from shots import X_TRANS, Layout, developed, mosaic_in, scene, smooth, taken, write_raf, written

rawpy = pytest.importorskip("rawpy", reason="the extra raw is not installed")


def of_a_camera(white: int) -> list[Any]:
    """The tags of any camera's DNG whose ``white`` is this value."""
    return [
        (271, 2, 0, "Maker", True),
        (272, 2, 0, "Model", True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),
        (50708, 2, 0, "Maker Model", True),
        (50717, 3, 1, white, True),
    ]


def test_the_command_writes_dng_pictures_and_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = taken(scene(), gain=1e-3)
    for name in ("a.dng", "b.dng"):
        written(tmp_path / name, shot)
    assert cli.main(["denoise", str(tmp_path / "a.dng"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["output"] == str(tmp_path / "a.clean.dng")
    assert told["model"] == "raw"
    assert "sensor noise" in told["saw"]
    assert cli.main(["denoise", str(tmp_path / "a.dng"), "-o", str(tmp_path / "a.jpg")]) == 0
    with PillowImage.open(tmp_path / "a.jpg") as picture:
        assert picture.size == (96, 64)
        assert picture.getexif()[271] == "Maker"
    folder = ["denoise", str(tmp_path), "-o", str(tmp_path / "out"), "--include", "?.dng"]
    assert cli.main(folder) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.dng")) == ["a.dng", "b.dng"]
    capsys.readouterr()
    assert cli.main([*folder, "--resume"]) == 0
    assert "skipped 2" in capsys.readouterr().err


def test_a_range_is_refused_for_a_mosaic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = written(tmp_path / "a.dng", taken(scene(), gain=1e-3))
    for text in ("dtype", "0:100"):
        assert cli.main(["denoise", str(source), "--range", text]) == 1
        assert "states itself which values are black and white; leave the range out" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [source]


def test_a_picture_without_a_mosaic_is_developed_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.dng"
    tags = of_a_camera(65535)
    levels = np.full((48, 60, 3), 9000, np.uint16)
    tifffile.imwrite(source, levels, photometric=34892, metadata=None, software=False, extratags=tags)
    assert cli.main(["denoise", str(source)]) == 0
    told = capsys.readouterr().out
    assert "a.clean.tif" in told
    assert "three colours each already" in told
    assert (tmp_path / "a.clean.tif").exists()
    assert not (tmp_path / "a.clean.dng").exists()
    assert cli.main(["denoise", str(source), "-o", str(tmp_path / "b.dng")]) == 1
    assert "developed: write TIFF" in capsys.readouterr().err
    # Developed, it would have the name of another picture's output.
    (tmp_path / "in").mkdir()
    files.write(tmp_path / "in" / "a.tif", images.from_array(levels[:20, :20]))
    (tmp_path / "in" / "a.dng").write_bytes(source.read_bytes())
    assert cli.main(["denoise", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--force"]) == 1
    assert "restore it alone" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").glob("a.*")] == ["a.tif"]
    assert files.read(tmp_path / "out" / "a.tif").pixels.shape[:2] == (20, 20)
    # Another model is for developed pictures.
    written(source, taken(scene(), gain=1e-3))
    assert cli.main(["denoise", str(source), "--model", "photo-fast", "--force"]) == 0
    assert "a.clean.tif" in capsys.readouterr().out


def test_x_trans_comes_out_in_its_colours_and_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures = []
    for name, pattern in (("bayer", ()), ("x-trans", X_TRANS)):
        # LibRaw develops no smaller ones.
        shot = taken(smooth(512, 516), Layout(pattern=pattern))
        written(tmp_path / f"{name}.dng", shot, profile=False)
        assert cli.main(["denoise", str(tmp_path / f"{name}.dng"), "-o", str(tmp_path / f"{name}.tif")]) == 0
        pictures.append(images.floating(files.read(tmp_path / f"{name}.tif")).pixels)
        assert ("6x6 pixels (X-Trans)" in capsys.readouterr().out) == bool(pattern)
    assert pictures[0].shape == pictures[1].shape
    assert metrics.METRICS["ciede2000"].function(*(each[8:-8, 8:-8] for each in pictures), data_range=1.0) < 0.5


@pytest.mark.parametrize(("pattern", "height", "width"), [((), 512, 516), (X_TRANS, 512, 516), (X_TRANS, 768, 1032)])
def test_what_a_sensor_recorded_is_never_called_a_jpeg(tmp_path: Path, pattern: tuple[str, ...], height: int, width: int) -> None:
    path = written(tmp_path / "a.dng", taken(smooth(height, width), Layout(pattern=pattern)), profile=False)
    by_libraw, plainly = files.read(path), files.pictured(files.read(path, mosaic=True))
    for picture in (by_libraw, plainly):
        found = pellucid.inspect(picture)
        assert (found.kind, found.jpeg_quality) == ("clean", None)
    # Saved as a JPEG, it is one.
    files.write(tmp_path / "a.jpg", by_libraw)
    assert not files.read(tmp_path / "a.jpg").shot


def test_fujifilms_files_are_read_and_answered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shot = taken(smooth(), Layout(turn=6), gain=1e-6)
    image = mosaic_in(write_raf(tmp_path / "a.raf", shot))
    data = image.mosaic
    assert data is not None
    assert (data.phase, data.turn, data.white, data.black) == ((0, 0), 6, 16383, (1024.0,) * 4)
    np.testing.assert_allclose(data.gains, shot.layout.gains, rtol=1e-3)
    light = (image.pixels[..., 0].astype(np.float64) - 1024) / (16383 - 1024)
    np.testing.assert_allclose(light, shot.samples, atol=1e-4)
    assert cli.main(["denoise", str(tmp_path / "a.raf")]) == 0
    assert ": 96x64, raw, " in capsys.readouterr().out
    before, after = (developed(tmp_path / name) for name in ("a.raf", "a.clean.dng"))
    assert before.shape == after.shape == (96, 64, 3)
    assert metrics.METRICS["ciede2000"].function(before, after, data_range=1.0) < 0.5
    source = dng.source_of((tmp_path / "a.clean.dng").read_bytes())
    assert source.first[271][2].rstrip(b"\0") == b"FUJIFILM"
    assert dng.number(source.details, 0x8827) == 800
    # A mosaic of another kind; and a file cut short.
    write_raf(tmp_path / "x.raf", taken(smooth(512, 516), Layout(pattern=X_TRANS)))
    assert cli.main(["denoise", str(tmp_path / "x.raf")]) == 0
    assert "6x6 pixels (X-Trans)" in capsys.readouterr().out
    assert (tmp_path / "x.clean.tif").exists()
    (tmp_path / "cut.raf").write_bytes((tmp_path / "a.raf").read_bytes()[:-1000])
    assert cli.main(["denoise", str(tmp_path / "cut.raf")]) == 1
    assert "it is damaged" in capsys.readouterr().err


def test_a_file_without_exif_gets_none_that_is_invented(tmp_path: Path) -> None:
    data = mosaic_in(write_raf(tmp_path / "a.raf", taken(smooth()), described=False)).mosaic
    assert data is not None
    # LibRaw knows the model, and adds ISO 0, the year 1970, its own name and 300 dots an inch.
    assert {code: entry[2] for code, entry in data.file.first.items()} == {272: b"X-A1\0", 274: b"\x01\0"}
    assert data.file.details == {}


XTRANS = ("121101", "010212", "121101", "101121", "212010", "101121")


@pytest.mark.parametrize(
    ("rows", "names", "words"),
    [
        (("01", "12"), b"RGBG", None),
        (("21", "30"), b"BGRG", None),
        (("01", "32"), b"RGBG", None),
        (XTRANS, b"RGBG", "X-Trans"),
        (("01", "21"), b"RGBG", "no Bayer mosaic"),
        (("01", "23"), b"RGBE", "other colours"),
        (("00", "00"), b"RGBG", "other colours"),
    ],
)
def test_a_mosaic_is_known_by_its_pattern(rows: tuple[str, ...], names: bytes, words: str | None) -> None:
    pattern = np.array([[int(colour) for colour in row] for row in rows])
    kind = SimpleNamespace(name="Flat")
    opened = SimpleNamespace(raw_pattern=pattern, raw_type=kind, raw_image=pattern, num_colors=3, color_desc=names)
    why = reading._not_bayer(opened)
    assert why is None if words is None else words in str(why)
    opened.num_colors = 1
    assert "no colours" in str(reading._not_bayer(opened))


@pytest.mark.parametrize(("kind", "words"), [("other colours", "no Bayer mosaic"), ("no light", "black level")])
def test_a_sensor_that_is_not_known_is_one_clear_line(
    kind: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tags = [
        *of_a_camera(4095),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes((0, 1, 2, 1) if kind == "other colours" else (0, 1, 1, 2)), True),
        (50714, 3, 1, 4095 if kind == "no light" else 128, True),
    ]
    source = tmp_path / "a.dng"
    levels = np.random.default_rng(0).integers(1000, 2000, (60, 72)).astype(np.uint16)
    tifffile.imwrite(source, levels, photometric="cfa", metadata=None, software=False, extratags=tags)
    status = cli.main(["denoise", str(source)])
    told = capsys.readouterr()
    assert words in told.out + told.err
    assert not (tmp_path / "a.clean.dng").exists()
    assert (status == 0) == (tmp_path / "a.clean.tif").exists()
    if status:
        assert "\n" not in told.err.strip()
        assert str(source) in told.err


def unusual(path: Path, kind: str) -> None:
    """Writes a file of a camera that has no Bayer mosaic, or one that nobody can read."""
    rng = np.random.default_rng(0)
    camera = of_a_camera(4095)
    pattern = b"\0\1\1\2"
    if kind == "X-Trans":
        pattern = bytes(int(colour) for row in X_TRANS for colour in row)
    elif kind == "four colours":
        pattern = b"\0\1\3\2"
        camera.append((50710, 1, 4, b"\0\1\2\3", True))
    side = 6 if kind == "X-Trans" else 2
    camera += [(33421, 3, 2, (side, side), True), (33422, 1, len(pattern), pattern, True)]
    levels = rng.integers(1000, 2000, (60, 72)).astype(np.uint16)
    how: Any = {"metadata": None, "software": False, "extratags": camera}
    if kind == "monochrome":
        tifffile.imwrite(path, levels, photometric="minisblack", **{**how, "extratags": camera[:5]})
    else:
        tifffile.imwrite(path, levels, photometric="cfa", **how)
    with tifffile.TiffFile(path) as opened:
        page: Any = opened.pages[0]
        places = {tag: page.tags[tag].valueoffset for tag in (259, 262)}
        start, length = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    if kind == "monochrome":
        content[places[262] : places[262] + 2] = (34892).to_bytes(2, "little")
    elif kind.startswith("encrypted"):
        packing = {"encrypted, lossless JPEG": 7, "encrypted, deflate": 8, "encrypted, unknown": 34713}[kind]
        content[places[259] : places[259] + 2] = packing.to_bytes(2, "little")
        content[start : start + length] = rng.bytes(length)
    elif kind == "Foveon":
        content = bytearray(b"FOVb" + bytes((0, 0, 3, 2)) + rng.bytes(300))
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("X-Trans", "a.dng", "6x6 pixels (X-Trans)"),
        ("four colours", "a.dng", "other colours"),
        ("monochrome", "a.dng", "no colours"),
        ("encrypted, lossless JPEG", "a.dng", "not packed as it says"),
        ("encrypted, deflate", "a.dng", "it is damaged"),
        ("encrypted, unknown", "a.dng", "not a DNG file"),
        ("Foveon", "a.x3f", "not a camera RAW file"),
    ],
)
def test_what_no_mosaic_comes_of_is_developed_or_one_clear_line(
    kind: str, name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unusual(tmp_path / name, kind)
    status = cli.main(["denoise", str(tmp_path / name)])
    told = capsys.readouterr()
    assert words in told.out + told.err
    left = {path.name for path in tmp_path.iterdir()} - {name}
    if status == 0:
        assert left == {"a.clean.tif"}
    else:
        assert not left
        assert "\n" not in told.err.strip()
        assert str(tmp_path / name) in told.err


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_truncated_file_is_one_line(share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = written(tmp_path / "whole.dng", taken(scene(), gain=1e-3)).read_bytes()
    (tmp_path / "a.dng").write_bytes(content[: int(share * len(content))])
    assert cli.main(["denoise", str(tmp_path / "a.dng")]) == 1
    told = capsys.readouterr().err.strip()
    assert "\n" not in told
    assert str(tmp_path / "a.dng") in told
    assert not (tmp_path / "a.clean.dng").exists()


def panasonic(path: Path, width: int = 140, height: int = 640) -> None:
    """Writes a RW2, which LibRaw reads beyond its end without a word. 14 samples lie in 16 bytes: two as they are, and the steps of
    the others; each 16 KiB begin with what belongs behind."""
    rng = np.random.default_rng(0)
    groups = b""
    for _ in range(width * height // 14):
        bits = "".join(f"{value:012b}" for value in rng.integers(1000, 3000, 2))
        bits += "".join(("00" if index % 3 == 2 else "") + f"{128 + rng.integers(-20, 20):08b}" for index in range(2, 14))
        groups += int(bits, 2).to_bytes(16, "little")
    groups += bytes(-len(groups) % 0x4000)
    blocks = [groups[start : start + 0x4000] for start in range(0, len(groups), 0x4000)]
    samples = b"".join(block[0x2008:] + block[:0x2008] for block in blocks)
    begin = 8 + 2 + 12 * 7 + 4
    numbers = ((2, 3, width), (3, 3, height), (45, 3, 4), (273, 4, 0xFFFFFFFF), (279, 4, len(samples)), (280, 4, begin))
    table = (
        struct.pack("<HHI", 1, 7, 4) + b"0300" + b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in numbers)
    )
    path.write_bytes(b"IIU\0" + struct.pack("<IH", 8, 7) + table + bytes(4) + samples)


def test_a_file_that_is_read_beyond_its_end_is_one_line(tmp_path: Path) -> None:
    panasonic(tmp_path / "whole.rw2")
    content = (tmp_path / "whole.rw2").read_bytes()
    assert mosaic_in(tmp_path / "whole.rw2").pixels.shape == (640, 140, 1)
    for name, rest in (("none.rw2", 0x4000 * 7), ("half.rw2", 0x4000 * 3)):
        (tmp_path / name).write_bytes(content[:-rest])
        with pytest.raises(FileError, match=rf"it ends before its picture does: \d+ bytes of at least {len(content)}"):
            mosaic_in(tmp_path / name)
        with pytest.raises(FileError, match="it ends before its picture does"):
            files.read(tmp_path / name)
    # A maker who counts wrong, by bytes that hold no samples.
    longer = content[:74] + (int.from_bytes(content[74:78], "little") + 0x4000).to_bytes(4, "little") + content[78:]
    (tmp_path / "short.rw2").write_bytes(longer)
    np.testing.assert_array_equal(mosaic_in(tmp_path / "short.rw2").pixels, mosaic_in(tmp_path / "whole.rw2").pixels)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("beyond the end", "it ends before its picture does"),
        ("lossy, beyond the end", "it is damaged"),
        ("encrypted", "not packed as it"),
    ],
)
def test_tiles_of_a_linear_file_that_are_none_are_no_black_picture(place: str, words: str, tmp_path: Path) -> None:
    written(tmp_path / "a.dng", taken(scene(), gain=1e-3))
    assert cli.main(["denoise", str(tmp_path / "a.dng"), "-o", str(tmp_path / "linear.dng")]) == 0
    assert files.read(tmp_path / "linear.dng").pixels.shape == (64, 96, 3)
    content = bytearray((tmp_path / "linear.dng").read_bytes())
    with tifffile.TiffFile(tmp_path / "linear.dng") as opened:
        page: Any = opened.pages[0].pages[0]
        packing, value, start = page.tags[259].valueoffset, page.tags[324].valueoffset, page.dataoffsets[0]
    if place == "encrypted":
        content[start : start + 1000] = np.random.default_rng(0).bytes(1000)
    else:
        content[value : value + 4] = len(content).to_bytes(4, "little")
    if place.startswith("lossy"):
        content[packing : packing + 2] = (34892).to_bytes(2, "little")
    (tmp_path / "bad.dng").write_bytes(content)
    with pytest.raises(FileError, match=words):
        files.read(tmp_path / "bad.dng")


def test_the_library_says_nothing_by_itself(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = written(tmp_path / "whole.dng", taken(scene(), gain=1e-3)).read_bytes()
    (tmp_path / "a.dng").write_bytes(content[: len(content) // 2])
    with pytest.raises(rawpy.LibRawError), rawpy.imread(str(tmp_path / "a.dng")) as opened:
        opened.raw_image.sum()
    assert "Unexpected end of file" in capfd.readouterr().err
    with pytest.raises(FileError):
        mosaic_in(tmp_path / "a.dng")
    assert capfd.readouterr().err == ""
    with reading._hushed():
        os.write(2, b"a: Unexpected end of file\nanother thread's\n")
    assert capfd.readouterr().err == "another thread's\n"
