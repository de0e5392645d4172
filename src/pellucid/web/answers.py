"""The responses: JSON, refusals in one line, pictures streamed from their folder."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pellucid.web.uploads import Refused

__all__ = ["Part", "Streamed", "as_json", "form", "refusal"]

CHUNK = 1 << 18
"""The bytes that are sent at once."""

Part = bytes | Path
"""Bytes, or a file that holds them."""


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response in JSON."""
    return Response(json.dumps(content, ensure_ascii=False).encode(), status, headers, "application/json")


def refusal(refused: Refused) -> Response:
    """The response to a refused request: JSON with one line."""
    return as_json({"error": str(refused)}, refused.status, refused.headers)


class Streamed(Response):
    """A response of bytes and files, one after another, sent in chunks."""

    def __init__(self, parts: Sequence[Part], media_type: str, headers: Mapping[str, str] | None = None) -> None:
        self.parts = parts
        self.length = sum(len(part) if isinstance(part, bytes) else part.stat().st_size for part in parts)
        super().__init__(None, 200, {**(headers or {}), "Content-Length": str(self.length)}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self.parts:
            if isinstance(part, bytes):
                await send({"type": "http.response.body", "body": part, "more_body": True})
                continue
            with part.open("rb") as file:
                while chunk := file.read(CHUNK):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def form(parts: Mapping[str, tuple[str, str, Part]]) -> Streamed:
    """A form (multipart/form-data), which browsers can parse; ``parts`` are name -> file name, media type and content."""
    boundary = secrets.token_hex(16)
    pieces: list[Part] = []
    for name, (file, media, content) in parts.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: {media}\r\n\r\n'
        pieces += [head.encode(), content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return Streamed(pieces, f"multipart/form-data; boundary={boundary}")
