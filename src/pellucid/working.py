"""The work that files get: model, settings, areas, and what is written beside.

Options that do not go together are refused here, before any file is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import confidence as trusting
from pellucid import files, footage, images, saving, weighing
from pellucid.chains import Chain
from pellucid.errors import FileError, OptionError
from pellucid.images import Image
from pellucid.plan import Plan
from pellucid.restorer import Restoration, Restorer
from pellucid.steps import Steps
from pellucid.tasks.settings import ClipSettings, Declared, FileSettings, Settings, Shape

__all__ = [
    "CLIP",
    "PLAIN",
    "Areas",
    "Progress",
    "Restore",
    "Work",
    "check_kinds",
    "made_by",
    "reading",
    "serving",
    "takes_mosaics",
    "without_values",
]

Progress = Callable[[float], None]
"""Called with the share of a file that is done, 0 to 1."""

Restore = Callable[..., Restoration]
"""Restores a picture: called as `Restorer.details` with an `Image`, settings, and ``progress``, ``mask``, ``keep`` by name."""

CLIP = ClipSettings()
"""The default: a clip is encoded as it was, from its beginning to its end."""

KINDS = {"pictures": "pictures", "stacks": "TIFF, NumPy and other arrays", "clips": "clips", "mosaics": "RAW files of cameras"}
"""The kinds of files that a setting may be for (`Setting.of`), in words."""

PLAIN = FileSettings()
"""The default: values are read as each file states, and each output has its input's format and metadata."""


@dataclass(frozen=True)
class Work:
    """The work that each file gets: what restores a picture, the settings, where to work, and who is shown the progress."""

    restorer: Restorer | Chain
    settings: Settings | Steps
    how: FileSettings
    areas: Areas
    progress: Progress | None
    clip: ClipSettings = CLIP
    told: footage.Told | None = None
    resume: bool = False
    confidence: Callable[[Path], Path] | None = None
    overwrite: bool = False
    instead: Restore | None = None

    @classmethod
    def of(
        cls,
        restorer: Restorer | Chain,
        settings: Settings | Steps,
        how: FileSettings,
        progress: Progress | None,
        confidence: Callable[[Path], Path] | None = None,
        *,
        overwrite: bool = False,
    ) -> Work:
        """Reads the masks; `FileError` for one that is no picture, `MemoryShort` for one that is too large, `OptionError` for what
        does not go together."""
        restorer.check(settings)
        if confidence is not None:
            restorer.trusted(settings)
        _check_mosaics(restorer, settings, how, trusted=confidence is not None)
        with files.within(restorer.memory):
            areas = Areas.of(how)
        return cls(restorer, settings, how, areas, progress, confidence=confidence, overwrite=overwrite)

    @property
    def restore(self) -> Restore:
        """Restores a picture, with these settings."""
        return self.instead or self.restorer.details

    def beside(self, picture: Image) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The arguments of `restore` beside a picture and its settings, and lines about masks that were scaled to its size."""
        weights, remarks = self.areas.fitted(picture)
        given: dict[str, Any] = {} if weights is None else {"mask": weights}
        # Not rounded to the picture's own depth where another one is asked for.
        if self.how.depth != "auto":
            given["keep"] = "float32"
        if self.confidence is not None:
            given["confidence"] = True
        return given, remarks

    def check(self, target: Path) -> None:
        """Before the work: `FileError` where the output's format does not hold the depth, or the other picture is there or cannot
        be written under its name."""
        files.check_depth(target, self.how.depth)
        if self.confidence is not None:
            place = self.confidence(target)
            trusting.check(place, self.restorer.trusted(self.settings))
            if saving.exists(place) and not self.overwrite:
                raise FileError(f"{place} exists; --force overwrites it")

    def check_clip(self, source: Path) -> None:
        """`FileError` for a clip, where something is asked for that only pictures have. Its format is its own."""
        given = [flag for flag in self.how.given("pictures", "stacks") if flag != "--format"]
        if self.confidence is not None:
            given.append("--confidence")
        if given:
            raise FileError(f"{source}: this is a clip, and {given[0]} is for pictures; leave one of them out")

    def check_pages(self, source: Path, document: files.Document) -> None:
        """`FileError` for a stack, where the other picture is wanted."""
        if self.confidence is not None and document.count > 1:
            raise FileError(f"{source}: it has {document.count} pages, and the confidence is that of one picture")

    def lacks(self, target: Path) -> bool:
        """Whether the other picture is wanted, and missing."""
        return self.confidence is not None and not saving.exists(self.confidence(target))

    def check_output(self, source: Path, target: Path, document: files.Document, page: files.Page) -> None:
        """Before the work: `FileError` where the output's format cannot hold what comes of a page, as it is restored."""
        answer = self.settings.answer(Shape.of(page.pictures[0]))
        files.check_output(target, source, document, page, answer, self.how.depth)

    def keep_planes(self, target: Path, result: Restoration) -> None:
        """Writes the other picture."""
        if self.confidence is not None:
            place = self.confidence(target)
            place.parent.mkdir(parents=True, exist_ok=True)
            trusting.save(place, result.planes, result.image, overwrite=self.overwrite)


