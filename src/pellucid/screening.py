"""Clips of known noise, denoised by models over time and frame by frame, and by the filters that people use today: scores of each.

Clean frames are a clip's own at half size, so that its compression is gone. Noise is added, clipped and rounded to 8 bits; a
simulated camera (``camera:0.01``) is the same one for all frames. Filters are tried at several strengths, of which the best by PSNR
counts; the models measure the noise. FFmpeg's filters are those of PyAV (extra ``video``); hqdn3d, which PyAV is built without,
needs the program ``ffmpeg``. OpenCV comes with the extra ``bench``.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import files, footage
from pellucid.degradations import Degradation
from pellucid.errors import FileError, ImageError, MissingExtra, OptionError
from pellucid.evaluation import Evaluation, processor
from pellucid.files import clips, encoders, yuv
from pellucid.images import Pixels
from pellucid.methods import Tuned, methods_of
from pellucid.restorer import Restorer
from pellucid.tasks import ON_CLIPS, TASKS

__all__ = ["FILTERS", "FIRST", "MOST", "OneCamera", "Reel", "clean_frames", "clips_in", "noisy_frames", "score", "screen", "table"]

Frames = list[NDArray[np.uint8]]

FIRST = 3
"""Frames at the beginning that are not scored: what works over time has had no time."""

MOST = 48
"""Frames of a clip that are looked at, where no number is asked for."""


class OneCamera(np.random.Generator):
    """Draws the same camera for each frame of a clip, and other noise for each."""

    def __init__(self, camera: int, frame: int) -> None:
        super().__init__(np.random.PCG64(camera))
        self._noise = np.random.default_rng(frame)

    def standard_normal(self, *args: Any, **more: Any) -> Any:
        """As of the base class: a camera draws only its noise by it."""
        return self._noise.standard_normal(*args, **more)


def clips_in(source: Path) -> list[Path]:
    """The clip, or the clips of a folder that has no pictures, sorted by name; none for anything else."""
    if source.is_file() and files.is_clip(source):
        return [source]
    if not source.is_dir():
        return []
    inside = sorted(path for path in source.iterdir() if path.is_file() and not path.name.startswith("."))
    if any(files.names_picture(path) for path in inside):
        return []
    return [path for path in inside if files.is_clip(path)]


def clean_frames(path: Path, count: int = MOST, skip: int = 0, crop: int = 0) -> list[Pixels]:
    """Frames (h, w, 3) of a clip in [0, 1] at half size, of which the middle ``crop`` pixels a side are taken; 0 for all."""
    clip = clips.look(path)
    frames: list[Pixels] = []
    for frame in clips.frames(clip):
        if frame.number < skip:
            continue
        if len(frames) == count:
            break
        pixels = np.clip(yuv.to_pixels(frame.planes, clip.layout), 0, 1)[..., :3]
        height, width = (side // 4 * 2 for side in pixels.shape[:2])
        if min(height, width) < 2:
            raise FileError(f"{path}: frames of half the size would have no pixels")
        half = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, -1).mean(axis=(1, 3), dtype=np.float32)
        half = np.repeat(half, 3, axis=2) if half.shape[2] == 1 else half
        top, left = (max(0, side - crop) // 2 if crop else 0 for side in half.shape[:2])
        frames.append(np.ascontiguousarray(half[top : half.shape[0] - top, left : half.shape[1] - left]))
    return frames


def noisy_frames(clean: Sequence[Pixels], noise: Degradation, camera: int = 0) -> tuple[Frames, list[Pixels]]:
    """The frames with ``noise``, as 8 bits hold them, and those that they are held against; ``camera`` is the number of the camera
    that is drawn."""
    given, truth = [], []
    for number, frame in enumerate(clean):
        rng = OneCamera(camera, number) if noise.kind == "camera" else np.random.default_rng(number)
        perfect, noisy = noise.pair(frame, rng)
        given.append(np.rint(255 * np.clip(noisy, 0, 1)).astype(np.uint8))
        truth.append(np.asarray(perfect, np.float32))
    return given, truth


def score(made: Sequence[NDArray[Any]], truth: Sequence[Pixels]) -> tuple[float, float]:
    """PSNR in dB from frame `FIRST` on, and the root mean square of the change of the error from frame to frame in 8-bit levels."""
    first = min(FIRST, max(0, len(truth) - 2))
    errors = [frame / np.float32(255) - clean for frame, clean in zip(made, truth, strict=True)][first:]
    quality = [-10 * np.log10(max(float(np.square(error).mean()), 1e-12)) for error in errors]
    change = [float(np.square(after - before).mean()) for before, after in pairwise(errors)]
    return float(np.mean(quality)), 255 * float(np.sqrt(np.mean(change))) if change else 0.0


# -- filters ----------------------------------------------------------------------------------------------------------


def _by_graph(text: str, frames: Frames) -> Frames:
    """A filter of FFmpeg's, on planes of luma and colour differences at full size, as it works best."""
    av = encoders.library()
    graph = av.filter.Graph()
    height, width = frames[0].shape[:2]
    nodes = [graph.add_buffer(width=width, height=height, format=av.VideoFormat("rgb24"), time_base=1 / Fraction(25))]
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


