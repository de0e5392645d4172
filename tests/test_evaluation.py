"""The protocol and its numbers, the classical methods, the tables and figures."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import (
    asked,
    baselines,
    cli,
    comparing,
    degradations,
    evaluation,
    exhibits,
    files,
    images,
    methods,
    metrics,
    report,
    restorer,
    samples,
)
from pellucid.errors import EngineError, FileError, ImageError, MissingExtra, OptionError
from pellucid.tasks import TASKS, Task


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
    # The broken one, third by name, takes its number with it.
    for index, row in zip((0, 1, 3), found.results, strict=True):
        clean = np.asarray(PillowImage.open(folder / f"{row['image']}.png")) / np.float64(255)
        noisy = (clean + np.random.default_rng(index).standard_normal(clean.shape) * 25 / 255).astype(np.float32)
        expected = metrics.psnr(clean, np.clip(noisy.astype(np.float64), 0, 1), data_range=1)
        assert row["psnr"] == pytest.approx(expected, abs=1e-5)
    assert found.summary[0]["psnr"] == pytest.approx(np.mean([row["psnr"] for row in found.results]), abs=1e-3)
    assert found.summary[0]["worst"] == min(found.results, key=lambda row: row["psnr"])["image"]


def test_models_are_given_the_level_unless_blind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, levels = restorer.load("photo"), []
    whole = model.restore
    monkeypatch.setattr(model, "restore", lambda image, given, **how: (levels.append(given.sigma), whole(image, given, **how))[1])
    loaded = evaluation.load_images(folder, limit=1)
    noises = [degradations.parse("gaussian:25"), degradations.parse("salt-pepper:0.1")]
    for blind in (False, True):
        evaluation.evaluate(loaded, models={"photo": model}, noises=noises, baselines=[], blind=blind, runs=1)
    # The first call, on a small part, is not timed.
    assert levels == [25, 25, None, None, None, None]


def test_identical_answers_stay_valid_json(folder: Path) -> None:
    found = evaluation.evaluate(
        evaluation.load_images(folder), models={}, noises=[degradations.parse("gaussian:0")], baselines=["none"]
    )
    assert found.summary[0]["psnr"] is None
    assert found.summary[0]["identical"] == 3
    json.loads(found.to_json(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert report.text_table(found)


def test_digits_are_scored_as_a_stack(digits_file: Path) -> None:
    loaded = evaluation.load_images(digits_file)
    noises = [degradations.parse("gaussian:0:clip"), degradations.parse("gaussian:51:clip")]
    found = evaluation.evaluate(loaded, models={"digits": restorer.load("digits")}, noises=noises, baselines=["none"])
    scores = {(row["noise"], row["method"]): row["psnr"] for row in found.summary}
    assert scores["gaussian:0:clip", "none"] == 70
    assert scores["gaussian:51:clip", "digits"] > scores["gaussian:51:clip", "none"] + 7
    with pytest.raises(OptionError, match="'tv' takes no digits; 'none' does"):
        evaluation.evaluate(loaded, models={}, noises=noises, baselines=["tv"])


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


def test_names_that_are_no_text_lose_no_scores(tmp_path: Path) -> None:
    names = ["b\udcff", "größe", "half \ud800 of a character"]
    rows = tuple({"image": name} for name in names)
    evaluation.write_json(tmp_path / "a.json", evaluation.Evaluation({}, rows, (), failed=tuple(names)))
    found = json.loads((tmp_path / "a.json").read_bytes().decode("utf-8"))
    assert [row["image"] for row in found["results"]] == found["failed"] == names


def test_runs_and_workers_agree(folder: Path) -> None:
    loaded = evaluation.load_images(folder)
    noises = [degradations.parse("gaussian:25"), degradations.parse("salt-pepper:0.1")]
    models = {"photo": restorer.load("photo")}

    def scores(**settings: Any) -> Any:
        found = evaluation.evaluate(loaded, models=models, noises=noises, baselines=["none", "median"], runs=1, **settings)
        data = json.loads(found.to_json())
        del data["protocol"]["times"]
        for row in data["results"] + data["summary"]:
            assert row.pop("seconds_per_megapixel") > 0
            row.pop("peak_memory_mib", None)
        return data

    once = scores()
    assert once == scores()
    assert once == scores(workers=2)


def test_peak_memory_is_that_of_one_method(folder: Path) -> None:
    found = evaluation.evaluate(
        evaluation.load_images(folder, limit=1),
        models={"photo": restorer.load("photo")},
        noises=[degradations.parse("gaussian:25")],
        memory=True,
    )
    nothing, photo = (row["peak_memory_mib"] for row in found.summary)
    if nothing is None:
        pytest.skip("this system does not say")
    # An engine and a network, against an interpreter with NumPy.
    assert 10 < nothing < photo < 2000


def test_odd_images_are_scored_or_named(tmp_path: Path) -> None:
    photograph = samples.photograph()
    files.write(tmp_path / "colour.png", images.from_array(photograph[:48, :48]))
    files.write(tmp_path / "deep.png", images.from_array(photograph[:48, :48, 0].astype(np.uint16) * 257 + 3))
    files.write(tmp_path / "tiny.png", images.from_array(photograph[:3, :5]))
    files.write(tmp_path / "same.png", images.from_array(photograph[:48, :48]))
    PillowImage.fromarray(photograph[:48, :48]).save(tmp_path / "same.jpg")
    (tmp_path / "torn.png").write_bytes((tmp_path / "colour.png").read_bytes()[:300])
    found = evaluation.evaluate(
        evaluation.load_images(tmp_path),
        models={"photo": restorer.load("photo")},
        noises=[degradations.parse("gaussian:25")],
        baselines=["none", "nlm-skimage"],
    )
    assert {row["image"] for row in found.results} == {"colour", "deep", "tiny", "same.png", "same.jpg"}
    assert any("torn.png" in line for line in found.failed)
    assert "tiny: too small for ssim and ms_ssim" in found.notes
    assert any("1 gray and 4 colour" in line for line in found.notes)
    assert all(row["ssim"] is None for row in found.results if row["image"] == "tiny")
    # Sixteen bits are scored as such: 3/65535 is not rounded away.
    deep = next(row for row in found.results if row["image"] == "deep" and row["method"] == "none")
    levels = photograph[:48, :48, 0].astype(np.float64) * 257 + 3
    _, noisy = evaluation.degraded(levels / 65535, degradations.parse("gaussian:25"), 1)
    assert deep["psnr"] == pytest.approx(metrics.psnr(levels / 65535, np.clip(noisy, 0, 1), data_range=1), abs=1e-6)


def test_a_method_that_breaks_is_named_and_the_rest_is_scored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(noisy: NDArray[np.float32], noise: degradations.Degradation) -> NDArray[np.float32]:
        if noisy.shape[0] == 80:
            raise ValueError("first line\ntoo large")
        return noisy

    monkeypatch.setitem(baselines.BASELINES, "median", baselines.Baseline("median", "", (), (), breaks))
    found = evaluation.evaluate(
        evaluation.load_images(folder), models={}, noises=[degradations.parse("gaussian:25")], baselines=["none", "median"]
    )
    assert "median on a with gaussian:25: too large" in found.failed
    nothing, median = found.summary
    assert (nothing["images"], nothing["failed"], median["images"], median["failed"]) == (3, 0, 2, 1)
    others = [row["psnr"] for row in found.results if row["method"] == "none" and row["image"] != "a"]
    assert median["psnr"] == pytest.approx(np.mean(others), abs=1e-3)
    assert report.text_table(found)


@pytest.mark.parametrize("knows", [False, True])
def test_classical_methods_are_given_the_energy_of_what_they_do_not_know(
    knows: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[degradations.Degradation] = []
    spy = baselines.Baseline("median", "", (), (), lambda noisy, noise: (given.append(noise), noisy)[1], knows_impulses=knows)
    monkeypatch.setitem(baselines.BASELINES, "median", spy)
    loaded = evaluation.load_images(folder, limit=1)
    clean = loaded.named[0][1]
    for text in ("gaussian:25", "speckle:0.1", "salt-pepper:0.1", "gaussian:25+salt-pepper:0.1"):
        given.clear()
        noise = degradations.parse(text)
        evaluation.evaluate(loaded, models={}, noises=[noise], baselines=["median"], runs=1)
        if text == "gaussian:25" or (knows and "salt-pepper" in text):
            assert set(given) == {noise}
        else:
            energy = np.sqrt(np.square(evaluation.degraded(clean, noise, 0)[1] - clean).mean()) * 255
            assert {entry.kind for entry in given} == {"gaussian"}
            assert given[-1].sigma == pytest.approx(energy, rel=1e-3)


def test_an_answer_that_is_no_number_has_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = baselines.Baseline("median", "", (), (), lambda noisy, noise: noisy * np.float32(np.nan))
    monkeypatch.setitem(baselines.BASELINES, "median", broken)
    found = evaluation.evaluate(
        evaluation.load_images(folder, limit=1), models={}, noises=[degradations.parse("gaussian:5")], baselines=["median"]
    )
    assert "not numbers" in found.failed[0]
    assert (found.summary[0]["failed"], found.summary[0]["identical"]) == (1, 0)
    assert "failed" in report.text_table(found)


def test_a_model_that_refuses_an_image_does_not_end_the_run(folder: Path) -> None:
    noises = [degradations.parse(text) for text in ("gaussian:25", "gaussian:300", "gaussian:25.0")]
    found = evaluation.evaluate(
        evaluation.load_images(folder, limit=1), models={"photo": restorer.load("photo")}, noises=noises, baselines=["none"]
    )
    # One noise by two texts is one noise.
    assert [(row["noise"], row["method"], row["failed"]) for row in found.summary] == [
        ("gaussian:25", "none", 0),
        ("gaussian:25", "photo", 0),
        ("gaussian:300", "none", 0),
        ("gaussian:300", "photo", 1),
    ]


def test_a_worker_that_dies_is_our_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_begin", os._exit)
    with pytest.raises(EngineError, match="worker"):
        evaluation.evaluate(
            evaluation.load_images(folder), models={}, noises=[degradations.parse("gaussian:5")], baselines=["none"], workers=2
        )


def test_a_missing_extra_is_said_before_the_work_and_travels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = baselines.Baseline("median", "", ("nonesuch_module",), ("nonesuch",), lambda noisy, noise: noisy)
    monkeypatch.setitem(baselines.BASELINES, "median", lacking)
    with pytest.raises(MissingExtra, match="nonesuch is not installed") as caught:
        evaluation.evaluate(
            evaluation.load_images(folder), models={}, noises=[degradations.parse("gaussian:5")], baselines=["none", "median"]
        )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_digits_go_through_a_model_that_takes_a_level(digits_file: Path) -> None:
    loaded = evaluation.load_images(digits_file, limit=5)
    found = evaluation.evaluate(
        loaded, models={"photo": restorer.load("photo")}, noises=[degradations.parse("gaussian:51")], baselines=["none"]
    )
    noisy, restored = (row["psnr"] for row in found.summary)
    assert restored > noisy + 3
    with pytest.raises(OptionError, match="first ten"):
        exhibits.check_chosen(loaded, ["5"])


def test_a_report_shows_what_was_chosen_and_the_worst(tmp_path: Path) -> None:
    photograph = samples.photograph()
    for name, left in (("a", 0), ("b", 200), ("c", 300), ("d", 400)):
        crop = photograph[:300, left : left + 200].copy()
        if name == "c":
            # Fine stripes in one place: no median keeps them.
            crop[270:300, 150:200] = 255 * (np.arange(50) % 2)[None, :, None]
        files.write(tmp_path / f"{name}.png", images.from_array(crop))
    loaded = evaluation.load_images(tmp_path)
    noises = [degradations.parse("gaussian:5"), degradations.parse("gaussian:25")]
    found = evaluation.evaluate(loaded, models={}, noises=noises, baselines=["none", "median"], runs=1)
    shown = exhibits.gather(loaded, found, models={}, baselines=["none", "median"], chosen=["d"])
    assert [entry.reason for entry in shown] == ["chosen", "worst", "worst", "worst"]
    assert shown[0].image == "d"
    assert shown[1].image == "c"
    for entry in shown:
        assert entry.clean.shape == entry.noisy.shape == entry.answers["median"].shape == (256, 200, 3)
        row = next(
            row for row in found.results if (row["image"], row["noise"], row["method"]) == (entry.image, entry.noise, "median")
        )
        assert entry.psnr["median"] == row["psnr"]
    # The report shows that part of the worst picture where the error is largest: the stripes at the lower end.
    np.testing.assert_allclose(shown[1].clean, loaded.named[2][1][44:300], atol=1e-6)
    assert len(exhibits.gather(loaded, found, models={}, baselines=["none"])) == 6
    with pytest.raises(OptionError, match="'e'"):
        exhibits.gather(loaded, found, models={}, chosen=["e"])


def _compared(first: Path, second: Path, value_range: images.Range = "auto") -> dict[str, Any]:
    return comparing.compare(comparing.read(first, second, value_range))


def test_two_pictures_are_compared(tmp_path: Path) -> None:
    photograph = samples.photograph()[:200, :200]
    files.write(tmp_path / "a.png", images.from_array(photograph))
    changed = photograph.copy()
    changed[..., 1] = np.clip(photograph[..., 1].astype(int) + 3, 0, 255)
    files.write(tmp_path / "b.png", images.from_array(changed))
    scores = _compared(tmp_path / "a.png", tmp_path / "b.png")
    assert scores["psnr"] == pytest.approx(metrics.psnr(photograph / 255, changed / 255, data_range=1), abs=1e-4)
    assert scores["largest_difference"] == 3
    assert scores["mean_shift"] == pytest.approx(float(np.mean(changed[..., 1] - photograph[..., 1].astype(float))), abs=0.01)
    assert _compared(tmp_path / "a.png", tmp_path / "a.png")["psnr"] is None
    report.comparison(comparing.read(tmp_path / "a.png", tmp_path / "b.png"), ("a", "b"), tmp_path / "c.png")
    with PillowImage.open(tmp_path / "c.png") as drawn:
        assert drawn.width > 600
    files.write(tmp_path / "small.png", images.from_array(photograph[:9]))
    with pytest.raises(ImageError, match="only pictures of one size can be compared"):
        _compared(tmp_path / "a.png", tmp_path / "small.png")
    files.write(tmp_path / "gray.png", images.from_array(photograph[..., 0]))
    with pytest.raises(ImageError, match=r"a\.png is colour and .*gray\.png is gray"):
        _compared(tmp_path / "a.png", tmp_path / "gray.png")
    covered = np.concatenate([photograph, np.full((200, 200, 1), 7, np.uint8)], axis=2)
    files.write(tmp_path / "covered.png", images.from_array(covered))
    found = _compared(tmp_path / "a.png", tmp_path / "covered.png")
    assert (found["identical"], found["same_transparency"]) == (True, False)
    # Alpha counts as it is, not as a share of its own largest.
    covered[..., 3] = 14
    files.write(tmp_path / "thicker.png", images.from_array(covered))
    assert _compared(tmp_path / "covered.png", tmp_path / "thicker.png")["same_transparency"] is False


@pytest.mark.parametrize(
    ("dtype", "unit"), [(np.float32, 37.0), (np.float64, 0.01), (np.uint16, 3), (np.int32, 1000), (np.int16, -40)]
)
def test_two_pictures_are_compared_on_the_scale_of_the_first(tmp_path: Path, dtype: type, unit: float) -> None:
    clean = samples.photograph()[:60, :60].astype(float)
    noisy = clean + np.random.default_rng(0).normal(0, 10, clean.shape) * (clean > 40) * (clean < 200)
    noisy[0, 0] = 300
    for name, values in (("clean", clean), ("noisy", noisy), ("half", clean / 2)):
        np.save(tmp_path / f"{name}.npy", (values * unit).astype(dtype))
    names = [tmp_path / f"{name}.npy" for name in ("clean", "noisy", "half")]
    stored = [np.load(name).astype(float) for name in names]
    for other, values in zip(names[1:], stored[1:], strict=True):
        pair = comparing.read(names[0], other)
        found = comparing.compare(pair)
        span = abs(images.white_of(pair.first) - pair.first.black)
        assert found["psnr"] == pytest.approx(metrics.psnr(stored[0], values, data_range=span), abs=2e-3)
        assert f"white {images.white_of(pair.first):.6g} in both" in pair.remarks[-1] or dtype == np.float64
    assert _compared(names[0], names[0])["identical"]
    ends = (0.0, 255.0 * unit)
    stated = _compared(names[0], names[1], ends)
    assert stated["psnr"] == pytest.approx(metrics.psnr(stored[0], stored[1], data_range=255 * abs(unit)), abs=2e-3)
    # Values of two kinds have a black and white each.
    files.write(tmp_path / "8.png", images.from_array(clean.astype(np.uint8)))
    files.write(tmp_path / "16.png", images.from_array(clean.astype(np.uint16) * 257))
    assert _compared(tmp_path / "8.png", tmp_path / "16.png")["identical"]


def test_alpha_is_the_same_to_half_a_step_of_the_coarser_file(tmp_path: Path) -> None:
    alpha = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    values = np.dstack([alpha // 2 + 1000] * 3 + [alpha])
    stated = [(281, "H", 4, (4095,) * 4, False)]
    tifffile.imwrite(tmp_path / "12.tif", values, photometric="rgb", extrasamples=["unassalpha"], metadata=None, extratags=stated)
    colours = np.rint(values[..., :3] / 4095 * 65535)

    def same(shares: NDArray[np.float64], dtype: type, one: str = "12.tif") -> bool:
        most = 1 if dtype is np.float32 else np.iinfo(dtype).max
        planes = np.dstack([colours / 65535, shares]) * most
        written = planes.astype(dtype) if dtype is np.float32 else np.rint(planes).astype(dtype)
        ending = ".npy" if dtype is np.float32 else ".png"
        files.write(tmp_path / f"b{ending}", images.from_array(written), overwrite=True)
        return _compared(tmp_path / one, tmp_path / f"b{ending}")["same_transparency"] is True

    for dtype in (np.uint8, np.uint16, np.float32):
        assert same(alpha / 4095, dtype)
        other = alpha / 4095
        other[-1, -1] = 128 / 255
        assert not same(other, dtype)
    # One step of 12 bits is seen in 16.
    other = alpha / 4095
    other[20, 20] += 1 / 4095
    assert not same(other, np.uint16)


def test_digits_with_labels_are_read(digits_file: Path, tmp_path: Path) -> None:
    stack, labels = (part[:300] for part in samples.digits())
    for name, values in (("t10k-images-idx3-ubyte", stack), ("t10k-labels-idx1-ubyte", labels)):
        header = bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape)
        (tmp_path / name).write_bytes(header + values.tobytes())
    loaded = evaluation.load_images(tmp_path / "t10k-images-idx3-ubyte")
    found = evaluation.evaluate(
        loaded, models={"digits": restorer.load("digits")}, noises=[degradations.parse("gaussian:191.25:clip")], baselines=["none"]
    )
    noisy, restored = found.summary
    assert noisy["accuracy"] + 0.1 < restored["accuracy"] <= restored["accuracy_clean"]
    assert "read right" in report.text_table(found)
    (shown,) = exhibits.gather(loaded, found, models={"digits": restorer.load("digits")}, baselines=["none"])
    assert shown.clean.shape == shown.noisy.shape == shown.answers["digits"].shape == (28, 280, 1)
    np.testing.assert_allclose(shown.clean[:, 28:56, 0], stack[1] / 255, atol=1e-6)
    assert shown.psnr["digits"] == restored["psnr"]
    assert evaluation.load_images(digits_file).labels is None


def test_the_table_has_a_row_a_method(folder: Path) -> None:
    noises = [degradations.parse("gaussian:25"), degradations.parse("gaussian:50")]
    found = evaluation.evaluate(evaluation.load_images(folder), models={}, noises=noises, baselines=["none", "median"])
    text = report.text_table(found)
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["PSNR", "in", "dB", "gaussian:25", "gaussian:50", "s/megapixel", "peak", "MiB"]
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
    case = degradations.parse(noise)
    noisy = case(clean, np.random.default_rng(0))
    answer = np.clip(baselines.find(name).function(noisy, case), 0, 1)
    assert answer.shape == clean.shape
    return metrics.psnr(clean, answer, data_range=1) - metrics.psnr(clean, np.clip(noisy, 0, 1), data_range=1)


@pytest.mark.parametrize(
    ("name", "noise", "least"),
    [
        ("median", "gaussian:25", 3),
        ("gaussian", "gaussian:25", 2.5),
        ("bilateral", "gaussian:25", 3.5),
        ("tv", "gaussian:25", 3.5),
        ("wavelet", "gaussian:25", 3.5),
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


# -- enlarging --------------------------------------------------------------------------------------------------------


def test_enlarging_is_scored_on_the_luma_inside_the_edges(folder: Path, tmp_path: Path) -> None:
    loaded = evaluation.load_images(folder, limit=2)
    noises = [degradations.parse("shrink:3")]
    found = evaluation.evaluate(loaded, models={}, noises=noises, baselines=["bicubic", "lanczos"], runs=1)
    clean = loaded.named[0][1][:78, :63]
    small = PillowImage.fromarray(np.rint(clean * 255).astype(np.uint8)).resize((21, 26), PillowImage.Resampling.BICUBIC)
    large = [
        np.asarray(PillowImage.fromarray(plane).resize((63, 78), PillowImage.Resampling.BICUBIC))
        for plane in np.asarray(small).transpose(2, 0, 1).astype(np.float32)
    ]
    # As Pillow's own luma, which is of the full range: the studio range is 219/255 of it.
    weights = np.array([0.299, 0.587, 0.114])
    lumas = [image @ weights * 219 / 255 for image in (clean, np.clip(np.stack(large, axis=2) / 255, 0, 1))]
    expected = metrics.psnr(lumas[0][3:-3, 3:-3], lumas[1][3:-3, 3:-3], data_range=1)
    row = next(row for row in found.results if row["method"] == "bicubic")
    assert row["psnr"] == pytest.approx(expected, abs=0.02)
    assert found.protocol["task"] == "upscale"
    files.write(tmp_path / "tiny.png", images.from_array(np.zeros((2, 9), np.uint8)))
    tiny = evaluation.evaluate(evaluation.load_images(tmp_path), models={}, noises=noises, baselines=["bicubic"])
    assert "too few for a factor of 3" in tiny.failed[0]
    shown = exhibits.gather(loaded, found, models={}, baselines=["bicubic", "lanczos"])
    assert shown[0].clean.shape == shown[0].noisy.shape == shown[0].answers["lanczos"].shape


def test_models_in_turn_are_one_method(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = "shrink:2+gaussian:20"
    models = ("--model", "upscale", "--model", "photo+upscale")
    command = ("evaluate", str(folder), "--task", "upscale", *models, "--noise", noise, "--runs", "1", "--limit", "2")
    out = tmp_path / "scores.json"
    assert cli.main([*command, "--out", str(out)]) == 0
    written = json.loads(out.read_text())
    scores = {row["method"]: row["psnr"] for row in written["summary"]}
    # The clean images' network makes the noise larger with the rest.
    assert scores["photo+upscale"] > scores["upscale"] + 2
    assert written["protocol"]["models"]["photo+upscale"] == ["photo-gray", "photo-color", "upscale"]
    name, clean = evaluation.load_images(folder, limit=1).named[0]
    true, noisy = evaluation.degraded(clean, degradations.parse(noise), 0)
    by_hand = restorer.load("upscale").restore(restorer.load("photo").restore(noisy), scale=2)
    in_turn = methods.InTurn((restorer.load("photo"), restorer.load("upscale")))
    case = degradations.parse(noise)
    method = methods.Method("photo+upscale", "upscale", in_turn, blind=False)
    np.testing.assert_array_equal(method(noisy, case, case), by_hand)
    with pytest.raises(OptionError, match="at most one"):
        methods.InTurn((restorer.load("upscale"), restorer.load("upscale")))
    assert cli.main([*command[:4], "--model", "photo+nonesuch"]) == 1
    assert "unknown model 'nonesuch'" in capsys.readouterr().err


def test_models_are_scored_with_settings(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", str(folder), "--noise", "gaussian:25", "--runs", "1", "--limit", "1", "--baselines", ""]
    out = tmp_path / "scores.json"
    models = ("photo-fast", "photo-fast:best", "photo-fast:strength=0")
    assert cli.main([*command, *(part for model in models for part in ("--model", model)), "--out", str(out)]) == 0
    scores = {row["method"]: row["psnr"] for row in json.loads(out.read_text())["summary"]}
    assert list(scores) == list(models)
    assert scores["photo-fast:best"] > scores["photo-fast"] > scores["photo-fast:strength=0"] + 3
    for wrong, reason in (("photo:strength", "NAME=VALUE"), ("photo:strength=9", "strength"), ("photo:speed=1", "not a setting")):
        assert cli.main([*command, "--model", wrong]) == 2
        assert reason in capsys.readouterr().err


def test_tasks_do_not_mix(folder: Path) -> None:
    loaded = evaluation.load_images(folder, limit=1)
    gaussian, shrink = degradations.parse("gaussian:25"), degradations.parse("shrink:2")
    with pytest.raises(OptionError, match="no one task has all of these cases: gaussian:25, shrink:2"):
        evaluation.evaluate(loaded, models={}, noises=[gaussian, shrink], baselines=["bicubic"])
    with pytest.raises(OptionError, match="'median' is for the task denoise"):
        evaluation.evaluate(loaded, models={}, noises=[shrink], baselines=["median"])
    with pytest.raises(OptionError, match="'photo' is for the task denoise"):
        evaluation.evaluate(loaded, models={"photo": restorer.load("photo")}, noises=[shrink], baselines=[])
    with pytest.raises(OptionError, match="'bicubic' is for the task upscale"):
        evaluation.evaluate(loaded, models={}, noises=[gaussian], baselines=["bicubic"])
    with pytest.raises(OptionError, match="'none' keeps the size, which shrink:2 does not; for upscale there are bicubic, lanczos"):
        evaluation.evaluate(loaded, models={}, noises=[shrink], baselines=["none"])
    with pytest.raises(OptionError, match="shrink:2 makes images smaller; denoise takes noise alone, such as gaussian:25"):
        evaluation.evaluate(loaded, models={}, noises=[shrink], baselines=["none"], task="denoise")
    with pytest.raises(OptionError, match="gaussian:25 keeps the size; upscale takes shrink:FACTOR"):
        evaluation.evaluate(loaded, models={}, noises=[gaussian], baselines=["bicubic"], task="upscale")


def test_the_first_denoiser_in_turn_is_given_the_level(folder: Path) -> None:
    _, clean = evaluation.load_images(folder, limit=1).named[0]
    case = degradations.parse("gaussian:25")
    _, noisy = evaluation.degraded(clean, case, 0)
    first, second = restorer.load("photo"), restorer.load("photo-fast")
    method = methods.Method("both", "denoise", methods.InTurn((first, second)), blind=False)
    np.testing.assert_array_equal(method(noisy, case, case), second.restore(first.restore(noisy, sigma=25)))


@pytest.mark.parametrize("task", [task for task in TASKS.values() if task.module().CASES], ids=lambda task: task.name)
def test_every_task_is_scored_by_its_metrics(task: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = samples.photograph()[:192, :180]
    with_alpha = any(isinstance(asked.of(degradations.parse(text)), asked.Alpha) for text in task.module().CASES)
    if with_alpha:
        alpha = np.zeros((192, 180), np.uint8)
        alpha[40:150, 50:140] = 255
        picture = np.dstack([picture, alpha])
    files.write(tmp_path / "a.png", images.from_array(picture))
    out, page, figure = (tmp_path / name for name in ("scores.json", "page.html", "figure.png"))
    command = ("evaluate", str(tmp_path), "--task", task.name, "--model", task.model, "--runs", "1")
    assert cli.main([*command, "--out", str(out), "--report", str(page), "--figure", str(figure)]) == 0
    module, written = task.module(), json.loads(out.read_text())
    assert written["protocol"]["task"] == task.name
    assert written["protocol"]["noise"] == list(module.CASES)
    assert set(module.PROTOCOL) <= set(written["protocol"])
    headline = module.METRICS[0]
    for row in (*written["results"], *written["summary"]):
        assert set(module.METRICS) <= set(row)
        # Nothing differs where the image was not degraded.
        assert all(row[name] is not None for name in module.METRICS if name != headline)
    assert {f"{headline}_spread", f"worst_{headline}", "worst", "identical"} <= set(written["summary"][0])
    assert capsys.readouterr().out.startswith(metrics.METRICS[headline].title)
    assert module.Learning.words in page.read_text("utf-8")
    # Without a name, the task is that of the cases and the model.
    again = evaluation.evaluate(
        evaluation.load_images(tmp_path, limit=1, alpha=with_alpha),
        models={task.model: restorer.load(task.model)},
        noises=[degradations.parse(module.CASES[-1])],
        baselines=[],
        runs=1,
    )
    assert again.protocol["task"] == task.name


def test_a_headline_may_be_better_when_lower(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = metrics.Metric("rmse", "RMSE", "root of the mean squared error", "levels", 1, False, lambda *both, data_range: 0.1)
    monkeypatch.setitem(metrics.METRICS, "rmse", error)
    monkeypatch.setattr(TASKS["denoise"].module(), "METRICS", ("rmse", "ssim"))
    rows = iter([0.1, 0.3, 0.2])
    monkeypatch.setitem(metrics.METRICS, "rmse", replace(error, function=lambda *both, data_range: next(rows)))
    loaded = evaluation.load_images(folder)
    found = evaluation.evaluate(loaded, models={}, noises=[degradations.parse("gaussian:25")], runs=1)
    (summary,) = found.summary
    assert (summary["rmse"], summary["worst"], summary["worst_rmse"]) == (0.2, "b", 0.3)
    assert "psnr" not in summary
    assert report.text_table(found).splitlines()[0].startswith("RMSE in levels  gaussian:25")
    shown = exhibits.gather(loaded, found, models={}, baselines=["none"])
    assert [entry.image for entry in shown if entry.reason == "worst"] == ["b", "c", "a"]
