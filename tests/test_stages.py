"""Several steps over a clip in one go: what each step sees of the frames around it, and its steps one by one."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import make

import pellucid
from pellucid import chains, diagnosis, footage, memory, restorer, stages, steps, windows
from pellucid.errors import MemoryShort, OptionError
from pellucid.files import clips
from pellucid.restorer import Restorer
from pellucid.tasks.settings import ClipSettings
from pellucid.views import View

COUNT = 4
LOSSLESS = ClipSettings(lossless=True)
AMPLIFIED = 0.5
"""Levels of 255 by which outputs differ on average where inputs differ by 16-bit rounding, at most: networks of 8 bits take a value
to the next one, or not, and that is seen (0.24 to 0.30 here)."""


@pytest.fixture(scope="module")
def worn(tmp_path_factory: pytest.TempPathFactory, photograph: Any) -> Path:
    """Gray frames of 16 bits that move, with noise of level 9, light that flickers, and a scratch in one of them."""
    gray = 16 + 219 * (0.9 * photograph.mean(axis=2) + 0.04)

    def planes(number: int) -> list[Any]:
        part = gray[10 + number : 58 + number, 20 + 2 * number : 84 + 2 * number] * (1 + 0.03 * np.sin(number))
        levels = np.clip(part + np.random.default_rng(number).normal(0, 9, part.shape), 16, 235)
        if number == 1:
            levels[:, 30:32] = 235
        return [np.rint(levels * 256).astype(np.uint16)]

    folder = tmp_path_factory.mktemp("worn")
    return make(folder / "a.mkv", "ffv1", "gray16le", size=(64, 48), count=COUNT, time_base=Fraction(1, 1000), frames=planes)


def lumas(path: Path) -> Any:
    """The frames' light in levels of 255."""
    return np.stack([frame.planes[0] / np.float64(256) for frame in clips.frames(clips.look(path))])


def done(source: Path, target: Path, text: str, **how: Any) -> footage.Footage:
    chosen = steps.parse(text)
    return footage.restore(source, target, chains.load(chosen), chosen, LOSSLESS, **how)


def by_hand(source: Path, folder: Path, text: str) -> tuple[Path, list[dict[str, Any]]]:
    """The last clip of the steps one by one, through lossless clips of 16 bits, and the facts of all."""
    facts = []
    for number, step in enumerate(steps.parse(text).steps):
        target = folder / f"by-hand-{number}.mkv"
        facts.append(footage.restore(source, target, restorer.load(step.model), step.settings, LOSSLESS).facts)
        source = target
    return source, facts


def test_mended_and_denoised_at_once_is_as_one_after_the_other(worn: Path, tmp_path: Path) -> None:
    text = "film+denoise:model=photo-fast"
    at_once = done(worn, tmp_path / "at-once.mkv", text)
    last, facts = by_hand(worn, tmp_path, text)
    apart = np.abs(lumas(tmp_path / "at-once.mkv") - lumas(last))
    assert apart.mean() < AMPLIFIED
    # The scratch is found by the frames around it, in both; so are the light and the noise that mending leaves.
    film, denoised = (each["facts"] for each in at_once.facts["steps"])
    assert film == facts[0]
    assert denoised["sigma"] == pytest.approx(facts[1]["sigma"], rel=0.01)
    assert (at_once.frames, at_once.model) == (COUNT, "film-find+photo-fast-gray")


def test_a_step_that_does_nothing_changes_nothing_of_the_next(worn: Path, tmp_path: Path) -> None:
    # The second one measures, and takes from the frames before, what it would alone: to the bit.
    done(worn, tmp_path / "both.mkv", "denoise:sigma=0:model=photo-fast+denoise:model=photo-fast")
    done(worn, tmp_path / "one.mkv", "denoise:model=photo-fast")
    footage.restore(worn, tmp_path / "alone.mkv", restorer.load("photo-fast"), how=ClipSettings(lossless=True, alone=True))
    assert (lumas(tmp_path / "both.mkv") == lumas(tmp_path / "one.mkv")).all()
    assert (lumas(tmp_path / "both.mkv") != lumas(tmp_path / "alone.mkv")).any()


