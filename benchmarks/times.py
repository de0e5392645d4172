"""How long cutting out and colouring take from array to array, the model loaded.

    python benchmarks/times.py [--model colorize] [--model cutout] [--megapixels 0.07,1,12] [--json]

For each model and size the median time by the clock, and the processor time (of all threads) over the number of cores: on a
machine that others use, too, the clock says little, and the second is what an idle machine would take at best. Beside them both
over the time of a product of two 2048x2048 matrices in the engine's precision in the same run (by processor time), so that two
machines, or two days of one, can be compared. 0.07 megapixels are the page's preview; colours are made with no hint and with 20.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from pellucid import engines, evaluation, images, restorer, samples
from pellucid.errors import PellucidError

HINTS = tuple((7 + 13 * place, 5 + 9 * place, ("red", "olive", "skyblue")[place % 3]) for place in range(20))
"""Colours at places that every picture here has."""


def timed(call: Callable[[], object], times: int = 5) -> tuple[float, float]:
    """Median seconds of a call by the clock, and of all cores together; one call to warm up."""
    call()
    found = []
    for _ in range(times):
        clock, processor = time.perf_counter(), time.process_time()
        call()
        found.append((time.perf_counter() - clock, time.process_time() - processor))
    clocks, processors = zip(*found, strict=True)
    return statistics.median(clocks), statistics.median(processors)


def product() -> tuple[str, float]:
    """The engine's precision here, and the processor seconds of a product of two matrices of 2048x2048 in it."""
    precision, side = engines.precision("openvino"), 2048
    ops = openvino.opset13
    left = ops.parameter([side, side], np.float32)
    right = ops.constant(np.random.default_rng(0).random((side, side), dtype=np.float32))
    model = openvino.Model([ops.matmul(left, right, False, False)], [left])
    request = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision}).create_infer_request()
    values = np.random.default_rng(1).random((side, side), dtype=np.float32)
    return precision, timed(lambda: request.infer([values], share_inputs=True))[1]


def picture(megapixels: float, channels: int) -> NDArray[np.uint8]:
    """The package's photograph at that size, 3 to 2."""
    height = round((megapixels * 1e6 * 2 / 3) ** 0.5)
    pixels = images.resized(samples.photograph().astype(np.float32) / 255, height, round(megapixels * 1e6 / height), images.BICUBIC)
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return levels if channels == 3 else np.rint(levels.mean(axis=2)).astype(np.uint8)


def main() -> int:
    """Measures and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="a model's name or file; may be repeated (default: colorize, cutout)")
    parser.add_argument("--megapixels", default="0.07,1,12", help="sizes, with commas between (default: 0.07,1,12)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args()
    precision, fixed = product()
    cores = os.cpu_count() or 1
    rows: list[dict[str, Any]] = []
    try:
        for name in options.model or ["colorize", "cutout"]:
            model = restorer.load(name)
            for megapixels in map(float, options.megapixels.split(",")):
                given = picture(megapixels, 1 if model.task.name == "colorize" else 3)
                for hints in ((), HINTS) if model.task.name == "colorize" else ((),):
                    call = partial(model.restore, given, **({"hint": hints} if hints else {}))
                    clock, processor = timed(call)
                    rows.append({"model": name, "megapixels": megapixels, "hints": len(hints), "seconds": clock})
                    rows[-1] |= {"processor_seconds_by_core": processor / cores, "products": processor / fixed}
    except PellucidError as error:
        print(f"times.py: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"processor": evaluation.processor(), "cores": cores, "precision": precision, "rows": rows}, indent=1))
        return 0
    print(f"{evaluation.processor()}, {cores} cores, {precision}; a matrix product takes {fixed * 1e3:.0f} ms of one core")
    print(f"{'model':<12}{'megapixels':>11}{'hints':>7}{'clock s':>10}{'processor s / cores':>21}{'matrix products':>17}")
    for row in rows:
        print(
            f"{row['model']:<12}{row['megapixels']:>11g}{row['hints']:>7}{row['seconds']:>10.3f}"
            f"{row['processor_seconds_by_core']:>21.3f}{row['products']:>17.1f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
