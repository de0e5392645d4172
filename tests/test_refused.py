"""Settings that do not go together are refused in a line before the work; no setting is ignored silently."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips_made import make

import pellucid
from pellucid import api, batch, chains, cli, files, images, memory, plan, steps, working
from pellucid.errors import MemoryShort, OptionError, PellucidError
from pellucid.tasks import commands
from pellucid.tasks.settings import ClipSettings, FileSettings, Setting

OTHERS: dict[str, Any] = {
    "format": "png",
    "range": "0:4095",
    "axes": "YXS",
    "depth": "16",
    "start": "1",
    "end": "2",
    "codec": "ffv1",
    "quality": 60.0,
    "alone": True,
    "lossless": True,
}
"""Values that are not the defaults, of what concerns pictures or clips alone."""

BOTH = {"strip", "mask", "protect"}
"""The settings of files that clips know, too."""


def flags(row: Setting) -> list[str]:
    value = OTHERS[row.name]
    return [row.flag] if value is True else [row.flag, str(value)]


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (40, 52, 3), dtype=np.uint8)
    files.write(tmp_path / "a.png", images.from_array(values))
    return tmp_path / "a.png"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make(tmp_path / "c.mkv", count=3)


def refused(told: list[Any], capsys: Any) -> str:
    """The one line of a command that refuses."""
    assert cli.main([str(each) for each in told]) in (1, 2)
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert captured.out == ""
    return str(lines[0])


def test_each_setting_of_files_is_known_to_clips_or_refused_for_them() -> None:
    """Whoever adds a setting has to decide which."""
    assert {row.name for row in FileSettings.declared() if not row.of} == BOTH
    assert {row.of for row in ClipSettings.declared()} == {"clips"}
    concerned = {row.name for each in (FileSettings, ClipSettings) for row in each.declared() if row.of}
    assert concerned == set(OTHERS)


@pytest.mark.parametrize("row", [row for row in FileSettings.declared() if row.of], ids=lambda row: row.name)
@pytest.mark.parametrize("first", [["denoise"], ["run", "denoise+upscale"]], ids=["task", "chain"])
def test_what_clips_do_not_know_is_refused_for_them(first: list[str], row: Setting, clip: Path, picture: Path, capsys: Any) -> None:
    line = refused([*first, clip, *flags(row)], capsys)
    assert f"{row.flag} is for {working.KINDS[row.of]}, and there are none here" in line
    assert not list(clip.parent.glob("*.clean*"))
    # In a folder the pictures are done; a clip keeps its own format.
    how = FileSettings(**{row.name: OTHERS[row.name]})
    model = api._kept("photo-fast")
    outcomes = batch.restore_files(plan.plan([clip], clip.parent / "o.mkv"), model, model.settings(sigma=0), how)
    error = next(outcomes).error
    assert (error is None) == (row.name == "format")
    if error is not None:
        assert f"this is a clip, and {row.flag} is for pictures" in error


@pytest.mark.parametrize("row", ClipSettings.declared(), ids=lambda row: row.name)
def test_what_pictures_do_not_know_is_refused_for_them(row: Setting, picture: Path, capsys: Any) -> None:
    assert f"{row.flag} is for clips" in refused(["denoise", picture, *flags(row)], capsys)
    asked = ClipSettings(**{row.name: OTHERS[row.name]})
    with pytest.raises(OptionError, match=f"clip: {row.name} is for clips"):
        pellucid.denoise(picture, clip=asked)
    if row.name != "alone":
        with pytest.raises(OptionError, match=f"clip: {row.name} is for the path of a clip"):
            pellucid.denoise(iter([np.zeros((8, 8), np.uint8)]), clip=asked)


def test_a_picture_alone_has_no_axes(picture: Path, capsys: Any) -> None:
    assert "--axes is for TIFF, NumPy and other arrays" in refused(["denoise", picture, "--axes", "YXS"], capsys)


def test_a_watch_says_at_once_what_does_not_go(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "in").mkdir()
    command = ["watch", tmp_path / "in", "-o", tmp_path / "out", "--once", "--steps"]
    assert "does not say here how far" in refused([*command, "cutout", "--confidence", f"{tmp_path / 'doubt'}/"], capsys)
    assert "several pictures need a folder" in refused([*command, "denoise", "--confidence", tmp_path / "c.png"], capsys)
    assert "steps work on developed pictures" in refused([*command, "denoise:keep_mosaic"], capsys)


def test_python_reads_no_clip_by_a_range_and_encodes_nothing_unasked(clip: Path) -> None:
    for given in ({"range": (0, 99)}, {"axes": "YX"}):
        with pytest.raises(OptionError, match="range and axes are for pictures"):
            pellucid.run(clip, "denoise", **given)
    with pytest.raises(OptionError, match="clip: codec is for a clip that is written"):
        pellucid.run(clip, "denoise", clip=ClipSettings(codec="ffv1"))


def test_the_mosaic_is_kept_of_raw_files_alone(picture: Path, capsys: Any) -> None:
    assert "--keep-mosaic is for RAW files" in refused(["denoise", "--keep-mosaic", picture], capsys)
    assert "steps work on developed pictures" in refused(["run", "denoise:keep_mosaic", picture], capsys)
    model = api._kept("photo")
    settings = model.settings(keep_mosaic=True)
    for how, trusted in ((FileSettings(depth="16"), False), (FileSettings(), True)):
        with pytest.raises(OptionError, match="are for developed pictures"):
            working.Work.of(model, settings, how, None, (lambda path: path) if trusted else None)
    # The task for RAW lacks these settings, so they apply to the developed picture.
    for given in ({"detail": 1.5}, {"descreen": True}, {"gain": True}):
        assert not working.takes_mosaics(model, FileSettings(), model.settings(**given))
    assert working.takes_mosaics(model, FileSettings(), model.settings(best=True))


def test_the_model_of_mosaics_is_named_by_nobody(picture: Path, capsys: Any) -> None:
    assert refused(["denoise", "--model", "raw", picture], capsys).endswith("leave --model out")
    with pytest.raises(
        OptionError, match=r"^model 'raw' is what pellucid\.denoise takes by itself where a picture needs it; leave"
    ):
        pellucid.denoise(picture, model="raw")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["denoise", ""], "an argument"),
        (["denoise", "--force", ""], "an argument"),
        (["denoise", "--", ""], "an argument"),
        (["denoise", "a.png", "--out", ""], "--out"),
        (["denoise", "a.png", "--ou", ""], "--ou"),
        (["denoise", "a.png", "-o", ""], "-o"),
        (["denoise", "a.png", "--out="], "--out"),
        (["pack", "", "-o", "x"], "an argument"),
        ([""], "an argument"),
    ],
)
def test_an_empty_argument_is_no_folder(
    given: list[str], named: str, tmp_path: Path, picture: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(picture.parent)
    before = sorted(picture.parent.iterdir())
    with pytest.raises(SystemExit) as ended:
        cli.main(given)
    assert ended.value.code == 2
    assert f"error: {named} is empty; was a variable not set?" in capsys.readouterr().err
    assert sorted(picture.parent.iterdir()) == before


def test_none_may_be_said_by_an_empty_value_where_that_is_what_an_option_has(picture: Path, capsys: Any) -> None:
    assert cli.main(["evaluate", str(picture.parent / "none"), "--baselines", ""]) != 0
    assert "is empty" not in capsys.readouterr().err


BESIDE = [(row.name, name) for row in commands().values() for name in (*row.settings.BESIDE, "confidence")]


@pytest.mark.parametrize(("task", "option"), BESIDE)
def test_a_picture_beside_the_output_is_refused_before_the_work(task: str, option: str, picture: Path, capsys: Any) -> None:
    """By one mechanism: each in a line that names the option, and nothing is written."""
    folder = picture.parent
    (folder / "there.png").write_bytes(b"x")
    (folder / "in").mkdir()
    for name in "ab":
        (folder / "in" / f"{name}.png").write_bytes(picture.read_bytes())
    out = folder / "o.png"
    mask = folder / "mask.png"
    mask.write_bytes(picture.read_bytes())
    command = [task, picture, "-o", out, f"--{option}"]
    assert f"--{option} {folder / 'x.qqq'}: no format is written" in refused([*command, folder / "x.qqq"], capsys)
    assert "the file exists; --force overwrites it" in refused([*command, folder / "there.png"], capsys)
    assert "this is the picture or its output" in refused([*command, out], capsys)
    assert "this is the picture or its output" in refused([*command, picture, "--force"], capsys)
    assert "a file that a setting names" in refused([*command, mask, "--mask", mask, "--force"], capsys)
    assert "name a file" in refused([*command, "-"], capsys)
    several = [task, folder / "in", "-o", folder / "out", f"--{option}"]
    assert f"--{option} {folder / 'x.png'}: several pictures need a folder" in refused([*several, folder / "x.png"], capsys)
    if option != "confidence":
        # Names of confidences say that they are none.
        within = [*several, f"{folder / 'in' / 'new'}/", "-r"]
        assert "would be taken for inputs" in refused(within, capsys)
        assert "would be taken for inputs" in refused([*within, "--shard", "1/2"], capsys)
    assert not out.exists()
    assert not (folder / "out").exists()


def test_a_figure_beside_an_inspection_is_refused_before_it(picture: Path, capsys: Any) -> None:
    (picture.parent / "there.png").write_bytes(b"x")
    command = ["inspect", picture, "--map"]
    assert "a figure is a PNG file" in refused([*command, picture.parent / "x.jpg"], capsys)
    assert "the file exists; --force overwrites it" in refused([*command, picture.parent / "there.png"], capsys)
    assert "this is one of the inputs; name another file" in refused([*command, picture, "--force"], capsys)


@pytest.mark.parametrize("text", ["upscale:noise=keep", "colorize", "denoise:model=seed-digits", "film+denoise", "denoise+cutout"])
def test_numbers_that_nobody_has_are_refused_before_the_work(text: str, picture: Path, monkeypatch: Any) -> None:
    """A task without a deviation of its error refuses a TIFF of it, one that says nothing any file."""
    chain = chains.of(steps.parse(text), api._kept)
    monkeypatch.setattr(chains.Chain, "details", lambda *given, **named: pytest.fail("it has begun"))
    work = plan.plan([picture], picture.parent / "o.png"), chain, chain.steps, FileSettings()
    with pytest.raises(PellucidError, match=r"only where its output may be invented|does not say here how far") as told:
        raise OptionError(next(batch.restore_files(*work, confidence=lambda _: picture.parent / "x.tif")).error)
    assert "\n" not in str(told.value)


def test_a_later_step_that_memory_does_not_hold_is_refused_before_the_first(monkeypatch: Any) -> None:
    chosen = steps.parse("upscale:scale=2:noise=keep+film")
    chain = chains.of(chosen, api._kept)
    shape = (96, 128, 3)
    first, kept = chain.restorers[0].needs(chosen.steps[0].settings, shape, banded=False)
    last, _ = chain.restorers[1].needs(chosen.steps[1].settings, (192, 256, 3), banded=False)
    needed = kept + 4 * 192 * 256 * 3 + last
    assert first < needed
    begun: list[int] = []
    picture = images.from_array(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    monkeypatch.setattr(memory, "room", lambda limit: needed - 1)
    with pytest.raises(MemoryShort, match="step film: 256x192 pixels need"):
        chain.details(picture, progress=lambda done, of: begun.append(done))
    assert begun == []
    monkeypatch.setattr(memory, "room", lambda limit: 2 * needed)
    chain.details(picture)


def test_every_task_says_before_the_work_how_much_memory_it_takes() -> None:
    for row in commands().values():
        assert api._kept(row.model).needs(row.settings(), (64, 96, 3), banded=False)[0] > 0
