"""Inputs that are made to do harm, or nearly so: each is an error of one line, and no output is wrong without a word."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pellucid
from pellucid import (
    batch,
    cli,
    compiled,
    denoising,
    engines,
    files,
    graphs,
    images,
    manifest,
    memory,
    plan,
    regular,
    restorer,
    saving,
    steps,
    tasks,
    watching,
)
from pellucid.cards import Card, read_card
from pellucid.errors import EngineError, FileError, MemoryShort, ModelError, OptionError
from pellucid.families import names, shipped_path
from pellucid.files import arrays, base, stored
from pellucid.noise import LEAST
from pellucid.tasks import denoise
from pellucid.tasks.settings import FileSettings

SMALLEST = (5e-324, 1e-300, 1e-45, 1e-38, 1e-30, 1e-20, 1e-10, 1e-5, 9.9e-4)
"""Noise levels below `noise.LEAST`; a double, and a float, cannot hold a number that is much smaller."""


@pytest.fixture(scope="module")
def fast() -> restorer.Restorer:
    return restorer.load("photo-fast-gray")


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """changed(edit): a small shipped model, as ``edit`` (a function of ONNX's ModelProto) leaves it."""
    onnx = pytest.importorskip("onnx")

    def make(edit: Any, name: str = "seed-digits") -> Path:
        model = onnx.load(str(shipped_path(name)))
        edit(model)
        path: Path = tmp_path_factory.mktemp("model") / "changed.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return make


# -- numbers ----------------------------------------------------------------------------------------------------------


def picture() -> NDArray[np.float32]:
    return np.random.default_rng(0).random((32, 40), dtype=np.float32)


@pytest.mark.parametrize("sigma", SMALLEST)
def test_the_smallest_levels_are_no_noise(sigma: float, fast: restorer.Restorer) -> None:
    values = picture()
    details = fast.details(values, sigma=sigma, gain=True)
    np.testing.assert_array_equal(details.image, values)
    assert (details.facts["sigma"], details.facts["expected_gain"]) == (sigma, 0)
    stack = np.stack([values, values])
    np.testing.assert_array_equal(fast.restore_batch(stack, sigma=sigma), stack)


@given(sigma=st.floats(0, 255), light=st.sampled_from((0.0, 5e-324, 1e-45, 1e-38, 1e-20, 1e-7, 0.5, 1.0)))
@settings(max_examples=25, deadline=None)
def test_no_level_and_no_light_gives_what_is_no_number(sigma: float, light: float, fast: restorer.Restorer) -> None:
    output = fast.restore(light * picture()[:16, :16].astype(np.float64), sigma=sigma)
    assert np.isfinite(output).all()
    assert 0 <= output.min() <= output.max() <= 1


SCALES = (5e-324, 1e-310, *(float(f"1e{power}") for power in range(-300, 301, 30)), 1.7e308)

FLOAT_SCALES = (1.4e-45, 1e-40, 1.1754944e-38, *(float(f"1e{power}") for power in range(-44, 39, 9)), 3.4028235e38)


@pytest.mark.parametrize(
    ("dtype", "scale"), [*(("float64", scale) for scale in SCALES), *(("float32", scale) for scale in FLOAT_SCALES)]
)
def test_an_answer_has_the_unit_of_its_input(dtype: str, scale: float, fast: restorer.Restorer) -> None:
    own = np.finfo(dtype)
    for black, white in ((0.0, scale), (-scale, scale), (scale, 0.0)):
        pixels = picture().astype(np.float64)
        half = 0.5 if not np.isfinite(white - black) else 1.0
        span = white * half - black * half
        values = ((black * half * (1 - pixels) + white * half * pixels) / half).astype(dtype)
        # As the values can hold them: the smallest floats have few steps.
        held = ((values.astype(np.float64) * half - black * half) / span).astype(np.float32)
        output = pellucid.denoise(values, range=(black, white), sigma=25, model="photo-fast-gray")
        assert output.dtype == values.dtype
        assert np.isfinite(output).all()
        wanted = fast.restore(held, sigma=25).astype(np.float64)
        got = (output.astype(np.float64) * half - black * half) / span
        assert np.abs(got - wanted).max() <= 1e-6 + float(own.smallest_subnormal) / abs(span)
        untouched = pellucid.denoise(values, range=(black, white), sigma=0)
        np.testing.assert_allclose(untouched, values, rtol=0, atol=max(scale * 3e-7, float(own.smallest_subnormal)))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32", "uint32"])
@pytest.mark.parametrize("shape", [(1, 1), (20, 24)])
def test_one_value_of_any_size_comes_back(dtype: str, shape: tuple[int, int], fast: restorer.Restorer) -> None:
    own: Any = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    for value in (own.max, own.min, own.max / 3, own.max // 1000, 1, 0):
        values = np.full(shape, value, dtype)
        for sigma in (None, 0):
            output = pellucid.denoise(values, range="auto", sigma=sigma, model="photo-fast-gray")
            np.testing.assert_allclose(output.astype(np.float64), values.astype(np.float64), rtol=1e-6, atol=1)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint32", "float32", "float64"])
def test_what_is_no_image_is_filled_whatever_the_range(dtype: str, fast: restorer.Restorer) -> None:
    values = np.ma.masked_array(np.full((12, 16), 3, dtype), mask=np.zeros((12, 16), bool))
    # Farther from any other pixel than filling looks.
    values[:, 4:] = np.ma.masked
    for ends in ((0.0, 1.7e308), (-1.7e308, 1.7e308), (1.6e308, 1.7e308), (-1.7e308, 0.0), (0.0, 5e-324)):
        output = pellucid.denoise(values, range=ends, sigma=25, model="photo-fast-gray")
        assert np.isfinite(np.asarray(output, np.float64)).all()
        np.testing.assert_array_equal(np.asarray(output)[:, 4:], 3)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_no_range_gives_what_is_no_number(dtype: str, fast: restorer.Restorer) -> None:
    own = np.finfo(dtype)
    values = (np.linspace(-1, 1, 32 * 40).reshape(32, 40) * own.max).astype(dtype)
    with np.errstate(over="ignore"):
        largest = [np.float64(own.max), np.float64(own.smallest_subnormal), 5e-324, 1e-300, 1e300, 1.0]
    for white in largest:
        for black in (0.0, -white, white / 2):
            if black != white:
                for sigma in (25, None):
                    output = pellucid.denoise(values, range=(float(black), float(white)), sigma=sigma, model="photo-fast-gray")
                    assert np.isfinite(output).all(), (black, white, sigma)


@pytest.mark.parametrize("sigma", [LEAST, 2e-3, 0.1])
def test_faint_noise_changes_no_more_than_it_may(sigma: float, fast: restorer.Restorer) -> None:
    values = picture()
    moved = np.abs(fast.restore(values, sigma=sigma).astype(np.float64) - values)
    # The share, and float32's own rounding.
    assert moved.max() <= sigma / denoising.FAINTEST * denoising.FARTHEST * sigma / 255 + 1.2e-7


def test_a_model_that_answers_no_number_is_named(changed: Any, tmp_path: Path) -> None:
    from onnx import numpy_helper

    def spoil(model: Any) -> None:
        last = max(range(len(model.graph.initializer)), key=lambda index: len(model.graph.initializer[index].raw_data))
        tensor = model.graph.initializer[last]
        tensor.CopyFrom(numpy_helper.from_array(np.full_like(numpy_helper.to_array(tensor), np.nan), tensor.name))

    model = restorer.load(changed(spoil))
    with pytest.raises(EngineError, match=r"model 'seed-digits' gave values that are no numbers \(NaN or infinity\)"):
        model.restore(picture())
    with pytest.raises(EngineError, match="seed-digits"):
        model.restore_batch(np.zeros((2, 28, 28)))


# -- the cache of compiled graphs -------------------------------------------------------------------------------------


def kept(folder: Path) -> Path:
    (path,) = folder.glob("*.graph")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def planes(channels: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((1, channels, 28, 28), dtype=np.float32)


def test_a_compiled_graph_is_kept_and_answers_the_same(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = engines.open_graph(shipped_path("seed-digits"))(planes())
    before = kept(cache).stat().st_ino

    def compiles(*_: object) -> None:
        raise AssertionError("it was compiled again")

    monkeypatch.setattr(graphs, "check", compiles)
    np.testing.assert_array_equal(engines.open_graph(shipped_path("seed-digits"))(planes()), first)
    assert kept(cache).stat().st_ino == before
    assert not list(cache.glob(".pellucid-*"))


@pytest.mark.parametrize("damage", ["bit", "page", "cut", "empty", "other", "device"])
def test_a_damaged_cache_is_made_anew(damage: str, cache: Path) -> None:
    first = engines.open_graph(shipped_path("seed-digits"))(planes())
    path = kept(cache)
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    if damage == "bit":
        whole[middle] ^= 1
    elif damage == "page":
        whole[middle : middle + 4096] = bytes(4096)
    elif damage in ("cut", "empty"):
        del whole[middle if damage == "cut" else 0 :]
    elif damage == "other":
        # The cache holds another model's graph under this one's name.
        path.unlink()
        engines.open_graph(shipped_path("upscale"), scale=2)
        whole = bytearray(kept(cache).read_bytes())
        kept(cache).unlink()
    if damage == "device":
        path.unlink()
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(whole)
    np.testing.assert_array_equal(engines.open_graph(shipped_path("seed-digits"))(planes()), first)
    assert compiled.load(cache, path.stem) is not None
    assert not path.is_symlink()


def test_the_cache_stays_small_and_takes_away_nothing_but_its_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    names = [f"{number:064x}" for number in range(6)]
    for number, name in enumerate(names):
        compiled.store(cache, name, bytes(1000))
        os.utime(cache / f"{name}.graph", (10**9 + number, 10**9 + number))
    foreign = {
        "notes.txt": b"mine",
        f"{7:064x}.graph": b"not written by the cache",
        "a.graph": compiled.MAGIC + b"another name",
        f"{8:064x}.graph.old": compiled.MAGIC,
    }
    for name, content in foreign.items():
        (cache / name).write_bytes(content)
    (cache / f"{9:064x}.graph").symlink_to(cache / f"{names[0]}.graph")
    (cache / f"{10:064x}.graph").mkdir()
    stay = set(foreign) | {f"{9:064x}.graph", f"{10:064x}.graph"}
    # All are old: a new one takes them away, and stays.
    compiled.store(cache, f"{11:064x}", b"new")
    assert {path.name for path in cache.iterdir()} == stay | {f"{11:064x}.graph"}
    size = (cache / f"{11:064x}.graph").stat().st_size
    monkeypatch.setattr(compiled, "LARGEST", 3 * size + 2)
    for number in range(12, 17):
        now = compiled.time.time()
        compiled.store(cache, f"{number:064x}", b"new")
        os.utime(cache / f"{number:064x}.graph", (now - 40 + number, now - 40 + number))
        # Loading counts as use, and the cache deletes last what was used last.
        assert compiled.load(cache, f"{11:064x}") == b"new"
    assert {path.name for path in cache.iterdir()} == stay | {f"{number:064x}.graph" for number in (11, 15, 16)}
    assert {name: (cache / name).read_bytes() for name in foreign} == foreign
    monkeypatch.setattr(compiled.time, "time", lambda: 0.0)
    assert compiled.tidy(cache) == []
    assert compiled.tidy(cache / "nowhere") == []


def test_a_model_replaced_by_one_of_the_same_size_and_second_is_another(changed: Any, cache: Path, tmp_path: Path) -> None:
    def weaker(model: Any) -> None:
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float16(0.5), tensor.name))

    path = tmp_path / "model.onnx"
    outputs = []
    for source in (shipped_path("seed-digits"), changed(lambda model: None), changed(weaker)):
        path.write_bytes(source.read_bytes())
        os.utime(path, ns=(10**18, 10**18))
        outputs.append(engines.open_graph(path)(planes()))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert np.abs(outputs[0] - outputs[2]).max() > 0.01


def test_the_fingerprint_is_that_of_what_was_compiled(changed: Any, cache: Path, tmp_path: Path) -> None:
    def renamed(model: Any) -> None:
        model.producer_name = "another"

    path = tmp_path / "model.onnx"
    shutil.copyfile(changed(lambda model: None), path)
    loaded = restorer.load(path)
    before = restorer.load(path).fingerprint()
    loaded.restore(picture())
    shutil.copyfile(changed(renamed), path)
    assert loaded.fingerprint() == before != restorer.load(path).fingerprint()


def test_a_function_of_the_package_takes_the_file_that_is_there_now(
    changed: Any, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weaker(model: Any) -> None:
        from onnx import numpy_helper

        for tensor in model.graph.initializer:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float16(0.5), tensor.name))

    sources = [changed(lambda model: None), changed(weaker)]
    for name, source in zip("ab", sources, strict=True):
        (tmp_path / name).mkdir()
        shutil.copyfile(source, tmp_path / name / "model.onnx")
    expected = [restorer.load(source).restore(picture()) for source in sources]
    assert np.abs(expected[0] - expected[1]).max() > 0.01
    for name, right in zip("ab", expected, strict=True):
        monkeypatch.chdir(tmp_path / name)
        np.testing.assert_array_equal(pellucid.restore(picture(), model="model.onnx"), right)
    status = Path("model.onnx").stat()
    shutil.copyfile(sources[0], "model.onnx")
    os.utime("model.onnx", ns=(status.st_atime_ns, status.st_mtime_ns))
    np.testing.assert_array_equal(pellucid.restore(picture(), model="model.onnx"), expected[0])


def test_what_a_compiled_graph_depends_on_is_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {compiled.key(b"model", precision="f32"), compiled.key(b"model", precision="bf16"), compiled.key(b"other")}
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    names.add(compiled.key(b"model", precision="f32"))
    monkeypatch.setattr(compiled, "processor", lambda: "another")
    names.add(compiled.key(b"model", precision="f32"))
    assert len(names) == 5


def test_who_has_no_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PELLUCID_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    # A user without an entry, as in a container that runs under a number of its own.
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    with pytest.raises(RuntimeError):
        Path.home()
    assert engines.cache_folder() is None
    assert engines.open_graph(shipped_path("seed-digits"))(planes()).shape == (1, 1, 28, 28)


# -- models -----------------------------------------------------------------------------------------------------------


def loop(model: Any) -> None:
    from onnx import helper

    node = helper.make_node("Loop", ["turns", "on", "input"], ["looped"], body=helper.make_graph([], "body", [], []))
    model.graph.node.insert(0, node)


def elsewhere(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = 1
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def later(model: Any) -> None:
    model.opset_import[0].version = 10**9


def foreign(model: Any) -> None:
    model.graph.node[0].domain = "com.example"


def function(model: Any) -> None:
    model.functions.add().name = "f"


def hidden(model: Any) -> None:
    """A graph in an attribute of an operator that may be there."""
    attribute = model.graph.node[0].attribute.add()
    attribute.name, attribute.type = "then_branch", 5
    attribute.g.name = "within"


def vast(model: Any) -> None:
    from onnx import helper, numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(np.array([2**20, 2**20], np.int64), "shape"))
    model.graph.node.append(helper.make_node("Expand", ["input", "shape"], ["vast"]))


def crowded(model: Any) -> None:
    from onnx import helper

    model.graph.node.extend(helper.make_node("Relu", ["input"], [f"r{index}"]) for index in range(graphs.MOST_NODES))


def nothing_left(model: Any) -> None:
    model.ClearField("graph")
    model.graph.node.add()


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (loop, "operator 'Loop'"),
        (elsewhere, "another file"),
        (later, "opset 1000000000"),
        (foreign, "not ONNX's own"),
        (function, "functions"),
        (hidden, "a graph within"),
        (vast, "a constant of"),
        (crowded, "operators, more than"),
        (nothing_left, "an operator without a name"),
    ],
)
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_model_has_nothing_but_a_list_of_operators(edit: Any, why: str, engine: str, changed: Any) -> None:
    pytest.importorskip(engine)
    with pytest.raises(ModelError, match=why) as caught:
        engines.open_graph(changed(edit), engine=engine)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_the_shipped_models_have(name: str) -> None:
    graphs.check(shipped_path(name).read_bytes(), name)