def _by_program(text: str, frames: Frames) -> Frames:
    """The same by the program ``ffmpeg``."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise OptionError("ffmpeg-hqdn3d needs the program ffmpeg, which is not here")
    height, width = frames[0].shape[:2]
    plain = ["-f", "rawvideo", "-pix_fmt", "rgb24"]
    command = [program, "-v", "error", *plain, "-s", f"{width}x{height}", "-i", "-", "-vf", f"format=yuv444p,{text},format=rgb24"]
    done = subprocess.run(
        [*command, *plain, "-"], input=b"".join(frame.tobytes() for frame in frames), capture_output=True, check=False
    )
    if done.returncode or len(done.stdout) != sum(frame.size for frame in frames):
        raise FileError(f"ffmpeg failed: {done.stderr.decode(errors='replace').strip()[-200:]}")
    return list(np.frombuffer(done.stdout, np.uint8).reshape(len(frames), height, width, 3))


def _by_opencv(strength: float, frames: Frames) -> Frames:
    """OpenCV's non-local means over five frames."""
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("opencv-python-headless", "bench") from error
    reach = 2
    padded = [frames[0]] * reach + frames + [frames[-1]] * reach
    return [
        np.asarray(
            cv2.fastNlMeansDenoisingColoredMulti(padded, at + reach, 2 * reach + 1, None, strength, strength, 7, 21), np.uint8
        )
        for at in range(len(frames))
    ]


@dataclass(frozen=True)
class _Filter:
    """A filter that people use: ``run(strength, frames)`` at each of its ``strengths``, as shares of the noise's level."""

    run: Callable[[float, Frames], Frames]
    strengths: tuple[float, ...]


def _averaged(strength: float, frames: Frames) -> Frames:
    first = min(0.3, strength / 255)
    each = ":".join(f"{plane}a={first:.4f}:{plane}b={min(5.0, 4 * first):.4f}" for plane in range(3))
    return _by_graph(f"atadenoise={each}:s=9", frames)


FILTERS: Mapping[str, _Filter] = {
    "ffmpeg-nlmeans": _Filter(
        lambda level, frames: _by_graph(f"nlmeans=s={min(30, max(1, level)):.3f}", frames), (0.33, 0.5, 0.67, 0.85)
    ),
    "ffmpeg-bm3d": _Filter(lambda level, frames: _by_graph(f"bm3d=sigma={level:.3f}", frames), (0.75, 1.0, 1.5, 2.5)),
    "ffmpeg-atadenoise": _Filter(_averaged, (2.0, 4.0, 8.0, 16.0)),
    "ffmpeg-hqdn3d": _Filter(
        lambda level, frames: _by_program(f"hqdn3d={level:.3f}:{0.75 * level:.3f}:{1.5 * level:.3f}:{1.125 * level:.3f}", frames),
        (0.6, 1.0, 1.5, 2.5),
    ),
    "opencv-nlmeans": _Filter(_by_opencv, (0.4, 0.5, 0.75, 1.0)),
}
"""Name -> the filter. Strengths stand around the best on clips that models learnt from."""


# -- screening --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reel:
    """The frames of a clip that are shown, by name of method, ``clean`` and ``noisy`` among them, each (h, w, 3) uint8."""

    title: str
    frames: Mapping[str, Frames]


def screen(
    paths: Sequence[Path],
    models: Mapping[str, Restorer | Tuned],
    noises: Sequence[Degradation],
    filters: Iterable[str] = (),
    *,
    count: int = MOST,
    told: Callable[[int, int], None] | None = None,
) -> tuple[Evaluation, list[Reel]]:
    """Scores of models, over time and frame by frame, and of `FILTERS` by name, on ``count`` frames of each clip with each noise.

    Rows have ``image`` (the clip's name), ``noise``, ``method``, ``psnr`` (dB), ``flicker`` (root mean square of the error's change
    from frame to frame, in 8-bit levels), ``seconds`` for a frame and ``strength`` (of a filter, as a share of the noise's level).
    A clip that cannot be read is listed in ``failed``. Raises `OptionError` for an unknown filter and for a model of another task,
    `FileError` where no clip is left.
    """
    methods_of(models, (), TASKS[ON_CLIPS], noises, blind=True)
    chosen = list(filters)
    for name in chosen:
        if name not in FILTERS:
            raise OptionError(f"unknown filter {name!r}; for clips there are {', '.join(FILTERS)}")
    rows: list[dict[str, Any]] = []
    reels: list[Reel] = []
    scored: list[Path] = []
    failed: list[str] = []
    each = 2 * len(models) + len(chosen)
    steps = len(paths) * len(noises) * each
    for number, path in enumerate(paths):
        found: list[tuple[list[dict[str, Any]], Reel]] = []
        try:
            clean = clean_frames(path, count)
            if len(clean) < 2:
                raise FileError(f"{path}: a clip is scored from two frames on, and this one has {len(clean)}")
            for noise in noises:
                begun = (number * len(noises) + len(found)) * each
                tell = None if told is None else partial(_told, told, begun, steps)
                found.append(_screened(path.name, clean, noise, models, chosen, tell))
        except (FileError, ImageError) as error:
            failed.append(str(error) if isinstance(error, FileError) else f"{path}: {error}")
            continue
        scored.append(path)
        rows += [row for own, _ in found for row in own]
        reels += [reel for _, reel in found]
    if not scored:
        raise FileError(failed[0])
    return Evaluation(_protocol(scored, count), tuple(rows), tuple(_means(rows)), tuple(failed)), reels


