"""Worker processes and the queue before them: bounded, in order of arrival, and able to give up."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from pellucid.errors import EngineError, PellucidError
from pellucid.web.limits import Limits

__all__ = ["Busy", "Failed", "Pool", "Ticket"]

GRACE = 2.0
"""Seconds in which a worker must give up a cancelled job; it is killed after them."""

PATIENCE = 120.0
"""Seconds in which a new worker must be ready, and in which its speed must be measured."""

LINE = 1 << 20
"""Bytes of the longest line that a worker sends."""

BEGIN = 15.0
"""Seconds in which a worker must begin a job: it does so at once, unless somebody has stopped it. Another one does the job then."""

CHANCES = 3
"""Workers that begin a job, one after another, where those before were ended from outside. One that ends before it begins does not
count, up to one for each worker and this many more."""

CRASHES = 2
"""Workers that may crash over a picture before it is called damaged: one may have crashed because it got no memory just then."""


class Busy(PellucidError):  # noqa: N818  # a state, not an error
    """All places in the queue are taken; ``retry`` is after how many seconds to ask again."""

    def __init__(self, retry: int) -> None:
        self.retry = retry
        super().__init__("busy: all places in the queue are taken")


class Failed(PellucidError):  # noqa: N818
    """A job that failed; ``kind`` is the worker's, or ``crash``, ``killed`` or ``time``."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)


class Ticket:
    """A request's place in the queue: its state, and the share that is done."""

    def __init__(self) -> None:
        self.state = "receiving"
        self.done = 0.0


