"""Denoising: which file serves which noise, and which input it is given.

Without a noise level the picture is inspected (`pellucid.diagnosis`), and the kind of noise chooses the file's role: ``gray`` or
``colour`` for white noise, ``impulses``, and ``processed`` for noise that a camera or JPEG has treated. `pellucid.denoising`
restores each piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid import asked, denoising, detailing, diagnosis, images, maps, wholes
from pellucid.cards import Card
from pellucid.degradations import Degradation
from pellucid.diagnosis import Diagnosis, doubt, gain
from pellucid.diagnosis.drawn import Squares
from pellucid.engines import Graph, Models
from pellucid.errors import ImageError, OptionError
from pellucid.images import Image
from pellucid.maps import Curve
from pellucid.noise import Noise
from pellucid.quantised import SIDE, Quantised
from pellucid.tasks import DenoiseSettings, base
from pellucid.tasks.denoise_clips import RUN_IN, follow, looks_around, next_frames, settle
from pellucid.tasks.denoise_learning import MAPS, Learning
from pellucid.tasks.denoise_sizes import each_enlarged, each_square
from pellucid.tiling import Place
from pellucid.views import View

Planes = NDArray[np.float32]

__all__ = [
    "CASES",
    "MAPS",
    "METRICS",
    "PROTOCOL",
    "ROUTES",
    "RUN_IN",
    "Learning",
    "ahead",
    "batch",
    "expected_gain",
    "follow",
    "known",
    "left",
    "measured",
    "next_frames",
    "noise_of",
    "prepare",
    "scored",
    "settle",
]

ROUTES: dict[str, str] = {
    "salt-pepper": "impulses",
    "impulses": "impulses",
    "correlated": "processed",
    "jpeg": "processed",
}
"""Kind of noise (of `pellucid.diagnosis.KINDS`) -> the role of the file that serves, where the family has it; ``gray`` or
``colour`` serves other kinds. A given level is one of Gaussian noise."""

CASES: tuple[str, ...] = ("gaussian:0", "gaussian:5", "gaussian:15", "gaussian:25", "gaussian:50")

METRICS: tuple[str, ...] = ("psnr", "ssim", "ms_ssim")

PROTOCOL: Mapping[str, str] = {"crop": "none", "psnr": "per image over all pixels and channels"}

TILE = {"bf16": 2176, "f32": 1616}
"""Side in pixels of the square that no piece of a picture has more pixels than, margins included, by the engine's precision. Fixed,
so that an output never depends on what else a machine does. The engine works as fast on large pieces as on small ones (2.5
megapixels a second, whatever the shape, from 512x512 to 1728x1728), but needs `ENGINE_BYTES` for each pixel: these are the largest
that keep a colour JPEG of 24 megapixels (six pieces in bfloat16, a seventh of their pixels margins; twelve in float32, a quarter)
below the 1.5 GiB that are promised."""

FILLED_TILE = {"bf16": 1536, "f32": 1264}
"""`TILE` for a picture with impulses: two pieces in flight and the engine need 402 bytes for each pixel of a piece while impulses
are filled (in bfloat16), where they need 275 otherwise, and 317 where the noise depends on intensity."""

ENGINE_BYTES = {"bf16": 210, "f32": 400}
"""Bytes that the engine needs for each pixel of the piece that it works on, by its precision. Measured with `photo-color` and
pieces of 4.4 megapixels: 196 to 208 in OpenVINO in bfloat16, 386 in float32 (ONNX Runtime: 419 with pieces of 2.4 megapixels);
`photo-gray` needs 159 and 283."""

PIECE_BYTES = 100
"""Bytes for each pixel of each piece in flight: its planes, the engine's output, the finished pixels. Measured for pictures with
impulses, which need the most: see `FILLED_TILE`."""

APART_BYTES = 60
"""And for each pixel where colours are restored in another way than brightness: a second output, luma and colours of both."""

BEST_BYTES = 50
"""And for each pixel where the mean of several answers is taken: a mirrored copy of the input, its output, and their sum, each
float32: 44 for five planes in and three out."""

BESIDE_BYTES = 120
"""And for each pixel of a frame of a clip beside which others stand: eleven planes, their copy in the network's input, and a second
output."""

DOUBTED_BYTES = 70
"""And for each pixel where what is taken away is held to what the noise explains: the picture once more, its output, and the random
change."""

ON_BLOCKS_BYTES = 20
"""And for each pixel of a picture that was a JPEG and was cut or turned since: the network's input once more, of five planes."""

