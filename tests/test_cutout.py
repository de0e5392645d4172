"""Cutting out, with a network of one operator in the place of a trained one: alpha, colours, settings, files."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import alphas, cli, cutting, files, images, matting, plan, restorer
from pellucid.cards import METADATA_KEY, Card
from pellucid.errors import FileError, OptionError
from pellucid.restorer import Restorer
from pellucid.tasks import CutoutSettings, cutout
from pellucid.tasks.settings import Shape
from pellucid.tiling import Place

RED, GREEN = (200, 40, 30), (30, 120, 60)
"""The colours of the thing and of its ground."""


def write_model(path: Path) -> Path:
    """A model that takes each pixel for the thing as far as its colour is that of the inside, or of the points."""
    onnx = pytest.importorskip("onnx", reason="the extra train is not installed")
    from onnx import TensorProto, helper

    weights = np.zeros((1, 3 + len(cutting.MAPS), 1, 1), np.float32)
    for name, weight in {"inside": 2.0, "like+": 2.0, "like-": -2.0}.items():
        weights[0, 3 + cutting.MAPS.index(name)] = weight
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input", "weights", "bias"], ["raw"]),
            helper.make_node("Clip", ["raw", "low", "high"], ["output"]),
        ],
        "standin",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", weights.shape[1], "h", "w"])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 1, "h", "w"])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, weights.shape, weights.ravel()),
            helper.make_tensor("bias", TensorProto.FLOAT, [1], [-0.5]),
            helper.make_tensor("low", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("high", TensorProto.FLOAT, [], [1.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    card = Card(
        name="standin",
        task="cutout",
        summary="a test's",
        channels=3,
        maps=cutting.MAPS,
        answer="alpha",
        multiple_of=32,
        halo=0,
        licence="Apache-2.0",
    )
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("cutout") / "standin.onnx")


@pytest.fixture(scope="module")
def model(path: Path) -> Restorer:
    return restorer.load(path)


def disc(height: int, width: int, centre: tuple[float, float], radius: float, soft: float = 1.5) -> NDArray[np.float64]:
    """Alpha (h, w) of a disc with an edge of some pixels."""
    rows, columns = np.mgrid[:height, :width]
    return np.clip((radius - np.hypot(rows - centre[0], columns - centre[1])) / soft + 0.5, 0, 1)


def scene(alpha: NDArray[np.float64], thing: tuple[int, ...] = RED, ground: tuple[int, ...] = GREEN) -> NDArray[np.uint8]:
    """The thing on its ground, with a little noise: (h, w, 3)."""
    mixed = alpha[..., None] * np.array(thing) + (1 - alpha[..., None]) * np.array(ground)
    noise = np.random.default_rng(0).normal(0, 2, alpha.shape)[..., None]
    return np.clip(np.rint(mixed + noise), 0, 255).astype(np.uint8)


TRUTH = disc(120, 160, (60, 80), 35)
PICTURE = scene(TRUTH)


def run(*arguments: object) -> int:
    return cli.main([str(each) for each in arguments])


# -- alpha and colours ------------------------------------------------------------------------------------------------


def test_alpha_is_found_and_has_the_pictures_dtype(model: Restorer) -> None:
    for dtype, most in (("uint8", 255), ("uint16", 65535), ("float32", 1.0), ("float64", 1.0)):
        given = (PICTURE / 255 * most).round(0 if most > 1 else 9).astype(dtype)
        output = model.restore(given)
        assert (output.shape, output.dtype) == ((120, 160, 4), given.dtype)
        assert np.abs(output[..., 3] / most - TRUTH).mean() < 0.01
        np.testing.assert_allclose(output[TRUTH == 1][:, :3] / most, given[TRUTH == 1] / most, atol=1 / 255)
    mask = model.restore(PICTURE, alpha_only=True)
    np.testing.assert_array_equal(mask, model.restore(PICTURE)[..., 3])
    gray = model.restore(PICTURE[..., 0])
    assert gray.shape == (120, 160, 2)
    assert np.abs(gray[..., 1] / 255 - TRUTH).mean() < 0.02


def test_colours_at_soft_edges_are_those_of_the_thing() -> None:
    alpha = disc(160, 200, (80, 100), 50, soft=12).astype(np.float32)
    thing, ground = (np.array(each, np.float32) / 255 for each in (RED, GREEN))
    mixed = np.ascontiguousarray((alpha[..., None] * thing + (1 - alpha[..., None]) * ground).transpose(2, 0, 1))
    colours = matting.foreground(mixed, alpha)
    error = np.abs(colours - thing[:, None, None]).max(axis=0)
    assert error[alpha > 0.1].max() < 0.02
    assert np.abs(mixed - thing[:, None, None]).max(axis=0)[alpha > 0.1].max() > 0.3
    # Where nothing shows stands the thing's colour near it, and none far away.
    assert error[(alpha == 0) & (disc(160, 200, (80, 100), 60) == 1)].max() < 0.05
    assert colours[:, 0, 0].max() == 0
    np.testing.assert_array_equal(colours[:, alpha == 1], mixed[:, alpha == 1])


def test_pieces_are_the_whole(model: Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    given = (scene(disc(500, 700, (260, 330), 150, soft=6)) / 255).astype(np.float32)
    for how in ({}, {"background": "#804020"}, {"background": "blur"}, {"alpha_only": True}, {"strength": 0.5}):
        monkeypatch.setattr(cutout, "TILE", 4096)
        whole = model.restore(given, **how)
        monkeypatch.setattr(cutout, "TILE", 250)
        np.testing.assert_allclose(model.restore(given, **how), whole, atol=1e-5)


def test_a_part_is_enlarged_as_the_whole_is() -> None:
    small = np.random.default_rng(0).random((37, 51, 3), np.float32)
    within = (300, 409)
    whole = matting.enlarged(small, Place(0, 0, *within, within))
    np.testing.assert_allclose(whole, images.resized(small, *within, matting.BILINEAR).transpose(2, 0, 1), atol=1e-5)
    part = Place(104, 200, 120, 240, within)
    np.testing.assert_allclose(matting.enlarged(small, part), whole[:, 104:224, 200:], atol=1e-5)
    larger = matting.scaled(small, Place(0, 0, *within, within))
    np.testing.assert_allclose(matting.scaled(small, part), larger[104:224, 200:], atol=1e-5)


# -- what is meant ----------------------------------------------------------------------------------------------------


def test_points_and_boxes_say_which(model: Restorer) -> None:
    left, right = disc(120, 200, (60, 50), 25), disc(120, 200, (60, 150), 25)
    given = scene(left)
    given[right > 0.5] = (30, 50, 210)
    for point, meant, other in (((50, 60), left, right), ((150, 60), right, left)):
        mask = model.restore(given, point=[point], alpha_only=True) / 255
        assert mask[meant == 1].mean() > 0.95
        without = model.restore(given, point=[(50, 60), (150, 60)], not_point=[], alpha_only=True) / 255
        assert without[other == 1].mean() > 0.95
    box = model.restore(given, box=(20, 30, 80, 90), alpha_only=True) / 255
    assert box[left == 1].mean() > 0.95
    # Column X1 and row Y1 are outside, and so is all that lies beyond.
    assert box[:, 80:].max() == box[90:].max() == 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"point": [(160, 5)]}, "point 160,5 is outside the picture, which has 160x120 pixels, counted from 0"),
        ({"not_point": [(0, 120)]}, "not_point 0,120 is outside"),
        ({"box": (0, 0, 161, 120)}, "box 0,0,161,120 goes beyond the picture"),
        ({"box": (5, 5, 5, 9)}, "box must be X0,Y0,X1,Y1 in whole pixels"),
        ({"box": (90, 75, 30, 15)}, "X0 below X1 and Y0 below Y1, not"),
        ({"alpha_only": True, "background": "red"}, "nothing can be put behind"),
    ],
)
def test_places_outside_are_refused_in_one_line(model: Restorer, how: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        model.restore(PICTURE, **how)
    model.restore(PICTURE, point=[(159, 119)], box=(0, 0, 160, 120))


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ({"point": [(80, 60)]}, None),
        ({"point": [(80, 60), (80, 62)], "not_point": [(80, 60), (5, 5)]}, "not_point 80,60 is in what was found"),
        ({"point": [(80, 60), (3, 110)], "box": (40, 20, 120, 100)}, "point 3,110 is not in what was found"),
        # Half a pixel from the edge is near enough.
        ({"point": [(80, 25)]}, None),
    ],
)
def test_a_point_that_is_not_heeded_is_named(model: Restorer, how: dict[str, Any], line: str | None) -> None:
    remarks = model.restore(images.from_array(PICTURE), **how).remarks
    assert [remark for remark in remarks if "what was found" in remark] == [] if line is None else line in remarks[-1]


def test_nothing_found_is_an_empty_mask_and_a_warning(model: Restorer, path: Path, tmp_path: Path, capsys: Any) -> None:
    plain = np.full((60, 80, 3), 128, np.uint8)
    plain[:3] = plain[-3:] = 90
    result = model.details(plain, not_point=[(x, y) for x in (10, 40, 70) for y in (10, 30, 50)])
    assert result.facts["warning"].startswith("nothing to cut out was found")
    assert (result.facts["sure"], result.facts["share"], result.image[..., 3].max()) == (0, 0, 0)
    assert result.facts["warning"] in result.remarks
    doubtful = model.details(PICTURE, sure=1.0)
    assert "not sure" in doubtful.facts["warning"]
    assert 0.5 < doubtful.facts["sure"] < 1
    files.write(tmp_path / "a.png", images.from_array(plain))
    assert run("cutout", tmp_path / "a.png", "--not-point", "40,30", "--not-point", "10,10", "--model", path) == 0
    assert "nothing to cut out was found" in capsys.readouterr().out


def test_strength_leaves_some_of_the_background(model: Restorer) -> None:
    np.testing.assert_array_equal(model.restore(PICTURE, strength=0)[..., :3], PICTURE)
    assert model.restore(PICTURE, strength=0)[..., 3].min() == 255
    half = model.restore(PICTURE, strength=0.5)
    far = disc(120, 160, (60, 80), 45) == 0
    assert set(np.unique(half[..., 3][far])) <= {127, 128}
    np.testing.assert_array_equal(half[..., :3][far], PICTURE[far])


# -- backgrounds, crops, what has alpha already -----------------------------------------------------------------------


def test_a_background_is_a_colour_a_picture_or_a_blur(model: Restorer, tmp_path: Path) -> None:
    far, inside = disc(120, 160, (60, 80), 45) == 0, disc(120, 160, (60, 80), 30) == 1
    blue = model.restore(PICTURE, background="#1040f0")
    assert blue.shape == PICTURE.shape
    assert np.unique(blue[far].reshape(-1, 3), axis=0).tolist() == [[16, 64, 240]]
    np.testing.assert_array_equal(blue[inside], PICTURE[inside])
    # A wider picture: its middle is what shows.
    stripes = np.zeros((60, 200, 3), np.uint8)
    stripes[:, 60:140] = (250, 200, 10)
    files.write(tmp_path / "behind.png", images.from_array(stripes))
    behind = model.restore(PICTURE, background=tmp_path / "behind.png")
    gc.collect()
    assert not cutout._READ, "a picture is kept longer than what names it"
    np.testing.assert_array_equal(behind[far], np.broadcast_to(np.uint8([250, 200, 10]), behind[far].shape))
    blurred = model.restore(PICTURE, background="blur")
    # Out of focus, and none of the thing's colour in it.
    assert np.abs(blurred[far].astype(float) - GREEN).max() < 6
    assert model.restore(PICTURE[..., 1], background="red").shape == (120, 160)


def test_what_is_empty_is_cut_off(model: Restorer) -> None:
    whole, part = model.restore(PICTURE), model.restore(PICTURE, crop=True)
    rows, columns = (np.flatnonzero((whole[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    expected = whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    np.testing.assert_array_equal(part, expected)
    assert part.shape[0] < 80
    for how, channels in (({"background": "white"}, 3), ({"alpha_only": True}, None)):
        shape = model.restore(PICTURE, crop=True, **how).shape
        assert shape == (*part.shape[:2], *(() if channels is None else (channels,)))
    assert CutoutSettings(crop=True).answer(Shape(3, 4, 3, alpha=False)) == Shape(None, None, 3, alpha=True)


def test_a_picture_that_is_transparent_stays_so_unless_asked(model: Restorer, tmp_path: Path) -> None:
    own = np.dstack([PICTURE, np.full((120, 160), 255, np.uint8)])
    own[:, :70, 3] = 0
    result = model.details(own)
    np.testing.assert_array_equal(result.image, own)
    assert "transparent already" in result.facts["warning"]
    assert result.facts["sure"] is None
    np.testing.assert_array_equal(model.restore(own, alpha_only=True), own[..., 3])
    filled = model.restore(own, background="black")
    assert filled[:, :70].max() == 0
    np.testing.assert_array_equal(filled[:, 70:], PICTURE[:, 70:])
    assert model.restore(own, crop=True).shape == (120, 90, 4)
    np.testing.assert_array_equal(model.restore(own, crop=True, background="black"), filled[:, 70:])
    assert model.details(own, strength=0.5).facts["share"] == pytest.approx(90 / 160, abs=0.01)
    # A hand mends it as any other; only what is transparent in the file has no colours to bring back.
    low = np.zeros((120, 160), np.uint8)
    low[60:] = 255
    files.write(tmp_path / "low.png", images.from_array(low))
    mended = model.restore(own, remove=tmp_path / "low.png", add=tmp_path / "low.png")
    np.testing.assert_array_equal(mended, np.where(low[..., None] > 0, own * (1, 1, 1, 0), own))
    np.testing.assert_array_equal(model.restore(own, add=tmp_path / "low.png"), own)
    half = (own // (1, 1, 1, 2)).astype(np.uint8)
    mended = model.restore(half, remove=tmp_path / "low.png")
    np.testing.assert_array_equal(mended, np.where(low[..., None] > 0, half * (1, 1, 1, 0), half))
    again = model.restore(own, again=True)
    assert again[:, :70, 3].max() == 0
    assert again[..., 3][(TRUTH == 0) & (np.arange(160) > 75)].max() < 6
    # Alpha counts in the units of the colours, where it is in them.
    twelve = images.from_array(own[..., :3].astype(np.uint16) * 16)
    twelve = replace(twelve, white=4095.0, stated=True, alpha=own[..., 3].astype(np.uint16) // 255 * 4095)
    mask = images.floating(model.restore(twelve, alpha_only=True)).pixels
    np.testing.assert_array_equal(mask[..., 0], own[..., 3] / 255)
    # Alpha that lets nothing through is none.
    own[..., 3] = 255
    assert model.restore(own)[..., 3].min() == 0


def test_what_is_painted_is_added_and_what_is_erased_is_gone(model: Restorer, tmp_path: Path) -> None:
    add, remove = np.zeros((120, 160), np.uint8), np.zeros((60, 80), np.uint8)
    add[:20, :30] = 255
    add[100:, 130:] = 128
    remove[30:40, 40:60] = 255
    masks = {name: tmp_path / f"{name}.png" for name in ("add", "remove")}
    for name, mask in (("add", add), ("remove", remove)):
        files.write(masks[name], images.from_array(mask))
    plain = model.restore(PICTURE)
    added = model.restore(PICTURE, add=masks["add"])
    assert (added[:20, :30, 3] == 255).all()
    np.testing.assert_array_equal(added[:20, :30, :3], PICTURE[:20, :30])
    np.testing.assert_array_equal(added[100:, 130:, 3], 128)
    # Where nothing is found, there is what was painted, and strength leaves some of the rest.
    nothing = {"not_point": [(x, y) for x in (20, 80, 140) for y in (20, 60, 100)]}
    for how, share in ({"add": masks["add"]}, 0.06), ({"strength": 0.25}, 0.75):
        facts = model.details(np.full_like(PICTURE, 128), **nothing, **how).facts
        assert facts["share"] == pytest.approx(share, abs=0.02)
        assert (facts["warning"] is None) is ("add" in how)
    apart = slice(30, 90), slice(0, 160)
    np.testing.assert_array_equal(added[apart][..., 3], plain[apart][..., 3])
    # A mask of another size is scaled; where both are painted, it is gone.
    both = model.restore(PICTURE, **masks)
    assert both[62:78, 82:118, 3].max() == 0
    assert plain[62:78, 82:118, 3].max() == 255
    np.testing.assert_array_equal(both[:20, :30], added[:20, :30])
    np.testing.assert_array_equal(model.restore(PICTURE, alpha_only=True, **masks), both[..., 3])
    # The same piece by piece; a picture that has alpha keeps that.
    rows = images.Rows(PICTURE.shape, PICTURE.dtype, lambda top, bottom: PICTURE[top:bottom])
    np.testing.assert_array_equal(images.to_array(model.restore(images.from_rows(rows, "dtype"), **masks)), both)
    own = np.dstack([PICTURE, np.full((120, 160), 255, np.uint8)])
    own[:, :70, 3] = 0
    np.testing.assert_array_equal(model.restore(own, add=masks["add"]), own)
    with pytest.raises(FileError, match=r"not\.png"):
        model.restore(PICTURE, add=tmp_path / "not.png")


# -- files ------------------------------------------------------------------------------------------------------------


def test_the_ending_of_an_output_keeps_alpha(tmp_path: Path, path: Path, capsys: Any) -> None:
    for name, expected in (
        ("a.jpg", "a.cutout.png"),
        ("b.bmp", "b.cutout.png"),
        ("c.webp", "c.cutout.webp"),
        ("d.tif", "d.cutout.tif"),
    ):
        files.write(tmp_path / name, images.from_array(PICTURE))
        assert plan.clean_name(tmp_path / name, "cutout", alpha=True).name == expected
    assert run("cutout", tmp_path / "a.jpg", "--model", path) == 0
    with PillowImage.open(tmp_path / "a.cutout.png") as output:
        assert output.mode == "RGBA"
    assert run("cutout", tmp_path / "a.jpg", "-o", tmp_path / "x.jpg", "--model", path) == 1
    refused = capsys.readouterr().err
    assert "JPEG holds no transparency; use one of .png" in refused
    assert refused.count("\n") == 1
    assert run("cutout", tmp_path / "a.jpg", "--format", "jpg", "--model", path) == 1
    assert run("cutout", tmp_path / "a.jpg", "-o", tmp_path / "x.jpg", "--background", "white", "--model", path) == 0
    assert run("cutout", tmp_path / "a.jpg", "-o", tmp_path / "mask.jpg", "--alpha-only", "--model", path) == 0
    with PillowImage.open(tmp_path / "mask.jpg") as output:
        assert output.mode == "L"


def test_a_folder_is_cut_out_and_resumed(tmp_path: Path, path: Path, capsys: Any) -> None:
    for name in ("a.jpg", "b.png"):
        files.write(tmp_path / "in" / name, images.from_array(PICTURE)) if (tmp_path / "in").mkdir(exist_ok=True) is None else None
    command = ("cutout", tmp_path / "in", "-o", tmp_path / "out", "--model", path, "--json")
    assert run(*command) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(row["output"]).name for row in rows] == ["a.png", "b.png"]
    assert all(row["sure"] > 0.5 and row["warning"] is None and 0.1 < row["share"] < 0.5 for row in rows)
    assert run(*command, "--resume", "--sure", "0.9") == 0
    assert [json.loads(line)["skipped"] for line in capsys.readouterr().out.splitlines()] == [True, True]


@pytest.mark.parametrize("ending", ["png", "tif", "webp", "avif", "npy"])
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_formats_with_alpha_keep_depth_profile_and_metadata(model: Restorer, tmp_path: Path, ending: str, depth: str) -> None:
    from PIL import ImageCms

    exif = PillowImage.Exif()
    exif[0x010F] = "Maker"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    values = PICTURE if depth == "uint8" else PICTURE.astype(np.uint16) * 257
    given = images.Image(images.from_array(values).pixels, dtype=values.dtype, icc=profile, exif=exif.tobytes())
    output = model.restore(given)
    assert (output.alpha.dtype, output.alpha.shape) == (values.dtype, (120, 160))
    target = tmp_path / f"a.{ending}"
    files.write(target, output)
    back = files.read(target)
    kept = depth == "uint8" or ending in ("png", "tif", "npy")
    assert back.alpha is not None
    assert back.dtype == (values.dtype if kept else np.uint8)
    assert np.abs(back.alpha / alphas.opaque(back.alpha.dtype) - TRUTH).mean() < 0.02
    if ending != "npy":
        assert back.icc == profile
        assert b"Maker" in (back.exif or b"")
    mask = model.restore(given, alpha_only=True)
    assert (mask.icc, mask.exif) == (None, given.exif)


def test_points_count_pixels_of_the_upright_picture(path: Path, tmp_path: Path) -> None:
    left, right = disc(120, 200, (60, 50), 25), disc(120, 200, (60, 150), 25)
    given = scene(left)
    given[right > 0.5] = (30, 50, 210)
    exif = PillowImage.Exif()
    # Turned by 90 degrees clockwise when shown.
    exif[0x0112] = 6
    PillowImage.fromarray(np.rot90(given)).save(tmp_path / "turned.png", exif=exif)
    assert run("cutout", tmp_path / "turned.png", "--point", "150,60", "--alpha-only", "--model", path) == 0
    mask = files.read(tmp_path / "turned.cutout.png").pixels[..., 0]
    assert mask.shape == (120, 200)
    assert mask[right == 1].mean() > 0.95
    assert run("cutout", tmp_path / "turned.png", "--point", "60,150", "-o", tmp_path / "x.png", "--model", path) == 1


def test_a_crop_states_its_own_size(model: Restorer, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    # The subject is a square around this place.
    place = (90, 60, 7, 7)
    exif[0x8769] = {0xA002: 160, 0xA003: 120, 0x9214: place}
    PillowImage.fromarray(PICTURE).save(tmp_path / "a.png", exif=exif, dpi=(300, 300))
    part = model.restore(files.read(tmp_path / "a.png"), crop=True)
    files.write(tmp_path / "b.png", part)
    with PillowImage.open(tmp_path / "b.png") as output:
        stated = output.getexif().get_ifd(0x8769)
        assert (stated[0xA002], stated[0xA003]) == output.size
        assert output.size[0] < 80
        row, column = part.corner
        assert stated[0x9214] == (place[0] - column, place[1] - row, *place[2:])
        assert output.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_arrays_and_stacks_get_channels(model: Restorer, path: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "gray.npy", np.stack([PICTURE[..., 0]] * 2))
    assert run("cutout", tmp_path / "gray.npy", "--model", path) == 0
    assert np.load(tmp_path / "gray.cutout.npy").shape == (2, 120, 160, 2)
    np.save(tmp_path / "colour.npy", PICTURE)
    assert run("cutout", tmp_path / "colour.npy", "--alpha-only", "--model", path) == 0
    assert np.load(tmp_path / "colour.cutout.npy").shape == (120, 160)
    assert model.restore(np.stack([PICTURE] * 2)).shape == (2, 120, 160, 4)


def test_inks_become_colours(path: Path, tmp_path: Path) -> None:
    PillowImage.fromarray(PICTURE).convert("CMYK").save(tmp_path / "inks.jpg", quality=95)
    assert run("cutout", tmp_path / "inks.jpg", "--model", path) == 0
    assert files.read(tmp_path / "inks.cutout.png").alpha is not None


def test_python_has_the_function(path: Path) -> None:
    assert pellucid.cutout(PICTURE, model=path).shape == (120, 160, 4)
    assert pellucid.cutout(PICTURE, model=path, alpha_only=True).shape == (120, 160)
    with pytest.raises(FileError, match=r"nowhere\.png: there is no such file"):
        pellucid.cutout(PICTURE, model=path, background="nowhere.png")


def test_over_http(start_server: Callable[..., Any], path: Path, tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="the extra web is not installed")
    files.write(tmp_path / "a.jpg", images.from_array(PICTURE))
    content = (tmp_path / "a.jpg").read_bytes()
    served = start_server(tmp_path, "--workers", "1", "--model", str(path))
    try:
        asked = "/v1/restore?task=cutout&model=standin"
        answer = served.ask("POST", f"{asked}&point=80,60&point=80,70&not_point=5,5&box=20,10,140,110", content)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "image/png"
        assert 0.5 < float(answer.headers["x-pellucid-sure"]) <= 1
        assert "x-pellucid-warning" not in answer.headers
        with PillowImage.open(io.BytesIO(answer.body)) as output:
            assert (output.mode, output.size) == ("RGBA", (160, 120))
        refused = served.ask("POST", f"{asked}&format=jpg", content)
        assert (refused.status, "JPEG holds no transparency" in refused.json["error"]) == (422, True)
        outside = served.ask("POST", f"{asked}&point=160,5", content)
        assert (outside.status, "point 160,5 is outside" in outside.json["error"]) == (422, True)
        # A background is a part of the form, and never a path on the server.
        parts = (("image", content), ("background", content))
        head = '--edge\r\nContent-Disposition: form-data; name="{}"; filename="x.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        form = b"".join(head.format(name).encode() + part + b"\r\n" for name, part in parts) + b"--edge--\r\n"
        behind = served.ask("POST", asked, form, Content_Type="multipart/form-data; boundary=edge")
        assert (behind.status, behind.headers["content-type"]) == (200, "image/jpeg")
        assert served.ask("POST", f"{asked}&background=/etc/passwd", content).status == 422
        # The size of a crop is known only after the work; it is at most the picture's.
        part = served.ask("POST", f"{asked}&crop=true", content, Accept="application/json").json
        assert (part["alpha"], part["width"] < 80, part["height"] < 80) == (True, True, True)
    finally:
        assert served.end() == 0


def test_it_is_scored_beside_grabcut_and_a_threshold(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="the extra bench is not installed")
    bright = scene(TRUTH, thing=(240, 230, 200))
    files.write(tmp_path / "a.png", images.from_array(np.dstack([bright, np.rint(TRUTH * 255).astype(np.uint8)])))
    command = ("evaluate", tmp_path, "--task", "cutout", "--model", path, "--baselines", "none,grabcut,otsu", "--runs", 1)
    assert run(*command, "--out", tmp_path / "scores.json") == 0
    rows = json.loads((tmp_path / "scores.json").read_text())["summary"]
    assert {row["noise"] for row in rows} == {"alpha", "alpha:box", "alpha:point"}
    for row in rows:
        if row["method"] == "none":
            assert row["iou"] == pytest.approx(float((TRUTH > 0.5).mean()), abs=1e-3)
        else:
            assert row["iou"] > 0.95 or (row["method"], row["noise"]) == ("grabcut", "alpha")


def test_a_picture_in_bands_is_as_one_in_memory(model: Restorer) -> None:
    rows = images.Rows(PICTURE.shape, PICTURE.dtype, lambda top, bottom: PICTURE[top:bottom])
    for how in ({}, {"background": "#804020"}, {"background": "blur", "crop": True}, {"alpha_only": True}):
        output = model.restore(images.from_rows(rows, "dtype"), **how)
        np.testing.assert_array_equal(images.to_array(output), model.restore(PICTURE, **how))
