"""The card of a model: what it is, what restoring needs to know, where it comes from. JSON inside the model file.

The card lies in the ONNX file's metadata under `METADATA_KEY`, so that model and card cannot part. It is read here without an
engine and without the graph: looking at a card costs no more than opening the file.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from pellucid import regular
from pellucid.errors import ModelError
from pellucid.protobuf import fields as fields_of

__all__ = ["ANSWERS", "METADATA_KEY", "Card", "TrainingImages", "read_card"]

METADATA_KEY = "pellucid_card"

ANSWERS = ("residual", "clean", "alpha", "ab", "interpolated", "damage")
"""The kinds of a network's output: the residual, which is taken away from the input (or its enlargement); the clean image; how far
each pixel belongs to the thing in front, 0 to 1; the two planes of colour beside the light; the residual of a mosaic's colours,
which is taken away from those that linear filters interpolate (`pellucid.sensor.interpolated`); how likely each pixel is damaged,
0 to 1."""

OUTPUTS = {"alpha": 1, "ab": 3, "interpolated": 3, "damage": 1}
"""How many planes outputs of these kinds have, whatever the input has; others have its channels. ``ab``: chroma in two planes, and
the error that is expected of it."""

FARTHEST = 4096
"""The most pixels that a card may say for ``multiple_of`` and ``halo``: pieces are padded by them."""

MOST_MAPS = 16
"""The most maps that a card may name: each is a plane of the picture's size."""

LARGEST_SCALE = 16
"""The largest factor that a card may say."""


@dataclass(frozen=True)
class TrainingImages:
    """One source of training images: its name, how many images it gave, and their licence."""

    source: str
    count: int
    licence: str


