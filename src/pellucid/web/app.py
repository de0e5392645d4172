"""The routes: requests to jobs, and their answers to responses. Everything about a picture happens in the workers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import mimetypes
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pellucid import __version__, files, options, restorer
from pellucid.errors import OptionError, PellucidError
from pellucid.tasks import TASKS
from pellucid.web import openapi
from pellucid.web.answers import Part, Streamed, as_json, form, refusal
from pellucid.web.limits import Limits
from pellucid.web.metrics import MEDIA, Metrics
from pellucid.web.pool import Busy, Failed, Pool, Ticket
from pellucid.web.security import Guard
from pellucid.web.uploads import Held, Refused, Share, drained, received

__all__ = ["application"]

STATUSES = {
    "SizeError": 413,
    "MemoryShort": 413,
    "MissingExtra": 415,
    "storage": 503,
    "DiskFull": 503,
    "cancelled": 503,
    "EngineError": 500,
    "ModelError": 500,
    "unexpected": 500,
}
"""Status of a failed job by its kind; 422 for all others: the picture or a setting is to blame."""

LINGER = 10.0
"""Seconds in which a refused request's body may still come."""

Assets = dict[str, tuple[bytes, str, str]]
"""Path -> content, media type and entity tag of the page's files."""


class Service:
    """What all routes share."""

    def __init__(self, pool: Pool, limits: Limits, models: dict[str, str], folder: Path, *, token: bool) -> None:
        self.pool = pool
        self.limits = limits
        self.models = models
        self.folder = folder
        self.metrics = Metrics()
        self.held = Held()
        self.tickets: dict[str, Ticket] = {}
        self.document = openapi.document(limits, tuple(models), token=token)
        self.catalogue = _catalogue(limits, models)
        self.models_of = {task: [model["name"] for model in self.catalogue["models"] if model["task"] == task] for task in TASKS}


def _catalogue(limits: Limits, models: dict[str, str]) -> dict[str, Any]:
    """What `/v1/models` answers: everything that the page makes its form from."""
    cards = {name: restorer.load(path) for name, path in models.items()}
    fields = ("name", "kind", "label", "help", "default", "step", "marks", "choices", "main")

    def declared(option: options.Option) -> dict[str, Any]:
        row = {field: getattr(option, field) for field in fields}
        return row | ({"low": option.low, "high": option.high} if option.kind == "number" else {})

    return {
        "version": __version__,
        "tasks": [
            {
                "name": name,
                "summary": task.summary,
                "keeps_size": task.keeps_size,
                "mark": options.MARKS[name],
                "options": [declared(option) for option in options.of_task(name)],
            }
            for name, task in TASKS.items()
        ],
        "models": [
            {
                "name": name,
                "task": model.card.task,
                "summary": model.card.summary,
                "takes_sigma": model.takes_sigma,
                "takes_noise": bool(model.card.noises),
                "channels": sorted(model.cards),
                "licence": model.card.licence,
                "parameters": sum(card.parameters for card in model.cards.values()),
            }
            for name, model in cards.items()
        ],
        "formats": [
            {"name": kind.name, "endings": list(kind.endings), "media_types": list(kind.media), "written": kind.writes}
            for kind in files.FORMATS
            if not kind.folder
        ],
        "limits": {"bytes": limits.bytes, "pixels": limits.pixels, "seconds": limits.seconds},
    }


# -- pictures ---------------------------------------------------------------------------------------------------------


class _Picture:
    """A route that takes a picture: a place in the queue, the upload in a folder of its own, a worker, the answer; in that order.

    The folder is gone when the answer is sent, or nobody is left to take it.
    """

    path: ClassVar[str]
    own: ClassVar[tuple[str, ...]]
    """Names in the query beside the settings."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        request = Request(scope, receive)
        status = 499  # the client has left, as nginx has it
        name = None

        async def counted(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with tempfile.TemporaryDirectory(dir=self.service.folder, ignore_cleanup_errors=True) as folder:
                try:
                    given = _query(request)
                    async with self.service.pool.place() as ticket:
                        name = self._enter(given.get("ticket"), ticket)
                        with self.service.held.share() as share:
                            response = await self._answer(request, given, Path(folder), ticket, share)
                        ticket.state = "sending"
                        async with asyncio.timeout(self.service.limits.transfer):
                            await response(scope, receive, counted)
                        if isinstance(response, Streamed):
                            self.service.metrics.transferred("out", response.length)
                except PellucidError as error:
                    response = _refused(error)
                    # Who waits to be told to go on has sent nothing yet.
                    if "expect" not in request.headers:
                        with suppress(ClientDisconnect, RuntimeError):
                            await drained(request.stream(), self.service.limits.bytes, LINGER)
                    await response(scope, receive, counted)
        except (ClientDisconnect, TimeoutError):
            # Nobody is left to answer, or nobody who takes it.
            pass
        finally:
            if name is not None:
                del self.service.tickets[name]
            self.service.metrics.request(self.path, status)

    def _enter(self, name: str | None, ticket: Ticket) -> str | None:
        if name is None:
            return None
        if not re.fullmatch(openapi.TICKET, name):
            raise OptionError("ticket: 8 to 64 letters, digits, - or _")
        if name in self.service.tickets:
            raise Refused(409, "a request of this name is at work")
        self.service.tickets[name] = ticket
        return name

    async def _answer(self, request: Request, given: dict[str, str], folder: Path, ticket: Ticket, share: Share) -> Response:
        raise NotImplementedError

    async def _upload(self, request: Request, folder: Path, share: Share) -> Path:
        path = await received(request, folder, self.service.limits, share)
        self.service.metrics.transferred("in", share.bytes)
        return path

    async def _done(self, request: Request, job: dict[str, Any], ticket: Ticket) -> dict[str, Any]:
        """The worker's answer; given up when the client leaves."""
        work = asyncio.ensure_future(self.service.pool.run(job, ticket))
        gone = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        except Failed as error:
            # Names of ours, but of places that are nobody's concern.
            said = str(error)
            for path, name in ((job.get("target"), "the answer"), (job["source"], "the picture")):
                said = said.replace(path, name) if path is not None else said
            raise Failed(error.kind, said.replace(str(Path(job["source"]).parent), "")) from error
        finally:
            gone.cancel()
            work.cancel()
            with suppress(asyncio.CancelledError, PellucidError):
                await work


