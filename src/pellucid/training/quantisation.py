"""Convolutions that learn to work in eight bits.

An engine multiplies 8-bit integers about twice as fast as bfloat16, and many times as fast as float32. Rounding a trained network's
weights and inputs to 8 bits afterwards costs it most where the noise is low; trained while it rounds, it loses little (Jacob et al.
2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference"). Here, rounding is simulated
in floating point; `export` writes the integers.

Weights have one step for each output channel, with 127 steps on either side of zero. Inputs have a single step: 255 steps where no
input is negative, else 127 on either side of zero. A layer's output is not rounded: sums along the residual path keep the engine's
full precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Int8Conv2d", "int8_layers", "plain"]

WEIGHT_LEVELS = 127
SIGNED_LEVELS = 127
UNSIGNED_LEVELS = 255

FOLLOW = 0.01
"""The share of the way that the input's step moves in one training step towards the step for the batch's largest input."""


class _Rounded(torch.autograd.Function):
    """Rounds x to the nearest of the steps low ... high; the gradient passes unchanged (straight-through estimator)."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, step: torch.Tensor, low: int, high: int) -> torch.Tensor:
        size = step.to(x.dtype)
        return (x / size).round_().clamp_(low, high).mul_(size)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        return grads[0], None, None, None


def _rounded(x: torch.Tensor, step: torch.Tensor, low: int, high: int) -> torch.Tensor:
    rounded: torch.Tensor = _Rounded.apply(x, step, low, high)  # type: ignore[no-untyped-call]
    return rounded


class Int8Conv2d(nn.Conv2d):
    """A bias-free 3x3 `torch.nn.Conv2d` in eight bits; ``signed``: whether its inputs can be negative.

    ``input_scale`` is the step of the input; 0 before the first training batch.
    """

    input_scale: torch.Tensor

    def __init__(self, inside: int, outside: int, *, signed: bool) -> None:
        super().__init__(inside, outside, 3, padding=1, bias=False)
        self.signed = signed
        self.simulate = True
        self.register_buffer("input_scale", torch.zeros(()))

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # torch's name for it
        """The convolution of the rounded input with the rounded weights."""
        if not self.simulate:
            return super().forward(input)
        low, high = (-SIGNED_LEVELS, SIGNED_LEVELS) if self.signed else (0, UNSIGNED_LEVELS)
        if self.training:
            wanted = input.detach().abs().amax().to(self.input_scale.dtype).clamp_min(1e-6) / high
            followed = torch.lerp(self.input_scale, wanted, FOLLOW)
            self.input_scale.copy_(torch.where(self.input_scale > 0, followed, wanted))
        x = _rounded(input, self.input_scale.clamp_min(1e-12), low, high)
        weight = _rounded(self.weight, self.weight_scale().view(-1, 1, 1, 1), -WEIGHT_LEVELS, WEIGHT_LEVELS)
        return functional.conv2d(x, weight, padding=1)

    def weight_scale(self) -> torch.Tensor:
        """The step of the weights for each output channel."""
        return self.weight.detach().abs().amax(dim=(1, 2, 3)).clamp_min(1e-12) / WEIGHT_LEVELS


def int8_layers(network: nn.Module) -> dict[str, Int8Conv2d]:
    """The network's 8-bit layers by name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, Int8Conv2d)}


@contextmanager
def plain(network: nn.Module) -> Iterator[None]:
    """Within, the 8-bit layers compute as plain ones, without rounding."""
    layers = int8_layers(network).values()
    for layer in layers:
        layer.simulate = False
    try:
        yield
    finally:
        for layer in layers:
            layer.simulate = True
