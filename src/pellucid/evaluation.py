"""Scores models and classical methods on clean images that are degraded here, by a protocol that is written beside the scores.

The protocol is that of the denoising papers: noise is added in float64 and not clipped (unless its text ends in ``:clip``); the
seed of image n, files sorted by name, is n: ``numpy.random.default_rng(n)``; outputs are clipped to [0, 1] and not rounded; each
score is of an image, and the summary has the mean over images.

The rest is the task's (`pellucid.tasks.base.TaskModule`): the cases where none is named, the metrics, the part of an image that is
compared, what a model is given, and its lines of the protocol.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import platform
import signal
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import __version__, digits, files, metrics, tasks
from pellucid.baselines import find
from pellucid.degradations import Degradation
from pellucid.errors import EngineError, MissingExtra, OptionError, PellucidError
from pellucid.methods import Clean, Method, Model, Noisy, Row, check_cases, methods_of, peak, steps_of, task_of_cases
from pellucid.references import Images, load_images
from pellucid.restorer import Restorer
from pellucid.tasks import Task, base

__all__ = [
    "Evaluation",
    "Images",
    "degraded",
    "evaluate",
    "load_images",
    "processor",
    "write_json",
]

RUNS = 3
"""Calls whose median is an image's time; the first call of a method, on a small image, is never counted."""

LONG_S = 2.0
"""Seconds after which an image is not timed again."""


@dataclass(frozen=True)
class Evaluation:
    """Scores: ``results`` has one row for each image, noise and method, ``summary`` their means.

    ``protocol`` is everything that the scores depend on. ``failed`` lists the files that could not be read and the methods that
    failed on an image, ``notes`` what the means leave out.
    """

    protocol: dict[str, Any]
    results: tuple[Row, ...]
    summary: tuple[Row, ...]
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The evaluation as JSON text."""
        text = json.dumps(vars(self), indent=1, ensure_ascii=False)
        # Bytes of a file's name that are no character get JSON's escape.
        return text.encode("utf-8", "backslashreplace").decode("utf-8")


def degraded(clean: Clean, noise: Degradation, index: int, task: Task | None = None) -> tuple[Clean, Noisy]:
    """The perfect output for image number ``index`` (h, w) or (h, w, 3), and the image with the protocol's noise, in float32.

    The perfect output is that of the ``task``; without one the clean image.
    """
    true, noisy, _ = _degraded(clean, noise, index, task)
    return true, noisy


def _degraded(clean: Clean, noise: Degradation, index: int, task: Task | None) -> tuple[Clean, Noisy, Noisy]:
    """As `degraded`, with the output of strength 0."""
    module = None if task is None else task.module()
    true, noisy, before = base.degraded(module, noise, clean, np.random.default_rng(index))
    return true.astype(np.float64, copy=False), noisy, before


# -- scoring ----------------------------------------------------------------------------------------------------------


def evaluate(
    images: Images,
    *,
    models: Mapping[str, Model],
    noises: Sequence[Degradation],
    baselines: Sequence[str] = ("none",),
    task: str | None = None,
    blind: bool = False,
    runs: int = RUNS,
    workers: int = 1,
    memory: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Scores every method on every image under every noise.

    ``task`` is the name of a row of `pellucid.tasks.TASKS` (default: the one that the noises are cases of). Models are given what
    the task's ``known`` gives for a case, such as the level of Gaussian noise; ``blind`` withholds it. Classical methods are always
    given the level. An image has at most ``runs`` timed calls; ``workers`` processes share the images (times get longer, scores
    stay the same); ``memory`` measures each method's peak memory in a process of its own. With either, a script must guard its
    entry (``if __name__ == "__main__"``), as `multiprocessing` demands. ``on_progress`` gets (steps done, steps in all). Raises
    `OptionError` when there is nothing to score, and for a noise or a method of another task.
    """
    # Noises of one text are one noise.
    noises = list({str(noise): noise for noise in noises}.values())
    if not (models or baselines) or not noises:
        raise OptionError("evaluate: name at least one model or baseline, and one noise")
    if runs < 1 or workers < 1:
        raise OptionError("evaluate: runs and workers must be 1 or more")
    row = tasks.find(task) if task is not None else task_of_cases(noises, models)
    check_cases(row, noises)
    methods = methods_of(models, baselines, row, noises, blind=blind)
    protocol = _protocol(row, images, noises, methods, models, blind, runs, workers)
    if images.stack is not None:
        summary, remarks = digits.scores(images.stack, images.labels, images.lesson, methods, noises)
        return Evaluation(protocol, (), tuple(summary), images.failed, (*images.notes, *remarks))
    jobs = [
        (place, name, clean, noise) for place, (name, clean) in zip(images.places, images.named, strict=True) for noise in noises
    ]
    results: list[Row] = []
    for done, rows in enumerate(_scored(jobs, row.name, methods, runs, workers)):
        results += rows
        if on_progress is not None:
            on_progress(done + 1, len(jobs))
    peaks = _peaks(row, images, methods, noises) if memory else {}
    names = row.module().METRICS
    summary = _summary(results, names, noises, [method.name for method in methods], peaks)
    broken = [f"{each['method']} on {each['image']} with {each['noise']}: {each['error']}" for each in results if "error" in each]
    notes = (*images.notes, *_too_small(results, names))
    return Evaluation(protocol, tuple(results), tuple(summary), (*images.failed, *broken), notes)


