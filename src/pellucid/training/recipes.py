"""Recipes: a training run as one TOML file that mirrors the dataclasses below.

``[task]`` fills the `Learning` of the task's module, ``[network]`` a spec of `pellucid.training.networks.NETWORKS` (its channels,
maps and factors follow from data and task), ``[data]`` and ``[training]`` the two dataclasses here. A key that is no field is an
error. A recipe with ``base`` takes all that it does not set from the shipped recipe of that name.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from pellucid import degradations, regular, tasks
from pellucid.errors import ModelError, PellucidError
from pellucid.metrics import METRICS, Metric
from pellucid.tasks.base import Learning
from pellucid.training.losses import LOSSES, NOISY_LOSSES
from pellucid.training.networks import NETWORKS, Spec

__all__ = ["Credit", "Data", "Recipe", "Training", "Weight", "find", "names", "parse"]

T = TypeVar("T")

LARGEST = 2**15
"""Bytes that a recipe's file has at most, eight times those of the longest shipped one. Python's reader of TOML takes time in
proportion to the square of a key's depth: half a minute for 100 KB of dots."""


LENGTHS = ("minutes", "epochs", "steps")
"""The keys of `Training` of which one says how long a run lasts."""


@dataclass(frozen=True)
class Credit:
    """Images whose file name contains ``match`` come from ``source`` under ``licence``: for the model's card."""

    match: str
    source: str
    licence: str


@dataclass(frozen=True)
class Weight:
    """Images whose file name contains ``match`` are drawn ``weight`` times as often as others; 0: never."""

    match: str
    weight: float


@dataclass(frozen=True)
class Data:
    """The images that the network learns from.

    ``kind``: ``images`` (a folder or pack of pictures) or ``digits`` (MNIST). ``channels`` 1 or 3. ``gray``: the share of the
    examples that are made from a gray image and repeated in all channels, so that a network for colour serves gray, too. ``patch``:
    side of the square crops in pixels. ``augment``: flips and quarter turns. ``scales``: each training image is used at these sizes
    (1: the original; smaller ones have finer texture). ``detail``: of this many random crops the one with the most detail is used
    (1: no choice; most of a large photograph is sky). ``held_out``: the share kept for validation (the last digits; those images
    that a hash of their name picks, the same on every machine), plus every image whose name contains a word of ``hold_out``.
    ``validation``: the degradations under which held-out images are scored.

    ``group`` is a regular expression: what its first group finds in a file's name, without the ending, takes the place of the name
    in that hash, so that several views of one thing are held out together. ``part``: where the task sees the whole picture, the
    least share of the shorter side that the square has. ``weights``: how often images of named sources are drawn. ``colours``:
    each digit is one of ten colours, by its value.
    """

    kind: Literal["images", "digits"] = "images"
    channels: int = 3
    gray: float = 0.0
    patch: int = 96
    augment: bool = True
    scales: tuple[float, ...] = (1.0,)
    detail: int = 1
    held_out: float = 0.04
    hold_out: tuple[str, ...] = ()
    validation: tuple[str, ...] = ("gaussian:15", "gaussian:25", "gaussian:50")
    credits: tuple[Credit, ...] = ()
    group: str = ""
    part: float = 0.5
    weights: tuple[Weight, ...] = ()
    colours: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("images", "digits") or self.channels not in (1, 3) or self.patch < 8:
            raise ModelError("recipe: data.kind must be images or digits, data.channels 1 or 3, data.patch at least 8")
        if self.detail < 1 or not 0 <= self.gray <= 1:
            raise ModelError("recipe: data.detail must be 1 or more, data.gray a share from 0 to 1")
        if not 0 < self.held_out < 1 or not self.validation:
            raise ModelError("recipe: data.held_out must be a share between 0 and 1; data.validation must name at least one noise")
        if not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ModelError("recipe: data.scales must be one or more numbers above 0 and up to 1")
        for text in self.validation:
            degradations.parse(text)
        if not 0 < self.part <= 1 or any(entry.weight < 0 for entry in self.weights):
            raise ModelError("recipe: data.part must be a share above 0 and up to 1; each of data.weights 0 or more")
        if self.colours and (self.kind != "digits" or self.channels != 3):
            raise ModelError("recipe: data.colours needs data.kind = 'digits' and data.channels = 3")
        try:
            groups = re.compile(self.group).groups
        except re.error as error:
            raise ModelError(f"recipe: data.group is no regular expression: {error}") from error
        if self.group and not groups:
            raise ModelError("recipe: data.group needs a group in brackets, such as '^(.*)-[0-9]+$'")


