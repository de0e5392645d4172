"""The change that a model makes where there is little to do: on clean photographs, and at faint noise.

    python benchmarks/harm.py FOLDER [--json]

PSNR between restored and clean image with sigma 0 given and with nothing given (99 dB: the same); the gain over the noisy image
(clipped) at faint levels that are given, its mean and its worst image; the largest shift of a channel's mean in 8-bit levels, and
what of it is not the mean of the noise that was drawn (of a small image that is a few tenths of a level). The middle 512x512
pixels of each image, rounded to 8 bits; in gray the mean of the channels.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid import files, restorer
from pellucid.errors import PellucidError

LEVELS = (1, 2, 3, 5, 25)
SAME = 99.0
SIDE = 512


def psnr(clean: NDArray[np.float64], other: NDArray[np.floating]) -> float:
    """In dB, at most `SAME`."""
    squared = float(np.square(np.clip(other, 0, 1) - clean).mean())
    return min(SAME, -10 * float(np.log10(max(squared, 1e-12))))


def middle(path: Path, channels: int) -> NDArray[np.float64]:
    """The image's middle in 8-bit steps, (h, w) or (h, w, 3)."""
    pixels: NDArray[np.float64] = files.read(path).pixels.astype(np.float64)
    top, left = (max(0, (side - SIDE) // 2) for side in pixels.shape[:2])
    pixels = pixels[top : top + SIDE, left : left + SIDE]
    if channels == 1:
        pixels = pixels.mean(axis=2)
    elif pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    return np.rint(pixels * 255) / 255


def main() -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean photographs")
    parser.add_argument("--model", default="photo", help="a model's name or file (default: photo)")
    parser.add_argument("--json", action="store_true", help="as JSON: for gray and colour, each row's mean, least and most")
    options = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    try:
        model = restorer.load(options.model)
        paths = files.list_images(options.folder)
        for channels in dict.fromkeys(model.models.card(role).channels for role in model.models):
            scores: dict[str, list[float]] = {}
            for index, path in enumerate(paths):
                clean = middle(path, channels)
                given = clean.astype(np.float32)
                scores.setdefault("clean, sigma 0 given: dB", []).append(psnr(clean, model.restore(given, sigma=0, range="dtype")))
                scores.setdefault("clean, nothing given: dB", []).append(psnr(clean, model.restore(given, range="dtype")))
                for level in LEVELS:
                    noise = np.random.default_rng(index).standard_normal(clean.shape) * level / 255
                    noisy = (clean + noise).astype(np.float32)
                    restored = model.restore(noisy, sigma=level, range="dtype")
                    scores.setdefault(f"sigma {level}: gain in dB", []).append(psnr(clean, restored) - psnr(clean, noisy))
                    for name, other in (("shift in levels", clean), ("shift beyond the noise's", noisy)):
                        shift = 255 * float(np.abs((restored - other).mean(axis=(0, 1))).max())
                        scores.setdefault(f"sigma {level}: {name}", []).append(shift)
                print(f"\r{index + 1}/{len(paths)}", end="" if index + 1 < len(paths) else "\n", file=sys.stderr, flush=True)
            found["gray" if channels == 1 else "colour"] = {
                name: {"mean": float(np.mean(values)), "least": min(values), "most": max(values)} for name, values in scores.items()
            }
    except PellucidError as error:
        print(f"harm: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"images": len(paths), **found}, indent=1))
        return 0
    for kind, rows in found.items():
        print(f"{kind}, {len(paths)} images of {options.folder}")
        print(f"{'':<36}{'mean':>9}{'least':>9}{'most':>9}")
        for name, row in rows.items():
            print(f"{name:<36}{row['mean']:>9.2f}{row['least']:>9.2f}{row['most']:>9.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
