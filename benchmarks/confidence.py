"""How well `--confidence` foretells errors: the share of them inside one standard deviation, by the noise's level, its level
measured.

    python benchmarks/confidence.py FOLDER [--sigma 2 5 15 25 50 75] [--count 12] [--out FILE.json]

Noise is clipped and rounded to 8 bits, as in a file. A Gaussian has 68.3 % inside one, and 95.4 inside two. Beside the shares:
those in the quarter of the pixels with the least and the most expected error, and the expected error's mean beside the true
one's."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import degradations, evaluation, restorer
from pellucid.saving import replacing


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="the expected error of each pixel beside the true one")
    parser.add_argument("folder", type=Path, help="clean pictures that taught nothing")
    parser.add_argument("--sigma", type=float, nargs="+", default=[2, 5, 15, 25, 50, 75], help="levels in 8-bit levels")
    parser.add_argument("--noise", nargs="*", default=[], help="other degradations, such as poisson:30")
    parser.add_argument("--count", type=int, default=12, help="how many pictures, evenly spread over the folder")
    parser.add_argument("--model", default="photo", help="the model (default: photo)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    images = evaluation.load_images(options.folder)
    every = max(1, len(images.named) // options.count)
    chosen = list(zip(images.places, images.named, strict=True))[::every][: options.count]
    model = restorer.load(options.model)
    rows: list[dict[str, Any]] = []
    for case in [*(degradations.Gaussian(sigma, clip=True) for sigma in options.sigma), *map(degradations.parse, options.noise)]:
        expected, error = [], []
        for place, (_, clean) in chosen:
            _, noisy = evaluation.degraded(clean, case, place)
            levels = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
            result = model.details(levels, confidence=True)
            off = np.abs(result.image.astype(np.float64) / 255 - clean)
            plane = result.planes["confidence"]
            expected.append(np.broadcast_to(plane[..., None] if off.ndim == 3 else plane, off.shape).ravel())
            error.append(off.ravel())
        deviation, true = np.concatenate(expected), np.concatenate(error)
        order = np.argsort(deviation)
        inside = (true <= deviation)[order]
        quarter = len(order) // 4
        row: dict[str, Any] = {
            "noise": str(case),
            "inside": float(inside.mean()),
            "inside two": float((true <= 2 * deviation).mean()),
            "least quarter": float(inside[:quarter].mean()),
            "most quarter": float(inside[-quarter:].mean()),
            "of pictures": [float((off <= plane).mean()) for off, plane in zip(error, expected, strict=True)],
            "expected": float(255 * np.sqrt(np.square(deviation).mean())),
            "true": float(255 * np.sqrt(np.square(true).mean())),
        }
        rows.append(row)
        spread = min(row["of pictures"]), max(row["of pictures"])
        print(
            f"{case}: {row['inside']:.1%} inside one, {row['inside two']:.1%} inside two; least and most expected "
            f"{row['least quarter']:.1%}, {row['most quarter']:.1%}; pictures {spread[0]:.1%} to {spread[1]:.1%}; "
            f"expected {row['expected']:.2f}, true {row['true']:.2f} levels",
            flush=True,
        )
    if options.out is not None:
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps({"folder": options.folder.name, "model": options.model, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
