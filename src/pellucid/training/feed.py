"""Batches prepared ahead while the network learns: by threads where cores are few, by processes where they are many.

Threads share one interpreter, so more than a few of them wait for each other; but they copy no batches and start at once. Either
way batch number n is the one that `pellucid.training.batches.make_batch` makes.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from pellucid.errors import OptionError
from pellucid.memory import cores
from pellucid.training.batches import Batch, make_batch
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe

__all__ = ["MANY_CORES", "batches", "check", "cores", "workers"]

MANY_CORES = 8
"""Cores from which processes make the batches of any recipe."""

MOST = 14
"""The most processes: each has the run's files open, and their batches take shared memory."""

AHEAD = 2
"""Batches that each thread or process prepares ahead."""

SHARED = Path("/dev/shm")
"""The system's shared memory, often 64 MB in containers."""


def workers(recipe: Recipe, cores: int, runs: int = 1) -> int:
    """The default number of processes that make batches, for each of ``runs`` runs on ``cores`` cores; 0: threads make them.

    All cores but two, at most `MOST`, and no more than shared memory has room for; but batches that are composed cost so much that
    they may as well go through pipes. With few cores none, or one where the recipe learns from each example several times: it makes
    the next ones meanwhile.
    """
    # On a Mac, the system's own libraries may break in a forked process.
    if not _can_fork() or sys.platform == "darwin":
        return 0
    if cores // runs < MANY_CORES:
        return int(recipe.training.echo > 1 and (bool(recipe.task.named) or _room(recipe, runs) > 0))
    count = min(cores // runs - 2, MOST)
    if not recipe.task.named:
        count = min(count, _room(recipe, runs))
    return count if count > 1 else 0


def _room(recipe: Recipe, runs: int = 1) -> int:
    """The number of processes whose batches shared memory has room for, in each of ``runs`` runs."""
    # The input with its maps, the target, and the base of the residual, which has the target's shape, or the weights.
    given, target = recipe.task.planes(recipe.data.channels)
    planes = given + 2 * target + len(recipe.task.maps)
    ahead = AHEAD * 4 * planes * recipe.data.patch**2 * recipe.training.batch * runs
    room = shutil.disk_usage(SHARED).free // 2 if SHARED.is_dir() else 0
    return room // ahead


def check(processes: int) -> None:
    """Raises `OptionError` where this number of processes cannot make batches."""
    if processes < 0:
        raise OptionError(f"--workers must be 0 or more, not {processes}")
    if processes and not _can_fork():
        raise OptionError("--workers: this system cannot fork a process; --workers 0 uses threads instead")


def batches(
    pictures: Pictures,
    recipe: Recipe,
    seed: int,
    start: int,
    rank: int = 0,
    *,
    threads: int = 2,
    processes: int = 0,
    pinned: bool = False,
) -> Iterator[Batch]:
    """Batches ``start``, ``start + 1``, ... without end, prepared ahead by ``processes``, or by ``threads`` if ``processes`` is 0.

    ``pinned``: in page-locked memory, from which an NVIDIA GPU copies them by itself.
    """
    make = partial(make_batch, pictures, recipe, seed, rank=rank)
    if processes:
        shared = not recipe.task.named or _room(recipe) >= processes
        made = _by_processes(make, start, processes, shared=shared)
    else:
        made = _by_threads(make, start, threads)
    yield from _pinned(made) if pinned else made


def _pinned(made: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, each copied while the step before it runs."""

    def fetch() -> Batch:
        batch: Batch = _each(next(made), lambda array: torch.from_numpy(array).pin_memory().numpy(), np.ndarray)
        return batch

    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = pool.submit(fetch)
        while True:
            batch = waiting.result()
            waiting = pool.submit(fetch)
            yield batch


def _by_processes(make: partial[Batch], start: int, processes: int, *, shared: bool = True) -> Iterator[Batch]:
    loader: DataLoader[Any] = DataLoader(
        _Made(make, shared),
        batch_size=None,
        sampler=itertools.count(start),
        num_workers=processes,
        prefetch_factor=AHEAD,
        collate_fn=_itself,
        worker_init_fn=_begin,
        multiprocessing_context="fork",
    )
    for made in loader:
        yield _each(made, torch.Tensor.numpy, torch.Tensor)


def _by_threads(make: partial[Batch], start: int, threads: int) -> Iterator[Batch]:
    with ThreadPoolExecutor(max_workers=threads) as pool:
        # NumPy computes and draws random numbers without the interpreter's lock.
        waiting: list[Future[Batch]] = [pool.submit(make, start + offset) for offset in range(AHEAD * threads)]
        step = start + len(waiting)
        try:
            while True:
                yield waiting.pop(0).result()
                waiting.append(pool.submit(make, step))
                step += 1
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Made(Dataset[Any]):
    """Batches by their number: as tensors, which pass between processes in shared memory, or as arrays, which are copied."""

    def __init__(self, make: partial[Batch], shared: bool) -> None:
        self.make = make
        self.shared = shared

    def __getitem__(self, step: int) -> Any:
        batch = self.make(step)
        return _each(batch, torch.from_numpy, np.ndarray) if self.shared else batch


def _each(value: Any, change: Callable[[Any], Any], kind: type) -> Any:
    """A batch, or part of one, in which ``change`` has replaced every value of type ``kind``: arrays, or tensors."""
    if isinstance(value, kind):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: _each(getattr(value, field.name), change, kind) for field in fields(value)})
    return value


def _can_fork() -> bool:
    """Whether processes can be forked: they share the mapped images; newly started ones would need copies of all of them."""
    return "fork" in multiprocessing.get_all_start_methods()


def _itself(batch: Any) -> Any:
    return batch


def _begin(number: int) -> None:
    """Puts a worker into a process group of its own: Ctrl-C reaches the run alone, whose last step still needs its batch. The run
    ends its workers."""
    os.setpgid(0, 0)
    os.nice(5)  # The run itself goes first.
