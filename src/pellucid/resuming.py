"""The folder of a clip's segments: which run has it, whose segments it holds, and so how an interrupted run goes on.

It lies beside the output while that is made. Its plan names a hash of all that the segments depend on: a run with the same hash
takes them, any other begins anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pellucid import regular, saving
from pellucid.errors import FileError

__all__ = ["folder", "named"]

PARTS = "pellucid clip 1"
"""The first word of the plan in a folder of segments: only such a folder is ever emptied."""

LONGEST_NAME = 255
"""Bytes of a file's name at most, as the usual file systems have it."""

LONGEST_PLAN = 1 << 16
"""Bytes of such a plan at most."""


@contextmanager
def folder(target: Path, key: str, *, resume: bool) -> Iterator[Path]:
    """Holds the folder ``.NAME.parts`` beside the output, of another name where that is too long; it goes when the block ends well.
    ``key`` is a hash of all that the segments depend on.

    Segments of another clip, of other settings, or of a run that is not to be continued are taken away first. A folder of that name
    that is not ours is left alone. One run at a time has it. Raises `FileError`.
    """
    name = os.fsencode(target.name)
    place = target.parent / f".{target.name if len(name) <= LONGEST_NAME - 7 else hashlib.sha256(name).hexdigest()}.parts"
    plan = place / "plan"
    target.parent.mkdir(parents=True, exist_ok=True)
    if place.exists() and (not place.is_dir() or place.is_symlink() or (_holds(place) and not plan.is_file())):
        raise FileError(f"{place} is in the way: it is no folder of segments of pellucid's; move it elsewhere")
    place.mkdir(exist_ok=True)
    with saving.held(place) as ours:
        if not ours:
            raise FileError(f"{target}: another run is writing this clip")
        saving.sweep(place)
        kept = _plan_in(plan)
        if plan.exists() and kept is None:
            raise FileError(f"{place} is in the way: it is no folder of segments of pellucid's; move it elsewhere")
        if kept != key or not resume:
            for path in place.glob("*.segment"):
                path.unlink()
            with saving.replacing(plan, overwrite=True) as temporary:
                temporary.write_text(json.dumps({"kind": PARTS, "key": key}), encoding="utf-8")
        yield place
        shutil.rmtree(place, ignore_errors=True)


def named(folder: Path, number: int) -> Path:
    """The path of a segment in its folder."""
    return folder / f"{number:06}.segment"


def _holds(folder: Path) -> bool:
    """Whether anything lies in the folder but a plan that a killed run was writing."""
    return any(not saving.TEMPORARY.fullmatch(path.name) for path in folder.iterdir())


def _plan_in(plan: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        content = json.loads(regular.read(plan, LONGEST_PLAN))
        return str(content["key"]) if content["kind"] == PARTS else None
    return None
