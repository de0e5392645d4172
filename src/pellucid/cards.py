"""The card of a model: what it is, what restoring needs to know, where it comes from. JSON inside the model file.

The card lies in the ONNX file's metadata under `METADATA_KEY`, so that model and card cannot part. It is read here without an
engine and without the graph: looking at a card costs no more than opening the file.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

from pellucid.errors import ModelError

__all__ = ["ANSWERS", "METADATA_KEY", "Card", "TrainingImages", "read_card"]

METADATA_KEY = "pellucid_card"

ANSWERS = ("residual", "clean")
"""The kinds of a network's output: the residual, which is taken away from the input (or its enlargement), or the clean image."""


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
    `pellucid.tasks.denoise.MAPS`), ``answer`` (see `ANSWERS`), ``multiple_of`` (height and width must divide by it), ``halo`` (the
    distance from which an output pixel can be influenced, in pixels of the input) and ``scale`` (how many times larger the output
    is). The graph of a model with ``scales`` has an output ``xN`` for each factor N; its residual is taken away from the bicubic
    enlargement. ``licence`` is that of the weights. ``scores`` maps a line such as ``BSD68 gaussian:25`` to PSNR in dB. ``spec``
    and ``recipe`` are data that only `pellucid.training` interprets; ``training`` describes the run (steps, minutes, versions).
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
        whole = (self.channels, self.multiple_of, self.halo, self.scale)
        if not all(isinstance(number, int) for number in whole) or self.channels not in (1, 3):
            raise ModelError(f"card of {self.name!r}: channels must be 1 or 3; multiple_of, halo and scale must be whole numbers")
        if any(not isinstance(scale, int) or scale < 2 for scale in self.scales):
            raise ModelError(f"card of {self.name!r}: scales must be whole numbers of 2 or more")
        if self.multiple_of < 1 or self.halo < 0 or self.scale < 1 or self.answer not in ANSWERS:
            raise ModelError(f"card of {self.name!r}: multiple_of, halo, scale or answer is out of range")

    @property
    def noises(self) -> list[dict[str, Any]]:
        """Every noise of the recipe that it learnt from, those that follow upon another among them; none where it names none."""
        entries = self.recipe.get("task", {}).get("noise", [])
        return [part for entry in entries for part in (entry, *entry.get("then", []))]

    def to_json(self) -> str:
        """The card as JSON text; `from_json` reads it back to an equal card."""
        return json.dumps(asdict(self), ensure_ascii=False)

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
            data["maps"] = tuple(data["maps"])
            data["scales"] = tuple(data.get("scales", ()))
            data["training_images"] = tuple(TrainingImages(**entry) for entry in data.get("training_images", ()))
            return cls(**data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"the model's card cannot be read: {error}") from error


# -- out of the model file --------------------------------------------------------------------------------------------

# Protocol Buffers' encoding (protobuf.dev/programming-guides/encoding) and the field numbers of onnx.proto: enough to walk over a
# file's outermost fields. The onnx package would do it in 17 MB and a third of a second.
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MODEL_GRAPH, MODEL_METADATA = 7, 14
ENTRY_KEY, ENTRY_VALUE = 1, 2


def read_card(path: Path) -> Card:
    """The card inside a model file; `ModelError` for a file that is missing, damaged, no ONNX model or without a card."""
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file")
    graph = False
    text: str | None = None
    try:
        with path.open("rb") as file:
            for number, content in _fields(file, path.stat().st_size, wanted=MODEL_METADATA):
                graph |= number == MODEL_GRAPH
                if content is not None:
                    entry = {key: value for key, value in _entry(content) if value is not None}
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
    return Card.from_json(text)


def _entry(content: bytes) -> Iterator[tuple[int, bytes | None]]:
    yield from _fields(io.BytesIO(content), len(content))


def _fields(file: IO[bytes], size: int, wanted: int | None = None) -> Iterator[tuple[int, bytes | None]]:
    """The fields of a message: (number, content). Content is read for ``wanted`` alone (None: for all); None for numbers.

    Raises `ValueError` where the bytes are no message.
    """
    while file.tell() < size:
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            _varint(file)
            yield number, None
            continue
        if kind not in (FIXED64, BYTES, FIXED32) or number == 0:
            raise ValueError(f"field {number} of kind {kind}")
        length = _varint(file) if kind == BYTES else {FIXED64: 8, FIXED32: 4}[kind]
        if file.tell() + length > size:
            raise ValueError("a field ends beyond the file")
        if kind == BYTES and wanted in (None, number):
            yield number, file.read(length)
        else:
            file.seek(length, io.SEEK_CUR)
            yield number, None


def _varint(file: IO[bytes]) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number that does not end")
