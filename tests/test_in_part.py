"""Noise that is not all over: in a part of the picture, in whole rows and columns, in one channel, on the ground of a page."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

import pellucid
from pellucid import degradations, diagnosis, drawings, maps
from pellucid.diagnosis import bands, grounds, places

Levels = NDArray[np.uint8]


def levels(values: NDArray[np.floating]) -> Levels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def floats(values: NDArray[np.floating]) -> NDArray[np.float32]:
    return (levels(values) / np.float32(255)).astype(np.float32)


@pytest.fixture(scope="module")
def photo(photograph: NDArray[np.float64]) -> NDArray[np.float64]:
    """A part of the package's photograph (320, 320, 3), 0 to 255."""
    return 255 * photograph[:320, :320]


@pytest.mark.parametrize(("sigma", "axis", "channels"), [(8, 1, 3), (20, 0, 3), (10, 1, 1)])
def test_noise_in_one_half_is_measured_there(photo: NDArray[np.float64], sigma: int, axis: int, channels: int) -> None:
    clean = photo[..., :channels] if channels == 3 else photo[..., 1:2]
    noise = sigma * np.random.default_rng(2).standard_normal(clean.shape)
    noise[(slice(160),) if axis == 0 else (slice(None), slice(160))] = 0
    found = pellucid.inspect(levels(clean + noise)[..., 0] if channels == 1 else levels(clean + noise))
    assert found.kind == "gaussian"
    assert found.places is not None
    grid = np.array(found.places.levels) if axis == 1 else np.array(found.places.levels).T
    middle = grid.shape[1] // 2
    assert np.median(grid[:, middle + 1 :]) == pytest.approx(sigma, rel=0.15)
    assert grid[:, : middle - 1].mean() < 0.15 * sigma


def test_what_has_no_noise_comes_back_to_the_bit(photo: NDArray[np.float64]) -> None:
    noise = 15 * np.random.default_rng(2).standard_normal(photo.shape)
    noise[:, :160] = 0
    noisy = levels(photo + noise)
    output = pellucid.restore(noisy)
    there = np.array(pellucid.inspect(noisy).places.levels)
    still = np.flatnonzero((there[:, :4] == 0).all(axis=0))
    assert len(still) >= 2
    side = 320 // there.shape[1]
    columns = slice(still[0] * side, (still[-1]) * side)
    assert (output[:, columns] == noisy[:, columns]).mean() > 0.97
    before, after = (np.square(each[:, 200:].astype(float) - levels(photo)[:, 200:]).mean() for each in (noisy, output))
    assert after < before / 2.5


@pytest.mark.parametrize("sigma", [0, 25])
def test_the_same_noise_everywhere_is_not_in_part(photo: NDArray[np.float64], sigma: int) -> None:
    picture = floats(photo + sigma * np.random.default_rng(3).standard_normal(photo.shape))
    assert not list(places.partial([picture], 1, maps.NONE))
    assert pellucid.inspect(levels(255 * picture)).places is None


@pytest.mark.parametrize("kind", ["speckle:0.1", "poisson:30:clip"])
def test_noise_that_is_faint_in_the_dark_is_not_in_part(photo: NDArray[np.float64], kind: str) -> None:
    clean = (photo / 255).astype(np.float32)
    clean[:, :160] *= np.float32(0.15)
    noisy = degradations.parse(kind)(clean, np.random.default_rng(0)).astype(np.float32)
    found = diagnosis.inspect(noisy)
    assert (found.kind, found.places) == (kind.split(":")[0], None)


@pytest.mark.parametrize(("rows", "columns", "sigma"), [(6, 6, 0), (5, 5, 8), (5, 0, 12)])
def test_bands_in_both_directions_and_under_noise(photo: NDArray[np.float64], rows: int, columns: int, sigma: int) -> None:
    rng = np.random.default_rng(4)
    lighter = rows * rng.standard_normal((320, 1, 1)) + columns * rng.standard_normal((1, 320, 1))
    found = pellucid.inspect(levels(photo + lighter + sigma * rng.standard_normal(photo.shape)))
    assert (found.rows, found.columns) == (pytest.approx(rows, rel=0.3), pytest.approx(columns, rel=0.3))
    assert found.correlated == 0
    assert found.gaussian_sigma == pytest.approx(sigma, rel=0.12, abs=0.5)


