"""Files that are longer than they can be: nothing is hashed or read before that is looked at."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from pellucid import batch, cli, files, images, manifest, plan, regular, restorer, tasks
from pellucid.errors import FileError, PellucidError
from pellucid.tasks.kinds import LARGEST
from pellucid.tasks.settings import FileSettings

LONG = 900 * 10**9


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A file of 900 GB that takes no room."""
    path = tmp_path / "long"
    path.write_bytes(b"P5 20 20 255\n")
    try:
        os.truncate(path, LONG)
        with path.open("rb") as file:
            file.seek(0)
            if regular._stored(file.fileno(), LONG) > 2**20:
                pytest.skip("no holes here")
    except OSError:
        pytest.skip("no such long files here")
    return path


def test_holes_are_neither_hashed_nor_taken_for_a_picture(long: Path, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="holes"):
        manifest.digest_of(long)
    (tmp_path / "in").mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (16, 20), dtype=np.uint8)
    files.write(tmp_path / "in" / "a.png", images.from_array(picture))
    for number, ending in enumerate((*(kind.endings[0] for kind in files.FORMATS if not kind.folder), ".mp4", ".mkv")):
        os.link(long, tmp_path / "in" / f"long{number}{ending}")
    (tmp_path / "in" / "group.zarr").mkdir()
    os.link(long, tmp_path / "in" / "group.zarr" / "0")
    model = restorer.load("seed-digits")
    for resume in (False, True):
        planned = plan.plan([tmp_path / "in"], tmp_path / "out")
        outcomes = list(batch.restore_files(planned, model, model.settings(), resume=resume))
        failed = {each.input.name: each.error for each in outcomes if each.error is not None}
        assert len(failed) == len(outcomes) - 1 == len(files.FORMATS) + 2
        assert all(name in (error or "") for name, error in failed.items())


@pytest.mark.parametrize("length", [LONG, LARGEST - 1], ids=["900 GB", "holes"])
def test_no_file_that_a_setting_names_is_hashed_first(length: int, long: Path) -> None:
    os.truncate(long, length)
    rows = [(row.settings, each) for row in tasks.TASKS.values() for each in row.settings.declared() if "file" in each.kinds]
    rows += [(FileSettings, each) for each in FileSettings.declared() if "file" in each.kinds]
    assert {each.name for _, each in rows} >= {"mask", "protect", "hints", "palette", "like", "background"}
    for settings, row in rows:
        for given in (str(long), long):
            with pytest.raises(PellucidError) as raised:
                settings.of({row.name: given})
            assert len(str(raised.value).splitlines()) == 1


def test_a_file_without_holes_has_its_hash(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "a"
    for content in (b"", b"a" * 10, os.urandom(1 << 16)):
        path.write_bytes(content)
        assert regular.digest(path) == hashlib.sha256(content).hexdigest()
    with pytest.raises(OSError, match="more than the 100"):
        regular.digest(path, 100)
    # One hole more or less says nothing.
    with path.open("r+b") as file:
        file.seek(regular.ANY_HOLES + 10)
        file.write(os.urandom(1 << 16))
    assert regular.digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_manifest_is_read_line_by_line(tmp_path: Path) -> None:
    """A line without an end costs no memory, and hides no other."""
    source, target = tmp_path / "a.png", tmp_path / "out" / "a.png"
    target.parent.mkdir()
    for path in (source, target):
        path.write_bytes(b"content")
    digest = manifest.digest_of(source)
    made = manifest.Manifest(target.parent, {"sigma": 5.0, "text": "é"}, str)
    made.note(source, target, digest, target)
    line = (target.parent / manifest.MANIFEST).read_bytes()
    with (target.parent / manifest.MANIFEST).open("wb") as file:
        file.write(b'{"output": "' + b"x" * (3 * manifest.LONGEST) + b'"}\n')
        file.write(b"\n\xff\xfe\n[]\n" + line[:-9] + b"\n" + line)
        file.write(b"\0" * (2 * manifest.LONGEST))
    read = manifest.Manifest(target.parent, {"sigma": 5.0, "text": "é"}, str)
    assert read.has(source, target, digest)
    assert not read.has(source, target, "another")
    assert not manifest.Manifest(target.parent, {"sigma": 6.0, "text": "é"}, str).has(source, target, digest)
    target.write_bytes(b"other")
    assert not read.has(source, target, digest)
    assert len(read._read()) == 1
    # A manifest larger than any that a run writes is refused, not read.
    os.truncate(target.parent / manifest.MANIFEST, manifest.LARGEST + 1)
    with pytest.raises(FileError, match="at most"):
        manifest.Manifest(target.parent, {}, str).has(source, target, digest)


def test_a_long_manifest_ends_a_run_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    for name in ("a.png", "b.png"):
        files.write(tmp_path / "in" / name, images.from_array(np.zeros((8, 9), np.uint8)))
    (tmp_path / "out" / manifest.MANIFEST).write_text(json.dumps({"output": "a.png"}) + "\n")
    os.truncate(tmp_path / "out" / manifest.MANIFEST, manifest.LARGEST + 1)
    arguments = ["denoise", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", "seed-digits", "--resume"]
    assert cli.main(arguments) == 1
    assert "at most" in capsys.readouterr().err
