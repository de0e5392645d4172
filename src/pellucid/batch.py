"""Files in, files out: one picture, several, or a folder's, with a bad one reported and the rest done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from pellucid import files, images, saving
from pellucid.errors import DiskFull, FileError, OptionError, PellucidError
from pellucid.images import Range, Rows
from pellucid.manifest import Manifest, digest_of
from pellucid.plan import Plan, exists
from pellucid.restorer import Restorer

__all__ = ["Outcome", "Settings", "Tally", "restore_file", "restore_files"]

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


def restore_files(
    planned: Plan,
    restorer: Restorer,
    settings: Settings = Settings(),
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> Generator[Outcome, None, None]:
    """Restores each file of a plan, yielding its outcome when it is done; a failure is an outcome, not an end.

    While one picture is restored the next is read and the last written; the answers are those of one after the other. With
    ``resume`` (which needs the plan's ``folder``; else `OptionError`) a picture whose answer is there, from the same content,
    settings and model, and unchanged since, is skipped. A stack is restored and written page by page, a large picture of some
    formats in bands, with nothing else at work. A full disk ends the run: what is left would be restored for nothing. An interrupt
    ends the run: what is being written is finished (a stack's file is given up), its outcome is yielded, and `KeyboardInterrupt`
    goes on.
    """
    if resume and planned.folder is None:
        raise OptionError("--resume needs a folder for the answers; name it with --out")
    for path, reason in planned.failed:
        yield Outcome(path, path, error=reason)
    manifest = None
    if planned.folder is not None:
        # Whether the gain is predicted changes no answer.
        manifest = Manifest(planned.folder, asdict(replace(settings, gain=False)), restorer.fingerprint())
    read = partial(_read, settings=settings, manifest=manifest, overwrite=overwrite, resume=resume)
    write = partial(_write, settings=settings, manifest=manifest, overwrite=overwrite)
    passed = partial(_restore_open, restorer=restorer, settings=settings, manifest=manifest, overwrite=overwrite)
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
    source: Path, target: Path, *, settings: Settings, manifest: Manifest | None, overwrite: bool, resume: bool
) -> _Loaded | _Open | Outcome:
    opened = ExitStack()
    try:
        digest = digest_of(source) if manifest is not None else ""
        if resume and manifest is not None and manifest.has(target, digest):
            return Outcome(source, target, skipped=True)
        if exists(target) and not overwrite:
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


def _write(done: _Restored, *, settings: Settings, manifest: Manifest | None, overwrite: bool) -> Outcome:
    source, target = done.outcome.input, done.outcome.output
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        note = partial(manifest.note, source, target, done.digest) if manifest is not None else None
        files.write_pages(target, [done.page], done.document, overwrite=overwrite, strip=settings.strip, before=note)
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(source, target, error, target)
    return done.outcome


def _restore_open(opened: _Open, *, restorer: Restorer, settings: Settings, manifest: Manifest | None, overwrite: bool) -> Outcome:
    note = partial(manifest.note, opened.source, opened.target, opened.digest) if manifest is not None else None
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


def _sweep(folder: Path) -> None:
    with suppress(OSError):  # a folder that cannot be read: writing to it will say so
        saving.sweep(folder)
