"""Metadata: EXIF, XMP, IPTC. They are passed on byte for byte, except for statements that are no longer true.

A picture is turned upright once; then the orientation in EXIF and XMP says 'upright', width and height are swapped where they
were, and embedded thumbnails, which show the noisy picture, are gone. EXIF is changed in place: a maker's notes point at places
inside it.
"""

from __future__ import annotations

import html
import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from pellucid.files.companions import THUMBNAIL, remark, without_companions
from pellucid.images import Image, Rows, whole

__all__ = [
    "EXIF_HEAD",
    "ORIENTATION",
    "iptc_of",
    "made",
    "photoshop_of",
    "resolution_of",
    "settled",
    "stripped",
    "thumbnails",
    "turned",
    "upright",
    "with_history",
]

ORIENTATION, SWAPPED = 0x0112, (5, 6, 7, 8)
"""The EXIF tag that says how the picture lies, and its values where rows are columns."""

EXIF_HEAD = b"Exif\0\0"
"""The bytes that JPEG puts before the EXIF data."""

EXIF_IFD, PIXELS_ACROSS, PIXELS_DOWN = 0x8769, 0xA002, 0xA003
SUBJECTS = {0x9214: (2, 3, 4), 0xA214: (2,)}
"""EXIF's SubjectArea and SubjectLocation, and how many numbers they have: across and down, then a diameter or a width and a
height."""

THUMBNAIL_START, THUMBNAIL_LENGTH = 0x0201, 0x0202

IPTC_RESOURCE = 1028
"""The number of the Photoshop image resource that holds IPTC's records. Others are dropped: thumbnails, checksums, paths."""

SHORT = 3
SIZES = {SHORT: 2, 4: 4, 9: 4}
"""Bytes of the EXIF types short, long and signed long, by their numbers."""


def upright(image: Image) -> Image:
    """The image turned as its EXIF says; orientation, size and thumbnail in its metadata set right."""
    turn = 1
    exif = image.exif
    if exif is not None:
        image = replace(image, remarks=image.remarks + remark(thumbnails(exif)))
        turn, exif = settled(exif, image.pixels.shape, lying=True)
    made = image if turn == 1 else _turned(image, turn)
    if image.xmp is None:
        return replace(made, exif=exif)
    xmp, gone = without_companions(_xmp_settled(image.xmp))
    # A format's reader may have made the same remark already.
    told = any(what in remark for what in gone for remark in image.remarks)
    return replace(made, exif=exif, xmp=xmp, remarks=image.remarks if told else image.remarks + remark(gone))


def stripped(image: Image) -> Image:
    """The image without EXIF, XMP, IPTC and texts. Colour profile and resolution stay: without them it would look different."""
    return replace(image, exif=None, xmp=None, iptc=None, text=())


def turned(values: NDArray[Any], turn: int) -> NDArray[Any]:
    """An array (h, w, ...) that lies as EXIF's orientation ``turn`` says, upright; of other numbers, as it is."""
    # EXIF 2.32, table 6: mirrored for 2, 4, 5, 7; then turned by quarters.
    if turn in SWAPPED:
        values = values.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        values = values[::-1]
    if turn in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def _turned(image: Image, turn: int) -> Image:
    def plane(values: NDArray[Any] | Rows) -> NDArray[Any]:
        return turned(whole(values), turn)

    resolution = image.resolution
    if resolution is not None and turn in SWAPPED:
        resolution = (resolution[1], resolution[0])
    alpha, kept = (None if part is None else plane(part) for part in (image.alpha, image.kept))
    mask = image.mask and replace(image.mask, valid=plane(image.mask.valid), values=plane(image.mask.values))
    pixels = plane(image.pixels)
    size = (pixels.shape[0], pixels.shape[1])
    return replace(image, pixels=pixels, alpha=alpha, mask=mask, kept=kept, size=size, resolution=resolution)


# -- EXIF -------------------------------------------------------------------------------------------------------------


def thumbnails(exif: bytes) -> tuple[str, ...]:
    """The parts of EXIF data that `settled` leaves out, in words: a small copy of the picture, where there is one."""
    data = exif.removeprefix(EXIF_HEAD)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return ()
    try:
        (first,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, first)
        (second,) = struct.unpack_from(order + "I", data, first + 2 + 12 * count)
        (count,) = struct.unpack_from(order + "H", data, second) if second else (0,)
        tags = {struct.unpack_from(order + "H", data, second + 2 + 12 * index)[0] for index in range(count)}
    except struct.error:
        return ()
    return (THUMBNAIL,) if THUMBNAIL_START in tags else ()


