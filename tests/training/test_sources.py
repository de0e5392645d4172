"""Learning from named sources: a tiny task from outside, ``front``, composes its examples of things with alpha and of grounds."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import cli, images, metrics, tasks
from pellucid.errors import ModelError, OptionError, TrainingError
from pellucid.tasks import TASKS, base
from pellucid.tasks.settings import Settings
from pellucid.training import batches, feed, loop, losses, packs
from pellucid.training.cache import Store
from pellucid.training.mnist import HUES
from pellucid.training.pictures import load, load_named
from pellucid.training.recipes import Recipe
from pellucid.training.splits import is_held_out

SIDE = 16


@dataclass(frozen=True)
class Front(base.Learning):
    """The mask of a thing before a ground: things are red, and grounds have no red."""

    name: ClassVar[str] = "front"
    sources: ClassVar[tuple[str, ...]] = ("things", "grounds")
    with_alpha: ClassVar[tuple[str, ...]] = ("things",)
    heavy: bool = True

    def planes(self, channels: int) -> tuple[int, int]:
        return channels, 1

    def composed(self, drawn: base.Drawn, side: int, rng: np.random.Generator) -> base.Pair:
        thing = images.resized(drawn("things"), side, side, images.BICUBIC)
        ground = images.resized(drawn("grounds"), side, side, images.BICUBIC)
        alpha = np.clip(thing[..., 3:], 0, 1)
        image = alpha * thing[..., :3] + (1 - alpha) * ground
        weight = np.full((side, side, 1), rng.uniform(0.5, 1.5), np.float32) if self.heavy else None
        return base.Pair(image, np.empty((side, side, 0), np.float32), alpha, np.ones_like(alpha), weight=weight)


@dataclass(frozen=True)
class Whole(base.Learning):
    """The picture as it is, seen whole."""

    name: ClassVar[str] = "whole"
    sees: ClassVar[Literal["crop", "whole"]] = "whole"

    def pair(self, clean: Any, rng: Any) -> base.Pair:
        return base.Pair(clean, np.empty((*clean.shape[:2], 0), np.float32), clean, clean)

    def degrade(self, clean: Any, case: Any, rng: Any) -> base.Pair:
        return self.pair(clean, rng)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks as rows, their modules as if they were the package's."""
    for learning in (Front, Whole):
        name = learning.name
        module: Any = ModuleType(f"pellucid.tasks.{name}")
        module.Learning, module.METRICS = learning, ("psnr",)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(tasks, name, module, raising=False)
        row = tasks.Task(name, name, name, (name,) * 3, name, name, model=name, settings=Settings)
        monkeypatch.setitem(TASKS, name, row)


def recipe(task: str = "front", data: dict[str, Any] | None = None, **training: Any) -> Recipe:
    return Recipe.from_dict(
        {
            "name": task,
            "summary": "",
            "licence": "",
            "task": {"name": task},
            "network": {"name": "unet", "widths": [8], "blocks": [1], "answer": "clean"},
            "data": {"patch": SIDE, "held_out": 0.3, "validation": ["gaussian:0"], **(data or {})},
            "training": {"batch": 4, "steps": 4, "loss": "l2", "finish_loss": "l2", **training},
        }
    )


