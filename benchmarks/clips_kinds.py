"""The kinds of change in the short clips of `clips_sweep.py`, `KINDS`: each makes one clip of the frames of two photographs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import film_likes
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

Pixels = NDArray[np.float32]
Kind = Callable[[Pixels, Pixels, np.random.Generator], Pixels]

COUNT, HEIGHT, WIDTH = 6, 160, 208

TURN = 2 * np.pi
ROWS, COLUMNS = (axis.astype(np.float32) for axis in np.mgrid[:HEIGHT, :WIDTH])


# -- other pictures -------------------------------------------------------------------------------------------------------


def still(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Nothing but the camera."""
    return one


def cut(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A cut to another photograph."""
    at = int(rng.integers(2, COUNT - 1))
    return np.concatenate([one[:at], other[at:]])


def mirrored(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A cut to the mirrored photograph, which is as light and has the same colours."""
    return cut(one, one[:, :, ::-1], rng)


def moment(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """One frame of another photograph."""
    at = int(rng.integers(1, COUNT - 1))
    return np.concatenate([one[:at], other[at : at + 1], one[at + 1 :]])


def fade(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """One photograph that fades into another."""
    share = np.linspace(0, 1, COUNT, dtype=np.float32)[:, None, None, None]
    return (1 - share) * one + share * other


def dissolve(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """The same over a second or two."""
    share = (rng.uniform(0, 0.7) + rng.uniform(0.02, 0.05) * np.arange(COUNT, dtype=np.float32))[:, None, None, None]
    return (1 - share) * one + share * other


def smooth_fade(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """One photograph that fades into a smooth picture."""
    tone = rng.uniform(0.1, 0.9, 3) + (rng.uniform(-0.2, 0.2, 3) * (ROWS / HEIGHT)[..., None])
    return fade(one, np.broadcast_to(tone.astype(np.float32), one.shape), rng)


# -- light ----------------------------------------------------------------------------------------------------------------


def flash(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """One frame that is lighter."""
    one[int(rng.integers(1, COUNT - 1))] *= rng.uniform(1.05, 2.5)
    return one


def dim(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """One frame that is darker."""
    one[int(rng.integers(1, COUNT - 1))] *= rng.uniform(0.1, 0.9)
    return one


def _glow(rng: np.random.Generator) -> Pixels:
    """A round light somewhere, (h, w, 1)."""
    away = (ROWS - rng.uniform(0, HEIGHT)) ** 2 + (COLUMNS - rng.uniform(0, WIDTH)) ** 2
    light: Pixels = (rng.uniform(0.05, 0.6) * np.exp(-away / rng.uniform(20, 80) ** 2))[..., None].astype(np.float32)
    return light


def spot(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """One frame that is lighter in a part of it."""
    light = _glow(rng)
    one[int(rng.integers(1, COUNT - 1))] += light
    return one


def flicker(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Light that changes by 6 % from frame to frame."""
    return one * (1 + rng.normal(0, 0.06, (COUNT, 1, 1, 1))).astype(np.float32)


def bands(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Lamps that flicker under a rolling shutter: bands of light and shade that run through the picture."""
    depth, high, pace = rng.uniform(0.05, 0.25), rng.uniform(40, 160), rng.uniform(0.05, 0.5)
    rows, times = np.arange(HEIGHT), np.arange(COUNT)
    wave = np.sin(TURN * (rows / high + pace * times[:, None] + rng.uniform()))
    return one * (1 + depth * wave)[:, :, None, None].astype(np.float32)


def to_black(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A fade to black, its last frames or all of it."""
    begin = rng.uniform(0.4, 1)
    return one * np.linspace(begin, 0, COUNT, dtype=np.float32)[:, None, None, None]


def from_black(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A fade from black, its first frames or all of it."""
    return one * np.linspace(0, rng.uniform(0.4, 1), COUNT, dtype=np.float32)[:, None, None, None]


def strobe(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Light that goes on and off from frame to frame."""
    lit = rng.random(COUNT) < 0.5
    return one * np.where(lit, 1, rng.uniform(0.05, 0.6)).astype(np.float32)[:, None, None, None]


def night(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A dark street with head lights that come nearer or pass."""
    one *= np.float32(rng.uniform(0.05, 0.2))
    for _ in range(int(rng.integers(1, 4))):
        place, speed = rng.uniform(0, 1, 2) * (HEIGHT, WIDTH), rng.normal(0, (4, 15))
        apart, size, grows = rng.uniform(6, 30), rng.uniform(1, 4), rng.uniform(0.95, 1.15)
        colour = np.array([1, rng.uniform(0.7, 1), rng.uniform(0.3, 1)], np.float32)
        for at, frame in enumerate(one):
            (row, column), own = place + at * speed, size * grows**at
            for side in (-0.5, 0.5):
                away = (ROWS - row) ** 2 + (COLUMNS - column - side * apart * grows**at) ** 2
                light = 1.5 / (1 + (away / own**2) ** 2) + 0.25 * np.exp(-away / (8 * own) ** 2)
                frame += light[..., None].astype(np.float32) * colour
    return one


def screen(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A screen in the picture that shows another film, in lines, with the band that its refresh leaves."""
    high, wide = int(rng.uniform(0.4, 0.8) * HEIGHT), int(rng.uniform(0.4, 0.8) * WIDTH)
    top, left = int(rng.integers(HEIGHT - high)), int(rng.integers(WIDTH - wide))
    fine, pace, reach = rng.uniform(2.2, 4), rng.uniform(0.05, 0.4), rng.uniform(0.1, 0.4)
    rows = np.arange(high)
    for at, frame in enumerate(one):
        shown = other[at, top : top + high, left : left + wide] * rng.uniform(0.98, 1.02)
        lines = 1 + 0.08 * np.sin(TURN * rows / fine + at)
        band = 1 - reach * (((rows / high + pace * at) % 1) < 0.3)
        frame[top : top + high, left : left + wide] = shown * (lines * band)[:, None, None]
    return one


# -- the camera -----------------------------------------------------------------------------------------------------------


def _warped(picture: Pixels, matrix: NDArray[np.float64]) -> Pixels:
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=how, borderMode=cv2.BORDER_REFLECT), np.float32)


def _around(turn: float, scale: float, down: float, right: float) -> NDArray[np.float64]:
    """The matrix that turns, enlarges and moves a picture around its middle."""
    matrix = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, scale)
    matrix[:, 2] += np.array([right, down])
    return np.asarray(matrix, np.float64)


def zoom(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A zoom, into the picture or out of it."""
    step, out = rng.uniform(0.005, 0.06), rng.random() < 0.5
    scales = np.exp(-step * np.arange(COUNT))
    return np.stack([_warped(one[0], _around(0, scale, 0, 0)) for scale in (scales[::-1] if out else scales)])


def shake(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A camera in a hand that trembles and turns."""
    far, turn = rng.uniform(0.5, 6), rng.uniform(0, 1)
    ways = rng.normal(0, 1, (COUNT, 3)) * (turn, far, far)
    return np.stack([_warped(one[0], _around(way[0], 0.92, way[1], way[2])) for way in ways])


def whip(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A camera that stands, is thrown round, blurred, and stands again."""
    speeds = rng.uniform(20, 90) * np.array([0, 0.5, 1, 1, 0.5, 0]) * (1 if rng.random() < 0.5 else -1)
    if rng.random() < 0.5:
        speeds = np.roll(speeds, -2)
    places = np.cumsum(speeds)
    made = []
    for place, speed in zip(places, speeds, strict=True):
        steps = np.linspace(0, 0.5 * speed, max(1, int(abs(speed) / 2)))
        made.append(np.mean([_warped(one[0], np.array([[1.0, 0, place - step], [0, 1, 0]])) for step in steps], axis=0))
    return np.stack(made)


# -- things ---------------------------------------------------------------------------------------------------------------


def things(one: Pixels, other: Pixels, rng: np.random.Generator, size: int) -> Pixels:
    """One to five things of ``size`` pixels that go by 15 to 50 pixels a frame: parts of another photograph or of one colour."""
    for _ in range(int(rng.integers(1, 6))):
        high, wide = np.maximum(2, size * rng.uniform(0.5, 1.5, 2)).astype(int).tolist()
        plain = np.broadcast_to(rng.uniform(0, 1, 3).astype(np.float32), (high, wide, 3))
        thing = other[0, :high, :wide] if rng.random() < 0.5 else plain
        if rng.random() < 0.3:
            thing = one.mean(axis=(0, 1, 2)) * 0.75 + thing * 0.25
        rows, columns = np.ogrid[-1 : 1 : complex(high), -1 : 1 : complex(wide)]
        inside = np.broadcast_to(rows**2 + columns**2 <= rng.choice([1, 2]), (high, wide))
        room = np.array([HEIGHT - high, WIDTH - wide])
        start, speed, angle = rng.uniform(0, 1, 2) * room, rng.uniform(15, 50), rng.uniform(0, 2 * np.pi)
        for at, frame in enumerate(one):
            top, left = ((start + at * speed * np.array([np.sin(angle), np.cos(angle)])) % room).astype(int).tolist()
            frame[top : top + high, left : left + wide][inside] = thing[inside]
    return one


def faint(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """A large faint thing before one colour: it appears, or passes."""
    made = np.broadcast_to(rng.uniform(0.15, 0.85, 3).astype(np.float32), one.shape).copy()
    size, edge = rng.uniform(15, 60), rng.uniform(1, 15)
    colour = (rng.choice([-1, 1]) * rng.uniform(3, 20) / 255 * rng.uniform(0.3, 1, 3)).astype(np.float32)
    place, speed = rng.uniform(0.2, 0.8, 2) * (HEIGHT, WIDTH), rng.normal(0, 12, 2) * (rng.random() < 0.5)
    begin = int(rng.integers(0, COUNT - 1)) if not speed.any() else 0
    for at, frame in enumerate(made):
        row, column = place + at * speed
        away = np.hypot(ROWS - row, COLUMNS - column)
        frame += (at >= begin) * np.clip((size - away) / edge, 0, 1)[..., None] * colour
    return made


def subtitles(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Lines of text that appear, change and go."""
    texts = ("", "Where were you last night?", "I do not know.", "We must go now,\nthe train leaves at nine.")
    at = sorted(rng.choice(np.arange(1, COUNT), 2, replace=False).tolist())
    shown = rng.choice(len(texts), 3, replace=False).tolist()
    font = ImageFont.load_default(float(rng.integers(9, 16)))
    for number, frame in enumerate(one):
        text = texts[shown[sum(number >= place for place in at)]]
        canvas = PillowImage.new("LA", (WIDTH, HEIGHT))
        draw = ImageDraw.Draw(canvas)
        tall = 18 * (1 + text.count("\n"))
        where = WIDTH / 2, HEIGHT - 6 - tall
        draw.multiline_text(where, text, (255, 255), font, anchor="ma", align="center", stroke_width=1, stroke_fill=(0, 255))
        value, alpha = (np.asarray(part, np.float32)[..., None] / 255 for part in canvas.split())
        frame += alpha * (value - frame)
    return one


def fan(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Blades that turn, blurred, before the picture."""
    row, column, reach = HEIGHT * rng.uniform(0.3, 0.7), WIDTH * rng.uniform(0.3, 0.7), rng.uniform(25, 75)
    count, pace, width, exposed = int(rng.integers(3, 7)), rng.uniform(0.1, 1.5), rng.uniform(0.2, 0.5), rng.uniform(0, 0.5)
    colour = rng.uniform(0, 1, 3).astype(np.float32)
    away, angle = np.hypot(ROWS - row, COLUMNS - column), np.arctan2(ROWS - row, COLUMNS - column)
    for at, frame in enumerate(one):
        parts = [
            (((angle - pace * (at + part)) * count / TURN) % 1 < width) & (away < reach) for part in np.linspace(0, exposed, 8)
        ]
        frame += np.mean(parts, axis=0)[..., None].astype(np.float32) * (colour - frame)
    return one


def _waves(rng: np.random.Generator, count: int, longest: float) -> Callable[[float], Pixels]:
    """A sum of waves that run, at a time, of deviation 1."""
    ways = rng.normal(0, 1, (count, 2))
    ways *= TURN / rng.uniform(longest / 6, longest, (count, 1)) / np.hypot(*ways.T)[:, None]
    paces, phases = rng.uniform(0.2, 1.2, count), rng.uniform(0, TURN, count)

    def at(time: float) -> Pixels:
        parts = [
            np.sin(way[0] * ROWS + way[1] * COLUMNS + pace * time + phase)
            for way, pace, phase in zip(ways, paces, phases, strict=True)
        ]
        answer: Pixels = (np.sum(parts, axis=0) * np.sqrt(2 / count)).astype(np.float32)
        return answer

    return at


def water(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """The lower half as water shows it: it wavers and glitters."""
    edge, strong = int(HEIGHT * rng.uniform(0.2, 0.6)), rng.uniform(0.5, 4)
    down, right, light = (_waves(rng, 8, 60) for _ in range(3))
    for at, frame in enumerate(one):
        rows, columns = ROWS + strong * down(at), COLUMNS + strong * right(at)
        shown = cv2.remap(frame, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        shown = 0.8 * shown + (0.8 * np.maximum(light(at) - 1.8, 0))[..., None]
        frame[edge:] = shown[edge:]
    return one


def smoke(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Smoke or mist that drifts before the picture."""
    thick, tone, waves = rng.uniform(0.1, 0.5), rng.uniform(0.4, 0.9), _waves(rng, 10, 120)
    for at, frame in enumerate(one):
        share = np.clip(thick * (0.5 + 0.5 * waves(at)), 0, 0.9)[..., None]
        frame += share * (np.float32(tone) - frame)
    return one


def sparks(one: Pixels, other: Pixels, rng: np.random.Generator) -> Pixels:
    """Sparks, rain or snow: small streaks that are elsewhere in each frame."""
    count, tone, length = int(rng.integers(10, 150)), rng.uniform(0.5, 1.2, 3).astype(np.float32), rng.uniform(1, 12)
    way = rng.uniform(0, TURN)
    for frame in one:
        canvas = PillowImage.new("L", (2 * WIDTH, 2 * HEIGHT))
        draw = ImageDraw.Draw(canvas)
        for row, column in rng.uniform(0, 1, (count, 2)) * (2 * HEIGHT, 2 * WIDTH):
            draw.line(
                (column, row, column + length * 2 * np.cos(way), row + length * 2 * np.sin(way)), 255, int(rng.integers(1, 4))
            )
        alpha = np.asarray(canvas.resize((WIDTH, HEIGHT), PillowImage.Resampling.BOX), np.float32)[..., None] / 255
        frame += 0.7 * alpha * (tone - frame)
    return one


KINDS: dict[str, Kind] = {
    kind.__name__.replace("_", "-"): kind
    for kind in (still, cut, mirrored, moment, flash, dim, spot, flicker, fade, dissolve, smooth_fade, to_black, from_black, bands)
}
KINDS |= {kind.__name__: kind for kind in (strobe, night, screen, zoom, shake, whip, faint, subtitles, fan, water, smoke, sparks)}
KINDS |= {f"things-{size}": partial(things, size=size) for size in (6, 20, 50)}
KINDS |= {
    "blinking": lambda one, other, rng: film_likes.blinking(one, rng),
    "digits": lambda one, other, rng: film_likes.timecode(one, rng),
}
