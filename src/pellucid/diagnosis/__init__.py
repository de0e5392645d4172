"""Which noise is in an image, and how much: measured from the image alone.

`inspect` looks at windows of the image (`sampling`), measures impulses (`impulses`), JPEG (`jpeg`) and the noise of calm blocks
(`noise`), and lets a small network (`estimator`) say what of it is noise; `Diagnosis` is what it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import images, maps
from pellucid.clipping import Clipping
from pellucid.diagnosis import (
    bands,
    blotches,
    clipped,
    drawn,
    estimator,
    grounds,
    halftone,
    impulses,
    jpeg,
    noise,
    places,
    quiet,
    repeats,
    sampling,
)
from pellucid.diagnosis.drawn import Squares
from pellucid.images import Image, Pixels, Rows
from pellucid.maps import NONE, Blotches, Curve, Extremes, Places, Spots
from pellucid.views import View

__all__ = ["KINDS", "Diagnosis", "clipping", "inspect", "inspect_parts", "is_gray", "look", "smaller", "squares", "windows"]

windows = sampling.windows
clipping = clipped.of_told

KINDS = (
    "clean",
    "gaussian",
    "poisson",
    "speckle",
    "salt-pepper",
    "impulses",
    "correlated",
    "jpeg",
    "bands",
    "blotches",
    "halftone",
)
"""What `Diagnosis.kind` may say; `inspect` describes them."""

FAINTEST = 0.8
"""Level in 8-bit levels below which there is no noise worth the name: rounding to 8 bits alone is 0.29."""

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

LEAST_BETWEEN = 12
"""How many such places, `sampling.ACROSS` a side, there must be: the texture of fewer is taken for noise."""

HIDDEN = 4.0
"""Level in 8-bit levels from which their noise is believed. Of some 470 clean photographs at half size none was said to have so
much there, of 495 at three quarters one (texture looks like faint correlated noise)."""

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

FINE_DETAIL, SHARE_FINE = 0.3, 0.02
"""Share of the pixels that may be so far from their neighbours, as a share of full range, in a picture without letters or patterns.
In photographs with noise of level `LOUD` at most 0.005 are; in pages and screens 0.02 to 0.25."""

RINGING = 2.6
"""Level in 8-bit levels below which noise between letters is left alone: JPEG of quality 95 leaves 1.9 to 2.2 around them, which is
no noise, and to take it away costs 0.2 to 0.5 dB of 45."""

STRONGEST = 60.0
"""Level in 8-bit levels of calm blocks, impulses included, from which noise looks like impulses; `STRONG` is without impulses."""

MUTED, LEAST_MUTED, HEAPED = 30.0, 8.0, 0.1
"""Level in 8-bit levels from which noise that was clipped is measured by what clipping leaves of it, and from which it is where
more than that share of all values is black or white."""

MOSTLY, LETTERS = 0.15, 0.75
"""Share of black and white values from which paper that is clipped is looked at; and of the level that blocks have it must be
fainter than, to be believed."""

SMOOTHED, SMOOTHEST, UNDERRATED, NEAR, FAR = 1.3, 1.75, 1.1, 1.35, 5.0
"""How much of it the highest frequencies of noise that was shrunk or turned lack, as a factor, at least and at most; and by how
many times it must be stronger than the network says, and may be, where the very calmest blocks were clipped, and elsewhere. The
file for white noise is better there: by up to 6 dB; of a camera's noise and grain, which lack more, the one for processed noise."""

LARGER = 1.2
"""How many times the level that `noise.enlarged` measures such noise may have: bilinear kernels leave a fifth more."""

PATTERNED = 12.0
"""Level in 8-bit levels from which noise may be a pattern that repeats itself."""

PATCHED = 0.1
"""And share of impulses: with fewer, some patches have none, and may well come again."""

SPECKED = 6.0
"""Level in 8-bit levels below which few impulses may be all that there is."""

SPARE = 3.0
"""Level in 8-bit levels below which what is found between impulses is texture, not noise."""

STEPS = 2.0
"""Level in 8-bit levels below which a picture whose pixels were repeated has no noise: a palette of many colours has as much."""

SMALLEST = 16
"""Side in pixels below which an image is too small to say anything."""

