"""The command line as a user meets it: what it prints, where it writes, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pellucid import cli, files, images, samples


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
        (["denoise", "{noisy}", "--model", "digits", "--sigma", "5"], 1),
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
    "arguments", [["denoise"], ["denoise", "a.png", "--sigma", "-1"], ["denoise", "a.png", "--strength", "2"], ["nonsense"], []]
)
def test_wrong_use_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def test_help_imports_neither_engine_nor_torch() -> None:
    code = (
        "import sys\nfrom pellucid import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not set(sys.modules) & {'torch', 'openvino', 'onnx', 'numpy'}, set(sys.modules) & {'torch', 'openvino', 'numpy'}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "denoise" in done.stdout


def test_models_lists_every_card(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models") == 0
    text = capsys.readouterr().out
    assert run("models", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == {"photo-gray", "photo-color", "digits", "seed-digits"}
    for row in rows:
        assert {"name", "task", "bytes", "scores", "licence", "training_images"} <= set(row)
        assert row["name"] in text


def test_recipes_lists_the_shipped_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("recipes") == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"digits", "photo", "photo-int8", "seed-digits"}
    assert run("recipes", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 4


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


def test_demo_prints_a_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "-o", tmp_path / "demo.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    noisy, restored = (float(word) for word in lines[1].split()[2:4])
    assert restored > noisy + 7
    assert run("demo", "-o", tmp_path / "demo.png") == 1


def test_an_interrupt_ends_quietly(monkeypatch: pytest.MonkeyPatch, noisy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from pellucid import batch

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "plan", interrupted)
    assert run("denoise", noisy) == 130
    assert capsys.readouterr().err == "pellucid: interrupted\n"


def test_python_m_pellucid_runs() -> None:
    done = subprocess.run([sys.executable, "-m", "pellucid", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("pellucid 0.")
