"""How near proposed colours are to the true ones, with nothing said and with hints.

    python benchmarks/colours.py FOLDER [--list benchmarks/colours.txt] [--model colorize] [--levin] [--json]
    python benchmarks/colours.py FOLDER --pairs benchmarks/likes.txt --model colorize
    python benchmarks/colours.py FOLDER --gray benchmarks/grays.txt --model colorize

Each picture is scaled down to 256 pixels on its longer side and loses its colours: L of CIELAB stays. CIEDE2000 to the true
picture, the mean over pixels and then over pictures, of: the gray picture, one mean colour, the table from light to colour
(`pellucid.colour.TABLE`), and the model, if one is named. Hints are the true colour, the mean of 3x3 pixels in 8 bits, at 5, 10
and 50 random places (picture n: generator n), of the model, of the table with `pellucid.spreading`, and with --levin of the
optimisation of Levin et al. 2004, which takes seconds for each picture. Colourfulness is that of Hasler and Suesstrunk 2003.

With --pairs, each picture is coloured with nothing said, and by the colours of the other one of its line (--like). With --gray, the
pictures have no colour of their own, and what the model gives them is measured: the mean chroma (CIELAB) of each, and of made
ones: fog, brushed steel, a page of text and a drawing of lines.

With --list, FOLDER is the one in which the list's paths begin.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import baselines, colour, files, images, metrics, restorer, spreading
from pellucid.errors import PellucidError

SIDE = 256
COUNTS = (0, 5, 10, 50)

Pixels = NDArray[np.float32]


def small(path: Path) -> Pixels:
    """The picture (h, w, 3) in 8-bit steps, at most `SIDE` pixels a side."""
    pixels = files.read(path).pixels[..., :3]
    pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    height, width = pixels.shape[:2]
    share = min(1.0, SIDE / max(height, width))
    scaled = images.resized(pixels, max(1, round(height * share)), max(1, round(width * share)), images.BICUBIC)
    return (np.rint(np.clip(scaled, 0, 1) * 255) / 255).astype(np.float32)


def hints_of(rgb: Pixels, count: int, number: int) -> list[tuple[int, int, str]]:
    """``count`` hints as settings have them: x, y, #rrggbb."""
    rng = np.random.default_rng(number)
    height, width = rgb.shape[:2]
    found = []
    for _ in range(count):
        y, x = int(rng.integers(1, height - 1)), int(rng.integers(1, width - 1))
        red, green, blue = np.rint(rgb[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1)) * 255).astype(int)
        found.append((x, y, f"#{red:02x}{green:02x}{blue:02x}"))
    return found


def as_rows(hints: list[tuple[int, int, str]]) -> Pixels:
    """Hints (n, 4) as `pellucid.spreading` has them."""
    codes = np.array([[int(code[at : at + 2], 16) / 255 for at in (1, 3, 5)] for _, _, code in hints], dtype=np.float32)
    places = np.array([(y, x) for x, y, _ in hints], dtype=np.float32)
    return np.concatenate([places, colour.even_of(colour.lab_of(codes)[:, 1:])], axis=1)


def colourfulness(rgb: Pixels) -> float:
    """M of Hasler and Suesstrunk 2003, of 8-bit levels."""
    red, green, blue = np.moveaxis(rgb * 255.0, -1, 0)
    across, down = red - green, (red + green) / 2 - blue
    return float(np.hypot(across.std(), down.std()) + 0.3 * np.hypot(across.mean(), down.mean()))


def measured(rgb: Pixels, number: int, mean: Pixels, model: restorer.Restorer | None, slow: bool) -> dict[str, float]:
    """CIEDE2000 of a picture by method and hints, and colourfulness."""
    lab = colour.lab_of(rgb)
    light = lab[..., 0]
    found: dict[str, float] = {"colourfulness truth": colourfulness(rgb)}

    def add(name: str, even: Pixels) -> None:
        made = colour.rgb_of(light, colour.ab_of(even))
        found[name] = float(metrics.colour_difference(lab, colour.lab_of(made)).mean())

    add("gray 0", np.zeros_like(lab[..., 1:]))
    add("mean 0", np.broadcast_to(mean, (*light.shape, 2)))
    gray = np.rint(colour.gray_of(light) * 65535).astype(np.uint16)
    for count in COUNTS:
        hints = hints_of(rgb, count, number)
        rows = as_rows(hints) if hints else np.empty((0, 4), np.float32)
        add(f"table {count}", spreading.propagated(light, colour.by_light(light), rows))
        if slow and hints:
            add(f"levin {count}", baselines.levin(light, rows))
        if model is not None:
            made: Pixels = np.divide(model.restore(gray, hint=tuple(hints)), 65535, dtype=np.float32)
            found[f"model {count}"] = float(metrics.colour_difference(lab, colour.lab_of(made)).mean())
            if not count:
                found["colourfulness model"] = colourfulness(made)
                found["chroma model"] = float(np.hypot(*np.moveaxis(colour.lab_of(made)[..., 1:], -1, 0)).mean())
                found["light off by, most"] = float(np.abs(colour.light_of(made) - light).max())
    return found


