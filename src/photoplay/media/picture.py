"""A picture that somebody has in memory comes in as a file would: through the one door, within its limits."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageOps

from photoplay.errors import RequestError
from photoplay.media.photo import MAX_PIXELS, load_photo
from photoplay.media.refusals import refusal
from photoplay.types import Photo

_AS_THEY_ARE = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""Modes that a PNG keeps."""


def load_picture(image: Image.Image) -> Photo:
    """The photo that a PIL image holds, upright, in its own colours.

    Raises:
        MediaError: as :func:`photoplay.media.load_photo`.   RequestError: ``photo_unusable``.
    """
    if image.width * image.height > MAX_PIXELS:
        raise refusal("photo_too_many_pixels")
    file = BytesIO()
    try:
        upright = ImageOps.exif_transpose(image)
        kept = upright.mode in _AS_THEY_ARE
        profile = image.info.get("icc_profile") if kept else None  # another mode's describes other colours
        (upright if kept else upright.convert("RGB")).save(file, "PNG", compress_level=1, icc_profile=profile)
    except (OSError, SyntaxError, ValueError) as error:  # it may be read from its file only now
        raise unusable() from error
    return load_photo(file.getvalue())


def unusable() -> RequestError:
    """What was given is no photo in any form that is read here."""
    return RequestError(
        "photo_unusable",
        "A photo cannot be given like that.",
        "Give a file, its bytes, a PIL image, or an array of uint8 [height, width, 3] in RGB.",
    )
