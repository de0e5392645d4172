"""The training loop: one function that can be read from top to bottom. Fabric gives it devices, precision and processes."""

from __future__ import annotations

import atexit
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pellucid.errors import EngineError, FileError, MissingExtra, OptionError, TrainingError
from pellucid.files import replacing
from pellucid.training import data as training_data
from pellucid.training import feed, looks, ondevice
from pellucid.training.data import Batch, Neighbours, Pictures
from pellucid.training.networks import Network
from pellucid.training.recipes import Loss, Recipe

__all__ = [
    "Progress",
    "Run",
    "answer",
    "checkpoint_weights",
    "neighbour_loss",
    "picked",
    "planes_of",
    "seen_again",
    "stein_loss",
    "train",
]

SAVE_EVERY_S = 60.0
"""Seconds between checkpoints: what a kill can cost at most."""

PSNR_CAP = 1e-7
"""Mean squared error below which a score sees no difference: 70 dB, the cap of our scores on digits."""

PSNR_SOFTENING = 1e-4
"""Added to the mean squared error in the loss ``psnr``. Its gradient grows as an image's error shrinks: without it, the nearly
clean images of a batch outweigh all others."""

PART_SOFTENING = 0.0125
"""What the loss ``psnr-part`` adds to the mean squared error, for each unit of the noise's standard deviation: about the error
that is left of a photograph (DnCNN's published scores on BSD68, Zhang et al. 2017, give 0.0114, 0.0122 and 0.0121 at levels 15,
25, 50)."""


NEIGHBOUR_WEIGHT = 2.0
"""How much the regulariser of `neighbour_loss` counts at a run's end; it grows from nothing (the authors' ``increase_ratio``)."""

PROBE = 0.25
"""How strong `stein_loss` makes its own noise, as a share of the image's: strong enough to be felt through bfloat16, too weak for
the level to be another one (1.03 times)."""

STATE = frozenset(
    ("network", "weights", "average", "optimizer", "step", "minutes", "history", "before", "best", "best_step", "waited")
)
"""What a checkpoint holds."""


@dataclass(frozen=True)
class Progress:
    """One line of a run's history. ``done`` is the share of the run that is over; ``loss`` the mean since the last line.

    ``validation_loss`` is the recipe's loss on held-out images, ``psnr`` their mean PSNR in dB, by noise and over all (``mean``).
    Both are None between validations. ``speed`` is in images a second, ``rate`` the learning rate of the step.
    """

    step: int
    done: float
    minutes: float
    minutes_left: float
    loss: float
    speed: float
    validation_loss: float | None = None
    psnr: dict[str, float] | None = None
    rate: float = 0.0


@dataclass
class Run:
    """What a run has come to: the network with the weights that count, and its history.

    These are the average's, where there is one, at the step ``best_step``, where held-out images were restored best; ``last`` are
    those of the end. ``before`` is what the weights that the run began from were worth, where it began from any.
    ``stalled`` says that it was over early, for want of progress; ``diverged`` is the step whose loss was no number, 0 where there
    was none.
    """

    network: Network
    steps: int = 0
    minutes: float = 0.0
    history: list[Progress] = field(default_factory=list)
    finished: bool = False
    device: str = "cpu"
    seed: int = 0
    best_step: int = 0
    last: dict[str, torch.Tensor] = field(default_factory=dict)
    before: Progress | None = None
    stalled: bool = False
    diverged: int = 0
    first: bool = True
    """Whether this process is the one that speaks and writes, of those that train together."""


