"""Camera RAW, through LibRaw: the mosaic of the sensor, where a caller asks for it and it is a Bayer one; else developed to sRGB of
16 bits."""

from __future__ import annotations

import io
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import developing, pillow
from pellucid.errors import FileError, MissingExtra
from pellucid.files import dng
from pellucid.files.base import BANDED, Reading, picture_of
from pellucid.files.claims import check_size
from pellucid.files.directories import exif_of, parsed_exif
from pellucid.files.metadata import upright
from pellucid.images import Image, Rows
from pellucid.mosaics import CameraData, Matrix

__all__ = ["developed", "from_raw", "pictured"]

KEPT = (270, 271, 272, 305, 306, 315, 33432)
"""Description, maker, model, software, date, artist, copyright: the tags of a RAW's first directory that speak of the picture."""

SOFTWARE, DATE = 305, 306
INVENTED = (SOFTWARE, 282, 283, 284, 296)
"""Tags that LibRaw writes of its own into the EXIF of a preview that has none: its name and 300 dots an inch."""

FRACTIONS = (0x829A, 0x829D, 0x920A)
"""Exposure, f-number, focal length: 0 where LibRaw does not know them."""

MAKER_NOTE = 0x927C
"""A maker's notes point at places in the RAW file."""

WHITE = np.array([0.95047, 1.0, 1.08883])
"""White in CIE XYZ: D65."""

TURNS = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's flip -> EXIF's orientation."""


BEYOND = 1 << 16
"""More bytes than a decoder takes at once."""

CHATTER = re.compile(rb"^.*: (Unexpected end of file|data corrupted at -?\d+)\r?\n", re.MULTILINE)
"""Lines that LibRaw writes to the process's standard error, beside the error that it raises."""

_hushing = threading.Lock()


def from_raw(content: bytes, reading: Reading) -> Image:
    """The picture in a camera's RAW file, by its own white balance, upright, without brightening; or, where ``reading.mosaic`` asks
    for it and the sensor has a Bayer mosaic, its samples (`Image.mosaic`), as they lie in the file. Raises `MissingExtra`."""
    try:
        import rawpy
    except ModuleNotFoundError as error:
        raise MissingExtra("rawpy", "raw") from error
    # LibRaw has nothing to say of a file that is whole, as far as its directories tell.
    source = dng.source_of(content)
    whole = 0 < source.end <= len(content)
    with nullcontext() if whole else _hushed(), rawpy.imread(io.BytesIO(content)) as raw:
        if raw.sizes.width * raw.sizes.height == 0:
            raise FileError("it holds no picture")
        width, height = raw.sizes.raw_width, raw.sizes.raw_height
        remarks: tuple[str, ...] = ()
        why = None
        if reading.mosaic:
            why = _not_bayer(raw)
            if why is None:
                if reading.value_range != "auto":
                    raise FileError("a RAW file states itself which values are black and white; leave the range out")
                # The mosaic as LibRaw has it, and the visible part.
                check_size(width, height, 1, len(content), itemsize=2, held=4 * width * height)
                _check_samples(raw, content, source)
                return _mosaic(raw, source, sparing=reading.sparing)
            remarks = (f"{why}: LibRaw developed it before the noise was taken out",)
        shot = raw.raw_type.name == "Flat"
        # The mosaic, LibRaw's four channels, the three of 16 bits, twice, and the output as floats.
        check_size(width, height, 1, len(content), itemsize=2, held=(2 + 8 + 6 + 6 + 12) * width * height)
        _check_samples(raw, content, source)
        try:
            values = raw.postprocess(output_bps=16, use_camera_wb=True, no_auto_bright=True, output_color=rawpy.ColorSpace.sRGB)
        except rawpy.LibRawError as error:
            if why is None:
                raise
            words = error.args[0] if error.args else b""
            reason = words.decode("ascii", "replace") if isinstance(words, bytes) else str(words)
            raise FileError(f"{why}, and LibRaw does not develop it ({reason})") from error
    return replace(picture_of(values, reading, full=True), exif=_exif(content), remarks=remarks, shot=shot)


