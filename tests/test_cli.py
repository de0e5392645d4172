"""The command line as a user meets it: what it prints, where it writes, and how it ends."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pellucid import batch, cli, files, images, plan, samples
from pellucid.cli import showing
from pellucid.cli.arguments import as_json
from pellucid.errors import FileError
from pellucid.tasks import denoise


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    clean = samples.photograph()[:96, :128] / np.float64(255)
    spoiled = np.clip(clean + np.random.default_rng(0).standard_normal(clean.shape) * 20 / 255, 0, 1)
    path = tmp_path / "noisy.png"
    files.write(path, images.from_array(np.rint(spoiled * 255).astype(np.uint8)))
    return path


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_denoise_writes_beside_and_says_what_it_did(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("denoise", noisy) == 0
    answer = noisy.with_name("noisy.clean.png")
    assert files.read(answer).pixels.shape == (96, 128, 3)
    said = capsys.readouterr().out
    assert "photo-color" in said
    assert "estimated" in said
    # The answer is not overwritten by a second run.
    assert run("denoise", noisy) == 1
    assert "exists" in capsys.readouterr().err
    assert run("denoise", noisy, "--force", "--sigma", 20) == 0


def test_denoise_equals_the_python_call(noisy: Path, tmp_path: Path) -> None:
    import pellucid

    assert run("denoise", noisy, "-o", tmp_path / "out.png", "--sigma", 20, "--strength", 0.7) == 0
    expected = pellucid.restore(noisy, sigma=20, strength=0.7)
    np.testing.assert_array_equal(images.to_array(files.read(tmp_path / "out.png")), expected)


def test_denoise_json_is_one_object_a_picture(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.png").write_text("x")
    assert run("denoise", noisy, tmp_path / "bad.png", "-o", tmp_path / "out", "--json") == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["error"] is None for row in rows] == [True, False]
    assert rows[0]["estimated"] is True
    assert 15 < rows[0]["sigma"] < 25


def test_denoise_takes_stacks_ranges_and_strips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", (1000 + 50 * rng.standard_normal((40, 2, 50))).astype(np.float32))
    assert run("denoise", tmp_path / "a.npy", "--axes", "YZX", "--range", "0:2000", "--sigma", 6.4) == 0
    assert "50x40, 2 pages" in capsys.readouterr().out
    answer = np.load(tmp_path / "a.clean.npy")
    assert answer.shape == (40, 2, 50)
    assert abs(answer.mean() - 1000) < 10
    assert answer.std() < 20
    files.write(tmp_path / "b.png", replace(images.from_array(np.zeros((20, 20), np.uint8)), text=(("Author", "me"),)))
    assert run("denoise", tmp_path / "b.png", "--strip", "--sigma", 5) == 0
    assert files.read(tmp_path / "b.png").text == (("Author", "me"),)
    assert files.read(tmp_path / "b.clean.png").text == ()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["denoise", "{noisy}", "--range", "much"], 2),
        (["denoise", "{noisy}", "-o", "{folder}/out.dng"], 1),
        (["denoise", "missing.png"], 1),
        (["denoise", "{noisy}", "--model", "nonesuch"], 1),
        (["denoise", "{noisy}", "--model", "digits", "--sigma", "5"], 2),
        (["denoise", "{noisy}", "-o", "{noisy}"], 2),
        (["evaluate", "missing", "--model", "photo", "--noise", "gaussian:5"], 1),
        (["evaluate", "{folder}", "--model", "photo", "--noise", "fog:5"], 2),
        (["train", "nonesuch"], 1),
        (["train", "photo"], 1),
        (["train", "digits", "--out", "model.pt"], 2),
        (["pack", "missing", "-o", "{folder}/a.pack", "--megabytes", "1"], 1),
        (["export", "missing.npz"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_bad_input_gets_one_line_and_a_status(
    arguments: list[str],
    status: int,
    noisy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert run(*(word.format(noisy=noisy, folder=tmp_path) for word in arguments)) == status
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("pellucid: ")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["denoise"],
        ["denoise", "a.png", "--sigma", "-1"],
        ["denoise", "a.png", "--strength", "2.1"],
        ["nonsense"],
        [],
        ["colorize", "a.png", "--hint", "4,5=blurple"],
        ["denoise", "a.png", "--nonsense", "1"],
    ],
)
def test_wrong_use_exits_2_with_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    message = capsys.readouterr().err
    # The command's own help lists its arguments.
    assert message.startswith("pellucid denoise: error: " if "--nonsense" in arguments else "pellucid")
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["colorize", "a.png", "--hint", "-4,5=red"], "hint must be a hint X,Y=COLOUR"),
        (["cutout", "a.png", "--point", "-3.5,4"], "point must be X,Y in whole pixels from 0, not '-3.5,4'"),
        (
            ["cutout", "a.png", "--box", "-1,2,3,4"],
            "box must be X0,Y0,X1,Y1 in whole pixels from 0, X0 below X1 and Y0 below Y1, not '-1,2,3,4'",
        ),
    ],
)
def test_a_place_outside_the_picture_is_named(arguments: list[str], wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert wanted in capsys.readouterr().err


def test_help_imports_neither_numpy_nor_engine_nor_torch() -> None:
    code = """
