"""Clips of known noise, scored: models over time and frame by frame, filters at their best, and the page that shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import make

from pellucid import degradations, screening
from pellucid.cli import main


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, photograph: Any) -> Path:
    luma = np.rint(255 * photograph[:192, :288].mean(axis=2)).astype(np.uint8)
    colour = np.full_like(luma, 128)

    def planes(number: int) -> list[Any]:
        return [np.roll(luma, number, axis=1), colour, colour]

    return make(tmp_path_factory.mktemp("clips") / "a.mkv", "ffv1", "yuv444p", size=(288, 192), count=6, frames=planes)


def test_models_and_filters_are_scored_and_shown(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, page = tmp_path / "scores.json", tmp_path / "page.html"
    words = ["--noise", "gaussian:25", "--limit", "5", "--baselines", "ffmpeg-atadenoise,ffmpeg-nlmeans"]
    assert main(["evaluate", str(clip), "--model", "photo-fast", *words, "--out", str(out), "--report", str(page)]) == 0
    text = capsys.readouterr().out
    rows = {row["method"]: row for row in json.loads(out.read_text())["results"]}
    assert list(rows) == ["noisy", "photo-fast, frame by frame", "photo-fast, over time", "ffmpeg-atadenoise", "ffmpeg-nlmeans"]
    assert all(name in text for name in rows)
    assert rows["photo-fast, over time"]["psnr"] > rows["photo-fast, frame by frame"]["psnr"] > rows["ffmpeg-nlmeans"]["psnr"]
    assert rows["ffmpeg-nlmeans"]["psnr"] > rows["noisy"]["psnr"] + 1
    assert rows["ffmpeg-nlmeans"]["strength"] in screening.FILTERS["ffmpeg-nlmeans"].strengths
    html = page.read_text()
    # Five frames of six methods (the clean one among them), and nothing that a browser would fetch.
    assert html.count("data:image/webp;base64,") == 30
    assert "http" not in html.split("<script")[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "photo-fast", "--baselines", "bm4d"], "unknown filter 'bm4d'"),
        (["--model", "photo-fast", "--task", "upscale"], "clips are scored for denoise"),
        (["--model", "photo-fast", "--figure", "a.png"], "are for pictures"),
        ([], "name at least one"),
        (["--model", "photo-fast", "--limit", "1"], "from two frames on"),
        (["--model", "upscale"], "'upscale' is for the task upscale, not denoise"),
        (["--model", "photo-fast+photo-fast"], "one model at a time"),
        (["--model", "photo-fast", "--blind"], "--blind is for pictures"),
        (["--model", "photo-fast", "--runs", "2"], "--runs is for pictures"),
        (["--model", "photo-fast", "--workers", "2"], "--workers is for pictures"),
        (["--model", "photo-fast:strengh=2"], "strengh"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], words: str, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(clip), *arguments]) != 0
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_clip_that_cannot_be_read_is_named_and_the_others_are_scored(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clips").mkdir()
    for name in ("a.mkv", "c.mkv"):
        (tmp_path / "clips" / name).write_bytes(clip.read_bytes())
    (tmp_path / "clips" / "b.mkv").write_bytes(b"no clip")
    out = tmp_path / "scores.json"
    arguments = ["evaluate", str(tmp_path / "clips"), "--model", "photo-fast:strength=0", "--noise", "gaussian:25", "--limit", "2"]
    assert main([*arguments, "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert "b.mkv" in said.err
    found = json.loads(out.read_text())
    assert found["protocol"]["clips"] == ["a.mkv", "c.mkv"]
    assert [line.partition("b.mkv")[1] for line in found["failed"]] == ["b.mkv"]
    # Strength 0 leaves the clip as it is.
    scores = {(row["image"], row["method"]): row["psnr"] for row in found["results"]}
    for name in ("a.mkv", "c.mkv"):
        assert scores[name, "photo-fast:strength=0, over time"] == scores[name, "noisy"]
        assert f"{name}, gaussian:25" in said.out


def test_one_camera_sees_all_frames() -> None:
    frame = np.random.default_rng(0).uniform(0.2, 0.8, (32, 48, 3)).astype(np.float32)
    given, truth = screening.noisy_frames([frame] * 2, degradations.parse("camera:0.01"))
    assert np.array_equal(truth[0], truth[1])
    assert not np.array_equal(given[0], given[1])
    other = screening.noisy_frames([frame], degradations.parse("camera:0.01"), camera=1)[1]
    assert not np.array_equal(truth[0], other[0])


def test_flicker_is_the_change_of_the_error() -> None:
    clean = [np.full((4, 4, 3), 0.5, np.float32)] * 5
    steady: Callable[[int], Any] = lambda number: np.full((4, 4, 3), 130, np.uint8)  # noqa: E731
    jumps: Callable[[int], Any] = lambda number: np.full((4, 4, 3), 126 + 3 * (number % 2), np.uint8)  # noqa: E731
    assert screening.score([steady(number) for number in range(5)], clean)[1] == pytest.approx(0, abs=1e-4)
    assert screening.score([jumps(number) for number in range(5)], clean)[1] == pytest.approx(3, rel=1e-3)
