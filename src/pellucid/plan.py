"""Which picture goes where: the pictures that a folder stands for, and the names of their outputs."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, TypeVar

from pellucid import files, regular, saving
from pellucid.errors import FileError, OptionError
from pellucid.files import encoders
from pellucid.same import identity

__all__ = [
    "Plan",
    "Selection",
    "check_apart",
    "clean_name",
    "confidence_name",
    "has_ending",
    "listed",
    "name_in_folder",
    "plan",
    "varied",
    "walks",
]

AnyPath = TypeVar("AnyPath", Path, PurePath)

TRUSTED = ".confidence.png"
"""The end of the names of confidences in a folder."""


@dataclass(frozen=True)
class Selection:
    """Which pictures a folder stands for.

    Those in the folders below it, too, if ``recursive``; only those that match one of ``include`` (all, if it is empty), and none
    that matches one of ``exclude``.

    A pattern (``*`` any characters, ``?`` one, ``[...]`` one of these) with a slash is held against the path below the folder, one
    without against the name; an excluded folder is left out whole. Capital or small letters make no difference.
    """

    recursive: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def passes(self, inner: PurePath) -> bool:
        """Whether a file or folder with this path below the folder is looked at: it is neither hidden nor excluded."""
        return not inner.name.startswith(".") and not _matches(inner, self.exclude)

    def finds(self, inner: PurePath, mark: str) -> bool:
        """Whether a walk through the folder takes a picture that has this path below it."""
        above = inner.parents[:-1]
        return self.takes(inner, mark) and (self.recursive or not above) and all(map(self.passes, (inner, *above)))

    def takes(self, inner: PurePath, mark: str) -> bool:
        """Whether a file of this name that is looked at is a picture to take: no output, whose name bears ``mark``, and no
        confidence of one (`confidence_name`)."""
        output = re.search(rf"\.{re.escape(mark)}(-[0-9]+)*(?i:\.ome)?$", inner.stem) is not None
        trusted = inner.name.endswith(TRUSTED) and files.names_picture(PurePath(inner.name.removesuffix(TRUSTED)))
        known = files.names_picture(inner) or files.is_clip(inner)
        return known and not output and not trusted and (not self.include or _matches(inner, self.include))


@dataclass(frozen=True)
class Plan:
    """Which file is written where: ``pairs`` of an input and its output; ``failed`` are the inputs that cannot be read, and why.

    ``folder`` is the folder of all answers, where the manifest lies; None where the answers lie beside their pictures, or where
    there is one file of a given name. ``named``: the answers were named here, after their pictures; those of RAW files whose mosaic
    is not known get another ending, for they are developed.
    """

    pairs: tuple[tuple[Path, Path], ...]
    failed: tuple[tuple[Path, str], ...] = ()
    folder: Path | None = None
    named: bool = True

    @cached_property
    def _names(self) -> dict[str, Path]:
        return {identity(path): source for source, target in self.pairs for path in (source, target)}

    def whose(self, path: Path) -> Path | None:
        """The input that has this path, or whose output has it; None where nobody has."""
        return self._names.get(identity(path))

    def varied(self, name: str) -> Plan:
        """The same for a variant of each output: ``photo.clean-NAME.jpg`` for ``photo.clean.jpg``; without a name as it is."""
        if not name:
            return self
        return replace(self, pairs=tuple((source, varied(target, name)) for source, target in self.pairs))


def varied(path: AnyPath, name: str) -> AnyPath:
    """The path of a variant of an output: ``photo-NAME.jpg`` for ``photo.jpg``; without a name as it is."""
    return _extended(path, f"-{name}") if name else path


def confidence_name(path: AnyPath) -> AnyPath:
    """The path of the confidence of an output in a folder of confidences: ``photo.jpg.confidence.png`` for ``photo.jpg``."""
    # With its ending: a.png and a.jpg are two pictures.
    return path.with_name(f"{path.name}{TRUSTED}")


def _extended(path: AnyPath, more: str) -> AnyPath:
    """The path with more before its ending."""
    # `.ome.tif` and `.ome.zarr` are two endings that say one thing.
    ome = path.stem[-4:] if path.stem.lower().endswith(".ome") else ""
    return path.with_name(f"{path.stem.removesuffix(ome)}{more}{ome}{path.suffix}")


def clean_name(path: Path, mark: str = "clean", *, alpha: bool = False, channels: int | None = None, mosaic: bool = False) -> Path:
    """The default path of the output: ``photo.clean.jpg`` beside ``photo.jpg``, ``photo.clean.tif`` beside ``photo.nef``; with
    another ``mark`` that one. An output with ``alpha`` gets another ending where the picture's format has none, one of other
    ``channels`` where the picture's ending stands for its own. ``mosaic``: ``photo.clean.dng`` beside ``photo.nef``."""
    return files.writable_name(_extended(path, f".{mark}"), alpha=alpha, channels=channels, mosaic=mosaic)


