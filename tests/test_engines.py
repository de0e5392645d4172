from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pellucid import cards, engines, restorer
from pellucid.errors import EngineError, ModelError
from pellucid.families import shipped_path
from pellucid.tasks import film


def test_the_card_lies_in_the_graph(gray_model: Path) -> None:
    card = cards.read_card(gray_model)
    assert (card.name, card.channels, card.maps, card.answer, card.multiple_of) == ("gray", 1, ("sigma",), "residual", 4)
    assert engines.open_graph(gray_model).card == card


def test_sizes_that_do_not_divide_are_refused_not_answered(gray_model: Path) -> None:
    graph = engines.open_graph(gray_model)
    assert graph(np.zeros((2, 2, 8, 12), np.float32)).shape == (2, 1, 8, 12)
    with pytest.raises(EngineError, match="divide by 4"):
        graph(np.zeros((1, 2, 8, 10), np.float32))


def test_wrong_planes_are_our_error(gray_model: Path) -> None:
    with pytest.raises(EngineError):
        engines.open_graph(gray_model)(np.zeros((1, 5, 8, 8), np.float32))


def test_a_graph_that_takes_other_planes_than_its_card_says_is_our_error(gray_model: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(gray_model)
    for entry in model.metadata_props:
        if '"maps"' in entry.value:
            entry.value = json.dumps({**json.loads(entry.value), "maps": []})
    onnx.save(model, tmp_path / "gray.onnx")
    with pytest.raises(EngineError, match="takes 2 planes, and its card says 1"):
        engines.open_graph(tmp_path / "gray.onnx", engine="openvino")


def test_answers_do_not_share_memory_between_calls(gray_model: Path) -> None:
    graph = engines.open_graph(gray_model)
    rng = np.random.default_rng(0)
    first = graph(rng.random((1, 2, 8, 8), dtype=np.float32))
    before = first.copy()
    graph(rng.random((1, 2, 8, 8), dtype=np.float32))
    np.testing.assert_array_equal(first, before)


def test_answers_of_calls_side_by_side_are_those_of_one_at_a_time() -> None:
    path = shipped_path("photo-fast-color")
    card = cards.read_card(path)
    given = np.random.default_rng(0).random((2, 1, card.channels + len(card.maps), 48, 64), dtype=np.float32)
    given[:, :, card.channels :] *= 0.1
    graph = engines.open_graph(path, streams=2)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(graph, given))
    alone = engines.open_graph(path)
    np.testing.assert_array_equal(answers, [alone(each) for each in given])


