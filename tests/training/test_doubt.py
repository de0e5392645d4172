"""The network behind the confidence learns the share of errors that it is to have inside."""

from __future__ import annotations

import numpy as np

from pellucid.training import calibration


def test_the_share_inside_is_learnt_for_any_scale_and_shape_of_errors() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (20_000, 3)).astype(np.float32)
    # Errors whose spread one feature says, with longer tails than a Gaussian's.
    error = np.abs(rng.standard_t(4, len(features))) * np.exp2(features[:, 0])
    level = np.where(features[:, 1] > 0, 10, 40)
    targets = np.stack([np.log2(error + 1e-4), level], axis=1).astype(np.float32)
    learnt = calibration.Examples(features[:15_000], targets[:15_000])
    held = calibration.Examples(features[15_000:], targets[15_000:])
    weights = calibration.train_doubt(learnt, steps=400)
    answer = weights.of(held.features)[:, 0]
    inside = held.targets[:, 0] <= answer
    for part in np.array_split(np.argsort(answer), 4):
        assert 0.64 < inside[part].mean() < 0.73
    lines = calibration.doubt_scores(weights, held)
    assert [line.split(":")[0] for line in lines] == ["level 6 to 12", "level 30 to 45"]