FAINT = 0.02
"""A mask whose brightest pixel is below this share of white is most likely one of 0 and 1 in a file of 8 or 16 bits."""


@dataclass(frozen=True)
class Areas:
    """Where to work and what to spare: weights (h, w) of any size, 1 in full, each with the name of its file; None: everywhere."""

    work: tuple[str, NDArray[np.float32]] | None = None
    spare: tuple[str, NDArray[np.float32]] | None = None

    @classmethod
    def of(cls, how: FileSettings) -> Areas:
        """Reads the files."""
        areas = (
            None if each is None else (each.name, weighing.of_image(files.read(each.file))) for each in (how.mask, how.protect)
        )
        return cls(*areas)

    def fitted(self, picture: Image) -> tuple[NDArray[np.float32] | None, tuple[str, ...]]:
        """The weights of a picture, and lines about masks that were scaled to its size, or that hardly do anything."""
        height, width = picture.pixels.shape[:2]
        weights, remarks = None, []
        for area, spared in ((self.work, False), (self.spare, True)):
            if area is None:
                continue
            name, plane = area
            if plane.shape != (height, width):
                remarks.append(f"mask {name} is scaled from {plane.shape[1]}x{plane.shape[0]} to {width}x{height}")
            brightest = float(plane.max())
            if brightest < FAINT:
                remarks.append(f"mask {name} is black or nearly so: its brightest pixel has {brightest:.1%} of white")
            share = weighing.fitted(plane, height, width)
            share = 1 - share if spared else share
            weights = share if weights is None else weights * share
        if weights is not None and not weights.any():
            remarks.append("the masks leave no pixel to work on")
        return weights, tuple(remarks)


def reading(how: FileSettings) -> dict[str, Any]:
    """How files are read, as `files.open_pages` and `files.read` take it; `OptionError` for a range that is none."""
    spared = how.mask is not None or how.protect is not None
    return {"value_range": images.parse_range(how.range), "axes": how.axes, "keep": spared}


def check_kinds(planned: Plan, settings: Settings | Steps, how: FileSettings, clip: ClipSettings) -> None:
    """`OptionError` where a setting concerns only files of a kind that is not among those of a run."""
    sources = [source for source, _ in planned.pairs]
    there = {
        "pictures": any(not files.is_clip(source) for source in sources),
        "stacks": any(files.is_stack(source) for source in sources),
        "clips": any(files.is_clip(source) for source in sources),
        "mosaics": any(files.is_raw(source) for source in sources),
    }
    for of, words in KINDS.items():
        given = [flag for each in (settings, how, clip) if isinstance(each, Declared) for flag in each.given(of)]
        if given and sources and not there[of]:
            raise OptionError(f"{given[0]} is for {words}, and there are none here: leave it out")


def _check_mosaics(restorer: Restorer | Chain, settings: Settings | Steps, how: FileSettings, *, trusted: bool) -> None:
    """`OptionError` where what a sensor saw is to be kept, and something else needs a picture that is developed."""
    given = settings.given("mosaics") if isinstance(settings, Settings) else ()
    if given and (trusted or not takes_mosaics(restorer, how, settings)):
        raise OptionError(
            f"{given[0]} keeps what a camera's sensor saw, and masks, another depth or model, detail, the dots of a print, the "
            "gain and the confidence are for developed pictures: leave one of them out"
        )


def made_by(restorer: Restorer | Chain, how: FileSettings, settings: Settings | Steps) -> Callable[[PurePath], str]:
    """A function that gives the fingerprint of the models that restore a file of that name: for RAW, of those for mosaics, too."""
    fingerprint = cache(restorer.fingerprint)
    more = ("mosaic",) if takes_mosaics(restorer, how, settings) else ()
    return lambda source: fingerprint(*(more if files.is_raw(source) else ()))


def takes_mosaics(restorer: Restorer | Chain, how: FileSettings, settings: Settings | Steps) -> bool:
    """Whether RAW files are read as the sensor saw them. Chains and what is `pictured` are for pictures: files are developed."""
    return (
        isinstance(settings, Settings)
        and not (settings.pictured or how.pictured)
        and isinstance(restorer, Restorer)
        and restorer.serves("mosaic")
    )


NAMED = 8
"""Pages without any value of which the numbers are listed; of more, their count."""


def without_values(what: str, numbers: list[int]) -> tuple[str, ...]:
    """A line about the pages or channels (``what``) of these numbers, in which no pixel has a value; none where there are none."""
    if len(numbers) == 1:
        return (f"{what} {numbers[0]} has no values and stays as it is",)
    named = f"{what}s {', '.join(map(str, numbers))}" if len(numbers) <= NAMED else f"{len(numbers)} {what}s"
    return (f"{named} have no values and stay as they are",) if numbers else ()


def serving(picture: Image, restorer: Restorer | Chain, settings: Settings | Steps) -> tuple[Restorer | Chain, Any]:
    """The model or chain for a picture, and its settings: a sensor's mosaic is restored by the row that knows such pictures, with
    the same settings."""
    if picture.mosaic is None:
        return restorer, settings
    assert isinstance(restorer, Restorer)
    other = restorer.instead("mosaic")
    return other, other.settings(**{name: getattr(settings, name) for name in other.task.settings.names()})