@given(cut=st.integers(0, 118_000), place=st.integers(0, 118_000), byte=st.integers(0, 255))
@settings(max_examples=40, deadline=None)
def test_a_damaged_model_is_our_error(cut: int, place: int, byte: int) -> None:
    content = bytearray(shipped_path("seed-digits").read_bytes())
    content[place % len(content)] = byte
    for broken in (bytes(content), bytes(content[:cut])):
        with suppress(ModelError):
            graphs.check(broken, "model")


def test_the_network_must_answer_as_its_card_says(changed: Any) -> None:
    def twice(model: Any) -> None:
        entry = model.metadata_props[0]
        entry.value = json.dumps(json.loads(entry.value) | {"scale": 2})

    for engine in ("openvino", "onnxruntime"):
        pytest.importorskip(engine)
        with pytest.raises(EngineError, match="seed-digits"):
            engines.open_graph(changed(twice), engine=engine)(planes())


@pytest.mark.parametrize(
    "part",
    [
        {"maps": None},
        {"maps": "sigma"},
        {"maps": [1]},
        {"maps": ["sigma"] * 1000},
        {"scales": 2},
        {"scales": [2, 10**9]},
        {"scales": [2, 2]},
        {"scales": ["2"]},
        {"scale": 0},
        {"scale": True},
        {"channels": None},
        {"channels": [3]},
        {"multiple_of": 10**12},
        {"halo": -1},
        {"halo": 1e3},
        {"halo": 10**9},
        {"name": None},
        {"name": ["x"]},
        {"answer": []},
        {"licence": {}},
        {"scores": []},
        {"scores": {"a": "b"}},
        {"spec": None},
        {"recipe": []},
        {"recipe": {"task": None}},
        {"recipe": {"task": {"noise": None}}},
        {"recipe": {"task": {"noise": [None]}}},
        {"recipe": {"task": {"noise": [{"kind": None, "high": 3}]}}},
        {"recipe": {"task": {"noise": [{"kind": "gaussian", "high": "3"}]}}},
        {"recipe": {"task": {"noise": [{"kind": "gaussian", "high": 3, "then": 5}]}}},
        {"training": "long"},
        {"training_images": {}},
        {"training_images": [{}]},
        {"training_images": [{"source": 1, "count": 1, "licence": ""}]},
        {"parameters": "many"},
        {"unheard": 1},
    ],
    ids=str,
)
def test_a_misshapen_card_is_our_error(part: dict[str, object]) -> None:
    good = json.loads(read_card(shipped_path("photo-gray")).to_json())
    with pytest.raises(ModelError) as caught:
        Card.from_json(json.dumps(good | part))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"spec":' * 100_000, "null", "[]", '"card"', "{}", "1e999", ""])
