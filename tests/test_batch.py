"""Files and folders: what is planned, what is written, what a second run does, and what is said of what went wrong."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from pellucid import batch, cli, files, images, manifest, plan, restorer, saving
from pellucid.errors import FileError, OptionError
from pellucid.tasks import TASKS, DenoiseSettings
from pellucid.tasks.settings import FileSettings

TOLD = DenoiseSettings(sigma=10)


def put(path: Path, side: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, images.from_array(np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)))
    return path


def test_the_answer_lies_beside_its_picture(tmp_path: Path) -> None:
    source = put(tmp_path / "a.b.png")
    assert plan.plan([source], None).pairs == ((source, tmp_path / "a.b.clean.png"),)


def test_one_picture_to_a_file_or_into_a_folder(tmp_path: Path) -> None:
    source = put(tmp_path / "a.png")
    assert plan.plan([source], tmp_path / "out.tif").pairs == ((source, tmp_path / "out.tif"),)
    (tmp_path / "sub").mkdir()
    assert plan.plan([source], tmp_path / "sub").pairs == ((source, tmp_path / "sub" / "a.png"),)


@pytest.mark.parametrize("name", ["v1.2", "2024.05"])
def test_digits_behind_a_dot_are_no_ending(name: str, tmp_path: Path) -> None:
    assert plan.plan([put(tmp_path / "one.png")], tmp_path / name).folder == tmp_path / name


def test_a_name_with_a_formats_ending_is_a_file_and_any_other_a_folder(tmp_path: Path) -> None:
    first, second = put(tmp_path / "a.png"), put(tmp_path / "b.png")
    new = tmp_path / "new"
    for several, inputs in ((False, [first]), (True, [first, second])):
        # With a slash or without one.
        for folder in (False, True):
            planned = plan.plan(inputs, new, folder=folder)
            assert planned.folder == new
            assert planned.pairs[0] == (first, new / "a.png")
        assert plan.plan(inputs, tmp_path / "x.jpg", folder=True).folder == tmp_path / "x.jpg"
        if several:
            with pytest.raises(OptionError, match=r"x\.jpg: several pictures need a folder, but this names one picture"):
                plan.plan(inputs, tmp_path / "x.jpg")
            # A folder's name may have a dot in it.
            assert plan.plan(inputs, tmp_path / "2024.05").folder == tmp_path / "2024.05"
        else:
            assert plan.plan(inputs, new / "sub" / "x.jpg").pairs == ((first, new / "sub" / "x.jpg"),)
    (tmp_path / "there.png").mkdir()
    assert plan.plan([first], tmp_path / "there.png").folder == tmp_path / "there.png"
    with pytest.raises(OptionError, match=r"its name ends in /, but this is a file"):
        plan.plan([second], first, folder=True)
    # Nothing can be written below a file.
    for below in (first / "x.png", first / "sub" / "deeper"):
        with pytest.raises(OptionError, match=r"--out .*: .*a\.png is a file, not a folder"):
            plan.plan([second], below)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="gone is a link that leads nowhere"):
        plan.plan([first], tmp_path / "gone" / "x.png")


@pytest.mark.parametrize("name", ["x.gif", "x.nef", "x.xyz", "x.png.bak"])
def test_an_ending_that_is_not_written_is_refused_before_the_work(name: str, tmp_path: Path) -> None:
    source = put(tmp_path / "a.png")
    with pytest.raises(FileError) as caught:
        plan.plan([source], tmp_path / name)
    listed = str(caught.value).rsplit("use one of ", 1)[1].split(", ")
    kinds = (kind for kind in files.FORMATS if kind.writes and not kind.sensor)
    assert listed == [ending for kind in kinds for ending in kind.endings if kind.holds.get(ending) != 0]
    assert not {".gif", ".nef", ".pbm"} & set(listed)


def test_missing_folders_are_made_for_a_file_and_for_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = put(tmp_path / "a.png")
    for out, made in (
        (f"{tmp_path}/new/", "new/a.png"),
        (f"{tmp_path}/other", "other/a.png"),
        (f"{tmp_path}/x/y/b.jpg", "x/y/b.jpg"),
    ):
        assert cli.main(["denoise", str(source), "-o", out, "--sigma", "5"]) == 0
        assert (tmp_path / made).is_file()
    assert cli.main(["denoise", str(source), str(put(tmp_path / "b.png")), "-o", f"{tmp_path}/one.png"]) == 2
    assert not (tmp_path / "one.png").exists()
    assert "several pictures need a folder" in capsys.readouterr().err


def test_a_folder_stands_for_its_pictures_but_not_for_answers(tmp_path: Path) -> None:
    first, second = put(tmp_path / "a.png"), put(tmp_path / "b.png")
    third = put(tmp_path / "c.clean-old.png")
    put(tmp_path / "a.clean.png")
    # A variant, as `colorize --variants` names them.
    put(tmp_path / "a.clean-2.png")
    (tmp_path / "notes.txt").write_text("x")
    out = tmp_path / "out"
    assert plan.plan([tmp_path], out).pairs == ((first, out / "a.png"), (second, out / "b.png"), (third, out / third.name))


def test_plans_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source = put(tmp_path / "a.png")
    (tmp_path / "sub").mkdir()
    twin = put(tmp_path / "sub" / "a.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match="no such file"):
        plan.plan([tmp_path / "missing.png"], None)
    with pytest.raises(FileError, match="no pictures"):
        plan.plan([tmp_path / "empty"], None)
    with pytest.raises(OptionError, match="replace its own input"):
        plan.plan([source], source)
    with pytest.raises(OptionError, match="both"):
        plan.plan([source, twin], tmp_path / "out")
    with pytest.raises(OptionError, match="folder"):
        plan.plan([source, twin], source)


def test_no_variant_replaces_an_input_or_another_answer(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    first, second, third = (put(root / name) for name in ("p.png", "p-1.png", "p.colour-2.png"))
    two = {"variants": ("1", "2")}
    with pytest.raises(OptionError, match="replace its own input"):
        plan.plan([second], root / "p.png", **two)
    with pytest.raises(OptionError, match=r"replace .*p\.colour-2\.png"):
        plan.plan([first, third], None, mark="colour", **two)
    with pytest.raises(OptionError, match=r"both be written to .*p-1-1\.png"):
        plan.plan([first, second], out, variants=("1", "1-1"))
    with pytest.raises(OptionError, match="which a setting names"):
        plan.plan([first], out, **two, kept=[out / "p-2.png"])
    assert plan.plan([first, second], out, **two).pairs == ((first, out / "p.png"), (second, out / "p-1.png"))


FILES = [("denoise", row.name) for row in FileSettings.declared() if "file" in row.kinds]
FILES += [(name, row.name) for name, task in TASKS.items() for row in task.settings.declared() if "file" in row.kinds]


@pytest.mark.parametrize(("task", "setting"), FILES)
def test_no_output_replaces_a_file_that_a_setting_names(
    task: str, setting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, named = put(tmp_path / "a.png"), put(tmp_path / "b.png", 30)
    before = named.read_bytes()
    run = [task, str(given), f"--{setting}", str(named), "--force"]
    for place in (named, tmp_path / "link.png"):
        (tmp_path / "link.png").unlink(missing_ok=True)
        (tmp_path / "link.png").symlink_to(named)
        assert cli.main([*run, "-o", str(place)]) == 2
        assert "which a setting names" in capsys.readouterr().err
    assert cli.main([*run, "-o", str(tmp_path / "c.png"), "--confidence", str(named)]) == 2
    assert "a file that a setting names" in capsys.readouterr().err
    assert named.read_bytes() == before


@pytest.mark.parametrize("name", ["a.png", "a.b.jpg", "a.ome.tif", "A.OME.TIFF", "a.ome.zarr", "a.nef", "a.mkv"])
@pytest.mark.parametrize("variant", ["", "1", "12", "1-2"])
def test_outputs_are_no_pictures_of_a_folder_and_keep_their_endings(name: str, variant: str) -> None:
    whole = plan.Selection()
    for task in TASKS.values():
        made = plan.varied(plan.clean_name(Path(name), task.mark), variant)
        assert whole.takes(Path(name), task.mark)
        assert not whole.takes(made, task.mark)
        # Clips have none.
        assert files.is_clip(made) or not whole.takes(plan.confidence_name(made), task.mark)
        assert (".ome." in made.name.lower()) == (".ome." in name.lower())
    assert whole.takes(Path("a.confidence.png"), "clean")


def test_a_bad_file_is_reported_and_the_rest_done(tmp_path: Path, gray_model: Path) -> None:
    good, last = put(tmp_path / "a.png"), put(tmp_path / "c.png", 31)
    bad = tmp_path / "b.png"
    bad.write_bytes(good.read_bytes()[:100])
    pairs = plan.plan([tmp_path], tmp_path / "out")
    outcomes = list(batch.restore_files(pairs, restorer.load(gray_model), TOLD))
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    assert "b.png" in str(outcomes[1].error)
    assert (outcomes[2].width, outcomes[2].height, outcomes[2].facts["sigma"]) == (31, 31, 10)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [manifest.MANIFEST, "a.png", "c.png"]
    assert last.exists()


def test_an_existing_answer_is_kept_unless_told(tmp_path: Path, gray_model: Path) -> None:
    pairs = plan.plan([put(tmp_path / "a.png")], tmp_path / "out.png")
    (tmp_path / "out.png").write_bytes(b"mine")
    model = restorer.load(gray_model)
    (outcome,) = batch.restore_files(pairs, model, TOLD)
    assert "exists" in str(outcome.error)
    assert (tmp_path / "out.png").read_bytes() == b"mine"
    (outcome,) = batch.restore_files(pairs, model, TOLD, overwrite=True)
    assert outcome.error is None


def names(planned: plan.Plan, root: Path) -> list[str]:
    return [source.relative_to(root).as_posix() for source, _ in planned.pairs]


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_tree_is_walked_kept_and_narrowed(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name in (
        "b.png",
        "A.PNG",
        "sub/a.png",
        "sub/deep/c.tif",
        "raw/d.png",
        ".hidden/e.png",
        ".f.png",
        "out/old.png",
        "g.clean.png",
    ):
        put(root / name)
    assert names(plan.plan([root], root / "out"), root) == ["A.PNG", "b.png"]
    whole = plan.plan([root], root / "out", plan.Selection(recursive=True))
    assert names(whole, root) == ["A.PNG", "b.png", "raw/d.png", "sub/a.png", "sub/deep/c.tif"]
    assert whole.pairs[-1][1] == root / "out" / "sub" / "deep" / "c.tif"
    assert whole.folder == root / "out"
    some = plan.Selection(recursive=True, include=("*.png",), exclude=("raw", "sub/a.*"))
    assert names(plan.plan([root], tmp_path / "o", some), root) == ["A.PNG", "b.png", "out/old.png"]
    with pytest.raises(FileError, match="--include"):
        plan.plan([root], None, plan.Selection(include=("*.webp",)))


def test_it_is_known_where_a_walk_through_a_folder_goes(tmp_path: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "in" / "out"
    first = put(root / "a.png")
    selections = [plan.Selection(), plan.Selection(recursive=True), plan.Selection(recursive=True, exclude=("b*", "c/d"))]
    for inner in (".", "b", "b/c", "c/d", "c/d/e", "c/e", ".b", "c/.d", "out", "out/b", "../in2", ".."):
        place = root / inner
        found = put(place / "x.png")
        for selection in selections:
            for target in (out, tmp_path / "o", None):
                taken = found.resolve() in [source.resolve() for source, _ in plan.plan([root], target, selection).pairs]
                assert plan.walks(root, place, selection, target) == taken, (inner, selection, target)
        found.unlink()
    assert not plan.walks(first, root, selections[1], None)


def test_another_ending_for_the_answers(tmp_path: Path) -> None:
    source = put(tmp_path / "a.tif")
    assert plan.plan([source], None, ending=".png").pairs == ((source, tmp_path / "a.clean.png"),)
    assert plan.plan([tmp_path], tmp_path / "o", ending=".png").pairs == ((source, tmp_path / "o" / "a.png"),)
    put(tmp_path / "b.png")
    with pytest.raises(OptionError, match=r"replace .*b\.png"):
        plan.plan([put(tmp_path / "b.tif"), tmp_path / "b.png"], tmp_path, ending=".png")
    with pytest.raises(OptionError, match="--format"):
        plan.plan([source], tmp_path / "b.jpg", ending=".png")


def test_links_in_a_circle_are_one_line_each(tmp_path: Path, gray_model: Path) -> None:
    put(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "round").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self.png").symlink_to("self.png")
    planned = plan.plan([tmp_path / "in"], tmp_path / "out", plan.Selection(recursive=True))
    outcomes = list(batch.restore_files(planned, restorer.load(gray_model), TOLD))
    said = sorted(str(outcome.error) for outcome in outcomes)
    assert "None" in said
    assert sum("leads back" in line for line in said) == 1
    assert sum("self.png: cannot be read: " in line for line in said) == 1
    assert all("\n" not in line for line in said)


def test_overlapping_gives_what_one_after_the_other_gives(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in (20, 31, 64, 50, 41):
        put(tmp_path / "in" / f"{side}.png", side)
    model = restorer.load(gray_model)
    (tmp_path / "one").mkdir()
    for path in files.list_images(tmp_path / "in"):
        files.write(tmp_path / "one" / path.name, model.restore(files.read(path), sigma=10))
    for ahead in (8_000_000, 1500, 0):
        monkeypatch.setattr(batch, "AHEAD", ahead)
        out = tmp_path / f"out{ahead}"
        outcomes = list(batch.restore_files(plan.plan([tmp_path / "in"], out), model, TOLD))
        assert [outcome.error for outcome in outcomes] == [None] * 5
        (out / manifest.MANIFEST).unlink()
        assert content(out) == content(tmp_path / "one")


def test_resume_goes_by_content_and_settings(tmp_path: Path, gray_model: Path, make_model: Callable[..., Path]) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    for side in (20, 21, 22, 23):
        put(root / f"{side}.png", side)
    before = content(root)
    model = restorer.load(gray_model)

    def run(told: DenoiseSettings = TOLD, by: restorer.Restorer = model, *, overwrite: bool = False) -> list[str]:
        outcomes = batch.restore_files(plan.plan([root], out), by, told, resume=True, overwrite=overwrite)
        return ["skipped" if o.skipped else "done" if o.error is None else str(o.error) for o in outcomes]

    assert run() == ["done"] * 4
    whole = content(out)
    assert run() == ["skipped"] * 4
    (out / "20.png").unlink()
    (out / "21.png").write_bytes(b"mine")
    (root / "22.png").write_bytes((root / "23.png").read_bytes())
    said = run()
    assert (said[0], said[3]) == ("done", "skipped")
    assert "not made from this picture" in said[1]
    assert "not made from this picture" in said[2]
    assert (out / "21.png").read_bytes() == b"mine"
    assert run(overwrite=True) == ["skipped", "done", "done", "skipped"]
    assert content(out)["21.png"] == whole["21.png"]
    assert content(root) == {**before, "22.png": before["23.png"]}
    # Another strength, another model: nothing of it is done.
    assert all("not made from this picture" in line for line in run(DenoiseSettings(sigma=10, strength=0.5)))
    other = restorer.load(make_model(channels=3, maps=("sigma",), name="other"))
    assert run(by=other, overwrite=True) == ["done"] * 4
    # A line that a killed run left without its end, and one that is no object.
    with (out / manifest.MANIFEST).open("ab") as file:
        file.write(b'[1]\n{"output": "20.p')
    assert run(by=other) == ["skipped"] * 4
    (out / "20.png").unlink()
    assert run(by=other) == ["done"] + ["skipped"] * 3
    assert run(by=other) == ["skipped"] * 4
    with pytest.raises(OptionError, match="--resume"):
        list(batch.restore_files(plan.plan([root], None), model, TOLD, resume=True))


def test_stacks_deep_and_broken_files_go_through_a_folder_twice(tmp_path: Path, gray_model: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    rng = np.random.default_rng(0)
    put(root / "a.jpg", 40)
    (root / "b.png").write_bytes((root / "a.jpg").read_bytes()[:200])
    deep, stack = rng.integers(0, 65536, (30, 40, 3), np.uint16), rng.integers(0, 65536, (3, 24, 32), np.uint16)
    files.write(root / "c.png", images.from_array(deep))
    tifffile.imwrite(root / "d.tif", stack, photometric="minisblack")
    put(root / "e.png", 41)
    model = restorer.load(gray_model)

    def run() -> list[batch.Outcome]:
        return list(batch.restore_files(plan.plan([root], out), model, TOLD, resume=True))

    outcomes = run()
    assert [outcome.input.name for outcome in outcomes] == ["a.jpg", "b.png", "c.png", "d.tif", "e.png"]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, True, True]
    assert "b.png: named as a PNG file, but its content is JPEG" in str(outcomes[1].error)
    assert (outcomes[3].pages, outcomes[3].width, outcomes[3].height, outcomes[3].facts["sigma"]) == (3, 32, 24, 10)
    assert sorted(content(out)) == [manifest.MANIFEST, "a.jpg", "c.png", "d.tif", "e.png"]
    # Each page is what it is by itself, at its own depth.
    np.testing.assert_array_equal(tifffile.imread(out / "d.tif"), [model.restore(page, sigma=10) for page in stack])
    np.testing.assert_array_equal(images.to_array(files.read(out / "c.png")), model.restore(deep, sigma=10))
    before = content(out)
    again = run()
    assert [outcome.skipped for outcome in again] == [True, False, True, True, True]
    assert "b.png" in str(again[1].error)
    assert content(out) == before


def interrupt_the_second(model: restorer.Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes as the model is asked for its second picture."""
    restore, calls = model.details, []

    def interrupted(*args: object, **options: object) -> object:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return restore(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "details", interrupted)


