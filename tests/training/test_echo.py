"""Batches learnt from several times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pellucid.errors import TrainingError
from pellucid.training.batches import Batch
from pellucid.training.echo import echoed

CPU = torch.device("cpu")


def _made(count: int, taken: list[int]) -> Iterator[Batch]:
    """Batches of two examples: example n holds n, its column, and a coordinate; after ``count`` the same again, noted in taken."""
    across = np.linspace(-1, 1, 4, dtype=np.float32)
    for number in range(10**6):
        taken.append(number)
        planes = np.empty((2, 3, 2, 4), dtype=np.float32)
        planes[:, 0] = np.array([2 * number, 2 * number + 1], dtype=np.float32)[:, None, None] % (2 * count)
        planes[:, 1] = np.arange(4)
        planes[:, 2] = across
        yield Batch(planes, planes[:, 1:2].copy(), planes[:, :1].copy(), weight=planes[:, 1:2] + 1)


def test_each_example_is_learnt_from_so_often_and_keeps_its_planes() -> None:
    taken: list[int] = []
    stream = echoed(_made(10**5, taken), 3, ("near", "x"), CPU, kept=8)
    both = set()
    for step in range(60):
        batch = next(stream)
        given, target, base, weight = (torch.as_tensor(each) for each in (batch.input, batch.target, batch.enlarged, batch.weight))
        assert given.dtype == torch.float32
        # No more steps than three for each batch that came.
        assert step < 3 * len(taken)
        for row in range(2):
            columns = given[row, 1, 0].tolist()
            both.add(tuple(columns))
            assert torch.equal(given[row, 1], target[row, 0])
            assert torch.equal(weight[row, 0], target[row, 0] + 1)
            assert torch.equal(given[row, 0], base[row, 0])
            # The coordinate stays where the picture is mirrored.
            assert given[row, 2, 0].tolist() == np.float16(np.linspace(-1, 1, 4)).tolist()
    assert both == {(0.0, 1.0, 2.0, 3.0), (3.0, 2.0, 1.0, 0.0)}
    stream.close()  # type: ignore[attr-defined]  # a generator


def test_the_last_examples_alone_are_kept() -> None:
    taken: list[int] = []
    stream = echoed(_made(10**5, taken), 2, (), CPU, kept=4)
    drawn = [float(torch.as_tensor(next(stream).input)[0, 0, 0, 0]) for _ in range(200)]
    stream.close()  # type: ignore[attr-defined]  # a generator
    # Four examples are kept: none is older than two batches before the newest that can have come, five of which wait.
    assert max(drawn) > 100
    assert all(value >= 2 * (step // 2 - 1) - 2 for step, value in enumerate(drawn))


def test_batches_of_smaller_patches_are_learnt_from_once() -> None:
    """Pictures smaller than a patch make smaller ones, first or later."""

    def made() -> Iterator[Batch]:
        for number in range(10**6):
            side = 2 if number % 3 == 0 else 4
            planes = np.full((2, 1, side, side), number, dtype=np.float32)
            yield Batch(planes, planes.copy(), planes.copy())

    stream = echoed(made(), 5, (), CPU, kept=8)
    drawn = [torch.as_tensor(next(stream).input) for _ in range(100)]
    stream.close()  # type: ignore[attr-defined]  # a generator
    small = [int(batch[0, 0, 0, 0]) for batch in drawn if batch.shape[2] == 2]
    # The very first is the pool until a larger one comes; no other is drawn again.
    assert len({number for number in small if number}) == len([number for number in small if number])
    assert all(int(number) % 3 for batch in drawn if batch.shape[2] == 4 for number in batch[:, 0, 0, 0])
    assert {batch.shape[2] for batch in drawn} == {2, 4}


def test_an_error_in_making_a_batch_is_raised() -> None:
    def made() -> Iterator[Batch]:
        yield next(_made(4, []))
        raise ValueError("no such image")

    stream = echoed(made(), 2, (), CPU, kept=4)
    with pytest.raises(ValueError, match="no such image"):
        list(stream)


@pytest.mark.parametrize("given", [{"again": (True, False)}, {"probe": np.zeros((2, 1, 2, 4), np.float32)}])
def test_examples_with_more_than_planes_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="echo"):
        next(echoed((replace(batch, **given) for batch in _made(4, [])), 3, (), CPU))
