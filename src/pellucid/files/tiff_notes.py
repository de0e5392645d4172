"""The metadata of a TIFF that pellucid keeps to write it again."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.files.base import Document
from pellucid.images import Image
from pellucid.ranges import mirrored

MINISWHITE, MINISBLACK, RGB, PALETTE, MASK, INKS, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
"""Values of the tag PhotometricInterpretation."""

ASSOCIATED, UNASSOCIATED = 1, 2
ALPHAS = (ASSOCIATED, UNASSOCIATED)
"""Values of the tag ExtraSamples: alpha that colours are multiplied by, and alpha that they are not; 0 is anything else."""

REDUCED, TRANSPARENCY = 1, 4
"""Bits of the tag NewSubfileType."""

JPEG = 7
COMPRESSIONS = {1: None, 5: "lzw", 8: "adobe_deflate", 32946: "adobe_deflate", 50000: "zstd"}
"""Tag Compression -> what is written. Everything else, such as JPEG, is written with deflate: nothing is lost again."""

LARGEST_VALUE, SMALLEST_VALUE = 281, 280
ICC, XMP, IPTC = 34675, 700, 33723
SAMPLE_VALUES = (340, 341)
GDAL_NODATA = 42113

WORDS = (269, 270, 271, 272, 285, 305, 306, 315, 316, 33432, 40091, 40092, 40093, 40094, 40095)
"""Tags about the picture that EXIF shares: document's and page's name, description, maker, model, software, date, artist, host,
copyright, and Windows' title, comment, author, keywords, subject."""

PLACES = (33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113, 50844)
"""GeoTIFF's and GDAL's tags: where on Earth the pixels lie, and which value means none."""

OME_KEY = "OME-XML"

IMAGEJ_PLACES = ("ROI", "Overlays", "roi", "overlays")
"""ImageJ's metadata that name places in pixels, packed in a format of its own."""

IMAGEJ_ORIGINS = {"xorigin": "X", "yorigin": "Y"}
"""ImageJ's metadata that say, in pixels, where coordinates begin, and along which axis."""

IMAGEJ_WORDS = ("Info", "Labels", "Properties")
"""ImageJ's metadata that only tells; the rest says what the axes and colours are."""


@dataclass(frozen=True)
class TiffNotes:
    """How a page was stored, and tags that are passed on as they are (code, type, count, value).

    ``kind`` are PhotometricInterpretation and ExtraSamples, ``samples`` how many a pixel had.
    """

    compression: str | None = "adobe_deflate"
    separate: bool = False
    inverted: bool = False
    tile: tuple[int, int] | None = None
    kind: tuple[int, tuple[int, ...]] = (MINISBLACK, ())
    samples: int | None = None
    description: bytes | None = None
    resolution: tuple[float, float] | None = None
    tags: tuple[tuple[int, int, int, Any], ...] = ()


@dataclass(frozen=True)
class TiffFile:
    """Metadata of the file as a whole, and the name that it had."""

    big: bool
    name: str


@dataclass(frozen=True)
class ImageJStack:
    """ImageJ's own kind of file: its whole shape and axes (of TZCYXS), metadata by name, how it was stored."""

    shape: tuple[int, ...]
    axes: str
    dtype: str
    photometric: int
    metadata: tuple[tuple[str, Any], ...]
    resolution: tuple[float, float]
    unit: int
    compression: str | None


@dataclass(frozen=True)
class Planes:
    """Pages that belong together as colour, by ``--axes``: the array's whole shape and its axes."""

    shape: tuple[int, ...]
    axes: str


def extras_of(page: Any) -> tuple[int, ...]:
    """The kind of each sample of a page beyond its colours: the tag ExtraSamples."""
    return tuple(int(kind) for kind in page.extrasamples)


def as_light(values: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers without sign (h, w) or (h, w, n) whose 0 is white as those whose 0 is black, and back; alpha stays."""
    top = np.iinfo(values.dtype).max
    if values.ndim == 2:
        return mirrored(values, top)
    made = values.copy()
    made[..., 0] = mirrored(values[..., 0], top)
    return made


def nodata_tag(value: float) -> tuple[int, int, int, Any]:
    """GDAL's tag for the value that is no image."""
    return GDAL_NODATA, 2, 0, f"{value:.17g}"


def imagej_fitted(about: ImageJStack, shape: tuple[int, ...]) -> ImageJStack:
    """The stack with planes of another size: as many pixels more for each unit of length. Selections, which count pixels, go."""
    grown = {axis: after / before for axis, before, after in zip(about.axes, about.shape, shape, strict=True)}
    across, down = about.resolution
    factors = {name: grown[axis] for name, axis in IMAGEJ_ORIGINS.items()}
    kept = tuple(
        (key, value * factors[key] if key in factors and isinstance(value, int | float) else value)
        for key, value in about.metadata
        if key not in IMAGEJ_PLACES
    )
    return replace(about, resolution=(across * grown["X"], down * grown["Y"]), metadata=kept)


def without_words(document: Document) -> Document:
    """The document without ImageJ's texts."""
    if not isinstance(document.about, ImageJStack):
        return document
    kept = tuple((key, value) for key, value in document.about.metadata if key not in IMAGEJ_WORDS)
    return replace(document, about=replace(document.about, metadata=kept))


def at_depth(image: Image) -> Image:
    """The image, whose values are in another dtype than when it was read, without tags that state values in the old one."""
    notes = image.notes
    if isinstance(notes, TiffNotes):
        tags = tuple(tag for tag in notes.tags if tag[0] not in (SMALLEST_VALUE, LARGEST_VALUE, *SAMPLE_VALUES, GDAL_NODATA))
        image = replace(image, notes=replace(notes, tags=tags))
    if OME_KEY not in dict(image.text):
        return image
    kind = {"float32": "float"}.get(image.dtype.name, image.dtype.name)

    def retyped(found: re.Match[str]) -> str:
        return re.sub(r'\sSignificantBits="[^"]*"', "", re.sub(r'(\sType=")[^"]*', rf"\g<1>{kind}", found[0]))

    return replace(
        image, text=tuple((key, re.sub(r"<Pixels\b[^>]*", retyped, text) if key == OME_KEY else text) for key, text in image.text)
    )
