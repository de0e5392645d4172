"""Batches are the same whichever threads or processes make them, and nothing runs on once no more are taken."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pellucid import degradations, files, images, samples
from pellucid.errors import OptionError
from pellucid.training import feed, recipes
from pellucid.training.batches import Batch, make_batch
from pellucid.training.pictures import Pictures, load, load_noisy
from pellucid.training.recipes import Recipe

forks = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean pictures in one folder in it, and noisy ones in another."""
    place = tmp_path_factory.mktemp("photos")
    noise = degradations.parse("gaussian:20:clip")
    for name in ("clean", "noisy"):
        (place / name).mkdir()
    for index in range(4):
        crop = samples.photograph()[30 * index : 30 * index + 150, 40 * index : 40 * index + 140]
        files.write(place / "clean" / f"{index}.png", images.from_array(crop))
        noisy = noise(crop / np.float32(255), np.random.default_rng(index))
        files.write(place / "noisy" / f"{index}.png", images.from_array(np.rint(255 * noisy).astype(np.uint8)))
    return place


def made(folder: Path, name: str) -> tuple[Pictures, Recipe]:
    recipe = recipes.find(name)
    recipe = replace(
        recipe, data=replace(recipe.data, scales=(1.0,), patch=64, held_out=0.3), training=replace(recipe.training, batch=3)
    )
    if name == "own":
        return load_noisy(folder / "noisy", recipe.data, recipe.task), recipe
    return load(folder / "clean", recipe.data), recipe


def assert_same(found: Any, expected: Any) -> None:
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
        elif other is None or isinstance(other, tuple):
            assert one == other
        else:
            assert_same(one, other)


# Second looks, residuals from an enlargement of several sizes, and noisy pictures by themselves and by their neighbours.
@pytest.mark.parametrize("name", ["photo-impulses", "upscale", "own", "own by neighbours"])
@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=forks)])
def test_batches_are_those_of_their_numbers(folder: Path, name: str, processes: int) -> None:
    pictures, recipe = made(folder, name.partition(" ")[0])
    if name == "own by neighbours":
        recipe = replace(recipe, training=replace(recipe.training, noisy_loss="neighbours"))
    taken = feed.batches(pictures, recipe, 3, 5, 1, threads=3, processes=processes)
    batches: list[Batch] = list(islice(taken, 7))
    taken.close()  # type: ignore[attr-defined]  # a generator
    for step, batch in enumerate(batches, start=5):
        assert_same(batch, make_batch(pictures, recipe, 3, step, 1))
    if name == "photo-impulses":
        assert any(any(batch.again) for batch in batches)
    # Where the residual is taken from what is seen, that need be neither kept nor sent twice.
    assert all(np.shares_memory(batch.base, batch.input) for batch in batches) == (name != "upscale")
    assert (batches[0].neighbours is not None) == (name == "own by neighbours")


@forks
def test_processes_end_with_the_feed(folder: Path) -> None:
    pictures, recipe = made(folder, "photo")
    others = set(multiprocessing.active_children())
    taken = feed.batches(pictures, recipe, 0, 0, processes=2)
    next(taken)
    own = set(multiprocessing.active_children()) - others
    assert len(own) == 2
    taken.close()  # type: ignore[attr-defined]  # a generator
    end = time.monotonic() + 60
    while any(process.is_alive() for process in own) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(process.is_alive() for process in own)


@pytest.fixture
def large_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, int]:
    """A Linux machine that forks, with a gigabyte free in shared memory, which the test may change."""
    room = {"free": 10**9}
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["fork", "spawn"])
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(feed, "SHARED", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=room["free"] if place == tmp_path else 0))
    return room


def test_processes_pay_where_cores_are_many(large_machine: dict[str, int]) -> None:
    recipe = recipes.find("photo")
    assert [feed.workers(recipe, cores) for cores in (1, 4, 7, 8, 16, 64)] == [0, 0, 0, 6, 14, 14]
    assert [feed.workers(recipe, 16, 2), feed.workers(recipe, 8, 2)] == [6, 0]
    echoing = recipes.find("digits-video")
    assert [feed.workers(echoing, cores) for cores in (1, 2, 7)] == [1, 1, 1]
    large_machine["free"] = 1 << 20
    assert [feed.workers(recipes.find(name), 2) for name in ("film-find", "digits-video")] == [0, 1]
    assert 1 <= feed.cores() <= (os.cpu_count() or 1)
    with pytest.raises(OptionError, match="0 or more"):
        feed.check(-1)


def test_no_more_processes_than_shared_memory_has_room_for(large_machine: dict[str, int]) -> None:
    # A batch of photo: 16 crops of 96x96, of eleven planes at most, four bytes each.
    batch = 16 * 96 * 96 * 11 * 4
    large_machine["free"] = 2 * feed.AHEAD * batch * 5
    assert feed.workers(recipes.find("photo"), 16) == 5
    large_machine["free"] = 2 * feed.AHEAD * batch
    assert feed.workers(recipes.find("photo"), 16) == 0


@pytest.mark.parametrize("missing", ["fork", "linux"])
def test_where_processes_cannot_well_be_forked_threads_are_what_there_is(
    missing: str, large_machine: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing == "fork":
        monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
        with pytest.raises(OptionError, match="cannot fork"):
            feed.check(2)
    else:
        monkeypatch.setattr(sys, "platform", "darwin")
    assert feed.workers(recipes.find("photo"), 64) == 0
    feed.check(0)


@forks
def test_a_signal_to_all_processes_ends_the_run_in_order(tmp_path: Path) -> None:
    """Ctrl-C, and what ends a batch job, reach the whole group: the run takes the step in hand with the batch that it needs."""
    recipe, out = tmp_path / "tiny.toml", tmp_path / "a.onnx"
    small = "[network]\nwidths = [8, 16]\nblocks = [1, 1]\n[data]\nheld_out = 0.02\nvalidation = ['gaussian:51:clip']\n"
    # Many validations make the run print its first line at once.
    recipe.write_text(f'name = "tiny"\nbase = "digits"\n{small}[training]\nvalidations = 10000\n')
    command = [sys.executable, "-m", "pellucid", "train", str(recipe), "--steps", "100000", "--workers", "2", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stderr is not None
        said = []
        for line in running.stderr:
            said.append(line)
            if "images/s" in line and len(said) > 1:
                os.killpg(running.pid, signal.SIGTERM)
                break
        said += running.stderr.readlines()
        assert running.wait(600) == 0, "".join(said)
    assert "Traceback" not in "".join(said)
    assert "stopped early" in "".join(said)
    assert out.exists()


def test_composed_batches_go_through_pipes_where_shared_memory_is_short(large_machine: dict[str, int]) -> None:
    large_machine["free"] = 2**26
    assert feed.workers(recipes.find("cutout"), 16) == 14
    assert feed._room(recipes.find("cutout")) == 0
