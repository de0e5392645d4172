"""A simulated camera: its optics, its sensor with a Bayer mosaic, and the processing that makes a picture of the sensor's values.

Plain functions over float32 arrays (height, width[, 3]); `pellucid.degradations.Camera` makes a noise of them. Brooks et al. 2019,
"Unprocessing Images for Learned Raw Denoising", lead an image back to sensor values (tone curve, gamma 2.2, colour matrix, white
balance, mosaic), add noise there, and lead it forward again by the same steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid import images

__all__ = [
    "RGB_TO_XYZ",
    "SITES",
    "XYZ_TO_CAMERA",
    "blurred",
    "colour_matrix",
    "demosaiced",
    "dimmed",
    "mosaic_of",
    "shots",
    "smoothed",
]

Pixels = NDArray[np.float32]

RGB_TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
"""From linear sRGB to CIE XYZ: sRGB's primaries (IEC 61966-2-1)."""

XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.613, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.838, -0.263, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.097, 0.1581, 0.5181]],
    ]
)
"""Four cameras' colour matrices, as Brooks et al. 2019 list them."""

READ = (2.18, 1.20)
"""Logarithm of the variance of the read noise by that of the gain of the shot noise, of real cameras (Brooks et al. 2019)."""

SITES = (((0, 0),), ((0, 1), (1, 0)), ((1, 1),))
"""Places at which a Bayer mosaic (RGGB) samples red, green and blue: rows and columns of each 2x2 pixels."""


