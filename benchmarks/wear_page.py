"""Draws each defect of `pellucid.wear` beside a real one: docs/wear.webp.

    python benchmarks/wear_page.py DATA docs/wear.webp

DATA has ``old/`` and ``clips/`` (real wear) and ``photos/`` (the photographs that are worn here). Crops are shown at twice
their size or more, without interpolation; whole pictures smaller. Prints what is measured on the real clip.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pellucid import files, footage, wear

CELL, GAP, CAPTION, ACROSS = 132, 6, 30, 3
"""Side of a picture, the space between, the height of two lines of text, in pixels; pairs in a row."""

PHOTOS = tuple(
    f"photos/{name}.webp"
    for name in (
        "175-buddiesofbudgie-BuddiesOfBudgie_roman-colosseum",
        "172-buddiesofbudgie-BuddiesOfBudgie_oakland-zoo-otters",
        "173-buddiesofbudgie-BuddiesOfBudgie_perched-osprey",
        "167-buddiesofbudgie-BuddiesOfBudgie_canyon-wren",
    )
)
"""CC0, repository BuddiesOfBudgie/budgie-backgrounds."""

SHARE = 0.06
"""The share of a part that is to show damage."""

Box = tuple[int, int, int, int] | None

DRAWN: tuple[tuple[str, int, bool, tuple[str, Box] | None], ...] = (
    ("dust:60:bright=0.3", 2, False, ("LC-USF34-010471", (565, 70, 631, 136))),
    ("hairs:60:long=50", 2, False, ("LC-USF34-050129", (76, 376, 142, 442))),
    ("blotches:60:bright=0.2:radius=5", 2, False, ("00963v", (306, 20, 372, 86))),
    ("cracks:40:bright=1:long=60", 0, False, ("01788v", (96, 732, 162, 798))),
    ("film-grain:10", 1, False, ("LC-USF33-011555", (254, 254, 320, 320))),
    ("fading:0.55", 1, True, ("547065", None)),
    ("vignette:0.6", 2, True, ("LC-USW3-017248", None)),
    ("scratches:60", 0, False, None),
    ("stains:60:radius=18", 2, False, None),
    ("creases:2:wide=2", 1, False, None),
    ("mould:60:radius=10", 3, False, None),
    ("splices:100", 0, True, None),
    ("dropouts:60:long=60", 3, False, None),
    ("heads:8", 1, True, None),
    ("chroma:5", 1, False, None),
)
"""The defect, the photograph, whether all of it is shown, and the real one: its file in ``old/`` and what is shown of it."""


def fitted(pixels: NDArray[np.uint8]) -> Image.Image:
    """A crop enlarged by whole pixels, or a picture made smaller, in a cell."""
    image = Image.fromarray(pixels)
    if max(image.size) > CELL:
        image.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
        return image
    factor = CELL // max(image.size)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def levels(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Eight bits in three channels."""
    return np.rint(255 * np.broadcast_to(np.clip(pixels, 0, 1), (*pixels.shape[:2], 3))).astype(np.uint8)


def made(data: Path, text: str, which: int, whole: bool) -> NDArray[np.uint8]:
    """The worn photograph, or a part of 66 x 66 pixels of it in which there is damage."""
    clean = files.read(data / PHOTOS[which]).pixels.astype(np.float32)
    small = np.asarray(Image.fromarray(levels(clean)).resize((384, 216), Image.Resampling.LANCZOS), np.float32) / 255
    part = small if whole else small[40:106, 150:216]
    count = 6 if text.startswith("splices") else 1
    tries = [wear.wear(np.repeat(part[None], count, axis=0), text, np.random.default_rng(seed)).frames for seed in range(30)]
    frames = [frame for frames in tries for frame in frames]
    # Neither one without any, nor one that is full of it.
    shares = [float((np.abs(frame - part).max(axis=2) > 3 * wear.VISIBLE).mean()) for frame in frames]
    return levels(frames[int(np.argmin(np.abs(np.array(shares) - SHARE)))])


