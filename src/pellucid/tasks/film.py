"""Mending worn film, prints and slides: damage is found, then filled; brightness, colours and the gate are put right as a whole.

One small network finds damage from a frame and its neighbours in time, brought into place; another fills it. Pictures alone go the
same way without neighbours. Undamaged pixels are not touched, but for grain; flicker, fading and the gate are found by robust
fits (`pellucid.reels`), and no network sees them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import alphas, diagnosis, images, mending, motion, passing, reels, registration, tiling, wear
from pellucid.cards import Card
from pellucid.degradations import Degradation
from pellucid.diagnosis import between, damage
from pellucid.engines import Graph, Models
from pellucid.errors import OptionError
from pellucid.images import Image, Pixels, Rows
from pellucid.reels import Entry, Fading
from pellucid.tasks import DenoiseSettings, FilmSettings, base, denoise
from pellucid.tasks.film_learning import Learning, filling_maps, finding_maps
from pellucid.tiling import Place
from pellucid.views import View

__all__ = [
    "CASES",
    "FAMILY",
    "LOOK",
    "METRICS",
    "PROTOCOL",
    "RUN_IN",
    "Learning",
    "follow",
    "glanced",
    "known",
    "looks",
    "prepare",
    "scored",
    "survey",
]

CASES: tuple[str, ...] = (
    "scratches:6+dust:2+hairs:3+blotches:3",
    "dust:3+creases:2+cracks:4",
    "scratches:8",
    "dust:3",
    "fading:0.4",
)

METRICS: tuple[str, ...] = ("psnr", "ssim")

PROTOCOL: Mapping[str, str] = {
    "given": "a photograph worn by pellucid.wear, as a still; clips are measured by benchmarks/film.py",
    "damage": "told to telea, navier-stokes and masked-median as it is; models have to find it",
}

LOOK = reels.SIDE

RUN_IN = denoise.RUN_IN

TILE = 1024
"""Side in pixels of the square that no piece has more pixels than."""

HALO = 72
"""Pixels around a piece that are seen, too: as far as a place is judged by what is around it. Networks see 90 pixels far; beyond
64 nothing changed an answer by more than 0.005."""

ENGINE_BYTES = 260
"""Bytes for each pixel of the piece that the engine works on: measured as the peak of a process, with pieces of 1024 x 1024."""

PIECE_BYTES = 180
"""Bytes for each pixel of each piece in flight: the picture, eleven planes of a network's input, masks, the filled picture."""

CELL, SPECK, BESIDE = 256, 64, HALO
"""Sides in pixels of the cells that are looked at alone where there is little to see in others, of those around a few specks, and
how much around them is seen, too."""

LEAST_SURE = 0.02

FAINTER = 0.6
"""Around what is surely damaged, damage is taken for it that is so much less sure."""

LARGE = 2_500_000, 12_000_000
"""Pixels of a picture from which it is looked at in half its size, too, and in a quarter: dust is larger there than the network
has seen it."""

BESIDE_TWICE = 32
"""Pixels around a part that is looked at in twice its size that are seen, too. With 48, one of 10,000 answers changed by more than
0.02, and one of 200,000 crossed a half."""

GLIMPSED = 0.02
"""The chance of damage from which a place is looked at in a larger size, too."""

SHARP, BESIDE_GRAIN = 0.05, 12.0
"""How far a pixel must lie off the line between its neighbours, beyond what half the size shows: 13 levels, and as many times the
grain's level, by which one of a million pixels does by chance."""

RARE, RARE_AT_ENDS, RARE_ALONE = 1.0, 2.0, 6.0
"""By how much the odds of damage are less than the network has learnt, from crops of which a twentieth was damaged: in clips, at
the ends of scenes, where both neighbours lie on one side and a thing that moves looks like damage, and in pictures alone. Chosen
for less than a thousandth of what is unworn to be taken for damage, on 30 pictures that are held out for validation: 0.002, 0.011
and 0.05 % were, with rain, snow, wires and the like before the camera 0.046 %."""

FAMILY = "film"
"""The name of its networks' family."""

RARE_IN_FLASH = 1e4
"""The same in a flash, which no other frame is like: what is burnt out in it looks like damage, and hardly anybody sees what is."""

