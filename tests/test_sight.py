"""The parts of a picture that show nothing of its noise: pages, bars, transparent areas, drawings; gray as colour; few impulses."""

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from scipy import ndimage

import pellucid
from pellucid import degradations, diagnosis, images
from pellucid.diagnosis import (
    bands,
    blotches,
    clipped,
    drawn,
    enlarged,
    estimator,
    extremes,
    halftone,
    jpeg,
    noise,
    sampling,
    spots,
)
from pellucid.maps import Places
from pellucid.tasks import denoise
from pellucid.views import View

Levels = NDArray[np.uint8]

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "413",
    "pages",
    "of",
    "text",
    "lie",
    "(No. 42)",
]


def levels(values: NDArray[np.floating]) -> Levels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def noisy(values: NDArray[np.floating], sigma: float, seed: int = 0) -> Levels:
    return levels(values + np.random.default_rng(seed).normal(0, sigma, values.shape))


def page(size: int, paper: int, ink: int) -> NDArray[np.float64]:
    picture = PillowImage.new("L", (480, 320), paper)
    rng = np.random.default_rng(size)
    for top in range(12, 320 - size, round(1.35 * size)):
        ImageDraw.Draw(picture).text((14, top), " ".join(rng.choice(WORDS, 30)), fill=ink, font=ImageFont.load_default(size))
    return np.asarray(picture, dtype=np.float64)[..., None]


def covered(kind: str, share: float, height: int, width: int) -> NDArray[np.bool_]:
    """Where a constant lies."""
    down, right = np.mgrid[:height, :width]
    if kind == "letterbox":
        bar = round(height * share / 2)
        return (down < bar) | (down >= height - bar)
    if kind == "page":
        high, wide = (round(side * np.sqrt(1 - share)) for side in (height, width))
        return ~((down >= 9) & (down < 9 + high) & (right >= 5) & (right < 5 + wide))
    if kind == "corner":
        return (down < height * np.sqrt(share)) & (right < width * np.sqrt(share))
    radius = np.sqrt((1 - share) * height * width / np.pi)
    answer: NDArray[np.bool_] = (down - height / 2) ** 2 + (right - width / 2) ** 2 > radius**2
    return answer


# -- constant areas ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["letterbox", "page", "corner", "round"])
@pytest.mark.parametrize(("share", "value"), [(0.08, (250, 245, 230)), (0.3, (1, 1, 1)), (0.6, (37, 90, 200))])
def test_what_is_constant_hides_no_noise(
    photograph: NDArray[np.float64], kind: str, share: float, value: tuple[int, int, int]
) -> None:
    for colours in (3, 1):
        picture = noisy(photograph[..., :colours] * 255, 15)
        picture[covered(kind, share, *picture.shape[:2])] = value[:colours]
        found = pellucid.inspect(picture)
        assert found.kind == "gaussian"
        assert found.sigma == pytest.approx(15, rel=0.1)


@pytest.mark.parametrize("share", [0.1, 0.6])
def test_what_is_transparent_is_left_out(photograph: NDArray[np.float64], share: float) -> None:
    picture = noisy(photograph * 255, 10)
    hidden = covered("round", share, *picture.shape[:2])
    # Nobody sees these colours, whatever they are.
    picture[hidden] = np.random.default_rng(1).integers(0, 256, (int(hidden.sum()), 3))
    alpha = np.where(hidden, 0, 255).astype(np.uint8)[..., None]
    found = pellucid.inspect(np.concatenate([picture, alpha], axis=2))
    assert found.kind == "gaussian"
    assert found.sigma == pytest.approx(10, rel=0.08)
    gray = np.repeat(picture[..., :1], 3, axis=2)
    gray[hidden, 1] ^= 255
    given = np.concatenate([gray, alpha], axis=2)
    restored = pellucid.restore(given, sigma=10)
    assert (restored[~hidden, 0] == restored[~hidden, 2]).all()
    assert pellucid.load().details(given, sigma=10).model == "photo-gray"


def test_nothing_shown_is_no_noise() -> None:
    hidden = np.random.default_rng(0).integers(0, 256, (64, 64, 4)).astype(np.uint8)
    hidden[..., 3] = 0
    assert pellucid.inspect(hidden).kind == "clean"


def test_a_page_around_a_clean_photograph_makes_no_noise(photograph: NDArray[np.float64]) -> None:
    picture = levels(photograph * 255)
    picture[covered("page", 0.3, *picture.shape[:2])] = (250, 245, 230)
    assert pellucid.inspect(picture).kind == "clean"


# -- pages of text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 11, 16, 28])
@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255), (240, 20)])
def test_a_clean_page_is_clean(size: int, paper: int, ink: int) -> None:
    clean = levels(page(size, paper, ink))
    assert pellucid.inspect(clean[..., 0]).kind == "clean"
    assert pellucid.inspect(np.repeat(clean, 3, axis=2)).kind == "clean"
    assert (pellucid.restore(clean[..., 0]) == clean[..., 0]).all()


@pytest.mark.parametrize("size", [9, 11, 16])
@pytest.mark.parametrize(("paper", "ink"), [(255, 0), (0, 255), (250, 30)])
@pytest.mark.parametrize("sigma", [5, 10])
def test_noise_on_a_page_is_that_of_the_paper(size: int, paper: int, ink: int, sigma: float) -> None:
    found = pellucid.inspect(noisy(page(size, paper, ink), sigma)[..., 0])
    assert found.kind == "gaussian"
    assert found.sigma == pytest.approx(sigma, rel=0.2)


def test_paper_and_strips_measure_noise() -> None:
    rng = np.random.default_rng(0)
    for mean in (255, 250, 0):
        paper = levels(rng.normal(mean, 8, (200, 300, 1))).astype(np.float32) / np.float32(255)
        found = clipped.paper([paper])
        assert found is not None
        assert found == pytest.approx(8, rel=0.06)
    assert clipped.paper([np.full((64, 64, 1), 0.5, np.float32)]) is None
    # Values above white show that nothing was clipped.
    assert clipped.paper([rng.normal(1, 0.1, (200, 300, 1)).astype(np.float32)]) is None
    gray = rng.normal(0.5, 8 / 255, (200, 300, 1)).astype(np.float32)
    assert noise.strip_sigma([gray]) == pytest.approx(8, rel=0.06)
    assert noise.strip_sigma([gray[:8, :8]]) == 0


# -- drawings ---------------------------------------------------------------------------------------------------------


