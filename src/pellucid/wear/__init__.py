"""Damage of film, prints and tape: seeded, with what is true of it.

Each defect is a `Degradation`: a frozen dataclass with a ``level`` and options, each with its unit and range in its docstring and
in ``RANGES``. `wear` lets several happen to the frames of a clip, or to a still, in the order in which they happen in the world. It
gives the worn frames with the exact mask of what is covered, the shifts of the gate, the gains of flicker, the powers of fading.

The text form is ``kind:level[:option=value]...``, several with ``+`` (``scratches:4:broken=1+dust:1+weave:0.7``); `parse` reads it,
``str()`` writes it. ``film:1``, ``print:1`` and ``tape:1`` are mixtures of all that happens to one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError, OptionError
from pellucid.laws import Degradation, Law
from pellucid.wear.covering import Blotches, Cracks, Creases, Dust, Hairs, Mould, Scratches
from pellucid.wear.reel import VISIBLE, Defect, Reel, Worn
from pellucid.wear.tape import Chroma, Dropouts, Heads
from pellucid.wear.whole import Fading, FilmGrain, Flicker, Splices, Stains, Vignette, Weave

__all__ = [
    "DEFECTS",
    "MIXTURES",
    "VISIBLE",
    "Blotches",
    "Chroma",
    "Covered",
    "Cracks",
    "Creases",
    "Defect",
    "Dropouts",
    "Dust",
    "Fading",
    "FilmGrain",
    "Flicker",
    "Hairs",
    "Heads",
    "Mixture",
    "Mould",
    "Scratches",
    "Splices",
    "Stains",
    "Vignette",
    "Weave",
    "Worn",
    "covered",
    "parse",
    "parts_of",
    "wear",
]

Pixels = NDArray[np.float32]

DEFECTS: dict[str, type[Defect]] = {
    each.kind: each
    for each in (
        Scratches,
        Dust,
        Hairs,
        Blotches,
        Stains,
        Creases,
        Cracks,
        Mould,
        FilmGrain,
        Flicker,
        Weave,
        Fading,
        Vignette,
        Splices,
        Dropouts,
        Heads,
        Chroma,
    )
}
"""Every defect by its kind."""

MIXTURES: dict[str, dict[str, float]] = {
    "film": {
        "scratches": 6,
        "dust": 0.8,
        "hairs": 0.4,
        "blotches": 1.0,
        "stains": 0.2,
        "mould": 0.1,
        "film-grain": 5,
        "flicker": 5,
        "weave": 0.8,
        "fading": 0.3,
        "vignette": 0.15,
    },
    "print": {
        "scratches": 2,
        "dust": 0.8,
        "hairs": 0.4,
        "blotches": 0.5,
        "stains": 0.3,
        "creases": 1.0,
        "cracks": 0.6,
        "mould": 0.2,
        "film-grain": 4,
        "fading": 0.3,
        "vignette": 0.15,
    },
    "tape": {"dropouts": 6, "heads": 5, "chroma": 2},
}
"""The defects of each, and how much there is of them at a level of 1. Splices are left out: they take frames away."""


@dataclass(frozen=True)
class Mixture(Defect):
    """All that happens to film, a print or a tape, each by a third to twice as much as usual (log-uniform), times ``level``.

    ``share``: the chance of each to happen at all.
    """

    share: float = 1.0
    stage: ClassVar[int] = -1
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("strength", 0, 3),
        "share": ("chance of each defect", 0, 1),
    }

    def drawn(self, rng: np.random.Generator) -> tuple[Defect, ...]:
        """The defects of one example."""
        found = []
        for kind, usual in MIXTURES[self.kind].items():
            factor, chance = self.level * float(np.exp(rng.uniform(np.log(0.35), np.log(2.0)))), rng.random()
            if chance < self.share and factor > 0:
                law = DEFECTS[kind]
                _, low, high = law.RANGES["level"]
                found.append(law(float(np.clip(usual * factor, low, high))))
        return tuple(found)

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Lets the drawn defects happen."""
        _happen(reel, self.drawn(rng), rng)


@dataclass(frozen=True)
class Film(Mixture):
    """Worn film, `MIXTURES` ``film``."""

    kind: ClassVar[str] = "film"


@dataclass(frozen=True)
class Print(Mixture):
    """A worn print, `MIXTURES` ``print``."""

    kind: ClassVar[str] = "print"


@dataclass(frozen=True)
class Tape(Mixture):
    """A worn tape, `MIXTURES` ``tape``."""

    kind: ClassVar[str] = "tape"


