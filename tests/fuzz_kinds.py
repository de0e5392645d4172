"""Hostile inputs beyond damaged bytes, for `fuzz.py`: structure, links and devices, OME-Zarr trees, models, manifests and recipes,
ranges of values, files that change while they are read.

Each kind is a function of a source of chance, an empty folder, and whole files (ending and content); it makes its input there and
answers with None, or with what is wrong with how that went. Errors that are not ours leave it as they are.
"""

from __future__ import annotations

import bz2
import gzip
import json
import os
import random
import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import pellucid
from pellucid import compiled, files, graphs, manifest, restorer, saving
from pellucid.cards import Card, read_card
from pellucid.errors import PellucidError
from pellucid.families import shipped_path
from pellucid.files import base

Wholes = list[tuple[str, bytes]]

SECRET = b"a secret that no output may hold"

WORDS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 255, 2**31, 2**63, -(2**63), 10**30, 0.5, 1e308, "", "0", "x" * 300, "\x1b[2J"),
    *("../..", "/etc/passwd", [], {}, [[]], [None], {"a": None}, [0] * 1000),
)
"""Values that are put into JSON and TOML."""


def said(action: Callable[[], object]) -> str | None:
    """The fault of an action's error; None where the action ends well, or by an error of ours in one line."""
    try:
        action()
    except PellucidError as error:
        if "\n" in str(error) or not str(error):
            return f"not one line: {error!r}"
    return None


def passed(source: Path, target: Path, chance: random.Random, meanwhile: Callable[[], None] | None = None) -> str | None:
    """Reads the file and writes what it holds, half of the time row by row where it can; ``meanwhile`` is called when the first
    page was read."""
    banded, base.BANDED = base.BANDED, chance.choice((1, base.BANDED))

    def pages(document: files.Document) -> Iterator[files.Page]:
        for number, page in enumerate(document.pages):
            if number == 0 and meanwhile is not None:
                meanwhile()
            yield page

    def action() -> None:
        with files.open_pages(source, sparing=chance.random() < 0.7) as document:
            files.write_pages(target, pages(document), document, strip=chance.random() < 0.2)

    try:
        wrong = said(action)
    finally:
        base.BANDED = banded
    return wrong


# -- structure --------------------------------------------------------------------------------------------------------

SIDES = (0, 1, 2, 7, 64, 255, 1000, 4096, 30_000, 65_535, 10**6, 2**31 - 1, 2**31, 2**32 - 1)

TAGS: dict[int, tuple[int, ...]] = {
    256: SIDES,
    257: SIDES,
    258: (0, 1, 2, 4, 7, 8, 12, 16, 24, 32, 64, 65_535),
    259: (1, 2, 3, 4, 5, 6, 7, 8, 32773, 32946, 33003, 34712, 34887, 34925, 50000, 50001, 50002, 52546, 65000),
    262: (0, 1, 2, 3, 4, 5, 6, 8, 32803, 34892),
    266: (1, 2),
    273: (0, 8, 100, 2**31, 2**32 - 1),
    274: (0, 1, 3, 6, 8, 9),
    277: (0, 1, 2, 3, 4, 5, 300, 1000, 65_535),
    278: SIDES,
    279: (0, 1, 100, 2**31, 2**32 - 1),
    284: (1, 2, 3),
    317: (1, 2, 3, 34892),
    320: (0, 1, 2**16),
    322: SIDES,
    323: SIDES,
    324: (0, 8, 2**32 - 1),
    325: (0, 1, 2**32 - 1),
    338: (0, 1, 2, 3),
    339: (1, 2, 3, 4, 5, 6),
    32997: (0, 1, 2, 1000),
}
"""Tags of a TIFF that say how its pixels lie, and values for them."""


def directories(content: bytes) -> list[int]:
    """Where the directories of a classic little-endian TIFF begin."""
    found: list[int] = []
    place = int.from_bytes(content[4:8], "little")
    while 8 <= place < len(content) - 2 and place not in found:
        found.append(place)
        end = place + 2 + 12 * int.from_bytes(content[place : place + 2], "little")
        place = int.from_bytes(content[end : end + 4], "little")
    return found


