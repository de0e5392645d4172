"""The service under load, beside the command line's folder run of the same pictures.

    python benchmarks/serve.py --clients 1 8 64 --seconds 60 [--workers N] [--json]

Pictures of 512x512 pixels (crops of the package's photograph with noise of its own each, PNG) are restored by ``pellucid denoise
FOLDER``, timed by itself without its start; then by ``pellucid serve`` for so many clients, each of which sends a picture, waits
for the answer and sends the next; then by the command line once more, for no machine is the same from one minute to the next: the
share is of the mean of both. Every answer must be the very bytes that the command line wrote for that picture. In the end the
server is terminated while requests run: all of them must be answered. A client that receives 429 waits for the time that the
response names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pellucid import files, images, samples

SIDE = 512
SIGMA = 25.0


def make_pictures(folder: Path, count: int) -> None:
    """Crops of the photograph, doubled in size where it is too small, with noise."""
    clean = samples.photograph() / np.float32(255)
    large = np.repeat(np.repeat(clean, 2, axis=0), 2, axis=1)
    rng = np.random.default_rng(0)
    for index in range(count):
        top, left = (int(rng.integers(0, side - SIDE + 1)) for side in large.shape[:2])
        crop = large[top : top + SIDE, left : left + SIDE]
        noisy = np.clip(crop + rng.standard_normal(crop.shape, dtype=np.float32) * np.float32(SIGMA / 255), 0, 1)
        files.write(folder / f"{index:04}.png", images.from_array(np.rint(noisy * 255).astype(np.uint8)))


def pellucid(*arguments: object) -> list[str]:
    """The command line's words."""
    return [sys.executable, "-m", "pellucid", *(str(argument) for argument in arguments)]


@contextmanager
def served(extra: tuple[object, ...], environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int, float]]:
    """A server: its process, its port, and when it was started."""
    begun = time.monotonic()
    command = pellucid("serve", "--port", 0, "--no-browser", *extra)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        yield server, int(server.stdout.readline().split(" at ")[1].split("/")[2].rpartition(":")[2]), begun
    finally:
        server.terminate()
        server.wait(60)


