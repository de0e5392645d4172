"""The loop: it learns, it can be stopped and resumed, and the way over a machine without an engine ends in the same model."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid import cards, cli, degradations, files, images, restorer, samples
from pellucid.cutting import MAPS
from pellucid.errors import EngineError, FileError, ModelError, OptionError, TrainingError
from pellucid.tasks.base import NoiseRange
from pellucid.tasks.denoise import Learning
from pellucid.training import adopting, export, figures, looks, loop, losses, recipes, run
from pellucid.training.batches import stack
from pellucid.training.networks import CutoutSpec, UnetSpec
from pellucid.training.pictures import Pictures, load, load_named

SOURCE = Path(pellucid.__file__).parent.parent


def small(name: str = "digits", **training: Any) -> recipes.Recipe:
    """A shipped recipe with a network that trains in seconds; exact arithmetic by default."""
    recipe = recipes.find(name)
    network = UnetSpec(channels=1, widths=(16, 24), blocks=(1, 1)) if name == "digits" else recipe.network
    settings: dict[str, Any] = {
        "minutes": 0,
        "epochs": 0,
        "steps": 40,
        "batch": 16,
        "precision": "float32",
        "validations": 2,
        **training,
    }
    return replace(recipe, network=network, training=replace(recipe.training, **settings))


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """The package's digits, a few of them held out: they are validated in the light of every noise of the recipe."""
    loaded = load(None, recipes.find("digits").data)
    return replace(loaded, valid=loaded.valid[:60])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    place.mkdir()
    photograph = samples.photograph()
    for index in range(6):
        files.write(
            place / f"crop-{index}.png", images.from_array(photograph[40 * index : 40 * index + 150, 60 * index : 60 * index + 200])
        )
    return place


def test_the_seed_learns_by_cross_entropy(pictures: Pictures, tmp_path: Path) -> None:
    recipe = small("seed-digits", steps=40, batch=32)
    run = loop.train(recipe, pictures, checkpoint=tmp_path / "a.checkpoint")
    losses = [line.loss for line in run.history]
    assert losses[-1] < losses[0]
    assert run.history[-1].validation_loss is not None
    # Batch statistics move by a hundredth a step: after 40 the network that validates is not yet the one that learns.
    assert run.history[-1].validation_loss < 0.6


@pytest.mark.parametrize(("precision", "kind"), [("bfloat16", torch.bfloat16), ("float32", torch.float32)])
def test_a_loss_of_logits_runs_in_the_precision_of_the_run(precision: str, kind: torch.dtype, tmp_path: Path) -> None:
    recipe = small("digits-cutout", steps=1, batch=2, validations=1, precision=precision)
    recipe = replace(recipe, network=CutoutSpec(maps=MAPS, widths=(8, 8), blocks=(1,)))
    loaded = load_named([], recipe.data, recipe.task)
    stocks = {source: replace(stock, valid=stock.valid[:2]) for source, stock in loaded.stocks.items()}
    loaded = replace(loaded, valid=loaded.valid[:2], stocks=stocks)
    kinds = set()

    def learnt(module: torch.nn.Module, given: Any, output: Any) -> None:
        if isinstance(module, torch.nn.Conv2d) and module.training:
            kinds.add(output.dtype)

    watch = torch.nn.modules.module.register_module_forward_hook(learnt)
    try:
        loop.train(recipe, loaded, checkpoint=tmp_path / "a.checkpoint", workers=0, device="cpu")
    finally:
        watch.remove()
    assert kinds == {kind}


def test_no_time_is_left_at_the_end_and_never_less_than_none(pictures: Pictures, tmp_path: Path) -> None:
    lines: list[loop.Progress] = []
    recipe = small(steps=0, minutes=0.005, validations=1)
    run = loop.train(recipe, pictures, checkpoint=tmp_path / "a.checkpoint", on_progress=lines.append)
    assert run.minutes > 0.005
    assert lines[-1].minutes_left == 0
    assert all(line.minutes_left >= 0 for line in lines)