def test_what_is_no_model_is_our_error(tmp_path: Path, gray_model: Path) -> None:
    import onnx

    (tmp_path / "words.onnx").write_text("words")
    bare = onnx.load(str(gray_model))
    del bare.metadata_props[:]
    onnx.save(bare, str(tmp_path / "bare.onnx"))
    (tmp_path / "cut.onnx").write_bytes(gray_model.read_bytes()[:500])
    for name in ("missing.onnx", "words.onnx", "bare.onnx", "cut.onnx"):
        with pytest.raises(ModelError, match=name) as caught:
            cards.read_card(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_an_unknown_device_or_engine_is_our_error_and_names_what_there_is(
    gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match=r"'npu' is not available; this installation has auto, cpu"):
        engines.open_graph(gray_model, device="npu")
    with pytest.raises(EngineError, match=r"'tensorflow'; the engines are auto, openvino, onnxruntime"):
        engines.open_graph(gray_model, engine="tensorflow")
    monkeypatch.setattr(engines, "devices", lambda: ("auto", "cpu", "cuda"))
    with pytest.raises(EngineError, match="'openvino' does not run on 'cuda'"):
        engines.engine_for("cuda", "openvino")


@pytest.mark.skipif("cuda" in engines.devices(), reason="there is CUDA here")
def test_a_missing_gpu_is_our_error_before_any_work(gray_model: Path) -> None:
    with pytest.raises(
        EngineError, match=r"device 'cuda' is not available; this installation has auto, cpu; pip install 'pellucid\[cuda\]'"
    ):
        restorer.load(gray_model, device="cuda")


@pytest.mark.arithmetic
def test_the_engines_agree() -> None:
    """ONNX Runtime computes in float32, OpenVINO in bfloat16 where the processor has it: 8 bits of mantissa, so about 1 %."""
    pytest.importorskip("onnxruntime")
    planes = np.random.default_rng(0).random((2, 3, 24, 40), dtype=np.float32)
    path = restorer.shipped_path("upscale")
    other = engines.open_graph(path, engine="onnxruntime", scale=2)
    one = engines.open_graph(path, engine="openvino", scale=2)
    assert (one.engine, other.engine) == ("openvino", "onnxruntime")
    expected = other(planes)
    assert expected.std() > 0
    assert np.abs(one(planes) - expected).max() < 0.03 * np.abs(expected).max()


@pytest.mark.parametrize("name", ["photo-gray", "photo-color", "photo-fast-color", "raw", "video"])
def test_a_picture_goes_into_bfloat16_without_being_rounded(name: str) -> None:
    """The graph that takes what rounding leaves, in float32, and the plain one, in float32 too, on a processor of any kind."""
    import openvino

    path = shipped_path(name)
    card = cards.read_card(path)
    colours, whole = card.channels, card.channels + len(card.maps)
    planes = np.random.default_rng(0).random((2, whole, 16, 24), dtype=np.float32)
    planes[:, colours:] *= np.float32(0.05)
    before = planes.copy()
    both = engines._halved(planes, colours)
    np.testing.assert_array_equal(planes, before)
    kept, left = both[:, :colours], both[:, whole:]
    assert not (kept.view(np.uint32) & 0xFFFF).any()
    np.testing.assert_array_equal(kept + left, planes[:, :colours])
    np.testing.assert_array_equal(both[:, colours:whole], planes[:, colours:])
    assert 0.001 < np.abs(left).max() < 2**-7

    core, settings = openvino.Core(), {"INFERENCE_PRECISION_HINT": "f32"}
    plain = core.compile_model(core.read_model(path), "CPU", settings)
    wider = core.compile_model(engines._in_two(core.read_model(path), colours), "CPU", settings)
    expected, answer = plain(planes)[0], wider(both)[0]
    rounded = plain(np.concatenate([kept, planes[:, colours:]], axis=1))[0]
    # The order of additions may move a value across a step of the 8 bits between layers.
    assert np.sqrt(np.square(answer - expected).mean()) < 0.1 * np.sqrt(np.square(rounded - expected).mean())


def test_planes_that_are_brought_spare_a_copy_and_change_nothing() -> None:
    graph = restorer.load("photo-fast").models.graph("colour")
    own = graph.card.channels + len(graph.card.maps)
    planes = np.random.default_rng(0).random((1, own + graph.spare, 64, 48), dtype=np.float32)
    planes[:, own:] = np.nan
    before = planes[:, :own].copy()
    expected = graph(before)
    np.testing.assert_array_equal(graph(planes), expected)
    np.testing.assert_array_equal(planes[:, :own], before)


def test_planes_that_are_brought_come_back_where_a_call_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    import openvino

    graph = engines.open_graph(shipped_path("photo-fast-color"), engine="openvino")
    own = graph.card.channels + len(graph.card.maps)
    planes = np.random.default_rng(0).random((1, own + graph.spare, 16, 16), dtype=np.float32)
    before = planes[:, :own].copy()
    graph(planes)

    def short(*given: object, **named: object) -> None:
        raise MemoryError("there is no room")

    monkeypatch.setattr(openvino, "Tensor", short)
    with pytest.raises(EngineError, match="there is no room"):
        graph(planes)
    np.testing.assert_array_equal(planes[:, :own], before)


@pytest.mark.parametrize("engine", [name for name in ("openvino", "onnxruntime") if find_spec(name)])
@pytest.mark.parametrize(("name", "part"), [("film-find", "find"), ("film-fill", "fill")])
def test_planes_that_are_alike_are_brought_once(name: str, part: str, engine: str) -> None:
    alike = film.ALONE[part]
    path = shipped_path(name)
    graph, whole = (engines.open_graph(path, engine=engine, alike=each) for each in (alike, ()))
    once = np.random.default_rng(0).random((2, 7, 64, 48), dtype=np.float32)
    once = once[:, : 1 + max(number for number in alike if number is not None)]
    again = np.stack([np.zeros_like(once[:, 0]) if number is None else once[:, number] for number in alike], axis=1)
    expected = whole(again)
    # Weights are rounded to bfloat16 as a sum, no more one by one. Behind them a value between two steps of 8 bits may move.
    far = np.abs(graph(once) - expected) / np.abs(expected).max()
    assert np.quantile(far, 0.98) < 0.05
    assert far.mean() < 0.01
    spare = np.concatenate([once, np.full((2, graph.spare, 64, 48), np.nan, np.float32)], axis=1)
    np.testing.assert_array_equal(graph(spare), graph(once))


@pytest.mark.parametrize("alike", [(0, 1, 2) * 3, (*range(12), *[None] * 8)])
def test_a_model_that_takes_other_planes_than_are_brought_is_refused(alike: engines.Alike) -> None:
    with pytest.raises(ModelError, match=f"the model takes 14 planes, and gets {len(alike)}"):
        engines.open_graph(shipped_path("film-find"), alike=alike)


def test_a_graph_that_does_not_begin_with_a_convolution_stays_as_it_is() -> None:
    import openvino
    from openvino import opset13

    given = opset13.parameter([-1, 3, -1, -1], np.float32)
    model = openvino.Model([opset13.relu(given)], [given])
    assert engines._in_two(model, 3) is model
    assert engines._joined(model, (0, 1, 1, None)) is model


@pytest.mark.arithmetic
def test_what_the_processor_may_not_use_is_not_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    here = engines.precision("openvino")
    for name in engines.CAPS:
        monkeypatch.delenv(name, raising=False)
    free = engines.precision("openvino")
    assert here in (free, "f32")
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    assert engines.precision("openvino") == "f32"
    # The first that is set counts.
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx512_core_bf16")
    assert engines.precision("openvino") == free
    assert engines.precision("onnxruntime") == "f32"


def test_without_openvino_the_other_engine_serves(gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    real = engines.find_spec
    monkeypatch.setattr(engines, "find_spec", lambda name: None if name == "openvino" else real(name))
    assert engines.open_graph(gray_model).engine == "onnxruntime"


def test_cache_folder_obeys_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PELLUCID_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engines.cache_folder() == tmp_path / "pellucid"
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "own"))
    assert engines.cache_folder() == tmp_path / "own"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file" / "below"))
    assert engines.cache_folder() is None


def test_a_model_runs_without_a_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_model: Callable[..., Path]) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file" / "below"))
    assert engines.open_graph(make_model(name="uncached"))(np.zeros((1, 1, 4, 4), np.float32)).shape == (1, 1, 4, 4)


def test_openvino_tells_nobody(gray_model: Path, tmp_path: Path) -> None:
    code = (
        "import sys, os, socket\n"
        "def refuse(*args, **kwargs): os._exit(7)\n"
        "socket.socket.connect = refuse\n"
        "os.fork = refuse\n"
        "from pathlib import Path\n"
        "from pellucid import engines\n"
        f"engines.open_graph(Path({str(gray_model)!r}), engine='openvino')\n"
        "assert 'openvino' in sys.modules and sys.modules['openvino_telemetry'] is None\n"
    )
    home = {**os.environ, "HOME": str(tmp_path), "PELLUCID_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", code], env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()
