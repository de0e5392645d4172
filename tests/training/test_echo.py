"""Examples that are learnt from several times."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from pellucid.errors import TrainingError
from pellucid.training.batches import Batch
from pellucid.training.echo import echoed


def made(number: int) -> Batch:
    """A batch of two examples whose planes say which they are."""
    planes = np.full((2, 3, 4, 4), number, np.float32)
    planes[:, 2] = np.arange(4)
    return Batch(planes, planes[:, :1], weight=np.ones((2, 1, 4, 4), np.float32), again=(False, False))


def test_examples_come_again_mirrored_or_not_and_coordinates_stay() -> None:
    again = echoed((made(number) for number in itertools.count()), 3, ("y", "x"), torch.device("cpu"), kept=8)
    for batch in itertools.islice(again, 40):
        assert torch.equal(batch.input[:, 2], torch.arange(4.0).expand(2, 4, 4))
        assert torch.equal(batch.input[:, :1], batch.target)
        assert batch.weight is not None
        assert batch.weight.shape == (2, 1, 4, 4)
    again.close()  # type: ignore[attr-defined]  # a generator


@pytest.mark.parametrize("given", [{"again": (True, False)}, {"probe": np.zeros((2, 1, 4, 4), np.float32)}])
def test_examples_with_more_than_planes_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match="echo"):
        next(echoed((replace(made(0), **given) for _ in range(1)), 3, (), torch.device("cpu")))
