"""Runs a function over an image piece by piece, without seams and in bounded memory.

Each piece is a core and a margin of ``halo`` pixels around it; of the answer only the core is kept. A function that looks no
farther than its halo gives the same answer as on the whole image.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import EngineError

__all__ = ["run"]

Planes = NDArray[np.float32]
Span = tuple[int, int]


def run(
    function: Callable[[Planes], Planes],
    planes: Planes,
    *,
    tile: int,
    halo: int,
    multiple_of: int = 1,
    scale: int = 1,
    in_flight: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Planes:
    """``function`` on ``planes`` (channels, height, width): answers (channels', scale * height, scale * width), float32.

    ``tile`` is the longest side of a core in pixels (cores are made equal: margins cost time), ``halo`` the margin around it.
    What the function sees is padded by reflection to a multiple of ``multiple_of``; it may be a view of ``planes`` and must not be
    changed. An image of at most tile + 2 halo a side is run in one piece. As many pieces as ``in_flight`` says are at work at once,
    each in a thread of its own; the answer does not depend on it. ``progress`` is told (pieces done, pieces in all). Raises
    `EngineError` when the function answers another size than it must.
    """
    height, width = planes.shape[1:]
    # Cores start at multiples, so that a strided network sees every piece on the grid that the whole image has.
    core = max(1, -(-tile // multiple_of)) * multiple_of
    margin = -(-halo // multiple_of) * multiple_of
    rows = _spans(height, core, margin, multiple_of)
    columns = _spans(width, core, margin, multiple_of)
    pieces = [(row, column) for row in rows for column in columns]
    out: Planes | None = None
    lock = threading.Lock()

    def answered(piece: Planes) -> Planes:
        said = function(_padded(piece, multiple_of))
        wanted = tuple(-(-side // multiple_of) * multiple_of * scale for side in piece.shape[1:])
        if said.ndim != 3 or said.shape[1:] != wanted:
            raise EngineError(f"the model answered {said.shape[1:]} where {wanted} pixels were due")
        return said

    def do(row: Span, column: Span) -> None:
        nonlocal out
        (top, bottom), (left, right) = row, column
        upper, before = max(0, top - margin), max(0, left - margin)
        said = answered(planes[:, upper : bottom + margin, before : right + margin])
        with lock:
            if out is None:
                # Laid out as images are, rows of pixels, so that nobody need turn a large answer round.
                out = np.empty((height * scale, width * scale, said.shape[0]), dtype=np.float32).transpose(2, 0, 1)
        out[:, top * scale : bottom * scale, left * scale : right * scale] = said[
            :,
            (top - upper) * scale : (bottom - upper) * scale,
            (left - before) * scale : (right - before) * scale,
        ]

    if len(pieces) == 1:
        whole: Planes = np.ascontiguousarray(answered(planes)[:, : height * scale, : width * scale])
        if progress is not None:
            progress(1, 1)
        return whole
    with ThreadPoolExecutor(in_flight) as pool:
        waiting: deque[Future[None]] = deque()
        for index in range(len(pieces) + in_flight):
            # Never more than are at work: an interrupt then waits for those only.
            if index >= in_flight:
                waiting.popleft().result()
                if progress is not None:
                    progress(index + 1 - in_flight, len(pieces))
            if index < len(pieces):
                waiting.append(pool.submit(do, *pieces[index]))
    assert out is not None
    return out


def _spans(size: int, longest: int, margin: int, multiple_of: int) -> list[Span]:
    """The cores along one side."""
    if size <= longest + 2 * margin:
        return [(0, size)]
    count = -(-size // longest)
    core = -(-size // (count * multiple_of)) * multiple_of
    return [(start, min(start + core, size)) for start in range(0, size, core)]


def _padded(piece: Planes, multiple_of: int) -> Planes:
    """The piece, made to divide by reflection at its lower and right ends; a side of one pixel is repeated."""
    height, width = piece.shape[1:]
    down, right = -height % multiple_of, -width % multiple_of
    if not down and not right:
        return piece
    # "symmetric" repeats the edge and works, unlike "reflect", for sides shorter than the padding.
    return np.pad(piece, ((0, 0), (0, down), (0, right)), mode="symmetric")
