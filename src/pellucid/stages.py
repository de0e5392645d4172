"""The steps of a chain over the frames of a clip: a stage for each, and all of them in one go.

A stage is given the frames of a scene in their order and gives them back restored, each with those around it, what a survey of the
clip says of it, and what the frames before it have told (`tasks.base.Following`). The next stage gets them as they are: nothing is
rounded, encoded or written between two stages.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from pellucid import depths, images, memory, scenes, windows
from pellucid.chains import Chain
from pellucid.errors import MemoryShort
from pellucid.files.clips import Frame
from pellucid.images import Image
from pellucid.restorer import IN_FLIGHT, Restoration, Restorer
from pellucid.steps import Steps
from pellucid.tasks.base import Followed, Following, LookingAhead, Settling, Surveying
from pellucid.tasks.settings import Settings
from pellucid.views import View
from pellucid.windows import Beyond, Coming

__all__ = ["Known", "Line", "Moving", "Stage"]

SMALL = 2**21
"""Pixels of a frame up to which two are restored at the same time: larger ones take much memory, and go through in pieces."""


@dataclass(frozen=True)
class Moving:
    """A frame on its way: its ``picture`` as the last stage left it, and the ``source``: the clip's own frame, its picture, and
    what lies beyond the picture's range."""

    picture: Image
    source: tuple[Frame, Image, Beyond | None]

    @property
    def number(self) -> int:
        """The frame's number in the clip."""
        return self.source[0].number


@dataclass(frozen=True)
class Known:
    """Facts about a clip from before the work: the first frames of its scenes and their ``count``, the noise of each scene as each
    stage gets it (None where that is not measured), what surveys found for each frame, by the name of the task, and whether alpha
    lets anything through anywhere."""

    firsts: tuple[int, ...]
    count: int
    levels: tuple[tuple[scenes.Levels, ...] | None, ...] = ()
    entries: Mapping[str, Sequence[Any]] | None = None
    transparent: bool = False

    def scene(self, number: int) -> tuple[int, int]:
        """The first frame of a frame's scene, and the one behind its last."""
        place = scenes.place_of(self.firsts, number)
        return self.firsts[place], (*self.firsts, self.count)[place + 1]

    def noise(self, stage: int, number: int) -> Any:
        """The noise of a frame as a stage gets it; None where it is not measured."""
        levels = self.levels[stage] if stage < len(self.levels) else None
        return None if levels is None else levels[scenes.place_of(self.firsts, number)].at(number)

    def of_frames(self, task: str, numbers: Sequence[int]) -> tuple[Any, ...] | None:
        """The survey's entries for these frames, of the task of that name; None where there was no survey."""
        found = None if self.entries is None else self.entries.get(task)
        return None if found is None else tuple(found[number] for number in numbers)


@dataclass(frozen=True)
class Made:
    """A frame that was restored: its ``view``, what those around it told where a stage looks at them, and the ``result``, which is
    not settled yet."""

    view: View
    followed: Followed | None
    result: Restoration


