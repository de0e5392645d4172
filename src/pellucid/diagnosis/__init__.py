"""Which noise is in an image, and how much: measured from the image alone.

`inspect` looks at windows of the image (`sampling`), measures impulses (`extremes`, `spots`, `impulses`), JPEG (`jpeg`) and the
noise of calm blocks (`noise`), and lets a small network (`estimator`) say what of it is noise (`fine`); `Diagnosis` is what it
finds (`described`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pellucid import drawings, images, maps
from pellucid.diagnosis import (
    bands,
    blotches,
    clipped,
    dots,
    drawn,
    enlarged,
    extremes,
    grounds,
    halftone,
    impulses,
    jpeg,
    noise,
    places,
    sampling,
    spots,
    squared,
)
from pellucid.diagnosis.believing import LESS, RINGING, STRONGEST, Detail, believed, patterned
from pellucid.diagnosis.described import KINDS, Diagnosis
from pellucid.diagnosis.drawn import Squares
from pellucid.diagnosis.fine import BENT, MANY, SPARE, SPARSEST, Reading, measured
from pellucid.images import Image, Pixels, Rows
from pellucid.maps import Curve, Extremes, Places, Spots
from pellucid.views import View

__all__ = [
    "KINDS",
    "Diagnosis",
    "clipping",
    "inspect",
    "inspect_parts",
    "is_gray",
    "look",
    "screen",
    "smaller",
    "squares",
    "windows",
]

windows = sampling.windows
clipping = clipped.of_told

SPECKED = 6.0
"""Level in 8-bit levels below which few impulses may be all that there is."""

STEPS = 2.0
"""Level in 8-bit levels below which a picture whose pixels were repeated has no noise: a palette of many colours has as much."""

WHITE = ("gaussian", "poisson", "speckle")

SMOOTHED = ("clean", "correlated", *WHITE)
"""Kinds that enlarged noise is taken for at first."""

ROUNDED, AS_ENLARGED, AGAIN = 0.5, 0.5, 0.12
"""By how much a picture that was enlarged is another when it has been made smaller and enlarged again, in 8-bit levels: what
roundings leave, and the shares that are added, for noise that was clipped before: of the level as it is measured at first, where
there is no period, and at the smaller size."""

SURELY = 2.8
"""Level in 8-bit levels of noise at the size that a picture had from which it is believed where the picture as it is seems clean:
in clean pictures texture has up to 2.7."""

TEXTURED = 1.5
"""How many times the level of the picture as it is processed noise may have at the size that it had: texture is stronger there."""

SPREAD = 0.75
"""How far white noise is correlated once it was enlarged, as a share of the factor."""

REFUTED = 0.5
"""Share of the level of blotches that few colours must not have on them to refute it: not each channel has all of it."""

SMALLEST = 16
"""Side in pixels below which an image is too small to say anything."""


def inspect(pixels: Pixels) -> Diagnosis:
    """Finds which noise is in ``pixels`` (height, width, channels).

    ``clean``: none to speak of. ``gaussian``, ``poisson``, ``speckle``: white noise, the same at every intensity, or with a
    variance that grows with it or with its square. ``salt-pepper`` and ``impulses``: pixels replaced by black and white, or by any
    value, alone or on top of noise.
    ``correlated``: noise that was processed, as by a camera, or film grain. ``jpeg``: compression, and no noise that shows.
    ``bands``: whole rows or columns that are lighter and darker, and nothing else. ``blotches``: noise in colour alone, many pixels
    wide, and nothing else. ``halftone``: a print in dots, which nobody takes for noise.

    An image with a side under 16 pixels is called clean: too small to measure.

    >>> inspect(np.random.default_rng(1).normal(0.5, 0.1, (96, 96, 1)).astype(np.float32)).kind
    'gaussian'
    """
    return look(View((Image(pixels, dtype=pixels.dtype),)))


def look(view: View) -> Diagnosis:
    """As `inspect`, of a picture wherever its pixels are; what is transparent is left out. The view keeps the answer."""
    if view.found is None:
        through = windows(*view.shape[:2])
        found = _inspected(view, view.parts(through), view.opaque(through), view.shape[:2])
        if found.squares is not None:
            found = _repeated(view)
        elif found.quantised is not None and found.quantised.squares is not None:
            found = _even(view, found)
        elif _in_memory(view) and found.jpeg_quality is None and found.kind in SMOOTHED:
            found = _enlarged(view, found)
        view.found = _coloured(view, found)
    elif view.found.spots is not None and view.found.spots.unseen:
        # Found in another frame of the scene: this one may have other colours, or none that come again.
        own = grounds.by_colour(view.parts(windows(*view.shape[:2])))
        own = own or replace(view.found.spots, colours=None, ground=True)
        view.found = _coloured(view, replace(view.found, spots=own))
    answer: Diagnosis = view.found
    return answer


def _inspected(view: View, parts: Sequence[Pixels], shown: Sequence[NDArray[np.bool_]] | None, size: tuple[int, ...]) -> Diagnosis:
    """As `inspect_parts`, without the JPEG that a picture cannot have been which was made of a sensor's samples: where light is
    smooth, the filters that fill in colours leave steps at even distances, as a JPEG's blocks do."""
    found = inspect_parts(parts, shown, size)
    if not view.picture.shot:
        return found
    return Diagnosis("clean", sure=found.sure) if found.kind == "jpeg" else replace(found, jpeg_quality=None, quantised=None)


