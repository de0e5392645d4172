"""The routes that take a picture: they turn requests into jobs, and the workers' results into responses."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pellucid import files, steps, working
from pellucid.errors import OptionError, PellucidError
from pellucid.files import encoders
from pellucid.steps import Steps
from pellucid.tasks import Fact
from pellucid.tasks.settings import Always, FileSettings, Settings
from pellucid.web import openapi
from pellucid.web.answers import Part, Streamed, as_json, form, json_with_file, refusal
from pellucid.web.catalogue import FILES, READING
from pellucid.web.pool import Failed, Ticket
from pellucid.web.query import Given, accepted_of, among, check_names, flag, only, part_of, query_of
from pellucid.web.refusals import AGAIN, refused_by, shortage
from pellucid.web.service import Service
from pellucid.web.uploads import FIELD, Refused, Share, drained, received

LINGER = 10.0
"""Seconds for which the body of a refused request is still read."""

BAD_TICKET = "ticket must be 8 to 64 letters, digits, - or _"


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
                given = query_of(request)
                async with self.service.pool.place() as ticket:
                    name = self._enter(only(given, "ticket"), ticket)
                    with self.service.folder.place() as folder, self.service.held.share() as share:
                        response = await self._answer(request, given, _Place(folder, ticket, share))
                        ticket.state = "sending"
                        async with asyncio.timeout(self.service.limits.transfer):
                            await response(scope, receive, counted)
                    if isinstance(response, Streamed):
                        self.service.metrics.transferred("out", response.length)
                return
            except PellucidError as error:
                refused = refused_by(error)
            except TimeoutError:
                raise
            except (OSError, MemoryError) as error:
                refused = shortage(error)
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
    """The wishes of a request: ``parts`` are the fields that its form may have beside the picture, and the endings that their files
    may have beside those of pictures; ``read`` makes the settings and their entries of a worker's job from these files by name;
    ``before`` are the settings without them, checked before the upload."""

    before: Settings | Steps
    parts: Mapping[str, Sequence[str]]
    read: Callable[[Mapping[str, Path]], tuple[Settings | Steps, dict[str, Any]]]


class Restore(_Picture):
    """``POST /v1/restore``."""

    path = "/v1/restore"

    def _asked(self, given: Given) -> _Asked:
        offer = self.service.catalogue.offer(only(given, "task"))
        own = {row.name: row for row in offer.settings}
        check_names(given, (*own, "task", "part", "preview", "confidence", "ticket"), f"a setting of {offer.task.name}")
        model = only(given, "model")
        chosen = offer.models[0] if model is None else own["model"].read(model)
        texts = among(given, offer.task.settings)

        def read(uploads: Mapping[str, Path]) -> tuple[Settings | Steps, dict[str, Any]]:
            settings = offer.task.settings.read(texts, uploads, paths=False)
            return settings, {"model": chosen, "settings": settings.text()}

        return _Asked(offer.task.settings.read(texts, paths=False), offer.parts, read)

    async def _answer(self, request: Request, given: Given, place: _Place) -> Response:
        # A wrong setting is refused before the upload.
        asked = self._asked(given)
        own_texts = among(given, FileSettings)
        how = FileSettings.read(own_texts, paths=False)
        working.reading(how)
        preview = flag(given, "preview")
        confidence = flag(given, "confidence")
        if confidence and not preview:
            raise OptionError("confidence goes with preview=true: it is one more picture of that form")
        part = part_of(given)
        if part is not None and preview:
            raise OptionError("part and preview do not go together: a part is a preview by itself")
        ending = ".png" if part is not None else files.ending_named(how.format) if how.format is not None else None
        accepted = accepted_of(
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
            return json_with_file(whole, "image", target)
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
        return self.service.catalogue.offer(only(given, "task")).task.facts


class Run(Restore):
    """``POST /v1/run``: several tasks on one picture."""

    path = "/v1/run"

    def _asked(self, given: Given) -> _Asked:
        check_names(given, ("steps", "preset", *FileSettings.names(), "preview", "confidence", "ticket"), "a setting of run")
        text, preset = only(given, "steps"), only(given, "preset")
        if (text is None) == (preset is None):
            raise OptionError("name the steps, such as steps=denoise+upscale:scale=2, or a preset, one of the two")
        before = self.service.catalogue.preset(preset) if preset is not None else steps.parse(text or "", paths=False)
        self.service.catalogue.check(before)
        if len(before.each()) > 1:
            raise OptionError("these steps ask for several pictures, and a request gives one")
        parts = {
            f"{step.task.name}.{row.name}": row.endings
            for step in before.steps
            for row in step.settings.declared()
            if "file" in row.kinds
        }

        def read(uploads: Mapping[str, Path]) -> tuple[Settings | Steps, dict[str, Any]]:
            # A preset's own files are the server's.
            chosen = before if not uploads else steps.parse(text or before.text(), uploads, paths=text is None)
            return chosen, {"steps": chosen.text()}

        return _Asked(before, parts, read)

    def _facts(self, given: Given) -> Sequence[Fact]:
        return steps.FACTS


class Inspect(_Picture):
    """``POST /v1/inspect``."""

    path = "/v1/inspect"

    async def _answer(self, request: Request, given: Given, place: _Place) -> Response:
        check_names(given, (*READING, "preview", "ticket"), "a setting of inspect")
        preview = flag(given, "preview")
        how = FileSettings.read(among(given, FileSettings), paths=False)
        working.reading(how)
        accepted_of(request, ["multipart/form-data"] if preview else ["application/json"])
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


async def _left(request: Request) -> None:
    """Returns when the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
