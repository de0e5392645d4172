# Made by tests/stubs.py from the rows of pellucid.tasks.TASKS: 'make stubs' writes it anew.
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.api import inspect as inspect
from pellucid.api import load as load
from pellucid.api import read as read
from pellucid.api import run as run
from pellucid.api import write as write
from pellucid.diagnosis import Diagnosis as Diagnosis
from pellucid.errors import DiskFull as DiskFull
from pellucid.errors import EngineError as EngineError
from pellucid.errors import FileError as FileError
from pellucid.errors import ImageError as ImageError
from pellucid.errors import InputError as InputError
from pellucid.errors import MemoryShort as MemoryShort
from pellucid.errors import MissingExtra as MissingExtra
from pellucid.errors import ModelError as ModelError
from pellucid.errors import OptionError as OptionError
from pellucid.errors import PellucidError as PellucidError
from pellucid.errors import SizeError as SizeError
from pellucid.errors import TrainingError as TrainingError
from pellucid.images import Image as Image
from pellucid.images import Range
from pellucid.restorer import Restoration as Restoration
from pellucid.restorer import Restorer as Restorer
from pellucid.tasks import ColorizeSettings as ColorizeSettings
from pellucid.tasks import CutoutSettings as CutoutSettings
from pellucid.tasks import DenoiseSettings as DenoiseSettings
from pellucid.tasks import UpscaleSettings as UpscaleSettings

__version__: str

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
    "read",
    "restore",
    "run",
    "write",
    "Diagnosis",
    "Image",
    "Restoration",
    "Restorer",
    "DenoiseSettings",
    "UpscaleSettings",
    "ColorizeSettings",
    "CutoutSettings",
    "denoise",
    "upscale",
    "colorize",
    "cutout",
]

_Kind = TypeVar("_Kind", bound=np.generic)

