"""The memory that there is, and a budget that chooses nothing but how many pieces are at work at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import batch, engines, files, images, memory, plan, restorer, tasks
from pellucid.errors import EngineError, MemoryShort, OptionError, PellucidError
from pellucid.tasks import DenoiseSettings, denoise
from pellucid.tasks.settings import FileSettings

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GiB", 2 * GIB),
        ("1500 MB", 1_500_000_000),
        ("0.5g", 500_000_000),
        ("800Mi", 800 * 2**20),
        ("12345", 12345),
        (".5KiB", 512),
    ],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert memory.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GiB", "2 gallons", "1i", "GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="size of memory"):
        memory.parse_size(text)


def system(root: Path, groups: dict[str, dict[str, str]], line: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n")
    (root / "proc/self/cgroup").write_text(line)
    for folder, names in groups.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, content in names.items():
            (root / folder / name).write_text(content)
    return root


def test_the_smallest_control_group_counts(tmp_path: Path) -> None:
    inner = {"memory.max": "max\n", "memory.current": "5\n", "memory.stat": "inactive_file 7\n"}
    outer = {"memory.max": "3000000\n", "memory.current": "1000000\n", "memory.stat": "anon 1\ninactive_file 400000\n"}
    root = system(tmp_path, {"sys/fs/cgroup/a/b": inner, "sys/fs/cgroup/a": outer}, "0::/a/b\n")
    assert memory.free(root) == 2_400_000
    (root / "sys/fs/cgroup/a/memory.current").write_text("9000000")
    assert memory.free(root) == 0


def test_the_first_version_of_control_groups(tmp_path: Path) -> None:
    group = {"memory.limit_in_bytes": "3000000", "memory.usage_in_bytes": "1000000", "memory.stat": "total_inactive_file 5\n"}
    root = system(tmp_path, {"sys/fs/cgroup/memory/x": group}, "3:cpu:/x\n4:memory:/x\n")
    assert memory.free(root) == 2_000_005


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    assert memory.free(system(tmp_path, {}, "")) == 8_000_000 * 1024
    assert memory.free(tmp_path / "elsewhere") is None
    assert memory.used() > 2**20


def test_no_answer_depends_on_the_budget(tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 96))
    noisy = np.rint(np.random.default_rng(0).normal(128, 10, (200, 300))).astype(np.uint8)
    at_once: list[int] = []
    stream = restorer.tiling.stream
    monkeypatch.setattr(restorer.tiling, "stream", lambda *given, **how: at_once.append(how["in_flight"]) or stream(*given, **how))
    free = restorer.load(gray_model).restore(noisy, sigma=10)
    # Used is what it is; the budgets are above it by what one piece and two need.
    monkeypatch.setattr(memory, "used", lambda: GIB)
    pixels, engine_bytes = 96 * 96, denoise.ENGINE_BYTES[engines.precision("openvino")]
    answer = noisy.size
    one = restorer.load(gray_model, memory=GIB + answer + pixels * (engine_bytes + denoise.PIECE_BYTES))
    np.testing.assert_array_equal(one.restore(noisy, sigma=10), free)
    two = restorer.load(gray_model, memory=GIB + answer + pixels * (engine_bytes + 2 * denoise.PIECE_BYTES))
    np.testing.assert_array_equal(two.restore(noisy, sigma=10), free)
    assert at_once == [2, 1, 2]
    # The engine keeps its room: the same picture again needs no more.
    assert two.restore(noisy, sigma=10) is not None
    little = restorer.load(gray_model, memory=GIB + 1000)
    with pytest.raises(
        EngineError, match=r"300x200 pixels need \d+ MiB more memory, and this process has 1.0 GiB of the 1.0 GiB that"
    ):
        little.restore(noisy, sigma=10)
    files.write(tmp_path / "a.png", images.from_array(noisy))
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "a.png"], None), little, DenoiseSettings(sigma=10))
    assert str(outcome.error).startswith(f"{tmp_path}/a.png: 300x200 pixels need ")
    assert "\n" not in str(outcome.error)


def test_pieces_are_smaller_where_the_engine_needs_more(gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles: list[int] = []
    cut = restorer.tiling.cut
    monkeypatch.setattr(restorer.tiling, "cut", lambda *given, **how: tiles.append(how["tile"]) or cut(*given, **how))
    for precision in ("bf16", "f32"):
        monkeypatch.setattr(engines, "precision", lambda engine, precision=precision: precision)
        restorer.load(gray_model).restore(np.zeros((32, 32), np.uint8), sigma=10)
    assert tiles == [denoise.TILE["bf16"], denoise.TILE["f32"]]
    bytes_of = [tile**2 * denoise.ENGINE_BYTES[precision] for tile, precision in zip(tiles, ("bf16", "f32"), strict=True)]
    assert bytes_of[1] < 1.2 * bytes_of[0]


def test_what_is_free_is_asked_where_nothing_is_said(gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free", lambda: 10_000)
    with pytest.raises(EngineError, match="--memory SIZE allows more"):
        restorer.load(gray_model).restore(np.zeros((64, 64), np.uint8), sigma=10)
    assert restorer.load(gray_model, memory=8 * GIB).restore(np.zeros((64, 64), np.uint8), sigma=10).shape == (64, 64)


@pytest.mark.parametrize(
    ("task", "setting"),
    [(task.name, row.name) for task in tasks.TASKS.values() for row in task.settings.declared() if "file" in row.kinds],
)
def test_a_picture_that_a_setting_names_has_the_budget_too(
    task: str, setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.write(tmp_path / "large.png", images.from_array(np.zeros((300, 400, 4), np.uint8)))
    monkeypatch.setattr(memory, "used", lambda: GIB)
    sparing = restorer.load(tasks.find(task).model, memory=GIB + 100_000)
    given: dict[str, Any] = {setting: tmp_path / "large.png"}
    with pytest.raises(
        PellucidError, match=r"400x300 pixels( of 4 samples)? need .* more memory, and this process has 1.0 GiB of the 1.0 GiB that"
    ):
        sparing.restore(np.zeros((8, 8, 3), np.uint8), **given)


@pytest.mark.parametrize("area", ["mask", "protect"])
def test_a_mask_has_the_budget_too(area: str, tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(tmp_path / "large.png", images.from_array(np.zeros((300, 400), np.uint8)))
    files.write(tmp_path / "a.png", images.from_array(np.zeros((8, 8), np.uint8)))
    monkeypatch.setattr(memory, "used", lambda: GIB)
    sparing = restorer.load(gray_model, memory=GIB + 100_000)
    how = FileSettings.of({area: tmp_path / "large.png"})
    with pytest.raises(MemoryShort, match="400x300 pixels need"):
        list(batch.restore_files(plan.plan([tmp_path / "a.png"], None), sparing, DenoiseSettings(sigma=10), how))
