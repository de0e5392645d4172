"""Laws of every network: rebuilds from its spec, odd sizes, tiled equals whole, the engine's answer, every parameter learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pellucid import images, tiling
from pellucid.cards import Card
from pellucid.engines import open_graph, precision
from pellucid.errors import ModelError
from pellucid.training import export, recipes
from pellucid.training.networks import NETWORKS, AutoencoderSpec, TexturerSpec, UnetSpec, UpscalerSpec, texturer

SPECS = {
    "autoencoder": AutoencoderSpec(),
    "autoencoder-colour": AutoencoderSpec(channels=3, transposed=3),
    "unet": UnetSpec(channels=1, maps=("sigma",), widths=(8, 16), blocks=(1, 2)),
    "unet-colour": UnetSpec(channels=3, maps=("sigma", "impulses"), widths=(8, 12, 16), blocks=(1, 1, 1)),
    "unet-int8": UnetSpec(channels=1, maps=("sigma",), widths=(8, 16), blocks=(1, 2), int8=True),
    "upscaler": UpscalerSpec(scales=(2, 3), channels=3, width=8, blocks=2),
    "upscaler-gray": UpscalerSpec(scales=(4,), channels=1, width=8, blocks=1),
    "texturer": TexturerSpec(scales=(2, 3), channels=3, width=8, blocks=2, fine=2),
    "unet-hidden": UnetSpec(channels=1, maps=("sigma",), widths=(8, 16), blocks=(1, 2), int8=True, hidden=(5, 12, 16, 8)),
    "unet-damage": UnetSpec(channels=1, maps=("lone",), widths=(8, 12), blocks=(1, 1), out_channels=1, answer="damage", norm=True),
    "unet-damage-int8": UnetSpec(channels=1, widths=(8, 12), blocks=(1, 1), answer="damage", norm=True, int8=True),
    "unet-clean": UnetSpec(channels=1, widths=(8,), blocks=(1,), shuffle=1, answer="clean"),
}


def planes_in(spec: Any) -> int:
    return int(spec.channels + len(spec.maps))


def factors(spec: Any) -> tuple[int, ...]:
    """How many times larger each answer of a network is."""
    return getattr(spec, "scales", ()) or (1,)


def answers(network: torch.nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A network's outputs: one, or one for each of its factors."""
    outputs = network(x)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def stirred(network: torch.nn.Module) -> torch.nn.Module:
    """The network with weights that make every layer count (fresh ones begin near zero) and batch statistics of its own."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_mean"):
                value.copy_(torch.randn_like(value) * 0.1)
            elif name.endswith("running_var"):
                value.copy_(torch.rand_like(value) + 0.5)
            elif value.dim() == 4:
                value.copy_(torch.randn_like(value) / (value[0].numel() ** 0.5))
        # Layers of eight bits learn from a batch how large their inputs are.
        spec: Any = network.spec
        if getattr(spec, "int8", False):
            network.train()(torch.rand(2, planes_in(spec), 32, 32))
    return network.eval()


def test_the_specs_cover_the_table() -> None:
    # Those that see the whole picture have tests beside their tasks: no margin makes a piece answer as the whole.
    assert {spec.network for spec in SPECS.values()} == set(NETWORKS) - {"colorizer", "matte"}


@pytest.mark.parametrize("name", SPECS)
class TestLaws:
    def test_rebuilds_from_its_spec(self, name: str) -> None:
        spec = SPECS[name]
        first = stirred(spec.build())
        again = replace(spec).build().eval()
        again.load_state_dict(first.state_dict())
        x = torch.rand(1, planes_in(spec), 16, 24)
        torch.testing.assert_close(answers(first, x), answers(again, x), rtol=0, atol=0)

    def test_any_multiple_of_its_step_keeps_its_size(self, name: str) -> None:
        spec = SPECS[name]
        network = stirred(spec.build())
        step = network.multiple_of
        for height, width in ((1, 1), (3, 5), (7, 2)):
            outputs = answers(network, torch.rand(2, planes_in(spec), step * height, step * width))
            expected = [(2, spec.channels, scale * step * height, scale * step * width) for scale in factors(spec)]
            assert [tuple(answer.shape) for answer in outputs] == expected

    def test_looks_no_farther_than_its_halo_and_tiles_without_seams(self, name: str) -> None:
        spec = SPECS[name]
        network = stirred(spec.build()).double()

        planes = np.random.default_rng(0).random((planes_in(spec), 96, 136))
        for which, scale in enumerate(factors(spec)):

            @torch.no_grad()
            def run(planes: np.ndarray, which: int = which) -> np.ndarray:
                return np.asarray(answers(network, torch.from_numpy(planes.astype(np.float64))[None])[which][0].numpy())

            whole = run(planes)
            cut: Any = {"tile": 32, "halo": network.halo, "multiple_of": network.multiple_of, "scale": scale}
            tiled = tiling.run(run, planes.astype(np.float64), **cut)
            # Tiles are stored in float32.
            assert np.abs(tiled - whole).max() < 1e-5 * max(1, np.abs(whole).max())

    def test_one_graph_three_sizes_and_the_names_of_the_network(self, name: str, tmp_path: Path) -> None:
        import onnx

        spec = SPECS[name]
        network = stirred(spec.build())
        card = Card(
            name=name,
            task="denoise",
            summary="",
            channels=spec.channels,
            maps=tuple(spec.maps),
            answer=network.answer,
            multiple_of=network.multiple_of,
            halo=network.halo,
            scales=getattr(spec, "scales", ()),
        )
        # Weights that float16 holds exactly leave only the graph to compare.
        network.load_state_dict(
            {key: value.half().float() if value.is_floating_point() else value for key, value in network.state_dict().items()}
        )
        export.write_model(tmp_path / "a.onnx", card, network)
        for which, factor in enumerate(card.scales or (None,)):
            graph = open_graph(tmp_path / "a.onnx", scale=factor)
            for count, rows, columns in ((1, 1, 1), (3, 4, 7), (1, 9, 2)):
                step = network.multiple_of
                x = torch.rand(count, planes_in(spec), step * rows, step * columns)
                with torch.no_grad():
                    expected = answers(network, x)[which].numpy()
                scale = max(1.0, float(np.abs(expected).max()))
                # The engine may run in bfloat16: three decimals. A processor without that may have no VNNI either, and adds
                # products of 8 bits in 16: weights of signed inputs are halved first, to 7 bits, which random weights feel.
                halved = getattr(spec, "int8", False) and precision("openvino") == "f32"
                assert np.abs(graph(x.numpy()) - expected).max() < (0.1 if halved else 0.04) * scale
            assert graph.card == (card if factor is None else replace(card, scale=factor))
        stored = {tensor.name for tensor in onnx.load(str(tmp_path / "a.onnx")).graph.initializer}
        wanted = {key for key in network.state_dict() if not key.endswith("num_batches_tracked")}
        assert wanted <= stored

    def test_every_parameter_gets_a_gradient(self, name: str) -> None:
        spec = SPECS[name]
        network = spec.build().train()
        # The first step of a fresh network: nothing may be cut off from the start.
        loss = sum(answer.square().mean() for answer in answers(network, torch.rand(2, planes_in(spec), 16, 16)))
        assert isinstance(loss, torch.Tensor)
        loss.backward()
        for parameter_name, parameter in network.named_parameters():
            if not parameter.requires_grad:
                continue
            assert parameter.grad is not None, parameter_name
            assert torch.isfinite(parameter.grad).all(), parameter_name
            assert parameter.grad.abs().max() > 0, parameter_name


def test_the_seed_has_its_authors_numbers() -> None:
    network = AutoencoderSpec().build()
    learnt = sum(value.numel() for value in network.parameters())
    statistics = sum(value.numel() for key, value in network.state_dict().items() if "running" in key)
    assert (learnt + statistics, statistics) == (51_057, 352)
    kinds = [type(layer) for layer in network.layers]
    assert kinds.count(torch.nn.Conv2d) == 4
    assert kinds.count(torch.nn.ConvTranspose2d) == 5
    assert kinds.count(torch.nn.BatchNorm2d) == 7
    code = AutoencoderSpec(transposed=3).build()
    assert [type(layer) for layer in code.layers].count(torch.nn.Conv2d) == 6


def test_the_photo_network_is_bias_free_and_scales_with_its_input() -> None:
    network = stirred(SPECS["unet"].build())
    x = torch.rand(1, 2, 16, 16)
    torch.testing.assert_close(network(3 * x), 3 * network(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_texture_keeps_to_its_bound_whatever_its_weights(scale: int, photograph: NDArray[np.float64]) -> None:
    """It adds light alone to the faithful enlargement, so much at most, less where nothing is, and none once scaled down."""
    network: Any = stirred(TexturerSpec(scales=(2, 3, 4), width=8, blocks=1, fine=1).build())
    network.grain[-1].weight.data *= 100
    small = images.resized(photograph.astype(np.float32), 60, 80, images.BICUBIC)
    small[:, :15], small[:, 15:30] = 0.4, 0.9
    x = torch.from_numpy(small.transpose(2, 0, 1))[None]
    faithful = UpscalerSpec(scales=(2, 3, 4), width=8, blocks=1).build()
    held = faithful.state_dict().keys()
    faithful.load_state_dict({key: value for key, value in network.state_dict().items() if key in held})
    with torch.no_grad():
        added = (faithful(x, scale) - network(x, scale))[0].numpy()
    assert np.abs(added - added[:1]).max() < 1e-5
    light = added[0]
    assert 10 / 255 < np.abs(light).max() <= texturer.MOST + 1e-6
    assert np.abs(light[:, : 24 * scale]).max() <= texturer.FLOOR + 1e-6
    again = images.resized(light[..., None], 60, 80, images.BICUBIC)
    # Weights that ask for the whole bound everywhere: no others ask for more.
    assert np.abs(again).mean() < 1 / 255


@pytest.mark.parametrize("scale", [2, 3])
def test_the_ways_down_and_up_are_those_of_pictures(scale: int) -> None:
    weights = {name: torch.from_numpy(kernel) for name, kernel in texturer.kernels(scale).items()}
    large = np.random.default_rng(0).random((16 * scale, 20 * scale, 1), dtype=np.float32)
    small = images.resized(large, 16, 20, images.BICUBIC)
    planes = torch.nn.functional.pixel_unshuffle(torch.from_numpy(large.transpose(2, 0, 1))[None], scale)
    down = torch.nn.functional.conv2d(planes, weights["down"])[0, 0].numpy()
    np.testing.assert_allclose(down, small[2:-2, 2:-2, 0], atol=1e-5)
    up = torch.nn.functional.conv2d(torch.from_numpy(small.transpose(2, 0, 1))[None], weights["up"])
    again = torch.nn.functional.pixel_shuffle(up, scale)[0, 0].numpy()
    edge = 2 * scale
    np.testing.assert_allclose(again, images.enlarged(small, scale)[edge:-edge, edge:-edge, 0], atol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AutoencoderSpec(channels=2),
        lambda: AutoencoderSpec(transposed=10),
        lambda: UnetSpec(widths=(8, 16), blocks=(1,)),
        lambda: UnetSpec(widths=(), blocks=()),
        lambda: UnetSpec(widths=(8, 16), blocks=(1, 2), hidden=(8, 16, 16)),
        lambda: UnetSpec(widths=(8, 16), blocks=(1, 2), hidden=(8, 16, 0, 8)),
        lambda: UnetSpec(shuffle=0),
        lambda: UpscalerSpec(scales=()),
        lambda: UpscalerSpec(scales=(1, 2)),
        lambda: UpscalerSpec(scales=(2,), width=0),
        lambda: UnetSpec(answer="noise"),
        lambda: TexturerSpec(scales=(2,), fine=0),
    ],
)
def test_nonsense_is_refused(make: Any) -> None:
    with pytest.raises(ModelError):
        make()


@pytest.mark.parametrize("name", recipes.names())
def test_each_recipe_builds_its_network(name: str) -> None:
    recipe = recipes.find(name)
    network = recipe.network.build()
    assert sum(value.numel() for value in network.parameters()) > 10_000
