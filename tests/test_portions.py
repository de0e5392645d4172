"""Large files that several processes share: the output is that of one process, to the byte, however the file is taken apart."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import api, chains, files, images, restorer, samples, steps, tiling
from pellucid.errors import OptionError
from pellucid.images import Image

pytest.importorskip("pyarrow", reason="the extra shard is not installed")
pytest.importorskip("fsspec", reason="the extra shard is not installed")

from pellucid.cluster import portions, stores, work
from pellucid.cluster.portions import Large, Portion
from pellucid.files.base import Document, Page

ALL = Large(bytes=0, pixels=1, portion=1)
"""Every file is large, and taken apart as far as can be."""


def photograph(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray[Any, Any]:
    """A part of the package's photograph with noise, 8 bits."""
    pixels = np.tile(samples.photograph(), (7, 1, 1))[seed : seed + height, seed : seed + width].astype(np.float32)
    noisy = pixels + np.random.default_rng(seed).normal(0, 12, pixels.shape)
    levels = np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)
    return levels if channels == 3 else levels[..., 1:2]


def kept(name: str, how: dict[str, Any]) -> Any:
    return api._kept(name)


def order(source: Path, out: Path, chain: str, **other: Any) -> work.Order:
    """A run; of one step as its own command makes it."""
    chosen = steps.parse(chain)
    values: dict[str, Any] = {**other}
    if len(chosen.steps) > 1:
        return work.Order(str(source), str(out), lambda how: chains.of(chosen, api._kept), chosen, chosen, **values)
    step = chosen.steps[0]
    return work.Order(str(source), str(out), partial(kept, step.model), step.task, step.settings, **values)


def shares(worker: work.Worker, item: work.Item, large: Large = ALL) -> list[Portion]:
    """How the worker would share a file; none where it has done it."""
    row = worker.row(item, large=large)
    assert row["status"] == "done", row["error"]
    return list(row.get("portions", []))