def test_a_card_of_other_json_is_our_error(text: str) -> None:
    with pytest.raises(ModelError):
        Card.from_json(text)


@pytest.mark.parametrize("name", ["m\udcff", "gr\u00f6\u00dfe", "half \ud800 of a character", 'a "quoted\\name'])
def test_a_card_takes_any_files_name(name: str) -> None:
    card = replace(read_card(shipped_path("photo-gray")), name=name)
    assert Card.from_json(card.to_json().encode().decode()) == card


# -- files ------------------------------------------------------------------------------------------------------------


def unlike_files(folder: Path) -> list[Path]:
    """A pipe that nobody writes to, links to that and to a device without an end, a folder."""
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "folder").mkdir()
    return [folder / name for name in ("pipe", "link", "zero", "folder", "missing")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows")
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    for path in unlike_files(tmp_path):
        with pytest.raises(OSError, match=path.name):
            regular.read(path)
        with pytest.raises(ModelError, match=path.name):
            restorer.load(path.rename(tmp_path / f"{path.name}.onnx") if path.name != "missing" else path)
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "to-file").symlink_to("file")
    assert regular.read(tmp_path / "to-file") == b"content"
    with pytest.raises(OSError, match="more than the 6"):
        regular.read(tmp_path / "file", 6)
    with pytest.raises(OSError, match="a link"):
        regular.opened(tmp_path / "to-file", links=False)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows")