SMALLER_BYTES, AT_EDGES = 60, 16
"""And for each pixel of a piece that is restored at the size that it had before it was enlarged: the smaller piece, and what is
taken away, enlarged; and how many of the smaller picture's pixels at a piece's edges depend on what is beyond."""

HALO_SHARE = 0.85
"""The share of the card's ``halo`` that a tile's margin has. With the whole halo, tiles equal the whole image to the bit.
With less, the missing pixels change roundings (8-bit integers, bfloat16) by one step here and there. One step of
bfloat16 is a level where noise of sigma 50 is strong, so no margin short of the whole keeps every value to one level.

The promise, in 8-bit levels, on every instruction set, for tiles beside the whole image: 2 anywhere, more than 1 (and a hundredth)
in at most 10 of a million values, 0.05 on average; twice each where noise lies under impulses of any value, where up to 5 networks
run one after the other. `benchmarks/seams.py` measures it; docs/architecture.md has the figures.

With AMX that holds for tiles at least 408 pixels wide, as all are that `TILE` makes of a wider image: where the output of a strided
convolution is at most 50 pixels wide (the last of them has an eighth of the tile's width), oneDNN sums its bfloat16 products in
another order, and the sum differs in its last bit. Narrower tiles differ from a wider whole even with the whole ``halo`` (by 1.25
levels at most; by 2.1 with this margin), but not from each other."""

NEAR = 64
"""Pixels of reach that a margin always has in full: a network that looks no farther has few layers in which an influence fades."""

PROBES = 6
"""The most parts of a picture in which `measured` measures."""

PROBE = 384
"""Most pixels on a side of such a part. Parts are large, because the network gains less at a border, where it has fewer pixels."""

LEAST_PROBE = 32
"""Side in pixels below which a picture is too small for `measured`."""

BATCH = 512
"""Small images that `batch` restores at once."""


# -- restoring --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Plan:
    """The role of the file that serves, the noise that it is given, and the diagnosis, where the picture was inspected.

    ``channels`` are those that the file is given: 1 for a gray picture that is stored as red, green and blue. ``second`` is the
    role of a file that answers, too, given what stands beside a frame of a clip: the mean of both answers is taken.
    """

    role: str
    noise: Noise
    diagnosis: Diagnosis | None
    channels: int
    second: str | None = None


