"""Pinned outputs: does a change of the code leave every output as it was, to the bit?

    PYTHONPATH=OLD/src python tests/pins.py --write FILE
    PYTHONPATH=NEW/src python tests/pins.py --check FILE

Both on one machine, one after the other: hashes differ between processors and between versions of the engine, so this is a command
and not a test. Each input is restored under each instruction set that the processor can play (``--isa`` chooses), in a child
process of its own with a cache of its own, and what came out is hashed. ``--check`` prints a line for each pin that differs, is
missing or is new, and its exit status is then 1. Four sets take some four minutes on two cores.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import samples

Array = NDArray[Any]

SETS = {
    "AVX2": "avx2",
    "AVX512_CORE_VNNI": "avx512_vnni",
    "AVX512_CORE_BF16": "avx512_bf16",
    "AVX512_CORE_AMX": "amx_int8",
}
"""Instruction sets, as ``ONEDNN_MAX_CPU_ISA`` names them, and the flag that Linux gives a processor that has it."""

UNPLAYED = 3
"""Exit status of a child whose engine refuses its instruction set."""

LARGE = (2400, 2700)
"""Height and width of the image that is cut into several pieces."""

BANDS = (4700, 7000)
"""Height and width of the one that is so large that the command line reads and writes it band by band: by the smallest model, and
under one instruction set, the processor's last, for it takes a quarter of a minute."""


# -- images -----------------------------------------------------------------------------------------------------------


def photograph(height: int = 192, width: int = 256) -> Array:
    """A part of the package's own photograph, (height, width, 3) float64 in [0, 1]."""
    return np.asarray(samples.photograph()[90 : 90 + height, 150 : 150 + width] / 255)


def gray(height: int = 192, width: int = 256) -> Array:
    return np.asarray(photograph(height, width) @ np.array([0.299, 0.587, 0.114]))