def _coloured(view: View, found: Diagnosis) -> Diagnosis:
    """The diagnosis with the colours of all of the picture, for one may be in a part alone, where impulses show by these."""
    if found.spots is None or not found.spots.unseen:
        return found
    colours = drawings.recurring(band.transpose(2, 0, 1) for band, _ in view.bands())
    return replace(found, spots=replace(found.spots, colours=colours))


def squares(view: View) -> Squares | None:
    """How the pixels of a picture were repeated; None where they were not, or where it is not in memory, or some of it is no
    image."""
    if not _in_memory(view):
        return None
    if not drawn.in_squares(view.parts(windows(*view.shape[:2]))):
        return None
    return drawn.squares(view.picture.pixels)


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


def _even(view: View, found: Diagnosis) -> Diagnosis:
    """The JPEG that was drawn in squares, with the place of these in the whole picture; without them where it is not in memory."""
    assert found.quantised is not None
    plain = replace(found.quantised, squares=None)
    even = None
    if _in_memory(view):
        pixels = images.floating(view.picture).pixels
        even = squared.squared([pixels[..., 1:2] if is_gray(view) else pixels], plain)
    return replace(found, quantised=even or plain)


def _in_memory(view: View) -> bool:
    """Whether all of a picture is there, and is an image."""
    return not isinstance(view.picture.pixels, Rows) and view.picture.mask is None


def _enlarged(view: View, found: Diagnosis) -> Diagnosis:
    """The noise of a picture that a smooth kernel made larger, noise and all; as it was ``found`` where none did."""
    way, off, periodic = enlarged.found(view) or (None, 0.0, False)
    if way is None or (not periodic and off > ROUNDED + AS_ENLARGED * max(found.sigma, STEPS)):
        return found
    size = way.size(*view.shape[:2])
    small = way.parts(view, windows(*size))
    # Pixels that had one colour have one colour again.
    rounded = [np.clip(np.rint(part * np.float32(255)) / np.float32(255), 0, 1) for part in small]
    seen = _inspected(view, rounded, None, size)
    if seen.squares is not None:
        return found
    if seen.kind == "clean" and off < ROUNDED:
        # There is nothing beside the smaller picture, and in it no noise.
        return seen
    white = seen.kind in WHITE
    # A camera's noise, and what JPEG left of it, is nearly the same at a size a little smaller.
    other = periodic and seen.kind == "correlated" and off < ROUNDED and seen.sigma < TEXTURED * found.sigma
    banded = found.rows + found.columns > 0 and seen.rows + seen.columns == 0
    fainter = seen.sigma < (SURELY if found.kind == "clean" else STEPS)
    if fainter or banded or not (white or other) or off > ROUNDED + AGAIN * seen.sigma:
        return found
    there = view.parts(windows(*view.shape[:2]))
    if jpeg.found(there) is not None or squared.plainly(there):
        # Pictures drawn in squares have edges at even distances, too; and no JPEG was enlarged since.
        return found
    level = seen.sigma * (way.gain if white else 1.0)
    return Diagnosis(
        "correlated",
        correlated=level,
        correlation_length=SPREAD * way.factor + seen.correlation_length,
        sure=seen.sure,
        curve=Curve(level / 255),
        rows=seen.rows,
        columns=seen.columns,
        blotches=seen.blotches,
        enlarged=way,
        smaller=seen,
    )


