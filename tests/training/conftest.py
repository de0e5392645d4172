from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def same_weights() -> None:
    """Fresh networks and random planes are the same ones in every run, whichever test came before."""
    torch.manual_seed(0)
