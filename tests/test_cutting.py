"""The planes that the picture itself gives to the network that cuts out, and the looks at the whole."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import cutting
from pellucid.cutting import MAPS, Prompts

Pixels = NDArray[np.float32]

INSIDE, GRAIN, FAR, NEAR, LIKE, UNLIKE, PLUS, MINUS, BOX, PREVIOUS, X, Y = range(len(MAPS))


def disk(height: int = 96, width: int = 128, row: float = 48, column: float = 64, radius: float = 24) -> NDArray[np.bool_]:
    rows, columns = np.ogrid[:height, :width]
    return (rows + 0.5 - row) ** 2 + (columns + 0.5 - column) ** 2 < radius**2


def painted(there: NDArray[np.bool_], seed: int = 0) -> Pixels:
    """Red where something is, blue elsewhere, with noise on both."""
    picture = np.where(there[..., None], (0.8, 0.2, 0.2), (0.2, 0.3, 0.7)).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 0.02, picture.shape)
    return np.clip(picture + noise, 0, 1).astype(np.float32)


PROMPTS = {
    "nothing": Prompts(),
    "a point": Prompts(points=((3.5, 2.5),)),
    "both": Prompts(points=((3.5, 2.5), (0.0, 0.0)), not_points=((1.0, 1.0),)),
    "a box": Prompts(box=(1, 1, 5, 4)),
    "a box of all": Prompts(box=(-5, -5, 500, 500)),
    "a box beside": Prompts(box=(-9, -9, -2, -2)),
    "points beside": Prompts(points=((-40.0, 900.0),), not_points=((1e6, -1e6),)),
}


@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (7, 5), (31, 64)])
@pytest.mark.parametrize("previous", [None, 0.0, 1.0, "noise"])
def test_planes_of_any_size_are_finite_and_within_their_range(size: tuple[int, int], prompts: Prompts, previous: object) -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((*size, 3), dtype=np.float32)
    before = (
        rng.random(size, dtype=np.float32)
        if previous == "noise"
        else None
        if previous is None
        else np.full(size, previous, dtype=np.float32)
    )
    planes = cutting.maps(picture, prompts, before)
    assert planes.shape == (*size, len(MAPS))
    assert planes.dtype == np.float32
    assert np.isfinite(planes).all()
    assert planes[..., :X].min() >= 0
    assert planes[..., :X].max() <= 1
    assert np.abs(planes[..., X:]).max() <= 1


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_picture_of_one_colour_says_nothing(value: float) -> None:
    planes = cutting.maps(np.full((40, 40, 3), value, dtype=np.float32))
    assert abs(planes[..., INSIDE] - 0.5).max() < 1e-3
    assert abs(planes[..., GRAIN] - 0.5).max() < 1e-3


def test_the_colours_of_the_middle_are_inside() -> None:
    there = disk()
    planes = cutting.maps(painted(there))
    # There is blue in the middle, too, but less than at the border.
    assert planes[there, INSIDE].mean() > 0.85
    assert planes[~there, INSIDE].mean() < 0.45
    # An edge lies between the border and what is behind it.
    assert planes[disk(radius=18), FAR].min() > 2 * planes[~disk(radius=32), FAR].max()


@pytest.mark.parametrize("how", ["box", "previous", "point"])
def test_what_was_asked_for_is_inside_wherever_it_lies(how: str) -> None:
    corner, middle = disk(row=22, column=24, radius=16), disk(radius=12)
    picture = painted(corner)
    picture[middle] = (0.1, 0.7, 0.2)
    prompts, before = Prompts(), None
    if how == "box":
        prompts = Prompts(box=(8, 6, 40, 38))
    elif how == "previous":
        before = (0.9 * disk(row=20, column=26, radius=14)).astype(np.float32)
    else:
        prompts = Prompts(points=((24, 22),), not_points=((64, 48),))
    planes = cutting.maps(picture, prompts, before)
    plane = planes[..., LIKE if how == "point" else INSIDE]
    assert plane[corner].mean() > plane[middle].mean() + 0.3
    if how == "point":
        assert planes[middle, UNLIKE].mean() > planes[corner, UNLIKE].mean() + 0.3
        assert planes[disk(row=22, column=24, radius=11), NEAR].max() < planes[disk(radius=8), NEAR].min()
        assert planes[22, 24, PLUS] > 0.9 > 0.1 > planes[48, 64, PLUS]
        assert planes[48, 64, MINUS] > 0.9


def test_the_box_and_the_answer_before_are_planes_of_their_own() -> None:
    picture = painted(disk())
    planes = cutting.maps(picture, Prompts(box=(10, 20, 30, 50)), np.full((96, 128), 0.25, dtype=np.float32))
    assert planes[..., BOX].sum() == 20 * 30
    assert planes[20:50, 10:30, BOX].min() == 1
    assert (planes[..., PREVIOUS] == 0.25).all()
    plain = cutting.maps(picture)
    assert (plain[..., BOX] == 0.5).all()
    assert (plain[..., PREVIOUS] == 0.5).all()
    assert (plain[0, 0, X], plain[0, 0, Y], plain[-1, -1, X], plain[-1, -1, Y]) == (-1, -1, 1, 1)


def test_prompts_move_with_the_picture() -> None:
    prompts = Prompts(((10, 20),), ((0, 1),), (4, 6, 8, 10)).moved(2, 4, 0.5, 2)
    assert prompts == Prompts(((4, 32),), ((-1, -6),), (1, 4, 3, 12))
    assert Prompts().moved(1, 1, 1, 1) == Prompts()


def red(planes: Pixels) -> Pixels:
    """An answer from the colours alone: red is it."""
    assert planes.shape[1] == 3 + len(MAPS)
    assert planes.shape[2] % 32 == planes.shape[3] % 32 == 0
    return (planes[:, :1] > 0.5).astype(np.float32)


@pytest.mark.parametrize("size", [(96, 128), (33, 47), (700, 420), (5, 400)])
def test_looks_answer_at_the_pictures_own_size(size: tuple[int, int]) -> None:
    there = disk(*size, row=size[0] / 2, column=size[1] / 2, radius=min(size) / 4)
    alpha = cutting.coarse(red, painted(there))
    assert alpha.shape == size
    assert alpha.dtype == np.float32
    both = (alpha > 0.5) & there
    assert both.sum() / ((alpha > 0.5) | there).sum() > 0.9


def test_nothing_outside_a_box_is_cut_out() -> None:
    picture = painted(disk(row=30, column=30, radius=20) | disk(row=70, column=100, radius=15))
    alpha = cutting.coarse(red, picture, Prompts(box=(80, 50, 120, 90)))
    assert alpha[:50].max() == alpha[:, :80].max() == alpha[90:].max() == alpha[:, 120:].max() == 0
    assert alpha[disk(row=70, column=100, radius=12)].min() > 0.9
    assert cutting.coarse(red, picture, Prompts(box=(500, 500, 600, 600))).max() == 0


def test_a_small_thing_is_looked_at_closely() -> None:
    there = disk(900, 1200, row=200, column=900, radius=45)
    sizes = []

    def run(planes: Pixels) -> Pixels:
        sizes.append(float((planes[0, 0] > 0.5).mean()))
        return red(planes)

    alpha = cutting.coarse(run, painted(there))
    assert sizes[0] < 0.02 < 0.1 < sizes[1]
    assert ((alpha > 0.5) & there).sum() / ((alpha > 0.5) | there).sum() > 0.93


@pytest.mark.parametrize("row", [45, 435])
@pytest.mark.parametrize("column", [50, 360, 670])
def test_a_thing_near_the_edge_is_found(row: int, column: int) -> None:
    there = disk(480, 720, row=row, column=column, radius=42)
    alpha = cutting.coarse(red, painted(there))
    assert ((alpha > 0.5) & there).sum() / ((alpha > 0.5) | there).sum() > 0.93


@pytest.mark.parametrize("box", [(850, 150, 950, 250), (300, 200, 950, 800), (0, 0, 1200, 900)])
def test_a_box_fills_the_window_however_large_it_is(box: tuple[float, float, float, float]) -> None:
    shares = []

    def run(planes: Pixels) -> Pixels:
        shares.append(float(planes[0, 3 + BOX].mean()))
        return red(planes)

    cutting.coarse(run, painted(disk(900, 1200, row=200, column=900, radius=45)), Prompts(box=box))
    # A tenth of its longer side on each side, eight pixels, and what fills up the network's multiples.
    assert min(shares) > 0.38


def test_no_number_that_is_none_leaves() -> None:
    def nothing(planes: Pixels) -> Pixels:
        return np.full((1, 1, *planes.shape[2:]), np.nan, dtype=np.float32)

    alpha = cutting.coarse(nothing, painted(disk()))
    assert (alpha == 0).all()
    assert cutting.sure(nothing, painted(disk()), alpha) == 0


def test_sure_is_how_well_a_smaller_look_at_the_mirrored_picture_agrees() -> None:
    picture, widths = painted(disk(400, 500, row=150, column=180, radius=90)), []

    def looks(planes: Pixels) -> Pixels:
        widths.append(planes.shape[3])
        return red(planes)

    alpha = cutting.coarse(looks, picture)
    assert cutting.sure(looks, picture, alpha) > 0.9
    assert widths[-1] == cutting.SECOND < widths[0]

    # A network that takes the left half, whatever is there, takes the other half of the mirrored picture.
    def left(planes: Pixels) -> Pixels:
        answer = np.zeros((1, 1, *planes.shape[2:]), np.float32)
        answer[..., : planes.shape[3] // 2] = 1
        return answer

    assert cutting.sure(left, picture, cutting.coarse(left, picture, looks=1)) < 0.1


@pytest.mark.parametrize("prompts", PROMPTS.values(), ids=PROMPTS)
def test_mirrored_twice_is_as_before(prompts: Prompts) -> None:
    assert prompts.mirrored(500).mirrored(500) == prompts
    picture = painted(disk())
    planes, other = (cutting.maps(each, ask) for each, ask in ((picture, prompts), (picture[:, ::-1], prompts.mirrored(128))))
    np.testing.assert_allclose(other[:, ::-1, BOX], planes[..., BOX])
    # A disc ends three standard deviations away, on one side a pixel farther.
    np.testing.assert_allclose(other[:, ::-1, PLUS], planes[..., PLUS], atol=0.01)
