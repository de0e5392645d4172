"""How well `pellucid inspect` sees what was done to clean pictures, and what it costs.

    python benchmarks/inspecting.py FOLDER [--out FILE.json]

For each noise: how often the kind was named, how far the level (or the density) was off, and the time as a share of the
restoration's.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import degradations, diagnosis, engines, evaluation, restorer
from pellucid.saving import replacing

GAUSSIAN = tuple(f"gaussian:{level}" for level in (2, 3, 5, 10, 15, 25, 50, 75))
OTHERS = (
    "poisson:4",
    "poisson:30",
    "speckle:0.1",
    "salt-pepper:0.1",
    "salt-pepper:0.5",
    "salt-pepper:0.9",
    "impulses:0.1",
    "impulses:0.3",
    "gaussian:25+salt-pepper:0.1",
    "gaussian:25+impulses:0.1",
    "jpeg:10",
    "jpeg:40",
    "jpeg:85",
    "camera:0.0005",
    "camera:0.004",
    "grain:10",
)


def measured(images: evaluation.Images, text: str) -> dict[str, Any]:
    """A row: the kinds that were named, and errors of the level and of the density."""
    kinds: Counter[str] = Counter()
    levels, densities, qualities = [], [], []
    for place, (_, clean) in zip(images.places, images.named, strict=True):
        noise = degradations.parse(text) if text != "clean" else None
        true, noisy = evaluation.degraded(clean, noise, place) if noise is not None else (clean, clean.astype(np.float32))
        found = diagnosis.inspect(np.atleast_3d(noisy))
        kinds[found.kind] += 1
        if noise is None:
            continue
        if noise.density > 0:
            densities.append(abs(found.impulse_density - noise.density))
        elif noise.kind == "jpeg":
            qualities.append(abs((found.jpeg_quality or 100) - noise.level))  # type: ignore[attr-defined]  # Jpeg has one
        else:
            level = 255 * float(np.sqrt(np.square(noisy - true).mean()))
            estimated = 255 * float(np.sqrt(found.curve.variance(true).mean()))
            levels.append(abs(estimated - level) / level)
    row: dict[str, Any] = {"noise": text, "images": len(images.named), "kinds": dict(kinds.most_common())}
    for name, errors in (("level", levels), ("density", densities), ("quality", qualities)):
        if errors:
            row[name] = {"median": float(np.median(errors)), "p90": float(np.quantile(errors, 0.9))}
    return row


def cost(images: evaluation.Images) -> list[dict[str, float]]:
    """Seconds of looking and of restoring with the level given, for each of the first images."""
    model = restorer.load("photo")
    rows = []
    for place, (_, clean) in zip(images.places[:6], images.named[:6], strict=False):
        noisy = evaluation.degraded(clean, degradations.parse("gaussian:25"), place)[1]
        times = []
        for call in (
            lambda noisy=noisy: diagnosis.inspect(np.atleast_3d(noisy)),
            lambda noisy=noisy: model.restore(noisy, sigma=25, range="dtype"),
        ):
            call()
            runs = []
            for _ in range(5):
                begun = time.perf_counter()
                call()
                runs.append(time.perf_counter() - begun)
            times.append(float(np.median(runs)))
        rows.append({"megapixels": clean.shape[0] * clean.shape[1] / 1e6, "inspect": times[0], "restore": times[1]})
    return rows


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="how well 'pellucid inspect' recognises how clean pictures were degraded")
    parser.add_argument("folder", type=Path, help="clean pictures that taught nothing")
    parser.add_argument("--noise", action="append", default=[], help="only these; may be repeated")
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    options = parser.parse_args()
    images = evaluation.load_images(options.folder)
    rows = []
    for text in options.noise or ("clean", *GAUSSIAN, *OTHERS):
        row = measured(images, text)
        rows.append(row)
        errors = "  ".join(
            f"{name} off {row[name]['median']:.3g} (median), {row[name]['p90']:.3g} (90th percentile)"
            for name in ("level", "density", "quality")
            if name in row
        )
        print(f"{text:<28} {', '.join(f'{kind} {count}' for kind, count in row['kinds'].items()):<40} {errors}", flush=True)
    times = cost(images)
    for entry in times:
        share = entry["inspect"] / entry["restore"]
        print(f"{entry['megapixels']:.2f} megapixels: {entry['inspect'] * 1e3:.1f} ms, {share:.0%} of the restoration's time")
    if options.out is not None:
        with replacing(options.out, overwrite=True) as temporary:
            found = {"folder": options.folder.name, "precision": engines.precision("openvino"), "rows": rows, "times": times}
            temporary.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
