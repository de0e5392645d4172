"""The protocol and its numbers, the classical methods, the tables and figures."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import baselines, degradations, evaluation, files, images, metrics, report, restorer, samples
from pellucid.errors import FileError, MissingExtra, OptionError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small crops: two of them colour, one gray."""
    place = tmp_path_factory.mktemp("images")
    photograph = samples.photograph()
    for name, crop in (("b", photograph[:64, :80]), ("a", photograph[100:180, 200:264]), ("c", photograph[200:264, 300:364, 1])):
        files.write(place / f"{name}.png", images.from_array(crop))
    (place / "broken.png").write_bytes(b"\x89PNG")
    return place


@pytest.fixture(scope="module")
def digits_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stack = samples.digits()[0][:30]
    path = tmp_path_factory.mktemp("idx") / "digits.gz"
    header = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in stack.shape)
    path.write_bytes(gzip.compress(header + stack.tobytes()))
    return path


def test_the_numbers_are_the_protocols(folder: Path) -> None:
    found = evaluation.evaluate(
        evaluation.load_images(folder), models={}, noises=[degradations.parse("gaussian:25")], baselines=["none"]
    )
    assert [row["image"] for row in found.results] == ["a", "b", "c"]
    assert "broken.png" in found.failed[0]
    for index, row in enumerate(found.results):
        clean = np.asarray(PillowImage.open(folder / f"{row['image']}.png")) / np.float64(255)
        noisy = (clean + np.random.default_rng(index).standard_normal(clean.shape) * 25 / 255).astype(np.float32)
        expected = metrics.psnr(clean, np.clip(noisy.astype(np.float64), 0, 1), data_range=1)
        assert row["psnr"] == pytest.approx(expected, abs=1e-5)
    assert found.summary[0]["psnr"] == pytest.approx(np.mean([row["psnr"] for row in found.results]), abs=1e-3)
    assert found.summary[0]["worst"] == min(found.results, key=lambda row: row["psnr"])["image"]


def test_models_are_told_unless_blind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, told = restorer.load("photo"), []
    whole = model.restore
    monkeypatch.setattr(model, "restore", lambda image, sigma=None: (told.append(sigma), whole(image, sigma=sigma))[1])
    loaded = evaluation.load_images(folder, limit=1)
    noises = [degradations.parse("gaussian:25"), degradations.parse("salt-pepper:0.1")]
    for blind in (False, True):
        evaluation.evaluate(loaded, models={"photo": model}, noises=noises, baselines=[], blind=blind)
    assert told == [25, None, None, None]


def test_identical_answers_stay_valid_json(folder: Path) -> None:
    found = evaluation.evaluate(
        evaluation.load_images(folder), models={}, noises=[degradations.parse("gaussian:0")], baselines=["none"]
    )
    assert found.summary[0]["psnr"] is None or found.summary[0]["psnr"] > 100
    json.loads(found.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert report.text_table(found)


def test_digits_are_scored_as_a_stack(digits_file: Path) -> None:
    loaded = evaluation.load_images(digits_file)
    noises = [degradations.parse("gaussian:0:clip"), degradations.parse("gaussian:51:clip")]
    found = evaluation.evaluate(loaded, models={"digits": restorer.load("digits")}, noises=noises, baselines=["none"])
    scores = {(row["noise"], row["method"]): row["psnr"] for row in found.summary}
    assert scores["gaussian:0:clip", "none"] == 70
    assert scores["gaussian:51:clip", "digits"] > scores["gaussian:51:clip", "none"] + 7
    with pytest.raises(OptionError, match="bm3d"):
        evaluation.evaluate(loaded, models={}, noises=noises, baselines=["bm3d"])


def test_nothing_to_score_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError):
        evaluation.evaluate(evaluation.load_images(folder), models={}, noises=[degradations.parse("gaussian:25")], baselines=[])
    with pytest.raises(FileError):
        evaluation.load_images(tmp_path)
    with pytest.raises(FileError):
        evaluation.load_images(tmp_path / "none")


def test_json_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    found = evaluation.evaluate(evaluation.load_images(folder, limit=1), models={}, noises=[degradations.parse("gaussian:5")])
    evaluation.write_json(tmp_path / "a.json", found)
    data = json.loads((tmp_path / "a.json").read_text())
    assert set(data) >= {"protocol", "results", "summary"}
    with pytest.raises(FileError, match="exists"):
        evaluation.write_json(tmp_path / "a.json", found)


