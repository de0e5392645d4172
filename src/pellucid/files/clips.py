"""Reads clips: what a file says of its frames, and the frames themselves, one after the other.

A frame keeps the time that the file gives it, in the file's own unit; no time is computed from a rate. Sound, subtitles and
chapters are left to `pellucid.files.joining`, which copies them.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import regular
from pellucid.errors import FileError, OptionError
from pellucid.files import ends
from pellucid.files.claims import check_size
from pellucid.files.encoders import Container, container_of, library
from pellucid.files.yuv import MATRICES, Layout, Planes, Turn

__all__ = ["Clip", "Frame", "Span", "as_frame", "frames", "look", "main_stream", "opened", "packets_of", "seconds_of", "written"]

UNKNOWN = 2
"""The code for primaries, transfer and matrix that nobody states (ITU-T H.273)."""

LIMITED = 1
"""The code for a range in which black is 16 and white 235 (of 8 bits), in FFmpeg's numbers; 2: all of it, 0: not stated."""

HIGH = 720
"""Rows from which an unstated matrix is taken for BT.709's, as players do; below, for BT.601's."""

TAIL = Fraction(1, 4), 4
"""Seconds, or frames where these are longer, by which all tracks of a clip may end before the length that its header states: more
is missing from a file that was cut off."""

NEXT = Fraction(3, 2)
"""Frames after the last one at which a clip ends, at the latest, where nothing is missing."""

READERS = "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,mpeg,mpegts"
"""FFmpeg's names of the readers that a clip may be read by."""

REFUSED = {"DOVI_RPU_BUFFER": "Dolby Vision", "DOVI_METADATA": "Dolby Vision", "DYNAMIC_HDR_PLUS": "HDR10+"}
"""Metadata of single frames that would no longer fit them, by FFmpeg's names."""


@dataclass(frozen=True)
class Span:
    """The part of a clip that is worked on, in seconds from its beginning; ``end`` is not in it, None: all that follows."""

    start: Fraction = Fraction(0)
    end: Fraction | None = None

    @classmethod
    def of(cls, start: str | None, end: str | None) -> Span:
        """From text such as 90, 1:30 or 0:01:30.5; `OptionError` for what is no time, or a span without length."""
        span = cls(Fraction(0) if start is None else seconds_of(start), None if end is None else seconds_of(end))
        if span.end is not None and span.end <= span.start:
            raise OptionError(f"--end {end} is not after --start {start or 0}")
        return span

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self.start == 0 and self.end is None


def seconds_of(text: str) -> Fraction:
    """The seconds that a time such as 90, 1:30 or 0:01:30.5 stands for; `OptionError` for another text."""
    if not re.fullmatch(r"(\d{1,4}:)?(\d{1,4}:)?\d{1,9}(\.\d{1,9})?", text):
        raise OptionError(f"time {text[:40]!r} is not of the form SECONDS, M:SS or H:MM:SS, such as 1:30.5")
    seconds = Fraction(0)
    for part in text.split(":"):
        seconds = 60 * seconds + Fraction(part)
    return seconds


@dataclass(frozen=True)
class Clip:
    """Facts about a clip's frames, as its file states them.

    ``pixels`` is the pixel format (FFmpeg's name, without what says that the range is full), ``layout`` the same for `yuv`.
    ``time_base`` is the unit of frames' times, ``rate`` the frames a second, ``start`` when the first track begins. ``colours``
    are the codes of range, primaries, transfer and matrix as the file states them; ``aspect`` is that of a pixel, ``matrix`` how a
    player turns the frames (nine numbers, FFmpeg's display matrix). ``hdr`` is FFmpeg's static metadata of HDR: of the screen, of
    the light. ``count`` is the number of frames and ``ends`` the time at which the last one ends, where the file states it.
    ``interlaced``: frames are two fields, which are made into frames as they are read.
    """

    path: Path
    container: Container
    codec: str
    pixels: str
    layout: Layout
    height: int
    width: int
    time_base: Fraction
    rate: Fraction
    start: Fraction
    colours: tuple[int, int, int, int]
    aspect: Fraction | None
    matrix: tuple[int, ...] | None
    hdr: tuple[bytes | None, bytes | None]
    count: int | None
    duration: Fraction | None
    ends: int | None = None
    interlaced: bool = False

    @property
    def shown(self) -> tuple[int, int]:
        """Height and width of the frames as players show them, upright; ``height`` and ``width`` are those in the file."""
        return self.layout.turn.shape(self.height, self.width)

    @property
    def turned(self) -> bool:
        """Whether a player turns, mirrors or otherwise moves the frames."""
        return self.matrix is not None and self.matrix[:6] != (1 << 16, 0, 0, 0, 1 << 16, 0)

    @property
    def is_hdr(self) -> bool:
        """Whether the light is coded as PQ or HLG (H.273: transfer 16 and 18)."""
        return self.colours[2] in (16, 18)


