"""Files in, files out: one picture, several, or a folder's, with a bad one reported and the rest done.

A run into a folder keeps a manifest there, `MANIFEST`: one JSON line for each answer, with the hashes of the picture and of the
answer, the model's and the settings. The line is written before the answer gets its name: an answer that is there with the hash
that its line says is whole and done, whenever the run was killed; any other is not.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pellucid import __version__, files, images, saving
from pellucid.errors import DiskFull, FileError, OptionError, PellucidError
from pellucid.images import Range, Rows
from pellucid.restorer import Restorer

__all__ = ["MANIFEST", "Outcome", "Plan", "Selection", "Settings", "Tally", "clean_name", "plan", "restore_file", "restore_files"]

MANIFEST = ".pellucid.jsonl"
"""The manifest's name in the folder of the answers."""

AHEAD = 8_000_000
"""Pixels of a picture up to which the next one is read and the last one written while it is restored. A larger one takes so long
itself that little would be won, and three of them at once would need much memory."""


@dataclass(frozen=True)
class Settings:
    """What an answer depends on beside picture and model.

    ``sigma``, ``strength``, ``keep_grain`` and ``scale`` as `Restorer.restore` takes them, ``value_range`` and ``axes`` as
    `files.open_pages`, ``strip`` as `files.write_pages`. ``gain``: the gain is predicted, too; no answer depends on that.
    """

    sigma: float | None = None
    strength: float = 1.0
    keep_grain: float = 0.0
    scale: float | None = None
    value_range: Range = "auto"
    axes: str | None = None
    strip: bool = False
    gain: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Settings:
        """From the values of `pellucid.options.RESTORING` by name; others are passed over.

        Raises `OptionError` for a range that is none.
        """
        return cls(
            sigma=options.get("sigma"),
            strength=options["strength"],
            keep_grain=options.get("keep_grain", 0.0),
            scale=options.get("scale"),
            gain=options.get("gain", False),
            value_range=images.parse_range(options["range"]),
            axes=options["axes"],
            strip=options["strip"],
        )


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


@dataclass(frozen=True)
class Outcome:
    """What became of one file: ``output`` was written, or was there already (``skipped``), or ``error`` says why not.

    ``sigma`` is the noise level that was used, in 8-bit levels (None for a model that is told none), ``estimated`` whether it was
    measured rather than given; then ``saw`` says in a line and ``diagnosis`` as data what was found; ``expected_gain`` in dB where
    it was asked for; ``model`` the file that served, ``seconds`` the restoration's time without reading and writing (with them
    where a large picture goes through in bands). Of a stack of ``pages`` they are the first page's, as are ``width`` and
    ``height``; the seconds are all pages'. ``full`` says that the disk was, which ends the run.
    """

    input: Path
    output: Path
    error: str | None = None
    skipped: bool = False
    model: str | None = None
    sigma: float | None = None
    estimated: bool = False
    saw: str | None = None
    diagnosis: dict[str, Any] | None = None
    expected_gain: float | None = None
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    pages: int = 1
    full: bool = False


@dataclass(frozen=True)
class Plan:
    """Which file is written where: ``pairs`` of a picture and its answer; ``failed`` what cannot even be looked at.

    ``folder`` is the folder of all answers, where the manifest lies; None where the answers lie beside their pictures, or where
    there is one file of a given name.
    """

    pairs: tuple[tuple[Path, Path], ...]
    failed: tuple[Outcome, ...] = ()
    folder: Path | None = None


