"""Damage found in clips, judged once more by where the like of it is in the frames before and after."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import pellucid
from pellucid import mending, motion, samples, wear
from pellucid.diagnosis import between
from pellucid.images import Pixels
from pellucid.tasks import film

Mask = NDArray[np.bool_]
Paint = Callable[[int], tuple[Mask, float]]
"""Where something is at a time, and its value."""

HEIGHT, WIDTH, PAN = 240, 320, 3
WAY = 13
"""The feature that says how far down a place goes from frame to frame, in twos of pixels; the next one: how far across."""

ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    return np.asarray(samples.photograph(), np.float32) / np.float32(255)


def frames_of(photograph: Pixels) -> Pixels:
    """Three frames under a camera that pans."""
    return np.stack([photograph[100 : 100 + HEIGHT, 100 + PAN * time : 100 + PAN * time + WIDTH] for time in (-1, 0, 1)])


def painted(photograph: Pixels, paint: Paint) -> Pixels:
    """Three frames under a camera that pans, with what ``paint`` puts there."""
    frames = frames_of(photograph)
    for frame, time in zip(frames, (-1, 0, 1), strict=True):
        where, value = paint(time)
        frame[where] += np.float32(0.9) * (np.float32(value) - frame[where])
    return frames


def glanced(frames: Pixels) -> between.Seen:
    """The pixels that the network that finds damage takes for it in the second of three frames."""
    return film.glanced(pellucid.load("film").models, frames[1], (frames[0], frames[2]))


def found(frames: Pixels, hole: Mask) -> between.Seen:
    """The parts known of frames in whose second one a hole was found."""
    around = mending.brought(frames[1], frames[0]), mending.brought(frames[1], frames[2])
    chance = np.where(hole, np.float32(0.95), np.float32(0.002))
    return between.Seen(frames[1], around, (frames[0], frames[2]), chance, hole)


def strands(time: int) -> tuple[Mask, float]:
    """Hair in the wind."""
    rng = np.random.default_rng(4)
    where = np.zeros((HEIGHT, WIDTH), bool)
    for x, slant, phase in zip(rng.uniform(90, 230, 30), rng.uniform(-0.4, 0.4, 30), rng.uniform(0, 6, 30), strict=True):
        place = x + slant * ROWS + 9 * np.sin(0.5 * time + phase + ROWS / 45) * ROWS / HEIGHT
        where |= (np.abs(COLUMNS - place) < 0.8) & (ROWS < 0.75 * HEIGHT)
    return where, 0.1


def flakes(time: int) -> tuple[Mask, float]:
    """Snow close to the camera, that falls in all ways."""
    rng = np.random.default_rng(5)
    where = np.zeros((HEIGHT, WIDTH), bool)
    for x, y, size in zip(rng.uniform(0, WIDTH, 40), rng.uniform(0, HEIGHT, 40), rng.uniform(2, 6, 40), strict=True):
        aside = x + 5 * np.sin(time + x)
        where |= np.hypot(COLUMNS - aside, ROWS - (y + 2.6 * size * time)) < size
    return where, 0.97


def stars(time: int) -> tuple[Mask, float]:
    """Points that stay in the frame while what is behind them moves."""
    rng = np.random.default_rng(6)
    where = np.zeros((HEIGHT, WIDTH), bool)
    where[rng.integers(HEIGHT, size=120), rng.integers(WIDTH, size=120)] = True
    return where, 1.0


@pytest.mark.parametrize("paint", [strands, flakes, stars])
def test_what_is_in_all_frames_is_no_damage(paint: Paint, photograph: Pixels) -> None:
    what = glanced(painted(photograph * np.float32(0.15 if paint is stars else 1), paint))
    left = (between.judged(what) >= 0.5).sum()
    assert left < 0.001 * what.hole.size < what.hole.sum()


@pytest.mark.parametrize("defects", ["scratches:20:broken=0", "blotches:4", "dust:3", "scratches:8+dust:2+hairs:2"])
def test_damage_is(defects: str, photograph: Pixels) -> None:
    worn = wear.wear(frames_of(photograph), defects, np.random.default_rng(2))
    what = glanced(worn.frames)
    right = worn.damage[1][what.hole]
    assert right.sum() > 100
    assert (between.judged(what)[right] >= 0.5).mean() > 0.9


def test_a_line_that_stands_from_top_to_bottom_is_read_as_one(photograph: Pixels) -> None:
    """From `LINE` on: whether there is one, its share of the height, how it leans, how much of it is in both neighbours."""
    frames = frames_of(photograph)
    frames[:, :, 159:162] = 0.9
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[:, 159:162] = True
    hole[100:104, 40:44] = True
    rows, columns = np.array([50, 120, 200, 101]), np.array([160, 160, 160, 41])
    line = between.features(found(frames, hole), rows, columns)[:, between.LINE :]
    np.testing.assert_array_equal(line[:, 0], [1, 1, 1, 0])
    assert line[:3, 1].min() > 0.95
    assert line[:3, 2].max() < 0.1
    assert line[:3, 6].min() > 0.95


def test_each_pixel_belongs_to_a_place_and_places_are_few(photograph: Pixels) -> None:
    hole = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.2
    rows, columns, cell = between.places(found(frames_of(photograph), hole))
    assert len(cell) == hole.sum()
    assert len(rows) <= between.MOST
    assert hole[rows, columns].all()
    away = np.abs(np.argwhere(hole) - np.stack([rows, columns], axis=1)[cell])
    assert away.max() < between.CELLS[-1]


def test_where_nothing_is_found_nothing_is_judged(photograph: Pixels) -> None:
    assert between.judged(found(frames_of(photograph), np.zeros((HEIGHT, WIDTH), bool))).shape == (0,)


def test_small_and_flat_frames_are_taken() -> None:
    frames = np.zeros((3, 20, 24, 3), np.float32)
    hole = np.zeros((20, 24), bool)
    hole[3:6, 4:9] = True
    chance = between.judged(found(frames, hole))
    assert chance.shape == (hole.sum(),)
    assert np.isfinite(chance).all()


@pytest.mark.parametrize("size", [(60, 70), (40, 30), (5, 9)])
@pytest.mark.parametrize("side", [3, 25, 97])
def test_means_around_places_are_those_of_the_plane(size: tuple[int, int], side: int) -> None:
    plane = np.random.default_rng(7).random(size, dtype=np.float32)
    whole = motion.box(plane, side)
    everywhere = np.nonzero(np.ones(size, bool))
    for every in (1, 97):
        flat = everywhere[0][::every], everywhere[1][::every]
        np.testing.assert_allclose(between._mean(plane, flat, side), whole[flat], rtol=1e-4)
        windows = between._windows(np.stack([plane, 1 - plane], axis=2), flat, side)
        assert windows.shape == (len(flat[0]), side, side, 2)
        np.testing.assert_allclose(windows[..., 0].mean(axis=(1, 2)), whole[flat], rtol=1e-4)


def test_what_is_known_of_frames_changes_no_answer(photograph: Pixels) -> None:
    worn = wear.wear(frames_of(photograph), "scratches:8+dust:2", np.random.default_rng(2))
    what = glanced(worn.frames)
    assert what.maps is not None
    assert what.__dict__.keys() >= {"planes", "peaks", "theirs"}
    anew = found(worn.frames, what.hole)
    anew = between.Seen(anew.frame, what.around, anew.came, what.chance, what.hole)
    rows, columns, _ = between.places(anew)
    np.testing.assert_allclose(between.features(what, rows, columns), between.features(anew, rows, columns), atol=1e-5)
    gone = np.arange(WIDTH) < WIDTH // 2
    parts = anew.without(gone), between.Seen(anew.frame, what.around, anew.came, what.chance, what.hole & ~gone)
    np.testing.assert_array_equal(*(between.judged(part) for part in parts))


@pytest.mark.parametrize("steps", [(-1, 1), (1, 2), (-3, -1)])
def test_the_way_of_a_thing_is_that_to_both_neighbours(photograph: Pixels, steps: tuple[int, int]) -> None:
    # A dot that goes six pixels down and four to the left from frame to frame, before a ground that stays.
    ground = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    times = (0, *steps)
    frames = [ground.copy() for _ in times]
    for frame, time in zip(frames, times, strict=True):
        frame[100 + 6 * time : 106 + 6 * time, 150 - 4 * time : 156 - 4 * time] = 0.9
    hole = np.zeros((HEIGHT, WIDTH), bool)
    hole[100:106, 150:156] = True
    seen = between.Seen(frames[0], (frames[1], frames[2]), (frames[1], frames[2]), hole.astype(np.float32), hole, steps)
    rows, columns, _ = between.places(seen)
    given = between.features(seen, rows, columns)
    down, right = (list(each) for each in given[:, WAY : WAY + 2].T)
    assert down == [3] * len(rows)
    assert right == [2] * len(rows)