def large(size: tuple[int, int]) -> Array:
    """Gray, of that height and width: the photograph, repeated and mirrored, with noise."""
    light = gray(304, 440)
    down, across = (-(-side // part) for side, part in zip(size, light.shape, strict=True))
    rows = np.concatenate([light if number % 2 == 0 else light[::-1] for number in range(down)])
    whole = np.concatenate([rows if number % 2 == 0 else rows[:, ::-1] for number in range(across)], axis=1)
    return gaussian(whole[: size[0], : size[1]], 15)


def digits() -> Array:
    """48 digits side by side, (168, 224) float64."""
    return samples.digits()[0][:48].reshape(6, 8, 28, 28).swapaxes(1, 2).reshape(168, 224) / 255


def with_alpha(values: Array) -> Array:
    slope = np.linspace(0, 1, values.shape[1])
    return np.dstack([values, np.broadcast_to(slope, values.shape[:2])])


def as_dtype(values: Array, dtype: str) -> Array:
    """The values as integers over the whole range, clipped, or as floats, not clipped."""
    if dtype.startswith("float"):
        return values.astype(dtype)
    return np.round(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)


# -- noise: by NumPy alone, for the package's own may move ------------------------------------------------------------


def clean(values: Array) -> Array:
    return values


def gaussian(values: Array, sigma: float = 20) -> Array:
    return values + np.random.default_rng(1).normal(0, sigma / 255, values.shape)


def poisson(values: Array) -> Array:
    return np.asarray(np.random.default_rng(2).poisson(values * 60) / 60)


def speckle(values: Array) -> Array:
    return values * (1 + np.random.default_rng(3).normal(0, 0.2, values.shape))


def salt_pepper(values: Array, share: float = 0.1) -> Array:
    draw = np.random.default_rng(4).random(values.shape[:2])
    noisy = values.copy()
    noisy[draw < share / 2] = 0
    noisy[draw > 1 - share / 2] = 1
    return noisy


def impulses(values: Array) -> Array:
    rng = np.random.default_rng(5)
    noisy = values.copy()
    hit = rng.random(values.shape[:2]) < 0.1
    noisy[hit] = rng.random(noisy[hit].shape)
    return noisy


def mixed(values: Array) -> Array:
    return salt_pepper(np.clip(gaussian(values, 15), 0, 1), 0.05)


def correlated(values: Array) -> Array:
    """White noise under a window of 3 x 3 pixels, sigma 12 in the end."""
    noise = np.random.default_rng(6).normal(0, 1, values.shape)
    for axis in (0, 1):
        noise = np.roll(noise, 1, axis) + 2 * noise + np.roll(noise, -1, axis)
    return np.asarray(values + noise / noise.std() * 12 / 255)


def camera(values: Array) -> Array:
    """Noise of a sensor that sees one colour at each pixel, the other two filled in from its neighbours."""
    noise = np.random.default_rng(7).normal(0, 1, values.shape[:2]) * np.sqrt(values.mean(axis=2) * 0.01 + 0.0002)
    rows, columns = np.indices(noise.shape) % 2
    filled = np.zeros_like(values)
    for channel, mask in enumerate((rows + columns == 0, rows + columns == 1, rows + columns == 2)):
        lit, count = noise * mask, mask.astype(float)
        for axis in (0, 1):
            lit = np.roll(lit, 1, axis) + 2 * lit + np.roll(lit, -1, axis)
            count = np.roll(count, 1, axis) + 2 * count + np.roll(count, -1, axis)
        filled[..., channel] = lit / count
    return values + filled


def jpeg(values: Array) -> Array:
    packed = io.BytesIO()
    PillowImage.fromarray(as_dtype(values, "uint8")).save(packed, "JPEG", quality=25)
    with PillowImage.open(packed) as picture:
        return np.asarray(picture) / 255


# -- pins -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pin:
    """An input, the model, and the settings."""

    name: str
    model: str
    image: Callable[[], Array]
    settings: dict[str, Any] = field(default_factory=dict)


def pin(name: str, dtype: str, make: Callable[[], Array], model: str = "photo", **settings: Any) -> Pin:
    """A pin of what ``make`` answers, in that dtype."""
    chosen = "".join(f" {key}={value}" for key, value in settings.items())
    return Pin(f"{model}: {name} {dtype}{chosen}", model, lambda: as_dtype(make(), dtype), settings)


def pins() -> Iterator[Pin]:
    for noise in (clean, gaussian, poisson, speckle, salt_pepper, impulses, mixed, correlated, jpeg):
        yield pin(f"gray {noise.__name__}", "uint8", partial(noise, gray()))
    for noise in (clean, gaussian, poisson, salt_pepper, impulses, mixed, camera, jpeg):
        yield pin(f"colour {noise.__name__}", "uint8", partial(noise, photograph()))
    for dtype in ("uint16", "float32", "float64"):
        yield pin("gray gaussian", dtype, lambda: gaussian(gray()))
        yield pin("colour gaussian", dtype, lambda: gaussian(photograph()), sigma=20)
    for dtype in ("uint8", "uint16"):
        yield pin("alpha gaussian", dtype, lambda: with_alpha(gaussian(photograph())))
    yield pin("odd gray gaussian", "uint8", lambda: gaussian(gray(61, 83)))
    yield pin("dark clipped gray", "uint8", lambda: gaussian(gray() * 0.3, 30))
    yield pin("dark clipped gray", "uint8", lambda: gaussian(gray() * 0.3, 30), sigma=30)
    yield pin("gray gaussian", "float64", lambda: gaussian(gray(), 25), sigma=25, strength=0.5)
    yield pin("colour gaussian", "float64", lambda: gaussian(photograph(), 25), sigma=25, keep_grain=0.3)
    yield pin("colour poisson", "uint8", lambda: poisson(photograph()), strength=0.5, keep_grain=0.5)
    yield pin("gray gaussian", "uint8", lambda: gaussian(gray()), sigma=0)
    yield pin("gray gaussian", "uint8", lambda: gaussian(gray()), "photo-fast")
    yield pin("colour gaussian", "float32", lambda: gaussian(photograph()), "photo-fast", sigma=20)
    yield pin("colour mixed", "uint8", lambda: mixed(photograph()), "photo-fast")
    yield pin("gaussian", "uint8", lambda: gaussian(digits(), 50), "digits")
    yield pin("salt_pepper", "float32", lambda: salt_pepper(digits()), "seed-digits")
    for model in ("upscale", "upscale-photo"):
        yield pin("colour", "uint8", lambda: photograph(64, 80), model, scale=2)
        yield pin("gray", "float64", lambda: gray(64, 80), model, scale=2.5)
        yield pin("alpha", "uint16", lambda: with_alpha(photograph(48, 57)), model, scale=6)
        yield pin("colour", "float32", lambda: photograph(64, 80), model, scale=3, strength=0.5)
    yield pin("large gray", "uint8", lambda: large(LARGE), sigma=15)


def digest(values: Array) -> str:
    """SHA-256 of dtype, shape and values."""
    head = f"{values.dtype.name} {values.shape} ".encode()
    return hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).hexdigest()


def commanded(*words: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pellucid", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def from_files(folder: Path, bands: bool) -> Iterator[tuple[str, str]]:
    """Pins of the command line: name and hash of the pixels of each file that it writes."""
    striped, alpha, small, stack = (folder / f"{name}.tif" for name in ("striped", "alpha", "small", "stack"))
    PillowImage.fromarray(as_dtype(with_alpha(mixed(photograph())), "uint8")).save(alpha)
    PillowImage.fromarray(as_dtype(photograph(48, 64), "uint8")).save(small)
    pages = [as_dtype(gaussian(gray(64, 80) * share), "uint8") for share in (1, 0.8, 0.6)]
    tifffile.imwrite(stack, np.stack(pages), photometric="minisblack")
    runs: list[tuple[str, Path, tuple[str, ...]]] = [
        ("alpha mixed uint8", alpha, ("denoise", "--keep-grain", "0.2")),
        ("stack of 3 uint8", stack, ("denoise", "--model", "photo-fast")),
        ("colour uint8", small, ("upscale", "--scale", "2")),
    ]
    if bands:
        tifffile.imwrite(striped, as_dtype(large(BANDS), "uint16"), photometric="minisblack", rowsperstrip=100)
        runs.append(("gray uint16, band by band", striped, ("denoise", "--model", "seed-digits")))
    for name, source, command in runs:
        target = source.with_suffix(".out.tif")
        commanded(*command, source, "--out", target)
        yield f"{' '.join(command)}: {name}", digest(tifffile.imread(target))


def hashes(bands: bool) -> dict[str, str]:
    """Every pin's name and hash, computed in this process."""
    made = {}
    models: dict[str, Any] = {}
    for one in pins():
        image = one.image()
        if one.model not in models:
            models[one.model] = pellucid.load(one.model)
        made[one.name] = digest(models[one.model].restore(image, **one.settings))
        if one.model == "photo" and not one.settings:
            made[f"inspect: {one.name}"] = json.dumps(pellucid.inspect(image).to_dict(), sort_keys=True)
    with tempfile.TemporaryDirectory() as folder:
        made.update(from_files(Path(folder), bands))
    return made


# -- the command ------------------------------------------------------------------------------------------------------


def played() -> tuple[str, ...]:
    """The instruction sets that this processor has."""
    listed = Path("/proc/cpuinfo")
    flags = set(listed.read_text("utf-8").split()) if listed.exists() else set()
    return tuple(name for name, flag in SETS.items() if flag in flags)


def of_set(name: str) -> dict[str, str] | None:
    """The hashes under an instruction set, from a child process; None where the engine refuses to run under it."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        # A compiled graph that another instruction set left in the cache must not serve here.
        settings = {"ONEDNN_MAX_CPU_ISA": name, "PELLUCID_CACHE": str(Path(folder) / "cache")}
        target = Path(folder) / "hashes.json"
        child = subprocess.run(
            [sys.executable, __file__, "--child", str(target), "--isa", name], env=os.environ | settings, check=False
        )
        if child.returncode == UNPLAYED:
            return None
        if child.returncode != 0:
            sys.exit(f"{name}: the child process failed with status {child.returncode}")
        made: dict[str, str] = json.loads(target.read_text("utf-8"))
    print(f"{name}: {len(made)} pins, {time.monotonic() - begun:.0f} s", flush=True)
    return made


def shortened(value: str) -> str:
    """A hash's beginning, or the whole diagnosis."""
    return value if value.startswith("{") else value[:12]


def differences(old: dict[str, str], new: dict[str, str]) -> list[str]:
    lines = []
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            lines.append(f"{name}: is missing now")
        elif name not in old:
            lines.append(f"{name}: was not written")
        elif old[name] != new[name]:
            lines.append(f"{name}: {shortened(old[name])} then, {shortened(new[name])} now")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description="Pins outputs to the bit, old code against new code.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", type=Path, metavar="FILE", help="compute the hashes and write them")
    what.add_argument("--check", type=Path, metavar="FILE", help="compute them and compare with those in the file")
    what.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--isa", action="append", choices=SETS, help="only this instruction set (default: all that there are)")
    options = parser.parse_args()
    if options.child:
        try:
            options.child.write_text(json.dumps(hashes(options.isa == [played()[-1]])), "utf-8")
        except pellucid.EngineError as error:
            print(error, file=sys.stderr)
            return UNPLAYED
        return 0
    print(f"pellucid of {Path(pellucid.__file__).parent}", flush=True)
    written: dict[str, dict[str, str]] = json.loads(options.check.read_text("utf-8")) if options.check else {}
    made: dict[str, dict[str, str]] = {}
    wrong = 0
    for name in options.isa or played():
        found = of_set(name)
        if found is None:
            print(f"{name}: the engine refuses to run under it: left out", flush=True)
        else:
            made[name] = found
        if options.check and name not in written:
            print(f"{name}: not in {options.check}: left out", flush=True)
        elif options.check:
            lines = ["all of it: is missing now"] if found is None else differences(written[name], found)
            wrong += len(lines)
            for line in lines:
                print(f"{name}: {line}", flush=True)
    if options.write:
        options.write.write_text(json.dumps(made, indent=1), "utf-8")
    if not made:
        print("no instruction set was played")
        return 1
    if options.check:
        print(f"{wrong} differences" if wrong else "no difference")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
