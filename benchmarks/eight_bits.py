"""How much the rounding of inputs to eight bits costs a model, in dB, beside the same weights with inputs in float32.

    python benchmarks/eight_bits.py MODEL FOLDER --noise gaussian:5 --noise gaussian:25

MODEL is a shipped file's name or a path, FOLDER has clean photographs that it did not learn from: their middle 256x256 pixels.
The noise is as the recipe has it in training; the network alone answers, in PyTorch. A line has the PSNR with inputs in float32,
the mean change by rounding, and the worst.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from pellucid import degradations, files, images
from pellucid.training import export, losses
from pellucid.training.batches import stack
from pellucid.training.looks import planes_of
from pellucid.training.quantisation import plain
from pellucid.training.recipes import Recipe

SIDE = 256


@torch.no_grad()
def main() -> None:
    """Prints a line for each noise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--noise", action="append", required=True)
    asked = parser.parse_args()
    card, weights = export.beginning(asked.model, 3)
    assert card is not None
    network = export.network_of(card, weights)
    recipe = Recipe.from_dict(card.recipe)
    pictures = []
    for path in sorted(asked.folder.iterdir()):
        pixels = images.floating(files.read(path)).pixels[:, :, :3]
        top, left = (max(0, (length - SIDE) // 2) for length in pixels.shape[:2])
        high, wide = (min(SIDE, length) // network.multiple_of * network.multiple_of for length in pixels.shape[:2])
        part = pixels[top : top + high, left : left + wide]
        pictures.append(part if card.channels == 3 else part @ images.LUMA[:, None])
    for noise in asked.noise:
        scores = []
        for index, clean in enumerate(pictures):
            pair = recipe.task.degrade(np.asarray(clean, np.float32), degradations.parse(noise), np.random.default_rng(index))
            given, base, wanted = planes_of(stack([pair]), network, torch.device("cpu"))

            def score(given: torch.Tensor = given, base: torch.Tensor = base, wanted: torch.Tensor = wanted) -> float:
                restored = losses.answer(network, network.answer, given, base).clamp(0, 1)
                return float(-10 * torch.log10((restored - wanted).square().mean()))

            rounded = score()
            with plain(network):
                scores.append((score(), rounded))
        whole, change = np.array(scores)[:, 0], np.diff(np.array(scores), axis=1)
        print(f"{card.name}, {noise}: {whole.mean():.2f} dB, {change.mean():+.3f}, at worst {change.min():+.3f}", flush=True)


if __name__ == "__main__":
    main()
