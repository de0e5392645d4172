"""Enlarging: by one of the model's factors or several in turn, then scaled down where that is too much; and how it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations_with_replacement
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import alphas, degradations, images
from pellucid.degradations import Degradation
from pellucid.engines import Graph, Models, in_channels
from pellucid.errors import OptionError
from pellucid.images import Image, Pixels, Rows
from pellucid.tasks import LARGEST, UpscaleSettings, base
from pellucid.tasks.settings import Shape
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["CASES", "METRICS", "PROTOCOL", "Learning", "known", "prepare", "scored"]

CASES: tuple[str, ...] = ("shrink:2",)

METRICS: tuple[str, ...] = ("psnr", "ssim", "ms_ssim")

PROTOCOL: Mapping[str, str] = {
    "crop": "to multiples of the factor before, of as many pixels as it at each edge after",
    "psnr": "per image, of the luma",
}

TILE = 1536
"""Side in pixels of the square that no piece of the output has more pixels than: an engine holds 64 channels for each pixel of the
small picture, and six or more numbers for each of the large one stand around it. In float32, too."""

ENGINE_BYTES = 260
"""Bytes that the engine needs for each pixel of the output of the piece that it works on. Measured: `upscale` needs 250, in
float32."""

PIECE_BYTES = 100
"""Bytes for each pixel of the output of each piece in flight: its planes, the engine's output, the finished pixels."""

STUDIO_LUMA = np.array([65.481, 128.553, 24.966])
"""Rec. 601 luma in 8-bit levels above 16, from red, green and blue in [0, 1]: what papers on enlarging score."""


def prepare(view: View, models: Models, settings: UpscaleSettings) -> base.Job:
    """A pass for each factor. Where their product is not the scale itself, the last output is scaled down."""
    role = next(iter(models))
    card = models.card(role)
    factors = _factors(card.scales, settings.scale)
    wanted = settings.answer(Shape(*view.shape, view.picture.alpha is not None))
    exact = bool(np.prod(factors) == settings.scale)
    passes = []
    for factor in factors:
        graph = models.graph(role, factor)
        passes.append(
            base.Pass(
                partial(_enlarged, graph),
                tile=TILE // factor,
                engine_bytes=ENGINE_BYTES,
                piece_bytes=PIECE_BYTES,
                before=partial(_bicubic, scale=factor),
                scale=factor,
                halo=card.halo,
            )
        )

    def finish(picture: Image, pixels: NDArray[Any] | Rows) -> Image:
        output = images.with_pixels(picture, pixels)
        if not exact:
            assert wanted.height is not None
            assert wanted.width is not None
            smaller = images.resized(images.floating(output).pixels, wanted.height, wanted.width, images.BICUBIC)
            output = images.with_pixels(output, np.clip(smaller, 0, 1, out=smaller))
        return alphas.with_alpha_resized(output)

    return base.Job(card.name, tuple(passes), held=not exact or view.picture.alpha is not None, finish=finish)


def _factors(scales: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """The one of ``scales``, or the fewest of them in turn, with the least product that is ``scale`` or more: the larger first."""
    for count in range(1, LARGEST):
        enough = [chain for chain in combinations_with_replacement(sorted(scales, reverse=True), count) if np.prod(chain) >= scale]
        if enough:
            return min(enough, key=lambda chain: int(np.prod(chain)))
    raise OptionError(f"scale {scale:g} is too large for this model, which enlarges by {', '.join(map(str, scales))}")


def _bicubic(planes: Pixels, scale: int) -> Pixels:
    """The bicubic enlargement of (c, h, w)."""
    return np.ascontiguousarray(images.enlarged(planes.transpose(1, 2, 0), scale).transpose(2, 0, 1))


def _enlarged(graph: Graph, planes: Pixels, place: Place, room: Pixels) -> Pixels:
    def run(part: Pixels) -> Pixels:
        part = np.ascontiguousarray(part)
        output: Pixels = graph(part[None])[0]
        if graph.card.answer == "residual":
            np.subtract(_bicubic(part, graph.card.scale), output, out=output)
        return output

    return in_channels(planes, graph.card.channels, run)


# -- evaluation -------------------------------------------------------------------------------------------------------


def known(case: Degradation, maps: Sequence[str], *, blind: bool) -> UpscaleSettings:
    """The factor. Raises `OptionError` for a case that keeps the size."""
    if case.scale == 1:
        raise OptionError(f"{case} keeps the size; upscale takes shrink:FACTOR, alone or with noise: shrink:2, shrink:2+gaussian:5")
    return UpscaleSettings(scale=case.scale)


def scored(case: Degradation, pixels: NDArray[Any]) -> NDArray[Any]:
    """The luma, less as many pixels at each edge as the factor, as papers on enlarging have it."""
    luma = pixels if pixels.ndim == 2 else (16 + pixels @ STUDIO_LUMA) / 255
    edge = case.scale
    return luma[edge:-edge, edge:-edge] if min(luma.shape) > 2 * edge else luma


# -- learning ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Learning(base.Learning):
    """Small in, large out, by each of the factors ``scales`` (2 to 8): a batch has one, in turn.

    The small image is the large one scaled down (`degradations.Shrink`: bicubic, widened against aliasing), and then degraded by
    one of ``noise`` where there is any; the network gets no map of that. Its residual is taken away from the bicubic enlargement of
    its input.
    """

    scales: tuple[int, ...] = (2, 3, 4)
    noise: tuple[base.NoiseRange, ...] = ()
    name: ClassVar[str] = "upscale"
    before: ClassVar[str] = "bicubic"
    words: ClassVar[str] = "bicubic enlargement"
    plain: ClassVar[Literal["noise", "shrink"] | None] = "shrink"

    def __post_init__(self) -> None:
        if not self.scales:
            raise OptionError("task upscale: name at least one scale")
        for scale in self.scales:
            degradations.Shrink(scale)

    def of_batch(self, number: int) -> Learning:
        """The task of a batch: one factor after the other."""
        return replace(self, scales=(self.scales[number % len(self.scales)],))

    def pair(self, clean: Pixels, rng: np.random.Generator) -> base.Pair:
        """A training example from a large image of shape (height, width, channels), float32 in [0, 1]; one of several factors is
        drawn."""
        scale = self.scales[0] if len(self.scales) == 1 else int(rng.choice(self.scales))
        shrunk = degradations.Shrink(scale)
        return self.degrade(clean, degradations.Chain((shrunk, base.drawn(self.noise, rng))) if self.noise else shrunk, rng)

    def degrade(self, clean: Pixels, case: Degradation, rng: np.random.Generator) -> base.Pair:
        """The example with this very factor, and noise upon the small image."""
        large, small = case.pair(clean, rng)
        large = np.asarray(large, dtype=np.float32)
        return base.Pair(
            image=small,
            maps=np.empty((*small.shape[:2], 0), dtype=np.float32),
            clean=large,
            base=images.enlarged(small, case.scale),
        )
