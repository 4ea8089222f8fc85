"""Does the light on the face stay? Colour at the face's points, in the film against the photo."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

from photoplay.evaluation.tracking import STABLE
from photoplay.topology import (
    LEFT_BROW,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    RIGHT_BROW,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from photoplay.types import Array, Landmarks, Rgb

_NOT_SKIN = {
    *LEFT_EYE_UPPER, *LEFT_EYE_LOWER, *RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER, *LEFT_BROW, *RIGHT_BROW,
    *LIPS_INNER_UPPER, *LIPS_INNER_LOWER, *LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER,
}  # fmt: skip
SKIN_POINTS = tuple(index for index in STABLE if index not in _NOT_SKIN)


def skin_colour(picture: Rgb, landmarks: Landmarks) -> Float32[Array, 3]:
    """Mean RGB at the face's skin points (frame space), each smoothed over a few pixels."""
    points = landmarks[list(SKIN_POINTS)]
    size = max(1, round(float(np.ptp(landmarks[:468, 1])) / 60)) * 2 + 1
    x0, y0 = np.maximum(0, np.floor(points[:, :2].min(axis=0)).astype(int) - size)
    x1, y1 = np.ceil(points[:, :2].max(axis=0)).astype(int) + size + 1
    patch = picture[y0 : max(y0 + 1, y1), x0 : max(x0 + 1, x1)]
    if not patch.size:
        return np.zeros(3, np.float32)
    colours = cv2.remap(
        cv2.blur(patch, (size, size)),
        (points[:, 0] - x0).astype(np.float32),
        (points[:, 1] - y0).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(colours.reshape(-1, 3).mean(axis=0), np.float32)


def drift(now: Float32[Array, 3], photo: Float32[Array, 3]) -> tuple[float, float]:
    """Change of luma in grey levels, and of tint: the largest change of a channel's share of the sum, in percent."""
    luma = float(np.dot(now - photo, np.array([0.2126, 0.7152, 0.0722], np.float32)))
    tint = np.abs(now / max(float(now.sum()), 1.0) - photo / max(float(photo.sum()), 1.0))
    return luma, 100 * float(tint.max())
