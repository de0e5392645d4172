"""Whole kinds of drawings, with noise, JPEG or both: squares, 1-bit pictures, dots of few colours, letters of 6 pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

import pellucid
from pellucid import samples
from pellucid.diagnosis import believing, dots, edges, grounds, palette
from pellucid.maps import Curve

Levels = NDArray[np.uint8]

SIDE = 128

PURE = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)], np.uint8)


@pytest.fixture(scope="module")
def fast() -> pellucid.Restorer:
    return pellucid.load("photo-fast")


def noisy(clean: Levels, sigma: float) -> Levels:
    values = clean + sigma * np.random.default_rng(5).standard_normal(clean.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def as_jpeg(clean: Levels, quality: int) -> Levels:
    file = io.BytesIO()
    PillowImage.fromarray(clean.squeeze()).save(file, "JPEG", quality=quality)
    return np.asarray(PillowImage.open(file)).reshape(clean.shape)


def part(pixels: Levels) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(255)


def psnr(clean: Levels, other: NDArray[np.generic]) -> float:
    off = clean - np.asarray(other, np.float64).reshape(clean.shape)
    return -10 * float(np.log10(np.square(off / 255).mean() + 1e-10))


def checks(side: int, channels: int = 3) -> Levels:
    down, right = np.mgrid[:SIDE, :SIDE] // side
    return np.array([(40, 70, 160), (230, 190, 60)], np.uint8)[(down + right) % 2][..., :channels]


def squares(side: int) -> Levels:
    rng = np.random.default_rng(side)
    return (
        rng.integers(0, 256, (6, 3))[rng.integers(0, 6, (SIDE, SIDE))[::side, ::side]]
        .astype(np.uint8)
        .repeat(side, 0)
        .repeat(side, 1)
    )


def confetti(ground: int | tuple[int, int, int], colours: Levels = PURE, share: float = 0.02) -> Levels:
    rng = np.random.default_rng(3)
    clean = np.broadcast_to(np.asarray(ground, np.uint8), (SIDE, SIDE, 3)).copy()
    there = rng.random((SIDE, SIDE)) < share
    clean[there] = colours[rng.integers(0, len(colours), np.count_nonzero(there))]
    return clean


def one_bit(kind: str) -> Levels:
    down, right = np.mgrid[:SIDE, :SIDE]
    if kind == "stripes":
        white = right // 5 % 2 == 1
    elif kind == "threshold":
        white = samples.photograph()[:SIDE, :SIDE, 1] > 128
    else:
        white = np.asarray(PillowImage.fromarray(samples.photograph()[:SIDE, :SIDE, 1]).convert("1"))
    return np.where(white, 255, 0).astype(np.uint8)[..., None]


def letters(size: int, ink: int = 30, paper: int = 245) -> Levels:
    picture = PillowImage.new("L", (SIDE, SIDE), paper)
    for top in range(2, SIDE, round(1.35 * size)):
        ImageDraw.Draw(picture).text(
            (2, top), "The quick brown fox jumps over a lazy dog, 413 pages", ink, ImageFont.load_default(size)
        )
    return np.asarray(picture)[..., None]


# -- squares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("sigma", "quality"), [(5, 90), (15, 90), (8, 75)])
@pytest.mark.parametrize("side", [4, 6])
def test_squares_with_noise_under_a_jpeg_are_no_worse(
    fast: pellucid.Restorer, side: int, sigma: float, quality: int, channels: int
) -> None:
    for clean in (checks(side, channels), squares(side)[:SIDE, :SIDE, :channels]):
        given = as_jpeg(noisy(clean, sigma), quality)
        assert psnr(clean, fast.restore(given)) > psnr(clean, given) - 0.1


@pytest.mark.parametrize("sigma", [0, 5, 15])
def test_drawn_edges_are_hard_and_those_of_photographs_are_not(sigma: float) -> None:
    photo = samples.photograph()
    for clean in (checks(4), squares(8), checks(2, 1)):
        assert edges.hard([part(noisy(clean, sigma))])
        if sigma < 15 and clean.shape[2] == 3:
            assert edges.hard([part(as_jpeg(noisy(clean, sigma), 85))])
    for other in (photo, photo[::2, ::2], photo[..., :1]):
        assert not edges.hard([part(noisy(other, sigma))])
        assert not edges.hard([part(as_jpeg(noisy(other, sigma), 60))])
    struck = photo.copy()
    struck[np.random.default_rng(1).random(photo.shape[:2]) < 0.1] = 255
    assert not edges.hard([part(struck)])


# -- black and white --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [15, 50])
@pytest.mark.parametrize("kind", ["stripes", "dither"])
def test_a_1_bit_picture_gains_under_strong_noise(fast: pellucid.Restorer, kind: str, sigma: float) -> None:
    clean = one_bit(kind)
    given = noisy(clean, sigma)
    colours = palette.of(palette.histograms([part(given)]))
    assert colours is not None
    assert colours.level == pytest.approx(sigma, rel=0.06)
    assert psnr(clean, fast.restore(given)) > psnr(clean, given) + 4


def test_nothing_but_black_and_white_was_there_where_half_is_left_at_the_ends() -> None:
    photo = samples.photograph()[..., :1]
    rng = np.random.default_rng(2)
    struck = np.where(rng.random(photo.shape) < 0.5, 255 * rng.integers(0, 2, photo.shape), photo).astype(np.uint8)
    # As many at the ends, but the others are those of a photograph.
    for other in (struck, noisy(photo, 100), noisy(photo, 25)):
        found = palette.of(palette.histograms([part(other)]))
        assert found is None or not found.pure


# -- dots -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sigma", "quality"), [(0, 0), (8, 0), (5, 90)])
@pytest.mark.parametrize("ground", [128, 255, 0, (60, 110, 170)])
def test_dots_of_pure_colours_are_no_impulses(
    fast: pellucid.Restorer, ground: int | tuple[int, int, int], sigma: float, quality: int
) -> None:
    clean = confetti(ground)
    given = noisy(clean, sigma) if sigma else clean
    given = as_jpeg(given, quality) if quality else given
    if ground == 0 and not sigma:
        # Three of the hues differ from black in one channel, as hot pixels do.
        return
    found = fast.details(given)
    assert found.diagnosis is not None
    assert found.diagnosis.impulse_density == 0
    assert psnr(clean, found.image) > psnr(clean, given) - 0.1


def test_dots_have_few_colours_on_ground_of_one() -> None:
    clean = confetti(128)
    assert dots.dotted([part(noisy(clean, 8))], 8)
    assert not dots.smoothed([part(noisy(clean, 8))])
    assert dots.smoothed([part(as_jpeg(noisy(clean, 8), 90))])
    # Impulses have any colour.
    rng = np.random.default_rng(7)
    struck = np.where(rng.random((SIDE, SIDE, 1)) < 0.03, rng.integers(0, 256, (SIDE, SIDE, 3)), 128)
    assert not dots.dotted([part(noisy(struck.astype(np.uint8), 8))], 8)
    # Salt and pepper are off by nothing.
    salted = noisy(np.full((SIDE, SIDE, 3), 128, np.uint8), 8)
    salted[rng.random((SIDE, SIDE)) < 0.03] = 255
    assert not dots.dotted([part(salted)], 8)
    # A photograph has no ground of one colour, whatever stands out of it.
    photo = samples.photograph()
    photo = np.where((rng.random(photo.shape[:2]) < 0.03)[..., None], PURE[rng.integers(0, 6, photo.shape[:2])], photo)
    assert not dots.dotted([part(noisy(photo, 8))], 8)


def test_single_dots_of_pure_colours_on_white_have_one_channel_in_common_with_it() -> None:
    clean = confetti(255)
    assert grounds.impulses([part(clean)]) is None
    rng = np.random.default_rng(4)
    alone = np.full((SIDE, SIDE, 3), 255, np.uint8)
    there = rng.random((SIDE, SIDE)) < 0.02
    alone[there, rng.integers(0, 3, np.count_nonzero(there))] = rng.integers(0, 255, np.count_nonzero(there))
    assert grounds.impulses([part(alone)]) is not None


# -- letters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", [0, 90])
@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (40, 240)])
def test_noise_on_letters_of_six_pixels_is_not_that_of_their_edges(
    fast: pellucid.Restorer, ink: int, paper: int, quality: int
) -> None:
    clean = letters(6, ink, paper)
    given = as_jpeg(noisy(clean, 15), quality) if quality else noisy(clean, 15)
    found = fast.details(given)
    assert found.diagnosis is not None
    assert found.diagnosis.sigma < 19
    assert psnr(clean, found.image) > psnr(clean, given) + 0.3


def test_noise_that_would_widen_all_colours_is_refuted() -> None:
    ordered = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) * 16 + 8
    light = samples.photograph()[:SIDE, :SIDE, 1]
    clean = np.where(light > np.tile(ordered, (SIDE // 4, SIDE // 4)), 255, 0).astype(np.uint8)
    given = as_jpeg(noisy(np.repeat(clean[..., None], 3, 2), 15), 75)
    detail = believing.Detail([part(given)[..., 1:2]])
    assert detail.few is None or detail.few.refute(Curve(40 / 255))
    assert pellucid.inspect(given).sigma < 20


# -- what is not drawn ------------------------------------------------------------------------------------------------


def spread_dots(ground: float, wide: float, light: tuple[float, float, float] = (1, 1, 1)) -> Levels:
    """Stars, or fluorescent dots, each of which a lens has spread."""
    rng = np.random.default_rng(6)
    down, right = np.mgrid[:SIDE, :SIDE]
    sky = np.zeros((SIDE, SIDE))
    for top, left, peak in zip(*(SIDE * rng.random((2, 90))), rng.uniform(90, 230, 90), strict=True):
        sky = np.maximum(sky, peak * np.exp(-((down - top) ** 2 + (right - left) ** 2) / (2 * wide**2)))
    return np.clip(np.rint(ground + sky[..., None] * np.array(light)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("quality", [0, 90])
@pytest.mark.parametrize("light", [(1, 1, 1), (0.05, 1, 0.1)])
@pytest.mark.parametrize("wide", [0.7, 1.2])
def test_stars_and_fluorescent_dots_are_not_drawn(
    fast: pellucid.Restorer, wide: float, light: tuple[float, float, float], quality: int
) -> None:
    clean = spread_dots(14, wide, light)
    given = as_jpeg(noisy(clean, 8), quality) if quality else noisy(clean, 8)
    assert not dots.dotted([part(given)], 8)
    assert psnr(clean, fast.restore(given)) > psnr(clean, given) + 2


@pytest.mark.parametrize("kind", ["gray", "channels"])
def test_impulses_of_any_gray_or_in_one_channel_are_no_dots(kind: str) -> None:
    rng = np.random.default_rng(8)
    there = rng.random((SIDE, SIDE)) < 0.03
    given = noisy(np.full((SIDE, SIDE, 3), 128, np.uint8), 8)
    many = np.count_nonzero(there)
    if kind == "gray":
        given[there] = rng.integers(0, 256, (many, 1))
    else:
        given[there, rng.integers(0, 3, many)] = 255 * rng.integers(0, 2, many)
    assert not dots.dotted([part(given)], 8)
    if kind == "channels":
        assert pellucid.inspect(given).impulse_density == pytest.approx(0.03, rel=0.6)


@pytest.mark.parametrize("level", [5, 6])
def test_peaks_of_noise_that_was_clipped_are_no_dots(level: float) -> None:
    # Clipped noise seems fainter than it is.
    assert not dots.dotted([part(noisy(np.zeros((SIDE, SIDE, 1), np.uint8), 15))], level)


def test_letters_on_a_photograph_leave_it_a_photograph(fast: pellucid.Restorer) -> None:
    down, right = np.mgrid[:256, :256]
    clean = np.repeat((70 + 0.3 * down + 25 * np.sin(right / 19))[..., None], 3, 2).astype(np.uint8)
    written = PillowImage.fromarray(clean)
    pen = ImageDraw.Draw(written)
    pen.fontmode = "1"
    for top in (4, 80, 180):
        pen.text((4, top), "Harbour in May", (255, 240, 0), ImageFont.load_default(34))
    clean = np.asarray(written)
    assert not edges.hard([part(noisy(clean, 8))])
    given = as_jpeg(noisy(clean, 25), 85)
    assert psnr(clean, fast.restore(given)) > psnr(clean, given) + 2
    # Noise of photons is fainter than its mean in the dark, and that refutes nothing.
    counted = np.clip(np.rint(np.random.default_rng(1).poisson(clean / 255 * 60) * (255 / 60)), 0, 255).astype(np.uint8)
    assert psnr(clean, fast.restore(counted)) > psnr(clean, counted) + 5


def test_salt_on_squares_is_found() -> None:
    given = noisy(squares(8)[:SIDE, :SIDE], 5)
    given[np.random.default_rng(3).random(given.shape[:2]) < 0.01] = 255
    assert edges.hard([part(given)])
    assert pellucid.inspect(given).impulse_density == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("ground", [0, 10])
def test_ground_of_one_ink_is_no_1_bit_picture(ground: int) -> None:
    given = noisy(spread_dots(ground, 0.7), 50)
    found = palette.of(palette.histograms([part(given)]))
    assert found is None or not found.pure
    assert pellucid.inspect(given).sigma == pytest.approx(50, rel=0.05)
