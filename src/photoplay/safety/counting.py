"""How many frames a file shows: no more may leave than the content filter saw.

Only what photoplay itself writes is counted; a file that is built otherwise (fragments, an animated PNG, a track of another
kind) could show more than it says, and counts as malformed.

Sources: ISO/IEC 14496-12, the GIF89a specification, RFC 9649 (WebP), the PNG specification (third edition).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from photoplay.safety.container import ContainerError, Kind, boxes, png_chunks, webp_chunks

_SOUND, _PICTURES = b"soun", b"vide"
_GIF_PLAIN_TEXT = 1
"""An extension of GIF that draws by itself."""


def count_frames(data: memoryview, kind: Kind) -> int:
    """The frames in a file.

    Raises:
        ContainerError: it is malformed, or not built as photoplay builds it.
    """
    try:
        return {"mp4": _in_mp4, "png": _in_png, "gif": _in_gif, "webp": _in_webp}[kind](data)
    except (struct.error, IndexError) as error:
        raise ContainerError("expected more bytes") from error


def _in_mp4(data: memoryview) -> int:
    top = [(name, box) for name, box in boxes(data) if name in (b"moov", b"moof")]
    if [name for name, _ in top] != [b"moov"]:
        raise ContainerError("expected one list of tracks and no fragments")
    inside = list(boxes(top[0][1][8:]))
    if any(name == b"mvex" for name, _ in inside):
        raise ContainerError("expected no fragments")
    return sum(_in_track(box) for name, box in inside if name == b"trak")


def _in_track(track: memoryview) -> int:
    """Pictures of a track: none where it is sound."""
    media = _only(track, b"mdia")
    handler = bytes(_only(media, b"hdlr")[16:20])
    if handler == _SOUND:
        return 0
    if handler != _PICTURES:
        raise ContainerError("expected pictures or sound")
    (count,) = struct.unpack_from(">I", _only(_only(_only(media, b"minf"), b"stbl"), b"stsz"), 16)
    return int(count)


def _only(parent: memoryview, wanted: bytes) -> memoryview:
    found = [box for name, box in boxes(parent[8:]) if name == wanted]
    if len(found) != 1:
        raise ContainerError(f"expected one {wanted.decode()}")
    return found[0]


def _in_png(data: memoryview) -> int:
    if any(name == b"acTL" for name, _ in png_chunks(data)):
        raise ContainerError("expected a still")
    return 1


def _in_webp(data: memoryview) -> int:
    return sum(name in (b"ANMF", b"VP8 ", b"VP8L") for name, _, _ in webp_chunks(data))


def _in_gif(data: memoryview) -> int:
    at, count = 13 + _gif_colours(data[10]), 0
    while data[at] != 0x3B:
        if data[at] == 0x2C:
            count, at = count + 1, at + 10 + _gif_colours(data[at + 9]) + 1
        elif data[at] == 0x21 and data[at + 1] != _GIF_PLAIN_TEXT:
            at += 2
        else:
            raise ContainerError("expected a picture or an extension")
        at += sum(_gif_pieces(data, at))
    return count


def _gif_colours(packed: int) -> int:
    """Bytes of the table of colours that a packed field announces."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0


def _gif_pieces(data: memoryview, at: int) -> Iterator[int]:
    """Bytes of each piece of a block, up to the empty one that ends it."""
    while size := data[at]:
        yield 1 + size
        at += 1 + size
    yield 1
