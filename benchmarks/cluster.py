"""The cost of runs that many processes share, and whether they survive failures: more than the tests have time for.

    python benchmarks/cluster.py memory              # the memory of a listing, from 1,000 to 100,000 files
    python benchmarks/cluster.py killed --times 10   # a share's process killed at random moments, and gone on with
    python benchmarks/cluster.py ratio --files 40    # a share of all beside the plain folder run, both on one core
    python benchmarks/cluster.py cost                # core-seconds of a whole file, by task and size

With Ray (the extra `cluster`):

    python benchmarks/cluster.py scaling --files 400 --side 1000   # plain on one core, one node of one core, two such nodes
    python benchmarks/cluster.py lost --times 10                   # a node, and an actor alone, killed in the middle of runs
    python benchmarks/cluster.py driver                            # the driver's memory, from 1,000 to 100,000 tiny files
    python benchmarks/cluster.py large --megapixels 240            # one large picture, by one process and by two nodes

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
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from pellucid import files, images, manifest, samples, steps
from pellucid.cli import pictures
from pellucid.cluster import parts, stores, work
from pellucid.cluster.portions import LARGE
from pellucid.cluster.stores import Folder
from pellucid.plan import Selection

WARM = 16
"""Files after which a run's speed is measured: the first ones wait for models to be compiled."""

RUN = [sys.executable, "-m", "pellucid", "denoise"]


