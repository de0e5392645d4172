"""Folder runs and the service while their machine fails them: nothing may be lost, nothing wrong, and all well again soon.

    python tests/chaos.py [--minutes 15] [--seed 0] [--only folder|service] [--rounds N] [--well 10]

**Folder runs.** `pellucid denoise IN --out OUT --resume` on small pictures of several formats runs again and again into one
folder under one disturbance after another: killed, stopped for a while, interrupted, without room on the disk, without
descriptors, without memory, with a clock that goes backwards, with its cache and temporary folders deleted under it. After each,
every output that has its name must be the undisturbed one to the byte, and nothing else be there but the manifest and temporary
files. The last run of a round is left alone: it must end with status 0, the folder have all outputs and no temporary file, and
the inputs be as they were.

**The service.** Clients send pictures all the time, while the server and its workers are killed and stopped, its folders deleted,
the disk filled (bytes, and names), descriptors and memory taken away, its connections held, its clock turned back. A right answer
is the undisturbed bytes; 429 and 503 are allowed, and, where the server itself was hit, a connection that breaks. After each
disturbance the seconds are measured until `/healthz` is well and a picture is answered right. A server that was killed is started
again at once.

The bound on the seconds is for a machine that has its cores free; the load is printed beside them. A wrong answer, another
status, a traceback, or more than ``--well`` seconds is a finding; any finding makes the exit status 1. The full disk needs the
right to mount a small tmpfs, and is left out elsewhere, which is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import files, images

MODEL = "photo-fast"

PATIENCE = 300.0
"""Seconds after which a service that is not well again is given up."""

CLOCK = """
import random, time
really, chance = time.time, random.Random(0)
def backwards():
    return really() - chance.uniform(0, 1e6)
