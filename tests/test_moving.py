"""Frames that are made: what moves, how far, and what is in front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import moving

Levels = NDArray[np.uint8]


@pytest.fixture
def ground(photograph: Any) -> Levels:
    return np.asarray(np.rint(255 * photograph), np.uint8)


def disk() -> Levels:
    """A red disk of 40 pixels."""
    rows, columns = np.ogrid[:40, :40]
    thing = np.zeros((40, 40, 4), np.uint8)
    thing[..., 0] = 255
    thing[..., 3] = 255 * ((rows - 19.5) ** 2 + (columns - 19.5) ** 2 < 380)
    return thing


def test_frames_are_seeded_and_within_range(ground: Levels) -> None:
    for seed in range(6):
        one, again = (moving.frames(ground, [disk()], 48, 4, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(one, again)
        assert one.shape == (4, 48, 48, 3)
        assert one.dtype == np.float32
        assert 0 <= one.min() < one.max() <= 1


def test_cameras_stand_still_and_move_and_whole_pixels_stay_sharp(ground: Levels) -> None:
    still = whole = 0
    for seed in range(40):
        first, second = moving.frames(ground, [], 64, 3, np.random.default_rng(seed))[:2]
        away = min(
            (float(np.abs(first[24:40, 24:40] - second[24 + y : 40 + y, 24 + x : 40 + x]).max()), abs(y) + abs(x))
            for y in range(-20, 21)
            for x in range(-20, 21)
        )
        still += away[0] == 0 and away[1] == 0
        whole += away[0] == 0 and away[1] > 0
    assert 4 <= still <= 20
    assert 2 <= whole <= 20


def test_a_thing_is_in_front_of_the_ground_and_goes_on(ground: Levels) -> None:
    found = []
    for seed in range(30):
        frames = moving.frames(np.zeros_like(ground), [disk()], 96, 4, np.random.default_rng(seed))
        red = frames[..., 0] > 0.8
        assert (frames[..., 1] < 0.05).all()
        if red.sum(axis=(1, 2)).min() > 30:
            rows, columns = ([np.nonzero(each)[axis].mean() for each in red] for axis in (0, 1))
            found.append(float(np.hypot(np.ptp(rows), np.ptp(columns))))
    assert len(found) > 8
    assert max(found) > 10


def test_a_cut_out_is_solid_inside_and_gone_outside(ground: Levels) -> None:
    for seed in range(5):
        thing = moving.cut_out(ground, 40, np.random.default_rng(seed))
        height, width = thing.shape[:2]
        assert thing[height // 2, width // 2, 3] == 255
        assert thing[0, 0, 3] == thing[-1, -1, 3] == 0
    assert moving.cut_out(ground[..., :1], 40, np.random.default_rng(0)).shape[2] == 4


def test_strips_give_frames_in_their_order_or_backwards() -> None:
    held = np.concatenate([np.full((32, 32, 3), 20 * number, np.uint8) for number in range(8)])
    steps = set()
    for seed in range(30):
        frames = moving.strip(held, 40, 4, np.random.default_rng(seed))
        assert frames.shape == (4, 40, 40, 3)
        shown = np.rint(255 * frames[:, 0, 0, 0] / 20).astype(int)
        steps |= set(np.diff(shown))
    assert steps == {-2, -1, 1, 2}
    # Fewer frames than are asked for: the last one stays.
    assert moving.strip(held[:64], 32, 5, np.random.default_rng(0)).shape == (5, 32, 32, 3)
