"""What a file is, by its first bytes: names and declared types are never asked. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from photoplay.media.refusals import refusal

HEAD = 512
"""Bytes that are enough to sniff."""

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}
_BMP_HEADERS = {size.to_bytes(4, "little") for size in (12, 40, 52, 56, 64, 108, 124)}
_DOCUMENT_MARKS = (b"<svg", b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")


def pictures_in(file: Path) -> Literal["photo", "film"] | None:
    """Whether a file holds a photo or a film, or None where photoplay reads no pictures of it. A GIF is a film, and so is a
    container of sound alone: that it has no pictures only shows when it is read.

    Raises:
        MediaError: ``file_unreadable``.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError as error:
        raise refusal("file_unreadable") from error
    if photo_format(head) is not None:
        return "photo"
    return None if video_format(head) is None else "film"


def photo_format(head: bytes) -> str | None:
    """``jpeg | png | webp | tiff | bmp | heic | avif``, or None where the first bytes are none of these."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head[:2] == b"BM" and head[14:18] in _BMP_HEADERS:
        return "bmp"
    if head[4:8] == b"ftyp":
        return _still_brand(head)
    return None


def still_format(head: bytes) -> str | None:
    """``gif``, or None: a film that may hold a single picture and is a photo then, which only its decoder can tell."""
    return "gif" if video_format(head) == "gif" else None


def _still_brand(head: bytes) -> str | None:
    size = int.from_bytes(head[:4], "big")
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, min(size, len(head)) - 3, 4))}
    if brands & _AVIF_BRANDS:
        return "avif"
    return "heic" if brands & _HEIC_BRANDS else None


def why_not_a_photo(head: bytes) -> str:
    """The refusal code for bytes that :func:`photo_format` does not know."""
    if head[8:12] == b"crx " or head[:8] == b"FUJIFILM":
        return "photo_is_raw"
    if video_format(head) is not None:
        return "photo_is_video"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"%pdf", b"%!ps", *_DOCUMENT_MARKS)) or b"<svg" in text:
        return "photo_is_document"
    return "photo_format_unknown"


def video_format(head: bytes) -> str | None:
    """``mp4 | matroska | gif``, or None: the containers that driving clips may come in."""
    if head[4:8] in (b"ftyp", b"moov", b"wide", b"mdat", b"skip", b"free"):
        return "mp4"
    if head[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    return None


def audio_format(head: bytes) -> str | None:
    """``wav | flac | mp3 | aac | ogg | mp4 | matroska``, or None: what sound may come in."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"fLaC":
        return "flac"
    if head[:4] == b"OggS":
        return "ogg"
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "mp3"
    found = video_format(head)
    return None if found == "gif" else found
