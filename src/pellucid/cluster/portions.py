"""Large files that several processes share: pages of a stack, or bands of one large picture.

Each process opens the file for itself, restores its portion (`restored`) and keeps it in a file of its own; one then goes through
the whole file, takes the restored pictures from those files (`Together`) and writes the output, which is that of one process, to
the bit. A portion's file has a record for each picture: a line of JSON, and the bytes of its arrays.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

import numpy as np

from pellucid import batch, files, images
from pellucid.chains import Chain
from pellucid.cluster import parts
from pellucid.cluster.stores import TEMPORARY, Store
from pellucid.files import base
from pellucid.images import Image
from pellucid.restorer import Restoration, Restorer
from pellucid.rows import BAND, Rows
from pellucid.steps import Steps
from pellucid.tasks import Task
from pellucid.tasks.settings import FileSettings, Settings
from pellucid.views import View

__all__ = ["LARGE", "Large", "Portion", "Together", "divided", "named", "restored"]


class Large(NamedTuple):
    """Which files are shared, and how.

    ``bytes``: a smaller file is not looked at, which may mean to read it twice; ``pixels``: those that a file has in all, at least;
    ``portion``: those that a portion has, or more where there would be more portions than ``most`` (each reads what comes before it
    in the file).
    """

    bytes: int = 32_000_000
    pixels: int = 200_000_000
    portion: int = 32_000_000
    most: int = 64


LARGE = Large()
"""A file that takes one core a few minutes is shared."""


class Portion(NamedTuple):
    """A part of a file: the pages from ``first`` to before ``end``, or such bands of its one picture."""

    kind: str
    first: int
    end: int


def divided(
    path: Path, restorer: Restorer | Chain, settings: Settings | Steps, how: FileSettings, large: Large = LARGE
) -> list[Portion]:
    """The portions of a file; none where one process is to do it: it is not that large, or it cannot be taken apart.

    Raises `PellucidError` for a file that cannot be read.
    """
    if files.is_clip(path):
        return []
    with batch.document_of(path, restorer, settings, how) as document:
        page = next(iter(document.pages), None)
        if page is None:
            return []
        height, width, _ = page.pictures[0].pixels.shape
        pixels = height * width * document.count
        if pixels < large.pixels:
            return []
        if document.count > 1:
            return _shares("pages", document.count, pixels, large)
        picture = page.pictures[0]
        if len(page.pictures) > 1 or picture.mosaic is not None or not isinstance(restorer, Restorer):
            return []
        assert isinstance(settings, Settings)
        return _shares("bands", restorer.bands(View((picture,)), settings), pixels, large)


def _shares(kind: str, count: int, pixels: int, large: Large) -> list[Portion]:
    number = min(count, large.most, -(-pixels // large.portion))
    if number < 2:
        return []
    ends = [share * count // number for share in range(number + 1)]
    return [Portion(kind, first, end) for first, end in pairwise(ends)]


def named(portion: Portion, *about: object) -> str:
    """Where a portion of the file that this is ``about`` is kept in the store of outputs: the same for the same work."""
    return f"{TEMPORARY}/{parts.key(*about, *portion):016x}.portion"


def restored(
    path: Path,
    target: Path,
    portion: Portion,
    restorer: Restorer | Chain,
    task: Task | Steps,
    settings: Settings | Steps,
    how: FileSettings,
) -> batch.Outcome:
    """Restores a portion of the file ``path``, and keeps it in the new file ``target``. Errors are as of `batch.restore_pages`."""
    with target.open("xb") as file:
        summed = False

        def keep(picture: Image, settings: Settings | Steps, **beside: Any) -> Restoration:
            nonlocal summed
            if portion.kind == "bands":
                beside["rows"] = slice(portion.first, portion.end)
            result = restorer.details(picture, settings, **beside)  # type: ignore[arg-type]  # settings are the restorer's
            pixels = {"pixels": result.image.pixels}
            if portion.kind == "bands":
                _write(file, {}, pixels, result.seconds)
                return result
            about: dict[str, Any] = {"model": result.model}
            if not summed and not picture.empty:
                summed = True
                about |= {"line": settings.line(result.facts), "facts": parts.plain(task.facts_as_json(result.facts))}
            plain, arrays, whole = _changes(picture, result.image)
            about |= {"fields": plain, "whole": whole}
            _write(file, about, pixels | arrays if whole else {}, result.seconds)
            return result

        pages = range(1) if portion.kind == "bands" else range(portion.first, portion.end)
        return batch.restore_pages(path, pages, restorer, settings, how, keep)


class Together:
    """Restores the pictures of a file, as `batch.restore_files` takes it: has them from portions of the file, which are in a store.

    ``about`` has what the manifest says of the facts of the first page with any value, where the portions are pages: its ``line``
    and ``facts``.
    """

    def __init__(self, restorer: Restorer | Chain, store: Store, kept: Sequence[tuple[Portion, str]]) -> None:
        self.about: dict[str, str] = {}
        self._restorer = restorer
        self._store = store
        self._kept = kept
        self._opened = ExitStack()
        self._records = self._all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __call__(self, picture: Image, settings: Any, *, progress: Any = None, **beside: Any) -> Restoration:
        """The next picture of the file, restored: called as `Restorer.details`."""
        if self._kept[0][0].kind == "bands":
            records = list(self._records)
            strips = [arrays["pixels"] for _, arrays in records]
            shape = (sum(strip.shape[0] for strip in strips), *strips[0].shape[1:])
            bands = (band for strip in strips for band in strip.bands(_rows(strip.shape)))
            passed = images.streamed(shape, strips[0].dtype, bands)
            held = passed if isinstance(picture.pixels, Rows) else images.whole(passed)
            result = self._restorer.details(picture, settings, passed=held, progress=progress, **beside)  # type: ignore[call-arg]
            return replace(result, seconds=result.seconds + sum(record["seconds"] for record, _ in records))
        record, arrays = next(self._records)
        if not record["whole"]:
            return self._restorer.details(picture, settings, progress=progress, **beside)
        given: dict[str, Any] = {name: _decoded(value) for name, value in record["fields"].items()}
        for name, rows in arrays.items():
            given[name] = rows if name == "pixels" and isinstance(picture.pixels, Rows) else images.whole(rows)
        self.about = self.about or {name: record[name] for name in ("line", "facts") if name in record}
        image = replace(picture, **given)
        return Restoration(image, record["model"], record["seconds"], image.remarks)

    def _all(self) -> Iterator[tuple[dict[str, Any], dict[str, Rows]]]:
        for _, name in self._kept:
            path = self._opened.enter_context(self._store.fetched(name))
            yield from _read(self._opened.enter_context(path.open("rb")))


def _changes(before: Image, after: Image) -> tuple[dict[str, Any], dict[str, Any], bool]:
    """The fields of an image that changed, pixels apart: as JSON, and as arrays; and whether that is all of them, for some cannot
    be sent to another process."""
    plain: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for name in (each.name for each in fields(after) if each.name != "pixels"):
        value, old = getattr(after, name), getattr(before, name)
        if value is old:
            continue
        if isinstance(value, np.ndarray | Rows):
            arrays[name] = value
            continue
        try:
            plain[name] = _encoded(value)
        except TypeError:
            return {}, {}, False
    return plain, arrays, True


def _encoded(value: Any) -> Any:
    """JSON that `_decoded` reads; `TypeError` for what has none."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, np.dtype):
        return {"dtype": value.str}
    if type(value) is tuple:
        return [_encoded(each) for each in value]
    raise TypeError(f"{type(value).__name__} cannot be told to another process")


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(each) for each in value)
    if isinstance(value, dict):
        return np.dtype(value["dtype"]) if "dtype" in value else base64.b64decode(value["bytes"])
    return value


