"""Takes the pictures of README and docs that need nothing but the package itself; with CLIPS, also those of clips.

    python docs/pictures.py [NAME ...] [--clips FOLDER]

Names are those of `PICTURES`; without one, all are made that can be. `docs/releasing.md` lists the commands of all other pictures.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import pellucid
from pellucid import degradations, files, footage, images, metrics, report, restorer, samples
from pellucid.clipping import Clipping
from pellucid.screening import FIRST, clean_frames, noisy_frames, score

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests"))

import shots  # noqa: E402  # beside the tests

Levels = NDArray[np.uint8]

CLIPS = (("intel-asl-brother.mkv", 50), ("mdn-flower.mp4", 20))
"""Names of clips, and the noise level that each gets."""


def saved(name: str, pixels: Levels, quality: int = 85) -> None:
    """Writes a picture of the docs, and says so."""
    with files.replacing(DOCS / name, overwrite=True) as temporary:
        Image.fromarray(pixels).save(temporary, "WEBP", quality=quality, method=6)
    print(f"{name}: {pixels.shape[1]}x{pixels.shape[0]}, {(DOCS / name).stat().st_size // 1024} KB", flush=True)


def noisy(values: Levels, sigma: float) -> Levels:
    """With Gaussian noise, as 8 bits hold it."""
    noise = np.random.default_rng(0).normal(0, sigma, values.shape)
    return np.clip(np.rint(values + noise), 0, 255).astype(np.uint8)


def decibels(values: NDArray[np.generic], clean: Levels) -> float:
    return metrics.psnr(clean / 255, np.asarray(values, np.float64) / 255, data_range=1.0)


def labelled(rows: dict[str, list[Levels]], zoom: int = 1) -> Levels:
    """Rows of pictures under their labels, as the reports of `pellucid` draw them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.png"
        report.grid({label: [part / np.float32(255) for part in parts] for label, parts in rows.items()}, path, zoom=zoom)
        with Image.open(path) as drawn:
            return np.array(drawn.convert("RGB"))


def demo(_: Path | None) -> None:
    """The head in the photograph before and after, at twice the size: one row, for the first page is short."""
    clean = samples.photograph()
    given = noisy(clean, 25)
    output = pellucid.denoise(given)
    left, right = (part[20:180, :304].repeat(2, axis=0).repeat(2, axis=1) for part in (given, output))
    gap = np.full((len(left), 8, 3), 255, np.uint8)
    saved("demo.webp", np.concatenate([left, gap, right], axis=1), quality=80)
    print(f"  as given {decibels(given, clean):.2f} dB, output {decibels(output, clean):.2f} dB")


def clipped(_: Path | None) -> None:
    """A dark photograph with strong noise: with and without the correction for what black has cut off."""
    dark = np.rint(samples.photograph() * 0.45).astype(np.uint8)
    given, model = noisy(dark, 50), restorer.load("photo")
    with mock.patch.object(Clipping, "undone", lambda self, answer: answer):
        averaged = model.restore(given)
    output = model.restore(given)
    part = (slice(110, 270), slice(140, 440))
    rows = {
        f"noisy: sigma 50, 8 bits, {decibels(given, dark):.1f} dB": given,
        f"noise averaged away: {decibels(averaged, dark):.1f} dB": averaged,
        f"its mean taken back as well: {decibels(output, dark):.1f} dB": output,
        "clean": dark,
    }
    saved("clipped.webp", labelled({label: [values[part]] for label, values in rows.items()}))