def drawings() -> dict[str, Levels]:
    rng = np.random.default_rng(0)
    down, right = np.mgrid[:256, :320]
    made: dict[str, Levels] = {}
    for side in (1, 2, 5, 8):
        board = (down // side + right // side) % 2 == 0
        made[f"chessboard of {side}"] = np.where(board[..., None], (20, 30, 90), (200, 180, 90)).astype(np.uint8)
        made[f"black and white chessboard of {side}"] = np.where(board, 255, 0).astype(np.uint8)
    for side, colours in ((8, 4), (16, 4), (24, 16)):
        palette = rng.integers(0, 256, (colours, 3))
        tiles = palette[rng.integers(0, colours, (6, side, side))]
        chosen = rng.integers(0, 6, (256 // side, 320 // side))
        made[f"tiles of {side}"] = np.concatenate([np.concatenate(list(tiles[row]), axis=1) for row in chosen]).astype(np.uint8)
    sprite = rng.integers(0, 256, (16, 3))[rng.integers(0, 16, (64, 80))].astype(np.uint8)
    made["pixels four times as large"] = sprite.repeat(4, axis=0).repeat(4, axis=1)
    bayer = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]]) / 16
    ramp = (right / 320 + down / 256) / 2
    for steps in (1, 3):
        dithered = np.floor(ramp * steps + bayer[down % 4, right % 4]) / steps
        made[f"ordered dithering in {steps + 1}"] = levels(255 * np.clip(dithered, 0, 1))
    screen = PillowImage.new("RGB", (480, 320), (245, 246, 248))
    pen = ImageDraw.Draw(screen)
    for _ in range(14):
        left, top, wide, high = (int(rng.integers(low, most)) for low, most in ((0, 400), (0, 280), (30, 160), (20, 90)))
        pen.rounded_rectangle((left, top, left + wide, top + high), 5, fill=tuple(int(v) for v in rng.integers(0, 256, 3)))
        pen.text((left + 6, top + 4), " ".join(rng.choice(WORDS, 4)), fill=(20, 20, 20), font=ImageFont.load_default(12))
    made["screenshot"] = np.asarray(screen)
    return made


@pytest.mark.parametrize("name", drawings())
def test_a_drawing_is_clean_and_comes_back_unchanged(name: str) -> None:
    picture = drawings()[name]
    found = pellucid.inspect(picture)
    assert found.kind == "clean"
    assert found.impulse_density == 0
    assert found.jpeg_quality is None
    assert (pellucid.restore(picture) == picture).all()


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (4, 4), (2, 3)])
@pytest.mark.parametrize("name", drawings())
def test_a_drawing_that_was_enlarged_by_repeating_its_pixels_is_clean(name: str, size: tuple[int, int]) -> None:
    picture = drawings()[name][:120, :160]
    large = picture.repeat(size[0], axis=0).repeat(size[1], axis=1)
    for given in (large, large[1:, 1:], large if large.ndim == 2 else large[..., 1]):
        assert pellucid.inspect(given).kind == "clean"
    assert (pellucid.restore(large) == large).all()


def test_a_palette_leaves_gaps_and_noise_none(photograph: NDArray[np.float64]) -> None:
    small = levels(photograph[100:260, 100:300] * 255)
    for colours in (16, 64, 256):
        for dither in (PillowImage.Dither.NONE, PillowImage.Dither.FLOYDSTEINBERG):
            made = np.asarray(PillowImage.fromarray(small).quantize(colours, dither=dither).convert("RGB"))
            for picture in (made, made[..., 1]):
                assert pellucid.inspect(picture.repeat(3, axis=0).repeat(3, axis=1)).kind == "clean"


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (4, 4), (2, 3)])
@pytest.mark.parametrize("colours", [1, 3])
def test_noise_that_was_enlarged_by_repeating_pixels_is_restored_before_that(
    photograph: NDArray[np.float64], size: tuple[int, int], colours: int
) -> None:
    small = noisy(photograph[60:124, 80:180, :colours] * 255, 15)
    large = small.repeat(size[0], axis=0).repeat(size[1], axis=1)
    expected = pellucid.restore(small).reshape(small.shape).repeat(size[0], axis=0).repeat(size[1], axis=1)
    for top, left in ((0, 0), (1, size[1] - 1)):
        given = large[top:, left:]
        found = pellucid.inspect(given)
        assert found.squares == drawn.Squares(*size, -top % size[0], -left % size[1])
        assert found.to_dict()["repeated"] == list(size)
        assert f"pixels repeated {size[1]}x{size[0]}" in str(found)
        assert found.sigma == pytest.approx(15, rel=0.1)
        off = np.abs(pellucid.restore(given).reshape(given.shape).astype(int) - expected[top:, left:])
        assert off.mean() < 0.5
        # A level that is given is one of the smaller picture, too.
        stated = np.abs(pellucid.restore(given, sigma=15).reshape(given.shape).astype(int) - expected[top:, left:])
        assert stated.mean() < 1


def test_repeated_pixels_are_restored_in_pieces_and_parts_as_in_the_whole(
    photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = noisy(photograph[60:200, 80:280] * 255, 20)
    picture = small.repeat(3, axis=0).repeat(3, axis=1)[1:, 2:]
    whole = pellucid.restore(picture).astype(int)
    view = View((images.from_array(picture),))
    part = pellucid.load("photo").part(view, (100, 50, 420, 330)).image
    off = np.abs(images.to_array(part) - whole[50:330, 100:420])
    assert off.max() <= 8
    assert off.mean() < 0.5
    assert pellucid.load("photo").expected_gain(picture) == pytest.approx(10 * np.log10(400 / 45), abs=3)
    monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 500))
    assert np.abs(whole - pellucid.restore(picture)).max() <= 2


def test_what_is_no_image_hides_no_repetition_from_the_eye() -> None:
    # Where some pixels are no image, nothing is said of repetition, and nothing is changed.
    large = noisy(np.full((40, 40, 3), 120.0), 15).repeat(4, axis=0).repeat(4, axis=1)
    alpha = np.full((160, 160, 1), 255, np.uint8)
    alpha[:20] = 0
    given = np.concatenate([large, alpha], axis=2)
    assert (pellucid.restore(given) == given).all()


def test_dithering_of_a_photograph_is_clean(photograph: NDArray[np.float64]) -> None:
    picture = PillowImage.fromarray(levels(photograph * 255))
    for made in (picture.convert("1").convert("L"), picture.quantize(16).convert("RGB"), picture.quantize(64).convert("RGB")):
        assert pellucid.inspect(np.asarray(made)).kind == "clean"