@dataclass(frozen=True)
class Training:
    """How long a run lasts, and how it learns.

    Exactly one of ``minutes``, ``epochs`` and ``steps`` is the length. ``rate`` is the peak learning rate, reached after ``warmup``
    steps; ``tuning_rate`` takes its place where a run begins from given weights (0: ``rate`` stays). The schedule ``cosine`` lets
    the rate fall to a hundredth by the end, ``constant`` keeps it. The last ``finish_share`` of the run uses ``finish_loss``.
    ``noisy_loss`` is the loss where no image is clean: ``stein`` needs a network that is given the noise level; ``neighbours``
    takes any, and serves the others. ``clip`` bounds the gradient's norm (0: no bound). ``ema`` is the decay of the weights' moving
    average, which is validated and exported (0: the weights themselves). ``precision``: ``auto`` is bfloat16 where the hardware has
    it. ``validations`` is how often held-out images are restored; a run ends early after ``patience`` of them in a row without a
    better score than the best before (0: never). ``echo`` is how often each example may be learnt from that
    processes have made, where they come slower than the device learns (`pellucid.training.echo`). ``adversary`` is how much a
    second network counts that learns to tell outputs from clean images (`pellucid.training.adversary`; 0: there is none); the last
    weights are then exported, for no score knows the best ones.
    """

    batch: int = 16
    minutes: float = 0
    epochs: float = 0
    steps: int = 0
    optimizer: Literal["adam", "adamw"] = "adamw"
    rate: float = 1.5e-3
    tuning_rate: float = 0.0
    warmup: int = 100
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = 0.0
    loss: str = "l1"
    noisy_loss: str = "stein"
    finish_loss: str = "l1"
    finish_share: float = 0.0
    clip: float = 1.0
    ema: float = 0.999
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    validations: int = 20
    patience: int = 0
    echo: int = 1
    adversary: float = 0.0

    def __post_init__(self) -> None:
        if sum(length > 0 for length in (self.minutes, self.epochs, self.steps)) != 1:
            raise ModelError("recipe: exactly one of training.minutes, training.epochs and training.steps must be above 0")
        if self.batch < 1 or self.rate <= 0 or not 0 <= self.ema < 1 or not 0 <= self.finish_share <= 1 or self.validations < 1:
            raise ModelError(
                "recipe: training.batch and validations must be 1 or more, rate above 0, ema in [0, 1), finish_share in [0, 1]"
            )
        if self.tuning_rate < 0:
            raise ModelError("recipe: training.tuning_rate must be 0 or more")
        if min(self.clip, self.weight_decay, self.warmup) < 0:
            raise ModelError("recipe: training.clip, weight_decay and warmup must be 0 or more")
        if self.patience < 0 or self.echo < 1 or self.adversary < 0:
            raise ModelError("recipe: training.patience and adversary must be 0 or more, training.echo 1 or more")
        if self.loss not in LOSSES or self.finish_loss not in LOSSES:
            raise ModelError(f"recipe: training.loss must be one of {', '.join(LOSSES)}")
        if self.noisy_loss not in NOISY_LOSSES:
            raise ModelError(f"recipe: training.noisy_loss must be one of {', '.join(NOISY_LOSSES)}")

    def lasting(self, *, minutes: float | None = None, epochs: float | None = None, steps: int | None = None) -> Training:
        """The same with another length; the recipe's own where none is given."""
        if minutes is None and epochs is None and steps is None:
            return self
        return replace(self, minutes=minutes or 0, epochs=epochs or 0, steps=steps or 0)


