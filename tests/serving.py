"""Helpers that the tests of the HTTP service share: waiting, answers of several parts, pools of made workers."""

from __future__ import annotations

import asyncio
import email.parser
import email.policy
import sys
import time
from collections.abc import Callable
from typing import Any


def comes(true: Callable[[], Any]) -> bool:
    """Waits until it is true: in milliseconds on a machine with nothing else to do, and not longer than a minute."""
    until = time.monotonic() + 60
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(true())


def parts_of(answer: Any) -> dict[str, bytes]:
    """The parts of an answer that has several, by their names."""
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    whole = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + answer.body)
    return {str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True) for part in whole.iter_parts()}


def with_pool(worker: str, work: Callable[[Any], Any], *arguments: str, **bounds: Any) -> Any:
    """The result of ``work`` on a pool within ``bounds``, whose workers run the Python code ``worker`` with these arguments."""
    from pellucid.web import limits, pool

    async def run() -> Any:
        made = pool.Pool(limits.Limits(**bounds), (sys.executable, "-c", worker, *arguments))
        try:
            await made.start()
            return await work(made)
        finally:
            await made.close()

    return asyncio.run(run())
