from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

import pellucid
from pellucid import degradations, diagnosis, images
from pellucid.diagnosis import estimator, fine, jpeg, neighbours, noise, photons, sampling
from pellucid.errors import ImageError
from pellucid.maps import Curve


def spoiled(clean: NDArray[np.float64], noise: str, seed: int = 0) -> NDArray[np.float32]:
    return degradations.parse(noise)(clean, np.random.default_rng(seed))


@pytest.mark.parametrize("sigma", [3, 5, 15, 25, 50, 75])
def test_finds_the_level_in_a_textured_photograph(photograph: NDArray[np.float64], sigma: float) -> None:
    for clean in (photograph, photograph[..., :1]):
        found = diagnosis.inspect(spoiled(clean, f"gaussian:{sigma}"))
        assert found.kind == "gaussian"
        assert found.gaussian_sigma == pytest.approx(sigma, rel=0.06, abs=0.5)
        assert found.sigma == pytest.approx(found.gaussian_sigma)
        assert "Gaussian" in str(found)


def test_eight_bits_and_clipping_change_little(photograph: NDArray[np.float64]) -> None:
    levels = np.rint(spoiled(photograph, "gaussian:25:clip") * 255) / np.float32(255)
    assert diagnosis.inspect(levels.astype(np.float32)).gaussian_sigma == pytest.approx(25, rel=0.12)


def test_a_clean_picture_is_called_clean(photograph: NDArray[np.float64]) -> None:
    for clean in (photograph, photograph[..., :1]):
        found = diagnosis.inspect(clean.astype(np.float32))
        assert found.kind == "clean"
        assert found.sigma == 0
        assert "no noise" in str(found)
    assert diagnosis.inspect(np.full((64, 64, 3), 0.5, np.float32)).kind == "clean"


@pytest.mark.parametrize(("noise", "kind"), [("poisson:30", "poisson"), ("speckle:0.05", "speckle")])
def test_noise_that_follows_the_signal_is_told_by_intensity(photograph: NDArray[np.float64], noise: str, kind: str) -> None:
    found = diagnosis.inspect(spoiled(photograph, noise))
    assert found.kind == kind
    if kind == "poisson":
        assert found.poisson_gain == pytest.approx(1 / 30, rel=0.35)
        assert "photons at white" in str(found)
    else:
        assert found.speckle == pytest.approx(0.05, rel=0.4)
    levels = found.sigma_map(spoiled(photograph, noise))
    assert levels.shape == photograph.shape[:2]
    light = photograph.mean(axis=2)
    assert levels[light > np.quantile(light, 0.9)].mean() > 1.3 * levels[light < np.quantile(light, 0.1)].mean()


@pytest.mark.parametrize("levels", [9, 17])
def test_impulses_on_few_evenly_spaced_values_are_no_photons(photograph: NDArray[np.float64], levels: int) -> None:
    # Impulses are black in the light, too, where counts hardly ever are.
    rng = np.random.default_rng(0)
    few = np.floor(photograph[:256, :256].mean(axis=2) * (levels - 1) + rng.random((256, 256))) / (levels - 1)
    struck = rng.random(few.shape) < 0.1
    few[struck] = rng.integers(0, 2, int(struck.sum()))
    found = diagnosis.inspect(few[..., None].astype(np.float32))
    assert found.kind == "salt-pepper"


@pytest.mark.parametrize("peak", [2, 4, 8])
def test_counts_of_few_photons_are_photons_where_they_fill_the_range(photograph: NDArray[np.float64], peak: int) -> None:
    gray = photograph[:256, :256].mean(axis=2)
    for light in (gray, gray / gray.max(), 1 - gray):
        counted = np.random.default_rng(0).poisson(light * peak) / np.float32(peak)
        # In floats counts may be beyond white.
        for values in (np.minimum(counted, 1), counted):
            found = diagnosis.inspect(values[..., None].astype(np.float32))
            assert (found.kind, found.poisson_gain) == ("poisson", pytest.approx(1 / peak, rel=0.01))


