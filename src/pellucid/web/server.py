"""Sockets, signals and the folder of the uploads: `serve` runs until a signal ends it."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from pellucid.errors import OptionError
from pellucid.families import FAMILIES
from pellucid.tasks import commands
from pellucid.web import connections
from pellucid.web.app import application
from pellucid.web.folder import Folder, private_folder
from pellucid.web.limits import Limits
from pellucid.web.pool import Pool
from pellucid.web.security import is_loopback

__all__ = ["Configuration", "serve"]

BACKLOG = 1024
"""Connections that wait in the system's own queue until they are accepted."""

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

    def __init__(self, settings: uvicorn.Config, announce: Callable[[str], None]) -> None:
        super().__init__(settings)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # uvicorn's backlog is both the system's queue and the number that is accepted in one step, which must be small.
        for listening in sockets or ():
            listening.listen(BACKLOG)
            host, port = listening.getsockname()[:2]
            # Not before signals are handled: who has the address may end the server.
            self._announce(f"http://{f'[{host}]' if ':' in host else host}:{port}/")

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
    models = {name: name for name, family in FAMILIES.items() if family.task in commands()}
    for path in configuration.models:
        models[path.stem] = str(path)
    with _listening(configuration) as listening, private_folder() as folder:
        # Until the server is there to handle it, termination is an interrupt.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        asyncio.run(_run(configuration, models, listening, folder, announce))


async def _run(
    configuration: Configuration, models: dict[str, str], listening: socket.socket, folder: Folder, announce: Callable[[str], None]
) -> None:
    limits = configuration.limits
    most = connections.bounded(limits.queue + limits.workers, limits.workers)
    first = next(iter(models))
    given = {
        "models": models,
        "warm": first,
        "device": configuration.device,
        "engine": configuration.engine,
        "memory": configuration.memory // limits.workers if configuration.memory is not None else None,
        "most_output": limits.output,
    }
    # One line in place of a traceback, such as where no connection can be accepted for want of descriptors.
    asyncio.get_running_loop().set_exception_handler(
        lambda loop, context: LOG.error("%s: %s", context["message"], context.get("exception"))
    )
    pool = Pool(limits, (sys.executable, "-m", "pellucid.web.worker", json.dumps(given)))
    pool.unexpected = lambda text: LOG.error("%s", text.rstrip())
    try:
        await pool.start()
        speeds = {first: await pool.measured(first)}
        app = application(pool, limits, models, folder, token=configuration.token, host=configuration.host, speeds=speeds)
        settings = uvicorn.Config(
            app,
            http=connections.protocol(most, limits.transfer),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=connections.IDLE,
            backlog=connections.AT_ONCE,
        )
        await _Server(settings, announce).serve(sockets=[listening])
    finally:
        await pool.close()


@contextmanager
def _listening(configuration: Configuration) -> Iterator[socket.socket]:
    host, port = configuration.host, configuration.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Accepted connections inherit this. Without it a short response waits 40 ms until its head is acknowledged (asyncio does it
        # itself for sockets that it has made).
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError) as error:
        raise OptionError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}") from error
    with made:
        yield made
