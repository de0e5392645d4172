"""Damage of a whole frame that leaves the picture to be seen: grain, flicker, weave, fading, vignette, stains, missing frames.

Sources: E. W. H. Selwyn, "A theory of graininess" (Photographic Journal 75, 1935): grain by density; A. Newson and others,
"Realistic film grain rendering" (Image Processing On Line 7, 2017); P. M. B. van Roosmalen, "Restoration of archived film
and video" (thesis, Delft 1999), chapter 2: flicker as a gain that differs by area; H. Wilhelm and C. Brower, "The Permanence
and Care of Color Photographs" (1993), chapters 5 and 9: dyes fade in the dark each at its own pace, cyan first on most films of
the 1950s to 1970s; P. Read and M.-P. Meyer, "Restoration of Motion Picture Film" (2000): weave, splices, water.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.wear.reel import Defect, Reel, Stage, drawn_count, split
from pellucid.wear.shapes import patchy, speck, upsampled

__all__ = ["BASE", "Fading", "FilmGrain", "Flicker", "Splices", "Stains", "Vignette", "Weave", "moved"]

Pixels = NDArray[np.float32]

BASE = np.array([0.0, 0.04, 0.15])
"""The red, green and blue that the base of a faded film lacks for each unit of cyan's loss."""


@dataclass(frozen=True)
class Splices(Defect):
    """Splices where frames are missing: one to ``most``, and the joint shows in the frames before and after it.

    ``level``: splices in 100 frames (mean). So a clip gets shorter; one frame stays, and three frames after a splice there is none.
    """

    most: float = 4.0
    kind: ClassVar[str] = "splices"
    stage: ClassVar[int] = Stage.CUT
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("splices in 100 frames", 0, 100),
        "most": ("greatest number of missing frames", 0, 100),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Takes frames away; the joints are drawn when other damage is done."""
        count = reel.shape[0]
        kept: list[int] = []
        joints: list[int] = []
        number = 0
        while number < count:
            if kept and len(kept) - (joints[-1] if joints else 0) >= 3 and rng.random() < self.level / 100:
                gap = int(rng.integers(1, round(self.most) + 1)) if self.most >= 1 else 0
                if number + gap < count:
                    number += gap
                    joints.append(len(kept))
            kept.append(number)
            number += 1
        reel.kept = reel.kept[kept]
        reel.frames = np.ascontiguousarray(reel.frames[kept])
        reel.moved = reel.moved[kept]
        reel.shift, reel.gain = reel.shift[kept], reel.gain[kept]
        seeds = rng.integers(2**63, size=len(joints))
        for joint, seed in zip(joints, seeds, strict=True):
            reel.later.append(partial(_joint, reel, joint, int(seed)))


def _joint(reel: Reel, joint: int, seed: int) -> None:
    """The bar of a splice: at the foot of the frame before it, and at the head of the one after it."""
    rng = np.random.default_rng(seed)
    _, height, width, channels = reel.shape
    colour = split(np.full(3, rng.uniform(0.75, 1.0) if rng.random() < 0.6 else rng.uniform(0.0, 0.2), np.float32), channels)
    high = max(1, round(height * rng.uniform(0.005, 0.025)))
    slope = rng.normal(0, 0.002) * width * np.linspace(-1, 1, width, dtype=np.float32)
    for frame, top in ((joint - 1, height - high), (joint, 0)):
        rows = np.arange(-3, high + 3, dtype=np.float32)[:, None]
        inside = np.minimum(rows + slope + 1, high - rows - slope)
        alpha = np.clip(inside, 0, 1) * np.float32(rng.uniform(0.5, 1.0))
        reel.cover(Splices.kind, frame, top - 3, 0, alpha, colour)


@dataclass(frozen=True)
class Vignette(Defect):
    """Less light towards the corners, the same in all frames. ``level``: the share that is missing in the corners."""

    kind: ClassVar[str] = "vignette"
    stage: ClassVar[int] = Stage.LENS
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {"level": ("share missing in the corners", 0, 1)}

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Multiplies the frames; the middle is off by up to a twentieth of the sides."""
        _, height, width, _ = reel.shape
        y, x = rng.uniform(-0.1, 0.1, 2)
        down = np.linspace(-1, 1, height, dtype=np.float32)[:, None] - np.float32(y)
        across = np.linspace(-1, 1, width, dtype=np.float32)[None] - np.float32(x)
        far = (down**2 + across**2) / 2
        reel.vignette = np.clip(1 - np.float32(self.level) * far ** np.float32(rng.uniform(0.8, 1.6)), 0, 1).astype(np.float32)
        scaled(reel.frames, reel.vignette[None])


