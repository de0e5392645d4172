"""Runs a function over an image piece by piece, without seams and in bounded memory.

Each piece is a core and a margin of ``halo`` pixels around it; only the core of the output is kept. A function that looks no
farther than its halo gives the same output as on the whole image. Memory holds one band as high as the pieces: pieces go
from left to right and bands from above to below, so that an image may be read, restored and written band by band.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import EngineError, OptionError
from pellucid.images import Rows, rows_of

__all__ = ["Cut", "Part", "Place", "cut", "run", "stream"]

Values = NDArray[Any]


class Place(NamedTuple):
    """The place of a piece in the image: its ``top`` row and ``left`` column, its ``height`` and ``width``, all in pixels, and the
    height and width of the image ``within``. Pixels of the piece beyond the image are padding."""

    top: int
    left: int
    height: int
    width: int
    within: tuple[int, int]


@dataclass(frozen=True)
class Part:
    """A side of a piece: what the function sees, from ``start`` to before ``stop``, and the ``core`` of that, likewise."""

    start: int
    stop: int
    core: tuple[int, int]


@dataclass(frozen=True)
class Cut:
    """How an image is cut into pieces: the parts of its height and those of its width.

    All pieces are of one size, which is ``piece`` (height, width), once they are padded: an engine need not make itself ready anew.
    """

    rows: tuple[Part, ...]
    columns: tuple[Part, ...]
    piece: tuple[int, int]

    @property
    def pieces(self) -> int:
        """How many there are."""
        return len(self.rows) * len(self.columns)

    def __getitem__(self, rows: slice) -> Cut:
        """Some of the rows of pieces that lie together, alone; `OptionError` where there are none."""
        chosen = self.rows[rows]
        if not chosen or rows.step not in (None, 1):
            raise OptionError(f"rows {rows.start} to {rows.stop} are none of a picture that goes through in {len(self.rows)} bands")
        return replace(self, rows=chosen)


EACH = 1 << 14
"""As many pixels take the time that a piece takes beside its own. Margins bound how small pieces get; without margins this does: a
side of 4,243 pixels, a prime, would be cut into columns of one pixel, for only these leave nothing over."""


def cut(height: int, width: int, *, tile: int, halo: int, multiple_of: int = 1) -> Cut:
    """The pieces of an image: none has more pixels than a square of the side ``tile``, margins included, and all together as few
    as can be, for margins cost time.

    Pieces start at multiples of ``multiple_of`` (a strided network sees each on the grid that the whole image has), and so many
    pixels divide their sides. Where ``tile`` leaves no room between two margins, it is as large as it must be.
    """
    margin = -(-halo // multiple_of) * multiple_of
    # A quarter of the shortest side is core.
    most = max(tile, 8 * margin // 3 + 2 * multiple_of) ** 2
    best: tuple[int, int, int, int] | None = None
    for across in _counts(width, margin, multiple_of):
        wide = _side(width, across, margin, multiple_of)
        for down in _counts(height, margin, multiple_of):
            high = _side(height, down, margin, multiple_of)
            if high * wide > most:
                continue
            found = ((high * wide + (0 if margin else EACH)) * across * down, across * down, across, down)
            if best is None or found < best:
                best = found
            break  # more pieces one below the other have more margins
    assert best is not None
    sides = _side(height, best[3], margin, multiple_of), _side(width, best[2], margin, multiple_of)
    return Cut(tuple(_parts(height, sides[0], margin, multiple_of)), tuple(_parts(width, sides[1], margin, multiple_of)), sides)


def _counts(size: int, margin: int, multiple_of: int) -> range:
    """How many pieces one side may be cut into: in the end a core is as long as a margin's two thirds, or a multiple."""
    least = max(multiple_of, 2 * margin // 3)
    return range(1, max(1, size // least) + 1)


def _side(size: int, count: int, margin: int, multiple_of: int) -> int:
    """How long one of so many pieces is: their cores and the margins between them."""
    padded = -(-size // multiple_of) * multiple_of
    return -(-(padded + 2 * margin * (count - 1)) // (count * multiple_of)) * multiple_of


def _parts(size: int, side: int, margin: int, multiple_of: int) -> Iterator[Part]:
    padded = -(-size // multiple_of) * multiple_of
    if side >= padded:
        yield Part(0, size, (0, size))
        return
    start, begun = 0, 0
    while start + side < padded:
        end = start + side - margin
        yield Part(start, start + side, (begun, end))
        start, begun = end - margin, end
    # The last one is as long as the others, and its margin longer, if need be.
    yield Part(padded - side, size, (begun, size))


def stream(
    function: Callable[[Values, Place], Values],
    image: Values | Rows,
    pieces: Cut,
    *,
    scale: int = 1,
    finish: Callable[[Values, Values], None] | None = None,
    dtype: np.dtype[Any] | None = None,
    into: Values | None = None,
    in_flight: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Values]:
    """``function`` on an image (height, width, channels), cut as ``pieces`` say: its output in bands, from above to below.

    The function is given a part of the image, padded by reflection to the pieces' size, and its place; the part may be a view of
    the image, and must not be changed. It answers (rows * scale, columns * scale, channels'). ``finish(core, place)`` puts the core
    of an output into its place in a band of ``dtype`` (without it: as it is, in its own dtype); bands are views of ``into`` where
    that is given. As many pieces as ``in_flight`` says are at work at once, each in a thread of its own; the output does not depend
    on it. The next band is read, and the last one can be used, while pieces are at work. ``progress`` is called with (pieces done,
    pieces in all). The output of a cut that has some rows of pieces alone is these rows. Raises `EngineError`
    when the function answers another size than it must.
    """
    height, width = image.shape[:2]
    lock = threading.Lock()

    first = pieces.rows[0].core[0]

    def room(top: int, bottom: int, output: Values) -> Values:
        if into is not None:
            return into[(top - first) * scale : (bottom - first) * scale]
        return np.empty(((bottom - top) * scale, width * scale, output.shape[2]), dtype or output.dtype)

    def do(band: Values, row: Part, column: Part, answer: list[Values]) -> None:
        piece = band[:, column.start : column.stop]
        output = function(_padded(piece, pieces.piece), Place(row.start, column.start, *pieces.piece, (height, width)))
        wanted = (pieces.piece[0] * scale, pieces.piece[1] * scale)
        if output.ndim != 3 or output.shape[:2] != wanted:
            raise EngineError(f"the model's output has {output.shape[:2]} pixels, not the expected {wanted}")
        (top, bottom), (left, right) = row.core, column.core
        with lock:
            if not answer:
                answer.append(room(top, bottom, output))
        core = output[
            (top - row.start) * scale : (bottom - row.start) * scale,
            (left - column.start) * scale : (right - column.start) * scale,
        ]
        place = answer[0][:, left * scale : right * scale]
        if finish is None:
            place[...] = core
        else:
            finish(core, place)

    def bands() -> Iterator[tuple[Values, Part, Part, list[Values]]]:
        for row in pieces.rows:
            band = rows_of(image, row.start, min(row.stop, height))
            answer: list[Values] = []
            for column in pieces.columns:
                yield band, row, column, answer

    done = 0
    pool = ThreadPoolExecutor(in_flight)
    try:
        waiting: deque[tuple[Future[None], list[Values]]] = deque()

        def finished() -> Iterator[Values]:
            nonlocal done
            future, answer = waiting[0]
            future.result()
            waiting.popleft()
            done += 1
            if progress is not None:
                progress(done, pieces.pieces)
            if done == pieces.pieces:
                # Before the last band is given out: whoever has it need not come again.
                pool.shutdown()
            if done % len(pieces.columns) == 0:
                yield answer.pop()

        for band, row, column, answer in bands():
            # Never more than are at work: an interrupt then waits for those only.
            if len(waiting) == in_flight:
                yield from finished()
            waiting.append((pool.submit(do, band, row, column, answer), answer))
            del band
        while waiting:
            yield from finished()
    except GeneratorExit:
        # Nobody wants the rest. This may be the collector of garbage in any thread, even one that is just being started: to wait
        # for the pool's threads there would be for ever.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    except BaseException:
        pool.shutdown()
        raise


def run(
    function: Callable[[Values], Values],
    planes: Values,
    *,
    tile: int,
    halo: int,
    multiple_of: int = 1,
    scale: int = 1,
    in_flight: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Values:
    """``function`` on ``planes`` (channels, height, width): returns (channels', scale * height, scale * width).

    The image is cut by `cut` and goes through `stream`; function, answer and the rest as there, but with the channels first.
    """

    def turned(piece: Values, place: Place) -> Values:
        return function(piece.transpose(2, 0, 1)).transpose(1, 2, 0)

    pieces = cut(*planes.shape[1:], tile=tile, halo=halo, multiple_of=multiple_of)
    bands = stream(turned, planes.transpose(1, 2, 0), pieces, scale=scale, in_flight=in_flight, progress=progress)
    return np.concatenate(list(bands)).transpose(2, 0, 1)


def _padded(piece: Values, size: tuple[int, int]) -> Values:
    """The piece, made as large as it must be by reflection at its lower and right ends; a side of one pixel is repeated."""
    down, right = size[0] - piece.shape[0], size[1] - piece.shape[1]
    if not down and not right:
        return piece
    # "symmetric" repeats the edge and works, unlike "reflect", for sides shorter than the padding.
    return np.pad(piece, ((0, down), (0, right), (0, 0)), mode="symmetric")
