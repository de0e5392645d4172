"""Files in, files out: one picture, several, or a folder's, with a bad one reported and the rest done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from pellucid import files
from pellucid.errors import FileError, OptionError, PellucidError
from pellucid.images import Range
from pellucid.restorer import Restoration, Restorer

__all__ = ["Outcome", "clean_name", "plan", "restore_files"]


@dataclass(frozen=True)
class Outcome:
    """What became of one file. ``error`` is None where ``output`` was written.

    ``sigma`` is the noise level that was used, in 8-bit levels (None for a model that is told none), ``estimated`` whether it was
    measured rather than given, ``model`` the file that served, ``seconds`` the restoration's time without reading and writing. Of a
    stack of ``pages`` they are the first page's, and the seconds all pages'.
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
    pages: int = 1


def clean_name(path: Path) -> Path:
    """Where the answer goes by default: ``photo.jpg`` gives ``photo.clean.jpg`` beside it, ``photo.nef`` ``photo.clean.tif``."""
    return files.writable_name(path.with_name(f"{path.stem}.clean{path.suffix}"))


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
        pairs = [(path, files.writable_name(out / path.name)) for path in listed]
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
    value_range: Range = "auto",
    axes: str | None = None,
    strip: bool = False,
) -> Iterator[Outcome]:
    """Restores each file of `plan`, yielding its outcome as it is done; a failure is an outcome, not an end.

    ``value_range`` and ``axes`` as of `pellucid.files.open_pages`, ``strip`` as of `pellucid.files.write_pages`.
    """
    for source, target in pairs:
        try:
            if target.exists() and not overwrite:
                # Before the work, not after it.
                raise FileError(f"{target} exists; --force overwrites it")
            with files.open_pages(source, value_range=value_range, axes=axes) as document:
                outcome, pages = _restored_pages(source, target, document, restorer, sigma, strength)
                target.parent.mkdir(parents=True, exist_ok=True)
                files.write_pages(target, pages, document, overwrite=overwrite, strip=strip)
        except PellucidError as error:
            yield Outcome(source, target, error=str(error))
        except OSError as error:
            yield Outcome(source, target, error=f"{target}: {error.strerror or error}")
        else:
            yield outcome()


def _restored_pages(
    source: Path, target: Path, document: files.Document, restorer: Restorer, sigma: float | None, strength: float
) -> tuple[Callable[[], Outcome], Iterator[files.Page]]:
    """What says how it went once all pages are taken, and the document's pages, restored one by one as they are."""
    done: list[Restoration] = []

    def restored(page: files.Page) -> files.Page:
        results = [restorer.restore_with_details(picture, sigma=sigma, strength=strength) for picture in page.pictures]
        done.extend(replace(result, image=result.image.pixels.shape) for result in results)
        return replace(page, pictures=tuple(result.image for result in results))

    def outcome() -> Outcome:
        height, width = done[0].image[:2]
        return Outcome(
            source,
            target,
            model=done[0].model,
            sigma=done[0].sigma,
            estimated=done[0].estimated,
            width=width,
            height=height,
            seconds=sum(result.seconds for result in done),
            pages=document.count,
        )

    pages = map(restored, document.pages)
    # The first before its file is begun: what cannot be read leaves no folder behind.
    first = next(pages, None)
    if first is None:
        raise FileError(f"{source}: no picture in it")
    return outcome, chain([first], pages)
