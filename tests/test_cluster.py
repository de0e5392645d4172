"""Runs that many processes share: each input once, outputs of one machine, a true manifest, however processes end."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from pellucid import api, cli, files, images, manifest, memory, steps
from pellucid.cli import pictures, spreading
from pellucid.errors import FileError, OptionError

pytest.importorskip("pyarrow", reason="the extra shard is not installed")
fsspec = pytest.importorskip("fsspec", reason="the extra shard is not installed")

import pyarrow.parquet as pq  # noqa: E402

from pellucid.cluster import parts, stores, work  # noqa: E402
from pellucid.cluster.stores import MANIFEST, Folder, open_store  # noqa: E402
from pellucid.plan import Selection  # noqa: E402
from pellucid.tasks import commands  # noqa: E402

MODEL = "photo-fast"


def put(path: Path, seed: int = 0, side: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 4), dtype=np.uint8)
    files.write(path, images.from_array(pixels), overwrite=True)
    return path


def kept(name: str, how: dict[str, Any]) -> Any:
    """The model, loaded once for all tests."""
    return api._kept(name)


def order(source: object, out: object, **other: Any) -> work.Order:
    task = steps.parse("denoise:sigma=9").steps[0]
    values: dict[str, Any] = {"selection": Selection(recursive=True), **other}
    return work.Order(str(source), str(out), partial(kept, MODEL), task.task, values.pop("settings", task.settings), **values)


def done(given: work.Order, shard: tuple[int, int] = (1, 1), **how: Any) -> dict[str, str]:
    """A run: the status of each row by its input."""
    return {row["input"]: row["status"] for row in work.run(given, work.Shard(*shard), **how)}


def left_out(given: work.Order, **how: Any) -> tuple[int, int, int]:
    """A run in which nothing is done: how many were skipped, failed before, and were made otherwise."""
    run = work.run(given, **how)
    assert list(run) == []
    counts = run.left_out
    return counts.skipped, counts.failed_before, counts.otherwise


def content(folder: Path) -> dict[str, bytes]:
    """The pictures in a folder and below it."""
    found = (path for path in folder.rglob("*") if path.is_file() and MANIFEST not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pictures in a tree, two of one content, and one file that is none."""
    root = tmp_path_factory.mktemp("tree")
    for number in range(4):
        put(root / f"{number}.png", number)
    for number in range(2):
        put(root / f"deep/er/{number}.tif", number)
    put(root / "deep/größe.png", 3)
    (root / "bad.png").write_bytes(b"no picture")
    (root / "words.txt").write_text("no picture")
    (root / ".hidden.png").write_bytes(b"")
    return root


@pytest.fixture
def source(tree: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tree, tmp_path / "in"))