def test_a_resumed_run_is_the_unbroken_one(pictures: Pictures, tmp_path: Path) -> None:
    recipe = small(steps=30)
    whole = loop.train(recipe, pictures, checkpoint=tmp_path / "whole.checkpoint")
    half = tmp_path / "half.checkpoint"
    event: list[int] = []

    def stop(line: loop.Progress) -> None:
        if line.done >= 0.5 and not event:
            event.append(line.step)
            os.kill(os.getpid(), signal.SIGTERM)

    broken = loop.train(recipe, pictures, checkpoint=half, on_progress=stop)
    assert not broken.finished
    assert broken.steps < 30
    resumed = loop.train(recipe, pictures, checkpoint=half, resume=True)
    assert (resumed.steps, resumed.finished) == (30, True)
    assert len(resumed.history) == len(whole.history)
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, rtol=0, atol=0)


def test_the_same_seed_gives_the_same_weights(pictures: Pictures, tmp_path: Path) -> None:
    runs = [loop.train(small(steps=5), pictures, checkpoint=tmp_path / f"{n}", seed=seed) for n, seed in enumerate((1, 1, 2))]
    first, second, third = (run.network.state_dict()["head.weight"] for run in runs)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_checkpoints_are_neither_ignored_nor_imagined(pictures: Pictures, tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    with pytest.raises(OptionError, match="to go on from"):
        loop.train(small(steps=1), pictures, checkpoint=path, resume=True)
    loop.train(small(steps=1), pictures, checkpoint=path)
    with pytest.raises(OptionError, match="--resume"):
        loop.train(small(steps=1), pictures, checkpoint=path)
    recipe = small(steps=2)
    for other, how, line in (
        (replace(recipe, network=UnetSpec(channels=1, widths=(8, 8), blocks=(1, 1))), {}, r"network\.widths was .* in this run"),
        (replace(recipe, training=replace(recipe.training, rate=0.1)), {}, r"training\.rate was "),
        (recipe, {"seed": 1}, "seed was 0 in this run, and is 1 here"),
        (recipe, {"start": recipe.network.build().state_dict()}, "began without --from"),
    ):
        with pytest.raises(OptionError, match=line):
            loop.train(other, pictures, checkpoint=path, resume=True, **how)
    with pytest.raises(OptionError, match="learnt from other images"):
        loop.train(recipe, replace(pictures, train=pictures.train[:-1]), checkpoint=path, resume=True)
    path.write_bytes(b"half a checkpoint")
    with pytest.raises(FileError, match="checkpoint"):
        loop.train(small(steps=2), pictures, checkpoint=path, resume=True)


def test_a_loss_that_is_no_number_ends_the_run(pictures: Pictures, tmp_path: Path) -> None:
    recipe = small(steps=200, rate=1e12, warmup=0, clip=0, loss="l2", finish_loss="l2")
    with pytest.raises(TrainingError, match="not a number"):
        loop.train(recipe, pictures, checkpoint=tmp_path / "a")


def test_a_run_that_diverges_leaves_the_best_that_it_had(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(steps=60, validations=6)
    real, values = losses.loss_of, list[torch.Tensor]()

    def lost(*arguments: Any) -> torch.Tensor:
        loss = real(*arguments)
        if not loss.requires_grad:
            return loss
        values.append(loss)
        return loss * float("nan") if len(values) > 25 else loss

    monkeypatch.setattr(losses, "loss_of", lost)
    run = loop.train(recipe, pictures, checkpoint=tmp_path / "a")
    assert run.diverged == 30
    assert run.finished
    assert run.best_step in (10, 20)
    assert [line.step for line in run.history] == [10, 20]
    assert all(bool(torch.isfinite(weight).all()) for weight in run.network.state_dict().values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_missing_gpu_is_said(pictures: Pictures, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cuda"):
        loop.train(small(steps=1), pictures, checkpoint=tmp_path / "a", device="cuda")


def test_bfloat16_learns_too(pictures: Pictures, tmp_path: Path) -> None:
    run = loop.train(small(steps=60, batch=8, precision="bfloat16"), pictures, checkpoint=tmp_path / "a")
    assert run.history[-1].validation_loss is not None
    assert run.history[0].validation_loss is not None
    assert run.history[-1].validation_loss < run.history[0].validation_loss


def test_the_softened_loss_is_no_slave_of_clean_images() -> None:
    clean = torch.full((2, 1, 8, 8), 0.5)
    restored = clean.clone()
    restored[0] += 1e-4
    restored[1] += 0.1
    restored.requires_grad_()
    losses.loss_of("psnr", restored, clean, clean).backward()
    assert restored.grad is not None
    nearly_clean, noisy = restored.grad.abs().amax(dim=(1, 2, 3))
    assert nearly_clean < noisy


def test_a_part_counts_by_its_error_and_every_level_alike() -> None:
    clean = torch.full((4, 1, 8, 8), 0.5)
    sign = 1.0 - 2.0 * (torch.arange(8) % 2)
    noisy, restored = clean.clone(), clean.clone()
    # Two parts at level 10 and two at 100, each pair with a small error of its level and with one ten times as large.
    for index, (level, error) in enumerate(((10, 0.05), (10, 0.5), (100, 0.05), (100, 0.5))):
        noisy[index] += sign * level / 255
        restored[index] += (losses.PART_SOFTENING * level / 255) ** 0.5 * error * sign
    restored.requires_grad_()
    losses.loss_of("psnr-part", restored, clean, noisy).backward()
    assert restored.grad is not None
    pull = restored.grad.abs().amax(dim=(1, 2, 3)) * (restored - clean).abs().amax(dim=(1, 2, 3))
    little, much, little_noisier, much_noisier = pull.tolist()
    # By the logarithm, every part would pull alike; by the error, a hundred times as much.
    assert 50 < much / little < 100
    assert 50 < much_noisier / little_noisier < 100
    assert 0.5 < much / much_noisier < 2


def test_impulses_are_seen_again_by_the_networks_own_answer() -> None:
    class Knows(torch.nn.Module):
        """Answers gray, whatever it sees, and counts what it sees."""

        answer = "clean"

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))
            self.count = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert not self.training
            self.count += len(x)
            return torch.full_like(x[:, :1], 0.5)

    task = Learning(noise=(NoiseRange("impulses", 0.1, 0.1),), again=1)
    clean = np.full((16, 24, 1), 0.5, dtype=np.float32)
    noises = ("impulses:0.2", "salt-pepper:0.2", "gaussian:5+impulses:0.2")
    pairs = [task.degrade(clean, degradations.parse(noise), np.random.default_rng(0)) for noise in noises]
    batch = stack(pairs)
    network: Any = Knows().train()
    inputs, base, target = (planes.numpy() for planes in looks.planes_of(batch, network, torch.device("cpu")))
    assert network.training
    assert network.count == 2
    np.testing.assert_array_equal(inputs[1], batch.input[1])
    for index in (0, 2):
        # Impulses far from gray are filled and marked as impulses; the residual is subtracted from the filled image.
        far = np.abs(batch.input[index, 0] - 0.5) > 0.2
        assert far.mean() > 0.05
        assert np.abs(inputs[index, 0][far] - 0.5).max() < 0.1
        assert inputs[index, 2][far].min() > 0.9
        np.testing.assert_array_equal(base[index, 0], inputs[index, 0])
    np.testing.assert_array_equal(target, batch.target)
    once = torch.from_numpy(batch.input[1:2])
    assert looks.seen_again(network, once, (False,), 1) is once


def test_training_and_validation_look_again(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipes.find("photo-impulses")
    noise = (NoiseRange("impulses", 0.2, 0.2),)
    recipe = replace(
        recipe,
        task=replace(recipe.task, noise=noise, again=1.0),
        network=replace(recipe.network, widths=(8, 16), blocks=(1, 1)),
        data=replace(recipe.data, patch=64, validation=("impulses:0.2", "salt-pepper:0.2")),
        training=replace(recipe.training, minutes=0, steps=2, batch=2, validations=1, precision="float32"),
    )
    looked = looks.second
    counts: list[int] = []

    def counted(given: Any, first: Any) -> Any:
        counts.extend([given.shape[-1]] * len(given))
        return looked(given, first)

    monkeypatch.setattr(looks, "second", counted)
    pictures = load(photos, recipe.data)
    run = loop.train(recipe, pictures, checkpoint=tmp_path / "a.checkpoint")
    # Two batches of two crops, and the held-out images once.
    assert counts.count(64) == 4
    assert len(counts) == 4 + len(pictures.valid)
    counts.clear()
    shown = figures.examples(run.network, recipe, pictures, noise="impulses:0.2")
    assert len(counts) == len(shown) > 0


def test_a_wider_network_begins_with_the_answers_of_the_narrower_one() -> None:
    narrow = UnetSpec(channels=3, maps=("sigma",), widths=(8, 16), blocks=(1, 1)).build()
    wide = UnetSpec(channels=3, maps=("sigma",), widths=(12, 32), blocks=(1, 1)).build()
    planes = torch.rand(2, 4, 32, 32)
    before = wide(planes)
    adopting.adopt(wide, narrow.state_dict())
    torch.testing.assert_close(wide(planes), narrow(planes))
    assert not torch.allclose(before, narrow(planes), atol=1e-2)
    # The new weights learn: every weight has a gradient.
    wide(planes).square().mean().backward()
    assert all(weight.grad is not None for weight in wide.parameters())
    # A network with other input planes takes only weights of exactly its own shapes.
    gray = UnetSpec(channels=1, maps=("sigma",), widths=(12, 32), blocks=(1, 1)).build()
    fresh = {name: value.clone() for name, value in gray.state_dict().items()}
    with pytest.raises(OptionError, match="no weight"):
        adopting.adopt(gray, narrow.state_dict())
    assert all(torch.equal(fresh[name], value) for name, value in gray.state_dict().items())


# -- the command, from recipe to model --------------------------------------------------------------------------------


def tiny_recipe(place: Path, kind: str = "digits") -> Path:
    """A recipe file of a user's own, with a network that trains in seconds."""
    text = (Path(recipes.__file__).parent / "recipes" / f"{kind}.toml").read_text()
    text = text.replace("widths = [64, 128]", "widths = [8, 16]").replace("blocks = [3, 3]", "blocks = [1, 1]")
    text = text.replace("widths = [64, 128, 256]", "widths = [8, 16]").replace("blocks = [4, 3, 4]", "blocks = [1, 1]")
    # Held-out images take longer than so small a network's steps: few of them, seldom looked at, under two noises of seven.
    text = text.replace("[training]", "[training]\nvalidations = 2").replace("held_out = 0.2\n", "held_out = 0.02\n")
    text = re.sub(r"validation = \[.*\]", 'validation = ["gaussian:51:clip", "salt-pepper:0.1"]', text)
    path = place / f"tiny-{kind}.toml"
    path.write_text(text)
    return path


def run_command(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_fabric_does_not_speak_for_itself(capfd: pytest.CaptureFixture[str]) -> None:
    """In another process: Fabric's log writes to the standard error that it finds when it is imported."""
    code = "from pellucid.training import loop; loop._fabric('cpu', 'bfloat16', unused=False)"
    subprocess.run([sys.executable, "-c", code], check=True)
    said = capfd.readouterr()
    assert said.out + said.err == ""


def test_train_writes_model_curve_samples_and_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.onnx"
    assert run_command("train", tiny_recipe(tmp_path), "--steps", 20, "--out", out) == 0
    said = capsys.readouterr()
    assert "held-out loss" in said.err
    assert "2000 digits in the package" in said.err
    # Where the best step was not the last, the last one's weights are kept, too.
    names = {path.name for path in tmp_path.iterdir()} - {"mine.last.weights.npz"}
    assert names == {"tiny-digits.toml", "mine.onnx", "mine.weights.npz", "mine.curve.png", "mine.samples.png", "mine.html"}
    card = cards.read_card(out)
    assert (card.name, card.training["steps"], card.training["seed"]) == ("mine", 20, 0)
    assert card.recipe["network"]["widths"] == [8, 16]
    assert restorer.load(out).restore(np.random.default_rng(0).random((28, 28))).shape == (28, 28)
    # A second run does not replace the first.
    assert run_command("train", tiny_recipe(tmp_path), "--steps", 20, "--out", out) == 2


def test_train_can_begin_from_a_model(tmp_path: Path, photos: Path) -> None:
    recipe = tiny_recipe(tmp_path, "photo")
    assert run_command("train", recipe, "--images", photos, "--steps", 2, "--out", tmp_path / "colour.onnx") == 0
    start = tmp_path / "colour.onnx"
    assert (
        run_command(
            "train", recipe, "--images", photos, "--steps", 1, "--channels", 1, "--from", start, "--out", tmp_path / "gray.onnx"
        )
        == 0
    )
    first, second = (export.load_weights(tmp_path / f"{name}.onnx")[1] for name in ("colour", "gray"))
    assert first["head.weight"].shape != second["head.weight"].shape
    # One step at the warm-up's rate hardly moves what was taken over.
    torch.testing.assert_close(first["body.0.conv1.weight"], second["body.0.conv1.weight"], atol=5e-3, rtol=0)
    assert cards.read_card(tmp_path / "gray.onnx").training["from"] == "colour.onnx"


KILLED = """
import os, signal, sys
import torch
from pellucid import cli
from pellucid.training import loop
# A checkpoint after each step; in the middle of the eighth there is no more of this process.
loop.SAVE_EVERY_S = -1
save, calls = torch.save, []
def killed(state, path):
    calls.append(path)
    if len(calls) == 8:
        path.write_bytes(b"half a checkpoint")
        os.kill(os.getpid(), signal.SIGKILL)
    save(state, path)
torch.save = killed
cli.main(sys.argv[1:])
"""


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    recipe, out = tiny_recipe(tmp_path), tmp_path / "a.onnx"
    recipe.write_text(recipe.read_text().replace("[training]", '[training]\nprecision = "float32"\nschedule = "constant"'))
    arguments = ["train", str(recipe), "--steps", "100000", "--out", str(out)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    checkpoint = tmp_path / "a.checkpoint"
    assert not out.exists()
    steps = torch.load(checkpoint, weights_only=True)["step"]
    assert steps == 7
    kept = checkpoint.read_bytes()
    assert run_command("train", recipe, "--steps", steps + 5, "--out", out, "--resume") == 0
    assert cards.read_card(out).training["steps"] == steps + 5
    assert not checkpoint.exists()
    # In exact arithmetic, and by a rate that does not depend on the run's length, the end is that of a run that nobody killed.
    checkpoint.write_bytes(kept)
    exact = recipes.find(str(recipe))
    exact = replace(exact, training=exact.training.lasting(steps=steps + 5))
    digits = load(None, exact.data)
    resumed = loop.train(exact, digits, checkpoint=checkpoint, resume=True)
    whole = loop.train(exact, digits, checkpoint=tmp_path / "whole.checkpoint")
    assert all(torch.equal(value, whole.last[name]) for name, value in resumed.last.items())


def test_a_stopped_run_leaves_a_model_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, out = tiny_recipe(tmp_path), tmp_path / "a.onnx"
    whole = loop.train

    def stopped(*arguments: Any, on_progress: Any, **options: Any) -> loop.Run:
        def told(line: loop.Progress) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            on_progress(line)

        return whole(*arguments, on_progress=told, **options)

    monkeypatch.setattr(loop, "train", stopped)
    assert run_command("train", recipe, "--steps", 40, "--out", out) == 0
    first = cards.read_card(out).training["steps"]
    assert first < 40
    assert (tmp_path / "a.checkpoint").exists()
    monkeypatch.setattr(loop, "train", whole)
    assert run_command("train", recipe, "--steps", 40, "--out", out, "--resume") == 0
    assert cards.read_card(out).training["steps"] == 40


def test_a_run_that_diverges_at_once_leaves_what_it_began_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = run.prepare(run.Request(str(tiny_recipe(tmp_path)), steps=10, out=tmp_path / "a.onnx", device="cpu"))
    start = ready.recipe.network.build().state_dict()
    real = losses.loss_of

    def lost(*arguments: Any) -> torch.Tensor:
        loss = real(*arguments)
        return loss * float("nan") if loss.requires_grad else loss

    monkeypatch.setattr(losses, "loss_of", lost)
    found = run.train(replace(ready, start=start))
    monkeypatch.setattr(export, "can_write_models", lambda: False)
    said = " ".join(str(line) for line in run.finish(ready, found))
    assert "the loss is not a number" in said
    assert "the weights that the run began from" in said
    assert not (tmp_path / "a.checkpoint").exists()
    assert not (tmp_path / "a.last.weights.npz").exists()
    kept = export.load_weights(tmp_path / "a.weights.npz")[1]
    assert all(torch.equal(kept[name], value.half().float()) for name, value in start.items())
    assert "not a number" in (tmp_path / "a.html").read_text()


def test_pack_and_train_without_installing_and_without_an_engine(tmp_path: Path, photos: Path) -> None:
    """A bare machine with a GPU has PyTorch and Fabric, no engine and no ONNX, and the source on its path."""
    assert run_command("pack", photos, "-o", tmp_path / "photos.pack", "--megabytes", 1) == 0
    place = tmp_path / "elsewhere"
    place.mkdir()
    shutil.copytree(SOURCE / "pellucid", place / "src" / "pellucid", ignore=shutil.ignore_patterns("*.onnx", "__pycache__"))
    # Modules that raise on import stand for packages that are not there.
    for name in ("openvino", "onnx", "onnxscript", "imagecodecs"):
        (place / "src" / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name} here', name='{name}')")
    recipe = tiny_recipe(tmp_path, "photo")
    command = f"-m pellucid train {recipe} --images {tmp_path / 'photos.pack'} --steps 10 --channels 1"
    environment = {**os.environ, "PYTHONPATH": str(place / "src")}
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "pellucid export" in done.stderr
    weights = place / "photo.weights.npz"
    assert not (place / "photo.onnx").exists()
    assert run_command("export", weights, "-o", tmp_path / "photo-mine.onnx") == 0
    model = restorer.load(tmp_path / "photo-mine.onnx")
    assert model.card.training["steps"] == 10
    # The model is the network that was trained.
    card, values = export.load_weights(weights)
    network = export.network_of(card, values)
    x = np.random.default_rng(0).random((32, 40)).astype(np.float32)
    planes = torch.from_numpy(np.stack([x, np.full_like(x, 25 / 255), np.zeros_like(x)]))[None]
    with torch.no_grad():
        expected = (planes[:, :1] - network(planes))[0, 0].clamp(0, 1).numpy()
    assert np.abs(model.restore(x, sigma=25) - expected).max() < 0.02


# -- export -----------------------------------------------------------------------------------------------------------


def test_weights_come_back_from_both_kinds_of_file(gray_model: Path, tmp_path: Path) -> None:
    card, weights = export.load_weights(gray_model)
    export.save_weights(tmp_path / "a.weights.npz", card, weights)
    again, others = export.load_weights(tmp_path / "a.weights.npz")
    assert again == card
    for name, value in weights.items():
        torch.testing.assert_close(others[name], value, rtol=0, atol=0)


def test_damaged_weights_are_our_error(gray_model: Path, tmp_path: Path) -> None:
    (tmp_path / "words.npz").write_text("words")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name in ("words.npz", "other.npz", "missing.npz"):
        with pytest.raises(FileError):
            export.load_weights(tmp_path / name)
    (tmp_path / "words.onnx").write_text("words")
    with pytest.raises(ModelError):
        export.load_weights(tmp_path / "words.onnx")
    card, weights = export.load_weights(gray_model)
    with pytest.raises(ModelError, match="do not fit"):
        export.network_of(card, {name: value for name, value in weights.items() if name != "head.weight"})


def test_a_model_is_not_overwritten(gray_model: Path, tmp_path: Path) -> None:
    card, weights = export.load_weights(gray_model)
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    with pytest.raises(FileError, match="exists"):
        export.write_model(tmp_path / "mine.onnx", card, export.network_of(card, weights))
    assert (tmp_path / "mine.onnx").read_bytes() == b"mine"


def test_scores_of_an_evaluation_reach_the_card(gray_model: Path, tmp_path: Path) -> None:
    card, _ = export.load_weights(gray_model)
    row = {"noise": "gaussian:25", "method": "m", "psnr": 28.9512}
    evaluation = {"protocol": {"images": "set", "models": {"m": ["gray"], "n": ["other"]}, "blind": False}, "summary": [row]}
    (tmp_path / "a.json").write_text(json.dumps(evaluation))
    assert export.with_scores(card, [tmp_path / "a.json"]).scores["set gaussian:25"] == 28.95
    blind = {**evaluation, "protocol": {**evaluation["protocol"], "blind": True}}
    (tmp_path / "b.json").write_text(json.dumps(blind))
    assert "set gaussian:25, blind" in export.with_scores(card, [tmp_path / "b.json"]).scores
    (tmp_path / "c.json").write_text(json.dumps({**evaluation, "summary": []}))
    for name in ("c.json", "missing.json"):
        with pytest.raises(FileError):
            export.with_scores(card, [tmp_path / name])


def test_the_weights_are_stored_in_half_and_the_file_tells_no_path(gray_model: Path) -> None:
    import onnx

    model = onnx.load(str(gray_model))
    sizes = [tensor.data_type for tensor in model.graph.initializer if tensor.name.endswith("weight")]
    assert set(sizes) == {onnx.TensorProto.FLOAT16}
    assert str(SOURCE).encode() not in gray_model.read_bytes()
    assert b"site-packages" not in gray_model.read_bytes()
