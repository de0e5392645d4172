"""Statements of a picture's size in its file, changed where the picture has become larger: it keeps its physical size.

Sizes in pixels follow the picture. Pixels for each inch, metre or micrometre grow with it; the size of a pixel shrinks. Coordinates
are those of the formats: where a pixel's corner is counted from, corners stay where they were; where its middle is, the middle of
the first pixel moves.
"""

from __future__ import annotations

import html
import json
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

from pellucid.files.metadata import EXIF_HEAD, SUBJECTS
from pellucid.images import Image

__all__ = ["Tag", "fitted", "geotiff_fitted", "middle", "ome_fitted", "ome_renamed", "ome_sampled", "shaped_fitted"]

EXIF_IFD, INTEROPERABILITY_IFD = 0x8769, 0xA005
"""Tags of EXIF whose values are the places of further directories."""

WIDTHS, HEIGHTS = (0x0100, 0xA002, 0x1001), (0x0101, 0xA003, 0x1002)
"""EXIF's ImageWidth and ImageLength, PixelXDimension and PixelYDimension, RelatedImageWidth and RelatedImageLength."""

DENSITIES_ACROSS, DENSITIES_DOWN = (0x011A, 0xA20E), (0x011B, 0xA20F)
"""EXIF's XResolution and YResolution, FocalPlaneXResolution and FocalPlaneYResolution."""

SHORT, LONG, RATIONAL = 3, 4, 5
"""Types of EXIF's values."""

LARGEST, LARGEST_SHORT = 2**32 - 1, 2**16 - 1

PIXEL_SCALE, TIE_POINTS, TRANSFORMATION, GEO_KEYS, RASTER_TYPE, IS_POINT = 33550, 33922, 34264, 34735, 1025, 2
"""GeoTIFF's tags ModelPixelScale, ModelTiepoint, ModelTransformation and GeoKeyDirectory; the key GTRasterType, and its value where
coordinates are those of pixels' middles."""

RPC, RPC_OFFSETS, RPC_SCALES = 50844, (2, 3), (7, 8)
"""The tag RPCCoefficient, by which satellites' pictures lie on Earth; and its numbers that count rows and columns, from the middle
of the first pixel."""

Tag = tuple[int, int, int, Any]
"""A TIFF's tag: code, type, count, value."""


def fitted(image: Image) -> Image:
    """The image with what EXIF, XMP and the resolution say of its size, as its pixels are now."""
    down, across = image.grown
    if not image.is_grown:
        return image
    height, width = image.pixels.shape[:2]
    resolution = image.resolution and (image.resolution[0] * float(across), image.resolution[1] * float(down))
    top, left = image.corner or (0, 0)
    exif = image.exif and _exif_fitted(image.exif, (width, height), (across, down), (left, top))
    xmp = image.xmp and _xmp_fitted(image.xmp, width, height, across, down)
    return replace(image, resolution=resolution, exif=exif, xmp=xmp)


def middle(grown: Fraction) -> float:
    """Where the middle of the first pixel comes to lie, in pixels as they were, from where that of the first one was."""
    return float(1 / (2 * grown) - Fraction(1, 2))


# -- EXIF -------------------------------------------------------------------------------------------------------------


def _exif_fitted(exif: bytes, size: tuple[int, int], grown: tuple[Fraction, Fraction], corner: tuple[int, int]) -> bytes:
    """EXIF of a picture of this ``size`` that has grown by these factors, or begins at this ``corner``; all across, then down."""
    head = EXIF_HEAD if exif.startswith(EXIF_HEAD) else b""
    data = bytearray(exif[len(head) :])
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        return exif
    try:
        _directory_fitted(data, order, struct.unpack_from(order + "I", data, 4)[0], size, grown, corner, depth=0)
    except struct.error:
        # EXIF data that cannot be followed stays as it is: no reader could follow it before, either.
        return exif
    return head + bytes(data)


def _directory_fitted(
    data: bytearray,
    order: str,
    start: int,
    size: tuple[int, int],
    grown: tuple[Fraction, Fraction],
    corner: tuple[int, int],
    depth: int,
) -> None:
    """Changes the entries of the directory at ``start`` in their places, and those of the directories inside."""
    (count,) = struct.unpack_from(order + "H", data, start)
    for index in range(count):
        place = start + 2 + 12 * index
        tag, kind, length, value = struct.unpack_from(order + "HHII", data, place)
        if kind == SHORT and length in SUBJECTS.get(tag, ()):
            at = place + 8 if length == 2 else value
            numbers = struct.unpack_from(f"{order}{length}H", data, at)
            begin = (*corner, 0, 0)
            moved = (round((number - begin[index]) * grown[index % 2]) for index, number in enumerate(numbers))
            struct.pack_into(f"{order}{length}H", data, at, *(min(max(number, 0), LARGEST_SHORT) for number in moved))
        if length != 1:
            continue
        if tag in (EXIF_IFD, INTEROPERABILITY_IFD) and depth < 2:
            try:
                _directory_fitted(data, order, value, size, grown, corner, depth + 1)
            except struct.error:
                continue
        elif tag in (*WIDTHS, *HEIGHTS) and kind in (SHORT, LONG):
            # A long in the place of a short: what has no more than 65,535 pixels may grow beyond.
            struct.pack_into(order + "HHII", data, place, tag, LONG, 1, size[tag in HEIGHTS])
        elif tag in (*DENSITIES_ACROSS, *DENSITIES_DOWN) and kind == RATIONAL:
            above, below = struct.unpack_from(order + "II", data, value)
            if below:
                density = _rational(Fraction(above, below) * grown[tag in DENSITIES_DOWN])
                struct.pack_into(order + "II", data, value, density.numerator, density.denominator)


