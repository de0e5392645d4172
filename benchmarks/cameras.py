"""A camera's noise, developed by other people's code: what `photo` makes of it without settings, beside non-local means.

    pip install -e '.[bench,raw]'
    python benchmarks/cameras.py FOLDER --out benchmarks/results/cameras.json

Clean photographs are blurred a little, as lenses do, and taken back to what a sensor sees through a Bayer mosaic, with the noise of
photons and of reading; that is written as a DNG, and LibRaw develops it (six of its ways of demosaicing in turn), with noise and
without; the noisy one becomes a JPEG. So nothing but the sensor is ours: the models learnt from our own development alone
(`pellucid.degradations.Camera`, an earlier form of it). A perfect answer is what LibRaw makes of the noise-free sensor. Photographs
that the models learnt from tell little.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rawpy
from numpy.typing import NDArray

from pellucid import camera, files, images, metrics, restorer
from pellucid.saving import replacing

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from shots import Layout, write_dng

SIDE = 512
LEVELS = (0.0002, 0.0008, 0.0025)
"""Gains of the shot noise."""

DEMOSAICING: tuple[dict[str, Any], ...] = tuple(
    {"demosaic_algorithm": kind} | more
    for kind, more in (
        (rawpy.DemosaicAlgorithm.LINEAR, {}),
        (rawpy.DemosaicAlgorithm.AHD, {}),
        (rawpy.DemosaicAlgorithm.AHD, {"median_filter_passes": 1}),
        (rawpy.DemosaicAlgorithm.DCB, {}),
        (rawpy.DemosaicAlgorithm.VNG, {}),
        (rawpy.DemosaicAlgorithm.PPG, {}),
    )
)
QUALITIES = (88, 92, 95, 98, 100)
STRENGTHS = (2, 3, 4, 6, 8, 12)
"""OpenCV's ``h``."""

Picture = NDArray[np.float32]


def sensor(scene: Picture, matrix: NDArray[np.float64], gains: Picture) -> Picture:
    """The mosaic (RGGB), (h, w), that a sensor records of an sRGB image (h, w, 3)."""
    linear = np.where(scene <= 0.04045, scene / 12.92, ((scene + 0.055) / 1.055) ** 2.4)
    light = np.clip(0.9 * linear @ matrix.T, 0, 1) / gains
    return camera.mosaic_of(light.astype(np.float32))


def developed(path: Path, how: dict[str, Any]) -> Picture:
    """The file, developed by LibRaw: (h, w, 3) in sRGB."""
    with rawpy.imread(str(path)) as raw:
        # Nothing that depends on the picture's values: noise would change it.
        fixed: dict[str, Any] = {
            "use_camera_wb": True,
            "no_auto_bright": True,
            "adjust_maximum_thr": 0.0,
            "user_flip": 0,
            "output_bps": 16,
        }
        return np.asarray(raw.postprocess(**fixed, **how), np.float32) / np.float32(65535)


def pair(
    clean: Picture, level: float, how: dict[str, Any], rng: np.random.Generator, place: Path
) -> tuple[Picture, NDArray[np.uint8]]:
    """The scene without noise, developed by LibRaw, and the JPEG of the developed scene with noise."""
    scene = np.asarray(cv2.GaussianBlur(clean, (0, 0), rng.uniform(0.6, 1.1)), np.float32)
    to_camera = camera.XYZ_TO_CAMERA[rng.integers(len(camera.XYZ_TO_CAMERA))]
    white = (to_camera @ camera.RGB_TO_XYZ).sum(axis=1, keepdims=True)
    gains = np.array([rng.uniform(1.9, 2.4), 1.0, rng.uniform(1.5, 1.9)], np.float32)
    ideal = sensor(scene, to_camera @ camera.RGB_TO_XYZ / white, gains)
    slope, offset = camera.READ
    read = np.exp(slope * np.log(level) + offset)
    noisy = ideal + rng.standard_normal(ideal.shape, np.float32) * np.sqrt(ideal * np.float32(level) + np.float32(read))
    layout = Layout(gains=(float(gains[0]), float(gains[1]), float(gains[2])))
    answers = []
    for mosaic in (ideal, noisy):
        write_dng(place / "shot.dng", mosaic, to_camera / white / gains[:, None], layout)
        answers.append(developed(place / "shot.dng", how))
    quality = int(rng.choice(QUALITIES))
    jpeg = cv2.imencode(".jpg", np.rint(answers[1][..., ::-1] * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return answers[0], np.ascontiguousarray(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def psnr(ideal: Picture, levels: NDArray[np.uint8]) -> float:
    """In dB, of 8-bit levels."""
    return metrics.psnr(ideal, levels / 255, data_range=1.0)


def non_local_means(noisy: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    """OpenCV's, for colour images."""
    swapped = np.ascontiguousarray(noisy[..., ::-1])
    return np.asarray(cv2.fastNlMeansDenoisingColored(swapped, None, strength, strength, 7, 21)[..., ::-1])


def middle(path: Path, side: int = SIDE, step: int = 2) -> Picture | None:
    """The middle of a photograph, at most ``side`` pixels a side, which ``step`` divides; None where it is small or gray."""
    pixels = images.floating(files.read(path)).pixels
    height, width = (min(side, length) // step * step for length in pixels.shape[:2])
    if pixels.shape[2] != 3 or min(height, width) < side // 2:
        return None
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def main() -> int:
    """Measures and prints a table, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean photographs in colour")
    parser.add_argument("--model", default="photo", help="a model's name or file (default: photo)")
    parser.add_argument("--out", type=Path, help="write what was measured, as JSON")
    options = parser.parse_args()
    model = restorer.load(options.model)
    rows = []
    used = 0
    with tempfile.TemporaryDirectory() as place:
        for number, path in enumerate(files.list_images(options.folder)):
            clean = middle(path)
            if clean is None:
                continue
            rng = np.random.default_rng(number)
            for place_of_level, level in enumerate(LEVELS):
                # Every level meets each of the six ways of demosaicing once in six pictures.
                how = DEMOSAICING[(used + 2 * place_of_level) % len(DEMOSAICING)]
                ideal, noisy = pair(clean, level, how, rng, Path(place))
                restoration = model.details(noisy)
                diagnosis = restoration.diagnosis
                row = {
                    "image": path.name,
                    "level": level,
                    "demosaicing": how["demosaic_algorithm"].name + (" and median" if "median_filter_passes" in how else ""),
                    "noisy": psnr(ideal, noisy),
                    "restored": psnr(ideal, restoration.image),
                    "non_local_means": [psnr(ideal, non_local_means(noisy, strength)) for strength in STRENGTHS],
                    "kind": diagnosis.kind if diagnosis is not None else None,
                    "sigma": restoration.sigma or 0.0,
                    "rms": 255 * float(np.sqrt(metrics.mse(ideal, noisy / 255))),
                }
                rows.append(row)
                best = max(row["non_local_means"]) - row["noisy"]
                print(
                    f"{path.stem[:20]:<20} {level:<7} {row['demosaicing']:<14} {row['noisy']:6.2f} dB, {options.model} "
                    f"{row['restored'] - row['noisy']:+6.2f}, non-local means {best:+5.2f}; "
                    f"{row['kind']} {row['sigma']:.1f} of {row['rms']:.1f}",
                    flush=True,
                )
            used += 1
    if options.out is not None:
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps({"strengths": STRENGTHS, "rows": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
