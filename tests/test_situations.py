"""Some of the pictures of ``benchmarks/situations.py``: no output is worse than its input, and most are much better."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

GAINS = {
    "tiles of a game": 0.0,
    "gray page, noise 15": 4.0,
    "bands in rows": 7.0,
    "nearly white, noise 4": 9.0,
    "micrograph, 300 photons": 12.0,
    "pixels repeated, noise 20": 8.0,
    "print in coloured dots": 0.0,
    "noise 6 under a bright sky": 1.0,
    "tight text, noise 5": 0.0,
    "dark page, noise 6": 2.0,
    "noise 15 in the lower half": 3.0,
    "bands in rows and columns": 7.0,
    "10 % of blue of any value": 15.0,
    "page of text, 1 % of any value": 3.0,
}
"""By how many dB each output is better than its input, at least."""


@pytest.fixture(scope="module")
def situations() -> ModuleType:
    if not BENCHMARKS.is_dir():
        pytest.skip("the benchmarks are not here")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        import situations  # type: ignore[import-not-found]

        sys.modules.pop("situations")
        return situations


@pytest.mark.parametrize("name", GAINS)
def test_no_output_is_worse_than_its_input(name: str, situations: ModuleType) -> None:
    number = [situation.name for situation in situations.SITUATIONS].index(name)
    row = situations.measured(number, situations.photographs(None), beside=False)
    assert row["output"] >= row["input"] + GAINS[name]
