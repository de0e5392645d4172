"""Windows and macOS as far as Linux can play them: no fcntl, no forks, few signals, names without case, names that are devices,
drives, other encodings, and no renaming of files that are open."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage

import pellucid
from pellucid import chains, cli, plan, same, samples, saving, steps, watching
from pellucid.errors import FileError, OptionError

ROOT = Path(__file__).parent.parent

WINDOWS = """
import os, sys
# Python's own modules know that this is Linux, and are taken in before it looks otherwise.
import asyncio, concurrent.futures.process, multiprocessing.connection, shutil, signal, socket, subprocess, tempfile
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None  # Windows has none of them
NONE = {
    os: "O_NOFOLLOW O_DIRECTORY O_NONBLOCK O_CLOEXEC O_SYNC getuid geteuid getgid fork forkpty setsid setpgid getpgid killpg nice "
        "sysconf statvfs fstatvfs sched_getaffinity pread pwrite preadv pwritev readv writev mkfifo mknod chown fchown lchown "
        "fchmod posix_fallocate posix_fadvise getloadavg wait3 wait4 lockf sendfile",
    signal: "SIGKILL SIGALRM SIGHUP SIGUSR1 SIGUSR2 SIGPIPE SIGCHLD SIGQUIT SIGSTOP SIGCONT SIGTSTP alarm setitimer pause "
            "pthread_sigmask sigwait",
}
for module, names in NONE.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)


def is_open(path):
    path = os.path.realpath(os.fspath(path))
    for held in os.listdir("/proc/self/fd"):
        try:
            if os.path.realpath(f"/proc/self/fd/{held}") == path:
                return True
        except OSError:
            pass
    return False


def guarded(function):
    def call(*places, **settings):
        for place in places:
            if isinstance(place, (str, os.PathLike)) and os.path.isfile(place) and is_open(place):
                raise PermissionError(13, "the file is open in this process", os.fspath(place))
        return function(*places, **settings)

    return call


for name in ("rename", "replace", "unlink", "remove"):
    setattr(os, name, guarded(getattr(os, name)))
"""
"""Code that a process runs first to behave as on Windows: no open file is renamed, replaced or deleted."""


def as_on_windows(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", WINDOWS + code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


on_linux = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are not listed here")


@on_linux
def test_every_module_is_imported_without_unix() -> None:
    code = """
import importlib, pkgutil, pellucid
ROOMS = ("pellucid.training", "pellucid.web", "pellucid.napari", "pellucid.cluster.rays")
names = [row.name for row in pkgutil.walk_packages(pellucid.__path__, "pellucid.") if not row.name.startswith(ROOMS)]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""
    assert int(as_on_windows(code)) > 80


@on_linux
def test_the_service_is_imported_without_unix() -> None:
    pytest.importorskip("starlette")
    modules = "pellucid.web.server, pellucid.web.worker, pellucid.web.folder, pellucid.training.cache, pellucid.training.feed"
    assert as_on_windows(f"import {modules}\nprint('all')") == "all\n"


