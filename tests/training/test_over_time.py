"""How a network learns to take noise out of clips, and what it is given when it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pellucid import degradations, following, footage, restorer
from pellucid.restorer import Restorer
from pellucid.tasks import DenoiseSettings
from pellucid.tasks.denoise_clips import MAPS
from pellucid.tiling import Place
from pellucid.training import adopting, export, loop, recipes
from pellucid.training.batches import held_out_pair
from pellucid.training.pictures import Pictures, load_named
from pellucid.training.recipes import Recipe

SIDE = 48

Frames = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    whole = recipes.find("digits-video")
    # Learnt from once each: which examples an echo draws depends on the machine.
    plan = replace(whole.training, minutes=0, steps=40, batch=3, rate=0.006, warmup=5, ema=0.9, precision="float32", validations=1)
    plan = replace(plan, echo=1)
    data = replace(whole.data, patch=SIDE)
    return replace(whole, training=plan, data=data, network=replace(whole.network, widths=(16, 24), blocks=(1, 1)))


@pytest.fixture(scope="module")
def pictures(recipe: Recipe) -> Pictures:
    found = load_named([], recipe.data, recipe.task)
    stocks = {source: replace(stock, valid=stock.valid[:6]) for source, stock in found.stocks.items()}
    return replace(found, valid=found.valid[:6], stocks=stocks)


@pytest.fixture(scope="module")
def model(recipe: Recipe, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Restorer:
    """A network that learnt a little."""
    pytest.importorskip("onnx", reason="the extra train is not installed")
    folder = tmp_path_factory.mktemp("made")
    run = loop.train(recipe, pictures, checkpoint=folder / "a.checkpoint")
    export.write_model(folder / "made.onnx", export.card_of(recipe, pictures, run, "made"), run.network)
    return restorer.load(folder / "made.onnx")


def clip(count: int = 5, seed: int = 0, sigma: float = 40) -> Frames:
    """Stripes of colours that move to the right, with noise."""
    rows, columns = np.mgrid[:SIDE, : SIDE + 16]
    colours = np.stack([np.sin(columns / 3), np.cos(rows / 4), np.sin((rows + columns) / 5)], axis=2)
    rng = np.random.default_rng(seed)
    parts = [120 + 60 * colours[:, 2 * number : 2 * number + SIDE] for number in range(count)]
    return [np.clip(np.rint(part + rng.normal(0, sigma, part.shape)), 0, 255).astype(np.uint8) for part in parts]


def restored(frames: Frames, model: Restorer, **how: Any) -> Frames:
    return list(footage.each(iter(frames), model, DenoiseSettings(sigma=40), **how))


def psnr(output: Any, clean: Any) -> float:
    return -10 * float(np.log10(np.square(np.clip(output, 0, 1) - clean).mean()))


def test_a_short_run_beats_the_fused_frame_and_the_frame_by_itself(recipe: Recipe, pictures: Pictures, model: Restorer) -> None:
    case = degradations.parse(recipe.data.validation[0])
    gains = []
    for index in range(6):
        pair = held_out_pair(pictures, recipe, case, index)
        view = recipe.task.view(pair)
        assert view is not None
        output = model.details(view, DenoiseSettings()).image.pixels
        alone = model.restore(pair.maps[..., 3:6], sigma=50)
        gains.append([psnr(output, pair.clean) - psnr(other, pair.clean) for other in (pair.base, alone)])
    assert np.mean(gains, axis=0)[0] > 0.3, gains
    assert np.mean(gains, axis=0)[1] > 1, gains


def test_an_example_is_what_the_restorer_gives_the_network(recipe: Recipe, pictures: Pictures, model: Restorer) -> None:
    pair = held_out_pair(pictures, recipe, degradations.parse("gaussian:50"), 3)
    view = recipe.task.view(pair)
    assert view is not None
    given: list[NDArray[np.float32]] = []
    graph = model.models.graph(next(iter(model.models)))
    run, graph._run = graph._run, lambda planes: given.append(planes.copy()) or run(planes)  # type: ignore[func-returns-value]
    try:
        model.details(view, DenoiseSettings())
    finally:
        graph._run = run
    # The engine has planes of its own behind these.
    planes = given[0][0, : pair.maps.shape[2] + 3].transpose(1, 2, 0)
    np.testing.assert_allclose(planes[..., :3], pair.image, atol=1e-6)
    np.testing.assert_allclose(planes[..., 6:], pair.maps[..., 3:], atol=1e-6)
    # Levels lie in cells of four pixels.
    assert np.abs(planes[..., 3:6] - pair.maps[..., :3]).mean() < 0.02
    assert pair.maps.shape[2] == len(MAPS)


def test_the_next_frame_counts_in_its_scene_alone(model: Restorer) -> None:
    frames = clip()
    whole = restored(frames, model)
    changed = restored([*frames[:4], clip(seed=9)[4]], model)
    assert (whole[2] == changed[2]).all()
    assert (whole[3] != changed[3]).any()
    # The last one stands without a next one, and a cut is one.
    short = restored(frames[:4], model)
    assert (short[3] != whole[3]).any()
    after_cut = [255 - frame // 4 for frame in clip(3, seed=5)]
    noisy = [*frames[:4], *after_cut]
    measured = list(footage.each(iter(noisy), model, DenoiseSettings()))
    alone = list(footage.each(iter(frames[:4]), model, DenoiseSettings()))
    assert (measured[3] == alone[3]).all()


def test_a_frame_alone_needs_no_other(model: Restorer) -> None:
    frames = clip()
    alone = restored(frames, model, alone=True)
    np.testing.assert_array_equal(alone[2], restored(frames[2:3], model)[0])


def test_frames_are_given_back_once_the_next_two_came(model: Restorer) -> None:
    taken = []

    def coming() -> Iterator[NDArray[np.uint8]]:
        for number, frame in enumerate(clip(4)):
            taken.append(number)
            yield frame

    for count, _ in enumerate(footage.each(coming(), model, DenoiseSettings(sigma=40)), 1):
        # A scene's first one needs no other.
        assert taken == list(range(1 if count == 1 else min(count + 2, 4)))


def test_a_still_denoisers_weights_begin_with_its_answers(recipe: Recipe) -> None:
    card, weights = export.beginning("photo-fast-color", 3)
    assert card is not None
    video = recipes.find("video")
    network = video.network.build()
    adopting.adopt(network, export.for_planes(weights, card, video))
    still = export.network_of(card, weights)
    image, level = torch.rand(1, 3, 32, 32), torch.full((1, 1, 32, 32), 0.1)
    given = torch.cat([image, level, torch.rand(1, len(MAPS) - 1, 32, 32)], dim=1)
    with torch.no_grad():
        expected = still.eval()(torch.cat([image, level, torch.zeros_like(level)], dim=1))
        np.testing.assert_allclose(network.eval()(given), expected, atol=1e-5)


def test_planes_of_pieces_are_those_of_the_whole_mirrored_beyond_it() -> None:
    rng = np.random.default_rng(0)
    frame = rng.random((20, 28, 3), dtype=np.float32)
    # As alike as frames of one thing are: what shows another thing is not given to the network.
    frames = [frame, frame + rng.normal(0, 0.05, frame.shape).astype(np.float32)]
    variance = np.full((10, 14), 0.01, np.float32)
    fused = following.Fused(frames[0], np.full_like(variance, 0.5), None, frames[1], np.full_like(variance, 0.4))
    beside = following.beside(frames[0], variance, fused, None)
    assert beside is not None
    whole = beside.planes(Place(0, 0, 20, 28, (20, 28)))
    np.testing.assert_allclose(whole[0], 0.1, atol=1e-6)
    np.testing.assert_allclose(whole[1], 0.1 * np.sqrt(0.4), atol=1e-6)
    part = beside.planes(Place(8, 16, 16, 16, (20, 28)))
    mirrored = np.pad(whole[2:], ((0, 0), (0, 4), (0, 4)), mode="symmetric")[:, 8:24, 16:32]
    np.testing.assert_array_equal(part[2:], mirrored)
    # Without a next frame the fused one stands for it.
    np.testing.assert_array_equal(whole[8:], frames[0].transpose(2, 0, 1))
    assert following.beside(frames[0], variance, replace(fused, before=None), None) is None
