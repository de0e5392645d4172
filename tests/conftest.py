from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import samples
from pellucid.cards import Card


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Compiled graphs and data sets of the tests stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("PELLUCID_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def photograph() -> NDArray[np.float64]:
    """The package's photograph, (400, 608, 3) in [0, 1]."""
    return samples.photograph() / np.float64(255)


@pytest.fixture(scope="session")
def digits() -> NDArray[np.float64]:
    """The package's digits, (2000, 28, 28) in [0, 1]."""
    return samples.digits()[0] / np.float64(255)


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A model file with random weights: make_model(channels=1, maps=("sigma",), network="unet")."""
    import torch

    from pellucid.training import export, recipes

    def make(*, channels: int = 1, maps: tuple[str, ...] = (), network: str = "unet", name: str = "tiny") -> Path:
        table = {"name": network} if network == "autoencoder" else {"name": network, "widths": [8, 16], "blocks": [1, 1]}
        recipe = recipes.Recipe.from_dict(
            {
                "name": name,
                "summary": "a test's",
                "licence": "CC0",
                "task": {"name": "denoise", "maps": list(maps), "noise": [{"kind": "gaussian", "low": 0, "high": 50}]},
                "network": table,
                "data": {"kind": "images", "channels": channels, "patch": 32},
                "training": {"steps": 1},
            }
        )
        torch.manual_seed(1)
        module = recipe.network.build().eval()
        card = Card(
            name=name,
            task="denoise",
            summary="a test's",
            channels=channels,
            maps=maps,
            answer=module.answer,
            multiple_of=module.multiple_of,
            halo=module.halo,
            recipe=recipe.to_dict(),
        )
        path = tmp_path_factory.mktemp("model") / f"{name}.onnx"
        export.write_model(path, card, module)
        return path

    return make


@pytest.fixture(scope="session")
def gray_model(make_model: Callable[..., Path]) -> Path:
    return make_model(channels=1, maps=("sigma",), name="gray")


@pytest.fixture(scope="session")
def blind_model(make_model: Callable[..., Path]) -> Path:
    return make_model(channels=1, name="blind")
