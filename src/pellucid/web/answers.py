"""The responses: JSON, refusals in one line, pictures streamed from their folder."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from pellucid.web.uploads import Refused

__all__ = ["AsText", "Part", "Streamed", "as_json", "form", "json_with_file", "refusal"]

CHUNK = 3 << 17
"""The bytes that are read at once: three become four of base64."""


@dataclass(frozen=True)
class AsText:
    """A file whose bytes are sent as base64."""

    path: Path


Part = bytes | Path | AsText
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
        self.length = sum(map(_length, parts))
        super().__init__(None, 200, {**(headers or {}), "Content-Length": str(self.length)}, media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for part in self.parts:
            for chunk in _chunks(part):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _length(part: Part) -> int:
    if isinstance(part, bytes):
        return len(part)
    return part.stat().st_size if isinstance(part, Path) else -(-part.path.stat().st_size // 3) * 4


def _chunks(part: Part) -> Iterator[bytes]:
    if isinstance(part, bytes):
        yield part
        return
    with (part if isinstance(part, Path) else part.path).open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk if isinstance(part, Path) else base64.b64encode(chunk)


def json_with_file(content: Mapping[str, Any], name: str, path: Path) -> Streamed:
    """A response in JSON: an object with the file as base64 under ``name``, which this process never holds as a whole."""
    head = json.dumps({**content, name: ""}, ensure_ascii=False).removesuffix('"}')
    return Streamed([head.encode(), AsText(path), b'"}'], "application/json")


def form(parts: Mapping[str, tuple[str, str, Part]]) -> Streamed:
    """A form (multipart/form-data), which browsers can parse; ``parts`` are name -> file name, media type and content."""
    boundary = secrets.token_hex(16)
    pieces: list[Part] = []
    for name, (file, media, content) in parts.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\nContent-Type: {media}\r\n\r\n'
        pieces += [head.encode(), content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return Streamed(pieces, f"multipart/form-data; boundary={boundary}")
