"""The promise for pictures that are restored in pieces: as the whole picture, on whatever arithmetic the processor has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pellucid import degradations, restorer, tiling
from pellucid.tasks import denoise

pytestmark = pytest.mark.arithmetic

KINDS = {
    # Noise, the height and width of the picture: the margins of a piece are in the width twice.
    "gaussian:5": (96, 560),
    "gaussian:50": (96, 560),
    "poisson:20": (96, 560),
    "camera:0.003": (96, 608),
    "salt-pepper:0.5": (96, 608),
    "gaussian:25+salt-pepper:0.2": (96, 720),
    "gaussian:5+impulses:0.1": (64, 960),
}


@pytest.fixture(scope="module")
def photo() -> restorer.Restorer:
    return restorer.load("photo")


def in_two(height: int, width: int, *, tile: int, halo: int, multiple_of: int = 1) -> tiling.Cut:
    """A picture cut into two pieces, side by side, where `tiling.cut` would leave one that is as small as a test's."""
    margin = -(-halo // multiple_of) * multiple_of
    side = -(-(width // 2 + margin) // multiple_of) * multiple_of
    assert height % multiple_of == width % multiple_of == 0
    # Narrower pieces than the product's would be summed in another order with AMX: see `denoise.HALO_SHARE`.
    assert 408 <= side < width
    columns = tiling.Part(0, side, (0, side - margin)), tiling.Part(width - side, width, (side - margin, width))
    return tiling.Cut((tiling.Part(0, height, (0, height)),), columns, (height, side))


def differences(
    photo: restorer.Restorer, clean: NDArray[np.float64], text: str, monkeypatch: pytest.MonkeyPatch
) -> NDArray[np.float64]:
    """How far the answers in two pieces are from the answers in one, in 8-bit levels."""
    noisy = degradations.parse(text)(clean, np.random.default_rng(0))
    sigma = float(text.partition(":")[2]) if text.startswith("gaussian:") and "+" not in text else None
    whole = photo.details(noisy, sigma=sigma)
    with monkeypatch.context() as patch:
        patch.setattr(tiling, "cut", in_two)
        tiled = photo.details(noisy, sigma=sigma)
    assert tiled.model == whole.model
    return np.abs(tiled.image - whole.image) * 255


def picture(photograph: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """A strip of the photograph, and beside it another one, mirrored."""
    return np.concatenate([photograph[:height], photograph[height : 2 * height, ::-1]], axis=1)[:, :width]


def as_promised(off: NDArray[Any], times: int = 1) -> None:
    """Asserts the promise of `denoise.HALO_SHARE`. The bound is 1.01, for a step of bfloat16 may be one level, and is rounded."""
    assert off.max() <= 2 * times
    assert off.mean() <= 0.05 * times
    assert (off > 1.01).mean() <= 1e-5 * times


@pytest.mark.parametrize("text", KINDS)
def test_pieces_answer_as_the_whole(
    text: str, photo: restorer.Restorer, photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    off = differences(photo, picture(photograph, *KINDS[text]), text, monkeypatch)
    as_promised(off, times=2 if "+impulses" in text else 1)


def test_pieces_answer_as_the_whole_in_gray(
    photo: restorer.Restorer, photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    as_promised(differences(photo, picture(photograph, 96, 560)[..., :1], "gaussian:25", monkeypatch))


def test_with_the_whole_reach_they_answer_the_same_to_the_bit(
    photo: restorer.Restorer, photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoise, "HALO_SHARE", 1)
    assert differences(photo, picture(photograph, 96, 560), "gaussian:25", monkeypatch).max() == 0


def test_a_margin_that_is_too_small_shows(
    photo: restorer.Restorer, photograph: NDArray[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoise, "HALO_SHARE", 0.5)
    off = differences(photo, picture(photograph, 96, 688), "gaussian:25", monkeypatch)
    with pytest.raises(AssertionError):
        as_promised(off)