def tiff(content: bytes, chance: random.Random) -> bytes:
    """A TIFF with other values of tags, directories in circles, pages that share their strips."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3))):
        known = directories(bytes(data))
        if not known:
            break
        at = chance.choice(known)
        count = int.from_bytes(data[at : at + 2], "little")
        end = at + 2 + 12 * count
        way = chance.randrange(5)
        if way == 0:
            data[end : end + 4] = chance.choice((at, known[0], at + 1, 8, len(data), 2**32 - 1)).to_bytes(4, "little")
        elif way == 1:
            entry = bytes(data[at:end])
            copies = chance.choice((1, 2, 50, 300))
            last, place = bytes(data[end : end + 4]), len(data) + len(data) % 2
            data += bytes(place - len(data))
            data[end : end + 4] = place.to_bytes(4, "little")
            for number in range(copies):
                place += len(entry) + 4
                data += entry + (place.to_bytes(4, "little") if number < copies - 1 else last)
        elif count:
            entry_at = at + 2 + 12 * chance.randrange(count)
            tag = int.from_bytes(data[entry_at : entry_at + 2], "little")
            if way == 2 and (tag in TAGS or chance.random() < 0.5):
                code = tag if tag in TAGS else chance.choice(list(TAGS))
                value = chance.choice(TAGS[code])
                kind = 4 if value > 65_535 or chance.random() < 0.3 else 3
                data[entry_at : entry_at + 12] = struct.pack("<HHII", code, kind, 1, value)
            elif way == 3:
                data[entry_at + 2 : entry_at + 4] = chance.choice((0, 1, 2, 3, 4, 5, 7, 12, 13, 16, 99)).to_bytes(2, "little")
            else:
                data[entry_at + 4 : entry_at + 8] = chance.choice((0, 1, 2, 1000, 2**16, 2**31, 2**32 - 1)).to_bytes(4, "little")
    return bytes(data)


def sides(ending: str, content: bytes, chance: random.Random) -> bytes:
    """The file with other sides, depths and counts in its header."""
    data = bytearray(content)

    def number(place: int, length: int, order: Any) -> None:
        if 0 <= place <= len(data) - length:
            data[place : place + length] = (chance.choice(SIDES) % (1 << 8 * length)).to_bytes(length, order)

    if ending == ".png":
        number(chance.choice((16, 20)), 4, "big")
        if chance.random() < 0.5:
            data[24] = chance.choice((1, 2, 4, 8, 16))
            data[25] = chance.choice((0, 2, 3, 4, 6))
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    elif ending == ".jpg":
        frame = max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))
        number(frame + chance.choice((5, 7)), 2, "big")
        if chance.random() < 0.3:
            data[frame + 9] = chance.randrange(6)
    elif ending == ".bmp":
        number(chance.choice((18, 22)), 4, "little")
    elif ending == ".gif":
        number(chance.choice((6, 8)), 2, "little")
    elif ending == ".webp":
        number(chance.choice((4, 16, 24, 26, 27)), chance.choice((2, 3)), "little")
    elif ending in (".pgm", ".ppm", ".pbm", ".pnm"):
        kind, _, rest = bytes(data).partition(b"\n")
        parts = rest.split(maxsplit=3)
        if len(parts) == 4:
            parts[chance.randrange(3)] = str(chance.choice(SIDES)).encode()
            return kind + b"\n" + b" ".join(parts)
    elif ending == ".npy":
        shape = [chance.choice((1, 3, 9, 11, 1000, 2**20, 2**40)) for _ in range(chance.randrange(1, 5))]
        dtype = chance.choice(("|u1", "<u2", ">f4", "<f8", "|b1", "<c8", "|O", "|V0", "|S0", "<M8[s]", "<f2", "[('a','<u2')]"))
        head = f"{{'descr': '{dtype}', 'fortran_order': {chance.random() < 0.5}, 'shape': {tuple(shape)}, }}".encode()
        return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + bytes(data[128:])
    elif ending == ".dcm":
        for tag in chance.sample((0x02, 0x08, 0x10, 0x11, 0x100, 0x101, 0x102, 0x103), 2):
            place = data.find(b"\x28\x00" + tag.to_bytes(2, "little"))
            if place >= 0:
                number(place + 8, 2, "little")
    elif ending == ".exr":
        place = data.find(chance.choice((b"dataWindow\0", b"displayWindow\0")))
        number(data.find(b"box2i\0", place) + 10 + 4 * chance.randrange(4), 4, "little")
    else:
        number(chance.randrange(min(200, len(data))), chance.choice((2, 4)), chance.choice(("little", "big")))
    return bytes(data)


def structure(chance: random.Random, folder: Path, wholes: Wholes) -> str | None:
    """Headers that are whole and say something else."""
    ending, content = chance.choice([whole for whole in wholes if whole[0] == ".tif"] if chance.random() < 0.6 else wholes)
    made = tiff(content, chance) if content[:4] == b"II*\0" else sides(ending, content, chance)
    source = folder / f"in{ending}"
    source.write_bytes(made)
    if content[:4] == b"II*\0" and chance.random() < 0.2:
        # A sparse file takes few blocks of the disk and is long enough for every length that a tag claims.
        os.truncate(source, 1 << 30)
    target = folder / (f"out{'.tif' if ending in ('.dng', '.gif', '.jxl') else ending}" if chance.random() < 0.7 else "out.tif")
    return passed(source, target, chance)


# -- links, devices, pipes --------------------------------------------------------------------------------------------


def stranger(path: Path, chance: random.Random, outside: Path) -> None:
    """Puts something there that is no regular file, or a link."""
    way = chance.randrange(9)
    if way == 0:
        os.mkfifo(path)
    elif way == 1:
        path.mkdir()
    else:
        ends = ("/dev/zero", "/dev/null", "/dev/full", "/dev/stdin", path.name, "nowhere", str(outside), "/")
        path.symlink_to(chance.choice((*ends, str(outside.parent), "/proc/self/mem", "/dev/tty", "..")))


def links(chance: random.Random, folder: Path, wholes: Wholes) -> str | None:
    """Pictures, models, manifests and cached graphs that are devices, pipes, links."""
    outside = folder / "outside"
    outside.write_bytes(SECRET)
    ending, _ = chance.choice(wholes)
    name = chance.choice(
        (f"in{ending}", "m.onnx", manifest.MANIFEST, f"{0:064x}.graph", ".pellucid-" + "0" * 16 + ".tmp", "in.zarr")
    )
    path = folder / name
    stranger(path, chance, outside)

    def action() -> None:
        if name == manifest.MANIFEST:
            with suppress(PellucidError):
                manifest.Manifest(folder, {}, str)
            saving.append_line(path, "{}")
        elif name.endswith(".onnx"):
            restorer.load(path)
        elif name.endswith(".graph"):
            assert compiled.load(folder, path.stem) is None
            compiled.tidy(folder)
        elif name.endswith(".tmp"):
            saving.sweep(folder)
        else:
            with suppress(PellucidError):
                manifest.digest_of(path)
            with files.open_pages(path) as document:
                files.write_pages(folder / "out.tif", document.pages, document)

    wrong = said(action)
    if outside.read_bytes() != SECRET:
        wrong = "a file outside was written"
    return wrong


# -- OME-Zarr ---------------------------------------------------------------------------------------------------------


def changed(value: Any, chance: random.Random) -> Any:
    """JSON with one part of it replaced, taken out or put deeper."""
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> None:
        for key in part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ():
            places.append((part, key))
            walk(part[key])

    walk(value)
    if not places:
        return chance.choice(WORDS)
    part, key = chance.choice(places)
    way = chance.randrange(4)
    if way == 0:
        del part[key]
    elif way == 1:
        for _ in range(chance.choice((1, 50, 3000))):
            part[key] = [part[key]]
    elif way == 2 and isinstance(part, dict):
        part[chance.choice(("", "x", "\x1b[2J", "codecs", "path"))] = part.pop(key)
    else:
        part[key] = chance.choice(WORDS)
    return value


def as_text(value: Any) -> str:
    """JSON of any depth: Python's own has a bound."""
    depth = 0
    while isinstance(value, list) and len(value) == 1:
        value, depth = value[0], depth + 1
    try:
        return "[" * depth + json.dumps(value) + "]" * depth
    except RecursionError:
        return "[" * 5000 + "]" * 5000


