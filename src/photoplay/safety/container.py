"""What C2PA leaves unsigned in a file, so that nothing can change or hide there.

A C2PA signature does not cover all bytes. In an mp4 it leaves out the top-level boxes ``ftyp``, ``free``, ``skip`` and
``mfra`` (BMFF hash exclusions), and in the manifest the padding of the signature and the frames of some boxes: a fifth of
the single-bit changes to a small signed film leave it "Trusted" to a C2PA reader, and a ``free`` box can carry anything.
photoplay therefore signs a digest of the former (:func:`loose_digest`) and accepts the latter only in the one way in which
it writes them itself (:func:`check_manifest`).

Sources: ISO/IEC 14496-12 (boxes), ISO 19566-5 (JUMBF), RFC 8949 (CBOR), RFC 9052 (COSE), C2PA 2.x annex A (embedding).
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["mp4", "png", "gif", "webp"]
MIME: dict[Kind, str] = {"mp4": "video/mp4", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}

_LOOSE = (b"ftyp", b"free", b"skip", b"mfra")
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481") + bytes(4) + b"manifest\0" + bytes(8)
"""Of the ``uuid`` box: its type, version and flags, purpose, and no offset of auxiliary boxes."""
_GIF_BLOCK = b"\x21\xff\x0bC2PA_GIF\x01\x00\x00"
_JUMBF_TYPE = bytes.fromhex("00110010800000aa00389b71")
"""Every JUMBF content type is four letters followed by this."""
_MANIFEST_PARTS = {"c2pa.assertions": b"c2as", "c2pa.claim.v2": b"c2cl", "c2pa.signature": b"c2cs"}


class ContainerError(Exception):
    """The file is not built the way photoplay builds it. Stays inside ``safety``."""


def sniff(head: bytes) -> Kind | None:
    """The kind of file that starts with these bytes (at least 12 of them)."""
    if head[4:8] == b"ftyp":
        return "mp4"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return None


def loose_digest(data: memoryview, kind: Kind) -> str:
    """Hex SHA-256 of everything in a file that the C2PA hash of its kind leaves out, other than the manifest itself.

    Raises:
        ContainerError: the file is cut short or malformed.
    """
    hashed = hashlib.sha256()
    if kind == "mp4":
        for name, box in boxes(data):
            if name in _LOOSE:
                hashed.update(box)
    return hashed.hexdigest()


def check_manifest(data: memoryview, kind: Kind) -> bool:
    """Checks that the unsigned bytes in and around the manifest are those that photoplay writes, and no others.

    Returns:
        Whether there is a time stamp: a token of an authority, which can only come after the signature. It is a signature
        of its own, which whoever reads the file has to check.

    Raises:
        ContainerError: something differs, or the file has no manifest or more than one.
    """
    found = list({"mp4": _in_mp4, "png": _in_png, "gif": _in_gif, "webp": _in_webp}[kind](data))
    _demand(len(found) == 1, "one manifest")
    return _check_store(found[0])


def unsealed(data: memoryview, kind: Kind) -> bytes:
    """The file as it was before it was sealed, byte for byte: films of equal bits are equal here, whenever they were sealed.

    Raises:
        ContainerError: the file is malformed.
    """
    return {"mp4": _mp4_without, "png": _png_without, "gif": _gif_without, "webp": _webp_without}[kind](data)


def _demand(fact: bool, what: str) -> None:
    if not fact:
        raise ContainerError(f"expected {what}")


def boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Name and content (with its header) of each ISO or JUMBF box; they must fill ``data`` exactly."""
    start = 0
    while start < len(data):
        _demand(len(data) - start >= 8, "a box header")
        size, name = struct.unpack_from(">I4s", data, start)
        if size == 1:
            _demand(len(data) - start >= 16, "a long box header")
            (size,) = struct.unpack_from(">Q", data, start + 8)
        elif size == 0:
            size = len(data) - start
        _demand(8 <= size <= len(data) - start, "a box inside its parent")
        yield name, data[start : start + size]
        start += size


