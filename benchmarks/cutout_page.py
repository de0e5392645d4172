"""Draws photographs beside their cut-outs, with nothing said and with the true box: docs/cutout.webp.

    python benchmarks/cutout_page.py FOLDER OUT.webp [--model cutout] [--list benchmarks/cutout_page.txt]
    python benchmarks/cutout_page.py DATA OUT.webp --hard benchmarks/cutout_hard.txt

FOLDER holds what `cutout_masks` and `cutout_polygons` make; the list names files below it, without their ending. None of them
may be learnt from: a file that the recipe ``cutout`` does not hold out is refused. With --hard, other pictures are drawn larger
with the boxes of that list: docs/cutout-hard.webp.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from cutouts import box_of
from PIL import Image, ImageDraw

import pellucid
from pellucid import restorer
from pellucid.training import recipes
from pellucid.training.splits import is_held_out

ACROSS, CELL, GAP, CAPTION = 5, 148, 4, 18
"""Results in a row; the side of a picture, the space between, and the height of a line of text, in pixels."""

SQUARE = 8
"""Side of the squares behind what is transparent."""


def shown(rgba: np.ndarray, cell: int = CELL) -> Image.Image:
    """A cut-out on squares of two grays, no side longer than a cell's."""
    image = Image.fromarray(rgba)
    image.thumbnail((cell, cell))
    rows, columns = np.indices((image.height, image.width)) // SQUARE
    ground = Image.fromarray(np.where((rows + columns) % 2, 205, 255).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def overlap(alpha: np.ndarray, truth: np.ndarray) -> float:
    """IoU above one half."""
    there, meant = alpha > 0.5, truth > 0.5
    return float((there & meant).sum() / max(1, (there | meant).sum()))


def hard(folder: Path, lines: list[str], model: restorer.Restorer, out: Path) -> None:
    """Draws pictures without a mask: each as it is, with nothing said and with its box, two in a row."""
    across, cell = 2, 200
    cells = []
    for line in lines:
        name, box = line.split("\t")
        picture = np.asarray(Image.open(folder / name).convert("RGB"))
        mask = folder / name.replace(".webp", ".mask.png")
        chosen = box_of(np.asarray(Image.open(mask)) / 255) if box == "-" else tuple(map(int, box.split(",")))
        answers = [model.restore(picture), model.restore(picture, box=chosen)]
        cells.append([shown(each, cell) for each in (np.dstack((picture, np.full_like(picture[..., 0], 255))), *answers)])
    heights = [CAPTION + max(each.height for row in cells[at : at + across] for each in row) for at in range(0, len(cells), across)]
    page = Image.new("RGB", (across * 3 * (cell + GAP), sum(heights)), "white")
    pen = ImageDraw.Draw(page)
    for number, row in enumerate(cells):
        left, top = number % across * 3 * (cell + GAP), sum(heights[: number // across])
        for column, image in enumerate(row):
            page.paste(image, (left + column * (cell + GAP), top))
        pen.text((left, top + max(each.height for each in row) + 2), f"{number + 1}", fill="black")
    page.save(out, quality=75, method=6)


def main() -> None:
    """Draws the page, and prints a line for each picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="cutout")
    parser.add_argument("--list", type=Path, default=Path(__file__).with_suffix(".txt"))
    parser.add_argument("--hard", type=Path)
    options = parser.parse_args()
    if options.hard:
        lines = [line for line in options.hard.read_text("utf-8").splitlines() if not line.startswith("#")]
        hard(options.folder, lines, pellucid.load(options.model), options.out)
        return
    model, data = pellucid.load(options.model), recipes.find("cutout").data
    names = options.list.read_text("utf-8").split()
    wide, high = 3 * (CELL + GAP) + 2 * GAP, CELL + CAPTION
    page = Image.new("RGB", (ACROSS * wide, -(-len(names) // ACROSS) * high), "white")
    pen = ImageDraw.Draw(page)
    for number, name in enumerate(names):
        path = options.folder / f"{name}.webp"
        if not is_held_out(path.stem, data):
            sys.exit(f"{path}: the recipe cutout learns from this file")
        levels = np.asarray(Image.open(path).convert("RGBA"))
        picture, truth = np.ascontiguousarray(levels[..., :3]), levels[..., 3] / 255
        answers = [model.restore(picture), model.restore(picture, box=box_of(truth))]
        scores = [overlap(answer[..., 3] / 255, truth) for answer in answers]
        left, top = number % ACROSS * wide, number // ACROSS * high
        cells = [shown(np.dstack((picture, np.full_like(picture[..., 0], 255)))), *map(shown, answers)]
        for column, cell in enumerate(cells):
            page.paste(cell, (left + column * (CELL + GAP), top))
        pen.text((left, top + CELL + 3), f"{number + 1}   nothing said {scores[0]:.2f}   box {scores[1]:.2f}", fill="black")
        print(f"{number + 1:2} {name:45} {scores[0]:.2f} {scores[1]:.2f}", flush=True)
    page.save(options.out, quality=80, method=6)


if __name__ == "__main__":
    main()
