"""How far a picture in pieces is from the same picture in one, and whether a seam shows, in 8-bit levels.

    python benchmarks/seams.py FOLDER
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/seams.py FOLDER    # as an older processor answers, see docs/architecture.md

FOLDER has clean photographs of one size or larger; a mosaic of them is the picture. For each noise: the greatest difference, the
mean, and how many values in a million are off by more than 1; then the mean absolute step from one pixel to the next across the
seams, in pieces and whole, and the same of columns and rows a few pixels away from them.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, engines, files, images, restorer, tiling
from pellucid.tasks import denoise

NOISES = (
    "gaussian:5",
    "gaussian:25",
    "gaussian:50",
    "poisson:20",
    "camera:0.003",
    "salt-pepper:0.5",
    "gaussian:25+salt-pepper:0.2",
    "gaussian:5+impulses:0.1",
)
AWAY = (-11, -7, 7, 11)
"""Pixels from a seam at which steps are measured to compare: odd, for a network works on a grid and seams lie on it."""


def mosaic(folder: Path, height: int, width: int, part: tuple[int, int] = (320, 480)) -> NDArray[np.float32]:
    """A picture (height, width, 3) in [0, 1] of the first images of a folder, each cropped to ``part``."""
    sources = iter(sorted(path for path in folder.iterdir() if path.suffix.lower() in (".png", ".webp", ".jpg", ".tif", ".tiff")))
    made = np.empty((height, width, 3), np.float32)
    for top in range(0, height, part[0]):
        for left in range(0, width, part[1]):
            pixels: NDArray[Any] = np.zeros((0, 0, 3))
            while pixels.shape[0] < part[0] or pixels.shape[1] < part[1]:
                pixels = images.floating(files.read(next(sources))).pixels
                pixels = pixels.transpose(1, 0, 2) if pixels.shape[0] > pixels.shape[1] else pixels
            room = made[top : top + part[0], left : left + part[1]]
            room[:] = pixels[: room.shape[0], : room.shape[1]]
    return made


def steps(answer: NDArray[Any], cut: tiling.Cut, offset: int = 0) -> float:
    """The mean absolute difference between the pixels on either side of the seams, or of the lines ``offset`` pixels away."""
    found = []
    for parts, values in ((cut.columns, answer.swapaxes(0, 1)), (cut.rows, answer)):
        for part in parts[1:]:
            line = part.core[0] + offset
            found.append(float(np.abs(values[line] - values[line - 1]).mean()))
    return 255 * float(np.mean(found))


def main() -> None:
    """Measures, and prints a row for each noise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--noise", action="append", choices=NOISES)
    parser.add_argument("--size", type=int, nargs=2, default=(960, 1440), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument(
        "--tile", type=int, default=704, help="the side of a piece, margins included; those of the product are larger"
    )
    parser.add_argument("--seen", type=float, default=denoise.HALO_SHARE, help="the margin as a share of the halo")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    clean = mosaic(options.folder, *options.size)
    photo = restorer.load("photo")
    denoise.HALO_SHARE = options.seen
    about = f"{os.environ.get('ONEDNN_MAX_CPU_ISA', 'as it is')}, {engines.precision(photo.engine)}"
    if not options.json:
        print(f"{about}, {options.size[1]}x{options.size[0]}, margins of {options.seen:g}")
        print(f"{'':38} greatest   mean  ppm over 1 | across seams  whole   away (steps)  pieces")
    cuts: list[tiling.Cut] = []
    made = tiling.cut

    def remembered(*size: int, **how: Any) -> tiling.Cut:
        cuts.append(made(*size, **how))
        return cuts[-1]

    tiling.cut = remembered
    tiles = denoise.TILE, denoise.FILLED_TILE
    for text in options.noise or NOISES:
        for channels in (3, 1):
            noisy = degradations.parse(text)(clean[..., :channels], np.random.default_rng(0))
            sigma = float(text[len("gaussian:") :]) if text.startswith("gaussian:") and "+" not in text else None
            denoise.TILE, denoise.FILLED_TILE = tiles
            whole = photo.restore(noisy, sigma=sigma, range="dtype")
            assert cuts[-1].pieces == 1
            denoise.TILE, denoise.FILLED_TILE = (dict.fromkeys(tile, options.tile) for tile in tiles)
            tiled = photo.restore(noisy, sigma=sigma, range="dtype")
            cut, (high, wide) = cuts[-1], cuts[-1].piece
            assert cut.pieces > 1
            off = 255 * np.abs(tiled - whole)
            away = float(np.mean([steps(tiled, cut, offset) for offset in AWAY]))
            row = {
                "arithmetic": about,
                "noise": text,
                "channels": channels,
                "greatest": float(off.max()),
                "mean": float(off.mean()),
                "over 1": 1e6 * float((off > 1).mean()),
                "across": steps(tiled, cut),
                "whole": steps(whole, cut),
                "away": away,
                "piece": cut.piece,
                "pieces": cut.pieces,
            }
            if options.json:
                print(json.dumps(row), flush=True)
            else:
                name = f"{text}, {'colour' if channels == 3 else 'gray'}"
                print(
                    f"{name:38} {row['greatest']:8.2f} {row['mean']:6.4f} {row['over 1']:11.1f} |"
                    f" {row['across']:12.3f} {row['whole']:6.3f} {away:6.3f}          {cut.pieces} of {high}x{wide}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