def _too_small(results: list[Row], names: Sequence[str]) -> list[str]:
    """A line for each image that is too small for some of the metrics."""
    large = [name for name in names if metrics.METRICS[name].least_side > 1]
    missing: dict[str, list[str]] = {}
    for row in results:
        if "error" not in row:
            missing[row["image"]] = [name for name in large if row[name] is None]
    return [f"{image}: too small for {' and '.join(names)}" for image, names in missing.items() if names]


def write_json(path: Path, evaluation: Evaluation, *, overwrite: bool = False) -> None:
    """Writes `Evaluation.to_json` to ``path``; `FileError` when it exists and ``overwrite`` is False."""
    with files.replacing(path, overwrite=overwrite) as temporary:
        temporary.write_text(evaluation.to_json(), "utf-8")


Job = tuple[int, str, Clean, Degradation]


@dataclass
class _Scorer:
    """Runs every method on an image; remembers which have been run before, so that no first call is timed."""

    task: str
    methods: tuple[Method, ...]
    runs: int
    warm: set[tuple[str, int, bool]] = field(default_factory=set)

    def __call__(self, job: Job) -> list[Row]:
        place, name, clean, noise = job
        head = {"image": name, "noise": str(noise)}
        try:
            true, noisy, before = _degraded(clean, noise, place, tasks.find(self.task))
            case = base.stated(noise, true, place)
        except PellucidError as error:
            return [{**head, "method": method.name, **self._failed(error)} for method in self.methods]
        rows = ((method, before if method.name == "none" else None) for method in self.methods)
        return [{**head, "method": method.name, **self._row(method, true, noisy, noise, case, same)} for method, same in rows]

    def _row(self, method: Method, clean: Clean, noisy: Noisy, noise: Degradation, case: Degradation, before: Noisy | None) -> Row:
        """The scores of a method; ``case`` is the noise with what it says of this image, ``before`` the output of no method."""
        task = tasks.find(self.task).module()
        try:
            level = method.level_of(clean, noisy, case)
            # Without noise most methods do nothing at all: such a call warms nothing.
            key = (method.name, noisy.ndim, level.sigma > 0 or level.density > 0)
            if key not in self.warm:
                method(noisy[:64, :64], noise, method.level_of(clean, noisy, noise))
                self.warm.add(key)
            times: list[float] = []
            while not times or (len(times) < self.runs and sum(times) < LONG_S):
                begun = time.perf_counter()
                raw = method(noisy, case, level)
                times.append(time.perf_counter() - begun)
            if not np.isfinite(raw).all():
                raise ValueError("its output has values that are not numbers")
            raw = raw if before is None else before
            # One plane may have an axis of its own or none.
            output = np.clip(np.asarray(raw, dtype=np.float64).reshape(clean.shape if raw.size == clean.size else raw.shape), 0, 1)
            scores = metrics.scores(task.scored(noise, clean), task.scored(noise, output), task.METRICS)
        except MissingExtra:
            raise
        except Exception as error:  # other people's code may raise anything; a tiny image is enough
            return self._failed(error)
        seconds = statistics.median(times)
        return {**scores, "seconds_per_megapixel": round(seconds / (clean.shape[0] * clean.shape[1] / 1e6), 4)}

    def _failed(self, error: Exception) -> Row:
        """The row of a method that failed on an image."""
        lines = str(error).strip().splitlines()
        scores: Row = dict.fromkeys(tasks.find(self.task).module().METRICS)
        return {**scores, "seconds_per_megapixel": None, "error": lines[-1] if lines else type(error).__name__}


