"""Several tasks in a row: the text, the order, presets; the output is that of the steps run by hand through float32 files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

import pellucid
from pellucid import api, batch, chains, cli, files, images, plan, steps
from pellucid.cli import pictures
from pellucid.errors import FileError, OptionError
from pellucid.files import base, metadata
from pellucid.steps import Step
from pellucid.tasks import TASKS
from pellucid.tasks.settings import Attached, FileSettings, Setting, Shape

COMMANDS = [row for row in TASKS.values() if row.command]

OTHERS = {
    "number": lambda row: row.low + 1 if row.whole else (row.low + row.high) / 3 if np.isfinite(row.high) else 3.0,
    "flag": lambda row: not row.default,
    "choice": lambda row: row.choices[-1],
    "text": lambda row: "a+b:c%d",
    "colour": lambda row: "#102030",
    "point": lambda row: (3, 4),
    "box": lambda row: (1, 2, 3, 4),
    "hint": lambda row: (1, 2, "#ff0000"),
    "palette": lambda row: "#102030,#ff0000",
}
"""Kind of a setting -> a value that is not the default."""


def other(row: Setting, folder: Path) -> Any:
    """A value that is not the default; of a file, one whose name needs each escape."""
    if row.kinds == ("file",):
        path = folder / "100% a+b:c.txt"
        path.write_text(row.name)
        return Attached.of(path)
    value = OTHERS[next(kind for kind in row.kinds if kind != "file")](row)
    return (value, value) if row.many else value


def noisy(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.uint8]:
    """A smooth picture with noise of level 12."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    clean = 128 + 60 * np.sin(x / 9) * np.cos(y / 7)
    clean = clean if len(shape) == 2 else clean[..., None] * np.linspace(0.7, 1.1, shape[2])
    return np.asarray(np.clip(np.rint(clean + np.random.default_rng(seed).normal(0, 12, shape)), 0, 255), dtype=np.uint8)


def values(path: Path) -> NDArray[Any]:
    """All values of a file's first page, alpha with them."""
    with files.open_pages(path) as document:
        return base.joined(next(iter(document.pages)))


# -- the text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", COMMANDS, ids=lambda row: row.name)
def test_every_setting_of_every_task_goes_through_the_text(task: Any, tmp_path: Path) -> None:
    for row in task.settings.declared():
        step = Step.of(task.name, {row.name: other(row, tmp_path)})
        text = step.text()
        assert re.fullmatch(r"[^:+]+:[^:+]+(:[^:+]+)?", text), text
        assert steps.parse(text).steps == (step,)
    assert steps.parse(task.name).steps == (Step(task, task.settings(), task.model),)


