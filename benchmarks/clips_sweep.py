"""Short clips in which frames change at once: how many frames are worse over time than frame by frame.

    python benchmarks/clips_sweep.py DATA/photos/*.webp --model photo-fast --clips 4
    python benchmarks/clips_sweep.py DATA/photos/*.webp --kinds cut,flash --noise gaussian:50,gray:20

Photographs at half size, under a camera that stands or pans, with what `clips_kinds.KINDS` names: cuts, flashes, fades, things that
pass, light that changes, other ways of the camera. ``gray:20`` is white noise on gray frames, ``h264:20`` white noise and H.264
after it (rate factor 18); other noise is that of `pellucid.degradations`. Pictures that are too small are left out.
"""

from __future__ import annotations

import argparse
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
from clips_kinds import COUNT, HEIGHT, KINDS, WIDTH
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import degradations, files, footage, restorer
from pellucid.files import encoders
from pellucid.screening import noisy_frames

Pixels = NDArray[np.float32]

PAN = 3
"""Most pixels that a camera goes in a frame."""

BELOW = 0.1
"""By so many dB a frame may be worse than by itself."""

NOISES = "gaussian:20", "gaussian:50", "gray:20", "gray:50"


def large(path: Path) -> bool:
    """Whether a picture has room for the camera's way at half its size."""
    with PillowImage.open(path) as picture:
        width, height = picture.size
    return min(height // 2 - HEIGHT, width // 2 - WIDTH) > 2 * PAN * COUNT


def panned(path: Path, step: NDArray[np.int_], rng: np.random.Generator) -> Pixels:
    """Frames (n, h, w, 3) of a part of a picture at half size."""
    pixels = np.asarray(files.read(path).pixels[..., :3], np.float32)
    height, width = (side // 2 for side in pixels.shape[:2])
    half = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
    margin = PAN * COUNT
    top, left = (int(rng.integers(margin, side - own - margin)) for side, own in zip(half.shape, (HEIGHT, WIDTH), strict=False))
    places = np.array([top, left]) + np.arange(COUNT)[:, None] * step
    return np.stack([half[y : y + HEIGHT, x : x + WIDTH] for y, x in places.tolist()])


# -- noise ----------------------------------------------------------------------------------------------------------------


def through_h264(frames: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """The frames as a player shows them once x264 has written them."""
    av = encoders.library()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "noisy.mp4")
        with av.open(path, "w") as container:
            stream = container.add_stream("libx264", rate=Fraction(25))
            stream.height, stream.width, stream.pix_fmt, stream.options = HEIGHT, WIDTH, "yuv420p", {"crf": "18"}
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode(None))
        with av.open(path) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def given(clean: Pixels, noise: str, camera: int) -> tuple[list[NDArray[np.uint8]], list[Pixels]]:
    """Frames with this noise, and those that they are held against."""
    kind, _, level = noise.partition(":")
    if kind == "gray":
        clean = clean.mean(axis=3, keepdims=True)
    noisy, truth = noisy_frames(list(clean), degradations.parse(f"gaussian:{level}" if kind in ("gray", "h264") else noise), camera)
    return through_h264(noisy) if kind == "h264" else noisy, truth


def psnr(frame: NDArray[np.uint8], truth: Pixels) -> float:
    """In dB."""
    error = frame.reshape(truth.shape) / np.float32(255) - truth
    return float(-10 * np.log10(max(1e-10, float(np.square(error).mean()))))


def main() -> None:
    """Prints a line for each kind and noise, and one for each clip with a frame that is worse by more than `BELOW`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--model", default="photo-fast")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS), help="names of `KINDS`: a,b")
    parser.add_argument("--noise", type=lambda text: text.split(","), default=NOISES, help="a:level,b:level")
    parser.add_argument("--clips", type=int, default=4, help="clips of each kind with each noise")
    parser.add_argument("--seed", type=int, default=0, help="number of the first clip")
    options = parser.parse_args()
    model = restorer.load(options.model)
    pictures = [path for path in options.pictures if large(path)]
    for kind in options.kinds:
        for noise in options.noise:
            gained = []
            for seed in range(options.seed, options.seed + options.clips):
                rng = np.random.default_rng(seed)
                paths = [pictures[number] for number in rng.choice(len(pictures), 2)]
                step = rng.integers(-PAN, PAN + 1, 2) * int(rng.integers(2))
                one, other = (panned(path, step, rng) for path in paths)
                noisy, truth = given(np.clip(KINDS[kind](one, other, rng), 0, 1), noise, seed)
                alone, over = (
                    [psnr(made, clean) for made, clean in zip(frames, truth, strict=True)]
                    for frames in (footage.each(iter(noisy), model, model.settings(), alone=alone) for alone in (True, False))
                )
                gained.append(np.subtract(over, alone))
                if gained[-1].min() < -BELOW:
                    each = " ".join(f"{gain:+.2f}" for gain in gained[-1])
                    print(f"  {kind}, {noise}, clip {seed}: {each} (frame by frame {np.mean(alone):.1f} dB)", flush=True)
            gains = np.array(gained)
            below = f"{(gains < -BELOW).sum()} of {gains.size} frames below by more than {BELOW} dB"
            print(f"{kind}, {noise}: {gains.mean():+.2f} dB, worst frame {gains.min():+.2f}, {below}", flush=True)


if __name__ == "__main__":
    main()
