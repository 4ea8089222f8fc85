"""The last step of the composite, compiled by numba. See ``composite`` for the contract."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from photoplay.types import Array


@njit(cache=True, nogil=True, parallel=True)
def lay(anchor: Array, made: Array, weight: Array, person: Array, matrix: Array, light: Array, out: Array) -> None:
    """``out`` = anchor + weight * (matrix made + light - anchor), byte by byte the anchor where the weight is 0.

    anchor, made, out [h, w, 3], weight, person [h, w] uint8 (255 is 1); matrix [3, 4] maps grey levels; light [2, r, c, 3]
    is what is added to the background and to people, on a coarse grid.
    """
    height, width = weight.shape
    rows, columns = light.shape[1:3]
    for y in prange(height):
        v = min(max((y + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
        top = min(int(v), rows - 2)
        low = v - top
        for x in range(width):
            if weight[y, x] == 0:
                for k in range(3):
                    out[y, x, k] = anchor[y, x, k]
                continue
            u = min(max((x + 0.5) * columns / width - 0.5, 0.0), columns - 1.0)
            left = min(int(u), columns - 2)
            right = u - left
            share, one = weight[y, x] / 255.0, person[y, x] / 255.0
            for k in range(3):
                added = 0.0
                for layer in range(2):
                    part = one if layer else 1 - one
                    if part > 0:
                        field = light[layer]
                        upper = field[top, left, k] + right * (field[top, left + 1, k] - field[top, left, k])
                        lower = field[top + 1, left, k] + right * (
                            field[top + 1, left + 1, k] - field[top + 1, left, k]
                        )
                        added += part * (upper + low * (lower - upper))
                value = matrix[k, 3] + added
                for c in range(3):
                    value += matrix[k, c] * made[y, x, c]
                value = anchor[y, x, k] + share * (value - anchor[y, x, k])
                out[y, x, k] = np.uint8(min(max(np.rint(value), 0.0), 255.0))
