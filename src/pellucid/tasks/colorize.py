"""Colouring: the light of the picture stays, and a network that sees the whole of it small proposes chroma for it.

The user's hints and palette come before the network's proposal; `pellucid.tinting` carries the result to full size along the edges
of the light.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import asked, colour, files, hinting, images, masks, spreading, tinting
from pellucid.cards import Card
from pellucid.degradations import Degradation
from pellucid.engines import Graph, Models
from pellucid.errors import OptionError
from pellucid.files import metadata, profiles
from pellucid.images import BICUBIC, Image, Pixels, Rows
from pellucid.maps import box_mean
from pellucid.tasks import ColorizeSettings, base
from pellucid.tasks.colorize_learning import Learning, given_gray
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["CASES", "METRICS", "PROTOCOL", "Learning", "degraded", "known", "prepare", "scored"]

CASES: tuple[str, ...] = ("gray", "hints:10")

METRICS: tuple[str, ...] = ("ciede2000", "psnr", "ssim")

PROTOCOL: Mapping[str, str] = {
    "given": "the light, L of CIELAB, as a gray picture; hints are colours of the truth at random places"
}

TILE = 2048
"""Side in pixels of the square that no piece has more pixels than."""

PIECE_BYTES = 90
"""Bytes for each pixel of each piece in flight: its planes, luminance, L, chroma, and the finished pixels."""

EXPECTED = 48.0
"""The expected error on the even scale that the network's plane ``sure`` stands for at 1."""

LOST = 24.0
"""The expected error at which nothing is sure: about what gray is off from saturated colours, in CIEDE2000."""

TRUSTED, DOUBTED, LEAST, MOST = 8.0, 12.0, 0.65, 0.9
"""How much of the proposal counts beside half of `colour.by_light`: `MOST`, less where the error that the network expects exceeds
`TRUSTED`, down to `LEAST`. Chosen on 39 held-out photographs that are not among the 24 of
benchmarks/colours.txt, where the table has a CIEDE2000 of 11.37: with nothing said it is 9.37, and was 9.45 with 9, 14, 0.6 and
0.8."""

OBEYED = 0.45
"""How much of what the network answers with hints counts beside what it answers without: it takes hints for a thing's colour too
far. Chosen on 74 photographs that are not in benchmarks/colours.txt: the error with 10 and 50 hints is half a percent less than
with 0.6 or 0.3, and 1.5 % less than with 0.8."""

PALE = 3.5
"""Chroma on the even scale of which half is held back, and more of less: a faint colour is as often wrong as right, and fog, steel
and paper have none."""

FLAT = 6.0
"""Standard deviation of a picture's L at which half of the proposal is held back, and more below: fog has no contrast and no
colour. None of 39 photographs has less than 9, and their error grows by 0.01; a made fog's mean chroma falls from 4.7 to 0.2."""

SHARPENED = 0.7
"""How much detail a picture gets, for the network's eyes alone, that has half as many pixels a side as the network looks at, or
fewer: an enlarged picture has none, and its answer was another. Chosen on eight photographs that are not among the 24 of
benchmarks/colours.txt: at 128 pixels they are off from themselves at 640 by 0.88 (CIEDE2000, mean), and by 1.60 without."""

ANSWERED = 4
"""The network answers at a fourth of its input's size."""

COLOURFUL = 3.0
"""How far chroma (CIELAB) varies, on average, among pixels of one light in a colour picture: old prints are yellow throughout, and
JPEG leaves gray a trace of colour."""

SURE = 0.5
"""How sure the model must be of a colour, 0 to 1, where it is not marked as one that may be invented."""

MADE = "The colours of this picture are made by software: they were not recorded."
"""The line in the output's XMP."""