class Stage:
    """One step over frames. ``beside`` goes to each call of `Restorer.details`; with a mask in it, and ``alone``, each frame is
    restored by what it is now, and nothing is taken from the frames before it; ``alone`` it is not given those around it either."""

    def __init__(self, model: Restorer, settings: Settings, beside: Mapping[str, Any], *, alone: bool) -> None:
        self.model = model
        self.settings = settings
        self.task = model.task.name
        module = model.task.module()
        self._beside = beside
        self._following = module if isinstance(module, Following) and not beside and not alone else None
        self._notes: Any = None
        self.surveying = module if isinstance(module, Surveying) and not alone else None
        self.around = model.task.frames - 1 if not alone else 0
        self._next = module.next_frames(model.models) if self._following is not None and isinstance(module, LookingAhead) else 0
        self._settling = module if self._next > 0 and isinstance(module, Settling) else None
        self.run_in = self._following.RUN_IN if self._following is not None else 0

    @property
    def behind(self) -> int:
        """Frames before the first one that the stage must be given."""
        return max(self.run_in + self.settles, self.around)

    @property
    def looks_ahead(self) -> bool:
        """Whether it looks at the next frame."""
        return self._next > 0

    @property
    def goes_on(self) -> bool:
        """Whether frames before the next one have told anything: a scene's first frame is restored without those around it."""
        return self._notes is not None

    @property
    def ahead(self) -> int:
        """Frames behind the last one that it must be given."""
        return max(self._next + self.settles, self.around)

    @property
    def settles(self) -> bool:
        """Whether an output is final only once the next frame of the scene is restored."""
        return self._settling is not None

    def begin(self) -> None:
        """The next frame is the first."""
        self._notes = None

    def made(self, view: View) -> Made:
        """The frame, restored."""
        return self._made(self.model, view, None if self._following is None else self._follow(view))

    def over(
        self, number: int, frames: Iterator[Moving], first: int, after: int, known: Known
    ) -> Iterator[tuple[Moving, Restoration]]:
        """The frames from ``first`` to before ``after``, restored. ``number`` is that of the stage; the ``frames`` come in their
        order, all of one scene: `behind` before the first one and `ahead` behind the last, as far as the scene has them."""
        self.begin()
        scene = known.scene(first)
        # An output tells of the one before it, and of the one behind it: those are made, too, and not given back.
        begin, last = max(first - self.settles, scene[0]), min(after + self.settles, scene[1])

        def seen(window: Sequence[Moving], frame: Moving) -> View:
            at = next(place for place, each in enumerate(window) if each.number == frame.number)
            entries = known.of_frames(self.task, [each.number for each in window])
            found = known.noise(number, frame.number)
            pictures = tuple(each.picture for each in window)
            return View(pictures, at, found, entries, looked_ahead=self.looks_ahead, transparent=known.transparent)

        def views() -> Iterator[tuple[Moving, View]]:
            coming = Coming(frames)
            recent: deque[Moving] = deque(maxlen=self.around)
            for frame in coming:
                if frame.number >= last:
                    return
                if frame.number >= begin:
                    later = coming.ahead(max(self._next, self.around))
                    if self.looks_ahead:
                        window = [frame, *(each for each in later if each.number < scene[1])]
                    else:
                        window = windows.window(frame, recent, later, self.around + 1, scene)
                    yield frame, seen(window, frame)
                elif frame.number >= begin - self.run_in and self._following is not None:
                    self._notes = self._following.follow(seen([frame], frame), self.settings, self._notes).notes
                recent.append(frame)

        held: tuple[Moving, Made] | None = None
        for frame, made in self._each(views()):
            if held is not None:
                result, made = self.settled(held[1], made)
                if held[0].number >= first:
                    yield held[0], result
            held = frame, made
            if not self.waits(made):
                if first <= frame.number < after:
                    yield frame, self.final(made)
                held = None

    def _each(self, views: Iterator[tuple[Moving, View]]) -> Iterator[tuple[Moving, Made]]:
        if self._following is None:
            for frame, view in views:
                yield frame, self._made(self.model, view, None)
            return
        # While some are restored, the next is fused with those before it.
        with ThreadPoolExecutor(max_workers=1) as follower, ThreadPoolExecutor(max_workers=IN_FLIGHT) as pool:
            waiting: deque[tuple[Moving, Callable[[], Made], Future[Made]]] = deque()
            at_once = IN_FLIGHT if memory.cores() > 1 else 1

            def done() -> tuple[Moving, Made]:
                nonlocal at_once
                frame, work, made = waiting.popleft()
                try:
                    return frame, made.result()
                except MemoryShort:
                    # There may be enough for one at a time.
                    at_once = 1
                    wait([other for *_, other in waiting])
                    return frame, work()

            for frame, view in views:
                followed = follower.submit(self._follow, view)
                if math.prod(view.shape[:2]) > SMALL:
                    at_once = 1
                # One more waits for the first that has time: the next is fused early enough for none to wait for it.
                most = at_once + 1 if at_once > 1 else 1
                ready = [done() for _ in range(len(waiting) - most + 1)]
                work = partial(self._followed, self.model if at_once == 1 else self.model.side_by_side(), view, followed)
                waiting.append((frame, work, pool.submit(work)))
                yield from ready
            while waiting:
                yield done()

    def _follow(self, view: View) -> Followed:
        assert self._following is not None
        followed = self._following.follow(view, self.settings, self._notes)
        self._notes = followed.notes
        return followed

    def _followed(self, model: Restorer, view: View, followed: Future[Followed]) -> Made:
        return self._made(model, view, followed.result())

    def _made(self, model: Restorer, view: View, followed: Followed | None) -> Made:
        if followed is None:
            return Made(view, None, model.details(view, self.settings, **self._beside))
        result = model.details(followed.view, followed.settings)
        return Made(view, followed, replace(result, ask=lambda: {**result.facts, **followed.facts}))

    def waits(self, made: Made) -> bool:
        """Whether the next frame of the scene has a say in what becomes of one."""
        return self.settles and made.followed is not None and made.followed.notes is not None and len(made.view.frames) > 1

    def settled(self, made: Made, after: Made) -> tuple[Restoration, Made]:
        """The final result for a frame, and the next one of the scene, ``after`` it, as that makes it."""
        itself = made.followed is None or made.followed.view is made.view
        if self._settling is not None and made.followed is not None and not (itself and self.settings.share < 1):
            image, other = (images.floating(each.result.image) for each in (made, after))
            pixels, there = self._settling.settle(image.pixels, other.pixels, made.followed.notes)
            made = replace(made, result=replace(made.result, image=images.with_pixels(image, pixels)))
            if there is not other.pixels:
                after = replace(after, result=replace(after.result, image=images.with_pixels(other, there)))
        return self.final(made), after

    def final(self, made: Made) -> Restoration:
        """The final result for a frame that is settled, or has no next one."""
        result, share = made.result, self.settings.share
        # Where the frame went on its own, it is blended already.
        itself = made.followed is None or made.followed.view is made.view
        if itself or share == 1:
            return result
        before = images.floating(made.view.picture).pixels
        blended = before + np.float32(share) * (images.floating(result.image).pixels - before)
        return replace(result, image=images.with_pixels(result.image, blended))


