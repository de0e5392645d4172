"""Restores a clip: scene after scene, segment after segment, in bounded memory.

A clip is read once for its scenes (`pellucid.scenes`) and once for the work, by all steps in a row (`pellucid.stages`); in between
once more for each later step that asks for the noise that the steps before it leave. It is cut at each scene and after at most
`LONGEST` frames. Each segment is encoded by itself and lies in ``.NAME.parts`` beside the output until all are joined: what a
killed run has finished, the next one with ``resume`` takes, and the output has the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import __version__, alphas, depths, diagnosis, files, images, ranges, resuming, saving, scenes, stacks, windows
from pellucid.chains import Chain
from pellucid.errors import FileError, ImageError, OptionError
from pellucid.files import clips, encoders, joining, yuv
from pellucid.files.clips import Clip, Frame, Span
from pellucid.files.encoders import Container
from pellucid.files.yuv import Layout, Planes
from pellucid.images import Image, Range
from pellucid.manifest import digest_of
from pellucid.restorer import Restorer
from pellucid.stages import Known, Line, Moving
from pellucid.steps import Steps
from pellucid.tasks.settings import ClipSettings, Settings, Shape
from pellucid.views import View
from pellucid.windows import Beyond, Coming

__all__ = ["LONGEST", "Footage", "Told", "arrays", "check", "check_output", "each", "restore"]

LONGEST = 240
"""Frames of a segment at most: ten seconds of film are lost when a run is killed."""

Told = Callable[[int, int | None], None]
"""Called with the frames that are done, and with all of them where that is known."""

Areas = Callable[[Image], tuple[NDArray[np.float32] | None, tuple[str, ...]]]
"""Gives the weights (h, w) by which each pixel of a picture is worked on, None for all in full, and lines on them."""

ROUNDED = 0.01
"""The share by which the shape of a pixel may be off without a word."""

GONE = 8.0
"""Levels of 255 by which a pixel must change for what it was beyond black and white to be gone."""


@dataclass(frozen=True)
class Footage:
    """The result of restoring a clip: its size in pixels, as it is shown, and in frames, the seconds of decoding and restoring, the
    model and the facts of the first frame as JSON holds them, and lines for the user."""

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
    if how.lossless and how.quality != encoders.QUALITY:
        raise OptionError("--lossless changes no value: leave --quality out")
    return Span.of(how.start, how.end)


def check_output(source: Path, target: Path, settings: Settings | Steps, how: ClipSettings) -> None:
    """Raises members of `PellucidError` where the clip, restored with these settings, cannot be written into ``target``."""
    container = encoders.container_of(target)
    clip = clips.look(source)
    _choice(clip, container, _output(clip, settings), how)


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
    if saving.exists(target) and not overwrite:
        raise FileError(f"{target} exists; --force overwrites it")
    clip = clips.look(source)
    output = _output(clip, settings)
    choice = _choice(clip, container, output, how)
    line = Line(restorer, settings, alone=how.alone)
    _check_line(clip, line)
    weights, masked = (None, ()) if areas is None else areas(_blank(clip))
    survey = _surveyed(clip, span, line, told)
    clip = survey.clip
    joining.check_times(clip, container, _encoded_rate(clip), survey.times)
    remarks = [*masked, *_remarks(clip, choice, container), *joining.left_out(clip, container)]
    bounds = _bounds(survey.known.firsts, survey.known.count)
    key = _key(clip, span, restorer, settings, how, choice, bounds, weights)
    seconds = 0.0
    if weights is not None:
        line = Line(restorer, settings, {"mask": weights}, alone=how.alone)
    work = _Work(clip, output, choice, survey.known, told, line)
    with resuming.folder(target, key, resume=resume) as folder:
        segments = [resuming.named(folder, number) for number in range(len(bounds))]
        headers = [joining.read_segment(path) if path.exists() else None for path in segments]
        done = sum(last - first for header, (first, last) in zip(headers, bounds, strict=True) if header is not None)
        missing = next((first for header, (first, _) in zip(headers, bounds, strict=True) if header is None), None)
        behind = line.behind()
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
            frames = _fed(recent, part, coming, work, first)
            joining.write_segment(segments[number], header, _encoded(frames, work, header, (first, last, done)))
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
    height, width = output.layout.turn.shape(output.height, output.width)
    return Footage(
        width,
        height,
        survey.known.count,
        seconds,
        first_header["model"],
        first_header["facts"],
        (*survey.remarks, *remarks, *_of_frames([segment.header for segment in finished], survey.known.count)),
    )


def each(
    frames: Iterator[NDArray[Any]],
    restorer: Restorer | Chain,
    settings: Settings | Steps,
    *,
    alone: bool = False,
    value_range: Range = "auto",
) -> Iterator[NDArray[Any]]:
    """Frames (h, w), (h, w, 1) or (h, w, 3), of one dtype, that come one after the other: restored, in the same dtype; those of
    masked arrays keep their masks.

    The noise of a frame is that of its scene as far as it has come (`pellucid.scenes.Follower`); ``alone``: each is restored by
    itself. ``value_range`` says which values are black and white; ``auto``: those of the frames so far. A model that looks at the
    next frame, too, gives each back once the next two have come, but for the first of a scene.
    """
    line = Line(restorer, settings, alone=alone)
    given: deque[NDArray[Any]] = deque()
    for result in line.each(_pictures(_taken(frames, given), value_range)):
        yield stacks.masked_as(given.popleft(), images.to_array(result.image))


def _taken(frames: Iterator[Any], given: deque[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    """The frames as arrays, which are put into ``given``, too: each in memory of its own, for a camera may write the next one over
    it before its turn has come."""
    kind = None
    for number, frame in enumerate(frames):
        values = np.array(images.array_of(frame), subok=True)
        own = values.shape, values.dtype
        kind = kind or own
        if own != kind:
            words = [f"{shape} of {dtype}" for shape, dtype in (own, kind)]
            raise ImageError(
                f"frame {number} is an array {words[0]}, and those before it are {words[1]}: all need one size and dtype"
            )
        given.append(values)
        yield values


def _pictures(frames: Iterator[NDArray[Any]], value_range: Range) -> Iterator[Image]:
    """The frames as pictures of one range of values."""
    ends: tuple[float, float] | None = None
    for array in frames:
        picture = images.from_array(array, value_range, sparing=True)
        if value_range != "auto":
            yield picture
            continue
        own = (picture.black, images.white_of(picture))
        if ends is None:
            ranges.warn(picture.remarks)
        if array.any():
            # A frame that has less in it is not a brighter one; a black one says nothing.
            ends = own if ends is None else (min(ends[0], own[0]), max(ends[1], own[1]))
        if ends is not None and ends != own:
            picture = images.from_array(array, ends, sparing=True)
        yield picture


def arrays(source: Path, how: ClipSettings | None = None) -> Iterator[NDArray[Any]]:
    """The frames of a clip as arrays, (h, w, 3) in red, green and blue or (h, w): uint8, or uint16 for more than 8 bits."""
    clip = clips.look(source)
    for frame in clips.frames(clip, check(how or ClipSettings())):
        pixels = images.to_levels(windows.picture(frame.planes, clip.layout).pixels, clip.layout.dtype)
        yield pixels[..., 0] if pixels.shape[2] == 1 else pixels


# -- before the work --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Output:
    """The frames that are written: pixel format, layout, size as they lie, and colours; ``same``: their planes are
    the source's, changed."""

    pixels: str
    layout: Layout
    height: int
    width: int
    colours: tuple[int, int, int, int]
    same: bool


