"""The encoders of clips, the containers that hold their output, and the choice between them.

PyAV (the extra ``video``) brings FFmpeg and the encoders; which it has depends on the build, so each is asked for before it is
chosen. An encoder is given frames by number, never by time: `pellucid.files.joining` gives each packet the time of its frame.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from importlib import import_module
from pathlib import Path, PurePath
from typing import Any

from pellucid.errors import FileError, MissingExtra, OptionError

__all__ = [
    "CODECS",
    "CONTAINERS",
    "LOSSLESS",
    "NO_ASPECT",
    "Choice",
    "Codec",
    "Container",
    "chosen",
    "clip_ending",
    "container_of",
    "is_clip",
    "library",
    "opened",
    "set_up",
]

QUALITY = 80
"""The quality where none is asked for: x264's rate factor 16, at which its errors are hard to find in a still."""

LAMBDA = 118
"""FFmpeg's unit of a quantiser (FF_QP2LAMBDA)."""


@dataclass(frozen=True)
class Codec:
    """A video codec, and the encoder that makes it.

    ``encoders`` are FFmpeg's names of them, the first that the build has and that holds the frames is taken. ``worst`` and ``best``
    are the values of the rate factor (``crf``) or the quantiser at quality 0 and 100; None: it has no quality to choose. ``least``
    and ``most`` bound the value. ``odd``: takes frames whose sides the colour differences do not divide. ``hdr``: see
    `_static_metadata`. ``rates``: frames a second that it can hold; empty: any.
    """

    name: str
    encoders: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    worst: float | None = None
    best: float = 0.0
    least: float = 0.0
    crf: bool = True
    odd: bool = True
    side: int = 1
    hdr: bool = False
    rates: tuple[Fraction, ...] = ()

    def value(self, quality: float) -> float | None:
        """The rate factor or quantiser of a quality from 0 to 100."""
        if self.worst is None:
            return None
        return max(self.least, self.worst + (self.best - self.worst) * quality / 100)


_MPEG_RATES = tuple(map(Fraction, ("24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60")))
"""ISO/IEC 13818-2, table 6-4."""

# The number of threads is fixed, since the output of some encoders depends on it: a clip that is continued on another machine has
# the same bytes.
CODECS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Codec("h264", ("libx264", "libx264rgb"), {"threads": "4", "preset": "medium"}, 51, 7.25, odd=False),
        Codec("hevc", ("libx265",), {"preset": "medium"}, 51, 9.75, odd=False, side=32, hdr=True),
        Codec("av1", ("libsvtav1",), {"preset": "7"}, 63, 11.75, least=1, odd=False, side=64, hdr=True),
        Codec("vp9", ("libvpx-vp9",), {"b": "0", "deadline": "good", "cpu-used": "3", "threads": "4"}, 63, 11.75),
        Codec("vp8", ("libvpx",), {"b": "20M", "deadline": "good", "cpu-used": "3", "threads": "4"}, 63, 4, least=4),
        Codec("ffv1", ("ffv1",), {"level": "3", "slices": "4", "slicecrc": "1", "coder": "1", "context": "1"}),
        Codec("prores", ("prores_ks",), {"vendor": "apl0"}),
        Codec("mpeg4", ("mpeg4",), {}, 31, -4, least=1, crf=False),
        Codec("mpeg2video", ("mpeg2video",), {"bf": "2"}, 31, -4, least=1, crf=False, rates=_MPEG_RATES),
        Codec("mpeg1video", ("mpeg1video",), {}, 31, -4, least=1, crf=False, rates=_MPEG_RATES),
        Codec("mjpeg", ("mjpeg",), {}, 31, -4, least=1, crf=False),
    )
}
"""Name -> codec; the names are FFmpeg's names of codecs."""

ALIASES = {"h265": "hevc", "x264": "h264", "x265": "hevc", "svt-av1": "av1", "avc": "h264"}

LOSSLESS = "ffv1"
"""The codec of ``--lossless``: no value is changed after the work."""


_MPEG1_HEIGHTS = (
    *(1.0, 0.6735, 0.7031, 0.7615, 0.8055, 0.8437, 0.8935),
    *(0.9157, 0.9815, 1.0255, 1.0695, 1.0950, 1.1575, 1.2015),
)
"""The heights of a pixel, for a width of 1, that MPEG-1 has codes for (ISO/IEC 11172-2, table 2-D.1)."""

_MPEG2_SHAPES = (4 / 3, 16 / 9, 2.21)
"""The shapes of a whole frame that MPEG-2 has codes for, beside square pixels (ISO/IEC 13818-2, table 6-3)."""

