"""Against scikit-image and pytorch-msssim, on a real photograph."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from pellucid import degradations, metrics
from pellucid.errors import ImageError, OptionError


@pytest.fixture(scope="module", params=["gaussian:10", "gaussian:50", "jpeg:20"])
def both(request: pytest.FixtureRequest, photograph: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    noisy = degradations.parse(request.param)(photograph, np.random.default_rng(0))
    return photograph, noisy.astype(np.float64)


def test_psnr_equals_scikit_image(both: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    clean, noisy = both
    expected = peak_signal_noise_ratio(clean, noisy, data_range=1.0)
    assert metrics.psnr(clean, noisy, data_range=1.0) == pytest.approx(expected, abs=1e-6)
    assert metrics.psnr(clean * 255, noisy * 255, data_range=255) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("gray", [False, True])
def test_ssim_equals_scikit_image(both: tuple[NDArray[np.float64], NDArray[np.float64]], gray: bool) -> None:
    clean, noisy = (image[..., 0] if gray else image for image in both)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = structural_similarity(clean, noisy, channel_axis=None if gray else 2, **settings)
    assert metrics.ssim(clean, noisy, data_range=1.0) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("gray", [False, True])
def test_ms_ssim_equals_pytorch_msssim(both: tuple[NDArray[np.float64], NDArray[np.float64]], gray: bool) -> None:
    torch, outside = pytest.importorskip("torch"), pytest.importorskip("pytorch_msssim")
    # Sides that halve four times: of an odd row that package takes the mean with a row of zeros.
    clean, noisy = (image[: image.shape[0] // 16 * 16, : image.shape[1] // 16 * 16, : 1 if gray else 3] for image in both)
    planes = [torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None] for image in (clean, noisy)]
    expected = float(outside.ms_ssim(*planes, data_range=1.0))
    assert metrics.ms_ssim(clean, noisy, data_range=1.0) == pytest.approx(expected, abs=1e-4)


def test_an_image_equals_itself(photograph: NDArray[np.float64]) -> None:
    assert metrics.psnr(photograph, photograph, data_range=1.0) == np.inf
    assert metrics.ssim(photograph, photograph, data_range=1.0) == pytest.approx(1)
    assert metrics.ms_ssim(photograph, photograph, data_range=1.0) == pytest.approx(1)
    assert metrics.mse(photograph, photograph) == 0


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ImageError):
        metrics.psnr(np.zeros((4, 4)), np.zeros((4, 5)), data_range=1.0)
    with pytest.raises(OptionError):
        metrics.psnr(np.zeros((4, 4)), np.zeros((4, 4)), data_range=0)
    with pytest.raises(ImageError, match="11 pixels"):
        metrics.ssim(np.zeros((10, 40)), np.zeros((10, 40)), data_range=1.0)
    with pytest.raises(ImageError, match="176 pixels"):
        metrics.ms_ssim(np.zeros((175, 400)), np.zeros((175, 400)), data_range=1.0)


def test_the_table_says_which_way_is_better(photograph: NDArray[np.float64]) -> None:
    small = photograph[:176, :176]
    little, much = (degradations.parse(text)(small, np.random.default_rng(0)) for text in ("gaussian:5", "gaussian:50"))
    for name, metric in metrics.METRICS.items():
        better, worse = (metric.function(small, noisy, data_range=1.0) for noisy in (little, much))
        assert (better > worse) == metric.higher_is_better
        assert name == metric.name
        short = np.zeros((metric.least_side - 1, 200))
        with pytest.raises(ImageError):
            metric.function(short, short, data_range=1.0)