@dataclass(frozen=True)
class Recipe:
    """A training run. ``name`` is the model's, whose file it is called by; ``licence`` is that of the resulting weights."""

    name: str
    summary: str
    licence: str
    task: Learning
    network: Spec
    data: Data
    training: Training

    def __post_init__(self) -> None:
        for key in ("name", "summary", "licence"):
            if not isinstance(getattr(self, key), str):
                raise ModelError(f"recipe: {key} must be a text, not {repr(getattr(self, key))[:60]}")
        if not self.name.strip(".") or re.search(r"[/\\\0]", self.name):
            raise ModelError(f"recipe: name must be the name of a file, without a folder and an ending, not {self.name[:60]!r}")

    @property
    def headline(self) -> Metric:
        """The metric that restored pictures are scored by: the first one of the task."""
        return METRICS[tasks.find(self.task.name).module().METRICS[0]]

    @property
    def validated(self) -> Metric:
        """The metric that held-out images are scored by while the network learns: the `headline`, unless the task names another."""
        return self.headline if self.task.metric is None else METRICS[self.task.metric]

    @property
    def from_neighbours(self) -> bool:
        """Whether learning from noisy images alone uses neighbouring pixels: Stein's estimate needs the noise level."""
        return self.training.noisy_loss == "neighbours" or "sigma" not in self.task.maps

    @property
    def level_plane(self) -> int:
        """The index of the input's plane that holds the noise level."""
        return self.task.planes(self.data.channels)[0] + self.task.maps.index("sigma")

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain data, for the card; `from_dict` reads it back."""
        network = {k: v for k, v in asdict(self.network).items() if k not in ("channels", "maps", "scales")}
        return {
            "name": self.name,
            "summary": self.summary,
            "licence": self.licence,
            "task": {"name": self.task.name, **asdict(self.task)},
            "network": {"name": self.network.network, **network},
            "data": asdict(self.data),
            "training": asdict(self.training),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Recipe:
        """The recipe of plain data; `ModelError` names the first key or value that does not fit."""
        try:
            return _build(dict(data))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise ModelError(f"recipe {data.get('name', '?')!r}: {error}") from error


def _filled(kind: type[T], table: dict[str, Any], where: str) -> T:
    """A frozen dataclass from a table; lists become tuples, unknown and missing keys are errors."""
    known = {entry.name: entry for entry in fields(kind)}  # type: ignore[arg-type]  # only dataclasses come here
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ModelError(f"recipe: [{where}] has no field {unknown[0]!r}; it has {', '.join(known)}")
    missing = [name for name, entry in known.items() if entry.default is MISSING and name not in table]
    if missing:
        raise ModelError(f"recipe: [{where}] needs {missing[0]!r}")
    hints = get_type_hints(kind)
    values = {name: _made(value, hints[name], f"{where}.{name}") for name, value in table.items()}
    return kind(**values)


def _made(value: Any, hint: Any, where: str) -> Any:
    """A field's value from that of a file: lists become tuples, the tables in them dataclasses."""
    if isinstance(value, list | tuple):
        inner: Any = get_args(hint)[0] if get_origin(hint) is tuple else None
        tables = isinstance(inner, type) and is_dataclass(inner)
        value = tuple(_filled(inner, each, where) if tables and isinstance(each, dict) else each for each in value)
    if not _fits(value, hint):
        raise ModelError(f"recipe: {where} must be {_in_words(hint)}, not {repr(value)[:60]}")
    return value


