"""Damage that hides the picture: on film scratches, dust, hairs, blotches and mould; on prints creases and cracks.

Densities are per area, so that a crop has as much as the whole has there. All but scratches are new in each frame.
Sources: A. Kokaram, "Motion Picture Restoration" (Springer 1998), chapters 6 and 7: blotches last one frame, line scratches stay;
V. Bruni and D. Vitulano, "A generalized model for scratch detection" (IEEE Transactions on Image Processing 13(1), 2004): width and
profile of scratches; P. Read and M.-P. Meyer, "Restoration of Motion Picture Film" (Butterworth-Heinemann 2000), chapter 6: colours
of scratches, mould. Sizes and contrasts of dust are measured on 104 scans of slides and negatives ([wear.md](wear.md)).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.wear.reel import Defect, Reel, Stage, drawn_count, split
from pellucid.wear.shapes import branched, patchy, runs, speck, stroke, wander

__all__ = ["Blotches", "Cracks", "Creases", "Dust", "Hairs", "Mould", "Scratches"]

Pixels = NDArray[np.float32]

SHARE = "share of bright ones", 0.0, 1.0

LAYERS = np.array([[0.35, 0.85, 0.45], [0.9, 0.85, 0.35], [0.35, 0.55, 0.95], [0.4, 0.85, 0.9]], np.float32)
"""Colours of scratches that reach one or two of a colour film's layers: green, yellow, blue, cyan (Read and Meyer)."""


def _tone(bright: bool, rng: np.random.Generator) -> Pixels:
    """The colour (3,) of what lies on film: nearly white (dust on the negative), or nearly black."""
    value = rng.uniform(0.8, 1.0) if bright else rng.uniform(0.0, 0.22)
    return (value + rng.normal(0, 0.02, 3)).astype(np.float32)


def _places(reel: Reel, level: float, rng: np.random.Generator) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """A frame and a place (row, column) in it for each of ``level`` things in 100,000 pixels."""
    count, height, width, _ = reel.shape
    for _ in range(drawn_count(level * count * height * width / 100_000, rng)):
        yield int(rng.integers(count)), rng.uniform(0, (height, width))