class _Ended(Exception):  # noqa: N818
    """A worker ended before it answered: ``code`` as of `subprocess`; ``begun``: it had begun the job."""

    def __init__(self, code: int | None, *, begun: bool) -> None:
        self.code = code
        self.begun = begun
        super().__init__(f"a worker ended with status {code}")

    @property
    def outside(self) -> bool:
        """Whether the job is not to blame: nothing of it was begun, or somebody else (the system, when memory is short) ended the
        worker."""
        return not self.begun or self.code is None or -self.code in (signal.SIGTERM, getattr(signal, "SIGKILL", None))


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    def send(self, line: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        # A worker that is gone is noticed when it sends nothing.
        with suppress(ConnectionError, RuntimeError):
            self.process.stdin.write(json.dumps(line).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """The next line; None when the worker is gone."""
        assert self.process.stdout is not None
        try:
            line = await self.process.stdout.readline()
            message: dict[str, Any] | None = json.loads(line) if line.endswith(b"\n") else None
        except ValueError:  # no JSON, or a line of more than `LINE`
            return None
        return message

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

    ``command`` starts a worker, which must understand what `pellucid.web.worker` does.
    """

    def __init__(self, limits: Limits, command: Sequence[str]) -> None:
        self.limits = limits
        self.command = command
        self.places: list[Ticket] = []
        """All requests that have a place, in order of arrival."""
        self.working = 0
        self.restarts = 0
        self.unexpected: Callable[[str], None] = lambda text: None
        """Called with what should not happen: the traceback of a worker, a crash."""
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._alive: set[_Worker] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._recent: deque[float] = deque([1.0], maxlen=32)
        self._closing = False

    @property
    def ready(self) -> bool:
        """Whether a worker is there."""
        return any(worker.alive for worker in self._alive) and not self._closing

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
        """A place for one request, from before its upload to after its response; raises `Busy` when there is none."""
        if len(self.places) >= self.limits.queue + self.limits.workers:
            raise Busy(max(1, round(sum(self._recent) / len(self._recent) * len(self.places) / self.limits.workers)))
        ticket = Ticket()
        self.places.append(ticket)
        try:
            yield ticket
        finally:
            self.places.remove(ticket)

    def ahead(self, ticket: Ticket) -> int:
        """The number of waiting requests that came earlier."""
        before = self.places[: self.places.index(ticket)] if ticket in self.places else []
        return sum(other.state == "waiting" for other in before)

    async def measured(self, model: str) -> float:
        """The pixels of a colour picture that ``model`` restores a second on a worker with nothing else to do."""
        speed: float = (await self.run({"do": "measure", "model": model}, Ticket(), seconds=PATIENCE))["speed"]
        return speed

    async def run(self, job: dict[str, Any], ticket: Ticket, *, seconds: float | None = None) -> dict[str, Any]:
        """A worker's result for the job, within ``seconds`` (None: the limit); raises `Failed`. When cancelled, it returns once the
        worker has let go of the files."""
        begun = ended = crashed = 0
        while begun < CHANCES and ended < CHANCES + self.limits.workers:
            ticket.state, ticket.done = "waiting", 0.0
            worker = await self._idle.get()
            while not worker.alive:
                worker = await self._idle.get()
            ticket.state = "working"
            try:
                answer = await self._once(worker, job, ticket, self.limits.seconds if seconds is None else seconds)
            except _Ended as end:
                self.unexpected(str(end))
                begun, ended, crashed = begun + end.begun, ended + 1, crashed + (not end.outside)
                if crashed == CRASHES:
                    raise Failed("crash", "the picture made its decoder crash: the file is damaged") from None
                continue
            if "failed" in answer:
                failed = answer["failed"]
                if failed["kind"] == "unexpected":
                    self.unexpected(failed["message"])
                raise Failed(failed["kind"], failed["message"])
            done: dict[str, Any] = answer["done"]
            return done
        raise Failed("killed", "its workers were ended from outside, one after another; memory may be short")

    async def _once(self, worker: _Worker, job: dict[str, Any], ticket: Ticket, seconds: float) -> dict[str, Any]:
        """The worker's last line about the job; raises `_Ended` when it ends, `Failed` when time is over."""
        self.working += 1
        begun = time.monotonic()
        self._number += 1
        number = self._number
        fit = False
        try:
            worker.send({**job, "id": number})
            try:
                async with asyncio.timeout(seconds):
                    answer = await self._answer(worker, number, ticket)
                fit = True
            except TimeoutError:
                fit = await self._given_up(worker, number)
                raise Failed("time", self._too_slow()) from None
            except asyncio.CancelledError:
                fit = await asyncio.shield(self._given_up(worker, number))
                raise
        finally:
            self.working -= 1
            self._recent.append(time.monotonic() - begun)
            if fit:
                self._idle.put_nowait(worker)
            else:
                self._lost(worker)
        return answer

    def _too_slow(self) -> str:
        return (
            f"it took longer than the {self.limits.seconds:g} seconds that a picture may take here; "
            "a smaller picture, a longer --timeout or the command line would work"
        )

    async def _answer(self, worker: _Worker, number: int, ticket: Ticket) -> dict[str, Any]:
        try:
            async with asyncio.timeout(BEGIN):
                message = await self._line(worker, number, begun=False)
        except TimeoutError:
            raise _Ended(None, begun=False) from None
        while "progress" in message:
            ticket.done = message["progress"]
            message = await self._line(worker, number, begun=True)
        return message

    async def _line(self, worker: _Worker, number: int, *, begun: bool) -> dict[str, Any]:
        """The worker's next line about this job."""
        while True:
            message = await worker.receive()
            if message is None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(GRACE):
                        await worker.process.wait()
                raise _Ended(worker.process.returncode, begun=begun)
            if message.get("id") == number:
                return message

    async def _given_up(self, worker: _Worker, number: int) -> bool:
        """Makes the worker give up its job; returns whether it can take another one. If not, it is dead."""
        worker.send({"cancel": number})
        try:
            async with asyncio.timeout(GRACE):
                await self._answer(worker, number, Ticket())
            return True
        except (TimeoutError, _Ended):
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
                message = await worker.receive()
        except BaseException:
            await worker.end()
            raise
        if message is None or "failed" in message:
            await worker.end()
            reason = message["failed"]["message"] if message else f"it ended with status {process.returncode}"
            raise EngineError(f"a worker cannot start: {reason}")
        self._alive.add(worker)
        self._later(self._watched(worker))
        return worker

    async def _watched(self, worker: _Worker) -> None:
        """Sees that a worker that ends by itself is replaced, also while it has nothing to do."""
        await worker.process.wait()
        if worker in self._alive and not self._closing:
            self.unexpected(f"a worker ended with status {worker.process.returncode}; another takes its place")
            self._lost(worker)

    def _lost(self, worker: _Worker) -> None:
        if worker in self._alive:
            self._alive.discard(worker)
            self.restarts += 1
            self._later(self._replace(worker))

    async def _replace(self, worker: _Worker | None = None) -> None:
        """Starts a new worker in place of ``worker``; tries again until one starts."""
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
