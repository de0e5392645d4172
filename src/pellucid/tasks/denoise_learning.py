"""How a network learns to take noise out of pictures: the examples, and the planes that it is given beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from pellucid import maps
from pellucid.degradations import Degradation
from pellucid.diagnosis import Diagnosis
from pellucid.errors import OptionError
from pellucid.images import Pixels
from pellucid.maps import Extremes
from pellucid.noise import Noise
from pellucid.tasks import base
from pellucid.tasks.denoise_clips_learning import OverTime

__all__ = ["MAPS", "Learning"]

MAPS: tuple[str, ...] = ("sigma", "impulses")
"""The planes that a network may take beside the image, in this order, each of the image's height and width:
``sigma``, the standard deviation of the noise at each pixel as a share of full range (25 in 8-bit levels is 25/255), without
impulses; ``impulses``, the chance that a pixel was replaced by an impulse, 0 to 1."""

MEASURED = 17
"""Side in pixels of the window in which training measures the standard deviation of noise that follows no known law."""


@dataclass(frozen=True)
class Learning(base.Learning):
    """Noisy in, clean out. ``noise`` is what training draws from; ``maps`` are the planes that the network is given (`MAPS`).

    Without maps the network is blind: it never learns the level. ``doubt`` is the error of the level map in training: the standard
    deviation of the logarithm of the factor between map and truth (estimated levels are never exact). ``again`` is the share of the
    examples with impulses of any value that the network is given as a second pass gives them, by its own first output.
    """

    noise: tuple[base.NoiseRange, ...]
    maps: tuple[str, ...] = MAPS
    doubt: float = 0.0
    again: float = 0.0
    name: ClassVar[str] = "denoise"
    sources: ClassVar[tuple[str, ...]] = ("clean", "pairs", "noisy")
    plain: ClassVar[Literal["noise", "shrink"] | None] = "noise"

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> type[base.Learning]:
        """Clips, where the table says so, else pictures."""
        return OverTime if table.get("clips") else cls

    def __post_init__(self) -> None:
        if not self.noise:
            raise OptionError("task denoise: name at least one noise range")
        if not 0 <= self.doubt <= 1:
            raise OptionError(f"task denoise: doubt must be a number from 0 to 1, not {self.doubt!r}")
        if not 0 <= self.again <= 1:
            raise OptionError(f"task denoise: again must be a share from 0 to 1, not {self.again!r}")
        unknown = [name for name in self.maps if name not in MAPS]
        if unknown:
            raise OptionError(f"task denoise: unknown map {unknown[0]!r}; known: {', '.join(MAPS)}")
        if self.again and self.maps != MAPS:
            raise OptionError(f"task denoise: to look again, the network takes the maps {', '.join(MAPS)}")

    def pair(self, clean: Pixels, rng: np.random.Generator) -> base.Pair:
        """A training example from a clean image of shape (height, width, channels), float32 in [0, 1]."""
        pair = self._degraded(clean, base.drawn(self.noise, rng), rng, self.doubt)
        return replace(pair, again=bool(rng.random() < self.again)) if pair.again else pair

    def degrade(self, clean: Pixels, case: Degradation, rng: np.random.Generator) -> base.Pair:
        """The example with this very noise, as a second pass gives it wherever the network learns from those."""
        return self._degraded(clean, case, rng, 0.0)

    def _degraded(self, clean: Pixels, noise: Degradation, rng: np.random.Generator, doubt: float) -> base.Pair:
        perfect, noisy = noise.pair(clean, rng)
        perfect = np.asarray(perfect, dtype=np.float32)

        def level(planes: Pixels) -> Pixels:
            if noise.curve is None:
                error = np.square(noisy - perfect).mean(axis=2)
                sigma = np.sqrt(maps.box_mean(error, MEASURED))
            else:
                sigma = maps.sigma(planes, noise.curve)
            return sigma * np.float32(np.exp(rng.normal(0, doubt))) if doubt > 0 else sigma

        # No doubt is added to the impulse density: it is estimated well, or each impulse is seen.
        pair = self._shown(noisy, perfect, noise.density, noise.extremes, level)
        return replace(pair, again=self.again > 0 and noise.density > 0 and noise.extremes is None)

    def found(self, noisy: Pixels, clean: Pixels, diagnosis: Diagnosis) -> base.Pair:
        """The example of a noisy image, given to the network as its diagnosis says; ``clean`` is the noisy image where there is no
        clean one."""
        # Impulses only if the network has that map. Clipping only without clean partners: with them the network learns it.
        extremes = diagnosis.extremes if "impulses" in self.maps else None
        noise = replace(Noise.of(diagnosis), clipping=diagnosis.clipping if clean is noisy else None)
        return self._shown(noisy, clean, diagnosis.impulse_density, extremes, noise.sigma)

    def _shown(
        self, noisy: Pixels, clean: Pixels, density: float, extremes: Extremes | None, level: Callable[[Pixels], Pixels]
    ) -> base.Pair:
        """The example with the network's input for a ``noisy`` image (h, w, channels).

        ``density`` is the share of impulses; black and white ones, which ``extremes`` describes, are known one by one and filled.
        ``level`` gives the noise's standard deviation (h, w) in [0, 1] for the filled planes (channels, h, w).
        """
        if not self.maps:
            return base.Pair(image=noisy, maps=np.empty((*noisy.shape[:2], 0), dtype=np.float32), clean=clean, base=noisy)
        planes = np.ascontiguousarray(noisy.transpose(2, 0, 1))
        chance = np.full(planes.shape[1:], density, dtype=np.float32)
        if extremes is not None:
            chance = maps.impulses(planes, extremes)
            planes = maps.filled(planes, chance)
        planes_by_name = {"sigma": level(planes), "impulses": chance}
        image = np.ascontiguousarray(planes.transpose(1, 2, 0))
        return base.Pair(
            image=image,
            base=image,
            maps=np.stack([planes_by_name[name] for name in self.maps], axis=2),
            clean=clean,
        )
