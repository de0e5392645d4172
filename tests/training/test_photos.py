"""The photographs from their sources: packages and resource files made here, as their formats are described."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import struct
import tarfile
import zlib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from pellucid.errors import FileError
from pellucid.training import photos, pictures, recipes
from pellucid.training.photos import Package, Photo


def jpeg(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(coarse).resize((80, 60)).save(buffer, "JPEG")
    return buffer.getvalue()


def rcc(name: str, content: bytes, *, flags: int = 0) -> bytes:
    """A Qt resource file: the root, a folder ``a``, in it one file."""
    names, offsets = b"", []
    for word in ("a", name):
        offsets.append(len(names))
        names += struct.pack(">HI", len(word), 0) + word.encode("utf-16-be")
    stored = struct.pack(">I", len(content)) + content
    tree = struct.pack(">IHIIQ", 0, 2, 1, 1, 0)
    tree += struct.pack(">IHIIQ", offsets[0], 2, 1, 2, 0)
    tree += struct.pack(">IHHHIQ", offsets[1], flags, 0, 0, 0, 0)
    head = 20
    return struct.pack(">4s4I", b"qres", 2, head, head + len(tree), head + len(tree) + len(stored)) + tree + stored + names


def deb(files: dict[str, bytes]) -> bytes:
    """A Debian package with these files."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:xz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(f"./{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    out = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n!"), ("data.tar.xz", tar.getvalue())):
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    return out


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with one package, and no package tool."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    folder = tmp_path / "mirror"
    folder.mkdir()
    content = deb({"usr/plain.jpg": jpeg(0), "usr/all.rcc": rcc("b.jpg", jpeg(1)), "usr/else.txt": b"?"})
    (folder / "p.deb").write_bytes(content)
    return folder


def package(mirror: Path) -> dict[str, Package]:
    return {"p": Package("1", "p.deb", hashlib.sha256((mirror / "p.deb").read_bytes()).hexdigest())}


WANTED = (Photo("0-a.webp", "p", "usr/plain.jpg", "", 40, 30), Photo("1-b.webp", "p", "usr/all.rcc", "a/b.jpg", 20, 15))


def test_photographs_come_out_of_a_package_reduced(mirror: Path, tmp_path: Path) -> None:
    told = list(photos.fetch(tmp_path / "out", photos=WANTED, packages=package(mirror), mirrors=[mirror.as_uri()]))
    assert told == [(tmp_path / "out" / "0-a.webp", None), (tmp_path / "out" / "1-b.webp", None)]
    for photo, seed in zip(WANTED, (0, 1), strict=True):
        with PillowImage.open(tmp_path / "out" / photo.name) as picture:
            made = np.asarray(picture)
        with PillowImage.open(io.BytesIO(jpeg(seed))) as picture:
            wanted = np.asarray(picture.resize((photo.width, photo.height), PillowImage.Resampling.LANCZOS))
        np.testing.assert_array_equal(made, wanted)


def test_what_is_there_is_left_alone_and_needs_no_package(tmp_path: Path) -> None:
    (tmp_path / "0-a.webp").write_bytes(b"mine")
    assert list(photos.fetch(tmp_path, photos=WANTED[:1], packages={"p": Package("1", "p.deb", "")}, mirrors=[])) == [
        (tmp_path / "0-a.webp", None)
    ]
    assert (tmp_path / "0-a.webp").read_bytes() == b"mine"


def test_another_content_is_refused_and_the_rest_goes_on(mirror: Path, tmp_path: Path) -> None:
    repository = tmp_path / "hub" / "o" / "r" / "HEAD"
    repository.mkdir(parents=True)
    (repository / "c.jpg").write_bytes(jpeg(2))
    wanted = (*WANTED, Photo("2-c.webp", "o/r", "c.jpg", "", 8, 6), Photo("3-d.webp", "o/r", "d.jpg", "", 8, 6))
    told = dict(
        photos.fetch(
            tmp_path / "out",
            photos=wanted,
            packages={"p": Package("1", "p.deb", "0" * 64)},
            mirrors=[mirror.as_uri(), (tmp_path / "nowhere").as_uri()],
            github=(tmp_path / "hub").as_uri(),
        )
    )
    errors = {path.name: error for path, error in told.items()}
    assert "another content" in str(errors["0-a.webp"])
    assert errors["1-b.webp"] is not None
    assert errors["2-c.webp"] is None
    assert "d.jpg" in str(errors["3-d.webp"])
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["2-c.webp"]


def test_resource_files_with_compression_and_without() -> None:
    assert photos.resource(rcc("b.txt", b"hello"), "a/b.txt") == b"hello"
    squeezed = struct.pack(">I", 5) + zlib.compress(b"hello")
    assert photos.resource(rcc("b.txt", squeezed, flags=1), "a/b.txt") == b"hello"
    for content, path, said in (
        (rcc("b.txt", b"hello"), "a/c.txt", "is not in its resource file"),
        (rcc("b.txt", b"hello", flags=4), "a/b.txt", "Zstandard"),
        (b"PNG" * 20, "a/b.txt", "not a Qt resource file"),
        (rcc("b.txt", b"hello")[:30], "a/b.txt", "cannot be read"),
    ):
        with pytest.raises(FileError, match=said):
            photos.resource(content, path)


def test_the_list_is_whole_and_every_source_is_known() -> None:
    listed = photos.listed()
    assert len({photo.name for photo in listed}) == len(listed) == 192
    assert all(photo.source in photos.PACKAGES or photo.source.count("/") == 1 for photo in listed)
    assert all((photo.path.endswith(".rcc")) == bool(photo.inside) for photo in listed)


def test_the_other_photographs_are_credited_and_learnt_from() -> None:
    text = (resources.files("pellucid.training") / "free.tsv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert len({row["file"] for row in rows}) == len(rows) == 1222
    for name in ("photo", "upscale"):
        images = recipes.find(name).data
        assert not any(pictures.is_held_out(row["file"], images) for row in rows)
        for row in rows:
            credit = next(entry for entry in images.credits if entry.match in row["file"])
            assert row["licence"]
            assert row["source"] in credit.source or "COCO" in credit.source