def thing(number: int) -> NDArray[np.uint8]:
    """A red thing: a disc whose red is its number, green and blue 0, and colours of their own where nothing is shown."""
    rows, columns = np.mgrid[:40, :48]
    levels = np.full((40, 48, 4), 77, np.uint8)
    inside = (rows - 20) ** 2 + (columns - 24) ** 2 < 150
    levels[inside] = (100 + number, 0, 0, 255)
    levels[..., 3] = np.where(inside, 255, 0)
    return levels


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two views of each of ten things, and twelve blue grounds."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("things", "grounds"):
        (folder / name).mkdir()
    for number in range(20):
        PillowImage.fromarray(thing(number // 2)).save(folder / "things" / f"thing{number // 2}-{number % 2}.png")
    for number in range(12):
        levels = np.random.default_rng(number).integers(0, 256, (30, 36, 3), np.uint8)
        levels[..., 0] = number
        PillowImage.fromarray(levels).save(folder / "grounds" / f"ground{number}.png")
    return folder


GROUPED = {"group": "^(.*)-[0-9]+$"}


def stocked(place: Path, given: Recipe, **kept: Any) -> Any:
    return load_named(
        [(name, place / name) for name in ("things", "grounds")], given.data, given.task, store=Store(budget=0), **kept
    )


def test_batches_depend_on_seed_process_and_step_alone(place: Path) -> None:
    given = recipe()
    pictures = stocked(place, given)
    first = batches.make_batch(pictures, given, seed=3, step=5, rank=1)
    assert first.input.shape == (4, 3, SIDE, SIDE)
    assert first.target.shape == first.base.shape == (4, 1, SIDE, SIDE)
    assert first.weight is not None
    assert first.weight.shape == (4, 1, SIDE, SIDE)
    again = batches.make_batch(pictures, given, seed=3, step=5, rank=1)
    np.testing.assert_array_equal(first.input, again.input)
    np.testing.assert_array_equal(first.weight, again.weight)
    for other in ({"seed": 4}, {"step": 6}, {"rank": 0}):
        made = batches.make_batch(pictures, given, **{"seed": 3, "step": 5, "rank": 1, **other})  # type: ignore[arg-type]
        assert not np.array_equal(first.input, made.input)


def test_processes_bring_the_same_batches(place: Path) -> None:
    given = recipe()
    pictures = stocked(place, given)
    made = feed.batches(pictures, given, 1, 7, processes=2)
    for step in (7, 8, 9):
        batch, own = next(made), batches.make_batch(pictures, given, 1, step)
        np.testing.assert_array_equal(batch.input, own.input)
        np.testing.assert_array_equal(batch.weight, own.weight)  # type: ignore[arg-type]
    made.close()  # type: ignore[attr-defined]


def test_alpha_and_the_colours_under_it_survive_cache_and_pack(place: Path, tmp_path: Path) -> None:
    given = recipe(data={"scales": [1.0, 0.5]})
    packed = tmp_path / "things.pack"
    packs.pack(place / "things", packed, megabytes=1, alpha=True)
    for source in (place / "things", packed):
        for store in (Store(budget=0), Store(tmp_path), Store(tmp_path)):
            places = [("things", source), ("grounds", place / "grounds")]
            stock = load_named(places, given.data, given.task, store=store).stocks["things"]
            known = {thing(number).tobytes() for number in range(10)}
            for copies in (*stock.train, *stock.valid):
                assert copies[0].tobytes() in known
                assert [copy.shape for copy in copies] == [(40, 48, 4), (20, 24, 4)]
                # Nothing of the colours outside bleeds in.
                shown = copies[1][..., 3] > 40
                assert shown.any()
                assert copies[1][shown][:, 1].max() <= 2
                assert tuple(copies[1][0, 0]) == (77, 77, 77, 0)


def test_a_pack_leaves_out_what_cannot_be_read_and_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mix"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"no picture")
    arguments = ["pack", str(folder), "-o", str(tmp_path / "mix.pack"), "--megabytes", "1"]
    assert cli.main(arguments) == 1
    assert "no images to pack" in capsys.readouterr().err
    for number in range(3):
        PillowImage.fromarray(np.full((40, 48, 3), 50 * number, np.uint8)).save(folder / f"{number}.png")
    assert cli.main(arguments) == 0
    said = capsys.readouterr()
    assert "3 images" in said.out
    assert "left out: " in said.err
    assert "bad.png" in said.err
    assert [entry.name for entry in packs.entries(tmp_path / "mix.pack")[0]] == ["0.webp", "1.webp", "2.webp"]


def test_a_pack_keeps_to_the_shorter_side(place: Path, tmp_path: Path) -> None:
    words = packs.pack(place / "things", tmp_path / "small", megabytes=1, side=20, alpha=True)
    assert "shorter sides of at most 20 pixels" in words
    sizes = {entry.read().levels.shape for entry in packs.entries(tmp_path / "small", alpha=True)[0]}
    assert sizes == {(20, 24, 4)}
    assert {entry.read().levels.shape for entry in packs.entries(tmp_path / "small")[0]} == {(20, 24, 3)}


def test_views_of_one_thing_are_held_out_together_and_never_teach(place: Path) -> None:
    given = recipe(data=GROUPED)
    assert is_held_out("thing3-0.png", given.data) == is_held_out("thing3-1.png", given.data)
    pictures = stocked(place, given)

    def reds(part: Any) -> set[int]:
        return {int(copies[0][20, 24, 0]) for copies in part}

    things = pictures.stocks["things"]
    assert things.valid
    assert reds(things.train) | reds(things.valid) == set(range(100, 110))
    assert not reds(things.train) & reds(things.valid)
    out = reds(things.valid) | {number for number in range(12) if is_held_out(f"ground{number}.png", given.data)}
    used: set[int] = set()
    for step in range(40):
        made = batches.make_batch(pictures, given, 0, step)
        # The middle shows the thing alone, a corner the ground alone.
        for corner in ((SIDE // 2, SIDE // 2), (0, 0)):
            used |= {round(float(value) * 255) for value in made.input[:, 0, *corner]}
    assert used
    assert not used & out


def test_a_group_in_several_folders_is_held_out_as_one(tmp_path: Path, place: Path) -> None:
    given = recipe(data=GROUPED)
    names = ("mug-0", "mug-1", "mug-2", "mug-3", "cup-0")
    assert not any(is_held_out(f"{name}.png", given.data) for name in names)
    places = [("grounds", place / "grounds")]
    for name in names:
        folder = tmp_path / ("first" if name in ("mug-0", "mug-1") else "second")
        folder.mkdir(exist_ok=True)
        PillowImage.fromarray(thing(1 if "mug" in name else 2)).save(folder / f"{name}.png")
        places += [("things", folder)] if ("things", folder) not in places else []
    things = load_named(places, given.data, given.task, store=Store(budget=0)).stocks["things"]
    reds = [{int(copies[0][20, 24, 0]) for copies in part} for part in (things.train, things.valid)]
    assert sorted(map(len, (things.train, things.valid))) == [1, 4]
    assert not reds[0] & reds[1]


def test_one_group_is_too_few(tmp_path: Path, place: Path) -> None:
    (tmp_path / "one").mkdir()
    for view in range(3):
        PillowImage.fromarray(thing(1)).save(tmp_path / "one" / f"thing-{view}.png")
    given = recipe(data=GROUPED)
    with pytest.raises(TrainingError, match="two are needed"):
        load_named([("things", tmp_path / "one"), ("grounds", place / "grounds")], given.data, given.task, store=Store(budget=0))


def test_opaque_pictures_are_no_things(tmp_path: Path, place: Path) -> None:
    given = recipe()
    places = [("things", place / "things"), ("things", place / "grounds"), ("grounds", place / "grounds")]
    pictures = load_named(places, given.data, given.task, store=Store(budget=0))
    assert "left out: ground0.png: it has no transparency" in " ".join(pictures.notes)
    assert len(pictures.stocks["things"].train) + len(pictures.stocks["things"].valid) == 20


def test_sources_are_asked_for_by_name(place: Path) -> None:
    given = recipe()
    with pytest.raises(TrainingError, match="--images things=FOLDER --images grounds=FOLDER"):
        load_named([("things", place / "things")], given.data, given.task)
    with pytest.raises(OptionError, match="learns from things, grounds"):
        load_named([("skies", place / "things")], given.data, given.task)


def test_the_smallest_copy_that_is_enough_is_drawn(place: Path) -> None:
    given = recipe(data={"scales": [0.5, 1.0]})
    drawing = batches._Drawing(stocked(place, given), given, np.random.default_rng(0))
    assert [drawing("things", least).shape[:2] for least in (None, 20, 21, 500)] == [(20, 24), (20, 24), (40, 48), (40, 48)]
    assert drawing("grounds").shape[2] == 3


def test_weights_of_the_recipe_say_how_often_images_are_drawn(place: Path) -> None:
    given = recipe(data={"weights": [{"match": "ground", "weight": 0}, {"match": "thing", "weight": 1}]})
    with pytest.raises(TrainingError, match="leave no image"):
        stocked(place, given)
    given = recipe(data={"weights": [{"match": "-0", "weight": 0}]})
    assert stocked(place, given).stocks["things"].chances.min() == 0
    assert stocked(place, given).stocks["grounds"].chances is None


def test_validation_is_always_the_same_and_of_held_out_images(place: Path) -> None:
    given = recipe(data=GROUPED)
    pictures = stocked(place, given)
    once, twice = (list(batches.validation_batches(pictures, given, most=100)) for _ in range(2))
    assert [name for name, _ in once] == ["gaussian:0"]
    assert len(once[0][1].input) == max(len(stock.valid) for stock in pictures.stocks.values())
    np.testing.assert_array_equal(once[0][1].input, twice[0][1].input)
    held = {int(copies[0][20, 24, 0]) for copies in pictures.stocks["things"].valid}
    assert {round(float(value) * 255) for value in once[0][1].input[:, 0, SIDE // 2, SIDE // 2]} == held


def test_weight_reaches_the_loss(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = recipe(steps=2)
    weights: list[Any] = []
    real = losses.loss_of

    def kept(*arguments: Any) -> torch.Tensor:
        weights.append(arguments[4])
        return real(*arguments)

    monkeypatch.setattr(losses, "loss_of", kept)
    loop.train(given, stocked(place, given), checkpoint=tmp_path / "a", workers=0)
    first = batches.make_batch(stocked(place, given), given, 0, 0).weight
    np.testing.assert_array_equal(weights[0].numpy(), first)


@pytest.mark.parametrize(
    "kind", [name for name, loss in losses.LOSSES.items() if not loss.raw and name in ("l1", "l2", "psnr", "bce")]
)
def test_a_pixel_without_weight_does_not_count(kind: str) -> None:
    restored, clean = torch.rand(2, 1, 6, 6), torch.rand(2, 1, 6, 6)
    ones = torch.ones(2, 1, 6, 6)
    whole = losses.loss_of(kind, restored, clean, clean)
    assert float(losses.loss_of(kind, restored, clean, clean, ones)) == pytest.approx(float(whole), rel=1e-5)
    half = ones.clone()
    half[..., 3:] = 0
    part = losses.loss_of(kind, restored[..., :3], clean[..., :3], clean[..., :3])
    assert float(losses.loss_of(kind, restored, clean, clean, half)) == pytest.approx(float(part), rel=1e-5)


def test_a_raw_loss_reads_what_the_network_answers_in_training(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pellucid.training.networks.unet import Unet

    before = Unet.training_output

    def logits(self: Any, x: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = 7 + before(self, x)
        return output

    shapes: list[Any] = []

    def own(restored: torch.Tensor, clean: torch.Tensor, noisy: torch.Tensor, weight: torch.Tensor | None) -> torch.Tensor:
        shapes.append((restored.shape, restored.requires_grad, float(restored.detach().mean()) > 5))
        return (restored - 7 - clean).square().mean()

    monkeypatch.setattr(Unet, "training_output", logits)
    monkeypatch.setattr(Unet, "forward", before)
    monkeypatch.setitem(losses.LOSSES, "own", losses.Loss(own, raw=True))
    given = recipe(steps=2, loss="own", validations=1)
    run = loop.train(given, stocked(place, given), checkpoint=tmp_path / "a", workers=0)
    assert shapes[0] == ((4, 1, SIDE, SIDE), True, True)
    # Validation reads it, too, and scores the answer itself.
    assert [learning for _, learning, _ in shapes].count(False) == 1
    assert run.history[-1].scores is not None


def test_a_whole_picture_is_scaled_to_the_patch(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    # Light rises from left to right: a square's first and last column say where it began and ended.
    for number in range(6):
        levels = np.repeat(np.repeat(np.linspace(0, 250, 160)[None, :, None], 120, 0), 3, 2).astype(np.uint8)
        PillowImage.fromarray(levels).save(tmp_path / "in" / f"{number}.png")
    given = recipe("whole", data={"augment": False, "part": 0.6})
    pictures = load(tmp_path / "in", given.data, store=Store(budget=0))
    shares = []
    for step in range(20):
        made = batches.make_batch(pictures, given, 0, step)
        assert made.input.shape == (4, 3, SIDE, SIDE)
        across = made.input[:, 0].mean(axis=1)
        shares += list((across[:, -1] - across[:, 0]) * 255 / 250 * 160 / 120 * SIDE / (SIDE - 1))
        # Rows are alike: nothing is turned.
        assert np.ptp(made.input, axis=2).max() < 0.01
    assert 0.55 < min(shares) < 0.7
    assert 0.9 < max(shares) < 1.03
    ((_, valid),) = batches.validation_batches(pictures, given, most=9)
    assert valid.input.shape[2:] == (SIDE, SIDE)
    mirrored = recipe("whole", data={"part": 1.0})
    slopes = {
        bool(row[-1] > row[0]) for step in range(6) for row in batches.make_batch(pictures, mirrored, 0, step).input[:, 0].mean(1)
    }
    assert slopes == {True, False}


def test_digits_are_things_and_grounds_are_made() -> None:
    given = recipe(data={"kind": "digits", "patch": 28})
    pictures = load_named([], given.data, given.task)
    drawing = batches._Drawing(pictures, given, np.random.default_rng(0))
    digit, ground = drawing("things"), drawing("grounds")
    assert (digit.shape, ground.shape) == ((28, 28, 4), (28, 28, 3))
    assert digit[..., :3].min() == 1
    assert 0 == digit[..., 3].min() < digit[..., 3].max() == 1
    assert ground.std() > 0.01
    assert batches.make_batch(pictures, given, 0, 0).input.shape == (4, 3, 28, 28)


def test_digits_have_the_colours_of_their_values() -> None:
    given = recipe("whole", data={"kind": "digits", "patch": 28, "colours": True, "augment": False})
    pictures = load(None, given.data)
    from pellucid import samples

    digits, labels = samples.digits()
    for index in (0, 1, 2, 3, 50):
        place = np.unravel_index(digits[index].argmax(), (28, 28))
        expected = np.array(HUES[labels[index]]) * (digits[index].max() / 255)
        np.testing.assert_allclose(pictures.train[index][place], expected, atol=0.51)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"group": "("}, "no regular expression"),
        ({"group": "thing"}, "needs a group"),
        ({"part": 0}, "data.part"),
        ({"colours": True}, "data.colours"),
        ({"weights": [{"match": "a", "weight": -1}]}, "data.weights"),
    ],
)
def test_what_a_recipe_cannot_mean_is_refused(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        recipe(data=data)


def test_held_out_shares_are_those_of_names_where_there_is_no_group() -> None:
    table = recipe().data
    assert [is_held_out(f"{name}.png", table) for name in "abcdef"] == [
        is_held_out(f"{name}.png", replace(table, group="^(.*)$")) for name in "abcdef"
    ]


def test_validation_scores_by_the_tasks_headline_metric(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.training.validating import validate

    module = TASKS["front"].module()
    given = recipe(data=GROUPED)
    # Whatever the processor would rather compute in.
    given = replace(given, training=replace(given.training, precision="float32"))
    pictures = stocked(place, given)
    network = given.network.build()
    ((_, batch),) = batches.validation_batches(pictures, given, most=100)
    with torch.no_grad():
        answer = network.eval()(torch.from_numpy(batch.input)).clamp(0, 1).numpy()
    for name in ("iou", "mae"):
        monkeypatch.setattr(module, "METRICS", (name,))
        expected = [
            metrics.METRICS[name].function(true[0], found[0], data_range=1.0)
            for true, found in zip(batch.target, answer, strict=True)
        ]
        _, scores = validate(network, network.state_dict(), pictures, given, torch.device("cpu"))
        assert scores is not None
        assert scores["mean"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_the_best_step_is_that_of_the_least_error(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TASKS["front"].module(), "METRICS", ("mae",))
    given = recipe(steps=40, validations=4, rate=0.01, warmup=0, ema=0)
    run = loop.train(given, stocked(place, given), checkpoint=tmp_path / "a", workers=0)
    scores = {line.step: (line.scores or {})["mean"] for line in run.history}
    assert len(scores) == 4
    assert run.best_step == min(scores, key=lambda step: scores[step])


def test_a_run_from_named_sources_leaves_a_model_with_its_scores(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    from pellucid import cards, cli

    def prepare(view: Any, models: Any, settings: Any) -> base.Job:
        role = next(iter(models))
        graph = models.graph(role)
        step = base.Pass(
            lambda planes, place, room: graph(planes[None])[0], tile=512, engine_bytes=16, piece_bytes=16, channels=1, multiple_of=2
        )
        return base.Job(models.card(role).name, (step,))

    module: Any = TASKS["front"].module()
    module.prepare, module.METRICS, module.CASES, module.PROTOCOL = prepare, ("iou", "mae"), ("alpha",), {}
    module.known, module.scored = lambda case, maps, *, blind: Settings(), lambda case, pixels: pixels
    text = f"""
        name = "own-front"
        summary = "finds red things"
        licence = "CC0-1.0"
        [task]
        name = "front"
        [network]
        name = "unet"
        widths = [8]
        blocks = [1]
        answer = "alpha"
        [data]
        patch = {SIDE}
        held_out = 0.3
        group = '^(.*)-[0-9]+$'
        validation = ["alpha"]
        [training]
        batch = 8
        steps = 60
        rate = 0.01
        loss = "l1"
        finish_loss = "l1"
        validations = 2
    """
    (tmp_path / "own.toml").write_text("\n".join(line.strip() for line in text.splitlines()))
    named = [part for name in ("things", "grounds") for part in ("--images", f"{name}={place / name}")]
    out = tmp_path / "own.onnx"
    arguments = ["train", str(tmp_path / "own.toml"), *named, "--out", str(out), "--device", "cpu", "--workers", "0"]
    assert cli.main([*arguments, "--cache", "0"]) == 0
    told = capsys.readouterr().err
    assert "things: " in told
    assert "IoU: alpha 0." in told
    card = cards.read_card(out)
    assert (card.channels, card.planes, card.answer) == (3, 1, "alpha")
    assert 0.5 < card.scores["held-out alpha, IoU"] <= 1
    assert "Held-out images, alpha:" in (tmp_path / "own.html").read_text()
    assert (
        cli.main(["train", str(tmp_path / "own.toml"), "--images", str(place / "things"), "--out", str(tmp_path / "b.onnx")]) == 2
    )
    assert "--images things=PLACE --images grounds=PLACE" in capsys.readouterr().err
    assert cli.main(["train", "photo", *named, "--out", str(tmp_path / "b.onnx")]) == 2
    assert "recipe photo has no named sources" in capsys.readouterr().err