@dataclass(frozen=True)
class Frame:
    """One frame: its ``number`` from 0, its time ``pts`` and its ``duration`` in units of the clip's time base (0: unknown).

    ``fields``: it is said to be two fields, one after the other.
    """

    number: int
    pts: int
    duration: int
    planes: Planes
    fields: bool = False


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file opened by PyAV, every error of its own a `FileError` that names the file."""
    av = library()
    try:
        if path.stat().st_size == 0:
            raise FileError(f"{path}: the file is empty")
        if not path.is_file():
            raise FileError(f"{path}: it is not a regular file")
    except OSError as error:
        raise FileError(f"{path}: {regular.unread(error)}") from error
    try:
        # Nothing but this file, and no playlist, whatever it is called: that would name others, of this machine, too.
        only = {"protocol_whitelist": "file", "format_whitelist": READERS}
        with av.open(str(path), container_options=only, metadata_errors="replace") as container:
            yield container
    except av.error.FFmpegError as error:
        raise FileError(f"{path}: it is damaged, or no clip ({_words(error)})") from error


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Whatever numbers and names of a damaged header provoke, as a `FileError`."""
    try:
        yield
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise FileError(f"{path}: it is damaged, or no clip ({_words(error)[:200]})") from error


@contextmanager
def written(path: Path, how: Mapping[str, Any]) -> Iterator[Any]:
    """A file that PyAV writes, with ``how`` for its `open`; an error of the system while it is written is one of that file, and not
    of a clip that is read meanwhile."""
    av = library()
    try:
        with av.open(str(path), "w", **how) as out:
            yield out
    except av.error.FFmpegError as error:
        if not isinstance(error, OSError):
            raise
        raise OSError(error.errno, _words(error)) from error


