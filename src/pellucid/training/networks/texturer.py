"""Small to large with texture: the network of `upscaler`, and beside it blocks that add texture, held to a bound.

The texture reads what the other network's trunk has made of the picture, and learns alone: the trunk keeps the weights that the run
begins from, so that the faithful enlargement stands in the same file. Three things hold the texture in check, whatever its weights:

- it is of the light alone, the same in all channels: colours stay;
- it is at most a bound that follows the small picture's own activity, the mean change from a pixel to those around it: no more than
  `FLOOR` in flat places and along the edges between them, up to `MOST` where there is texture, less again where changes are as hard
  as those of letters;
- its low frequencies are taken away (back-projection, Irani and Peleg 1991, "Improving Resolution by Image Registration"): scaled
  down again, the output is what it would be without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import nn

from pellucid import images
from pellucid.errors import ModelError
from pellucid.training.networks.upscaler import Block, Upscaler, UpscalerSpec

__all__ = ["MOST", "Texturer", "TexturerSpec"]

FLOOR = 0.5 / 255
"""The bound in flat places and along lone edges."""

SLOPE, TURN = 3.0, 14 / 255
"""The bound of activity a is `FLOOR` + `SLOPE` a / (1 + (a / `TURN`)^2). With it the nearest output within reach has half to two
thirds of the detail that `upscale` lacks, by standard deviation, on three photographs enlarged by 3. More activity than `TURN` is
that of lines."""

MOST = FLOOR + SLOPE * TURN / 2
"""The most that the texture changes any value: 21.5 levels of 255."""

GRAIN = 16
"""Channels at the large picture's size."""

REACH = 2
"""Pixels of the small picture to either side that a pixel of it is made of, and that a pixel made larger is made of."""

ROUNDS = 2
"""How often low frequencies are taken away: bicubic down and up again leaves a part of them."""


@dataclass(frozen=True)
class TexturerSpec(UpscalerSpec):
    """Those of `UpscalerSpec`, and ``fine``: the blocks of the texture, of the trunk's width."""

    fine: int = 4
    network: ClassVar[str] = "texturer"
    holds: ClassVar[str] = UpscalerSpec.network

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fine < 1:
            raise ModelError("texturer: fine must be 1 or more")

    def build(self) -> Texturer:
        """A network with fresh weights."""
        return Texturer(self)


