"""Makes RGBA files to learn cutting out from, of photographs with polygons of the things in them (COCO's annotations).

    python benchmarks/cutout_polygons.py INSTANCES.json FOLDER SOURCES.tsv SCENES PARTS

SCENES gets the photographs with one clear subject, the union of their large things that touch; PARTS the single things. SOURCES.tsv
names the original size, which the polygons are for.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

LARGE = 384
"""Longer side of the files in pixels."""

VAGUE = frozenset(("dining table", "bed", "couch", "sink", "oven", "refrigerator", "toilet", "bench", "chair"))
"""Things that are rather the place than the subject, and whose polygons hold other things."""


def drawn(polygons: list[list[float]], original: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """The polygons as alpha in [0, 1], at twice the size and scaled down."""
    image = Image.new("L", (2 * size[0], 2 * size[1]))
    pen = ImageDraw.Draw(image)
    for polygon in polygons:
        points = np.array(polygon).reshape(-1, 2) * (2 * size[0] / original[0], 2 * size[1] / original[1])
        if len(points) > 2:
            pen.polygon([tuple(point) for point in points], fill=255)
    return np.asarray(image.resize(size, Image.Resampling.BOX), dtype=np.float32) / 255


def save(path: Path, picture: np.ndarray, alpha: np.ndarray) -> None:
    """Writes a photograph with a mask, whose edge is softened by a pixel: polygons are no finer."""
    soft = Image.fromarray(np.round(alpha * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    Image.fromarray(np.dstack((picture, np.asarray(soft)))).save(path, quality=84, exact=True)


def main() -> None:
    """Makes the files of all photographs that have polygons."""
    instances, folder, sources, scenes, parts = map(Path, sys.argv[1:])
    for out in (scenes, parts):
        out.mkdir(parents=True, exist_ok=True)
    with sources.open(encoding="utf-8") as file:
        sizes = {row["file"]: row["original size"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    by_picture = defaultdict(list)
    for one in json.loads(instances.read_text("utf-8")):
        if not one["iscrowd"] and isinstance(one["segmentation"], list):
            by_picture[one["image_id"]].append(one)
    for path in sorted(folder.glob("*.webp")):
        things = by_picture.get(int(path.stem))
        if not things:
            continue
        width, height = map(int, sizes[f"{folder.name}/{path.name}"].split("x"))
        image = Image.open(path).convert("RGB")
        image.thumbnail((LARGE, LARGE))
        picture = np.asarray(image)
        masks = [drawn(one["segmentation"], (width, height), image.size) for one in things]
        areas = np.array([mask.mean() for mask in masks])
        for number in np.argsort(-areas)[:3]:
            if areas[number] > 0.02 and things[number]["category"] not in VAGUE:
                save(parts / f"coco-{path.stem}-{number}.webp", picture, masks[number])
        clear = [n for n in range(len(things)) if things[n]["category"] not in VAGUE]
        if not clear:
            continue
        first = max(clear, key=lambda n: areas[n])
        subject, taken = masks[first].copy(), {first}
        for number in sorted(clear, key=lambda n: -areas[n]):
            grown = np.asarray(Image.fromarray(np.round(subject * 255).astype(np.uint8)).filter(ImageFilter.MaxFilter(7)))
            if number not in taken and ((grown > 127) & (masks[number] > 0.5)).any() and areas[number] > 0.03 * areas[first]:
                subject, taken = np.maximum(subject, masks[number]), taken | {number}
        rest = max((areas[n] for n in clear if n not in taken), default=0)
        rows, columns = np.nonzero(subject > 0.5)
        if not len(rows):
            continue
        middle = abs(columns.mean() / image.width - 0.5) < 0.22 and abs(rows.mean() / image.height - 0.5) < 0.25
        if subject.mean() > 0.12 and subject.mean() < 0.8 and rest < 0.25 * subject.mean() and middle:
            save(scenes / f"coco-{path.stem}.webp", picture, subject)


if __name__ == "__main__":
    main()
