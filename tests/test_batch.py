from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid import batch, files, images, restorer
from pellucid.errors import FileError, OptionError


def put(path: Path, side: int = 20) -> Path:
    files.write(path, images.from_array(np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)))
    return path


def test_the_answer_lies_beside_its_picture(tmp_path: Path) -> None:
    source = put(tmp_path / "a.b.png")
    assert batch.plan([source], None) == [(source, tmp_path / "a.b.clean.png")]


def test_one_picture_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    source = put(tmp_path / "a.png")
    assert batch.plan([source], tmp_path / "out.tif") == [(source, tmp_path / "out.tif")]
    (tmp_path / "sub").mkdir()
    assert batch.plan([source], tmp_path / "sub") == [(source, tmp_path / "sub" / "a.png")]


def test_a_folder_stands_for_its_pictures_but_not_for_answers(tmp_path: Path) -> None:
    first, second = put(tmp_path / "a.png"), put(tmp_path / "b.png")
    put(tmp_path / "a.clean.png")
    (tmp_path / "notes.txt").write_text("x")
    assert batch.plan([tmp_path], tmp_path / "out") == [(first, tmp_path / "out" / "a.png"), (second, tmp_path / "out" / "b.png")]


def test_plans_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source = put(tmp_path / "a.png")
    (tmp_path / "sub").mkdir()
    twin = put(tmp_path / "sub" / "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="no such file"):
        batch.plan([tmp_path / "missing.png"], None)
    with pytest.raises(FileError, match="no image"):
        batch.plan([tmp_path / "empty"], None)
    with pytest.raises(OptionError, match="replace its own picture"):
        batch.plan([source], source)
    with pytest.raises(OptionError, match="both"):
        batch.plan([source, twin], tmp_path / "out")
    with pytest.raises(OptionError, match="folder"):
        batch.plan([source, twin], source)


def test_a_bad_file_is_reported_and_the_rest_done(tmp_path: Path, gray_model: Path) -> None:
    good, last = put(tmp_path / "a.png"), put(tmp_path / "c.png", 31)
    bad = tmp_path / "b.png"
    bad.write_bytes(good.read_bytes()[:100])
    pairs = batch.plan([tmp_path], tmp_path / "out")
    outcomes = list(batch.restore_files(pairs, restorer.load(gray_model), sigma=10))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "b.png" in str(outcomes[1].error)
    assert (outcomes[2].width, outcomes[2].height, outcomes[2].sigma) == (31, 31, 10)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    assert last.exists()


def test_an_existing_answer_is_kept_unless_told(tmp_path: Path, gray_model: Path) -> None:
    pairs = batch.plan([put(tmp_path / "a.png")], tmp_path / "out.png")
    (tmp_path / "out.png").write_bytes(b"mine")
    model = restorer.load(gray_model)
    (outcome,) = batch.restore_files(pairs, model, sigma=10)
    assert "exists" in str(outcome.error)
    assert (tmp_path / "out.png").read_bytes() == b"mine"
    (outcome,) = batch.restore_files(pairs, model, sigma=10, overwrite=True)
    assert outcome.error is None
