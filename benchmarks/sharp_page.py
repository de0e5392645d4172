"""Draws 20 photographs that no model has learnt from, made smaller and enlarged again, without and with texture.

    python benchmarks/sharp_page.py DATA MODEL.onnx SHEET.png [--scale 3]

DATA has ``photos/`` (`pellucid fetch photos`) and ``free/`` (photographs that training left out). The detail with the most
texture of each is shown, pixel by pixel: `upscale`, the model (`pellucid train upscale-sharp`), the photograph itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pellucid import degradations, files, images, maps, restorer

SIDE, GAP, CAPTION, ACROSS = 144, 4, 16, 2
"""Side of a detail, the space between, the height of a line of text, in pixels; photographs in a row."""

HELD_OUT = (
    "007-lomiri-friends_by_Aitzol_Berasategi",
    "018-mate-GreenMeadow",
    "031-plasma-2560x1600",
    "042-gcompris-clickgame_14934",
    "047-gcompris-details_1065392",
    "057-gcompris-erase_14442",
    "105-gcompris-explore_monuments_1900209",
    "106-gcompris-explore_monuments_1989087",
    "140-gcompris-explore_monuments_96424",
    "151-gcompris-explore_world_animals_637634",
    "161-gcompris-explore_world_music_2935180",
    "167-buddiesofbudgie-BuddiesOfBudgie_canyon-wren",
    "168-buddiesofbudgie-BuddiesOfBudgie_casa-mila",
    "172-buddiesofbudgie-BuddiesOfBudgie_oakland-zoo-otters",
    "173-buddiesofbudgie-BuddiesOfBudgie_perched-osprey",
    "175-buddiesofbudgie-BuddiesOfBudgie_roman-colosseum",
    "196-pop-pop-os_samuel-zeller-337041",
)
"""The photographs that recipe `upscale` holds out."""

FREE = ("various/gb82-rain-lossless.webp", "clothing/Undershirt-64652562.webp", "animals/cockroach.webp")
"""Others, in ``free/``, CC0 and public domain: halved, as those of training."""


def detail(clean: NDArray[np.float32], side: int) -> tuple[int, int]:
    """The corner of the square with the most texture: the mean change of the light, that of hard edges counted little."""
    light = images.gray(clean)[..., 0]
    change = np.abs(light - maps.box_mean(light, 5))
    texture = maps.box_mean(change / (1 + (change / 0.06) ** 2), 2 * (side // 2) + 1)
    inside = texture[side // 2 : texture.shape[0] - side // 2, side // 2 : texture.shape[1] - side // 2]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(row), int(column)


def main() -> None:
    """Draws the sheet, and prints which details it shows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("model")
    parser.add_argument("out", type=Path)
    parser.add_argument("--scale", type=int, default=3)
    options = parser.parse_args()
    paths = [options.data / "photos" / f"{name}.webp" for name in HELD_OUT] + [options.data / "free" / name for name in FREE]
    models = [restorer.load("upscale"), restorer.load(options.model)]
    cell: Any = (3 * (SIDE + GAP), SIDE + GAP)
    rows = -(-len(paths) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * (cell[0] + 2 * GAP) - 3 * GAP, rows * cell[1] + CAPTION), "white")
    pen = ImageDraw.Draw(sheet)
    for column in range(3 * ACROSS):
        text = ("upscale", models[1].name, "the photograph")[column % 3]
        pen.text((column % 3 * (SIDE + GAP) + column // 3 * (cell[0] + 2 * GAP), 1), text, fill="black")
    for index, path in enumerate(paths):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
            if path.parent.name == "free":
                picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
        case = degradations.Shrink(options.scale)
        clean, small = case.pair(np.asarray(picture, np.float32) / 255, np.random.default_rng(0))
        top, left = detail(clean, SIDE)
        shown = [model.restore(small, scale=options.scale, noise="keep") for model in models]
        for place, pixels in enumerate((*shown, clean)):
            part = np.rint(255 * np.clip(pixels[top : top + SIDE, left : left + SIDE], 0, 1)).astype(np.uint8)
            corner = (place * (SIDE + GAP) + index % ACROSS * (cell[0] + 2 * GAP), CAPTION + index // ACROSS * cell[1])
            sheet.paste(Image.fromarray(part), corner)
        print(f"{path.stem}: {left},{top}", flush=True)
    with files.replacing(options.out, overwrite=True) as temporary:
        sheet.save(temporary, "PNG" if options.out.suffix == ".png" else "WEBP", quality=82, method=6)


if __name__ == "__main__":
    main()
