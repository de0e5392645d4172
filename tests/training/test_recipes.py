from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pellucid.errors import ModelError, PellucidError
from pellucid.tasks.denoise import Learning
from pellucid.training import recipes


@pytest.mark.parametrize("name", recipes.names())
def test_plain_data_round_trip(name: str) -> None:
    recipe = recipes.find(name)
    assert recipe.name == name
    assert recipes.Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_the_seed_is_the_published_run() -> None:
    recipe = recipes.find("seed-digits")
    plan = recipe.training
    assert (plan.batch, plan.epochs, plan.optimizer, plan.rate, plan.loss, plan.ema) == (128, 50, "adam", 0.001, "bce", 0)
    (noise,) = recipe.task.noise
    assert (noise.kind, noise.low / 255, noise.high / 255, noise.clip) == ("gaussian", pytest.approx(0.2), pytest.approx(0.2), True)
    assert (recipe.data.held_out, recipe.data.augment) == (0.2, False)


def test_channels_reach_the_network() -> None:
    photo = recipes.find("photo")
    assert photo.network.channels == 3
    gray = recipes.with_channels(photo, 1)
    assert (gray.network.channels, gray.data.channels) == (1, 1)
    assert gray.network.maps == photo.task.maps


def test_lengths_replace_each_other() -> None:
    plan = recipes.find("seed-digits").training
    assert plan.lasting() == plan
    assert (plan.lasting(steps=5).steps, plan.lasting(steps=5).epochs) == (5, 0)


BASE = recipes.find("seed-digits").to_dict()


@pytest.mark.parametrize(
    ("where", "key", "value"),
    [
        ("training", "ratte", 0.1),
        ("training", "rate", -1),
        ("training", "loss", "l3"),
        ("training", "minutes", 5),
        ("data", "channels", 2),
        ("data", "held_out", 0),
        ("data", "validation", ["fog:1"]),
        ("network", "name", "transformer"),
        ("network", "depth", 3),
        ("task", "name", "dream"),
        ("task", "noise", []),
        ("task", "colour", 1),
        ("training", "schedule", "linear"),
        ("training", "optimizer", "sgd"),
        ("training", "precision", "float16"),
        ("training", "clip", -1.0),
        ("training", "warmup", -3),
        ("training", "weight_decay", -0.1),
        ("training", "rate", math.nan),
        ("training", "minutes", math.inf),
        ("training", "batch", 2.5),
        ("training", "batch", True),
        ("data", "augment", "no"),
        ("data", "hold_out", "kodim"),
        ("data", "scales", 0.5),
        ("data", "credits", ["kodim"]),
        ("network", "blocks", 1.5),
    ],
)
def test_a_key_or_value_that_does_not_fit_is_named(where: str, key: str, value: object) -> None:
    data = {name: dict(entry) if isinstance(entry, dict) else entry for name, entry in BASE.items()}
    data[where][key] = value
    with pytest.raises(PellucidError) as caught:
        recipes.Recipe.from_dict(data)
    assert "\n" not in str(caught.value)
    named = (key, str(value), "fog:1", "noise")
    assert any(word in str(caught.value) for word in named)


def test_recipes_are_found_by_name_or_file(tmp_path: Path) -> None:
    (tmp_path / "broken.toml").write_text("name = ")
    (tmp_path / "short.toml").write_text('name = "short"')
    for name in ("nonesuch", str(tmp_path / "missing.toml"), str(tmp_path / "broken.toml"), str(tmp_path / "short.toml")):
        with pytest.raises(ModelError):
            recipes.find(name)
    folder = Path(recipes.__file__).parent / "recipes"
    (tmp_path / "own.toml").write_text((folder / "digits.toml").read_text())
    assert recipes.find(str(tmp_path / "own.toml")) == recipes.find("digits")


