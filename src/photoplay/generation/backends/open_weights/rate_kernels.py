"""Per-pixel loops of the change of rate, compiled by numba. See ``rate`` for what they are for.

A *way* [h, w, 6] says for each pixel of a frame in between where its point stands in the frame before and in the frame
after (two shifts in pixels: x, y, x, y) and how far either shows it (two weights 0..1).
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

from photoplay.types import Array

STEPS = 6
"""Fixed-point steps; the error shrinks by the flow's slope each time, which is under 1/3 but at silhouettes."""


@njit(cache=True, nogil=True)
def _corners(x: float, y: float, width: int, height: int) -> tuple[int, int, float, float]:
    """The pixel left above a place inside the frame, and how far it lies towards the next ones."""
    x, y = min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)
    left, top = min(int(x), max(width - 2, 0)), min(int(y), max(height - 2, 0))
    return left, top, x - left, y - top


@njit(cache=True, nogil=True)
def _flow_at(flow: Array, x: float, y: float) -> tuple[float, float]:
    """A flow [h, w, 2] between its pixels, bilinear."""
    left, top, right, low = _corners(x, y, flow.shape[1], flow.shape[0])
    u, v = 0.0, 0.0
    for j in range(2):
        for i in range(2):
            share = (right if i else 1 - right) * (low if j else 1 - low)
            u += share * flow[top + j, left + i, 0]
            v += share * flow[top + j, left + i, 1]
    return u, v


@njit(cache=True, nogil=True)
def _same_layer_at(
    flow: Array, depth: Array, mine: float, slack: float, x: float, y: float
) -> tuple[float, float, float]:
    """The same of those pixels alone that lie at the depth ``mine``, and their share of the place."""
    left, top, right, low = _corners(x, y, flow.shape[1], flow.shape[0])
    u, v, total = 0.0, 0.0, 0.0
    for j in range(2):
        for i in range(2):
            theirs = depth[top + j, left + i]
            same = np.isinf(theirs) if np.isinf(mine) else abs(theirs - mine) <= slack
            if same:
                share = (right if i else 1 - right) * (low if j else 1 - low)
                u += share * flow[top + j, left + i, 0]
                v += share * flow[top + j, left + i, 1]
                total += share
    if total > 0:
        u, v = u / total, v / total
    return u, v, total


@njit(cache=True, nogil=True, parallel=True)
def through_photo(
    flow: Array, depth: Array, flow_then: Array, depth_then: Array, guess: Array, slack: float, way: Array, which: int
) -> None:
    """Fills shift and weight ``which`` (0 before, 1 after) of ``way``: where each pixel's point is in the other frame.

    flow, flow_then [h, w, 2] lead to the photo, depth, depth_then [h, w] tell surfaces apart (within ``slack``), guess
    [h, w, 2] is the shift to start from. The point at x stood at x + f(x) in the photo, so its shift s solves
    ``s = f(x) - f_then(x + s)``. Its weight is 1 where the other frame shows that surface there, and 0 where it does not.
    """
    height, width = depth.shape
    for y in prange(height):
        for x in range(width):
            mine = depth[y, x]
            p, q = float(guess[y, x, 0]), float(guess[y, x, 1])
            seen, off = 0.0, 9.0
            for _ in range(STEPS):
                u, v, seen = _same_layer_at(flow_then, depth_then, mine, slack, x + p, y + q)
                if seen == 0.0:
                    break
                to_x, to_y = flow[y, x, 0] - u, flow[y, x, 1] - v
                off = abs(to_x - p) + abs(to_y - q)
                p, q = to_x, to_y
                if off < 0.02:
                    break
            inside = -0.5 <= x + p <= width - 0.5 and -0.5 <= y + q <= height - 0.5
            way[y, x, 2 * which], way[y, x, 2 * which + 1] = p, q
            way[y, x, 4 + which] = min(1.0, 2 * seen) * min(max(2.0 - 2 * off, 0.0), 1.0) if inside else 0.0


