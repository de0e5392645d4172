"""The service where its machine fails it: no room, no folder, no worker, no descriptors, clients that hold on to it."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import http.client
import io
import json
import os
import resource
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage
from serving import comes, with_pool

from pellucid import steps
from pellucid.errors import OptionError

pytest.importorskip("starlette", reason="the extra web is not installed")
pytest.importorskip("uvicorn", reason="the extra web is not installed")
pytest.importorskip("python_multipart", reason="the extra web is not installed")

from pellucid.web import app as served
from pellucid.web import connections, limits, pool, server, uploads, worker
from pellucid.web import folder as folders
from pellucid.web.service import Service


def noisy(side: int = 48) -> bytes:
    """A small PNG."""
    values = np.clip(np.random.default_rng(0).normal(128, 20, (side, side, 3)), 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


# -- the machine has not what a request needs -------------------------------------------------------------------------


class Staff:
    """A pool whose work fails as ``error`` says."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.ready = True
        self.places: list[Any] = []
        self.noted: list[str] = []
        self.unexpected = self.noted.append

    @asynccontextmanager
    async def place(self) -> Any:
        yield pool.Ticket()

    async def measured(self, model: str) -> float:
        return 1e6

    async def run(self, job: dict[str, Any], ticket: Any) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"width": 1, "height": 1}


