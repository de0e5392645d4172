"""Colouring: the light stays, hints and palettes are obeyed, every kind of picture answers in colours."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageCms

from pellucid import asked, baselines, cli, colour, files, hinting, images, metrics, restorer, spreading, tinting, walls
from pellucid.cards import METADATA_KEY, Card
from pellucid.errors import OptionError
from pellucid.files import metadata, profiles
from pellucid.images import Image
from pellucid.tasks import ColorizeSettings, colorize
from pellucid.tiling import Place

MAPS = ("hint-a", "hint-b", "hint")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that makes light places reddish and dark ones bluish, of one operator."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    weights = np.zeros((3, 4, 1, 1), np.float32)
    weights[0, 0], weights[1, 0] = 0.2, 0.1
    offsets = np.array([0.4, 0.45, 0.1], np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weights", "offsets"], ["output"])],
        "stand-in",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 4, "h", "w"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel()),
            helper.make_tensor("offsets", TensorProto.FLOAT, offsets.shape, offsets),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    card = Card(
        name="stand-in", task="colorize", summary="", channels=1, maps=MAPS, answer="ab", multiple_of=32, halo=0, licence="none"
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, card.to_json()
    path = tmp_path_factory.mktemp("model") / "stand-in.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def door(stand_in: Path) -> restorer.Restorer:
    return restorer.load(stand_in)


@pytest.fixture(scope="module")
def shipped() -> restorer.Restorer:
    return restorer.load("colorize")


@pytest.fixture(scope="module")
def gray(photograph: NDArray[np.float64]) -> NDArray[np.float32]:
    """A gray photograph (h, w) whose value is its light's."""
    light = tinting.luminance(photograph[:160, :200].transpose(2, 0, 1).astype(np.float32))
    return tinting.encoded(light)


def bright(array: NDArray[Any]) -> NDArray[np.float32]:
    """L of CIELAB of an array (h, w) or (h, w, 3) of any depth."""
    top = 1 if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    planes = np.atleast_3d(array)[..., :3].astype(np.float32).transpose(2, 0, 1) / np.float32(top)
    return tinting.lightness(tinting.luminance(planes))


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


# -- light ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "most"), [(np.uint8, 0.5), (np.uint16, 0.01), (np.float32, 1e-3), (np.float64, 1e-3)])
def test_every_gray_value_keeps_its_light(door: restorer.Restorer, dtype: type, most: float) -> None:
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    ramp = np.linspace(0, 1, 64 * 64).reshape(64, 64)
    given = (ramp * top).astype(dtype) if top == 1 else np.rint(ramp * top).astype(dtype)
    output = door.restore(given, saturation=2.0, hint=[(10, 50, "red"), (50, 10, "blue")])
    assert (output.shape, output.dtype) == ((64, 64, 3), given.dtype)
    assert np.abs(bright(output) - bright(given)).max() <= most
    assert np.isfinite(output.astype(float)).all()


def test_a_colour_that_does_not_exist_at_that_light_gives_way_and_the_light_stays() -> None:
    rng = np.random.default_rng(0)
    light = rng.random((40, 50), dtype=np.float32)
    colours = tinting.tinted(light, rng.normal(0, 80, (2, 40, 50)).astype(np.float32))
    assert 0 <= colours.min() <= colours.max() <= 1
    # 1e-4 of the 100 steps of L.
    assert np.abs(tinting.lightness(tinting.luminance(colours)) - tinting.lightness(light)).max() < 1e-2 / 100


def test_the_curves_are_those_of_the_standard() -> None:
    values = np.linspace(0, 1, 2001, dtype=np.float32).reshape(1, -1)
    exact = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    assert np.abs(tinting.decoded(values) - exact).max() < 1e-6
    assert np.abs(tinting.encoded(tinting.decoded(values)) - values).max() < 1e-6
    np.testing.assert_allclose(tinting.lightness(np.array([[0.0, 0.184187, 1.0]], np.float32)), [[0, 50, 100]], atol=1e-3)