def prepare(view: View, models: Models, settings: DenoiseSettings) -> base.Job:
    """Inspects the picture, unless ``sigma`` is given, and chooses the file; no passes where there is no noise.

    Raises `OptionError` where a blind model is given ``sigma``, or is to take away more than it does by itself.
    """
    repeated = _repeated(view, models, settings.sigma)
    if repeated is not None:
        return _by_squares(view, models, settings, repeated)
    larger = _enlarged(view, models, settings)
    if larger is not None:
        return _at_its_size(view, models, settings, larger)
    plan = _plan(view, models, settings.sigma)
    card = models.card(plan.role)
    _check_raised(card, settings)
    found = replace(plan.noise, keep_grain=settings.keep_grain)
    noise = found.raised(max(1.0, settings.strength))

    def facts() -> Mapping[str, Any]:
        seen = plan.diagnosis
        return {
            "sigma": noise.level,
            "estimated": seen is not None,
            "saw": None if seen is None else str(seen),
            "diagnosis": seen,
            "expected_gain": expected_gain(view, models, settings, seen) if settings.gain else None,
        }

    trust = partial(_trusted, found, plan.channels)
    screen = (plan.diagnosis or diagnosis.look(view)).halftone or diagnosis.screen(view) if settings.descreen else 0.0
    if screen > 0:
        piece: Callable[..., Planes] = wholes.descreened(_graph(models, _plain(models, plan.channels), settings), view, screen)
        if settings.detail != 1:
            piece = partial(detailing.detailed, piece, settings.detail)
        dots = base.Pass(
            piece, TILE[models.precision], ENGINE_BYTES[models.precision], PIECE_BYTES + (BEST_BYTES if settings.best else 0)
        )
        return base.Job(card.name, (dots,), facts=facts)
    straight = wholes.before(view, models, plan.diagnosis, plan.role)
    if noise.nothing and straight is None and settings.detail == 1:
        # Not one pixel would change but for rounding.
        return base.Job(card.name, facts=facts, trust=trust)
    work = _work(view, models, plan, noise, straight, settings)
    if plan.second is not None:
        second = _work(view, models, replace(plan, role=plan.second), replace(noise, beside=view.beside), straight, settings)
        steps = math.lcm(work.multiple_of, second.multiple_of)
        work = _Work(partial(denoising.mean, work.piece, second.piece), max(work.halo, second.halo), steps)
    if settings.apart:
        colour = found.raised(max(1.0, settings.colour_noise or 0.0))
        other = None if plan.channels == 1 or colour == noise else _work(view, models, plan, colour, straight, settings)
        shares = min(settings.strength, 1.0), min(settings.colour_noise or 0.0, 1.0)
        work = _Work(
            partial(
                denoising.apart, work.piece, None if other is None else other.piece, shares if plan.channels > 1 else shares[:1] * 2
            ),
            max(work.halo, 0 if other is None else other.halo),
            work.multiple_of,
        )
    if settings.detail != 1:
        work = replace(work, piece=partial(detailing.detailed, work.piece, settings.detail), halo=work.halo + detailing.REACH)
    more = (APART_BYTES if settings.apart else 0) + (BEST_BYTES if settings.best else 0) + (DOUBTED_BYTES if noise.doubted else 0)
    more += BESIDE_BYTES if view.beside is not None else 0
    more += 0 if _moved(plan) is None else ON_BLOCKS_BYTES
    once = base.Pass(
        work.piece,
        tile=(TILE if noise.density == 0 else FILLED_TILE)[models.precision],
        engine_bytes=ENGINE_BYTES[models.precision],
        piece_bytes=PIECE_BYTES + more,
        room=len(card.maps) + models.graph(plan.role).spare,
        halo=work.halo,
        multiple_of=work.multiple_of,
    )
    return base.Job(card.name, (once,), facts=facts, trust=None if noise.level is None else trust)


def _check_raised(card: Card, settings: DenoiseSettings) -> None:
    if settings.most > 1 and "sigma" not in card.maps:
        name = "strength" if settings.strength > 1 else "colour_noise"
        raise OptionError(f"model {card.name!r} is blind: it takes no noise level to raise; {name} goes up to 1 for it")


def check(models: Models, settings: DenoiseSettings) -> None:
    """Raises `OptionError` where a blind model is to take away more than it does by itself."""
    _check_raised(models.card(next(iter(models))), settings)


def loads(models: Models, settings: DenoiseSettings) -> tuple[base.Pass, ...]:
    """One pass, as where no impulses are found; none where nothing may be to do."""
    if settings.sigma == 0 and settings.detail == 1:
        return ()
    more = (APART_BYTES if settings.apart else 0) + (BEST_BYTES if settings.best else 0)
    return (base.load(TILE[models.precision], ENGINE_BYTES[models.precision], PIECE_BYTES + more),)


