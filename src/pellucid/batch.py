"""Files in, files out: one picture, several, or a folder's, with a bad one reported and the rest done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pellucid import files, footage, images, memory, saving
from pellucid.chains import Chain
from pellucid.errors import DiskFull, EngineError, FileError, ImageError, OptionError, PellucidError, SizeError
from pellucid.files import base, photographs
from pellucid.images import Rows
from pellucid.manifest import Manifest, digest_of
from pellucid.plan import Plan
from pellucid.restorer import Restoration, Restorer
from pellucid.steps import Steps
from pellucid.tasks import Task
from pellucid.tasks.settings import ClipSettings, FileSettings, Settings, Shape
from pellucid.working import CLIP, PLAIN, Progress, Restore, Work, made_by, reading, serving, takes_mosaics, without_values

__all__ = [
    "Outcome",
    "Tally",
    "document_of",
    "restore_file",
    "restore_files",
    "restore_pages",
    "restore_variants",
]

AHEAD = 8_000_000
"""Pixels of a picture up to which the next one is read and the last one written while it is restored. A larger one takes so long
itself that little would be won, and three of them at once would need much memory."""


@dataclass(frozen=True)
class Outcome:
    """The result for one file: ``output`` was written, or was there already (``skipped``), or ``error`` says why not.

    ``facts`` are those of the task's row (`pellucid.tasks.TASKS`) by name; ``model`` is the file that served, ``seconds`` the
    restoration's time without reading and writing (with them where a large picture goes through in bands). In a stack of ``pages``
    they are the first page's, as are ``width`` and ``height`` in pixels; the seconds are all pages'. A clip has one page of
    ``frames``. ``full``: the disk was full,
    which ends the run. ``remarks`` are lines on how the first page was read: which values are black and white where they were
    found, what was no image, and what of the file is not in the output.
    """

    input: Path
    output: Path
    error: str | None = None
    skipped: bool = False
    model: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    pages: int = 1
    frames: int = 1
    full: bool = False
    remarks: tuple[str, ...] = ()

    def to_dict(self, task: Task | Steps) -> dict[str, Any]:
        """Plain data for JSON: the facts of the task's row, or of the steps, stand beside the rest."""
        rest = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "facts"}
        return {name: str(value) if isinstance(value, Path) else value for name, value in rest.items()} | task.facts_as_json(
            self.facts
        )


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
            self.pixels += outcome.width * outcome.height * outcome.pages * outcome.frames


