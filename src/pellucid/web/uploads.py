"""A request's picture: from the body, raw or as a form's file, into a private folder, within the limits.

The file is called ``upload`` and an ending of ours, whatever the client calls it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from pellucid import files
from pellucid.errors import FileError, PellucidError
from pellucid.files.base import Format
from pellucid.web.limits import Limits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["BINARY", "FIELD", "Held", "Refused", "Share", "drained", "media_types", "received"]

FIELD = "image"
"""The form's field that holds the picture."""

BINARY = "application/octet-stream"
"""The media type that leaves it to the content."""

HEAD = 256
"""Bytes that tell a format."""

LONGEST_HEADER = 4096
"""Bytes of one part's header line."""


class Refused(PellucidError):  # noqa: N818  # an answer, not an error
    """A request that is answered with ``status`` and one line."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}
        super().__init__(message)


@dataclass
class Held:
    """The bytes of all uploads that lie here."""

    bytes: int = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """One request's part of them, which goes when the request does."""
        part = Share(self)
        try:
            yield part
        finally:
            self.bytes -= part.bytes


@dataclass
class Share:
    """One request's bytes among those that are held."""

    held: Held
    bytes: int = 0

    def add(self, count: int) -> None:
        """So many more."""
        self.bytes += count
        self.held.bytes += count


def media_types() -> dict[str, Format]:
    """Media type -> format, of all that can be read."""
    return {media: kind for kind in files.FORMATS for media in kind.media}


@dataclass
class _Sink:
    """Where the picture's bytes go, and how many there were."""

    file: BinaryIO
    limits: Limits
    share: Share

    def write(self, content: bytes) -> None:
        self.share.add(len(content))
        if self.share.bytes > self.limits.bytes:
            raise Refused(413, f"more than the {self.limits.bytes} bytes that a picture may have here")
        if self.share.held.bytes > self.limits.held:
            raise Refused(429, "busy: too many bytes of pictures are here", {"Retry-After": "5"})
        self.file.write(content)


@dataclass
class _Form:
    """A form being read: its one file, and what was wrong with it."""

    sink: _Sink
    media: str | None = None
    name: str = ""
    files: int = 0
    ended: bool = False
    _field: bytes = b""
    _value: bytes = b""
    _headers: dict[bytes, bytes] = field(default_factory=dict)

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._headers.clear,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header,
            "on_headers_finished": self._on_headers,
            "on_part_data": lambda data, start, end: self.sink.write(data[start:end]),
            "on_end": self._on_end,
        }

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]
        self._check()

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check()

    def _check(self) -> None:
        if len(self._field) + len(self._value) > LONGEST_HEADER or len(self._headers) > 8:
            raise Refused(400, "the form's headers are too long")

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers(self) -> None:
        disposition, told = parse_options_header(self._headers.get(b"content-disposition", b""))
        if disposition != b"form-data" or told.get(b"name") != FIELD.encode():
            raise Refused(422, f"a form has one field, {FIELD!r}, with the picture; settings go into the query")
        self.files += 1
        if self.files > 1:
            raise Refused(422, "one picture a request")
        self.media = self._headers.get(b"content-type", BINARY.encode()).decode("latin-1")
        self.name = told.get(b"filename", b"").decode("latin-1")

    def _on_end(self) -> None:
        self.ended = True


async def received(request: Request, folder: Path, limits: Limits, share: Share) -> Path:
    """The picture in the request's body, as a file in ``folder``; its bytes are added to the ``share``.

    Raises `Refused`: 400 for a broken form, 408 when it does not come, 413 for too many bytes, 415 for a type or content that is no
    picture, 422 for none at all, 429 when too much is here already.
    """
    kind, told = parse_options_header(request.headers.get("content-type", BINARY).encode("latin-1", "replace"))
    media = kind.decode("latin-1").lower()
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "send the picture as it is, without a Content-Encoding")
    if media not in (BINARY, "multipart/form-data") and media not in media_types():
        raise Refused(415, f"Content-Type {media[:60]!r} is no picture; an image's type, {BINARY} or multipart/form-data is taken")
    length = request.headers.get("content-length", "0")
    # A form's own lines come on top.
    if length.isdecimal() and int(length) > limits.bytes + (LONGEST_HEADER if media == "multipart/form-data" else 0):
        raise Refused(413, f"more than the {limits.bytes} bytes that a picture may have here")
    path = folder / "upload"
    name = ""
    try:
        with path.open("xb") as file:
            sink = _Sink(file, limits, share)
            async with asyncio.timeout(limits.transfer):
                if media == "multipart/form-data":
                    form = await _read_form(request, told.get(b"boundary", b""), sink)
                    media, name = parse_options_header(form.media)[0].decode("latin-1").lower(), form.name
                else:
                    async for chunk in request.stream():
                        sink.write(chunk)
    except TimeoutError:
        raise Refused(408, f"the picture did not come within {limits.transfer:g} seconds") from None
    return path.rename(path.with_suffix(_ending(path, media, name)))


async def _read_form(request: Request, boundary: bytes, sink: _Sink) -> _Form:
    if not 0 < len(boundary) <= 70:
        raise Refused(400, "multipart/form-data without a boundary")
    form = _Form(sink)
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in request.stream():
            if chunk:
                parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise Refused(400, "the form cannot be read: it is cut off or broken") from error
    if not form.ended:
        raise Refused(400, "the form cannot be read: it is cut off")
    if not form.files:
        raise Refused(422, f"no field {FIELD!r} in the form")
    return form


def _ending(path: Path, media: str, name: str) -> str:
    """The ending of ours for what came: by its content, by what it is said to be where content does not tell."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Refused(422, "no picture in the request")
    known = media_types()
    if media != BINARY and media not in known:
        raise Refused(415, f"Content-Type {media[:60]!r} is no picture; an image's type or {BINARY} is taken")
    said = known.get(media) or next((kind for kind in files.FORMATS if PurePosixPath(name).suffix.lower() in kind.endings), None)
    # Most makers' RAW files begin like a TIFF, or like nothing known.
    if said is not None and said.instead and not head.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return next((ending for ending in said.endings if name.lower().endswith(ending)), said.endings[0])
    try:
        ending = files.ending_of(head)
    except FileError as error:
        raise Refused(415, str(error)) from error
    if media in known and ending not in known[media].endings:
        found = next(kind.name for kind in files.FORMATS if ending in kind.endings)
        raise Refused(415, f"Content-Type {media} is of {known[media].name}, but the content is {found}")
    return ending


async def drained(stream: AsyncIterator[bytes], most: int, seconds: float) -> None:
    """Reads on, so that a client that is still sending sees the answer; not for ever."""
    try:
        async with asyncio.timeout(seconds):
            async for chunk in stream:
                most -= len(chunk)
                if most < 0:
                    return
    except TimeoutError:
        return
