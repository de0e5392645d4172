"""Faults of a reel as a whole: a gate that wanders while the camera moves, flashes, dyes that have faded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from pellucid import paths, reels, registration, wear
from pellucid.diagnosis import dyes, exposure
from pellucid.images import Pixels
from pellucid.training import fading

COUNT = 64
TIME = np.arange(COUNT)

# Pixels of a frame whose longer side is 352.
CAMERAS = {
    "still": 0.0 * TIME,
    "even": 0.7 * TIME,
    "pan and back": 100 * np.sin(2 * np.pi * 0.8 * TIME / COUNT + 1),
    "starts and stops": 60 * np.clip((TIME - 15) / 30, 0, 1) ** 2 * (3 - 2 * np.clip((TIME - 15) / 30, 0, 1)),
}


def worn_gate(seed: int) -> NDArray[np.float64]:
    """The shifts (n, 2) that `pellucid.wear` makes."""
    frames = np.zeros((COUNT, 8, 8, 3), np.float32)
    return wear.wear(frames, "weave:1", np.random.default_rng(seed)).shift.astype(np.float64)


@pytest.mark.parametrize(("camera", "most"), [("still", 0.1), ("even", 0.5), ("pan and back", 0.6), ("starts and stops", 0.7)])
def test_the_gate_is_parted_from_the_camera(camera: str, most: float) -> None:
    gate = worn_gate(1)
    path = CAMERAS[camera][:, None] + gate + np.random.default_rng(2).normal(0, 0.03, gate.shape)
    left = gate - 352 * paths.unsteady(path / 352)
    assert left.std(axis=0).mean() < most * gate.std(axis=0).mean()
    # Most of what stays is slow, as the camera is.
    assert np.diff(left, axis=0).std() < 0.2 * np.diff(gate, axis=0).std()


def test_what_changes_from_frame_to_frame_is_of_the_gate_however_the_camera_goes() -> None:
    gate = np.random.default_rng(8).normal(0, 1, (COUNT, 2))
    left = {name: gate - 352 * paths.unsteady((camera[:, None] + gate) / 352) for name, camera in CAMERAS.items()}
    assert left["still"].std() < 0.05
    assert max(np.diff(each, axis=0).std() for each in left.values()) < 0.2 * np.diff(gate, axis=0).std()


def test_a_long_reel_takes_no_more_memory_than_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reels, "COLOURS", 40_000)
    rng = np.random.default_rng(0)
    reel = reels.Reel()
    for _ in range(400):
        reel.add(rng.random((24, 32, 3), np.float32))
    kept = [part for part in reel._colours if len(part)]
    assert sum(part.nbytes for part in kept) <= 40_000
    assert all(part.base is None for part in kept)
    # All of its frames have the same say.
    assert len(kept) == 34
    assert max(map(len, kept)) <= 2 * min(map(len, kept))


@pytest.mark.parametrize("camera", list(CAMERAS))
def test_a_steady_camera_goes_its_way(camera: str) -> None:
    path = CAMERAS[camera][:, None] + np.random.default_rng(3).normal(0, 0.02, (COUNT, 1))
    gate = paths.unsteady(path / 352)[:, 0]
    assert not paths.trembles(gate, reels.WANDERS)


def hand(turns: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Pixels that a hand moves a camera by: an oscillation driven by chance, of so many turns in a frame."""
    place, speed, path = 0.0, 0.0, []
    for step in range(4 * (COUNT + 50)):
        speed += 0.25 * (-((2 * np.pi * turns) ** 2) * place - 0.5 * 2 * np.pi * turns * speed) + rng.normal()
        place += 0.25 * speed
        if step % 4 == 0:
            path.append(place)
    made = np.array(path[50:])
    return made * 2 / made.std()


@pytest.mark.parametrize(
    ("turns", "seed", "pan"), [(0.03, 4, 0), (0.06, 4, 0), (0.1, 4, 0), (0.03, 4, 60), (0.06, 4, 60), (0.06, 8, 60), (0.1, 1, 60)]
)
def test_a_hand_that_holds_the_camera_stays(turns: float, seed: int, pan: float) -> None:
    rng = np.random.default_rng(seed)
    path = hand(turns, rng) + rng.normal(0, 0.03, COUNT) + pan * np.clip((TIME - 15) / 18, 0, 1)
    gate = paths.unsteady(path[:, None] / 352)[:, 0]
    assert not paths.trembles(gate, reels.WANDERS)


