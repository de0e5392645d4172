"""Validation: how well held-out images are restored by weights that are not the network's own at that moment."""

from __future__ import annotations

import numpy as np
import torch

from pellucid import metrics
from pellucid.training import losses
from pellucid.training.batches import validation_batches
from pellucid.training.looks import on_device, planes_of
from pellucid.training.networks import Network
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

__all__ = ["has_bfloat16", "validate"]


@torch.no_grad()
def validate(
    network: Network, weights: dict[str, torch.Tensor], pictures: Pictures, recipe: Recipe, device: torch.device
) -> tuple[float, dict[str, float] | None]:
    """The recipe's loss on held-out images by these ``weights``, and their mean score by the recipe's metric
    (`Recipe.validated`), by noise and over all (``mean``).

    PSNR is that of the target's planes, other metrics look at the pictures that the task makes of them (`Learning.picture`). The
    scores are None where no image is clean. The network keeps its own weights and is left in evaluation mode.
    """
    own = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(weights)
    network.eval()
    errors: list[float] = []
    scores: dict[str, list[float]] = {}
    low_precision = device.type == "cuda" or recipe.training.precision != "float32"
    with torch.autocast(device.type, torch.bfloat16, enabled=low_precision and has_bfloat16(device.type)):
        most = 12_000 if recipe.data.kind == "digits" and len(recipe.data.validation) == 1 else 1_000
        for noise, batch in validation_batches(pictures, recipe, most=most):
            given, base, clean = planes_of(batch, network, device)
            if batch.probe is not None:
                errors += losses.stein_loss(
                    network, network, given, clean, on_device(batch.probe, device), recipe.level_plane
                ).tolist()
                continue
            restored = losses.answer(network, network.answer, given, base)
            raw = losses.raw_output(network, given) if losses.LOSSES[recipe.training.loss].raw else None
            if batch.neighbours is not None:
                errors += (restored - clean).square().mean(dim=(1, 2, 3)).tolist()
                continue
            restored = restored.clamp(*recipe.task.limits)
            weight = None if batch.weight is None else on_device(batch.weight, device)
            compared = restored if raw is None else raw
            errors += [float(losses.loss_of(recipe.training.loss, compared, clean, base, weight))] * len(clean)
            scores.setdefault(noise, []).extend(_scores(given, restored, clean, recipe))
    network.load_state_dict(own)
    means = {noise: float(np.mean(values)) for noise, values in scores.items()}
    if means:
        means["mean"] = float(np.mean(list(means.values())))
    return float(np.mean(errors)), means or None


def _scores(given: torch.Tensor, restored: torch.Tensor, clean: torch.Tensor, recipe: Recipe) -> list[float]:
    """The score of each image of a batch by the recipe's metric (`Recipe.validated`)."""
    if recipe.validated.function is metrics.psnr:
        squared = (restored - clean).square().mean(dim=(1, 2, 3)).clamp_min(10 ** (-metrics.PSNR_CAP / 10))
        values: list[float] = (-10 * torch.log10(squared)).tolist()
        return values
    channels = recipe.task.planes(recipe.data.channels)[0]
    images, answers, perfect = (
        planes.float().permute(0, 2, 3, 1).cpu().numpy() for planes in (given[:, :channels], restored, clean)
    )
    return [
        recipe.validated.function(recipe.task.picture(image, one), recipe.task.picture(image, other), data_range=1.0)
        for image, one, other in zip(images, perfect, answers, strict=True)
    ]


def has_bfloat16(device: str) -> bool:
    """Whether bfloat16 is in the hardware: without it, it is slower than float32 on a CPU."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
