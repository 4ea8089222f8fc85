"""The per-pixel work, compiled: triangles to an inverse map, and the map to colours. See ``raster`` for the contracts."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array

TOLERANCE = np.float32(1e-4)
TINY = np.float32(1e-6)
SOLID = np.float32(235)
"""Alpha up to which a layer is too soft for the photo to stand in its place, where people pass each other."""
ALONG = 4
"""How far an edge is evened out along its direction, in pixels."""
SEEN = 32
"""Difference of neighbours (red + 2 green + blue) below which nobody sees an edge's steps."""
NO_LIGHT = np.float32(4e-3)
"""Sum of a pixel's four nearest gains below which none of its levels changes visibly."""


@njit(cache=True, nogil=True, fastmath=False, boundscheck=False)
def rasterise(points: Array, values: Array, triangles: Array, out: Array) -> None:
    """Fills ``out`` [h, w, c + 1] (c values, then depth) with the nearest front-facing triangle's interpolated values."""
    height, width, depth_at = out.shape[0], out.shape[1], out.shape[2] - 1
    zero, one = np.float32(0), np.float32(1)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if not area > TOLERANCE:
            continue
        low, high = min(ay, by, cy), max(ay, by, cy)
        if high < zero or low > height - 1 or max(ax, bx, cx) < zero or min(ax, bx, cx) > width - 1:
            continue
        inverse = one / area
        # Barycentric weights of b and c are affine in x and y.
        bdx, bdy = (cy - ay) * inverse, (ax - cx) * inverse
        cdx, cdy = (ay - by) * inverse, (bx - ax) * inverse
        first, last = max(0, int(np.ceil(min(ax, bx, cx)))), min(width - 1, int(np.floor(max(ax, bx, cx))))
        adx = -bdx - cdx
        for y in range(max(0, int(np.ceil(low))), min(height - 1, int(np.floor(high))) + 1):
            wb0 = (zero - ax) * bdx + (y - ay) * bdy
            wc0 = (zero - ax) * cdx + (y - ay) * cdy
            # The part of the row in which no weight can be far below zero, with a pixel to spare on both sides.
            left, right = first, last
            for w0, dx in ((one - wb0 - wc0, adx), (wb0, bdx), (wc0, cdx)):
                if dx > TINY:
                    left = max(left, int(np.floor(-w0 / dx)) - 1)
                elif dx < -TINY:
                    right = min(right, int(np.ceil(-w0 / dx)) + 1)
            for x in range(left, right + 1):
                wb = wb0 + np.float32(x) * bdx
                wc = wc0 + np.float32(x) * cdx
                wa = one - wb - wc
                if wa < -TOLERANCE or wb < -TOLERANCE or wc < -TOLERANCE:
                    continue
                z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                if z >= out[y, x, depth_at]:
                    continue
                out[y, x, depth_at] = z
                for k in range(depth_at):
                    out[y, x, k] = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]


@njit(cache=True, nogil=True)
def vertex_stretch(points: Array, rest: Array, triangles: Array, out: Array, count: Array) -> None:
    """Mean stretch of the triangles around each vertex in ``out``: the larger of the longest pull and squeeze, from 1."""
    out[:] = 0
    count[:] = 0
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, vx, vy = (
            rest[b, 0] - rest[a, 0],
            rest[b, 1] - rest[a, 1],
            rest[c, 0] - rest[a, 0],
            rest[c, 1] - rest[a, 1],
        )
        px, py = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
        qx, qy = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1]
        area = ux * vy - vx * uy
        stretch = np.float32(4)
        if abs(area) > np.float32(1e-3):
            # The Jacobian's larger and smaller singular value from its norm and determinant.
            j00, j01 = (px * vy - qx * uy) / area, (qx * ux - px * vx) / area
            j10, j11 = (py * vy - qy * uy) / area, (qy * ux - py * vx) / area
            half = (j00 * j00 + j01 * j01 + j10 * j10 + j11 * j11) * np.float32(0.5)
            det = abs(j00 * j11 - j01 * j10)
            root = np.sqrt(max(half * half - det * det, np.float32(0)))
            longest = np.sqrt(half + root)
            shortest = np.sqrt(max(half - root, np.float32(0)))
            stretch = min(max(longest, np.float32(1) / max(shortest, np.float32(0.25))), np.float32(4))
        for v in (a, b, c):
            out[v] += stretch
            count[v] += 1
    for v in range(out.shape[0]):
        out[v] = out[v] / count[v] if count[v] > 0 else np.float32(1)


