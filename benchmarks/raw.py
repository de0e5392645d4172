"""RAW: simulated sensors, restored from their mosaic, beside what people do after demosaicing.

    pip install -e '.[bench,raw]'
    python benchmarks/raw.py FOLDER --out benchmarks/results/raw.json

Photographs of FOLDER that recipe `raw` holds out (by their names; `--all` takes every one) are seen by a simulated sensor through
a Bayer mosaic, in three phases in turn, with the noise of a large sensor from ISO 100 to 25,600; that is written as a DNG. `raw`
reads the file. LibRaw demosaics and develops it for all others: `photo` by itself, and with the level given (the root mean square
of the true error); OpenCV's non-local means at the best of four strengths; wavelets (BayesShrink); LibRaw's own FBDD. Scores are
PSNR after the same development, and in linear light, without eight pixels at each edge; the truth is the light that the sensor
saw in all three colours. A second table has demosaicing alone: no noise, no camera, sRGB's linear values through the mosaic,
scored after the tone curve. A third one has the law of the noise, measured on the whole photographs enlarged twice, as soft as
lenses draw.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rawpy
from cameras import middle
from numpy.typing import NDArray
from skimage.restoration import denoise_wavelet

from pellucid import developing, files, images, metrics, restorer, sensor
from pellucid.diagnosis import sensors
from pellucid.mosaics import CameraData
from pellucid.restorer import Restorer
from pellucid.saving import replacing
from pellucid.tasks import raw as task
from pellucid.training import recipes, splits

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from shots import Layout, Shot, taken, written

SIDE, EDGE = 320, 8
ISO = (100, 800, 3200, 12800, 25600)
GAIN = 1.6e-7
"""Gain of the shot noise for each unit of ISO: a sensor whose pixels hold 62,500 electrons at ISO 100."""

STEPS = 16383
"""The largest value of a file of 14 bits."""

PHASES = ((0, 0), (0, 1), (1, 1))
STRENGTHS = (3, 6, 10, 16)
"""OpenCV's ``h``."""

ALGORITHMS = ("AHD", "DHT", "AAHD", "DCB")

Picture = NDArray[np.float32]


def scored(truth: Picture, found: Picture) -> float:
    """PSNR without the edges."""
    return metrics.psnr(truth[EDGE:-EDGE, EDGE:-EDGE], np.clip(found, 0, 1)[EDGE:-EDGE, EDGE:-EDGE], data_range=1.0)


def light_of(shown: Picture) -> Picture:
    """Linear light of values after the development's tone curve."""
    knee = developing.SLOPE * developing.KNEE
    power = np.maximum((shown + developing.LIFT - 1) / developing.LIFT, 0) ** (1 / developing.POWER)
    return np.asarray(np.where(shown < knee, shown / developing.SLOPE, power), np.float32)


def developed(path: Path, algorithm: str, **how: Any) -> Picture:
    """The file, developed by LibRaw, (h, w, 3) in [0, 1]; nothing depends on the picture's values."""
    plain = {"use_camera_wb": True, "no_auto_bright": True, "adjust_maximum_thr": 0.0, "output_bps": 16, "user_flip": 0}
    with rawpy.imread(str(path)) as opened:
        made = opened.postprocess(demosaic_algorithm=rawpy.DemosaicAlgorithm[algorithm], **{**plain, **how})
    return np.asarray(made, np.float32) / np.float32(65535)


def truth_of(shot: Shot, data: CameraData) -> Picture:
    """The light that the sensor saw, as it is developed."""
    plain = replace(data, black=(0.0,) * 4, white=1.0)
    unbalanced = shot.colours / np.array(data.gains, np.float32)
    return developing.shown(unbalanced, plain).astype(np.float32) / np.float32(65535)


def restored(model: Restorer, path: Path) -> tuple[Picture, task.Found, CameraData]:
    """The file, restored by `raw` and developed; the noise that was measured; and the camera's data."""
    with files.open_pages(path, mosaic=True) as document:
        image = next(iter(document.pages)).pictures[0]
    assert image.mosaic is not None
    output = model.restore(image)
    shown = developing.developed(output).pixels.astype(np.float32) / np.float32(65535)
    return shown, task.measured(image, image.mosaic), image.mosaic


def with_law(model: Restorer, path: Path, gain: float, read: float) -> Picture:
    """The same with the true law of the noise, which is not measured."""
    real = task.measured
    task.measured = lambda picture, data: task.Found(gain, read)
    try:
        return restored_only(model, path)
    finally:
        task.measured = real


def restored_only(model: Restorer, path: Path) -> Picture:
    """The file, restored by `raw` and developed."""
    with files.open_pages(path, mosaic=True) as document:
        image = next(iter(document.pages)).pictures[0]
    return np.asarray(developing.developed(model.restore(image)).pixels.astype(np.float32) / np.float32(65535), dtype=np.float32)