def _output(clip: Clip, settings: Settings | Steps) -> _Output:
    """The frames of the output; `OptionError` where the settings ask for some that no clip holds."""
    layout = clip.layout
    answer = settings.answer(Shape(*clip.shown, layout.channels, alpha=layout.alpha))
    if answer.height is None or answer.width is None:
        raise OptionError(f"{clip.path}: all frames of a clip have one size, and with these settings each would have its own")
    if answer.alpha and not layout.alpha:
        raise OptionError(f"{clip.path}: a clip is written without transparency; choose a background, or the mask alone")
    if len(settings.each()) > 1:
        raise OptionError(f"{clip.path}: these settings ask for several pictures of each frame, and a clip takes one")
    pixels = clip.pixels
    if layout.alpha and not answer.alpha:
        pixels, layout = pixels.replace("yuva", "yuv").replace("gbrap", "gbrp"), replace(layout, alpha=False)
    height, width = layout.turn.shape(answer.height, answer.width)
    if (height, width) == (clip.height, clip.width) and answer.channels == layout.channels:
        return _Output(pixels, layout, clip.height, clip.width, clip.colours, same=True)
    if layout.alpha and answer.channels != layout.channels:
        raise OptionError(f"{clip.path}: frames with transparency keep their channels")
    deep = "" if layout.depth == 8 else f"{layout.depth}le"
    if answer.channels == layout.channels:
        return _Output(pixels, layout, height, width, clip.colours, same=False)
    if answer.channels == 1:
        # Players take gray for full range, whatever its file states.
        gray = Layout("gray", layout.depth, full=True, turn=layout.turn)
        return _Output(f"gray{deep}", gray, height, width, (2, *clip.colours[1:3], 2), same=False)
    matrix = 1 if height >= clips.HIGH else 6
    colour = Layout("yuv", layout.depth, 2, 2, matrix, full=layout.full, turn=layout.turn)
    codes = (2 if layout.full else 1, *clip.colours[1:3], matrix)
    return _Output(f"yuv420p{deep}", colour, height, width, codes, same=False)