@dataclass(frozen=True)
class Card:
    """The description of a model, inside its file.

    Restoring reads ``task``, ``channels`` (of the input, 1 or 3), ``maps`` (planes beside the image, such as
    `pellucid.tasks.denoise_learning.MAPS`), ``answer`` (see `ANSWERS`), ``multiple_of`` (height and width must divide by it),
    ``halo`` (the distance from which an output pixel can be influenced, in pixels of the input) and ``scale`` (how many times
    larger the output is). The graph of a model with ``scales`` has an output ``xN`` for each factor N; its residual is taken away
    from the bicubic enlargement. ``licence`` is that of the weights. ``scores`` maps a line such as ``BSD68 gaussian:25`` to PSNR
    in dB, or to the metric that it ends with. ``spec`` and ``recipe`` are data that only `pellucid.training` interprets;
    ``training`` describes the run (steps, minutes, versions).
    """

    name: str
    task: str
    summary: str
    channels: int
    maps: tuple[str, ...]
    answer: str
    multiple_of: int
    halo: int
    scale: int = 1
    scales: tuple[int, ...] = ()
    version: str = "1"
    parameters: int = 0
    licence: str = ""
    training_images: tuple[TrainingImages, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("spec", "recipe", "training"):
            # As JSON has it (lists for tuples), so that a card equals itself after the file.
            object.__setattr__(self, name, json.loads(json.dumps(getattr(self, name))))
        if len(self.maps) > MOST_MAPS:
            raise ModelError(f"card of {self.name!r}: it has {len(self.maps)} maps, more than {MOST_MAPS}")
        texts = (self.name, self.task, self.summary, self.answer, self.version, self.licence, *self.maps)
        if not all(isinstance(text, str) for text in texts) or not all(map(_is_table, (self.spec, self.recipe, self.training))):
            raise ModelError(f"card of {self.name!r}: names, words and versions must be text; spec, recipe and training tables")
        whole = (self.channels, self.multiple_of, self.halo, self.scale, self.parameters)
        if not all(type(number) is int for number in whole) or self.channels not in (1, 3):
            raise ModelError(f"card of {self.name!r}: channels must be 1 or 3; multiple_of, halo and scale must be whole numbers")
        if any(type(scale) is not int or not 2 <= scale <= LARGEST_SCALE for scale in self.scales):
            raise ModelError(f"card of {self.name!r}: scales must be whole numbers from 2 to {LARGEST_SCALE}")
        within = 1 <= self.multiple_of <= FARTHEST and 0 <= self.halo <= FARTHEST and 1 <= self.scale <= LARGEST_SCALE
        if not within or self.answer not in ANSWERS or len(set(self.scales)) < len(self.scales):
            raise ModelError(f"card of {self.name!r}: multiple_of, halo, scale or answer is out of range")
        images = self.training_images
        if not all(isinstance(one.source, str) and isinstance(one.licence, str) and type(one.count) is int for one in images):
            raise ModelError(f"card of {self.name!r}: training images have a source, a count and a licence")
        if not _is_table(self.scores) or not all(map(_is_number, self.scores.values())):
            raise ModelError(f"card of {self.name!r}: scores must be numbers by name")
        if not all(_is_noise(noise) for noise in _entries(self.recipe.get("task", {}), "noise")):
            raise ModelError(f"card of {self.name!r}: each noise of the recipe must have a kind, and numbers for low and high")

    @property
    def planes(self) -> int:
        """The planes of the network's output."""
        return OUTPUTS.get(self.answer, self.channels)

    @property
    def noises(self) -> list[dict[str, Any]]:
        """Every noise of the recipe that it learnt from, those that follow upon another among them; none where it names none."""
        return [part for entry in _entries(self.recipe.get("task", {}), "noise") for part in (entry, *_entries(entry, "then"))]

    def to_json(self) -> str:
        """The card as JSON text; `from_json` reads it back to an equal card."""
        # Bytes of a file's name that are no character get JSON's escape.
        return json.dumps(asdict(self), ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")

    @classmethod
    def from_json(cls, text: str) -> Card:
        """The card that ``text`` holds; `ModelError` when it is not a card or has fields that are not known here."""
        try:
            data = json.loads(text)
            unknown = sorted(set(data) - {entry.name for entry in fields(cls)})
            if unknown:
                raise ModelError(
                    f"the model's card has a field {unknown[0]!r} that this version does not know; a newer version may read it"
                )
            if not all(isinstance(data.get(name, []), list) for name in ("maps", "scales", "training_images")):
                raise ModelError("the model's card cannot be read: maps, scales and training_images must be lists")
            data["maps"] = tuple(data["maps"])
            data["scales"] = tuple(data.get("scales", ()))
            data["training_images"] = tuple(TrainingImages(**entry) for entry in data.get("training_images", ()))
            return cls(**data)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ModelError(f"the model's card cannot be read: {error}") from error


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _entries(table: object, name: str) -> list[dict[str, Any]]:
    """The tables in the list ``name`` of a table; `ModelError` for anything else."""
    entries = table.get(name, []) if isinstance(table, dict) else None
    if not isinstance(entries, list) or not all(map(_is_table, entries)):
        raise ModelError(f"the model's card: the recipe's {name} must be a list of tables")
    return entries


def _is_noise(noise: dict[str, Any]) -> bool:
    """Whether a noise of the recipe, and those that follow upon it, are such as restoring reads."""
    levels = [noise.get(name, 0) for name in ("low", "high")]
    numbers = all(_is_number(level) and math.isfinite(level) for level in levels)
    return isinstance(noise.get("kind"), str) and numbers and all(_is_noise(then) for then in _entries(noise, "then"))


# -- out of the model file --------------------------------------------------------------------------------------------

# Field numbers of onnx.proto: enough to walk over a file's outermost fields.
MODEL_GRAPH, MODEL_METADATA = 7, 14
ENTRY_KEY, ENTRY_VALUE = 1, 2

LARGEST = 16 * 2**20
"""Bytes that a card has at most; those of the shipped models have 5,000."""


def read_card(path: Path) -> Card:
    """The card inside a model file; `ModelError` for a file that is missing, damaged, no ONNX model or without a card."""
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file")
    graph = False
    text: str | None = None
    try:
        with regular.opened(path) as opened, io.BufferedReader(opened) as file:
            for number, value, end in fields_of(file, os.fstat(opened.fileno()).st_size):
                graph |= number == MODEL_GRAPH and value is None
                if number == MODEL_METADATA and value is None:
                    entry = dict(_entry(file, end))
                    if entry.get(ENTRY_KEY) == METADATA_KEY.encode():
                        text = entry.get(ENTRY_VALUE, b"").decode()
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path}: this is not a model that pellucid can read; 'pellucid train' and 'pellucid export' write such .onnx files"
        ) from error
    if not graph:
        raise ModelError(
            f"{path}: this is not a model that pellucid can read; 'pellucid train' and 'pellucid export' write such .onnx files"
        )
    if text is None:
        raise ModelError(
            f"{path}: this ONNX model has no pellucid card; 'pellucid train' and 'pellucid export' write models with one"
        )
    try:
        return Card.from_json(text)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _entry(file: IO[bytes], end: int) -> Iterator[tuple[int, bytes]]:
    """Key and value of an entry of the metadata."""
    for number, value, stop in fields_of(file, end):
        size = stop - file.tell()
        if value is None and size <= LARGEST:
            yield number, file.read(size)
