"""The gain that `pellucid denoise --gain` predicts, beside the true one, for Gaussian noise whose level is not given.

python benchmarks/gain.py FOLDER [--sigma 2 5 10 25 50] [--out FILE.json]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from pellucid import degradations, evaluation, images, restorer
from pellucid.saving import replacing

SMALL = 0.1
"""Gains in dB whose sign is no matter: nobody sees them."""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="the predicted gain of PSNR beside the true one")
    parser.add_argument("folder", type=Path, help="clean pictures that taught nothing")
    parser.add_argument("--sigma", type=float, nargs="+", default=[2, 5, 10, 25, 50], help="levels in 8-bit levels")
    parser.add_argument("--model", default="photo", help="the model (default: photo)")
    parser.add_argument("--out", type=Path, help="write the pairs as JSON")
    options = parser.parse_args()
    pictures = evaluation.load_images(options.folder)
    model = restorer.load(options.model)
    rows = []
    for sigma in options.sigma:
        noise = degradations.Gaussian(sigma)
        for place, (name, clean) in zip(pictures.places, pictures.named, strict=True):
            _, noisy = evaluation.degraded(clean, noise, place)
            restoration = model.details(images.from_array(noisy), gain=True)
            predicted = restoration.facts["expected_gain"]
            if predicted is None:
                print(f"{name} with {noise}: not taken for white noise", file=sys.stderr)
                continue
            restored = restoration.image.pixels.reshape(clean.shape)
            # The output is clipped, and the noise is compared as it was, unclipped.
            true = 10 * np.log10(np.square(noisy - clean).mean() / np.square(restored - clean).mean())
            rows.append({"image": name, "sigma": sigma, "predicted": predicted, "true": float(true)})
        of_it = [row for row in rows if row["sigma"] == sigma]
        off = [abs(row["predicted"] - row["true"]) for row in of_it]
        print(f"sigma {sigma:g}: {len(of_it)} pairs, off by {np.median(off):.2f} dB (median), {max(off):.2f} (most)", flush=True)
    off = [abs(row["predicted"] - row["true"]) for row in rows]
    right = [row["predicted"] * row["true"] >= 0 or max(abs(row["predicted"]), abs(row["true"])) < SMALL for row in rows]
    print(f"all: {len(rows)} pairs, off by {np.median(off):.2f} dB (median); sign right in {np.mean(right):.1%}")
    if options.out is not None:
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps({"folder": options.folder.name, "pairs": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