def test_a_setting_names_a_regular_file_a_preset_and_a_lock_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row.name: task.settings for task in tasks.TASKS.values() for row in task.settings.declared() if "file" in row.kinds}
    for path in unlike_files(tmp_path):
        for name, kind in rows.items():
            with pytest.raises(FileError, match=path.name):
                kind.of({name: path})
        with pytest.raises(FileError, match=path.name):
            FileSettings.of({"mask": path})
        if path.name != "missing":
            with pytest.raises(OptionError, match=path.name):
                steps.presets(path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / watching.LOCK).symlink_to(tmp_path / "made")
    with pytest.raises(FileError, match="a link"), watching.alone(tmp_path / "out"):
        pass
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("text", ["a = " + "[" * 30_000, f"a = {'9' * 5000}", "a = \x00"])
def test_presets_that_are_none_are_our_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "presets.toml").write_text(text)
    with pytest.raises(OptionError, match="it is no TOML"):
        steps.presets(tmp_path / "presets.toml")


def test_who_has_no_home_has_the_shipped_presets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert "scan" in steps.presets()
    with pytest.raises(OptionError, match="no preset 'nothing'"):
        steps.preset("nothing")
    assert cli.main(["presets"]) == 0
    assert "your own" not in capsys.readouterr().out


def test_what_was_found_never_takes_the_place_of_the_picture_or_its_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "a.png"
    files.write(source, images.from_array(np.full((40, 40, 3), 90, np.uint8)))
    given = source.read_bytes()
    for out, damage in (("b.png", "b.png"), ("b.png", "a.png"), (None, "a.mended.png")):
        where = [] if out is None else ["-o", str(tmp_path / out)]
        assert cli.main(["film", str(source), *where, "--damage", str(tmp_path / damage), "--force"]) == 2
        assert "name another file" in capsys.readouterr().err
    assert source.read_bytes() == given
    assert sorted(tmp_path.iterdir()) == [source]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows")
