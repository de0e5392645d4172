from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import degradations, diagnosis


def noisy(clean: NDArray[np.float64], sigma: float) -> NDArray[np.float32]:
    return degradations.parse(f"gaussian:{sigma}")(clean, np.random.default_rng(0))


@pytest.mark.parametrize("sigma", [5, 15, 25, 50, 75])
def test_finds_the_level_in_a_textured_photograph(photograph: NDArray[np.float64], sigma: float) -> None:
    assert diagnosis.gaussian_sigma(noisy(photograph, sigma)) == pytest.approx(sigma, rel=0.05, abs=0.5)
    assert diagnosis.gaussian_sigma(noisy(photograph[..., :1], sigma)) == pytest.approx(sigma, rel=0.06, abs=0.5)


def test_little_is_found_where_there_is_none(photograph: NDArray[np.float64]) -> None:
    assert diagnosis.gaussian_sigma(photograph.astype(np.float32)) < 2
    assert diagnosis.gaussian_sigma(np.full((64, 64, 3), 0.5, np.float32)) < 0.01


def test_clipped_noise_is_measured_where_it_is_whole(photograph: NDArray[np.float64]) -> None:
    clipped = np.clip(noisy(photograph, 25), 0, 1)
    assert diagnosis.gaussian_sigma(clipped) == pytest.approx(25, rel=0.12)


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (16, 16), (40, 17)])
def test_any_size_answers(size: tuple[int, int]) -> None:
    found = diagnosis.gaussian_sigma(noisy(np.full((*size, 1), 0.5), 25))
    assert np.isfinite(found)
    assert found == 0 if min(size) < 16 else 10 < found < 45


def test_an_image_of_black_and_white_answers_zero() -> None:
    assert diagnosis.gaussian_sigma(np.random.default_rng(0).integers(0, 2, (64, 64, 1)).astype(np.float32)) == 0
