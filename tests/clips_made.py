"""Small clips for tests: made by PyAV alone, without a program beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

av = pytest.importorskip("av", reason="PyAV is not installed")

WIDTH, HEIGHT, COUNT = 64, 48, 12


def planes(number: int, pixels: str = "yuv420p", width: int = WIDTH, height: int = HEIGHT, seed: int = 0) -> list[NDArray[Any]]:
    """The planes of a frame: soft shapes that move by a pixel a frame."""
    frame = av.VideoFrame(width, height, pixels)
    rng = np.random.default_rng(seed)
    depth = frame.format.components[0].bits
    made = []
    for part in frame.format.components:
        rows, columns = np.mgrid[: part.height, : part.width]
        phase, across, down = rng.uniform(0, 6), rng.uniform(0.05, 0.2), rng.uniform(0.05, 0.2)
        wave = np.sin(across * (columns + number) + phase) + np.cos(down * rows)
        made.append(np.rint((0.5 + 0.15 * wave) * (2**depth - 1)).astype(np.uint8 if depth <= 8 else np.uint16))
    return made


def frame_of(parts: Sequence[NDArray[Any]], pixels: str) -> Any:
    height, width = parts[0].shape
    frame = av.VideoFrame(width, height, pixels)
    for plane, values in zip(frame.planes, parts, strict=True):
        rows = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
        rows[: values.shape[0], : values.shape[1]] = values
        plane.update(rows)
    return frame


@dataclass
class Sound:
    """A track of sound: its codec, when it begins in seconds, and its language."""

    codec: str = "aac"
    start: float = 0.0
    language: str = "eng"


def make(
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    times: Iterable[int] | None = None,
    time_base: Fraction = Fraction(1, 12800),
    frames: Callable[[int], Sequence[NDArray[Any]]] | None = None,
    count: int = COUNT,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    aspect: Fraction | None = None,
    colours: tuple[int, int, int, int] | None = None,
    options: Mapping[str, str] | None = None,
    sounds: Sequence[Sound] = (),
    chapters: Sequence[tuple[int, int, str]] = (),
    tags: Mapping[str, str] | None = None,
    attached: bytes | None = None,
    matrix: Sequence[int] | None = None,
    subtitles: bool = False,
    container_options: Mapping[str, str] | None = None,
    flags: int = 0,
    change: Callable[[Any], Any] | None = None,
) -> Path:
    """Writes a clip; ``times`` in units of ``time_base``, 25 frames a second where there are none."""
    width, height = size
    times = (
        list(times)
        if times is not None
        else [number * time_base.denominator // (25 * time_base.numerator) for number in range(count)]
    )
    given = dict(container_options or {})
    if path.suffix in (".mp4", ".mov"):
        given["video_track_timescale"] = str(time_base.denominator)
    if path.suffix == ".ts":
        given["mpegts_copyts"] = "1"
    with av.open(str(path), "w", container_options=given) as out:
        options = dict(options or {})
        if codec == "libx265":
            # It gives one or two frames a decoding time that it has not set, where a frame might wait for a later one.
            options["x265-params"] = f"{options.get('x265-params', 'log-level=none')}:frame-threads=1:bframes=0"
        stream = out.add_stream(codec, rate=25, options={})
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = width, height, pixels
        context.time_base = Fraction(1, 25) if codec in ("mpeg4", "mpeg2video") else time_base
        stream.time_base = context.time_base
        context.flags |= flags
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if colours is not None:
            context.color_range, context.color_primaries, context.color_trc, context.colorspace = colours
        if options:
            context.options = {**context.options, **options}
        if matrix is not None:
            stream.set_display_matrix(list(matrix))
        tracks = []
        for sound in sounds:
            track = out.add_stream(sound.codec, rate=48000)
            track.metadata["language"] = sound.language
            tracks.append((sound, track))
        out.metadata.update(tags or {})
        if chapters:
            out.set_chapters(
                [
                    {"id": number, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
                    for number, (start, end, title) in enumerate(chapters)
                ]
            )
        if attached is not None:
            out.add_attachment("note.txt", "text/plain", attached)
        words = out.add_mux_stream("subrip") if subtitles else None
        packets = []
        for number, time in enumerate(times):
            parts = frames(number) if frames is not None else planes(number, pixels, width, height)
            made = frame_of(parts, pixels)
            if colours is not None:
                made.color_range, made.color_primaries, made.color_trc, made.colorspace = colours
            if change is not None:
                made = change(made)
            made.pts, made.time_base = (number, Fraction(1, 25)) if codec in ("mpeg4", "mpeg2video") else (time, time_base)
            packets += stream.encode(made)
        packets += stream.encode(None)
        # As programs do that know when a frame ends: at the next.
        lengths = dict(zip(times, [after - before for before, after in pairwise([*times, 2 * times[-1] - times[-2]])], strict=True))
        for packet in packets:
            # Those that come at an encoder's end state none.
            packet.time_base = context.time_base
            if packet.time_base == time_base:
                packet.duration = lengths[packet.pts]
        for sound, track in tracks:
            rng = np.random.default_rng(7)
            length = max(1024, track.codec_context.frame_size or 1024)
            resampler = av.AudioResampler(format=track.codec_context.format.name, layout="stereo", rate=48000, frame_size=length)
            noise = rng.integers(-8000, 8000, (1, 2 * 48000 * (count if times is None else len(times)) // 25), dtype=np.int16)
            audio = av.AudioFrame.from_ndarray(noise, format="s16", layout="stereo")
            audio.sample_rate, audio.pts, audio.time_base = 48000, round(48000 * sound.start), Fraction(1, 48000)
            coded = [
                packet for part in (*resampler.resample(audio), *resampler.resample(None), None) for packet in track.encode(part)
            ]
            for packet in coded:
                packet.time_base = track.codec_context.time_base
            packets += coded
        if words is not None:
            packet = av.Packet(b"hello")
            packet.stream, packet.time_base = words, Fraction(1, 1000)
            packet.pts = packet.dts = 100
            packet.duration = 200
            packet.is_keyframe = True
            packets.append(packet)
        packets.sort(key=lambda packet: float(packet.dts * packet.time_base))
        out.mux(packets)
    return path


def told(path: Path) -> dict[str, Any]:
    """All that must be the same in a restored clip: the frames' times, what the file says of them, the packets of other tracks."""
    with av.open(str(path)) as file:
        video = next(each for each in file.streams.video if not each.disposition & av.stream.Disposition.attached_pic)
        packets: dict[int, list[tuple[Any, ...]]] = {}
        kinds = {each.index: (each.type, None if each.codec_context is None else each.codec_context.name) for each in file.streams}
        frames = []
        side: dict[str, bytes] = {}
        for packet in file.demux():
            if packet.stream.index == video.index:
                for frame in packet.decode():
                    frames.append(frame.pts)
                    side = side or {each.type.name: bytes(each) for each in frame.side_data}
                    seen = (frame.width, frame.height, frame.format.name.replace("yuvj", "yuv"), frame.interlaced_frame)
                    colours = (frame.color_range, frame.color_primaries, frame.color_trc, frame.colorspace)
            elif packet.size:
                packets.setdefault(packet.stream.index, []).append((packet.pts, packet.duration, bytes(packet)))
        return {
            "frames": frames,
            "time_base": video.time_base,
            "seen": seen,
            "colours": colours,
            "aspect": video.sample_aspect_ratio or 1,
            "matrix": side.get("DISPLAYMATRIX"),
            "start": file.start_time,
            "duration": file.duration,
            "tracks": [kinds[index] for index in kinds if index != video.index],
            "languages": [file.streams[index].language for index in kinds if index != video.index],
            "packets": packets,
            "chapters": [
                (each["start"] * each["time_base"], each["end"] * each["time_base"], each["metadata"]) for each in file.chapters()
            ],
            "tags": {
                name.lower(): value
                for name, value in file.metadata.items()
                if name.lower() not in ("encoder", "major_brand", "minor_version", "compatible_brands", "software")
            },
            "attached": [each.data for each in file.streams.attachments],
            "side": {name: side[name] for name in ("MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL") if name in side},
        }
