"""Whether the noise that was found may be believed: a picture of letters, lines or tiles has detail that looks like noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from pellucid.clipping import Clipping
from pellucid.diagnosis import clipped, edges, impulses, jpeg, palette, photons, quiet, repeats
from pellucid.diagnosis.described import FAINTEST, Diagnosis
from pellucid.diagnosis.fine import FINE, LETTERS, PLAIN
from pellucid.images import Pixels
from pellucid.maps import Curve
from pellucid.quantised import Quantised

__all__ = ["LESS", "RINGING", "STRONGEST", "Detail", "believed", "patterned"]

FINE_DETAIL, SHARE_FINE = 0.3, 0.02
"""Share of the pixels that may be so far from their neighbours, as a share of full range, in a picture without letters or patterns.
In photographs with noise of level `LOUD` at most 0.005 are; in pages and screens 0.02 to 0.25."""

LOOKED_AT, SIDE = 150_000, 400
"""Pixels in which a picture is looked at for what comes again, about, and the side of each part of it at most."""

FAR_AGAIN = 12
"""Distance in pixels from which what comes again is no processed noise, and no wave of a JPEG's block: these did at up to 8."""

WHITE = ("gaussian", "poisson", "speckle")
"""The kinds of white noise."""

SURELY_FINE = 0.04
"""And from which share even noise that nothing else shows is believed on few colours."""

BY_CHANCE = 1.5
"""And how many times as many pixels as noise alone puts there may be beside them, on a picture of few colours."""

LESS = 0.75
"""Share of the level that was found which that of noise on few colours must be below, to refute it."""

MORE = 1.5
"""How many times the variance that it may have noise must have to be refuted by it: chance moves both."""

EDGES = 0.03
"""By how much what comes again may be off, as a share of all that is fine: some of it has nothing beyond the edge."""

RINGING = 2.6
"""Level in 8-bit levels below which noise between letters is left alone: JPEG of quality 95 leaves 1.9 to 2.2 around them, which is
no noise, and to take it away costs 0.2 to 0.5 dB of 45."""

ODD = 1.15
"""How many times as much as the noise that was found the quietest places have where something else is to be asked."""

COARSEST = 30
"""JPEG quality below which many blocks of a photograph have one value each, so that its values are few and exact."""

CALMER = 0.9
"""Share of the level that was found which that on few colours, or in the quietest places, must be below, to refute it: the edges
of what was drawn were measured."""

ENDS = 0.3
"""Share of black and white values from which a picture is drawn in these, and has no impulses of any value."""

STRONGEST = 75.0
"""Level in 8-bit levels above which there is no noise on what was drawn."""

EXPLAINED = 2.0
"""How many times as strong as a JPEG's roundings the noise may be that they explain on what was drawn: colour, of which a quarter
of the pixels is kept, is farther off."""

PATTERNED = 12.0
"""Level in 8-bit levels from which noise may be a pattern that repeats itself."""

PATCHED = 0.1
"""And share of impulses: with fewer, some patches have none, and may well come again."""


