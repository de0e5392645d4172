"""Mending film: what is found and filled without a network, frames as a whole, and the task's promises by its shipped models."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import pellucid
from pellucid import footage, images, mending, reels, registration, restorer, samples, wear
from pellucid.errors import OptionError
from pellucid.images import Image
from pellucid.tasks import FilmSettings, film, film_learning
from pellucid.tasks.settings import Shape
from pellucid.tiling import Place
from pellucid.views import View
from pellucid.wear import whole

Pixels = NDArray[np.float32]

WHOLE = Place(0, 0, 768, 1280, (768, 1280))


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    """The package's photograph, which no model has learnt from."""
    return np.asarray(samples.photograph()[:480, :640], np.float32) / np.float32(255)


def scene(height: int = 96, width: int = 128, seed: int = 0) -> Pixels:
    """Smooth texture (h, w)."""
    rng = np.random.default_rng(seed)
    plane = rng.random((height + 64, width + 64), dtype=np.float32)
    for _ in range(3):
        plane = (plane + np.roll(plane, 1, 0) + np.roll(plane, 2, 0) + np.roll(plane, 1, 1) + np.roll(plane, 2, 1)) / 5
    return np.asarray((plane - plane.min()) / (plane.max() - plane.min()) * 0.7 + 0.1, np.float32)


def moved(plane: Pixels, down: float, right: float, height: int = 96, width: int = 128) -> Pixels:
    """A window of the plane that has moved down and right."""
    whole_plane = registration.shifted(plane[..., None], down, right)[..., 0]
    return whole_plane[32 : 32 + height, 32 : 32 + width]


# -- holes --------------------------------------------------------------------------------------------------------------


def test_a_hole_is_filled_smoothly_and_all_else_stays() -> None:
    rows, columns = np.mgrid[:61, :83].astype(np.float32)
    ramp = np.stack([rows / 100, columns / 100, (rows + columns) / 200], axis=2)
    hole = np.zeros((61, 83), bool)
    hole[20:29, 30:34] = hole[40, :] = True
    filled = mending.roughly_filled(ramp, hole)
    np.testing.assert_allclose(filled[~hole], ramp[~hole], atol=1e-6)
    assert np.abs(filled - ramp).max() < 0.03
    np.testing.assert_array_equal(mending.roughly_filled(ramp, np.zeros_like(hole)), ramp)
    np.testing.assert_array_equal(mending.roughly_filled(ramp, np.ones_like(hole)), np.full_like(ramp, 0.5))
    for shape in ((1, 83), (61, 1)):
        strip, gap = (each[: shape[0], : shape[1]].copy() for each in (ramp, hole))
        gap[-1, -1] = True
        filled = mending.roughly_filled(strip, gap)
        np.testing.assert_allclose(filled[gap], np.broadcast_to(strip[~gap].mean(axis=0), (gap.sum(), 3)), atol=1e-6)
        np.testing.assert_array_equal(filled[~gap], strip[~gap])


def test_a_hole_of_two_by_two_pixels_lies_between_the_means_around_it() -> None:
    # One coarse pixel, known from no finer one, is between its neighbours; these are known.
    pixels = np.zeros((16, 16, 1), np.float32)
    pixels[:, 8:] = 1
    hole = np.zeros((16, 16), bool)
    hole[6, 6] = hole[6, 9] = True
    filled = mending.roughly_filled(pixels, hole)
    # Three quarters of the pixel's own two by two, a quarter of those beside them, down and right.
    assert filled[6, 6, 0] == 0
    assert filled[6, 9, 0] == 1
    hole[6, 7] = True
    assert mending.roughly_filled(pixels, hole)[6, 7, 0] == pytest.approx(0.25)