JUDGED, RARE_JUDGED, RARE_IN_LARGE = "film-find", 2 / 3, 1.5
"""The network whose answers to pictures alone are judged once more, by `pellucid.diagnosis.damage`, which has learnt from no
other's; and by how much the odds are less than that says, in pictures that are looked at in twice their size, and in larger ones:
with fewer, more is found, and what is wrongly filled costs more than what is mended brings. It has looked at what is around a
place: less sure damage does not count there."""

UPRIGHT = 4
"""The first of the planes for the network that finds in a picture alone that the other one is given, too: upright lines, and small
things."""

SHOWN = 10
"""The first of the four planes that the network which finds in clips is given behind frames: as `between.Seen.maps` are."""

ALONE = {"find": (*(0, 1, 2) * 3, 3, 4, 5, 6, None), "fill": (*(0, 1, 2) * 3, 3, 4, 5)}
"""The planes of both networks for a picture alone (see `engines.open_graph`): it stands for both neighbours, and lies outside of
neither."""

GRAINY = 2.5
"""The level of noise, in 8-bit levels, from which it is taken for grain: a clean picture comes back at 42 dB or better."""

LIGHTER, HIDDEN = 0.02, 0.7
"""Change of the logarithm of light from which frames are brought into the light of others, and from which a black one says nothing
of them."""

WHOLE, MOST_APART, FAR = 16, 1 / 3, mending.APART
"""A frame of whose parts, so many rows and columns, more than such a share lies farther than this outside both neighbours is
another picture, and no damaged one."""

NOT_MOVED = "not held still: a mask spares some of the frame, and a frame moves as a whole"

BORROWED = 7, 13
"""Rows and columns from which grain is borrowed for what was filled."""


class _Twice:
    """How likely each pixel of a picture alone (h, w, 3) is damaged, as it looks in twice its size: the mean of four answers.

    The whole picture is looked at in parts, each when it is first asked for: pieces of the picture overlap.
    """

    def __init__(self, graph: Callable[[Pixels], Any], frame: Pixels) -> None:
        self._graph = graph
        self._frame = frame
        height, width = self._within = frame.shape[0], frame.shape[1]
        self._cut = tiling.cut(height, width, tile=TILE // 2, halo=BESIDE_TWICE, multiple_of=8)
        self._chance = np.zeros((height, width), np.float32)
        self._locks = {(row, column): threading.Lock() for row in self._cut.rows for column in self._cut.columns}
        self._seen: set[tuple[tiling.Part, tiling.Part]] = set()

    def at(self, place: Place) -> Pixels:
        """That of a piece of the picture, (h, w); the edge is repeated beyond it."""
        for (row, column), lock in self._locks.items():
            (top, bottom), (left, right) = row.core, column.core
            if place.top < bottom and top < place.top + place.height and place.left < right and left < place.left + place.width:
                with lock:
                    if (row, column) not in self._seen:
                        core = self._answer(row, column)[
                            top - row.start : bottom - row.start, left - column.start : right - column.start
                        ]
                        self._chance[top:bottom, left:right] = core
                        self._seen.add((row, column))
        return _part(self._chance, place)

    def _answer(self, row: tiling.Part, column: tiling.Part) -> Pixels:
        high, wide = self._cut.piece
        part = _part(self._frame, Place(row.start, column.start, high, wide, self._within))
        large = np.clip(images.enlarged(part, 2), 0, 1)
        answer = self._graph(_in_planes(_finding(large, None, alone=True), self._graph)[None])[0, 0]
        mean: Pixels = answer.reshape(high, 2, wide, 2).mean(axis=(1, 3))
        return mean


@dataclass(frozen=True)
class _Work:
    """The work on one picture. ``around``: its neighbours in place, (h, w, 3), in its own light, and ``steps``, by how many frames
    they are after it; ``came``: the same before they were brought there, where it is small enough for weather, and lines that pass,
    to be looked for. ``gain`` (h, w): what its values are multiplied by. ``grain``: its level, in [0, 1], one for all or (h, w),
    and ``keep`` the share that stays. ``gray``: gray in three channels. ``alone``: whether its networks are those of a
    picture alone; ``judged``: whether their answers are judged; ``names``: those of the models; ``twice``: how it looks in twice
    its size, where that counts, too."""

    find: Graph | None
    fill: Graph | None
    settings: FilmSettings
    around: tuple[Pixels, Pixels] | None = None
    came: tuple[Pixels, Pixels] | None = None
    steps: tuple[int, int] = (-1, 1)
    gain: Pixels | None = None
    fading: Fading | None = None
    grain: float | Pixels = 0.0
    keep: float = 1.0
    gray: bool = False
    rare: float = RARE_ALONE
    alone: bool = False
    judged: bool = False
    names: frozenset[str] = frozenset()
    twice: _Twice | None = None
    scales: tuple[int, ...] = (1,)
    counted: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)

    @property
    def damaged(self) -> float:
        """The share of the pixels in which damage was found so far."""
        count = sum(size for _, size in self.counted.values())
        return sum(found for found, _ in self.counted.values()) / count if count else 0.0


