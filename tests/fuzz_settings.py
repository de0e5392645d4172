"""Hostile files that settings name, and presets, for `fuzz.py`: by the table of tasks, so that those of a new task are among them.

Each kind is as those of `fuzz_kinds.py`, whose helpers these use.
"""

from __future__ import annotations

import os
import random
from functools import lru_cache
from pathlib import Path
from typing import Any

import fuzz_kinds as kinds
import numpy as np

from pellucid import images, restorer, steps, tasks, working
from pellucid.restorer import Restorer
from pellucid.tasks.settings import Declared, FileSettings, Setting
from pellucid.views import View

TEXTS: tuple[bytes, ...] = (
    *(b"", b"\0", b"red,blue", b"[[", b'[[3, 2, "red"]]', b"\xff\xfe", b"[" * 50_000, b"9" * 5000, b'[["a"]]', b"[[1e400, 2, 3]]"),
)
"""Contents of files of hints, valid and invalid."""

HINTS: list[Any] = [[3, 2, "#87ceeb"], [5, 6, "red"], [0, 0, "#fff"]]

VALUES = (
    *kinds.TOML_VALUES,
    *("9" * 30, "9" * 5000, '"\\u001b[2J"'),
    *('"../../etc/passwd"', '"/dev/zero"', '"a.png"', "[[1, 2]]", '["1,2=red"]', '"denoise"', '"none"', '[{ task = "denoise" }]'),
)
"""Values after the sign of equality, right and wrong."""

LINES = (
    "[x]",
    "[[x]]",
    "[scan]",
    "steps = 1",
    "a." * 200 + "b = 1",
    "\x00",
    "ü = 1",
    "[" + "y" * 50 + "]",
    'steps = [{ task = "film" }]',
)


def that_name_files() -> list[tuple[type[Declared], Setting]]:
    """The settings that name files: of the tasks and of files, each with its class."""
    classes: list[type[Declared]] = [*(row.settings for row in tasks.TASKS.values()), FileSettings]
    return [(each, row) for each in classes for row in each.declared() if "file" in row.kinds]


@lru_cache(maxsize=1)
def serving() -> dict[type[Declared], Restorer]:
    """A restorer for the settings of each task that has some that name files."""
    named = {each for each, _ in that_name_files()}
    return {row.settings: restorer.load(row.model) for row in tasks.TASKS.values() if row.settings in named}


def attached(chance: random.Random, folder: Path, wholes: kinds.Wholes) -> str | None:
    """Files that settings name: damaged pictures, lists of hints, texts, links, devices, holes, and files that are others by
    the time they are read."""
    settings, row = chance.choice(that_name_files())
    ending, content = chance.choice(wholes)
    endings = (ending, ending, ending, *row.endings, *row.endings, ".png", ".txt", "")
    path = folder / f"in{chance.choice(endings)}"
    outside = folder / "outside"
    outside.write_bytes(kinds.SECRET)

    def put() -> None:
        path.unlink(missing_ok=True)
        way = chance.randrange(10)
        if way < 5:
            data = bytearray(content)
            for _ in range(chance.choice((0, 1, 8))):
                data[chance.randrange(min(len(data), chance.choice((64, len(data)))))] = chance.randrange(256)
            path.write_bytes(data)
        elif way < 7:
            path.write_bytes(kinds.as_text(kinds.changed([list(each) for each in HINTS], chance)).encode("utf-8", "replace"))
        elif way == 7:
            path.write_bytes(chance.choice(TEXTS))
        elif way == 8:
            path.write_bytes(content)
            os.truncate(path, chance.choice((1 << 20, 1 << 29, 1 << 40)))
        else:
            kinds.stranger(path, chance, outside)

    def action() -> None:
        # Text, as the command line has it, or a path.
        value = row.read(str(path)) if chance.random() < 0.5 else str(path)
        given = settings.of({row.name: (value,) if row.many else value})
        if chance.random() < 0.2 and not path.is_dir():
            put()
        if isinstance(given, FileSettings):
            working.Areas.of(given).fitted(picture)
        else:
            model = serving()[settings]
            model._prepared(View((picture,)), given)  # type: ignore[arg-type]  # of that task

    picture = images.from_array(np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8))
    put()
    wrong = kinds.said(action)
    return "a file outside was written" if outside.read_bytes() != kinds.SECRET else wrong


def presets(chance: random.Random, folder: Path, wholes: kinds.Wholes) -> str | None:
    """Files of presets of any tables, and steps as text."""
    rows = (Path(steps.__file__).parent / "presets.toml").read_text("utf-8").splitlines()
    names = [each.name for row in tasks.TASKS.values() for each in row.settings.declared()]
    for _ in range(chance.choice((1, 1, 3))):
        place = chance.randrange(len(rows))
        way = chance.randrange(5)
        if way < 2:
            task = chance.choice(list(tasks.TASKS))
            entry = f"{{ task = '{task}', {chance.choice(names)} = {chance.choice(VALUES)} }}"
            rows[place] = f"steps = [{entry}]"
        elif way == 2:
            rows[place] = f"{rows[place].split('=')[0]}= {chance.choice(VALUES)}"
        elif way == 3:
            rows.insert(place, chance.choice(LINES))
        else:
            del rows[place]
    text = bytearray("\n".join(rows).encode("utf-8", "replace"))
    if chance.random() < 0.2:
        text[chance.randrange(len(text))] = chance.randrange(256)
    path = folder / "presets.toml"
    if chance.random() < 0.1:
        kinds.stranger(path, chance, folder / "outside")
    else:
        path.write_bytes(text)

    def action() -> None:
        for name in (*steps.presets(path), "none"):
            steps.preset(name, path).text()

    def parsing() -> None:
        pairs = (f"{chance.choice(names)}={chance.choice(VALUES)}" for _ in range(chance.randrange(3)))
        steps.parse(
            "+".join([":".join([chance.choice([*tasks.TASKS, "", "none"]), *pairs])] * chance.choice((1, 2, 100))), paths=False
        )

    return kinds.said(action) or kinds.said(parsing)
