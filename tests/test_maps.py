"""The maps that a network gets beside the image: their laws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import degradations, maps


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def planes(photograph: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray(photograph[96:256, 160:320].transpose(2, 0, 1), dtype=np.float32)


def test_a_flat_curve_is_a_flat_map(planes: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(maps.sigma(planes, maps.Curve(sigma=0.1)), np.full(planes.shape[1:], np.float32(0.1)))


def test_a_curve_follows_the_channels_light(planes: NDArray[np.float32]) -> None:
    flat = np.stack([np.full((40, 40), value, dtype=np.float32) for value in (0.1, 0.3, 0.8)])
    levels = maps.sigma(flat, maps.Curve(sigma=0.05, gain=0.01, speckle=0.02))
    wanted = np.sqrt(np.mean([0.05**2 + 0.01 * m + 0.02 * m * m for m in (0.1, 0.3, 0.8)]))
    np.testing.assert_allclose(levels, wanted, rtol=1e-5)


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_impulses_are_found_and_filled(density: float, planes: NDArray[np.float32]) -> None:
    noise = degradations.parse(f"salt-pepper:{density}")
    assert noise.extremes is not None
    noisy = noise(planes.transpose(1, 2, 0), rng()).transpose(2, 0, 1)
    hit = (noisy != planes).any(axis=0)
    chance = maps.impulses(noisy, noise.extremes)
    assert chance[hit].mean() > 0.95
    assert chance[~hit].mean() < 0.05
    filled = maps.filled(noisy, chance)
    np.testing.assert_array_equal(filled[:, chance == 0], noisy[:, chance == 0])
    assert np.square(filled - planes).mean() < np.square(noisy - planes).mean() / (12 if density < 0.9 else 8)


def test_a_white_area_is_not_taken_for_salt() -> None:
    planes = np.full((1, 64, 96), 0.4, dtype=np.float32)
    planes[:, 10:50, 10:50] = 1
    noise = degradations.parse("salt-pepper:0.2")
    assert noise.extremes is not None
    noisy = noise(planes.transpose(1, 2, 0), rng()).transpose(2, 0, 1)
    chance = maps.impulses(noisy, noise.extremes)
    assert chance[15:45, 15:45].mean() < 0.35
    filled = maps.filled(noisy, chance)
    assert np.abs(filled - planes)[:, 15:45, 15:45].mean() < 0.02


def test_a_part_is_told_what_the_whole_is(planes: NDArray[np.float32]) -> None:
    """A tile with a margin of `REACH` that begins on the grid: what tiling relies on."""
    extremes = maps.Extremes(0.3, 0.3)
    noisy = degradations.parse("salt-pepper:0.6")(planes.transpose(1, 2, 0), rng()).transpose(2, 0, 1)
    curve = maps.Curve(0.01, 0.02, 0.03)

    def planes_of(part: NDArray[np.float32]) -> NDArray[np.float32]:
        chance = maps.impulses(part, extremes)
        filled = maps.filled(part, chance)
        return np.concatenate([filled, chance[None], maps.sigma(filled, curve)[None]])

    whole = planes_of(noisy)
    start = 8 * 7
    part = planes_of(noisy[:, start - 48 : start + 40 + 48, start - 48 : start + 40 + 48])
    inner = slice(48, 88)
    np.testing.assert_allclose(part[:, inner, inner], whole[:, start : start + 40, start : start + 40], atol=1e-5)


@pytest.mark.parametrize(("count", "length"), [(1, 5), (2, 70), (9, 36), (40, 30)])
def test_values_between_rows_lie_on_straight_lines(count: int, length: int) -> None:
    rows = rng().random((count, 3), dtype=np.float32)
    places = (np.arange(length) + 0.5) / length
    expected = np.stack([np.interp(places * count - 0.5, np.arange(count), column) for column in rows.T], axis=1)
    np.testing.assert_allclose(maps.between(rows, places), expected, atol=1e-6)


def test_a_box_mean_is_that_of_its_window() -> None:
    plane = rng().random((9, 30), dtype=np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(plane, 2, mode="symmetric"), (5, 5))
    np.testing.assert_allclose(maps.box_mean(plane, 5), windows.mean(axis=(2, 3)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (17, 9)])
def test_small_and_odd_sizes_work(shape: tuple[int, int]) -> None:
    planes = np.zeros((3, *shape), dtype=np.float32)
    chance = maps.impulses(planes, maps.Extremes(0.1, 0.1))
    filled = maps.filled(planes, np.ones(shape, dtype=np.float32))
    assert chance.shape == shape
    assert filled.shape == planes.shape
    assert np.isfinite(filled).all()
    assert maps.sigma(planes, maps.Curve(0, 1, 1)).shape == shape
