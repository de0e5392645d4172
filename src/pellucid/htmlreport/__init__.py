"""Self-contained HTML pages: of an evaluation (the protocol, the tables, charts, and crops to look at) and of a training run.

A page makes no request to the network and holds no date: the same data give the same bytes. Here data become JSON and fill a
template, ``page.html``, ``run.html`` or ``clips.html``, which begin with ``head.html``; ``page.js``, ``run.js`` and ``clips.js``
draw, the first two with ``elements.js`` (``drawing.html``). Charts are by Chart.js, which lies beside this file with its licence.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid import files, metrics
from pellucid.errors import ImageError, OptionError
from pellucid.evaluation import Evaluation
from pellucid.exhibits import Exhibit
from pellucid.images import Pixels
from pellucid.screening import Reel
from pellucid.tasks import TASKS
from pellucid.tasks.base import Learning

__all__ = ["LARGEST_CROP", "REASONS", "Sample", "write", "write_clips", "write_run"]

LARGEST_CROP = 320
"""Longest side in pixels of an exhibit: two dozen crops a page stay within some megabytes, and one fits a phone at full size."""

LONGEST_REEL = 12
"""Frames of a clip in a page, the last ones: a method's take about a third of a megabyte."""

REELS = 6
"""Clips, each with one noise, in a page."""

REASONS = ("chosen", "worst")

FIELD = re.compile(r"\{\{(\w+)\}\}")


def write(path: Path, evaluation: Evaluation, exhibits: Sequence[Exhibit], *, overwrite: bool = False) -> None:
    """Writes the page to ``path``: one HTML file that needs nothing else.

    Raises `FileError` when ``path`` exists and ``overwrite`` is False, or when it cannot be written; `ImageError` when the
    pictures of an exhibit are not of one size or too large; `OptionError` for an unknown reason.
    """
    with files.replacing(path, overwrite=overwrite) as temporary:
        # A name that is not Unicode (Linux allows any bytes) becomes \udcXX, which JSON reads back as it was.
        temporary.write_bytes(_page(evaluation, exhibits).encode("utf-8", "backslashreplace"))


def write_clips(path: Path, evaluation: Evaluation, reels: Sequence[Reel], *, overwrite: bool = False) -> None:
    """Writes the page of an evaluation of clips, with a player of each, to ``path``, as of `write`. Frames are shown up to
    `LARGEST_CROP` pixels a side, the middle of larger ones, at most `LONGEST_REEL` of each clip and `REELS` clips."""
    fields = {
        "title": html.escape("Clips: evaluation by pellucid"),
        "evaluation": _in_script(evaluation.to_json()),
        "reels": _in_script(json.dumps([_played(reel) for reel in reels[:REELS]])),
        "script": _text("clips.js"),
    }
    with files.replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(_filled("clips.html", fields).encode("utf-8", "backslashreplace"))


