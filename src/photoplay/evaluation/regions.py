"""Where to look: the boxes of face, mouth and eyes in a picture, and how sharp it is there."""

from __future__ import annotations

from math import ceil, floor

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from photoplay.evaluation.tracking import landmark_box
from photoplay.topology import (
    FACE_OVAL,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from photoplay.types import Array, Box, Landmarks, Rgb

LIPS = (*LIPS_OUTER_UPPER, *LIPS_OUTER_LOWER)
EYES = (*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER, *LEFT_EYE_UPPER, *LEFT_EYE_LOWER)
HULLS: dict[str, tuple[tuple[tuple[int, ...], ...], float]] = {
    "face": ((FACE_OVAL,), 1.0),
    "mouth": ((LIPS,), 1.2),
    "eyes": (((*RIGHT_EYE_UPPER, *RIGHT_EYE_LOWER), (*LEFT_EYE_UPPER, *LEFT_EYE_LOWER)), 1.5),
}
"""Landmarks whose convex hulls make a region, and how far each hull is widened about its middle."""
MOUTH_ROOM = (0.15, 0.2)
"""Beside and above the lips, in mouth widths: the corners' folds and the skin that the lips cover when they move."""
EYE_ROOM = (0.25, 0.45)
"""Beside and above the eyes, in eye widths: the whole upper lid up to its fold, the pouch below."""
FLAT = 1.0
"""Gradient energy (squared grey levels) below which nothing is there to be sharp: about that of sensor noise."""


def face_box(landmarks: Landmarks) -> Box:
    """The box around the face's mesh points, from the brow to the chin."""
    return landmark_box(landmarks)


def mouth_box(landmarks: Landmarks) -> Box:
    """The box around the lips with a margin of skin."""
    width = float(np.linalg.norm((landmarks[291] - landmarks[61])[:2]))
    return _around(landmarks, LIPS, width, MOUTH_ROOM)


def eyes_box(landmarks: Landmarks) -> Box:
    """The box around both eyes and their lids, without the brows."""
    right, left = landmarks[133] - landmarks[33], landmarks[263] - landmarks[362]
    width = max(float(np.linalg.norm(eye[:2])) for eye in (right, left))
    return _around(landmarks, EYES, width, EYE_ROOM)


def cut(picture: Rgb, box: Box) -> UInt8[Array, "ch cw 3"]:
    """The pixels of ``picture`` inside ``box``, as far as they lie in the picture. May be empty."""
    x0, y0, x1, y1 = max(0, floor(box[0])), max(0, floor(box[1])), max(0, ceil(box[2])), max(0, ceil(box[3]))
    return np.ascontiguousarray(picture[y0:y1, x0:x1])


def hull_mask(landmarks: Landmarks, size: int, name: str) -> Bool[Array, "s s"]:
    """The pixels of a region of :data:`HULLS` in a square picture."""
    rings, wider = HULLS[name]
    mask = np.zeros((size, size), np.uint8)
    for ring in rings:
        points = landmarks[list(ring), :2]
        middle = points.mean(axis=0)
        hull = cv2.convexHull(np.rint(middle + (points - middle) * wider).astype(np.int32))
        cv2.fillConvexPoly(mask, hull, (1,))
    marked: Array = mask > 0
    return marked


def gradient_energy(picture: Rgb) -> float:
    """Mean squared length of the luma's gradient (central differences), in squared grey levels a pixel."""
    luma: Array = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    across = (luma[1:-1, 2:] - luma[1:-1, :-2]) / 2
    down = (luma[2:, 1:-1] - luma[:-2, 1:-1]) / 2
    return float(np.mean(across**2 + down**2, dtype=np.float64)) if across.size else 0.0


def sharpness(made: Rgb, truth: Rgb) -> float:
    """Gradient energy of ``made`` over that of ``truth``: 1 as sharp, below it blurred, above it ringing or noise.

    Neither blur nor ringing shall win, so compare ``abs(log2(sharpness))``, 0 at its best.
    """
    return (gradient_energy(made) + FLAT) / (gradient_energy(truth) + FLAT)


def _around(landmarks: Landmarks, points: tuple[int, ...], width: float, room: tuple[float, float]) -> Box:
    low, high = landmarks[list(points), :2].min(0), landmarks[list(points), :2].max(0)
    beside, above = room[0] * width, room[1] * width
    return (
        float(low[0]) - beside, float(low[1]) - above, float(high[0]) + beside + 1, float(high[1]) + above + 1,
    )  # fmt: skip
