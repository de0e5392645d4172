"""A file comes out as it went in: every format, depth, number of channels and kind of metadata, read by other programs.

Each file of the tables below is made by another writer (Pillow, tifffile, imagecodecs, ExifTool, or byte by byte), read and written
here without a change, and then compared with its source by `vips` (pixels), `exiftool` (metadata) and `tiffinfo` (structure).
"""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms, PngImagePlugin

import pellucid
from pellucid import batch, files, images, plan
from pellucid.errors import FileError, MissingExtra, OptionError, PellucidError
from pellucid.images import Image
from pellucid.tasks import DenoiseSettings

HEIGHT, WIDTH = 21, 34


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not on this machine")


def samples(dtype: str, channels: int = 1, *, low: float = 0, high: float | None = None, seed: int = 0) -> NDArray[Any]:
    """Random samples, (h, w) or (h, w, n)."""
    shape = (HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH)
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return (low + rng.random(shape) * ((1 if high is None else high) - low)).astype(dtype)
    return rng.integers(low, np.iinfo(dtype).max if high is None else high, shape, endpoint=True).astype(dtype)


def smooth() -> NDArray[np.uint8]:
    down, across = np.indices((HEIGHT, WIDTH))
    return np.stack([across * 7, down * 11, 255 - across * 3 - down * 5], axis=2).clip(0, 255).astype(np.uint8)


def through(source: Path, target: Path | None = None, *, strip: bool = False, **how: Any) -> Path:
    """The file read and written with nothing done to its pixels."""
    out = target or source.with_name(f"out-{source.name}")
    with files.open_pages(source, **how) as document:
        files.write_pages(out, document.pages, document, strip=strip)
    return out


def restored(source: Path, target: Path, *, sigma: float) -> batch.Outcome:
    """The outcome of denoising the one file by the shipped model."""
    (outcome,) = batch.restore_files(plan.plan([source], target), pellucid.load("photo"), DenoiseSettings(sigma=sigma))
    return outcome


# -- pixels -----------------------------------------------------------------------------------------------------------


