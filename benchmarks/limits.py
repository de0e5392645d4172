"""How much memory and time large pictures take: peak memory and seconds of `pellucid denoise` for 1, 24, 100 and 400 megapixels.

    python benchmarks/limits.py --out benchmarks/results

Each in a process of its own, from file to file, as a user runs it: the noise is measured, and what the process takes to start is
counted. The pictures are mosaics of the package's photograph with Gaussian noise, different in every tile.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from pellucid import degradations, engines, files, images, samples
from pellucid.saving import replacing

PICTURES = (
    ("JPEG", ".jpg", 1000, 1000),
    ("JPEG", ".jpg", 6000, 4000),
    ("PNG", ".png", 6000, 4000),
    ("JPEG", ".jpg", 12500, 8000),
    ("TIFF, tiled", ".tif", 12500, 8000),
    ("TIFF, tiled", ".tif", 20000, 20000),
)
"""Format, ending, width and height."""

SIGMA = 10.0
TILE = 256


def bands(width: int, height: int, *, rows: int = TILE) -> Iterator[NDArray[np.uint8]]:
    """A noisy mosaic of the package's photograph, turned this way and that, from above to below; (rows, width, 3)."""
    clean = samples.photograph()
    noise, rng = degradations.parse(f"gaussian:{SIGMA:g}"), np.random.default_rng(0)
    across = -(-width // clean.shape[1])
    kept = np.empty((0, width, 3), np.uint8)
    done = 0
    while done < height:
        while len(kept) < rows:
            line = np.concatenate([clean[:: rng.choice((1, -1)), :: rng.choice((1, -1))] for _ in range(across)], axis=1)
            kept = np.concatenate([kept, line[:, :width]])
        part = kept[: min(rows, height - done)]
        noisy = noise(part / np.float64(255), rng)
        yield np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
        done += len(part)
        kept = kept[len(part) :]


def make(path: Path, width: int, height: int) -> None:
    """Writes the picture: TIFF tile by tile, the others whole."""
    if path.suffix == ".tif":
        tiles = (
            np.ascontiguousarray(band[:, left : left + TILE]) for band in bands(width, height) for left in range(0, width, TILE)
        )
        shape = (height, width, 3)
        packing: dict[str, Any] = {"tile": (TILE, TILE), "compression": "adobe_deflate", "predictor": 2}
        tifffile.imwrite(path, tiles, shape=shape, dtype=np.uint8, photometric="rgb", metadata=None, **packing)
    else:
        files.write(path, images.from_array(np.concatenate(list(bands(width, height)))))


def measured(source: Path, target: Path, options: list[str]) -> dict[str, float]:
    """Seconds and peak memory (resident, in MiB) of one process, and how busy the machine was before."""
    load = os.getloadavg()[0]
    command = [sys.executable, "-m", "pellucid", "denoise", str(source), "--out", str(target), *options]
    begun = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {child.returncode}")
    scale = 2**20 if sys.platform == "darwin" else 2**10
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "peak_mib": usage.ru_maxrss / scale, "bytes": source.stat().st_size, "load": load}


def main() -> int:
    """Measures and prints a table, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=float, default=400, help="leave larger pictures out, in megapixels (default: 400)")
    parser.add_argument("--model", default="photo", help="a model's name or file (default: photo)")
    parser.add_argument("--folder", type=Path, help="where the pictures are made and kept (default: a temporary folder)")
    parser.add_argument(
        "--out",
        type=Path,
        help="write what was measured as JSON: a folder's limits.json, or limits-f32.json, by the engine's precision",
    )
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    print(f"{'picture':<14}{'size':>14}{'megapixels':>12}{'file MB':>9}{'peak MiB':>10}{'seconds':>9}")
    with tempfile.TemporaryDirectory() as room:
        folder = options.folder or Path(room)
        folder.mkdir(parents=True, exist_ok=True)
        for name, ending, width, height in PICTURES:
            if width * height > options.most * 1e6:
                continue
            source = folder / f"{width}x{height}{ending}"
            if not source.exists():
                # In a process of its own: one that is started inherits the peak of the one that starts it.
                maker = multiprocessing.get_context("spawn").Process(target=make, args=(source, width, height))
                maker.start()
                maker.join()
                if maker.exitcode:
                    raise SystemExit(f"{source}: could not be made")
            target = Path(room) / f"answer{ending}"
            found = measured(source, target, ["--model", options.model, "--force"])
            target.unlink()
            rows.append({"format": name, "width": width, "height": height, **found})
            size = f"{width}x{height}"
            print(
                f"{name:<14}{size:>14}{width * height / 1e6:>12.0f}{found['bytes'] / 1e6:>9.0f}"
                f"{found['peak_mib']:>10.0f}{found['seconds']:>9.1f}",
                flush=True,
            )
    precision = engines.precision("openvino")
    about = {"cores": os.cpu_count(), "sigma": SIGMA, "precision": precision}
    if options.out is not None:
        name = "limits.json" if precision == "bf16" else f"limits-{precision}.json"
        with replacing(options.out / name, overwrite=True) as temporary:
            temporary.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
