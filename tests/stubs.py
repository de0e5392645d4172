"""Writes `src/pellucid/__init__.pyi`: what an editor and mypy know of the package, made from the rows of `pellucid.tasks.TASKS`;
and `src/pellucid/cli/help.txt`: what `pellucid --help` prints, made from the parser.

    python tests/stubs.py --write        # or: make stubs

Tests compare the files with what this makes.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import get_type_hints

import pellucid
from pellucid import cli
from pellucid.__main__ import HELP, WIDTH
from pellucid.tasks import TASKS, commands
from pellucid.tasks.settings import Setting

STUB = Path(pellucid.__file__).with_suffix(".pyi")

HEAD = """\
# Made by tests/stubs.py from the rows of pellucid.tasks.TASKS: 'make stubs' writes it anew.
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.api import inspect as inspect
from pellucid.api import load as load
from pellucid.api import read as read
from pellucid.api import run as run
from pellucid.api import write as write
from pellucid.diagnosis import Diagnosis as Diagnosis
"""

_Attached = "pellucid.tasks.kinds.Attached"


def _type(hint: object) -> str:
    return (hint.__name__ if isinstance(hint, type) else str(hint)).replace(_Attached, "str | Path")


def _settings(rows: dict[str, tuple[Setting, str]]) -> list[str]:
    return [f"{name}: {kind} = ..." for name, (_, kind) in rows.items()]


def _rows(task: str) -> dict[str, tuple[Setting, str]]:
    hints = get_type_hints(TASKS[task].settings)
    return {row.name: (row, _type(hints[row.name])) for row in TASKS[task].settings.declared()}


def _function(name: str, settings: list[str]) -> str:
    """The function's forms: an `Image` for an `Image`, an array of the same dtype for an array, an array for all else, frames for
    frames, the path of the output where one is given; a path alone may be that of a clip."""
    kept = ["model: str | Path = ...", "range: Range = ...", "axes: str | None = ..."]
    none, clip = "out: None = ...", "clip: ClipSettings | None = ..."
    forms = (
        ("Image", "Image", none, clip),
        ("NDArray[_Kind]", "NDArray[_Kind]", none, clip),
        ("Iterator[NDArray[_Kind]]", "Iterator[NDArray[_Kind]]", none, clip),
        ("str | Path", "Any", none, clip),
        ("ArrayLike", "NDArray[Any]", none, clip),
        ("Image | ArrayLike | Path", "Path", "out: str | Path", clip),
    )
    blocks = []
    for given, answer, *files in forms:
        parameters = "".join(f"    {each},\n" for each in [f"image: {given}", "*", *kept, *files, *settings])
        blocks.append(f"@overload\ndef {name}(\n{parameters}) -> {answer}: ...\n")
    return "".join(blocks)


def made() -> str:
    """The stub's text."""
    errors = sorted(name for name in pellucid.errors.__all__)
    settings = [row.settings.__name__ for row in TASKS.values()]
    everything: dict[str, tuple[Setting, str]] = {}
    for task in commands():
        for name, entry in _rows(task).items():
            everything.setdefault(name, entry)
    imports = [f"from pellucid.errors import {name} as {name}\n" for name in errors]
    imports += ["from pellucid.images import Image as Image\n", "from pellucid.images import Range\n"]
    imports += [f"from pellucid.restorer import {name} as {name}\n" for name in ("Restoration", "Restorer")]
    imports += [f"from pellucid.tasks import {name} as {name}\n" for name in sorted(settings)]
    imports += ["from pellucid.tasks.settings import ClipSettings as ClipSettings\n"]
    names = "".join(f'    "{name}",\n' for name in pellucid.__all__)
    functions = [_function("restore", _settings(everything)), *(_function(task, _settings(_rows(task))) for task in commands())]
    return (
        f"{HEAD}{''.join(imports)}\n__version__: str\n\n__all__ = [\n{names}]\n\n"
        f'_Kind = TypeVar("_Kind", bound=np.generic)\n\n' + "".join(functions)
    )


def help_text() -> str:
    """The list of commands, as wide as `WIDTH`."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        return cli.parser().format_help()
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def main() -> int:
    """Writes the files, or says whether they are as they would be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the file; without it the exit status says whether it is right")
    if parser.parse_args().write:
        STUB.write_text(made(), "utf-8")
        Path(HELP).write_text(help_text(), "utf-8")
        print(STUB, HELP, sep="\n")
        return 0
    return 0 if STUB.read_text("utf-8") == made() and Path(HELP).read_text("utf-8") == help_text() else 1


if __name__ == "__main__":
    sys.exit(main())
