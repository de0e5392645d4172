"""Small to large: residual blocks of 3x3 convolutions at the small image's resolution, and a head for each factor.

After EDSR (Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image Super-Resolution"), but for its sizes: one trunk
without batch normalisation, trained for all factors at once, and for each a convolution whose channels are rearranged into pixels
(Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network").
Its output is the residual, which is taken away from the bicubic enlargement; that is no input of the network. It has no biases: the
output for a darker image is darker by the same factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pellucid.errors import ModelError

__all__ = ["Upscaler", "UpscalerSpec"]


@dataclass(frozen=True)
class UpscalerSpec:
    """``channels`` in and out; ``scales`` the factors that it can enlarge by; ``width`` the channels of the trunk, ``blocks`` its
    residual blocks."""

    scales: tuple[int, ...]
    channels: int = 3
    width: int = 64
    blocks: int = 8
    network: ClassVar[str] = "upscaler"

    def __post_init__(self) -> None:
        if not self.scales or min(self.scales) < 2 or len(set(self.scales)) < len(self.scales):
            raise ModelError(f"upscaler: scales must be different whole numbers of 2 or more, not {self.scales}")
        if min(self.channels, self.width, self.blocks) < 1:
            raise ModelError("upscaler: channels, width and blocks must be 1 or more")

    @property
    def maps(self) -> tuple[str, ...]:
        """No maps: the image is the whole input."""
        return ()

    def build(self) -> Upscaler:
        """A network with fresh weights."""
        return Upscaler(self)


class Block(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv2(torch.relu(self.conv1(x)))
        return x + y


class Upscaler(nn.Module):
    """(n, channels, height, width) in; (n, channels, scale * height, scale * width) out, for one factor or for each."""

    multiple_of = 1
    answer = "residual"

    def __init__(self, spec: UpscalerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.head = nn.Conv2d(spec.channels, spec.width, 3, padding=1, bias=False)
        self.body = nn.Sequential(*(Block(spec.width) for _ in range(spec.blocks)))
        self.tails = nn.ModuleDict(
            {f"x{scale}": nn.Conv2d(spec.width, spec.channels * scale**2, 3, padding=1, bias=False) for scale in spec.scales}
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear", mode="fan_in")
            if isinstance(module, Block):
                # Blocks begin near the identity, so that a deep network starts as a shallow one.
                module.conv2.weight.data *= 0.1
        for tail in self.tails.values():
            assert isinstance(tail, nn.Conv2d)
            tail.weight.data *= 0.1

    @property
    def halo(self) -> int:
        """The distance from which an output pixel can be influenced, in pixels of the small image: one for each layer."""
        return 2 * self.spec.blocks + 2

    def forward(self, x: torch.Tensor, scale: int | None = None) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """The residual of the bicubic enlargement by ``scale``; without one, those by each of the spec's factors, in their
        order."""
        x = self.head(x)
        x = x + self.body(x)
        if scale is not None:
            return self._answer(x, scale)
        return tuple(self._answer(x, each) for each in self.spec.scales)

    def _answer(self, x: torch.Tensor, scale: int) -> torch.Tensor:
        return nn.functional.pixel_shuffle(self.tails[f"x{scale}"](x), scale)
