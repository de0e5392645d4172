"""The functions of the package: `pellucid.restore`, one for each task, and what goes with them.

Each is a call of a `Restorer` that stays loaded. ``pellucid`` itself names them and imports them when first asked for.
"""

from __future__ import annotations

import inspect as introspection
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, get_type_hints

from numpy.typing import ArrayLike

from pellucid import chains, diagnosis, files, footage, images, ranges, restorer, stacks, steps
from pellucid.chains import Chain
from pellucid.diagnosis import Diagnosis
from pellucid.errors import FileError, OptionError
from pellucid.families import FAMILIES, names
from pellucid.images import Image, Range
from pellucid.restorer import Restorer
from pellucid.same import is_same
from pellucid.steps import Steps
from pellucid.tasks import Task, way
from pellucid.tasks.settings import ClipSettings, Settings, check_type
from pellucid.views import View

__all__ = ["inspect", "load", "of_task", "read", "restore", "run", "write"]

FORCE = "--force overwrites it"
"""The end of an error where a file exists, for people at the command line."""

_loaded: dict[str, tuple[object, Restorer]] = {}
"""Restorers by the names of their models, or whole paths, and what those files were (`_state`) when they were loaded."""


def load(name: str | Path = "photo", *, device: str = "auto", engine: str = "auto") -> Restorer:
    """A shipped model by name, or the model in an ``.onnx`` file: see `pellucid.restorer.load`.

    >>> import pellucid
    >>> pellucid.load("photo-fast").card.channels
    3
    """
    return restorer.load(name, device=device, engine=engine)


def _kept(model: str | Path) -> Restorer:
    check_type("model", model, (str, Path), "a model's name or the path of a file")
    name = str(model)
    if name in FAMILIES or name in names():
        key, state = name, None
    else:
        # By its whole path, for the folder of the process may be another by now, and the file, too.
        key = str(Path(name).absolute())
        state = _state(key)
    if key not in _loaded or _loaded[key][0] != state:
        _loaded[key] = state, load(model)
    return _loaded[key][1]


