"""Detail that looks like noise: letters, tiles and lines are no impulses, no bands and no strong noise, and are not taken away."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

import pellucid
from pellucid.diagnosis import Diagnosis, bands, believing, extremes, impulses, palette, places, repeats, spots
from pellucid.maps import Curve

Levels = NDArray[np.uint8]

WORDS = ["the quick brown fox", "jumps over", "a lazy dog", "while 413 pages", "of text lie", "(No. 42);", "i.e. 3.14;"]


def levels(values: NDArray[np.floating]) -> Levels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def tight(size: int, pitch: int, paper: int, ink: int, side: int = 256) -> NDArray[np.float64]:
    """Lines of letters close together (h, w)."""
    rng = np.random.default_rng(size)
    picture = PillowImage.new("L", (side, side), paper)
    for top in range(6, side - size, pitch):
        ImageDraw.Draw(picture).text((5, top), " ".join(rng.choice(WORDS, 20)), fill=ink, font=ImageFont.load_default(size))
    return np.asarray(picture, dtype=np.float64)


def tiles(side: int, colours: int) -> NDArray[np.float64]:
    """A map of six kinds of tiles, each of random pixels (h, w, 3)."""
    rng = np.random.default_rng(side)
    kinds = rng.integers(0, 256, (colours, 3))[rng.integers(0, colours, (6, side, side))]
    chosen = rng.integers(0, 6, (256 // side, 256 // side))
    whole: NDArray[np.float64] = np.concatenate([np.concatenate(list(kinds[row]), axis=1) for row in chosen]).astype(np.float64)
    return whole


def noisy(clean: NDArray[np.float64], sigma: float) -> Levels:
    return levels(clean + np.random.default_rng(1).normal(0, sigma, clean.shape))


def as_jpeg(clean: NDArray[np.float64], quality: int) -> Levels:
    file = io.BytesIO()
    PillowImage.fromarray(levels(clean)).save(file, "JPEG", quality=quality)
    return np.asarray(PillowImage.open(file))


def psnr(clean: NDArray[np.float64], other: Levels) -> float:
    return -10 * float(np.log10(np.square((levels(clean) - other.astype(np.float64)) / 255).mean() + 1e-12))


@pytest.mark.parametrize(
    ("size", "pitch", "paper", "ink", "sigma"),
    [(7, 8, 255, 0, 3), (7, 8, 30, 220, 3), (10, 12, 30, 220, 3), (8, 11, 30, 220, 10), (9, 10, 255, 0, 5)],
)
def test_noise_between_letters_is_what_is_measured(size: int, pitch: int, paper: int, ink: int, sigma: float) -> None:
    clean = tight(size, pitch, paper, ink)
    given = noisy(clean, sigma)
    found = pellucid.inspect(given)
    assert found.impulse_density == 0
    assert found.rows == found.columns == 0
    assert found.kind == "gaussian"
    assert found.sigma == pytest.approx(sigma, rel=0.25)
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) - 0.1


@pytest.mark.parametrize(("size", "pitch"), [(8, 11), (10, 12), (12, 17)])
@pytest.mark.parametrize("quality", [95, 85])
def test_letters_after_jpeg_have_no_impulses(size: int, pitch: int, quality: int) -> None:
    for paper, ink in ((255, 0), (30, 220)):
        clean = tight(size, pitch, paper, ink)
        given = as_jpeg(clean, quality)
        found = pellucid.inspect(given)
        assert found.impulse_density == 0
        assert found.rows == found.columns == 0
        assert found.sigma < 12
        assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) - 0.1


@pytest.mark.parametrize(("side", "colours", "sigma"), [(8, 6, 8), (16, 12, 8), (24, 32, 15), (16, 4, 3)])
def test_tiles_repeat_themselves_and_noise_does_not(side: int, colours: int, sigma: float) -> None:
    clean = tiles(side, colours)
    given = noisy(clean, sigma)
    found = pellucid.inspect(given)
    assert (found.kind, found.impulse_density, found.patterned) == ("gaussian", 0, True)
    assert found.sigma == pytest.approx(sigma, rel=0.2)
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) - 0.1


def repeated(side: int, palette: NDArray[np.floating], size: int, seed: int) -> NDArray[np.float64]:
    """A tile of random pixels of a ``palette`` (colours, 3), again and again (size, size, 3)."""
    tile = palette[np.random.default_rng(seed).integers(0, len(palette), (side, side))]
    return np.tile(tile, (size // side + 1, size // side + 1, 1))[:size, :size]


PALE = np.array([[100.0, 120, 140], [150, 110, 120], [125, 145, 105], [110, 130, 150]])


def test_noise_is_refuted_by_what_comes_again_only_beyond_chance() -> None:
    part = noisy(repeated(16, PALE, 192, 0), 3).astype(np.float32) / np.float32(255)
    detail = believing.Detail([part])
    assert detail.repeats is not None
    most = detail.repeats.most
    refuted = [
        believing._refuted(detail, Diagnosis("gaussian", curve=Curve(np.sqrt(times * most))), struck=False) for times in (1.2, 1.6)
    ]
    assert refuted == [None, pytest.approx(3, rel=0.1)]


def test_noise_on_a_pattern_that_is_cut_off_at_the_edges_is_believed() -> None:
    clean = repeated(37, np.array([[40.0, 60, 50], [210, 190, 200]]), 96, 3)
    assert pellucid.inspect(noisy(clean, 3)).sigma == pytest.approx(3, rel=0.1)


def test_what_comes_again_within_a_few_pixels_may_be_processed_noise() -> None:
    found = Diagnosis("correlated", correlated=20, curve=Curve(20 / 255))
    kept = []
    for side in (8, 16):
        # Tiles in pairs, side by side, and each pair another.
        tile = PALE[np.random.default_rng(0).integers(0, len(PALE), (192 // side, 192 // side // 2, side, side))]
        clean = np.concatenate([np.concatenate([one for each in row for one in (each, each)], axis=1) for row in tile])
        detail = believing.Detail([noisy(clean, 4).astype(np.float32) / np.float32(255)])
        assert detail.pattern
        assert not detail.fine
        kept.append(believing.believed(detail, found).colours is None)
    assert kept == [True, False]


def test_white_noise_never_comes_again(photograph: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(0)
    strong = (photograph[:256, :256] + rng.normal(0, 50 / 255, (256, 256, 3))).astype(np.float32)
    assert repeats.level([strong], Curve(50 / 255), repeats.of([strong])) is None
    pattern = (tiles(16, 12) / 255 + rng.normal(0, 8 / 255, (256, 256, 3))).astype(np.float32)
    assert repeats.level([pattern], Curve(70 / 255), repeats.of([pattern])) == pytest.approx(8, rel=0.1)
    # Nothing is to be corrected where the measured level is the pattern's own.
    assert repeats.level([pattern], Curve(8 / 255), repeats.of([pattern])) is None
    assert repeats.of([strong[:6, :6]]) is None


@pytest.mark.parametrize(("density", "sigma"), [(0.02, 0), (0.05, 5), (0.2, 15), (0.4, 0)])
def test_impulses_on_a_photograph_stand_alone(photograph: NDArray[np.float64], density: float, sigma: float) -> None:
    rng = np.random.default_rng(2)
    picture = noisy(photograph * 255, sigma) if sigma else levels(photograph * 255)
    struck = rng.random(picture.shape[:2]) < density
    picture[struck] = rng.integers(0, 256, (int(struck.sum()), 3))
    assert impulses.stand_alone([picture.astype(np.float32) / np.float32(255)], sigma, density)
    assert pellucid.inspect(picture).impulse_density == pytest.approx(density, rel=0.5)


def test_letters_do_not_stand_alone() -> None:
    for given in (noisy(tight(7, 8, 255, 0), 3), tight(10, 12, 30, 220)):
        part = given[..., None].astype(np.float32) / np.float32(255)
        assert not impulses.stand_alone([part], 3, 0.03)


def test_a_dot_has_its_ink_from_a_stroke_and_a_hot_pixel_has_not(photograph: NDArray[np.float64]) -> None:
    part = as_jpeg(tight(8, 11, 255, 0, 384), 95)[..., None].astype(np.float32) / np.float32(255)
    assert spots.measured([part]) is None
    hot = photograph[..., 1:2].astype(np.float32)
    hot[np.random.default_rng(3).random(hot.shape[:2]) < 0.002] = 1
    found = spots.measured([hot])
    assert found is not None
    assert found.share == pytest.approx(0.002, rel=0.4)


def test_lines_of_letters_are_no_bands(photograph: NDArray[np.float64]) -> None:
    for size, pitch in ((7, 8), (10, 12)):
        part = as_jpeg(tight(size, pitch, 30, 220), 85)[..., None].astype(np.float32) / np.float32(255)
        assert bands.measured([part]) == (0, 0)
    lighter = np.random.default_rng(0).normal(0, 5 / 255, (photograph.shape[0], 1, 1))
    assert bands.measured([(photograph + lighter).astype(np.float32)])[0] == pytest.approx(5 / 255, rel=0.25)


def test_fine_texture_here_and_there_is_no_noise_that_differs() -> None:
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:400, :640]
    clean = 90 + 60 * np.sin(down / 90) * np.cos(right / 110)
    for top, left in ((40, 80), (40, 400), (200, 240), (200, 560), (320, 120), (320, 400), (120, 320)):
        clean[top : top + 40, left : left + 40] += rng.normal(0, 25, (40, 40))
    part = (clean + rng.normal(0, 4, clean.shape))[..., None].astype(np.float32) / np.float32(255)
    assert places.places([part], 1, Curve(4 / 255)) is None
    ramp = (clean + np.linspace(2, 25, 640) * rng.normal(0, 1, clean.shape))[..., None].astype(np.float32) / np.float32(255)
    found = places.places([ramp], 1, Curve(4 / 255))
    assert found is not None
    assert found.mean == pytest.approx(13.5, rel=0.2)


@pytest.mark.parametrize("shape", [(9, 7), (16, 20), (64, 48)])
def test_small_pictures_of_nothing_but_black_and_white_come_back(shape: tuple[int, int]) -> None:
    # Every window is clipped: none tells a level.
    picture = (np.random.default_rng(0).random(shape) < 0.5).astype(np.float32)
    np.testing.assert_array_equal(pellucid.denoise(picture, model="photo-fast"), picture)


@pytest.mark.parametrize("sigma", [5, 8, 12])
def test_noise_on_light_letters_does_not_follow_the_light(sigma: float) -> None:
    # Dark paper and light ink looked like speckle of level 69.
    clean = tight(10, 12, 30, 220)
    given = noisy(clean, sigma)
    found = pellucid.inspect(given)
    assert (found.kind, found.sigma) == ("gaussian", pytest.approx(sigma, rel=0.25))
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given)


@pytest.mark.parametrize(("value", "density", "sigma"), [(255, 0.005, 0), (0, 0.02, 10), (0, 0.2, 0), (255, 0.3, 10)])
def test_impulses_of_one_end_are_named_counted_and_taken_away(
    photograph: NDArray[np.float64], value: int, density: float, sigma: float
) -> None:
    clean = photograph[:288, :288] * 255
    struck = np.random.default_rng(5).random(clean.shape[:2]) < density
    for true in (clean[..., 1], clean):
        given = noisy(true, sigma) if sigma else levels(true)
        # Filled pixels have no noise, and no detail.
        without = psnr(true, pellucid.restore(given, sigma=sigma)) if sigma else 45 - 30 * density
        given[struck] = value
        found = pellucid.inspect(given)
        assert found.kind == "salt-pepper"
        assert found.impulse_density == pytest.approx(density, rel=0.15, abs=0.0015)
        assert found.extremes is not None
        assert (found.extremes.pepper, found.extremes.salt)[value == 0] == 0
        assert ("white" if value else "black") in str(found)
        assert found.sigma == pytest.approx(sigma, rel=0.15, abs=0.1)
        assert psnr(true, pellucid.restore(given)) > without - 0.5 - 10 * density


@pytest.mark.parametrize("light", [0.3, 1.0, 1.6])
def test_strong_noise_at_one_end_of_the_range_is_no_impulses(photograph: NDArray[np.float64], light: float) -> None:
    rng = np.random.default_rng(0)
    clean = np.clip(photograph[:320, :320] * light, 0, 1)
    for given in (
        clean + rng.normal(0, 75 / 255, clean.shape),
        rng.poisson(clean * 4) / 4,
        clean * (1 + rng.normal(0, 0.4, clean.shape)),
        np.where(rng.random((*clean.shape[:2], 1)) < 0.3, rng.random(clean.shape), clean),
    ):
        part = np.rint(np.clip(given, 0, 1) * 255).astype(np.float32) / np.float32(255)
        assert extremes.measured([part]) is None
        assert extremes.measured([np.ascontiguousarray(part[..., 1:2])]) is None


def test_hot_pixels_in_one_channel_each_leave_the_others_alone(photograph: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(4)
    given = levels(photograph[:320, :320] * 255)
    struck = rng.random(given.shape[:2]) < 0.012
    given[struck, rng.integers(0, 3, int(struck.sum()))] = 255
    assert extremes.measured([given.astype(np.float32) / np.float32(255)]) is None
    assert (pellucid.restore(given) != given).mean() < 0.012


def starry(seed: int, count: int, wide: float, slope: float) -> NDArray[np.float64]:
    """The light (h, w) of stars of any brightness, anywhere within a pixel: drawn five times as large."""
    rng = np.random.default_rng(seed)
    fine = np.zeros((960, 1280))
    light = np.minimum(0.15 * rng.uniform(0.001, 1, count) ** (-1 / slope), 40)
    np.add.at(fine, (rng.integers(0, 960, count), rng.integers(0, 1280, count)), light)
    window = np.exp(-np.square(np.arange(-8, 9) / (5 * wide)) / 2)
    for axis in (0, 1):
        fine = np.apply_along_axis(lambda line: np.convolve(line, window / window.sum(), "same"), axis, fine)
    stars: NDArray[np.float64] = fine.reshape(192, 5, 256, 5).sum(axis=(1, 3)) * 255
    return stars


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("wide", "slope"), [(0.1, 0.8), (0.1, 1.3), (0.25, 0.8)])
def test_stars_narrower_than_a_pixel_are_no_impulses(wide: float, slope: float, seed: int) -> None:
    stars, rng = starry(seed, 2000, wide, slope), np.random.default_rng(seed)
    for ground, sigma in ((90, 12), (20, 2)):
        given = levels(ground + stars + sigma * rng.standard_normal(stars.shape))
        found = pellucid.inspect(given)
        assert found.impulse_density == 0
        assert sigma < 12 or (found.kind, found.sigma) == ("gaussian", pytest.approx(sigma, rel=0.1))
    assert extremes.measured([given[..., None].astype(np.float32) / np.float32(255)]) is None


@pytest.mark.parametrize("share", [0.005, 0.02])
@pytest.mark.parametrize(("count", "gain"), [(200, 4), (500, 1), (2000, 0)])
def test_impulses_among_stars_are_impulses(count: int, gain: float, share: float) -> None:
    rng = np.random.default_rng(3)
    clean = 60 + starry(0, count, 0.1, 0.8)
    given, chance = noisy(clean, 5), rng.random(clean.shape)
    given[chance < share / 2], given[chance > 1 - share / 2] = 0, 255
    found = pellucid.inspect(given)
    assert found.extremes is not None
    assert found.extremes.pepper == pytest.approx(share / 2, rel=0.3)
    # Where stars at the end are many times as many, white ones stay.
    assert found.extremes.salt == pytest.approx(share / 2, rel=0.6) or (count, share, found.extremes.salt) == (2000, 0.005, 0)
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) + gain


@pytest.mark.parametrize("doubled", [0.1, 0.3])
def test_impulses_that_struck_two_pixels_are_no_stars(doubled: float) -> None:
    rng = np.random.default_rng(5)
    down, right = np.mgrid[:192, :256]
    clean = 120 + 50 * np.sin(down / 40) * np.cos(right / 50)
    given = noisy(clean, 3)
    for value in (0, 255):
        rows, columns = rng.integers(0, 192, 150), rng.integers(0, 255, 150)
        given[rows, columns] = value
        given[rows, columns + (rng.random(150) < doubled)] = value
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) + 6


@pytest.mark.parametrize(
    ("side", "colours", "sigma", "size", "channels"),
    [(4, 4, 5, 128, 1), (4, 6, 8, 192, 3), (4, 11, 8, 128, 3), (8, 6, 8, 192, 3), (8, 11, 25, 256, 3), (12, 6, 25, 192, 3)],
)
def test_tiles_keep_their_pixels(side: int, colours: int, sigma: float, size: int, channels: int) -> None:
    clean = tiles(side, colours)[:size, :size, :channels].squeeze()
    given = noisy(clean, sigma)
    found = pellucid.inspect(given)
    assert (found.kind, found.patterned) == ("gaussian", True)
    assert found.sigma == pytest.approx(sigma, rel=0.2)
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) - 0.1


@pytest.mark.parametrize("sigma", [4, 10, 20])
def test_few_colours_show_the_level_in_their_histogram(photograph: NDArray[np.float64], sigma: float) -> None:
    def of(picture: Levels) -> palette.Colours | None:
        return palette.of(palette.histograms([picture.astype(np.float32) / np.float32(255)]))

    given = noisy(tiles(4, 12), sigma)
    found = of(given)
    assert found is not None
    assert found.level == pytest.approx(sigma, rel=0.15)
    assert found.refute(Curve(1.5 * sigma / 255))
    assert not found.refute(Curve(sigma / 255))
    # Wherever the pixels are.
    elsewhere = of(np.random.default_rng(0).permutation(given.reshape(-1, 3)).reshape(given.shape))
    assert elsewhere is not None
    assert elsewhere.level == found.level
    large = of(noisy(np.tile(tiles(4, 3)[:160, :160], (4, 4, 1)), sigma))
    assert large is not None
    assert large.level == pytest.approx(sigma, rel=0.1)
    # A photograph has many.
    assert of(noisy(photograph * 255, 50)) is None
    clean = of(levels(tiles(4, 12)))
    assert clean is not None
    assert clean.level == 0
    assert found.fainter(clean)


PALETTES = ([64, 190], [30, 220], [110, 150], [0, 255], [40, 128, 200], [25, 90, 140, 190, 235], [60, 100, 128, 160, 200])


@pytest.mark.parametrize("sigma", [5, 8, 15, 25])
@pytest.mark.parametrize("colours", PALETTES, ids=str)
def test_noise_that_is_there_is_not_refuted(colours: list[int], sigma: float) -> None:
    clean = np.array(colours)[np.random.default_rng(0).integers(0, len(colours), (192, 192, 1))].astype(np.float64)
    found = palette.of(palette.histograms([noisy(clean, sigma).astype(np.float32) / np.float32(255)]))
    # Strong noise makes one hill of colours that are near.
    assert found is not None or sigma * 3 > min(np.diff(colours))
    if found is not None:
        assert found.level == pytest.approx(sigma, rel=0.15)
        assert not found.refute(Curve(sigma / 255))
        assert found.refute(Curve(1.5 * sigma / 255))


@pytest.mark.parametrize("sigma", [8, 15, 25])
def test_hatching_loses_its_noise(sigma: float) -> None:
    down, right = np.mgrid[:192, :192]
    clean = np.where((down + right) % 7 < 2, 30.0, 220.0)
    given = noisy(clean, sigma)
    assert pellucid.inspect(given).sigma == pytest.approx(sigma, rel=0.12)
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) + 2.5


@pytest.mark.parametrize("seed", [3, 6, 8, 13])
def test_small_tiles_are_no_impulses(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds, chosen = rng.integers(0, 256, 11)[rng.integers(0, 11, (6, 4, 4))], rng.integers(0, 6, (48, 48))
    clean = np.concatenate([np.concatenate(list(kinds[row]), axis=1) for row in chosen]).astype(np.float64)
    given = noisy(clean, 8)
    found = pellucid.inspect(given)
    assert (found.kind, found.sigma) == ("gaussian", pytest.approx(8, rel=0.2))
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) - 0.1


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5])
def test_few_colours_do_not_refute_impulses_that_are_there(density: float) -> None:
    rng = np.random.default_rng(0)
    given = noisy(tiles(4, 6), 5)[:128, :128]
    given = np.where(rng.random((128, 128, 1)) < density, rng.integers(0, 256, given.shape), given)
    assert not palette.without(palette.histograms([given.astype(np.float32) / np.float32(255)]), density)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("side", "colours", "sigma"), [(8, 5, 5), (16, 5, 5), (8, 3, 8), (16, 3, 10)])
def test_large_tiles_are_no_blotches(side: int, colours: int, sigma: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, 256, (colours, 3))[rng.integers(0, colours, (256 // side, 256 // side))]
    clean = np.repeat(np.repeat(chosen, side, axis=0), side, axis=1).astype(np.float64)
    given = noisy(clean, sigma)
    assert pellucid.inspect(given).blotches is None
    assert psnr(clean, pellucid.restore(given)) > psnr(clean, given) - 0.1