def pyramids(folder: Path) -> list[Path]:
    """Whole OME-Zarr groups: Zarr 2 and 3, packed by several codecs, in shards."""
    if find_spec("zarr") is None:
        return []
    import test_omezarr as made

    values = made.samples((3, 24, 33), "uint16")
    how: list[tuple[int, dict[str, Any]]] = [
        (2, {}),
        (3, {}),
        (2, {"compressors": None}),
        (3, {"compressors": None}),
        (3, {"shards": (4, 24, 36), "chunks": (1, 8, 12)}),
        (2, {"chunks": (1, 10, 16), "labels": True}),
    ]
    with suppress(ImportError):
        import numcodecs
        import zarr

        how += [(2, {"compressors": numcodecs.Blosc()}), (3, {"compressors": zarr.codecs.BloscCodec()})]
        how += [(2, {"compressors": each()}) for each in (numcodecs.GZip, numcodecs.Zlib, numcodecs.BZ2, numcodecs.LZ4)]
        how += [(3, {"compressors": zarr.codecs.GzipCodec()}), (2, {"compressors": numcodecs.Zstd()})]
    return [made.pyramid(folder / f"{number}.zarr", values, "zyx", *each[:1], **each[1]) for number, each in enumerate(how)]


@lru_cache(maxsize=1)
def bombs() -> tuple[bytes, ...]:
    """Few bytes that become gigabytes: zeros, packed by each of the codecs of `pyramids`."""
    zeros = bytes(1 << 24)
    block = ((1 << 17) << 3 | 2).to_bytes(3, "little") + b"\0"
    frame = b"\x28\xb5\x2f\xfd\x00\x48" + block * (1 << 16) + (9).to_bytes(3, "little") + b"\0"
    stated = b"\x28\xb5\x2f\xfd\xe0" + (1 << 33).to_bytes(8, "little") + frame[6:]
    return (
        gzip.compress(zeros) * 512,
        zlib.compress(zeros),
        bz2.compress(zeros) * 512,
        frame,
        stated,
        (2**31 - 1).to_bytes(4, "little") + b"\x1f\0\1\0" + b"\xff" * 1000,
    )


