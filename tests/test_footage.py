"""Clips from the shell, from Python and in folders; scenes and their noise."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import COUNT, HEIGHT, WIDTH, Sound, make, planes, told
from PIL import Image as PillowImage

import pellucid
from pellucid import cli, diagnosis, footage, images, plan, restorer, scenes
from pellucid.errors import FileError, ImageError, OptionError
from pellucid.files import clips
from pellucid.maps import Curve
from pellucid.restorer import Restorer
from pellucid.tasks import CutoutSettings, DenoiseSettings
from pellucid.tasks.settings import ClipSettings


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames with Gaussian noise of level 15 in luma alone, and sound."""
    rng = np.random.default_rng(5)

    def noisy(number: int) -> list[Any]:
        luma, *rest = planes(number)
        return [np.clip(np.rint(luma + rng.normal(0, 15, luma.shape)), 0, 255).astype(np.uint8), *rest]

    return make(
        tmp_path_factory.mktemp("clips") / "a.mkv", "ffv1", frames=noisy, time_base=Fraction(1, 1000), sounds=[Sound("flac")]
    )


def luma_of(path: Path) -> list[Any]:
    return [frame.planes[0].astype(float) for frame in clips.frames(clips.look(path))]


def error(path: Path) -> float:
    return float(np.mean([np.square(made - planes(number)[0]).mean() for number, made in enumerate(luma_of(path))]))


