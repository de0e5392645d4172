"""Folders and object stores: what is in them, page by page; files brought here, and put there under a temporary name first.

A `Store` is a folder of this machine (`Folder`) or anything that fsspec opens (`Bucket`: ``s3://``, ``gs://``, ``az://``,
``memory://``). Credentials come from the environment, as each store's own library takes them.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import secrets
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from pellucid import files, manifest, plan, regular, saving
from pellucid.cluster import libraries
from pellucid.errors import FileError, OptionError, PellucidError
from pellucid.plan import Selection
from pellucid.same import identity

__all__ = ["MANIFEST", "Bucket", "Folder", "Found", "Store", "is_url", "open_store"]

Result = TypeVar("Result")

MANIFEST = "pellucid-manifest"
"""The folder of the manifest in the folder of outputs."""

TEMPORARY = ".pellucid-tmp"
"""The folder of a bucket in which objects lie until they get their names."""

TRIES = 8
"""How often a request to a store is made before it counts as failed: for half a minute, since stores throttle for some seconds."""

PAUSE = 0.5
"""Seconds before the second try; each further pause is twice as long, up to `LONGEST`, and up to a fifth shorter or longer, so that
requests which were refused together do not come back together."""

LONGEST = 8.0
"""The longest pause, seconds."""

FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, NotImplementedError)
"""Errors that another try would not change."""


class Found(NamedTuple):
    """A picture: its path below the folder with slashes, its bytes, and a text that changes when its content does; or an error."""

    inner: str
    size: int = 0
    stamp: str = ""
    error: str | None = None


class Store(ABC):
    """A folder, of this machine or of an object store."""

    @abstractmethod
    def name(self, inner: str = "") -> str:
        """The name of a file for people."""

    @abstractmethod
    def place(self, inner: str = "") -> tuple[Any, str]:
        """Which store a file is in, and where: equal for all its names (``s3://`` and ``s3a://``, a link and what it leads to)."""

    @abstractmethod
    def check(self) -> None:
        """`FileError` where there is no such folder to read."""

    @abstractmethod
    def pictures(self, selection: Selection, mark: str, out: Store) -> Iterator[Found]:
        """The pictures, as `plan.listed` chooses them, in no order and without all names in memory; none that lie in ``out``."""

    @abstractmethod
    def sizes(self) -> Iterator[tuple[str, int]]:
        """All files but hidden ones, and folders that are pictures: paths below the folder, and bytes. None where there is no
        folder yet."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder below, in order; hidden ones not. None where there is no such folder."""

    @abstractmethod
    def size(self, inner: str) -> int | None:
        """The bytes of a file; None where there is none."""

    @abstractmethod
    def digest(self, inner: str) -> str:
        """The SHA-256 of a file's content."""

    @abstractmethod
    def fetched(self, inner: str, size: int | None = None) -> AbstractContextManager[Path]:
        """The path of the file on this machine, a copy where it lies elsewhere. ``size`` are the bytes that it must have."""

    @abstractmethod
    def room(self, inner: str) -> AbstractContextManager[Path]:
        """A temporary folder on this machine for a file that is then `put` there."""

    @abstractmethod
    def put(self, path: Path, inner: str, *, overwrite: bool = False) -> str | None:
        """Puts a finished file from a `room` there. Its name is seen when all of it is there. `FileError` where the name is taken
        and ``overwrite`` is not said. Answers a line about what had to be left beside it, if anything."""

    @abstractmethod
    def remove(self, inner: str) -> None:
        """Removes a file; nothing where there is none."""


def is_url(text: str) -> bool:
    """Whether the text names a place by a protocol, as ``s3://bucket/folder`` does."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*(::|://)", text) is not None


def open_store(text: str) -> Store:
    """The store that the text names: a folder, or a URL; `OptionError` for a protocol that is not known or not installed."""
    text = re.sub("^(file|local)://", "", text)
    return Bucket(text) if is_url(text) else Folder(Path(text))


class Folder(Store):
    """A folder of this machine, or of a network drive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept: set[Path] = set()

    def name(self, inner: str = "") -> str:
        return str(self.root / inner)

    def place(self, inner: str = "") -> tuple[Any, str]:
        return libraries.LOCAL, identity(self.root / inner)

    def check(self) -> None:
        if not files.is_folder_of_pictures(self.root):
            raise FileError(f"{self.root}: there is no such folder")

    def pictures(self, selection: Selection, mark: str, out: Store) -> Iterator[Found]:
        left_out = Path(out.root) if isinstance(out, Folder | Bucket) and out.place()[0] == libraries.LOCAL else None
        for path, error in plan.listed(self.root, selection, left_out, mark, ordered=False):
            inner = path.relative_to(self.root).as_posix()
            state = saving.state(path)
            if error is not None or state is None:
                # A link to nowhere is found by reading it.
                yield Found(inner, error=error)
            else:
                yield Found(inner, state[0], f"{state[0]} bytes, {state[1]} ns")

    def sizes(self) -> Iterator[tuple[str, int]]:
        waiting = [self.root] if self.root.is_dir() else []
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    if entry.name.startswith("."):
                        continue
                    if files.is_folder_of_pictures(path):
                        if not entry.is_symlink():
                            waiting.append(path)
                    elif (state := saving.state(path)) is not None:
                        yield path.relative_to(self.root).as_posix(), state[0]

    def names(self, folder: str) -> list[str]:
        place = self.root / folder
        try:
            return sorted(path.name for path in place.iterdir() if not path.name.startswith(".")) if place.is_dir() else []
        except OSError as error:
            raise FileError(f"{place}: {regular.unread(error)}") from error

    def size(self, inner: str) -> int | None:
        path = self.root / inner
        if not saving.exists(path):
            return None
        state = saving.state(path)
        return 0 if state is None else state[0]

    def digest(self, inner: str) -> str:
        return manifest.digest_of(self.root / inner)

    @contextmanager
    def fetched(self, inner: str, size: int | None = None) -> Iterator[Path]:
        yield self.root / inner

    def room(self, inner: str) -> AbstractContextManager[Path]:
        parent = (self.root / inner).parent
        if parent not in self._swept:
            # Remains of killed processes are removed once.
            self._swept.add(parent)
            with suppress(OSError):
                saving.sweep(parent)
        return saving.room(parent)

    def put(self, path: Path, inner: str, *, overwrite: bool = False) -> str | None:
        saving.placed(path, self.root / inner, overwrite=overwrite)
        return None

    def remove(self, inner: str) -> None:
        (self.root / inner).unlink(missing_ok=True)


class Bucket(Store):
    """Whatever fsspec opens."""

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            # Lists are read once, and would fill the memory; sizes of objects must be those of now. The client is one for all of a
            # process: a new one reads the whole description of S3, a quarter of a second of a core.
            self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise OptionError(f"{url}: {error}") from error
        except Exception as error:  # each library has errors of its own for credentials that are not there
            raise OptionError(f"{url}: cannot be opened: {error}") from error
        self.url = url.rstrip("/")
        self.root = root.rstrip("/")

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens its own connections.
        return Bucket, (self.url,)

    def name(self, inner: str = "") -> str:
        return f"{self.url}/{inner}" if inner else self.url

    def place(self, inner: str = "") -> tuple[Any, str]:
        store = libraries.store(self._fs)
        if store == libraries.LOCAL:
            return Folder(Path(self.root)).place(inner)
        return store, self._path(inner) if inner else self.root

    def check(self) -> None:
        found = self._tried("", lambda: self._fs.isdir(self.root) or next(iter(self._page(self.root)), None) is not None)
        if not found:
            raise FileError(f"{self.url}: there is no such folder")

    def pictures(self, selection: Selection, mark: str, out: Store) -> Iterator[Found]:
        ours, theirs = self.place(), out.place()
        left_out = theirs if theirs != ours else None
        waiting = [self.root]
        while waiting:
            for entry in self._entries(waiting.pop()):
                inner = PurePosixPath(self._inner(entry["name"]))
                if not inner.name or not selection.passes(inner):
                    continue
                if entry["type"] == "directory":
                    if files.names_picture(inner, folder=True):
                        if selection.takes(inner, mark):
                            yield Found(
                                str(inner), error=f"{self.name(str(inner))}: pictures that are folders are read from a disk"
                            )
                    elif selection.recursive and (ours[0], entry["name"].rstrip("/")) != left_out:
                        waiting.append(entry["name"].rstrip("/"))
                elif selection.takes(inner, mark) and not files.names_picture(inner, folder=True):
                    yield Found(str(inner), int(entry["size"]), libraries.stamp(entry))

    def sizes(self) -> Iterator[tuple[str, int]]:
        waiting = [self.root]
        while waiting:
            for entry in self._entries(waiting.pop()):
                inner = self._inner(entry["name"])
                if not inner or PurePosixPath(inner).name.startswith("."):
                    continue
                if entry["type"] == "directory":
                    waiting.append(entry["name"].rstrip("/"))
                else:
                    yield inner, int(entry["size"])

    def names(self, folder: str) -> list[str]:
        inner = (PurePosixPath(self._inner(entry["name"])) for entry in self._entries(self._path(folder)))
        return sorted(path.name for path in inner if path.name and not path.name.startswith(".") and str(path) != folder)

    def size(self, inner: str) -> int | None:
        def asked() -> int | None:
            try:
                return int(self._fs.info(self._path(inner))["size"])
            except FileNotFoundError:
                return None

        return self._tried(inner, asked)

    def digest(self, inner: str) -> str:
        def read() -> str:
            with self._fs.open(self._path(inner), "rb") as content:
                whole = hashlib.sha256()
                while part := content.read(1 << 20):
                    whole.update(part)
                return whole.hexdigest()

        return self._tried(inner, read)

    @contextmanager
    def fetched(self, inner: str, size: int | None = None) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="pellucid-") as room:
            path = Path(room, PurePosixPath(inner).name)

            def fetch() -> None:
                self._fs.get_file(self._path(inner), str(path))
                got = path.stat().st_size
                if size is not None and got != size:
                    raise OSError(None, f"{got} of {size} bytes came")

            self._tried(inner, fetch)
            yield path

    @contextmanager
    def room(self, inner: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="pellucid-") as room:
            yield Path(room)

    def put(self, path: Path, inner: str, *, overwrite: bool = False) -> str | None:
        if path.is_dir():
            raise FileError(f"{self.name(inner)}: pictures that are folders are written to a disk")
        target, temporary = self._path(inner), self._path(f"{TEMPORARY}/{secrets.token_hex(8)}")
        size = path.stat().st_size

        def sent() -> None:
            self._folder_for(temporary)
            self._fs.put_file(str(path), temporary)
            self._check_size(temporary, size)

        def named() -> None:
            self._folder_for(target)
            if self._fs.async_impl:
                # Object stores copy on their side.
                self._fs.cp_file(temporary, target)
                if "az" in libraries.protocols(self._fs):
                    libraries.wait_for_azure(self._fs, target)
            else:
                # Where the try before lost the answer alone, the temporary file is gone, and the size shows that all is well.
                with suppress(FileNotFoundError):
                    self._fs.mv(temporary, target)
            self._check_size(target, size)

        try:
            self._tried(inner, sent)
            if not overwrite and self.size(inner) is not None:
                raise FileError(f"{self.name(inner)} exists; --force overwrites it")
            self._tried(inner, named)
        except BaseException:
            with suppress(Exception):
                self._fs.rm_file(temporary)
            raise
        if self._fs.async_impl:
            try:
                self.remove(self._inner(temporary))
            except FileError as error:  # many a user may write, but not delete; the output is there all the same
                return f"{error}; this temporary object stays"
        return None

    def remove(self, inner: str) -> None:
        def removed() -> None:
            with suppress(FileNotFoundError):
                self._fs.rm_file(self._path(inner))

        self._tried(inner, removed)

    def _path(self, inner: str) -> str:
        return f"{self.root}/{inner}"

    def _inner(self, path: str) -> str:
        return path.removeprefix(self.root).strip("/")

    def _folder_for(self, path: str) -> None:
        """Makes the folder of a file; object stores have none, and some would make a bucket."""
        if not self._fs.async_impl:
            self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _check_size(self, path: str, size: int) -> None:
        there = int(self._fs.info(path)["size"])
        if there != size:
            raise OSError(None, f"{there} of {size} bytes arrived")

    def _entries(self, folder: str) -> Iterator[dict[str, Any]]:
        """The entries of a folder; none where there is no such folder."""
        pages = libraries.pages(self._fs, folder)
        while True:
            page = self._tried(self._inner(folder), lambda: next(pages, None))
            if page is None:
                return
            yield from (entry for entry in page if entry["name"].rstrip("/") != folder)

    def _page(self, folder: str) -> list[dict[str, Any]]:
        return next(libraries.pages(self._fs, folder), [])

    def _tried(self, inner: str, action: Callable[[], Result]) -> Result:
        """The action's result; it is tried again after errors that may pass. `FileError` in one line where it fails for good."""
        for attempt in range(TRIES):
            try:
                return action()
            except PellucidError:
                raise
            except FINAL as error:
                what = "there is no such file" if isinstance(error, FileNotFoundError) else libraries.line(error)
                raise FileError(
                    f"{self.name(inner)}: {'the store refuses it: ' if libraries.refused(error) else ''}{what}"
                ) from error
            except Exception as error:  # the libraries of stores raise errors of their own
                if libraries.refused(error):
                    raise FileError(f"{self.name(inner)}: the store refuses it: {libraries.line(error)}") from error
                if type(error).__name__ in libraries.NO_CREDENTIALS:
                    ours = "the store's library takes them from its own environment variables and files"
                    raise FileError(f"{self.name(inner)}: no credentials were found; {ours}") from error
                if isinstance(error, OSError) and saving.is_full(error):
                    raise saving.failure(Path(tempfile.gettempdir()), error) from error
                if attempt == TRIES - 1:
                    raise FileError(f"{self.name(inner)}: the store failed {TRIES} times: {libraries.line(error)}") from error
                time.sleep(min(LONGEST, PAUSE * 2**attempt) * random.uniform(0.8, 1.2))
        raise AssertionError
