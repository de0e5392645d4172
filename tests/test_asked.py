"""Cases that ask for another picture than the one that is given, and their scores."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import asked, baselines, degradations, evaluation, exhibits, files, images, report, rgba, tasks
from pellucid.asked import Alpha, Gray
from pellucid.baselines import Baseline
from pellucid.degradations import Chain, parse
from pellucid.errors import OptionError
from pellucid.tasks import TASKS
from pellucid.tasks.settings import Settings

TEXTS = ("alpha", "alpha:box", "alpha:point", "gray", "hints:10", "alpha:box+jpeg:60", "gray+gaussian:5")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("text", TEXTS)
def test_text_round_trip(text: str) -> None:
    case = parse(text)
    assert str(case) == text
    assert parse(str(case)) == case
    assert asked.of(case) is not None
    assert asked.of(parse("gaussian:5")) is None


@pytest.mark.parametrize("text", ["alpha:", "alpha:circle", "gray:5", "hints:", "hints:many", "hints:-1", "jpeg:40+alpha", "hints"])
def test_what_nobody_can_ask_is_refused(text: str) -> None:
    if text == "alpha:":
        assert parse(text) == Alpha()
        return
    with pytest.raises(OptionError):
        parse(text)


@pytest.mark.parametrize("text", TEXTS)
def test_other_tasks_refuse_them(text: str) -> None:
    for name in ("denoise", "upscale"):
        with pytest.raises(OptionError, match=name):
            tasks.find(name).module().known(parse(text), (), blind=True)


def test_alpha_is_the_answer_and_colours_are_given() -> None:
    picture = rng().random((9, 7, 4))
    perfect, given = parse("alpha").pair(picture, rng())
    np.testing.assert_array_equal(perfect, picture[..., 3])
    np.testing.assert_allclose(given, picture[..., :3], atol=1e-7)
    assert given.dtype == np.float32
    with pytest.raises(OptionError, match="no alpha"):
        parse("alpha").pair(picture[..., :3], rng())


def test_colours_are_the_answer_and_luma_is_given() -> None:
    picture = rng().random((9, 7, 3))
    perfect, given = parse("gray").pair(picture, rng())
    assert perfect is picture
    np.testing.assert_allclose(given, picture @ [0.299, 0.587, 0.114], atol=1e-6)
    with pytest.raises(OptionError, match="no colours"):
        parse("gray").pair(picture[..., 0], rng())


def test_a_box_holds_what_has_more_than_half_of_alpha() -> None:
    alpha = np.zeros((20, 30))
    alpha[4:9, 11:27] = 0.9
    alpha[0, 0] = 0.5
    assert Alpha("box").stated(alpha, rng()).box == (11, 4, 27, 9)
    assert Alpha("box").stated(alpha[..., None], rng()).box == (11, 4, 27, 9)
    assert Alpha("box").stated(np.zeros((5, 5)), rng()).box is None
    assert Alpha().stated(alpha, rng()) == Alpha()
    chain = parse("alpha:box+jpeg:60").stated(alpha, rng())
    assert isinstance(chain, Chain)
    assert asked.of(chain) == Alpha("box", (11, 4, 27, 9))


def test_a_point_is_farthest_from_the_edge_as_scipy_measures() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    for seed in range(6):
        blobs = ndimage.gaussian_filter(rng(seed).standard_normal((90, 120)), 6)
        alpha = (blobs > np.quantile(blobs, 0.5 + 0.08 * seed)).astype(float)
        far = ndimage.distance_transform_edt(np.pad(alpha, 1))[1:-1, 1:-1]
        point = Alpha("point").stated(alpha, rng()).point
        assert point is not None
        assert far[point[1], point[0]] == pytest.approx(far.max())


def test_a_point_of_a_large_or_thin_mask_lies_within_it() -> None:
    large = np.zeros((1500, 2000))
    large[300:1100, 1000:1800] = 1
    point = Alpha("point").stated(large, rng()).point
    assert point is not None
    assert abs(point[0] - 1400) < 12
    assert abs(point[1] - 700) < 12
    thin = np.zeros((1500, 2000))
    thin[701, 40:1900] = 1
    column, row = Alpha("point").stated(thin, rng()).point or (0, 0)
    assert thin[row, column] == 1


def test_hints_are_true_seeded_and_of_different_pixels() -> None:
    picture = rng().integers(0, 256, (8, 9, 3)) / 255
    first, again, other = (parse("hints:20").stated(picture, rng(seed)) for seed in (1, 1, 2))
    assert isinstance(first, Gray)
    assert first == again != other
    assert len({hint[:2] for hint in first.hints}) == 20
    for column, row, colour in first.hints:
        np.testing.assert_allclose(np.array(colour) / 255, picture[row, column])
    assert len(asked.of(parse("hints:500").stated(picture, rng())).hints) == 72  # type: ignore[union-attr]


def test_a_picture_keeps_the_colours_that_are_not_shown(tmp_path: Path) -> None:
    levels = rng().integers(0, 256, (12, 10, 4), np.uint8)
    levels[:6, :, 3] = 0
    PillowImage.fromarray(levels).save(tmp_path / "a.png")
    planes = rgba.planes_of(files.read(tmp_path / "a.png"))
    np.testing.assert_array_equal(np.rint(planes * 255), levels)
    opaque = rgba.planes_of(images.from_array(levels[..., 0]))
    np.testing.assert_array_equal(np.rint(opaque[..., 2] * 255), levels[..., 0])
    assert (opaque[..., 3] == 1).all()


# -- scores -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose answer is alpha, and a method that takes the whole box, as the case says it."""

    def filled(planes: NDArray[np.float32], case: Any) -> NDArray[np.float32]:
        output = np.zeros((*planes.shape[:2], 1), np.float32)
        if case.box is not None:
            left, top, right, bottom = case.box
            output[top:bottom, left:right] = 1
        return output

    def known(case: Any, maps: Any, *, blind: bool) -> Settings:
        if not isinstance(asked.of(case), Alpha):
            raise OptionError(f"{case} is no case of front")
        return Settings()

    module: Any = ModuleType("pellucid.tasks.front")
    module.CASES, module.METRICS, module.PROTOCOL = ("alpha:box",), ("iou", "mae"), {}
    module.known, module.scored = known, lambda case, pixels: pixels
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(tasks, "front", module, raising=False)
    monkeypatch.setitem(TASKS, "front", tasks.Task("front", "", "", ("",) * 3, "", "", model="front", settings=Settings))
    monkeypatch.setitem(baselines.BASELINES, "filled", Baseline("filled", "the whole box", (), (), filled, task="front"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A square thing with alpha, a diamond with a mask beside it, and a picture of which nobody knows."""
    folder = tmp_path / "in"
    folder.mkdir()
    levels = rng().integers(0, 256, (40, 50, 4), np.uint8)
    levels[..., 3] = 0
    levels[10:30, 5:45, 3] = 255
    PillowImage.fromarray(levels).save(folder / "square.png")
    PillowImage.fromarray(levels[..., :3]).save(folder / "diamond.png")
    rows, columns = np.mgrid[:40, :50]
    mask = np.where(abs(rows - 20) + abs(columns - 25) < 12, 255, 0).astype(np.uint8)
    PillowImage.fromarray(mask).save(folder / "diamond.mask.png")
    PillowImage.fromarray(levels[..., :3]).save(folder / "unknown.png")
    return folder


def test_alpha_comes_from_the_file_or_from_a_mask_beside_it(place: Path) -> None:
    loaded = evaluation.load_images(place, alpha=True)
    assert [name for name, _ in loaded.named] == ["diamond", "square"]
    assert all(picture.shape == (40, 50, 4) for _, picture in loaded.named)
    assert loaded.named[1][1][..., 3].sum() == 20 * 40
    assert len(loaded.failed) == 1
    assert "unknown.png: it has no alpha, and no mask lies beside it" in loaded.failed[0]
    # Without the wish for alpha, a mask is a picture like others.
    assert len(evaluation.load_images(place).named) == 4


def test_a_box_reaches_methods_and_alpha_is_scored(place: Path, front: None, tmp_path: Path) -> None:
    loaded = evaluation.load_images(place, alpha=True)
    found = evaluation.evaluate(
        loaded, models={}, noises=[parse("alpha:box"), parse("alpha")], baselines=("none", "filled"), task="front", runs=1
    )
    scores = {(row["noise"], row["method"], row["image"]): row["iou"] for row in found.results}
    assert scores["alpha:box", "filled", "square"] == 1
    # A diamond fills half of its box.
    assert 0.5 < scores["alpha:box", "filled", "diamond"] < 0.56
    assert scores["alpha", "filled", "square"] == 0
    # No method: everything is kept.
    assert scores["alpha", "none", "square"] == pytest.approx(20 * 40 / 2000)
    assert {row["mae"] for row in found.results if row["method"] == "none" and row["image"] == "square"} == {0.6}
    shown = exhibits.gather(loaded, found, models={}, baselines=("none", "filled"))
    assert all(picture.shape[2] == 3 for entry in shown for picture in (entry.clean, entry.noisy, *entry.answers.values()))
    report.evaluation_figure(loaded, {}, [parse("alpha:box")], tmp_path / "figure.png", task="front")
    assert "IoU" in report.text_table(found)


def test_colours_are_scored_beside_the_gray_picture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pellucid.tasks import denoise

    monkeypatch.setattr(denoise, "METRICS", ("ciede2000", "psnr"))
    monkeypatch.setattr(denoise, "known", lambda case, maps, *, blind: tasks.find("denoise").settings())
    (tmp_path / "in").mkdir()
    picture = rng().integers(0, 256, (30, 30, 3), np.uint8)
    PillowImage.fromarray(picture).save(tmp_path / "in" / "a.png")
    PillowImage.fromarray(picture[..., 0]).save(tmp_path / "in" / "gray.png")
    found = evaluation.evaluate(
        evaluation.load_images(tmp_path / "in"), models={}, noises=[parse("hints:3")], baselines=("none",), task="denoise", runs=1
    )
    by_image = {row["image"]: row for row in found.results}
    assert by_image["a"]["ciede2000"] > 10
    assert by_image["gray"]["ciede2000"] is None
    assert "no colours" in by_image["gray"]["error"]
    assert degradations.parse("gray") == Gray()