def noisy(side: int, channels: int, seed: int) -> Any:
    """A square of the package's photograph with noise of level 12, 8 bits."""
    tiles = -(-side // 400) + 1
    pixels = np.tile(samples.photograph(), (tiles, tiles, 1))[seed % 400 :, seed % 600 :][:side, :side, 3 - channels :]
    return np.clip(pixels + np.random.default_rng(seed).normal(0, 12, pixels.shape), 0, 255).astype(np.uint8)


def made(folder: Path, count: int, side: int, first: int = 0) -> Path:
    """A folder with so many gray pictures of ``side`` x ``side`` pixels, numbered from ``first``."""
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        files.write(folder / f"{number}.png", images.from_array(noisy(side, 1, number)))
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


def cost(only: str) -> None:
    """Processor seconds of one core for a whole file, with reading and writing, by task and size; ``only`` rows with this word."""
    os.environ["PELLUCID_THREADS"] = "1"
    print("| task | 0.25 megapixels | 1 | 12 |\n|---|---:|---:|---:|")
    for name, chain, channels in (
        ("denoise, gray", "denoise", 1),
        ("denoise, colour", "denoise", 3),
        ("denoise, colour, `photo-fast`", "denoise:model=photo-fast", 3),
        ("upscale 2 times, colour", "upscale:scale=2", 3),
        ("colorize", "colorize", 1),
        ("cutout", "cutout", 3),
        ("film, colour", "film", 3),
    ):
        if only not in name:
            continue
        step = steps.parse(chain).steps[0]
        model = pellucid.load(step.model)
        print(f"| {name} |", end="", flush=True)
        for side in (500, 1000, 3464):
            with tempfile.TemporaryDirectory(prefix="pellucid-") as room:
                source, out = Path(room, "in"), Path(room, "out")
                source.mkdir()
                # The first one has the model compiled.
                for number in range(2 if side < 3000 else 1):
                    files.write(source / f"{number}.png", images.from_array(noisy(side, channels, number)))
                order = work.Order(str(source), str(out), partial(_loaded_here, model), step.task, step.settings)
                worker = work.Worker(order, adopt=True)
                for item in work.Listing(worker):
                    assert isinstance(item, work.Item)
                    began = time.process_time()
                    row = worker.row(item)
                    last = time.process_time() - began
                    if row["status"] != "done":
                        raise SystemExit(row["error"])
            print(f" {last:.2f} |", end="", flush=True)
        print()


def _loaded_here(model: Any, how: dict[str, Any]) -> Any:
    return model


# -- with Ray ---------------------------------------------------------------------------------------------------------


@contextmanager
def cluster(nodes: int) -> Iterator[Any]:
    """A head without cores, and so many nodes of one core, each kept to a core of its own where there are as many."""
    import ray
    from ray.cluster_utils import Cluster

    from pellucid.cluster import rays

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for number in range(nodes):
        add_node(made, number)
    rays.connected(made.address)
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def add_node(made: Any, number: int) -> Any:
    """A node of one core, kept to the core of that number."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    try:
        return made.add_node(num_cpus=1)
    finally:
        os.sched_setaffinity(0, cores)


def order(source: Path, out: Path, model: str = "photo") -> work.Order:
    """A run of `denoise`."""
    step = steps.parse("denoise").steps[0]
    loaded = partial(pictures._loaded, "denoise", model)
    return work.Order(str(source), str(out), loaded, step.task, step.settings, selection=Selection(recursive=True))


def scaling(room: Path, count: int, side: int, model: str) -> None:
    """The plain folder run on one core, a cluster of one node of one core, and one of two; and whether the outputs are alike.

    Neighbours and clocks can make a core twice as slow as it was some minutes ago. So the first two take one half of the files
    before, and the other half after the two nodes have taken all.
    """
    source, plain = room / "in", room / "plain"
    halves = [made(source / str(half), count // 2, side, half * (count // 2)) for half in range(2)]
    rates: dict[str, list[float]] = {"plain, one core": [], "one node": [], "two nodes": []}

    def measured(name: str, moments: list[float]) -> None:
        # Once warm.
        rates[name].append((len(moments) - 1 - WARM) / (moments[-1] - moments[WARM]))
        print(f"{name}: {rates[name][-1]:.3f} files a second", flush=True)

    measured("plain, one core", alone(halves[0], plain / "0", model))
    with cluster(1) as made_of:
        measured("one node", ended(halves[0], room / "one" / "0", model))
        node = add_node(made_of, 1)
        measured("two nodes", ended(source, room / "two", model))
        made_of.remove_node(node)
        measured("one node", ended(halves[1], room / "one" / "1", model))
    measured("plain, one core", alone(halves[1], plain / "1", model))
    for half in range(2):
        same(halves[half], plain / str(half), room / "one" / str(half))
    same(source, plain, room / "two")
    bare, one, two = (sum(each) / len(each) for each in rates.values())
    print(f"one node does {one / bare:.3f} of the plain run on one core; two nodes do {two / one:.3f} times one node's work")
    print(f"all {count} outputs of one node and of two are those of the plain run")


def alone(source: Path, plain: Path, model: str) -> list[float]:
    """The plain folder run, on the first core: when each file was done."""
    core = {min(os.sched_getaffinity(0))}
    command = [*RUN, str(source), "-o", str(plain), "--json", "--model", model]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, core)
    ) as process:
        assert process.stdout is not None
        return [time.time() for _ in process.stdout]


def ended(source: Path, out: Path, model: str) -> list[float]:
    """A run over the cluster: when each file was done, where it was done."""
    from pellucid.cluster import rays

    return sorted(row["at"].timestamp() for row in rays.ClusterRun(order(source, out, model)) if row is not None)


def same(source: Path, plain: Path, out: Path) -> None:
    """Ends the program where an output is not there, is another one than that of the plain run, or is not as the manifest says."""
    rows = {row["input"]: row for row in parts.rows(Folder(out))}
    inputs = [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]
    if len(rows) != len(inputs):
        raise SystemExit(f"{len(rows)} rows for {len(inputs)} inputs")
    for name in inputs:
        row = rows[name]
        if row["status"] != "done":
            raise SystemExit(f"{name}: {row['error']}")
        digest = manifest.digest_of(out / name)
        if digest != manifest.digest_of(plain / name) or row["output_sha256"] != digest:
            raise SystemExit(f"{name}: the output or its row is wrong")


def lost(room: Path, times: int, count: int, side: int) -> None:
    """Kills a node so often, and an actor alone, at random moments of runs over two nodes; compares each with a plain run."""
    from pellucid.cluster import rays

    source, plain = made(room / "in", count, side), room / "plain"
    subprocess.run([*RUN, str(source), "-o", str(plain), "--model", "photo-fast"], check=True, stdout=subprocess.DEVNULL)
    moments = random.Random(0)
    with cluster(0) as made_of:
        nodes = [add_node(made_of, number) for number in range(2)]
        for number in range(2 * times):
            what, out = ("a node", "an actor")[number % 2], room / f"out{number}"
            # Between the first row and the last quarter, so that it is at work whatever the machine's load.
            after = moments.randrange(count * 3 // 4)
            rows = []
            for row in rays.ClusterRun(order(source, out, "photo-fast")):
                if row is None:
                    continue
                rows.append(row)
                if len(rows) == after + 1:
                    time.sleep(moments.random() * 0.2)
                    if what == "a node":
                        made_of.remove_node(nodes.pop(0), allow_graceful=False)
                    else:
                        kill_actor()
            same(source, plain, out)
            twice = len(rows) - len({row["input"] for row in rows})
            print(f"{number + 1}: {what} killed after {after + 1} rows; {twice} were done twice, all {count} are right", flush=True)
            while len(nodes) < 2:
                nodes.append(add_node(made_of, number // 2 % 2))
            shutil.rmtree(out)
    print(f"{times} nodes and {times} actors killed: every output was there, none was corrupt, and the manifest was true")


def kill_actor() -> None:
    """Kills one process of an actor of this program's cluster, as the kernel does that is short of memory."""
    for _ in range(600):
        for process in _processes(b"_Actor"):
            os.kill(process, signal.SIGKILL)
            return
        time.sleep(0.1)  # there is none yet
    raise SystemExit("no actor was found")


def _processes(word: bytes) -> Iterator[int]:
    """The processes that this program started, directly or not, whose command line has this word."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):  # it has ended
            if entry.name.isdigit() and word in (entry / "cmdline").read_bytes() and os.getpid() in _above(int(entry.name)):
                yield int(entry.name)


def _above(process: int) -> Iterator[int]:
    """The processes that started a process, from its own parent on."""
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        yield process


def driver(room: Path, most: int, restored: int) -> None:
    """The memory of the driver and of the listing in runs over more and more tiny files, and the time until the first row.

    Each run is a process of its own. It restores ``restored`` files at most; the manifest has the others, as after a run that was
    interrupted.
    """
    print(
        "| files | restored | driver, peak MiB | after row 1, more | listing, peak MiB | seconds to row 1 | then files a second |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for count in (1_000, 10_000, 100_000):
        if count <= most:
            source = room / str(count)
            source.mkdir()
            files.write(source / "0.png", images.from_array(noisy(16, 1, 0)))
            content, time_ns = (source / "0.png").read_bytes(), (source / "0.png").stat().st_mtime_ns
            for number in range(1, count):
                (source / f"{number}.png").write_bytes(content)
                os.utime(source / f"{number}.png", ns=(time_ns, time_ns))
            done_before(source, room / f"{count}-out", max(0, count - restored))
            subprocess.run([sys.executable, __file__, "drive", "--folder", str(source)], check=True)
            shutil.rmtree(source)


def done_before(source: Path, out: Path, count: int) -> None:
    """Gives the last ``count`` of the equal files in a folder their outputs, and their rows in the manifest."""
    if not count:
        return
    given = order(source, out, "photo-fast")
    worker = work.Worker(given, adopt=False)
    items = {item.input: item for item in work.Listing(worker) if isinstance(item, work.Item)}
    names = [f"{number}.png" for number in range(len(items) - count, len(items))]
    row = worker.row(items[names[0]])
    content = (out / names[0]).read_bytes()
    with parts.Writer(worker.out) as writer:
        for name in names:
            (out / name).write_bytes(content)
            writer.add({**row, "input": name, "output": name, "asked": name})


@contextmanager
def watched(word: bytes) -> Iterator[Callable[[], float]]:
    """The highest memory, MiB, that one of this program's processes with this word had so far."""
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.5):
            for process in _processes(word):
                with suppress(OSError, IndexError):  # it has ended
                    peak = max(peak, _highest(process))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lambda: peak / 1024
    finally:
        over.set()
        watching.join()


