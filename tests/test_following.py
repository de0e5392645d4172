"""Noise taken out over time: more than frame by frame, and no ghosts."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import make
from numpy.typing import NDArray

from pellucid import degradations, diagnosis, following, footage, motion, moving, restorer
from pellucid.diagnosis import Diagnosis
from pellucid.files.clips import Frame
from pellucid.images import Image
from pellucid.maps import Curve
from pellucid.restorer import Restorer
from pellucid.screening import noisy_frames
from pellucid.stages import Known, Line, Moving
from pellucid.tasks import DenoiseSettings, denoise
from pellucid.tasks.settings import ClipSettings
from pellucid.views import View

SIGMA = 25.0

Pixels = NDArray[np.float32]


@pytest.fixture(scope="session")
def model() -> Restorer:
    return restorer.load("photo-fast")


def noisy(frames: Sequence[Any], sigma: float = SIGMA, seed: int = 0) -> list[Pixels]:
    rng = np.random.default_rng(seed)
    return [(frame + rng.normal(0, sigma / 255, frame.shape)).astype(np.float32) for frame in frames]


def variance_of(shape: Sequence[int], sigma: float = SIGMA) -> Pixels:
    """The noise's variance in each cell of a frame (height, width, ...)."""
    height, width = (-(-side // following.HALF) for side in shape[:2])
    return np.full((height, width), (sigma / 255) ** 2, np.float32)


def fused_of(frames: Sequence[Pixels], sigma: float = SIGMA) -> list[following.Fused]:
    past: following.Fused | None = None
    answers = []
    for frame in frames:
        past = following.fuse(frame, variance_of(frame.shape, sigma), past)
        answers.append(past)
    return answers


def rms(one: Any, other: Any) -> float:
    return 255 * float(np.sqrt(np.square(one - other).mean()))


def test_what_stands_still_gathers_light_and_says_how_much(photograph: Any) -> None:
    clean = photograph[:160, :160]
    answers = fused_of(noisy([clean] * 9))
    errors = [rms(each.pixels, clean) for each in answers]
    assert errors[0] == pytest.approx(SIGMA, rel=0.02)
    # Nine frames could give a third at best.
    assert errors[-1] < 0.42 * SIGMA
    stated = following.levels(variance_of((160, 160)), answers[-1])
    assert 0.9 * errors[-1] < stated.mean < 1.3 * errors[-1]
    # The remaining noise is white: neighbouring pixels are uncorrelated.
    left = (answers[-1].pixels - clean)[..., 1]
    across = float((left[:, 1:] * left[:, :-1]).mean() / np.square(left).mean())
    assert abs(across) < 0.05


@pytest.mark.parametrize("step", [(0, 3), (5, -7), (16, 24)])
def test_what_moves_as_a_whole_is_followed(step: tuple[int, int], photograph: Any) -> None:
    down, right = step

    def shown(number: int) -> Any:
        top, left = (200 if down < 0 else 0) + down * number, (300 if right < 0 else 0) + right * number
        return photograph[top : top + 160, left : left + 208]

    frames = [shown(number) for number in range(6)]
    last = fused_of(noisy(frames))[-1]
    # Where the picture was to be seen before.
    inner = slice(30, 130), slice(40, 168)
    assert rms(last.pixels[inner], frames[-1][inner]) < 0.62 * SIGMA


def test_motion_in_parts_of_a_pixel_is_followed(photograph: Any) -> None:
    """Half a pixel of the small frame is one of the large one, whose blocks of two by two it is made of."""

    def shown(number: int) -> Any:
        part = photograph[number : number + 256, number : number + 384]
        return part.reshape(128, 2, 192, 2, 3).mean(axis=(1, 3)).astype(np.float32)

    frames = [shown(number) for number in range(7)]
    given = noisy(frames)
    found = motion.find(given[3].mean(axis=2), frames[2].mean(axis=2), SIGMA / 255 / np.sqrt(3), 0.0)
    assert np.median(found.down) == pytest.approx(0.5, abs=0.1)
    assert np.median(found.right) == pytest.approx(0.5, abs=0.1)
    moved = motion.moved(frames[2].transpose(2, 0, 1), found).transpose(1, 2, 0)
    inner = slice(16, 112), slice(16, 176)
    assert rms(moved[inner], frames[3][inner]) < 0.75 * rms(frames[2][inner], frames[3][inner])
    assert rms(fused_of(given)[-1].pixels[inner], frames[-1][inner]) < 0.6 * SIGMA


@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_a_picture_that_stands_still_is_not_moved_by_noise(noise: float, photograph: Any) -> None:
    """Where there is much to see, too: a fit to noise moves each block a little."""
    clean = photograph[:160, :160].mean(axis=2).astype(np.float32)
    one, other = (clean + np.random.default_rng(seed).normal(0, noise, clean.shape).astype(np.float32) for seed in (1, 2))
    found = motion.find(one, other, noise * np.sqrt(2), noise)
    assert np.count_nonzero(np.hypot(found.down, found.right)) < 0.05 * found.down.size


@pytest.mark.parametrize("fade", [0.97, 1.03])
def test_light_that_fades_is_followed(fade: float, photograph: Any, model: Restorer) -> None:
    frames = [np.clip(0.7 * photograph[:96, :160] * fade**number, 0, 1) for number in range(8)]
    gains = gains_of(frames, model)
    assert min(gains) > -0.1
    assert gains[-1] > 0.7


def gains_of(frames: Sequence[Any], model: Restorer, sigma: float = SIGMA) -> list[float]:
    """How many dB better each frame, rounded to 8 bits, is than one restored by itself; no cut is found."""
    gains = []
    notes: Any = None
    given = [np.rint(255 * np.clip(frame, 0, 1)).astype(np.float32) / 255 for frame in noisy(frames, sigma)]
    curve = Curve(sigma / 255)
    clipping = diagnosis.clipping([given[0]], curve)
    found = Diagnosis("gaussian", gaussian_sigma=sigma, curve=curve, clipping=clipping)
    for number, (frame, pixels) in enumerate(zip(frames, given, strict=True)):
        view = View(tuple(Image(each) for each in (pixels, *given[number + 1 : number + 2])), found=found, looked_ahead=True)
        followed = denoise.follow(view, DenoiseSettings(), notes)
        notes = followed.notes
        alone = rms(model.details(view, DenoiseSettings()).image.pixels, frame)
        gains.append(20 * np.log10(alone / rms(model.details(followed.view, followed.settings).image.pixels, frame)))
    return gains


@pytest.mark.parametrize("shape", [(97, 131), (32, 33), (160, 200)])
def test_a_frame_that_was_foreseen_is_fused_as_one_that_was_not(shape: tuple[int, int], photograph: Any) -> None:
    """A clip that is continued, or begins elsewhere, has looked ahead at other frames, and must have the same bytes."""
    height, width = shape
    frames = noisy([photograph[3 * number :, 2 * number :][:height, :width] for number in range(4)])
    variance = variance_of(shape)
    one: following.Fused | None = None
    two: following.Fused | None = None
    for number, frame in enumerate(frames):
        one, two = (following.fuse(frame, variance, past) for past in (one, two))
        np.testing.assert_array_equal(one.pixels, two.pixels)
        np.testing.assert_array_equal(one.share, two.share)
        if number + 1 < len(frames):
            two = following.foresee(two, frames[number + 1])


def test_motion_is_known_both_ways(photograph: Any) -> None:
    """A camera that grows and pans, and a thing that goes its own way: the way back is near the way there."""
    rows, columns = (np.arange(12)[:, None] - 5.5, np.arange(14)[None] - 6.5)
    grown = motion.Motion(6 + 0.02 * 16 * rows + 0 * columns, -3 + 0.02 * 16 * columns + 0 * rows)
    again = motion.back(grown)
    # Where a block at p was at p + m(p), one at q = p + m(p) comes from q - m(p); m differs by 0.32 pixels from block to block.
    np.testing.assert_allclose(again.down[2:-2, 2:-2], -grown.down[2:-2, 2:-2] / 1.02, atol=0.35)
    np.testing.assert_allclose(again.right[2:-2, 2:-2], -grown.right[2:-2, 2:-2] / 1.02, atol=0.35)
    one, two = (plane[..., 1] for plane in noisy([photograph[:192, :256], photograph[5:197, 11:267]], 10))
    there = motion.find(one, two, 0.055, 0.04)
    found = motion.find(two, one, 0.055, 0.04, near=motion.back(there))
    straight = motion.find(two, one, 0.055, 0.04)
    for near, far in ((found.down, straight.down), (found.right, straight.right)):
        assert np.median(np.abs(near - far)) < 0.05


def test_a_restored_frame_is_settled_by_the_next(photograph: Any) -> None:
    """Errors of both are weighed; what is new, other light and another picture stay where they are."""
    one, two = photograph[10:170, 20:180], photograph[13:173, 22:182]
    given = noisy([one, two])
    fused = following.foresee(fused_of(given[:1])[0], given[1])
    output, after = noisy([one, two], 3.0, seed=1)
    settled = following.settled(output, after, fused)[0]
    assert rms(settled, one) < 0.88 * rms(output, one)
    # A thing that comes from nowhere.
    thing = after.copy()
    thing[60:80, 60:80] = 1 - thing[60:80, 60:80]
    assert rms(following.settled(output, thing, fused)[0], one) < 1.01 * rms(settled, one)
    lighter = following.settled(output, after + np.float32(3 / 255), fused)[0]
    assert abs(255 * float((lighter - settled).mean())) < 0.1
    # It stays in the range, where values reach its ends and light fades, too.
    hard, fading = np.clip(4 * output - 1.5, 0, 1), np.clip(3.6 * after - 1.4, 0, 1)
    ends = following.settled(hard, fading, fused)[0]
    assert not np.array_equal(ends, hard)
    assert ends.min() >= 0
    assert ends.max() <= 1
    other = np.ascontiguousarray(photograph[200:360, 100:260])
    np.testing.assert_array_equal(following.settled(output, other, fused)[0], output)
    # Nobody knows where the last frame's places are in the next.
    np.testing.assert_array_equal(following.settled(output, after, fused_of(given[:1])[0])[0], output)


def test_a_frame_that_stands_still_is_settled_without_a_change_of_the_next_one_that_is_given(photograph: Any) -> None:
    """And the next one gets what this one tells, but not what is new in it."""
    clean = np.ascontiguousarray(photograph[10:170, 20:180])
    later = clean.copy()
    later[60:80, 60:80] = 1 - later[60:80, 60:80]
    given = noisy([clean, later])
    fused = following.foresee(fused_of(given[:1])[0], given[1])
    assert fused.coming is not None
    assert not fused.coming.back.down[:3].any()
    planes = [np.ascontiguousarray(each.transpose(2, 0, 1)) for each in noisy([clean, later], 3.0, seed=1)]
    output, after = (plane.transpose(1, 2, 0) for plane in planes)
    kept = after.copy()
    settled, there = following.settled(output, after, fused)
    np.testing.assert_array_equal(after, kept)
    # Both stay in the range where values reach its ends and light fades.
    ends = following.settled(np.clip(4 * output - 1.5, 0, 1), np.clip(3.6 * after - 1.4, 0, 1), fused)
    for each in ends:
        assert each.min() >= 0
        assert each.max() <= 1
    assert rms(settled, clean) < 0.88 * rms(output, clean)
    assert rms(there, later) < 0.9 * rms(after, later)
    new = np.s_[62:78, 62:78]
    assert rms(there[new], later[new]) < 1.02 * rms(after[new], later[new])


def test_a_raised_strength_takes_more_of_a_clips_noise(photograph: Any, model: Restorer) -> None:
    """Where the stated noise level is too low, a raised strength takes out more; in clips as in pictures."""
    clean = photograph[100:196, 120:280]
    frames = [np.clip(frame, 0, 1) for frame in noisy([clean] * 4)]
    left = []
    for strength in (1.0, 1.5, 2.0):
        settings = DenoiseSettings(sigma=SIGMA / 2, strength=strength)
        left.append(rms(list(footage.each(iter(frames), model, settings))[2], clean))
    assert left[2] < left[1] < 0.8 * left[0]


@pytest.mark.parametrize("sigma", [20.0, 50.0])
def test_no_ghosts(sigma: float, photograph: Any, model: Restorer) -> None:
    """A cut that nobody found, a flash, and a thing of 20 pixels that moves by 40 a frame: no frame is worse than by itself."""
    one, two = photograph[:96, :160], photograph[200:296, 300:460]
    flash = [one] * 3 + [np.clip(0.3 * one + 0.65, 0, 1)] + [one] * 2
    thing = []
    for number in range(5):
        frame = one.copy()
        frame[40:60, 10 + 40 * (number % 4) :][:, :20] = [0.9, 0.2, 0.1]
        thing.append(frame)
    for frames in ([one] * 3 + [two] * 2, flash, thing):
        gains = gains_of(frames, model, sigma)
        assert min(gains) > -0.1
        assert gains[2] > 0.5


@pytest.mark.parametrize("sigma", [20.0, 50.0])
def test_a_smooth_thing_before_a_smooth_scene_is_no_light_that_wanders(sigma: float, model: Restorer) -> None:
    """A large one in another colour that moves by 40 pixels a frame: no frame is worse than by itself."""
    rows, columns = np.mgrid[:128, :192].astype(np.float32)
    slope = (rows / 128 + columns / 192)[..., None] / 2
    clean = np.array([0.8, 0.5, 0.3], np.float32) + np.float32(0.1) * slope * np.array([-1, 1, 1], np.float32)
    frames = []
    for number in range(5):
        frame = clean.copy()
        frame[30:100, 10 + 40 * (number % 4) :][:, :36] = [0.85, 0.95, 0.15]
        frames.append(frame)
    assert min(gains_of(frames, model, sigma)) > -0.1


@pytest.mark.parametrize(("level", "least", "most"), [(0.0, 0.5, 0.6), (10.0, 0.8, 1.0)])
def test_a_smooth_scene_that_is_another_in_each_frame_is_left_alone(level: float, least: float, most: float) -> None:
    """Waves 40 to 90 pixels long, of a fifth of the noise: no place by itself says that they are others, all together do."""
    down, right = np.mgrid[:160, :208]
    lamp = 0.5 + 0.15 * np.sign(np.sin(right / 7))[..., None]
    rng = np.random.default_rng(0)
    past: following.Fused | None = None
    for frame in range(2):
        waves = np.zeros(lamp.shape)
        for angle, length, phase in rng.uniform((0, 40, 0), (6.3, 90, 6.3), (8, 3)):
            waves += 0.5 * np.sin(6.3 / length * (down * np.sin(angle) + right * np.cos(angle)) + phase)[..., None]
        given = noisy([lamp + level / 255 * waves], 50, frame)[0]
        past = following.fuse(given, variance_of(given.shape, 50), past)
    assert past is not None
    assert least < past.share.mean() < most


def test_black_with_noise_on_both_sides_of_it_stays_black(model: Restorer) -> None:
    """Frames whose noise goes beyond black, as those of a camera that is not cut off there."""
    clean = np.full((112, 160, 3), 0.01, np.float32)
    clean[20:60, 40:90] = 0.7
    given = noisy([clean] * 5)
    assert min(frame.min() for frame in given) < -0.2
    made = list(footage.each(iter(given), model, DenoiseSettings(), value_range=(0, 1)))
    assert rms(made[3], clean) < 1.5


def test_noise_that_is_not_white_is_followed_too_and_a_flash_is_none_of_it(photograph: Any) -> None:
    clean = photograph[:112, :160]
    frames = [clean] * 3 + [np.clip(0.3 * clean + 0.65, 0, 1)] + [clean]
    past: following.Fused | None = None
    rng = np.random.default_rng(1)
    variance = variance_of(clean.shape)
    errors = []
    for frame in frames:
        noise = rng.normal(0, 1, (114, 162, 3))
        noise = sum(noise[down : down + 112, right : right + 160] for down in range(3) for right in range(3)) / 3
        past = following.fuse((frame + noise * SIGMA / 255).astype(np.float32), variance, past, white=False)
        errors.append(rms(past.pixels, frame))
    assert errors[2] < 0.75 * errors[0]
    assert errors[3] < 1.02 * errors[0]
    assert errors[4] < 1.02 * errors[0]


def worse_over_time(frames: Sequence[Any], model: Restorer) -> float:
    """By how many dB frames with noise as large as three by three pixels, cut off at black and white, are worse than alone."""
    given = [np.rint(255 * np.clip(frame, 0, 1)).astype(np.uint8) for frame in blotched(frames)]
    return max(losses(given, frames, model))


def losses(given: Sequence[NDArray[np.uint8]], clean: Sequence[Any], model: Restorer) -> list[float]:
    """By how many dB each frame is worse over time than alone."""
    rows = []
    for alone in (True, False):
        made = footage.each(iter(given), model, DenoiseSettings(), alone=alone)
        rows.append([rms(frame / np.float32(255), truth) for frame, truth in zip(made, clean, strict=True)])
    answer: list[float] = (20 * np.log10(np.divide(rows[1], rows[0]))).tolist()
    return answer


def test_one_scene_that_fades_into_another_is_no_noise_that_is_not_white(photograph: Any, model: Restorer) -> None:
    one, other = photograph[:112, :160], photograph[112:0:-1, 160:0:-1]
    assert worse_over_time([(1 - share) * one + share * other for share in np.linspace(0, 1, 6)], model) < 0.1


def test_noise_that_is_not_white_and_is_cut_off_at_black_is_never_worse_over_time(model: Restorer) -> None:
    """The mean of values that are cut off is lighter than the truth, however many frames it is taken over."""
    down, right = np.mgrid[:112, :160]
    dark = 0.1 * np.stack([right, 150 - right, 2 * down], axis=2) / 160
    frames = [np.where(((down - 56) ** 2 + (right - 60 - 2 * at) ** 2 < 900)[..., None], 0.45, dark) for at in range(5)]
    assert worse_over_time(frames, model) < 0.1


@pytest.mark.parametrize("gain", [0.003, 0.01])
def test_a_cameras_noise_in_a_dark_scene_is_not_worse_over_time(gain: float, model: Restorer) -> None:
    """It is cut off in the camera, and red, which is stronger there, is moved farther than the level of all channels says."""
    down, right = np.mgrid[:112, :160]
    dark = 0.16 * np.stack([right + 30, 150 - right, 2 * down], axis=2) / 160
    frames = [np.where(((down - 56) ** 2 + (right - 60 - 4 * at) ** 2 < 400)[..., None], 0.45, dark) for at in range(4)]
    given, clean = noisy_frames([frame.astype(np.float32) for frame in frames], degradations.parse(f"camera:{gain}"), 1)
    assert max(losses(given, clean, model)) < 0.1


def blotched(frames: Sequence[Any]) -> list[Pixels]:
    """The frames with noise that is as large as three by three pixels."""
    rng = np.random.default_rng(1)
    given = []
    for frame in frames:
        height, width = frame.shape[:2]
        noise = rng.normal(0, 1 / 3, (height + 2, width + 2, 3))
        whole = sum(noise[down : down + height, right : right + width] for down in range(3) for right in range(3))
        given.append((frame + whole * SIGMA / 255).astype(np.float32))
    return given


@pytest.mark.parametrize("white", [True, False])
def test_where_no_network_looks_around_the_next_frame_counts_too(white: bool, photograph: Any) -> None:
    """And a flash, a cut or a thing that crosses the picture in it does not."""
    clean = photograph[:112, :160]
    thing = clean.copy()
    thing[40:60, 60:80] = [0.9, 0.2, 0.1]
    others = {"same": clean, "thing": thing, "flash": np.clip(0.3 * clean + 0.65, 0, 1), "cut": photograph[200:312, 300:460]}
    variance = variance_of(clean.shape)
    for name, other in others.items():
        frames = [clean, clean, clean, other]
        given = noisy(frames) if white else blotched(frames)
        past: following.Fused | None = None
        for frame in given[:3]:
            past = following.fuse(frame, variance, past, white=white)
        assert past is not None
        both = following.both_ways(following.foresee(past, given[3], white=white), given[3], variance, white=white)
        assert rms(both.pixels, clean) < {"same": 0.95, "thing": 0.97}.get(name, 1.001) * rms(past.pixels, clean)
        if name == "thing":
            there = slice(40, 60), slice(60, 80)
            assert rms(both.pixels[there], clean[there]) < 1.05 * rms(past.pixels[there], clean[there])


def test_frames_are_left_alone_where_nothing_can_be_gained() -> None:
    rng = np.random.default_rng(0)
    picture = Image(rng.uniform(0, 1, (64, 64, 3)).astype(np.float32))
    gaussian = Diagnosis("gaussian", gaussian_sigma=20, curve=Curve(20 / 255))
    for found in (
        None,
        Diagnosis("clean"),
        Diagnosis("gaussian", gaussian_sigma=1, curve=Curve(1 / 255)),
        Diagnosis("salt-pepper", impulse_density=0.1),
        Diagnosis("jpeg", jpeg_quality=40),
    ):
        view = View((picture,), found=found)
        assert denoise.follow(view, DenoiseSettings(), None).view is view
        assert denoise.follow(view, DenoiseSettings(), None).notes is None
    for settings in (DenoiseSettings(keep_grain=0.5), DenoiseSettings(colour_noise=0.5), DenoiseSettings(descreen=True)):
        view = View((picture,), found=gaussian)
        assert denoise.follow(view, settings, None).view is view
    # A level that is given is as good as one that was measured.
    first = denoise.follow(View((picture,)), DenoiseSettings(sigma=20, strength=0.5), None)
    second = denoise.follow(View((picture,)), DenoiseSettings(sigma=20, strength=0.5), first.notes)
    assert second.settings == DenoiseSettings()
    assert diagnosis.look(second.view).places is not None


def test_a_clip_is_better_than_its_frames_and_resumes_to_the_same_bytes(
    tmp_path: Path, photograph: Any, model: Restorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = np.rint(255 * photograph[:64, :96])
    rng = np.random.default_rng(3)

    def planes(number: int) -> list[Any]:
        grain = np.clip(np.rint(levels + rng.normal(0, SIGMA, levels.shape)), 0, 255).astype(np.uint8)
        return [grain[..., 1], grain[..., 2], grain[..., 0]]

    clip = make(tmp_path / "a.mkv", "ffv1", "gbrp10le", size=(96, 64), count=6, time_base=Fraction(1, 1000), frames=ten(planes))
    settings = DenoiseSettings(sigma=SIGMA)

    def error(name: str, **how: Any) -> float:
        target = tmp_path / f"{name}.mkv"
        footage.restore(clip, target, model, settings, ClipSettings(lossless=True, **how))
        return rms(list(footage.arrays(target))[-1] / 65535 * 1.0, levels / 255)

    alone, followed = error("alone", alone=True), error("followed")
    assert 20 * np.log10(alone / followed) > 1.0
    # Half of the strength is half of the way from the frame as it was.
    half = tmp_path / "half.mkv"
    footage.restore(clip, half, model, DenoiseSettings(sigma=SIGMA, strength=0.5), ClipSettings(lossless=True))
    whole = [list(footage.arrays(path)) for path in (clip, tmp_path / "followed.mkv", half)]
    middle = (whole[0][-1].astype(float) + whole[1][-1]) / 2
    assert np.abs(middle - whole[2][-1]).max() <= 130
    # Each segment looks back at the same frames, whoever made the one before.
    monkeypatch.setattr(footage, "LONGEST", 3)
    one = tmp_path / "one.mkv"
    footage.restore(clip, one, model, settings)

    class StoppedError(Exception):
        pass

    def stop(done: int, count: int | None) -> None:
        if done == 5:
            raise StoppedError

    other = tmp_path / "other.mkv"
    with pytest.raises(StoppedError):
        footage.restore(clip, other, model, settings, told=stop)
    footage.restore(clip, other, model, settings, resume=True)
    assert one.read_bytes() == other.read_bytes()


def test_a_segment_begins_as_if_it_went_on(photograph: Any, model: Restorer) -> None:
    """A frame that stands still gets what the one before it tells, in another segment, too."""
    clean = np.ascontiguousarray(photograph[100:196, 120:280])
    frames = [Image(np.clip(each, 0, 1)) for each in noisy([clean] * 10)]
    line = Line(model, DenoiseSettings(sigma=SIGMA), alone=False)

    def restored(first: int, after: int) -> Any:
        coming = (
            Moving(frames[number], (Frame(number, number, 1, []), frames[number], None))
            for number in range(max(0, first - line.behind()), min(len(frames), after + line.ahead()))
        )
        made = line.over(coming, first, after, Known((0,), len(frames)))
        return [rms(result.image.pixels, clean) for _, result in made]

    whole = restored(0, 10)
    assert len(whole) == 10
    begun = restored(7, 9)
    assert len(begun) == 2
    np.testing.assert_allclose(begun, whole[7:9], rtol=0.01)


def ten(planes: Any) -> Any:
    """Planes of 8 bits as such of 10."""
    return lambda number: [(4 * part.astype(np.uint16) + part // 64).astype(np.uint16) for part in planes(number)]


def test_black_without_noise_is_followed_as_well(photograph: Any) -> None:
    """Photon noise leaves none where there is no light."""
    clean = photograph[:96, :160].copy()
    clean[:, :80] = 0
    rng, curve = np.random.default_rng(0), Curve(gain=1 / 30)
    found = Diagnosis("poisson", poisson_gain=1 / 30, curve=curve)
    notes: Any = None
    for _ in range(4):
        pixels = np.asarray(np.clip(rng.poisson(30 * clean) / 30, 0, 1), np.float32)
        followed = denoise.follow(View((Image(pixels), Image(pixels)), found=found, looked_ahead=True), DenoiseSettings(), notes)
        notes = followed.notes
        assert np.isfinite(followed.view.picture.pixels).all()
        assert followed.view.picture.pixels[:, :70].max() < 0.5 / 255
    assert notes.share.mean() < 0.8


@pytest.mark.parametrize("seed", [2, 5])
def test_a_network_that_looks_around_is_nearer_than_the_filter(seed: int, photograph: Any, model: Restorer) -> None:
    """A camera that moves, and a thing before it; the photograph taught no model."""
    levels = np.asarray(np.rint(255 * photograph), np.uint8)
    rng = np.random.default_rng(seed)
    clean = moving.frames(levels, [moving.cut_out(levels, 60, rng)], 128, 6, rng)
    given = [np.clip(np.rint(255 * frame), 0, 255).astype(np.uint8) for frame in noisy(list(clean), 40, seed)]
    settings = DenoiseSettings(sigma=40)
    errors = {}
    for name, each in (("filter", restorer.load("photo-fast-color")), ("network", model)):
        made = list(footage.each(iter(given), each, settings))
        errors[name] = [rms(frame / 255, truth) for frame, truth in zip(made, clean, strict=True)][2:]
    assert np.mean(np.log10(errors["filter"])) > np.mean(np.log10(errors["network"])) + 0.005
