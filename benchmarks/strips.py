"""Strips of real clips to learn from: square frames at half size, one below the other, as recipe ``video`` takes them.

python benchmarks/strips.py CLIP... --out FOLDER
pellucid train video --images grounds=PHOTOGRAPHS --images clips=FOLDER --from photo-fast-color
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from pellucid import files, images
from pellucid.screening import clean_frames


def main() -> None:
    """Writes a PNG file for each strip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="folder of the strips")
    parser.add_argument("--frames", type=int, default=12, help="frames of a strip")
    parser.add_argument("--most", type=int, default=6, help="strips of a clip at most, evenly spread")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for path in options.clips:
        frames = clean_frames(path, 10**6)
        height, width = frames[0].shape[:2]
        side = min(height, width)
        starts = np.linspace(0, len(frames) - options.frames, options.most).astype(int) if len(frames) > options.frames else [0]
        for number, start in enumerate(sorted(set(starts))):
            # From the left, the middle and the right in turn.
            top, left = ((size - side) * (number % 3) // 2 for size in (height, width))
            part = np.concatenate([frame[top : top + side, left : left + side] for frame in frames[start : start + options.frames]])
            levels = np.rint(255 * np.clip(part, 0, 1)).astype(np.uint8)
            files.write(options.out / f"{path.stem}-{number:02}.png", images.from_array(levels), overwrite=True)


if __name__ == "__main__":
    main()