def answer(network: torch.nn.Module, kind: str, batch_input: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """The restored image in float32, unclipped: the network's answer, or ``base`` (input or enlargement) less its residual."""
    scale = base.shape[-1] // batch_input.shape[-1]
    said: torch.Tensor = (network(batch_input) if scale == 1 else network(batch_input, scale)).float()
    return base - said if kind == "residual" else said


def loss_of(kind: Loss, restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
    """The mean loss of a batch.

    ``psnr`` is 10 log10 of each image's squared error, softened. ``psnr-part`` takes each for a part of a larger image, whose other
    parts are as hard as photographs usually are: a part counts by its error, not by the error's logarithm, since an image's score
    is that of its mean error; and levels of noise count alike.
    """
    if kind == "bce":
        return functional.binary_cross_entropy(restored, clean)
    if kind == "l1":
        return functional.l1_loss(restored, clean)
    if kind == "l2":
        return functional.mse_loss(restored, clean)
    squared = (restored - clean).square().mean(dim=(1, 2, 3))
    if kind == "psnr-part":
        squared = squared + PART_SOFTENING * (noisy - clean).square().mean(dim=(1, 2, 3)).sqrt()
    return 10 * torch.log10(squared + PSNR_SOFTENING).mean()


@torch.no_grad()
def seen_again(network: Network, given: torch.Tensor, again: Sequence[bool], channels: int) -> torch.Tensor:
    """What is ``given`` of a batch, (n, channels + maps, h, w), with those of its examples that ask ``again`` as the network sees
    them the second time.

    By the network itself, not by what makes several processes of it: they need not look again at the same step.
    """
    which = torch.from_numpy(np.flatnonzero(again)).to(given.device)
    if not len(which):
        return given
    learning = network.training
    network.eval()
    once = given[which]
    first = answer(network, network.answer, once, once[:, :channels])
    network.train(learning)
    return given.index_copy(0, which, looks.second(once, first))


def neighbour_loss(
    model: torch.nn.Module, network: Network, given: torch.Tensor, clean: torch.Tensor, made: Neighbours, weight: float
) -> torch.Tensor:
    """The loss of a batch of noisy images without clean ones (Huang et al. 2021, equation 8).

    Squares, since the mean of independent noisy answers is the clean one. What a pixel and its neighbour differ by beneath the
    noise is foretold from the whole image's answer, and ``weight`` says how much that counts.
    """
    whole = _on_device(made.whole, given.device)
    first, second = (torch.from_numpy(which).to(given.device) for which in (made.first, made.second))
    with torch.no_grad():
        restored_whole = answer(model, network.answer, whole, whole[:, : clean.shape[1]])
        expected = picked(restored_whole, first) - picked(restored_whole, second)
    error = answer(model, network.answer, given, given[:, : clean.shape[1]]) - clean
    return error.square().mean() + weight * (error - expected).square().mean()


def stein_loss(
    model: torch.nn.Module, network: Network, given: torch.Tensor, noisy: torch.Tensor, probe: torch.Tensor, level: int
) -> torch.Tensor:
    """Each image's squared error, (n,), estimated without the clean image from noise of known level, plane ``level`` of ``given``.

    An image with more noise, y + a s z, and one with other noise, y - s z / a, have independent errors where the noise of y is
    Gaussian with the standard deviation s (Pang et al. 2021, "Recorrupted-to-Recorrupted"). With z and -z drawn together and what
    does not depend on the answer left out, that is Stein's unbiased estimate (1981), its divergence told by the difference of both
    answers.
    """
    channels = noisy.shape[1]
    sigma = given[:, level : level + 1]
    moved = PROBE * sigma * probe
    more, less = given.clone(), given.clone()
    more[:, :channels] += moved
    less[:, :channels] -= moved
    both = torch.cat((more, less))
    both[:, level] *= math.sqrt(1 + PROBE**2)
    first, second = answer(model, network.answer, both, both[:, :channels]).chunk(2)
    away = ((first - noisy).square() + (second - noisy).square()) / 2
    return (away + sigma * probe * (first - second) / PROBE - sigma.square()).mean(dim=(1, 2, 3))


def picked(planes: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
    """Pixel number ``which`` (n, h, w), 0 to 3, of every 2x2 cell of ``planes`` (n, c, 2h, 2w)."""
    count, channels, height, width = planes.shape
    cells = functional.pixel_unshuffle(planes, 2).reshape(count, channels, 4, height // 2, width // 2)
    chosen = which[:, None, None].expand(-1, channels, 1, -1, -1)
    found: torch.Tensor = cells.gather(2, chosen).squeeze(2)
    return found


def checkpoint_weights(path: Path) -> dict[str, torch.Tensor]:
    """The averaged weights in a checkpoint; `FileError` when it is none."""
    weights: dict[str, torch.Tensor] = _read_checkpoint(path)["average"]
    return weights


def train(
    recipe: Recipe,
    pictures: Pictures,
    *,
    checkpoint: Path,
    device: str = "auto",
    workers: int | None = None,
    seed: int = 0,
    resume: bool = False,
    start: dict[str, torch.Tensor] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_validated: Callable[[Progress, dict[str, torch.Tensor]], None] | None = None,
) -> Run:
    """Trains the recipe's network on ``pictures``; stops when the recipe says, or early at Ctrl-C or SIGTERM.

    ``checkpoint`` is written every minute and at the end (weights, average, the best of it, optimizer, step, history); ``resume``
    goes on from it. ``start`` are weights to begin from: those whose name and shape fit are taken. ``device`` is auto, cpu or cuda.
    ``workers`` are the processes that make the batches (0: threads of this one do; None: as `feed.workers` has it).
    Several processes that torchrun has started train together: each draws batches of its own, the first one decides and writes.
    ``on_progress`` hears of every line, ``on_validated`` of those with scores and of the weights that these are of, which are only
    its to read.
    A loss that is no number ends the run with the best weights that it had. Raises `TrainingError` where it had none yet, and
    `OptionError` when a checkpoint exists and ``resume`` was not said, or the other way round.
    """
    plan = recipe.training
    if checkpoint.exists() and not resume:
        raise OptionError(f"{checkpoint} is left from an earlier run: --resume goes on with it, or delete it to begin again")
    if resume and not checkpoint.exists():
        raise OptionError(f"--resume: there is no {checkpoint} to go on from")

    noisy = pictures.kind == "noisy"
    # A network for several factors has an output for each, and a step trains one of them.
    fabric = _fabric(device, plan.precision, unused=len(getattr(recipe.network, "scales", ())) > 1)
    torch.manual_seed(seed)
    network = recipe.network.build()
    # Half-size pictures learn from each other.
    multiple = network.multiple_of * (2 if recipe.from_neighbours else 1)
    if noisy and recipe.data.patch % multiple:
        raise OptionError(f"--noisy: data.patch is a multiple of {multiple} for this network, not {recipe.data.patch}")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub forgets it
    if start is not None:
        _adopt(network, start)
    rule = torch.optim.Adam if plan.optimizer == "adam" else torch.optim.AdamW
    fused = True if fabric.device.type == "cuda" else None
    optimizer = rule(network.parameters(), lr=plan.rate, weight_decay=plan.weight_decay, fused=fused)
    run = Run(network, device=str(fabric.device), seed=seed, first=fabric.is_global_zero)
    best: dict[str, torch.Tensor] | None = None
    waited = 0
    before = 0.0
    state: dict[str, Any] | None = None
    if resume:
        state = _read_checkpoint(checkpoint)
        if state["network"] != repr(recipe.network):
            raise OptionError(f"{checkpoint} is of another network: {state['network']}")
        network.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        run.steps, before = state["step"], state["minutes"]
        run.history = [Progress(**line) for line in state["history"]]
        run.before = None if state["before"] is None else Progress(**state["before"])
        best, run.best_step, waited = state["best"], state["best_step"], state["waited"]
    # Crops are all of one size: the quickest of the ways to convolve them is worth looking for.
    torch.backends.cudnn.benchmark = fabric.device.type == "cuda"
    model, optimizer = fabric.setup(network, optimizer)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    if state is not None:
        average = {name: value.to(fabric.device) for name, value in state["average"].items()}
    elif start is not None:
        line = Progress(step=0, done=0, minutes=0, minutes_left=plan.minutes, loss=math.nan, speed=0)
        line = _validated(line, network, average, pictures, recipe, fabric.device)
        # Layers of eight bits do not know their inputs' range before the first batch: what they answer is no number yet.
        if math.isfinite(_score(line)):
            run.before, best = line, _copied(average)
            if on_progress is not None and fabric.is_global_zero:
                on_progress(line)
            if on_validated is not None and fabric.is_global_zero:
                on_validated(line, average)

    world = fabric.world_size
    per_epoch = max(1, len(pictures.train) // (plan.batch * world))
    last = plan.steps or round(plan.epochs * per_epoch)
    rounds = round(plan.epochs) if plan.epochs >= 1 else plan.validations
    begun = saved = shown = time.monotonic()
    losses: list[float] = []
    seen_at_show = 0
    validated = int(_done(run.steps, before, last, plan.minutes) * rounds)

    def minutes() -> float:
        return before + (time.monotonic() - begun) / 60

    def save() -> None:
        if fabric.is_global_zero:
            _save(checkpoint, recipe, network, average, optimizer, run, minutes(), best, waited)

    # A GPU makes what it can by itself; who asks for workers has them.
    if fabric.device.type == "cuda" and workers is None and ondevice.serves(pictures, recipe):
        made_ahead = ondevice.batches(pictures, recipe, seed, run.steps, fabric.global_rank, device=fabric.device)
    else:
        made_ahead = feed.batches(
            pictures,
            recipe,
            seed,
            run.steps,
            fabric.global_rank,
            threads=max(2, feed.cores() - 2),
            processes=feed.workers(recipe, feed.cores(), world) if workers is None else workers,
            pinned=fabric.device.type == "cuda",
        )
    with _stop_signals() as stopping:
        while True:
            over = stopping.is_set() or run.stalled or bool(run.diverged)
            done, stop = _agreed(_done(run.steps, minutes(), last, plan.minutes), over, fabric)
            if done >= 1 or stop:
                break
            for group in optimizer.param_groups:
                group["lr"] = _rate(plan.rate, plan.schedule, plan.warmup, run.steps, done)
            batch = next(made_ahead)
            with fabric.autocast():
                given, base, clean = planes_of(batch, network, fabric.device)
            model.train()
            if batch.neighbours is not None:
                loss = neighbour_loss(model, network, given, clean, batch.neighbours, NEIGHBOUR_WEIGHT * done)
            elif batch.probe is not None:
                loss = stein_loss(model, network, given, clean, _on_device(batch.probe, fabric.device), _level(recipe)).mean()
            else:
                restored = answer(model, network.answer, given, base)
                kind = plan.finish_loss if done >= 1 - plan.finish_share else plan.loss
                loss = loss_of(kind, restored, clean, base)
            fabric.backward(loss)
            if plan.clip:
                fabric.clip_gradients(model, optimizer, max_norm=plan.clip, error_if_nonfinite=False)
            optimizer.step()
            optimizer.zero_grad()
            run.steps += 1
            seen_at_show += plan.batch * world
            # The average must not remember the random start: its memory grows with the run.
            keep = min(plan.ema, (1 + run.steps) / (10 + run.steps)) if plan.ema else 0.0
            _blend(average, network, keep)
            losses.append(loss.detach())  # type: ignore[arg-type]  # read in one go below: a read waits for the device

            now = time.monotonic()
            done = _done(run.steps, minutes(), last, plan.minutes)
            due = int(done * rounds) > validated
            if due or now - shown > 10 or done >= 1:
                mean = float(np.mean([float(value) for value in losses]))
                if not math.isfinite(mean) and fabric.is_global_zero:
                    # What spoils the weights of one process spoils all: the first one says so to the others, as of every end.
                    run.diverged = run.steps
                    continue
                line = Progress(
                    step=run.steps,
                    done=done,
                    minutes=minutes(),
                    minutes_left=(minutes() - before) * (1 - done) / max(done - _done(0, before, last, plan.minutes), 1e-9)
                    if not plan.minutes
                    else plan.minutes - minutes(),
                    loss=mean,
                    speed=seen_at_show / max(now - shown, 1e-9),
                    rate=optimizer.param_groups[0]["lr"],
                )
                if due:
                    validated = int(done * rounds)
                    line = _validated(line, network, average, pictures, recipe, fabric.device)
                    if math.isnan(_score(line)) and fabric.is_global_zero:
                        run.diverged = run.steps
                        continue
                    best_before = max(
                        (_score(entry) for entry in (run.before, *run.history) if entry is not None), default=-math.inf
                    )
                    run.history.append(line)
                    waited += 1
                    if _score(line) > best_before:
                        best, run.best_step, waited = _copied(average), run.steps, 0
                    run.stalled = 0 < plan.patience <= waited
                if on_progress is not None and fabric.is_global_zero:
                    on_progress(line)
                if due and on_validated is not None and fabric.is_global_zero:
                    on_validated(line, average)
                losses, seen_at_show, shown = [], 0, time.monotonic()
            # A checkpoint is to go on from: not from weights that are none any more.
            if now - saved > SAVE_EVERY_S and (not losses or math.isfinite(float(losses[-1]))):
                save()
                saved = time.monotonic()
        made_ahead.close()  # type: ignore[attr-defined]  # a generator
    if run.diverged and best is None:
        raise TrainingError(f"step {run.diverged}: the loss is not a number; a lower training.rate may help")
    run.minutes = minutes()
    run.finished = _done(run.steps, run.minutes, last, plan.minutes) >= 1 or run.stalled or bool(run.diverged)
    if not run.diverged:
        save()
    if run.steps and (not run.history or run.history[-1].step != run.steps) and run.first and not run.diverged:
        # Stopped between two validations. What follows is not in the checkpoint: an unbroken run has no such line.
        line = Progress(step=run.steps, done=done, minutes=run.minutes, minutes_left=0, loss=math.nan, speed=0)
        line = _validated(line, network, average, pictures, recipe, fabric.device)
        if best is None or _score(line) > max(_score(entry) for entry in (run.before, *run.history) if entry is not None):
            best, run.best_step = None, run.steps
        run.history.append(line)
    run.last = {name: value.cpu() for name, value in average.items()}
    network.load_state_dict(average if best is None else best)
    network.to("cpu").eval()
    return run


def _level(recipe: Recipe) -> int:
    """Which plane of the network's input tells the level of noise."""
    return recipe.data.channels + recipe.task.maps.index("sigma")


def _score(line: Progress) -> float:
    """How well held-out images were restored: by their mean PSNR, or where there are no clean ones by the loss; more is better."""
    if line.psnr is not None:
        return line.psnr["mean"]
    return -math.inf if line.validation_loss is None else -line.validation_loss


def _copied(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in weights.items()}


def _agreed(done: float, stop: bool, fabric: Any) -> tuple[float, bool]:
    """How much is done and whether to stop, as the first of all processes sees it: they take each step together or not at all."""
    if fabric.world_size == 1:
        return done, stop
    said = torch.tensor([done, float(stop)], dtype=torch.float64, device=fabric.device)
    torch.distributed.broadcast(said, src=0)
    return float(said[0]), bool(said[1])


def _done(steps: int, minutes: float, last: int, length: float) -> float:
    return min(1.0, minutes / length if length else steps / max(last, 1))


def _rate(peak: float, schedule: str, warmup: int, step: int, done: float) -> float:
    """The learning rate of a step; a cosine falls to a hundredth of the peak."""
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    fall = 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2 if schedule == "cosine" else 1.0
    return peak * rise * fall


def _on_device(planes: np.ndarray[Any, np.dtype[np.float32]] | torch.Tensor, device: torch.device) -> torch.Tensor:
    if isinstance(planes, torch.Tensor):
        return planes
    # Without waiting, where the batch's memory is pinned.
    tensor = torch.from_numpy(planes).to(device, non_blocking=True)
    return tensor.to(memory_format=torch.channels_last)


def planes_of(batch: Batch, network: Network, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the network sees of a batch, for the second time where that is asked for; what a residual is taken from; the target."""
    given, clean = _on_device(batch.input, device), _on_device(batch.target, device)
    given = seen_again(network, given, batch.again, clean.shape[1])
    base = given[:, : clean.shape[1]] if batch.enlarged is None else _on_device(batch.enlarged, device)
    return given, base, clean


@torch.no_grad()
def _blend(average: dict[str, torch.Tensor], network: Network, keep: float) -> None:
    values = network.state_dict()
    floats = [name for name, value in values.items() if value.is_floating_point()]
    torch._foreach_lerp_([average[name] for name in floats], [values[name] for name in floats], 1 - keep)
    for name in values.keys() - set(floats):
        average[name].copy_(values[name])


def _adopt(network: Network, start: dict[str, torch.Tensor]) -> None:
    """Takes every weight whose name fits and whose shape does (gray to colour: all but the ends), or is smaller.

    That only between networks that see and answer the same planes. A smaller one becomes the corner of the wider layer's, and what
    would lead from new channels into old ones is zero: the wider network begins with the answers of the narrower one (after Chen
    et al. 2016, "Net2Net: Accelerating Learning via Knowledge Transfer").
    """
    own = network.state_dict()
    kernels = [name for name, value in own.items() if value.ndim == 4]
    ends = ((kernels[0], 1), (kernels[-1], 0)) if kernels else ()
    alike = all(name in start and start[name].ndim == 4 and start[name].shape[axis] == own[name].shape[axis] for name, axis in ends)
    fitting: dict[str, torch.Tensor] = {}
    for name, value in start.items():
        wanted = own.get(name)
        if wanted is None:
            continue
        if wanted.shape == value.shape:
            fitting[name] = value
        elif alike and wanted.ndim == value.ndim == 4 and wanted.shape[2:] == value.shape[2:] and _in_corner(wanted, value):
            fitting[name] = _widened(wanted, value)
    if not fitting:
        raise OptionError("--from: no weight of that model fits this recipe's network")
    network.load_state_dict(own | fitting)


def _in_corner(wide: torch.Tensor, narrow: torch.Tensor) -> bool:
    return all(large >= small for large, small in zip(wide.shape[:2], narrow.shape[:2], strict=True))


def _widened(wide: torch.Tensor, narrow: torch.Tensor) -> torch.Tensor:
    """A convolution's fresh weights, (out, in, h, w) or transposed (in, out, h, w), with a narrower one's in their corner."""
    first, second = narrow.shape[:2]
    widened = wide.clone()
    # Where both sides grow, both ways between old and new channels begin at zero, so it matters not which axis is which. One side
    # alone grows at the ends: the first axis where channels leave the image, the second where they lead to the answer.
    if wide.shape[0] > first and wide.shape[1] > second:
        widened[first:, :second] = 0
    widened[:first, second:] = 0
    widened[:first, :second] = narrow
    return widened


@torch.no_grad()
def _validated(
    line: Progress,
    network: Network,
    average: dict[str, torch.Tensor],
    pictures: Pictures,
    recipe: Recipe,
    device: torch.device,
) -> Progress:
    """The line with the held-out images' loss and PSNR, by the averaged weights."""
    own = {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(average)
    network.eval()
    losses: list[float] = []
    scores: dict[str, list[float]] = {}
    low_precision = device.type == "cuda" or recipe.training.precision != "float32"
    with torch.autocast(device.type, torch.bfloat16, enabled=low_precision and _has_bfloat16(device.type)):
        most = 12_000 if recipe.data.kind == "digits" and len(recipe.data.validation) == 1 else 1_000
        for noise, batch in training_data.validation_batches(pictures, recipe, most=most):
            given, base, clean = planes_of(batch, network, device)
            if batch.probe is not None:
                losses += stein_loss(network, network, given, clean, _on_device(batch.probe, device), _level(recipe)).tolist()
                continue
            restored = answer(network, network.answer, given, base)
            if batch.neighbours is not None:
                losses += (restored - clean).square().mean(dim=(1, 2, 3)).tolist()
                continue
            restored = restored.clamp(0, 1)
            losses += [float(loss_of(recipe.training.loss, restored, clean, base))] * len(clean)
            squared = (restored - clean).square().mean(dim=(1, 2, 3)).clamp_min(PSNR_CAP)
            scores.setdefault(noise, []).extend((-10 * torch.log10(squared)).tolist())
    network.load_state_dict(own)
    psnr = {noise: float(np.mean(values)) for noise, values in scores.items()}
    if psnr:
        psnr["mean"] = float(np.mean(list(psnr.values())))
    return Progress(**{**vars(line), "validation_loss": float(np.mean(losses)), "psnr": psnr or None})


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        missing = STATE - state.keys()
    except Exception as error:  # a damaged file may raise anything
        raise FileError(f"{path}: not a checkpoint, or a damaged one ({type(error).__name__})") from error
    if missing:
        raise FileError(f"{path}: not a checkpoint of this version: it has no {sorted(missing)[0]!r}")
    return state


def _save(
    path: Path,
    recipe: Recipe,
    network: Network,
    average: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    run: Run,
    minutes: float,
    best: dict[str, torch.Tensor] | None,
    waited: int,
) -> None:
    state = {
        "network": repr(recipe.network),
        "weights": network.state_dict(),
        "average": average,
        "optimizer": optimizer.state_dict(),
        "step": run.steps,
        "minutes": minutes,
        "history": [vars(line) for line in run.history],
        "before": None if run.before is None else vars(run.before),
        "best": best,
        "best_step": run.best_step,
        "waited": waited,
    }
    with replacing(path, overwrite=True) as temporary:
        torch.save(state, temporary)


def _has_bfloat16(device: str) -> bool:
    """Whether bfloat16 is in the hardware: without it, it is slower than float32 on a CPU."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _fabric(device: str, precision: str, *, unused: bool) -> Any:
    """Devices, precision and processes. ``unused`` says that a step may leave parameters unused: processes then look which."""
    try:
        from lightning_fabric import Fabric
    except ImportError:
        # The package "lightning" carries the same class under its own name.
        try:
            from lightning.fabric import Fabric  # type: ignore[import-not-found, no-redef, unused-ignore]
        except ImportError as error:
            raise MissingExtra("lightning-fabric", "train") from error
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"device {device!r} is not one of auto, cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise EngineError("device 'cuda': PyTorch sees no NVIDIA GPU here; 'cpu' works")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    low = precision == "bfloat16" or (precision == "auto" and _has_bfloat16(device))
    # torchrun says how many processes there are on this machine.
    count = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    fabric = Fabric(
        accelerator=device,
        devices=count,
        strategy=("ddp_find_unused_parameters_true" if unused else "ddp") if count > 1 else "auto",
        precision="bf16-mixed" if low else "32-true",
    )
    fabric.launch()
    if count > 1:
        # Threads that still listen to the other processes would end this one with an abort, and torchrun the others then.
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Ends what this process shares with those it has trained with."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, so that the step in hand ends and the run is kept."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def stop(number: int, frame: FrameType | None) -> None:
        event.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
