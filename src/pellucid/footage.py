"""Restores a clip: scene after scene, segment after segment, in bounded memory.

A clip is read twice: once for its scenes (`pellucid.scenes`), once for the work. It is cut at each scene and after at most
`LONGEST` frames. Each segment is encoded by itself and lies in ``.NAME.parts`` beside the output until all are joined: what a
killed run has finished, the next one with ``resume`` takes, and the output has the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import __version__, diagnosis, files, images, saving, scenes, windows
from pellucid.chains import Chain
from pellucid.errors import FileError, OptionError
from pellucid.files import clips, encoders, joining, yuv
from pellucid.files.clips import Clip, Frame, Span
from pellucid.files.yuv import Layout, Planes
from pellucid.images import Image
from pellucid.manifest import digest_of
from pellucid.restorer import Restoration, Restorer
from pellucid.steps import Steps
from pellucid.tasks.base import Followed, Following, Surveying
from pellucid.tasks.settings import ClipSettings, Settings, Shape
from pellucid.views import View
from pellucid.windows import Coming, Pictures

__all__ = ["LONGEST", "Footage", "Told", "arrays", "check", "each", "restore"]

LONGEST = 240
"""Frames of a segment at most: ten seconds of film are lost when a run is killed."""

Told = Callable[[int, int | None], None]
"""Called with the frames that are done, and with all of them where that is known."""

Areas = Callable[[Image], tuple[NDArray[np.float32] | None, tuple[str, ...]]]
"""Gives the weights (h, w) by which each pixel of a picture is worked on, None for all in full, and lines on them."""

PARTS = "pellucid clip 1"
"""The first word of the plan in a folder of segments: only such a folder is ever emptied."""


@dataclass(frozen=True)
class Footage:
    """What became of a clip: its size in pixels and frames, the seconds of decoding and restoring, the model and the facts of the
    first frame as JSON holds them, and lines for the user."""

    width: int
    height: int
    frames: int
    seconds: float
    model: str
    facts: dict[str, Any]
    remarks: tuple[str, ...]


def check(how: ClipSettings) -> Span:
    """The span that the settings name; `OptionError` for settings that cannot be, before any clip is looked at."""
    if how.codec is not None and encoders.ALIASES.get(how.codec.lower(), how.codec.lower()) not in encoders.CODECS:
        raise OptionError(f"codec {how.codec[:40]!r} is not one of {', '.join(encoders.CODECS)}")
    return Span.of(how.start, how.end)


def restore(
    source: Path,
    target: Path,
    restorer: Restorer | Chain,
    settings: Settings | Steps | None = None,
    how: ClipSettings | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    strip: bool = False,
    before: Callable[[Path], None] | None = None,
    told: Told | None = None,
    areas: Areas | None = None,
) -> Footage:
    """Restores the clip ``source`` into ``target``, frame by frame.

    ``resume`` goes on with the segments that an interrupted run of the same clip, settings and model has left. ``before`` is
    called with the finished file under its temporary name, ``told`` after each frame; an exception of theirs ends the work, and
    the finished segments stay. ``areas`` gives the weights of a frame (see `Restorer.details`) and lines for the user. Raises
    members of `PellucidError`.
    """
    settings, how = settings or restorer.settings(), how or ClipSettings()
    span = check(how)
    container = encoders.container_of(target)
    if target.exists() and not overwrite:
        raise FileError(f"{target} exists; --force overwrites it")
    clip = clips.look(source)
    output = _output(clip, settings)
    survey = _surveyed(clip, span, settings, _surveying(restorer, how), told)
    clip = survey.clip
    rate = _encoded_rate(clip)
    choice = encoders.chosen(
        container,
        clip.codec,
        output.pixels,
        (output.height, output.width),
        (output.layout.down, output.layout.across),
        rate,
        codec=how.codec,
        lossless=how.lossless,
        quality=how.quality,
        aspect=clip.aspect,
        colours=output.colours,
        headers=container.writer in ("mp4", "mov", "matroska", "webm"),
        hdr=clip.hdr,
    )
    weights, masked = (None, ()) if areas is None else areas(_blank(clip))
    remarks = [*masked, *_remarks(clip, choice), *joining.left_out(clip, container)]
    bounds = _bounds(survey.firsts, survey.count)
    key = _key(clip, span, restorer, settings, how, choice, bounds, weights)
    seconds = 0.0
    restoring = _Restoring(restorer, settings, {} if weights is None else {"mask": weights}, alone=how.alone)
    most = _frames_of(restorer, how)
    work = _Work(clip, output, choice, restorer, settings, survey, told, restoring, most, Pictures(clip.layout))
    with _folder(target, key, resume=resume) as folder:
        segments = [_named(folder, number) for number in range(len(bounds))]
        headers = [joining.read_segment(path) if path.exists() else None for path in segments]
        done = sum(last - first for header, (first, last) in zip(headers, bounds, strict=True) if header is not None)
        missing = next((first for header, (first, _) in zip(headers, bounds, strict=True) if header is None), None)
        behind = max(work.restoring.run_in, most - 1)
        begin = 0 if missing is None else max(0, missing - behind)
        coming = Coming(iter(()) if missing is None else clips.frames(clip, span, skip=begin))
        recent: deque[Frame] = deque(islice(coming, (missing or 0) - begin), maxlen=behind)
        for number, (first, last) in enumerate(bounds):
            if missing is None or first < missing:
                continue
            part = _remembered(islice(coming, last - first), recent)
            if headers[number] is not None:
                # A gap before it, which is rare: it comes of files that were taken away.
                deque(part, maxlen=0)
                continue
            header: dict[str, Any] = {}
            joining.write_segment(segments[number], header, _encoded(recent, part, coming, work, header, (first, done)))
            seconds += header.pop("seconds")
            headers[number] = header
            done += last - first
        target.parent.mkdir(parents=True, exist_ok=True)
        finished = [joining.Segment(path, header) for path, header in zip(segments, headers, strict=True) if header is not None]
        with files.replacing(target, overwrite=overwrite) as temporary:
            joining.join(temporary, clip, choice, container, finished, span, strip=strip)
            if before is not None:
                before(temporary)
    first_header = finished[0].header
    return Footage(
        output.width,
        output.height,
        survey.count,
        seconds,
        first_header["model"],
        first_header["facts"],
        (*survey.remarks, *remarks),
    )


def each(
    frames: Iterator[NDArray[Any]], restorer: Restorer | Chain, settings: Settings | Steps, *, alone: bool = False
) -> Iterator[NDArray[Any]]:
    """Frames (h, w), (h, w, 1) or (h, w, 3), of one dtype, that come one after the other: restored, in the same dtype.

    The noise of a frame is that of its scene as far as it has come (`pellucid.scenes.Follower`); ``alone``: each is restored by
    itself.
    """
    restoring = _Restoring(restorer, settings, {}, alone=alone)
    follower = scenes.Follower()
    for values in frames:
        picture = images.from_array(np.asarray(values), "auto", sparing=True)
        view = View((picture,))
        if settings.inspects:
            pixels = images.floating(picture).pixels
            small = scenes.thumbnail(pixels[..., min(1, pixels.shape[2] - 1)], 1.0)
            view.found = follower.of(picture, small)
            if follower.begins:
                restoring.begin()
        yield images.to_array(restoring.restored(view).image)


def arrays(source: Path, how: ClipSettings | None = None) -> Iterator[NDArray[Any]]:
    """The frames of a clip as arrays, (h, w, 3) in red, green and blue or (h, w): uint8, or uint16 for more than 8 bits."""
    clip = clips.look(source)
    for frame in clips.frames(clip, check(how or ClipSettings())):
        pixels = images.to_levels(windows.picture(frame.planes, clip.layout).pixels, clip.layout.dtype)
        yield pixels[..., 0] if pixels.shape[2] == 1 else pixels


# -- before the work --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Output:
    """The frames that are written: pixel format, layout, size and colours; ``same``: their planes are the source's, changed."""

    pixels: str
    layout: Layout
    height: int
    width: int
    colours: tuple[int, int, int, int]
    same: bool


