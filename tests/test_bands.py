"""Large pictures: read, restored and written in bands, they come out byte for byte as they do when memory holds them whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from pellucid import batch, files, images, manifest, plan, restorer, tiling
from pellucid.files import base
from pellucid.tasks import DenoiseSettings, denoise
from pellucid.tasks.settings import FileSettings

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


def restored(source: Path, target: Path, model: restorer.Restorer, *, range: str = "auto", **settings: Any) -> batch.Outcome:
    how = FileSettings(range=range)
    (outcome,) = batch.restore_files(plan.plan([source], target), model, DenoiseSettings(**settings), how, overwrite=True)
    return outcome


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of some 80 pixels a side, so that small pictures have several bands."""
    monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 80))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("axis", [0, 1], ids=["rows", "columns"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_lighter_rows_and_columns_are_evened_out_in_bands_too(
    axis: int, dtype: str, photograph: NDArray[np.float64], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = 255 * photograph[:HEIGHT, :WIDTH, 1]
    lighter = np.random.default_rng(3).normal(0, 9, clean.shape[axis])
    values = clean + np.expand_dims(lighter, 1 - axis)
    tiff(
        tmp_path / "in.tif", np.rint(values.clip(0, 255)).astype("uint8") if dtype == "uint8" else (values / 255).astype("float32")
    )
    model, outputs = restorer.load("photo"), []
    for case in ("whole", "bands"):
        outcome = restored(tmp_path / "in.tif", tmp_path / f"{case}.tif", model)
        assert outcome.error is None
        outputs.append(tifffile.imread(tmp_path / f"{case}.tif") * (1.0 if dtype == "uint8" else 255))
        monkeypatch.setattr(base, "BANDED", 1000)
    whole, bands = (np.sqrt(np.mean((output - clean) ** 2)) for output in outputs)
    assert bands < 0.7 * np.sqrt(np.mean((values - clean) ** 2))
    assert bands == pytest.approx(whole, rel=0.03)
    if axis == 0:
        np.testing.assert_array_equal(*outputs)


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
        pieces = tiling.cut(HEIGHT, WIDTH, tile=80, halo=model.card.halo, multiple_of=model.card.multiple_of)
        assert len(pieces.rows) > 2
    bands = restored(source, tmp_path / f"bands{ending}", model, **told)
    assert (whole.error, bands.error) == (None, None)
    assert (bands.facts["sigma"], bands.width, bands.height) == (whole.facts["sigma"], whole.width, whole.height)
    assert bands.seconds > 0
    assert (tmp_path / f"bands{ending}").read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    # Restoring the array in Python gives the same.
    if ending == ".npy":
        np.testing.assert_array_equal(
            np.load(tmp_path / "bands.npy"), model.restore(np.load(source).astype("=f4" if "f" in name else "u1"), **told)
        )


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".npy", ".pgm", ".tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_bands_go_into_every_format(
    ending: str, dtype: str, tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the format can take them so or not."""
    tiff(tmp_path / "in.tif", values(GRAY, dtype), tile=(64, 64))
    model = restorer.load(gray_model)
    whole = restored(tmp_path / "in.tif", tmp_path / f"whole{ending}", model, sigma=10)
    monkeypatch.setattr(base, "BANDED", 1000)
    bands = restored(tmp_path / "in.tif", tmp_path / f"bands{ending}", model, sigma=10)
    assert (whole.error, bands.error) == (None, None)
    assert (tmp_path / f"bands{ending}").read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    # Restoring a picture that the caller has read gives the same.
    files.write(tmp_path / f"read{ending}", model.restore(files.read(tmp_path / "in.tif"), sigma=10))
    assert files.read(tmp_path / f"read{ending}").pixels.tobytes() == files.read(tmp_path / f"bands{ending}").pixels.tobytes()


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("ending", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("sigma", [10, None])
def test_a_narrow_range_is_spread_without_steps(
    ending: str, sigma: float | None, tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ramp = np.tile(np.linspace(100, 140, WIDTH), (HEIGHT, 1)) + np.random.default_rng(0).standard_normal((HEIGHT, WIDTH))
    tiff(tmp_path / "in.tif", np.rint(ramp).astype(np.uint8), tile=(64, 64))
    model = restorer.load(gray_model)
    told: dict[str, Any] = {"sigma": sigma, "range": "90:150"}
    whole = restored(tmp_path / "in.tif", tmp_path / f"whole{ending}", model, **told)
    monkeypatch.setattr(base, "BANDED", 1000)
    bands = restored(tmp_path / "in.tif", tmp_path / f"bands{ending}", model, **told)
    assert (whole.error, bands.error) == (None, None)
    assert (tmp_path / f"bands{ending}").read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    plain = model.restore(files.read(tmp_path / "in.tif", value_range=(90, 150)), sigma=sigma)
    files.write(tmp_path / f"read{ending}", plain)
    np.testing.assert_array_equal(files.read(tmp_path / f"read{ending}").pixels, files.read(tmp_path / f"bands{ending}").pixels)


@pytest.mark.usefixtures("small_pieces")
def test_a_large_picture_that_lies_on_its_side_is_turned(tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiff(tmp_path / "in.tif", values(COLOUR, "uint8"), extratags=[(274, 3, 1, 6, True)])
    model = restorer.load(gray_model)
    whole = restored(tmp_path / "in.tif", tmp_path / "whole.tif", model, sigma=10)
    monkeypatch.setattr(base, "BANDED", 1000)
    bands = restored(tmp_path / "in.tif", tmp_path / "bands.tif", model, sigma=10)
    assert (whole.error, bands.error, bands.width, bands.height) == (None, None, HEIGHT, WIDTH)
    assert (tmp_path / "bands.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()


@pytest.mark.usefixtures("small_pieces")
def test_what_breaks_in_the_middle_is_one_line_and_leaves_nothing(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "BANDED", 1000)
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    tiff(root / "a.tif", values(COLOUR, "uint8"), tile=(64, 64), compression="deflate")
    with tifffile.TiffFile(root / "a.tif") as file:
        last = file.pages[0].dataoffsets[-1]  # type: ignore[union-attr]
    content = bytearray((root / "a.tif").read_bytes())
    content[last : last + 40] = bytes(40)
    (root / "a.tif").write_bytes(content)
    (root / "b.tif").write_bytes(content[:-3000])
    (root / "c.ppm").write_bytes(b"P6 70 70 255\n" + bytes(70 * 70 * 3))
    np.save(root / "d.npy", np.where(np.arange(10_000).reshape(100, 100) == 9_000, np.nan, np.float32(0.5)))
    outcomes = list(batch.restore_files(plan.plan([root], out), restorer.load(gray_model), DenoiseSettings(sigma=10)))
    said = [str(outcome.error) for outcome in outcomes]
    assert said[0].startswith(f"{root}/a.tif: it is damaged, or not a TIFF file")
    assert said[1] == f"{root}/b.tif: the pixels are cut off"
    assert said[2] == "None"
    assert said[3] == "None"
    assert sorted(path.name for path in out.iterdir()) == [manifest.MANIFEST, "c.ppm", "d.npy"]
    assert np.flatnonzero(np.isnan(np.load(out / "d.npy"))).tolist() == [9_000]


def test_bands_are_given_in_order_and_in_any_height() -> None:
    array = np.arange(60).reshape(20, 3)
    rows = images.streamed((20, 3), array.dtype, iter([array[:7], array[7:8], array[8:20]]))
    taken = [rows.take(0, 3), rows.take(3, 10), rows.take(10, 20)]
    np.testing.assert_array_equal(np.concatenate(taken), array)
    with pytest.raises(ValueError, match="row 5"):
        images.streamed((20, 3), array.dtype, iter([array])).take(5, 6)


def test_a_plain_image_can_be_made_of_any() -> None:
    array = values(ALPHA, "uint8")
    spared = images.from_array(array, sparing=True)
    assert spared.pixels.dtype == np.uint8
    plain = images.from_array(array)
    np.testing.assert_array_equal(images.floating(spared).pixels, plain.pixels)
    rows = images.from_rows(images.Rows(array.shape, array.dtype, lambda top, bottom: array[top:bottom]), "dtype")
    np.testing.assert_array_equal(images.floating(rows).pixels, plain.pixels)
    np.testing.assert_array_equal(images.to_array(rows), array)
    nothing = images.Rows((2, 2, 3), np.dtype(np.float32), lambda top, bottom: np.full((bottom - top, 2, 3), np.nan, np.float32))
    # One page of a stack may be so.
    empty = images.from_rows(nothing, "auto")
    assert empty.empty
    assert np.isnan(images.to_array(empty)).all()
    assert np.isfinite(images.floating(empty).pixels).all()