def test_a_frame_that_was_not_found_stays_and_spoils_no_other() -> None:
    gate = worn_gate(5)[:, :1]
    path = gate.copy()
    path[30] += 25
    found = 352 * paths.unsteady(path / 352)
    assert found[30] == 0
    others = np.delete(gate - found, 30)
    assert others.std() < 0.25 * gate.std()


def test_a_long_scene_is_parted_in_windows_without_seams() -> None:
    rng = np.random.default_rng(6)
    gate = rng.normal(0, 1, (250, 1))
    left = gate - 352 * paths.unsteady(gate / 352)
    assert left.std() < 0.25
    assert np.abs(np.diff(left[:, 0])).max() < 0.25


def test_a_jump_is_for_good_and_a_tremble_is_not() -> None:
    rng = np.random.default_rng(7)
    path = rng.normal(0, 1, (60, 2)) / 352
    path[25:] += 20 / 352
    assert paths.jumps(np.diff(path, axis=0, prepend=path[:1])) == [25]
    path[25:] -= 20 / 352
    path[40] += 20 / 352
    assert paths.jumps(np.diff(path, axis=0, prepend=path[:1])) == []


@pytest.mark.parametrize("camera", [*CAMERAS.values(), 190 * np.sin(2 * np.pi * TIME / 48)])
def test_a_camera_that_goes_faster_and_slower_has_not_jumped(camera: NDArray[np.float64]) -> None:
    for gate in (worn_gate(9), np.zeros((COUNT, 2))):
        path = (camera[:, None] + gate) / 352
        assert paths.jumps(np.diff(path, axis=0, prepend=path[:1])[1:]) == []


def test_the_first_frame_of_a_fast_pan_is_no_jump() -> None:
    path = (20.0 * TIME[:, None] + np.random.default_rng(12).normal(0, 0.15, (COUNT, 2))) / 320
    reel = reels.Reel()
    reel._moves = [(float(down), float(right)) for down, right in np.diff(path, axis=0, prepend=path[:1])]
    reel._doubts, reel._chains = [(0.0, 0.0)] * COUNT, [0] * COUNT
    gate = reel._shifts(0, COUNT)
    assert gate.std() > 0.1 / 320
    np.testing.assert_allclose(gate, paths.unsteady(path), atol=1e-9)


def looked_at(frames: Iterable[Pixels], firsts: Sequence[int] = (0,)) -> NDArray[np.float64]:
    """By how many pixels each frame is to be moved."""
    reel = reels.Reel()
    for frame in frames:
        reel.add(frame)
        side = max(frame.shape)
    return np.array([each.shift for each in reel.entries(firsts)]) * side


def test_a_long_scene_of_a_still_camera_does_not_drift(photograph: Pixels) -> None:
    small, rng = photograph[::3, ::3], np.random.default_rng(10)
    gate = rng.normal(0, 0.4, (60, 2))
    moved = [registration.shifted(small, down, right)[4:-4, 4:-4] for down, right in gate]
    left = gate + looked_at(moved)
    assert left.std(axis=0).max() < 0.12 * gate.std()
    # Nor has the scene before a cut a say.
    other = [rng.random(moved[0].shape)] * 12
    np.testing.assert_array_equal(looked_at([*moved[:12], *other], (0, 12))[12:], 0)


def test_a_place_is_the_more_doubtful_the_less_the_parts_of_a_picture_agree(photograph: Pixels) -> None:
    small, rng = photograph[::2, ::2].mean(axis=2).astype(np.float32), np.random.default_rng(11)
    wide = np.pad(small, ((0, 0), (9, 9)), mode="reflect")

    def doubt(by: float) -> float:
        ways = 2 + np.rint(by * rng.normal(0, 1, 20)).astype(int)
        waved = [wide[10 * row : 10 * row + 10, 9 - way : 9 - way + small.shape[1]] for row, way in enumerate(ways)]
        return registration.held_against(small[:200], np.concatenate(waved))[0].doubt[1]

    assert 4 * doubt(0) < doubt(2)


def clip_of(plane: NDArray[np.float64], grain: float, count: int = 32) -> list[Pixels]:
    """Frames of a plane under a camera that stands still, in 8 bits."""
    rng = np.random.default_rng(13)
    noisy = (np.clip(plane + rng.normal(0, grain, plane.shape), 0, 1) for _ in range(count))
    return [np.float32(np.rint(255 * each) / 255)[..., None] for each in noisy]


