from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pellucid import images
from pellucid.errors import ImageError

SAME = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
"""The same arrays in every run, and no limit of time: a test that fails fails again."""

SHAPES = st.sampled_from([(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 1)])


@SAME
@given(st.data())
def test_integers_come_back_as_they_were(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16]))
    array = data.draw(hnp.arrays(dtype, SHAPES))
    back = images.to_array(images.from_array(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@SAME
@given(st.data())
def test_float32_comes_back_unclipped(data: st.DataObject) -> None:
    array = data.draw(hnp.arrays(np.float32, SHAPES, elements=st.floats(-2, 3, width=32)))
    np.testing.assert_array_equal(images.to_array(images.from_array(array)), array)


def test_every_16_bit_level_survives() -> None:
    ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(images.to_array(images.from_array(ramp)), ramp)


def test_alpha_is_set_aside_in_its_own_dtype() -> None:
    array = np.random.default_rng(0).integers(0, 65536, (4, 5, 4), dtype=np.uint16)
    image = images.from_array(array)
    assert image.pixels.shape == (4, 5, 3)
    assert image.alpha is not None
    np.testing.assert_array_equal(image.alpha, array[..., 3])
    changed = images.to_array(images.with_pixels(image, image.pixels * 0))
    np.testing.assert_array_equal(changed[..., 3], array[..., 3])


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2), np.int32),
        np.zeros((2, 2), bool),
        np.zeros((2, 2), np.float16),
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((2,), np.uint8),
        np.zeros((1, 2, 2, 3), np.uint8),
        np.zeros((0, 3), np.uint8),
        np.full((2, 2), np.nan),
        np.array([[np.inf]]),
        np.array([["a"]]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_what_is_no_image_is_refused_in_one_line(array: np.ndarray) -> None:
    with pytest.raises(ImageError) as caught:
        images.from_array(array)
    assert "\n" not in str(caught.value)


def test_gray_is_rec_601() -> None:
    assert images.gray(np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])).ravel() == pytest.approx([0.299, 0.587])
    assert images.gray(np.ones((2, 2, 1))).shape == (2, 2, 1)


def test_steps_are_the_whole_numbers_from_black_to_white() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    assert images.from_array(ramp).steps == 65535
    assert images.from_values(ramp, (0, 4095)).steps == 4095
    assert images.from_values(ramp.astype(np.int16), (-5, 4095)).steps == 4100
    assert images.from_array(ramp / np.float64(4095)).steps is None


def test_levels_are_clipped_and_rounded_band_by_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "BAND", 50)
    pixels = (np.random.default_rng(0).random((23, 7, 3)) * 1.4 - 0.2).astype(np.float32)
    for dtype in (np.uint8, np.uint16):
        expected = np.rint(np.clip(pixels, 0, 1) * np.float32(np.iinfo(dtype).max)).astype(dtype)
        np.testing.assert_array_equal(images.to_levels(pixels, np.dtype(dtype)), expected)