def _choice(clip: Clip, container: Container, output: _Output, how: ClipSettings) -> encoders.Choice:
    """How the output is encoded; `FileError` where its container does not hold it."""
    if not container.turns and clip.turned:
        raise FileError(
            f"{clip.path}: players turn its frames, and {container.name} does not state how; try an output with .mkv or .mp4"
        )
    return encoders.chosen(
        container,
        clip.codec,
        output.pixels,
        (output.height, output.width),
        (output.layout.down, output.layout.across),
        _encoded_rate(clip),
        codec=how.codec,
        lossless=how.lossless,
        quality=how.quality,
        aspect=clip.aspect,
        colours=output.colours,
        headers=container.writer in ("mp4", "mov", "matroska", "webm"),
        hdr=clip.hdr,
    )


@dataclass(frozen=True)
class _Survey:
    """Results of the first reading: the clip as it is to be read, facts that the work needs, lines for the user, and the frames'
    times."""

    clip: Clip
    known: Known
    remarks: tuple[str, ...]
    times: Sequence[int]


def _check_line(clip: Clip, line: Line) -> None:
    """`OptionError` where a task that looks at the whole clip before the work comes twice: the second time it would see the clip
    as it was."""
    looking = [stage.task for stage in line.stages if stage.surveying is not None]
    twice = next((task for task in looking if looking.count(task) > 1), None)
    if twice is not None:
        raise OptionError(f"{clip.path}: {twice} looks at the whole clip before the work, so it can be one step of a clip, not two")