def by_pillow(values: NDArray[Any], **settings: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        PillowImage.fromarray(values).save(path, **settings)

    return make


def by_tifffile(values: NDArray[Any], **settings: Any) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        tifffile.imwrite(path, values, **{"metadata": None, **settings})

    return make


def by_imagecodecs(values: NDArray[Any]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        import imagecodecs

        path.write_bytes(imagecodecs.png_encode(values))

    return make


def by_bytes(*parts: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(b"".join(parts))

    return make


def palette_png(path: Path) -> None:
    PillowImage.fromarray(smooth()).quantize(16).save(path)


def palette_with_alpha_png(path: Path) -> None:
    PillowImage.fromarray(smooth()).quantize(16).save(path, transparency=bytes(range(0, 256, 16)))


def bits_png(path: Path) -> None:
    PillowImage.fromarray(smooth()).convert("1").save(path)


def palette_tiff(path: Path) -> None:
    PillowImage.fromarray(smooth()).quantize(16).save(path)


DOWN = f"{WIDTH} {HEIGHT}\n".encode()

LOSSLESS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "png-gray-8": (".png", by_pillow(samples("uint8"))),
    "png-gray-alpha-8": (".png", by_pillow(samples("uint8", 2))),
    "png-colour-8": (".png", by_pillow(samples("uint8", 3))),
    "png-colour-alpha-8": (".png", by_pillow(samples("uint8", 4))),
    "png-gray-16": (".png", by_imagecodecs(samples("uint16"))),
    "png-gray-alpha-16": (".png", by_imagecodecs(samples("uint16", 2))),
    "png-colour-16": (".png", by_imagecodecs(samples("uint16", 3))),
    "png-colour-alpha-16": (".png", by_imagecodecs(samples("uint16", 4))),
    "png-palette": (".png", palette_png),
    "png-palette-alpha": (".png", palette_with_alpha_png),
    "png-bits": (".png", bits_png),
    "webp-colour": (".webp", by_pillow(samples("uint8", 3), lossless=True)),
    "webp-alpha": (".webp", by_pillow(samples("uint8", 4), lossless=True, exact=True)),
    "bmp-gray": (".bmp", by_pillow(samples("uint8"))),
    "bmp-colour": (".bmp", by_pillow(samples("uint8", 3))),
    "pgm-8": (".pgm", by_bytes(b"P5\n", DOWN, b"255\n", samples("uint8").tobytes())),
    "pgm-16": (".pgm", by_bytes(b"P5\n", DOWN, b"65535\n", samples("uint16").astype(">u2").tobytes())),
    "pgm-12": (".pgm", by_bytes(b"P5\n# twelve bits\n", DOWN, b"4095\n", samples("uint16", high=4095).astype(">u2").tobytes())),
    "ppm-8": (".ppm", by_bytes(b"P6 ", DOWN, b"255\n", samples("uint8", 3).tobytes())),
    "ppm-16": (".ppm", by_bytes(b"P6 ", DOWN, b"65535\n", samples("uint16", 3).astype(">u2").tobytes())),
    "pgm-text": (".pgm", by_bytes(b"P2\n", DOWN, b"255\n", b" ".join(b"%d" % v for v in samples("uint8").ravel()))),
    "tiff-gray-8": (".tif", by_tifffile(samples("uint8"))),
    "tiff-gray-16": (".tif", by_tifffile(samples("uint16"))),
    "tiff-gray-32": (".tif", by_tifffile(samples("uint32", high=1 << 20))),
    "tiff-gray-signed-8": (".tif", by_tifffile(samples("int8", low=-128))),
    "tiff-gray-signed-16": (".tif", by_tifffile(samples("int16", low=-1000, high=3000))),
    "tiff-gray-signed-32": (".tif", by_tifffile(samples("int32", low=-70000, high=70000))),
    "tiff-gray-float": (".tif", by_tifffile(samples("float32"))),
    "tiff-gray-double": (".tif", by_tifffile(samples("float32").astype("float64"))),
    "tiff-gray-alpha": (".tif", by_tifffile(samples("uint16", 2), photometric="minisblack", extrasamples=["unassalpha"])),
    "tiff-colour-8": (".tif", by_tifffile(samples("uint8", 3), photometric="rgb")),
    "tiff-colour-16": (".tif", by_tifffile(samples("uint16", 3), photometric="rgb")),
    "tiff-colour-float": (".tif", by_tifffile(samples("float32", 3), photometric="rgb")),
    "tiff-colour-alpha-16": (".tif", by_tifffile(samples("uint16", 4), photometric="rgb", extrasamples=["unassalpha"])),
    "tiff-premultiplied": (".tif", by_tifffile(samples("uint8", 4), photometric="rgb", extrasamples=["assocalpha"])),
    "tiff-cmyk-8": (".tif", by_tifffile(samples("uint8", 4), photometric="separated")),
    "tiff-cmyk-16": (".tif", by_tifffile(samples("uint16", 4), photometric="separated")),
    "tiff-bands": (".tif", by_tifffile(samples("uint16", 6), photometric="minisblack", planarconfig="contig")),
    "tiff-white-is-zero": (".tif", by_tifffile(samples("uint16"), photometric="miniswhite")),
    "tiff-lzw": (".tif", by_tifffile(samples("uint16", 3), photometric="rgb", compression="lzw", predictor=2)),
    "tiff-deflate": (".tif", by_tifffile(samples("uint16", 3), photometric="rgb", compression="deflate")),
    "tiff-zstd": (".tif", by_tifffile(samples("uint16"), compression="zstd")),
    "tiff-packbits": (".tif", by_tifffile(samples("uint8"), compression="packbits")),
    "tiff-tiled": (".tif", by_tifffile(samples("uint8", 3), photometric="rgb", tile=(16, 16))),
    "tiff-strips": (".tif", by_tifffile(samples("uint16"), rowsperstrip=4)),
    "tiff-planes": (".tif", by_tifffile(samples("uint8", 3).transpose(2, 0, 1), photometric="rgb", planarconfig="separate")),
    "tiff-big": (".tif", by_tifffile(samples("uint16"), bigtiff=True)),
    "tiff-big-endian": (".tif", by_tifffile(samples("uint16"), byteorder=">")),
    "tiff-palette": (".tif", palette_tiff),
    "tiff-jpeg": (".tif", by_tifffile(smooth(), photometric="ycbcr", compression="jpeg", compressionargs={"level": 95})),
}


def seen_by_vips(path: Path) -> bytes:
    """The samples as libvips decodes them."""
    raw = path.with_suffix(".raw")
    subprocess.run(["vips", "rawsave", str(path), str(raw)], check=True, capture_output=True)
    return raw.read_bytes()


@needs("vips")
@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_files_come_back(name: str, tmp_path: Path) -> None:
    ending, make = LOSSLESS[name]
    source = tmp_path / f"a{ending}"
    make(source)
    out = through(source)
    if name == "tiff-gray-double":
        # libtiff's own readers know no doubles.
        np.testing.assert_array_equal(tifffile.imread(out), tifffile.imread(source))
        return
    expected, got = seen_by_vips(source), seen_by_vips(out)
    if name == "tiff-jpeg":
        # Two JPEG decoders may differ by a few levels.
        difference = np.frombuffer(got, np.uint8).astype(int) - np.frombuffer(expected, np.uint8)
        assert np.abs(difference).max() <= 3
    else:
        assert got == expected


@needs("tiffinfo")
@pytest.mark.parametrize("name", [name for name in LOSSLESS if name.startswith("tiff")])
def test_a_tiff_keeps_its_build(name: str, tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    LOSSLESS[name][1](source)
    kept = ("Image Width", "Bits/Sample", "Sample Format", "Samples/Pixel", "Photometric", "Extra Samples", "Tile Width", "Planar")
    if name in ("tiff-palette", "tiff-jpeg"):
        kept = ("Image Width", "Bits/Sample")

    def told(path: Path) -> list[str]:
        said = subprocess.run(["tiffinfo", str(path)], capture_output=True, text=True, check=True).stdout
        lines = [line.strip() for line in said.splitlines()]
        # Unsigned integers and contiguous samples are what a file has that does not say.
        found = [line for line in lines if line.startswith(kept)]
        return sorted(
            line for line in found if line not in ("Sample Format: unsigned integer", "Planar Configuration: single image plane")
        )

    assert told(through(source)) == told(source)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "ending"), [("float32", ".npy"), ("uint8", ".npy"), ("uint16", ".npy"), ("float16", ".npy"), (">i2", ".npy")]
)
def test_npy_comes_back(tmp_path: Path, dtype: str, ending: str, channels: int) -> None:
    values = samples(np.dtype(dtype).newbyteorder("=").name, channels).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    back = np.load(through(tmp_path / "a.npy"))
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


@pytest.mark.parametrize("quality", [60, 96])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_is_nowhere_coarser_than_it_was(tmp_path: Path, quality: int, progressive: bool, channels: int) -> None:
    picture = PillowImage.fromarray(smooth())
    source = tmp_path / "a.jpg"
    (picture if channels == 3 else picture.convert("L")).save(source, quality=quality, progressive=progressive, comment="by hand")
    with PillowImage.open(source) as before, PillowImage.open(through(source)) as after:
        assert after.mode == before.mode
        assert after.info.get("progressive") == before.info.get("progressive")
        assert after.info["comment"] == b"by hand"
        for index, table in before.quantization.items():
            assert (np.array(after.quantization[index]) <= np.array(table)).all()
        assert np.abs(np.asarray(after).astype(int) - np.asarray(before)).max() <= (16 if quality == 60 else 4)


def test_a_phones_jpeg_with_a_second_picture_is_one_picture(tmp_path: Path) -> None:
    first, second = PillowImage.fromarray(smooth()), PillowImage.fromarray(smooth()[:8, :8])
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    assert files.read(tmp_path / "a.jpg").pixels.shape == (HEIGHT, WIDTH, 3)


def test_cmyk_jpeg_stays_in_inks_with_its_profile(tmp_path: Path) -> None:
    inks = PillowImage.fromarray(smooth()).convert("CMYK")
    profile = b"a profile of inks" * 10
    inks.save(tmp_path / "a.jpg", quality=95, icc_profile=profile)
    with files.open_pages(tmp_path / "a.jpg") as document:
        (page,) = document.pages
        assert [picture.pixels.shape[2] for picture in page.pictures] == [3, 1]
    with PillowImage.open(tmp_path / "a.jpg") as before, PillowImage.open(through(tmp_path / "a.jpg")) as after:
        assert after.mode == "CMYK"
        assert after.info["icc_profile"] == profile
        assert np.abs(np.asarray(after).astype(int) - np.asarray(before)).max() <= 4
    # Where inks have no place they become what they show, and the profile, which speaks of inks, goes.
    through(tmp_path / "a.jpg", tmp_path / "a.png")
    with PillowImage.open(tmp_path / "a.png") as shown:
        assert shown.mode == "RGB"
        assert "icc_profile" not in shown.info


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_restoring_inks_calms_them(tmp_path: Path, dtype: str) -> None:
    top = np.iinfo(dtype).max
    rng = np.random.default_rng(0)
    noisy = np.clip(0.4 + rng.standard_normal((48, 64, 4)) * 0.08, 0, 1)
    tifffile.imwrite(tmp_path / "a.tif", np.rint(noisy * top).astype(dtype), photometric="separated", metadata=None)
    outcome = restored(tmp_path / "a.tif", tmp_path / "b.tif", sigma=20)
    assert outcome.error is None
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert int(file.pages[0].photometric) == 5
        assert (file.asarray().std(axis=(0, 1)) < noisy.std() * top / 3).all()


@pytest.mark.parametrize("alpha", [False, True])
def test_avif_is_close(tmp_path: Path, alpha: bool) -> None:
    values = np.dstack([smooth(), samples("uint8")]) if alpha else smooth()
    PillowImage.fromarray(values).save(tmp_path / "a.avif", quality=95)
    with PillowImage.open(tmp_path / "a.avif") as before, PillowImage.open(through(tmp_path / "a.avif")) as after:
        assert after.mode == before.mode
        assert np.abs(np.asarray(after).astype(int) - np.asarray(before))[..., :3].mean() < 4


@pytest.mark.parametrize("depth", [10, 12])
def test_a_deep_avif_is_not_cut_to_8_bits(tmp_path: Path, depth: int) -> None:
    import imagecodecs

    ramp = np.linspace(0, 2**depth - 1, 64 * 64).astype(np.uint16).reshape(64, 64)
    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(np.dstack([ramp] * 3), bitspersample=depth))
    image = files.read(tmp_path / "a.avif")
    assert image.dtype == np.uint16
    assert len(np.unique(image.pixels)) > 600
    assert image.pixels.max() == pytest.approx(1, abs=0.01)
    with pytest.raises(FileError, match=f"{depth}"):
        files.write(tmp_path / "b.avif", image)
    files.write(tmp_path / "b.png", image)
    np.testing.assert_array_equal(files.read(tmp_path / "b.png").pixels, image.pixels)