def groups(chance: random.Random, folder: Path, wholes: Wholes) -> str | None:
    """Groups with damaged metadata and chunks, links, devices, pipes, and parts that are missing or elsewhere."""
    templates = sorted((folder.parent / "groups").glob("*.zarr"))
    if not templates:
        return None
    source, outside = folder / "in.zarr", folder / "outside"
    outside.write_bytes(SECRET)
    shutil.copytree(chance.choice(templates), source)
    for _ in range(chance.choice((1, 1, 2, 4))):
        held = sorted(path for path in source.rglob("*") if not path.is_symlink())
        if not held:
            break
        path = chance.choice(held)
        way = chance.randrange(8)
        if way == 0:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            if chance.random() < 0.7:
                stranger(path, chance, outside)
        elif way == 1:
            stranger((path if path.is_dir() else path.parent) / f"more{chance.randrange(10**6)}", chance, outside)
        elif path.is_file() and path.name in (".zarray", ".zattrs", ".zgroup", "zarr.json"):
            with suppress(ValueError):
                path.write_text(as_text(changed(json.loads(path.read_bytes()), chance)))
        elif path.is_file():
            content = bytearray(path.read_bytes() if chance.random() < 0.7 else chance.choice(bombs()))
            if content and chance.random() < 0.7:
                place = chance.randrange(min(len(content), 64))
                content[place : place + 4] = chance.randbytes(4)
            path.write_bytes(content[: chance.randrange(len(content) + 1)] if chance.random() < 0.4 else content)
    target = folder / chance.choice(("out.zarr", "out.zarr", "out.tif"))
    wrong = passed(source, target, chance)
    with suppress(PellucidError):
        manifest.digest_of(source)
    for file in [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]:
        if SECRET in file.read_bytes():
            wrong = f"{file.relative_to(folder)} has the content of a file outside"
    return wrong


