"""DNGs of `pellucid denoise` in other people's developers: RawTherapee and darktable, beside what these make of the source.

    pip install -e '.[raw]'
    apt install rawtherapee darktable libimage-exiftool-perl
    python benchmarks/developers.py

A clean shot, whose colours change slowly, in the layouts of five makers; restored to a linear DNG and to a mosaic. Printed are what
exiftool finds wrong, and the mean CIEDE2000 between a program's development of the source and of the output. Programs that are not
there are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from pellucid import batch, metrics, plan, restorer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from shots import LAYOUTS, taken, written

HEIGHT, WIDTH, EDGE = 480, 640, 16
CROP = (8, 6, 600, 460)

Picture = NDArray[np.float32]


def scene() -> Picture:
    """Colours that change slowly: every way of demosaicing gives the same."""
    down, right = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    planes = [0.3 + 0.3 * right / WIDTH, 0.5 + 0.2 * np.sin(down / 80), 0.6 - 0.3 * right / WIDTH * down / HEIGHT]
    return np.stack(planes, axis=2).astype(np.float32)


def by_rawtherapee(source: Path, target: Path, place: Path) -> list[str]:
    """The command: without a profile it changes no tones."""
    return ["rawtherapee-cli", "-t", "-b16", "-o", str(target), "-Y", "-c", str(source)]


def by_darktable(source: Path, target: Path, place: Path) -> list[str]:
    """The command: without its workflows, which choose an exposure."""
    plain = ["--conf", "plugins/darkroom/workflow=none", "--conf", "plugins/imageio/format/tiff/bpp=16"]
    own = ["--configdir", str(place / "darktable"), "--library", ":memory:", "--disable-opencl"]
    return ["darktable-cli", str(source), str(target), "--core", *own, *plain]


PROGRAMS: dict[str, Callable[[Path, Path, Path], list[str]]] = {"rawtherapee-cli": by_rawtherapee, "darktable-cli": by_darktable}


def developed(command: list[str], target: Path) -> Picture:
    """What the command writes."""
    # darktable 5.0 leaves a part of the picture black where this says fewer threads than there are cores.
    own = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=own)
    if not target.exists():
        raise RuntimeError(f"{command[0]}: {done.stderr[-300:]}")
    return np.asarray(tifffile.imread(target)[..., :3], np.float32) / np.float32(65535)


def difference(one: Picture, other: Picture) -> float:
    """Mean CIEDE2000 of the middles: RawTherapee cuts four pixels off the edges of a mosaic, and none off those of colours."""
    height, width = (min(pair) - 2 * EDGE for pair in zip(one.shape[:2], other.shape[:2], strict=True))

    def middle(picture: Picture) -> Picture:
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        return picture[top : top + height, left : left + width]

    found: Any = metrics.METRICS["ciede2000"].function
    return float(found(middle(one), middle(other), data_range=1.0))


def main() -> int:
    """Prints a line for each output."""
    photo = restorer.load("photo")
    programs = {name: command for name, command in PROGRAMS.items() if shutil.which(name)}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for index, (maker, layout) in enumerate(LAYOUTS.items()):
            shot = taken(scene(), layout if layout.crop is None else replace(layout, crop=CROP))
            source = written(place / f"{index}.dng", shot, profile=False)
            before = {
                name: developed(command(source, target := place / f"{index}.{name}.tif", place), target)
                for name, command in programs.items()
            }
            for kind in ("linear", "mosaic"):
                output = place / f"{index}.{kind}.dng"
                settings = photo.settings(keep_mosaic=kind == "mosaic")
                (outcome,) = batch.restore_files(plan.plan([source], output, mosaic=True), photo, settings)
                if outcome.error is not None:
                    raise RuntimeError(outcome.error)
                words = []
                if shutil.which("exiftool"):
                    asked = ["exiftool", "-s3", "-validate", "-warning", "-error", "-a", str(output)]
                    words.append(
                        "exiftool " + "; ".join(subprocess.run(asked, capture_output=True, text=True).stdout.split("\n")[:-1])
                    )
                for name, command in programs.items():
                    target = place / f"{index}.{kind}.{name}.tif"
                    after = developed(command(output, target, place), target)
                    words.append(f"{name} {after.shape[1]}x{after.shape[0]} {difference(before[name], after):.2f}")
                print(f"{maker:<14} {kind:<7} {', '.join(words)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
