"""How long a picture takes: the network alone, the whole call, and what a user would run instead, in one run.

    pip install -e '.[bench]'
    python benchmarks/speed.py --size 512

The share of the peak is the network's arithmetic by the clock, over what a matrix product in the same precision reaches
in this run (8-bit layers can reach twice that). Then, with --megapixels, a large colour JPEG from file to file beside the 512x512
call; and with --cold a new process on a 512x512 PNG, before and after its graph is in the cache.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import limits
import numpy as np
import openvino
from numpy.typing import NDArray

from pellucid import baselines, batch, degradations, engines, files, images, plan, restorer, samples
from pellucid.tasks.settings import FileSettings

SIGMA = 25.0


def clock(call: Callable[[], object], *, seconds: float) -> float:
    """Median time of a call in seconds: once to warm up, then at least five times and for ``seconds``."""
    call()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def operations(path: Path, planes: tuple[int, ...]) -> float:
    """Multiplications and additions of the graph's convolutions for an input of that shape."""
    model = openvino.Core().read_model(str(path))
    model.reshape(openvino.PartialShape(list(planes)))
    total = 0.0
    for op in model.get_ops():
        kind = op.get_type_name()
        if kind not in ("Convolution", "ConvolutionBackpropData"):
            continue
        kernel = op.input(1).get_partial_shape().to_shape()
        # A convolution does its kernel's work at every pixel of its output, a transposed one at every pixel of its input.
        grid = (op.output(0) if kind == "Convolution" else op.input(0)).get_partial_shape().to_shape()
        total += 2.0 * float(np.prod(list(kernel))) * grid[0] * grid[2] * grid[3]
    return total


def peak(seconds: float) -> tuple[str, float]:
    """The engine's precision here, and the operations a second of a product of two 2048x2048 matrices in it."""
    core, precision = openvino.Core(), engines.precision("openvino")
    side = 2048
    ops = openvino.opset13
    left = ops.parameter([side, side], np.float32)
    right = ops.constant(np.random.default_rng(0).random((side, side), dtype=np.float32))
    model = openvino.Model([ops.matmul(left, right, False, False)], [left])
    request = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision}).create_infer_request()
    values = np.random.default_rng(1).random((side, side), dtype=np.float32)
    return precision, 2.0 * side**3 / clock(lambda: request.infer([values], share_inputs=True), seconds=seconds)


def picture(size: int, channels: int) -> NDArray[np.uint8]:
    """The package's photograph, mirrored to the size, with Gaussian noise; uint8."""
    clean = samples.photograph().astype(np.float64) / 255
    reach = [(0, max(0, size - side)) for side in clean.shape[:2]]
    clean = np.pad(clean, (*reach, (0, 0)), mode="reflect")[:size, :size]
    if channels == 1:
        clean = clean.mean(axis=2)
    noisy = degradations.parse(f"gaussian:{SIGMA:g}")(clean, np.random.default_rng(0))
    return np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)


