"""Which samples of a file are colours, alpha or channels of their own, and which pixels are none: as the file states it."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import files, images
from pellucid.errors import FileError, MissingExtra
from pellucid.files import base, codecs, geometry, tiff
from pellucid.images import Image

HIGH, WIDE = 24, 32
LEFT = np.s_[:, :8]
"""Where no image is."""


def values(dtype: str, *channels: int) -> NDArray[Any]:
    return np.random.default_rng(0).integers(20, 200, (HIGH, WIDE, *channels)).astype(dtype)


def changed(source: Path, target: Path, change: Callable[[Image], Image] | None = None, **how: Any) -> Path:
    """The file with all pixels at a quarter of white, or as ``change`` makes each picture."""

    def even(picture: Image) -> Image:
        return images.with_pixels(picture, np.full(picture.pixels.shape, 0.25, np.float32))

    with files.open_pages(source, **how) as document:
        pages = (replace(page, pictures=tuple(map(change or even, page.pictures))) for page in document.pages)
        files.write_pages(target, pages, document)
    return target


# -- channels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("photometric", "extras", "pictures"),
    [
        ("rgb", (0,), [(3, False), (1, False)]),
        ("rgb", (0, 0), [(3, False), (1, False), (1, False)]),
        ("rgb", (0, 2), [(3, False), (1, True)]),
        ("rgb", (2, 0), [(3, True), (1, False)]),
        ("rgb", (2,), [(3, True)]),
        ("minisblack", (0,), [(1, False), (1, False)]),
        ("minisblack", (0, 0), [(3, False)]),
        ("minisblack", (0, 0, 0), [(1, False)] * 4),
        ("minisblack", (0, 0, 2), [(1, False), (1, False), (1, True)]),
        ("miniswhite", (0, 0, 0), [(1, False)] * 4),
    ],
)
def test_a_sample_of_no_stated_kind_is_a_channel(
    tmp_path: Path, planar: str, dtype: str, photometric: str, extras: tuple[int, ...], pictures: list[tuple[int, bool]]
) -> None:
    count = (3 if photometric == "rgb" else 1) + len(extras)
    given = values(dtype, count)
    if dtype == "float32":
        given /= 255
    # Where alpha is 0; in a channel, 0 is a value as any other.
    given[:5, :, 3:] = 0
    stored = given.transpose(2, 0, 1) if planar == "separate" else given
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, planarconfig=planar, extrasamples=extras, metadata=None)
    with files.open_pages(tmp_path / "a.tif", value_range="dtype") as document:
        page = next(iter(document.pages))
        assert [(picture.pixels.shape[2], picture.alpha is not None) for picture in page.pictures] == pictures
        files.write_pages(tmp_path / "b.tif", [page], document)
    even = changed(tmp_path / "a.tif", tmp_path / "c.tif", value_range="dtype")
    for path in (tmp_path / "b.tif", even):
        with tifffile.TiffFile(path) as file:
            after = file.pages.first
            assert (after.photometric.name.lower(), after.extrasamples) == (photometric, extras)
            got = after.asarray().transpose(1, 2, 0) if planar == "separate" else after.asarray()
        if path != even:
            np.testing.assert_array_equal(got, given)
    alpha = next((count - len(extras) + index for index, kind in enumerate(extras) if kind), None)
    there = np.ones((HIGH, WIDE), bool) if alpha is None else given[..., alpha] != 0
    for index in range(count):
        if index == alpha:
            np.testing.assert_array_equal(got[..., index], given[..., index])
        else:
            assert len(np.unique(got[..., index][there])) == 1
            np.testing.assert_array_equal(got[..., index][~there], given[..., index][~there])


def test_the_fourth_sample_of_colours_is_alpha_where_nothing_is_stated(tmp_path: Path) -> None:
    given = values("uint8", 4)
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="rgb", extrasamples=[2], metadata=None)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        file.filehandle.seek(file.pages.first.tags[338].offset)
        file.filehandle.write((337).to_bytes(2, "little"))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert not file.pages.first.extrasamples
    read = files.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.alpha, given[..., 3])


def fourth(kind: str, top: float) -> NDArray[Any]:
    """A fourth sample of such a kind, (h, w), whose values go up to ``top``."""
    plane = np.random.default_rng(1).uniform(0.1, 0.9, (HIGH, WIDE)) * top
    if kind == "opaque":
        plane[:] = top
    elif kind == "soft":
        # Half of it is flat, in two parts.
        plane[:, :6], plane[:, 22:] = 0, top
    elif kind == "collar":
        # Less than half of it.
        plane[:, :6], plane[:, 23:] = 0, top
    elif kind == "nothing":
        plane[:] = 0
    return plane


@pytest.mark.parametrize(
    ("kind", "is_alpha"), [("opaque", True), ("soft", True), ("collar", False), ("light", False), ("nothing", False)]
)
@pytest.mark.parametrize("banded", [False, True], ids=["whole", "banded"])
@pytest.mark.parametrize("how", ["uint8", "uint16", "uint16, 12 bits", "float32", "float32, 255", "uint8, planes", "uint8, tiles"])
def test_a_fourth_sample_of_no_stated_kind_is_alpha_where_it_is_flat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, banded: bool, kind: str, is_alpha: bool
) -> None:
    dtype, _, more = how.partition(", ")
    top = {"12 bits": 4095, "255": 255}.get(more, np.iinfo(dtype).max if dtype.startswith("u") else 1)
    colours = np.random.default_rng(0).uniform(0.1, 0.9, (HIGH, WIDE, 3)) * top
    given = np.dstack([colours, fourth(kind, top)]).astype(dtype)
    about: dict[str, Any] = {"photometric": "rgb", "extrasamples": [0], "metadata": None}
    about |= {"planarconfig": "separate"} if more == "planes" else {"tile": (16, 16)} if more == "tiles" else {}
    about |= {"extratags": [(281, "H", 4, (4095,) * 4, False)]} if more == "12 bits" else {}
    tifffile.imwrite(tmp_path / "a.tif", given.transpose(2, 0, 1) if more == "planes" else given, **about)
    if banded:
        monkeypatch.setattr(base, "BANDED", 1)
    with files.open_pages(tmp_path / "a.tif", sparing=banded) as document:
        page = next(iter(document.pages))
        assert len(page.pictures) == (1 if is_alpha else 2)
        assert (page.pictures[0].alpha is not None) == is_alpha
        files.write_pages(tmp_path / "b.tif", [page], document)
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages.first.extrasamples == ((2,) if is_alpha else (0,))
        got = file.pages.first.asarray()
    got = got.transpose(1, 2, 0) if more == "planes" else got
    np.testing.assert_allclose(got, given, rtol=0 if dtype.startswith("u") else 1e-6)
    if is_alpha:
        np.testing.assert_array_equal(files.read(tmp_path / "a.tif").alpha, given[..., 3])
    else:
        with pytest.raises(FileError, match=r"4 channels.* name the axes"):
            files.read(tmp_path / "a.tif")
        axes = "SYX" if more == "planes" else "YXS"
        np.testing.assert_array_equal(files.read(tmp_path / "a.tif", axes=axes).alpha, given[..., 3])


@pytest.mark.parametrize("tag", [(33550, "d", 3, (1.0, 1.0, 0.0), True), (42112, "s", 0, "<GDALMetadata/>", True)])
def test_a_fourth_sample_of_a_map_is_a_band(tmp_path: Path, tag: tuple[Any, ...]) -> None:
    given = np.dstack([values("uint8", 3), np.full((HIGH, WIDE), 255, np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="rgb", extrasamples=[0], metadata=None, extratags=[tag])
    with files.open_pages(tmp_path / "a.tif") as document:
        assert next(iter(document.pages)).kind == "channels"


def test_a_few_rows_of_a_large_page_show_what_its_fourth_sample_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "BANDED", 1)
    given = np.dstack([values("uint8", 3), fourth("opaque", 255).astype(np.uint8)])
    for height in (1, 7, 8, 9, HIGH):
        taken: list[tuple[int, int]] = []

        def take(top: int, bottom: int, taken: list[tuple[int, int]] = taken) -> NDArray[Any]:
            taken.append((top, bottom))
            return given[top:bottom]

        assert tiff._is_alpha(images.Rows((height, WIDE, 4), given.dtype, take), None)
        assert len(taken) <= tiff.LOOKS
        assert all(top >= 0 and bottom == top + 1 <= height for top, bottom in taken)


def test_channels_are_counted_in_messages(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values("uint8", 5), photometric="rgb", extrasamples=[0, 2], metadata=None)
    with pytest.raises(FileError, match="5 channels"):
        files.read(tmp_path / "a.tif")


# -- the key of a PNG -------------------------------------------------------------------------------------------------


def png(raw: NDArray[Any], depth: int, key: tuple[int, ...]) -> bytes:
    """A PNG of raw samples (h, w, 1 or 3), and what is transparent in it."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    bits = (raw.reshape(len(raw), -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
    rows = np.packbits(bits.reshape(len(raw), -1).astype(bool), axis=1)
    header = struct.pack(">IIBBBBB", raw.shape[1], len(raw), depth, 0 if raw.shape[2] == 1 else 2, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", header), (b"tRNS", struct.pack(f">{len(key)}H", *key)), (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.mark.parametrize(("depth", "channels"), [(1, 1), (2, 1), (4, 1), (8, 1), (16, 1), (8, 3), (16, 3)])
def test_what_is_transparent_by_its_value_is_transparent(tmp_path: Path, depth: int, channels: int) -> None:
    # Some that share a byte with the key, or a channel, are none.
    key = (0x0103, 0x0203, 0x0303)[:channels] if depth == 16 else (3, 7, 11)[:channels]
    raw = np.random.default_rng(0).integers(0, 2**depth, (HIGH, WIDE, channels))
    raw[LEFT] = np.array(key) % 2**depth
    raw[:4, 8:, 0] ^= 1
    raw[4:8, 8:, 0] = key[0] % 2**depth ^ (1 << (depth - 1))
    (tmp_path / "a.png").write_bytes(png(raw, depth, key))
    shown = (raw != np.array(key) % 2**depth).any(axis=2)
    read = files.read(tmp_path / "a.png", value_range="dtype")
    top = 65535 if depth == 16 else 255
    np.testing.assert_array_equal(read.alpha, np.where(shown, top, 0))
    np.testing.assert_array_equal(np.rint(read.pixels[shown] * top), raw[shown] * (top // (2**depth - 1)))
    files.write(tmp_path / "b.png", read)
    again = files.read(tmp_path / "b.png", value_range="dtype")
    np.testing.assert_array_equal(images.to_array(again), images.to_array(read))


# -- nodata -----------------------------------------------------------------------------------------------------------


def nodata(value: float) -> dict[str, Any]:
    return {"metadata": None, "extratags": [(42113, "s", 0, f"{value:g}", True)]}


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("banded", [False, True], ids=["whole", "banded"])
@pytest.mark.parametrize("stated", ["least", "largest"])
def test_nodata_is_that_of_the_stored_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, alpha: bool, banded: bool, stated: str
) -> None:
    """Where 0 is white."""
    top = np.iinfo(dtype).max
    value, other = (0, top) if stated == "least" else (top, 0)
    given = values(dtype)
    given[LEFT], given[:, 8:12] = value, other
    stored = np.dstack([given, np.full_like(given, top)]) if alpha else given
    if alpha:
        stored[:6, :, 1] = 0
    extras = {"extrasamples": [2]} if alpha else {}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite", **extras, **nodata(value))
    if banded:
        monkeypatch.setattr(base, "BANDED", 1)
    out = changed(tmp_path / "a.tif", tmp_path / "b.tif", value_range="dtype", sparing=banded)
    with tifffile.TiffFile(out) as file:
        after = file.pages.first
        got = after.asarray() if after.photometric.name == "MINISWHITE" or alpha else None
        assert got is not None
        marked = float(after.tags[42113].value)
        gray = got[..., 0] if alpha else got
        shown = top - gray if after.photometric.name == "MINISBLACK" else gray
    assert (gray[LEFT] == marked).all()
    hidden = np.zeros((HIGH, WIDE), bool)
    hidden[LEFT] = True
    if alpha:
        np.testing.assert_array_equal(got[..., 1], stored[..., 1])
        hidden |= stored[..., 1] == 0
    np.testing.assert_array_equal(shown[hidden], given[hidden])
    assert len(np.unique(shown[~hidden])) == 1


def test_nodata_of_a_picture_that_gets_colours_is_another_value(tmp_path: Path) -> None:
    given = values("uint8")
    given[LEFT] = 0
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="miniswhite", **nodata(0))
    with tifffile.TiffFile(changed(tmp_path / "a.tif", tmp_path / "b.tif", coloured)) as file:
        after = file.pages.first
        assert after.photometric.name == "RGB"
        assert (after.asarray()[LEFT] == int(after.tags[42113].value)).all()


def test_nodata_of_a_palette_is_an_entry_of_it(tmp_path: Path) -> None:
    given = values("uint8") % 5 + 5
    given[LEFT] = 0
    palette = np.zeros((3, 256), np.uint16)
    palette[:, 0], palette[:, 6:] = 65535, 20046
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="palette", colormap=palette, **nodata(0))
    with files.open_pages(tmp_path / "a.tif") as document:
        picture = next(iter(document.pages)).pictures[0]
    assert any("nodata 0" in remark for remark in picture.remarks)
    with tifffile.TiffFile(changed(tmp_path / "a.tif", tmp_path / "b.tif")) as file:
        after = file.pages.first
        assert 42113 not in after.tags
        assert (after.asarray()[LEFT] == 255).all()
        # Black is no nodata: the palette's entry 5 has it.
        assert (after.asarray()[:, 8:] == 64).all()


