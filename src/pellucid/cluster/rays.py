"""A run over the nodes of a Ray cluster, by Ray Data.

One task lists the inputs where the driver is, and is held back where the actors are not as fast. Paths travel to the actors, and a
row of the manifest comes back from each; the driver writes the manifest. An actor, or a node, that is lost takes the files in hand
with it; Ray gives them to another one, which recognises what is done by its bytes.

An actor that finds a large file (`portions`) sends back how it is to be shared. Once the others are done the actors do the portions
of several such files, and then put each together.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import ray
import ray.data
import ray.exceptions

from pellucid import memory
from pellucid.cluster import parts
from pellucid.cluster.portions import LARGE, Large, Portion
from pellucid.cluster.work import Counts, Item, Listing, Order, Worker
from pellucid.errors import OptionError, PellucidError

__all__ = ["ClusterRun", "connected"]

Shared = tuple[Item, list[Portion]]
"""A large file, and its portions."""

ITEMS = 4
"""Inputs whose rows an actor hands back together. A block of paths has some times as many; that of a lost actor goes to another one
whole."""

BLOCK = 1024
"""Bytes of a block of paths or rows. Ray would gather 128 MiB before the first actor gets any."""

AT_ONCE = 8
"""Portions for each actor that are at work before the files that they belong to are put together: more take more room in the store,
fewer let actors wait for one another more often."""

PASSES = 3
"""How often the inputs are listed again where rows have been lost."""


def connected(address: str) -> None:
    """Connects to the cluster at this address, or starts one here (``local``). `OptionError` where there is none."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if ray.is_initialized():
        return
    # Ray would tell its makers about each cluster that it starts.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address == "local":
            ray.init(address="local", num_cpus=memory.cores(), include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise OptionError(f"--cluster {address}: {str(error).splitlines()[0]}") from error


class ClusterRun:
    """A run of an order on the cluster that this process is connected to; iterating does it, and yields each row as it comes.

    An actor has ``cpus`` cores, and its engine uses no more, and ``gpus`` GPUs. With ``retry`` failures are tried again. ``large``
    says which files several actors share; ``portions`` is how many portions of such files are done, and how many are begun.
    """

    def __init__(self, order: Order, *, cpus: float = 1, gpus: float = 0, retry: bool = False, large: Large = LARGE) -> None:
        order.check()
        self._order = order
        self._cpus, self._gpus = cpus, gpus
        self._retry = retry or order.overwrite
        self._large = large
        self.left_out = Counts()
        self.portions = (0, 0)
        # A fault of the model shows here, too, as one line, and not in every actor.
        self._worker = Worker(order, adopt=True)
        self._worker.made_by  # noqa: B018  # it is worked out once

    def count(self) -> int:
        """How many inputs are to be done: one more listing."""
        return sum(1 for _ in Listing(self._worker, retry=self._retry))

    def __iter__(self) -> Iterator[dict[str, Any] | None]:
        with parts.Writer(self._worker.out, "ray") as writer:
            for number in range(PASSES):
                sent = got = 0
                # The sums of all inputs' hashes are compared: as many rows as inputs could be some twice, and some never.
                difference = 0
                for row in self._all(retry=self._retry and number == 0):
                    if row is None:
                        yield None
                        continue
                    if "sent" in row:
                        sent = row.pop("sent")
                        difference += row.pop("sum")
                        self.left_out = Counts(**row)
                        continue
                    got += 1
                    difference -= parts.key(row["input"], row["asked"])
                    row["at"] = datetime.fromisoformat(row["at"])
                    writer.add(row)
                    yield row
                writer.flush()
                if got == sent and not difference:
                    return

    def _all(self, *, retry: bool) -> Iterator[dict[str, Any] | None]:
        """The rows of all files, the large ones last; what was sent; and None each time that a portion is done."""
        large: list[Shared] = []
        for row in self._rows(retry=retry):
            item = row.pop("item", None)
            if "portions" in row:
                large.append((Item(*item), [Portion(*each) for each in row["portions"]]))
            else:
                yield row
        while large:
            some: list[Shared] = []
            while large and sum(len(shared) for _, shared in some) < AT_ONCE * self._actors():
                some.append(large.pop())
            yield from self._shared(some)

    def _rows(self, *, retry: bool) -> Iterator[dict[str, Any]]:
        # A task that lists goes on nowhere else: another listing has another order.
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
        # Not a range, which a task with a core would make, and wait for ever where actors have them all.
        listed = self._given([""]).map_batches(
            _listed,
            fn_kwargs={"order": self._order, "retry": retry},
            batch_size=None,
            # No core of its own, so that it is not fused with the actors, nor waits for one of them.
            num_cpus=0,
            label_selector=here,
        )
        yield from self._done(listed, ITEMS)

    def _shared(self, large: list[Shared]) -> Iterator[dict[str, Any] | None]:
        """The rows of files that are done in portions."""
        worker = self._worker
        self.portions = (self.portions[0], self.portions[1] + sum(len(shared) for _, shared in large))
        given = [json.dumps({"item": item, "portion": each}) for item, shared in large for each in shared]
        failed: dict[Item, dict[str, Any]] = {}
        for row in self._done(self._given(given), 1):
            self.portions = (self.portions[0] + 1, self.portions[1])
            item = Item(*row.pop("item"))
            if row["status"] != "done":
                failed.setdefault(item, row)
            yield None
        yield from failed.values()
        whole = [json.dumps({"item": item, "portions": shared}) for item, shared in large if item not in failed]
        if whole:
            yield from self._done(self._given(whole), 1)
        for item, shared in large:
            for each in shared:
                # A portion that stays there costs room, and no more.
                with suppress(PellucidError, OSError):
                    worker.out.remove(worker.portion_name(item, each))

    def _given(self, items: list[str]) -> Any:
        """A dataset that begins with these, each in a block of its own."""
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = BLOCK
        return ray.data.from_items([{"item": item} for item in items], override_num_blocks=len(items))

    def _done(self, given: Any, at_once: int) -> Iterator[dict[str, Any]]:
        """The rows of the manifest that the actors answer for items."""
        done = given.map_batches(
            _Actor,
            fn_constructor_kwargs={"order": self._order, "cpus": self._cpus, "large": self._large},
            batch_size=at_once,
            compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=self._actors()),
            num_cpus=self._cpus,
            num_gpus=self._gpus,
        )
        try:
            for row in done.iter_rows():
                yield json.loads(row["row"])
        except ray.exceptions.RayError as error:
            own = _own(error)
            if own is None:
                raise
            # Ray adds lines of its own.
            own.args = (str(own).splitlines()[0],)
            raise own from None

    def _actors(self) -> int:
        """For how many actors there is room now."""
        room = ray.cluster_resources()
        actors = room.get("CPU", 0) / self._cpus
        if self._gpus:
            actors = min(actors, room.get("GPU", 0) / self._gpus)
        return max(1, int(actors))