@pytest.mark.parametrize(("down", "right"), [(0.5, 0.1), (0.0, 0.4), (0.3, -0.3)])
def test_an_even_slope_does_not_say_where_the_camera_is(down: float, right: float) -> None:
    y, x = np.mgrid[:180, :320] / 320
    reel = reels.Reel()
    for frame in clip_of(0.5 + down * (y - 0.28) + right * (x - 0.5), 0.004):
        reel.add(frame)
    for entry in reel.entries((0,)):
        assert entry.shift == (0, 0)
        assert entry.vignette[0] == 0
        assert entry.level


@pytest.mark.parametrize(("contrast", "blur", "grain"), [(0.006, 3, 0.01), (0.015, 3, 0.04), (0.015, 12, 0.02), (0.045, 12, 0.04)])
def test_grain_before_fog_moves_nothing(contrast: float, blur: float, grain: float) -> None:
    fog = ndimage.gaussian_filter(np.random.default_rng(14).normal(size=(180, 320)), blur)
    frames = clip_of(0.5 + contrast / fog.std() * fog, grain)
    np.testing.assert_array_equal(looked_at(frames), 0)


@pytest.mark.parametrize("grain", [0.0, 0.02, 0.04])
def test_a_soft_picture_says_through_its_grain_where_it_is(photograph: Pixels, grain: float) -> None:
    soft = ndimage.gaussian_filter(photograph[::2, ::2].mean(axis=2, keepdims=True), (2, 2, 0))
    rng = np.random.default_rng(15)
    gate = rng.normal(0, 0.4, (32, 2))
    frames = [registration.shifted(soft, down, right)[4:-4, 4:-4] for down, right in gate]
    left = gate + looked_at([np.float32(frame + rng.normal(0, grain, frame.shape)) for frame in frames])
    assert left.std(axis=0).max() < 0.15 * gate.std()


def test_a_frame_of_which_some_is_no_number_does_not_stop_the_look(photograph: Pixels) -> None:
    small = photograph[::4, ::4]
    spoilt = small.copy()
    spoilt[5:9] = np.nan
    spoilt[20, 20] = np.inf
    np.testing.assert_array_equal(looked_at([small, small, small, spoilt, small, small, small, small, small]), 0)


# -- light --------------------------------------------------------------------------------------------------------------


def test_corners_that_are_darker_are_known_where_the_camera_moves(photograph: Pixels) -> None:
    dark = 1 / reels.corners((0.3, 1.2), 120, 160)[..., None]
    found = []
    for far in (2, 0):
        reel = reels.Reel()
        for place in range(40):
            reel.add(
                photograph[60 + place : 180 + place, far * place : far * place + 160] * dark if far else photograph[:120, :160]
            )
        found.append(reel.entries((0,))[0].vignette[0])
    assert found[0] == pytest.approx(0.3, abs=0.1)
    assert found[1] == 0


def test_a_flash_and_a_fade_are_told_from_the_frames_around_them(photograph: Pixels) -> None:
    small = photograph[::4, ::4]
    light = np.ones(24)
    light[10] = 1.8
    light[16:] *= np.linspace(1, 0.2, 8)
    reel = reels.Reel()
    for factor in light:
        reel.add(np.clip(small * 0.5 * np.float32(factor), 0, 1))
    found = reel.entries((0,))
    assert [number for number, each in enumerate(found) if each.flash] == [10]
    assert all(each.level for each in found)
    np.testing.assert_allclose(np.exp([each.light for each in found]), light, rtol=0.06)


WHITE, BURNT, BLACK = (0.0, 1.0), (3.0, 0.24), (0.0, 0.0)
MOMENTS = {
    "a flash": {7: WHITE},
    "a flash that is burnt in part": {7: BURNT},
    "three in a row": {7: WHITE, 8: WHITE, 9: WHITE},
    "one that fades": {7: WHITE, 8: (2.0, 0.2), 9: (1.5, 0.05)},
    "photographers": {3: WHITE, 5: BURNT, 9: WHITE, 11: WHITE, 14: BURNT},
    "the first frame": {0: WHITE},
    "a black frame": {7: BLACK},
    "two black frames": {7: BLACK, 8: BLACK},
}