FINE = 92
"""JPEG quality above which nothing is to be done about it."""


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """What `inspect` finds.

    ``kind`` is one of `KINDS`. ``gaussian_sigma`` is the standard deviation of the white noise that does not depend on the signal,
    in 8-bit levels; ``poisson_gain`` the variance at white of noise whose variance grows with the signal (1 / peak), ``speckle``
    of noise whose variance grows with its square, both of full range squared; ``impulse_density`` the share of replaced pixels,
    and ``extremes`` how many of them are black and white, if they are; ``spots`` describes those that are few, and all there is;
    ``jpeg_quality`` that of libjpeg's scale, None where no JPEG shows; ``correlated`` the standard deviation of noise that is
    correlated from pixel to pixel, in 8-bit levels, and ``correlation_length`` how far it reaches, in pixels; ``places`` the level
    by place, where it differs; ``rows`` and ``columns`` the standard deviation in 8-bit levels of whole rows or columns that are
    lighter and darker than their neighbours; ``blotches`` noise in colour alone that is many pixels wide;
    ``halftone`` how far the dots of a print are apart, in pixels, 0 where there are none; ``squares`` how pixels were repeated, of
    which everything else here describes one; ``patterned``: the picture has detail of its own, letters or a pattern, that is as
    strong as noise, and looks like it.
    ``curve`` is all noise but impulses by intensity, and ``clipping`` what became of it at black and white, where values
    beyond were lost. ``sure`` is how much there was to go by, 0 to 1.

    >>> import numpy as np
    >>> found = inspect(np.random.default_rng(1).normal(0.5, 0.1, (96, 96, 1)).astype(np.float32))
    >>> found.kind, 24 < found.sigma < 27
    ('gaussian', True)
    """

    kind: str
    gaussian_sigma: float = 0.0
    poisson_gain: float = 0.0
    speckle: float = 0.0
    impulse_density: float = 0.0
    jpeg_quality: int | None = None
    correlated: float = 0.0
    correlation_length: float = 0.0
    sure: float = 1.0
    curve: Curve = NONE
    extremes: Extremes | None = None
    clipping: Clipping | None = None
    spots: Spots | None = None
    places: Places | None = None
    rows: float = 0.0
    columns: float = 0.0
    blotches: Blotches | None = None
    halftone: float = 0.0
    squares: Squares | None = None
    patterned: bool = False

    @property
    def sigma(self) -> float:
        """The standard deviation of all noise but impulses at middle intensity, in 8-bit levels."""
        return 255 * float(np.sqrt(self.curve.variance(np.array([0.5], dtype=np.float32))[0]))

    def sigma_map(self, pixels: Pixels) -> Pixels:
        """The noise's standard deviation at each pixel (h, w), in 8-bit levels, of the image (h, w, channels) it was found in."""
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1))
        if self.extremes is not None:
            planes = maps.filled(planes, maps.impulses(planes, self.extremes))
        return maps.sigma(planes, self.curve) * np.float32(255)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "kind": self.kind,
            "gaussian_sigma": round(self.gaussian_sigma, 2),
            "poisson_gain": round(self.poisson_gain, 6),
            "speckle": round(self.speckle, 5),
            "impulse_density": round(self.impulse_density, 4),
            "jpeg_quality": self.jpeg_quality,
            "correlated": round(self.correlated, 2),
            "correlation_length": round(self.correlation_length, 2),
            "clipped": self.clipping is not None,
            "rows": round(self.rows, 2),
            "columns": round(self.columns, 2),
            "blotches": 0.0 if self.blotches is None else round(self.blotches.level, 2),
            "halftone": round(self.halftone, 2),
            "repeated": None if self.squares is None else [self.squares.rows, self.squares.columns],
            "sure": round(self.sure, 2),
        }

    def __repr__(self) -> str:
        return f"<Diagnosis: {self}>"

    def __str__(self) -> str:
        """One line for people."""
        found = []
        if self.kind == "clean":
            found.append("no noise to speak of")
        if self.gaussian_sigma >= FAINTEST:
            by_place = "" if self.places is None else f" ({self.places.least:.1f} to {self.places.most:.1f} from place to place)"
            found.append(f"Gaussian noise, noise level {self.gaussian_sigma:.1f}{by_place}")
        if self.poisson_gain > 0:
            found.append(f"photon noise, {1 / self.poisson_gain:.0f} photons at white")
        if self.speckle > 0:
            found.append(f"speckle (noise in proportion to the light), variance {self.speckle:.3g}")
        if self.correlated > 0:
            found.append(f"correlated noise (grain, or a camera's processed noise), noise level {self.correlated:.1f}")
        if self.impulse_density > 0:
            what = "salt and pepper" if self.extremes is not None else "impulses (wrong pixels of any value)"
            share = f"{self.impulse_density:.1%}" if self.impulse_density >= 0.005 else f"{self.impulse_density:.2%}"
            found.append(f"{what}, {share} of the pixels")
        for name, level in (("rows", self.rows), ("columns", self.columns)):
            if level > 0:
                found.append(f"bands, {name} apart by sigma {level:.1f}")
        if self.halftone > 0:
            found.append(f"print in dots (halftone), {self.halftone:.1f} pixels apart: descreen takes them away")
        if self.blotches is not None:
            found.append(f"blotches of colour, noise level {self.blotches.level:.1f}")
        if self.jpeg_quality is not None:
            found.append(f"JPEG of quality {self.jpeg_quality}")
        if self.squares is not None and self.kind != "clean":
            found.append(f"pixels repeated {self.squares.columns}x{self.squares.rows}")
        return "; ".join(found)


