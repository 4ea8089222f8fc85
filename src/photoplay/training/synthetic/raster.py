"""Which triangle each pixel shows: a z-buffer in NumPy + numba."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Int32

from photoplay.generation.backends.pocket import guide_kernels
from photoplay.training.synthetic import raster_kernels
from photoplay.training.synthetic.sitter import Sitter
from photoplay.types import Array


def draw(
    sitter: Sitter, screen: Float32[Array, "n 3"], height: int, width: int
) -> tuple[Int32[Array, "h w"], Float32[Array, "h w"]]:
    """Triangle ids [h, w] (-1: none) and inverse depth [h, w] of projected vertices (pixel x, pixel y, 1 / depth)."""
    shown, nearest = raster_kernels.draw(
        screen, sitter.triangles, sitter.both_sides, sitter.holes, sitter.uv, sitter.alpha, (height, width)
    )
    return shown, nearest


def vertex_normals(vertices: Float32[Array, "n 3"], triangles: Int32[Array, "t 3"]) -> Float32[Array, "n 3"]:
    """Unit normals, the triangles' own weighted by area; out of the head, whose y is up (the guide's is down)."""
    inwards = np.empty(vertices.shape, np.float32)
    guide_kernels.vertex_normals(vertices, triangles, inwards)
    return -inwards