def _played(reel: Reel) -> dict[str, Any]:
    first = next(iter(reel.frames.values()))[0]
    height, width = (min(side, LARGEST_CROP) for side in first.shape[:2])
    top, left = ((side - shown) // 2 for side, shown in zip(first.shape[:2], (height, width), strict=True))
    count = min(LONGEST_REEL, len(next(iter(reel.frames.values()))))
    frames = {
        name: [_webp(frame[top : top + height, left : left + width]) for frame in some[-count:]]
        for name, some in reel.frames.items()
    }
    return {"title": reel.title, "width": width, "height": height, "count": count, "frames": frames}


def _webp(levels: NDArray[np.uint8]) -> str:
    """A frame as a data URI; noise takes many bytes, and WebP of this quality shows all that moves."""
    buffer = io.BytesIO()
    PillowImage.fromarray(np.ascontiguousarray(levels)).save(buffer, "WEBP", quality=90)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


@dataclass(frozen=True)
class Sample:
    """A held-out picture of a run: crops (height, width, 1 or 3), float32, clipped when shown; ``clean`` is None where it is not
    known.

    ``image`` and ``noise`` are words for the reader, as is ``given``, the word for the network's input; one pixel is shown as
    ``zoom`` (1, 2 or 3) pixels of the screen.
    """

    image: str
    noise: str
    clean: Pixels | None
    noisy: Pixels
    restored: Pixels
    given: str = Learning.before
    zoom: int = 1


def write_run(path: Path, run: Mapping[str, Any], samples: Sequence[Sample], *, overwrite: bool = False) -> None:
    """Writes the page of a training run to ``path``: one HTML file that needs nothing else.

    ``run`` is what ``run.js`` draws, plain data without infinity and NaN, which JSON lacks: ``name``, ``lead``, ``warnings`` and
    ``notes`` (lists of lines), ``scores`` (``methods``, ``rows``, ``said``) or None and why in ``unscored``, ``pictured`` (a line
    on the pictures), ``history`` (a list of `vars` of each validation), ``before`` (one such, or None), ``best_step``, ``loss``
    (its name), ``validated`` and ``losses`` (a line on either curve), and ``about`` (a list of ``title`` and ``facts``). Raises
    `FileError` and `ImageError` as `write`.
    """
    fields = {
        "title": html.escape(f"{run['name']}: training by pellucid"),
        "run": _in_script(json.dumps(run, indent=1, ensure_ascii=False, allow_nan=False)),
        "pictures": _in_script(json.dumps([_sampled(sample) for sample in samples])),
        "script": _text("run.js"),
    }
    with files.replacing(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(_filled("run.html", fields).encode("utf-8", "backslashreplace"))


def _page(evaluation: Evaluation, exhibits: Sequence[Exhibit]) -> str:
    source = str(evaluation.protocol.get("images") or "images")
    fields = {
        "title": html.escape(f"{source}: evaluation by pellucid"),
        "evaluation": _in_script(evaluation.to_json()),
        "exhibits": _in_script(json.dumps([_shown(exhibit) for exhibit in exhibits])),
        "terms": _in_script(json.dumps(_terms(evaluation))),
        "script": _text("page.js"),
    }
    return _filled("page.html", fields)


def _terms(evaluation: Evaluation) -> dict[str, Any]:
    """The page's names for the task's metrics, the headline first, and for the image before."""
    row = TASKS.get(evaluation.protocol.get("task", ""))
    module = row.module() if row is not None else None
    names = module.METRICS if module is not None else metrics.COMPARED
    learning = module.Learning if module is not None else Learning
    fields = ("name", "label", "title", "summary", "unit", "digits", "higher_is_better")
    return {
        "metrics": [{field: getattr(metrics.METRICS[name], field) for field in fields} for name in names],
        "before": learning.before,
        "words": learning.words,
    }


def _filled(template: str, fields: dict[str, str]) -> str:
    """The template with its own fields and with what all pages have."""
    fields = fields | {
        "style": _text("page.css"),
        "licence": _text("CHARTJS-LICENCE.txt"),
        # Its source map is not in the page; a browser's developer tools would ask for it.
        "charts": re.sub(r"\n//# sourceMappingURL=.*", "", _text("chart.umd.min.js")),
        "elements": _text("elements.js"),
    }
    whole = _text(template).replace("{{head}}", _text("head.html")).replace("{{drawing}}", _text("drawing.html"))
    # In one pass: text inside the data is never taken for a field.
    return FIELD.sub(lambda match: fields[match[1]], whole)


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


def _sampled(sample: Sample) -> dict[str, Any]:
    pictures = [sample.noisy, sample.restored, *([] if sample.clean is None else [sample.clean])]
    if any(picture.ndim != 3 or picture.shape != sample.noisy.shape or picture.shape[2] not in (1, 3) for picture in pictures):
        raise ImageError(f"{sample.image}: pictures of shapes {', '.join(str(picture.shape) for picture in pictures)}")
    height, width = sample.noisy.shape[:2]
    if not 0 < max(height, width) <= LARGEST_CROP:
        raise ImageError(f"{sample.image}: {width}x{height} pixels; a crop is at most {LARGEST_CROP} on either side")
    scores = None
    if sample.clean is not None:
        both = [metrics.psnr(sample.clean, np.clip(picture, 0, 1), data_range=1.0) for picture in (sample.noisy, sample.restored)]
        scores = [value if np.isfinite(value) else None for value in both]
    return {
        "image": sample.image,
        "noise": sample.noise,
        "width": width,
        "height": height,
        "zoom": sample.zoom,
        "given": sample.given,
        "clean": None if sample.clean is None else _png(sample.clean),
        "noisy": _png(sample.noisy),
        "restored": _png(sample.restored),
        "psnr": scores,
    }


def _png(pixels: Pixels) -> str:
    """The picture, clipped and rounded to 8 bits, as a data URI."""
    levels = np.rint(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