def test_noise_and_jpeg_are_no_drawing(photograph: NDArray[np.float64]) -> None:
    for picture in (noisy(photograph * 255, 1), noisy(photograph * 0, 5), noisy(photograph * 255, 60)):
        parts = [picture.astype(np.float32) / np.float32(255)]
        assert not drawn.sight(parts).drawn
        assert drawn.sight(parts).parts[0] is parts[0]
    for quality in (5, 10, 30):
        file = io.BytesIO()
        PillowImage.fromarray(levels(photograph * 255)).save(file, "JPEG", quality=quality)
        part = np.asarray(PillowImage.open(file), dtype=np.float32) / np.float32(255)
        assert jpeg.confirmed([part]) == quality
        assert not drawn.sight([part]).drawn


def test_a_photograph_in_a_screenshot_is_measured(photograph: NDArray[np.float64]) -> None:
    screen = drawings()["screenshot"].copy()
    height, width = (min(a, b) for a, b in zip((200, 260), photograph.shape, strict=False))
    screen[60 : 60 + height, 100 : 100 + width] = noisy(photograph[:height, :width] * 255, 15)
    assert pellucid.inspect(screen).sigma == pytest.approx(15, rel=0.1)


def test_salt_and_pepper_on_a_drawing_is_counted() -> None:
    picture = drawings()["screenshot"][..., :1].copy()
    rng = np.random.default_rng(0)
    struck = rng.random(picture.shape) < 0.1
    picture[struck] = rng.choice([0, 255], int(struck.sum()))
    found = pellucid.inspect(picture[..., 0])
    assert found.kind == "salt-pepper"
    assert found.impulse_density == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("density", [0.3, 0.9, 1.0])
def test_no_share_is_above_one(photograph: NDArray[np.float64], density: float) -> None:
    rng = np.random.default_rng(0)
    picture = photograph[..., :1].astype(np.float32)
    picture[rng.random(picture.shape) < density] = 0
    picture[rng.random(picture.shape) < density / 2] = 1
    found = extremes.measured([picture])
    assert found is None or found.pepper + found.salt <= 1


# -- gray as colour ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0, 10, 50])
def test_three_equal_channels_are_one_gray_picture(photograph: NDArray[np.float64], sigma: float) -> None:
    gray = noisy(photograph[..., 1] * 255, sigma) if sigma else levels(photograph[..., 1] * 255)
    three = np.repeat(gray[..., None], 3, axis=2)
    assert pellucid.inspect(three) == pellucid.inspect(gray)
    for given in ({}, {"sigma": 20}):
        restored = pellucid.restore(three, **given)
        assert (restored == pellucid.restore(gray, **given)[..., None]).all()


def test_nearly_equal_channels_are_gray_and_a_tint_is_not(photograph: NDArray[np.float64]) -> None:
    gray = noisy(photograph[..., 1] * 255, 25)
    three = np.repeat(gray[..., None], 3, axis=2)
    near = np.clip(three + np.random.default_rng(0).integers(-1, 2, three.shape), 0, 255).astype(np.uint8)
    restored = pellucid.load().details(near)
    assert restored.model == "photo-gray"
    assert (restored.image == restored.image[..., :1]).all()
    tinted = np.clip(three + np.array([2, 0, -3]), 0, 255).astype(np.uint8)
    stamped = three.copy()
    stamped[10:14, 20:24] = (200, 20, 20)
    for other in (tinted, stamped):
        assert pellucid.load().details(other).model != "photo-gray"


# -- few impulses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [0.0005, 0.002, 0.01, 0.02])
@pytest.mark.parametrize("colours", [1, 3])
def test_few_impulses_are_found_and_filled(photograph: NDArray[np.float64], density: float, colours: int) -> None:
    clean = levels(photograph[..., :colours] * 255)
    picture = clean.copy()
    rng = np.random.default_rng(1)
    struck = rng.random(picture.shape[:2]) < density
    # In colour one channel alone is struck.
    picture[struck, 0] = 255 if colours == 3 else rng.choice([0, 255], int(struck.sum()))
    given = picture if colours == 3 else picture[..., 0]
    found = pellucid.inspect(given)
    assert found.impulse_density == pytest.approx(density, rel=0.75)
    restored = pellucid.restore(given).reshape(clean.shape)
    error = np.square(restored.astype(float) - clean).mean()
    assert 10 * np.log10(255**2 / error) > 40
    if found.spots is not None:
        # All other pixels come back as they were.
        assert (restored[~struck] == clean[~struck]).mean() > 0.995


def test_clean_pictures_have_no_few_impulses(photograph: NDArray[np.float64]) -> None:
    for picture in (photograph, photograph[..., :1]):
        assert spots.measured([picture.astype(np.float32)]) is None
    assert spots.measured([np.zeros((4, 4, 1), np.float32)]) is None


# -- noise that was resampled -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [12, 25])
@pytest.mark.parametrize(("kernel", "factor"), [("BICUBIC", 0.5), ("LANCZOS", 0.75), ("BICUBIC", 0.9)])
def test_shrunk_noise_is_not_underrated(photograph: NDArray[np.float64], kernel: str, factor: float, sigma: float) -> None:
    def shrunk(values: NDArray[np.float64]) -> NDArray[np.float64]:
        size = round(values.shape[1] * factor), round(values.shape[0] * factor)
        how = PillowImage.Resampling[kernel]
        planes = [
            np.asarray(PillowImage.fromarray(plane.astype(np.float32)).resize(size, how)) for plane in np.moveaxis(values, 2, 0)
        ]
        return np.stack(planes, axis=2).astype(np.float64)

    clean = photograph * 255
    given = clean + np.random.default_rng(0).normal(0, sigma, clean.shape)
    true = float(np.sqrt(np.square(shrunk(given) - shrunk(clean)).mean()))
    assert pellucid.inspect(levels(shrunk(given))).sigma == pytest.approx(true, rel=0.15)


@pytest.mark.parametrize(
    ("kernel", "factor", "estimate"), [("BICUBIC", 0.7, (0.42, 1.98)), ("LANCZOS", 0.8, (4.6, 0.3)), ("LANCZOS", 0.8, (4.5, 0.6))]
)
def test_shrunk_noise_counts_where_the_networks_hardly_hear_it(
    photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch, kernel: str, factor: float, estimate: tuple[float, float]
) -> None:
    # The networks answered so in one and in two of eight photographs.
    monkeypatch.setattr(estimator, "answer", lambda weights, seen: estimator.Estimate(*estimate, 0.0))
    clean = 255 * photograph[:320, 280:]
    given = clean + np.random.default_rng(0).normal(0, 15, clean.shape)
    size = round(clean.shape[1] * factor), round(clean.shape[0] * factor)
    before, after = (
        np.stack(
            [
                np.asarray(PillowImage.fromarray(plane.astype(np.float32)).resize(size, PillowImage.Resampling[kernel]))
                for plane in np.moveaxis(values, 2, 0)
            ],
            axis=2,
        )
        for values in (clean, given)
    )
    true = float(np.sqrt(np.square(after - before).mean()))
    assert pellucid.inspect(levels(after)).sigma == pytest.approx(true, rel=0.15)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("level", [8, 15])