def _trusted(noise: Noise, channels: int, picture: Image, output: Image) -> Mapping[str, NDArray[Any]]:
    """The standard deviation of the error at each pixel, by what is known of the ``noise``; nothing where there is none."""
    height, width = output.pixels.shape[:2]
    if noise.nothing:
        return {"confidence": np.zeros((height, width), np.float32)}
    given, restored = images.as_pixels(picture, picture.pixels), images.as_pixels(output, output.pixels)
    if channels < len(given):
        given, restored = given[1:2], restored[1:2]
    if noise.places is not None:
        noise = replace(noise, local=noise.places.sigma(0, 0, height, width, (height, width)))
    level = noise.sigma(given)
    return {"confidence": doubt.expected(given, restored, level, white=noise.white, density=noise.density)}


def left(view: View, models: Models, output: Image) -> Mapping[str, NDArray[Any]]:
    """The planes of an output of another task, at the picture's size: how far off it is, by the noise of the picture and what is
    left of it."""
    plan = _plan(view, models, None)
    return _trusted(plan.noise, plan.channels, view.picture, output)


def noise_of(view: View, models: Models, settings: DenoiseSettings) -> Noise:
    """The noise that a model is given for this picture: `prepare` without the work."""
    return _plan(view, models, settings.sigma).noise


def ahead(view: View, models: Models) -> base.Job:
    """The passes that take the noise out of a picture before another task has it, and their facts; none where it is clean.

    ``models`` is a family of this task: `Models.helper` opens one for another task.
    """
    return prepare(view, models, DenoiseSettings())


def _repeated(view: View, models: Models, sigma: float | None) -> Squares | None:
    """How the pixels of a noisy picture were repeated, or of one whose level is given; None where they were not."""
    if sigma is not None:
        return diagnosis.squares(view) if sigma > 0 else None
    if not models.card(_plain(models, view.shape[2])).maps:
        return None
    found = diagnosis.look(view)
    return None if found.kind == "clean" else found.squares


def _smaller(view: View, repeated: Squares, sigma: float | None) -> View:
    """The picture without the repetition of its pixels, which nobody need look at again."""
    found = replace(diagnosis.look(view), squares=None) if sigma is None else None
    return View((diagnosis.smaller(view.picture, repeated),), found=found)


def _by_squares(view: View, models: Models, settings: DenoiseSettings, repeated: Squares) -> base.Job:
    """The work on the picture without the repetition of its pixels, whose output is repeated in the same way."""
    job = prepare(_smaller(view, repeated, settings.sigma), models, settings)
    passes = tuple(
        replace(
            step,
            piece=partial(each_square, step, repeated, view.shape[2]),
            room=0,
            halo=step.halo * max(repeated.rows, repeated.columns),
            multiple_of=step.multiple_of * math.lcm(repeated.rows, repeated.columns),
        )
        for step in job.passes
    )

    def facts() -> Mapping[str, Any]:
        seen = diagnosis.look(view) if settings.sigma is None else None
        return {**job.facts(), "saw": None if seen is None else str(seen), "diagnosis": seen}

    return replace(job, passes=passes, facts=facts)


def _enlarged(view: View, models: Models, settings: DenoiseSettings) -> Diagnosis | None:
    """The diagnosis of a picture that was enlarged, noise and all; None of others, and where somebody says what to take away."""
    known = settings.sigma is not None or not models.card(_plain(models, view.shape[2])).maps
    if known or settings.descreen or view.beside is not None or isinstance(view.picture.pixels, images.Rows):
        return None
    found = diagnosis.look(view)
    return None if found.enlarged is None else found


