"""The face's surface as numbers, compiled. See ``guide`` for the contracts."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array

TINY = np.float32(1e-12)


@njit(cache=True, nogil=True)
def vertex_normals(points: Array, triangles: Array, out: Array) -> None:
    """Area-weighted unit normals of ``points`` [n, 3] in ``out`` [n, 3], out of the face: z < 0 is the camera's side."""
    out[:] = 0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uz * vy - uy * vz, ux * vz - uz * vx, uy * vx - ux * vy
        for k in (a, b, c):
            out[k, 0] += nx
            out[k, 1] += ny
            out[k, 2] += nz
    for k in range(points.shape[0]):
        length = np.sqrt(out[k, 0] ** 2 + out[k, 1] ** 2 + out[k, 2] ** 2)
        if length > TINY:
            for axis in range(3):
                out[k, axis] /= length


@njit(cache=True, nogil=True)
def to_planes(maps: Array, normals: int, out: Array) -> None:
    """Moves ``maps`` [h, w, c + 1] into ``out`` [c, h, w]; its first ``normals`` threes become unit vectors again."""
    for y in range(maps.shape[0]):
        for x in range(maps.shape[1]):
            if not np.isfinite(maps[y, x, out.shape[0]]):
                for k in range(out.shape[0]):
                    out[k, y, x] = 0
                continue
            for k in range(0, out.shape[0], 3):
                scale = np.float32(1)
                if k < 3 * normals:
                    length = np.sqrt(maps[y, x, k] ** 2 + maps[y, x, k + 1] ** 2 + maps[y, x, k + 2] ** 2)
                    scale = np.float32(1) / max(length, np.float32(1e-6))
                for axis in range(k, k + 3):
                    out[axis, y, x] = maps[y, x, axis] * scale
