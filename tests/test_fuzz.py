"""Damaged files, a few of them in every run of the tests; ``make fuzz`` tries 20,000."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz", Path(__file__).with_name("fuzz.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzz"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wholes(fuzz: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    # Those that crash or hang a decoder take the run of the tests with them: their place is the child process of `make fuzz`.
    found = fuzz.seeds(tmp_path_factory.mktemp("wholes"))
    return [(path.suffix, path.read_bytes()) for path in found if path.suffix not in (".dng", ".exr", ".heic")]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(index=st.integers(0, 10**9))
def test_a_damaged_file_is_read_or_refused_in_one_line(
    fuzz: ModuleType, wholes: list[tuple[str, bytes]], tmp_path: Path, index: int, capfd: Any
) -> None:
    ending, content = fuzz.numbered(index, 0, wholes)
    assert fuzz.attempt(ending, content, tmp_path, index) is None
    assert list(tmp_path.iterdir()) == []


def test_a_finding_is_found(fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(path: Path, *, sparing: bool) -> None:
        raise ZeroDivisionError(path.name)

    monkeypatch.setattr(fuzz.files, "open_pages", breaks)
    assert fuzz.attempt(".png", b"x", tmp_path, 0) == "ZeroDivisionError: in.png"
