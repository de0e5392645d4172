"""Reads and writes stills. `formats.FORMATS` lists what is known; digits in MNIST's IDX format are read, too.

Reading keeps what lies beside the pixels (alpha, colour profile, EXIF, XMP, IPTC, resolution) and turns the picture upright once;
writing goes to a temporary name in the same folder, then renames, and never replaces a file unless told to. `read` and `write` take
one picture; `open_pages` and `write_pages` any file, page by page, so that a stack needs no more memory than one of its pages.
"""

from __future__ import annotations

from pellucid.files.base import Document, Format, Page
from pellucid.files.claims import limited, within
from pellucid.files.encoders import is_clip
from pellucid.files.formats import (
    DNG,
    FORMATS,
    WRITTEN,
    check_depth,
    check_written,
    ending_named,
    ending_of,
    is_folder_of_pictures,
    is_folder_picture,
    is_raw,
    is_stack,
    list_images,
    names_picture,
    writable_name,
)
from pellucid.files.idx import MNIST_FILES, load_mnist, read_idx
from pellucid.files.metadata import ORIENTATION
from pellucid.files.raw import pictured
from pellucid.files.reading import check_length, open_pages, read
from pellucid.files.writing import at_depth, check_output, with_size, write, write_pages
from pellucid.saving import replacing

__all__ = [
    "DNG",
    "FORMATS",
    "MNIST_FILES",
    "ORIENTATION",
    "WRITTEN",
    "Document",
    "Format",
    "Page",
    "at_depth",
    "check_depth",
    "check_length",
    "check_output",
    "check_written",
    "ending_named",
    "ending_of",
    "is_clip",
    "is_folder_of_pictures",
    "is_folder_picture",
    "is_raw",
    "is_stack",
    "limited",
    "list_images",
    "load_mnist",
    "names_picture",
    "open_pages",
    "pictured",
    "read",
    "read_idx",
    "replacing",
    "with_size",
    "within",
    "writable_name",
    "write",
    "write_pages",
]