def _highest(process: int) -> int:
    """The highest memory that a process had, KiB; ``ru_maxrss`` would be at least that of the process which started it."""
    return int(Path(f"/proc/{process}/status").read_text().partition("VmHWM:")[2].split()[0])


def drive(folder: str) -> None:
    """A run of the driver, and what it took. The listing is a process of its own."""
    from pellucid.cluster import rays

    with cluster(2), watched(b"_listed") as listing:
        began = time.perf_counter()
        count, first, at_first = 0, 0.0, 0
        run = rays.ClusterRun(order(Path(folder), Path(f"{folder}-out"), "photo-fast"))
        for row in run:
            if row is None or row["status"] != "done":
                raise SystemExit(f"a file failed: {row}")
            if not count:
                first, at_first = time.perf_counter() - began, _highest(os.getpid())
            count += 1
        rest = time.perf_counter() - began - first
        mine = _highest(os.getpid())
        sizes = (f"{mine / 1024:.0f}", f"{(mine - at_first) / 1024:.0f}", f"{listing():.0f}")
    shutil.rmtree(f"{folder}-out")
    print(f"| {run.left_out.listed:,} | {count:,} | {' | '.join(sizes)} | {first:.1f} | {count / rest:.0f} |", flush=True)


def large(room: Path, megapixels: int, model: str) -> None:
    """One large picture by one process on one core, and in bands by two nodes of one core; and the memory of both.

    One that is smaller than those that runs share is shared, too.
    """
    from pellucid.cluster import rays

    source = made(room / "in", 1, round((megapixels * 1e6) ** 0.5))
    core = {min(os.sched_getaffinity(0))}
    began = time.perf_counter()
    command = [*RUN, str(source), "-o", str(room / "plain"), "--model", model]
    with watched(b"pellucid") as peak:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, core))
        print(f"{megapixels} megapixels: one core {time.perf_counter() - began:.0f} s, {peak():.0f} MiB", flush=True)
    with cluster(2), watched(b"_Actor") as peak:
        began = time.perf_counter()
        shared = LARGE._replace(bytes=0, pixels=min(LARGE.pixels, megapixels * 900_000))
        run = rays.ClusterRun(order(source, room / "out", model), large=shared)
        list(run)
        print(f"{run.portions[1]} portions by two nodes {time.perf_counter() - began:.0f} s, {peak():.0f} MiB for an actor at most")
    same(source, room / "plain", room / "out")
    print("the output is the same")