def test_the_command_takes_a_clip(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "b.mkv"
    assert cli.main(["denoise", str(clip), "-o", str(out), "--model", "photo-fast", "--lossless", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["frames"], line["pages"], line["width"], line["error"]) == (COUNT, 1, WIDTH, None)
    assert 8 < line["sigma"] < 20
    # Most of the noise is gone, and all else as it was.
    assert error(out) < 0.2 * error(clip)
    assert told(out) == told(clip)
    assert cli.main(["denoise", str(clip), "-o", str(out)]) == 1
    assert "exists; --force overwrites it" in capsys.readouterr().err
    # The default name, with a part and another ending.
    beside = tmp_path / "c.mp4"
    make(beside, count=4)
    assert cli.main(["denoise", str(beside), "--sigma", "0", "--lossless", "--end", "0.08"]) == 0
    assert capsys.readouterr().out.startswith(f"{beside} -> {tmp_path / 'c.clean.mkv'}: 64x48, 2 frames, ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--start", "0:10", "--end", "5"], "--end 5 is not after --start 0:10"),
        (["--end", "soon"], "time 'soon' is not of the form"),
        (["--codec", "fax"], "codec 'fax' is not one of h264"),
        (["--quality", "101"], "quality must be a number from 0 to 100"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], words: str, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = 0
    try:
        status = cli.main(["denoise", str(clip), "-o", "x.mkv", *arguments])
    except SystemExit as ended:
        status = int(str(ended.code))
    assert status == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_of_pictures_and_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    make(folder / "clip.mp4", count=3)
    (folder / "bad.mp4").write_bytes(b"no clip")
    PillowImage.fromarray(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)).save(folder / "still.png")
    run = ["denoise", str(folder), "-o", f"{out}/", "--sigma", "0", "--json"]
    assert cli.main(run) == 1
    lines = {Path(line["input"]).name: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {name: line["error"] is None for name, line in lines.items()} == {"bad.mp4": False, "clip.mp4": True, "still.png": True}
    assert {path.name for path in out.iterdir()} == {".pellucid.jsonl", "clip.mp4", "still.png"}
    # Once more: what is done stays, unless the settings are others.
    assert cli.main([*run, "--resume"]) == 1
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {Path(line["input"]).name for line in again if line["skipped"]} == {"clip.mp4", "still.png"}
    assert cli.main([*run, "--resume", "--quality", "70"]) == 1
    assert "was not made from this picture with these settings" in capsys.readouterr().out
    # A clip is resumed without a folder; a picture is not.
    assert cli.main(["denoise", str(folder / "clip.mp4"), "-o", str(tmp_path / "x.mp4"), "--sigma", "0", "--resume"]) == 0
    assert cli.main(["denoise", str(folder / "still.png"), "-o", str(tmp_path / "x.png"), "--sigma", "0", "--resume"]) == 2


def test_python_takes_clips_and_frames(clip: Path, tmp_path: Path) -> None:
    out = pellucid.denoise(clip, out=tmp_path / "b.mkv", model="photo-fast", clip=pellucid.ClipSettings(lossless=True, end="0.2"))
    assert out == tmp_path / "b.mkv"
    assert len(told(out)["frames"]) == 5
    frames = list(footage.arrays(clip))
    assert [(frame.shape, frame.dtype.name) for frame in frames] == [((HEIGHT, WIDTH, 3), "uint8")] * COUNT
    # Frames in, frames out, as they are asked for; and a path alone gives them, too.
    given: list[int] = []

    def counted() -> Any:
        for number, frame in enumerate(frames):
            given.append(number)
            yield frame

    restored = pellucid.denoise(counted(), model="photo-fast")
    first = next(restored)
    assert given == [0]
    assert (first.shape, first.dtype) == (frames[0].shape, frames[0].dtype)
    (alone,) = list(pellucid.denoise(str(clip), model="photo-fast", clip=ClipSettings(end="0.01")))
    assert (alone == first).all()
    with pytest.raises(OptionError, match="write them with your own encoder"):
        pellucid.denoise(iter(frames), out="x.mp4")
    # A picture is written, too.
    picture = tmp_path / "still.png"
    assert pellucid.denoise(frames[0], sigma=0, out=picture) == picture
    assert (np.asarray(PillowImage.open(picture)) == frames[0]).all()


def test_other_tasks_take_clips(tmp_path: Path) -> None:
    gray = make(tmp_path / "gray.mkv", "ffv1", "gray", count=2, time_base=Fraction(1, 1000))
    colour = make(tmp_path / "colour.mp4", count=2)
    large = tmp_path / "large.mkv"
    pellucid.upscale(colour, scale=2, noise="keep", out=large, clip=ClipSettings(lossless=True))
    assert told(large)["seen"][:2] == (2 * WIDTH, 2 * HEIGHT)
    assert told(large)["frames"] == [0, 40]
    coloured = tmp_path / "coloured.mkv"
    pellucid.colorize(gray, out=coloured, clip=ClipSettings(lossless=True))
    assert clips.look(coloured).pixels == "yuv420p"
    # The light is kept to the level, in the full range that gray has.
    assert max(np.abs(one - other).max() for one, other in zip(luma_of(coloured), luma_of(gray), strict=True)) <= 2
    mask = tmp_path / "mask.mkv"
    pellucid.cutout(colour, alpha_only=True, out=mask, clip=ClipSettings(lossless=True))
    assert (clips.look(mask).pixels, clips.look(mask).layout.full, clips.look(mask).colours[0]) == ("gray", True, 2)
    model = restorer.load("cutout")
    for settings, words in (
        (CutoutSettings(), "without transparency; choose a background, or the mask alone"),
        (CutoutSettings(crop=True, alpha_only=True), "all frames of a clip have one size"),
    ):
        with pytest.raises(OptionError, match=words):
            footage.restore(colour, tmp_path / "x.mkv", model, settings)


@pytest.mark.parametrize(("stated", "full"), [(0, True), (1, False), (2, True)])
def test_gray_has_all_values_unless_its_file_says_otherwise(stated: int, full: bool, tmp_path: Path) -> None:
    ramp = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    clip = make(tmp_path / "a.mkv", "ffv1", "gray", frames=lambda _: [ramp], count=2, colours=(stated, 2, 2, 2))
    pixels = next(footage.arrays(clip)).astype(float)
    assert np.abs(pixels - (ramp if full else np.clip((ramp - 16.0) * 255 / 219, 0, 255))).max() <= 0.5
    # In colour each value looks as it did.
    out = tmp_path / "b.mkv"
    pellucid.colorize(clip, out=out, saturation=0, clip=ClipSettings(lossless=True))
    shown = next(footage.arrays(out)).astype(float)
    assert np.abs(shown - pixels[..., None]).max() <= 2


def fading(number: int) -> list[Any]:
    """Planes of a frame that is transparent at the left and opaque at the right; the third is opaque."""
    alpha = np.tile(np.linspace(-80, 330, WIDTH).clip(0, 255).astype(np.uint8), (HEIGHT, 1))
    return [*planes(number, "yuv444p"), np.full_like(alpha, 255) if number == 2 else alpha]


def test_a_transparent_clip_is_cut_out_as_transparent_pictures_are(tmp_path: Path) -> None:
    clip = make(tmp_path / "a.mkv", "ffv1", "yuva444p", frames=fading, count=3, time_base=Fraction(1, 1000))
    model = restorer.load("cutout")
    given = [frame.planes for frame in clips.frames(clips.look(clip))]
    alpha = given[0][3]

    def cut(pixels: str, end: str | None = None, **how: Any) -> tuple[footage.Footage, list[Any]]:
        out = tmp_path / f"{len(list(tmp_path.iterdir()))}.mkv"
        done = footage.restore(clip, out, model, CutoutSettings(**how), ClipSettings(lossless=True, end=end))
        assert clips.look(out).pixels == pixels
        return done, [frame.planes for frame in clips.frames(clips.look(out))]

    done, kept = cut("yuva444p")
    assert any("transparent already" in line for line in done.remarks)
    for one, other in zip(given, kept, strict=True):
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    _, masks = cut("gray", alpha_only=True)
    for one, mask in zip(given, masks, strict=True):
        assert (mask[0] == one[3]).all()
    _, red = cut("yuv444p", background="red")
    for one, other in zip(given, red, strict=True):
        for before, after, behind in zip(one, other, (81, 90, 240), strict=False):
            assert (after == before)[one[3] == 255].all()
            assert np.abs(after[one[3] == 0].astype(int) - behind).max(initial=0) <= 1
    # Cut out anew: never more than there was, as of the picture.
    _, anew = cut("yuva444p", "0.04", again=True)
    colours = next(footage.arrays(clip))
    still = pellucid.cutout(np.dstack([colours, alpha]), again=True)
    assert np.abs(anew[0][3].astype(int) - still[..., 3]).max() <= 2
    # An enlargement has its alpha.
    large = tmp_path / "large.mkv"
    pellucid.upscale(clip, scale=2, noise="keep", out=large, clip=ClipSettings(lossless=True, end="0.04"))
    plane = next(clips.frames(clips.look(large))).planes[3]
    assert plane.shape == (2 * HEIGHT, 2 * WIDTH)
    assert np.abs(plane[::2, ::2].astype(int) - alpha).max() <= 5


def test_an_output_that_cannot_be_is_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make(tmp_path / "a.mp4", count=2)
    out, damage = tmp_path / "b.mkv", tmp_path / "damage.webm"
    assert cli.main(["film", str(clip), "-o", str(out), "--damage", str(damage)]) != 0
    assert "does not hold gray" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [clip]
    counted: list[int] = []
    model = restorer.load("film")
    with pytest.raises(FileError, match="does not hold gray"):
        footage.restore(clip, damage, model, model.settings(show_damage=True), told=lambda done, count: counted.append(done))
    assert not counted


# -- scenes -----------------------------------------------------------------------------------------------------------


def cuts_of(frames: list[Any]) -> tuple[int, ...]:
    cuts = scenes.Cuts()
    for frame in frames:
        cuts.add(scenes.thumbnail(frame, 255))
    return cuts.firsts


def test_cuts_are_found_and_flashes_and_motion_are_none(photograph: Any) -> None:
    whole = np.rint(255 * photograph[..., 1])
    rng = np.random.default_rng(2)
    one, two = whole[:200], whole[200:]

    def pan(image: Any, count: int, step: int) -> list[Any]:
        return [image[:, step * n : step * n + 300] + rng.normal(0, 20, (200, 300)) for n in range(count)]

    assert cuts_of(pan(one, 10, 4) + pan(two, 10, 4)) == (0, 10)
    assert cuts_of(pan(one, 20, 15)) == (0,)
    flash = pan(one, 20, 2)
    flash[9] = np.clip(flash[9] * 0.3 + 170, 0, 255)
    assert cuts_of(flash) == (0,)
    # Brightness that jumps up and down is no cut; nor is a thing of 20 pixels that crosses in a few frames.
    assert cuts_of([frame * (0.8 + 0.2 * (n % 2)) for n, frame in enumerate(pan(one, 12, 2))]) == (0,)
    crossing = pan(one, 12, 0)
    for n, frame in enumerate(crossing):
        frame[80:100, 40 * n % 280 :][:, :20] = 250
    assert cuts_of(crossing) == (0,)
    assert scenes.thumbnail(np.zeros((1, 7)), 255).shape == (1, 7)


def test_levels_follow_what_is_measured_without_jumps() -> None:
    def gaussian(level: float) -> diagnosis.Diagnosis:
        return diagnosis.Diagnosis("gaussian", gaussian_sigma=level, curve=Curve(level / 255))

    # A clean frame among noisy ones does not turn the noise off; a level that is wrong once has no say.
    samples = [
        (0, gaussian(10)),
        (48, gaussian(10.2)),
        (96, diagnosis.Diagnosis("clean")),
        (144, gaussian(25)),
        (192, gaussian(10)),
    ]
    levels = scenes.Levels(tuple(samples))
    found = [levels.at(number) for number in range(200)]
    assert {each.kind for each in found} == {"gaussian"}
    sigmas = np.array([each.sigma for each in found])
    assert 9.5 < sigmas.min() <= sigmas.max() < 11
    # Noise that grows slowly is followed.
    rising = scenes.Levels(tuple((48 * n, gaussian(10 + 5 * n)) for n in range(5)))
    sigmas = np.array([rising.at(number).sigma for number in range(193)])
    assert sigmas[0] < 13 < 27 < sigmas[-1]
    assert np.abs(np.diff(sigmas)).max() < 1.2
    # Each scene has its own; one without a measurement that of the nearest.
    first, second, third = scenes.levels_of([(0, gaussian(5)), (60, gaussian(30))], (0, 30, 50))
    assert (first.at(3).sigma, second.at(31).sigma, third.at(70).sigma) == (pytest.approx(5), pytest.approx(5), pytest.approx(30))


@pytest.mark.parametrize("level", [5.0, 12.0])
def test_two_frames_say_how_strong_grain_is_where_one_cannot(photograph: Any, level: float) -> None:
    rng = np.random.default_rng(3)

    def grainy(top: int, left: int) -> Any:
        noise = rng.normal(0, 1, (258, 322, 3))
        noise = (noise[:-2] + noise[1:-1] + noise[2:])[:256]
        noise = (noise[:, :-2] + noise[:, 1:-1] + noise[:, 2:]) / 3 * level / 255
        return images.from_array(np.clip(photograph[top : top + 256, left : left + 320] + noise, 0, 1).astype(np.float32))

    def found(sigma: float, kind: str = "correlated") -> diagnosis.Diagnosis:
        return diagnosis.Diagnosis(kind, correlated=sigma, curve=Curve(sigma / 255))

    one, two = grainy(20, 30), grainy(23, 37)
    raised = scenes.beside(found(0.4 * level), one, two)
    assert raised.sigma == pytest.approx(level, rel=0.12)
    assert raised.correlated == pytest.approx(raised.sigma)
    # It is never lowered: a codec may have copied the noise. Nor is another picture a measure of it, another size, or white noise.
    for left in (found(0.95 * level), found(3 * level), found(0.4 * level, "gaussian")):
        assert scenes.beside(left, one, two) is left
    for other in (one, grainy(144, 288), images.from_array(photograph[:200, :300])):
        assert scenes.beside(few := found(0.4 * level), one, other) is few


def test_the_level_of_grain_does_not_jump_where_it_is_measured_anew(photograph: Any) -> None:
    rng = np.random.default_rng(5)
    follower, found = scenes.Follower(), []
    for number in range(52):
        part = photograph[number % 2 : 192 + number % 2, :256] if number in (0, 1, 48, 49) else photograph[:192, :256]
        if number in (0, 1, 48, 49):
            noise = rng.normal(0, 1, (194, 258, 3))
            noise = (noise[:-2] + noise[1:-1] + noise[2:])[:192]
            part = np.clip(part + (noise[:, :-2] + noise[:, 1:-1] + noise[:, 2:]) / 3 * 8 / 255, 0, 1)
        picture = images.from_array(np.ascontiguousarray(part, dtype=np.float32))
        small = scenes.thumbnail(np.asarray(part[..., 1], np.float32), 1.0)
        found.append(follower.of(picture, small))
    levels = [each.sigma for each in found if each is not None][1:]
    assert max(levels) < 1.15 * min(levels)


def test_noise_is_measured_at_the_beginning_of_each_scene_and_now_and_then() -> None:
    # 1 and 5 were taken for cuts when they came; 60 is a cut that was found at once, 91 one that was found later.
    assert scenes.spread((0, 1, 5, 53, 60, 108), (0, 60, 91), 120) == (0, 53, 60, 108)
    # No next frame was held against the last one of a scene.
    assert scenes.spread((0, 48, 49), (0, 49), 50) == (0, 49)


def test_the_level_is_one_for_a_scene_so_that_nothing_flickers(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = restorer.load("photo-fast")
    levels = []
    kept = Restorer.details

    def watched(*given: Any) -> Any:
        result = kept(*given)
        levels.append(result.sigma)
        return result

    monkeypatch.setattr(Restorer, "details", watched)
    footage.restore(clip, tmp_path / "b.mkv", model, DenoiseSettings(strength=0.5), ClipSettings(end="0.2"))
    assert len(levels) == 5
    assert len(set(levels)) == 1


def test_chains_and_masks_take_clips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = make(tmp_path / "a.mkv", "ffv1", count=2, time_base=Fraction(1, 1000))
    out = tmp_path / "large.mkv"
    assert cli.main(["run", "denoise:sigma=10:model=photo-fast+upscale:noise=keep", str(clip), "-o", str(out), "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["width"], line["frames"]) == (2 * WIDTH, 2)
    assert line["steps"][0]["model"] == "photo-fast-color"
    # Where the mask is black nothing changes, to the bit.
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[:, WIDTH // 2 :] = 255
    PillowImage.fromarray(mask).save(tmp_path / "mask.png")
    half = tmp_path / "half.mkv"
    run = ["denoise", str(clip), "-o", str(half), "--model", "photo-fast", "--sigma", "20", "--mask", str(tmp_path / "mask.png")]
    assert cli.main(run) == 0
    for before, after in zip(luma_of(clip), luma_of(half), strict=True):
        assert (before[:, : WIDTH // 2] == after[:, : WIDTH // 2]).all()
        assert (before[:, WIDTH // 2 :] != after[:, WIDTH // 2 :]).any()


FRAMES = (np.linspace(100, 900, 64) + np.random.default_rng(2).normal(0, 30, (4, 48, 64))).clip(0, 1023).astype(np.uint16)
"""Counts of 10 bits: a ramp from left to right, in noise."""


def rough(frame: Any) -> float:
    """The strength of the noise from above to below."""
    return float(np.diff(frame.astype(float), axis=0).std())


def test_masked_frames_keep_their_masks_and_what_lies_under_them_has_no_say() -> None:
    mask = np.zeros(FRAMES.shape, bool)
    mask[:, 10:20, 10:20] = True
    found = []
    for under in (0, 60000):
        stack = np.ma.MaskedArray(np.where(mask, under, FRAMES).astype(np.uint16), mask)
        with pytest.warns(pellucid.RangeWarning, match="white 1023"):
            found.append(list(pellucid.denoise(iter(stack), model="photo-fast", sigma=10)))
        for output, given in zip(found[-1], stack, strict=True):
            assert (output.mask == given.mask).all()
            assert (output.data[given.mask] == under).all()
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.compressed(), other.compressed())
        assert rough(one) < 0.5 * rough(FRAMES[0])


def test_a_level_that_is_given_is_not_estimated(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv", count=4, time_base=Fraction(1, 1000))
    done = footage.restore(source, tmp_path / "b.mkv", restorer.load("photo-fast"), DenoiseSettings(sigma=15))
    assert (done.facts["sigma"], done.facts["estimated"]) == (15, False)
    assert not done.facts.get("saw")


def test_what_frames_say_is_said_once_of_the_clip(tmp_path: Path) -> None:
    headers = [{"remarks": [["not sure (0.43)", 2], ["turned", 3]]}, {"remarks": [["not sure (0.2)", 1], ["turned", 2]]}]
    assert list(footage._of_frames(headers, 5)) == ["3 of 5 frames: not sure (0.43)", "turned"]
    flat = [np.full((HEIGHT, WIDTH), 128, np.uint8), *(np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8) for _ in range(2))]
    source = make(tmp_path / "a.mp4", frames=lambda number: flat, count=3)
    # Nothing is sure enough for this.
    done = footage.restore(source, tmp_path / "b.mp4", restorer.load("cutout"), CutoutSettings(background="red", sure=1))
    assert any("nothing to cut out" in line or "not sure" in line for line in done.remarks)


def test_a_quality_is_refused_where_there_is_none() -> None:
    with pytest.raises(OptionError, match="--lossless changes no value: leave --quality out"):
        footage.check(ClipSettings(lossless=True, quality=5))


def test_frames_of_another_size_or_dtype_are_one_clear_line() -> None:
    first = np.zeros((20, 24, 3), np.uint8)
    for other in (first[1:], first[..., 0], first.astype(np.uint16)):
        with pytest.raises(
            ImageError, match=r"^frame 1 is an array .* of uint\d+, and those before it are \(20, 24, 3\) of uint8: "
        ):
            list(pellucid.denoise(iter([first, other]), model="photo-fast"))


def test_frames_take_a_range_and_may_come_in_one_buffer() -> None:
    def coming(into: Any) -> Any:
        for frame in FRAMES:
            into[...] = frame
            yield into

    how: dict[str, Any] = {"model": "photo-fast", "sigma": 10, "range": (0, 4095)}
    alone = list(pellucid.denoise((frame.copy() for frame in FRAMES), **how))
    buffered = list(pellucid.denoise(coming(FRAMES[0].copy()), **how))
    np.testing.assert_array_equal(alone, buffered)
    assert rough(alone[0]) < 0.7 * rough(FRAMES[0])
    with pytest.raises(OptionError, match="axes are for stacks"):
        pellucid.denoise(iter(FRAMES), axes="YX")


def test_an_output_that_is_no_clip_is_told_the_endings_of_clips(tmp_path: Path) -> None:
    source = make(tmp_path / "a.mkv", "ffv1", count=2)
    for name in ("x.gif", "x.png"):
        with pytest.raises(FileError, match=r"a clip is not written under the ending '\.(gif|png)'; use one of .*\.mp4") as told:
            plan.plan([source], tmp_path / name)
        assert ".tif" not in str(told.value)
    # A picture is told those of pictures.
    PillowImage.new("L", (16, 16)).save(tmp_path / "a.png")
    with pytest.raises(FileError, match=r"GIF is only read; to write, use one of \.png, "):
        plan.plan([tmp_path / "a.png"], tmp_path / "x.gif")