def test_a_palette_may_have_one_bit(tmp_path: Path) -> None:
    given = values("uint8") > 100
    given[LEFT] = True
    tags = [(319, "H", 6, (0, 65535, 0, 257, 0, 25700), True), (42113, "s", 0, "1", True)]
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="minisblack", metadata=None, extratags=tags)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for place, value in ((file.pages.first.tags[262].valueoffset, 3), (file.pages.first.tags[319].offset, 320)):
            file.filehandle.seek(place)
            file.filehandle.write(value.to_bytes(2, "little"))
    with tifffile.TiffFile(changed(tmp_path / "a.tif", tmp_path / "b.tif")) as file:
        after = file.pages.first.asarray()
    assert (after[given] == [255, 1, 100]).all()
    assert (after[~given] == 64).all()


@pytest.mark.parametrize(("bits", "value"), [(1, 1), (4, 15), (4, 3)])
def test_nodata_of_few_bits_is_as_wide_as_they_become(tmp_path: Path, bits: int, value: int) -> None:
    pytest.importorskip("imagecodecs")
    given = np.zeros((HIGH, WIDE), bool if bits == 1 else np.uint8)
    given[LEFT] = value
    if bits == 1:
        tifffile.imwrite(tmp_path / "a.tif", given, photometric="minisblack", **nodata(value))
    else:
        packed = given[:, ::2] << 4 | given[:, 1::2]
        tags = [(42113, "s", 0, f"{value}", True)]
        tifffile.imwrite(tmp_path / "a.tif", given, photometric="minisblack", metadata=None, extratags=tags)
        as_nibbles(tmp_path / "a.tif", packed)
    wide = value * (255 // (2**bits - 1))
    with tifffile.TiffFile(changed(tmp_path / "a.tif", tmp_path / "b.tif", value_range="dtype")) as file:
        assert file.pages.first.tags[42113].value == str(wide)
        assert (file.pages.first.asarray()[LEFT] == wide).all()
        assert (file.pages.first.asarray()[:, 8:] == 64).all()


def as_nibbles(path: Path, packed: NDArray[np.uint8]) -> None:
    """Makes a TIFF of 8 bits one of 4."""
    with tifffile.TiffFile(path, mode="r+") as file:
        page = file.pages.first
        file.filehandle.seek(page.tags[258].valueoffset)
        file.filehandle.write((4).to_bytes(2, "little"))
        file.filehandle.seek(page.tags[279].valueoffset)
        file.filehandle.write(packed.nbytes.to_bytes(4, "little"))
        file.filehandle.seek(page.dataoffsets[0])
        file.filehandle.write(packed.tobytes())


# -- pixels that Pillow reads -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["LAB", "YCbCr", "JPEG", "gray JPEG"])
def test_a_tiff_is_turned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turn: int, kind: str) -> None:
    rows, columns = np.mgrid[:HIGH, :WIDE]
    smooth = np.stack([4 * rows + columns, 255 - 5 * columns, 3 * rows + 2 * columns], axis=2).astype(np.uint8)
    settings: dict[str, Any] = {"tiffinfo": {274: turn}}
    if kind == "LAB":
        PillowImage.frombytes("LAB", (WIDE, HIGH), smooth.tobytes()).save(tmp_path / "a.tif", **settings)
    elif kind == "YCbCr":
        PillowImage.fromarray(smooth).convert("YCbCr").save(tmp_path / "a.tif", **settings)
    else:
        # As where imagecodecs is not installed.
        monkeypatch.setattr(codecs, "is_whole", lambda: False)
        given = PillowImage.fromarray(smooth).convert("L" if kind.startswith("gray") else "RGB")
        given.save(tmp_path / "a.tif", compression="jpeg", **settings)
    with PillowImage.open(tmp_path / "a.tif") as shown:
        due = np.asarray(shown.convert("L" if kind.startswith("gray") else "RGB"))
    assert due.shape[:2] == ((HIGH, WIDE) if turn < 5 else (WIDE, HIGH))
    read = files.read(tmp_path / "a.tif", value_range="dtype")
    np.testing.assert_array_equal(np.squeeze(images.to_array(read)), due)