@njit(cache=True, nogil=True, parallel=True)
def by_sight(there: Array, back: Array, share: float, way: Array) -> None:
    """Fills ``way`` from optical flow before -> after (``there``) and after -> before (``back``), both [h, w, 2].

    A point moves evenly: what is at x at time ``share`` started at x0 with ``x0 + share there(x0) = x`` and arrives at x1
    with ``x1 + (1 - share) back(x1) = x``. A weight is 1 where that place is found and both flows lead there and back.
    """
    height, width = there.shape[:2]
    for y in prange(height):
        for x in range(width):
            for which in range(2):
                flow, other = (there, back) if which == 0 else (back, there)
                part = share if which == 0 else 1 - share
                p, q, off = 0.0, 0.0, 0.0
                for _ in range(STEPS):
                    u, v = _flow_at(flow, x + p, y + q)
                    off = abs(p + part * u) + abs(q + part * v)
                    p, q = -part * u, -part * v
                    if off < 0.02:
                        break
                u, v = _flow_at(flow, x + p, y + q)
                a, b = _flow_at(other, x + p + u, y + q + v)
                astray = np.sqrt((u + a) ** 2 + (v + b) ** 2) / (0.5 + 0.05 * np.sqrt(u * u + v * v))
                found = min(max(2.0 - 2 * off, 0.0), 1.0)
                inside = -0.5 <= x + p <= width - 0.5 and -0.5 <= y + q <= height - 0.5
                way[y, x, 2 * which], way[y, x, 2 * which + 1] = p, q
                way[y, x, 4 + which] = found * (0.03 + 0.97 / (1 + astray**4)) if inside else 0.0


@njit(cache=True, nogil=True)
def _cubic(t: float, weight: Array) -> None:
    """Catmull-Rom weights of the pixels at -1, 0, 1, 2 for a place t in 0..1."""
    weight[0] = ((-0.5 * t + 1.0) * t - 0.5) * t
    weight[1] = (1.5 * t - 2.5) * t * t + 1.0
    weight[2] = ((-1.5 * t + 2.0) * t + 0.5) * t
    weight[3] = (0.5 * t - 0.5) * t * t


@njit(cache=True, nogil=True, fastmath=True)
def _add_sample(picture: Array, x: float, y: float, share: float, across: Array, down: Array, colour: Array) -> None:
    """Adds ``share`` times the picture at a place to ``colour``, bicubic; beyond the border its last pixels."""
    height, width = picture.shape[:2]
    left, top = int(np.floor(x)), int(np.floor(y))
    _cubic(x - left, across)
    _cubic(y - top, down)
    for j in range(4):
        row = min(max(top + j - 1, 0), height - 1)
        for i in range(4):
            column = min(max(left + i - 1, 0), width - 1)
            weight = share * across[i] * down[j]
            for k in range(3):
                colour[k] += weight * picture[row, column, k]


@njit(cache=True, nogil=True)
def _way_at(way: Array, left: int, top: int, right: float, low: float, out: Array) -> None:
    """A coarse way between its pixels."""
    for k in range(6):
        upper = way[top, left, k] + right * (way[top, left + 1, k] - way[top, left, k])
        lower = way[top + 1, left, k] + right * (way[top + 1, left + 1, k] - way[top + 1, left, k])
        out[k] = upper + low * (lower - upper)


@njit(cache=True, nogil=True, parallel=True, fastmath=True)
def mix(before: Array, after: Array, share: float, ways: Array, choice: Array, out: Array) -> None:
    """The frame in between: each pixel from where it stands in both neighbours.

    before, after, out [h, w, 3] uint8; ways [n, r, c, 6] are ways on a coarse grid in its own pixels, choice [n, r, c]
    how far each is believed (adding up to 1). Where neither frame shows a point, both count by time alone.
    """
    height, width = out.shape[:2]
    rows, columns = ways.shape[1:3]
    wide, high = width / columns, height / rows
    for y in prange(height):
        colour = np.empty(3, np.float64)
        way = np.empty(6, np.float64)
        across, down = np.empty(4, np.float64), np.empty(4, np.float64)
        for x in range(width):
            left, top, right, low = _corners((x + 0.5) / wide - 0.5, (y + 0.5) / high - 0.5, columns, rows)
            colour[:] = 0
            for n in range(ways.shape[0]):
                upper = choice[n, top, left] + right * (choice[n, top, left + 1] - choice[n, top, left])
                lower = choice[n, top + 1, left] + right * (choice[n, top + 1, left + 1] - choice[n, top + 1, left])
                believed = upper + low * (lower - upper)
                if believed < 0.004:
                    continue
                _way_at(ways[n], left, top, right, low, way)
                first, second = (1 - share) * way[4], share * way[5]
                if first + second < 1e-3:
                    first, second = 1 - share, share
                total = first + second
                if first > 0.004 * total:
                    part = believed * first / total
                    _add_sample(before, x + way[0] * wide, y + way[1] * high, part, across, down, colour)
                if second > 0.004 * total:
                    part = believed * second / total
                    _add_sample(after, x + way[2] * wide, y + way[3] * high, part, across, down, colour)
            for k in range(3):
                out[y, x, k] = np.uint8(min(max(np.rint(colour[k]), 0.0), 255.0))
