"""Whether the noise that was found may be believed: a picture of letters, lines or tiles has detail that looks like noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import erfc, sqrt

import numpy as np

from pellucid.diagnosis import clipped, impulses, palette, quiet, repeats
from pellucid.diagnosis.described import FAINTEST, Diagnosis
from pellucid.diagnosis.fine import LETTERS, LOUD, PLAIN
from pellucid.images import Pixels
from pellucid.maps import Curve

__all__ = ["believed", "few_colours", "fine_detail", "patterned"]

FINE_DETAIL, SHARE_FINE = 0.3, 0.02
"""Share of the pixels that may be so far from their neighbours, as a share of full range, in a picture without letters or patterns.
In photographs with noise of level `LOUD` at most 0.005 are; in pages and screens 0.02 to 0.25."""

BY_CHANCE = 1.5
"""And how many times as many pixels as noise alone puts there may be beside them, on a picture of few colours."""

LESS = 0.75
"""Share of the level that was found which that of noise on few colours must be below, to refute it."""

RINGING = 2.6
"""Level in 8-bit levels below which noise between letters is left alone: JPEG of quality 95 leaves 1.9 to 2.2 around them, which is
no noise, and to take it away costs 0.2 to 0.5 dB of 45."""

PATTERNED = 12.0
"""Level in 8-bit levels from which noise may be a pattern that repeats itself."""

PATCHED = 0.1
"""And share of impulses: with fewer, some patches have none, and may well come again."""


def believed(parts: Sequence[Pixels], found: Diagnosis) -> Diagnosis:
    """The noise that was found, but where places are too quiet for it, or where the picture repeats itself too well, or is full of
    letters and the like: then that of these places."""
    if found.jpeg_quality is not None:
        return found
    fine = fine_detail(parts)
    detailed = fine > SHARE_FINE
    if found.kind == "clean" and not detailed:
        return found
    few = few_colours(parts, fine)
    # Noise that follows the light leaves dark colours narrow.
    if few is not None and (
        found.kind in ("clean", "correlated") or few.refute(LESS * 255 * found.curve.sigma) or few.without(found.impulse_density)
    ):
        return patterned(parts, few.level, RINGING, found.sure)
    again = None
    if detailed or found.sigma > PATTERNED or found.impulse_density > PATCHED:
        # Letters make noise that seems to follow the light.
        curve = Curve(found.sigma / 255) if detailed else found.curve
        again = repeats.level(parts, replace(curve, sigma=float(np.hypot(curve.sigma, np.sqrt(found.impulse_density / 12)))))
    looked = quiet.windows(parts)
    between = quiet.level(looked) if detailed or again is None else np.inf
    white = found.kind in ("gaussian", "poisson", "speckle", "impulses")
    # Whether something refutes the noise that was found, and the level that there is then; the first that does counts.
    doubts = (
        # The picture comes again nearer than the noise would.
        (again is not None, between if again is None else min(again, between)),
        # The network hears too little between letters, where clipping leaves half of it.
        (
            detailed and found.kind in ("clean", "gaussian") and found.sigma < LETTERS * between and between < PLAIN,
            between,
        ),
        # Noise that follows the light is nowhere as faint as that.
        (detailed and not found.curve.flat and between < quiet.faintest(looked, found.curve), between),
        # More places are quiet than such noise leaves.
        (
            (white or detailed) and found.kind != "clean" and quiet.refutes(looked, found.curve, found.impulse_density),
            between,
        ),
    )
    level = next((level for refuted, level in doubts if refuted), None)
    if level is None:
        if not (detailed and found.kind == "gaussian" and (few is not None or found.sigma < LOUD)):
            return found
        return replace(found, patterned=True) if found.sigma >= RINGING else Diagnosis("clean", sure=found.sure)
    return patterned(parts, level, RINGING if detailed else FAINTEST, found.sure)


def fine_detail(parts: Sequence[Pixels]) -> float:
    """The share of the pixels that are far from their neighbours."""
    return impulses.differing(parts, FINE_DETAIL)


def few_colours(parts: Sequence[Pixels], fine: float) -> palette.Colours | None:
    """The few colours of tiles, letters and the like, whose `fine_detail` is ``fine``; None in other pictures, and where there is
    no noise on them."""
    few = palette.of(parts) if fine > SHARE_FINE else None
    if few is None or few.level == 0:
        return None
    # Noise alone puts pixels far from their neighbours, too.
    alone = erfc(255 * FINE_DETAIL / (impulses.AROUND * few.level * sqrt(2)))
    return few if fine > SHARE_FINE + BY_CHANCE * alone else None


def patterned(parts: Sequence[Pixels], level: float, least: float = FAINTEST, sure: float = 1.0) -> Diagnosis:
    """White noise of this ``level`` (8-bit levels) on a picture of letters or patterns; none where it is below the ``least``."""
    if level < least:
        return Diagnosis("clean", sure=sure)
    plain = Curve(level / 255)
    return Diagnosis("gaussian", level, sure=sure, curve=plain, clipping=clipped.clipping(parts, plain), patterned=True)
