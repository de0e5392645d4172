"""The parts of a task's module, and its results: the passes over a picture, and the pairs that training learns from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid import degradations, images
from pellucid.degradations import Degradation
from pellucid.diagnosis import Diagnosis
from pellucid.engines import Models
from pellucid.errors import OptionError
from pellucid.images import Image, Pixels, Rows
from pellucid.tasks.settings import Settings
from pellucid.tiling import Place
from pellucid.views import View

__all__ = [
    "OWN_SOURCES",
    "Batching",
    "Degrading",
    "Drawn",
    "Followed",
    "Following",
    "Job",
    "Learning",
    "LookingAhead",
    "NoiseRange",
    "Pair",
    "Pass",
    "Settling",
    "Survey",
    "Surveying",
    "TaskModule",
    "degraded",
    "drawn",
    "stated",
]

Planes = NDArray[np.float32]

OWN_SOURCES = ("clean", "pairs", "noisy")
"""The images that every task may learn from: clean images, pairs of a noisy and a clean one, or noisy images alone. Any other
source is a named one, of which `Learning.composed` draws."""


def _nothing() -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Pass:
    """One trip over the picture, piece by piece.

    ``piece`` is given planes (channels, h, w), float32, which it must not change, their place, and the array (channels + ``room``,
    h, w) that begins with those planes: into the planes behind them it may write a network's maps, so that nothing is copied. It
    answers (``channels``, h * ``scale``, w * ``scale``); channels None: as many as the picture has. Pieces overlap by ``halo``
    pixels on each side and begin at multiples of ``multiple_of``, which divides their sides; none has more pixels than a square of
    the side ``tile``.

    ``before`` makes the output of strength 0 from the picture's planes, in the shape of the piece's; None: the planes themselves.
    ``spared`` makes what stands where a mask spares; None: as ``before``.
    Memory: ``engine_bytes`` for each pixel of the output of the piece that the engine works on, ``piece_bytes`` for each of every
    piece in flight. Neither is a guess: measure them.
    """

    piece: Callable[[Planes, Place, Planes], Planes]
    tile: int
    engine_bytes: int
    piece_bytes: int
    before: Callable[[Planes], Planes] | None = None
    spared: Callable[[Planes], Planes] | None = None
    room: int = 0
    channels: int | None = None
    scale: int = 1
    halo: int = 0
    multiple_of: int = 1


def load(tile: int, engine_bytes: int, piece_bytes: int, *, scale: int = 1, channels: int | None = None) -> Pass:
    """A pass that has the memory of a real one and not its work (see `Loading`)."""
    return Pass(_undone, tile, engine_bytes, piece_bytes, scale=scale, channels=channels)


def _undone(planes: Planes, place: Place, room: Planes) -> Planes:
    raise NotImplementedError


@dataclass(frozen=True)
class Job:
    """The work to be done for one picture.

    ``model`` is the name of the file that serves. ``passes`` go one after the other, each over the output of the one before; with
    none the picture stays as it is. They go over ``image``, where that is given, else over the picture. ``held``: the whole picture
    must be in memory, as it must with several passes. ``finish`` makes the output of the picture and the pixels of the last pass,
    or of the picture and its own pixels where there is none. ``in_part`` is that where a mask spares some of the picture, for a
    ``finish`` that moves pixels: those that are spared would move, too.
    ``facts`` are asked for after the last piece: values by the names in the task's row. ``trust`` makes the planes that say how far
    to trust the output (`pellucid.confidence`), from the picture and the output, both held, where the task has such planes.
    ``ahead`` is the work before the task's own, whose passes come first among ``passes``: its planes count, too.
    """

    model: str
    passes: tuple[Pass, ...] = ()
    image: Image | None = None
    held: bool = False
    finish: Callable[[Image, NDArray[Any] | Rows], Image] = images.with_pixels
    in_part: Callable[[Image, NDArray[Any] | Rows], Image] | None = None
    facts: Callable[[], Mapping[str, Any]] = _nothing
    trust: Callable[[Image, Image], Mapping[str, NDArray[Any]]] | None = None
    ahead: Job | None = None


@dataclass(frozen=True)
class Pair:
    """One training example: ``image`` (h, w, channels) is the network's input, ``maps`` (h, w, maps) the planes beside it.

    ``clean`` is the perfect output; ``base``, of its shape, is the image that the residual is taken away from, or the answer that
    changes nothing; where answers have other planes than the image, ``image`` may stand for it. ``again`` asks for what
    `pellucid.training.looks` makes of the example. ``weight`` (h, w, 1), of the size of ``clean``, says how much each pixel counts
    in the loss; None: all alike.
    """

    image: Pixels
    maps: Pixels
    clean: Pixels
    base: Pixels
    again: bool = False
    weight: Pixels | None = None


@dataclass(frozen=True)
class NoiseRange:
    """Noise of one kind, its level drawn between ``low`` and ``high``, chosen with a chance in proportion to ``weight``.

    ``spread`` says how levels are drawn: ``uniform``, or ``log`` (evenly in the logarithm; ``low`` must be above 0). ``then`` are
    noises that follow upon it, one after the other.
    """

    kind: str
    low: float
    high: float
    weight: float = 1.0
    clip: bool = False
    spread: Literal["uniform", "log"] = "uniform"
    then: tuple[NoiseRange, ...] = ()

    def __post_init__(self) -> None:
        for level in (self.low, self.high):
            degradations.make(self.kind, level, clip=self.clip)
        if self.low > self.high or self.weight <= 0:
            raise OptionError(
                f"noise range {self.kind}: low {self.low} must not exceed high {self.high}, and weight must be above 0"
            )
        if self.spread not in ("uniform", "log") or (self.spread == "log" and self.low <= 0):
            raise OptionError(f"noise range {self.kind}: spread must be 'uniform', or 'log' with low above 0")

    def draw(self, rng: np.random.Generator) -> Degradation:
        """A degradation with a level drawn from this range."""
        if self.spread == "log":
            level = float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        else:
            level = float(rng.uniform(self.low, self.high))
        first = degradations.make(self.kind, level, clip=self.clip)
        if not self.then:
            return first
        return degradations.Chain((first, *(entry.draw(rng) for entry in self.then)))


def drawn(ranges: tuple[NoiseRange, ...], rng: np.random.Generator) -> Degradation:
    """A degradation of one of the ranges, chosen by their weights."""
    weights = np.array([entry.weight for entry in ranges])
    return ranges[int(rng.choice(len(ranges), p=weights / weights.sum()))].draw(rng)


class Drawn(Protocol):
    """Draws images from a recipe's named sources, for `Learning.composed`."""

    def has(self, source: str) -> bool:
        """Whether there are images of a source: those in `Learning.optional` may be left out."""

    def __call__(self, source: str, least: int | None = None) -> NDArray[Any]:
        """An image of that source, drawn at random, whole: (h, w, channels), float32 in [0, 1], or uint8 as it is kept where the
        task says ``draws`` levels; it must not be changed.

        It comes as the smallest of its stored copies (``data.scales``) whose shorter side has ``least`` pixels or more (None: as
        many as the patch), or the largest where none has. An image of `Learning.with_alpha` has 4 channels, the last one is alpha,
        and under alpha 0 stands what the file has there; other images have as many as ``data.channels`` says.
        """


