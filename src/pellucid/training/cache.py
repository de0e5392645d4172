"""Decoded images in memory-mapped files: each is decoded once, and memory holds the parts in use.

The files lie in the user's cache folder, each with some hundred images in a row and an index behind them. They are mapped into
memory: pages stay there as long as nothing else needs the room, so that a folder which fits into memory is as quick as arrays, and
a larger one works. An image is identified by its file (path, size, time of change) and its `Form`; a second run decodes nothing.

If the images of a run need more than the cache may take, it learns from the middle of each: as much of it as fits.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from pellucid import memory, regular
from pellucid.engines import cache_folder
from pellucid.errors import DiskFull, FileError, MissingExtra, OptionError
from pellucid.saving import failure, is_full, replacing, sweep
from pellucid.training import shards
from pellucid.training.forms import OVERHEAD, Form, Levels, Source
from pellucid.training.shards import ALIGNED, ENDING, MAGIC, Kept
from pellucid.training.survey import Decoded, Facts

try:
    import fcntl
except ImportError:  # Windows: two runs may decode the same images, each for itself
    fcntl = None  # type: ignore[assignment]

__all__ = ["BUDGET", "Store", "opened"]

T = TypeVar("T")

U = TypeVar("U")

BUDGET = 20 * 10**9
"""Bytes that the cache may take by default: 3.8 gigapixels in colour at the three sizes of recipe ``photo``, which hold 700,000
crops of 96x96 that do not overlap. An hour of that recipe on two cores draws 280,000."""

SHARD = 256 * 2**20
"""Bytes of images in one file: few enough that a killed run loses little and that the oldest can be deleted alone, and enough that
20 GB are only 80 open files."""

PATIENCE_S = 2.0
"""Seconds after which the user is told that images are being decoded."""


@dataclass(frozen=True)
class Store:
    """The cache: ``folder`` (None: the user's), and the ``budget`` in bytes that it may take (None: `BUDGET`, or half of the disk's
    free room; 0: nothing is kept, images are held in memory). ``tell`` is called with a line when a step takes long."""

    folder: Path | None = None
    budget: int | None = None
    tell: Callable[[str], None] = lambda line: None

    def place(self) -> Path | None:
        """The folder, which is made if needed; None where nothing is kept, or the folder cannot be made."""
        base = self.folder or cache_folder()
        if self.budget == 0 or base is None:
            return None
        try:
            (base / "images").mkdir(parents=True, exist_ok=True)
        except OSError:
            return None
        return base / "images"

    def room(self, place: Path) -> int:
        """The bytes that the cache may take."""
        if self.budget is not None:
            return self.budget
        room = BUDGET
        # Halved until it fits, so that it seldom changes from day to day.
        while room > (shutil.disk_usage(place).free + shards.taken(place)) / 2 and room > SHARD:
            room //= 2
        return room


def opened(sources: Sequence[Source], form: Form, store: Store) -> tuple[list[Decoded | str], list[str]]:
    """Each image in the form asked for, or a line with the reason why it cannot be read; and lines about all of them.

    If the store has not enough room, each image is cropped to its middle. Raises `DiskFull`, `FileError` where the cache cannot be
    written, and `OptionError` where there is not even room for a small part of each image.
    """
    place = store.place()
    if place is None:
        notes = [] if store.budget == 0 else ["the cache folder cannot be written: decoded images are held in memory"]
        made = _ahead(lambda source: _made(source, form), sources)
        return [kept if isinstance(kept, str) else kept.picture for kept in made], notes
    room = store.room(place)
    run = _Run(place, room, sources, form)
    run.look()
    if not run.complete():
        with _alone(place, store.tell):
            sweep(place)
            # Another run may have made them in the meantime.
            run.look()
            if not run.complete():
                run.fill(store.tell)
    run.touch()
    notes = []
    if run.share < 1:
        whole, taken = memory.shown(run.whole), memory.shown(room)
        notes.append(
            f"the decoded images take {whole}, more than the cache of {taken}: the network learns from the middle of each "
            f"({run.share:.0%} of all pixels); --cache {math.ceil(run.whole / 1e9)}GB has room for all"
        )
    return [run.problems[index] if index in run.problems else run.kept[index].picture for index in range(len(sources))], notes


def _made(source: Source, form: Form, size: tuple[int, int] | None = None) -> Kept | str:
    """The decoded image, or its middle of ``size`` (height, width); or the reason why it cannot be read."""
    try:
        raw = source.read()
    except FileError as error:
        return f"left out: {error}"
    except MissingExtra as error:
        return f"left out: {source.name}: {error}"
    levels = raw.levels if size is None else _middle(raw.levels, size)
    return _formed(replace(raw, name=source.name), form.base(levels), form, form.keys(source)[0])


def _formed(picture: Decoded, base: Levels, form: Form, key: str) -> Kept:
    """The image with its smaller copies."""
    picture = replace(picture, levels=base, smaller=form.smaller(base))
    return Kept(picture, key, base.nbytes + sum(small.nbytes for _, small in picture.smaller) + OVERHEAD)


def _ahead(work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """The results in order, computed by a thread for each core; no more of them wait, so that memory holds only a few."""
    threads = os.cpu_count() or 1
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _middle(levels: Levels, size: tuple[int, int]) -> Levels:
    """The middle part of ``size`` (height, width)."""
    top, left = ((whole - part) // 2 for whole, part in zip(levels.shape, size, strict=False))
    return levels[top : top + size[0], left : left + size[1]]


class _Run:
    """The images of one run: those that the cache has, and those that are decoded now."""

    def __init__(self, place: Path, room: int, sources: Sequence[Source], form: Form) -> None:
        self.place, self.room, self.sources, self.form = place, room, sources, form
        self.kept: dict[int, Kept] = {}
        self.facts: dict[int, Facts] = {}
        self.each: dict[int, int] = {}
        self.problems: dict[int, str] = {}
        self.share, self.whole = 1.0, 0.0
        self.wanted: dict[int, tuple[int, int]] = {}

    def look(self) -> None:
        """Finds the run's images in the cache, of any size; damaged files are deleted."""
        index = shards.index(self.place)
        places: dict[int, tuple[Path, dict[str, Any]]] = {}
        for number, source in enumerate(self.sources):
            known = self.kept.get(number)
            if known is not None and known.file is not None and known.file.exists():
                continue
            for place, key in enumerate(self.form.keys(source)):
                entry = index.get(key)
                if entry is not None and not (place and entry[1]["facts"]["coloured"]):
                    places[number] = entry
                    break
        maps = {path: shards.mapped(path) for path in {path for path, _ in places.values()}}
        names = [source.name for source in self.sources]

        def checked(item: tuple[int, tuple[Path, dict[str, Any]]]) -> tuple[int, Path, Kept | None]:
            number, (path, entry) = item
            return number, path, shards.read(path, maps[path], entry, names[number])

        damaged = set()
        for number, path, kept in _ahead(checked, places.items()):
            if kept is None:
                damaged.add(path)
            else:
                self._take(number, kept)
        for path in damaged:
            shards.remove(path)
            for number in [number for number, kept in self.kept.items() if kept.file == path]:
                del self.kept[number]

    def _take(self, number: int, kept: Kept) -> None:
        self.kept[number] = kept
        self._note(number, kept)

    def _note(self, number: int, kept: Kept) -> None:
        self.facts[number] = kept.picture.facts
        self.each[number] = kept.picture.levels.shape[2] * kept.picture.levels.dtype.itemsize

    def complete(self) -> bool:
        """Whether every readable image is there, in the size that there is room for."""
        if len(self.facts) + len(self.problems) < len(self.sources):
            return False
        self._share()
        return self._missing() == [] and shards.taken(self.place) <= max(self.room, 1)

    def _missing(self) -> list[int]:
        return [number for number, size in self.wanted.items() if self._size(number) != size]

    def _size(self, number: int) -> tuple[int, ...] | None:
        return self.kept[number].picture.levels.shape[:2] if number in self.kept else None

    def _share(self) -> None:
        """Works out the share of each image's pixels that there is room for."""
        numbers = sorted(self.facts)
        sizes = np.array([self.facts[number].size for number in numbers], dtype=np.int64).reshape(-1, 2)
        each = np.array([self.each[number] for number in numbers])

        def taken(share: float) -> float:
            return float(self.form.bytes_of(_cut(sizes, share, self.form.least), each).sum())

        self.share, self.whole = 1.0, taken(1)
        if self.whole > self.room:
            if taken(0) > self.room:
                raise OptionError(
                    f"--cache {memory.shown(self.room)}: {len(numbers)} images need at least {memory.shown(taken(0))}, for the "
                    f"middle {self.form.least} pixels of each"
                )
            low, high = 0.0, 1.0
            for _ in range(30):
                middle = (low + high) / 2
                low, high = (middle, high) if taken(middle) <= self.room else (low, middle)
            self.share = low
        cut = _cut(sizes, self.share, self.form.least)
        self.wanted = {number: (int(size[0]), int(size[1])) for number, size in zip(numbers, cut, strict=True)}

    def fill(self, tell: Callable[[str], None]) -> None:
        """Decodes the missing images and writes them."""
        missing = [number for number in range(len(self.sources)) if number not in self.kept and number not in self.problems]
        begun, announced = time.monotonic(), False
        used = sum(kept.size for kept in self.kept.values())
        with _Writer(self) as writer:
            for number, made in zip(missing, _ahead(lambda number: _made(self.sources[number], self.form), missing), strict=True):
                if not announced and time.monotonic() - begun > PATIENCE_S:
                    tell(f"decoding {len(missing)} images, once: they stay in {self.place}")
                    announced = True
                if isinstance(made, str):
                    self.problems[number] = made
                    continue
                self._note(number, made)
                used += made.size
                # If they are too many, the crops are known once all sizes are.
                if used <= self.room:
                    writer.add(number, made)
        self._share()
        missing = self._missing()
        if missing and self.share < 1:
            tell(f"the cache may take {memory.shown(self.room)}: it keeps the middle of each image")
        # Files in use may hold images that no run needs any more: writing the others anew frees that room.
        if not missing and shards.taken(self.place) > self.room:
            self._evict(0)
            if shards.taken(self.place) > self.room:
                missing = list(self.wanted)
        with _Writer(self) as writer:
            for number, made in self._again(missing):
                writer.add(number, made)
        self._evict(0)

    def _again(self, numbers: list[int]) -> Iterator[tuple[int, Kept]]:
        """The images in the wanted size, cropped from kept ones where these are large enough."""

        def again(number: int) -> tuple[int, Kept | str]:
            kept, size, source = self.kept.get(number), self.wanted[number], self.sources[number]
            if kept is not None and all(has >= want for has, want in zip(kept.picture.levels.shape, size, strict=False)):
                base = np.ascontiguousarray(_middle(kept.picture.levels, size))
                return number, _formed(kept.picture, base, self.form, kept.key)
            return number, _made(source, self.form, size)

        for number, made in _ahead(again, numbers):
            if isinstance(made, str):
                # It could be read before, and cannot any more.
                self.problems[number] = made
                self.kept.pop(number, None)
            else:
                yield number, made

    def _evict(self, room: int) -> None:
        """Deletes files that this run does not use, the oldest first, until there is ``room`` for that many bytes more."""
        used = {kept.file for kept in self.kept.values()}
        taken = shards.taken(self.place)
        for path in sorted(shards.files(self.place), key=shards.age):
            if taken + room <= self.room:
                break
            if path not in used:
                taken -= shards.length(path)
                shards.remove(path)

    def touch(self) -> None:
        """Marks the files in use as the newest."""
        for path in {kept.file for kept in self.kept.values()}:
            if path is not None:
                with suppress(OSError):
                    os.utime(path)


