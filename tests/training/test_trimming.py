"""Idle channels are left out: the same outputs, fewer products; training goes on from there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pellucid import cards, engines
from pellucid.cli import main
from pellucid.errors import TrainingError
from pellucid.training import adopting, export, recipes
from pellucid.training.networks import Unet, UnetSpec
from pellucid.training.recipes import Recipe
from pellucid.training.trimming import trimmed

SPEC = UnetSpec(channels=1, maps=("sigma", "impulses"), widths=(8, 24), blocks=(1, 1), int8=True)


def partly_idle() -> Unet:
    """A network with weights that make every layer count, and every second channel of its coarsest block never positive."""
    torch.manual_seed(0)
    network = SPEC.build()
    for weight in network.parameters():
        weight.data = torch.randn_like(weight) / weight[0].numel() ** 0.5
    network.train()(torch.rand(2, 3, 32, 32))
    network.body[0].conv1.weight.data[::2] = 0
    # The largest of an output's weights says in what steps all of them are rounded.
    network.body[0].conv2.weight.data[:, ::2] *= 0.1
    return network.eval()


def inputs(count: int = 3) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.rand(2, 3, 32, 32) for _ in range(count)]


def test_idle_channels_go_and_the_output_stays() -> None:
    network = partly_idle()
    smaller = trimmed(network, inputs())
    # 12 of 24 count; engines multiply eight at once.
    assert smaller.spec.hidden == (8, 16, 8)
    assert smaller.halo == network.halo
    planes = torch.rand(1, 3, 40, 24)
    with torch.no_grad():
        torch.testing.assert_close(smaller(planes), network(planes), atol=1e-6, rtol=1e-5)
    # Nothing more is idle.
    assert trimmed(smaller, inputs()).spec == smaller.spec


def test_training_brings_channels_back() -> None:
    network = partly_idle()
    whole = SPEC.build()
    adopting.adopt(whole, trimmed(network, inputs()).state_dict())
    planes = torch.rand(1, 3, 40, 24)
    with torch.no_grad():
        torch.testing.assert_close(whole.eval()(planes), network(planes), atol=1e-5, rtol=1e-4)
    whole.train()(planes).square().mean().backward()
    read = whole.body[0].conv2.weight.grad
    assert read is not None
    # Fresh channels say something, and what reads them learns from it.
    assert (read[:, 16:] != 0).any()


@pytest.mark.parametrize(
    ("network", "given", "message"),
    [
        (SPEC.build(), [], "no pictures"),
        (UnetSpec(channels=1, widths=(8,), blocks=(1,), norm=True).build(), inputs(), "batch normalisation"),
    ],
)
def test_what_cannot_be_trimmed_is_our_error(network: Unet, given: list[torch.Tensor], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        trimmed(network, given)


def test_the_command_writes_a_smaller_model_that_answers_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, recipe = partly_idle(), recipes.find("photo-gray-int8").to_dict()
    recipe["network"] |= {"widths": list(SPEC.widths), "blocks": list(SPEC.blocks)}
    recipe["data"]["validation"] = ["gaussian:25"]
    recipe["data"]["patch"] = 32
    built = Recipe.from_dict(recipe)
    card = cards.Card(
        name="whole",
        task="denoise",
        summary="",
        channels=1,
        maps=SPEC.maps,
        answer="residual",
        multiple_of=network.multiple_of,
        halo=network.halo,
        recipe=built.to_dict(),
    )
    export.write_model(tmp_path / "whole.onnx", card, network)
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (48, 48, 3), np.uint8)).save(tmp_path / "pictures" / f"{number}.png")
    command = ["export", str(tmp_path / "whole.onnx"), "-o", str(tmp_path / "small.onnx"), "--trim", str(tmp_path / "pictures")]
    assert main(command) == 0
    assert "held-out images" in capsys.readouterr().err
    small = cards.read_card(tmp_path / "small.onnx")
    assert small.name == "small"
    assert small.recipe["network"]["hidden"] == [8, 16, 8]
    assert small.parameters == sum(
        value.numel() for value in export.load_weights(tmp_path / "small.onnx")[1].values() if value.ndim
    )
    planes = rng.random((1, 3, 32, 32), dtype=np.float32)
    before, after = (engines.open_graph(tmp_path / f"{name}.onnx")(planes) for name in ("whole", "small"))
    assert np.abs(before).max() > 0
    np.testing.assert_allclose(after, before, atol=0.02 * np.abs(before).max())
    # It is there now, and stays as it is.
    assert main(command) == 1
    assert "exists" in capsys.readouterr().err