def test_grain_that_is_nearly_white_is_not_underrated(photograph: NDArray[np.float64], channels: int, level: float) -> None:
    """Grain 0.4 pixels wide: its highest frequencies have a fifth less than its lowest, and the networks take it for white."""
    clean = 255 * (photograph if channels == 3 else photograph.mean(axis=2, keepdims=True))
    window = np.exp(-np.square(np.arange(-2, 3)) / (2 * 0.4**2))
    grain = np.random.default_rng(1).standard_normal(clean.shape)
    for axis in (0, 1):
        grain = ndimage.convolve1d(grain, window / np.sqrt(np.square(window).sum()), axis=axis)
    found = pellucid.inspect(levels(clean + level * grain))
    assert found.sigma == pytest.approx(level, rel=0.05)


def larger(values: NDArray[np.floating], factor: float, kernel: str) -> NDArray[np.float64]:
    """Values (h, w, channels), 0 to 255, enlarged by one of Pillow's kernels."""
    size = round(values.shape[1] * factor), round(values.shape[0] * factor)
    planes = [PillowImage.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(values, 2, 0)]
    made = [np.asarray(plane.resize(size, PillowImage.Resampling[kernel])) for plane in planes]
    return np.stack(made, axis=2).astype(np.float64)


@pytest.mark.parametrize(
    ("factor", "kernel"),
    [
        (1.1, "BILINEAR"),
        (1.3, "LANCZOS"),
        (1.75, "BICUBIC"),
        (2.0, "BILINEAR"),
        (2.0, "BICUBIC"),
        (2.5, "LANCZOS"),
        (3.0, "BILINEAR"),
        (4.0, "LANCZOS"),
    ],
)
def test_noise_that_was_enlarged_is_measured_and_restored_at_the_size_that_it_had(
    photograph: NDArray[np.float64], factor: float, kernel: str
) -> None:
    colours = 3 if kernel == "BICUBIC" else 1
    clean = photograph[100:228, 60:204, :colours] * 255
    given, truth = (
        levels(larger(values, factor, kernel)) for values in (clean + np.random.default_rng(0).normal(0, 15, clean.shape), clean)
    )
    true = float(np.sqrt(np.square(given.astype(float) - truth).mean()))
    found = pellucid.inspect(given)
    assert found.enlarged is not None
    assert found.enlarged.kernel == kernel
    assert found.enlarged.factor == pytest.approx(factor, rel=0.01)
    assert found.to_dict()["enlarged"] == pytest.approx(factor, rel=0.01)
    assert f"enlarged {found.enlarged.factor:.3g} times" in str(found)
    assert found.kind == "correlated"
    assert found.sigma == pytest.approx(true, rel=0.15)
    assert found.smaller is not None
    assert found.smaller.sigma == pytest.approx(15, rel=0.15)
    off = pellucid.restore(given if colours == 3 else given[..., 0]).reshape(truth.shape).astype(float) - truth
    small = pellucid.restore(noisy(clean, 15)).reshape(clean.shape).astype(float) - levels(clean)
    # As well as the picture that was never enlarged.
    assert float(np.sqrt(np.square(off).mean())) < 1.1 * float(np.sqrt(np.square(small).mean()))


@pytest.mark.parametrize(("sigma", "believed"), [(2.3, False), (3.3, True)])
def test_noise_at_the_size_that_a_picture_had_is_stronger_than_texture_where_the_picture_seems_clean(
    sigma: float, believed: bool
) -> None:
    clean = np.repeat(120 + 40 * np.sin(np.arange(120) / 30)[:, None, None], 140, axis=1)
    given = levels(larger(noisy(clean, sigma), 3, "BICUBIC"))
    assert (pellucid.inspect(given).enlarged is not None) == believed


@pytest.mark.parametrize("kernel", ["BILINEAR", "BICUBIC"])
def test_fine_texture_does_not_hide_how_a_picture_was_made_twice_as_large(photograph: NDArray[np.float64], kernel: str) -> None:
    generator = np.random.default_rng(2)
    texture = generator.normal(0, 1, (160, 160, 1)) * np.linspace(1, 8, 160)[:, None]
    # All channels have the same of it, and less of high frequencies.
    texture += np.roll(texture, 1, 0) + np.roll(texture, 1, 1)
    clean = photograph[100:260, 60:220] * 200 + 30 + texture
    given, truth = (levels(larger(values, 2, kernel)) for values in (clean + generator.normal(0, 5, clean.shape), clean))
    found = pellucid.inspect(given)
    assert found.enlarged is not None
    assert found.enlarged.kernel == kernel
    before, after = (float(np.square(values.astype(float) - truth).mean()) for values in (given, pellucid.restore(given)))
    assert after < before


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_that_was_turned_is_neither_over_nor_underrated(photograph: NDArray[np.float64], channels: int) -> None:
    clean = 255 * photograph[:, :, :channels]

    def turned(values: NDArray[np.floating]) -> NDArray[np.float64]:
        planes = [PillowImage.fromarray(plane.astype(np.float32)) for plane in np.moveaxis(values, 2, 0)]
        made = [np.asarray(plane.rotate(35, PillowImage.Resampling.BICUBIC)) for plane in planes]
        return np.stack(made, axis=2).astype(np.float64)[130:370, 180:460]

    before, after = (levels(turned(values)) for values in (clean, noisy(clean, 15).astype(float)))
    true = float(np.sqrt(np.square(after.astype(float) - before).mean()))
    found = pellucid.inspect(after)
    assert (found.kind, found.sigma) == ("gaussian", pytest.approx(true, rel=0.1))


@pytest.mark.parametrize("kernel", enlarged.KERNELS)
def test_a_picture_has_the_size_back_that_it_had(kernel: str) -> None:
    small = np.random.default_rng(3).uniform(0, 1, (151, 203, 2)).astype(np.float32)
    for factor in (1.15, 1.6, 2.0, 3.4):
        large = larger(small, factor, kernel)
        down, across = (made / side for made, side in zip(large.shape[:2], small.shape[:2], strict=True))
        way = enlarged.Enlarged(enlarged.Axis.at(down, down / 2 - 0.5), enlarged.Axis.at(across, across / 2 - 0.5), kernel)
        assert np.abs(way.large(small, *large.shape[:2]) - large).max() < 1e-3
        again = way.small(large.astype(np.float32))
        assert again.shape == small.shape
        assert np.abs(again - small).max() < 2e-3
        # Wherever a piece begins, it has the same pixels.
        part, (top, left) = way.moved(37, 53)
        piece = part.small(large[37:, 53:].astype(np.float32))
        rows, columns = piece.shape[:2]
        assert (top + rows, left + columns) == small.shape[:2]
        assert np.abs(piece - small[top:, left:])[16:, 16:].max() < 2e-3


