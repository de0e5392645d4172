"""Damaged and hostile inputs: each must be read and written, or refused by one of our errors in one line.

    python tests/fuzz.py --count 20000 [--seed 0] [--workers 2] [--only N] [--limit 10] [--keep FOLDER]

Half are whole files of every kind (as in the round-trip tests) that are changed at random: bits, bytes, numbers, pieces cut out,
doubled, put in, cut off, or taken from another file. The other half are of the kinds of `fuzz_kinds.py`. Children try them one
by one; an error that is not ours, a crash, more than ``--limit`` seconds of processor time, or a file left behind is a finding: it
is kept, told, and the exit status is 1. Input number n of a seed is always the same; ``--only`` tries it again.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import fuzz_kinds as kinds
import numpy as np
import test_formats as formats
import tifffile
from PIL import Image as PillowImage

from pellucid import files
from pellucid.errors import PellucidError
from pellucid.files import base

MEMORY = 6 << 30
"""Bytes of address space that the child may take."""

PATIENCE = 120
"""Seconds of waiting, on a busy machine, after which a child that takes no processor time is held to be stuck."""

NUMBERS = (0, 1, 2, 4, 8, 16, 127, 128, 255, 256, 1000, 32767, 32768, 65535, 65536, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)


def seeds(folder: Path) -> Iterator[Path]:
    """Whole files of every format that can be made on this machine."""
    more: dict[str, tuple[str, Callable[[Path], None]]] = {
        **formats.LOSSLESS,
        "jpeg": (".jpg", formats.by_pillow(formats.smooth(), quality=90, dpi=(300, 300), comment="words")),
        "jpeg-progressive": (".jpg", formats.by_pillow(formats.smooth(), progressive=True)),
        "jpeg-inks": (".jpg", lambda path: PillowImage.fromarray(formats.smooth()).convert("CMYK").save(path)),
        "avif": (".avif", formats.by_pillow(formats.smooth())),
        "webp-lossy": (".webp", formats.by_pillow(formats.smooth(), quality=80, exif=exif())),
        "png-words": (".png", formats.by_pillow(formats.smooth(), exif=exif(), dpi=(72, 72), icc_profile=bytes(200))),
        "jpeg-words": (".jpg", formats.by_pillow(formats.smooth(), exif=exif(), icc_profile=bytes(200))),
        "tiff-words": (".tif", tiff_with_words),
        "tiff-lab": (".tif", lambda path: PillowImage.fromarray(formats.smooth(), "RGB").convert("YCbCr").save(path)),
        "tiff-imagej": (
            ".tif",
            lambda path: tifffile.imwrite(path, stack(), imagej=True, metadata={"Info": "words", "unit": "um"}),
        ),
        "tiff-ome": (".tif", lambda path: tifffile.imwrite(path, stack(), ome=True, photometric="minisblack")),
        "tiff-pages": (".tif", lambda path: tifffile.imwrite(path, stack(), photometric="minisblack", compression="deflate")),
        "npy": (".npy", lambda path: np.save(path, formats.samples("float32"))),
        "npy-stack": (".npy", lambda path: np.save(path, stack())),
        "heif": (".heic", lambda path: files.write(path, formats.images.from_array(formats.smooth()))),
        "dicom": (".dcm", lambda path: formats.dicom(path, formats.samples("uint16", high=4095), stored=12)),
        "exr": (".exr", lambda path: files.write(path, formats.images.from_array(formats.samples("float32", 3)))),
        "raw": (".dng", formats.small_dng),
        "gif": (".gif", formats.by_pillow(formats.smooth()[..., 0])),
        "jpegxl": (".jxl", jpeg_xl),
        "moving-gif": (".gif", moving),
        "moving-png": (".png", moving),
        "moving-webp": (".webp", moving),
        "tiff-nodata": (".tif", formats.by_tifffile(formats.samples("float32"), extratags=[(42113, "s", 0, "-9999", True)])),
        "xmp": (".jpg", formats.by_pillow(formats.smooth(), xmp=PROMISE)),
    }
    for name, (ending, make) in more.items():
        path = folder / f"{name}{ending}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                make(path)
                with files.open_pages(path) as document:
                    list(document.pages)
        # pytest's skip, where an extra is missing, is no Exception.
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            path.unlink(missing_ok=True)
            continue
        yield path


def through(path: Path, **how: Any) -> None:
    """Reads all that the file holds."""
    with files.open_pages(path, sparing=True, **how) as document:
        for page in document.pages:
            for picture in page.pictures:
                formats.images.whole(picture.pixels)


def tiff_with_words(path: Path) -> None:
    image = formats.replace(formats.images.from_array(formats.smooth()), exif=exif(), xmp=b"<x/>", resolution=(72.0, 72.0))
    files.write(path, image)


def exif() -> bytes:
    made = PillowImage.Exif()
    made[0x010F] = "Maker"
    made[0x0112] = 6
    made.get_ifd(0x8769)[0x9286] = b"words"
    made.get_ifd(0x8825)[1] = "N"
    return made.tobytes()


PROMISE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"><Container:Directory><Container:Item/>'
    b"</Container:Directory></rdf:Description></x:xmpmeta>"
)
"""XMP of a picture with a gain map."""


def jpeg_xl(path: Path) -> None:
    import imagecodecs

    path.write_bytes(imagecodecs.jpegxl_encode(formats.samples("uint16", 3), lossless=True, usecontainer=True))


def moving(path: Path) -> None:
    frames = [PillowImage.fromarray(formats.samples("uint8", 3, seed=seed)) for seed in range(3)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def stack() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, (3, 9, 11)).astype(np.uint16)


def mutated(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """The content, damaged in one to eight ways."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4, 8))):
        if not data:
            break
        # Headers are where most decisions fall.
        reach = len(data) if chance.random() < 0.5 else min(len(data), 256)
        place = chance.randrange(reach)
        way = chance.randrange(9)
        if way == 0:
            data[place] ^= 1 << chance.randrange(8)
        elif way == 1:
            data[place] = chance.randrange(256)
        elif way == 2:
            length = chance.choice((2, 4, 4, 8))
            number = chance.choice(NUMBERS) % (1 << (8 * length))
            data[place : place + length] = number.to_bytes(length, chance.choice(("little", "big")))
        elif way == 3:
            del data[place : place + chance.choice((1, 2, 4, 12, 64, 500))]
        elif way == 4:
            data[place:place] = data[place : place + chance.choice((1, 2, 4, 12, 64, 500))]
        elif way == 5:
            data[place:place] = chance.randbytes(chance.choice((1, 2, 4, 12, 64)))
        elif way == 6:
            del data[chance.randrange(len(data)) :]
        elif way == 7 and other:
            start = chance.randrange(len(other))
            piece = other[start : start + chance.choice((4, 12, 64, 1000))]
            data[place : place + len(piece)] = piece
        else:
            length = chance.choice((1, 4, 16, 100))
            data[place : place + length] = chance.choice((b"\0", b"\xff")) * length
    if content.startswith(b"\x89PNG") and chance.random() < 0.7:
        return with_sums(bytes(data))
    return bytes(data)


