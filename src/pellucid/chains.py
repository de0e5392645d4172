"""Several tasks on one picture, one after the other, with nothing rounded or written between them.

Between two steps a picture is what a file of float32 would give back (`pellucid.depths`), so the output is that of the steps run
one by one through such files. A large one lies in a temporary file without a name: the next step looks at all of it first.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid import __version__, depths, images, memory, restorer, stacks, steps, weighing
from pellucid import confidence as trusting
from pellucid.errors import OptionError
from pellucid.files import base, metadata
from pellucid.images import Image, Range, Rows
from pellucid.restorer import Restoration, Restorer
from pellucid.steps import Steps
from pellucid.tasks.settings import Settings, Shape
from pellucid.views import View

__all__ = ["Chain", "load", "of"]

SHARES = 1000
"""The parts in which the progress of all steps together is told."""

BAND_ROWS = 64
"""Rows of a large picture that are written to the temporary file at once."""


class Chain:
    """Models for several steps, ready to restore: as a `Restorer`, but its settings are `Steps`.

    ``watch`` is called with the number of each step but the last, from 1, and its output, of which it may keep nothing.

    >>> load("denoise+upscale:scale=3").steps.text()
    'denoise+upscale:scale=3.0'
    """

    def __init__(self, chosen: Steps, restorers: Sequence[Restorer]) -> None:
        self.steps = chosen
        self.restorers = tuple(restorers)
        self.watch: Callable[[int, Image], None] | None = None

    @property
    def memory(self) -> int | None:
        """Bytes that this process may have in all; None: as it has."""
        return self.restorers[0].memory

    def fingerprint(self, *kinds: str) -> str:
        """A hash of the files of all models and the engine, as `Restorer.fingerprint`: no chain restores documents of other
        ``kinds``."""
        return "+".join(model.fingerprint() for model in self.restorers)

    def settings(self) -> Steps:
        """The steps as they were asked for."""
        return self.steps

    def check(self, chosen: Any) -> None:
        """Before any picture is looked at: raises `OptionError` for a step whose settings its model does not take."""
        for step, model in zip(chosen.steps, self.restorers, strict=True):
            try:
                model.check(step.settings)
            except OptionError as error:
                raise OptionError(f"step {step.task.name}: {error}") from error
            if kept := step.settings.given("mosaics"):
                raise OptionError(
                    f"step {step.task.name}: {kept[0]} keeps what a camera's sensor saw, and steps work on developed pictures: "
                    f"use 'pellucid {step.task.name}' for it"
                )

    def trusted(self, chosen: Any) -> tuple[str, ...]:
        """The names of the planes that say how far to trust the output; `OptionError` where a step has none."""
        pairs = zip(chosen.steps, self.restorers, strict=True)
        return tuple(dict.fromkeys(name for step, model in pairs for name in model.trusted(step.settings)))

    def restore(
        self, image: ArrayLike | Image, chosen: Steps | None = None, /, *, range: Range = "auto", axes: str | None = None
    ) -> Any:
        """The image after all steps: an array for an array, of its dtype; an `Image` for an `Image`. ``range`` and ``axes`` as of
        `Restorer.restore`. Raises `ImageError` and `OptionError`."""
        if isinstance(image, Image):
            if (range, axes) != ("auto", None):
                raise OptionError("range and axes are for arrays, and this is an Image")
            return self.details(image, chosen).image
        return stacks.restored(image, range, axes, lambda picture: self.details(picture, chosen))

    def details(
        self,
        image: Image | View,
        chosen: Steps | None = None,
        /,
        *,
        mask: ArrayLike | None = None,
        keep: Literal["source", "float32"] = "source",
        confidence: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Restoration:
        """The same as `restore`, with the files that served, the seconds of all steps, and the fact ``steps``: what each did.

        A `View` of an `Image` brings what the first step need not look for. ``mask`` as of `Restorer.details`, for all steps.
        ``keep`` float32: the image is left as a file of float32 holds it, with black and white at 0 and 1. ``confidence`` adds
        planes, those of all steps together (`pellucid.confidence.joined`); `OptionError` where a step has none. ``progress`` is
        called with (done, of) over all steps, each of which counts by the size of its output. Raises `MemoryShort` before the first
        step where there is too little memory for a later one.
        """
        chosen = self.steps if chosen is None else chosen
        found = image.found if isinstance(image, View) else None
        image = image.picture if isinstance(image, View) else image
        if confidence:
            self.trusted(chosen)
        if mask is not None:
            weighing.check(chosen.text(paths=False), chosen, image)
        self._check_memory(chosen, image)
        source, shares = image, _shares(chosen, image)
        held = not isinstance(image.pixels, Rows)
        # Only at the end the source's own values come back: until then the pixels around them are an image like others.
        image = replace(image, kept=None)
        done: list[Mapping[str, Any]] = []
        planes: dict[str, NDArray[Any]] = {}
        beside: dict[str, Any] = {"mask": mask, "keep": "float32", "confidence": confidence}
        seconds = 0.0
        for number, (step, model) in enumerate(zip(chosen.steps[:-1], self.restorers, strict=False)):
            tell = None if progress is None else partial(_told, progress, sum(shares[:number]), shares[number])
            if _is_large(image, step.settings):
                # Its output goes straight to the temporary file.
                image = images.in_bands(image)
            result = model.details(View((image,), found=found), step.settings, progress=tell, **beside)
            planes = _joined(planes, result)
            found = None
            coming = result.image.pixels
            image = depths.between(_stored(result.image))
            # Its facts are asked for now: what works them out holds the picture before.
            done.append({"model": result.model, "facts": result.facts})
            if self.watch is not None:
                self.watch(number + 1, image)
            seconds += result.seconds + (coming.seconds if isinstance(coming, Rows) else 0.0)
            del result, coming
        tell = None if progress is None else partial(_told, progress, sum(shares[:-1]), shares[-1])
        seen = View((image,), found=found)
        last = self.restorers[-1].details(seen, chosen.steps[-1].settings, progress=tell, **beside)
        planes = _joined(planes, last)
        output = images.held(last.image) if held else last.image
        if keep == "source":
            output = depths.as_source(output, source)
            if chosen.masked:
                output = replace(output, black=0.0, white=None)
            if mask is not None:
                output = weighing.untouched(output, source, weighing.plane(mask))
        output = metadata.with_history(output, f"pellucid {__version__}", chosen.text(paths=False))
        models = "+".join([*(each["model"] for each in done), last.model])
        facts = partial(_facts, tuple(done), last)
        return Restoration(output, models, seconds + last.seconds, output.remarks, planes, facts)

    def _check_memory(self, chosen: Steps, image: Image) -> None:
        """`MemoryShort` where there is too little memory for a later step; the first one says so itself."""
        shape, kept = image.pixels.shape, 0
        alpha = image.alpha is not None
        for number, (step, model) in enumerate(zip(chosen.steps, self.restorers, strict=True)):
            height, width, channels = shape
            banded = isinstance(image.pixels, Rows) if number == 0 else height * width >= base.BANDED
            most, engine = model.needs(step.settings, shape, banded=banded)
            if number:
                # The step before is over; its output is there, and what its engine keeps.
                between = 0 if banded else 4 * height * width * channels
                memory.check(kept + between + most, self.memory, f"step {step.task.name}: {width}x{height} pixels")
            kept += engine
            answer = step.settings.answer(Shape(height, width, channels, alpha))
            shape, alpha = (answer.height or height, answer.width or width, answer.channels), answer.alpha


def _joined(planes: Mapping[str, NDArray[Any]], result: Restoration) -> dict[str, NDArray[Any]]:
    """The planes of the steps before with those of a step."""
    return trusting.joined(planes, result.planes, *result.image.pixels.shape[:2])


def load(chosen: Steps | str, *, device: str = "auto", engine: str = "auto", memory: int | None = None) -> Chain:
    """The chain of these steps, or of their text (see `pellucid.steps.parse`); each model is loaded once. The rest, and errors, as
    of `pellucid.restorer.load`; `OptionError` for a model of another task than its step's."""
    chosen = steps.parse(chosen) if isinstance(chosen, str) else chosen
    loaded: dict[str, Restorer] = {}
    return of(chosen, lambda name: loaded.setdefault(name, restorer.load(name, device=device, engine=engine, memory=memory)))


