"""Head rotation, openings and visibility, read from the 478 landmarks alone."""

from __future__ import annotations

from functools import cache
from math import asin, atan2, degrees

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from photoplay import topology
from photoplay.types import Array, HeadPose, Landmarks

# Rigid points of the right half and the midline of a face that looks straight ahead: x, y, z in inter-ocular distances
# from the nasion (168), photo-space axes. Chin, lips, brows and cheeks are left out: they move.
# Measured by this module's own alignment: the median over eight people's meshes, made symmetric; pitch is 0 where the line
# from forehead to chin is upright.
_RIGID: dict[int, tuple[float, float, float]] = {
    10: (0.00, -0.76, 0.14),
    151: (0.00, -0.51, 0.05),
    9: (0.00, -0.26, 0.00),
    168: (0.00, 0.00, 0.00),
    6: (0.00, 0.13, -0.08),
    195: (0.00, 0.33, -0.27),
    4: (0.00, 0.56, -0.42),
    2: (0.00, 0.79, -0.15),
    33: (-0.72, 0.10, 0.36),
    133: (-0.28, 0.12, 0.26),
    127: (-1.12, 0.23, 1.14),
    234: (-1.11, 0.47, 1.19),
    162: (-1.11, -0.01, 1.00),
    21: (-1.05, -0.23, 0.81),
    54: (-0.95, -0.44, 0.63),
    103: (-0.79, -0.60, 0.44),
    67: (-0.55, -0.70, 0.27),
    98: (-0.27, 0.76, -0.02),
    129: (-0.33, 0.66, 0.05),
    188: (-0.15, 0.22, 0.01),
}


@cache
def _frontal_shape() -> tuple[Array, Float64[Array, "n 3"]]:
    """Indices and frontal positions of the rigid points, both halves."""
    mirror = topology.face_mirror()
    index, shape = [], []
    for point, (x, y, z) in _RIGID.items():
        index.append(point)
        shape.append((x, y, z))
        if int(mirror[point]) != point:
            index.append(int(mirror[point]))
            shape.append((-x, y, z))
    return np.array(index), np.array(shape, np.float64)


def rotation_angles(rotation: Float64[Array, "3 3"]) -> HeadPose:
    """Yaw, pitch, roll of a rotation: the inverse of :meth:`photoplay.types.HeadPose.matrix`."""
    return HeadPose(
        yaw=-degrees(atan2(-rotation[2, 0], rotation[2, 2])),
        pitch=-degrees(asin(float(np.clip(rotation[2, 1], -1.0, 1.0)))),
        roll=degrees(atan2(-rotation[0, 1], rotation[1, 1])),
    )


def head_rotation(landmarks: Landmarks) -> Float64[Array, "3 3"]:
    """Rotation from the frontal shape to these landmarks: least squares over the rigid points (Kabsch 1976)."""
    index, shape = _frontal_shape()
    seen = landmarks[index].astype(np.float64)
    u, _, vt = np.linalg.svd((seen - seen.mean(0)).T @ (shape - shape.mean(0)))
    rotation: Array = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
    return rotation


def head_pose(landmarks: Landmarks) -> HeadPose:
    """Yaw, pitch and roll in degrees."""
    return rotation_angles(head_rotation(landmarks))


def openings(landmarks: Landmarks) -> tuple[tuple[float, float], float]:
    """((left eye, right eye), mouth): gap over width, measured along the face's own vertical so that turning the head
    or a lid's depth does not count as opening."""
    frontal = landmarks.astype(np.float64) @ head_rotation(landmarks)

    def gap(upper: tuple[int, ...], lower: tuple[int, ...], middle: slice) -> float:
        width = float(np.linalg.norm(frontal[upper[0]] - frontal[upper[-1]]))
        rise = frontal[list(lower[middle]), 1] - frontal[list(upper[middle]), 1]
        return max(0.0, float(rise.mean()) / max(width, 1e-6))

    left = gap(topology.LEFT_EYE_UPPER, topology.LEFT_EYE_LOWER, slice(3, 6))
    right = gap(topology.RIGHT_EYE_UPPER, topology.RIGHT_EYE_LOWER, slice(3, 6))
    inner = frontal[14, 1] - frontal[13, 1]
    width = float(np.linalg.norm(frontal[291] - frontal[61]))
    return (left, right), max(0.0, float(inner) / max(width, 1e-6))


def vertex_normals(landmarks: Landmarks) -> Float32[Array, "468 3"]:
    """Unit normals of the mesh points, out of the face (z < 0 faces the camera), area-weighted over triangles."""
    points = landmarks[:468].astype(np.float32)
    triangles = topology.face_triangles()
    corners = points[triangles]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(points)
    for corner in range(3):
        np.add.at(normals, triangles[:, corner], facing)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return normals


def visibility(landmarks: Landmarks, width: int, height: int) -> Float32[Array, 478]:
    """0..1 per landmark: faces the camera, is not behind another part of the face, lies inside the photo."""
    facing = np.clip(-vertex_normals(landmarks)[:, 2] / 0.25 + 0.4, 0.0, 1.0)
    seen = np.ones(478, np.float32)
    seen[:468] = facing * _unhidden(landmarks)
    (left, right), _ = openings(landmarks)
    for iris, corners, opening in (
        (topology.RIGHT_IRIS, (33, 133), right),
        (topology.LEFT_IRIS, (263, 362), left),
    ):
        seen[list(iris)] = seen[list(corners)].min() * np.clip((opening - 0.04) / 0.08, 0.0, 1.0)
    x, y = landmarks[:, 0], landmarks[:, 1]
    inside = (x >= -0.5) & (y >= -0.5) & (x < width - 0.5) & (y < height - 0.5)
    return (seen * inside).astype(np.float32)


def _unhidden(landmarks: Landmarks, size: int = 96) -> Float32[Array, 468]:
    """1 where no nearer part of the face covers the point: triangles painted from far to near into a small depth map."""
    points = landmarks[:468].astype(np.float32)
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    scale = (size - 5) / max(float((high - low).max()), 1e-6)
    flat = (points[:, :2] - low) * scale + 2
    triangles = topology.face_triangles()
    depths = points[triangles, 2].mean(1)
    depth_map = np.full((size, size), np.inf, np.float32)
    corners = np.round(flat[triangles] * 16).astype(np.int32)
    for triangle in np.argsort(-depths):
        cv2.fillConvexPoly(depth_map, corners[triangle], (float(depths[triangle]),), shift=4)
    column, row = np.round(flat).astype(int).T
    behind = points[:, 2] - depth_map[row, column]
    width = float(np.ptp(points[:, 0]))
    shown: Array = np.clip(2.0 - behind / (0.06 * width), 0.0, 1.0).astype(np.float32)
    return shown
