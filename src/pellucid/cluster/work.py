"""The work to be done in a folder or a store, and how one file of it is done.

`Order` says all that a process must know; it can be sent to another machine. `Listing` goes through the inputs and leaves out what
the manifest has; `Worker` does one `Item` and answers the row of the manifest. Nothing that is wrong with one file ends a run.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from pellucid import __version__, batch, files, footage, manifest, plan, saving, working
from pellucid.chains import Chain
from pellucid.cluster import libraries, parts, portions, stores
from pellucid.cluster.portions import Large, Portion
from pellucid.cluster.stores import Store
from pellucid.errors import DiskFull, FileError, OptionError, PellucidError
from pellucid.plan import Plan, Selection
from pellucid.restorer import Restorer
from pellucid.steps import Steps
from pellucid.tasks import Task
from pellucid.tasks.settings import Always, ClipSettings, FileSettings, Settings

__all__ = ["Counts", "Item", "Listing", "Order", "Shard", "Worker", "shard_of"]

Row = dict[str, Any]
"""A row of the manifest, by the names of `parts.SCHEMA`."""


class Shard(NamedTuple):
    """One of so many shares of the inputs, counted from 1."""

    number: int = 1
    of: int = 1

    def takes(self, inner: str) -> bool:
        """Whether an input is in this share."""
        return self.of == 1 or shard_of(inner, self.of) == self.number


def shard_of(inner: str, of: int) -> int:
    """The share, from 1, of an input by its path below the folder of inputs: the same on every machine, at any time.

    The ending does not count: inputs whose outputs would have one name are in one share.
    """
    return parts.key(PurePosixPath(parts.text(inner)).with_suffix("")) % of + 1


ALL = Shard()
"""The one share of a run that nobody shares."""


@dataclass(frozen=True)
class Order:
    """A run: from where, to where, and how.

    ``load`` makes the restorer, given how models run (see `pellucid.restorer.load`); ``task`` has the marks and facts of outputs;
    ``settings`` are the task's, or the steps of a chain; ``overwrite`` is what ``--force`` says; with
    ``mosaic`` outputs of RAW files are DNG (see `plan.plan`).
    """

    source: str
    out: str
    load: Callable[[dict[str, Any]], Restorer | Chain]
    task: Task | Steps
    settings: Settings | Steps
    how: FileSettings = field(default_factory=FileSettings)
    clip: ClipSettings = field(default_factory=ClipSettings)
    engine: Mapping[str, Any] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    overwrite: bool = False
    mosaic: bool = False

    @property
    def ending(self) -> str | None:
        """The ending of outputs where a format is asked for."""
        return None if self.how.format is None else files.ending_named(self.how.format)

    @property
    def clip_ending(self) -> str | None:
        """The ending of clips where they do not keep theirs."""
        return ".mkv" if self.clip.lossless else None

    @property
    def always(self) -> Always:
        """The properties that all outputs have, whatever their inputs are."""
        return Always.of(self.settings.answer)

    def output(self, inner: PurePosixPath) -> PurePath:
        """The path of an input's output below the folder of outputs, before its variants."""
        own = {**self.always._asdict(), "mosaic": self.mosaic, "clip_ending": self.clip_ending}
        return plan.name_in_folder(inner, self.ending, **own)

    def outputs(self, inner: PurePosixPath) -> list[str]:
        """The paths of all outputs of an input."""
        return [str(plan.varied(self.output(inner), variant)) for variant in self.settings.each()]

    def check(self) -> tuple[Store, Store]:
        """The stores; `PellucidError` where nothing can be done."""
        source, out = stores.open_store(self.source), stores.open_store(self.out)
        working.reading(self.how)
        footage.check(self.clip)
        if self.ending is not None:
            files.check_written(Path(f"output{self.ending}"), **self.always._asdict())
        source.check()
        if source.place() == out.place():
            raise OptionError(f"--out {self.out}: outputs would replace their inputs; name another folder")
        if isinstance(out, stores.Folder) and saving.exists(out.root) and not files.is_folder_of_pictures(out.root):
            raise OptionError(f"--out {self.out}: this must be a folder")
        return source, out


class Item(NamedTuple):
    """An input that is to be done. ``variant`` names the variant of the settings; ``ours`` are the first 64 bits of the hash of the
    output that the manifest knows."""

    input: str
    size: int
    stamp: str
    output: str
    variant: str = ""
    ours: int | None = None