def plan(
    inputs: Iterable[Path],
    out: Path | None,
    selection: Selection = Selection(),
    *,
    ending: str | None = None,
    mark: str = "clean",
    folder: bool = False,
    alpha: bool = False,
    channels: int | None = None,
    clip_ending: str | None = None,
    mosaic: bool = False,
    variants: Iterable[str] = ("",),
    kept: Iterable[Path] = (),
) -> Plan:
    """Which file is written where. A folder stands for the images in it, as the ``selection`` says; its tree is kept.

    ``out`` names a file where it has a format's ending, and a folder where it has none (``v1.2`` has none), where it is one
    already, or where ``folder`` says so (the name was written with a slash at its end). Several pictures need a folder. Folders
    that are missing are made. Without ``out`` each answer lies beside its picture. ``ending`` (such as ``.png``) is given to the
    answers instead of their pictures' own; without it those of formats that are only read get another (``.nef`` gives ``.tif``),
    those of formats without ``alpha`` where the answers have that (``.jpg`` gives ``.png``), those that stand for other
    ``channels`` where all answers have these (``.pgm`` gives ``.ppm``), and with ``mosaic`` those of RAW files (``.nef`` gives
    ``.dng``). Clips keep theirs, or get ``clip_ending``. ``mark`` is what the names of answers bear that lie beside their
    pictures; ``variants`` are the names of those that each picture gets (`Plan.varied`); ``kept`` are files that no answer may
    replace, such as those that settings name. Hidden files and folders (their names begin with a dot), earlier answers
    (``NAME.clean.EXT``) and what lies in ``out`` are no pictures of a folder. Raises `FileError` for an input that does not exist
    and for a name that no format is written under, or none with alpha where the answers have it; `OptionError` when two answers
    would share a name, and when several pictures would go into one file.
    """
    if out is not None:
        saving.check_name(out)
    given: list[tuple[Path, Path]] = []
    failed: list[tuple[Path, str]] = []
    several = False
    for path in inputs:
        if files.is_folder_of_pictures(path):
            several = True
            before = len(given) + len(failed)
            for found, error in listed(path, selection, out, mark):
                if error is None:
                    given.append((found, found.relative_to(path)))
                else:
                    failed.append((found, error))
            if len(given) + len(failed) == before:
                narrowed = selection.include or selection.exclude
                raise FileError(f"{path}: this folder holds no pictures{' that --include and --exclude leave' if narrowed else ''}")
        elif saving.exists(path):
            given.append((path, Path(path.name)))
        else:
            raise FileError(f"{path}: there is no such file")
    several = several or len(given) > 1
    place = None
    own: dict[str, Any] = {"alpha": alpha, "channels": channels, "mosaic": mosaic}
    if out is None:
        pairs = [
            (path, _with_ending(clean_name(path, mark, **own), clip_ending if files.is_clip(path) else ending)) for path, _ in given
        ]
    elif _is_folder(out, folder=folder, several=several, clip=len(given) == 1 and files.is_clip(given[0][0])):
        place = out
        pairs = [(path, out / name_in_folder(inner, ending, clip_ending=clip_ending, **own)) for path, inner in given]
    else:
        if ending is not None and out.suffix.lower() != ending and not files.is_clip(given[0][0]):
            raise OptionError(f"--out {out}: its ending names another format than --format; leave one of them out")
        pairs = [(given[0][0], out)]
    if (alpha or channels) and (ending is not None or (out is not None and place is None)):
        # An ending that was asked for; others are such that all is kept. Clips are asked about their frames.
        written = next((target for source, target in pairs if not files.is_clip(source)), None)
        if written is not None or not pairs:
            files.check_written(written or Path(f"output{ending}"), alpha=alpha, channels=channels)
    _check_targets(pairs, tuple(variants), kept)
    return Plan(tuple(pairs), tuple(failed), place, named=out is None or place is not None)


def _check_targets(pairs: Sequence[tuple[Path, Path]], variants: Sequence[str], kept: Iterable[Path]) -> None:
    """Raises `OptionError` where a variant of an answer would replace an input, another answer or a file that is ``kept``, or would
    lie inside an input."""
    taken: dict[str, Path] = {}
    sources = {identity(source): source for source, _ in pairs}
    named = {identity(path): path for path in kept}
    folders = {place: source for place, source in sources.items() if files.is_folder_picture(source)}
    above = {str(folder) for place in sources for folder in Path(place).parents}
    elsewhere = "name another place with --out"
    for source, target in ((source, varied(target, name)) for source, target in pairs for name in variants):
        real = identity(target)
        replaced = sources.get(real)
        if replaced is not None:
            whose = "its own input" if replaced == source else str(replaced)
            raise OptionError(f"{target}: the output would replace {whose}; {elsewhere}")
        if real in named:
            raise OptionError(f"{target}: the output would replace {named[real]}, which a setting names; {elsewhere}")
        inside = next((folders[str(folder)] for folder in Path(real).parents if str(folder) in folders), None)
        if inside is not None:
            raise OptionError(f"{target}: the output would lie inside the picture {inside}; {elsewhere}")
        if real in above:
            raise OptionError(f"{target}: the output would replace the folder of its input; {elsewhere}")
        if real in taken:
            raise OptionError(
                f"{source} and {taken[real]} would both be written to {target}; name them, or their folders, in separate runs"
            )
        taken[real] = source