def _at_its_size(view: View, models: Models, settings: DenoiseSettings, found: Diagnosis) -> base.Job:
    """The work on an enlarged picture at the size that it had: what is taken away there is enlarged again."""
    way, seen = found.enlarged, found.smaller
    assert way is not None
    assert seen is not None
    small = way.small(images.floating(view.picture).pixels)
    job = prepare(View((Image(small, dtype=small.dtype),), found=seen), models, replace(settings, detail=1.0))
    largest = max(way.rows.factor, way.columns.factor)
    passes = tuple(
        replace(
            step,
            piece=partial(each_enlarged, step, way),
            piece_bytes=step.piece_bytes + SMALLER_BYTES,
            room=0,
            halo=math.ceil((step.halo + AT_EDGES) * largest),
        )
        for step in job.passes
    )
    if settings.detail != 1:
        passes = tuple(
            replace(step, piece=partial(detailing.detailed, step.piece, settings.detail), halo=step.halo + detailing.REACH)
            for step in passes
        )

    def facts() -> Mapping[str, Any]:
        level = found.sigma * max(1.0, settings.strength)
        # The gain at the smaller size is another.
        return {**job.facts(), "sigma": level, "saw": str(found), "diagnosis": found, "expected_gain": None}

    channels = 1 if diagnosis.is_gray(view) else view.shape[2]
    return replace(job, passes=passes, facts=facts, trust=partial(_trusted, Noise.of(found), channels))


@dataclass(frozen=True)
class _Work:
    """The work of a pass on a piece, and the ``halo`` and grid that it needs: see `base.Pass`."""

    piece: Callable[..., Planes]
    halo: int
    multiple_of: int


def _graph(models: Models, role: str, settings: DenoiseSettings) -> Graph:
    """The file's graph, or the one that takes the mean of its answers."""
    graph = models.graph(role)
    return denoising.Turned(graph) if settings.best else graph


def _work(
    view: View, models: Models, plan: _Plan, noise: Noise, straight: Callable[..., Planes] | None, settings: DenoiseSettings
) -> _Work:
    """The restoration of a piece of a picture with this noise; ``straight`` takes bands away before it."""
    card, graph = models.card(plan.role), _graph(models, plan.role, settings)
    blocks = _moved(plan)
    if blocks is not None:
        graph = denoising.OnBlocks(graph, blocks)
    # The file that takes the noise away once the impulses on top of it are filled: the family's own for white noise.
    plain = _plain(models, plan.channels)
    both = noise.density > 0 and bool(noise.level) and models.paths[plain] != models.paths[plan.role]
    then = _graph(models, plain, settings) if both else None
    # Impulses are filled on a grid of their own.
    step = max(card.multiple_of, maps.GRID) if noise.density > 0 else card.multiple_of
    step = step if blocks is None else math.lcm(step, SIDE)
    margin = _margin(card, noise)
    if then is not None:
        # Where the graph runs twice, all but the filled pixels is the same the second time: influence from beyond fades before.
        margin += _margin(then.card, noise.mended)
        step = max(step, then.card.multiple_of)
    piece: Callable[..., NDArray[np.float32]] = (
        partial(denoising.answer, graph, noise) if then is None else partial(denoising.answer_in_turn, graph, then, noise)
    )
    if plan.channels != view.shape[2]:
        piece = partial(denoising.as_gray, piece)
    if noise.nothing:
        piece = _unchanged
    if straight is not None:
        piece = partial(straight, piece)
    return _Work(piece, margin, step)


def _moved(plan: _Plan) -> Quantised | None:
    """The JPEG that the picture was, where its blocks lie elsewhere since, or other than in its file, and the file that serves
    knows what it leaves."""
    blocks = plan.noise.quantised
    moved = blocks is not None and (blocks.top, blocks.left, blocks.turned) != (0, 0, False)
    return blocks if moved and plan.role == "processed" else None


def _unchanged(planes: Planes, place: Place, room: Planes | None = None) -> Planes:
    return planes.copy()


def _plain(models: Models, channels: int) -> str:
    """The role that serves white noise in a picture of so many channels: a family without that file serves channel by channel, or
    by the mean of three equal channels."""
    role = "gray" if channels == 1 else "colour"
    return role if role in models else next(iter(models))


