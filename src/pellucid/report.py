"""Scores as a table of text, and pictures side by side as a PNG. Drawn with Pillow: the light install has no plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from pellucid import files, images
from pellucid.degradations import Degradation
from pellucid.errors import OptionError
from pellucid.evaluation import Evaluation, Images, spoiled
from pellucid.images import Pixels
from pellucid.restorer import Restorer

__all__ = ["evaluation_figure", "grid", "sheet", "text_table"]

PAPER = (250, 250, 248)
INK = (32, 32, 32)
GAP = 8
"""Pixels between pictures."""
TEXT = 16
"""Height of a label in pixels."""
CROP = 256
"""Side in pixels of what a figure shows of a large image: at its own size, so that noise looks as it is."""


def text_table(evaluation: Evaluation) -> str:
    """The summary as aligned text: PSNR in dB, one row a method, one column a noise, then SSIM and the time."""
    noises = list(dict.fromkeys(row["noise"] for row in evaluation.summary))
    methods = list(dict.fromkeys(row["method"] for row in evaluation.summary))
    cells = {(row["method"], row["noise"]): row for row in evaluation.summary}
    protocol = evaluation.protocol
    lines = [["PSNR in dB", *noises, "s/megapixel"]]
    for method in methods:
        rows = [cells[method, noise] for noise in noises]
        times = [row["seconds_per_megapixel"] for row in rows]
        lines.append([method, *(_psnr(row["psnr"]) for row in rows), f"{float(np.median(times)):.3f}"])
    if any(row.get("ssim") is not None for row in evaluation.summary):
        lines.append(["SSIM", *("" for _ in noises), ""])
        for method in methods:
            scores = [cells[method, noise].get("ssim") for noise in noises]
            lines.append([method, *("" if score is None else f"{score:.4f}" for score in scores), ""])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    note = f"{protocol['count']} images of {protocol['images']}; level {protocol['level']}; PSNR {protocol['psnr']}"
    return "\n".join([*(line.rstrip() for line in text), note])


def _psnr(value: float | None) -> str:
    return "identical" if value is None else f"{value:.2f}"


def grid(rows: Mapping[str, Sequence[Pixels]], path: Path, *, zoom: int = 1, overwrite: bool = False) -> None:
    """Draws pictures (h, w, 1 or 3) in [0, 1] as labelled rows into the PNG ``path``, each pixel ``zoom`` pixels wide.

    Raises `FileError` when ``path`` exists and ``overwrite`` is not said.
    """
    if not rows or not all(rows.values()):
        raise OptionError("a figure needs at least one picture a row")
    drawn = [(label, [_drawn(pixels, zoom) for pixels in row]) for label, row in rows.items()]
    width = max(sum(picture.width + GAP for picture in row) + GAP for _, row in drawn)
    height = GAP + sum(TEXT + GAP + max(picture.height for picture in row) + GAP for _, row in drawn)
    sheet_, pen = _paper(max(width, *(_text_width(label) + 2 * GAP for label, _ in drawn), 0), height)
    top = GAP
    for label, row in drawn:
        _write(pen, (GAP, top), label)
        top += TEXT + GAP
        left = GAP
        for picture in row:
            sheet_.paste(picture, (left, top))
            left += picture.width + GAP
        top += max(picture.height for picture in row) + GAP
    _save(sheet_, path, overwrite)


def sheet(panels: Sequence[tuple[str, Pixels]], rows: Sequence[tuple[str, Pixels]], path: Path, *, overwrite: bool = False) -> None:
    """Draws photographs (``panels``) side by side, and below them strips of digits (``rows``), enlarged to the same width.

    Pixels are (h, w, 1 or 3) in [0, 1]. Raises `FileError` when ``path`` exists and ``overwrite`` is not said.
    """
    pictures = [(label, _drawn(pixels, 1)) for label, pixels in panels]
    width = GAP + sum(picture.width + GAP for _, picture in pictures)
    widest = max((_text_width(label) for label, _ in rows), default=0) + 2 * GAP
    zooms = [max(1, (width - widest - GAP) // pixels.shape[1]) for _, pixels in rows]
    strips = [(label, _drawn(pixels, zoom)) for (label, pixels), zoom in zip(rows, zooms, strict=True)]
    tall = max((picture.height for _, picture in pictures), default=0)
    height = GAP + TEXT + GAP + tall + GAP + sum(picture.height + GAP for _, picture in strips)
    sheet_, pen = _paper(width, height)
    left = GAP
    for label, picture in pictures:
        _write(pen, (left, GAP), label)
        sheet_.paste(picture, (left, GAP + TEXT + GAP))
        left += picture.width + GAP
    top = GAP + TEXT + GAP + tall + GAP
    for label, picture in strips:
        _write(pen, (GAP, top + (picture.height - TEXT) // 2), label)
        sheet_.paste(picture, (widest, top))
        top += picture.height + GAP
    _save(sheet_, path, overwrite)


def evaluation_figure(
    images: Images,
    models: Mapping[str, Restorer],
    noises: Sequence[Degradation],
    path: Path,
    *,
    blind: bool = False,
    overwrite: bool = False,
) -> None:
    """Draws the first images of an evaluation: clean, and for each noise noisy and restored by each model.

    Photographs show the middle 256 pixels of three images, digits ten. Raises `FileError` when ``path`` exists and
    ``overwrite`` is not said.
    """
    rows: dict[str, list[Pixels]] = {"clean": []}
    if images.stack is not None:
        digits = images.stack[:10]
        rows["clean"] = [digit[..., None].astype(np.float32) for digit in digits]
        for noise in noises:
            noisy = np.stack([spoiled(digit, noise, index) for index, digit in enumerate(digits)])
            rows[str(noise)] = list(noisy[..., None])
            for name, model in models.items():
                rows[f"{noise}, restored by {name}"] = list(model.restore_batch(noisy)[..., None])
        grid(rows, path, zoom=3, overwrite=overwrite)
        return
    for index, (_, clean) in enumerate(images.named[:3]):
        rows["clean"].append(_middle(clean))
        for noise in noises:
            noisy = spoiled(clean, noise, index)
            rows.setdefault(str(noise), []).append(_middle(noisy))
            for name, model in models.items():
                told = noise.sigma if not blind and noise.kind == "gaussian" and model.takes_sigma else None
                rows.setdefault(f"{noise}, restored by {name}", []).append(_middle(model.restore(noisy, sigma=told)))
    grid(rows, path, overwrite=overwrite)


def _middle(pixels: NDArray[np.floating]) -> Pixels:
    planes = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width = planes.shape[:2]
    top, left = max(0, (height - CROP) // 2), max(0, (width - CROP) // 2)
    return planes[top : top + CROP, left : left + CROP].astype(np.float32)


def _drawn(pixels: Pixels, zoom: int) -> PillowImage.Image:
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    picture = PillowImage.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).convert("RGB")
    if zoom == 1:
        return picture
    return picture.resize((picture.width * zoom, picture.height * zoom), PillowImage.Resampling.NEAREST)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(TEXT - 3)


def _text_width(text: str) -> int:
    return round(_font().getlength(text))


def _paper(width: int, height: int) -> tuple[PillowImage.Image, ImageDraw.ImageDraw]:
    picture = PillowImage.new("RGB", (width, height), PAPER)
    return picture, ImageDraw.Draw(picture)


def _write(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str) -> None:
    pen.text(place, text, fill=INK, font=_font())


def _save(picture: PillowImage.Image, path: Path, overwrite: bool) -> None:
    if path.suffix.lower() != ".png":
        raise OptionError(f"{path}: a figure is written as PNG; its name must end in .png")
    files.write(path, images.from_array(np.asarray(picture)), overwrite=overwrite)
