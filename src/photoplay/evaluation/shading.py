"""Do two people stand in one light? How light falls on both faces, and whether it changes for one of them alone.

The light on a face is read from its skin in linear light: each channel is fitted by ``c0 + k . n`` over the unit normals n
of the mesh (first-order spherical harmonics, Ramamoorthi & Hanrahan 2001) and divided by its mean over the face, so that
the skin's own colour drops out. Both fits paint a matt white ball.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float64

from photoplay.light import ball, picture_difference, to_linear
from photoplay.topology import skin_triangles
from photoplay.types import Array, Landmarks, Rgb

FACING, FEW = -0.2, 60
"""z of a normal from which skin counts as seen; fewer triangles tell nothing."""
RIDGE, ROUNDS = 0.02, 3
"""Weight of an even light in the fit, and how often outliers (beards, spectacles, shines) are weighed down."""
DARK = 0.002
"""Linear light under which there is no colour to compare."""


def shading_difference(a: Float64[Array, "4 3"], b: Float64[Array, "4 3"]) -> float:
    """Percent: :func:`photoplay.light.picture_difference` of the two balls."""
    one, other = (np.maximum(light[0] + ball() @ light[1:], 0) for light in (a, b))
    return picture_difference(one, other)


def face_shading(picture: Rgb, landmarks: Landmarks) -> Float64[Array, "4 3"] | None:
    """``c0`` and ``k`` of each channel for a face (frame space); None where too little skin is seen."""
    normals, colours, seen = _skin(picture, landmarks)
    seen &= normals[:, 2] < FACING
    if np.count_nonzero(seen) < FEW:
        return None
    level = np.median(colours[seen], axis=0)
    if level.min() < DARK:
        return None
    design, wanted = np.column_stack([np.ones(int(seen.sum())), normals[seen]]), colours[seen] / level
    ridge = np.diag([0.0, 1.0, 1.0, 1.0]) * RIDGE * len(wanted)
    weights = np.ones(len(wanted))
    fitted = np.zeros((4, 3))
    for _ in range(ROUNDS):
        weighted = design * weights[:, None]
        fitted = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ wanted)
        off = np.abs(wanted - design @ fitted).max(axis=1)
        weights = 1 / (1 + (off / max(2.97 * float(np.median(off)), 1e-4)) ** 2)
    return np.asarray(fitted / (design @ fitted).mean(axis=0), np.float64)


def brightening(
    now: Rgb, landmarks: Landmarks, photo: Rgb, rest: Landmarks, shown: Bool[Array, "h w"] | None = None
) -> Float64[Array, 3] | None:
    """By how many stops each channel of a face's skin is lighter than in the framed photo, where it is seen in both.

    ``shown`` says where the frame shows this person. None where too little skin is seen.
    """
    _, colours, seen = _skin(now, landmarks, shown)
    _, before, seen_before = _skin(photo, rest)
    both = seen & seen_before
    if np.count_nonzero(both) < FEW:
        return None
    means = [np.maximum(values[both].mean(axis=0), DARK) for values in (colours, before)]
    return np.asarray(np.log2(means[0] / means[1]), np.float64)


def _skin(
    picture: Rgb, landmarks: Landmarks, shown: Bool[Array, "h w"] | None = None
) -> tuple[Float64[Array, "t 3"], Float64[Array, "t 3"], Bool[Array, t]]:
    """Unit normals and linear colours of the skin triangles, and which of them face the camera inside the picture."""
    corners = landmarks[skin_triangles()].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-9)[:, None]
    middles = corners.mean(axis=1)[:, :2].astype(np.float32)
    height, width = picture.shape[:2]
    seen = (normals[:, 2] < 0) & (middles >= 0).all(axis=1) & (middles[:, 0] < width) & (middles[:, 1] < height)
    if shown is not None:
        at = middles.round().astype(int)
        seen &= shown[np.clip(at[:, 1], 0, height - 1), np.clip(at[:, 0], 0, width - 1)]
    if not seen.any():
        return normals, np.zeros((len(normals), 3)), np.asarray(seen, bool)
    size = max(1, round(float(np.ptp(landmarks[:468, 1])) / 60)) * 2 + 1
    x0, y0 = np.maximum(0, middles[seen].min(axis=0).astype(int) - size)
    x1, y1 = middles[seen].max(axis=0).astype(int) + size + 1
    patch = cv2.blur(picture[y0:y1, x0:x1], (size, size))
    taken = cv2.remap(
        patch, middles[None, :, 0] - np.float32(x0), middles[None, :, 1] - np.float32(y0), cv2.INTER_LINEAR
    )
    return normals, to_linear(taken[0]), np.asarray(seen, bool)
