"""The user's wishes for colours (hints at places, scribbles, a picture whose colours are liked, a palette), and how they change a
proposal.

Chroma is on the even scale of `pellucid.colour`. Hints are an array (n, 4) of y, x in pixels of the small picture, and chroma.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import alphas, colour, files, images, regular, spreading
from pellucid.errors import OptionError
from pellucid.images import Image, Pixels
from pellucid.tasks import ColorizeSettings
from pellucid.tasks.settings import Attached, Setting

__all__ = ["colours_of", "drawn", "gathered", "likened", "main_colours", "restricted", "small_lab", "trusted"]

MOST = 2000
"""Hints that are used at most: of a scribble with more pixels in the small picture, as many evenly spread."""

LONGEST = 2**20
"""Bytes of a JSON file of hints: many times what `MOST` of them take."""

COVERED = 0.35
"""The share of a small picture's pixel that a scribble must cover to be a hint there."""

REFERENCE = 256
"""Longest side in pixels at which a reference is looked at."""

LOOKED_AT = 400
"""Pixels of a reference, drawn at random, whose colours are taken."""

LIKED = 0.9
"""The most that a reference counts against the proposal. It counts less where it has many colours for such a place. This and the
next five were chosen on the pairs of benchmarks/likes.txt."""

SPREAD = 12.0
"""The standard deviation, on the even scale, of a reference's colours for such a place at which it counts half."""

ALIKE = 0.6
"""Steps, those of `pellucid.spreading`, that are the standard deviation of likeness."""

FEW = 2.0
"""As many pixels of the reference that are wholly alike count half."""

HIGH = 2.0
"""Steps from the upper edge of a picture to the lower one."""

PROPOSED = 8.0
"""Chroma on the even scale that two proposals differ by, as one step."""

TRIED = 4
"""Places that another proposal gives a colour of its own."""


# -- hints ------------------------------------------------------------------------------------------------------------


def gathered(settings: ColorizeSettings, shape: tuple[int, int], size: tuple[int, int]) -> Pixels:
    """The hints of the settings and of their file, for a picture of ``shape`` that is looked at in ``size``; the later one of two
    for one pixel counts.

    Raises `OptionError` for one outside the picture.
    """
    listed = [] if settings.hints is None else _in_file(settings.hints, size, shape)
    rows = [*listed, *(_placed(x, y, code, shape, size) for x, y, code in settings.hint)]
    last = {(int(row[0]), int(row[1])): row for row in rows}
    return np.array(list(last.values()), np.float32).reshape(-1, 4)


def _placed(x: int, y: int, code: str, shape: tuple[int, int], size: tuple[int, int]) -> tuple[float, ...]:
    height, width = shape
    if x >= width or y >= height:
        raise OptionError(f"hint {x},{y} lies outside the picture, which is {width} pixels wide and {height} high")
    return ((y + 0.5) * size[0] / height, (x + 0.5) * size[1] / width, *map(float, _even(code)))


def _even(code: str) -> NDArray[np.float32]:
    values = np.array([int(code[place : place + 2], 16) for place in (1, 3, 5)], np.float32) / 255
    return colour.even_of(colour.lab_of(values)[1:])


def colours_of(text: str) -> Pixels:
    """Chroma (n, 2) of a list of colours with commas between, as `Setting` of the kind ``palette`` keeps it."""
    return np.stack([_even(code) for code in text.split(",")])


def _in_file(attached: Attached, size: tuple[int, int], shape: tuple[int, int]) -> list[tuple[float, ...]]:
    """The hints of a JSON file, or of the scribbles in a picture with alpha."""
    if attached.name.lower().endswith(".json"):
        return [_placed(x, y, code, shape, size) for x, y, code in _listed(attached)]
    if not files.names_picture(Path(attached.name)):
        raise OptionError(f"{attached.name}: hints are a .json file or a picture with alpha")
    picture = files.read(attached.file)
    if picture.alpha is None:
        raise OptionError(f"{attached.name}: a picture of hints has alpha, 0 where nothing is said")
    return _scribbled(picture, size)


