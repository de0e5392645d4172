"""Pixels packed in TIFF and PNG, unpacked without imagecodecs: Pillow's libtiff and zlib do it, and NumPy.

imagecodecs is 80 MB for formats that few people have. Where it is not installed, tifffile works with a module of its own that lacks
LZW, bounds and the predictor of floats; `lend` adds them. A packing that nothing here undoes is a `MissingExtra`.
"""

from __future__ import annotations

import io
import struct
import zlib
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import TiffImagePlugin

from pellucid import pillow
from pellucid.errors import MissingExtra

__all__ = ["deflated", "imagecodecs", "is_whole", "lend", "png_samples"]

EXTRA = "codecs"
"""The extra that brings imagecodecs."""


def imagecodecs() -> Any:
    """The package imagecodecs. Raises `MissingExtra` where it is not installed."""
    try:
        import imagecodecs as found
    except ModuleNotFoundError as error:
        raise MissingExtra("imagecodecs", EXTRA) from error
    return found


def is_whole() -> bool:
    """Whether imagecodecs is installed, with all that it unpacks."""
    try:
        return find_spec("imagecodecs") is not None
    except ValueError:  # a module that is kept from being found
        return False


def lend(tifffile: Any) -> None:
    """Gives tifffile the functions that it lacks without imagecodecs; nothing where that is installed."""
    lent = tifffile.tifffile.imagecodecs
    if lent.__name__ == "imagecodecs" or hasattr(lent, "lzw_decode"):
        return
    lent.lzw_decode, lent.lzw_encode = _lzw_decoded, _lzw_encoded
    lent.floatpred_decode = _float_predicted
    lent.DEFLATE = SimpleNamespace(available=True)
    lent.deflate_decode, lent.deflate_encode = _inflated, _deflate_encoded
    # The newest tifffile (2026.11.8, Python 3.12 and later) refuses a codec whose module is of neither imagecodecs nor tifffile.
    for function in (_lzw_decoded, _lzw_encoded, _float_predicted, _inflated, _deflate_encoded):
        function.__module__ = lent.__name__


def deflated(content: Any, level: int | None = None) -> bytes:
    """A buffer packed in zlib's format, by libdeflate where it is installed."""
    level = 6 if level is None else level
    try:
        import deflate
    except ModuleNotFoundError:
        # Training draws its figures on machines that have nothing else of ours.
        return zlib.compress(content, level)
    return bytes(deflate.zlib_compress(content, level))


def png_samples(content: bytes) -> NDArray[np.uint16]:
    """The samples of a PNG of 16 bits, (h, w) or (h, w, n), as they lie there.

    Pillow gives colours of 8 bits alone. Its unpackers for the two orders of bytes take the upper byte of each sample, or the lower
    one: the picture is read once for each. Gray with alpha has as many bytes as a pixel of four channels of 8 bits.
    """
    with pillow.opened(io.BytesIO(content), "PNG") as picture:
        kind = str(picture.tile[0].args)  # type: ignore[attr-defined]
    if kind == "I;16B":
        return _unpacked(content, "I;16", kind).astype(np.uint16)
    if kind == "LA;16B":
        return _unpacked(content, "RGBA", "RGBA").view(">u2").astype(np.uint16)
    mode = kind.removesuffix(";16B")
    upper, lower = (_unpacked(content, mode, f"{mode};16{order}").astype(np.uint16) for order in "BL")
    return np.bitwise_or(np.left_shift(upper, 8, out=upper), lower, out=upper)


def _unpacked(content: bytes, mode: str, kind: str) -> NDArray[Any]:
    with pillow.opened(io.BytesIO(content), "PNG") as picture:
        picture._mode = mode
        picture.tile = [tile._replace(args=kind) for tile in picture.tile]  # type: ignore[attr-defined]
        picture.load()
        return np.asarray(picture)


# -- what tifffile is lent: signatures are those of imagecodecs -------------------------------------------------------


def _inflated(data: Any, /, *, out: int | None = None) -> bytes:
    # No more than there is room for: a few packed bytes may be as many as one likes.
    return zlib.decompressobj().decompress(data, out or 0)


def _deflate_encoded(data: Any, /, level: int | None = None, *, out: Any = None) -> bytes:
    return deflated(np.ascontiguousarray(data).view(np.uint8).data if isinstance(data, np.ndarray) else data, level)


def _lzw_decoded(data: Any, /, *, out: int) -> bytes:
    """LZW, unpacked by libtiff: the strip becomes a TIFF with one row of so many bytes."""
    content = bytes(data)
    row = {256: out, 257: 1, 258: 8, 259: 5, 262: 1, 273: 8, 277: 1, 278: 1, 279: len(content)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in row.items())
    place = 8 + len(content) + len(content) % 2
    head = b"II*\0" + struct.pack("<I", place)
    whole = head + content.ljust(place - 8, b"\0") + struct.pack("<H", len(row)) + entries + b"\0\0\0\0"
    # The caller has looked at the size.
    with pillow.unlimited(), TiffImagePlugin.TiffImageFile(io.BytesIO(whole)) as picture:
        return picture.tobytes()


def _lzw_encoded(data: Any, /, *, out: Any = None) -> bytes:
    content = data.tobytes() if isinstance(data, np.ndarray) else bytes(data)
    buffer = io.BytesIO()
    PillowImage.frombytes("L", (len(content), 1), content).save(buffer, "TIFF", compression="tiff_lzw")
    buffer.seek(0)
    with TiffImagePlugin.TiffImageFile(buffer) as picture:
        place, length = picture.tag_v2[273][0], picture.tag_v2[279][0]
    return buffer.getvalue()[place : place + length]


def _float_predicted(data: NDArray[Any], /, *, axis: int = -2, out: Any = None) -> NDArray[Any]:
    """Floats (..., w, n) from differences of their bytes, the upper bytes of a row first (Adobe's Technical Note 3 on TIFF)."""
    size, samples = data.dtype.itemsize, data.shape[-1]
    rows = np.ascontiguousarray(data).view(np.uint8).reshape(*data.shape[:-2], -1, samples)
    parts = np.cumsum(rows, axis=-2, dtype=np.uint8).reshape(*data.shape[:-2], size, -1)
    floats = np.ascontiguousarray(np.moveaxis(parts, -2, -1)).view(data.dtype.newbyteorder(">"))
    return floats.reshape(data.shape).astype(data.dtype.newbyteorder("="))
