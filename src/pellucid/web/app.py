"""The service as an ASGI application: the routes, and the files of the page. Only the workers touch a picture."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from pathlib import Path
from types import MappingProxyType

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pellucid import __version__
from pellucid.web import openapi
from pellucid.web.answers import as_json, refusal
from pellucid.web.folder import Folder
from pellucid.web.limits import Limits
from pellucid.web.metrics import MEDIA
from pellucid.web.pool import Pool
from pellucid.web.refusals import FAILED
from pellucid.web.requests import BAD_TICKET, Inspect, Restore, Run
from pellucid.web.security import Guard
from pellucid.web.service import Service
from pellucid.web.uploads import Refused

__all__ = ["application"]

PATHS = {"index.html": "/", "offline.js": "/offline.js"}
"""Files of the page that lie elsewhere than under ``/page/``: a service worker serves what is below its own address."""

MEDIA_TYPES = {".webmanifest": "application/manifest+json", ".js": "text/javascript"}
"""Media types that a machine's own tables may lack, or have otherwise."""

Assets = dict[str, tuple[bytes, str, str]]
"""Path -> content, media type and entity tag of the page's files."""


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
