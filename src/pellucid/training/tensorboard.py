"""Logs for TensorBoard while a run lasts: curves, and held-out images at each validation."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pellucid.errors import MissingExtra
from pellucid.training import figures
from pellucid.training.loop import Progress
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

__all__ = ["Log", "check"]


def check() -> None:
    """Raises `MissingExtra` where the package that writes the logs is not installed."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise MissingExtra("tensorboardX", "tensorboard") from error


class Log:
    """The event files of one run, in ``folder``; `progress` and `validated` fit `loop.train`. Call `close` at the end.

    TensorBoard then leaves out the logs of an earlier run in the folder; if this run is ``resumed``, only those of the steps from
    its first one here on.
    """

    def __init__(self, folder: Path, recipe: Recipe, pictures: Pictures, *, resumed: bool = False) -> None:
        check()
        self._resumed = resumed
        self._folder, self._recipe, self._pictures = folder, recipe, pictures
        # A second network: the one in training must keep its weights.
        self._network = recipe.network.build().eval()
        self._writer: Any = None

    def _open(self, step: int) -> Any:
        if self._writer is None:
            from tensorboardX import SummaryWriter

            self._writer = SummaryWriter(str(self._folder), purge_step=step if self._resumed else 0, flush_secs=10)
        return self._writer

    def progress(self, line: Progress) -> None:
        """Logs loss, learning rate and images a second, and after a validation the held-out loss and the scores by noise."""
        writer = self._open(line.step)
        scalars: dict[str, float | None] = {"loss/held-out": line.validation_loss}
        if line.step:
            scalars |= {"loss/training": line.loss, "run/learning-rate": line.rate, "run/images-per-second": line.speed}
        label = self._recipe.validated.label
        scalars |= {f"{label}/{noise.replace(':', '-')}": value for noise, value in (line.scores or {}).items()}
        for name, value in scalars.items():
            if value is not None and math.isfinite(value):
                writer.add_scalar(name, value, line.step)

    def validated(self, line: Progress, weights: dict[str, torch.Tensor]) -> None:
        """Logs held-out images: before, restored and, where it is known, clean, side by side."""
        writer = self._open(line.step)
        self._network.load_state_dict(weights)
        for number, example in enumerate(figures.examples(self._network, self._recipe, self._pictures), 1):
            parts = [example.noisy, example.restored, *([] if example.clean is None else [example.clean])]
            levels = np.rint(np.clip(np.concatenate(parts, axis=1), 0, 1) * 255).astype(np.uint8)
            name = f"{self._recipe.task.before}-restored{'' if example.clean is None else '-clean'}"
            writer.add_image(f"held-out-{number}/{name}", levels, line.step, dataformats="HWC")

    def close(self) -> None:
        """Writes all that is still in memory, and closes the files."""
        if self._writer is not None:
            self._writer.close()
