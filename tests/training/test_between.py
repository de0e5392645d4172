"""Examples for the network that judges what was found in clips."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import samples
from pellucid.diagnosis import between as judge
from pellucid.errors import TrainingError
from pellucid.images import Pixels
from pellucid.training import between, likes


@pytest.mark.parametrize("name", likes.KINDS)
def test_things_like_damage_are_in_the_frames_and_drawn_alike_again(name: str) -> None:
    frames = np.full((3, 90, 120, 3), 0.5, np.float32)

    def drawn(seed: int) -> Pixels:
        return likes.drawn(frames, (-1, 0, 1), np.random.default_rng(seed), [name])

    several = [drawn(seed) for seed in range(12)]
    np.testing.assert_array_equal(several[0], drawn(0))
    assert all(np.isfinite(made).all() and made.min() >= 0 and made.max() <= 1 for made in several)
    assert sum(bool((np.ptp(made, axis=(1, 2)) > 0.05).any()) for made in several) >= 8
    assert any((made[0] != made[1]).any() for made in several)


def test_frames_of_a_kind_hold_no_damage_and_others_do() -> None:
    pictures = [np.asarray(samples.photograph())]
    clips = [between.clip(pictures, np.random.default_rng(seed)) for seed in range(8)]
    assert {frames.shape for frames, _, _ in clips} == {(3, between.SIDE, between.SIDE, 3)}
    assert 2 <= sum(bool(damage.any()) for _, damage, _ in clips) <= 7
    assert not between.clip(pictures, np.random.default_rng(0), ["points"])[1].any()


def test_examples_say_which_share_of_a_place_is_damaged_and_the_network_learns_it() -> None:
    pictures = [np.asarray(samples.photograph())]

    def glance(frame: Pixels, came: tuple[Pixels, Pixels], steps: tuple[int, int]) -> judge.Seen:
        hole = np.abs(frame - came[0]).max(axis=2) > 0.4
        return judge.Seen(frame, came, came, hole.astype(np.float32) * np.float32(0.9), hole, steps)

    learnt = between.examples(glance, pictures, 6, 3)
    assert learnt.features.shape[1] == len(judge.load().mean)
    assert np.isfinite(learnt.features).all()
    assert 0 <= learnt.targets[:, 0].min() <= learnt.targets[:, 0].max() <= 1
    weights = between.trained(learnt, steps=30, members=2)
    assert weights.of(learnt.features).shape == (len(learnt.features), 1)
    assert len(between.scores(weights, learnt)) == 6


def test_where_nothing_is_found_there_is_nothing_to_learn_from() -> None:
    def glance(frame: Pixels, came: tuple[Pixels, Pixels], steps: tuple[int, int]) -> judge.Seen:
        nothing = np.zeros(frame.shape[:2], np.float32)
        return judge.Seen(frame, came, came, nothing, nothing > 0, steps)

    with pytest.raises(TrainingError, match="nothing was found in the examples to learn from"):
        between.examples(glance, [np.asarray(samples.photograph())], 2, 0)
