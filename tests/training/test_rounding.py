"""Rounding to eight bits without training: almost the same answers by both engines, and training goes on from there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from pellucid import cards, engines
from pellucid.cli import main
from pellucid.errors import TrainingError
from pellucid.training import adopting, export, recipes
from pellucid.training.networks import Unet, UnetSpec
from pellucid.training.recipes import Recipe
from pellucid.training.rounding import rounded

PLAIN = UnetSpec(channels=3, maps=("lone",), widths=(8, 12), blocks=(1, 1))
SPECS = {
    "damage": UnetSpec(channels=3, maps=("lone",), widths=(8, 12), blocks=(1, 1), out_channels=1, answer="damage", norm=True),
    "residual": PLAIN,
    "hidden": UnetSpec(channels=3, maps=("lone",), widths=(8, 12), blocks=(1, 1), hidden=(5, 12, 8)),
}


def learnt(spec: UnetSpec) -> Unet:
    """A network in which every layer counts, with batch statistics of its own."""
    torch.manual_seed(0)
    network = spec.build()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_mean"):
                value.copy_(torch.randn_like(value) * 0.1)
            elif name.endswith("running_var"):
                value.copy_(torch.rand_like(value) + 0.5)
            elif value.dim() == 4:
                value.copy_(torch.randn_like(value) / (value[0].numel() ** 0.5))
    return network.eval()


def inputs(count: int = 3) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [torch.rand(2, 4, 32, 32) for _ in range(count)]


@pytest.mark.parametrize("name", SPECS)
def test_the_answers_stay_by_both_engines(name: str, tmp_path: Path) -> None:
    network = learnt(SPECS[name])
    eight = rounded(network, inputs())
    assert eight.spec.int8
    card = cards.Card(
        name="eight",
        task="film",
        summary="",
        channels=3,
        maps=("lone",),
        answer=network.answer,
        multiple_of=network.multiple_of,
        halo=network.halo,
    )
    path = tmp_path / "eight.onnx"
    export.write_model(path, card, eight)
    operators = [node.op_type for node in onnx.load(str(path)).graph.node]
    # Two layers in each block; the ends and the steps between the resolutions are as they were.
    assert operators.count("QuantizeLinear") == 2 * len(network.spec.around)
    planes = torch.rand(1, 4, 40, 24)
    with torch.no_grad():
        before, after = network(planes).numpy(), eight(planes).numpy()
    if name == "damage":
        card = cards.read_card(path)
        assert card.planes == 1
    far = np.abs(before - before.mean()).max()
    assert 0 < np.abs(after - before).max() < 0.05 * far
    for engine in ("openvino", "onnxruntime"):
        answer = engines.open_graph(path, engine=engine)(planes.numpy())
        # A processor without VNNI adds products of 8 bits in 16, and halves weights first.
        assert np.abs(answer - before).max() < 0.1 * far, engine


def test_the_ranges_are_those_of_the_pictures() -> None:
    network, given = learnt(PLAIN), inputs()
    eight = rounded(network, given)
    with torch.no_grad():
        largest = [network.head(planes).abs().amax() for planes in given]
    torch.testing.assert_close(eight.down[0][0].conv1.input_scale, torch.stack(largest).mean() / 127)
    # Twice the values, twice the steps: the network has no biases.
    twice = rounded(network, [2 * planes for planes in given])
    torch.testing.assert_close(twice.body[0].conv2.input_scale, 2 * eight.body[0].conv2.input_scale)


def test_batch_normalisation_changes_no_integer() -> None:
    network = learnt(SPECS["damage"])
    eight = rounded(network, inputs())
    layer, norm = eight.body[0].conv1, eight.body[0].norm1
    factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().view(-1, 1, 1, 1)
    folded = layer.weight.detach() * factor
    steps = folded.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    own = layer.weight.detach() / layer.weight_scale().view(-1, 1, 1, 1)
    torch.testing.assert_close((folded / steps).round(), (own * factor.sign()).round())


def test_a_layer_that_gets_nothing_can_be_run(tmp_path: Path) -> None:
    network = learnt(PLAIN)
    network.body[0].conv1.weight.data[:] = 0
    eight = rounded(network, inputs())
    card = cards.Card(
        name="idle",
        task="film",
        summary="",
        channels=3,
        maps=("lone",),
        answer="residual",
        multiple_of=network.multiple_of,
        halo=network.halo,
    )
    export.write_model(tmp_path / "idle.onnx", card, eight)
    planes = torch.rand(1, 4, 40, 24)
    with torch.no_grad():
        expected = network(planes).numpy()
    for engine in ("openvino", "onnxruntime"):
        answer = engines.open_graph(tmp_path / "idle.onnx", engine=engine)(planes.numpy())
        assert np.abs(answer - expected).max() < 0.1 * np.abs(expected).max(), engine


def test_training_goes_on_in_floats() -> None:
    network = learnt(SPECS["damage"])
    again = SPECS["damage"].build()
    adopting.adopt(again, rounded(network, inputs()).state_dict())
    planes = torch.rand(1, 4, 40, 24)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(planes), network(planes))


@pytest.mark.parametrize(
    ("network", "given", "message"),
    [
        (PLAIN.build(), [], "no pictures"),
        (UnetSpec(channels=3, maps=("lone",), widths=(8,), blocks=(1,), int8=True).build(), inputs(), "eight bits already"),
    ],
)
def test_what_cannot_be_rounded_is_our_error(network: Unet, given: list[torch.Tensor], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        rounded(network, given)


def test_the_command_writes_a_model_in_eight_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = recipes.find("film-find").to_dict()
    recipe["network"] |= {"widths": [8, 12], "blocks": [1, 1]}
    recipe["data"]["validation"] = ["dust:3"]
    recipe["data"]["patch"] = 64
    built = Recipe.from_dict(recipe)
    network = learnt(built.network)
    card = cards.Card(
        name="whole",
        task="film",
        summary="Finds damage",
        channels=3,
        maps=built.task.maps,
        answer="damage",
        multiple_of=network.multiple_of,
        halo=network.halo,
        recipe=built.to_dict(),
    )
    export.write_model(tmp_path / "whole.onnx", card, network)
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (96, 96, 3), np.uint8)).save(tmp_path / "pictures" / f"{number}.png")
    command = ["export", str(tmp_path / "whole.onnx"), "--int8", str(tmp_path / "pictures")]
    assert main(command) == 0
    assert "held-out images" in capsys.readouterr().err
    path = tmp_path / "whole.int8.onnx"
    eight = cards.read_card(path)
    assert (eight.name, eight.summary, eight.maps) == ("whole.int8", card.summary, card.maps)
    assert eight.recipe["network"]["int8"]
    planes = rng.random((1, 14, 32, 32), dtype=np.float32)
    before, after = (engines.open_graph(each)(planes) for each in (tmp_path / "whole.onnx", path))
    np.testing.assert_allclose(after, before, atol=0.05)
    # A rounded model is not rounded again, nor replaced.
    assert main(["export", str(path), "-o", str(tmp_path / "again.onnx"), "--int8", str(tmp_path / "pictures")]) == 1
    assert "eight bits already" in capsys.readouterr().err
    assert main(command) == 1
    assert "exists" in capsys.readouterr().err
    assert main([*command, "--trim", str(tmp_path / "pictures")]) == 2
    assert "one after the other" in capsys.readouterr().err
