"""Laws of learning that hold for every row of `pellucid.tasks.TASKS`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pellucid import baselines, degradations, diagnosis, metrics, samples, tasks
from pellucid.tasks.base import Learning, Pair
from pellucid.training import export, loop, losses, recipes, scoring
from pellucid.training.batches import make_batch, stack
from pellucid.training.looks import planes_of
from pellucid.training.networks import Network
from pellucid.training.pictures import load, load_named
from pellucid.training.recipes import Recipe

SMALL: dict[str, dict[str, Any]] = {
    "matte": {"widths": (12, 16, 24), "blocks": (1, 1), "dilations": (1,)},
    "unet": {"widths": (16, 24), "blocks": (1, 1)},
    "upscaler": {"width": 24, "blocks": 2},
}
"""Fields of a network's spec that make it learn in seconds, by the network's name."""


def shipped(task: str) -> list[Recipe]:
    """The shipped recipes of a task."""
    return [recipe for recipe in map(recipes.find, recipes.names()) if recipe.task.name == task]


def small(recipe: Recipe) -> Recipe:
    return replace(recipe, network=replace(recipe.network, **SMALL.get(recipe.network.network, {})))


def crop(recipe: Recipe) -> NDArray[np.float32]:
    """A crop of the package's photograph as the recipe has them."""
    side = recipe.data.patch
    window = samples.photograph()[100 : 100 + side, 200 : 200 + side, : recipe.data.channels]
    return np.asarray(window, dtype=np.float32) / np.float32(255)


LEAST = {"psnr": 3.0, "iou": 0.3, "ciede2000": 0.1}
"""The least gain of a short run by the task's headline metric: dB, share of the overlap, differences of colour. The whole
recipes gain much more."""


HELD_OUT = 12
"""Images that a short run is scored on."""

STEPS = {"colorize": (200, 16), "film": (200, 16), "raw": (200, 16)}
"""The steps of a short run by task, and their batch; `FEW` where a task is not named."""

FEW = (100, 8)


PLAIN = {"cutout": ("otsu", "cv2"), "upscale": ("lanczos", "PIL")}
"""By task, a classical method that a short run beats, too, and the module that the method needs."""


class Drawn:
    """Images of named sources that are made: disks on clear ground, or noise."""

    def __init__(self, recipe: Recipe, rng: np.random.Generator) -> None:
        self.task, self.rng = recipe.task, rng

    def has(self, source: str) -> bool:
        return source in self.task.named

    def __call__(self, source: str, least: int | None = None) -> NDArray[Any]:
        levels = self.rng.integers(0, 256, (40, 48, 4), dtype=np.uint8)
        rows, columns = np.ogrid[:40, :48]
        levels[..., 3] = 255 * ((rows - 20) ** 2 + (columns - 24) ** 2 < 200)
        if source not in self.task.with_alpha:
            levels = levels[..., :3]
        return levels if self.task.draws == "levels" else levels.astype(np.float32) / np.float32(255)


def example(recipe: Recipe, seed: int, case: degradations.Degradation | None = None) -> Pair:
    """A pair of the recipe's task, or the one that validation makes for a case."""
    rng = np.random.default_rng(seed)
    if recipe.task.named:
        task = recipe.task if case is None else recipe.task.of_case(case)
        return task.composed(Drawn(recipe, rng), recipe.data.patch, rng)
    return recipe.task.pair(crop(recipe), rng) if case is None else recipe.task.degrade(crop(recipe), case, rng)