@njit(cache=True, nogil=True)
def shade(
    maps: Array,
    texture: Array,
    labels: Array,
    photo: Array,
    still: Array,
    x0: int,
    y0: int,
    settings: Array,
    alone: bool,
    rgb: Array,
    confidence: Array,
    label_out: Array,
    flow: Array,
    depth: Array,
    identity: Array,
    who: int,
) -> None:
    """Samples the layer through ``maps`` [h, w, 4] (u, v, trust, depth) and lays it over the frame at (x0, y0).

    ``still`` [H, W] is how far the frame so far may stand as the untouched photo (1 = untouched). Unless the person is
    ``alone`` the photo stands only where the layer is solid.
    """
    factor, margin, near, far = settings[0], settings[1], settings[2], settings[3]
    top, side = texture.shape[0] - 2, texture.shape[1] - 2
    one, zero = np.float32(1), np.float32(0)
    scale = one / np.float32(255)
    for j in range(maps.shape[0]):
        y = y0 + j
        for i in range(maps.shape[1]):
            z = maps[j, i, 3]
            if not z < np.float32(1e30):
                continue
            x = x0 + i
            u = min(max(maps[j, i, 0], zero), np.float32(side))
            v = min(max(maps[j, i, 1], zero), np.float32(top))
            restx = (maps[j, i, 0] + np.float32(0.5)) / factor - np.float32(0.5) - margin
            resty = (maps[j, i, 1] + np.float32(0.5)) / factor - np.float32(0.5) - margin
            dx, dy = restx - np.float32(x), resty - np.float32(y)
            travel = np.sqrt(dx * dx + dy * dy)
            if travel < np.float32(2e-3):
                dx, dy = zero, zero
            s = min(max((travel - near) / (far - near), zero), one)
            s = s * s * (np.float32(3) - np.float32(2) * s)
            iu, iv = int(u), int(v)
            untouched = min(still[y, x], one - s)
            still[y, x] = untouched
            fu, fv = u - np.float32(iu), v - np.float32(iv)
            w00, w01 = (one - fu) * (one - fv), fu * (one - fv)
            w10, w11 = (one - fu) * fv, fu * fv
            covered = (
                texture[iv, iu, 3] or texture[iv, iu + 1, 3] or texture[iv + 1, iu, 3] or texture[iv + 1, iu + 1, 3]
            )
            if not covered and not alone:
                continue
            if not covered:
                for k in range(3):
                    if rgb[y, x, k] != photo[y, x, k]:
                        below = np.float32(rgb[y, x, k])
                        below += (np.float32(photo[y, x, k]) - below) * untouched
                        rgb[y, x, k] = np.uint8(below + np.float32(0.5))
                continue
            alpha = (
                w00 * texture[iv, iu, 3] + w01 * texture[iv, iu + 1, 3]
                + w10 * texture[iv + 1, iu, 3] + w11 * texture[iv + 1, iu + 1, 3]
            )  # fmt: skip
            keep = one - alpha * scale
            if not alone:
                untouched *= min(max((alpha - SOLID) / (np.float32(255) - SOLID), zero), one)
            for k in range(3):
                own = (
                    w00 * texture[iv, iu, k] + w01 * texture[iv, iu + 1, k]
                    + w10 * texture[iv + 1, iu, k] + w11 * texture[iv + 1, iu + 1, k]
                )  # fmt: skip
                value = own + keep * np.float32(rgb[y, x, k])
                value += (np.float32(photo[y, x, k]) - value) * untouched
                rgb[y, x, k] = np.uint8(min(max(value + np.float32(0.5), zero), np.float32(255)))
            trust = maps[j, i, 2] * np.float32(255)
            edge = alpha * scale
            old = np.float32(confidence[y, x])
            confidence[y, x] = np.uint8(min(max(old + (trust - old) * edge + np.float32(0.5), zero), np.float32(255)))
            if alpha >= np.float32(128):
                ly = min(max(int(np.floor(resty + margin + np.float32(0.5))), 0), labels.shape[0] - 1)
                lx = min(max(int(np.floor(restx + margin + np.float32(0.5))), 0), labels.shape[1] - 1)
                label_out[y, x] = labels[ly, lx]
                flow[y, x, 0] = dx
                flow[y, x, 1] = dy
                depth[y, x] = z
                identity[y, x] = who


