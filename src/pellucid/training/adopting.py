"""A run may begin from the weights of another network: of another number of channels, or a narrower one."""

from __future__ import annotations

import torch

from pellucid.errors import OptionError
from pellucid.training.networks import Network

__all__ = ["adopt"]


def adopt(network: Network, start: dict[str, torch.Tensor]) -> None:
    """Takes every weight whose name fits and whose shape does (gray to colour: all but the ends), or is smaller.

    Smaller ones are taken only between networks with the same input and output planes. They become the corner of the wider layer's,
    and the weights from new channels into old ones are zero: the wider network begins with the answers of the narrower one (after
    Chen et al. 2016, "Net2Net: Accelerating Learning via Knowledge Transfer").
    """
    own = network.state_dict()
    kernels = [name for name, value in own.items() if value.ndim == 4]
    ends = ((kernels[0], 1), (kernels[-1], 0)) if kernels else ()
    alike = all(name in start and start[name].ndim == 4 and start[name].shape[axis] == own[name].shape[axis] for name, axis in ends)
    fitting: dict[str, torch.Tensor] = {}
    for name, value in start.items():
        wanted = own.get(name)
        if wanted is None:
            continue
        if wanted.shape == value.shape:
            fitting[name] = value
        elif alike and wanted.ndim == value.ndim == 4 and wanted.shape[2:] == value.shape[2:] and _in_corner(wanted, value):
            fitting[name] = _widened(wanted, value)
    if not fitting:
        raise OptionError("--from: no weight of that model fits this recipe's network")
    network.load_state_dict(own | fitting)


def _in_corner(wide: torch.Tensor, narrow: torch.Tensor) -> bool:
    return all(large >= small for large, small in zip(wide.shape[:2], narrow.shape[:2], strict=True))


def _widened(wide: torch.Tensor, narrow: torch.Tensor) -> torch.Tensor:
    """A convolution's fresh weights, (out, in, h, w) or transposed (in, out, h, w), with a narrower one's in their corner."""
    first, second = narrow.shape[:2]
    widened = wide.clone()
    # Where both sides grow, both ways between old and new channels begin at zero, so it matters not which axis is which. One side
    # alone grows at the ends: the first axis where channels leave the image, the second where they lead to the output.
    if wide.shape[0] > first and wide.shape[1] > second:
        widened[first:, :second] = 0
    widened[:first, second:] = 0
    widened[:first, :second] = narrow
    return widened