@contextmanager
def _hushed() -> Iterator[None]:
    """Within, what anybody writes to the process's standard error waits, and LibRaw's own lines are dropped: rawpy cannot turn them
    off. One thread at a time."""
    with _hushing, ExitStack() as open_:
        try:
            waiting = open_.enter_context(tempfile.TemporaryFile())
            out = open_.enter_context(os.fdopen(os.dup(2), "wb", buffering=0))
        except OSError:
            # It is closed, and nobody reads it; or no file can be made.
            yield
            return
        os.dup2(waiting.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(out.fileno(), 2)
            waiting.seek(0)
            with suppress(OSError):
                out.write(CHATTER.sub(b"", waiting.read()))


def developed(image: Image) -> Image:
    """A camera's linear light as a picture (`developing.developed`), with its file's metadata, not yet upright. Any other as it
    is."""
    if image.camera is None:
        return image
    source = image.camera.file
    picture = developing.developed(image)
    if not isinstance(source, dng.Source):
        return picture
    kept = {code: entry for code, entry in source.first.items() if code in KEPT}
    kept[dng.ORIENTATION] = (3, 1, image.camera.turn.to_bytes(2, "little"))
    xmp = source.first.get(dng.XMP)
    return replace(picture, exif=exif_of(kept, source.details, source.place), xmp=None if xmp is None else xmp[2])


def pictured(image: Image) -> Image:
    """The image as people look at it: what a camera's sensor recorded is plainly developed, and upright. Any other as it is."""
    light = developing.interpolated(image)
    return image if light.camera is None else upright(developed(light))


def _exif(content: bytes) -> bytes | None:
    """The camera's metadata, where the RAW file is built like a TIFF, as most are."""
    first, details, place = parsed_exif(content)
    kept = {code: entry for code, entry in first.items() if code in KEPT}
    return exif_of(kept, {code: entry for code, entry in details.items() if code != MAKER_NOTE}, place)


def _not_bayer(raw: Any) -> str | None:
    """Why the file has no mosaic that we know; None where it has."""
    pattern = raw.raw_pattern
    if raw.raw_type.name != "Flat" or raw.raw_image is None:
        return "its pixels have three colours each already (a linear DNG, sRAW or Foveon)"
    if pattern is None or raw.num_colors < 3:
        return "its sensor has no colours"
    if pattern.shape != (2, 2):
        return f"its sensor has a mosaic of {pattern.shape[0]}x{pattern.shape[1]} pixels (X-Trans), not a Bayer one"
    names = bytes(raw.color_desc)[:4]
    sites = [names[index : index + 1] for index in pattern.ravel()]
    if sorted(sites) != [b"B", b"G", b"G", b"R"] or sites[0] == sites[3] != b"G" or sites[1] == sites[2] != b"G":
        return f"its sensor has other colours than red, green and blue ({names.decode('ascii', 'replace')})"
    red = sites.index(b"R")
    return None if sites[3 - red] == b"B" else "its sensor has no Bayer mosaic"


def _mosaic(raw: Any, source: dng.Source, *, sparing: bool) -> Image:
    samples: NDArray[np.uint16] = np.array(raw.raw_image_visible, dtype=np.uint16)
    height, width = samples.shape
    pattern, names = raw.raw_pattern, bytes(raw.color_desc)[:4]
    red = [names[index : index + 1] for index in pattern.ravel()].index(b"R")
    levels = raw.black_level_per_channel
    first, details = source.first, source.details
    if not (first and details):
        embedded = _embedded(raw)
        first, details = first or embedded[0], details or embedded[1]
    data = CameraData(
        phase=(red // 2, red % 2),
        black=tuple(float(levels[index]) for index in pattern.ravel()),  # type: ignore[arg-type]  # there are four
        white=float(raw.white_level),
        gains=_gains(raw),
        srgb=_srgb(raw),
        matrix=_matrix(raw),
        turn=TURNS.get(raw.sizes.flip, 1),
        noise=_noise(source),
        crop=_crop(source, height, width),
        file=replace(source, first=first, details=details),
    )
    if data.white <= max(data.black):
        raise FileError(f"its white level, {data.white:g}, is not above its black level, {max(data.black):g}")
    pixels: Any = samples[..., None]
    if sparing and height * width >= BANDED:
        pixels = Rows(pixels.shape, pixels.dtype, lambda top, bottom: samples[top:bottom, :, None])
    return Image(pixels=pixels, dtype=np.dtype(np.uint16), size=(height, width), mosaic=data)


def _check_samples(raw: Any, content: bytes, source: dng.Source) -> None:
    """Raises `FileError` where samples are not what the file says, or lie beyond its end: LibRaw leaves out what it cannot unpack,
    or reads on, and says nothing.

    Not all makers count right, so what the file says of its length is no proof: other bytes beyond its end give other samples.
    """
    import rawpy

    samples = raw.raw_image
    short = FileError(f"it ends before its picture does: {len(content)} bytes of at least {source.end}")
    if not source.is_packed_as_said(content):
        damaged = FileError("its samples are not packed as it says: it is damaged, or encrypted")
        raise short if source.end > len(content) else damaged
    if source.end <= len(content) or samples is None:
        return
    beyond = np.random.default_rng(0).bytes(min(source.end - len(content), 2 * samples.size) + BEYOND)
    try:
        with rawpy.imread(io.BytesIO(content + beyond)) as again:
            whole = np.array_equal(samples, again.raw_image)
    except rawpy.LibRawError:
        whole = False
    if not whole:
        raise short


def _gains(raw: Any) -> tuple[float, float, float]:
    """The camera's white balance, or daylight's, the least gain 1."""
    for balance in (raw.camera_whitebalance, raw.daylight_whitebalance):
        three = [float(value) for value in balance[:3]]
        if min(three) > 0 and max(three) < 100 * min(three):
            red, green, blue = (value / min(three) for value in three)
            return red, green, blue
    return 1.0, 1.0, 1.0


def _srgb(raw: Any) -> Matrix:
    """From the camera's balanced colours to linear sRGB, as LibRaw develops them."""
    matrix = np.asarray(raw.color_matrix, dtype=np.float64)[:3, :3]
    known = np.isfinite(matrix).all() and abs(np.linalg.det(matrix)) > 1e-6
    return _rows(matrix) if known else CameraData().srgb


def _rows(matrix: NDArray[np.float64]) -> Matrix:
    first, second, third = ((float(a), float(b), float(c)) for a, b, c in matrix)
    return first, second, third


def _matrix(raw: Any) -> Matrix | None:
    """From XYZ to the camera's colours, as LibRaw knows it; None where it does not."""
    matrix = np.asarray(raw.rgb_xyz_matrix, dtype=np.float64)[:3]
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-6 or (matrix @ WHITE).min() <= 0:
        return None
    return _rows(matrix)


def _noise(source: dng.Source) -> Any:
    """DNG's NoiseProfile for red, green and blue; one pair stands for all."""
    values = dng.doubles(source.first.get(dng.NOISE) or source.raw.get(dng.NOISE))
    if len(values) not in (2, 6) or not all(np.isfinite(values)) or min(values) < 0:
        return None
    pairs = [(values[index], values[index + 1]) for index in range(0, len(values), 2)]
    return tuple(pairs * 3 if len(pairs) == 1 else pairs)


def _crop(source: dng.Source, height: int, width: int) -> tuple[float, float, float, float] | None:
    """DNG's default crop, where it lies within the picture."""
    origin, size = (dng.fractions(source.raw.get(code)) for code in (dng.CROP_ORIGIN, dng.CROP_SIZE))
    if len(origin) != 2 or len(size) != 2 or min(origin) < 0 or min(size) < 1:
        return None
    inside = origin[0] + size[0] <= width and origin[1] + size[1] <= height
    return (origin[0], origin[1], size[0], size[1]) if inside else None


def _embedded(raw: Any) -> tuple[dict[int, Any], Any]:
    """EXIF of the JPEG within a RAW file that is no TIFF itself (Canon's CR3, Fujifilm's RAF)."""
    import rawpy

    try:
        thumb = raw.extract_thumb()
        if thumb.format != rawpy.ThumbFormat.JPEG:
            return {}, {}
        with pillow.opened(io.BytesIO(thumb.data)) as picture:
            first, details, _ = parsed_exif(picture.info.get("exif"))
    except Exception:  # whatever is wrong with a thumbnail, the picture needs none
        return {}, {}
    if first.get(SOFTWARE, (0, 0, b""))[2].startswith(b"dcraw"):
        first, details = ({code: entry for code, entry in part.items() if _is_known(code, entry[2])} for part in (first, details))
    return dict(first), {code: entry for code, entry in details.items() if code != MAKER_NOTE}


def _is_known(code: int, value: bytes) -> bool:
    """Whether an entry that LibRaw wrote, because the camera's preview has no EXIF, states what the file says: for what it does not
    know it writes zeros, and the second from which clocks count."""
    unknown = value[:4] == bytes(4) if code in FRACTIONS else not any(value)
    if code == DATE:
        unknown = value[:10] in (b"1970:01:01", b"1969:12:31")
    return not unknown and code not in INVENTED