_scorer: _Scorer | None = None
"""A worker process's own, made by `_begin` for every job of `_go_on`."""


def _begin(task: str, methods: tuple[Method, ...], runs: int) -> None:
    global _scorer
    # Ctrl-C goes to every process of the terminal; the one that was called decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _scorer = _Scorer(task, methods, runs)


def _go_on(job: Job) -> list[Row]:
    assert _scorer is not None
    return _scorer(job)


def _scored(jobs: Sequence[Job], task: str, methods: tuple[Method, ...], runs: int, workers: int) -> Iterator[list[Row]]:
    """The rows of each job, in order."""
    if workers == 1:
        yield from map(_Scorer(task, methods, runs), jobs)
        return
    # Spawned, not forked: engines have threads of their own.
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin, initargs=(task, methods, runs)
    )
    try:
        waiting: deque[Future[list[Row]]] = deque()
        for job in jobs:
            # A few ahead, not all: images are large, and what has been sent cannot be called back.
            waiting.append(pool.submit(_go_on, job))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenExecutor as error:
        raise EngineError("evaluate: a worker process died, perhaps because memory ran out; fewer --workers need less") from error
    except BaseException:
        processes = list((pool._processes or {}).values())  # private, and the only way to end a call in hand
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        raise
    pool.shutdown()


def _peaks(task: Task, images: Images, methods: tuple[Method, ...], noises: Sequence[Degradation]) -> dict[str, float | None]:
    """Each method's peak memory in MiB, the whole process with the interpreter; None where it cannot be read.

    On the largest image under its strongest noise: without noise most methods do nothing.
    """
    place, (_, clean) = max(zip(images.places, images.named, strict=True), key=lambda entry: entry[1][1].size)
    cases = []
    for noise in noises:
        try:
            true, noisy = degraded(clean, noise, place, task)
        except PellucidError:
            continue
        energy = float(np.square(noisy - true).mean()) if noisy.shape == true.shape else 1.0
        cases.append((energy, true, noisy, noise))
    if not cases:
        return {}
    _, true, noisy, noise = max(cases, key=lambda case: case[0])
    peaks: dict[str, float | None] = {}
    for method in methods:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                peaks[method.name] = pool.submit(peak, method, noisy, noise, method.level_of(true, noisy, noise)).result()
            except BrokenExecutor:
                # It died, most likely because there was less memory than was to be measured.
                peaks[method.name] = None
    return peaks


