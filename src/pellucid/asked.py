"""Cases in which another picture is asked for than the one that is given: its alpha, or its colours.

The truth is in the file: a picture with alpha, or in colour. A case may say something of it, as users do: a box, a point, a few
colours. `stated` makes the case that has it, from the perfect output alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid import images
from pellucid.errors import OptionError
from pellucid.laws import Degradation, Law, Pixels, checked

__all__ = ["Alpha", "Gray", "of", "parse"]

PROMPTS = ("", "box", "point")
"""A case says one of these of a thing: nothing, the box around it, or the pixel in it that is farthest from its edge."""

MOST_HINTS = 1000
"""The most colours that a case gives."""

LOOKED_AT = 512
"""Longest side in pixels at which the middle of a thing is looked for: a larger mask is taken every so many pixels."""


@dataclass(frozen=True)
class Alpha(Law):
    """The alpha of a picture is asked for; its colours are given, those under alpha 0 among them.

    Images are (h, w, 4), alpha last; the perfect output is alpha (h, w). ``prompt`` is one of `PROMPTS`. `stated` fills in ``box``
    (first column, first row, those behind the last) or ``point`` (column, row), where anything has an alpha above a half.
    """

    prompt: str = ""
    box: tuple[int, int, int, int] | None = None
    point: tuple[int, int] | None = None
    level: float = field(default=0.0, init=False, repr=False)
    kind: ClassVar[str] = "alpha"

    def __post_init__(self) -> None:
        if self.prompt not in PROMPTS:
            raise OptionError(f"alpha: {self.prompt!r} is not one of {', '.join(PROMPTS[1:])}")

    def __str__(self) -> str:
        return f"alpha:{self.prompt}" if self.prompt else "alpha"

    def pair(self, clean: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """Alpha (h, w), and the colours (h, w, 3)."""
        if clean.ndim != 3 or clean.shape[2] != 4:
            raise OptionError(f"{self}: the picture has no alpha, so nobody knows what is right")
        return clean[..., 3], np.ascontiguousarray(clean[..., :3], dtype=np.float32)

    def stated(self, perfect: NDArray[Any], rng: np.random.Generator) -> Alpha:
        """The case with its box or point."""
        inside = perfect.reshape(perfect.shape[:2]) > 0.5
        if not self.prompt or not inside.any():
            return self
        if self.prompt == "point":
            return replace(self, point=_middle(inside))
        (top, bottom), (left, right) = (
            (int(line[0]), int(line[-1]) + 1) for line in map(np.flatnonzero, (inside.any(1), inside.any(0)))
        )
        return replace(self, box=(left, top, right, bottom))

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The image that is given."""
        return self.pair(clean, rng)[1]


@dataclass(frozen=True)
class Gray(Law):
    """The colours of a picture are asked for; its luma is given (Rec. 601), and the colours of ``level`` pixels.

    Images are (h, w, 3); the perfect output is the picture itself, the given one (h, w). `stated` fills in ``hints``: (column, row,
    colour) of pixels drawn at random, colours as 8-bit red, green and blue.
    """

    level: float = 0.0
    hints: tuple[tuple[int, int, tuple[int, int, int]], ...] = ()
    kind: ClassVar[str] = "gray"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", float(round(checked("hints", "number", self.level, 0, MOST_HINTS))))

    def __str__(self) -> str:
        return f"hints:{self.level:g}" if self.level else "gray"

    def pair(self, clean: NDArray[Any], rng: np.random.Generator) -> tuple[NDArray[Any], Pixels]:
        """The picture, and its luma (h, w)."""
        if clean.ndim != 3 or clean.shape[2] != 3:
            raise OptionError(f"{self}: the picture has no colours, so nobody knows what is right")
        return clean, images.gray(clean)[..., 0]

    def stated(self, perfect: NDArray[Any], rng: np.random.Generator) -> Gray:
        """The case with its hints, each at another pixel."""
        height, width = perfect.shape[:2]
        chosen = rng.choice(height * width, size=min(int(self.level), height * width), replace=False)
        levels = np.rint(np.clip(perfect.reshape(-1, perfect.shape[2])[chosen], 0, 1) * 255).astype(int)
        places = ((int(place) % width, int(place) // width) for place in chosen)
        return replace(
            self,
            hints=tuple((*place, (red, green, blue)) for place, (red, green, blue) in zip(places, levels.tolist(), strict=True)),
        )

    def __call__(self, clean: NDArray[np.floating], rng: np.random.Generator) -> Pixels:
        """The image that is given."""
        return self.pair(clean, rng)[1]


def of(case: Degradation) -> Alpha | Gray | None:
    """The case that asks, of a case or of a chain that begins with it; None where the image itself is asked for."""
    first = getattr(case, "parts", (case,))[0]
    return first if isinstance(first, Alpha | Gray) else None


def parse(text: str) -> Alpha | Gray | None:
    """The case that ``alpha``, ``alpha:box``, ``alpha:point``, ``gray`` or ``hints:10`` names; None for any other text. Raises
    `OptionError` for a part that is not known."""
    kind, colon, rest = text.partition(":")
    if kind == Alpha.kind:
        return Alpha(rest)
    if text == Gray.kind:
        return Gray()
    return Gray(rest) if kind == "hints" and colon else None  # type: ignore[arg-type]  # text is converted and checked by the dataclass


def _middle(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """Column and row of the pixel of a mask (h, w) that is farthest from what does not belong to it, or from the edge."""
    step = -(-max(inside.shape) // LOOKED_AT)
    # The pixel in the middle of each cell stands for it.
    part = np.pad(inside[step // 2 :: step, step // 2 :: step], 1)
    if not part.any():
        row, column = np.argwhere(inside)[0]
        return int(column), int(row)
    # The squared distance along columns, then the least of it and the squared way along the row.
    far = np.zeros(part.shape, dtype=np.int64)
    for rows in (range(1, len(part)), range(len(part) - 2, -1, -1)):
        nearest = np.zeros(part.shape[1], dtype=np.int64)
        for row in rows:
            nearest = np.where(part[row], nearest + 1, 0)
            far[row] = nearest if rows.step == 1 else np.minimum(far[row], nearest)
    along = far**2
    squared = along.copy()
    for way in range(1, part.shape[1]):
        if way**2 >= squared.max():
            break
        np.minimum(squared[:, way:], along[:, :-way] + way**2, out=squared[:, way:])
        np.minimum(squared[:, :-way], along[:, way:] + way**2, out=squared[:, :-way])
    row, column = np.unravel_index(int(squared.argmax()), squared.shape)
    return int(column - 1) * step + step // 2, int(row - 1) * step + step // 2