def _state(path: str) -> tuple[int, ...] | None:
    """Numbers that differ once the file of that name was replaced or changed: only the system sets its time of change."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _restored(
    model: Restorer | Chain,
    image: Any,
    value_range: Range,
    axes: str | None,
    settings: Settings | Steps,
    out: str | Path | None,
    clip: ClipSettings | None,
    *,
    overwrite: bool,
) -> Any:
    """The answer of the functions of this module: see `restore`."""
    restore: Callable[..., Any] = model.restore
    if out is not None:
        check_type("out", out, (str, Path), "the path of a file")
        if isinstance(image, str | Path) and is_same(out, image):
            raise OptionError(f"{out}: this is the input, which no output replaces: name another file")
        if any(is_same(out, path) for path in settings.attached()):
            raise OptionError(f"{out}: a setting names this file, which no output replaces: name another file")
    if clip is not None:
        check_type("clip", clip, ClipSettings, "ClipSettings")
    _check_kinds(image, value_range, axes, clip, encoded=out is not None)
    model.check(settings)
    if isinstance(image, Iterator):
        if out is not None:
            raise OptionError("out takes the path of a picture or a clip, and these are frames; write them with your own encoder")
        chosen = stacks.reading_of(value_range, None).value_range
        return footage.each(image, model, settings, alone=clip is not None and clip.alone, value_range=chosen)
    if isinstance(image, str | Path) and files.is_clip(Path(image)):
        if out is None:
            alone = clip is not None and clip.alone
            return footage.each(footage.arrays(Path(image), clip), model, settings, alone=alone)
        with _in_python():
            footage.restore(Path(image), Path(out), model, settings, clip, overwrite=overwrite)
        return Path(out)
    if isinstance(image, str | Path):
        picture = restore(read(image, range=value_range, axes=axes), settings)
        if out is None:
            return images.to_array(picture)
        write(out, picture, overwrite=overwrite)
        return Path(out)
    if out is None or isinstance(image, Image):
        result = restore(image, settings, range=value_range, axes=axes)
        if out is None:
            return result
        write(out, result, overwrite=overwrite)
        return Path(out)
    first, *more = islice(stacks.frames_of(image, value_range, axes).pictures, 2)
    if more:
        raise OptionError("out takes the path of one picture, and this is a stack of them; write the array yourself")
    # With the range in which its values are read, which a format of whole numbers spreads.
    ranges.warn(first.remarks)
    write(out, restore(first, settings), overwrite=overwrite)
    return Path(out)


@contextmanager
def _in_python() -> Iterator[None]:
    """Where a file exists, the error names what overwrites it in Python."""
    try:
        yield
    except FileError as error:
        if not str(error).endswith(FORCE):
            raise
        raise FileError(str(error).removesuffix(FORCE) + "overwrite=True overwrites it") from error


def _check_kinds(image: Any, value_range: Range, axes: str | None, clip: ClipSettings | None, *, encoded: bool) -> None:
    """`OptionError` for what would have no effect: on a picture, on frames, or on a clip that is not ``encoded``."""
    frames = isinstance(image, Iterator)
    moving = frames or (isinstance(image, str | Path) and files.is_clip(Path(image)))
    ranged = (isinstance(value_range, str), value_range) != (True, "auto")
    if moving and (axes is not None or (ranged and not frames)):
        words = "axes are for stacks, and these are frames" if frames else "range and axes are for pictures, and this is a clip"
        raise OptionError(f"{words}: leave them out")
    given = () if clip is None else tuple(flag.removeprefix("--") for flag in clip.given("clips"))
    if given and not moving:
        raise OptionError(f"clip: {given[0]} is for clips, and this is a picture: leave it out")
    idle = [name for name in given if name != "alone" and (frames or (not encoded and name not in ("start", "end")))]
    if idle:
        words = "the path of a clip" if frames else "a clip that is written: name out"
        raise OptionError(f"clip: {idle[0]} is for {words}, or leave it out")


def restore(
    image: ArrayLike | Image | str | Path,
    *,
    model: str | Path = "photo",
    range: Range = "auto",
    axes: str | None = None,
    out: str | Path | None = None,
    clip: ClipSettings | None = None,
    overwrite: bool = False,
    **settings: Any,
) -> Any:
    """The image, restored by ``model``: an array for an array, of the same dtype; an `Image` for an `Image`.

    ``image`` is an array (see `Restorer.restore`), an `Image` from `read`, or the path of a picture, which is read as an array of
    its own bit depth. ``range`` and ``axes`` as of `Restorer.restore`. ``settings`` are those of the model's task: ``sigma``,
    ``strength``, ``colour_noise`` and ``keep_grain`` of a denoiser, ``scale`` and ``strength`` of a model that enlarges. The model
    stays loaded for the next call, as long as its file is the same.

    ``out`` is the path of a file that the result is written to; the function then returns that path. A file that exists is replaced
    only with ``overwrite``, and the input never. ``image`` may be the path of
    a clip: it is restored into ``out`` with its sound and all else, as ``clip`` says. Without ``out`` the function returns an
    iterator of the restored frames, (h, w, 3) or (h, w), uint8, or uint16 for more than 8 bits. An iterator of frames gives one,
    too; with ``range`` auto their black and white are those of the values so far. Raises members of `PellucidError`.

    >>> import numpy as np, pellucid
    >>> pellucid.restore(np.zeros((40, 50), np.uint8), sigma=10).shape
    (40, 50)
    >>> pellucid.restore(np.zeros((40, 50), np.uint8), model="upscale-photo", scale=2).shape
    (80, 100)
    """
    kept = _kept(model)
    return _restored(kept, image, range, axes, kept.settings(**settings), out, clip, overwrite=overwrite)


def run(
    image: ArrayLike | Image | str | Path,
    chosen: str | Steps | None = None,
    *,
    preset: str | None = None,
    range: Range = "auto",
    axes: str | None = None,
    out: str | Path | None = None,
    clip: ClipSettings | None = None,
    overwrite: bool = False,
) -> Any:
    """The image after several tasks, one after the other, with nothing rounded between them: an array for an array, of the same
    dtype; an `Image` for an `Image`.

    ``chosen`` are the steps as text, ``task:name=value+task`` (see `pellucid.steps.parse`); or name a ``preset``. ``image``,
    ``range``, ``axes``, ``out``, ``clip`` and ``overwrite`` as of `restore`. The models stay loaded for the next call. Raises
    members of `PellucidError`.

    >>> import numpy as np, pellucid
    >>> pellucid.run(np.zeros((40, 50), np.uint8), "denoise:sigma=10+upscale:scale=2").shape
    (80, 100)
    """
    if (chosen is None) == (preset is None):
        raise OptionError("name the steps, such as 'denoise+upscale:scale=2', or a preset, one of the two")
    if chosen is not None:
        check_type("chosen", chosen, (str, Steps), "steps, such as 'denoise+upscale:scale=2'")
    found = steps.preset(preset) if preset is not None else steps.parse(chosen) if isinstance(chosen, str) else chosen
    assert found is not None
    chain = chains.of(found, _kept)
    return _restored(chain, image, range, axes, chain.steps, out, clip, overwrite=overwrite)


def inspect(image: ArrayLike | Image | str | Path, *, range: Range = "auto", axes: str | None = None) -> Diagnosis:
    """Which noise is in an image, and how much: an array, an `Image` or the path of a picture; of a stack, its first image; of a
    RAW file, the developed picture (the command states the law of its sensor). Frames of a clip are asked about one by one.

    Needs no model. Raises members of `PellucidError`. See `pellucid.diagnosis.inspect`.

    >>> import numpy as np, pellucid
    >>> pellucid.inspect(np.full((64, 64), 0.5))
    <Diagnosis: no noise to speak of>
    """
    if isinstance(image, str | Path):
        image = read(image, range=range, axes=axes)
    picture = image if isinstance(image, Image) else stacks.first_of(image, range, axes)
    ranges.warn(picture.remarks)
    return diagnosis.look(View((picture,)))


def read(path: str | Path, *, range: Range = "auto", axes: str | None = None) -> Image:
    """The picture in a file, upright, with all that the file holds beside the pixels: alpha, colour profile, EXIF, XMP, IPTC,
    resolution.

    ``range`` says which values are black and white, ``axes`` how an array lies, both as of `Restorer.restore`. Raises `FileError`
    and `OptionError`.

    >>> import pellucid
    >>> pellucid.write("clean.jpg", pellucid.denoise(pellucid.read("noisy.jpg")))
    """
    check_type("path", path, (str, Path), "the path of a file")
    how = stacks.reading_of(range, axes)
    return files.read(Path(path), value_range=how.value_range, axes=how.axes)


def write(path: str | Path, image: ArrayLike | Image, *, overwrite: bool = False) -> None:
    """Writes a picture in the format that the file's ending names, with the metadata it has; an array has none.

    Floats are written as they are where the format has floats; else they go over the whole range of its whole numbers, from the
    black to the white that ``range="auto"`` of `restore` finds. A masked array's own values are written: files have no masks. The
    file gets its name when it is whole. Raises `FileError` where it exists and ``overwrite`` is not set, or where the format does
    not hold the picture.

    >>> import pellucid
    >>> pellucid.write("large.png", pellucid.upscale(pellucid.read("small.png"), scale=2))
    """
    check_type("path", path, (str, Path), "the path of a file")
    path = Path(path)
    if isinstance(image, Image):
        picture = image
    elif images.array_of(image).dtype.kind == "f" and "float32" not in files.check_written(path).depths:
        picture = images.from_array(image, "auto")
        ranges.warn(picture.remarks)
    else:
        picture = images.from_array(image)
    with _in_python():
        files.write(path, picture, overwrite=overwrite)


def of_task(task: Task) -> Callable[..., Any]:
    """The function of a task, such as `pellucid.denoise`: `restore` with its model by default, and its settings by name."""

    def run(
        image: Any,
        *,
        model: str | Path = task.model,
        range: Range = "auto",
        axes: str | None = None,
        out: str | Path | None = None,
        clip: ClipSettings | None = None,
        overwrite: bool = False,
        **settings: Any,
    ) -> Any:
        kept = _kept(model)
        by = way(kept.task)
        if by is not None:
            raise OptionError(
                f"model {str(model)!r} is what pellucid.{by.name} takes by itself where a picture needs it; leave it out"
            )
        if kept.task is not task:
            raise OptionError(f"model {str(model)!r} is for another task: pellucid.{kept.task.name} takes it")
        return _restored(kept, image, range, axes, kept.settings(**settings), out, clip, overwrite=overwrite)

    hints = get_type_hints(task.settings)
    rows = task.settings.declared()
    parameters = list(introspection.signature(run).parameters.values())[:-1]
    keyword = introspection.Parameter.KEYWORD_ONLY
    parameters += [introspection.Parameter(row.name, keyword, default=row.default, annotation=hints[row.name]) for row in rows]
    run.__signature__ = introspection.Signature(parameters, return_annotation=Any)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": Any}
    run.__name__ = run.__qualname__ = task.name
    # Where it is found: so it can be sent to another process.
    run.__module__ = "pellucid"
    listed = "\n".join(f"    ``{row.name}``: {row.help}." for row in rows)
    run.__doc__ = (
        f"{task.summary[0].upper()}{task.summary[1:]}: an array for an array, of the same dtype; an `Image` for an `Image`.\n\n"
        "    ``image``, ``range``, ``axes``, ``out``, ``clip`` and ``overwrite`` as of `pellucid.restore`; ``model`` is a model's\n"
        "    name or an .onnx file.\n"
        f"{listed}\n\n    Raises members of `PellucidError`.\n\n"
        "    >>> import pellucid\n"
        "    >>> from pellucid import samples\n"
        f"    >>> output = pellucid.{task.name}(samples.photograph()[100:164, 200:296])\n    "
    )
    return run
