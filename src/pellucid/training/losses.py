"""Losses by name: the distance of a network's outputs from clean images, or an estimate of it without clean images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from pellucid import colour, metrics, sensor
from pellucid.training.networks import Network
from pellucid.training.networks.colorizer import SHARPENED

__all__ = [
    "LOSSES",
    "NOISY_LOSSES",
    "Loss",
    "answer",
    "loss_of",
    "neighbour_loss",
    "picked",
    "raw_output",
    "reachable",
    "stein_loss",
]

PSNR_SOFTENING = 1e-4
"""Added to the mean squared error in the loss ``psnr``. Its gradient grows as an image's error shrinks: without it, the nearly
clean images of a batch outweigh all others."""

PART_SOFTENING = 0.0125
"""The loss ``psnr-part`` adds this to the mean squared error, for each unit of the noise's standard deviation: about the error
that is left of a photograph (DnCNN's published scores on BSD68, Zhang et al. 2017, give 0.0114, 0.0122 and 0.0121 at levels 15,
25, 50)."""

OVERLAP_SOFTENING = 0.01
"""The loss ``alpha`` adds this share of an image's pixels to both sides of the overlap: an empty answer to an empty image is
right, and a small thing no harder than others."""

GRADIENT_WEIGHT = 2.0
"""How much the loss ``alpha`` counts the change of alpha from pixel to pixel: edges are few, so its mean is small."""

ENTROPY_WEIGHT = 4.0
"""How much the loss ``damage`` counts cross-entropy beside the overlap: few pixels are damaged, so its mean is small."""

GRADIENTS_WEIGHT = 0.1
"""How much the loss ``gradients`` counts the likeness of changes: their loss is some 0.4 where the mean error is 0.03."""

SPECTRUM_WEIGHT = 0.03
"""How much it counts the squared logarithm of the ratio of spectra, frequency by frequency, of what is beyond the bicubic one."""

SPECTRUM_SIDE = 24
"""Side of a window in pixels."""

SPECTRUM_FLOOR = (0.5 / 255) ** 2
"""The power below which spectra are alike: that of rounding to 8 bits."""

RESIDUALS = ("residual", "interpolated")
"""The kinds of answers (`pellucid.cards.ANSWERS`) that are taken away from a base."""

NOISY_LOSSES = ("stein", "neighbours")
"""How a network may learn from noisy images alone (a recipe's ``noisy_loss``): by `stein_loss`, or by `neighbour_loss`."""

BLUR = 0.5 * colour.BIN_STEP / colour.EVEN_SPAN
"""A true colour counts for the bins around it by a Gaussian of this standard deviation: half a step, in a network's unit."""

COLOURFUL = 12.0 / colour.EVEN_SPAN
"""A pixel counts once more for each 12 of its chroma on the even scale: most of any photograph is nearly gray."""

DISTANCE_SHARE = 5.0
"""How much the distance of answer and truth counts beside the cross-entropy: a quarter of the loss at the start."""

NEIGHBOUR_WEIGHT = 2.0
"""How much the regulariser of `neighbour_loss` counts at a run's end; it grows from nothing (the authors' ``increase_ratio``)."""

PROBE = 0.25
"""How strong `stein_loss` makes its own noise, as a share of the image's: strong enough to be felt through bfloat16, too weak for
the level to be another one (1.03 times)."""


def answer(network: torch.nn.Module, kind: str, batch_input: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """The restored image in float32, unclipped: the network's output, or ``base`` (input or enlargement) less its residual."""
    scale = base.shape[-1] // batch_input.shape[-1]
    output: torch.Tensor = (network(batch_input) if scale == 1 else network(batch_input, scale)).float()
    # Planes behind the target's say how sure the others are.
    return base - output if kind in RESIDUALS else output[:, : base.shape[1]]


def raw_output(network: torch.nn.Module, batch_input: torch.Tensor) -> torch.Tensor:
    """The output that a `Loss` with ``raw`` reads, in float32: of the network's ``training_output``, where it has one."""
    own: Callable[[torch.Tensor], torch.Tensor] = getattr(network, "training_output", network)
    return own(batch_input).float()


def reachable(network: torch.nn.Module, batch_input: torch.Tensor, base: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
    """The nearest to ``clean`` that an output can come: of a network whose output is bound, by its ``reachable``."""
    own: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] | None = getattr(network, "reachable", None)
    return clean if own is None else own(batch_input, base, clean)


def loss_of(
    kind: str, restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean loss of a batch by the row ``kind`` of `LOSSES`; all are (n, channels, h, w), ``weight`` (n, 1, h, w)."""
    return LOSSES[kind].function(restored, clean, noisy, weight)


def _mean(errors: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The mean of a batch's errors, each pixel counted by its weight."""
    return errors.mean() if weight is None else (errors * weight).mean() / weight.mean().clamp_min(1e-6)


def _means(errors: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The mean of each image's errors (n,), each pixel counted by its weight."""
    each = (1, 2, 3)
    return errors.mean(dim=each) if weight is None else (errors * weight).mean(dim=each) / weight.mean(dim=each).clamp_min(1e-6)


def _l1(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    return functional.l1_loss(restored, clean) if weight is None else _mean((restored - clean).abs(), weight)


def _l2(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    return functional.mse_loss(restored, clean) if weight is None else _mean((restored - clean).square(), weight)


def _psnr(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """10 log10 of each image's squared error, softened."""
    return _decibels(_means((restored - clean).square(), weight))


def _psnr_part(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """Takes each image for a part of a larger one, whose other parts are as hard as photographs usually are.

    A part counts by its error, not by the error's logarithm, since an image's score is that of its mean error; and levels of noise
    count alike.
    """
    squared = _means((restored - clean).square(), weight)
    return _decibels(squared + PART_SOFTENING * (noisy - clean).square().mean(dim=(1, 2, 3)).sqrt())


def _toned_part(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The same of light, as it is shown: by sRGB's tone curve."""
    return _psnr_part(_toned(restored), _toned(clean), _toned(noisy), weight)


def _toned(light: torch.Tensor) -> torch.Tensor:
    """`pellucid.sensor.toned`."""
    below = torch.tensor(sensor.BELOW, device=light.device)
    return torch.where(light <= below, light * 12.92, 1.055 * torch.maximum(light, below) ** (1 / 2.4) - 0.055)


def _gradients(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The mean error, and how far the changes of the light from pixel to pixel differ: the mean of GMSD's map (`metrics.gmsd`) from
    1, and its spread, at full and at half size; and how far the spectra differ of what is beyond the bicubic enlargement."""
    first, second = (planes.mean(dim=1, keepdim=True) for planes in (restored, clean))
    loss = _l1(restored, clean, noisy, weight)
    for _ in range(2):
        one, other = _changes(first), _changes(second)
        alike = (2 * one * other + metrics.GMS_C) / (one.square() + other.square() + metrics.GMS_C)
        loss = loss + GRADIENTS_WEIGHT * (1 - alike.mean() + alike.std(dim=(1, 2, 3)).mean())
        first, second = functional.avg_pool2d(first, 2), functional.avg_pool2d(second, 2)
    # A pattern that repeats has a peak in its spectrum, however natural each part of it looks.
    spectra = [_spectrum((planes - noisy).mean(dim=1, keepdim=True)) for planes in (restored, clean)]
    return loss + SPECTRUM_WEIGHT * (spectra[0] / spectra[1]).log().square().mean()


def _spectrum(plane: torch.Tensor) -> torch.Tensor:
    """(n, f, f): the mean power at each frequency, of windows of `SPECTRUM_SIDE` pixels that overlap by a half (Welch 1967)."""
    side = min(SPECTRUM_SIDE, *plane.shape[2:])
    hann = torch.hann_window(side, device=plane.device)
    tiles = functional.unfold(plane, side, stride=side // 2).transpose(1, 2).reshape(len(plane), -1, side, side)
    power: torch.Tensor = torch.fft.rfft2(tiles * hann[:, None] * hann).abs().square().mean(dim=1)
    return power / hann.square().sum() ** 2 + SPECTRUM_FLOOR


def _changes(plane: torch.Tensor) -> torch.Tensor:
    """The magnitude of Prewitt's gradients."""
    kernel = torch.tensor([[[[1.0, 0.0, -1.0]] * 3]], device=plane.device) / 3
    across, down = functional.conv2d(plane, kernel), functional.conv2d(plane, kernel.transpose(2, 3))
    return (across.square() + down.square() + 1e-6).sqrt()


def _bce(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    if weight is None:
        return functional.binary_cross_entropy(restored, clean)
    return _mean(functional.binary_cross_entropy(restored, clean, reduction="none"), weight)


def _alpha(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """For alpha, from its logits: cross-entropy, the overlap of each image with what is meant, and the change from pixel to pixel.

    The overlap is that of soft sets (Rahman and Wang 2016), eased by `OVERLAP_SOFTENING`, so that an image with nothing to cut
    asks for an empty answer.
    """
    entropy = _mean(functional.binary_cross_entropy_with_logits(restored, clean, reduction="none"), weight)
    alpha = torch.sigmoid(restored)
    shared, together = (_means(one, weight) for one in (torch.minimum(alpha, clean), torch.maximum(alpha, clean)))
    overlap = 1 - ((shared + OVERLAP_SOFTENING) / (together + OVERLAP_SOFTENING)).mean()
    error = alpha - clean
    down = _mean(error.diff(dim=2).abs(), None if weight is None else weight[:, :, 1:])
    across = _mean(error.diff(dim=3).abs(), None if weight is None else weight[..., 1:])
    return entropy + overlap + GRADIENT_WEIGHT * (down + across)


def _damage(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """For chances, from their logits: cross-entropy, and the overlap (Dice 1945) of the whole batch with what is meant: single
    images may hold nothing."""
    entropy = _mean(functional.binary_cross_entropy_with_logits(restored, clean, reduction="none"), weight)
    chance = torch.sigmoid(restored)
    share = clean.numel() * 1e-4
    overlap = (2 * (chance * clean).sum() + share) / (chance.sum() + clean.sum() + share)
    return ENTROPY_WEIGHT * entropy + 1 - overlap


def _decibels(squared: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(squared + PSNR_SOFTENING).mean()


def _chroma(raw: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
    """The loss of logits over the bins of chroma: their cross-entropy, pixels of colour weighed up, and the distance of the mean of
    the sharpened distribution, all pixels alike. The truth, two planes of chroma (`colour.planes_of`), is averaged to the logits'
    size."""
    truth = functional.avg_pool2d(clean, clean.shape[-1] // raw.shape[-1])
    bins = torch.from_numpy(colour.planes_of(colour.BINS)).to(raw)
    # The squared distance, without the part that all bins have in common.
    near = torch.einsum("nchw,kc->nkhw", truth, bins) - bins.square().sum(dim=1)[:, None, None] / 2
    wanted = torch.softmax(near / BLUR**2, dim=1)
    crossed = -(wanted * torch.log_softmax(raw, dim=1)).sum(dim=1)
    counts = 1 + truth.square().sum(dim=1).sqrt() / COLOURFUL
    mean = torch.einsum("nkhw,kc->nchw", torch.softmax(raw / SHARPENED, dim=1), bins)
    distance = ((mean - truth).square().sum(dim=1) + (1 / colour.EVEN_SPAN) ** 2).sqrt()
    return (crossed * counts).mean() / counts.mean() + DISTANCE_SHARE * distance.mean()


@dataclass(frozen=True)
class Loss:
    """``function(restored, clean, noisy, weight)``: the mean loss of a batch. All are (n, channels, h, w), float32; ``weight`` (n,
    1, h, w) says how much each pixel counts, None: all alike.

    ``raw``: ``restored`` is not the restored image but what `raw_output` answers, such as logits, or a distribution of which the
    network makes its answer.
    """

    function: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]
    raw: bool = False


LOSSES: dict[str, Loss] = {
    "l1": Loss(_l1),
    "l2": Loss(_l2),
    "psnr": Loss(_psnr),
    "psnr-part": Loss(_psnr_part),
    "toned-part": Loss(_toned_part),
    "gradients": Loss(_gradients),
    "bce": Loss(_bce),
    "chroma": Loss(_chroma, raw=True),
    "alpha": Loss(_alpha, raw=True),
    "damage": Loss(_damage, raw=True),
}
"""A recipe's ``loss`` and ``finish_loss`` by name."""


def neighbour_loss(
    model: torch.nn.Module,
    network: Network,
    given: torch.Tensor,
    clean: torch.Tensor,
    whole: torch.Tensor,
    first: torch.Tensor,
    second: torch.Tensor,
    weight: float,
) -> torch.Tensor:
    """The loss of a batch of noisy images without clean ones (Huang et al. 2021, equation 8).

    ``whole`` is the input that ``given`` and ``clean`` were picked from, by pixel ``first`` and ``second`` of every 2x2 cell (see
    `picked`). Squares, since the mean of independent noisy answers is the clean one. The difference of a pixel and its neighbour
    beneath the noise is taken from the answer to the whole image, and ``weight`` says how much that counts.
    """
    with torch.no_grad():
        restored_whole = answer(model, network.answer, whole, whole[:, : clean.shape[1]])
        expected = picked(restored_whole, first) - picked(restored_whole, second)
    error = answer(model, network.answer, given, given[:, : clean.shape[1]]) - clean
    return error.square().mean() + weight * (error - expected).square().mean()


def stein_loss(
    model: torch.nn.Module, network: Network, given: torch.Tensor, noisy: torch.Tensor, probe: torch.Tensor, level: int
) -> torch.Tensor:
    """Each image's squared error, (n,), estimated without the clean image from noise of known level, plane ``level`` of ``given``.

    An image with more noise, y + a s z, and one with other noise, y - s z / a, have independent errors where the noise of y is
    Gaussian with the standard deviation s (Pang et al. 2021, "Recorrupted-to-Recorrupted"). With z and -z drawn together, and
    without the part that does not depend on the answer, that is Stein's unbiased estimate (1981); the difference of both answers
    gives its divergence.
    """
    channels = noisy.shape[1]
    sigma = given[:, level : level + 1]
    moved = PROBE * sigma * probe
    more, less = given.clone(), given.clone()
    more[:, :channels] += moved
    less[:, :channels] -= moved
    both = torch.cat((more, less))
    both[:, level] *= math.sqrt(1 + PROBE**2)
    first, second = answer(model, network.answer, both, both[:, :channels]).chunk(2)
    away = ((first - noisy).square() + (second - noisy).square()) / 2
    return (away + sigma * probe * (first - second) / PROBE - sigma.square()).mean(dim=(1, 2, 3))


def picked(planes: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Pixel number ``which`` (n, h, w), 0 to 3, of every 2x2 cell of ``planes`` (n, c, 2h, 2w)."""
    count, channels, height, width = planes.shape
    cells = functional.pixel_unshuffle(planes, 2).reshape(count, channels, 4, height // 2, width // 2)
    chosen = which[:, None, None].expand(-1, channels, 1, -1, -1)
    pixels: torch.Tensor = cells.gather(2, chosen).squeeze(2)
    return pixels