def test_gray_whose_white_is_zero_is_turned_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imagecodecs")
    rows, columns = np.mgrid[:HIGH, :WIDE]
    given = (4 * rows + columns).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", given, photometric="miniswhite", compression="jpeg", compressionargs={"level": 98})
    for whole in (True, False):
        monkeypatch.setattr(codecs, "is_whole", lambda whole=whole: whole)
        read = files.read(tmp_path / "a.tif", value_range="dtype")
        assert np.abs(np.squeeze(images.to_array(read)).astype(int) - (255 - given.astype(int))).max() < 8


def test_samples_of_a_jpeg_are_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imagecodecs")
    settings: dict[str, Any] = {"photometric": "separated", "compression": "jpeg", "compressionargs": {"level": 98}}
    given = np.stack(np.mgrid[:HIGH, :WIDE], axis=2).astype(np.uint8).repeat(2, axis=2) * 5
    tifffile.imwrite(tmp_path / "a.tif", given, metadata=None, extratags=[(337, "H", 1, 0, True)], **settings)
    monkeypatch.setattr(codecs, "is_whole", lambda: False)
    with files.open_pages(tmp_path / "a.tif") as document:
        page = next(iter(document.pages))
    assert page.kind == "inks"
    assert np.abs(base.joined(page).astype(int) - given).max() < 8
    # The same as colours and a band, which libtiff leaves out.
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as file:
        for place, value in ((file.pages.first.tags[262].valueoffset, 2), (file.pages.first.tags[337].offset, 338)):
            file.filehandle.seek(place)
            file.filehandle.write(value.to_bytes(2, "little"))
    with pytest.raises(MissingExtra, match="codecs"), files.open_pages(tmp_path / "a.tif") as document:
        next(iter(document.pages))


