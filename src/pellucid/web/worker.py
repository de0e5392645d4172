"""The process that decodes, restores and writes: one job at a time, told and answered by lines of JSON.

    python -m pellucid.web.worker CONFIGURATION

The server itself never touches a picture. A decoder that crashes or hangs takes this process with it and nothing else: the server
starts another. Lines come in on the standard input: a job, or ``{"cancel": ID}``. Lines go out on the standard output: ``{"ready":
true}``, ``{"id": ID, "progress": SHARE}``, and for each job one ``{"id": ID, "done": {...}}`` or ``{"id": ID, "failed": {...}}``.
"""

from __future__ import annotations

import errno
import json
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from pellucid import batch, diagnosis, files, restorer, saving
from pellucid.errors import FileError, PellucidError, SizeError
from pellucid.files import base, photographs
from pellucid.images import Image

__all__ = ["main"]

PREVIEW_PIXELS = 16_000_000
"""A preview of a larger picture is made smaller: what browsers on phones can show at once."""

TOLD_EVERY = 0.1
"""Seconds between two lines about one job's progress."""


class Cancelled(Exception):  # noqa: N818  # an outcome, not an error
    """Nobody waits for this job's answer any more."""


class Worker:
    """Models that stay loaded, and what is done with them."""

    def __init__(self, models: dict[str, str], device: str, engine: str, memory: int | None, most_pixels: int) -> None:
        self._models = models
        self._device = device
        self._engine = engine
        self._memory = memory
        self._most_pixels = most_pixels
        self._loaded: dict[str, restorer.Restorer] = {}

    def model(self, name: str) -> restorer.Restorer:
        """The model of that name, loaded when it is first asked for."""
        if name not in self._loaded:
            how = {"device": self._device, "engine": self._engine}
            self._loaded[name] = restorer.load(self._models[name], **how, memory=self._memory)
        return self._loaded[name]

    def warm(self, name: str) -> None:
        """Compiles what the model needs, and imports what most pictures do: the first answer need not wait for it."""
        model = self.model(name)
        for channels in model.paths:
            model.restore(np.zeros((32, 32, channels), np.float32))

    def inspect(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        """What is in the file, and which noise is in its first page."""
        source = Path(job["source"])
        progress(0)
        with files.limited(self._most_pixels), files.open_pages(source, **_reading(job["options"])) as document:
            page = next(iter(document.pages), None)
            if page is None:
                raise FileError(f"{source}: no picture in it")
            _check_stack(page, document.count, self._most_pixels)
            progress(0.5)
            found = _described(page, document.count) | {"diagnosis": _diagnosed(page)}
            if job["preview"]:
                found["preview"] = _draw(source.with_name("before.png"), page)
            return found

    def restore(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        """The file restored, by the same call as the command line's, and how that went."""
        source, target, options = Path(job["source"]), Path(job["target"]), job["options"]
        found: dict[str, Any] = {}
        pixels = 0

        def watch(before: files.Page, after: files.Page) -> None:
            nonlocal pixels
            pixels += max(_size(before), _size(after))
            if pixels > self._most_pixels:
                raise SizeError(f"{source}: its pages together have more pixels than are taken here")
            if found:
                return
            found.update(_described(after, 1))
            if job["diagnose"]:
                found["diagnosis"] = _diagnosed(before)
            if job["preview"]:
                _draw(source.with_name("before.png"), before)
                found["preview"] = _draw(source.with_name("after.png"), after)

        settings = batch.Settings.of(options)
        with files.limited(self._most_pixels, settings.scale or 1.0):
            model = self.model(options["model"])
            # What is looked at besides must be held.
            sparing = not (job["diagnose"] or job["preview"])
            outcome = batch.restore_file(source, target, model, settings, sparing=sparing, watch=watch, progress=progress)
        how = {"model": outcome.model, "sigma": outcome.sigma, "estimated": outcome.estimated, "saw": outcome.saw}
        told = {"pages": outcome.pages, "seconds": round(outcome.seconds, 4), "expected_gain": outcome.expected_gain}
        return found | how | told


def _reading(options: dict[str, Any]) -> dict[str, Any]:
    settings = batch.Settings.of(options)
    return {"value_range": settings.value_range, "axes": settings.axes}


def _size(page: files.Page) -> int:
    height, width = page.pictures[0].pixels.shape[:2]
    return int(height * width)


def _check_stack(page: files.Page, count: int, most: int) -> None:
    if count * _size(page) > most:
        raise SizeError(f"{count} pages together have more pixels than are taken here")


def _described(page: files.Page, count: int) -> dict[str, Any]:
    first = page.pictures[0]
    height, width, channels = first.pixels.shape
    return {
        "width": width,
        "height": height,
        "channels": len(page.pictures) if page.kind == "channels" else 4 if page.kind == "inks" else channels,
        "depth": first.dtype.name,
        "alpha": first.alpha is not None,
        "pages": count,
    }


def _diagnosed(page: files.Page) -> dict[str, Any]:
    """What noise the page has: `Diagnosis.to_dict`, a line for people, and the level of all noise but impulses."""
    found = diagnosis.look(View((page.pictures[0],)))
    return {**found.to_dict(), "summary": str(found), "sigma": round(found.sigma, 4)}


def _draw(path: Path, page: files.Page) -> float:
    """Writes the page as a PNG of 8 bits that any browser shows; how many times smaller it is, 1 for most."""
    image: Image = page.pictures[0]
    if page.kind == "inks":
        image = photographs.inks_to_picture(page, base.Reading())
    picture = PillowImage.fromarray(base.levels(image, "uint8"))
    shrink = max(1.0, math.sqrt(picture.width * picture.height / PREVIEW_PIXELS))
    if shrink > 1:
        size = (max(1, round(picture.width / shrink)), max(1, round(picture.height / shrink)))
        picture = picture.resize(size, PillowImage.Resampling.BOX)
    picture.save(path, "PNG", compress_level=1, icc_profile=image.icc if page.kind != "inks" else None)
    return shrink


# -- the process ------------------------------------------------------------------------------------------------------


def _failure(error: Exception) -> dict[str, Any]:
    """Kind and words of an error; kinds are the names of our errors, or ``storage``, ``cancelled``, ``unexpected``."""
    if isinstance(error, Cancelled):
        return {"kind": "cancelled", "message": "cancelled"}
    # An answer larger than the process may write (EFBIG) is the picture's fault, a full disk the machine's.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.EFBIG:
            return {"kind": "SizeError", "message": "the answer would be larger than is written here"}
        if isinstance(cause, OSError) and saving.is_full(cause):
            return {"kind": "storage", "message": "no room is left for the answer"}
        cause = cause.__cause__
    if isinstance(error, PellucidError):
        return {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, MemoryError):
        return {"kind": "SizeError", "message": "more memory is needed than there is"}
    return {"kind": "unexpected", "message": "".join(traceback.format_exception(error))}


def _limit_files(most_bytes: int) -> None:
    """No file that this process writes becomes longer: what a small upload unpacks to cannot fill the disk."""
    try:
        import resource
    except ImportError:  # Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes if hard < 0 else min(most_bytes, hard), hard))


def main() -> None:
    """Works until the standard input ends."""
    given = json.loads(sys.argv[1])
    # Interrupts are for the server, which says when it is over.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Decoders written in C print what they think of a damaged file.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    speaking = threading.Lock()

    def say(line: dict[str, Any]) -> None:
        with speaking:
            said.write(json.dumps(line) + "\n")
            said.flush()

    worker = Worker(given["models"], given["device"], given["engine"], given["memory"], given["most_pixels"])
    _limit_files(given["most_answer"])
    try:
        worker.warm(given["warm"])
    except Exception as error:
        say({"failed": _failure(error)})
        return
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    cancelled: set[int] = set()

    def listen() -> None:
        for line in sys.stdin.buffer:
            told = json.loads(line)
            if "cancel" in told:
                cancelled.add(told["cancel"])
            else:
                jobs.put(told)
        # The server is gone, however it went.
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    say({"ready": True})
    while True:
        job = jobs.get()
        number = job["id"]
        last = 0.0

        def progress(share: float, number: int = number) -> None:
            nonlocal last
            if number in cancelled:
                raise Cancelled
            if time.monotonic() - last >= TOLD_EVERY:
                last = time.monotonic()
                say({"id": number, "progress": share})

        work = worker.restore if job["do"] == "restore" else worker.inspect
        try:
            answer = {"done": work(job, progress)}
        except Exception as error:
            answer = {"failed": _failure(error)}
        cancelled.discard(number)
        say({"id": number, **answer})


if __name__ == "__main__":
    main()
