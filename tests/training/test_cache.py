"""Decoded images on disk: decoded once, the same as from the files, within a budget, and never all of them in memory."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import cli, files, images, samples
from pellucid.errors import DiskFull, OptionError
from pellucid.training import cache, forms, recipes, shards, survey
from pellucid.training.batches import make_batch, validation_batches
from pellucid.training.cache import Store
from pellucid.training.forms import Form
from pellucid.training.pictures import Pictures, channels_of, load

PHOTO = recipes.find("photo")
PHOTO = replace(PHOTO, data=replace(PHOTO.data, patch=64), training=replace(PHOTO.training, batch=4))
COUNT = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight crops of the package's photograph, 300 pixels and more a side, one of them gray."""
    place = tmp_path_factory.mktemp("photos")
    photograph = samples.photograph()
    for index in range(COUNT):
        crop = photograph[5 * index : 5 * index + 300 + 7 * index, 9 * index : 9 * index + 331]
        files.write(place / f"crop-{index}.png", images.from_array(crop if index else crop[..., 0]))
    return place


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are decoded."""
    names: list[str] = []
    real = survey.read

    def read(path: Path, *arguments: Any, **named: Any) -> survey.Decoded:
        names.append(path.name)
        return real(path, *arguments, **named)

    monkeypatch.setattr(survey, "read", read)
    return names


def store(place: Path, budget: int = 10**9) -> Store:
    return Store(place, budget)


def shards_in(place: Path) -> list[Path]:
    return sorted((place / "images").glob("*.images"))


def taken(place: Path) -> int:
    return sum(path.stat().st_size for path in (place / "images").iterdir())


def alike(first: Pictures, second: Pictures) -> bool:
    """Whether both have the same images, make the same batches, and validate on the same."""
    if [a.shape for a in (*first.train, *first.valid)] != [b.shape for b in (*second.train, *second.valid)]:
        return False
    images_of = zip((*first.train, *first.valid), (*second.train, *second.valid), strict=True)
    batches = (tuple(make_batch(pictures, PHOTO, 0, step).input for step in range(3)) for pictures in (first, second))
    return all(np.array_equal(a, b) for a, b in images_of) and all(map(np.array_equal, *batches))


def test_a_second_run_decodes_nothing_and_sees_the_same(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    plain = load(folder, PHOTO.data, store=Store(budget=0), look=True)
    assert len(reads) == COUNT
    first = load(folder, PHOTO.data, store=store(tmp_path), look=True)
    assert len(reads) == 2 * COUNT
    second = load(folder, PHOTO.data, store=store(tmp_path), look=True)
    assert len(reads) == 2 * COUNT
    assert alike(plain, first)
    assert alike(first, second)
    assert plain.survey == first.survey == second.survey
    # They lie in the file, not in memory, but for one that is gray and stands for all channels.
    assert not any(picture.flags.writeable for picture in second.train)
    # Another patch at the same scales, another range: other images.
    load(folder, replace(PHOTO.data, patch=32), store=store(tmp_path))
    assert len(reads) == 3 * COUNT


def test_what_is_kept_is_what_the_files_say(folder: Path, tmp_path: Path) -> None:
    """The libraries themselves give the expected values: eight bits, luma, Lanczos."""
    from PIL import Image as PillowImage

    table = replace(PHOTO.data, channels=1, scales=(1.0, 0.5))
    pictures = load(folder, table, store=store(tmp_path))
    name = pictures.names[-1]
    with PillowImage.open(folder / name) as opened:
        pixels = np.asarray(opened, dtype=np.float32)
    luma = np.rint(pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.uint8)
    whole, half = pictures.train[-2:]
    np.testing.assert_array_equal(whole[..., 0], luma)
    size = round(luma.shape[1] * 0.5), round(luma.shape[0] * 0.5)
    small = np.asarray(PillowImage.fromarray(luma).resize(size, PillowImage.Resampling.LANCZOS))
    np.testing.assert_array_equal(half[..., 0], small)


def test_a_file_that_changed_is_decoded_again(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for path in folder.iterdir():
        (mine / path.name).write_bytes(path.read_bytes())
    load(mine, PHOTO.data, store=store(tmp_path))
    reads.clear()
    before = (mine / "crop-3.png").stat().st_mtime_ns
    os.utime(mine / "crop-3.png", ns=(before + 1, before + 1))
    load(mine, PHOTO.data, store=store(tmp_path))
    assert reads == ["crop-3.png"]
    # Values between others are other pixels.
    form = Form(False, False, value_range=(0.0, 100.0))
    cache.opened([forms.source(mine / "crop-3.png", (0.0, 100.0))], form, store(tmp_path))
    assert reads == ["crop-3.png"] * 2


@pytest.mark.parametrize("harm", ["pixels", "index", "cut", "foreign"])
def test_damage_is_seen_and_mended(folder: Path, tmp_path: Path, reads: list[str], harm: str) -> None:
    plain = load(folder, PHOTO.data, store=store(tmp_path))
    (path,) = shards_in(tmp_path)
    content = bytearray(path.read_bytes())
    if harm == "pixels":
        content[len(content) // 2] ^= 1
    elif harm == "index":
        content[-200] ^= 1
    elif harm == "cut":
        del content[-1000:]
    else:
        content = bytearray(b"something else")
    # Processes that have the old file mapped keep it: the damaged one is a new file.
    path.unlink()
    path.write_bytes(content)
    reads.clear()
    again = load(folder, PHOTO.data, store=store(tmp_path))
    assert len(reads) == COUNT
    assert alike(plain, again)
    assert path not in shards_in(tmp_path)


def test_more_than_the_budget_is_learnt_from_in_the_middle(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    whole = load(folder, PHOTO.data, store=store(tmp_path / "whole"))
    budget = taken(tmp_path / "whole") * 9 // 10
    reads.clear()
    part = load(folder, PHOTO.data, store=store(tmp_path, budget))
    assert budget * 0.8 < taken(tmp_path) <= budget
    (note,) = part.notes
    assert "the network learns from the middle of each" in note
    assert len(part.train) == len(whole.train)
    kept, full = part.train[-3], whole.train[-3]
    assert 0.8 < kept.size / full.size < 0.95
    top, left = (full.shape[0] - kept.shape[0]) // 2, (full.shape[1] - kept.shape[1]) // 2
    np.testing.assert_array_equal(kept, full[top : top + kept.shape[0], left : left + kept.shape[1]])
    # Held-out images are scored on the same pixels.
    for (_, mine), (_, theirs) in zip(
        validation_batches(part, PHOTO, most=9), validation_batches(whole, PHOTO, most=9), strict=True
    ):
        np.testing.assert_array_equal(mine.input, theirs.input)
    # A second time nothing is decoded; with more room, everything.
    reads.clear()
    assert alike(part, load(folder, PHOTO.data, store=store(tmp_path, budget)))
    assert reads == []
    assert alike(whole, load(folder, PHOTO.data, store=store(tmp_path)))
    assert len(reads) == COUNT
    # With less room again, nothing: it is cut out of what is there.
    assert alike(part, load(folder, PHOTO.data, store=store(tmp_path, budget)))
    assert len(reads) == COUNT
    assert taken(tmp_path) <= budget
    with pytest.raises(OptionError, match="need"):
        load(folder, PHOTO.data, store=store(tmp_path, 10**5))


def test_the_oldest_go_and_what_is_in_use_stays(folder: Path, tmp_path: Path, reads: list[str]) -> None:
    sources = [forms.source(path) for path in sorted(folder.iterdir())]
    form = Form(True, False)
    for part in (sources[:2], sources[2:4], sources[4:6]):
        cache.opened(part, form, store(tmp_path))
    room = taken(tmp_path) + 2 * 10**5
    for age, path in enumerate(sorted(shards_in(tmp_path), key=lambda path: path.stat().st_mtime_ns)):
        os.utime(path, (age, age))
    # The first two are used, so that the next two are the oldest.
    held, _ = cache.opened(sources[:2], form, store(tmp_path, room))
    before = [np.array(one.levels) for one in held if isinstance(one, survey.Decoded)]
    cache.opened(sources[6:], form, store(tmp_path, room))
    assert taken(tmp_path) <= room
    reads.clear()
    cache.opened([*sources[:2], *sources[4:]], form, store(tmp_path, room))
    assert reads == []
    cache.opened(sources[2:4], form, store(tmp_path, room))
    assert len(reads) == 2
    assert all(np.array_equal(one.levels, old) for one, old in zip(held, before, strict=True) if isinstance(one, survey.Decoded))


def test_a_full_disk_is_one_line_and_leaves_nothing(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = shards.write, []

    def write(file: Any, made: Any) -> dict[str, Any]:
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(made)
        return real(file, made)

    monkeypatch.setattr(shards, "write", write)
    with pytest.raises(DiskFull, match="the disk is full; --cache"):
        load(folder, PHOTO.data, store=store(tmp_path))
    assert [path.name for path in (tmp_path / "images").iterdir()] == ["lock"]


def test_without_a_cache_memory_holds_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file" / "below"))
    pictures = load(folder, PHOTO.data)
    assert "held in memory" in " ".join(pictures.notes)
    assert alike(pictures, load(folder, PHOTO.data, store=store(tmp_path)))


def test_gray_folders_are_decoded_once(
    folder: Path, tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    gray = tmp_path / "gray"
    gray.mkdir()
    rng = np.random.default_rng(0)
    for index in range(5):
        plane = samples.photograph()[20 * index : 20 * index + 120, :130, 1] + rng.normal(0, 20, (120, 130))
        files.write(gray / f"g{index}.png", images.from_array(np.clip(plane, 0, 255).astype(np.uint8)))
    recipe = tmp_path / "tiny.toml"
    recipe.write_text('name = "tiny"\nbase = "own"\n[network]\nwidths = [8, 16]\nblocks = [1, 1]\n[training]\nbatch = 2\n')
    arguments = ["train", str(recipe), "--noisy", str(gray), "--steps", "1", "--out", str(tmp_path / "m.onnx")]
    assert cli.main([*arguments, "--cache", "100MB"]) == 0
    assert sorted(reads) == sorted(path.name for path in gray.iterdir())
    assert cli.main([*arguments, "--force", "--cache", "nothing"]) == 2
    assert "size" in capsys.readouterr().err.splitlines()[-1]
    # A gray one among colours does not make a folder gray.
    assert channels_of("clean", [folder], PHOTO.data, store=store(tmp_path)) == 3
    assert channels_of("noisy", [gray], PHOTO.data, store=store(tmp_path)) == 1


def run(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


BOTH = """
import sys, zlib
from pathlib import Path
from pellucid.training import cache, forms
sources = [forms.source(path) for path in sorted(Path(sys.argv[1]).iterdir())]
seen, _ = cache.opened(sources, forms.Form(True, False), cache.Store(Path(sys.argv[2]), 10**9))
print(zlib.crc32(b"".join(entry.levels.tobytes() for entry in seen)))
"""


def test_two_processes_at_once_share_the_work(folder: Path, tmp_path: Path) -> None:
    both = [run(BOTH, str(folder), str(tmp_path)) for _ in range(2)]
    said = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0] != ""
    # Each image is there once.
    assert len(shards.index(tmp_path / "images")) == COUNT
    assert taken(tmp_path) < 1.1 * sum(files.read(path).pixels.size for path in folder.iterdir()) + 10**5


LARGE = """
import os, resource, sys
from dataclasses import replace
from pathlib import Path
from pellucid.training import cache, recipes
from pellucid.training.batches import make_batch
from pellucid.training.pictures import load
# As many pictures are decoded at once as there are cores; the test sets two.
os.cpu_count = lambda: 2
recipe = recipes.find("photo")
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmData")) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (own + int(sys.argv[3]),) * 2)
pictures = load(Path(sys.argv[1]), recipe.data, store=cache.Store(Path(sys.argv[2]), int(sys.argv[4])))
batch = make_batch(pictures, recipe, 0, 0)
print(sum(picture.nbytes for picture in pictures.train), batch.input.shape)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's own memory without files that it maps")
def test_a_folder_larger_than_memory_is_learnt_from(tmp_path: Path) -> None:
    """The decoded images are far more than the process may take."""
    place = tmp_path / "large"
    place.mkdir()
    tile = np.tile(samples.photograph(), (2, 1, 1))
    for index in range(140):
        # Uncompressed: what is measured is not Pillow.
        files.write(place / f"large-{index:03}.npy", images.from_array(np.roll(tile, 4 * index, axis=1)))
    # Mapped, it needs 120 to 150 MiB: NumPy's linear algebra takes its room when it is first used, at whatever time that is.
    most = 190 * 2**20
    held = run(LARGE, str(place), str(tmp_path), str(most), "0")
    mapped = run(LARGE, str(place), str(tmp_path), str(most), str(10**9))
    (_, failed), (answer, error) = (process.communicate(timeout=600) for process in (held, mapped))
    assert mapped.returncode == 0, error
    assert int(answer.split()[0]) > 1.5 * most
    # The measure measures: held in memory they do not fit.
    assert held.returncode != 0
    # Whoever asks for the next piece says so: NumPy, its linear algebra, or a decoder.
    assert "memory" in failed.lower() or "allocate" in failed


def test_the_share_that_fits_is_found_for_every_shape() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(10, 4000, (200, 2))
    least = 256
    for share in (0.0, 0.1, 0.7, 1.0):
        cut = cache._cut(sizes, share, least)
        assert ((sizes - cut) % 2 == 0).all()
        assert (cut <= sizes).all()
        assert (cut >= np.minimum(sizes, least)).all()
    np.testing.assert_array_equal(cache._cut(sizes, 1.0, least), sizes)


def test_bytes_are_foretold(folder: Path) -> None:
    """`Form.bytes_of` foretells exactly the bytes that an image takes."""
    form = Form(True, False, (1.0, 0.7, 0.31), 100)
    for path in folder.iterdir():
        base = form.base(survey.read(path).levels)
        made = base.nbytes + sum(small.nbytes for _, small in form.smaller(base)) + forms.OVERHEAD
        assert form.bytes_of(np.array([base.shape[:2]]), np.array([base.shape[2]]))[0] == made
