"""Every block of code in README and docs is run here, or marked on its page with the reason why it is not.

A block of Python runs, those of a page one after the other, beside small files with the names that the pages use. Lines of shell
run one by one, each beside such files: on these pages they are alternatives. On the pages of `docs/tutorials` everything is run in
its order, as a reader does, in a folder that begins empty: `tests/test_tutorials.py`. Marks stand before a block:

    <!-- not run: REASON -->            none of its lines
    <!-- not run (WORDS): REASON -->    the lines that contain these words
"""

from __future__ import annotations

import configparser
import gzip
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from pellucid import cli, samples

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))

OURS = ("pellucid", "curl", "mkdir")
"""Programs that lines are run of. A line of another one has a mark: it installs, changes the system, or is not on every machine."""

SMALLER = {
    "120,80,640,560": "12,8,64,56",
    "(120, 80, 640, 560)": "(12, 8, 64, 56)",
    "300,210": "30,21",
    "120,80": "12,8",
    "(120, 80,": "(12, 8,",
}
"""Places in pictures as people have them, and the same in the small ones of the tests."""

ADDRESS = "127.0.0.1:7860"
"""The service's address on the pages."""

SOURCES = sorted(
    path
    for folder in ("src", "tests", "benchmarks", "plugins")
    for ending in ("*.py", "*.pyi", "*.js", "*.css", "*.html", "*.toml", "*.txt", "*.lua")
    for path in (ROOT / folder).rglob(ending)
    if path.name != "axe.min.js"
)
"""The project's own code."""


@dataclass(frozen=True)
class Block:
    """A block of a page: its language ("" is shell), its text, why it is not run ("" where it is), why some lines are not."""

    language: str
    text: str
    reason: str = ""
    lines: tuple[tuple[str, str], ...] = ()

    def why_not(self, line: str) -> str:
        return self.reason or next((reason for words, reason in self.lines if words in line), "")


def blocks(path: Path) -> list[Block]:
    found = re.findall(r"(?ms)((?:^<!-- not run[^\n]*? -->\n+)*)^```(\w*)\n(.*?)^```$", path.read_text("utf-8"))
    made = []
    for marks, language, text in found:
        rows = re.findall(r"<!-- not run(?: \(([^)]*)\))?: (.*?) -->", marks)
        assert len(rows) == marks.count("<!--"), (
            f"{path.name}: a mark is <!-- not run: REASON --> or <!-- not run (WORDS): REASON -->"
        )
        whole = next((reason for words, reason in rows if not words), "")
        kind = {"sh": "", "shell": "", "bash": ""}.get(language, language)
        made.append(Block(kind, text, whole, tuple((words, reason) for words, reason in rows if words)))
    return made