def check_apart(out: Path, inputs: Iterable[Path]) -> None:
    """Raises `OptionError` where a file that is to be written is one of the inputs, or a picture or clip in a folder of them."""
    real = identity(out)
    picture = saving.exists(out) and (files.names_picture(out) or files.is_clip(out))
    for place in map(identity, inputs):
        if real == place or (picture and Path(place) == Path(real).parent):
            raise OptionError(f"{out}: this is one of the inputs; name another file")


def name_in_folder(
    inner: AnyPath,
    ending: str | None,
    *,
    alpha: bool = False,
    channels: int | None = None,
    mosaic: bool = False,
    clip_ending: str | None = None,
) -> AnyPath:
    """The path of an output below the folder of outputs, from its input's path below the folder of inputs: see `plan`."""
    named = _with_ending(inner, clip_ending if files.is_clip(inner) else ending)
    return named if ending is not None else files.writable_name(named, alpha=alpha, channels=channels, mosaic=mosaic)


def _is_folder(out: Path, *, folder: bool, several: bool, clip: bool) -> bool:
    """Whether the name is a folder's: see `plan`. ``clip``: there is one input, a clip. Raises `OptionError` and `FileError`."""
    above = next((each for each in out.parents if os.path.lexists(each)), None)
    if above is not None and not above.is_dir():
        raise OptionError(
            f"--out {out}: {above} is {'a file, not a folder' if saving.exists(above) else 'a link that leads nowhere'}"
        )
    if files.is_folder_of_pictures(out):
        return True
    # A picture that is a folder may be written with a slash, too.
    folder = folder and not files.names_picture(out, folder=True)
    if saving.exists(out) and (folder or several):
        why = "several pictures need a folder" if several else "its name ends in /"
        raise OptionError(f"--out {out}: {why}, but this is {'one picture' if out.is_dir() else 'a file'}")
    if folder:
        return True
    if several and (files.names_picture(out) or files.is_clip(out)):
        raise OptionError(
            f"--out {out}: several pictures need a folder, but this names one picture; end the name in / for a folder"
        )
    if several or not (has_ending(out) or saving.exists(out)):
        return True
    if clip:
        encoders.container_of(out)
    elif not files.is_clip(out):
        files.check_written(out)
    return False


def has_ending(out: Path) -> bool:
    """Whether a name has an ending: what follows the dot of a number or a date, as in ``v1.2``, is none, unless a format has it."""
    return bool(out.suffix) and (not out.suffix[1:2].isdigit() or files.names_picture(out) or files.is_clip(out))


def listed(
    root: Path, selection: Selection, out: Path | None, mark: str, *, ordered: bool = True
) -> Iterator[tuple[Path, str | None]]:
    """The pictures of a folder in the order of their paths, and what cannot be looked at with the reason; not those in ``out``, and
    no outputs, whose names bear ``mark``. Not ``ordered``, they come as the system gives them, and memory never holds all names."""
    left_out = out.resolve() if out is not None and out.resolve() != root.resolve() else None

    def below(folder: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, str | None]]:
        try:
            entries = sorted(folder.iterdir()) if ordered else _each(folder)
        except OSError as error:
            yield folder, f"{folder}: {regular.unread(error)}"
            return
        for entry in entries:
            inner = entry.relative_to(root)
            if not selection.passes(inner):
                continue
            if files.is_folder_of_pictures(entry):
                place = entry.resolve()
                if not selection.recursive or place == left_out:
                    continue
                if place in above:
                    yield entry, f"{entry}: this link leads back to a folder above it"
                    continue
                yield from below(entry, (*above, place))
            elif selection.takes(inner, mark) and (entry.is_file() or entry.is_symlink() or files.is_folder_picture(entry)):
                # A link to nowhere, or round in a circle, is found by reading it.
                yield entry, None

    yield from below(root, (root.resolve(),))


def walks(root: Path, place: Path, selection: Selection, out: Path | None) -> bool:
    """Whether the walk through a folder (`listed`) comes to the folder ``place``, so that what lies there is taken, too."""
    top, real = root.resolve(), place.resolve()
    if not real.is_relative_to(top):
        return False
    inner = real.relative_to(top)
    left_out = None if out is None else out.resolve()
    folders = (inner, *inner.parents)[:-1]
    return (selection.recursive or not folders) and all(selection.passes(each) and top / each != left_out for each in folders)


def _each(folder: Path) -> Iterator[Path]:
    """The entries of a folder; `OSError` at once where it cannot be read."""
    entries = os.scandir(folder)

    def paths() -> Iterator[Path]:
        with entries:
            for entry in entries:
                yield folder / entry.name

    return paths()


def _matches(inner: PurePath, patterns: Sequence[str]) -> bool:
    name, whole = inner.name.casefold(), inner.as_posix().casefold()
    return any(fnmatch.fnmatchcase(whole if "/" in pattern else name, pattern.casefold()) for pattern in patterns)


def _with_ending(path: AnyPath, ending: str | None) -> AnyPath:
    return path if ending is None else path.with_suffix(ending)