def compared(name: str, chain: str, tmp_path: Path, large: Large = ALL, **other: Any) -> list[Portion]:
    """Does the file ``in/NAME`` at once and in portions, each by a worker of its own, and compares; the portions."""
    (plain,) = work.run(order(tmp_path / "in", tmp_path / "plain", chain, **other))
    assert plain["status"] == "done", plain["error"]
    given = order(tmp_path / "in", tmp_path / "out", chain, **other)
    (item,) = list(work.Listing(work.Worker(given, adopt=True)))
    assert isinstance(item, work.Item)
    shared = shares(work.Worker(given, adopt=True), item, large)
    for portion in reversed(shared):
        row = work.Worker(given, adopt=True).portion(item, portion)
        assert row["status"] == "done", row["error"]
    row = work.Worker(given, adopt=True).row(item, shared)
    assert row["status"] == "done", row["error"]
    output = row["output"]
    assert (tmp_path / "out" / output).read_bytes() == (tmp_path / "plain" / output).read_bytes()
    other_names = {"seconds", "seconds_in_all", "at", "process"}
    assert {key: value for key, value in row.items() if key not in other_names} == {
        key: value for key, value in plain.items() if key not in other_names | {"writer"}
    }
    assert row["seconds"] > 0
    return shared


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces as small as can be, so that small pictures have several bands."""
    whole = tiling.cut
    monkeypatch.setattr(tiling, "cut", lambda height, width, **how: whole(height, width, **{**how, "tile": 64}))


# -- bands of one picture -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(
    ("name", "chain"),
    [
        ("a.png", "denoise:sigma=12:model=photo-fast"),
        ("a.tif", "denoise:strength=0.6:model=photo-fast"),
        ("a.npy", "denoise:sigma=12:model=photo-fast"),
        ("a.jpg", "colorize:variants=1"),
        ("a.png", "cutout:background=white"),
        ("a.png", "upscale:scale=2:noise=keep"),
    ],
)
def test_bands_of_a_picture_are_put_together_without_seams(name: str, chain: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    # As large as it takes for more than one band: a network that looks far has larger pieces.
    height, width = {"denoise": (2400, 64), "cutout": (400, 144)}.get(chain.partition(":")[0], (160, 64))
    pixels = photograph(height, width)
    if name.endswith(".npy"):
        np.save(tmp_path / "in" / name, pixels[..., 1].astype(np.uint16) * 200)
    else:
        files.write(tmp_path / "in" / name, images.from_array(pixels))
    shared = compared(name, chain, tmp_path)
    assert len(shared) > 1
    assert {portion.kind for portion in shared} == {"bands"}


@pytest.mark.usefixtures("small_pieces")
def test_a_mask_and_another_depth_go_with_the_bands(tmp_path: Path) -> None:
    from pellucid.tasks.settings import FileSettings

    (tmp_path / "in").mkdir()
    files.write(tmp_path / "in/a.png", images.from_array(photograph(2400, 64)))
    plane = np.zeros((50, 40), np.uint8)
    plane[:, 15:] = 255
    files.write(tmp_path / "mask.png", images.from_array(plane))
    how = FileSettings.of({"mask": str(tmp_path / "mask.png"), "depth": "16"})
    assert len(compared("a.png", "denoise:sigma=12:model=photo-fast", tmp_path, how=how)) > 1


@pytest.mark.usefixtures("small_pieces")
def test_what_has_no_bands_is_done_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pixels = photograph(96, 64)
    spoilt = np.random.default_rng(0).random(pixels.shape[:2])
    pixels[spoilt < 0.1], pixels[spoilt > 0.9] = 0, 255
    files.write(tmp_path / "in/a.png", images.from_array(pixels))
    assert compared("a.png", "denoise:model=photo", tmp_path) == []
    model = restorer.load("photo-fast")
    picture = images.from_array(photograph(40, 40))
    count = model.bands(picture, sigma=12)
    for wrong in (slice(count, count + 1), slice(0, 0)):
        with pytest.raises(OptionError, match="bands"):
            model.details(picture, sigma=12, rows=wrong)
    with pytest.raises(OptionError, match="bands"):
        model.details(picture.pixels, sigma=12, rows=slice(0, 1))
    assert model.bands(picture, sigma=0) == 0
    with pytest.raises(OptionError, match="bands"):
        model.details(picture, sigma=0, rows=slice(0, 1))


@pytest.mark.usefixtures("small_pieces")
def test_strips_say_where_they_lie() -> None:
    model = restorer.load("photo-fast")
    picture = images.from_array(photograph(2400, 80, 1), sparing=True)
    whole = model.details(picture, sigma=12).image.pixels
    count = model.bands(picture, sigma=12)
    assert count > 1
    tops = []
    for number in range(count):
        strip = model.details(picture, sigma=12, rows=slice(number, number + 1)).image
        tops.append(strip.corner[0])
        assert (strip.pixels == whole[tops[-1] : tops[-1] + len(strip.pixels)]).all()
    assert tops == sorted(set(tops))


# -- pages of a stack ---------------------------------------------------------------------------------------------------


def stack(path: Path, pages: list[Image], **about: Any) -> None:
    """A file of several pages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_pages(path, [Page((page,)) for page in pages], Document((), len(pages), (len(pages),), "Q", **about))


def with_alpha(image: Image, seed: int) -> Image:
    return replace(image, alpha=np.random.default_rng(seed).integers(0, 256, image.pixels.shape[:2], dtype=np.uint8))


@pytest.mark.parametrize(
    ("kind", "chain"),
    [
        ("plain", "denoise:model=photo-fast"),
        ("alpha", "upscale:scale=2:noise=keep"),
        ("plain", "cutout"),
        ("plain", "denoise:sigma=12:model=photo-fast+denoise:sigma=5:model=photo-fast"),
        ("nan", "denoise:sigma=12:model=photo-fast"),
        ("empty", "denoise:model=photo-fast"),
    ],
)
def test_pages_of_a_stack_are_put_together(kind: str, chain: str, tmp_path: Path) -> None:
    name = "a.npy" if kind in ("nan", "empty") else "a.tif"
    if name == "a.npy":
        (tmp_path / "in").mkdir()
        values = np.random.default_rng(0).random((5, 30, 40)).astype(np.float32)
        values[2, 3:9, 4:8] = np.nan
        # The first pages without any value.
        values[: 2 if kind == "empty" else 0] = np.nan
        np.save(tmp_path / "in" / name, values)
    else:
        pages = [images.from_array(photograph(40 + number % 2, 48, seed=number)) for number in range(5)]
        stack(tmp_path / "in" / name, [with_alpha(page, number) for number, page in enumerate(pages)] if kind == "alpha" else pages)
    shared = compared(name, chain, tmp_path)
    assert len(shared) == 5
    assert {portion.kind for portion in shared} == {"pages"}