import sys
from pellucid import cli
for command in ([], ["denoise"], ["inspect"], ["train"], ["evaluate"], ["serve"]):
    try:
        cli.main([*command, "--help"])
    except SystemExit:
        pass
heavy = set(sys.modules) & {"torch", "openvino", "onnx", "onnxruntime", "numpy"}
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: pellucid denoise" in done.stdout


def test_inspect_says_what_noise_there_is(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", noisy) == 0
    assert capsys.readouterr().out.startswith("Gaussian noise, noise level ")
    # A folder, with a file that is no picture; as data; and a map.
    (tmp_path / "bad.png").write_text("x")
    assert run("inspect", tmp_path, "--json") == 1
    said = capsys.readouterr()
    rows = [json.loads(line) for line in said.out.splitlines()]
    bad, good = rows
    assert (bad["input"], good["input"]) == (str(tmp_path / "bad.png"), str(noisy))
    assert bad["error"] == f"{tmp_path / 'bad.png'}: this is not a PNG file"
    assert good["error"] is None
    assert 15 < good["gaussian_sigma"] < 25
    assert bad["error"] in said.err
    assert run("inspect", tmp_path / "bad.png", "--json") == 1
    said = capsys.readouterr()
    assert (json.loads(said.out), said.err) == (bad, "")
    figure = tmp_path / "map" / "noise.png"
    figure.parent.mkdir()
    assert run("inspect", noisy, "--map", figure) == 0
    assert files.read(figure).pixels.shape[0] > 2 * 96
    assert run("inspect", noisy, "--map", figure) == 1
    assert run("inspect", noisy, noisy, "--map", figure, "--force") == 2
    (tmp_path / "none").mkdir()
    assert run("inspect", tmp_path / "none") == 1
    assert run("inspect", noisy, "--range", "x") == 2


def test_denoise_tells_the_gain_and_keeps_grain(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pellucid

    assert run("denoise", noisy, "-o", tmp_path / "a.png", "--gain", "--keep-grain", 0.4) == 0
    assert "expected gain" in capsys.readouterr().out
    expected = pellucid.restore(noisy, keep_grain=0.4)
    np.testing.assert_array_equal(images.to_array(files.read(tmp_path / "a.png")), expected)
    assert run("denoise", noisy, "-o", tmp_path / "b.png", "--gain", "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["expected_gain"] > 3
    assert row["diagnosis"]["kind"] == "gaussian"
    clean = tmp_path / "clean.png"
    files.write(clean, images.from_array(samples.photograph()))
    assert run("denoise", clean, "-o", tmp_path / "c.png", "--gain") == 0
    assert "no noise to speak of" in (said := capsys.readouterr().out)
    assert "no gain expected" in said
    np.testing.assert_array_equal(files.read(tmp_path / "c.png").pixels, files.read(clean).pixels)


@pytest.mark.parametrize(
    ("what", "examples", "told"),
    [
        ("noise", 12, "called noisy"),
        ("gain", 4, "gain: off by"),
        ("fading", 30, "unfaded touched"),
        ("damage", 4, "sure 0.5: precision"),
        ("between", 4, "damaged pixels stay"),
    ],
)
def test_calibrate_makes_weights(
    what: str, examples: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pellucid.training import calibration

    # Each example is restored nine times: small crops.
    monkeypatch.setattr(calibration, "SIDES", (96, 128))
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(4):
        files.write(folder / f"{index}.png", images.from_array(np.rot90(samples.photograph()[:300, :300], index).copy()))
    out = tmp_path / "weights.npz"
    assert run("calibrate", what, "--images", folder, "-o", out, "--examples", examples) == 0
    with np.load(out) as stored:
        assert stored["matrix0"].shape[0] == len(stored["mean"])
    assert told in capsys.readouterr().err
    before = out.read_bytes()
    assert run("calibrate", what, "--images", folder, "-o", out) == 1
    assert "--force overwrites it" in capsys.readouterr().err
    pack = tmp_path / "own.npz"
    pack.write_bytes(b"images")
    assert run("calibrate", what, "--images", pack, "-o", pack, "--force") == 2
    assert (out.read_bytes(), pack.read_bytes()) == (before, b"images")
    assert run("calibrate", what, "--images", folder, "-o", tmp_path / "weights.txt", "--examples", 1) != 0


def test_models_lists_every_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    text = capsys.readouterr().out
    assert re.search(r"held-out gaussian:25, blind: \d\d\.\d\d dB\n", text)
    assert re.search(r"held-out alpha:box, IoU: 0\.\d\d\d\n", text)
    assert run("models", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == {
        "film-find",
        "film-fill",
        "photo-gray",
        "photo-color",
        "photo-fast-gray",
        "photo-fast-color",
        "photo-impulses",
        "photo-camera",
        "raw",
        "cutout",
        "colorize",
        "digits",
        "seed-digits",
        "upscale",
        "upscale-photo",
        "video",
    }
    for row in rows:
        assert {"name", "task", "bytes", "scores", "licence", "training_images"} <= set(row)
        assert row["name"] in text


def test_models_lists_families_and_their_files(capsys: pytest.CaptureFixture[str]) -> None:
    from pellucid.families import FAMILIES

    assert run("models") == 0
    above, files_, below = capsys.readouterr().out.partition("\nFiles (")
    assert files_
    lines = above.splitlines()
    assert next(line for line in lines[1:] if line).startswith("photo: denoise (takes noise of any kind and level, ")
    for name, family in FAMILIES.items():
        begin = next(index for index, line in enumerate(lines) if line.startswith(f"{name}: {family.task} "))
        listed = [tuple(line.split()) for line in lines[begin + 1 : begin + 1 + len(family.files)]]
        assert listed == list(family.files.items())
    assert below.index("photo-gray: ") < below.index("upscale: ")


def test_recipes_lists_the_shipped_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("recipes") == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {
        "colorize",
        "cutout",
        "digits",
        "digits-colorize",
        "digits-cutout",
        "digits-film",
        "digits-raw",
        "digits-upscale",
        "digits-video",
        "film-fill",
        "film-find",
        "own",
        "own-cutout",
        "photo",
        "photo-camera",
        "photo-fast",
        "photo-fast-gray",
        "photo-fast-gray-int8",
        "photo-fast-int8",
        "photo-gray",
        "photo-gray-int8",
        "photo-impulses",
        "photo-int8",
        "raw",
        "seed-digits",
        "upscale",
        "upscale-photo",
        "upscale-sharp",
        "video",
    }
    assert run("recipes", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 29


def test_evaluate_writes_table_json_and_figure(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, figure = tmp_path / "scores.json", tmp_path / "fig" / "scores.png"
    figure.parent.mkdir()
    arguments = (
        "evaluate",
        tmp_path,
        "--model",
        "photo",
        "--noise",
        "gaussian:25",
        "--baselines",
        "none,median",
        "--out",
        out,
        "--figure",
        figure,
    )
    assert run(*arguments) == 0
    assert "gaussian:25" in capsys.readouterr().out
    methods = [row["method"] for row in json.loads(out.read_text())["summary"]]
    assert methods == ["none", "median", "photo"]
    assert figure.stat().st_size > 1000
    assert run(*arguments) == 2


def test_evaluate_writes_a_report(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    arguments = (
        "evaluate",
        tmp_path,
        "--noise",
        "gaussian:25",
        "--baselines",
        "none,median",
        "--show",
        noisy.stem,
        "--report",
        page,
    )
    assert run(*arguments) == 0
    assert str(page) in capsys.readouterr().out
    assert noisy.stem in page.read_text("utf-8")
    assert run(*arguments) == 2
    assert "exists" in capsys.readouterr().err
    for wrong in (("--report", tmp_path / "no" / "x.html"), ("--figure", tmp_path / "x.jpg"), ("--show", "nobody")):
        assert run(*arguments[:-2], *wrong) == 2
    assert run("evaluate", tmp_path, "--baselines", " , ") == 2
    assert run("evaluate", tmp_path, "--task", "upscale", "--baselines", "bicubic") == 0
    assert run("evaluate", tmp_path, "--task", "upscale", "--noise", "gaussian:5", "--baselines", "bicubic") == 2
    assert "upscale takes shrink:FACTOR, alone or with noise" in capsys.readouterr().err
    assert run("evaluate", tmp_path, "--noise", "shrink:2", "--baselines", "none") == 2
    assert "denoise takes noise alone, such as gaussian:25" in capsys.readouterr().err


def test_a_line_of_data_is_json_whatever_it_holds() -> None:
    held = {"a": float("nan"), "b": [1.5, float("-inf")], "c": {"d": (float("inf"), np.float64("nan"), 2, None, True)}, "é": "€"}
    text = as_json(held)
    assert text.isascii()
    assert json.loads(text) == {"a": None, "b": [1.5, None], "c": {"d": [None, None, 2, None, True]}, "é": "€"}


def test_a_missing_file_is_missing_in_the_same_words_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import pellucid

    gone, words = tmp_path / "gone.png", "there is no such file"
    for command in (["denoise"], ["inspect"], ["compare", gone], ["cutout"], ["run", "denoise"]):
        assert run(*command, gone) == 1
        assert f"{gone}: {words}" in capsys.readouterr().err
    (tmp_path / "here.png").write_bytes(b"")
    assert run("denoise", tmp_path / "here.png", "--mask", gone) == 1
    assert f"{gone}: {words}" in capsys.readouterr().err
    for call in (pellucid.read, pellucid.denoise, pellucid.inspect):
        with pytest.raises(FileError, match=words):
            call(gone)
    pytest.importorskip("torch", reason="the extra train is not installed")
    for command in (["train", tmp_path / "gone.toml", "--images", tmp_path], ["export", tmp_path / "gone.weights.npz"]):
        assert run(*command) == 1
        assert f"{command[1]}: {words}" in capsys.readouterr().err


def test_a_name_that_begins_with_a_dash_gets_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-night.png").write_bytes(b"x")
    for given in (["-night.png"], ["-night.png", "other.png"]):
        with pytest.raises(SystemExit):
            run("denoise", *given)
        assert "the file -night.png is named ./-night.png" in capsys.readouterr().err
    # An argument that is too long for a name is no file.
    with pytest.raises(SystemExit) as ended:
        run("denoise", "a.png", f"--nothing={'x' * 5000}")
    assert ended.value.code == 2
    assert "--help lists the arguments" in capsys.readouterr().err


def test_compare_says_and_draws_the_difference(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("denoise", noisy, "-o", tmp_path / "out.png", "--sigma", 25) == 0
    capsys.readouterr()
    assert run("compare", noisy, tmp_path / "out.png", "--json") == 0
    scores = json.loads(capsys.readouterr().out)
    assert 10 < scores["psnr"] < 40
    assert run("compare", noisy, tmp_path / "out.png", "--json", "-o", tmp_path / "same.png") == 0
    assert json.loads(capsys.readouterr().out) == scores
    files.write(tmp_path / "wide.png", images.from_array(np.zeros((48, 64, 3), np.uint8)))
    assert run("compare", noisy, tmp_path / "wide.png") == 1
    assert "has 128x96" in (said := capsys.readouterr().err)
    assert "has 64x48 pixels: only pictures of one size can be compared" in said
    assert run("compare", noisy, tmp_path / "out.png", "-o", tmp_path / "fig.png") == 0
    assert f"{scores['psnr']:.4f}" in capsys.readouterr().out
    assert (tmp_path / "fig.png").exists()
    assert run("compare", noisy, tmp_path / "out.png", "-o", tmp_path / "fig.png") == 1
    assert run("compare", noisy, tmp_path / "missing.png") == 1


def test_what_a_command_writes_replaces_none_of_its_inputs(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, weights = tmp_path / "other.png", tmp_path / "weights.onnx"
    other.write_bytes(noisy.read_bytes()), weights.write_bytes(b"weights")
    before = {path: path.read_bytes() for path in (noisy, other, weights)}
    scored = ("evaluate", tmp_path, "--noise", "gaussian:25", "--baselines", "none", "--model", weights)
    for arguments in (
        ("compare", noisy, other, "-o", noisy),
        ("compare", noisy, other, "-o", other),
        ("inspect", noisy, "--map", noisy),
        (*scored, "--figure", other),
        (*scored, "--out", noisy),
        (*scored, "--report", weights),
        ("pack", tmp_path, "-o", other, "--megabytes", 1),
        ("export", weights, "-o", weights, "--trim", tmp_path),
    ):
        assert run(*arguments, "--force") == 2, arguments
        assert "this is one of the inputs" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in before} == before
    # The output of an earlier run may be replaced, beside the inputs, too.
    for place in ("scores.json", "fig/scores.png"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
        plan.check_apart(tmp_path / place, [tmp_path])


def test_demo_prints_a_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "-o", tmp_path / "demo.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    noisy, restored = (float(word) for word in lines[1].split()[2:4])
    assert restored > noisy + 7
    assert run("demo", "-o", tmp_path / "demo.png") == 1


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch, noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pellucid import plan

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "plan", interrupted)
    assert run("denoise", noisy) == 130
    assert capsys.readouterr().err == "pellucid: interrupted\n"


def test_python_m_pellucid_runs() -> None:
    done = subprocess.run([sys.executable, "-m", "pellucid", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pellucid 0.")


def put(path: Path, side: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, images.from_array(np.random.default_rng(side).integers(0, 256, (side, side), dtype=np.uint8)))
    return path


def test_a_folder_ends_with_a_count_and_the_reasons(tmp_path: Path, gray_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in (16, 17):
        put(tmp_path / "in" / "sub" / f"{side}.png", side)
    (tmp_path / "in" / "bad.png").write_text("x")
    folder = ("denoise", tmp_path / "in", "-o", tmp_path / "out", "--model", gray_model, "--sigma", 9, "--recursive", "--resume")
    assert run(*folder) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("done 2, skipped 0, failed 1, 0.0 megapixels in ")
    assert said[1].startswith(f"failed: {tmp_path}/in/bad.png: ")
    assert len(said) == 2
    assert run(*folder, "--exclude", "bad*") == 0
    # A variable that is not set leaves nothing out.
    assert run(*folder, "--exclude", "bad*", "--exclude", "") == 0
    assert capsys.readouterr().err.splitlines() == ["done 0, skipped 2, failed 0"] * 2


def test_a_terminal_sees_one_line_grow(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in (16, 17, 18):
        put(tmp_path / "in" / f"{side}.png", side)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run("denoise", tmp_path / "in", "-o", tmp_path / "out", "--model", gray_model, "--sigma", 9) == 0
    said = capsys.readouterr().err
    assert "\r\x1b[K2/3 files" in said
    assert "megapixels/s" in said
    assert "left" in said
    assert said.count("\n") == 1


def test_a_terminal_sees_how_far_a_large_picture_is(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path / "large.png", 700)
    monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 300))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    # Each look at the clock is two seconds after the one before.
    ticks = itertools.count(0, 2)
    monkeypatch.setattr(showing.time, "perf_counter", lambda: float(next(ticks)))
    assert run("denoise", tmp_path / "large.png", "--model", gray_model, "--sigma", 9) == 0
    drawn = capsys.readouterr().err.split("\r\x1b[K")
    shares = [int(found[1]) for found in (re.match(r"(\d+) %", line) for line in drawn) if found]
    assert len(shares) > 3
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert any(re.search(r"\d+ %  0:\d\d:\d\d left", line) for line in drawn)


def piped(content: bytes, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pellucid", "denoise", *(str(argument) for argument in arguments)]
    return subprocess.run(command, input=content, capture_output=True, check=False)


def test_a_pipe_gives_what_a_file_gives(noisy: Path, tmp_path: Path) -> None:
    assert run("denoise", noisy, "-o", tmp_path / "a.png", "--sigma", 20) == 0
    assert run("denoise", noisy, "-o", tmp_path / "a.tif", "--sigma", 20) == 0
    done = piped(noisy.read_bytes(), "-", "--sigma", 20)
    assert (done.returncode, done.stdout) == (0, (tmp_path / "a.png").read_bytes())
    assert done.stderr.decode().startswith("128x96, photo-color")
    assert piped(noisy.read_bytes(), "-", "--sigma", 20, "--format", "tiff").stdout == (tmp_path / "a.tif").read_bytes()
    assert piped(b"", noisy, "-o", "-", "--sigma", 20).stdout == (tmp_path / "a.png").read_bytes()
    assert piped(noisy.read_bytes(), "-", "-o", tmp_path / "b.png", "--sigma", 20).stdout != b""
    assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()
    for content, arguments, status in ((b"text", ["-"], 1), (b"", ["-"], 1), (b"", ["-", noisy], 2), (b"", ["-", "--json"], 2)):
        done = piped(content, *arguments)
        assert (done.returncode, done.stdout) == (status, b"")
        assert len(done.stderr.splitlines()) == 1


def test_path_array_and_pipe_on_one_core_and_on_two_give_the_same_bytes(tmp_path: Path) -> None:
    """With pieces of a picture at work at the same time, the noise measured."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        pytest.skip("there is one core, or no way to choose one")
    clean = samples.photograph()[:360, :500] / np.float64(255)
    spoiled = np.clip(clean + np.random.default_rng(0).standard_normal(clean.shape) * 20 / 255, 0, 1)
    levels = np.rint(spoiled * 255).astype(np.uint8)
    source = tmp_path / "a.ppm"
    files.write(source, images.from_array(levels))
    np.save(tmp_path / "a.npy", levels)
    begin = (
        "import os, sys; os.sched_setaffinity(0, {0}); "
        "from pellucid import restorer; from pellucid.tasks import denoise; denoise.TILE = dict.fromkeys(denoise.TILE, 300); "
    )
    command = "from pellucid import cli; sys.exit(cli.main(sys.argv[1:]))"
    array = "import numpy; numpy.save(sys.argv[2], restorer.load('photo').restore(numpy.load(sys.argv[1])))"
    answers = []
    for count in (1, 2):
        chosen = begin.format(set(cores[:count]))
        path, made = tmp_path / f"{count}.ppm", tmp_path / f"{count}.npy"
        subprocess.run([sys.executable, "-c", chosen + command, "denoise", source, "-o", path], check=True, capture_output=True)
        subprocess.run([sys.executable, "-c", chosen + array, tmp_path / "a.npy", made], check=True)
        pipe = subprocess.run(
            [sys.executable, "-c", chosen + command, "denoise", "-"], input=source.read_bytes(), capture_output=True, check=True
        )
        head = len(b"P6\n500 360\n255\n")
        answers += [path.read_bytes()[head:], pipe.stdout[head:], np.load(made).tobytes()]
    assert len(set(answers)) == 1
    assert answers[0] != levels.tobytes()


def test_memory_is_refused_in_one_line(noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("denoise", noisy, "--memory", "1MiB") == 1
    said = capsys.readouterr().err
    assert "noisy.png: 128x96 pixels need" in said
    assert said.count("\n") == 1
    assert run("denoise", noisy, "--memory", "much") == 2
    assert run("denoise", noisy, "--memory", "8GiB") == 0


def test_a_pipe_takes_a_stack(tmp_path: Path, gray_model: Path) -> None:
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(0, 256, (3, 20, 24), dtype=np.uint8))
    told = ("--model", gray_model, "--sigma", 9)
    assert run("denoise", tmp_path / "a.npy", "-o", tmp_path / "b.npy", *told) == 0
    done = piped((tmp_path / "a.npy").read_bytes(), "-", *told)
    assert (done.returncode, done.stdout) == (0, (tmp_path / "b.npy").read_bytes())
    assert done.stderr.decode().startswith("24x20, 3 pages, gray")
    done = piped((tmp_path / "a.npy").read_bytes(), "-", *told, "--format", "png")
    assert (done.returncode, done.stdout) == (1, b"")
    assert "3 pages" in done.stderr.decode()


def test_a_format_is_named_by_itself_or_its_ending(noisy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for named, ending in (("jpg", ".jpg"), ("JPEG", ".jpg"), ("ppm", ".ppm"), ("numpy", ".npy")):
        assert run("denoise", noisy, "--format", named, "--sigma", 5, "--force") == 0
        assert (tmp_path / f"noisy.clean{ending}").is_file()
    capsys.readouterr()
    # Camera RAW is only read.
    assert run("denoise", noisy, "--format", "nef") == 2
    assert "format 'nef' is not one of png, jpeg" in capsys.readouterr().err


def test_killed_in_the_middle_of_a_folder_and_run_again(tmp_path: Path, gray_model: Path) -> None:
    root, out, count = tmp_path / "in", tmp_path / "out", 200
    for index in range(count):
        put(root / f"{index:03}.png", 16 + index // 2)
    before = {path.name: path.read_bytes() for path in root.iterdir()}
    arguments = [sys.executable, "-m", "pellucid", "denoise", str(root), "-o", str(out), "--model", str(gray_model), "--sigma", "9"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(count // 3):
            process.stdout.readline()
        process.kill()
    first = {path.name: path.stat().st_ino for path in out.glob("*.png")}
    assert count // 3 <= len(first) < count
    # A process that is killed while it writes leaves such a file behind.
    (out / ".pellucid-0123456789abcdef.tmp").write_bytes(b"half")
    assert subprocess.run([*arguments, "--resume"], capture_output=True, check=False).returncode == 0
    assert run("denoise", root, "-o", tmp_path / "whole", "--model", gray_model, "--sigma", 9) == 0
    assert {path.name for path in out.iterdir()} == {".pellucid.jsonl", *before}
    for name in before:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {name: (out / name).stat().st_ino for name in first} == first
    # One line for each answer; one picture at most was noted before it had its name.
    noted = [json.loads(line)["output"] for line in (out / ".pellucid.jsonl").read_text().splitlines()]
    assert set(noted) == set(before)
    assert len(noted) <= count + 1
    assert {path.name: path.read_bytes() for path in root.iterdir()} == before


def test_an_interrupt_says_what_was_done(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in (16, 17, 18):
        put(tmp_path / "in" / f"{side}.png", side)

    def leaves(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch.Outcome, "to_dict", leaves)
    assert run("denoise", tmp_path / "in", "-o", tmp_path / "out", "--model", gray_model, "--sigma", 9, "--json") == 130
    said = capsys.readouterr().err.splitlines()
    assert said[-1] == "pellucid: interrupted"
    assert said[0].startswith("done 2, skipped 0, failed 0, not tried 1")
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