@dataclass
class Counts:
    """How many files were done, are done already, failed, failed before, or have an output that was made otherwise."""

    listed: int = 0
    done: int = 0
    skipped: int = 0
    failed: int = 0
    failed_before: int = 0
    otherwise: int = 0
    pixels: int = 0

    def add(self, row: Row) -> None:
        """Counts a row."""
        if row["status"] == "done":
            self.done += 1
            self.pixels += row["width"] * row["height"] * row["pages"] * row["frames"]
        else:
            self.failed += 1

    @property
    def good(self) -> bool:
        """Whether every input has its output."""
        return not (self.failed or self.failed_before or self.otherwise)


class Worker:
    """Does the items of an order, one after the other.

    ``adopt``: an output that is there without a row may come from a process that was killed; it counts where this input gives the
    same bytes.
    """

    def __init__(self, order: Order, *, adopt: bool) -> None:
        self.order = order
        self.adopt = adopt
        self.source, self.out = stores.open_store(order.source), stores.open_store(order.out)

    @cached_property
    def restorer(self) -> Restorer | Chain:
        """The model, or the chain, that restores; loaded when first asked for."""
        return self.order.load(dict(self.order.engine))

    @cached_property
    def made_by(self) -> Callable[[Item], dict[str, str]]:
        """A function that gives settings, model and version of an item's output, as the manifest holds them."""
        # The format is in the output's name.
        written = {name: value for name, value in self.order.how.to_dict().items() if name != "format"}
        written |= self.order.clip.to_dict()
        each = self.order.settings.each().items()
        variants = {name: parts.plain(settings.to_dict() | written) for name, settings in each}
        fingerprint = working.made_by(self.restorer, self.order.how, self.order.settings)

        def of(item: Item) -> dict[str, str]:
            model = fingerprint(PurePosixPath(item.input))
            return {"settings": variants[item.variant], "fingerprint": model, "pellucid": __version__}

        return of

    def begun(self, item: Item) -> Row:
        """The row of an item that has no output yet."""
        return {
            "input": parts.text(item.input),
            "output": parts.text(item.output),
            "asked": parts.text(item.output),
            "input_stamp": item.stamp,
            "input_bytes": item.size,
            "status": "failed",
            "process": f"{socket.gethostname()}:{os.getpid()}",
            **self.made_by(item),
        }

    def row(self, item: Item, shared: Sequence[Portion] = (), large: Large | None = None) -> Row:
        """Restores a file, or puts it together from portions that are done; what goes wrong is in the row. `DiskFull` goes on: all
        others would fail, too.

        A file that several workers are to share, by ``large``, is not restored: the row has its ``portions``.
        """
        row = self.begun(item)
        with self._noted(item, row):
            self._restored(item, row, shared, large)
            row["status"] = "done"
        return row

    def portion(self, item: Item, portion: Portion) -> Row:
        """Restores a portion of a file, unless it is there already; the row is of use where that fails."""
        row, order = self.begun(item), self.order
        name = self.portion_name(item, portion)
        with self._noted(item, row):
            if self.out.size(name) is None:
                with self.source.fetched(item.input, item.size) as given, self.out.room(name) as room:
                    kept = room / PurePosixPath(name).name
                    settings = order.settings.each()[item.variant]
                    outcome = portions.restored(given, kept, portion, self.restorer, order.task, settings, order.how)
                    self._check_outcome(outcome, {str(given): self.source.name(item.input)})
                    self.out.put(kept, name, overwrite=True)
            row["status"] = "done"
        return row

    def portion_name(self, item: Item, portion: Portion) -> str:
        """Where a portion is kept in the store of outputs: a hash of all that it depends on."""
        return portions.named(portion, item.input, item.stamp, *(self.made_by(item)[column] for column in parts.HOW))

    @contextmanager
    def _noted(self, item: Item, row: Row) -> Iterator[None]:
        """Notes in the row what goes wrong, and how long it took."""
        began = time.monotonic()
        try:
            yield
        except DiskFull:
            raise
        except (PellucidError, OSError, MemoryError) as error:
            row["error"] = self._line(item, error)
        except Exception as error:  # nobody foresaw it; the rest of a million files shall not end for it
            row["error"] = f"{self.source.name(item.input)}: unexpected error: {type(error).__name__}: {error}"
        row["seconds_in_all"] = time.monotonic() - began
        row["at"] = datetime.now(UTC)

    def _restored(self, item: Item, row: Row, shared: Sequence[Portion], large: Large | None) -> None:
        order = self.order
        settings = order.settings.each()[item.variant]
        self._check(item, item.output, worked=False)
        names = [(portion, self.portion_name(item, portion)) for portion in shared]
        with ExitStack() as opened:
            given = opened.enter_context(self.source.fetched(item.input, item.size))
            if large is not None and item.size >= large.bytes:
                # A file that cannot be read is an error below.
                with suppress(PellucidError, OSError, MemoryError):
                    row["portions"] = portions.divided(given, self.restorer, settings, order.how, large)
                if row.get("portions"):
                    return
                row.pop("portions", None)
            room = opened.enter_context(self.out.room(item.output))
            together = opened.enter_context(portions.Together(self.restorer, self.out, names)) if names else None
            row["input_sha256"] = manifest.digest_of(given)
            planned = Plan(((given, room / PurePosixPath(item.output).name),), named=True)
            (outcome,) = batch.restore_files(planned, self.restorer, settings, order.how, clip=order.clip, restore=together)
            output = str(PurePosixPath(item.output).with_name(outcome.output.name))
            # Names of copies on this machine mean nothing to anybody.
            meant = {
                str(given): self.source.name(item.input),
                str(outcome.output): self.out.name(output),
                str(room): self.out.name(),
            }
            self._check_outcome(outcome, meant)
            row["output"] = parts.text(output)
            row["output_sha256"] = digest = manifest.digest_of(outcome.output)
            row["output_bytes"] = (saving.state(outcome.output) or (0,))[0]
            there = self._check(item, output, worked=True, digest=digest)
            left = self.out.put(outcome.output, output, overwrite=there)
        row |= {
            "width": outcome.width,
            "height": outcome.height,
            "pages": outcome.pages,
            "frames": outcome.frames,
            "seconds": outcome.seconds,
            "model": outcome.model,
            "remarks": [*outcome.remarks, *([left] if left else ())],
        }
        # Another process has the facts of a stack's page.
        row |= (together and together.about) or {
            "line": settings.line(outcome.facts),
            "facts": parts.plain(order.task.facts_as_json(outcome.facts)),
        }

    def _check_outcome(self, outcome: batch.Outcome, names: Mapping[str, str]) -> None:
        """Raises the error of an outcome, by the ``names`` that files have for people."""
        if outcome.error is None:
            return
        line = outcome.error
        for name, meant in names.items():
            line = line.replace(name, meant)
        raise (DiskFull if outcome.full else FileError)(line)

    def _check(self, item: Item, output: str, *, worked: bool, digest: str = "") -> bool:
        """Whether there is an output of this name already, which may be replaced; `FileError` where it may not.

        Before the work it passes where only the work can show whose the output is. After it, ``digest`` is the new one's.
        """
        if self._claimed(item, output):
            raise FileError(f"{self.source.name(output)} has an output of the same name; rename one of them")
        if self._below and _within(self.out.place(output), self.source.place()):
            raise FileError(f"{self.out.name(output)}: the output would lie in the folder of inputs; name another folder")
        if self.out.size(output) is None:
            return False
        if self.out.place(output) in self._kept:
            raise FileError(f"{self.out.name(output)}: the output would replace a file that a setting names")
        if self.order.overwrite or (not worked and self.adopt):
            return True
        found = self.out.digest(output)
        if found == digest or (item.ours is not None and int(found[:16], 16) == item.ours):
            return True
        other = ", but was not made from this picture with these settings" if worked else ""
        raise FileError(f"{self.out.name(output)} exists{other}; --force overwrites it")

    def _claimed(self, item: Item, output: str) -> bool:
        """Whether the input that has this name is another one, which this run takes, and has an output of this name, too."""
        inner = PurePosixPath(output)
        ours = output == item.input or not self.order.selection.finds(inner, self.order.task.mark)
        return not ours and output in self.order.outputs(inner) and self.source.size(output) is not None

    @cached_property
    def _below(self) -> bool:
        """Whether the folder of inputs is below that of outputs."""
        return _within(self.source.place(), self.out.place())

    @cached_property
    def _kept(self) -> list[tuple[Any, str]]:
        return [stores.Folder(path).place() for path in (*self.order.settings.attached(), *self.order.how.attached())]

    def _line(self, item: Item, error: Exception) -> str:
        if isinstance(error, PellucidError):
            return str(error)
        return f"{self.source.name(item.input)}: {getattr(error, 'strerror', None) or error or type(error).__name__}"