def test_a_stack_that_breaks_off_leaves_no_file_and_no_line(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 24, 32), np.uint8)
    tifffile.imwrite(tmp_path / "in.tif", values, photometric="minisblack", compression="deflate")
    (tmp_path / "in").mkdir()
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        last = file.pages[2].dataoffsets[0]
    damaged = bytearray((tmp_path / "in.tif").read_bytes())
    damaged[last : last + 40] = bytes(40)
    (tmp_path / "in" / "a.tif").write_bytes(damaged)
    put(tmp_path / "in" / "b.png")
    model = restorer.load(gray_model)
    first, second = batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), model, TOLD)
    assert str(first.error).startswith(f"{tmp_path}/in/a.tif: it is damaged")
    assert second.error is None
    assert list(content(tmp_path / "out")) == [manifest.MANIFEST, "b.png"]
    assert [json.loads(line)["output"] for line in (tmp_path / "out" / manifest.MANIFEST).read_text().splitlines()] == ["b.png"]

    # An interrupt between two pages gives the stack up, and goes on.
    interrupt_the_second(model, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        list(batch.restore_files(plan.plan([tmp_path / "in.tif"], tmp_path / "cut" / "a.tif"), model, TOLD))
    assert list((tmp_path / "cut").iterdir()) == []


def test_settings_that_change_the_answer_are_part_of_what_is_resumed(tmp_path: Path, gray_model: Path) -> None:
    root, out = tmp_path / "in", tmp_path / "out"
    root.mkdir()
    np.save(root / "a.npy", np.random.default_rng(0).integers(0, 4096, (4, 24, 32), np.uint16))
    model = restorer.load(gray_model)
    for how in (FileSettings(), FileSettings(range="0:4095"), FileSettings(axes="YZX"), FileSettings(strip=True)):
        for skipped in (False, True):
            (outcome,) = batch.restore_files(plan.plan([root], out), model, TOLD, how, resume=True, overwrite=True)
            assert (outcome.error, outcome.skipped) == (None, skipped)
    (outcome,) = batch.restore_files(plan.plan([root], tmp_path / "o"), model, DenoiseSettings(sigma=10), FileSettings(axes="YX"))
    assert str(outcome.error).startswith(f"{root}/a.npy: --axes YX")


def test_the_answers_of_camera_raw_are_tiffs(tmp_path: Path) -> None:
    source = tmp_path / "in" / "a.nef"
    source.parent.mkdir()
    source.write_bytes(b"x")
    assert plan.clean_name(source).name == "a.clean.tif"
    assert plan.plan([source], None).pairs[0][1].name == "a.clean.tif"
    assert plan.plan([source.parent], tmp_path / "out").pairs[0][1] == tmp_path / "out" / "a.tif"
    assert plan.plan([source.parent], tmp_path / "out", ending=".png").pairs[0][1] == tmp_path / "out" / "a.png"


def test_a_folder_that_nobody_may_write_to_is_found_before_the_work(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "in" / "a.png")
    model = restorer.load(gray_model)
    shut = tmp_path / "shut"
    shut.mkdir()
    asked = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **how: Path(path) != shut and asked(path, mode, **how))
    monkeypatch.setattr(type(model), "details", lambda *_, **__: pytest.fail("the work was done for nothing"))
    for out in (shut / "a.png", shut / "new" / "a.png"):
        (outcome,) = batch.restore_files(plan.plan([tmp_path / "in" / "a.png"], out), model, TOLD)
        assert outcome.error == f"{out}: nothing can be written to the folder {shut}"
    assert list(shut.iterdir()) == []


