"""OME-Zarr (NGFF), through zarr-python: the planes of an image pyramid, and the same pyramid again with other pixels.

An answer begins as a copy of the source's metadata, word for word, so that axes, units, chunks and compression stay what they are;
then the full resolution is written plane by plane, and each smaller level is made from the one above it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import FileError, OptionError
from pellucid.files import base
from pellucid.files.base import Document, Page, Reading, joined_rows, picture_of, picture_of_rows
from pellucid.files.claims import check_size
from pellucid.files.geometry import middle, ome_fitted
from pellucid.files.groups import copied, files_of, metadata, store, zarr
from pellucid.files.packing import BLOSC_HEAD, LARGEST_CHUNK, Packing, packing_of
from pellucid.images import FILE_DEPTHS, Image, Rows

__all__ = ["is_group", "open_zarr", "save_zarr", "without_words"]

ARRAY_FILES = (".zarray", ".zattrs", "zarr.json")
"""The files in an array's folder beside its chunks."""

SLAB = 128 << 20
"""Bytes up to which planes that share their chunks are read and written together: each chunk is then unpacked and packed once."""


@dataclass(frozen=True)
class Pyramid:
    """Where the source lies, its attributes' place, and the paths of its levels, largest first; ``steps`` are the factors between
    one level and the next by their own scales, for each axis (empty where they do not say), ``nearest`` whether smaller levels
    are single pixels of the larger and no means. ``strip``: what is no pixel and no scale is left out."""

    folder: Path
    version: int
    levels: tuple[str, ...]
    steps: tuple[tuple[float, ...], ...]
    nearest: bool
    strip: bool = False


def without_words(document: Document) -> Document:
    """The document without display settings, labels and whatever else lies beside the pyramid."""
    if not isinstance(document.about, Pyramid):
        return document
    return replace(document, about=replace(document.about, strip=True))


# -- metadata ---------------------------------------------------------------------------------------------------------


def is_group(folder: Path) -> bool:
    """Whether a Zarr group or array lies there."""
    return any((folder / name).exists() for name in (".zgroup", *ARRAY_FILES))


def _described(folder: Path) -> tuple[dict[str, Any], int]:
    """The group's metadata as an image, and its Zarr version."""
    if (folder / "zarr.json").exists():
        group = metadata(folder, "zarr.json")
        attributes = group.get("attributes")
        ome = attributes.get("ome") if isinstance(attributes, dict) else None
        return (ome if isinstance(ome, dict) else {}), 3
    if is_group(folder):
        return (metadata(folder, ".zattrs") if (folder / ".zattrs").exists() else {}), 2
    raise FileError("it holds no Zarr group: neither zarr.json nor .zgroup is there")


def _pyramid(folder: Path) -> tuple[Pyramid, tuple[str, ...]]:
    """The pyramid that the group describes, and the names of its axes (none where old versions do not say)."""
    ome, version = _described(folder)
    if "plate" in ome or "well" in ome:
        raise FileError(
            "this is a plate of many images (HCS), which are not read together; give one field as a folder NAME.zarr of its own"
        )
    if "image-label" in ome:
        raise FileError("it holds labels, not a picture")
    listed = ome.get("multiscales")
    if listed is None and "bioformats2raw.layout" in ome:
        raise FileError("this is a collection of images (bioformats2raw); give one of them, such as its folder 0, as NAME.zarr")
    if not isinstance(listed, list) or not listed:
        raise FileError("this is not an image of OME-Zarr: it has no multiscales metadata")
    if len(listed) > 1:
        raise FileError(f"it has {len(listed)} multiscales, and only one is read")
    one = listed[0]
    try:
        levels = tuple(str(level["path"]).strip("/") for level in one["datasets"])
        axes = tuple(str(axis["name"] if isinstance(axis, dict) else axis) for axis in one.get("axes", ()))
        scales = [_scale(level) for level in one["datasets"]]
        kind = str(one.get("type", "")).lower()
    except (TypeError, KeyError, AttributeError) as error:
        raise FileError("its multiscales metadata is damaged") from error
    for path in levels:
        # Never out of the folder, which is copied and written by these paths.
        if any(part in ("", ".", "..") for part in path.split("/")) or Path(path).is_absolute() or "\\" in path or "\0" in path:
            raise FileError(f"its multiscales metadata names a level {path[:60]!r}")
    if not levels or len(set(levels)) < len(levels):
        raise FileError("its multiscales metadata is damaged: it has no levels, or one twice")
    steps = tuple(
        tuple(low / high for low, high in zip(scales[at + 1], scales[at], strict=True))
        if len(scales[at]) == len(scales[at + 1])
        else ()
        for at in range(len(scales) - 1)
    )
    nearest = any(word in kind for word in ("nearest", "subsampl", "stride", "decimat"))
    return Pyramid(folder, version, levels, steps, nearest), axes