def prepare(view: View, models: Models, settings: FilmSettings) -> base.Job:
    """Brings the neighbours of a frame into place, looks at its fading and its grain, and plans one pass that mends it."""
    card = models.card(next(iter(models)))
    if card.answer == "residual" and not card.maps:
        return _mended_at_once(models, card, settings)
    entry = view.clip[view.at] if view.clip else None
    height, width = view.shape[:2]
    lone = settings.only_damage or settings.show_damage
    fading = None
    if settings.defade and not lone:
        fading = entry.fading if entry is not None else reels.faded([view.small(reels.SIDE)])
        fading = None if fading.none else fading
    found = (view.found or diagnosis.look(view)) if settings.inspects else None
    level = 0.0 if found is None else float(found.sigma)
    grain = level if level >= GRAINY and settings.grain < 1 and not lone else None
    around, came, steps = _around(view)
    rare = _rare(view, steps if around else None)
    alone = around is None and rare == RARE_ALONE
    judged = alone and JUDGED in _names(models)
    find, fill = _roles(models, alone=alone)
    work = _Work(
        find,
        fill,
        settings,
        around=around,
        came=came if height * width <= TILE**2 else None,
        steps=steps,
        gain=None if entry is None or lone or not settings.deflicker else _gain(entry, height, width),
        fading=fading,
        grain=level / 255 if found is None or found.places is None else found.places.sigma(0, 0, height, width, (height, width)),
        keep=1.0 if grain is None else settings.grain,
        gray=diagnosis.is_gray(view),
        rare=rare,
        alone=alone,
        judged=judged,
        names=frozenset(_names(models)),
        twice=_Twice(find, _floats(view.picture)) if judged and find is not None and height * width <= LARGE[0] else None,
        scales=(1, *(2 ** (power + 1) for power, least in enumerate(LARGE) if height * width > least)),
    )

    def facts() -> Mapping[str, Any]:
        return {
            "damaged": round(work.damaged, 6),
            "faded": None if fading is None else _in_words(fading),
            "grain": None if grain is None else round(grain, 2),
        }

    step = base.Pass(
        partial(_mended, work),
        tile=TILE,
        engine_bytes=ENGINE_BYTES,
        piece_bytes=PIECE_BYTES,
        before=_nothing if settings.show_damage else None,
        channels=1 if settings.show_damage else None,
        halo=HALO,
        multiple_of=8 * max(work.scales),
    )
    finish: Callable[[Image, NDArray[Any] | Rows], Image] = images.with_pixels
    in_part = None
    if entry is not None and settings.steady and not lone and entry.shift != (0.0, 0.0):
        finish, in_part = partial(_held_still, entry.shift, settings.strength), _not_moved
    elif settings.show_damage:
        finish = alphas.as_mask
    return base.Job(card.name, (step,), finish=finish, in_part=in_part, facts=facts)


def check(models: Models, settings: FilmSettings) -> None:
    """Raises `OptionError` where damage is asked for of a model that does not say where it is."""
    card = models.card(next(iter(models)))
    if settings.show_damage and card.answer == "residual" and not card.maps:
        raise OptionError(f"model {card.name!r} mends without saying where; leave out the damage")


def loads(models: Models, settings: FilmSettings) -> tuple[base.Pass, ...]:
    """One pass."""
    return (base.load(TILE, ENGINE_BYTES, PIECE_BYTES, channels=1 if settings.show_damage else None),)