def inspect(pixels: Pixels) -> Diagnosis:
    """What noise is in ``pixels`` (height, width, channels).

    ``clean``: none to speak of. ``gaussian``, ``poisson``, ``speckle``: white noise, the same at every intensity, or with a
    variance that grows with it or with its square. ``salt-pepper`` and ``impulses``: pixels replaced by black and white, or by any
    value, alone or on top of noise.
    ``correlated``: noise that was processed, as by a camera, or film grain. ``jpeg``: compression, and no noise that shows.
    ``bands``: whole rows or columns that are lighter and darker, and nothing else. ``blotches``: noise in colour alone, many pixels
    wide, and nothing else. ``halftone``: a print in dots, which nobody takes for noise.

    An image with a side under 16 pixels is called clean: too small to measure.
    """
    return look(View((Image(pixels, dtype=pixels.dtype),)))


def look(view: View) -> Diagnosis:
    """As `inspect`, of a picture wherever its pixels are; what is transparent is left out. The view keeps the answer."""
    if view.found is None:
        through = windows(*view.shape[:2])
        found = inspect_parts(view.parts(through), view.opaque(through), view.shape[:2])
        if found.squares is not None:
            found = _repeated(view)
        view.found = found
    answer: Diagnosis = view.found
    return answer


def squares(view: View) -> Squares | None:
    """How the pixels of a picture were repeated; None where they were not, or where it is not in memory, or some of it is no
    image."""
    picture = view.picture
    if isinstance(picture.pixels, Rows) or picture.mask is not None:
        return None
    if not drawn.in_squares(view.parts(windows(*view.shape[:2]))):
        return None
    return drawn.squares(picture.pixels)


def smaller(picture: Image, repeated: Squares) -> Image:
    """The picture without the repetition of its pixels."""
    return replace(images.with_pixels(picture, repeated.small(picture.pixels)), alpha=None, size=None)


def _repeated(view: View) -> Diagnosis:
    """The noise of a picture whose pixels were repeated: that of the smaller one, unless it was drawn."""
    there = squares(view)
    if there is None:
        return Diagnosis("clean")
    small = View((smaller(view.picture, there),))
    if not drawn.various(images.floating(small.picture).pixels):
        return Diagnosis("clean", squares=there)
    found = look(small)
    return replace(found if found.impulse_density > 0 or found.sigma >= STEPS else Diagnosis("clean"), squares=there)


def is_gray(view: View) -> bool:
    """Whether a picture of three channels is a gray one: see `pellucid.diagnosis.drawn.gray`."""
    if view.shape[2] != 3:
        return False
    through = windows(*view.shape[:2])
    if not drawn.gray(view.parts(through), view.opaque(through)):
        return False
    return all(drawn.gray([band], None if opaque is None else [opaque]) for band, opaque in view.bands())


