"""Which images are held out for validation: by their names, the same on every machine."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import TrainingError
from pellucid.training.recipes import Data
from pellucid.training.survey import LEAST, Decoded, Facts

__all__ = ["is_held_out", "parted", "split"]


def is_held_out(name: str, data: Data) -> bool:
    """Whether an image of that file name is kept for validation."""
    stem = Path(name).stem
    draw = int.from_bytes(hashlib.sha256(_group(name, data).encode("utf-8", "surrogatepass")).digest()[:4]) / 2**32
    return draw < data.held_out or any(_plain(word) in _plain(stem) for word in data.hold_out)


def _plain(name: str) -> str:
    """A name as it counts here: collections are copied with hyphens or underscores in their files' names."""
    return name.replace("_", "-")


def _group(name: str, data: Data) -> str:
    """The part of a file's name that images have in common which are held out together."""
    stem = Path(name).stem
    found = re.search(data.group, stem) if data.group else None
    return stem if found is None or found[1] is None else found[1]


def split(pictures: Sequence[Decoded], data: Data) -> tuple[list[Decoded], list[Decoded]]:
    """The training images and the held-out ones; a single image is not held out."""
    train = [picture for picture in pictures if not is_held_out(picture.name, data)]
    valid = [picture for picture in pictures if is_held_out(picture.name, data)]
    # The hash may pick none, or all, of a few images. Then the last one by name is held out, so that validation is honest.
    if len(pictures) > 1 and not valid:
        train, valid = _without(train, _group(train[-1].name, data), data)
    elif not train:
        valid, train = _without(valid, _group(valid[0].name, data), data)
    return train, valid


def _without(pictures: Sequence[Decoded], group: str, data: Data) -> tuple[list[Decoded], list[Decoded]]:
    """The pictures that are not of that group, and those that are."""
    of = [_group(picture.name, data) == group for picture in pictures]
    kept = [picture for picture, own in zip(pictures, of, strict=True) if not own]
    return kept, [picture for picture, own in zip(pictures, of, strict=True) if own]


def parted(picture: Decoded, data: Data) -> tuple[list[Decoded], list[Decoded]]:
    """One image cut in two: its lower edge, as high as a patch or as the share that is held out, is not learnt from."""
    height = picture.levels.shape[0]
    patch = min(data.patch, max(LEAST, height // 2))
    edge = max(patch, round(height * data.held_out))
    if height - edge < patch:
        raise TrainingError(f"{picture.name}: one image of {height} rows is too few; two patches of {patch} are needed")
    upper, lower = (
        Decoded(name, levels, Facts.of(levels, picture.facts.ends))
        for name, levels in (
            (picture.name, picture.levels[: height - edge]),
            (f"{picture.name} (lower edge)", picture.levels[height - edge :]),
        )
    )
    return [upper], [lower]
