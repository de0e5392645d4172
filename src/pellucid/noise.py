"""The noise of an image, as a network is given it: what a diagnosis has found, or what the user says, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pellucid import maps
from pellucid.cards import Card
from pellucid.clipping import Clipping
from pellucid.diagnosis import Diagnosis
from pellucid.following import Beside
from pellucid.maps import NONE, Curve, Extremes, Places, Spots
from pellucid.quantised import SIDE, Quantised

__all__ = ["CLIPPED", "EXPLAINED", "FAINT", "LEAST", "WHITE", "WINDOW", "Noise"]

WHITE = ("clean", "gaussian", "poisson", "speckle", "bands", "blotches", "halftone")
"""The kinds of `diagnosis.KINDS` whose fine noise is white, or none."""

FAINT = 6.0
"""Level in 8-bit levels below which `denoising` holds the network back: above, there is nothing for it to do."""

LEAST = 1e-3
"""Level in 8-bit levels below which there is no noise: it would change a pixel by 1e-8 of full range at most (see
`denoising.FAINTEST`), and the energy of much fainter noise is zero in float32."""

CLIPPED = 30.0
"""Level in 8-bit levels from which the level map shows that clipped noise is fainter near black and white. On 14 held-out
photographs that gained 0.2 to 0.6 dB at levels 50 and 75, and 0.01 to 0.05 at 15 and 25."""

EXPLAINED = 33
"""Side in pixels of the neighbourhood in which `denoising` measures how much of what is taken away noise explains."""

WINDOW = 17
"""Side in pixels of the neighbourhood in which `denoising` bounds what is taken away of faint noise: chance moves the mean energy
of 289 pixels by a tenth."""


@dataclass(frozen=True)
class Noise:
    """The noise of an image, as a network is given it: its level by intensity, and its impulses.

    ``white``: whether the noise is white, so that a bound on the noise bounds what may be taken away. ``level`` in 8-bit levels,
    None for a model that takes none. ``share`` is the share of pixels that have this noise. ``clipping`` describes the noise where
    the range of values ends. ``keep_grain`` is the share of the finest grain that is put back. ``spots`` are few impulses that show
    by themselves, on an image that has no other noise. ``places`` is the level by place, where it differs, and ``local`` what that
    is in one piece (h, w), as a share of full range. ``more`` is how many times as high the level is as it was measured or given.
    ``patterned``: the picture has detail of its own that looks like noise; ``colours`` (channels, 256) is the mean of the few
    colours that may be behind each value, as shares of full range. ``beside`` is what a network is given beside a frame
    that was fused with others, and ``around`` what that is in one piece. ``quantised`` is the JPEG that an
    image was.
    """

    level: float | None
    curve: Curve = NONE
    white: bool = True
    extremes: Extremes | None = None
    density: float = 0.0
    share: float = 1.0
    clipping: Clipping | None = None
    keep_grain: float = 0.0
    spots: Spots | None = None
    places: Places | None = None
    local: NDArray[np.float32] | None = field(default=None, compare=False)
    more: float = 1.0
    patterned: bool = False
    colours: NDArray[np.float32] | None = field(default=None, compare=False)
    beside: Beside | None = field(default=None, compare=False)
    around: tuple[NDArray[np.float32], ...] | None = field(default=None, compare=False)
    quantised: Quantised | None = None

    @classmethod
    def of(cls, found: Diagnosis) -> Noise:
        """The noise that a diagnosis describes."""
        white = found.kind in WHITE
        return cls(
            found.sigma,
            found.curve,
            white,
            found.extremes,
            found.impulse_density,
            clipping=found.clipping,
            spots=found.spots,
            places=found.places,
            patterned=found.patterned,
            colours=None if found.colours is None else found.colours.table,
            quantised=found.quantised,
        )

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to take away."""
        return self.level is not None and self.level < LEAST and self.white and self.curve.flat and self.density == 0

    @property
    def faint(self) -> bool:
        """Whether there is so little noise that `denoising` looks at what is taken away."""
        return self.uniform and self.level is not None and self.level < FAINT

    @property
    def uniform(self) -> bool:
        """Whether there is white noise of one level, and nothing else."""
        plain = self.white and self.density == 0 and self.curve.flat and self.places is None
        return plain and self.level is not None and self.level >= LEAST

    @property
    def doubted(self) -> bool:
        """Whether `denoising` looks at how much of what is taken away noise explains."""
        steady = self.white and self.density == 0 and self.places is None
        return self.patterned and steady and self.level is not None and self.level >= LEAST

    @property
    def passes(self) -> int:
        """How often the network runs: impulses of any value are found by how far they are from a first output."""
        shown = self.extremes is not None or (self.spots is not None and self.spots.colours is not None)
        return 2 if self.density > 0 and not shown else 1

    @property
    def known(self) -> bool:
        """Whether impulses are known before a first output: black and white ones, and most of few on an image without noise."""
        return self.extremes is not None or self.spots is not None

    @property
    def flat(self) -> bool:
        """Whether the level map is the same everywhere. Clipped noise is fainter near black and white, but below `CLIPPED` too
        little for the map to show it."""
        return self.curve.flat and self.local is None and (self.clipping is None or 255 * self.curve.sigma < CLIPPED)

    @property
    def strongest(self) -> float:
        """The noise's level at white, where it is strongest, in 8-bit levels."""
        if self.places is not None:
            return self.places.most
        return 255 * float(np.sqrt(self.curve.variance(np.ones(1))[0]))

    def brightness(self, card: Card) -> float:
        """The factor for the image that makes its noise no stronger, even at white, than any that the model learnt from."""
        learnt = _strongest(card)
        if not self.white or self.density > 0 or learnt is None or self.strongest <= learnt:
            return 1.0
        return learnt / self.strongest

    def sigma(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The noise's standard deviation (h, w), as a share of full range, by the noisy ``planes`` (c, h, w)."""
        if self.local is not None:
            return self.local
        if self.flat or self.clipping is None:
            return maps.sigma(planes, self.curve)
        level = self.clipping.sigma(planes)
        return level if self.more == 1 else level * np.float32(self.more)

    def scaled(self, factor: float) -> Noise:
        """The noise of the image times ``factor``, where it has no impulses."""
        return replace(
            self,
            level=None if self.level is None else self.level * factor,
            curve=self.curve.scaled(factor),
            clipping=None if self.clipping is None else self.clipping.scaled(factor),
            local=None if self.local is None else self.local * np.float32(factor),
            around=None if self.around is None else tuple(plane * np.float32(factor) for plane in self.around),
            colours=None,
        )

    def raised(self, factor: float) -> Noise:
        """The same kind of noise with ``factor`` times the standard deviation, so that the network takes more away.

        Impulses stay as they are, and so does `clipping`: it describes what became of the values, whatever is taken away.
        """
        if factor == 1:
            return self
        return replace(
            self,
            level=None if self.level is None else self.level * factor,
            curve=self.curve.raised(factor),
            places=None if self.places is None else self.places.raised(factor),
            more=self.more * factor,
        )

    @property
    def mended(self) -> Noise:
        """The noise of the image once its impulses are filled: those pixels have no noise any more."""
        return replace(self, white=True, extremes=None, spots=None, density=0.0, share=1 - self.density)

    @property
    def reach(self) -> int:
        """The pixels beyond a model's own reach on which its maps, or the treatment of its output, depend."""
        mapped = maps.REACH if self.density > 0 or not self.flat else 0
        looked = EXPLAINED // 2 if self.doubted else WINDOW // 2 if self.faint else 0
        blocks = 0 if self.quantised is None else 2 * SIDE
        return max(mapped, looked, blocks, round(3 * maps.SMOOTH) if self.keep_grain else 0)


def _strongest(card: Card) -> float | None:
    """The level in 8-bit levels up to which a model learnt from synthetic noise; None where that is not known.

    An image with stronger noise is made fainter before the model gets it. A network without biases answers a fainter image with a
    fainter output, but its eight-bit steps end at the values that training had: at level 150 the outputs for six gray held-out
    photographs were 4.7 dB better so, at photon noise of peak 1 7.5 dB, at peak 4 0.14.
    """
    if "sigma" not in card.maps or card.training.get("learnt_from", "clean") != "clean":
        return None
    return max((noise["high"] for noise in card.noises if noise["kind"] == "gaussian"), default=None)