def _output(clip: Clip, settings: Settings | Steps) -> _Output:
    """The frames of the output; `OptionError` where the settings ask for some that no clip holds."""
    layout = clip.layout
    answer = settings.answer(Shape(clip.height, clip.width, layout.channels, alpha=layout.alpha))
    if answer.height is None or answer.width is None:
        raise OptionError(f"{clip.path}: all frames of a clip have one size, and with these settings each would have its own")
    if answer.alpha and not layout.alpha:
        raise OptionError(f"{clip.path}: a clip is written without transparency; choose a background, or the mask alone")
    if len(settings.each()) > 1:
        raise OptionError(f"{clip.path}: these settings ask for several pictures of each frame, and a clip takes one")
    if (answer.height, answer.width) == (clip.height, clip.width) and answer.channels == layout.channels:
        return _Output(clip.pixels, layout, clip.height, clip.width, clip.colours, same=True)
    if layout.alpha:
        raise OptionError(f"{clip.path}: frames with transparency keep their size and channels")
    deep = "" if layout.depth == 8 else f"{layout.depth}le"
    if answer.channels == layout.channels:
        return _Output(clip.pixels, layout, answer.height, answer.width, clip.colours, same=False)
    if answer.channels == 1:
        full = layout.full
        gray = Layout("gray", layout.depth, full=full)
        return _Output(f"gray{deep}", gray, answer.height, answer.width, (2 if full else 1, *clip.colours[1:3], 2), same=False)
    matrix = 1 if answer.height >= clips.HIGH else 6
    colour = Layout("yuv", layout.depth, 2, 2, matrix, full=layout.full)
    codes = (2 if layout.full else 1, *clip.colours[1:3], matrix)
    return _Output(f"yuv420p{deep}", colour, answer.height, answer.width, codes, same=False)


