"""Enlarging: by one of the model's factors or several in turn, then scaled down where that is too much; and how it learns.

Noise is looked for first, and taken away by the family `HELPER` where that is better than to enlarge it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations_with_replacement
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid import alphas, confidence, degradations, diagnosis, images, noise
from pellucid.cards import Card
from pellucid.degradations import Degradation
from pellucid.diagnosis import Diagnosis
from pellucid.engines import Graph, Models, in_channels
from pellucid.errors import OptionError
from pellucid.images import Image, Pixels, Rows
from pellucid.tasks import LARGEST, UpscaleSettings, base, denoise
from pellucid.tasks.settings import Shape
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["CASES", "METRICS", "PROTOCOL", "Learning", "known", "prepare", "scored"]

CASES: tuple[str, ...] = ("shrink:2",)

METRICS: tuple[str, ...] = ("psnr", "ssim", "ms_ssim", "gmsd")

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

HELPER = "photo"
"""The family that takes noise away before a picture is enlarged; one of the row's helpers."""

WHITE, PROCESSED = 2.0, 4.0
"""Levels in 8-bit levels from which white and processed noise is taken away before a model enlarges that learnt from clean pictures
alone. On photographs at half size that gained 0.2 to 0.6 dB at white noise of level 3, and 0.5 at processed noise of 4.7. Clean
ones may be called processed noise: one of 36 at half size, of 3.3; one of 2.4 lost 0.1 dB."""

FINE = 85
"""JPEG quality up to which it is better for such a model: by 0.9 dB at 70, 0.2 at 80; finer JPEG is enlarged as it is."""

LEARNT, COARSE = 9.5, 50
"""The same for a model that learnt from noise: up to level 8 it is better alone, by up to 0.4 dB at 5, from 10 on worse, by 0.05 to
1.9. And the JPEG quality below which it is worse alone, by 0.03 to 0.4 at 40: it learnt none below."""

PROCESSED_ROLE = "processed"
"""The role of the file that learnt from JPEG: with qualities from `COARSE` to `FINE` it is better than the other behind `HELPER`,
by 0.22 dB at quality 70 on the 17 held-out photographs, and by 0.03 to 0.18 with noise of level 5 under it, at 2, 3 and 4 times."""

LEARNT_MODEL, CLEAN, CLEAN_ROLE = "upscale-photo", "upscale", "clean"
"""The model that learnt from noise and JPEG, the one for all other pictures, and the role that stands for that where the first was
named: a clean picture gains 1.27 dB by it, one with white noise of level 5 0.67 by way of `HELPER`, with JPEG 85 over grain
0.34."""

STUDIO_LUMA = np.array([65.481, 128.553, 24.966])
"""Rec. 601 luma in 8-bit levels above 16, from red, green and blue in [0, 1]: what papers on enlarging score."""


def prepare(view: View, models: Models, settings: UpscaleSettings) -> base.Job:
    """A pass for each factor, behind that of `denoise` where there is noise to take away. Where the factors' product is not the
    scale itself, the last output is scaled down. Raises `OptionError` as `check`."""
    check(models, settings)
    role = better = next(iter(models))
    if settings.noise == "auto":
        better = _better(diagnosis.look(view), models)
        role = better if settings.auto else role
    card = models.card(role)
    factors = _factors(card.scales, settings.scale)
    wanted = settings.answer(Shape(*view.shape, view.picture.alpha is not None))
    exact = bool(np.prod(factors) == settings.scale)
    ahead = _ahead(view, models, card, settings)
    passes = [] if ahead is None else list(ahead.passes)
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
        if better != role:
            # It is measured, not sure: the user decides.
            output = replace(output, remarks=(*output.remarks, _suggested(diagnosis.look(view), better)))
        return alphas.with_alpha_resized(output)

    def facts() -> Mapping[str, Any]:
        if settings.noise == "keep":
            return {}
        found = diagnosis.look(view)
        return {"saw": str(found), "diagnosis": found} if ahead is None else {**ahead.facts(), "denoised": True}

    def trust(picture: Image, output: Image) -> Mapping[str, NDArray[Any]]:
        """Where the enlargement has detail that the picture cannot hold; and how far off its noise is that was not taken away."""
        height, width = picture.pixels.shape[:2]
        planes: dict[str, NDArray[Any]] = {"invented": confidence.invented(images.floating(output).pixels, height, width)}
        if settings.noise != "keep" and ahead is None:
            small = images.resized(images.floating(output).pixels, height, width, images.BICUBIC)
            left = images.with_pixels(picture, np.clip(small, 0, 1, out=small))
            planes |= denoise.left(View((picture,), found=diagnosis.look(view)), models.helper(HELPER), left)
        return planes

    held = not exact or view.picture.alpha is not None
    return base.Job(card.name, tuple(passes), held=held, finish=finish, facts=facts, trust=trust, ahead=ahead)