def of_model(name: str, engine: str, noisy: NDArray[np.uint8], fastest: float, seconds: float) -> dict[str, Any] | None:
    """A model's row; None where it has no file for such an image."""
    channels = 1 if noisy.ndim == 2 else 3
    model = restorer.load(name, engine=engine)
    role = next((role for role in model.models if model.models.card(role).channels == channels), None)
    if role is None:
        return None
    card, path = model.models.card(role), model.models.paths[role]
    height, width = (-(-side // card.multiple_of) * card.multiple_of for side in noisy.shape[:2])
    stack = np.zeros((1, channels + len(card.maps), height, width), np.float32)
    alone = clock(partial(engines.open_graph(path, engine=engine), stack), seconds=seconds)
    return {
        "method": name,
        "network": alone,
        "call": clock(partial(model.restore, noisy, **({"sigma": SIGMA} if "sigma" in model.takes else {})), seconds=seconds),
        "estimating": clock(partial(model.restore, noisy), seconds=seconds),
        "share_of_peak": operations(path, stack.shape) / alone / fastest,
    }


def of_baseline(name: str, noisy: NDArray[np.uint8], seconds: float) -> dict[str, Any]:
    """A classical method's row."""
    planes = images.from_array(noisy).pixels
    call = partial(baselines.find(name).function, planes, degradations.parse(f"gaussian:{SIGMA:g}"))
    return {"method": name, "call": clock(call, seconds=seconds)}


def of_ffdnet(noisy: NDArray[np.uint8], seconds: float) -> dict[str, Any]:
    """A row of FFDNet's graph (Zhang et al. 2018) with random weights, in the same engine and its precision: at half the picture's
    size 15 convolutions of 64 channels for a gray picture, 12 of 96 for one in colour."""
    channels, width, depth = (1, 64, 15) if noisy.ndim == 2 else (3, 96, 12)
    ops, rng = openvino.opset13, np.random.default_rng(0)
    rows, columns = noisy.shape[:2]
    picture = ops.parameter([1, channels, rows, columns], np.float32)
    level = ops.parameter([1, 1, rows // 2, columns // 2], np.float32)
    value: Any = ops.concat([ops.space_to_depth(picture, "blocks_first", 2), level], 1)
    planes = [4 * channels + 1, *[width] * (depth - 1), 4 * channels]
    for number, (inside, outside) in enumerate(itertools.pairwise(planes)):
        kernel = ops.constant((rng.standard_normal((outside, inside, 3, 3)) * (2 / 9 / inside) ** 0.5).astype(np.float32))
        value = ops.convolution(value, kernel, [1, 1], [1, 1], [1, 1], [1, 1])
        value = ops.relu(value) if number < depth - 1 else value
    model = openvino.Model([ops.depth_to_space(value, "blocks_first", 2)], [picture, level])
    settings = {"INFERENCE_PRECISION_HINT": engines.precision("openvino"), "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    given = [rng.random(tuple(port.shape), dtype=np.float32) for port in model.inputs]
    return {"method": "ffdnet's graph", "network": clock(lambda: request.infer(given, share_inputs=True), seconds=seconds)}


def large_file(name: str, megapixels: float, call: float, side: int) -> dict[str, float]:
    """Seconds of a colour JPEG of that size from file to file, and its megapixels a second over those of ``call``."""
    height = round((megapixels * 1e6 * 2 / 3) ** 0.5)
    noisy = np.concatenate(list(limits.bands(round(megapixels * 1e6 / height), height)))
    model = restorer.load(name)
    model.restore(noisy[:64, :64], sigma=SIGMA)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "a.jpg", Path(folder) / "b.jpg"
        files.write(source, images.from_array(noisy))
        begun = time.perf_counter()
        (outcome,) = batch.restore_files(plan.plan([source], target), model, model.settings(sigma=limits.SIGMA), FileSettings())
        seconds = time.perf_counter() - begun
        if outcome.error is not None:
            raise SystemExit(outcome.error)
    return {"megapixels": noisy.size / 3e6, "seconds": seconds, "rate": noisy.size / 3 / seconds / (side**2 / call)}


def cold(name: str) -> dict[str, float]:
    """Seconds of a process on a 512x512 PNG: the first ever, and the next (median of five)."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "a.png"
        files.write(source, images.from_array(picture(512, 1)))
        command = [sys.executable, "-m", "pellucid", "denoise", str(source), "--model", name, "--force"]
        environment = {**os.environ, "PELLUCID_CACHE": str(Path(folder) / "cache")}
        times = []
        for _ in range(6):
            begun = time.perf_counter()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            times.append(time.perf_counter() - begun)
    return {"first": times[0], "next": statistics.median(times[1:])}


def main() -> int:
    """Measures and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="side of the picture in pixels (default: 512)")
    parser.add_argument("--model", action="append", help="a model's name or file; may be repeated (default: photo and photo-fast)")
    parser.add_argument("--baselines", default="nlm-opencv,bm3d", help="classical methods (default: nlm-opencv,bm3d)")
    parser.add_argument("--ffdnet", action="store_true", help="also FFDNet's graph, untrained")
    parser.add_argument("--engine", default="auto", help="auto, openvino or onnxruntime")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each is measured at least (default: 3)")
    parser.add_argument("--megapixels", type=float, default=0, help="also a colour JPEG of this size, file to file")
    parser.add_argument("--cold", action="store_true", help="also a new process on a 512x512 PNG")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args()
    precision, fastest = peak(options.seconds)
    rows: list[dict[str, Any]] = []
    for word, channels in (("gray", 1), ("colour", 3)):
        noisy = picture(options.size, channels)
        chosen = options.model or ["photo", "photo-fast"]
        found = [of_model(name, options.engine, noisy, fastest, options.seconds) for name in chosen]
        found += [of_baseline(name, noisy, options.seconds) for name in options.baselines.split(",") if name]
        found += [of_ffdnet(noisy, options.seconds)] if options.ffdnet else []
        kept = [row for row in found if row is not None]
        rival = next((row["call"] for row in kept if row["method"] == "nlm-opencv"), None)
        rows += [{"image": word, **row, "to_nlm_opencv": row["call"] / rival if rival and "call" in row else None} for row in kept]
    name = (options.model or ["photo"])[0]
    extra: dict[str, dict[str, float]] = {}
    if options.megapixels:
        call = clock(partial(restorer.load(name).restore, picture(options.size, 3), sigma=SIGMA), seconds=options.seconds)
        extra["file"] = large_file(name, options.megapixels, call, options.size)
    if options.cold:
        extra["process"] = cold(name)
    if options.json:
        about = {"size": options.size, "sigma": SIGMA, "cores": os.cpu_count(), "precision": precision, "peak": fastest}
        print(json.dumps({**about, "python": platform.python_version(), "rows": rows, **extra}, indent=1))
        return 0
    reached = f"a {precision} matrix product reaches {fastest / 1e9:.0f} GFLOP/s"
    print(f"{options.size}x{options.size}, sigma {SIGMA:g}, {os.cpu_count()} cores; {reached}")
    print(f"{'image':<8}{'method':<16}{'network s':>10}{'call s':>9}{'estimating s':>14}{'of peak':>9}{'to nlm-opencv':>15}")
    for row in rows:
        cells = [
            ("network", ">10.3f"),
            ("call", ">9.3f"),
            ("estimating", ">14.3f"),
            ("share_of_peak", ">9.0%"),
            ("to_nlm_opencv", ">15.2f"),
        ]
        shown = (format(row[key], form) if row.get(key) is not None else " " * int(form[1:].split(".")[0]) for key, form in cells)
        print(f"{row['image']:<8}{row['method']:<16}{''.join(shown)}")
    if "file" in extra:
        of = extra["file"]
        print(f"{of['megapixels']:.1f} megapixels, JPEG to JPEG: {of['seconds']:.1f} s, {of['rate']:.0%} of the call's rate")
    if "process" in extra:
        print(
            f"a new process on 512x512 PNG: {extra['process']['first']:.2f} s the first time, {extra['process']['next']:.2f} s then"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
