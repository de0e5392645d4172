"""How a network learns to take noise out of clips: frames that are made, or a real clip's, are fused as a user's are.

The network is given what it will be given: the motion that was found, right or wrong, and what the filter made of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import diagnosis, following, moving
from pellucid.degradations import Degradation
from pellucid.diagnosis import Diagnosis
from pellucid.errors import OptionError
from pellucid.images import Image, Pixels
from pellucid.maps import Curve
from pellucid.tasks import DenoiseSettings, base
from pellucid.tasks.denoise_clips import MAPS, follow
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["OverTime"]

BEFORE = ((0, 1, 2, 3, 4, 6, 9), (0.08, 0.2, 0.25, 0.2, 0.15, 0.08, 0.04))
"""How many frames come before the one that is learnt from, and how often."""

LAST = 0.12
"""The share of the examples behind which no frame comes."""


@dataclass(frozen=True)
class OverTime(base.Learning):
    """Frames of clips, noisy in, clean out. ``noise`` is what training draws from. ``real`` is the share of the examples that come
    from real clips, where there are some. ``doubt`` is the error of the stated level: the standard deviation of its logarithm.
    ``alone`` is the share of the examples that are given without the frames around them: at 1 the network learns to restore frame
    by frame, to compare with.

    Clips are made of ``grounds``, photographs, and ``things`` with alpha (`pellucid.moving`); ``clips`` are strips of square frames
    of real ones, one below the other.
    """

    noise: tuple[base.NoiseRange, ...]
    clips: bool = True
    real: float = 0.4
    doubt: float = 0.05
    alone: float = 0.0
    name: ClassVar[str] = "denoise"
    sources: ClassVar[tuple[str, ...]] = ("grounds", "things", "clips")
    with_alpha: ClassVar[tuple[str, ...]] = ("things",)
    optional: ClassVar[tuple[str, ...]] = ("things", "clips")
    draws: ClassVar[Literal["pixels", "levels"]] = "levels"
    before: ClassVar[str] = "fused"
    words: ClassVar[str] = "the fused frame"

    def __post_init__(self) -> None:
        if not self.noise:
            raise OptionError("task denoise: name at least one noise range")
        if not all(0 <= share <= 1 for share in (self.real, self.doubt, self.alone)):
            raise OptionError("task denoise: real, doubt and alone must be numbers from 0 to 1")

    @property
    def maps(self) -> tuple[str, ...]:
        """The level that is left, and all that stands beside a fused frame."""
        return MAPS

    def of_case(self, case: Degradation) -> OverTime:
        """Validation: this very noise, its level known."""
        return replace(self, noise=(_Fixed(case),), doubt=0.0)  # type: ignore[arg-type]

    def composed(self, drawn: base.Drawn, side: int, rng: np.random.Generator) -> base.Pair:
        """An example of ``side`` pixels."""
        before = int(rng.choice(BEFORE[0], p=BEFORE[1]))
        count = before + 2
        if drawn.has("clips") and rng.random() < self.real:
            clean = moving.strip(_levels(drawn("clips")), side, count, rng)
        else:
            clean = self._made(drawn, side, count, rng)
        noise = base.drawn(self.noise, rng)
        frames = [Image(_shown(noise, frame, rng)) for frame in clean]
        found = _known(noise, frames[0].pixels, float(np.exp(rng.normal(0, self.doubt))) if self.doubt else 1.0)
        last = rng.random() < LAST
        notes: Any = None
        for number in range(before):
            notes = follow(View((frames[number],), found=found), DenoiseSettings(), notes).notes
        view = View(tuple(frames[before : before + (1 if last else 2)]), found=found, looked_ahead=True)
        followed = follow(view, DenoiseSettings(), notes)
        if rng.random() < self.alone:
            followed = base.Followed(view, DenoiseSettings())
        # As a still denoiser's answer: what was cut off at black and white is put back behind the network.
        target = clean[before] if found.clipping is None else found.clipping.expected(clean[before])
        return _example(followed.view, found, np.ascontiguousarray(target))

    def _made(self, drawn: base.Drawn, side: int, count: int, rng: np.random.Generator) -> Pixels:
        ground = _levels(drawn("grounds", int(side * rng.uniform(1, 3))))
        things = []
        for _ in range(int(rng.choice(4, p=(0.3, 0.4, 0.2, 0.1)))):
            if drawn.has("things") and rng.random() < 0.8:
                thing = _levels(drawn("things"))
                things.append(thing if thing.shape[2] == 4 else moving.cut_out(thing, side // 2, rng))
            else:
                things.append(moving.cut_out(_levels(drawn("grounds")), int(side * rng.uniform(0.2, 0.9)), rng))
        return moving.frames(ground, things, side, count, rng)

    def view(self, pair: base.Pair) -> View:
        """An example as the task's `prepare` gets it."""
        planes = pair.maps.transpose(2, 0, 1)
        left, noise, old = (following.in_cells(plane) for plane in planes[:3])
        noisy, before, after = (np.ascontiguousarray(pair.maps[..., at : at + 3]) for at in (3, 6, 9))
        level = left.mean
        found = Diagnosis("gaussian", gaussian_sigma=level, curve=Curve(level / 255), places=left)
        return View((Image(pair.image),), found=found, beside=following.Beside(noisy, before, after, noise, old))


def _levels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """The image in 8 bits: grounds that are computed come as pixels."""
    levels: NDArray[np.uint8] = image if image.dtype == np.uint8 else np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)
    return levels


@dataclass(frozen=True)
class _Fixed:
    """A range of one noise."""

    case: Degradation
    weight: float = 1.0

    def draw(self, rng: np.random.Generator) -> Degradation:
        return self.case


def _shown(noise: Degradation, frame: Pixels, rng: np.random.Generator) -> Pixels:
    """A noisy frame, as 8 bits hold it."""
    noisy = noise(frame, rng)
    return np.asarray(np.rint(255 * np.clip(noisy, 0, 1)) * np.float32(1 / 255), np.float32)


def _known(noise: Degradation, frame: Pixels, factor: float) -> Diagnosis:
    """The noise as a diagnosis has it, at ``factor`` times its level."""
    curve = Curve(0.0) if noise.curve is None else noise.curve.raised(factor)
    kind = "gaussian" if curve.flat else "poisson"
    clipping = diagnosis.clipping([frame], curve)
    return Diagnosis(kind, gaussian_sigma=255 * curve.sigma, poisson_gain=curve.gain, curve=curve, clipping=clipping)


def _example(view: View, found: Diagnosis, clean: Pixels) -> base.Pair:
    image = view.picture.pixels
    height, width = image.shape[:2]
    maps = np.empty((len(MAPS), height, width), np.float32)
    beside = view.beside
    if beside is None:
        maps[:3] = found.sigma / 255
        maps[3:] = np.concatenate([image.transpose(2, 0, 1)] * 3)
    else:
        maps[0] = view.found.places.sigma(0, 0, height, width, (height, width))
        maps[1:] = beside.planes(Place(0, 0, height, width, (height, width)))
    return base.Pair(image=image, maps=np.ascontiguousarray(maps.transpose(1, 2, 0)), clean=clean, base=image)