@dataclass
class Tally:
    """The count of outcomes: how many were done, skipped and failed, the pixels and the reasons."""

    done: int = 0
    skipped: int = 0
    pixels: int = 0
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Counts one."""
        if outcome.error is not None:
            self.failed.append(outcome)
        elif outcome.skipped:
            self.skipped += 1
        else:
            self.done += 1
            self.pixels += outcome.width * outcome.height * outcome.pages


def clean_name(path: Path, mark: str = "clean") -> Path:
    """Where the answer goes by default: ``photo.jpg`` gives ``photo.clean.jpg`` beside it, ``photo.nef`` ``photo.clean.tif``; with
    another ``mark`` that one."""
    # `.ome.tif` and `.ome.zarr` are two endings that say one thing.
    ome = path.stem[-4:] if path.stem.lower().endswith(".ome") else ""
    return files.writable_name(path.with_name(f"{path.stem.removesuffix(ome)}.{mark}{ome}{path.suffix}"))


def plan(
    inputs: Iterable[Path],
    out: Path | None,
    selection: Selection = Selection(),
    *,
    ending: str | None = None,
    mark: str = "clean",
) -> Plan:
    """Which file is written where. A folder stands for the images in it, as the ``selection`` says; its tree is kept.

    ``out`` names the file for a single picture, or a folder (made when missing) for several; without it each answer lies beside its
    picture. ``ending`` (such as ``.png``) is given to the answers instead of their pictures' own; without it those of formats that
    are only read get another (``.nef`` gives ``.tif``). ``mark`` is what the names of answers bear that lie beside their pictures.
    Hidden files and folders (their
    names begin with a dot), earlier answers (``NAME.clean.EXT``) and what lies in ``out`` are no pictures of a folder. Raises
    `FileError` for an input that does not exist, `OptionError` when two answers would share a name.
    """
    listed: list[tuple[Path, Path]] = []
    failed: list[Outcome] = []
    several = False
    for path in inputs:
        if files.is_folder_of_pictures(path):
            several = True
            before = len(listed) + len(failed)
            for found, error in _walk(path, selection, out, mark):
                if error is None:
                    listed.append((found, found.relative_to(path)))
                else:
                    failed.append(Outcome(found, found, error=error))
            if len(listed) + len(failed) == before:
                narrowed = selection.include or selection.exclude
                raise FileError(f"{path}: no image in this folder{' that --include and --exclude leave' if narrowed else ''}")
        elif _exists(path):
            listed.append((path, Path(path.name)))
        else:
            raise FileError(f"{path}: no such file")
    several = several or len(listed) > 1
    folder = None
    if out is None:
        pairs = [(path, _with_ending(clean_name(path, mark), ending)) for path, _ in listed]
    elif several or files.is_folder_of_pictures(out):
        if out.exists() and not files.is_folder_of_pictures(out):
            raise OptionError(
                f"--out {out}: several pictures need a folder, and this is {'one picture' if out.is_dir() else 'a file'}"
            )
        folder = out
        pairs = [(path, out / files.writable_name(_with_ending(inner, ending))) for path, inner in listed]
    else:
        if ending is not None and out.suffix.lower() != ending:
            raise OptionError(f"--out {out}: the name says another format than --format; leave one of them out")
        pairs = [(listed[0][0], out)]
    taken: dict[Path, Path] = {}
    # Not `Path.resolve`, which fails on a link that leads round in a circle.
    sources = {os.path.realpath(source): source for source, _ in pairs}
    folders = {place: source for place, source in sources.items() if files.is_folder_picture(source)}
    above = {str(folder) for place in sources for folder in Path(place).parents}
    for source, target in pairs:
        real = os.path.realpath(target)
        replaced = sources.get(real)
        if replaced is not None:
            whose = "its own picture" if replaced == source else str(replaced)
            raise OptionError(f"{target}: the answer would replace {whose}; name another place with --out")
        inside = next((folders[str(folder)] for folder in Path(real).parents if str(folder) in folders), None)
        if inside is not None:
            raise OptionError(f"{target}: the answer would lie inside the picture {inside}; name another place with --out")
        if real in above:
            raise OptionError(f"{target}: the answer would replace the folder of its picture; name another place with --out")
        if target in taken:
            raise OptionError(f"{source} and {taken[target]} would both be written to {target}")
        taken[target] = source
    return Plan(tuple(pairs), tuple(failed), folder)


def restore_files(
    planned: Plan,
    restorer: Restorer,
    settings: Settings = Settings(),
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> Generator[Outcome, None, None]:
    """Restores each file of `plan`, yielding its outcome when it is done; a failure is an outcome, not an end.

    While one picture is restored the next is read and the last written; the answers are those of one after the other. With
    ``resume`` (which needs the plan's ``folder``; else `OptionError`) a picture whose answer is there, from the same content,
    settings and model, and unchanged since, is skipped. A stack is restored and written page by page, a large picture of some
    formats in bands, with nothing else at work. A full disk ends the run: what is left would be restored for nothing. An interrupt
    ends the run: what is being written is finished (a stack's file is given up), its outcome is yielded, and `KeyboardInterrupt`
    goes on.
    """
    if resume and planned.folder is None:
        raise OptionError("--resume needs a folder for the answers; name it with --out")
    yield from planned.failed
    journal = _Journal(planned.folder, restorer, settings) if planned.folder is not None else None
    read = partial(_read, settings=settings, journal=journal, overwrite=overwrite, resume=resume)
    write = partial(_write, settings=settings, journal=journal, overwrite=overwrite)
    passed = partial(_restore_open, restorer=restorer, settings=settings, journal=journal, overwrite=overwrite)
    swept: set[Path] = set()
    # In the order of the plan: what is being written, and what has failed or was skipped since.
    pending: deque[Future[Outcome] | Outcome] = deque()
    full = False
    loaded: _Loaded | _Open | Outcome | None = None

    def settled(most: int) -> Iterator[Outcome]:
        nonlocal full
        while len(pending) > most:
            first = pending[0]
            outcome = first if isinstance(first, Outcome) else first.result()
            # Not before: an interrupt while waiting must not lose it.
            pending.popleft()
            full = full or outcome.full
            yield outcome

    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        try:
            reading: Future[_Loaded | _Open | Outcome] | None = None
            for index, (source, target) in enumerate(planned.pairs):
                if target.parent not in swept:
                    swept.add(target.parent)
                    _sweep(target.parent)
                loaded = reading.result() if reading is not None else read(source, target)
                reading = None
                alone = isinstance(loaded, _Open) or (isinstance(loaded, _Loaded) and _pixels(loaded.page) > AHEAD)
                if alone:
                    yield from settled(0)
                    if full:
                        break
                elif index + 1 < len(planned.pairs):
                    reading = reader.submit(read, *planned.pairs[index + 1])
                result: _Restored | Outcome
                if isinstance(loaded, _Loaded):
                    result = _restore(loaded, restorer, settings)
                else:
                    result = passed(loaded) if isinstance(loaded, _Open) else loaded
                loaded = None
                pending.append(result if isinstance(result, Outcome) else writer.submit(write, result))
                del result
                yield from settled(0 if alone else 1)
                if full:
                    break
            yield from settled(0)
        except KeyboardInterrupt:
            yield from settled(0)
            raise
        finally:
            # What was opened ahead and not come to.
            if isinstance(loaded, _Open):
                loaded.close()
            if reading is not None and isinstance(ahead := reading.result(), _Open):
                ahead.close()


def restore_file(
    source: Path,
    target: Path,
    restorer: Restorer,
    settings: Settings = Settings(),
    *,
    sparing: bool = True,
    watch: Callable[[files.Page, files.Page], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """Restores one file as `restore_files` does, and says how far it is.

    ``sparing`` as of `files.open_pages`. ``watch`` is shown each page as it was and restored (sparing, it may not take what `Rows`
    the answer has), ``progress`` told the share that is done, 0 to 1. Raises `PellucidError` and `OSError`; what ``watch`` and
    ``progress`` raise ends it, too.
    """
    how = files.open_pages(source, value_range=settings.value_range, axes=settings.axes, sparing=sparing)
    with how as document:
        return _passed(document, source, target, restorer, settings, overwrite=False, watch=watch, progress=progress)


# -- one file ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Loaded:
    """A file of one page, read."""

    source: Path
    target: Path
    digest: str
    document: files.Document
    page: files.Page


@dataclass(frozen=True)
class _Open:
    """A file that is read while it is restored: one of several pages, or a picture that comes row by row."""

    source: Path
    target: Path
    digest: str
    document: files.Document
    close: Callable[[], None]


@dataclass(frozen=True)
class _Restored:
    """A file of one page, restored, and what will be told of it once it is written."""

    outcome: Outcome
    digest: str
    document: files.Document
    page: files.Page


def _read(
    source: Path, target: Path, *, settings: Settings, journal: _Journal | None, overwrite: bool, resume: bool
) -> _Loaded | _Open | Outcome:
    opened = ExitStack()
    try:
        digest = _digest(source) if journal is not None else ""
        if resume and journal is not None and journal.has(target, digest):
            return Outcome(source, target, skipped=True)
        if _exists(target) and not overwrite:
            # Before the work, not after it.
            other = ", but not from this picture with these settings" if resume else ""
            raise FileError(f"{target} exists{other}; --force overwrites it")
        how = files.open_pages(source, value_range=settings.value_range, axes=settings.axes, sparing=True)
        document = opened.enter_context(how)
        if document.count > 1:
            return _Open(source, target, digest, document, opened.pop_all().close)
        page = _first(source, iter(document.pages))
        if any(isinstance(picture.pixels, Rows) for picture in page.pictures):
            return _Open(source, target, digest, replace(document, pages=[page]), opened.pop_all().close)
        return _Loaded(source, target, digest, replace(document, pages=()), page)
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(source, target, error, source)
    finally:
        opened.close()


def _restore(loaded: _Loaded, restorer: Restorer, settings: Settings) -> _Restored | Outcome:
    try:
        page, outcome = _restore_page(loaded.page, Outcome(loaded.source, loaded.target), restorer, settings)
        return _Restored(outcome, loaded.digest, _sized(loaded.document, page), page)
    except (PellucidError, MemoryError) as error:
        return _failed(loaded.source, loaded.target, error, loaded.source)


def _write(done: _Restored, *, settings: Settings, journal: _Journal | None, overwrite: bool) -> Outcome:
    source, target = done.outcome.input, done.outcome.output
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        note = partial(journal.note, source, target, done.digest) if journal is not None else None
        files.write_pages(target, [done.page], done.document, overwrite=overwrite, strip=settings.strip, before=note)
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(source, target, error, target)
    return done.outcome


def _restore_open(opened: _Open, *, restorer: Restorer, settings: Settings, journal: _Journal | None, overwrite: bool) -> Outcome:
    note = partial(journal.note, opened.source, opened.target, opened.digest) if journal is not None else None
    try:
        return _passed(opened.document, opened.source, opened.target, restorer, settings, overwrite=overwrite, before=note)
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(opened.source, opened.target, error, opened.target)
    finally:
        opened.close()


def _passed(
    document: files.Document,
    source: Path,
    target: Path,
    restorer: Restorer,
    settings: Settings,
    *,
    overwrite: bool,
    before: Callable[[Path], None] | None = None,
    watch: Callable[[files.Page, files.Page], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """Reads, restores and writes one page, or one band of it, after the other: memory holds no more, and the file is whole or not
    there."""
    outcome = Outcome(source, target, pages=document.count)
    coming: list[Rows] = []

    def restored() -> Iterator[files.Page]:
        nonlocal outcome
        for number, page in enumerate(document.pages):

            def tell(share: float, number: int = number) -> None:
                if progress is not None:
                    progress((number + share) / document.count)

            tell(0)
            answer, outcome = _restore_page(page, outcome, restorer, settings, tell)
            coming.extend(picture.pixels for picture in answer.pictures if isinstance(picture.pixels, Rows))
            if watch is not None:
                watch(page, answer)
            yield answer

    pages = restored()
    # The first before its file is begun: what cannot be read leaves no folder behind.
    first = _first(source, pages)
    target.parent.mkdir(parents=True, exist_ok=True)
    document = _sized(document, first)
    files.write_pages(target, chain([first], pages), document, overwrite=overwrite, strip=settings.strip, before=before)
    return replace(outcome, seconds=outcome.seconds + sum(rows.seconds for rows in coming))


def _restore_page(
    page: files.Page,
    outcome: Outcome,
    restorer: Restorer,
    settings: Settings,
    progress: Callable[[float], None] | None = None,
) -> tuple[files.Page, Outcome]:
    """The page restored, and the outcome with what is to be told of it: of a file's first picture, and the time of all."""
    pictures = []
    for number, picture in enumerate(page.pictures):

        def tell(done: int, of: int, number: int = number) -> None:
            if progress is not None:
                progress((number + done / of) / len(page.pictures))

        result = restorer.restore_with_details(
            picture,
            sigma=settings.sigma,
            strength=settings.strength,
            keep_grain=settings.keep_grain,
            scale=settings.scale,
            progress=tell,
        )
        if outcome.model is None:
            height, width = result.image.pixels.shape[:2]
            gain = None
            if settings.gain:
                gain = restorer.expected_gain(picture, sigma=settings.sigma, found=result.diagnosis)
            outcome = replace(
                outcome,
                model=result.model,
                sigma=result.sigma,
                estimated=result.estimated,
                width=width,
                height=height,
                saw=str(result.diagnosis) if result.diagnosis is not None else None,
                diagnosis=result.diagnosis.to_dict() if result.diagnosis is not None else None,
                expected_gain=gain,
            )
        outcome = replace(outcome, seconds=outcome.seconds + result.seconds)
        pictures.append(result.image)
    return replace(page, pictures=tuple(pictures)), outcome


def _sized(document: files.Document, page: files.Page) -> files.Document:
    """The document for pages of that one's size."""
    height, width = page.pictures[0].pixels.shape[:2]
    return files.with_size(document, height, width)


def _first(source: Path, pages: Iterator[files.Page]) -> files.Page:
    page = next(pages, None)
    if page is None:
        raise FileError(f"{source}: no picture in it")
    return page


def _pixels(page: files.Page) -> int:
    return sum(picture.pixels.size // picture.pixels.shape[2] for picture in page.pictures)


def _failed(source: Path, target: Path, error: Exception, at: Path) -> Outcome:
    if isinstance(error, PellucidError):
        # Only errors of files name them.
        said = str(error) if isinstance(error, FileError) else f"{source}: {error}"
    elif isinstance(error, MemoryError):
        said = f"{at}: not enough memory"
    else:
        said = f"{at}: {getattr(error, 'strerror', None) or error}"
    full = isinstance(error, DiskFull) or (isinstance(error, OSError) and saving.is_full(error))
    return Outcome(source, target, error=said, full=full)


# -- folders ----------------------------------------------------------------------------------------------------------


def _walk(root: Path, selection: Selection, out: Path | None, mark: str) -> Iterator[tuple[Path, str | None]]:
    """The pictures of a folder in the order of their paths, and what cannot be looked at with the reason."""
    left_out = out.resolve() if out is not None and out.resolve() != root.resolve() else None

    def below(folder: Path, above: tuple[Path, ...]) -> Iterator[tuple[Path, str | None]]:
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            yield folder, f"{folder}: cannot be read: {error.strerror}"
            return
        for entry in entries:
            if entry.name.startswith(".") or _matches(entry, root, selection.exclude):
                continue
            if files.is_folder_of_pictures(entry):
                place = entry.resolve()
                if not selection.recursive or place == left_out:
                    continue
                if place in above:
                    yield entry, f"{entry}: this link leads back to a folder above it"
                    continue
                yield from below(entry, (*above, place))
            elif _is_picture(entry, mark) and (not selection.include or _matches(entry, root, selection.include)):
                # A link to nowhere, or round in a circle, is found by reading it.
                yield entry, None

    yield from below(root, (root.resolve(),))


def _is_picture(path: Path, mark: str) -> bool:
    known = {ending for kind in files.FORMATS for ending in kind.endings}
    answer = path.stem.endswith((f".{mark}", f".{mark}.ome"))
    return path.suffix.lower() in known and not answer and (path.is_file() or path.is_symlink() or files.is_folder_picture(path))


def _matches(path: Path, root: Path, patterns: Sequence[str]) -> bool:
    name, inner = path.name.casefold(), path.relative_to(root).as_posix().casefold()
    return any(fnmatch.fnmatchcase(inner if "/" in pattern else name, pattern.casefold()) for pattern in patterns)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        # A name that is too long, for one.
        raise FileError(f"{path}: {error.strerror}") from error


def _with_ending(path: Path, ending: str | None) -> Path:
    return path if ending is None else path.with_suffix(ending)


def _sweep(folder: Path) -> None:
    with suppress(OSError):  # a folder that cannot be read: writing to it will say so
        saving.sweep(folder)


# -- the manifest -----------------------------------------------------------------------------------------------------


class _Journal:
    """The manifest of a folder: what is done there, by content and settings."""

    def __init__(self, folder: Path, restorer: Restorer, settings: Settings) -> None:
        self.folder = folder
        self.path = folder / MANIFEST
        # What is only told changes no answer.
        how = {"settings": asdict(replace(settings, gain=False)), "model": restorer.fingerprint(), "pellucid": __version__}
        # As it comes back from a file, where a pair is a list.
        self.how: dict[str, object] = json.loads(json.dumps(how))
        self._lines: dict[str, dict[str, object]] = {}
        if not self.path.exists():
            return
        try:
            text = self.path.read_text("utf-8", errors="replace")
        except OSError as error:
            raise FileError(f"{self.path}: cannot be read: {error.strerror}") from error
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                self._lines[str(entry["output"])] = entry
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a killed run; its answer will be made again

    def has(self, target: Path, digest: str) -> bool:
        """Whether the answer is there, from that content in this way, as it was written."""
        entry = self._lines.get(self._name(target))
        if entry is None or entry.get("input_sha256") != digest or not (target.is_file() or files.is_folder_picture(target)):
            return False
        return all(entry.get(key) == value for key, value in self.how.items()) and entry.get("output_sha256") == _digest(target)

    def note(self, source: Path, target: Path, digest: str, finished: Path) -> None:
        """Writes the line of an answer that is about to get its name."""
        entry = {
            "output": self._name(target),
            "output_sha256": _digest(finished),
            "input": str(source),
            "input_sha256": digest,
            **self.how,
        }
        # ASCII: a name need not be valid text.
        saving.append_line(self.path, json.dumps(entry))

    def _name(self, target: Path) -> str:
        return os.path.relpath(target, self.folder).replace(os.sep, "/")


def _digest(path: Path) -> str:
    """The hash of a file's content; of a folder's names and contents."""
    try:
        if path.is_dir():
            whole = hashlib.sha256()
            for file in saving.files_below(path):
                whole.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0" + _digest(file).encode())
            return whole.hexdigest()
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