def _scale(level: dict[str, Any]) -> tuple[float, ...]:
    """The size of a level's pixels along each axis; nothing where it does not say."""
    for change in level.get("coordinateTransformations", ()):
        if change.get("type") == "scale" and isinstance(change.get("scale"), list):
            found = tuple(float(length) for length in change["scale"] if isinstance(length, int | float))
            return found if all(0 < length < math.inf for length in found) else ()
    return ()


def _packing(place: Path, level: str, version: int) -> Packing:
    """How a level's chunks are packed, by the metadata in its folder."""
    name = ".zarray" if version == 2 else "zarr.json"
    try:
        return packing_of(metadata(place, name), version)
    except FileError as error:
        raise FileError(f"level {level}: {error}") from error


def _array(folder: Path, level: str, version: int, *, mode: str) -> Any:
    """A level's array."""
    place = folder / level
    if not place.is_dir():
        raise FileError(f"the folder of its level {level} is missing")
    packing = _packing(place, level, version)
    # Chunks of nothing but the fill value, too: what has no chunk at all cannot be told from what was lost.
    source = store(place, packing) if mode == "r" else str(place)
    array = zarr().open_array(store=source, mode=mode, zarr_format=version, config={"write_empty_chunks": True})
    if array.dtype.name not in FILE_DEPTHS:
        raise FileError(f"values of type {array.dtype} are not an image; {', '.join(FILE_DEPTHS)} are read")
    if array.ndim < 2 or array.size == 0:
        raise FileError(f"level {level}: an array of shape {array.shape} is not a picture")
    if math.prod(_unit(array)) * array.dtype.itemsize > LARGEST_CHUNK:
        raise FileError(f"level {level}: chunks of shape {_unit(array)} are more than pellucid reads")
    return array


def _unit(array: Any) -> tuple[int, ...]:
    """The shape of what is packed as a whole, no more than the array's own."""
    return tuple(array.shards or array.chunks)


# -- reading ----------------------------------------------------------------------------------------------------------


@contextmanager
def open_zarr(path: Path, reading: Reading) -> Iterator[Document]:
    """The planes of the full resolution, in the order of the axes before y and x. Raises `MissingExtra`."""
    zarr()
    if reading.axes:
        raise OptionError(f"--axes {reading.axes}: an OME-Zarr names its axes itself; leave --axes out")
    # All of it, before anything is read: what an answer copies, too.
    for _ in files_of(path):
        pass
    pyramid, names = _pyramid(path)
    arrays = [_array(path, level, pyramid.version, mode="r") for level in pyramid.levels]
    array = arrays[0]
    if not names and array.ndim == 5:
        names = tuple("tczyx")  # as it was before version 0.3
    if len(names) != array.ndim or names[-2:] != ("y", "x"):
        raise FileError(
            f"its axes {', '.join(names) or '(none)'} do not end in y and x, or are not those of its array {array.shape}"
        )
    for upper, lower, steps in zip(arrays, arrays[1:], pyramid.steps, strict=False):
        _factors(upper, lower, steps)
    stored = _stored(path / pyramid.levels[0], pyramid.version)
    height, width = array.shape[-2:]
    leading = tuple(array.shape[:-2])
    count = math.prod(leading)
    size = array.dtype.itemsize
    # zarr-python unpacks a chunk and copies it.
    chunks = 2 * size * max(math.prod(_unit(each)) for each in arrays)
    banded = reading.sparing and height * width >= base.BANDED
    planes = 0 if banded else height * width * (max(size + 4, 8) + size * _depth(array))
    check_size(width, height, 1, stored, itemsize=size, pages=count, held=planes + chunks)
    letters = "".join(name.upper() if len(name) == 1 and name.isascii() else "Q" for name in names[:-2])
    yield Document(_planes(array, reading), count, leading, letters, pyramid)


