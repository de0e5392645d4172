"""How cutting out learns: examples of made things, photographs with masks and grounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pellucid import cutting, degradations
from pellucid.cutting import MAPS
from pellucid.errors import ModelError, OptionError
from pellucid.tasks.cutout_learning import SOURCES, Learning
from pellucid.training import losses
from pellucid.training.networks import CutoutSpec

SIDE = 64
PLUS, MINUS, BOX, PREVIOUS = 6, 7, 8, 9


class Drawn:
    """Gray ground of level 60; red things, blue subjects and green parts, all disks, on black where they are photographs."""

    def __init__(self, rng: np.random.Generator, *sources: str) -> None:
        self.rng, self.sources = rng, sources
        self.asked: list[str] = []

    def has(self, source: str) -> bool:
        return source in self.sources

    def __call__(self, source: str, least: int | None = None) -> NDArray[Any]:
        self.asked.append(source)
        assert source in self.sources
        if source == "grounds":
            return np.full((70, 90, 3), 60, dtype=np.uint8)
        rows, columns = np.ogrid[:50, :60]
        levels = np.zeros((50, 60, 4), dtype=np.uint8)
        levels[..., 3] = np.clip(40 * (20 - np.hypot(rows - 25, columns - 30)), 0, 255)
        levels[levels[..., 3] > 0, ("things", "scenes", "parts").index(source)] = 255
        return levels


def examples(task: Learning, count: int, *sources: str) -> list[tuple[Any, Drawn]]:
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        drawn = Drawn(rng, *sources)
        made.append((task.composed(drawn, SIDE, rng), drawn))
    return made


@pytest.mark.parametrize("sources", [("things",), ("things", "grounds"), SOURCES])
def test_examples_are_seeded_and_within_their_range(sources: tuple[str, ...]) -> None:
    once, twice = (examples(Learning(), 30, *sources) for _ in range(2))
    assert {source for _, drawn in once for source in drawn.asked} == set(sources)
    for (pair, _), (again, _) in zip(once, twice, strict=True):
        np.testing.assert_array_equal(pair.image, again.image)
        np.testing.assert_array_equal(pair.maps, again.maps)
        assert pair.image.shape == (SIDE, SIDE, 3)
        assert pair.maps.shape == (SIDE, SIDE, len(MAPS))
        assert pair.clean.shape == pair.base.shape == pair.weight.shape == (SIDE, SIDE, 1)
        assert {part.dtype for part in (pair.image, pair.maps, pair.clean, pair.base, pair.weight)} == {np.dtype(np.float32)}
        for planes in (pair.image, pair.maps[..., :10], pair.clean):
            assert 0 <= planes.min() <= planes.max() <= 1
        assert 0.3 < pair.weight.min() <= pair.weight.max() <= 3


def test_what_is_meant_is_what_was_pasted() -> None:
    task = Learning(scenes=0, empty=0, made=0, prompted=0, first=1)
    for pair, _ in examples(task, 20, "things", "grounds"):
        red = pair.image[..., 0] - pair.image[..., 1]
        there = pair.clean[..., 0]
        assert there.max() > 0.9
        # The camera may turn the colours gray, or exchange them.
        if red.max() > 0.3:
            assert red[there > 0.95].mean() > red[there < 0.05].mean() + 0.2


def test_with_nothing_to_cut_the_answer_is_empty_and_nothing_is_asked_for() -> None:
    for pair, _ in examples(Learning(scenes=0, empty=1, prompted=1), 10, "things", "grounds"):
        assert pair.clean.max() == 0
        assert pair.maps[..., (PLUS, MINUS)].max() == 0
        assert (pair.maps[..., BOX] == 0.5).all()


def test_parts_of_a_photograph_are_learnt_with_a_prompt_alone() -> None:
    task = Learning(scenes=1, parts=0.25, prompted=0.5, first=1)
    parts = 0
    for pair, drawn in examples(task, 80, *SOURCES):
        prompted = pair.maps[..., (PLUS, MINUS)].any() or (pair.maps[..., BOX] != 0.5).any()
        assert prompted or drawn.asked == ["scenes"]
        parts += drawn.asked == ["parts"]
    assert 8 < parts < 35


def test_a_box_holds_what_is_meant_and_points_lie_in_it() -> None:
    boxes = points = 0
    for pair, _ in examples(Learning(scenes=0.5, empty=0, prompted=1), 60, *SOURCES):
        meant = pair.clean[..., 0] > 0.5
        if not meant.any():
            continue
        if (pair.maps[..., BOX] != 0.5).any():
            boxes += 1
            assert (pair.maps[..., BOX] > 0.5)[meant].mean() > 0.9
            # Nothing is known of what is outside a box.
            assert pair.maps[..., PREVIOUS][pair.maps[..., BOX] == 0].max(initial=0) in (0, 0.5)
        if pair.maps[..., PLUS].any():
            points += 1
            assert meant[pair.maps[..., PLUS] > 0.8].mean() > 0.4
    assert boxes > 15
    assert points > 15


def test_the_share_of_first_looks_is_the_tables() -> None:
    first = [bool((pair.maps[..., PREVIOUS] == 0.5).all()) for pair, _ in examples(Learning(first=0.4), 100, *SOURCES)]
    assert 0.25 < np.mean(first) < 0.55


@pytest.mark.parametrize("field", ["scenes", "parts", "empty", "prompted", "first", "made"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_shares_are_shares(field: str, value: float) -> None:
    with pytest.raises(OptionError, match=field):
        Learning(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="band"):
        Learning(band=-1)


def test_the_network_answers_alpha_of_every_size() -> None:
    network = CutoutSpec(maps=MAPS, widths=(8, 8, 8), blocks=(1, 1)).build().eval()
    assert network.multiple_of == 8
    for size in ((8, 8), (24, 64)):
        given = torch.rand(2, 3 + len(MAPS), *size)
        with torch.no_grad():
            alpha, logits = network(given), network.training_output(given)
        assert alpha.shape == (2, 1, *size)
        torch.testing.assert_close(alpha, torch.sigmoid(logits))
    # One corner reaches the other: which thing is meant depends on the whole picture.
    given.requires_grad_()
    network.training_output(given)[0, 0, -1, -1].backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    assert given.grad[0, :, 0, 0].abs().max() > 0


@pytest.mark.parametrize("wrong", [{"widths": (8,)}, {"widths": (8, 8), "blocks": (1, 1)}, {"dilations": ()}, {"shuffle": 0}])
def test_a_network_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="matte"):
        CutoutSpec(**wrong)


def test_the_loss_of_alpha_is_least_at_the_truth() -> None:
    clean = torch.zeros(2, 1, 16, 16)
    clean[0, :, 4:12, 4:12] = 1
    weight = torch.ones_like(clean)

    def loss(logits: torch.Tensor, weight: torch.Tensor | None = None) -> float:
        return float(losses.loss_of("alpha", logits, clean, clean, weight))

    right = 20 * (2 * clean - 1)
    assert loss(right) == pytest.approx(0, abs=1e-5)
    assert loss(right, weight) == pytest.approx(0, abs=1e-5)
    moved = right.roll(2, 3)
    assert loss(right) < loss(moved) < loss(-right)
    # With nothing to cut, a small answer is nearly right.
    speck = right.clone()
    speck[1, :, :1, :1] = 20
    assert loss(speck) < 1
    # Where nothing counts, nothing is wrong.
    weight[moved != right] = 0
    assert loss(moved, weight) < 0.2 * loss(moved)


def test_the_planes_of_training_are_those_of_restoring() -> None:
    task = Learning(scenes=1, prompted=0, first=1)
    ((pair, _),) = examples(task, 1, *SOURCES)
    np.testing.assert_array_equal(pair.maps, cutting.maps(pair.image))


@pytest.mark.parametrize("case", ["alpha", "alpha:box", "alpha:point"])
def test_validation_says_what_its_case_says(case: str) -> None:
    task = Learning().of_case(degradations.parse(case))
    assert Learning().of_case(degradations.parse("gaussian:5")) == Learning()
    for pair, _ in examples(task, 12, *SOURCES):
        meant = pair.clean[..., 0] > 0.5
        if not meant.any():
            continue
        assert (pair.maps[..., PREVIOUS] == 0.5).all()
        box, plus = pair.maps[..., BOX], pair.maps[..., PLUS]
        assert pair.maps[..., MINUS].max() == 0
        assert plus.any() == (case == "alpha:point")
        if case == "alpha:box":
            rows, columns = np.flatnonzero(meant.any(axis=1)), np.flatnonzero(meant.any(axis=0))
            assert box.sum() == (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
            assert box[meant].min() == 1
        else:
            assert (box == 0.5).all()
