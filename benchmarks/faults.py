"""Goes through pictures that went wrong once, and prints what is found beside what is right; exits 1 if one is wrong.

    python benchmarks/faults.py FOLDER

FOLDER holds the pictures that the rows name: made inputs, each an instance of a kind of fault. A row without its picture is left
out.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pellucid
from pellucid import cli, images
from pellucid.errors import PellucidError

Found = tuple[str, bool]
"""The behaviour in words, and whether it is right."""


@dataclass(frozen=True)
class Row:
    """A kind of fault, the picture it is tried on, what is right, and the function that looks."""

    kind: str
    name: str
    right: str
    look: Callable[[Path, Path], Found]


def array(path: Path) -> NDArray[Any]:
    """The picture's values."""
    return images.to_array(pellucid.read(path))


def command(*words: str | Path) -> tuple[int, str]:
    """The exit status of the command line, and its messages."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as end:
            code = int(end.code or 0)
        except PellucidError as error:
            print(error)
            code = 1
    return code, said.getvalue()


# -- the look at the noise --------------------------------------------------------------------------------------------


def level(sigma: float, within: float) -> Callable[[Path, Path], Found]:
    """Gaussian noise of this level."""

    def look(path: Path, scratch: Path) -> Found:
        found = pellucid.inspect(path)
        return str(found), found.kind == "gaussian" and abs(found.sigma - sigma) <= within * sigma

    return look


def untouched(path: Path, scratch: Path) -> Found:
    """Called clean, and given back as it is."""
    found = pellucid.inspect(path)
    given = array(path)
    changed = float((pellucid.restore(given) != given).mean())
    return f"{found}; {changed:.1%} of the values changed", found.kind == "clean" and changed == 0


def as_gray(path: Path, scratch: Path) -> Found:
    """The gray picture's output, three times."""
    expected = pellucid.restore(array(path.with_name("gray_s50.png")))
    restored = pellucid.restore(array(path))
    same = bool((restored == restored[..., :1]).all())
    off = float(np.abs(restored.astype(float) - np.atleast_3d(expected)).max())
    return f"R = G = B: {same}; {off:.0f} levels from the gray output at most", same and off == 0


def few_impulses(path: Path, scratch: Path) -> Found:
    """Found, replaced, and nothing else changed."""
    given = array(path)
    found = pellucid.inspect(given)
    restored = pellucid.restore(given)
    changed = float((restored != given).mean())
    left = pellucid.inspect(restored)
    right = 0.001 < found.impulse_density < 0.02 and left.impulse_density == 0 and 0.001 < changed < 0.01
    return f"{found}; {changed:.2%} of the values changed; then {left}", right


# -- ranges and values that are no image ------------------------------------------------------------------------------


def float_range(path: Path, scratch: Path) -> Found:
    """Floats of 0 to 255 in Python: an error that names the range, or an output of that range."""
    values = np.load(path)
    try:
        restored = pellucid.restore(values)
    except PellucidError as error:
        return f"error: {error}", "range" in str(error)
    ends = float(restored.min()), float(restored.max())
    return f"from {ends[0]:.3g} to {ends[1]:.3g}", ends[1] > 100


def twelve_bits(path: Path, scratch: Path) -> Found:
    """Counts of 12 bits: as with the range given."""
    given = array(path).astype(float).squeeze()
    restored = array_of_command(path, scratch).astype(float)
    stated = array_of_command(path, scratch, "--range", "0:4095").astype(float)
    moved, apart = (float(np.sqrt(np.square(one - other).mean())) for one, other in ((restored, given), (restored, stated)))
    return f"moved by {moved:.0f} (rms), {apart:.0f} from the output with 0:4095", moved > 50 and apart < 20