class Restore(_Picture):
    """``POST /v1/restore``."""

    path = "/v1/restore"
    own = ("task", "preview", "ticket")

    async def _answer(self, request: Request, given: dict[str, str], folder: Path, ticket: Ticket, share: Share) -> Response:
        task = given.get("task", next(iter(TASKS)))
        values = options.read(task, {name: text for name, text in given.items() if name not in self.own})
        preview = _flag(given, "preview")
        models = self.service.models_of[task]
        if values["model"] not in models:
            raise OptionError(f"model: {values['model'][:40]!r} is not one of {', '.join(models)}")
        ending = files.ending_named(values["format"]) if values["format"] is not None else None
        settings_are_right(values)
        kinds = ["multipart/form-data"] if preview else ["image/*", "application/json"]
        kind = _accepted(request, kinds)
        begun = time.monotonic()
        source = await self._upload(request, folder, share)
        target = files.writable_name(folder / f"answer{ending or source.suffix}")
        as_text = kind == "application/json"
        job = {
            "do": "restore",
            "source": str(source),
            "target": str(target),
            "task": task,
            "options": values,
            "preview": preview,
            "diagnose": as_text or preview,
        }
        found = await self._done(request, job, ticket)
        self.service.metrics.restored(time.monotonic() - begun, found["width"] * found["height"] * found["pages"])
        written = next(entry for entry in files.FORMATS if target.suffix in entry.endings)
        shrink = found.pop("preview", None)
        found = {"format": written.name, "media_type": written.media[0], **found}
        if as_text:
            return as_json({**found, "image": base64.b64encode(target.read_bytes()).decode("ascii")})
        if preview:
            return _with_previews({**found, "preview_scale": shrink}, folder, target, written.media[0])
        headers = {
            "Content-Disposition": f'attachment; filename="restored{target.suffix}"',
            "X-Pellucid-Model": str(found["model"]),
            "X-Pellucid-Size": f"{found['width']}x{found['height']}",
            "X-Pellucid-Estimated": str(found["estimated"]).lower(),
            "X-Pellucid-Seconds": f"{found['seconds']:.3f}",
        }
        if found["sigma"] is not None:
            headers["X-Pellucid-Sigma"] = f"{found['sigma']:.4f}"
        if found["saw"] is not None:
            headers["X-Pellucid-Noise"] = found["saw"]
        if found["expected_gain"] is not None:
            headers["X-Pellucid-Expected-Gain"] = f"{found['expected_gain']:.2f}"
        return Streamed([target], written.media[0], headers)


class Inspect(_Picture):
    """``POST /v1/inspect``."""

    path = "/v1/inspect"
    own = ("preview", "ticket")

    async def _answer(self, request: Request, given: dict[str, str], folder: Path, ticket: Ticket, share: Share) -> Response:
        preview = _flag(given, "preview")
        told = {name: text for name, text in given.items() if name not in self.own}
        strangers = [name for name in told if name not in ("range", "axes")]
        if strangers:
            raise OptionError(f"{strangers[0][:40]!r} is no option here; there are range, axes, preview, ticket")
        values = options.read(next(iter(TASKS)), told)
        settings_are_right(values)
        _accepted(request, ["multipart/form-data"] if preview else ["application/json"])
        source = await self._upload(request, folder, share)
        kind = next(entry for entry in files.FORMATS if source.suffix in entry.endings)
        job = {"do": "inspect", "source": str(source), "options": values, "preview": preview}
        found = await self._done(request, job, ticket)
        shrink = found.pop("preview", None)
        found = {"format": kind.name, "media_type": kind.media[0], **found}
        return _with_previews({**found, "preview_scale": shrink}, folder, None, "") if preview else as_json(found)


def settings_are_right(values: dict[str, Any]) -> None:
    """Raises `OptionError` for what can be told before any picture is there."""
    from pellucid import batch

    batch.Settings.of(values)


