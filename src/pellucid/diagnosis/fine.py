"""The noise that is a few pixels wide at most, of parts that are no drawing and have no black and white impulses.

Calm blocks, counts and the networks each say something of it; here it is decided which of them is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pellucid.diagnosis import clipped, estimator, impulses, jpeg, noise, quiet, sampling
from pellucid.diagnosis.described import FAINTEST, Diagnosis
from pellucid.images import LUMA, Pixels
from pellucid.maps import Curve
from pellucid.quantised import Quantised

__all__ = ["BENT", "FINE", "LETTERS", "LOUD", "MANY", "PLAIN", "SPARE", "SPARSEST", "Reading", "mean_level", "measured"]

PROCESSED = 2.1
"""Level in 8-bit levels below which correlated noise is left alone: so faint nobody sees it, and fine texture looks like it (of
102 clean pictures, gray and colour, that were not learnt from, two were said to have more, and none between 1.4 and that)."""

ENDS = 0.06, 0.9
"""Light beyond which a tone curve hides noise."""

STRAY = 0.15
"""Share of such pixels that a place may have and still be looked at again."""

BETWEEN = 0.15, 0.75
"""Mean light of the places that are looked at again where a picture seems clean: a tone curve hides noise near black and white, and
a bright sky has most of the calm blocks."""

COVERED = 0.9
"""Share of the picture from which such places are the picture."""

LEAST_BETWEEN, SOME_BETWEEN, MANY_BETWEEN, ALIKE = 4, 7, 12, 0.8
"""How many such places, `sampling.ACROSS` a side, there must be; and from how many on their being alike tells that it is noise,
since texture is taken for it: all but one have that share of the fine detail that they usually have, which is fainter than the
noise."""

FLOOR, FLOORED, FLOORED_MANY, MOST_FLOOR = (0.02, 0.1), 0.86, 0.79, 7.0
"""Or their squares have a floor: this share of them has hardly less fine detail than that share has. Noise is the least that any
square has, and texture has no such least. The ratio was 0.86 to 0.94 in four fifths of 150 photographs with noise under made skies.
In the 23 of 333 clean ones in which the networks hear most it was 0.07 to 0.85, but 0.9 in a forest. So of fewer places than
`SOME_BETWEEN` more fine detail than the last, in 8-bit levels, is texture; and from `MANY_BETWEEN` on, of which fewer have noise
alone, the second ratio is enough: one of the clean ones has it, a savanna."""

LEAST_OWN = 1.0
"""Or the differences of channels have the floor, where it is no less than this, in 8-bit levels: rounding leaves 0.4 there.
Noise of level 6 and 8 had 1.7 to 5.6 with a ratio of 0.9 to 0.95; of 50 clean photographs under made skies none had 1 and such a
floor."""

SQUARE, CALM = 8, 0.1
"""Side in pixels of the squares of a place whose fine detail is measured, and the share of them that are the calm ones."""

WIDTHS, FINEST = (0.5, 0.6, 0.7, 0.85), (0.7, 0.46, 0.33, 0.22)
"""How much fine detail there is in them of processed noise, as a share of its level, by the width in pixels of the Gaussian window
that would leave its spectrum. On 12 photographs under made skies a camera's noise of level 6 had 0.64 to 0.83 at widths below 0.5,
and grain of level 6 and 12, with more texture in it the finer it was, 0.57, 0.45, 0.35 and 0.2 in the mean. With 0.7 for all of
them, grain of level 12 was said to be 4 to 6.5."""

EVEN, MOST_EVEN = 0.5, 0.3
"""Fine detail in 8-bit levels below which a place says nothing of noise, as a label that was laid over it: rounding alone leaves
0.32. And the share of the places that may be so for the others to be noise."""

HIDDEN = 4.0
"""Level in 8-bit levels from which their noise is believed. It was exceeded in none of some 470 clean photographs at half size,
in one of 495 at three quarters, and in two of 525 at half size cut to 440x480 (texture looks like faint correlated noise)."""

LARGEST, COARSE, MIDDLE = 150_000, 1.4, 1.6
"""How many pixels there must be for noise two pixels wide and more to be looked for, which is where a picture of half the size has
noise; by how many times it must be stronger there than the middle frequencies of the calmest blocks are, since it has more of the
lower ones, and texture has not; and how many times that strong it is at most. On 15 photographs with noise 1.5 to 2.5 pixels wide
it was 1.45 to 3.2 times; of some 500 clean ones that are large enough none had noise of level `HIDDEN` and more than 1.16 times."""

FINER, FINEST_OF = 0.13, 0.4
"""How much noise two pixels wide has, at half size, of the orders 9 and 10 as a share of 5 and 6; and of the orders from 11 on as
a share of 9 and 10. On 17 photographs such noise (gray, in colour, saved as JPEG) had 0.14 and more of the one, but for one of
163, and 0.45 and more of the other. Soft structure has less of the one, as blobs (0.122), or of the other, as ridges (0.3)."""

PARTLY = 0.15
"""How far each channel has noise of its own (`noise.independence`) for noise to be heard in the brightness alone: of a camera's
that was made smaller 0.2 to 0.46; fine texture that was taken for noise had 0.02 to 0.1."""

SPARSEST = 0.015
"""Share of impulses of any value below which there are none: so many pixels of fine texture look like one."""

OUTSIDE = 0.005
"""Share of the values beyond black and white above which noise was not clipped."""

CLEAR = 0.006
"""Share of impulses of any value that is believed where there is noise besides: of 51 held-out photographs with nothing but
Gaussian or photon noise below `STRONG`, none was said to have a tenth of that."""

MANY = 0.4
"""Share of impulses from which nobody can tell whether noise between them was clipped."""

LOUD = 20.0
"""Level in 8-bit levels from which impulses are counted whatever the network hears: it takes a fifth of those on noise of level 35
for noise."""

SURE, SURER = 0.025, 0.1
"""Share of impulses of any value that is believed on noise of level `LOUD` and more; the second is for noise that seems to grow
with the light. None of 30 held-out photographs with noise of level 35 had a third of that; with a tenth of impulses on top, all had
three times as much."""

LEFT = 0.38
"""Least ratio of the level without impulses to the level with them: 30 % of impulses raise a level of 15 to 35."""

ROUNDS = 3
"""How often the level and the share of impulses are measured in turn."""

STRONG = 40.0
"""Level in 8-bit levels from which noise that was clipped, or photon noise of few photons, looks like impulses, too."""

OVERRATED = 1.4
"""How many times as strong as the network says the noise of calm blocks must be for the network to be believed instead."""

PLAIN = 12.0
"""Level in 8-bit levels above which the network alone is believed; below, the geometric mean of both measurements is nearer."""

BENT = 1.4
"""How many times as strong as the network says noise must be, by a curve through the intensities, for the curve to be doubted,
below `PLAIN`; and how many times fainter calm blocks may be than it says: of noise that does follow the light they have less, for
they are mostly dark."""

FARTHEST = 3.0
"""How many times as strong at most for it to have been noise that the network spoke of."""

FARTHER = 1.5
"""How many times as strong as in calm blocks noise must be between details for neither to be noise."""

STRONGEST = 60.0
"""Level in 8-bit levels of calm blocks, impulses included, from which noise looks like impulses; `STRONG` is without impulses."""

MUTED, LEAST_MUTED, HEAPED = 30.0, 8.0, 0.1
"""Level in 8-bit levels from which noise that was clipped is measured by what clipping leaves of it, and from which it is where
more than that share of all values is black or white."""

MOSTLY, LETTERS = 0.15, 0.75
"""Share of black and white values from which paper that is clipped is looked at, and blocks have too little noise; and of the level
that blocks have it must be fainter than, to be believed."""

SMOOTHER, SMOOTHED, SMOOTHEST, UNDERRATED, NEAR, FAR = 1.15, 1.3, 1.75, 1.1, 1.35, 5.0
"""How much of it the highest frequencies of noise that was shrunk or turned lack, as a factor, at least (where it is `BENT` times
as strong as the networks say, and otherwise) and at most; of 159 clean photographs none seemed to have such noise of level 2. And
by how many times it must be stronger than the network says, and may be, where the very calmest blocks were clipped, and elsewhere.
The file for white noise is better there: by up to 6 dB; of a camera's noise and grain, which lack more, the one for processed
noise."""

SOFTER, APART, STEEPEST, UNDER = 1.1, 1.08, 1.14, 1.05
"""How much of it the highest frequencies of noise lack that is slightly smooth, as fine grain and noise that was shrunk by 1.5 are,
at least, as a factor, by blocks of any calmness; how many times as much of the highest or lowest less calm blocks have at most; how
much of the middle ones is lacking at most, since texture has most of its lowest; and how many times as strong it is at least as the
networks say, or the highest frequencies, which both take it for white. More than half of 145 photographs, gray and in colour, with
grain that is 0.4 pixels wide fulfil it: their level came out 10 % too low, and is 2 to 3 % off so. With white noise of level 5 to
40 six of 576 do, and get 10 to 20 % too much."""

STILL_WHITE, WHITE, RAISED = 1.5, 1.2, 0.3
"""How much of it the highest frequencies lack at most, in gray, where the file for white noise is as good as the one for processed
noise: on 30 gray photographs with grain and noise that was shrunk the former was 0.2 to 0.4 dB better where they lacked 1.1 to 1.4
times, and 0.6 worse at 1.7. Beyond ``WHITE`` it is given a level that is higher by that share of what they lack: the low
frequencies, which it must tell from the picture, have more than the mean of all; at 1.4 that gained 0.13 dB."""

LACKING, LEVEL, SLOPE, OWN, SAME = 1.85, 1.2, 0.15, 0.35, 1.28
"""How much of it the highest frequencies of noise that was turned lack at least, as a factor, and the middle ones at most, as one
and as a share of the former: turned bicubically by 30 and 45 degrees 1.8 to 2.6, hardly ever more than 1.2, and 0.15, where grain
has 0.16 to 0.37; bilinearly, where the file for white noise is no better, 1.57 to 1.97. How far each channel has noise of its own
(`noise.independence`): 0.47 to 0.6; of a camera's 0.05 to 0.19. And how much stronger it may be at one intensity than at another,
in gray: 1.1 to 1.28 times for the most part; a camera's, where it lacks as little, was 1.34 to 2.3 times."""