def survey() -> reels.Reel:
    """A look at all frames of a clip, before the work: `reels.Reel.entries` say what is to be done about each."""
    return reels.Reel()


def follow(view: View, settings: FilmSettings, notes: Any) -> base.Followed:
    """A frame with strong grain, fused with those before it as a noisy one is (`denoise.follow`).

    Damage is new in each frame, and what is new comes from the frame alone: it is still to be found. Where grain is to be kept,
    some of the frame as it was, or all but damage, the frame stays alone.
    """
    found = view.found
    kept = settings.grain > 0 or settings.share < 1
    if found is None or found.sigma < GRAINY or kept or settings.only_damage or settings.show_damage:
        return base.Followed(view, settings)
    followed = denoise.follow(view, DenoiseSettings(), notes)
    frames = list(view.frames)
    frames[view.at] = followed.view.picture
    return base.Followed(View(tuple(frames), view.at, followed.view.found, view.clip), settings, followed.notes)


def _roles(models: Models, *, alone: bool) -> tuple[Graph | None, Graph | None]:
    """The graphs that find and fill, those for a picture ``alone`` or for one with neighbours; None where a file alone does the
    other."""
    found: dict[str, Graph] = {}
    for role in models:
        part = "find" if models.card(role).answer == "damage" else "fill"
        found[part] = models.graph(role, alike=ALONE[part] if alone else ())
    return found.get("find"), found.get("fill")


def _finding_roles(models: Models, *, alone: bool) -> tuple[Graph, Graph | None]:
    """The same of models one of which must find damage; raises `OptionError` where none does."""
    if all(models.card(role).answer != "damage" for role in models):
        raise OptionError(f"no model of {', '.join(sorted(_names(models)))} finds damage")
    find, fill = _roles(models, alone=alone)
    assert find is not None
    return find, fill


def _names(models: Models) -> set[str]:
    return {models.card(role).name for role in models}


def looks(models: Models, frame: Pixels) -> tuple[Pixels, Pixels, Pixels, Pixels]:
    """The answers (h, w) of the network that finds damage to a picture alone (h, w, 3): as it is, turned by half, and at twice its
    size; and the planes (3, h, w) that `pellucid.diagnosis.damage` is given beside them.

    Raises `OptionError` where no file of the models finds damage.
    """
    find, _ = _finding_roles(models, alone=True)
    height, width = frame.shape[:2]
    larger = _Twice(find, frame).at(Place(0, 0, height, width, (height, width)))
    # As pieces are: to a multiple of what the network halves, its edge repeated.
    frame = np.pad(frame, ((0, -height % 8), (0, -width % 8), (0, 0)), mode="edge")
    given = _in_planes(_finding(frame, None, alone=True), find)
    first = find(given[None])[0, 0]
    turned = find(np.ascontiguousarray(given[:, ::-1, ::-1])[None])[0, 0, ::-1, ::-1]
    part = slice(height), slice(width)
    return first[part], turned[part], larger, given[UPRIGHT : UPRIGHT + 3, :height, :width]


def glanced(models: Models, frame: Pixels, came: tuple[Pixels, Pixels], steps: tuple[int, int] = (-1, 1)) -> between.Seen:
    """The damage found in a frame (h, w, 3) of a clip beside its neighbours, ``came``, at the times ``steps``, before it is judged.

    Raises `OptionError` where no file of the models finds damage.
    """
    find, fill = _finding_roles(models, alone=False)
    height, width = frame.shape[:2]
    around = (mending.brought(frame, came[0]), mending.brought(frame, came[1]))
    work = _Work(find, fill, FilmSettings(), around, came, steps, rare=RARE if steps[0] < 0 < steps[1] else RARE_AT_ENDS)
    pad = ((0, -height % 8), (0, -width % 8), (0, 0))
    padded = [np.pad(each, pad, mode="edge") for each in (frame, *around)]
    place = Place(0, 0, height, width, (height, width))
    chance, maps = _chance(work, padded[0], (padded[1], padded[2]), place)
    chance, maps = chance[:height, :width], tuple(each[:height, :width] for each in maps)
    sure = _sure(work)
    return _left(between.Seen(frame, around, came, chance, mending.held_back(chance, sure, FAINTER * sure), steps, maps))


