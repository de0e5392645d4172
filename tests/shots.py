"""Shots of a simulated camera, as small DNGs in the layouts that makers have: used by the tests of RAW and by benchmarks."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from pellucid import camera, files, images, samples
from pellucid.sensor import Sensor

__all__ = [
    "LAYOUTS",
    "X_TRANS",
    "Layout",
    "Shot",
    "developed",
    "mosaic_in",
    "scene",
    "smooth",
    "taken",
    "write_dng",
    "write_raf",
    "written",
]

Pixels = NDArray[np.float32]


def scene(height: int = 64, width: int = 96, top: int = 120, left: int = 200) -> NDArray[np.float32]:
    return samples.photograph()[top : top + height, left : left + width].astype(np.float32) / np.float32(255)


def smooth(height: int = 64, width: int = 96) -> NDArray[np.float32]:
    """Colours that change slowly: every way of demosaicing gives the same."""
    down, right = np.mgrid[:height, :width].astype(np.float32)
    planes = [0.3 + 0.3 * right / width, 0.5 + 0.2 * np.sin(down / 20), 0.6 - 0.3 * right / width * down / height]
    return np.stack(planes, axis=2).astype(np.float32)


@dataclass(frozen=True)
class Layout:
    """How a maker's files lie: the ``phase`` of red, ``black`` at the four samples, ``white``, EXIF's ``turn``, the order of
    bytes, and which part is meant to be shown; ``pattern``: the rows of a mosaic that is no Bayer one."""

    phase: tuple[int, int] = (0, 0)
    black: tuple[int, int, int, int] = (512, 512, 512, 512)
    white: int = 16383
    turn: int = 1
    order: Literal["<", ">"] = "<"
    crop: tuple[int, int, int, int] | None = None
    gains: tuple[float, float, float] = (2.0, 1.0, 1.6)
    pattern: tuple[str, ...] = ()

    def colours(self) -> NDArray[np.uint8]:
        """The colour of each sample of the smallest part that comes again: 0 red, 1 green, 2 blue."""
        if self.pattern:
            return np.array([[int(colour) for colour in row] for row in self.pattern], np.uint8)
        return np.array([[(row ^ self.phase[0]) + (column ^ self.phase[1]) for column in (0, 1)] for row in (0, 1)], np.uint8)


X_TRANS = ("110112", "112110", "201021", "112110", "110112", "021201")
"""Fujifilm's mosaic."""

LAYOUTS = {
    "as Nikon's": Layout(phase=(0, 0), black=(1008, 1008, 1008, 1008), white=15520, order="<"),
    "as Canon's": Layout(phase=(0, 1), black=(2047, 2048, 2049, 2048), white=15000, turn=6, crop=(8, 6, 64, 48)),
    "as Sony's": Layout(phase=(0, 0), black=(512, 512, 512, 512), white=16383, turn=8, gains=(2.6, 1.0, 1.3)),
    "as Panasonic's": Layout(phase=(1, 1), black=(128, 130, 126, 128), white=4095, turn=3, order=">"),
    "as Olympus'": Layout(phase=(1, 0), black=(255, 255, 255, 255), white=4095, order=">"),
}


@dataclass(frozen=True)
class Shot:
    """A camera's shot: the ``colours`` (h, w, 3) in balanced light without noise, the sensor's ``samples`` (h, w) as shares of the
    range from black to white, and the camera."""

    colours: Pixels
    samples: Pixels
    sensor: Sensor
    matrix: NDArray[np.float64]
    layout: Layout