@dataclass(frozen=True)
class Weave(Defect):
    """An unsteady gate: each frame lies elsewhere. ``level``: standard deviation in pixels, in both directions.

    A third of its variance changes from frame to frame, the rest lasts some frames. Frames are interpolated (Catmull-Rom); their
    outermost pixels are repeated.
    """

    kind: ClassVar[str] = "weave"
    stage: ClassVar[int] = Stage.GATE
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {"level": ("standard deviation in pixels", 0, 100)}

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Moves the frames."""
        count = reel.shape[0]
        fast, slow = rng.normal(0, 3**-0.5, (count, 2)), rng.normal(0, 1, (count, 2))
        drift = np.empty((count, 2))
        drift[0] = slow[0]
        for number in range(1, count):
            drift[number] = 0.8 * drift[number - 1] + 0.6 * slow[number]
        reel.shift = (self.level * (fast + (2 / 3) ** 0.5 * drift)).astype(np.float32)
        if reel.moved is not reel.frames and np.array_equal(reel.vignette, np.ones((1, 1))):
            reel.frames = moved(reel.frames, reel.shift)
            reel.moved = reel.frames.copy()
        else:
            reel.frames, reel.moved = moved(reel.frames, reel.shift), moved(reel.moved, reel.shift)
        np.clip(reel.moved, 0, 1, out=reel.moved)


def scaled(frames: Pixels, factor: Pixels) -> None:
    """Multiplies frames (n, h, w, c) by a factor (n, h, w), or one for each frame, in place."""
    count, height, width, channels = frames.shape
    if factor.shape[-1] > 1:
        factor = np.repeat(factor, channels, axis=-1)
    lines = frames.reshape(count, height, width * channels)
    lines *= factor


def moved(frames: Pixels, shift: Pixels) -> Pixels:
    """Frames (n, h, w, c) moved down and right by ``shift`` (n, 2) pixels: Catmull-Rom, outermost pixels repeated."""
    out = np.empty_like(frames)
    for frame, (down, right), target in zip(frames, shift, out, strict=True):
        target[...] = _along(_along(frame, float(down), 0), float(right), 1)
    return out


def _along(frame: Pixels, shift: float, axis: int) -> Pixels:
    whole = int(np.floor(shift))
    t = 1 - (shift - whole)
    weights = (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (t**3 - t**2),
    )
    side = frame.shape[axis]
    wide = np.take(frame, np.clip(np.arange(side + 3) - whole - 2, 0, side - 1), axis=axis)
    parts = [wide[offset : offset + side] if axis == 0 else wide[:, offset : offset + side] for offset in range(4)]
    made: Pixels = np.float32(weights[0]) * parts[0]
    for weight, part in zip(weights[1:], parts[1:], strict=True):
        made += np.float32(weight) * part
    return made


@dataclass(frozen=True)
class Flicker(Defect):
    """Brightness that changes from frame to frame. ``level``: standard deviation of the gain, in hundredths.

    ``areas``: share of the variance that differs from area to area (a 3x3 grid, linear between).
    """

    areas: float = 0.3
    kind: ClassVar[str] = "flicker"
    stage: ClassVar[int] = Stage.LIGHT
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("standard deviation in hundredths", 0, 100),
        "areas": ("share of the variance by area", 0, 1),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Multiplies the frames."""
        count, height, width, _ = reel.shape
        whole = rng.normal(0, (1 - self.areas) ** 0.5, (count, 1, 1))
        change = whole
        if self.areas > 0:
            grid = rng.normal(0, self.areas**0.5, (count, 3, 3)).astype(np.float32)
            change = whole + upsampled(grid, height, width)
        # A gain below a fifth would be no flicker but a black frame.
        reel.gain = np.maximum(1 + self.level / 100 * change, 0.2).astype(np.float32)
        scaled(reel.frames, reel.gain)