def nodata(path: Path, scratch: Path) -> Found:
    """A GDAL nodata value comes back to the bit, and the rest is restored."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        missing = float(file.pages.first.tags[42113].value)
    before, after = tifffile.imread(path), array_of_command(path, scratch)
    hole = before == missing
    kept = bool((after[hole] == before[hole]).all())
    moved = float(np.sqrt(np.square(after[~hole].astype(float) - before[~hole]).mean()))
    return f"nodata kept: {kept}; the rest moved by {moved:.2f} (rms)", kept and moved > 0.5


def padding(path: Path, scratch: Path) -> Found:
    """DICOM padding comes back exactly."""
    import pydicom

    before = pydicom.dcmread(path).pixel_array
    code, said = command("denoise", path, "-o", scratch / "ct.dcm", "--force")
    if code:
        return said.strip(), False
    after = pydicom.dcmread(scratch / "ct.dcm").pixel_array
    hole = before == before.min()
    changed = float((after[hole] != before[hole]).mean())
    return f"{changed:.1%} of the padding changed", changed == 0 and bool((after != before).any())


def array_of_command(path: Path, scratch: Path, *words: str) -> NDArray[Any]:
    """The values that ``denoise`` writes."""
    import tifffile

    code, said = command("denoise", path, "-o", scratch / path.name, "--force", *words)
    if code:
        raise SystemExit(said)
    values: NDArray[Any] = tifffile.imread(scratch / path.name)
    return values


# -- geometry and metadata --------------------------------------------------------------------------------------------


def enlarged(path: Path, scratch: Path) -> Path:
    """The picture three times as large."""
    code, said = command("upscale", path, "--scale", "3", "-o", scratch / path.name, "--force")
    if code:
        raise ValueError(said.strip())
    return scratch / path.name


def dicom_geometry(path: Path, scratch: Path) -> Found:
    """Rows, columns and the spacing of pixels."""
    import pydicom

    before, after = pydicom.dcmread(path), pydicom.dcmread(enlarged(path, scratch))
    found = int(after.Rows), int(after.Columns), float(after.PixelSpacing[0])
    right = found[:2] == (3 * before.Rows, 3 * before.Columns) and abs(3 * found[2] - float(before.PixelSpacing[0])) < 0.002
    return f"{found[0]} rows, {found[1]} columns, spacing {found[2]:.4f}", right and after.pixel_array.shape[:2] == found[:2]


def ome_geometry(path: Path, scratch: Path) -> Found:
    """Sizes in pixels and in micrometres."""
    from xml.etree import ElementTree

    import tifffile

    def read(picture: Path) -> tuple[int, float]:
        with tifffile.TiffFile(picture) as file:
            described = ElementTree.fromstring(file.ome_metadata or "<none/>")
        pixels = next(element for element in described.iter() if element.tag.endswith("Pixels"))
        return int(pixels.attrib["SizeX"]), float(pixels.attrib["PhysicalSizeX"])

    before, after = read(path), read(enlarged(path, scratch))
    return f"SizeX {after[0]}, PhysicalSizeX {after[1]:.4f}", after[0] == 3 * before[0] and abs(3 * after[1] - before[1]) < 1e-3


def geotiff_geometry(path: Path, scratch: Path) -> Found:
    """The scale of a pixel in metres."""
    import tifffile

    def read(picture: Path) -> float:
        with tifffile.TiffFile(picture) as file:
            return float(file.pages.first.tags[33550].value[0])

    before, after = read(path), read(enlarged(path, scratch))
    return f"pixel scale {after:.3f}", abs(3 * after - before) < 1e-3


def imagej_geometry(path: Path, scratch: Path) -> Found:
    """Pixels for each unit."""
    import tifffile

    def read(picture: Path) -> float:
        with tifffile.TiffFile(picture) as file:
            above, below = file.pages.first.tags["XResolution"].value
            return float(above / below)

    before, after = read(path), read(enlarged(path, scratch))
    return f"{after:.2f} pixels for each unit", abs(after - 3 * before) < 1e-2 * after


def gone(*words: bytes) -> Callable[[Path, Path], Found]:
    """XMP that says nothing of what is not there any more, and a line for people."""

    def look(path: Path, scratch: Path) -> Found:
        code, said = command("denoise", path, "-o", scratch / path.name, "--force")
        if code:
            return said.strip(), False
        left = [word.decode() for word in words if word in (scratch / path.name).read_bytes()]
        line = any(word in said.lower() for word in ("gain map", "video", "left out", "lost", "not kept", "gone"))
        return f"XMP still says {', '.join(left) or 'nothing of it'}; a line for people: {line}", not left and line

    return look


def twelve_bit_jpeg(path: Path, scratch: Path) -> Found:
    """Called what it is."""
    code, said = command("denoise", path, "-o", scratch / "twelve.png", "--force")
    return (said.strip().splitlines() or ["read"])[-1], code == 0 or "12 bit" in said


def endings(path: Path, scratch: Path) -> Found:
    """A JPEG is one whatever its ending."""
    wrong = []
    for ending in (".jfif", ".jpe"):
        other = scratch / f"picture{ending}"
        shutil.copy(path, other)
        try:
            pellucid.read(other)
        except PellucidError as error:
            wrong.append(f"{ending}: {error}")
    return "; ".join(wrong) or "read", not wrong


ROWS = (
    Row("constant areas", "photo_on_cream_page.png", "Gaussian, 15 within 8 %", level(15, 0.08)),
    Row("text on pure white", "text_liberation_11_s5.png", "5 within 20 %", level(5, 0.2)),
    Row("text on pure white", "text_liberation_11_clean.png", "clean, unchanged", untouched),
    Row("gray stored as RGB", "gray_as_rgb_s50.png", "the gray output three times", as_gray),
    Row("drawn pictures", "pix_checker_dither.png", "clean, unchanged", untouched),
    Row("drawn pictures", "pix_tiles16_dither1.png", "clean, unchanged", untouched),
    Row("range, arrays", "float_0_255.npy", "an error that names the remedy, or 0 to 255", float_range),
    Row("range, files", "cam12.tif", "as with --range 0:4095", twelve_bits),
    Row("range, files", "dem_nodata.tif", "restored, nodata to the bit", nodata),
    Row("geometry", "ct.dcm", "576 rows, 768 columns, spacing 0.2333", dicom_geometry),
    Row("geometry", "o.ome.tif", "SizeX 768, PhysicalSizeX 0.0667", ome_geometry),
    Row("geometry", "geotiff.tif", "pixel scale 3.333", geotiff_geometry),
    Row("geometry", "imagej.tif", "15 pixels for each unit", imagej_geometry),
    Row("values that are no image", "ct.dcm", "padding exactly as it was", padding),
    Row("resampled noise", "noisy_then_halved_bicubic.png", "12.6 within 15 %", level(12.6, 0.15)),
    Row("few impulses", "hot_one_channel_1pc.png", "found, replaced, nothing else changed", few_impulses),
    Row("metadata of what is gone", "ultrahdr.jpg", "no gain map in XMP, and a line", gone(b"hdrgm:", b"GainMap")),
    Row("metadata of what is gone", "motion.jpg", "no video in XMP, and a line", gone(b"MotionPhoto", b"MicroVideo")),
    Row("names, messages", "twelve.jpg", "read, or called a JPEG of 12 bits", twelve_bit_jpeg),
    Row("names, messages", "motion.jpg", "read as .jfif and as .jpe", endings),
)


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the pictures")
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        for row in ROWS:
            path = options.folder / row.name
            if not path.is_file():
                print(f"no picture  {row.kind}: {row.name}")
                continue
            try:
                found, right = row.look(path, Path(scratch))
            # One row that falls over says so; the others go on.
            except (Exception, SystemExit) as error:
                found, right = f"{type(error).__name__}: {error}", False
            wrong += not right
            print(f"{'right' if right else 'WRONG'}  {row.kind}: {row.name}: {found}  (right: {row.right})", flush=True)
    print(f"{wrong} of {len(ROWS)} wrong" if wrong else "all right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