# -- metadata ---------------------------------------------------------------------------------------------------------

WORDS = (
    "-Artist=Zoë",
    "-Copyright=mine",
    "-Make=Maker",
    "-GPSLatitude=10.5",
    "-GPSLatitudeRef=S",
    "-GPSLongitude=20.25",
    "-GPSLongitudeRef=E",
    "-ExposureTime=1/60",
    "-ISO=400",
    "-DateTimeOriginal=2020:01:02 03:04:05",
    "-UserComment=hi there",
    "-XMP-dc:Title=Tïtle",
    "-XMP-dc:Subject=one",
    "-XMP-dc:Subject=two",
)
IPTC = ("-IPTC:Keywords=one", "-IPTC:Keywords=two", "-IPTC:Caption-Abstract=words")
DOTS = ("-XResolution=300", "-YResolution=300", "-ResolutionUnit=inches")
TURNED = ("-Orientation#=6", "-XMP-tiff:Orientation#=6")

METADATA: dict[str, tuple[str, ...]] = {
    ".jpg": (*WORDS, *IPTC, *TURNED, *DOTS),
    ".png": (*WORDS, *TURNED, "-PNG:Title=a title", "-PNG:Gamma=2.2", "-PNG:SRGBRendering#=0"),
    ".webp": (*WORDS, *TURNED),
    ".tif": (*WORDS, *IPTC, *TURNED, "-ImageDescription=a picture", "-Software=scanner", *DOTS),
    ".avif": WORDS,
    ".heic": WORDS,
}