def _with_previews(found: dict[str, Any], folder: Path, target: Path | None, media: str) -> Response:
    details = as_json(found).body
    parts: dict[str, tuple[str, str, Part]] = {"details": ("details.json", "application/json", bytes(details))}
    if target is not None:
        parts["image"] = (f"restored{target.suffix}", media, target)
    for name in ("before", "after"):
        if (folder / f"{name}.png").exists():
            parts[name] = (f"{name}.png", "image/png", folder / f"{name}.png")
    return form(parts)


def _query(request: Request) -> dict[str, str]:
    """The query's names and values; `OptionError` for a name that comes twice."""
    given: dict[str, str] = {}
    for name, text in request.query_params.multi_items():
        if name in given:
            raise OptionError(f"{name[:40]!r} is there twice")
        given[name] = text
    return given


def _flag(given: dict[str, str], name: str) -> bool:
    if given.get(name, "false") not in ("true", "false"):
        raise OptionError(f"{name}: {given[name][:40]!r} is neither true nor false")
    return given.get(name) == "true"


def _accepted(request: Request, kinds: list[str]) -> str:
    """The first of ``kinds`` that the client takes, by its own order of preference; `Refused` 406 when it takes none."""
    weighed: list[tuple[float, str]] = []
    for entry in request.headers.get("accept", "*/*").lower().split(","):
        media, *parameters = (part.strip() for part in entry.split(";"))
        share = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        with suppress(ValueError):
            weighed.append((float(share), media))
    for weight, media in sorted(weighed, key=lambda pair: -pair[0]):
        for kind in kinds:
            group = kind.partition("/")[0]
            if weight > 0 and (media in ("*/*", kind, f"{group}/*") or (kind == f"{group}/*" and media.startswith(f"{group}/"))):
                return kind
    raise Refused(406, f"Accept: {' or '.join(kinds)}")


async def _left(request: Request) -> None:
    """Returns when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refused(error: PellucidError) -> Response:
    if isinstance(error, Refused):
        return refusal(error)
    if isinstance(error, Busy):
        return refusal(Refused(429, str(error), {"Retry-After": str(error.retry)}))
    if isinstance(error, Failed):
        status = STATUSES.get(error.kind, 422)
        return refusal(Refused(status, "the service failed; its log says why" if error.kind == "unexpected" else str(error)))
    return refusal(Refused(422, str(error)))


# -- the rest ---------------------------------------------------------------------------------------------------------


def _assets() -> Assets:
    """The page's files, read once: no request ever names a place on the disk."""
    found: Assets = {}
    for entry in (resources.files("pellucid.web") / "page").iterdir():
        content = entry.read_bytes()
        kind = mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
        media = {"text/javascript": "text/javascript; charset=utf-8", "application/javascript": "text/javascript; charset=utf-8"}
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        path = "/" if entry.name == "index.html" else f"/page/{entry.name}"
        found[path] = (content, media.get(kind, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind), tag)
    return found


def application(
    pool: Pool, limits: Limits, models: dict[str, str], folder: Path, *, token: str | None, host: str
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The service as an ASGI application. ``models`` are those it offers, by name; uploads lie in ``folder``."""
    service = Service(pool, limits, models, folder, token=token is not None)
    assets = _assets()

    def counted(path: str, answer: Callable[[Request], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            response = answer(request)
            service.metrics.request(path, response.status_code)
            return response

        return Route(path, endpoint, methods=["GET"])

    def page(request: Request) -> Response:
        content, media, tag = assets[request.url.path]
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        return Response(content, 200, headers, media)

    def progress(request: Request) -> Response:
        name = request.path_params["ticket"]
        if not re.fullmatch(openapi.TICKET, name):
            return refusal(Refused(422, "ticket: 8 to 64 letters, digits, - or _"))
        ticket = service.tickets.get(name)
        if ticket is None:
            # No error: who asks cannot know that the request has just ended.
            return as_json({"state": "unknown", "ahead": 0, "done": 0})
        return as_json({"state": ticket.state, "ahead": pool.ahead(ticket), "done": round(ticket.done, 4)})

    def health(request: Request) -> Response:
        if not pool.ready:
            return refusal(Refused(503, "no worker is ready"))
        return as_json({"status": "ok", "version": __version__})

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        service.metrics.request("other", error.status_code)
        said = {404: "there is nothing of this name", 405: "another method is needed"}
        return refusal(Refused(error.status_code, said.get(error.status_code, error.detail), dict(error.headers or {})))

    routes = [
        *(Route(kind.path, kind(service), methods=["POST"]) for kind in (Restore, Inspect)),
        counted("/v1/models", lambda request: as_json(service.catalogue)),
        counted("/v1/progress/{ticket}", progress),
        counted("/healthz", health),
        counted("/metrics", lambda request: Response(service.metrics.text(pool), 200, media_type=MEDIA)),
        counted("/openapi.json", lambda request: as_json(service.document)),
        *(counted(path, page) for path in assets),
    ]
    return Guard(Starlette(routes=routes, exception_handlers={HTTPException: problem}), token=token, host=host)