LARGER, SLIGHTLY = 1.2, 1.1
"""How many times the level that `noise.enlarged` and `noise.interpolated` measure such noise may have: after the former bilinear
kernels leave a fifth more."""

SPARE = 3.0
"""Level in 8-bit levels below which what is found between impulses is texture, not noise."""

UNHEARD = 2.5
"""How many times as strong as the networks say noise that follows the light may be for texture to account for it, where they hear
less than `SPARE`: of a picture with filled pixels between the others they hear less than there is."""

FINE = 92
"""JPEG quality above which nothing is to be done about it."""


@dataclass(frozen=True)
class Reading:
    """The JPEG ``quality`` as its seams show it, the ``blocks``, the level of the ``calm`` ones, ``said``, the network's estimate
    from these, and the JPEG that its coefficients show."""

    quality: int | None
    blocks: sampling.Blocks
    calm: float
    said: estimator.Estimate
    compressed: Quantised | None = None

    @classmethod
    def of(cls, parts: Sequence[Pixels], compressed: Quantised | None = None) -> Reading:
        """Reads the ``parts`` (h, w, channels); ``compressed`` is the JPEG that their coefficients show, where that is known."""
        quality, rougher = jpeg.quality(parts)
        if compressed is not None and rougher >= jpeg.SHARPEST and jpeg.grid(parts)[0] == (compressed.top, compressed.left):
            # The networks learnt of those whose seams show.
            quality = compressed.quality
        blocks = sampling.blocks(parts)
        calm = noise.white_sigma(blocks)
        inputs = estimator.features(parts, blocks, calm, quality, rougher)
        return cls(quality, blocks, calm, estimator.answer(estimator.load(), inputs), compressed)


