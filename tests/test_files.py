"""Files: what is written comes back, what is damaged is refused in one line, and nobody's file is lost."""

from __future__ import annotations

import gzip
import io
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import degradations, files, images, samples
from pellucid.errors import FileError, MissingExtra
from pellucid.files import claims, codecs, png
from pellucid.files.photographs import JpegNotes
from pellucid.images import Image

LOSSLESS = [".png", ".tif", ".tiff", ".webp"]
DEEP = [".png", ".tif"]
ICC = b"an ICC profile stands here; nobody reads into it" * 4


def picture(dtype: type, channels: int, side: tuple[int, int] = (33, 47)) -> Image:
    rng = np.random.default_rng(channels)
    shape = (*side, channels) if channels != 1 else side
    if np.dtype(dtype).kind == "f":
        return images.from_array(rng.random(shape).astype(dtype))
    return images.from_array(rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True))


def as_array(image: Image) -> NDArray[np.generic]:
    return images.to_array(replace(image, flat=False))


@pytest.mark.parametrize("packer", ["libdeflate", "zlib"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pngs_are_what_other_readers_read(dtype: type, channels: int, packer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import imagecodecs

    # Bands of few rows, chunks of few bytes: what large pictures have.
    monkeypatch.setattr(png, "BAND", 300)
    monkeypatch.setattr(png, "MOST", 500)
    if packer == "zlib":
        monkeypatch.setitem(sys.modules, "deflate", None)
    rng = np.random.default_rng(channels)
    values = rng.integers(0, np.iinfo(dtype).max, (34, 94, channels), dtype=dtype, endpoint=True)
    values[:12] = values[0]
    values[20:] = np.arange(94)[None, :, None]
    for given in (values[::-1, ::2], values[5:6, :1], values[:1], values[:, 3:4]):
        colours = 1 if channels < 3 else 3
        alpha = given[..., -1] if channels in (2, 4) else None
        image = replace(images.from_array(np.ascontiguousarray(given[..., :colours])), pixels=given[..., :colours], alpha=alpha)
        content = png.to_png(image)
        np.testing.assert_array_equal(np.atleast_3d(imagecodecs.png_decode(content)).reshape(given.shape), given)
        if dtype == np.uint8:
            with PillowImage.open(io.BytesIO(content)) as opened:
                np.testing.assert_array_equal(np.asarray(opened).reshape(given.shape), given)
    # A row that repeats the one above suits the filter by the row above (2); a ramp's first row, that by the pixel to the left (1).
    assert set(png._filtered(values)[:, 0]) == {1, 2}


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ending", LOSSLESS)
def test_8_bits_come_back(tmp_path: Path, ending: str, channels: int) -> None:
    image, path = picture(np.uint8, channels), tmp_path / f"a{ending}"
    files.write(path, image)
    back = files.read(path)
    assert back.dtype == np.uint8
    if ending == ".webp" and channels == 1:
        # WebP has no gray: three equal channels come back.
        np.testing.assert_array_equal(as_array(back), np.repeat(as_array(image), 3, axis=2))
    else:
        np.testing.assert_array_equal(as_array(back), as_array(image))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("ending", DEEP)
def test_16_bits_come_back(tmp_path: Path, ending: str, channels: int) -> None:
    image, path = picture(np.uint16, channels), tmp_path / f"a{ending}"
    files.write(path, image)
    back = files.read(path)
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(as_array(back), as_array(image))


@pytest.mark.parametrize("ending", DEEP)
def test_gray_with_alpha_comes_back(tmp_path: Path, ending: str) -> None:
    for dtype in (np.uint8, np.uint16):
        image = replace(picture(dtype, 1), alpha=as_array(picture(dtype, 4))[..., 3])
        path = tmp_path / f"{np.dtype(dtype).name}{ending}"
        files.write(path, image)
        back = files.read(path)
        np.testing.assert_array_equal(as_array(back)[..., :1], as_array(replace(image, alpha=None, flat=False)))
        assert back.alpha is not None
        np.testing.assert_array_equal(back.alpha, image.alpha)


def test_float_tiff_comes_back_beyond_the_range(tmp_path: Path) -> None:
    image = images.from_array((np.random.default_rng(0).random((9, 8)) * 3 - 1).astype(np.float32))
    files.write(tmp_path / "a.tif", image)
    back = files.read(tmp_path / "a.tif", value_range="dtype")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.pixels, image.pixels)
    # Left to itself, the image's own ends are black and white, and its values come back.
    own = files.read(tmp_path / "a.tif")
    assert (own.pixels.min(), own.pixels.max()) == (0, 1)
    np.testing.assert_allclose(as_array(own), image.pixels, atol=1e-6)


@pytest.mark.parametrize("subsampling", [0, 2])
def test_jpeg_is_close_and_not_coarser_than_it_was(tmp_path: Path, photograph: NDArray[np.float64], subsampling: int) -> None:
    source = tmp_path / "in.jpg"
    PillowImage.fromarray(np.rint(photograph * 255).astype(np.uint8)).save(source, quality=90, subsampling=subsampling)
    image = files.read(source)
    assert isinstance(image.notes, JpegNotes)
    assert image.notes.subsampling == subsampling
    files.write(tmp_path / "out.jpg", image)
    back = files.read(tmp_path / "out.jpg")
    assert isinstance(back.notes, JpegNotes)
    assert back.notes.subsampling == subsampling
    assert np.abs(back.pixels - image.pixels).mean() < 2 / 255


@pytest.mark.parametrize(
    ("ending", "dtype"),
    [(".png", np.uint8), (".png", np.uint16), (".tif", np.uint8), (".tif", np.uint16), (".webp", np.uint8), (".jpg", np.uint8)],
)
def test_profile_resolution_and_exif_are_kept(tmp_path: Path, ending: str, dtype: type) -> None:
    exif = PillowImage.Exif()
    exif[0x010F] = "Maker"
    image = replace(picture(dtype, 3), icc=ICC, exif=exif.tobytes(), resolution=(300.0, 300.0))
    path = tmp_path / f"a{ending}"
    files.write(path, image)
    back = files.read(path)
    assert back.icc == ICC
    if ending != ".webp":
        assert back.resolution == pytest.approx((300, 300), abs=0.1)
    if ending != ".tif":
        read = PillowImage.Exif()
        assert back.exif is not None
        read.load(back.exif)
        assert read[0x010F] == "Maker"


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied_once(tmp_path: Path, turn: int) -> None:
    from PIL import ImageOps

    exif = PillowImage.Exif()
    exif[files.ORIENTATION] = turn
    path = tmp_path / "turned.png"
    PillowImage.fromarray(np.rint(as_array(picture(np.uint8, 3))).astype(np.uint8)).save(path, exif=exif)
    with PillowImage.open(path) as source:
        expected = np.asarray(ImageOps.exif_transpose(source))
    image = files.read(path)
    np.testing.assert_array_equal(as_array(image), expected)
    files.write(tmp_path / "again.png", image)
    np.testing.assert_array_equal(as_array(files.read(tmp_path / "again.png")), expected)


def test_palettes_inks_and_bits_become_what_they_show(tmp_path: Path) -> None:
    rgb = PillowImage.fromarray(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8))
    rgb.quantize(16).save(tmp_path / "palette.png")
    with PillowImage.open(tmp_path / "palette.png") as source:
        expected = np.asarray(source.convert("RGB"))
    np.testing.assert_array_equal(as_array(files.read(tmp_path / "palette.png")), expected)
    rgb.convert("1").save(tmp_path / "bits.png")
    assert set(np.unique(as_array(files.read(tmp_path / "bits.png")))) <= {0, 255}
    rgb.convert("CMYK").save(tmp_path / "inks.jpg", icc_profile=ICC)
    inks = files.read(tmp_path / "inks.jpg")
    assert inks.pixels.shape == (20, 20, 3)
    # The profile was of the inks: on RGB it would lie.
    assert inks.icc is None


@pytest.mark.parametrize(
    "settings", [{"compression": "lzw"}, {"photometric": "miniswhite"}, {"planarconfig": "separate"}, {"tile": (16, 16)}]
)
def test_tiffs_of_others_are_read(tmp_path: Path, settings: dict[str, object]) -> None:
    separate = settings.get("planarconfig") == "separate"
    values = np.random.default_rng(0).integers(0, 65536, (3, 40, 50) if separate else (40, 50), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, **({"photometric": "rgb"} if separate else {}), **settings)
    read = as_array(files.read(tmp_path / "a.tif"))
    expected = values.transpose(1, 2, 0) if separate else values[..., None]
    np.testing.assert_array_equal(read, 65535 - expected if settings.get("photometric") == "miniswhite" else expected)


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.9])
def test_truncated_files_are_our_error(tmp_path: Path, ending: str, share: float) -> None:
    whole = tmp_path / f"whole{ending}"
    files.write(whole, picture(np.uint8, 3, (200, 200)))
    content = whole.read_bytes()
    broken = tmp_path / f"broken{ending}"
    broken.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FileError) as caught:
        files.read(broken)
    assert str(broken) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_16_bit_png_is_our_error(tmp_path: Path) -> None:
    files.write(tmp_path / "a.png", picture(np.uint16, 3, (200, 200)))
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(FileError):
        files.read(tmp_path / "b.png")