@dataclass(frozen=True)
class _Survey:
    """What the first reading finds: how many frames there are, the first ones of scenes, the noise of each scene."""

    clip: Clip
    count: int
    firsts: tuple[int, ...]
    levels: tuple[scenes.Levels, ...]
    remarks: tuple[str, ...]
    entries: tuple[Any, ...] | None = None

    def found(self, number: int) -> Any:
        """The noise of a frame, None where it is not measured."""
        return self.levels[self._scene(number)].at(number)

    def scene(self, number: int) -> tuple[int, int]:
        """The first frame of a frame's scene, and the one behind its last."""
        scene = self._scene(number)
        return self.firsts[scene], (*self.firsts, self.count)[scene + 1]

    def _scene(self, number: int) -> int:
        return int(np.searchsorted(self.firsts, number, side="right")) - 1


def _surveying(restorer: Restorer | Chain, how: ClipSettings) -> Surveying | None:
    """The task's module, where it looks at whole clips before the work."""
    module = restorer.task.module() if isinstance(restorer, Restorer) and not how.alone else None
    return module if isinstance(module, Surveying) else None


def _frames_of(restorer: Restorer | Chain, how: ClipSettings) -> int:
    """The frames that one output looks at."""
    return restorer.task.frames if isinstance(restorer, Restorer) and not how.alone else 1


def _surveyed(clip: Clip, span: Span, settings: Settings | Steps, surveying: Surveying | None, told: Told | None) -> _Survey:
    cuts = scenes.Cuts()
    looked = None if surveying is None else surveying.survey()
    samples: list[tuple[int, Any]] = []
    count = since = 0
    for frame in clips.frames(clip, span):
        if frame.fields and not clip.interlaced:
            # Noise is measured in frames as they will be: once more from the beginning.
            return _surveyed(replace(clip, interlaced=True), span, settings, surveying, told)
        small = scenes.thumbnail(frame.planes[0], 2**clip.layout.depth - 1)
        begins = cuts.add(small)
        since = 0 if begins else since + 1
        if settings.inspects and since % scenes.EVERY == 0:
            samples.append((frame.number, diagnosis.look(View((windows.picture(frame.planes, clip.layout),)))))
        if looked is not None and surveying is not None:
            looked.add(windows.small(frame.planes, clip.layout, surveying.LOOK))
        count += 1
        if told is not None:
            told(0, clip.count)
    firsts = cuts.firsts
    levels = scenes.levels_of(samples, firsts)
    remarks = [f"{len(firsts)} scenes"] if len(firsts) > 1 else []
    if clip.interlaced:
        remarks.append("interlaced: each two fields were made into one frame (bwdif) before the work")
    entries = None if looked is None else tuple(looked.entries(firsts))
    return _Survey(clip, count, firsts, levels, tuple(remarks), entries)


def _encoded_rate(clip: Clip) -> Fraction:
    """Frames a second as encoders take it; no frame's time comes from it."""
    return clip.rate.limit_denominator(1001) if 0 < clip.rate <= 1000 else Fraction(25)


def _remarks(clip: Clip, choice: encoders.Choice) -> Iterator[str]:
    if choice.codec != clip.codec:
        yield f"encoded as {choice.codec}, where the clip had {clip.codec}"
    if clip.is_hdr and any(clip.hdr) and not encoders.CODECS[choice.codec].hdr:
        yield f"what HDR says of its screen is left out: {choice.codec} does not hold it"


