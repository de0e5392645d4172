"""Makes the folders that the recipe ``cutout`` learns from, of the training images at hand: things, and grounds to paste them on.

    python benchmarks/cutout_sets.py DATA OUT

DATA holds ``cutouts``, ``masks/scanned``, ``masks/emoji``, ``photos`` and ``free``; OUT gets ``things`` and ``grounds``, no side
longer than 384 pixels. The scenes come from `cutout_masks` and `cutout_polygons`.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

LARGE = 384
"""Longest side of the files in pixels."""

SUBJECTS = ("clickgame", "erase", "farm_animals", "details", "baby", "dog", "girl", "guitar", "collybita", "falcon", "Tarantula")
"""Words in the names of photographs that have a subject of their own."""

NO_THINGS = ("explosion", "fire.", "final-roll-call", "bandage")
"""Words in the names of cut-outs whose alpha is none of a thing's."""


def things(data: Path, out: Path) -> None:
    """Each cut-out, cut to what is not transparent."""
    out.mkdir(parents=True, exist_ok=True)
    folders = (data / "cutouts", data / "masks" / "scanned", data / "masks" / "emoji")
    for path in sorted(path for folder in folders for path in folder.glob("*.webp")):
        if any(word in path.name for word in NO_THINGS):
            continue
        image = Image.open(path).convert("RGBA")
        box = image.getchannel("A").point(lambda level: 255 * (level > 8)).getbbox()
        if box is None:
            continue
        image = image.crop(box)
        image.thumbnail((LARGE, LARGE))
        image.save(out / f"{path.parent.name}-{path.name}", quality=90, method=2, exact=True)


def grounds(data: Path, out: Path) -> None:
    """Photographs without a clear subject, whole and, of the large ones, two crops of half the size."""
    out.mkdir(parents=True, exist_ok=True)
    marked = {line.split("\t")[0] for line in Path(__file__).with_name("cutout_boxes.txt").read_text("utf-8").splitlines()}
    largest: dict[int, float] = defaultdict(float)
    for one in json.loads((data / "free" / "coco-free-instances.json").read_text("utf-8")):
        _, _, width, height = one["bbox"]
        largest[one["image_id"]] = max(largest[one["image_id"]], width * height / (640 * 480))
    for folder in (data / "photos", *(data / "free" / name for name in ("various", "coco-free", "grocery"))):
        for number, path in enumerate(sorted(folder.glob("*.webp"))):
            if any(word in path.name for word in SUBJECTS) or path.relative_to(data).as_posix() in marked:
                continue
            if folder.name == "coco-free" and largest[int(path.stem)] > 0.15:
                continue
            if folder.name == "grocery" and number % 5:
                continue
            image = Image.open(path).convert("RGB")
            crops = [image]
            if max(image.size) > 1000:
                rng = np.random.default_rng(number)
                width, height = image.width // 2, image.height // 2
                for _ in range(2):
                    left, top = int(rng.integers(width)), int(rng.integers(height))
                    crops.append(image.crop((left, top, left + width, top + height)))
            for part, crop in enumerate(crops):
                # Not a view of its own: what is held out is held out with all its crops.
                crop.thumbnail((LARGE, LARGE))
                crop.save(out / f"{folder.name}-{path.stem}--{part}.webp", quality=86, method=2)


if __name__ == "__main__":
    things(Path(sys.argv[1]), Path(sys.argv[2]) / "things")
    grounds(Path(sys.argv[1]), Path(sys.argv[2]) / "grounds")
