"""The connections of clients: bounded in number, and in the time for which nothing comes of them.

uvicorn closes a connection that is idle after a response, and bounds the bytes of a request's head. By itself it waits without end
for a first request, for the rest of a head or of a body that nobody reads, and for a client that takes no response; and it accepts
as many connections as there are descriptors. These bounds are here.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from pellucid.errors import OptionError
from pellucid.web.security import HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

__all__ = ["AT_ONCE", "IDLE", "Connection", "bounded", "most_connections", "protocol"]

HEAD = 10.0
"""Seconds from a connection's start, or from the end of its last response, to the end of the next request's head."""

IDLE = 5
"""Seconds after a response in which the next request must begin."""

AT_ONCE = 16
"""Connections that are accepted in one step, before any of them is looked at."""

MOST = 1000
"""The most connections, whatever the number of descriptors: one takes some 100 kB."""

RESERVE = 64
"""Descriptors for all but connections, pictures and workers: the interpreter and its libraries, `AT_ONCE`, and what is open for a
moment (a server without requests has 12 on Linux)."""

PER_WORKER = 4
"""Descriptors for one worker: its pipes, its process, and one more while it starts."""

FEWEST = 8
"""Connections without which a service is none."""


class Connection(H11Protocol):
    """A client's connection that ends when no request comes of it in time, or nobody takes its response."""

    most: ClassVar[int] = MOST
    transfer: ClassVar[float] = 120.0

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.since = 0.0
        """When it began to wait for a request, in the loop's seconds."""
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for a request, or for its end."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The connection begins; where there are too many, the one that has waited longest for a request ends."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) > self.most:
            idle = min(self._idle(), key=lambda other: other.since, default=self)
            if idle is self:
                # Sent in the hope that the client reads before it has written.
                self._answer(503, "busy: this service has as many connections as it can have", {"Retry-After": "5"})
            idle.connections.discard(idle)
            idle.transport.abort()

    def _idle(self) -> Iterator[Connection]:
        for other in self.connections:
            # A response that is still being sent is not cut off.
            if isinstance(other, Connection) and other is not self and other.waits and not other.transport.get_write_buffer_size():
                yield other

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        super().connection_lost(exc)
        for timer in (self._deadline, self._stalled):
            if timer is not None:
                timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Bytes of a request: they do not put off the deadline of its head."""
        super().data_received(data)
        if not self.waits:
            self._forget()

    def on_response_complete(self) -> None:
        """A response has been handed over, if not sent: the next request may come, and may be there already."""
        self._forget()
        super().on_response_complete()
        if self.waits:
            self._watch()

    def pause_writing(self) -> None:
        """The client takes nothing just now."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.transfer, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes the response again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP, as all errors are answered."""
        # Not where a response is being sent already.
        with suppress(h11.LocalProtocolError):
            self._answer(400, "the request is not HTTP that this service can read")
        self.transport.close()

    def _answer(self, status: int, message: str, more: dict[str, str] | None = None) -> None:
        body = json.dumps({"error": message}).encode()
        headers = {**HEADERS, "Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"}
        pairs = [(name.encode(), value.encode()) for name, value in {**headers, **(more or {})}.items()]
        for event in (h11.Response(status_code=status, headers=pairs), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _watch(self) -> None:
        self.since = self.loop.time()
        # The end of a response may still have to be sent.
        seconds = self.transfer if self.transport.get_write_buffer_size() else HEAD
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def protocol(most: int, transfer: float) -> type[Connection]:
    """The class of a server's connections: at most ``most`` at once, each of whose responses may stall for ``transfer`` seconds."""
    return type("Bounded", (Connection,), {"most": most, "transfer": transfer})


def most_connections(descriptors: int, places: int, workers: int) -> int:
    """The most connections of a process that may have so many ``descriptors``, so that each of ``places`` requests at once has one
    for its file; `OptionError` where they do not suffice."""
    room = descriptors - RESERVE - PER_WORKER * workers
    if room < 2 * FEWEST:
        need = descriptors - room + 2 * FEWEST
        raise OptionError(
            f"this process may have {descriptors} files and connections open, and the service needs {need}; `ulimit -n {need}` or "
            "fewer --workers would work"
        )
    return min(MOST, room - places if room >= 2 * places else room // 2)


def bounded(places: int, workers: int) -> int:
    """`most_connections` of this process, which gets as many descriptors as the system lets it have, up to what it can use."""
    if resource is None:
        return MOST
    useful = RESERVE + PER_WORKER * workers + places + max(MOST, places)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return most_connections(useful, places, workers)
    if soft < useful:
        soft = useful if hard == resource.RLIM_INFINITY else min(useful, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return most_connections(soft, places, workers)