def test_a_picture_that_was_enlarged_and_cut_is_known(photograph: NDArray[np.float64]) -> None:
    clean = photograph[:170, :210, :1] * 255
    for factor, kernel in ((1.4, "BICUBIC"), (2.0, "BILINEAR"), (2.7, "LANCZOS")):
        before, after = (
            larger(values, factor, kernel)[7:-3, 2:-9]
            for values in (clean, clean + np.random.default_rng(0).normal(0, 12, clean.shape))
        )
        true = float(np.sqrt(np.square(levels(after).astype(float) - before).mean()))
        found = pellucid.inspect(levels(after))
        assert found.enlarged is not None
        assert found.enlarged.factor == pytest.approx(factor, rel=0.01)
        assert found.sigma == pytest.approx(true, rel=0.15)
        assert found.smaller is not None
        assert found.smaller.sigma == pytest.approx(12, rel=0.15)


@pytest.mark.parametrize(("factor", "kernel"), [(1.5, "BICUBIC"), (2.0, "LANCZOS"), (3.0, "BILINEAR")])
def test_a_clean_picture_that_was_enlarged_is_clean(photograph: NDArray[np.float64], factor: float, kernel: str) -> None:
    picture = levels(larger(photograph[60:220, 40:240] * 255, factor, kernel))
    assert pellucid.inspect(picture).kind == "clean"
    assert (pellucid.restore(picture) == picture).all()


def test_an_enlarged_picture_is_restored_in_pieces_and_parts_as_in_the_whole(
    photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = photograph[60:260, 80:320] * 255
    picture = levels(larger(small + np.random.default_rng(0).normal(0, 20, small.shape), 2.5, "BICUBIC"))[2:, 1:]
    whole = pellucid.restore(picture).astype(int)
    part = pellucid.load("photo").part(View((images.from_array(picture),)), (100, 50, 420, 330)).image
    off = np.abs(images.to_array(part) - whole[50:330, 100:420])
    assert off.max() <= 8
    assert off.mean() < 1
    half = pellucid.restore(picture, strength=0.5).astype(int)
    assert np.abs(half - (whole + picture) / 2)[(whole > 0) & (whole < 255)].max() <= 1
    assert pellucid.load("photo").expected_gain(picture) is None
    monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 900))
    assert np.abs(whole - pellucid.restore(picture)).max() <= 2


@pytest.mark.parametrize(("kernel", "change"), [("BILINEAR", 1.1), ("LANCZOS", 1.2), ("BICUBIC", 1.33), ("LANCZOS", 1.5)])
def test_the_period_of_its_detail_tells_that_noise_was_enlarged(
    photograph: NDArray[np.float64], kernel: str, change: float
) -> None:
    clean = photograph[100:300, 60:300, 1] * 255
    before, after = (
        np.asarray(
            PillowImage.fromarray(values.astype(np.float32)).resize(
                (round(240 * change), round(200 * change)), PillowImage.Resampling[kernel]
            )
        )
        for values in (clean, clean + np.random.default_rng(0).normal(0, 15, clean.shape))
    )
    true = float(np.sqrt(np.square(after - before).mean()))
    part = levels(after)[..., None] / np.float32(255)
    assert noise.interpolated([part], sampling.blocks([part])) == pytest.approx(true, rel=0.2)
    assert pellucid.inspect(levels(after)).sigma == pytest.approx(true, rel=0.2)


@pytest.mark.parametrize("kind", ["gaussian:10", "camera:0.002", "grain:8", "jpeg:60"])
def test_other_noise_has_no_period(photograph: NDArray[np.float64], kind: str) -> None:
    clean = photograph[:320, :320].astype(np.float32)
    part = degradations.parse(kind)(clean, np.random.default_rng(1)).astype(np.float32)
    assert noise.interpolated([part], sampling.blocks([part])) == 0


def test_a_mosaic_has_no_period() -> None:
    # Red has a value at every other pixel of every other row, and less noise between; the camera then smooths it a little.
    values = np.random.default_rng(1).normal(0, 10 / 255, (240, 320, 3))
    values[1::2] *= 0.3
    values[::2, 1::2] *= 0.3
    values += 0.3 * (np.roll(values, 1, axis=0) + np.roll(values, 1, axis=1))
    part = np.clip(0.5 + values, 0, 1).astype(np.float32)
    assert noise.interpolated([part], sampling.blocks([part])) == 0
    assert pellucid.inspect(levels(part * 255)).enlarged is None


def test_one_door_for_every_picture(photograph: NDArray[np.float64]) -> None:
    picture = noisy(photograph * 255, 15)
    assert pellucid.load().inspect(picture) == pellucid.inspect(picture)
    assert diagnosis.inspect(picture.astype(np.float32) / np.float32(255)) == pellucid.inspect(picture)


# -- pale, dark and strongly coloured pictures ------------------------------------------------------------------------

TINTS = {
    "dark": ((0, 0, 0), (60, 60, 60)),
    "nearly black": ((0, 0, 0), (25, 25, 25)),
    "pale": ((170, 170, 170), (250, 250, 250)),
    "green": ((0, 0, 0), (20, 230, 13)),
    "leaves": ((0, 0, 0), (77, 230, 26)),
    "red": ((0, 0, 0), (230, 38, 26)),
    "blue": ((10, 10, 40), (35, 100, 255)),
}
"""The colours that black and white of the photograph become, in levels."""


@pytest.mark.parametrize("law", [(1, 0.4), (3, 0.2), (4, 0)])
@pytest.mark.parametrize("name", TINTS)
def test_noise_that_follows_the_light_is_not_underrated(
    name: str, law: tuple[float, float], photograph: NDArray[np.float64]
) -> None:
    black, white = (np.array(ends, dtype=np.float64) for ends in TINTS[name])
    clean = black + photograph[:, :400] * (white - black)
    deviation = np.sqrt(law[0] ** 2 + law[1] * clean)
    found = diagnosis.inspect(levels(clean + deviation * np.random.default_rng(1).standard_normal(clean.shape)) / np.float32(255))
    for channel in range(3):
        # No more than a fifth off in any channel, as the noise differs by that much before it counts as following the light.
        estimated = 255 * np.sqrt(found.curve.variance(clean[..., channel] / 255).mean())
        assert estimated == pytest.approx(np.sqrt(np.square(deviation[..., channel]).mean()), rel=0.2)
    assert 255 * np.sqrt(found.curve.variance(clean / 255).mean()) == pytest.approx(np.sqrt(np.square(deviation).mean()), rel=0.12)
    assert found.kind == "gaussian" or law[1] > 0


