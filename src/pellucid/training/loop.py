"""The training loop: one function that can be read from top to bottom. Fabric gives it devices, precision and processes."""

from __future__ import annotations

import atexit
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

from pellucid.errors import EngineError, MissingExtra, OptionError, TrainingError
from pellucid.training import checkpoints, echo, feed, losses, ondevice
from pellucid.training.adopting import adopt
from pellucid.training.adversary import Adversary
from pellucid.training.batches import Batch
from pellucid.training.looks import on_device, planes_of
from pellucid.training.networks import Network
from pellucid.training.pictures import Pictures
from pellucid.training.recipes import Recipe
from pellucid.training.validating import has_bfloat16, validate

__all__ = ["Progress", "Run", "train"]

SAVE_EVERY_S = 60.0
"""Seconds between checkpoints: the most training time that a killed run loses."""

RAMP = 0.2
"""The share of a run in which the weight of its adversary grows from nothing: it learns to judge first."""


@dataclass(frozen=True)
class Progress:
    """One line of a run's history. ``done`` is the share of the run that is over; ``loss`` the mean since the last line.

    ``validation_loss`` is the recipe's loss on held-out images, ``scores`` their mean scores by the recipe's metric
    (`Recipe.validated`, PSNR in dB for most), by noise and over all (``mean``). Both are None between
    validations. ``speed`` is in images a second, ``rate`` the
    learning rate of the step.
    """

    step: int
    done: float
    minutes: float
    minutes_left: float
    loss: float
    speed: float
    validation_loss: float | None = None
    scores: dict[str, float] | None = None
    rate: float = 0.0