def named(path: Path) -> list[str]:
    """The lines of a list that are no remarks."""
    return [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def gray_of(rgb: Pixels) -> NDArray[np.uint16]:
    """The picture's light as a gray one of 16 bits."""
    return np.rint(colour.gray_of(colour.light_of(rgb)) * 65535).astype(np.uint16)


def likes(folder: Path, pairs: list[str], model: restorer.Restorer) -> None:
    """Prints CIEDE2000 with nothing said and by another picture's colours."""
    found = []
    for line in pairs:
        first, other = line.split("\t")
        rgb = small(folder / first)
        lab = colour.lab_of(rgb)
        given = gray_of(rgb)
        made = [np.divide(each, 65535) for each in (model.restore(given), model.restore(given, like=folder / other))]
        found.append([float(metrics.colour_difference(lab, colour.lab_of(each)).mean()) for each in made])
        print(f"{Path(first).stem[:40]:42}{found[-1][0]:8.2f}{found[-1][1]:8.2f}")
    plain, liked = np.mean(found, axis=0)
    print(f"{len(found)} pairs: nothing said {plain:.2f}, by the other's colours {liked:.2f} ({liked / plain - 1:+.1%})")


def made_grays() -> dict[str, Pixels]:
    """Pictures (h, w) in [0, 1] of what has no colour."""
    rng = np.random.default_rng(0)
    size = (256, 384)
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)

    def blurred(width: tuple[int, int]) -> Pixels:
        coarse = rng.standard_normal((size[0] // width[0] + 1, size[1] // width[1] + 1, 1), dtype=np.float32)
        return images.resized(coarse, *size, images.BICUBIC)[..., 0]

    fog = 0.72 + 0.08 * (rows / size[0] - 0.5) + 0.03 * blurred((32, 48))
    steel = 0.55 + 0.1 * np.sin(columns / 60) + 0.05 * blurred((1, 64))
    page, drawing = np.ones(size, np.float32), np.ones(size, np.float32)
    for top in range(20, 240, 12):
        for left in range(20, 360, 7):
            if rng.random() < 0.85:
                page[top : top + 7, left : left + 5] = 1 - (rng.random((7, 5)) < 0.45)
    for _ in range(40):
        y, x, angle = rng.uniform(20, 236), rng.uniform(20, 364), rng.uniform(0, np.pi)
        away = np.abs((columns - x) * np.sin(angle) - (rows - y) * np.cos(angle))
        near = np.hypot(columns - x, rows - y) < rng.uniform(20, 90)
        drawing[(away < 0.8) & near] = 0.1
    return {"fog": fog, "brushed steel": steel, "a page of text": page, "a drawing of lines": drawing}


def grays(folder: Path, names: list[str], model: restorer.Restorer) -> None:
    """Prints the chroma that the model gives to what has none."""
    pictures = {name: colour.gray_of(colour.light_of(small(folder / name))) for name in names} | made_grays()
    found = []
    for name, picture in pictures.items():
        made = np.divide(model.restore(np.rint(np.clip(picture, 0, 1) * 65535).astype(np.uint16)), 65535, dtype=np.float32)
        found.append(float(np.hypot(*np.moveaxis(colour.lab_of(made)[..., 1:], -1, 0)).mean()))
        print(f"{name[-50:]:52}{found[-1]:8.2f}")
    print(f"{len(found)} pictures without colour: mean chroma {np.mean(found):.2f}, most {max(found):.2f}")


def main() -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="colour photographs")
    parser.add_argument("--list", type=Path, help="a file that names the pictures, one a line, from FOLDER on")
    parser.add_argument("--pairs", type=Path, help="a file with two pictures a line, a tab between")
    parser.add_argument("--gray", type=Path, help="a file that names pictures without colour, one a line")
    parser.add_argument("--model", help="a model's name or file")
    parser.add_argument("--levin", action="store_true", help="also Levin's optimisation (needs scipy)")
    parser.add_argument("--json", action="store_true", help="as JSON, each picture by itself")
    options = parser.parse_args()
    try:
        paths = [] if options.list or options.pairs or options.gray else files.list_images(options.folder)
        if options.list is not None:
            paths = [options.folder / line for line in named(options.list)]
        model = restorer.load(options.model) if options.model else None
        if options.pairs or options.gray:
            if model is None:
                parser.error("--pairs and --gray need --model")
            if options.pairs:
                likes(options.folder, named(options.pairs), model)
            if options.gray:
                grays(options.folder, named(options.gray), model)
            return 0
        mean = (colour.TABLE * np.hanning(len(colour.TABLE) + 2)[1:-1, None]).sum(axis=0) / np.hanning(len(colour.TABLE) + 2).sum()
        found: dict[str, Any] = {}
        for number, path in enumerate(paths):
            found[path.name] = measured(small(path), number, mean.astype(np.float32), model, options.levin)
    except (PellucidError, OSError) as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found))
        return 0
    names = list(next(iter(found.values())))
    means = {name: float(np.mean([row[name] for row in found.values()])) for name in names}
    print(f"{len(found)} pictures, {SIDE} pixels: CIEDE2000 by the count of hints")
    print(f"{'':8}" + "".join(f"{count:>8}" for count in COUNTS))
    for method in ("gray", "mean", "table", "levin", "model"):
        cells = [means.get(f"{method} {count}") for count in COUNTS]
        if any(cell is not None for cell in cells):
            print(f"{method:8}" + "".join(" " * 8 if cell is None else f"{cell:8.2f}" for cell in cells))
    for name in names:
        if not name.endswith(tuple(f" {count}" for count in COUNTS)):
            print(f"{name}: {means[name]:.2f}")
    if model is not None:
        wins = sum(row["model 0"] < row["table 0"] for row in found.values())
        print(f"the model is nearer than the table, nothing said: {wins} of {len(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