def _listed(attached: Attached) -> list[Any]:
    form = f'{attached.name}: hints are a list such as [[120, 80, "#87ceeb"]]'
    row = Setting("a hint", kind="hint", name="hint")
    try:
        with regular.opened(attached.file) as content:
            text = content.read(LONGEST + 1)
        entries = [] if len(text) > LONGEST else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(form) from error
    if not isinstance(entries, list):
        raise OptionError(form)
    if len(entries) > MOST or len(text) > LONGEST:
        raise OptionError(f"{attached.name}: at most {MOST} hints are taken from a file")
    try:
        return [row.check(entry) for entry in entries]
    except OptionError as error:
        raise OptionError(f"{form}; {error}") from error


def _scribbled(picture: Image, size: tuple[int, int]) -> list[tuple[float, ...]]:
    picture = images.floating(picture)
    opaque = np.clip(np.asarray(picture.alpha, np.float32) / np.float32(alphas.opaque_of(picture)), 0, 1)
    pixels = np.repeat(picture.pixels, 3 // picture.pixels.shape[2], axis=2) * opaque[..., None]
    box = PillowImage.Resampling.BOX
    cover = images.resized(opaque[..., None], *size, box)[..., 0]
    shown = images.resized(pixels, *size, box) / np.maximum(cover, 1e-6)[..., None]
    rows, columns = np.nonzero(cover >= COVERED)
    if not len(rows):
        raise OptionError("the picture of hints shows no colour: alpha is 0 or nearly so everywhere")
    step = -(-len(rows) // MOST)
    rows, columns = rows[::step], columns[::step]
    even = colour.even_of(colour.lab_of(shown[rows, columns])[:, 1:])
    return [(y + 0.5, x + 0.5, *map(float, value)) for y, x, value in zip(rows, columns, even, strict=True)]


def drawn(number: int, bright: Pixels, hints: Pixels) -> Pixels:
    """The hints, and for proposals beyond the first (``number`` 0) a few more of colours drawn at random.

    Places and colours depend on the number alone, and on the picture's light: colours are as far from the usual one for that light
    as those of photographs are.
    """
    if number == 0:
        return hints
    rng = np.random.default_rng(number)
    height, width = bright.shape
    rows, columns = rng.uniform(0, height, TRIED), rng.uniform(0, width, TRIED)
    usual = colour.by_light(bright[rows.astype(int), columns.astype(int)])
    even = usual + rng.normal(0, 14, (TRIED, 2))
    return np.concatenate([hints, np.column_stack([rows, columns, even]).astype(np.float32)])


# -- a reference ------------------------------------------------------------------------------------------------------


def small_lab(picture: Image, name: str) -> Pixels:
    """CIELAB (h, w, 3) of a picture, small; `OptionError` for a gray one."""
    picture = images.floating(picture)
    height, width, channels = picture.pixels.shape
    if channels == 1:
        raise OptionError(f"{name}: it is gray, and its colours are asked for")
    share = min(1.0, REFERENCE / max(height, width))
    small = images.resized(picture.pixels, max(1, round(height * share)), max(1, round(width * share)), images.BICUBIC)
    return colour.lab_of(np.clip(small, 0, 1))


def likened(bright: Pixels, proposed: Pixels, reference: tuple[Pixels, Pixels, Pixels], hints: NDArray[np.floating]) -> Pixels:
    """The proposal (h, w, 2), moved towards the colours that a reference has where it is like the picture; near a hint it stays.

    The ``reference`` is its light L (h', w'), what would be proposed for that light, and its true chroma: two places are alike that
    have the same light, texture and proposal, and stand as high in their pictures. So sky gives its colour to sky, and a dark
    wood not to a dark lake.
    """
    light, guessed, true = reference
    theirs, ours = (_looks(*each) for each in ((light, guessed), (bright, proposed)))
    count = theirs.shape[1]
    chosen = np.random.default_rng(0).choice(count, min(LOOKED_AT, count), replace=False)
    weights = spreading.squares(ours, theirs[:, chosen])
    weights *= np.float32(-0.5 / ALIKE**2)
    np.exp(weights, out=weights)
    colours = true.reshape(-1, 2)[chosen]
    total = weights.sum(axis=0) + np.float32(1e-9)
    liked = colours.T @ weights / total
    varies = np.maximum(np.square(colours).sum(axis=1) @ weights / total - np.square(liked).sum(axis=0), 0)
    share = LIKED / (1 + varies / np.float32(SPREAD**2)) * total / (total + np.float32(FEW))
    share = share.reshape(bright.shape) * (1 - _near(hints, bright.shape))
    moved: Pixels = (proposed + share[..., None] * (liked.T.reshape(proposed.shape) - proposed)).astype(np.float32)
    return moved


def _looks(light: Pixels, proposed: Pixels) -> Pixels:
    """The traits that make places of two pictures alike (traits, h * w)."""
    looks = spreading.traits(light, proposed)
    height, width = light.shape
    order = np.empty(light.size, np.float32)
    order[np.argsort(light, axis=None, kind="stable")] = np.linspace(0, 100, light.size)
    # Half by rank, half by value: exposure differs, but black stays black.
    looks[2] = (order + light.ravel()) / np.float32(2 * spreading.LIGHT)
    looks[0] = np.repeat(np.arange(height, dtype=np.float32) * np.float32(HIGH / height), width)
    looks[1] = 0
    looks[6:] *= np.float32(spreading.COLOUR / PROPOSED)
    return looks


# -- a palette, and trust ---------------------------------------------------------------------------------------------


def main_colours(lab: Pixels, count: int = 8) -> Pixels:
    """Chroma (at most ``count``, 2) of the colours that a picture (CIELAB, h, w, 3) has most of: by k-means from seeds that are
    farthest apart."""
    even = colour.even_of(lab[..., 1:]).reshape(-1, 2)
    even = even[:: max(1, len(even) // 4000)]
    seeds = [even.mean(axis=0)]
    while len(seeds) < count:
        away = np.min([np.square(even - seed).sum(axis=1) for seed in seeds], axis=0)
        if away.max() < 4:
            break
        seeds.append(even[int(away.argmax())])
    centres = np.array(seeds, np.float32)
    for _ in range(12):
        nearest = np.square(even[:, None] - centres).sum(axis=2).argmin(axis=1)
        centres = np.array(
            [even[nearest == each].mean(axis=0) if (nearest == each).any() else centre for each, centre in enumerate(centres)],
            np.float32,
        )
    return centres


def restricted(chroma: Pixels, palette: Pixels) -> Pixels:
    """Chroma (h, w, 2), each pixel's the mean of the palette's (n, 2), those near it counting most."""
    away = np.square(chroma[:, :, None] - palette).sum(axis=3)
    weights = np.exp(-(away - away.min(axis=2, keepdims=True)) / (2 * 4.0**2))
    weights /= weights.sum(axis=2, keepdims=True)
    mixed: Pixels = (weights @ palette).astype(np.float32)
    return mixed


def trusted(sure: Pixels, least: float, hints: Pixels) -> Pixels:
    """The share (h, w) of its chroma that each pixel keeps: all where it is at least as ``sure`` as ``least`` or near a hint, none
    well below."""
    share = np.clip((sure - least) / 0.1 + 1, 0, 1)
    kept: Pixels = np.maximum(share, _near(hints, sure.shape)).astype(np.float32)
    return kept


def _near(hints: Pixels, shape: tuple[int, ...]) -> Pixels:
    """1 at the hints, falling to 0.6 a sixteenth of the picture away, and on to 0."""
    if not len(hints):
        return np.zeros(shape, np.float32)
    rows, columns = (np.arange(side, dtype=np.float32) for side in shape)
    away = np.full(shape, np.inf, np.float32)
    heights, which = np.unique(hints[:, 0], return_inverse=True)
    # Hints of one row share their distances along it: a scribble has thousands of hints, and no more rows than the picture.
    for number, y in enumerate(heights):
        along = np.abs(columns - hints[which == number, 1, None]).min(axis=0)
        np.minimum(away, np.square(rows - y)[:, None] + np.square(along), out=away)
    near: Pixels = np.exp(away * np.float32(-0.5 * (16 / max(shape)) ** 2))
    return near
