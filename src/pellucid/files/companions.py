"""Companions of a picture in its file: maps of highlights (HDR), videos, depth, sound. They are not read, so XMP that
promises them is changed, and a line for the user names them."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["DEPTH", "GAIN_MAP", "PICTURE", "THUMBNAIL", "left_out", "remark", "without_companions"]

GAIN_MAP, VIDEO, DEPTH, SOUND, PICTURE = "HDR gain map", "video", "depth map", "sound", "further picture"
THUMBNAIL = "thumbnail"
"""The small copy of the picture in EXIF: it shows the input."""

GOOGLE = "http://ns.google.com/photos/"

NAMES: tuple[tuple[str, str, str | None], ...] = (
    ("http://ns.adobe.com/hdr-gain-map/1.0/", r"[\w-]+", GAIN_MAP),
    ("http://ns.apple.com/HDRGainMap/1.0/", r"[\w-]+", GAIN_MAP),
    ("http://ns.apple.com/pixeldatainfo/1.0/", r"[\w-]+", None),
    (f"{GOOGLE}1.0/container/", r"[\w-]+", None),
    (f"{GOOGLE}1.0/container/item/", r"[\w-]+", None),
    (f"{GOOGLE}1.0/camera/", r"(?:MotionPhoto|MicroVideo)[\w-]*", VIDEO),
    ("http://ns.oplus.com/photos/1.0/camera/", r"(?:MotionPhoto|OLivePhoto|VideoLength)[\w-]*", VIDEO),
    (f"{GOOGLE}1.0/depthmap/", r"[\w-]+", DEPTH),
    (f"{GOOGLE}1.0/image/", r"[\w-]+", PICTURE),
    (f"{GOOGLE}1.0/audio/", r"[\w-]+", SOUND),
    ("http://ns.xiaomi.com/photos/1.0/camera/", "XMPMeta", None),
    ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP", None),
    ("http://ns.adobe.com/xap/1.0/", "Thumbnails", None),
)
"""XML namespace, names in it, and what they promise, where that is not clear from others."""

DYNAMIC_DEPTH = f"{GOOGLE}dd/1.0/"
"""All namespaces that begin so are of Dynamic Depth: cameras, planes, depth maps."""

SEMANTICS = {"GainMap": GAIN_MAP, "MotionPhoto": VIDEO, "Depth": DEPTH, "DepthMap": DEPTH, "Confidence": DEPTH, "Original": PICTURE}
"""The names of items in Google's container."""

BEHIND: tuple[tuple[str, tuple[str, ...]], ...] = (
    (GAIN_MAP, (r"urn:iso:std:iso:ts:21496", r"http://ns\.adobe\.com/hdr-gain-map/")),
    (VIDEO, (r"ftyp(?:mp4|iso|qt  |3gp|3g2|avc1|hvc1|M4V|MSNV)", r"MotionPhoto_Data")),
    (DEPTH, (r"DepthMap",)),
    (SOUND, (r"ftypM4A", r"SoundShot", r"RIFF....WAVE")),
)
"""A thing behind a picture, and how it begins or is called by its maker. Each pattern begins with letters of its own, by which
megabytes are searched many times as fast as by a choice of patterns."""

NEXT_MARKER = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")
"""A marker of a JPEG that ends the packed pixels before it."""


def without_companions(xmp: bytes) -> tuple[bytes, tuple[str, ...]]:
    """XMP that promises nothing but the picture, and what it promised; all else is left as it is, byte for byte."""
    gone: list[str] = []
    semantics = re.findall(rb":Semantic\s{0,9}(?:=\s{0,9}[\"']|>\s{0,99})([A-Za-z]{1,40})", xmp)
    gone += [SEMANTICS[name.decode()] for name in semantics if name.decode() in SEMANTICS]
    for prefix, names, what in list(_prefixes(xmp)):
        before = xmp
        xmp = _without(xmp, prefix, names)
        if xmp != before and what is not None:
            gone.append(what)
    return xmp, tuple(dict.fromkeys(gone))


def _prefixes(xmp: bytes) -> Iterator[tuple[bytes, bytes, str | None]]:
    """The prefixes that stand for namespaces of `NAMES`, with the names in them and what these promise."""
    for found in re.finditer(rb"xmlns:([\w.-]{1,60})\s{0,9}=\s{0,9}[\"']([^\"']{1,200})[\"']", xmp):
        space = found[2].decode("utf-8", "replace")
        if space.startswith(DYNAMIC_DEPTH):
            yield found[1], rb"[\w-]+", DEPTH
        for known, names, what in NAMES:
            if space == known:
                yield found[1], names.encode(), what


def _without(xmp: bytes, prefix: bytes, names: bytes) -> bytes:
    """XMP without attributes and elements of these names, and without the prefix where nothing has it any more."""
    key = re.escape(prefix) + rb":(" + names + rb")(?![\w-])"
    xmp = re.sub(rb"\s+" + key + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", xmp)
    xmp = re.sub(rb"<" + key + rb"(?:\s[^>]*)?/>", b"", xmp)
    place = 0
    while (found := re.search(rb"<" + key + rb"(?:\s[^>]*)?>", xmp[place:])) is not None:
        start, end = place + found.start(), b"</" + prefix + b":" + found[1] + b">"
        stop = xmp.find(end, start)
        if stop < 0:
            place += found.end()
            continue
        xmp = xmp[:start] + xmp[stop + len(end) :]
        place = start
    if not re.search(rb"(?<![\w:])" + re.escape(prefix) + rb":", xmp):
        xmp = re.sub(rb"\s+xmlns:" + re.escape(prefix) + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", xmp)
    return xmp


def left_out(content: bytes, pictures: int, promised: tuple[str, ...]) -> tuple[str, ...]:
    """The companions in a JPEG of so many pictures, beside its first one; ``promised`` are those in its XMP."""
    gone, rest = list(promised), _behind(content)
    for what, marks in BEHIND:
        if what not in gone and any(re.search(mark.encode(), rest, re.DOTALL) for mark in marks):
            gone.append(what)
    if not gone and (pictures > 1 or b"\xff\xd8\xff" in rest):
        gone.append(PICTURE if pictures <= 2 else f"{PICTURE}s")
    return tuple(gone)


def _behind(jpeg: bytes) -> bytes:
    """The bytes that follow a JPEG's first picture; nothing where that has no end."""
    place = 2
    while jpeg[place : place + 1] == b"\xff" and place + 4 <= len(jpeg):
        marker = jpeg[place + 1]
        if marker == 0xD9:
            return jpeg[place + 2 :]
        if marker == 0xFF:
            place += 1
            continue
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        if marker == 0xDA:
            found = NEXT_MARKER.search(jpeg, place)
            place = len(jpeg) if found is None else found.start()
    return b""


def remark(gone: tuple[str, ...]) -> tuple[str, ...]:
    """A line for the user on what is not read."""
    return (f"not read, and not in the output: {', '.join(gone)}",) if gone else ()
