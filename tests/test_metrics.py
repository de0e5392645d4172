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


@pytest.mark.parametrize("gray", [False, True])
def test_gmsd_is_its_papers(both: tuple[NDArray[np.float64], NDArray[np.float64]], gray: bool) -> None:
    """As its authors' code: convolutions with black beyond the edges, on means of 2x2 pixels."""
    from scipy import ndimage
    from skimage.measure import block_reduce

    maps = []
    for image in both:
        luma = 255 * (image[..., 0] if gray else image @ [0.299, 0.587, 0.114])
        half = block_reduce(luma, 2, np.mean)
        maps.append(np.hypot(*(ndimage.prewitt(half, axis, mode="constant") / 3 for axis in (0, 1))))
    alike = (2 * maps[0] * maps[1] + 170) / (maps[0] ** 2 + maps[1] ** 2 + 170)
    clean, noisy = (image[..., 0] if gray else image for image in both)
    assert metrics.gmsd(clean, noisy, data_range=1.0) == pytest.approx(float(np.std(alike)), abs=1e-9)
    assert metrics.gmsd(clean * 255, noisy * 255, data_range=255) == pytest.approx(float(np.std(alike)), abs=1e-9)


def test_an_image_equals_itself(photograph: NDArray[np.float64]) -> None:
    assert metrics.psnr(photograph, photograph, data_range=1.0) == np.inf
    assert metrics.ssim(photograph, photograph, data_range=1.0) == pytest.approx(1)
    assert metrics.ms_ssim(photograph, photograph, data_range=1.0) == pytest.approx(1)
    assert metrics.mse(photograph, photograph) == 0
    assert metrics.gmsd(photograph, photograph, data_range=1.0) == 0


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ImageError):
        metrics.psnr(np.zeros((4, 4)), np.zeros((4, 5)), data_range=1.0)
    with pytest.raises(OptionError):
        metrics.psnr(np.zeros((4, 4)), np.zeros((4, 4)), data_range=0)
    with pytest.raises(ImageError, match="11 pixels"):
        metrics.ssim(np.zeros((10, 40)), np.zeros((10, 40)), data_range=1.0)
    with pytest.raises(ImageError, match="6 pixels"):
        metrics.gmsd(np.zeros((5, 40)), np.zeros((5, 40)), data_range=1.0)
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


SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
"""Two colours in CIELAB and their difference: table 1 of Sharma, Wu and Dalal 2005."""


def test_colours_differ_as_published() -> None:
    rows = np.array([line.split() for line in SHARMA.strip().splitlines()], dtype=np.float64)
    assert len(rows) == 34
    np.testing.assert_allclose(metrics.colour_difference(rows[:, :3], rows[:, 3:6]), rows[:, 6], atol=5e-5)
    np.testing.assert_allclose(metrics.colour_difference(rows[:, 3:6], rows[:, :3]), rows[:, 6], atol=5e-5)


def test_ciede2000_equals_scikit_image(both: tuple[NDArray[np.float64], NDArray[np.float64]]) -> None:
    from skimage.color import deltaE_ciede2000, rgb2lab

    clean, noisy = (np.clip(image[:90, :120], 0, 1) for image in both)
    expected = float(np.mean(deltaE_ciede2000(rgb2lab(clean), rgb2lab(noisy))))
    assert metrics.ciede2000(clean, noisy, data_range=1.0) == pytest.approx(expected, abs=2e-3)
    assert metrics.ciede2000(clean * 255, noisy * 255, data_range=255) == pytest.approx(expected, abs=2e-3)
    assert metrics.ciede2000(clean, clean, data_range=1.0) == 0
    # Black and white are as far from each other as can be, in one channel or in three.
    dark, light = np.zeros((3, 4)), np.ones((3, 4))
    assert metrics.ciede2000(dark, light, data_range=1.0) == pytest.approx(100, abs=1e-6)


def test_masks_cover_each_other_as_scikit_learn_counts() -> None:
    jaccard = pytest.importorskip("sklearn.metrics").jaccard_score
    rng = np.random.default_rng(0)
    for share in (0.1, 0.5):
        true, found = (rng.random((20, 30)) * (rng.random((20, 30)) < share + 0.3) for _ in range(2))
        expected = jaccard((true > 0.5).ravel(), (found > 0.5).ravel())
        assert metrics.iou(true, found, data_range=1.0) == pytest.approx(expected)


def test_overlap_and_error_by_hand() -> None:
    true = np.array([[0.0, 0.4, 0.6], [1.0, 1.0, 0.5]])
    found = np.array([[0.9, 0.4, 0.6], [1.0, 0.2, 0.5]])
    # Three pixels and three; two of them in both; half of full alpha does not count.
    assert metrics.iou(true, found, data_range=1.0) == pytest.approx(2 / 4)
    assert metrics.mae(true, found, data_range=1.0) == pytest.approx((0.9 + 0.8) / 6)
    assert metrics.mae(true * 255, found * 255, data_range=255) == pytest.approx((0.9 + 0.8) / 6)
    assert metrics.iou(np.zeros((2, 2)), np.zeros((2, 2)), data_range=1.0) == 1
    assert metrics.iou(np.zeros((2, 2)), np.ones((2, 2)), data_range=1.0) == 0