class Texturer(Upscaler):
    """(n, channels, height, width) in; (n, channels, scale * height, scale * width) out, for one factor or for each: as
    `Upscaler`."""

    def __init__(self, spec: TexturerSpec) -> None:
        super().__init__(spec)
        # The weights that the run began from stay as they are.
        self.requires_grad_(False)
        self.fine = nn.Sequential(*(Block(spec.width) for _ in range(spec.fine)))
        self.fine_tails = nn.ModuleDict(
            {f"x{scale}": nn.Conv2d(spec.width, GRAIN * scale**2, 3, padding=1, bias=False) for scale in spec.scales}
        )
        # At the large picture's own pixels, or texture would be made of patterns that repeat with the small ones.
        self.grain = nn.Sequential(
            nn.Conv2d(GRAIN + 1, GRAIN, 3, padding=1, bias=False),
            nn.LeakyReLU(0.2),
            nn.Conv2d(GRAIN, 1, 3, padding=1, bias=False),
        )
        for part in (self.fine, self.fine_tails, self.grain):
            for module in part.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight, nonlinearity="linear", mode="fan_in")
                if isinstance(module, Block):
                    module.conv2.weight.data *= 0.1
        last = self.grain[-1]
        assert isinstance(last, nn.Conv2d)
        last.weight.data *= 0.1
        # It begins as what the faithful enlargement has beyond the bicubic one, half as strong again.
        self.gain = nn.Parameter(torch.full((1,), 0.5))
        for scale in spec.scales:
            for name, kernel in kernels(scale).items():
                self.register_buffer(f"{name}{scale}", torch.from_numpy(kernel), persistent=False)

    @property
    def halo(self) -> int:
        """That of the trunk, one for each layer of the texture (two at the large picture's size are one), and the way down and up
        again."""
        assert isinstance(self.spec, TexturerSpec)
        return super().halo + 2 * self.spec.fine + REACH + 1 + 2 * REACH * ROUNDS

    def forward(self, x: torch.Tensor, scale: int | None = None) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """As of `Upscaler`: the residual of the bicubic enlargement."""
        y = self.head(x)
        y = y + self.body(y)
        z = y + self.fine(y)
        # The detail of flat places is left out: a pattern made of that would be the same all over the picture.
        z = z - _mean(z, 2 * REACH + 1)
        bound = limit(x)
        if scale is not None:
            return self._with_texture(self._answer(y, scale), z, bound, scale)
        return tuple(self._with_texture(self._answer(y, each), z, bound, each) for each in self.spec.scales)

    def _with_texture(self, residual: torch.Tensor, z: torch.Tensor, bound: torch.Tensor, scale: int) -> torch.Tensor:
        """The residual less what is added to all channels."""
        most = self._most(bound, scale)
        detail = -residual.mean(dim=1, keepdim=True) / nn.functional.pixel_shuffle(most, scale)
        wish = self.grain(torch.cat((nn.functional.pixel_shuffle(self.fine_tails[f"x{scale}"](z), scale), detail), dim=1))
        wish = nn.functional.pixel_unshuffle(wish + self.gain * detail, scale)
        return residual - self._held(most * torch.tanh(wish), most, scale)

    def _most(self, bound: torch.Tensor, scale: int) -> torch.Tensor:
        """The bound of each pixel of the large picture, in as many planes as a pixel of the small one becomes pixels."""
        return nn.functional.conv2d(bound, getattr(self, f"spread{scale}"), padding=REACH)

    def _held(self, texture: torch.Tensor, most: torch.Tensor, scale: int) -> torch.Tensor:
        """The texture, in such planes, without its low frequencies and within the bound, as a picture's."""
        down, up = getattr(self, f"down{scale}"), getattr(self, f"up{scale}")
        for _ in range(ROUNDS):
            low = nn.functional.conv2d(texture, down, padding=REACH)
            texture = texture - nn.functional.conv2d(low, up, padding=REACH)
        return nn.functional.pixel_shuffle(torch.minimum(torch.maximum(texture, -most), most), scale)

    @torch.no_grad()
    def reachable(self, x: torch.Tensor, base: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """The nearest that an output can come to the clean picture: the faithful enlargement with what the bound lets through of
        the light that it lacks. A run learns from this: nothing asks for what cannot be done."""
        scale = clean.shape[-1] // x.shape[-1]
        y = self.head(x)
        faithful = base - self._answer(y + self.body(y), scale).float()
        lacking = (clean - faithful).mean(dim=1, keepdim=True)
        most = self._most(limit(x), scale)
        held = nn.functional.pixel_unshuffle(lacking, scale)
        return faithful + self._held(torch.minimum(torch.maximum(held, -most), most), most, scale).float()


def limit(x: torch.Tensor) -> torch.Tensor:
    """(n, 1, height, width): the bound of each pixel of the small picture."""
    active = activity(x)
    return FLOOR + SLOPE * active / (1 + (active / TURN).square())


def activity(x: torch.Tensor) -> torch.Tensor:
    """(n, 1, height, width): how much the light changes from pixel to pixel everywhere around each pixel of a small picture."""
    light = x.mean(dim=1, keepdim=True)
    away = _mean((light - _mean(light, 3)).abs(), 3)
    # The least of 5x5 pixels: an edge between two flat places, such as a letter's, is narrower, and so is no texture.
    least = -nn.functional.max_pool2d(-away, 5, stride=1, padding=2)
    return _mean(least, 3)


def _mean(planes: torch.Tensor, side: int) -> torch.Tensor:
    """The mean of the side x side pixels around each, of those that there are."""
    return nn.functional.avg_pool2d(planes, side, stride=1, padding=side // 2, count_include_pad=False)


def kernels(scale: int) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Convolutions that do as `pellucid.images.resized`: ``down`` (1, scale^2, 5, 5) from the planes of a large picture's pixels to
    a small picture, bicubic; ``up`` (scale^2, 1, 5, 5) back; ``spread`` the same without ringing (linear)."""
    count = 4 * REACH + 1
    middle, near = 2 * REACH, slice(REACH, 3 * REACH + 1)

    def lines(size: int, other: int, kernel: PillowImage.Resampling) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        """(other, size): how much each of ``size`` pixels in a row counts for each of ``other``."""
        return images.resized(np.eye(size, dtype=np.float32)[..., None], other, size, kernel)[..., 0]

    down = lines(scale * count, count, images.BICUBIC)[middle].reshape(count, scale)[near]
    both = {"down": np.einsum("pi,qj->ijpq", down, down).reshape(1, scale**2, *2 * (2 * REACH + 1,))}
    for name, kernel in (("up", images.BICUBIC), ("spread", PillowImage.Resampling.BILINEAR)):
        up = lines(count, scale * count, kernel).reshape(count, scale, count)[middle][:, near]
        both[name] = np.einsum("ip,jq->ijpq", up, up).reshape(scale**2, 1, *2 * (2 * REACH + 1,))
    return {name: np.ascontiguousarray(kernel, dtype=np.float32) for name, kernel in both.items()}
