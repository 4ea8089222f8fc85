"""Per-pixel loops of the smoothing, compiled by numba."""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from photoplay.types import Array


@njit(cache=True, nogil=True, inline="always")
def _row_of(fields: Array, y: int, height: int, row: Array) -> None:
    """The coarse fields [r, c, n] at pixel row y, still coarse across."""
    rows = fields.shape[0]
    at = min(max((y + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
    top = min(int(at), rows - 2)
    below = np.float32(at - top)
    for i in range(row.shape[0]):
        for k in range(row.shape[1]):
            row[i, k] = fields[top, i, k] + below * (fields[top + 1, i, k] - fields[top, i, k])


@njit(cache=True, nogil=True)
def _columns_of(width: int, columns: int) -> tuple[Array, Array]:
    """For each pixel across: the coarse column to its left, and how far it lies towards the next."""
    left = np.empty(width, np.int32)
    share = np.empty(width, np.float32)
    for x in range(width):
        at = min(max((x + 0.5) * columns / width - 0.5, 0.0), columns - 1.0)
        left[x] = min(int(at), columns - 2)
        share[x] = at - left[x]
    return left, share


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def correct(current: Array, fields: Array, plate: Array, out: Array) -> None:
    """``out`` = current * gain, faded into the plate by the lock.

    current, plate, out [h, w, 3] uint8; fields [r, c, 4] float32: gain of red, green, blue, then the lock 0..1.
    """
    height, width = current.shape[:2]
    columns = fields.shape[1]
    lefts, shares = _columns_of(width, columns)
    one = np.float32(1.0)
    for y in prange(height):
        row = np.empty((columns, 4), np.float32)
        _row_of(fields, y, height, row)
        for x in range(width):
            left, share = lefts[x], shares[x]
            lock = row[left, 3] + share * (row[left + 1, 3] - row[left, 3])
            if lock == one:
                for k in range(3):
                    out[y, x, k] = plate[y, x, k]
                continue
            for k in range(3):
                gain = row[left, k] + share * (row[left + 1, k] - row[left, k])
                value = current[y, x, k] * gain
                value += lock * (plate[y, x, k] - value)
                out[y, x, k] = np.uint8(min(max(value + np.float32(0.5), np.float32(0.0)), np.float32(255.0)))


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def average(current: Array, before: Array, shift: Array, keep: float, spread: float, out: Array, state: Array) -> None:
    """``state`` = current + k * (before moved by shift - current), ``out`` the same rounded to uint8.

    before, state [h, w, 3] float32; shift [r, c, 2] pixels. k is ``keep`` where both agree and falls to 0 as
    1 / (1 + (difference / spread)^4): what differs by more than the noise is motion.
    """
    height, width = current.shape[:2]
    columns = shift.shape[1]
    lefts, shares = _columns_of(width, columns)
    one, most, scale = np.float32(1.0), np.float32(keep), np.float32(1.0 / (3.0 * spread * spread))
    for y in prange(height):
        row = np.empty((columns, 2), np.float32)
        _row_of(shift, y, height, row)
        for x in range(width):
            left, share = lefts[x], shares[x]
            px = np.float32(x) + row[left, 0] + share * (row[left + 1, 0] - row[left, 0])
            py = np.float32(y) + row[left, 1] + share * (row[left + 1, 1] - row[left, 1])
            if px < 0 or py < 0 or px > width - 1 or py > height - 1:
                for k in range(3):
                    state[y, x, k] = current[y, x, k]
                    out[y, x, k] = current[y, x, k]
                continue
            x0, y0 = min(int(px), width - 2), min(int(py), height - 2)
            fx, fy = px - np.float32(x0), py - np.float32(y0)
            r = _tap(before, y0, x0, fy, fx, 0) - current[y, x, 0]
            g = _tap(before, y0, x0, fy, fx, 1) - current[y, x, 1]
            b = _tap(before, y0, x0, fy, fx, 2) - current[y, x, 2]
            apart = (r * r + g * g + b * b) * scale
            weight = most / (one + apart * apart)
            for k, difference in enumerate((r, g, b)):
                value = current[y, x, k] + weight * difference
                state[y, x, k] = value
                out[y, x, k] = np.uint8(min(max(value + np.float32(0.5), np.float32(0.0)), np.float32(255.0)))


@njit(cache=True, nogil=True, inline="always")
def _tap(picture: Array, y: int, x: int, fy: np.float32, fx: np.float32, k: int) -> np.float32:
    """Bilinear sample of channel k."""
    top = picture[y, x, k] + fx * (picture[y, x + 1, k] - np.float32(picture[y, x, k]))
    low = picture[y + 1, x, k] + fx * (picture[y + 1, x + 1, k] - np.float32(picture[y + 1, x, k]))
    sample: np.float32 = top + fy * (low - top)
    return sample


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def motion_blur(current: Array, shift: Array, shutter: float, out: Array) -> None:
    """``out`` = the mean of ``current`` along the motion while the shutter is open, centred on the frame.

    shift [r, c, 2] is the way back to the frame before in pixels; ``shutter`` is the open share of the frame time.
    """
    height, width = current.shape[:2]
    columns = shift.shape[1]
    lefts, shares = _columns_of(width, columns)
    for y in prange(height):
        row = np.empty((columns, 2), np.float32)
        _row_of(shift, y, height, row)
        for x in range(width):
            left, share = lefts[x], shares[x]
            dx = (row[left, 0] + share * (row[left + 1, 0] - row[left, 0])) * shutter
            dy = (row[left, 1] + share * (row[left + 1, 1] - row[left, 1])) * shutter
            length = np.sqrt(dx * dx + dy * dy)
            if length < 0.5:
                for k in range(3):
                    out[y, x, k] = current[y, x, k]
                continue
            taps = min(17, 2 * int(np.ceil(length / 2)) + 1)
            red = green = blue = np.float32(0.0)
            for tap in range(taps):
                along = (tap + 0.5) / taps - 0.5
                px = min(max(x + along * dx, 0.0), width - 1.001)
                py = min(max(y + along * dy, 0.0), height - 1.001)
                x0, y0 = int(px), int(py)
                fx, fy = np.float32(px - x0), np.float32(py - y0)
                red += _tap(current, y0, x0, fy, fx, 0)
                green += _tap(current, y0, x0, fy, fx, 1)
                blue += _tap(current, y0, x0, fy, fx, 2)
            out[y, x, 0] = np.uint8(red / taps + np.float32(0.5))
            out[y, x, 1] = np.uint8(green / taps + np.float32(0.5))
            out[y, x, 2] = np.uint8(blue / taps + np.float32(0.5))
