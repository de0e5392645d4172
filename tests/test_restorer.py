"""The one door: any shape and dtype, alpha, strength, families, tiles, threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pellucid
from pellucid import degradations, files, images, metrics, restorer, tiling
from pellucid.diagnosis import gain
from pellucid.errors import EngineError, ImageError, ModelError, OptionError, PellucidError
from pellucid.tasks import DenoiseSettings, denoise
from pellucid.views import View


@pytest.fixture(scope="module")
def photo() -> restorer.Restorer:
    return restorer.load("photo")


@pytest.fixture(scope="module")
def photograph(photograph: NDArray[np.float64]) -> NDArray[np.float64]:
    """As much of the package's photograph as these laws need, (240, 320, 3): each is one of the whole, and costs a third."""
    return photograph[80:320, 160:480]


def noisy_photograph(photograph: NDArray[np.float64], sigma: float = 25) -> NDArray[np.float64]:
    return photograph + np.random.default_rng(0).standard_normal(photograph.shape) * sigma / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(21, 34), (21, 34, 1), (21, 34, 3), (21, 34, 4), (1, 1), (1, 50, 3), (17, 2)])
def test_the_same_shape_and_dtype_come_back(photo: restorer.Restorer, shape: tuple[int, ...], dtype: type) -> None:
    top = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    array = (np.random.default_rng(0).random(shape) * top).astype(dtype)
    before = array.copy()
    answer = photo.restore(array, sigma=25)
    assert (answer.shape, answer.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(array, before)
    if len(shape) == 3 and shape[2] == 4:
        np.testing.assert_array_equal(answer[..., 3], array[..., 3])
    if np.dtype(dtype).kind == "f":
        assert answer.min() >= 0
        assert answer.max() <= 1


def test_noise_leaves_and_the_picture_stays(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    noisy = noisy_photograph(photograph)
    for clean, spoiled in ((photograph, noisy), (photograph[..., 1], noisy[..., 1])):
        for sigma in (25, None):
            answer = photo.restore(spoiled, sigma=sigma)
            gain = metrics.psnr(clean, answer, data_range=1) - metrics.psnr(clean, np.clip(spoiled, 0, 1), data_range=1)
            assert gain > 7.5


def test_a_clean_photograph_is_hardly_touched(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    levels = np.rint(photograph * 255).astype(np.uint8)
    answer = photo.restore(levels)
    assert np.abs(answer.astype(int) - levels).mean() < 1.2


def test_no_noise_means_no_change(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    levels = np.rint(photograph * 255).astype(np.uint8)
    for array in (levels, levels[..., 0]):
        np.testing.assert_array_equal(photo.restore(array, sigma=0), array)
    # However little there is, no pixel moves farther than it could have been moved.
    moved = np.abs(photo.restore(photograph, sigma=0.5) - photograph)
    assert moved.max() <= 4.5 * 0.5 / 255 + 1e-6


@pytest.mark.parametrize("sigma", [1, 2, 3, 5])
def test_faint_noise_leaves_and_texture_stays(photo: restorer.Restorer, photograph: NDArray[np.float64], sigma: int) -> None:
    gain = {1: 0.3, 2: 1.2, 3: 1.8, 5: 2.8}[sigma]
    for clean in (photograph, photograph.mean(axis=2)):
        noisy = (clean + np.random.default_rng(0).standard_normal(clean.shape) * sigma / 255).astype(np.float32)
        restored = photo.restore(noisy, sigma=sigma)
        before = metrics.psnr(clean, np.clip(noisy, 0, 1), data_range=1)
        assert metrics.psnr(clean, restored, data_range=1) > before + gain
        assert np.abs((restored - clean).mean(axis=(0, 1))).max() < 0.1 / 255


def test_no_more_is_taken_away_than_faint_noise_has(photo: restorer.Restorer) -> None:
    # The hardest case: texture that is noise, far stronger than the level that the model gets.
    texture = np.random.default_rng(1).random((96, 80)).astype(np.float32)
    taken = texture - photo.restore(texture, sigma=2)
    energy = np.square(taken)[8:-8, 8:-8]
    windows = np.lib.stride_tricks.sliding_window_view(energy, (17, 17)).mean(axis=(2, 3))
    assert windows.max() < 2 * (2 / 255) ** 2


def test_strength_blends(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    noisy = np.clip(noisy_photograph(photograph[:64, :64]), 0, 1)
    full = photo.restore(noisy, sigma=25)
    np.testing.assert_allclose(photo.restore(noisy, sigma=25, strength=0), noisy, atol=1e-6)
    np.testing.assert_allclose(photo.restore(noisy, sigma=25, strength=0.5), (noisy + full) / 2, atol=2e-3)


def test_noise_beyond_the_range_counts_whether_it_is_there_or_lost(photo: restorer.Restorer) -> None:
    # Noise around a dark gray averages to that gray; clipped noise averages to a lighter one. Both outputs must have the true gray.
    noise = np.random.default_rng(0).standard_normal((128, 128)) * 50 / 255
    for dark in (0.05, 0.15, 0.85):
        noisy = dark + noise
        clipped = np.rint(np.clip(noisy, 0, 1) * 255).astype(np.uint8)
        assert abs(clipped.mean() / 255 - dark) > 0.01
        assert photo.restore(noisy, sigma=50).mean() == pytest.approx(dark, abs=0.012)
        assert photo.restore(clipped, sigma=50).mean() / 255 == pytest.approx(dark, abs=0.012)


def test_shadows_are_kept_where_less_noise_is_there_than_is_told(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    dark = (photograph[:96, :96] * 0.3).astype(np.float32)
    dark[:20] = 0
    restored = photo.restore(dark, sigma=40)
    assert restored.mean() == pytest.approx(dark.mean(), rel=0.05)


def test_sigma_is_estimated_and_reported(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    found = photo.details(noisy_photograph(photograph, 40))
    assert found.estimated
    assert found.sigma == pytest.approx(40, rel=0.05)
    told = photo.details(photograph, sigma=12)
    assert (told.estimated, told.sigma) == (False, 12)


def test_a_family_serves_each_image_with_its_own_file(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    assert photo.details(photograph[:32, :32], sigma=9).model == "photo-color"
    assert photo.details(photograph[:32, :32, 0], sigma=9).model == "photo-gray"
    assert [photo.models.card(role).name for role in ("gray", "colour")] == ["photo-gray", "photo-color"]
    assert photo.card.name == "photo-color"


def test_no_answer_depends_on_the_tiles_in_flight(
    photo: restorer.Restorer, photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = noisy_photograph(photograph[:136, :, 0])
    monkeypatch.setattr(denoise, "TILE", dict.fromkeys(denoise.TILE, 48))
    monkeypatch.setattr(denoise, "HALO_SHARE", 0)
    monkeypatch.setattr(denoise, "NEAR", 8)
    assert tiling.cut(136, 320, tile=48, halo=8, multiple_of=8).pieces > 12
    answers = []
    for count in (1, 2, 3):
        monkeypatch.setattr(restorer, "IN_FLIGHT", count)
        answers.append(photo.restore(noisy, sigma=25, strength=0.9))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])


def test_a_gray_model_restores_colour_channel_by_channel(gray_model: Path) -> None:
    model = restorer.load(gray_model)
    array = np.random.default_rng(0).random((12, 16, 3))
    answer = model.restore(array, sigma=10)
    np.testing.assert_allclose(answer[..., 1], model.restore(array[..., 1], sigma=10), atol=1e-6)


def test_a_colour_model_answers_gray_with_gray(make_model: Callable[..., Path]) -> None:
    model = restorer.load(make_model(channels=3, name="colour"))
    assert model.restore(np.random.default_rng(0).random((12, 16))).shape == (12, 16)


def test_a_batch_equals_one_by_one(digits: NDArray[np.float64]) -> None:
    model = restorer.load("digits")
    noisy = np.clip(digits[:20] + np.random.default_rng(0).standard_normal((20, 28, 28)) * 0.2, 0, 1)
    together = model.restore_batch(noisy)
    alone = np.stack([model.restore(digit) for digit in noisy])
    np.testing.assert_allclose(together, alone, atol=0.02)
    assert np.abs(together - alone).mean() < 1e-3
    levels = np.rint(noisy * 255).astype(np.uint8)
    assert model.restore_batch(levels).dtype == np.uint8


def test_threads_share_one_restorer(photo: restorer.Restorer) -> None:
    arrays = [np.random.default_rng(seed).random((40, 40)) for seed in range(8)]
    alone = [photo.restore(array, sigma=20) for array in arrays]
    with ThreadPoolExecutor(max_workers=4) as pool:
        together = list(pool.map(lambda array: photo.restore(array, sigma=20), arrays))
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first, second)


def test_an_image_keeps_what_lies_beside_its_pixels(photo: restorer.Restorer) -> None:
    image = images.from_array(np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype=np.uint8))
    answer = photo.restore(image, sigma=5)
    assert isinstance(answer, images.Image)
    assert answer.alpha is image.alpha


@pytest.mark.parametrize("sigma", [-1, 256, float("nan"), float("inf"), "much"])
def test_sigma_out_of_range_is_refused(photo: restorer.Restorer, sigma: float) -> None:
    with pytest.raises(OptionError, match="sigma"):
        photo.restore(np.zeros((8, 8)), sigma=sigma)


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan"), None])
def test_strength_out_of_range_is_refused(photo: restorer.Restorer, strength: float) -> None:
    with pytest.raises(OptionError, match="strength"):
        photo.restore(np.zeros((8, 8)), strength=strength)


def test_a_blind_model_takes_no_sigma() -> None:
    with pytest.raises(OptionError, match="blind"):
        restorer.load("digits").restore(np.zeros((28, 28)), sigma=20)


@pytest.mark.parametrize("array", [np.zeros(3), np.full((3, 3), np.nan), np.zeros((3, 3), int)])
def test_what_is_no_image_is_refused(photo: restorer.Restorer, array: NDArray[np.float64]) -> None:
    with pytest.raises(ImageError):
        photo.restore(array)


def test_wrong_stacks_are_refused(photo: restorer.Restorer) -> None:
    with pytest.raises(ImageError, match="stack"):
        photo.restore_batch(np.zeros((28, 28)))
    with pytest.raises(OptionError, match="sigma"):
        photo.restore_batch(np.zeros((2, 28, 28)))


def test_unknown_models_and_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="photo"):
        restorer.load("nonesuch")
    with pytest.raises(ModelError):
        restorer.load(tmp_path / "missing.onnx")
    with pytest.raises(EngineError):
        restorer.load("photo", device="tpu")


def test_the_convenience_takes_arrays_and_paths(tmp_path: Path, photograph: NDArray[np.float64]) -> None:
    levels = np.rint(np.clip(noisy_photograph(photograph[:64, :64]), 0, 1) * 255).astype(np.uint8)
    files.write(tmp_path / "a.png", images.from_array(levels))
    from_array = pellucid.restore(levels, sigma=25)
    np.testing.assert_array_equal(pellucid.restore(tmp_path / "a.png", sigma=25), from_array)
    np.testing.assert_array_equal(pellucid.load("photo").restore(levels, sigma=25), from_array)
    with pytest.raises(PellucidError):
        pellucid.restore(tmp_path / "b.png")


GAINS = {
    # Noise, the least gain in dB on the package's photograph, and the file that serves it, in gray and in colour.
    "poisson:30": (6.0, ("photo-gray", "photo-color")),
    "speckle:0.1": (6.0, ("photo-gray", "photo-color")),
    "salt-pepper:0.1": (16.0, ("photo-impulses",) * 2),
    "salt-pepper:0.7": (14.0, ("photo-impulses",) * 2),
    "impulses:0.2": (8.0, ("photo-impulses",) * 2),
    "gaussian:25+salt-pepper:0.1": (10.0, ("photo-impulses",) * 2),
    "jpeg:10": (0.4, ("photo-camera",) * 2),
    "jpeg:30": (0.5, ("photo-camera",) * 2),
    "camera:0.003": (2.5, ("photo-camera",) * 2),
    "grain:10": (1.2, ("photo-camera",) * 2),
}


@pytest.mark.parametrize("text", GAINS)
def test_whatever_the_noise_it_is_seen_and_taken_away(text: str, photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    gain, served = GAINS[text]
    for clean, model in ((photograph[..., :1], served[0]), (photograph, served[1])):
        perfect, noisy = degradations.parse(text).pair(clean, np.random.default_rng(0))
        found = photo.details(noisy)
        assert found.model == model
        assert found.estimated
        assert found.diagnosis is not None
        before = metrics.psnr(perfect, np.clip(noisy, 0, 1), data_range=1)
        assert metrics.psnr(perfect, found.image, data_range=1) > before + gain


def test_known_pixels_stay_under_pure_impulses(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    noisy = degradations.parse("salt-pepper:0.2")(photograph, np.random.default_rng(0))
    good = (noisy != 0).all(axis=2) & (noisy != 1).all(axis=2)
    np.testing.assert_allclose(photo.restore(noisy)[good], noisy[good], atol=1e-6)


def test_a_given_level_is_gaussian_noise_whatever_else_there_is(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    noisy = degradations.parse("salt-pepper:0.2")(photograph[:64, :64], np.random.default_rng(0))
    found = photo.details(noisy, sigma=30)
    assert (found.model, found.diagnosis, found.estimated) == ("photo-color", None, False)


def test_a_model_that_never_saw_impulses_is_not_told_of_them(gray_model: Path, photograph: NDArray[np.float64]) -> None:
    noisy = degradations.parse("salt-pepper:0.2")(photograph[..., 0], np.random.default_rng(0))
    found = restorer.load(gray_model).details(noisy)
    assert found.model == "gray"
    assert found.diagnosis is not None
    assert found.diagnosis.kind == "salt-pepper"


def test_grain_is_kept_as_told(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    noisy = np.clip(noisy_photograph(photograph, 15), 0, 1)
    smooth, half, grainy = (photo.restore(noisy, keep_grain=share) for share in (0, 0.5, 1))
    spreads = [np.square(answer - noisy).mean() for answer in (smooth, half, grainy)]
    assert spreads[2] < 0.25 * spreads[1] + 1e-6 < spreads[0]
    # Only the finest: large areas keep the mean that the restored picture has.
    near = np.abs((half - smooth).reshape(15, 16, 20, 16, 3).mean(axis=(1, 3)))
    assert near.max() < 0.012
    with pytest.raises(OptionError, match="keep_grain"):
        photo.restore(noisy, keep_grain=1.5)


@pytest.mark.parametrize("sigma", [5, 15, 40])
def test_the_gain_is_predicted(sigma: float, photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    for clean in (photograph, photograph[..., :1]):
        noisy = degradations.parse(f"gaussian:{sigma}")(clean, np.random.default_rng(0))
        true = 10 * np.log10(np.square(noisy - clean).mean() / np.square(photo.restore(noisy) - clean).mean())
        assert photo.expected_gain(noisy) == pytest.approx(true, abs=1.0)


def test_the_gain_of_a_calm_picture_is_told_better_than_by_the_divergence(
    photo: restorer.Restorer, photograph: NDArray[np.float64]
) -> None:
    # Where the network's divergence overrates its error.
    clean = np.clip(np.repeat(np.repeat(photograph.reshape(30, 8, 40, 8, 3).mean(axis=(1, 3)), 8, 0), 8, 1), 0, 1)
    noisy = degradations.parse("gaussian:25")(clean, np.random.default_rng(0))
    true = 10 * np.log10(np.square(noisy - clean).mean() / np.square(photo.restore(noisy) - clean).mean())
    measured = denoise.measured(View((images.from_array(noisy),)), photo.models, DenoiseSettings())
    assert isinstance(measured, gain.Measured)
    assert abs(gain.expected(measured) - true) < abs(gain.best(measured) - true)


def test_no_gain_is_predicted_where_none_is_to_be_had(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    assert photo.expected_gain(photograph) == 0
    assert photo.expected_gain(degradations.parse("jpeg:20")(photograph, np.random.default_rng(0))) is None
    assert photo.expected_gain(np.full((20, 20), 0.5), sigma=20) is None


def test_a_clean_picture_is_not_even_rounded(photo: restorer.Restorer, photograph: NDArray[np.float64]) -> None:
    found = photo.details(photograph)
    np.testing.assert_array_equal(found.image, photograph.astype(np.float32))
    assert found.image is not photograph
    levels = np.rint(photograph * 255).astype(np.uint8)
    answer = photo.restore(levels)
    np.testing.assert_array_equal(answer, levels)
    assert not np.shares_memory(answer, levels)
