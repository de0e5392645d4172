from __future__ import annotations

import gzip
import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from pellucid import files, images, samples
from pellucid.errors import FileError, TrainingError
from pellucid.training import mnist, recipes
from pellucid.training.batches import make_batch, patch_for, validation_batches
from pellucid.training.packs import PACK_MANIFEST, entries, pack
from pellucid.training.pictures import load
from pellucid.training.splits import is_held_out

PHOTO = recipes.find("photo")
PHOTO = replace(PHOTO, data=replace(PHOTO.data, scales=(1.0,), detail=1))
DIGITS = recipes.find("digits")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve crops of the package's photograph, one gray; one that is smaller than a patch, one too small, one broken."""
    place = tmp_path_factory.mktemp("photos")
    photograph = samples.photograph()
    for index in range(12):
        top, left = 20 * index, 30 * index
        crop = photograph[top : top + 120 + 5 * index, left : left + 130]
        files.write(place / f"crop-{index:02}.png", images.from_array(crop if index else crop[..., 0]))
    files.write(place / "small.png", images.from_array(photograph[:50, :60]))
    files.write(place / "tiny.png", images.from_array(photograph[:31, :60]))
    (place / "broken.png").write_bytes(b"\x89PNG")
    return place


def test_a_folder_is_split_the_same_way_everywhere(folder: Path) -> None:
    table = replace(PHOTO.data, held_out=0.3)
    pictures = load(folder, table)
    again = load(folder, table)
    assert pictures.names == again.names
    assert len(pictures.train) + len(pictures.valid) == 13
    assert not any(is_held_out(name, table) for name in pictures.names)
    assert all(picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8 for picture in pictures.train)
    assert (
        "small.png: smaller than the patch of 96 pixels, which shrinks for batches with them, to 50 or a little less"
        in pictures.notes
    )
    assert "left out: tiny.png: smaller than a patch of 32 pixels" in pictures.notes
    assert "broken.png" in " ".join(pictures.notes)


def test_the_patch_of_a_batch_shrinks_to_what_fits() -> None:
    large, small = (400, 300, 3), (50, 61, 3)
    assert PHOTO.data.patch == 96
    assert patch_for(PHOTO, [large, large]) == 96
    # The network takes multiples of 8; neighbours make it half as large; factors of 2, 3 and 4 divide 48.
    assert patch_for(PHOTO, [large, small]) == 48
    assert patch_for(PHOTO, [(95, 200, 3), large]) == 88
    neighbours = replace(PHOTO, training=replace(PHOTO.training, noisy_loss="neighbours"))
    assert patch_for(neighbours, [(95, 200, 3), large]) == 80
    assert patch_for(recipes.find("upscale"), [small]) == 48
    assert patch_for(PHOTO, [(32, 32, 3)]) == 32


def test_small_images_are_learnt_from(tmp_path: Path) -> None:
    photograph = samples.photograph()
    for index in range(4):
        files.write(tmp_path / f"{index}.png", images.from_array(photograph[60 * index : 60 * index + 50, 40:104]))
    pictures = load(tmp_path, PHOTO.data)
    assert len(pictures.train) + len(pictures.valid) == 4
    batch = make_batch(pictures, PHOTO, seed=0, step=0)
    assert batch.target.shape[2:] == (48, 48)
    assert all(each.input.shape[2] % 16 == each.input.shape[3] % 16 == 0 for _, each in validation_batches(pictures, PHOTO, most=2))
    assert any(note.startswith("4 images (0.png and others): smaller than the patch") for note in pictures.notes)