@overload
def restore(
    image: Image,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    sigma: float | None = ...,
    strength: float = ...,
    colour_noise: float | None = ...,
    detail: float = ...,
    keep_grain: float = ...,
    descreen: bool = ...,
    gain: bool = ...,
    scale: float = ...,
    noise: str = ...,
    hint: tuple[tuple[int, int, str], ...] = ...,
    saturation: float = ...,
    hints: str | Path | None = ...,
    like: str | Path | None = ...,
    palette: str | Path | str | None = ...,
    sure: float = ...,
    variants: int = ...,
    draw: int = ...,
    point: tuple[tuple[int, int], ...] = ...,
    not_point: tuple[tuple[int, int], ...] = ...,
    box: tuple[int, int, int, int] | None = ...,
    background: str | str | Path | None = ...,
    alpha_only: bool = ...,
    crop: bool = ...,
    again: bool = ...,
) -> Image: ...
@overload
def restore(
    image: NDArray[_Kind],
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    sigma: float | None = ...,
    strength: float = ...,
    colour_noise: float | None = ...,
    detail: float = ...,
    keep_grain: float = ...,
    descreen: bool = ...,
    gain: bool = ...,
    scale: float = ...,
    noise: str = ...,
    hint: tuple[tuple[int, int, str], ...] = ...,
    saturation: float = ...,
    hints: str | Path | None = ...,
    like: str | Path | None = ...,
    palette: str | Path | str | None = ...,
    sure: float = ...,
    variants: int = ...,
    draw: int = ...,
    point: tuple[tuple[int, int], ...] = ...,
    not_point: tuple[tuple[int, int], ...] = ...,
    box: tuple[int, int, int, int] | None = ...,
    background: str | str | Path | None = ...,
    alpha_only: bool = ...,
    crop: bool = ...,
    again: bool = ...,
) -> NDArray[_Kind]: ...
@overload
def restore(
    image: ArrayLike | Path,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    sigma: float | None = ...,
    strength: float = ...,
    colour_noise: float | None = ...,
    detail: float = ...,
    keep_grain: float = ...,
    descreen: bool = ...,
    gain: bool = ...,
    scale: float = ...,
    noise: str = ...,
    hint: tuple[tuple[int, int, str], ...] = ...,
    saturation: float = ...,
    hints: str | Path | None = ...,
    like: str | Path | None = ...,
    palette: str | Path | str | None = ...,
    sure: float = ...,
    variants: int = ...,
    draw: int = ...,
    point: tuple[tuple[int, int], ...] = ...,
    not_point: tuple[tuple[int, int], ...] = ...,
    box: tuple[int, int, int, int] | None = ...,
    background: str | str | Path | None = ...,
    alpha_only: bool = ...,
    crop: bool = ...,
    again: bool = ...,
) -> NDArray[Any]: ...
@overload
def denoise(
    image: Image,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    sigma: float | None = ...,
    strength: float = ...,
    colour_noise: float | None = ...,
    detail: float = ...,
    keep_grain: float = ...,
    descreen: bool = ...,
    gain: bool = ...,
) -> Image: ...
@overload
def denoise(
    image: NDArray[_Kind],
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    sigma: float | None = ...,
    strength: float = ...,
    colour_noise: float | None = ...,
    detail: float = ...,
    keep_grain: float = ...,
    descreen: bool = ...,
    gain: bool = ...,
) -> NDArray[_Kind]: ...
@overload
def denoise(
    image: ArrayLike | Path,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    sigma: float | None = ...,
    strength: float = ...,
    colour_noise: float | None = ...,
    detail: float = ...,
    keep_grain: float = ...,
    descreen: bool = ...,
    gain: bool = ...,
) -> NDArray[Any]: ...
@overload
def upscale(
    image: Image,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    scale: float = ...,
    strength: float = ...,
    noise: str = ...,
) -> Image: ...
@overload
def upscale(
    image: NDArray[_Kind],
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    scale: float = ...,
    strength: float = ...,
    noise: str = ...,
) -> NDArray[_Kind]: ...
@overload
def upscale(
    image: ArrayLike | Path,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    scale: float = ...,
    strength: float = ...,
    noise: str = ...,
) -> NDArray[Any]: ...
@overload
def colorize(
    image: Image,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    hint: tuple[tuple[int, int, str], ...] = ...,
    saturation: float = ...,
    strength: float = ...,
    hints: str | Path | None = ...,
    like: str | Path | None = ...,
    palette: str | Path | str | None = ...,
    sure: float = ...,
    variants: int = ...,
    draw: int = ...,
) -> Image: ...
@overload
def colorize(
    image: NDArray[_Kind],
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    hint: tuple[tuple[int, int, str], ...] = ...,
    saturation: float = ...,
    strength: float = ...,
    hints: str | Path | None = ...,
    like: str | Path | None = ...,
    palette: str | Path | str | None = ...,
    sure: float = ...,
    variants: int = ...,
    draw: int = ...,
) -> NDArray[_Kind]: ...
@overload
def colorize(
    image: ArrayLike | Path,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    hint: tuple[tuple[int, int, str], ...] = ...,
    saturation: float = ...,
    strength: float = ...,
    hints: str | Path | None = ...,
    like: str | Path | None = ...,
    palette: str | Path | str | None = ...,
    sure: float = ...,
    variants: int = ...,
    draw: int = ...,
) -> NDArray[Any]: ...
@overload
def cutout(
    image: Image,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    point: tuple[tuple[int, int], ...] = ...,
    not_point: tuple[tuple[int, int], ...] = ...,
    box: tuple[int, int, int, int] | None = ...,
    background: str | str | Path | None = ...,
    alpha_only: bool = ...,
    crop: bool = ...,
    strength: float = ...,
    sure: float = ...,
    again: bool = ...,
) -> Image: ...
@overload
def cutout(
    image: NDArray[_Kind],
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    point: tuple[tuple[int, int], ...] = ...,
    not_point: tuple[tuple[int, int], ...] = ...,
    box: tuple[int, int, int, int] | None = ...,
    background: str | str | Path | None = ...,
    alpha_only: bool = ...,
    crop: bool = ...,
    strength: float = ...,
    sure: float = ...,
    again: bool = ...,
) -> NDArray[_Kind]: ...
@overload
def cutout(
    image: ArrayLike | Path,
    *,
    model: str | Path = ...,
    range: Range = ...,
    axes: str | None = ...,
    point: tuple[tuple[int, int], ...] = ...,
    not_point: tuple[tuple[int, int], ...] = ...,
    box: tuple[int, int, int, int] | None = ...,
    background: str | str | Path | None = ...,
    alpha_only: bool = ...,
    crop: bool = ...,
    strength: float = ...,
    sure: float = ...,
    again: bool = ...,
) -> NDArray[Any]: ...
