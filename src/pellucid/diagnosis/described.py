"""A picture's noise as it was found, and how it is put in words."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid import maps
from pellucid.clipping import Clipping
from pellucid.diagnosis.drawn import Squares
from pellucid.diagnosis.enlarged import Enlarged
from pellucid.diagnosis.palette import Colours
from pellucid.images import Pixels
from pellucid.maps import NONE, Blotches, Curve, Extremes, Places, Spots
from pellucid.quantised import Quantised

__all__ = ["FAINTEST", "KINDS", "Diagnosis"]

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
"""The values of `Diagnosis.kind`; `inspect` describes them."""

FAINTEST = 0.8
"""Level in 8-bit levels below which there is no noise worth the name: rounding to 8 bits alone is 0.29."""


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The answer of `inspect`.

    ``kind`` is one of `KINDS`. ``gaussian_sigma`` is the standard deviation of the white noise that does not depend on the signal,
    in 8-bit levels; ``poisson_gain`` the variance at white of noise whose variance grows with the signal (1 / peak), ``speckle``
    of noise whose variance grows with its square, both of full range squared; ``impulse_density`` the share of replaced pixels,
    and ``extremes`` how many of them are black and white, if they are; ``spots`` describes those that are few, and all there is;
    ``jpeg_quality`` that of libjpeg's scale, None where no JPEG shows; ``correlated`` the standard deviation of noise that is
    correlated from pixel to pixel, in 8-bit levels, and ``correlation_length`` how far it reaches, in pixels; ``places`` the level
    by place, where it differs; ``rows`` and ``columns`` the standard deviation in 8-bit levels of whole rows or columns that are
    lighter and darker than their neighbours; ``blotches`` noise in colour alone that is many pixels wide;
    ``halftone`` how far the dots of a print are apart, in pixels, 0 where there are none; ``squares`` how pixels were repeated, of
    which everything else here describes one; ``enlarged`` how a smooth kernel made the picture larger, noise and all, and
    ``smaller`` what is found at the size that it had; ``patterned``: the picture has detail of its own, letters or a pattern, that
    is as strong as noise, and looks like it; ``colours`` are the few that such a picture has; ``quantised`` the
    JPEG that it was, where its coefficients show it, and whether it has other noise.
    ``curve`` is all noise but impulses by intensity, and ``clipping`` what became of it at black and white, where values
    beyond were lost. ``sure`` is how much there was to go by, 0 to 1.

    >>> import numpy as np, pellucid
    >>> found = pellucid.inspect(np.random.default_rng(1).normal(0.5, 0.1, (96, 96, 1)).astype(np.float32))
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
    enlarged: Enlarged | None = None
    smaller: Diagnosis | None = None
    patterned: bool = False
    colours: Colours | None = field(default=None, compare=False)
    quantised: Quantised | None = None

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
            "enlarged": None if self.enlarged is None else round(self.enlarged.factor, 2),
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
            what = "impulses (wrong pixels of any value)"
            if self.extremes is not None:
                black, white = self.extremes.pepper > 0, self.extremes.salt > 0
                what = "salt and pepper" if black and white else "salt (white pixels)" if white else "pepper (black pixels)"
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
        if self.quantised is not None and self.quantised.squares is not None:
            (height, _), (width, _) = self.quantised.squares
            found.append(f"drawn in squares of {width}x{height} pixels")
        if self.squares is not None and self.kind != "clean":
            found.append(f"pixels repeated {self.squares.columns}x{self.squares.rows}")
        if self.enlarged is not None:
            found.append(f"enlarged {self.enlarged.factor:.3g} times")
        return "; ".join(found)