def test_the_table_has_a_row_a_method(folder: Path) -> None:
    noises = [degradations.parse("gaussian:25"), degradations.parse("gaussian:50")]
    found = evaluation.evaluate(evaluation.load_images(folder), models={}, noises=noises, baselines=["none", "median"])
    text = report.text_table(found)
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["PSNR", "in", "dB", "gaussian:25", "gaussian:50", "s/megapixel"]
    assert [row[0] for row in rows[1:3]] == ["none", "median"]
    assert re.fullmatch(r"\d+\.\d\d", rows[1][1])
    assert float(rows[2][1]) > float(rows[1][1])


def test_figures_are_drawn_at_full_size_and_kept(folder: Path, digits_file: Path, tmp_path: Path) -> None:
    noises = [degradations.parse("gaussian:25")]
    for name, source in (("photo", folder), ("digits", digits_file)):
        path = tmp_path / f"{name}.png"
        models = {name: restorer.load(name)}
        report.evaluation_figure(evaluation.load_images(source), models, noises, path)
        with PillowImage.open(path) as drawn:
            assert min(drawn.size) > 100
            # Pictures, not blank paper.
            assert np.asarray(drawn).std() > 30
        with pytest.raises(FileError, match="exists"):
            report.evaluation_figure(evaluation.load_images(source), models, noises, path)


def test_a_figure_shows_the_very_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), dtype=np.uint8)
    report.grid({"row": [pixels / np.float32(255)]}, tmp_path / "a.png")
    drawn = np.asarray(PillowImage.open(tmp_path / "a.png"))
    windows = np.lib.stride_tricks.sliding_window_view(drawn, pixels.shape)
    assert (windows == pixels).all(axis=(-1, -2, -3)).any()
    with pytest.raises(OptionError, match="PNG"):
        report.grid({"row": [pixels / np.float32(255)]}, tmp_path / "a.jpg")


# -- classical methods ------------------------------------------------------------------------------------------------


def gain(name: str, noise: str, clean: NDArray[np.float64]) -> float:
    spoiling = degradations.parse(noise)
    noisy = spoiling(clean, np.random.default_rng(0))
    answer = np.clip(baselines.find(name).function(noisy, spoiling), 0, 1)
    assert answer.shape == clean.shape
    return metrics.psnr(clean, answer, data_range=1) - metrics.psnr(clean, np.clip(noisy, 0, 1), data_range=1)


@pytest.mark.parametrize(
    ("name", "noise", "least"),
    [
        ("median", "gaussian:25", 3),
        ("nlm-opencv", "gaussian:25", 3.5),
        ("nlm-skimage", "gaussian:25", 4.5),
        ("adaptive-median", "salt-pepper:0.3", 15),
        ("median", "salt-pepper:0.1", 10),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_classical_methods_do_their_work(
    name: str, noise: str, least: float, channels: int, photograph: NDArray[np.float64]
) -> None:
    assert gain(name, noise, photograph[120:280, 300:500, :channels]) > least


@pytest.mark.parametrize("channels", [1, 3])
def test_bm3d_does_its_work(channels: int, photograph: NDArray[np.float64]) -> None:
    pytest.importorskip("bm3d", reason="academic licence: only with the extra bench")
    assert gain("bm3d", "gaussian:25", photograph[120:184, 300:364, :channels]) > 5


def test_the_adaptive_median_leaves_what_is_no_impulse(photograph: NDArray[np.float64]) -> None:
    clean = photograph[:60, :60, :1].astype(np.float32)
    noise = degradations.parse("salt-pepper:0.2")
    noisy = noise(clean, np.random.default_rng(0))
    answer = baselines.find("adaptive-median").function(noisy, noise)
    untouched = (noisy > 0) & (noisy < 1)
    assert np.mean(answer[untouched] == noisy[untouched]) > 0.8


def test_unknown_and_missing_methods_are_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="bm3d"):
        baselines.find("nonesuch")
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)
    with pytest.raises(MissingExtra, match=r"pellucid\[bench\]"):
        baselines.find("nlm-opencv").function(np.zeros((9, 9, 1), np.float32), degradations.parse("gaussian:5"))
