"""Worn clips and stills: `pellucid film` beside what people use instead.

    python benchmarks/film.py DATA --what all alone stills fades likes clean unworn --model film
    python benchmarks/film.py DATA --what speed

``speed`` is that of frames of 720x576 from array to array: the first reading of a clip (``read``), and the mending of a frame that
is given with those around it, the noise of the clip and what the reading has found (``mended``), by the clock (median) and in
processor seconds over the number of cores (mean), which an idle machine would take at best.

DATA is the folder that `film_scenes.SCENES` are in. Clips are made there (`film_scenes`) and worn by `pellucid.wear`; the
product gets them as files without loss (FFV1), as users have them. ``psnr`` is held against the clean clip, moved as a whole by the
median of the shifts of its frames: nobody knows where a steadied clip is to lie. ``placed`` is the same with each frame moved
by its own, so that an unsteady gate does not count. ``unsteady px`` is the deviation of the frames' places, ``trembling px`` of
their changes from frame to frame. ``inside`` is the PSNR of the damaged pixels, ``found`` precision and recall by pixel, ``dE`` the
difference of the mean colours (CIEDE2000).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import film_likes
import film_scenes
import numpy as np
from numpy.typing import NDArray

from pellucid import (
    baselines,
    degradations,
    diagnosis,
    footage,
    images,
    memory,
    metrics,
    reels,
    restorer,
    scenes,
    stages,
    wear,
)
from pellucid.files import clips, encoders
from pellucid.tasks.settings import ClipSettings
from pellucid.views import View
from pellucid.wear.whole import moved

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]

ALL = "scratches:8+dust:1+hairs:0.5+blotches:1+stains:0.2+mould:0.1+film-grain:5+flicker:5+weave:0.8+fading:0.3+vignette:0.15"
"""All that happens to film, as much as is usual (`wear.MIXTURES`); splices and tape stand alone."""

ALONE = (
    "scratches:20:broken=0",
    "scratches:20",
    "dust:2",
    "hairs:2",
    "blotches:3",
    "mould:1",
    "stains:1",
    "film-grain:8",
    "flicker:6",
    "weave:1",
    "fading:0.35",
    "vignette:0.3",
    "splices:8",
    "dropouts:10",
    "heads:5",
    "chroma:2",
)
"""Each defect by itself."""

STILLS = ("scratches:8+dust:2+creases:1", "dust:2", "creases:1.5", "cracks:2", "scratches:8")
"""Damage of stills."""

FADES = 0.0, 0.2, 0.35, 0.5, 0.7
"""Losses of cyan of photographs whose colours alone count."""

EDGE = 12
"""Pixels at the edges that are not compared: a moved frame has none of its own there."""

RATE = Fraction(24)


# -- methods --------------------------------------------------------------------------------------------------------------


def temporal_median(frames: Pixels, truth: wear.Worn | None) -> Pixels:
    """The median of each frame and its two neighbours, brought into place by OpenCV's DIS optical flow."""
    cv2: Any = import_module("cv2")
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grays = [np.rint(255 * frame.mean(axis=2)).astype(np.uint8) for frame in frames]
    rows, columns = np.mgrid[: frames.shape[1], : frames.shape[2]].astype(np.float32)
    made = []
    for at, frame in enumerate(frames):
        stack = [frame]
        for other in (at - 1, at + 1):
            if 0 <= other < len(frames):
                way = flow.calc(grays[at], grays[other], None)
                stack.append(
                    cv2.remap(
                        frames[other], columns + way[..., 0], rows + way[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
                    )
                )
        made.append(np.median(stack, axis=0))
    return np.stack(made).astype(np.float32)


def filled_by(name: str) -> Callable[[Pixels, wear.Worn | None], Pixels]:
    """A baseline that is given the true damage of each frame."""

    def run(frames: Pixels, truth: wear.Worn | None) -> Pixels:
        assert truth is not None
        function = baselines.find(name).function
        return np.stack([function(frame, wear.Covered(mask)) for frame, mask in zip(frames, truth.damage, strict=True)])

    return run


def denoised(frames: Pixels, truth: wear.Worn | None) -> Pixels:
    """The package's own denoiser of stills, frame by frame."""
    model = restorer.load("photo")
    made = footage.each((np.rint(255 * frame).astype(np.uint8) for frame in frames), model, model.settings(), alone=True)
    return np.stack([frame.astype(np.float32) / np.float32(255) for frame in made])


def write_clip(path: Path, frames: Pixels) -> None:
    """Frames as a file without loss."""
    av = encoders.library()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "bgr0"
        for frame in frames:
            levels = np.ascontiguousarray(np.rint(255 * np.clip(frame, 0, 1)).astype(np.uint8))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb24").reformat(format="bgr0")))
        container.mux(stream.encode(None))


def product(model: str, given: dict[str, Any]) -> Callable[[Pixels, wear.Worn | None], Pixels]:
    """The task ``film`` with these settings, from file to file."""
    loaded = restorer.load(model)

    def run(frames: Pixels, truth: wear.Worn | None) -> Pixels:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "worn.mkv", Path(folder) / "mended.mkv"
            write_clip(source, frames)
            settings = loaded.task.settings(**given)
            footage.restore(source, target, loaded, settings, ClipSettings(lossless=True))
            made = [frame if frame.ndim == 3 else frame[..., None] for frame in footage.arrays(target)]
        return np.stack(made).astype(np.float32) / np.float32(255)

    return run


# -- scores ---------------------------------------------------------------------------------------------------------------


def decibels(error: NDArray[np.floating]) -> float:
    """PSNR of an error."""
    return float(-10 * np.log10(max(1e-10, float(np.square(error, dtype=np.float64).mean()))))


def shifts(made: Pixels, clean: Pixels) -> NDArray[np.float64]:
    """Pixels (n, 2) down and right by which each frame lies off its clean one: least squares on slopes (Lucas and Kanade), on
    blurred frames first; what differs much, as damage does, has no say in the end."""
    cv2: Any = import_module("cv2")
    found: NDArray[np.float64] = np.zeros((len(made), 2))
    for at, (frame, truth) in enumerate(zip(made.mean(axis=3), clean.mean(axis=3), strict=True)):
        level = float(np.median(frame)) / max(1e-3, float(np.median(truth)))
        for blur, rounds in ((4.0, 4), (1.5, 4)):
            one, other = (cv2.GaussianBlur(plane, (0, 0), blur) for plane in (frame, np.float32(level) * truth))
            for _ in range(rounds):
                there = moved(other[None, ..., None], found[at][None].astype(np.float32))[0, ..., 0]
                down, right = np.gradient(there, axis=0), np.gradient(there, axis=1)
                rest = one - there
                inside = np.zeros(rest.shape, bool)
                inside[EDGE:-EDGE, EDGE:-EDGE] = True
                inside &= np.abs(rest) < 6 * float(np.median(np.abs(rest)[inside])) + 0.01
                slopes = -np.stack([down[inside], right[inside]], axis=1)
                found[at] += np.clip(np.linalg.lstsq(slopes, rest[inside], rcond=None)[0], -2, 2)
    return found


def placed(clean: Pixels, away: NDArray[np.float64]) -> Pixels:
    """The clean frames where those that are compared lie."""
    return np.clip(moved(clean, away.astype(np.float32)), 0, 1)


def within(frames: NDArray[Any]) -> NDArray[Any]:
    """Without the edges."""
    return frames[:, EDGE:-EDGE, EDGE:-EDGE]


def scores(made: Pixels, clean: Pixels, truth: wear.Worn) -> dict[str, float]:
    """All figures of one clip."""
    away = shifts(made, clean)
    whole = np.broadcast_to(np.median(away, axis=0), away.shape)
    light = np.log(within(made).mean(axis=(1, 2, 3)) / within(placed(clean, away)).mean(axis=(1, 2, 3)))
    colours = [within(frames).reshape(-1, 3).mean(axis=0)[None, None] for frames in (made, clean)]
    found = {
        "psnr": decibels(within(made - placed(clean, whole))),
        "placed": decibels(within(made - placed(clean, away))),
        "flicker %": 100 * float(light.std()),
        "unsteady px": float(away.std(axis=0).mean()),
        "trembling px": float(np.diff(away, axis=0).std(axis=0).mean()),
        "dE": metrics.ciede2000(colours[1], colours[0], data_range=1),
    }
    if truth.damage.any() and not truth.shift.any():
        found["inside"] = decibels((made - clean)[truth.damage])
    return found


def found_in(damaged: Mask, true: Mask) -> dict[str, float]:
    """Precision and recall by pixel, and the same where a pixel beside counts, too."""
    cv2: Any = import_module("cv2")
    wide = np.ones((3, 3), np.uint8)
    grown = [np.stack([cv2.dilate(frame.astype(np.uint8), wide) for frame in mask]).astype(bool) for mask in (damaged, true)]
    return {
        "precision": float((damaged & true).sum() / max(1, damaged.sum())),
        "recall": float((damaged & true).sum() / max(1, true.sum())),
        "precision +-1": float((damaged & grown[1]).sum() / max(1, damaged.sum())),
        "recall +-1": float((grown[0] & true).sum() / max(1, true.sum())),
    }


def shown(name: str, row: dict[str, float]) -> None:
    """One line of a table."""
    print(f"  {name:32} " + "  ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)


def _now() -> tuple[float, float]:
    """Seconds by the clock, and of the processor over the cores."""
    return time.perf_counter(), time.process_time() / memory.cores()


def _seconds(moments: Sequence[tuple[float, float]]) -> list[tuple[str, float]]:
    """The median of the steps between moments by the clock, and the mean of the processor's, the first step left out."""
    steps = np.diff(np.array(moments)[1:], axis=0)
    return [("clock", float(np.median(steps[:, 0]))), ("processor", float(steps[:, 1].mean()))]


# -- parts ----------------------------------------------------------------------------------------------------------------


class Measuring:
    """The measurements, with the options of the command; each row is printed and kept."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.rows: list[dict[str, Any]] = []
        self.loaded = restorer.load(options.model or "film")
        self.product = product(options.model, {}) if options.model else None
        self.finding = product(options.model, {"show_damage": True}) if options.model else None

    def keep(self, case: str, scene: str, method: str, row: dict[str, float]) -> None:
        """Prints a line, and keeps it for ``--json``."""
        self.rows.append({"case": case, "scene": scene, "method": method, **row})
        shown(method, row)

    def methods(self, truth: wear.Worn) -> dict[str, Callable[[Pixels, wear.Worn | None], Pixels]]:
        """The methods that fit the damage, by name."""
        rows: dict[str, Callable[[Pixels, wear.Worn | None], Pixels]] = {"worn": lambda frames, _: frames}
        if self.options.baselines:
            rows["temporal median"] = temporal_median
            rows["photo, frame by frame"] = denoised
            if truth.damage.any():
                rows |= {f"{name}, true damage": filled_by(name) for name in ("telea", "navier-stokes", "masked-median")}
        if self.product is not None:
            rows["film"] = self.product
        return rows

    def clip(self, case: str, number: int, clean: Pixels) -> None:
        """One worn clip by all methods."""
        truth = wear.wear(clean, case, np.random.default_rng(number))
        print(f"{case}, scene {number}, {len(truth.frames)} frames, {100 * truth.damage.mean():.2f} % damaged")
        levels = np.rint(255 * truth.frames).astype(np.float32) / np.float32(255)
        for name, method in self.methods(truth).items():
            begun = time.process_time()
            made = method(levels, truth)
            row = scores(made, clean[truth.kept], truth)
            self.keep(case, str(number), name, {**row, "cpu s a frame": (time.process_time() - begun) / len(levels)})
        if self.finding is not None and truth.damage.any():
            damaged = self.finding(levels, None)[..., 0] > 0
            self.keep(case, str(number), "found", found_in(damaged, truth.damage))

    def scene(self, number: int) -> Pixels:
        """The clean clip of a scene; with ``--still`` its first frame again and again."""
        frames = film_scenes.moving(self.options.data, number, 1 if self.options.still else self.options.frames)
        return frames.repeat(self.options.frames, axis=0) if self.options.still else frames

    def all(self) -> None:
        """Clips with all defects."""
        for number in self.options.scenes:
            self.clip(ALL, number, self.scene(number))

    def alone(self) -> None:
        """Each defect by itself, on the first scenes."""
        for case in self.options.cases or ALONE:
            for number in self.options.scenes:
                self.clip(case, number, self.scene(number))

    def unworn(self) -> None:
        """Clean clips: what comes back, with a flash and a fade, too."""
        assert self.product is not None
        for number in self.options.scenes:
            clean = self.scene(number)
            for name, frames in (("unworn", clean), ("unworn, flash and fade", film_scenes.flash(clean))):
                levels = np.rint(255 * frames).astype(np.float32) / np.float32(255)
                made = self.product(levels, None)
                worst = min(decibels(one - other) for one, other in zip(made, levels, strict=True))
                print(f"{name}, scene {number}")
                self.keep(name, str(number), "film", {"psnr": decibels(made - levels), "worst frame": worst})

    def likes(self) -> None:
        """Share of pixels that are taken for damage where there is none: in clips, with what is like damage drawn into them."""
        assert self.finding is not None
        for number in self.options.scenes:
            clean = self.scene(number)
            for name in self.options.kinds:
                frames = clean if name == "clean" else film_likes.LIKES[name](clean, number)
                damaged = self.finding(np.clip(frames, 0, 1), None) > 0
                print(f"{name}, scene {number}")
                self.keep(name, str(number), "touched", {"%": 100 * float(damaged.mean())})

    def photographs(self) -> list[tuple[str, Pixels]]:
        """The stills: CBSD68, and photographs that no recipe learns from."""
        from pellucid import files

        paths = [*sorted((self.options.data / "cbsd68").glob("*.*"))[self.options.first :: self.options.every]]
        paths += [self.options.data / photo for photo, _ in film_scenes.SCENES]
        return [(path.stem, np.asarray(files.read(path).pixels, np.float32)) for path in paths]

    def still(self, model: Any, pixels: Pixels, **given: bool) -> Pixels:
        """A picture (h, w, c) restored with these settings, (h, w, channels)."""
        return np.atleast_3d(np.asarray(model.restore(pixels, model.task.settings(**given)), np.float32))

    def stills(self) -> None:
        """Worn stills by all methods: means over the photographs."""
        model = restorer.load(self.options.model) if self.options.model else None
        names = ("telea", "navier-stokes", "masked-median") if self.options.baselines else ()
        for case in STILLS:
            defect = degradations.parse(case)
            gathered: dict[str, list[tuple[float, float]]] = {}
            counts = np.zeros(3)
            for number, (_, clean) in enumerate(self.photographs()):
                truth = wear.wear(clean[None], defect, np.random.default_rng(number + 1000 * self.options.seed))
                worn, mask = truth.frames[0], truth.damage[0]
                if not mask.any():
                    continue
                made = {"worn": worn}
                made |= {f"{name}, true damage": baselines.find(name).function(worn, wear.Covered(mask)) for name in names}
                if model is not None:
                    made["film"] = self.still(model, worn)
                    made["film, only damage"] = self.still(model, worn, only_damage=True)
                    damaged = self.still(model, worn, show_damage=True).max(axis=-1) > 0
                    counts += (damaged & mask).sum(), damaged.sum(), mask.sum()
                for name, output in made.items():
                    error = np.clip(output, 0, 1) - clean
                    gathered.setdefault(name, []).append((decibels(error), decibels(error[mask])))
            print(f"{case}, {len(gathered['worn'])} stills")
            for name, values in gathered.items():
                whole, inside = np.mean(values, axis=0)
                self.keep(case, "stills", name, {"psnr": float(whole), "inside": float(inside)})
            if model is not None:
                self.keep(
                    case, "stills", "found", {"precision": counts[0] / max(1, counts[1]), "recall": counts[0] / max(1, counts[2])}
                )

    def fades(self) -> None:
        """Photographs that `film-find` holds out, faded: how far their mean colour is off, before and after."""
        from pellucid import files
        from pellucid.training import recipes

        def plain(name: str) -> str:
            return name.replace("/", "-").replace("_", "-")

        held = [plain(name) for name in recipes.find("film-find").data.hold_out]
        within = {path: plain(str(path.relative_to(self.options.data))) for path in sorted(self.options.data.glob("*/**/*.webp"))}
        paths = [path for path, name in within.items() if any(word in name for word in held)]
        photographs = [np.asarray(files.read(path).pixels[..., :3], np.float32) for path in paths]

        def mean(pixels: Pixels) -> NDArray[np.float64]:
            return np.asarray(pixels.reshape(-1, 3).mean(axis=0)[None, None], np.float64)

        for level in FADES:
            rows, found = [], 0
            for number, clean in enumerate(photographs):
                worn = wear.wear(clean[None], f"fading:{level}", np.random.default_rng(number)).frames[0] if level else clean
                levels = images.from_array(np.rint(255 * worn).astype(np.uint8), "auto")
                fading = reels.faded([View((levels,)).small(reels.SIDE)])
                made = np.clip(reels.unfaded(worn.transpose(2, 0, 1), fading).transpose(1, 2, 0), 0, 1)
                found += not fading.none
                rows.append([metrics.ciede2000(mean(clean), mean(each), data_range=1) for each in (worn, made)])
            before, after = np.transpose(rows)
            print(f"fading:{level}, {len(rows)} photographs")
            row = {
                "dE before": before.mean(),
                "dE": after.mean(),
                "median": float(np.median(after)),
                "found %": 100 * found / len(rows),
            }
            self.keep(f"fading:{level}", "stills", "film", {name: float(value) for name, value in row.items()})

    def speed(self) -> None:
        """Seconds a frame of 720x576, from array to array."""
        for case in ("scratches:8+dust:1+flicker:5+weave:0.8", ALL):
            clean = film_scenes.moving(self.options.data, 0, min(self.options.frames, 16), (576, 720))
            worn = wear.wear(clean, case, np.random.default_rng(0)).frames
            pictures = [images.from_array(np.rint(255 * frame).astype(np.uint8), "auto") for frame in worn]
            smalls = [frame.reshape(192, 3, 240, 3, 3).mean(axis=(1, 3)).astype(np.float32) for frame in worn]
            line = stages.Line(self.loaded, self.loaded.settings(), alone=False)
            reel = reels.Reel()
            clocks = [_now()]
            for small in smalls:
                reel.add(small)
                clocks.append(_now())
            read = _seconds(clocks)
            noise = scenes.beside(diagnosis.look(View((pictures[0],))), pictures[0], pictures[1])
            known = stages.Known(
                (0,), len(worn), (scenes.levels_of([(0, noise)], (0,)),), {self.loaded.task.name: tuple(reel.entries([0]))}
            )
            moving = (
                stages.Moving(picture, (clips.Frame(number, number, 1, ()), picture, None))
                for number, picture in enumerate(pictures)
            )
            clocks = [_now()]
            clocks += [_now() for _ in line.over(moving, 0, len(worn), known)]
            row = {f"{what} {name}": value for what, part in (("read", read), ("mended", _seconds(clocks))) for name, value in part}
            print(f"{case}, 720x576, {len(worn)} frames")
            self.keep(case, "0", "seconds a frame", row)

    def clean(self) -> None:
        """Share of pixels of clean stills that are taken for damage."""
        model = restorer.load(self.options.model)
        shares = []
        for name, clean in self.photographs():
            damaged = self.still(model, clean, show_damage=True) > 0
            shares.append((float(damaged.mean()), name))
        print(f"clean stills, {len(shares)}")
        worst = sorted(shares, reverse=True)[:5]
        self.keep(
            "clean", "stills", "touched", {"%": 100 * float(np.mean([share for share, _ in shares])), "worst %": 100 * worst[0][0]}
        )
        print("  worst: " + ", ".join(f"{name} {100 * share:.3f} %" for share, name in worst))


def kinds(text: str) -> list[str]:
    """The names of kinds, with commas between."""
    names = text.split(",")
    for name in names:
        if name not in ("clean", *film_likes.LIKES):
            raise argparse.ArgumentTypeError(f"there is no kind {name!r}; there are clean, {', '.join(film_likes.LIKES)}")
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table for each part."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder of photographs")
    parser.add_argument(
        "--what",
        nargs="+",
        default=["all", "alone", "stills"],
        choices=["all", "alone", "stills", "fades", "likes", "clean", "unworn", "speed"],
    )
    parser.add_argument("--model", default="film", help="a model of the task film; empty: baselines alone")
    parser.add_argument("--scenes", type=int, nargs="+", default=[0, 1], help="numbers of `film_scenes.SCENES`")
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--still", action="store_true", help="the camera stands still, and nothing moves")
    parser.add_argument("--every", type=int, default=4, help="each so many of CBSD68's photographs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of them")
    parser.add_argument("--seed", type=int, default=0, help="another one wears the stills otherwise")
    parser.add_argument("--cases", nargs="+", help="defects in the place of ALONE")
    parser.add_argument(
        "--kinds",
        type=kinds,
        default=["clean", *film_likes.LIKES],
        help="what ``likes`` draws, as `film_likes.LIKES` names it: a,b",
    )
    parser.add_argument("--no-baselines", dest="baselines", action="store_false")
    parser.add_argument("--json", type=Path, help="writes all rows there, too")
    options = parser.parse_args(arguments)
    measuring = Measuring(options)
    for what in options.what:
        getattr(measuring, what)()
        if options.json is not None:
            options.json.write_text(json.dumps(measuring.rows, indent=1), "utf-8")


if __name__ == "__main__":
    main()
