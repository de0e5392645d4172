"""Folders and object stores: what is in them, page by page; files brought here, and put there under a temporary name first.

A `Store` is a folder of this machine (`Folder`) or anything that fsspec opens (`Bucket`: ``s3://``, ``gs://``, ``az://``,
``memory://``). Credentials come from the environment, as each store's own library takes them.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import secrets
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, TypeVar

from pellucid import files, manifest, plan, saving
from pellucid.errors import FileError, OptionError, PellucidError
from pellucid.plan import Selection

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

PAGE = 1000
"""Entries that are taken from a listing at once."""

FINAL = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, NotImplementedError)
"""Errors that another try would not change."""

NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ClientAuthenticationError")
"""The names of such errors of botocore, google-auth and azure-core: they say that nobody can be asked, now or later."""


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
    if text.startswith("file://"):
        text = text.removeprefix("file://")
    return Bucket(text) if is_url(text) else Folder(Path(text))


class Folder(Store):
    """A folder of this machine, or of a network drive."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._swept: set[Path] = set()

    def name(self, inner: str = "") -> str:
        return str(self.root / inner)

    def check(self) -> None:
        if not files.is_folder_of_pictures(self.root):
            raise FileError(f"{self.root}: there is no such folder")

    def pictures(self, selection: Selection, mark: str, out: Store) -> Iterator[Found]:
        place = out.root if isinstance(out, Folder) else None
        for path, error in plan.listed(self.root, selection, place, mark, ordered=False):
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
            raise FileError(f"{place}: cannot be read: {error.strerror}") from error

    def size(self, inner: str) -> int | None:
        path = self.root / inner
        if not plan.exists(path):
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

    def check(self) -> None:
        found = self._tried("", lambda: self._fs.isdir(self.root) or next(iter(self._page(self.root)), None) is not None)
        if not found:
            raise FileError(f"{self.url}: there is no such folder")

    def pictures(self, selection: Selection, mark: str, out: Store) -> Iterator[Found]:
        left_out = out.root if isinstance(out, Bucket) and out.root != self.root else None
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
                    elif selection.recursive and entry["name"].rstrip("/") != left_out:
                        waiting.append(entry["name"].rstrip("/"))
                elif selection.takes(inner, mark) and not files.names_picture(inner, folder=True):
                    yield Found(str(inner), int(entry["size"]), _stamp(entry))

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
                if "az" in _protocols(self._fs):
                    _wait_for_azure(self._fs, target)
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
        pages = iter(self._pages(folder))
        while True:
            page = self._tried(self._inner(folder), lambda: next(pages, None))
            if page is None:
                return
            yield from (entry for entry in page if entry["name"].rstrip("/") != folder)

    def _page(self, folder: str) -> list[dict[str, Any]]:
        return next(iter(self._pages(folder)), [])

    def _pages(self, folder: str) -> Any:
        """The listing page by page where `LISTINGS` knows how to ask for it; else that of the whole folder in one."""
        listed = next((LISTINGS[name] for name in _protocols(self._fs) if name in LISTINGS), None)
        return _WholePage(self._fs, folder) if listed is None else _Pages(self._fs, folder, listed)

    def _tried(self, inner: str, action: Callable[[], Result]) -> Result:
        """The action's result; it is tried again after errors that may pass. `FileError` in one line where it fails for good."""
        for attempt in range(TRIES):
            try:
                return action()
            except PellucidError:
                raise
            except FINAL as error:
                what = "there is no such file" if isinstance(error, FileNotFoundError) else _line(error)
                raise FileError(f"{self.name(inner)}: {'the store refuses it: ' if _refused(error) else ''}{what}") from error
            except Exception as error:  # the libraries of stores raise errors of their own
                if _refused(error):
                    raise FileError(f"{self.name(inner)}: the store refuses it: {_line(error)}") from error
                if type(error).__name__ in NO_CREDENTIALS:
                    ours = "the store's library takes them from its own environment variables and files"
                    raise FileError(f"{self.name(inner)}: no credentials were found; {ours}") from error
                if isinstance(error, OSError) and saving.is_full(error):
                    raise saving.failure(Path(tempfile.gettempdir()), error) from error
                if attempt == TRIES - 1:
                    raise FileError(f"{self.name(inner)}: the store failed {TRIES} times: {_line(error)}") from error
                time.sleep(min(LONGEST, PAUSE * 2**attempt) * random.uniform(0.8, 1.2))
        raise AssertionError


class _WholePage:
    """A folder's listing in one page. An error leaves it where it was, to be asked for again."""

    def __init__(self, fs: Any, folder: str) -> None:
        self._ask: Callable[[], list[dict[str, Any]]] | None = lambda: fs.ls(folder, detail=True)

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        return self

    def __next__(self) -> list[dict[str, Any]]:
        if self._ask is None:
            raise StopIteration
        try:
            page = self._ask()
        except FileNotFoundError:
            page = []
        self._ask = None
        return page


