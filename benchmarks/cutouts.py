"""How well cut-outs are: composites of things and grounds that nothing learnt from, and a folder of photographs with masks.

    python benchmarks/cutouts.py [--model FILE] [--things DIR --grounds DIR] [--masks DIR] [--out FILE.json] [--sheet DIR]

``--things`` and ``--grounds`` are what `cutout_sets` makes; those that the recipe ``cutout`` holds out are used, composed with
fixed seeds at 512 pixels. ``--masks`` holds NAME.webp and NAME.mask.png. Each is cut with nothing said, with the true box, and with
one point, the mask's pixel farthest from its edge, by OpenCV's GrabCut (box, five rounds), by a threshold (Otsu's, brighter or
darker than the border), and by the model. Printed: overlap of alpha above 0.5 (IoU), mean absolute error of alpha (MAE), and the
same where the true alpha lies between 0.05 and 0.95, or within 5 pixels of that; of composites the error of colours there, put on
black and on white. Needs OpenCV (the extra ``bench``).
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import pellucid
from pellucid.training import recipes
from pellucid.training.splits import is_held_out

SIDE = 512
"""Side of the composites in pixels."""

Case = tuple[str, np.ndarray, np.ndarray, np.ndarray | None]
"""Name, picture (h, w, 3), 8 bits, true alpha (h, w) in [0, 1], and the thing's own colours (h, w, 3) in [0, 1], if known."""


def composites(things: Path, grounds: Path, count: int) -> Iterator[Case]:
    """Held-out things on held-out grounds: number n from generator n."""
    data = recipes.find("cutout").data
    # Photographed things alone.
    files = [[path for path in sorted(folder.glob("*.webp")) if "emoji-" not in path.name] for folder in (things, grounds)]
    held = [[path for path in each if is_held_out(path.stem, data)] for each in files]
    for number in range(count):
        rng = np.random.default_rng(number)
        thing = Image.open(held[0][number % len(held[0])]).convert("RGBA")
        ground = Image.open(held[1][int(rng.integers(len(held[1])))]).convert("RGB")
        short = min(ground.size)
        left, top = (int(rng.integers(size - short + 1)) for size in ground.size)
        canvas = np.asarray(
            ground.resize((SIDE, SIDE), Image.Resampling.BICUBIC, (left, top, left + short, top + short)), dtype=np.float32
        )
        share = SIDE * rng.uniform(0.35, 0.85) / max(thing.size)
        thing = thing.resize((round(thing.width * share), round(thing.height * share)), Image.Resampling.BICUBIC)
        pasted = np.asarray(thing, dtype=np.float32)
        height, width = pasted.shape[:2]
        top, left = int(rng.integers(SIDE - height + 1)), int(rng.integers(SIDE - width + 1))
        alpha = np.zeros((SIDE, SIDE), dtype=np.float32)
        alpha[top : top + height, left : left + width] = pasted[..., 3] / 255
        colour = np.zeros_like(canvas)
        colour[top : top + height, left : left + width] = pasted[..., :3]
        picture = canvas + (colour - canvas) * alpha[..., None]
        balance = np.exp(rng.normal(0, 0.05, 3))
        picture = picture * balance + rng.normal(0, rng.uniform(0, 6), picture.shape)
        levels = np.clip(picture, 0, 255).astype(np.uint8)
        _, coded = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(70, 96))])
        own = np.clip(colour * balance / 255, 0, 1)
        yield f"composite {number}", np.asarray(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)), alpha, own


def photographs(folder: Path) -> Iterator[Case]:
    """The photographs of a folder and their masks."""
    for path in sorted(folder.glob("*.mask.png")):
        name = path.name.removesuffix(".mask.png")
        picture = np.asarray(Image.open(folder / f"{name}.webp").convert("RGB"))
        yield name, picture, np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255, None


def box_of(alpha: np.ndarray) -> tuple[int, int, int, int]:
    """The true box."""
    rows, columns = np.flatnonzero((alpha > 0.5).any(axis=1)), np.flatnonzero((alpha > 0.5).any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def point_of(alpha: np.ndarray) -> tuple[int, int]:
    """The pixel farthest from the mask's edge."""
    padded = np.pad((alpha > 0.5).astype(np.uint8), 1)
    row, column = np.unravel_index(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1].argmax(), alpha.shape)
    return int(column), int(row)


