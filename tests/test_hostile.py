"""Inputs that are made to do harm, or nearly so: each is an error of one line, and no output is wrong without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pellucid import denoising, restorer
from pellucid.errors import EngineError
from pellucid.families import shipped_path

SMALLEST = (5e-324, 1e-300, 1e-45, 1e-38, 1e-30, 1e-20, 1e-10, 1e-5, 9.9e-4)
"""Noise levels below `denoising.LEAST`; a double, and a float, cannot hold a number that is much smaller."""


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


@pytest.mark.parametrize("sigma", [denoising.LEAST, 2e-3, 0.1])
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
