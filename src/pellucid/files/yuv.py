"""A frame's planes as upright pixels, and what was done to the pixels put back into the planes.

Clips hold luma and two colour differences, often at half the size, as whole numbers of 8 to 16 bits. They are made into red, green
and blue for the work alone. Only the change that the work made goes back into the planes: what was not changed comes back to the
bit, values beyond black and white included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["MATRICES", "Layout", "Planes", "Turn", "alpha_of", "alpha_plane", "apply", "from_pixels", "to_pixels"]

Planes = tuple[NDArray[Any], ...]
"""The planes of a frame, each (h, w), uint8 or uint16, in the order of the file: luma and two colour differences; green, blue and
red; or gray. Alpha is last."""

Pixels = NDArray[np.float32]

MATRICES: dict[int, tuple[float, float]] = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}
"""The weights of red and blue in luma, by the code for matrix coefficients (ITU-T H.273, table 4): BT.709, FCC, BT.601 (twice),
SMPTE 240M, BT.2020 (twice; with constant luminance the pixels are near enough for work that puts back changes alone)."""


@dataclass(frozen=True)
class Turn:
    """How a frame that lies in the file becomes upright: rows and columns change places (``swapped``), then the order of the rows
    (``down``), and of the columns (``across``), is reversed.

    >>> lying = np.arange(6).reshape(2, 3)
    >>> Turn(swapped=True, across=True).upright(lying).tolist()
    [[3, 0], [4, 1], [5, 2]]
    """

    swapped: bool = False
    down: bool = False
    across: bool = False

    @classmethod
    def of(cls, matrix: Sequence[int]) -> Turn:
        """From a display matrix (nine numbers; a pixel at column x and row y is shown at column ``m[0] x + m[3] y`` and row
        ``m[1] x + m[4] y``). Another one than of quarter turns and mirrors is left to the player."""
        if any(matrix[0:2]) and any(matrix[3:5]):
            if matrix[1] == matrix[3] == 0:
                return cls(False, matrix[4] < 0, matrix[0] < 0)
            if matrix[0] == matrix[4] == 0:
                return cls(True, matrix[1] < 0, matrix[3] < 0)
        return cls()

    def upright(self, frame: NDArray[Any]) -> NDArray[Any]:
        """A view of a frame (h, w, ...) as it is shown."""
        frame = frame.swapaxes(0, 1) if self.swapped else frame
        return frame[:: -1 if self.down else 1, :: -1 if self.across else 1]

    def lying(self, frame: NDArray[Any]) -> NDArray[Any]:
        """The way back."""
        frame = frame[:: -1 if self.down else 1, :: -1 if self.across else 1]
        return frame.swapaxes(0, 1) if self.swapped else frame

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Height and width after a change from one to the other."""
        return (width, height) if self.swapped else (height, width)


@dataclass(frozen=True)
class Layout:
    """How the planes of a clip's frames are to be read.

    ``kind``: luma and colour differences (``yuv``), ``rgb`` (planes green, blue, red) or ``gray``. ``depth`` in bits. ``across``
    and ``down``: how many pixels one colour difference stands for. ``matrix`` is a key of `MATRICES`, of ``yuv`` alone; ``full``:
    black and white are the ends of the range, and not 16 and 235 (of 8 bits). ``alpha``: one more plane. ``turn``: how the planes
    become upright, which pixels are.
    """

    kind: Literal["yuv", "rgb", "gray"]
    depth: int = 8
    across: int = 1
    down: int = 1
    matrix: int = 6
    full: bool = False
    alpha: bool = False
    turn: Turn = Turn()

    @property
    def channels(self) -> int:
        """The channels of the pixels: 3, or 1 for gray."""
        return 1 if self.kind == "gray" else 3

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the planes."""
        return np.dtype(np.uint8 if self.depth <= 8 else np.uint16)

    @property
    def bounded(self) -> bool:
        """Whether no value stands for a colour beyond black, white and the pixels' primaries."""
        return self.kind == "rgb" or (self.kind == "gray" and self.full)

    def _luma(self) -> tuple[float, float]:
        """The value of black, and the values from there to white."""
        if self.full or self.kind == "rgb":
            return 0.0, float(2**self.depth - 1)
        unit = 2 ** (self.depth - 8)
        return 16.0 * unit, 219.0 * unit

    def _chroma(self) -> tuple[float, float]:
        """The value of no colour, and the values of a difference of 1."""
        unit = 2 ** (self.depth - 8)
        return 128.0 * unit, float(2**self.depth - 1) if self.full else 224.0 * unit