def settled(exif: bytes, shape: Sequence[int], *, lying: bool = False) -> tuple[int, bytes | None]:
    """The orientation that EXIF data says (1 to 8), and the data with orientation 1 and without a thumbnail. ``shape`` (h, w, ...)
    is the upright picture's; with ``lying`` that of the picture before it is turned.

    Pillow reads and writes EXIF anew where its structure cannot be followed; EXIF that Pillow cannot read is dropped.
    """
    try:
        return _settled_in_place(exif, shape, lying=lying)
    except (struct.error, IndexError, ValueError):
        pass
    try:
        parsed = PillowImage.Exif()
        parsed.load(exif)
        turn = parsed.get(ORIENTATION, 1)
        parsed[ORIENTATION] = 1
        return (turn if turn in range(1, 9) else 1), parsed.tobytes()
    except Exception:  # Pillow's parser raises whatever the bytes provoke
        return 1, None


def _settled_in_place(exif: bytes, shape: Sequence[int], *, lying: bool) -> tuple[int, bytes]:
    head = EXIF_HEAD if exif.startswith(EXIF_HEAD) else b""
    data = bytearray(exif[len(head) :])
    order = {b"II*\0": "<", b"MM\0*": ">"}[bytes(data[:4])] if bytes(data[:4]) in (b"II*\0", b"MM\0*") else ""
    if not order:
        raise ValueError("not EXIF")

    def entries(start: int) -> tuple[dict[int, tuple[int, int, int]], int]:
        """Tag -> (type, count, place of the value), and where the pointer to the next directory stands."""
        (count,) = struct.unpack_from(order + "H", data, start)
        found = {}
        for index in range(count):
            place = start + 2 + 12 * index
            tag, kind, length = struct.unpack_from(order + "HHI", data, place)
            found[tag] = (kind, length, place + 8)
        after = start + 2 + 12 * count
        # Some writers leave the last pointer out.
        return found, after if after + 4 <= len(data) else -1

    def number(entry: tuple[int, int, int] | None) -> int | None:
        if entry is None or entry[0] not in SIZES or entry[1] != 1:
            return None
        return int(struct.unpack_from(order + ("H" if entry[0] == 3 else "I"), data, entry[2])[0])

    def put(entry: tuple[int, int, int], value: int) -> None:
        struct.pack_into(order + ("H" if entry[0] == 3 else "I"), data, entry[2], value)

    first, pointer = entries(struct.unpack_from(order + "I", data, 4)[0])
    turn = number(first.get(ORIENTATION))
    if turn is None or turn not in range(1, 9):
        turn = 1
    if ORIENTATION in first and number(first[ORIENTATION]) is not None:
        put(first[ORIENTATION], 1)
    inner = number(first.get(EXIF_IFD))
    details = entries(inner)[0] if turn != 1 and inner is not None else {}
    for tag, lengths in SUBJECTS.items():
        kind, count, place = details.get(tag, (0, 0, 0))
        if kind == SHORT and count in lengths:
            at = place if count == 2 else struct.unpack_from(order + "I", data, place)[0]
            height, width = shape[1::-1] if lying and turn in SWAPPED else shape[:2]
            numbers = _subject_turned(struct.unpack_from(f"{order}{count}H", data, at), turn, height, width)
            struct.pack_into(f"{order}{count}H", data, at, *numbers)
    if turn in SWAPPED:
        across, down = details.get(PIXELS_ACROSS), details.get(PIXELS_DOWN)
        wide, high = number(across), number(down)
        # A short that must hold a long's value does not happen below 65536 pixels; beyond, the sizes stay as they are.
        if across is not None and down is not None and wide is not None and high is not None and max(wide, high) < 65536:
            put(across, high)
            put(down, wide)
    if pointer >= 0 and (second := struct.unpack_from(order + "I", data, pointer)[0]):
        struct.pack_into(order + "I", data, pointer, 0)
        try:
            thumbnail, _ = entries(second)
            start, length = number(thumbnail.get(THUMBNAIL_START)), number(thumbnail.get(THUMBNAIL_LENGTH))
        except struct.error:
            start = length = None
        if start and length and start + length <= len(data):
            # At the end, as most cameras have it, it is cut off; elsewhere what lies behind it must stay in its place.
            data[start : start + length] = b"" if start + length == len(data) else bytes(length)
    return turn, head + bytes(data)


def _subject_turned(numbers: Sequence[int], turn: int, height: int, width: int) -> list[int]:
    """A subject's place across and down, and its size, as they are in the upright picture: see `turned`."""
    across, down, *size = (*numbers[1::-1], *numbers[:1:-1]) if turn in SWAPPED else numbers
    across, down = width - 1 - across if turn in (2, 3, 6, 7) else across, height - 1 - down if turn in (3, 4, 7, 8) else down
    return [max(across, 0), max(down, 0), *size]


