"""Lines of the scene that pass the camera are no scratches."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import pellucid
from pellucid import images, passing, wear
from pellucid.views import View

Pixels = NDArray[np.float32]
Mask = NDArray[np.bool_]

HEIGHT, WIDTH = 160, 240


def ground(right: float = 0.0) -> Pixels:
    """A smooth scene (h, w, 3) that a camera has passed by so many pixels."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    waves = np.sin((columns + np.float32(right)) / 17 + 2 * np.sin(rows / 31)) + np.sin(
        rows / 13 + (columns + np.float32(right)) / 41
    )
    return np.repeat((np.float32(0.5) + np.float32(0.1) * waves)[..., None], 3, axis=2)


def with_lines(
    frame: Pixels, places: list[float], *, slant: float = 0.0, wide: float = 1.5, value: float = 0.05
) -> tuple[Pixels, Mask]:
    """The frame with lines from above to below, and where they are."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    cover = np.zeros((HEIGHT, WIDTH))
    for place in places:
        cover = np.maximum(cover, np.clip(wide / 2 + 0.5 - np.abs(columns - place - slant * (rows - HEIGHT / 2)), 0, 1))
    made = frame + cover[..., None].astype(np.float32) * (np.float32(value) - frame)
    return made.astype(np.float32), cover > 0.1


def three(
    pan: float, pace: float, places: list[float], steps: tuple[int, int], **line: float
) -> tuple[Pixels, tuple[Pixels, Pixels], Mask]:
    """A frame, its neighbours, and where its lines are, which go by ``pace`` pixels a frame while the camera pans."""
    frame, hole = with_lines(ground(), places, **line)
    before, after = (with_lines(ground(pan * step), [place + pace * step for place in places], **line)[0] for step in steps)
    return frame, (before, after), hole


@pytest.mark.parametrize("steps", [(-1, 1), (1, 2), (-2, -1)])
@pytest.mark.parametrize("pace", [1.0, -1.4, 7.0, -23.0])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_wire_that_passes_is_left(steps: tuple[int, int], pace: float, value: float) -> None:
    frame, came, hole = three(2.0, pace, [97.3, 131.0, 160.6], steps, value=value, slant=0.01)
    assert (passing.passing(frame, came, hole, steps) & hole).sum() > 0.97 * hole.sum()


@pytest.mark.parametrize(("last", "next_one", "wide"), [(4.0, 5.2, 1.5), (-6.0, -8.0, 1.5), (1.0, 2.0, 2.5), (-1.5, -1.5, 2.5)])
def test_a_post_that_passes_a_hand_held_camera_is_left(last: float, next_one: float, wide: float) -> None:
    """It does not go evenly, and its place is not known to a part of a pixel where it is wide."""
    places = [97.3, 131.0, 160.6]
    frame, hole = with_lines(ground(), places, wide=wide, value=0.95)
    before, after = (
        with_lines(ground(2.0 * at), [place + way for place in places], wide=wide, value=0.95)[0]
        for at, way in ((-1, -last), (1, next_one))
    )
    assert (passing.passing(frame, (before, after), hole) & hole).sum() > 0.97 * hole.sum()


@pytest.mark.parametrize("pace", [0.0, 6.5])
def test_a_line_that_shows_in_places_passes_where_nothing_wanders(pace: float) -> None:
    """Half of it shows in each frame: a post that goes by some pixels is left, a scratch that stays is not."""
    rng = np.random.default_rng(1)
    frames, holes = [], []
    for at in (0, -1, 1):
        frame, hole = with_lines(ground(), [120.0 + pace * at], value=0.0)
        shown = np.repeat(rng.random(HEIGHT // 10) < 0.5, 10)[:, None]
        frames.append(np.where(shown[..., None], frame, ground()))
        holes.append(hole & shown)
    gone = passing.passing(frames[0], (frames[1], frames[2]), holes[0])
    assert (gone & holes[0]).sum() > 0.97 * holes[0].sum() if pace else not gone.any()


@pytest.mark.parametrize("pan", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("places", [[110.2], [60.0, 70.0, 80.0, 90.0, 100.0, 110.0]])
def test_scratches_stay_at_their_places_while_the_camera_pans(pan: float, places: list[float]) -> None:
    frame, came, hole = three(pan, 0.0, places, (-1, 1))
    assert not passing.passing(frame, came, hole).any()


def test_scratches_that_wander_by_the_law_of_wear_are_damage() -> None:
    clean = np.stack([ground(2.0 * time) for time in range(40)])
    worn = wear.wear(clean, "scratches:40:coloured=0", np.random.default_rng(3))
    gone = [
        (passing.passing(worn.frames[at], (worn.frames[at - 1], worn.frames[at + 1]), worn.damage[at]) & worn.damage[at]).sum()
        for at in range(1, 39)
    ]
    assert sum(gone) < 0.01 * worn.damage[1:-1].sum()


def test_a_level_wire_that_stays_is_left_and_a_level_line_of_one_frame_is_not() -> None:
    frame, came, hole = three(0.0, 0.0, [70.0], (-1, 1), slant=0.08)
    turned = frame.transpose(1, 0, 2)[:HEIGHT]
    others = came[0].transpose(1, 0, 2)[:HEIGHT], came[1].transpose(1, 0, 2)[:HEIGHT]
    found = hole.T[:HEIGHT]
    assert (passing.passing(turned, others, found) & found).sum() > 0.95 * found.sum()
    alone = ground().transpose(1, 0, 2)[:HEIGHT]
    assert not passing.passing(turned, (alone, alone), found).any()


def test_a_blotch_before_a_wire_that_passes_is_damage() -> None:
    frame, came, hole = three(0.0, 1.0, [100.0], (-1, 1))
    blotch = np.zeros_like(hole)
    blotch[60:90, 85:115] = True
    gone = passing.passing(np.where(blotch[..., None], np.float32(0.9), frame), came, hole | blotch)
    assert not (gone & blotch).any()
    assert (gone & hole)[:48].sum() > 0.95 * hole[:48].sum()


@pytest.mark.parametrize(("pace", "left"), [(1.0, True), (0.0, False)])
def test_a_clip_keeps_a_wire_that_passes_to_the_bit_and_loses_a_scratch(pace: float, left: bool) -> None:
    frame, (before, after), hole = three(2.0, pace, [60.4, 97.3, 151.6], (-1, 1))
    view = View(tuple(images.from_array(np.rint(255 * each).astype(np.uint8)) for each in (before, frame, after)), 1)
    made = np.asarray(images.to_array(pellucid.load("film").details(view, deflicker=False, steady=False, defade=False).image))
    same = (made == np.rint(255 * frame).astype(np.uint8)).all(axis=2)
    assert same[hole].all() if left else same[hole].mean() < 0.3


def test_a_line_is_what_is_lighter_or_darker_than_the_sides_that_differ_more() -> None:
    # Eight-bit levels: often two sides say the opposite and are alike, and the nearer one counts.
    plane = np.random.default_rng(3).integers(0, 4, (80, 50)).astype(np.float32) / np.float32(255)
    ridges = []
    for side in passing.SIDES:
        padded = np.pad(plane, ((0, 0), (side, side)), mode="edge")
        left, right = padded[:, : -2 * side], padded[:, 2 * side :]
        ridges.append(plane - np.clip(plane, np.minimum(left, right), np.maximum(left, right)))
    ridge = np.where(np.abs(ridges[1]) > np.abs(ridges[0]), ridges[1], ridges[0]) / np.float32(passing.MOST)
    first, after = 36 - 24, 36 + 25
    np.testing.assert_allclose(passing._shares(plane, 49)[4], np.clip(ridge, -1, 1)[first:after].mean(axis=0), atol=1e-5)