def to_pixels(planes: Planes, layout: Layout) -> Pixels:
    """The frame as upright pixels (h, w, 1 or 3), float32, black 0 and white 1; values beyond stay beyond.

    Colour differences at a smaller size are enlarged so that their mean over each block is the block's own value: bilinear, and
    what that lacks added evenly over the block.
    """
    pixels = _as_they_lie(planes, layout)
    if layout.turn == Turn():
        return pixels
    # Its channels one behind the other in memory, as without a turn.
    upright: Pixels = np.ascontiguousarray(layout.turn.upright(pixels).transpose(2, 0, 1)).transpose(1, 2, 0)
    return upright


def _as_they_lie(planes: Planes, layout: Layout) -> Pixels:
    black, span = layout._luma()
    first = (planes[0].astype(np.float32) - np.float32(black)) / np.float32(span)
    if layout.kind == "gray":
        return first[..., None]
    if layout.kind == "rgb":
        rest = [(plane.astype(np.float32) - np.float32(black)) / np.float32(span) for plane in planes[1:3]]
        return np.stack([rest[1], first, rest[0]]).transpose(1, 2, 0)
    none, unit = layout._chroma()
    height, width = planes[0].shape
    blue, red = (
        _enlarged((plane.astype(np.float32) - np.float32(none)) / np.float32(unit), layout, height, width) for plane in planes[1:3]
    )
    kr, kb = MATRICES[layout.matrix]
    kg = 1 - kr - kb
    # Its channels one behind the other in memory, as whoever looks at them takes them.
    pixels = np.empty((3, height, width), np.float32).transpose(1, 2, 0)
    pixels[..., 0] = first + np.float32(2 * (1 - kr)) * red
    pixels[..., 2] = first + np.float32(2 * (1 - kb)) * blue
    pixels[..., 1] = first - np.float32(2 * (1 - kr) * kr / kg) * red - np.float32(2 * (1 - kb) * kb / kg) * blue
    return pixels


def apply(planes: Planes, layout: Layout, change: Pixels) -> Planes:
    """The planes with ``change`` (h, w, channels; upright) added to the pixels that they stand for; alpha stays as it is."""
    _, span = layout._luma()
    change = layout.turn.lying(change)
    if layout.kind == "gray":
        return (_added(planes[0], change[..., 0] * np.float32(span), layout), *planes[1:])
    if layout.kind == "rgb":
        parts = (change[..., index] * np.float32(span) for index in (1, 2, 0))
        return (*(_added(plane, part, layout) for plane, part in zip(planes, parts, strict=False)), *planes[3:])
    kr, kb = MATRICES[layout.matrix]
    luma = np.float32(kr) * change[..., 0] + np.float32(1 - kr - kb) * change[..., 1] + np.float32(kb) * change[..., 2]
    _, unit = layout._chroma()
    blue = _shrunk((change[..., 2] - luma) / np.float32(2 * (1 - kb)), layout)
    red = _shrunk((change[..., 0] - luma) / np.float32(2 * (1 - kr)), layout)
    return (
        _added(planes[0], luma * np.float32(span), layout),
        _added(planes[1], blue * np.float32(unit), layout),
        _added(planes[2], red * np.float32(unit), layout),
        *planes[3:],
    )


