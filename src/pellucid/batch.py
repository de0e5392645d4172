"""Files in, files out: one picture, several, or a folder's, with a bad one reported and the rest done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pellucid import files
from pellucid.errors import FileError, OptionError, PellucidError
from pellucid.restorer import Restorer

__all__ = ["Outcome", "clean_name", "plan", "restore_files"]


@dataclass(frozen=True)
class Outcome:
    """What became of one file. ``error`` is None where ``output`` was written.

    ``sigma`` is the noise level that was used, in 8-bit levels (None for a model that is told none), ``estimated`` whether it was
    measured rather than given, ``model`` the file that served, ``seconds`` the restoration's time without reading and writing.
    """

    input: Path
    output: Path
    error: str | None = None
    model: str | None = None
    sigma: float | None = None
    estimated: bool = False
    width: int = 0
    height: int = 0
    seconds: float = 0.0


def clean_name(path: Path) -> Path:
    """Where the answer goes by default: ``photo.jpg`` gives ``photo.clean.jpg`` beside it."""
    return path.with_name(f"{path.stem}.clean{path.suffix}")


def plan(inputs: Iterable[Path], out: Path | None) -> list[tuple[Path, Path]]:
    """Which file is written where. A folder stands for the images in it.

    ``out`` names the file for a single picture, or a folder (made when missing) for several; without it each answer lies beside its
    picture. Raises `FileError` for an input that does not exist, `OptionError` when two answers would share a name.
    """
    listed: list[Path] = []
    several = False
    for path in inputs:
        if path.is_dir():
            several = True
            found = [entry for entry in files.list_images(path) if not entry.stem.endswith(".clean")]
            if not found:
                raise FileError(f"{path}: no image in this folder")
            listed.extend(found)
        elif path.exists():
            listed.append(path)
        else:
            raise FileError(f"{path}: no such file")
    several = several or len(listed) > 1
    if out is None:
        pairs = [(path, clean_name(path)) for path in listed]
    elif several or out.is_dir():
        if out.exists() and not out.is_dir():
            raise OptionError(f"--out {out}: several pictures need a folder, and this is a file")
        pairs = [(path, out / path.name) for path in listed]
    else:
        pairs = [(listed[0], out)]
    taken: dict[Path, Path] = {}
    for source, target in pairs:
        if target.resolve() == source.resolve():
            raise OptionError(f"{target}: the answer would replace its own picture; name another place with --out")
        if target in taken:
            raise OptionError(f"{source} and {taken[target]} would both be written to {target}")
        taken[target] = source
    return pairs


def restore_files(
    pairs: Iterable[tuple[Path, Path]],
    restorer: Restorer,
    *,
    sigma: float | None = None,
    strength: float = 1.0,
    overwrite: bool = False,
) -> Iterator[Outcome]:
    """Restores each file of `plan`, yielding its outcome as it is done; a failure is an outcome, not an end."""
    for source, target in pairs:
        try:
            if target.exists() and not overwrite:
                # Before the work, not after it.
                raise FileError(f"{target} exists; --force overwrites it")
            image = files.read(source)
            result = restorer.restore_with_details(image, sigma=sigma, strength=strength)
            target.parent.mkdir(parents=True, exist_ok=True)
            files.write(target, result.image, overwrite=overwrite)
        except PellucidError as error:
            yield Outcome(source, target, error=str(error))
        except OSError as error:
            yield Outcome(source, target, error=f"{target}: {error.strerror or error}")
        else:
            height, width = image.pixels.shape[:2]
            yield Outcome(
                source,
                target,
                model=result.model,
                sigma=result.sigma,
                estimated=result.estimated,
                width=width,
                height=height,
                seconds=result.seconds,
            )