# -- models -----------------------------------------------------------------------------------------------------------


def models(chance: random.Random, folder: Path, wholes: Wholes) -> str | None:
    """Cards, operators, weights, external data; every third graph that may be run is run."""
    path = folder / "model.onnx"
    content = shipped_path("seed-digits").read_bytes()
    if find_spec("onnx") is None or chance.random() < 0.3:
        data = bytearray(content)
        for _ in range(chance.choice((1, 2, 8))):
            # The operators stand at the beginning, the card at the end.
            reach = chance.choice((2000, len(data)))
            place = chance.randrange(reach) if chance.random() < 0.7 else len(data) - 1 - chance.randrange(4000)
            data[place] = chance.randrange(256)
        path.write_bytes(data[: chance.randrange(len(data))] if chance.random() < 0.2 else data)
    else:
        path.write_bytes(edited(content, chance))

    def action() -> None:
        graphs.check(path.read_bytes(), "model")
        model = restorer.load(path)
        if chance.random() < 0.35:
            shape = chance.choice(((12, 16), (9, 7), (8, 8, 3)))
            values = np.random.default_rng(0).random(shape, dtype=np.float32)
            output = model.restore(values, sigma=25) if model.task.name == "denoise" else model.restore(values)
            assert np.isfinite(output).all(), "an output is no number"

    if chance.random() < 0.2:
        # Only the card is damaged here, not the graph.
        text = as_text(changed(json.loads(read_card(shipped_path("photo-gray")).to_json()), chance))
        return said(lambda: Card.from_json(text))
    return said(action)


