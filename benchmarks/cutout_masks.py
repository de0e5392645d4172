"""Drafts masks of photographs with one clear subject, by OpenCV's GrabCut, for a person to look at: RGBA files to learn from.

    python benchmarks/cutout_masks.py [--loose] OUT FOLDER...
    python benchmarks/cutout_masks.py --boxes benchmarks/cutout_boxes.txt OUT DATA

Five starts (three boxes, and two guesses from the colours and edges of the picture itself) must come to about the same mask, which
must not fill the picture nor lie along its border; with ``--loose`` two of the five may come to another. OUT gets NAME.webp, the
photograph with the mask as alpha, and drafts.tsv: the file, how well the starts agree (the overlap with their middle), and which
share of the picture is masked. ``cutout_scenes.txt`` lists the files of ``photos`` and ``free`` that were kept after a look.

``--boxes`` makes the masks of the photographs that have no such draft, of a box and points by hand, in percent of width and height:
``cutout_boxes.txt`` lists the files below DATA, and which of three ways came to the mask that was kept after a look: ``grabcut``,
from the box and the points; ``model``, our own model ``cutout`` with them; ``both``, GrabCut from the model's mask.
Needs OpenCV (the extra ``bench``).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import pellucid
from pellucid import cutting

SMALL, LARGE = 96, 384
"""Longer side in pixels at which the starts are compared, and of the files."""

AGREE, LOOSE = 0.80, 0.50
"""Least overlap of a start with the mask that most of them have."""


def cut(picture: np.ndarray, start: np.ndarray, rounds: int) -> np.ndarray:
    """GrabCut from a mask of its four classes: True inside."""
    mask = start.copy()
    if not ((mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD)).any() or not (mask == cv2.GC_PR_FGD).any():
        return np.zeros(mask.shape, dtype=bool)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.setRNGSeed(0)
    cv2.grabCut(picture, mask, None, background, foreground, rounds, cv2.GC_INIT_WITH_MASK)  # type: ignore[call-overload]
    return np.asarray((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD))


def starts(picture: np.ndarray) -> list[np.ndarray]:
    """Five starts."""
    height, width = picture.shape[:2]
    found = []
    for inset in (0.03, 0.08, 0.14):
        mask = np.full((height, width), cv2.GC_BGD, dtype=np.uint8)
        down, across = max(1, round(inset * height)), max(1, round(inset * width))
        mask[down:-down, across:-across] = cv2.GC_PR_FGD
        found.append(mask)
    planes = cutting.maps(np.divide(picture, 255, dtype=np.float32))
    for guess in (planes[..., 0] * (0.3 + planes[..., 2]), planes[..., 2]):
        mask = np.full((height, width), cv2.GC_PR_BGD, dtype=np.uint8)
        mask[guess > np.quantile(guess, 0.7)] = cv2.GC_PR_FGD
        mask[0] = mask[-1] = cv2.GC_BGD
        found.append(mask)
    return found


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest part of a mask and those of a tenth of its size or more, its small holes filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    mask = np.isin(labels, 1 + np.flatnonzero(areas >= areas.max() / 10))
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~mask).astype(np.uint8))
    holes = [each for each in range(1, count) if stats[each, cv2.CC_STAT_AREA] < 0.004 * mask.size]
    return mask | np.isin(labels, holes)


def drafted(picture: np.ndarray, loose: bool = False) -> tuple[np.ndarray, float] | None:
    """The mask of a picture, and how well the starts agree; None where there is no clear subject."""
    share = SMALL / max(picture.shape[:2])
    small = cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    masks = [largest(cut(small, start, 2)) for start in starts(small)]
    votes = np.sum(masks, axis=0)
    middle = votes >= 3
    overlaps = sorted((mask & middle).sum() / max(1, (mask | middle).sum()) for mask in masks)
    # One of the five may be wrong, or two.
    agree = float(overlaps[1 + loose])
    border = np.concatenate((middle[0], middle[-1], middle[:, 0], middle[:, -1]))
    if agree < (LOOSE if loose else AGREE) or not 0.05 < middle.mean() < 0.75 or border.mean() > (0.45 if loose else 0.3):
        return None
    height, width = picture.shape[:2]
    share = cv2.resize(votes.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    start = np.where(share > 2.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    inner = cv2.erode((share >= 4).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    outer = cv2.dilate((share >= 1).astype(np.uint8), np.ones((13, 13), np.uint8)) == 0
    start[inner], start[outer] = cv2.GC_FGD, cv2.GC_BGD
    return largest(cut(picture, start, 1)), agree


@dataclass(frozen=True)
class Marks:
    """A photograph below the data folder, what was marked in it, in percent of its width and height, and how its mask is made."""

    file: str
    box: tuple[float, ...]
    points: tuple[tuple[float, ...], ...]
    not_points: tuple[tuple[float, ...], ...]
    way: str

    @property
    def name(self) -> str:
        """The name of the file to learn from; polygons of COCO's photographs have the same, so both are held out, or neither."""
        path = Path(self.file)
        return f"{path.parent.name.replace('coco-free', 'coco')}-{path.stem}.webp"


