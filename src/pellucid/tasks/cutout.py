"""Cutting out: alpha found with the whole picture in view, refined piece by piece; what may be put behind; how it is scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from pellucid import alphas, asked, cutting, files, images, matting, weighing
from pellucid.cutting import Prompts
from pellucid.degradations import Degradation
from pellucid.engines import Models
from pellucid.errors import OptionError
from pellucid.images import Image, Pixels, Rows, rows_of
from pellucid.tasks import CutoutSettings, base
from pellucid.tasks.cutout_learning import Learning
from pellucid.tasks.settings import Attached
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["CASES", "METRICS", "PROTOCOL", "Learning", "known", "prepare", "scored"]

CASES: tuple[str, ...] = ("alpha", "alpha:box", "alpha:point")

METRICS: tuple[str, ...] = ("iou", "mae")

PROTOCOL: Mapping[str, str] = {
    "crop": "none",
    "iou": "per image, of alpha above one half",
    "mae": "per image, of alpha",
}

WHOLE = 768
"""Longest side in pixels of the picture that the looks are cut out of: more than `cutting.SIDE`, so that small things are seen."""

TILE = 768
"""Side in pixels of the square that no piece has more pixels than: most pieces are all thing or all background then."""

ENGINE_BYTES = 0
"""No piece goes through the engine: the whole picture is looked at once, small."""

PIECE_BYTES = 200
"""Bytes for each pixel of each piece in flight. Measured: 150 for the colours of the foreground, 10 times the piece's planes."""

ROOM = 16
"""Pixels of the small picture around the thing that are refined with it, beside an eighth of its size."""

Matte = Callable[[Pixels, Place], Pixels]
"""Alpha (h, w) of a piece (c, h, w), padding left out, at its place."""


@dataclass
class Found:
    """The thing as found in the whole picture: ``alpha`` (h, w) of it small, how ``sure`` that is, and a ``warning`` for people."""

    alpha: Pixels
    sure: float | None = None
    warning: str | None = None


def prepare(view: View, models: Models, settings: CutoutSettings) -> base.Job:
    """Looks at the whole picture, small; then a pass that refines the answer in each piece. A picture that is transparent already
    keeps its alpha unless ``settings.again``. Raises `OptionError` for a point or a box outside the picture, and as
    `check`."""
    check(models, settings)
    picture = view.picture
    card = models.card(next(iter(models)))
    prompts = _prompts(view, settings, card.maps)
    # Transparent places of the file stay so, whatever is added: their colours are not known (`alphas.with_alpha`).
    transparent = alphas.is_transparent(picture) or (view.transparent and picture.alpha is not None)
    known = not settings.again and transparent
    small = np.clip(view.small(WHOLE), 0, 1)
    if known:
        found = Found(_known(picture, small.shape), warning="it is transparent already and stays so; 'again' cuts it out anew")
        matte: Matte = partial(_own_alpha, picture, alphas.opaque_of(picture))
    else:
        found = _found(small, models, prompts, settings)
        matte = _refining(small, found.alpha, view.shape)
    add, remove = (_painted(each, view.shape) for each in (settings.add, settings.remove))
    painted = add is not None or remove is not None
    if painted:
        matte = partial(_corrected, matte, add, remove)
        within = _within(found.alpha, *(_small(each, small.shape) for each in (add, remove)))
        # Nothing was found, and there is something all the same.
        added = not found.alpha.any() and bool(within.any())
        found = replace(found, alpha=within, warning=None if added else found.warning)
    behind = _background(settings.background, small, found.alpha, view.shape)
    # The mask of a crop is needed where there is no other alpha.
    channels = 1 if settings.alpha_only else view.shape[2] + (behind is None or settings.crop)
    passes = (
        base.Pass(
            partial(_piece, matte, behind, channels, known, settings.share < 1),
            tile=TILE,
            engine_bytes=ENGINE_BYTES,
            piece_bytes=PIECE_BYTES,
            before=partial(_before, channels),
            channels=channels,
            halo=matting.REACH,
            multiple_of=matting.BLOCK,
        ),
    )
    # Nothing is to be done.
    own = known and not painted and behind is None and not settings.alpha_only
    left = 1 - (1 if own else settings.share) * (1 - float(found.alpha.mean()))
    facts = {"sure": found.sure, "share": left, "warning": found.warning}
    return base.Job(
        card.name,
        () if own else passes,
        held=channels != view.shape[2] or picture.alpha is not None,
        finish=partial(_finished, settings, behind is not None, known, found.warning),
        facts=lambda: facts,
    )