@pytest.mark.parametrize("window", [1, 3, 5, 9])
def test_the_highest_and_the_lowest_of_a_window(window: int) -> None:
    plane = np.random.default_rng(window).random((2 * mending.BAND + 3, 70), dtype=np.float32)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(plane, window // 2, mode="edge"), (window, window))
    np.testing.assert_array_equal(mending.extreme(plane, np.maximum, window), around.max(axis=(2, 3)))
    np.testing.assert_array_equal(mending.extreme(plane, np.minimum, window), around.min(axis=(2, 3)))


def test_masks_grow_by_so_many_pixels_and_faint_ones_need_a_sure_one() -> None:
    mask = np.zeros((31, 31), bool)
    mask[15, 15] = True
    for by in range(6):
        assert mending.grown(mask, by).sum() == (2 * by + 1) ** 2
    chance = np.zeros((31, 31), np.float32)
    chance[10, 5:20] = 0.4
    assert not mending.held_back(chance, 0.5, 0.3).any()
    chance[10, 8] = 0.9
    found = mending.held_back(chance, 0.5, 0.3)
    assert found[10, 5:15].all()
    assert found.sum() == 10


def test_dust_lies_outside_both_neighbours_and_a_thing_that_moves_does_not() -> None:
    frame = np.repeat(moved(scene(), 0, 0)[..., None], 3, axis=2)
    dusty = frame.copy()
    dusty[40:43, 60:63] = 1
    assert mending.found_between(dusty, frame, frame)[41, 61] > 0.9
    passing = [frame.copy() for _ in range(3)]
    for place, each in enumerate(passing):
        each[40:60, 20 + 30 * place : 40 + 30 * place] = 0.9
    found = mending.found_between(passing[1], passing[0], passing[2])
    assert found[45:55, 85:95].max() < 0.5


def specks(frame: Pixels, rows: NDArray[np.float64], columns: NDArray[np.float64], tall: int = 3) -> NDArray[np.bool_]:
    """Draws bright specks into a frame, three pixels wide, and says where they are."""
    struck = np.zeros(frame.shape[:2], bool)
    for row, column in zip(np.rint(rows).astype(int), np.rint(columns).astype(int), strict=True):
        struck[max(0, row) : max(0, row + tall), max(0, column) : max(0, column + 3)] = True
    frame[struck] = 1
    return struck


@pytest.mark.parametrize(("steps", "way"), [((-1, 1), (6, 1)), ((1, 2), (20, -13)), ((-2, -1), (-4, 0))])
def test_specks_that_fall_together_are_weather_and_dust_lies_anywhere(steps: tuple[int, int], way: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    clean = np.repeat(moved(scene(240, 320), 0, 0, 240, 320)[..., None], 3, axis=2)
    row, column = rng.uniform(0, 240, 80), rng.uniform(0, 320, 80)
    own = rng.normal(way, 0.7, (80, 2)).T
    snow, dust = (np.stack([clean] * 3) for _ in range(2))
    fell, struck = [], []
    for number, time in enumerate((0, *steps)):
        fell.append(specks(snow[number], (row + time * own[0]) % 240, (column + time * own[1]) % 320))
        struck.append(specks(dust[number], rng.uniform(0, 240, 80), rng.uniform(0, 320, 80)))
    assert (mending.falling(*snow, fell[0], steps) & fell[0]).sum() > 0.85 * fell[0].sum()
    assert not mending.falling(*dust, struck[0], steps).any()


@pytest.mark.parametrize("pan", [3, 6, 16])
@pytest.mark.parametrize("snowy", [False, True])
def test_dirt_that_stays_in_the_frame_while_the_camera_pans_does_not_fall(pan: int, snowy: bool) -> None:
    rng = np.random.default_rng(1)
    wide = np.kron(rng.uniform(0.3, 0.6, (30, 48)), np.ones((8, 8))).astype(np.float32)
    row, column = rng.uniform(20, 220, 30), rng.uniform(20, 300, 30)
    own = rng.normal((7, 2), 0.5, (30, 2)).T if snowy else np.zeros((2, 30))
    frames = [np.repeat(wide[:, 32 + pan * time : 352 + pan * time, None], 3, axis=2) for time in (0, -1, 1)]
    struck = [specks(frame, row + time * own[0], column + time * own[1]) for frame, time in zip(frames, (0, -1, 1), strict=True)]
    before, after = (mending.brought(frames[0], frame) for frame in frames[1:])
    falls = mending.falling(frames[0], before, after, struck[0], came=(frames[1], frames[2]))
    dark = [1 - frame for frame in (frames[0], before, after, *frames[1:])]
    assert np.array_equal(mending.falling(*dark[:3], struck[0], came=(dark[3], dark[4])), falls)
    known = tuple(
        mending.outside(*each) for each in ((frames[0], before, after), (before, frames[0], after), (after, before, frames[0]))
    )
    again = mending.falling(frames[0], before, after, struck[0], came=(frames[1], frames[2]), known=known)
    assert np.array_equal(again, falls)
    left = (falls & struck[0]).sum() / struck[0].sum()
    assert left > 0.85 if snowy else left == 0


def test_outside_is_beyond_both_neighbours_in_the_channel_that_is_farthest() -> None:
    frame, before, after = np.random.default_rng(5).random((3, 150, 20, 3), dtype=np.float32)
    up, down = (frame - np.maximum(before, after)).max(axis=2), (np.minimum(before, after) - frame).max(axis=2)
    np.testing.assert_array_equal(mending.outside(frame, before, after), np.maximum(up, 0) - np.maximum(down, 0))
    np.testing.assert_allclose(mending.summed(frame[..., 0])[1:], np.cumsum(frame[..., 0], axis=0), rtol=1e-5)


def test_snow_is_looked_for_in_whole_frames_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    clean = np.repeat(moved(scene(320, 480), 0, 0, 320, 480)[..., None], 3, axis=2)
    # Most are on one side: the piece there could tell that it snows, the other one could not.
    row, column = rng.uniform(0, 300, 30), np.sort(rng.uniform(0, 1, 30)) ** 3 * 470
    frames, struck = [clean.copy() for _ in range(3)], []
    for frame, time in zip(frames, (-1, 0, 1), strict=True):
        struck.append(specks(frame, row + 9 * time, column + 2 * time))
    view = View(tuple(images.from_array(np.rint(255 * frame).astype(np.uint8)) for frame in frames), 1)
    model = pellucid.load("film")

    def found() -> NDArray[np.bool_]:
        return np.asarray(images.to_array(model.details(view, show_damage=True).image)).reshape(320, 480) > 0

    assert (found() & struck[1]).sum() < 0.1 * struck[1].sum()
    monkeypatch.setattr(film, "TILE", 320)
    pieces = found()
    monkeypatch.setattr(film, "TILE", 1024)
    monkeypatch.setattr(mending, "falling", lambda frame, before, after, hole, *rest, **more: np.zeros_like(hole))
    whole = found()
    assert whole[struck[1]].mean() > 0.8
    assert (pieces != whole).mean() < 1e-4


def test_flakes_close_to_the_camera_fall_as_small_ones_do_and_blotches_lie_anywhere() -> None:
    rng = np.random.default_rng(7)
    clean = np.repeat(moved(scene(240, 320), 0, 0, 240, 320)[..., None], 3, axis=2)
    y, x = np.mgrid[:240, :320]

    def discs(frame: Pixels, rows: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.bool_]:
        there = np.any([(y - row) ** 2 + (x - column) ** 2 <= 6**2 for row, column in zip(rows, columns, strict=True)], axis=0)
        frame[there] = 1
        return np.asarray(there)

    row, column = rng.uniform(0, 240, 40), rng.uniform(0, 320, 40)
    snow, worn = (np.stack([clean] * 3) for _ in range(2))
    fell = [discs(frame, row + 14 * time, column - 4 * time) for frame, time in zip(snow, (0, -1, 1), strict=True)]
    struck = [discs(frame, rng.uniform(0, 240, 40), rng.uniform(0, 320, 40)) for frame in worn]
    assert (mending.falling(*snow, fell[0]) & fell[0]).sum() > 0.7 * fell[0].sum()
    assert (mending.falling(*worn, struck[0]) & struck[0]).sum() < 0.05 * struck[0].sum()


def test_a_broken_scratch_that_a_camera_passes_does_not_fall() -> None:
    rng = np.random.default_rng(6)
    clean = np.repeat(moved(scene(240, 320), 0, 0, 240, 320)[..., None], 3, axis=2)
    frames = np.stack([clean] * 3)
    # Neighbours lie where the picture is: a scratch, which stays in the frame, does not.
    struck = [
        specks(frame, rng.uniform(0, 220, 40), np.repeat(np.arange(30, 280, 32), 5) + way, tall=20)
        for frame, way in zip(frames, (0, -5, 5), strict=True)
    ]
    assert not mending.falling(*frames, struck[0]).any()


def test_a_scratch_is_upright_and_a_wire_is_not() -> None:
    plane = np.full((128, 96), 0.5, np.float32)
    plane[:, 40] += 0.1
    plane[np.arange(96), np.arange(96)] += 0.1
    plane[60:64, 70] += 0.3
    found = mending.upright(plane)
    assert found[20:110, 40].min() > 0.9
    assert np.abs(np.delete(found, np.s_[38:43], axis=1)).max() < 0.2


# -- the reel -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("down", "right", "gain"), [(0.0, 0.0, 1.0), (0.4, -0.7, 1.1), (-3.3, 5.2, 0.9), (9.0, -11.5, 1.0)])
def test_motion_and_brightness_between_two_frames(down: float, right: float, gain: float) -> None:
    plane = scene()
    found, gains = registration.held_against(moved(plane, 0, 0), moved(plane, down, right) * np.float32(gain))
    assert found[:2] == pytest.approx((down, right), abs=0.06)
    np.testing.assert_allclose(np.exp(gains), gain, atol=0.02)


def clip(shift: NDArray[np.float64], gain: NDArray[np.float64]) -> tuple[reels.Reel, int]:
    """A look at frames that the gate moved by ``shift`` (n, 2) pixels and the lamp changed by ``gain`` (n,)."""
    plane, reel = scene(), reels.Reel()
    for (down, right), factor in zip(shift, gain, strict=True):
        reel.add((moved(plane, down, right) * np.float32(factor))[..., None])
    return reel, len(gain)


def entries_of(shift: NDArray[np.float64], gain: NDArray[np.float64]) -> tuple[Pixels, Pixels]:
    """The shifts in pixels, and the mean gains, that are to be done about each frame."""
    reel, _ = clip(shift, gain)
    found = reel.entries((0,))
    return (
        np.array([each.shift for each in found], np.float32) * 128,
        np.array([np.mean(each.gain) for each in found], np.float32),
    )


def test_the_gate_and_the_lamp_are_mended_and_the_camera_goes_its_way() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(48)
    camera = np.stack([0.15 * time, 6 * np.sin(time / 24)], axis=1)
    fade = np.exp(-0.004 * time)
    gate, lamp = rng.normal(0, 1.0, (48, 2)), 1 + rng.normal(0, 0.05, 48)
    shift, gain = entries_of(camera + gate, fade * lamp)
    left = shift + gate
    assert (left - left.mean(axis=0)).std() < 0.4 * gate.std()
    assert (gain * lamp).std() < 0.3 * lamp.std()


def test_a_steady_camera_a_slow_fade_and_a_flash_stay_as_they_are() -> None:
    time = np.arange(48)
    gain = np.exp(-0.01 * time)
    gain[20] = 1.4
    shift, factors = entries_of(np.stack([0.4 * time, 5 * np.sin(time / 20)], axis=1) * 0.6, gain)
    np.testing.assert_array_equal(shift, 0)
    np.testing.assert_array_equal(factors, 1)


@pytest.mark.parametrize("dark", [0.0, 0.04])
def test_a_picture_between_black_frames_is_no_damage(dark: float, photograph: Pixels) -> None:
    model = restorer.load("film")
    clip = tuple(Image(photograph[:64, :96] * np.float32(1 if number == 1 else dark)) for number in range(3))
    lit = model.details(View(clip, 1, clip=(reels.Entry(),) * 3), only_damage=True)
    np.testing.assert_allclose(lit.image.pixels, clip[1].pixels, atol=0.02)


def test_nothing_is_done_about_a_clip_of_one_picture() -> None:
    shift, factors = entries_of(np.zeros((12, 2)), np.ones(12))
    np.testing.assert_array_equal(shift, 0)
    np.testing.assert_array_equal(factors, 1)


def test_frames_are_moved_back_to_where_they_were(photograph: Pixels) -> None:
    there = whole.moved(photograph[None], np.array([[1.3, -2.6]], np.float32))[0]
    back = registration.shifted(there, -1.3, 2.6)
    assert np.abs(back - photograph)[8:-8, 8:-8].mean() < 0.012


def test_faded_colours_come_back_and_others_stay(photograph: Pixels) -> None:
    photograph = photograph.copy()
    # A scene with something black in it, without colour: what fading is known by.
    photograph[:48] = photograph[:48].mean(axis=2, keepdims=True) * np.float32(0.15)
    worn = wear.wear(photograph[None], "fading:0.5", np.random.default_rng(0))
    fading = reels.Fading(tuple(map(float, worn.fading[0])), tuple(map(float, worn.fading[1])))
    back = reels.unfaded(worn.frames[0].transpose(2, 0, 1), fading).transpose(1, 2, 0)
    np.testing.assert_allclose(back, photograph, atol=2e-3)
    assert reels.faded([photograph[::4, ::4]]).none
    found = reels.faded([worn.frames[0][::4, ::4]])
    mended = reels.unfaded(worn.frames[0].transpose(2, 0, 1), found).mean(axis=(1, 2))
    before, truth = worn.frames[0].mean(axis=(0, 1)), photograph.mean(axis=(0, 1))
    assert np.abs(mended - truth).max() < 0.5 * np.abs(before - truth).max()


def test_flicker_of_the_exposure_leaves_no_colours_where_channels_have_faded_apart(photograph: Pixels) -> None:
    model = restorer.load("film")
    clean = np.asarray(0.8 * photograph[:96, :128], np.float32)
    worn = wear.wear(1.1 * clean[None], "fading:0.5", np.random.default_rng(0))
    power, factor = (tuple(map(float, part)) for part in worn.fading)
    entry = reels.Entry(gain=((float(1.1 ** -np.mean(power)),),), fading=reels.Fading(power, factor, exposed=True))
    made = np.asarray(model.details(View((Image(worn.frames[0]),), 0, clip=(entry,)), grain=1.0).image.pixels)
    np.testing.assert_allclose(np.median(made / np.maximum(clean, 0.02), axis=(0, 1)), 1, atol=0.005)


# -- the task -----------------------------------------------------------------------------------------------------------


def gain(before: Pixels, after: Pixels, truth: Pixels, where: NDArray[np.bool_]) -> float:
    """How many dB closer to the truth the pixels are."""
    errors = (float(np.square(each[where] - truth[where]).mean()) for each in (before, after))
    return float(10 * np.log10(next(errors) / next(errors)))


def test_frames_with_dust_get_better_from_those_around_them(photograph: Pixels) -> None:
    frames = np.stack([photograph[40:360, 60 + 3 * number : 460 + 3 * number] for number in range(3)])
    worn = wear.wear(frames, "dust:2+blotches:2", np.random.default_rng(1))
    view = View(tuple(images.from_array(np.rint(255 * frame).astype(np.uint8)) for frame in worn.frames), 1)
    mended = images.floating(pellucid.load("film").details(view).image).pixels
    assert gain(worn.frames[1], mended, frames[1], worn.damage[1]) > 3


def test_pictures_with_damage_get_better_and_only_there(photograph: Pixels) -> None:
    worn = wear.wear(photograph[None], "scratches:8", np.random.default_rng(1))
    model = pellucid.load("film")
    levels = np.rint(255 * worn.frames[0]).astype(np.uint8)
    found = model.details(levels, show_damage=True)
    assert found.image.shape in (levels.shape[:2], (*levels.shape[:2], 1))
    mended = model.restore(levels, only_damage=True)
    touched = (mended != levels).any(axis=2)
    near = mending.grown(np.asarray(found.image).reshape(levels.shape[:2]) > 0, 4)
    assert not touched[~near].any()
    truth, damage = 255 * worn.beneath[0], worn.damage[0]
    assert gain(levels.astype(np.float32), mended.astype(np.float32), truth, damage) > 3


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_how_surely_damage_was_found_does_not_depend_on_the_strength(strength: float, photograph: Pixels) -> None:
    worn = wear.wear(photograph[None, :96, :128], "scratches:30:broken=0", np.random.default_rng(1))
    levels = np.rint(255 * worn.frames[0]).astype(np.uint8)
    model = pellucid.load("film")
    for settings in (FilmSettings(strength=strength, show_damage=True), FilmSettings(strength=strength).beside("damage")):
        found = model.restore(levels, settings)
        np.testing.assert_array_equal(found, model.restore(levels, show_damage=True))
    assert found.max() > 127


def test_a_mask_keeps_a_frame_from_being_moved_and_says_so(photograph: Pixels) -> None:
    frames = tuple(images.from_array(photograph[40:136, 60:188]) for _ in range(3))
    view = View(frames, 1, clip=(reels.Entry(shift=(0.02, -0.01)),) * 3)
    model, before = pellucid.load("film"), frames[1].pixels
    mask = np.zeros((96, 128))
    mask[:, 64:] = 1
    held = model.details(view, mask=mask)
    np.testing.assert_array_equal(held.image.pixels[:, :64], before[:, :64])
    assert film.NOT_MOVED in held.remarks
    # One that spares nothing changes nothing.
    plain, whole = model.details(view), model.details(view, mask=np.ones_like(mask))
    np.testing.assert_array_equal(plain.image.pixels, whole.image.pixels)
    assert np.abs(plain.image.pixels - before).mean() > 0.01
    assert plain.remarks == whole.remarks == ()


BLACK, OTHER = "black", "another picture"


@pytest.mark.parametrize(
    "shown",
    [
        [0 if number % 2 else BLACK for number in range(7)],
        [1 if number == 3 else BLACK for number in range(7)],
        [BLACK if number == 3 else 0 for number in range(7)],
        [OTHER if number == 3 else 0 for number in range(7)],
        [OTHER if number % 2 else 0 for number in range(7)],
    ],
)
def test_a_frame_that_differs_as_a_whole_from_those_around_it_is_no_damage(shown: list[object], photograph: Pixels) -> None:
    reel, frames = reels.Reel(), []
    for number, what in enumerate(shown):
        part = photograph[300:396, 20:148] if what == OTHER else photograph[80:176, 150 + 2 * number : 278 + 2 * number]
        frames.append(part * np.float32(what != BLACK))
        reel.add(frames[-1])
    entries, pictures, model = reel.entries((0,)), [images.from_array(frame) for frame in frames], pellucid.load("film")
    for number in range(1, 6):
        near = slice(number - 1, number + 2)
        mended = model.details(View(tuple(pictures[near]), 1, clip=tuple(entries[near])), only_damage=True)
        np.testing.assert_array_equal(mended.image.pixels, frames[number])


@pytest.mark.parametrize("light", [[0.15, 1, 0.15, 1, 0.15], [0.4, 0.4, 1, 1, 1], [1, 0.75, 0.5, 0.25, 0.1]])
def test_dust_is_found_in_a_light_that_changes(light: list[float], photograph: Pixels) -> None:
    frames = np.stack([photograph[40:200, 60 + number : 300 + number] * np.float32(factor) for number, factor in enumerate(light)])
    worn = wear.wear(frames, "blotches:3", np.random.default_rng(1))
    reel = reels.Reel()
    for frame in worn.frames:
        reel.add(frame)
    near = slice(1, 4)
    view = View(tuple(images.from_array(frame) for frame in worn.frames[near]), 1, clip=tuple(reel.entries((0,))[near]))
    found = np.asarray(pellucid.load("film").details(view, show_damage=True).image.pixels)[..., 0] > 0
    assert (found & worn.damage[2]).sum() > 0.7 * worn.damage[2].sum()
    assert (found & ~worn.damage[2]).sum() < 0.3 * found.sum()


@pytest.mark.parametrize(("dark", "mended"), [((0,), True), ((0, 1), False)])
def test_dust_of_a_single_neighbour_is_not_put_beside_a_black_frame(
    dark: tuple[int, ...], mended: bool, photograph: Pixels
) -> None:
    clean = np.stack([photograph[40:200, 60 + number : 300 + number] * np.float32(number not in dark) for number in range(4)])
    apart = []
    for seed in (1, 3):
        worn = wear.wear(clean, "blotches:3", np.random.default_rng(seed))
        reel = reels.Reel()
        for frame in worn.frames:
            reel.add(frame)
        view = View(tuple(images.from_array(frame) for frame in worn.frames), 2, clip=tuple(reel.entries((0,))))
        output = pellucid.load("film").details(view, only_damage=True).image.pixels
        apart.append([np.abs(frame - clean[2]).mean() for frame in (worn.frames[2], output)])
        assert apart[-1][1] <= apart[-1][0]
    before, after = np.sum(apart, axis=0)
    assert not mended or after < 0.5 * before


def test_another_picture_is_told_from_a_damaged_one(photograph: Pixels) -> None:
    frame, rng = photograph[80:176, 150:278], np.random.default_rng(1)
    blotched, grainy = frame.copy(), np.float32(frame + rng.normal(0, 0.1, frame.shape))
    blotched[20:70, 30:90] = 1
    for damaged in (blotched, grainy):
        assert not film._another(damaged, frame, frame)
    for other in (np.zeros_like(frame), np.ones_like(frame), photograph[300:396, 20:148]):
        assert film._another(other, frame, frame)
        assert film._another(frame, other, other)
        # A frame that one of them is like is no other picture.
        assert not film._another(frame, frame, other)


def test_cells_that_are_looked_at_alone_are_as_in_the_whole() -> None:
    def graph(given: Pixels) -> Pixels:
        # A network that sees 20 pixels far.
        return np.asarray(given + sum(np.roll(given, step, axis) for step in (-20, 20) for axis in (2, 3)), np.float32)

    planes = np.random.default_rng(3).random((2, 640, 1160), dtype=np.float32)
    planes[:, :20] = planes[:, -20:] = planes[:, :, :20] = planes[:, :, -20:] = 0
    wanted = np.zeros((640, 1160), bool)
    wanted[5, 1159] = wanted[300, 40] = True
    wanted[300:500:60, 300:500:60] = True
    alone = film._looked_at(graph, planes, wanted)
    expected = np.zeros_like(alone)
    for cell in (np.s_[:, :64, 1152:], np.s_[:, 256:320, :64], np.s_[:, 256:512, 256:512]):
        expected[cell] = graph(planes[None])[0][cell]
    inner = np.s_[:, 20:-20, 20:-20]
    np.testing.assert_array_equal(alone[inner], expected[inner])
    whole_picture = film._looked_at(graph, planes, np.ones_like(wanted))
    np.testing.assert_array_equal(whole_picture, graph(planes[None])[0])


@pytest.mark.parametrize("sure", [0.02, 0.2, 0.5, 0.8, 0.98])
@pytest.mark.parametrize("rare", [film.RARE_ALONE, film.RARE_IN_FLASH])
def test_a_second_look_is_left_out_only_where_it_could_not_make_damage_sure(sure: float, rare: float) -> None:
    work = film._Work(None, None, FilmSettings(sure=sure), rare=rare)
    most = (film._least(work) + 1) / 2
    assert most / (most + rare * (1 - most)) == pytest.approx(sure)


def test_damage_that_a_smaller_look_is_sure_of_is_looked_at_a_second_time() -> None:
    def find(given: Pixels) -> Pixels:
        # The picture gets lighter to the right: turned by half, a large look is surer, and never sure. A small one is, of a part.
        turned = given[0, 1, 0, 0] > given[0, 1, 0, -1]
        sure = (0.85 if turned else 0.7) if given.shape[3] != 640 else np.where(given[0, 1] < 0.4, 0.9, 0.3)
        return np.where(given[0, 0] > 0.5, sure, 0.01).astype(np.float32)[None, None]

    frame = np.zeros((768, 1280, 3), np.float32)
    frame[200:206, 500:526, 0] = 0.8
    frame[..., 1] = np.linspace(0, 1, 1280)
    chance, _ = film._chance(film._Work(find, None, FilmSettings(), scales=(1, 2)), frame, None, WHOLE)
    hole = mending.held_back(chance, 0.5, film.FAINTER * 0.5)
    most = 0.775 / (0.775 + film.RARE_ALONE * 0.225)
    np.testing.assert_allclose(chance[200:206, 516:526], most, rtol=1e-5)
    assert hole[200:206, 500:518].all()


def test_a_finer_look_is_for_what_a_coarser_one_glimpses_and_for_what_it_cannot_show() -> None:
    sizes = []

    def find(given: Pixels) -> Pixels:
        sizes.append(given.shape[2:])
        return np.where((given[0, 0] > 0.5) | (given[0, 1] > 0.5), 0.99, 0.001).astype(np.float32)[None, None]

    frame = np.zeros((768, 1280, 3), np.float32)
    frame[100, 100, 0] = 0.8
    rows, columns = np.ogrid[:768, :1280]
    frame[..., 1] = 0.6 * np.exp(-(np.square(rows - 500) + np.square(columns - 1000)) / (2 * 30**2))
    chance, _ = film._chance(film._Work(find, None, FilmSettings(), scales=(1, 2)), frame, None, WHOLE)
    assert chance[100, 100] > 0.5
    assert chance[500, 1000] > 0.5
    assert sizes[0] == (384, 640)
    assert all(rows * columns < 768 * 1280 / 4 for rows, columns in sizes[1:])
    # In grain, one pixel says nothing.
    sizes.clear()
    noisy = np.float32(0.5) * np.random.default_rng(0).normal(0.5, 0.02, (768, 1280, 1)).astype(np.float32).repeat(3, axis=2)
    film._chance(film._Work(find, None, FilmSettings(), grain=0.01, scales=(1, 2)), noisy, None, WHOLE)
    assert len(sizes) <= 4


def test_cells_reach_as_far_as_pieces_do() -> None:
    assert film.BESIDE == film.HALO


def test_grain_is_gathered_over_time(photograph: Pixels) -> None:
    clean = np.stack([photograph[2 * place : 2 * place + 160, 3 * place : 3 * place + 224] for place in range(4)])
    worn = np.rint(255 * wear.wear(clean, "film-grain:12", np.random.default_rng(2)).frames).astype(np.uint8)
    model = pellucid.load("film")

    def errors(alone: bool) -> list[float]:
        made = footage.each(iter(worn), model, model.settings(defade=False), alone=alone)
        return [float(np.square(frame - 255 * truth).mean()) for frame, truth in zip(made, clean, strict=True)]

    together, itself = errors(alone=False), errors(alone=True)
    result = model.details(worn[0])
    assert model.settings().line(result.facts).endswith(f"grain of level {result.facts['grain']:.1f} taken away")
    kept = model.details(worn[0], model.settings(grain=1))
    assert kept.facts["grain"] is None
    assert "grain" not in model.settings(grain=1).line(kept.facts)
    # The level is known from the second frame on.
    assert np.mean(together[2:]) < 0.7 * np.mean(itself[2:])
    assert all(one < 1.02 * other for one, other in zip(together, itself, strict=True))


def test_an_unworn_picture_is_hardly_touched(photograph: Pixels) -> None:
    levels = np.rint(255 * photograph).astype(np.uint8)
    result = pellucid.load("film").details(levels)
    # Its blades of grass, out of focus, are like creases.
    assert (result.image != levels).any(axis=2).mean() < 0.015
    assert result.facts["damaged"] < 0.01
    assert result.facts["faded"] is None


def test_gray_pictures_stay_gray_and_small_ones_are_taken() -> None:
    model = pellucid.load("film")
    assert model.restore(np.full((17, 9), 0.5, np.float32)).shape == (17, 9)
    assert model.restore(np.zeros((1, 1, 3), np.uint8)).shape == (1, 1, 3)


def test_gray_in_three_channels_gets_no_colours() -> None:
    noise = np.random.default_rng(4).normal(0, 12, (40, 56))
    gray = np.clip(np.rint(np.linspace(60, 180, 56) + noise), 0, 255).astype(np.uint8)
    model = pellucid.load("film")
    output = model.restore(np.dstack([gray] * 3))
    assert (output[..., 0] != gray).any()
    np.testing.assert_array_equal(output, np.dstack([model.restore(gray)] * 3))


@pytest.mark.parametrize("seed", range(6))
def test_rain_snow_and_things_before_the_camera_are_no_damage(seed: int) -> None:
    learning = film_learning.Learning(alone=0.0, unworn=1.0, like=1.0, grain=0.0)
    clean = np.repeat(scene(160, 160, seed)[..., None], 3, axis=2)
    pair = learning.pair(clean[:160, :160], np.random.default_rng(seed))
    assert not pair.clean.any()
    assert pair.image.min() >= 0
    assert pair.image.max() <= 1


def test_what_is_before_the_camera_is_in_every_frame_and_moves() -> None:
    frames = np.full((3, 96, 128, 3), 0.5, np.float32)
    moves = 0
    for seed in range(12):
        made = frames.copy()
        film_learning._draw_in_front(made, [(0, 0)] * 3, np.random.default_rng(seed))
        assert (made != 0.5).any(axis=(1, 2, 3)).all()
        moves += not np.array_equal(made[0], made[1])
    # One of them hardly sways.
    assert moves == 11


def test_settings() -> None:
    settings = FilmSettings()
    assert settings.answer(Shape(4, 5, 3, alpha=False)).channels == 3
    assert settings.beside("damage").answer(Shape(4, 5, 3, alpha=False)).channels == 1
    with pytest.raises(OptionError, match="mask"):
        settings.beside("mask")
    with pytest.raises(OptionError, match="part"):
        film_learning.Learning(part="guess")