time.time = backwards
time.time_ns = lambda: int(backwards() * 1e9)
"""
"""As ``sitecustomize``: a clock that jumps by up to eleven days, backwards as often as forwards."""


class Place:
    """A folder with inputs, their undisturbed outputs, and the folders that the processes use."""

    def __init__(self, folder: Path, count: int = 6, side: int = 48) -> None:
        self.folder = folder
        self.inputs = folder / "in"
        self.cache, self.temporary, self.site = folder / "cache", folder / "tmp", folder / "site"
        for made in (self.inputs, self.cache, self.temporary, self.site):
            made.mkdir()
        (self.site / "sitecustomize.py").write_text(CLOCK)
        self.findings: list[str] = []
        self.counts: Counter[str] = Counter()
        for index in range(count):
            _write(self.inputs, index, side)
        self.hashes = self.hashed(self.inputs)
        for name in ("undisturbed", "again"):
            begun = time.monotonic()
            status, said = self.run(folder / name)
            self.seconds = time.monotonic() - begun
            """The seconds of an undisturbed run whose graph is in the cache."""
            if status:
                raise SystemExit(f"the undisturbed run ended with status {status}: {said}")
        self.expected = self.found(folder / "undisturbed")

    def environment(self, *, clock: bool = False) -> dict[str, str]:
        made = {**os.environ, "PELLUCID_CACHE": str(self.cache), "TMPDIR": str(self.temporary), "OMP_NUM_THREADS": "1"}
        if clock:
            made["PYTHONPATH"] = os.pathsep.join([str(self.site), *filter(None, [os.environ.get("PYTHONPATH")])])
        return made

    def finding(self, text: str) -> None:
        self.findings.append(text)
        print(f"FINDING: {text}", flush=True)

    def start(
        self, out: Path, *, clock: bool = False, limits: dict[int, int] | None = None, group: Path | None = None
    ) -> subprocess.Popen[str]:
        """A folder run, under these limits of the system, in that control group."""

        def limited() -> None:
            for number, most in (limits or {}).items():
                resource.setrlimit(number, (most, most))
            if group is not None:
                (group / "cgroup.procs").write_text(str(os.getpid()))

        command = [sys.executable, "-m", "pellucid", "denoise", str(self.inputs), "--out", str(out), "--resume", "--model", MODEL]
        return subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(clock=clock),
            preexec_fn=limited if limits or group is not None else None,
        )

    def run(self, out: Path, **how: Any) -> tuple[int, str]:
        process = self.start(out, **how)
        said = process.communicate()[1]
        return process.returncode, said

    @staticmethod
    def found(folder: Path) -> dict[str, bytes]:
        """The outputs in a folder, by name."""
        return (
            {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")} if folder.is_dir() else {}
        )

    @staticmethod
    def hashed(folder: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _write(folder: Path, index: int, side: int) -> None:
    """A small noisy picture, of another format each time."""
    chance = np.random.default_rng(index)
    y, x = np.mgrid[:side, : side + 8 * (index % 3)] / side
    clean = np.stack([x, y, (x + y) / 2], -1) * 0.8
    noisy = np.clip(clean + chance.normal(0, 0.08, clean.shape), 0, 1)
    ending = ("png", "jpg", "tif", "npy", "ppm", "webp")[index % 6]
    path = folder / f"picture-{index}.{ending}"
    if ending == "npy":
        np.save(path, np.rint(np.stack([noisy[..., 0], noisy[..., 1]]) * 255).astype(np.uint8))
        return
    depth = np.uint16 if ending == "tif" else np.uint8
    files.write(path, images.from_array(np.rint(noisy * np.iinfo(depth).max).astype(depth)))


# -- what is done to a process ----------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None] | None]:
    """A tmpfs of that size at ``folder``; the block gets a function that changes its options. None where none can be mounted."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        yield None
        return

    def mount(options: str, *more: str) -> bool:
        done = subprocess.run(["mount", *more, "-o", options, "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False)
        return done.returncode == 0

    if not mount(f"size={size}"):
        yield None
        return
    try:
        yield lambda options: None if mount(f"remount,{options}") else print(f"cannot remount with {options}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


GROUPS = {
    Path("/sys/fs/cgroup/memory"): "memory.limit_in_bytes",
    Path("/sys/fs/cgroup"): "memory.max",
}
"""Where control groups may be, and the file that bounds the memory of one: the first and the second version."""


@contextmanager
def memory_group(most: int) -> Iterator[Path | None]:
    """A control group (as containers are) that may have so many bytes; None where none can be made.

    Who writes a process's number into its ``cgroup.procs`` puts it there; at the end they all come out again.
    """
    made, root = None, None
    for base, name in GROUPS.items():
        place = base / f"pellucid-chaos-{os.getpid()}"
        with suppress(OSError):
            # In a plain folder there would be no such file.
            if (base / "cgroup.procs").exists():
                place.mkdir()
                root = base
                if (place / name).exists():
                    (place / name).write_text(str(most))
                    made = place
                    break
                place.rmdir()
    try:
        yield made
    finally:
        if made is not None and root is not None:
            for _ in range(100):
                for number in (made / "cgroup.procs").read_text().split():
                    with suppress(OSError):
                        (root / "cgroup.procs").write_text(number)
                with suppress(OSError):
                    made.rmdir()
                    break
                time.sleep(0.05)


@contextmanager
def sweeping(*folders: Path) -> Iterator[None]:
    """Deletes these folders again and again while the block runs."""
    ended = threading.Event()

    def sweep() -> None:
        while not ended.wait(0.05):
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)

    thread = threading.Thread(target=sweep)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for folder in folders:
            folder.mkdir(exist_ok=True)


def processes_of(parent: int) -> list[int]:
    """The children of a process."""
    with suppress(OSError):
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return []


# -- folder runs ------------------------------------------------------------------------------------------------------

ALLOWED = {
    "kill": {0, -signal.SIGKILL},
    "stop": {0},
    # By the signal where it came in the last moment of Python's end, with all done; a shell shows 130, too.
    "interrupt": {0, 130, -signal.SIGINT},
    # Python itself was interrupted, while it started or read our modules.
    "interrupt early": {1, -signal.SIGINT},
    "full disk": {0, 1},
    "longest file": {0, 1},
    "descriptors": {0, 1},
    "memory": {0, 1},
    # The system ends who has no memory left in it.
    "control group": {0, 1, -signal.SIGKILL},
    "clock": {0},
    "sweep": {0},
}
"""Disturbance of a folder run -> exit statuses that are right."""


def folder_round(place: Place, kinds: list[str], chance: random.Random) -> None:
    """One folder of outputs under one disturbance after another, and a last run without any."""
    out = place.folder / "out"
    out.mkdir()
    try:
        with ExitStack() as opened:
            resize = opened.enter_context(small_disk(out, "64m"))
            for kind in kinds:
                if kind == "full disk" and resize is None:
                    print("full disk: left out, for no tmpfs can be mounted here")
                    continue
                # Some are to be made in each run, and the others must stay.
                for path in sorted(out.glob("[!.]*")):
                    if chance.random() < 0.6:
                        path.unlink()
                before = place.found(out)
                if kind == "full disk" and resize is not None:
                    used = sum(path.stat().st_blocks * 512 for path in out.iterdir())
                    resize(f"size={used + chance.randrange(4096, 40_000)}")
                status, said = _disturbed(place, out, kind, chance)
                if resize is not None:
                    resize("size=64m")
                _judge(place, out, kind, status, said)
                if not before.items() <= place.found(out).items():
                    place.finding(f"{kind}: an output that was there is lost")
            status, said = place.run(out)
            if status:
                place.finding(f"after {kinds}: the last run ended with {status}: {said}")
            _compare(place, out, f"after {kinds}", whole=True)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _disturbed(place: Place, out: Path, kind: str, chance: random.Random) -> tuple[int, str]:
    limits = {
        "longest file": {resource.RLIMIT_FSIZE: chance.randrange(100, 15_000)},
        "descriptors": {resource.RLIMIT_NOFILE: chance.randrange(5, 10)},
        "memory": {resource.RLIMIT_AS: chance.randrange(1500, 3200) * 2**20},
    }
    if kind in limits:
        return place.run(out, limits=limits[kind])
    if kind == "clock":
        return place.run(out, clock=True)
    if kind == "control group":
        with memory_group(chance.randrange(30, 160) * 2**20) as group:
            if group is None:
                print("control group: left out, for none can be made here")
                return 0, ""
            return place.run(out, group=group)
    if kind == "sweep":
        with sweeping(place.cache, place.temporary):
            return place.run(out)
    if kind == "full disk":
        return place.run(out)
    process = place.start(out)
    time.sleep(chance.uniform(0, 1.1 * place.seconds))
    with suppress(ProcessLookupError):
        if kind == "kill":
            process.kill()
        elif kind == "stop":
            process.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.2, 2))
            process.send_signal(signal.SIGCONT)
        else:
            process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    return process.returncode, said