def measured(parts: Sequence[Pixels], reading: Reading | None = None) -> Diagnosis:
    """The noise of parts that are no drawing and have no black and white impulses; ``reading`` where they were read before."""
    read = Reading.of(parts) if reading is None else reading
    found = _measured(parts, read)
    if read.compressed is None:
        return found
    return replace(found, quantised=replace(read.compressed, alone=found.kind == "jpeg"))


def _measured(parts: Sequence[Pixels], read: Reading) -> Diagnosis:
    quality, blocks, calm, said = read.quality, read.blocks, read.calm, read.said
    sure = min(1.0, len(blocks.values) / 2000)
    even = noise.even_curve(blocks, calm) if calm < LOUD else None
    if (
        (even is None or even.flat)
        and clipped.share(parts) > MOSTLY
        and max(said.correlated, calm) > max(FAINTEST, BENT * said.white)
    ):
        # Blocks without white paper have nothing but letters.
        level = clipped.paper(parts)
        if level is not None and level < LETTERS * max(said.white, said.correlated, calm):
            plain = Curve(level / 255)
            if level < FAINTEST:
                return Diagnosis("clean", sure=sure)
            return Diagnosis("gaussian", level, sure=sure, curve=plain, clipping=clipped.clipping(parts, plain))
    heard = said.white
    if impulses.beyond(parts) > OUTSIDE:
        # Strong noise that was not clipped: impulses keep to the range.
        measured = max(said.white, calm)
        # Noise of few photons, or speckle, is so strong in the light that it looks like impulses there.
        bent = not noise.curve(blocks, measured).flat
        if bent or measured >= STRONGEST or said.white >= STRONG or said.density < CLEAR:
            said = estimator.Estimate(measured, said.correlated, 0.0)
    on_noise = said.white >= SPARE
    if said.density >= (CLEAR if on_noise else SPARSEST) and said.white < STRONG:
        density = impulses.counted(parts, said.white) if on_noise else said.density
    else:
        density = 0.0
    if density > 0 and not impulses.stand_alone(parts, said.white if on_noise else 0.0, density):
        # Letters, lines, edges.
        density, said = 0.0, replace(said, density=0.0)
    white = quality is None and said.correlated < FAINTEST
    level = 0.0
    if density > 0 and on_noise:
        # The network hears impulses as noise, too; of a picture too small to measure it is all there is.
        level = noise.struck_sigma(parts, density) or said.white
    elif density == 0 and white and LOUD <= max(heard, calm) < STRONGEST:
        density, level = _struck(parts, blocks, max(heard, calm))
    if density > 0 and white:
        curve = Curve(level / 255)
        lost = clipped.clipping(parts, curve) if density < MANY else None
        return Diagnosis("impulses", level, impulse_density=density, sure=sure, curve=curve, clipping=lost)
    if quality is None:
        changed = noise.resampled(blocks)
        lack, calmer, surely = changed.high, changed.level, changed.sure
        loud = max(said.white, said.correlated)
        least = UNDERRATED if lack > SMOOTHED else BENT if lack > SMOOTHER and surely and calmer > SPARE else np.inf
        nearly = (
            lack <= SMOOTHED
            and changed.least > SOFTER
            and changed.apart < APART
            and changed.middle < STEEPEST
            and clipped.share(parts) < MOSTLY
            and max(SPARE, UNDER * min(calm, loud)) < calmer <= BENT * loud
        )
        shrunk = nearly or (lack < SMOOTHEST and least * loud < calmer < (FAR if surely else NEAR) * loud)
        if shrunk or (loud / BENT < calmer < loud and _turned(parts, blocks, changed)):
            curve = Curve(calmer / 255)
            gray = parts[0].shape[2] == 1
            if shrunk and (lack > STILL_WHITE if gray else not _white_in_colour(parts)):
                return Diagnosis("correlated", correlated=calmer, sure=sure, curve=curve)
            if shrunk and gray:
                calmer *= 1 + RAISED * max(0.0, lack - WHITE)
                curve = Curve(calmer / 255)
            return Diagnosis("gaussian", calmer, sure=sure, curve=curve, clipping=clipped.clipping(parts, curve))
    light = _in_light(parts, read) if quality is None and read.compressed is None else 0.0
    if light > 0:
        return Diagnosis("correlated", correlated=light, sure=sure, curve=Curve(light / 255))
    if (said.white < FAINTEST and said.correlated < PROCESSED) or not len(blocks.values):
        hidden = _between(parts, quality)
        if hidden is not None:
            return hidden
        if quality is None and read.compressed is not None:
            quality = read.compressed.quality
        coarse = _coarse(parts)
        if coarse > 0:
            return Diagnosis(
                "correlated",
                jpeg_quality=quality,
                correlated=coarse,
                correlation_length=noise.length(blocks),
                sure=sure,
                curve=Curve(coarse / 255),
            )
        if quality is None or quality > FINE:
            return Diagnosis("clean", jpeg_quality=quality, sure=sure)
        return Diagnosis("jpeg", jpeg_quality=quality, sure=sure, quantised=Quantised(quality, *jpeg.grid(parts)[0]))
    if said.correlated > said.white or quality is not None:
        level = max(said.correlated, said.white)
        large = noise.enlarged(blocks) if quality is None else 0.0
        if large > 0:
            # The networks learnt from none so smooth, and say several times as much.
            level = min(level, LARGER * large)
        elif quality is None and (slightly := noise.interpolated(parts, blocks)) > 0:
            level = min(level, SLIGHTLY * slightly)
        # The same at every intensity: what calm blocks say of it by intensity is too much of texture to be better than that.
        reach = noise.length(blocks)
        return Diagnosis(
            "correlated", jpeg_quality=quality, correlated=level, correlation_length=reach, sure=sure, curve=Curve(level / 255)
        )
    found, patterned = even or noise.curve(blocks, calm), False
    most = PLAIN if heard > SPARE else UNHEARD * heard
    if not found.flat and even is None and FAINTEST < heard < BENT * calm and BENT * heard < mean_level(found, blocks) < most:
        # Texture in the light, or in the dark: noise of that kind would have been heard, and calm blocks would have less of it.
        found = Curve(heard / 255)
    elif found.flat and heard < calm < min(STRONG, FARTHEST * heard):
        # Texture adds to what calm blocks have; a page whose paper is clipped has none left but those that are full of letters.
        found = Curve((heard if calm > max(PLAIN, OVERRATED * heard) else float(np.sqrt(calm * heard))) / 255)
    elif found.flat and calm > FARTHEST * heard:
        # Letters, or the like, in all blocks: between their lines there is room for strips.
        strip, between = noise.strip_sigma(parts), quiet.level(quiet.windows(parts))
        if strip == 0 and between > FARTHER * calm:
            # No place has noise alone, and nothing agrees on a level.
            return Diagnosis("clean", sure=sure)
        strip = strip or between
        patterned = 0 < strip < LETTERS * calm
        found = Curve(strip / 255) if patterned else found
    if found.flat and 255 * found.sigma < FAINTEST:
        return Diagnosis("clean", sure=sure)
    lost = clipped.clipping(parts, found)
    if lost is not None and mean_level(found, blocks) > (MUTED if clipped.share(parts) < HEAPED else LEAST_MUTED):
        better = clipped.fitted(parts, lost)
        again = None if better is None else clipped.clipping(parts, better)
        if better is not None and again is not None:
            found, lost = better, again
    kind = "poisson" if found.gain > 0 else "speckle" if found.speckle > 0 else "gaussian"
    return Diagnosis(
        kind,
        255 * found.sigma,
        found.gain,
        found.speckle,
        jpeg_quality=quality,
        sure=sure,
        curve=found,
        clipping=lost,
        patterned=patterned,
    )