@pytest.mark.parametrize("pitch", [5, 23])
def test_slats_are_no_bands(photo: NDArray[np.float64], pitch: int) -> None:
    slats = 25 * np.sin(2 * np.pi * np.arange(320) / pitch)[:, None, None]
    weave = slats + 25 * np.sin(2 * np.pi * np.arange(320) / (pitch + 1))[None, :, None]
    assert bands.measured([floats(photo + weave)]) == (0.0, 0.0)


@pytest.mark.parametrize(("channel", "ends", "share"), [(0, True, 0.1), (2, False, 0.05)])
def test_impulses_in_one_channel_are_found_and_the_others_come_back(
    photo: NDArray[np.float64], channel: int, ends: bool, share: float
) -> None:
    rng = np.random.default_rng(5)
    clean = levels(photo[:256, :256])
    noisy, there = clean.copy(), rng.random((256, 256)) < share
    noisy[there, channel] = 255 * rng.integers(0, 2, int(there.sum())) if ends else rng.integers(0, 256, int(there.sum()))
    found = pellucid.inspect(noisy)
    assert found.spots is not None
    assert found.spots.alone
    assert share / 2.5 < found.impulse_density < 2.2 * share
    output = pellucid.restore(noisy)
    for other in {0, 1, 2} - {channel}:
        assert (output[..., other] == clean[..., other]).mean() > 0.995
    off = np.square(output.astype(float) - clean).mean(), np.square(noisy.astype(float) - clean).mean()
    assert off[0] < off[1] / 20


def page(size: int, mode: str, side: int = 320) -> NDArray[np.float32]:
    """A page of text (h, w, 1) in [0, 1], its letters with gray edges (``L``) or without (``1``)."""
    picture = PillowImage.new(mode, (side, side), 255 if mode == "L" else 1)
    words = np.random.default_rng(size).choice(["i.e. this", "jumps: over", "3.14...", "a lazy dog,"], 40)
    for top in range(6, side - size, round(1.4 * size)):
        ImageDraw.Draw(picture).text((5, top), " ".join(np.roll(words, top)), fill=0, font=ImageFont.load_default(size))
    return np.asarray(picture.convert("L"), dtype=np.float32)[..., None] / np.float32(255)


@pytest.mark.parametrize("kind", ["any", "ends"])
def test_impulses_on_a_page_are_filled_with_its_paper(kind: str) -> None:
    rng = np.random.default_rng(6)
    clean = page(14, "L")
    there = rng.random(clean.shape) < 0.02
    values = rng.integers(0, 256, clean.shape) if kind == "any" else 255 * rng.integers(0, 2, clean.shape)
    noisy = np.where(there, values / np.float32(255), clean).astype(np.float32)
    found = grounds.impulses([noisy])
    assert found is not None
    assert found.ground
    assert found.share == pytest.approx(0.02 if kind == "any" else 0.01, rel=0.3)
    output = pellucid.restore(levels(255 * noisy[..., 0]))
    before, after = (each.astype(float) - levels(255 * clean[..., 0]) for each in (levels(255 * noisy[..., 0]), output))
    assert np.square(after).mean() < np.square(before).mean() / 1.7
    # Nothing that was right is changed, but for a dot here and there.
    right = ~there[..., 0]
    assert np.count_nonzero(after[right]) < 2e-4 * right.sum()


@pytest.mark.parametrize("size", [7, 10, 12])
@pytest.mark.parametrize("mode", ["L", "1"])
def test_dots_of_letters_are_no_impulses(size: int, mode: str) -> None:
    clean = page(size, mode)
    assert grounds.impulses([clean]) is None
    assert pellucid.inspect(levels(255 * clean[..., 0])).kind == "clean"


def test_dithering_has_no_impulses(photo: NDArray[np.float64]) -> None:
    for clean in (photo / 3 + 170, photo / 8):
        dithered = np.asarray(PillowImage.fromarray(levels(clean)).convert("1").convert("L"), dtype=np.float32)[..., None] / 255
        assert grounds.impulses([dithered.astype(np.float32)]) is None


def test_grounded_replaces_what_stands_alone_and_nothing_else() -> None:
    planes = np.full((3, 9, 9), 0.5, np.float32)
    planes[1, 2, 2] = 0.9
    planes[:, 6, 4:7] = 0.1
    output = drawings.grounded(planes)
    assert output[1, 2, 2] == np.float32(0.5)
    planes[1, 2, 2] = 0.5
    assert (output == planes).all()
