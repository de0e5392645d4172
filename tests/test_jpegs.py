"""JPEGs that were cut, turned or saved twice, and drawings that were saved as JPEG: found by their coefficients, and mended."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy import ndimage

import pellucid
from pellucid import samples
from pellucid.diagnosis import Diagnosis, believing, jpeg, squared
from pellucid.quantised import Quantised

Levels = NDArray[np.uint8]

SIZE = 128


def levels(values: NDArray[Any]) -> Levels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def as_jpeg(clean: Levels, quality: int, **settings: Any) -> Levels:
    file = io.BytesIO()
    PillowImage.fromarray(clean.squeeze()).save(file, "JPEG", quality=quality, **settings)
    return np.asarray(PillowImage.open(file)).reshape(clean.shape)


def part(pixels: Levels) -> NDArray[np.float32]:
    return pixels.astype(np.float32) / np.float32(255)


def psnr(clean: Levels, other: Levels) -> float:
    return -10 * float(np.log10(np.square((clean - other.astype(np.float64)) / 255).mean() + 1e-12))


def gain(restorer: pellucid.Restorer, clean: Levels, given: Levels) -> float:
    output = restorer.restore(np.ascontiguousarray(given.squeeze())).reshape(clean.shape)
    return psnr(clean, output) - psnr(clean, given)


def squares(side: int, colours: int, channels: int, *, contrast: float = 1.0) -> Levels:
    """Squares of so many colours, which begin anywhere."""
    rng = np.random.default_rng(100 * side + colours + channels)
    palette = 128 + contrast * (rng.integers(30, 226, (colours, channels)) - 128)
    down, right = (np.arange(SIZE) + rng.integers(0, side) for _ in range(2))
    return levels(palette[rng.integers(0, colours, (SIZE, SIZE))[down // side][:, right // side]])


def sprites(side: int, colours: int, channels: int) -> Levels:
    """Mirrored figures of a few pixels, each ``side`` pixels large, on even ground."""
    rng = np.random.default_rng(side)
    count = SIZE // side
    chosen = np.zeros((count + 16, count + 16), np.intp)
    for _ in range(count * count // 120):
        half = rng.integers(0, colours, (10, 5)) * (rng.random((10, 5)) < 0.8)
        top, left = rng.integers(0, count, 2)
        chosen[top : top + 10, left : left + 10] = np.concatenate([half, half[:, ::-1]], axis=1)
    palette = rng.integers(0, 256, (colours, channels))
    return levels(palette[chosen.repeat(side, 0).repeat(side, 1)[:SIZE, :SIZE]])


@pytest.fixture(scope="module")
def fast() -> pellucid.Restorer:
    return pellucid.load("photo-fast")


# -- where the blocks lie ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [10, 40, 75, 92])
def test_blocks_and_steps_are_found_wherever_they_lie(quality: int, channels: int) -> None:
    given = as_jpeg(samples.photograph()[:200, :232, :channels], quality)
    for top, left in ((0, 0), (3, 5), (7, 1), (0, 4)):
        cut = given[top:, left:]
        down, right = -top % 8, -left % 8
        found = jpeg.found([part(cut)])
        assert found is not None
        assert (found.top, found.left, found.turned) == (down, right, False)
        assert found.quality == pytest.approx(quality, abs=1)
        # Rows and columns exchanged, and with them the steps.
        assert jpeg.found([part(cut.swapaxes(0, 1))]) == Quantised(found.quality, right, down, turned=True)
        assert jpeg.found([part(np.flipud(cut))]) == Quantised(found.quality, (len(cut) - down) % 8, right)


def test_what_was_no_jpeg_has_no_blocks() -> None:
    photograph = samples.photograph()
    noisy = levels(photograph + np.random.default_rng(0).normal(0, 10, photograph.shape))
    enlarged = np.asarray(PillowImage.fromarray(as_jpeg(photograph, 60)).resize((500, 380), PillowImage.Resampling.BICUBIC))
    for other in (
        photograph,
        noisy,
        enlarged,
        squares(4, 9, 3),
        squares(8, 4, 1),
        sprites(2, 9, 3),
        np.zeros((64, 64, 1), np.uint8),
    ):
        assert jpeg.found([part(other)]) is None
        assert pellucid.inspect(other).quantised is None
    assert jpeg.found([part(photograph[:9, :9])]) is None


@pytest.mark.parametrize("quality", [40, 85])
def test_a_jpeg_that_was_cut_or_turned_gains_as_much(fast: pellucid.Restorer, quality: int) -> None:
    clean = samples.photograph()[:184, :216]
    given = as_jpeg(clean, quality)
    whole = gain(fast, clean, given)
    assert whole > 0.3
    ways = {
        "cut": lambda each: each[3:, 5:],
        "turned": np.rot90,
        "turned back": lambda each: np.rot90(each, 3),
        "mirrored and cut": lambda each: each[1:-2, ::-1],
    }
    for name, way in ways.items():
        assert gain(fast, way(clean), way(given)) == pytest.approx(whole, abs=0.1), name


def test_noise_under_a_jpeg_that_was_cut_is_taken_away_as_well(fast: pellucid.Restorer) -> None:
    clean = samples.photograph()[:240, :304]
    given = as_jpeg(levels(clean + np.random.default_rng(0).normal(0, 10, clean.shape)), 60)
    assert pellucid.inspect(given).kind == "correlated"
    assert gain(fast, clean[5:, 3:], given[5:, 3:]) > gain(fast, clean, given) - 0.3


@pytest.mark.parametrize("quality", [75, 90])
def test_noise_on_a_pattern_goes_farther_than_its_jpeg_lets_it(fast: pellucid.Restorer, quality: int) -> None:
    rows, columns = np.mgrid[:240, :320]
    plaid = np.repeat((90 + 60 * ((columns // 6) % 2) + 40 * ((rows // 9) % 2))[..., None], 3, axis=2)
    given = as_jpeg(levels(plaid + np.random.default_rng(4).normal(0, 6, plaid.shape)), quality)
    # Held to the roundings of the JPEG, or taken for smaller squares, it would gain 4 dB.
    assert gain(fast, levels(plaid), given) > 7


@pytest.mark.parametrize(
    "settings", [{"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"quality": 95}, {"quality": 70}], ids=str
)
def test_other_jpegs_are_never_worse(fast: pellucid.Restorer, settings: dict[str, Any]) -> None:
    clean = samples.photograph()[:200, :232]
    again = settings.pop("quality", None)
    given = as_jpeg(clean, 50, **settings)
    if again is not None:
        # Saved twice, on other blocks.
        clean, given = clean[3:, 6:], as_jpeg(np.ascontiguousarray(given[3:, 6:]), again)
    assert gain(fast, clean, given) > -0.1


# -- squares ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", range(2, 9))
@pytest.mark.parametrize("channels", [1, 3])
def test_squares_come_out_of_a_jpeg(fast: pellucid.Restorer, side: int, channels: int) -> None:
    for colours, quality in ((4, 90), (16, 30)):
        clean = squares(side, colours, channels)
        given = as_jpeg(clean, quality)
        # Colour, of which a quarter of the pixels was kept, does not come back.
        assert gain(fast, clean, given) > (5 if channels == 1 else 0.2)
        # Nothing to do, where nothing was done.
        assert (fast.restore(clean.squeeze()) == clean.squeeze()).all()


def test_squares_of_a_jpeg_keep_as_much_grain_as_is_asked_for(fast: pellucid.Restorer) -> None:
    given = as_jpeg(squares(6, 7, 1), 50)
    changes = [
        float(np.abs(fast.restore(given.squeeze(), keep_grain=keep) - given.squeeze().astype(float)).mean()) for keep in (0, 0.5, 1)
    ]
    assert changes[0] > 1.2 * changes[1] > 1.4 * changes[2]


def test_squares_of_strong_colours_come_out_of_a_jpeg(fast: pellucid.Restorer) -> None:
    rng = np.random.default_rng(5)
    colours = rng.integers(0, 256, (7, 3))
    clean = levels(colours[rng.integers(0, 7, (30, 30))].repeat(8, 0).repeat(8, 1)[2:226, 3:227])
    assert gain(fast, clean, as_jpeg(clean, 75)) > 2


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_sprites_are_no_worse(fast: pellucid.Restorer, quality: int) -> None:
    for side, channels in ((2, 3), (3, 1), (5, 3), (8, 1)):
        clean = sprites(side, 9, channels)
        assert gain(fast, clean, as_jpeg(clean, quality)) > -0.1


@pytest.mark.parametrize("side", [3, 4, 8])
def test_pale_squares_are_no_worse(fast: pellucid.Restorer, side: int) -> None:
    for quality, channels in ((60, 1), (60, 3), (85, 3)):
        clean = squares(side, 9, channels, contrast=0.4)
        assert gain(fast, clean, as_jpeg(clean, quality)) > -0.1


def test_squares_are_found_where_they_are() -> None:
    given = as_jpeg(squares(5, 9, 3), 75)
    found = pellucid.inspect(given[:, 2:])
    assert found.kind == "jpeg"
    assert found.quantised is not None
    assert found.quantised.squares is not None
    (height, top), (width, left) = found.quantised.squares
    assert (height, width) == (5, 5)
    assert "drawn in squares of 5x5 pixels" in str(found)
    down = np.abs(np.diff(given[:, 2:].astype(int), axis=0)).sum(axis=(1, 2))
    right = np.abs(np.diff(given[:, 2:].astype(int), axis=1)).sum(axis=(0, 2))
    for first, differences in ((top, down), (left, right)):
        assert (1 + int(np.argmax([differences[phase::5].mean() for phase in range(5)]))) % 5 == first


def test_noise_on_squares_and_photographs_are_no_squares() -> None:
    clean = squares(4, 9, 1)
    noisy = levels(clean + np.random.default_rng(0).normal(0, 12, clean.shape))
    photograph = samples.photograph()[:240, :304]
    for other in (noisy, photograph, levels(photograph + np.random.default_rng(0).normal(0, 15, photograph.shape))):
        for quality in (40, 85):
            blocks = jpeg.found([part(as_jpeg(other, quality))])
            assert blocks is not None
            assert squared.squared([part(as_jpeg(other, quality))], blocks) is None


def test_what_is_beside_squares_stays(fast: pellucid.Restorer) -> None:
    clean = squares(4, 9, 3)
    clean[96:, 80:] = samples.photograph()[40:72, 40:88]
    given = as_jpeg(clean, 75)
    output = fast.restore(given)
    assert psnr(clean[96:, 80:], output[96:, 80:]) > psnr(clean[96:, 80:], given[96:, 80:]) - 0.1
    assert psnr(clean, output) > psnr(clean, given) + 0.2


@pytest.mark.parametrize("channels", [1, 3])
def test_a_piece_of_squares_gets_what_it_has_in_the_whole(channels: int) -> None:
    planes = part(as_jpeg(squares(6, 9, channels), 60)).transpose(2, 0, 1)
    blocks = Quantised(60, squares=((6, 1), (6, 4)))
    whole = blocks.evened(planes)
    piece = blocks.evened(np.ascontiguousarray(planes[:, 19:, 13:]), 19, 13)
    assert np.abs(piece[:, 48:-48, 48:-48] - whole[:, 19 + 48 : -48, 13 + 48 : -48]).max() < 1e-5


def test_noise_under_the_jpeg_of_a_photograph_that_comes_again_is_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    # Windows and fences: nothing but their colours, which are many, tells them from drawings.
    blocks = jpeg.found([part(as_jpeg(samples.photograph()[:256, :256], 85))])
    assert blocks is not None
    noisy = Diagnosis("correlated", correlated=2.0, quantised=blocks)
    monkeypatch.setattr(believing, "_believed", lambda detail, found: found)
    for few, kind in ((None, "correlated"), (object(), "jpeg")):
        detail: Any = SimpleNamespace(fine=False, pattern=True, few=few)
        assert believing.believed(detail, noisy).kind == kind


@pytest.mark.parametrize("quality", [8, 10])
@pytest.mark.parametrize("blurred", [4, 6])
def test_soft_photographs_of_low_quality_are_no_drawings(photograph: NDArray[np.float64], blurred: float, quality: int) -> None:
    """Most of their blocks have one value, so that they have few exact values, as drawings do."""
    soft = ndimage.gaussian_filter(255 * photograph.mean(axis=2), blurred)
    soft[100:300, 200:400] = 255 * photograph[100:300, 200:400].mean(axis=2)
    given = as_jpeg(levels(soft)[..., None], quality)
    found = pellucid.inspect(part(given))
    assert (found.kind, found.jpeg_quality) == ("jpeg", quality)