def test_a_manifest_that_is_no_file_is_neither_read_nor_written(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine\n")
    for kind in ("pipe", "folder", "device", "link", "nowhere"):
        folder = tmp_path / kind
        folder.mkdir()
        path = folder / manifest.MANIFEST
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        else:
            path.symlink_to({"device": "/dev/zero", "link": secret, "nowhere": tmp_path / "made"}[kind])
        with pytest.raises(FileError, match=r"\.pellucid\.jsonl"):
            manifest.Manifest(folder, {}, str)
        with pytest.raises(FileError, match=r"\.pellucid\.jsonl"):
            saving.append_line(path, "{}")
    assert secret.read_text() == "mine\n"
    assert not (tmp_path / "made").exists()


def test_a_manifest_of_any_lines_is_read(tmp_path: Path) -> None:
    path = tmp_path / manifest.MANIFEST
    path.write_bytes(
        b"\n".join([b"[" * 100_000, b"\xff\xfe", b"null", b'{"output": []}', b'"a"', b"1" * 10_000, b'{"output": {"a"'])
    )
    read = manifest.Manifest(tmp_path, {}, str)
    assert not read.has(tmp_path / "b.png", tmp_path / "a.png", "digest")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows")
def test_the_hash_of_a_device_is_refused(tmp_path: Path) -> None:
    for path in unlike_files(tmp_path)[:3]:
        with pytest.raises(FileError, match="not a regular file"):
            manifest.digest_of(path)


def raw_stack(shape: tuple[int, ...], dtype: str = "uint16") -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 60000, shape).astype(dtype)


def by_tifffile(values: NDArray[Any], **how: Any) -> Any:
    tifffile = pytest.importorskip("tifffile")
    return lambda path: tifffile.imwrite(path, values, **how)


READ_IN_PARTS: dict[str, tuple[str, Any]] = {
    "npy-stack": (".npy", lambda path: np.save(path, raw_stack((40, 64, 64)))),
    "npy-turned": (".npy", lambda path: np.save(path, np.asfortranarray(raw_stack((40, 64, 64))))),
    "npy-rows": (".npy", lambda path: np.save(path, raw_stack((1200, 64)))),
    "imagej": (".tif", by_tifffile(raw_stack((40, 64, 64)), imagej=True)),
    "tiff-pages": (".tif", by_tifffile(raw_stack((40, 64, 64)), photometric="minisblack")),
    "tiff-rows": (".tif", by_tifffile(raw_stack((1200, 64)))),
    "tiff-strips": (".tif", by_tifffile(raw_stack((1200, 64)), compression="zlib", rowsperstrip=16)),
    "pnm-rows": (".pgm", lambda path: path.write_bytes(b"P5 64 1200 65535\n" + raw_stack((1200, 64)).astype(">u2").tobytes())),
}
"""Files that are read while the engine works: stacks page by page, and large pictures in bands."""


@pytest.mark.parametrize("name", READ_IN_PARTS)
def test_a_file_that_is_cut_short_while_it_is_read_fails_alone(
    name: str, tmp_path: Path, fast: restorer.Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, make = READ_IN_PARTS[name]
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / f"a{ending}"
    make(source)
    files.write(tmp_path / "in" / "b.png", images.from_array(raw_stack((20, 24), "uint8")))
    monkeypatch.setattr(arrays, "SLAB", 1 << 16)
    if name.endswith(("rows", "strips")):
        monkeypatch.setattr(base, "BANDED", 1)
        monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 160))
        monkeypatch.setattr(denoise, "_margin", lambda *_: 16)
    cut = False

    def progress(share: float) -> None:
        nonlocal cut
        if share > 0 and not cut:
            cut = True
            os.truncate(source, 4096)

    planned = plan.plan([tmp_path / "in"], tmp_path / "out")
    first, second = batch.restore_files(planned, fast, fast.settings(sigma=25), progress=progress)
    assert cut
    assert first.error is not None
    assert first.error.startswith(str(source))
    assert "\n" not in first.error
    assert second.error is None
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"b.png", manifest.MANIFEST}


@pytest.mark.parametrize("block", [1, 100, 10_000])
@pytest.mark.parametrize(
    ("axes", "shape"), [("ZYX", (5, 6, 7)), ("YXZ", (6, 7, 5)), ("YZX", (6, 5, 7)), ("TYXZS", (2, 6, 7, 5, 3))]
)
@pytest.mark.parametrize("fortran", [False, True])
def test_arrays_of_any_order_come_back(
    axes: str, shape: tuple[int, ...], fortran: bool, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "BLOCK", block)
    monkeypatch.setattr(arrays, "SLAB", 3 * 6 * 7 * 2)
    values = raw_stack(shape)
    np.save(tmp_path / "a.npy", np.asfortranarray(values) if fortran else values)
    with files.open_pages(tmp_path / "a.npy", axes=axes) as document:
        files.write_pages(tmp_path / "b.npy", document.pages, document)
    back = np.load(tmp_path / "b.npy")
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def tiff_of(path: Path, *, sides: tuple[int, int] = (64, 64), tile: tuple[int, int] | None = None, samples: int = 1) -> None:
    """A TIFF whose header claims that size, with a few bytes of packed zeros."""
    tifffile = pytest.importorskip("tifffile")
    how = {"tile": (64, 64)} if tile else {"rowsperstrip": 64}
    tifffile.imwrite(path, np.zeros((64, 64), np.uint16), compression="zlib", **how)
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        new = {"ImageLength": sides[0], "ImageWidth": sides[1], "SamplesPerPixel": samples}
        if tile:
            new |= {"TileLength": tile[0], "TileWidth": tile[1]}
        else:
            new["RowsPerStrip"] = sides[0]
        for name, value in new.items():
            tags[name].overwrite(value)


