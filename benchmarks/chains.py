"""Chains beside single steps: the quality of denoise+upscale beside models that enlarge noisy pictures, and a chain's memory.

    python benchmarks/chains.py quality FOLDER [--sigma 5 15 25] [--count 12] [--side 768] [--out FILE.json]
    python benchmarks/chains.py memory [--megapixels 6 33] [--ending .jpg] [--out FILE.json]

Quality: clean photographs are halved (bicubic), get white noise, are clipped and rounded to 8 bits, and enlarged again; PSNR of the
luma, without two pixels at each edge. Memory: the peak of a process that does both steps, and of one for each step by itself from
float32 files.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

import pellucid
from pellucid import degradations, evaluation, metrics, samples
from pellucid.saving import replacing
from pellucid.tasks import upscale

METHODS = {
    "bicubic": "upscale:scale=2:strength=0:noise=keep",
    "upscale": "upscale:scale=2:noise=keep",
    "upscale-photo": "upscale:model=upscale-photo:scale=2:noise=keep",
    "upscale --noise auto": "upscale:scale=2",
    "denoise+upscale": "denoise+upscale:scale=2:noise=keep",
    "denoise+upscale-photo": "denoise+upscale:model=upscale-photo:scale=2:noise=keep",
}
"""Name in the table -> steps."""

PEAK = """
import resource, sys
from pellucid import cli
status = cli.main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""
"""Runs the command line, and prints the peak memory in KiB (Linux)."""


def quality(options: argparse.Namespace) -> dict[str, Any]:
    """A table of mean PSNR by method and level."""
    images = evaluation.load_images(options.folder)
    every = max(1, len(images.named) // options.count)
    chosen = list(zip(images.places, images.named, strict=True))[::every][: options.count]
    shrunk = degradations.Shrink(2)
    scores: dict[str, dict[str, list[float]]] = {}
    for sigma in options.sigma:
        case = degradations.Chain((shrunk, degradations.Gaussian(sigma, clip=True)))
        for place, (_, clean) in chosen:
            large, small = case.pair(_middle(clean, options.side), np.random.default_rng(place))
            levels = np.rint(np.clip(small, 0, 1) * 255).astype(np.uint8)
            for name, text in METHODS.items():
                answer = pellucid.run(levels, text) / np.float64(255)
                value = metrics.psnr(upscale.scored(shrunk, np.asarray(large)), upscale.scored(shrunk, answer), data_range=1.0)
                scores.setdefault(f"{sigma:g}", {}).setdefault(name, []).append(float(value))
        row = scores[f"{sigma:g}"]
        print(f"sigma {sigma:g}: " + ", ".join(f"{name} {np.mean(row[name]):.2f}" for name in METHODS), flush=True)
        gains = np.array(row["denoise+upscale"]) - np.array(row["upscale-photo"])
        print(f"  denoise+upscale beyond upscale-photo: {gains.min():.2f} to {gains.max():.2f} dB", flush=True)
    return {"folder": options.folder.name, "images": [name for _, (name, _) in chosen], "psnr": scores}


def _middle(pixels: Any, side: int | None) -> Any:
    """The middle of a picture, at most so many pixels high and wide; None: all of it."""
    if side is None:
        return pixels
    top, left = (max(0, (length - side) // 2) for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Peak memory in MiB of a chain, and of its steps by hand."""
    peaks: dict[str, dict[str, float]] = {}
    for size in options.megapixels:
        with tempfile.TemporaryDirectory(prefix="pellucid-") as room:
            folder = Path(room)
            side = round((size * 1e6) ** 0.5)
            clean = samples.photograph()
            whole = np.tile(clean, (-(-side // clean.shape[0]), -(-side // clean.shape[1]), 1))[:side, :side]
            noise = np.random.default_rng(0).integers(-17, 18, (side, side, 1))
            noisy = np.clip(whole + noise, 0, 255).astype(np.uint8)
            if options.ending == ".tif":
                tifffile.imwrite(folder / "a.tif", noisy, tile=(256, 256), compression="zlib")
            else:
                pellucid.write(folder / f"a{options.ending}", noisy)
            del whole, noise, noisy

            def peak(*arguments: str) -> float:
                done = subprocess.run([sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True)
                return int(done.stdout.splitlines()[-1]) / 1024

            a, b, c, d = (str(folder / f"{name}{'.tif' if name == 'b' else options.ending}") for name in "abcd")
            deep = ("--depth", "float32")
            first, second = (text.split(":") for text in options.steps.split("+"))
            flags = [[f"--{entry}" for entry in entries] for entries in (first[1:], second[1:])]
            row = {"chain": peak("run", options.steps, a, "-o", d)}
            row["first"] = peak(first[0], *flags[0], a, "-o", b, *deep)
            row["second"] = peak(second[0], *flags[1], b, "-o", c)
            row["float32 copy"] = side * side * 12 / 2**20
        peaks[f"{size:g}"] = row
        print(f"{size:g} megapixels: " + ", ".join(f"{name} {value:.0f} MiB" for name, value in row.items()), flush=True)
    return {"steps": options.steps, "peaks": peaks}


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="chains beside single steps")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("quality", help="PSNR of chains and models on noisy pictures that are enlarged")
    command.add_argument("folder", type=Path, help="clean photographs that taught nothing")
    command.add_argument("--sigma", type=float, nargs="+", default=[5.0, 15.0, 25.0], help="levels in 8-bit levels")
    command.add_argument("--count", type=int, default=12, help="how many, evenly spread over the folder")
    command.add_argument(
        "--side", type=int, help="of each picture its middle alone, so many pixels high and wide (default: all of it)"
    )
    command.set_defaults(run=quality)
    command = commands.add_parser("memory", help="peak memory of a chain and of its steps")
    command.add_argument("--megapixels", type=float, nargs="+", default=[6.0, 33.0], help="sizes of the picture")
    fast = "denoise:model=photo-fast:sigma"
    command.add_argument("--steps", default=f"{fast}=10+{fast}=3", help="two steps")
    command.add_argument("--ending", default=".tif", help="that of the picture's file: .tif is read in bands, .jpg held in memory")
    command.set_defaults(run=memory)
    for command in commands.choices.values():
        command.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    result = options.run(options)
    if options.out is not None:
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
