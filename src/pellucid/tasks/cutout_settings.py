"""The settings of cutting out. Standard library alone, as `pellucid.tasks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pellucid.tasks.kinds import Attached
from pellucid.tasks.settings import Settings, Shape, setting

__all__ = ["CutoutSettings"]


@dataclass(frozen=True)
class CutoutSettings(Settings):
    """The settings of cutting out: see each field's declaration."""

    point: tuple[tuple[int, int], ...] = setting(
        (),
        "a place in what is meant, in pixels of the upright picture from the top left; may be given several times",
        kind="point",
        many=True,
        metavar="X,Y",
        label="Belongs to it",
        main=True,
    )
    not_point: tuple[tuple[int, int], ...] = setting(
        (),
        "a place in what is not meant; may be given several times",
        kind="point",
        many=True,
        metavar="X,Y",
        label="Does not belong to it",
        main=True,
    )
    box: tuple[int, int, int, int] | None = setting(
        None,
        "a box around what is meant: its first column and row, and those behind its last",
        kind="box",
        metavar="X0,Y0,X1,Y1",
        label="Box around it",
        main=True,
    )
    add: Attached | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "a picture of any size, painted by hand: what is white there belongs to it, whatever is found; gray in part",
        kind="file",
        label="Add (painted)",
        painted=True,
    )
    remove: Attached | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "the same for what is taken away, whatever is found",
        kind="file",
        label="Take away (painted)",
        painted=True,
    )
    background: str | Attached | None = setting(  # noqa: RUF009  # `Attached` is frozen
        None,
        "what to put behind it: a colour, a picture, or blur for the picture's own background out of focus (default: nothing)",
        kind=("choice", "colour", "file"),
        choices=("blur",),
        metavar="COLOUR|PICTURE|blur",
        label="Background",
        main=True,
    )
    alpha_only: bool = setting(
        False, "give the mask alone, a gray picture: white is what is kept", kind="flag", label="The mask alone", main=True
    )
    crop: bool = setting(False, "cut off the edges where nothing is left", kind="flag", label="Cut off what is empty")
    strength: float = setting(
        1.0,
        "how much of the background to take away: 0 keeps the picture whole, 1 takes it away in full",
        low=0,
        high=1,
        step=0.01,
        label="Strength",
    )
    sure: float = setting(
        0.5,
        "warn where the model is less sure of its answer than this, 0 to 1",
        low=0,
        high=1,
        step=0.05,
        label="Warn below",
        changes_output=False,
    )
    again: bool = setting(
        False, "cut out anew where the picture is transparent already; else it stays as it is", kind="flag", label="Cut out anew"
    )

    def line(self, facts: Mapping[str, Any]) -> str:
        """The share that is left, and how sure the model is."""
        sure, share = facts.get("sure"), facts.get("share")
        parts = [] if share is None else [f"{100 * share:.0f} % left"]
        return ", ".join(parts if sure is None else [*parts, f"sure {sure:.2f}"])

    def answer(self, given: Shape) -> Shape:
        """Alpha beside the picture's channels; one channel for the mask alone; no alpha where there is a background."""
        sides = (None, None) if self.crop else given[:2]
        if self.alpha_only:
            return Shape(*sides, 1, alpha=False)
        return Shape(*sides, given.channels, alpha=self.background is None)

    @classmethod
    def taken_by(cls, maps: Sequence[str]) -> tuple[str, ...]:
        """A model that was not taught points or boxes takes none."""
        needs = {"point": "prompt+", "not_point": "prompt-", "box": "box"}
        return tuple(name for name in cls.names() if name not in needs or needs[name] in maps)