def check(models: Models, settings: CutoutSettings) -> None:
    """Raises `OptionError` for a background behind a mask."""
    if settings.alpha_only and settings.background is not None:
        raise OptionError("alpha_only gives the mask alone, and nothing can be put behind that: leave out the background")


def loads(models: Models, settings: CutoutSettings) -> tuple[base.Pass, ...]:
    """One pass."""
    return (base.load(TILE, ENGINE_BYTES, PIECE_BYTES, channels=1 if settings.alpha_only else None),)


# -- the whole picture ------------------------------------------------------------------------------------------------


def _prompts(view: View, settings: CutoutSettings, maps: tuple[str, ...]) -> Prompts:
    """The prompts in pixels of the picture's small version. Raises `OptionError` for one that is outside the picture."""
    height, width, _ = view.shape
    size = f"the picture, which has {width}x{height} pixels, counted from 0"
    for name, (x, y) in (*(("point", each) for each in settings.point), *(("not_point", each) for each in settings.not_point)):
        if x >= width or y >= height:
            raise OptionError(f"{name} {x},{y} is outside {size}")
    if settings.box is not None and (settings.box[2] > width or settings.box[3] > height):
        raise OptionError(f"box {','.join(map(str, settings.box))} goes beyond {size}")
    for name in ("point", "not_point", "box"):
        if getattr(settings, name) and name not in settings.taken_by(maps):
            raise OptionError(f"this model takes no {name}")
    down, across = (after / before for after, before in zip(_fitting(view.shape, WHOLE), view.shape[:2], strict=True))
    # A pixel is meant, and its middle is half a pixel from its corner.
    points, others = (tuple((x + 0.5, y + 0.5) for x, y in each) for each in (settings.point, settings.not_point))
    return Prompts(points, others, settings.box).moved(0, 0, across, down)