def _cut(sizes: NDArray[np.int64], share: float, least: int) -> NDArray[np.int64]:
    """Heights and widths (n, 2) reduced to that share of the pixels, but not below ``least``. The difference is even, so that the
    middle stays in place."""
    small = np.maximum(np.minimum(sizes, least), (sizes * math.sqrt(share)).astype(np.int64))
    return small + (sizes - small) % 2


class _Writer:
    """Writes images of a run into files of at most `SHARD` bytes each (a single image may be larger)."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.limit = min(SHARD, run.room // 8)
        self.stack = ExitStack()
        self.file: BinaryIO | None = None
        self.path = run.place
        self.entries: list[tuple[int, dict[str, Any]]] = []

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.finish()
        else:
            # The unfinished file is deleted under its temporary name.
            self.stack.__exit__(kind, error, trace)  # type: ignore[arg-type]  # handed on as they came

    def add(self, number: int, made: Kept) -> None:
        """Writes an image; the run has it as soon as the file is complete."""
        try:
            if self.file is not None and self.file.tell() + made.size > self.limit:
                self.finish()
            if self.file is None:
                self._begin(max(self.limit, made.size))
            self.entries.append((number, shards.write(self.file, made)))  # type: ignore[arg-type]  # just begun
        except OSError as error:
            raise self._failure(error) from error

    def _begin(self, room: int) -> None:
        self.run._evict(room)
        self.path = self.run.place / f"{secrets.token_hex(8)}{ENDING}"
        temporary = self.stack.enter_context(replacing(self.path))
        self.file = self.stack.enter_context(temporary.open("wb"))
        self.file.write(MAGIC)

    def finish(self) -> None:
        """Writes the file's index, gives it its name and maps its images."""
        if self.file is None:
            return
        try:
            content = json.dumps([entry for _, entry in self.entries]).encode()
            self.file.write(content)
            tail = {"length": len(content), "crc": zlib.crc32(content)}
            self.file.write(json.dumps(tail).encode().rjust(ALIGNED) + MAGIC)
            self.file.flush()
            self.stack.close()
        except OSError as error:
            raise self._failure(error) from error
        except DiskFull as error:
            raise self._full() from error
        mapped = shards.mapped(self.path)
        for number, entry in self.entries:
            kept = None if mapped is None else shards.read(self.path, mapped, entry, self.run.sources[number].name, check=False)
            if kept is None:
                raise FileError(f"{self.path}: was written, but cannot be read")
            self.run._take(number, kept)
        self.file, self.entries = None, []

    def _failure(self, error: OSError) -> FileError:
        return self._full() if is_full(error) else failure(self.path, error)

    def _full(self) -> DiskFull:
        return DiskFull(f"{self.run.place}: the disk is full; --cache SIZE takes less, PELLUCID_CACHE names another folder")


_in_process = threading.Lock()


@contextmanager
def _alone(place: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Makes other processes wait while one decodes: it uses all cores, and they may need the same images."""
    with ExitStack() as stack:
        stack.enter_context(_in_process)
        if fcntl is not None:
            try:
                held = stack.enter_context(regular.opened(place / "lock", os.O_RDWR | os.O_CREAT, links=False))
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    tell("another run is decoding images; this one waits for it")
                    fcntl.flock(held, fcntl.LOCK_EX)
            except OSError as error:
                if is_full(error) or isinstance(error, PermissionError):
                    raise failure(place / "lock", error) from error
                # A file system without locks.
        yield
