"""A folder that is watched: each picture that comes into it is restored once it is whole.

The folder is looked at every few seconds; nothing is asked of the system, so it works for network drives, too. A picture is whole
when its size and its time have not changed from one look to the next, and it can be decoded. The manifest of the outputs'
folder lists the finished pictures (`pellucid.manifest`): a watch that was ended, or killed, goes on where it was.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from pellucid import batch, files, manifest, plan, regular, saving, working
from pellucid.batch import Outcome
from pellucid.chains import Chain
from pellucid.errors import FileError, OptionError, PellucidError
from pellucid.plan import Plan, Selection
from pellucid.same import is_same
from pellucid.tasks.settings import Always, FileSettings

__all__ = ["LOCK", "Watch", "alone"]

LOCK = ".pellucid.watch"
"""The file in the folder of outputs that a watch holds locked."""

State = tuple[int, int, int]
"""A file's size in bytes, its time in nanoseconds, and its number in the file system."""


@dataclass
class Watch:
    """A watched ``folder`` whose outputs go into ``out``.

    ``selection`` says which pictures count, ``chain`` and ``how`` what is done with them; with ``overwrite`` a picture that has
    changed is done again, without it that is an error. ``confidence`` as of `pellucid.batch.restore_files`.
    """

    folder: Path
    out: Path
    chain: Chain
    how: FileSettings = field(default_factory=FileSettings)
    selection: Selection = field(default_factory=Selection)
    overwrite: bool = False
    confidence: Callable[[Path], Path] | None = None
    _last: dict[Path, State] = field(default_factory=dict)
    _over: dict[Path, State] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not files.is_folder_of_pictures(self.folder):
            raise FileError(f"{self.folder}: there is no such folder")
        if is_same(self.folder, self.out):
            raise OptionError(f"--out {self.out}: outputs would be taken for new pictures; name another folder")
        if len(self.chain.steps.each()) > 1:
            raise OptionError("a watched folder gives one output for each picture, and these steps ask for several")

    def look(self) -> list[Path]:
        """The pictures that are whole since the last look, not yet done, in the order of their paths."""
        now: dict[Path, State] = {}
        for path, error in plan.listed(self.folder, self.selection, self.out, self.chain.steps.mark):
            if error is None and (state := saving.state(path)) is not None:
                now[path] = state
        whole = [path for path, state in now.items() if self._last.get(path) == state != self._over.get(path)]
        self._last = now
        # A file that is gone, and comes again, is a new one.
        self._over = {path: state for path, state in self._over.items() if path in now}
        return whole

    def done(self, paths: list[Path], progress: working.Progress | None = None) -> Generator[Outcome, None, None]:
        """Restores these pictures, those left out that have their output. A picture that fails is tried again when it changes; one
        for which the disk has no room, at the next look."""
        planned = self._planned(paths)
        work = planned, self.chain, self.chain.steps, self.how
        given: dict[str, Any] = {"overwrite": self.overwrite, "confidence": self.confidence, "progress": progress}
        for outcome in batch.restore_files(*work, resume=True, **given):
            if outcome.full:
                yield outcome
                return
            state = self._last.get(outcome.input)
            if state is not None:
                self._over[outcome.input] = state
            yield outcome

    def _planned(self, paths: list[Path]) -> Plan:
        pairs: list[tuple[Path, Path]] = []
        failed: list[tuple[Path, str]] = []
        alike: dict[tuple[Path, str], list[Path]] = {}
        for path in self._last:
            alike.setdefault(_stem(path), []).append(path)
        for path in paths:
            try:
                target = self._target(path)
                twins = [each for each in alike[_stem(path)] if each == path or self._shares(each, target)]
                first = self._first(twins, target)
                if first != path:
                    raise OptionError(f"{first} and {path} would both be written to {target}; give one of them another name")
                pairs.append((path, target))
            except PellucidError as error:
                failed.append((path, str(error)))
        return Plan(tuple(pairs), tuple(failed), self.out)

    def _first(self, twins: Sequence[Path], target: Path) -> Path:
        """The one of several pictures that has their output: the one that made it, else the first by name, whatever came first: the
        next watch, which does not know that, is to do as this one."""
        if len(twins) > 1 and saving.exists(target):
            made_from = manifest.input_of(target, self.out)
            for each in twins:
                # All lie in one folder.
                if made_from is not None and each.name == PurePath(made_from).name:
                    return each
        return min(twins)

    def _target(self, path: Path) -> Path:
        ending = files.ending_named(self.how.format) if self.how.format is not None else None
        always = Always.of(self.chain.steps.answer)._asdict()
        place = self.out / path.relative_to(self.folder).parent
        kept = [*self.chain.steps.attached(), *self.how.attached()]
        return plan.plan([path], place, ending=ending, folder=True, kept=kept, **always).pairs[0][1]

    def _shares(self, path: Path, target: Path) -> bool:
        try:
            return is_same(self._target(path), target)
        except PellucidError:
            return False

    def outcomes(
        self, every: float, stop: threading.Event, *, once: bool = False, progress: working.Progress | None = None
    ) -> Iterator[Outcome]:
        """Looks every so many seconds until ``stop`` is set, and restores what is whole; with ``once`` what is there now."""
        self.look()
        while not stop.wait(every):
            yield from self.done(self.look(), progress)
            if once:
                return


@contextmanager
def alone(out: Path, say: Callable[[str], None] = lambda line: None) -> Iterator[None]:
    """Holds `LOCK` in the folder, which is made where it is missing: two watches with one folder would do all work twice.

    `FileError` where another has it; ``say`` is given a line where the file system has no locks.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = regular.opened(out / LOCK, os.O_RDWR | os.O_CREAT, links=False)
    except OSError as error:
        raise FileError(f"{out}: cannot be used: {error.strerror}") from error
    with lock:
        locked = saving.locked(lock.fileno())
        if locked is False:
            raise FileError(f"{out}: another watch writes there")
        if locked is None:
            say(f"{out}: this file system has no locks; see that only one watch writes there")
        yield


def _stem(path: Path) -> tuple[Path, str]:
    """The same for all pictures of a folder whose outputs may share a name."""
    return path.parent, path.stem.casefold()