class Line:
    """The stages of a restorer or a chain, one after the other."""

    def __init__(
        self, restorer: Restorer | Chain, settings: Settings | Steps, beside: Mapping[str, Any] | None = None, *, alone: bool
    ) -> None:
        beside = {} if beside is None else beside
        self.settings = settings
        if isinstance(restorer, Chain):
            assert isinstance(settings, Steps)
            pairs = [(model, step.settings) for model, step in zip(restorer.restorers, settings.steps, strict=True)]
        else:
            assert not isinstance(settings, Steps)
            pairs = [(restorer, settings)]
        self.stages = tuple(Stage(model, each, beside, alone=alone) for model, each in pairs)
        self._followers = [scenes.Follower() for _ in self.stages]

    def behind(self, stages: int | None = None) -> int:
        """Frames before the first one that the first ``stages`` need (None: all), as far as its scene has them."""
        return sum(each.behind for each in self.stages[:stages])

    def ahead(self, stages: int | None = None) -> int:
        """Frames behind the last one that they need."""
        return sum(each.ahead for each in self.stages[:stages])

    def over(
        self, frames: Iterator[Moving], first: int, after: int, known: Known, stages: int | None = None
    ) -> Iterator[tuple[Moving, Restoration]]:
        """The frames from ``first`` to before ``after`` after the first ``stages`` (None: all), each with the last step's model and
        the facts of all: `Restoration.facts` as of the restorer, or of the chain. The ``frames`` are those of one scene, `behind`
        before the first one and `ahead` behind the last."""
        chosen = self.stages[:stages]
        low, high = known.scene(first)
        bounds = [(first, after)]
        for stage in reversed(chosen[1:]):
            begin, end = bounds[0]
            bounds.insert(0, (max(low, begin - stage.behind), min(high, end + stage.ahead)))
        done: dict[int, list[Restoration]] = {}

        def passed_on(made: Iterator[tuple[Moving, Restoration]]) -> Iterator[Moving]:
            for frame, result in made:
                done.setdefault(frame.number, []).append(_without_pixels(result))
                yield replace(frame, picture=depths.between(result.image))

        moving = frames
        for number, (stage, (begin, end)) in enumerate(zip(chosen, bounds, strict=True)):
            made = stage.over(number, moving, begin, end, known)
            moving = passed_on(made)
        for frame, result in made:
            before = done.pop(frame.number, [])
            for other in [each for each in done if each < frame.number]:
                del done[other]
            yield frame, self._together([*before, result])

    def each(self, pictures: Iterator[Image]) -> Iterator[Restoration]:
        """Frames that are not known ahead: each stage measures its noise as far as its scene has come. One that looks at the next
        frame gives a frame back once the next two have come, but for the first one of a scene."""
        chain = isinstance(self.settings, Steps)
        # Not as the whole numbers that they may hold: outputs would be rounded to such, too.
        coming: Iterator[_Coming] = (
            _Coming(picture, replace(images.floating(picture), kept=None) if chain else picture, []) for picture in pictures
        )
        for stage, follower in zip(self.stages, self._followers, strict=True):
            coming = _one_by_one(stage, follower, coming)
        for frame in coming:
            results = frame.results
            if chain:
                results[-1] = replace(results[-1], image=depths.as_source(results[-1].image, frame.given))
            yield self._together(results)

    def facts_as_json(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The facts of a frame as JSON holds them."""
        if isinstance(self.settings, Steps):
            done = zip(self.settings.steps, facts["steps"], strict=False)
            return {"steps": [{"model": one["model"], "facts": step.task.facts_as_json(one["facts"])} for step, one in done]}
        return self.stages[0].model.task.facts_as_json(facts)

    def _together(self, results: Sequence[Restoration]) -> Restoration:
        last = results[-1]
        if not isinstance(self.settings, Steps):
            return last
        facts = {"steps": tuple({"model": each.model, "facts": each.facts} for each in results)}
        seconds = sum(each.seconds for each in results)
        return replace(last, model="+".join(each.model for each in results), seconds=seconds, ask=lambda: facts)


@dataclass(frozen=True)
class _Coming:
    """A frame that came, the ``picture`` for the first stage, and the ``results`` of the stages so far."""

    given: Image
    picture: Image
    results: list[Restoration]


def _one_by_one(stage: Stage, follower: scenes.Follower, frames: Iterator[_Coming]) -> Iterator[_Coming]:
    """The frames after one more stage."""
    waiting: tuple[_Coming, View] | None = None
    held: tuple[_Coming, Made] | None = None

    def finished(frame: _Coming, result: Restoration) -> _Coming:
        return replace(frame, results=[*map(_without_pixels, frame.results), result])

    def restored(frame: _Coming, view: View) -> Iterator[_Coming]:
        nonlocal held
        made = stage.made(view)
        if held is not None:
            result, made = stage.settled(held[1], made)
            yield finished(held[0], result)
        held = frame, made
        if not stage.waits(made):
            yield from last()

    def last() -> Iterator[_Coming]:
        nonlocal held
        if held is not None:
            yield finished(held[0], stage.final(held[1]))
        held = None

    for frame in frames:
        picture = depths.between(frame.results[-1].image) if frame.results else frame.picture
        view, begins = View((picture,), looked_ahead=stage.looks_ahead), False
        if stage.settings.inspects:
            pixels = images.floating(picture).pixels
            small = scenes.thumbnail(pixels[..., min(1, pixels.shape[2] - 1)], 1.0)
            view.found = follower.of(picture, small)
            begins = follower.begins
        if waiting is not None:
            if not begins:
                waiting[1].frames += view.frames
            yield from restored(*waiting)
        if begins:
            yield from last()
            stage.begin()
        waiting = (frame, view) if stage.looks_ahead and stage.goes_on else None
        if waiting is None:
            yield from restored(frame, view)
    if waiting is not None:
        yield from restored(*waiting)
    yield from last()


def _without_pixels(result: Restoration) -> Restoration:
    """Its facts, asked for now: what works them out holds the picture before."""
    facts = result.facts
    return replace(result, image=None, planes={}, ask=lambda: facts)
