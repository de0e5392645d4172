"""The process that decodes, restores and writes: one job at a time, by lines of JSON.

    python -m pellucid.web.worker CONFIGURATION

The server itself never touches a picture. A decoder that crashes or hangs takes this process with it and nothing else: the server
starts another. The standard input brings a job in each line, or ``{"cancel": ID}``. The standard output gets ``{"ready": true}``,
``{"id": ID, "progress": SHARE}``, and for each job one ``{"id": ID, "done": {...}}`` or ``{"id": ID, "failed": {...}}``.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import batch, chains, diagnosis, files, footage, memory, restorer, steps, working
from pellucid.chains import Chain
from pellucid.diagnosis import shot
from pellucid.errors import EngineError, FileError, OptionError, PellucidError, SizeError
from pellucid.files import base, clips, photographs
from pellucid.images import Image
from pellucid.steps import Steps
from pellucid.tasks import Task
from pellucid.tasks.settings import FileSettings, Settings, Shape
from pellucid.views import View

__all__ = ["main"]

PREVIEW_PIXELS = 16_000_000
"""The most pixels of a preview, which browsers on phones can show; that of a larger picture is made smaller."""

REMEMBERED = 32
"""Pictures whose noise is remembered (a few numbers each), so that the next preview of a part need not look again."""

PROGRESS_EVERY = 0.1
"""Seconds between two lines about one job's progress."""

MEASURED = 256
"""Side in pixels of the picture by which the speed is measured, and half of that of a second one where it took no longer than
`LONG`: denoising is done 9 % faster (per pixel) there, in four times the time, for which the first request would wait."""


SHORT = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "the disk has no room for the output"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "too many files are open on this machine"),
    **dict.fromkeys((errno.EIO, errno.EROFS), "the disk of this machine fails"),
}
"""Shortages of a machine, by the error's number: no fault of the picture."""


LONG = 0.1
"""Seconds of a measurement that is good enough: what a task does once for each picture is little of it."""


class Cancelled(Exception):  # noqa: N818  # an outcome, not an error
    """Nobody waits for this job's output any more."""


