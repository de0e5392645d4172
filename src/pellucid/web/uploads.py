"""The pictures of a request: from its body, raw or as the files of a form, into a private folder, within the limits.

The file is called ``upload`` with an ending from our own table, whatever the client calls it; a file that is a setting
``upload-SETTING``.
"""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from pellucid import files
from pellucid.errors import FileError, PellucidError
from pellucid.files import encoders
from pellucid.files.base import Format
from pellucid.web.limits import Limits

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["BINARY", "FIELD", "Held", "Refused", "Share", "drained", "media_types", "received"]

FIELD = "image"
"""The form's field that holds the picture."""

BINARY = "application/octet-stream"
"""The media type that says nothing: the content decides."""

HEAD = 256
"""Bytes from which a format is known."""

LONGEST_HEADER = 4096
"""Bytes of one part's header line."""


class Refused(PellucidError):  # noqa: N818  # a response, not an error
    """A request that is refused with ``status`` and one line."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.headers = headers or {}
        super().__init__(message)


@dataclass
class Held:
    """The bytes of all uploads that are on the disk."""

    bytes: int = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """The bytes of one request, which count until the request ends."""
        share = Share(self)
        try:
            yield share
        finally:
            self.bytes -= share.bytes


@dataclass
class Share:
    """One request's bytes among those that are held."""

    held: Held
    bytes: int = 0

    def add(self, count: int) -> None:
        """Adds ``count`` bytes."""
        self.bytes += count
        self.held.bytes += count


def media_types() -> dict[str, Format]:
    """Media type -> format, for all formats of pictures that can be read."""
    return {media: kind for kind in files.FORMATS for media in kind.media}


def clip_types() -> dict[str, encoders.Container]:
    """Media type -> container, for all clips that can be read."""
    return {kind.media: kind for kind in encoders.CONTAINERS}


@dataclass
class _Upload:
    """One file as it comes: where it lies, the media type and the name that the client gives it, and the endings that it may have
    beside those of pictures."""

    path: Path
    media: str
    name: str = ""
    others: Sequence[str] = ()


@dataclass
class _Sink:
    """Counts the bytes of a request as they are written."""

    limits: Limits
    share: Share

    def write(self, file: BinaryIO, content: bytes) -> None:
        self.share.add(len(content))
        if self.share.bytes > self.limits.bytes:
            raise _too_long(self.limits)
        if self.share.held.bytes > self.limits.held:
            raise Refused(429, "busy: the pictures in progress have too many bytes", {"Retry-After": "5"})
        file.write(content)


@dataclass
class _Form:
    """A form as it is read: its files by the names of their fields, those in ``parts`` and no others; a part's own entries are the
    endings that its file may have beside those of pictures."""

    sink: _Sink
    folder: Path
    parts: Mapping[str, Sequence[str]]
    opened: ExitStack
    uploads: dict[str, _Upload] = field(default_factory=dict)
    ended: bool = False
    _file: BinaryIO | None = None
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
            "on_part_data": self._on_data,
            "on_part_end": self._on_part_end,
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
            raise Refused(400, "the headers of the form are too long")

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("latin-1")
        if disposition != b"form-data" or name not in self.parts:
            parts = ", ".join(map(repr, self.parts))
            raise Refused(422, f"the form may have these fields, each a file: {parts}; settings go into the query")
        if name in self.uploads:
            raise Refused(422, f"a request takes one picture, and the form has several fields {name!r}")
        media = parse_options_header(self._headers.get(b"content-type", BINARY.encode()))[0].decode("latin-1").lower()
        upload = _Upload(_place(self.folder, name), media, options.get(b"filename", b"").decode("latin-1"), self.parts[name])
        self.uploads[name] = upload
        self._file = self.opened.enter_context(upload.path.open("xb"))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        assert self._file is not None
        self.sink.write(self._file, data[start:end])

    def _on_part_end(self) -> None:
        # One file is open at a time, however many there are.
        self.opened.close()

    def _on_end(self) -> None:
        self.ended = True


async def received(
    request: Request, folder: Path, limits: Limits, share: Share, parts: Mapping[str, Sequence[str]] = MappingProxyType({})
) -> dict[str, Path]:
    """The files in the request's body as they lie in ``folder``, by name: the picture, `FIELD`, and those of ``parts`` that a form
    brings, each with the endings that its file may have beside those of pictures.

    All their bytes are added to the ``share``, and the limit is one for all of them. Raises `Refused`: 400 for a broken form, 408
    when it does not come in time, 413 for too many bytes, 415 for a type or content that is not a picture or such a file, 422 when
    there is none, 429 when too many bytes of other requests are on the disk."""
    kind, options = parse_options_header(request.headers.get("content-type", BINARY).encode("latin-1", "replace"))
    media = kind.decode("latin-1").lower()
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "send the picture as it is, without a Content-Encoding")
    if media not in (BINARY, "multipart/form-data"):
        _check_media(media, "multipart/form-data")
    length = request.headers.get("content-length", "0")
    fields = {FIELD: (), **parts}
    room = _lines_of(fields) if media == "multipart/form-data" else 0
    if length.isdecimal() and int(length) > limits.bytes + room:
        raise _too_long(limits)
    sink = _Sink(limits, share)
    try:
        async with asyncio.timeout(limits.transfer):
            if media == "multipart/form-data":
                uploads = await _read_form(request, options.get(b"boundary", b""), sink, folder, fields)
            else:
                uploads = {FIELD: _Upload(_place(folder, FIELD), media)}
                with uploads[FIELD].path.open("xb") as file:
                    async for chunk in request.stream():
                        sink.write(file, chunk)
    except TimeoutError:
        raise Refused(408, f"the upload took longer than {limits.transfer:g} seconds") from None
    # Behind the whole name: cutout.add and cutout.remove are two files.
    return {name: upload.path.rename(f"{upload.path}{_ending(upload)}") for name, upload in uploads.items()}


