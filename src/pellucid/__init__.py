"""Restores images on the computer that people already have.

Functions, each of which takes an array, an `Image` or the path of a picture (those of tasks also the path of a clip, or frames):

    pellucid.restore(image)             takes noise out, unless another model is named
    pellucid.denoise(image, sigma=25)   a function for each task, with its settings
    pellucid.upscale(image, scale=3)
    pellucid.cutout(image)              what is in front, with alpha
    pellucid.colorize(image)            colours for gray pictures
    pellucid.run(image, "denoise+upscale:scale=2")        several tasks, one after the other
    pellucid.inspect(image)             measures the noise: its kind and its level
    pellucid.read(path)                 a picture with its file's metadata
    pellucid.write(path, image)         writes it with its metadata
    pellucid.load(name)                 a model, for use with many pictures

>>> import pellucid
>>> pellucid.write("clean.jpg", pellucid.denoise(pellucid.read("noisy.jpg")))        # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from pellucid.errors import (
    DiskFull,
    EngineError,
    FileError,
    ImageError,
    InputError,
    MemoryShort,
    MissingExtra,
    ModelError,
    OptionError,
    PellucidError,
    SizeError,
    TrainingError,
)
from pellucid.tasks import TASKS

__version__ = "0.1.0"

_PLACES = {
    "inspect": "pellucid.api",
    "load": "pellucid.api",
    "read": "pellucid.api",
    "restore": "pellucid.api",
    "run": "pellucid.api",
    "write": "pellucid.api",
    "ClipSettings": "pellucid.tasks.settings",
    "Diagnosis": "pellucid.diagnosis",
    "Image": "pellucid.images",
    "Restoration": "pellucid.restorer",
    "Restorer": "pellucid.restorer",
}
"""Name -> the module that has it. They are imported when first asked for: ``import pellucid`` needs neither NumPy nor an engine."""

_SETTINGS = tuple(row.settings.__name__ for row in TASKS.values())

__all__ = [
    "DiskFull",
    "EngineError",
    "FileError",
    "ImageError",
    "InputError",
    "MemoryShort",
    "MissingExtra",
    "ModelError",
    "OptionError",
    "PellucidError",
    "SizeError",
    "TrainingError",
    "__version__",
    *_PLACES,
    *_SETTINGS,
    *TASKS,
]


def __getattr__(name: str) -> Any:
    if name in TASKS:
        from pellucid import api

        found: Any = api.of_task(TASKS[name])
    elif name in _PLACES:
        found = getattr(import_module(_PLACES[name]), name)
    elif name in _SETTINGS:
        found = next(row.settings for row in TASKS.values() if row.settings.__name__ == name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
