"""Laws of every kind of noise, and each kind's own statistics."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import camera, degradations
from pellucid.degradations import DEGRADATIONS, Degradation, parse
from pellucid.errors import OptionError

EXAMPLES = (
    "gaussian:25",
    "gaussian:51:clip",
    "salt-pepper:0.2",
    "poisson:50",
    "poisson:20:clip",
    "speckle:0.1",
    "speckle:0.1:clip",
    "jpeg:40",
    "impulses:0.2",
    "camera:0.004",
    "grain:12",
    "grain:12:clip",
    "gaussian:25+salt-pepper:0.1+jpeg:40",
)
NEUTRAL = ("gaussian:0", "salt-pepper:0", "speckle:0", "impulses:0", "gaussian:0+impulses:0", "grain:0")
IN_RANGE = ("salt", "jpeg", "impulses", "camera")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def clean() -> NDArray[np.float64]:
    ramp = np.linspace(0, 1, 96)
    return np.stack([np.outer(ramp, 1 - ramp), np.outer(1 - ramp, ramp), np.tile(ramp, (96, 1))], axis=2)


def test_the_examples_cover_the_table() -> None:
    assert {text.split(":")[0] for text in EXAMPLES if "+" not in text} == set(DEGRADATIONS)


@pytest.mark.parametrize("text", EXAMPLES)
class TestLaws:
    def test_is_seeded_and_keeps_its_input(self, text: str, clean: NDArray[np.float64]) -> None:
        noise, before = parse(text), clean.copy()
        first = noise(clean, rng(1))
        np.testing.assert_array_equal(first, noise(clean, rng(1)))
        np.testing.assert_array_equal(clean, before)
        if noise.kind != "jpeg":
            assert not np.array_equal(first, noise(clean, rng(2)))

    @pytest.mark.parametrize("shape", [(17, 23), (17, 23, 1), (17, 23, 3), (1, 1)])
    def test_keeps_the_shape_and_answers_float32(self, text: str, shape: tuple[int, ...]) -> None:
        noisy = parse(text)(np.full(shape, 0.5), rng())
        assert noisy.shape == shape
        assert noisy.dtype == np.float32
        assert np.isfinite(noisy).all()

    def test_text_round_trip(self, text: str, clean: NDArray[np.float64]) -> None:
        noise = parse(text)
        assert parse(str(noise)) == noise
        assert isinstance(noise, Degradation)

    def test_clipped_noise_stays_in_range(self, text: str, clean: NDArray[np.float64]) -> None:
        noisy = parse(text)(clean, rng())
        if text.endswith("clip") or text.split("+")[-1].startswith(IN_RANGE):
            assert noisy.min() >= 0
            assert noisy.max() <= 1
        else:
            # Unclipped noise does leave the range: the published protocol depends on it.
            assert noisy.max() > 1


@pytest.mark.parametrize("text", NEUTRAL)
def test_zero_strength_is_identity(text: str, clean: NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(parse(text)(clean, rng()), clean.astype(np.float32))


def test_gaussian_is_the_published_draw() -> None:
    clean = np.full((32, 48), 0.5)
    expected = (clean + np.random.default_rng(7).standard_normal((32, 48)) * 25 / 255).astype(np.float32)
    np.testing.assert_array_equal(parse("gaussian:25")(clean, rng(7)), expected)


def test_gaussian_has_its_standard_deviation() -> None:
    noisy = parse("gaussian:51")(np.full((400, 400), 0.5), rng())
    assert np.std(noisy) == pytest.approx(51 / 255, rel=0.01)
    assert parse("gaussian:51").sigma == 51


def test_salt_and_pepper_replaces_its_share_half_and_half() -> None:
    noisy = parse("salt-pepper:0.3")(np.full((500, 500, 3), 0.5), rng())
    assert np.mean(noisy == 0) == pytest.approx(0.15, abs=0.005)
    assert np.mean(noisy == 1) == pytest.approx(0.15, abs=0.005)
    hit = noisy != 0.5
    # All channels of a pixel alike.
    assert (hit.all(axis=2) == hit.any(axis=2)).all()
    assert parse("salt-pepper:0.3").density == 0.3


def test_poisson_variance_is_mean_over_peak() -> None:
    noisy = parse("poisson:100")(np.full((400, 400), 0.4), rng())
    assert np.mean(noisy) == pytest.approx(0.4, rel=0.01)
    assert np.var(noisy) == pytest.approx(0.4 / 100, rel=0.03)


def test_speckle_grows_with_the_signal() -> None:
    for level in (0.2, 0.8):
        noisy = parse("speckle:0.04")(np.full((300, 300), level), rng())
        assert np.std(noisy) == pytest.approx(0.2 * level, rel=0.03)


def test_jpeg_equals_pillow(clean: NDArray[np.float64]) -> None:
    import io

    from PIL import Image

    levels = np.rint(clean * 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=30)
    np.testing.assert_array_equal(np.rint(parse("jpeg:30")(clean, rng()) * 255), np.asarray(Image.open(buffer)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gaussian",
        "gaussian:",
        "gaussian:x",
        "gaussian:-1",
        "gaussian:nan",
        "fog:3",
        "salt-pepper:2",
        "jpeg:0",
        "gaussian:5:cut",
        "gaussian:5+",
        "gaussian:5+shrink:2",
        "camera:0.06",
        "gaussian:5+camera:0.001",
        "grain:-1",
        "impulses:1.1",
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        parse(text)


def test_impulses_take_any_value() -> None:
    noisy = parse("impulses:0.3")(np.full((500, 500, 3), 0.5), rng())
    hit = (noisy != 0.5).any(axis=2)
    assert np.mean(hit) == pytest.approx(0.3, abs=0.005)
    values = noisy[hit]
    assert np.histogram(values, bins=4, range=(0, 1))[0] / values.size == pytest.approx([0.25] * 4, abs=0.01)
    assert parse("impulses:0.3").density == 0.3


def test_a_chain_is_its_parts_in_order(clean: NDArray[np.float64]) -> None:
    chain, one = parse("gaussian:3+salt-pepper:0.2+gaussian:4+impulses:0.5"), rng(5)
    spoiled = clean
    for text in ("gaussian:3", "salt-pepper:0.2", "gaussian:4", "impulses:0.5"):
        spoiled = parse(text)(spoiled, one)
    np.testing.assert_array_equal(chain(clean, rng(5)), spoiled)
    assert chain.sigma == pytest.approx(5)
    assert chain.density == pytest.approx(0.6)


@pytest.mark.parametrize("text", [*EXAMPLES, "shrink:2"])
def test_a_pair_is_the_spoiled_image_and_what_a_perfect_answer_is(text: str, clean: NDArray[np.float64]) -> None:
    noise = parse(text)
    perfect, spoiled = noise.pair(clean, rng(3))
    np.testing.assert_array_equal(spoiled, noise(clean, rng(3)))
    if noise.kind == "camera":
        # The camera's own processing is no noise.
        assert not np.array_equal(perfect, clean)
        assert np.square(perfect - spoiled).mean() < np.square(clean - spoiled).mean()
    else:
        np.testing.assert_array_equal(perfect, clean)


@pytest.mark.parametrize("text", ["gaussian:10", "poisson:40", "speckle:0.02", "gaussian:10+poisson:40+speckle:0.02"])
def test_the_curve_is_the_variance_by_intensity(text: str) -> None:
    noise = parse(text)
    assert noise.curve is not None
    for mean in (0.1, 0.5, 0.9):
        noisy = noise(np.full((300, 300), mean), rng())
        # The chain's later parts add to what the first ones made, so a little more than their sum.
        assert np.var(noisy) == pytest.approx(noise.curve.variance(np.array([mean], dtype=np.float32))[0], rel=0.06)


@pytest.mark.parametrize("text", ["camera:0.001", "grain:5", "gaussian:5+jpeg:50"])
def test_no_law_tells_what_was_processed(text: str) -> None:
    assert parse(text).curve is None


def test_grain_has_its_level_and_is_correlated() -> None:
    noise = parse("grain:20")(np.full((300, 300, 3), 0.5), rng(4)) - 0.5
    assert np.std(noise) * 255 == pytest.approx(20, rel=0.05)
    assert (noise[1:] * noise[:-1]).mean() > 0.2 * np.square(noise).mean()


class TestCamera:
    def noise_of(self, level: float, gray: float, seed: int) -> NDArray[np.float64]:
        flat = np.full((128, 128, 3), gray)
        return parse(f"camera:{level}")(flat, rng(seed)).astype(np.float64)

    def test_without_noise_a_scene_comes_back(self, photograph: NDArray[np.float64]) -> None:
        part = photograph[100:300, 200:400]
        answers = [parse("camera:0")(part, rng(seed)) for seed in range(3)]
        # Demosaicing, smoothing and JPEG cost some detail; the scene and its colours remain.
        for answer in answers:
            assert -10 * np.log10(np.square(answer - part).mean()) > 26
            assert np.abs((answer - part).mean(axis=(0, 1))).max() < 0.02

    def test_green_along_edges_keeps_them(self) -> None:
        across = np.repeat(np.tile(np.arange(24) > 9, (20, 1))[..., None], 3, axis=2).astype(np.float32)
        for edge in (across, across.transpose(1, 0, 2)):
            mosaic = camera.mosaic_of(edge)
            plain, along = (camera.demosaiced(mosaic, 1.0, directed) for directed in (False, True))
            np.testing.assert_allclose(along, edge, atol=1e-6)
            assert np.abs(plain - edge).max() > 0.2

    def test_a_lens_keeps_the_mean_and_may_be_sharp(self, photograph: NDArray[np.float64]) -> None:
        scene = photograph[:60, :61].astype(np.float32)
        np.testing.assert_array_equal(camera.blurred(scene, 0), scene)
        once, twice = (camera.blurred(scene, times) for times in (1, 1.5))
        assert np.var(scene - scene.mean()) > np.var(once) > np.var(twice)
        np.testing.assert_allclose(twice.mean(axis=(0, 1)), scene.mean(axis=(0, 1)), atol=2e-3)

    @pytest.mark.parametrize("size", [(3, 3), (4, 7), (9, 5)])
    def test_small_and_odd_sizes(self, size: tuple[int, int]) -> None:
        for seed in range(6):
            assert parse("camera:0.001")(np.full((*size, 3), 0.5), rng(seed)).shape == (*size, 3)

    def test_noise_grows_with_the_gain_and_depends_on_the_signal(self) -> None:
        spreads = [
            np.mean([self.noise_of(level, 0.4, seed).std(axis=(0, 1)).mean() for seed in range(4)])
            for level in (0.0005, 0.002, 0.01)
        ]
        assert spreads[0] * 1.5 < spreads[1] < spreads[2] / 1.5
        dark, middle, white = (
            np.mean([self.noise_of(0.005, gray, seed).std(axis=(0, 1)).mean() for seed in range(4)]) for gray in (0.05, 0.4, 1.0)
        )
        assert white < dark < middle

    def test_noise_is_correlated_and_gaussian_noise_is_not(self) -> None:
        def neighbours(noise: NDArray[np.floating]) -> float:
            plane = noise[..., 0] - noise[..., 0].mean()
            return float((plane[:, 1:] * plane[:, :-1]).mean() / np.square(plane).mean())

        assert np.mean([neighbours(self.noise_of(0.005, 0.4, seed)) for seed in range(4)]) > 0.3
        assert abs(neighbours(parse("gaussian:10")(np.full((128, 128, 3), 0.4), rng()))) < 0.03


@pytest.mark.parametrize("text", ["salt-pepper:0.1:clip", "jpeg:50:clip", "impulses:0.1:clip", "camera:0.01:clip"])
def test_clip_is_refused_where_there_is_nothing_to_clip(text: str) -> None:
    with pytest.raises(OptionError, match="clip"):
        parse(text)


@pytest.mark.parametrize("text", ["poisson:10000000", "gaussian:12.34567891", "gaussian:0.00001", "jpeg:40"])
def test_texts_lose_no_digit(text: str) -> None:
    noise = parse(text)
    assert parse(str(noise)) == noise
    assert noise.level == float(text.split(":")[1])  # type: ignore[attr-defined]


def test_make_refuses_an_unknown_kind() -> None:
    with pytest.raises(OptionError, match="fog"):
        degradations.make("fog", 1)


class TestShrink:
    def test_noise_may_come_upon_what_was_made_smaller(self, clean: NDArray[np.float64]) -> None:
        chain = parse("shrink:2+gaussian:5+jpeg:70")
        assert (str(chain), chain.scale) == ("shrink:2+gaussian:5+jpeg:70", 2)
        perfect, spoiled = chain.pair(clean, rng(2))
        np.testing.assert_array_equal(perfect, parse("shrink:2").pair(clean, rng(2))[0])
        again = rng(2)
        expected = parse("jpeg:70")(parse("gaussian:5")(parse("shrink:2")(clean, again), again), again)
        np.testing.assert_array_equal(spoiled, expected)

    def test_cuts_to_multiples_and_scales_down(self, clean: NDArray[np.float64]) -> None:
        for shape in ((50, 41), (50, 41, 1), (50, 41, 3)):
            small = parse("shrink:4")(np.full(shape, 0.5), rng())
            assert small.shape == (12, 10, *shape[2:])
            np.testing.assert_array_equal(small, np.float32(128 / 255))
        levels = parse("shrink:2")(clean, rng()) * 255
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)

    @pytest.mark.parametrize("text", ["shrink:1", "shrink:2.5", "shrink:9", "shrink:x", "shrink:2:clip"])
    def test_bad_factors_are_refused(self, text: str) -> None:
        with pytest.raises(OptionError, match="shrink"):
            parse(text)

    def test_an_image_that_is_too_small_is_refused(self) -> None:
        with pytest.raises(OptionError, match="3x9"):
            parse("shrink:4")(np.zeros((9, 3)), rng())
