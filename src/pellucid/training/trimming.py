"""Leaves out the hidden channels of a network's blocks that have nothing to say.

A channel behind a ReLU that is never positive learns nothing any more: its gradient is zero. Training leaves many, most of them at
the coarsest resolution. They take as much time as the others, so a finished network is quicker, and its output the same, without
them.

Photographs wake channels that drawings do not, and the other way round; so networks that learn from clean images are shown both.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pellucid.errors import TrainingError
from pellucid.training.networks.unet import Block, Unet, watched
from pellucid.training.quantisation import Int8Conv2d

__all__ = ["pattern", "trimmed"]

IDLE = 1e-4
"""The share of what a block adds to an image, by its energy, that an idle hidden channel reaches on none."""

GROUP = 8
"""As many channels engines multiply at once, or a multiple: the channels that are kept are, so that none of the room is empty."""


@torch.no_grad()
def trimmed(network: Unet, inputs: Iterable[torch.Tensor]) -> Unet:
    """The network without the hidden channels that are idle on ``inputs``, each (n, channels + maps, height, width), float32; a new
    one, in evaluation mode.

    The inputs should show all that the network is for: a channel that only other pictures wake is lost. Where the largest weight of
    an output of an 8-bit layer goes, the others are rounded in smaller steps than before. Raises `TrainingError`
    where there are no inputs, or the blocks have batch normalisation, behind which a channel that is zero still counts.
    """
    if network.spec.norm:
        raise TrainingError("a network with batch normalisation cannot be trimmed")
    network.eval()
    blocks = {name: module for name, module in network.named_modules() if isinstance(module, Block)}
    shares = {name: torch.zeros(block.conv2.in_channels) for name, block in blocks.items()}

    def add(name: str, hidden: torch.Tensor) -> None:
        conv = blocks[name].conv2
        if isinstance(conv, Int8Conv2d):
            # Values below half a step are rounded to zero.
            hidden = hidden * (hidden >= conv.input_scale / 2)
        energy = hidden.square().mean(dim=(2, 3)) * conv.weight.square().sum(dim=(0, 2, 3))
        share = energy / energy.sum(dim=1, keepdim=True).clamp_min(1e-30)
        shares[name] = torch.maximum(shares[name], share.amax(dim=0).cpu())

    watched(network, {name: block.conv2 for name, block in blocks.items()}, add, inputs)
    if not any(share.any() for share in shares.values()):
        raise TrainingError("there are no pictures on which to see which channels are idle")
    kept = {name: _busy(share) for name, share in shares.items()}
    weights = network.state_dict()
    for name, channels in kept.items():
        weights[f"{name}.conv1.weight"] = weights[f"{name}.conv1.weight"][channels]
        weights[f"{name}.conv2.weight"] = weights[f"{name}.conv2.weight"][:, channels]
    smaller = replace(network.spec, hidden=tuple(len(channels) for channels in kept.values())).build()
    smaller.load_state_dict(weights)
    return smaller.eval()


def _busy(share: torch.Tensor) -> torch.Tensor:
    """The hidden channels to keep, in their order, by the largest ``share`` of each."""
    count = min(len(share), -(-max(1, int((share > IDLE).sum())) // GROUP) * GROUP)
    return share.argsort(descending=True, stable=True)[:count].sort().values


def pattern(side: int, channels: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A drawn picture (side, side, channels): two colours in stripes, squares, dots or at random, 1 to 8 pixels wide, or a ramp
    between them."""
    ends: NDArray[Any] = rng.choice((0, 255), (2, channels)) if rng.random() < 0.5 else rng.integers(0, 256, (2, channels))
    rows, columns = np.mgrid[:side, :side] // rng.integers(1, 9)
    cells = rng.random((side, side)) < 0.5
    kinds = (columns % 2, (rows + columns) % 2, (rows % 3 == 0) & (columns % 3 == 0), cells[rows, columns], columns / columns.max())
    share = np.asarray(kinds[rng.integers(len(kinds))], np.float32)[..., None]
    if rng.random() < 0.5:
        share = share.transpose(1, 0, 2)
    levels: NDArray[np.uint8] = np.rint(ends[0] + share * (ends[1] - ends[0])).astype(np.uint8)
    return levels
