"""From one format into another: what the output must say otherwise than its source did, and what it cannot hold."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms

from pellucid import alphas, batch, depths, files, images, plan, restorer
from pellucid.errors import FileError
from pellucid.files import base, png, profiles

RAMP = np.arange(48, dtype=np.uint16).reshape(6, 8)
"""Shares of 47: a picture from black to white."""


def through(source: Path, target: Path, *, overwrite: bool = False, **how: Any) -> None:
    """Writes what `files` reads."""
    with files.open_pages(source, **how) as document:
        files.write_pages(target, document.pages, document, overwrite=overwrite)


def pgm(path: Path, values: NDArray[Any], white: int) -> None:
    content = values.astype(np.uint8 if white < 256 else ">u2").tobytes()
    path.write_bytes(b"P5\n%d %d\n%d\n" % (values.shape[1], values.shape[0], white) + content)


# -- white ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparing", [False, True], ids=["floats", "in bands"])
@pytest.mark.parametrize(("white", "largest"), [(100, 255), (47, 255), (255, 255), (300, 65535), (1023, 65535), (65535, 65535)])
def test_a_white_that_a_format_cannot_state_becomes_its_largest_value(
    tmp_path: Path, white: int, largest: int, sparing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BANDED", 1)
    values = np.rint(RAMP / 47 * white)
    pgm(tmp_path / "a.pgm", values, white)
    through(tmp_path / "a.pgm", tmp_path / "a.png", sparing=sparing)
    with PillowImage.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.rint(values / white * largest))
    through(tmp_path / "a.pgm", tmp_path / "a.jpg", sparing=sparing)
    with PillowImage.open(tmp_path / "a.jpg") as picture:
        np.testing.assert_allclose(np.asarray(picture), values / white * 255, atol=4)
    # A header, a tag of 16 bits and arrays keep the numbers; a TIFF of 8 bits has nothing that others believe.
    through(tmp_path / "a.pgm", tmp_path / "b.pgm", sparing=sparing)
    assert (tmp_path / "b.pgm").read_bytes() == (tmp_path / "a.pgm").read_bytes()
    through(tmp_path / "a.pgm", tmp_path / "a.npy", sparing=sparing)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy").reshape(6, 8), values)
    through(tmp_path / "a.pgm", tmp_path / "a.tif", sparing=sparing)
    kept = white > 255
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), values if kept else np.rint(values / white * 255))
    np.testing.assert_allclose(images.floating(files.read(tmp_path / "a.tif")).pixels[..., 0], values / white, atol=0.002)


def test_twelve_bits_go_into_a_png_over_its_whole_range_where_the_file_states_them(tmp_path: Path) -> None:
    counts = np.rint(RAMP / 47 * 4000).astype(np.uint16)
    stated = {"extratags": [(281, 3, 1, 4095, True)]}
    for name, tags, white in (("stated", stated, 4095), ("guessed", {}, 65535)):
        tifffile.imwrite(tmp_path / f"{name}.tif", counts, metadata=None, **tags)
        through(tmp_path / f"{name}.tif", tmp_path / f"{name}.png")
        # A guess changes no number: the picture may be a dark one of 16 bits.
        with PillowImage.open(tmp_path / f"{name}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), np.rint(counts * (65535 / white)))
    pgm(tmp_path / "a.pgm", counts, 4095)
    through(tmp_path / "stated.tif", tmp_path / "b.pgm")
    assert (tmp_path / "b.pgm").read_bytes() == (tmp_path / "a.pgm").read_bytes()
    # The user's white is the unit of the noise; the values stay the file's.
    through(tmp_path / "guessed.tif", tmp_path / "c.png", value_range=(0, 4095))
    assert (tmp_path / "c.png").read_bytes() == (tmp_path / "guessed.png").read_bytes()


def test_twelve_bits_of_dicom_go_into_a_png_over_its_whole_range(tmp_path: Path) -> None:
    pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    import test_formats

    counts = np.rint(RAMP / 47 * 4000).astype(np.uint16)
    test_formats.dicom(tmp_path / "a.dcm", counts, stored=12)
    through(tmp_path / "a.dcm", tmp_path / "a.png")
    with PillowImage.open(tmp_path / "a.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.rint(counts * (65535 / 4095)))
    through(tmp_path / "a.dcm", tmp_path / "a.tif")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), counts)
    assert files.read(tmp_path / "a.tif").white == 4095


@pytest.mark.parametrize("depth", ["auto", "8", "16"])
@pytest.mark.parametrize(("unit", "dtype"), [(255, "float32"), (1, "float32"), (4095, "uint16")])
def test_alpha_has_the_unit_of_its_colours(tmp_path: Path, unit: float, dtype: str, depth: str) -> None:
    share = RAMP[..., None] / np.float64(47)
    values = np.concatenate([share] * 3 + [np.full_like(share, 0.5)], axis=2) * unit
    values = (np.rint(values) if dtype == "uint16" else values).astype(dtype)
    tags = [(281, 3, 1, unit, True)] if dtype == "uint16" else []
    how: dict[str, Any] = {"photometric": "rgb", "extrasamples": ["unassalpha"], "metadata": None, "extratags": tags}
    tifffile.imwrite(tmp_path / "a.tif", values, **how)
    with files.open_pages(tmp_path / "a.tif") as document:
        pages = [files.at_depth(page, depth) for page in document.pages]
        files.write_pages(tmp_path / "a.png", pages, document)
    after = images.to_array(files.read(tmp_path / "a.png"))
    np.testing.assert_allclose(after / np.iinfo(after.dtype).max, values / unit, atol=0.003)


# -- axes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 8, 2), (3, 6, 8, 2)])
def test_an_array_of_gray_with_alpha_is_named_not_guessed(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(1, 256, shape).astype(np.uint8)
    np.save(tmp_path / "a.npy", values)
    stack = "Q" * (len(shape) - 3)
    with pytest.raises(FileError, match=rf"--axes {stack}YXS.*--axes {stack}YXC"):
        through(tmp_path / "a.npy", tmp_path / "b.npy")
    with files.open_pages(tmp_path / "a.npy", axes=f"{stack}YXS") as document:
        np.testing.assert_array_equal(next(iter(document.pages)).pictures[0].alpha, values.reshape(-1, 6, 8, 2)[0, ..., 1])
    for axes in ("YXS", "YXC"):
        through(tmp_path / "a.npy", tmp_path / f"{axes}.npy", axes=f"{stack}{axes}")
        np.testing.assert_array_equal(np.load(tmp_path / f"{axes}.npy"), values)


# -- outputs that a format cannot hold ----------------------------------------------------------------------------------------


def animated(path: Path, **settings: Any) -> None:
    frames = [PillowImage.fromarray(np.full((6, 8, 3), level, np.uint8)) for level in (40, 90, 140)]
    frames[0].save(path, save_all=True, append_images=frames[1:], **settings)


def transparent_bmp(path: Path) -> None:
    """A BMP of 32 bits whose header (BITMAPV4HEADER) has a mask for alpha."""
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 8, 6, 1, 32, 3, 192, 2835, 2835, 0, 0) + masks + b"BGRs" + bytes(48)
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + 108 + 192, 0, 0, 14 + 108) + header + bytes(range(192)))


def five_channels(path: Path) -> None:
    tifffile.imwrite(path, np.zeros((6, 8, 5), np.uint8), photometric="minisblack", planarconfig="contig", metadata=None)


HELD: dict[str, tuple[str, str, Any, str]] = {
    "an animation under its own name": ("a.webp", "b.webp", lambda path: animated(path), "3 pages"),
    "alpha under its own name": ("a.bmp", "b.bmp", transparent_bmp, "no transparency"),
    "alpha": ("a.png", "b.ppm", lambda path: PillowImage.new("LA", (8, 6)).save(path), "no transparency"),
    "whole numbers": ("a.png", "b.exr", lambda path: PillowImage.new("L", (8, 6)).save(path), "OpenEXR"),
    "another kind": ("a.png", "b.dcm", lambda path: PillowImage.new("L", (8, 6)).save(path), "own kind"),
    "a long side": ("a.png", "b.webp", lambda path: PillowImage.new("L", (16384, 2)).save(path), "longer than 16383"),
    "five channels": ("a.tif", "b.npy", five_channels, "5 channels"),
}


@pytest.mark.parametrize("name", HELD)
def test_what_the_output_cannot_hold_is_refused_before_the_work(tmp_path: Path, gray_model: Path, name: str) -> None:
    source, target, make, reason = HELD[name]
    make(tmp_path / source)

    def restore(*_: Any, **__: Any) -> Any:
        raise AssertionError("restored before it was refused")

    model = restorer.load(gray_model)
    planned = plan.plan([tmp_path / source], tmp_path / target)
    (outcome,) = batch.restore_files(planned, model, model.settings(sigma=20), restore=restore)
    assert outcome.error is not None
    assert reason in outcome.error
    assert [path.name for path in tmp_path.iterdir()] == [source]


def test_a_package_that_writes_a_format_is_missed_before_the_work(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    PillowImage.new("L", (8, 6)).save(tmp_path / "a.png")
    model = restorer.load(gray_model)

    def restore(*_: Any, **__: Any) -> Any:
        raise AssertionError("restored before it was refused")

    planned = plan.plan([tmp_path / "a.png"], tmp_path / "b.heic")
    (outcome,) = batch.restore_files(planned, model, model.settings(sigma=20), restore=restore)
    assert outcome.error is not None
    assert "pellucid[heif]" in outcome.error


# -- profiles ---------------------------------------------------------------------------------------------------------


def as_srgb(path: Path) -> NDArray[np.uint8]:
    """The pixels (h, w, 3) of a file as a viewer that goes by its profile shows them."""
    with PillowImage.open(path) as picture:
        icc = picture.info.get("icc_profile")
        if icc is None:
            return np.asarray(picture.convert("RGB"))
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        space = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}[profile.profile.xcolor_space.strip()]
        # A profile for other pixels than these is a fault.
        assert space == {"LA": "L", "RGBA": "RGB"}.get(picture.mode, picture.mode)
        shown = ImageCms.profileToProfile(picture.convert(space), profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert shown is not None
        return np.asarray(shown)


LINEAR_GRAY = profiles.of_gamma(1.0, None, 1)

DISPLAY_P3 = profiles.of_code(12, 13)


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("target", ["b.webp", "b.avif", "b.png", "b.tif", "b.jpg", "b.heic"])
def test_a_gray_profile_goes_where_gray_goes(tmp_path: Path, target: str, alpha: bool) -> None:
    if target == "b.heic":
        pytest.importorskip("pillow_heif", reason="the extra heif is not installed").register_heif_opener()
    if target == "b.jpg" and alpha:
        pytest.skip("JPEG has no alpha")
    gray = (RAMP * 5 + 10).astype(np.uint8)
    picture = PillowImage.fromarray(gray)
    if alpha:
        picture.putalpha(255)
    picture.save(tmp_path / "a.png", icc_profile=LINEAR_GRAY)
    through(tmp_path / "a.png", tmp_path / target)
    linear = gray / 255.0
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    np.testing.assert_allclose(as_srgb(tmp_path / target)[..., 0], curved, atol=5)


def test_gray_with_a_transparent_value_stays_gray_with_its_profile(tmp_path: Path) -> None:
    values = (RAMP * 5 + 10).astype(np.uint8)
    PillowImage.fromarray(values).save(tmp_path / "a.png", icc_profile=LINEAR_GRAY, transparency=15)
    through(tmp_path / "a.png", tmp_path / "b.png")
    with PillowImage.open(tmp_path / "b.png") as after:
        assert (after.mode, after.info["icc_profile"]) == ("LA", LINEAR_GRAY)
        np.testing.assert_array_equal(np.asarray(after), np.dstack([values, np.where(values == 15, 0, 255)]))


@pytest.mark.parametrize("target", ["b.tif", "b.png", "b.jpg", "b.webp"])
def test_a_profile_of_other_pixels_is_left_out(tmp_path: Path, target: str) -> None:
    colours = PillowImage.fromarray(np.random.default_rng(0).integers(80, 160, (16, 24, 3)).astype(np.uint8))
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(colours, srgb, lab, outputMode="LAB")
    assert converted is not None
    converted.save(tmp_path / "lab.tif", icc_profile=ImageCms.ImageCmsProfile(lab).tobytes())
    through(tmp_path / "lab.tif", tmp_path / target)
    with PillowImage.open(tmp_path / target) as after:
        assert (after.mode, after.info.get("icc_profile")) == ("RGB", None)
    for icc in (LINEAR_GRAY, b"icc " * 4 + b"CMYK" + bytes(108)):
        image = replace(images.from_array(np.asarray(colours)), icc=icc)
        files.write(tmp_path / target, image, overwrite=True)
        with PillowImage.open(tmp_path / target) as after:
            assert after.info.get("icc_profile") is None
        image = replace(image, icc=DISPLAY_P3)
        files.write(tmp_path / target, image, overwrite=True)
        with PillowImage.open(tmp_path / target) as after:
            assert after.info.get("icc_profile") == DISPLAY_P3


def p3(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light (h, w, 3) in sRGB's primaries in those of Display P3 (the matrix of CSS Color 4)."""
    matrix = [[0.8224619687, 0.1775380313, 0], [0.0331941989, 0.9668058011, 0], [0.0170826307, 0.0723974407, 0.9105199286]]
    return linear @ np.array(matrix).T