# -- XMP --------------------------------------------------------------------------------------------------------------


def _xmp_settled(xmp: bytes) -> bytes:
    """XMP with its orientation set to upright."""
    xmp = re.sub(rb"(tiff:Orientation\s{0,9}=\s{0,9}[\"'])[1-8]", rb"\g<1>1", xmp)
    return re.sub(rb"(<tiff:Orientation>)[1-8](?=<)", rb"\g<1>1", xmp)


RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MEDIA = "http://ns.adobe.com/xap/1.0/mm/"
EVENTS = "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
"""XML namespaces of XMP: of its structure, of a picture's history, of the entries there."""

SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's term for a recorded picture to which a trained model has added something."""


def made(image: Image, words: str) -> Image:
    """The image with XMP that says so: IPTC's kind of digital source, and ``words`` as Photoshop's instructions."""
    statement = (
        f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">'
        f"<Iptc4xmpExt:DigitalSourceType>{SOURCE}</Iptc4xmpExt:DigitalSourceType>"
        f"<photoshop:Instructions>{words}</photoshop:Instructions></rdf:Description>"
    ).encode()
    # Said once: a picture may be coloured again.
    return image if image.xmp is not None and statement in image.xmp else _stating(image, statement)


def with_history(image: Image, agent: str, steps: str) -> Image:
    """The image with an entry in XMP's history (xmpMM:History): the program ``agent`` edited it, by these ``steps``.

    Without a time: the same picture and steps give the same file.
    """
    entry = (
        f'<rdf:li xmlns:rdf="{RDF}" xmlns:stEvt="{EVENTS}" stEvt:action="edited" stEvt:changed="/" '
        f'stEvt:softwareAgent="{_quoted(agent)}" stEvt:parameters="{_quoted(steps)}"/>'
    ).encode()
    if image.xmp is not None:
        for name in re.findall(rb"xmlns:([\w.-]{1,40})\s{0,9}=\s{0,9}[\"']" + re.escape(MEDIA.encode()) + rb"[\"']", image.xmp):
            # The list ends where its element does: an entry may hold lists of its own.
            end = image.xmp.rfind(b"</" + name + b":History>")
            last = image.xmp.rfind(b"</rdf:Seq>", 0, max(end, 0))
            if last >= 0:
                return replace(image, xmp=image.xmp[:last] + entry + image.xmp[last:])
    history = b"<xmpMM:History><rdf:Seq>" + entry + b"</rdf:Seq></xmpMM:History>"
    opening = f'<rdf:Description xmlns:rdf="{RDF}" rdf:about="" xmlns:xmpMM="{MEDIA}">'.encode()
    return _stating(image, opening + history + b"</rdf:Description>")


def _quoted(text: str) -> str:
    """Text as the value of an XML attribute; characters that XML does not have are left out."""
    return html.escape(re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text))


def _stating(image: Image, statement: bytes) -> Image:
    """The image with this description in its XMP."""
    if image.xmp is not None and b"</rdf:RDF>" in image.xmp:
        before, end, after = image.xmp.rpartition(b"</rdf:RDF>")
        return replace(image, xmp=before + statement + end + after)
    head = b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    opening, end = f'<rdf:RDF xmlns:rdf="{RDF}">'.encode(), b"</rdf:RDF></x:xmpmeta>"
    return replace(image, xmp=head + opening + statement + end + b'<?xpacket end="w"?>')


# -- IPTC, in Photoshop's image resources -----------------------------------------------------------------------------


def iptc_of(resources: bytes) -> bytes | None:
    """IPTC's records in Photoshop's image resources (``8BIM``...), or None."""
    place = 0
    while resources[place : place + 4] == b"8BIM" and place + 12 <= len(resources):
        number = int.from_bytes(resources[place + 4 : place + 6], "big")
        name = resources[place + 6]
        place += 6 + 1 + name + (name + 1) % 2
        length = int.from_bytes(resources[place : place + 4], "big")
        if number == IPTC_RESOURCE:
            return resources[place + 4 : place + 4 + length] or None
        place += 4 + length + length % 2
    return None


def photoshop_of(iptc: bytes) -> bytes:
    """Photoshop's image resources that hold nothing but these IPTC records."""
    padding = b"\0" * (len(iptc) % 2)
    return b"8BIM" + struct.pack(">H", IPTC_RESOURCE) + b"\0\0" + struct.pack(">I", len(iptc)) + iptc + padding


def resolution_of(info: dict[Any, Any]) -> tuple[float, float] | None:
    """Dots per inch, across and down, from what Pillow tells, or None."""
    try:
        across, down = (float(dots) for dots in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e6 and 0 < down < 1e6 else None
