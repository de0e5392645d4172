"""The data beside the pixels of a picture that a camera's sensor made, before anybody developed it."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["ORDER", "PLAIN", "CameraData", "Colour", "Matrix"]

Colour = tuple[float, float, float]
"""A number for each of red, green and blue."""

Matrix = tuple[Colour, Colour, Colour]
"""Three rows of three."""

ORDER = ((0, 0), (0, 1), (1, 0), (1, 1))
"""The four samples of each 2x2 pixels of a mosaic: row and column, from its upper left corner."""


@dataclass(frozen=True)
class CameraData:
    """How the values of a camera's sensor are to be taken.

    Values are in the file's own units. ``phase`` is the row and the column (0 or 1) of the red samples of a mosaic: green ones
    share its row and its column, blue ones lie across. ``black`` are the values of black at the four samples of `ORDER`, ``white``
    is the value at which the sensor ends. ``gains`` are those of the white balance for red, green and blue, the least of them 1;
    ``srgb`` leads from the camera's balanced colours to linear sRGB, white to white, and ``matrix`` from CIE XYZ to its unbalanced
    ones, where that is known. ``turn`` is EXIF's orientation, 1 to 8: the values are not turned. ``noise`` is the law that the file
    states for red, green and blue, the variance at white, and that at black, of values from 0 (black) to 1 (white): DNG's
    NoiseProfile; None where it states none. ``crop`` is the part that is meant to be shown: left, top, width, height. ``file`` is
    what a file's own module wants back.
    """

    phase: tuple[int, int] = (0, 0)
    black: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    white: float = 1.0
    gains: Colour = (1.0, 1.0, 1.0)
    srgb: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    matrix: Matrix | None = None
    turn: int = 1
    noise: tuple[tuple[float, float], tuple[float, float], tuple[float, float]] | None = None
    crop: tuple[float, float, float, float] | None = None
    file: object | None = None

    @property
    def sites(self) -> tuple[int, int, int, int]:
        """The colour (0 red, 1 green, 2 blue) of the samples of `ORDER`."""
        row, column = self.phase
        return tuple((y ^ row) + (x ^ column) for y, x in ORDER)  # type: ignore[return-value]  # there are four

    def shifted(self, top: int, left: int) -> CameraData:
        """The same of the part of a mosaic that begins at that row and column."""
        black = tuple(self.black[2 * ((row + top) % 2) + (column + left) % 2] for row, column in ORDER)
        phase = (self.phase[0] + top) % 2, (self.phase[1] + left) % 2
        return replace(self, phase=phase, black=black)  # type: ignore[arg-type]  # there are four


PLAIN = CameraData()
"""A mosaic of which nothing is known: red first, values from 0 to 1, in balance."""
