"""Worker processes and the queue before them: bounded, in order of arrival, and able to give up."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from pellucid.errors import EngineError, PellucidError
from pellucid.web.limits import Limits

__all__ = ["Busy", "Failed", "Pool", "Ticket"]

GRACE = 2.0
"""Seconds that a worker has to give up a job between two tiles, before it is killed."""

PATIENCE = 120.0
"""Seconds in which a new worker must be ready."""

LINE = 1 << 20
"""Bytes of a worker's longest line."""


class Busy(PellucidError):  # noqa: N818  # a state, not an error
    """All places in the queue are taken; ``retry`` is after how many seconds to ask again."""

    def __init__(self, retry: int) -> None:
        self.retry = retry
        super().__init__("busy: all places in the queue are taken")


class Failed(PellucidError):  # noqa: N818
    """A job that has no answer; ``kind`` as the worker says it, or ``crash`` or ``time``."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class Ticket:
    """A request's place: where it stands, for who asks."""

    def __init__(self) -> None:
        self.state = "receiving"
        self.done = 0.0


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def tell(self, line: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        # A worker that is gone shows by its silence.
        with suppress(ConnectionError, RuntimeError):
            self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def hear(self) -> dict[str, Any] | None:
        """The next line; None when the worker is gone."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        heard: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        return heard

    async def end(self) -> None:
        """Kills it if it is still there."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        # Its ends of the pipes close with it, unless it has left a process of its own behind.
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self.process.wait()


class Pool:
    """``limits.workers`` processes, and at most ``limits.queue`` requests that wait for one.

    ``command`` starts a worker; see `pellucid.web.worker` for what it must understand.
    """

    def __init__(self, limits: Limits, command: Sequence[str]) -> None:
        self.limits = limits
        self.command = command
        self.places: list[Ticket] = []
        """All requests that have a place, in order of arrival."""
        self.working = 0
        self.restarts = 0
        self.unexpected: Callable[[str], None] = lambda text: None
        """Told of what should not happen: a worker's traceback, a crash."""
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._alive: set[_Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._recent: deque[float] = deque([1.0], maxlen=32)
        self._closing = False

    @property
    def ready(self) -> bool:
        """Whether a worker is there."""
        return bool(self._alive) and not self._closing

    async def start(self) -> None:
        """Starts the workers; returns when the first is ready. Raises `EngineError` where none can be."""
        self._idle.put_nowait(await self._started())
        # The others find the compiled graph in the cache.
        for _ in range(self.limits.workers - 1):
            self._later(self._replace())

    async def close(self) -> None:
        """Ends the workers."""
        self._closing = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in tuple(self._alive)))
        self._alive.clear()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Ticket]:
        """A place for one request, from before its upload to after its answer; raises `Busy` when there is none."""
        if len(self.places) >= self.limits.queue + self.limits.workers:
            raise Busy(max(1, round(sum(self._recent) / len(self._recent) * len(self.places) / self.limits.workers)))
        ticket = Ticket()
        self.places.append(ticket)
        try:
            yield ticket
        finally:
            self.places.remove(ticket)

    def ahead(self, ticket: Ticket) -> int:
        """How many requests that came earlier wait, too."""
        before = self.places[: self.places.index(ticket)] if ticket in self.places else []
        return sum(other.state == "waiting" for other in before)

    async def run(self, job: dict[str, Any], ticket: Ticket) -> dict[str, Any]:
        """A worker's answer to the job; raises `Failed`. Cancelled, it returns when the worker has let go of the job's files."""
        ticket.state = "waiting"
        worker = await self._idle.get()
        ticket.state = "working"
        self.working += 1
        begun = time.monotonic()
        self._number += 1
        fit = False
        try:
            worker.tell({**job, "id": self._number})
            try:
                async with asyncio.timeout(self.limits.seconds):
                    answer = await self._answer(worker, self._number, ticket)
                fit = True
            except TimeoutError:
                fit = await self._given_up(worker, self._number)
                raise Failed("time", f"it took longer than the {self.limits.seconds:g} seconds that a picture has here") from None
            except asyncio.CancelledError:
                fit = await asyncio.shield(self._given_up(worker, self._number))
                raise
        finally:
            self.working -= 1
            self._recent.append(time.monotonic() - begun)
            if fit:
                self._idle.put_nowait(worker)
            else:
                self._alive.discard(worker)
                self.restarts += 1
                self._later(self._replace(worker))
        if "failed" in answer:
            failed = answer["failed"]
            if failed["kind"] == "unexpected":
                self.unexpected(failed["message"])
            raise Failed(failed["kind"], failed["message"])
        done: dict[str, Any] = answer["done"]
        return done

    async def _answer(self, worker: _Worker, number: int, ticket: Ticket) -> dict[str, Any]:
        while True:
            heard = await worker.hear()
            if heard is None:
                code = await worker.process.wait()
                self.unexpected(f"a worker died of status {code}")
                raise Failed("crash", "the picture's decoder failed: the file is damaged")
            if heard.get("id") != number:
                continue
            if "progress" not in heard:
                return heard
            ticket.done = heard["progress"]

    async def _given_up(self, worker: _Worker, number: int) -> bool:
        """Has the worker give up its job; whether it can take another, else it is dead."""
        worker.tell({"cancel": number})
        try:
            async with asyncio.timeout(GRACE):
                await self._answer(worker, number, Ticket())
            return True
        except (TimeoutError, Failed):
            await worker.end()
            return False

    async def _started(self) -> _Worker:
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE
            )
        except OSError as error:
            raise EngineError(f"a worker cannot start: {error.strerror or error}") from error
        worker = _Worker(process)
        try:
            async with asyncio.timeout(PATIENCE):
                heard = await worker.hear()
        except BaseException:
            await worker.end()
            raise
        if heard is None or "failed" in heard:
            await worker.end()
            said = heard["failed"]["message"] if heard else f"it ended with status {process.returncode}"
            raise EngineError(f"a worker cannot start: {said}")
        self._alive.add(worker)
        return worker

    async def _replace(self, worker: _Worker | None = None) -> None:
        """Puts a new worker into the place of one, and goes on trying."""
        if worker is not None:
            await worker.end()
        pause = 0.5
        while not self._closing:
            try:
                self._idle.put_nowait(await self._started())
                return
            except (PellucidError, OSError, TimeoutError) as error:
                self.unexpected(str(error))
                await asyncio.sleep(pause)
                pause = min(30.0, 2 * pause)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