KEPT_GROUPS = ("IFD0", "ExifIFD", "GPS", "IPTC", "XMP-dc", "XMP-tiff", "ICC_Profile", "ICC-header", "PNG", "JFIF")

MADE_ANEW = {
    *("IFD0:Orientation", "XMP-tiff:Orientation", "PNG:ImageWidth", "PNG:ImageHeight", "PNG:Compression", "PNG:Filter"),
    *("IFD0:ImageWidth", "IFD0:ImageHeight", "IFD0:RowsPerStrip", "IFD0:StripOffsets", "IFD0:StripByteCounts", "IFD0:SubfileType"),
    *("IFD0:Predictor", "IFD0:Compression", "IFD0:PlanarConfiguration", "ExifIFD:ExifImageWidth", "ExifIFD:ExifImageHeight"),
}
"""Tags that change where a picture is turned upright and written by another encoder."""


def told_by_exiftool(path: Path) -> dict[str, Any]:
    said = subprocess.run(["exiftool", "-j", "-n", "-G1", str(path)], capture_output=True, text=True, check=True).stdout
    return {key: value for key, value in json.loads(said)[0].items() if key.split(":")[0] in KEPT_GROUPS or key.startswith("IFD1")}


def with_metadata(path: Path) -> None:
    """A picture with a profile, words, a thumbnail and a turn."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = PillowImage.fromarray(smooth())
    if path.suffix == ".heic":
        heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
        heif.from_pillow(picture).save(path, quality=95, icc_profile=profile)
    else:
        picture.save(path, icc_profile=None if path.suffix == ".png" else profile)
    arguments = ["exiftool", "-q", "-q", "-overwrite_original", "-charset", "utf8", *METADATA[path.suffix]]
    if path.suffix == ".jpg":
        small = path.with_name("small.jpg")
        picture.resize((16, 10)).save(small)
        arguments.append(f"-ThumbnailImage<={small}")
    subprocess.run([*arguments, str(path)], check=True)


@needs("exiftool")
@pytest.mark.parametrize("ending", METADATA)
def test_metadata_comes_back(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"a{ending}"
    with_metadata(source)
    before, after = told_by_exiftool(source), told_by_exiftool(through(source))
    assert len(before) > 12
    thumbnail = {key for key in before if key.startswith("IFD1")}
    assert bool(thumbnail) == (ending == ".jpg")
    assert not {key for key in after if key.startswith("IFD1")}
    checked = (set(before) | set(after)) - MADE_ANEW - thumbnail
    assert {key: after.get(key) for key in checked} == {key: before.get(key) for key in checked}
    assert after.get("IFD0:Orientation", 1) == 1
    assert after.get("XMP-tiff:Orientation", 1) == 1
    # Turned once, and not again by whoever reads it next.
    if ending not in (".avif", ".heic"):
        assert files.read(source).pixels.shape == (WIDTH, HEIGHT, 3)
        assert files.read(tmp_path / f"out-a{ending}").pixels.shape == (WIDTH, HEIGHT, 3)


@needs("exiftool")
@pytest.mark.parametrize(
    ("source", "target"), [(".jpg", ".tif"), (".jpg", ".png"), (".tif", ".jpg"), (".png", ".webp"), (".tif", ".png")]
)
def test_metadata_goes_from_format_to_format(tmp_path: Path, source: str, target: str) -> None:
    with_metadata(tmp_path / f"a{source}")
    before = told_by_exiftool(tmp_path / f"a{source}")
    after = told_by_exiftool(through(tmp_path / f"a{source}", tmp_path / f"b{target}"))
    for key in (
        "IFD0:Artist",
        "IFD0:Copyright",
        "ExifIFD:ISO",
        "ExifIFD:UserComment",
        "GPS:GPSLatitude",
        "XMP-dc:Title",
        "XMP-dc:Subject",
    ):
        assert after[key] == before[key]


@needs("exiftool")
@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_strip_leaves_the_profile_and_nothing_that_tells(tmp_path: Path, ending: str) -> None:
    source = tmp_path / f"a{ending}"
    with_metadata(source)
    after = told_by_exiftool(through(source, strip=True))
    differing = {key for key in after if key.startswith(("ExifIFD", "GPS", "IPTC", "XMP")) or key in ("IFD0:Artist", "PNG:Title")}
    assert differing == set()
    if ending != ".png":
        assert files.read(tmp_path / f"out-a{ending}").icc == files.read(source).icc
    else:
        assert after["PNG:Gamma"] == 2.2


def test_late_and_long_texts_of_a_png_are_kept(tmp_path: Path) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", "Zoë")
    text.add_text("Parameters", "many words " * 500, zip=True)
    text.add_itxt("Title", "標題")
    PillowImage.fromarray(smooth()).save(tmp_path / "a.png", pnginfo=text)
    with PillowImage.open(tmp_path / "a.png") as before, PillowImage.open(through(tmp_path / "a.png")) as after:
        before.load()
        after.load()
        assert dict(after.text) == dict(before.text)


def test_a_makers_notes_keep_their_place(tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x010F] = "Maker"
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x927C] = b"notes that point at places" * 3
    raw = exif.tobytes()
    PillowImage.fromarray(smooth()).save(tmp_path / "a.jpg", exif=raw)
    with PillowImage.open(through(tmp_path / "a.jpg")) as after:
        written = after.info["exif"]
    assert len(written) == len(raw)
    assert written.find(b"notes that point") == raw.find(b"notes that point")


# -- stacks -----------------------------------------------------------------------------------------------------------


def test_an_imagej_stack_stays_one(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (2, 3, 2, 9, 11)).astype(np.uint16)
    labels = [f"plane {index}" for index in range(12)]
    told = {"axes": "TZCYX", "unit": "um", "spacing": 2.5, "finterval": 0.5, "Info": "about", "Labels": labels, "mode": "composite"}
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, resolution=(5.5, 5.5), metadata=told)
    with tifffile.TiffFile(tmp_path / "a.tif") as before, tifffile.TiffFile(through(tmp_path / "a.tif")) as after:
        np.testing.assert_array_equal(after.asarray(), values)
        assert after.is_imagej
        assert after.series[0].axes == before.series[0].axes == "TZCYX"
        assert after.imagej_metadata == before.imagej_metadata
        assert after.pages[0].resolution == before.pages[0].resolution


def test_ome_metadata_stays_word_for_word(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (3, 2, 9, 11)).astype(np.uint16)
    told = {"axes": "ZCYX", "PhysicalSizeX": 0.25, "Channel": {"Name": ["green", "rötlich"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", values, metadata=told)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as before, tifffile.TiffFile(through(tmp_path / "a.ome.tif")) as after:
        assert after.is_ome
        assert after.ome_metadata == before.ome_metadata
        assert after.series[0].axes == "ZCYX"
        np.testing.assert_array_equal(after.asarray(), values)


def test_ome_metadata_names_the_file_that_it_lies_in(tmp_path: Path) -> None:
    told = tifffile.OmeXml()
    told.addimage("uint8", (2, 9, 11), (2, 1, 1, 9, 11, 1), axes="CYX")
    xml = told.tostring().replace("<TiffData ", '<TiffData FirstC="0" ', 1)
    xml = xml.replace("/></Pixels>", '><UUID FileName="a.ome.tif">urn:uuid:0</UUID></TiffData></Pixels>')
    assert 'FileName="a.ome.tif"' in xml
    values = np.random.default_rng(0).integers(0, 256, (2, 9, 11)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.ome.tif", values, description=xml, metadata=None, photometric="minisblack")
    with tifffile.TiffFile(through(tmp_path / "a.ome.tif", tmp_path / "b.ome.tif")) as after:
        assert after.ome_metadata == xml.replace('FileName="a.ome.tif"', 'FileName="b.ome.tif"')


@needs("tiffinfo")
def test_pages_of_different_kinds_stay_what_they_are(tmp_path: Path) -> None:
    first, second, third = samples("uint8", 3), samples("uint16")[:7, :5], samples("float32")
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(first, photometric="rgb", metadata=None, description="the first", software="scanner")
        writer.write(second, photometric="minisblack", metadata=None)
        writer.write(first[::4, ::4], photometric="rgb", metadata=None, subfiletype=1)
        writer.write(third, photometric="minisblack", metadata=None, compression="lzw")
    with tifffile.TiffFile(through(tmp_path / "a.tif")) as after:
        assert len(after.pages) == 3
        for page, values in zip(after.pages, (first, second, third), strict=True):
            np.testing.assert_array_equal(page.asarray(), values)
        assert after.pages[0].description == "the first"
        assert after.pages[0].software == "scanner"
        assert after.pages[2].compression.name == "LZW"
    said = subprocess.run(["tiffinfo", str(tmp_path / "out-a.tif")], capture_output=True, text=True, check=True)
    assert said.stdout.count("TIFF directory") == 3
    assert said.stderr == ""


@pytest.mark.parametrize("shape", [(4, 9, 11), (2, 4, 9, 11), (4, 9, 11, 3), (1, 9, 11)])
def test_an_array_of_pictures_comes_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape).astype(np.float32) * 1000
    np.save(tmp_path / "a.npy", values)
    np.testing.assert_allclose(np.load(through(tmp_path / "a.npy")), values, rtol=1e-6, atol=1e-4)
    assert np.load(tmp_path / "out-a.npy").shape == shape
    through(tmp_path / "a.npy", tmp_path / "b.tif")
    assert tifffile.imread(tmp_path / "b.tif").size == values.size


def test_axes_say_where_colour_is(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 5, 9, 11)).astype(np.uint8)
    np.save(tmp_path / "a.npy", values)
    with files.open_pages(tmp_path / "a.npy", axes="SZYX") as document:
        pages = list(document.pages)
    assert (document.count, document.axes) == (5, "Z")
    np.testing.assert_array_equal(images.to_array(pages[2].pictures[0]), values[:, 2].transpose(1, 2, 0))
    np.testing.assert_array_equal(np.load(through(tmp_path / "a.npy", axes="SZYX")), values)
    tifffile.imwrite(tmp_path / "a.tif", values[:, 0], photometric="minisblack")
    with files.open_pages(tmp_path / "a.tif", axes="SYX") as document:
        assert [page.pictures[0].pixels.shape for page in document.pages] == [(9, 11, 3)]
    np.testing.assert_array_equal(tifffile.imread(through(tmp_path / "a.tif", axes="SYX")), values[:, 0])


@pytest.mark.parametrize("axes", ["YX", "ZZYX", "TZCX", "SZYXQ", "12YX", "XYZS"])
def test_axes_that_do_not_fit_are_refused(tmp_path: Path, axes: str) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 5, 9, 11), np.uint8))
    with pytest.raises(OptionError, match=axes), files.open_pages(tmp_path / "a.npy", axes=axes) as document:
        list(document.pages)


def test_a_stack_is_restored_page_by_page(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noisy = np.clip(0.5 + rng.standard_normal((3, 40, 50)) * np.array([5, 15, 30])[:, None, None] / 255, 0, 1)
    values = np.rint(noisy * 65535).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True)
    outcome = restored(tmp_path / "a.tif", tmp_path / "b.tif", sigma=20)
    assert outcome.error is None
    assert outcome.pages == 3
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_imagej
        back = file.asarray()
    for index in range(3):
        np.testing.assert_array_equal(back[index], pellucid.restore(values[index], sigma=20))


def test_a_stack_does_not_go_into_a_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 9, 11), np.uint8))
    with pytest.raises(FileError, match="3 pages"):
        through(tmp_path / "a.npy", tmp_path / "a.png")
    with pytest.raises(FileError, match="3 pages"):
        files.read(tmp_path / "a.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


# -- ranges -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".png", ".tif", ".pgm", ".npy"])
def test_every_16_bit_level_goes_through_the_restorer(tmp_path: Path, ending: str) -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / f"ramp{ending}"
    files.write(path, images.from_array(ramp))
    restored = pellucid.load("photo").restore(files.read(path), sigma=0)
    files.write(tmp_path / f"out{ending}", restored)
    np.testing.assert_array_equal(images.to_array(files.read(tmp_path / f"out{ending}")).reshape(256, 256), ramp)


def test_twelve_bits_in_sixteen_are_white_at_4095_where_the_file_says_so(tmp_path: Path) -> None:
    values = samples("uint16", high=4095)
    values[0, 0] = 4095
    tifffile.imwrite(tmp_path / "told.tif", values, metadata=None, extratags=[(281, 3, 1, 4095, True)])
    tifffile.imwrite(tmp_path / "untold.tif", values, metadata=None)
    assert files.read(tmp_path / "told.tif").pixels.max() == 1
    assert files.read(tmp_path / "untold.tif").pixels.max() == 1
    given = files.read(tmp_path / "untold.tif", value_range=(0, 4095))
    assert given.pixels.max() == 1
    files.write(tmp_path / "out.tif", given)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), values)
    # The answer says it, too.
    assert files.read(tmp_path / "out.tif").white == 4095
    # A file that says what is not so is not believed.
    tifffile.imwrite(tmp_path / "wrong.tif", values + np.uint16(9), metadata=None, extratags=[(281, 3, 1, 4095, True)])
    assert files.read(tmp_path / "wrong.tif").white == 4104


@pytest.mark.parametrize(
    ("values", "value_range", "ends"),
    [
        (samples("float32"), "auto", (0, 1)),
        (samples("float32", low=-200, high=900), "auto", None),
        (samples("float64", low=1e6, high=1e6 + 1), "auto", None),
        (samples("int16", low=-1024, high=3000), "auto", None),
        (samples("uint32", high=100_000), "auto", None),
        (samples("uint8"), "auto", (0, 255)),
        (samples("int16", low=-1024, high=3000), "dtype", (-32768, 32767)),
        (samples("float32", low=-200, high=900), (-1000.0, 1000.0), (-1000, 1000)),
        (np.full((5, 6), 7, np.int32), "auto", (7, 8)),
    ],
)
def test_units_survive_the_range(values: NDArray[Any], value_range: images.Range, ends: tuple[float, float] | None) -> None:
    image = images.from_values(values, value_range)
    low, high = ends or (values.min(), values.max())
    expected = (values.astype(np.float64) - low) / (high - low)
    np.testing.assert_allclose(image.pixels[..., 0], expected, atol=1e-6)
    back = images.to_array(image)
    assert back.dtype == values.dtype
    np.testing.assert_allclose(back, values, rtol=2e-7, atol=1e-4 if values.dtype.kind == "f" else 0)


@pytest.mark.parametrize("text", ["", "0", "0:", ":5", "1:1", "nan:1", "0:inf", "a:b", "full"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="range"):
        images.parse_range(text)
    assert images.parse_range("-5:4095") == (-5, 4095)


def test_floats_in_units_go_to_png_over_its_whole_range(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", samples("float32", low=-200, high=900), metadata=None)
    through(tmp_path / "a.tif", tmp_path / "a.png")
    values = images.to_array(files.read(tmp_path / "a.png"))
    assert (values.min(), values.max()) == (0, 65535)


# -- formats that need an extra ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "module", "extra"),
    [(".heic", "pillow_heif", "heif"), (".dng", "rawpy", "raw"), (".dcm", "pydicom", "dicom"), (".exr", "OpenEXR", "exr")],
)
def test_a_missing_extra_is_named(tmp_path: Path, ending: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / f"a{ending}").write_bytes(b"something")
    with pytest.raises(MissingExtra, match=rf"pellucid\[{extra}\]"):
        files.read(tmp_path / f"a{ending}")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_heif_is_close_and_as_deep(tmp_path: Path, dtype: str, channels: int) -> None:
    heif = pytest.importorskip("pillow_heif", reason="the extra heif is not installed")
    values = smooth()[..., :1] if channels == 1 else np.dstack([smooth(), smooth()[..., :1]])[..., :channels]
    image = images.from_array(values.astype(dtype) * dtype_step(dtype))
    files.write(tmp_path / "a.heic", image)
    read = heif.open_heif(tmp_path / "a.heic", convert_hdr_to_8bit=False)
    assert read.info["bit_depth"] == (8 if dtype == "uint8" else 12)
    back = files.read(tmp_path / "a.heic")
    assert back.dtype == dtype
    assert (back.alpha is not None) == (channels == 4)
    assert np.abs(back.pixels - image.pixels).mean() < 0.03
    with files.open_pages(tmp_path / "a.heic") as document:
        files.write_pages(tmp_path / "b.heic", document.pages, document)
    assert heif.open_heif(tmp_path / "b.heic", convert_hdr_to_8bit=False).info["bit_depth"] == read.info["bit_depth"]


def dtype_step(dtype: str) -> Any:
    return np.dtype(dtype).type(257 if dtype == "uint16" else 1)


@pytest.mark.parametrize("names", ["RGB", "RGBA", "Y"])
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_openexr_comes_back_in_linear_light(tmp_path: Path, names: str, dtype: str) -> None:
    exr = pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
    values = {name: samples(dtype, high=6, seed=index) for index, name in enumerate(names)}
    header = {"compression": exr.PIZ_COMPRESSION, "type": exr.scanlineimage, "owner": "mine"}
    exr.File(header, dict(values)).write(str(tmp_path / "a.exr"))
    back = exr.File(str(through(tmp_path / "a.exr")), separate_channels=True)
    assert back.header()["owner"] == "mine"
    assert back.header()["compression"] == exr.PIZ_COMPRESSION
    assert set(back.channels()) == set(names)
    for name in names:
        pixels = back.channels()[name].pixels
        assert pixels.dtype == dtype
        np.testing.assert_allclose(pixels, values[name], rtol=2e-3 if dtype == "float16" else 1e-6, atol=1e-5)
    with pytest.raises(FileError, match="linear"):
        files.write(tmp_path / "b.exr", images.from_array(samples("uint8")))


def dicom(path: Path, values: NDArray[Any], *, stored: int, photometric: str = "MONOCHROME2", frames: int = 1) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.PatientName, dataset.RescaleSlope, dataset.RescaleIntercept = "Doe^Jane", 2, -1024
    dataset.Rows, dataset.Columns = values.shape[1:3] if frames > 1 else values.shape[:2]
    colour = photometric == "RGB"
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    if frames > 1:
        dataset.NumberOfFrames = frames
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = values.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit = stored, stored - 1
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    content = values.tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB" if values.dtype.itemsize == 1 else "OW"
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


@pytest.mark.parametrize(
    ("values", "stored", "photometric", "frames"),
    [
        (samples("uint16", high=4095), 12, "MONOCHROME2", 1),
        (samples("uint16", high=4095), 12, "MONOCHROME1", 1),
        (samples("int16", low=-1000, high=2000), 16, "MONOCHROME2", 1),
        (samples("uint8", 3), 8, "RGB", 1),
        (np.stack([samples("uint16", seed=seed) for seed in range(3)]), 16, "MONOCHROME2", 3),
    ],
)
def test_dicom_comes_back_as_a_derived_image(
    tmp_path: Path, values: NDArray[Any], stored: int, photometric: str, frames: int
) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    dicom(tmp_path / "a.dcm", values, stored=stored, photometric=photometric, frames=frames)
    before, after = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(through(tmp_path / "a.dcm"))
    np.testing.assert_array_equal(after.pixel_array, values)
    for name in ("PatientName", "RescaleIntercept", "BitsStored", "PhotometricInterpretation", "Rows"):
        assert after.get(name) == before.get(name)
    assert after.SOPInstanceUID != before.SOPInstanceUID
    assert after.ImageType[0] == "DERIVED"
    if stored == 12:
        with files.open_pages(tmp_path / "a.dcm") as document:
            assert next(iter(document.pages)).pictures[0].white == 4095
    # Patients' names do not go into pictures.
    if frames == 1:
        through(tmp_path / "a.dcm", tmp_path / "a.png")
        assert b"Doe" not in (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_dicom_that_becomes_colour_says_so(tmp_path: Path, photometric: str) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    dicom(tmp_path / "a.dcm", samples("uint16", high=4095), stored=12, photometric=photometric)
    with files.open_pages(tmp_path / "a.dcm") as document:
        picture = next(iter(document.pages)).pictures[0]
        colours = picture.pixels * np.array([1, 0.5, 0.25], np.float32)
        files.write_pages(tmp_path / "b.dcm", [files.Page((images.with_pixels(picture, colours),))], document)
    after = pydicom.dcmread(tmp_path / "b.dcm")
    assert (after.PhotometricInterpretation, after.SamplesPerPixel, after.get("RescaleSlope")) == ("RGB", 3, None)
    np.testing.assert_allclose(after.pixel_array, np.rint(colours * 4095), atol=1)
    read = files.read(tmp_path / "b.dcm")
    np.testing.assert_allclose(read.pixels, colours, atol=1e-3)


def small_dng(path: Path) -> None:
    """A Bayer mosaic of even gray, brighter towards the right."""
    mosaic = np.tile(np.linspace(2000, 40000, 96).astype(np.uint16), (64, 1))
    matrix = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    tags = [
        (271, 2, 6, "Maker", True),
        (272, 2, 6, "Model", True),
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50707, 1, 4, bytes([1, 1, 0, 0]), True),
        (50708, 2, 12, "Maker Model", True),
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, bytes([0, 1, 1, 2]), True),
        (50717, 4, 1, 65535, True),
        (50721, 10, 9, tuple(matrix), True),
        (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),
        (50778, 3, 1, 21, True),
    ]
    tifffile.imwrite(path, mosaic, photometric="cfa", metadata=None, software=False, extratags=tags)


def test_camera_raw_is_developed_and_written_as_tiff(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="the extra raw is not installed")
    small_dng(tmp_path / "a.dng")
    image = files.read(tmp_path / "a.dng")
    assert image.dtype == np.uint16
    assert image.pixels.shape[2] == 3
    assert image.pixels[:, 80:90].mean() > image.pixels[:, 5:15].mean() + 0.1
    assert files.writable_name(tmp_path / "a.dng").name == "a.tif"
    out = through(tmp_path / "a.dng", tmp_path / "out.tif")
    with tifffile.TiffFile(out) as file:
        assert file.pages[0].tags[271].value == "Maker"
    with pytest.raises(FileError, match="what a camera's sensor saw"):
        files.write(tmp_path / "b.dng", image)


# -- what is refused --------------------------------------------------------------------------------------------------


def refusal(source: Path, out: Path) -> str | None:
    """The text of our error; None where the file was read."""
    try:
        through(source, out)
    except PellucidError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_truncated_file_is_one_clear_line(name: str, tmp_path: Path) -> None:
    ending, make = LOSSLESS[name]
    source = tmp_path / f"a{ending}"
    make(source)
    content = source.read_bytes()
    for share in (0.1, 0.5, 0.95):
        broken, out = tmp_path / f"broken{ending}", tmp_path / f"out{ending}"
        broken.write_bytes(content[: int(len(content) * share)])
        said = refusal(broken, out)
        if said is not None:
            assert "\n" not in said
            assert str(broken) in said
        else:
            # Nothing of the picture was lost: what is gone lay behind it.
            np.testing.assert_array_equal(files.read(out).pixels, files.read(source).pixels)
        out.unlink(missing_ok=True)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([source.name, broken.name])


@pytest.mark.parametrize("settings", [{}, {"compression": "deflate"}, {"imagej": True}, {"ome": True}, {"bigtiff": True}])
def test_a_truncated_stack_is_refused_not_shortened(tmp_path: Path, settings: dict[str, Any]) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (5, 30, 40)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack", **settings)
    content = (tmp_path / "a.tif").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.98):
        (tmp_path / "b.tif").write_bytes(content[: int(len(content) * share)])
        assert refusal(tmp_path / "b.tif", tmp_path / "c.tif") is not None
        assert not (tmp_path / "c.tif").exists()


@pytest.mark.parametrize(
    ("true", "named"), [(".png", ".jpg"), (".jpg", ".png"), (".tif", ".webp"), (".png", ".tif"), (".webp", ".bmp")]
)
def test_a_wrong_ending_is_told(tmp_path: Path, true: str, named: str) -> None:
    PillowImage.fromarray(smooth()).save(tmp_path / f"a{true}")
    (tmp_path / f"a{true}").rename(tmp_path / f"b{named}")
    kind = next(entry.name for entry in files.FORMATS if true in entry.endings)
    with pytest.raises(FileError, match=f"its content is {kind}"):
        files.read(tmp_path / f"b{named}")


def bomb_png(side: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        import zlib

        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    import zlib

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100000))) + chunk(b"IEND", b"")


BOMBS: dict[str, Callable[[], bytes]] = {
    "a.png": lambda: bomb_png(30000),
    "b.png": lambda: bomb_png(2_000_000_000),
    "a.pgm": lambda: b"P5 30000 30000 255\n" + bytes(1000),
    "a.bmp": lambda: b"BM" + struct.pack("<IIIIiiHHIIIIII", 1000, 0, 54, 40, 30000, 30000, 1, 24, 0, 0, 0, 0, 0, 0) + bytes(900),
    "a.tif": lambda: bomb_tiff(),
    "a.npy": lambda: (
        b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|u1', 'fortran_order': False, 'shape': (90000, 90000), }".ljust(117) + b"\n"
    ),
}


def bomb_tiff() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((16, 16), np.uint8), compression="deflate", metadata=None, rowsperstrip=16)
    content = bytearray(stream.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(content))) as file:
        for code in (256, 257, 278):
            tag = file.pages[0].tags[code]
            struct.pack_into("<HII", content, tag.offset + 2, 4, 1, 30000)
    return bytes(content)


@pytest.mark.parametrize("name", BOMBS)
def test_a_header_that_claims_far_too_much_is_refused_at_once(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BOMBS[name]())
    with pytest.raises(FileError) as caught:
        files.read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_large_picture_of_few_bytes_is_still_a_picture(tmp_path: Path) -> None:
    PillowImage.new("L", (7000, 7000), 128).save(tmp_path / "a.png", optimize=True)
    assert files.read(tmp_path / "a.png").pixels.shape == (7000, 7000, 1)


def test_bands_go_into_tiff_only(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", samples("uint16", 6), photometric="minisblack", planarconfig="contig", metadata=None)
    with pytest.raises(FileError, match="6 channels"):
        files.read(tmp_path / "a.tif")
    with pytest.raises(FileError, match="6 channels"):
        through(tmp_path / "a.tif", tmp_path / "a.png")
    assert not (tmp_path / "a.png").exists()


def test_an_encoders_limits_are_our_error(tmp_path: Path) -> None:
    wide = images.from_array(np.zeros((2, 20000), np.uint8))
    with pytest.raises(FileError, match="cannot hold"):
        files.write(tmp_path / "a.webp", wide)
    assert list(tmp_path.iterdir()) == []


def test_alpha_is_not_filtered(tmp_path: Path) -> None:
    values = samples("uint16", 4)
    files.write(tmp_path / "a.png", images.from_array(values))
    restored: Image = pellucid.load("photo").restore(files.read(tmp_path / "a.png"), sigma=25)
    files.write(tmp_path / "b.png", replace(restored, text=(("Title", "t"),)))
    back = files.read(tmp_path / "b.png")
    assert back.alpha is not None
    np.testing.assert_array_equal(back.alpha, values[..., 3])