def assert_same(one: Pair, other: Pair) -> None:
    for name in ("image", "maps", "clean", "base"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.again == other.again


def assert_fits(pair: Pair, recipe: Recipe, network: Network) -> None:
    """The network takes the pair's image and maps, and its output has the shape of the clean image."""
    task = recipe.task
    given, target = task.planes(recipe.data.channels)
    assert (pair.image.shape[2], pair.maps.shape[2], pair.clean.shape[2]) == (given, len(task.maps), target)
    assert pair.base.shape == pair.clean.shape
    assert {part.dtype for part in (pair.image, pair.maps, pair.clean, pair.base)} == {np.dtype(np.float32)}
    planes, base, clean = planes_of(stack([replace(pair, again=False)]), network, torch.device("cpu"))
    with torch.no_grad():
        assert losses.answer(network, network.answer, planes, base).shape == clean.shape


@pytest.mark.parametrize("name", tasks.TASKS)
def test_the_class_is_the_tasks_own(name: str) -> None:
    learning = tasks.find(name).module().Learning
    assert issubclass(learning, Learning)
    assert learning.name == name
    assert set(learning.optional) | set(learning.with_alpha) <= set(learning.sources)
    assert learning.before
    assert learning.words
    assert shipped(name)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_pairs_are_seeded_and_fit_the_network_of_each_recipe(name: str) -> None:
    for recipe in shipped(name):
        task, clean, network = recipe.task, crop(recipe), small(recipe).network.build().eval()
        one, again, other = (example(recipe, seed) for seed in (3, 3, 4))
        assert_same(one, again)
        assert_fits(one, recipe, network)
        assert_fits(other, recipe, network)
        for text in (*recipe.data.validation, *tasks.find(name).module().CASES):
            case = degradations.parse(text)
            assert_same(*(example(recipe, 0, case) for _ in range(2)))
            assert_fits(example(recipe, 0, case), recipe, network)
        if set(task.sources) - {"clean", *task.named}:
            noisy = degradations.parse("gaussian:25")(clean, np.random.default_rng(0))
            for target in (clean, noisy):
                pair = task.found(noisy, target, diagnosis.inspect(noisy))
                assert_same(pair, task.found(noisy, target, diagnosis.inspect(noisy)))
                assert_fits(pair, recipe, network)


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_short_run_beats_the_picture_as_it_was_given(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="the extra train is not installed")
    recipe = next((each for each in shipped(name) if each.data.kind == "digits"), None)
    assert recipe is not None, f"task {name} has no recipe for digits: tests train by it, and so can newcomers"
    steps, batch_size = STEPS.get(name, FEW)
    plan = replace(
        recipe.training, minutes=0, epochs=0, steps=steps, batch=batch_size, warmup=10, ema=0.95, precision="float32", validations=1
    )
    recipe = replace(small(recipe), training=plan)
    pictures = load_named([], recipe.data, recipe.task) if recipe.task.named else load(None, recipe.data)
    stocks = {source: replace(stock, valid=stock.valid[:HELD_OUT]) for source, stock in pictures.stocks.items()}
    pictures = replace(pictures, valid=pictures.valid[:HELD_OUT], stocks=stocks)
    batch, again = (make_batch(pictures, recipe, seed=0, step=1) for _ in range(2))
    np.testing.assert_array_equal(batch.input, again.input)
    np.testing.assert_array_equal(batch.target, again.target)
    run = loop.train(recipe, pictures, checkpoint=tmp_path / "a.checkpoint")
    assert run.finished
    assert run.history[-1].scores is not None
    path = tmp_path / "made.onnx"
    card = export.card_of(recipe, pictures, run, "made")
    assert (card.task, card.maps, card.scales) == (name, recipe.task.maps, recipe.task.scales)
    export.write_model(path, card, run.network)
    scores = scoring.score(path, pictures, recipe)
    assert scores is not None
    # Between them stands the shipped model, where there is one.
    assert (scores.methods[0], scores.methods[-1]) == (recipe.task.before, "made")
    # A picture that is perfect already cannot be improved.
    headline = tasks.find(name).module().METRICS[0]
    sign = 1 if metrics.METRICS[headline].higher_is_better else -1
    gains = [
        sign * (row.score["made"] - row.score[recipe.task.before])
        for row in scores.rows
        if row.score[recipe.task.before] < metrics.PSNR_CAP
    ]
    assert gains
    assert np.mean(gains) > LEAST[headline]
    if name in PLAIN:
        method, needed = PLAIN[name]
        pytest.importorskip(needed, reason="the extra bench is not installed")
        noises = [degradations.parse(text) for text in recipe.data.validation]
        cases = [case for index in range(HELD_OUT) for case in scoring._cases(pictures, index, noises, recipe)]
        plain = [
            metrics.METRICS[headline].function(
                case.clean, baselines.find(method).function(case.given, case.degradation), data_range=1.0
            )
            for case in cases
            if case.degradation is not None
        ]
        made = np.mean([row.score["made"] for row in scores.rows])
        assert sign * (made - np.mean(plain)) > 0