def test_an_output_that_the_system_refuses_is_said_to_be_unwritten(
    tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "in" / "a.png")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    model, out = restorer.load(gray_model), tmp_path / "new" / "a.png"
    monkeypatch.setattr(Path, "mkdir", refused)
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "in" / "a.png"], out), model, TOLD)
    assert outcome.error == f"{out}: cannot be written: Permission denied"


def test_an_answer_noted_but_never_named_is_made_again(tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in" / "a.png")
    model = restorer.load(gray_model)

    def killed(*_: object) -> None:
        raise OSError(errno.EIO, "killed here")

    with monkeypatch.context() as patch:
        patch.setattr(saving, "_claim", killed)
        (outcome,) = batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), model, TOLD)
        assert "killed here" in str(outcome.error)
    assert list(content(tmp_path / "out")) == [manifest.MANIFEST]
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), model, TOLD, resume=True)
    assert outcome.error is None
    assert not outcome.skipped


FULL = os.strerror(errno.ENOSPC)


def test_a_full_disk_ends_the_run_and_leaves_nothing(tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run stops, for it would restore the rest, thousands perhaps, in vain. With the room back --resume does them."""
    for side in range(20, 30):
        put(tmp_path / "in" / f"{side}.png", side)
    write, planned, model = Path.write_bytes, plan.plan([tmp_path / "in"], tmp_path / "out"), restorer.load(gray_model)

    def full(path: Path, content: bytes) -> int:
        if len(list((tmp_path / "out").glob("*.png"))) == 3:
            raise OSError(errno.ENOSPC, FULL)
        return write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        outcomes = list(batch.restore_files(planned, model, TOLD))
    # The next one was under way when the first failed.
    assert len(outcomes) in (4, 5)
    assert [outcome.error for outcome in outcomes[:3]] == [None] * 3
    for outcome in outcomes[3:]:
        assert outcome.full
        assert outcome.error == f"{outcome.output}: cannot be written: {FULL}"
    assert sorted(content(tmp_path / "out")) == [manifest.MANIFEST, "20.png", "21.png", "22.png"]
    again = list(batch.restore_files(planned, model, TOLD, resume=True))
    assert [outcome.skipped for outcome in again] == [True] * 3 + [False] * 7
    assert [outcome.error for outcome in again] == [None] * 10


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".npy", ".ppm"])
def test_a_disk_that_is_really_full(tmp_path: Path, gray_model: Path, ending: str) -> None:
    """A file system of 64 kB; needs root, as in a container."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        for index in range(4):
            put(tmp_path / "in" / f"{index}{ending}", 150)
        planned = plan.plan([tmp_path / "in"], small)
        outcomes = list(batch.restore_files(planned, restorer.load(gray_model), TOLD))
        failed = [outcome for outcome in outcomes if outcome.error is not None]
        assert failed
        assert all(outcome.error == f"{outcome.output}: cannot be written: {FULL}" for outcome in failed)
        assert len(outcomes) <= 3
        # Whole answers, and the manifest; nothing half-written.
        done = {outcome.output.name for outcome in outcomes if outcome.error is None}
        assert {path.name for path in small.iterdir()} - {manifest.MANIFEST} == done
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_file_of_several_pages_is_opened_once(tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(tmp_path / "in" / f"{name}.tif", np.zeros((3, 24, 32), np.uint8), photometric="minisblack")
    opened, closed = [], []

    @contextmanager
    def counted(path: Path, **how: Any) -> Iterator[files.Document]:
        opened.append(path.name)
        with open_pages(path, **how) as document:
            yield document
        closed.append(path.name)

    open_pages = files.open_pages
    monkeypatch.setattr(files, "open_pages", counted)
    outcomes = list(batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), restorer.load(gray_model), TOLD))
    assert [(outcome.error, outcome.pages) for outcome in outcomes] == [(None, 3)] * 2
    assert (opened, closed) == (["a.tif", "b.tif"], ["a.tif", "b.tif"])


