"""Commands about pellucid itself: cache, completion, manual; and the help that needs no parser."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

import pellucid
from pellucid import __main__ as program
from pellucid import cli, compiled, kept, samples
from pellucid.cli import manual
from pellucid.files import MNIST_FILES
from pellucid.training import cache as images
from pellucid.training import photos

COMMANDS = [section.name for section in manual.sections(cli.parser())]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a file of each kind, and with files that are not pellucid's."""
    base = tmp_path / "cache"
    monkeypatch.setenv("PELLUCID_CACHE", str(base))
    base.mkdir()
    compiled.store(base, "ab" * 32, b"graph")
    for name in (
        "images/0123456789abcdef.images",
        f"photos/{photos.listed()[0].name}",
        f"mnist/{next(iter(MNIST_FILES.values()))}.gz",
    ):
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_bytes(b"12345")
    return base


def test_the_cache_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["folder"] == str(folder)
    assert [row["files"] for row in shown["kinds"]] == [1, 1, 1, 1]
    assert cli.main(["cache"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(folder)
    assert all("1 file " in line for line in lines[1:])
    assert len(list(folder.rglob("*"))) == 7  # nothing went


def test_clearing_leaves_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "--clear"]) == 0
    assert "deleted 4 files" in capsys.readouterr().out
    assert not folder.exists()
    # Again: there is nothing, and that is no error.
    assert cli.main(["cache", "--clear"]) == 0
    assert "deleted 0 files" in capsys.readouterr().out
    assert not folder.exists()


def test_what_others_put_there_stays(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    holiday = tmp_path / "holiday"
    holiday.mkdir()
    (holiday / "beach.webp").write_bytes(b"mine")
    shutil.rmtree(folder / "photos")
    (folder / "photos").symlink_to(holiday)
    for name in ("notes.txt", "images/notes.images", "x.graph"):
        (folder / name).write_bytes(b"mine")
    (folder / ("c" * 64 + ".graph")).symlink_to(holiday / "beach.webp")
    assert cli.main(["cache", "--clear"]) == 0
    out = capsys.readouterr().out
    assert "deleted 3 files" in out
    assert "notes.txt" in out
    assert (holiday / "beach.webp").read_bytes() == b"mine"
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["images", "notes.txt", "photos", "x.graph", "c" * 64 + ".graph"]
    )
    assert (folder / "images" / "notes.images").exists()


def test_photographs_of_ones_own_beside_those_of_fetch_stay(folder: Path) -> None:
    own = [folder / "photos" / name for name in ("wedding.webp", f"my-{photos.listed()[0].name}", "a.jpg")]
    for path in own:
        path.write_bytes(b"mine")
    assert cli.main(["cache", "--clear"]) == 0
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(own)


def test_the_names_are_those_that_the_others_write(tmp_path: Path) -> None:
    assert images.ENDING == ".images"
    (tmp_path / "0123456789abcdef.images").touch()
    assert kept.KINDS[1].name.fullmatch("0123456789abcdef" + images.ENDING)
    compiled.store(tmp_path, compiled.key(b"x"), b"graph")
    assert len(kept.found(tmp_path)[0].paths) == 1


def test_a_cache_that_cannot_be_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file" / "cache"))
    assert cli.main(["cache"]) == 1
    assert "PELLUCID_CACHE" in capsys.readouterr().err


