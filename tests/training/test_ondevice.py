"""Batches made on the device are those that the processor makes, but for what chance draws."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from pellucid import degradations, files, images, samples, sensor
from pellucid.training import batches, loop, mosaics, ondevice, recipes
from pellucid.training import pictures as reading
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    for index in range(4):
        crop = samples.photograph()[30 * index : 30 * index + 130 + 10 * index, 40 * index : 40 * index + 140]
        files.write(place / f"{index}.png", images.from_array(crop))
    return place


def made(folder: Path, name: str, **changes: object) -> tuple[Pictures, Recipe]:
    recipe = recipes.find(name)
    recipe = replace(
        recipe,
        data=replace(recipe.data, **{"scales": (1.0,), "patch": 64, "held_out": 0.3, **changes}),  # type: ignore[arg-type]
        training=replace(recipe.training, batch=5),
    )
    return reading.load(folder, recipe.data), recipe


@pytest.mark.parametrize("name", ["photo", "photo-gray", "upscale", "raw"])
def test_planes_are_of_the_same_shapes_and_layout(folder: Path, name: str) -> None:
    pictures, recipe = made(folder, name)
    for step, batch in enumerate(islice(ondevice.batches(pictures, recipe, 1, 0, device=CPU), 4)):
        expected = batches.make_batch(pictures, recipe, 1, step)
        for field in ("input", "target", "enlarged"):
            found, other = getattr(batch, field), getattr(expected, field)
            assert (found is None) == (other is None)
            if other is not None:
                assert found.shape == other.shape
                assert found.dtype == torch.float32
                assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["photo", "photo-gray"])
def test_noise_is_what_is_told(folder: Path, name: str) -> None:
    pictures, recipe = made(folder, name)
    levels = []
    for batch in islice(ondevice.batches(pictures, recipe, 1, 0, device=CPU), 20):
        given, clean = torch.as_tensor(batch.input), torch.as_tensor(batch.target)
        channels = recipe.data.channels
        sigma = given[:, channels]
        assert torch.all(sigma == sigma[:, :1, :1])
        assert not given[:, channels + 1].any()
        noise = (given[:, :channels] - clean).flatten(1).std(dim=1)
        torch.testing.assert_close(noise, sigma[:, 0, 0], rtol=0.07, atol=1e-6)
        levels += (255 * sigma[:, 0, 0]).tolist()
    assert min(levels) >= 0
    assert max(levels) <= 75
    assert 0.5 < np.mean((np.array(levels) > 10) & (np.array(levels) < 55)) < 0.9


def test_small_images_are_those_of_the_law(folder: Path) -> None:
    pictures, recipe = made(folder, "upscale")
    for step, batch in enumerate(islice(ondevice.batches(pictures, recipe, 1, 0, device=CPU), 3)):
        scale = (2, 3, 4)[step % 3]
        for small, large, enlarged in zip(batch.input, batch.target, torch.as_tensor(batch.enlarged), strict=True):
            whole = torch.as_tensor(large).permute(1, 2, 0).numpy()
            expected = degradations.Shrink(scale)(whole, np.random.default_rng(0))
            off = np.abs(torch.as_tensor(small).permute(1, 2, 0).numpy() - expected) * 255
            # Eight bits: what lies between two levels may be rounded to either.
            assert off.max() < 1.001
            assert np.mean(off > 0.5) < 0.001
            again = images.enlarged(torch.as_tensor(small).permute(1, 2, 0).numpy(), scale)
            np.testing.assert_allclose(enlarged.permute(1, 2, 0).numpy(), again, atol=1e-5)


def test_crops_are_parts_of_the_pictures_in_all_eight_ways(folder: Path) -> None:
    pictures, recipe = made(folder, "upscale", detail=1, patch=120)
    ways = {(turns, mirrored) for turns in range(4) for mirrored in (False, True)}
    seen = set()
    for batch in islice(ondevice.batches(pictures, recipe, 3, 0, device=CPU), 12):
        for crop in (255 * torch.as_tensor(batch.target)).round().byte().permute(0, 2, 3, 1).numpy():
            found = {way for way in ways if any(_holds(picture, _turned(crop, way)) for picture in pictures.train)}
            assert found
            seen |= found
    assert seen == ways


def _turned(crop: np.ndarray, way: tuple[int, bool]) -> np.ndarray:
    turned = np.rot90(crop, way[0])
    return turned[:, ::-1] if way[1] else turned


def _holds(picture: np.ndarray, crop: np.ndarray) -> bool:
    height, width = crop.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(picture, (height, width, picture.shape[2]))[:, :, 0]
    starts = np.argwhere((windows[:, :, :4, 0] == crop[:4, 0]).all(axis=(2, 3)))
    return any(np.array_equal(windows[top, left], crop) for top, left in starts)


def test_the_detailed_one_of_several_is_chosen(folder: Path) -> None:
    means = []
    for detail in (1, 8):
        pictures, recipe = made(folder, "photo-gray", detail=detail)
        drawn = [torch.as_tensor(b.target) for b in islice(ondevice.batches(pictures, recipe, 0, 0, device=CPU), 10)]
        planes = torch.cat(drawn)
        means.append(float(planes.diff(dim=2).abs().mean() + planes.diff(dim=3).abs().mean()))
    assert means[1] > 1.1 * means[0]


def test_a_batch_depends_on_seed_and_step_alone(folder: Path) -> None:
    pictures, recipe = made(folder, "photo")
    first = list(islice(ondevice.batches(pictures, recipe, 7, 0, device=CPU), 3))
    later = next(ondevice.batches(pictures, recipe, 7, 2, device=CPU))
    other = next(ondevice.batches(pictures, recipe, 8, 2, device=CPU))
    assert torch.equal(torch.as_tensor(first[2].input), torch.as_tensor(later.input))
    assert not torch.equal(torch.as_tensor(first[2].input), torch.as_tensor(other.input))


def test_what_it_does_not_make_is_left_to_the_processor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, served in (
        ("photo", True),
        ("photo-int8", True),
        ("upscale", True),
        ("photo-camera", False),
        ("upscale-photo", False),
    ):
        recipe = recipes.find(name)
        pictures = reading.load(folder, replace(recipe.data, patch=64, scales=(1.0,), held_out=0.3))
        assert ondevice.serves(pictures, recipe) is served, name
    assert not ondevice.serves(replace(pictures, kind="noisy"), recipes.find("photo"))
    monkeypatch.setattr(ondevice, "ROOM", sum(picture.size for picture in pictures.train) - 1)
    assert not ondevice.serves(pictures, recipes.find("photo"))


def test_the_loop_learns_from_tensors(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, recipe = made(folder, "upscale")
    recipe = replace(recipe, training=replace(recipe.training.lasting(steps=4), validations=1))
    made_here = ondevice.batches(pictures, recipe, 0, 0, device=CPU)
    monkeypatch.setattr(loop.feed, "batches", lambda *arguments, **options: made_here)
    run = loop.train(recipe, pictures, checkpoint=tmp_path / "run.checkpoint", device="cpu")
    assert run.steps == 4
    assert run.finished


def test_mosaics_are_those_of_the_law(folder: Path) -> None:
    pictures, recipe = made(folder, "raw")
    cameras = mosaics.Cameras(recipe.task, 0, CPU, count=12)
    scene = np.asarray(pictures.train[0][:64, :64], np.float32) / np.float32(255)
    which = torch.arange(12)
    colours = cameras.colours(torch.from_numpy(scene.transpose(2, 0, 1)).expand(12, -1, -1, -1), which)
    unit = np.random.default_rng(5).standard_normal((64, 64), dtype=np.float32)
    made_there = cameras.mosaic(colours, which, torch.from_numpy(unit).expand(12, -1, -1))
    levels, interpolated = cameras.levels(made_there, which), mosaics.interpolated(made_there)
    for index, camera in enumerate(cameras.sensors):
        light = camera.colours(scene)
        np.testing.assert_allclose(colours[index].permute(1, 2, 0).numpy(), light, atol=1e-6)
        mosaic = camera.shot(light, np.random.default_rng(5))
        np.testing.assert_allclose(made_there[index].numpy(), mosaic, atol=1e-6)
        np.testing.assert_allclose(levels[index].numpy(), sensor.levels(mosaic, camera.noise()), atol=1e-6)
        np.testing.assert_allclose(interpolated[index].numpy(), sensor.interpolated(mosaic), atol=2e-6)
    assert {camera.gain == 0 for camera in cameras.sensors} == {True, False}
