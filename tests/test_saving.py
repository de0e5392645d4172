"""Temporary files: what a killed run leaves is taken away, what is in use is not."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pellucid import saving
from pellucid.errors import FileError

LEFT = ".pellucid-0123456789abcdef.tmp"


def test_a_sweep_takes_what_nobody_holds(tmp_path: Path) -> None:
    left = tmp_path / LEFT
    left.write_bytes(b"half")
    for name in ("a.tmp", ".pellucid-x.tmp", f"{LEFT}.png", ".pellucid.jsonl"):
        (tmp_path / name).write_bytes(b"mine")
    (tmp_path / ".pellucid-aaaaaaaaaaaaaaaa.tmp").symlink_to(tmp_path / "a.tmp")
    with saving.replacing(tmp_path / "b.png") as temporary:
        temporary.write_bytes(b"whole")
        assert saving.sweep(tmp_path) == [left]
    assert (tmp_path / "b.png").read_bytes() == b"whole"
    assert len(list(tmp_path.iterdir())) == 6
    assert saving.sweep(tmp_path / "none") == []


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from pellucid import saving\n"
        "with saving.replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        " temporary.write_bytes(b'half'); print(flush=True); time.sleep(60)"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "a.png")], stdout=subprocess.PIPE)
    with writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert saving.sweep(tmp_path) == []
        writer.send_signal(signal.SIGKILL)
    begun = time.monotonic()
    while not saving.sweep(tmp_path):
        assert time.monotonic() < begun + 60
    assert list(tmp_path.iterdir()) == []


def test_a_torn_line_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    saving.append_line(path, "one")
    with path.open("ab") as file:
        file.write(b"tw")
    saving.append_line(path, "three")
    assert path.read_text().splitlines() == ["one", "tw", "three"]
    with pytest.raises(FileError, match="cannot be written"):
        saving.append_line(tmp_path / "none" / "lines", "x")


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_takes_the_place_of_another(in_one_step: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not in_one_step:
        monkeypatch.setattr(saving, "_swapped", lambda first, second: False)
    made: list[Path] = []
    name_of = saving._temporary_name

    def named(folder: Path) -> Path:
        made.append(name_of(folder))
        return made[-1]

    monkeypatch.setattr(saving, "_temporary_name", named)
    place = tmp_path / "a.zarr"
    place.mkdir()
    (place / "old").write_bytes(b"old")
    with saving.replacing_folder(place, overwrite=True) as temporary:
        (temporary / "new").write_bytes(b"new")
        assert [entry.name for entry in place.iterdir()] == ["old"]
    assert [entry.name for entry in place.iterdir()] == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]
    if sys.platform == "linux":
        # In one step the old folder has the new one's temporary name and needs none of its own.
        assert len(made) == (1 if in_one_step else 2)
