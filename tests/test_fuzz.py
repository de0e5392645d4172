"""Damaged and hostile files, a few of them in every run of the tests; ``make fuzz`` tries 20,000."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import fuzz
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pellucid.errors import MemoryShort, PellucidError


class Wholes(list[tuple[str, bytes]]):
    """Endings and contents, of which no failure shows the half of a megabyte."""

    def __repr__(self) -> str:
        return f"{len(self)} files"


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> Wholes:
    # Those that crash or hang a decoder take the run of the tests with them: their place is the child process of `make fuzz`.
    found = fuzz.seeds(tmp_path_factory.mktemp("wholes"))
    return Wholes((path.suffix, path.read_bytes()) for path in found if path.suffix not in (".dng", ".exr", ".heic"))


def test_every_format_asks_for_memory_before_it_takes_any(tmp_path: Path, monkeypatch: Any) -> None:
    asked = set()
    for path in fuzz.seeds(tmp_path):
        kind = next(kind.name for kind in fuzz.files.FORMATS if path.suffix in kind.endings)
        # Row by row, too.
        for banded in (1, fuzz.base.BANDED):
            monkeypatch.setattr(fuzz.base, "BANDED", banded)
            with pytest.raises(MemoryShort, match=r"need .* more memory, and this process has"):
                fuzz.through(path, memory=1)
        asked.add(kind)
    missing = {kind.name for kind in fuzz.files.FORMATS if not kind.folder} - asked
    # These formats need an extra that may not be installed.
    assert missing <= {"HEIF", "OpenEXR", "DICOM", "camera RAW"}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(index=st.integers(0, 10**9))
def test_a_damaged_file_is_read_or_refused_in_one_line(wholes: Wholes, tmp_path: Path, index: int, capfd: Any) -> None:
    ending, content = fuzz.numbered(index, 0, wholes)
    assert fuzz.attempt(ending, content, tmp_path, index) is None
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(index=st.integers(0, 10**9), version=st.sampled_from([2, 3]), which=st.integers(0, 10))
def test_damaged_metadata_of_a_pyramid_are_read_or_refused_in_one_line(
    tmp_path: Path, index: int, version: int, which: int
) -> None:
    pytest.importorskip("zarr", reason="the extra zarr is not installed")
    import test_omezarr as pyramids

    place = tmp_path / "in.zarr"
    values = pyramids.samples((3, 24, 33), "uint16")
    # Unpacked: a decoder's crash would take the run of the tests with it.
    pyramids.pyramid(place, values, "zyx", version, compressors=None)
    named = sorted(pyramids.metadata_of(place))
    file = place / named[which % len(named)]
    file.write_bytes(fuzz.mutated(file.read_bytes(), b"", random.Random(index)))
    try:
        with fuzz.files.open_pages(place, sparing=index % 3 == 0) as document:
            fuzz.files.write_pages(tmp_path / "out.zarr", document.pages, document, strip=index % 5 == 0)
        said = None
    except PellucidError as error:
        said = str(error)
    assert said is None or ("\n" not in said and said)
    assert (said is None) == (tmp_path / "out.zarr").exists()
    shutil.rmtree(tmp_path / "out.zarr", ignore_errors=True)
    assert [path.name for path in tmp_path.iterdir()] == ["in.zarr"]
    shutil.rmtree(place)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(index=st.integers(0, 10**9), kind=st.sampled_from(["structure", "links", "records", "values", "changing", "presets"]))
def test_other_hostile_inputs_are_taken_or_refused_in_one_line(
    wholes: Wholes, tmp_path: Path, index: int, kind: str, capfd: Any
) -> None:
    # Groups and models may crash what reads them: their place is the child process, too.
    number = next(number for number in range(index, index + 20) if getattr(fuzz.kinds.kind_of(number), "__name__", "") == kind)
    assert fuzz.kinds.attempt(number, 0, tmp_path, wholes) is None
    assert list(tmp_path.iterdir()) == []


def test_a_finding_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(path: Path, *, sparing: bool) -> None:
        raise ZeroDivisionError(path.name)

    monkeypatch.setattr(fuzz.files, "open_pages", breaks)
    assert fuzz.attempt(".png", b"x", tmp_path, 0) == "ZeroDivisionError: in.png"