@pytest.mark.parametrize("peak", [4, 6])
def test_counts_of_few_photons_are_no_impulses_in_eight_bits_either(photograph: NDArray[np.float64], peak: int) -> None:
    for clean in (photograph, photograph[..., 1:2], photograph / 2):
        levels = np.rint(spoiled(clean, f"poisson:{peak}:clip") * 255).astype(np.float32) / np.float32(255)
        found = diagnosis.inspect(levels)
        assert found.kind in ("poisson", "speckle", "gaussian")
        expected = 255 * np.sqrt(np.minimum(clean, 1).mean() / peak)
        assert found.sigma_map(levels).mean() == pytest.approx(expected, rel=0.35)


def test_values_are_counts_where_they_are_few_and_evenly_apart() -> None:
    rng = np.random.default_rng(0)
    counted = np.minimum(rng.poisson(1.5, (64, 64, 3)) / 5, 1).astype(np.float32)
    assert photons.step([counted]) == pytest.approx(0.2)
    assert photons.step([np.rint(counted * 255).astype(np.float32) / np.float32(255)]) == pytest.approx(0.2, abs=0.002)
    gaps = rng.choice(np.array([0, 1, 2, 3, 4, 5, 7, 10], np.float32) / 4, (64, 64, 1))
    assert photons.step([gaps]) == pytest.approx(0.25)
    palette = rng.choice(np.array([0, 0.1, 0.4, 0.45, 1], np.float32), (64, 64, 1))
    near = rng.choice(np.array([3, 4, 6, 7, 9], np.float32), (64, 64, 1)) / np.float32(255)
    dark = np.rint(np.clip(rng.normal(12, 2, (64, 64, 1)), 0, 255)).astype(np.float32) / np.float32(255)
    for other in (palette, near, dark, rng.random((64, 64, 1)).astype(np.float32)):
        assert photons.step([other]) == 0


@pytest.mark.parametrize("peak", [1, 2, 5, 20])
def test_counts_vary_as_counts_do(photograph: NDArray[np.float64], peak: int) -> None:
    counted = np.rint(spoiled(photograph, f"poisson:{peak}:clip") * 255).astype(np.float32) / np.float32(255)
    found = diagnosis.inspect(counted)
    assert found.kind == "poisson"
    assert found.poisson_gain == pytest.approx(1 / peak, rel=0.01)
    assert found.clipping is not None
    assert (found.clipping.low, found.clipping.high) == (False, True)


def test_ink_and_dithering_are_no_counts(photograph: NDArray[np.float64]) -> None:
    gray = PillowImage.fromarray(np.rint(photograph[..., 0] * 255).astype(np.uint8))
    dithered = np.asarray(gray.convert("1"), dtype=np.float32)[..., None]
    ink = (photograph[..., :1] > 0.5).astype(np.float32)
    for values in (dithered, ink):
        assert photons.step([values]) == 1
        assert not photons.counted([values], 1)
        assert diagnosis.inspect(values).kind != "poisson"


def test_the_median_of_eight() -> None:
    # Networks that sort every row of zeros and ones sort all.
    rows = np.array([[number >> bit & 1 for number in range(256)] for bit in range(8)], np.float32)
    np.testing.assert_array_equal(neighbours.median(list(rows)), np.median(rows, axis=0))
    some = np.random.default_rng(0).random((8, 30, 40)).astype(np.float32)
    np.testing.assert_array_equal(neighbours.median(list(some)), np.median(some, axis=0))


@pytest.mark.parametrize("count", [0, 1, 63, 64, 100, 1024, 2100])
def test_energies_are_those_of_the_cosine_transform(count: int) -> None:
    values = np.random.default_rng(count).random((count, 64)).astype(np.float32) * 255
    order = np.add.outer(np.arange(8), np.arange(8)).ravel()
    expected = np.square(values.astype(np.float64) @ sampling.transform.T)
    found = sampling.Blocks(values)
    assert found.energies.shape == (64, count)
    for low, high in ((0, 0), (1, 4), (5, 8), (10, 14), (0, 14)):
        wanted = (order >= low) & (order <= high)
        assert sampling.between(low, high).stop - sampling.between(low, high).start == wanted.sum()
        np.testing.assert_allclose(found.busy(low, high), expected[:, wanted].sum(axis=1), rtol=1e-4, atol=0.5)