def prepare(view: View, models: Models, settings: ColorizeSettings) -> base.Job:
    """Looks at the whole picture small, proposes chroma there, and plans one pass that carries it to full size.

    Raises `OptionError` for a hint that lies outside the picture and a file of hints that holds none.
    """
    role = next(iter(models))
    graph, card = models.graph(role), models.card(role)
    curve = profiles.gray_curve(view.picture.icc) if view.shape[2] == 1 else None
    height, width, _ = view.shape
    size = colour.small_size(height, width, _side(card) ** 2, card.multiple_of)
    small = images.resized(view.small(2 * max(size)), *size, BICUBIC)
    planes = np.ascontiguousarray(small.transpose(2, 0, 1))
    bright = tinting.lightness(_luminance(planes, curve))
    given = hinting.gathered(settings, (height, width), size)
    spread = spreading.Spread(bright, given) if len(given) else None
    chroma, unsure = _proposal(graph, _sharpened(bright, (height, width)), given, spread, settings)
    sure = np.clip(1 - unsure / LOST, 0, 1)
    if spread is not None:
        chroma = spread.propagated(chroma)
    if settings.like is not None:
        chroma = hinting.likened(bright, chroma, _reference(settings, graph, card), given)
    if settings.palette is not None:
        chroma = hinting.restricted(chroma, _palette(settings))
    if settings.sure > 0:
        chroma = chroma * hinting.trusted(sure, settings.sure, given)[..., None]
    carried = tinting.carried(bright, colour.ab_of(chroma) * np.float32(settings.saturation))
    was_colour = len(planes) == 3 and _colourful(small) > COLOURFUL

    def facts() -> Mapping[str, Any]:
        return {"sure": round(float(sure.mean()), 3), "was_colour": was_colour}

    step = base.Pass(
        partial(_coloured, carried, curve),
        tile=TILE,
        engine_bytes=0,
        piece_bytes=PIECE_BYTES,
        before=partial(_gray, curve),
        # A colour picture keeps its colours where nothing is to be done.
        spared=None if view.shape[2] == 1 else np.copy,
        channels=3,
    )

    def trust(picture: Image, output: Image) -> Mapping[str, NDArray[Any]]:
        height, width = output.pixels.shape[:2]
        plane = images.resized(sure[..., None].astype(np.float32), height, width, BICUBIC)[..., 0]
        return {"invented": plane < SURE}

    return base.Job(card.name, (step,), finish=_finished, facts=facts, trust=trust)


def loads(models: Models, settings: ColorizeSettings) -> tuple[base.Pass, ...]:
    """One pass, which makes three channels."""
    return (base.load(TILE, 0, PIECE_BYTES, channels=3),)


def _side(card: Card) -> int:
    """The side of the square with as many pixels as the whole picture is looked at with: that at which a picture's things are as
    large as they were in training, which saw squares of ``part`` to all of the shorter side. 256 for the shipped model."""
    data = card.recipe.get("data", {})
    patch, part = data.get("patch", 192), data.get("part", 0.5)
    side: int = round(patch * 2 / (1 + part))
    return side


def _proposal(
    graph: Graph, bright: Pixels, hints: Pixels, spread: spreading.Spread | None, settings: ColorizeSettings
) -> tuple[Pixels, Pixels]:
    """Chroma (h, w, 2) and the error that the network expects of it (h, w), both on the even scale.

    The network sees the hints, too. Its answer counts where they concern the picture: elsewhere it is the one without them.
    """
    if spread is None or settings.draw:
        return _trusted(graph, bright, hinting.drawn(settings.draw, bright, hints))[0]
    (unsaid, unsure), (hinted, unsure_hinted) = _trusted(graph, bright, hints[:0], hints)
    share = OBEYED * spread.reached(unsaid)
    return unsaid + share[..., None] * (hinted - unsaid), unsure + share * (unsure_hinted - unsure)


def _trusted(graph: Graph, bright: Pixels, *hints: Pixels) -> list[tuple[Pixels, Pixels]]:
    """The network's chroma and the error that it expects, for each of some ``hints``; the chroma is held back by that, and where it
    is faint."""
    fallback = colour.by_light(bright) / 2
    contrast = float(bright.std()) ** 4
    found = []
    for answer in _looked_at(graph, bright, hints):
        chroma, unsure = colour.unplaned(answer[..., :2]), np.maximum(answer[..., 2], 0) * np.float32(EXPECTED)
        trust = np.clip(1 - (unsure - TRUSTED) / DOUBTED, LEAST, MOST)[..., None]
        even = fallback + trust * (chroma - fallback)
        strength = np.square(np.square(even[..., 0]) + np.square(even[..., 1]))
        even *= (strength / (strength + PALE**4) * np.float32(contrast / (contrast + FLAT**4)))[..., None]
        found.append((np.asarray(even, dtype=np.float32), unsure))
    return found


def _sharpened(bright: Pixels, shape: tuple[int, int]) -> Pixels:
    """L (h, w) of a picture of ``shape`` with stronger detail where it was enlarged."""
    enlarged = math.sqrt(bright.size / (shape[0] * shape[1]))
    if enlarged <= 1:
        return bright
    detail = bright - box_mean(bright, 2 * round(enlarged) + 1)
    return np.asarray(np.clip(bright + SHARPENED * min(1, enlarged - 1) * detail, 0, 100), dtype=np.float32)


