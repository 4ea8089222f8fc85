"""Does the face do what the track says? Landmarks found again in the film, lids that shall be closed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from photoplay.topology import (
    ARKIT_INDEX,
    FACE_OVAL,
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
    inter_ocular,
)
from photoplay.types import Array, Box, Face, Label, Landmarks, MotionTrack

STABLE = tuple(index for index in range(468) if index not in set(FACE_OVAL))
"""Mesh points that a detector finds by what is there; the oval slides along the cheek as the head turns."""
CLOSED = 0.98
"""Blink (share of full closure) from which a lid shall leave no eye open."""


def landmark_error(wanted: Landmarks, found: Landmarks) -> float:
    """Mean distance in the image over the stable points, as a share of the inter-ocular distance."""
    stable = list(STABLE)
    apart = np.linalg.norm((wanted - found)[stable, :2], axis=1)
    return float(apart.mean()) / max(inter_ocular(wanted), 1e-6)


def landmark_box(landmarks: Landmarks) -> Box:
    """The box around the mesh points."""
    x0, y0 = (float(side) for side in landmarks[:468, :2].min(axis=0))
    x1, y1 = (float(side) for side in landmarks[:468, :2].max(axis=0))
    return (x0, y0, x1 + 1, y1 + 1)


def same_face(wanted: Landmarks, face: Face) -> bool:
    """Whether a found face stands where it should: its middle within half the inter-ocular distance."""
    apart = wanted[:468, :2].mean(axis=0) - face.landmarks[:468, :2].mean(axis=0)
    return float(np.linalg.norm(apart)) < 0.5 * inter_ocular(wanted)


class LidMeter:
    """How much of the eyes stays open where the track closes them, from the labels of the frames."""

    def __init__(self, track: MotionTrack) -> None:
        blink = track.blendshapes[:, [ARKIT_INDEX["eyeBlinkRight"], ARKIT_INDEX["eyeBlinkLeft"]]]
        at_rest = track.rest_blendshapes[[ARKIT_INDEX["eyeBlinkRight"], ARKIT_INDEX["eyeBlinkLeft"]]]
        self._closed: Bool[Array, "f 2"] = (blink >= CLOSED) & (at_rest < 0.5)
        self.open_share: list[float] = []
        """Share of the eye's area at rest that is still seen, once for each lid and picture that shall be closed."""

    def see(self, frame: int, labels: UInt8[Array, "h w"], landmarks: Landmarks, rest: Landmarks) -> None:
        """``landmarks`` of this frame and at ``rest``, both in frame space."""
        for side, (upper, lower) in enumerate(((RIGHT_EYE_UPPER, RIGHT_EYE_LOWER), (LEFT_EYE_UPPER, LEFT_EYE_LOWER))):
            if not self._closed[frame, side]:
                continue
            ring = [*upper, *reversed(lower[1:-1])]
            area = _area(rest[ring, :2])
            if area < 12:
                continue
            x0, y0 = np.floor(landmarks[ring, :2].min(axis=0) - 0.15 * area**0.5).astype(int)
            x1, y1 = np.ceil(landmarks[ring, :2].max(axis=0) + 0.15 * area**0.5).astype(int) + 1
            seen = labels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] == Label.EYE
            self.open_share.append(float(seen.sum()) / area)


def _area(ring: Float32[Array, "n 2"]) -> float:
    """Shoelace formula."""
    x, y = ring[:, 0].astype(np.float64), ring[:, 1].astype(np.float64)
    return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