def test_what_was_opened_ahead_is_closed_by_an_interrupt(tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "in" / "a.png")
    put(tmp_path / "in" / "b.png")
    tifffile.imwrite(tmp_path / "in" / "c.tif", np.zeros((3, 24, 32), np.uint8), photometric="minisblack")
    model = restorer.load(gray_model)
    interrupt_the_second(model, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        list(batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), model, TOLD))
    # A file left open would be a warning, and warnings are errors here.
    gc.collect()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path, gray_model: Path) -> None:
    put(tmp_path / "in" / "sub" / "a.png")
    put(tmp_path / "in" / "b.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub").write_text("a file where a folder must be")
    planned = plan.plan([tmp_path / "in"], tmp_path / "out", plan.Selection(recursive=True))
    first, second = batch.restore_files(planned, restorer.load(gray_model), TOLD)
    assert first.error is None
    assert str(second.error).startswith(f"{tmp_path}/out/sub")
    assert "\n" not in str(second.error)


@pytest.mark.parametrize("name", ["n" * 251, "ü" * 125 + "x", "名" * 83, "a\nb", "sp ace ' \"", "\udcff"])
def test_names_of_any_kind_and_255_bytes(tmp_path: Path, gray_model: Path, name: str) -> None:
    source = put(tmp_path / "in" / "a.png")
    source.rename(tmp_path / "in" / f"{name}.png")
    model = restorer.load(gray_model)
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), model, TOLD)
    assert outcome.error is None
    assert (tmp_path / "out" / f"{name}.png").is_file()
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), model, TOLD, resume=True)
    assert outcome.skipped
    assert json.loads((tmp_path / "out" / manifest.MANIFEST).read_text())["output"] == f"{name}.png"
    if len(os.fsencode(name)) > 240:
        (outcome,) = batch.restore_files(plan.plan([tmp_path / "in"], None), model, TOLD)
        assert "too long" in str(outcome.error)


def test_an_interrupt_finishes_what_is_being_written(tmp_path: Path, gray_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for side in (20, 21, 22):
        put(tmp_path / "in" / f"{side}.png", side)
    model = restorer.load(gray_model)
    interrupt_the_second(model, monkeypatch)
    outcomes = batch.restore_files(plan.plan([tmp_path / "in"], tmp_path / "out"), model, TOLD)
    assert next(outcomes).output.name == "20.png"
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert list(content(tmp_path / "out")) == [manifest.MANIFEST, "20.png"]
