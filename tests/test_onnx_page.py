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


def test_the_lines_of_the_page_give_the_same_picture(photograph: NDArray[np.float64]) -> None:
    pytest.importorskip("onnxruntime")
    found = re.search(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    noisy = photograph[:101, :139] * 0.5 + 0.25 + np.random.default_rng(0).normal(0, 25 / 255, (101, 139, 3))
    noisy[0, 0] = -0.2, 1.2, 0.5  # noise that was not clipped leaves the range
    place: dict[str, Any] = {"noisy": noisy, "path": str(shipped_path("photo-color"))}
    exec(found[1], place)
    due = pellucid.load("photo", engine="onnxruntime").restore(noisy.astype(np.float32), sigma=25)
    np.testing.assert_allclose(place["clean"], due, atol=1e-5)
    assert len(found[1].splitlines()) <= 20


def test_the_page_explains_every_map_and_answer_of_the_shipped_cards() -> None:
    text = PAGE.read_text("utf-8")
    for name in names():
        card = read_card(shipped_path(name))
        assert all(f"`{word}`" in text for word in (*card.maps, card.answer))
