"""The routes: they turn requests into jobs, and the workers' results into responses. Only the workers touch a picture."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import mimetypes
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import unquote, unquote_plus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pellucid import __version__, files, saving, steps, working
from pellucid.errors import OptionError, PellucidError
from pellucid.files import encoders
from pellucid.restorer import MARGIN
from pellucid.steps import Steps
from pellucid.tasks import Fact
from pellucid.tasks.settings import Always, Declared, FileSettings, Setting, Settings, Shape
from pellucid.web import openapi
from pellucid.web.answers import Part, Streamed, as_json, form, refusal
from pellucid.web.catalogue import FILES, READING, Catalogue
from pellucid.web.folder import Folder
from pellucid.web.limits import Limits
from pellucid.web.metrics import MEDIA, Metrics
from pellucid.web.pool import Busy, Failed, Pool, Ticket
from pellucid.web.security import Guard
from pellucid.web.uploads import FIELD, Held, Refused, Share, drained, received

__all__ = ["application"]

STATUSES = {
    "SizeError": 413,
    "MemoryShort": 413,
    "MissingExtra": 415,
    "storage": 503,
    "DiskFull": 503,
    "cancelled": 503,
    "killed": 503,
    "EngineError": 500,
    "ModelError": 500,
    "unexpected": 500,
}
"""Kind of a failed job -> status of the response; 422 for all others: the picture or a setting is to blame."""

AGAIN = {"Retry-After": "5"}
"""The header of a response to what may work in a moment."""

TRIED = 1 << 20
"""Bytes that `/healthz` writes, to see whether there is room."""

SPARE = 8
"""Descriptors that `/healthz` opens, to see whether there are any to spare."""

LINGER = 10.0
"""Seconds for which the body of a refused request is still read."""

FAILED = "the service failed; its log says why"

BAD_TICKET = "ticket must be 8 to 64 letters, digits, - or _"

SIDE = 1000
"""Side in pixels of a picture by which the sizes of steps are compared."""

PATHS = {"index.html": "/", "offline.js": "/offline.js"}
"""Files of the page that lie elsewhere than under ``/page/``: a service worker serves what is below its own address."""

MEDIA_TYPES = {".webmanifest": "application/manifest+json", ".js": "text/javascript"}
"""Media types that a machine's own tables may lack, or have otherwise."""

Assets = dict[str, tuple[bytes, str, str]]
"""Path -> content, media type and entity tag of the page's files."""


class Service:
    """The state that all routes share."""

    def __init__(
        self, pool: Pool, limits: Limits, models: dict[str, str], folder: Folder, speeds: Mapping[str, float], *, token: bool
    ) -> None:
        self.pool = pool
        self.limits = limits
        """Those that hold whatever is done; `limits_of` may allow fewer pixels."""
        self._speeds = dict(speeds)
        self._measuring = asyncio.Lock()
        self.folder = folder
        self.metrics = Metrics()
        self.held = Held()
        self.tickets: dict[str, Ticket] = {}
        self.catalogue = Catalogue(models)
        self.document = openapi.document(self.limits_by(self.catalogue.offer(None).models[0]), self.catalogue, token=token)

    @property
    def models(self) -> dict[str, Any]:
        """The response of `/v1/models`: the limits are those of what was measured until now."""
        return self.catalogue.to_dict(self.limits_by)

    def limits_by(self, model: str) -> Limits:
        """The limits for pictures that this model restores, by its speed where that was measured."""
        speed = self._speeds.get(model)
        return self.limits if speed is None else self.limits.within(speed, MARGIN)

    async def limits_of(self, work: Sequence[tuple[str, Settings]]) -> Limits:
        """The limits for pictures that these models restore one after the other, at these settings. A model is measured when it is
        first asked for."""
        needed, shape = 0.0, Shape(SIDE, SIDE, 3, alpha=False)
        for model, settings in work:
            async with self._measuring:
                if model not in self._speeds:
                    self._speeds[model] = await self.pool.measured(model)
            height, width = shape.height or SIDE, shape.width or SIDE
            # Seconds for each pixel of the picture that is given: a step may have more of them, or fewer.
            needed += height * width / SIDE**2 / self._speeds[model]
            shape = settings.answer(shape)
        return self.limits.within(1 / needed, MARGIN) if needed else self.limits

    def ailment(self) -> Refused | None:
        """The reason for which a request could not be served now; None where what it needs is there: all of it is tried."""
        if not self.pool.ready:
            return Refused(503, "no worker is ready", AGAIN)
        opened: list[int] = []
        try:
            with self.folder.place() as folder:
                (folder / "tried").write_bytes(bytes(TRIED))
            opened.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(SPARE))
        except (OSError, MemoryError) as error:
            return _short(error)
        finally:
            for held in opened:
                os.close(held)
        return None


