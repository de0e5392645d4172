"""A short form of `make chaos`: each disturbance once, and no bound on the time."""

from __future__ import annotations

import math
import random
import sys
from typing import Any

import pytest

pytest.importorskip("resource", reason="no POSIX limits on this system")

import chaos


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return chaos.Place(tmp_path_factory.mktemp("chaos"), count=4, side=32)


@pytest.mark.parametrize("kinds", [["kill", "full disk", "descriptors"], ["longest file", "sweep"], ["control group"]])
def test_a_folder_run_loses_nothing(kinds: list[str], place: Any) -> None:
    chaos.folder_round(place, kinds, random.Random(0))
    assert place.findings == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="it looks for processes in /proc")
def test_the_service_is_well_again(place: Any) -> None:
    for extra in ("starlette", "uvicorn", "python_multipart"):
        pytest.importorskip(extra, reason="the extra web is not installed")
    kinds = ["kill workers", "full disk", "sweep", "stop server", "connections", "descriptors"]
    chaos.service_round(place, iter(kinds), random.Random(0), math.inf, clients=1, workers=1)
    assert place.findings == []
    assert place.counts["answers: right"] > 0