@dataclass
class Run:
    """The result of a run: the network with the weights that count, and its history.

    The weights are those of the moving average, where there is one, at the step ``best_step``, where held-out images were restored
    best; ``last`` are the weights of the end. ``before`` is the score of the starting weights; None if they were random.
    ``stalled``: the run ended early, without progress; ``diverged`` is the step whose loss was not a number, 0 for none.
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
    """Whether this process prints and writes: the first of those that train together."""


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

    ``checkpoint`` is written every minute and at the end (weights, their average and its best, optimizer, step, history);
    ``resume`` goes on from it. ``start`` are weights to begin from: those whose name and shape fit are taken. ``device`` is auto,
    cpu or cuda. ``workers`` is the number of processes that make the batches (0: threads of this process; None: `feed.workers`).
    Several processes that torchrun has started train together: each draws its own batches, the first one decides and writes.
    ``on_progress`` is called with every line of the history, ``on_validated`` with each scored line and its weights, which it must
    not change. A loss that is not a number ends the run with its best weights. Raises `TrainingError` where it has none yet,
    `OptionError` where a checkpoint exists without ``resume``, or ``resume`` is given without a checkpoint.
    """
    plan = recipe.training
    if checkpoint.exists() and not resume:
        raise OptionError(f"{checkpoint} is left from an earlier run: --resume continues it; delete the file to begin again")
    if resume and not checkpoint.exists():
        raise OptionError(f"--resume: there is no checkpoint {checkpoint} to go on from")

    noisy = pictures.kind == "noisy"
    # A network for several factors has an output for each, and a step trains one of them.
    fabric = _fabric(device, plan.precision, unused=len(recipe.task.scales) > 1)
    torch.manual_seed(seed)
    network = recipe.network.build()
    # Neighbouring pixels make pictures of half the size.
    multiple = network.multiple_of * (2 if recipe.from_neighbours else 1)
    if noisy and recipe.data.patch % multiple:
        raise OptionError(f"--noisy: data.patch must be a multiple of {multiple} for this network, not {recipe.data.patch}")
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub forgets it
    if start is not None:
        adopt(network, start)
    rule = torch.optim.Adam if plan.optimizer == "adam" else torch.optim.AdamW
    fused = True if fabric.device.type == "cuda" else None
    optimizer = rule(network.parameters(), lr=plan.rate, weight_decay=plan.weight_decay, fused=fused)
    run = Run(network, device=str(fabric.device), seed=seed, first=fabric.is_global_zero)
    best: dict[str, torch.Tensor] | None = None
    waited = 0
    before = 0.0
    state: dict[str, Any] | None = None
    this_run = checkpoints.run_of(recipe, pictures, seed, begun=start is not None)
    if resume:
        state = checkpoints.read(checkpoint)
        checkpoints.check(state, this_run, checkpoint)
        network.load_state_dict(state["weights"])
        optimizer.load_state_dict(state["optimizer"])
        run.steps, before = state["step"], state["minutes"]
        run.history = [Progress(**line) for line in state["history"]]
        run.before = None if state["before"] is None else Progress(**state["before"])
        best, run.best_step, waited = state["best"], state["best_step"], state["waited"]
    # All crops have one size: a search for the quickest convolutions pays off.
    torch.backends.cudnn.benchmark = fabric.device.type == "cuda"
    model, optimizer = fabric.setup(network, optimizer)
    if hasattr(network, "training_output"):
        # As the forward pass has it: in the run's precision, with gradients that all processes share.
        model.mark_forward_method("training_output")
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    adversary = Adversary(fabric) if plan.adversary else None
    if adversary is not None and state is not None:
        adversary.load(state["adversary"])

    def scored(line: Progress) -> Progress:
        loss, scores = validate(network, average, pictures, recipe, fabric.device)
        return replace(line, validation_loss=loss, scores=scores)

    def score(line: Progress) -> float:
        """The score of held-out images, higher is better; the negative loss where no image is clean."""
        if line.scores is not None:
            return line.scores["mean"] if recipe.validated.higher_is_better else -line.scores["mean"]
        return -math.inf if line.validation_loss is None else -line.validation_loss

    if state is not None:
        average = {name: value.to(fabric.device) for name, value in state["average"].items()}
    elif start is not None:
        line = Progress(step=0, done=0, minutes=0, minutes_left=plan.minutes, loss=math.nan, speed=0)
        line = scored(line)
        # Layers of eight bits learn their inputs' range from the first batch: before it, outputs are not numbers.
        if math.isfinite(score(line)):
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
    recent: list[float] = []
    seen_at_show = 0
    done = _done(run.steps, before, last, plan.minutes)
    validated = int(done * rounds)

    def minutes() -> float:
        return before + (time.monotonic() - begun) / 60

    def save() -> None:
        if fabric.is_global_zero:
            values = {
                "run": this_run,
                "weights": network.state_dict(),
                "average": average,
                "optimizer": optimizer.state_dict(),
                "step": run.steps,
                "minutes": minutes(),
                "history": [vars(line) for line in run.history],
                "before": None if run.before is None else vars(run.before),
                "best": best,
                "best_step": run.best_step,
                "waited": waited,
                "adversary": None if adversary is None else adversary.state(),
            }
            checkpoints.save(checkpoint, values)

    # A GPU makes what it can by itself; who asks for workers has them.
    if fabric.device.type == "cuda" and workers is None and ondevice.serves(pictures, recipe):
        made_ahead = ondevice.batches(pictures, recipe, seed, run.steps, fabric.global_rank, device=fabric.device)
    else:
        processes = feed.workers(recipe, feed.cores(), world) if workers is None else workers
        made_ahead = feed.batches(
            pictures,
            recipe,
            seed,
            run.steps,
            fabric.global_rank,
            threads=max(2, feed.cores() - 2),
            processes=processes,
            pinned=fabric.device.type == "cuda",
        )
        if plan.echo > 1 and (fabric.device.type == "cuda" or processes) and pictures.kind in ("composed", "clean"):
            kept = echo.KEPT if fabric.device.type == "cuda" else echo.FEW
            made_ahead = echo.echoed(made_ahead, plan.echo, recipe.task.maps, fabric.device, kept=kept, seed=seed)
    with _stop_signals() as stopping:
        while True:
            over = stopping.is_set() or run.stalled or bool(run.diverged)
            # As read after the step before: read again here, the time could end between the two, and the run without its last line.
            done, stop = _agreed(done, over, fabric)
            if done >= 1 or stop:
                break
            for group in optimizer.param_groups:
                group["lr"] = _rate(plan.rate, plan.schedule, plan.warmup, run.steps, done)
            batch = next(made_ahead)
            model.train()
            loss, answered = _loss(batch, model, network, recipe, done, fabric)
            if adversary is not None and answered is not None:
                loss = loss + plan.adversary * min(1.0, done / RAMP) * adversary.loss(*answered)
            fabric.backward(loss)
            if plan.clip:
                fabric.clip_gradients(model, optimizer, max_norm=plan.clip, error_if_nonfinite=False)
            optimizer.step()
            optimizer.zero_grad()
            if adversary is not None and answered is not None:
                adversary.learn(*answered, optimizer.param_groups[0]["lr"])
            run.steps += 1
            seen_at_show += plan.batch * world
            # The average's memory grows with the run, so that it forgets the random start.
            keep = min(plan.ema, (1 + run.steps) / (10 + run.steps)) if plan.ema else 0.0
            _blend(average, network, keep)
            recent.append(loss.detach())  # type: ignore[arg-type]  # read below, all at once: each read waits for the device

            now = time.monotonic()
            done = _done(run.steps, minutes(), last, plan.minutes)
            due = int(done * rounds) > validated
            if due or now - shown > 10 or done >= 1:
                mean = float(np.mean([float(value) for value in recent]))
                if not math.isfinite(mean) and fabric.is_global_zero:
                    # NaN reaches all processes through the gradients; rank 0 decides and tells the others.
                    run.diverged = run.steps
                    continue
                left = (minutes() - before) * (1 - done) / max(done - _done(0, before, last, plan.minutes), 1e-9)
                line = Progress(
                    step=run.steps,
                    done=done,
                    minutes=minutes(),
                    # The last step of a run may end after its time.
                    minutes_left=max(0.0, plan.minutes - minutes()) if plan.minutes else left,
                    loss=mean,
                    speed=seen_at_show / max(now - shown, 1e-9),
                    rate=optimizer.param_groups[0]["lr"],
                )
                if due:
                    validated = int(done * rounds)
                    line = scored(line)
                    if math.isnan(score(line)) and fabric.is_global_zero:
                        run.diverged = run.steps
                        continue
                    best_before = max(
                        (score(entry) for entry in (run.before, *run.history) if entry is not None), default=-math.inf
                    )
                    run.history.append(line)
                    waited += 1
                    # Texture that a judge has asked for has no score: the last weights count.
                    if score(line) > best_before or adversary is not None:
                        best, run.best_step, waited = _copied(average), run.steps, 0
                    run.stalled = 0 < plan.patience <= waited
                if on_progress is not None and fabric.is_global_zero:
                    on_progress(line)
                if due and on_validated is not None and fabric.is_global_zero:
                    on_validated(line, average)
                recent, seen_at_show, shown = [], 0, time.monotonic()
            # No run can go on from weights that are not numbers.
            if now - saved > SAVE_EVERY_S and (not recent or math.isfinite(float(recent[-1]))):
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
        # Stopped between two validations. The line that follows is not in the checkpoint: an unbroken run has no such line.
        line = Progress(step=run.steps, done=done, minutes=run.minutes, minutes_left=0, loss=math.nan, speed=0)
        line = scored(line)
        if (
            best is None
            or adversary is not None
            or score(line) > max(score(entry) for entry in (run.before, *run.history) if entry is not None)
        ):
            best, run.best_step = None, run.steps
        run.history.append(line)
    run.last = {name: value.cpu() for name, value in average.items()}
    network.load_state_dict(average if best is None else best)
    network.to("cpu").eval()
    return run