def grabcut(picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """OpenCV's GrabCut from the true box."""
    mask = np.zeros(picture.shape[:2], dtype=np.uint8)
    cv2.setRNGSeed(0)
    x0, y0, x1, y1 = box
    cv2.grabCut(picture, mask, (x0, y0, x1 - x0, y1 - y0), np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_RECT)
    return np.isin(mask, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)


def threshold(picture: np.ndarray) -> np.ndarray:
    """Brighter than Otsu's threshold, or darker where the border is bright."""
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    level, _ = cv2.threshold(gray, 0, 255, cv2.THRESH_OTSU)
    bright = gray > level
    border = np.concatenate((bright[0], bright[-1], bright[:, 0], bright[:, -1]))
    return np.asarray(bright != (border.mean() > 0.5), dtype=np.float32)


def soft(truth: np.ndarray) -> np.ndarray:
    """The soft band: where the true alpha lies between 0.05 and 0.95, or within 5 pixels of that."""
    band = ((truth > 0.05) & (truth < 0.95)).astype(np.uint8)
    return np.asarray(cv2.dilate(band, np.ones((11, 11), np.uint8))) > 0


def fringe(answer: np.ndarray, truth: np.ndarray, own: np.ndarray) -> float:
    """The mean error of colours (of 1) in the soft band of an RGBA answer (8 bits), put on black and on white."""
    wide, alpha = soft(truth), answer[..., 3:] / 255
    errors = []
    for ground in (0.0, 1.0):
        made = answer[..., :3] / 255 * alpha + ground * (1 - alpha)
        wanted = own * truth[..., None] + ground * (1 - truth[..., None])
        errors.append(np.abs(made - wanted)[wide].mean())
    return float(np.mean(errors))


def scores(alpha: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """IoU, MAE, and the error in the soft band."""
    there, meant = alpha > 0.5, truth > 0.5
    wide = soft(truth)
    error = np.abs(alpha - truth)
    return {
        "iou": float((there & meant).sum() / max(1, (there | meant).sum())),
        "mae": float(error.mean()),
        "band": float(error[wide].mean()) if wide.any() else float("nan"),
    }


def main() -> None:
    """Measures, and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("--model", "--things", "--grounds", "--masks", "--out", "--sheet"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--no-baselines", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    groups: dict[str, list[Case]] = {}
    if options.things and options.grounds:
        groups["composites"] = list(composites(options.things, options.grounds, options.count))
    if options.masks:
        groups["photographs"] = list(photographs(options.masks))
    model = None if options.model is None else pellucid.load(options.model)
    table: dict[str, dict[str, dict[str, float]]] = {}
    rows: list[dict[str, object]] = []
    for group, cases in groups.items():
        found: dict[str, list[dict[str, float]]] = defaultdict(list)
        fringes: dict[str, list[float]] = defaultdict(list)
        for name, picture, truth, own in cases:
            box, point = box_of(truth), point_of(truth)
            answers: dict[str, np.ndarray] = {}
            if not options.no_baselines:
                answers |= {"threshold": threshold(picture), "GrabCut, box": grabcut(picture, box)}
            if model is not None:
                for said, prompts in (("nothing", {}), ("box", {"box": box}), ("point", {"point": (point,)})):
                    answer = model.restore(picture, **prompts)
                    answers[f"model, {said}"] = np.asarray(answer[..., 3], dtype=np.float32) / 255
                    if own is not None:
                        fringes[said].append(fringe(answer, truth, own))
            for method, alpha in answers.items():
                found[method].append(scores(alpha, truth))
                rows.append({"group": group, "name": name, "method": method, **found[method][-1]})
            if options.sheet and model is not None:
                options.sheet.mkdir(parents=True, exist_ok=True)
                planes = [truth, *(answers[f"model, {said}"] for said in ("nothing", "box", "point"))]
                tiles = [picture, *(np.repeat((plane * 255).astype(np.uint8)[..., None], 3, axis=2) for plane in planes)]
                sheet = Image.fromarray(np.concatenate(tiles, axis=1))
                sheet.thumbnail((1000, 1000))
                sheet.save(options.sheet / f"{name.replace(' ', '-')}.png")
        table[group] = {
            method: {key: float(np.nanmean([entry[key] for entry in entries])) for key in entries[0]}
            for method, entries in found.items()
        }
        print(f"{group} ({len(cases)})")
        for method, means in table[group].items():
            print(f"  {method:16} IoU {means['iou']:.3f}  MAE {means['mae']:.3f}  soft band {means['band']:.3f}")
        for said, errors in fringes.items():
            well = [error for error, row in zip(errors, found[f"model, {said}"], strict=True) if row["iou"] > 0.9]
            print(f"  {said}: on black and white {np.mean(errors):.3f}, {np.mean(well):.3f} of {len(well)} with IoU above 0.9")
    if options.out:
        options.out.write_text(json.dumps({"means": table, "cases": rows}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
