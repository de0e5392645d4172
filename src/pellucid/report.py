"""Scores as a table of text, and pictures side by side as a PNG. Drawn with Pillow: the light install has no plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from pellucid import files, images, maps, metrics, tasks
from pellucid.comparing import Pair
from pellucid.degradations import Degradation
from pellucid.diagnosis import Diagnosis
from pellucid.digits import degraded_digits
from pellucid.errors import OptionError
from pellucid.evaluation import Evaluation, Images, degraded
from pellucid.images import Pixels
from pellucid.methods import Model, methods_of, task_of_cases
from pellucid.metrics import Metric
from pellucid.tasks import base

__all__ = ["comparison", "evaluation_figure", "grid", "sheet", "text_table"]

PAPER = (250, 250, 248)
INK = (32, 32, 32)
GAP = 8
"""Pixels between pictures."""
TEXT = 16
"""Height of a label in pixels."""
CROP = 256
"""Side in pixels of the part of a large image that a figure shows: at its own size, so that noise looks as it is."""
AMPLIFIED = 8
"""The factor that a difference is multiplied by: the eye does not see one 8-bit level."""

SHOWN = 1200
"""The largest width or height in pixels of a picture in a figure of its noise."""


def text_table(evaluation: Evaluation) -> str:
    """The evaluation's means as aligned text, one row for each method and one column for each noise; then the protocol.

    The task's headline metric with seconds per megapixel and peak memory; its spread and worst image; the other metrics; for digits
    with labels, the share that a classifier reads right.
    """
    headline, *others = (metrics.METRICS[name] for name in tasks.find(evaluation.protocol["task"]).module().METRICS)
    noises = list(dict.fromkeys(row["noise"] for row in evaluation.summary))
    methods = list(dict.fromkeys(row["method"] for row in evaluation.summary))
    cells = {(row["method"], row["noise"]): row for row in evaluation.summary}
    lines = [[headline.title, *noises, "s/megapixel", "peak MiB"]]
    for method in methods:
        rows = [cells[method, noise] for noise in noises]
        # That of the slowest noise: without noise, many methods return at once.
        times = [row["seconds_per_megapixel"] for row in rows if row["seconds_per_megapixel"] is not None]
        peak = rows[0].get("peak_memory_mib")
        slowest = f"{max(times):.3f}" if times else ""
        lines.append([method, *(_headline(row, headline) for row in rows), slowest, "" if peak is None else f"{peak:.0f}"])
    blocks = [lines]
    for key, title, form in (
        (f"{headline.name}_spread", f"its spread in {headline.unit}" if headline.unit else "its spread", f".{headline.digits}f"),
        ("worst", "its worst image", ""),
        *((metric.name, metric.title, f".{metric.digits}f") for metric in others),
        ("accuracy", "read right", ".2%"),
        ("accuracy_clean", "clean, read right", ".2%"),
    ):
        if any(row.get(key) is not None for row in evaluation.summary):
            lines = [[title, *("" for _ in noises)]]
            for method in methods:
                values = [cells[method, noise].get(key) for noise in noises]
                lines.append([method, *("" if value is None else format(value, form) for value in values)])
            blocks.append(lines)
    text = [_aligned(block) for block in blocks]
    text.append("\n".join(f"{key}: {_plain(value)}" for key, value in evaluation.protocol.items() if value not in ({}, [])))
    return "\n\n".join(text)


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key} {_plain(entry)}" for key, entry in value.items())
    return ", ".join(str(entry) for entry in value) if isinstance(value, list) else str(value)


def _headline(row: Mapping[str, Any], metric: Metric) -> str:
    """A mean, and the images that it leaves out: those that came back without a difference, and those where the method failed."""
    value = row[metric.name]
    if value is None:
        return "failed" if not row["images"] else "identical" if row.get("identical") else "too small"
    left_out = [f"{row[key]} {key}" for key in ("identical", "failed") if row.get(key)]
    return f"{value:.{metric.digits}f}" + (f" ({', '.join(left_out)})" if left_out else "")


def grid(rows: Mapping[str, Sequence[Pixels]], path: Path, *, zoom: int = 1, overwrite: bool = False) -> None:
    """Draws pictures (h, w, 1 or 3) in [0, 1] as labelled rows into the PNG ``path``, each pixel ``zoom`` pixels wide.

    Raises `FileError` when ``path`` exists and ``overwrite`` is False.
    """
    if not rows or not all(rows.values()):
        raise OptionError("a figure needs at least one picture in each row")
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

    Pixels are (h, w, 1 or 3) in [0, 1]. Raises `FileError` when ``path`` exists and ``overwrite`` is False.
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
    models: Mapping[str, Model],
    noises: Sequence[Degradation],
    path: Path,
    *,
    task: str | None = None,
    blind: bool = False,
    overwrite: bool = False,
) -> None:
    """Draws the first images of an evaluation: clean, and for each noise degraded and restored by each model.

    The middle 256 pixels of three photographs, or ten digits. ``task`` and ``blind`` as of `pellucid.evaluation.evaluate`. Raises
    `FileError` when ``path`` exists and ``overwrite`` is False.
    """
    row = tasks.find(task) if task is not None else task_of_cases(noises, models)
    methods = methods_of(models, (), row, noises, blind=blind)
    rows: dict[str, list[Pixels]] = {"clean": []}
    if images.stack is not None:
        digits = images.stack[:10]
        rows["clean"] = [digit[..., None].astype(np.float32) for digit in digits]
        for noise in noises:
            noisy = degraded_digits(images.stack, noise)[:10]
            rows[str(noise)] = list(noisy[..., None])
            for method in methods:
                rows[f"{noise}, restored by {method.name}"] = list(method.batch(noisy, noise)[..., None])
        grid(rows, path, zoom=3, overwrite=overwrite)
        return
    for index, (_, clean) in zip(images.places[:3], images.named[:3], strict=True):
        rows["clean"].append(_middle(clean)[..., :3])
        for noise in noises:
            true, noisy = degraded(clean, noise, index, row)
            case = base.stated(noise, true, index)
            rows.setdefault(str(noise), []).append(_middle(noisy))
            for method in methods:
                rows.setdefault(f"{noise}, restored by {method.name}", []).append(_middle(method(noisy, case, case)))
    grid(rows, path, overwrite=overwrite)


def comparison(pair: Pair, names: Sequence[str], path: Path, *, overwrite: bool = False) -> None:
    """Draws two pictures of one size and their difference, eight times amplified around middle gray, into the PNG ``path``.

    ``names`` are those of the two. Large pictures show their middle 512 pixels. Raises `FileError` when ``path`` exists.
    """
    difference = 0.5 + AMPLIFIED * metrics.difference(pair.one, pair.other)
    label = f"{' | '.join(names)} | the second minus the first, times {AMPLIFIED}, around gray"
    grid({label: [_middle(pixels, 2 * CROP) for pixels in (pair.one, pair.other, difference)]}, path, overwrite=overwrite)


def noise_map(pixels: Pixels, found: Diagnosis, path: Path, *, overwrite: bool = False) -> None:
    """Draws a picture (h, w, channels), and below it the noise level at each pixel, into the PNG ``path``.

    Pictures wider or higher than `SHOWN` pixels are shown smaller. Raises `FileError` when ``path`` exists and ``overwrite`` is
    False.
    """
    levels = found.sigma_map(pixels)[..., None]
    low, high = float(levels.min()), float(levels.max())
    rows = {
        str(found): np.clip(pixels, 0, 1),
        f"sigma at each pixel, {low:.1f} (black) to {high:.1f} (white)": levels / max(high, 1e-6),
    }
    if found.extremes is not None:
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        rows["the chance that a pixel is an impulse"] = maps.impulses(planes, found.extremes)[..., None]
    share = min(1.0, SHOWN / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[0] * share)), max(1, round(pixels.shape[1] * share)))
    kernel = PillowImage.Resampling.LANCZOS
    drawn = {label: [row if share == 1 else np.clip(images.resized(row, *size, kernel), 0, 1)] for label, row in rows.items()}
    grid(drawn, path, overwrite=overwrite)


def _middle(pixels: NDArray[np.floating], side: int = CROP) -> Pixels:
    planes = pixels if pixels.ndim == 3 else pixels[..., None]
    height, width = planes.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return planes[top : top + side, left : left + side].astype(np.float32)


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
        raise OptionError(f"{path}: a figure is a PNG file; its name must end in .png")
    files.write(path, images.from_array(np.asarray(picture)), overwrite=overwrite)