@pytest.fixture(scope="module")
def plain(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of the command without shards."""
    out = tmp_path_factory.mktemp("plain")
    assert cli.main(["denoise", str(tree), "-o", str(out), "-r", "--sigma", "9", "--model", MODEL]) == 1
    (out / manifest.MANIFEST).unlink()
    return content(out)


# -- shares -----------------------------------------------------------------------------------------------------------


def test_a_share_is_the_same_on_every_machine_and_at_any_time() -> None:
    # By another implementation's BLAKE2b (coreutils' b2sum -l 64 of "scans/a").
    assert parts.key("scans/a") == 0x47B57945104FC3FC
    assert [work.shard_of("scans/a.png", of) for of in (1, 2, 7, 1000)] == [0x47B57945104FC3FC % of + 1 for of in (1, 2, 7, 1000)]
    # Outputs of one name are in one share.
    assert work.shard_of("scans/a.nef", 1000) == work.shard_of("scans/a.tif", 1000)


def test_shares_are_of_one_size() -> None:
    counts = Counter(work.shard_of(f"folder/{number}.jpg", 8) for number in range(8000))
    assert sorted(counts) == list(range(1, 9))
    assert max(counts.values()) < 1.15 * 1000


def test_shares_together_do_each_input_once_with_the_bytes_of_one_machine(
    source: Path, tmp_path: Path, plain: dict[str, bytes]
) -> None:
    runs = [done(order(source, tmp_path / "out"), (number, 3)) for number in (1, 2, 3)]
    assert sum(len(each) > 0 for each in runs) > 1
    together = Counter(name for each in runs for name in each)
    assert set(together.values()) == {1}
    assert content(tmp_path / "out") == plain
    rows = {row["input"]: row for row in parts.rows(Folder(tmp_path / "out"))}
    assert set(rows) == set(together)
    for name, row in rows.items():
        path, target = source / name, tmp_path / "out" / row["output"]
        assert row["input_bytes"] == path.stat().st_size
        if name == "bad.png":
            assert row["status"] == "failed"
            assert str(path) in row["error"]
            assert not target.exists()
            continue
        assert (row["status"], row["error"]) == ("done", None)
        assert row["input_sha256"] == manifest.digest_of(path)
        assert (row["output_sha256"], row["output_bytes"]) == (manifest.digest_of(target), target.stat().st_size)
        assert (row["width"], row["height"], row["pages"], row["frames"]) == (20, 16, 1, 1)
        assert 0 < row["seconds"] <= row["seconds_in_all"]
        assert json.loads(row["facts"])["sigma"] == 9
        assert json.loads(row["settings"])["sigma"] == 9
        assert row["model"]
        assert row["fingerprint"] == api._kept(MODEL).fingerprint()
    # One part for each writer that did something.
    assert len(list((tmp_path / "out" / MANIFEST).iterdir())) == sum(len(each) > 0 for each in runs)


# -- again ------------------------------------------------------------------------------------------------------------


def test_again_does_what_is_missing_or_changed_alone(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    work_here = order(source, out)
    assert Counter(done(work_here).values()) == {"done": 7, "failed": 1}
    assert left_out(work_here) == (7, 1, 0)
    assert done(work_here, retry=True) == {"bad.png": "failed"}
    (out / "1.png").unlink()
    put(source / "2.png", 20)
    os.utime(source / "2.png", ns=(1, 1))
    put(source / "new.png", 30)
    before = content(out)
    assert done(work_here) == {"1.png": "done", "2.png": "done", "new.png": "done"}
    after = content(out)
    assert {name for name in after if after[name] != before.get(name)} == {"1.png", "2.png", "new.png"}
    # A failed file is tried again, without ``retry``, once it has changed.
    put(source / "bad.png", 5)
    os.utime(source / "bad.png", ns=(1, 1))
    assert done(work_here) == {"bad.png": "done"}
    assert left_out(work_here) == (9, 0, 0)


def test_other_settings_leave_outputs_alone_unless_forced(source: Path, tmp_path: Path) -> None:
    done(order(source, tmp_path / "out"))
    before = content(tmp_path / "out")
    settings = steps.parse("denoise:sigma=20").steps[0].settings
    other = order(source, tmp_path / "out", settings=settings)
    assert done(other) == {"bad.png": "failed"}
    assert left_out(other) == (0, 1, 7)
    assert content(tmp_path / "out") == before
    forced = order(source, tmp_path / "out", settings=settings, overwrite=True)
    assert Counter(done(forced).values()) == {"done": 7, "failed": 1}
    assert all(value != before[name] for name, value in content(tmp_path / "out").items())


def test_a_users_file_is_never_replaced(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    mine = put(out / "1.png", 99).read_bytes()
    assert done(order(source, out))["1.png"] == "failed"
    assert (out / "1.png").read_bytes() == mine
    # An output that somebody has worked on since is theirs, too.
    changed = put(out / "2.png", 98).read_bytes()
    put(source / "2.png", 21)
    os.utime(source / "2.png", ns=(1, 1))
    assert done(order(source, out), retry=True) == {"1.png": "failed", "2.png": "failed", "bad.png": "failed"}
    assert ((out / "1.png").read_bytes(), (out / "2.png").read_bytes()) == (mine, changed)
    # An input that failed for an output that was there is done once that may be overwritten.
    assert done(order(source, out, overwrite=True))["1.png"] == "done"
    assert (out / "1.png").read_bytes() != mine


def test_an_attempt_that_failed_leaves_the_output_ours(tmp_path: Path) -> None:
    source, out = put(tmp_path / "in/a.png", 1), tmp_path / "out/a.png"
    given = order(source.parent, out.parent)
    for time, content_of, status in ((1, 2, "done"), (2, None, "failed"), (3, None, "failed"), (4, 3, "done")):
        source.unlink()
        put(source, content_of) if content_of is not None else source.write_bytes(b"no picture")
        os.utime(source, ns=(time, time))
        assert done(given) == {"a.png": status}
    # An output that somebody has changed since is theirs all the same.
    source.write_bytes(b"no picture")
    done(given)
    mine = put(out, 99).read_bytes()
    put(source, 5)
    assert done(given) == {"a.png": "failed"}
    assert out.read_bytes() == mine


def test_names_that_are_no_text_lose_no_rows(tmp_path: Path) -> None:
    root = os.fsencode(tmp_path / "in")
    put(tmp_path / "in/ok.png", 1)
    try:
        Path(os.fsdecode(root + b"/bad\xff.png")).write_bytes(b"no picture")
    except OSError:
        pytest.skip("this file system has no such names")
    given = order(tmp_path / "in", tmp_path / "out")
    assert Counter(done(given).values()) == {"done": 1, "failed": 1}
    assert left_out(given) == (1, 1, 0)
    (error,) = (row["error"] for row in parts.rows(Folder(tmp_path / "out")) if row["status"] == "failed")
    assert "bad\\xff.png" in error
    # A row takes whatever text it is given.
    row = {
        "input": "a",
        "asked": "b",
        "status": "failed",
        "at": datetime.now(UTC),
        "error": "\udcff",
        "remarks": ["\ud800", "\udcfe"],
    }
    with parts.Writer(Folder(tmp_path / "more")) as writer:
        writer.add(row)
    (read,) = parts.rows(Folder(tmp_path / "more"))
    assert (read["error"], read["remarks"]) == ("\\xff", ["\\ud800", "\\xfe"])


def test_pictures_that_a_run_does_not_take_claim_no_output(tmp_path: Path) -> None:
    source = tmp_path / "in"
    put(source / "a.bmp", 1), put(source / "a.png", 2)
    for number, chosen in enumerate((Selection(include=("*.bmp",)), Selection(exclude=("a.p*",)))):
        assert done(order(source, tmp_path / f"{number}", how=files_as("png"), selection=chosen)) == {"a.bmp": "done"}
    # The one whose name the output has keeps it.
    assert done(order(source, tmp_path / "both", how=files_as("png"))) == {"a.bmp": "failed", "a.png": "done"}


def test_names_of_variants_that_are_those_of_inputs_are_free(tmp_path: Path) -> None:
    for name in ("p.png", "p-1.png", "p-1-1.png"):
        put(tmp_path / "in" / name)
    chain = steps.parse("colorize:variants=2")
    given = work.Order(str(tmp_path / "in"), str(tmp_path / "out"), loaded_chain(chain), chain, chain)
    items = list(work.Listing(work.Worker(given, adopt=False)))
    assert len({item.output for item in items}) == 6
    assert not any(work.Worker(given, adopt=False)._check(item, item.output, worked=False) for item in items)


def test_no_output_lies_among_the_inputs_or_replaces_a_file_of_a_setting(tmp_path: Path) -> None:
    inner = put(tmp_path / "in/in/a.png", 1)
    before = inner.read_bytes()
    put(tmp_path / "in/a.png", 2)
    given = order(tmp_path / "in", tmp_path, overwrite=True)
    assert done(given) == {"a.png": "done", "in/a.png": "failed"}
    assert inner.read_bytes() == before
    from pellucid.tasks.settings import FileSettings

    mask = put(tmp_path / "out/a.png", 3)
    before = mask.read_bytes()
    how = FileSettings(mask=str(mask))
    assert done(order(tmp_path / "in/in", mask.parent, how=how, overwrite=True)) == {"a.png": "failed"}
    assert mask.read_bytes() == before


def test_two_inputs_of_one_output_lose_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in"
    put(source / "a.png", 1), put(source / "a.bmp", 2), put(source / "b.bmp", 3), put(source / "b.tif", 4)
    given = order(source, tmp_path / "out", how=files_as("png"))
    rows = {row["input"]: row for row in work.run(given)}
    assert {name: row["status"] for name, row in rows.items() if name.startswith("a")} == {"a.png": "done", "a.bmp": "failed"}
    assert sorted(row["status"] for name, row in rows.items() if name.startswith("b")) == ["done", "failed"]
    assert all("same name" in row["error"] for row in rows.values() if row["status"] == "failed")
    assert left_out(given) == (2, 2, 0)


def files_as(name: str) -> Any:
    from pellucid.tasks.settings import FileSettings

    return FileSettings(format=name)


def test_variants_have_a_row_each(tmp_path: Path) -> None:
    put(tmp_path / "in/a.png", side=40)
    chain = steps.parse("colorize:variants=2")
    given = work.Order(str(tmp_path / "in"), str(tmp_path / "out"), loaded_chain(chain), chain, chain)
    rows = list(work.run(given))
    assert [(row["input"], row["status"]) for row in rows] == [("a.png", "done")] * 2
    assert len({row["output"] for row in rows}) == len({row["settings"] for row in rows}) == 2
    assert left_out(given) == (2, 0, 0)


def loaded_chain(chosen: steps.Steps) -> Any:
    from pellucid import chains

    return lambda how: chains.of(chosen, api._kept)


# -- writers that are killed ------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pellucid import cli
from pellucid.cluster import parts, work
at, whole = int(sys.argv[1]), sys.argv[2]
parts.Writer.__init__.__kwdefaults__["rows"] = 2
count = 0
def killing(function):
    def called(*given, **how):
        global count
        count += 1
        if count == at and whole == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*given, **how)
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return called
from pellucid import saving
saving._claim = killing(saving._claim)
cli.main(sys.argv[3:])
"""


@pytest.mark.parametrize(("at", "when"), [(3, "before"), (6, "after")])
def test_a_killed_writer_leaves_a_true_manifest(at: int, when: str, source: Path, tmp_path: Path, plain: dict[str, bytes]) -> None:
    out = tmp_path / "out"
    arguments = ["denoise", str(source), "-o", str(out), "-r", "--sigma", "9", "--model", MODEL, "--shard", "1/1"]
    command = [sys.executable, "-c", KILLED, str(at), when, *arguments]
    ended = subprocess.run(command, capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    for path in (out / MANIFEST).glob("*.parquet"):
        pq.read_table(path)
    rows = [row for row in parts.rows(Folder(out)) if row["status"] == "done"]
    assert all(manifest.digest_of(out / row["output"]) == row["output_sha256"] for row in rows)
    assert all(value == plain[name] for name, value in content(out).items() if ".pellucid-" not in name)
    # The run recognises an output without a row by its bytes.
    again = done(order(source, out), retry=True)
    assert {name for name, status in again.items() if status == "failed"} == {"bad.png"}
    assert content(out) == plain
    assert left_out(order(source, out)) == (7, 1, 0)


def test_parts_are_finished_by_rows_and_put_together_at_the_end(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    writer = parts.Writer(store, "x", rows=3)
    folder = tmp_path / MANIFEST
    assert len(list(folder.iterdir())) == 1
    for number in range(7):
        writer.add({"input": f"{number}.png", "output": f"{number}.png", "status": "failed"})
    assert len(list(folder.iterdir())) == 3
    assert len(list(parts.rows(store))) == 6
    writer.close()
    (one,) = folder.iterdir()
    assert sorted(pq.read_table(one)["input"].to_pylist()) == [f"{number}.png" for number in range(7)]
    # A writer that did nothing leaves nothing.
    parts.Writer(store).close()
    assert list(folder.iterdir()) == [one]


def test_the_seconds_finish_a_part(tmp_path: Path) -> None:
    writer = parts.Writer(Folder(tmp_path), seconds=0)
    writer.add({"input": "a", "output": "a", "status": "failed"})
    assert len(list(parts.rows(Folder(tmp_path)))) == 1


def test_a_part_that_is_damaged_is_named(source: Path, tmp_path: Path) -> None:
    done(order(source, tmp_path / "out"))
    (part,) = (tmp_path / "out" / MANIFEST).iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(FileError, match=f"{part.name}: no part of a manifest"):
        done(order(source, tmp_path / "out"))


@pytest.mark.parametrize("kind", ["pipe", "columns", "null"])
def test_what_lies_among_the_parts_and_is_none(kind: str, source: Path, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = tmp_path / "out" / MANIFEST / "a.parquet"
    place.parent.mkdir(parents=True)
    if kind == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no pipes with a name")
        os.mkfifo(place)
    else:
        pq.write_table(pa.Table.from_pylist([{"asked": "a"}], schema=parts.SCHEMA if kind == "null" else None), place)
    with pytest.raises(FileError, match=f"{place.name}: no part of a manifest: .*(regular|column|row)"):
        done(order(source, tmp_path / "out"))


def test_the_latest_row_counts(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    for seconds, status in ((2, "done"), (1, "failed")):
        with parts.Writer(store) as writer:
            at = datetime.fromtimestamp(seconds, UTC)
            row = {
                "input": "a",
                "output": "b",
                "asked": "b",
                "status": status,
                "output_sha256": "f" * 64,
                "output_bytes": 3,
                "at": at,
            }
            writer.add(row)
    past = parts.Known(store).of("a", "b")
    assert past is not None
    assert (past.done, past.output, past.there) == (True, 2**64 - 1, False)
    (tmp_path / "b").write_bytes(b"abc")
    past = parts.Known(store).of("a", "b")
    assert past is not None
    assert past.there
    assert parts.Known(store).of("b", "a") is None
    assert len(parts.Known(store, lambda name: name != "a")) == 0


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["denoise", str(source), "-o", str(tmp_path / "out"), "-r", "--sigma", "9", "--model", MODEL, "--shard", "2/2"]
    assert cli.main([*arguments[:-1], "1/2"]) + cli.main(arguments) >= 1
    shown = capsys.readouterr()
    assert f"{source / '1.png'} -> {tmp_path / 'out/1.png'}: 20x16, " in shown.out
    assert str(source / "bad.png") in shown.err
    assert cli.main([*arguments[:-1], "1/1", "--json"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "done 0, skipped 7, failed 0" in shown.err
    assert "failed in an earlier run 1; --retry-failed tries them again" in shown.err
    assert cli.main([*arguments[:-1], "1/1", "--json", "--retry-failed"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert (json.loads(line)["input"], json.loads(line)["status"]) == ("bad.png", "failed")
    # The same names as in the lines of a run of one process.
    plain = ["denoise", str(source), "--sigma", "9", "--model", MODEL, "--json"]
    assert cli.main([*plain, "-o", str(tmp_path / "a")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert cli.main([*plain, "-o", str(tmp_path / "b"), "--shard", "1/1"]) == 1
    shared = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    done = next(row for row in map(json.loads, lines) if row["error"] is None)
    assert done.keys() - {"skipped", "full"} <= next(row for row in shared if row["error"] is None).keys()
    assert sorted(row["error"] is None for row in shared) == sorted(json.loads(line)["error"] is None for line in lines)


def test_chains_take_shares_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "in/a.png")
    out = tmp_path / "out"
    chain = "denoise:sigma=9:model=photo-fast+denoise:sigma=5:model=photo-fast"
    assert cli.main(["run", chain, str(tmp_path / "in"), "-o", str(out), "--shard", "1/1"]) == 0
    assert cli.main(["run", chain, str(tmp_path / "in/a.png"), "-o", str(tmp_path / "one.png")]) == 0
    assert (out / "a.png").read_bytes() == (tmp_path / "one.png").read_bytes()
    (row,) = parts.rows(Folder(out))
    assert [each["task"] for each in json.loads(row["facts"])["steps"]] == ["denoise", "denoise"]


@pytest.mark.parametrize("task", commands())
def test_the_order_of_every_task_goes_to_another_process(task: str, tmp_path: Path) -> None:
    source = tmp_path / "in/a.png"
    source.parent.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (32, 40, 1 if task == "colorize" else 3), dtype=np.uint8)
    files.write(source, images.from_array(pixels))
    row = commands()[task]
    given = work.Order(str(source.parent), str(tmp_path / "out"), partial(pictures._loaded, task, row.model), row, row.settings())
    worker = work.Worker(pickle.loads(pickle.dumps(given)), adopt=True)
    assert [worker.row(item)["status"] for item in work.Listing(worker) if isinstance(item, work.Item)] == ["done"]
    assert cli.main([task, str(source), "-o", str(tmp_path / "one.png")]) == 0
    assert (tmp_path / "out/a.png").read_bytes() == (tmp_path / "one.png").read_bytes()


def test_another_share_may_write_to_the_folder_of_damage_at_any_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in/a.png")
    whole = spreading.done

    def beside(*given: Any, **how: Any) -> int:
        status = whole(*given, **how)
        put(tmp_path / "damage/of-another-share.png")
        return status

    monkeypatch.setattr(spreading, "done", beside)
    (tmp_path / "damage").mkdir()
    arguments = ["film", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--shard", "1/1", "--damage", str(tmp_path / "damage")]
    assert cli.main(arguments) == 0
    assert files.read(tmp_path / "damage/a.png").pixels.shape == (16, 20, 1)


def test_clips_take_shares_too(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the extra video is not installed")
    import clips_made

    put(tmp_path / "in/b.png")
    clips_made.make(tmp_path / "in/a.mkv")
    arguments = ["denoise", str(tmp_path / "in"), "--sigma", "9", "--model", MODEL, "-o"]
    assert cli.main([*arguments, str(tmp_path / "plain")]) == 0
    assert cli.main([*arguments, str(tmp_path / "out"), "--shard", "1/1"]) == 0
    (tmp_path / "plain" / manifest.MANIFEST).unlink()
    assert content(tmp_path / "out") == content(tmp_path / "plain")
    assert {row["input"]: row["frames"] for row in parts.rows(Folder(tmp_path / "out"))} == {"a.mkv": clips_made.COUNT, "b.png": 1}


@pytest.mark.parametrize(
    ("changes", "line", "status"),
    [
        ({"--shard": "0/2"}, "not a share", 2),
        ({"--shard": "3/2"}, "not a share", 2),
        ({"--shard": "x"}, "not a share", 2),
        ({"-o": "IN"}, "outputs would replace their inputs", 2),
        ({"-o": "IN/0.png"}, "must be a folder", 2),
        ({"IN": "nowhere"}, "there is no such folder", 1),
        ({"IN": "memory://nowhere"}, "there is no such folder", 1),
        ({"IN": "strange://bucket/a"}, "strange", 2),
        ({"--shard": None, "--retry-failed": ""}, "--retry-failed is for runs with --shard, --cluster", 2),
        ({"-o": None}, "name one folder of inputs", 2),
        ({"--confidence": "trust"}, "--confidence does not go with --shard", 2),
        ({"--format": "gif"}, "gif", 2),
    ],
)
def test_wrong_use_is_one_line(
    changes: dict[str, str | None], line: str, status: int, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values: dict[str, str | None] = {"IN": "IN", "-o": str(tmp_path / "out"), "--shard": "1/2"} | changes
    arguments = ["denoise"]
    for name, value in values.items():
        if value is not None:
            given = value.replace("IN", str(source)) if name in ("IN", "-o") else value
            arguments += [each for each in (name if name != "IN" else "", given) if each]
    try:
        got = cli.main(arguments)
    except SystemExit as ended:
        got = int(str(ended.code))
    shown = capsys.readouterr().err
    assert (got, line in shown) == (status, True), shown
    assert not (tmp_path / "out").exists()


KUBERAY = {
    "spec": {"entrypoint", "shutdownAfterJobFinishes", "rayClusterSpec"},
    "rayClusterSpec": {"rayVersion", "enableInTreeAutoscaling", "headGroupSpec", "workerGroupSpecs"},
    "headGroupSpec": {"rayStartParams", "template"},
    "workerGroupSpecs": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"},
}
"""The fields of a RayJob that we use, as KubeRay's ray.io/v1 types name them: the server refuses others."""


def test_the_manifests_that_the_docs_have_are_valid_and_start_commands_that_we_take() -> None:
    yaml = pytest.importorskip("yaml")
    text = (Path(__file__).parent.parent / "docs/cluster.md").read_text("utf-8")
    job, rays = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
    spec = rays["spec"]
    assert (rays["apiVersion"], rays["kind"], set(spec)) == ("ray.io/v1", "RayJob", KUBERAY["spec"])
    cluster = spec["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert set(cluster) == KUBERAY["rayClusterSpec"]
    assert [set(group) for group in groups] == [KUBERAY["headGroupSpec"], KUBERAY["workerGroupSpecs"]]
    assert 0 <= groups[1]["minReplicas"] <= groups[1]["replicas"] <= groups[1]["maxReplicas"]
    # Ray's version in the manifest and in the image's recipe.
    assert isinstance(cluster["rayVersion"], str)
    assert f"rayproject/ray:{cluster['rayVersion']}-py311" in text
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
    templates = [job["spec"]["template"], *(group["template"] for group in groups)]
    containers = [each for template in templates for each in template["spec"]["containers"]]
    assert all(each["name"] and each["image"] and set(each["resources"]["limits"]) == {"cpu", "memory"} for each in containers)
    command = containers[0]["command"][2].replace("$((JOB_COMPLETION_INDEX + 1))", str(job["spec"]["completions"]))
    for line in (command, spec["entrypoint"]):
        name, *arguments = shlex.split(line)
        assert name == "pellucid"
        cli.parser().parse_args(arguments)
    # Actors fit into a worker, and their memory, too.
    given = cli.parser().parse_args(shlex.split(spec["entrypoint"])[1:])
    limits = containers[-1]["resources"]["limits"]
    actors = int(limits["cpu"]) // given.cpus_per_actor
    assert actors >= 1
    assert actors * memory.parse_size(given.memory) <= memory.parse_size(limits["memory"].replace("Gi", "GiB"))


# -- object stores ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(tree: Path, tmp_path: Path) -> Iterator[str]:
    """The pictures in a store of fsspec's that lies in memory; outputs go beside them."""
    fs = fsspec.filesystem("memory")
    for path in tree.rglob("*"):
        if path.is_file():
            fs.pipe_file(f"/{tmp_path.name}/in/{path.relative_to(tree).as_posix()}", path.read_bytes())
    yield f"memory://{tmp_path.name}"
    fs.rm(f"/{tmp_path.name}", recursive=True)


def stored(url: str) -> dict[str, bytes]:
    """The objects below a URL without the manifest, by their paths."""
    fs, root = fsspec.core.url_to_fs(url)
    return {path.removeprefix(f"{root}/"): fs.cat_file(path) for path in fs.find(root) if MANIFEST not in path}


def test_a_store_gets_the_bytes_of_one_machine(bucket: str, tmp_path: Path, plain: dict[str, bytes]) -> None:
    runs = [done(order(f"{bucket}/in", f"{bucket}/out"), (number, 2)) for number in (1, 2)]
    assert Counter(status for each in runs for status in each.values()) == {"done": 7, "failed": 1}
    assert stored(f"{bucket}/out") == plain
    rows = {row["input"]: row for row in parts.rows(open_store(f"{bucket}/out"))}
    assert rows["bad.png"]["error"].startswith(f"{bucket}/in/bad.png: ")
    assert all(
        row["output_sha256"] == hashlib.sha256(plain[row["output"]]).hexdigest() for row in rows.values() if not row["error"]
    )
    assert left_out(order(f"{bucket}/in", f"{bucket}/out")) == (7, 1, 0)
    # Outputs that lie below the inputs are none.
    assert set(done(order(bucket, f"{bucket}/out"))) == {f"in/{name}" for name in rows}


@pytest.mark.parametrize("names", [("", "local://"), ("local://", "simplecache::local://"), ("memory:/", "simplecache::memory:/")])
def test_a_place_is_known_under_all_its_names(bucket: str, source: Path, names: tuple[str, str]) -> None:
    folder = f"/{PurePosixPath(bucket).name}/in" if "memory" in names[1] else str(source)
    for one, other in (names, names[::-1]):
        with pytest.raises(OptionError, match="outputs would replace their inputs"):
            order(f"{one}{folder}", f"{other}{folder}", overwrite=True).check()
        # Outputs below the inputs are none, and no output lies among the inputs.
        listed = open_store(f"{one}{folder}").pictures(Selection(recursive=True), "clean", open_store(f"{other}{folder}/deep"))
        assert sorted(found.inner for found in listed) == ["0.png", "1.png", "2.png", "3.png", "bad.png"]
        above = work.Worker(order(f"{one}{folder}", f"{other}{folder.rpartition('/')[0]}"), adopt=False)
        item = work.Item("in/a.png", 1, "", "in/a.png")
        with pytest.raises(FileError, match="would lie in the folder of inputs"):
            above._check(item, item.output, worked=False)


def test_from_a_store_to_a_folder_and_back(bucket: str, tmp_path: Path, plain: dict[str, bytes]) -> None:
    done(order(f"{bucket}/in", tmp_path / "out"))
    assert content(tmp_path / "out") == plain
    fs = fsspec.filesystem("memory")
    fs.pipe_file(f"/{tmp_path.name}/in/0.png", (tmp_path / "out/1.png").read_bytes())
    assert done(order(f"{bucket}/in", tmp_path / "out")) == {"0.png": "done"}
    done(order(tmp_path / "out", f"{bucket}/other"))
    assert set(stored(f"{bucket}/other")) == set(plain)


class Flaky:
    """Makes every third call of a store's methods fail, some of them when half of the work is done."""

    def __init__(self, fs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        for name in ("ls", "info", "get_file", "put_file", "mv", "open"):
            monkeypatch.setattr(type(fs), name, self.failing(name, getattr(type(fs), name)))

    def failing(self, name: str, function: Any) -> Any:
        def called(fs: Any, path: str, *given: Any, **how: Any) -> Any:
            self.calls[name] += 1
            if self.calls[name] % 3 == 1:
                self.failed[name] += 1
                if name == "put_file":
                    # The connection was lost in the middle.
                    fs.pipe_file(given[0], Path(path).read_bytes()[:20])
                raise OSError(503, "Slow Down") if name != "put_file" or self.calls[name] % 2 else ConnectionError("reset")
            return function(fs, path, *given, **how)

        return called


def test_a_store_that_fails_now_and_then(
    bucket: str, tmp_path: Path, plain: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "PAUSE", 0.0)
    with monkeypatch.context() as patch:
        flaky = Flaky(fsspec.filesystem("memory"), patch)
        rows = done(order(f"{bucket}/in", f"{bucket}/out"))
    assert set(flaky.failed) >= {"ls", "info", "get_file", "put_file", "mv"}
    assert Counter(rows.values()) == {"done": 7, "failed": 1}
    assert stored(f"{bucket}/out") == plain


def test_a_store_that_fails_for_good_is_one_line(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "PAUSE", 0.0)

    whole = type(fsspec.filesystem("memory")).get_file

    def lost(fs: Any, path: str, *given: Any, **how: Any) -> Any:
        if path.endswith(".parquet"):
            return whole(fs, path, *given, **how)
        raise ConnectionError("reset by peer\nand more")

    with monkeypatch.context() as patch:
        patch.setattr(type(fsspec.filesystem("memory")), "get_file", lost)
        rows = {row["input"]: row for row in work.run(order(f"{bucket}/in", f"{bucket}/out"))}
    assert {row["status"] for row in rows.values()} == {"failed"}
    assert rows["0.png"]["error"] == f"{bucket}/in/0.png: the store failed {stores.TRIES} times: reset by peer"
    assert stored(f"{bucket}/out") == {}
    assert Counter(done(order(f"{bucket}/in", f"{bucket}/out"), retry=True).values()) == {"done": 7, "failed": 1}