def test_a_dark_picture_gains_more_than_by_any_single_level(photograph: NDArray[np.float64]) -> None:
    clean = photograph[100:260, 440:600] * 50
    variance = 1 + 0.5 * clean
    picture = levels(clean + np.sqrt(variance) * np.random.default_rng(1).standard_normal(clean.shape))

    def error(restored: Levels) -> float:
        return float(np.square(restored - clean).mean())

    level = float(np.sqrt(variance.mean()))
    assert error(pellucid.restore(picture)) < min(error(pellucid.restore(picture, sigma=factor * level)) for factor in (1, 1.2))


def test_texture_is_told_from_noise_that_follows_the_light(photograph: NDArray[np.float64]) -> None:
    # Texture that fades in the dark, on noise that does not.
    lines = np.sin(np.arange(400) * 2.2)[:, None, None] * np.sin(np.arange(400) * 1.3)[None, :, None]
    light = np.linspace(20, 200, 400)[None, :, None] * np.ones((400, 1, 1))
    picture = noisy(light * (1 + 0.15 * lines), 4) / np.float32(255)
    blocks = sampling.blocks([picture])
    assert noise.even_curve(blocks, 4) is None
    plain = sampling.blocks([noisy(light, 4) / np.float32(255)])
    even = noise.even_curve(plain, 4)
    assert even is not None
    assert even.flat
    photons = light + np.sqrt(4 + 0.2 * light) * np.random.default_rng(0).standard_normal(light.shape)
    bent = noise.even_curve(sampling.blocks([levels(photons) / np.float32(255)]), 4)
    assert bent is not None
    for at in (30, 100, 180):
        assert 255 * np.sqrt(bent.variance(np.array([at / 255]))[0]) == pytest.approx(np.sqrt(4 + 0.2 * at), rel=0.05)


# -- noise that differs from place to place ---------------------------------------------------------------------------


@pytest.mark.parametrize("colours", [1, 3])
def test_noise_that_differs_from_place_to_place_has_a_level_for_each(photograph: NDArray[np.float64], colours: int) -> None:
    clean = photograph[..., :colours] * 255
    across = np.linspace(2, 20, clean.shape[1])[:, None]
    picture = levels(clean + across * np.random.default_rng(0).standard_normal(clean.shape))
    given = picture if colours == 3 else picture[..., 0]
    found = pellucid.inspect(given)
    assert found.places is not None
    assert "from place to place" in str(found)
    level = 255 * found.places.sigma(0, 0, *clean.shape[:2], within=clean.shape[:2])
    for part in (slice(60, 120), slice(270, 330), slice(480, 540)):
        assert level[:, part].mean() == pytest.approx(across[part].mean(), rel=0.25)

    def off(restored: Levels) -> float:
        return float(np.square(restored.reshape(clean.shape) - clean).mean())

    one = float(np.sqrt(np.square(across).mean()))
    # The output is a decibel better than that of the best single level.
    assert off(pellucid.restore(given)) < 0.8 * min(off(pellucid.restore(given, sigma=level)) for level in (0.6 * one, one))


@pytest.mark.parametrize("kind", ["gaussian:5", "gaussian:25", "poisson:30", "speckle:0.1"])
def test_one_law_for_all_places_is_one(photograph: NDArray[np.float64], kind: str) -> None:
    given = degradations.parse(kind)(photograph, np.random.default_rng(0))
    assert diagnosis.inspect(given).places is None


def test_texture_in_one_channel_is_no_noise_of_a_place() -> None:
    down, right = np.mgrid[:320, :320]
    # The texture is as rough as noise, in a spot of the green channel alone.
    rough = np.random.default_rng(5).standard_normal((320, 320)) * (
        3 + 12 * np.exp(-((down - 160) ** 2 + (right - 160) ** 2) / 8000)
    )
    clean = np.stack([np.full((320, 320), 90.0), 120 + rough, np.full((320, 320), 70.0)], axis=2)
    found = diagnosis.inspect(noisy(clean, 6) / np.float32(255))
    assert found.places is None
    assert diagnosis.inspect(noisy(clean[..., [1, 1, 1]] + [0, 9, 20], 2) / np.float32(255)).places is not None


def test_a_piece_has_the_levels_of_its_place() -> None:
    places = Places(((5.0, 10.0, 15.0), (10.0, 20.0, 30.0)))
    whole = places.sigma(0, 0, 64, 90, within=(64, 90))
    assert whole.shape == (64, 90)
    np.testing.assert_allclose(places.sigma(16, 24, 20, 30, within=(64, 90)), whole[16:36, 24:54], rtol=1e-6)
    assert 255 * whole.min() == pytest.approx(5)
    assert 255 * whole.max() == pytest.approx(30)
    assert (places.least, places.most) == (5, 30)


# -- bands ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("band", "sigma"), [(5, 0), (10, 0), (8, 5)])
@pytest.mark.parametrize("colours", [1, 3])
def test_bands_are_named_and_taken_away(
    photograph: NDArray[np.float64], axis: int, band: float, sigma: float, colours: int
) -> None:
    clean = photograph[..., :colours] * 255
    rng = np.random.default_rng(0)
    lighter = np.expand_dims(rng.normal(0, band, (clean.shape[axis], 1)), 1 - axis)
    picture = levels(clean + lighter + sigma * rng.standard_normal(clean.shape))
    given = picture if colours == 3 else picture[..., 0]
    found = pellucid.inspect(given)
    assert (found.rows, found.columns)[axis] == pytest.approx(band, rel=0.25)
    assert (found.rows, found.columns)[1 - axis] == 0
    assert "bands" in str(found)
    assert found.kind == ("gaussian" if sigma else "bands")
    off = [float(np.square(pixels.reshape(clean.shape) - clean).mean()) for pixels in (picture, pellucid.restore(given))]
    assert 10 * np.log10(off[0] / off[1]) > 4
    # Nothing asked for is nothing done.
    assert (pellucid.restore(given, strength=0) == given).all()