# -- pictures ---------------------------------------------------------------------------------------------------------


Given = dict[str, list[str]]
"""The query: name -> all values that it is given."""


@dataclass(frozen=True)
class _Place:
    """The state of one request: its folder, its ticket, its share of the bytes on the disk."""

    folder: Path
    ticket: Ticket
    share: Share


class _Picture:
    """A route that takes a picture: a place in the queue, the upload in a folder of its own, a worker, the response; in that order.

    The folder is gone when the response is sent, or nobody is left to take it.
    """

    path: ClassVar[str]

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
            refused: Refused
            try:
                given = _query(request)
                async with self.service.pool.place() as ticket:
                    name = self._enter(_only(given, "ticket"), ticket)
                    with self.service.folder.place() as folder, self.service.held.share() as share:
                        response = await self._answer(request, given, _Place(folder, ticket, share))
                        ticket.state = "sending"
                        async with asyncio.timeout(self.service.limits.transfer):
                            await response(scope, receive, counted)
                    if isinstance(response, Streamed):
                        self.service.metrics.transferred("out", response.length)
                return
            except PellucidError as error:
                refused = _refused(error)
            except TimeoutError:
                raise
            except (OSError, MemoryError) as error:
                refused = _short(error)
                self.service.pool.unexpected(f"{refused}: {error}")
                if status != 499:
                    # The client sees that the rest of what it was promised does not come.
                    return
            # A client that sent "Expect: 100-continue" has not sent the body yet.
            if "expect" not in request.headers:
                with suppress(ClientDisconnect, RuntimeError):
                    await drained(request.stream(), self.service.limits.bytes, LINGER)
            await refusal(refused)(scope, receive, counted)
        except (ClientDisconnect, TimeoutError):
            # Nobody is left to take the response.
            pass
        finally:
            if name is not None:
                del self.service.tickets[name]
            self.service.metrics.request(self.path, status)

    def _enter(self, name: str | None, ticket: Ticket) -> str | None:
        if name is None:
            return None
        if not re.fullmatch(openapi.TICKET, name):
            raise OptionError(BAD_TICKET)
        if name in self.service.tickets:
            raise Refused(409, "another request with this ticket is in progress")
        self.service.tickets[name] = ticket
        return name

    async def _answer(self, request: Request, given: Given, place: _Place) -> Response:
        raise NotImplementedError

    async def _uploads(
        self, request: Request, place: _Place, parts: Mapping[str, Sequence[str]] = MappingProxyType({})
    ) -> dict[str, Path]:
        paths = await received(request, place.folder, self.service.limits, place.share, parts)
        self.service.metrics.transferred("in", place.share.bytes)
        return paths

    async def _worked(self, job: dict[str, Any], place: _Place, models: Sequence[tuple[str, Settings]]) -> dict[str, Any]:
        limits = await self.service.limits_of(models)
        job |= {"pixels": limits.pixels, "words": limits.words}
        return await self.service.pool.run(job, place.ticket)

    async def _done(
        self, request: Request, job: dict[str, Any], place: _Place, models: Sequence[tuple[str, Settings]] = ()
    ) -> dict[str, Any]:
        """The worker's result; given up when the client leaves. ``models``, with settings, are those that restore the picture."""
        work = asyncio.ensure_future(self._worked(job, place, models))
        gone = asyncio.ensure_future(_left(request))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        except Failed as error:
            if not all(Path(path).exists() for path in (job["source"], *job.get("attached", ()))):
                raise Refused(503, "the picture was taken away from the folder of the uploads; send it again", AGAIN) from error
            raise Failed(error.kind, _without_paths(str(error), job)) from error
        finally:
            gone.cancel()
            work.cancel()
            with suppress(asyncio.CancelledError, PellucidError):
                await work