# -- descriptions -----------------------------------------------------------------------------------------------------

SET = (
    '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}"><Image ID="Image:0">'
    '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="32" SizeY="24" SizeZ="1" SizeC="2" SizeT="1">'
    '<Channel ID="Channel:0:0"/>'
    '<Channel ID="Channel:0:1"/><TiffData FirstC="0" IFD="0" PlaneCount="1"><UUID FileName="{first}">urn:uuid:a</UUID></TiffData>'
    '<TiffData FirstC="1" IFD="0" PlaneCount="1"><UUID FileName="{second}">urn:uuid:b</UUID></TiffData></Pixels></Image></OME>'
)


def test_files_of_an_ome_set_name_each_other(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for own, name in (("a", "a.ome.tif"), ("b", "b.ome.tif")):
        xml = SET.format(own=own, first="a.ome.tif", second="b.ome.tif")
        given = np.full((HIGH, WIDE), ord(own), np.uint8)
        tifffile.imwrite(tmp_path / name, given, description=xml.encode(), metadata=None)
        with files.open_pages(tmp_path / name) as document:
            files.write_pages(tmp_path / "out" / name, document.pages, document)
    for name in ("a.ome.tif", "b.ome.tif"):
        both = tifffile.imread(tmp_path / "out" / name)
        assert [int(plane[0, 0]) for plane in both] == [ord("a"), ord("b")]


@pytest.mark.parametrize(
    ("own", "before", "due"),
    [
        # By its UUID, whatever it was called since.
        ("b", "renamed.ome.tif", ("x.ome.tif", "new &amp; fine.ome.tif")),
        # By its name, where no UUID is its own.
        ("c", "x.ome.tif", ("new &amp; fine.ome.tif", "y.ome.tif")),
        ("c", "another.ome.tif", ("x.ome.tif", "y.ome.tif")),
    ],
)
def test_only_a_files_own_name_changes_in_ome(own: str, before: str, due: tuple[str, str]) -> None:
    xml = SET.format(own=own, first="x.ome.tif", second="y.ome.tif")
    assert geometry.ome_renamed(xml, before, "new & fine.ome.tif") == SET.format(own=own, first=due[0], second=due[1])


def coloured(picture: Image) -> Image:
    mask = picture.mask and images.masks.in_channels(picture.mask, 3)
    return replace(picture, pixels=np.repeat(picture.pixels[..., :1], 3, axis=2), mask=mask)


def with_alpha(picture: Image) -> Image:
    return replace(picture, alpha=np.full(picture.pixels.shape[:2], 255, picture.dtype))


@pytest.mark.parametrize(
    ("axes", "change", "samples"),
    [("ZYX", coloured, 3), ("CYX", coloured, 3), ("ZYX", with_alpha, 2), ("ZYXS", with_alpha, 4)],
)
@pytest.mark.parametrize("ome", [True, False], ids=["OME", "tifffile's"])
def test_descriptions_speak_of_the_samples_that_there_are(
    tmp_path: Path, axes: str, change: Callable[[Image], Image], samples: int, ome: bool
) -> None:
    stack = np.stack([values("uint8", 3) if axes.endswith("S") else values("uint8")] * 2)
    name = "a.ome.tif" if ome else "a.tif"
    photometric = "rgb" if axes.endswith("S") else "minisblack"
    tifffile.imwrite(tmp_path / name, stack, photometric=photometric, ome=ome, metadata={"axes": axes})
    out = changed(tmp_path / name, tmp_path / f"out-{name}", change)
    with tifffile.TiffFile(out) as file:
        assert file.is_ome == ome
        assert file.is_shaped == (not ome)
        assert file.series[0].shape == (2, HIGH, WIDE, samples)
        assert file.series[0].axes == axes.removesuffix("S") + "S"
        whole = file.asarray()
        xml = file.ome_metadata or ""
    np.testing.assert_array_equal(whole[..., 0], stack[..., 0] if axes.endswith("S") else stack)
    if ome:
        assert re.findall(r'SizeC="(\d+)"', xml) == [str(samples * (2 if "C" in axes else 1))]


def test_the_planes_of_a_description_stay_where_nothing_changes() -> None:
    before = b'{"shape": [3, 24, 32], "axes": "SYX"}'
    assert geometry.shaped_fitted(before, (24, 32, 3), (24, 32, 4)) is None
    assert geometry.shaped_fitted(before, (24, 32, 3), (48, 64, 3)) == b'{"shape": [3, 48, 64], "axes": "SYX"}'
    assert geometry.shaped_fitted(b'{"shape": [24, 32, 1]}', (24, 32, 1), (24, 32, 3)) == b'{"shape": [24, 32, 3]}'
