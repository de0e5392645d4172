"""The settings of colouring. Standard library alone, as `pellucid.tasks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pellucid.errors import OptionError
from pellucid.tasks.kinds import Attached
from pellucid.tasks.settings import Settings, Shape, setting

__all__ = ["ColorizeSettings"]

LAST = 99
"""The number of the last proposal."""


@dataclass(frozen=True)
class ColorizeSettings(Settings):
    """The settings of colouring: see each field's declaration."""

    hint: tuple[tuple[int, int, str], ...] = setting(
        (),
        "the colour of a place, X,Y=COLOUR: its pixel in the upright picture from 0 at the top left, and #RRGGBB or a name; the "
        "light stays the picture's own",
        kind="hint",
        many=True,
        metavar="X,Y=COLOUR",
        label="Hints",
        main=True,
    )
    hints: Attached | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "a file of hints: JSON ([[X, Y, COLOUR], ...]), or a picture with alpha of any size that shows scribbles of colour",
        kind="file",
        endings=(".json",),
        label="File of hints",
    )
    like: Attached | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "a colour picture of a similar scene: its colours are taken where light and texture are alike",
        kind="file",
        label="Like",
    )
    palette: Attached | str | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "the only colours that may come: a list such as #7b3f00,#87ceeb,olive, or a picture whose colours these are",
        kind=("palette", "file"),
        metavar="FILE|COLOURS",
        label="Palette",
    )
    saturation: float = setting(
        1.0,
        "how strong the colours are: 0 is gray, 1 as proposed, 2 twice as strong",
        low=0,
        high=2,
        step=0.01,
        label="Saturation",
        main=True,
    )
    sure: float = setting(
        0.0,
        "leave gray what the model is less sure of than this, 0 to 1; hints stay",
        low=0,
        high=1,
        step=0.01,
        label="Leave gray below",
    )
    variants: int = setting(
        1,
        "how many different proposals, each a picture of its own (NAME.colour-1.EXT and so on)",
        low=1,
        high=9,
        step=1,
        whole=True,
        label="Variants",
    )
    draw: int = setting(
        0,
        "which proposal: 0 is the likeliest, others differ",
        low=0,
        high=LAST,
        step=1,
        whole=True,
        label="Proposal",
        main=True,
        proposes=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draw + self.variants - 1 > LAST:
            raise OptionError(f"{self.variants} variants from draw {self.draw} on go beyond the last proposal, {LAST}")

    def trusted(self, maps: Sequence[str]) -> tuple[str, ...]:
        """Where colours may be invented."""
        return ("invented",)

    def answer(self, given: Shape) -> Shape:
        """Three channels, whatever the picture has."""
        return given._replace(channels=3)

    def each(self) -> Mapping[str, ColorizeSettings]:
        """As many as ``variants``, drawn one after the other."""
        if self.variants == 1:
            return {"": self}
        return {f"{number + 1}": replace(self, variants=1, draw=self.draw + number) for number in range(self.variants)}

    def line(self, facts: Mapping[str, Any]) -> str:
        """How sure the model is of its colours."""
        sure = facts.get("sure")
        words = "" if sure is None else f"sure {sure:.2f}"
        return f"{words}, from a colour picture's light" if facts.get("was_colour") else words
