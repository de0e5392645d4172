"""Laws over the settings of every task: as text and back, bounds, names; and every kind of value."""

from __future__ import annotations

import ast
import json
import keyword
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.cli import arguments, pictures
from pellucid.errors import FileError, OptionError
from pellucid.tasks import TASKS, commands
from pellucid.tasks.settings import Attached, Declared, FileSettings, Setting, Settings, Shape, setting


@dataclass(frozen=True)
class Every(Settings):
    """A setting of every kind."""

    number: float | None = setting(None, "a number", low=-2, high=3)
    count: int = setting(1, "a whole number", low=1, high=4, whole=True)
    flag: bool = setting(False, "on or off", kind="flag")
    choice: str = setting("one", "one of two", kind="choice", choices=("one", "two"))
    words: str | None = setting(None, "any text", kind="text")
    colour: str = setting("#ffffff", "a colour", kind="colour")
    palette: Attached | None = setting(None, "a file", kind="file")
    others: tuple[Attached, ...] = setting((), "files", kind="file", many=True)
    points: tuple[tuple[int, int], ...] = setting((), "points", kind="point", many=True)
    box: tuple[int, int, int, int] | None = setting(None, "a box", kind="box")
    hints: tuple[tuple[int, int, str], ...] = setting((), "hints", kind="hint", many=True)
    colours: str | None = setting(None, "several colours", kind="palette")
    ground: Any = setting("keep", "a word, a colour or a file", kind=("choice", "colour", "file"), choices=("keep", "blur"))


ALL: dict[str, type[Declared]] = {**{name: row.settings for name, row in TASKS.items()}, "files": FileSettings, "every": Every}


def other(row: Setting, file: Path) -> Any:
    """A value that is not the default."""
    values: dict[str, Any] = {
        "number": min(row.high, max(row.low, 0) + 1) if row.whole else min(row.high, max(row.low, 0.1) + 0.7),
        "flag": not row.default,
        "choice": row.choices[-1] if row.choices else "",
        "text": "a,b=c d",
        "colour": "#12ab34",
        "file": file,
        "point": (3, 4),
        "box": (1, 2, 30, 40),
        "hint": (5, 6, "#0000ff"),
        "palette": "#12ab34,#000000",
    }
    value = values[row.kinds[-1]]
    return (value, value) if row.many else value


@pytest.mark.parametrize("name", ALL)
def test_settings_go_through_text_and_back(name: str, tmp_path: Path) -> None:
    file = tmp_path / "palette.png"
    file.write_bytes(b"x")
    kind = ALL[name]
    assert kind.read({}) == kind()
    assert kind().text() == {}
    changed = kind.of({row.name: other(row, file) for row in kind.declared()})
    text = changed.text()
    assert set(text) == set(kind.names())
    assert kind.read(text) == changed
    assert changed != kind()
    # A manifest holds them.
    kept = json.loads(json.dumps(changed.to_dict()))
    assert set(kept) == {row.name for row in kind.declared() if row.changes_output}


@pytest.mark.parametrize("name", ALL)
def test_each_bound_is_refused_on_both_sides_wherever_it_comes_from(name: str) -> None:
    for row in ALL[name].declared():
        if "number" not in row.kinds:
            continue
        good = [edge for edge in (row.low, row.high) if math.isfinite(edge) and not (row.above and edge == row.low)]
        for value in good:
            assert getattr(ALL[name].of({row.name: value}), row.name) == value
            assert getattr(ALL[name].read({row.name: [repr(value)]}), row.name) == value
        bad = [np.nextafter(row.low, -math.inf), np.nextafter(row.high, math.inf), math.nan, math.inf, -math.inf]
        for value in [*bad, *([row.low] if row.above else [])]:
            with pytest.raises(OptionError, match=f"^{row.name} must be a (whole )?number"):
                ALL[name].of({row.name: value})
            with pytest.raises(OptionError, match=f"^{row.name} must be a (whole )?number"):
                ALL[name].read({row.name: [repr(float(value))]})
        for value in ("25", b"1", True, [1.0], object()):
            with pytest.raises(OptionError, match=f"^{row.name} must be a (whole )?number"):
                ALL[name].of({row.name: value})
        assert getattr(ALL[name].of({row.name: np.float32(good[0])}), row.name) == good[0]