def restore_files(
    planned: Plan,
    restorer: Restorer | Chain,
    settings: Settings | Steps | None = None,
    how: FileSettings = PLAIN,
    *,
    overwrite: bool = False,
    resume: bool = False,
    confidence: Callable[[Path], Path] | None = None,
    progress: Progress | None = None,
    clip: ClipSettings = CLIP,
    told: footage.Told | None = None,
    restore: Restore | None = None,
) -> Generator[Outcome, None, None]:
    """Restores each file of a plan, yielding its outcome when it is done; a failure is an outcome, not an end.

    ``settings`` are those of the restorer's task (None: its defaults), or the steps of a chain; ``how`` says how files are read and
    written; ``confidence`` gives the path of the picture that says how far to trust an output (`pellucid.confidence`), from the
    output's; ``progress`` is called with the share of the picture in hand that is done, 0 to 1. Clips are restored frame by frame
    (`pellucid.footage`); ``clip`` says how, and ``told`` is called with the frames that are done and with all of them, where that
    is known. ``restore`` restores pictures in the restorer's place, such as one that has them from other machines.
    While one picture is restored the next is read and the last written; the answers are those of one after the other. With
    ``resume`` (which needs the plan's ``folder``, unless all are clips; else `OptionError`) a picture whose answer is there, from
    the same content, settings and model, and unchanged since, is skipped, and a clip goes on where a run was interrupted. A stack
    is restored and written page by page, a large picture of some formats in bands, with nothing else at work. A full disk ends the
    run: what is left would be restored for nothing. An interrupt ends the run: what is being written is finished (a stack's file
    is given up), its outcome is yielded, and `KeyboardInterrupt` goes on.
    """
    settings = settings or restorer.settings()
    if resume and planned.folder is None and not all(files.is_clip(source) for source, _ in planned.pairs):
        raise OptionError("--resume needs a folder of outputs; name it with --out")
    for path, reason in planned.failed:
        yield Outcome(path, path, error=reason)
    work = Work.of(restorer, settings, how, progress, confidence, overwrite=overwrite)
    work = replace(work, clip=clip, told=told, resume=resume, instead=restore)
    pairs = []
    for source, target in planned.pairs:
        try:
            if files.is_clip(source):
                work.check_clip(source)
            pairs.append((source, target))
        except FileError as error:
            yield _failed(source, target, error, source)
    manifest = None
    if planned.folder is not None:
        # The format is in the output's name.
        written = {name: value for name, value in how.to_dict().items() if name != "format"}
        manifest = Manifest(
            planned.folder,
            settings.to_dict() | written | clip.to_dict(),
            made_by(restorer, how, settings),
        )
    read = partial(
        _read,
        work=work,
        memory=restorer.memory,
        manifest=manifest,
        overwrite=overwrite,
        resume=resume,
        # A mosaic's errors are not foretold: its confidence is that of the developed picture.
        mosaic=confidence is None and takes_mosaics(restorer, how, settings),
        named=planned.named,
        taken=planned.whose,
    )
    write = partial(_write, how=how, manifest=manifest, overwrite=overwrite)
    swept: set[Path] = set()
    # In the order of the plan: what is being written, and what has failed or was skipped since.
    pending: deque[Future[Outcome] | Outcome] = deque()
    full = False
    loaded: _Loaded | _Open | _Clip | Outcome | None = None

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
            reading: Future[_Loaded | _Open | _Clip | Outcome] | None = None
            for index, (source, target) in enumerate(pairs):
                if target.parent not in swept:
                    swept.add(target.parent)
                    _sweep(target.parent)
                loaded = reading.result() if reading is not None else read(source, target)
                reading = None
                alone = isinstance(loaded, _Open | _Clip) or (isinstance(loaded, _Loaded) and _pixels(loaded.page) > AHEAD)
                if alone:
                    yield from settled(0)
                    if full:
                        break
                elif index + 1 < len(pairs):
                    reading = reader.submit(read, *pairs[index + 1])
                result: _Restored | Outcome
                if isinstance(loaded, _Loaded):
                    result = _restore(loaded, work)
                elif isinstance(loaded, _Open):
                    result = _restore_open(loaded, work, manifest=manifest, overwrite=overwrite)
                elif isinstance(loaded, _Clip):
                    result = _restore_clip(loaded, work, manifest=manifest, overwrite=overwrite)
                else:
                    result = loaded
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
            # Files that were opened ahead and not restored.
            if isinstance(loaded, _Open):
                loaded.close()
            if reading is not None and isinstance(ahead := reading.result(), _Open):
                ahead.close()


def restore_variants(
    planned: Plan, restorer: Restorer | Chain, settings: Settings | Steps, how: FileSettings = PLAIN, **given: Any
) -> Generator[Outcome, None, None]:
    """`restore_files` for each variant of the outputs that the settings ask for (`Settings.each`), one after the other."""
    for name, each in settings.each().items():
        yield from restore_files(planned.varied(name), restorer, each, how, **given)