def test_a_curve_that_nobody_hears_is_texture(photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = spoiled(photograph, "gaussian:5")
    bent = Curve(speckle=0.008)
    monkeypatch.setattr(noise, "curve", lambda blocks, sigma: bent)
    monkeypatch.setattr(noise, "even_curve", lambda blocks, sigma: None)
    assert fine.mean_level(bent, sampling.blocks([noisy])) > 7.5
    found = diagnosis.inspect(noisy)
    assert found.kind == "gaussian"
    assert found.sigma == pytest.approx(5, rel=0.1)
    # Where the noise follows the light, calm blocks show less noise than the network estimates.
    monkeypatch.setattr(noise, "white_sigma", lambda blocks: 2.0)
    assert diagnosis.inspect(noisy).kind == "speckle"


def test_what_comes_out_too_faint_is_clean(photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator, "answer", lambda weights, seen: estimator.Estimate(0.85, 0.0, 0.0))
    monkeypatch.setattr(noise, "curve", lambda blocks, sigma: Curve(sigma / 255))
    for calm, kind in ((0.6, "clean"), (2.0, "gaussian")):
        monkeypatch.setattr(noise, "white_sigma", lambda blocks, calm=calm: calm)
        assert diagnosis.inspect(photograph.astype(np.float32)).kind == kind


@pytest.mark.parametrize("density", [0.1, 0.2])
@pytest.mark.parametrize("before", ["gaussian:10", "gaussian:20:clip"])
def test_impulses_of_any_value_are_seen_on_top_of_noise(photograph: NDArray[np.float64], density: float, before: str) -> None:
    for clean in (photograph, photograph[..., :1]):
        found = diagnosis.inspect(spoiled(clean, f"{before}+impulses:{density}"))
        assert found.kind == "impulses"
        assert found.impulse_density == pytest.approx(density, rel=0.3)
        assert found.sigma == pytest.approx(degradations.parse(before).sigma, rel=0.3)


@pytest.mark.parametrize("noise", ["gaussian:15", "gaussian:25"])
def test_letters_are_no_impulses(noise: str) -> None:
    page = PillowImage.new("L", (400, 300), 230)
    for line in range(18):
        words = " ".join(["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog"][line % 5 :] * 3)
        ImageDraw.Draw(page).text((8, 8 + 16 * line), words, fill=30, font=ImageFont.load_default(13))
    found = diagnosis.inspect(spoiled(np.asarray(page)[..., None] / 255, noise))
    assert found.kind == "gaussian"
    assert found.sigma == pytest.approx(degradations.parse(noise).sigma, rel=0.2)


def test_counts_of_few_photons_are_no_few_colours(photograph: NDArray[np.float64]) -> None:
    # Whatever they are taken for, there is noise between black and white: without it, next to nothing would be taken away.
    clean = 0.6 * photograph[120:376, 150:470, 1:2]
    noisy = np.rint(255 * np.asarray(degradations.parse("poisson:4:clip")(clean, np.random.default_rng(0)))) / 255
    found = diagnosis.inspect(noisy.astype(np.float32))
    assert 255 * np.sqrt(float(found.curve.variance(np.array([clean.mean()]))[0])) > 30


@pytest.mark.parametrize("density", [0.05, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("before", ["", "gaussian:20+", "gaussian:20:clip+"])
def test_salt_and_pepper_is_counted(photograph: NDArray[np.float64], density: float, before: str) -> None:
    for clean in (photograph, photograph[..., :1]):
        found = diagnosis.inspect(spoiled(clean, f"{before}salt-pepper:{density}"))
        assert found.kind == "salt-pepper"
        assert found.impulse_density == pytest.approx(density, abs=0.02)
        if not before:
            assert found.gaussian_sigma == 0
        elif density <= 0.3:
            assert found.gaussian_sigma == pytest.approx(20, rel=0.3)


@pytest.mark.parametrize(("density", "within"), [(0.1, 0.04), (0.3, 0.12)])
@pytest.mark.parametrize("sigma", [10, 25])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_level_under_impulses_is_measured(sigma: float, density: float, within: float, channels: int) -> None:
    # Nothing but noise: what is off is the measurement's own bias.
    rng = np.random.default_rng(0)
    noisy = np.clip(0.5 + rng.normal(0, sigma / 255, (400, 600, channels)), 0, 1)
    hit = rng.random((400, 600)) < density
    struck = np.where(hit[..., None], rng.random(noisy.shape), noisy).astype(np.float32)
    assert noise.sparse_sigma([struck], [~hit]) == pytest.approx(sigma, rel=0.03)
    assert noise.struck_sigma([struck], density) == pytest.approx(sigma, rel=within)


def test_too_few_cells_tell_no_level_under_impulses() -> None:
    part = np.random.default_rng(0).random((48, 70, 1), dtype=np.float32)
    assert noise.struck_sigma([part], 0.1) == 0
    assert noise.sparse_sigma([part], [np.ones((48, 70), dtype=bool)]) == 0


@pytest.mark.parametrize("density", [0.55, 0.9, 1.0])
def test_of_mostly_impulses_no_level_is_told(density: float) -> None:
    part = np.random.default_rng(0).random((300, 200, 3), dtype=np.float32)
    assert noise.struck_sigma([part], density) == 0
    # Pixels of any value alike, wherever they come from.
    assert 0 <= diagnosis.inspect(part).sigma < 255


@pytest.mark.parametrize("density", [0.1, 0.3])
def test_impulses_of_any_value_are_counted(photograph: NDArray[np.float64], density: float) -> None:
    found = diagnosis.inspect(spoiled(photograph, f"impulses:{density}"))
    assert found.kind == "impulses"
    assert found.impulse_density == pytest.approx(density, abs=0.05)


@pytest.mark.parametrize("noise", ["clean", "gaussian:75:clip", "poisson:4", "poisson:4:clip", "jpeg:10"])
def test_what_is_no_salt_and_pepper_is_not_taken_for_it(photograph: NDArray[np.float64], noise: str) -> None:
    picture = photograph.astype(np.float32) if noise == "clean" else spoiled(photograph, noise)
    assert diagnosis.inspect(picture).kind != "salt-pepper"
    # A page of print: black and white everywhere, and none of it by chance.
    page = np.repeat(np.repeat(np.random.default_rng(0).integers(0, 2, (60, 60, 1)), 5, axis=0), 5, axis=1)
    assert diagnosis.inspect(page.astype(np.float32)).impulse_density == 0


@pytest.mark.parametrize("quality", [10, 20, 40, 60, 75, 85])
def test_the_quality_of_a_jpeg_is_read_from_its_steps(photograph: NDArray[np.float64], quality: int) -> None:
    picture = spoiled(photograph, f"jpeg:{quality}")
    found = diagnosis.inspect(picture)
    assert found.jpeg_quality == pytest.approx(quality, abs=2)
    # Where the grid lies is no matter.
    assert diagnosis.inspect(picture[3:, 5:]).jpeg_quality == pytest.approx(quality, abs=2)
    assert jpeg.grid([picture[3:, 5:]])[0] == (5, 3)


def test_correlated_noise_is_told_from_white(photograph: NDArray[np.float64]) -> None:
    for text in ("grain:12", "camera:0.003"):
        found = diagnosis.inspect(spoiled(photograph, text))
        assert found.kind == "correlated"
        assert found.correlation_length > 0.5
        assert 4 < found.correlated < 25


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (16, 16), (40, 17), (20, 3000), (3000, 20)])
def test_any_size_answers(size: tuple[int, int]) -> None:
    for channels in (1, 3):
        found = diagnosis.inspect(spoiled(np.full((*size, channels), 0.5), "gaussian:25"))
        assert found.kind in diagnosis.KINDS
        assert np.isfinite(found.sigma)
        if min(size) < 16:
            assert found.kind == "clean"
            assert found.sure == 0


def test_a_large_picture_is_seen_through_windows_on_the_grid() -> None:
    windows = diagnosis.windows(4000, 6000)
    assert 50 < len(windows) <= sampling.WINDOWS
    assert all(window.top % 8 == 0 and window.left % 8 == 0 for window in windows)
    assert all(window.top + window.height <= 4000 and window.left + window.width <= 6000 for window in windows)
    assert windows[0].top == windows[0].left == 0
    assert diagnosis.windows(600, 600) == [sampling.Window(0, 0, 600, 600)]


def test_windows_tell_what_the_whole_tells(photograph: NDArray[np.float64]) -> None:
    large = np.tile(photograph, (4, 4, 1))
    assert diagnosis.inspect(spoiled(large, "gaussian:15")).gaussian_sigma == pytest.approx(15, rel=0.05)
    assert diagnosis.inspect(spoiled(large, "jpeg:30")).jpeg_quality == pytest.approx(30, abs=2)


def test_plain_data(photograph: NDArray[np.float64]) -> None:
    found = diagnosis.inspect(spoiled(photograph, "gaussian:25")).to_dict()
    assert set(found) == {
        "kind",
        "gaussian_sigma",
        "poisson_gain",
        "speckle",
        "impulse_density",
        "jpeg_quality",
        "correlated",
        "correlation_length",
        "clipped",
        "rows",
        "columns",
        "blotches",
        "halftone",
        "repeated",
        "enlarged",
        "sure",
    }


def test_the_packages_own_door(photograph: NDArray[np.float64]) -> None:
    import pellucid

    noisy = (np.clip(spoiled(photograph, "gaussian:25"), 0, 1) * 255).astype(np.uint8)
    assert pellucid.inspect(noisy).gaussian_sigma == pytest.approx(25, rel=0.1)
    assert pellucid.inspect(noisy) == diagnosis.inspect(images.from_array(noisy).pixels)
    with pytest.raises(ImageError):
        pellucid.inspect(np.zeros(3))


@pytest.mark.parametrize("factor", [2, 3, 4, 6])
def test_a_picture_made_larger_by_repeating_its_pixels_is_drawn(factor: int, photograph: NDArray[np.float64]) -> None:
    levels = (np.rint(photograph[:120, :180] * 255) // 8 * 8).astype(np.uint8)
    large = np.repeat(np.repeat(levels, factor, axis=0), factor, axis=1)
    for picture in (large, large[..., 0], large[1:, 1:]):
        assert diagnosis.inspect(images.from_array(picture).pixels).kind == "clean"
    # Whatever the phase, but not where noise came afterwards.
    noisy = np.clip(large + np.random.default_rng(0).normal(0, 15, large.shape), 0, 255).astype(np.uint8)
    assert diagnosis.inspect(images.from_array(noisy).pixels).kind == "gaussian"


# Rows of sky, and a label that was laid over the picture: where, and how large.
SKIES = {"two thirds": (253, None), "label": (253, (256, 64, 64)), "half": (192, None), "half, label": (192, (300, 236, 84))}


@pytest.mark.parametrize("sky", SKIES)
def test_noise_is_seen_beside_a_bright_sky_however_large(sky: str, photograph: NDArray[np.float64]) -> None:
    rows, label = SKIES[sky]
    clean = photograph[:384, :320] * 0.7 + 0.05
    clean[:rows] = np.linspace(0.94, 0.98, rows)[:, None, None]
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    noise += (np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) / 2
    noise *= 6 / 255 / noise.std()
    # A tone curve leaves next to none in the light.
    noise[:rows] *= 0.08
    if label is not None:
        top, left, side = label
        clean[top : top + side, left : left + side], noise[top : top + side, left : left + side] = 0.5, 0
    given = (np.rint(255 * np.clip(clean + noise, 0, 1)) / 255).astype(np.float32)
    found = diagnosis.inspect(given)
    assert (found.kind, found.correlated) == ("correlated", pytest.approx(6, rel=0.3))
    off = [float(np.square(pixels - clean).mean()) for pixels in (given, pellucid.restore(given))]
    assert off[1] < off[0] / 1.2
    assert diagnosis.inspect((np.rint(255 * clean) / 255).astype(np.float32)).kind == "clean"


@pytest.mark.parametrize(("level", "width", "channels"), [(8, 1.7, 3), (10, 2, 3), (8, 2, 1)])
def test_noise_of_two_pixels_and_more_in_width_is_found(
    photograph: NDArray[np.float64], level: float, width: float, channels: int
) -> None:
    clean = 0.15 + 0.7 * photograph[..., :channels]
    noise = np.random.default_rng(0).standard_normal(clean.shape)
    away = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, clean.shape[:2]), indexing="ij"))
    window = np.exp(-2 * np.square(np.pi * width * away))[..., None]
    noise = np.fft.ifft2(np.fft.fft2(noise, axes=(0, 1)) * window, axes=(0, 1)).real
    noise *= level / 255 / noise.std()
    given = (np.rint(255 * np.clip(clean + noise, 0, 1)) / 255).astype(np.float32)
    found = diagnosis.inspect(given)
    assert (found.kind, found.correlated) == ("correlated", pytest.approx(level, rel=0.5))
    off = [float(np.square(pixels - clean).mean()) for pixels in (given, pellucid.load("photo-fast").restore(given))]
    assert off[1] < off[0] / 1.12
    assert diagnosis.inspect((np.rint(255 * clean) / 255).astype(np.float32)).kind == "clean"


