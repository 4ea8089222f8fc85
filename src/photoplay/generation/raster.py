"""Triangles to an inverse map. The NumPy path is the definition; the compiled path does the same, faster."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32

from photoplay.generation import raster_kernels
from photoplay.types import Array


def empty_maps(height: int, width: int, values: int) -> Float32[Array, "h w c"]:
    """A map with ``values`` channels and depth, on which nothing is drawn yet."""
    maps = np.zeros((height, width, values + 1), np.float32)
    maps[..., -1] = np.inf
    return maps


def rasterise(
    points: Float32[Array, "n 3"],
    values: Float32[Array, "n c"],
    triangles: Int32[Array, "m 3"],
    out: Float32[Array, "h w d"],
) -> None:
    """Draws front-facing triangles into ``out``: interpolated ``values``, then depth; the nearest wins.

    ``points`` are x, y in pixels of ``out`` and depth (smaller is nearer). Triangles whose signed area is not positive
    are left out. A pixel is covered when its centre lies in the triangle or on its border.
    """
    raster_kernels.rasterise(points, values, triangles, out)


def rasterise_numpy(
    points: Float32[Array, "n 3"],
    values: Float32[Array, "n c"],
    triangles: Int32[Array, "m 3"],
    out: Float32[Array, "h w d"],
) -> None:
    """The same as :func:`rasterise` in NumPy."""
    height, width = out.shape[:2]
    tolerance = raster_kernels.TOLERANCE
    for triangle in triangles:
        (ax, ay, _), (bx, by, _), (cx, cy, _) = points[triangle]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not area > tolerance:
            continue
        x0, x1 = max(0, int(np.ceil(min(ax, bx, cx)))), min(width - 1, int(np.floor(max(ax, bx, cx))))
        y0, y1 = max(0, int(np.ceil(min(ay, by, cy)))), min(height - 1, int(np.floor(max(ay, by, cy))))
        if x1 < x0 or y1 < y0:
            continue
        x = np.arange(x0, x1 + 1, dtype=np.float32)[None, :] - ax
        y = np.arange(y0, y1 + 1, dtype=np.float32)[:, None] - ay
        wb = (x * (cy - ay) + y * (ax - cx)) / area
        wc = (x * (ay - by) + y * (bx - ax)) / area
        weights = np.stack([1 - wb - wc, wb, wc], axis=-1).astype(np.float32)
        window = out[y0 : y1 + 1, x0 : x1 + 1]
        z = weights @ points[triangle, 2]
        draw = (weights >= -tolerance).all(-1) & (z < window[..., -1])
        window[draw, :-1] = (weights @ values[triangle])[draw]
        window[draw, -1] = z[draw]