def _rational(value: Fraction) -> Fraction:
    """The value, or the nearest one of two numbers of 32 bits."""
    limit = LARGEST
    while value.numerator > LARGEST or value.denominator > LARGEST:
        limit //= 2
        value = value.limit_denominator(max(1, limit))
        if limit == 0:
            return Fraction(LARGEST)
    return value


# -- XMP --------------------------------------------------------------------------------------------------------------


def _xmp_fitted(xmp: bytes, width: int, height: int, across: Fraction, down: Fraction) -> bytes:
    def put(names: str, change: Any) -> None:
        nonlocal xmp
        for name in names.split():
            key = re.escape(name.encode())
            pattern = rb"(" + key + rb"\s{0,9}=\s{0,9}[\"']|<" + key + rb">)([0-9./]{1,30})(?=[\"'<])"
            xmp = re.sub(pattern, lambda found: found[1] + change(found[2]), xmp)

    def times(grown: Fraction) -> Any:
        def change(text: bytes) -> bytes:
            try:
                value = Fraction(text.decode()) * grown
            except (ValueError, ZeroDivisionError):
                return text
            if b"/" in text:
                return f"{value.numerator}/{value.denominator}".encode()
            return f"{float(value):.10g}".encode() if b"." in text else str(round(value)).encode()

        return change

    put("tiff:ImageWidth exif:PixelXDimension", lambda _: str(width).encode())
    put("tiff:ImageLength tiff:ImageHeight exif:PixelYDimension", lambda _: str(height).encode())
    put("tiff:XResolution exif:FocalPlaneXResolution stDim:w", times(across))
    put("tiff:YResolution exif:FocalPlaneYResolution stDim:h", times(down))
    put("GPano:FullPanoWidthPixels GPano:CroppedAreaImageWidthPixels GPano:CroppedAreaLeftPixels", times(across))
    put("GPano:FullPanoHeightPixels GPano:CroppedAreaImageHeightPixels GPano:CroppedAreaTopPixels", times(down))
    return xmp


# -- OME-XML, GeoTIFF, tifffile's own ---------------------------------------------------------------------------------


def ome_fitted(xml: str, across: Fraction, down: Fraction) -> str:
    """OME-XML with the sizes of its images, and of their pixels, changed; regions of interest move along."""

    def times(grown: Fraction, text: str) -> str:
        return f"{float(text) * float(grown):.12g}"

    def whole(grown: Fraction, text: str) -> str:
        return str(round(int(text) * grown))

    def put(tag: str, names: str, change: Callable[[str], str]) -> str:
        return re.sub(rf'(\s{names}=["\'])([-+0-9.eE]+)', lambda at: at[1] + change(at[2]), tag)

    def pixels(found: re.Match[str]) -> str:
        tag = found[0]
        for axis, grown in (("X", across), ("Y", down)):
            tag = put(tag, f"Size{axis}", partial(whole, grown))
            tag = put(tag, f"PhysicalSize{axis}", partial(times, 1 / grown))
        return tag

    def shape(found: re.Match[str]) -> str:
        tag = found[0]
        for names, grown in (("X|X1|X2|Width|RadiusX", across), ("Y|Y1|Y2|Height|RadiusY", down)):
            tag = put(tag, f"(?:{names})", partial(times, grown))
        return re.sub(r'(\sPoints=["\'])([^"\']*)', lambda at: at[1] + points(at[2]), tag)

    def points(text: str) -> str:
        pairs = re.findall(r"([-+0-9.eE]+)\s*,\s*([-+0-9.eE]+)", text)
        return " ".join(f"{times(across, left)},{times(down, top)}" for left, top in pairs)

    try:
        xml = re.sub(r"<(?:\w+:)?Pixels\s[^>]*>", pixels, xml)
        return re.sub(r"<(?:\w+:)?(?:Rectangle|Ellipse|Point|Line|Polyline|Polygon|Label|Mask)\s[^>]*>", shape, xml)
    except ValueError:
        # A number that is none: no reason to lose the picture.
        return xml


