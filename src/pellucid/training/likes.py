"""Things in clips that look like damage and are none, drawn before photographs that move: points, strands and lines that stay,
pass, fall, sway, turn or blink.

Each clip gets one kind of thing, and one way to go. They are made of a few shapes and motions, so that a network which learns from
them learns what motion looks like, and not some pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw

from pellucid.images import Pixels
from pellucid.wear import shapes

__all__ = ["KINDS", "drawn"]

Values = NDArray[np.float64]
Draw = Callable[[Any, float], None]
"""Draws what is there at a time, in frames, on a canvas of `FINE` times the size."""

FINE = 4
TURN = 2 * np.pi
LETTERS = "iIl1|!.,:;'-/ehnorstuTHEL40 "


def drawn(frames: Pixels, times: Sequence[int], rng: np.random.Generator, kinds: Sequence[str] | None = None) -> Pixels:
    """Frames (n, h, w, channels) at ``times`` with one of ``kinds`` (None: any of `KINDS`) before them; in some it is darker, as
    where things glow."""
    names = list(KINDS) if kinds is None else list(kinds)
    shares = np.array([KINDS[name][0] for name in names])
    name = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    height, width, channels = frames.shape[1:]
    layers = [_layer(height, width, draw, times) for draw in _draws(name, height, width, rng)]
    glows = rng.random() < (0.5 if name in GLOWING else 0.1)
    made = frames * np.float32(np.exp(rng.uniform(np.log(0.08), 0)) if glows else 1.0)
    for shown in layers:
        colour = np.full(3, rng.uniform(0.75, 1) if glows or rng.random() < 0.4 else rng.random())
        if rng.random() < 0.3:
            colour = np.clip(colour + rng.normal(0, 0.3, 3), 0, 1)
        strength = np.float32(rng.uniform(0.4, 1))
        soft = 0 if rng.random() < 0.7 else int(rng.integers(1, 4))
        for frame, share in zip(made, shown, strict=True):
            frame += strength * shapes.softened(share, soft)[..., None] * (colour[:channels].astype(np.float32) - frame)
    return made


def _draws(name: str, height: int, width: int, rng: np.random.Generator) -> list[Draw]:
    """One drawing, or several of other colours."""
    many = int(rng.integers(2, 5)) if name in COLOURFUL and rng.random() < 0.5 else 1
    return [KINDS[name][1](height, width, many, rng) for _ in range(many)]


def _layer(height: int, width: int, draw: Draw, times: Sequence[int]) -> list[Pixels]:
    made = []
    for time in times:
        canvas = PillowImage.new("L", (FINE * width, FINE * height))
        draw(ImageDraw.Draw(canvas), time)
        made.append(np.asarray(canvas.reduce(FINE), np.float32) / np.float32(255))
    return made


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    """Small values as likely as great ones."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _line(on: Any, points: ArrayLike, wide: float, fill: float = 255) -> None:
    places = FINE * np.asarray(points, np.float64)
    on.line([(x, y) for x, y in places.tolist()], fill=int(fill), width=max(1, round(FINE * wide)))


def _shape(on: Any, points: Values, fill: float) -> None:
    on.polygon([(x, y) for x, y in (FINE * points).tolist()], fill=int(fill))


# -- points -----------------------------------------------------------------------------------------------------------


