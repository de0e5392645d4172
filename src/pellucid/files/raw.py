"""Camera RAW, through LibRaw: developed to sRGB of 16 bits, never written back."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image as PillowImage

from pellucid.errors import FileError, MissingExtra
from pellucid.files.base import Reading, check_size, picture_of
from pellucid.images import Image

__all__ = ["from_raw"]

KEPT = (270, 271, 272, 305, 306, 315, 33432)
"""Description, maker, model, software, date, artist, copyright: the tags of a RAW's first directory that speak of the picture."""

EXIF, GPS = 34665, 34853


def from_raw(content: bytes, reading: Reading) -> Image:
    """The picture in a camera's RAW file, by its own white balance, upright, without brightening. Raises `MissingExtra`."""
    try:
        import rawpy
    except ModuleNotFoundError as error:
        raise MissingExtra("rawpy", "raw") from error
    with rawpy.imread(io.BytesIO(content)) as raw:
        if raw.sizes.width * raw.sizes.height == 0:
            raise FileError("no picture in it")
        check_size(raw.sizes.raw_width, raw.sizes.raw_height, 1, len(content))
        values = raw.postprocess(output_bps=16, use_camera_wb=True, no_auto_bright=True, output_color=rawpy.ColorSpace.sRGB)
    return replace(picture_of(values, reading), exif=_exif(content))


def _exif(content: bytes) -> bytes | None:
    """What the camera said, where the RAW file is built like a TIFF, as most are."""
    made = PillowImage.Exif()
    try:
        source = PillowImage.Exif()
        source.load(content)
        for code in KEPT:
            if code in source:
                made[code] = source[code]
        for code in (EXIF, GPS):
            if code in source:
                made.get_ifd(code).update(source.get_ifd(code))
        # A maker's notes point at places in the RAW file.
        made.get_ifd(EXIF).pop(0x927C, None)
        return made.tobytes() if len(made) else None
    except Exception:  # other makers' layouts: Pillow raises whatever it meets, and the picture counts
        return None