def taken(
    scene: Pixels, layout: Layout = Layout(), *, gain: float = 0.0, read: float | None = None, exposure: float = 0.9, seed: int = 0
) -> Shot:
    """A shot of a photograph (h, w, 3) in [0, 1] with shot noise of that gain."""
    rng = np.random.default_rng(seed)
    xyz = camera.XYZ_TO_CAMERA[seed % len(camera.XYZ_TO_CAMERA)]
    # From XYZ to unbalanced colours, such that white is what the gains balance.
    unbalanced = xyz / (xyz @ camera.RGB_TO_XYZ).sum(axis=1, keepdims=True) / np.array(layout.gains)[:, None]
    balanced = (unbalanced * np.array(layout.gains)[:, None] @ camera.RGB_TO_XYZ).astype(np.float32)
    usual = float(np.exp((2.18 * np.log(gain) + 1.20) / 2)) if gain else 0.0
    sensor = Sensor(False, balanced, layout.gains, exposure, gain, usual if read is None else read, False)
    colours = sensor.colours(scene)
    height, width = colours.shape[:2]
    own = layout.colours()
    sites = np.tile(own, (height // len(own) + 1, width // len(own) + 1))[:height, :width]
    ideal = np.take_along_axis(colours, sites[..., None], axis=2)[..., 0] / np.array(layout.gains, np.float32)[sites]
    noise = rng.standard_normal(ideal.shape, dtype=np.float32)
    samples = ideal + noise * np.sqrt(np.float32(sensor.gain) * ideal + np.float32(sensor.read**2))
    return Shot(colours, np.asarray(samples, np.float32), sensor, unbalanced, layout)


def _ratios(values: Any) -> list[int]:
    return [number for value in np.asarray(values).ravel() for number in (round(float(value) * 1_000_000), 1_000_000)]


def written(path: Path, shot: Shot, *, profile: bool = True, extra: tuple[Any, ...] = ()) -> Path:
    """The shot as a DNG; with its NoiseProfile, if that is asked for."""
    if profile:
        extra = (*extra, (51041, 12, 2, (shot.sensor.gain, shot.sensor.read**2), True))
    return write_dng(path, shot.samples, shot.matrix, shot.layout, extra)


def write_dng(path: Path, samples: Pixels, matrix: NDArray[np.float64], layout: Layout, extra: tuple[Any, ...] = ()) -> Path:
    """Samples (h, w), as shares of the range from black to white, as a DNG. ``matrix`` (3, 3) leads from XYZ to the camera's
    unbalanced colours; ``extra`` are more tags."""
    height, width = samples.shape
    down, right = np.mgrid[:height, :width] % 2
    black = np.array(layout.black)[2 * down + right]
    levels = np.clip(np.rint(samples * (layout.white - black) + black), 0, layout.white).astype(np.uint16)
    pattern = layout.colours()
    tags: list[Any] = [
        (271, 2, 0, "Maker", True),
        (272, 2, 0, "Model", True),
        (274, 3, 1, layout.turn, True),
        (306, 2, 0, "2024:05:17 12:00:00", True),
        (33421, 3, 2, pattern.shape, True),
        (33422, 1, pattern.size, pattern.tobytes(), True),
        (50706, 1, 4, bytes((1, 4, 0, 0)), True),
        (50708, 2, 0, "Maker Model", True),
        (50713, 3, 2, (2, 2), True),
        (50714, 5, 4, _ratios(layout.black), True),
        (50717, 3, 1, layout.white, True),
        (50721, 10, 9, _ratios(matrix), True),
        (50728, 5, 3, _ratios(1 / np.array(layout.gains)), True),
        (50730, 10, 1, (25, 100), True),
        (50778, 3, 1, 21, True),
        *extra,
    ]
    if layout.crop is not None:
        left, top, wide, high = layout.crop
        tags += [(50719, 5, 2, _ratios((left, top)), True), (50720, 5, 2, _ratios((wide, high)), True)]
    tifffile.imwrite(path, levels, photometric="cfa", metadata=None, software=False, byteorder=layout.order, extratags=tags)
    return path


def write_raf(path: Path, shot: Shot, *, described: bool = True) -> Path:
    """A shot as Fujifilm's cameras write them: big-endian sizes and white balance; a JPEG, with EXIF where it is
    ``described``; and 16 bits a sample behind a directory of their own. LibRaw knows the black level, 1024, and the range of 14
    bits; red comes first in a Bayer mosaic."""
    height, width = shot.samples.shape
    black, white = 1024, 16383
    levels = np.clip(np.rint(shot.samples * (white - black) + black), 0, white).astype("<u2")
    exif = Image.Exif()
    exif.endian = "<"
    exif[271], exif[272], exif[274], exif[306] = "FUJIFILM", "X-A1", shot.layout.turn, "2024:05:17 12:00:00"
    exif.get_ifd(0x8769)[0x8827] = 800
    preview = io.BytesIO()
    Image.new("RGB", (64, 48), (90, 100, 110)).save(preview, "JPEG", exif=exif.tobytes() if described else b"")
    # Without the part that a camera does not write, before EXIF.
    jpeg = preview.getvalue()
    jpeg = jpeg[:2] + jpeg[4 + int.from_bytes(jpeg[4:6], "big") :]
    red, green, blue = (round(302 * gain) for gain in shot.layout.gains)
    sizes = [(0x100, (height, width)), (0x110, (0, 0)), (0x111, (height, width)), (0x121, (height, width))]
    entries = [(code, struct.pack(">2H", *size)) for code, size in sizes]
    if shot.layout.pattern:
        entries.append((0x131, shot.layout.colours().tobytes()[::-1]))
    entries.append((0x2FF0, struct.pack(">4H", green, red, green, blue)))
    about = struct.pack(">I", len(entries)) + b"".join(struct.pack(">2H", code, len(value)) + value for code, value in entries)
    first, behind = 26, 26 + 2 + 12 * 6 + 4
    longs = [(0xF001, width), (0xF002, height), (0xF003, 14), (0xF007, behind + 16), (0xF008, levels.nbytes)]
    table = b"".join(struct.pack("<2H2I", code, 4, 1, value) for code, value in longs)
    body = struct.pack("<2sHI3H2I4xH", b"II", 42, 8, 1, 0xF000, 13, 1, first, 6) + table
    body += struct.pack("<2H2I4x4I", 0xF00A, 4, 4, behind, *(black,) * 4) + levels.tobytes()
    content, places = b"FUJIFILMCCD-RAW 0201FF129502" + b"X-A1".ljust(32, b"\0") + b"0100" + bytes(20), b""
    start = 160
    for part in (jpeg, about, body):
        places += struct.pack(">2I", start, len(part))
        start += len(part)
    path.write_bytes((content + places).ljust(160, b"\0") + jpeg + about + body)
    return path


def mosaic_in(path: Path) -> images.Image:
    """The samples in a file, as RAW is restored from."""
    with files.open_pages(path, mosaic=True) as document:
        return next(iter(document.pages)).pictures[0]


def developed(path: Path, **how: Any) -> NDArray[np.float32]:
    """A file, developed by LibRaw, (h, w, 3)."""
    import rawpy

    with rawpy.imread(str(path)) as opened:
        plain: dict[str, Any] = {"use_camera_wb": True, "no_auto_bright": True, "adjust_maximum_thr": 0.0, "output_bps": 16}
        return np.asarray(opened.postprocess(**plain, **how), np.float32) / np.float32(65535)