def measured(data: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels up or down by which frames of the real clip lie off the first one, and the change of their brightness in hundredths:
    of 64 frames, what is slow taken away."""
    cv2: Any = import_module("cv2")
    frames = []
    for frame in footage.arrays(data / "clips/processing-launch2.mp4"):
        frames.append(frame[40:380, 20:180].astype(np.float32).mean(axis=2))
        if len(frames) == 80:
            break
    window = cv2.createHanningWindow(frames[0].shape[::-1], cv2.CV_32F)
    smooth = [cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in frames]
    down = np.array([cv2.phaseCorrelate(smooth[0], frame, window)[0][1] for frame in smooth])
    light = 100 * np.log([frame.mean() for frame in frames])
    kernel = np.ones(17) / 17
    return tuple((line - np.convolve(line, kernel, "same"))[8:72] for line in (down, light))  # type: ignore[return-value]


def plotted(lines: list[NDArray[np.float64]], names: list[str], unit: str, width: int) -> Image.Image:
    """Lines over 64 frames, one below the other, each on the same scale."""
    high = 44
    image = Image.new("RGB", (width, len(lines) * high), "white")
    draw = ImageDraw.Draw(image)
    most = max(float(np.abs(line).max()) for line in lines)
    for row, (line, name) in enumerate(zip(lines, names, strict=True)):
        middle = row * high + high // 2 + 4
        draw.line([(0, middle), (width, middle)], fill=(200, 200, 200))
        points = [(at * (width - 4) / (len(line) - 1) + 2, middle - value / most * 15) for at, value in enumerate(line)]
        draw.line(points, fill=(30, 70, 160), width=1)
        draw.text((2, row * high - 1), f"{name}: deviation {line.std():.2f} {unit}", fill="black")
    return image


def main() -> None:
    """Draws the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    pair = 2 * CELL + GAP
    rows = -(-len(DRAWN) // ACROSS)
    foot = 2 * 44 + 12
    page = Image.new("RGB", (ACROSS * (pair + 3 * GAP), rows * (CELL + CAPTION) + foot), "white")
    draw = ImageDraw.Draw(page)
    for place, (text, which, whole, real) in enumerate(DRAWN):
        left, top = place % ACROSS * (pair + 3 * GAP), place // ACROSS * (CELL + CAPTION)
        draw.text((left, top), text, fill="black")
        draw.text((left, top + 13), "made" + ("" if real is None else f"; real: {real[0]}"), fill=(90, 90, 90))
        page.paste(fitted(made(options.data, text, which, whole)), (left, top + CAPTION - 2))
        if real is None:
            draw.text((left + CELL + GAP + 8, top + CAPTION + 8), "no real one at hand", fill=(150, 150, 150))
            continue
        pixels = levels(files.read(options.data / "old" / f"{real[0]}.webp").pixels.astype(np.float32))
        if real[1] is not None:
            x0, y0, x1, y1 = real[1]
            pixels = pixels[y0:y1, x0:x1]
        page.paste(fitted(pixels), (left + CELL + GAP, top + CAPTION - 2))
    down, light = measured(options.data)
    print(f"the real clip: {down.std():.2f} pixels up and down, brightness {light.std():.2f} hundredths")
    # Weave and flicker as strong as the real clip's, to compare by eye: one seed, no mean.
    blank = np.full((80, 4, 4, 1), 0.5, np.float32)
    kernel = np.ones(17) / 17
    shift = wear.wear(blank, f"weave:{down.std():.3g}", np.random.default_rng(0)).shift[:, 0].astype(np.float64)
    gain = wear.wear(blank, f"flicker:{light.std():.3g}:areas=0", np.random.default_rng(0)).gain[:, 0, 0].astype(np.float64)
    slow = [(line - np.convolve(line, kernel, "same"))[8:72] for line in (shift, 100 * np.log(gain))]
    half = page.width // 2 - GAP
    page.paste(plotted([slow[0], down], ["weave, made", "real (launch2.mp4)"], "px", half), (0, page.height - foot + 8))
    page.paste(
        plotted([slow[1], light], ["flicker, made", "real (launch2.mp4)"], "%", half), (half + 2 * GAP, page.height - foot + 8)
    )
    page.save(options.out, quality=82, method=6)


if __name__ == "__main__":
    main()
