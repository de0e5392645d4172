"""The file that a run goes on from after an interruption: weights, their average and its best, the optimizer, history."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Set
from pathlib import Path
from typing import Any

import torch

from pellucid import regular
from pellucid.errors import FileError, OptionError
from pellucid.files import replacing
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

__all__ = ["STATE", "check", "read", "run_of", "save", "weights"]

STATE = frozenset(
    (
        "run",
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


def run_of(recipe: Recipe, pictures: Pictures, seed: int, *, begun: bool) -> dict[str, Any]:
    """The values that a run and its continuation have in common: all that decides what is learnt, from which images, and how.

    The length may differ, and what people call the recipe. ``begun`` says whether the run began from given weights.
    """
    table = json.loads(json.dumps(recipe.to_dict()))
    for name in ("name", "summary", "licence"):
        del table[name]
    for name in ("minutes", "epochs", "steps", "patience"):
        del table["training"][name]
    shapes = [each.shape for each in (*pictures.train, *pictures.valid)]
    stocks = {name: [each[0].shape for each in (*stock.train, *stock.valid)] for name, stock in pictures.stocks.items()}
    images = json.dumps([pictures.names, shapes, stocks, pictures.kind])
    return {**table, "images": hashlib.sha256(images.encode()).hexdigest(), "seed": seed, "from": begun}


def check(state: dict[str, Any], run: dict[str, Any], path: Path) -> None:
    """Raises `OptionError` where a checkpoint is not that of this run, with the first difference."""
    before = state["run"]
    if before["images"] != run["images"]:
        raise OptionError(f"{path} learnt from other images; name the same ones, or begin a new run from its weights (--from)")
    if before["from"] != run["from"]:
        began = "began from given weights: name them by --from" if before["from"] else "began without --from: leave it out"
        raise OptionError(f"{path} {began}")
    for where, value in run.items():
        table, other = (each if isinstance(each, dict) else {"": each} for each in (value, before.get(where)))
        for name in sorted({*table, *other}):
            if table.get(name) != other.get(name):
                field = f"{where}.{name}" if name else where
                raise OptionError(
                    f"{path}: {field} was {repr(other.get(name))[:60]} in this run, and is {repr(table.get(name))[:60]} here"
                )


def read(path: Path, keys: Set[str] = STATE) -> dict[str, Any]:
    """The values of a checkpoint, among them those of the ``keys``; `FileError` for a file that is none, or of another version."""
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(regular.read(path)), map_location="cpu", weights_only=True)
        missing = keys - state.keys()
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
    """The averaged weights in a checkpoint, of whatever version; `FileError` for a file that is no checkpoint."""
    average: dict[str, torch.Tensor] = read(path, {"average"})["average"]
    return average
