"""Whether a container ends where it says it ends: demuxers stop quietly at the end of a cut file, this does not.

Each walk jumps from header to header over the file on descriptor 0 and reads no payload. Standard library only.
Sources: ISO/IEC 14496-12 (boxes), RFC 8794 and RFC 9559 (EBML, Matroska), GIF89a, RIFF, RFC 3533 (Ogg).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final


class Input:
    """The file on descriptor 0 as the three methods that demuxers ask for."""

    size: Final[int]

    def __init__(self) -> None:
        self.size = os.fstat(0).st_size
        self._at = 0

    def read(self, count: int) -> bytes:
        """At most ``count`` bytes from where we are."""
        data = os.pread(0, max(count, 0), self._at)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves, also beyond the end."""
        base = (0, self._at, self.size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at


_BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"free", b"skip", b"wide", b"uuid", b"mfra", b"sidx", b"styp", b"meta"}


def mp4_is_whole(file: Input) -> bool:
    """All top-level boxes end inside the file, and there is an index. Foreign bytes after the last box are no harm."""
    at, indexed = 0, False
    while at + 8 <= file.size:
        file.seek(at)
        head = file.read(16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        elif size == 0:
            size = file.size - at
        if size < 8 or at + size > file.size:
            return indexed and name not in _BOXES
        indexed = indexed or name == b"moov"
        at += size
    return indexed


_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_TOP_LEVEL = {0x1A45DFA3, _SEGMENT, 0x114D9B74, 0x1549A966, 0x1654AE6B, _CLUSTER, 0x1C53BB6B, 0x1941A469, 0x1043A770}
_TOP_LEVEL |= {0x1254C367, 0xEC, 0xBF}
_IN_CLUSTER = {0xE7, 0xA7, 0xAB, 0xA3, 0xA0, 0xAF, 0x5854, 0xEC, 0xBF}


def matroska_is_whole(file: Input) -> bool:
    """All elements down to the blocks end inside the file, also where a live recording left sizes open."""
    at, clusters = 0, 0
    while at < file.size:
        file.seek(at)
        head = file.read(16)
        name, name_length = _ebml_number(head, keep_marker=True)
        size, size_length = _ebml_number(head[name_length:], keep_marker=False)
        if name not in _TOP_LEVEL and name not in _IN_CLUSTER:
            break
        if not size_length:
            return False
        body = at + name_length + size_length
        open_ended = size == (1 << 7 * size_length) - 1
        if not open_ended and body + size > file.size:
            return False
        clusters += name == _CLUSTER
        at = body if name in (_SEGMENT, _CLUSTER) or open_ended else body + size
    return clusters > 0


def _ebml_number(data: bytes, *, keep_marker: bool) -> tuple[int, int]:
    """Value and length of an EBML number; (0, 0) where there is none."""
    if not data or not data[0]:
        return 0, 0
    length = 9 - data[0].bit_length()
    if len(data) < length:
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), length


def gif_is_whole(file: Input) -> bool:
    """The chain of blocks reaches the trailer."""
    file.seek(0)
    data = file.read(file.size)
    at = 13 + _colour_table(data, 10)
    while at < len(data):
        block = data[at]
        if block == 0x3B:
            return True
        if block == 0x21:
            at += 2
        elif block == 0x2C:
            at += 10 + _colour_table(data, at + 9) + 1
        else:
            return False
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return False


def _colour_table(data: bytes, flags_at: int) -> int:
    flags = data[flags_at] if flags_at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def wav_is_whole(file: Input) -> bool:
    """The sound chunk ends inside the file. Lengths of 0 and all ones mean "not known" in recordings made to a pipe."""
    at = 12
    while at + 8 <= file.size:
        file.seek(at)
        head = file.read(8)
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            return size in (0, 0xFFFFFFFF) or at + 8 + size <= file.size
        at += 8 + size + size % 2
    return False


def ogg_is_whole(file: Input) -> bool:
    """The last page is complete and marked as the end of its stream."""
    file.seek(max(0, file.size - 131_072))
    tail = file.read(131_072)
    at = tail.rfind(b"OggS")
    while at >= 0:
        segments = tail[at + 26] if at + 26 < len(tail) else 0
        table = tail[at + 27 : at + 27 + segments]
        if at + 27 + segments <= len(tail) and tail[at + 4 : at + 5] == b"\0":
            complete = at + 27 + segments + sum(table) <= len(tail)
            return complete and bool(tail[at + 5] & 4)
        at = tail.rfind(b"OggS", 0, at)
    return False


def mp3_frames_promised(file: Input) -> int:
    """How many frames the Xing or Info header announces; 0 where there is none."""
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
    file.seek(start)
    frame = file.read(256)
    for mark in (b"Xing", b"Info"):
        at = frame.find(mark)
        if at > 0 and len(frame) >= at + 12 and frame[at + 7] & 1:
            return int.from_bytes(frame[at + 8 : at + 12], "big")
    return 0


def flac_samples_promised(file: Input) -> int:
    """The number of samples that STREAMINFO announces; 0 means "not known"."""
    file.seek(0)
    head = file.read(42)
    return int.from_bytes(head[21:26], "big") & ((1 << 36) - 1) if len(head) == 42 and head[4] & 0x7F == 0 else 0


WALKS: dict[str, Callable[[Input], bool]] = {
    "mp4": mp4_is_whole,
    "matroska": matroska_is_whole,
    "gif": gif_is_whole,
    "wav": wav_is_whole,
    "ogg": ogg_is_whole,
}
