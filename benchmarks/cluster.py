"""What runs that many processes share cost, and whether they survive: more than the tests have time for.

    python benchmarks/cluster.py memory              # the memory of a listing, from 1,000 to 100,000 files
    python benchmarks/cluster.py killed --times 10   # a share's process killed at random moments, and gone on with
    python benchmarks/cluster.py ratio --files 40    # a share of all beside the plain folder run, both on one core

Needs the extra `shard`. Files are made in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pellucid import files, images, manifest
from pellucid.cluster import parts, stores, work
from pellucid.cluster.stores import Folder
from pellucid.plan import Selection

RUN = [sys.executable, "-m", "pellucid", "denoise"]


def made(folder: Path, count: int, side: int) -> Path:
    """A folder with so many pictures of ``side`` x ``side`` pixels."""
    folder.mkdir()
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side), dtype=np.uint8)
        files.write(folder / f"{number}.png", images.from_array(pixels))
    return folder


def listed(folder: str) -> None:
    """Goes through a folder as a run does, and prints the kilobytes and seconds that it took."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    out = stores.open_store(f"{folder}-out")
    count = sum(work.Shard().takes(found.inner) for found in Folder(Path(folder)).pictures(Selection(), "clean", out))
    seconds = time.perf_counter() - began
    print(f"| {count:,} | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before:,} | {seconds:.2f} |")


def memory(room: Path) -> None:
    """Listings of more and more files, each by a process of its own."""
    print("| files | more memory, KiB | seconds |\n|---:|---:|---:|")
    for count in (1_000, 10_000, 100_000):
        folder = room / str(count)
        folder.mkdir()
        for number in range(count):
            (folder / f"{number}.png").touch()
        subprocess.run([sys.executable, __file__, "listed", "--folder", str(folder)], check=True)
        shutil.rmtree(folder)


def killed(room: Path, times: int, count: int, side: int) -> None:
    """Kills a run at random moments, goes on, and compares outputs and manifest with those of a plain run."""
    source, plain, out = made(room / "in", count, side), room / "plain", room / "out"
    subprocess.run([*RUN, str(source), "-o", str(plain)], check=True, stdout=subprocess.DEVNULL)
    moments = random.Random(0)
    command = [*RUN, str(source), "-o", str(out), "--shard", "1/1"]
    for number in range(times):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(1, 8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        there = sum((out / path.name).exists() for path in source.iterdir())
        print(f"killed {number + 1}: {there} of {count} outputs are there", flush=True)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    rows = {row["output"]: row["output_sha256"] for row in parts.rows(Folder(out)) if row["status"] == "done"}
    for path in source.iterdir():
        digest = manifest.digest_of(out / path.name)
        if digest != manifest.digest_of(plain / path.name) or rows[path.name] != digest:
            raise SystemExit(f"{path.name}: the output or its row is wrong")
    print(f"all {count} outputs are those of a plain run, and the manifest says so")


def ratio(room: Path, count: int, side: int) -> None:
    """The plain folder run and one share of all, in turn, on one core, with the model in the cache."""
    source = made(room / "in", count, side)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    seconds: dict[str, list[float]] = {"plain": [], "share": []}
    for number in range(3):
        for name, more in (("plain", []), ("share", ["--shard", "1/1"])):
            began = time.perf_counter()
            subprocess.run([*RUN, str(source), "-o", str(room / f"{name}{number}"), *more], check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    best = {name: min(each) for name, each in seconds.items()}
    print(f"{count} files of {side}x{side}: plain {best['plain']:.1f} s, share {best['share']:.1f} s, with start-up;", end=" ")
    print(f"the share does {best['plain'] / best['share']:.2f} of the plain run's files a second")


def main() -> None:
    """Reads the arguments and runs one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("memory", "killed", "ratio", "listed"))
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--folder")
    given = parser.parse_args()
    if given.what == "listed":
        listed(given.folder)
        return
    with tempfile.TemporaryDirectory(prefix="pellucid-") as name:
        if given.what == "memory":
            memory(Path(name))
        elif given.what == "killed":
            killed(Path(name), given.times, given.files, given.side)
        else:
            ratio(Path(name), given.files, given.side)


if __name__ == "__main__":
    main()