def test_photographs_have_no_bands(photograph: NDArray[np.float64]) -> None:
    for kind in ("gaussian:25", "grain:10"):
        found = diagnosis.inspect(degradations.parse(kind)(photograph, np.random.default_rng(0)))
        assert (found.rows, found.columns) == (0, 0)
    assert bands.measured([np.zeros((20, 20, 1), np.float32)]) == (0, 0)
    slope = np.broadcast_to(np.linspace(0, 1, 200, dtype=np.float32)[:, None, None], (200, 100, 1))
    assert bands.measured([slope]) == (0, 0)
    # Stripes much stronger than the measured noise belong to the picture.
    stripes = np.broadcast_to((np.arange(200) % 40 < 20).astype(np.float32)[:, None, None], (200, 100, 1))
    assert (bands.offsets(stripes, 0, 0.01) == 0).all()


# -- blotches of colour -----------------------------------------------------------------------------------------------


def blotted(clean: NDArray[np.float64], width: float, level: float, seed: int = 0) -> NDArray[np.float64]:
    """Noise in colour under a Gaussian window, without luma."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in clean.shape[:2]), indexing="ij"))
    window = np.exp(-2 * (np.pi * frequency * width) ** 2)
    blue, red = (np.fft.ifft2(np.fft.fft2(rng.standard_normal(clean.shape[:2])) * window).real for _ in range(2))
    blue, red = blue / blue.std() * level, red / red.std() * level
    return clean + np.stack([1.402 * red, -0.344 * blue - 0.714 * red, 1.772 * blue], axis=2)


@pytest.mark.parametrize(("width", "level", "sigma", "gain"), [(4, 8, 0, 4), (8, 8, 0, 4), (8, 8, 10, 6)])
def test_blotches_of_colour_are_named_and_taken_away(
    photograph: NDArray[np.float64], width: float, level: float, sigma: float, gain: float
) -> None:
    clean = photograph * 255
    picture = levels(blotted(clean, width, level) + sigma * np.random.default_rng(1).standard_normal(clean.shape))
    found = pellucid.inspect(picture)
    assert found.blotches is not None
    # The mean of the channels: 1.38 times that of either direction of colour.
    assert found.blotches.level == pytest.approx(1.38 * level, rel=0.35)
    assert found.kind == ("gaussian" if sigma else "blotches")
    assert "blotches of colour" in str(found)
    assert found.to_dict()["blotches"] == pytest.approx(found.blotches.level, abs=0.01)
    restored = pellucid.restore(picture)
    off = [float(np.square(pixels - clean).mean()) for pixels in (picture, restored)]
    assert 10 * np.log10(off[0] / off[1]) > gain
    if not sigma:
        # The luma is as it was.
        before, after = (pixels @ np.array([0.299, 0.587, 0.114]) for pixels in (picture, restored))
        assert float(np.sqrt(np.square(before - after).mean())) < 0.7
    assert pellucid.load().details(picture, gain=True).facts["expected_gain"] is None


def test_blotches_are_taken_away_in_pieces_as_in_the_whole(
    photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = levels(blotted(photograph * 255, 8, 8))
    whole = pellucid.restore(picture)
    monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 400))
    pieces = pellucid.restore(picture)
    assert np.abs(whole.astype(int) - pieces).max() <= 1


def test_what_is_colourful_has_no_blotches(photograph: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(0)
    colourful = np.asarray(PillowImage.fromarray(rng.integers(0, 256, (10, 14, 3), np.uint8)).resize((608, 400), 0), np.float64)
    for clean in (photograph * 255, colourful):
        for sigma in (0, 5, 25):
            assert pellucid.inspect(noisy(clean, sigma)).blotches is None
    for kind in ("grain:10", "camera:0.002", "jpeg:30"):
        assert diagnosis.inspect(degradations.parse(kind)(photograph, rng)).blotches is None
    # Too small to say so, and of one channel.
    assert blotches.measured([blotted(photograph * 255, 8, 8)[:128, :128].astype(np.float32) / 255]) is None
    assert blotches.measured([photograph[..., :1].astype(np.float32)]) is None


# -- prints in dots ---------------------------------------------------------------------------------------------------


def printed(photo: NDArray[np.float64], pitch: float, angle: float) -> NDArray[np.float64]:
    """A plane (h, w) in dots, drawn three times as large and made smaller."""
    fine = 3
    down, right = np.mgrid[: photo.shape[0] * fine, : photo.shape[1] * fine] / fine
    turn = np.deg2rad(angle)
    along, across = np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right
    screen = (2 + np.cos(2 * np.pi * along / pitch) + np.cos(2 * np.pi * across / pitch)) / 4
    ranks = np.sort(screen.ravel())[::97]
    white = np.searchsorted(ranks, screen) / len(ranks) < np.kron(photo / 255, np.ones((fine, fine)))
    return white.reshape(photo.shape[0], fine, photo.shape[1], fine).mean(axis=(1, 3)) * 235 + 12


@pytest.mark.parametrize(("pitch", "angles"), [(4, (45,)), (5.6, (30,)), (8, (0,)), (11, (15,)), (6.4, (0, 75, 45))])
def test_a_print_in_dots_is_named_and_left_alone_unless_asked(
    photograph: NDArray[np.float64], pitch: float, angles: tuple[float, ...]
) -> None:
    clean = photograph[:384, :384, : len(angles)] * 255
    planes = [printed(clean[..., channel], pitch, angle) for channel, angle in enumerate(angles)]
    picture = levels(np.stack(planes, axis=2)) if len(angles) > 1 else levels(planes[0])
    found = pellucid.inspect(picture)
    assert found.kind == "halftone"
    assert found.halftone == pytest.approx(pitch, rel=0.03)
    assert "dots" in str(found)
    assert found.to_dict()["halftone"] == pytest.approx(pitch, rel=0.03)
    assert (pellucid.restore(picture) == picture).all()
    restored = pellucid.restore(picture, descreen=True).reshape(clean.shape)
    truth = clean / 255 * 235 + 12
    before, after = (np.square(pixels.reshape(clean.shape) - truth).mean() for pixels in (picture, restored))
    # From some 9 dB to more than 21, where a Gaussian window of the best width comes to 22.5.
    assert 10 * np.log10(255**2 / after) > 21
    assert after < before / 12
    assert halftone.lattice([restored.astype(np.float32) / np.float32(255)]) is None


@pytest.mark.parametrize(
    ("pitch", "angle", "kind"),
    [
        (8, 0, "two values"),
        (7, 5, "two values"),
        (3, 0, "noise"),
        (9.5, 0, "noise"),
        (13, 45, "noise"),
        (4, 0, "JPEG"),
        (13, 5, "JPEG"),
    ],
)
def test_dots_are_as_far_apart_as_they_were_made(photograph: NDArray[np.float64], pitch: float, angle: float, kind: str) -> None:
    print_ = printed(photograph[:320, :384, 1] * 255, pitch, angle)
    if kind == "two values":
        print_ = 255.0 * (print_ > 128)
    elif kind == "noise":
        print_ = noisy(print_, 8).astype(np.float64)
    else:
        file = io.BytesIO()
        PillowImage.fromarray(levels(print_)).save(file, "JPEG", quality=85)
        print_ = np.asarray(PillowImage.open(file), dtype=np.float64)
    found = pellucid.inspect(levels(print_))
    assert (found.kind, found.halftone) == ("halftone", pytest.approx(pitch, rel=0.03))


def test_what_has_no_screen_is_no_print(photograph: NDArray[np.float64]) -> None:
    down, right = np.mgrid[:384, :384]
    made = {name: picture for name, picture in drawings().items() if min(picture.shape[:2]) > 200}
    made["photograph"] = levels(photograph * 255)
    made["noise"] = noisy(photograph * 255, 25)
    file = io.BytesIO()
    PillowImage.fromarray(levels(photograph * 255)).save(file, "JPEG", quality=10)
    made["JPEG"] = np.asarray(PillowImage.open(file))
    made["page"] = levels(page(11, 255, 0))
    made["chessboard"] = np.uint8(200) * ((down // 8 + right // 8) % 2).astype(np.uint8)[..., None]
    made["grid"] = np.where((down % 8 < 2) | (right % 8 < 2), 60, 220).astype(np.uint8)[..., None]
    bricks = ((down % 24) < 3) | (((right + 24 * (down // 24 % 2)) % 48) < 3)
    made["bricks"] = np.where(bricks, 200, 120).astype(np.uint8)[..., None]
    threads = np.sin(2 * np.pi * (right + 3 * np.sin(down / 40)) / 5.5) * np.sin(2 * np.pi * (down + 4 * np.sin(right / 50)) / 5.2)
    made["cloth"] = levels(128 + 50 * threads)[..., None]
    for name, picture in made.items():
        assert pellucid.inspect(np.squeeze(picture)).halftone == 0, name
    # Nothing to take away is nothing done.
    page_of_text = np.squeeze(made["page"])
    assert (pellucid.restore(page_of_text, descreen=True) == page_of_text).all()
    assert halftone.lattice([np.zeros((64, 64, 1), np.float32)]) is None


@pytest.mark.parametrize("angle", [0, 7, 30, 45])
@pytest.mark.parametrize("pattern", ["check", "grid", "weave"])
def test_what_is_woven_under_uneven_light_is_no_print(pattern: str, angle: float) -> None:
    down, right = np.mgrid[:256, :320].astype(np.float64)
    turn, pitch = np.deg2rad(angle), {"check": 6, "grid": 9.5, "weave": 5}[pattern]
    along, across = np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right
    one, other = (np.clip(pitch * (np.abs(axis / pitch % 1 - 0.5) - 0.25) + 0.5, 0, 1) for axis in (along, across))
    pattern_ = {"check": (one + other) / 2, "grid": np.minimum(one, other), "weave": one * other + (1 - one) * (1 - other)}[pattern]
    light = 1 + 0.4 * np.sin(down / 70) * np.cos(right / 90)
    clean = (60 + 120 * pattern_) * light
    given = noisy(clean, 12)
    found = pellucid.inspect(given)
    assert (found.kind, found.halftone) == ("gaussian", 0)
    assert found.sigma == pytest.approx(12, rel=0.1)
    before, after = (np.square(clean - pixels).mean() for pixels in (given, pellucid.restore(given)))
    assert after < before / 1.3


def screened(tint: NDArray[np.float64], pitch: float, angle: float) -> NDArray[np.float64]:
    """A print of such a share of ink (h, w), 30 on 230, in a screen of round dots."""
    down, right = np.mgrid[: tint.shape[0], : tint.shape[1]].astype(np.float64)
    turn = np.deg2rad(angle)
    waves = [
        np.cos(2 * np.pi * axis / pitch)
        for axis in (np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right)
    ]
    height = (waves[0] + waves[1]) / 4 + 0.5
    least = np.quantile(height, np.linspace(0, 1, 257))
    return 230 - 200 * np.clip(6 * (height - np.interp(1 - tint, np.linspace(0, 1, 257), least)) + 0.5, 0, 1)


@pytest.mark.parametrize("angle", [15, 45])
def test_a_print_in_colours_is_one_whichever_of_its_inks_is_even(angle: float) -> None:
    down, right = np.mgrid[:256, :320]
    graded = 0.2 + 0.5 * (down + right) / 576
    for even in range(3):
        tints = [
            np.full(graded.shape, 0.5) if channel == even else graded[::-1] if channel == 2 else graded for channel in range(3)
        ]
        given = noisy(np.stack([screened(tint, 6, angle) for tint in tints], axis=2), 3)
        found = pellucid.inspect(given)
        assert (found.kind, found.halftone) == ("halftone", pytest.approx(6, rel=0.03))


@pytest.mark.parametrize("tint", [0.15, 0.3, 0.7, 0.85])
@pytest.mark.parametrize("angle", [15, 45])
def test_an_even_tint_of_small_dots_is_a_print(angle: float, tint: float) -> None:
    found = pellucid.inspect(noisy(screened(np.full((256, 320), tint), 6, angle), 6))
    assert (found.kind, found.halftone) == ("halftone", pytest.approx(6, rel=0.03))


def test_an_even_tint_near_a_half_is_a_print_to_whoever_says_so() -> None:
    given = noisy(screened(np.full((192, 256), 0.45), 6, 45), 3)
    assert pellucid.inspect(given).halftone == 0
    assert pellucid.restore(given, descreen=True).std() < given.std() / 8


@pytest.mark.parametrize("angle", [7, 30, 45])
@pytest.mark.parametrize("pattern", ["check", "weave", "wall"])
def test_what_is_woven_in_even_light_is_no_print(pattern: str, angle: float) -> None:
    down, right = np.mgrid[:256, :320].astype(np.float64)
    turn, pitch = np.deg2rad(angle), 6
    along, across = np.cos(turn) * right + np.sin(turn) * down, np.cos(turn) * down - np.sin(turn) * right
    wide = 0.15 if pattern == "wall" else 0.25
    one, other = (np.clip(pitch * (np.abs(axis / pitch % 1 - 0.5) - wide) + 0.5, 0, 1) for axis in (along, across))
    clean = {"check": (one + other) / 2, "weave": one * other + (1 - one) * (1 - other), "wall": one * other}[pattern]
    assert pellucid.inspect(noisy(60 + 120 * clean, 8)).halftone == 0