def _mended_at_once(models: Models, card: Card, settings: FilmSettings) -> base.Job:
    """The work of a model that finds and fills at once, from one picture."""
    check(models, settings)
    graph = models.graph(next(iter(models)))

    def piece(planes: Pixels, place: Place, room: Pixels) -> Pixels:
        from pellucid.engines import in_channels

        return planes - in_channels(planes, card.channels, lambda part: graph(part[None])[0])

    step = base.Pass(piece, TILE, ENGINE_BYTES, PIECE_BYTES, halo=card.halo, multiple_of=card.multiple_of)
    return base.Job(card.name, (step,))


def _in_words(fading: Fading) -> str:
    lost = [round(100 * (1 - power)) for power in fading.power]
    if len(lost) == 1:
        return f"faded by {lost[0]} %"
    return "faded: " + ", ".join(f"{dye} {value} %" for dye, value in zip(("cyan", "magenta", "yellow"), lost, strict=True))


def _nothing(planes: Pixels) -> Pixels:
    return np.zeros((1, *planes.shape[1:]), np.float32)


# -- whole frames -------------------------------------------------------------------------------------------------------


def _around(view: View) -> tuple[tuple[Pixels, Pixels] | None, tuple[Pixels, Pixels] | None, tuple[int, int]]:
    """The two nearest frames of a clip in the place and the light of the one that is mended, the same in its light alone, and by
    how many frames they are after it; None for a picture alone, and for one that fewer are like, as a flash: the damage of a single
    neighbour would be held for this frame's."""
    places = [place for place in range(len(view.frames)) if place != view.at]
    if view.clip:
        places = [place for place in places if _comparable(view.clip[place], view.clip[view.at])]
    nearest = sorted((abs(place - view.at), place) for place in places)[:2]
    if len(nearest) < 2:
        return None, None, (0, 0)
    frame = _floats(view.picture)
    came, brought = [], []
    places = sorted(place for _, place in nearest)
    for place in places:
        other = _floats(view.frames[place])
        if view.clip:
            other = _alike(other, view.clip[place], view.clip[view.at])
        came.append(other)
        brought.append(mending.brought(frame, other))
    if _another(frame, brought[0], brought[1]):
        return None, None, (0, 0)
    return (brought[0], brought[1]), (came[0], came[1]), (places[0] - view.at, places[1] - view.at)


def _comparable(one: Entry, other: Entry) -> bool:
    """Whether two frames can say anything of each other: in a flash, and in the dark, there is nothing of what others show."""
    hidden = one.black != other.black and abs(one.light - other.light) > HIDDEN
    return one.flash == other.flash and not hidden


def _another(frame: Pixels, before: Pixels, after: Pixels) -> bool:
    """Whether a frame is another picture than both neighbours, which damage never makes of a whole one."""
    means = [registration.means(each, WHOLE) for each in (frame, before, after)]
    return bool((np.abs(mending.outside(*means)) > FAR).mean() > MOST_APART)


def _rare(view: View, steps: tuple[int, int] | None) -> float:
    if steps is None:
        return RARE_IN_FLASH if len(view.frames) > 2 else RARE_ALONE
    return RARE if steps[0] < 0 < steps[1] else RARE_AT_ENDS


def _floats(picture: Image) -> Pixels:
    pixels: Pixels = images.floating(picture).pixels
    return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)


def _alike(pixels: Pixels, own: Entry, wanted: Entry) -> Pixels:
    """A frame in the light of another one: flicker is no damage, whether it stays or not, nor is a fade."""
    change = wanted.light - own.light
    if abs(change) < LIGHTER:
        change = 0.0
    if own.gain == wanted.gain and change == 0:
        return pixels
    grids = (np.array(each.gain, np.float32) for each in (own, wanted))
    first, second = (np.broadcast_to(grid, reels.CELLS) for grid in grids)
    light = reels.spread(np.float32(np.exp(change)) * first / second, *pixels.shape[:2])
    return np.asarray(np.clip(pixels * light[..., None], 0, 1), dtype=np.float32)


def _gain(entry: Entry, height: int, width: int) -> Pixels | None:
    if entry.level:
        return None
    light = reels.spread(np.array(entry.gain, np.float32), height, width)
    return light if entry.vignette[0] == 0 else light * reels.corners(entry.vignette, height, width)