class _Pages:
    """A folder's listing, `PAGE` entries at once. After an error it begins anew, without what has been given.

    ``listed`` gives the entries of a folder as the store sends them: in one order, however often it is asked.
    """

    def __init__(self, fs: Any, folder: str, listed: Callable[[Any, str], AsyncIterator[dict[str, Any]]]) -> None:
        self._fs = fs
        self._folder = folder
        self._listed = listed
        self._given = 0
        self._entries: AsyncIterator[dict[str, Any]] | None = None

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        return self

    def __next__(self) -> list[dict[str, Any]]:
        from fsspec.asyn import sync

        try:
            page: list[dict[str, Any]] = sync(self._fs.loop, self._taken)
        except FileNotFoundError:
            page = []
        except BaseException:
            self._entries = None
            raise
        if not page:
            raise StopIteration
        self._given += len(page)
        return page

    async def _taken(self) -> list[dict[str, Any]]:
        left_out = 0
        if self._entries is None:
            self._entries = self._listed(self._fs, self._folder)
            left_out = self._given
        page: list[dict[str, Any]] = []
        async for entry in self._entries:
            if left_out:
                left_out -= 1
                continue
            page.append(entry)
            if len(page) == PAGE:
                break
        return page


async def _listed_by_s3fs(fs: Any, folder: str) -> AsyncIterator[dict[str, Any]]:
    bucket, prefix = _prefix(fs, folder)
    await fs.set_session()
    async for entry in fs._iterdir(bucket, prefix=prefix):
        yield entry


async def _listed_by_gcsfs(fs: Any, folder: str) -> AsyncIterator[dict[str, Any]]:
    bucket, prefix = _prefix(fs, folder)
    token = None
    while True:
        # The request of Google's JSON API, "Objects: list".
        asked = {"delimiter": "/", "prefix": prefix or None, "maxResults": PAGE, "pageToken": token}
        page = await fs._call("GET", "b/{}/o", bucket, json_out=True, **asked)
        for name in page.get("prefixes", ()):
            yield {"name": f"{bucket}/{name.rstrip('/')}", "type": "directory", "size": 0}
        for item in page.get("items", ()):
            yield {**item, "name": f"{bucket}/{item['name']}", "type": "file", "size": int(item["size"])}
        token = page.get("nextPageToken")
        if token is None:
            return


async def _listed_by_adlfs(fs: Any, folder: str) -> AsyncIterator[dict[str, Any]]:
    container, prefix = _prefix(fs, folder)
    async with fs.service_client.get_container_client(container=container) as client:
        # Folders have a name alone.
        async for blob in client.walk_blobs(name_starts_with=prefix, results_per_page=PAGE):
            about = {"type": "file", "size": blob.size, "etag": blob.etag} if "size" in blob else {"type": "directory", "size": 0}
            yield {"name": f"{container}/{blob.name.rstrip('/')}", **about}


LISTINGS = {"s3": _listed_by_s3fs, "gs": _listed_by_gcsfs, "az": _listed_by_adlfs}
"""Protocol -> the entries of a folder, page by page."""


def _wait_for_azure(fs: Any, path: str) -> None:
    """Waits until a copy is whole: Azure's store answers when it has begun, with the size that the copy will have."""
    from fsspec.asyn import sync

    async def wait() -> None:
        container, blob = fs.split_path(path)[:2]
        async with fs.service_client.get_blob_client(container=container, blob=blob) as client:
            while True:
                copy = (await client.get_blob_properties()).copy
                if copy.status not in ("pending", "success", None):
                    raise OSError(None, f"the copy: {copy.status}")
                if copy.status != "pending":
                    return
                await asyncio.sleep(0.2)

    sync(fs.loop, wait)


def _protocols(fs: Any) -> tuple[str, ...]:
    """The names of a store's protocol."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _prefix(fs: Any, folder: str) -> tuple[str, str]:
    """A folder's bucket, and what the names of its objects begin with."""
    bucket, key = fs.split_path(folder)[:2]
    return bucket, f"{key}/" if key else ""


def _stamp(entry: dict[str, Any]) -> str:
    """A text that changes when the object's content does: its size and the store's tag, or its time where it has none."""
    keys = ("ETag", "etag", "md5Hash", "content_settings", "LastModified", "last_modified", "mtime", "modified", "created")
    tag = next((entry[key] for key in keys if entry.get(key)), "")
    return f"{entry['size']} bytes, {tag}"


def _refused(error: Exception) -> bool:
    """Whether a store says that this user may not do this: another try would not change that."""
    # google-auth's and azure-core's errors have the answer's status, gcsfs's for 403 its name alone.
    status = getattr(error, "code", None) or getattr(error, "status_code", None)
    return isinstance(error, PermissionError) or status in (401, 403) or str(error).startswith("Forbidden: ")


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
