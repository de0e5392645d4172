"""Sockets, signals and the folder of the uploads: `serve` runs until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from pellucid.errors import OptionError
from pellucid.families import FAMILIES
from pellucid.restorer import MARGIN
from pellucid.web.app import application
from pellucid.web.limits import Limits
from pellucid.web.pool import Pool
from pellucid.web.security import is_loopback

try:
    import fcntl
except ImportError:  # Windows, where the folder of a killed server stays until the system's own cleaning
    fcntl = None  # type: ignore[assignment]

__all__ = ["Configuration", "serve"]

PREFIX = "pellucid-web-"

# Its warnings about damaged forms are for those who ask for logs.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())

LOG = logging.getLogger("pellucid.web")


@dataclass(frozen=True)
class Configuration:
    """How to serve. Raises `OptionError` for a host that others can reach without a token.

    ``host`` and ``port`` (0: any that is free); ``token``, which clients must send; ``models``, files offered beside the shipped
    ones; ``device`` and ``engine`` as of `pellucid.restorer.load`; ``memory``, the bytes that all workers may use together (None:
    each a share of what is free).
    """

    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    models: tuple[Path, ...] = ()
    device: str = "auto"
    engine: str = "auto"
    memory: int | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise OptionError(f"--host {self.host}: others can reach this address; add --token TOKEN or set PELLUCID_TOKEN")
        if self.token is not None and (len(self.token) < 16 or not self.token.isascii() or not self.token.isprintable()):
            raise OptionError("a token needs 16 characters or more, in plain ASCII; openssl rand -hex 16 makes one")


class _Server(uvicorn.Server):
    """Ends at a signal by returning, so that what follows, such as removing the folder, is still done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def serve(configuration: Configuration, announce: Callable[[str], None]) -> None:
    """Serves until it is interrupted or terminated; it finishes the requests that it accepted before it ends.

    ``announce`` is called with the page's address when the first worker is ready. Raises `OptionError` for an address that is taken
    or not this computer's, `ModelError` and `EngineError` where models cannot be run.
    """
    models = {name: name for name in FAMILIES}
    for path in configuration.models:
        models[path.stem] = str(path)
    with _listening(configuration) as listening, _private_folder() as folder:
        # Until the server is there to handle it, termination is an interrupt.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        asyncio.run(_run(configuration, models, listening, folder, announce))


async def _run(
    configuration: Configuration, models: dict[str, str], listening: socket.socket, folder: Path, announce: Callable[[str], None]
) -> None:
    limits = configuration.limits
    first = next(iter(models))
    given = {
        "models": models,
        "warm": first,
        "device": configuration.device,
        "engine": configuration.engine,
        "memory": configuration.memory // limits.workers if configuration.memory is not None else None,
        "most_output": limits.output,
    }
    pool = Pool(limits, (sys.executable, "-m", "pellucid.web.worker", json.dumps(given)))
    pool.unexpected = lambda text: LOG.error("%s", text.rstrip())
    try:
        await pool.start()
        limits = limits.within(await pool.measured(first), MARGIN)
        app = application(pool, limits, models, folder, token=configuration.token, host=configuration.host)
        settings = uvicorn.Config(app, lifespan="off", log_config=None, log_level="warning", access_log=False, server_header=False)
        server = _Server(settings)
        host, port = listening.getsockname()[:2]
        announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        await server.serve(sockets=[listening])
    finally:
        await pool.close()


@contextmanager
def _listening(configuration: Configuration) -> Iterator[socket.socket]:
    host, port = configuration.host, configuration.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=1024)
        # Accepted connections inherit this. Without it a short response waits 40 ms until its head is acknowledged (asyncio does it
        # itself for sockets that it has made).
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError) as error:
        raise OptionError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}") from error
    with made:
        yield made


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder that nobody else can look into, removed in the end; those of servers that were killed are removed, too."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*") if fcntl is not None else ():
        # Another user's, or in use: left where it is.
        with suppress(OSError), (left / "lock").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "lock").open("wb") as lock:
            if fcntl is not None:
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
