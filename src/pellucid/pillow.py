"""Pictures of any size through Pillow, whose own limit is lifted: that of `pellucid.files.claims` is higher, and goes by the length
of the file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image as PillowImage

__all__ = ["opened", "unlimited"]

_lifting = threading.RLock()


@contextmanager
def unlimited() -> Iterator[None]:
    """Within it Pillow opens, seeks and loads pictures of any size: one thread at a time, for the limit is that of the process."""
    with _lifting:
        limit, PillowImage.MAX_IMAGE_PIXELS = PillowImage.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            PillowImage.MAX_IMAGE_PIXELS = limit


def opened(source: IO[bytes], *kinds: str) -> PillowImage.Image:
    """The picture that Pillow finds in the file, of one of ``kinds`` (of any, if none is named), not yet decoded."""
    with unlimited():
        return PillowImage.open(source, formats=kinds or None)