def test_colours_that_exist_come_out_as_they_are() -> None:
    rgb = np.random.default_rng(1).random((30, 40, 3), dtype=np.float32)
    chroma = colour.lab_of(rgb)[..., 1:].transpose(2, 0, 1)
    light = tinting.luminance(rgb.transpose(2, 0, 1))
    assert np.abs(tinting.tinted(light, chroma).transpose(1, 2, 0) - rgb).max() < 0.004


def test_pieces_have_the_colours_of_the_whole() -> None:
    rng = np.random.default_rng(2)
    carried = tinting.carried(rng.random((32, 48), dtype=np.float32) * 100, rng.normal(0, 20, (32, 48, 2)).astype(np.float32))
    light = rng.random((210, 310), dtype=np.float32)
    whole = carried.tint(light, Place(0, 0, 210, 310, (210, 310)))
    part = carried.tint(light[100:200, 40:301], Place(100, 40, 100, 261, (210, 310)))
    np.testing.assert_allclose(part, whole[:, 100:200, 40:301], atol=1e-6)


def test_chroma_ends_where_the_light_has_an_edge() -> None:
    small = np.full((64, 64), 20, np.float32)
    small[:, 32:] = 80
    chroma = np.zeros((64, 64, 2), np.float32)
    chroma[:, :32, 0] = 40
    full = np.repeat(np.repeat(small, 8, axis=0), 8, axis=1)
    light = ((full + 16) / 116) ** 3
    colours = tinting.carried(small, chroma).tint(light.astype(np.float32), Place(0, 0, 512, 512, (512, 512)))
    ab = colour.lab_of(colours.transpose(1, 2, 0))[..., 1]
    # One pixel on each side of the edge, eight of which are one pixel of the small picture.
    assert abs(ab[256, 250] - 40) < 3
    assert abs(ab[256, 261]) < 3


# -- kinds of pictures ------------------------------------------------------------------------------------------------


def test_strength_0_is_the_gray_picture(door: restorer.Restorer, gray: NDArray[np.float32]) -> None:
    levels = np.rint(gray * 255).astype(np.uint8)
    output = door.restore(levels, strength=0)
    np.testing.assert_array_equal(output, np.repeat(levels[..., None], 3, axis=2))
    np.testing.assert_array_equal(door.restore(levels, saturation=0), output)