def test_a_chain_is_continued_to_the_same_bytes(worn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footage, "LONGEST", 2)
    text = "film+denoise:model=photo-fast"
    done(worn, tmp_path / "whole.mkv", text)

    class StoppedError(Exception):
        pass

    def stop(count: int, of: int | None) -> None:
        if count == 3:
            raise StoppedError

    target = tmp_path / "part.mkv"
    with pytest.raises(StoppedError):
        done(worn, target, text, told=stop)
    reports: list[int] = []
    done(worn, target, text, resume=True, told=lambda count, of: reports.append(count))
    assert target.read_bytes() == (tmp_path / "whole.mkv").read_bytes()
    assert [count for count in reports if count] == [3, 4]


def test_grain_is_measured_from_two_frames_in_each_step(tmp_path: Path, photograph: Any) -> None:
    rng = np.random.default_rng(3)

    def planes(number: int) -> list[Any]:
        grain = rng.normal(0, 1, (258, 322))
        grain = (grain[:-2] + grain[1:-1] + grain[2:])[:256]
        grain = (grain[:, :-2] + grain[:, 1:-1] + grain[:, 2:]) / 3 * 10
        part = 255 * photograph[20 + number : 276 + number, 30 + 2 * number : 350 + 2 * number].mean(axis=2)
        return [np.rint(257 * np.clip(part + grain, 0, 255)).astype(np.uint16)]

    source = make(tmp_path / "a.mkv", "ffv1", "gray16le", size=(320, 256), count=3, time_base=Fraction(1, 1000), frames=planes)
    one = done(source, tmp_path / "one.mkv", "denoise:model=photo-fast")
    both = done(source, tmp_path / "both.mkv", "denoise:sigma=0:model=photo-fast+denoise:model=photo-fast")
    (alone,) = one.facts["steps"]
    clip = clips.look(source)
    found = diagnosis.look(View((windows.picture(next(clips.frames(clip)).planes, clip.layout),)))
    assert alone["facts"]["sigma"] > 1.3 * found.sigma
    assert both.facts["steps"][1]["facts"]["sigma"] == alone["facts"]["sigma"]


def test_two_frames_at_once_are_as_one_after_the_other(worn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "denoise:model=photo-fast"
    done(worn, tmp_path / "both.mkv", text)
    details, failed = Restorer.details, []

    def short(*given: Any, **named: Any) -> Any:
        # As where there is memory for one at a time: one of two fails, whichever comes first.
        if given[0].models.streams > 1 and not failed:
            failed.append(1)
            raise MemoryShort("no room")
        return details(*given, **named)

    monkeypatch.setattr(memory, "cores", lambda: 2)
    monkeypatch.setattr(Restorer, "details", short)
    done(worn, tmp_path / "short.mkv", text)
    monkeypatch.setattr(Restorer, "details", details)
    monkeypatch.setattr(stages, "SMALL", 0)
    done(worn, tmp_path / "one.mkv", text)
    for name in ("short", "one"):
        assert (lumas(tmp_path / f"{name}.mkv") == lumas(tmp_path / "both.mkv")).all()
    assert failed or restorer.load("photo-fast").engine != "openvino"


def test_three_steps_make_a_large_clip_in_colour(worn: Path, tmp_path: Path) -> None:
    out = tmp_path / "large.mkv"
    pellucid.run(worn, "film+colorize+upscale:noise=keep", out=out, clip=ClipSettings(lossless=True, end="0.05"))
    made = clips.look(out)
    assert (made.width, made.height, made.pixels) == (128, 96, "yuv420p16le")
    small = lumas(out)[0].reshape(48, 2, 64, 2).mean(axis=(1, 3))
    assert np.abs(small - lumas(worn)[0]).mean() < 12
    frames = list(pellucid.run(footage.arrays(worn, ClipSettings(end="0.05")), "denoise:sigma=9+upscale:noise=keep"))
    assert [(frame.shape, frame.dtype.name) for frame in frames] == [((96, 128), "uint16")] * 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("film:only_damage+film", "film looks at the whole clip before the work, so it can be one step of a clip, not two"),
        ("denoise+cutout", "a clip is written without transparency"),
        ("cutout:crop:background=white+upscale", "all frames of a clip have one size"),
        ("colorize:variants=2+upscale", "these settings ask for several pictures"),
    ],
)
def test_steps_that_no_clip_takes_are_refused_in_a_line(text: str, line: str, worn: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=line):
        done(worn, tmp_path / "b.mkv", text)
    assert not (tmp_path / "b.mkv").exists()
