"""Colours: outside truth from CIE and sRGB's published values, and laws."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import colour, degradations, metrics, spreading
from pellucid.tasks.colorize_learning import Learning

# Bruce Lindbloom's calculator and CSS Color 4's examples agree on these, D65, 2 degrees.
KNOWN = {
    (1.0, 0.0, 0.0): (53.24, 80.09, 67.20),
    (0.0, 1.0, 0.0): (87.73, -86.18, 83.18),
    (0.0, 0.0, 1.0): (32.30, 79.19, -107.86),
    (1.0, 1.0, 1.0): (100.0, 0.0, 0.0),
    (0.0, 0.0, 0.0): (0.0, 0.0, 0.0),
    (119 / 255, 119 / 255, 119 / 255): (50.03, 0.0, 0.0),
}


def _colours(count: int = 4000) -> np.ndarray:
    return np.random.default_rng(0).random((count, 3), dtype=np.float32)


@pytest.mark.parametrize(("rgb", "lab"), KNOWN.items())
def test_known_colours(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    np.testing.assert_allclose(colour.lab_of(np.array(rgb)), lab, atol=0.03)


def test_there_and_back() -> None:
    rgb = _colours()
    lab = colour.lab_of(rgb)
    np.testing.assert_allclose(colour.rgb_of(lab[:, 0], lab[:, 1:]), rgb, atol=2e-4)
    np.testing.assert_allclose(colour.light_of(rgb), lab[:, 0], atol=1e-3)
    np.testing.assert_allclose(colour.light_of_gray(colour.gray_of(lab[:, 0])), lab[:, 0], atol=2e-3)


def test_light_is_kept_outside_srgb() -> None:
    rng = np.random.default_rng(1)
    light = rng.uniform(0, 100, 3000).astype(np.float32)
    ab = rng.uniform(-110, 110, (3000, 2)).astype(np.float32)
    rgb = colour.rgb_of(light, ab)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    assert np.abs(colour.light_of(rgb) - light).max() < 0.01
    assert np.abs(colour.light_of(np.rint(rgb * 255) / 255) - light).max() < 0.5
    # The hue stays where enough of the colour is left to have one.
    got = colour.lab_of(rgb)[:, 1:]
    enough = np.hypot(*got.T) > 5
    across = (got[:, 0] * ab[:, 1] - got[:, 1] * ab[:, 0]) / np.hypot(*got.T) / np.hypot(*ab.T)
    assert np.abs(across[enough]).max() < 0.01


def test_even_scale_and_planes() -> None:
    ab = np.random.default_rng(2).uniform(-100, 100, (1000, 2)).astype(np.float32)
    even = colour.even_of(ab)
    np.testing.assert_allclose(colour.ab_of(even), ab, atol=2e-3)
    np.testing.assert_allclose(np.hypot(*even.T), np.log(1 + 0.045 * np.hypot(*ab.T)) / 0.045, rtol=1e-4)
    inside = colour.even_of(colour.lab_of(_colours())[:, 1:])
    np.testing.assert_allclose(colour.unplaned(colour.planes_of(inside)), inside, atol=1e-4)


def test_bins_cover_srgb() -> None:
    assert (colour.BINS == 0).all(axis=1).sum() == 1
    even = colour.even_of(colour.lab_of(_colours(500))[:, 1:])
    nearest = np.linalg.norm(even[:, None] - colour.BINS, axis=2).min(axis=1)
    assert nearest.max() <= colour.BIN_STEP / np.sqrt(2) + 0.01


def test_hints_are_planes() -> None:
    planes = colour.hint_planes(np.array([[2, 3, 24.0, -12.0], [90, 90, 6.0, 0.0]]), (8, 8))
    assert planes[..., 2].sum() == 9 + 4
    np.testing.assert_allclose(planes[2, 3], (0.5, -0.25, 1))
    np.testing.assert_allclose(planes[7, 7], (0.125, 0, 1))


def test_small_size_has_the_area_whatever_the_size() -> None:
    for height, width in ((100, 100), (3000, 4000), (480, 2000), (1, 50)):
        size = colour.small_size(height, width)
        assert all(side % 32 == 0 and side >= 64 for side in size)
    assert colour.small_size(480, 640) == colour.small_size(4800, 6400)


# -- spreading --------------------------------------------------------------------------------------------------------


def _halves(dark: float = 25.0, bright: float = 75.0, side: int = 64) -> np.ndarray:
    light = np.full((side, 2 * side), dark, dtype=np.float32)
    light[:, side:] = bright
    return light


def test_a_hint_colours_its_side_alone() -> None:
    light = _halves()
    gray = np.zeros((*light.shape, 2), np.float32)
    hint = np.array([[32, 40, 24.0, 10.0]])
    even = spreading.propagated(light, gray, hint)
    assert np.abs(even[32, 40] - hint[0, 2:]).max() < 2
    assert np.linalg.norm(even[30:34, 20:54], axis=2).min() > 15
    assert np.linalg.norm(even[:, 72:], axis=2).max() < 1


def test_hints_are_met_and_the_order_does_not_count() -> None:
    rng = np.random.default_rng(3)
    light = np.cumsum(rng.standard_normal((48, 48)), axis=1).astype(np.float32) + 50
    proposal = rng.normal(0, 3, (48, 48, 2)).astype(np.float32)
    places = rng.permutation(48 * 48)[:12]
    hints = np.stack([places // 48, places % 48, *rng.uniform(-20, 20, (2, 12))], axis=1)
    even = spreading.propagated(light, proposal, hints)
    met = even[hints[:, 0].astype(int), hints[:, 1].astype(int)]
    assert np.abs(met - hints[:, 2:]).max() < 2
    np.testing.assert_allclose(spreading.propagated(light, proposal, hints[::-1]), even, atol=1e-3)


def test_nothing_said_changes_nothing_and_scribbles_are_thinned() -> None:
    light = _halves(side=32)
    proposal = np.full((*light.shape, 2), 3.0, np.float32)
    assert (spreading.propagated(light, proposal, np.empty((0, 4))) == proposal).all()
    rows, columns = np.mgrid[:32, :32].reshape(2, -1)
    scribble = np.stack([rows, columns, np.full(1024, 12.0), np.full(1024, -6.0)], axis=1)
    even = spreading.propagated(light, proposal, scribble)
    np.testing.assert_allclose(even[4:28, 4:20], np.broadcast_to((12.0, -6.0), (24, 16, 2)), atol=0.7)


# -- learning ---------------------------------------------------------------------------------------------------------


def _photograph(side: int = 64) -> np.ndarray:
    rng = np.random.default_rng(4)
    coarse = rng.random((4, 4, 3)).repeat(side // 4, axis=0).repeat(side // 4, axis=1)
    return np.clip(coarse + 0.02 * rng.standard_normal(coarse.shape), 0, 1).astype(np.float32)


def test_examples_have_the_truth_under_their_light() -> None:
    clean = _photograph()
    pair = Learning().degrade(clean, degradations.parse("hints:10"), np.random.default_rng(0))
    assert pair.image.shape == (64, 64, 1)
    assert pair.clean.shape == (64, 64, 2)
    np.testing.assert_allclose(pair.image[..., 0] * 100, colour.light_of(clean), atol=0.01)
    made = Learning().picture(pair.image, pair.clean)
    assert metrics.ciede2000(clean, made, data_range=1.0) < 3.0
    hinted = pair.maps[..., 2] > 0
    assert 10 <= hinted.sum() <= 10 * 25
    # Hints lie up to a pixel beside their place, so that some at an edge have the colour of the other side.
    off = np.abs(pair.maps[hinted][:, :2] - pair.clean[hinted]).max(axis=1)
    assert np.median(off) < 0.02
    assert not Learning().degrade(clean, degradations.parse("gray"), np.random.default_rng(0)).maps.any()


def test_training_examples_differ_and_stay_in_range() -> None:
    clean, rng, counts = _photograph(), np.random.default_rng(5), []
    for _ in range(60):
        pair = Learning().pair(clean, rng)
        assert all(np.isfinite(planes).all() and planes.dtype == np.float32 for planes in (pair.image, pair.maps, pair.clean))
        assert -1 <= pair.clean.min() <= pair.clean.max() <= 1
        assert -0.01 <= pair.image.min() <= pair.image.max() <= 1.01
        counts.append(pair.maps[..., 2].sum())
    assert 0.3 < np.mean(np.array(counts) == 0) < 0.6
