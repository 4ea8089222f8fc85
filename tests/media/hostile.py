"""Makes 200 hostile or broken files, the same on every run: ``python -m tests.media.hostile FOLDER``."""

from __future__ import annotations

import io
import os
import struct
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile

from tests.media.clips import greys, sound, tone, video

ANY = frozenset({"*"})
"""Any coded error is right."""
EITHER = frozenset({"*", "ok"})
"""Damage that a decoder may rightly survive (a flipped bit of a colour is a colour): a whole picture or a coded error."""
OK = frozenset({"ok"})


@dataclass(frozen=True)
class Hostile:
    """``kind`` is the door it knocks at (photo, video, audio); ``expect`` the right codes, ``*`` any, ``ok`` a result."""

    name: str
    kind: str
    data: bytes
    expect: frozenset[str] = ANY


@lru_cache
def _photos() -> dict[str, bytes]:
    rng = np.random.default_rng(11)
    pixels = np.kron(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8))
    image = Image.fromarray(pixels)
    made = {}
    for name, kind, options in (
        ("jpeg", "JPEG", {"quality": 90}),
        ("progressive", "JPEG", {"quality": 90, "progressive": True}),
        ("png", "PNG", {}),
        ("webp", "WEBP", {"quality": 90}),
        ("tiff", "TIFF", {}),
        ("lzw", "TIFF", {"compression": "tiff_lzw"}),
        ("bmp", "BMP", {}),
    ):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        made[name] = buffer.getvalue()
    return made


@lru_cache
def _streams() -> dict[str, tuple[str, bytes]]:
    noise = np.random.default_rng(12).integers(0, 255, (8, 32, 48, 3), dtype=np.uint8)
    frames, hiss = list(noise), np.random.default_rng(13).uniform(-0.5, 0.5, 22_050)
    fast = {"preset": "ultrafast", "g": "4"}
    return {
        "mp4": ("video", video(frames, 8, options=fast)),
        "faststart": ("video", video(frames, 8, options=fast, muxer={"movflags": "faststart"})),
        "mkv": ("video", video(frames, 8, "matroska", options=fast)),
        "gif": ("video", video(frames, 8, "gif", "gif")),
        "wav": ("audio", sound(hiss)),
        "flac": ("audio", sound(hiss, container="flac", codec="flac")),
        "mp3": ("audio", sound(hiss, container="mp3", codec="libmp3lame")),
        "m4a": ("audio", sound(hiss, container="mp4", codec="aac")),
        "opus": ("audio", sound(np.repeat(hiss, 2), 48_000, "ogg", "libopus")),
    }