def inspect_parts(
    parts: Sequence[Pixels], shown: Sequence[NDArray[np.bool_]] | None = None, size: tuple[int, ...] | None = None
) -> Diagnosis:
    """As `inspect`, of an image that is seen through its `windows` alone; ``shown`` (h, w) tells which of the pixels of each are
    not transparent. Without the image's ``size``, height and width, nobody asks whether noise differs from place to place."""
    if min(parts[0].shape[:2]) < SMALLEST:
        return Diagnosis("clean", sure=0.0)
    if drawn.gray(parts, shown):
        # The mean of channels that rounding has set apart would hide what is exactly equal.
        parts = [part[..., 1:2] for part in parts]
    whole = parts
    seen = drawn.sight(parts, shown)
    parts = seen.parts
    for part in (whole, parts) if len(parts) > len(whole) or parts[0] is not whole[0] else (whole,):
        if (struck := impulses.extremes(part)) is not None:
            return _salt_and_pepper(part, struck)
    if not (seen.drawn and seen.recurring) and (apart := halftone.pitch(whole)) is not None:
        # Few grays make a drawing, and may be a print.
        return Diagnosis("halftone", halftone=apart)
    if seen.drawn:
        few = None if seen.squares else grounds.impulses(whole)
        if few is not None:
            return Diagnosis("impulses", impulse_density=few.share, spots=few)
        # How, the whole picture tells.
        return Diagnosis("clean", squares=Squares(2, 2) if seen.squares else None)
    if (step := impulses.photon_step(whole)) > 0 and clipped.counted(whole, step):
        photons = Curve(gain=step)
        return Diagnosis("poisson", poisson_gain=step, curve=photons, clipping=clipped.clipping(whole, photons))
    rows, columns = bands.measured(parts)
    if rows == columns == 0:
        return _plain(parts, whole, size)
    straight = [np.asarray(part, dtype=np.float32) for part in parts]
    for axis, level in ((0, rows), (1, columns)):
        if level > 0:
            straight = [part - np.expand_dims(bands.offsets(part, axis, level), 1 - axis) for part in straight]
    found = _plain(straight, whole, None)
    if found.jpeg_quality is not None:
        # A JPEG's blocks begin and end in whole rows.
        return _plain(parts, whole, size)
    kind = "bands" if found.kind in ("clean", "blotches") else found.kind
    return replace(found, kind=kind, rows=255 * rows, columns=255 * columns)


def _plain(parts: Sequence[Pixels], whole: Sequence[Pixels], size: tuple[int, ...] | None) -> Diagnosis:
    """The noise of parts without bands."""
    found = _fine(parts, whole, size)
    wide = None if found.impulse_density > 0 else blotches.measured(parts, found.gaussian_sigma)
    if wide is None:
        return found
    return replace(found, kind="blotches" if found.kind == "clean" else found.kind, blotches=wide)


def _fine(parts: Sequence[Pixels], whole: Sequence[Pixels], size: tuple[int, ...] | None) -> Diagnosis:
    """The noise that is a few pixels wide at most."""
    found = _believed(parts, _measured(parts))
    if found.impulse_density == 0 and found.jpeg_quality is None and found.sigma < SPECKED:
        few = impulses.spots(parts)
        # A few pixels that stand out make noise of what has none.
        if few is not None and (found.kind == "clean" or _measured([_mended(part, few) for part in parts]).kind == "clean"):
            return Diagnosis("impulses", impulse_density=few.share, sure=found.sure, spots=few)
        if few is None and not found.patterned and (share := _in_one_channel(parts)) > 0:
            return Diagnosis("impulses", impulse_density=share, sure=found.sure, spots=Spots(share, alone=True))
    white = found.kind in ("gaussian", "poisson", "speckle")
    if (white or found.kind == "clean") and parts[0] is whole[0] and size is not None and (rows := _rows(whole, size)) > 0:
        where = (places.places(whole, rows, found.curve) if white else None) or _in_part(whole, rows)
        if where is not None:
            return Diagnosis("gaussian", where.mean, sure=found.sure, curve=Curve(where.mean / 255), places=where)
    return found