def is_gray(view: View) -> bool:
    """Whether a picture of three channels is a gray one: see `pellucid.diagnosis.drawn.gray`."""
    if view.shape[2] != 3:
        return False
    through = windows(*view.shape[:2])
    if not drawn.gray(view.each_part(through), view.opaque(through)):
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
    sight = drawn.sight(parts, shown)
    parts = sight.parts
    lone = None if sight.squares else grounds.by_colour(whole)
    if lone is not None:
        return Diagnosis("impulses", impulse_density=lone.share, spots=lone)
    detail = Detail(parts)
    full = detail if parts is whole else Detail(whole)
    compressed = None if sight.squares else full.compressed
    if compressed is not None and (even := squared.squared(whole, compressed)) is not None:
        return Diagnosis("jpeg", jpeg_quality=even.quality, quantised=even)
    for part in (whole, parts) if len(parts) > len(whole) or parts[0] is not whole[0] else (whole,):
        if (struck := extremes.measured(part)) is None:
            continue
        salted = _salt_and_pepper(detail if part is parts else full, struck)
        # Counts of few photons are black and white at many places, too.
        if salted is not None and full.photon == 0:
            return salted
    # Few grays make a drawing, and may be a print.
    lattice = None if sight.squares else halftone.lattice(whole, drawn=sight.drawn and sight.recurring)
    if lattice is not None and lattice.dots:
        return Diagnosis("halftone", halftone=lattice.apart)
    if sight.drawn:
        few = None if sight.squares else grounds.impulses(whole)
        if few is not None:
            return Diagnosis("impulses", impulse_density=few.share, spots=few)
        # How, the whole picture tells.
        return Diagnosis("clean", squares=Squares(2, 2) if sight.squares else None)
    if full.photon > 0:
        curve = Curve(gain=full.photon)
        return Diagnosis("poisson", poisson_gain=full.photon, curve=curve, clipping=clipped.clipping(whole, curve))
    if lattice is not None and lattice.level is not None and jpeg.confirmed(whole) is None:
        plain = _plain(detail, whole, size)
        if plain.colours is not None:
            return plain
        # A weave hides no noise, but raises its level, and that of its quietest places; impulses raise the power between the waves.
        lower = plain.kind != "correlated" and plain.sigma < lattice.level
        hidden = plain.kind == "clean" and detail.between > lattice.level
        return plain if lower and not hidden else patterned(whole, lattice.level)
    rows, columns = bands.measured(parts)
    if rows == columns == 0:
        return _plain(detail, whole, size)
    straight = [np.asarray(part, dtype=np.float32) for part in parts]
    for axis, level in ((0, rows), (1, columns)):
        if level > 0:
            straight = [part - np.expand_dims(bands.offsets(part, axis, level), 1 - axis) for part in straight]
    without = Detail(straight)
    own = detail.colours()
    if own is not None and ((own.level / 255) ** 2 < rows**2 + columns**2 or (detail.fine and not own.fainter(without.colours()))):
        # Bands widen colours as noise does, and without them colours are narrower; tiles are mixed up.
        return _plain(detail, whole, size)
    found = _plain(without, whole, None)
    if found.jpeg_quality is not None or (detail.repeats is not None and detail.repeats.refute(found.sigma / 255, rows, columns)):
        # A JPEG's blocks begin and end in whole rows; and what comes again is neither noise nor bands.
        return _plain(detail, whole, size)
    kind = "bands" if found.kind in ("clean", "blotches") else found.kind
    return replace(found, kind=kind, rows=255 * rows, columns=255 * columns)


def screen(view: View) -> float:
    """How far the points of a lattice are apart in a picture that somebody calls a print, in pixels: an even tint near one half has
    the look of a weave. 0 where there is none."""
    parts = view.parts(windows(*view.shape[:2]))
    found = halftone.lattice([part[..., 1:2] for part in parts] if drawn.gray(parts) else parts)
    return 0.0 if found is None else found.apart


def _plain(detail: Detail, whole: Sequence[Pixels], size: tuple[int, ...] | None) -> Diagnosis:
    """The noise of parts without bands."""
    found = _fine(detail, whole, size)
    few = grounds.impulses(whole) if found.kind == "clean" else None
    if few is not None and grounds.mostly(whole, few.share):
        # Impulses hid that it was drawn.
        return Diagnosis("impulses", impulse_density=few.share, spots=few)
    wide = None if found.impulse_density > 0 else blotches.measured(detail.parts, found.gaussian_sigma)
    colours = None if wide is None else detail.few
    if wide is None or (colours is not None and colours.refute(Curve(REFUTED * wide.level / 255))):
        # Tiles of few colours, which these would have widened.
        return found
    return replace(found, kind="blotches" if found.kind == "clean" else found.kind, blotches=wide)