class Worker:
    """Models that stay loaded, and the jobs that are done with them."""

    def __init__(self, models: dict[str, str], device: str, engine: str, most: int | None) -> None:
        self._models = models
        self._device = device
        self._engine = engine
        self._most = most
        self._loaded: dict[str, restorer.Restorer] = {}
        # By a hash of the picture: noise that was found need not be looked for again when a part is shown.
        self._found: OrderedDict[str, Any] = OrderedDict()

    def model(self, name: str) -> restorer.Restorer:
        """The model of that name, loaded when it is first asked for."""
        if name not in self._loaded:
            how = {"device": self._device, "engine": self._engine}
            self._loaded[name] = restorer.load(self._models[name], **how, memory=self._most)
        return self._loaded[name]

    def warm(self, name: str) -> None:
        """Compiles the model's graphs, and imports what most pictures need, so that the first picture does not wait for it."""
        model = self.model(name)
        for channels in sorted({model.models.card(role).channels for role in model.models}):
            model.restore(_noise(64, channels))

    def measure(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        """The ``speed`` of the job's model in pixels a second, at the settings that the task has by itself: the better of two tries
        if they are short, and then that of the pixels that a larger picture has more: some tasks look at every picture in one size
        first."""
        model = self.model(job["model"])

        def seconds_of(side: int) -> float:
            progress(0)
            noise = _noise(side, model.card.channels)
            begun, used = time.monotonic(), time.process_time()
            model.restore(noise)
            # Other programs may be at work just now: the time that the cores spent on this is what it takes without them.
            return max(1e-6, min(time.monotonic() - begun, (time.process_time() - used) / memory.cores()))

        seconds = seconds_of(MEASURED)
        if seconds > LONG:
            return {"speed": MEASURED**2 / seconds}
        seconds = min(seconds, seconds_of(MEASURED))
        larger = seconds_of(2 * MEASURED)
        # Not more than twice what the whole took: two measurements differ by chance.
        return {"speed": min(3 * MEASURED**2 / max(larger - seconds, 1e-6), 2 * (2 * MEASURED) ** 2 / larger)}

    def inspect(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        """Describes the file, and the noise of its first page."""
        source = Path(job["source"])
        how = FileSettings.read(job["how"])
        progress(0)
        with (
            files.limited(job["pixels"], job["words"]),
            files.open_pages(source, **working.reading(how), memory=self._most, mosaic=True) as document,
        ):
            page = next(iter(document.pages), None)
            if page is None:
                raise FileError(f"{source}: there is no picture in it")
            if document.count * _size(page) > job["pixels"]:
                raise SizeError(f"{source}: {document.count} pages together are more than {job['words']}")
            progress(0.5)
            sensed = page.pictures[0]
            page = _pictured(page)
            details = _described(page, document.count) | {"diagnosis": _diagnosed(page)}
            if sensed.mosaic is not None:
                # The noise is measured before the picture is developed.
                found = shot.inspected(sensed)
                words = {"summary": str(found), "sigma": round(found.level, 4), "sensor": found.to_dict()}
                details["diagnosis"] |= words
            if job["preview"]:
                details["preview"] = _draw(source.with_name("before.png"), page)
            return details

    def restore(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        """Restores the file by the same call as the command line, and describes the output: its ``facts`` are those of the task."""
        if job["part"]:
            return self._part(job, progress)
        source, target = Path(job["source"]), Path(job["target"])
        if files.is_clip(source):
            return self._clip(job, progress)
        how = FileSettings.read(job["how"])
        model, settings, row = self._chosen(job)
        details: dict[str, Any] = {}
        sensed = False
        most, words = job["pixels"], job["words"]
        with files.limited(most, words):
            pixels = sum(_pixels_of(Path(path), self._most) for path in job["attached"])

        def watch(before: files.Page, after: files.Page) -> None:
            nonlocal pixels
            pixels += max(_size(before), _size(after))
            if pixels > most:
                every = "the pictures of this request" if job["attached"] else "its pages"
                raise SizeError(f"{source}: {every} together are more than {words}")
            if details:
                return
            details.update(_described(after, 1))
            nonlocal sensed
            sensed = before.pictures[0].mosaic is not None
            if job["diagnose"] or job["preview"]:
                before, after = _pictured(before), _pictured(after)
            if job["diagnose"]:
                details["diagnosis"] = _diagnosed(before)
            if job["preview"]:
                _draw(source.with_name("before.png"), before)
                details["preview"] = _draw(source.with_name("after.png"), after)

        # Diagnosis and previews need the pixels in memory.
        sparing = not (job["diagnose"] or job["preview"])
        with files.limited(most, words, partial(_output_size, settings)):
            trusted = source.with_name("confidence.png") if job["confidence"] else None
            beside: dict[str, Any] = {"sparing": sparing, "watch": watch, "confidence": trusted, "progress": progress}
            outcome = batch.restore_file(source, target, model, settings, how, **beside)
        if not sensed:
            self._remember(_key(job), outcome.facts.get("diagnosis"))
        elif "diagnosis" in details:
            # The noise was measured before the picture was developed.
            details["diagnosis"] |= {"summary": outcome.facts["saw"], "sigma": round(outcome.facts["sigma"], 4)}
        return details | {
            "output": outcome.output.name,
            "model": outcome.model,
            "pages": outcome.pages,
            "seconds": round(outcome.seconds, 4),
            "facts": row.facts_as_json(outcome.facts),
        }

    def _clip(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        """Restores a clip; `SizeError` where its frames together are more than the limit, which is as soon as they are counted."""
        source, target = Path(job["source"]), Path(job["target"])
        how = FileSettings.read(job["how"])
        if how.mask is not None or how.protect is not None:
            raise OptionError("this is a clip: mask and protect are for pictures here; the command line takes them for clips, too")
        model, settings, row = self._chosen(job)
        most, words = job["pixels"], job["words"]
        with files.limited(most, words, partial(_output_size, settings)):
            clip = clips.look(source)
            high, wide = _output_size(settings, *clip.shown)
            each = max(clip.height * clip.width, high * wide)
            frames = 0

            def told(done: int, count: int | None) -> None:
                nonlocal frames
                frames += not done
                if max(frames, count or 0) * each > most:
                    raise SizeError(f"{source}: {max(frames, count or 0)} frames together are more than {words}")
                progress(0.0 if not done or count is None else done / count)

            made = footage.restore(source, target, model, settings, strip=how.strip, told=told)
        answer = settings.answer(Shape(*clip.shown, clip.layout.channels, alpha=clip.layout.alpha))
        return {
            "width": made.width,
            "height": made.height,
            "channels": answer.channels,
            "depth": clip.layout.dtype.name,
            "alpha": answer.alpha,
            "pages": 1,
            "frames": made.frames,
            "remarks": list(made.remarks),
            "model": made.model,
            "seconds": round(made.seconds, 4),
            "facts": row.facts_as_json(made.facts),
        }

    def _chosen(self, job: dict[str, Any]) -> tuple[restorer.Restorer | Chain, Settings | Steps, Task | Steps]:
        """The model or chain for the job's picture, its settings, and the task or steps that know their facts."""
        if "steps" not in job:
            model = self.model(job["model"])
            return model, model.task.settings.read(job["settings"]), model.task
        chosen = steps.parse(job["steps"])
        chain = chains.of(chosen, self.model)
        if job["preview"]:
            folder = Path(job["source"]).parent
            chain.watch = lambda number, image: _draw_once(folder / f"stage-{number}.png", files.Page((image,)))
        return chain, chosen, chosen

    def _remember(self, key: str, found: Any) -> None:
        self._found[key] = found
        while len(self._found) > REMEMBERED:
            self._found.popitem(last=False)

    def _part(self, job: dict[str, Any], progress: Callable[[float], None]) -> dict[str, Any]:
        """A part of the file's first page as it will be in the whole output, as a PNG of 8 bits."""
        source, model = Path(job["source"]), self.model(job["model"])
        settings, how = model.task.settings.read(job["settings"]), FileSettings.read(job["how"])
        progress(0)
        key = _key(job)
        with (
            files.limited(job["pixels"], job["words"]),
            files.open_pages(
                source, **working.reading(how), memory=self._most, mosaic=working.takes_mosaics(model, how, settings)
            ) as document,
        ):
            page = next(iter(document.pages), None)
            if page is None or page.kind != "picture":
                raise OptionError("parts are shown of pictures in gray or in red, green and blue alone")
            view = View(page.pictures, found=self._found.get(key))
            progress(0.2)
            serving, settings = working.serving(view.picture, model, settings)
            assert isinstance(serving, restorer.Restorer)
            shown = serving.part(view, _as_it_lies(view.picture, tuple(job["part"])), settings)
        self._remember(key, view.found)
        restored = _pictured(files.Page((shown.image,)))
        _draw(Path(job["target"]), restored)
        facts = model.task.facts_as_json(shown.facts)
        return _described(restored, 1) | {"model": shown.model, "seconds": round(shown.seconds, 4), "facts": facts}


def _key(job: dict[str, Any]) -> str:
    """A picture and how it is read, by a hash."""
    with Path(job["source"]).open("rb") as content:
        return f"{hashlib.file_digest(content, 'sha256').hexdigest()} {job['how']}"


def _noise(side: int, channels: int) -> NDArray[np.uint8]:
    """A gray square with noise, (side, side, channels)."""
    return np.clip(np.random.default_rng(0).normal(128, 20, (side, side, channels)), 0, 255).astype(np.uint8)


def _output_size(settings: Settings | Steps, height: int, width: int) -> tuple[int, int]:
    """Height and width of the output, as large as the input where only the work itself shows it."""
    output = settings.answer(Shape(height, width, 3, alpha=False))
    return output.height or height, output.width or width


def _pixels_of(path: Path, most: int | None) -> int:
    """The pixels of all pages of a file that is sent beside the picture to restore, none where it is no picture; ``most``: bytes
    that the process may use."""
    if not files.names_picture(path):
        return 0
    with files.open_pages(path, sparing=True, memory=most) as document:
        page = next(iter(document.pages), None)
        return 0 if page is None else document.count * _size(page)


def _size(page: files.Page) -> int:
    height, width = page.pictures[0].pixels.shape[:2]
    return int(height * width)


def _pictured(page: files.Page) -> files.Page:
    """The page as people look at it."""
    return replace(page, pictures=tuple(files.pictured(picture) for picture in page.pictures))


def _turn(picture: Image) -> int:
    """How what a camera's sensor saw is turned when it is shown: EXIF's orientation."""
    data = picture.camera or picture.mosaic
    return 1 if data is None else data.turn


def _as_it_lies(picture: Image, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The part of a picture's pixels that a box (left, top, right, bottom) of it shows once it is upright."""
    turn, (height, width) = _turn(picture), picture.pixels.shape[:2]
    left, top, right, bottom = box
    if turn in (5, 6, 7, 8):
        left, top, right, bottom = top, left, bottom, right
    if turn in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    if turn in (2, 3, 7, 8):
        left, right = width - right, width - left
    return left, top, right, bottom


def _described(page: files.Page, count: int) -> dict[str, Any]:
    first = page.pictures[0]
    height, width, channels = first.pixels.shape
    if _turn(first) in (5, 6, 7, 8):
        height, width = width, height
    return {
        "width": width,
        "height": height,
        "channels": channels if page.kind == "picture" else page.samples,
        "depth": first.dtype.name,
        "alpha": first.alpha is not None,
        "pages": count,
        "remarks": list(first.remarks),
    }


def _diagnosed(page: files.Page) -> dict[str, Any]:
    """The noise of the page: `Diagnosis.to_dict`, a line for people, and the level of all noise but impulses."""
    noise = diagnosis.look(View((page.pictures[0],)))
    return {**noise.to_dict(), "summary": str(noise), "sigma": round(noise.sigma, 4)}


def _draw(path: Path, page: files.Page) -> float:
    """Writes the page as a PNG of 8 bits, which any browser shows; returns how many times smaller it is, 1 for most."""
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


def _draw_once(path: Path, page: files.Page) -> None:
    """Draws the first page of several."""
    if not path.exists():
        _draw(path, page)


# -- the process ------------------------------------------------------------------------------------------------------


def _failure(error: Exception) -> dict[str, Any]:
    """Kind and words of an error; kinds are the names of our errors, or ``storage``, ``cancelled``, ``unexpected``."""
    if isinstance(error, Cancelled):
        return {"kind": "cancelled", "message": "cancelled"}
    # An output that is larger than the process may write (EFBIG) is the picture's fault, a full disk the machine's.
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.EFBIG:
            return {"kind": "SizeError", "message": "the output would have more bytes than this service allows"}
        if isinstance(cause, OSError) and cause.errno in SHORT:
            return {"kind": "storage", "message": SHORT[cause.errno]}
        cause = cause.__cause__
    if isinstance(error, FileError | EngineError | MemoryError) and not isinstance(error, SizeError) and memory.short():
        return {"kind": "storage", "message": "this machine has no memory left for the picture"}
    if isinstance(error, PellucidError):
        return {"kind": type(error).__name__, "message": str(error)}
    if isinstance(error, MemoryError):
        return {"kind": "SizeError", "message": "it needs more memory than there is"}
    return {"kind": "unexpected", "message": "".join(traceback.format_exception(error))}


def _limit_files(most_bytes: int) -> None:
    """Bounds the files that this process writes, so that what a small upload unpacks to cannot fill the disk."""
    try:
        import resource
    except ImportError:  # Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes if hard < 0 else min(most_bytes, hard), hard))


def main() -> None:
    """Works until the standard input ends."""
    given = json.loads(sys.argv[1])
    # Interrupts are for the server, which ends this process in its own time.
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Decoders written in C print their opinion of a damaged file.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    writing = threading.Lock()

    def send(line: dict[str, Any]) -> None:
        with writing:
            output.write(json.dumps(line) + "\n")
            output.flush()

    # Writing an output makes its folder again where that was swept away; it is private, too.
    os.umask(0o077)
    worker = Worker(given["models"], given["device"], given["engine"], given["memory"])
    _limit_files(given["most_output"])
    try:
        worker.warm(given["warm"])
    except Exception as error:
        send({"failed": _failure(error)})
        return
    jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    cancelled: set[int] = set()

    def listen() -> None:
        for line in sys.stdin.buffer:
            message = json.loads(line)
            if "cancel" in message:
                cancelled.add(message["cancel"])
            else:
                jobs.put(message)
        # The server is gone, however it went.
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    send({"ready": True})
    work = {"restore": worker.restore, "inspect": worker.inspect, "measure": worker.measure}
    while True:
        job = jobs.get()
        number = job["id"]
        last = 0.0
        # Who waits knows by this that it has begun.
        send({"id": number, "progress": 0})

        def progress(share: float, number: int = number) -> None:
            nonlocal last
            if number in cancelled:
                raise Cancelled
            if time.monotonic() - last >= PROGRESS_EVERY:
                last = time.monotonic()
                send({"id": number, "progress": share})

        try:
            answer = {"done": work[job["do"]](job, progress)}
        except Exception as error:
            answer = {"failed": _failure(error)}
        cancelled.discard(number)
        send({"id": number, **answer})


if __name__ == "__main__":
    main()