def _fitting(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    """Height and width of a picture of that shape with no side longer than ``side``, as `View.small` has them."""
    share = min(1.0, side / max(shape[:2]))
    return max(1, round(shape[0] * share)), max(1, round(shape[1] * share))


def _found(small: Pixels, models: Models, prompts: Prompts, settings: CutoutSettings) -> Found:
    role = next(iter(models))
    colours = small if small.shape[2] == 3 else np.repeat(small, 3, axis=2)
    run, multiple_of = models.graph(role), models.card(role).multiple_of
    alpha = cutting.coarse(run, colours, prompts, multiple_of=multiple_of)
    sure = cutting.sure(run, colours, alpha, prompts, multiple_of)
    hint = "; a point or a box says what is meant" if prompts == Prompts() else ""
    if alpha.max() < 0.5:
        return Found(np.zeros_like(alpha), 0.0, f"nothing to cut out was found{hint}")
    warning = f"the model is not sure of this ({sure:.2f}){hint}" if sure < settings.sure else None
    missed = _missed(alpha, prompts, settings)
    if missed is not None:
        warning = missed if warning is None else f"{missed}; {warning}"
    return Found(alpha, sure, warning)


def _missed(alpha: Pixels, prompts: Prompts, settings: CutoutSettings) -> str | None:
    """A line about a point that the answer does not hold, or holds against the user's word; None where all is as asked."""
    for name, places, given, wanted in (
        ("point", prompts.points, settings.point, True),
        ("not_point", prompts.not_points, settings.not_point, False),
    ):
        for (x, y), (column, row) in zip(places, given, strict=True):
            # A pixel beside it will do: a point on something thin.
            near = alpha[max(0, int(y) - 1) : int(y) + 2, max(0, int(x) - 1) : int(x) + 2]
            if (near.max() < 0.5) if wanted else (near.min() > 0.5):
                return f"{name} {column},{row} is {'not in' if wanted else 'in'} what was found; a box or more points say more"
    return None


def _refining(small: Pixels, alpha: Pixels, shape: tuple[int, ...]) -> Matte:
    """The matte that refines the answer in each piece: computed where the thing is, so that a small one gets as much detail."""
    bounds = []
    for axis in (0, 1):
        there = np.flatnonzero((alpha > matting.SURE).any(axis=1 - axis))
        first, last = (int(there[0]), int(there[-1]) + 1) if len(there) else (0, alpha.shape[axis])
        room = ROOM + (last - first) // 8
        bounds.append((max(0, first - room), min(alpha.shape[axis], last + room)))
    part = tuple(slice(*each) for each in bounds)
    guide = images.resized(small[part], *_fitting(small[part].shape, matting.SMALL), images.BICUBIC)
    level = np.clip(images.resized(alpha[part][..., None], guide.shape[0], guide.shape[1], images.BICUBIC)[..., 0], 0, 1)
    down, across = (full / less for full, less in zip(shape, alpha.shape, strict=False))
    (top, bottom), (left, right) = bounds
    area = (top * down, left * across, (bottom - top) * down, (right - left) * across)
    return partial(_refined, matting.coefficients(guide, level), area)


def _own_alpha(picture: Image, most: float, planes: Pixels, place: Place) -> Pixels:
    high, wide = matting.valid(place)
    rows = rows_of(picture.alpha, place.top, place.top + high)[:, place.left : place.left + wide]
    return np.asarray(np.clip(rows / most, 0, 1), dtype=np.float32)


def _known(picture: Image, shape: tuple[int, ...]) -> Pixels:
    """The alpha that a picture has, small."""
    alpha, most = picture.alpha, alphas.opaque_of(picture)

    def take(top: int, bottom: int) -> Pixels:
        return np.asarray(np.clip(rows_of(alpha, top, bottom)[..., None] / most, 0, 1), dtype=np.float32)

    # Kernels with negative weights go a little beyond both ends.
    rows = Image(Rows((*alpha.shape, 1), np.dtype(np.float32), take))
    return np.clip(View((rows,)).small(max(shape[:2]))[..., 0], 0, 1)


# -- what the user has painted ----------------------------------------------------------------------------------------


def _painted(given: Attached | None, shape: tuple[int, ...]) -> Pixels | None:
    """A mask at the picture's size, (h, w) in [0, 1]; None where there is none. Raises `FileError` for what is no picture."""
    if given is None:
        return None
    weights: Pixels = weighing.fitted(weighing.of_image(files.read(given.file)), *shape[:2])
    return weights


def _small(weights: Pixels | None, shape: tuple[int, ...]) -> Pixels | None:
    return None if weights is None else weighing.fitted(weights, *shape[:2])


def _within(alpha: Pixels, add: Pixels | None, remove: Pixels | None) -> Pixels:
    """Alpha with what is added, and without what is removed, which counts where both are painted."""
    alpha = alpha if add is None else np.maximum(alpha, add)
    return alpha if remove is None else np.minimum(alpha, 1 - remove)


def _corrected(matte: Matte, add: Pixels | None, remove: Pixels | None, planes: Pixels, place: Place) -> Pixels:
    high, wide = matting.valid(place)
    pieces = (None if each is None else weighing.of_piece(each, place, 1)[:high, :wide] for each in (add, remove))
    return _within(matte(planes, place), *pieces)


# -- one piece --------------------------------------------------------------------------------------------------------


def _refined(factors: Pixels, area: tuple[float, float, float, float], planes: Pixels, place: Place) -> Pixels:
    return matting.refined(matting.enlarged(factors, place, area), planes)


def _before(channels: int, planes: Pixels) -> Pixels:
    """The piece as it was: with full alpha, or as the mask of all of it."""
    if channels == len(planes):
        return planes
    opaque = np.ones((1, *planes.shape[1:]), np.float32)
    return opaque if channels == 1 else np.concatenate([planes, opaque])


def _piece(
    matte: Matte,
    behind: Callable[[Place], Pixels] | None,
    channels: int,
    known: bool,
    partly: bool,
    planes: Pixels,
    place: Place,
    room: Pixels,
) -> Pixels:
    """One piece: its alpha, the foreground's colours, and what is put behind them."""
    high, wide = matting.valid(place)
    given = planes[:, :high, :wide]
    alpha = matte(given, place)
    output = np.zeros((channels, *planes.shape[1:]), np.float32)
    if channels == 1:
        output[0, :high, :wide] = alpha
        return output
    colours = output[: len(planes), :high, :wide]
    least, most = float(alpha.min()), float(alpha.max())
    if least == 1 or known:
        colours[...] = given
    elif most > 0:
        colours[...] = matting.foreground(given, alpha)
    if partly and behind is None:
        # The picture shows through what is half taken away.
        np.copyto(colours, given, where=alpha == 0)
    if behind is not None and least < 1:
        colours *= alpha
        colours += (1 - alpha) * behind(place)
    if channels > len(planes):
        output[-1, :high, :wide] = alpha
    return output


def _finished(
    settings: CutoutSettings, filled: bool, known: bool, warning: str | None, picture: Image, planes: NDArray[Any] | Rows
) -> Image:
    """The picture with alpha, on its new background, or as a mask; what is empty cut off; the warning among the remarks."""
    image = replace(picture, remarks=picture.remarks if warning is None else (*picture.remarks, warning))
    channels = picture.pixels.shape[2]
    beyond = 1 - settings.share
    if settings.alpha_only:
        image = alphas.as_mask(image, planes)
        shown = image.pixels[..., 0] if settings.crop else None
    elif planes.shape[2] == channels and not filled:
        shown = image.alpha
    elif filled:
        held = images.whole(planes) if settings.crop else None
        shown = None if held is None else held[..., channels]
        pixels = planes if held is None else held[..., :channels]
        # Under a background nothing is hidden any more.
        image = replace(image, pixels=pixels, alpha=None, mask=None if picture.alpha is not None else image.mask)
    else:
        image = alphas.with_alpha(image, images.whole(planes), own=known)
        shown = image.alpha
    return image if not settings.crop or shown is None else alphas.cropped_to(image, shown, beyond)


# -- backgrounds ------------------------------------------------------------------------------------------------------


def _background(
    given: str | Attached | None, small: Pixels, alpha: Pixels, shape: tuple[int, int, int]
) -> Callable[[Place], Pixels] | None:
    """A function that gives the background behind the thing by place: planes (channels, h, w), padding left out."""
    channels = shape[2]
    if given is None:
        return None
    if isinstance(given, Attached):
        return partial(_part, matting.covering(_read(given), shape))
    if given == "blur":
        return partial(_part, matting.blurred(small, alpha))
    colour: Pixels = np.array([int(given[start : start + 2], 16) / 255 for start in (1, 3, 5)], np.float32)
    colour = images.gray(colour[None, None])[0, 0] if channels == 1 else colour
    return lambda place: colour[:, None, None]


_READ: WeakKeyDictionary[Attached, Pixels] = WeakKeyDictionary()
"""Backgrounds that were read, for the next picture of a folder: as long as the settings that name them, and no longer."""


def _read(given: Attached) -> Pixels:
    """The picture in a file."""
    if given.path is None:
        raise OptionError("the background has no file")
    pixels = _READ.get(given)
    if pixels is None:
        pixels = _READ[given] = images.floating(files.read(given.path)).pixels
    return pixels


def _part(pixels: Pixels, place: Place) -> Pixels:
    return np.clip(matting.scaled(pixels, place).transpose(2, 0, 1), 0, 1)


# -- evaluation -------------------------------------------------------------------------------------------------------


def known(case: Degradation, maps: Sequence[str], *, blind: bool) -> CutoutSettings:
    """The mask alone, with the case's box or point. Raises `OptionError` for a case of another task."""
    asked_for = asked.of(case)
    if not isinstance(asked_for, asked.Alpha):
        raise OptionError(f"{case} does not ask for alpha; cutout takes alpha, alpha:box and alpha:point, alone or with noise")
    points = () if asked_for.point is None else (asked_for.point,)
    return CutoutSettings(alpha_only=True, box=asked_for.box, point=points)


def scored(case: Degradation, pixels: NDArray[Any]) -> NDArray[Any]:
    """All of alpha."""
    return pixels
