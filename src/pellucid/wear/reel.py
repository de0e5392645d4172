"""Frames on their way through damage: what has happened to them, and what it did.

Frames are float32 (n, h, w, c) in sRGB, 0 to 1, c 1 or 3. A defect (`Defect`) changes a `Reel` in place and writes down what it
did: what it covered, by how much it moved a frame, by how much it changed its brightness. Lengths are in pixels of the frames.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.laws import Law, checked, text_of

__all__ = ["VISIBLE", "Defect", "Reel", "Stage", "Worn", "drawn_count", "split"]

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]

VISIBLE = 4 / 255
"""The least change by a covering defect that counts: fainter rims are left out of the frames, and so of the mask."""


class Stage:
    """When a defect happens: light and film before what lies on the film, tape last."""

    CUT, LENS, GATE, LIGHT, DYES, STAINS, GRAIN, CHROMA, COVER, TAPE = range(10)


@dataclass(frozen=True)
class Worn:
    """Worn frames, and what is true of them.

    ``frames`` (m, h, w, c), ``beneath`` the same without what covers them, ``moved`` the clean frames at the place to which the
    gate moved them. ``damage`` (m, h, w): covered pixels; outside of it ``frames`` is ``beneath`` to the bit. ``marks`` is the
    same for each kind of covering defect. ``kept`` (m,): the number of the clean frame that each frame shows; m is less than n
    where frames are missing. ``shift`` (m, 2): pixels down and right by which the gate moved a frame. ``gain`` (m, 1, 1) or
    (m, h, w): factor of flicker. ``vignette`` (h, w) or (1, 1): factor. ``fading`` (2, c): a value v has become
    ``fading[1] * v ** fading[0]``. ``chroma``: pixels by which colours lie to the right of the light.
    """

    frames: Pixels
    beneath: Pixels
    moved: Pixels
    damage: Mask
    marks: dict[str, Mask]
    kept: NDArray[np.int64]
    shift: Pixels
    gain: Pixels
    vignette: Pixels
    fading: Pixels
    chroma: float


@dataclass
class Reel:
    """Frames while they wear; `Worn` has the meaning of its fields. ``later`` are marks that wait until all else is done."""

    frames: Pixels
    moved: Pixels
    kept: NDArray[np.int64]
    shift: Pixels
    gain: Pixels
    vignette: Pixels
    fading: Pixels
    chroma: float = 0.0
    beneath: Pixels | None = None
    damage: Mask | None = None
    marks: dict[str, Mask] = field(default_factory=dict)
    later: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def of(cls, frames: Pixels) -> Reel:
        """New frames; the array is copied."""
        count, _, _, channels = frames.shape
        return cls(
            frames=np.array(frames, dtype=np.float32),
            moved=np.asarray(frames, dtype=np.float32),
            kept=np.arange(count),
            shift=np.zeros((count, 2), np.float32),
            gain=np.ones((count, 1, 1), np.float32),
            vignette=np.ones((1, 1), np.float32),
            fading=np.ones((2, channels), np.float32),
        )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Frames, rows, columns, channels."""
        return self.frames.shape

    def covering(self, kind: str) -> Mask:
        """The mask (n, h, w) of a kind of covering defect. The first call ends what happens beneath."""
        if self.beneath is None or self.damage is None:
            np.clip(self.frames, 0, 1, out=self.frames)
            self.beneath = self.frames.copy()
            self.damage = np.zeros(self.shape[:3], bool)
        return self.marks.setdefault(kind, np.zeros(self.shape[:3], bool))

    def cover(self, kind: str, frame: int, top: int, left: int, alpha: Pixels, colour: Pixels) -> None:
        """Lays ``colour`` (c,) or (h, w, c) over a frame, as much as ``alpha`` (h, w) says; parts outside of the frame are cut."""
        mask = self.covering(kind)
        _, height, width, _ = self.shape
        y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + alpha.shape[0], height), min(left + alpha.shape[1], width)
        if y0 >= y1 or x0 >= x1:
            return
        inside = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
        part = self.frames[frame, y0:y1, x0:x1]
        laid = (colour if colour.ndim == 1 else colour[inside]) - part
        laid *= alpha[inside][..., None]
        self._settled(part, laid, mask[frame, y0:y1, x0:x1])

    def _settled(self, part: Pixels, change: Pixels, mask: Mask) -> None:
        visible = np.abs(change).max(axis=-1) > VISIBLE
        change *= visible[..., None]
        part += change
        np.clip(part, 0, 1, out=part)
        mask |= visible

    def worn(self) -> Worn:
        """The frames after all wear, with the truth about it."""
        for mark in self.later:
            mark()
        if self.beneath is None or self.damage is None:
            np.clip(self.frames, 0, 1, out=self.frames)
            self.beneath, self.damage = self.frames, np.zeros(self.shape[:3], bool)
        for mask in self.marks.values():
            self.damage |= mask
        return Worn(
            self.frames,
            self.beneath,
            self.moved,
            self.damage,
            self.marks,
            self.kept,
            self.shift,
            self.gain,
            self.vignette,
            self.fading,
            self.chroma,
        )


@dataclass(frozen=True)
class Defect(Law):
    """One kind of damage, as strong as ``level`` says; ``RANGES`` has what each field is, and its least and greatest value."""

    level: float
    kind: ClassVar[str]
    stage: ClassVar[int]
    RANGES: ClassVar[dict[str, tuple[str, float, float]]]

    def __post_init__(self) -> None:
        for name, (what, low, high) in self.RANGES.items():
            object.__setattr__(self, name, checked(self.kind, what, getattr(self, name), low, high))

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """The names of the fields beside ``level``."""
        return tuple(each.name for each in fields(cls) if each.name != "level")

    def __str__(self) -> str:
        said = [f"{each.name}={text_of(getattr(self, each.name))}" for each in fields(self) if self._differs(each)]
        return ":".join((self.kind, text_of(self.level), *said))

    def _differs(self, each: Any) -> bool:
        return each.name != "level" and bool(getattr(self, each.name) != each.default)

    @property
    def covers(self) -> bool:
        """Whether it hides what is beneath, so that it is part of the mask of damage."""
        return self.stage >= Stage.COVER

    @abstractmethod
    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Changes the frames in place."""

    def pair(self, clean: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """A still at the place to which the gate moved it, and the worn one."""
        pixels = np.asarray(clean, np.float32)
        reel = Reel.of(pixels.reshape(1, *pixels.shape[:2], -1))
        if self.level > 0:
            self.wear(reel, rng)
        worn = reel.worn()
        return worn.moved[0].reshape(clean.shape), worn.frames[0].reshape(clean.shape)

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The worn still."""
        return self.pair(clean, rng)[1]


def drawn_count(density: float, rng: np.random.Generator) -> int:
    """How many defects there are where ``density`` are to be expected (Poisson)."""
    return int(rng.poisson(density))


def split(colours: Pixels, channels: int) -> Pixels:
    """A colour (3,) for frames with ``channels`` channels: gray ones get the mean."""
    return colours.astype(np.float32) if channels == 3 else np.full(channels, colours.mean(), np.float32)