def lines_of(text: str) -> Iterator[str]:
    """The lines of a block of shell, each whole and without its comment."""
    for line in text.replace("\\\n", " ").splitlines():
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if plain:
            yield plain


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of pellucid in a line of shell, without redirections."""
    for part in re.split(r"\s\|\s|\s&&\s", line):
        # A variable of the shell stands for a number here, one that is in every range.
        words = shlex.split(re.sub(r"\$\{?\w+\}?", "1", part))
        if not words or words[0] != "pellucid":
            assert not words or not words[0].lower().startswith("pel"), f"{words[0]!r} is a slip of the pen"
            continue
        if any(mark in words for mark in ("<", ">")):
            words = words[: min(words.index(mark) for mark in ("<", ">") if mark in words)]
        yield words[1:]


def taken(arguments: list[str]) -> bool:
    """Whether the parser takes them; help ends it, too."""
    try:
        cli.parser().parse_args(arguments)
    except SystemExit as ended:
        return ended.code in (0, None)
    return True


def smaller(text: str) -> str:
    for large, small in SMALLER.items():
        text = text.replace(large, small)
    return text


def idx(values: Any) -> bytes:
    """An array of bytes as an IDX file, packed."""
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    return gzip.compress(head + values.astype(np.uint8).tobytes())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that the pages name; it is the user's home, too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    photograph = PillowImage.fromarray(samples.photograph()[100:164, 200:296])
    pictures = "photo.jpg photo.png noisy.jpg portrait.jpg scan.tif film.tif print.png print.jpg night.jpg clean.png"
    pictures += " restored.png similar.jpg"
    for name in (
        *pictures.split(),
        *(f"{place}/{name}" for place in ("scans", "small", "folder", "slides") for name in ("a.png", "b.jpg")),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photograph.save(tmp_path / name)
    for name in ("FOLDER/a.png", "FOLDER/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photograph.crop((0, 0, 48, 48)).save(tmp_path / name)
    photograph.convert("L").save(tmp_path / "old.jpg")
    for name in ("portrait.cutout.png", "scribbles.png"):
        photograph.convert("RGBA").save(tmp_path / name)
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(idx(samples.digits()[0][:40]))
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(samples.digits()[1][:40]))
    return tmp_path


@pytest.mark.parametrize("path", [*PAGES, *TUTORIALS], ids=lambda path: path.name)
def test_the_parser_takes_every_line(path: Path, folder: Path) -> None:
    # Settings that are files are opened at once.
    for block in blocks(path):
        if block.language == "":
            for line in lines_of(block.text):
                for arguments in calls(line):
                    assert taken(arguments), f"{path.name}: pellucid {shlex.join(arguments)}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_tables_of_settings_can_be_read(path: Path) -> None:
    for block in blocks(path):
        if block.language == "toml":
            assert tomllib.loads(block.text)
        elif block.language == "yaml":
            assert list(pytest.importorskip("yaml").safe_load_all(block.text))
        elif block.language == "ini":
            reader = configparser.ConfigParser(strict=False, interpolation=None)
            reader.optionxform = str  # type: ignore[assignment]
            reader.read_string(block.text)
            assert reader.sections()
        else:
            assert block.language in ("", "python", "text", "json"), f"{path.name}: blocks of {block.language!r} are not known"


@pytest.mark.parametrize("path", [*PAGES, *TUTORIALS], ids=lambda path: path.name)
def test_code_stands_in_fences(path: Path) -> None:
    # Tests run the code in fences only; indented code would stay untested.
    text = re.sub(r"(?ms)^```.*?^```$", "", path.read_text("utf-8"))
    assert re.findall(r"(?m)^    (?:pellucid|pip|curl|make|python3?) .*", text) == []


@pytest.mark.parametrize("path", [*PAGES, *TUTORIALS], ids=lambda path: path.name)
def test_text_is_easy_to_read_and_to_compare(path: Path) -> None:
    # Beside code, tables, headings and what a program writes.
    text = re.sub(r"(?ms)^```.*?^```$|^<!-- \w+: by .*?^<!-- end of \w+ -->$|^[|#].*?$", "", path.read_text("utf-8"))
    assert [line for line in text.splitlines() if len(line) > 180] == []
    assert re.findall(r"(?m)(?:^(?:[-*] |\d+\. )?|[.?!*] )(?:Of|What) .*", text) == []


def test_sentences_in_code_begin_with_their_subject() -> None:
    # In comments, docstrings and messages: "Of all sums, the largest" is harder to read than "The largest of all sums".
    inverted = re.compile(r"(?m)^(?:\s*|.*?(?:\"\"\"|# |// |-- |\* |[.?!:;] ))(?:Of|What)\b.*")
    found = {path.relative_to(ROOT).as_posix(): inverted.findall(path.read_text("utf-8")) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize("path", [*PAGES, *TUTORIALS], ids=lambda path: path.name)
def test_what_is_not_run_has_a_reason(path: Path) -> None:
    for block in blocks(path):
        for reason in (block.reason, *(reason for _, reason in block.lines)):
            assert not reason or len(reason) > 15, f"{path.name}: {reason!r} is no reason"
        for words, _ in block.lines:
            assert any(words in line for line in lines_of(block.text)), f"{path.name}: no line has {words!r}"
        if block.language == "" and path in PAGES:
            for line in lines_of(block.text):
                assert block.why_not(line) or line.split()[0] in OURS, f"{path.name}: {line!r} is neither run nor marked"


def shells(wanted: Callable[[str], bool]) -> Iterator[Any]:
    for path in PAGES:
        for number, block in enumerate(blocks(path)):
            if block.language == "":
                for line in lines_of(block.text):
                    if not block.why_not(line) and wanted(line):
                        yield pytest.param(line, id=f"{path.stem}-{number}-{line.replace(' ', '_')}")


def plain(line: str) -> bool:
    """Whether a line is a call of pellucid and nothing of the shell's."""
    return line.startswith("pellucid ") and not re.search(r"[<>|;&$~*]", line)