def _fine(detail: Detail, whole: Sequence[Pixels], size: tuple[int, ...] | None) -> Diagnosis:
    """The noise that is a few pixels wide at most."""
    parts = detail.parts
    found = believed(detail, measured(parts, Reading.of(parts, detail.compressed)))
    if found.kind == "correlated" and detail.compressed is None and squared.plainly(parts):
        # A JPEG of hardly any waves.
        return Diagnosis("clean", sure=found.sure)
    doubted = found.impulse_density > 0 or found.kind == "correlated" or (found.kind in WHITE and not found.patterned)
    if doubted and dots.dotted(parts, found.sigma):
        # They are no impulses, and the networks take them for some.
        quality = detail.jpeg
        if quality is not None or found.kind == "correlated" or dots.smoothed(parts):
            return Diagnosis("clean", jpeg_quality=quality, sure=found.sure)
        return patterned(parts, found.sigma, RINGING, found.sure)
    if found.impulse_density == 0 and found.jpeg_quality is None and found.sigma < SPECKED:
        few = spots.measured(parts)
        # A few pixels that stand out make noise of what has none.
        if few is not None and (found.kind == "clean" or measured([_mended(part, few) for part in parts]).kind == "clean"):
            if grounds.dotted(whole) or (not few.alone and dots.dotted(parts, found.sigma)):
                return Diagnosis("clean", sure=found.sure)
            return Diagnosis("impulses", impulse_density=few.share, sure=found.sure, spots=few)
        if few is None and not found.patterned and (share := _in_one_channel(parts)) > 0:
            return Diagnosis("impulses", impulse_density=share, sure=found.sure, spots=Spots(share, alone=True))
    # Tiles and letters differ from place to place, too.
    white = found.kind in ("gaussian", "poisson", "speckle") and not found.patterned
    if (white or found.kind == "clean") and parts[0] is whole[0] and size is not None and (rows := _rows(whole, size)) > 0:
        where = (places.places(whole, rows, found.curve) if white else None) or _in_part(whole, rows, found.curve)
        if where is not None:
            return Diagnosis("gaussian", where.mean, sure=found.sure, curve=Curve(where.mean / 255), places=where)
    return found


def _in_one_channel(parts: Sequence[Pixels]) -> float:
    """The share of pixels whose impulses strike a channel alone, of a picture that seems clean; 0 where there are none."""
    shares = [0.0]
    for channel in range(parts[0].shape[2] if parts[0].shape[2] > 1 else 0):
        alone = [part[..., channel : channel + 1] for part in parts]
        share = impulses.counted(alone, 0.0)
        if SPARSEST <= share <= MANY and (extremes.measured(alone) is not None or measured(alone).impulse_density > 0):
            shares.append(share)
    return max(shares)


def _in_part(parts: Sequence[Pixels], rows: int, curve: Curve) -> Places | None:
    """The level by place where noise is in some of the picture alone; None where the networks say that it is not noise there."""
    for where, noisy in places.partial(parts, rows, curve):
        read = Reading.of(noisy)
        heard = read.said.white
        if read.quality is None and heard > read.said.correlated and read.calm / BENT < heard < BENT * read.calm:
            return where
    return None


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


def _salt_and_pepper(detail: Detail, struck: Extremes) -> Diagnosis | None:
    """Black and white impulses, and the noise between them; None where noise on black and white explains them."""
    parts = detail.parts
    density = struck.pepper + struck.salt
    colours = detail.colours(density)
    if colours is not None and colours.ends:
        return None
    good: list[NDArray[np.bool_]] = []
    for part in parts:
        ends = (part == np.float32(struck.low)) | (part == np.float32(struck.high))
        good.append(~ends.any(axis=2))
    level = noise.sparse_sigma(parts, good)
    # Counts of few photons are few exact values, too.
    sharp = detail.sharp and detail.photon == 0
    known = sharp or (colours is not None and colours.noisy)
    if colours is not None and known:
        level = 0.0 if sharp else min(level, colours.level)
    refuted = not known and level >= SPARE and detail.few is not None and detail.few.refute(Curve(LESS * level / 255))
    if refuted and detail.few is not None and detail.photon == 0:
        # The pattern was measured.
        known, level = True, detail.few.level if detail.few.noisy else 0.0
    if level > STRONGEST:
        # The picture is black and white itself.
        return None
    level = level if level >= SPARE else 0.0
    curve = Curve(level / 255)
    lost = clipped.clipping(parts, curve) if density < MANY else None
    return Diagnosis(
        "salt-pepper",
        level,
        impulse_density=density,
        curve=curve,
        extremes=struck,
        clipping=lost,
        patterned=known,
        colours=colours if colours is not None and colours.curve.flat and colours.level == level > 0 else None,
    )
