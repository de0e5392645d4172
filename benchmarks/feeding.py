"""How fast `pellucid train` is beside the same training fed from memory: images a second of the loop as it runs, of the loop with
batches that were made before, and the ratio of the two.

    python benchmarks/feeding.py FOLDER --recipe photo own:1 own:3 upscale --out benchmarks/results/feeding.json

FOLDER has clean images; ``:1`` and ``:3`` choose gray and colour. One run of `pellucid.training.loop.train`, with the recipe's
network, batch and precision, takes its batches now from where it always does, now from memory, by turns, and the quickest turn of
each kind counts: other work on the machine only makes them slower. The share of the processor
seconds that goes into making batches is measured, too: so much is lost where all cores are busy. FILE keeps its rows of other
recipes.

On a machine that does other work besides, ``OMP_WAIT_POLICY=passive`` keeps PyTorch's threads from spinning while they wait.
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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from pellucid.saving import replacing
from pellucid.training import feed, loop, recipes
from pellucid.training.batches import Batch, make_batch
from pellucid.training.pictures import load

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
    times: list[tuple[float, float, float, float]] = field(default_factory=list)
    made: list[float] = field(default_factory=list)

    def made_by(self, make: Callable[..., Batch]) -> Callable[..., Batch]:
        """``make``, its processor seconds noted."""

        def made(*arguments: Any, **options: Any) -> Batch:
            begun = time.thread_time()
            batch = make(*arguments, **options)
            self.made.append(time.thread_time() - begun)
            return batch

        return made

    def __iter__(self) -> Iterator[Batch]:
        """The batches, without end."""
        for number in itertools.count():
            begun, busy = time.perf_counter(), time.process_time()
            # The first steps are of neither: memory is taken in them, and convolutions are chosen.
            fed = number >= SKIPPED and (number - SKIPPED) // (SKIPPED + self.steps) % 2 == 0
            batch = next(self.feed) if fed else self.ready[number % len(self.ready)]
            self.times.append((begun, busy, time.perf_counter() - begun, sum(self.made)))
            yield batch

    def measured(self, fed: bool) -> list[tuple[float, float, float]]:
        """For each turn the seconds of a step, the share of them spent waiting for the batch, and the share of the processor
        seconds that went into batches."""
        length, found = SKIPPED + self.steps, []
        for start in range(SKIPPED if fed else SKIPPED + length, len(self.times) - length, 2 * length):
            part = self.times[start + SKIPPED : start + length + 1]
            seconds, busy, made = (part[-1][place] - part[0][place] for place in (0, 1, 3))
            found.append((seconds / self.steps, sum(step[2] for step in part[:-1]) / seconds, made / busy))
        return found


def measured(name: str, folder: Path, steps: int, turns: int) -> dict[str, Any]:
    """Both speeds of a recipe, of the quickest of so many turns."""
    title, _, channels = name.partition(":")
    recipe = recipes.find(title)
    if channels:
        recipe = recipes.with_channels(recipe, int(channels))
    pictures = load(folder, recipe.data)
    # The validation at the end is not what is measured.
    pictures = replace(pictures, valid=pictures.valid[:1])
    ready = [make_batch(pictures, recipe, 1, step) for step in range(READY)]
    busy = os.getloadavg()[0]
    real = feed.batches
    watched = Turns(iter(()), ready, steps)

    def batches(*arguments: Any, **options: Any) -> Iterator[Batch]:
        # Threads make the batches, for the processor time of other processes could not be measured.
        watched.feed = real(*arguments, **{**options, "processes": 0})
        return iter(watched)

    length = SKIPPED + turns * 2 * (SKIPPED + steps) + 1
    recipe = replace(recipe, training=replace(recipe.training.lasting(steps=length), validations=1))
    making = mock.patch.object(feed, "make_batch", watched.made_by(make_batch))
    with tempfile.TemporaryDirectory() as place, mock.patch.object(feed, "batches", batches), making:
        loop.train(recipe, pictures, checkpoint=Path(place) / "run.checkpoint")
    fed, memory = watched.measured(True), watched.measured(False)
    if not fed or not memory:
        raise SystemExit(f"{name}: not one turn of each kind was finished")
    quickest, quickest_memory = (min(seconds for seconds, _, _ in part) for part in (fed, memory))
    return {
        "recipe": name,
        "batch": recipe.training.batch,
        "images": len(pictures.train),
        "fed": recipe.training.batch / quickest,
        "memory": recipe.training.batch / quickest_memory,
        "ratio": quickest_memory / quickest,
        "waiting": max(waited for _, waited, _ in fed),
        "making": statistics.median(made for _, _, made in fed),
        "steps": steps,
        "turns": len(memory),
        "load": busy,
    }


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean images to learn from")
    parser.add_argument("--recipe", nargs="+", default=["photo", "own:1", "own:3", "upscale"], help="which to measure")
    parser.add_argument("--steps", type=int, default=9, help="steps of a turn that count (default: 9)")
    parser.add_argument("--turns", type=int, default=5, help="turns of each kind (default: 5)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    rows = []
    for name in options.recipe:
        row = measured(name, options.folder, options.steps, options.turns)
        rows.append(row)
        line = f"{row['fed']:.1f} images/s, from memory {row['memory']:.1f}: {row['ratio']:.1%}; waited {row['waiting']:.1%}"
        line += f"; batches take {row['making']:.1%} of the processor"
        print(f"{name}: {line}; {row['turns']} turns of {options.steps} steps, load {row['load']:.1f}", flush=True)
    if options.out is not None:
        kept = json.loads(options.out.read_text("utf-8"))["rows"] if options.out.exists() else []
        merged = {row["recipe"]: row for row in [*kept, *rows]}
        found = {"cores": os.cpu_count(), "machine": platform.machine(), "torch": torch.__version__, "rows": list(merged.values())}
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
