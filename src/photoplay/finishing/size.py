"""The film's size and the part of the photo that it shows."""

from __future__ import annotations

import re

from photoplay.errors import RequestError
from photoplay.types import Box

STANDARD: dict[str, tuple[int, int]] = {"480p": (480, 854), "720p": (720, 1280), "1080p": (1080, 1920)}
"""Short side and longest long side in pixels."""
MIN_SIDE, MAX_SIDE = 64, 4096


def plan_size(photo_width: int, photo_height: int, size: str, focus: Box | None = None) -> tuple[int, int, Box]:
    """Width and height of the film in pixels (even) and the crop of the photo (photo-space box) that fills it.

    ``480p``, ``720p`` and ``1080p`` show the whole photo in its own shape: the short side is as named, unless the long side
    would pass 854, 1280 or 1920. ``WxH`` covers that size and cuts the rest of the photo away, around the middle of
    ``focus`` (the faces) where it is given. Pixels stay square: the crop may differ from the photo by a fraction of a pixel.

    Errors: RequestError ``bad_size`` for another name, ``size_out_of_range`` for a side under 64 or over 4096.
    """
    if size in STANDARD:
        short, longest = STANDARD[size]
        scale = min(short / min(photo_width, photo_height), longest / max(photo_width, photo_height))
        width, height = _even(photo_width * scale), _even(photo_height * scale)
    else:
        width, height = _parsed(size)
    _check_sides(width, height)
    return width, height, _cover(photo_width, photo_height, width, height, focus)


def check_size(size: str) -> None:
    """Refuses what is the size of no film, whatever its photo. Errors: RequestError ``bad_size``, ``size_out_of_range``."""
    if size not in STANDARD:
        _check_sides(*_parsed(size))


def _check_sides(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE or max(width, height) > MAX_SIDE:
        raise RequestError(
            "size_out_of_range",
            f"A film of {width}x{height} pixels is not possible.",
            f"Choose sides from {MIN_SIDE} to {MAX_SIDE} pixels; a very long and narrow photo has to be cropped first.",
        )


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)


def _parsed(size: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", size.strip().lower())
    if match is None:
        raise RequestError(
            "bad_size", "This size is not known.", "Use 480p, 720p, 1080p or width x height in pixels, such as 640x480."
        )
    return int(match[1]) // 2 * 2, int(match[2]) // 2 * 2


def _cover(photo_width: int, photo_height: int, width: int, height: int, focus: Box | None) -> Box:
    """The largest box of the film's shape inside the photo, as near to the focus as it can be."""
    scale = max(width / photo_width, height / photo_height)
    crop_width, crop_height = width / scale, height / scale
    middle_x = photo_width / 2 if focus is None else (focus[0] + focus[2]) / 2
    middle_y = photo_height / 2 if focus is None else (focus[1] + focus[3]) / 2
    x0 = min(max(middle_x - crop_width / 2, 0.0), photo_width - crop_width)
    y0 = min(max(middle_y - crop_height / 2, 0.0), photo_height - crop_height)
    return (x0, y0, x0 + crop_width, y0 + crop_height)