def test_how_a_file_is_taken_apart() -> None:
    large = Large(pixels=100, portion=30, most=4)
    ends = [0, 1, 3, 5, 7]
    pages = [Portion("pages", first, end) for first, end in pairwise(ends)]
    assert portions._shares("pages", 7, 1000, large) == pages
    assert len(portions._shares("pages", 7, 60, large)) == 2
    assert portions._shares("bands", 2, 1000, large) == [Portion("bands", 0, 1), Portion("bands", 1, 2)]
    for count in (0, 1):
        assert portions._shares("bands", count, 1000, large) == []


def test_smaller_files_and_bad_ones_are_not_shared(tmp_path: Path) -> None:
    pages = [images.from_array(photograph(20, 24, 1, seed=number)) for number in range(3)]
    stack(tmp_path / "in/a.tif", pages)
    (tmp_path / "in/b.tif").write_bytes((tmp_path / "in/a.tif").read_bytes()[:300])
    worker = work.Worker(order(tmp_path / "in", tmp_path / "out", "denoise:sigma=12:model=photo-fast"), adopt=True)
    good, bad = sorted(work.Listing(worker))  # type: ignore[type-var]
    assert isinstance(good, work.Item)
    assert isinstance(bad, work.Item)
    assert len(shares(worker, good)) == 3
    assert shares(worker, good, ALL._replace(bytes=good.size + 1)) == []
    assert shares(worker, good, ALL._replace(pixels=3 * 20 * 24 + 1)) == []
    assert worker.row(bad, large=ALL)["status"] == "failed"


def test_an_error_in_a_portion_is_that_of_the_whole_file(tmp_path: Path) -> None:
    """A page in the middle that cannot be read is one line, and leaves nothing."""
    pages = [images.from_array(photograph(20, 24, 1, seed=number)) for number in range(3)]
    path = tmp_path / "in/a.tif"
    stack(path, pages)
    import tifffile

    with tifffile.TiffFile(path) as file:
        begin, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[begin : begin + length] = bytes(length)
    path.write_bytes(content)
    chain = "denoise:sigma=12:model=photo-fast"
    (plain,) = work.run(order(tmp_path / "in", tmp_path / "plain", chain))
    worker = work.Worker(order(tmp_path / "in", tmp_path / "out", chain), adopt=True)
    (item,) = list(work.Listing(worker))
    assert isinstance(item, work.Item)
    rows = [worker.portion(item, portion) for portion in shares(worker, item)]
    assert [row["status"] for row in rows] == ["done", "failed", "done"]
    assert rows[1]["error"] == plain["error"]
    left = [path.name for path in (tmp_path / "out" / stores.TEMPORARY).iterdir()]
    assert sorted(left) == sorted(Path(worker.portion_name(item, Portion("pages", n, n + 1))).name for n in (0, 2))
    # A portion that is there is not restored again.
    before = (tmp_path / "out" / worker.portion_name(item, Portion("pages", 0, 1))).stat().st_mtime_ns
    assert worker.portion(item, Portion("pages", 0, 1))["status"] == "done"
    assert (tmp_path / "out" / worker.portion_name(item, Portion("pages", 0, 1))).stat().st_mtime_ns == before


@pytest.mark.parametrize("kind", ["pages", "imagej", "numpy"])
def test_pages_are_read_from_any_one_on(kind: str, tmp_path: Path) -> None:
    import tifffile

    values = np.random.default_rng(0).integers(0, 60000, (5, 12, 14), dtype=np.uint16)
    path = tmp_path / ("a.npy" if kind == "numpy" else "a.tif")
    if kind == "numpy":
        np.save(path, values)
    else:
        tifffile.imwrite(path, values, photometric="minisblack", imagej=kind == "imagej")
    with files.open_pages(path) as document:
        whole = [page.pictures[0].pixels for page in document.pages]
    for first in (0, 3, 4):
        with files.open_pages(path, first=first) as document:
            assert (document.count, document.first) == (5, first)
            rest = [page.pictures[0].pixels for page in document.pages]
        assert len(rest) == 5 - first
        assert all((one == other).all() for one, other in zip(rest, whole[first:], strict=True))