def _surveyed(clip: Clip, span: Span, line: Line, told: Told | None) -> _Survey:
    cuts = scenes.Cuts()
    looks = {stage.task: (stage.surveying, stage.surveying.survey()) for stage in line.stages if stage.surveying is not None}
    inspects = line.stages[0].settings.inspects
    samples: dict[int, Any] = {}
    count, since, transparent = 0, -1, False
    times: list[int] = []
    last: Image | None = None
    for frame in clips.frames(clip, span):
        if frame.fields and not clip.interlaced:
            # Noise is measured in frames as they will be: once more from the beginning.
            return _surveyed(replace(clip, interlaced=True), span, line, told)
        most = 2**clip.layout.depth - 1
        transparent = transparent or (clip.layout.alpha and bool((frame.planes[-1] < most).any()))
        small = scenes.thumbnail(frame.planes[0], most)
        begins = cuts.add(small)
        since = 0 if begins else since + 1
        if inspects and last is not None:
            # Where a cut lies between, the two are nowhere alike, and nothing changes.
            samples[frame.number - 1] = scenes.beside(samples[frame.number - 1], last, windows.picture(frame.planes, clip.layout))
        last = None
        if since % scenes.EVERY == 0:
            last = windows.picture(frame.planes, clip.layout)
            samples[frame.number] = diagnosis.look(View((last,))) if inspects else None
        for module, survey in looks.values():
            survey.add(windows.small(frame.planes, clip.layout, module.LOOK))
        count += 1
        times.append(frame.pts)
        if told is not None:
            told(0, clip.count)
    firsts = cuts.firsts
    entries = {task: tuple(survey.entries(firsts)) for task, (_, survey) in looks.items()}
    places = scenes.spread(tuple(samples), firsts, count)
    measured = [(place, samples[place]) for place in places] if inspects else []
    known = Known(firsts, count, (scenes.levels_of(measured, firsts),), entries, transparent)
    for number, stage in enumerate(line.stages[1:], 1):
        levels = _measured(clip, span, line, number, known, places) if stage.settings.inspects else None
        known = replace(known, levels=(*known.levels, levels))
    remarks = [f"{len(firsts)} scenes"] if len(firsts) > 1 else []
    if clip.interlaced:
        remarks.append("interlaced: each two fields were made into one frame (bwdif) before the work")
    return _Survey(clip, known, tuple(remarks), times)


def _measured(clip: Clip, span: Span, line: Line, stage: int, known: Known, places: Sequence[int]) -> tuple[scenes.Levels, ...]:
    """The noise of each scene as a later ``stage`` gets it: measured in the frames ``places`` after the steps before it, each held
    against the next one."""
    samples: list[tuple[int, Any]] = []
    coming = Coming(clips.frames(clip, span))
    recent: deque[Frame] = deque(maxlen=line.behind(stage))
    wanted = deque(places)
    while wanted:
        frame = next(coming)
        if frame.number == wanted[0]:
            wanted.popleft()
            low, high = known.scene(frame.number)
            around = [*recent, frame, *coming.ahead(line.ahead(stage) + 1)]
            moving = (_moving(each, clip) for each in around if low <= each.number < high)
            after = min(frame.number + 2, high)
            given = [depths.between(result.image) for _, result in line.over(moving, frame.number, after, known, stage)]
            found = diagnosis.look(View((given[0],)))
            samples.append((frame.number, scenes.beside(found, *given) if len(given) > 1 else found))
        recent.append(frame)
    return scenes.levels_of(samples, known.firsts)


def _encoded_rate(clip: Clip) -> Fraction:
    """Frames a second as encoders take it; no frame's time comes from it."""
    return clip.rate.limit_denominator(1001) if 0 < clip.rate <= 1000 else Fraction(25)


def _remarks(clip: Clip, choice: encoders.Choice, container: Container) -> Iterator[str]:
    if choice.codec != clip.codec:
        yield f"encoded as {choice.codec}, where the clip had {clip.codec}"
    if clip.is_hdr and any(clip.hdr) and not encoders.CODECS[choice.codec].hdr:
        yield f"what HDR says of its screen is left out: {choice.codec} does not hold it"
    asked, held = float(choice.aspect or 1), choice.nearest_aspect()
    # Other containers state it beside the frames.
    if not container.turns and abs(held / asked - 1) > ROUNDED:
        yield f"a pixel is {held:.3f} times as wide as high, where the clip had {asked:.3f}: {choice.codec} holds few shapes"


def _of_frames(headers: Sequence[dict[str, Any]], count: int) -> Iterator[str]:
    """The lines about single frames, each once, with the number of frames that it is about where these are not all; lines that
    differ in numbers alone are one."""
    lines: dict[str, tuple[str, int]] = {}
    for header in headers:
        for line, number in header.get("remarks", ()):
            alike = re.sub(r"\d[\d.]*", "0", line)
            first, before = lines.get(alike, (line, 0))
            lines[alike] = first, before + number
    for line, number in lines.values():
        yield line if number == count else f"{number} of {count} frames: {line}"


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


# -- the work ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Work:
    """The work on a clip: what is the same for all of its segments."""

    clip: Clip
    output: _Output
    choice: encoders.Choice
    known: Known
    told: Told | None
    line: Line


