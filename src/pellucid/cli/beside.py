"""Pictures that are written beside the outputs, such as ``--confidence`` and ``--damage``: where, refused before any work."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pellucid.errors import FileError, OptionError
from pellucid.same import identity, is_same
from pellucid.steps import Steps
from pellucid.tasks.settings import Settings

if TYPE_CHECKING:
    from pellucid import plan

__all__ = ["CONFIDENCE", "Place", "above", "asked", "check_figure", "check_folder", "check_several", "confidences", "places"]

CONFIDENCE = "confidence"
"""The option whose picture comes with the output; those of `Settings.BESIDE` are made by a run of their own."""


class Place(NamedTuple):
    """Where such a picture is written, and whether that is a ``folder`` for those of several pictures."""

    path: Path
    folder: bool


def asked(options: argparse.Namespace, settings: Settings | Steps) -> dict[str, str]:
    """The other pictures that are asked for, but for the confidence: where they are written, by the names of their options."""
    names = settings.BESIDE if isinstance(settings, Settings) else ()
    return {name: place for name in names if (place := getattr(options, name)) is not None}


def places(
    options: argparse.Namespace, planned: plan.Plan, settings: Settings | Steps, others: Mapping[str, str], kept: Iterable[Path]
) -> dict[str, Place]:
    """Where each of these pictures is written; `OptionError` and `FileError` for a place that cannot be: the kind of its file, one
    file for several pictures, a file that exists, or that is an input, an output, another of them or ``kept`` (see `plan.plan`)."""
    from pellucid import plan

    given = dict(others) if options.confidence is None else {CONFIDENCE: options.confidence, **others}
    several = len(planned.pairs) + len(planned.failed) > 1 or len(settings.each()) > 1
    targets = [plan.varied(target, variant) for _, target in planned.pairs for variant in settings.each()]
    taken = {identity(path): "this is the picture or its output" for path in (*(source for source, _ in planned.pairs), *targets)}
    taken |= {identity(path): "this is a file that a setting names" for path in kept}
    found: dict[str, Place] = {}
    for name, text in given.items():
        place = _place(name, text, several=several)
        real = identity(place.path)
        if not place.folder:
            if real in taken:
                raise OptionError(f"--{name} {text}: {taken[real]}; name another file")
            _check_file(name, text, planned, force=options.force)
        elif name == CONFIDENCE:
            named = confidences(text, above(planned))
            for path in map(named, targets) if named is not None else ():
                if identity(path) in taken:
                    raise OptionError(f"--{name} {text}: the confidence would replace {path}; name another folder")
        elif planned.folder is not None and real == identity(planned.folder):
            raise OptionError(f"--{name} {text}: this is the folder of the outputs; name another one")
        else:
            _check_walks(name, place.path, options)
        taken[real] = f"--{name} is written there"
        found[name] = place
    return found


def check_folder(name: str, text: str, options: argparse.Namespace) -> None:
    """Raises an error where a run that several processes share cannot have a folder there."""
    if text == "-":
        raise FileError(f"--{name} -: name a folder")
    if any(is_same(text, other) for other in map(str, (*options.inputs, options.out))):
        raise OptionError(f"--{name} {text}: this is the folder of the pictures or of the outputs; name another one")
    _check_walks(name, Path(text), options)


def check_figure(name: str, path: Path, inputs: Iterable[Path], *, force: bool) -> None:
    """Raises an error for a figure that cannot be written: no PNG, one of the pictures, or a file that exists."""
    from pellucid import plan, saving

    if path.suffix.lower() != ".png":
        raise OptionError(f"--{name} {path}: a figure is a PNG file; its name must end in .png")
    try:
        plan.check_apart(path, inputs)
    except OptionError as error:
        raise OptionError(f"--{name} {error}") from error
    if saving.exists(path) and not force:
        raise FileError(f"--{name} {path}: the file exists; --force overwrites it")


def confidences(given: str | None, outputs: Path | None = None) -> Callable[[Path], Path] | None:
    """The path of the confidence by that of an output: the one file, or NAME.EXT.confidence.png in a folder, whose tree is that of
    the folder of ``outputs``."""
    from pellucid import plan

    if given is None:
        return None
    place = _place(CONFIDENCE, given, several=False)
    if not place.folder:
        return lambda target: place.path

    def named(target: Path) -> Path:
        inner = target.relative_to(outputs) if outputs is not None and target.is_relative_to(outputs) else Path(target.name)
        return place.path / plan.confidence_name(inner)

    return named


def above(planned: plan.Plan) -> Path | None:
    """The folder whose tree the outputs keep: that of the outputs, or where they lie beside their pictures, the one above all."""
    if planned.folder is not None or not planned.pairs:
        return planned.folder
    with suppress(ValueError):  # on Windows, two disks have none
        return Path(os.path.commonpath([target.parent for _, target in planned.pairs]))
    return None


def check_several(name: str, text: str) -> None:
    """`OptionError` where one file is named for the pictures of a folder that is watched."""
    _place(name, text, several=True)


def _place(name: str, text: str, *, several: bool) -> Place:
    from pellucid import plan, saving

    path = Path(text)
    if text == "-":
        raise FileError(f"--{name} -: name a file")
    if path.is_dir() or text.endswith(("/", os.sep)) or not plan.has_ending(path):
        if saving.exists(path) and not path.is_dir():
            raise FileError(f"--{name} {text}: this is a file, and its name is a folder's; name a file with an ending")
        return Place(path, folder=True)
    if several:
        raise OptionError(f"--{name} {text}: several pictures need a folder; end its name in /")
    return Place(path, folder=False)


def _check_walks(name: str, place: Path, options: argparse.Namespace) -> None:
    """Raises `OptionError` where the pictures in this folder would be taken for inputs, by the next run or by another process."""
    from pellucid import plan

    selection = plan.Selection(options.recursive, tuple(options.include), tuple(options.exclude))
    out = None if options.out is None else Path(options.out)
    if any(plan.walks(Path(each), place, selection, out) for each in options.inputs):
        raise OptionError(
            f"--{name} {place}: pictures there would be taken for inputs; name another folder, or leave it out with --exclude"
        )


def _check_file(name: str, text: str, planned: plan.Plan, *, force: bool) -> None:
    """Raises `FileError` for a file of a kind that is not written, or that exists."""
    from pellucid import files, saving
    from pellucid.files import encoders

    path = Path(text)
    clip = name != CONFIDENCE and any(files.is_clip(source) for source, _ in planned.pairs)
    try:
        if clip:
            encoders.container_of(path)
        else:
            files.check_written(path)
    except FileError as error:
        raise FileError(f"--{name} {error}") from error
    if saving.exists(path) and not force:
        raise FileError(f"--{name} {text}: the file exists; --force overwrites it")
