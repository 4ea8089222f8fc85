"""The subject's face in canonical units: head pose and scale removed, with the regions that muscles need to know.

Canonical units are those of :mod:`photoplay.motion.muscles`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from photoplay.motion.muscles import Points, Weights
from photoplay.topology import (
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    LIPS_OUTER_LOWER,
    LIPS_OUTER_UPPER,
    face_mirror,
    inter_ocular,
)
from photoplay.types import Array, Face

UPPER_LIP_ROWS: tuple[tuple[int, ...], ...] = (
    LIPS_INNER_UPPER,
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306),
    LIPS_OUTER_UPPER,
)
LOWER_LIP_ROWS: tuple[tuple[int, ...], ...] = (
    LIPS_INNER_LOWER,
    (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292),
    (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306),
    LIPS_OUTER_LOWER,
)
"""From the inner border outwards, each from the subject's right corner to the left one."""
CORNERS = (61, 291)
FLIP = np.array([1.0, -1.0, -1.0])

NEUTRAL_MOUTH_WIDTH = 0.80
"""Mouth width over inter-ocular distance of a face at rest; the mean of anthropometric tables (50 mm to 62 mm)."""


@dataclass(frozen=True)
class CanonicalFace:
    """``points`` are the subject's landmarks in canonical units, ``even`` the same face made symmetric.

    Muscle fields are worked out on ``even``: FaceMesh's depth is noisy, most of all on the far cheek of a turned head,
    and each side corrects the other. ``axes`` maps canonical vectors to photo space (columns, in pixels).
    """

    points: Points
    even: Points
    axes: Float64[Array, "3 3"]
    origin: Float64[Array, 3]

    @classmethod
    def of(cls, face: Face) -> CanonicalFace:
        landmarks = face.landmarks.astype(np.float64)
        origin = landmarks[[33, 133, 263, 362]].mean(axis=0)
        axes = face.head_pose.matrix().astype(np.float64) * FLIP * inter_ocular(face.landmarks)
        points = (landmarks - origin) @ np.linalg.inv(axes).T
        mirrored = points[face_mirror()] * np.array([-1.0, 1.0, 1.0])
        return cls(points, (points + mirrored) / 2, axes, origin)

    def to_photo(self, offsets: Float64[Array, "*n 3"]) -> Float64[Array, "*n 3"]:
        """Canonical offsets as photo-space offsets in pixels."""
        return offsets @ self.axes.T


def lower_share(points: Points) -> Weights:
    """How far each point belongs to the lower lip's side of the mouth: 1 below the mouth line, 0 above."""
    corner = points[list(CORNERS)].mean(axis=0)
    share: Array = np.clip(0.5 + (corner[1] - points[:, 1]) / 0.30, 0.0, 1.0)
    share = share * share * (3 - 2 * share)
    column = np.abs(np.linspace(-1.0, 1.0, 11))
    edge = np.clip((column - 0.55) / 0.45, 0.0, 1.0) ** 2 * 0.5
    for rows, sign in ((UPPER_LIP_ROWS, 1.0), (LOWER_LIP_ROWS, -1.0)):
        for row in rows:
            share[list(row)] = edge if sign > 0 else 1.0 - edge
    return share