def png_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Name and whole of each chunk of a PNG."""
    start = 8
    while start < len(data):
        _demand(len(data) - start >= 12, "a chunk")
        size, name = struct.unpack_from(">I4s", data, start)
        _demand(size <= len(data) - start - 12, "a chunk inside the file")
        yield name, data[start : start + 12 + size]
        start += 12 + size


def webp_chunks(data: memoryview) -> Iterator[tuple[bytes, memoryview, memoryview]]:
    """Name, content and whole of each chunk of a WebP; the whole has its padding, where it has any."""
    start = 12
    while start < len(data):
        _demand(len(data) - start >= 8, "a chunk")
        name, size = struct.unpack_from("<4sI", data, start)
        _demand(size <= len(data) - start - 8, "a chunk inside the file")
        end = start + 8 + size
        yield name, data[start + 8 : end], data[start : end + size % 2]
        start = end + size % 2


# --- where each kind of file keeps the manifest ------------------------------------------------------------------------


def _in_mp4(data: memoryview) -> Iterator[memoryview]:
    for name, box in boxes(data):
        if name == b"uuid" and box[8:24] == _C2PA_BOX[:16]:
            _demand(bytes(box[8 : 8 + len(_C2PA_BOX)]) == _C2PA_BOX, "the frame of the manifest")
            yield box[8 + len(_C2PA_BOX) :]


def _in_png(data: memoryview) -> Iterator[memoryview]:
    for name, chunk in png_chunks(data):
        if name == b"caBX":
            (checksum,) = struct.unpack(">I", chunk[-4:])
            _demand(zlib.crc32(chunk[4:-4]) == checksum, "the checksum of the manifest")
            yield chunk[8:-4]


def _in_webp(data: memoryview) -> Iterator[memoryview]:
    _demand(struct.unpack_from("<I", data, 4) == (len(data) - 8,), "a file of the stated length")
    for name, content, chunk in webp_chunks(data):
        if name == b"C2PA":
            _demand(len(content) % 2 == 0 or bytes(chunk[8 + len(content) :]) == b"\0", "zero padding")
            yield content


def _in_gif(data: memoryview) -> Iterator[memoryview]:
    whole = bytes(data)
    start = whole.find(_GIF_BLOCK)
    while start >= 0:
        joined, at = bytearray(), start + len(_GIF_BLOCK)
        while at < len(whole) and whole[at]:
            size = whole[at]
            last = whole[at + 1 + size : at + 2 + size] == b"\0"
            _demand(size == 255 or last, "full blocks up to the last")
            joined += whole[at + 1 : at + 1 + size]
            at += 1 + size
        _demand(at < len(whole), "an end of the manifest")
        yield memoryview(bytes(joined))
        start = whole.find(_GIF_BLOCK, at)


# --- a file without it ------------------------------------------------------------------------------------------------


def _mp4_without(data: memoryview) -> bytes:
    """Leaves the manifest's box out and moves the places of the media data (``stco``, ``co64``) back."""
    kept, at, cut, where = bytearray(), 0, 0, len(data)
    for name, box in boxes(data):
        if name == b"uuid" and box[8:24] == _C2PA_BOX[:16]:
            cut, where = cut + len(box), min(where, at)
        else:
            kept += box
        at += len(box)
    with memoryview(kept) as whole:
        for name, box in boxes(whole):
            if name == b"moov" and cut:
                _move_back(box, cut, where)
    return bytes(kept)


def _move_back(box: memoryview, cut: int, where: int) -> None:
    """Lessens every chunk offset of a ``moov`` that lies behind ``where`` by ``cut``."""
    for name, inner in boxes(box[8:]):
        if name in (b"trak", b"mdia", b"minf", b"stbl"):
            _move_back(inner, cut, where)
        elif name in (b"stco", b"co64"):
            each = ">I" if name == b"stco" else ">Q"
            size = struct.calcsize(each)
            for at in range(16, len(inner), size):
                (offset,) = struct.unpack_from(each, inner, at)
                struct.pack_into(each, inner, at, offset - cut if offset >= where else offset)


def _png_without(data: memoryview) -> bytes:
    return bytes(data[:8]) + b"".join(chunk for name, chunk in png_chunks(data) if name != b"caBX")


def _webp_without(data: memoryview) -> bytes:
    kept = bytearray(data[:12]) + b"".join(chunk for name, _, chunk in webp_chunks(data) if name != b"C2PA")
    struct.pack_into("<I", kept, 4, len(kept) - 8)
    return bytes(kept)


def _gif_without(data: memoryview) -> bytes:
    whole = bytes(data)
    while (start := whole.find(_GIF_BLOCK)) >= 0:
        at = start + len(_GIF_BLOCK)
        while at < len(whole) and whole[at]:
            at += 1 + whole[at]
        whole = whole[:start] + whole[at + 1 :]
    return whole


# --- the manifest store --------------------------------------------------------------------------------------------------


