from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import tiling
from pellucid.errors import EngineError

Planes = NDArray[np.float32]
RADIUS = 4


def blurred(planes: Planes) -> Planes:
    """A box blur of RADIUS, zero outside: what looks RADIUS pixels far and no farther."""
    padded = np.pad(planes, ((0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * RADIUS + 1, 2 * RADIUS + 1), axis=(1, 2))
    return windows.mean(axis=(3, 4), dtype=np.float32)


def planes(height: int, width: int) -> Planes:
    return np.random.default_rng(height * width).random((2, height, width), dtype=np.float32)


@pytest.mark.parametrize("size", [(64, 64), (65, 99), (40, 17), (100, 33)])
@pytest.mark.parametrize("multiple_of", [1, 4])
def test_tiled_equals_whole(size: tuple[int, int], multiple_of: int) -> None:
    image = planes(*size)
    whole = tiling.run(blurred, image, tile=10_000, halo=RADIUS, multiple_of=multiple_of)
    tiled = tiling.run(blurred, image, tile=16, halo=RADIUS, multiple_of=multiple_of)
    np.testing.assert_allclose(tiled, whole, atol=1e-6)


@pytest.mark.parametrize("in_flight", [2, 3, 100])
def test_pieces_in_flight_give_the_same_answer(in_flight: int) -> None:
    image = planes(65, 99)
    reports: list[tuple[int, int]] = []
    one = tiling.run(blurred, image, tile=24, halo=RADIUS)
    many = tiling.run(blurred, image, tile=24, halo=RADIUS, in_flight=in_flight, progress=lambda *at: reports.append(at))
    np.testing.assert_array_equal(many, one)
    count = tiling.cut(65, 99, tile=24, halo=RADIUS).pieces
    assert count > 10
    assert reports == [(n, count) for n in range(1, count + 1)]


@pytest.mark.parametrize("multiple_of", [1, 4, 8])
@pytest.mark.parametrize("halo", [0, 3, 20])
@pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 64), (65, 99), (257, 131), (100, 33)])
def test_cores_meet_and_have_their_margins(size: tuple[int, int], halo: int, multiple_of: int) -> None:
    for tile in (16, 40, 64):
        found = tiling.cut(*size, tile=tile, halo=halo, multiple_of=multiple_of)
        for length, parts, side in zip(size, (found.rows, found.columns), found.piece, strict=True):
            assert (parts[0].core[0], parts[-1].core[1]) == (0, length)
            assert [part.core[1] for part in parts[:-1]] == [part.core[0] for part in parts[1:]]
            for part in parts:
                assert part.core[0] < part.core[1]
                assert part.start % multiple_of == side % multiple_of == 0
                assert 0 <= part.start <= max(0, part.core[0] - halo)
                assert min(length, part.core[1] + halo) <= part.stop <= length
                # All pieces have one size once they are padded, so the engine prepares for one size only.
                assert 0 <= side - (part.stop - part.start) < multiple_of
        most = max(tile, 8 * (-(-halo // multiple_of) * multiple_of) // 3 + 2 * multiple_of)
        assert found.piece[0] * found.piece[1] <= most**2


def test_margins_are_few() -> None:
    """Pieces share as few pixels as possible: 24 megapixels in six pieces take a sixth more pixels."""
    found = tiling.cut(4000, 6000, tile=2176, halo=133, multiple_of=8)
    assert (len(found.rows), len(found.columns), found.piece) == (2, 3, (2136, 2184))
    assert found.pieces * found.piece[0] * found.piece[1] < 1.17 * 24e6


def test_a_piece_that_fails_ends_the_run() -> None:
    calls = []

    def fails(piece: Planes) -> Planes:
        calls.append(piece.shape)
        raise EngineError("no more")

    with pytest.raises(EngineError, match="no more"):
        tiling.run(fails, planes(65, 99), tile=16, halo=0, in_flight=2)
    assert len(calls) <= 3


def test_a_halo_that_is_too_small_shows() -> None:
    image = planes(64, 64)
    whole = tiling.run(blurred, image, tile=10_000, halo=RADIUS)
    assert np.abs(tiling.run(blurred, image, tile=16, halo=RADIUS - 1) - whole).max() > 1e-3


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (7, 8), (31, 5)])
def test_any_size_is_padded_to_the_multiple_and_cut_back(size: tuple[int, int]) -> None:
    shapes = []

    def same(piece: Planes) -> Planes:
        shapes.append(piece.shape)
        return piece

    image = planes(*size)
    np.testing.assert_array_equal(tiling.run(same, image, tile=64, halo=8, multiple_of=8), image)
    assert all(side % 8 == 0 for shape in shapes for side in shape[1:])


@pytest.mark.parametrize("size", [(2828, 4243), (4001, 6007), (7, 65537), (1000, 1000)])
def test_without_margins_pieces_are_as_few_as_can_be(size: tuple[int, int]) -> None:
    pieces = tiling.cut(*size, tile=2048, halo=0)
    # A side that is a prime has no equal parts; one row or column more than there is costs nothing that counts.
    assert pieces.pieces <= -(-size[0] * size[1] // 2048**2) + 1
    assert pieces.piece[0] * pieces.piece[1] * pieces.pieces <= 1.01 * size[0] * size[1]


def test_no_piece_is_larger_than_a_tile() -> None:
    sizes = []

    def same(piece: Planes) -> Planes:
        sizes.append(piece.shape[1] * piece.shape[2])
        return piece

    tiling.run(same, planes(300, 200), tile=48, halo=5, multiple_of=4)
    assert len(sizes) == tiling.cut(300, 200, tile=48, halo=5, multiple_of=4).pieces > 50
    assert max(sizes) <= 48 * 48
    assert len(set(sizes)) == 1


def test_scale_and_progress() -> None:
    reports = []
    image = planes(50, 70)
    larger = tiling.run(
        lambda piece: piece.repeat(2, 1).repeat(2, 2), image, tile=32, halo=0, scale=2, progress=lambda *at: reports.append(at)
    )
    np.testing.assert_array_equal(larger, image.repeat(2, 1).repeat(2, 2))
    count = tiling.cut(50, 70, tile=32, halo=0).pieces
    assert count > 3
    assert reports == [(n, count) for n in range(1, count + 1)]


def test_another_size_than_due_is_an_error() -> None:
    with pytest.raises(EngineError, match="expected"):
        tiling.run(lambda piece: piece[:, :-1], planes(20, 20), tile=64, halo=0)


def test_threads_are_gone_with_the_last_band_and_nobody_waits_for_what_is_given_up() -> None:
    image = np.zeros((64, 16, 1), np.float32)
    pieces = tiling.cut(64, 16, tile=16, halo=0)
    # Threads of other tests may end meanwhile: what counts is who is new.
    before = set(threading.enumerate())
    bands = tiling.stream(lambda piece, place: piece, image, pieces, in_flight=2)
    kept = [next(bands) for _ in pieces.rows]
    assert len(kept) > 2
    assert set(threading.enumerate()) <= before

    release, calls = threading.Event(), 0

    def slow(piece: np.ndarray, place: tiling.Place) -> np.ndarray:
        nonlocal calls
        calls += 1
        if calls > 1:
            release.wait(60)
        return piece

    given_up = tiling.stream(slow, image, pieces, in_flight=2)
    next(given_up)
    given_up.close()  # type: ignore[attr-defined]  # a generator
    assert not release.is_set()
    assert not set(threading.enumerate()) <= before
    release.set()
