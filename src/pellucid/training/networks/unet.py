"""The autoencoder grown up: a residual, bias-free U-Net of plain 3x3 convolutions.

After DRUNet (Zhang et al. 2021, "Plug-and-Play Image Restoration with Deep Denoiser Prior"): residual blocks conv-ReLU-conv,
strided 2x2 convolutions down, transposed ones up, skip connections by addition, noise maps beside the image. Without biases
the network scales with its input (Mohan et al. 2020, "Robust and Interpretable Blind Image Denoising via Bias-Free CNNs").
The first convolution has stride ``shuffle`` and a kernel of three of its steps: the same functions as pixel-unshuffle and a
3x3 convolution, in one operator that engines run fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from pellucid.cards import ANSWERS
from pellucid.errors import ModelError
from pellucid.training.quantisation import Int8Conv2d

__all__ = ["Unet", "UnetSpec", "watched"]


@dataclass(frozen=True)
class UnetSpec:
    """One spec for every task.

    ``channels`` in and ``out_channels`` (0: the same) out; ``maps`` the planes beside the image; ``widths`` the channels at
    each resolution, finest first; ``blocks`` the number of residual blocks there, on the way down and again on the way up;
    ``shuffle`` the step from the image to the finest resolution; ``scale`` how many times larger the output is; ``answer`` its
    kind, ``residual`` (to be taken away from the input), ``clean``, or ``damage``, a chance from 0 to 1; ``int8`` whether the
    blocks' convolutions work in eight bits. ``norm``: batch normalisation, which engines fold, after each convolution but the
    last, and a ReLU after head and steps: for answers that do not scale with the input. ``hidden``: the channels between the two
    convolutions of each block, for the blocks on the way down, those of the coarsest resolution, then those on the way up, finest
    first (the order of their names); empty: as many as around it (`pellucid.training.trimming` leaves idle ones out).
    """

    channels: int = 1
    maps: tuple[str, ...] = ()
    widths: tuple[int, ...] = (48, 96, 192)
    blocks: tuple[int, ...] = (4, 3, 2)
    shuffle: int = 2
    scale: int = 1
    out_channels: int = 0
    answer: str = "residual"
    int8: bool = False
    norm: bool = False
    hidden: tuple[int, ...] = ()
    network: ClassVar[str] = "unet"

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.blocks) or not self.widths or min(self.widths + self.blocks) < 1:
            raise ModelError(
                f"unet: widths {self.widths} and blocks {self.blocks} must be lists of positive numbers of the same length"
            )
        if min(self.channels, self.shuffle, self.scale) < 1 or self.out_channels < 0:
            raise ModelError("unet: channels, shuffle and scale must be 1 or more, out_channels 0 or more")
        if self.hidden and (len(self.hidden) != len(self.around) or min(self.hidden) < 1):
            raise ModelError(f"unet: hidden {self.hidden} must be positive numbers, one for each of the {len(self.around)} blocks")
        if self.answer not in ANSWERS:
            raise ModelError(f"unet: answer {self.answer!r} is not one of {', '.join(ANSWERS)}")

    @property
    def around(self) -> tuple[int, ...]:
        """The channels before and after each block, in the order of ``hidden``."""
        finer = [width for width, count in zip(self.widths[:-1], self.blocks[:-1], strict=True) for _ in range(count)]
        return (*finer, *[self.widths[-1]] * self.blocks[-1], *finer)

    def build(self) -> Unet:
        """A network with fresh weights."""
        return Unet(self)


class Block(nn.Module):
    """x + conv(relu(conv(x))), each normalised where ``norm`` says so."""

    def __init__(self, width: int, hidden: int, int8: bool, norm: bool) -> None:
        super().__init__()
        self.conv1 = _conv(width, hidden, int8=int8)
        self.conv2 = _conv(hidden, width, int8=int8, signed=False)
        self.norm1, self.norm2 = (nn.BatchNorm2d(channels) if norm else nn.Identity() for channels in (hidden, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return x + y


def _normed(conv: nn.Module, width: int, norm: bool) -> nn.Module:
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU()) if norm else conv


def _conv(inside: int, outside: int, *, int8: bool, signed: bool = True) -> nn.Conv2d:
    return Int8Conv2d(inside, outside, signed=signed) if int8 else nn.Conv2d(inside, outside, 3, padding=1, bias=False)


class Unet(nn.Module):
    """(n, channels + maps, height, width) in; (n, out_channels, scale * height, scale * width) out."""

    def __init__(self, spec: UnetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.answer = spec.answer
        step, widths, depth = spec.shuffle, spec.widths, len(spec.widths)
        self.multiple_of = step * 2 ** (depth - 1)
        inside = spec.channels + len(spec.maps)
        out = (spec.out_channels or spec.channels) * (step * spec.scale) ** 2
        norm = spec.norm
        sizes = iter(zip(spec.around, spec.hidden or spec.around, strict=True))

        def blocks(count: int) -> nn.Sequential:
            return nn.Sequential(*(Block(*next(sizes), spec.int8, norm) for _ in range(count)))

        self.head = _normed(nn.Conv2d(inside, widths[0], 3 * step, stride=step, padding=step, bias=False), widths[0], norm)
        self.down = nn.ModuleList(blocks(spec.blocks[i]) for i in range(depth - 1))
        self.narrow = nn.ModuleList(
            _normed(nn.Conv2d(widths[i], widths[i + 1], 2, stride=2, bias=False), widths[i + 1], norm) for i in range(depth - 1)
        )
        self.body = blocks(spec.blocks[-1])
        self.widen = nn.ModuleList(
            _normed(nn.ConvTranspose2d(widths[i + 1], widths[i], 2, stride=2, bias=False), widths[i], norm)
            for i in range(depth - 1)
        )
        self.up = nn.ModuleList(blocks(spec.blocks[i]) for i in range(depth - 1))
        self.tail = nn.Conv2d(widths[0], out, 3, padding=1, bias=norm)
        self.shuffle = nn.PixelShuffle(step * spec.scale)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear", mode="fan_in")
            if isinstance(module, Block):
                # Blocks begin near the identity, so that a deep network starts as a shallow one.
                module.conv2.weight.data *= 0.1
        # Linear interpolation is near to the truth: a network that takes something away from it begins with nothing.
        self.tail.weight.data *= 0.01 if spec.answer == "interpolated" else 0.1

    @property
    def halo(self) -> int:
        """The distance in pixels from which an output pixel can be influenced: twice the blocks' reach at each resolution, and the
        ends."""
        step, spec = self.spec.shuffle, self.spec
        reach = 2 * step
        for level, count in enumerate(spec.blocks):
            passes = 1 if level == len(spec.blocks) - 1 else 2
            reach += passes * 2 * count * step * 2**level
        # Two-pixel steps down and up place a pixel at either end of its cell: at most one cell of each resolution.
        return int(reach + self.multiple_of)

    def training_output(self, x: torch.Tensor) -> torch.Tensor:
        """The answer of `forward`; for a chance its logits, which the loss reads."""
        x = self.head(x)
        skips = [x]
        for blocks, narrow in zip(self.down, self.narrow, strict=True):
            x = blocks(x)
            skips.append(x)
            x = narrow(x)
        x = self.body(x)
        for index in reversed(range(len(self.up))):
            x = self.up[index](self.widen[index](x) + skips[index + 1])
        answer: torch.Tensor = self.shuffle(self.tail(x + skips[0]))
        return answer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The residual, the clean image or the chance of damage, as `answer` says."""
        output = self.training_output(x)
        return torch.sigmoid(output) if self.answer == "damage" else output


def watched(
    network: Unet,
    layers: Mapping[str, nn.Module],
    look: Callable[[str, torch.Tensor], None],
    inputs: Iterable[torch.Tensor],
) -> None:
    """Runs the network on ``inputs``; ``look`` gets the name of each of the ``layers``, and its input, whenever it is called."""

    def hook(name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...]], None]:
        return lambda _, given: look(name, given[0])

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    try:
        for planes in inputs:
            network(planes)
    finally:
        for handle in handles:
            handle.remove()
