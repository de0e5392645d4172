"""Noise that was enlarged or turned together with the picture: how far the level is off, and PSNR beside OpenCV's non-local means.

    pip install -e '.[bench]'
    python benchmarks/resampling.py FOLDER [--images 6] [--sigma 15] [--only WORD]

Prints the rows of the table of docs/noise.md, for the middle of each image, every other one gray. The truth is the clean picture,
changed in the same way. Non-local means is given the truth: the best of `STRENGTHS` for each picture.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import situations
from numpy.typing import NDArray

import pellucid
from pellucid import files
from pellucid.errors import PellucidError

SIDE = 192
STRENGTHS = (4, 8, 12, 18, 26)

CHANGES = [
    (f"enlarged {factor} times, {kernel.lower()}", partial(situations.resampled, factor=factor, kernel=kernel))
    for factor in (1.3, 1.5, 2)
    for kernel in ("BILINEAR", "BICUBIC", "LANCZOS")
] + [
    (f"turned by {angle} degrees, {kernel.lower()}", partial(situations.turned, angle=angle, kernel=kernel))
    for angle in (5, 30, 45)
    for kernel in ("BILINEAR", "BICUBIC")
]


def non_local_means(picture: NDArray[np.uint8], clean: NDArray[np.uint8]) -> float:
    """The PSNR of OpenCV's at its best."""
    import cv2

    found = []
    for strength in STRENGTHS:
        if picture.shape[2] == 1:
            output = cv2.fastNlMeansDenoising(picture[..., 0], None, strength, 7, 21)[..., None]
        else:
            output = cv2.fastNlMeansDenoisingColored(np.ascontiguousarray(picture), None, strength, strength, 7, 21)
        found.append(situations.psnr(clean, output))
    return max(found)


def photographs(folder: Path, count: int) -> list[NDArray[np.float64]]:
    """The middle (`SIDE`, `SIDE`, 3 or 1) of so many images, 0 to 255."""
    found: list[NDArray[np.float64]] = []
    for path in files.list_images(folder)[:count]:
        pixels = files.read(path).pixels.astype(np.float64) * 255
        top, left = ((side - min(side, SIDE)) // 2 for side in pixels.shape[:2])
        part = pixels[top : top + SIDE, left : left + SIDE]
        found.append(part[..., 1:2] if len(found) % 2 and part.shape[2] == 3 else part)
    return found


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean photographs")
    parser.add_argument("--images", type=int, default=6, help="how many of them (default: 6)")
    parser.add_argument("--sigma", type=float, default=15, help="level of the noise before the change (default: 15)")
    parser.add_argument("--only", default="", metavar="WORD", help="only the rows whose names contain it")
    options = parser.parse_args()
    try:
        photos = photographs(options.folder, options.images)
        print("| change | level, true | found, as a share of it | input | `photo` | non-local means at its best |")
        print("|---|---|---|---|---|---|")
        for name, change in CHANGES:
            if options.only not in name:
                continue
            rows = []
            for number, photo in enumerate(photos):
                made = situations.after(change, options.sigma)(photo, np.random.default_rng(number))
                true = float(np.sqrt(np.square(made.picture.astype(np.float64) - made.clean).mean()))
                result = pellucid.load().details(made.picture if photo.shape[2] == 3 else made.picture[..., 0])
                output = np.asarray(result.image).reshape(made.clean.shape)
                share = 0.0 if result.diagnosis is None else result.diagnosis.sigma / true
                scores = (situations.psnr(made.clean, made.picture), situations.psnr(made.clean, output))
                rows.append((true, share, *scores, non_local_means(made.picture, made.clean)))
            true, _, before, after, other = np.mean(rows, axis=0)
            shares = np.array(rows)[:, 1]
            found = f"{np.median(shares):.2f} ({shares.min():.2f} to {shares.max():.2f})"
            print(f"| {name} | {true:.1f} | {found} | {before:.2f} | {after:.2f} | {other:.2f} |", flush=True)
    except PellucidError as error:
        print(f"resampling: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
