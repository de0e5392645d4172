"""The tutorials as a reader goes through them: every block in its order, in a folder that begins empty.

A block of shell whose lines are calls of pellucid runs in this process, any other one as a script of bash; a block of text is the
output of the block before, with ``...`` where it may differ.
"""

from __future__ import annotations

import doctest
import shlex
import socket
from pathlib import Path

import pytest
from test_documents import TUTORIALS, blocks, lines_of, needs_bash, plain, ran

from pellucid import cli

PORT = "7861"
"""The service's port on the page; one that is free is taken here."""


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def test_there_is_one_for_each_reader() -> None:
    names = {path.stem for path in TUTORIALS}
    assert names == {"photographer", "microscopist", "archive", "engineer", "trainer"}


@needs_bash
@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_reader_gets_what_the_page_says(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = {"trainer": "torch", "engineer": "starlette"}
    if path.stem in needed:
        pytest.importorskip(needed[path.stem])
    monkeypatch.chdir(tmp_path)
    port = free_port()
    place: dict[str, object] = {"__name__": path.stem}
    shown, checked = "", 0
    for block in blocks(path):
        assert not block.reason
        assert not block.lines
        text = block.text.replace(PORT, port)
        if block.language == "text":
            expected, got = " ".join(text.split()), " ".join(shown.split())
            same = doctest.OutputChecker().check_output(expected + "\n", got + "\n", doctest.ELLIPSIS)
            assert same, f"{path.name} says\n{text}and it was\n{shown}"
            checked += 1
        elif block.language == "python":
            exec(compile(text, path.name, "exec"), place)
            shown = capsys.readouterr().out
        elif all(map(plain, lines_of(text))):
            for line in lines_of(text):
                status = cli.main(shlex.split(line)[1:])
                out, err = capsys.readouterr()
                shown = out + err
                assert status == 0, shown
        else:
            done = ran(f"exec 2>&1\n{text}", tmp_path)
            shown = done.stdout
            assert done.returncode == 0, shown
    assert checked >= 1
