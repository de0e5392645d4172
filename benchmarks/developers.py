"""DNGs of `pellucid denoise` in other people's developers: RawTherapee and darktable, beside what these make of the source.

    pip install -e '.[raw]'
    apt install rawtherapee darktable libimage-exiftool-perl
    python benchmarks/developers.py
    python benchmarks/developers.py --noise FOLDER

A clean shot, whose colours change slowly, in the layouts of five makers; restored to a linear DNG and to a mosaic. Printed are what
exiftool finds wrong, and the mean CIEDE2000 between a program's development of the source and of the output. Programs that are not
there are left out.

With ``--noise``: shots of photographs that recipe `raw` holds out, with noise, developed by darktable alone and with its profiled
wavelets, which are given the true law of the noise and take the best of four strengths; beside darktable's development of `raw`'s
output. PSNR after sRGB's tone curve, without eight pixels at each edge; the truth is what darktable makes of the light that the
sensor saw.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from cameras import middle
from numpy.typing import NDArray

from pellucid import batch, files, metrics, plan, restorer, sensor
from pellucid.training import recipes, splits

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from shots import LAYOUTS, Shot, mosaic_in, taken, written

HEIGHT, WIDTH, EDGE = 480, 640, 16
CROP = (8, 6, 600, 460)

GAIN, ISO = 1.6e-7, (100, 800, 3200, 12800, 25600)
"""The gain of the shot noise at ISO 1, and the ISO speeds, as in ``raw.py``."""

STRENGTHS = (0.3, 0.5, 0.8, 1.2)

HISTORY = """<?xml version="1.0"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:darktable="http://darktable.sf.net/" darktable:xmp_version="4" darktable:raw_params="0"
darktable:auto_presets_applied="1" darktable:history_end="1" darktable:iop_order_version="2"><darktable:history><rdf:Seq><rdf:li
darktable:num="0" darktable:operation="denoiseprofile" darktable:enabled="1" darktable:modversion="11" darktable:params="{}"
darktable:multi_name="" darktable:multi_priority="0"/></rdf:Seq></darktable:history></rdf:Description></rdf:RDF></x:xmpmeta>"""
"""The history that darktable gets: its profiled denoising, by these parameters."""

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
    """The picture that the command writes, (h, w, 3) in [0, 1]."""
    # darktable 5.0 leaves a part of the picture black where this says fewer threads than there are cores.
    own = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=own)
    if not target.exists():
        raise RuntimeError(f"{command[0]}: {done.stderr[-300:]}")
    return np.asarray(tifffile.imread(target)[..., :3], np.float32) / np.float32(65535)


def difference(one: Picture, other: Picture) -> float:
    """Mean CIEDE2000 of the middles: RawTherapee cuts four pixels off the edges of a mosaic, and none off those of colours."""
    height, width = (min(pair) - 2 * EDGE for pair in zip(one.shape[:2], other.shape[:2], strict=True))

    def cut(picture: Picture) -> Picture:
        top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
        return picture[top : top + height, left : left + width]

    found: Any = metrics.METRICS["ciede2000"].function
    return float(found(cut(one), cut(other), data_range=1.0))


def wavelets(path: Path, shot: Shot, strength: float) -> Path:
    """A file that asks darktable (4.2) for wavelets by the law of a shot's noise, with its defaults for all else."""
    law = [shot.sensor.gain] * 3 + [shot.sensor.read**2] * 3
    curves = [band / 6 for band in range(7)] * 6 + [0.5] * 42
    values = struct.pack("<14fi84f4i", 1, 7, strength, 1, 0, 0, 0.1, 1, *law, 1, *curves, 1, 1, 1, 1)
    path.write_text(HISTORY.format(values.hex()))
    return path


def noise(folder: Path) -> None:
    """Prints a line for each shot, and the means."""
    model, held_out = restorer.load("raw"), recipes.find("raw").data
    paths = [path for path in files.list_images(folder) if splits.is_held_out(path.stem, held_out)][:6]
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)

        def shown(source: Path, *history: Path) -> Picture:
            target = place / "shown.tif"
            target.unlink(missing_ok=True)
            first, *rest = by_darktable(source, target, place)
            exact = ["--conf", "plugins/imageio/format/tiff/bpp=32"]
            command = [first, rest[0], *map(str, history), rest[1], "--icc-type", "LIN_REC709", *rest[2:], *exact]
            light = developed(command, target) * np.float32(65535)
            return np.asarray(sensor.toned(np.clip(light, 0, 1)), np.float32)

        for iso in ISO:
            rows = []
            for number, path in enumerate(paths):
                scene = middle(path, 320, step=8)
                if scene is None:
                    continue
                shot = taken(scene, gain=GAIN * iso, seed=number)
                source = written(place / "shot.dng", shot, profile=False)
                output = model.restore(mosaic_in(source))
                files.write(place / "output.dng", output, overwrite=True)
                light = np.clip(shot.colours / np.array(shot.layout.gains, np.float32), 0, 1)
                files.write(place / "light.dng", replace(output, pixels=np.rint(light * 65535).astype(np.uint16)), overwrite=True)
                truth = shown(place / "light.dng")[8:-8, 8:-8]
                made = [shown(source), shown(place / "output.dng")]
                made += [shown(source, wavelets(place / "asked.xmp", shot, strength)) for strength in STRENGTHS]
                plain, own, *theirs = (metrics.psnr(truth, each[8:-8, 8:-8], data_range=1.0) for each in made)
                rows.append((plain, max(theirs), own))
                print(f"{path.name[:40]:<40} ISO {iso:>6}: " + ", ".join(f"{each:.2f}" for each in rows[-1]), flush=True)
            plain, theirs, own = np.mean(rows, axis=0)
            print(f"ISO {iso}: darktable {plain:.2f}, with its profiled wavelets {theirs:.2f}, after raw {own:.2f}")


def main() -> int:
    """Prints a line for each output."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=Path, metavar="FOLDER", help="clean photographs in colour")
    options = parser.parse_args()
    if options.noise is not None:
        noise(options.noise)
        return 0
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