NO_ASPECT = ("ffv1", "vp9", "vp8", "av1")
"""Codecs whose frames, as FFmpeg's encoders write them here, do not say how wide a pixel is: the container has to."""


@dataclass(frozen=True)
class Container:
    """A kind of clip file: FFmpeg's name of what writes it, the endings, and the codecs it holds, the preferred first.

    ``options`` are the writer's. ``plain``: no frame refers to a later one, for the container holds no time beside the order.
    """

    name: str
    writer: str
    endings: tuple[str, ...]
    media: str
    codecs: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False

    @property
    def edits(self) -> bool:
        """Whether its tracks may begin with what no player plays (an edit list)."""
        return self.writer in ("mp4", "mov")

    @property
    def turns(self) -> bool:
        """Whether it states how a player turns the frames."""
        return self.writer in ("mp4", "mov", "matroska", "webm")


CONTAINERS: tuple[Container, ...] = (
    Container("MP4", "mp4", (".mp4", ".m4v"), "video/mp4", ("h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2video", "mjpeg")),
    Container(
        "QuickTime", "mov", (".mov", ".qt"), "video/quicktime", ("h264", "hevc", "prores", "av1", "mpeg4", "mpeg2video", "mjpeg")
    ),
    Container(
        "Matroska",
        "matroska",
        (".mkv",),
        "video/x-matroska",
        ("h264", "hevc", "av1", "vp9", "vp8", "ffv1", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores"),
    ),
    Container("WebM", "webm", (".webm",), "video/webm", ("vp9", "av1", "vp8")),
    Container("AVI", "avi", (".avi",), "video/x-msvideo", ("mpeg4", "ffv1", "mjpeg", "h264"), plain=True),
    Container("MPEG", "mpeg", (".mpg", ".mpeg", ".vob"), "video/mpeg", ("mpeg2video", "mpeg1video")),
    Container(
        "MPEG transport stream",
        "mpegts",
        (".ts", ".m2ts", ".mts"),
        "video/mp2t",
        ("h264", "hevc", "mpeg2video"),
        # Without it, the writer adds 1.4 s to all times.
        {"mpegts_copyts": "1"},
    ),
)
"""The kinds of clip files that are read and written."""

_ENDINGS = {ending: entry for entry in CONTAINERS for ending in entry.endings}


def library() -> Any:
    """PyAV; `MissingExtra` where it is not installed."""
    # SVT-AV1 prints about itself otherwise: it knows no other way to be quiet.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtra("av", "video") from error
    return av


def is_clip(path: PurePath) -> bool:
    """Whether the name is that of a clip."""
    return path.suffix.lower() in _ENDINGS


def clip_ending(start: bytes) -> str | None:
    """The ending of a clip that begins so; None for what is none. Matroska and WebM begin alike, as do MP4 and QuickTime."""
    if start[4:8] == b"ftyp" and start[8:12] not in (b"avif", b"avis", b"mif1", b"msf1", b"crx ") and start[8:11] != b"hei":
        return ".mov" if start[8:12] == b"qt  " else ".mp4"
    if start[:4] == b"\x1a\x45\xdf\xa3":
        return ".webm" if b"webm" in start[:64] else ".mkv"
    if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
        return ".avi"
    if start[:4] == b"\x00\x00\x01\xba":
        return ".mpg"
    return ".ts" if start[:1] == b"G" and start[188:189] == b"G" else None


def container_of(path: Path) -> Container:
    """The container of a clip of this name; `FileError` for another name."""
    entry = _ENDINGS.get(path.suffix.lower())
    if entry is None:
        raise FileError(f"{path}: a clip is not written under the ending {path.suffix!r}; use one of {', '.join(_ENDINGS)}")
    return entry


@dataclass(frozen=True)
class Choice:
    """An encoder and all that it is told: two encoders of one choice give the same bytes for the same frames.

    ``pixels`` is the pixel format that it is given, ``colours`` the codes for range, primaries, transfer and matrix (ITU-T H.273;
    the range 1 limited, 2 full, 0 unknown), ``hdr`` the static metadata, by `Codec.hdr`.
    """

    codec: str
    encoder: str
    pixels: str
    width: int
    height: int
    rate: Fraction
    aspect: Fraction | None = None
    colours: tuple[int, int, int, int] = (0, 2, 2, 2)
    quality: float = QUALITY
    headers: bool = True
    plain: bool = False
    hdr: tuple[bytes | None, bytes | None] = (None, None)

    def nearest_aspect(self) -> float:
        """The shape of a pixel that the frames themselves state, nearest to the one that was asked for; 1 where none was."""
        asked = float(self.aspect or 1)
        if self.codec == "mpeg2video":
            held = [1.0, *(shape * self.height / self.width for shape in _MPEG2_SHAPES)]
        elif self.codec == "mpeg1video":
            held = [1 / height for height in _MPEG1_HEIGHTS]
        else:
            return asked
        return min(held, key=lambda shape: abs(shape - asked))

    def _halves(self) -> bool:
        """Whether a frame can be coded in halves each way: FFV1 (version 3) ends none but the last in part of a colour difference's
        pixel."""
        parts = library().VideoFormat(self.pixels, self.width, self.height).components
        sides = ((side, own) for part in parts for side, own in ((self.width, part.width), (self.height, part.height)))
        return not any(side % (by := round(side / own)) and (side - side // 2) % by == 0 for side, own in sides)

    def options(self) -> dict[str, str]:
        """The encoder's options."""
        row = CODECS[self.codec]
        given = dict(row.options)
        if "slices" in given and not self._halves():
            # FFmpeg chooses others.
            del given["slices"]
        value = row.value(self.quality)
        if value is not None and row.crf:
            # VP9's and AV1's are whole numbers.
            given["crf"] = f"{value:.2f}" if self.encoder in ("libx264", "libx264rgb", "libx265") else f"{round(value)}"
        if self.encoder in ("libx264", "libx264rgb") and _has_avx512():
            # x264's macroblock tree reads memory that nobody wrote there: each run gave other bytes (12 of 12 alike with AVX2, as
            # without any).
            given["x264-params"] = "asm=avx2"
        if self.encoder == "libx265":
            # Several frames at once depend on the number of cores.
            given["x265-params"] = ":".join(["log-level=none", "frame-threads=1", *_x265(self.hdr)])
        if self.encoder == "libsvtav1" and any(self.hdr):
            given["svtav1-params"] = ":".join(_svt(self.hdr))
        return given


@cache
def _has_avx512() -> bool:
    """Whether this processor has AVX-512, as NumPy finds it."""
    with suppress(ImportError, AttributeError):
        return bool(import_module("numpy._core._multiarray_umath").__cpu_features__.get("AVX512F"))
    return False


def chosen(
    container: Container,
    source: str,
    pixels: str,
    size: tuple[int, int],
    shared: tuple[int, int],
    rate: Fraction,
    *,
    codec: str | None = None,
    lossless: bool = False,
    **rest: Any,
) -> Choice:
    """The encoder for frames of a pixel format and a ``size`` (height, width), where ``shared`` rows and columns share a colour.

    Without a ``codec`` it is the ``source``'s own, where that can be written; else the first of the container's that holds the
    frames as they are. Raises `OptionError` and `FileError` where none does.
    """
    asked = ALIASES.get(codec.lower(), codec.lower()) if codec is not None else None
    if lossless:
        if asked not in (None, LOSSLESS):
            raise OptionError(f"--lossless writes {LOSSLESS}: leave --codec {codec} out")
        asked = LOSSLESS
    if asked is not None and asked not in CODECS:
        raise OptionError(f"codec {str(codec)[:40]!r} is not one of {', '.join(CODECS)}")
    if asked is not None and asked not in container.codecs:
        where = [entry.endings[0] for entry in CONTAINERS if asked in entry.codecs]
        raise OptionError(f"{container.name} is not written with {asked}; name the output with {' or '.join(where)}")
    order = [asked] if asked else sorted(container.codecs, key=lambda name: name != source)
    refused = []
    aspect = rest.get("aspect")
    for name in order:
        row = CODECS[name]
        encoder = next((found for found in row.encoders if pixels_for(found, pixels)), None)
        if encoder is None:
            refused.append(f"{name} does not hold {pixels}")
        elif not row.odd and any(side % step for side, step in zip(size, shared, strict=True)):
            refused.append(f"{name} takes no odd sides with {pixels}")
        elif min(size) < row.side:
            refused.append(f"{name} takes no side below {row.side} pixels")
        elif container.plain and name in NO_ASPECT and aspect not in (None, 1):
            refused.append(f"beside {name} it states no shape of a pixel, which is {aspect.numerator}:{aspect.denominator} here")
        elif row.rates and rate not in row.rates:
            refused.append(f"{name} holds no {float(rate):.3f} frames a second")
        else:
            return Choice(
                name, encoder, pixels_for(encoder, pixels) or pixels, size[1], size[0], rate, plain=container.plain, **rest
            )
    words = "; ".join(refused[:2])
    way = "try an output with .mkv" if codec is None else f"leave --codec {codec} out"
    raise FileError(f"{container.name} cannot hold these frames of {size[1]}x{size[0]} pixels: {words}; {way}")


_REPACKED = {"gbrp": ("gbrp", "bgr0", "bgr24", "rgb24"), "gbrap": ("gbrap", "bgra", "rgba")}
"""Pixel formats that hold the same values in another order."""


def pixels_for(encoder: str, pixels: str) -> str | None:
    """The pixel format in which an encoder takes frames of this one without changing a value; None where it does not, or where the
    build has no such encoder."""
    av = library()
    if encoder.startswith("libvpx") and pixels.startswith(("yuva", "gbrap")):
        # It gives alpha beside the packets, where segments do not keep it.
        return None
    try:
        formats = [entry.name for entry in av.codec.Codec(encoder, "w").video_formats or ()]
    except ValueError:
        return None
    names = _REPACKED.get(pixels, (pixels,))
    if encoder == "mjpeg":
        # It also lists the names that say nothing of the range, but refuses them.
        names = tuple(name.replace("yuv4", "yuvj4") for name in names)
    return next((name for name in names if name in formats), None)


def opened(choice: Choice) -> Any:
    """An encoder of its own, outside of any file; `FileError` where it does not take such frames."""
    av = library()
    context = av.CodecContext.create(choice.encoder, "w")
    set_up(context, choice)
    try:
        context.open(True)
    except av.error.FFmpegError as error:
        size = f"{choice.width}x{choice.height}"
        raise FileError(f"{choice.encoder} does not encode frames of {size} in {choice.pixels}; another --codec may") from error
    return context


def set_up(context: Any, choice: Choice) -> None:
    """Tells an encoder all that it is to know, before it is opened."""
    av = library()
    context.width, context.height, context.pix_fmt = choice.width, choice.height, choice.pixels
    context.time_base, context.framerate = 1 / choice.rate, choice.rate
    if choice.aspect is not None:
        context.sample_aspect_ratio = choice.aspect
    context.color_range, context.color_primaries, context.color_trc, context.colorspace = choice.colours
    # Frames are whole (FFmpeg's AV_FIELD_PROGRESSIVE).
    context.field_order = 1
    if choice.plain:
        context.max_b_frames = 0
    row = CODECS[choice.codec]
    options = choice.options()
    value = row.value(choice.quality)
    if value is not None and not row.crf:
        context.flags |= int(av.codec.context.Flags.qscale)
        context.global_quality = round(value * LAMBDA)
    if choice.headers:
        context.flags |= int(av.codec.context.Flags.global_header)
    context.options = options


# -- what HDR says of the screen that it was made for -----------------------------------------------------------------


def _x265(hdr: tuple[bytes | None, bytes | None]) -> list[str]:
    return _static_metadata(hdr, "master-display", "max-cll", ",", lambda value, unit: f"{round(value * unit)}")


def _svt(hdr: tuple[bytes | None, bytes | None]) -> list[str]:
    return _static_metadata(hdr, "mastering-display", "content-light", ",", lambda value, unit: f"{float(value):.5f}")


def _static_metadata(
    hdr: tuple[bytes | None, bytes | None], display: str, light: str, comma: str, number: Callable[[Fraction, int], str]
) -> list[str]:
    """The encoder's parameters for FFmpeg's AVMasteringDisplayMetadata (red, green, blue and white as x and y, the darkest and the
    brightest light, then whether there is either) and AVContentLightMetadata (two numbers)."""
    import struct

    words = []
    mastering, content = hdr
    if mastering is not None:
        values = struct.unpack_from("=20i2i", mastering)
        ratios = [Fraction(values[at], values[at + 1] or 1) for at in range(0, 20, 2)]
        red, green, blue, white = ([number(each, 50000) for each in ratios[at : at + 2]] for at in (0, 2, 4, 6))
        dark, bright = (number(each, 10000) for each in ratios[8:10])
        if values[20] and values[21]:
            named = zip(("G", "B", "R", "WP"), (green, blue, red, white), strict=True)
            words.append(f"{display}={''.join(f'{name}({comma.join(place)})' for name, place in named)}L({bright},{dark})")
    if content is not None:
        most, mean = struct.unpack_from("=2I", content)
        words.append(f"{light}={most},{mean}")
    return words
