"""How the libraries of object stores are asked: which store it is, a listing page by page, a copy that is waited for, an object's
stamp, a refusal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

__all__ = ["LOCAL", "NO_CREDENTIALS", "PAGE", "line", "pages", "protocols", "refused", "stamp", "store", "wait_for_azure"]

LOCAL = "file"
"""The `store` of this machine."""

PAGE = 1000
"""Entries that are taken from a listing at once."""

NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError", "ClientAuthenticationError")
"""The names of such errors of botocore, google-auth and azure-core: they say that nobody can be asked, now or later."""


def pages(fs: Any, folder: str) -> Iterator[list[dict[str, Any]]]:
    """The listing page by page where `LISTINGS` knows how to ask for it; else that of the whole folder in one. An error leaves the
    iterator where it was, to be asked again."""
    listed = next((LISTINGS[name] for name in protocols(fs) if name in LISTINGS), None)
    return _WholePage(fs, folder) if listed is None else _Pages(fs, folder, listed)


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


def wait_for_azure(fs: Any, path: str) -> None:
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


def protocols(fs: Any) -> tuple[str, ...]:
    """The names of a store's protocol."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def store(fs: Any) -> Any:
    """Which store it is: equal for all names of its protocol, and for one behind a cache."""
    from fsspec import AbstractFileSystem

    while isinstance(behind := getattr(fs, "fs", None), AbstractFileSystem):
        fs = behind
    if LOCAL in protocols(fs):
        return LOCAL
    # The account of Azure is in the URL or in the environment.
    account = getattr(fs, "account_name", None)
    options = {name: value for name, value in fs.storage_options.items() if name != "use_listings_cache"}
    return protocols(fs), account or (fs.storage_args, options)


def _prefix(fs: Any, folder: str) -> tuple[str, str]:
    """A folder's bucket, and what the names of its objects begin with."""
    bucket, key = fs.split_path(folder)[:2]
    return bucket, f"{key}/" if key else ""


def stamp(entry: dict[str, Any]) -> str:
    """A text that changes when the object's content does: its size and the store's tag, or its time where it has none."""
    keys = ("ETag", "etag", "md5Hash", "content_settings", "LastModified", "last_modified", "mtime", "modified", "created")
    tag = next((entry[key] for key in keys if entry.get(key)), "")
    return f"{entry['size']} bytes, {tag}"


def refused(error: Exception) -> bool:
    """Whether a store says that this user may not do this: another try would not change that."""
    # google-auth's and azure-core's errors have the answer's status, gcsfs's for 403 its name alone.
    status = getattr(error, "code", None) or getattr(error, "status_code", None)
    return isinstance(error, PermissionError) or status in (401, 403) or str(error).startswith("Forbidden: ")


def line(error: Exception) -> str:
    """The first line of what the error says; its name where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
