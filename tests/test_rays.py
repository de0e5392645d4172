"""A run over two nodes of a Ray cluster: the outputs of one machine, and nothing lost with a node."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import cli, files, images, manifest, steps
from pellucid.cli import pictures

ray = pytest.importorskip("ray", reason="the extra cluster is not installed")
pytest.importorskip("ray.data", reason="the extra cluster is not installed")
pytest.importorskip("ray.cluster_utils", reason="the extra cluster is not installed")

from pellucid.cluster import parts, rays, work  # noqa: E402
from pellucid.cluster.stores import MANIFEST, Folder  # noqa: E402

# Ray's own threads and sockets end when they like.
pytestmark = pytest.mark.filterwarnings("default")

MODEL = "photo-fast"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    rays.connected(made.address)
    yield made
    ray.shutdown()
    made.shutdown()


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


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != manifest.MANIFEST}


def order(source: Path, out: Path) -> work.Order:
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


def test_a_node_is_lost_and_nothing_else(cluster: Any, source: Path, plain: dict[str, bytes], tmp_path: Path) -> None:
    lost = cluster.add_node(num_cpus=1)
    run = rays.ClusterRun(order(source, tmp_path / "out"))
    rows = []
    for row in run:
        rows.append(row)
        if len(rows) == 3:
            cluster.remove_node(lost, allow_graceful=False)
    assert {row["input"] for row in rows} == {*plain, "bad.png"}
    check(tmp_path / "out", plain)


def test_the_command_says_where_there_is_no_cluster(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["denoise", str(source), "-o", str(tmp_path / "out"), "--cluster", "local"]
    assert cli.main([*arguments, "--shard", "1/2"]) == 2
    assert "leave one of them out" in capsys.readouterr().err
    assert cli.main([*arguments[:-2], "--cpus-per-actor", "2"]) == 2
    assert "are for --cluster" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