def training(_: Path | None) -> None:
    """Parts of the page of a short run, by Chromium."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise SystemExit("the page of a run is drawn by Chromium, which is not installed")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        # It learns from the lower half of the photograph, and is judged by the upper one.
        for name, rows in (("lower", slice(200, 400)), ("upper", slice(0, 200))):
            (folder / name).mkdir()
            for number, left in enumerate((0, 204, 408)):
                Image.fromarray(samples.photograph()[rows, left : left + 200]).save(folder / name / f"{number}.png")
        command = ["train", "own", "--from", "photo-fast", "--images", f"{folder}/lower", "--valid", f"{folder}/upper"]
        command += ["--steps", "14", "--out", f"{folder}/otter.onnx"]
        subprocess.run([sys.executable, "-m", "pellucid", *command], check=True)
        (page,) = folder.glob("otter*.html")
        left_out = "#loss, #about, footer, .skip, #notices, #samples-body > :nth-child(n + 3)"
        hidden = f"<style>{left_out} {{ display: none !important }}</style></head>"
        page.write_text(page.read_text("utf-8").replace("</head>", hidden, 1), "utf-8")
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/chromium"]
        size = ["--window-size=660,2400", "--virtual-time-budget=10000", f"--screenshot={folder}/page.png"]
        subprocess.run([chromium, *flags, *size, page.as_uri()], check=True, stderr=subprocess.DEVNULL)
        with Image.open(folder / "page.png") as shot:
            pixels = np.array(shot.convert("RGB"))
    last = np.flatnonzero((pixels != pixels[-1]).any(axis=(1, 2)))[-1]
    saved("training-page.webp", pixels[: last + 16], quality=75)


def clips(folder: Path | None) -> None:
    """Two clips with noise: noisy, frame by frame, over time, clean."""
    if folder is None:
        print("clips.webp: needs --clips")
        return
    rows, model = [], restorer.load("photo-fast")
    for name, sigma in CLIPS:
        given, truth = noisy_frames(clean_frames(folder / name, 10, 20, 176), degradations.parse(f"gaussian:{sigma}"))
        both = [list(footage.each(iter(given), model, model.settings(), alone=alone)) for alone in (True, False)]
        shown = [given[8], *(np.asarray(frames[8]) for frames in both), np.rint(255 * truth[8]).astype(np.uint8)]
        rows.append(np.concatenate([frame[:160] for frame in shown], axis=1))
        alone, together = (score(frames, truth)[0] for frames in both)
        print(f"  {name}, sigma {sigma}: {alone:.2f} dB frame by frame, {together:.2f} dB over time, from frame {FIRST} on")
    saved("clips.webp", np.concatenate(rows))


def rings(_: Path | None) -> None:
    """Rings that get finer up to what pixels can hold, through the mosaic of a sensor at ISO 100: by LibRaw's AHD and DHT, and by
    `raw`."""
    import rawpy

    side = 352
    down, right = np.mgrid[:side, :side] - (side - 1) / 2
    gray = 0.5 + 0.45 * np.cos(np.pi / side * (down**2 + right**2))
    shot = shots.taken(np.repeat(gray[..., None], 3, axis=2).astype(np.float32), gain=1.6e-5)
    parts = []
    with tempfile.TemporaryDirectory() as place:
        source, output = Path(place) / "shot.dng", Path(place) / "clean.tif"
        shots.written(source, shot, profile=False)
        for way in (rawpy.DemosaicAlgorithm.AHD, rawpy.DemosaicAlgorithm.DHT):
            with rawpy.imread(str(source)) as opened:
                parts.append(opened.postprocess(demosaic_algorithm=way, use_camera_wb=True, no_auto_bright=True))
        subprocess.run([sys.executable, "-m", "pellucid", "denoise", source, "-o", output], check=True)
        parts.append(np.rint(255 * images.floating(files.read(output)).pixels).astype(np.uint8))
    saved("zone-plate.webp", np.concatenate(parts, axis=1))
    false = [np.ptp(part[8:-8, 8:-8].astype(float), axis=2).mean() for part in parts]
    print(f"  false colour, levels of 255 from the least to the largest of a pixel: {', '.join(f'{each:.1f}' for each in false)}")


def moving(folder: Path | None) -> None:
    """A short clip: noisy, frame by frame, over time."""
    if folder is None:
        print("clips-moving.webp: needs --clips")
        return
    name, sigma = CLIPS[0]
    given, _ = noisy_frames(clean_frames(folder / name, 15, 20, 176), degradations.parse(f"gaussian:{sigma}"))
    model = restorer.load("photo-fast")
    both = [list(footage.each(iter(given), model, model.settings(), alone=alone)) for alone in (True, False)]
    rows = [np.concatenate(shown, axis=1) for shown in zip(given, *both, strict=True)][FIRST:]
    frames = [Image.fromarray(row) for row in rows]
    with files.replacing(DOCS / "clips-moving.webp", overwrite=True) as temporary:
        frames[0].save(temporary, "WEBP", save_all=True, append_images=frames[1:], duration=100, loop=0, quality=55, method=6)
    print(f"clips-moving.webp: {len(frames)} frames, {(DOCS / 'clips-moving.webp').stat().st_size // 1024} KB", flush=True)


PICTURES: dict[str, Callable[[Path | None], None]] = {
    "demo": demo,
    "clipped": clipped,
    "training": training,
    "rings": rings,
    "clips": clips,
    "moving": moving,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)} (default: all)")
    parser.add_argument("--clips", type=Path, help="a folder with " + " and ".join(name for name, _ in CLIPS))
    options = parser.parse_args()
    if unknown := set(options.names) - set(PICTURES):
        parser.error(f"no picture is called {', '.join(sorted(unknown))}")
    for name in options.names or PICTURES:
        PICTURES[name](options.clips)
    return 0


if __name__ == "__main__":
    sys.exit(main())