def _ways(
    height: int, width: int, size: Values, rng: np.random.Generator
) -> tuple[Callable[[float], Values], Callable[[float], Values]]:
    """Where points are, (n, 2) with x before y, and how fast they go, at a time."""
    room, count = np.array([width, height], np.float64), len(size)
    start = rng.uniform(0, room, (count, 2))
    if rng.random() < 0.2:
        # A swarm, or a fire.
        start = room * rng.uniform(0.2, 0.8, 2) + rng.normal(0, rng.uniform(0.05, 0.3) * width, (count, 2))
    law = str(rng.choice(["stay", "pan", "fall", "drift", "wander", "turn", "burst"], p=[0.2, 0.12, 0.25, 0.13, 0.12, 0.1, 0.08]))
    swing, pace, phase = _between(0.3, 12, rng) * (rng.random() < 0.5), rng.uniform(0.1, 1.6), rng.uniform(0, TURN, count)
    common = _between(0.5, 30, rng) * np.array([np.cos(angle := rng.uniform(0, TURN)), np.sin(angle)])
    each = np.zeros((count, 2))
    if law in ("fall", "drift"):
        nearer = size / size.mean() if law == "fall" else np.ones(count)
        spread = rng.uniform(0.02, 0.5) * float(np.hypot(*common))
        each = common * nearer[:, None] + rng.normal(0, spread, (count, 2))
    elif law == "pan":
        each = np.broadcast_to(common, (count, 2))
    elif law == "wander":
        steps = np.cumsum(rng.normal(0, _between(1, 10, rng), (64, count, 2)), axis=0)
        return lambda time: (start + steps[round(time) + 16]) % room, lambda time: steps[round(time) + 16] - steps[round(time) + 15]
    elif law in ("turn", "burst"):
        middle = room * rng.uniform(0, 1, 2)
        away, turn, growth = start - middle, _between(0.003, 0.06, rng) * rng.choice([-1, 1]), _between(0.02, 0.4, rng)
        if law == "turn":

            def at(time: float) -> Values:
                cos, sin = np.cos(turn * time), np.sin(turn * time)
                return np.asarray(middle + away @ np.array([[cos, sin], [-sin, cos]]))

        else:

            def at(time: float) -> Values:
                return np.asarray(middle + away * np.exp(growth * time))

        return at, lambda time: at(time + 0.5) - at(time - 0.5)

    def place(time: float) -> Values:
        here = start + each * time
        here[:, 0] += swing * (np.sin(pace * time + phase) - np.sin(phase))
        return np.asarray((here + 20) % (room + 40) - 20)

    return place, lambda time: np.asarray(each)


