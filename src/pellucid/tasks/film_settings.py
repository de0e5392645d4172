"""The settings of mending film, prints and slides. Standard library alone, as `pellucid.tasks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pellucid.tasks.settings import Settings, Shape, setting

__all__ = ["FilmSettings"]


@dataclass(frozen=True)
class FilmSettings(Settings):
    """The settings of mending: see each field's declaration."""

    deflicker: bool = setting(
        True,
        "even out brightness that flickers, of the whole frame and of parts of it; of clips",
        kind="flag",
        label="Even out flicker",
        main=True,
    )
    steady: bool = setting(
        True,
        "hold frames still that an unsteady gate has moved; the camera's own way stays; of clips",
        kind="flag",
        label="Hold still",
    )
    defade: bool = setting(
        True, "bring back colours that have faded, where the dyes show that", kind="flag", label="Bring back colours", main=True
    )
    grain: float = setting(
        0.0,
        "how much of the grain to keep, 0 to 1: 1 leaves it as it is",
        low=0,
        high=1,
        step=0.01,
        metavar="SHARE",
        label="Keep grain",
        main=True,
    )
    sure: float = setting(
        0.5,
        "how sure the model must be of damage, 0 to 1: lower finds more, and takes more for damage that is none",
        low=0,
        high=1,
        step=0.05,
        label="Sure of damage",
    )
    only_damage: bool = setting(
        False,
        "mend what is damaged and touch nothing else: no flicker, no gate, no fading, no grain",
        kind="flag",
        label="Only damage",
    )
    show_damage: bool = setting(
        False,
        "give a gray picture of what was found, and how surely, in the place of the mended one",
        kind="flag",
        label="Show damage",
    )

    BESIDE: ClassVar[Mapping[str, str]] = {
        "damage": "write what was found, too, and how surely: a gray picture (black: nothing), of a clip a gray clip; of several a "
        "folder"
    }

    @property
    def inspects(self) -> bool:
        """Where grain is to be taken away, its level is measured."""
        return self.grain < 1 and not self.only_damage and not self.show_damage

    @property
    def share(self) -> float:
        """All of it for the damage alone: how surely it was found does not depend on how much of the mending is used."""
        return 1.0 if self.show_damage else self.strength

    def answer(self, given: Shape) -> Shape:
        """The same shape; one channel for the damage alone."""
        return given._replace(channels=1, alpha=False) if self.show_damage else given

    def beside(self, name: str) -> FilmSettings:
        """``damage``: what was found."""
        return replace(self, show_damage=True) if name == "damage" else super().beside(name)

    def line(self, facts: Mapping[str, Any]) -> str:
        """How much was damaged, and what else was done."""
        share = facts.get("damaged")
        parts = [] if share is None else [f"{100 * share:.2f} % damaged"]
        parts += [str(facts["faded"])] if facts.get("faded") else []
        parts += [f"grain of level {facts['grain']:.1f} taken away"] if facts.get("grain") else []
        return ", ".join(parts)
