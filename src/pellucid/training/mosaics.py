"""Mosaics of a batch on the device: `pellucid.sensor` once more, in PyTorch. A test holds both equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pellucid import sensor
from pellucid.sensor import Sensor

__all__ = ["Cameras", "interpolated", "lights", "linear"]

COUNT = 4096
"""The cameras that a run draws at its start: each batch has some of them. To draw as many for each batch would take longer than the
step."""


class Cameras:
    """Cameras drawn by a task (`pellucid.tasks.raw.Learning.camera`), their numbers on the device."""

    def __init__(self, task: Any, seed: int, device: torch.device, count: int = COUNT) -> None:
        rng = np.random.default_rng([seed, count])
        self.sensors: list[Sensor] = [task.camera(rng) for _ in range(count)]
        self.doubt: float = task.doubt

        def numbers(values: list[Any]) -> torch.Tensor:
            return torch.from_numpy(np.array(values, np.float32)).to(device)

        self.curved = numbers([each.curved for each in self.sensors]) > 0
        self.matrix = numbers([each.matrix for each in self.sensors])
        self.gains = numbers([each.gains for each in self.sensors])
        self.exposure = numbers([each.exposure for each in self.sensors])
        self.gain = numbers([each.gain for each in self.sensors])
        self.read = numbers([each.read for each in self.sensors])
        self.floor = numbers([0.0 if each.floored else -np.inf for each in self.sensors])

    def shots(self, scene: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """A batch of photographs (n, 3, h, w) in [0, 1], each as one of the cameras sees it: the network's input (n, 2, h, w), the
        light (n, 3, h, w), and the interpolated colours."""
        count, device = len(scene), scene.device
        which = torch.randint(len(self.sensors), (count,), generator=generator, device=device)
        colours = self.colours(scene, which)
        unit = torch.randn(count, *scene.shape[2:], generator=generator, device=device)
        doubt = torch.exp(self.doubt * torch.randn(count, 1, 1, generator=generator, device=device))
        mosaic = self.mosaic(colours, which, unit)
        level = self.levels(mosaic, which) * doubt
        return torch.stack([mosaic, level], dim=1), colours, interpolated(mosaic)

    def colours(self, scene: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        """`Sensor.colours` of each."""
        curve = 0.5 - torch.sin(torch.asin(1 - 2 * scene) / 3)
        display = torch.where(_each(self.curved[which]), curve, scene)
        light = torch.einsum("nij,njhw->nihw", self.matrix[which], linear(display)).clamp_min(0) * _each(self.exposure[which])
        return torch.minimum(light, self.gains[which][:, :, None, None])

    def mosaic(self, colours: torch.Tensor, which: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
        """`Sensor.shot` of each, (n, h, w), from standard normal noise."""
        ideal = _sampled(colours)
        gains = self._gains(which, ideal)
        noisy = ideal + unit * self._variance(ideal, gains, which).sqrt()
        return torch.maximum(torch.minimum(noisy, gains), self.floor[which][:, None, None])

    def levels(self, mosaic: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        """`sensor.levels` of each, (n, h, w)."""
        return self._variance(lights(mosaic), self._gains(which, mosaic), which).sqrt()

    def _gains(self, which: torch.Tensor, mosaic: torch.Tensor) -> torch.Tensor:
        return _sampled(self.gains[which][:, :, None, None].expand(-1, -1, *mosaic.shape[1:]))

    def _variance(self, light: torch.Tensor, gains: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        read, gain = self.read[which][:, None, None], self.gain[which][:, None, None]
        return (read * gains).square() + gain * gains * light.clamp_min(0)


def _each(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]


def linear(display: torch.Tensor) -> torch.Tensor:
    """`sensor.linear`."""
    return torch.where(display <= 12.92 * sensor.BELOW, display / 12.92, ((display.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def _sampled(colours: torch.Tensor) -> torch.Tensor:
    """`sensor.sampled`: (n, h, w) of (n, 3, h, w)."""
    mosaic = colours[:, 1].clone()
    for row, column, colour in sensor.SITES:
        mosaic[:, row::2, column::2] = colours[:, colour, row::2, column::2]
    return mosaic


def lights(mosaic: torch.Tensor) -> torch.Tensor:
    """`sensor.lights`: (n, h, w) of (n, h, w)."""
    wide = functional.pad(mosaic[:, None], (sensor.AROUND,) * 4, mode="reflect")
    samples = functional.pixel_unshuffle(wide, 2).flatten(0, 1)[:, None]
    window = torch.tensor(sensor.WINDOW, device=mosaic.device)
    mean = functional.conv2d(functional.conv2d(samples, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    return functional.pixel_shuffle(mean.view(len(mosaic), 4, *mean.shape[2:]), 2)[:, 0]


def interpolated(mosaic: torch.Tensor) -> torch.Tensor:
    """`sensor.interpolated`: (n, 3, h, w) of (n, h, w)."""
    height, width = mosaic.shape[1:]
    wide = functional.pad(mosaic[:, None], (2, 2, 2, 2), mode="reflect")
    # A product of matrices, which PyTorch keeps in full float32; a convolution it would not.
    around = functional.unfold(wide, 6, stride=2)
    colours = torch.einsum("oi,nil->nol", _kernels(mosaic.device), around)
    return functional.pixel_shuffle(colours.view(len(mosaic), 12, height // 2, width // 2), 2)


def _kernels(device: torch.device) -> torch.Tensor:
    """The filters (12, 36) of the 2x2 pixels of a cell, colour by colour, over the 6x6 pixels around it."""
    kernels = torch.zeros(3, 2, 2, 6, 6)
    for (row, column), filters in sensor.FILTERS.items():
        for colour, weights in enumerate(filters):
            for (down, right), weight in weights.items():
                kernels[colour, row, column, 2 + row + down, 2 + column + right] = weight / 8
    return kernels.view(12, 36).to(device)