_KINDS: dict[str, type[Defect]] = {**DEFECTS, **{each.kind: each for each in (Film, Print, Tape)}}


def _happen(reel: Reel, defects: Sequence[Defect], rng: np.random.Generator) -> None:
    # A generator for each: what one draws does not change what the others do.
    seeds = rng.integers(2**63, size=len(defects))
    for index in sorted(range(len(defects)), key=lambda place: (defects[place].stage, place)):
        if defects[index].level > 0:
            defects[index].wear(reel, np.random.default_rng(seeds[index]))


def wear(frames: NDArray[np.floating[Any]], defects: str | Degradation | Sequence[Defect], rng: np.random.Generator) -> Worn:
    """Frames (n, h, w, c) in sRGB, 0 to 1, c 1 or 3, worn by ``defects``: text, one, or several. The input stays as it is.

    >>> film = np.full((5, 64, 64, 3), 0.5, np.float32)
    >>> worn = wear(film, "scratches:60:wide=2+dust:2", np.random.default_rng(0))
    >>> worn.frames.shape, worn.damage.shape
    ((5, 64, 64, 3), (5, 64, 64))
    >>> bool((worn.frames == worn.beneath)[~worn.damage].all())
    True

    Raises `ImageError` for another shape, `OptionError` for text that names no defect.
    """
    pixels = np.asarray(frames, np.float32)
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or not pixels.size:
        raise ImageError(f"frames to wear are an array (n, height, width, 1 or 3), not of shape {pixels.shape}")
    named = parts_of(defects) if isinstance(defects, str | Degradation) else tuple(defects)
    drawn: list[Defect] = []
    for defect in named:
        drawn += defect.drawn(rng) if isinstance(defect, Mixture) else (defect,)
    reel = Reel.of(pixels)
    _happen(reel, drawn, rng)
    return reel.worn()


def parse(text: str) -> Defect | None:
    """The defect that ``kind:level[:option=value]...`` names; None where the text names another kind.

    >>> parse("scratches:4:broken=1")
    Scratches(level=4.0, bright=0.5, coloured=0.2, broken=1.0, wide=3.0, wander=1.0)

    Raises `OptionError` for an option that the kind does not have, and for a value out of range.
    """
    kind, _, rest = text.strip().partition(":")
    law = _KINDS.get(kind)
    if law is None:
        return None
    level, *said = rest.split(":")
    options: dict[str, str] = {}
    for part in said:
        name, equals, value = part.partition("=")
        if not equals or name not in law.options():
            known = ", ".join(f"{each}=" for each in law.options()) or "none"
            raise OptionError(f"{kind}: {part[:40]!r} is no option of it (known: {known})")
        options[name] = value
    return law(level, **options)  # type: ignore[arg-type]  # text is converted and checked by the dataclass


@dataclass(frozen=True, eq=False)
class Covered(Law):
    """The case for a method that is given the true damage: ``mask`` (h, w), True where the picture is covered."""

    mask: NDArray[np.bool_]
    kind: ClassVar[str] = "covered"

    @property
    def level(self) -> float:  # type: ignore[override]  # a share, not a field
        """The covered share."""
        return float(self.mask.mean())

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The image itself."""
        return np.asarray(clean, dtype=np.float32)


def covered(case: Degradation, clean: NDArray[np.floating], worn: NDArray[np.floating]) -> Covered:
    """The true damage of a still (h, w) or (h, w, channels) that ``case`` has made of a clean one: where its covering defects show.

    Raises `OptionError` where a case has both defects that cover and others: then no comparison says which pixel is covered.
    """
    parts = parts_of(case)
    others = [str(part) for part in parts if not part.covers]
    if len(others) == len(parts):
        return Covered(np.zeros(clean.shape[:2], bool))
    if others:
        raise OptionError(
            f"a method that is given the true damage takes scratches, dust and the like alone, not {others[0]} with them"
        )
    change = np.abs(np.atleast_3d(worn).astype(np.float32) - np.atleast_3d(clean).astype(np.float32)).max(axis=-1)
    return Covered(change > 0)


def parts_of(case: str | Degradation) -> tuple[Defect, ...]:
    """The defects of a text, of one, or of a chain. Raises `OptionError` where something else is in it."""
    parts: Sequence[Any] = (
        [parse(text) or text for text in case.split("+")] if isinstance(case, str) else getattr(case, "parts", (case,))
    )
    for part in parts:
        if not isinstance(part, Defect):
            raise OptionError(f"{str(part)[:40]!r} is no defect of film, prints or tape; there are {', '.join(_KINDS)}")
    return tuple(parts)
