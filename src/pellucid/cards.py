"""The card of a model: what it is, what restoring needs to know, where it comes from. JSON inside the model file.

The card lies in the ONNX file's metadata under `METADATA_KEY`, so that model and card cannot part.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pellucid.errors import ModelError

__all__ = ["METADATA_KEY", "Card", "TrainingImages"]

METADATA_KEY = "pellucid_card"
ANSWERS = ("residual", "clean")


@dataclass(frozen=True)
class TrainingImages:
    """One source of training images: its name, how many images it gave, and their licence."""

    source: str
    count: int
    licence: str


@dataclass(frozen=True)
class Card:
    """What a model file says of itself.

    Restoring reads ``task``, ``channels`` (1 or 3), ``maps`` (planes beside the image, see `pellucid.tasks.MAPS`), ``answer``
    (``residual``: taken away from the input; ``clean``), ``multiple_of`` (height and width must divide by it), ``halo``
    (how far one pixel's answer looks, in pixels) and ``scale`` (how many times larger the answer is). ``licence`` is the
    weights' own. ``scores`` maps a line such as ``BSD68 gaussian:25`` to PSNR in dB. ``spec`` and ``recipe`` are data that
    only `pellucid.training` interprets; ``training`` says what the run was (steps, minutes, versions).
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
            raise ModelError(f"card of {self.name!r}: channels must be 1 or 3; multiple_of, halo and scale whole numbers")
        if self.multiple_of < 1 or self.halo < 0 or self.scale < 1 or self.answer not in ANSWERS:
            raise ModelError(f"card of {self.name!r}: multiple_of, halo, scale or answer out of range")

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
                raise ModelError(f"the model's card has a field {unknown[0]!r} that this version does not know")
            data["maps"] = tuple(data["maps"])
            data["training_images"] = tuple(TrainingImages(**entry) for entry in data.get("training_images", ()))
            return cls(**data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"the model's card cannot be read: {error}") from error
