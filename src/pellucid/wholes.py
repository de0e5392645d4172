"""Takes away from a picture as a whole what its pieces cannot show: bands, blotches of colour, the dots of a print.

They reach farther than a piece. So the whole picture is looked at first, small where that is enough, and each piece gets its part.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pellucid import denoising, images
from pellucid.diagnosis import Diagnosis, bands
from pellucid.engines import Graph, Models
from pellucid.maps import Blotches, Curve
from pellucid.noise import Noise
from pellucid.tiling import Place
from pellucid.views import View

__all__ = ["before", "descreened"]

Planes = NDArray[np.float32]

LARGEST_SMALL = 2**21
"""Pixels that a smaller picture has at most in which blotches of colour are looked for, or dots: one piece for the engine."""

DOT, MOIRE = 0.75, 8.0
"""Side of a pixel, in distances of the dots of a print, at which the dots are gone and no more than they; and the level in 8-bit
levels of what they leave. On four made prints that came to 22.8 to 25.5 dB (a Gaussian window of the best width: 22.5 to 24.8)."""

Small = Callable[[tuple[int, ...], Place], Planes]
"""Gives what a small picture is at the place of a piece, (channels, h, w), for a piece of this height and width."""


def before(view: View, models: Models, found: Diagnosis | None, role: str) -> Callable[..., Planes] | None:
    """A function for the work on a piece before it is restored; it is called with the function that restores the piece, and with
    that function's arguments. None where there is no such work."""
    if found is None:
        return None
    bent = None
    if max(found.rows, found.columns) > 0:
        lighter = bands.lightness(view, found.rows / 255, found.columns / 255)
        bent = partial(denoising.straightened, lighter)
    if found.blotches is None:
        return bent
    graph = models.graph("processed" if "processed" in models else role)
    return partial(_without, _blotched(graph, view, found.blotches), bent)


def descreened(graph: Graph, view: View, pitch: float) -> Callable[..., Planes]:
    """The pieces of a print in dots that are ``pitch`` pixels apart, without them: made so small that a dot is hardly more than a
    pixel, cleared of the moire that is left, and enlarged."""
    noise = Noise(MOIRE, Curve(MOIRE / 255))
    return partial(_instead, _placed(_cleared(graph, view, max(1.0, DOT * pitch), noise)[1], view))


def _without(
    added: Small,
    bent: Callable[..., Planes] | None,
    piece: Callable[..., Planes],
    planes: Planes,
    place: Place,
    room: Planes | None = None,
) -> Planes:
    """The answer of ``piece`` to the planes without the ``added`` blotches, and without bands."""
    fixed = np.asarray(planes - added(planes.shape[1:], place), dtype=np.float32)
    return piece(fixed, place) if bent is None else bent(piece, fixed, place, None)


def _instead(small: Small, planes: Planes, place: Place, room: Planes | None = None) -> Planes:
    return small(planes.shape[1:], place)


def _blotched(graph: Graph, view: View, found: Blotches) -> Small:
    """The part of a picture that blotches of colour added to it.

    The picture is made so much smaller that they are about a pixel wide, the graph takes them away there, and what it took of the
    colours is enlarged. The luma stays as it is.
    """
    small, cleared = _cleared(graph, view, found.shrink, Noise(found.level, Curve(found.level / 255), white=False))
    gone = small - cleared
    gone -= (gone @ np.array(images.LUMA, np.float32))[..., None]
    return _placed(gone, view)


def _cleared(graph: Graph, view: View, shrink: float, noise: Noise) -> tuple[Planes, Planes]:
    """A picture that is so many times smaller, (h, w, channels), as it is and without that noise."""
    sides = view.shape[:2]
    while sides[0] * sides[1] > LARGEST_SMALL * shrink**2:
        shrink *= 2
    small = view.small(max(1, round(max(sides) / shrink)))
    height, width = small.shape[:2]
    step = graph.card.multiple_of
    planes = np.pad(small.transpose(2, 0, 1), ((0, 0), (0, -height % step), (0, -width % step)), mode="symmetric")
    output = denoising.answer(graph, noise, np.ascontiguousarray(planes, dtype=np.float32))[:, :height, :width]
    return small, output.transpose(1, 2, 0)


def _placed(small: Planes, view: View) -> Small:
    height, width = view.shape[:2]
    down, right = small.shape[0] / height, small.shape[1] / width

    def at(shape: tuple[int, ...], place: Place) -> Planes:
        rows, columns = min(shape[0], height - place.top), min(shape[1], width - place.left)
        box = (place.left * right, place.top * down, (place.left + columns) * right, (place.top + rows) * down)
        inside = images.resized(small, rows, columns, images.BICUBIC, box).transpose(2, 0, 1)
        # Pixels beyond the picture are padding.
        return np.pad(inside, ((0, 0), (0, shape[0] - rows), (0, shape[1] - columns)), mode="edge")

    return at
