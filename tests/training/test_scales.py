"""Images of one's own whose files do not state black and white learn on one scale, all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from pellucid.training import recipes
from pellucid.training.pictures import load_noisy, load_pairs

RECIPE = recipes.with_channels(recipes.find("own"), 1)
DATA = replace(RECIPE.data, patch=32)


@pytest.mark.parametrize(
    ("tops", "as_file", "white"),
    [
        ((900, 3000, 2000), lambda values: np.rint(values).astype(np.uint16), 4095),
        ((9000, 30000, 200), lambda values: np.rint(values).astype(np.uint16), 65535),
        ((40.0, 250.0, 700.0), lambda values: values.astype(np.float32), 700),
    ],
    ids=["counts", "16 bits", "floats"],
)
def test_images_of_several_ranges_get_one_scale(
    tops: tuple[float, ...], as_file: Callable[[NDArray[np.float64]], NDArray[np.generic]], white: float, tmp_path: Path
) -> None:
    noisy, clean = tmp_path / "noisy", tmp_path / "clean"
    rng = np.random.default_rng(0)
    for place in (noisy, clean):
        place.mkdir()
    for index, top in enumerate(tops):
        values = np.linspace(0, top, 64 * 64).reshape(64, 64)
        tifffile.imwrite(clean / f"{index}.tif", as_file(values * 0.3), metadata=None)
        tifffile.imwrite(
            noisy / f"{index}.tif", as_file(np.clip(values + rng.normal(0, top / 50, values.shape), 0, top)), metadata=None
        )
    for pictures in (load_pairs((noisy, clean), DATA, RECIPE.task), load_noisy(noisy, DATA, RECIPE.task)):
        # The lightest pixel of each picture, as a share of the one white.
        full = {"uint8": 255, "uint16": 65535, "float32": 1}
        lightest = [
            shot.levels.max() / full[shot.levels.dtype.name]
            for shot in (*pictures.shots, *pictures.valid_shots)
            if shot is not None
        ]
        assert sorted(lightest) == pytest.approx(sorted(top / white for top in tops), abs=2e-3)
        assert any("--range LO:HI sets them" in note for note in pictures.notes)
