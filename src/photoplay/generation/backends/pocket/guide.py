"""The face's geometry as planes: which way its surface points, which way it pointed in the photo, where on the face it is.

Normals point out of the face in photo-space axes (x right, y down, z away from the camera), so skin that is seen has
z < 0, and ``normal @ Light.direction`` is the cosine of Lambert's law.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float32, Int32

from photoplay.generation.backends.pocket import guide_kernels
from photoplay.generation.mesh import face_height, visible_triangles
from photoplay.generation.raster import empty_maps, rasterise
from photoplay.topology import (
    LEFT_EYE_LOWER,
    LEFT_EYE_UPPER,
    LIPS_INNER_LOWER,
    LIPS_INNER_UPPER,
    RIGHT_EYE_LOWER,
    RIGHT_EYE_UPPER,
)
from photoplay.types import Array, Landmarks

MESH_POINTS = 468


@cache
def closed_triangles() -> Int32[Array, "m 3"]:
    """The face's visible triangles and strips over the mouth and the eyes, all front-facing for the rasteriser."""
    strips = [visible_triangles()]
    for upper, lower in (
        (LIPS_INNER_UPPER, LIPS_INNER_LOWER),
        (RIGHT_EYE_UPPER, RIGHT_EYE_LOWER),
        (LEFT_EYE_UPPER[::-1], LEFT_EYE_LOWER[::-1]),
    ):
        u, v = np.array(upper), np.array(lower)
        strips += [np.stack([u[:-1], u[1:], v[:-1]], 1), np.stack([u[1:], v[1:], v[:-1]], 1)]
    triangles = np.ascontiguousarray(np.concatenate(strips), np.int32)
    triangles.setflags(write=False)
    return triangles


def vertex_normals(landmarks: Landmarks) -> Float32[Array, "478 3"]:
    """Smooth unit normals of the mesh (the mean of the triangles around, by area); 0 at the irises, which have no mesh."""
    normals = np.empty(landmarks.shape, np.float32)
    guide_kernels.vertex_normals(landmarks, closed_triangles(), normals)
    return normals


def face_coordinates(rest: Landmarks) -> Float32[Array, "478 3"]:
    """Where each landmark lies on the resting face: from the mesh's middle, in face heights (about -0.7..0.7)."""
    middle = rest[:MESH_POINTS].mean(axis=0)
    coordinates: Array = (rest - middle) / np.float32(face_height(rest))
    return coordinates


def guide_planes(landmarks: Landmarks, rest: Landmarks, size: int) -> Float32[Array, "9 s s"]:
    """Draws normal now, rest normal and face coordinates; 0 where there is no face.

    ``landmarks`` are in pixels of the planes (z in the same unit, smaller is nearer: a turned head hides its far cheek),
    ``rest`` in any unit.
    """
    values = np.concatenate([vertex_normals(landmarks), vertex_normals(rest), face_coordinates(rest)], axis=1)
    return _drawn(landmarks, values, 2, size)


def rest_planes(rest: Landmarks, size: int) -> Float32[Array, "6 s s"]:
    """Draws normal and face coordinates of the photo itself; ``rest`` is in pixels of the planes."""
    return _drawn(rest, np.concatenate([vertex_normals(rest), face_coordinates(rest)], axis=1), 1, size)


def _drawn(points: Landmarks, values: Float32[Array, "478 c"], normals: int, size: int) -> Float32[Array, "c s s"]:
    maps = empty_maps(size, size, values.shape[1])
    rasterise(points, values, closed_triangles(), maps)
    planes = np.empty((values.shape[1], size, size), np.float32)
    guide_kernels.to_planes(maps, normals, planes)
    return planes