def _words(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.splitlines()[0][:120]


def main_stream(container: Any, path: Path) -> Any:
    """The track of moving pictures: the first that is no cover; `FileError` where there is none."""
    av = library()
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            if stream.codec_context is None:
                raise FileError(f"{path}: nothing here decodes its moving pictures")
            return stream
    kinds = sorted({"a cover" if stream.type == "video" else stream.type for stream in container.streams})
    raise FileError(f"{path}: it has no moving pictures{', only ' if kinds else ''}{' and '.join(kinds)}")


def look(path: Path) -> Clip:
    """Reads the facts about a clip from its header and its first frames. Raises `FileError`, `SizeError` and `MissingExtra`."""
    kind = container_of(path)
    with opened(path) as container, _understood(path):
        stream = main_stream(container, path)
        context = stream.codec_context
        check_size(context.width or 1, context.height or 1, 3, path.stat().st_size, itemsize=4)
        # One of the first frames may state what the others do not.
        if stream.metadata.get("alpha_mode") == "1":
            decoder = "libvpx-vp9" if context.name == "vp9" else "libvpx"
            way = f"ffmpeg -c:v {decoder} -i IN{path.suffix} -c:v ffv1 OUT.mkv"
            raise FileError(f"{path}: transparency beside {context.name} would be lost; convert it first ({way})")
        first = next(_decoded(container, stream, path), None)
        if first is None:
            raise FileError(f"{path}: no frame of it can be read")
        for name, what in REFUSED.items():
            if any(each.type.name == name for each in first.side_data):
                raise FileError(f"{path}: {what} cannot be kept: its metadata describe frames as they were")
        pixels, full = _pixel_format(first.format, path)
        colours = (2 if full else first.color_range, first.color_primaries, first.color_trc, first.colorspace)
        side = {each.type.name: bytes(each) for each in first.side_data}
        stated = side.get("DISPLAYMATRIX")
        matrix = tuple(np.frombuffer(stated, np.int32).tolist()) if stated is not None else None
        codec = context.codec.canonical_name
        return Clip(
            path=path,
            container=kind,
            codec=codec,
            pixels=pixels,
            layout=replace(_layout(pixels, colours, first.height, path), turn=Turn() if matrix is None else Turn.of(matrix)),
            height=first.height,
            width=first.width,
            time_base=stream.time_base,
            rate=_rate(stream),
            start=Fraction(container.start_time or 0, 1_000_000),
            colours=colours,
            aspect=stream.sample_aspect_ratio or None,
            matrix=matrix,
            hdr=(side.get("MASTERING_DISPLAY_METADATA"), side.get("CONTENT_LIGHT_LEVEL")),
            count=stream.frames or None,
            duration=Fraction(container.duration, 1_000_000) if container.duration else None,
            ends=stream.start_time + stream.duration if stream.start_time is not None and stream.duration else None,
            interlaced=first.interlaced_frame,
        )


def _rate(stream: Any) -> Fraction:
    """The frames a second that an encoder is to reckon with: the rate that all times are multiples of, unless many are left out."""
    mean = stream.average_rate or stream.guessed_rate or Fraction(25)
    if stream.codec_context.name == "mpeg1video":
        # FFmpeg counts its fields, and it has none.
        return mean
    base = stream.base_rate
    return base if base and mean <= base <= 2 * mean else mean


def frames(clip: Clip, span: Span = Span(), *, skip: int = 0) -> Iterator[Frame]:
    """The frames of the span in the order in which they are shown; the first ``skip`` of them are not made into arrays.

    A clip is decoded from its beginning, whatever is skipped: so a frame is the same wherever the work begins. Fields are made
    into frames by FFmpeg's bwdif, one frame for two fields, at the time of the frame. Raises `FileError` for a frame that is
    damaged, and for one of another size or pixel format than the first.
    """
    with opened(clip.path) as container:
        stream = main_stream(container, clip.path)
        number = 0
        last: int | None = None
        decoded = _decoded(container, stream, clip.path)
        for frame in _without_fields(decoded, stream) if clip.interlaced else decoded:
            pts = frame.pts if frame.pts is not None else frame.dts
            if pts is None:
                raise FileError(f"{clip.path}: frame {number} states no time")
            time = pts * clip.time_base - clip.start
            if span.end is not None and time >= span.end:
                return
            if time < span.start:
                continue
            if last is not None and pts <= last:
                raise FileError(f"{clip.path}: two frames have the time {_clock(time)}; write it anew with another program")
            last = pts
            if number >= skip:
                yield Frame(number, pts, int(frame.duration or 0), _planes(frame, clip), bool(frame.interlaced_frame))
            number += 1
    _check_end(clip, span, last, number)


def _check_end(clip: Clip, span: Span, last: int | None, count: int) -> None:
    if last is None:
        raise FileError(f"{clip.path}: there is no frame between --start and --end")
    if clip.duration is None or span.end is not None:
        return
    reached = last * clip.time_base - clip.start
    spare = max(TAIL[0], TAIL[1] / clip.rate)
    # Matroska counts its length from 0, wherever its first track begins.
    before = clip.start if clip.container.writer in ("matroska", "webm") else Fraction(0)
    if before + reached + spare < clip.duration and before + _ends(clip.path) + spare < clip.duration:
        raise FileError(
            f"{clip.path}: it is cut off: it states {_clock(clip.duration)} and has frames up to {_clock(reached)}; "
            "with --end these are taken"
        )
    lacks = ends.missing(clip.path)
    few = span.whole and clip.count is not None and count < clip.count
    # Without the last bytes no frame may be missing, but an index.
    if lacks and (few or before + reached + NEXT / clip.rate < clip.duration):
        raise FileError(
            f"{clip.path}: it is cut off: its last {lacks} bytes are missing, and it has frames up to {_clock(reached)}; "
            "with --end these are taken"
        )


def _ends(path: Path) -> Fraction:
    """The seconds from the beginning of the clip to the last packet of any track."""
    last = Fraction(0)
    with opened(path) as container:
        start = Fraction(container.start_time or 0, 1_000_000)
        for packet in packets_of(container, container.streams, path):
            if packet.pts is not None and packet.time_base:
                last = max(last, (packet.pts + (packet.duration or 0)) * packet.time_base - start)
    return last


def _clock(seconds: Fraction) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}.{int(seconds * 1000) % 1000:03}"


