"""How the libraries of object stores are asked: listings page by page, copies that are waited for, stores that travel."""

from __future__ import annotations

import pickle
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra shard is not installed")
pytest.importorskip("fsspec", reason="the extra shard is not installed")

from pellucid.cluster import libraries, stores
from pellucid.cluster.stores import Bucket, open_store
from pellucid.errors import FileError


class Remote:
    """A library's file system, as far as listings and copies ask it."""

    def __init__(self, protocol: tuple[str, ...], **methods: Any) -> None:
        from fsspec.asyn import get_loop

        self.protocol, self.loop = protocol, get_loop()
        vars(self).update(methods)

    def split_path(self, path: str) -> tuple[str, str, None]:
        bucket, _, key = path.partition("/")
        return bucket, key, None


def remote(fs: Remote) -> Bucket:
    store = Bucket.__new__(Bucket)
    store._fs, store.url, store.root = fs, "x://b/in", "b/in"
    return store


def test_a_listing_is_taken_page_by_page_and_goes_on_after_an_error() -> None:
    """As s3fs gives it: memory never holds all names, and a lost connection costs none and doubles none."""

    broken = True
    taken = 0

    async def set_session() -> None:
        pass

    async def listed(bucket: str, prefix: str) -> Any:
        nonlocal broken, taken
        assert (bucket, prefix) == ("b", "in/")
        for number in range(2 * libraries.PAGE + 5):
            if broken and number == libraries.PAGE + 7:
                broken = False
                raise ConnectionError("reset")
            taken = number
            yield {"name": f"b/in/{number}.png", "type": "file", "size": 1}

    store = remote(Remote(("s3", "s3a"), set_session=set_session, _iterdir=listed))
    entries = store._entries("b/in")
    names = [next(entries)["name"]]
    assert taken == libraries.PAGE - 1
    names += [entry["name"] for entry in entries]
    assert names == [f"b/in/{number}.png" for number in range(2 * libraries.PAGE + 5)]
    assert not broken


def test_google_and_azure_are_listed_page_by_page() -> None:
    """As their libraries answer; the emulators of both stores were tried by hand."""
    asked = []

    async def call(method: str, path: str, bucket: str, **how: Any) -> dict[str, Any]:
        asked.append(how["pageToken"])
        assert (method, path, bucket, how["prefix"], how["delimiter"]) == ("GET", "b/{}/o", "b", "in/", "/")
        if how["pageToken"] is None:
            return {"prefixes": ["in/deep/"], "nextPageToken": "more"}
        return {"items": [{"name": "in/a.png", "size": "7", "etag": "t"}]}

    entries = list(remote(Remote(("gs", "gcs"), _call=call))._entries("b/in"))
    assert [(each["name"], each["type"], each["size"]) for each in entries] == [
        ("b/in/deep", "directory", 0),
        ("b/in/a.png", "file", 7),
    ]
    assert (asked, libraries.stamp(entries[1])) == ([None, "more"], "7 bytes, t")

    class Container(AsyncExitStack):
        async def walk_blobs(self, name_starts_with: str, results_per_page: int) -> Any:
            assert (name_starts_with, results_per_page) == ("in/", libraries.PAGE)
            yield type("Blob", (dict,), {"name": "in/a.png", "size": 7, "etag": "t"})(size=7)
            yield type("Prefix", (dict,), {"name": "in/deep/"})()

    client = SimpleNamespace(get_container_client=lambda container: Container())
    entries = list(remote(Remote(("abfs", "az"), service_client=client))._entries("b/in"))
    assert [(each["name"], each["type"], each["size"]) for each in entries] == [
        ("b/in/a.png", "file", 7),
        ("b/in/deep", "directory", 0),
    ]
    assert libraries.stamp(entries[0]) == "7 bytes, t"


def test_a_copy_by_azure_is_waited_for() -> None:
    states = ["failed", "success", "pending"]

    class Blob(AsyncExitStack):
        async def get_blob_properties(self) -> Any:
            return SimpleNamespace(copy=SimpleNamespace(status=states.pop()))

    fs = Remote(("abfs", "az"), service_client=SimpleNamespace(get_blob_client=lambda container, blob: Blob()))
    libraries.wait_for_azure(fs, "b/in/a.png")
    assert states == ["failed"]
    with pytest.raises(OSError, match="the copy: failed"):
        libraries.wait_for_azure(fs, "b/in/a.png")


@pytest.mark.parametrize("status", ["code", "status_code", "name", "type"])
def test_what_a_store_refuses_is_asked_for_once(status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3, Google and Azure tell it in ways of their own."""
    asked = []
    errors: dict[str, Exception] = {"name": OSError("Forbidden: b/o\nmore"), "type": PermissionError("Access Denied")}
    error = errors.get(status) or type("HttpError", (OSError,), {status: 403})("no\nmore")

    def info(path: str) -> Any:
        asked.append(path)
        raise error

    monkeypatch.setattr(stores, "PAUSE", 0.0)
    with pytest.raises(FileError, match=r"^x://b/in/a\.png: the store refuses it: [^\n]+$"):
        remote(Remote(("gs",), info=info)).size("a.png")
    assert asked == ["b/in/a.png"]


def test_a_store_is_known_by_its_library_and_what_that_was_given() -> None:
    """s3:// and s3a:// are one store; hosts and accounts are different ones, wherever a URL or the environment names them."""

    def fs(protocol: tuple[str, ...], account: str | None = None, **options: Any) -> Any:
        return Remote(protocol, storage_args=(), storage_options=options, account_name=account)

    one = libraries.store(fs(("s3", "s3a"), use_listings_cache=False))
    assert one == libraries.store(fs(("s3", "s3a")))
    assert one != libraries.store(fs(("gs", "gcs")))
    assert libraries.store(fs(("sftp", "ssh"), host="a")) != libraries.store(fs(("sftp", "ssh"), host="b"))
    assert libraries.store(fs(("abfs", "az"), "mine", account_name="mine")) == libraries.store(fs(("abfs", "az"), "mine"))
    assert libraries.store(fs(("abfs", "az"), "mine")) != libraries.store(fs(("abfs", "az"), "yours"))


def test_a_store_goes_to_another_process() -> None:
    store = pickle.loads(pickle.dumps(open_store("memory://a/b")))
    assert store.name("c.png") == "memory://a/b/c.png"
