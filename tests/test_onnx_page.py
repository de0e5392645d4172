"""The lines of docs/onnx.md give the picture that the package gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pellucid
from pellucid.cards import read_card
from pellucid.families import names, shipped_path

PAGE = Path(__file__).parent.parent / "docs" / "onnx.md"


CARDS = {name: read_card(shipped_path(name)) for name in names()}
SINGLE = [name for name, card in CARDS.items() if set(card.maps) <= {"sigma", "impulses"} and card.answer in ("residual", "clean")]
"""The models that take a picture, or its noise beside it, and nothing else."""


def lines(first: bool) -> str:
    """The page's lines of code: for noise, the ``first``, or for enlarging."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert all(len(block.splitlines()) <= 20 for block in blocks)
    return str(blocks[0 if first else 1])


@pytest.mark.parametrize("name", SINGLE)
def test_the_lines_of_the_page_give_the_same_picture(name: str, photograph: NDArray[np.float64]) -> None:
    pytest.importorskip("onnxruntime")
    path, card = shipped_path(name), CARDS[name]
    clean = photograph[:61, :83, : card.channels] * 0.5 + 0.25
    model = pellucid.load(path, engine="onnxruntime")
    place: dict[str, Any] = {"small": clean, "path": str(path)}
    if card.scales:
        exec(lines(first=False), place)
        np.testing.assert_allclose(place["large"], model.restore(clean.astype(np.float32), scale=3), atol=1e-5)
        return
    noisy = clean + np.random.default_rng(0).normal(0, 25 / 255, clean.shape)
    noisy[0, 0] = np.resize([-0.2, 1.2, 0.5], card.channels)  # noise that was not clipped leaves the range
    if name.endswith("digits"):
        noisy = noisy[:28, :28].clip(0, 1)
    place["noisy"] = noisy
    exec(lines(first=True), place)
    due = model.restore(noisy.astype(np.float32), **({"sigma": 25} if card.maps else {}))
    np.testing.assert_allclose(place["clean"], due.reshape(noisy.shape), atol=1e-5)


def test_the_page_explains_every_map_and_answer_of_the_shipped_cards() -> None:
    text = PAGE.read_text("utf-8")
    for card in CARDS.values():
        assert all(f"`{word}`" in text for word in (*card.maps, card.answer))
