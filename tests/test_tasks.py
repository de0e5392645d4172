from __future__ import annotations

import numpy as np
import pytest

from pellucid import degradations
from pellucid.errors import OptionError
from pellucid.tasks import TASKS
from pellucid.tasks.base import NoiseRange
from pellucid.tasks.denoise import MAPS, Learning


def test_the_maps_describe_the_noise() -> None:
    task = Learning(noise=(NoiseRange("gaussian", 0, 50),))
    clean = np.full((6, 9, 3), 0.5, dtype=np.float32)
    pair = task.degrade(clean, degradations.parse("gaussian:51"), np.random.default_rng(0))
    assert pair.maps.shape == (6, 9, len(MAPS))
    np.testing.assert_allclose(pair.maps[..., 0], 0.2)
    np.testing.assert_array_equal(pair.maps[..., 1], 0)
    unknown = task.degrade(clean, degradations.parse("impulses:0.3"), np.random.default_rng(0))
    np.testing.assert_allclose(unknown.maps[..., 1], 0.3)


def test_black_and_white_impulses_are_known_and_filled() -> None:
    task = Learning(noise=(NoiseRange("gaussian", 0, 50),))
    clean = np.full((32, 48, 3), 0.5, dtype=np.float32)
    pair = task.degrade(clean, degradations.parse("salt-pepper:0.3"), np.random.default_rng(0))
    noisy = degradations.parse("salt-pepper:0.3")(clean, np.random.default_rng(0))
    hit = np.isin(noisy[..., 0], (0, 1))
    assert pair.maps[..., 1][hit].min() > 0.5
    np.testing.assert_array_equal(pair.maps[..., 1][~hit], 0)
    assert np.abs(pair.image - clean).mean() < 0.003


def test_the_sigma_map_follows_the_signal_and_noise_without_a_law_is_measured() -> None:
    task = Learning(noise=(NoiseRange("gaussian", 0, 50),))
    clean = np.full((64, 128, 1), 0.2, dtype=np.float32)
    clean[:, 64:] = 0.8
    poisson = task.degrade(clean, degradations.parse("poisson:50"), np.random.default_rng(0)).maps[..., 0]
    assert poisson[:, :50].mean() == pytest.approx(np.sqrt(0.2 / 50), rel=0.05)
    assert poisson[:, 78:].mean() == pytest.approx(np.sqrt(0.8 / 50), rel=0.05)
    grain = task.degrade(clean, degradations.parse("grain:20"), np.random.default_rng(0)).maps[..., 0]
    assert grain.mean() * 255 == pytest.approx(20, rel=0.1)


def test_noise_may_follow_upon_noise_and_its_level_be_doubtful() -> None:
    entry = NoiseRange("gaussian", 5, 5, then=(NoiseRange("salt-pepper", 0.2, 0.2),))
    assert str(entry.draw(np.random.default_rng(0))) == "gaussian:5+salt-pepper:0.2"
    clean = np.full((8, 8, 1), 0.5, dtype=np.float32)
    sure, unsure = (
        [
            float(
                Learning(noise=(NoiseRange("gaussian", 20, 20),), doubt=doubt)
                .pair(clean, np.random.default_rng(seed))
                .maps[0, 0, 0]
            )
            for seed in range(200)
        ]
        for doubt in (0, 0.2)
    )
    assert np.ptp(sure) == 0
    assert np.std(np.log(np.array(unsure) * 255 / 20)) == pytest.approx(0.2, rel=0.2)


def test_only_impulses_of_any_value_are_looked_at_again() -> None:
    clean = np.full((16, 16, 1), 0.5, dtype=np.float32)
    rng = np.random.default_rng
    kinds = {
        "impulses:0.1": True,
        "gaussian:25+impulses:0.1": True,
        "salt-pepper:0.1": False,
        "gaussian:25": False,
    }
    ranges = tuple(NoiseRange("impulses", 0.1, 0.3) for _ in range(2))
    for noise, again in kinds.items():
        degraded = Learning(noise=ranges, again=0.5).degrade(clean, degradations.parse(noise), rng(0))
        assert degraded.again == again, noise
        assert not Learning(noise=ranges).degrade(clean, degradations.parse(noise), rng(0)).again
    asked = [Learning(noise=ranges, again=0.3).pair(clean, rng(seed)).again for seed in range(300)]
    assert np.mean(asked) == pytest.approx(0.3, abs=0.08)


def test_pairs_are_seeded_and_of_every_kind() -> None:
    task = Learning(noise=(NoiseRange("gaussian", 10, 20), NoiseRange("salt-pepper", 0.3, 0.4)), maps=())
    clean = np.full((16, 16, 1), 0.5, dtype=np.float32)
    first = task.pair(clean, np.random.default_rng(3))
    np.testing.assert_array_equal(first.image, task.pair(clean, np.random.default_rng(3)).image)
    assert first.maps.shape == (16, 16, 0)
    extremes = [np.isin(task.pair(clean, np.random.default_rng(seed)).image, (0, 1)).mean() > 0.1 for seed in range(40)]
    assert 5 < sum(extremes) < 35


def test_weights_are_obeyed_and_levels_stay_in_range() -> None:
    heavy = Learning(noise=(NoiseRange("gaussian", 0, 0, weight=1e-9), NoiseRange("gaussian", 30, 40)))
    clean = np.full((64, 64, 1), 0.5, dtype=np.float32)
    for seed in range(10):
        assert 25 < np.std(heavy.pair(clean, np.random.default_rng(seed)).image) * 255 < 45


def test_log_spread_halves_at_the_geometric_middle() -> None:
    drawn = [NoiseRange("gaussian", 1, 100, spread="log").draw(np.random.default_rng(seed)).sigma for seed in range(400)]
    assert np.mean(np.array(drawn) < 10) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(
    "make",
    [
        lambda: NoiseRange("gaussian", 5, 2),
        lambda: NoiseRange("gaussian", 0, 2, weight=0),
        lambda: NoiseRange("gaussian", 0, 2, spread="log"),
        lambda: NoiseRange("fog", 0, 2),
        lambda: Learning(noise=()),
        lambda: Learning(noise=(NoiseRange("gaussian", 0, 2),), doubt=2),
        lambda: Learning(noise=(NoiseRange("gaussian", 0, 2),), maps=("colour",)),
        lambda: Learning(noise=(NoiseRange("gaussian", 0, 2),), again=2),
        lambda: Learning(noise=(NoiseRange("impulses", 0, 0.2),), again=0.5, maps=("sigma",)),
    ],
)
def test_nonsense_is_refused(make: object) -> None:
    with pytest.raises(OptionError):
        make()  # type: ignore[operator]


def test_the_table_names_its_rows() -> None:
    assert all(name == task.name and task.summary for name, task in TASKS.items())
