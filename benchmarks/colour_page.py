"""Draws what colouring makes of photographs: docs/colours.webp, docs/colours-old.webp and docs/colours-like.webp.

    python benchmarks/colour_page.py FOLDER OUT [--model colorize]

FOLDER is the data folder. OUT gets three pages, none of whose pictures was learnt from:

- the photographs of colours.txt: gray, with nothing said, with ten hints of their true colours at random places, true;
- the old ones of colour_page.txt: as they are, with nothing said, with the hints of the list, which are marked;
- the first six pairs of likes.txt: gray, with nothing said, the reference, by its colours, true.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from colours import gray_of, hints_of, named, small
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pellucid import files, restorer

HERE = Path(__file__).parent
GAP, LINE = 3, 13
"""Space between pictures and the height of a line of text, in pixels."""

Levels = NDArray[np.uint8]


def eight(pixels: NDArray[np.floating]) -> Levels:
    """Pixels in [0, 1] as 8 bits, three channels."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    return np.broadcast_to(np.atleast_3d(levels), (*levels.shape[:2], 3)).copy()


def page(rows: Sequence[Sequence[Levels]], path: Path, *, across: int, cell: int, quality: int) -> None:
    """Writes results with numbers, ``across`` in a row, each a row of pictures in squares of ``cell`` pixels."""
    wide = max(map(len, rows)) * (cell + GAP) + 2 * GAP
    images = [[Image.fromarray(levels) for levels in row] for row in rows]
    for image in (image for row in images for image in row):
        image.thumbnail((cell, cell), Image.Resampling.LANCZOS)
    lines = [images[start : start + across] for start in range(0, len(images), across)]
    heights = [LINE + GAP + max(image.height for row in line for image in row) for line in lines]
    whole = Image.new("RGB", (across * wide, sum(heights)), "white")
    pen = ImageDraw.Draw(whole)
    for number, row in enumerate(images):
        left, top = number % across * wide, sum(heights[: number // across])
        for column, image in enumerate(row):
            whole.paste(image, (left + column * (cell + GAP), top + LINE))
        pen.text((left, top), str(number + 1), fill="black")
    whole.save(path, quality=quality, method=6)


def old(folder: Path, line: str, model: restorer.Restorer) -> list[Levels]:
    """An old photograph, with nothing said, and with the hints of its line, marked."""
    name, box, text = line.split("\t")
    left, top, right, bottom = map(int, box.split(","))
    given = files.read(folder / name).pixels[top:bottom, left:right]
    hints = []
    for hint in text.split():
        place, _, code = hint.partition("=")
        x, y = map(int, place.split(","))
        hints.append((x - left, y - top, code))
    plain, hinted = (eight(model.restore(given, hint=tuple(each))) for each in ((), hints))
    marked = Image.fromarray(hinted)
    pen, size = ImageDraw.Draw(marked), max(marked.size) // 75
    for x, y, code in hints:
        pen.ellipse((x - size, y - size, x + size, y + size), fill=code, outline="white", width=2)
    return [eight(given), plain, np.asarray(marked)]


def main() -> None:
    """Draws the three pages."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="colorize")
    options = parser.parse_args()
    model = restorer.load(options.model)

    def coloured(gray: NDArray[np.uint16], **given: Any) -> Levels:
        return eight(np.divide(model.restore(gray, **given), 65535))

    rows = []
    for number, name in enumerate(named(HERE / "colours.txt")):
        rgb = small(options.folder / name)
        gray = gray_of(rgb)
        hints = tuple(hints_of(rgb, 10, number))
        rows.append([eight(np.divide(gray, 65535)), coloured(gray), coloured(gray, hint=hints), eight(rgb)])
    page(rows, options.out / "colours.webp", across=3, cell=100, quality=70)
    rows = [old(options.folder / "old", line, model) for line in named(HERE / "colour_page.txt")]
    page(rows, options.out / "colours-old.webp", across=2, cell=170, quality=70)
    rows = []
    for line in named(HERE / "likes.txt")[:6]:
        first, other = line.split("\t")
        rgb, gray = small(options.folder / first), gray_of(small(options.folder / first))
        liked = coloured(gray, like=options.folder / other)
        rows.append([eight(np.divide(gray, 65535)), coloured(gray), eight(small(options.folder / other)), liked, eight(rgb)])
    page(rows, options.out / "colours-like.webp", across=1, cell=150, quality=70)


if __name__ == "__main__":
    main()