def test_colours_that_a_file_states_by_number_come_as_a_profile(tmp_path: Path) -> None:
    """A picture in Display P3 by a number alone looks the same in every format."""
    share = np.random.default_rng(0).random((4, 4, 3)).repeat(8, axis=0).repeat(8, axis=1) * 0.3 + 0.4
    want = np.rint(share * 255).astype(np.uint8)
    linear = p3(np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4))
    stored = np.rint((1.055 * linear ** (1 / 2.4) - 0.055) * 255).astype(np.uint8)
    chunk = png._chunk(b"cICP", bytes([12, 13, 0, 1]))
    files.write(tmp_path / "a.png", replace(images.from_array(stored), notes=png.PngNotes(chunk)))
    assert np.abs(stored.astype(int) - want).max() > 8
    for target in ("b.jpg", "b.webp", "b.tif", "b.avif"):
        through(tmp_path / "a.png", tmp_path / target)
        np.testing.assert_allclose(as_srgb(tmp_path / target).astype(int), want, atol=1 if target in ("b.webp", "b.tif") else 5)
    # In its own format the statement stays, without a profile.
    through(tmp_path / "a.png", tmp_path / "b.png")
    assert chunk in (tmp_path / "b.png").read_bytes()
    assert b"iCCP" not in (tmp_path / "b.png").read_bytes()
    imagecodecs = pytest.importorskip("imagecodecs", reason="the extra codecs is not installed")
    for name, options in (("8", {}), ("10", {"bitspersample": 10})):
        values = stored if name == "8" else (stored.astype(np.uint16) << 2) | (stored >> 6)
        coded = imagecodecs.avif_encode(values, level=98, primaries=12, transfer=13, pixelformat="444", **options)
        (tmp_path / f"{name}.avif").write_bytes(coded)
        through(tmp_path / f"{name}.avif", tmp_path / "c.tif", overwrite=True)
        read = files.read(tmp_path / f"{name}.avif")
        assert read.icc == DISPLAY_P3
    through(tmp_path / "8.avif", tmp_path / "c.avif")
    np.testing.assert_allclose(as_srgb(tmp_path / "c.avif").astype(int), want, atol=5)