def _looked_at(graph: Graph, bright: Pixels, hints: Sequence[Pixels]) -> list[Pixels]:
    """The network's answers (h, w, 3) to the picture with each of some ``hints``: the mean for it and for its mirror image."""
    light = (bright / 100).astype(np.float32)
    given = np.stack([[light, *colour.hint_planes(each, light.shape).transpose(2, 0, 1)] for each in hints])
    # All at once: that takes a sixth less time than one after the other.
    answer = graph(np.concatenate([given, given[..., ::-1]]))[:, :, ::ANSWERED, ::ANSWERED]
    means = (answer[: len(hints)] + answer[len(hints) :, ..., ::-1]) / 2
    # It is constant on squares.
    return [images.resized(mean.transpose(1, 2, 0), light.shape[0], light.shape[1], BICUBIC) for mean in means]


def _luminance(planes: Pixels, curve: Pixels | None) -> Pixels:
    return tinting.luminance(planes if curve is None else profiles.through(curve, planes))


def _gray(curve: Pixels | None, planes: Pixels) -> Pixels:
    """The picture without colours, in three channels."""
    light = _luminance(planes, curve)
    return np.broadcast_to(tinting.encoded(light), (3, *light.shape)).copy()


def _coloured(carried: tinting.Carried, curve: Pixels | None, planes: Pixels, place: Place, room: Pixels) -> Pixels:
    return carried.tint(_luminance(planes, curve), place)


def _colourful(small: Pixels) -> float:
    """How far chroma varies in a small picture (h, w, 3) among pixels of one light: a tint, such as sepia, follows the light."""
    lab = colour.lab_of(np.clip(small, 0, 1)).reshape(-1, 3)
    step = np.clip(lab[:, 0] / 5, 0, 19).astype(np.intp)
    count = np.maximum(np.bincount(step, minlength=20), 1)
    away = np.stack([plane - (np.bincount(step, plane, 20) / count)[step] for plane in lab[:, 1:].T])
    return float(np.sqrt(np.square(away).sum(axis=0)).mean())


def _finished(picture: Image, pixels: NDArray[Any] | Rows) -> Image:
    """The picture in three channels, a profile that fits them, and a line that says where the colours come from."""
    output = images.with_pixels(picture, pixels)
    if picture.mask is not None and picture.pixels.shape[2] == 1:
        output = replace(output, mask=masks.in_channels(picture.mask, 3))
    return metadata.made(profiles.fitting(output), MADE)


def _reference(settings: ColorizeSettings, graph: Graph, card: Card) -> tuple[Pixels, Pixels, Pixels]:
    """The reference as the network looks at pictures: its light, what is proposed for that, and its true chroma."""
    assert settings.like is not None
    lab = hinting.small_lab(files.read(settings.like.file), settings.like.name)
    height, width = lab.shape[:2]
    lab = images.resized(lab, *colour.small_size(height, width, _side(card) ** 2, card.multiple_of), images.BICUBIC)
    light = np.clip(lab[..., 0], 0, 100)
    ((proposed, _),) = _trusted(graph, _sharpened(light, (height, width)), np.empty((0, 4), np.float32))
    return light, proposed, colour.even_of(lab[..., 1:])


def _palette(settings: ColorizeSettings) -> Pixels:
    palette = settings.palette
    if isinstance(palette, str):
        return hinting.colours_of(palette)
    assert palette is not None
    return hinting.main_colours(hinting.small_lab(files.read(palette.file), palette.name))


# -- evaluation -------------------------------------------------------------------------------------------------------


def degraded(
    case: Degradation, clean: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
    """The colour picture, its light (h, w, 1) with the noise of the case, and that in three channels."""
    perfect = np.broadcast_to(np.atleast_3d(clean), (*clean.shape[:2], 3))
    gray = given_gray(case, perfect, rng)[..., None]
    return perfect, gray, np.broadcast_to(gray, perfect.shape)


def known(case: Degradation, maps: Sequence[str], *, blind: bool) -> ColorizeSettings:
    """The hints of the case. Raises `OptionError` for a case of another task."""
    says = asked.of(case)
    if not isinstance(says, asked.Gray):
        raise OptionError(f"{case} asks for no colours; colorize takes gray, hints:10, or these with noise: gray+jpeg:60")
    return ColorizeSettings(hint=tuple((x, y, "#{:02x}{:02x}{:02x}".format(*levels)) for x, y, levels in says.hints))


def scored(case: Degradation, pixels: NDArray[Any]) -> NDArray[Any]:
    """All of it."""
    return pixels