def _plan(view: View, models: Models, sigma: float | None, found: Diagnosis | None = None) -> _Plan:
    channels = 1 if diagnosis.is_gray(view) else view.shape[2]
    role = _plain(models, channels)
    card = models.card(role)
    if sigma is not None or not card.maps:
        noise = _given(card, sigma)
        if not noise.nothing and sigma and not _learnt_clipped(card):
            # A gray picture's three channels say what one says.
            parts = [
                part[..., 1:2] if channels < view.shape[2] else part for part in view.parts(diagnosis.windows(*view.shape[:2]))
            ]
            noise = replace(noise, clipping=diagnosis.clipping(parts, noise.curve))
        return _Plan(role, noise, None, channels)
    if found is None:
        found = diagnosis.look(view)
    routed = ROUTES.get(found.kind, role)
    role = routed if routed in models else role
    card = models.card(role)
    noise = Noise.of(found)
    if found.impulse_density > 0 and not _knows_impulses(card):
        # A network that learnt from none can only treat them as noise.
        noise = Noise(found.sigma, found.curve)
    second = None
    if view.beside is not None and channels == view.shape[2] and noise.white:
        role = "clip" if "clip" in models else role
        card = models.card(role)
        noise = replace(noise, beside=view.beside if looks_around(card) else None)
        second = "second" if "second" in models else None
    if _learnt_clipped(card):
        noise = replace(noise, clipping=None)
    return _Plan(role, noise, found, channels, second)


def _given(card: Card, sigma: float | None) -> Noise:
    """Gaussian noise of this level, as the card takes it; `OptionError` where the model is blind."""
    if sigma is None:
        return Noise(None)
    if "sigma" not in card.maps:
        raise OptionError(f"model {card.name!r} is blind: it takes no noise level; leave sigma out")
    return Noise(sigma, Curve(sigma / 255))


def _knows_impulses(card: Card) -> bool:
    """Whether the model learnt from pixels replaced by impulses."""
    kinds = {noise["kind"] for noise in card.noises}
    return "impulses" in card.maps and not kinds.isdisjoint({"salt-pepper", "impulses"})


def _learnt_clipped(card: Card) -> bool:
    """Whether the model learnt from clipped noise beside clean images: its output is the true intensity by itself."""
    # A camera's noise, and JPEG's, is always clipped.
    clipped = any(noise.get("clip", False) or noise["kind"] in ("camera", "jpeg") for noise in card.noises)
    return clipped or card.training.get("learnt_from") == "pairs"


def _margin(card: Card, noise: Noise) -> int:
    """The pixels around a tile's core that the model sees, and those beyond them on which its maps depend."""
    return noise.passes * max(round(HALO_SHARE * card.halo), min(card.halo, NEAR)) + noise.reach


# -- the expected gain ------------------------------------------------------------------------------------------------


def expected_gain(view: View, models: Models, settings: DenoiseSettings, found: Diagnosis | None = None) -> float | None:
    """By how many dB of PSNR the output is expected to be nearer to the clean picture than the input, without the clean picture.

    0 where nothing is to be done; None where the noise is of another kind than white, the picture too small, or more or less is
    taken away than the model would by itself. ``found`` is the picture's diagnosis, where that is known already.
    """
    if settings.most > 1 or settings.apart or settings.detail != 1:
        return None
    value = measured(view, models, settings, found)
    return value if value is None or isinstance(value, float) else gain.expected(value)


