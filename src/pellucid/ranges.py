"""Which values of an array are black and white, found from the values in use; and which of them are no image at all."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError, OptionError, RangeWarning

__all__ = ["Found", "Nodata", "Range", "dtype_ends", "find", "mirrored", "parse_range", "remarks", "warn"]

Range = Literal["auto", "dtype"] | tuple[float, float]
"""Which values are black and white. ``dtype``: the smallest and largest of an integer dtype, 0 and 1 of floats. ``auto``: those of
8 bits without sign; of 16 bits, too, unless the file states its white, or all values are so small that they are counts of 8, 10, 12
or 14 bits (0 and 255, 1023, 4095 or 16383); 0 and 1 of floats that lie between, or whose noise alone does not; otherwise the
smallest and the largest value in use. Or the two values themselves."""

COUNTS = (255, 1023, 4095, 16383)
"""The whites of cameras that write their counts into 16 bits as they are. A picture of 16 bits that has no value above a quarter of
its range is either such counts or nearly black; to take the second for the first changes the unit of the noise level alone."""

UNUSED = (4, 16, 64, 256)
"""The steps between values of 16 bits that hold counts of 14, 12, 10 or 8 in their upper bits: the largest is white."""

FLATTEST = 4095
"""The span of values of 16 bits up to which they are counts wherever they lie: no picture to look at has so little contrast."""

STEP = 2.0**-20
"""The span of a picture of one value, as a share of that, where this is more than 1."""

RESERVED = (-999, -9999, -99999, -32768, -32767, -(2**31), 32767, 65535, 1e20, 1e30, -1e30, 9.96921e36, 3.402823e38, -3.402823e38)
"""Values that programs write where they have none: netCDF's is the one of 37 digits, the last two are the ends of float32."""

GAP, RESERVED_GAP = 4.0, 0.25
"""How far beyond all others, in spans of theirs, a value must lie that comes up again and again to be no image: any value, and one
of `RESERVED`."""

FEW = 1e-4
"""The share of the values at either end that may be hot or dead: they do not set the range where they lie as far beyond the rest as
that is wide."""

SINGLE, GAP_LEAST = 8, 255
"""So many values may be hot or dead in any picture; and how far they lie beyond all others of 16 bits, at least, which is also as
far as those reach."""

REPEATED, LEAST = 4, 64
"""How often a value must be there to come up again and again, and how many others must be there to compare it with."""

SAMPLE = 1 << 20
"""Values that are looked at; black and white themselves are sought among all."""

ROUNDS = 4
"""How many values may stand for no image."""

RUN = 64
"""Values side by side whose mean says what is there without its noise."""

UNIT = (-3.0, 4.0)
"""How far noise around a picture in [0, 1] reaches at most: as far as where it is as strong as the range is wide."""

REACH, CALM = 7.0, 0.1
"""How far beyond [0, 1] noise reaches, in standard deviations as the share `CALM` of the calmest runs of one brightness shows them:
five of its own in 20 million values, and the calmest runs show less than there is."""

MET = 2.0
"""Within so many standard deviations of the brightest runs noise has some values, where it was not cut."""

PART, AREAS = 8, 0.002
"""The length of what may be an area beyond [0, 1], and the share of all such parts that may look like one."""

BRIGHT = 0.01
"""The share of runs that are the brightest."""

DARKEST = 1 / 255
"""Floats that all lie below this are no picture in [0, 1]: there it would be black in 8 bits."""

SAID = "values: "
"""The beginning of a remark on which values are black and white."""

PACKAGE = str(Path(__file__).parent)
"""The folder of the package's own code."""

Bands = Callable[[], Iterable[NDArray[Any]]]
"""All values that are an image, a part at a time; may be called again."""