def _own(error: BaseException | None) -> PellucidError | None:
    """Our error behind one of Ray's, whose text is that of a whole traceback."""
    while error is not None:
        if isinstance(error, PellucidError) and not isinstance(error, ray.exceptions.RayError):
            return error
        error = getattr(error, "cause", None) or error.__cause__
    return None


def _listed(_: Any, order: Order, retry: bool) -> Iterator[dict[str, list[str]]]:
    """The items to be done, a few at once; at the end the counts of those left out."""
    listing = Listing(Worker(order, adopt=True), retry=retry)
    waiting: list[str] = []
    sent = whole = 0
    for item in listing:
        sent += 1
        names = (item.input, item.output) if isinstance(item, Item) else (item["input"], item["asked"])
        whole += parts.key(*map(parts.text, names))
        waiting.append(json.dumps(list(item)) if isinstance(item, Item) else _sent(item))
        if len(waiting) == ITEMS:
            yield {"item": waiting}
            waiting = []
    yield {"item": [*waiting, json.dumps({"sent": sent, "sum": whole, **vars(listing.counts)})]}


class _Actor:
    """Does items, portions of large ones, and puts these together; what goes wrong with one is in its row."""

    def __init__(self, order: Order, cpus: float, large: Large) -> None:
        # Ray bounds OpenMP alone, and OpenVINO's threads are none of it.
        os.environ["PELLUCID_THREADS"] = str(max(1, int(cpus)))
        self._worker = Worker(order, adopt=True)
        self._large = large

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"row": [self._answer(json.loads(text)) for text in batch["item"]]}

    def _answer(self, given: Any) -> str:
        worker = self._worker
        if isinstance(given, list):
            item = Item(*given)
            return self._row(item, lambda: worker.row(item, large=self._large), item=item)
        if "portion" in given:
            item = Item(*given["item"])
            return self._row(item, lambda: worker.portion(item, Portion(*given["portion"])), item=item)
        if "portions" in given:
            item, shared = Item(*given["item"]), [Portion(*each) for each in given["portions"]]
            return self._row(item, lambda: worker.row(item, shared))
        return json.dumps(given)  # it has its row, or is what was sent

    def _row(self, given: Item, work: Callable[[], dict[str, Any]], **beside: Any) -> str:
        try:
            return _sent({**work(), **beside})
        except PellucidError as error:  # its disk is full; another node's need not be
            return _sent({**self._worker.begun(given), "error": str(error), "at": datetime.now(UTC), **beside})


def _sent(row: dict[str, Any]) -> str:
    """A row as it travels."""
    return json.dumps({**row, "at": row["at"].isoformat()})