def _white_in_colour(parts: Sequence[Pixels]) -> bool:
    """Whether noise is as white in the differences of channels: a camera smooths colours more than brightness, and the file for
    processed noise knows that. False of parts in gray."""
    if parts[0].shape[2] != 3:
        return False
    # Black and white are no ends of differences: raised above white, none is left out.
    apart = [(part[..., ::2] - part[..., 1:2]) / np.float32(np.sqrt(2)) + np.float32(2) for part in parts]
    few = noise.spectrum(sampling.blocks(apart))[0]
    return bool(few[0] < SMOOTHEST * few[-1])


def _turned(parts: Sequence[Pixels], blocks: sampling.Blocks, changed: noise.Resampled) -> bool:
    """Whether noise was white before the picture was turned: it lacks the frequencies that are high along rows and columns at once,
    and the networks, which learnt from none, overrate it by a fifth. Some cameras' noise lacks them, too."""
    steep = changed.middle >= min(LEVEL, 1 + SLOPE * (changed.high - 1))
    if changed.high <= LACKING or steep or not changed.sure or changed.level <= SPARE:
        return False
    if parts[0].shape[2] == 3:
        return noise.independence(parts) > OWN
    _, variance = noise.by_light(blocks)
    return len(variance) > 0 and bool(variance.max() < SAME**2 * variance.min())


