"""Large pictures: read, restored and written in bands, they come out byte for byte as they do when memory holds them whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from pellucid import batch, files, images, restorer
from pellucid.files import base

HEIGHT, WIDTH = 301, 213


def values(shape: tuple[int, ...], dtype: str, top: float | None = None) -> NDArray[Any]:
    rng = np.random.default_rng(7)
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * (top or 1)).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min if top is None else 0, int(top or limits.max), shape, dtype, endpoint=True)


def tiff(path: Path, array: NDArray[Any], **how: Any) -> None:
    settings = {"photometric": "rgb" if array.ndim == 3 and array.shape[2] > 2 else "minisblack", "metadata": None, **how}
    tifffile.imwrite(path, array, **settings)


COLOUR, GRAY, ALPHA = (HEIGHT, WIDTH, 3), (HEIGHT, WIDTH), (HEIGHT, WIDTH, 4)

SOURCES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "tiles": (".tif", lambda path: tiff(path, values(COLOUR, "uint8"), tile=(64, 48), compression="adobe_deflate", predictor=2)),
    "strips": (".tif", lambda path: tiff(path, values(COLOUR, "uint8"), compression="lzw", rowsperstrip=7)),
    "plain": (".tif", lambda path: tiff(path, values(COLOUR, "uint16"))),
    "zstd": (".tif", lambda path: tiff(path, values(GRAY, "uint16"), compression="zstd", tile=(32, 32))),
    "plain strips": (".tif", lambda path: tiff(path, values(GRAY, "uint8"), rowsperstrip=10)),
    "big-endian": (".tif", lambda path: tiff(path, values(COLOUR, "uint16"), byteorder=">")),
    "big-endian tiles": (".tif", lambda path: tiff(path, values(COLOUR, "uint16"), byteorder=">", tile=(64, 64))),
    "BigTIFF": (".tif", lambda path: tiff(path, values(COLOUR, "uint8"), bigtiff=True, tile=(64, 64))),
    "alpha": (".tif", lambda path: tiff(path, values(ALPHA, "uint8"), extrasamples=["unassalpha"], tile=(64, 64))),
    "white is dark": (".tif", lambda path: tiff(path, values(GRAY, "uint8"), photometric="miniswhite", compression="deflate")),
    "12 bits": (".tif", lambda path: tiff(path, values(GRAY, "uint16", 4095), extratags=[(281, 3, 1, 4095, True)])),
    "signed": (".tif", lambda path: tiff(path, values(GRAY, "int16"), tile=(64, 64))),
    "floats": (".tif", lambda path: tiff(path, values(GRAY, "float32", 40.0), compression="deflate")),
    "deep integers": (".tif", lambda path: tiff(path, values(GRAY, "uint32"))),
    "npy": (".npy", lambda path: np.save(path, values(COLOUR, "uint8"))),
    "npy floats": (".npy", lambda path: np.save(path, values(GRAY, ">f4"))),
    "PPM": (".ppm", lambda path: files.write(path, images.from_array(values(COLOUR, "uint8")))),
    "PGM": (".pgm", lambda path: files.write(path, images.from_array(values(GRAY, "uint16")))),
}


def restored(source: Path, target: Path, model: restorer.Restorer, **settings: Any) -> batch.Outcome:
    (outcome,) = batch.restore_files(batch.plan([source], target), model, batch.Settings(**settings), overwrite=True)
    return outcome


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of some 80 pixels a side, so that small pictures have several bands."""
    monkeypatch.setattr(restorer, "TILE", 80)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("name", SOURCES)
def test_bands_give_the_same_file(name: str, tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ending, make = SOURCES[name]
    source = tmp_path / f"in{ending}"
    make(source)
    model = restorer.load(gray_model)
    told: dict[str, Any] = {"sigma": 10} if name != "tiles" else {}
    whole = restored(source, tmp_path / f"whole{ending}", model, **told)
    monkeypatch.setattr(base, "BANDED", 1000)
    with files.open_pages(source, sparing=True) as document:
        (page,) = document.pages
        assert isinstance(page.pictures[0].pixels, images.Rows)
    bands = restored(source, tmp_path / f"bands{ending}", model, **told)
    assert (whole.error, bands.error) == (None, None)
    assert (bands.sigma, bands.width, bands.height) == (whole.sigma, whole.width, whole.height)
    assert bands.seconds > 0
    assert (tmp_path / f"bands{ending}").read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    # As an array by itself, too.
    if ending == ".npy":
        np.testing.assert_array_equal(
            np.load(tmp_path / "bands.npy"), model.restore(np.load(source).astype("=f4" if "f" in name else "u1"), **told)
        )
