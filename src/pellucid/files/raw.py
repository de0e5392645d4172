"""Camera RAW, through LibRaw: developed to sRGB of 16 bits, never written back."""

from __future__ import annotations

import io
from dataclasses import replace

from pellucid.errors import FileError, MissingExtra
from pellucid.files.base import Reading, picture_of
from pellucid.files.claims import check_size
from pellucid.files.directories import exif_of, parsed_exif
from pellucid.images import Image

__all__ = ["from_raw"]

KEPT = (270, 271, 272, 305, 306, 315, 33432)
"""Description, maker, model, software, date, artist, copyright: the tags of a RAW's first directory that speak of the picture."""

MAKER_NOTE = 0x927C
"""A maker's notes point at places in the RAW file."""


def from_raw(content: bytes, reading: Reading) -> Image:
    """The picture in a camera's RAW file, by its own white balance, upright, without brightening. Raises `MissingExtra`."""
    try:
        import rawpy
    except ModuleNotFoundError as error:
        raise MissingExtra("rawpy", "raw") from error
    with rawpy.imread(io.BytesIO(content)) as raw:
        if raw.sizes.width * raw.sizes.height == 0:
            raise FileError("it holds no picture")
        width, height = raw.sizes.raw_width, raw.sizes.raw_height
        # The mosaic, LibRaw's four channels, the three of 16 bits, twice, and the output as floats.
        check_size(width, height, 1, len(content), itemsize=2, held=(2 + 8 + 6 + 6 + 12) * width * height)
        values = raw.postprocess(output_bps=16, use_camera_wb=True, no_auto_bright=True, output_color=rawpy.ColorSpace.sRGB)
    return replace(picture_of(values, reading, full=True), exif=_exif(content))


def _exif(content: bytes) -> bytes | None:
    """The camera's metadata, where the RAW file is built like a TIFF, as most are."""
    first, details, place = parsed_exif(content)
    kept = {code: entry for code, entry in first.items() if code in KEPT}
    return exif_of(kept, {code: entry for code, entry in details.items() if code != MAKER_NOTE}, place)