def _in_one_channel(parts: Sequence[Pixels]) -> float:
    """The share of pixels whose impulses strike a channel alone, of a picture that seems clean; 0 where there are none."""
    shares = [0.0]
    for channel in range(parts[0].shape[2] if parts[0].shape[2] > 1 else 0):
        alone = [part[..., channel : channel + 1] for part in parts]
        share = impulses.counted(alone, 0.0)
        if SPARSEST <= share <= MANY and (impulses.extremes(alone) is not None or _measured(alone).impulse_density > 0):
            shares.append(share)
    return max(shares)


def _in_part(parts: Sequence[Pixels], rows: int) -> Places | None:
    """The level by place where noise is in some of the picture alone; None where the networks say that it is not noise there."""
    for where, noisy in places.partial(parts, rows):
        read = _Reading.of(noisy)
        heard = read.said.white
        if read.quality is None and heard > read.said.correlated and read.calm / BENT < heard < BENT * read.calm:
            return where
    return None


def _believed(parts: Sequence[Pixels], found: Diagnosis) -> Diagnosis:
    """The noise that was found, but where places are too quiet for it, or where the picture repeats itself too well, or is full of
    letters and the like: then that of these places."""
    detailed = found.jpeg_quality is None and impulses.differing(parts, FINE_DETAIL) > SHARE_FINE
    if found.jpeg_quality is not None or (found.kind == "clean" and not detailed):
        return found
    again = None
    if detailed or found.sigma > PATTERNED or found.impulse_density > PATCHED:
        # Letters make noise that seems to follow the light.
        curve = Curve(found.sigma / 255) if detailed else found.curve
        again = repeats.level(parts, replace(curve, sigma=float(np.hypot(curve.sigma, np.sqrt(found.impulse_density / 12)))))
    looked = quiet.windows(parts)
    between = quiet.level(looked) if detailed or again is None else np.inf
    white = found.kind in ("gaussian", "poisson", "speckle", "impulses")
    if again is not None:
        level = min(again, between)
    elif detailed and found.kind in ("clean", "gaussian") and found.sigma < LETTERS * between and between < PLAIN:
        # The network hears too little between letters, where clipping leaves half of it.
        level = between
    elif (detailed and not found.curve.flat and between < quiet.faintest(looked, found.curve)) or (
        (white or detailed) and found.kind != "clean" and quiet.refutes(looked, found.curve, found.impulse_density)
    ):
        level = between
    elif detailed and found.kind == "gaussian" and found.sigma < LOUD:
        if found.sigma < RINGING:
            return Diagnosis("clean", sure=found.sure)
        return replace(found, patterned=True)
    else:
        return found
    if level < (RINGING if detailed else FAINTEST):
        return Diagnosis("clean", sure=found.sure)
    plain = Curve(level / 255)
    return Diagnosis("gaussian", level, sure=found.sure, curve=plain, clipping=clipped.clipping(parts, plain), patterned=True)


def _rows(parts: Sequence[Pixels], size: tuple[int, ...]) -> int:
    """In how many rows the parts lie that are spread all over an image of this size; 0 where they are not."""
    through = windows(*size)
    if len(through) == 1:
        return int(parts[0].shape[:2] == tuple(size))
    return len({window.top for window in through})


def _mended(part: Pixels, few: Spots) -> Pixels:
    """The part (h, w, channels) with the impulses that show by themselves filled."""
    planes = np.ascontiguousarray(part.transpose(2, 0, 1))
    struck = maps.spots(planes, few.alone).any(axis=0)
    return maps.filled(planes, np.asarray(struck, dtype=np.float32)).transpose(1, 2, 0)


@dataclass(frozen=True)
class _Reading:
    """The JPEG ``quality``, the ``blocks``, the level of the ``calm`` ones, and ``said``, the network's estimate from these."""

    quality: int | None
    blocks: sampling.Blocks
    calm: float
    said: estimator.Estimate

    @classmethod
    def of(cls, parts: Sequence[Pixels]) -> _Reading:
        quality, rougher = jpeg.quality(parts)
        blocks = sampling.blocks(parts)
        calm = noise.white_sigma(blocks)
        seen = estimator.features(parts, blocks, calm, quality, rougher)
        return cls(quality, blocks, calm, estimator.answer(estimator.load(), seen))


