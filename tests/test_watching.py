"""A watched folder: whole pictures alone, each once, whatever happens between two looks."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import api, chains, cli, files, images, steps, watching
from pellucid.cli import beside
from pellucid.errors import FileError, OptionError
from pellucid.plan import Selection
from pellucid.tasks.settings import FileSettings
from pellucid.watching import Watch

TEXT = "denoise:sigma=9:model=photo-fast"


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    (tmp_path / "in").mkdir()
    chain = chains.of(steps.parse(TEXT), api._kept)
    return Watch(tmp_path / "in", tmp_path / "out", chain, selection=Selection(recursive=True))


def content(seed: int = 0) -> bytes:
    """A PNG."""
    path = Path(os.environ["PELLUCID_CACHE"]) / f"{seed}.png"
    files.write(path, images.from_array(np.random.default_rng(seed).integers(0, 256, (24, 20), dtype=np.uint8)), overwrite=True)
    return path.read_bytes()


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def done(watch: Watch) -> list[tuple[str, str | None, bool]]:
    """A look, and what came of it."""
    return [(outcome.input.name, outcome.error, outcome.skipped) for outcome in watch.done(watch.look())]


def test_a_picture_is_done_when_it_has_not_changed_since_the_last_look(watch: Watch) -> None:
    assert done(watch) == []
    whole = content()
    path = put(watch.folder / "a.png", whole[:100])
    assert done(watch) == []
    put(path, whole[:200])
    assert done(watch) == []
    put(path, whole)
    assert done(watch) == []
    assert done(watch) == [("a.png", None, False)]
    assert files.read(watch.out / "a.png").pixels.shape == (24, 20, 1)
    # Once.
    assert done(watch) == []
    assert done(watch) == []


def test_a_copy_that_stood_still_is_tried_again_when_it_goes_on(watch: Watch) -> None:
    whole = content()
    path = put(watch.folder / "a.png", whole[:-30])
    done(watch)
    ((name, error, _),) = done(watch)
    assert name == "a.png"
    assert error is not None
    assert not (watch.out / "a.png").exists()
    # It is not tried over and over.
    assert done(watch) == []
    put(path, whole)
    done(watch)
    assert done(watch) == [("a.png", None, False)]


def test_a_watch_that_was_ended_goes_on_where_it_was(watch: Watch, tmp_path: Path) -> None:
    for number in range(3):
        put(watch.folder / f"{number}/a.png", content(number))
    watch.look()
    outcomes = watch.done(watch.look())
    assert next(outcomes).input.parent.name == "0"
    # As a kill leaves it: what is begun has a temporary name, and the manifest says what is whole.
    outcomes.close()
    put(watch.out / "1" / "a.png.tmp", b"half")
    again = Watch(watch.folder, watch.out, watch.chain, selection=watch.selection)
    again.look()
    # The second was being written while the first was shown.
    first, _, third = (skipped for _, _, skipped in done(again))
    assert (first, third) == (True, False)
    assert sorted(path.relative_to(watch.out).as_posix() for path in watch.out.rglob("*.png")) == ["0/a.png", "1/a.png", "2/a.png"]


def test_a_picture_that_was_replaced(watch: Watch) -> None:
    path = put(watch.folder / "a.png", content())
    watch.look()
    assert done(watch) == [("a.png", None, False)]
    before = (watch.out / "a.png").read_bytes()
    put(path, content(1))
    watch.look()
    ((_, error, _),) = done(watch)
    assert error is not None
    assert "was not made from this picture" in error
    assert (watch.out / "a.png").read_bytes() == before
    forced = Watch(watch.folder, watch.out, watch.chain, overwrite=True)
    forced.look()
    assert done(forced) == [("a.png", None, False)]
    assert (watch.out / "a.png").read_bytes() != before


def test_what_is_no_picture_is_let_be(watch: Watch) -> None:
    put(watch.folder / ".hidden.png", content())
    put(watch.folder / "a.png.part", content())
    put(watch.folder / "notes.txt", b"x")
    put(watch.folder / "b.clean.png", content())
    # Outputs may lie within.
    inside = Watch(watch.folder, watch.folder / "done", watch.chain, selection=watch.selection)
    put(watch.folder / "c.png", content())
    inside.look()
    assert done(inside) == [("c.png", None, False)]
    for _ in range(3):
        assert done(inside) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_of_one_name_for_the_output(watch: Watch, overwrite: bool) -> None:
    """The first by name has it, in this watch and in the next: neither is written over the other."""
    put(watch.folder / "a.png", content(1))
    files.write(watch.folder / "a.tif", images.from_array(np.zeros((20, 20), np.uint8)))
    for skipped in (False, True):
        named = Watch(watch.folder, watch.out, watch.chain, files_as("png"), overwrite=overwrite)
        named.look()
        second, first = done(named)
        assert first == ("a.png", None, skipped)
        assert second[1] is not None
        assert "a.png and " in second[1]
        assert "would both be written to" in second[1]
    assert files.read(watch.out / "a.png").pixels.shape[:2] == (24, 20)
    # One that comes later does not take it, whatever its name: this watch, and the next.
    files.write(watch.folder / "a.bmp", images.from_array(np.zeros((9, 9, 3), np.uint8)))
    for later in (named, Watch(watch.folder, watch.out, watch.chain, files_as("png"), overwrite=overwrite)):
        later.look()
        assert {name: error is None for name, error, _ in done(later)}["a.bmp"] is False
    assert files.read(watch.out / "a.png").pixels.shape[:2] == (24, 20)


def files_as(name: str) -> Any:
    from pellucid.tasks.settings import FileSettings

    return FileSettings(format=name)


def test_no_room_on_the_disk_is_tried_again(watch: Watch, monkeypatch: Any) -> None:
    put(watch.folder / "a.png", content())
    watch.look()
    with monkeypatch.context() as patch:

        def full(*given: Any, **how: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(files, "write_pages", full)
        ((_, error, _),) = done(watch)
        assert error is not None
    assert done(watch) == [("a.png", None, False)]


def test_a_folder_that_is_gone_for_a_while(watch: Watch) -> None:
    put(watch.folder / "a.png", content())
    watch.look()
    away = watch.folder.rename(watch.folder.with_name("away"))
    assert done(watch) == []
    away.rename(watch.folder)
    assert done(watch) == []
    assert done(watch) == [("a.png", None, False)]


def test_it_ends_when_it_is_stopped(watch: Watch) -> None:
    put(watch.folder / "a.png", content())
    stop = threading.Event()
    seen = []
    for outcome in watch.outcomes(0.01, stop):
        seen.append(outcome.input.name)
        stop.set()
    assert seen == ["a.png"]


def test_the_command(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    for number in range(2):
        put(tmp_path / f"in/{number}.png", content(number))
    put(tmp_path / "in/bad.png", b"no picture")
    arguments = ["watch", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--steps", TEXT, "--once", "--every", "0.05", "--json"]
    assert cli.main(arguments) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(Path(line["input"]).name, line["error"] is None) for line in lines] == [
        ("0.png", True),
        ("1.png", True),
        ("bad.png", False),
    ]
    assert lines[0]["steps"][0]["sigma"] == 9
    assert cli.main(arguments[:-1]) == 1
    assert "0.png" not in capsys.readouterr().out


def test_confidences_in_the_watched_folder_are_no_new_pictures(watch: Watch) -> None:
    watch.confidence = beside.confidences(f"{watch.folder}/", watch.out)
    put(watch.folder / "a.png", content())
    assert done(watch) == []
    assert done(watch) == [("a.png", None, False)]
    assert [done(watch) for _ in range(3)] == [[], [], []]
    assert sorted(path.name for path in watch.folder.iterdir()) == ["a.png", "a.png.confidence.png"]


def test_no_output_of_a_watch_replaces_a_file_that_a_setting_names(watch: Watch) -> None:
    mask = put(watch.out / "a.png", content(7))
    watch.how, watch.overwrite = FileSettings(mask=str(mask)), True
    put(watch.folder / "a.png", content())
    assert done(watch) == []
    ((_, error, _),) = done(watch)
    assert "which a setting names" in str(error)
    assert mask.read_bytes() == content(7)


def test_wrong_use_and_a_second_watch(watch: Watch, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(FileError, match="there is no such folder"):
        Watch(tmp_path / "none", watch.out, watch.chain)
    with pytest.raises(OptionError, match="outputs would be taken for new pictures"):
        Watch(watch.folder, watch.folder, watch.chain)
    with pytest.raises(OptionError, match="one output for each picture"):
        Watch(watch.folder, watch.out, chains.of(steps.parse("colorize:variants=2"), api._kept))
    with watching.alone(watch.out):
        assert cli.main(["watch", str(watch.folder), "-o", str(watch.out), "--steps", TEXT, "--once"]) == 1
        assert "another watch writes there" in capsys.readouterr().err
    with watching.alone(watch.out):
        pass