def _loss(
    batch: Batch, model: Any, network: Network, recipe: Recipe, done: float, fabric: Any
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None]:
    """The loss of a batch, and what it compares: the restored images, the clean ones, and the base of a residual; None where no
    image is clean."""
    with fabric.autocast():
        given, base, clean = planes_of(batch, network, fabric.device)
    if batch.neighbours is not None:
        whole = on_device(batch.neighbours.whole, fabric.device)
        first, second = (torch.from_numpy(which).to(fabric.device) for which in (batch.neighbours.first, batch.neighbours.second))
        share = losses.NEIGHBOUR_WEIGHT * done
        return losses.neighbour_loss(model, network, given, clean, whole, first, second, share), None
    if batch.probe is not None:
        probe = on_device(batch.probe, fabric.device)
        return losses.stein_loss(model, network, given, clean, probe, recipe.level_plane).mean(), None
    plan = recipe.training
    kind = plan.finish_loss if done >= 1 - plan.finish_share else plan.loss
    raw = losses.LOSSES[kind].raw
    # Fabric sets the precision of the forward pass alone, not of the other methods of a single process.
    with fabric.autocast():
        restored = losses.raw_output(model, given) if raw else losses.answer(model, network.answer, given, base)
    weight = None if batch.weight is None else on_device(batch.weight, fabric.device)
    with fabric.autocast():
        clean = losses.reachable(network, given, base, clean)
    return losses.loss_of(kind, restored, clean, base, weight), (restored, clean, base)


def _copied(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in weights.items()}


def _agreed(done: float, stop: bool, fabric: Any) -> tuple[float, bool]:
    """How much is done and whether to stop, as the first of all processes sees it: they take each step together or not at all."""
    if fabric.world_size == 1:
        return done, stop
    both = torch.tensor([done, float(stop)], dtype=torch.float64, device=fabric.device)
    torch.distributed.broadcast(both, src=0)
    return float(both[0]), bool(both[1])


def _done(steps: int, minutes: float, last: int, length: float) -> float:
    return min(1.0, minutes / length if length else steps / max(last, 1))


def _rate(peak: float, schedule: str, warmup: int, step: int, done: float) -> float:
    """The learning rate of a step; a cosine falls to a hundredth of the peak."""
    rise = min(1.0, (step + 1) / warmup) if warmup else 1.0
    fall = 0.01 + 0.99 * (1 + math.cos(math.pi * done)) / 2 if schedule == "cosine" else 1.0
    return peak * rise * fall


@torch.no_grad()
def _blend(average: dict[str, torch.Tensor], network: Network, keep: float) -> None:
    values = network.state_dict()
    floats = [name for name, value in values.items() if value.is_floating_point()]
    torch._foreach_lerp_([average[name] for name in floats], [values[name] for name in floats], 1 - keep)
    for name in values.keys() - set(floats):
        average[name].copy_(values[name])


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
    low = precision == "bfloat16" or (precision == "auto" and has_bfloat16(device))
    # torchrun says how many processes there are on this machine.
    count = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # Fabric names the precision in its own words, on standard error; the lines of a run are ours.
    words = logging.getLogger("lightning_fabric.utilities.rank_zero")
    before = words.level
    words.setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=device,
            devices=count,
            strategy=("ddp_find_unused_parameters_true" if unused else "ddp") if count > 1 else "auto",
            precision="bf16-mixed" if low else "32-true",
        )
    finally:
        words.setLevel(before)
    fabric.launch()
    if count > 1:
        # Threads that still listen to the other processes would end this one with an abort, and torchrun the others then.
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    """Ends the group of the processes that trained together."""
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