def marks(path: Path) -> Iterator[Marks]:
    """The photographs of a file like ``cutout_boxes.txt``."""
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            file, box, points, not_points, way = line.split("\t")
            inside, outside = (
                tuple(tuple(map(float, point.split(","))) for point in each.split())
                for each in (points.strip("-"), not_points.strip("-"))
            )
            yield Marks(file, tuple(map(float, box.split(","))), inside, outside, way)


def asked(picture: np.ndarray, mark: Marks) -> np.ndarray:
    """Alpha (h, w) in [0, 1] of the marked thing by our own model, without its haze and what is far from its largest parts."""
    (left, top, right, bottom), points, not_points = placed(picture, mark)
    alpha = pellucid.cutout(picture, box=(left, top, right, bottom), point=points, not_point=not_points, alpha_only=True)
    soft = np.clip(np.asarray(alpha, dtype=np.float32).reshape(picture.shape[:2]) / 255 * 1.4 - 0.2, 0, 1)
    soft[~grown(largest(soft > 0.5), 5)] = 0
    return soft


def marked(picture: np.ndarray, mark: Marks, soft: np.ndarray | None = None) -> np.ndarray:
    """Alpha (h, w) in [0, 1] of the marked thing by GrabCut, from the box, or from the model's answer."""
    (left, top, right, bottom), points, not_points = placed(picture, mark)
    if soft is None:
        start = np.full(picture.shape[:2], cv2.GC_BGD, dtype=np.uint8)
        start[top:bottom, left:right] = cv2.GC_PR_FGD
    else:
        start = np.where(soft > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        start[~grown(soft > 0.1, 11)] = cv2.GC_BGD
        start[~grown(soft < 0.9, 11)] = cv2.GC_FGD
    for each, value in ((points, cv2.GC_FGD), (not_points, cv2.GC_BGD)):
        for point in each:
            cv2.circle(start, point, max(2, max(picture.shape) // 60), int(value), -1)
    mask = largest(cut(picture, start, 5 if soft is None else 2))
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8))


def made(picture: np.ndarray, mark: Marks) -> np.ndarray:
    """Alpha (h, w) in [0, 1] of the marked thing, in the way that was kept."""
    if mark.way == "grabcut":
        return marked(picture, mark)
    soft = asked(picture, mark)
    return soft if mark.way == "model" else marked(picture, mark, soft)


def placed(
    picture: np.ndarray, mark: Marks
) -> tuple[tuple[int, int, int, int], tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The box, the points inside and those outside, in pixels of the picture."""
    height, width = picture.shape[:2]

    def at(point: tuple[float, ...]) -> tuple[int, int]:
        return min(int(point[0] * width / 100), width - 1), min(int(point[1] * height / 100), height - 1)

    left, top, right, bottom = mark.box
    box = (round(left * width / 100), round(top * height / 100), round(right * width / 100), round(bottom * height / 100))
    return box, tuple(map(at, mark.points)), tuple(map(at, mark.not_points))


def grown(mask: np.ndarray, side: int) -> np.ndarray:
    """A mask and what is near it."""
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0)


def opened(path: Path) -> np.ndarray:
    """A photograph at the size of the files."""
    image = Image.open(path).convert("RGB")
    image.thumbnail((LARGE, LARGE))
    return np.ascontiguousarray(np.asarray(image))


def save(path: Path, picture: np.ndarray, alpha: np.ndarray) -> None:
    """Writes a photograph with a mask."""
    levels = np.round(alpha * 255).astype(np.uint8)
    Image.fromarray(np.dstack((picture, levels))).save(path, quality=86, exact=True, alpha_quality=90)


def main() -> None:
    """Drafts masks of all photographs of the folders, or makes those of a file of boxes."""
    cv2.setNumThreads(1)
    if sys.argv[1] == "--boxes":
        boxes, out, data = map(Path, sys.argv[2:])
        out.mkdir(parents=True, exist_ok=True)
        for mark in marks(boxes):
            picture = opened(data / mark.file)
            save(out / mark.name, picture, made(picture, mark))
        return
    loose = sys.argv[1] == "--loose"
    out = Path(sys.argv[1 + loose])
    out.mkdir(parents=True, exist_ok=True)
    with (out / "drafts.tsv").open("a", encoding="utf-8") as table:
        for folder in map(Path, sys.argv[2 + loose :]):
            for path in sorted(folder.glob("*.webp")):
                picture = opened(path)
                result = drafted(picture, loose)
                if result is None:
                    continue
                mask, agree = result
                soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)
                name = f"{folder.name}-{path.stem}.webp"
                save(out / name, picture, soft)
                print(name, f"{agree:.3f}", f"{mask.mean():.3f}", sep="\t", file=table, flush=True)


if __name__ == "__main__":
    main()