@dataclass(frozen=True)
class Learning:
    """The ``[task]`` table of a recipe: how training pairs are made. Each task's module has a subclass of this name, a frozen
    dataclass whose fields are the table's keys.

    ``name`` is the task's. ``sources`` is what the task may learn from, ``before`` what tables call the picture as it is given,
    ``words`` the same in a sentence. ``plain`` says how a pair comes about where the table asks for nothing special: ``noise``
    (white noise on the crop), ``shrink`` (the crop made smaller) or ``mosaic`` (the crop as a sensor sees it); a GPU makes such
    pairs itself (`pellucid.training.ondevice`).

    ``sources`` may also be names of the task's own, such as ``things`` and ``grounds``: folders that the user names, of whose
    images `composed` makes the pairs; those in ``with_alpha`` keep their alpha, those in ``optional`` may be left out. They come as
    ``draws`` says, as pixels, or as the 8-bit levels that they are kept in, which costs less. ``sees`` says which part of a clean
    image `pair` is given: a ``crop`` of the recipe's patch, or a random square that holds most of the ``whole``, scaled to the
    patch. ``limits`` are the least and the largest value of the target's planes: validation cuts outputs to them.
    """

    name: ClassVar[str]
    sources: ClassVar[tuple[str, ...]] = ("clean",)
    with_alpha: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    draws: ClassVar[Literal["pixels", "levels"]] = "pixels"
    sees: ClassVar[Literal["crop", "whole"]] = "crop"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)
    before: ClassVar[str] = "noisy"
    words: ClassVar[str] = "the noisy image"
    plain: ClassVar[Literal["noise", "shrink", "mosaic"] | None] = None

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> type[Learning]:
        """The class that a recipe's ``[task]`` table fills: this one, unless the task learns in several ways."""
        return cls

    @property
    def metric(self) -> str | None:
        """The row of `pellucid.metrics.METRICS` that scores held-out images while a network learns; None: the task's headline."""
        return None

    @property
    def role(self) -> str | None:
        """The role that the network learns in the task's shipped family, whose other files serve beside it; None: it is alone."""
        return None

    @property
    def around(self) -> int:
        """The pixels on each side of a crop that its example has no more."""
        return 0

    @property
    def maps(self) -> tuple[str, ...]:
        """The planes that the network is given beside the image."""
        return ()

    @property
    def scales(self) -> tuple[int, ...]:
        """The factors that the network enlarges by; none for most tasks."""
        return ()

    def planes(self, channels: int) -> tuple[int, int]:
        """Channels of the image that the network is given, and of its output, where the recipe's images have so many."""
        return channels, channels

    @property
    def named(self) -> tuple[str, ...]:
        """The named sources; none for a task that learns from clean images, pairs or noisy images."""
        return tuple(source for source in self.sources if source not in OWN_SOURCES)

    def of_batch(self, number: int) -> Self:
        """The task of batch number ``number``."""
        return self

    def of_case(self, case: Degradation) -> Self:
        """The task as validation composes examples for ``case``, a line of ``data.validation``: for named sources."""
        return self

    def pair(self, clean: Pixels, rng: np.random.Generator) -> Pair:
        """A training example from a clean image (h, w, channels), float32 in [0, 1]."""
        raise NotImplementedError

    def composed(self, drawn: Drawn, side: int, rng: np.random.Generator) -> Pair:
        """A training example of ``side`` x ``side`` pixels, from images that ``drawn`` brings: needed for named sources.

        Validation calls it, too, with the same generators each time; the first image that is then drawn from the first source is
        the next of those held out.
        """
        raise NotImplementedError

    def picture(self, image: Pixels, planes: Pixels) -> Pixels:
        """Planes of the target (h, w, planes) as a picture, (h, w, 1 or 3), to be looked at and scored; ``image`` is the network's
        input without its maps (of an example, `Pair.image`)."""
        return planes

    def view(self, pair: Pair) -> View | None:
        """An example of `composed` as `prepare` is given it, where that is more than the image; None: the image alone."""
        return None

    def degrade(self, clean: Pixels, case: Degradation, rng: np.random.Generator) -> Pair:
        """The example with this very degradation: validation scores every run alike."""
        raise NotImplementedError

    def found(self, noisy: Pixels, clean: Pixels, diagnosis: Diagnosis) -> Pair:
        """The example of a noisy image, given to the network as its diagnosis says; ``clean`` is the noisy one where there is none.
        Needed where ``sources`` has pairs or noisy images."""
        raise NotImplementedError