def _points(height: int, width: int, many: int, rng: np.random.Generator) -> Draw:
    """Snow, rain, stars, sparks, insects, paper, glitter."""
    shape = str(rng.choice(["dot", "streak", "paper", "flat"], p=[0.5, 0.25, 0.15, 0.1]))
    size = _between(0.4, 6, rng) * np.exp(rng.normal(0, rng.uniform(0, 0.5), 2000))
    most = height * width / (4 * np.square(size[:50]).mean() + 8) / 12
    count = max(4, int(_between(min(8, most), min(2000, max(most, 9)), rng)) // many)
    size = size[:count]
    place, speed = _ways(height, width, size, rng)
    law = str(rng.choice(["always", "blinks", "glitters"], p=[0.7, 0.15, 0.15]))
    phase, pace, fill = rng.uniform(0, TURN, count), rng.uniform(0.3, 2.2, count), rng.uniform(rng.uniform(60, 255), 255, count)
    turn, exposed, long = rng.uniform(-1.2, 1.2, count), rng.uniform(0.2, 1), _between(2, 30, rng)
    lean, wide = rng.normal(0, 0.4), _between(0.4, 3, rng)

    def draw(on: Any, time: float) -> None:
        light = np.sin(pace * time + phase)
        seen = fill if law == "always" else fill * ((light > 0) if law == "blinks" else np.maximum(light, 0))
        for (x, y), (across, down), half, tone, angle in zip(
            place(time), speed(time), size, seen, turn * time + phase, strict=True
        ):
            if tone < 8:
                continue
            if shape == "streak":
                far = (
                    exposed * np.array([across, down])
                    if np.hypot(across, down) > 4
                    else long * np.array([np.sin(lean), np.cos(lean)])
                )
                _line(on, np.array([x, y]) + np.outer([-0.5, 0.5], far), wide, tone)
            elif shape == "paper":
                corner = half * np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [1, max(0.1, abs(np.sin(angle)))]
                cos, sin = np.cos(phase[0] + angle / 3), np.sin(phase[0] + angle / 3)
                _shape(on, np.array([x, y]) + corner @ np.array([[cos, sin], [-sin, cos]]), tone)
            else:
                low = half * (0.4 if shape == "flat" else 1)
                on.ellipse([FINE * (x - half), FINE * (y - low), FINE * (x + half), FINE * (y + low)], fill=int(tone))

    return draw


# -- lines ------------------------------------------------------------------------------------------------------------


def _together(rng: np.random.Generator) -> Callable[[float], Values]:
    """How far a thing has gone as a whole, (x, y), at a time."""
    law, angle = rng.random(), rng.uniform(0, TURN)
    step = np.zeros(2) if law < 0.3 else _between(0.2, 24, rng) * np.array([np.cos(angle), 0.3 * np.sin(angle)])
    swing = _between(0.5, 12, rng) * (rng.random() < 0.4)
    pace, phase = rng.uniform(0.05, 0.8), rng.uniform(0, TURN)
    return lambda time: (
        step * time + swing * (np.sin(pace * time + phase) - np.sin(phase)) * np.array([np.cos(angle), np.sin(angle)])
    )


def _strands(height: int, width: int, many: int, rng: np.random.Generator) -> Draw:
    """Hair, fur, grass and twigs."""
    count, side = int(_between(10, 180, rng)), rng.uniform(0.05, 0.6) * width
    root = np.stack([rng.uniform(0.1, 0.9) * width + rng.uniform(-side, side, count), np.zeros(count)], axis=1)
    up = rng.random() < 0.5
    root[:, 1] = height if up else 0
    if rng.random() < 0.3:
        root[:, 1] = rng.uniform(0, height, count)
    long, slant = (
        rng.uniform(0.15, 0.9) * height * rng.uniform(0.5, 1, count),
        rng.normal(rng.normal(0, 0.3), rng.uniform(0.05, 0.4), count),
    )
    bend = rng.normal(0, rng.uniform(0.05, 0.6), count)
    gone, sways, pace = (
        _together(rng),
        rng.uniform(0, 0.25) * (rng.random() < 0.6),
        rng.uniform(0.1, 1.2) * rng.uniform(0.7, 1.3, count),
    )
    phase, fill, wide = rng.uniform(0, rng.choice([0.5, TURN]), count), rng.uniform(100, 255, count), _between(0.4, 2, rng)
    away = np.linspace(0, 1, 24)[:, None]
    way = -1 if up else 1

    def draw(on: Any, time: float) -> None:
        aside = slant * away + (bend + sways * np.sin(pace * time + phase)) * away * away
        points = np.stack([root[:, 0] + long * aside, root[:, 1] + way * long * away], axis=-1) + gone(time)
        for strand, tone in zip(points.swapaxes(0, 1), fill, strict=True):
            _line(on, strand, wide, tone)

    return draw


def _wires(height: int, width: int, many: int, rng: np.random.Generator) -> Draw:
    """Wires and ropes, straight or sagging, at any slant."""
    count, gone = int(rng.integers(1, 13)), _together(rng)
    middle, fans = rng.uniform(-0.3, 1.3, (count, 2)) * [width, height], rng.uniform(0, 0.6)
    angle = rng.uniform(0, np.pi) + rng.normal(0, fans, count)
    if rng.random() < 0.3:
        angle = rng.choice([0.0, np.pi / 2], count) + rng.normal(0, 0.08, count)
    sag, wide, along = rng.uniform(0, 60) * (rng.random() < 0.5), _between(0.5, 3, rng), np.linspace(-1, 1, 24)
    sways, pace = rng.uniform(0, 4) * (rng.random() < 0.3), rng.uniform(0.2, 1.2)
    phase = rng.uniform(0, TURN, count)

    def draw(on: Any, time: float) -> None:
        for place, way, own in zip(middle + gone(time), angle, phase, strict=True):
            points = place + np.outer(along, [np.cos(way), np.sin(way)]) * (height + width)
            points[:, 1] += (sag + sways * np.sin(pace * time + own)) * (1 - along**2)
            _line(on, points, wide)

    return draw


def _posts(height: int, width: int, many: int, rng: np.random.Generator) -> Draw:
    """Pickets, posts, masts, trunks, slats and reeds: upright lines that stay, pass, rock, or grow wider."""
    gap, gone = _between(8, 70, rng), _together(rng)
    count = min(60, int(3 * width / gap))
    x = np.arange(count) * gap - width
    if rng.random() < 0.4:
        count = int(rng.integers(1, 16))
        x = rng.uniform(-0.1, 1.1, count) * width
    even = rng.random() < 0.5
    top = height * (rng.uniform(-0.1, 0.5) + (0.0 if even else rng.uniform(0, 0.4)) * rng.random(count))
    foot = height * (1.05 if rng.random() < 0.5 else rng.uniform(0.7, 1))
    lean = rng.normal(0, rng.uniform(0, 0.03), count)
    rocks, pace, phase = (
        _between(0.004, 0.08, rng) * (rng.random() < 0.4),
        rng.uniform(0.1, 1),
        rng.uniform(0, rng.choice([0.3, TURN]), count),
    )
    wide, grows = _between(0.5, 5, rng), rng.uniform(0, 0.6) * (rng.random() < 0.2)
    bars = height * rng.uniform(0.2, 0.9, int(rng.integers(1, 4))) if rng.random() < 0.3 else ()
    stays = rng.uniform(4, 40, 2) * rng.choice([-1, 1], 2) if rng.random() < 0.25 else ()

    def draw(on: Any, time: float) -> None:
        across, down = gone(time)
        tips = x + (lean + rocks * np.sin(pace * time + phase)) * (foot - top)
        for own, tip, high in zip(x + across, tips + across, top + down, strict=True):
            _line(on, [(own, foot + down), (tip, high)], max(0.3, wide + grows * time))
            for aside in stays:
                _line(on, [(own + aside, foot + down), (tip, high)], 0.5, 200)
        for bar in bars:
            _line(on, [(0, bar + down), (width, bar + down)], wide)

    return draw


def _lattice(height: int, width: int, many: int, rng: np.random.Generator) -> Draw:
    """Fences of crossing wires, nets and window bars."""
    gap, gone, wide = _between(10, 50, rng), _together(rng), _between(0.5, 2.5, rng)
    slants = rng.uniform(0.3, 1.5) * np.array([-1, 1]) if rng.random() < 0.7 else rng.normal(0, 0.03, 2)
    reach = height + width

    def draw(on: Any, time: float) -> None:
        across, down = gone(time)
        for slant in slants:
            for x in np.arange(-reach, 2 * reach, gap) + (across - slant * down) % gap:
                _line(on, [(x, 0), (x + slant * height, height)], wide)

    return draw


def _writing(height: int, width: int, many: int, rng: np.random.Generator) -> Draw:
    """Titles that stay, roll or come, and figures that change."""
    size, gone, rows = rng.uniform(8, 40), _together(rng), int(rng.integers(1, 5))
    place = rng.uniform(0, 0.5, 2) * [width, height]
    changes, rolls = rng.random() < 0.3, rng.random() < 0.3
    seed = int(rng.integers(2**31))
    comes = int(rng.integers(-1, 3)) if rng.random() < 0.3 else -99

    def draw(on: Any, time: float) -> None:
        if time < comes:
            return
        words = np.random.default_rng(seed + round(time) if changes else seed)
        here = place + (gone(time) if rolls else 0)
        for row in range(rows):
            text = "".join(words.choice(list(LETTERS), int(words.integers(3, 24))))
            on.text((FINE * here[0], FINE * (here[1] + 1.3 * size * row)), text, fill=255, font_size=FINE * size)

    return draw


KINDS: dict[str, tuple[float, Callable[[int, int, int, np.random.Generator], Draw]]] = {
    "points": (0.38, _points),
    "strands": (0.18, _strands),
    "posts": (0.2, _posts),
    "wires": (0.1, _wires),
    "lattice": (0.06, _lattice),
    "writing": (0.08, _writing),
}
"""By name the share of the clips that have it, and what makes its drawing."""

GLOWING, COLOURFUL = ("points",), ("points",)
