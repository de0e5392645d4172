"""The seed: a convolutional autoencoder of nine 3x3 layers with batch normalisation and LeakyReLU.

Source: a public notebook that trains it on MNIST with Gaussian noise of factor 0.2. Its code builds the first six layers as
convolutions and the last three as transposed ones; its text says four and five. ``transposed`` has both; the text's is the
default. At stride 1 the two kinds differ only in how a kernel is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn

from pellucid.errors import ModelError

__all__ = ["Autoencoder", "AutoencoderSpec"]

FILTERS = (64, 32, 16, 8, 8, 16, 32, 64)


@dataclass(frozen=True)
class AutoencoderSpec:
    """``channels`` 1 (gray) or 3 (colour); ``transposed`` of the nine layers, counted from the end, are transposed."""

    channels: int = 1
    transposed: int = 5
    network: ClassVar[str] = "autoencoder"

    def __post_init__(self) -> None:
        if self.channels not in (1, 3) or not 0 <= self.transposed <= 9:
            raise ModelError(f"autoencoder: channels must be 1 or 3 and transposed 0 to 9, not {self.channels}, {self.transposed}")

    @property
    def maps(self) -> tuple[str, ...]:
        """No maps: the network is blind."""
        return ()

    def build(self) -> Autoencoder:
        """A network with fresh weights (Glorot uniform, zero biases, as Keras starts)."""
        return Autoencoder(self)


class Autoencoder(nn.Module):
    """Noisy image in, clean image out: (n, channels, height, width) in [0, 1] both ways, any height and width."""

    multiple_of = 1
    answer = "clean"

    def __init__(self, spec: AutoencoderSpec) -> None:
        super().__init__()
        self.spec = spec
        sizes = (spec.channels, *FILTERS, spec.channels)
        layers: list[nn.Module] = []
        for index, (inside, outside) in enumerate(pairwise(sizes)):
            kind = nn.ConvTranspose2d if index >= 9 - spec.transposed else nn.Conv2d
            convolution = kind(inside, outside, 3, padding=1)
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]  # a bias was asked for
            layers.append(convolution)
            if 0 < index < 8:
                # Keras: momentum 0.99 (the share kept), epsilon 0.001
                layers.append(nn.BatchNorm2d(outside, momentum=0.01, eps=1e-3))
            if index < 8:
                layers.append(nn.LeakyReLU(0.01))
        self.layers = nn.Sequential(*layers)

    @property
    def halo(self) -> int:
        """The distance in pixels from which an output pixel can be influenced: one for each layer."""
        return 9

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The clean image."""
        # The sigmoid in float32: in bfloat16 it cannot tell 0.998 from 1, and cross-entropy would see infinities.
        return torch.sigmoid(self.layers(x).float())
