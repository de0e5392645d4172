"""Texture: a judge learns to tell outputs from photographs, and the network beside the faithful one learns to mislead it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pellucid import samples
from pellucid.training import loop, losses, recipes
from pellucid.training.adversary import MARGIN, Adversary
from pellucid.training.loop import Progress
from pellucid.training.networks import TexturerSpec, UpscalerSpec
from pellucid.training.pictures import Pictures, load


class Alone:
    """One process without mixed precision: what the adversary asks of Fabric."""

    def setup(self, *given: Any) -> Any:
        return given

    def autocast(self) -> Any:
        return torch.autocast("cpu", enabled=False)

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()


@pytest.fixture(scope="module")
def clean() -> torch.Tensor:
    photograph = torch.from_numpy((samples.photograph() / np.float32(255)).transpose(2, 0, 1))
    return torch.stack([photograph[:, 48 * row : 48 * row + 32, 300:332] for row in range(6)]).float()


@pytest.fixture(scope="module")
def smooth(clean: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(clean, 3, 1, 1, count_include_pad=False)


def test_the_judge_learns_to_tell_and_says_what_misleads_it(clean: torch.Tensor, smooth: torch.Tensor) -> None:
    torch.manual_seed(0)
    adversary = Adversary(Alone())
    told = [float(adversary.learn(smooth, clean, smooth, 1e-3)) for _ in range(16)]
    # It begins without an opinion.
    assert told[0] == pytest.approx(MARGIN, abs=0.05)
    assert told[-1] < 0.6 * told[0]
    # The nearer to the photograph, the less it tells; and its own weights are not what the other network's step changes.
    shares = [float(adversary.loss(smooth + share * (clean - smooth), clean, smooth)) for share in (0.0, 0.5, 1.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(np.log(2), abs=0.02)
    made = smooth.clone().requires_grad_()
    adversary.loss(made, clean, smooth).backward()
    assert made.grad is not None
    assert made.grad.abs().max() > 0
    assert all(weight.grad is None for weight in adversary.judge.parameters())
    # Colours are no concern of it.
    toned = made.detach() + torch.tensor([0.1, -0.05, -0.05])[:, None, None]
    assert float(adversary.loss(toned, clean, smooth)) == pytest.approx(shares[0], rel=1e-4)


def test_the_loss_of_gradients_is_least_for_the_picture_itself(clean: torch.Tensor, smooth: torch.Tensor) -> None:
    values = [float(losses.loss_of("gradients", smooth + share * (clean - smooth), clean, smooth)) for share in (0.0, 0.5, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == pytest.approx(0, abs=1e-3)


def test_a_pattern_that_repeats_costs_more_than_noise_as_strong() -> None:
    """Noise of the true strength has the true spectrum, whatever its values."""
    torch.manual_seed(0)
    base = torch.rand(2, 3, 96, 96)
    clean, noise = (base + 0.03 * torch.randn(2, 1, 96, 96) for _ in range(2))
    row = torch.tensor([1.0, -1.0, 0.0]).repeat(32) * 1.5**0.5
    grid = base + 0.03 * row * row[:, None]
    spectra = {name: losses._spectrum((planes - base).mean(1, keepdim=True)) for name, planes in {"n": noise, "g": grid}.items()}
    true = losses._spectrum((clean - base).mean(1, keepdim=True))
    apart = {name: float((spectrum / true).log().square().mean()) for name, spectrum in spectra.items()}
    assert apart["n"] < 0.2
    assert apart["g"] > 20 * apart["n"]


def small(**training: Any) -> recipes.Recipe:
    recipe = recipes.find("upscale-sharp")
    settings: dict[str, Any] = {"minutes": 0, "steps": 6, "batch": 2, "precision": "float32", "validations": 2, **training}
    network = TexturerSpec(scales=(2, 3, 4), width=8, blocks=1, fine=1)
    return replace(recipe, network=network, data=replace(recipe.data, patch=48), training=replace(recipe.training, **settings))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    from pellucid import files, images

    place = tmp_path_factory.mktemp("photos")
    for index in range(4):
        part = samples.photograph()[60 * index : 60 * index + 96, 80 * index : 80 * index + 120]
        files.write(place / f"part-{index}.png", images.from_array(part))
    return load(place, small().data)


def test_texture_is_learnt_beside_a_network_that_stays_and_the_last_weights_count(pictures: Pictures, tmp_path: Path) -> None:
    torch.manual_seed(0)
    start = UpscalerSpec(scales=(2, 3, 4), width=8, blocks=1).build().state_dict()
    run = loop.train(small(), pictures, checkpoint=tmp_path / "a.checkpoint", start=start)
    after = run.network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in start.items())
    fresh = small().network.build().state_dict()
    assert any(not torch.equal(after[name], value) for name, value in fresh.items() if name.startswith("grain"))
    # Whatever the scores say.
    assert run.best_step == run.steps == 6
    assert all(torch.equal(value, run.last[name]) for name, value in after.items())


def test_a_resumed_run_has_the_same_judge(pictures: Pictures, tmp_path: Path) -> None:
    start = UpscalerSpec(scales=(2, 3, 4), width=8, blocks=1).build().state_dict()
    whole = loop.train(small(), pictures, checkpoint=tmp_path / "a.checkpoint", start=start)

    def stop(line: Progress) -> None:
        if 0.5 <= line.done < 1:
            os.kill(os.getpid(), signal.SIGTERM)

    path = tmp_path / "b.checkpoint"
    broken = loop.train(small(), pictures, checkpoint=path, start=start, on_progress=stop)
    assert broken.steps < 6
    resumed = loop.train(small(), pictures, checkpoint=path, resume=True, start=start)
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, rtol=0, atol=0)


def test_a_network_that_holds_another_begins_from_it() -> None:
    """Its own kind stays, with the other's sizes: what it has beside them is its own."""
    own = recipes.with_network_of(recipes.find("upscale-sharp"), recipes.find("upscale"))
    assert own.network == TexturerSpec(scales=(2, 3, 4), width=64, blocks=8, fine=4)
    assert (
        recipes.with_network_of(recipes.find("upscale-photo"), recipes.find("upscale")).network == recipes.find("upscale").network
    )
