"""The file that a run goes on from after an interruption: weights, their average and its best, the optimizer, history."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from pellucid import regular
from pellucid.errors import FileError
from pellucid.files import replacing

__all__ = ["STATE", "read", "save", "weights"]

STATE = frozenset(
    (
        "network",
        "weights",
        "average",
        "optimizer",
        "step",
        "minutes",
        "history",
        "before",
        "best",
        "best_step",
        "waited",
        "adversary",
    )
)
"""The keys of a checkpoint."""


def read(path: Path) -> dict[str, Any]:
    """The values of a checkpoint by the keys `STATE`; `FileError` for a file that is none, or of another version."""
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(regular.read(path)), map_location="cpu", weights_only=True)
        missing = STATE - state.keys()
    except Exception as error:  # a damaged file may raise anything
        raise FileError(f"{path}: this is not a checkpoint, or it is damaged ({type(error).__name__})") from error
    if missing:
        raise FileError(f"{path}: this checkpoint is not of this version: it has no {sorted(missing)[0]!r}")
    return state


def save(path: Path, state: dict[str, Any]) -> None:
    """Writes the values, whose keys are `STATE`, in the place of an earlier checkpoint."""
    assert state.keys() == STATE, sorted(state.keys() ^ STATE)
    with replacing(path, overwrite=True) as temporary:
        torch.save(state, temporary)


def weights(path: Path) -> dict[str, torch.Tensor]:
    """The averaged weights in a checkpoint; `FileError` for a file that is no checkpoint."""
    average: dict[str, torch.Tensor] = read(path)["average"]
    return average