@dataclass(frozen=True)
class Detail:
    """The detail of the ``parts`` (h, w, channels) that looks like noise; each is looked at once, when it is asked for."""

    parts: Sequence[Pixels]

    @cached_property
    def compressed(self) -> Quantised | None:
        """The JPEG that they were, by its coefficients."""
        return jpeg.found(self.parts)

    @property
    def jpeg(self) -> int | None:
        """The quality of that JPEG, or of one whose seams show alone."""
        return self.compressed.quality if self.compressed is not None else jpeg.confirmed(self.parts)

    @cached_property
    def photon(self) -> float:
        """The value of one photon where the values of the parts are counts of them; else 0."""
        step = photons.step(self.parts)
        return step if step > 0 and photons.counted(self.parts, step) and not repeats.again(self.parts) else 0.0

    @cached_property
    def far(self) -> float:
        """The share of the pixels that are far from their neighbours."""
        return impulses.differing(self.parts, FINE_DETAIL)

    @property
    def fine(self) -> bool:
        """Whether they are more than those of photographs."""
        return self.far > SHARE_FINE

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """The histograms of the channels."""
        return palette.histograms(self.parts)

    @cached_property
    def sharp(self) -> bool:
        """Whether most pixels have one of a few exact values: there is no noise on them."""
        return palette.sharp(self.counts)

    @cached_property
    def few(self) -> palette.Colours | None:
        """The few colours of any picture that has few; None where they are many."""
        return palette.of(self.counts)

    def colours(self, struck: float = 0.0) -> palette.Colours | None:
        """The few colours of what was drawn, tiles, letters and the like; None where they are many, and in other pictures.
        ``struck`` is the share of impulses, which are far from their neighbours, too."""
        if self.sharp or self.pattern or (self.hard and struck == 0) or (self.few is not None and self.few.pure):
            return self.few
        if self.far < SHARE_FINE + struck or self.few is None:
            return None
        # Noise alone puts pixels far from their neighbours, too.
        return self.few if self.far > SHARE_FINE + struck + _far_by_chance(self.few.level) else None

    @cached_property
    def white(self) -> bool:
        """Whether there is white noise on few colours, whatever else it looks like."""
        return self.few is not None and self.few.noisy and self.few.white(self._some)

    @cached_property
    def repeats(self) -> repeats.Repeats | None:
        """How it repeats itself."""
        return repeats.of(self._some)

    @property
    def _some(self) -> Sequence[Pixels]:
        """A part of it, which tells."""
        every = max(1, sum(part.shape[0] * part.shape[1] for part in self.parts) // LOOKED_AT)
        return [part[:SIDE, :SIDE] for part in self.parts[::every]]

    @cached_property
    def windows(self) -> quiet.Windows:
        """Its windows of nine pixels."""
        return quiet.windows(self.parts)

    @property
    def between(self) -> float:
        """The level, in 8-bit levels, of the quietest of them."""
        return quiet.level(self.windows)

    @property
    def pattern(self) -> bool:
        """Whether most of what is fine is a pattern."""
        return self.repeats is not None and self.repeats.pattern

    @cached_property
    def hard(self) -> bool:
        """Whether its edges are as hard as drawn ones."""
        return edges.hard(self.parts)

    @property
    def drawn(self) -> bool:
        """Whether it is full of letters or the like, or a pattern, or has hard edges."""
        return self.fine or self.pattern or self.hard


def believed(detail: Detail, found: Diagnosis) -> Diagnosis:
    """The noise that was found, but where places are too quiet for it, or where the picture repeats itself too well, or has few
    colours, or is full of letters and the like: then that of these. A drawing that is a JPEG has the noise of that alone."""
    blocks = found.quantised
    answer = _believed(detail, found)
    if blocks is None or answer.kind in ("clean", "jpeg") or answer.impulse_density > 0:
        return answer
    # Windows and fences in photographs come again, too, but have many colours.
    drawn = detail.fine or answer.patterned or (detail.pattern and detail.few is not None)
    if not drawn or answer.sigma > EXPLAINED * blocks.level:
        return replace(answer, quantised=replace(blocks, alone=False))
    if answer.patterned:
        return replace(answer, quantised=replace(blocks, alone=answer.kind == "correlated"))
    if blocks.quality > FINE:
        return Diagnosis("clean", jpeg_quality=blocks.quality, sure=found.sure)
    return Diagnosis("jpeg", jpeg_quality=blocks.quality, sure=found.sure, quantised=replace(blocks, alone=True))


def _believed(detail: Detail, found: Diagnosis) -> Diagnosis:
    parts, detailed = detail.parts, detail.fine
    # Hardly any place is as quiet as what was found would leave it.
    odd = found.impulse_density == 0 and detail.between > max(RINGING, ODD * found.sigma)
    white_on_few = odd and detail.white
    if found.kind == "clean" and not detailed and not white_on_few:
        return found
    # Processed noise agrees with itself nearby.
    processed = found.kind == "correlated" or found.jpeg_quality is not None
    far = detail.pattern and detail.repeats is not None and max(map(abs, detail.repeats.lag or (0, 0))) >= FAR_AGAIN
    struck = found.impulse_density > 0 and not palette.without(detail.counts, found.impulse_density)
    # Its blocks have one value each: few exact values are nothing drawn.
    coarse = found.kind == "jpeg" and detail.compressed is not None and detail.compressed.quality < COARSEST
    if white_on_few:
        few = detail.few
    elif processed and not ((detail.sharp and not coarse) or detailed or far or detail.hard):
        few = None
    else:
        few = detail.colours(found.impulse_density if struck else 0.0)
    compressed = found.jpeg_quality is not None and (few is None or not few.noisy or jpeg.confirmed(parts) is not None)
    under = found.impulse_density == 0 and found.kind != "jpeg" and detail.hard and (compressed or detail.compressed is not None)
    if under and not (far and found.jpeg_quality is None and few is not None and few.noisy):
        # Noise that lies under a JPEG cannot be told from what the JPEG left of hard edges.
        return Diagnosis("clean", jpeg_quality=detail.jpeg, sure=found.sure)
    if few is not None and not compressed and few.noisy and _on_colours(detail, few, found, surely=white_on_few):
        # Where colours are many, the widest noise that fits is wider than the noise that is there.
        nearer = repeats.level(parts, few.curve, detail.repeats) if few.curve.flat else None
        return _patterned_by(parts, few, found.sure) if nearer is None else patterned(parts, nearer, RINGING, found.sure)
    if few is not None and not struck and (compressed or detail.sharp or found.kind == "correlated"):
        # Drawings have sharp edges, which the network for JPEG and processed noise takes for its traces.
        return Diagnosis("clean", jpeg_quality=found.jpeg_quality, sure=found.sure)
    if compressed:
        return found
    if found.kind == "correlated" and (detail.hard or (detail.pattern and detail.fine)):
        return Diagnosis("clean", sure=found.sure)
    level = _refuted(detail, found, struck=struck)
    black_and_white = found.kind == "impulses" and detailed and clipped.share(parts) > ENDS
    strong = (found.sigma if level is None else level) > STRONGEST
    if black_and_white or (strong and detail.drawn and not _drowned(detail, found)):
        return Diagnosis("clean", sure=found.sure)
    if level is not None:
        return patterned(parts, level, RINGING if detailed else FAINTEST, found.sure)
    white = found.kind in WHITE and found.impulse_density == 0
    if not (white and (detail.sharp or (detail.drawn and not _by_chance(detail, found)))):
        return found
    same = few is not None and few.noisy and few.alike(found.curve)
    found = replace(found, patterned=True, colours=few if same else None)
    return found if found.sigma >= RINGING or not detailed else Diagnosis("clean", sure=found.sure)


def _refuted(detail: Detail, found: Diagnosis, *, struck: bool) -> float | None:
    """The level of white noise in 8-bit levels, where something refutes what was found; None where nothing does.
    ``struck``: whether impulses may be among the pixels."""
    detailed, white = detail.fine, found.kind in (*WHITE, "impulses")
    again = _again(detail, found)
    between = detail.between if detailed or again is None else np.inf
    most = np.inf if detail.repeats is None or detail.repeats.lag is None else 255 * sqrt(detail.repeats.most)
    alone = found.kind in WHITE and found.impulse_density == 0
    few = detail.few if detail.drawn else None
    # Noise that follows the light is fainter than its mean in the dark.
    comparable = found.curve.flat or detail.between < quiet.faintest(detail.windows, found.curve)
    calm = few.level if few is not None and few.noisy else detail.between if comparable else np.inf
    real = alone and (detail.hard or (detail.drawn and not _by_chance(detail, found)))
    # The first that refutes it counts.
    doubts = (
        # Squares in which there is less noise, whose edges were measured.
        (real and calm < CALMER * found.sigma, calm),
        # All colours would be wider.
        (real and few is not None and few.refute(found.curve.raised(LESS)), 0.0 if few is None else few.level),
        # Noise never comes again, and there is too little that does not.
        (
            (detail.drawn and alone and _mean_square(detail.parts, found.curve) > MORE * (most / 255) ** 2)
            or (detail.pattern and found.kind == "impulses" and not struck),
            min(most, between),
        ),
        # The picture comes again nearer than the noise would.
        (again is not None, between if again is None else min(again, between)),
        # The network hears too little between letters, where clipping leaves half of it.
        (detailed and found.kind in ("clean", "gaussian") and found.sigma < LETTERS * between and between < PLAIN, between),
        # Noise that follows the light is nowhere as faint as that.
        (detailed and not found.curve.flat and between < quiet.faintest(detail.windows, found.curve), between),
        # More places are quiet than such noise leaves.
        (
            (white or detailed) and found.kind != "clean" and quiet.refutes(detail.windows, found.curve, found.impulse_density),
            between,
        ),
    )
    return next((level for refuted, level in doubts if refuted), None)


def _again(detail: Detail, found: Diagnosis) -> float | None:
    """The level of noise on what comes again, in 8-bit levels, where that refutes what was found; None elsewhere."""
    if not (detail.fine or found.sigma > PATTERNED or found.impulse_density > PATCHED):
        return None
    # Letters make noise that seems to follow the light.
    curve = Curve(found.sigma / 255) if detail.fine else found.curve
    curve = replace(curve, sigma=float(np.hypot(curve.sigma, np.sqrt(found.impulse_density / 12))))
    return repeats.level(detail.parts, curve, detail.repeats)


def _on_colours(detail: Detail, few: palette.Colours, found: Diagnosis, *, surely: bool) -> bool:
    """Whether noise on ``few`` colours is more likely than what was found; ``surely``: it is white."""
    most = np.inf if detail.repeats is None else detail.repeats.most + EDGES * detail.repeats.energy
    if few.pure:
        return True
    too_much = _mean_square(detail.parts, few.curve) > MORE * most
    if too_much or (found.kind == "clean" and not (surely or detail.pattern or detail.far >= SURELY_FINE)):
        # There is no such noise.
        return False
    if found.kind in ("clean", "correlated") or found.jpeg_quality is not None or detail.pattern:
        return True
    return few.refute(found.curve.raised(LESS)) or palette.without(few.counts, found.impulse_density)


def _mean_square(parts: Sequence[Pixels], curve: Curve) -> float:
    """The mean square of noise of that ``curve`` on the ``parts``, less what clipping takes of it."""
    values = np.concatenate([part[..., part.shape[2] // 2].ravel() for part in parts])
    inside = values.min() >= 0 and values.max() <= 1
    return float((Clipping(curve).variance(values) if inside and curve != Curve() else curve.variance(values)).mean())


def _drowned(detail: Detail, found: Diagnosis) -> bool:
    """Whether the noise that was found makes a photograph look drawn: then it hides what would come again, and has made as much
    black and white as noise that is the same everywhere makes at least, if it was clipped."""
    if not _by_chance(detail, found) or (detail.repeats is not None and detail.repeats.lag is not None):
        return False
    beyond = any(part.min() < 0 or part.max() > 1 for part in detail.parts)
    least = erfc(0.5 / (max(found.curve.sigma, 1e-6) * sqrt(2))) if found.curve.flat else 0.0
    return beyond or clipped.share(detail.parts) >= least


def _by_chance(detail: Detail, found: Diagnosis) -> bool:
    """Whether the noise that was found puts as many pixels far from their neighbours, as there are."""
    if detail.pattern:
        return False
    most = 255 * float(np.sqrt(found.curve.variance(np.ones(1))[0]))
    return detail.far < SHARE_FINE + _far_by_chance(most)


def _far_by_chance(level: float) -> float:
    """The share of the pixels that noise of this ``level`` (8-bit levels) may put far from their neighbours."""
    return BY_CHANCE * erfc(255 * FINE_DETAIL / (impulses.AROUND * max(level, 1e-3) * sqrt(2)))


def _patterned_by(parts: Sequence[Pixels], few: palette.Colours, sure: float) -> Diagnosis:
    """Noise on ``few`` colours."""
    found = patterned(parts, few.level, RINGING, sure)
    if found.kind == "clean":
        return found
    curve = few.curve
    kind = "poisson" if curve.gain > 0 else "speckle" if curve.speckle > 0 else "gaussian"
    lost = clipped.clipping(parts, curve)
    return Diagnosis(
        kind, 255 * curve.sigma, curve.gain, curve.speckle, sure=sure, curve=curve, clipping=lost, patterned=True, colours=few
    )


def patterned(parts: Sequence[Pixels], level: float, least: float = FAINTEST, sure: float = 1.0) -> Diagnosis:
    """White noise of this ``level`` (8-bit levels) on a picture of letters or patterns; none where it is below the ``least``."""
    if level < least:
        return Diagnosis("clean", sure=sure)
    plain = Curve(level / 255)
    return Diagnosis("gaussian", level, sure=sure, curve=plain, clipping=clipped.clipping(parts, plain), patterned=True)