@dataclass(frozen=True)
class Scratches(Defect):
    """Vertical scratches: they stay from frame to frame and wander.

    ``level``: how many there are in 1000 columns (mean). ``bright`` and ``coloured`` are shares, the rest is dark; ``broken`` is
    the share of those with gaps; ``wide`` the greatest width in pixels, the least is 1; ``wander`` by how many pixels they move to
    and fro (standard deviation).
    """

    bright: float = 0.5
    coloured: float = 0.2
    broken: float = 0.4
    wide: float = 3.0
    wander: float = 1.0
    kind: ClassVar[str] = "scratches"
    stage: ClassVar[int] = Stage.COVER
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("scratches in 1000 columns", 0, 1000),
        "bright": SHARE,
        "coloured": ("share of coloured ones", 0, 1),
        "broken": ("share of broken ones", 0, 1),
        "wide": ("greatest width in pixels", 1, 20),
        "wander": ("pixels of wandering", 0, 50),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws scratches for all frames."""
        reel.covering(self.kind)
        for _ in range(drawn_count(self.level * reel.shape[2] / 1000, rng)):
            self._one(reel, rng)

    def _one(self, reel: Reel, rng: np.random.Generator) -> None:
        count, height, width, channels = reel.shape
        draw = rng.random()
        if draw < self.coloured:
            tone = LAYERS[int(rng.integers(len(LAYERS)))] * np.float32(rng.uniform(0.8, 1.05))
        else:
            tone = _tone((draw - self.coloured) < self.bright * (1 - self.coloured), rng)
        colour = split(np.clip(tone, 0, 1), channels)
        wide, strength = rng.uniform(1, self.wide), rng.uniform(0.35, 1.0)
        # Most stay for all frames; the rest begin or end.
        first, last = 0, count
        if rng.random() < 0.25 and count > 1:
            edge = int(rng.integers(1, count))
            first, last = (edge, count) if rng.random() < 0.5 else (0, edge)
        span = last - first
        # A scratch goes on from frame to frame: place and strength are functions of the length of film.
        film = np.arange(span)[:, None] + np.arange(height)[None] / height
        steps = np.zeros(span)
        for number in range(1, span):
            steps[number] = 0.9 * steps[number - 1] + rng.normal(0, 0.44 * self.wander)
        lean = rng.normal(0, 0.002) * height if height > 1 else 0.0
        place = rng.uniform(0, width) + steps[:, None] + lean * (film - np.floor(film) - 0.5)
        place = place + 0.4 * self.wander * np.sin(2 * np.pi * (film * rng.uniform(0.2, 1.5) + rng.random()))
        along = strength * (0.75 + 0.25 * np.sin(2 * np.pi * (film * rng.uniform(0.3, 3) + rng.random())))
        if rng.random() < self.broken:
            there, gone = rng.uniform(12, 90), rng.uniform(4, 50)
            along = along * runs(span * height, there, gone, rng).reshape(span, height)
        reach = int(np.ceil(wide / 2 + 1))
        columns = np.floor(place).astype(np.int64)[..., None] + np.arange(-reach, reach + 1)
        far = np.abs(columns - place[..., None])
        alpha = np.clip(wide / 2 + 0.5 - far, 0, 1) * along[..., None]
        left, right = max(0, int(columns.min())), min(width, int(columns.max()) + 1)
        if left >= right:
            return
        # Columns outside of the frames share one that is left out.
        cover = np.zeros((span, height, right - left + 1), np.float32)
        columns[(columns < left) | (columns >= right)] = right
        cover[np.arange(span)[:, None, None], np.arange(height)[None, :, None], columns - left] = alpha
        for number in range(span):
            reel.cover(self.kind, first + number, 0, left, cover[number, :, :-1], colour)


@dataclass(frozen=True)
class Dust(Defect):
    """Specks of dust: each lasts one frame.

    ``level``: specks in 10,000 pixels of a frame (mean). ``bright``: share of white ones (dust on a negative), the others are dark.
    ``radius``: median in pixels; sizes are log-normal, a quarter above 1.4 times the median.
    """

    bright: float = 0.5
    radius: float = 1.1
    kind: ClassVar[str] = "dust"
    stage: ClassVar[int] = Stage.COVER
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("specks in 10,000 pixels", 0, 1000),
        "bright": SHARE,
        "radius": ("radius in pixels", 0.5, 20),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws specks for each frame."""
        reel.covering(self.kind)
        count, height, width, channels = reel.shape
        many = drawn_count(self.level * count * height * width / 10_000, rng)
        radii = np.clip(self.radius * np.exp(0.5 * rng.standard_normal(many)), 0.6, 8 * self.radius)
        frames = rng.integers(count, size=many)
        tops, lefts = rng.integers(height, size=many), rng.integers(width, size=many)
        softs = rng.uniform(0.8, 1.6, many)
        strengths = rng.uniform(0.3, 1.0, many).astype(np.float32)
        brights = rng.random(many) < self.bright
        for radius, frame, top, left, soft, strength, bright in zip(
            radii, frames, tops, lefts, softs, strengths, brights, strict=True
        ):
            alpha = speck(float(radius), float(soft), rng) * strength
            half = len(alpha) // 2
            reel.cover(self.kind, frame, top - half, left - half, alpha, split(_tone(bool(bright), rng), channels))