def after_demosaicing(path: Path, truth: Picture, photo: Restorer) -> dict[str, Picture]:
    """The developed picture, denoised by common methods; LibRaw's demosaicing is the one of its ways that scores best here."""
    ways = {name: developed(path, name) for name in ALGORITHMS}
    noisy = max(ways.values(), key=lambda made: scored(truth, made))
    error = 255 * float(np.sqrt(np.mean(np.square(noisy - truth))))
    levels = np.ascontiguousarray(np.rint(np.clip(noisy[..., ::-1], 0, 1) * 255).astype(np.uint8))
    means = [
        cv2.fastNlMeansDenoisingColored(levels, None, strength, strength, 7, 21)[..., ::-1].astype(np.float32) / np.float32(255)
        for strength in STRENGTHS
    ]
    return {
        "LibRaw, best": noisy,
        "LibRaw, FBDD": developed(path, "AHD", fbdd_noise_reduction=rawpy.FBDDNoiseReductionMode.Full),
        "LibRaw + wavelets": denoise_wavelet(noisy, channel_axis=2, convert2ycbcr=True, rescale_sigma=True).astype(np.float32),
        "LibRaw + non-local means": max(means, key=lambda made: scored(truth, made)),
        "LibRaw + photo": photo.restore(np.clip(noisy, 0, 1)),
        "LibRaw + photo, level given": photo.restore(np.clip(noisy, 0, 1), sigma=min(255.0, error)),
    }


def demosaicing(model: Restorer, scene: Picture, place: Path) -> dict[str, float]:
    """CPSNR of demosaicing alone."""
    light = sensor.linear(scene).astype(np.float32)
    mosaic = sensor.sampled(np.ascontiguousarray(light.transpose(2, 0, 1)))
    shot = replace(taken(scene, Layout(black=(0,) * 4, white=65535, gains=(1.0, 1.0, 1.0))), samples=mosaic)
    path = written(place / "plain.dng", shot, profile=False)
    how = {"gamma": (1, 1), "output_color": rawpy.ColorSpace.raw}
    scores = {name: scored(scene, sensor.toned(developed(path, name, **how)).astype(np.float32)) for name in ALGORITHMS}
    given = np.stack([mosaic, np.zeros_like(mosaic)])
    answer = sensor.interpolated(mosaic) - model.models.graph("mosaic")(given[None])[0]
    return scores | {
        "raw": scored(scene, sensor.toned(answer.transpose(1, 2, 0)).astype(np.float32)),
        "raw, blind": scored(scene, sensor.toned(model.restore(mosaic)).astype(np.float32)),
    }


