"""Signs of a broken film: empty or frozen pictures, lost sharpness, too many faces or too few."""

from __future__ import annotations

import cv2
import numpy as np

from photoplay.types import Array, Box, Rgb

EMPTY_SPREAD = 2.0
"""Grey levels of standard deviation under which a picture shows nothing."""


def spread(picture: Rgb) -> float:
    """Standard deviation of the picture's brightness, from every fourth pixel."""
    size = (-(-picture.shape[1] // 4), -(-picture.shape[0] // 4))
    thin = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
    return float(cv2.meanStdDev(cv2.cvtColor(thin, cv2.COLOR_RGB2GRAY))[1][0, 0])


def is_empty(picture: Rgb, photo_spread: float) -> bool:
    """Black, white or one colour although the photo is not: less than a tenth of the photo's contrast is left."""
    return spread(picture) < min(EMPTY_SPREAD, 0.1 * photo_spread)


def is_frozen(picture: Rgb, before: Rgb) -> bool:
    """Whether the picture repeats the one before, but for rounding."""
    step = max(1, picture.shape[0] // 16)
    if int(cv2.absdiff(picture[step // 2 :: step], before[step // 2 :: step]).max()) > 1:
        return False  # a few rows tell, mostly
    return cv2.norm(picture, before, cv2.NORM_INF) <= 1


def sharpness(picture: Rgb, box: Box, size: int = 96) -> float:
    """Share of fine detail in a box: standard deviation of the Laplacian over that of the brightness.

    Large boxes are shrunk to about four times ``size`` first: nobody sees pores missing. Returns 0 where the box lies
    outside the picture.
    """
    height, width = picture.shape[:2]
    x0, y0 = max(0, round(box[0])), max(0, round(box[1]))
    x1, y1 = min(width, round(box[2])), min(height, round(box[3]))
    if x1 - x0 < 8 or y1 - y0 < 8:
        return 0.0
    patch: Array = cv2.cvtColor(np.ascontiguousarray(picture[y0:y1, x0:x1]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    shrink = max(1.0, min(patch.shape) / (4 * size))
    if shrink > 1:
        patch = cv2.resize(patch, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(patch, cv2.CV_32F).std()) / (float(patch.std()) + 1.0)


def count_difference(expected: int, found: int) -> tuple[int, int]:
    """Faces missing (merged or melted) and faces too many."""
    return max(0, expected - found), max(0, found - expected)
