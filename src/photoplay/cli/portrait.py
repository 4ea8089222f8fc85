"""The photo that the demo and the gallery use when none is named."""

from __future__ import annotations

import hashlib

from photoplay.errors import UnavailableError
from photoplay.types import Photo, Rgb


def portrait() -> Photo:
    """scikit-image's portrait of the astronaut Eileen Collins (NASA, public domain), 512 x 512.

    Raises:
        UnavailableError: the extra ``demo`` is not installed.
    """
    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise UnavailableError(
            "demo_photo_missing",
            "The demo's own photo comes with the extra 'demo', which is not installed.",
            "Install photoplay[demo], or name a photo of your own.",
        ) from error
    pixels: Rgb = astronaut()  # type: ignore[no-untyped-call]
    return Photo(pixels, hashlib.sha256(pixels.tobytes()).hexdigest(), "array")