def soft(path: Path, seed: int) -> Iterator[tuple[int, Shot, sensors.Law]]:
    """Shots of a photograph enlarged twice, as soft as lenses draw: their ISO, and the measured law of their noise."""
    pixels = images.floating(files.read(path)).pixels
    scene = np.clip(images.enlarged(pixels[: pixels.shape[0] // 2 * 2, : pixels.shape[1] // 2 * 2], 2), 0, 1)
    for iso in ISO:
        shot = taken(scene, gain=GAIN * iso, seed=seed)
        # As a file of 14 bits has them: rounding adds to the read noise.
        samples = np.rint(np.minimum(shot.samples, 1) * STEPS) / np.float32(STEPS)
        yield iso, replace(shot, samples=samples), sensors.law([samples], step=1 / STEPS)


def laws(path: Path, seed: int) -> list[dict[str, Any]]:
    """The measured law of the noise of a photograph's shots, as shares of the true one."""
    found = []
    for iso, shot, (gain, read, sure) in soft(path, seed):
        true = float(np.hypot(shot.sensor.read, 1 / (STEPS * np.sqrt(12))))
        found.append({"image": path.name, "iso": iso, "gain": gain / shot.sensor.gain, "read": read / true, "sure": sure})
    return found


def cost(model: Restorer, place: Path, shot: Shot, law: sensors.Law | None = None) -> float:
    """How much PSNR the measured law costs against the true one, in dB; ``law``: as measured on the whole of what is a part."""
    source = written(place / "shot.dng", shot, profile=False)
    shown, _, data = restored(model, source)
    if law is not None:
        shown = with_law(model, source, law.gain, law.read)
    truth = truth_of(shot, data)
    return scored(truth, with_law(model, source, shot.sensor.gain, shot.sensor.read)) - scored(truth, shown)


def own_noise(scene: Picture) -> float:
    """The gain of the photograph's own noise, as a multiple of that of the lowest ISO: by how much the gain of shots with four
    times as much noise is too high. Without any more noise, what is fine and what is rounded cannot be told from it."""
    found = [sensors.law([taken(scene, gain=4 * GAIN * ISO[0], seed=seed).samples]).gain for seed in range(9)]
    return max(0.0, float(np.median(found)) / (GAIN * ISO[0]) - 4)


def blind(model: Restorer, paths: list[Path], place: Path) -> None:
    """Prints how much PSNR the measured law costs against the true one: on crops at the lowest ISO, beside each photograph's own
    noise, which counts as truth; and on shots as soft as lenses draw, of whose noise nothing is the photograph's, at each ISO."""
    costs: list[tuple[float, float]] = []
    softly: list[list[float]] = []
    for number, path in enumerate(paths):
        scene = middle(path, SIDE, step=8)
        if scene is None:
            continue
        costs.append((own_noise(scene), cost(model, place, taken(scene, gain=GAIN * ISO[0], seed=number))))
        softly.append([])
        for _, shot, law in soft(path, number):
            top, left = ((side - SIDE) // 4 * 2 for side in shot.samples.shape)
            part = (slice(top, top + SIDE), slice(left, left + SIDE))
            softly[-1].append(cost(model, place, replace(shot, colours=shot.colours[part], samples=shot.samples[part]), law))
        words = ", ".join(f"{each:+.3f}" for each in softly[-1])
        print(f"{path.name[:40]:<40} own noise {costs[-1][0]:4.1f} times: {costs[-1][1]:+.2f} dB; soft: {words}", flush=True)
    for name, kept in (
        ("all", [each for _, each in costs]),
        ("own noise below that of the shot", [each for own, each in costs if own < 1]),
        *((f"soft, ISO {iso}", [each[index] for each in softly]) for index, iso in enumerate(ISO)),
    ):
        if not kept:
            continue
        within = sum(each <= 0.1 for each in kept)
        print(f"{name}: {len(kept)} shots, mean {np.mean(kept):+.3f} dB, most {max(kept):+.3f}, within 0.1 dB in {within}")


def main() -> int:
    """Measures, prints three tables, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="clean photographs in colour")
    parser.add_argument("--all", action="store_true", help="every photograph, not only those that the recipe holds out")
    parser.add_argument("--laws", action="store_true", help="the law of the noise alone")
    parser.add_argument("--blind", action="store_true", help="what the measured law costs against the true one, alone")
    parser.add_argument("--most", type=int, default=17, help="the most photographs (default: 17)")
    parser.add_argument("--out", type=Path, help="write what was measured, as JSON")
    options = parser.parse_args()
    held_out = recipes.find("raw").data
    paths = [path for path in files.list_images(options.folder) if options.all or splits.is_held_out(path.stem, held_out)]
    raw, photo = restorer.load("raw"), restorer.load("photo")
    rows: list[dict[str, Any]] = []
    plain: list[dict[str, float]] = []
    measured: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        place, used = Path(folder), 0
        if options.blind:
            blind(raw, paths[: options.most], place)
            return 0
        for path in paths:
            scene = middle(path, SIDE, step=8)
            if scene is None or used >= options.most:
                continue
            measured += laws(path, used)
            if options.laws:
                used += 1
                continue
            plain.append(demosaicing(raw, scene, place))
            for number, iso in enumerate(ISO):
                layout = Layout(phase=PHASES[(used + number) % len(PHASES)])
                shot = taken(scene, layout, gain=GAIN * iso, seed=used)
                # Without the law: what is measured is measured.
                source = written(place / "shot.dng", shot, profile=False)
                own, found, data = restored(raw, source)
                truth = truth_of(shot, data)
                made = {
                    "raw": own,
                    "raw, law given": with_law(raw, source, shot.sensor.gain, shot.sensor.read),
                    **after_demosaicing(source, truth, photo),
                }
                row: dict[str, Any] = {
                    "image": path.name,
                    "iso": iso,
                    "hot": found.marks.count,
                    "shown": {name: scored(truth, picture) for name, picture in made.items()},
                    "linear": {name: scored(light_of(truth), light_of(picture)) for name, picture in made.items()},
                }
                rows.append(row)
            used += 1
            print(f"{used:3} {path.stem[:40]}", file=sys.stderr, flush=True)
    if rows:
        for kind, title in (("shown", "PSNR after development, dB"), ("linear", "PSNR in linear light, dB")):
            print(f"{title:<28}" + "".join(f"{f'ISO {iso}':>11}" for iso in ISO))
            for name in rows[0][kind]:
                means = [np.mean([row[kind][name] for row in rows if row["iso"] == iso]) for iso in ISO]
                print(f"{name:<28}" + "".join(f"{mean:11.2f}" for mean in means))
        print(
            f"{'demosaicing alone, CPSNR, dB':<28}"
            + ", ".join(f"{name} {np.mean([p[name] for p in plain]):.2f}" for name in plain[0])
        )
        print(f"pixels called hot or dead: {sum(row['hot'] for row in rows)} in {len(rows)} shots that have none")
    for row in measured:
        unsure = "" if row["sure"] else ", texture everywhere"
        print(
            f"{row['image'][:40]:<40} ISO {row['iso']:>6}: gain {row['gain'] - 1:+.3f}, read noise {row['read'] - 1:+.3f}{unsure}"
        )
    for iso in ISO:
        ratios = {kind: np.array([row[kind] for row in measured if row["iso"] == iso]) - 1 for kind in ("gain", "read")}
        words = [f"{kind} {np.median(r):+.3f}, within 8 %: {np.mean(abs(r) < 0.08):.2f}, 15 %: {np.mean(abs(r) < 0.15):.2f}"
                 for kind, r in ratios.items()]  # fmt: skip
        print(f"the law at ISO {iso}: {'; '.join(words)}")
    if options.out is not None:
        with replacing(options.out, overwrite=True) as temporary:
            temporary.write_text(json.dumps({"rows": rows, "demosaicing": plain, "laws": measured}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