@pytest.mark.parametrize("name", ALL)
def test_strange_names_are_refused_with_those_that_there_are(name: str) -> None:
    known = ", ".join(ALL[name].names())
    with pytest.raises(OptionError, match=f"'fog' is not a setting here; the settings are {known}"):
        ALL[name].of({"fog": 1})
    with pytest.raises(OptionError, match=f"'fog' is not a setting here; the settings are {known}"):
        ALL[name].read({"fog": ["1"]})
    one = ALL[name].declared()[0]
    if not one.many:
        with pytest.raises(OptionError, match=f"^{one.name} is given 2 times"):
            ALL[name].read({one.name: ["1", "1"]})


@pytest.mark.parametrize("name", TASKS)
def test_names_are_identifiers_and_no_flags_of_the_surface(name: str) -> None:
    # Names that Python, HTTP and the command line use already.
    taken = {*FileSettings.names(), "model", "task", "image", "progress", "found", "part", "preview", "ticket"}
    for module in (pictures, arguments):
        words = ast.unparse(ast.parse(Path(module.__file__).read_text("utf-8"))).split("'")
        taken |= {word.removeprefix("--") for word in words if word.startswith("--")}
    assert {"out", "engine", "json"} <= taken
    taken |= {"mask", "protect", "confidence", "preset", "json", "out", "force", "resume"}
    for row in TASKS[name].settings.declared():
        assert row.name.isidentifier()
        assert not keyword.iskeyword(row.name)
        assert row.name not in taken
        # A field of this name would hide a method.
        assert row.name == "strength" or not hasattr(Settings, row.name)
        assert row.help
        assert row.label


def test_every_kind_of_value(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(b"1")
    read = Every.read
    assert read({"points": ["1,2", "3,4"], "hints": ["5,6=red", "0,0=#abc"]}).hints == ((5, 6, "#ff0000"), (0, 0, "#aabbcc"))
    assert read({"box": ["0,0,1,1"]}).box == (0, 0, 1, 1)
    assert (read({"ground": ["blur"]}).ground, read({"ground": ["#FFF"]}).ground) == ("blur", "#ffffff")
    assert read({}, {"ground": file}).ground == Attached.of(file)
    assert read({"flag": ["true"]}).flag is True
    for name, text in (
        ("points", "1"),
        ("points", "-1,2"),
        ("points", "1.5,2"),
        ("box", "3,3,3,4"),
        ("box", "1,2,3"),
        ("hints", "1,2"),
        ("hints", "1,2=fog"),
        ("colour", "#12345"),
        ("flag", "yes"),
        ("choice", "three"),
        ("number", "one"),
        ("number", ""),
    ):
        with pytest.raises(OptionError, match=f"^{name} must be"):
            read({name: [text]})
    assert Every(points=[np.array([1, 2])[::-1].tolist(), (np.int64(3), np.uint8(4))]).points == ((2, 1), (3, 4))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"^points must be a list, not '1,2'"):
        Every(points="1,2")  # type: ignore[arg-type]
    with pytest.raises(FileError, match=r"none\.png: there is no such file"):
        read({"palette": [str(tmp_path / "none.png")]})
    with pytest.raises(OptionError, match="'number' is not a setting that takes a file"):
        read({}, {"number": file})


def test_a_file_is_equal_by_its_content(tmp_path: Path) -> None:
    for name, content in (("a.png", b"1"), ("b.png", b"2")):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(b"1")
    first = Every(palette=tmp_path / "a.png")  # type: ignore[arg-type]
    (tmp_path / "other" / "c.png").write_bytes(b"1")
    for same in ("a.png", "c.png"):
        other = Every(palette=tmp_path / "other" / same)  # type: ignore[arg-type]
        assert (first, first.to_dict()) == (other, other.to_dict())
    assert first != Every(palette=tmp_path / "b.png")  # type: ignore[arg-type]
    assert str(tmp_path) not in str(first.to_dict())


def test_facts_are_plain_in_json() -> None:
    row = next(iter(TASKS.values()))
    told = row.facts_as_json({row.facts[0].name: np.float32(2.5)})
    assert type(told[row.facts[0].name]) is float
    assert json.dumps(told)


@pytest.mark.parametrize("name", TASKS)
def test_a_row_has_words_for_all_places(name: str) -> None:
    row = TASKS[name]
    assert (row.name, row.module().__name__) == (name, f"pellucid.tasks.{name}")
    assert all((row.summary, row.mark, row.headline, row.after, *row.verbs))
    assert len({other.mark for other in commands().values()}) == len(commands())
    shape = row.settings().answer(Shape(30, 40, 3, False))
    assert shape.channels in (1, 3)
    assert row.settings().each() == {"": row.settings()}
    assert set(row.settings.taken_by(())) <= set(row.settings.names())
    assert all(fact.name.isidentifier() for fact in row.facts)