async def _read_form(
    request: Request, boundary: bytes, sink: _Sink, folder: Path, parts: Mapping[str, Sequence[str]]
) -> dict[str, _Upload]:
    if not 0 < len(boundary) <= 70:
        raise Refused(400, "the Content-Type multipart/form-data needs a boundary")
    with ExitStack() as opened:
        form = _Form(sink, folder, parts, opened)
        try:
            parser = MultipartParser(boundary, form.callbacks())
            # Bytes around the parts are not kept, but they come: all that comes counts.
            room = sink.limits.bytes + _lines_of(parts)
            async for chunk in request.stream():
                room -= len(chunk)
                if room < 0:
                    raise _too_long(sink.limits)
                if chunk:
                    parser.write(chunk)
            parser.finalize()
        except FormParserError as error:
            raise Refused(400, "the form cannot be read: it is cut off or broken") from error
    if not form.ended:
        raise Refused(400, "the form cannot be read: it is cut off")
    if FIELD not in form.uploads:
        raise Refused(422, f"the form has no field {FIELD!r}")
    return form.uploads


def _lines_of(parts: Collection[str]) -> int:
    """The most bytes that the lines of a form may have beside the content of its parts."""
    return LONGEST_HEADER * len(parts)


def _too_long(limits: Limits) -> Refused:
    return Refused(413, f"a request may have {limits.bytes} bytes of pictures here, and this one has more")


def _place(folder: Path, name: str) -> Path:
    return folder / ("upload" if name == FIELD else f"upload-{name}")


def _check_media(media: str, *others: str) -> None:
    if media != BINARY and media not in media_types() and media not in clip_types():
        names = " or ".join(("an image's type", *others, BINARY))
        raise Refused(415, f"Content-Type {media[:60]!r} is not that of a picture; send {names}")


def _ending(upload: _Upload) -> str:
    """The ending from our table, by the content of the file; by what the client calls it where the content does not decide. A file
    that may have another ending, and does not begin as a picture, gets that."""
    with upload.path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Refused(422, "there is no picture in the request" if not upload.others else "there is nothing in the file")
    other = _other_ending(upload, head)
    if other is not None:
        return other
    _check_media(upload.media, *(mimetypes.types_map[ending] for ending in upload.others))
    clip = encoders.clip_ending(head)
    if clip is not None:
        return clip
    if upload.media in clip_types():
        raise Refused(415, f"Content-Type {upload.media} is that of a clip, but the content is none that is known here")
    named = media_types().get(upload.media)
    suffix = PurePosixPath(upload.name).suffix.lower()
    named_or_ending = named or next((kind for kind in files.FORMATS if suffix in kind.endings), None)
    # Most makers' RAW files begin like a TIFF, or like no known format.
    if named_or_ending is not None and named_or_ending.instead and not head.startswith((b"\x89PNG", b"\xff\xd8\xff")):
        return suffix if suffix in named_or_ending.endings else named_or_ending.endings[0]
    try:
        ending = files.ending_of(head)
    except FileError as error:
        raise Refused(415, str(error)) from error
    if named is not None and ending not in named.endings:
        content = next(kind.name for kind in files.FORMATS if ending in kind.endings)
        raise Refused(415, f"Content-Type {upload.media} is that of {named.name}, but the content is {content}")
    return ending


def _other_ending(upload: _Upload, head: bytes) -> str | None:
    """The ending of a file that is none of a picture, where it may have one: its media type says so, or its name, or nothing says
    what it is."""
    suffix = PurePosixPath(upload.name).suffix.lower()
    for ending in upload.others:
        if upload.media == mimetypes.types_map[ending]:
            return ending
        if upload.media in (BINARY, "text/plain") and suffix in (ending, "") and not _is_picture(head):
            return ending
    return None


def _is_picture(head: bytes) -> bool:
    try:
        files.ending_of(head)
    except FileError:
        return False
    return True


async def drained(stream: AsyncIterator[bytes], most: int, seconds: float) -> None:
    """Reads on for at most ``seconds`` and ``most`` bytes: a client that is still sending then sees the response."""
    try:
        async with asyncio.timeout(seconds):
            async for chunk in stream:
                most -= len(chunk)
                if most < 0:
                    return
    except TimeoutError:
        return