def _cut_and_broken() -> Iterator[Hostile]:
    rng = np.random.default_rng(14)
    wholes = {name: ("photo", data) for name, data in _photos().items()} | _streams()
    for name, (kind, data) in wholes.items():
        for share in (0.05, 0.35, 0.7, 0.95):
            yield Hostile(f"{name}-cut-{share}", kind, data[: int(len(data) * share)])
        for number in range(3):
            flipped = bytearray(data)
            for at in rng.integers(0, len(data), 6):
                flipped[at] ^= 1 << int(rng.integers(8))
            yield Hostile(f"{name}-flipped-{number}", kind, bytes(flipped), EITHER)
        holed = bytearray(data)
        holed[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
        yield Hostile(f"{name}-holed", kind, bytes(holed), EITHER)
        yield Hostile(f"{name}-head-only", kind, data[:16] + rng.bytes(2_000))
        yield Hostile(f"{name}-with-a-tail", kind, data + b"<?php system($_GET['c']); ?>" + rng.bytes(500), EITHER)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(width: int, height: int, rows: bytes, *chunks: bytes, bits: int = 8, colour: int = 2) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + body


def _tiff(entries: list[tuple[int, int, int, int]], following: int = 0, tail: bytes = b"") -> bytes:
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + ifd + struct.pack("<I", following) + tail


def _bombs() -> Iterator[Hostile]:
    big = frozenset({"photo_too_many_pixels", "photo_too_long"})
    photos = _photos()
    yield Hostile("png-bomb-pixels", "photo", _png(20_000, 20_000, bytes(60_001) * 100), big)
    yield Hostile("png-bomb-one-line", "photo", _png(2_000_000_000, 1, b"\0"), big)
    yield Hostile("png-largest-size", "photo", _png(0x7FFFFFFF, 0x7FFFFFFF, b"\0"), big)
    yield Hostile("png-no-size", "photo", _png(0, 0, b"\0"))
    yield Hostile("png-49-megapixels-of-nothing", "photo", _png(7_000, 7_000, b"\0"), frozenset({"photo_truncated"}))
    for name in (b"zTXt", b"iTXt", b"iCCP"):
        body = {b"iTXt": b"a\0\1\0\0\0"}.get(name, b"a\0\0") + zlib.compress(bytes(80_000_000), 9)
        yield Hostile(f"png-bomb-{name.decode()}", "photo", _png(1, 1, b"\0abc", _chunk(name, body)), EITHER)
    yield Hostile("png-many-chunks", "photo", _png(1, 1, b"\0abc", *[_chunk(b"tEXt", b"k\0v")] * 50_000), EITHER)
    yield Hostile("png-first-row-only", "photo", _png(64, 64, b"\0" + bytes(192)), frozenset({"photo_truncated"}))
    yield Hostile("png-palette-missing", "photo", _png(4, 4, bytes(5) * 4, colour=3), EITHER)
    yield Hostile("png-impossible-depth", "photo", _png(4, 4, bytes(5) * 4, bits=7))
    jpeg = bytearray(photos["jpeg"])
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    yield Hostile("jpeg-bomb-pixels", "photo", bytes(jpeg), big)
    jpeg[at : at + 4] = struct.pack(">HH", 5_000, 5_000)
    yield Hostile("jpeg-larger-than-its-data", "photo", bytes(jpeg), frozenset({"photo_truncated"}))
    unfinished = photos["jpeg"][: len(photos["jpeg"]) // 2] + bytes(len(photos["jpeg"]) // 2)
    yield Hostile("jpeg-preallocated-download", "photo", unfinished, frozenset({"photo_truncated"}))
    scans = photos["progressive"]
    yield Hostile(
        "jpeg-many-scans", "photo", scans[:-2] + scans[scans.rindex(b"\xff\xda") : -2] * 400 + b"\xff\xd9", EITHER
    )
    bmp = bytearray(photos["bmp"])
    bmp[18:26] = struct.pack("<ii", 40_000, -40_000)
    yield Hostile("bmp-bomb-pixels", "photo", bytes(bmp), big)
    bmp[18:26] = struct.pack("<ii", -64, 48)
    yield Hostile("bmp-negative-width", "photo", bytes(bmp))
    webp = bytearray(photos["webp"])
    webp[26:30] = struct.pack("<HH", 16_383, 16_383)
    yield Hostile("webp-bomb-pixels", "photo", bytes(webp))
    yield Hostile("tiff-loop", "photo", _tiff([(256, 4, 1, 8), (257, 4, 1, 8)], following=8))
    yield Hostile(
        "tiff-bomb-pixels",
        "photo",
        _tiff([(256, 4, 1, 60_000), (257, 4, 1, 60_000), (262, 3, 1, 1), (273, 4, 1, 8)]),
        big,
    )
    yield Hostile("tiff-huge-tag", "photo", _tiff([(256, 4, 1, 8), (257, 4, 1, 8), (700, 1, 0xFFFFFFFF, 8)]))
    yield Hostile(
        "tiff-strips-outside",
        "photo",
        _tiff(
            [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 1 << 30), (279, 4, 1, 4_096)]
        ),
    )
    yield Hostile("tiff-no-entries", "photo", _tiff([]))
    floats = io.BytesIO()
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(floats, "TIFF")
    yield Hostile("tiff-of-nan", "photo", floats.getvalue(), frozenset({"photo_kind_unsupported"}))


_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
_HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
_ENTITIES = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><svg>&b;</svg>'


def _wrong_things() -> Iterator[Hostile]:
    document, unknown = frozenset({"photo_is_document"}), frozenset({"photo_format_unknown"})
    zeros, noise = bytes(4_096), np.random.default_rng(15).bytes(4_096)
    photos, streams = _photos(), _streams()
    yield from (Hostile(f"empty-{kind}", kind, b"", frozenset({"file_empty"})) for kind in ("photo", "video", "audio"))
    for kind in ("photo", "video", "audio"):
        expect = frozenset({f"{kind}_format_unknown"})
        yield Hostile(f"zeros-{kind}", kind, zeros, expect)
        yield Hostile(f"noise-{kind}", kind, b"\1" + noise, expect)
        yield Hostile(f"text-{kind}", kind, b"Dear grandmother,\n", expect)
        yield Hostile(f"zip-{kind}", kind, b"PK\3\4" + noise, expect)
        yield Hostile(f"elf-{kind}", kind, b"\x7fELF" + noise, expect)
    yield Hostile("svg", "photo", _SVG, document)
    yield Hostile("html", "photo", _HTML, document)
    yield Hostile("xml-entities", "photo", _ENTITIES, document)
    yield Hostile("pdf", "photo", b"%PDF-1.7\n" + noise, document)
    yield Hostile("postscript", "photo", b"%!PS-Adobe-3.0\n(file) run\n", document)
    yield Hostile("psd", "photo", b"8BPS\0\1" + noise, unknown)
    yield Hostile("gif-as-photo", "photo", streams["gif"][1], frozenset({"photo_is_video"}))
    yield Hostile("mp4-as-photo", "photo", streams["mp4"][1], frozenset({"photo_is_video"}))
    yield Hostile("photo-as-video", "video", photos["jpeg"], frozenset({"video_format_unknown"}))
    yield Hostile("photo-as-audio", "audio", photos["png"], frozenset({"audio_format_unknown"}))
    yield Hostile("jpeg-that-is-also-html", "photo", photos["jpeg"] + _HTML, OK)
    yield Hostile(
        "jpeg-with-script-in-a-comment",
        "photo",
        photos["jpeg"][:2] + b"\xff\xfe\0\x35" + _HTML[:51] + photos["jpeg"][2:],
        OK,
    )
    yield Hostile("png-that-is-also-zip", "photo", photos["png"] + b"PK\3\4" + noise, OK)
    yield Hostile("heic-of-noise", "photo", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + noise)
    yield Hostile("avif-of-noise", "photo", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1" + noise)


def _playlists_and_lies() -> Iterator[Hostile]:
    unknown = frozenset({"video_format_unknown"})
    lists = {
        "hls": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "dash": b'<?xml version="1.0"?><MPD><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>',
        "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "avi": b"RIFF\x10\0\0\0AVI LIST",
    }
    yield from (Hostile(f"playlist-{name}", "video", text, unknown) for name, text in lists.items())
    yield Hostile("playlist-as-audio", "audio", lists["hls"], frozenset({"audio_format_unknown"}))
    for name, data in lists.items():
        yield Hostile(f"mp4-over-{name}", "video", b"\0\0\0\x14ftypisom\0\0\0\0isom" + data)
    mp4 = bytearray(_streams()["mp4"][1])
    at = mp4.index(b"stsz") + 12
    mp4[at : at + 4] = struct.pack(">I", 0x0FFFFFFF)
    yield Hostile("mp4-of-a-billion-frames", "video", bytes(mp4))
    mp4 = bytearray(_streams()["mp4"][1])
    for mark in (b"mvhd", b"mdhd"):
        at = mp4.index(mark) + 20
        mp4[at : at + 4] = struct.pack(">I", 0x7FFFFFFF)
    yield Hostile("mp4-of-many-days", "video", bytes(mp4), EITHER)
    nested = b""
    for _ in range(2_000):
        nested = struct.pack(">I", len(nested) + 8) + b"moov" + nested
    yield Hostile("mp4-nested", "video", b"\0\0\0\x14ftypisom\0\0\0\0isom" + nested)
    yield Hostile("mkv-nested", "video", b"\x1aE\xdf\xa3\x80" + b"\x18\x53\x80\x67\xff" * 4_000)
    yield Hostile(
        "mkv-endless-cluster", "video", b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\xff" + b"\x1f\x43\xb6\x75\xff" * 4_000
    )
    yield Hostile("gif-without-pictures", "video", b"GIF89a\x10\0\x10\0\0\0\0;")
    yield Hostile("gif-65535-square", "video", b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\2\0;")
    yield Hostile("video-without-sound", "audio", video(greys(2)), frozenset({"audio_none"}))
    wav = sound(tone(50, 0.1))
    yield Hostile("wav-at-zero-hertz", "audio", wav[:24] + bytes(4) + wav[28:])
    yield Hostile("wav-with-999-channels", "audio", wav[:22] + struct.pack("<H", 999) + wav[24:])
    yield Hostile("wav-without-samples", "audio", wav[: wav.index(b"data") + 4] + bytes(4))
    yield Hostile("mp3-syncs-only", "audio", b"\xff\xfb\x90\0" * 3_000, EITHER)
    yield Hostile("ogg-of-noise", "audio", b"OggS" + np.random.default_rng(16).bytes(3_000))


def hostile_files() -> list[Hostile]:
    """All of them; names are unique."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    return [*_cut_and_broken(), *_bombs(), *_wrong_things(), *_playlists_and_lies()]


def write_hostile_files(folder: Path) -> list[tuple[Path, Hostile]]:
    """Writes them into ``folder`` and says which is which."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for hostile in hostile_files():
        path = folder / hostile.name
        path.write_bytes(hostile.data)
        written.append((path, hostile))
    return written


if __name__ == "__main__":
    os.umask(0o077)
    write_hostile_files(Path(sys.argv[1]))
