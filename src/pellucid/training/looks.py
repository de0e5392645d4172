"""The second look that networks of impulses learn from, where they learn: on the device, of a whole batch.

What `pellucid.answering.with_maps` shows of one image after a first answer, by the functions of `pellucid.maps`, told here once
more in PyTorch: a batch's way to the processor and back would take longer than the step. A test holds both equal.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from pellucid import maps

__all__ = ["second"]


def second(given: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """What the network sees next of what it saw, ``given`` (n, channels + maps, h, w), and answered, ``first`` (n, channels, h, w):
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