def _remembered(part: Iterator[Frame], recent: deque[Frame]) -> Iterator[Frame]:
    """The frames, the last ones kept in ``recent``."""
    for frame in part:
        yield frame
        recent.append(frame)


def _moving(frame: Frame, clip: Clip) -> Moving:
    picture, beyond = windows.picture_and_beyond(frame.planes, clip.layout)
    return Moving(picture, (frame, picture, beyond))


def _fed(recent: deque[Frame], part: Iterator[Frame], coming: Coming[Frame], work: _Work, first: int) -> Iterator[Frame]:
    """The frames that a segment needs, all of one scene: the ``recent`` ones before its ``first``, its own, in ``part``, and those
    that follow, which still come."""
    low, high = work.known.scene(first)
    yield from (frame for frame in list(recent) if frame.number >= low)
    yield from part
    yield from (frame for frame in coming.ahead(work.line.ahead()) if frame.number < high)


def _encoded(frames: Iterator[Frame], work: _Work, header: dict[str, Any], place: tuple[int, int, int]) -> Iterator[joining.Packet]:
    """The packets of a segment; its ``header`` is filled as they come. ``frames`` are its own and those around it, ``place`` the
    segment's first frame, the one behind its last, and how many of the clip's frames are finished before."""
    clip, choice = work.clip, work.choice
    first, after, done = place
    context = encoders.opened(choice)
    header.update(times=[], seconds=0.0)
    said: Counter[str] = Counter()
    order: list[int] = []

    def taken(made: Sequence[Any]) -> Iterator[joining.Packet]:
        for packet in made:
            order.append(packet.pts)
            yield joining.Packet(packet.pts, bytes(packet), bool(packet.is_keyframe))

    moving = (_moving(frame, clip) for frame in frames)
    begun = time.perf_counter()
    for number, (moved, result) in enumerate(work.line.over(moving, first, after, work.known)):
        frame = moved.source[0]
        said.update(set(result.image.remarks))
        if number == 0:
            header.update(model=result.model, facts=work.line.facts_as_json(result.facts))
        planes = _changed(*moved.source, result.image, clip, work.output)
        header["seconds"] += time.perf_counter() - begun
        made = clips.as_frame(planes, work.output.pixels, choice.pixels, number, choice.rate, choice.colours)
        yield from taken(context.encode(made))
        header["times"].append(frame.pts)
        header["length"] = frame.duration
        if work.told is not None:
            work.told(done + number + 1, work.known.count)
        begun = time.perf_counter()
    yield from taken(context.encode(None))
    header["remarks"] = sorted(said.items())
    header.update(joining.ordered(order, len(header["times"]), clip.path))


def _blank(clip: Clip) -> Image:
    """A picture of a frame's size, upright."""
    return Image(np.zeros((*clip.shown, clip.layout.channels), np.float32), dtype=clip.layout.dtype)


def _changed(frame: Frame, before: Image, beyond: Beyond | None, after: Image, clip: Clip, output: _Output) -> Planes:
    """The planes of the restored frame."""
    if output.same:
        # Its channels one behind the other in memory, as those of the picture.
        channels = np.subtract(*(each.pixels.transpose(2, 0, 1) for each in (after, before)), order="C")
        change = channels.transpose(1, 2, 0)
        if beyond is not None:
            # The work was given the nearest colour there is. Where it replaced that, what lies beyond would stay as a ghost.
            flat = channels.reshape(len(channels), -1)
            moved = flat[:, beyond.places]
            flat[:, beyond.places] = moved - beyond.by * np.minimum(np.abs(moved).max(axis=0) * np.float32(255 / GONE), 1)
        planes = yuv.apply(frame.planes, clip.layout, change)
    else:
        planes = yuv.from_pixels(after.pixels, output.layout)
    planes = planes[: output.layout.channels]
    if output.layout.alpha:
        alpha = images.whole(after.alpha)
        planes = (*planes, yuv.alpha_plane(alpha / np.float64(alphas.opaque(alpha.dtype)), output.layout))
    return planes