@njit(cache=True, nogil=True)
def _folds(maps: Array, factor: float) -> Array:
    """How far each pixel [h, w] lies at a jump of ``maps``' (u, v), 0..1."""
    height, width = maps.shape[0], maps.shape[1]
    low, high, scale = np.float32(1.5), np.float32(4.0), np.float32(1 / factor)
    weight = np.zeros((height, width), np.float32)
    for j in range(height - 1):
        for i in range(width - 1):
            if not maps[j, i, 3] < np.float32(1e30):
                continue
            for k in range(2):
                dj, di = k, 1 - k
                if not maps[j + dj, i + di, 3] < np.float32(1e30):
                    continue
                du = (maps[j + dj, i + di, 0] - maps[j, i, 0]) * scale - np.float32(di)
                dv = (maps[j + dj, i + di, 1] - maps[j, i, 1]) * scale - np.float32(dj)
                far = du * du + dv * dv
                if far > low * low:
                    t = min((np.sqrt(far) - low) / (high - low), np.float32(1))
                    weight[j, i] = max(weight[j, i], t)
                    weight[j + dj, i + di] = max(weight[j + dj, i + di], t)
    return weight


@njit(cache=True, nogil=True)
def _light(rgb: Array, y: int, x: int) -> np.int32:
    return np.int32(rgb[y, x, 0]) + np.int32(2) * np.int32(rgb[y, x, 1]) + np.int32(rgb[y, x, 2])


@njit(cache=True, nogil=True)
def _along_edge(rgb: Array, y: int, x: int, share: float, value: Array) -> None:
    """Mixes ``value`` with the mean of ``rgb`` along the edge that runs through (y, x), if there is one."""
    own = _light(rgb, y, x)
    contrast = max(
        abs(_light(rgb, y - 1, x) - own),
        abs(_light(rgb, y + 1, x) - own),
        abs(_light(rgb, y, x - 1) - own),
        abs(_light(rgb, y, x + 1) - own),
    )
    if contrast < SEEN:
        return
    xx, xy, yy = np.float32(0), np.float32(0), np.float32(0)
    for dy in range(-2, 3, 2):
        for dx in range(-2, 3, 2):
            v, u = y + dy, x + dx
            gx = np.float32(_light(rgb, v, u + 1) - _light(rgb, v, u - 1))
            gy = np.float32(_light(rgb, v + 1, u) - _light(rgb, v - 1, u))
            xx, xy, yy = xx + gx * gx, xy + gx * gy, yy + gy * gy
    angle = np.float32(0.5) * np.arctan2(np.float32(2) * xy, xx - yy)
    tx, ty = -np.sin(angle), np.cos(angle)
    r, g, b, total = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    for k in range(-ALONG, ALONG + 1):
        u, v = np.float32(x) + np.float32(k) * tx, np.float32(y) + np.float32(k) * ty
        iu, iv = int(u), int(v)
        fu, fv = u - np.float32(iu), v - np.float32(iv)
        near = np.float32(ALONG + 1 - abs(k))
        for dy in range(2):
            for dx in range(2):
                w = (fu if dx else np.float32(1) - fu) * (fv if dy else np.float32(1) - fv) * near
                r += w * np.float32(rgb[iv + dy, iu + dx, 0])
                g += w * np.float32(rgb[iv + dy, iu + dx, 1])
                b += w * np.float32(rgb[iv + dy, iu + dx, 2])
        total += near
    value[0] += (r / total - value[0]) * share
    value[1] += (g / total - value[1]) * share
    value[2] += (b / total - value[2]) * share