def _held_still(shift: tuple[float, float], strength: float, picture: Image, pixels: NDArray[Any] | Rows) -> Image:
    """The frame, moved back."""
    whole = images.with_pixels(picture, pixels)
    floats = images.floating(whole)
    side = max(floats.pixels.shape[:2]) * strength
    moved = registration.shifted(floats.pixels, shift[0] * side, shift[1] * side)
    return images.with_pixels(floats, np.clip(moved, 0, 1))


def _not_moved(picture: Image, pixels: NDArray[Any] | Rows) -> Image:
    """The frame where the gate has left it: what a mask spares cannot stay while the rest of it moves."""
    output = images.with_pixels(picture, pixels)
    return replace(output, remarks=(*output.remarks, NOT_MOVED))


# -- pieces -------------------------------------------------------------------------------------------------------------


def _mended(work: _Work, planes: Pixels, place: Place, room: Pixels) -> Pixels:
    """The piece, mended; or where its damage is, and how surely."""
    frame = np.broadcast_to(planes, (3, *planes.shape[1:])).transpose(1, 2, 0)
    if work.around is not None:
        # As its neighbours lie in memory.
        frame = np.ascontiguousarray(frame)
    around = None if work.around is None else (_part(work.around[0], place), _part(work.around[1], place))
    chance, maps = _chance(work, frame, around, place)
    sure = _sure(work)
    hole = chance >= sure if work.judged else mending.held_back(chance, sure, FAINTER * sure)
    # Weather shows in the whole frame, and so do lines that pass: pieces would not come to the same answer.
    whole = place.height >= place.within[0] and place.width >= place.within[1]
    if whole and around is not None and work.came is not None and work.find is not None and hole.any():
        came = (_part(work.came[0], place), _part(work.came[1], place))
        seen = _left(between.Seen(frame, around, came, chance, hole, work.steps, maps))
        hole = seen.hole
        if JUDGED in work.names:
            hole[hole] = between.judged(seen) >= sure
    work.counted[place.top, place.left] = int(hole.sum()), hole.size
    if work.settings.show_damage:
        return np.where(hole, chance, np.float32(0))[None]
    result = frame
    if hole.any() or work.keep < 1:
        grain = work.grain if isinstance(work.grain, float) else _part(work.grain, place)
        # Where damage was judged, a pixel around it costs more than what may be left of it there.
        result = _filled(work, frame, around, hole if work.judged else mending.grown(hole, 1), grain)
        if work.gray:
            # A network of three channels gives faint colours to gray, and later steps would take it for a colour picture.
            still = (result == frame).all(axis=2, keepdims=True)
            result = np.where(still, frame, result.mean(axis=2, keepdims=True))
    output = result.transpose(2, 0, 1)
    output = output.mean(axis=0, keepdims=True) if len(planes) == 1 else output
    gain = None if work.gain is None else _part(work.gain, place)
    exposed = work.fading is not None and work.fading.exposed
    if gain is not None and not exposed:
        output = output * gain
    if work.fading is not None:
        output = reels.unfaded(output, work.fading)
    if gain is not None and work.fading is not None and exposed:
        # The light has changed by more than the faded channels have on average.
        output = output * gain ** np.float32(1 / np.mean(work.fading.power))
    # A piece must not give back what it was given.
    return np.array(output, dtype=np.float32)


def _left(seen: between.Seen) -> between.Seen:
    """The same without what falls and lines that pass."""
    if not seen.hole.any():
        return seen
    known = seen.known[-1], *seen.theirs
    seen = seen.without(mending.falling(seen.frame, *seen.around, seen.hole, seen.steps, came=seen.came, known=known))
    return seen.without(passing.passing(seen.frame, seen.came, seen.hole, seen.steps, peaks=seen.peaks))


def _part(whole: Pixels, place: Place) -> Pixels:
    """The part of a plane or of pixels of the whole picture that lies at a place, its edge repeated beyond it."""
    rows, columns = (np.arange(start, start + side) for start, side in ((place.top, place.height), (place.left, place.width)))
    if rows[-1] < whole.shape[0] and columns[-1] < whole.shape[1]:
        return whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    part: Pixels = whole[np.minimum(rows, whole.shape[0] - 1)][:, np.minimum(columns, whole.shape[1] - 1)]
    return part


