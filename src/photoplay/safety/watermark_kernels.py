"""Per-pixel loops of the watermark, compiled by numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array


@njit(cache=True, nogil=True)
def _cells_of(pixels: int, cell: float, first: float, count: int) -> tuple[Array, Array]:
    """For each pixel of a side: the cell whose centre lies before it, and how far it lies towards the next (0..1).

    ``first`` is where the centre of cell 0 lies, in pixels; pixels before the first and after the last centre belong to
    these alone.
    """
    before = np.empty(pixels, np.int32)
    share = np.empty(pixels, np.float32)
    for x in range(pixels):
        at = min(max((x + 0.5 - first) / cell, 0.0), count - 1.0)
        before[x] = min(int(at), count - 2)
        share[x] = at - before[x]
    return before, share


@njit(cache=True, nogil=True, fastmath=True)
def gather(luma: Array, cell: Array, first: Array, rows: int, columns: int) -> Array:
    """Mean and mean square [2, rows, columns] float32 of ``luma`` [h, w] under a tent two cells wide at each cell's centre.

    ``cell`` and ``first`` [2] are the height and width of a cell and where the first centre lies, in pixels.
    """
    height, width = luma.shape
    over, down = _cells_of(height, cell[0], first[0], rows)
    left, right = _cells_of(width, cell[1], first[1], columns)
    tall = np.zeros((2, rows, width), np.float32)
    mass = np.zeros(rows, np.float32)
    for y in range(height):
        i, t = over[y], down[y]
        u = np.float32(1.0) - t
        mass[i] += u
        mass[i + 1] += t
        for x in range(width):
            value = np.float32(luma[y, x])
            tall[0, i, x] += u * value
            tall[0, i + 1, x] += t * value
            tall[1, i, x] += u * value * value
            tall[1, i + 1, x] += t * value * value
    out = np.zeros((2, rows, columns), np.float32)
    across = np.zeros(columns, np.float32)
    for x in range(width):
        across[left[x]] += np.float32(1.0) - right[x]
        across[left[x] + 1] += right[x]
    for k in range(2):
        for i in range(rows):
            for x in range(width):
                value = tall[k, i, x]
                out[k, i, left[x]] += (np.float32(1.0) - right[x]) * value
                out[k, i, left[x] + 1] += right[x] * value
            for j in range(columns):
                out[k, i, j] /= max(mass[i] * across[j], np.float32(1e-6))
    return out


@njit(cache=True, nogil=True, fastmath=True)
def add(rgb: Array, pattern: Array, cell: Array, first: Array, out: Array) -> None:
    """``out`` = rgb + pattern, the pattern [rows, columns] float32 read bilinearly between the cells' centres.

    Fractions are dithered by a fixed pattern (the golden additive recurrence in two dimensions: Roberts, "The unreasonable
    effectiveness of quasirandom sequences", 2018), so that a share of a level leaves no contours and a still stays still.
    """
    height, width = rgb.shape[:2]
    over, down = _cells_of(height, cell[0], first[0], pattern.shape[0])
    left, right = _cells_of(width, cell[1], first[1], pattern.shape[1])
    wide = np.empty((pattern.shape[0], width), np.float32)
    for i in range(pattern.shape[0]):
        for x in range(width):
            one = pattern[i, left[x]]
            wide[i, x] = one + right[x] * (pattern[i, left[x] + 1] - one)
    for y in range(height):
        i, t = over[y], down[y]
        for x in range(width):
            dither = np.float32((x * 49472 + y * 37345) & 65535) * np.float32(1.0 / 65536.0)
            change = np.int32(np.floor(wide[i, x] + t * (wide[i + 1, x] - wide[i, x]) + dither))
            for k in range(3):
                out[y, x, k] = min(max(np.int32(rgb[y, x, k]) + change, 0), 255)
