"""A batch on the device, and the second look that networks of impulses learn from.

The second look is the input that `pellucid.denoising.with_maps` makes of one image after a first answer, by the functions of
`pellucid.maps`; here it is written once more, in PyTorch and for a whole batch, because a batch's way to the processor and back
would take longer than the step. A test holds both equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pellucid import maps
from pellucid.training.batches import Batch
from pellucid.training.losses import answer
from pellucid.training.networks import Network

__all__ = ["on_device", "planes_of", "second", "seen_again"]


def on_device(planes: np.ndarray[Any, np.dtype[np.float32]] | torch.Tensor, device: torch.device) -> torch.Tensor:
    """Planes (n, c, h, w) as a tensor there; a tensor is there already."""
    if isinstance(planes, torch.Tensor):
        return planes
    # Without waiting, where the batch's memory is pinned.
    tensor = torch.from_numpy(planes).to(device, non_blocking=True)
    return tensor.to(memory_format=torch.channels_last)


def planes_of(batch: Batch, network: Network, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A batch on the device: the input, that of the second look where that is asked for; the base of a residual; the target."""
    given, clean = on_device(batch.input, device), on_device(batch.target, device)
    given = seen_again(network, given, batch.again, clean.shape[1])
    base = given[:, : clean.shape[1]] if batch.enlarged is None else on_device(batch.enlarged, device)
    return given, base, clean


@torch.no_grad()
def seen_again(network: Network, given: torch.Tensor, again: Sequence[bool], channels: int) -> torch.Tensor:
    """The input ``given`` (n, channels + maps, h, w), in which the examples that ask ``again`` are replaced by their second look.

    ``network`` is the module itself, not its wrapper for several processes: they need not look again at the same step.
    """
    which = torch.from_numpy(np.flatnonzero(again)).to(given.device)
    if not len(which):
        return given
    learning = network.training
    network.eval()
    once = given[which]
    first = answer(network, network.answer, once, once[:, :channels])
    network.train(learning)
    return given.index_copy(0, which, second(once, first))


def second(given: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """The network's next input, from its input ``given`` (n, channels + maps, h, w) and its output ``first`` (n, channels, h, w):
    pixels that are impulses by that answer are filled, and the map says how likely each is one.

    The maps are sigma and impulses. Noise between impulses is the same everywhere, as it is for whoever restores.
    """
    channels = first.shape[1]
    planes, sigma, density = given[:, :channels], given[:, channels], given[:, channels + 1]
    chance = _unlikely(planes, first, density, sigma)
    return torch.cat([_filled(planes, chance), sigma[:, None], chance[:, None]], dim=1)


def _unlikely(planes: torch.Tensor, answer: torch.Tensor, density: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """`maps.unlikely` of each of a batch: (n, h, w)."""
    spread = torch.hypot(sigma, torch.tensor(maps.OFF, device=sigma.device))
    channels = planes.shape[1]
    chance = _by_bayes((planes - answer).square().sum(dim=1), density, spread, channels)
    if channels == 1:
        return chance
    gray = (planes == planes[:, :1]).flatten(1).all(dim=1)
    once = _by_bayes((planes[:, 0] - answer.mean(dim=1)).square(), density, spread, 1)
    return torch.where(gray[:, None, None], once, chance)


def _by_bayes(off: torch.Tensor, density: torch.Tensor, spread: torch.Tensor, values: int) -> torch.Tensor:
    """The chance of an impulse at a pixel whose ``values`` are off by so much, squared and added."""
    true = torch.exp(-off / spread.square() / 2) / (spread * math.sqrt(2 * math.pi)) ** values
    return density / (density + (1 - density) * true)


def _filled(planes: torch.Tensor, chance: torch.Tensor) -> torch.Tensor:
    """`maps.filled` of each of a batch."""
    chance = chance[:, None]
    good = 1 - chance
    return planes + chance * (_pulled(planes * good, good, maps.LEVELS) - planes)


def _pulled(light: torch.Tensor, good: torch.Tensor, levels: int) -> torch.Tensor:
    weight, near = _windowed(good), _windowed(light)
    mean = near / weight.clamp_min(1e-6)
    if levels == 0:
        return mean
    height, width = good.shape[-2:]
    far = _pulled(_halved(light), _halved(good), levels - 1)
    far = far.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)[..., :height, :width]
    return far + (weight / maps.TRUSTED).clamp_max(1) * (mean - far)


def _halved(planes: torch.Tensor) -> torch.Tensor:
    height, width = planes.shape[-2:]
    even = functional.pad(planes, (0, width % 2, 0, height % 2), mode="replicate")
    return functional.avg_pool2d(even, 2)


def _windowed(planes: torch.Tensor) -> torch.Tensor:
    """Under the window of `maps.KERNEL`; that of one pixel to either side, so a mirrored edge is a repeated one."""
    outer, middle, _ = maps.KERNEL.tolist()
    tall = functional.pad(planes, (0, 0, 1, 1), mode="replicate")
    down = outer * (tall[..., :-2, :] + tall[..., 2:, :]) + middle * planes
    wide = functional.pad(down, (1, 1, 0, 0), mode="replicate")
    across: torch.Tensor = outer * (wide[..., :-2] + wide[..., 2:]) + middle * down
    return across