WHAT: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "memory": lambda room, given: memory(room),
    "killed": lambda room, given: killed(room, given.times, given.files, given.side),
    "ratio": lambda room, given: ratio(room, given.files, given.side),
    "cost": lambda room, given: cost(given.task),
    "scaling": lambda room, given: scaling(room, given.files, given.side, given.model),
    "lost": lambda room, given: lost(room, given.times, given.files, given.side),
    "driver": lambda room, given: driver(room, given.most, given.restored),
    "large": lambda room, given: large(room, given.megapixels, given.model),
}
"""The measurements, by the name that the command takes."""


def main() -> None:
    """Reads the arguments and runs one measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=(*WHAT, "listed", "drive"))
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--model", default="photo", help="scaling and large: the model that restores")
    parser.add_argument("--megapixels", type=int, default=240)
    parser.add_argument("--most", type=int, default=100_000, help="driver: the most files")
    parser.add_argument("--restored", type=int, default=100_000, help="driver: the most files that a run restores")
    parser.add_argument("--task", default="", help="cost: a word that the rows have")
    parser.add_argument("--folder")
    given = parser.parse_args()
    if given.what == "listed":
        listed(given.folder)
    elif given.what == "drive":
        drive(given.folder)
    else:
        with tempfile.TemporaryDirectory(prefix="pellucid-") as name:
            WHAT[given.what](Path(name), given)


if __name__ == "__main__":
    main()