def of(chosen: Steps, model: Callable[[str], Restorer]) -> Chain:
    """The chain of these steps; ``model`` gives the restorer of a name."""
    restorers = []
    for step in chosen.steps:
        found = model(step.model)
        if found.task is not step.task:
            raise OptionError(f"step {step.task.name}: model {step.model!r} is for another task, {found.task.name}")
        restorers.append(found)
    return Chain(chosen, restorers)


def _told(progress: Callable[[int, int], None], before: float, share: float, done: int, of: int) -> None:
    progress(round(SHARES * (before + share * done / max(1, of))), SHARES)


def _facts(done: tuple[Mapping[str, Any], ...], last: Restoration) -> Mapping[str, Any]:
    return {"steps": (*done, {"model": last.model, "facts": last.facts})}


def _shares(chosen: Steps, image: Image) -> list[float]:
    """Each step's share of the work: by the pixels of its output."""
    height, width, _ = image.pixels.shape
    shape = Shape.of(image)
    pixels = []
    for step in chosen.steps:
        shape = step.settings.answer(shape)
        if shape.height is None or shape.width is None:
            shape = shape._replace(height=height, width=width)
        assert shape.height is not None
        assert shape.width is not None
        pixels.append(float(shape.height * shape.width))
    return [each / sum(pixels) for each in pixels]