def lit(photograph: Pixels, lights: Sequence[tuple[float, float]], gate: NDArray[np.float64], pan: int = 2) -> reels.Reel:
    """A look at frames of 8 bits under a camera that pans by so many pixels a frame, each moved by the gate, times a light and
    more of it everywhere."""
    reel = reels.Reel()
    for number, ((factor, more), (down, right)) in enumerate(zip(lights, gate, strict=True)):
        part = photograph[56:184, pan * number : pan * number + 200]
        frame = registration.shifted(part, down, right)[4:-4, 4:-4]
        reel.add(np.float32(np.rint(255 * np.clip(factor * frame + more, 0, 1)) / 255))
    return reel


@pytest.mark.parametrize("name", MOMENTS)
def test_a_moment_of_light_or_of_black_has_no_say_in_the_frames_around_it(name: str, photograph: Pixels) -> None:
    moments = MOMENTS[name]
    others = [number for number in range(18) if number not in moments]
    lights = [moments.get(number, (1.0, 0.0)) for number in range(18)]
    found = lit(photograph, lights, np.zeros((18, 2))).entries((0,))
    assert all(each.level for each in found)
    assert all(each.shift == (0, 0) for each in found)
    np.testing.assert_allclose([found[number].light for number in others], found[others[-1]].light, atol=0.02)
    flashes = [number for number, light in moments.items() if light != BLACK and number]
    assert [number for number, each in enumerate(found) if each.flash] == flashes
    # Nor in where the gate has left them.
    gate = np.random.default_rng(5).normal(0, 0.5, (18, 2))
    left = gate + 192 * np.array([each.shift for each in lit(photograph, lights, gate).entries((0,))])
    assert left[others].std(axis=0).max() < 0.4 * gate.std()


@pytest.mark.parametrize("other", [WHITE, BLACK, (0.15, 0.0)])
def test_a_strobe_does_not_flicker_and_the_gate_is_known_in_its_light(other: tuple[float, float], photograph: Pixels) -> None:
    gate = np.random.default_rng(5).normal(0, 0.5, (24, 2))
    found = lit(photograph, [other if number % 2 else (1.0, 0.0) for number in range(24)], gate, 0).entries((0,))
    assert all(each.level for each in found)
    left = gate + 192 * np.array([each.shift for each in found])
    assert left[::2].std(axis=0).max() < 0.4 * gate.std()


def test_a_lamp_that_flickers_is_mended_between_flashes(photograph: Pixels) -> None:
    lamp = np.exp(np.random.default_rng(0).normal(0, 0.06, 24))
    moments = {5: WHITE, 9: WHITE, 10: WHITE, 17: BURNT}
    lights = [moments.get(number, (factor, 0.0)) for number, factor in enumerate(lamp)]
    found = lit(photograph, lights, np.zeros((24, 2))).entries((0,))
    left = np.log([np.mean(each.gain) for each in found]) + np.log(lamp)
    assert np.delete(left, list(moments)).std() < 0.3 * np.log(lamp).std()
    assert all(found[number].level for number in moments)


def test_grain_on_nearly_black_frames_is_no_flicker(photograph: Pixels) -> None:
    """And light that is seen to flicker there is."""
    dark, rng = 0.1 * photograph[:120, :160], np.random.default_rng(6)

    def corrected(lights: Sequence[float]) -> bool:
        reel = reels.Reel()
        for light in lights:
            grain = rng.normal(0, 8 / 255, dark.shape)
            reel.add((np.rint(255 * np.clip(light * dark + grain, 0, 1)) / 255).astype(np.float32))
        return any(not each.level for each in reel.entries([0]))

    assert not corrected(np.ones(24))
    assert corrected(np.exp(rng.normal(0, 0.08, 24)))


# -- dyes ---------------------------------------------------------------------------------------------------------------


def faded(values: Pixels, cyan: float) -> Pixels:
    """Values (n, 3, 3) whose dyes have lost so much."""
    worn = wear.wear(values[None], f"fading:{cyan}", np.random.default_rng(0)).frames[0]
    return np.asarray(worn, np.float32)


def test_a_photograph_has_not_faded_and_what_it_has_lost_is_read(photograph: Pixels) -> None:
    values = dyes.sampled(photograph[::2, ::2])
    unworn = dyes.belief([values])
    assert unworn is not None
    assert unworn.chances[0] > reels.UNSURE
    before = 0.0
    for cyan in (0.4, 0.55, 0.7):
        found = dyes.belief([faded(values, cyan)])
        assert found is not None
        assert found.chances.sum() == pytest.approx(1)
        mean = float(found.chances @ dyes.LOSSES)
        assert mean > before
        assert mean == pytest.approx(cyan, abs=0.2)
        before = mean


