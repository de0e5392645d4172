"""Noisy clips: the denoiser over time beside frame by frame, and beside FFmpeg's and OpenCV's denoisers of clips.

    python benchmarks/clips.py FOLDER --model photo --sigma 20 50 --frames 12

Clean frames are a clip's own at half size, so that its compression is gone. White noise is added, clipped and rounded to 8 bits.
``--noise camera`` has one simulated camera see all frames instead, ``--noise libraw`` has LibRaw develop them (`cameras.py`).
Scores are means over the frames from the fourth on.
``flicker`` is the root mean square of the error's change from frame to frame, as a share of that of the model frame by frame.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import degradations, footage, restorer
from pellucid.files import clips, encoders, yuv
from pellucid.tasks.settings import ClipSettings

Frames = list[NDArray[np.uint8]]

FIRST = 3
"""Frames at the beginning that are not scored: denoisers over time have had no time."""


def clean_frames(path: Path, count: int, skip: int, crop: int = 0) -> list[NDArray[np.float32]]:
    """Frames (h, w, 3) in [0, 1] at half size, of which the middle ``crop`` pixels a side are taken; 0 for all."""
    clip = clips.look(path)
    frames: list[NDArray[np.float32]] = []
    for frame in clips.frames(clip):
        if frame.number < skip:
            continue
        if len(frames) == count:
            break
        pixels = np.clip(yuv.to_pixels(frame.planes, clip.layout), 0, 1)
        height, width = (side // 4 * 2 for side in pixels.shape[:2])
        half = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).mean(axis=(1, 3))
        top, left = (max(0, side - crop) // 2 if crop else 0 for side in half.shape[:2])
        frames.append(half[top : half.shape[0] - top, left : half.shape[1] - left].astype(np.float32))
    return frames


class OneCamera(np.random.Generator):
    """Draws the same camera for each frame of a clip, and other noise for each."""

    def __init__(self, camera: int, frame: int) -> None:
        super().__init__(np.random.PCG64(camera))
        self._noise = np.random.default_rng(frame)

    def standard_normal(self, *args: Any, **more: Any) -> Any:
        """As of the base class: only noise is drawn by it."""
        return self._noise.standard_normal(*args, **more)


def noisy_frames(
    clean: Sequence[NDArray[np.float32]], sigma: float, noise: str = "white", camera: int = 0
) -> tuple[Frames, list[NDArray[np.float32]]]:
    """The frames with noise, and those that they are held against; ``camera`` is the number of the camera that is drawn."""
    given, truth = [], []
    perfect: NDArray[Any]
    seen: NDArray[Any]
    for number, frame in enumerate(clean):
        if noise == "camera":
            perfect, seen = degradations.parse(f"camera:{sigma:g}").pair(frame, OneCamera(camera, number))
        elif noise == "libraw":
            import cameras

            with tempfile.TemporaryDirectory() as folder:
                how = cameras.DEMOSAICING[camera % len(cameras.DEMOSAICING)]
                perfect, levels = cameras.pair(frame, sigma, how, OneCamera(camera, number), Path(folder))
            seen = levels / np.float32(255)
        else:
            rng = np.random.default_rng(number)
            perfect, seen = frame, np.asarray(frame + rng.normal(0, sigma / 255, frame.shape), np.float32)
        given.append(np.rint(255 * np.clip(seen, 0, 1)).astype(np.uint8))
        truth.append(np.asarray(perfect, np.float32))
    return given, truth


def by_filter(text: str) -> Callable[[Frames], Frames]:
    """A filter of FFmpeg's, on planes of luma and colour differences at full size, as it works best."""

    def run(frames: Frames) -> Frames:
        av = encoders.library()
        graph = av.filter.Graph()
        height, width = frames[0].shape[:2]
        source = graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=1 / Fraction(25))
        nodes = [source]
        for part in ("format=yuv444p", text, "format=rgb24"):
            name, _, rest = part.partition("=")
            nodes.append(graph.add(name, rest or None))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        made: Frames = []

        def pulled() -> None:
            while True:
                try:
                    made.append(graph.pull().to_ndarray(format="rgb24"))
                except (av.error.BlockingIOError, av.error.EOFError):
                    return

        for number, values in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(values, format="rgb24")
            frame.pts, frame.time_base = number, 1 / Fraction(25)
            graph.push(frame)
            pulled()
        graph.push(None)
        pulled()
        return made

    return run


