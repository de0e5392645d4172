"""A run over two nodes of a Ray cluster: the outputs of one machine, and nothing lost with a node, an actor or a connection."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import cli, files, images, manifest, steps
from pellucid.cli import pictures

ray = pytest.importorskip("ray", reason="the extra cluster is not installed")
pytest.importorskip("ray.data", reason="the extra cluster is not installed")
pytest.importorskip("ray.cluster_utils", reason="the extra cluster is not installed")

import object_store  # noqa: E402

from pellucid.cluster import parts, rays, stores, work  # noqa: E402
from pellucid.cluster.portions import Large  # noqa: E402
from pellucid.cluster.stores import MANIFEST, Folder  # noqa: E402

# Ray's own threads and sockets end when they like.
pytestmark = pytest.mark.filterwarnings("default")

MODEL = "photo-fast"


@pytest.fixture(scope="module")
def store() -> Iterator[object_store.Faulty | None]:
    """The network, which can fail, before an object store that all nodes find by their environment; None without moto."""
    if find_spec("moto") is None or find_spec("s3fs") is None:
        yield None
        return
    with object_store.served() as (address, faulty), pytest.MonkeyPatch.context() as patch:
        for name, value in object_store.environment(address).items():
            patch.setenv(name, value)
        yield faulty


@pytest.fixture(scope="module")
def nodes(store: object_store.Faulty | None) -> Iterator[Any]:
    """The cluster that all tests share."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    rays.connected(made.address)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def cluster(nodes: Any) -> Any:
    """Two nodes of one core each: a test before may have killed one."""
    if not nodes.worker_nodes:
        nodes.add_node(num_cpus=1)
    return nodes


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four pictures, and one file that is none."""
    root = tmp_path_factory.mktemp("in")
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 20), dtype=np.uint8)
        files.write(root / f"{number}.png", images.from_array(pixels))
    (root / "bad.png").write_bytes(b"no picture")
    return root


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The outputs of one machine."""
    out = tmp_path_factory.mktemp("plain")
    assert cli.main(["denoise", str(source), "-o", str(out), "--sigma", "9", "--model", MODEL]) == 1
    return content(out)


@pytest.fixture
def bucket(store: object_store.Faulty | None) -> Any:
    """The store's file system for a test itself, and what makes the network fail."""
    if store is None:
        pytest.skip("moto or s3fs is not installed: `make test-cluster` brings them")
    import s3fs

    return s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False), store


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != manifest.MANIFEST}


def order(source: Path | str, out: Path | str) -> work.Order:
    step = steps.parse("denoise:sigma=9").steps[0]
    return work.Order(str(source), str(out), partial(pictures._loaded, "denoise", MODEL), step.task, step.settings)


def check(out: Path, plain: dict[str, bytes]) -> None:
    """Every output is there with the bytes of one machine, and the manifest says so."""
    assert content(out) == plain
    rows = list(parts.rows(Folder(out)))
    assert {row["input"] for row in rows} == {*plain, "bad.png"}
    for row in rows:
        if row["input"] == "bad.png":
            assert row["status"] == "failed"
        else:
            assert (row["status"], row["output_sha256"]) == ("done", manifest.digest_of(out / row["output"]))


def test_two_nodes_do_the_work_of_one(cluster: Any, source: Path, plain: dict[str, bytes], tmp_path: Path) -> None:
    run = rays.ClusterRun(order(source, tmp_path / "out"))
    rows = list(run)
    assert Counter(row["status"] for row in rows) == {"done": 24, "failed": 1}
    check(tmp_path / "out", plain)
    assert len(list((tmp_path / "out" / MANIFEST).iterdir())) == 1
    assert run.left_out == work.Counts(listed=25)
    again = work.run(order(source, tmp_path / "out"))
    assert list(again) == []
    assert (again.left_out.skipped, again.left_out.failed_before) == (24, 1)