def from_pixels(pixels: Pixels, layout: Layout) -> Planes:
    """The planes of a layout for upright pixels (h, w, channels) in [0, 1]."""
    height, width = layout.turn.shape(*pixels.shape[:2])
    black = np.full((height, width), layout._luma()[0], layout.dtype)
    if layout.kind != "yuv":
        return apply((black,) * layout.channels, layout, pixels)
    shared = (-(-height // layout.down), -(-width // layout.across))
    none = np.full(shared, layout._chroma()[0], layout.dtype)
    return apply((black, none, none), layout, pixels)


def alpha_of(planes: Planes, layout: Layout) -> NDArray[Any]:
    """The frame's alpha (h, w), upright, in the planes' dtype: opaque is its largest value, whatever the depth."""
    alpha, most = layout.turn.upright(planes[-1]), np.iinfo(layout.dtype).max
    if most == 2**layout.depth - 1:
        return alpha
    scaled: NDArray[Any] = np.rint(alpha * (most / (2**layout.depth - 1))).astype(layout.dtype)
    return scaled


def alpha_plane(shares: NDArray[Any], layout: Layout) -> NDArray[Any]:
    """The plane for alpha (h, w) in [0, 1], upright; that of `alpha_of` comes back to the bit."""
    plane: NDArray[Any] = np.rint(layout.turn.lying(shares) * (2**layout.depth - 1)).astype(layout.dtype)
    return plane


def _added(plane: NDArray[Any], change: Pixels, layout: Layout) -> NDArray[Any]:
    values = np.rint(plane.astype(np.float32) + change)
    kept: NDArray[Any] = np.clip(values, 0, 2**layout.depth - 1).astype(layout.dtype)
    return kept


def _enlarged(plane: Pixels, layout: Layout, height: int, width: int) -> Pixels:
    if layout.across == layout.down == 1:
        return plane
    smooth = plane
    for axis, factor in ((0, layout.down), (1, layout.across)):
        if factor == 2:
            smooth = _doubled(smooth, axis)
        elif factor > 2:
            smooth = np.repeat(smooth, factor, axis=axis)
    smooth = smooth[:height, :width]
    missing = plane - _shrunk(smooth, layout)
    enlarged: Pixels = smooth + np.repeat(np.repeat(missing, layout.down, axis=0), layout.across, axis=1)[:height, :width]
    return enlarged


def _doubled(plane: Pixels, axis: int) -> Pixels:
    """Twice as long along an axis, bilinear, the samples in the middle of what they stand for."""
    padded = np.pad(plane, [(1, 1) if each == axis else (0, 0) for each in range(2)], mode="edge")
    length = plane.shape[axis]
    before, after = (padded.take(range(start, start + length), axis=axis) for start in (0, 2))
    near = np.float32(0.75) * plane
    shape = list(plane.shape)
    shape[axis] *= 2
    doubled = np.empty(shape, np.float32)
    even: Sequence[Any] = [slice(0, None, 2) if each == axis else slice(None) for each in range(2)]
    odd: Sequence[Any] = [slice(1, None, 2) if each == axis else slice(None) for each in range(2)]
    doubled[tuple(even)] = near + np.float32(0.25) * before
    doubled[tuple(odd)] = near + np.float32(0.25) * after
    return doubled


def _shrunk(plane: Pixels, layout: Layout) -> Pixels:
    """The mean of each block; the last ones, where the frame cuts them short, over what they have."""
    if layout.across == layout.down == 1:
        return plane
    down, right = -plane.shape[0] % layout.down, -plane.shape[1] % layout.across
    if down or right:
        # A row or column repeated is no new value in a block of two; in one of four the last counts more than it should.
        plane = np.pad(plane, ((0, down), (0, right)), mode="edge")
    height, width = plane.shape
    rows = plane.reshape(height // layout.down, layout.down, width).mean(axis=1, dtype=np.float32)
    blocks: Pixels = rows.reshape(len(rows), width // layout.across, layout.across).mean(axis=2, dtype=np.float32)
    return blocks