def _judge(place: Place, out: Path, kind: str, status: int, said: str) -> None:
    place.counts[f"{kind}: status {status}"] += 1
    allowed = ALLOWED["interrupt early" if kind == "interrupt" and "importlib" in said else kind]
    if status not in allowed:
        place.finding(f"{kind}: status {status}: {said[-800:]}")
    elif "Traceback" in said and kind != "interrupt":
        place.finding(f"{kind}: status {status} with a traceback: {said[-1500:]}")
    _compare(place, out, kind, whole=False)


def _compare(place: Place, out: Path, when: str, *, whole: bool) -> None:
    found = place.found(out)
    for name, content in found.items():
        if content != place.expected.get(name):
            place.finding(f"{when}: {name} is not the undisturbed output ({len(content)} bytes)")
    if whole and set(found) != set(place.expected):
        place.finding(f"{when}: missing are {sorted(set(place.expected) - set(found))}")
    hidden = [path.name for path in out.iterdir() if path.name.startswith(".") and path.name != ".pellucid.jsonl"]
    if whole and hidden:
        place.finding(f"{when}: left are {hidden}")
    if place.hashed(place.inputs) != place.hashes:
        place.finding(f"{when}: the inputs are not as they were")


# -- the service ------------------------------------------------------------------------------------------------------


