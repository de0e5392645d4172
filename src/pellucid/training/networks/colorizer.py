"""Light and hints in; chroma out, as a distribution over coarse bins, and how sure it is.

A U-Net of inverted residual blocks (Sandler et al. 2018, "MobileNetV2") with batch normalisation: most of what says which colour a
thing has is what the thing is, so that most of the weights lie at the coarse end, which also knows the mean of the whole picture.
Chroma needs little detail: the network answers at a fraction of its input's resolution. The distribution over bins is after Zhang,
Isola and Efros 2016, "Colorful Image Colorization"; the answer is the mean of the sharpened distribution (their annealed mean).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pellucid import colour
from pellucid.errors import ModelError

__all__ = ["SHARPENED", "Colorizer", "ColorizerSpec"]

SHARPENED = 0.7
"""The temperature of the distribution whose mean is the answer: the mean itself (1) is pale, the most likely bin (0) spotted."""


@dataclass(frozen=True)
class ColorizerSpec:
    """``channels`` of light in and ``out_channels`` of chroma out; ``maps`` the planes of hints. ``widths`` are the channels at a
    half, a quarter, ... of the input's size, ``blocks`` the residual blocks there on the way down; on the way up there is one at
    each size, to a ``step``-th of the input's. ``drop`` is the share of channels that training withholds at the coarse end."""

    channels: int = 1
    maps: tuple[str, ...] = ()
    out_channels: int = 2
    widths: tuple[int, ...] = (24, 48, 96, 160, 208)
    blocks: tuple[int, ...] = (0, 2, 2, 3, 3)
    step: int = 4
    drop: float = 0.15
    network: ClassVar[str] = "colorizer"

    def __post_init__(self) -> None:
        if not self.widths or len(self.widths) != len(self.blocks) or min(self.widths) < 1 or min(self.blocks) < 0:
            raise ModelError("colorizer: widths and blocks must be as many, and not below 1 and 0")
        if self.channels != 1 or self.out_channels != 2:
            raise ModelError("colorizer: it has one plane of light in and two of chroma out")
        if self.step not in [2 ** (level + 1) for level in range(len(self.widths))] or not 0 <= self.drop < 1:
            raise ModelError("colorizer: step must be 2, 4, ... up to the coarsest size, drop a share below 1")

    def build(self) -> Colorizer:
        """A network with fresh weights."""
        return Colorizer(self)


def _conv(inside: int, outside: int, size: int, *, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution and its normalisation."""
    padding = 0 if size == stride else size // 2
    return nn.Sequential(
        nn.Conv2d(inside, outside, size, stride=stride, padding=padding, groups=groups, bias=False), nn.BatchNorm2d(outside)
    )


class Block(nn.Module):
    """x + narrow(depthwise(wide(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 3 * width
        self.wide = _conv(width, inner, 1)
        self.depthwise = _conv(inner, inner, 5, groups=inner)
        self.narrow = _conv(inner, width, 1)
        norm = self.narrow[1]
        assert isinstance(norm, nn.BatchNorm2d)
        # Blocks begin as the identity, so that a deep network starts as a shallow one.
        nn.init.zeros_(norm.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = nn.functional.silu(self.wide(x))
        y = nn.functional.silu(self.depthwise(y))
        y = self.narrow(y)
        answer: torch.Tensor = x + y
        return answer


class Colorizer(nn.Module):
    """(n, 4, height, width) in: light in [0, 1], two planes of the hints' chroma in [-1, 1], and where hints are.

    Out, (n, 3, height, width): two planes of chroma (`colour.planes_of`), and the standard deviation of the distribution over both,
    in the same unit. They are constant on squares of ``step`` pixels.
    """

    answer = "ab"

    bins: torch.Tensor
    enlarging: torch.Tensor

    def __init__(self, spec: ColorizerSpec) -> None:
        super().__init__()
        self.spec = spec
        widths, depth = spec.widths, len(spec.widths)
        self.multiple_of = 2**depth
        self.first = spec.step.bit_length() - 2
        inside = spec.channels + len(spec.maps)
        self.head = _conv(inside, widths[0], 3, stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(count))) for width, count in zip(widths, spec.blocks, strict=True)
        )
        self.narrow = nn.ModuleList(_conv(widths[i], widths[i + 1], 2, stride=2) for i in range(depth - 1))
        self.whole = nn.Sequential(nn.Conv2d(widths[-1], widths[-1], 1), nn.SiLU(), nn.Conv2d(widths[-1], widths[-1], 1))
        self.drop = nn.Dropout2d(spec.drop)
        self.widen = nn.ModuleList(
            nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2, bias=False) for i in range(self.first, depth - 1)
        )
        self.up = nn.ModuleList(Block(widths[i]) for i in range(self.first, depth - 1))
        finest = widths[self.first]
        self.last = _conv(finest, 2 * finest, 3)
        self.tail = nn.Conv2d(2 * finest, len(colour.BINS), 1)
        bins = torch.from_numpy(colour.planes_of(colour.BINS)).T
        self.register_buffer("bins", torch.cat([bins, bins.square().sum(dim=0, keepdim=True)])[:, :, None, None].contiguous())
        self.register_buffer("enlarging", torch.ones(3, 1, spec.step, spec.step))

    @property
    def halo(self) -> int:
        """The distance from which an output pixel can be influenced: the network sees the whole picture."""
        return 0

    def training_output(self, x: torch.Tensor) -> torch.Tensor:
        """The logits (n, bins, height / step, width / step) of the distribution."""
        x = nn.functional.silu(self.head(x))
        skips = []
        for level, blocks in enumerate(self.down):
            x = blocks(x)
            if level < len(self.narrow):
                skips.append(x)
                x = self.narrow[level](x)
        x = self.drop(x + self.whole(x.mean(dim=(2, 3), keepdim=True)))
        for index in reversed(range(len(self.up))):
            x = self.up[index](self.widen[index](x) + skips[self.first + index])
        logits: torch.Tensor = self.tail(nn.functional.silu(self.last(x)))
        return logits

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Chroma, and its standard deviation."""
        logits = self.training_output(x).float()
        chroma = nn.functional.conv2d(torch.softmax(logits / SHARPENED, dim=1), self.bins[:2])
        moments = nn.functional.conv2d(torch.softmax(logits, dim=1), self.bins)
        spread = (moments[:, 2:] - moments[:, :1].square() - moments[:, 1:2].square()).clamp_min(0).sqrt()
        answer: torch.Tensor = nn.functional.conv_transpose2d(
            torch.cat([chroma, spread], dim=1), self.enlarging, stride=self.spec.step, groups=3
        )
        return answer