def _between(parts: Sequence[Pixels], quality: int | None) -> Diagnosis | None:
    """The noise of the places that are neither bright nor dark; None where they are the whole picture, or as clean as it seems.
    ``quality``: of JPEG, which takes fine detail away, so that nothing shows what was laid over the picture."""
    side = sampling.ACROSS
    # Where something was cut out, parts are of many sizes, and little would be left.
    more = quality is None and len({part.shape for part in parts}) > 1
    cut = [
        part[top : top + side, left : left + side]
        for part in parts
        for top in _begins(part.shape[0], more)
        for left in _begins(part.shape[1], more)
    ]
    middling = [each for each in cut if _is_between(each)]
    if not LEAST_BETWEEN <= len(middling) < COVERED * len(cut):
        return None
    looked = [(_fine_detail(each), each) for each in middling]
    looked = [(squares, each) for squares, each in looked if np.quantile(squares, CALM) > EVEN or quality is not None]
    if len(looked) < max(LEAST_BETWEEN, (1 - MOST_EVEN) * len(middling)):
        return None
    squares, middling = [each for each, _ in looked], [each for _, each in looked]
    fine = sorted(float(np.quantile(each, CALM)) for each in squares)
    read = Reading.of(middling)
    level = max(read.said.white, read.said.correlated) if len(read.blocks.values) else 0.0
    if level < HIDDEN:
        return None
    usual = float(np.median(fine))
    alike = len(middling) >= SOME_BETWEEN and usual < level and fine[1] > ALIKE * usual
    least, calm = np.quantile(np.concatenate(squares), FLOOR)
    firm = least > (FLOORED if len(middling) < MANY_BETWEEN else FLOORED_MANY) * calm
    floored = firm and (len(middling) >= SOME_BETWEEN or fine[0] < MOST_FLOOR)
    own = 0.0
    if not alike and not floored:
        # In the differences of channels texture hides no floor.
        own = _own(middling)
        if own < LEAST_OWN:
            return None
    found = measured(middling, read)
    share = float(np.interp(noise.length(read.blocks) / 2, WIDTHS, FINEST))
    # Where there is more, the sky, which repeats itself, would refute it.
    most = min(max((own or fine[0]) / share, HIDDEN), 0.99 * PLAIN)
    if found.kind != "correlated" or found.jpeg_quality is not None or found.correlated < most:
        return found
    # No place has less than the noise, unless JPEG took its fine detail away.
    return replace(found, correlated=most, curve=Curve(most / 255))