def _rows(shape: tuple[int, ...]) -> int:
    """The rows of an array of that shape that are written or read at once."""
    return max(1, BAND * shape[0] // max(1, int(np.prod(shape, dtype=np.int64))))


def _write(file: BinaryIO, about: dict[str, Any], arrays: dict[str, Any], seconds: float = 0.0) -> None:
    """Adds a record: what it is about, the arrays, and the seconds of the work, some of which is done as the rows are taken."""
    line = {**about, "arrays": {name: [value.dtype.str, *value.shape] for name, value in arrays.items()}}
    file.write(json.dumps(line).encode() + b"\n")
    for value in arrays.values():
        for band in value.bands(_rows(value.shape)) if isinstance(value, Rows) else (value,):
            file.write(np.ascontiguousarray(band, value.dtype).tobytes())
        seconds += value.seconds if isinstance(value, Rows) else 0.0
    file.write(f"{seconds}\n".encode())


def _read(file: BinaryIO) -> Iterator[tuple[dict[str, Any], dict[str, Rows]]]:
    """The records of a file, the arrays as rows that are read when they are taken."""
    at = 0
    while True:
        file.seek(at)
        line = file.readline()
        if not line:
            return
        about = json.loads(line)
        at += len(line)
        arrays: dict[str, Rows] = {}
        for name, (kind, *shape) in about["arrays"].items():
            arrays[name] = base.raw_rows(file, at, tuple(shape), np.dtype(kind))
            at += arrays[name].nbytes
        file.seek(at)
        end = file.readline()
        about["seconds"] = float(end)
        at += len(end)
        yield about, arrays