def test_a_run_leaves_nothing_but_the_cache(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    PillowImage.fromarray(samples.photograph()[:48, :64]).save(work / "a.png")
    kept_names = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS", "SYSTEMROOT")
    environment = {name: os.environ[name] for name in kept_names if name in os.environ}
    environment |= {"HOME": str(home), "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    for arguments in (["denoise", "a.png", "--sigma", "20", "--model", "photo-fast"], ["cache", "--clear"]):
        subprocess.run([sys.executable, "-m", "pellucid", *arguments], cwd=work, env=environment, check=True, capture_output=True)
    assert sorted(path.name for path in work.iterdir()) == ["a.clean.png", "a.png"]
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert not (home / ".cache" / "pellucid").exists()


# -- completion -------------------------------------------------------------------------------------------------------


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_takes_the_script(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys)
    assert all(name in text for name in COMMANDS)
    assert "keep-grain" in text.replace("\\", "")
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    (tmp_path / "script").write_text(text, "utf-8")
    subprocess.run([shell, "-n", str(tmp_path / "script")], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
@pytest.mark.parametrize(
    ("words", "due"),
    [
        (("pellucid", "upsc"), {"upscale"}),
        (("pellucid", "denoise", "--keep-g"), {"--keep-grain"}),
        (("pellucid", "completion", ""), {"bash", "zsh", "fish"}),
        (("pellucid", "denoise", "hol"), {"holiday.jpg"}),
    ],
)
def test_bash_completes(words: tuple[str, ...], due: set[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "holiday.jpg").touch()
    (tmp_path / "script").write_text(script("bash", capsys), "utf-8")
    line = " ".join(words)
    typed = " ".join(f"'{word}'" for word in words)
    code = (
        f"source ./script; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}; "
        "$(complete -p pellucid | sed 's/.*-F \\([^ ]*\\).*/\\1/') pellucid; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {word.strip() for word in done.stdout.split()} >= due
    if due != {"bash", "zsh", "fish"}:
        assert len(done.stdout.split()) == len(due)


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "script").write_text(script("fish", capsys), "utf-8")
    code = "source ./script; complete -C 'pellucid upsc'"
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(["fish", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split("\t")[0] == "upscale"


# -- the manual -------------------------------------------------------------------------------------------------------


def actions(parser: Any) -> list[str]:
    """Every option of every command."""
    commands = next(action for action in parser._actions if action.choices and action.dest == "==SUPPRESS==").choices
    return [name for command in commands.values() for action in command._actions for name in action.option_strings]


@pytest.mark.parametrize("form", [[], ["--markdown"]])
def test_the_manual_has_every_command_and_option(form: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["manual", *form]) == 0
    text = capsys.readouterr().out.replace("\\-", "-").replace("\\&", "")
    options = set(actions(cli.parser())) - {"-h", "--help"}
    assert len(options) > 60
    assert sorted(name for name in options if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)) == []
    assert [name for name in COMMANDS if not re.search(rf"(?m)^(\.SS|##) {name}$", text)] == []
    assert pellucid.__version__ in text or form


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_has_nothing_to_say_against_it() -> None:
    text = manual.troff(cli.parser(), pellucid.__version__)
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    plain = re.sub(r"\x1b\[[\d;]*m|.\x08", "", done.stdout)
    assert "--keep-grain" in plain
    assert "Interrupted." in plain


def test_troff_takes_text_as_it_is() -> None:
    assert manual._escaped(".SH is no request, nor \\f a font, and --x can be copied") == (
        "\\&.SH is no request, nor \\ef a font, and \\-\\-x can be copied"
    )


# -- the help that needs no parser ------------------------------------------------------------------------------------


def test_the_list_of_commands_is_the_parser_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(program.WIDTH))
    # Versions of Python break lines in other places.
    assert Path(program.HELP).read_text("utf-8").split() == cli.parser().format_help().split(), "run 'make stubs'"


def test_the_help_reads_neither_parser_nor_numpy() -> None:
    code = (
        "import sys; sys.argv = ['pellucid', '--help']\n"
        "from pellucid.__main__ import run\n"
        "try: run()\n"
        "finally: print(sorted({'argparse', 'numpy', 'dataclasses', 'pellucid.tasks'} & set(sys.modules)), file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr.strip() == "[]"
    assert done.stdout == Path(program.HELP).read_text("utf-8")


def test_narrow_terminals_get_the_parser_s_own_lines() -> None:
    environment = os.environ | {"COLUMNS": "50"}
    done = subprocess.run([sys.executable, "-m", "pellucid", "--help"], capture_output=True, text=True, check=True, env=environment)
    assert max(map(len, done.stdout.splitlines())) <= 50
    assert done.stdout.split()[-3:] == Path(program.HELP).read_text("utf-8").split()[-3:]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_help_that_cannot_be_written_is_an_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pellucid", "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert "standard output: cannot be written" in done.stderr


def test_the_package_has_the_names_that_it_lists() -> None:
    code = "from pellucid import *; import pellucid; print(sorted(set(pellucid.__all__) - set(globals())))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