def asks(line: str) -> bool:
    return line.startswith("curl ")


@pytest.mark.parametrize("line", list(shells(plain)))
def test_the_lines_of_shell_run(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (arguments,) = calls(smaller(line))
    if arguments[0] == "cache":
        monkeypatch.setenv("PELLUCID_CACHE", str(folder / "cache"))
    if "--protect" not in arguments:
        # A line before has made it; here each runs by itself.
        (folder / "portrait.cutout.png").unlink()
    assert cli.main(arguments) == 0, capsys.readouterr().err


def ran(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line, or several, run by bash; ``pellucid`` and ``python3`` are those of the tests."""
    programs = folder / ".programs"
    programs.mkdir(exist_ok=True)
    for name, start in (("pellucid", '"$PYTHON" -m pellucid'), ("python3", '"$PYTHON"')):
        (programs / name).write_text(f'#!/bin/sh\nexec {start} "$@"\n', "utf-8")
        (programs / name).chmod(0o755)
    path, source = f"{programs}{os.pathsep}{os.environ['PATH']}", str(Path(cli.__file__).parents[2])
    environment = {**os.environ, "PATH": path, "PYTHON": sys.executable, "PYTHONPATH": source}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


@needs_bash
@pytest.mark.parametrize("line", list(shells(lambda line: not plain(line) and not asks(line))))
def test_the_lines_for_the_shell_run(line: str, folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    done = ran(line, folder)
    assert done.returncode == 0, done.stderr
    assert any(before.get(path) != path.stat().st_mtime_ns for path in folder.rglob("*") if ".programs" not in path.parts)


@needs_bash
@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
@pytest.mark.parametrize("line", list(shells(asks)))
def test_the_service_answers_every_line(line: str, folder: Path, served: Any) -> None:
    assert line.count(ADDRESS) == 1, f"the service's address is {ADDRESS}"
    done = ran(line.replace("curl ", "curl --fail --silent --show-error ", 1).replace(ADDRESS, f"127.0.0.1:{served.port}"), folder)
    assert done.returncode == 0, done.stderr
    if named := re.search(r"(?:-o|>) (\S+)", line):
        with PillowImage.open(folder / named[1]) as picture:
            assert picture.width >= 96
    else:
        assert done.stdout.startswith("{")


def pythons() -> Iterator[Any]:
    for path in PAGES:
        runs = [block.text for block in blocks(path) if block.language == "python" and not block.reason]
        if runs:
            yield pytest.param(runs, id=path.stem)


@pytest.mark.parametrize("runs", list(pythons()))
def test_the_blocks_of_python_run(runs: list[str], folder: Path) -> None:
    rng = np.random.default_rng(1)
    noisy = np.clip(samples.photograph()[100:164, 200:296] + rng.normal(0, 20, (64, 96, 3)), 0, 255).astype(np.uint8)
    place = {
        "noisy": noisy,
        "array": noisy,
        "small": noisy[::2, ::2],
        "counts": rng.poisson(400, (2, 40, 48)).astype(np.int32),
    }
    for text in runs:
        exec("import pellucid\n" + smaller(text), place)
    assert list(folder.iterdir())


def test_a_block_is_found_with_its_marks(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "<!-- not run: it never ends -->\n\n```sh\npellucid serve\n```\n\n```python\nx = 1\n```\n"
        "<!-- not run (rm -r, rm): it deletes -->\n<!-- not run (cp): it copies -->\n```\nrm -r, rm a\nls \\\n b\n```\n",
        "utf-8",
    )
    first, second, third = blocks(tmp_path / "a.md")
    assert first == Block("", "pellucid serve\n", "it never ends")
    assert second == Block("python", "x = 1\n")
    assert [third.why_not(line) for line in lines_of(third.text)] == ["it deletes", ""]
    assert list(lines_of(third.text))[1] == "ls   b"
    (tmp_path / "b.md").write_text("<!-- not run, as it is slow -->\n```\nls\n```\n", "utf-8")
    with pytest.raises(AssertionError, match=r"b\.md: a mark is"):
        blocks(tmp_path / "b.md")
    assert list(calls("pellucid denoise - < a.jpg > b.jpg")) == [["denoise", "-"]]
    assert list(calls("magick x png:- | pellucid denoise -")) == [["denoise", "-"]]
    with pytest.raises(AssertionError, match="slip of the pen"):
        list(calls("pellucdi denoise -"))