def _summary(
    results: list[Row],
    names: Sequence[str],
    noises: Sequence[Degradation],
    methods: Sequence[str],
    peaks: Mapping[str, float | None],
) -> list[Row]:
    """A row for each noise and method; the first of the metrics ``names`` is the headline."""
    headline, *others = names
    metric = metrics.METRICS[headline]
    rows = []
    for noise in noises:
        for method in methods:
            tried = [row for row in results if row["noise"] == str(noise) and row["method"] == method]
            whole = [row for row in tried if "error" not in row]
            scored = [row for row in whole if row[headline] is not None]
            values = [row[headline] for row in scored]
            worst = (min if metric.higher_is_better else max)(scored, key=lambda row: row[headline], default=None)
            kept = {name: [row[name] for row in whole if row[name] is not None] for name in others}
            times = [row["seconds_per_megapixel"] for row in whole]
            rows.append(
                {
                    "noise": str(noise),
                    "method": method,
                    "images": len(whole),
                    "failed": len(tried) - len(whole),
                    headline: round(float(np.mean(values)), 4) if values else None,
                    f"{headline}_spread": round(float(np.std(values)), 4) if values else None,
                    # An image that is large enough has no score where that would be infinite.
                    "identical": len(whole) - len(scored) if metric.least_side == 1 else 0,
                    **{name: round(float(np.mean(values)), 6) if values else None for name, values in kept.items()},
                    "worst": worst["image"] if worst else None,
                    f"worst_{headline}": worst[headline] if worst else None,
                    "seconds_per_megapixel": round(float(np.median(times)), 4) if times else None,
                    "peak_memory_mib": peaks.get(method),
                }
            )
    return rows


def _protocol(
    task: Task,
    images: Images,
    noises: Sequence[Degradation],
    methods: Sequence[Method],
    models: Mapping[str, Model],
    blind: bool,
    runs: int,
    workers: int,
) -> dict[str, Any]:
    stack = images.stack is not None
    seed = (
        "one generator, numpy.random.default_rng(0), for all digits"
        if stack
        else "numpy.random.default_rng(n) for file n of the folder, sorted by name, from 0"
    )
    module = task.module()
    own = {**module.PROTOCOL, **(digits.PROTOCOL if stack else {})}
    classical = [find(method.name) for method in methods if method.model is None]
    engines = [step.engine for model in models.values() for step in steps_of(model)]
    packages = ["numpy", "pillow", *engines, *(package for entry in classical for package in entry.packages)]
    return {
        "pellucid": __version__,
        "task": task.name,
        "images": images.source,
        "count": len(images.stack) if images.stack is not None else len(images.named),
        "pixels": _hash(images),
        "noise": [str(noise) for noise in noises],
        "seed": seed,
        "clipping": "noise is not clipped unless it ends in ':clip'; outputs are clipped to [0, 1]",
        "rounding": "none",
        **{name: f"{line}, then the mean" if name in module.METRICS else line for name, line in own.items()},
        "level": "not given to models (blind)"
        if blind
        else "given to models that take it (Gaussian) and to all baselines (for noise that they do not know, its energy)",
        "blind": blind,
        "models": {name: [file for step in steps_of(model) for file in _files(step)] for name, model in models.items()},
        "fingerprints": {name: "+".join(step.fingerprint()[:16] for step in steps_of(model)) for name, model in models.items()},
        "engines": {name: f"{steps_of(model)[0].engine}, {steps_of(model)[0].device}" for name, model in models.items()},
        "baselines": {entry.name: entry.summary for entry in classical},
        "times": "the whole stack, once, after a first call that is not counted"
        if stack
        else f"whole calls, median of up to {runs} for each image, then over images; {workers} at a time",
        "memory": "not measured"
        if stack
        else "the process that runs one method on the largest image under its strongest noise, at its peak",
        "versions": {name: _version(name) for name in dict.fromkeys(packages)},
        "python": platform.python_version(),
        "cpu": processor(),
        "cores": os.cpu_count(),
    }


def _files(step: Restorer) -> list[str]:
    """The first of a family's files for each number of channels."""
    by_channels: dict[int, str] = {}
    for role in step.models:
        card = step.models.card(role)
        by_channels.setdefault(card.channels, card.name)
    return list(by_channels.values())


def _hash(images: Images) -> str:
    """The first 16 digits of a SHA-256 over all pixels: whether two evaluations saw the same images."""
    digest = hashlib.sha256()
    for clean in (images.stack,) if images.stack is not None else (clean for _, clean in images.named):
        digest.update(repr(clean.shape).encode() + np.ascontiguousarray(clean).tobytes())
    return digest.hexdigest()[:16]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """The processor as the system names it."""
    about = Path("/proc/cpuinfo")
    if about.exists():
        for line in about.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