@pytest.mark.parametrize("name", ["photo", "upscale", "raw", "film-find", "film-fill"])
def test_the_smallest_images_that_are_kept_make_examples(name: str, tmp_path: Path) -> None:
    """Frames that move under a camera are smaller than the crop: of 32 pixels nothing would be left."""
    recipe = recipes.find(name)
    least = 32 + 2 * recipe.task.around
    for index in range(5):
        side = least - 1 if index == 4 else least
        files.write(tmp_path / f"{index}.png", images.from_array(samples.photograph()[60 * index : 60 * index + side, 40:140]))
    data = replace(recipe.data, held_out=0.3, scales=(1.0,))
    pictures = load(tmp_path, data, around=recipe.task.around)
    assert len(pictures.train) + len(pictures.valid) == 4
    assert f"left out: 4.png: smaller than a patch of {least} pixels" in pictures.notes
    small = replace(recipe, data=data, training=replace(recipe.training, batch=2))
    assert min(make_batch(pictures, small, seed=0, step=0).input.shape) > 0


def test_images_held_out_by_name_never_teach() -> None:
    assert is_held_out("172-buddiesofbudgie-BuddiesOfBudgie_oakland-zoo-otters.webp", PHOTO.data)
    # Collections are copied with hyphens or underscores in their names.
    assert is_held_out("172_buddiesofbudgie_BuddiesOfBudgie_oakland_zoo_otters.webp", PHOTO.data)


def test_gray_is_the_luma(folder: Path) -> None:
    colour = load(folder, PHOTO.data)
    gray = load(folder, replace(PHOTO.data, channels=1))
    expected = np.rint(images.gray(colour.train[1].astype(np.float32)))
    np.testing.assert_array_equal(gray.train[1], expected)


def test_scales_add_smaller_copies_of_training_images_alone(folder: Path) -> None:
    plain = load(folder, replace(PHOTO.data, patch=64))
    scaled = load(folder, replace(PHOTO.data, patch=64, scales=(1.0, 0.5)))
    larger = [picture for picture in plain.train if min(picture.shape[:2]) >= 128]
    assert 0 < len(larger) < len(plain.train)
    assert len(scaled.train) == len(plain.train) + len(larger)
    assert len(scaled.valid) == len(plain.valid)
    assert scaled.origin == plain.origin
    halves = [picture for picture in scaled.train if picture.shape[1] == 65]
    for half, whole in zip(halves, larger, strict=True):
        # A smaller copy of the same picture: its mean is the same, its detail finer.
        assert abs(float(half.mean()) - float(whole.mean())) < 1.0
    with pytest.raises(TrainingError, match="scales"):
        load(folder, replace(PHOTO.data, scales=(0.3,)))


def test_the_card_credits_by_name(folder: Path) -> None:
    credit = recipes.Credit(match="crop", source="the otter", licence="CC0")
    origin = load(folder, replace(PHOTO.data, credits=(credit,))).origin
    assert [(entry.source, entry.licence) for entry in origin] == [("the otter", "CC0")]
    unknown = load(folder, replace(PHOTO.data, credits=())).origin
    assert unknown[0].licence == "not stated"


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    for place, match in ((None, "--images"), (tmp_path, "no image")):
        with pytest.raises(TrainingError, match=match):
            load(place, PHOTO.data)
    files.write(tmp_path / "one.png", images.from_array(samples.photograph()))
    with pytest.raises(TrainingError, match="one image"):
        load(tmp_path, PHOTO.data)


def test_batches_depend_on_seed_and_step_alone(folder: Path) -> None:
    pictures = load(folder, PHOTO.data)
    recipe = replace(PHOTO, training=replace(PHOTO.training, batch=4))
    first, same = (make_batch(pictures, recipe, 3, 5) for _ in range(2))
    np.testing.assert_array_equal(first.input, same.input)
    assert first.input.shape == (4, 5, 96, 96)
    assert first.target.shape == (4, 3, 96, 96)
    assert first.input.dtype == first.target.dtype == np.float32
    np.testing.assert_array_equal(first.base, first.input[:, :3])
    others = [make_batch(pictures, recipe, seed, step, rank).input for seed, step, rank in ((4, 5, 0), (3, 6, 0), (3, 5, 1))]
    assert not any(np.array_equal(first.input, other) for other in others)