def _told(told: Callable[[int, int], None], begun: int, steps: int, done: int) -> None:
    told(begun + done, steps)


def _screened(
    title: str,
    clean: Sequence[Pixels],
    noise: Degradation,
    models: Mapping[str, Restorer | Tuned],
    filters: Sequence[str],
    told: Callable[[int], None] | None,
) -> tuple[list[dict[str, Any]], Reel]:
    """The rows of a clip with one noise, and what is shown of it; ``told`` is called with the number of methods that are done."""
    given, truth = noisy_frames(clean, noise)
    shown = {"clean": [np.rint(255 * np.clip(frame, 0, 1)).astype(np.uint8) for frame in truth], "noisy": given}
    level = 255 * float(np.sqrt(np.mean([_energy(a, b) for a, b in zip(given, truth, strict=True)])))
    tries: dict[str, list[tuple[float | None, Callable[[Frames], Frames]]]] = {}
    for name, model in models.items():
        for words, alone in (("frame by frame", True), ("over time", False)):
            tries[f"{name}, {words}"] = [(None, partial(_modelled, model, alone))]
    for name in filters:
        method = FILTERS[name]
        tries[name] = [(share, partial(method.run, share * level)) for share in method.strengths]
    where = {"image": title, "noise": str(noise)}
    quality, flicker = score(given, truth)
    rows = [{**where, "method": "noisy", "psnr": quality, "flicker": flicker, "seconds": None, "strength": None}]
    for name, runs in tries.items():
        best: dict[str, Any] | None = None
        for share, run in runs:
            begun = time.perf_counter()
            made = run(given)
            seconds = (time.perf_counter() - begun) / len(given)
            quality, flicker = score(made, truth)
            if best is None or quality > best["psnr"]:
                best = {"psnr": quality, "flicker": flicker, "seconds": seconds, "strength": share}
                shown[name] = made
        assert best is not None
        rows.append({**where, "method": name, **best})
        if told is not None:
            told(len(rows) - 1)
    return rows, Reel(f"{title}, {noise}", shown)


def _energy(given: NDArray[np.uint8], truth: Pixels) -> float:
    return float(np.square(given / np.float32(255) - truth).mean())


def _modelled(model: Restorer | Tuned, alone: bool, given: Frames) -> Frames:
    restorer, settings = (model.restorer, model.given) if isinstance(model, Tuned) else (model, {})
    return list(footage.each(iter(given), restorer, restorer.settings(**settings), alone=alone))


def _protocol(paths: Sequence[Path], count: int) -> dict[str, Any]:
    return {
        "task": ON_CLIPS,
        "frames": f"the first {count} of each clip, at half size",
        "noise": "added to each frame with its number as seed, clipped, rounded to 8 bits; one camera for all frames",
        "psnr": f"per frame over all pixels and channels, mean from frame {FIRST} on",
        "flicker": "root mean square of the error's change from frame to frame, in 8-bit levels",
        "filters": "at the best by PSNR of: "
        + "; ".join(f"{name} {', '.join(f'{share:g}' for share in one.strengths)}" for name, one in FILTERS.items())
        + " times the noise's level",
        "models": "measure the noise",
        "clips": [path.name for path in paths],
        "processor": processor(),
    }


def _means(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The means over clips by noise and method."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["noise"], row["method"]), []).append(row)
    means = []
    for (noise, method), some in found.items():
        mean: dict[str, Any] = {"noise": noise, "method": method, "clips": len(some)}
        for name in ("psnr", "flicker", "seconds"):
            values = [row[name] for row in some if row[name] is not None]
            mean[name] = float(np.mean(values)) if values else None
        means.append(mean)
    return means


def table(result: Evaluation) -> str:
    """The scores as text for people, clip by clip."""
    lines: list[str] = []
    before: tuple[str, str] | None = None
    for row in result.results:
        here = row["image"], row["noise"]
        if here != before:
            lines += ["", f"{row['image']}, {row['noise']}"] if lines else [f"{row['image']}, {row['noise']}"]
            lines.append(f"  {'method':<34}{'PSNR (dB)':>10}{'flicker':>9}{'s a frame':>11}")
            before = here
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.3f}"
        strength = "" if row["strength"] is None else f"  (strength {row['strength']:g} of the level)"
        lines.append(f"  {row['method']:<34}{row['psnr']:>10.2f}{row['flicker']:>9.2f}{seconds:>11}{strength}")
    return "\n".join(lines)
