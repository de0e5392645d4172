"""Runs through a real object store, moto's S3 server on this machine, over a network that fails: nothing lost, or half there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import api, cli, files, images, steps

pytest.importorskip("pyarrow", reason="the extra shard is not installed")
pytest.importorskip("s3fs", reason="s3fs is not installed: `make test-cluster` brings it")
pytest.importorskip("moto.moto_server", reason="moto is not installed: `make test-cluster` brings it")

import object_store

from pellucid.cluster import parts, stores, work
from pellucid.cluster.stores import MANIFEST, open_store

# botocore's and aiohttp's warnings are theirs.
pytestmark = pytest.mark.filterwarnings("default")

MODEL = "photo-fast"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """Five pictures in a tree, one of which is none; and the outputs of one machine by their paths."""
    source, out = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("out")
    for number in range(4):
        path = source / ("deep/er" if number % 2 else "") / f"{number} grün.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, images.from_array(np.random.default_rng(number).integers(0, 256, (16, 20), dtype=np.uint8)))
    (source / "bad.png").write_bytes(b"no picture")
    assert cli.main(["denoise", str(source), "-o", str(out), "-r", "--sigma", "9", "--model", MODEL]) == 1
    paths = (path for path in out.rglob("*.png") if path.is_file())
    return source, {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, object_store.Faulty]]:
    with object_store.served() as made:
        yield made


@pytest.fixture
def store(
    server: tuple[str, object_store.Faulty],
    plain: tuple[Path, dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[str, object_store.Faulty]]:
    """A bucket with the pictures, found by the environment alone, and the network before it, without faults so far."""
    address, faulty = server
    for name, value in object_store.environment(address).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(stores, "PAUSE", 0.01)
    faulty.perfect()
    # A client finds its credentials and settings once.
    forget()
    fs = opened()
    name = tmp_path.name.replace("_", "-")
    fs.mkdir(name)
    for path in plain[0].rglob("*.png"):
        fs.pipe_file(f"{name}/in/{path.relative_to(plain[0]).as_posix()}", path.read_bytes())
    faulty.requests.clear()
    yield f"s3://{name}", faulty
    faulty.perfect()
    forget()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's library tries nothing again by itself: what is tried again is tried by us."""
    import fsspec.config

    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"retries": {"max_attempts": 0}}})
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)


def opened() -> Any:
    """The store for this test itself."""
    import fsspec

    return fsspec.filesystem("s3", use_listings_cache=False)


def forget() -> None:
    """The next client is a new one."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()


def content(url: str) -> dict[str, bytes]:
    """All objects below a URL, by their paths."""
    fs, root = opened(), url.removeprefix("s3://")
    return {path.removeprefix(f"{root}/"): fs.cat_file(path) for path in fs.find(root)}


def outputs(url: str) -> dict[str, bytes]:
    """The contents of all objects but the manifest's, by name."""
    return {name: value for name, value in content(url).items() if not name.startswith(f"{MANIFEST}/")}


def order(url: str) -> work.Order:
    from pellucid.plan import Selection

    step = steps.parse("denoise:sigma=9").steps[0]
    load = partial(kept, MODEL)
    return work.Order(f"{url}/in", f"{url}/out", load, step.task, step.settings, selection=Selection(recursive=True))


def kept(name: str, how: dict[str, Any]) -> Any:
    return api._kept(name)


def check(url: str, plain: dict[str, bytes]) -> None:
    """Every output is there, with the bytes of one machine, nothing else is, and the manifest says so."""
    import hashlib

    there = outputs(f"{url}/out")
    assert there == plain
    # The latest row counts.
    rows = {row["input"]: row for row in sorted(parts.rows(open_store(f"{url}/out")), key=lambda row: row["at"])}
    assert set(rows) == {*plain, "bad.png"}
    for name, row in rows.items():
        if name == "bad.png":
            assert row["status"] == "failed"
        else:
            assert (row["status"], row["output_sha256"]) == ("done", hashlib.sha256(there[name]).hexdigest())