def test_the_gamma_of_a_png_goes_along(tmp_path: Path) -> None:
    values = (RAMP * 5 + 10).astype(np.uint8)
    chunk = png._chunk(b"gAMA", struct.pack(">I", 100_000))
    colours = np.dstack([values] * 3)
    linear = values / 255.0
    want = (1.055 * linear ** (1 / 2.4) - 0.055) * 255
    for pixels in (values, colours):
        files.write(tmp_path / "a.png", replace(images.from_array(pixels), notes=png.PngNotes(chunk)), overwrite=True)
        for target in ("b.jpg", "b.webp", "b.tif"):
            through(tmp_path / "a.png", tmp_path / target, overwrite=True)
            np.testing.assert_allclose(as_srgb(tmp_path / target)[..., 0], want, atol=5)
    usual = png._chunk(b"gAMA", struct.pack(">I", 45455))
    files.write(tmp_path / "a.png", replace(images.from_array(colours), notes=png.PngNotes(usual)), overwrite=True)
    through(tmp_path / "a.png", tmp_path / "b.jpg", overwrite=True)
    with PillowImage.open(tmp_path / "b.jpg") as after:
        assert "icc_profile" not in after.info


@pytest.mark.parametrize("primaries", [(0, 0) * 3, (0.3, 0.3) * 3, (0.1, 0.1, 0.2, 0.2, 0.3, 0.30001)])
def test_primaries_of_a_png_that_make_no_colours_are_left_out(tmp_path: Path, primaries: tuple[float, ...]) -> None:
    values = (RAMP * 5 + 10).astype(np.uint8)
    steps = [round(place * 100_000) for place in (0.3127, 0.329, *primaries)]
    chunks = png._chunk(b"gAMA", struct.pack(">I", 55556)) + png._chunk(b"cHRM", struct.pack(">8I", *steps))
    for pixels in (values, np.dstack([values] * 3)):
        files.write(tmp_path / "a.png", replace(images.from_array(pixels), notes=png.PngNotes(chunks)), overwrite=True)
        through(tmp_path / "a.png", tmp_path / "b.jpg", overwrite=True)
        with PillowImage.open(tmp_path / "b.jpg") as after:
            # Gray has no primaries: its gamma counts.
            assert (after.info.get("icc_profile") is None) == (pixels.ndim == 3)
    # White without light, and one that the first of the eye's three answers does not see.
    for white in ((0.3127, 0), ((0.1614 - 0.4278 * 0.3) / 1.0565, 0.3)):
        assert profiles.of_gamma(1.8, (*profiles.PRIMARIES[1][:6], *white), 1) is None
        assert profiles.of_gamma(1.8, (*profiles.PRIMARIES[1][:6], *white)) is None