def test_a_base_gives_what_a_recipe_does_not_say() -> None:
    photo, fine = recipes.find("photo"), recipes.find("photo-int8")
    assert fine.task == photo.task
    assert fine.data.credits == photo.data.credits
    assert (fine.network.widths, fine.network.int8) == (photo.network.widths, True)  # type: ignore[union-attr]
    with pytest.raises(ModelError, match="base 'photos' is not one of"):
        recipes.parse('name = "a"\nbase = "photos"\n', "a.toml")


def test_a_base_has_the_length_that_a_recipe_says() -> None:
    for name in recipes.names():
        for length in ("minutes", "epochs", "steps"):
            own = recipes.parse(f'base = "{name}"\n[training]\n{length} = 3\n', "a.toml").training
            assert {"minutes": own.minutes, "epochs": own.epochs, "steps": own.steps} == {"minutes": 0, "epochs": 0, "steps": 0} | {
                length: 3
            }
    with pytest.raises(ModelError, match="exactly one of"):
        recipes.parse('base = "photo"\n[training]\nsteps = 3\nminutes = 3\n', "a.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it needs 'name', or a base"),
        ('name = "a"\nsummary = ""\nlicence = ""\n', "it needs 'task', or a base"),
        ('base = "digits"\nsummary = 3\n', "summary must be a text, not 3"),
        ('base = "digits"\nlicence = ["a"]\n', "licence must be a text"),
        ('base = "digits"\nname = 2026-01-01\n', "name must be a text"),
        ('base = "digits"\nname = "a/b"\n', "name must be the name of a file"),
        ('base = "digits"\nname = ""\n', "name must be the name of a file"),
        ('base = "digits"\nname = ".."\n', "name must be the name of a file"),
        ('base = "digits"\ntask = 3\n', "[task] must be a table"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said_before_it_is_learnt_from(text: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        recipes.parse(text, "a.toml")
    assert words in str(caught.value)


def test_a_task_may_have_other_planes_out_than_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Learning, "planes", lambda self, channels: (1, channels))
    recipe = recipes.find("photo")
    assert (recipe.network.channels, recipe.network.out_channels) == (1, 3)  # type: ignore[union-attr]
    assert recipes.Recipe.from_dict(recipe.to_dict()) == recipe
    assert recipe.level_plane == 1
    data = recipe.to_dict()
    data["network"]["out_channels"] = 2
    with pytest.raises(ModelError, match="needs 3; leave it out"):
        recipes.Recipe.from_dict(data)
    data = recipe.to_dict() | {"network": {"name": "autoencoder"}}
    data["task"]["maps"] = []
    with pytest.raises(ModelError, match="as many channels out as in; task 'denoise' needs 1 in, 3 out"):
        recipes.Recipe.from_dict(data)


def test_finding_damage_is_scored_by_its_overlap() -> None:
    # By PSNR, the mask of a network that finds nothing beats that of one that finds all, a pixel too wide.
    assert recipes.find("film-find").validated.name == "iou"
    assert recipes.find("film-fill").validated is recipes.find("film-fill").headline


@pytest.mark.parametrize(
    ("own", "other", "eight_bits"),
    [
        ("photo-int8", "raw", True),
        ("photo-int8", "photo", True),
        ("own", "photo-int8", True),
        ("own", "photo", False),
    ],
)
def test_a_shipped_network_is_taken_in_8_bits_where_the_recipe_learns_in_them(own: str, other: str, eight_bits: bool) -> None:
    given = recipes.find(other)
    network = asdict(recipes.with_network_of(recipes.find(own), given).network)  # type: ignore[call-overload]
    assert network["int8"] == eight_bits
    assert network["widths"] == given.network.widths  # type: ignore[attr-defined]


def test_so_is_one_with_batch_normalisation() -> None:
    plain = recipes.find("film-find")
    eight = replace(plain, network=replace(plain.network, int8=True))  # type: ignore[type-var]
    for own, other in ((plain, eight), (eight, plain)):
        assert recipes.with_network_of(own, other).network == eight.network