class TaskModule(Protocol):
    """The seven names of a task's module, ``tasks/NAME.py``. `pellucid.tasks.upscale` is a short one to copy."""

    Learning: type[Any]
    """A subclass of `Learning`."""

    CASES: tuple[str, ...]
    """How `evaluate` degrades clean images where nothing is said (see `pellucid.degradations.parse`)."""

    METRICS: tuple[str, ...]
    """Rows of `pellucid.metrics.METRICS` that score the task, the headline first."""

    PROTOCOL: Mapping[str, str]
    """The lines of the evaluation's protocol that are this task's."""

    def prepare(self, view: View, models: Models, settings: Any) -> Job:
        """Looks at the picture, chooses the files, and says what is to be done piece by piece. Raises `OptionError` for settings
        that the model does not take."""

    def known(self, case: Degradation, maps: Sequence[str], *, blind: bool) -> Settings:
        """The settings with which a model that is given these ``maps`` restores the case; ``blind`` withholds what could be
        measured. Raises `OptionError` for a case of another task.

        A case holds hints about the truth (a box, a point, colours), see `pellucid.asked`; in the check of cases before the work,
        and in a first call on a small part, which is not scored, it has none.
        """

    def scored(self, case: Degradation, pixels: NDArray[Any]) -> NDArray[Any]:
        """The part of an image (h, w) or (h, w, channels) that is compared."""


