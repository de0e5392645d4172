"""The network that cuts out: a U-Net of plain convolutions with the whole picture in view, whose output is alpha.

After U-Net (Ronneberger et al. 2015) with residual blocks (He et al. 2016) and additions for skips. The lowest resolution, a 32nd
of the picture, has dilated convolutions (Yu and Koltun 2016) and the mean of the whole picture (Liu et al. 2015, "ParseNet"), since
which thing is meant depends on all of it. Batch normalisation after each convolution is folded by the engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pellucid.errors import ModelError

__all__ = ["Cutout", "CutoutSpec"]

FARTHEST = 4096
"""The distance in pixels that cards may name at most: an output pixel depends on the whole picture."""


@dataclass(frozen=True)
class CutoutSpec:
    """``channels`` of the picture and ``maps`` beside it in, ``out_channels`` planes of alpha out.

    ``widths`` are the channels at each resolution, finest first, ``blocks`` the residual blocks there, on the way down and again on
    the way up (the finest has them on the way up alone); the finest resolution is that of the picture divided by ``shuffle``.
    ``dilations`` are those of the lowest resolution's blocks.
    """

    channels: int = 3
    maps: tuple[str, ...] = ()
    widths: tuple[int, ...] = (24, 48, 96, 128, 160)
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    dilations: tuple[int, ...] = (1, 2)
    shuffle: int = 2
    out_channels: int = 1
    network: ClassVar[str] = "matte"

    def __post_init__(self) -> None:
        if len(self.blocks) != len(self.widths) - 1 or not self.blocks or min(self.widths + self.blocks) < 1:
            raise ModelError(
                f"matte: widths {self.widths} must be two or more positive numbers, blocks {self.blocks} one number fewer"
            )
        if min((self.channels, self.shuffle, self.out_channels, *self.dilations), default=0) < 1 or not self.dilations:
            raise ModelError("matte: channels, shuffle, out_channels and dilations must be 1 or more")

    def build(self) -> Cutout:
        """A network with fresh weights."""
        return Cutout(self)


class Block(nn.Module):
    """relu(x + norm(conv(relu(norm(conv(x))))))."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv(width, width, 3, padding=dilation, dilation=dilation)
        self.conv2 = _conv(width, width, 3, padding=1)
        # Blocks begin as the identity, so that a deep network starts as a shallow one.
        nn.init.zeros_(self.conv2[1].weight)  # type: ignore[arg-type]  # the norm's, a tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.conv2(torch.relu(self.conv1(x))))


class Context(nn.Module):
    """x and, everywhere, what a small layer makes of its mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.layer(x.mean(dim=(2, 3), keepdim=True)))


def _conv(inside: int, outside: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inside, outside, kernel, stride=stride, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outside))


class Cutout(nn.Module):
    """(n, channels + maps, height, width) in; alpha (n, out_channels, height, width) in [0, 1] out."""

    answer = "alpha"

    def __init__(self, spec: CutoutSpec) -> None:
        super().__init__()
        self.spec = spec
        widths, step = spec.widths, spec.shuffle
        depth = len(widths) - 1
        self.multiple_of = step * 2**depth
        inside = spec.channels + len(spec.maps)
        self.head = _conv(inside, widths[0], 2 * step if step > 1 else 3, stride=step, padding=max(1, step // 2))
        self.narrow = nn.ModuleList(_conv(widths[i], widths[i + 1], 2, stride=2) for i in range(depth))
        self.down = nn.ModuleList(
            nn.Sequential(*(Block(widths[i]) for _ in range(spec.blocks[i] if i else 0))) for i in range(depth)
        )
        lowest = widths[-1]
        self.body = nn.Sequential(Context(lowest), *(Block(lowest, dilation) for dilation in spec.dilations), Context(lowest))
        self.widen = nn.ModuleList(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2) for i in range(depth))
        self.up = nn.ModuleList(nn.Sequential(*(Block(widths[i]) for _ in range(spec.blocks[i]))) for i in range(depth))
        self.tail = nn.Conv2d(widths[0], spec.out_channels * step * step, 3, padding=1)
        self.shuffle = nn.PixelShuffle(step)

    @property
    def halo(self) -> int:
        """The distance in pixels from which an output pixel can be influenced: all of the picture."""
        return FARTHEST

    def training_output(self, x: torch.Tensor) -> torch.Tensor:
        """The logits of alpha, which the loss reads."""
        x = torch.relu(self.head(x))
        skips = []
        for blocks, narrow in zip(self.down, self.narrow, strict=True):
            x = blocks(x)
            skips.append(x)
            x = torch.relu(narrow(x))
        x = self.body(x)
        for index in reversed(range(len(self.up))):
            x = self.up[index](torch.relu(self.widen[index](x) + skips[index]))
        logits: torch.Tensor = self.shuffle(self.tail(x))
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Alpha."""
        return torch.sigmoid(self.training_output(x))