def _decoded(container: Any, stream: Any, path: Path) -> Iterator[Any]:
    """The frames as PyAV gives them; `FileError` with the time of one that cannot be decoded.

    AVI states no times but the places of its packets, which frames get in their order. FFmpeg guesses how long frames wait for
    later ones: some come a frame late, or two have one time.
    """
    av = library()
    places: deque[int] | None = deque() if container.format.name == "avi" else None
    stream.thread_type = "AUTO"
    time: Fraction | None = None
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            made = packet.decode()
        # Whatever a damaged packet provokes.
        except (av.error.FFmpegError, ValueError, ArithmeticError, LookupError, TypeError) as error:
            where = "before its first frame" if time is None else f"after {_clock(time)}"
            raise FileError(f"{path}: it is damaged {where} ({_words(error)})") from error
        if places is not None and packet.size:
            places.append(packet.dts)
        for frame in made:
            if places:
                frame.pts = places.popleft()
            if frame.pts is not None:
                time = frame.pts * stream.time_base
            yield frame


def packets_of(container: Any, streams: Iterable[Any], path: Path) -> Iterator[Any]:
    """The packets of tracks; `FileError` that names the clip where it cannot be read on."""
    av = library()
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError as error:
            raise FileError(f"{path}: it is damaged ({_words(error)})") from error
        if packet is None:
            return
        yield packet


def _without_fields(decoded: Iterator[Any], stream: Any) -> Iterator[Any]:
    """Frames of two fields as frames of one time; others as they are."""
    av = library()
    graph: Any = None
    waiting: list[Any] = []

    def pulled() -> Iterator[Any]:
        while True:
            try:
                made = graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            # The filter counts in halves.
            source = waiting.pop(0)
            made.pts, made.time_base = source.pts, source.time_base
            if source.duration:
                made.duration = source.duration
            made.colorspace, made.color_range = source.colorspace, source.color_range
            yield made

    for frame in decoded:
        if graph is None:
            graph = av.filter.Graph()
            source = graph.add_buffer(template=stream, format=frame.format)
            filtered = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
            graph.link_nodes(source, filtered, graph.add("buffersink")).configure()
        waiting.append(frame)
        graph.push(frame)
        yield from pulled()
    if graph is not None:
        graph.push(None)
        yield from pulled()


# -- pixel formats ----------------------------------------------------------------------------------------------------

_SAME = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "yuyv422": "yuv422p",
    "uyvy422": "yuv422p",
    "yvyu422": "yuv422p",
    "p010le": "yuv420p10le",
    "p210le": "yuv422p10le",
    "p410le": "yuv444p10le",
    "y210le": "yuv422p10le",
    "rgb24": "gbrp",
    "bgr24": "gbrp",
    "rgb0": "gbrp",
    "bgr0": "gbrp",
    "0rgb": "gbrp",
    "0bgr": "gbrp",
    "rgb48le": "gbrp16le",
    "rgb48be": "gbrp16le",
    "pal8": "gbrp",
    "rgba": "gbrap",
    "bgra": "gbrap",
    "argb": "gbrap",
    "abgr": "gbrap",
    "rgba64le": "gbrap16le",
    "rgba64be": "gbrap16le",
    "bgra64le": "gbrap16le",
    "bgra64be": "gbrap16le",
    "monob": "gray",
    "monow": "gray",
    "gray16be": "gray16le",
}
"""Pixel formats that hold the same values packed, and the format in planes that each is read as."""