# -- alpha ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("white", [1.0, 37.5, 255.0])
@pytest.mark.parametrize("most", [1.0, 1.0001, 1.9])
@pytest.mark.parametrize("target", ["b.png", "b.webp", "b.tif"])
def test_alpha_a_little_above_1_is_opaque(tmp_path: Path, target: str, most: float, white: float) -> None:
    values = np.random.default_rng(0).random((24, 32, 4)).astype(np.float32)
    values[..., :3] *= white
    values[..., 3] = 1
    values[:6, :, 3], values[10, 10, 3], values[12, 12, :3] = 0, most, white
    image = replace(images.from_array(values[..., :3] / np.float32(white)), white=white, alpha=values[..., 3])
    files.write(tmp_path / target, depths.at_depth(image, "8"))
    want = np.full((24, 32), 255)
    want[:6] = 0
    with PillowImage.open(tmp_path / target) as after:
        np.testing.assert_array_equal(np.asarray(after)[..., 3], want)
    np.testing.assert_array_equal(base.levels(image, "uint8")[..., 3], want)


@pytest.mark.parametrize("target", ["b.png", "b.webp", "b.avif", "b.heic", "b.tif", "b.npy"])
def test_alpha_of_half_floats_goes_into_every_format(tmp_path: Path, target: str) -> None:
    exr = pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
    if target == "b.heic":
        pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    shares = np.ones((24, 32), np.float16)
    shares[:6], shares[6:12] = 0, 0.5
    # Colours stay above black: no image is where alpha is 0.
    planes = {name: np.full((24, 32), 0.25, np.float16) * shares for name in "RGB"} | {"A": shares}
    exr.File({"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}, planes).write(str(tmp_path / "a.exr"))
    through(tmp_path / "a.exr", tmp_path / target)
    back = files.read(tmp_path / target)
    assert back.alpha is not None
    atol = 3 / 255 if target in ("b.avif", "b.heic") else 0.5 / 255
    np.testing.assert_allclose(back.alpha / alphas.opaque(back.alpha.dtype), shares.astype(np.float64), atol=atol)


def test_alpha_in_the_units_of_the_colours_stays_so_in_a_chain() -> None:
    shares = np.linspace(0, 1, 24 * 32).reshape(24, 32)
    for white, dtype in ((4095, np.uint16), (255, np.float32), (1, np.float32)):
        alpha = (shares * white).astype(dtype)
        image = replace(images.from_array(np.full((24, 32, 3), 100, dtype)), white=float(white), stated=True, alpha=alpha)
        passed = depths.between(image)
        np.testing.assert_allclose(passed.alpha, alpha / white, atol=1e-6)
        np.testing.assert_allclose(depths.as_source(passed, image).alpha, alpha, rtol=1e-6)
        opaque = replace(image, alpha=np.full_like(alpha, white))
        assert not alphas.is_transparent(depths.between(opaque))
        assert not alphas.is_transparent(depths.as_source(depths.between(opaque), opaque))


# -- animations -------------------------------------------------------------------------------------------------------


def orientation(turn: int) -> bytes:
    exif = PillowImage.Exif()
    exif[files.ORIENTATION] = turn
    return exif.tobytes()


@pytest.mark.parametrize("ending", [".webp", ".png", ".avif", ".gif"])
def test_each_frame_of_an_animation_is_turned_and_has_its_profile(tmp_path: Path, ending: str) -> None:
    how: dict[str, Any] = {} if ending == ".gif" else {"icc_profile": DISPLAY_P3}
    # Pillow's encoder of AVIF breaks down on frames with a turn.
    turned = ending in (".webp", ".png")
    if turned:
        how["exif"] = orientation(6)
    frames = [PillowImage.fromarray(np.full((6, 8, 3), level, np.uint8)) for level in (40, 90, 140)]
    frames[0].save(tmp_path / f"a{ending}", save_all=True, append_images=frames[1:], **how)
    through(tmp_path / f"a{ending}", tmp_path / "b.tif")
    shape = (8, 6, 3) if turned else (6, 8, 3)
    with tifffile.TiffFile(tmp_path / "b.tif") as after:
        assert [page.shape for page in after.pages] == [shape] * 3
        assert [page.tags.valueof(34675) for page in after.pages] == [None if ending == ".gif" else DISPLAY_P3] * 3
        levels = [float(page.asarray().mean()) for page in after.pages]
        np.testing.assert_allclose(levels, [40, 90, 140], atol=2)


@pytest.mark.parametrize("alpha", [False, True])
def test_frames_of_sixteen_bits_keep_them(tmp_path: Path, alpha: bool) -> None:
    """An animated PNG whose second frame lies over a part of the first, and is taken away before the third."""
    rng = np.random.default_rng(0)
    channels = 4 if alpha else 3
    whole, part, last = (rng.integers(1, 65536, (*size, channels)).astype(np.uint16) for size in ((6, 8), (3, 4), (2, 2)))

    def packed(values: NDArray[np.uint16]) -> bytes:
        return zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))

    def control(number: int, values: NDArray[np.uint16], left: int, top: int, gone: int, over: int) -> bytes:
        body = struct.pack(">IIIIIHHBB", number, values.shape[1], values.shape[0], left, top, 1, 10, gone, over)
        return png._chunk(b"fcTL", body)

    head = png._chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 16, 6 if alpha else 2, 0, 0, 0))
    content = control(0, whole, 0, 0, 0, 0) + png._chunk(b"IDAT", packed(whole))
    content += control(1, part, 2, 1, 2, 1) + png._chunk(b"fdAT", struct.pack(">I", 2) + packed(part))
    content += control(3, last, 5, 4, 0, 0) + png._chunk(b"fdAT", struct.pack(">I", 4) + packed(last))
    content += png._chunk(b"IEND", b"")

    def claiming(count: int) -> Path:
        path = tmp_path / f"{count}.png"
        path.write_bytes(png.SIGNATURE + head + png._chunk(b"acTL", struct.pack(">II", count, 0)) + content)
        return path

    through(claiming(3), tmp_path / "b.npy")
    after = np.load(tmp_path / "b.npy")
    want = np.stack([whole] * 3)
    over, under = part / 65535.0, whole[1:4, 2:6] / 65535.0
    if alpha:
        shown = over[..., 3:] + under[..., 3:] * (1 - over[..., 3:])
        mixed = (over[..., :3] * over[..., 3:] + under[..., :3] * under[..., 3:] * (1 - over[..., 3:])) / shown
        over = np.dstack([mixed, shown])
    want[1, 1:4, 2:6] = np.rint(over * 65535)
    want[2, 4:6, 5:7] = last
    assert after.dtype == np.uint16
    np.testing.assert_array_equal(after, want)
    through(claiming(2), tmp_path / "fewer.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "fewer.npy"), want[:2])
    with pytest.raises(FileError, match="3 of its 4 frames"):
        through(claiming(4), tmp_path / "more.npy")
    assert not (tmp_path / "more.npy").exists()


@pytest.mark.parametrize("depth", [8, 10])
def test_all_frames_of_an_avif_are_read(tmp_path: Path, depth: int) -> None:
    if depth == 8:
        animated(tmp_path / "a.avif")
    else:
        imagecodecs = pytest.importorskip("imagecodecs", reason="the extra codecs is not installed")
        values = np.stack([np.full((16, 24, 3), level, np.uint16) for level in (160, 360, 560)])
        (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(values, level=95, bitspersample=10))
    with files.open_pages(tmp_path / "a.avif") as document:
        assert document.count == 3
        shares = [images.floating(page.pictures[0]).pixels.mean() for page in document.pages]
    np.testing.assert_allclose(shares, [level / 255 if depth == 8 else level * 4 / 1023 for level in (40, 90, 140)], atol=0.01)
    with pytest.raises(FileError, match="3 pages"):
        through(tmp_path / "a.avif", tmp_path / "b.avif")