@dataclass(frozen=True)
class _Asked:
    """What a request asks for: ``parts`` are the fields that its form may have beside the picture, and the endings that their files
    may have beside those of pictures; ``read`` makes the settings
    and their entries of a worker's job from these files by name; ``before`` are the settings without them, checked before the
    upload."""

    before: Settings | Steps
    parts: Mapping[str, Sequence[str]]
    read: Callable[[Mapping[str, Path]], tuple[Settings | Steps, dict[str, Any]]]


class Restore(_Picture):
    """``POST /v1/restore``."""

    path = "/v1/restore"

    def _asked(self, given: Given) -> _Asked:
        offer = self.service.catalogue.offer(_only(given, "task"))
        own = {row.name: row for row in offer.settings}
        _check_names(given, (*own, "task", "part", "preview", "confidence", "ticket"), f"a setting of {offer.task.name}")
        model = _only(given, "model")
        chosen = offer.models[0] if model is None else own["model"].read(model)
        texts = _among(given, offer.task.settings)

        def read(uploads: Mapping[str, Path]) -> tuple[Settings | Steps, dict[str, Any]]:
            settings = offer.task.settings.read(texts, uploads, paths=False)
            return settings, {"model": chosen, "settings": settings.text()}

        return _Asked(offer.task.settings.read(texts, paths=False), offer.parts, read)

    async def _answer(self, request: Request, given: Given, place: _Place) -> Response:
        # A wrong setting is refused before the upload.
        asked = self._asked(given)
        own_texts = _among(given, FileSettings)
        how = FileSettings.read(own_texts, paths=False)
        working.reading(how)
        preview = _flag(given, "preview")
        confidence = _flag(given, "confidence")
        if confidence and not preview:
            raise OptionError("confidence goes with preview=true: it is one more picture of that form")
        part = _part(given)
        if part is not None and preview:
            raise OptionError("part and preview do not go together: a part is a preview by itself")
        ending = ".png" if part is not None else files.ending_named(how.format) if how.format is not None else None
        accepted = _accepted(
            request, ["multipart/form-data"] if preview else ["image/*"] if part else ["image/*", "application/json", "video/*"]
        )
        begun = time.monotonic()
        uploads = await self._uploads(request, place, {**asked.parts, **dict.fromkeys(FILES, ())})
        source = uploads.pop(FIELD)
        attached = [str(path) for path in uploads.values()]
        how = FileSettings.read(own_texts, {name: uploads.pop(name) for name in FILES if name in uploads}, paths=False)
        settings, job = asked.read(uploads)
        always = Always.of(settings.answer)._asdict()
        clip = files.is_clip(source)
        if clip and (preview or part is not None):
            raise OptionError("this is a clip: preview and part are for pictures")
        if clip and (given_of := how.given("pictures", "stacks")):
            raise OptionError(f"this is a clip: {given_of[0].removeprefix('--')} is for pictures; leave it out")
        target = place.folder / f"output{ending or source.suffix}"
        # A worker that finds no mosaic in a camera's file, or has no use for it, writes in another format.
        mosaic = how.depth == "auto" and not any(always.values())
        target = target if ending is not None else files.writable_name(target, **always, mosaic=mosaic)
        if not clip:
            files.check_written(target, **always)
        as_text = accepted == "application/json"
        job |= {
            "do": "restore",
            "source": str(source),
            "target": str(target),
            "how": how.text(),
            "attached": attached,
            "preview": preview,
            "confidence": confidence,
            "part": part,
            "diagnose": as_text or preview,
        }
        if isinstance(settings, Steps):
            models = [(step.model, step.settings) for step in settings.steps]
        else:
            models = [(job["model"], settings)]
        details = await self._done(request, job, place, models)
        if part is None:
            count = details["pages"] * details.get("frames", 1)
            self.service.metrics.restored(time.monotonic() - begun, details["width"] * details["height"] * count)
        target = place.folder / details.pop("output", target.name)
        name, media = _written(target)
        shrink = details.pop("preview", None)
        facts = details.pop("facts")
        # The diagnosis of the page, which has more, comes before the fact of that name.
        whole = {"format": name, "media_type": media, **facts, **details}
        if as_text:
            return as_json({**whole, "image": base64.b64encode(target.read_bytes()).decode("ascii")})
        if preview:
            return _with_previews({**whole, "preview_scale": shrink}, place.folder, target, media)
        headers = {
            "Content-Disposition": f'attachment; filename="restored{target.suffix}"',
            "X-Pellucid-Model": str(details["model"]),
            "X-Pellucid-Size": f"{details['width']}x{details['height']}",
            "X-Pellucid-Seconds": f"{details['seconds']:.3f}",
        }
        return Streamed([target], media, headers | _headers(self._facts(given), facts))

    def _facts(self, given: Given) -> Sequence[Fact]:
        """The facts that an output comes with."""
        return self.service.catalogue.offer(_only(given, "task")).task.facts