def _check_store(store: memoryview) -> bool:
    """One store with one manifest of assertions, claim and signature, nested without a gap; whether it is time-stamped."""
    stamped = False
    top = list(boxes(store))
    _demand(len(top) == 1, "one store")
    label, manifests = _superbox(top[0], b"c2pa")
    _demand(label == "c2pa" and len(manifests) == 1, "one manifest in the store")
    label, parts = _superbox(manifests[0], b"c2ma")
    _demand(label.startswith("urn:c2pa:") and len(parts) == len(_MANIFEST_PARTS), "the three parts of a manifest")
    for part, (wanted, letters) in zip(parts, _MANIFEST_PARTS.items(), strict=True):
        label, children = _superbox(part, letters)
        _demand(label == wanted, f"{wanted} in its place")
        if wanted == "c2pa.assertions":
            for child in children:
                _one_cbor(_superbox(child, b"cbor")[1])
            continue
        cbor = _one_cbor(children)
        if wanted == "c2pa.signature":
            stamped = _check_signature(cbor)
    return stamped


def _one_cbor(content: list[tuple[bytes, memoryview]]) -> memoryview:
    _demand([name for name, _ in content] == [b"cbor"], "one CBOR box")
    return content[0][1][8:]


def _superbox(named: tuple[bytes, memoryview], letters: bytes) -> tuple[str, list[tuple[bytes, memoryview]]]:
    """Label and content of a JUMBF superbox of this type, its description in the plainest form.

    The toggles say "can be requested, has a label" and, where a salt follows the label, "has a private box".
    """
    name, box = named
    _demand(name == b"jumb", "a superbox")
    (kind, box), *content = boxes(box[8:])
    description = bytes(box)
    _demand(kind == b"jumd" and description[8:24] == letters + _JUMBF_TYPE, "a description")
    label, end, _ = description[25:].partition(b"\0")
    salts = list(boxes(box[25 + len(label) + len(end) :]))
    _demand(bool(end) and [name for name, _ in salts] in ([], [b"c2sh"]), "a label and at most a salt")
    _demand(description[24] == (0x13 if salts else 0x03), "the toggles of what is there")
    return label.decode("utf-8", "replace"), content


def _check_signature(cose: memoryview) -> bool:
    """COSE_Sign1: signed header, unsigned header, no payload, the signature, the end; whether it is time-stamped.

    The unsigned header holds zero padding and at most one token of a time-stamp authority.
    """
    _demand(bytes(cose[:2]) == b"\xd2\x84", "a COSE_Sign1")
    _, at = _string(cose, 2, major=2)
    entries, at = _sized(cose, at, major=5)
    names: list[bytes] = []
    for _ in range(entries):
        key, at = _string(cose, at, major=3)
        names.append(key)
        if key == b"sigTst2":
            at = _stamp(cose, at)
            continue
        padding, at = _string(cose, at, major=2)
        _demand(key in (b"pad", b"pad2") and not any(padding), "zero padding")
    _demand(len(set(names)) == len(names), "each entry once")
    _demand(at < len(cose) and cose[at] == 0xF6, "no payload")
    _, at = _string(cose, at + 1, major=2)
    _demand(at == len(cose), "nothing after the signature")
    return b"sigTst2" in names


def _stamp(cose: memoryview, at: int) -> int:
    """Where ``{"tstTokens": [{"val": token}]}`` ends (C2PA 2.x, section 10.3.2.5)."""
    for major, name in ((5, b"tstTokens"), (4, b""), (5, b"val")):
        count, at = _sized(cose, at, major)
        _demand(count == 1, "one time stamp")
        if name:
            key, at = _string(cose, at, major=3)
            _demand(key == name, "a time stamp")
    _, at = _string(cose, at, major=2)
    return at


def _sized(cbor: memoryview, at: int, major: int) -> tuple[int, int]:
    """How many entries the map (``major`` 5) or list (4) at ``at`` has, and where the first one starts."""
    _demand(at < len(cbor) and cbor[at] >> 5 == major, "a map or a list")
    return _head(cbor, at)


def _head(cbor: memoryview, at: int) -> tuple[int, int]:
    """Argument of the CBOR head at ``at``, and where its content starts."""
    _demand(at < len(cbor), "a CBOR head")
    short = cbor[at] & 31
    if short < 24:
        return short, at + 1
    _demand(short <= 27, "a definite length")
    size = 1 << (short - 24)
    _demand(at + 1 + size <= len(cbor), "a CBOR length")
    return int.from_bytes(cbor[at + 1 : at + 1 + size], "big"), at + 1 + size


def _string(cbor: memoryview, at: int, major: int) -> tuple[bytes, int]:
    """The byte string (``major`` 2) or text (3) at ``at``, and where the next item starts."""
    _demand(at < len(cbor) and cbor[at] >> 5 == major, "a string")
    size, start = _head(cbor, at)
    _demand(start + size <= len(cbor), "a string inside its parent")
    return bytes(cbor[start : start + size]), start + size
