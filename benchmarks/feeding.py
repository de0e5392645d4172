"""How fast `pellucid train` is beside the same training fed from memory: images a second of the loop as it runs, of the loop with
batches that were made before, and the ratio of the two.

    python benchmarks/feeding.py FOLDER --recipe photo own:1 own:3 upscale --out benchmarks/results/feeding.json

FOLDER has clean images; ``:1`` and ``:3`` choose gray and colour. One run of `pellucid.training.loop.train`, with the recipe's
network, batch and precision, takes its batches now from where it always does, now from memory, by turns: what else the machine does
meets both. Beside seconds, the processor seconds of a step are counted, which other work does not change: where all cores are busy
they say the same. What FILE has of other recipes stays in it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from pellucid.saving import replacing
from pellucid.training import data, loop, recipes
from pellucid.training.data import Batch

SKIPPED = 6
"""How many steps of each turn do not count: in them the batches are used up that were made ahead while the other turn ran."""

READY = 6
"""How many batches lie ready: of each factor of ``upscale`` two."""


@dataclass
class Turns:
    """Takes batches from ``feed`` and from ``ready`` by turns of so many ``steps``, and notes what each step took."""

    feed: Iterator[Batch]
    ready: list[Batch]
    steps: int
    times: list[tuple[float, float, float]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Batch]:
        """The batches, without end."""
        for number in itertools.count():
            begun, busy = time.perf_counter(), time.process_time()
            # The first steps are of neither: memory is taken in them, and convolutions are chosen.
            fed = number >= SKIPPED and (number - SKIPPED) // (SKIPPED + self.steps) % 2 == 0
            batch = next(self.feed) if fed else self.ready[number % len(self.ready)]
            self.times.append((begun, busy, time.perf_counter() - begun))
            yield batch

    def measured(self, fed: bool) -> list[tuple[float, float, float]]:
        """Seconds and processor seconds of a step, and the share of the time that it waited for its batch, of each turn."""
        length, found = SKIPPED + self.steps, []
        for start in range(SKIPPED if fed else SKIPPED + length, len(self.times) - length, 2 * length):
            part = self.times[start + SKIPPED : start + length + 1]
            seconds, busy = (part[-1][place] - part[0][place] for place in (0, 1))
            found.append((seconds / self.steps, busy / self.steps, sum(wait for _, _, wait in part[:-1]) / seconds))
        return found


def measured(name: str, folder: Path, steps: int, turns: int) -> dict[str, Any]:
    """Both speeds of a recipe, medians of so many turns."""
    title, _, channels = name.partition(":")
    recipe = recipes.find(title)
    if channels:
        recipe = recipes.with_channels(recipe, int(channels))
    pictures = data.load(folder, recipe.data)
    # The validation at the end is not what is measured.
    pictures = replace(pictures, valid=pictures.valid[:1])
    begun = time.process_time()
    ready = [data.make_batch(pictures, recipe, 1, step) for step in range(READY)]
    making = (time.process_time() - begun) / READY
    load = os.getloadavg()[0]
    real, watched = data.batches, []

    def batches(*arguments: Any, **options: Any) -> Iterator[Batch]:
        watched.append(Turns(real(*arguments, **options), ready, steps))
        return iter(watched[0])

    length = SKIPPED + turns * 2 * (SKIPPED + steps) + 1
    recipe = replace(recipe, training=replace(recipe.training.lasting(steps=length), validations=1))
    with tempfile.TemporaryDirectory() as place, mock.patch.object(data, "batches", batches):
        loop.train(recipe, pictures, checkpoint=Path(place) / "run.checkpoint")
    found = [watched[0].measured(way) for way in (True, False)]
    if not all(found):
        raise SystemExit(f"{name}: not one turn of each kind was finished")
    fed, memory = ([statistics.median(part) for part in zip(*way, strict=True)] for way in found)
    return {
        "recipe": name,
        "batch": recipe.training.batch,
        "images": len(pictures.train),
        "fed": recipe.training.batch / fed[0],
        "memory": recipe.training.batch / memory[0],
        "ratio": memory[0] / fed[0],
        "busy_fed": fed[1],
        "busy_memory": memory[1],
        "busy_ratio": memory[1] / fed[1],
        "waiting": fed[2],
        "making": making,
        "steps": steps,
        "turns": len(found[1]),
        "load": load,
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean images to learn from")
    parser.add_argument("--recipe", nargs="+", default=["photo", "own:1", "own:3", "upscale"], help="which to measure")
    parser.add_argument("--steps", type=int, default=6, help="steps of a turn that count (default: 6)")
    parser.add_argument("--turns", type=int, default=3, help="turns of each kind (default: 3)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    rows = []
    for name in options.recipe:
        row = measured(name, options.folder, options.steps, options.turns)
        rows.append(row)
        told = f"{row['fed']:.1f} images/s, from memory {row['memory']:.1f}: {row['ratio']:.1%}"
        told += f"; processor seconds a step {row['busy_fed']:.3f} and {row['busy_memory']:.3f}: {row['busy_ratio']:.1%}"
        told += f"; waited {row['waiting']:.1%}; a batch takes {1000 * row['making']:.0f} ms of one core to make"
        print(f"{name}: {told}; {row['turns']} turns of {options.steps} steps, load {row['load']:.1f}", flush=True)
    if options.out is not None:
        kept = json.loads(options.out.read_text("utf-8"))["rows"] if options.out.exists() else []
        merged = {row["recipe"]: row for row in [*kept, *rows]}
        found = {"cores": os.cpu_count(), "machine": platform.machine(), "torch": torch.__version__, "rows": list(merged.values())}
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