class Run(Restore):
    """``POST /v1/run``: several tasks on one picture."""

    path = "/v1/run"

    def _asked(self, given: Given) -> _Asked:
        _check_names(given, ("steps", "preset", *FileSettings.names(), "preview", "confidence", "ticket"), "a setting of run")
        text, preset = _only(given, "steps"), _only(given, "preset")
        if (text is None) == (preset is None):
            raise OptionError("name the steps, such as steps=denoise+upscale:scale=2, or a preset, one of the two")
        before = self.service.catalogue.preset(preset) if preset is not None else steps.parse(text or "", paths=False)
        self.service.catalogue.check(before)
        parts = {
            f"{step.task.name}.{row.name}": row.endings
            for step in before.steps
            for row in step.settings.declared()
            if "file" in row.kinds
        }

        def read(uploads: Mapping[str, Path]) -> tuple[Settings | Steps, dict[str, Any]]:
            # A preset's own files are the server's.
            chosen = before if not uploads else steps.parse(text or before.text(), uploads, paths=text is None)
            if len(chosen.each()) > 1:
                raise OptionError("these steps ask for several pictures, and a request gives one")
            return chosen, {"steps": chosen.text()}

        return _Asked(before, parts, read)

    def _facts(self, given: Given) -> Sequence[Fact]:
        return steps.FACTS


class Inspect(_Picture):
    """``POST /v1/inspect``."""

    path = "/v1/inspect"

    async def _answer(self, request: Request, given: Given, place: _Place) -> Response:
        _check_names(given, (*READING, "preview", "ticket"), "a setting of inspect")
        preview = _flag(given, "preview")
        how = FileSettings.read(_among(given, FileSettings), paths=False)
        working.reading(how)
        _accepted(request, ["multipart/form-data"] if preview else ["application/json"])
        source = (await self._uploads(request, place))[FIELD]
        if files.is_clip(source):
            raise Refused(415, "this is a clip, and only pictures are inspected here")
        kind = next(entry for entry in files.FORMATS if source.suffix in entry.endings)
        job = {"do": "inspect", "source": str(source), "how": how.text(), "preview": preview}
        details = await self._done(request, job, place)
        shrink = details.pop("preview", None)
        details = {"format": kind.name, "media_type": kind.media[0], **details}
        return _with_previews({**details, "preview_scale": shrink}, place.folder, None, "") if preview else as_json(details)


