"""The second look of training against that of restoration."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pellucid import denoising, maps
from pellucid.cards import read_card
from pellucid.families import shipped_path
from pellucid.noise import Noise
from pellucid.training import looks


@pytest.mark.parametrize("size", [(48, 40), (45, 51)])
def test_the_second_look_is_the_restorers(size: tuple[int, int]) -> None:
    card = read_card(shipped_path("photo-impulses"))
    planes, first = np.random.default_rng(0).random((2, 3, *size), dtype=np.float32)
    # Half of it is as it was answered, a piece is lost whole, and the second example is gray in all channels.
    first[:, :, : size[1] // 2] = planes[:, :, : size[1] // 2]
    first[:, :20, :20] += 2
    noise = Noise(25.0, maps.Curve(25 / 255), density=0.2)
    examples = [(planes, first), (planes[:1].repeat(3, axis=0), first)]
    # The first maps are the same everywhere.
    given = [denoising.with_maps(noisy, card, noise) for noisy, _ in examples]
    np.testing.assert_array_equal(
        given[0][3:].reshape(2, -1).T, np.broadcast_to(np.float32([25 / 255, 0.2]), (size[0] * size[1], 2))
    )
    again = looks.second(torch.from_numpy(np.stack(given)), torch.from_numpy(np.stack([first, first]))).numpy()
    for second, (noisy, output) in zip(again, examples, strict=True):
        np.testing.assert_allclose(second, denoising.with_maps(noisy, card, noise, first=output), atol=2e-6)


def test_gray_pictures_have_one_plane() -> None:
    planes, first = np.random.default_rng(1).random((2, 1, 28, 28), dtype=np.float32)
    given = np.concatenate([planes, np.full((1, 28, 28), 0.1, dtype=np.float32), np.full((1, 28, 28), 0.3, dtype=np.float32)])
    again = looks.second(torch.from_numpy(given[None]), torch.from_numpy(first[None])).numpy()[0]
    chance = maps.unlikely(planes, first, 0.3, 0.1)
    np.testing.assert_allclose(again[2], chance, atol=2e-6)
    np.testing.assert_allclose(again[:1], maps.filled(planes, chance), atol=2e-6)
