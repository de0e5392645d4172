"""The photographs that ``photo`` was trained on, made again from their free sources.

``photos.tsv`` lists them: the file's name here, the Debian package or GitHub repository that it comes from, its path there (and its
path inside a Qt resource file, if it is in one), and the size that it is reduced to, so that no compression artefacts are left.
Whole packages are checked by SHA-256.
"""

from __future__ import annotations

import csv
import hashlib
import io
import lzma
import shutil
import struct
import subprocess
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from PIL import Image as PillowImage

from pellucid import pillow
from pellucid.engines import cache_folder
from pellucid.errors import FileError
from pellucid.files import replacing

__all__ = ["PACKAGES", "Package", "Photo", "cached", "fetch", "listed"]

DEBIAN = ("https://deb.debian.org/debian", "https://archive.debian.org/debian")
GITHUB = "https://raw.githubusercontent.com"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Package:
    """A Debian package: its version, its file below a mirror's root, and that file's SHA-256."""

    version: str
    path: str
    sha256: str


PACKAGES = {
    "gcompris-qt-data": Package(
        "3.1-2",
        "pool/main/g/gcompris-qt/gcompris-qt-data_3.1-2_all.deb",
        "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    ),
    "lomiri-wallpapers-16.04": Package(
        "20.04.0-2",
        "pool/main/l/lomiri-wallpapers/lomiri-wallpapers-16.04_20.04.0-2_all.deb",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
    ),
    "lomiri-wallpapers-20.04": Package(
        "20.04.0-2",
        "pool/main/l/lomiri-wallpapers/lomiri-wallpapers-20.04_20.04.0-2_all.deb",
        "d44e89b8473aafe64a5b678f014862dc31335aaaf18665c544d985d854f1a709",
    ),
    "mate-backgrounds": Package(
        "1.26.0-1",
        "pool/main/m/mate-backgrounds/mate-backgrounds_1.26.0-1_all.deb",
        "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
    ),
    "palapeli-data": Package(
        "4:22.12.3-1",
        "pool/main/p/palapeli/palapeli-data_22.12.3-1_all.deb",
        "69a15dce2ac25ed8708ac518cd0cee5f4eb0c70ed15da2fdb8899a19ac0ee058",
    ),
    "plasma-workspace-wallpapers": Package(
        "4:5.27.5-2",
        "pool/main/p/plasma-workspace-wallpapers/plasma-workspace-wallpapers_5.27.5-2_all.deb",
        "32cd18b71c8c938a18b3b351f217c02ac590e323caa3cf322fbb875ce8892f8b",
    ),
}
"""The packages of Debian 12 with photographs, by name."""


@dataclass(frozen=True)
class Photo:
    """One photograph: ``name`` here; ``path`` in ``source`` (a package of `PACKAGES`, or OWNER/REPOSITORY).

    ``inside`` is its path in that file, if that is a resource file; else empty.
    """

    name: str
    source: str
    path: str
    inside: str
    width: int
    height: int


def listed() -> tuple[Photo, ...]:
    """The photographs of ``photos.tsv``."""
    text = (resources.files("pellucid.training") / "photos.tsv").read_text("utf-8")
    rows = csv.DictReader(io.StringIO(text), delimiter="\t")
    return tuple(
        Photo(row["file"], row["source"], row["path"], row["inside"], int(row["width"]), int(row["height"])) for row in rows
    )


def cached() -> Path | None:
    """The folder in the user's cache that `fetch` has filled; None before that."""
    base = cache_folder()
    folder = base / "photos" if base is not None else None
    return folder if folder is not None and any(folder.glob("*.webp")) else None


def fetch(
    folder: Path | None = None,
    *,
    photos: Sequence[Photo] | None = None,
    packages: Mapping[str, Package] = PACKAGES,
    mirrors: Sequence[str] = DEBIAN,
    github: str = GITHUB,
) -> Iterator[tuple[Path, str | None]]:
    """Makes the photographs in ``folder`` (None: the user's cache), lossless WebP: yields each path, and the reason why it could
    not be made (None if it was).

    Packages (0.2 GB) come by ``apt-get download`` where that exists, else from ``mirrors``. A file that exists already stays.
    Raises `FileError` when the folder cannot be made.
    """
    if folder is None:
        base = cache_folder()
        if base is None:
            raise FileError("the cache folder cannot be written; name a folder with --out")
        folder = base / "photos"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be made: {error.strerror}") from error
    wanted = listed() if photos is None else photos
    for source in dict.fromkeys(photo.source for photo in wanted):
        missing = [photo for photo in wanted if photo.source == source and not (folder / photo.name).exists()]
        yield from ((folder / photo.name, None) for photo in wanted if photo.source == source and photo not in missing)
        if not missing:
            continue
        try:
            if source in packages:
                open_file = _in_package(_package(source, packages[source], mirrors), {photo.path for photo in missing})
            else:
                open_file = _in_repository(source, github)
        except FileError as error:
            yield from ((folder / photo.name, str(error)) for photo in missing)
            continue
        for photo in missing:
            target = folder / photo.name
            try:
                content = open_file(photo.path)
                _write(target, resource(content, photo.inside) if photo.inside else content, (photo.width, photo.height))
            except FileError as error:
                yield target, str(error)
            else:
                yield target, None


def _write(target: Path, content: bytes, size: tuple[int, int]) -> None:
    try:
        with pillow.opened(io.BytesIO(content)) as picture:
            reduced = picture.convert("RGB").resize(size, PillowImage.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError) as error:
        raise FileError(f"{target.name}: its source cannot be read ({error})") from error
    with replacing(target) as temporary:
        reduced.save(temporary, "WEBP", lossless=True, quality=80)


# -- where they come from ---------------------------------------------------------------------------------------------


def _package(name: str, package: Package, mirrors: Sequence[str]) -> bytes:
    """The content of the package."""
    failures = []
    if shutil.which("apt-get"):
        with tempfile.TemporaryDirectory() as folder:
            command = ["apt-get", "download", f"{name}={package.version}"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            for path in Path(folder).glob("*.deb"):
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest() == package.sha256:
                    return content
            lines = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            failures.append(f"apt-get: {lines[-1][2:].strip() if lines else 'another content'}")
    for mirror in mirrors:
        try:
            content = _downloaded(f"{mirror}/{package.path}")
        except FileError as error:
            failures.append(str(error))
            continue
        if hashlib.sha256(content).hexdigest() == package.sha256:
            return content
        failures.append(f"{mirror}: another content than its checksum")
    raise FileError(f"package {name} {package.version}: {'; '.join(failures)}")


def _downloaded(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            content: bytes = response.read()
    except (urllib.error.URLError, OSError) as error:
        raise FileError(f"{url}: {getattr(error, 'reason', error)}") from error
    return content


def _in_repository(source: str, github: str) -> Callable[[str], bytes]:
    return lambda path: _downloaded(f"{github}/{source}/HEAD/{path}")


def _in_package(content: bytes, paths: set[str]) -> Callable[[str], bytes]:
    """The files of those paths in a Debian package, which is an ar archive with a compressed tar archive in it."""
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_data_member(content)), mode="r:*") as archive:
            for member in archive:
                path = member.name.removeprefix("./")
                file = archive.extractfile(member) if path in paths and member.isfile() else None
                if file is not None:
                    contents[path] = file.read()
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise FileError(f"a package cannot be read: {error}") from error

    def open_file(path: str) -> bytes:
        if path not in contents:
            raise FileError(f"{path} is not in its package")
        return contents[path]

    return open_file


def _data_member(content: bytes) -> bytes:
    if not content.startswith(b"!<arch>\n"):
        raise ValueError("not an ar archive")
    at = 8
    while at + 60 <= len(content):
        name, size = content[at : at + 16].decode().strip().rstrip("/"), int(content[at + 48 : at + 58])
        if name.startswith("data.tar"):
            return content[at + 60 : at + 60 + size]
        # Members begin at even places.
        at += 60 + size + size % 2
    raise ValueError("no data.tar in it")


def resource(content: bytes, path: str) -> bytes:
    """The file of that path in a Qt resource file (.rcc); `FileError` where it is not, or is compressed in a way unknown here.

    The format is Qt's (``rcc.cpp``): big-endian offsets of a tree, of data and of names; a node has its name's offset, flags (1:
    zlib, 2: a folder, 4: Zstandard) and either the number and index of its children or the offset of its data.
    """
    try:
        magic, version, tree, data, names = struct.unpack_from(">4s4I", content)
        if magic != b"qres":
            raise ValueError("not a Qt resource file")
        node_size = 22 if version >= 2 else 14
        at = tree
        for part in path.split("/"):
            _, flags, count, first = struct.unpack_from(">IHII", content, at)
            places = [tree + node_size * index for index in range(first, first + count)] if flags & 2 else []
            at = next(place for place in places if _name(content, names, place) == part)
        flags, offset = struct.unpack_from(">4xH4xI", content, at)
        (length,) = struct.unpack_from(">I", content, data + offset)
        raw = content[data + offset + 4 : data + offset + 4 + length]
        if flags & 1:
            # The first four bytes say the length.
            raw = zlib.decompress(raw[4:])
        elif flags & 4:
            raise ValueError("compressed by Zstandard")
    except StopIteration:
        raise FileError(f"{path} is not in its resource file") from None
    except (struct.error, ValueError, zlib.error) as error:
        raise FileError(f"{path}: its resource file cannot be read ({error})") from error
    return raw


def _name(content: bytes, names: int, node: int) -> str:
    (offset,) = struct.unpack_from(">I", content, node)
    (length,) = struct.unpack_from(">H", content, names + offset)
    begin = names + offset + 6
    return content[begin : begin + 2 * length].decode("utf-16-be")
