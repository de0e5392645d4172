"""Drawings, pixel by pixel, with whatever noise on them: the output is never worse than the input, at any pitch."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage

import pellucid
from pellucid import degradations
from pellucid.diagnosis import bands, extremes, palette, repeats

Levels = NDArray[np.uint8]

SIDE = 128


def levels(values: NDArray[np.floating]) -> Levels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def tiled(pitch: int, colours: int, kinds: int) -> NDArray[np.intp]:
    """Which colour each pixel of a map of so many kinds of tiles has."""
    rng = np.random.default_rng(pitch)
    made, chosen = rng.integers(0, colours, (kinds, pitch, pitch)), rng.integers(0, kinds, (SIDE // pitch + 1,) * 2)
    return np.concatenate([np.concatenate(list(made[row]), axis=1) for row in chosen])[:SIDE, :SIDE]


def dithered() -> NDArray[np.intp]:
    """A slope of light in black and white."""
    down, right = np.mgrid[:SIDE, :SIDE] / SIDE
    light = levels(255 * (0.5 + 0.3 * np.sin(3 * down + 2 * right)))
    return np.asarray(PillowImage.fromarray(light).convert("1")).astype(np.intp)


def drawn(kind: str, pitch: int) -> NDArray[np.intp]:
    down, right = np.mgrid[:SIDE, :SIDE]
    match kind:
        case "checkers":
            return (down // pitch + right // pitch) % 2
        case "lines":
            return (down // pitch) % 2
        case "grid":
            return ((down % (pitch + 1) == 0) | (right % (pitch + 1) == 0)).astype(np.intp)
        case "dots":
            return ((down % (pitch + 1) == 0) & (right % (pitch + 1) == 0)).astype(np.intp)
        case "wall":
            return tiled(pitch, 4, 1)
        case "squares":
            return np.random.default_rng(pitch).integers(0, 4, (SIDE, SIDE))[down // pitch, right // pitch]
        case "dither":
            return dithered()
    return tiled(pitch, 4, 6)


PALETTES = {
    "gray": [[90], [160], [40], [215]],
    "colour": [[200, 60, 40], [50, 110, 180], [230, 220, 90], [30, 40, 45]],
    "ink": [[0], [255], [0], [255]],
}


def spoiled(clean: Levels, noise: str) -> Levels:
    if noise.startswith("jpeg"):
        file = io.BytesIO()
        PillowImage.fromarray(clean.squeeze()).save(file, "JPEG", quality=int(noise[5:]))
        return np.asarray(PillowImage.open(file)).reshape(clean.shape)
    made = degradations.parse(noise)(clean / np.float64(255), np.random.default_rng(1))
    return levels(255 * np.asarray(made, np.float64))


def psnr(clean: Levels, other: Levels) -> float:
    return -10 * float(np.log10(np.square((clean - other.astype(np.float64)) / 255).mean() + 1e-12))


@pytest.fixture(scope="module")
def fast() -> pellucid.Restorer:
    return pellucid.load("photo-fast")


@pytest.mark.parametrize(
    ("kind", "pitch", "colours", "noise", "gain"),
    [
        ("checkers", 1, "gray", "gaussian:8", 20),
        ("checkers", 2, "ink", "gaussian:8", 20),
        ("checkers", 1, "colour", "speckle:0.1", 0.5),
        ("checkers", 8, "gray", "gaussian:3", 15),
        ("lines", 1, "ink", "gaussian:15", 20),
        ("grid", 2, "gray", "gaussian:25", 3),
        ("grid", 2, "colour", "salt-pepper:0.02", 3),
        ("dots", 1, "colour", "poisson:60", 0),
        ("dots", 3, "gray", "speckle:0.05", 5),
        ("wall", 16, "colour", "speckle:0.05", 3),
        ("wall", 3, "gray", "gaussian:50", 0),
        ("wall", 6, "colour", "poisson:200", 3),
        ("tiles", 12, "ink", "poisson:200", 10),
        ("tiles", 2, "colour", "gaussian:15", 3),
        ("tiles", 16, "gray", "gaussian:5", 10),
        ("squares", 1, "gray", "poisson:30", 0),
        ("squares", 1, "colour", "impulses:0.1", 0),
        ("squares", 16, "colour", "gaussian:5", 0),
        ("squares", 32, "gray", "speckle:0.1", 5),
        ("squares", 4, "gray", "jpeg:90", 0),
        ("squares", 4, "colour", "jpeg:40", 0),
        ("dither", 1, "ink", "gaussian:50", 0),
        ("dither", 1, "ink", "speckle:0.05", 2),
        ("dither", 1, "gray", "poisson:60", 0),
    ],
)
def test_no_output_is_worse_than_its_input(
    fast: pellucid.Restorer, kind: str, pitch: int, colours: str, noise: str, gain: float
) -> None:
    clean = levels(np.array(PALETTES[colours], np.float64)[drawn(kind, pitch)])
    given = spoiled(clean, noise)
    output = fast.restore(given.squeeze()).reshape(clean.shape)
    assert psnr(clean, output) > psnr(clean, given) + gain - 0.1


@pytest.mark.parametrize(
    ("noise", "law", "amount"),
    [("gaussian:10", "sigma", 10 / 255), ("poisson:100", "gain", 0.01), ("speckle:0.01", "speckle", 0.01)],
)
def test_few_colours_tell_the_law_of_their_noise(noise: str, law: str, amount: float) -> None:
    clean = levels(np.array(PALETTES["gray"], np.float64)[drawn("squares", 1)])
    found = palette.of(palette.histograms([spoiled(clean, noise).astype(np.float32) / np.float32(255)]))
    assert found is not None
    assert found.noisy
    told = {name: getattr(found.curve, name) for name in ("sigma", "gain", "speckle")}
    assert told.pop(law) == pytest.approx(amount, rel=0.5)
    assert not any(told.values())
    # The value that is most often there stands for each colour.
    for value in np.unique(clean):
        assert 255 * found.table[0, value] == pytest.approx(value, abs=8)


def test_what_comes_again_is_no_noise() -> None:
    wall = np.array(PALETTES["gray"], np.float64)[drawn("wall", 8)] / 255
    rng = np.random.default_rng(0)
    given = (wall + rng.normal(0, 0.08, wall.shape)).astype(np.float32)
    found = repeats.of([given])
    assert found is not None
    assert found.pattern
    assert np.sqrt(found.most) == pytest.approx(0.08, rel=0.1)
    # Rows that are lighter and darker by chance are refuted where there is no room for them.
    assert not found.refute(0.08, 0, 0)
    assert found.refute(0.08, 0.2, 0)
    alone = repeats.of([rng.normal(0.5, 0.1, (SIDE, SIDE, 1)).astype(np.float32)])
    assert alone is not None
    assert not alone.pattern
    assert np.sqrt(alone.most) == pytest.approx(0.1, rel=0.05)


def test_rows_of_tiles_are_no_bands() -> None:
    rows = np.random.default_rng(1).normal(0, 0.05, 8)
    noise = np.random.default_rng(2).normal(0.5, 0.02, (SIDE, SIDE, 1))
    assert bands.measured([(noise + np.tile(rows, SIDE // 8)[:, None, None]).astype(np.float32)]) == (0, 0)
    by_chance = np.random.default_rng(3).normal(0, 0.05, (SIDE, 1, 1))
    assert bands.measured([(noise + by_chance).astype(np.float32)])[0] == pytest.approx(0.05, rel=0.3)


@pytest.mark.parametrize(("kind", "pitch"), [("dither", 1), ("grid", 2), ("tiles", 12), ("checkers", 1)])
def test_dots_that_keep_their_distance_are_no_impulses(kind: str, pitch: int) -> None:
    part = np.array(PALETTES["ink"], np.float32)[drawn(kind, pitch)] / np.float32(255)
    assert extremes.measured([part]) is None


def test_impulses_on_tiles_are_counted_and_nothing_else_changes(fast: pellucid.Restorer) -> None:
    clean = levels(np.array(PALETTES["colour"], np.float64)[drawn("tiles", 8)])
    given = spoiled(clean, "salt-pepper:0.05")
    found = pellucid.inspect(given)
    assert (found.kind, found.sigma) == ("salt-pepper", 0)
    assert found.impulse_density == pytest.approx(0.05, rel=0.2)
    assert ((fast.restore(given) != given).any(axis=2) <= (given != clean).any(axis=2)).all()
