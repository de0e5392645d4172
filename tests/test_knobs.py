"""Strength above 1 and noise in the colours alone: the level that the model is given, luma and colours apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import cli, files, images, maps, restorer
from pellucid.clipping import Clipping
from pellucid.errors import OptionError
from pellucid.maps import Curve, Extremes, Places
from pellucid.noise import Noise
from pellucid.tasks import DenoiseSettings, denoise
from pellucid.views import View

SIDE = 96


@pytest.fixture(scope="module")
def photo() -> restorer.Restorer:
    return restorer.load("photo")


def noisy(sigma: float = 25, *, channels: int = 3, low: float = 90, high: float = 170) -> NDArray[np.float32]:
    """A slope from left to right, a flat area in its right half, and white noise; floats in [0, 1] that no range cuts off."""
    slope = np.interp(np.arange(SIDE), [0, SIDE // 2], [low, high])
    clean = np.broadcast_to(slope[None, :, None], (SIDE, SIDE, channels))
    noise = np.random.default_rng(7).normal(0, sigma, clean.shape)
    return np.asarray((clean + noise) / 255, dtype=np.float32)


def rough(image: NDArray[Any]) -> float:
    """The high frequencies of the flat area: the standard deviation of differences between neighbours, in 8-bit levels."""
    flat = 255 * np.asarray(image, dtype=np.float64)[8:-8, SIDE // 2 + 8 : -8]
    return float(np.diff(flat, axis=1).std())


def luma(image: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64) @ np.array([0.299, 0.587, 0.114])


def colours(image: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64) - luma(image)[..., None]


def test_strength_one_and_colour_noise_one_are_the_plain_output_to_the_bit(photo: restorer.Restorer) -> None:
    given = noisy()
    plain = photo.restore(given, sigma=25)
    np.testing.assert_array_equal(photo.restore(given, sigma=25, strength=1), plain)
    np.testing.assert_array_equal(photo.restore(given, sigma=25, strength=1, colour_noise=1), plain)


def test_a_level_that_was_given_too_low_is_mended_by_strength(photo: restorer.Restorer) -> None:
    given = noisy(24)
    right = photo.restore(given, sigma=24)
    np.testing.assert_array_equal(photo.restore(given, sigma=16, strength=1.5), right)
    assert np.abs(photo.restore(given, sigma=16.1, strength=1.5) - right).mean() < 1 / 255
    assert rough(photo.restore(given, sigma=16)) > 3 * rough(right)


@pytest.mark.parametrize("channels", [1, 3])
def test_more_strength_leaves_less_noise(photo: restorer.Restorer, channels: int) -> None:
    # The level is given as half of what it is.
    left = [rough(photo.restore(noisy(26, channels=channels), sigma=13, strength=each)) for each in (0, 0.5, 1, 1.3, 1.6, 2)]
    assert left == sorted(left, reverse=True)
    assert left[0] > 30
    assert left[-1] < 0.2 * left[2]


def test_the_measured_noise_is_raised_in_its_own_kind() -> None:
    curve, light = Curve(0.02, 0.003, 0.01), np.linspace(0, 1, 11)
    extremes = Extremes(0.01, 0.02)
    places = Places(((4.0, 8.0), (6.0, 12.0)))
    found = Noise(5.0, curve, extremes=extremes, density=0.03, places=places, clipping=Clipping(curve))
    more = found.raised(1.5)
    np.testing.assert_allclose(more.curve.variance(light), 2.25 * curve.variance(light), rtol=1e-6)
    assert more.level == 7.5
    assert more.places == Places(((6.0, 12.0), (9.0, 18.0)))
    assert (more.extremes, more.density, more.clipping) == (found.extremes, found.density, found.clipping)
    assert found.raised(1) is found


def test_the_level_of_clipped_noise_is_raised_where_it_is_mapped() -> None:
    curve = Curve(40 / 255)
    found = Noise(40.0, curve, clipping=Clipping(curve))
    planes = np.random.default_rng(0).random((3, 24, 24)).astype(np.float32)
    np.testing.assert_allclose(found.raised(1.5).sigma(planes), 1.5 * found.sigma(planes), rtol=1e-6)
    assert not found.raised(0.5).flat or found.raised(0.5).curve.sigma < 30 / 255


@pytest.mark.parametrize(("low", "high"), [(90, 170), (2, 253)])
def test_colour_noise_leaves_the_luma_alone(photo: restorer.Restorer, low: float, high: float) -> None:
    # The second picture has colours that would leave the range: they are made paler, their luma stays.
    given = np.rint(np.clip(noisy(low=low, high=high), 0, 1) * 255).astype(np.uint8)
    plain = photo.restore(given, sigma=25)
    for value in (0, 0.4, 1.5, 2):
        output = photo.restore(given, sigma=25, colour_noise=value)
        # Both are rounded to whole levels.
        assert np.abs(luma(output) - luma(plain)).max() <= 1.001


def test_colour_noise_is_a_knob_for_the_colours(photo: restorer.Restorer) -> None:
    given = noisy()
    of = {value: photo.restore(given, sigma=25, colour_noise=value) for value in (0, 0.5, 1, 2)}
    left = {value: rough(colours(output)) for value, output in of.items()}
    assert left[0] == pytest.approx(rough(colours(given)), rel=0.05)
    assert left[0] > 1.8 * left[0.5] > 1.8 * left[1]
    # Colours without detail: of their noise 0.6 and 1.0 % are left, so more cannot be told from less.
    assert max(left[1], left[2]) < 0.02 * left[0]


def test_colours_alone(photo: restorer.Restorer) -> None:
    given = np.clip(noisy(), 0, 1)
    output = photo.restore(given, sigma=25, strength=0, colour_noise=1)
    assert np.abs(luma(output) - luma(given)).max() < 1e-5
    assert rough(colours(output)) < 0.2 * rough(colours(given))


def test_nothing_is_nothing(photo: restorer.Restorer) -> None:
    given = np.rint(np.clip(noisy(), 0, 1) * 255).astype(np.uint8)
    np.testing.assert_array_equal(photo.restore(given, sigma=25, strength=0, colour_noise=0), given)
    np.testing.assert_array_equal(photo.restore(given, sigma=25, strength=0), given)


@pytest.mark.parametrize("strength", [0.5, 1, 1.5])
def test_gray_pictures_have_no_noise_in_their_colours(photo: restorer.Restorer, strength: float) -> None:
    gray = noisy(channels=1)[..., 0]
    for given in (gray, np.repeat(gray[..., None], 3, axis=2)):
        plain = photo.restore(given, sigma=25, strength=strength)
        np.testing.assert_array_equal(photo.restore(given, sigma=25, strength=strength, colour_noise=0.2), plain)


def test_pieces_answer_as_the_whole(photo: restorer.Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    given = np.tile(noisy(), (1, 5, 1))[:64]
    settings = {"sigma": 25, "strength": 0.8, "colour_noise": 1.6}
    whole = photo.restore(given, **settings)
    monkeypatch.setattr(denoise, "TILE", {"bf16": 160, "f32": 160})
    assert np.abs(photo.restore(given, **settings) - whole).max() <= 2 / 255


@pytest.mark.parametrize("name", ["strength", "colour_noise"])
def test_a_blind_model_has_no_level_to_raise(name: str) -> None:
    blind = restorer.load("digits")
    with pytest.raises(OptionError, match=f"blind.*{name} goes up to 1"):
        blind.restore(np.zeros((28, 28)), **{name: 1.5})
    blind.restore(np.zeros((28, 28)), **{name: 0.5})


def test_the_share_of_the_door_ends_at_one() -> None:
    assert [DenoiseSettings(strength=each).share for each in (0, 0.3, 1, 1.7)] == [0, 0.3, 1, 1]
    assert DenoiseSettings(strength=0.3, colour_noise=0.3).share == 0.3
    assert DenoiseSettings(strength=0.3, colour_noise=1).share == 1


def test_the_line_says_what_the_level_was_raised_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "a.png"
    files.write(source, images.from_array(np.rint(np.clip(noisy(), 0, 1) * 255).astype(np.uint8)))
    assert cli.main(["denoise", str(source), "-o", str(tmp_path / "b.png"), "--strength", "1.5"]) == 0
    said = capsys.readouterr()
    line = said.out + said.err
    level = float(line.split("noise level ")[1].split()[0].rstrip(","))
    raised = float(line.split("raised to noise level ")[1].split()[0].rstrip(",)"))
    assert raised == pytest.approx(1.5 * level, abs=0.1)


def test_places_and_curves_are_raised_by_the_same_factor() -> None:
    planes = np.full((1, 8, 8), 0.5, np.float32)
    np.testing.assert_allclose(maps.sigma(planes, Curve(0.1, 0.02).raised(2)), 2 * maps.sigma(planes, Curve(0.1, 0.02)), rtol=1e-6)


def test_a_part_is_as_it_is_in_the_whole(photo: restorer.Restorer) -> None:
    # Noise that differs from place to place, and a part that begins where no piece does.
    given = np.rint(np.clip(noisy(), 0, 1) * 255).astype(np.uint8)
    given = np.concatenate([given, np.rint(np.clip(noisy(8), 0, 1) * 255).astype(np.uint8)], axis=1)
    whole = photo.restore(given, strength=1.4, colour_noise=0.5).astype(int)
    view = View((images.from_array(given),))
    shown = photo.part(view, (51, 13, 133, 60), strength=1.4, colour_noise=0.5)
    part = images.to_array(shown.image).astype(int)
    assert part.shape == (47, 82, 3)
    assert np.abs(part - whole[13:60, 51:133]).mean() < 0.5
    assert view.found is shown.diagnosis


def test_a_part_outside_is_refused(photo: restorer.Restorer) -> None:
    with pytest.raises(OptionError, match="not inside a picture of 96x96"):
        photo.part(View((images.from_array(noisy()),)), (0, 0, 97, 20), sigma=20)


def test_detail_is_made_stronger_and_fainter_and_edges_stay(photo: restorer.Restorer) -> None:
    rng = np.random.default_rng(3)
    texture = np.full((SIDE, SIDE, 3), 0.4, np.float32) + rng.normal(0, 3 / 255, (SIDE, SIDE, 1)).astype(np.float32)
    texture[:, SIDE // 2 :] += np.float32(0.4)
    given = {amount: photo.restore(texture, sigma=0, detail=amount) for amount in (0.0, 0.5, 1.0, 1.5, 2.0)}
    # Without noise, and at 1, it is the picture to the bit.
    np.testing.assert_array_equal(given[1.0], texture)
    fine = {amount: float(np.diff(255 * picture[:, 8:40, 0], axis=1).std()) for amount, picture in given.items()}
    assert fine[0.0] < 0.35 * fine[1.0]
    assert fine[2.0] > 1.6 * fine[1.0]
    # Linear in the setting: the same layer each time.
    np.testing.assert_allclose(given[0.5] - given[0.0], given[1.5] - given[1.0], atol=1e-6)
    # No halo beside the edge: rows' means rise from one side to the other as before, within a level and a half.
    assert 255 * np.abs(given[2.0].mean(axis=0) - texture.mean(axis=0)).max() < 1.5
    # Colours stay.
    np.testing.assert_allclose(colours(given[2.0]), colours(texture), atol=1e-6)


def test_detail_is_the_same_in_pieces(photo: restorer.Restorer, monkeypatch: pytest.MonkeyPatch) -> None:
    given = np.random.default_rng(5).random((300, 200)).astype(np.float32) * 0.1 + 0.4
    whole = photo.restore(given, sigma=0, detail=2)
    monkeypatch.setitem(denoise.TILE, photo.models.precision, 128)
    np.testing.assert_allclose(photo.restore(given, sigma=0, detail=2), whole, atol=1e-6)
