"""Training on images of one's own: clean ones, pairs, noisy ones alone; and what is said of those that cannot serve."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pellucid import cards, cli, degradations, files, images, samples
from pellucid.errors import FileError, OptionError, TrainingError
from pellucid.training import loop, losses, recipes, survey
from pellucid.training.batches import make_batch, validation_batches
from pellucid.training.networks import UnetSpec
from pellucid.training.pictures import load, load_noisy, load_pairs

OWN = recipes.with_channels(recipes.find("own"), 1)
OWN = replace(
    OWN,
    data=replace(OWN.data, patch=64),
    network=UnetSpec(channels=1, maps=OWN.task.maps, widths=(8, 16), blocks=(1, 1)),
    training=replace(OWN.training.lasting(steps=60), batch=8, precision="float32", validations=2, rate=2e-3, warmup=10),
)
NEIGHBOURS = replace(OWN, training=replace(OWN.training, noisy_loss="neighbours"))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of six noisy gray images (sigma 25) and of the clean ones."""
    noisy, clean = (tmp_path_factory.mktemp(name) for name in ("noisy", "clean"))
    photograph = images.gray(samples.photograph() / np.float32(255))
    rng = np.random.default_rng(0)
    for index in range(6):
        crop = photograph[40 * index : 40 * index + 150, 60 * index : 60 * index + 200, 0]
        spoiled = degradations.parse("gaussian:25:clip")(crop, rng)
        for place, picture in ((noisy, spoiled), (clean, crop)):
            files.write(place / f"c{index}.png", images.from_array(np.rint(255 * picture).astype(np.uint8)))
    return noisy, clean


