"""Writes clips: encoded segments on disk, and the join of segments with all that the source holds beside its pictures.

A segment is a file of packets with the numbers of their frames and a checksum. The join gives each packet its frame's own time and
copies sound, subtitles, data, other pictures, attachments, chapters and tags from the source without decoding them.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from pellucid import saving
from pellucid.errors import FileError
from pellucid.files import encoders, matroska
from pellucid.files.clips import Clip, Span, main_stream, opened, packets_of, written
from pellucid.files.encoders import Choice, Container, library, set_up

__all__ = ["Packet", "Segment", "check_times", "join", "left_out", "ordered", "read_segment", "write_segment"]

MAGIC = b"pellucid segment 1\n"

RECORD = struct.Struct("<qQ?")
"""Before each packet: the number of its frame, its length in bytes, whether nothing before it is needed."""

LEAD = Fraction(1, 20)
"""Seconds before a clip's beginning from which packets are copied although an edit list hides them: decoders of sound need the last
ones for the first that is heard."""

FARTHEST = Fraction(3, 2)
"""Frames by which one may be shown earlier or later where a container holds an even rate alone."""

OWN_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
"""Tags that a writer makes itself."""

OLD_TAGS = ("bps", "number_of_frames", "number_of_bytes", "_statistics", "duration", "encoder")
"""Beginnings of tags that describe pictures as they were encoded before."""

PLAIN_TAGS = frozenset(
    (
        "title",
        "artist",
        "album_artist",
        "composer",
        "album",
        "date",
        "comment",
        "genre",
        "copyright",
        "grouping",
        "lyrics",
        "description",
        "synopsis",
        "show",
        "episode_id",
        "network",
        "keywords",
        "track",
        "disc",
        "tmpo",
        "creation_time",
        "timecode",
        "rating",
        "hd_video",
        "media_type",
        "gapless_playback",
        "encoded_by",
        "language",
        "location",
    )
)
"""Tags for which MP4 and QuickTime have places of their own; others need the list of names (mdta)."""


@dataclass(frozen=True)
class Packet:
    """An encoded frame: the number of the frame within its segment."""

    number: int
    data: bytes
    key: bool


@dataclass(frozen=True)
class Segment:
    """A finished segment: where it lies, and its header."""

    path: Path
    header: dict[str, Any]


def write_segment(path: Path, header: dict[str, Any], packets: Iterator[Packet]) -> None:
    """Writes a segment; it gets its name when it is whole and on the disk."""
    with saving.replacing(path, overwrite=True) as temporary, temporary.open("wb") as file:
        digest = hashlib.sha256()

        def put(part: bytes) -> None:
            digest.update(part)
            file.write(part)

        # The header is written behind the packets, since it knows of them.
        put(MAGIC)
        for packet in packets:
            put(RECORD.pack(packet.number, len(packet.data), packet.key))
            put(packet.data)
        text = json.dumps(header).encode()
        put(RECORD.pack(-1, len(text), False))
        put(text)
        file.write(digest.digest())


def read_segment(path: Path) -> dict[str, Any] | None:
    """The header of a whole segment; None where the file is none, or was changed."""
    try:
        content_length = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.sha256()
            left = content_length - 32
            header: dict[str, Any] | None = None
            magic = file.read(len(MAGIC))
            digest.update(magic)
            left -= len(magic)
            while magic == MAGIC and left > 0:
                record = file.read(RECORD.size)
                number, length, _ = RECORD.unpack(record)
                if length > left:
                    return None
                data = file.read(length)
                digest.update(record)
                digest.update(data)
                left -= RECORD.size + length
                if number == -1:
                    header = json.loads(data)
            whole = left == 0 and file.read() == digest.digest()
            return header if whole and isinstance(header, dict) else None
    except (OSError, ValueError, struct.error):
        return None


def _packets(path: Path) -> Iterator[Packet]:
    with path.open("rb") as file:
        file.seek(len(MAGIC))
        while True:
            number, length, key = RECORD.unpack(file.read(RECORD.size))
            if number == -1:
                return
            yield Packet(number, file.read(length), key)


@dataclass(frozen=True)
class _Timed:
    """A packet with its frame's time, when it is to be decoded, and how long it is shown, in the clip's time base."""

    data: bytes
    key: bool
    pts: int
    dts: int
    duration: int


def _timed(segments: Sequence[Segment], ends: int | None) -> Iterator[_Timed]:
    """The packets of all segments in the order of decoding.

    Decoding times are the frames' own, moved back by the largest number of frames that a frame waits for a later one: so they rise
    from packet to packet, across segments, too, and none comes after the time it is shown. The first ones begin so early that all
    of them together last as long as the frames are shown: MP4 takes the length of a track from them.

    A frame is shown until the next. The length that a file states for a packet may be the time to the one decoded next. The
    last one is shown until the time ``ends``, where the file states that.
    """
    times = [time for segment in segments for time in segment.header["times"]]
    lengths = [after - before for before, after in pairwise(times)]
    stated = segments[-1].header["length"]
    usual = min(lengths, default=1)
    lengths.append(ends - times[-1] if ends is not None and ends > times[-1] else stated or usual)
    delay = max((segment.header["delay"] for segment in segments), default=0)
    last = len(times) - len(segments[-1].header["times"]) + segments[-1].header["last"]
    early = delay and max(times[-1] + lengths[-1] - times[max(0, len(times) - 1 - delay)] - lengths[last], delay)
    place = first = 0
    for segment in segments:
        for packet in _packets(segment.path):
            number = first + packet.number
            dts = times[place - delay] if place >= delay else times[0] - -(-early * (delay - place) // delay)
            yield _Timed(packet.data, packet.key, times[number], dts, lengths[number])
            place += 1
        first += len(segment.header["times"])


def check_times(clip: Clip, container: Container, rate: Fraction, times: Sequence[int]) -> None:
    """`FileError` where the container does not hold frames at these times, in the clip's unit, at this ``rate``.

    AVI has a place for each frame of its rate, and some may be empty. The writer of MPEG gives times to groups of frames.
    """
    if container.plain:
        exact = ((time - times[0]) * clip.time_base * rate for time in times)
        held = all(abs(place - time) <= FARTHEST for place, time in zip(_places(clip, rate, times), exact, strict=True))
    else:
        mean = Fraction(times[-1] - times[0], max(1, len(times) - 1))
        held = container.writer != "mpeg" or all(abs(time - times[0] - place * mean) <= mean for place, time in enumerate(times))
    if not held:
        raise FileError(
            f"{clip.path}: {container.name} holds frames at an even rate alone, and these are not; try an output with .mkv"
        )


def _places(clip: Clip, rate: Fraction, times: Sequence[int]) -> list[int]:
    """The number of each frame at an even ``rate``, from 0: the nearest that no frame before it has."""
    places: list[int] = []
    for time in times:
        nearest = round((time - times[0]) * clip.time_base * rate)
        places.append(max(nearest, places[-1] + 1) if places else nearest)
    return places


def join(
    target: Path, clip: Clip, choice: Choice, container: Container, segments: Sequence[Segment], span: Span, *, strip: bool
) -> None:
    """Writes the clip: the segments' pictures, and all else from the source. ``target`` is a temporary name.

    ``strip`` leaves the tags out. Where the span begins later, all tracks move by the time of its first frame.
    """
    av = library()
    options = dict(container.options)
    if container.writer in ("mp4", "mov"):
        options["video_track_timescale"] = str(clip.time_base.denominator)
    with opened(clip.path) as source:
        tags = {} if strip else {name: value for name, value in source.metadata.items() if name.lower() not in OWN_TAGS}
        if container.writer in ("mp4", "mov") and any(name.lower() not in PLAIN_TAGS for name in tags):
            options["movflags"] = "use_metadata_tags"
        with written(target, {"format": container.writer, "container_options": options}) as out:
            # No random numbers of the writer's own: the same clip has the same bytes.
            out.flags |= av.container.Flags.bitexact.value
            # AVI states its rate by the unit of times.
            base = 1 / choice.rate if container.plain else clip.time_base
            stream = _pictures(out, source, clip, choice, base, strip=strip)
            times = [time for segment in segments for time in segment.header["times"]]
            first = times[0]
            before = 0 if not span.whole else round(first * clip.time_base / base)
            placed = dict(zip(times, _places(clip, choice.rate, times), strict=True)) if container.plain else None
            offset = 0 if span.whole else first
            shift = Fraction(0) if span.whole else first * clip.time_base
            others = _others(out, source, clip, container, strip=strip)
            out.metadata.update(tags)
            chapters = source.chapters()
            if chapters:
                out.set_chapters(list(_moved_chapters(chapters, shift, span, clip)))
            coming = _copied(source, others, shift, span, clip, hides=container.edits)
            ahead = next(coming, None)
            for packet in _timed(segments, clip.ends if span.end is None else None):
                # In the order of time: a writer holds what comes too early.
                while ahead is not None and ahead[0] <= (packet.dts - offset) * clip.time_base:
                    out.mux(ahead[1])
                    ahead = next(coming, None)
                made = av.Packet(packet.data)
                made.stream = stream
                made.time_base = base
                if placed is not None:
                    made.pts = made.dts = before + placed[packet.pts]
                    made.duration = 1
                else:
                    made.pts, made.dts, made.duration = packet.pts - offset, packet.dts - offset, packet.duration
                made.is_keyframe = packet.key
                out.mux(made)
            while ahead is not None:
                out.mux(ahead[1])
                ahead = next(coming, None)
        length = source.duration if span.whole and "matroska" in source.format.name else None
    if container.writer in ("matroska", "webm") and length is not None:
        matroska.state_length(target, Fraction(length, av.time_base))
    if container.writer in ("matroska", "webm") and choice.codec in encoders.NO_ASPECT and choice.aspect not in (None, 1):
        matroska.state_aspect(target, choice.width, choice.height, choice.aspect)


def _pictures(out: Any, source: Any, clip: Clip, choice: Choice, base: Fraction, *, strip: bool) -> Any:
    """The track of the segments: an encoder of the same choice writes its header, and encodes nothing."""
    stream = out.add_stream(choice.encoder, rate=choice.rate)
    set_up(stream.codec_context, choice)
    stream.time_base = base
    if clip.matrix is not None:
        stream.set_display_matrix(list(clip.matrix))
    old = main_stream(source, clip.path)
    stream.disposition = old.disposition
    if not strip:
        kept = {name: value for name, value in old.metadata.items() if not name.lower().startswith(OLD_TAGS)}
        stream.metadata.update(kept)
    elif old.language:
        stream.metadata["language"] = old.language
    return stream


def left_out(clip: Clip, container: Container) -> tuple[str, ...]:
    """Lines on the tracks of a clip that the container of its output does not hold."""
    with opened(clip.path) as source:
        main = main_stream(source, clip.path).index
        beside = [stream for stream in source.streams if stream.index != main and not _remade(source, stream)]
        lost = [stream for stream in beside if stream.type != "attachment" and not _fits(container, stream)]
        lost += [stream for stream in source.streams if stream.type == "attachment" and container.writer != "matroska"]
        return tuple(f"track {stream.index} ({_named(stream)}) is left out: {container.name} does not hold it" for stream in lost)


def _remade(source: Any, stream: Any) -> bool:
    """Whether a track only repeats what the writer makes anew: QuickTime keeps chapters and the time code as tracks, too."""
    if stream.type != "data":
        return False
    return "timecode" in stream.metadata or (stream.name == "bin_data" and bool(source.chapters()))


def _named(stream: Any) -> str:
    context = stream.codec_context
    return stream.type if context is None else f"{stream.type}, {context.name}"


def _fits(container: Container, stream: Any) -> bool:
    """Whether a container takes a track: it is asked to write the header of one with nothing else."""
    av = library()
    if stream.type == "unknown" or (stream.codec_context is None and stream.type != "data"):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=container.writer) as trial:
            trial.add_stream_from_template(stream, opaque=stream.type != "data")
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def _others(out: Any, source: Any, clip: Clip, container: Container, *, strip: bool) -> dict[int, Any]:
    """The tracks beside the pictures, by the index of each in the source."""
    main = main_stream(source, clip.path).index
    others = {}
    for stream in source.streams:
        if stream.index == main or _remade(source, stream):
            continue
        if stream.type == "attachment":
            if container.writer == "matroska":
                _attach(out, stream)
            continue
        if not _fits(container, stream):
            continue
        copy = out.add_stream_from_template(stream, opaque=stream.type != "data")
        copy.disposition = stream.disposition
        copy.time_base = stream.time_base
        if not strip:
            copy.metadata.update(stream.metadata)
        elif stream.language:
            copy.metadata["language"] = stream.language
        others[stream.index] = copy
    return others


def _attach(out: Any, stream: Any) -> None:
    copy = out.add_attachment(stream.name or stream.metadata.get("filename", "attachment"), stream.mimetype or "", stream.data)
    copy.metadata.update(stream.metadata)


def _copied(
    source: Any, others: dict[int, Any], shift: Fraction, span: Span, clip: Clip, *, hides: bool
) -> Iterator[tuple[Fraction, Any]]:
    """The packets of other tracks, and the time by which each is to be written. Where the output ``hides`` nothing, those
    before the beginning that the source hides are left out: they would be heard."""
    if not others:
        return
    end = None if span.end is None else span.end + clip.start
    for packet in packets_of(source, (source.streams[index] for index in others), clip.path):
        if packet.size == 0 and packet.dts is None:
            continue  # the mark at a track's end
        if packet.is_discard and packet.pts is None:
            continue
        time = packet.pts if packet.pts is not None else packet.dts
        base = packet.time_base
        if packet.is_discard and not hides and time is not None and (time + (packet.duration or 0)) * base <= clip.start - LEAD:
            continue
        if time is not None and not span.whole:
            if time * base < shift or (end is not None and time * base >= end):
                continue
            move = round(shift / base)
            packet.pts = None if packet.pts is None else packet.pts - move
            packet.dts = None if packet.dts is None else packet.dts - move
        order = packet.dts if packet.dts is not None else packet.pts
        packet.stream = others[packet.stream.index]
        yield (Fraction(-1) if order is None else order * base), packet


def _moved_chapters(chapters: list[Any], shift: Fraction, span: Span, clip: Clip) -> Iterator[dict[str, Any]]:
    """The chapters, as much of each as lies in the span."""
    end = None if span.end is None else span.end + clip.start - shift
    for chapter in chapters:
        if span.whole:
            yield chapter
            continue
        base = chapter["time_base"]
        begins = max(Fraction(0), chapter["start"] * base - shift)
        ends = chapter["end"] * base - shift
        ends = ends if end is None else min(ends, end)
        if ends > begins:
            yield {**chapter, "start": round(begins / base), "end": round(ends / base)}


def ordered(order: Sequence[int], count: int, path: Path) -> dict[str, int]:
    """The entries of a segment's header about the order of decoding, which is given as the frames' numbers.

    ``delay``: by how many places at most a packet comes later than its frame is shown; ``last``: the frame of the last packet.
    `FileError` where the encoder lost a frame.
    """
    if sorted(order) != list(range(count)):
        raise FileError(f"{path}: the encoder gave {len(order)} frames for {count}")
    return {"delay": max(place - number for place, number in enumerate(order)), "last": order[-1]}
