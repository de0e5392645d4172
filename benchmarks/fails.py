"""Shows faults that pellucid does not restore, on the package's photograph: ``docs/fails.webp`` and the table of ``docs/fails.md``.

    python benchmarks/fails.py

Each row of the picture is one case: as given, the output, and the truth. Everything follows from fixed seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageFilter

import pellucid
from pellucid import files, metrics, samples, wear

DOCS = Path(__file__).resolve().parent.parent / "docs"
SIDE, GAP = 208, 8
PLACE = (slice(120, 120 + SIDE), slice(250, 250 + SIDE))
"""The part of the photograph that is shown."""

Values = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """A ``name``, how the picture is spoiled, and the call that should mend it."""

    name: str
    spoil: Callable[[Values], Values]
    mend: Callable[[Values], Values]


def noisy(values: Values, sigma: float) -> Values:
    """With Gaussian noise, rounded and clipped as 8 bits have it."""
    noise = np.random.default_rng(1).normal(0, sigma, values.shape)
    return np.clip(np.rint(values + noise), 0, 255).astype(np.uint8)


def blurred(values: Values) -> Values:
    """Out of focus."""
    return np.asarray(PillowImage.fromarray(values).filter(ImageFilter.GaussianBlur(2.5)))


def small(values: Values) -> Values:
    """A quarter of the size."""
    return np.asarray(
        PillowImage.fromarray(values).resize((values.shape[1] // 4, values.shape[0] // 4), PillowImage.Resampling.BICUBIC)
    )


def worn(values: Values) -> Values:
    """With dust, hairs and blotches, as on a print."""
    frames = values[None] / np.float32(255)
    spoiled = wear.wear(frames, "dust:3+hairs:3+blotches:3", np.random.default_rng(2)).frames[0]
    return np.asarray(np.rint(255 * np.clip(spoiled, 0, 1)), np.uint8)


def gray(values: Values) -> Values:
    """Without colours."""
    return np.asarray(PillowImage.fromarray(values).convert("L"))


def quilted(values: Values) -> Values:
    """A JPEG of quality 8: most of the detail is not in the file."""
    import io

    buffer = io.BytesIO()
    PillowImage.fromarray(values).save(buffer, "JPEG", quality=8)
    with PillowImage.open(buffer) as picture:
        return np.asarray(picture)


CASES = (
    Case("noise of level 100", lambda values: noisy(values, 100), pellucid.denoise),
    Case("out of focus", blurred, pellucid.denoise),
    Case("dust, hairs and blotches", worn, pellucid.film),
    Case("JPEG of quality 8", quilted, pellucid.denoise),
    Case("enlarged four times", small, lambda values: pellucid.upscale(values, scale=4)),
    Case("colours of a gray picture", gray, pellucid.colorize),
)


def shown(values: Values) -> Values:
    """The picture as a tile: in colour, enlarged by repeating pixels where it is small."""
    colours = np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values
    times = SIDE // colours.shape[0]
    return colours.repeat(times, axis=0).repeat(times, axis=1)


def decibels(values: Values, clean: Values) -> str:
    """PSNR to the truth; a dash where the sizes differ."""
    if values.shape != clean.shape:
        return "-"
    return f"{metrics.psnr(clean / 255.0, values / 255.0, data_range=1.0):.2f}"


def main() -> int:
    """Writes both."""
    photograph: Any = samples.photograph()
    clean = np.ascontiguousarray(photograph[PLACE])
    rows, lines = [], ["| case | as given, dB | output, dB |", "|---|---|---|"]
    for case in CASES:
        # The whole picture is worked on, as a user's is; a part is shown.
        given = case.spoil(np.ascontiguousarray(photograph[: photograph.shape[0] // 4 * 4, : photograph.shape[1] // 4 * 4]))
        output = np.asarray(case.mend(given))
        times = photograph.shape[0] // given.shape[0]
        part = tuple(slice(cut.start // times, cut.start // times + SIDE // times) for cut in PLACE)
        tiles = [shown(given[part]), shown(output[PLACE]), clean]
        lines.append(
            f"| {case.name} | {decibels(shown(given[part]) if times == 1 else given[part], clean)} | {decibels(tiles[1], clean)} |"
        )
        rows.append(np.concatenate([np.pad(tile, ((0, GAP), (0, GAP), (0, 0)), constant_values=255) for tile in tiles], axis=1))
    picture = PillowImage.fromarray(np.concatenate(rows)[:-GAP, :-GAP])
    with files.replacing(DOCS / "fails.webp", overwrite=True) as temporary:
        picture.save(temporary, "WEBP", quality=85)
    page = (DOCS / "fails.md").read_text("utf-8")
    begin, end = "<!-- fails: by benchmarks/fails.py -->", "<!-- end of fails -->"
    before, rest = page.split(begin)
    with files.replacing(DOCS / "fails.md", overwrite=True) as temporary:
        temporary.write_text("\n".join([f"{before}{begin}", *lines, end]) + rest.split(end)[1], "utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