def _stored(place: Path, version: int) -> int:
    """The bytes of a level's chunks. Raises `FileError` where there are none, and where one is cut off."""
    chunks = [file for file in files_of(place) if file.name not in ARRAY_FILES]
    if not chunks:
        raise FileError(f"level {place.name} has no chunks: the pixels are missing")
    packing = _packing(place, place.name, version)
    for file in chunks if packing.has_heads else ():
        with file.open("rb") as opened:
            header = opened.read(BLOSC_HEAD)
        try:
            packing.check_head(header, file.stat().st_size)
        except ValueError as error:
            raise FileError(f"its chunk {file.relative_to(place.parent).as_posix()} {error}") from error
    return sum(file.stat().st_size for file in chunks)


def _planes(array: Any, reading: Reading) -> Iterator[Page]:
    leading, (height, width) = array.shape[:-2], array.shape[-2:]
    if reading.sparing and height * width >= base.BANDED:
        for index in np.ndindex(*leading):
            rows = Rows((height, width), array.dtype.newbyteorder("="), _rows_of(array, index))
            yield Page((replace(picture_of_rows(rows, reading), flat=False),))
        return
    depth = _depth(array)
    slab: NDArray[Any] = np.empty(0)
    for index in np.ndindex(*leading):
        if depth == 1:
            values = np.asarray(array[index])
        else:
            within = index[-1] % depth
            if within == 0:
                slab = np.asarray(array[(*index[:-1], slice(index[-1], index[-1] + depth))])
            # A copy: a picture on its way must not hold the slab.
            values = slab[within].copy()
        yield Page((replace(picture_of(values, reading), flat=False),))


def _rows_of(array: Any, index: tuple[int, ...]) -> Any:
    def take(top: int, bottom: int) -> NDArray[Any]:
        values = np.asarray(array[(*index, slice(top, bottom))])
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    return take


def _depth(array: Any) -> int:
    """How many planes, one after another, share their chunks and fit into memory together."""
    if array.ndim < 3:
        return 1
    depth = min(_unit(array)[-3], array.shape[-3])
    return depth if depth * math.prod(array.shape[-2:]) * array.dtype.itemsize <= SLAB else 1


# -- writing ----------------------------------------------------------------------------------------------------------


def save_zarr(path: Path, pages: Iterator[Page], document: Document) -> None:
    """Fills the folder ``path`` with the source's metadata, these planes, and smaller levels made from them.

    The rest of the source's group (labels, OME-XML) is copied, unless words are stripped. Raises `FileError` where the pages come
    from from no OME-Zarr or have another size or dtype than its planes, and `MissingExtra`.
    """
    about = document.about
    if not isinstance(about, Pyramid):
        raise FileError("an OME-Zarr is written only from one; write TIFF")
    first = next(pages)
    _copy_beside(about, path)
    _renew_metadata(about, path, _enlarge(about, path, first.pictures[0]))
    arrays = [_array(path, level, about.version, mode="r+") for level in about.levels]
    full = arrays[0]
    writer = _Writer(full)
    for index, page in zip(np.ndindex(*full.shape[:-2]), chain([first], pages), strict=True):
        rows = joined_rows(page)
        if rows.shape != full.shape[-2:] or rows.dtype != full.dtype.newbyteorder("="):
            raise FileError(
                f"a picture of {rows.shape} {rows.dtype} is not a plane of its source's {full.shape} {full.dtype}; write TIFF"
            )
        writer.put(index, rows)
    for upper, lower, steps in zip(arrays, arrays[1:], about.steps, strict=False):
        _shrink(upper, lower, _factors(upper, lower, steps), nearest=about.nearest)