def shared_strips(path: Path) -> None:
    """Many pages of 12 megapixels, all of one strip."""
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, np.zeros((3000, 4000), np.uint8), compression="zlib", rowsperstrip=3000, metadata=None)
    content = path.read_bytes()
    at = int.from_bytes(content[4:8], "little")
    count = int.from_bytes(content[at : at + 2], "little")
    entry = content[at : at + 2 + 12 * count]
    pages, place = b"", len(content)
    for number in range(40):
        place += len(entry) + 4
        pages += entry + (place if number < 39 else 0).to_bytes(4, "little")
    head = content[: at + len(entry)] + len(content).to_bytes(4, "little") + content[at + len(entry) + 4 :]
    path.write_bytes(head + pages)


@pytest.mark.parametrize("back", [0, 3])
@pytest.mark.parametrize("big", [False, True])
def test_directories_that_go_in_a_circle_are_refused(back: int, big: bool, tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, bigtiff=big) as writer:
        for page in raw_stack((5, 16, 16)):
            writer.write(page, metadata=None)
    with tifffile.TiffFile(path) as file:
        places = [page.offset for page in file.pages]
    head, step, length = (8, 20, 8) if big else (2, 12, 4)
    content = bytearray(path.read_bytes())
    end = places[-1] + head + step * int.from_bytes(content[places[-1] : places[-1] + head], "little")
    content[end : end + length] = places[back].to_bytes(length, "little")
    path.write_bytes(content)
    with pytest.raises(FileError, match="after page 5 they go in a circle"):
        read_through(path, memory.used() + (1 << 30))


def large_jpeg_in_tiff(path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="jpeg", tile=(64, 64))
    content = bytearray(path.read_bytes())
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)


def many_values(path: Path, code: int, kind: int, big: bool = False) -> None:
    """A TIFF whose tag ``code`` claims 10^9 values, in a file that is long enough for them and of few blocks."""
    tifffile = pytest.importorskip("tifffile")
    extra = [(code, 4, 2, (1, 2), True)] if code not in (273, 279) else []
    pixels = np.zeros((64, 64), np.uint8)
    tifffile.imwrite(path, pixels, bigtiff=big, metadata=None, compression="zlib", rowsperstrip=8, extratags=extra)
    with path.open("r+b") as file, tifffile.TiffFile(path) as opened:
        tag = opened.pages[0].tags[code]
        file.seek(tag.offset)
        file.write(struct.pack("<HHQQ" if big else "<HHII", code, kind, 10**9, 8))
    os.truncate(path, 1 << 34)


def sparse(path: Path) -> None:
    """A file without an end, nearly, and of few blocks."""
    files.write(path, images.from_array(raw_stack((20, 24), "uint8")))
    os.truncate(path, 1 << 40)


def npy_header(path: Path, shape: tuple[int, ...], dtype: str = "<f8") -> None:
    with path.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
        file.write(bytes(1000))


def dicom(path: Path, syntax: str, pixels: bytes) -> None:
    """A DICOM file of 20x20 pixels of 8 bits, by its header, packed by that transfer syntax."""
    pydicom = pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    dataset.Rows = dataset.Columns = 20
    dataset.SamplesPerPixel, dataset.PixelRepresentation, dataset.PhotometricInterpretation = 1, 0, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    packed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
    dataset.PixelData = pydicom.encaps.encapsulate([pixels]) if packed else pixels
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", packed
    dataset.save_as(path, enforce_file_format=True)


def jpeg_2000(head: bytes = b"") -> bytes:
    """The beginning of a picture of 30,000x30,000 pixels of 8 bits, behind the boxes ``head``."""
    return head + b"\xff\x4f\xff\x51" + struct.pack(">HH8IH3B", 41, 0, 30_000, 30_000, 0, 0, 30_000, 30_000, 0, 0, 1, 7, 1, 1)


CLAIMS: dict[str, tuple[str, Any]] = {
    "dicom-deflated": (".dcm", lambda path: dicom(path, "1.2.840.10008.1.2.1.99", bytes(96 << 20))),
    "dicom-jpeg-2000": (".dcm", lambda path: dicom(path, "1.2.840.10008.1.2.4.90", jpeg_2000())),
    "dicom-no-size": (".dcm", lambda path: dicom(path, "1.2.840.10008.1.2.4.90", jpeg_2000(bytes(300)))),
    "tiff-sides": (".tif", lambda path: tiff_of(path, sides=(30_000, 30_000))),
    "tiff-samples": (".tif", lambda path: tiff_of(path, sides=(400, 400), samples=300)),
    "tiff-many-samples": (".tif", lambda path: tiff_of(path, samples=65_535)),
    "tiff-tile": (".tif", lambda path: tiff_of(path, tile=(60_000, 60_000))),
    "tiff-high-tile": (".tif", lambda path: tiff_of(path, tile=(2**31, 16))),
    "tiff-shared-strips": (".tif", shared_strips),
    "tiff-jpeg": (".tif", large_jpeg_in_tiff),
    "tiff-offsets": (".tif", lambda path: many_values(path, 273, 4)),
    "tiff-lengths-big": (".tif", lambda path: many_values(path, 279, 16, big=True)),
    "tiff-words": (".tif", lambda path: many_values(path, 700, 1)),
    "tiff-numbers": (".tif", lambda path: many_values(path, 33550, 12)),
    "tiff-unknown": (".tif", lambda path: many_values(path, 60_000, 4)),
    "sparse-png": (".png", sparse),
    "sparse-jpeg": (".jpg", sparse),
    "sparse-webp": (".webp", sparse),
    "sparse-bmp": (".bmp", sparse),
    "sparse-avif": (".avif", sparse),
    "npy": (".npy", lambda path: npy_header(path, (20_000, 20_000))),
    "npy-overflow": (".npy", lambda path: npy_header(path, (2**32, 2**32, 4))),
    "npy-stack": (".npy", lambda path: npy_header(path, (10**6, 100, 100))),
    "npy-nothing": (".npy", lambda path: npy_header(path, (2, 2), "|V0")),
    "npy-objects": (".npy", lambda path: npy_header(path, (2, 2), "|O")),
    "ppm": (".ppm", lambda path: path.write_bytes(b"P6 30000 30000 65535\n" + bytes(1000))),
    "pgm-text": (".pgm", lambda path: path.write_bytes(b"P2 9000 9000 65535\n" + b"1 " * 20_000)),
    "bmp": (
        ".bmp",
        lambda path: path.write_bytes(b"BM" + bytes(12) + struct.pack("<IiiHH6I", 40, 29_000, 29_000, 1, 24, *bytes(6))),
    ),
}
"""Small files, or such that take few blocks, whose headers claim much."""


