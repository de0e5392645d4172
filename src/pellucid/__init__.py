"""Restores images on the computer that people already have.

Functions, each of which takes an array, an `Image` or the path of a picture (those of tasks also the path of a clip, or frames):

    pellucid.restore(image)             takes noise out, unless another model is named
    pellucid.denoise(image, sigma=25)   a function for each task, with its settings
    pellucid.upscale(image, scale=3)
    pellucid.cutout(image)              what is in front, with alpha
    pellucid.colorize(image)            colours for gray pictures
    pellucid.film(image)                worn film, prints and slides, mended
    pellucid.run(image, "denoise+upscale:scale=2")        several tasks, one after the other
    pellucid.inspect(image)             measures the noise: its kind and its level
    pellucid.read(path)                 a picture with its file's metadata
    pellucid.write(path, image)         writes it with its metadata
    pellucid.load(name)                 a model, for use with many pictures

>>> import pellucid
>>> pellucid.write("clean.jpg", pellucid.denoise(pellucid.read("noisy.jpg")))
"""

from __future__ import annotations

from importlib import import_module

from pellucid.errors import (  # noqa: F401  # `__all__` has their names
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
    RangeWarning,
    SizeError,
    TrainingError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.2.0"

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

_ERRORS = (
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
    "RangeWarning",
    "SizeError",
    "TrainingError",
)


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name != "__all__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The rows of the tasks are read when a name asks for them: `pellucid --help` need not.
    tasks = import_module("pellucid.tasks")
    settings = {row.settings.__name__: row.settings for row in tasks.TASKS.values()}
    if name == "tasks":
        return tasks
    if name == "__all__":
        found: Any = [*_ERRORS, "__version__", *_PLACES, *settings, *tasks.commands()]
    elif name in tasks.commands():
        found = import_module("pellucid.api").of_task(tasks.TASKS[name])
    elif name in _PLACES:
        found = getattr(import_module(_PLACES[name]), name)
    elif name in settings:
        found = settings[name]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__")})