def test_models_and_flags_in_the_text() -> None:
    chosen = steps.parse("denoise:model=photo-fast:gain:keep-grain=0.2 + upscale:scale=3:strength=1")
    assert [step.model for step in chosen.steps] == ["photo-fast", "upscale"]
    assert chosen.text() == "denoise:model=photo-fast:keep_grain=0.2:gain=true+upscale:scale=3.0"
    assert steps.parse(chosen.text()) == chosen
    # %3A, %2B and %25, and no other escapes.
    assert steps.parse("denoise:model=a%3ab%2Bc%2541%20").steps[0].model == "a:b+c%41%20"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "name at least one step"),
        ("denoise+", "'' is no step; the steps are denoise, upscale"),
        ("sharpen", "'sharpen' is no step"),
        ("denoise:foo=1", "step denoise: 'foo' is not a setting"),
        ("denoise:sigma", "write 'sigma' as NAME=VALUE"),
        ("denoise:sigma=400", "step denoise: sigma must be a number from 0 to 255"),
        ("denoise:sigma=1:sigma=2", "step denoise: sigma is given 2 times"),
        ("denoise:model=", "name one model"),
        ("upscale+denoise", r"denoise comes after upscale, which changes the noise that it measures: write denoise\+upscale"),
        ("colorize+denoise", "denoise comes after colorize"),
        ("denoise+upscale+denoise:sigma=3", "denoise comes after upscale"),
        ("cutout:alpha_only+upscale", "whose output is a mask and no picture: put it last"),
        ("denoise+denoise", "denoise comes twice with the same settings"),
        ("colorize+upscale+colorize", "colorize comes twice"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(text: str, line: str) -> None:
    with pytest.raises(OptionError, match=line) as refused:
        steps.parse(text)
    assert "\n" not in str(refused.value)


def test_text_of_other_people_names_no_files(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    files.write(path, images.from_array(noisy((8, 8, 3))))
    with pytest.raises(OptionError, match="is a file: send the file itself"):
        steps.parse(f"colorize:like={path}", paths=False)
    assert steps.parse("colorize", {"colorize.like": path}).steps[0].settings.like.path == path  # type: ignore[attr-defined]
    with pytest.raises(OptionError, match=r"'colorize\.like' is not TASK.SETTING"):
        steps.parse("denoise", {"colorize.like": path})
    # A path is nobody's concern who gets the output.
    assert steps.parse(f"colorize:like={path}").text(paths=False) == "colorize:like=p.png"


def test_variants_are_those_of_all_steps() -> None:
    chosen = steps.parse("denoise+colorize:variants=3+upscale")
    assert list(chosen.each()) == ["1", "2", "3"]
    assert [each.steps[1].settings.draw for each in chosen.each().values()] == [0, 1, 2]  # type: ignore[attr-defined]
    assert list(steps.parse("denoise+upscale").each()) == [""]


# -- presets ----------------------------------------------------------------------------------------------------------


def test_no_text_asks_for_work_without_end() -> None:
    """It comes from the network, too: the count is refused, and nothing is made of it first."""
    with pytest.raises(OptionError, match=r"^20000 steps are too many: 16 at most$"):
        steps.parse("+".join(["upscale"] * 20000))
    many = "+".join(f"colorize:variants=9:saturation=0.{number}" for number in range(1, 9))
    with pytest.raises(OptionError, match=f"^these steps ask for {9**8} pictures of each: 100 at most$"):
        steps.parse(many)


def test_shipped_presets(tmp_path: Path) -> None:
    known = steps.presets(tmp_path / "none.toml")
    assert {"old-photo", "scan", "phone-night", "microscope", "product"} <= set(known)
    for name, preset in known.items():
        assert preset.summary
        assert preset.steps.mark == name
        assert steps.parse(preset.steps.text()).steps == preset.steps.steps


def test_a_users_presets_come_first(tmp_path: Path) -> None:
    (tmp_path / "like.png").write_bytes(b"x")
    own = tmp_path / "presets.toml"
    own.write_text(
        "[scan]\nsteps = [{task = 'denoise', sigma = 7}]\n"
        "[family]\nsummary = 'ours'\nsteps = [{task = 'colorize', like = 'like.png', hint = ['3,4=red', [1, 2, '#00ff00']]}, "
        "{task = 'upscale', model = 'upscale-photo', scale = 3}]\n"
    )
    known = steps.presets(own)
    assert known["scan"].own
    assert known["scan"].steps.text() == "denoise:sigma=7.0"
    settings = known["family"].steps.steps[0].settings
    # A file lies beside the presets.
    assert settings.like.path == tmp_path / "like.png"  # type: ignore[attr-defined]
    assert settings.hint == ((3, 4, "#ff0000"), (1, 2, "#00ff00"))  # type: ignore[attr-defined]
    assert known["family"].steps.steps[1].model == "upscale-photo"
    assert not known["product"].own


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[a", "it is no TOML"),
        ("a = 1", "preset a: write a summary, and steps"),
        ("[a]\nsummary = 3\nsteps = [{task = 'denoise'}]", "preset a: write a summary, and steps"),
        ("[a]\nsteps = [{task = 'denoise'}]\nmask = 'm.png'", "preset a: 'mask' has no place here"),
        ("[a]\nsteps = []", "preset a: name at least one step"),
        ("[a]\nsteps = ['denoise']", "preset a: each step is a table"),
        ("[a]\nsteps = [{task = 'sharpen'}]", "preset a: 'sharpen' is no step"),
        ("[a]\nsteps = [{task = 'denoise', sigma = '400'}]", "preset a: sigma must be"),
        ("[a]\nsteps = [{task = 'upscale'}, {task = 'denoise'}]", "preset a: denoise comes after upscale"),
        ("[a]\nsteps = [{task = 'colorize', hints = 'missing.json'}]", "preset a: missing.json: "),
        ("['../a']\nsteps = [{task = 'denoise'}]", "a name has letters"),
    ],
)
def test_a_bad_preset_is_refused_with_its_place(text: str, line: str, tmp_path: Path) -> None:
    own = tmp_path / "presets.toml"
    own.write_text(text)
    with pytest.raises(OptionError, match=f"presets.toml: .*{line}|presets.toml: {line}"):
        steps.presets(own)


def test_where_the_users_presets_lie(tmp_path: Path) -> None:
    assert steps.user_file({"XDG_CONFIG_HOME": "/etc/x"}) == Path("/etc/x/pellucid/presets.toml")
    assert steps.user_file({}) == Path.home() / ".config/pellucid/presets.toml"
    with pytest.raises(OptionError, match="there is no preset 'nothing'; there are old-photo"):
        steps.preset("nothing", tmp_path / "none.toml")


# -- the output -------------------------------------------------------------------------------------------------------


def holed(kind: str) -> tuple[NDArray[Any], str]:
    """A picture of each kind that files have, and the ending of its file."""
    picture = noisy((40, 52, 3))
    gray = noisy((40, 52))
    if kind == "colour of 8 bits":
        return picture, ".png"
    if kind == "gray of 16 bits":
        return gray.astype(np.uint16) * 257, ".png"
    if kind == "counts of 12 bits":
        return gray.astype(np.uint16) * 16, ".npy"
    if kind == "transparent":
        alpha = np.full((40, 52, 1), 255, np.uint8)
        alpha[8:20, 10:30], alpha[20:24] = 0, 100
        return np.concatenate([picture, alpha], axis=2), ".png"
    floats = gray.astype(np.float32) / 255
    floats[5:9, 7:30] = np.nan
    return floats, ".npy"


DEEP = FileSettings(depth="float32")


def done(given: Path, target: Path, by: Any, how: Any, file: FileSettings = DEEP) -> NDArray[Any]:
    """The values of a file that is restored into another one."""
    (outcome,) = batch.restore_files(plan.plan([given], target), by, how, file)
    assert outcome.error is None
    return values(target)


KINDS = ("colour of 8 bits", "gray of 16 bits", "counts of 12 bits", "transparent", "floats with NaN")


@pytest.mark.parametrize("kind", KINDS)
def test_a_chain_gives_what_its_steps_give_by_hand(kind: str, tmp_path: Path) -> None:
    picture, ending = holed(kind)
    source = tmp_path / f"a{ending}"
    if ending == ".npy":
        np.save(source, picture)
    else:
        files.write(source, images.from_array(picture))
    chosen = steps.parse("denoise:sigma=12+upscale:scale=1.5:noise=keep")
    first, second = chosen.steps
    models = {"denoise": api._kept("photo-fast"), "upscale": api._kept("upscale")}
    chain = chains.Chain(chosen, list(models.values()))
    done(source, tmp_path / "b.tif", models["denoise"], first.settings)
    by_hand = done(tmp_path / "b.tif", tmp_path / "c.tif", models["upscale"], second.settings)
    at_once = done(source, tmp_path / "d.tif", chain, chosen)
    assert at_once.dtype == np.float32
    np.testing.assert_array_equal(at_once, by_hand)
    # At the end the source's depth, or the one that is asked for.
    own = done(source, tmp_path / f"e{ending}", chain, chosen, FileSettings())
    assert own.dtype == picture.dtype
    assert own.shape[:2] == (60, 78)
    if kind != "counts of 12 bits":
        np.testing.assert_array_equal(
            done(source, tmp_path / "f.tif", chain, chosen, FileSettings(depth="8")),
            done(tmp_path / "b.tif", tmp_path / "g.tif", models["upscale"], second.settings, FileSettings(depth="8")),
        )


@pytest.mark.parametrize("kind", ["rows of a TIFF", *KINDS])
def test_a_large_picture_goes_through_a_file_and_gives_the_same(kind: str, monkeypatch: Any, tmp_path: Path) -> None:
    """Whatever its file is: what lies between two steps is not held in memory, and nor is the output."""
    picture, ending = (noisy((90, 70, 3)), ".tif") if kind == "rows of a TIFF" else holed(kind)
    source = tmp_path / f"a{ending}"
    if ending == ".npy":
        np.save(source, picture)
    else:
        files.write(source, images.from_array(picture))
    chosen = steps.parse("denoise:sigma=12+denoise:sigma=5+upscale:scale=2:noise=keep")
    model = api._kept("photo-fast")
    chain = chains.Chain(chosen, [model, model, api._kept("upscale")])
    held = done(source, tmp_path / f"b{ending}", chain, chosen, FileSettings())
    monkeypatch.setattr(base, "BANDED", 1000)
    stored: list[Any] = []
    before = chains._stored

    def counted(image: Any) -> Any:
        stored.append(type(image.pixels).__name__)
        return before(image)

    monkeypatch.setattr(chains, "_stored", counted)
    target = tmp_path / f"c{ending}"
    (outcome,) = batch.restore_files(plan.plan([source], target), chain, chosen)
    assert outcome.error is None
    assert outcome.seconds > 0
    assert stored[0] == "Rows"
    np.testing.assert_array_equal(values(target), held)
    assert not list(tmp_path.glob("pellucid-*"))
    # From Python an array comes back for an array.
    np.testing.assert_array_equal(images.to_array(chain.restore(files.read(source))), images.to_array(files.read(target)))


@pytest.mark.parametrize("second", COMMANDS, ids=lambda row: row.name)
@pytest.mark.parametrize("first", COMMANDS, ids=lambda row: row.name)
def test_every_two_tasks_go_together_as_by_hand_or_are_refused(first: Any, second: Any, tmp_path: Path) -> None:
    try:
        chosen = steps.parse(f"{first.name}+{second.name}")
    except OptionError:
        assert second.early or first is second
        return
    source = tmp_path / "a.png"
    files.write(source, images.from_array(noisy((32, 48, 3))))
    models = [api._kept(step.model) for step in chosen.steps]
    at_once = done(source, tmp_path / "b.tif", chains.Chain(chosen, models), chosen)
    for number, (step, model) in enumerate(zip(chosen.steps, models, strict=True)):
        by_hand = done(source, tmp_path / f"{number}.tif", model, step.settings)
        source = tmp_path / f"{number}.tif"
    np.testing.assert_array_equal(at_once, by_hand)
    height, width, samples = at_once.shape
    answer = chosen.answer(Shape(32, 48, 3, alpha=False))
    assert (height, width, samples) == (answer.height, answer.width, answer.channels + answer.alpha)


def test_progress_goes_from_nothing_to_all_over_all_steps() -> None:
    chosen = steps.parse("denoise:sigma=12+upscale:scale=2:noise=keep")
    chain = chains.Chain(chosen, [api._kept("photo-fast"), api._kept("upscale")])
    reports: list[float] = []
    result = chain.details(images.from_array(noisy((40, 52))), progress=lambda done, of: reports.append(done / of))
    assert reports == sorted(reports)
    assert reports[0] == pytest.approx(0.2)
    assert reports[-1] == 1
    assert [each["model"] for each in result.facts["steps"]] == ["photo-fast-gray", "upscale"]
    assert result.facts["steps"][0]["facts"]["sigma"] == 12


def test_arrays_come_back_as_they_came() -> None:
    picture = noisy((40, 52, 3))
    text = "denoise:sigma=12+upscale:noise=keep"
    large = pellucid.run(picture, text)
    assert (large.shape, large.dtype) == ((80, 104, 3), np.uint8)
    stack = pellucid.run(np.stack([picture[..., 0], picture[..., 1]]), text, axes="ZYX")
    assert stack.shape == (2, 80, 104)
    assert pellucid.run(picture.astype(np.float64) / 255, text).dtype == np.float64
    with pytest.raises(OptionError, match="name the steps"):
        pellucid.run(picture)
    with pytest.raises(OptionError, match="step denoise: model 'upscale' is for another task, upscale"):
        pellucid.run(picture, "denoise:model=upscale")


# -- the command ------------------------------------------------------------------------------------------------------


def test_a_folder_by_a_preset_resumed(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    config = tmp_path / "config"
    (config / "pellucid").mkdir(parents=True)
    (config / "pellucid/presets.toml").write_text(
        "[tiny]\nsummary = 'a test'\nsteps = [{task = 'denoise', sigma = 9, model = 'photo-fast'}, "
        "{task = 'denoise', sigma = 3, model = 'photo-fast'}]\n"
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(config))
    (tmp_path / "in").mkdir()
    for number in range(2):
        files.write(tmp_path / f"in/{number}.png", images.from_array(noisy((20, 24), number)))
    out = tmp_path / "out"
    assert cli.main(["run", "--preset", "tiny", str(tmp_path / "in"), "-o", str(out), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [[step["sigma"] for step in line["steps"]] for line in lines] == [[9, 3], [9, 3]]
    assert cli.main(["run", "--preset", "tiny", str(tmp_path / "in"), "-o", str(out), "--resume"]) == 0
    assert "skipped 2" in capsys.readouterr().err
    # Another setting of any step is another output.
    by_text = "denoise:sigma=9:model=photo-fast+denoise:sigma=4:model=photo-fast"
    assert cli.main(["run", by_text, str(tmp_path / "in"), "-o", str(out), "--resume"]) == 1
    assert cli.main(["run", by_text, str(tmp_path / "in/0.png")]) == 0
    assert (tmp_path / "in/0.clean.clean.png").exists()
    capsys.readouterr()
    assert cli.main(["presets", "--json"]) == 0
    listed = {entry["name"]: entry for entry in map(json.loads, capsys.readouterr().out.splitlines())}
    assert listed["tiny"]["own"]
    assert not listed["scan"]["own"]


def test_pictures_stand_before_options_and_behind_them(monkeypatch: Any) -> None:
    found: list[tuple[list[str], str | None, str]] = []

    def seen(options: Any, *_: Any) -> int:
        found.append(([str(each) for each in options.inputs], options.preset, options.depth))
        return 0

    monkeypatch.setattr(pictures, "_done", seen)
    for line, expected in (
        ("denoise a.png --depth 16", (["a.png"], None, "16")),
        ("denoise --depth 16 a.png", (["a.png"], None, "16")),
        ("--depth 16 denoise a.png", (["a.png"], None, "16")),
        ("denoise a.png --depth 16 b.png", (["a.png", "b.png"], None, "16")),
        ("--preset scan --depth 16 a.png", (["a.png"], "scan", "16")),
        ("a.png --preset scan b.png", (["a.png", "b.png"], "scan", "auto")),
        ("denoise --depth 16 -- -a.png", (["-a.png"], None, "16")),
        ("denoise - -o -", (["-"], None, "auto")),
    ):
        assert cli.main(["run", *line.split()]) == 0
        assert found.pop() == expected, line


def test_wrong_use_in_a_line(tmp_path: Path, capsys: Any) -> None:
    for arguments, line in (
        (["upscale+denoise", "a.png"], "denoise comes after upscale"),
        (["denoise"], "name a picture after the steps denoise"),
        (["a.png"], "'a.png' is no step"),
        (["--preset", "nothing", "a.png"], "there is no preset 'nothing'"),
        (["denoise", str(tmp_path / "none.png")], "there is no such file"),
    ):
        assert cli.main(["run", *arguments]) in (1, 2)
        said = capsys.readouterr().err
        assert line in said
        assert said.count("\n") == 1


def test_depth_of_every_format(tmp_path: Path) -> None:
    """Each format takes the depths that its row names, and no other."""
    source = tmp_path / "a.png"
    files.write(source, images.from_array(noisy((20, 24)).astype(np.uint16) * 257))
    model = api._kept("photo-fast")
    for kind in files.WRITTEN:
        for depth, dtype in (("8", np.uint8), ("16", np.uint16), ("float32", np.float32)):
            if kind.name in ("OpenEXR", "HEIF", "AVIF"):
                # Need packages of their own, or lose a little.
                continue
            target = tmp_path / f"{depth}{kind.endings[0]}"
            (outcome,) = batch.restore_files(plan.plan([source], target), model, None, FileSettings(depth=depth))
            if depth not in kind.depths:
                assert outcome.error is not None
                assert f"--depth {depth}" in outcome.error
                assert not target.exists()
                continue
            assert outcome.error is None
            assert values(target).dtype == dtype, (kind.name, depth)


def test_arrays_and_stacks_at_another_depth(tmp_path: Path) -> None:
    model = api._kept("photo-fast")
    np.save(tmp_path / "a.npy", np.stack([noisy((20, 24), 1), noisy((20, 24), 2)]))
    (outcome,) = batch.restore_files(
        plan.plan([tmp_path / "a.npy"], tmp_path / "b.npy"), model, None, FileSettings(depth="float32")
    )
    assert outcome.error is None
    whole = np.load(tmp_path / "b.npy")
    assert (whole.shape, whole.dtype) == ((2, 20, 24), np.float32)
    assert 0 <= whole.min() <= whole.max() <= 1
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "c.tif", np.stack([noisy((20, 24), 1), noisy((20, 24), 2)]), imagej=True, metadata={"axes": "ZYX"})
    (outcome,) = batch.restore_files(plan.plan([tmp_path / "c.tif"], tmp_path / "d.tif"), model, None, FileSettings(depth="16"))
    assert outcome.error is None
    assert tifffile.imread(tmp_path / "d.tif").dtype == np.uint16


# -- metadata ---------------------------------------------------------------------------------------------------------

NAMES = {"rdf": metadata.RDF, "mm": metadata.MEDIA, "ev": metadata.EVENTS}


def history(xmp: bytes) -> list[str]:
    """The entries' parameters, as another XML parser sees them."""
    root = ElementTree.fromstring(re.sub(rb"<\?xpacket[^>]*>", b"", xmp))
    assert len(root.findall(".//mm:History", NAMES)) == 1
    entries = root.findall(".//mm:History/rdf:Seq/rdf:li", NAMES)
    return [entry.get(f"{{{metadata.EVENTS}}}parameters", "") for entry in entries]


def test_the_steps_stand_in_the_history(tmp_path: Path) -> None:
    model = api._kept("photo-fast")
    picture = images.from_array(noisy((20, 24)))
    chosen = steps.parse("denoise:sigma=9+denoise:sigma=3")
    chain = chains.Chain(chosen, [model, model])
    once = chain.details(picture).image
    assert history(once.xmp) == ["denoise:sigma=9.0+denoise:sigma=3.0"]
    twice = chain.details(once).image
    assert history(twice.xmp) == ["denoise:sigma=9.0+denoise:sigma=3.0"] * 2
    # A program with a prefix of its own, and entries that hold elements.
    other = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
        b'xmlns:a="http://ns.adobe.com/xap/1.0/mm/" xmlns:e="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"><a:History><rdf:Seq>'
        b'<rdf:li e:parameters="first"/></rdf:Seq></a:History></rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    after = metadata.with_history(replace(picture, xmp=other), "x", 'a "b" <c>&\x01')
    assert after.xmp is not None
    assert history(after.xmp) == ["first", 'a "b" <c>&']
    source = tmp_path / "a.jpg"
    files.write(source, once)
    for strip, there in ((False, 2), (True, 0)):
        target = tmp_path / f"{strip}.jpg"
        list(batch.restore_files(plan.plan([source], target), chain, chosen, FileSettings(strip=strip)))
        xmp = files.read(target).xmp
        assert (len(history(xmp)) if xmp else 0) == there


def test_a_full_disk_is_no_wrong_answer(monkeypatch: Any, tmp_path: Path) -> None:
    source = tmp_path / "a.tif"
    files.write(source, images.from_array(noisy((90, 70))))
    monkeypatch.setattr(base, "BANDED", 1000)

    def none(image: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(chains, "_stored", none)
    chosen = steps.parse("denoise:sigma=9+denoise:sigma=3")
    model = api._kept("photo-fast")
    (outcome,) = batch.restore_files(plan.plan([source], tmp_path / "b.tif"), chains.Chain(chosen, [model, model]), chosen)
    assert outcome.full
    assert outcome.error is not None
    assert not (tmp_path / "b.tif").exists()


def test_a_depth_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="JPEG does not hold float32 as pellucid writes it; TIFF, NumPy, OpenEXR do"):
        files.check_depth(tmp_path / "a.jpg", "float32")
    files.check_depth(tmp_path / "a.jpg", "auto")


@pytest.mark.parametrize("text", ["cutout:alpha_only", "film:show_damage"])
def test_a_mask_is_the_same_alone_and_as_a_step(text: str, tmp_path: Path) -> None:
    """In range and form: whatever black and white of the picture are, and without an axis for colours."""
    chosen = steps.parse(text)
    (step,) = chosen.steps
    model = api._kept(step.model)
    source = tmp_path / "a.npy"
    np.save(source, holed("counts of 12 bits")[0])
    found = []
    for number, (by, how) in enumerate(((model, step.settings), (chains.Chain(chosen, [model]), chosen))):
        done(source, tmp_path / f"{number}.tif", by, how, FileSettings(range="100:3000"))
        image = files.read(tmp_path / f"{number}.tif")
        assert (image.black, image.white) == (0, None)
        found.append(image.pixels)
    np.testing.assert_array_equal(*found)
    picture = noisy((40, 52, 3))
    for given in (picture, picture[None], np.ma.MaskedArray(picture, mask=picture > 200)):
        axes = "ZYXS"[-given.ndim :]
        alone, chained = model.restore(given, step.settings, axes=axes), pellucid.run(given, text, axes=axes)
        assert alone.shape == chained.shape == given.shape[:-1]
        np.testing.assert_array_equal(alone, chained)
