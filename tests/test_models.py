"""The shipped models: their cards, their size, and what they can do on the images in the package (which taught none of them)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import degradations, restorer
from pellucid.cards import read_card
from pellucid.families import FAMILIES, names, shipped_path

# PSNR in dB on the package's 2,000 digits that each model must reach, a little under what was measured.
DIGITS = {
    "gaussian:0:clip": 57.5,
    "gaussian:25.5:clip": 30.3,
    "gaussian:51:clip": 26.2,
    "gaussian:127.5:clip": 20.5,
    "salt-pepper:0.1": 33.5,
    "salt-pepper:0.5": 22.1,
}


def mean_psnr(clean: NDArray[np.float64], answer: NDArray[np.float64]) -> float:
    squared = np.square(np.clip(answer, 0, 1) - clean).mean(axis=(1, 2))
    return float((-10 * np.log10(np.maximum(squared, 1e-7))).mean())


def spoiled(digits: NDArray[np.float64], noise: str) -> NDArray[np.float32]:
    tall = digits.reshape(-1, 28)
    return degradations.parse(noise)(tall, np.random.default_rng(0)).reshape(digits.shape)


@pytest.mark.parametrize("name", names())
def test_each_card_states_its_origin(name: str) -> None:
    card = read_card(shipped_path(name))
    assert card.name == name
    assert {card.task} == {family.task for family in FAMILIES.values() if name in family.files.values()}
    assert card.licence
    assert card.training_images
    assert all(source.count > 0 and source.licence for source in card.training_images)
    assert card.scores
    assert card.parameters > 0
    assert card.recipe["name"]
    assert card.training["steps"] > 0


def test_the_files_are_small_enough_to_travel() -> None:
    sizes = [shipped_path(name).stat().st_size for name in names()]
    assert max(sizes) <= 12 * 2**20
    assert sum(sizes) <= 64 * 2**20
    assert sum(shipped_path(name).stat().st_size for name in ("upscale", "upscale-photo")) <= 6 * 2**20
    assert max(shipped_path(name).stat().st_size for name in ("cutout", "colorize")) <= 5 * 2**20


@pytest.mark.parametrize("noise", DIGITS)
def test_digits_reaches_its_table(noise: str, digits: NDArray[np.float64]) -> None:
    answer = restorer.load("digits").restore_batch(spoiled(digits, noise))
    assert mean_psnr(digits, answer) >= DIGITS[noise]


def test_the_seed_does_what_its_author_saw(digits: NDArray[np.float64]) -> None:
    seed = restorer.load("seed-digits")
    assert seed.card.parameters + 352 == 51_057
    assert mean_psnr(digits, seed.restore_batch(spoiled(digits, "gaussian:51:clip"))) > 26
    # Its faults: it spoils a clean digit, and fails at levels that it was not trained for.
    assert mean_psnr(digits, seed.restore_batch(digits)) < 33
    assert mean_psnr(digits, seed.restore_batch(spoiled(digits, "gaussian:127.5:clip"))) < 15