@dataclass(frozen=True)
class Fading(Defect):
    """Dyes that have faded, the same in all frames. ``level``: share of the cyan dye that is gone.

    ``magenta`` and ``yellow``: their losses as shares of that of cyan. A dye's density times 1 - loss makes of light v the light
    v ** (1 - loss), and of sRGB values, which are nearly a power of light, the same. The base turns yellow: at a level of 1 the
    blue loses 15 hundredths, the green 4. Frames with one channel fade like the green.
    """

    magenta: float = 0.3
    yellow: float = 0.6
    kind: ClassVar[str] = "fading"
    stage: ClassVar[int] = Stage.DYES
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("share of the cyan dye", 0, 0.95),
        "magenta": ("share of cyan's loss", 0, 1),
        "yellow": ("share of cyan's loss", 0, 1),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Raises each colour to its power."""
        powers = 1 - self.level * np.array([1, self.magenta, self.yellow], np.float32)
        base = 1 - self.level * BASE.astype(np.float32)
        if reel.shape[3] != 3:
            powers, base = powers[1:2], base[1:2]
        reel.fading = np.stack([powers, base]).astype(np.float32)
        np.clip(reel.frames, 0, 1, out=reel.frames)
        np.power(reel.frames, reel.fading[0], out=reel.frames)
        reel.frames *= reel.fading[1]


@dataclass(frozen=True)
class Stains(Defect):
    """Stains of water: an area of another tone with a dark rim where the dirt has gathered; each lasts one frame.

    ``level``: stains in 100,000 pixels of a frame (mean). ``radius``: median in pixels. The picture shows through, so they are no
    part of the mask of damage.
    """

    radius: float = 30.0
    kind: ClassVar[str] = "stains"
    stage: ClassVar[int] = Stage.STAINS
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("stains in 100,000 pixels", 0, 100),
        "radius": ("radius in pixels", 4, 2000),
    }

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Multiplies areas of the frames."""
        count, height, width, channels = reel.shape
        for _ in range(drawn_count(self.level * count * height * width / 100_000, rng)):
            radius = float(np.clip(self.radius * np.exp(0.4 * rng.standard_normal()), 4, 3 * self.radius))
            soft = max(2.0, 0.25 * radius * rng.random())
            area = speck(radius, soft, rng)
            # The rim is sharp outside, and fades inwards.
            rim = np.minimum(4 * area, 1) * (1 - area) * patchy(area.shape, radius / 3, rng) * 1.6
            tint = split(1 - rng.uniform(0.02, 0.2) * np.array([0.3, 0.6, 1.0], np.float32), channels)
            factor = 1 - area[..., None] * (1 - tint) - rim[..., None] * np.float32(rng.uniform(0.05, 0.3))
            frame = int(rng.integers(count))
            top, left = int(rng.integers(height)) - len(area) // 2, int(rng.integers(width)) - len(area) // 2
            y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + len(area), height), min(left + len(area), width)
            reel.frames[frame, y0:y1, x0:x1] *= factor[y0 - top : y1 - top, x0 - left : x1 - left].astype(np.float32)


@dataclass(frozen=True)
class FilmGrain(Defect):
    """Grain that follows density, new in each frame. ``level``: standard deviation at middle gray, in 8-bit levels.

    It falls to a tenth of that in clear and in black film. ``spread``: width of a grain in pixels (standard deviation of its
    window); ``common``: share of the variance that the colours have in common.
    """

    spread: float = 0.6
    common: float = 0.5
    kind: ClassVar[str] = "film-grain"
    stage: ClassVar[int] = Stage.GRAIN
    RANGES: ClassVar[dict[str, tuple[str, float, float]]] = {
        "level": ("standard deviation", 0, 255),
        "spread": ("width of a grain in pixels", 0, 5),
        "common": ("share that colours have in common", 0, 1),
    }

    @property
    def curve(self) -> None:
        """None: it is no white noise."""
        return

    def wear(self, reel: Reel, rng: np.random.Generator) -> None:
        """Adds grain."""
        count, height, width, channels = reel.shape
        radius = int(np.ceil(1.6 * self.spread))
        window = np.ones(1, np.float32)
        if radius:
            window = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * self.spread**2)).astype(np.float32)
            window /= np.sqrt(np.square(window).sum())
        # For three independent values n, own * n + shared * sum(n) has a variance of 1 and ``common`` as covariance.
        own = (1 - self.common) ** 0.5
        shared = (-2 * own + (4 * own**2 + 12 * self.common) ** 0.5) / 6
        for number in range(count):
            noise = rng.standard_normal((height + 2 * radius, width + 2 * radius, channels), dtype=np.float32)
            if channels == 3:
                together = np.float32(shared) * (noise[..., 0] + noise[..., 1] + noise[..., 2])
                noise *= np.float32(own)
                noise += together[..., None]
            down = window[0] * noise[:height]
            for index, weight in enumerate(window[1:], 1):
                down += weight * noise[index : index + height]
            grain = window[0] * down[:, :width]
            for index, weight in enumerate(window[1:], 1):
                grain += weight * down[:, index : index + width]
            frame = reel.frames[number]
            density = np.clip(frame, 0, 1)
            density *= 1 - density
            np.sqrt(density, out=density)
            density *= np.float32(2 * self.level / 255)
            np.maximum(density, np.float32(0.1 * self.level / 255), out=density)
            grain *= density
            frame += grain
