"""The z-buffer on a CPU, compiled: the same result as :mod:`photoplay.training.synthetic.raster` gives with torch."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numba import njit

from photoplay.types import Array


@njit(cache=True, nogil=True)
def _texel(uv, t, a, b, c, offset, height, width):  # type: ignore[no-untyped-def]  # numba infers the types
    u = a * uv[t, 0, 0] + b * uv[t, 1, 0] + c * uv[t, 2, 0]
    v = a * uv[t, 0, 1] + b * uv[t, 1, 1] + c * uv[t, 2, 1]
    column = min(max(int(u * width), 0), width - 1)
    row = min(max(int((np.float32(1.0) - v) * height), 0), height - 1)
    return offset + row * width + column


@njit(cache=True, nogil=True)
def draw(  # type: ignore[no-untyped-def]
    screen, triangles, both_sides, holes, uv, alpha, size
) -> tuple[Array, Array]:
    """Which triangle each pixel shows, and its inverse depth (0 where there is none).

    screen [v, 3] float32 pixel x, pixel y, inverse depth; triangles [t, 3]; both_sides [t] bool; holes [t, 3] int32 offset,
    height and width of the triangle's texture in ``alpha`` [n] (offset -1: no holes); uv [t, 3, 2]; size (height, width).
    """
    height, width = size
    shown = np.full((height, width), -1, np.int32)
    nearest = np.zeros((height, width), np.float32)
    for t in range(triangles.shape[0]):
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, w0 = screen[i, 0], screen[i, 1], screen[i, 2]
        x1, y1, w1 = screen[j, 0], screen[j, 1], screen[j, 2]
        x2, y2, w2 = screen[k, 0], screen[k, 1], screen[k, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or (area > 0 and not both_sides[t]) or min(w0, w1, w2) <= 0:
            continue
        left, right = max(ceil(min(x0, x1, x2)), 0), min(floor(max(x0, x1, x2)), width - 1)
        top, bottom = max(ceil(min(y0, y1, y2)), 0), min(floor(max(y0, y1, y2)), height - 1)
        if left > right or top > bottom:
            continue
        scale = np.float32(1.0) / area
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                a = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) * scale
                b = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) * scale
                c = np.float32(1.0) - a - b
                if a < 0 or b < 0 or c < 0:
                    continue
                w = a * w0 + b * w1 + c * w2
                if w <= nearest[y, x]:
                    continue
                if holes[t, 0] >= 0:
                    at = _texel(uv, t, a * w0 / w, b * w1 / w, c * w2 / w, holes[t, 0], holes[t, 1], holes[t, 2])
                    if alpha[at] < np.float32(0.5):
                        continue
                nearest[y, x] = w
                shown[y, x] = t
    return shown, nearest