def _written(target: Path) -> tuple[str, str]:
    """The name and the media type of an output's format."""
    if files.is_clip(target):
        container = encoders.container_of(target)
        return container.name, container.media
    written = next(entry for entry in files.FORMATS if target.suffix in entry.endings)
    return written.name, written.media[0]


def _headers(rows: Sequence[Fact], facts: Mapping[str, Any]) -> dict[str, str]:
    """The headers of the facts that have one and are known."""
    return {
        f"X-Pellucid-{fact.header}": fact.in_header(facts[fact.name])
        for fact in rows
        if fact.header is not None and facts[fact.name] is not None
    }


def _without_paths(message: str, job: Mapping[str, Any]) -> str:
    """A worker's message without the server's paths, which messages must not show."""
    folder = str(Path(job["source"]).parent)
    names = {job["source"]: "the picture", job.get("target"): "the output"}
    for path in map(Path, job.get("attached", ())):
        named = f"the {'picture' if files.names_picture(path) else 'file'} {path.stem.removeprefix('upload-')!r}"
        names |= {str(path): named, path.name: named}
    for path, name in names.items():
        message = message.replace(path, name) if path is not None else message
    return message.replace(folder, "")


def _with_previews(details: dict[str, Any], folder: Path, target: Path | None, media: str) -> Response:
    parts: dict[str, tuple[str, str, Part]] = {"details": ("details.json", "application/json", bytes(as_json(details).body))}
    if target is not None:
        parts["image"] = (f"restored{target.suffix}", media, target)
    stages = sorted(folder.glob("stage-*.png"), key=lambda path: int(path.stem.partition("-")[2]))
    for path in (folder / "before.png", *stages, folder / "after.png", folder / "confidence.png"):
        if path.exists():
            parts[path.stem] = (path.name, "image/png", path)
    return form(parts)


def _query(request: Request) -> Given:
    given: Given = {}
    for name, text in request.query_params.multi_items():
        given.setdefault(name, []).append(text)
    if "steps" in given:
        # Where + joins steps it is no space, though many clients write it as it is.
        pairs = (part.partition("=") for part in request.url.query.split("&"))
        given["steps"] = [unquote(text) for name, _, text in pairs if unquote_plus(name) == "steps"]
    return given


def _only(given: Given, name: str) -> str | None:
    """The one value of this name; None without one, `OptionError` for several."""
    texts = given.get(name, [])
    if len(texts) > 1:
        raise OptionError(f"{name} is given {len(texts)} times")
    return texts[0] if texts else None


def _check_names(given: Given, known: Sequence[str], kind: str) -> None:
    for name in given:
        if name not in known:
            raise OptionError(f"{name[:40]!r} is not {kind}; the settings are {', '.join(known)}")


def _among(given: Given, declared: type[Declared]) -> Given:
    names = declared.names()
    return {name: texts for name, texts in given.items() if name in names}


def _flag(given: Given, name: str) -> bool:
    text = _only(given, name)
    return text is not None and bool(Setting("", kind="flag", name=name).read(text))


def _part(given: Given) -> tuple[int, ...] | None:
    """The part of the picture that is asked for; None for all of it."""
    text = _only(given, "part")
    box: tuple[int, ...] | None = None if text is None else Setting("", kind="box", name="part").read(text)
    return box


def _accepted(request: Request, kinds: list[str]) -> str:
    """The first of ``kinds`` that the client accepts, in its own order of preference; `Refused` 406 when it accepts none."""
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
    raise Refused(406, f"Accept must allow {' or '.join(kinds)}")


