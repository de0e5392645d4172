"""The manifest of outputs that many processes make: a Parquet dataset, with a row for each input.

Each writer has part files of its own. A part is written elsewhere and gets its name when it is whole, so every part is valid,
however a writer ended. At its end a writer puts its parts together into one. The latest row of an input counts.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pellucid import regular
from pellucid.cluster import libraries
from pellucid.cluster.stores import MANIFEST, Store
from pellucid.errors import FileError

__all__ = ["HOW", "SCHEMA", "Known", "Past", "Writer", "key", "plain", "rows", "text"]

SCHEMA = pa.schema(
    [
        # Paths are those below the folders of inputs and outputs.
        ("input", pa.string()),
        ("output", pa.string()),
        ("asked", pa.string()),  # the output's name before the input was read; RAW files get another where no mosaic is found
        ("status", pa.string()),  # done or failed
        ("error", pa.string()),
        ("input_stamp", pa.string()),
        ("input_bytes", pa.int64()),
        ("input_sha256", pa.string()),
        ("output_bytes", pa.int64()),
        ("output_sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("pages", pa.int32()),
        ("frames", pa.int64()),
        ("seconds", pa.float64()),  # the restoration
        ("seconds_in_all", pa.float64()),  # with fetching, reading, writing and putting
        ("model", pa.string()),
        ("line", pa.string()),  # what was found and done, for people
        ("facts", pa.string()),  # the same as JSON
        ("remarks", pa.list_(pa.string())),
        ("settings", pa.string()),  # as JSON
        ("fingerprint", pa.string()),  # of the model's files and the engine
        ("pellucid", pa.string()),
        ("process", pa.string()),  # its machine and number
        ("writer", pa.string()),
        ("at", pa.timestamp("ms", tz="UTC")),
    ]
)
"""The columns of a part."""

NEVER_NULL = ("input", "asked", "status", "at")
"""The columns that each row fills."""

HOW = ("settings", "fingerprint", "pellucid")
"""The columns that say how an output was made."""

ROWS = 5000
"""Rows after which a part is finished."""

SECONDS = 120.0
"""Seconds after which a part is finished: a writer that is killed loses no more rows. Their outputs are known by their content."""

BATCH = 10_000
"""Rows that are read at once."""


def text(name: str) -> str:
    """Text as the manifest holds it: a path that is no valid text, and a line that names it, get an escape for each such byte."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # names of Windows may have halves of characters
        return name.encode("utf-8", "backslashreplace").decode("utf-8")


def key(*parts: object) -> int:
    """64 bits of a hash, the same on every machine."""
    content = text("\0".join(map(str, parts))).encode("utf-8")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


class Writer:
    """The part files of one writer in a folder of outputs.

    The first part, without rows, is there from the beginning: it shows that a run has begun here. ``name`` tells writers apart.
    """

    def __init__(self, store: Store, name: str = "", *, rows: int = ROWS, seconds: float = SECONDS) -> None:
        self.name = f"{name}{'-' if name else ''}{secrets.token_hex(6)}"
        self._store = store
        self._most = rows
        self._seconds = seconds
        self._rows: list[Mapping[str, Any]] = []
        self._parts: list[str] = []
        self._number = 0
        self._last = time.monotonic()
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, row: Mapping[str, Any]) -> None:
        """Adds a row; a name that is missing is null."""
        self._rows.append({name: _text_in(value) for name, value in row.items()} | {"writer": self.name})
        if len(self._rows) >= self._most or time.monotonic() - self._last >= self._seconds:
            self.flush()

    def flush(self) -> None:
        """Finishes a part with the rows since the last one."""
        if self._rows or not self._parts:
            table = pa.Table.from_pylist(self._rows, schema=SCHEMA)
            self._put([table])
        self._rows = []
        self._last = time.monotonic()

    def close(self) -> None:
        """Finishes the last part, and puts all into one; where that fails the parts stay, which say the same."""
        self.flush()
        parts, self._parts = self._parts, []
        with suppress(FileError):
            if len(parts) > 1:
                self._put(batch for part in parts for batch in _batches(self._store, part))
            if len(parts) > 1 or self._number == 1:
                # Not before the one is there that has their rows; the first has none.
                for part in parts:
                    self._store.remove(f"{MANIFEST}/{part}")

    def _put(self, tables: Iterable[Any]) -> None:
        name = f"part-{self.name}-{self._number:05}.parquet"
        with self._store.room(f"{MANIFEST}/{name}") as room:
            path = room / name
            with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
                for table in tables:
                    writer.write(table)
            self._store.put(path, f"{MANIFEST}/{name}")
        self._number += 1
        self._parts.append(name)


def rows(store: Store) -> Iterator[dict[str, Any]]:
    """All rows of all parts."""
    for part in _parts(store):
        for batch in _batches(store, part):
            yield from batch.to_pylist()