def test_the_more_detailed_of_several_crops_is_taken(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(200, dtype=np.uint8)[:, None, None], (1, 200, 3))
    rough = smooth.copy()
    rough[:, 100:] ^= (np.arange(200, dtype=np.uint8) % 2 * 128)[:, None, None]
    for name in ("a", "b", "c"):
        files.write(tmp_path / f"{name}.png", images.from_array(rough))
    table = replace(PHOTO.data, patch=32)
    pictures = load(tmp_path, table)

    def share(detail: int) -> float:
        recipe = replace(PHOTO, data=replace(table, detail=detail), training=replace(PHOTO.training, batch=200))
        targets = make_batch(pictures, recipe, 0, 0).target
        return float(np.abs(np.diff(targets, axis=2)).mean() + np.abs(np.diff(targets, axis=3)).mean())

    assert share(1) < share(2) < share(4)


def test_an_epoch_of_digits_sees_each_once() -> None:
    pictures = load(None, DIGITS.data)
    assert (len(pictures.train), len(pictures.valid)) == (1600, 400)
    recipe = replace(DIGITS, training=replace(DIGITS.training, batch=160))
    drawn = [digit.tobytes() for step in range(10) for digit in make_batch(pictures, recipe, 0, step).target]
    assert len(set(drawn)) == len({digit.tobytes() for digit in pictures.train})


def test_validation_is_always_the_same(folder: Path) -> None:
    pictures = load(folder, replace(PHOTO.data, held_out=0.4))
    first, second = ([batch.input for _, batch in validation_batches(pictures, PHOTO, most=5)] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)
    assert {noise for noise, _ in validation_batches(pictures, PHOTO, most=5)} == set(PHOTO.data.validation)


# -- packs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sound(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sound")
    for path in folder.glob("crop-*.png"):
        (place / path.name).write_bytes(path.read_bytes())
    return place


def test_a_roomy_pack_is_lossless(sound: Path, tmp_path: Path) -> None:
    said = pack(sound, tmp_path / "a.pack", megabytes=5)
    assert "lossless" in said
    packed, loose = load(tmp_path / "a.pack", PHOTO.data), load(sound, PHOTO.data)
    assert [Path(name).stem for name in packed.names] == [Path(name).stem for name in loose.names]
    for first, second in zip(packed.train, loose.train, strict=True):
        np.testing.assert_array_equal(first, second)
    assert "lossless" in packed.notes[0]


def test_names_that_are_no_text_are_learnt_from_and_packed(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    names = (b"ok.png", b"\xff.png", b"gr\xf6\xdfe.png")
    try:
        for number, name in enumerate(names):
            files.write(place / os.fsdecode(name), images.from_array(samples.photograph()[number : number + 64, :64]))
    except OSError:
        pytest.skip("this file system has no such names")
    pack(place, tmp_path / "a.pack", megabytes=5)
    for given in (place, tmp_path / "a.pack"):
        found = load(given, PHOTO.data)
        assert len(found.train) + len(found.valid) == 3


def test_each_image_of_a_pack_has_a_name_of_its_own_and_its_side_of_the_split(tmp_path: Path) -> None:
    names = ["a.bmp", "a.png", "a.tif", "a.png.tif", "a.tif.png", "b.png"]
    rng = np.random.default_rng(0)
    for name in names:
        files.write(tmp_path / name, images.from_array(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)))
    pack(tmp_path, tmp_path / "x.pack", megabytes=5)
    sources, _ = entries(tmp_path / "x.pack")
    assert len({source.name for source in sources}) == len({source.read().levels.tobytes() for source in sources}) == len(names)
    assert sorted(Path(source.name).stem for source in sources) == sorted(Path(name).stem for name in names)
    assert "b.webp" in {source.name for source in sources}