async def _left(request: Request) -> None:
    """Returns when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _refused(error: PellucidError) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, Busy):
        return Refused(429, str(error), {"Retry-After": str(error.retry)})
    if isinstance(error, Failed):
        status = STATUSES.get(error.kind, 422)
        return Refused(status, FAILED if error.kind == "unexpected" else str(error), AGAIN if status == 503 else None)
    return Refused(422, str(error))


def _short(error: OSError | MemoryError) -> Refused:
    """The refusal of a request for which this machine has not what it needs; its path is not shown."""
    number = error.errno if isinstance(error, OSError) else errno.ENOMEM
    if number == errno.ENOMEM:
        reason = "this machine has no memory left for the request"
    elif number in (errno.EMFILE, errno.ENFILE):
        reason = "too many files are open on this machine"
    elif isinstance(error, OSError) and saving.is_full(error):
        reason = "the disk has no room for the picture"
    else:
        reason = f"the folder of the uploads cannot be used ({getattr(error, 'strerror', None) or type(error).__name__})"
    return Refused(503, reason, AGAIN)


# -- the rest ---------------------------------------------------------------------------------------------------------


def _assets() -> Assets:
    """The page's files, read once: no request names a place on the disk."""
    assets: Assets = {}
    for entry in (resources.files("pellucid.web") / "page").iterdir():
        content = entry.read_bytes()
        kind = MEDIA_TYPES.get(Path(entry.name).suffix) or mimetypes.guess_type(entry.name)[0] or "application/octet-stream"
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        path = PATHS.get(entry.name, f"/page/{entry.name}")
        assets[path] = (content, f"{kind}; charset=utf-8" if kind.startswith("text/") else kind, tag)
    return assets


def application(
    pool: Pool,
    limits: Limits,
    models: dict[str, str],
    folder: Folder,
    *,
    token: str | None,
    host: str,
    speeds: Mapping[str, float] = MappingProxyType({}),
) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The service as an ASGI application. It offers ``models``, name -> file or shipped name; uploads lie in ``folder``. ``speeds``
    are those of models that were measured, in pixels a second; the others are measured when they are first asked for."""
    service = Service(pool, limits, models, folder, speeds, token=token is not None)
    assets = _assets()

    def counted(path: str, answer: Callable[[Request], Response]) -> Route:
        async def endpoint(request: Request) -> Response:
            response = answer(request)
            service.metrics.request(path, response.status_code)
            return response

        return Route(path, endpoint, methods=["GET"])

    def page(request: Request) -> Response:
        content, media, tag = assets[request.url.path]
        # The service worker keeps what has our header: another program may have this address tomorrow.
        headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Pellucid": __version__}
        if request.headers.get("if-none-match") == tag:
            return Response(None, 304, headers)
        return Response(content, 200, headers, media)

    def progress(request: Request) -> Response:
        name = request.path_params["ticket"]
        if not re.fullmatch(openapi.TICKET, name):
            return refusal(Refused(422, BAD_TICKET))
        ticket = service.tickets.get(name)
        if ticket is None:
            # Not an error: a client cannot know that the request has just ended.
            return as_json({"state": "unknown", "ahead": 0, "done": 0})
        return as_json({"state": ticket.state, "ahead": pool.ahead(ticket), "done": round(ticket.done, 4)})

    def health(request: Request) -> Response:
        ailment = service.ailment()
        if ailment is not None:
            return refusal(ailment)
        return as_json({"status": "ok", "version": __version__})

    async def problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        service.metrics.request("other", error.status_code)
        messages = {404: "there is nothing at this address", 405: "this address needs another method"}
        return refusal(Refused(error.status_code, messages.get(error.status_code, error.detail), dict(error.headers or {})))

    async def unforeseen(request: Request, error: Exception) -> Response:
        # Starlette raises the error again, and uvicorn logs it.
        service.metrics.request("other", 500)
        return refusal(Refused(500, FAILED))

    routes = [
        *(Route(kind.path, kind(service), methods=["POST"]) for kind in (Restore, Run, Inspect)),
        counted("/v1/models", lambda request: as_json(service.models)),
        counted("/v1/progress/{ticket}", progress),
        counted("/healthz", health),
        counted("/metrics", lambda request: Response(service.metrics.text(pool), 200, media_type=MEDIA)),
        counted("/openapi.json", lambda request: as_json(service.document)),
        *(counted(path, page) for path in assets),
    ]
    return Guard(
        Starlette(routes=routes, exception_handlers={HTTPException: problem, Exception: unforeseen}), token=token, host=host
    )