class Past(NamedTuple):
    """The manifest's record of an input and its output.

    ``done``: the latest attempt gave an output; ``made``: `key` of settings, model and version (`HOW`); ``stamp``: `key` of the
    input's stamp; ``output``: the first 64 bits of the hash of the latest output that there was, which a later attempt that failed
    leaves where it is, or None; ``there``: the output is there, and as long as it was.
    """

    done: bool
    made: int
    stamp: int
    output: int | None
    there: bool


class Known:
    """The manifest's records of the inputs that ``mine`` takes: 34 bytes of memory for each. ``any``: a run began here before."""

    def __init__(self, store: Store, mine: Callable[[str], bool] = lambda name: True) -> None:
        names = ("key", "made", "stamp", "output", "there", "at")
        columns = {name: array("q" if name == "at" else "Q") for name in names}
        flags = array("B")
        parts = _parts(store)
        self.any = bool(parts)
        wanted = ["input", "output", "asked", "status", "input_stamp", "output_bytes", "output_sha256", "at", *HOW]
        for part in parts:
            for batch in _batches(store, part, wanted):
                for row in batch.to_pylist():
                    if not mine(row["input"]):
                        continue
                    # A row without the hash of an output says nothing of one.
                    done = row["status"] == "done" and re.fullmatch("[0-9a-f]{64}", row["output_sha256"] or "") is not None
                    columns["key"].append(key(row["input"], row["asked"]))
                    columns["stamp"].append(key(row["input_stamp"]))
                    columns["output"].append(int(row["output_sha256"][:16], 16) if done else 0)
                    columns["there"].append(key(row["output"], row["output_bytes"]))
                    columns["at"].append(round(1000 * row["at"].timestamp()))
                    columns["made"].append(key(*(row[name] for name in HOW)))
                    flags.append(done)
        arrays = {name: np.frombuffer(values, values.typecode) for name, values in columns.items()}
        order = np.lexsort((arrays["at"], arrays["key"]))
        keys, outputs, done = arrays["key"][order], arrays["output"][order], np.frombuffer(flags, np.bool_)[order]
        # For each row, the last one up to it that has an output; one of another input says nothing.
        made = np.maximum.accumulate(np.where(done, np.arange(len(order)), 0))
        outputs = np.where(keys[made] == keys, outputs[made], np.uint64(0))
        # The last of each.
        last = np.append(keys[1:] != keys[:-1], True) if len(keys) else done
        self._key, self._output, self._done = keys[last], outputs[last], done[last]
        self._made, self._stamp, there = (arrays[name][order[last]] for name in ("made", "stamp", "there"))
        self._there = np.isin(there, _sizes(store)) if len(there) else np.zeros(0, bool)

    def __len__(self) -> int:
        return len(self._key)

    def of(self, given: str, asked: str) -> Past | None:
        """The record of an input and of the output that was asked for under this name; None without one."""
        wanted = np.uint64(key(given, asked))
        index = int(np.searchsorted(self._key, wanted))
        if index == len(self._key) or self._key[index] != wanted:
            return None
        made, stamp, digest = (int(column[index]) for column in (self._made, self._stamp, self._output))
        return Past(bool(self._done[index]), made, stamp, digest or None, bool(self._there[index]))


def _text_in(value: Any) -> Any:
    if isinstance(value, str):
        return text(value)
    return [text(each) for each in value] if isinstance(value, list) else value


def _sizes(store: Store) -> NDArray[np.uint64]:
    """`key` of the name and bytes of all files."""
    found = array("Q")
    for inner, size in store.sizes():
        found.append(key(text(inner), size))
    return np.frombuffer(found, np.uint64)


def _parts(store: Store) -> list[str]:
    return [name for name in store.names(MANIFEST) if name.endswith(".parquet")]


def _batches(store: Store, part: str, columns: list[str] | None = None) -> Iterator[Any]:
    """The rows of a part. `FileError` for what is none: other programs, and other people, may have put a file there."""
    inner = f"{MANIFEST}/{part}"
    try:
        with store.fetched(inner) as path, regular.opened(path) as held, pq.ParquetFile(held) as file:
            there = {field.name: field.type for field in file.schema_arrow}
            strange = [field.name for field in SCHEMA if there.get(field.name) != field.type]
            if strange:
                raise OSError(None, f"its column {strange[0]!r} is missing, or of another type")
            for batch in file.iter_batches(BATCH, columns=columns):
                if columns is not None and any(batch[name].null_count for name in NEVER_NULL):
                    raise OSError(None, "a row has no input, no name, or no time")
                yield batch
    except (pa.ArrowException, OSError, FileError) as error:
        if store.size(inner) is None:
            return  # its writer has put its parts together since
        raise FileError(f"{store.name(inner)}: no part of a manifest: {libraries.line(error)}") from error


def plain(value: Any) -> str:
    """JSON in one form, so that equal values are equal text."""
    return json.dumps(value, sort_keys=True)