@dataclass(frozen=True)
class Found:
    """Black and white; ``reserved`` are values that stand for no image, and what lies beyond ``low`` and ``high`` is none either.
    ``sought``: black and white were found from the values. ``noise`` are the smallest and the largest value, where what lies beyond
    black and white is noise. ``stored`` is the same of the values as they are in the file, where small ones are light
    there."""

    ends: tuple[float, float]
    reserved: tuple[float, ...] = ()
    low: float = -np.inf
    high: float = np.inf
    sought: bool = False
    noise: tuple[float, float] | None = None
    stored: Found | None = None

    @property
    def words(self) -> str:
        """The values that are no image, in words, as the file has them; "" where every value is one."""
        if self.stored is not None:
            return self.stored.words
        parts = [f"{value:.10g}" for value in self.reserved]
        parts += [f"below {self.low:.4g}"] if self.low > -np.inf else []
        parts += [f"above {self.high:.4g}"] if self.high < np.inf else []
        return f"values far beyond the rest ({', '.join(parts)})" if parts else ""

    @property
    def plain(self) -> bool:
        """Whether every value is an image."""
        return not self.reserved and self.low == -np.inf and self.high == np.inf

    def mirrored(self, mirror: float) -> Found:
        """The same of what `mirrored` makes of the values."""
        return Found(
            (mirror - max(self.ends), mirror - min(self.ends)),
            tuple(mirror - value for value in self.reserved),
            mirror - self.high,
            mirror - self.low,
            self.sought,
            stored=self,
        )

    def valid(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the values are an image."""
        there = np.asarray((values >= self.low) & (values <= self.high), dtype=bool)
        for value in self.reserved:
            there &= values != value
        return there

    def middle(self, dtype: np.dtype[Any]) -> float:
        """The value between black and white, whole where the dtype is, and one that it has."""
        middle = self.ends[0] / 2 + self.ends[1] / 2
        limits: Any = np.finfo(dtype) if dtype.kind == "f" else None
        low, high = dtype_ends(dtype) if limits is None else (float(limits.min), float(limits.max))
        middle = min(max(middle, low), high)
        return middle if dtype.kind == "f" else round(middle)

    def pixels(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which pixels (rows, columns) of values (rows, columns, channels) are an image in all channels."""
        return np.asarray(np.all(self.valid(values), axis=2), dtype=bool)


@dataclass(frozen=True)
class Nodata:
    """Values that a file states to be no image: from ``low`` to ``high``; ``name`` is what the file calls them, ``stored`` the
    first and the last as they are in the file, where it has light and dark the other way round."""

    low: float
    high: float
    name: str = "nodata"
    stored: tuple[float, float] | None = None

    @property
    def single(self) -> bool:
        """Whether it is one value."""
        return self.low == self.high

    @property
    def words(self) -> str:
        """Its name and the values."""
        low, high = self.stored or (self.low, self.high)
        return f"{self.name} {low:.10g}" + ("" if self.single else f" to {high:.10g}")

    def together(self, channels: int, dtype: np.dtype[Any]) -> bool:
        """Whether it counts only where all channels have it: in colours without sign it is a usual value of any one of them."""
        return channels > 1 and dtype.kind in "ub"

    def of(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which pixels (rows, columns) of values (rows, columns, channels) are no image."""
        low, high = self.low, self.high
        if values.dtype.kind == "f":
            # A value that was written in decimals may be a neighbour of the float.
            with np.errstate(over="ignore"):
                low, high = (float(values.dtype.type(end)) for end in (low, high))
        same = (values == low) if self.single else (values >= low) & (values <= high)
        enough = np.all if self.together(values.shape[2], values.dtype) else np.any
        return np.asarray(enough(same, axis=2), dtype=bool)


def remarks(found: Found) -> tuple[str, ...]:
    """A line on black and white for the user, where they were found from the values."""
    if found.noise is not None:
        low, high = (f"{end:.3g}" for end in found.noise)
        return (f"{SAID}black is 0, white 1, and what lies beyond ({low} to {high}) is taken for noise (--range LO:HI sets them)",)
    if not found.sought:
        return ()
    low, high = (f"{end:.6g}" for end in (found.ends if found.stored is None else found.stored.ends[::-1]))
    return (f"{SAID}black is {low}, white {high}, estimated from the values (--range LO:HI sets them)",)


def warn(remarks: Iterable[str]) -> None:
    """Says to Python which values are black and white, where an answer is an array alone, which has no place for remarks: a
    `RangeWarning` of the first of ``remarks`` that does, at the line that called the package."""
    said = next((each for each in remarks if each.startswith(SAID)), None)
    if said is None:
        return
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(said.removeprefix(SAID).replace("--range LO:HI", "range=(LO, HI)"), RangeWarning, stacklevel=level)


def parse_range(text: str) -> Range:
    """``auto``, ``dtype`` or ``LO:HI``, two different finite numbers; `OptionError` for anything else."""
    if text == "auto":
        return "auto"
    if text == "dtype":
        return "dtype"
    low, colon, high = text.partition(":")
    try:
        ends = (float(low), float(high))
    except ValueError:
        ends = (np.nan, np.nan)
    if not colon or not np.isfinite(ends).all() or ends[0] == ends[1]:
        raise OptionError(f"a range is auto, dtype or LO:HI (such as 0:4095), not {text!r}")
    return ends


def dtype_ends(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The smallest and largest value of an integer dtype; 0 and 1 of floats and bool."""
    if dtype.kind in "fb":
        return 0.0, 1.0
    limits = np.iinfo(dtype)
    return float(limits.min), float(limits.max)


def mirrored(values: NDArray[Any], mirror: float) -> NDArray[Any]:
    """Whole numbers whose large ones are dark as ones whose large ones are light, and back: ``mirror`` (-1 where they have a sign)
    minus each. Values beyond a mirror of values without sign stay."""
    turned = values.dtype.type(mirror) - values
    return np.asarray(turned if mirror < 0 else np.where(values > mirror, values, turned), dtype=values.dtype)


def find(
    dtype: np.dtype[Any],
    value_range: Range,
    bands: Bands,
    *,
    white: float | None = None,
    full: bool = False,
    mirror: float | None = None,
) -> Found:
    """Black and white, two different values, of the values in ``bands``.

    ``white`` is what the file states; it is not believed where a value lies above it. ``full``: 16 bits are known to be over their
    whole range. With a ``mirror`` the values are what `mirrored` made of those in the file: ``value_range``, ``white`` and what is
    found speak of the file's. Raises `ImageError` where no value is an image.
    """
    if mirror is not None:
        stored = find(dtype, value_range, lambda: (mirrored(band, mirror) for band in bands()), white=white, full=full)
        plain = mirror < 0 or isinstance(value_range, tuple) or max(stored.ends) <= mirror
        if plain or _extremes(bands, Found(dtype_ends(dtype)))[1] <= mirror:
            return stored.mirrored(mirror)
    if isinstance(value_range, tuple):
        return Found((float(value_range[0]), float(value_range[1])))
    own = dtype_ends(dtype)
    if value_range == "dtype" or dtype.name in ("bool", "uint8"):
        if white is not None and value_range == "auto" and 0 < white < own[1]:
            low, high = _extremes(bands, Found(own))
            return Found((0.0, float(white)) if high <= white else own)
        return Found(own)
    if dtype.name == "uint16":
        return _counts(bands, white, full=full)
    low, high, sample = _seen(bands)
    if white is not None and low >= 0 and white > 0 and high <= white:
        return Found((0.0, float(white)))

    def is_unit(low: float, high: float) -> bool:
        return dtype.kind == "f" and low >= 0 and high <= 1 and (high >= DARKEST * (1 - np.finfo(dtype).eps) or high == 0)

    if is_unit(low, high):
        return Found(own)
    reserved, sample = _strangers(np.sort(sample))
    found = Found(own, reserved)
    if reserved:
        low, high = _extremes(bands, found)
    below, above = _limits(sample)
    if low < below or high > above:
        found = Found(own, reserved, below if low < below else -np.inf, above if high > above else np.inf)
        low, high = _extremes(bands, found)
    if is_unit(low, high):
        return found
    if dtype.kind == "f" and _is_noise(low, high, bands, found):
        return replace(found, noise=(low, high))
    ends = (low, high) if high > low else _beside(low, whole=dtype.kind != "f")
    if dtype.kind == "f" and low >= 0 and 127 < high <= 255:
        # 8-bit levels that somebody made floats.
        ends = (0.0, 255.0)
    return replace(found, ends=ends, sought=high > low)


def _beside(value: float, *, whole: bool) -> tuple[float, float]:
    """Black and white where all values are this one."""
    # Near enough to come back as it is; whole numbers have nothing nearer than 1, and the smallest floats nothing near.
    step = max(1.0 if whole else np.finfo(np.float64).smallest_subnormal, abs(value) * STEP)
    return (value, value + step) if np.isfinite(value + step) else (value - step, value)


def _is_noise(low: float, high: float, bands: Bands, found: Found) -> bool:
    """Whether floats beyond [0, 1] are noise around a picture that lies in it.

    Noise reaches no farther than its strength lets it, makes no area darker than black or brighter than white, and is not cut at
    one end where it goes beyond the other. Floats without an area brighter than their noise is strong are no picture to begin with.
    """
    if not (UNIT[0] <= low and high <= UNIT[1] and (low < 0 or high > 1)):
        return False
    means, strengths, outside = [], [], []
    for band in bands():
        planes = band if found.plain else band[found.valid(band).all(axis=-1)]
        # Channel by channel: colours differ from one another without any noise.
        flat = planes.reshape(-1, planes.shape[-1]).T
        runs = flat[:, : flat.shape[1] // RUN * RUN].reshape(-1, RUN).astype(np.float64)
        parts = runs.reshape(-1, PART).mean(axis=1)
        means.append(parts.reshape(-1, RUN // PART).mean(axis=1))
        outside.append(np.maximum(-parts, parts - 1))
        steps = np.abs(np.diff(runs, axis=1))
        rough = np.count_nonzero(steps, axis=1)
        # Frames and pages of one value say nothing. The mean difference of two values is 2 / sqrt(pi) of the standard deviation.
        strengths.append(np.where(rough > RUN // 2, steps.sum(axis=1) / np.maximum(rough, 1) * (np.sqrt(np.pi) / 2), np.nan))
    mean, strength = np.concatenate(means), np.concatenate(strengths)
    known = np.isfinite(strength)
    if not known.any():
        return False
    # Noise may follow the light: in each quarter of the runs from dark to bright it is another.
    quarters = np.array_split(strength[known][np.argsort(mean[known], kind="stable")], 4)
    noise = max(float(np.quantile(quarter, CALM)) for quarter in quarters if quarter.size)
    bright = float(np.quantile(mean, 1 - BRIGHT))
    beyond = float(np.mean(np.concatenate(outside) > 4 * noise / np.sqrt(PART)))
    # A picture that begins near black, or has areas near white, has values beyond it where its noise is whole.
    cut = 0 <= low < noise or (high <= 1 and bright > 1 - MET * noise)
    return max(-low, high - 1) <= REACH * noise and beyond <= AREAS and not cut and bright > noise


def _counts(bands: Bands, white: float | None, *, full: bool) -> Found:
    """Black and white of 16 bits without sign."""
    own = dtype_ends(np.dtype(np.uint16))
    if white is None and full:
        return Found(own)
    counts, bits = np.zeros(int(own[1]) + 1, np.int64), 0
    for band in bands():
        flat = band.ravel()
        for start in range(0, flat.size, SAMPLE):
            counts += np.bincount(flat[start : start + SAMPLE], minlength=len(counts))
            bits |= int(np.bitwise_or.reduce(flat[start : start + SAMPLE]))
            if (white is not None or bits % UNUSED[0]) and _is_wide(counts, white):
                return Found(own)
    step = bits & -bits
    if white is None and step in UNUSED and _is_wide(counts, white):
        return Found((0.0, own[1] + 1 - step), sought=True)
    reserved = bool(counts[-1]) and counts[:-1].any()
    if reserved:
        # The largest value of counts that stay far below is none.
        counts[-1] = 0
    used = np.flatnonzero(counts)
    if not len(used):
        return Found(own)
    smallest, largest = _without_few(counts, used) if white is None else (int(used[0]), int(used[-1]))
    if white is not None and 0 < largest <= white and not reserved:
        return Found((0.0, float(white)))
    span = largest - smallest
    if largest == 0 or span <= 0 or full or (largest > COUNTS[-1] and span > FLATTEST):
        return Found(own)
    top = next((top for top in COUNTS if largest <= top), int(own[1]))
    # Temperatures and the like lie far from 0 and close together.
    ends = (0.0, float(top)) if top <= 4 * span else (float(smallest), float(largest))
    low, high = (smallest if used[0] < smallest else -np.inf), (largest if used[-1] > largest else np.inf)
    return Found(ends, (own[1],) if reserved else (), low, high, sought=True)


def _is_wide(counts: NDArray[np.int64], white: float | None) -> bool:
    """Whether so many values of 16 bits are in use, all over their range, that they are no counts."""
    total = int(counts[:-1].sum())
    few = max(SINGLE, int(FEW * total))
    reached = np.flatnonzero(np.cumsum(counts[-2::-1]) > few)
    if not len(reached):
        return False
    largest = len(counts) - 2 - int(reached[0])
    smallest = int(np.flatnonzero(np.cumsum(counts) > few)[0])
    return largest > max(COUNTS[-1], white or 0) and largest - smallest > FLATTEST


def _without_few(counts: NDArray[np.int64], used: NDArray[np.intp]) -> tuple[int, int]:
    """The smallest and the largest of the values in use, without a few that lie far beyond all others, with nothing between."""
    total = int(counts.sum())
    low, high = int(used[0]), int(used[-1])
    few = min(max(SINGLE, int(FEW * total)), total // LEAST)
    below, above = np.cumsum(counts[used]), np.cumsum(counts[used][::-1])[::-1]
    first, last = int(np.flatnonzero(below > few)[0]), int(np.flatnonzero(above > few)[-1])
    span = int(used[last] - used[first])
    for place in range(first, 0, -1):
        if used[place] - used[place - 1] > max(span, GAP_LEAST):
            low = int(used[place])
            break
    for place in range(last, len(used) - 1):
        if used[place + 1] - used[place] > max(span, GAP_LEAST):
            high = int(used[place])
            break
    return low, high


def _seen(bands: Bands) -> tuple[float, float, NDArray[np.float64]]:
    """The smallest value, the largest, and a sample of all."""
    low, high, parts, count = np.inf, -np.inf, [], 0
    step = 1
    for band in bands():
        flat = band.ravel()
        if not flat.size:
            continue
        low, high = min(low, float(flat.min())), max(high, float(flat.max()))
        parts.append(flat[-count % step :: step].astype(np.float64))
        count += flat.size
        if sum(part.size for part in parts) > 2 * SAMPLE:
            # Every second one of what there is: the sample stays even over the picture.
            parts = [np.concatenate(parts)[::2]]
            step *= 2
    if not parts:
        raise ImageError("the array has no values but NaN, infinite, masked ones and nodata")
    return low, high, np.concatenate(parts)


def _extremes(bands: Bands, found: Found) -> tuple[float, float]:
    """The smallest and the largest value that is an image."""
    low, high = np.inf, -np.inf
    for band in bands():
        rest = band if found.plain else band[found.valid(band)]
        if rest.size:
            low, high = min(low, float(rest.min())), max(high, float(rest.max()))
    return low, high


def _strangers(sample: NDArray[np.float64]) -> tuple[tuple[float, ...], NDArray[np.float64]]:
    """The values of a sorted sample that come up again and again far beyond all others, and the sample without them."""
    found: list[float] = []
    for _ in range(ROUNDS):
        stranger = next((float(end) for end in (sample[0], sample[-1]) if _is_stranger(sample, float(end))), None)
        if stranger is None:
            break
        found.append(stranger)
        sample = sample[sample != stranger]
    return tuple(found), sample


def _is_stranger(sample: NDArray[np.float64], value: float) -> bool:
    """Whether the value, at an end of the sorted sample, comes up again and again and far beyond the others."""
    first, last = (np.searchsorted(sample, value, side) for side in ("left", "right"))
    rest = sample[last:] if first == 0 else sample[:first]
    if last - first < REPEATED or rest.size < LEAST:
        return False
    least, most = _bulk(rest)
    gap = float(rest[0]) - value if first == 0 else value - float(rest[-1])
    known = any(np.isclose(value, each, rtol=1e-6, atol=0) for each in RESERVED)
    return most > least and gap > (RESERVED_GAP if known else GAP) * (most - least)


def _limits(sample: NDArray[np.float64]) -> tuple[float, float]:
    """Beyond which values are hot or dead."""
    if sample.size < LEAST:
        return -np.inf, np.inf
    least, most = _bulk(sample)
    span = most - least
    if span <= 0:
        return -np.inf, np.inf
    # A picture in [0, 1] may use all of that.
    return (min(least - span, 0.0), max(most + span, 1.0)) if least >= 0 and most <= 1 else (least - span, most + span)


def _bulk(sample: NDArray[np.float64]) -> tuple[float, float]:
    """The smallest and the largest of a sorted sample but for a few at either end."""
    few = min(max(8, int(FEW * sample.size)), sample.size // LEAST)
    return float(sample[few]), float(sample[-1 - few])