def _own(places: Sequence[Pixels]) -> float:
    """How much fine detail, in 8-bit levels, the place with the least of it has in the differences of channels, where that has a
    floor; else 0. There is hardly any texture in them."""
    found = []
    for first in (0, 2) if places[0].shape[2] == 3 else ():
        apart = [_fine_detail((place[..., first] - place[..., 1])[..., None] / np.float32(np.sqrt(2))) for place in places]
        least, calm = np.quantile(np.concatenate(apart), FLOOR)
        if least < FLOORED * calm:
            return 0.0
        found.append(min(float(np.quantile(squares, CALM)) for squares in apart))
    return min(found, default=0.0)


def _in_light(parts: Sequence[Pixels], read: Reading) -> float:
    """The level in 8-bit levels of white noise in brightness, where that in colours was smoothed; 0 where there is none. The
    networks learnt from none, and hear most of it only in the brightness alone."""
    loud = max(read.said.white, read.said.correlated)
    if (
        read.said.white > max(FAINTEST, read.said.correlated)
        or parts[0].shape[2] != 3
        or read.calm < max(SPARE, BENT * loud)
        or noise.independence(parts) < PARTLY
    ):
        return 0.0
    heard = Reading.of([part @ np.array(LUMA, np.float32)[:, None] for part in parts]).said.white
    return heard if heard > max(SPARE, BENT * loud) else 0.0