def edited(content: bytes, chance: random.Random) -> bytes:
    """The model with other operators, attributes, weights, shapes or another card."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(content)
    graph = model.graph
    for _ in range(chance.choice((1, 1, 2))):
        way = chance.randrange(8)
        node = chance.choice(graph.node)
        if way == 0:
            node.op_type = chance.choice(
                ("Loop", "If", "Scan", "Relu", "Expand", "Resize", "Range", "Tile", "Conv", "NonZero", "", "É")
            )
        elif way == 1 and node.attribute:
            attribute = chance.choice(node.attribute)
            node.attribute.remove(attribute)
            value = chance.choice((0, -1, 2**31, 2**62, 1.5, "x" * 100, [2**20] * 3, [0] * 9, [-1, 1]))
            node.attribute.append(helper.make_attribute(attribute.name, value))
        elif way == 2:
            tensor = chance.choice(graph.initializer)
            try:
                values = numpy_helper.to_array(tensor).copy()
            except ValueError:
                # Its shape was changed before.
                continue
            if values.size and values.dtype.kind in "iuf":
                ends = (np.nan, np.inf, 6e4, 0) if values.dtype.kind == "f" else (0, 1, 100)
                values[...] = np.where(
                    np.random.default_rng(chance.randrange(99)).random(values.shape) < 0.5, values, chance.choice(ends)
                )
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        elif way == 3:
            tensor = chance.choice(graph.initializer)
            if tensor.dims:
                tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice((0, 1, 3, 2**20, 2**62, -1))
        elif way == 4:
            tensor = chance.choice(graph.initializer)
            tensor.data_location = 1
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", chance.choice(("../outside", "/dev/zero", "weights"))
        elif way == 5:
            sizes = np.array([chance.choice((0, 1, 8, 2**12, 2**20, 2**40, -1)) for _ in range(chance.choice((1, 2, 4)))], np.int64)
            graph.initializer.append(numpy_helper.from_array(sizes, "sizes"))
            last = graph.node[-1].output[0]
            graph.node[-1].output[0] = "before"
            graph.node.append(helper.make_node(chance.choice(("Expand", "Reshape", "Slice", "Tile")), ["before", "sizes"], [last]))
        elif way == 6:
            graph.input[0].type.tensor_type.elem_type = chance.choice((0, 1, 3, 7, 10, 99))
            if chance.random() < 0.5:
                graph.output[0].name = chance.choice(("", "output", "none"))
        elif model.metadata_props:
            held = model.metadata_props[0]
            # The card may be a deep one by now.
            with suppress(ValueError, RecursionError):
                held.value = as_text(changed(json.loads(held.value), chance))
    return bytes(model.SerializeToString())


# -- manifests, recipes -----------------------------------------------------------------------------------------------


TOML_VALUES = ("-1", "0", "1e999", "nan", '"x"', "[]", "{}", "true", "2026-01-01", "[" * 300 + "]" * 300)
"""Values after the sign of equality in recipes and presets, right and wrong."""


def records(chance: random.Random, folder: Path, wholes: Wholes) -> str | None:
    """Manifests of any lines, and recipes of any tables."""
    if find_spec("torch") is None or chance.random() < 0.5:
        entry = {"output": "a.png", "output_sha256": "0", "input": "b.png", "input_sha256": "0", "settings": {}, "model": "m"}
        lines = [as_text(changed(dict(entry), chance)).encode() for _ in range(chance.randrange(1, 6))]
        text = bytearray(b"\n".join(lines))
        if text and chance.random() < 0.5:
            text[chance.randrange(len(text))] = chance.randrange(256)
        (folder / manifest.MANIFEST).write_bytes(text)
        return said(lambda: manifest.Manifest(folder, {}, str).has(folder / "b.png", folder / "a.png", "0"))
    from pellucid.training import recipes

    shipped = sorted((Path(recipes.__file__).parent / "recipes").glob("*.toml"))
    rows = chance.choice(shipped).read_text().splitlines()
    for _ in range(chance.choice((1, 1, 3))):
        place = chance.randrange(len(rows))
        if "=" in rows[place] and chance.random() < 0.7:
            rows[place] = rows[place].split("=")[0] + "= " + chance.choice((*TOML_VALUES, "9" * 20))
        elif chance.random() < 0.5:
            del rows[place]
            rows = rows or [""]
        else:
            rows.insert(
                place,
                chance.choice(("[task]", "[data]", "base = 'photo'", "x = 1", "[[a]]", "a." * 200 + "b = 1", "\x00", "ü = 1")),
            )
    (folder / "own.toml").write_bytes("\n".join(rows).encode())
    return said(lambda: recipes.find(str(folder / "own.toml")))


# -- values -----------------------------------------------------------------------------------------------------------


def values(chance: random.Random, folder: Path, wholes: Wholes) -> str | None:
    """Arrays of any dtype and unit, with and without a range; what is a number stays one."""
    rng = np.random.default_rng(chance.randrange(2**32))
    name = chance.choice(
        ("uint8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float32", "float64", "float64", "bool")
    )
    shape = chance.choice(((16, 20), (9, 7), (1, 1), (1, 30), (12, 16, 3), (12, 10, 4)))
    drawn = rng.random(shape)
    dtype = np.dtype(name)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if dtype.kind == "f":
            scale = chance.choice(
                (5e-324, 1e-310, 1e-300, 1e-100, 1e-45, 1e-38, 1e-10, 1e-5, 1, 255, 1e5, 1e18, 1e38, 1e100, 1e300, 1.7e308)
            )
            array = ((drawn - chance.choice((0, 0.5, 1))) * min(scale, float(np.finfo(dtype).max))).astype(dtype)
            if chance.random() < 0.4:
                array[rng.random(shape) < chance.choice((0.01, 0.5, 1.0))] = chance.choice((np.nan, np.inf, -np.inf, 0, -9999, 1))
        elif dtype.kind == "b":
            array = drawn < 0.5
        else:
            limits = np.iinfo(dtype)
            array = (drawn * chance.choice((1, 255, 4095, limits.max)) + chance.choice((0, limits.min))).clip(
                limits.min, limits.max
            )
            array = array.astype(dtype)
    ends = (0.0, 5e-324, 1e-300, 1e-30, -1.0, 1.0, 255.0, 4095.0, 1e30, 1e300, -1.7e308, 1.7e308)
    given = chance.choice(("auto", "auto", "dtype", tuple(chance.sample(ends, 2))))
    sigma = chance.choice((None, None, 0, 5e-324, 1e-30, 1, 25, 255))
    found: list[Any] = []

    def action() -> None:
        found.append(pellucid.denoise(array, range=given, sigma=sigma, model="photo-fast-gray"))

    wrong = said(action)
    if wrong is None and found:
        (output,) = found
        if output.shape != array.shape or output.dtype != array.dtype:
            wrong = f"{output.dtype} of {output.shape} for {array.dtype} of {array.shape}"
        elif dtype.kind == "f" and not np.isfinite(output[np.isfinite(array)]).all():
            wrong = f"no number where there was one: range {given}, sigma {sigma}"
    return wrong


# -- files that change while they are read ----------------------------------------------------------------------------


def changing(chance: random.Random, folder: Path, wholes: Wholes) -> str | None:
    """Files, many of them stacks, that are cut short, overwritten, made longer or replaced when their first page was read."""
    stacks = [whole for whole in wholes if whole[0] in (".tif", ".npy", ".dcm", ".gif", ".webp", ".png", ".ppm", ".pgm")]
    ending, content = chance.choice(stacks)
    source = folder / f"in{ending}"
    source.write_bytes(content)
    other = chance.choice(wholes)[1]

    def meanwhile() -> None:
        way = chance.randrange(5)
        if way == 0:
            os.truncate(source, chance.randrange(len(content)))
        elif way == 1:
            with source.open("r+b") as file:
                file.seek(chance.randrange(len(content)))
                file.write(chance.randbytes(chance.choice((1, 16, 1000))))
        elif way == 2:
            source.write_bytes(other)
        elif way == 3:
            os.truncate(source, chance.choice((0, 1 << 40)))
        else:
            source.unlink()

    target = folder / chance.choice((f"out{'.tif' if ending == '.gif' else ending}", "out.tif"))
    return passed(source, target, chance, meanwhile)


Kind = Callable[[random.Random, Path, Wholes], str | None]


@lru_cache(maxsize=1)
def shares() -> tuple[tuple[Kind, int], ...]:
    """The kinds, and how many of each twenty inputs are of them; damaged bytes are the others."""
    # Theirs are made by the helpers here.
    import fuzz_settings

    here = ((structure, 4), (links, 1), (groups, 1), (models, 1), (records, 1), (values, 1), (changing, 1))
    return (*here, (fuzz_settings.attached, 1), (fuzz_settings.presets, 1))


def kind_of(index: int) -> Kind | None:
    """The kind of input number ``index``; None: a file of damaged bytes."""
    left = index % 20
    for kind, count in shares():
        if left < count:
            return kind
        left -= count
    return None


def attempt(index: int, seed: int, folder: Path, wholes: Wholes) -> str | None:
    """Tries input number ``index`` of a kind in the folder, and takes away what it made there; what is wrong with how that went."""
    kind = kind_of(index)
    assert kind is not None
    room = folder / "room"
    room.mkdir()
    wrong: str | None
    try:
        wrong = kind(random.Random(f"{seed}/{index}/{kind.__name__}"), room, wholes)
        left = [path.name for path in room.iterdir() if saving.TEMPORARY.fullmatch(path.name) and path.is_file()]
        if left and kind is not links:
            wrong = f"left behind: {', '.join(left)}"
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    shutil.rmtree(room)
    return None if wrong is None else f"{kind.__name__}: {wrong}"


__all__ = ["attempt", "kind_of", "pyramids", "shares"]