def _bounds(firsts: Sequence[int], count: int) -> list[tuple[int, int]]:
    """The segments: the numbers of the first frame of each and of the one behind its last."""
    edges = [*firsts, count]
    bounds = []
    for first, after in pairwise(edges):
        bounds += [(start, min(start + LONGEST, after)) for start in range(first, after, LONGEST)]
    return bounds


def _key(
    clip: Clip,
    span: Span,
    restorer: Restorer | Chain,
    settings: Settings | Steps,
    how: ClipSettings,
    choice: encoders.Choice,
    bounds: list[tuple[int, int]],
    weights: NDArray[np.float32] | None,
) -> str:
    """A hash of all that the bytes of the segments depend on."""
    av = encoders.library()
    parts = {
        "source": digest_of(clip.path),
        "settings": settings.to_dict(),
        "how": how.to_dict(),
        "model": restorer.fingerprint(),
        "versions": [__version__, av.__version__],
        "choice": repr(choice),
        "bounds": bounds,
        "span": repr(span),
        "weights": None if weights is None else hashlib.sha256(weights.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


# -- the folder of segments -------------------------------------------------------------------------------------------


@contextmanager
def _folder(target: Path, key: str, *, resume: bool) -> Iterator[Path]:
    """The folder ``.NAME.parts`` beside the output; it goes when the block ends well.

    Segments of another clip, of other settings, or of a run that is not to be continued are taken away first. A folder of that name
    that is not ours is left alone. One run at a time has it.
    """
    folder = target.parent / f".{target.name}.parts"
    plan = folder / "plan"
    target.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and (not folder.is_dir() or folder.is_symlink() or (any(folder.iterdir()) and not plan.is_file())):
        raise FileError(f"{folder} is in the way: it is no folder of segments of pellucid's; move it elsewhere")
    folder.mkdir(exist_ok=True)
    with saving.held(folder) as ours:
        if not ours:
            raise FileError(f"{target}: another run is writing this clip")
        saving.sweep(folder)
        kept = _plan_in(plan)
        if plan.exists() and kept is None:
            raise FileError(f"{folder} is in the way: it is no folder of segments of pellucid's; move it elsewhere")
        if kept != key or not resume:
            for path in folder.glob("*.segment"):
                path.unlink()
            with saving.replacing(plan, overwrite=True) as temporary:
                temporary.write_text(json.dumps({"kind": PARTS, "key": key}), encoding="utf-8")
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def _plan_in(plan: Path) -> str | None:
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(plan.read_text(encoding="utf-8"))
        return str(content["key"]) if content["kind"] == PARTS else None
    return None


def _named(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.segment"


# -- the work ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """The work on a clip: what is the same for all of its segments."""

    clip: Clip
    output: _Output
    choice: encoders.Choice
    restorer: Restorer | Chain
    settings: Settings | Steps
    survey: _Survey
    told: Told | None
    restoring: _Restoring
    most: int
    pictures: Pictures

    def facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts of a frame as JSON holds them."""
        if isinstance(self.settings, Steps):
            done = zip(self.settings.steps, facts["steps"], strict=False)
            return {"steps": [{"model": one["model"], "facts": step.task.facts_as_json(one["facts"])} for step, one in done]}
        assert isinstance(self.restorer, Restorer)
        return self.restorer.task.facts_as_json(facts)


class _Restoring:
    """Restores the frames of a scene one after the other, each with what those before it have told (`tasks.base.Following`).

    A chain, a task that does not follow, a mask, and ``alone`` leave each frame to itself.
    """

    def __init__(self, restorer: Restorer | Chain, settings: Settings | Steps, beside: Mapping[str, Any], *, alone: bool) -> None:
        self._restore: Callable[..., Restoration] = restorer.details
        self._settings = settings
        self._beside = beside
        module = restorer.task.module() if isinstance(restorer, Restorer) and not beside and not alone else None
        self._following = module if isinstance(module, Following) else None
        self._notes: Any = None
        self.run_in = self._following.RUN_IN if self._following is not None else 0

    def begin(self) -> None:
        """The next frame is the first."""
        self._notes = None

    def look(self, view: View) -> None:
        """Lets a frame tell what it has to, and does not restore it."""
        if self._following is not None:
            self._notes = self._following.follow(view, self._settings, self._notes).notes

    def restored(self, view: View) -> Restoration:
        """The frame, restored."""
        return self._finished(view, None if self._following is None else self._follow(view))

    def in_turn(self, frames: Iterator[tuple[Frame, View]]) -> Iterator[tuple[Frame, View, Restoration]]:
        """The frames, restored one after the other: while one is restored, the next is fused with those before it."""
        if self._following is None:
            for frame, view in frames:
                yield frame, view, self._finished(view, None)
            return
        with ThreadPoolExecutor(max_workers=1) as pool:
            coming: tuple[Frame, View, Future[Followed]] | None = None
            for frame, view in frames:
                following = frame, view, pool.submit(self._follow, view)
                if coming is not None:
                    yield coming[0], coming[1], self._finished(coming[1], coming[2].result())
                coming = following
            if coming is not None:
                yield coming[0], coming[1], self._finished(coming[1], coming[2].result())

    def _follow(self, view: View) -> Followed:
        assert self._following is not None
        followed = self._following.follow(view, self._settings, self._notes)
        self._notes = followed.notes
        return followed

    def _finished(self, view: View, followed: Followed | None) -> Restoration:
        if followed is None:
            return self._restore(view, self._settings, **self._beside)
        result = self._restore(followed.view, followed.settings)
        if followed.view is view or isinstance(self._settings, Steps) or self._settings.share == 1:
            return result
        before = images.floating(view.picture).pixels
        after = before + np.float32(self._settings.share) * (images.floating(result.image).pixels - before)
        return replace(result, image=images.with_pixels(result.image, after))


def _remembered(part: Iterator[Frame], recent: deque[Frame]) -> Iterator[Frame]:
    """The frames, the last ones kept in ``recent``."""
    for frame in part:
        yield frame
        recent.append(frame)


def _encoded(
    recent: deque[Frame], part: Iterator[Frame], coming: Coming, work: _Work, header: dict[str, Any], start: tuple[int, int]
) -> Iterator[joining.Packet]:
    """The packets of a segment, its frames in ``part``; its ``header`` is filled as they come. The ``recent`` frames are those
    before the next one, and ``coming`` gives those that follow on it. ``start`` is the number of the segment's first frame, and
    how many of the clip's frames are finished before."""
    clip, choice = work.clip, work.choice
    first, done = start
    context = encoders.opened(choice)
    header.update(times=[], seconds=0.0)
    order: list[int] = []
    work.restoring.begin()
    for frame in list(recent)[-work.restoring.run_in :] if work.restoring.run_in else ():
        if frame.number >= work.survey.scene(first)[0]:
            work.restoring.look(_seen([frame], frame, work))

    def taken(made: Sequence[Any]) -> Iterator[joining.Packet]:
        for packet in made:
            order.append(packet.pts)
            yield joining.Packet(packet.pts, bytes(packet), bool(packet.is_keyframe))

    def views() -> Iterator[tuple[Frame, View]]:
        for frame in part:
            around = windows.window(frame, recent, coming.ahead(work.most - 1), work.most, work.survey.scene(frame.number))
            yield frame, _seen(around, frame, work)

    begun = time.perf_counter()
    for number, (frame, view, result) in enumerate(work.restoring.in_turn(views())):
        if number == 0:
            header.update(model=result.model, facts=work.facts(result.facts))
        planes = _changed(frame.planes, view.picture.pixels, result.image.pixels, clip, work.output)
        header["seconds"] += time.perf_counter() - begun
        made = clips.as_frame(planes, work.output.pixels, choice.pixels, number, choice.rate, choice.colours)
        yield from taken(context.encode(made))
        header["times"].append(frame.pts)
        header["length"] = frame.duration
        if work.told is not None:
            work.told(done + number + 1, work.survey.count)
        begun = time.perf_counter()
    yield from taken(context.encode(None))
    header.update(joining.ordered(order, len(header["times"]), clip.path))


def _seen(around: Sequence[Frame], frame: Frame, work: _Work) -> View:
    """A frame among those around it, with what the survey found."""
    survey = work.survey
    entries = None if survey.entries is None else tuple(survey.entries[each.number] for each in around)
    at = next(place for place, each in enumerate(around) if each.number == frame.number)
    return View(work.pictures.of(around), at, survey.found(frame.number), entries)


def _blank(clip: Clip) -> Image:
    """A picture of a frame's size."""
    return Image(np.zeros((clip.height, clip.width, clip.layout.channels), np.float32), dtype=clip.layout.dtype)


def _changed(planes: Planes, before: Any, after: Any, clip: Clip, output: _Output) -> Planes:
    if output.same:
        return yuv.apply(planes, clip.layout, after - before)
    return yuv.from_pixels(after, output.layout)