def geotiff_fitted(tags: Sequence[Tag], across: Fraction, down: Fraction, corner: tuple[int, int] | None = None) -> tuple[Tag, ...]:
    """GeoTIFF's tags for pixels that have become smaller by these factors, or for a part that begins at this row and column."""
    keys = next((value for code, _, _, value in tags if code == GEO_KEYS), ())
    entries = [tuple(keys[at : at + 4]) for at in range(4, len(keys) - 3, 4)] if isinstance(keys, tuple) else []
    middles = any(entry[0] == RASTER_TYPE and entry[3] == IS_POINT for entry in entries)
    x, y = float(across), float(down)
    # The first pixel's middle, in pixels as they were; corners stay.
    off_x, off_y = (middle(across), middle(down)) if middles else (0.0, 0.0)
    if corner is not None:
        off_y, off_x = corner

    def changed(tag: Tag) -> Tag:
        code, kind, count, value = tag
        if not isinstance(value, tuple):
            return tag
        numbers = list(value)
        if code == PIXEL_SCALE and count >= 2:
            numbers[:2] = [numbers[0] / x, numbers[1] / y]
        elif code == TIE_POINTS:
            for at in range(0, count - 5, 6):
                numbers[at : at + 2] = [(numbers[at] - off_x) * x, (numbers[at + 1] - off_y) * y]
        elif code == TRANSFORMATION and count == 16:
            for row in (0, 4, 8):
                numbers[row + 3] += numbers[row] * off_x + numbers[row + 1] * off_y
                numbers[row : row + 2] = [numbers[row] / x, numbers[row + 1] / y]
        elif code == RPC and count == 92:
            start = corner or (middle(down), middle(across))
            for place, length, first, factor in zip(RPC_OFFSETS, RPC_SCALES, start, (y, x), strict=True):
                numbers[place], numbers[length] = (numbers[place] - first) * factor, numbers[length] * factor
        return code, kind, count, tuple(numbers)

    return tuple(changed(tag) for tag in tags)


def shaped_fitted(description: bytes, before: tuple[int, int, int], after: tuple[int, int, int]) -> bytes | None:
    """tifffile's own description of a stack's shape; None where it does not speak of pages that were ``before`` (height, width,
    samples), or has the samples elsewhere and there are others ``after``."""
    try:
        entries = json.loads(description)
        shape = list(entries["shape"])
    except (ValueError, KeyError, TypeError):
        return None
    # Samples stand last, if at all; or before the height, as an axis of the stack does.
    last = tuple(shape[-3:]) == before
    end = len(shape) - last
    if not last and (tuple(shape[-2:]) != before[:2] or (before[2] > 1 and before[2] != after[2])):
        return None
    axes = entries.get("axes")
    if before[2] != after[2] and axes is not None:
        entries["axes"] = axes[:end] + "S"
    entries["shape"] = [*shape[: end - 2], *after[:2], *([after[2]] if last or before[2] != after[2] else [])]
    return json.dumps(entries).encode()


def ome_sampled(xml: str, before: int, after: int) -> str:
    """OME-XML of pages that had ``before`` samples and have ``after``: each channel of its images is one such page."""

    def pixels(found: re.Match[str]) -> str:
        return re.sub(r'(\sSizeC=["\'])(\d+)', lambda at: at[1] + str(max(1, int(at[2]) // before) * after), found[0])

    def channel(found: re.Match[str]) -> str:
        tag = re.sub(r'\sSamplesPerPixel=["\'][^"\']*["\']', "", found[0])
        return re.sub(r"(/?>)$", rf' SamplesPerPixel="{after}"\1', tag)

    xml = re.sub(r"<(?:\w+:)?Pixels\s[^>]*>", pixels, xml)
    return re.sub(r"<(?:\w+:)?Channel\s[^>]*>", channel, xml)


def ome_renamed(xml: str, before: str, after: str) -> str:
    """OME-XML of the file ``before`` in a file ``after``; the other files of a set that it lies in keep their names.

    Its own planes are those with the file's UUID; where it has none, those under its name, or under the only name that there is.
    """
    places = re.findall(r"<(?:\w+:)?UUID\s[^>]*FileName=[\"']([^\"']*)[\"'][^>]*>([^<]*)<", xml)
    own = re.search(r"<(?:\w+:)?OME\s[^>]*\sUUID=[\"']([^\"']*)", xml)
    uuid = own[1].strip() if own and any(own[1].strip() == each.strip() for _, each in places) else None
    called = {html.unescape(place) for place, _ in places}
    known = before if before in called or len(called) > 1 else next(iter(called), before)

    def renamed(found: re.Match[str]) -> str:
        mine = found[4].strip() == uuid if uuid is not None else html.unescape(found[2]) == known
        return f"{found[1]}{html.escape(after)}{found[3]}{found[4]}" if mine else found[0]

    return re.sub(r"(<(?:\w+:)?UUID\s[^>]*FileName=[\"'])([^\"']*)([\"'][^>]*>)([^<]*)", renamed, xml)