@dataclass(frozen=True)
class Hairs(Defect):
    """Hairs and fibres: curved lines; each lasts one frame.

    ``level``: hairs in 100,000 pixels of a frame (mean). ``bright``: share of white ones. ``long``: greatest length in pixels, the
    least is a quarter of it; ``wide``: greatest width in pixels, the least is 0.8.
    """

    bright: float = 0.5
    long: float = 80.0
    wide: float = 2.0
    kind: ClassVar[str] = "hairs"
    stage: ClassVar[int] = Stage.COVER
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("hairs in 100,000 pixels", 0, 1000),
        "bright": SHARE,
        "long": ("greatest length in pixels", 4, 2000),
        "wide": ("greatest width in pixels", 0.8, 20),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws hairs for each frame."""
        reel.covering(self.kind)
        count, height, width, channels = reel.shape
        for _ in range(drawn_count(self.level * count * height * width / 100_000, rng)):
            length = rng.uniform(self.long / 4, self.long)
            points = wander(max(3, int(length)), 1.0, 0.06, 1.5 / length, rng)
            points += rng.uniform(0, (height, width)) - points[len(points) // 2]
            # A hair is thinner at its ends.
            taper = 1 - 0.5 * np.abs(np.linspace(-1, 1, len(points))) ** 3
            top, left, alpha = stroke(points, rng.uniform(0.8, self.wide) * taper, float(rng.uniform(0.4, 1.0)))
            tone = split(_tone(rng.random() < self.bright, rng), channels)
            reel.cover(self.kind, int(rng.integers(count)), top, left, alpha, tone)


@dataclass(frozen=True)
class Blotches(Defect):
    """Blotches: dirt or torn emulsion, larger than dust, with no regular outline and often translucent; each lasts one frame.

    ``level``: blotches in 100,000 pixels of a frame (mean). ``bright``: share of bright ones. ``radius``: median in pixels; sizes
    are log-normal.
    """

    bright: float = 0.5
    radius: float = 7.0
    kind: ClassVar[str] = "blotches"
    stage: ClassVar[int] = Stage.COVER
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("blotches in 100,000 pixels", 0, 1000),
        "bright": SHARE,
        "radius": ("radius in pixels", 2, 200),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws blotches for each frame."""
        reel.covering(self.kind)
        count, height, width, channels = reel.shape
        for _ in range(drawn_count(self.level * count * height * width / 100_000, rng)):
            radius = float(np.clip(self.radius * np.exp(0.5 * rng.standard_normal()), 2, 4 * self.radius))
            alpha = speck(radius, float(rng.uniform(1, 4)), rng)
            # Holes and thin places.
            texture = patchy((len(alpha), len(alpha)), max(2.0, radius / 2), rng)
            alpha *= np.clip(rng.uniform(0.6, 1.8) + 1.5 * (texture - 0.5), 0, 1) * np.float32(rng.uniform(0.5, 1.0))
            tone = _tone(rng.random() < self.bright, rng)
            if rng.random() < 0.3:
                tone = np.clip(tone + rng.uniform(-0.25, 0.25, 3).astype(np.float32), 0, 1)
            top, left = int(rng.integers(height)) - len(alpha) // 2, int(rng.integers(width)) - len(alpha) // 2
            reel.cover(self.kind, int(rng.integers(count)), top, left, alpha, split(tone, channels))