async def first(port: int, picture: tuple[bytes, bytes]) -> float:
    """When the first answer was there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    status, _, answer = await post(reader, writer, picture[0])
    writer.close()
    assert (status, answer) == (200, picture[1])
    return time.monotonic()


@dataclass
class Tally:
    """The answers that clients got, counted, and the seconds that each took."""

    right: int = 0
    wrong: int = 0
    busy: int = 0
    lost: int = 0
    seconds: list[float] = field(default_factory=list)


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection that is kept."""
    head = f"POST /v1/restore HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    return int(lines[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def client(port: int, number: int, pictures: list[tuple[bytes, bytes]], until: float, tally: Tally) -> None:
    """One that sends, waits and checks until its time is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    turn = number * 7
    while time.monotonic() < until:
        sent, wanted = pictures[turn % len(pictures)]
        turn += 1
        begun = time.monotonic()
        try:
            status, headers, answer = await post(reader, writer, sent)
        except (ConnectionError, asyncio.IncompleteReadError):
            tally.lost += 1
            break
        if status == 429:
            tally.busy += 1
            await asyncio.sleep(float(headers["retry-after"]))
            continue
        tally.seconds.append(time.monotonic() - begun)
        if status == 200 and answer == wanted:
            tally.right += 1
        else:
            tally.wrong += 1
    writer.close()


def folder_rate(folder: Path, answers: Path) -> float:
    """Pictures a second of the command line's run, as it says itself: without the process's start."""
    done = subprocess.run(pellucid("denoise", folder, "-o", answers, "--force"), check=True, capture_output=True, text=True)
    found = re.search(r"done (\d+), .* in ([\d.]+) s", done.stderr)
    assert found is not None, done.stderr
    return int(found[1]) / float(found[2])


def family(process: int) -> list[int]:
    """A process and its children."""
    found = [process]
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            found += family(int(child))
    return found


def memory(process: int) -> float:
    """MiB of resident memory of the server and its workers."""
    pages = sum(int(Path(f"/proc/{each}/statm").read_text("ascii").split()[1]) for each in family(process))
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def load(port: int, process: int, count: int, seconds: float, pictures: list[tuple[bytes, bytes]]) -> dict[str, object]:
    """The service under ``count`` clients for ``seconds``; its memory is measured every second after the first five."""
    tally = Tally()
    sizes: list[float] = []

    async def watch() -> None:
        await asyncio.sleep(min(5.0, seconds / 4))
        while True:
            sizes.append(memory(process))
            await asyncio.sleep(1)

    watching = asyncio.create_task(watch())
    begun = time.monotonic()
    await asyncio.gather(*(client(port, number, pictures, begun + seconds, tally) for number in range(count)))
    took = time.monotonic() - begun
    watching.cancel()
    tally.seconds.sort()
    third = max(1, len(sizes) // 3)
    return {
        "clients": count,
        "seconds": round(took, 2),
        "images_per_second": round(tally.right / took, 3),
        "right": tally.right,
        "wrong": tally.wrong,
        "lost": tally.lost,
        "told_429": tally.busy,
        "median_s": round(tally.seconds[len(tally.seconds) // 2], 3),
        "slowest_s": round(tally.seconds[-1], 3),
        "memory_mib_first_third": round(sum(sizes[:third]) / third, 1),
        "memory_mib_last_third": round(sum(sizes[-third:]) / third, 1),
    }


async def terminated(port: int, process: subprocess.Popen[str], pictures: list[tuple[bytes, bytes]]) -> dict[str, object]:
    """TERM while eight requests run."""
    tally = Tally()

    async def one(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            status, _, answer = await post(reader, writer, pictures[number % len(pictures)][0])
            tally.right += status == 200 and answer == pictures[number % len(pictures)][1]
        except (ConnectionError, asyncio.IncompleteReadError):
            tally.lost += 1
        writer.close()

    running = asyncio.gather(*(one(number) for number in range(8)))
    await asyncio.sleep(0.15)
    process.send_signal(signal.SIGTERM)
    await running
    return {"running": 8, "right": tally.right, "lost": tally.lost, "status": process.wait(30)}


def main() -> int:
    """Measures and prints."""
    # The server that this started ends when this is terminated, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    parser = argparse.ArgumentParser(description="The service under load, beside the command line's folder run.")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64], help="one run for each number (default: 1 8 64)")
    parser.add_argument("--seconds", type=float, default=60, help="of each run (default: 60)")
    parser.add_argument("--pictures", type=int, default=64, help="different pictures (default: 64)")
    parser.add_argument("--workers", type=int, help="of the server (default: its own)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, answers = Path(place) / "in", Path(place) / "out"
        folder.mkdir()
        make_pictures(folder, options.pictures)
        rate = folder_rate(folder, answers)
        pictures = [((folder / path.name).read_bytes(), path.read_bytes()) for path in sorted(answers.glob("*.png"))]
        environment = {**os.environ, "PELLUCID_CACHE": str(Path(place) / "cache")}
        extra = ("--workers", options.workers) if options.workers else ()
        found: dict[str, object] = {"cores": len(os.sched_getaffinity(0))}
        with served(extra, environment) as (_, port, begun):
            found["first_answer_cold_s"] = round(asyncio.run(first(port, pictures[0])) - begun, 2)
        with served(extra, environment) as (server, port, begun):
            found["first_answer_s"] = round(asyncio.run(first(port, pictures[0])) - begun, 2)
            runs = []
            for count in options.clients:
                run = asyncio.run(load(port, server.pid, count, options.seconds, pictures))
                before, rate = rate, folder_rate(folder, answers)
                run["folder_images_per_second"] = [round(before, 3), round(rate, 3)]
                run["share_of_folder"] = round(float(str(run["images_per_second"])) / ((before + rate) / 2), 3)
                runs.append(run)
            found |= {"runs": runs, "terminated": asyncio.run(terminated(port, server, pictures))}
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"first answer after {found['first_answer_cold_s']} s, {found['first_answer_s']} s with the graph in the cache")
    for row in runs:
        print(", ".join(f"{name} {value}" for name, value in row.items()))
    print(f"terminated while 8 ran: {found['terminated']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