class Service:
    """The server under attack, started again when it is killed, and clients that send pictures all the time."""

    def __init__(self, place: Place, resize: Callable[[str], None] | None, *, workers: int = 2) -> None:
        self.place = place
        self.resize = resize
        self.workers = workers
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.pictures = [
            (path.read_bytes(), place.expected[path.name]) for path in sorted(place.inputs.iterdir()) if path.suffix != ".npy"
        ]
        self.clock = False
        self.shaken = ""
        """The disturbance at work, which may break connections; empty where none is."""
        self.log = (place.folder / "log").open("a+")
        self._ended = threading.Event()
        self._clients: list[threading.Thread] = []
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "pellucid", "serve", "--port", str(self.port), "--no-browser"]
        limits = ["--workers", str(self.workers), "--timeout", "600", "--max-megapixels", "1", "--max-megabytes", "5"]
        environment = self.place.environment(clock=self.clock)
        self.process = subprocess.Popen([*command, *limits], stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if not re.search(r"at http://\S+/", said):
            raise RuntimeError(f"the server does not start: {said}")

    def ask(self, method: str, path: str, body: bytes | None = None, seconds: float = PATIENCE) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def restore(self, index: int) -> str:
        """``right``, the status of a refusal, or ``broken``; anything else is a finding."""
        content, expected = self.pictures[index % len(self.pictures)]
        shaken = self.shaken
        try:
            status, answer = self.ask("POST", f"/v1/restore?model={MODEL}", content)
        except (OSError, http.client.HTTPException) as error:
            if not (shaken or self.shaken):
                self.place.finding(f"a connection broke: {error!r}")
            return "broken"
        if status == 200:
            if answer != expected:
                self.place.finding(f"a wrong answer of {len(answer)} bytes")
            return "right"
        try:
            message = json.loads(answer)["error"]
        except (ValueError, KeyError, TypeError):
            message = ""
        if status not in (429, 503) or not message:
            self.place.finding(f"{shaken or 'quiet'}: status {status}: {answer[:300]!r}")
        return str(status)

    @contextmanager
    def clients(self, count: int) -> Iterator[None]:
        """``count`` clients send requests while the block runs."""

        def send(number: int) -> None:
            index = number
            while not self._ended.is_set():
                outcome = self.restore(index)
                self.place.counts[f"answers: {outcome}"] += 1
                index += 1
                if outcome != "right":
                    self._ended.wait(0.2)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in threads:
                thread.join()

    def well(self) -> float:
        """The seconds until it is well: `/healthz` says so, and a picture is answered right. Started again if it is gone."""
        begun = time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            if self.process.poll() is not None:
                self.start()
            with suppress(OSError, http.client.HTTPException):
                if self.ask("GET", "/healthz", seconds=10)[0] == 200 and self.restore(0) == "right":
                    return time.monotonic() - begun
            time.sleep(0.05)
        return PATIENCE

    def end(self) -> None:
        """Ends it, and sees that nothing is left."""
        children = processes_of(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(120)
        assert self.process.stdout is not None
        self.process.stdout.close()
        if status:
            self.place.finding(f"the server ended with status {status}")
        left = [path.name for path in self.place.temporary.iterdir()]
        if left:
            self.place.finding(f"left in the temporary folder: {left}")
        alive = [pid for pid in children if Path(f"/proc/{pid}").exists()]
        if alive:
            self.place.finding(f"workers that outlive the server: {alive}")
        self.log.seek(0)
        for text in re.findall(r"^Traceback.*?^\S*(?:Error|Exception)\b.*?$", self.log.read(), re.MULTILINE | re.DOTALL):
            self.place.counts[f"log: {text.splitlines()[-1][:100]}"] += 1
        self.log.close()


def _kill_workers(service: Service, chance: random.Random) -> None:
    for pid in processes_of(service.process.pid):
        if chance.random() < 0.7:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _stop_workers(service: Service, chance: random.Random) -> None:
    stopped = processes_of(service.process.pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(chance.uniform(0.5, 4))
    for pid in stopped:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _kill_server(service: Service, chance: random.Random) -> None:
    service.shaken = "kill server"
    children = processes_of(service.process.pid)
    service.process.kill()
    service.process.wait()
    service.clock = chance.random() < 0.5
    until = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < until:
        time.sleep(0.05)
    if any(Path(f"/proc/{pid}").exists() for pid in children):
        service.place.finding("workers outlive a killed server")


def _stop_server(service: Service, chance: random.Random) -> None:
    service.process.send_signal(signal.SIGSTOP)
    time.sleep(chance.uniform(0.5, 3))
    service.process.send_signal(signal.SIGCONT)


def _sweep(service: Service, chance: random.Random) -> None:
    for _ in range(chance.randrange(1, 4)):
        for path in (*service.place.temporary.iterdir(), service.place.cache):
            shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.2)
    service.place.cache.mkdir(exist_ok=True)


def _fill(service: Service, chance: random.Random) -> None:
    if service.resize is None:
        print("full disk: left out, for no tmpfs can be mounted here")
        return
    filler = service.place.temporary / "filler"
    filler.mkdir()
    names = chance.random() < 0.5
    status, answer = 0, b""
    for number in range(20):
        # Again, for requests that end make room.
        with suppress(OSError):
            if names:
                for index in range(10**6):
                    (filler / f"{number}-{index}").touch()
            with (filler / f"{number}").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
        status, answer = service.ask("GET", "/healthz")
        if status == 503:
            break
    if status != 503 or b"no room" not in answer:
        service.place.finding(f"a full disk, and /healthz says {status}: {answer[:200]!r}")
    time.sleep(chance.uniform(0, 3))
    shutil.rmtree(filler)


def _limit(service: Service, pid: int, number: int, most: int, chance: random.Random) -> None:
    before = resource.prlimit(pid, number)
    resource.prlimit(pid, number, (most, before[1]))
    time.sleep(chance.uniform(0.5, 3))
    with suppress(ProcessLookupError):
        resource.prlimit(pid, number, before)


def _descriptors(service: Service, chance: random.Random) -> None:
    service.shaken = "descriptors"
    pid = service.process.pid
    _limit(service, pid, resource.RLIMIT_NOFILE, len(list(Path(f"/proc/{pid}/fd").iterdir())) + chance.randrange(0, 4), chance)


def _memory(service: Service, chance: random.Random) -> None:
    service.shaken = "memory"
    pid = chance.choice([service.process.pid, *processes_of(service.process.pid)])
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    with suppress(ProcessLookupError):
        _limit(service, pid, resource.RLIMIT_AS, pages * resource.getpagesize() + chance.randrange(0, 4) * 2**20, chance)


def _group(service: Service, chance: random.Random) -> None:
    workers = processes_of(service.process.pid)
    if not workers:
        return
    with memory_group(chance.randrange(4, 64) * 2**20) as group:
        if group is None:
            print("control group: left out, for none can be made here")
            return
        with suppress(OSError):
            (group / "cgroup.procs").write_text(str(chance.choice(workers)))
        time.sleep(chance.uniform(0.5, 3))


def _hold(service: Service, chance: random.Random) -> None:
    service.shaken = "connections"
    held = []
    for _ in range(300):
        with suppress(OSError):
            made = socket.create_connection(("127.0.0.1", service.port), timeout=5)
            held.append(made)
            made.sendall(chance.choice((b"", b"G", b"GET / HTTP/1.1\r\nX: y")))
    time.sleep(chance.uniform(0, 1))
    for made in held:
        made.close()


SERVICE: dict[str, Callable[[Service, random.Random], None]] = {
    "kill workers": _kill_workers,
    "stop workers": _stop_workers,
    "kill server": _kill_server,
    "stop server": _stop_server,
    "sweep": _sweep,
    "full disk": _fill,
    "descriptors": _descriptors,
    "memory": _memory,
    "control group": _group,
    "connections": _hold,
}
"""The disturbances of the service, by name; each puts back what it changed."""


def service_round(
    place: Place, kinds: Iterator[str], chance: random.Random, well: float, *, clients: int = 2, workers: int = 2
) -> None:
    """One server under one disturbance after another."""
    with small_disk(place.temporary, "48m,nr_inodes=400") as resize:
        service = Service(place, resize, workers=workers)
        slowest: dict[str, float] = {}
        try:
            with service.clients(clients):
                service.well()
                for kind in kinds:
                    SERVICE[kind](service, chance)
                    seconds = service.well()
                    service.shaken = ""
                    place.counts[f"service: {kind}"] += 1
                    slowest[kind] = max(slowest.get(kind, 0), seconds)
                    print(f"{kind}: well after {seconds:.2f} s (load {os.getloadavg()[0]:.0f})", flush=True)
                    if seconds > well:
                        place.finding(f"{kind}: well again after {seconds:.1f} s only")
        finally:
            service.end()
        print("slowest to be well again: " + ", ".join(f"{kind} {seconds:.1f} s" for kind, seconds in sorted(slowest.items())))


# -- all of it --------------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Folder runs and the service while their machine fails them.")
    parser.add_argument(
        "--minutes", type=float, default=15, help="half of them for folder runs, half for the service (default: 15)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what happens when (default: 0)")
    parser.add_argument("--only", choices=("folder", "service"), help="one of the two")
    parser.add_argument("--well", type=float, default=10, help="seconds in which the service must be well again (default: 10)")
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)
    share = options.minutes * 60 / (1 if options.only else 2)
    with tempfile.TemporaryDirectory(prefix="pellucid-chaos-") as folder:
        place = Place(Path(folder))
        print(f"an undisturbed run of {len(place.expected)} pictures takes {place.seconds:.1f} s", flush=True)
        if options.only != "service":
            until, rounds = time.monotonic() + share, 0
            names = [name for name in ALLOWED if name != "interrupt early"]
            while time.monotonic() < until:
                folder_round(place, chance.sample(names, 4), chance)
                rounds += 1
            print(f"{rounds} folders, {sum(place.counts.values())} disturbed runs", flush=True)
        if options.only != "folder":
            until = time.monotonic() + share

            def kinds() -> Iterator[str]:
                while time.monotonic() < until:
                    yield from chance.sample(list(SERVICE), len(SERVICE))

            service_round(place, kinds(), chance, options.well)
        for name, count in sorted(place.counts.items()):
            print(f"{count:6} {name}")
        print(f"{len(place.findings)} findings")
        return 1 if place.findings else 0


if __name__ == "__main__":
    sys.exit(main())