@on_linux
def test_files_are_written_and_replaced_as_windows_allows(tmp_path: Path) -> None:
    PillowImage.fromarray(samples.photograph()[:32, :40]).save(tmp_path / "a.png")
    code = """
from pathlib import Path
from pellucid import files, saving
folder = Path(sys.argv[1])
image = files.read(folder / "a.png")
for ending in (".png", ".jpg", ".tif", ".webp", ".avif", ".bmp", ".ppm", ".npy"):
    for again in range(2):
        files.write(folder / f"out{ending}", image, overwrite=bool(again))
    assert files.read(folder / f"out{ending}").pixels.shape[0] == 32
with saving.replacing_folder(folder / "made") as temporary:
    (temporary / "x").write_text("1")
with saving.replacing_folder(folder / "made", overwrite=True) as temporary:
    (temporary / "x").write_text("2")
print((folder / "made" / "x").read_text())
try:
    with saving.replacing(folder / "a.png") as temporary:
        pass
except Exception as error:
    print(type(error).__name__)
"""
    out = as_on_windows(code, str(tmp_path)).split()
    assert out == ["2", "FileError"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@on_linux
def test_an_error_that_leaves_the_file_open_is_the_one_that_is_raised(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from pellucid import saving
try:
    with saving.replacing(Path(sys.argv[1]) / "a.png") as temporary:
        left = temporary.open("wb")
        raise ValueError("the encoder's own")
except ValueError as error:
    print(error)
"""
    assert as_on_windows(code, str(tmp_path)) == "the encoder's own\n"
    assert not (tmp_path / "a.png").exists()


@on_linux
def test_a_folder_is_restored_as_windows_allows(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg", "c.tif"):
        PillowImage.fromarray(samples.photograph()[:32, :40]).save(tmp_path / "in" / name)
    code = """
from pellucid import cli
arguments = ["denoise", f"{sys.argv[1]}/in", "-o", f"{sys.argv[1]}/out", "--model", "photo-fast", "--sigma", "15", "--json"]
assert cli.main(arguments) == 0
assert cli.main([*arguments, "--resume"]) == 0
assert cli.main([*arguments, "--force"]) == 0
"""
    lines = [json.loads(line) for line in as_on_windows(code, str(tmp_path)).splitlines()]
    assert [bool(line["skipped"]) for line in lines] == [False] * 3 + [True] * 3 + [False] * 3
    assert all(line["error"] is None for line in lines)


# -- names without case -----------------------------------------------------------------------------------------------


def pictures(folder: Path, *names: str) -> list[Path]:
    made = []
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PillowImage.new("RGB", (8, 8)).save(path)
        made.append(path)
    return made


@pytest.fixture
def caseless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same, "ignores_case", lambda folder: True)


@pytest.mark.usefixtures("caseless")
def test_two_outputs_whose_names_differ_in_case_are_refused(tmp_path: Path) -> None:
    inputs = pictures(tmp_path, "one/Beach.png", "two/beach.png")
    with pytest.raises(OptionError, match="would both be written"):
        plan.plan(inputs, tmp_path / "out")


@pytest.mark.usefixtures("caseless")
def test_two_outputs_whose_letters_are_composed_otherwise_are_refused(tmp_path: Path) -> None:
    inputs = pictures(tmp_path, "one/\u00e9.png", "two/e\u0301.png")
    with pytest.raises(OptionError, match="would both be written"):
        plan.plan(inputs, tmp_path / "out")


@pytest.mark.usefixtures("caseless")
def test_an_input_is_not_replaced_under_its_name_in_another_case(tmp_path: Path) -> None:
    (path,) = pictures(tmp_path, "Beach.png")
    with pytest.raises(OptionError, match="would replace its own input"):
        plan.plan([path], tmp_path / "BEACH.PNG")


def test_where_case_counts_both_are_written(tmp_path: Path) -> None:
    if same.ignores_case(str(tmp_path)):
        pytest.skip("names here have no case")
    inputs = pictures(tmp_path, "one/Beach.png", "two/beach.png")
    assert [target.name for _, target in plan.plan(inputs, tmp_path / "out").pairs] == ["Beach.png", "beach.png"]


def test_a_folder_says_whether_case_counts(tmp_path: Path) -> None:
    for name in ("Plain", "Seen", "Plain/123"):
        (tmp_path / name).mkdir()
    # The link stands for a file system that ignores case: the other name leads to the same folder.
    (tmp_path / "sEEN").symlink_to(tmp_path / "Seen")
    assert not same.ignores_case(str(tmp_path / "Plain"))
    assert not same.ignores_case(str(tmp_path / "Plain" / "123"))
    assert same.ignores_case(str(tmp_path / "Seen"))
    assert same.ignores_case(str(tmp_path / "Seen" / "123"))
    assert same.ignores_case(str(tmp_path / "Seen" / "to come"))
    assert not same.ignores_case(os.sep)


# -- names and drives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "con",
        "CON.png",
        "nul.tar.gz",
        "Aux .jpg",
        "com1.tif",
        "lpt9",
        "conin$",
        "a:b.png",
        "what?.png",
        "photo.",
        "photo ",
        "a\nb.png",
    ],
)
def test_a_name_that_windows_has_not_is_refused_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saving.check_name(tmp_path / name)
    monkeypatch.setattr(saving, "WINDOWS", True)
    with pytest.raises(FileError, match="Windows has no files of this name"), saving.replacing(tmp_path / name) as temporary:
        temporary.write_bytes(b"lost")
    with pytest.raises(FileError, match="Windows has no files of this name"), saving.replacing_folder(tmp_path / name):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["console.png", "com10.tif", "a.con.png", ".pellucid.jsonl", "lpt.png", "\u65e5\u672c.png", "..", "a b.c d"]
)
def test_names_that_only_look_like_devices_are_taken(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "WINDOWS", True)
    saving.check_name(tmp_path / name)


def test_an_output_that_windows_cannot_have_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = pictures(tmp_path, "a.png")
    monkeypatch.setattr(saving, "WINDOWS", True)
    assert cli.main(["denoise", str(path), "-o", str(tmp_path / "nul.png")]) == 1
    assert capsys.readouterr().err.endswith("nul.png: Windows has no files of this name\n")


@pytest.mark.parametrize("place", ["C:\\old.jpg", "c:/old.jpg"])
def test_a_drive_is_no_setting_of_a_step(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(place).parent.mkdir(exist_ok=True)
    PillowImage.new("RGB", (8, 8)).save(place)
    found = steps.parse(f"denoise:model={place}:strength=0.5+colorize:like={place}:saturation=1.5")
    first, second = found.steps
    assert (first.model, first.settings.to_dict()["strength"]) == (place, 0.5)
    assert second.settings.to_dict()["saturation"] == 1.5
    assert str(second.settings.like.path) == str(Path(place))
    assert steps.parse(found.text()) == found


def test_a_console_without_the_letters_of_a_name_shows_it_all_the_same(tmp_path: Path) -> None:
    PillowImage.fromarray(samples.photograph()[:32, :40]).save(tmp_path / "\u65e5\u672c \u00e9.png")
    arguments = [sys.executable, "-m", "pellucid", "denoise", str(tmp_path), "-o", str(tmp_path / "out"), "--model", "photo-fast"]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = subprocess.run(arguments, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5\\u672c \xe9.png" in done.stdout + done.stderr
    assert [path.name for path in (tmp_path / "out").glob("*.png")] == ["\u65e5\u672c \u00e9.png"]


def textual(call: ast.Call) -> bool:
    """Whether a call opens or reads a file as text."""
    function = call.func
    name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    if name in ("read_text", "write_text"):
        # The first argument, or the second, may be the encoding.
        return len(call.args) <= (name == "write_text")
    if name not in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"):
        return False
    if name == "open" and isinstance(function, ast.Attribute):
        # A path's method has the mode first; other modules' functions called `open` have something else there.
        if not call.args:
            return all(word.arg not in ("mode", "fileobj") for word in call.keywords)
        return isinstance(call.args[0], ast.Constant) and bool(re.fullmatch(r"[rwax]\+?t?", str(call.args[0].value)))
    mode = next((word.value for word in call.keywords if word.arg == "mode"), call.args[1] if len(call.args) > 1 else None)
    if mode is None:
        return name in ("open", "fdopen")
    return isinstance(mode, ast.Constant) and "b" not in mode.value


def test_every_text_names_its_encoding() -> None:
    # The usual one of Windows is not UTF-8.
    places = [*Path(pellucid.__file__).parent.rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    found, looked_at = [], 0
    for path in places:
        text = path.read_text("utf-8")
        if not re.search(r"open\(|_text\(|File\(", text):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and textual(node):
                looked_at += 1
                if "encoding" not in {word.arg for word in node.keywords}:
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []
    assert looked_at > 3


# -- workflows --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workflows() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    return {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}


def test_workflows_call_rules_that_there_are(workflows: dict[str, Any]) -> None:
    rules = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    called: set[str] = set()
    for workflow in workflows.values():
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                for line in re.findall(r"(?m)^make (.*)$", step.get("run", "")):
                    called |= set(line.split())
    assert {"check", "docs", "package", "reproducible", "sbom"} <= called <= rules


def test_workflows_test_every_python_and_system(workflows: dict[str, Any]) -> None:
    matrix = workflows["checks"]["jobs"]["test"]["strategy"]["matrix"]
    versions = {*matrix["python"], *(row["python"] for row in matrix["include"])}
    classifiers = re.findall(r"Python :: (3\.\d+)\"", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert versions == set(classifiers)
    systems = " ".join(matrix["system"])
    assert all(word in systems for word in ("ubuntu", "arm", "macos", "windows"))


def test_workflows_have_no_more_rights_than_they_need(workflows: dict[str, Any]) -> None:
    for workflow in workflows.values():
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            assert job.get("permissions", {}) in ({}, {"id-token": "write"} if name == "publish" else {})
            assert "timeout-minutes" in job
    assert "secrets." not in "".join(path.read_text("utf-8") for path in (ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.usefixtures("caseless")
def test_nothing_takes_a_name_in_another_case_for_another_file(tmp_path: Path) -> None:
    (path,) = pictures(tmp_path, "shots/Beach.png")
    before = path.read_bytes()
    with pytest.raises(OptionError, match="this is the input"):
        pellucid.denoise(path, sigma=10, out=tmp_path / "shots" / "BEACH.PNG", overwrite=True)
    with pytest.raises(OptionError, match="outputs would be taken for new pictures"):
        watching.Watch(path.parent, tmp_path / "SHOTS", chains.load(steps.parse("denoise")))
    assert path.read_bytes() == before