def by_opencv(strength: float) -> Callable[[Frames], Frames]:
    """OpenCV's non-local means over five frames."""

    def run(frames: Frames) -> Frames:
        import cv2

        reach = 2
        padded = [frames[0]] * reach + frames + [frames[-1]] * reach
        made: Frames = []
        for number in range(len(frames)):
            frame = cv2.fastNlMeansDenoisingColoredMulti(padded, number + reach, 2 * reach + 1, None, strength, strength, 7, 21)
            made.append(np.asarray(frame, np.uint8))
        return made

    return run


def by_model(name: str, *, alone: bool) -> Callable[[Frames], Frames]:
    """A model, as Python's users call it; the noise is measured."""
    model = restorer.load(name)
    return lambda frames: list(footage.each(iter(frames), model, model.settings(), alone=alone))


def score(made: Frames, truth: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """PSNR in dB, and the root mean square of the change of the error from frame to frame in 8-bit levels."""
    errors = [frame / np.float32(255) - clean for frame, clean in zip(made, truth, strict=True)]
    quality = [-10 * np.log10(float(np.square(error).mean())) for error in errors[FIRST:]]
    change = [float(np.square(after - before).mean()) for before, after in zip(errors[FIRST:], errors[FIRST + 1 :], strict=False)]
    return float(np.mean(quality)), 255 * float(np.sqrt(np.mean(change)))


def methods(model: str, sigma: float, baselines: bool) -> dict[str, list[Callable[[Frames], Frames]]]:
    """Name -> the method at each of its settings, of which the best counts."""
    rows: dict[str, list[Callable[[Frames], Frames]]] = {
        f"{model}, frame by frame": [by_model(model, alone=True)],
        f"{model}, over time": [by_model(model, alone=False)],
    }
    if baselines:
        rows |= {
            "ffmpeg nlmeans": [by_filter(f"nlmeans=s={min(s, 30):g}") for s in (sigma / 3, sigma / 2, 0.75 * sigma)],
            "ffmpeg bm3d": [by_filter(f"bm3d=sigma={s:g}") for s in (sigma / 2, sigma)],
            "ffmpeg atadenoise": [
                by_filter(f"atadenoise=0a={a:g}:0b={4 * a:g}:1a={a:g}:1b={4 * a:g}:2a={a:g}:2b={4 * a:g}:s=9")
                for a in (sigma / 255, min(0.3, 2 * sigma / 255))
            ],
            "OpenCV nlmeans, 5 frames": [by_opencv(s) for s in (sigma / 3, sigma / 2, 0.75 * sigma)],
        }
    return rows


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
    """Prints a table for each clip and level."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clips", type=Path, nargs="+", help="clips to measure on")
    parser.add_argument("--model", default="photo")
    parser.add_argument("--sigma", type=float, nargs="+", default=[20.0, 50.0])
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--skip", type=int, default=20)
    parser.add_argument("--noise", choices=("white", "camera", "libraw"), default="white", help="what --sigma is the strength of")
    parser.add_argument("--camera", type=int, default=0, help="number of the camera that is drawn")
    parser.add_argument("--crop", type=int, default=0, help="the middle of the frames, of so many pixels a side")
    parser.add_argument("--baselines", action="store_true")
    parser.add_argument("--speed", action="store_true", help="restore the clips as they are, both ways, and print the times alone")
    options = parser.parse_args()
    for path in options.clips:
        if options.speed:
            speed(path, options.model)
            continue
        clean = clean_frames(path, options.frames, options.skip, options.crop)
        for sigma in options.sigma:
            given, truth = noisy_frames(clean, sigma, options.noise, options.camera)
            usual = None
            print(
                f"{path.name} {given[0].shape[1]}x{given[0].shape[0]}, {options.noise} {sigma:g}: ",
                end="",
            )
            print(f"noisy {score(given, truth)[0]:.2f} dB")
            for name, tries in methods(options.model, sigma, options.baselines).items():
                best: Any = None
                for run in tries:
                    begun = time.perf_counter()
                    made = run(given)
                    seconds = (time.perf_counter() - begun) / len(given)
                    found = (*score(made, truth), seconds)
                    best = found if best is None or found[0] > best[0] else best
                usual = usual or best[1]
                print(f"  {name:28} {best[0]:6.2f} dB  flicker {best[1] / usual:.2f}  {best[2]:.3f} s a frame", flush=True)


if __name__ == "__main__":
    main()
