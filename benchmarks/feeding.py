"""How fast `pellucid train` is beside the same training fed from memory: images a second of the loop as it runs, of the loop with
batches that were made before, and the ratio of the two.

    python benchmarks/feeding.py FOLDER --recipe photo own:1 own:3 upscale --out benchmarks/results/feeding.json

FOLDER has clean images; ``:1`` and ``:3`` choose gray and colour. Both run `pellucid.training.loop.train` with the recipe's
network, batch and precision, in turns; the first steps of each turn do not count. What FILE has of other recipes stays in it.
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
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from pellucid.saving import replacing
from pellucid.training import data, loop, recipes
from pellucid.training.data import Batch, Pictures
from pellucid.training.recipes import Recipe

SKIPPED = 4
"""How many steps of each turn do not count: memory is taken and convolutions are chosen in them, and batches made ahead while
nothing else was at work are used up."""

READY = 6
"""How many batches lie ready: of each factor of ``upscale`` two."""


def asked(feed: Iterator[Batch], times: list[float], waits: list[float]) -> Iterator[Batch]:
    """The same batches; notes when each was asked for, and how long it took to come."""
    for number in itertools.count():
        times.append(time.perf_counter())
        batch = next(feed)
        waits.append(time.perf_counter() - times[number])
        yield batch


def turn(recipe: Recipe, pictures: Pictures, steps: int, ready: list[Batch] | None) -> tuple[float, float]:
    """Images a second of so many steps, and the share of their time that the loop waited for batches."""
    times: list[float] = []
    waits: list[float] = []
    real = data.batches

    def watched(*arguments: Any, **options: Any) -> Iterator[Batch]:
        return asked(real(*arguments, **options) if ready is None else itertools.cycle(ready), times, waits)

    recipe = replace(recipe, training=replace(recipe.training.lasting(steps=SKIPPED + steps + 1), validations=1))
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(data, "batches", watched):
        loop.train(recipe, pictures, checkpoint=Path(folder) / "run.checkpoint")
    seconds = times[SKIPPED + steps] - times[SKIPPED]
    return recipe.training.batch * steps / seconds, sum(waits[SKIPPED : SKIPPED + steps]) / seconds


def measured(name: str, folder: Path, steps: int, turns: int) -> dict[str, Any]:
    """Both speeds of a recipe, medians of so many turns."""
    title, _, channels = name.partition(":")
    recipe = recipes.find(title)
    if channels:
        recipe = recipes.with_channels(recipe, int(channels))
    pictures = data.load(folder, recipe.data)
    # The validation at the end of a turn is not what is measured.
    pictures = replace(pictures, valid=pictures.valid[:1])
    begun = time.process_time()
    ready = [data.make_batch(pictures, recipe, 1, step) for step in range(READY)]
    making = (time.process_time() - begun) / READY
    load = os.getloadavg()[0]
    found = [(turn(recipe, pictures, steps, None), turn(recipe, pictures, steps, ready)) for _ in range(turns)]
    fed, memory = (statistics.median(pair[place][0] for pair in found) for place in (0, 1))
    return {
        "recipe": name,
        "batch": recipe.training.batch,
        "images": len(pictures.train),
        "fed": fed,
        "memory": memory,
        "ratio": fed / memory,
        "waiting": statistics.median(pair[0][1] for pair in found),
        "making": making,
        "steps": steps,
        "turns": turns,
        "load": load,
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean images to learn from")
    parser.add_argument("--recipe", nargs="+", default=["photo", "own:1", "own:3", "upscale"], help="which to measure")
    parser.add_argument("--steps", type=int, default=20, help="steps of a turn that count (default: 20)")
    parser.add_argument("--turns", type=int, default=3, help="turns of each kind (default: 3)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    rows = []
    for name in options.recipe:
        row = measured(name, options.folder, options.steps, options.turns)
        rows.append(row)
        print(
            f"{name}: {row['fed']:.1f} images/s, from memory {row['memory']:.1f}: {row['ratio']:.1%}; "
            f"waited {row['waiting']:.1%}; a batch takes {1000 * row['making']:.0f} ms of one core to make",
            flush=True,
        )
    if options.out is not None:
        kept = json.loads(options.out.read_text("utf-8"))["rows"] if options.out.exists() else []
        merged = {row["recipe"]: row for row in [*kept, *rows]}
        found = {"cores": os.cpu_count(), "machine": platform.machine(), "torch": torch.__version__, "rows": list(merged.values())}
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
