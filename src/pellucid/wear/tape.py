"""Damage of video tape: dropouts, head switching, colours that lie beside the light.

Source: Bay Area Video Coalition, "AV Artifact Atlas" (avartifactatlas.com): dropout, head switching noise, chroma delay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.wear.reel import Defect, Reel, Stage, drawn_count

__all__ = ["Chroma", "Dropouts", "Heads"]

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Dropouts(Defect):
    """Streaks along a line where the tape gave no signal: white, black, or noise, with a tail; each lasts one frame.

    ``level``: dropouts in 100,000 pixels of a frame (mean). ``long``: greatest length in pixels; ``high``: greatest number of
    lines.
    """

    long: float = 160.0
    high: float = 2.0
    kind: ClassVar[str] = "dropouts"
    stage: ClassVar[int] = Stage.TAPE
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("dropouts in 100,000 pixels", 0, 1000),
        "long": ("greatest length in pixels", 2, 5000),
        "high": ("greatest number of lines", 1, 20),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws streaks for each frame."""
        reel.covering(self.kind)
        count, height, width, channels = reel.shape
        for _ in range(drawn_count(self.level * count * height * width / 100_000, rng)):
            long, high = max(2, int(self.long * rng.random() ** 2)), int(rng.integers(1, round(self.high) + 1))
            alpha = np.minimum(1, (long - np.arange(long, dtype=np.float32)) / np.float32(max(1.0, 0.4 * long)))
            alpha = np.repeat(alpha[None] * np.float32(rng.uniform(0.7, 1.0)), high, axis=0)
            which = rng.random()
            if which < 0.3:
                colour = rng.random((high, long, 1), dtype=np.float32).repeat(channels, axis=2)
            else:
                colour = np.full(channels, rng.uniform(0.85, 1.0) if which < 0.8 else rng.uniform(0, 0.12), np.float32)
            top, left = int(rng.integers(height)), int(rng.integers(-long // 2, width))
            reel.cover(self.kind, int(rng.integers(count)), top, left, alpha, colour)


@dataclass(frozen=True)
class Heads(Defect):
    """Head switching: the last lines are torn to one side, with noise. ``level``: number of lines (not in `Worn.shift`)."""

    kind: ClassVar[str] = "heads"
    stage: ClassVar[int] = Stage.TAPE
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {"level": ("number of lines", 0, 64)}

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Tears the last lines of each frame."""
        reel.covering(self.kind)
        count, height, width, _ = reel.shape
        most = rng.uniform(0.05, 0.2) * width * (1 if rng.random() < 0.5 else -1)
        for frame in range(count):
            lines = min(height, max(1, round(self.level + rng.normal(0, 0.5))))
            part = reel.frames[frame, height - lines :].copy()
            for line in range(lines):
                away = round(most * (line + 1) / lines + rng.normal(0, 1))
                part[line] = np.roll(part[line], away, axis=0)
            part += rng.normal(0, 0.06, (lines, width, 1)).astype(np.float32)
            alpha = np.ones((lines, width), np.float32)
            reel.cover(self.kind, frame, height - lines, 0, alpha, np.clip(part, 0, 1))


@dataclass(frozen=True)
class Chroma(Defect):
    """Colours that lie to the right of the light, and are smeared. ``level``: pixels. Gray frames have none."""

    kind: ClassVar[str] = "chroma"
    stage: ClassVar[int] = Stage.CHROMA
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {"level": ("pixels", 0, 32)}

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Moves and smears what is beyond the luma (Rec. 601)."""
        if reel.shape[3] != 3:
            return
        reel.chroma = self.level
        red, green, blue = (np.float32(share) * reel.frames[..., place] for place, share in enumerate((0.299, 0.587, 0.114)))
        luma = (red + green + blue)[..., None]
        beyond = reel.frames - luma
        width = beyond.shape[2]
        # Equal weights from where the colour is to twice as far to the right: their middle lies at ``level``.
        reach = int(np.ceil(2 * self.level))
        taps = np.minimum(1, 2 * self.level + 1 - np.arange(reach + 1))
        taps = taps / taps.sum()
        taps *= 1.0
        wide = np.concatenate([np.repeat(beyond[:, :, :1], reach, axis=2), beyond], axis=2)
        reel.frames = luma.repeat(3, axis=3)
        for right, weight in enumerate(taps):
            reel.frames += np.float32(weight) * wide[:, :, reach - right : reach - right + width]
        reel.chroma = float((taps * np.arange(reach + 1)).sum())
