"""The checks that every request must pass (host, origin, token), and the headers of every response."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.web.answers import refusal
from pellucid.web.uploads import Refused

__all__ = ["HEADERS", "Guard", "is_loopback"]

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; connect-src 'self'; "
        "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
"""The headers of every response."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses foreign hosts (401 without the token, 403 from another site's page, 421 under another name), and adds headers.

    Without a token the service answers only under this machine's own names: a foreign page whose name is made to point here (DNS
    rebinding) asks under that name.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, host: str) -> None:
        self._app = app
        self._token = token
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refused = self._refused(scope)
        if refused is not None:
            await refusal(refused)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _refused(self, scope: Scope) -> Refused | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = (urlsplit(f"//{host}").hostname or "") if _parses(host) else ""
        if self._token is None and not (is_loopback(name) or name == self._host.lower()):
            return Refused(421, "this service answers under the name localhost; for another name it needs --host and --token")
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and (
            headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
            or (origin is not None and (not _parses(origin, scheme=True) or urlsplit(origin).netloc != host))
        ):
            return Refused(403, "pages of other sites may not use this service")
        path: str = scope["path"]
        # The page itself, /healthz and /openapi.json hold nothing of the users.
        if self._token is not None and (path.startswith("/v1/") or path == "/metrics"):
            scheme, _, given = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token.encode())
            if scheme.lower() != "bearer" or not right:
                return Refused(401, "the request needs a token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})
        return None


def _parses(text: str, *, scheme: bool = False) -> bool:
    try:
        parts = urlsplit(text if scheme else f"//{text}")
        return parts.hostname is not None and (parts.port or 0) >= 0
    except ValueError:
        return False
