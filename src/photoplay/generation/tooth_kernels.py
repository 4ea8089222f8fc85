"""Numba functions that say what stands at a point of a row of teeth: which tooth, how much of it, in what light."""

from __future__ import annotations

from math import exp

import numpy as np
from numba import njit

from photoplay.generation.eye_kernels import ramp
from photoplay.types import Array

WIDTHS = np.array([[8.6, 6.6, 7.6, 7.0, 6.8, 9.5], [5.4, 6.0, 6.9, 7.1, 7.3, 10.0]], np.float32)
_HEIGHTS = np.array([[10.3, 9.0, 10.0, 8.4, 7.6, 7.0], [8.8, 9.2, 10.0, 8.5, 8.0, 7.0]], np.float32)
_OFFSETS = np.array([[0.0, 0.8, 0.3, 1.3, 2.0, 2.6], [0.0, 0.1, -0.2, 0.9, 1.5, 2.0]], np.float32)
_ROUND = np.array([[0.6, 0.9, 1.4, 1.2, 1.0, 0.8], [0.5, 0.6, 1.5, 1.3, 1.0, 0.8]], np.float32)


@njit(cache=True, nogil=True, fastmath=True)
def which_tooth(row: int, arc: float) -> tuple[int, float]:
    """The tooth ``arc`` mm from the middle, counted from there, and how far across it that is (0..1)."""
    side = abs(arc)
    k = 0
    begin = 0.0
    while k < 5 and side > begin + WIDTHS[row, k]:
        begin += WIDTHS[row, k]
        k += 1
    return k, (side - begin) / WIDTHS[row, k]


@njit(cache=True, nogil=True, fastmath=True)
def _fine(soft: float) -> float:
    """How much of single teeth is left under ``soft`` millimetres of unsharpness."""
    return 1 / (1 + (0.4 * soft) ** 4)


@njit(cache=True, nogil=True, fastmath=True)
def edge_line(row: int, arc: float, soft: float, bend: Array) -> float:
    """How many millimetres the incisal edge stands above that of the middle, with ``soft`` mm of unsharpness.

    Where the photo is soft the single teeth melt into the row's even line; ``bend`` is the upper row's own.
    """
    k, t = which_tooth(row, arc)
    bow = (2 * t - 1) * (2 * t - 1)
    fine = _fine(soft)
    even = 0.003 * arc * arc
    # Corners are rounder on the far side.
    corner = _ROUND[row, k] * bow * bow * (1.3 if t > 0.5 else 1.0)
    line: float = even + (_OFFSETS[row, k] - even + corner) * fine
    at = min(max(arc, bend[2]), bend[3])
    return line - (at * (bend[0] + bend[1] * at) if row == 0 else 0.0)


@njit(cache=True, nogil=True, fastmath=True)
def tooth(row: int, arc: float, depth: float, px: float, soft: float, bend: Array) -> tuple[float, float, float, float]:
    """The drawn teeth ``arc`` mm from the middle and ``depth`` pixels inside the incisal edge: cover, light, share of gum,
    height (0 edge .. 1 gum). ``bend`` is the upper row's own line (see :class:`TeethFit`)."""
    inside = depth - edge_line(row, arc, soft / px, bend) * px
    cover = min(1.0, max(0.0, inside / soft + 0.5))
    k, t = which_tooth(row, arc)
    if cover <= 0 or t > 1.0:
        return 0.0, 0.0, 0.0, 0.0
    bow = (2 * t - 1) * (2 * t - 1)
    height = _HEIGHTS[row, k] * (1 - 0.14 * bow) * px
    gum = ramp(-0.6 * soft - 0.3 * px, 0.6 * soft + 0.3 * px, inside - height)
    near = min(t, 1 - t) * WIDTHS[row, k]
    wide = 0.05 + (0.55 * soft / px) ** 2
    line = 0.0
    if near * near < 5 * wide:
        line = 0.20 * (0.05 / wide) ** 0.35 * _fine(soft / px) ** 0.5 * exp(-near * near / wide)
    rise = min(1.0, max(0.0, inside / height))
    body = (1 - 0.07 * bow) * (0.90 + 0.10 * ramp(0.0, 0.28, rise) - 0.09 * ramp(0.5, 1.0, rise))
    return cover, (1 - line * (1 - gum)) * body, gum, rise


@njit(cache=True, nogil=True, fastmath=True)
def arch_at(arch: Array, at: float) -> tuple[float, float, float]:
    """Millimetres along the arch, height offset and facing at column ``at``; facing is below 0 where there is no tooth."""
    i = np.uint32(min(max(at, 0.0), arch.shape[0] - 2.0))
    f = np.float32(at - i)
    facing = min(arch[i, 2], arch[i + 1, 2])
    return (
        arch[i, 0] + (arch[i + 1, 0] - arch[i, 0]) * f,
        arch[i, 1] + (arch[i + 1, 1] - arch[i, 1]) * f,
        facing if facing < 0 or f < 0 or f > 1 else arch[i, 2] + (arch[i + 1, 2] - arch[i, 2]) * f,
    )


@njit(cache=True, nogil=True, fastmath=True)
def row_covers(
    along: Array, down: Array, arch: Array, start: float, step: float, px: float, soft: float, bend: Array
) -> Array:
    """Per point of a picture: millimetres along the upper arch (far away where there is no tooth), the drawn upper teeth's
    cover, and how much of it is no gum."""
    found = np.zeros((*along.shape, 3), np.float32)
    for j in range(along.shape[0]):
        for i in range(along.shape[1]):
            arc, rise, facing = arch_at(arch, (along[j, i] - start) / step)
            found[j, i, 0] = arc if facing >= 0 else 99.0
            if facing >= 0:
                cover, _, gum, _ = tooth(0, arc, rise - down[j, i], px, soft, bend)
                found[j, i, 1], found[j, i, 2] = cover, 1 - gum
    return found
