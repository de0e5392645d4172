"""A real object store for tests: moto's S3 server on a port of this machine, and a network that fails now and then.

Between the server and its clients stands `Faulty`, which does to requests what networks and stores do.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Answer = Callable[[dict[str, Any], Any], Any]

Chosen = Callable[[dict[str, Any]], str | None]
"""The name of the fault that a request, by its WSGI environment, shall have; None for none."""

FAULTS = ("busy", "cut", "lost", "slow")
"""The faults that come again and again."""


@dataclass
class Faulty:
    """A WSGI application in front of another one, with faults by the number of requests so far.

    ``busy`` 9: each ninth request gets a 503 (0: none does); ``cut``: of those with a body, the connection is lost in the middle of
    it; ``lost``: the request is done, but its answer never arrives; ``slow``: it takes ``seconds`` more. ``chosen`` names the fault
    of the requests that it picks, beside these ``short`` (the connection is lost in the middle of the answer) and ``refused`` (a
    403). ``page`` is how many names a listing's answer has at most. ``done`` counts what was done to how many; ``requests`` are
    method and path of each, and whether it copies another object.
    """

    application: Answer
    busy: int = 0
    cut: int = 0
    lost: int = 0
    slow: int = 0
    seconds: float = 0.0
    chosen: Chosen | None = None
    page: int = 0
    done: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, str, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._lock = threading.Lock()

    def perfect(self) -> None:
        """No faults from now on, and the next ones as if they were the first."""
        self.busy = self.cut = self.lost = self.slow = 0
        self.chosen, self.page = None, 0
        self._counted.clear()
        self.done.clear()

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        with self._lock:
            faults = {name for name in FAULTS if (length or name != "cut") and self._due(name)}
            faults |= {self.chosen(environ) if self.chosen else None} - {None}
            copies = "HTTP_X_AMZ_COPY_SOURCE" in environ
            self.requests.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], copies))
        if self.page and "list-type=2" in environ["QUERY_STRING"]:
            environ["QUERY_STRING"] += f"&max-keys={self.page}"
        if "slow" in faults:
            self.done["slow"] += 1
            time.sleep(self.seconds)
        if "cut" in faults:
            self.done["cut"] += 1
            environ["wsgi.input"].read(length // 2)
            return _hung_up(environ)
        for fault, status, code, line in (
            ("busy", "503 Slow Down", "SlowDown", "Please reduce your request rate."),
            ("refused", "403 Forbidden", "AccessDenied", "Access Denied"),
        ):
            if fault in faults:
                self.done[fault] += 1
                environ["wsgi.input"].read(length)
                start(status, [("Content-Type", "application/xml")])
                return [f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{line}</Message></Error>".encode()]
        answer = self.application(environ, start)
        if "lost" in faults:
            self.done["lost"] += 1
            b"".join(answer)
            return _hung_up(environ)
        if "short" in faults:
            self.done["short"] += 1
            return _half(environ, b"".join(answer))
        return answer

    def _due(self, fault: str) -> bool:
        """Whether this request is the one of so many that has the fault."""
        every = getattr(self, fault)
        self._counted[fault] += 1
        return bool(every) and self._counted[fault] % every == 0


def _half(environ: dict[str, Any], body: bytes) -> Iterator[bytes]:
    """The first half of an answer that said how long it is."""
    yield body[: len(body) // 2]
    _hung_up(environ)


def _hung_up(environ: dict[str, Any]) -> Any:
    """The connection is lost, without a word."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


@contextmanager
def served(**faults: Any) -> Iterator[tuple[str, Faulty]]:
    """The address of a store, and what makes it fail; no faults until they are set."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: Any) -> None:
            pass

    faulty = Faulty(DomainDispatcherApplication(create_backend_app), **faults)
    server = make_server("127.0.0.1", 0, faulty, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", faulty
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment(address: str) -> dict[str, str]:
    """The variables of the environment by which a process reaches the store; no setting names it."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "a-key",
        "AWS_SECRET_ACCESS_KEY": "a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