class Broken(folders.Folder):
    """A folder in which no place can be made."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @contextmanager
    def place(self) -> Iterator[Path]:
        raise self.error
        yield


def asked(app: Any, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], Any]:
    """The status, headers and JSON of one request to an ASGI application."""
    connection = Recorder(body)
    given = [(b"host", b"localhost")]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": given}
    scope |= {"http_version": "1.1", "scheme": "http", "server": ("localhost", 1), "client": ("localhost", 2), "root_path": ""}
    # The application raises an unforeseen error once more, for the log.
    with suppress(RuntimeError):
        asyncio.run(app(scope, connection.receive, connection.send))
    return connection.status, connection.headers, connection.json()


class Recorder:
    def __init__(self, body: bytes) -> None:
        self.body: bytes | None = body
        self.status, self.headers, self.sent = 0, dict[str, str](), b""

    async def receive(self) -> dict[str, Any]:
        if self.body is None:
            await asyncio.Event().wait()
        body, self.body = self.body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
        else:
            self.sent += message.get("body", b"")

    def json(self) -> Any:
        return json.loads(self.sent)


FAILURES = [
    (OSError(errno.ENOSPC, "No space left on device", "/secret/place"), "the disk has no room"),
    (OSError(errno.EDQUOT, "Quota exceeded"), "the disk has no room"),
    (OSError(errno.EMFILE, "Too many open files"), "too many files are open"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "no memory left"),
    (MemoryError(), "no memory left"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "/secret/place"), "the folder of the uploads cannot be used"),
    (OSError(errno.EROFS, "Read-only file system"), "the folder of the uploads cannot be used (Read-only file system)"),
]


@pytest.mark.parametrize(("error", "said"), FAILURES)
def test_a_machine_that_has_not_what_is_needed_says_so_in_json(error: Exception, said: str, capsys: Any) -> None:
    staff: Any = Staff()
    app = served.application(staff, limits.Limits(), {"photo": "photo-fast"}, Broken(error), token=None, host="localhost")
    for method, path in (("POST", "/v1/restore"), ("POST", "/v1/inspect"), ("GET", "/healthz")):
        status, headers, answer = asked(app, method, path, noisy())
        assert (status, headers["content-type"], headers["retry-after"]) == (503, "application/json", "5")
        assert said in answer["error"]
        assert "secret" not in answer["error"]
    # The log has the place; no traceback is anywhere.
    assert len(staff.noted) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (pool.Failed("storage", "the disk has no room for the output"), 503, "no room"),
        (pool.Failed("killed", "its workers were ended from outside"), 503, "from outside"),
        (pool.Failed("crash", "the file is damaged"), 422, "damaged"),
        (RuntimeError("unforeseen"), 500, "its log says why"),
    ],
)
def test_a_failure_is_json_whatever_it_is(error: Exception, status: int, said: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with folders.private_folder() as folder:
        staff: Any = Staff(error)
        app = served.application(staff, limits.Limits(), {"photo": "photo-fast"}, folder, token=None, host="localhost")
        found, headers, answer = asked(app, "POST", "/v1/inspect", noisy())
        assert (found, headers["content-type"]) == (status, "application/json")
        assert said in answer["error"]
        assert ("retry-after" in headers) == (status == 503)
        assert list(folder.path.iterdir()) == []


def test_a_picture_that_was_swept_away_is_not_damaged(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Sweeper(Staff):
        async def run(self, job: dict[str, Any], ticket: Any) -> dict[str, Any]:
            shutil.rmtree(Path(job["source"]).parent.parent)
            raise pool.Failed("FileError", "no such file")

    with folders.private_folder() as folder:
        staff: Any = Sweeper()
        app = served.application(staff, limits.Limits(), {"photo": "photo-fast"}, folder, token=None, host="localhost")
        status, _, answer = asked(app, "POST", "/v1/inspect", noisy())
        assert (status, "send it again" in answer["error"]) == (503, True)
        assert asked(app, "GET", "/healthz")[0] == 200
        staff.ready = False
        assert asked(app, "GET", "/healthz")[::2] == (503, {"error": "no worker is ready"})


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "storage"), (errno.EMFILE, "storage"), (errno.EIO, "storage")])
def test_a_worker_does_not_blame_the_picture_for_its_machine(number: int, kind: str) -> None:
    from pellucid.errors import FileError

    error = FileError("output.png: cannot be written")
    error.__cause__ = OSError(number, "it is so")
    assert worker._failure(error)["kind"] == kind


# -- the folder -------------------------------------------------------------------------------------------------------


def test_the_folder_is_private_and_made_again(tmp_path: Path, monkeypatch: Any) -> None:
    above = tmp_path / "temporary"
    above.mkdir(mode=0o750)
    monkeypatch.setattr(tempfile, "tempdir", str(above))
    with folders.private_folder() as folder:
        for sweep in (
            lambda: shutil.rmtree(folder.path),
            lambda: shutil.rmtree(above),
            # Somebody else's under its name is not taken for it.
            lambda: (folder.path.rename(above / "elsewhere"), folder._made[-1].mkdir(mode=0o777)),
        ):
            before = folder.path
            sweep()
            with folder.place() as place:
                assert place.parent == folder.path != before
                assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
                (place / "upload").touch()
            assert list(folder.path.iterdir()) == []
        assert stat.S_IMODE(above.stat().st_mode) == 0o750
        shutil.rmtree(above / "elsewhere")
    assert list(above.iterdir()) == []


def test_a_request_whose_folder_cannot_go_for_want_of_descriptors_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with folders.private_folder() as folder:
        try:
            with folder.place() as first:
                (first / "upload").write_bytes(b"private")
                # No descriptor is free; open ones stay open.
                resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert first.exists()
        with folder.place() as second:
            assert list(folder.path.iterdir()) == [second]
        assert list(folder.path.iterdir()) == []


def test_only_folders_of_servers_that_are_gone_are_swept(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ["killed", "pipes", "used", "link", "file", "pipe"]
    killed, pipes, used, link, file, pipe = (tmp_path / f"{folders.PREFIX}{name}" for name in names)
    for made in (killed, pipes, used):
        made.mkdir()
    (killed / "upload").touch()
    # Nothing in it is opened.
    os.mkfifo(pipes / "lock")
    os.mkfifo(pipe)
    file.touch()
    (tmp_path / "another").mkdir()
    link.symlink_to(tmp_path / "another")
    held = os.open(used, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with folders.private_folder():
            left = {path.name.removeprefix(folders.PREFIX) for path in tmp_path.iterdir()}
            assert {"used", "link", "file", "pipe", "another"} <= left
            assert not {"killed", "pipes"} & left
    finally:
        os.close(held)


# -- workers ----------------------------------------------------------------------------------------------------------

FAKE = """
import json, os, signal, sys, threading, time
from pathlib import Path
say = lambda line: print(json.dumps(line), flush=True)
say({"ready": True})
for line in sys.stdin:
    job = json.loads(line)
    if "cancel" in job:
        continue
    once = not Path(job["mark"]).exists()
    with open(job["mark"], "a") as mark:
        mark.write("x")
    if job["do"] == "stop" and once:
        os.kill(os.getpid(), signal.SIGSTOP)
    if job["do"] == "leave" and once:
        os._exit(0)
    say({"id": job["id"], "progress": 0})
    if (job["do"] == "killed" and once) or job["do"] == "killed always":
        os.kill(os.getpid(), signal.SIGKILL)
    if (job["do"] == "crash once" and once) or job["do"] == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    say({"id": job["id"], "done": {"by": os.getpid()}})