@pytest.mark.parametrize("kind", ["blobs", "ridges"])
def test_soft_structure_is_no_noise_of_two_pixels_in_width(kind: str) -> None:
    rng, (height, width) = np.random.default_rng(1), (520, 560)
    away = np.hypot(*np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij"))

    def soft(share: float, wide: float) -> NDArray[np.float64]:
        points = (rng.random((height, width)) < share) * rng.uniform(0.3, 1, (height, width))
        plane = np.fft.ifft2(np.fft.fft2(points) * np.exp(-2 * np.square(np.pi * wide * away))).real
        return np.asarray(plane / plane.max())

    rows, columns = np.mgrid[:height, :width]
    if kind == "blobs":
        planes = [220 * soft(share, wide) for share, wide in ((0.01, 3.5), (0.003, 4.5), (0.05, 4.5))]
    else:
        bends = 60 * soft(0.02, 30)
        planes = [
            128 + high * np.sin(2 * np.pi * (columns + 0.4 * rows) / apart + bends)
            for apart, high in ((14, 60), (14, 25), (18, 60))
        ]
    for plane in planes:
        assert pellucid.inspect(np.clip(plane, 0, 255).astype(np.uint8)).kind == "clean"


def test_dark_places_do_not_hide_the_level_of_shrunk_noise() -> None:
    shrunk = np.random.default_rng(0).normal(0, 6, (300, 400))
    shrunk = 0.8 * shrunk + 0.1 * (np.roll(shrunk, 1, 0) + np.roll(shrunk, 1, 1))
    light = np.full(shrunk.shape, 110.0)
    light[:100] = 8
    shrunk[:100] /= 2
    blocks = sampling.blocks([((light + shrunk)[..., None] / 255).astype(np.float32)])
    assert noise.resampled(blocks).level == pytest.approx(float(shrunk[100:].std()), rel=0.08)


def test_noise_in_brightness_counts_where_that_in_colours_was_smoothed(
    photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The networks answered so in one of eight photographs that a camera took and somebody made smaller.
    def answered(weights: estimator.Weights, seen: NDArray[np.float32]) -> estimator.Estimate:
        # Gray has the independence -1.
        return estimator.Estimate(5.4, 0.0, 0.0) if seen[20] == -1 else estimator.Estimate(0.7, 1.3, 0.0)

    monkeypatch.setattr(estimator, "answer", answered)
    rng = np.random.default_rng(0)
    bright = 5 / 255 * rng.standard_normal((*photograph.shape[:2], 1))
    smooth = 3 / 255 * rng.standard_normal(photograph.shape)
    smooth += np.roll(smooth, 1, 0) + np.roll(smooth, 1, 1)
    found = fine.measured([(photograph + bright + smooth).astype(np.float32)])
    assert (found.kind, found.correlated) == ("correlated", pytest.approx(5.4))
    # Detail that all channels have may be texture.
    assert fine.measured([(photograph + bright).astype(np.float32)]).correlated != pytest.approx(5.4)


def test_the_differences_of_channels_have_a_floor_where_there_is_noise() -> None:
    rng = np.random.default_rng(0)
    texture = rng.normal(0, 25, (8, 64, 64, 1)) * rng.random((8, 8, 8, 1)).repeat(8, 1).repeat(8, 2) ** 2
    own = rng.normal(0, 6, (8, 64, 64, 3))
    places = [np.rint(110 + each).astype(np.float32) / np.float32(255) for each in texture + own]
    assert fine._own(places) == pytest.approx(6, rel=0.25)
    bare = [np.rint(110 + np.repeat(each, 3, axis=2)).astype(np.float32) / np.float32(255) for each in texture]
    assert fine._own(bare) < fine.LEAST_OWN
    assert fine._own([*places[:4], *bare[:4]]) < fine.LEAST_OWN
    assert fine._own([place[..., :1] for place in places]) == 0