def test_a_colour_picture_is_coloured_by_its_light_alone(door: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    part = photograph[:160, :200].astype(np.float32)
    light = tinting.encoded(tinting.luminance(part.transpose(2, 0, 1)))
    restored = door.details(part)
    assert restored.facts["was_colour"]
    np.testing.assert_allclose(restored.image, door.restore(light), atol=2e-3)
    sepia = (light[..., None] * np.array([1, 0.86, 0.65], np.float32)).astype(np.float32)
    assert not door.details(sepia).facts["was_colour"]


def test_alpha_stays_and_a_stack_becomes_colour(door: restorer.Restorer, gray: NDArray[np.float32]) -> None:
    part = gray[:48, :64]
    alpha = np.linspace(0.1, 1, part.size, dtype=np.float32).reshape(part.shape)
    four = np.dstack([part, part, part, alpha])
    output = door.restore(four)
    assert output.shape == (48, 64, 4)
    np.testing.assert_array_equal(output[..., 3], alpha)
    assert door.restore(np.stack([part, part]), axes="ZYX").shape == (2, 48, 64, 3)


def test_nodata_comes_back_in_every_channel(door: restorer.Restorer, gray: NDArray[np.float32]) -> None:
    holed = gray[:64, :64].copy()
    holed[10:20, 10:20] = np.nan
    output = door.restore(holed)
    assert np.isnan(output[10:20, 10:20]).all()
    assert np.isfinite(output).all(axis=2).sum() == 64 * 64 - 100


def test_the_answer_hardly_depends_on_the_pictures_size(door: restorer.Restorer, gray: NDArray[np.float32]) -> None:
    large = np.asarray(PillowImage.fromarray(gray).resize((800, 640), PillowImage.Resampling.BICUBIC)).clip(0, 1)
    chroma = [colour.lab_of(door.restore(each))[..., 1:].mean(axis=(0, 1)) for each in (gray, large)]
    assert np.abs(chroma[0] - chroma[1]).max() < 1


def test_the_models_colours_hardly_depend_on_the_pictures_size(shipped: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    light = photograph.mean(axis=2).astype(np.float32)
    height, width = light.shape
    found = []
    for side in (1400, 640, 300):
        size = (round(width * side / max(light.shape)), round(height * side / max(light.shape)))
        made = shipped.restore(np.asarray(PillowImage.fromarray(light).resize(size, PillowImage.Resampling.BICUBIC)).clip(0, 1))
        found.append(colour.lab_of(images.resized(made, 100, round(100 * width / height), images.BICUBIC).clip(0, 1)))
    for lab in found[1:]:
        # The chroma alone: the light is the picture's own.
        lab = np.concatenate([found[0][..., :1], lab[..., 1:]], axis=2)
        assert metrics.colour_difference(found[0], lab).mean() < 1


def test_a_small_picture_is_coloured_much_as_a_large_copy_of_it(
    shipped: restorer.Restorer, photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    light = photograph.mean(axis=2).astype(np.float32)

    def coloured(side: int) -> NDArray[np.float32]:
        height, width = (round(each * side / max(light.shape)) for each in light.shape)
        made = shipped.restore(images.resized(light[..., None], height, width, images.BICUBIC)[..., 0].clip(0, 1))
        return colour.lab_of(images.resized(made, 80, 120, images.BICUBIC).clip(0, 1))

    def off() -> float:
        # The chroma alone: the light is the picture's own.
        return float(metrics.colour_difference(large, np.concatenate([large[..., :1], coloured(140)[..., 1:]], axis=2)).mean())

    large = coloured(480)
    sharpened = off()
    monkeypatch.setattr(colorize, "SHARPENED", 0.0)
    assert sharpened < 0.9 * off()
    assert sharpened < 2


# -- what users say ---------------------------------------------------------------------------------------------------


def test_hints_outside_and_unknown_colours_are_refused(door: restorer.Restorer) -> None:
    given = np.full((20, 30), 128, np.uint8)
    with pytest.raises(OptionError, match="hint 30,5 lies outside the picture, which is 30 pixels wide and 20 high"):
        door.restore(given, hint=[(30, 5, "red")])
    with pytest.raises(OptionError, match="hint must be a hint X,Y=COLOUR"):
        door.restore(given, hint=[(3, 5, "blurple")])


def test_a_file_of_hints_is_the_same_as_hints(door: restorer.Restorer, gray: NDArray[np.float32], tmp_path: Path) -> None:
    (tmp_path / "hints.json").write_text(json.dumps([[20, 30, "#ff0000"], [120, 90, "skyblue"]]))
    given = {"hint": [(20, 30, "#ff0000"), (120, 90, "skyblue")]}
    np.testing.assert_array_equal(door.restore(gray, hints=tmp_path / "hints.json"), door.restore(gray, **given))
    scribbles = np.zeros((*gray.shape, 4), np.uint8)
    scribbles[20:40, 10:60] = (0, 128, 0, 255)
    PillowImage.fromarray(scribbles).save(tmp_path / "scribbles.png")
    found = hinting.gathered(ColorizeSettings.of({"hints": tmp_path / "scribbles.png"}), gray.shape, (160, 200))
    assert len(found) == 20 * 50
    np.testing.assert_allclose(found[:, 2:], np.broadcast_to(hinting.colours_of("#008000"), (1000, 2)), atol=0.5)


@pytest.mark.parametrize("content", ["", "{}", "[[1]]", '[[1, 2, "blurple"]]', "[" * 5000, '[[-1, 2, "red"]]'])
def test_a_bad_file_of_hints_is_one_clear_line(
    door: restorer.Restorer, gray: NDArray[np.float32], tmp_path: Path, content: str
) -> None:
    (tmp_path / "hints.json").write_text(content)
    with pytest.raises(OptionError, match=r"hints.json: hints are a list such as"):
        door.restore(gray, hints=tmp_path / "hints.json")


def test_what_hints_and_palettes_cannot_be_is_one_clear_line(
    door: restorer.Restorer, gray: NDArray[np.float32], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "many.json").write_text(json.dumps([[1, 1, "red"]] * 2001))
    (tmp_path / "long.json").write_text("[" + " " * 2**21 + "]")
    (tmp_path / "hints.txt").write_text("[]")
    files.write(tmp_path / "gray.png", Image(gray[..., None]))
    for name, message in {
        "many.json": "many.json: at most 2000 hints are taken from a file",
        "long.json": "long.json: at most 2000 hints are taken from a file",
        "hints.txt": "hints.txt: hints are a .json file or a picture with alpha",
        "gray.png": "gray.png: a picture of hints has alpha, 0 where nothing is said",
    }.items():
        with pytest.raises(OptionError, match=re.escape(message)):
            door.restore(gray, hints=tmp_path / name)
    for palette in ("red,blurple", ",", str(tmp_path / "missing.png")):
        assert run("colorize", tmp_path / "gray.png", "--palette", palette) == 1
        message = capsys.readouterr().err
        assert message.startswith(f"pellucid: palette must be colours with commas between or a file, not '{palette[:40]}")
        assert message.endswith("(there is no such file)\n")


@pytest.mark.parametrize(("near", "far"), [(30, 60), (75, 35), (20, 90)])
def test_a_hint_moves_nothing_behind_a_strong_edge(shipped: restorer.Restorer, near: float, far: float) -> None:
    light = np.full((240, 320), near, np.float32)
    light[:, 160:] = far
    given = colour.gray_of(light)
    plain, hinted = (colour.lab_of(shipped.restore(given, hint=hint)) for hint in ([], [(40, 120, "#a05050")]))
    moved = metrics.colour_difference(plain, hinted)
    assert moved[120, 40] > 5
    # Four pixels of 320: the light's edge itself is a few pixels wide where the network looks.
    assert moved[:, 164:].max() < 1
    # Its own colour is met at its place.
    assert metrics.colour_difference(colour.lab_of(_at(light[120, 40])), hinted[120:121, 40:41]).max() < 2


@pytest.mark.parametrize("grain", [1, 3, 12])
@pytest.mark.parametrize("shape", ["half", "disc", "stripe"])
def test_saturated_hints_move_nothing_behind_a_textured_edge(shipped: restorer.Restorer, shape: str, grain: int) -> None:
    rng = np.random.default_rng(grain)
    coarse = rng.uniform(-1, 1, (240 // grain, 320 // grain)).astype(np.float32)
    texture = np.asarray(PillowImage.fromarray(coarse).resize((320, 240), PillowImage.Resampling.BILINEAR))
    rows, columns = np.mgrid[:240, :320]
    away = {
        "half": columns - 160.0,
        "disc": np.hypot(rows - 120, columns - 160) - 70,
        "stripe": 40.0 - np.abs(columns - 160),
    }[shape]
    for near, far in ((35, 80), (75, 25)):
        # 9 of texture on both sides leave 27 of the edge at least.
        given = colour.gray_of((np.where(away > 0, far, near) + 9 * texture).astype(np.float32))
        at = np.argwhere(away < -8)[rng.choice((away < -8).sum(), 12, replace=False)]
        hints = [(int(x), int(y), ("#c02020", "#d06010", "#a01060")[number % 3]) for number, (y, x) in enumerate(at)]
        plain, hinted = (colour.lab_of(shipped.restore(given, hint=each)) for each in ([], hints))
        moved = metrics.colour_difference(plain, hinted)
        assert moved[at[:, 0], at[:, 1]].mean() > 15
        # A thirtieth of the picture from the edge.
        assert moved[away >= 10].max() < 1, (near, far)


@pytest.mark.parametrize("shape", ["ring", "pair"])
def test_a_hint_moves_nothing_behind_a_strong_edge_that_is_as_light(shipped: restorer.Restorer, shape: str) -> None:
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:240, :320]
    first, second = (np.hypot(rows - 120, columns - x) - 55 for x in (85, 235))
    # A line of eight pixels around a thing in the light of its ground; two things of one light.
    ring = np.hypot(rows - 120, columns - 160) - 70
    away, other = (ring, np.abs(ring) < 4) if shape == "ring" else (first, (first > 0) & (second > 0))
    for near, far in ((35, 80), (80, 50)):
        given = colour.gray_of((np.where(other, far, near) + 6 * rng.uniform(-1, 1, (240, 320))).astype(np.float32))
        at = np.argwhere(away < -8)[rng.choice((away < -8).sum(), 4, replace=False)]
        hints = [(int(x), int(y), ("#c02020", "#2040c0")[number % 2]) for number, (y, x) in enumerate(at)]
        plain, hinted = (colour.lab_of(shipped.restore(given, hint=each)) for each in ([], hints))
        moved = metrics.colour_difference(plain, hinted)
        assert moved[away < -8].mean() > 5
        assert moved[away >= 14].max() < 1, (near, far)


def test_texture_parts_no_surface_and_a_closed_edge_does() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:120, :160]
    inside = np.hypot(rows - 60, columns - 80) < 35
    leaves = np.repeat(np.repeat(rng.uniform(20, 80, (20, 27)), 6, axis=0), 6, axis=1)[:120, :160]
    assert len(np.unique(walls.parts(leaves.astype(np.float32)))) == 1
    for texture in (0, 9):
        light = np.where(inside, 75, 40) + texture * rng.uniform(-1, 1, (120, 160))
        labels = walls.parts(light.astype(np.float32))
        assert labels[60, 80] != labels[5, 5]
        assert (labels[inside] == labels[60, 80]).mean() > 0.9
        assert (labels[~inside] == labels[5, 5]).mean() > 0.9


@pytest.mark.parametrize("away", [1, 2, 5])
def test_hints_that_contradict_one_another_make_no_colour_beyond_theirs(shipped: restorer.Restorer, away: int) -> None:
    light = np.full((240, 320), 50, np.float32) + np.random.default_rng(0).uniform(-5, 5, (240, 320)).astype(np.float32)
    codes = ("#ff0000", "#0000ff", "#00c000")
    hints = [(150 + away * (number % 6), 110 + away * (number // 6), codes[number % 3]) for number in range(30)]
    made = colour.lab_of(shipped.restore(colour.gray_of(light), hint=hints))
    assert np.isfinite(made).all()
    asked_for = colour.lab_of(np.array([[255, 0, 0], [0, 0, 255], [0, 192, 0]], np.float32) / 255)
    assert np.hypot(made[..., 1], made[..., 2]).max() < np.hypot(asked_for[:, 1], asked_for[:, 2]).max() + 1


def _at(light: float) -> NDArray[np.float32]:
    """The hint's colour at that light, (1, 1, 3)."""
    ab = colour.lab_of(np.array([[[160, 80, 80]]], np.float32) / 255)[..., 1:]
    return colour.rgb_of(np.full((1, 1), light, np.float32), ab)


def test_what_has_no_colour_stays_nearly_gray(shipped: restorer.Restorer) -> None:
    rng = np.random.default_rng(0)
    page = np.ones((200, 300), np.float32)
    for top in range(10, 190, 12):
        page[top : top + 7] = np.repeat(1 - (rng.random((7, 60)) < 0.4), 5, axis=1)
    steel = np.broadcast_to(0.55 + 0.1 * np.sin(np.arange(300) / 60) + 0.05 * rng.standard_normal((200, 1)), (200, 300))
    coarse = PillowImage.fromarray(rng.standard_normal((6, 8)).astype(np.float32)).resize(
        (300, 200), PillowImage.Resampling.BICUBIC
    )
    fog = 0.72 + 0.03 * np.asarray(coarse) + np.linspace(-0.04, 0.04, 200)[:, None]
    for picture, most in ((page, 1), (steel.astype(np.float32), 4), (fog.astype(np.float32), 4)):
        chroma = colour.lab_of(shipped.restore(np.clip(picture, 0, 1)))[..., 1:]
        assert np.hypot(chroma[..., 0], chroma[..., 1]).mean() < most


def test_between_two_hints_a_place_has_the_colour_of_one_of_them() -> None:
    light = np.full((64, 64), 50, np.float32)
    red, green = (20.0, 12.0), (-20.0, 12.0)
    hints = np.array([[32, 8, *red], [32, 56, *green]], np.float32)
    even = spreading.propagated(light, np.zeros((64, 64, 2), np.float32), hints)
    # A mean of both would have a straight ramp between them: half of a row would be nearer to no red and no green than to either.
    assert (np.abs(even[32, :, 0]) > 10).mean() > 0.7


def test_all_of_a_scribble_counts_as_hints_and_a_spot_of_another_colour_in_it() -> None:
    red, blue = (20.0, 12.0), (2.0, -30.0)
    rows, columns = (each.ravel() + 0.5 for each in np.mgrid[4:60, 4:44])
    scribble = np.column_stack([rows, columns, *np.broadcast_to(np.array([red]).T, (2, rows.size))]).astype(np.float32)
    spot = np.array([[58.5, 40.5, *blue]], np.float32)
    hints = np.concatenate([scribble, spot])
    share = hinting.trusted(np.zeros((64, 64), np.float32), 1.0, hints)
    away = [np.hypot(np.arange(64) - y, 50 - x) for y, x in hints[:, :2]]
    np.testing.assert_allclose(share[:, 50], np.exp(-np.min(np.square(away), axis=0) / (2 * 4.0**2)), atol=1e-5)
    even = spreading.propagated(np.full((64, 64), 50, np.float32), np.zeros((64, 64, 2), np.float32), hints)
    assert np.abs(even[10, 10] - red).max() < 2
    assert even[58, 40, 1] < 0
    # However many colours there are, they become few hints.
    many = np.concatenate([scribble[:, :2], np.random.default_rng(0).normal(0, 30, (len(scribble), 2))], axis=1)
    assert len(spreading._thinned(many.astype(np.float32))) <= spreading.MOST


def test_variants_do_not_go_beyond_the_last_proposal() -> None:
    assert len(ColorizeSettings(variants=3, draw=97).each()) == 3
    with pytest.raises(OptionError, match=r"^3 variants from draw 98 on go beyond the last proposal, 99$"):
        ColorizeSettings(variants=3, draw=98)


def test_levins_optimisation_spreads_hints_to_edges_of_the_light() -> None:
    pytest.importorskip("scipy")
    light = np.full((20, 30), 20, np.float32)
    light[:, 15:] = 80
    even = baselines.levin(light, np.array([[10, 5, 20, 10], [10, 25, -15, 5]], np.float32))
    # In an even place there is one answer, the hint's own.
    np.testing.assert_allclose(even[:, :13], np.broadcast_to([20, 10], (20, 13, 2)), atol=0.5)
    np.testing.assert_allclose(even[:, 17:], np.broadcast_to([-15, 5], (20, 13, 2)), atol=0.5)
    # Each pixel without a hint is the mean of its neighbours: no new extremes.
    assert even[..., 0].max() <= 20 + 1e-3
    case = asked.Gray(level=1, hints=((5, 10, (200, 60, 60)),))
    made = baselines.find("levin").function(colour.gray_of(light)[..., None], case)
    assert made.shape == (20, 30, 3)
    np.testing.assert_allclose(colour.light_of(made), light, atol=0.05)


def test_a_palette_gives_its_colours_and_no_others(door: restorer.Restorer, gray: NDArray[np.float32]) -> None:
    output = door.restore(gray, palette="#00ff00,#00c000")
    chroma = colour.lab_of(output)[..., 1:]
    # Greens: a below 0, b above.
    assert (chroma[..., 0] < 1).all()
    assert (chroma[..., 1] > -1).all()


def test_a_reference_gives_its_colours(door: restorer.Restorer, photograph: NDArray[np.float64], tmp_path: Path) -> None:
    light = photograph[:200, :200].mean(axis=2)
    green = np.dstack([light * 0.7, light, light * 0.5])
    PillowImage.fromarray(np.rint(green * 255).astype(np.uint8)).save(tmp_path / "green.png")
    given = light.astype(np.float32)
    before, after = (colour.lab_of(door.restore(given, **how))[..., 1].mean() for how in ({}, {"like": tmp_path / "green.png"}))
    assert after < before - 5
    PillowImage.fromarray(np.rint(light * 255).astype(np.uint8)).save(tmp_path / "gray.png")
    with pytest.raises(OptionError, match="it is gray, and its colours are asked for"):
        door.restore(given, like=tmp_path / "gray.png")


def test_what_is_not_sure_stays_gray(door: restorer.Restorer, gray: NDArray[np.float32]) -> None:
    # The stand-in is 0.8 sure everywhere.
    assert door.details(gray).facts["sure"] == pytest.approx(0.8, abs=0.01)
    np.testing.assert_allclose(door.restore(gray, sure=0.95), np.repeat(gray[..., None], 3, axis=2), atol=1e-5)
    np.testing.assert_array_equal(door.restore(gray, sure=0.5), door.restore(gray))


# -- files ------------------------------------------------------------------------------------------------------------


def test_variants_are_pictures_of_their_own(stand_in: Path, gray: NDArray[np.float32], tmp_path: Path) -> None:
    files.write(tmp_path / "old.png", Image(gray[..., None]))
    assert run("colorize", tmp_path / "old.png", "--model", stand_in, "--variants", 3) == 0
    made = sorted(path.name for path in tmp_path.glob("old.colour*"))
    assert made == ["old.colour-1.png", "old.colour-2.png", "old.colour-3.png"]
    with pytest.raises(OptionError, match="several pictures"):
        restorer.load(stand_in).restore(gray, variants=2)


def test_the_output_says_that_its_colours_are_made(stand_in: Path, gray: NDArray[np.float32], tmp_path: Path) -> None:
    files.write(tmp_path / "old.jpg", Image(gray[..., None]))
    assert run("colorize", tmp_path / "old.jpg", "--model", stand_in) == 0
    output = files.read(tmp_path / "old.colour.jpg")
    assert output.pixels.shape[2] == 3
    assert output.xmp is not None
    assert b"compositeWithTrainedAlgorithmicMedia" in output.xmp
    assert metadata.made(output, "more").xmp.count(b"</rdf:RDF>") == 1  # type: ignore[union-attr]


def test_every_kind_of_file_keeps_its_light_and_gets_colours(
    stand_in: Path, photograph: NDArray[np.float64], tmp_path: Path
) -> None:
    colours = PillowImage.fromarray(np.rint(photograph[:96, :128] * 255).astype(np.uint8))
    gray = colours.convert("L")
    alpha = PillowImage.fromarray(np.tile(np.arange(128, dtype=np.uint8) * 2, (96, 1)))
    sepia = np.asarray(gray)[..., None] * np.array([1, 0.86, 0.65])
    pictures = {
        "gray.png": gray,
        "sixteen.png": PillowImage.fromarray(np.asarray(gray).astype(np.uint16) * 257 + 1),
        "alpha.png": PillowImage.merge("LA", (gray, alpha)),
        "palette.png": gray.quantize(64),
        "bits.png": gray.convert("1"),
        "bits.tif": gray.convert("1"),
        "inks.tif": colours.convert("CMYK"),
        "inks.jpg": colours.convert("CMYK"),
        "sepia.png": PillowImage.fromarray(sepia.astype(np.uint8)),
        "colour.png": colours,
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
        assert run("colorize", tmp_path / name, "--model", stand_in, "--hint", "100,50=red") == 0
        given, output = (files.read(tmp_path / each) for each in (name, name.replace(".", ".colour.")))
        assert (output.pixels.shape, output.dtype) == ((96, 128, 3), given.dtype), name
        with PillowImage.open(tmp_path / name.replace(".", ".colour.")) as opened:
            assert opened.mode == ("RGBA" if name == "alpha.png" else "RGB"), name
        before, after = (np.repeat(each.pixels, 3 // each.pixels.shape[2], axis=2) for each in (given, output))
        # JPEG changes the light of any picture a little.
        off = np.abs(bright(before) - bright(after))
        assert (off.mean() if name == "inks.jpg" else off.max()) < 0.5, name
        if given.alpha is not None:
            np.testing.assert_array_equal(output.alpha, given.alpha)


def test_a_gray_profile_becomes_srgb(stand_in: Path, tmp_path: Path) -> None:
    # Lab's L as a gray profile is not to be had from Pillow: one is made, gamma 1.8.
    profile = _gray_profile(1.8)
    levels = np.tile(np.arange(256, dtype=np.uint8), (32, 1))
    PillowImage.fromarray(levels).save(tmp_path / "old.png", icc_profile=profile)
    assert run("colorize", tmp_path / "old.png", "--model", stand_in, "--saturation", 0) == 0
    with PillowImage.open(tmp_path / "old.colour.png") as output:
        assert output.mode == "RGB"
        assert "icc_profile" not in output.info
        values = np.asarray(output)[0, :, 0].astype(float)
    linear = (np.arange(256) / 255) ** 1.8
    expected = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    assert np.abs(values - expected).max() < 2.5
    assert profiles.gray_curve(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()) is None


def _gray_profile(gamma: float) -> bytes:
    """A gray ICC profile of version 2 with one gamma (ICC.1:2001-04)."""

    def tag(kind: bytes, body: bytes) -> bytes:
        content = kind + bytes(4) + body
        return content + bytes(-len(content) % 4)

    curve = tag(b"curv", (1).to_bytes(4, "big") + round(gamma * 256).to_bytes(2, "big"))
    white = tag(b"XYZ ", b"".join(round(each * 65536).to_bytes(4, "big") for each in (0.9642, 1.0, 0.8249)))
    words = b"gray\0"
    name = tag(b"desc", len(words).to_bytes(4, "big") + words + bytes(4 + 4 + 2 + 1 + 67))
    parts = {b"desc": name, b"wtpt": white, b"kTRC": curve, b"cprt": tag(b"text", b"none\0")}
    table, body, place = len(parts).to_bytes(4, "big"), b"", 128 + 4 + 12 * len(parts)
    for key, content in parts.items():
        table += key + (place + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content
    size = 128 + len(table) + len(body)
    head = size.to_bytes(4, "big") + bytes(4) + b"\x02\x10\0\0" + b"mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(round(each * 65536).to_bytes(4, "big") for each in (0.9642, 1.0, 0.8249))
    return head + bytes(128 - len(head)) + table + body


ENDINGS = [ending for kind in files.WRITTEN if kind.name not in ("HEIF", "DICOM") for ending in kind.endings]
"""The endings of all written formats, without HEIF, whose codec may be missing, and DICOM, which needs a DICOM file."""


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_of_gray_pictures_holds_the_answer(
    stand_in: Path, gray: NDArray[np.float32], tmp_path: Path, ending: str
) -> None:
    source = tmp_path / f"old{ending}"
    if ending == ".pbm":
        source.write_bytes(b"P4\n64 64\n" + np.packbits(gray[:64, :64] < 0.5, axis=1).tobytes())
    else:
        files.write(source, Image(gray[:64, :64, None], dtype=np.dtype("float32" if ending == ".exr" else "uint8")))
    assert run("colorize", source, "--model", stand_in) == 0
    named = {".pgm": ".ppm", ".pbm": ".ppm"}.get(ending, ending)
    assert files.read(tmp_path / f"old.colour{named}").pixels.shape == (64, 64, 3)
    assert run("colorize", source, "--model", stand_in, "-o", tmp_path / "folder" / "") == 0
    assert files.read(tmp_path / "folder" / f"old{named}").pixels.shape == (64, 64, 3)


def test_an_ending_for_gray_pictures_is_refused_before_the_work(
    stand_in: Path, gray: NDArray[np.float32], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.write(tmp_path / "a.png", Image(gray[:64, :64, None]))
    for how in (("-o", tmp_path / "b.pgm"), ("--format", "pgm"), ("-o", tmp_path / "b.pbm")):
        assert run("colorize", tmp_path / "a.png", "--model", stand_in, *how) == 1
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert "pgm is for gray pictures, and this output has colours; use .ppm" in message or "pbm are only read" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png"]