@pytest.mark.parametrize("megabytes", [0.3, 0.1, 0.04])
def test_a_pack_keeps_to_its_budget_and_says_its_loss(sound: Path, tmp_path: Path, megabytes: float) -> None:
    out = tmp_path / "a.pack"
    said = pack(sound, out, megabytes=megabytes)
    assert out.stat().st_size <= megabytes * 1e6
    assert "quality" in said
    with zipfile.ZipFile(out) as archive:
        assert "quality" in archive.read(PACK_MANIFEST).decode()
        names = [name for name in archive.namelist() if name != PACK_MANIFEST]
        with archive.open(names[0]) as entry, PillowImage.open(entry) as picture:
            assert picture.width > 20


def test_what_cannot_be_packed_is_refused(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="do not fit"):
        pack(sound, tmp_path / "a.pack", megabytes=0.001)
    with pytest.raises(TrainingError, match="no images"):
        pack(tmp_path, tmp_path / "a.pack", megabytes=1)
    (tmp_path / "mine.pack").write_bytes(b"mine")
    with pytest.raises(FileError, match="exists"):
        pack(sound, tmp_path / "mine.pack", megabytes=1)
    with pytest.raises(FileError, match="not a pack"):
        load(tmp_path / "mine.pack", PHOTO.data)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.pack"]


# -- MNIST ------------------------------------------------------------------------------------------------------------


def mirror(place: Path) -> tuple[str, dict[str, str]]:
    """A mirror in a folder, of files as small as can be, and their checksums."""
    checksums = {}
    for key, name in files.MNIST_FILES.items():
        array = np.zeros((10, 28, 28) if "images" in key else (10,), np.uint8)
        content = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()
        (place / f"{name}.gz").write_bytes(gzip.compress(content))
        checksums[key] = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return place.as_uri(), checksums


def test_mnist_is_fetched_checked_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    address, checksums = mirror(tmp_path / "mirror")
    assert mnist.cached() is None
    dead = (tmp_path / "dead").as_uri()
    fetched = list(mnist.fetch(mirrors=(dead, address), checksums=checksums))
    assert len(fetched) == 4
    assert mnist.cached() == tmp_path / "cache" / "mnist"
    # A recipe for digits finds the fetched ones by itself.
    assert len(load(None, DIGITS.data).train) == 8
    # A second time nothing is asked of any mirror.
    assert list(mnist.fetch(mirrors=(), checksums=checksums)) == fetched


def test_a_wrong_file_is_neither_kept_nor_replaced(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    address, checksums = mirror(tmp_path / "mirror")
    wrong = dict.fromkeys(checksums, "0" * 32)
    with pytest.raises(FileError, match="another content"):
        list(mnist.fetch(tmp_path / "out", mirrors=(address,), checksums=wrong))
    assert list((tmp_path / "out").iterdir()) == []
    mine = tmp_path / "out" / "train-images-idx3-ubyte.gz"
    mine.write_bytes(b"mine")
    with pytest.raises(FileError, match="move it away"):
        list(mnist.fetch(tmp_path / "out", mirrors=(address,), checksums=checksums))
    assert mine.read_bytes() == b"mine"
    if hasattr(os, "mkfifo"):
        mine.unlink()
        os.mkfifo(mine)
        with pytest.raises(FileError, match="move it away"):
            list(mnist.fetch(tmp_path / "out", mirrors=(address,), checksums=checksums))


def test_gray_examples_for_a_colour_network_are_the_same_in_all_channels(folder: Path) -> None:
    recipe = recipes.find("photo-camera")
    recipe = replace(recipe, data=replace(recipe.data, patch=48, scales=(1.0,)))
    pictures = load(folder, recipe.data)
    batch = [make_batch(pictures, recipe, 0, step) for step in range(6)]
    alike = [bool((one[0] == one[1]).all() and (one[0] == one[2]).all()) for entry in batch for one in entry.input]
    assert 0.05 < np.mean(alike) < 0.6
