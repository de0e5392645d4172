"""Every block of code in README and docs is run here, or checked and marked with the reason why it is not run.

A block of Python runs, those of a page one after the other, beside small files with the names that the pages use. In a block of
shell each line that begins with ``pellucid`` must be one that the parser takes; on the pages of `RUN` it is run. A line in the page
before a block, ``<!-- not run: REASON -->``, marks one that runs nowhere.
"""

from __future__ import annotations

import configparser
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from pellucid import cli, samples

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

RUN = ("README.md", "package.md", "chains.md")
"""Pages whose lines of shell are run: what a newcomer types first. The tests of each command make the calls of the others."""

NEVER = {
    "serve": "runs until it is stopped; tests/test_web_run.py starts it",
    "watch": "runs until it is stopped; its own tests start it",
    "train": "takes minutes; tests/training runs it with few steps",
    "manual": "tests/test_about.py prints it",
    "denoise:strength=0.8+colorize+upscale": "loads three models; tests/test_chains.py runs such chains",
    "clip.mp4": "needs the extra video; the tests of clips make such calls",
}
"""Words of lines that are not run, on any page."""


@dataclass(frozen=True)
class Block:
    """A block of code of a page: its language ("" is shell), its text, and why it is not run ("" where it is)."""

    language: str
    text: str
    reason: str


def blocks(path: Path) -> list[Block]:
    found = re.findall(r"(?ms)(?:^<!-- not run: ([^>]*?) -->\n+)?^```(\w*)\n(.*?)^```$", path.read_text("utf-8"))
    return [Block({"sh": "", "shell": "", "bash": ""}.get(language, language), text, reason) for reason, language, text in found]


def calls(text: str) -> Iterator[list[str]]:
    """The arguments of each call of pellucid in a block of shell, without redirections."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s\|\s|\s&&\s", re.sub(r"(^|\s)#.*", "", line)):
            # A variable of the shell stands for a number here, one that is in every range.
            words = shlex.split(re.sub(r"\$\{?\w+\}?", "1", part))
            if not words:
                continue
            if words[0] != "pellucid":
                # Other programs are not run: they install, train for hours, change the system or ask a service that is not there.
                assert not words[0].lower().startswith("pel"), f"{words[0]!r} is a slip of the pen"
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the files that the pages name."""
    monkeypatch.chdir(tmp_path)
    photograph = PillowImage.fromarray(samples.photograph()[100:164, 200:296])
    for name in ("photo.jpg", "photo.png", "noisy.jpg", "portrait.jpg", "scan.tif", "scans/a.png", "scans/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        photograph.save(tmp_path / name)
    photograph.convert("L").save(tmp_path / "old.jpg")
    for name in ("portrait.cutout.png", "scribbles.png"):
        photograph.convert("RGBA").save(tmp_path / name)
    photograph.save(tmp_path / "similar.jpg")
    return tmp_path


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_parser_takes_every_line(path: Path, folder: Path) -> None:
    # Settings that are files are opened at once.
    for block in blocks(path):
        if block.language == "":
            for arguments in calls(block.text):
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


def shells() -> Iterator[Any]:
    for path in PAGES:
        for number, block in enumerate(blocks(path)):
            if path.name in RUN and block.language == "" and not block.reason:
                for arguments in calls(block.text):
                    if not set(arguments) & NEVER.keys():
                        yield pytest.param(arguments, id=f"{path.stem}-{number}-{'_'.join(arguments)}")


@pytest.mark.parametrize("arguments", list(shells()))
def test_the_lines_of_shell_run(arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "--protect" not in arguments:
        # A line before has made it; here each runs by itself.
        (folder / "portrait.cutout.png").unlink()
    assert cli.main(arguments) == 0, capsys.readouterr().err


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
        exec("import pellucid\n" + text.replace("(120, 80, 640, 560)", "(12, 8, 64, 56)").replace("(120, 80,", "(12, 8,"), place)
    assert list(folder.iterdir())


def test_marks_have_reasons() -> None:
    reasons = [block.reason for path in PAGES for block in blocks(path) if block.reason]
    assert all(len(reason) > 15 for reason in reasons)


def test_a_block_is_found_with_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "<!-- not run: it never ends -->\n\n```sh\npellucid serve\n```\n\n```python\nx = 1\n```\n", "utf-8"
    )
    assert blocks(tmp_path / "a.md") == [Block("", "pellucid serve\n", "it never ends"), Block("python", "x = 1\n", "")]
    text = "pellucid denoise - < a.jpg > b.jpg\nmagick x png:- | pellucid denoise - # c\n"
    assert list(calls(text)) == [["denoise", "-"], ["denoise", "-"]]