def test_gray_toned_and_tiny_pictures_have_no_dyes(photograph: Pixels) -> None:
    gray = dyes.sampled(photograph[::2, ::2]).mean(axis=2, keepdims=True)
    for tone in ((1.0, 1.0, 1.0), (0.8, 1.0, 1.3), (1.2, 1.0, 0.9)):
        assert dyes.belief([gray ** np.array(tone, np.float32)]) is None
    assert dyes.belief([gray]) is None
    assert dyes.belief([dyes.sampled(photograph[:10, :10])]) is None
    assert dyes.belief([]) is None
    assert reels.faded([photograph[::4, ::4, :1]]).none


def test_dust_has_no_say(photograph: Pixels) -> None:
    small = photograph[::2, ::2].copy()
    clean = dyes.sampled(small)
    small[::12, ::12] = 1
    np.testing.assert_allclose(dyes.sampled(small), clean, atol=0.15)
    assert np.abs(dyes.sampled(small) - clean).mean() < 0.003


@pytest.mark.parametrize("colour", [(0.9, 0.7, 0.6), (0.6, 0.9, 0.7), (1.0, 1.0, 1.0)])
def test_shade_falls_alike_on_all_channels_and_by_their_powers_on_faded_ones(colour: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(9)
    light = np.exp(rng.uniform(-1.2, -0.1, (900, 3, 1)))
    even = np.asarray(light * np.array(colour), np.float32)
    histogram = slice(0, len(dyes.SLOPES) - 1)
    middle = len(dyes.SLOPES) // 2 - 1
    assert dyes._slopes(even)[histogram][middle] == pytest.approx(1, rel=1e-4)
    # Red to the power of 0.6 beside green to that of 0.88: less by a fifth of both.
    found = dyes._slopes(faded(even, 0.4))[histogram]
    assert dyes.SLOPES[np.argmax(found)] < (0.6 - 0.88) / (0.6 + 0.88) < dyes.SLOPES[np.argmax(found) + 1]


def belief(best: int, sure: float) -> dyes.Belief:
    chances = np.full(len(dyes.LOSSES), (1 - sure) / (len(dyes.LOSSES) - 1))
    chances[best] = sure
    return dyes.Belief(chances, np.array([1, 0.3, 0.6]) * dyes.LOSSES[best])


def test_scenes_of_a_reel_agree_and_one_that_contradicts_keeps_its_own() -> None:
    first, doubtful, other = belief(7, 0.9), belief(7, 0.2), belief(0, 0.999)
    alike = dyes.agreed([first, doubtful, belief(7, 0.8)])
    assert all(int(np.argmax(each.chances)) == 7 for each in alike)
    assert alike[1].chances[7] > doubtful.chances[7]
    apart = dyes.agreed([first, first, other])
    assert apart[2] is other
    assert dyes.agreed([doubtful]) == [doubtful]


def test_made_examples_say_what_was_lost() -> None:
    rng = np.random.default_rng(8)
    values = rng.random((500, 3, 3), np.float32)
    lost = np.array([fading.faded_examples(values, np.random.default_rng(seed))[1] for seed in range(300)])
    faded = lost[:, 0] > 0
    assert 0.4 < faded.mean() < 0.6
    assert (lost[:, 1] <= 0.6 * lost[:, 0] + 1e-9).all()
    assert lost.max() <= fading.LEVELS[1]
    worn, _ = fading.faded_examples(values, np.random.default_rng(1))
    assert worn.shape == values.shape
    assert worn.min() >= 0
    assert worn.max() <= 1


# -- light that changes -------------------------------------------------------------------------------------------------


def reel_of(photograph: Pixels, lost: float, flicker: str, *, grain: float = 0.015) -> reels.Reel:
    """A look at a clip in 8 bits: a camera pans over a photograph that has lost so much cyan, and the light changes before that
    ("exposed") or behind it ("lamp")."""
    rng = np.random.default_rng(11)
    light, found = rng.normal(1, 0.06, 24), reels.Reel()
    for at, factor in enumerate(light):
        frame = 0.85 * photograph[40 + at : 328 + at, 3 * at : 480 + 3 * at][::2, ::2]
        frame = frame * factor if flicker == "exposed" else frame
        frame = wear.wear(frame[None], f"fading:{lost}", rng).frames[0] if lost else frame
        frame = frame * factor if flicker == "lamp" else frame
        found.add((np.rint(255 * np.clip(frame + rng.normal(0, grain, frame.shape), 0, 1)) / 255).astype(np.float32))
    return found


@pytest.mark.parametrize(("lost", "flicker"), [(0.2, "exposed"), (0.4, "exposed"), (0.7, "exposed"), (0.4, "lamp"), (0, "lamp")])
def test_light_that_has_changed_before_fading_shows_the_powers_of_the_channels(
    lost: float, flicker: str, photograph: Pixels
) -> None:
    found = exposure.powers_of(np.stack(reel_of(photograph, lost, flicker)._changes))
    assert found is not None
    powers = 1 - lost * np.array([1, 0.3, 0.6]) if flicker == "exposed" else np.ones(3)
    np.testing.assert_allclose(found.logs, np.log(powers[[0, 2]] / powers[1]), atol=0.02)
    assert (found.errors < 0.05).all()


def test_changes_in_exactly_one_ratio_show_it() -> None:
    for seed in range(20):
        size = np.random.default_rng(seed).normal(0, 0.05, (24, 12, 1))
        for ratio in (np.ones(3), np.array([0.6, 0.9, 0.8])):
            with np.errstate(all="raise"):
                found = exposure.powers_of((size * ratio).astype(np.float32))
            assert found is not None
            np.testing.assert_allclose(found.logs, np.log(ratio[[0, 2]] / ratio[1]), atol=1e-4)
            assert np.isfinite(found.errors).all()


def test_a_picture_that_fades_to_a_coloured_screen_has_no_faded_dyes() -> None:
    chances = 0.22 * dyes.chances_of(-np.square((dyes.LOSSES - 0.4) / 0.2) / 2)
    chances[0] = 0.78
    belief = dyes.Belief(chances / chances.sum(), np.array([0.4, 0.12, 0.24]))
    # As measured in one that fades to blue.
    powers = exposure.Powers(np.array([-0.92, -1.1]), np.array([0.185, 0.1]))
    assert exposure.weighed(belief, powers)[0].chances[0] > 0.5
    # Changes that are hardly in one ratio.
    rng = np.random.default_rng(0)
    changes = rng.normal(0, 0.05, (24, 12, 1)) * np.array([0.6, 0.9, 0.8])
    assert exposure.powers_of(changes + rng.normal(0, 0.018, (24, 12, 3))) is None


def test_light_that_does_not_change_says_nothing_of_powers(photograph: Pixels) -> None:
    assert exposure.powers_of(np.stack(reel_of(photograph, 0.4, "none")._changes)) is None
    assert exposure.powers_of(np.full((12, 12, 3), np.nan)) is None
    assert exposure.powers_of(np.random.default_rng(0).normal(0, 0.05, (24, 12, 3))) is None


@pytest.mark.parametrize("lost", [0.2, 0.45])
def test_a_clip_whose_light_changes_says_how_far_it_has_faded(lost: float, photograph: Pixels) -> None:
    fading = reel_of(photograph, lost, "exposed").entries([0])[0].fading
    assert fading.exposed
    np.testing.assert_allclose(fading.power, 1 - lost * np.array([1, 0.3, 0.6]), atol=0.025)


@pytest.mark.parametrize("flicker", ["exposed", "lamp"])
def test_a_clip_that_has_not_faded_stays_however_its_light_changes(flicker: str, photograph: Pixels) -> None:
    assert reel_of(photograph, 0, flicker).entries([0])[0].fading.none


def test_a_lamp_that_flickers_says_nothing_of_fading_and_coloured_light_little() -> None:
    network = dyes.Belief(dyes.chances_of(-np.square((dyes.LOSSES - 0.4) / 0.1) / 2), np.array([0.4, 0.12, 0.24]))
    errors = np.full(2, 0.01)
    same, exposed = exposure.weighed(network, exposure.Powers(np.zeros(2), errors))
    assert exposed < 0.1
    assert same.chances @ dyes.LOSSES == pytest.approx(0.4, abs=0.02)
    np.testing.assert_allclose(same.dyes, network.dyes, atol=0.03)
    # No film fades so: more of blue is gone than of red.
    blue, exposed = exposure.weighed(network, exposure.Powers(np.array([0.05, -0.3]), errors))
    assert exposed < 0.1
    assert blue.chances @ dyes.LOSSES == pytest.approx(0.4, abs=0.02)
    sure = dyes.Belief(np.array([0.999, *np.full(16, 0.001 / 16)]), np.array([0.2, 0.06, 0.12]))
    assert exposure.weighed(sure, exposure.Powers(np.array([-0.2, 0.1]), errors))[0].chances[0] > 0.9