def measured(view: View, models: Models, settings: DenoiseSettings, found: Diagnosis | None = None) -> gain.Measured | float | None:
    """The measurements behind `expected_gain`, or its value where there is nothing to measure.

    The divergence of the output is measured with a random probe (Ramani et al. 2008, "Monte-Carlo SURE") in `PROBES` parts.
    """
    repeated = _repeated(view, models, settings.sigma) if found is None else found.squares
    if repeated is not None:
        view = _smaller(view, repeated, settings.sigma)
        found = view.found
    plan = _plan(view, models, settings.sigma, found)
    noise = plan.noise
    if plan.diagnosis is not None and plan.diagnosis.blotches is not None:
        return None
    if noise.nothing:
        return 0.0
    if not noise.white or noise.density > 0 or noise.places is not None or noise.level is None or min(view.shape[:2]) < LEAST_PROBE:
        return None
    graph, rng, sums = _graph(models, plan.role, settings), np.random.default_rng(0), gain.Measured()
    for planes in view.crops(PROBE, PROBES, max(graph.card.multiple_of, maps.GRID)):
        if plan.channels < len(planes):
            planes = planes[1:2]
        level = noise.sigma(planes)
        step = np.float32(0.05 * float(level.mean()))
        probe = rng.choice(np.array([-1, 1], dtype=np.float32), size=planes.shape)
        moved = np.asarray(planes + step * probe, dtype=np.float32)
        output = denoising.answer(graph, noise, planes)
        divergence = ((denoising.answer(graph, noise, moved) - output) * probe).mean(axis=0) / step
        sums.add(planes, output, level, divergence)
    return sums


# -- stacks of small images -------------------------------------------------------------------------------------------


def batch(stack: ArrayLike, models: Models, settings: DenoiseSettings) -> NDArray[Any]:
    """Many small gray images of one size, (n, h, w), at once: the same shape and dtype back.

    A model that takes a level needs ``sigma``, for small images are too small to measure. ``strength``, ``keep_grain`` and ``gain``
    are not used. Raises `ImageError` and `OptionError`.
    """
    values = np.asarray(stack)
    if values.ndim != 3 or values.size == 0:
        raise ImageError(f"an array of shape {values.shape} is not a stack of gray images (n, h, w)")
    count, height, width = values.shape
    # One tall image passes the same checks and conversions as any other.
    tall = images.from_array(values.reshape(count * height, width))
    pixels = tall.pixels.reshape(count, 1, height, width)
    role = _plain(models, 1)
    card = models.card(role)
    if "sigma" in card.maps and settings.sigma is None:
        raise OptionError(f"model {card.name!r} needs sigma for a stack of small images")
    graph = _graph(models, role, settings)
    noise = _plan(View((tall,)), models, settings.sigma).noise
    factor = noise.brightness(card)
    noise = noise.scaled(factor)
    step = card.multiple_of
    margins = ((0, 0), (0, 0), (0, -height % step), (0, -width % step))
    outputs = np.empty_like(pixels)
    for start in range(0, count, BATCH):
        shown = pixels[start : start + BATCH] * np.float32(factor)
        padded = np.pad(shown, margins, mode="symmetric")
        given = np.stack([denoising.with_maps(planes, card, noise) for planes in padded])
        answers = graph(given)[:, :, :height, :width]
        for index, one in enumerate(answers):
            outputs[start + index] = denoising.finished(shown[index], one, card, noise)
    flat = np.clip(outputs / np.float32(factor), 0, 1).reshape(count * height, width, 1)
    return images.to_array(images.with_pixels(tall, flat)).reshape(values.shape)


# -- evaluation -------------------------------------------------------------------------------------------------------


def known(case: Degradation, maps: Sequence[str], *, blind: bool) -> DenoiseSettings:
    """The level of Gaussian noise, where the model takes one and is not to be ``blind``. Raises `OptionError` for a case that
    changes the size, or asks for another picture."""
    if asked.of(case) is not None:
        raise OptionError(f"{case} asks for another picture than a clean one; denoise takes noise alone, such as gaussian:25")
    if case.scale > 1:
        raise OptionError(f"{case} makes images smaller; denoise takes noise alone, such as gaussian:25 (upscale takes shrink:2)")
    return DenoiseSettings(sigma=case.sigma if "sigma" in maps and not blind and case.kind == "gaussian" else None)


def scored(case: Degradation, pixels: NDArray[Any]) -> NDArray[Any]:
    """All of the image."""
    return pixels