def read_through(path: Path, limit: int) -> None:
    with files.open_pages(path, sparing=True, memory=limit) as document:
        for page in document.pages:
            for picture in page.pictures:
                images.whole(picture.pixels)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is asked of /proc")
@pytest.mark.parametrize("name", CLAIMS)
def test_what_a_header_claims_is_checked_before_memory_is_taken(name: str, tmp_path: Path) -> None:
    ending, make = CLAIMS[name]
    path = tmp_path / f"a{ending}"
    make(path)
    room = 64 << 20
    limit = memory.used() + room

    def peak() -> int:
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])  # type: ignore[index]

    # The peak so far is forgotten.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    with pytest.raises((FileError, MemoryShort)) as caught:
        read_through(path, limit)
    assert "\n" not in str(caught.value)
    assert peak() - before < (2 * room if name in ("tiff-shared-strips", "dicom-deflated") else room // 2)


# -- recipes and weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"a = " + b"[" * 30_000,
        b"a." * 10_000 + b"b = 1",
        b"a = " + b"9" * 5000,
        b"name = 1",
        b'base = ["photo"]',
        b'base = "photo"\ndata = 5',
        b'base = "photo"\ntraining = []',
        b'base = "photo"\n[name]\na = 1',
        b'base = "photo"\n[training]\nsteps = "many"',
        b'base = "photo"\n[network]\nname = []',
        b'base = "photo"\n[data]\ncredits = "me"',
        b'base = "photo"\n[task]\nnoise = 7',
        b'base = "photo"\n[task]\nnoise = [{kind = 3, low = 1, high = 2}]',
        b"x" * (2**15 + 1),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_misshapen_recipe_is_our_error(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from pellucid.training import recipes

    (tmp_path / "own.toml").write_bytes(content)
    with pytest.raises(ModelError, match="recipe") as caught:
        recipes.find(str(tmp_path / "own.toml"))
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows")
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"text"], ids=repr)
def test_weights_that_are_none_are_our_error(content: bytes, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from pellucid.training import export

    (tmp_path / "a.weights.npz").write_bytes(content)
    (tmp_path / "b.weights.npz").symlink_to("/dev/zero")
    np.save(tmp_path / "c.npy", np.zeros(3))
    (tmp_path / "c.npy").rename(tmp_path / "c.weights.npz")
    np.savez(tmp_path / "d.weights.npz", **{"card.json": np.frombuffer(b"[" * 100_000, np.uint8)})
    for path in sorted(tmp_path.glob("*.npz")):
        with pytest.raises((FileError, ModelError)):
            export.load_weights(path)
    os.mkfifo(tmp_path / "pipe.checkpoint")
    with pytest.raises(FileError, match="not a checkpoint"):
        export.beginning(str(tmp_path / "pipe.checkpoint"), 1)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(FileError, match="'pellucid evaluate --out' wrote"):
        export.with_scores(read_card(shipped_path("digits")), [tmp_path / "deep.json"])


# -- the command line -------------------------------------------------------------------------------------------------


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    path = tmp_path / "noisy.png"
    files.write(path, images.from_array(np.random.default_rng(0).integers(0, 256, (16, 20), dtype=np.uint8)))
    return path


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """The command in a shell, in that folder; ``pellucid`` is this one."""
    program = f'pellucid() {{ {shlex.quote(sys.executable)} -m pellucid "$@"; }}\n'
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(folder)}
    env.pop("PYTHONUNBUFFERED", None)
    return subprocess.run(["/bin/sh", "-c", program + command], cwd=folder, env=env, capture_output=True, check=False, timeout=300)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("pellucid denoise - --model seed-digits <&-", 1, b"pellucid: standard input: it is closed"),
        ("pellucid denoise noisy.png -o - --model seed-digits >&-", 1, b"pellucid: standard output: it is closed"),
        ("pellucid denoise noisy.png -o - --model seed-digits >/dev/full", 1, b"No space left on device"),
        (
            "pellucid denoise - -o a.png --model seed-digits </dev/zero",
            1,
            b"pellucid: standard input: no picture in a known format",
        ),
        ("pellucid models >/dev/full", 1, b"pellucid: standard output: cannot be written: No space left on device"),
        ("pellucid --help >/dev/full", 1, b"standard output: cannot be written: No space left on device"),
        ("pellucid models 2>&- >/dev/full", 1, b""),
        ("pellucid nonesuch 2>/dev/full", 2, b""),
        ("pellucid models >&-", 1, b"pellucid: standard output: it is closed"),
        ("pellucid --help >&-", 1, b"pellucid: standard output: it is closed"),
        ("pellucid --version >&- 2>&-", 1, b""),
        ("pellucid denoise --help >&-", 1, b"pellucid: standard output: it is closed"),
        ("pellucid completion bash >&-", 1, b"pellucid: standard output: it is closed"),
        ("pellucid models 2>&-", 0, b""),
        ("pellucid models | head -1 >/dev/null", 0, b""),
    ],
)
def test_closed_and_full_streams(command: str, status: int, said: bytes, noisy: Path) -> None:
    done = shell(command, noisy.parent)
    # The line that tells how a picture was restored goes to the error stream beside a picture.
    lines = [line for line in done.stderr.splitlines() if not line.startswith(b"20x16, ")]
    assert done.returncode == status, done.stderr
    assert len(lines) == bool(said), done.stderr
    assert all(said in line and line.startswith(b"pellucid: ") for line in lines)


