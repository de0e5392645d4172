"""Noisy clips: the denoiser over time beside frame by frame, with noise that `pellucid evaluate` does not make, and its speed.

    python benchmarks/clips.py CLIP... --model photo --noise libraw --sigma 0.003 0.01 --frames 12
    python benchmarks/clips.py PICTURE... --model photo
    python benchmarks/clips.py NOISY-CLIP --model photo-fast --speed

A picture becomes a clip that is made of it (`pellucid.moving`), always the same. Scores are those of `pellucid.screening`.
``--noise libraw`` has LibRaw develop one camera's RAW file of each frame (`cameras.py`).
``flicker`` is a share of that of the model frame by frame.
"""

from __future__ import annotations

import argparse
import tempfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, files, footage, images, moving, restorer
from pellucid.screening import OneCamera, clean_frames, noisy_frames, score
from pellucid.tasks.settings import ClipSettings

Pixels = NDArray[np.float32]


def by_libraw(clean: list[Pixels], gain: float, camera: int) -> tuple[list[NDArray[np.uint8]], list[Pixels]]:
    """The frames as one camera's files that LibRaw develops, with the noise of this gain and without."""
    import cameras

    given, truth = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(clean):
            how = cameras.DEMOSAICING[camera % len(cameras.DEMOSAICING)]
            perfect, levels = cameras.pair(frame, gain, how, OneCamera(camera, number), Path(folder))
            given.append(levels)
            truth.append(perfect)
    return given, truth


def made(path: Path, count: int, side: int) -> list[Pixels]:
    """Frames of a picture under a camera, with a part of it that passes in front."""
    levels = images.to_levels(images.floating(files.read(path)).pixels, np.dtype(np.uint8))
    rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
    return list(moving.frames(levels, [moving.cut_out(levels, side // 2, rng)], side, count, rng))


def speed(path: Path, name: str) -> None:
    """Prints the seconds that each frame of a clip takes, decoding and restoring alone, and the ratio of both ways."""
    model = restorer.load(name)
    found: dict[bool, list[float]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        for alone in (True, False) * 2:
            how = ClipSettings(alone=alone, codec="ffv1")
            done = footage.restore(path, Path(folder) / "out.mkv", model, model.settings(), how, overwrite=True)
            found[alone].append(done.seconds / done.frames)
    itself, together = (min(found[alone]) for alone in (True, False))
    print(
        f"{path.name}: {name} {itself:.3f} s a frame, over time {together:.3f} s: {itself / together:.2f} of the speed", flush=True
    )


def main() -> None:
    """Prints a line for each clip and level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+", help="clips, or pictures, to measure on")
    parser.add_argument("--model", default="photo")
    parser.add_argument(
        "--noise", choices=("gaussian", "camera", "libraw"), default="gaussian", help="what --sigma is the strength of"
    )
    parser.add_argument("--sigma", type=float, nargs="+", default=[20.0, 50.0])
    parser.add_argument("--camera", type=int, default=0, help="number of the camera that is drawn")
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--skip", type=int, default=20)
    parser.add_argument("--crop", type=int, default=0, help="the middle of the frames, of so many pixels a side")
    parser.add_argument("--speed", action="store_true", help="restore the clips as they are, both ways, and print the times alone")
    options = parser.parse_args()
    for path in options.clips:
        if options.speed:
            speed(path, options.model)
            continue
        if files.is_clip(path):
            clean = clean_frames(path, options.frames, options.skip, options.crop)
        else:
            clean = made(path, options.frames, options.crop or 176)
        model = restorer.load(options.model)
        for sigma in options.sigma:
            if options.noise == "libraw":
                given, truth = by_libraw(clean, sigma, options.camera)
            else:
                given, truth = noisy_frames(clean, degradations.parse(f"{options.noise}:{sigma:g}"), options.camera)
            both = [score(list(footage.each(iter(given), model, model.settings(), alone=alone)), truth) for alone in (True, False)]
            (alone, usual), (followed, flicker) = both
            size = f"{given[0].shape[1]}x{given[0].shape[0]}"
            print(
                f"{path.name} {size}, {options.noise} {sigma:g}: noisy {score(given, truth)[0]:.2f} dB, {options.model} frame by "
                f"frame {alone:.2f}, over time {followed:.2f} ({followed - alone:+.2f}), flicker {flicker / usual:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
