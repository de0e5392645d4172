"""Draws old photographs before and after `pellucid film`, where most was found, and frames of a worn clip.

    python benchmarks/film_page.py DATA/old docs/film-old.webp [--count 30] [--names NAME ...]
    python benchmarks/film_page.py DATA/clips/processing-launch2.mp4 docs/film-clip.webp

From a folder it takes so many pictures, evenly from its list, or those that are named. It prints the share of each picture that was
taken for damage. A clip's frames are shown at four places, as a whole.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pellucid import files, footage, restorer
from pellucid.tasks.settings import ClipSettings

PART, GAP, CAPTION, ACROSS = 112, 4, 12, 5
"""Side of a part that is shown, the space between, the height of a line of text, in pixels; pairs in a row."""

SPAN = "0:02"
"""How much of a clip is worked on."""

Levels = NDArray[np.uint8]


def levels(pixels: NDArray[Any]) -> Levels:
    """Eight bits in three channels."""
    whole = np.atleast_3d(pixels)
    eight: Levels = np.rint(255 * np.broadcast_to(np.clip(whole, 0, 1), (*whole.shape[:2], 3))).astype(np.uint8)
    return eight


def most(found: NDArray[np.bool_]) -> tuple[int, int]:
    """The upper left corner of the part in which most was found; the middle where nothing was. The edges, with what is written
    on them, have no say where they can be left out."""
    height, width = found.shape
    inside = found.copy()
    edge = min(height, width) // 12
    inside[:edge] = inside[-edge:] = False
    inside[:, :edge] = inside[:, -edge:] = False
    sums = np.pad(np.cumsum(np.cumsum(inside, axis=0, dtype=np.int64), axis=1), ((1, 0), (1, 0)))
    boxes = sums[PART:, PART:] - sums[:-PART, PART:] - sums[PART:, :-PART] + sums[:-PART, :-PART]
    if not boxes.size or not boxes.max():
        return max(0, (height - PART) // 2), max(0, (width - PART) // 2)
    top, left = np.unravel_index(int(boxes.argmax()), boxes.shape)
    return int(top), int(left)


def pictures(folder: Path, names: list[str], count: int, model: str) -> Image.Image:
    """Parts of the pictures of a folder, before and after."""
    loaded: Any = restorer.load(model)
    settings = loaded.task.settings
    paths = files.list_images(folder)
    chosen = [path for path in paths if path.stem in names] if names else paths[:: max(1, len(paths) // count)][:count]
    rows = -(-len(chosen) // ACROSS)
    cell = 2 * PART + 3 * GAP
    page = Image.new("RGB", (ACROSS * cell, rows * (PART + CAPTION + GAP)), "white")
    draw = ImageDraw.Draw(page)
    for place, path in enumerate(chosen):
        pixels = np.asarray(files.read(path).pixels, np.float32)
        after = loaded.restore(pixels)
        found = np.atleast_3d(loaded.restore(pixels, settings(show_damage=True))).max(axis=2) > 0
        top, left = most(found)
        x, y = place % ACROSS * cell, place // ACROSS * (PART + CAPTION + GAP)
        part = slice(top, top + PART), slice(left, left + PART)
        draw.text((x, y - 1), f"{path.stem[:22]} {100 * found.mean():.2f} %", fill="black")
        for at, whole in enumerate((pixels, np.asarray(after))):
            page.paste(Image.fromarray(levels(whole[part])), (x + at * (PART + 2), y + CAPTION))
        print(f"{path.stem}: {100 * found.mean():.3f} % found, shown from {left}, {top}", flush=True)
    return page


def clip(path: Path, model: str) -> Image.Image:
    """Frames of a clip, before and after."""
    loaded: Any = restorer.load(model)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "mended.mkv"
        footage.restore(path, target, loaded, loaded.task.settings(), ClipSettings(lossless=True, end=SPAN))
        after = list(footage.arrays(target))
    before = [frame for _, frame in zip(after, footage.arrays(path), strict=False)]
    light = [np.array([frame.mean() for frame in frames]) for frames in (before, after)]
    print(
        "change of the mean from frame to frame, before and after, in levels: "
        + ", ".join(f"{np.diff(one).std():.3f}" for one in light)
    )
    places = [len(after) * part // 9 for part in (1, 3, 5, 8)]
    height, width = (side * 3 // 4 for side in after[0].shape[:2])
    page = Image.new("RGB", (len(places) * (width + GAP), 2 * (height + GAP)), "white")
    for row, frames in enumerate((before, after)):
        for column, place in enumerate(places):
            shown = Image.fromarray(frames[place]).resize((width, height), Image.Resampling.LANCZOS)
            page.paste(shown, (column * (width + GAP), row * (height + GAP)))
    return page


def main() -> None:
    """Draws the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="film")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--names", nargs="+", default=[])
    options = parser.parse_args()
    if options.source.is_dir():
        page = pictures(options.source, options.names, options.count, options.model)
    else:
        page = clip(options.source, options.model)
    page.save(options.out, quality=80, method=6)


if __name__ == "__main__":
    main()
