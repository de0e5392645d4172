"""Files are read and written without imagecodecs as with it, and where that cannot be, the line names the extra that helps."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import files, samples
from pellucid.files import codecs

imagecodecs = pytest.importorskip("imagecodecs")

CHILD = """
import json, sys
from pathlib import Path
sys.modules["imagecodecs"] = None  # as where it is not installed
from pellucid import files
from pellucid.errors import PellucidError
answer = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        image = files.read(path, value_range="dtype")
        if path.suffix == ".tif":
            files.write(Path(sys.argv[2]) / path.name, image)
        files.write(Path(sys.argv[2]) / (path.stem + ".npy"), image)
    except PellucidError as error:
        answer[path.name] = [type(error).__name__, str(error)]
print(json.dumps(answer))
"""
"""Reads the files of one folder, and writes what they hold to another; prints the errors."""


def noise(dtype: str, *shape: int) -> NDArray[Any]:
    rng = np.random.default_rng(len(shape))
    values = rng.normal(0, 3, shape).cumsum(axis=1)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return (values * 100).astype(np.int64).astype(dtype)


def tiff(values: NDArray[Any], **settings: Any) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, values, **settings)


def content(made: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(made) and None


RGB = {"photometric": "rgb"}

READ: dict[str, Callable[[Path], None]] = {
    "png-gray.png": content(imagecodecs.png_encode(noise("uint16", 33, 47))),
    "png-gray-alpha.png": content(imagecodecs.png_encode(noise("uint16", 33, 47, 2))),
    "png-colour.png": content(imagecodecs.png_encode(noise("uint16", 33, 47, 3))),
    "png-colour-alpha.png": content(imagecodecs.png_encode(noise("uint16", 33, 47, 4))),
    "lzw-8.tif": tiff(noise("uint8", 33, 47, 3), compression="lzw", **RGB),
    "lzw-16.tif": tiff(noise("uint16", 33, 47, 3), compression="lzw", predictor=2, **RGB),
    "lzw-16-big.tif": tiff(noise("uint16", 33, 47, 3).astype(">u2"), compression="lzw", predictor=2, byteorder=">", **RGB),
    "lzw-tiles.tif": tiff(noise("uint8", 70, 90), compression="lzw", tile=(32, 16)),
    "lzw-strips.tif": tiff(noise("uint16", 70, 90), compression="lzw", rowsperstrip=9),
    "lzw-planes.tif": tiff(noise("uint8", 3, 40, 30), compression="lzw", planarconfig="separate", **RGB),
    "deflate-16.tif": tiff(noise("uint16", 33, 47, 3), compression="adobe_deflate", predictor=2, **RGB),
    "deflate-float.tif": tiff(noise("float32", 33, 47), compression="adobe_deflate", predictor=3),
    "lzw-float-colour.tif": tiff(noise("float32", 33, 47, 3), compression="lzw", predictor=3, **RGB),
    "float-tiles.tif": tiff(noise("float32", 70, 90, 3), compression="adobe_deflate", predictor=3, tile=(32, 32), **RGB),
    "float-big.tif": tiff(noise("float32", 33, 47).astype(">f4"), compression="adobe_deflate", predictor=3, byteorder=">"),
    "packbits.tif": tiff(noise("uint8", 33, 47), compression="packbits"),
    "plain.tif": tiff(noise("uint16", 33, 47)),
}
"""Files that are read without imagecodecs, to the bit."""

CLOSE: dict[str, Callable[[Path], None]] = {
    "jpeg-gray.tif": tiff(samples.photograph()[:64, :80, 1], compression="jpeg"),
    "jpeg-ycbcr.tif": tiff(samples.photograph()[:64, :80], compression="jpeg", photometric="ycbcr"),
    "jpeg-tiles.tif": tiff(samples.photograph()[:70, :90], compression="jpeg", photometric="ycbcr", tile=(32, 32)),
}
"""Files that are read by another JPEG decoder, whose chroma may be smoother."""

REFUSED: dict[str, Callable[[Path], None]] = {
    "jpegxl.jxl": content(imagecodecs.jpegxl_encode(noise("uint8", 33, 47, 3), lossless=True)),
    "avif-10.avif": content(imagecodecs.avif_encode(noise("uint16", 33, 48, 3) % 1024, bitspersample=10)),
    "jpeg2000.tif": tiff(noise("uint8", 33, 47, 3), compression="jpeg2000", **RGB),
    "webp.tif": tiff(noise("uint8", 33, 47, 3), compression="webp", **RGB),
    "12-bits.tif": tiff(noise("uint16", 32, 48) % 4096, bitspersample=12),
}
"""Files that need imagecodecs."""


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, list[str]]]:
    """The folder of the files, that of what the other process made of them, and its errors."""
    given, made = tmp_path_factory.mktemp("given"), tmp_path_factory.mktemp("made")
    for name, make in {**READ, **CLOSE, **REFUSED}.items():
        make(given / name)
    done = subprocess.run([sys.executable, "-c", CHILD, str(given), str(made)], capture_output=True, text=True, check=True)
    return given, made, json.loads(done.stdout)


def values_of(path: Path) -> NDArray[Any]:
    return np.asarray(pellucid.images.to_array(files.read(path, value_range="dtype")))


@pytest.mark.parametrize("name", READ)
def test_what_is_read_is_the_same_to_the_bit(child: tuple[Path, Path, dict[str, list[str]]], name: str) -> None:
    given, made, errors = child
    assert name not in errors, errors[name]
    due = np.atleast_3d(values_of(given / name))
    np.testing.assert_array_equal(np.atleast_3d(np.load(made / f"{Path(name).stem}.npy")), due)
    if name.endswith(".tif"):
        np.testing.assert_array_equal(np.atleast_3d(values_of(made / name)), due)


@pytest.mark.parametrize("name", [name for name in READ if name.startswith("lzw")])
def test_outputs_are_packed_as_their_sources(child: tuple[Path, Path, dict[str, list[str]]], name: str) -> None:
    with tifffile.TiffFile(child[1] / name) as file:
        assert file.pages.first.compression == tifffile.COMPRESSION.LZW


@pytest.mark.parametrize("name", CLOSE)
def test_jpeg_in_tiff_is_close(child: tuple[Path, Path, dict[str, list[str]]], name: str) -> None:
    given, made, errors = child
    assert name not in errors, errors[name]
    due = values_of(given / name).astype(float)
    found = np.atleast_3d(np.load(made / f"{Path(name).stem}.npy")).astype(float)
    assert found.shape == due.shape
    assert np.abs(found - due).mean() < 2


@pytest.mark.parametrize("name", REFUSED)
def test_the_line_names_the_extra(child: tuple[Path, Path, dict[str, list[str]]], name: str) -> None:
    kind, line = child[2][name]
    assert kind == "MissingExtra"
    assert "pip install 'pellucid[codecs]'" in line
    # With it, the same file is read.
    assert values_of(child[0] / name).size


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pngs_of_16_bits_are_what_libpng_reads(channels: int) -> None:
    given = noise("uint16", 21, 34, channels)
    made = imagecodecs.png_encode(given)
    np.testing.assert_array_equal(np.atleast_3d(codecs.png_samples(made)), given)


def test_a_cut_off_png_of_16_bits_is_an_error(tmp_path: Path) -> None:
    made = imagecodecs.png_encode(noise("uint16", 60, 70, 3))
    (tmp_path / "a.png").write_bytes(made[: len(made) // 2])
    with pytest.raises(pellucid.FileError):
        files.read(tmp_path / "a.png")


@pytest.mark.parametrize("size", [1, 2, 255, 4096, 70_001])
def test_lzw_is_that_of_other_programs(size: int) -> None:
    given = noise("uint8", 1, size).tobytes()
    assert codecs._lzw_decoded(bytes(imagecodecs.lzw_encode(given)), out=size) == given
    assert bytes(imagecodecs.lzw_decode(codecs._lzw_encoded(given))) == given


def test_what_is_unpacked_has_the_size_that_there_is_room_for() -> None:
    bomb = codecs.deflated(bytes(10_000_000))
    assert len(codecs._inflated(bomb, out=1000)) == 1000


def test_deflate_is_that_of_zlib(monkeypatch: pytest.MonkeyPatch) -> None:
    import zlib

    given = noise("uint8", 100, 100).tobytes()
    assert zlib.decompress(codecs.deflated(given, 2)) == given
    monkeypatch.setitem(sys.modules, "deflate", None)
    assert zlib.decompress(codecs.deflated(given)) == given


def test_tifffile_takes_what_it_is_lent() -> None:
    # 2026.11.8 (Python 3.12 and later) refuses codecs of other packages: their module must be its own.
    lent = SimpleNamespace(__name__="tifffile._imagecodecs")
    codecs.lend(SimpleNamespace(tifffile=SimpleNamespace(imagecodecs=lent)))
    functions = {name: value for name, value in vars(lent).items() if callable(value)}
    assert len(functions) == 5
    assert {value.__module__ for value in functions.values()} == {"tifffile._imagecodecs"}


def test_pillow_has_the_unpackers_that_this_rests_on() -> None:
    # They are not in its documentation.
    for mode, kind in (("RGB", "RGB;16B"), ("RGB", "RGB;16L"), ("RGBA", "RGBA;16B"), ("RGBA", "RGBA;16L"), ("I;16", "I;16B")):
        wide = 2 * len(PillowImage.new(mode.replace("I;16", "L"), (1, 1)).getbands())
        assert PillowImage.frombytes(mode, (2, 1), bytes(2 * wide), "raw", kind).size == (2, 1)