def _copy_beside(about: Pyramid, into: Path) -> None:
    """All of the source's group but the chunks of its levels."""
    levels = [about.folder / level for level in about.levels]
    for file in files_of(about.folder):
        level = next((place for place in levels if place in file.parents), None)
        if level is not None and (file.parent != level or file.name not in ARRAY_FILES):
            continue
        if level is None and about.strip and not (file.name in (".zgroup", *ARRAY_FILES) and _above(file.parent, levels)):
            continue
        # The copy of all metadata in one place would tell of the old one; every reader does without it.
        if file == about.folder / ".zmetadata":
            continue
        copied(file, into / file.relative_to(about.folder))


def _above(folder: Path, levels: list[Path]) -> bool:
    return any(folder in level.parents for level in levels)


def _enlarge(about: Pyramid, into: Path, image: Image) -> tuple[Fraction, Fraction]:
    """Makes room in the arrays for planes of the image's size, each smaller level in its proportion; by how many times planes are
    higher and wider."""
    name = ".zarray" if about.version == 2 else "zarr.json"
    entries = [metadata(into / level, name) for level in about.levels]
    shapes = [[int(side) for side in entry["shape"][-2:]] for entry in entries]
    made = [list(image.pixels.shape[:2])]
    if made[0] == shapes[0]:
        return Fraction(1), Fraction(1)
    for upper, lower in pairwise(shapes):
        # 5 pixels become 2 or 3 at a factor of 2; so do those of the output.
        halves = []
        for many, few, whole in zip(upper, lower, made[-1], strict=True):
            factor = max(1, round(many / few))
            halves.append(max(1, whole // factor if few == many // factor else -(-whole // factor)))
        made.append(halves)
    for level, entry, sides in zip(about.levels, entries, made, strict=True):
        entry["shape"][-2:] = sides
        (into / level / name).write_text(json.dumps(entry, indent=2), "utf-8")
    grown = Fraction(made[0][0], shapes[0][0]), Fraction(made[0][1], shapes[0][1])
    for file in [found for found in files_of(into) if found.name == "METADATA.ome.xml"]:
        file.write_text(ome_fitted(file.read_text("utf-8"), grown[1], grown[0]), "utf-8")
    return grown


def _refined(multiscale: dict[str, Any], grown: tuple[Fraction, Fraction]) -> None:
    """Makes the pixels of each level as much smaller as there are more of them; the middle of the first one moves where a level
    says where it is."""
    for level in multiscale["datasets"]:
        changes = {change.get("type"): change for change in level.get("coordinateTransformations", ())}
        scale, translation = (changes.get(kind, {}).get(kind) for kind in ("scale", "translation"))
        if not isinstance(scale, list) or len(scale) < 2:
            continue
        for axis, times in zip((-2, -1), grown, strict=True):
            if isinstance(translation, list) and len(translation) == len(scale):
                translation[axis] += scale[axis] * middle(times)
            scale[axis] = scale[axis] / float(times)


def _renew_metadata(about: Pyramid, into: Path, grown: tuple[Fraction, Fraction]) -> None:
    """Puts right what the group says where it is no longer so; its file stays as it is, byte for byte, where all of it is."""
    name = ".zattrs" if about.version == 2 else "zarr.json"
    before = metadata(into, name)
    group = json.loads(json.dumps(before))
    group.pop("consolidated_metadata", None)
    ome = group if about.version == 2 else group["attributes"]["ome"]
    one = ome["multiscales"][0]
    if "type" in one and not about.nearest and "mean" not in str(one["type"]):
        one["type"] = "mean"
        one.pop("metadata", None)  # how the source's levels were made
    if grown != (Fraction(1), Fraction(1)):
        _refined(one, grown)
    if about.strip:
        for key in [key for key in ome if key not in ("version", "multiscales")]:
            del ome[key]
        if about.version == 3:
            group["attributes"] = {"ome": ome}
    if group != before:
        (into / name).write_text(json.dumps(group, indent=2), "utf-8")


class _Writer:
    """Writes planes one after another, those that share their chunks together where `SLAB` lets it."""

    def __init__(self, array: Any) -> None:
        self.array = array
        self.depth = _depth(array)
        self.slab: NDArray[Any] | None = None

    def put(self, index: tuple[int, ...], rows: Rows) -> None:
        """The plane at that index of the leading axes; planes come in their order."""
        array = self.array
        if self.depth == 1:
            height = max(1, _unit(array)[-2])
            for number, band in enumerate(rows.bands(height)):
                array[(*index, slice(number * height, number * height + len(band)))] = band
            return
        within = index[-1] % self.depth
        begin = index[-1] - within
        if self.slab is None:
            self.slab = np.empty((min(self.depth, array.shape[-3] - begin), *array.shape[-2:]), rows.dtype)
        self.slab[within] = rows.take(0, rows.shape[0])
        if within == len(self.slab) - 1:
            array[(*index[:-1], slice(begin, begin + len(self.slab)))] = self.slab
            self.slab = None


def _factors(upper: Any, lower: Any, steps: tuple[float, ...]) -> tuple[NDArray[np.intp], ...]:
    """For each axis where the pixels of the lower level begin in the upper one, and as last number where the last ends."""
    if lower.ndim != upper.ndim or lower.dtype != upper.dtype:
        raise FileError(f"levels of {upper.shape} {upper.dtype} and {lower.shape} {lower.dtype} are not a pyramid")
    if any(few > many for many, few in zip(upper.shape, lower.shape, strict=True)):
        raise FileError(f"a level of {lower.shape} below one of {upper.shape} is not a pyramid")
    found = []
    for axis, (many, few) in enumerate(zip(upper.shape, lower.shape, strict=True)):
        stated = round(steps[axis]) if len(steps) == upper.ndim and steps[axis] < many + 1 else 0
        # 5 pixels become 2 or 3 at a factor of 2; a level that fits no whole factor gets shares as even as can be.
        factor = next((one for one in (stated, round(many / few)) if one > 0 and few in (many // one, -(-many // one))), None)
        edges = np.arange(few + 1) * factor if factor is not None else np.arange(few + 1) * many // few
        found.append(np.minimum(edges, many))
    return tuple(found)


def _shrink(upper: Any, lower: Any, edges: tuple[NDArray[np.intp], ...], *, nearest: bool) -> None:
    """Fills the lower level with the means of the upper one's pixels (or with the first of each), band by band."""
    dtype = lower.dtype.newbyteorder("=")
    writer = _Writer(lower)

    def plane(index: tuple[int, ...]) -> Rows:
        spans = [range(edges[axis][at], edges[axis][at + 1]) for axis, at in enumerate(index)]

        def take(top: int, bottom: int) -> NDArray[Any]:
            lines, columns = edges[-2][top : bottom + 1], edges[-1]
            total: NDArray[np.float64] | None = None
            places = list(np.ndindex(*(len(span) for span in spans)))
            for place in places[:1] if nearest else places:
                at = tuple(span[offset] for span, offset in zip(spans, place, strict=True))
                band = np.asarray(upper[(*at, slice(int(lines[0]), int(lines[-1])))])[:, : columns[-1]]
                if nearest:
                    picked: NDArray[Any] = band[np.ix_(lines[:-1] - lines[0], columns[:-1])].astype(dtype)
                    return picked
                # Columns first: what is left is smaller.
                part = np.add.reduceat(band, columns[:-1], axis=1, dtype=np.float64)
                part = np.add.reduceat(part, lines[:-1] - lines[0], axis=0)
                total = part if total is None else total + part
            assert total is not None
            total /= np.outer(np.diff(lines), np.diff(columns)) * len(places)
            return (np.rint(total) if dtype.kind in "iu" else total).astype(dtype)

        return Rows(lower.shape[-2:], dtype, take)

    for index in np.ndindex(*lower.shape[:-2]):
        writer.put(index, plane(index))