@runtime_checkable
class Degrading(Protocol):
    """A task's module whose perfect output is not the clean image, or not of its shape."""

    def degraded(
        self, case: Degradation, clean: NDArray[Any], rng: np.random.Generator
    ) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
        """As `degraded` below, without the module."""


def degraded(
    module: TaskModule | None, case: Degradation, clean: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
    """The perfect output for a clean image (h, w) or (h, w, channels), the image that is given, and the output of strength 0.

    The first and the last are of one shape. A module that is a `Degrading` decides; for others, and without one, the case does
    (`Degradation.pair`), and the given image, enlarged (bicubic) where it is smaller, is that of strength 0.
    """
    if isinstance(module, Degrading):
        return module.degraded(case, clean, rng)
    perfect, given = case.pair(clean, rng)
    if case.scale > 1:
        return perfect, given, images.enlarged(np.atleast_3d(given), case.scale)
    if perfect.ndim > given.ndim:
        # Colours: gray in all channels.
        return perfect, given, np.repeat(given[..., None], perfect.shape[2], axis=2)
    if perfect.ndim < given.ndim:
        # Alpha: everything is kept.
        return perfect, given, np.ones(perfect.shape, dtype=np.float32)
    return perfect, given, given


def stated(case: Degradation, perfect: NDArray[Any], number: int) -> Degradation:
    """The case of image ``number`` with what it says of the perfect output (h, w) or (h, w, channels): always the same."""
    return case.stated(perfect, np.random.default_rng([number, 1]))


@dataclass(frozen=True)
class Followed:
    """A frame of a clip as it is restored: its ``view`` and ``settings``, and ``notes`` for the next frame of the scene, None for
    nothing to tell. ``facts`` are those of the frame itself where its view and settings give others."""

    view: View
    settings: Any
    notes: Any = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Following(Protocol):
    """A task's module that restores a frame of a clip with what the frames before it have shown."""

    RUN_IN: int
    """Frames before a segment that are looked at, so that it need not know of the segment before it."""

    def follow(self, view: View, settings: Any, notes: Any) -> Followed:
        """The frame, with ``notes`` of the one before it in the same scene; None for a scene's first frame. Cheap: it is called for
        frames that are not restored, too. `Settings.share` is left to the caller: the share of the returned settings is 1,
        and the rest is the frame as it was."""


@runtime_checkable
class LookingAhead(Protocol):
    """A `Following` module that some models have look at frames behind the one that is restored."""

    def next_frames(self, models: Models) -> int:
        """How many: a view has them behind the frame, as far as the scene goes, and is ``looked_ahead``."""


@runtime_checkable
class Settling(Protocol):
    """A `LookingAhead` module that looks at the next output, too."""

    def settle(self, output: Pixels, after: Pixels, notes: Any) -> tuple[Pixels, Pixels]:
        """The final output for a frame, (h, w, channels), float32, with ``notes`` of its own; ``after`` is the output for the next
        frame of the scene, before it is settled itself, and comes back with what this one tells of it."""


class Survey(Protocol):
    """A look at all frames of a clip before the work."""

    def add(self, small: Pixels) -> None:
        """The next frame, (h, w, channels), float32 in [0, 1], small."""

    def entries(self, firsts: Sequence[int]) -> Sequence[Any]:
        """The facts that the task needs about each frame (`View.clip`); ``firsts`` are the first frames of the scenes."""


@runtime_checkable
class Surveying(Protocol):
    """A task's module that looks at all frames of a clip before the work: what is slow, and what is not, shows only then."""

    LOOK: int
    """Pixels of the longer side of the frames that are looked at, at most."""

    def survey(self) -> Survey:
        """A look that begins."""


@runtime_checkable
class Checking(Protocol):
    """A task's module that can say before any picture is looked at that settings do not go with a model."""

    def check(self, models: Models, settings: Any) -> None:
        """Raises `OptionError` for settings that these models do not take."""


@runtime_checkable
class Loading(Protocol):
    """A task's module that can say before the work how much memory it takes: a chain asks all its steps before the first one."""

    def loads(self, models: Models, settings: Any) -> Sequence[Pass]:
        """The passes over a picture, with the least memory that each asks for (`load`)."""


@runtime_checkable
class Batching(Protocol):
    """A task's module that also restores stacks of small images at once."""

    def batch(self, stack: ArrayLike, models: Models, settings: Any) -> NDArray[Any]:
        """Gray images (n, h, w), restored: the same shape and dtype."""