def test_a_pipe_that_does_not_end_is_one_line(noisy: Path) -> None:
    endless = "(cat noisy.png; cat /dev/zero) | pellucid denoise - -o a.png --model seed-digits --memory"
    for limit in ("300MiB", "1kB"):
        done = shell(f"{endless} {limit}", noisy.parent)
        assert done.returncode == 1
        assert re.fullmatch(rb"pellucid: standard input: its \d+ bytes need .*more memory.*\n", done.stderr), done.stderr
    assert sorted(path.name for path in noisy.parent.iterdir()) == ["noisy.png"]


def test_an_open_error_stream_is_never_taken_for_the_output(noisy: Path) -> None:
    one, other = (shell(f"pellucid denoise noisy.png -o - --model seed-digits {end}", noisy.parent) for end in ("", "2>&-"))
    assert one.returncode == other.returncode == 0
    assert one.stdout == other.stdout != b""


def test_a_name_of_more_than_255_bytes_is_one_line(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "ü" * 200 + ".png"
    near = noisy.rename(noisy.with_name("n" * 248 + ".png"))
    for arguments in ([long], [near], [near, "-o", noisy.parent / long], [near, "--model", long], [noisy.parent / long / "a.png"]):
        assert cli.main(["denoise", "--sigma", "0", *map(str, arguments)]) == 1, arguments
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("pellucid: ")
        assert "unexpected" not in line


def test_what_nobody_foresaw_is_one_line_and_a_file(
    noisy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("nobody\nforesaw this")

    monkeypatch.setattr(plan, "plan", fails)
    monkeypatch.setattr(tempfile, "tempdir", str(noisy.parent))
    assert cli.main(["denoise", str(noisy)]) == 70
    (line,) = capsys.readouterr().err.splitlines()
    (details,) = noisy.parent.glob("pellucid-error-*.txt")
    assert line.startswith("pellucid: unexpected error: KeyError")
    assert line.endswith(str(details))
    text = details.read_text()
    assert "Traceback" in text
    assert "in fails" in text
    assert details.stat().st_mode & 0o077 == 0
    # Without a place for the details there is still the line.
    monkeypatch.setattr(tempfile, "tempdir", str(noisy))
    assert cli.main(["denoise", str(noisy)]) == 70
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_memory_that_is_short_is_one_line(noisy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(plan, "plan", fails)
    assert cli.main(["denoise", str(noisy)]) == 1
    assert capsys.readouterr().err == "pellucid: not enough memory\n"


def test_an_interrupt_while_it_ends_is_no_success() -> None:
    code = (
        "import sys, threading, time\n"
        "from pellucid.cli import run\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "sys.argv = ['pellucid', '--version']\n"
        "run()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"pellucid 0.")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read() in (b"", b"pellucid: interrupted\n")


def test_an_interrupt_while_it_begins_is_one_line() -> None:
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'pellucid.cli':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from pellucid.__main__ import run\n"
        "sys.argv = ['pellucid', 'models']\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"pellucid: interrupted\n")


def test_without_pytorch_each_command_says_what_brings_it(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from pellucid import cli\n"
        "commands = (['recipes'], ['export', 'a.npz'], ['calibrate', 'noise', '-o', 'a.npz'], ['train', 'digits'])\n"
        "print([cli.main(command) for command in commands])\n"
        "print(cli.main(['pack', 'missing', '-o', 'a', '--megabytes', '1']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.splitlines() == ["[1, 1, 1, 1]", "1"]
    lines = done.stderr.splitlines()
    assert len(lines) == 5
    assert lines[:4] == ["pellucid: torch is not installed; pip install 'pellucid[train]' brings it"] * 4
    assert lines[4].startswith("pellucid: ")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_what_a_terminal_would_obey_is_shown_escaped(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b]0;owned\x07\x1b[2J\n\r\x9b31m\u202egnp.png"
    shutil.copy(noisy, noisy.with_name(evil))
    assert cli.main(["denoise", str(noisy.with_name(evil)), "--model", "seed-digits"]) == 0
    assert cli.main(["denoise", str(noisy.with_name("no" + evil)), "--model", "seed-digits"]) == 1
    assert cli.main(["denoise", str(noisy), "--model", "no" + evil]) == 1
    assert cli.main(["inspect", str(noisy.with_name(evil)), str(noisy)]) == 0
    with pytest.raises(SystemExit):
        cli.main(["denoise", str(noisy), "--" + evil])
    (noisy.parent / "in").mkdir()
    (noisy.parent / "in" / evil).write_bytes(b"none")
    assert cli.main(["denoise", str(noisy.parent / "in"), str(noisy), "-o", str(noisy.parent / "out"), "--sigma", "0"]) == 1
    said = "".join(capsys.readouterr())
    assert r"a\x1b]0;owned\x07\x1b[2J\n\r\x9b31m\u202egnp.png" in said
    assert not set(said) & set("\x1b\x07\r\x9b\u202e")


def test_a_card_name_that_a_terminal_would_obey_is_shown_escaped(
    changed: Any, noisy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def renamed(model: Any) -> None:
        entry = model.metadata_props[0]
        entry.value = json.dumps(json.loads(entry.value) | {"name": "evil\x1b[2J", "task": "denoise"})

    assert cli.main(["denoise", str(noisy), "--model", str(changed(renamed))]) == 0
    said = capsys.readouterr().out
    assert r"evil\x1b[2J" in said
    assert "\x1b" not in said