def _is_large(image: Image, settings: Settings) -> bool:
    """Whether a step's input or output is no longer held in memory between steps."""
    height, width, _ = image.pixels.shape
    answer = settings.answer(Shape.of(image))
    return bool(max(height * width, (answer.height or 0) * (answer.width or 0)) >= base.BANDED)


def _stored(image: Image) -> Image:
    """The image with pixels that can be taken in any order: where they come band by band, or are many, in a temporary file without
    a name."""
    height, width, _ = image.pixels.shape
    if not isinstance(image.pixels, Rows) and height * width < base.BANDED:
        return image
    image = images.in_bands(image)
    pixels = image.pixels
    # Many systems keep /tmp in memory, but not /var/tmp.
    place = "/var/tmp" if "TMPDIR" not in os.environ and os.access("/var/tmp", os.W_OK) else None
    held = _Held(*tempfile.mkstemp(prefix="pellucid-", dir=place))
    file = open(held.descriptor, "w+b", buffering=0, closefd=False)  # noqa: SIM115  # `held` closes it
    for band in pixels.bands(BAND_ROWS):
        values = memoryview(np.ascontiguousarray(band, dtype=np.float32).tobytes())
        while len(values):
            values = values[file.write(values) :]
    stored = base.raw_rows(file, 0, pixels.shape, np.dtype(np.float32))

    def take(top: int, bottom: int) -> NDArray[Any]:
        assert held.descriptor >= 0
        return stored.take(top, bottom)

    return images.with_pixels(image, Rows(stored.shape, stored.dtype, take))


class _Held:
    """A temporary file that is closed, and gone, when nobody refers to this any more."""

    def __init__(self, descriptor: int, name: str) -> None:
        self.descriptor = descriptor
        self._name: str | None = None
        try:
            # Nobody need remove it, however this process ends.
            os.unlink(name)  # noqa: PTH108
        except OSError:  # Windows
            self._name = name

    def __del__(self) -> None:
        with suppress(OSError):
            os.close(self.descriptor)
            if self._name is not None:
                os.unlink(self._name)  # noqa: PTH108