def _coarse(parts: Sequence[Pixels]) -> float:
    """The level in 8-bit levels of noise that is two pixels wide and more, as a picture of half the size shows it; 0 where there is
    none, and where the picture is too small to tell."""
    if sum(part.shape[0] * part.shape[1] for part in parts) < LARGEST:
        return 0.0
    small = []
    for part in parts:
        height, width = (side // 2 * 2 for side in part.shape[:2])
        top, bottom = part[:height:2, :width], part[1:height:2, :width]
        small.append((top[:, ::2] + top[:, 1::2] + bottom[:, ::2] + bottom[:, 1::2]) / np.float32(4))
    read = Reading.of(small)
    few, many = noise.spectrum(read.blocks)[[0, -1]]
    if many[2] <= FINER * many[0] or many[3] <= FINEST_OF * many[2]:
        # Soft structure ends somewhere; noise has some of all orders.
        return 0.0
    middle, heard = float(few[0]), read.said.correlated
    level = min(heard, MIDDLE * middle)
    return level if heard > max(HIDDEN, read.said.white, COARSE * middle) and level > PROCESSED else 0.0


def _begins(length: int, more: bool) -> list[int]:
    """Where places begin in so many pixels; with ``more``, another one at the end where half a place or more is left."""
    side = sampling.ACROSS
    begins = list(range(0, length - side + 1, side))
    if more and begins and length % side >= side // 2:
        begins.append((length - side) // SQUARE * SQUARE)
    return begins


def _fine_detail(place: Pixels) -> NDArray[np.float32]:
    """How much fine detail each square of a place (h, w, channels) has, in 8-bit levels."""
    plane = place[..., place.shape[2] // 2]
    fine = np.square(plane[1:-1, 1:-1] - (plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:]) / 4)
    rows, columns = (side // SQUARE for side in fine.shape)
    squares = fine[: rows * SQUARE, : columns * SQUARE].reshape(rows, SQUARE, columns, SQUARE).mean(axis=(1, 3))
    answer: NDArray[np.float32] = np.float32(255) * np.sqrt(squares).ravel()
    return answer


def _is_between(place: Pixels) -> bool:
    light = place.mean(axis=2)
    stray = float(((light < ENDS[0]) | (light > ENDS[1])).mean())
    return BETWEEN[0] < float(light.mean()) < BETWEEN[1] and stray < STRAY


def _struck(parts: Sequence[Pixels], blocks: sampling.Blocks, level: float) -> tuple[float, float]:
    """The share of impulses of any value on strong noise, and that noise's level, which is at most ``level``; 0 and 0 where there
    are none."""
    heard, density = level, impulses.counted(parts, level)
    if density < SURE:
        return 0.0, 0.0
    # Noise that grows with the light throws values far off in the light, too.
    least = SURE if noise.curve(blocks, level).flat else SURER
    for _ in range(ROUNDS):
        if density < least:
            return 0.0, 0.0
        # The impulses raised the level, which hides some of them.
        level = noise.struck_sigma(parts, density) or level
        density = impulses.counted(parts, level)
    real = density >= least and level > LEFT * heard and impulses.stand_alone(parts, level, density)
    return (density, level) if real else (0.0, 0.0)


def mean_level(curve: Curve, blocks: sampling.Blocks) -> float:
    """The standard deviation of the noise all over the picture, in 8-bit levels."""
    return 255 * float(np.sqrt(curve.variance(blocks.means / 255).mean()))