def check(models: Models, settings: UpscaleSettings) -> None:
    """Raises `OptionError` where ``auto`` is to choose what was chosen already: the model, or what becomes of the noise."""
    if settings.auto and settings.noise != "auto":
        raise OptionError(f"auto decides what becomes of the noise, and so does noise {settings.noise}: leave one of them out")
    if settings.auto and PROCESSED_ROLE not in models:
        name = models.card(next(iter(models))).name
        raise OptionError(f"auto chooses the model, and {name} was named: leave one of them out")


def loads(models: Models, settings: UpscaleSettings) -> tuple[base.Pass, ...]:
    """A pass for each factor."""
    factors = _factors(models.card(next(iter(models))).scales, settings.scale)
    return tuple(base.load(TILE // factor, ENGINE_BYTES, PIECE_BYTES, scale=factor) for factor in factors)


def _better(found: Diagnosis, models: Models) -> str:
    """The role of the file that enlarges a picture with this noise best, noise that harms it taken away first; `CLEAN_ROLE` where
    `LEARNT_MODEL` was named, and another were better."""
    role = next(iter(models))
    quality = found.jpeg_quality
    processed = quality is not None and COARSE <= quality <= FINE and found.impulse_density == 0 and found.sigma < LEARNT
    if processed:
        return PROCESSED_ROLE if PROCESSED_ROLE in models else role
    return CLEAN_ROLE if models.card(role).name == LEARNT_MODEL else role


def _suggested(found: Diagnosis, better: str) -> str:
    """A line for the user on the chain that would do better: it is measured on many pictures, not on this one, so the user
    decides."""
    if better == CLEAN_ROLE:
        chain = CLEAN if found.kind == "clean" else f"denoise+{CLEAN}"
        return f"by our measurements {chain} is better for this picture: leave out the model {LEARNT_MODEL}"
    return f"by our measurements upscale:model={LEARNT_MODEL} is better for this picture: --auto does it"


def _ahead(view: View, models: Models, card: Card, settings: UpscaleSettings) -> base.Job | None:
    """The work before the first factor: taking noise away; None where nothing is to be taken away."""
    if settings.noise == "keep":
        return None
    found = diagnosis.look(view)
    if not _harms(found, card) and (settings.noise == "auto" or found.kind == "clean"):
        return None
    return denoise.ahead(view, models.helper(HELPER))


def _harms(found: Diagnosis, card: Card) -> bool:
    """Whether it is better to take this noise away before a model enlarges the picture."""
    if found.kind == "clean":
        return False
    if found.impulse_density > 0 or found.rows > 0 or found.columns > 0:
        return True
    quality = 100 if found.jpeg_quality is None else found.jpeg_quality
    if card.noises:
        return found.sigma >= LEARNT or quality < COARSE
    return found.sigma >= (WHITE if found.kind in noise.WHITE else PROCESSED) or quality <= FINE


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
    """The factor, and the noise kept: the model is scored by itself. Raises `OptionError` for a case that keeps the size."""
    if case.scale == 1:
        raise OptionError(f"{case} keeps the size; upscale takes shrink:FACTOR, alone or with noise: shrink:2, shrink:2+gaussian:5")
    return UpscaleSettings(scale=case.scale, noise="keep")


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
