"""Colour profiles: whether one fits the pixels that are written, and profiles of what formats state about colours without one."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid.images import Image, floating

__all__ = ["Stating", "carried", "fitting", "gray_curve", "is_dynamic", "of_code", "of_gamma", "through"]

SPACE = slice(16, 20)
"""The place of the colour space in a profile's header (ICC.1:2022, 7.2.8)."""

GRAY, COLOURS, INKS, LAB = b"GRAY", b"RGB ", b"CMYK", b"Lab "
"""The spaces of pixels that files hold; a profile of another is not looked into."""


def _is_gray(icc: bytes | None) -> bool:
    return icc is not None and icc[SPACE] == GRAY


@lru_cache(maxsize=4)
def gray_curve(icc: bytes | None) -> NDArray[np.float32] | None:
    """The sRGB values of the 256 evenly spaced values of a gray profile; None where there is no such profile, or none that can be
    read."""
    return _curve(icc, "L") if _is_gray(icc) and icc is not None else None


@lru_cache(maxsize=4)
def _curve(icc: bytes, mode: str) -> NDArray[np.float32] | None:
    """The sRGB values of 256 evenly spaced grays by a profile for pixels of a Pillow ``mode``."""
    from PIL import ImageCms

    ramp = PillowImage.frombytes("L", (256, 1), bytes(range(256))).convert(mode)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        shown = ImageCms.profileToProfile(ramp, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    assert shown is not None
    values = np.asarray(shown)[0].mean(axis=1) / 255
    # Rounding to 8 bits may make steps: a gray profile has none.
    return np.maximum.accumulate(values).astype(np.float32)


def through(curve: NDArray[np.float32], planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Planes of gray values in [0, 1], any shape, as sRGB values."""
    return np.interp(planes, np.linspace(0, 1, len(curve)), curve).astype(np.float32)


def fitting(image: Image) -> Image:
    """The image without its profile where that is for gray and the pixels are colours: without one, they are sRGB."""
    return replace(image, icc=None) if image.pixels.shape[2] == 3 and _is_gray(image.icc) else image


@runtime_checkable
class Stating(Protocol):
    """Notes of a format that states colours without a profile, in its files alone."""

    kind: str
    """The name of the format."""

    def profile(self, channels: int) -> bytes | None:
        """A profile that says the same to pixels of 1 or 3 ``channels``; None where none is needed, or none can say it."""


def carried(image: Image, kind: str, held: str = "picture", *, colours: bool = False) -> Image:
    """The image as the format ``kind`` writes it: with a profile where it states its colours in another format's way, and without
    one that is not for such pixels. ``held`` is the kind of its page, ``colours`` says that gray is written as colours.

    The values of gray go through a profile that goes; colours without one are sRGB.
    """
    channels = image.pixels.shape[2]
    if image.icc is None and isinstance(image.notes, Stating) and image.notes.kind != kind:
        image = replace(image, icc=image.notes.profile(channels))
    space = image.icc[SPACE] if image.icc is not None else None
    if held == "channels" or space not in (GRAY, COLOURS, INKS, LAB):
        return image
    wanted = INKS if held == "inks" else COLOURS if colours or channels == 3 else GRAY
    # TIFF and JPEG of gray with a profile of colours are common; PNG forbids it.
    if space == wanted or (space == COLOURS and wanted == GRAY and kind != "PNG"):
        return image
    assert image.icc is not None
    curve = _curve(image.icc, "L" if space == GRAY else "RGB") if channels == 1 and space in (GRAY, COLOURS) else None
    if curve is not None and np.abs(curve - np.linspace(0, 1, len(curve))).max() > EVEN:
        image = floating(image)
        image = replace(image, pixels=through(curve, np.clip(image.pixels, 0, 1)))
    return replace(image, icc=None)


EVEN = 1 / 255
"""A curve no farther than this from a straight line changes nothing."""


# -- profiles of codes (ITU-T H.273) and of gamma ---------------------------------------------------------------------

PRIMARIES = {
    1: (0.640, 0.330, 0.300, 0.600, 0.150, 0.060, 0.3127, 0.3290),
    4: (0.670, 0.330, 0.210, 0.710, 0.140, 0.080, 0.3100, 0.3160),
    5: (0.640, 0.330, 0.290, 0.600, 0.150, 0.060, 0.3127, 0.3290),
    6: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    7: (0.630, 0.340, 0.310, 0.595, 0.155, 0.070, 0.3127, 0.3290),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046, 0.3127, 0.3290),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3140, 0.3510),
    12: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290),
}
"""The number of primaries -> chromaticities x and y of red, green, blue and white (H.273, table 2)."""

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""The parameters g, a, b, c, d of sRGB's curve (IEC 61966-2-1)."""

CURVES = {**dict.fromkeys((1, 2, 6, 13, 14, 15), SRGB_CURVE), 4: (2.2,), 5: (2.8,), 8: (1.0,)}
"""The number of a transfer function -> a profile's curve. Stills with the functions of video (1, 6, 14, 15) are shown by sRGB's."""

DYNAMIC = (16, 18)
"""Transfer functions of high dynamic range (PQ and HLG), which no curve of a profile can say."""

WHITE = np.array([0.9642, 1.0, 0.8249])
"""The white of profiles, D50, as X, Y, Z."""

CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
"""X, Y, Z as the eye's answers, by which one white becomes another (Bradford; ICC.1:2022, annex E)."""


FLAT = 1e-3
"""Primaries whose triangle has half of this area, or less, make no colours."""


def is_dynamic(transfer: int) -> bool:
    """Whether the number of a transfer function is one of high dynamic range."""
    return transfer in DYNAMIC


def of_code(primaries: int, transfer: int, channels: int = 3) -> bytes | None:
    """The profile of colours that are stated by their numbers in H.273; None where they are sRGB's, unknown, or of high dynamic
    range."""
    places, curve = PRIMARIES.get(1 if primaries == 2 else primaries), CURVES.get(transfer)
    if places is None or curve is None or (curve == SRGB_CURVE and (places == PRIMARIES[1] or channels == 1)):
        return None
    return _profile(places, curve, channels)


def of_gamma(gamma: float, places: tuple[float, ...] | None, channels: int = 3) -> bytes | None:
    """The profile of values that are light to the power of 1 / ``gamma``, of primaries at these chromaticities (None: sRGB's); None
    where that is about sRGB, or no profile holds such colours."""
    places = PRIMARIES[1] if places is None else places
    plain = abs(gamma - 2.2) < 0.1 and np.allclose(places, PRIMARIES[1], atol=0.002)
    return None if plain or not 0.1 < gamma < 10 else _profile(places, (gamma,), channels)


def _profile(places: tuple[float, ...], curve: tuple[float, ...], channels: int) -> bytes | None:
    """A profile (ICC.1:2022) of red, green, blue and white at these chromaticities, with one curve for all; for gray,
    white alone counts. None where white has no light, the three lie (nearly) on one line, or a number is too large."""
    across, down = np.array(places[::2]), np.array(places[1::2])
    chromaticities = np.stack([across, down, 1 - across - down])
    light, white = chromaticities[:, :3], chromaticities[:, 3]
    # Twice the area of the triangle between the three: 0.22 of sRGB's.
    if white[1] <= 0 or (channels != 1 and abs(np.linalg.det(light)) < FLAT):
        return None
    white = white / white[1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        adapted = np.linalg.inv(CONES) @ np.diag((CONES @ WHITE) / (CONES @ white)) @ CONES
        colours = adapted if channels == 1 else adapted @ (light * np.linalg.solve(light, white))
    if not (np.abs([adapted, colours]) < 32768).all():
        return None
    words = "sRGB's curve" if curve == SRGB_CURVE else f"gamma {curve[0]:.4g}"
    response = struct.pack(">4sIHH", b"para", 0, 3 if len(curve) > 1 else 0, 0) + _fixed(curve)
    parts = {
        b"desc": _text(f"{words}, white {places[6]:.4g} {places[7]:.4g}"),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz(WHITE),
    }
    parts[b"chad"] = b"sf32\0\0\0\0" + _fixed(adapted.ravel())
    if channels == 1:
        parts[b"kTRC"] = response
    else:
        parts |= {name: _xyz(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours.T, strict=True)}
        parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), response)
    table, body, place = struct.pack(">I", len(parts)), b"", 128 + 4 + 12 * len(parts)
    for name, part in parts.items():
        table += struct.pack(">4sII", name, place + len(body), len(part))
        body += part + b"\0" * (-len(part) % 4)
    head = struct.pack(">I4sI", place + len(body), b"", 0x04300000) + b"mntr" + (GRAY if channels == 1 else COLOURS) + b"XYZ "
    # A date that is the same every time.
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(WHITE)
    return head.ljust(128, b"\0") + table + body


def _fixed(numbers: object) -> bytes:
    """Numbers as a profile has them: in steps of 2^-16."""
    return np.rint(np.asarray(numbers, np.float64) * 65536).astype(">i4").tobytes()


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _text(words: str) -> bytes:
    content = words.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(content), 28) + content