@pytest.mark.parametrize("name", ["missing.png", "letter.txt", "noending", "folder.png"])
def test_what_cannot_be_read_is_our_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "letter.txt").write_text("hello")
    (tmp_path / "noending").write_text("hello")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(FileError):
        files.read(tmp_path / name)


def test_words_under_a_pictures_name_are_our_error(tmp_path: Path) -> None:
    for entry in files.FORMATS:
        path = tmp_path / f"words{entry.endings[0]}"
        path.write_text("these are words, not a picture " * 40)
        with pytest.raises((FileError, MissingExtra)) as caught:
            files.read(path)
        assert "\n" not in str(caught.value)
        assert entry.name in str(caught.value) or isinstance(caught.value, MissingExtra)


def test_animations_and_stacks_are_refused_not_cut(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", np.zeros((3, 20, 20), np.uint8), photometric="minisblack")
    with pytest.raises(FileError, match="3 pages"):
        files.read(tmp_path / "stack.tif")
    frames = [PillowImage.new("RGB", (20, 20), (shade, 0, 0)) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(FileError, match="3 pages"):
        files.read(tmp_path / "film.webp")


def test_an_existing_file_is_never_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(FileError, match="exists"):
        files.write(path, picture(np.uint8, 3))
    assert path.read_bytes() == b"mine"
    files.write(path, picture(np.uint8, 3), overwrite=True)
    assert files.read(path).pixels.shape == (33, 47, 3)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="transparency"):
        files.write(tmp_path / "a.jpg", picture(np.uint8, 4))
    with pytest.raises(FileError, match="cannot be written"):
        files.write(tmp_path / "nowhere" / "a.png", picture(np.uint8, 3))
    with pytest.raises(FileError, match="ending"):
        files.write(tmp_path / "a.xyz", picture(np.uint8, 3))
    assert list(tmp_path.iterdir()) == []


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MOST_PIXELS", 100)
    for ending in (".png", ".tif", ".webp", ".jpg", ".bmp", ".ppm", ".avif", ".npy"):
        files.write(tmp_path / f"a{ending}", picture(np.uint8, 3))
        with pytest.raises(FileError, match="more than"):
            files.read(tmp_path / f"a{ending}")


def test_pillows_own_limit_is_lifted_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    colours = PillowImage.fromarray(pixels)
    PillowImage.fromarray(pixels[..., 0]).save(tmp_path / "gray.png")
    files.write(tmp_path / "deep.png", picture(np.uint16, 3, (40, 50)))
    colours.convert("YCbCr").save(tmp_path / "ycbcr.tif")
    colours.save(tmp_path / "jpeg.tif", compression="jpeg")
    colours.save(tmp_path / "lzw.tif", compression="tiff_lzw")
    colours.save(tmp_path / "moving.gif", save_all=True, append_images=[PillowImage.fromarray(pixels[::-1])])
    packed = tifffile.imread(tmp_path / "lzw.tif").tobytes()
    monkeypatch.setattr(codecs, "is_whole", lambda: False)
    monkeypatch.setattr(PillowImage, "MAX_IMAGE_PIXELS", 10)
    for path in sorted(tmp_path.iterdir()):
        with files.open_pages(path) as document:
            assert {page.pictures[0].pixels.shape[:2] for page in document.pages} == {(40, 50)}
    assert codecs._lzw_decoded(codecs._lzw_encoded(packed), out=len(packed)) == packed
    assert degradations.Jpeg(50)(pixels / np.float32(255), np.random.default_rng(0)).shape == pixels.shape
    assert PillowImage.MAX_IMAGE_PIXELS == 10
    # No other way leads to Pillow.
    source = Path(pellucid.__file__).parent
    others = [path for path in source.rglob("*.py") if "PillowImage.open(" in path.read_text("utf-8")]
    assert others == [source / "pillow.py"]


def test_list_images_knows_the_endings(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in files.list_images(tmp_path)] == ["a.JPG", "b.png"]
    with pytest.raises(FileError):
        files.list_images(tmp_path / "none")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp", ".avif", ".bmp", ".pnm", ".npy", ".heic", ".exr", ".dcm"])
def test_the_first_bytes_say_the_ending(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    image = (
        images.from_array(np.random.default_rng(0).random((20, 30, 3), np.float32)) if ending == ".exr" else picture(np.uint8, 3)
    )
    if ending == ".dcm":
        path.write_bytes(bytes(128) + b"DICM")
    else:
        try:
            files.write(path, image)
        except MissingExtra as error:
            pytest.skip(str(error))
    found = files.ending_of(path.read_bytes())
    assert found == ending
    assert found in {ending for kind in files.FORMATS for ending in kind.endings}


def test_what_begins_as_no_picture_has_no_ending() -> None:
    assert files.ending_of(b"II*\0\x10\0\0\0CR\2\0" + bytes(40)) == ".cr2"
    assert files.ending_of(b"P2 1 1 9 5") == ".pnm"
    for content in (b"", b"words", b"P7\n", b"BA", bytes(200)):
        with pytest.raises(FileError, match="no picture in a known format"):
            files.ending_of(content)
    with pytest.raises(FileError, match="PDF, which is not a known format"):
        files.ending_of(b"%PDF-1.7")


def test_the_finished_file_is_shown_before_it_has_its_name(tmp_path: Path) -> None:
    path, seen = tmp_path / "a.tif", []

    def look(temporary: Path) -> None:
        seen.append((temporary.read_bytes(), path.exists()))

    files.write(path, picture(np.uint8, 3), before=look)
    assert seen == [(path.read_bytes(), False)]
    with files.open_pages(path) as document:
        files.write_pages(path, list(document.pages), document, overwrite=True, before=look)
    assert seen[1] == (path.read_bytes(), True)

    def refuse(temporary: Path) -> None:
        raise FileError("no")

    with pytest.raises(FileError, match=r"^no$"):
        files.write(tmp_path / "b.png", picture(np.uint8, 3), before=refuse)
    assert list(tmp_path.iterdir()) == [path]


def idx(array: NDArray[np.uint8]) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def test_idx_plain_and_gzipped(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    (tmp_path / "plain").write_bytes(idx(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx(array)))
    for name in ("plain", "packed.gz"):
        np.testing.assert_array_equal(files.read_idx(tmp_path / name), array)


@pytest.mark.parametrize(
    "content",
    # Without the time, which would be another in each process that collects these tests.
    [b"", b"words", idx(np.zeros((5, 28, 28), np.uint8))[:-1], gzip.compress(idx(np.zeros(9, np.uint8)), mtime=0)[:-9]],
)
def test_damaged_idx_is_our_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(FileError):
        files.read_idx(tmp_path / "a")


def test_mnist_folder(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="train-images"):
        files.load_mnist(tmp_path)
    for key, name in files.MNIST_FILES.items():
        (tmp_path / name).write_bytes(idx(np.full((2, 28, 28) if "images" in key else (2,), len(key), np.uint8)))
    assert {key: value.shape for key, value in files.load_mnist(tmp_path).items()} == {
        "train_images": (2, 28, 28),
        "train_labels": (2,),
        "test_images": (2, 28, 28),
        "test_labels": (2,),
    }


def test_icc_of_a_16_bit_png_is_read_by_others(tmp_path: Path) -> None:
    files.write(tmp_path / "a.png", replace(picture(np.uint16, 3), icc=ICC, resolution=(72.0, 72.0)))
    with PillowImage.open(io.BytesIO((tmp_path / "a.png").read_bytes())) as other:
        other.verify()
        assert other.info["icc_profile"] == ICC
        assert other.info["dpi"] == pytest.approx((72, 72), abs=0.1)


def test_of_a_jpeg_with_pictures_behind_it_the_first_is_read(tmp_path: Path) -> None:
    first, second = samples.photograph()[:40, :48], samples.photograph()[100:140, :48]
    path = tmp_path / "phone.jpg"
    PillowImage.fromarray(first).save(path, "MPO", save_all=True, append_images=[PillowImage.fromarray(second)], quality=95)
    assert b"MPF" in path.read_bytes()
    assert np.abs(files.read(path).pixels - first / 255).mean() < 0.03
    path.write_bytes(b"no picture")
    with pytest.raises(FileError, match="not a JPEG file") as caught:
        files.read(path)
    assert "MPO" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices there")
@pytest.mark.parametrize("name", ["z.png", "z.npy", "z.tif", "z.pgm", "z.jpg"])
def test_devices_and_pipes_are_no_pictures(name: str, tmp_path: Path) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    os.mkfifo(tmp_path / f"pipe-{name}")
    for path in (tmp_path / name, tmp_path / f"pipe-{name}"):
        with pytest.raises(FileError, match="not a regular file"):
            files.read(path)
    link = tmp_path / f"link-{name}"
    channels = 1 if name.endswith(".pgm") else 3
    files.write(tmp_path / f"a-{name}", picture(np.uint8, channels))
    link.symlink_to(tmp_path / f"a-{name}")
    assert files.read(link).pixels.shape[2] == channels
