"""OME-Zarr: what came in comes out, seen by another program (TensorStore); pyramids, refusals, kills."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import batch, files, images, manifest, plan, restorer, saving
from pellucid.errors import FileError, MemoryShort, MissingExtra, OptionError
from pellucid.files import base, omezarr, packing
from pellucid.tasks import DenoiseSettings

zarr = pytest.importorskip("zarr", reason="the extra zarr is not installed")

AXES = {
    "yx": (24, 33),
    "cyx": (2, 24, 33),
    "zyx": (3, 24, 33),
    "tczyx": (2, 2, 3, 24, 33),
}

KINDS = {
    "t": ("time", "second"),
    "c": ("channel", None),
    "z": ("space", "micrometer"),
    "y": ("space", "micrometer"),
    "x": ("space", "micrometer"),
}


def halved(values: NDArray[Any]) -> NDArray[Any]:
    """Means of 2x2 pixels, what is left over at the ends not counted."""
    height, width = (side // 2 * 2 for side in values.shape[-2:])
    blocks = values[..., :height, :width].astype(np.float64).reshape(*values.shape[:-2], height // 2, 2, width // 2, 2)
    means = blocks.mean(axis=(-3, -1))
    return (np.rint(means) if values.dtype.kind in "iu" else means).astype(values.dtype)


def pyramid(
    path: Path,
    values: NDArray[Any],
    axes: str,
    version: int,
    *,
    chunks: tuple[int, ...] | None = None,
    levels: int = 2,
    labels: bool = False,
    **how: Any,
) -> Path:
    """An image as NGFF 0.4 (Zarr 2) or 0.5 (Zarr 3), written by zarr-python, pixels of which are right at every level."""
    described = []
    for name in axes:
        kind, unit = KINDS[name]
        described.append({"name": name, "type": kind, **({"unit": unit} if unit else {})})
    datasets = []
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    for level in range(levels):
        if level:
            values = halved(values)
        inner = tuple(min(many, side) for many, side in zip(chunks or values.shape, values.shape, strict=True))
        more = {"dimension_names": list(axes)} if version == 3 else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
        group.create_array(str(level), shape=values.shape, dtype=values.dtype, chunks=inner, **more, **how)[...] = values
        scale = [1.0] * (len(axes) - 2) + [0.5 * 2**level] * 2
        datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    said: dict[str, Any] = {
        "multiscales": [{"name": "cells", "axes": described, "datasets": datasets, "type": "local mean"}],
        "omero": {"channels": [{"label": "DAPI", "color": "0000FF", "window": {"start": 3, "end": 900, "min": 0, "max": 65535}}]},
    }
    if version == 2:
        said["multiscales"][0]["version"] = "0.4"
        group.attrs.update({**said, "mine": [1, 2]})
    else:
        group.attrs.update({"ome": {"version": "0.5", **said}, "mine": [1, 2]})
    if labels:
        inner = group.create_group("labels")
        inner.attrs.update({"labels": ["nuclei"]})
        nuclei = inner.create_group("nuclei").create_array("0", shape=values.shape, dtype="uint32", chunks=values.shape)
        nuclei[...] = 7
    return path


def samples(shape: tuple[int, ...], dtype: str, seed: int = 0) -> NDArray[Any]:
    drawn = np.random.default_rng(seed).random(shape)
    return (drawn if np.dtype(dtype).kind == "f" else drawn * min(np.iinfo(dtype).max, 60000)).astype(dtype)


def through(source: Path, target: Path, **how: Any) -> Path:
    with files.open_pages(source, sparing=how.pop("sparing", False)) as document:
        files.write_pages(target, document.pages, document, **how)
    return target


def by_tensorstore(path: Path, version: int) -> NDArray[Any]:
    """An array as TensorStore reads it, which shares no code with zarr-python."""
    tensorstore = pytest.importorskip("tensorstore", reason="tensorstore is not installed")
    driver = "zarr" if version == 2 else "zarr3"
    return np.asarray(
        tensorstore.open({"driver": driver, "kvstore": {"driver": "file", "path": f"{path}/"}}).result().read().result()
    )


def metadata_of(path: Path) -> dict[str, Any]:
    """Every metadata file of the store."""
    named = (".zattrs", ".zarray", ".zgroup", "zarr.json")
    return {
        file.relative_to(path).as_posix(): json.loads(file.read_bytes()) for file in saving.files_below(path) if file.name in named
    }


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(
    ("dtype", "axes"),
    [
        *((dtype, axes) for dtype in ("uint8", "uint16", "float32") for axes in AXES),
        ("int16", "zyx"),
        ("uint32", "zyx"),
        (">u2", "zyx"),
    ],
)
def test_what_came_in_comes_out(tmp_path: Path, dtype: str, axes: str, version: int) -> None:
    values = samples(AXES[axes], dtype)
    source = pyramid(tmp_path / "a.ome.zarr", values, axes, version, chunks=(*(2,) * (len(axes) - 2), 10, 16))
    back = through(source, tmp_path / "b.ome.zarr")
    assert metadata_of(back) == metadata_of(source)
    assert {file.relative_to(back) for file in saving.files_below(back)} == {
        file.relative_to(source) for file in saving.files_below(source)
    }
    kept = by_tensorstore(back / "0", version)
    assert kept.dtype == np.dtype(dtype).newbyteorder("=")
    # 32-bit integers have more digits than pixels.
    np.testing.assert_allclose(kept, values, atol=1 if dtype == "uint32" else 0, rtol=1e-6 if dtype == "float32" else 0)
    np.testing.assert_array_equal(by_tensorstore(back / "1", version), halved(kept))


@pytest.mark.parametrize("version", [2, 3])
def test_each_plane_is_restored_by_itself_and_the_pyramid_follows(tmp_path: Path, gray_model: Path, version: int) -> None:
    values = samples((2, 3, 24, 33), "uint16", seed=version)
    source = pyramid(tmp_path / "a.ome.zarr", values, "czyx", version, chunks=(1, 3, 16, 16), labels=True)
    before = manifest.digest_of(source)
    model = restorer.load(str(gray_model))
    (outcome,) = batch.restore_files(plan.plan([source], tmp_path / "b.ome.zarr"), model, DenoiseSettings(sigma=20))
    assert (outcome.error, outcome.pages, outcome.width, outcome.height) == (None, 6, 33, 24)
    answer = by_tensorstore(outcome.output / "0", version)
    for index in np.ndindex(2, 3):
        np.testing.assert_array_equal(answer[index], model.restore(values[index], sigma=20))
    assert (answer != values).any()
    np.testing.assert_array_equal(by_tensorstore(outcome.output / "1", version), halved(answer))
    # Labels speak of places, which are where they were.
    np.testing.assert_array_equal(zarr.open_group(str(outcome.output), mode="r")["labels/nuclei/0"][...], 7)
    assert manifest.digest_of(source) == before
    (again,) = batch.restore_files(plan.plan([source], tmp_path / "b.ome.zarr"), model, DenoiseSettings(sigma=20))
    assert again.error is not None
    assert "--force" in again.error
    (forced,) = batch.restore_files(plan.plan([source], tmp_path / "b.ome.zarr"), model, DenoiseSettings(sigma=10), overwrite=True)
    assert forced.error is None
    assert (by_tensorstore(forced.output / "0", version) != answer).any()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ome.zarr", "b.ome.zarr"]


@pytest.mark.parametrize("version", [2, 3])
def test_bands_and_planes_are_the_same(tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((2, 50, 40), "uint16"), "zyx", version, chunks=(2, 16, 16))
    through(source, tmp_path / "b.zarr")
    monkeypatch.setattr(base, "BANDED", 1)
    monkeypatch.setattr(omezarr, "SLAB", 1)
    through(source, tmp_path / "c.zarr", sparing=True)
    assert manifest.digest_of(tmp_path / "b.zarr") == manifest.digest_of(tmp_path / "c.zarr")


def test_shards_stay_shards(tmp_path: Path) -> None:
    values = samples((4, 32, 32), "uint16")
    source = pyramid(tmp_path / "a.zarr", values, "zyx", 3, chunks=(1, 8, 8), shards=(4, 16, 16), levels=1)
    back = through(source, tmp_path / "b.zarr")
    assert metadata_of(back) == metadata_of(source)
    np.testing.assert_array_equal(by_tensorstore(back / "0", 3), values)


@pytest.mark.parametrize(("many", "few"), [(9, 4), (9, 5), (9, 9), (9, 3), (10, 7), (1, 1)])
def test_levels_of_any_ratio(tmp_path: Path, many: int, few: int) -> None:
    upper = zarr.create_array(str(tmp_path / "u"), shape=(2, many, many), dtype="float64", chunks=(1, many, many))
    lower = zarr.create_array(str(tmp_path / "l"), shape=(1, few, few), dtype="float64", chunks=(1, 2, 2))
    values = samples((2, many, many), "float64")
    upper[...] = values
    edges = omezarr._factors(upper, lower, ())
    omezarr._shrink(upper, lower, edges, nearest=False)
    rows, columns = edges[1], edges[2]
    expected = [[values[:, a:b, c:d].mean() for c, d in pairwise(columns)] for a, b in pairwise(rows)]
    np.testing.assert_allclose(lower[0], expected)
    omezarr._shrink(upper, lower, edges, nearest=True)
    np.testing.assert_array_equal(lower[0], values[0][np.ix_(rows[:-1], columns[:-1])])


def test_strip_leaves_the_scales_alone(tmp_path: Path) -> None:
    for version in (2, 3):
        source = pyramid(tmp_path / f"{version}.zarr", samples((24, 33), "uint8"), "yx", version, labels=True)
        back = through(source, tmp_path / f"{version}b.zarr", strip=True)
        said = zarr.open_group(str(back), mode="r").attrs.asdict()
        said = said if version == 2 else said["ome"]
        assert set(said) - {"version"} == {"multiscales"}
        assert said["multiscales"][0]["axes"][0]["unit"] == "micrometer"
        assert not (back / "labels").exists()


def test_a_stack_goes_into_a_tiff(tmp_path: Path) -> None:
    values = samples((2, 3, 24, 33), "uint16")
    source = pyramid(tmp_path / "a.zarr", values, "czyx", 2)
    through(source, tmp_path / "a.tif")
    through(source, tmp_path / "a.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), values)
    with files.open_pages(tmp_path / "a.tif") as document:
        assert document.count == 6
    with files.open_pages(tmp_path / "a.npy") as document, pytest.raises(FileError, match="only from one"):
        files.write_pages(tmp_path / "c.zarr", document.pages, document)
    assert not (tmp_path / "c.zarr").exists()


# -- in a folder ------------------------------------------------------------------------------------------------------


def test_in_a_folder_it_is_one_picture(tmp_path: Path, gray_model: Path) -> None:
    pyramid(tmp_path / "in" / "a.ome.zarr", samples((2, 24, 33), "uint8"), "cyx", 2)
    pyramid(tmp_path / "in" / "deep" / "b.zarr", samples((24, 33), "uint8"), "yx", 3)
    pyramid(tmp_path / "in" / "c.clean.ome.zarr", samples((24, 33), "uint8"), "yx", 3)
    (tmp_path / "in" / "a.ome.zarr" / "thumbnail.png").write_bytes(b"no picture of the folder's")
    selection = plan.Selection(recursive=True)
    model = restorer.load(str(gray_model))

    def run(**how: bool) -> list[tuple[str, bool, str | None]]:
        planned = plan.plan([tmp_path / "in"], tmp_path / "out", selection)
        return [(o.output.name, o.skipped, o.error) for o in batch.restore_files(planned, model, DenoiseSettings(sigma=9), **how)]

    assert run() == [("a.ome.zarr", False, None), ("b.zarr", False, None)]
    assert run(resume=True) == [("a.ome.zarr", True, None), ("b.zarr", True, None)]
    # One chunk of the source, one of an answer.
    pyramid(tmp_path / "in" / "a.ome.zarr", samples((2, 24, 33), "uint8", seed=5), "cyx", 2)
    chunk = next(file for file in saving.files_below(tmp_path / "out" / "deep" / "b.zarr") if "c" in file.parts)
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"x")
    assert [error is not None and "--force" in error for _, _, error in run(resume=True)] == [True, True]
    assert run(resume=True, overwrite=True) == [("a.ome.zarr", False, None), ("b.zarr", False, None)]
    assert run(resume=True) == [("a.ome.zarr", True, None), ("b.zarr", True, None)]


def test_an_answer_never_lies_in_its_picture(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "a.ome.zarr", samples((24, 33), "uint8"), "yx", 2)
    assert plan.plan([source], None).pairs == ((source, tmp_path / "a.clean.ome.zarr"),)
    with pytest.raises(OptionError, match="inside the picture"):
        plan.plan([source], source / "b.zarr")
    with pytest.raises(OptionError, match="its own input"):
        plan.plan([source], source)
    inner = pyramid(source / "b.zarr", samples((24, 33), "uint8"), "yx", 2)
    with pytest.raises(OptionError, match="the folder of its input"):
        plan.plan([inner], source)
    with pytest.raises(OptionError, match="one picture"):
        plan.plan([source, inner], pyramid(tmp_path / "c.zarr", samples((24, 33), "uint8"), "yx", 2))


def test_a_folder_of_other_things_is_not_replaced(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((24, 33), "uint8"), "yx", 2)
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "thesis.txt").write_text("mine")
    with pytest.raises(FileError, match="not replaced"):
        through(source, tmp_path / "b.zarr", overwrite=True)
    assert (tmp_path / "b.zarr" / "thesis.txt").read_text() == "mine"


def test_a_kill_leaves_no_half(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((6, 24, 33), "uint8"), "zyx", 2, chunks=(1, 24, 33))
    code = (
        "import pathlib, sys, time; from pellucid import files\n"
        "def slowly(pages):\n"
        "    for number, page in enumerate(pages):\n"
        "        if number == 3:\n"
        "            print(flush=True); time.sleep(60)\n"
        "        yield page\n"
        "source, target = map(pathlib.Path, sys.argv[1:])\n"
        "with files.open_pages(source) as document:\n"
        "    files.write_pages(target, slowly(document.pages), document)\n"
    )
    place = tmp_path / "out"
    place.mkdir()
    with subprocess.Popen([sys.executable, "-c", code, str(source), str(place / "a.zarr")], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        (half,) = place.iterdir()
        assert half.name.startswith(".pellucid-")
        assert (half / "0" / ".zarray").exists()
        assert saving.sweep(place) == []
        writer.send_signal(signal.SIGKILL)
    begun = time.monotonic()
    while not saving.sweep(place):
        assert time.monotonic() < begun + 60
    assert list(place.iterdir()) == []


def test_what_goes_wrong_leaves_what_was_there(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((3, 24, 33), "uint8"), "zyx", 3)
    old = through(source, tmp_path / "b.zarr")
    before = manifest.digest_of(old)

    def breaks(pages: Any) -> Any:
        yield next(iter(pages))
        raise FileError("no more")

    with files.open_pages(source) as document, pytest.raises(FileError, match="no more"):
        files.write_pages(old, breaks(document.pages), document, overwrite=True)
    assert manifest.digest_of(old) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zarr", "b.zarr"]


# -- what is refused --------------------------------------------------------------------------------------------------


def spoilt(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        said = json.loads((path / ".zattrs").read_text())
        change(said)
        (path / ".zattrs").write_text(json.dumps(said))

    return spoil


def packed(name: str, key: str, entry: Any) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        array = json.loads((path / name / ".zarray").read_text())
        (path / name / ".zarray").write_text(json.dumps({**array, key: entry}))

    return spoil


def no_chunks(path: Path) -> None:
    for entry in (path / "0").iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)


def torn_chunk(path: Path) -> None:
    chunk = next(file for file in saving.files_below(path / "0") if not file.name.startswith("."))
    chunk.write_bytes(chunk.read_bytes()[: chunk.stat().st_size // 2])


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "damaged json": (lambda path: os.truncate(path / ".zattrs", 30), "zattrs is damaged"),
    "damaged array": (lambda path: os.truncate(path / "0" / ".zarray", 30), "zarray is damaged"),
    "no array": (lambda path: (path / "1" / ".zarray").unlink(), "level 1: its .zarray is missing"),
    "no level": (lambda path: shutil.rmtree(path / "1"), "folder of its level 1 is missing"),
    "no chunks": (no_chunks, "no chunks"),
    "torn chunk": (torn_chunk, "chunk 0/0/0/0 is cut off"),
    "no group": (lambda path: shutil.rmtree(path) or path.mkdir(), "no Zarr group"),
    "a file": (lambda path: shutil.rmtree(path) or path.write_bytes(b"x"), "is a folder"),
    "nothing": (shutil.rmtree, "no such folder"),
    "not multiscales": (spoilt(lambda said: said.pop("multiscales")), "no multiscales"),
    "odd multiscales": (spoilt(lambda said: said["multiscales"][0].pop("datasets")), "damaged"),
    "plate": (spoilt(lambda said: said.update(plate={})), "plate"),
    "labels": (spoilt(lambda said: said.update({"image-label": {}})), "labels"),
    "collection": (spoilt(lambda said: (said.clear(), said.update({"bioformats2raw.layout": 3}))), "bioformats2raw"),
    "axes": (spoilt(lambda said: said["multiscales"][0]["axes"].reverse()), "do not end in y and x"),
    "a level outside": (spoilt(lambda said: said["multiscales"][0]["datasets"][0].update(path="../a")), "level '../a'"),
    "pickles": (packed("0", "filters", [{"id": "pickle"}]), "'pickle'"),
    "packed by pickle": (packed("0", "compressor", {"id": "pickle"}), "'pickle'"),
    "long": (packed("0", "dtype", "<i8"), "int64"),
    "huge": (packed("0", "shape", [3, 2_000_000, 2_000_000]), "pixels"),
    "huge chunks": (packed("0", "chunks", [1, 100_000, 100_000]), "chunks of shape"),
    "no pyramid": (packed("1", "shape", [3, 50, 50]), "not a pyramid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, name: str) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((3, 24, 33), "uint16"), "zyx", 2)
    spoil, words = REFUSED[name]
    spoil(source)
    with pytest.raises(FileError) as caught:
        through(source, tmp_path / "b.zarr")
    assert str(caught.value).startswith(str(source))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.zarr"}


def frame_of(count: int) -> bytes:
    """``count`` zeros, packed by Zstandard into a frame that does not state the number (RFC 8878): blocks of one byte, repeated."""
    sides = [min(1 << 17, count - begin) for begin in range(0, count, 1 << 17)]
    blocks = [(side << 3 | 2 | (number == len(sides) - 1)).to_bytes(3, "little") + b"\0" for number, side in enumerate(sides)]
    return b"\x28\xb5\x2f\xfd\x00\x48" + b"".join(blocks)


@pytest.mark.parametrize("codec", ["gzip", "zlib", "bz2", "lzma", "zstd", "unstated", "lz4", "blosc"])
def test_a_chunk_of_more_values_than_its_array_says_is_refused(codec: str, tmp_path: Path) -> None:
    import numcodecs

    packer = numcodecs.get_codec({"id": "zstd" if codec == "unstated" else codec})
    pack = frame_of if codec == "unstated" else lambda count: packer.encode(bytes(count))
    source = pyramid(tmp_path / "a.zarr", samples((24, 33), "uint16"), "yx", 2, levels=1, compressors=packer)
    through(source, tmp_path / "b.zarr")
    chunk_of(source).write_bytes(pack(24 * 33 * 2))
    np.testing.assert_array_equal(zarr.open_group(str(through(source, tmp_path / "c.zarr")), mode="r")["0"][...], 0)
    chunk_of(source).write_bytes(pack(16 << 20))
    with pytest.raises(FileError, match=r"its chunk 0/0/0 has more values than a chunk of its array$"):
        through(source, tmp_path / "d.zarr")
    whole = pack(24 * 33 * 2)
    chunk_of(source).write_bytes(bytes(whole[: len(whole) // 2]))
    with pytest.raises(FileError):
        through(source, tmp_path / "d.zarr")


@pytest.mark.parametrize("sparing", [False, True])
@pytest.mark.parametrize("location", ["start", "end"])
def test_a_chunk_of_a_shard_has_no_more_values_either(
    location: str, sparing: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    google_crc32c = pytest.importorskip("google_crc32c", reason="zarr-python brings it")
    # Row by row, a part of a shard is read.
    monkeypatch.setattr(base, "BANDED", 1 if sparing else base.BANDED)
    source, values = tmp_path / "a.zarr", samples((16, 16), "uint16")
    group = zarr.open_group(str(source), mode="w", zarr_format=3)
    inner = [zarr.codecs.BytesCodec(), zarr.codecs.ZstdCodec()]
    sharding = zarr.codecs.ShardingCodec(chunk_shape=(8, 8), codecs=inner, index_location=location)
    zarr.create_array(
        store=str(source / "0"), shape=(16, 16), dtype="uint16", chunks=(16, 16), serializer=sharding, compressors=None
    )[...] = values
    group.attrs.update(
        {"ome": {"version": "0.5", "multiscales": [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]}}
    )
    through(source, tmp_path / "b.zarr", sparing=sparing)
    chunk, content = chunk_of(source), chunk_of(source).read_bytes()
    table = content[:68] if location == "start" else content[-68:]
    bomb = frame_of(1 << 20)
    table = np.frombuffer(table[:64], "<u8").copy()
    table[:2] = len(content), len(bomb)
    if location == "start":
        content = table.tobytes() + google_crc32c.value(table.tobytes()).to_bytes(4, "little") + content[68:] + bomb
    else:
        content = content + bomb + table.tobytes() + google_crc32c.value(table.tobytes()).to_bytes(4, "little")
    chunk.write_bytes(content)
    with pytest.raises(FileError, match=r"has more values than a chunk of its array$"):
        through(source, tmp_path / "c.zarr", sparing=sparing)


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ({"filters": [{"id": "zlib"}], "compressor": {"id": "zstd"}}, "zlib and zstd, one after another"),
        ({"filters": None, "compressor": {"id": "pickle"}}, "'pickle'"),
    ],
)
def test_chunks_that_are_packed_twice_are_refused(used: dict[str, Any], said: str) -> None:
    with pytest.raises(FileError, match=said):
        packing.packing_of({"chunks": [8, 8], "dtype": "<u2", **used}, 2)


def test_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((24, 33), "uint8"), "yx", 2)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(MissingExtra, match=r"pellucid\[zarr\]"):
        through(source, tmp_path / "b.zarr")


def test_axes_are_the_files_own(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((24, 33), "uint8"), "yx", 2)
    with pytest.raises(OptionError, match="names its axes itself"), files.open_pages(source, axes="YX"):
        pass


# -- what belongs in no group -----------------------------------------------------------------------------------------


def chunk_of(group: Path) -> Path:
    return next(path for path in saving.files_below(group / "0") if not path.name.startswith((".z", "zarr.json")))


def in_group(kind: str, group: Path, outside: Path) -> str:
    """Puts something into the group that belongs in none; its name there."""
    chunk = chunk_of(group)
    name = chunk.relative_to(group).as_posix()
    if kind == "chunk to device":
        chunk.unlink()
        chunk.symlink_to("/dev/zero")
    elif kind == "chunk to file":
        chunk.rename(outside / "chunk")
        chunk.symlink_to(outside / "chunk")
    elif kind == "pipe":
        chunk.unlink()
        os.mkfifo(chunk)
    elif kind == "folder outside":
        (group / "secret").symlink_to(outside)
        return "secret"
    elif kind == "file outside":
        (group / "key.txt").symlink_to(outside / "key.txt")
        return "key.txt"
    elif kind == "file inside":
        (group / "again").symlink_to("zarr.json" if (group / "zarr.json").exists() else ".zattrs")
        return "again"
    elif kind == "round":
        (group / "0" / "round").symlink_to("..")
        return "0/round"
    elif kind == "nowhere":
        (group / "0" / "gone").symlink_to(outside / "gone")
        return "0/gone"
    elif kind == "metadata":
        held = next(path for path in (group / "zarr.json", group / ".zattrs") if path.exists())
        held.rename(outside / "held")
        held.symlink_to(outside / "held")
        return held.name
    return name


KINDS_IN_GROUPS = (
    "chunk to device",
    "chunk to file",
    "pipe",
    "folder outside",
    "file outside",
    "file inside",
    "round",
    "nowhere",
    "metadata",
)


def test_it_asks_for_memory_before_it_takes_any(tmp_path: Path) -> None:
    source = pyramid(tmp_path / "a.zarr", samples((2, 24, 33), "uint16"), "zyx", 2)
    with pytest.raises(MemoryShort, match="33x24 pixels need"), files.open_pages(source, memory=1):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows")
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("kind", KINDS_IN_GROUPS)
def test_a_group_holds_regular_files_and_folders_alone(kind: str, version: int, tmp_path: Path, gray_model: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key.txt").write_text("secret")
    group = pyramid(tmp_path / "in" / "a.zarr", samples((2, 24, 33), "uint16"), "zyx", version)
    files.write(tmp_path / "in" / "b.png", images.from_array(samples((20, 24), "uint16")))
    name = in_group(kind, group, outside)
    planned = plan.plan([tmp_path / "in"], tmp_path / "out")
    outcomes = list(batch.restore_files(planned, restorer.load(gray_model), DenoiseSettings(sigma=25)))
    said = outcomes[0].error
    assert said is not None
    assert said.startswith(str(group))
    assert f"its {name} is " in said
    assert "\n" not in said
    assert outcomes[1].error is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.png", manifest.MANIFEST}
    assert (outside / "key.txt").read_text() == "secret"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows")
@pytest.mark.parametrize("kind", ["chunk to device", "chunk to file", "pipe", "cut", "vast"])
@pytest.mark.parametrize("version", [2, 3])
def test_a_chunk_that_becomes_another_while_it_is_read_is_refused(kind: str, version: int, tmp_path: Path) -> None:
    packed: Any = zarr.codecs.BloscCodec()
    if version == 2:
        packed = pytest.importorskip("numcodecs").Blosc()
    group = pyramid(tmp_path / "a.zarr", samples((2, 24, 33), "uint16"), "zyx", version, chunks=(1, 24, 33), compressors=packed)
    with files.open_pages(group) as document:
        if kind in ("cut", "vast"):
            chunk = chunk_of(group)
            content = bytearray(chunk.read_bytes())
            if kind == "vast":
                content[4:8] = (2**31 - 1).to_bytes(4, "little")
            chunk.write_bytes(content[: len(content) // 2] if kind == "cut" else content)
        else:
            in_group(kind, group, tmp_path)
        with pytest.raises(FileError, match="its chunk 0/"):
            files.write_pages(tmp_path / "b.zarr", document.pages, document)
    assert not (tmp_path / "b.zarr").exists()