def _measured(parts: Sequence[Pixels], reading: _Reading | None = None) -> Diagnosis:
    """The noise of parts that are no drawing and have no black and white impulses; ``reading`` where they were read before."""
    read = _Reading.of(parts) if reading is None else reading
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
        # Of few photons, or speckle: as strong in the light as to look like impulses there.
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
    if (said.white < FAINTEST and said.correlated < PROCESSED) or not len(blocks.values):
        hidden = _between(parts)
        if hidden is not None:
            return hidden
        compressed = quality is not None and quality <= FINE
        return Diagnosis("jpeg" if compressed else "clean", jpeg_quality=quality, sure=sure)
    if quality is None:
        calmer, lack, surely = noise.resampled(blocks)
        loud = max(said.white, said.correlated)
        if SMOOTHED < lack < SMOOTHEST and UNDERRATED * loud < calmer < (FAR if surely else NEAR) * loud:
            curve = Curve(calmer / 255)
            return Diagnosis("gaussian", calmer, sure=sure, curve=curve, clipping=clipped.clipping(parts, curve))
    if said.correlated > said.white or quality is not None:
        level = max(said.correlated, said.white)
        large = noise.enlarged(blocks) if quality is None else 0.0
        if large > 0:
            # The networks learnt from none so smooth, and say several times as much.
            level = min(level, LARGER * large)
        # The same at every intensity: what calm blocks say of it by intensity is too much of texture to be better than that.
        reach = noise.length(blocks)
        return Diagnosis(
            "correlated", jpeg_quality=quality, correlated=level, correlation_length=reach, sure=sure, curve=Curve(level / 255)
        )
    found, patterned = even or noise.curve(blocks, calm), False
    if not found.flat and even is None and FAINTEST < heard < BENT * calm and BENT * heard < _mean_level(found, blocks) < PLAIN:
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
    if lost is not None and _mean_level(found, blocks) > (MUTED if clipped.share(parts) < HEAPED else LEAST_MUTED):
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


def _between(parts: Sequence[Pixels]) -> Diagnosis | None:
    """The noise of the places that are neither bright nor dark; None where they are the whole picture, or as clean as it seems."""
    side = sampling.ACROSS
    cut = [
        part[top : top + side, left : left + side]
        for part in parts
        for top in range(0, part.shape[0] - side + 1, side)
        for left in range(0, part.shape[1] - side + 1, side)
    ]
    middling = [each for each in cut if _is_between(each)]
    if not LEAST_BETWEEN <= len(middling) < COVERED * len(cut):
        return None
    read = _Reading.of(middling)
    loud = len(read.blocks.values) > 0 and max(read.said.white, read.said.correlated) > HIDDEN
    return _measured(middling, read) if loud else None


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
    # Of noise that grows with the light, what is in the light is far off, too.
    least = SURE if noise.curve(blocks, level).flat else SURER
    for _ in range(ROUNDS):
        if density < least:
            return 0.0, 0.0
        # What impulses add to the level hides some of them.
        level = noise.struck_sigma(parts, density) or level
        density = impulses.counted(parts, level)
    real = density >= least and level > LEFT * heard and impulses.stand_alone(parts, level, density)
    return (density, level) if real else (0.0, 0.0)


def _mean_level(curve: Curve, blocks: sampling.Blocks) -> float:
    """The standard deviation of the noise all over the picture, in 8-bit levels."""
    return 255 * float(np.sqrt(curve.variance(blocks.means / 255).mean()))


def _salt_and_pepper(parts: Sequence[Pixels], struck: Extremes) -> Diagnosis:
    good: list[NDArray[np.bool_]] = []
    for part in parts:
        ends = (part == np.float32(struck.low)) | (part == np.float32(struck.high))
        good.append(~ends.any(axis=2))
    level = noise.sparse_sigma(parts, good)
    level = level if level >= SPARE else 0.0
    density, curve = struck.pepper + struck.salt, Curve(level / 255)
    lost = clipped.clipping(parts, curve) if density < MANY else None
    return Diagnosis("salt-pepper", level, impulse_density=density, curve=curve, extremes=struck, clipping=lost)