def _chance(work: _Work, frame: Pixels, around: tuple[Pixels, Pixels] | None, place: Place) -> tuple[Pixels, tuple[Pixels, ...]]:
    """How likely each pixel (h, w) of the frame at a place is damaged, and in clips what shows there, as `between.Seen.maps`."""
    if work.find is None:
        return (mending.found_alone(frame) if around is None else mending.found_between(frame, *around)), ()
    chance: Pixels | None = None
    # Damage that another size is sure of, or a place nearby, needs to be less sure.
    least = _least(work, FAINTER)
    # A finer look is for what a coarser one has glimpsed, and for what that cannot show.
    for scale in reversed(work.scales):
        small = frame if scale == 1 else _smaller(frame, scale)
        near = around if around is None or scale == 1 else (_smaller(around[0], scale), _smaller(around[1], scale))
        given = _in_planes(_finding(small, near, alone=work.alone), work.find)
        if chance is None:
            found = work.find(given[None])[0, 0]
        else:
            found = _looked_at(work.find, given, (chance[::scale, ::scale] >= GLIMPSED) | _sharp(small, work.grain))[0]
        if around is None:
            larger = work.twice.at(place) if work.twice else None
            glimpsed = damage.glimpsed(found, larger) & work.judged
            turned = found
            if not work.judged or work.twice:
                # Turned by half, too: what only one of both answers takes for damage is hardly any. Large pictures take too long.
                doubtful = glimpsed | (found >= least)
                turned = _looked_at(work.find, given[:, ::-1, ::-1], doubtful[::-1, ::-1])[0, ::-1, ::-1]
            judged = damage.judged(small, tuple(given[UPRIGHT : UPRIGHT + 3]), found, turned, glimpsed, larger)
            found = (found + turned) / 2
        found = found / (found + np.float32(work.rare) * (1 - found))
        if around is None:
            # Places that nobody glimpsed count for nothing.
            found[~glimpsed & work.judged] = 0
            found[glimpsed] = judged / (judged + np.float32(RARE_JUDGED if work.twice else RARE_IN_LARGE) * (1 - judged))
        found = found if scale == 1 else np.repeat(np.repeat(found, scale, 0), scale, 1)
        chance = found if chance is None else np.maximum(chance, found)
    assert chance is not None
    return chance, tuple(given[SHOWN : SHOWN + 4])


def _sharp(pixels: Pixels, grain: float | Pixels) -> NDArray[np.bool_]:
    """Where pixels (h, w) lie so far off the line between those on both sides that half the size does not show it."""
    plane = mending.gray(pixels)
    least = np.float32(max(SHARP, BESIDE_GRAIN * float(np.mean(grain))))
    far = np.zeros(plane.shape, bool)
    for axis in (0, 1):
        lines, found = np.moveaxis(plane, axis, 0), np.moveaxis(far, axis, 0)
        found[1:-1] |= np.abs(2 * lines[1:-1] - lines[:-2] - lines[2:]) >= least
    return far


def _least(work: _Work, share: float = 1.0) -> float:
    """The least answer of a look with which the other one, turned, can still make damage sure, or a ``share`` of that."""
    sure = share * _sure(work)
    return 2 * sure * work.rare / (sure * work.rare + 1 - sure) - 1


def _sure(work: _Work) -> float:
    """How sure damage must be: at 0 all would be damaged, and at 1 nothing."""
    return float(np.clip(work.settings.sure, LEAST_SURE, 1 - LEAST_SURE))


def _finding(frame: Pixels, around: tuple[Pixels, Pixels] | None, *, alone: bool) -> list[Pixels]:
    """The planes for a network that finds; ``alone``: each once, as `ALONE` says."""
    beside = finding_maps(frame, around)
    return [frame, *(beside[2:-1] if alone else beside)]


def _in_planes(parts: Sequence[Pixels], graph: Callable[[Pixels], Any]) -> Pixels:
    """Pixels (h, w, c) and planes (h, w) as the planes (n, h, w) of a graph's input, and behind them those that it uses itself."""
    planes = [plane for part in parts for plane in ([part] if part.ndim == 2 else part.transpose(2, 0, 1))]
    given = np.empty((len(planes) + getattr(graph, "spare", 0), *planes[0].shape), np.float32)
    for each, plane in zip(given, planes, strict=False):
        each[:] = plane
    return given