def test_large_files_are_shared_and_put_together(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of a stack, bands of one picture, and a page that cannot be read, beside a file that is not large."""
    import tifffile

    from pellucid import tiling

    whole = tiling.cut
    monkeypatch.setattr(tiling, "cut", whole)

    # It travels whole to the actors, so that they cut small pieces, too: a small picture has several bands then.
    def loaded(how: dict[str, Any]) -> Any:
        from pellucid import tiling

        tiling.cut = lambda height, width, **given: whole(height, width, **{**given, "tile": 64})
        return pictures._loaded("denoise", MODEL, how)

    loaded({})

    source, out, plain = (tmp_path / name for name in ("in", "out", "plain"))
    source.mkdir()
    draw = np.random.default_rng(0)
    with tifffile.TiffWriter(source / "stack.tif") as writer:
        for _ in range(6):
            writer.write(draw.integers(0, 60000, (30, 40), dtype=np.uint16), contiguous=False)
    with tifffile.TiffWriter(source / "cut.tif") as writer:
        for _ in range(6):
            writer.write(draw.integers(0, 60000, (30, 40), dtype=np.uint16), contiguous=False, compression="zlib")
    content = bytearray((source / "cut.tif").read_bytes())
    with tifffile.TiffFile(source / "cut.tif") as file:
        begin, length = file.pages[4].dataoffsets[0], file.pages[4].databytecounts[0]
    content[begin : begin + length] = bytes(length)
    (source / "cut.tif").write_bytes(content)
    files.write(source / "bands.png", images.from_array(draw.integers(0, 256, (2400, 64), dtype=np.uint8)))
    files.write(source / "small.png", images.from_array(draw.integers(0, 256, (16, 20), dtype=np.uint8)))
    assert cli.main(["denoise", str(source), "-o", str(plain), "--sigma", "9", "--model", MODEL]) == 1
    run = rays.ClusterRun(replace(order(source, out), load=loaded), large=Large(bytes=0, pixels=6 * 30 * 40, portion=2 * 30 * 40))
    given = list(run)
    rows = {row["input"]: row for row in given if row is not None}
    assert {name: row["status"] for name, row in rows.items()} == {
        "stack.tif": "done",
        "cut.tif": "failed",
        "bands.png": "done",
        "small.png": "done",
    }
    # Three of the stack, and as many as there are bands.
    assert run.portions[0] == run.portions[1] == given.count(None) >= 3 + 3 + 2
    assert not any((out / stores.TEMPORARY).iterdir())
    whole = {path.name: path.read_bytes() for path in plain.iterdir() if path.is_file() and path.name != manifest.MANIFEST}
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == whole
    assert rows["stack.tif"]["pages"] == 6
    assert rows["bands.png"]["output_sha256"] == manifest.digest_of(out / "bands.png")


def test_a_chain_goes_through_an_object_store_over_a_network_that_fails(
    cluster: Any, bucket: Any, source: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the command, with nothing of the store but its environment; and nothing is on the terminal but our own line, and what
    Ray's libraries write, each with its time."""
    fs, store = bucket
    fs.mkdir("scans")
    names = ["bad.png", *(f"{number}.png" for number in range(7))]
    for name in names:
        content_of = (source / name).read_bytes()
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content_of)
        fs.pipe_file(f"scans/in/{name}", content_of)
    arguments = ["run", "denoise:sigma=9:model=photo-fast+denoise:sigma=5:model=photo-fast"]
    assert cli.main([*arguments, str(tmp_path / "in"), "-o", str(tmp_path / "plain")]) == 1
    capfd.readouterr()
    store.busy, store.cut, store.lost = 29, 5, 41
    assert cli.main([*arguments, "s3://scans/in", "-o", "s3://scans/out", "--cluster", "auto", "--json"]) == 1
    done = Counter(store.done)
    store.perfect()
    assert set(done) == {"busy", "cut", "lost"}
    shown, errors = capfd.readouterr()
    rows = [json.loads(line) for line in shown.splitlines()]
    assert Counter(row["status"] for row in rows) == {"done": 7, "failed": 1}
    (line,) = (each for each in errors.splitlines() if not each.startswith("[20"))
    assert line.startswith("done 7, skipped 0, failed 1, ")
    there = {path.rpartition("/")[2]: fs.cat_file(path) for path in fs.find("scans/out") if MANIFEST not in path}
    assert there == content(tmp_path / "plain")
    assert {row["input"] for row in parts.rows(stores.open_store("s3://scans/out"))} == set(names)


def test_the_command_says_where_there_is_no_cluster(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["denoise", str(source), "-o", str(tmp_path / "out"), "--cluster", "local"]
    assert cli.main([*arguments, "--shard", "1/2"]) == 2
    assert "leave one of them out" in capsys.readouterr().err
    assert cli.main([*arguments[:-2], "--cpus-per-actor", "2"]) == 2
    assert "are for --cluster" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_listing_that_is_refused_in_the_middle_is_one_line(
    cluster: Any, bucket: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, store = bucket
    fs.mkdir("half")
    for number in range(5):
        fs.pipe_file(f"half/in/{number}.png", b"no picture")
    # The driver's own look finds nothing wrong; the process that lists does.
    monkeypatch.setattr(work.Order, "check", lambda order: None)
    store.page = 2
    store.chosen = lambda environ: "refused" if "continuation-token" in environ["QUERY_STRING"] else None
    assert cli.main(["denoise", "s3://half/in", "-o", "s3://half/out", "--model", MODEL, "--cluster", "auto"]) == 1
    assert store.done["refused"] >= 1
    store.perfect()
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith(("pellucid: s3://half/in/", "[20"))]
    assert lines == ["done 0, skipped 0, failed 0", "pellucid: s3://half/in: the store refuses it: Access Denied"]


def test_a_node_and_an_actor_are_lost_and_nothing_else(
    cluster: Any, source: Path, plain: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both in the middle of the run: each actor waits for that after its first files."""
    import time

    import psutil  # Ray brings it

    go = tmp_path / "go"
    monkeypatch.setattr(work.Worker, "_restored", work.Worker._restored)

    # It travels whole to the actors.
    def loaded(how: dict[str, Any]) -> Any:
        from pellucid.cluster import work

        whole, begun = work.Worker._restored, []

        def restored(self: Any, item: Any, *more: Any) -> None:
            begun.append(item)
            while len(begun) > 8 and not go.exists():
                time.sleep(0.02)
            whole(self, item, *more)

        work.Worker._restored = restored  # type: ignore[method-assign]
        return pictures._loaded("denoise", MODEL, how)

    def actors() -> list[Any]:
        return [process for process in psutil.Process().children(recursive=True) if "_Actor" in " ".join(process.cmdline())]

    rows: list[dict[str, Any]] = []
    try:
        for row in rays.ClusterRun(replace(order(source, tmp_path / "out"), load=loaded)):
            assert row is not None
            rows.append(row)
            if len(rows) == 3:
                cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
                while not (left := actors()):
                    time.sleep(0.05)
                left[0].kill()
                go.touch()
        assert go.exists()
    finally:
        go.touch()
    assert {row["input"] for row in rows} == {*plain, "bad.png"}
    check(tmp_path / "out", plain)
