"""One self-contained HTML page of an evaluation: the protocol, the tables, charts, and crops to look at.

The page asks nothing of the network and holds no date: the same evaluation and exhibits give the same bytes. Here data become
JSON and fill the template; ``page.js`` draws, with what it shares with other pages from ``elements.js``. Charts are by
Chart.js, which lies beside this file with its licence.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from pellucid import files
from pellucid.errors import ImageError, OptionError
from pellucid.evaluation import Evaluation, Exhibit
from pellucid.images import Pixels

__all__ = ["LARGEST_CROP", "REASONS", "write"]

LARGEST_CROP = 320
"""Longest side in pixels of an exhibit: two dozen crops a page stay within some megabytes, and one fits a phone at full size."""

REASONS = ("chosen", "worst")

FIELD = re.compile(r"\{\{(\w+)\}\}")


def write(path: Path, evaluation: Evaluation, exhibits: Sequence[Exhibit], *, overwrite: bool = False) -> None:
    """Writes the page to ``path``: one HTML file that needs nothing else.

    Raises `FileError` when ``path`` exists and ``overwrite`` is not said, or when it cannot be written; `ImageError` when the
    pictures of an exhibit are not of one size or too large; `OptionError` for an unknown reason.
    """
    with files.replacing(path, overwrite=overwrite) as temporary:
        # A name that is no Unicode (Linux allows any bytes) becomes \udcXX, which JSON reads as what it was.
        temporary.write_bytes(_page(evaluation, exhibits).encode("utf-8", "backslashreplace"))


def _page(evaluation: Evaluation, exhibits: Sequence[Exhibit]) -> str:
    source = str(evaluation.protocol.get("images") or "images")
    fields = {
        "title": html.escape(f"{source}: evaluation by pellucid"),
        "style": _text("page.css"),
        "evaluation": _in_script(evaluation.to_json()),
        "exhibits": _in_script(json.dumps([_shown(exhibit) for exhibit in exhibits])),
        "licence": _text("CHARTJS-LICENCE.txt"),
        # Its source map is not in the page; a browser's developer tools would ask for it.
        "charts": re.sub(r"\n//# sourceMappingURL=.*", "", _text("chart.umd.min.js")),
        "elements": _text("elements.js"),
        "script": _text("page.js"),
    }
    # In one pass: what data say is never taken for a field.
    return FIELD.sub(lambda found: fields[found[1]], _text("page.html"))


def _text(name: str) -> str:
    return (resources.files(__name__) / name).read_text("utf-8")


def _in_script(text: str) -> str:
    """JSON that can stand in a script element: no name in it can end the element or open a comment."""
    return text.replace("<", "\\u003c")


def _shown(exhibit: Exhibit) -> dict[str, Any]:
    name = f"exhibit {exhibit.image} {exhibit.noise}"
    if exhibit.reason not in REASONS:
        raise OptionError(f"{name}: reason {exhibit.reason!r} is not one of {', '.join(REASONS)}")
    height, width = exhibit.clean.shape[:2]
    for picture in (exhibit.clean, exhibit.noisy, *exhibit.answers.values()):
        if picture.ndim != 3 or picture.shape[2] not in (1, 3) or picture.shape[:2] != (height, width):
            raise ImageError(f"{name}: a picture of shape {picture.shape} beside one of {exhibit.clean.shape}")
    if not 0 < max(height, width) <= LARGEST_CROP:
        raise ImageError(f"{name}: {width}x{height} pixels; a crop is at most {LARGEST_CROP} on either side")
    return {
        "image": exhibit.image,
        "noise": exhibit.noise,
        "reason": exhibit.reason,
        "width": width,
        "height": height,
        "clean": _png(exhibit.clean),
        "noisy": _png(exhibit.noisy),
        "answers": [{"method": method, "src": _png(answer)} for method, answer in exhibit.answers.items()],
        "psnr": dict(exhibit.psnr),
    }


def _png(pixels: Pixels) -> str:
    """The picture, clipped and rounded to 8 bits, as a data URI."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