def _looked_at(graph: Callable[[Pixels], Any], planes: Pixels, wanted: NDArray[np.bool_]) -> Pixels:
    """The answer of a graph to planes (n, h, w) in the cells that hold a pixel that is ``wanted``; 0 elsewhere."""
    height, width = wanted.shape
    cells = list(_cells(wanted)) if min(height, width) >= _side(SPECK) else []
    if not wanted.any() or (cells and sum(_side(size) ** 2 for _, _, size in cells) <= height * width):
        answer: Pixels | None = None
        for top, left, size in cells:
            side = _side(size)
            first, start = min(max(0, top - BESIDE), height - side), min(max(0, left - BESIDE), width - side)
            part = graph(np.ascontiguousarray(planes[:, first : first + side, start : start + side])[None])[0]
            answer = np.zeros((len(part), height, width), np.float32) if answer is None else answer
            inner = part[:, top - first :, left - start :][:, :size, :size]
            answer[:, top : top + size, left : left + size] = inner
        return np.zeros((1, height, width), np.float32) if answer is None else answer
    made: Pixels = graph(np.ascontiguousarray(planes)[None])[0]
    return made


def _side(size: int) -> int:
    """How much is seen of a cell and around it."""
    return size + 2 * BESIDE


def _cells(wanted: NDArray[np.bool_]) -> Iterator[tuple[int, int, int]]:
    """The first row, the first column and the side of cells that cover what is ``wanted``: small ones where a few of them do."""
    height, width = wanted.shape
    fits = min(height, width) >= _side(CELL)
    for top in range(0, height, CELL):
        for left in range(0, width, CELL):
            part = wanted[top : top + CELL, left : left + CELL]
            if not part.any():
                continue
            down, right = (range(0, size, SPECK) for size in part.shape)
            few = [(top + y, left + x, SPECK) for y in down for x in right if part[y : y + SPECK, x : x + SPECK].any()]
            if fits and len(few) * _side(SPECK) ** 2 >= _side(CELL) ** 2:
                yield top, left, CELL
            else:
                yield from few


def _smaller(pixels: Pixels, scale: int) -> Pixels:
    return motion.shrunk(pixels.transpose(2, 0, 1), scale).transpose(1, 2, 0)


def _filled(
    work: _Work, frame: Pixels, around: tuple[Pixels, Pixels] | None, hole: NDArray[np.bool_], grain: float | Pixels
) -> Pixels:
    """The frame with its hole filled, and without a share of its grain."""
    rough = mending.roughly_filled(frame, hole)
    filled = rough
    if work.fill is not None:
        beside = filling_maps(rough, around, hole.astype(np.float32), grain)
        given = _in_planes([rough, *(beside[2:] if work.alone else beside)], work.fill)
        # Grain is borrowed from beside the hole.
        wanted = mending.grown(hole, max(BORROWED) + 1) if work.keep >= 1 else np.ones_like(hole)
        filled = rough - _looked_at(work.fill, given, wanted).transpose(1, 2, 0)
    share = mending.softened(hole)[..., None]
    rest = frame if work.keep >= 1 else filled + np.float32(work.keep) * (frame - filled)
    if np.any(grain) and work.keep > 0:
        # A filled place has no grain: it borrows that of its surroundings, a few pixels away.
        borrowed = np.where(hole[..., None], 0, frame - filled) * np.float32(work.keep)
        filled = filled + np.roll(borrowed, BORROWED, (0, 1))
    return np.asarray(rest + share * (filled - rest), dtype=np.float32)


# -- evaluation -----------------------------------------------------------------------------------------------------------


def known(case: Degradation, maps: Sequence[str], *, blind: bool) -> FilmSettings:
    """Nothing: all is found. Raises `OptionError` for a case that is no damage of film, prints or tape."""
    wear.parts_of(case)
    return FilmSettings()


def scored(case: Degradation, pixels: NDArray[Any]) -> NDArray[Any]:
    """All of it."""
    return pixels