def with_sums(content: bytes) -> bytes:
    """A PNG whose chunks' checksums are right, so that the damage reaches the decoder."""
    made, place = content[:8], 8
    while place + 12 <= len(content):
        length = struct.unpack_from(">I", content, place)[0]
        if place + 12 + length > len(content):
            break
        body = content[place + 4 : place + 8 + length]
        made += content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place += 12 + length
    return made + content[place:]


def numbered(index: int, seed: int, wholes: list[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Ending and content of input number ``index``."""
    chance = random.Random(f"{seed}/{index}")
    ending, content = wholes[index % len(wholes)]
    return ending, mutated(content, chance.choice(wholes)[1], chance)


def attempt(ending: str, content: bytes, folder: Path, index: int) -> str | None:
    """Reads the damaged file and writes what it holds; None, or what is wrong with how that went."""
    source = folder / f"in{ending}"
    source.write_bytes(content)
    target = folder / (f"out{'.tif' if ending == '.dng' else ending}" if index % 3 else "out.tif")
    said = None
    # Half of them as if they were large: row by row where their formats can be.
    banded, base.BANDED = base.BANDED, 1
    try:
        with files.open_pages(source, sparing=index % 2 == 0) as document:
            files.write_pages(target, document.pages, document, strip=index % 5 == 0)
    except PellucidError as error:
        if "\n" in str(error) or not str(error):
            said = f"not one line: {error!r}"
        if target.exists():
            said = "an answer was left behind"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    finally:
        base.BANDED = banded
    strangers = {path.name for path in folder.iterdir()} - {source.name, target.name}
    if strangers:
        said = f"left behind: {', '.join(sorted(strangers))}"
    target.unlink(missing_ok=True)
    source.unlink()
    return said


def work(wholes: list[tuple[str, bytes]], folder: Path, seed: int, limit: float, told: Connection, left: list[int]) -> None:
    """The child: tries the inputs of the numbers ``left``, telling each one's and what came of it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # No model that is tried is worth being kept.
    os.environ["PELLUCID_CACHE"] = os.devnull
    # Decoders written in C print what they think of a damaged file.
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    for index in left:
        signal.setitimer(signal.ITIMER_PROF, limit)
        said = tried(index, seed, wholes, folder)
        signal.setitimer(signal.ITIMER_PROF, 0)
        told.send((index, said))
    told.close()


def tried(index: int, seed: int, wholes: list[tuple[str, bytes]], folder: Path) -> str | None:
    """The fault that input number ``index`` shows; None where all is well."""
    if kinds.kind_of(index) is not None:
        return kinds.attempt(index, seed, folder, wholes)
    ending, content = numbered(index, seed, wholes)
    return attempt(ending, content, folder, index)


def run(count: int, seed: int, limit: float, keep: Path | None, workers: int = 1, only: int | None = None) -> list[str]:
    """Tries so many inputs; the findings, a line for each."""
    findings: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        wholes_at = Path(place) / "wholes"
        wholes_at.mkdir()
        wholes = [(path.suffix, path.read_bytes()) for path in seeds(wholes_at)]
        (Path(place) / "groups").mkdir()
        more = kinds.pyramids(Path(place) / "groups")
        print(f"{len(wholes)} whole files of {', '.join(sorted({ending for ending, _ in wholes}))}, {len(more)} groups", flush=True)
        wanted = list(range(count)) if only is None else [only]
        counter = Counter(len(wanted))
        with ThreadPoolExecutor(workers) as pool:
            shares = [wanted[number::workers] for number in range(workers)]
            each = [
                pool.submit(watch, wholes, Path(place) / f"work{number}", seed, limit, keep, share, counter, findings)
                for number, share in enumerate(shares)
            ]
            for one in each:
                one.result()
    return findings


class Counter:
    """Tells now and then how many were tried."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.done = 0
        self.begun = time.monotonic()
        self._lock = threading.Lock()

    def add(self, findings: list[str]) -> None:
        """One more."""
        with self._lock:
            self.done += 1
            if self.done % 1000 == 0:
                print(f"{self.done} of {self.count}, {len(findings)} findings, {time.monotonic() - self.begun:.0f} s", flush=True)


def watch(
    wholes: list[tuple[str, bytes]],
    folder: Path,
    seed: int,
    limit: float,
    keep: Path | None,
    left: list[int],
    counter: Counter,
    findings: list[str],
) -> None:
    """Has children try the inputs of the numbers ``left``: another one when one has ended before its time."""
    # Not forked: LibRaw's threads, once started in the parent, would never answer in a fork.
    context = multiprocessing.get_context("spawn")
    while left:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        mine, theirs = context.Pipe(duplex=False)
        child = context.Process(target=work, args=(wholes, folder, seed, limit, theirs, left))
        child.start()
        theirs.close()
        ended = None
        while True:
            try:
                if not mine.poll(PATIENCE):
                    ended = f"stuck for {PATIENCE} s"
                    child.kill()
                    break
                index, said = mine.recv()
            except EOFError:
                break
            left = left[1:]
            counter.add(findings)
            if said is not None:
                findings.append(found(index, seed, wholes, said, keep))
        child.join()
        mine.close()
        if left:
            if ended is None:
                slow = child.exitcode == -signal.SIGPROF
                ended = f"more than {limit:g} s of processor time" if slow else f"crash, status {child.exitcode}"
            findings.append(found(left[0], seed, wholes, ended, keep))
            left = left[1:]
            counter.add(findings)


def found(index: int, seed: int, wholes: list[tuple[str, bytes]], said: str, keep: Path | None) -> str:
    kind = kinds.kind_of(index)
    ending, content = numbered(index, seed, wholes)
    line = f"input {index} ({ending if kind is None else kind.__name__}): {said}"
    if keep is not None and kind is None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{seed}-{index}{ending}").write_bytes(content)
    print(line, flush=True)
    return line


def main() -> int:
    parser = argparse.ArgumentParser(description="Damaged and hostile inputs: each taken, or refused in one line.")
    parser.add_argument("--count", type=int, default=20000, help="inputs (default: 20000)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (default: 0)")
    parser.add_argument("--limit", type=float, default=10, help="seconds of processor time for each (default: 10)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--only", type=int, metavar="N", help="input number N alone")
    parser.add_argument("--keep", type=Path, help="a folder for the files of damaged bytes that were findings")
    options = parser.parse_args()
    begun = time.monotonic()
    findings = run(options.count, options.seed, options.limit, options.keep, max(1, options.workers), options.only)
    tried_ones = 1 if options.only is not None else options.count
    print(f"seed {options.seed}: {tried_ones} inputs, {len(findings)} findings, {time.monotonic() - begun:.0f} s")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