@dataclass(frozen=True)
class Creases(Defect):
    """Folds of prints: nearly straight lines through the picture where the paper shows, with a shade along one side.

    ``level``: creases in a frame (mean), whatever its size. ``wide``: greatest width of the line in pixels, the least is 1.
    """

    wide: float = 3.0
    kind: ClassVar[str] = "creases"
    stage: ClassVar[int] = Stage.COVER
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("creases in a frame", 0, 100),
        "wide": ("greatest width in pixels", 1, 50),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws creases for each frame."""
        reel.covering(self.kind)
        count, height, width, channels = reel.shape
        for frame in range(count):
            for _ in range(drawn_count(self.level, rng)):
                middle, angle = rng.uniform(0, (height, width)), rng.uniform(0, np.pi)
                long = float(rng.uniform(0.4, 1.0) * np.hypot(height, width))
                line = np.linspace(-long / 2, long / 2, max(3, int(long / 0.9)))
                bow = rng.normal(0, 0.03) * long * (1 - (2 * line / long) ** 2)
                bow = bow + np.cumsum(rng.normal(0, 0.15, len(line))) + rng.normal(0, 0.25, len(line))
                ahead, aside = (
                    np.array([np.sin(angle), np.cos(angle)]),
                    np.array([np.cos(angle), -np.sin(angle)]),
                )
                points = middle + line[:, None] * ahead + bow[:, None] * aside
                near = ((points > -8) & (points < (height + 8, width + 8))).all(axis=1)
                if near.sum() < 2:
                    continue
                points = points[near]
                wide = float(rng.uniform(1, self.wide))
                # Beside the fold the paper is bent towards the light, or away from it.
                shade = np.zeros(3, np.float32) if rng.random() < 0.6 else np.ones(3, np.float32)
                top, left, alpha = stroke(points + aside * wide, 1.5 * wide + 1, float(rng.uniform(0.05, 0.2)))
                reel.cover(self.kind, frame, top, left, alpha, split(shade, channels))
                along = np.interp(np.arange(len(points)), 9 * np.arange(len(points) // 9 + 2), rng.random(len(points) // 9 + 2))
                strength = np.clip(rng.uniform(0.3, 1.0) + 1.6 * (along - 0.5), 0, 1).astype(np.float32)
                paper = np.array([0.95, 0.92, 0.85], np.float32) * np.float32(rng.uniform(0.85, 1.05))
                top, left, alpha = stroke(points, wide * (0.3 + along), strength)
                reel.cover(self.kind, frame, top, left, alpha, split(np.clip(paper, 0, 1), channels))


@dataclass(frozen=True)
class Cracks(Defect):
    """Cracks of an emulsion or a varnish: thin lines that fork.

    ``level``: cracks in 100,000 pixels of a frame (mean). ``bright``: share of those in which the paper shows; in others there is
    dirt. ``long``: greatest length of a trunk in pixels, the least is a quarter of it.
    """

    bright: float = 0.6
    long: float = 150.0
    kind: ClassVar[str] = "cracks"
    stage: ClassVar[int] = Stage.COVER
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("cracks in 100,000 pixels", 0, 1000),
        "bright": SHARE,
        "long": ("greatest length in pixels", 4, 5000),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws cracks for each frame."""
        reel.covering(self.kind)
        for frame, start in _places(reel, self.level, rng):
            tone = split(_tone(rng.random() < self.bright, rng), reel.shape[3])
            strength = float(rng.uniform(0.5, 1.0))
            for line in branched(float(rng.uniform(self.long / 4, self.long)), 0.18, int(rng.integers(0, 5)), rng):
                wide = rng.uniform(0.9, 2.2) * np.linspace(1, 0.5, len(line))
                reel.cover(self.kind, frame, *stroke(line + start, wide, strength), tone)


@dataclass(frozen=True)
class Mould(Defect):
    """Mould: threads that grow from a point and fork, with a clouded patch around it.

    ``level``: growths in 100,000 pixels of a frame (mean). ``bright``: share of those that have eaten the emulsion of a positive;
    others are dark. ``radius``: median length of the threads in pixels.
    """

    bright: float = 0.5
    radius: float = 14.0
    kind: ClassVar[str] = "mould"
    stage: ClassVar[int] = Stage.COVER
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("growths in 100,000 pixels", 0, 1000),
        "bright": SHARE,
        "radius": ("length of threads in pixels", 3, 500),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Draws growths for each frame."""
        reel.covering(self.kind)
        for frame, start in _places(reel, self.level, rng):
            radius = float(np.clip(self.radius * np.exp(0.4 * rng.standard_normal()), 3, 4 * self.radius))
            tone = _tone(rng.random() < self.bright, rng)
            tone = split(np.clip(tone + rng.normal(0, 0.06, 3).astype(np.float32), 0, 1), reel.shape[3])
            cloud = speck(0.6 * radius, 0.6 * radius, rng) * np.float32(rng.uniform(0.05, 0.3))
            top, left = (int(place) - len(cloud) // 2 for place in start)
            reel.cover(self.kind, frame, top, left, cloud, tone)
            threads = int(rng.integers(4, 9))
            lines: list[NDArray[np.float64]] = []
            for number in range(threads):
                toward = 2 * np.pi * (number + rng.uniform(-0.3, 0.3)) / threads
                lines += branched(radius * rng.uniform(0.5, 1.2), 0.25, int(rng.integers(1, 4)), rng, toward=toward)
            points = np.concatenate(lines) + start
            top, left, alpha = stroke(points, float(rng.uniform(0.8, 1.6)), float(rng.uniform(0.4, 0.9)))
            reel.cover(self.kind, frame, top, left, alpha, tone)