"""


@pytest.mark.parametrize(
    ("do", "kind", "tries"),
    [
        ("well", None, 1),
        ("stop", None, 2),
        ("leave", None, 2),
        ("killed", None, 2),
        ("killed always", "killed", 3),
        ("crash once", None, 2),
        ("crash", "crash", 2),
    ],
)
def test_a_worker_that_is_ended_from_outside_costs_no_picture(
    do: str, kind: str | None, tries: int, tmp_path: Path, monkeypatch: Any
) -> None:
    if do == "stop":
        monkeypatch.setattr(pool, "BEGIN", 0.5)
    mark = tmp_path / "mark"

    async def work(made: pool.Pool) -> str | None:
        async with made.place() as ticket:
            try:
                assert (await made.run({"do": do, "mark": str(mark)}, ticket))["by"] > 0
            except pool.Failed as error:
                return error.kind
        return None

    assert with_pool(FAKE, work) == kind
    # A worker that is replaced while the machine is slow may be taken for a stopped one.
    assert mark.stat().st_size == tries or (do == "stop" and mark.stat().st_size > tries)


def test_workers_that_end_with_nothing_to_do_are_replaced(tmp_path: Path) -> None:
    async def work(made: pool.Pool) -> None:
        async with made.place() as ticket:
            for _ in range(3):
                for each in tuple(made._alive):
                    os.kill(each.process.pid, signal.SIGKILL)
                assert (await made.run({"do": "well", "mark": str(tmp_path / "mark")}, ticket))["by"] > 0
            while len(made._alive) < 2:
                await asyncio.sleep(0.01)
        assert made.ready
        assert made.restarts >= 3

    with_pool(FAKE, work, workers=2)


# -- limits by speed --------------------------------------------------------------------------------------------------


class Measuring:
    """A pool that measures, and tells what it was asked."""

    def __init__(self, speeds: dict[str, float]) -> None:
        self.speeds, self.asked = speeds, list[str]()

    async def measured(self, model: str) -> float:
        self.asked.append(model)
        await asyncio.sleep(0)
        return self.speeds[model]


def test_each_model_limits_pictures_by_its_own_speed(tmp_path: Path) -> None:
    staff: Any = Measuring({"photo": 1e5, "upscale": 4e5, "cutout": 1e6})
    folder: Any = tmp_path
    most = limits.Limits(pixels=64_000_000, seconds=100)
    service = Service(staff, most, {name: name for name in staff.speeds}, folder, {"photo": 1e5}, token=False)

    async def of(text: str) -> int:
        work = [(step.model, step.settings) for step in steps.parse(text).steps]
        # Several at once, as requests are.
        (found,) = {each.pixels for each in await asyncio.gather(*(service.limits_of(work) for _ in range(3)))}
        return found

    async def each() -> list[int]:
        return [await of(text) for text in ("denoise", "cutout", "upscale", "denoise+upscale", "upscale:scale=2+cutout")]

    # A picture may take four fifths of 100 seconds. Times of steps add up; after an enlargement by 2 a step has 4 times the pixels.
    together = (80 / (1 / 1e5 + 1 / 4e5), 80 / (1 / 4e5 + 4 / 1e6))
    assert asyncio.run(each()) == pytest.approx([8_000_000, 64_000_000, 32_000_000, *together], abs=1)
    # Each is measured once, when it is first asked for.
    assert sorted(staff.asked) == ["cutout", "upscale"]
    told = {row["name"]: row["pixels"] for row in service.models["tasks"]}
    assert (told["denoise"], told["cutout"], told["upscale"]) == (8_000_000, 64_000_000, 32_000_000)
    assert service.models["limits"]["pixels"] == 8_000_000


def test_speed_is_of_pixels_and_not_of_what_is_done_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    once, each = 0.05, 1e-7

    class Model:
        card = type("Card", (), {"channels": 1})

        def restore(self, picture: Any) -> None:
            clock[0] += once + each * picture.size

    made = worker.Worker({}, "auto", "auto", None)
    monkeypatch.setattr(made, "model", lambda name: Model())
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(worker.time, "process_time", lambda: 1000 * clock[0])
    # At most twice the speed of a whole picture of 512x512.
    whole = 512**2 / (once + each * 512**2)
    assert made.measure({"model": ""}, lambda share: None)["speed"] == pytest.approx(2 * whole)
    once = 0.01
    assert made.measure({"model": ""}, lambda share: None)["speed"] == pytest.approx(1 / each)
    # A slow one is measured once.
    each, before = 1e-5, clock[0]
    assert made.measure({"model": ""}, lambda share: None)["speed"] == pytest.approx(1 / each, rel=0.05)
    assert clock[0] - before < 1


# -- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "status"), [(b"", b"x" * 9000, 413), (b"\r\n" * 4500, b"", 413), (b"", b"x" * 1000, 422)]
)
def test_all_bytes_of_a_form_count(before: bytes, after: bytes, status: int, tmp_path: Path) -> None:
    class Sent:
        def __init__(self) -> None:
            self.headers = {"content-type": "multipart/form-data; boundary=edge"}

        async def stream(self) -> Any:
            body = before + b'--edge\r\nContent-Disposition: form-data; name="image"\r\n\r\n\r\n--edge--\r\n' + after
            for start in range(0, len(body), 100):
                yield body[start : start + 100]

    request: Any = Sent()
    with uploads.Held().share() as share, pytest.raises(uploads.Refused) as caught:
        asyncio.run(uploads.received(request, tmp_path, limits.Limits(bytes=1000), share))
    assert caught.value.status == status


# -- connections ------------------------------------------------------------------------------------------------------


@contextmanager
def listening(app: Any, **bounds: Any) -> Iterator[Callable[[Callable[..., Any]], Any]]:
    """run(client): a coroutine function that gets the port and the server, which has these bounds."""
    import uvicorn

    def run(client: Callable[[int, Any], Any]) -> Any:
        async def both() -> Any:
            made = connections.protocol(bounds.get("most", 10), bounds.get("transfer", 60.0))
            settings = uvicorn.Config(app, http=made, ws="none", lifespan="off", log_config=None, log_level="critical")
            server = uvicorn.Server(settings)
            with socket.create_server(("127.0.0.1", 0)) as held:
                serving = asyncio.ensure_future(server._serve([held]))
                try:
                    return await asyncio.wait_for(client(held.getsockname()[1], server), 60)
                finally:
                    server.should_exit = server.force_exit = True
                    await serving

        return asyncio.run(both())

    yield run


async def hello(scope: Any, receive: Any, send: Any) -> None:
    size = 50_000_000 if scope["path"] == "/large" else 2
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(size).encode())]})
    for start in range(0, size, 1_000_000):
        await send({"type": "http.response.body", "body": bytes(min(size - start, 1_000_000)), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "drip"),
    [
        (b"", b""),
        (b"", b"x"),
        (b"GET / HTTP/1.1\r\nX: ", b"y"),
        # A body that nobody reads.
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"z"),
        # A response that nobody reads.
        (b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", b""),
    ],
)
def test_who_holds_on_to_a_connection_loses_it(first: bytes, drip: bytes, monkeypatch: Any) -> None:
    monkeypatch.setattr(connections, "HEAD", 0.3)

    async def client(port: int, server: Any) -> bool:
        with socket.create_connection(("127.0.0.1", port)) as made:
            made.sendall(first)
            while not server.server_state.connections:
                await asyncio.sleep(0.001)
            while server.server_state.connections:
                with suppress(OSError):
                    made.send(drip)
                await asyncio.sleep(0.02)
        return True

    with listening(hello, transfer=0.3) as run:
        assert run(client)


def test_requests_one_after_another_keep_their_connection() -> None:
    async def client(port: int, server: Any) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # Two at once, and one in two parts.
        writer.write(GET + GET + GET[:9])
        await writer.drain()
        found = [await reader.readuntil(b"\r\n\r\n\0\0") for _ in range(2)]
        writer.write(GET[9:])
        found.append(await reader.readuntil(b"\r\n\r\n\0\0"))
        writer.close()
        return b"".join(found)

    with listening(hello) as run:
        assert run(client).count(b"HTTP/1.1 200 OK") == 3


def test_the_connection_that_has_waited_longest_makes_room() -> None:
    async def client(port: int, server: Any) -> list[bytes]:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(4)]
        for _ in range(20):
            held.append(await asyncio.open_connection("127.0.0.1", port))
        held[-1][1].write(GET)
        answer = await held[-1][0].readuntil(b"\r\n\r\n")
        first = b""
        with suppress(ConnectionError):
            first = await held[0][0].read()
        for _, writer in held:
            writer.close()
        return [answer, first]

    with listening(hello, most=4) as run:
        answer, first = run(client)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert first == b""


def test_what_is_not_http_is_answered_as_all_errors_are() -> None:
    async def client(port: int, server: Any) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 hello\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    with listening(hello) as run:
        head, _, body = run(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Security-Policy" in head
    assert body.startswith(b'{"error": "')


def test_who_has_the_address_may_end_the_server() -> None:
    import uvicorn

    announced = []

    def announce(address: str) -> None:
        announced.append(address)
        signal.raise_signal(signal.SIGTERM)

    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        settings = uvicorn.Config(hello, ws="none", lifespan="off", log_config=None, log_level="critical")
        asyncio.run(server._Server(settings, announce).serve([held]))
    assert announced == [f"http://127.0.0.1:{port}/"]


def test_connections_and_their_files_fit_into_the_descriptors() -> None:
    for descriptors in (96, 256, 1024, 10**6):
        for places, workers in ((2, 1), (66, 2), (1010, 4)):
            most = connections.most_connections(descriptors, places, workers)
            used = most + min(most, places) + connections.RESERVE + connections.PER_WORKER * workers
            assert used <= descriptors
            assert most >= connections.FEWEST
            assert most == connections.MOST or used >= descriptors - 1
    with pytest.raises(OptionError, match=r"may have 64 files and connections open, and the service needs 84; `ulimit -n 84`"):
        connections.most_connections(64, 66, 1)


# -- all of it, on a real server --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow(start_server: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server that may have 256 descriptors."""
    before = ("sh", "-c", 'ulimit -n 256 && exec "$@"', "sh")
    made = start_server(tmp_path_factory.mktemp("narrow"), "--workers", "1", "--timeout", "600", before=before)
    yield made
    assert made.end() == 0
    assert list(made.folder.iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc on this system")
def test_a_service_whose_folder_and_workers_go_goes_on(narrow: Any) -> None:
    content = noisy()
    expected = narrow.ask("POST", "/v1/restore", content)
    assert expected.status == 200
    for _ in range(2):
        (root,) = narrow.folder.glob("pellucid-web-*")
        # The service may be deleting the last request's files at this moment, so a file that is gone is no error.
        shutil.rmtree(root, ignore_errors=True)
        process = narrow.process.pid
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
        assert narrow.ask("POST", "/v1/restore", content).body == expected.body
    shutil.rmtree(next(narrow.folder.glob("pellucid-web-*")), ignore_errors=True)
    assert comes(lambda: narrow.ask("GET", "/healthz").status == 200)
    (root,) = narrow.folder.glob("pellucid-web-*")
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_idle_connections_do_not_block_a_narrow_server(narrow: Any) -> None:
    held = [socket.create_connection(("127.0.0.1", narrow.port)) for _ in range(300)]
    for index, each in enumerate(held):
        try:
            each.sendall((b"", b"G", b"GET / HTTP/1.1\r\nX: y")[index % 3])
        except OSError:
            continue  # it has made room
    assert narrow.ask("GET", "/healthz").status == 200
    assert narrow.ask("POST", "/v1/restore", noisy()).status == 200
    for each in held:
        each.close()
    connection = http.client.HTTPConnection("127.0.0.1", narrow.port, timeout=60)
    for _ in range(2):
        connection.request("GET", "/v1/models")
        assert connection.getresponse().read().startswith(b"{")
    connection.close()
