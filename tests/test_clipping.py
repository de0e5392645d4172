"""How clipping changes noise: the formulas against noise that was drawn and clipped."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import degradations, diagnosis, maps, restorer
from pellucid.cards import read_card
from pellucid.clipping import Clipping
from pellucid.diagnosis import clipped
from pellucid.families import shipped_path
from pellucid.maps import Curve
from pellucid.noise import Noise

CURVES = {
    "gaussian:25": Curve(25 / 255),
    "gaussian:90": Curve(90 / 255),
    "poisson:1": Curve(gain=1),
    "poisson:7": Curve(gain=1 / 7),
    "poisson:200": Curve(gain=1 / 200),
    "speckle:0.1": Curve(speckle=0.1),
}


@pytest.mark.parametrize("noise", CURVES)
@pytest.mark.parametrize("light", [0.03, 0.4, 0.95])
def test_what_is_left_of_noise(noise: str, light: float) -> None:
    drawn = degradations.parse(f"{noise}:clip")(np.full((600, 600, 1), light), np.random.default_rng(0))
    mean, variance = float(drawn.mean()), float(drawn.var())
    clipping = Clipping(CURVES[noise])
    assert float(clipping.variance(np.array(mean))) == pytest.approx(variance, rel=0.03)
    black, white = clipping.shares(np.array(mean))
    # Counts go in steps, of which one is white.
    assert float(black) == pytest.approx(float((drawn <= 0).mean()), abs=0.012)
    assert float(white) == pytest.approx(float((drawn >= 1).mean()), abs=0.012)
    planes = np.full((1, 70, 3), mean, dtype=np.float32)
    assert clipping.undone(planes) is planes
    np.testing.assert_allclose(planes, light, atol=0.003 if light < 0.9 else 0.006)


def test_an_end_where_nothing_was_lost_stays() -> None:
    steps = np.linspace(0, 1, 101, dtype=np.float32)[None, :, None]
    below = Clipping(Curve(0.1), high=False).undone(steps.copy())
    np.testing.assert_allclose(below[0, 30:], steps[0, 30:], atol=3e-4)
    assert (below[0, 1:20] < steps[0, 1:20] - 3e-4).all()
    above = Clipping(Curve(0.1), low=False).undone(steps.copy())
    np.testing.assert_allclose(above, 1 - below[:, ::-1], atol=1e-5)


def test_a_fainter_image_is_told_alike() -> None:
    rng = np.random.default_rng(0)
    planes = rng.random((3, 40, 50), dtype=np.float32)
    whole = Clipping(Curve(0.2))
    half = whole.scaled(0.5)
    np.testing.assert_allclose(half.undone(planes / 2), whole.undone(planes.copy()) / 2, atol=1e-6)
    np.testing.assert_allclose(half.sigma(planes / 2), whole.sigma(planes) / 2, rtol=1e-4)
    assert whole.sigma(planes).max() < 0.2


def test_noise_is_known_as_clipped_by_its_ends(photograph: NDArray[np.float64]) -> None:
    def ends(noise: str, curve: Curve) -> tuple[bool, bool] | None:
        found = clipped.clipping([degradations.parse(noise)(photograph, np.random.default_rng(0)).astype(np.float32)], curve)
        return None if found is None else (found.low, found.high)

    strong = Curve(60 / 255)
    assert ends("gaussian:60:clip", strong) == (True, True)
    assert ends("gaussian:60", strong) is None
    # Less noise than is said has fewer values there.
    assert ends("gaussian:8:clip", strong) is None
    assert ends("gaussian:60:clip", maps.NONE) is None
    # Noise that grows with the light does not go below black.
    assert ends("poisson:4:clip", Curve(gain=0.25)) == (False, True)


@pytest.mark.parametrize("noise", ["gaussian:50", "gaussian:75", "poisson:6", "speckle:0.2"])
def test_strong_noise_that_was_clipped_is_measured_as_it_was(photograph: NDArray[np.float64], noise: str) -> None:
    noisy = degradations.parse(f"{noise}:clip")(photograph, np.random.default_rng(1))
    found = diagnosis.inspect((np.rint(noisy * 255) / 255).astype(np.float32))
    assert found.kind == noise.split(":")[0]
    assert found.clipping is not None
    wanted = degradations.parse(noise).curve
    assert wanted is not None
    assert found.sigma == pytest.approx(255 * float(np.sqrt(wanted.variance(np.array([0.5]))[0])), rel=0.06)


@pytest.mark.parametrize("noise", ["gaussian:25", "gaussian:50", "poisson:4", "speckle:0.2"])
def test_answers_to_clipped_noise_are_no_lighter(photograph: NDArray[np.float64], noise: str) -> None:
    """Nearly as good as where nothing was lost; without this, 1 to 6 dB worse."""
    photo = restorer.load("photo")

    def quality(text: str) -> float:
        noisy = degradations.parse(text)(photograph, np.random.default_rng(2))
        return -10 * float(np.log10(np.square(photo.restore(noisy) - photograph).mean()))

    assert quality(f"{noise}:clip") > quality(noise) - 0.5


def test_stronger_noise_than_was_learnt_is_shown_fainter(photograph: NDArray[np.float64]) -> None:
    card = read_card(shipped_path("photo-color"))
    assert Noise(150.0, Curve(150 / 255)).brightness(card) == pytest.approx(0.5)
    assert Noise(50.0, Curve(50 / 255)).brightness(card) == 1
    assert Noise(None).brightness(card) == 1
    # Where noise grows with the light, its level at white counts.
    assert Noise(90.0, Curve(gain=0.25)).brightness(card) == pytest.approx(75 / 127.5)
    photo = restorer.load("photo")
    gains = []
    for sigma in (70, 140):
        noisy = photograph + np.random.default_rng(0).standard_normal(photograph.shape) * sigma / 255
        gains.append(
            10 * np.log10(np.square(noisy - photograph).mean() / np.square(photo.restore(noisy, sigma=sigma) - photograph).mean())
        )
    assert gains[1] > gains[0] + 2


def test_no_more_noise_is_taken_back_than_there_is(photograph: NDArray[np.float64]) -> None:
    """A stated level that is too high smooths more, but shadows stay as dark as they are."""
    photo, dark = restorer.load("photo"), photograph * 0.2
    for real, stated in ((10, 40), (25, 100)):
        noisy = np.rint(np.clip(dark + np.random.default_rng(0).standard_normal(dark.shape) * real / 255, 0, 1) * 255) / 255
        assert photo.restore(noisy, sigma=stated).mean() == pytest.approx(dark.mean(), abs=4 / 255)


def test_black_areas_have_no_specks() -> None:
    noisy = np.clip(np.random.default_rng(0).standard_normal((160, 160)) * 50 / 255, 0, 1)
    noisy[60:100, 60:100] = np.clip(0.25 + noisy[60:100, 60:100], 0, 1)
    assert restorer.load("photo").restore(noisy, sigma=50)[:40].max() < 0.08


def test_dark_pictures_with_strong_noise_are_measured(photograph: NDArray[np.float64]) -> None:
    for sigma in (35, 50):
        noisy = np.clip(photograph * 0.2 + np.random.default_rng(0).standard_normal(photograph.shape) * sigma / 255, 0, 1)
        found = diagnosis.inspect((np.rint(noisy * 255) / 255).astype(np.float32))
        assert found.kind == "gaussian"
        assert found.gaussian_sigma == pytest.approx(sigma, rel=0.08)


def test_a_stack_is_restored_as_its_images_are(photograph: NDArray[np.float64]) -> None:
    photo = restorer.load("photo")
    for sigma in (40, 120):
        noise = np.random.default_rng(0).standard_normal((3, 64, 64)) * sigma / 255
        stack = np.clip(np.stack([photograph[top : top + 64, :64, 0] for top in (0, 32, 64)]) * 0.5 + noise, 0, 1)
        together = photo.restore_batch(stack, sigma=sigma)
        each = np.stack([photo.restore(image, sigma=sigma) for image in stack])
        assert np.abs(together - each).mean() < 0.01


def test_what_is_expected_of_clipped_noise_is_undone_again() -> None:
    light = np.linspace(0, 1, 400, dtype=np.float32).reshape(1, 20, 20)
    clipping = Clipping(Curve(0.15))
    mean = clipping.expected(light)
    rng = np.random.default_rng(0)
    drawn = np.clip(light + rng.normal(0, 0.15, (4000, 20, 20)).astype(np.float32), 0, 1).mean(axis=0)
    assert np.abs(mean[0] - drawn).max() < 0.01
    assert np.abs(clipping.undone(mean.copy()) - light).max() < 0.01