def test_a_real_store_gets_the_outputs_of_one_machine(
    store: tuple[str, object_store.Faulty], plain: tuple[Path, dict[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, with credentials from the environment alone."""
    url, _ = store
    arguments = ["denoise", f"{url}/in", "-o", f"{url}/out", "-r", "--sigma", "9", "--model", MODEL, "--json"]
    assert cli.main(arguments) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert Counter(row["status"] for row in rows) == {"done": 4, "failed": 1}
    check(url, plain[1])
    assert cli.main(arguments) == 1
    assert "done 0, skipped 4, failed 0" in capsys.readouterr().err


def test_a_network_that_fails_loses_nothing(
    store: tuple[str, object_store.Faulty], plain: tuple[Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """503s, answers that come after the client has given up, connections lost in the middle of a write and before an answer."""
    url, faulty = store
    # As users set it: fsspec takes arguments of its libraries from the environment.
    import fsspec.config

    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 1}})
    faulty.busy, faulty.cut, faulty.lost, faulty.slow, faulty.seconds = 13, 3, 29, 47, 1.5
    rows = list(work.run(order(url)))
    done = Counter(faulty.done)
    faulty.perfect()
    assert Counter(row["status"] for row in rows) == {"done": 4, "failed": 1}
    assert set(done) == {"busy", "cut", "lost", "slow"}, done
    check(url, plain[1])
    # A body goes to a temporary name alone, and a copy on the store's side gives it its own: none can be there by half.
    written = [key for method, key, copies in faulty.requests if method in ("PUT", "POST") and not copies]
    assert written
    assert all(f"/{stores.TEMPORARY}/" in key for key in written)


def test_a_store_that_is_never_there_is_one_line(
    store: tuple[str, object_store.Faulty], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url, _ = store
    arguments = ["denoise", f"{url}/in", "-o", f"{url}/out", "--model", MODEL]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    forget()
    assert cli.main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pellucid: {url}/in: no credentials were found; ")
    assert cli.main(["denoise", "s3://no-such-bucket-here/in", *arguments[2:]]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no-such-bucket-here" in line


def listed_on(environ: dict[str, Any], *, page: int) -> bool:
    """Whether a request lists a folder, and asks for its first page, or a later one."""
    query = environ["QUERY_STRING"]
    return "list-type=2" in query and ("continuation-token" in query) == (page > 1)


def test_a_listing_that_fails_on_its_second_page_goes_on_there(
    store: tuple[str, object_store.Faulty], plain: tuple[Path, dict[str, bytes]], bare: None
) -> None:
    url, faulty = store
    faulty.page = 2
    faults = ["busy", "lost", "short", "busy"]
    faulty.chosen = lambda environ: faults.pop() if faults and listed_on(environ, page=2) else None
    rows = list(work.run(order(url)))
    assert faulty.done == {"busy": 2, "lost": 1, "short": 1}
    faulty.perfect()
    assert Counter(row["input"] for row in rows) == Counter([*plain[1], "bad.png"])
    check(url, plain[1])


def test_a_listing_that_is_refused_on_its_second_page_is_one_line_and_what_was_done_stays(
    store: tuple[str, object_store.Faulty], plain: tuple[Path, dict[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, faulty = store
    faulty.page = 2
    faulty.chosen = lambda environ: "refused" if listed_on(environ, page=2) and "in%2F" in environ["QUERY_STRING"] else None
    arguments = ["denoise", f"{url}/in", "-o", f"{url}/out", "-r", "--sigma", "9", "--model", MODEL]
    assert cli.main(arguments) == 1
    shown = capsys.readouterr().err.splitlines()
    assert [line for line in shown if line.startswith("pellucid: ") and "bad.png" not in line] == [
        f"pellucid: {url}/in: the store refuses it: Access Denied"
    ]
    assert faulty.done["refused"] == 1
    faulty.perfect()
    list(work.run(order(url)))
    check(url, plain[1])


def test_a_read_that_is_cut_in_the_middle_is_made_again(
    store: tuple[str, object_store.Faulty], plain: tuple[Path, dict[str, bytes]], bare: None
) -> None:
    url, faulty = store
    cut: Counter[str] = Counter()

    def chosen(environ: dict[str, Any]) -> str | None:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET" or not path.endswith(".png"):
            return None
        cut[path] += 1
        return "short" if cut[path] < 3 else None

    faulty.chosen = chosen
    rows = list(work.run(order(url)))
    assert faulty.done["short"] == 2 * 5
    faulty.perfect()
    assert Counter(row["status"] for row in rows) == {"done": 4, "failed": 1}
    check(url, plain[1])


def test_who_may_not_delete_has_all_outputs_and_a_remark(
    store: tuple[str, object_store.Faulty], plain: tuple[Path, dict[str, bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, faulty = store
    faulty.chosen = lambda environ: (
        "refused" if environ["REQUEST_METHOD"] == "DELETE" or "delete" in environ["QUERY_STRING"] else None
    )
    rows = list(work.run(order(url)))
    assert faulty.done["refused"] >= 4
    faulty.perfect()
    left = f"{url}/out/{stores.TEMPORARY}/"
    for row in rows:
        if row["status"] == "done":
            assert row["remarks"][-1].startswith(left)
            assert row["remarks"][-1].endswith(": the store refuses it: Access Denied; this temporary object stays")
    there = outputs(f"{url}/out")
    assert {name: value for name, value in there.items() if not name.startswith(stores.TEMPORARY)} == plain[1]
    again = work.run(order(url))
    assert list(again) == []
    assert (again.left_out.skipped, again.left_out.failed_before) == (4, 1)


def test_a_rename_that_is_refused_is_a_row_and_leaves_nothing(
    store: tuple[str, object_store.Faulty], plain: tuple[Path, dict[str, bytes]]
) -> None:
    url, faulty = store
    faulty.chosen = lambda environ: (
        "refused" if "HTTP_X_AMZ_COPY_SOURCE" in environ and environ["PATH_INFO"].endswith(".png") else None
    )
    rows = {row["input"]: row for row in work.run(order(url))}
    faulty.perfect()
    assert {row["status"] for row in rows.values()} == {"failed"}
    assert {rows[name]["error"] for name in plain[1]} == {
        f"{url}/out/{name}: the store refuses it: Access Denied" for name in plain[1]
    }
    assert outputs(f"{url}/out") == {}
    list(work.run(order(url), retry=True))
    check(url, plain[1])


def test_credentials_that_are_wrong_are_one_line(
    store: tuple[str, object_store.Faulty], capsys: pytest.CaptureFixture[str]
) -> None:
    url, faulty = store
    faulty.chosen = lambda environ: "refused"
    assert cli.main(["denoise", f"{url}/in", "-o", f"{url}/out", "--model", MODEL]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"pellucid: {url}/in: the store refuses it: Access Denied"


def test_a_store_that_throttles_for_twenty_seconds_is_waited_for(
    store: tuple[str, object_store.Faulty],
    plain: tuple[Path, dict[str, bytes]],
    bare: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pauses move the test's clock; real time does not count."""
    url, faulty = store
    now = begun = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def chosen(environ: dict[str, Any]) -> str | None:
        nonlocal begun
        if not faulty.done:
            if not environ["PATH_INFO"].endswith("3 gr\u00fcn.png".encode().decode("latin-1")):
                return None
            begun = now
        return "busy" if now - begun < 20 else None

    monkeypatch.setattr(stores, "PAUSE", 0.5)
    monkeypatch.setattr(stores.time, "sleep", sleep)
    faulty.chosen = chosen
    rows = list(work.run(order(url)))
    assert now >= 20
    assert Counter(row["status"] for row in rows) == {"done": 4, "failed": 1}
    check(url, plain[1])