def restore_file(
    source: Path,
    target: Path,
    restorer: Restorer | Chain,
    settings: Settings | Steps | None = None,
    how: FileSettings = PLAIN,
    *,
    sparing: bool = True,
    watch: Callable[[files.Page, files.Page], None] | None = None,
    confidence: Path | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Restores one file as `restore_files` does.

    ``sparing`` as of `files.open_pages`. ``watch`` is called with each page as it was and restored (sparing, it may not take the
    `Rows` of the output), ``confidence`` as of `restore_files`, ``progress`` with the share that is done, 0 to 1. Raises
    `PellucidError` and `OSError`; an exception from ``watch`` or ``progress`` ends it, too. A ``target`` in DNG stands for any
    that fits: where a camera's file had to be developed first, its `Outcome.output` is another (`files.writable_name`).
    """
    settings = settings or restorer.settings()
    work = Work.of(restorer, settings, how, progress, None if confidence is None else lambda _: confidence)
    if files.is_clip(source):
        raise FileError(f"{source}: this is a clip, and only pictures work here")
    work.check(target)
    mosaic = confidence is None and takes_mosaics(restorer, how, settings)
    with files.open_pages(source, **reading(how), sparing=sparing, memory=restorer.memory, mosaic=mosaic) as document:
        work.check_pages(source, document)
        if sparing:
            document = replace(document, pages=(_spared(page, restorer) for page in document.pages))
        return _passed(document, source, target, work, overwrite=False, watch=watch, named=True)


def document_of(
    source: Path, restorer: Restorer | Chain, settings: Settings | Steps, how: FileSettings = PLAIN, first: int = 0
) -> AbstractContextManager[files.Document]:
    """The file as `restore_files` reads it, from the page ``first`` on."""
    beside: dict[str, Any] = {"memory": restorer.memory, "mosaic": takes_mosaics(restorer, how, settings), "first": first}
    return files.open_pages(source, **reading(how), sparing=True, **beside)


def restore_pages(
    source: Path, pages: range, restorer: Restorer | Chain, settings: Settings | Steps, how: FileSettings, restore: Restore
) -> Outcome:
    """Has ``restore`` do the pictures of some pages of a file, one after the other, as `restore_files` would; nothing is written.

    An error is an outcome, as there.
    """
    work = Work.of(restorer, settings, how, None)
    try:
        with document_of(source, restorer, settings, how, pages.start) as document:
            for page in islice(document.pages, len(pages)):
                for picture in _of_one_picture(page, settings).pictures:
                    restore(picture, settings, **work.beside(picture)[0])
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(source, source, error, source)
    return Outcome(source, source, pages=len(pages))


# -- one file ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Clip:
    """A clip, which is not opened ahead."""

    source: Path
    target: Path
    digest: str


@dataclass(frozen=True)
class _Loaded:
    """A file of one page, read. ``there``: its output is there, and the picture beside that is missing."""

    source: Path
    target: Path
    digest: str
    document: files.Document
    page: files.Page
    there: bool


@dataclass(frozen=True)
class _Open:
    """A file that is read while it is restored: one of several pages, or a picture that comes row by row. ``there`` as of
    `_Loaded`."""

    source: Path
    target: Path
    digest: str
    document: files.Document
    close: Callable[[], None]
    there: bool


@dataclass(frozen=True)
class _Restored:
    """A file of one page, restored, and its outcome once it is written; ``keep`` writes the picture beside it."""

    outcome: Outcome
    digest: str
    document: files.Document
    page: files.Page
    keep: Callable[[], None]


def _read(
    source: Path,
    target: Path,
    *,
    work: Work,
    memory: int | None,
    manifest: Manifest | None,
    overwrite: bool,
    resume: bool,
    mosaic: bool,
    named: bool,
    taken: Callable[[Path], Path | None],
) -> _Loaded | _Open | _Clip | Outcome:
    opened = ExitStack()

    def done(digest: str) -> bool:
        """Whether the target is there from an earlier run; an error where it is there from elsewhere."""
        if resume and manifest is not None and manifest.has(source, target, digest):
            return True
        if saving.exists(target) and not overwrite:
            # Before the work, not after it.
            other = ", but was not made from this picture with these settings" if resume else ""
            raise FileError(f"{target} exists{other}; --force overwrites it")
        saving.check_rights(target)
        return False

    try:
        if not files.is_clip(source):
            # Before it is hashed, which takes as long as it is.
            files.check_length(source, memory)
        digest = digest_of(source) if manifest is not None else ""
        there = done(digest)
        if there and not work.lacks(target):
            return Outcome(source, target, skipped=True)
        if files.is_clip(source):
            return _Clip(source, target, digest)
        work.check(target)
        document = opened.enter_context(files.open_pages(source, **reading(work.how), sparing=True, memory=memory, mosaic=mosaic))
        work.check_pages(source, document)
        if document.count > 1:
            document = replace(document, pages=(_spared(page, work.restorer) for page in document.pages))
            return _Open(source, target, digest, document, opened.pop_all().close, there)
        page = _first(source, iter(document.pages))
        if named and target.suffix == files.DNG and page.pictures[0].mosaic is None:
            # No mosaic that is known: LibRaw has developed it.
            target = files.writable_name(target)
            if (other := taken(target)) is not None:
                raise FileError(
                    f"{source}: this camera's file is developed to {target}, which is that of {other}; restore it alone"
                )
            if done(digest):
                return Outcome(source, target, skipped=True)
        page = _of_one_picture(page, work.settings)
        work.check_output(source, target, document, page)
        page = _spared(page, work.restorer)
        if any(isinstance(picture.pixels, Rows) for picture in page.pictures):
            return _Open(source, target, digest, replace(document, pages=[page]), opened.pop_all().close, there)
        return _Loaded(source, target, digest, replace(document, pages=()), page, there)
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(source, target, error, source)
    finally:
        opened.close()


def _restore(loaded: _Loaded, work: Work) -> _Restored | Outcome:
    try:
        page, first, seconds = _restore_page(loaded.page, work, work.progress)
        outcome = _outcome(Outcome(loaded.source, loaded.target, seconds=seconds), page, first)
        keep = partial(work.keep_planes, loaded.target, first)
        if loaded.there:
            keep()
            return replace(outcome, skipped=True)
        return _Restored(outcome, loaded.digest, _sized(loaded.document, page), page, keep)
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(loaded.source, loaded.target, error, loaded.source)


def _write(done: _Restored, *, how: FileSettings, manifest: Manifest | None, overwrite: bool) -> Outcome:
    source, target = done.outcome.input, done.outcome.output
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        note = partial(manifest.note, source, target, done.digest) if manifest is not None else None
        files.write_pages(target, [done.page], done.document, overwrite=overwrite, strip=how.strip, before=note)
        # Behind the output: where a run is killed between the two, the next one makes it.
        done.keep()
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(source, target, error, target)
    return done.outcome


def _restore_open(opened: _Open, work: Work, *, manifest: Manifest | None, overwrite: bool) -> Outcome:
    note = partial(manifest.note, opened.source, opened.target, opened.digest) if manifest is not None else None
    try:
        if opened.there:
            page, first, seconds = _restore_page(_first(opened.source, iter(opened.document.pages)), work, work.progress)
            work.keep_planes(opened.target, first)
            return replace(_outcome(Outcome(opened.source, opened.target, seconds=seconds), page, first), skipped=True)
        return _passed(opened.document, opened.source, opened.target, work, overwrite=overwrite, before=note)
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(opened.source, opened.target, error, opened.target)
    finally:
        opened.close()


def _restore_clip(found: _Clip, work: Work, *, manifest: Manifest | None, overwrite: bool) -> Outcome:
    source, target = found.source, found.target
    note = partial(manifest.note, source, target, found.digest) if manifest is not None else None
    how: dict[str, Any] = {"overwrite": overwrite, "resume": work.resume, "strip": work.how.strip}
    try:
        done = footage.restore(
            source, target, work.restorer, work.settings, work.clip, **how, before=note, told=work.told, areas=work.areas.fitted
        )
    except (PellucidError, OSError, MemoryError) as error:
        return _failed(source, target, error, target)
    return Outcome(
        source,
        target,
        model=done.model,
        facts=done.facts,
        width=done.width,
        height=done.height,
        seconds=done.seconds,
        frames=done.frames,
        remarks=done.remarks,
    )


def _passed(
    document: files.Document,
    source: Path,
    target: Path,
    work: Work,
    *,
    overwrite: bool,
    before: Callable[[Path], None] | None = None,
    watch: Callable[[files.Page, files.Page], None] | None = None,
    named: bool = False,
) -> Outcome:
    """Reads, restores and writes one page, or one band of it, after the other: memory holds no more, and the file is whole or not
    there."""
    # The first page, until one comes that has any value.
    shown: list[tuple[files.Page, Restoration]] = []
    coming: list[Rows] = []
    empty: list[int] = []
    seconds = 0.0

    def restored() -> Iterator[files.Page]:
        nonlocal seconds
        for number, page in enumerate(document.pages):

            def tell(share: float, number: int = number) -> None:
                if work.progress is not None:
                    work.progress((number + share) / document.count)

            tell(0)
            nothing = document.count > 1 and all(picture.empty for picture in page.pictures)
            if nothing:
                empty.append(document.first + number + 1)
            given = _of_one_picture(page, work.settings)
            if number == 0:
                work.check_output(source, target, document, given)
            output, first, taken = _restore_page(given, work, tell)
            seconds += taken
            rows = [picture.pixels for picture in output.pictures if isinstance(picture.pixels, Rows)]
            if not shown or (len(empty) == number and not nothing):
                shown[:] = [(output, first if rows or first.planes else _without_pixels(first))]
            coming.extend(rows)
            if watch is not None:
                watch(page, output)
            yield output

    pages = restored()
    # The first before its file is begun: what cannot be read leaves no folder behind.
    first = _first(source, pages)
    if named and target.suffix == files.DNG and first.pictures[0].camera is None and first.pictures[0].mosaic is None:
        target = files.writable_name(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    document = _sized(document, first)
    files.write_pages(target, chain([first], pages), document, overwrite=overwrite, strip=work.how.strip, before=before)
    work.keep_planes(target, shown[0][1])
    seconds += sum(rows.seconds for rows in coming)
    outcome = _outcome(Outcome(source, target, seconds=seconds, pages=document.count), *shown[0])
    return replace(outcome, remarks=outcome.remarks + without_values("page", empty))


def _restore_page(page: files.Page, work: Work, progress: Progress | None) -> tuple[files.Page, Restoration, float]:
    """The page restored, how its first picture came about, and the seconds of all its pictures."""
    results: list[Restoration] = []
    for number, picture in enumerate(page.pictures):

        def tell(done: int, of: int, number: int = number) -> None:
            if progress is not None:
                progress((number + done / of) / len(page.pictures))

        restorer, settings = serving(picture, work.restorer, work.settings)
        if picture.mosaic is not None:
            # Masks and other depths are for pictures (`takes_mosaics`).
            results.append(restorer.details(picture, settings, progress=tell))
            continue
        beside, remarks = work.beside(picture)
        result = work.restore(picture, work.settings, progress=tell, **beside)
        results.append(replace(result, image=replace(result.image, remarks=result.image.remarks + remarks)))
    restored = files.at_depth(replace(page, pictures=tuple(result.image for result in results)), work.how.depth)
    return restored, results[0], sum(result.seconds for result in results)


def _spared(page: files.Page, restorer: Restorer | Chain) -> files.Page:
    """The page; of a large picture that a chain restores, the output comes band by band, whatever its file is."""
    if not isinstance(restorer, Chain) or _pixels(page) < base.BANDED:
        return page
    return replace(page, pictures=tuple(map(images.in_bands, page.pictures)))


def _of_one_picture(page: files.Page, settings: Settings | Steps) -> files.Page:
    """The page; where outputs have other channels or get alpha, inks as colours, and no page that is several gray pictures."""
    shapes = map(Shape.of, page.pictures)
    # The black of four inks is gray: it would get colours of its own.
    if page.kind == "picture" or all(settings.answer(given)[2:] == given[2:] for given in shapes):
        return page
    if page.kind == "inks":
        return files.Page((photographs.inks_to_picture(page, base.Reading()),))
    raise ImageError(f"it has {page.samples} channels, and only gray or colour works here; {page.remedy}")


def _without_pixels(first: Restoration) -> Restoration:
    """Its facts, asked for now: what works them out holds the page, and memory holds one page alone."""
    facts = first.facts
    return replace(first, image=None, ask=lambda: facts)


def _outcome(outcome: Outcome, page: files.Page, first: Restoration) -> Outcome:
    """The outcome with the size of a page, and the facts of its first picture."""
    height, width = page.pictures[0].pixels.shape[:2]
    remarks = page.pictures[0].remarks
    if page.kind == "channels":
        samples = [part.empty for part in page.pictures for _ in range(part.pixels.shape[2] + (part.alpha is not None))]
        remarks += without_values("channel", [number for number, empty in enumerate(samples, 1) if empty])
    return replace(outcome, model=first.model, facts=first.facts, width=width, height=height, remarks=remarks)


def _sized(document: files.Document, page: files.Page) -> files.Document:
    """The document for pages of that one's size and channels."""
    first = page.pictures[0]
    height, width, channels = first.pixels.shape
    samples = channels + (first.alpha is not None) if page.kind == "picture" else None
    return files.with_size(document, height, width, samples, first.dtype)


def _first(source: Path, pages: Iterator[files.Page]) -> files.Page:
    page = next(pages, None)
    if page is None:
        raise FileError(f"{source}: it holds no picture")
    return page


def _pixels(page: files.Page) -> int:
    return sum(picture.pixels.size // picture.pixels.shape[2] for picture in page.pictures)


def _failed(source: Path, target: Path, error: Exception, at: Path) -> Outcome:
    if isinstance(error, PellucidError):
        # Errors of files name them, others do not.
        message = str(error) if isinstance(error, FileError) or str(error).startswith(f"{source}: ") else f"{source}: {error}"
    elif isinstance(error, MemoryError):
        message = f"{at}: not enough memory"
    else:
        message = f"{at}: cannot be {'read' if at == source else 'written'}: {getattr(error, 'strerror', None) or error}"
    if isinstance(error, FileError | EngineError) and not isinstance(error, SizeError) and memory.short():
        message += " (there is no memory left, which may be why)"
    full = isinstance(error, DiskFull) or (isinstance(error, OSError) and saving.is_full(error))
    return Outcome(source, target, error=message, full=full)


def _sweep(folder: Path) -> None:
    with suppress(OSError):  # a folder that cannot be read: writing to it will say so
        saving.sweep(folder)
