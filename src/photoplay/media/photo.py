"""Photos: bytes or a file in, upright sRGB pixels out; and clean stills on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from photoplay.errors import MediaError
from photoplay.media.child import decoder, open_source, spooled
from photoplay.media.refusals import refusal
from photoplay.media.sniff import HEAD, photo_format, still_format, why_not_a_photo
from photoplay.types import Notice, Photo, Rgb

MAX_BYTES = 40_000_000
MAX_PIXELS = 50_000_000

_NOTICES = {
    "photo_first_frame": (
        "This file is animated; its first picture is used.",
        "Save another picture of it to use that.",
    ),
    "photo_first_page": (
        "This file holds several pictures; the first is used.",
        "Save another one of them to use that.",
    ),
    "photo_transparent": (
        "Parts of this photo are transparent; they are shown white.",
        "Add a background of your own.",
    ),
    "photo_icc_ignored": (
        "The colour profile of this photo is damaged or does not fit; the colours may be off.",
        "Save the photo again as sRGB.",
    ),
    "photo_cmyk_guessed": (
        "This photo is in printing colours without a profile; the colours may be off.",
        "Save the photo again as sRGB.",
    ),
    "photo_exif_broken": (
        "The camera data of this photo is damaged; it may lie on its side.",
        "Turn the photo upright and save it again.",
    ),
}


def load_photo(source: Path | bytes, *, seconds: float = 5.0) -> Photo:
    """Reads one photo, decoded in a confined child process, as upright sRGB pixels without any metadata.

    JPEG, PNG, WebP, TIFF and BMP, GIF where it holds one picture, AVIF where Pillow has it, HEIC with the extra ``heic``;
    magic bytes decide. At most 40 MB and 50 megapixels. EXIF orientation and ICC profile are applied, transparency is laid
    on white, animations give their first picture; what should be said about that stands in ``notices``.

    ``seconds`` limits the wall time. Raises MediaError (codes ``file_*`` and ``photo_*`` of
    :mod:`photoplay.media.refusals`).
    """
    with open_source(source, MAX_BYTES, "photo") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise refusal("photo_too_many_bytes")
    kind = photo_format(data[:HEAD]) or still_format(data[:HEAD])
    if kind is None:
        raise refusal(why_not_a_photo(data[:HEAD]))
    digest = hashlib.sha256(data).hexdigest()
    arguments = [kind, str(ceil(seconds) + 1)]
    # A copy in memory: the file could change between the digest and the decoding.
    with spooled(data) as file, decoder("decode_photo", arguments, file, "photo", seconds) as child:
        header = child.header()
        pixels = np.empty(_checked_shape(header), np.uint8)
        child.body_into(pixels.data.cast("B"))
    codes = header.get("notices", [])
    notices = tuple(Notice(code, *_NOTICES[code]) for code in codes if code in _NOTICES)
    return Photo(pixels, digest, kind, notices)


def _checked_shape(header: dict[str, Any]) -> tuple[int, int, int]:
    width, height = header.get("width"), header.get("height")
    if not (isinstance(width, int) and isinstance(height, int) and 0 < width * height <= MAX_PIXELS and width > 0):
        raise refusal("photo_broken")
    return height, width, 3


def resize_photo(photo: Photo, max_side: int) -> Photo:
    """The photo with its longer side at most ``max_side`` pixels (never enlarged); digest and notices stay.

    Lanczos over the whole source area, so nothing aliases.
    """
    if max_side < 1:
        raise ValueError("max_side must be at least 1")
    longest = max(photo.width, photo.height)
    if longest <= max_side:
        return photo
    scale = max_side / longest
    size = max(1, round(photo.width * scale)), max(1, round(photo.height * scale))
    image = Image.fromarray(photo.pixels).resize(size, Image.Resampling.LANCZOS)
    return Photo(np.asarray(image).copy(), photo.sha256, photo.format, photo.notices)


_SAVERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {"compress_level": 6}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 92, "method": 4}),
}


def check_image_name(path: Path) -> None:
    """Refuses a name that no picture can have. Raises MediaError ``image_format_unknown``."""
    if path.suffix.lower() not in _SAVERS:
        raise MediaError("image_format_unknown", "Pictures are saved as PNG, JPEG or WebP.", "End the name in .png.")


def save_image(rgb: Rgb, path: Path) -> None:
    """Writes a still without metadata as PNG, JPEG or WebP (by the name's ending); the file appears whole or not at all.

    Raises MediaError ``image_format_unknown`` or ``image_not_written``.
    """
    check_image_name(path)
    image_format, options = _SAVERS[path.suffix.lower()]
    try:
        descriptor, name = tempfile.mkstemp(prefix=".photoplay-", suffix=path.suffix, dir=path.parent)
    except OSError:
        raise _not_written() from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            Image.fromarray(rgb).save(file, image_format, **options)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError:
        raise _not_written() from None
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _not_written() -> MediaError:
    return MediaError("image_not_written", "The picture could not be written.", "Check the folder and the free space.")
