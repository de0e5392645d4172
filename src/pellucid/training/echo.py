"""Batches learnt from several times, where they come slower than the device learns.

After Choi et al. 2019, "Faster Neural Network Training with Data Echoing".

Batches that are composed of several images, or worn as film is, cost 15 to 30 ms of a core for each example, so a GPU waits. The
examples that came last stay on the device, and each step draws from them at random, mirrored or not, until each has been learnt
from as often as the recipe allows. A processor does the same where processes beside it make the batches.
Which examples a step draws depends on how fast they come, so two runs are not alike.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Any, cast

import torch

from pellucid.errors import TrainingError
from pellucid.training.batches import Batch

__all__ = ["FEW", "KEPT", "echoed"]

KEPT = 3072
"""Examples kept on the device: at 288 pixels and 18 planes 9 GB."""

FEW = 1024
"""The same in the memory of a processor."""

COORDINATES = ("x",)
"""Planes that stay as they are where a picture is mirrored across."""

NAMES = ("input", "target", "enlarged", "weight")
"""The planes of a batch."""


def echoed(
    made: Iterator[Batch], times: int, maps: tuple[str, ...], device: torch.device, *, kept: int = KEPT, seed: int = 0
) -> Iterator[Batch]:
    """Batches of examples of ``made``, each learnt from ``times`` times on average; their planes are tensors on ``device``.

    ``maps`` names the last planes of the input. Batches of ``made`` are of one length, and have no more than the planes in `NAMES`.
    The last ``kept`` examples are drawn from. Those of smaller patches than others had are learnt from once: they come of the few
    pictures that are smaller than a patch.
    """
    first = next(made)
    if any(first.again) or first.neighbours is not None or first.probe is not None:
        raise TrainingError(
            "training.echo: examples with a second look, or without a clean image, are learnt from once; leave it out"
        )
    size = len(first.input)
    waiting: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=4)
    over = threading.Event()

    def fetch() -> None:
        while not over.is_set():
            try:
                batch: Batch | BaseException = next(made)
            except BaseException as error:  # whoever waits for the batch raises it
                batch = error
            while not over.is_set():
                try:
                    waiting.put(batch, timeout=0.5)
                    break
                except queue.Full:
                    continue
            if isinstance(batch, BaseException):
                return

    thread = threading.Thread(target=fetch, name="echo", daemon=True)
    thread.start()
    places = max(1, kept // size)
    pool = _rooms(first, places, device)
    still = [first.input.shape[1] - len(maps) + index for index, name in enumerate(maps) if name in COORDINATES]
    generator = torch.Generator(device)
    generator.manual_seed(seed)
    came, left = 0, 0
    fresh: Batch | None = first
    try:
        while True:
            while fresh is not None:
                side, held = fresh.input.shape[2], pool["input"].shape[2]
                if side < held:
                    yield _once(fresh, pool, device)
                else:
                    if side > held:
                        pool, came, left = _rooms(fresh, places, device), 0, 0
                    place = came % places
                    for name, room in pool.items():
                        room[place * size : (place + 1) * size] = torch.from_numpy(getattr(fresh, name)).to(
                            device, non_blocking=True
                        )
                    came, left = came + 1, left + times
                fresh = _next(waiting, wait=False)
            left -= 1
            chosen = torch.randint(min(came, places) * size, (size,), generator=generator, device=device)
            mirrored = torch.rand(size, generator=generator, device=device) < 0.5
            yield Batch(
                **cast(
                    Any, {name: _mirrored(room[chosen], mirrored, still if name == "input" else []) for name, room in pool.items()}
                )
            )
            fresh = _next(waiting, wait=left < 1)
    finally:
        over.set()
        thread.join()
        made.close()  # type: ignore[attr-defined]  # a generator


def _rooms(batch: Batch, places: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Space for so many batches like this one."""
    return {name: _room(getattr(batch, name), places, device) for name in NAMES if getattr(batch, name) is not None}


def _once(batch: Batch, names: Iterable[str], device: torch.device) -> Batch:
    """The batch on the device."""
    return Batch(**cast(Any, {name: torch.from_numpy(getattr(batch, name)).to(device, non_blocking=True) for name in names}))


def _room(planes: Any, places: int, device: torch.device) -> torch.Tensor:
    """Space for so many batches, in half precision: a step of 8-bit levels is eight of its steps at white."""
    count, *shape = planes.shape
    return torch.empty((places * count, *shape), dtype=torch.float16, device=device)


def _next(waiting: queue.Queue[Batch | BaseException], *, wait: bool) -> Batch | None:
    try:
        batch = waiting.get(block=wait)
    except queue.Empty:
        return None
    if isinstance(batch, BaseException):
        raise batch
    return batch


def _mirrored(planes: torch.Tensor, which: torch.Tensor, still: list[int]) -> torch.Tensor:
    """The planes (n, c, h, w) as float32, those of ``which`` mirrored across but for the planes ``still``."""
    planes = planes.float()
    flipped = planes.flip(3)
    for index in still:
        flipped[:, index] = planes[:, index]
    return torch.where(which[:, None, None, None], flipped, planes).contiguous(memory_format=torch.channels_last)