@njit(cache=True, nogil=True)
def soften_folds(maps: Array, factor: float, x0: int, y0: int, rgb: Array) -> None:
    """Anti-aliases where one part of the layer covers another, along the jumps of ``maps``' (u, v).

    Such an edge is a staircase of whole pixels: it is evened out along its own direction, then a little across.
    """
    weight = _folds(maps, factor)
    height, width = weight.shape
    room = ALONG + 2
    # Steps reach a pixel beyond the jump itself.
    wide = np.zeros((height, width), np.float32)
    found = 0
    for j in range(height):
        for i in range(width):
            if weight[j, i] > 0:
                for dj in range(max(-1, -j), min(2, height - j)):
                    for di in range(max(-1, -i), min(2, width - i)):
                        if wide[j + dj, i + di] == 0:
                            found += 1
                        wide[j + dj, i + di] = max(wide[j + dj, i + di], weight[j, i])
    place = np.empty((found, 2), np.int32)
    values = np.empty((found, 3), np.float32)
    n = 0
    for j in range(max(0, room - y0), min(height, rgb.shape[0] - room - y0)):
        for i in range(max(0, room - x0), min(width, rgb.shape[1] - room - x0)):
            if wide[j, i] > 0:
                place[n, 0], place[n, 1] = j, i
                n += 1
    for across in range(2):
        for m in range(n):
            j, i = place[m, 0], place[m, 1]
            y, x = y0 + j, x0 + i
            for k in range(3):
                values[m, k] = np.float32(rgb[y, x, k])
            if across == 0:
                _along_edge(rgb, y, x, wide[j, i], values[m])
            elif weight[j, i] > 0:
                for k in range(3):
                    total = np.float32(0)
                    for dy in range(-1, 2):
                        for dx in range(-1, 2):
                            total += np.float32((2 - abs(dx)) * (2 - abs(dy))) * np.float32(rgb[y + dy, x + dx, k])
                    values[m, k] += (total / np.float32(16) - values[m, k]) * weight[j, i]
        for m in range(n):
            for k in range(3):
                rgb[y0 + place[m, 0], x0 + place[m, 1], k] = np.uint8(values[m, k] + np.float32(0.5))


@njit(cache=True, nogil=True)
def relight(gain: Array, place: Array, box: Array, flow: Array, identity: Array, who: int, rgb: Array) -> None:
    """Brightens ``who``'s pixels in ``box`` (x0, y0, x1, y1) by 1 + ``gain`` [h, w] at the place that they had at rest.

    Rest point p lies at ``(p - place[:2]) * place[2]`` in ``gain``, which is above -1; beyond it nothing changes.
    """
    left, top, scale = place[0], place[1], place[2]
    down, across = np.float32(gain.shape[0] - 1), np.float32(gain.shape[1] - 1)
    zero, one, half, most = np.float32(0), np.float32(1), np.float32(0.5), np.float32(255)
    for y in range(box[1], box[3]):
        for x in range(box[0], box[2]):
            if identity[y, x] != who:
                continue
            u = (np.float32(x) + flow[y, x, 0] - left) * scale
            v = (np.float32(y) + flow[y, x, 1] - top) * scale
            if not (u >= zero and v >= zero and u < across and v < down):
                continue
            iu, iv = np.uint32(u), np.uint32(v)
            a, b = gain[iv, iu], gain[iv, iu + np.uint32(1)]
            c, d = gain[iv + np.uint32(1), iu], gain[iv + np.uint32(1), iu + np.uint32(1)]
            if abs(a) + abs(b) + abs(c) + abs(d) < NO_LIGHT:
                continue
            fu, fv = u - np.float32(iu), v - np.float32(iv)
            above, below = a + fu * (b - a), c + fu * (d - c)
            factor = one + above + fv * (below - above)
            for k in range(3):
                rgb[y, x, k] = np.uint8(min(np.float32(rgb[y, x, k]) * factor + half, most))