def _within(place: tuple[Any, str], folder: tuple[Any, str]) -> bool:
    """Whether a place (`Store.place`) is in a folder."""
    sep = os.sep if folder[0] == libraries.LOCAL else "/"
    return place[0] == folder[0] and place[1].startswith(f"{folder[1].rstrip(sep)}{sep}")


class Listing:
    """The inputs of an order that are still to be done.

    ``shard`` says which share; failures are tried again where ``retry`` says so. ``counts`` is what has been left out so far.
    """

    def __init__(self, worker: Worker, shard: Shard = ALL, *, retry: bool = False) -> None:
        self._worker = worker
        self._order = worker.order
        self._shard = shard
        self._retry = retry
        self.known = parts.Known(worker.out, shard.takes)
        self.counts = Counts()

    def __iter__(self) -> Iterator[Item | Row]:
        """The items to be done, and the manifest's rows of inputs that cannot be looked at."""
        order = self._order
        self.counts = Counts()
        renamed: set[int] = set()
        folder = ""
        for found in self._worker.source.pictures(order.selection, order.task.mark, self._worker.out):
            if not self._shard.takes(found.inner):
                continue
            inner = PurePosixPath(found.inner)
            if str(inner.parent) != folder:
                folder, renamed = str(inner.parent), set()
            name = order.output(inner)
            error = found.error
            if error is None and name != inner:
                taken = parts.key(name)
                if taken in renamed:
                    place = self._worker.source.name(found.inner)
                    error = f"{place}: another picture beside it has an output of the same name, {name.name}; rename one of them"
                renamed.add(taken)
            for variant in order.settings.each():
                self.counts.listed += 1
                item = Item(found.inner, found.size, found.stamp, str(plan.varied(name, variant)), variant)
                wanted = self._wanted(item)
                if wanted is None:
                    continue
                # The one that had the name before keeps it.
                if error is None or (wanted.ours is not None and found.error is None):
                    yield wanted
                else:
                    yield self._unread(item, error)

    def _unread(self, item: Item, error: str) -> Row:
        return {**self._worker.begun(item), "error": error, "at": datetime.now(UTC)}

    def _wanted(self, item: Item) -> Item | None:
        past = self.known.of(parts.text(item.input), parts.text(item.output))
        if past is None:
            return item
        made = self._worker.made_by(item)
        same, as_asked = past.stamp == parts.key(item.stamp), past.made == parts.key(*(made[column] for column in parts.HOW))
        if past.done and past.there and same:
            if as_asked:
                self.counts.skipped += 1
                return None
            if not self._order.overwrite:
                self.counts.otherwise += 1
                return None
        if not past.done and same and as_asked and not self._retry:
            self.counts.failed_before += 1
            return None
        return item._replace(ours=past.output)


def run(order: Order, shard: Shard = ALL, *, retry: bool = False) -> Run:
    """A run in this process alone: see `Run`. Failures are tried again with ``retry``, and where the order overwrites outputs."""
    order.check()
    worker = Worker(order, adopt=False)
    listing = Listing(worker, shard, retry=retry or order.overwrite)
    worker.adopt = listing.known.any
    return Run(worker, listing, shard)


class Run:
    """A run over one share, in this process: iterating does it, and yields each row once its output is there."""

    def __init__(self, worker: Worker, listing: Listing, shard: Shard) -> None:
        self._worker = worker
        self._listing = listing
        self._name = f"{shard.number}of{shard.of}" if shard.of > 1 else ""

    @property
    def left_out(self) -> Counts:
        """The counts of inputs left out so far."""
        return self._listing.counts

    def count(self) -> int:
        """How many inputs are to be done: one more listing."""
        return sum(1 for _ in self._listing)

    def __iter__(self) -> Iterator[Row]:
        with parts.Writer(self._worker.out, self._name) as writer:
            for item in self._listing:
                row = self._worker.row(item) if isinstance(item, Item) else item
                writer.add(row)
                yield row