def _fits(value: Any, hint: Any) -> bool:
    """Whether the value is of the field's type: whole numbers are floats, too; truth values are no numbers, nor is infinity."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, inner[0]) for each in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def _in_words(hint: Any) -> str:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin is tuple:
        return f"a list, each entry {_in_words(inner[0])}"
    return {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}.get(hint, "a table")


def _build(data: dict[str, Any]) -> Recipe:
    unknown = sorted(set(data) - {entry.name for entry in fields(Recipe)})
    if unknown:
        raise ModelError(f"recipe: unknown table or key {unknown[0]!r}; known: {', '.join(e.name for e in fields(Recipe))}")
    missing = [entry.name for entry in fields(Recipe) if entry.name not in data]
    if missing:
        raise ModelError(f"recipe: it needs {missing[0]!r}, or a base that has it, such as base = 'photo'")
    for key in ("task", "network", "data", "training"):
        if not isinstance(data[key], dict):
            raise ModelError(f"recipe: [{key}] must be a table, not {repr(data[key])[:60]}")
    task = _task(dict(data["task"]))
    images = _filled(Data, dict(data["data"]), "data")
    network = _network(dict(data["network"]), task, images.channels)
    training = _filled(Training, dict(data["training"]), "training")
    return Recipe(data["name"], data["summary"], data["licence"], task, network, images, training)


def _task(table: dict[str, Any]) -> Learning:
    name = table.pop("name", None)
    if name not in tasks.TASKS:
        raise ModelError(f"recipe: unknown task {name!r}; known: {', '.join(tasks.TASKS)}")
    learning: type[Learning] = tasks.find(name).module().Learning.of(table)
    return _filled(learning, table, "task")


def _network(table: dict[str, Any], task: Learning, channels: int) -> Spec:
    """The spec of the table, with the channels, maps and factors that the task asks for; `ModelError` where it has no such
    field."""
    name = table.pop("name", None)
    if name not in NETWORKS:
        raise ModelError(f"recipe: unknown network {name!r}; known: {', '.join(NETWORKS)}")
    if {"channels", "maps", "scales"} & table.keys():
        raise ModelError(
            "recipe: the network's channels, maps and scales follow from [data] and [task]; leave them out of [network]"
        )
    takes = {entry.name for entry in fields(NETWORKS[name])}
    table["channels"], planes = task.planes(channels)
    if planes != table["channels"] and "out_channels" not in takes:
        needed = f"task {task.name!r} needs {table['channels']} in, {planes} out"
        raise ModelError(f"recipe: network {name!r} has as many channels out as in; {needed}")
    if table.get("out_channels", 0) not in (0, planes):
        raise ModelError(f"recipe: network.out_channels: task {task.name!r} needs {planes}; leave it out of [network]")
    if planes != table["channels"]:
        table["out_channels"] = planes
    if "scales" in takes:
        table["scales"] = task.scales
    elif task.scales:
        raise ModelError(f"recipe: network {name!r} does not enlarge; task {task.name!r} needs one that does")
    if "maps" in takes:
        table["maps"] = task.maps
    elif task.maps:
        raise ModelError(f"recipe: network {name!r} takes no maps; set task.maps = []")
    return _filled(NETWORKS[name], table, "network")


def parse(text: str, where: str) -> Recipe:
    """The recipe in TOML ``text``; ``where`` names it in errors."""
    try:
        return Recipe.from_dict(_based(tomllib.loads(text)))
    except RecursionError as error:
        raise ModelError(f"recipe {where}: tables or lists lie too deep in one another") from error
    except (TypeError, AttributeError) as error:
        raise ModelError(f"recipe {where}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"recipe {where}: the file is not TOML: {error}") from error
    except PellucidError as error:
        raise ModelError(f"recipe {where}: {error}") from error
    except ValueError as error:
        # A number of thousands of digits.
        raise ModelError(f"recipe {where}: the file has a value that is not taken: {str(error)[:100]}") from error


def _based(data: dict[str, Any]) -> dict[str, Any]:
    """The recipe's tables, on those of its base."""
    if "base" not in data:
        return data
    base = data.pop("base")
    if base not in names():
        raise ModelError(f"base {base!r} is not one of the shipped recipes: {', '.join(names())}")
    whole = tomllib.loads(_shipped(base))
    for key, value in data.items():
        if isinstance(value, dict) and key == "training" and any(value.get(name) for name in LENGTHS):
            # A run has one length: the base's own goes, whichever it has.
            whole[key] = {name: own for name, own in whole.get(key, {}).items() if name not in LENGTHS}
        whole[key] = whole.get(key, {}) | value if isinstance(value, dict) else value
    return _based(whole)


def _shipped(name: str) -> str:
    return (resources.files("pellucid.training") / "recipes" / f"{name}.toml").read_text("utf-8")


def names() -> tuple[str, ...]:
    """The names of the shipped recipes."""
    folder = resources.files("pellucid.training") / "recipes"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml")))


def find(name: str) -> Recipe:
    """The shipped recipe of that name, or the one in a TOML file of that path."""
    if name in names():
        return parse(_shipped(name), name)
    path = Path(name)
    if path.suffix == ".toml":
        try:
            text = regular.read(path, LARGEST).decode("utf-8")
        except OSError as error:
            raise ModelError(f"recipe {name}: {regular.unread(error)}") from error
        except UnicodeDecodeError as error:
            raise ModelError(f"recipe {name}: the file is not text in UTF-8") from error
        return parse(text, name)
    raise ModelError(f"unknown recipe {name!r}; give a .toml file or one of {', '.join(names())}")


def with_channels(recipe: Recipe, channels: int) -> Recipe:
    """The recipe for gray (1) or colour (3) images."""
    data = recipe.to_dict()
    data["data"]["channels"] = channels
    return Recipe.from_dict(data)


def with_network_of(recipe: Recipe, other: Recipe) -> Recipe:
    """The recipe with the network and channels of ``other``, and its maps where the task takes some; in 8 bits where either is."""
    data = recipe.to_dict()
    own, data["network"] = data["network"], other.to_dict()["network"]
    if getattr(NETWORKS[own["name"]], "holds", None) == other.network.network:
        # It has all of the other, and more beside it.
        data["network"] = own | data["network"] | {"name": own["name"]}
    if own.get("int8") and "int8" in data["network"]:
        data["network"]["int8"] = True
    data["data"]["channels"] = other.data.channels
    if "maps" in data["task"]:
        data["task"]["maps"] = other.task.maps
    return Recipe.from_dict(data)
