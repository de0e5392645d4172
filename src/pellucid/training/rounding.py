"""Rounds a trained network to eight bits, without training.

Weights have steps for each output channel. A batch normalisation behind them multiplies each channel by a factor, which engines put
into these steps: it changes no integer. The steps of the inputs are measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch

from pellucid.errors import TrainingError
from pellucid.training.networks.unet import Unet, watched
from pellucid.training.quantisation import SIGNED_LEVELS, UNSIGNED_LEVELS, int8_layers

__all__ = ["rounded"]


@torch.no_grad()
def rounded(network: Unet, inputs: Iterable[torch.Tensor]) -> Unet:
    """The network with blocks that work in eight bits; a new one, in evaluation mode.

    ``inputs``, each (n, channels + maps, height, width), float32, should show all that the network is for. A layer's inputs reach
    to the mean of their largest values in each of ``inputs``, which training in eight bits follows, too. Raises `TrainingError`
    where there are no inputs, or the network works in eight bits already.
    """
    if network.spec.int8:
        raise TrainingError("the network works in eight bits already")
    network.eval()
    eight = replace(network.spec, int8=True).build()
    layers = int8_layers(eight)
    largest: dict[str, list[torch.Tensor]] = {name: [] for name in layers}

    def add(name: str, given: torch.Tensor) -> None:
        largest[name].append(given.abs().amax().cpu())

    watched(network, {name: network.get_submodule(name) for name in layers}, add, inputs)
    if not all(largest.values()):
        raise TrainingError("there are no pictures on which to measure the ranges of the layers")
    steps = {
        f"{name}.input_scale": torch.stack(largest[name]).mean().clamp_min(1e-6)
        / (SIGNED_LEVELS if layer.signed else UNSIGNED_LEVELS)
        for name, layer in layers.items()
    }
    eight.load_state_dict(network.state_dict() | steps)
    return eight.eval()