def write(path: Path, levels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> None:
    files.write(path, images.from_array(levels), overwrite=True)


def crop(index: int, side: int = 100) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return samples.photograph()[30 * index : 30 * index + side, 70 * index : 70 * index + side]


def test_pairs_are_cut_alike_and_told_what_is_found(places: tuple[Path, Path]) -> None:
    pictures = load_pairs(places, OWN.data, OWN.task)
    assert len(pictures.train) + len(pictures.valid) == 6
    batch = make_batch(pictures, OWN, seed=0, step=0)
    assert batch.input.shape == (8, 3, 64, 64)
    error = 255 * (batch.input[:, :1] - batch.target).std()
    # The very noise, and nothing of a picture that was moved against its partner.
    assert 21 < error < 26
    assert abs(255 * batch.input[:, 1].mean() - 25) < 3


def test_of_noisy_images_a_pixel_foretells_its_neighbour(places: tuple[Path, Path]) -> None:
    pictures = load_noisy(places[0], OWN.data, OWN.task)
    batch = make_batch(pictures, NEIGHBOURS, seed=0, step=0)
    made = batch.neighbours
    assert made is not None
    assert batch.input.shape == (8, 3, 32, 32)
    whole = torch.from_numpy(made.whole)
    for planes, which, picked in ((whole, made.first, batch.input), (whole[:, :1], made.second, batch.target)):
        np.testing.assert_array_equal(losses.picked(planes, torch.from_numpy(which)).numpy(), picked)
    # Never the same pixel, never the one across: one step to the side, or one up or down.
    assert set(np.unique(made.first ^ made.second)) == {1, 2}
    again = make_batch(pictures, NEIGHBOURS, seed=0, step=0)
    np.testing.assert_array_equal(batch.input, again.input)


def test_who_is_not_told_the_level_learns_from_neighbours(places: tuple[Path, Path]) -> None:
    pictures = load_noisy(places[0], OWN.data, OWN.task)
    assert make_batch(pictures, OWN, seed=0, step=0).probe is not None
    blind = replace(OWN, task=replace(OWN.task, maps=()))
    assert make_batch(pictures, blind, seed=0, step=0).neighbours is not None


class Smoother(torch.nn.Module):
    """Answers with a share of what sets a pixel apart from those around it."""

    answer = "residual"
    multiple_of = 1

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, planes: torch.Tensor) -> torch.Tensor:
        return self.share * (planes[:, :1] - torch.nn.functional.avg_pool2d(planes[:, :1], 5, 1, 2))


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_the_error_is_told_without_the_clean_image(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    clean = torch.nn.functional.interpolate(torch.rand(16, 1, 16, 16, generator=generator), size=128, mode="bicubic")
    sigma = 0.1
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    network = Smoother(share)
    given = torch.cat((noisy, torch.full_like(noisy, sigma)), dim=1)
    estimate = losses.stein_loss(network, network, given, noisy, torch.randn(clean.shape, generator=generator), level=1).mean()
    # The loss estimates the error at the level that the network sees, which includes the added noise.
    noisier = noisy + losses.PROBE * sigma * torch.randn(clean.shape, generator=generator)
    true = (noisier - network(noisier) - clean).square().mean()
    assert abs(estimate / true - 1) < 0.03


@pytest.mark.parametrize("noisy_loss", ["stein", "neighbours"])
def test_noisy_images_alone_teach_to_restore_them(noisy_loss: recipes.NoisyLoss, places: tuple[Path, Path], tmp_path: Path) -> None:
    pictures = load_noisy(places[0], OWN.data, OWN.task)
    recipe = replace(OWN, training=replace(OWN.training.lasting(steps=120), noisy_loss=noisy_loss))
    run = loop.train(recipe, pictures, checkpoint=tmp_path / "a.checkpoint")
    pairs = load_pairs(places, OWN.data, OWN.task)
    for _, batch in validation_batches(pairs, OWN, most=9):
        with torch.no_grad():
            restored = losses.answer(
                run.network, run.network.answer, torch.from_numpy(batch.input), torch.from_numpy(batch.base)
            ).numpy()
        before, after = (np.square(image - batch.target).mean() for image in (batch.input[:, :1], restored))
        # No clean image was read: 3 dB and more.
        assert after < before / 2


def test_one_noisy_image_is_parted(tmp_path: Path) -> None:
    # Half of it, so that fine texture does not pass for noise.
    write(tmp_path / "one.png", np.repeat(np.repeat(samples.photograph()[:200, :300, :1] // 8 * 8, 2, axis=0), 2, axis=1)[..., 0])
    with pytest.raises(TrainingError, match="no noise is found"):
        load_noisy(tmp_path, OWN.data, OWN.task)
    write(tmp_path / "one.png", samples.photograph())
    blind = replace(OWN.task, maps=())
    pictures = load_noisy(tmp_path / "one.png", OWN.data, blind)
    (upper,), (lower,) = pictures.train, pictures.valid
    assert (upper.shape[0] + lower.shape[0], lower.shape[0]) == (400, 64)
    # Patches of 64 pixels shrink until two fit.
    write(tmp_path / "one.png", samples.photograph()[:100])
    assert load_noisy(tmp_path, OWN.data, blind).valid[0].shape[0] == 50
    write(tmp_path / "one.png", samples.photograph()[:60])
    with pytest.raises(TrainingError, match="two patches of 32"):
        load_noisy(tmp_path, OWN.data, blind)


def test_what_cannot_work_is_refused(tmp_path: Path) -> None:
    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    for loading in (
        lambda: load(empty, OWN.data),
        lambda: load_noisy(empty, OWN.data, OWN.task),
        lambda: load_pairs((empty, empty), OWN.data, OWN.task),
    ):
        with pytest.raises(TrainingError, match="no image"):
            loading()
    write(empty / "a.png", crop(0))
    write(other / "b.png", crop(0))
    with pytest.raises(TrainingError, match="same name"):
        load_pairs((empty, other), OWN.data, OWN.task)
    write(other / "a.png", crop(0))
    with pytest.raises(TrainingError, match="one pair"):
        load_pairs((empty, other), OWN.data, OWN.task)
    write(other / "a.png", crop(0, 90))
    with pytest.raises(TrainingError, match="different sizes"):
        load_pairs((empty, other), OWN.data, OWN.task)
    write(other / "small.png", crop(0, 30))
    (other / "a.png").unlink()
    (other / "b.png").unlink()
    with pytest.raises(TrainingError, match="32x32"):
        load_noisy(other, OWN.data, OWN.task)
    (other / "small.png").write_bytes(b"\x89PNG")
    with pytest.raises(TrainingError, match="can be read"):
        load_noisy(other, OWN.data, OWN.task)
    with pytest.raises(FileError):
        load_noisy(tmp_path / "nowhere", OWN.data, OWN.task)


def test_what_is_wrong_is_named(places: tuple[Path, Path], tmp_path: Path) -> None:
    noisy, clean = tmp_path / "noisy", tmp_path / "clean"
    for source, place in zip(places, (noisy, clean), strict=True):
        place.mkdir()
        for path in source.iterdir():
            (place / path.name).write_bytes(path.read_bytes())
    (noisy / "c9.png").write_bytes(b"\x89PNG")
    write(clean / "c9.png", crop(0))
    write(noisy / "alone.png", crop(1))
    first = files.read(noisy / "c0.png").pixels[..., 0]
    write(noisy / "deep.png", np.rint(first * 65535).astype(np.uint16))
    (clean / "deep.png").write_bytes((clean / "c0.png").read_bytes())
    write(noisy / "stranger.png", 255 - crop(1))
    write(clean / "stranger.png", crop(1))
    pictures = load_pairs((noisy, clean), OWN.data, OWN.task)
    notes = "\n".join(pictures.notes)
    assert "c9.png" in notes
    assert "alone.png: no partner has that name" in notes
    assert pictures.survey is not None
    said = "\n".join((str(pictures.survey), *pictures.survey.warnings))
    assert "16 bits" in said
    assert "several depths" in said
    assert "do not look like the same picture: stranger.png" in said
    assert "deep.png = c0.png" in said or "c0.png = deep.png" in said
    assert {shot.levels.dtype.name for shot in (*pictures.shots, *pictures.valid_shots)} == {"uint8", "uint16"}


def test_leaks_noise_in_clean_images_and_stripes_are_warned_of(places: tuple[Path, Path], tmp_path: Path) -> None:
    noisy, clean = places
    look = load(noisy, OWN.data, valid=noisy, look=True).survey
    assert look is not None
    said = "\n".join(look.warnings)
    assert "look noisy" in said
    assert "6 held-out images are training images" in said
    assert "stripes" not in said
    rng = np.random.default_rng(1)
    for path in clean.iterdir():
        pixels = files.read(path).pixels[..., 0]
        striped = pixels + rng.normal(0, 10 / 255, pixels.shape) + rng.normal(0, 15 / 255, (len(pixels), 1))
        write(tmp_path / path.name, np.clip(striped, 0, 1).astype(np.float32))
    blind = replace(OWN.task, maps=())
    warned = load_noisy(tmp_path, OWN.data, blind).survey
    plain = load_noisy(noisy, OWN.data, blind).survey
    assert warned is not None
    assert plain is not None
    assert "rows or columns" in "\n".join(warned.warnings)
    assert "rows or columns" not in "\n".join(plain.warnings)


def test_a_table_names_pairs(places: tuple[Path, Path], tmp_path: Path) -> None:
    noisy, clean = places
    rows = [f"{noisy / path.name},{path}" for path in sorted(clean.iterdir())]
    table = tmp_path / "pairs.csv"
    table.write_text("\n".join(["noisy,clean", *rows]))
    pairs, _ = survey.match([table])
    assert pairs == [(noisy / path.name, path) for path in sorted(clean.iterdir())]
    table.write_text("a.png,b.png,c.png\n")
    with pytest.raises(TrainingError, match="3 columns"):
        survey.match([table])
    with pytest.raises(TrainingError, match="one folder"):
        survey.match([noisy])


def test_a_run_without_progress_ends_early_and_keeps_its_best(places: tuple[Path, Path], tmp_path: Path) -> None:
    pictures = load_pairs(places, OWN.data, OWN.task)
    plan = replace(OWN.training.lasting(steps=400), validations=20, patience=2, rate=0.5, warmup=0, clip=0, ema=0)
    run = loop.train(replace(OWN, training=plan), pictures, checkpoint=tmp_path / "a.checkpoint")
    assert run.stalled
    assert run.finished
    assert run.steps < 400
    scores = {line.step: line.scores["mean"] for line in run.history if line.scores is not None}
    assert run.best_step == max(scores, key=lambda step: scores[step]) < run.steps
    assert not torch.equal(run.last["head.weight"], run.network.state_dict()["head.weight"])


def test_the_command_takes_pairs_and_begins_from_the_family(
    places: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noisy, clean = places
    out = tmp_path / "mine.onnx"
    arguments = ["--pairs", str(noisy), str(clean), "--from", "photo-fast", "--steps", "1", "--out", str(out)]
    assert cli.main(["train", "own", *arguments]) == 0
    said = capsys.readouterr().err
    assert "before the first step" in said
    assert "pairs differ" in said
    card = cards.read_card(out)
    # Gray images: the gray file's network and weights.
    assert (card.channels, card.training["from"], card.training["learnt_from"]) == (1, "photo-fast", "pairs")
    assert "held-out pairs" in card.scores


def test_misuse_is_one_line(places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    noisy, clean = map(str, places)
    for arguments in (
        ["--images", clean, "--noisy", noisy],
        ["--pairs", noisy, clean, clean],
        ["--noisy", noisy, "--valid", noisy, clean],
        ["--noisy", noisy, "--valid", noisy, "--held-out", "0.1"],
    ):
        assert cli.main(["train", "own", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert cli.main(["train", "digits", "--noisy", noisy]) == 2
    odd = replace(OWN, data=replace(OWN.data, patch=65))
    pictures = load_noisy(places[0], odd.data, odd.task)
    with pytest.raises(OptionError, match="multiple of"):
        loop.train(odd, pictures, checkpoint=places[0] / "x.checkpoint")