_PLANAR = re.compile(r"(?P<kind>yuva?|gbra?p|gray)(?P<sub>4[0-4][0-4])?p?(?P<depth>9|10|12|14|16)?(le)?")

_SHARED = {"420": (2, 2), "422": (1, 2), "444": (1, 1), "440": (2, 1), "411": (1, 4), "410": (4, 4)}
"""Rows and columns that share a colour."""


def _pixel_format(found: Any, path: Path) -> tuple[str, bool]:
    """The planar format that holds a format's values, and whether its name says that the range is full."""
    full = found.name.startswith("yuvj")
    name = found.name.replace("yuvj", "yuv")
    name = _SAME.get(name, name)
    if name.endswith("be"):
        name = f"{name[:-2]}le"
    if not _PLANAR.fullmatch(name) or name.startswith(("nv", "p0")):
        raise FileError(f"{path}: frames of the pixel format {found.name} are not read")
    return name, full


def _layout(pixels: str, colours: tuple[int, int, int, int], height: int, path: Path) -> Layout:
    found = _PLANAR.fullmatch(pixels)
    assert found is not None
    depth = int(found["depth"] or 8)
    if found["kind"].startswith("gb"):
        return Layout("rgb", depth, full=True, alpha=found["kind"] == "gbrap")
    if found["kind"] == "gray":
        # Gray that states no range has all of it: FFmpeg and players take it so.
        return Layout("gray", depth, full=colours[0] != LIMITED)
    matrix = colours[3] if colours[3] != UNKNOWN else (1 if height >= HIGH else 6)
    if matrix not in MATRICES:
        raise FileError(f"{path}: its colours have the matrix coefficients {matrix} (ITU-T H.273), which are not read")
    down, across = _SHARED[found["sub"]]
    return Layout("yuv", depth, across, down, matrix, full=colours[0] == 2, alpha=found["kind"] == "yuva")


def _planes(frame: Any, clip: Clip) -> Planes:
    """The frame's planes as arrays of their own."""
    name, _ = _pixel_format(frame.format, clip.path)
    if (frame.height, frame.width, name) != (clip.height, clip.width, clip.pixels):
        raise FileError(
            f"{clip.path}: its frames change from {clip.width}x{clip.height} {clip.pixels} to "
            f"{frame.width}x{frame.height} {name}: split the clip there"
        )
    if frame.format.name.replace("yuvj", "yuv") != name:
        frame = frame.reformat(format=name)
    sizes = [(part.height, part.width) for part in frame.format.components]
    planes = []
    for plane, (height, width) in zip(frame.planes, sizes if clip.layout.kind != "rgb" else [sizes[0]] * len(sizes), strict=False):
        rows = np.frombuffer(plane, clip.layout.dtype).reshape(plane.height, -1)
        planes.append(rows[:height, :width].copy())
    return tuple(planes)


def as_frame(planes: Planes, pixels: str, target: str, number: int, rate: Fraction, colours: tuple[int, int, int, int]) -> Any:
    """A frame for an encoder: planes of the format ``pixels`` as the format ``target``, which holds the same values."""
    av = library()
    height, width = planes[0].shape
    planar = target.replace("yuvj", "yuv") == pixels
    frame = av.VideoFrame(width, height, target if planar else pixels)
    for plane, values in zip(frame.planes, planes, strict=True):
        line = plane.line_size // values.itemsize
        rows = np.zeros((plane.height, line), values.dtype)
        rows[: values.shape[0], : values.shape[1]] = values
        plane.update(rows)
    if not planar:
        frame = frame.reformat(format=target)
    frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace = colours
    frame.pts, frame.time_base = number, 1 / rate
    return frame