def shots(scene: Pixels, gain: float, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
    """The pictures that a camera, drawn from ``rng``, makes of a scene (h, w, 3) in [0, 1]: without noise, and with it.

    ``gain`` is the gain of the shot noise (0 to 0.05): the variance of a sensor value in [0, 1] is ``gain`` times it, and the read
    noise. Brooks et al. use gains of 0.0001 to 0.012. To their steps are added some that real cameras have, each of a drawn
    strength: a lens that is not quite sharp, demosaicing (bilinear, by colour differences, or along edges), smoothing, more of
    colour than of brightness, and sharpening; half of the cameras have no tone curve but gamma. Both pictures are in [0, 1] and not
    yet compressed.
    """
    matrix = colour_matrix(rng)
    gains = (np.array([rng.uniform(1.9, 2.4), 1.0, rng.uniform(1.5, 1.9)]) / rng.normal(0.8, 0.1)).astype(np.float32)
    softness, directed, toned = rng.uniform(0, 2), rng.random() < 0.5, rng.random() < 0.5
    display = 0.5 - np.sin(np.arcsin(1 - 2 * scene) / 3) if toned else scene
    linear = blurred(np.clip(display ** np.float32(2.2) @ matrix.T, 0, 1), softness)
    ideal = mosaic_of(dimmed(linear, gains))
    slope, offset = READ
    read = np.exp(slope * np.log(gain) + offset + rng.normal(0, 0.26)) if gain > 0 else 0.0
    noise = rng.standard_normal(ideal.shape, dtype=np.float32) * np.sqrt(ideal * np.float32(gain) + np.float32(read))
    back = np.linalg.inv(matrix).T
    differences, brightness = rng.uniform(0, 1), rng.uniform(0, 0.7)
    colour, sharpness = rng.uniform(0.3, 1), rng.uniform(0, 0.8)

    def developed(mosaic: Pixels) -> Pixels:
        sensed = np.clip(demosaiced(np.clip(mosaic, 0, 1), differences, directed) * gains, 0, 1)
        shown = np.clip(sensed @ back, 0, 1) ** np.float32(1 / 2.2)
        if toned:
            shown = 3 * shown**2 - 2 * shown**3
        return np.clip(smoothed(shown, brightness, colour, sharpness), 0, 1)

    return developed(ideal), developed(ideal + noise)


def colour_matrix(rng: np.random.Generator) -> Pixels:
    """A camera's colour matrix (3, 3) from linear sRGB, a random mixture of the four; white stays white."""
    shares = rng.uniform(1e-8, 1e8, len(XYZ_TO_CAMERA))
    matrix = np.tensordot(shares / shares.sum(), XYZ_TO_CAMERA, 1) @ RGB_TO_XYZ
    answer: Pixels = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return answer


def dimmed(linear: Pixels, gains: Pixels) -> Pixels:
    """Undoes the gains (3,) of white balance and exposure in (h, w, 3); highlights are kept, since clipped ones were never dimmer
    (Brooks et al.)."""
    inflection = np.float32(0.9)
    bright = np.clip((linear.mean(axis=2, keepdims=True) - inflection) / (1 - inflection), 0, 1) ** 2
    safe: Pixels = linear * np.maximum(bright + (1 - bright) / gains, 1 / gains)
    return safe


def mosaic_of(linear: Pixels) -> Pixels:
    """The samples (h, w) that a sensor with a Bayer mosaic (RGGB) takes of (h, w, 3)."""
    mosaic = linear[..., 1].copy()
    mosaic[::2, ::2] = linear[::2, ::2, 0]
    mosaic[1::2, 1::2] = linear[1::2, 1::2, 2]
    return mosaic


def demosaiced(mosaic: Pixels, differences: float, directed: bool) -> Pixels:
    """(h, w, 3) from an RGGB mosaic (h, w): each colour the mean of its values among the 3x3 pixels around, weighted 1 2 1.

    A share ``differences`` (0 to 1) of red and blue is interpolated as their differences from green, which follows edges better;
    ``directed`` takes green along edges.
    """
    known = [np.zeros_like(mosaic) for _ in SITES]
    for plane, sites in zip(known, SITES, strict=True):
        for row, column in sites:
            plane[row::2, column::2] = 1
    weights = [np.maximum(_around(plane), 1e-9) for plane in known]
    green = _green_along_edges(mosaic) if directed else _around(mosaic * known[1]) / weights[1]
    green += known[1] * (mosaic - green)
    share = np.float32(differences)
    colours = [green]
    for channel in (0, 2):
        # A mean of differences from a share of green, and that share of green again: linear, so both ways are mixed at once.
        colour = _around((mosaic - share * green) * known[channel]) / weights[channel] + share * green
        colours.insert(channel, colour)
    return np.stack(colours, axis=2)


def _green_along_edges(mosaic: Pixels) -> Pixels:
    """Green (h, w) at the red and blue samples of a mosaic (h, w), interpolated in the direction in which less changes.

    It is the mean of its two neighbours, and a quarter of how far the pixel's own colour bends there: Hamilton and Adams 1997 (US
    5,629,734), which later methods (PPG, AHD) refine. At the green samples the answer means nothing.
    """
    # Mirrored at the outermost pixels, a mosaic goes on in step.
    wide = np.pad(mosaic, 2, mode="reflect")
    (height, width), here = mosaic.shape, mosaic

    def at(down: int, right: int) -> Pixels:
        part: Pixels = wide[2 + down : 2 + down + height, 2 + right : 2 + right + width]
        return part

    guesses, changes = [], []
    for down, right in ((0, 1), (1, 0)):
        before, after = at(-down, -right), at(down, right)
        bend = 2 * here - at(-2 * down, -2 * right) - at(2 * down, 2 * right)
        guesses.append((before + after) / 2 + bend / 4)
        changes.append(np.abs(before - after) + np.abs(bend))
    return np.where(changes[0] < changes[1], guesses[0], guesses[1])


def blurred(pixels: Pixels, times: float) -> Pixels:
    """(h, w, 3) under the window 1 2 1 ``times`` times; a fraction blurs the last time by that share."""
    weights = _around(np.ones(pixels.shape[:2], dtype=np.float32))
    while times > 0:
        pixels = _softened(pixels, min(1.0, times), weights)
        times -= 1
    return pixels


def _softened(pixels: NDArray[Any], share: float, weights: Pixels) -> NDArray[Any]:
    """(h, w, ...) with a ``share`` of each pixel replaced by the mean around it; a share below 0 sharpens.

    ``weights`` (h, w) are the sums of the window's weights at each pixel: `_around` of ones.
    """
    around = _around(pixels) / weights.reshape(*weights.shape, *(1,) * (pixels.ndim - 2))
    answer: NDArray[Any] = pixels + np.float32(share) * (around - pixels)
    return answer


def _around(plane: NDArray[Any]) -> Pixels:
    """(h, w, ...) under the window 1 2 1 across and down, without what lies outside; the sum of its weights is 16 inside."""
    wide = np.pad(plane, ((1, 1), (1, 1), *((0, 0),) * (plane.ndim - 2)))
    down = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    across: Pixels = down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]
    return across


def smoothed(pixels: Pixels, brightness: float, colour: float, sharpness: float) -> Pixels:
    """An image (h, w, 3) with shares of ``brightness`` and ``colour`` (0 to 1) replaced by their mean around each pixel.

    Then ``sharpness`` times the brightness' difference from the mean around is put on top.
    """
    weights = _around(np.ones(pixels.shape[:2], dtype=np.float32))
    luma: NDArray[Any] = pixels @ images.LUMA
    chroma: NDArray[Any] = pixels - luma[..., None]
    luma = _softened(_softened(luma, brightness, weights), -sharpness, weights)
    for _ in range(2):
        chroma = _softened(chroma, colour, weights)
    mixed: Pixels = chroma + luma[..., None]
    return mixed
