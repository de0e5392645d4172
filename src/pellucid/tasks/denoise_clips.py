"""Noise taken out of a clip over time: what a frame is given of those around it, before it is restored.

`pellucid.following` fuses it with the frames before. A network that learnt to (`TAKES`) looks at them itself, and at the next one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pellucid import diagnosis, following, images
from pellucid.cards import Card
from pellucid.clipping import LEAST_LEFT
from pellucid.diagnosis import Diagnosis
from pellucid.engines import Models
from pellucid.images import Pixels
from pellucid.maps import Curve
from pellucid.motion import box, shrunk
from pellucid.tasks import DenoiseSettings, base
from pellucid.views import View

__all__ = ["MAPS", "RUN_IN", "follow", "looks_around", "next_frames", "settle"]

RUN_IN = following.RUN_IN

MAPS: tuple[str, ...] = ("sigma", *following.BESIDE)
"""The planes beside a fused frame, for a network that looks around: the level that is left of its noise, and `following.BESIDE`."""

FOLLOWED = ("gaussian", "poisson", "speckle", "correlated")
"""The kinds of noise (of `pellucid.diagnosis.KINDS`) that are gathered over time in a clip."""

FAINT = 2.0
"""Level in 8-bit levels below which a frame is not fused with others: there is less noise than motion in part pixels would blur."""

ROUNDING = np.float32(1 / (12 * 255**2))
"""The variance of rounding to 8 bits, as a share of full range squared: where light has no noise at black, this is left."""


LIGHTS = 1024
"""Steps from black to white at which the noise of light that is cut off is tabled."""


def looks_around(card: Card) -> bool:
    """Whether a network takes the frames around the one that it restores."""
    return following.BESIDE[0] in card.maps


def next_frames(models: Models) -> int:
    """How many frames behind each one are looked at by one of these files."""
    return int(any(looks_around(models.card(role)) for role in models))


def follow(view: View, settings: DenoiseSettings, notes: Any) -> base.Followed:
    """A frame fused with those before it (`pellucid.following`), and the level that is left of its noise, place by place; the next
    frame of the scene stands behind it in the view, where somebody looks at it.

    Impulses and noise too faint to see, grain that is to be kept and colours that go their own way are left to the frame alone.
    """
    found = view.found
    if settings.sigma is not None:
        curve = Curve(settings.sigma / 255)
        parts = view.parts(diagnosis.windows(*view.shape[:2]))
        found = Diagnosis("gaussian", gaussian_sigma=settings.sigma, curve=curve, clipping=diagnosis.clipping(parts, curve))
    alone = settings.apart or settings.keep_grain > 0 or settings.descreen
    if found is None or alone or found.kind not in FOLLOWED or found.impulse_density > 0 or found.sigma < FAINT:
        return base.Followed(view, settings)
    pixels = images.floating(view.picture).pixels
    variance = np.maximum(_variance(pixels, found), ROUNDING)
    white = found.kind != "correlated"
    fused = following.fuse(pixels, variance, notes, white=white)
    # Bands and blotches are taken from the fused frame alone, and the network knows white noise.
    whole = found.rows > 0 or found.columns > 0 or found.blotches is not None
    around = pixels.shape[2] == 3 and white and not whole
    after = None
    if view.looked_ahead and view.at + 1 < len(view.frames):
        after = following.in_planes(images.floating(view.frames[view.at + 1]).pixels)
        fused = following.foresee(fused, after, white=white)
    beside = following.beside(pixels, variance, fused, after) if view.looked_ahead and around else None
    shown = fused if beside is not None or after is None else following.both_ways(fused, after, variance, white=white)
    if shown.alone:
        return base.Followed(view, settings, fused)
    # Noise beyond black and white stays: without it, what is black would be lighter.
    within = np.clip(shown.pixels, min(0.0, float(pixels.min())), max(1.0, float(pixels.max())))
    picture = images.with_pixels(view.picture, within)
    # Fused frames have less noise at any size than one alone.
    left = replace(found, places=following.levels(variance, shown), enlarged=None, smaller=None)
    once = replace(settings, sigma=None, strength=max(1.0, settings.strength))
    # The user is told of the noise that the frame had, and of none where the level was given.
    seen = found if settings.sigma is None else None
    facts = {"estimated": seen is not None, "saw": None if seen is None else str(seen), "diagnosis": seen}
    return base.Followed(View((picture,), found=left, beside=beside), once, replace(fused, before=None, old=None), facts)


def settle(output: Pixels, after: Pixels, notes: Any) -> tuple[Pixels, Pixels]:
    """A frame (h, w, c) that was restored with those `notes` of its own, as the next one of the scene, restored, makes it."""
    return (output, after) if notes is None else following.settled(output, after, notes)


def _variance(pixels: Pixels, found: Diagnosis) -> Pixels:
    """The variance of the noise of a frame (h, w, c) in each cell of `following.HALF`, by the light around it: fainter where it is
    cut off at black and white."""
    height, width, channels = pixels.shape
    if found.places is not None:
        return np.square(shrunk(found.places.sigma(0, 0, height, width, (height, width)), following.HALF))
    if found.curve.flat and found.clipping is None:
        return np.full((-(-height // following.HALF), -(-width // following.HALF)), found.curve.sigma**2, np.float32)
    cell = following.CELL
    light = [box(shrunk(pixels[..., channel], cell), 3) for channel in range(channels)]
    if found.clipping is None:
        each = [found.curve.variance(plane) for plane in light]
    else:
        # Looked up: to find each place's own takes long.
        least = (LEAST_LEFT * found.clipping.curve.sigma) ** 2
        table = np.maximum(found.clipping.variance(np.linspace(0, 1, LIGHTS + 1)), least).astype(np.float32)
        each = [table[np.rint(LIGHTS * np.clip(plane, 0, 1)).astype(np.intp)] for plane in light]
    whole = np.mean(each, axis=0, dtype=np.float32)
    more = cell // following.HALF
    return whole.repeat(more, 0).repeat(more, 1)[: -(-height // following.HALF), : -(-width // following.HALF)]
