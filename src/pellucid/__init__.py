"""Restores images on the computer that people already have.

>>> import pellucid
>>> clean = pellucid.restore("noisy.png")        # doctest: +SKIP
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pellucid.diagnosis import Diagnosis
    from pellucid.restorer import Restorer

__version__ = "0.1.0"

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
    "inspect",
    "load",
    "restore",
]

_loaded: dict[str, Restorer] = {}


def load(name: str | Path = "photo", *, device: str = "auto", engine: str = "auto") -> Restorer:
    """A shipped model by name, or the model in an ``.onnx`` file: see `pellucid.restorer.load`."""
    # The engine is imported by the first call, not by `import pellucid`.
    from pellucid import restorer

    return restorer.load(name, device=device, engine=engine)


def restore(
    image: ArrayLike | str | Path,
    *,
    model: str | Path = "photo",
    sigma: float | None = None,
    strength: float = 1.0,
    keep_grain: float = 0.0,
) -> Any:
    """The image, restored: an array of the same shape and dtype.

    ``image`` is an array (see `pellucid.restorer.Restorer.restore`) or the path of a picture, which is read as an array of
    its own bit depth. ``model`` is kept loaded for the next call. Raises members of `PellucidError`.
    """
    from pellucid import files, images

    settings: dict[str, Any] = {"sigma": sigma, "strength": strength, "keep_grain": keep_grain}
    key = str(model)
    if key not in _loaded:
        _loaded[key] = load(model)
    if isinstance(image, str | Path):
        return images.to_array(_loaded[key].restore(files.read(Path(image)), **settings))
    return _loaded[key].restore(image, **settings)


def inspect(image: ArrayLike | str | Path) -> Diagnosis:
    """Which noise is in an image, and how much: an array as `restore` takes it, or the path of a picture.

    Needs no model. Raises members of `PellucidError`. See `pellucid.diagnosis.inspect`.
    """
    from pellucid import diagnosis, files, images

    picture = files.read(Path(image)) if isinstance(image, str | Path) else images.from_array(image)
    return diagnosis.inspect(picture.pixels)
