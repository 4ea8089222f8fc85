"""Light on every pixel, compiled for a CPU; :mod:`photoplay.training.synthetic.shading` says what is computed."""

from __future__ import annotations

import numpy as np
from numba import njit

from photoplay.types import Array


@njit(cache=True, nogil=True, fastmath=True)
def _sample(texels, offset, height, width, u, v, out):  # type: ignore[no-untyped-def]
    """Bilinear colour of a texture, edges repeated."""
    x = min(max(u * width - np.float32(0.5), np.float32(0.0)), np.float32(width - 1))
    y = min(max((np.float32(1.0) - v) * height - np.float32(0.5), np.float32(0.0)), np.float32(height - 1))
    x0, y0 = int(x), int(y)
    x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
    fx, fy = x - np.float32(x0), y - np.float32(y0)
    one = np.float32(1.0)
    for c in range(3):
        upper = texels[offset + y0 * width + x0, c] * (one - fx) + texels[offset + y0 * width + x1, c] * fx
        lower = texels[offset + y1 * width + x0, c] * (one - fx) + texels[offset + y1 * width + x1, c] * fx
        out[c] = upper * (one - fy) + lower * fy


@njit(cache=True, nogil=True, fastmath=True)
def _lit_share(depth, matrix, px, py, pz, softness):  # type: ignore[no-untyped-def]
    """Share of a 3x3 neighbourhood in the light's depth map (inverse depth: greater is nearer to it) that sees the light."""
    height, width = depth.shape
    x = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2] * pz + matrix[0, 3]
    y = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2] * pz + matrix[1, 3]
    z = matrix[2, 0] * px + matrix[2, 1] * py + matrix[2, 2] * pz + matrix[2, 3]
    column, row = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - np.float32(column), y - np.float32(row)
    one, lit = np.float32(1.0), np.float32(0.0)
    for dy in range(-1, 3):
        for dx in range(-1, 3):
            weight = one
            if dx == -1:
                weight *= one - fx
            elif dx == 2:
                weight *= fx
            if dy == -1:
                weight *= one - fy
            elif dy == 2:
                weight *= fy
            r, c = row + dy, column + dx
            behind = np.float32(0.0)
            if 0 <= r < height and 0 <= c < width:
                behind = (depth[r, c] - z) / softness
            lit += weight * (one - min(max(behind, np.float32(0.0)), one))
    return lit / np.float32(9.0)


@njit(cache=True, nogil=True, fastmath=True)
def shade(  # type: ignore[no-untyped-def]
    shown, screen, points, normals, access, ambient, triangles, uv, texture_of, textures, texels, materials, labels, lamps,
    colours, shadow, shadow_matrix, background
) -> tuple[Array, Array]:  # fmt: skip
    """Linear light [h, w, 3] and labels [h, w] from triangle ids at twice the size, averaged 2x2 over ``background``.

    A triangle that fills several of a pixel's four samples is lit once, in their middle.
    """
    height, width = background.shape[0], background.shape[1]
    image, label = np.empty((height, width, 3), np.float32), np.zeros((height, width), np.uint8)
    share, out, b = np.float32(0.25), np.zeros(3, np.float32), np.zeros(3, np.float32)
    ids, kinds, spot = np.zeros(4, np.int64), np.zeros(4, np.int64), np.zeros(9, np.float32)
    for row in range(height):
        for column in range(width):
            for c in range(3):
                image[row, column, c] = 0
            for sample in range(4):
                t = shown[2 * row + sample // 2, 2 * column + sample % 2]
                ids[sample], kinds[sample] = t, labels[t] if t >= 0 else 0
            label[row, column] = _most(kinds)
            for sample in range(4):
                t, count, x, y, first = ids[sample], np.float32(0.0), np.float32(0.0), np.float32(0.0), True
                for other in range(4):
                    if ids[other] == t:
                        first = first and other >= sample
                        count += np.float32(1.0)
                        x += np.float32(2 * column + other % 2)
                        y += np.float32(2 * row + other // 2)
                if not first:
                    continue
                if t < 0:
                    for c in range(3):
                        image[row, column, c] += count * share * background[row, column, c]
                    continue
                facing = _weights(screen, triangles, t, x / count, y / count, b)
                _light(
                    t, facing, b, points, normals, access, ambient, triangles, uv, textures[texture_of[t]], texels,
                    materials[texture_of[t]], lamps, colours, shadow, shadow_matrix, spot, out,
                )  # fmt: skip
                for c in range(3):
                    image[row, column, c] += count * share * out[c]
    return image, label


@njit(cache=True, nogil=True)
def _most(kinds):  # type: ignore[no-untyped-def]
    """The most frequent of four, the first of equals."""
    best, votes = kinds[0], 0
    for sample in range(4):
        same = 0
        for other in range(4):
            same += kinds[sample] == kinds[other]
        if same > votes:
            best, votes = kinds[sample], same
    return best


@njit(cache=True, nogil=True, fastmath=True)
def _weights(screen, triangles, t, x, y, b):  # type: ignore[no-untyped-def]
    """Perspective-correct weights of the corners at a pixel into ``b``; 1 if the front is seen, -1 if the back."""
    i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    x0, y0, x1, y1, x2, y2 = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    b0 = ((x1 - x) * (y2 - y) - (x2 - x) * (y1 - y)) / area
    b1 = ((x2 - x) * (y0 - y) - (x0 - x) * (y2 - y)) / area
    b2 = (np.float32(1.0) - b0 - b1) * screen[k, 2]
    b0 *= screen[i, 2]
    b1 *= screen[j, 2]
    total = b0 + b1 + b2
    b[0], b[1], b[2] = b0 / total, b1 / total, b2 / total
    return np.float32(-1.0) if area > 0 else np.float32(1.0)


@njit(cache=True, nogil=True, fastmath=True)
def _light(  # type: ignore[no-untyped-def]
    t, facing, b, points, normals, access, ambient, triangles, uv, texture, texels, material, lamps, colours, shadow,
    shadow_matrix, spot, out
):  # fmt: skip
    """Light that one spot sends to the camera into ``out`` [3]; ``spot`` [9] is room to work in."""
    one, zero = np.float32(1.0), np.float32(0.0)
    px, py, pz, nx, ny, nz, u, v, open_ = zero, zero, zero, zero, zero, zero, zero, zero, zero
    for c in range(3):
        spot[3 + c] = zero
    for corner in range(3):
        s, w = triangles[t, corner], b[corner]
        px += w * points[s, 0]
        py += w * points[s, 1]
        pz += w * points[s, 2]
        nx += w * normals[s, 0]
        ny += w * normals[s, 1]
        nz += w * normals[s, 2]
        open_ += w * access[s]
        u += w * uv[t, corner, 0]
        v += w * uv[t, corner, 1]
        for c in range(3):
            spot[3 + c] += w * ambient[s, c]
    _sample(texels, texture[0], texture[1], texture[2], u, v, spot)
    gloss, sharpness, soft, glow = material
    length = facing / np.sqrt(nx * nx + ny * ny + nz * nz + np.float32(1e-12))
    away = -one / np.sqrt(px * px + py * py + pz * pz)
    nx, ny, nz = nx * length, ny * length, nz * length
    for c in range(3):
        out[c] = zero
    for lamp in range(lamps.shape[0]):
        lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
        cosine = nx * lx + ny * ly + nz * lz
        if cosine + np.float32(0.4) * soft <= zero:
            continue
        seen = min(one, open_ * np.float32(1.6))
        if lamp == 0 and shadow.shape[0] > 1:
            lift = np.float32(0.18)
            seen *= _lit_share(shadow, shadow_matrix, px + lift * nx, py + lift * ny, pz + lift * nz, np.float32(0.25))
        bleed = seen + np.float32(0.5) * soft * seen * (one - seen)
        wrap0, wrap1, wrap2 = np.float32(0.40) * soft, np.float32(0.20) * soft, np.float32(0.13) * soft
        spot[3] += colours[lamp, 0] * max(cosine + wrap0, zero) / ((one + wrap0) * (one + wrap0)) * bleed
        spot[4] += colours[lamp, 1] * max(cosine + wrap1, zero) / ((one + wrap1) * (one + wrap1)) * seen
        spot[5] += colours[lamp, 2] * max(cosine + wrap2, zero) / ((one + wrap2) * (one + wrap2)) * seen
        if gloss > zero and cosine > zero and seen > zero:
            # windows and screens stand lower than lamps: a catch-light sits near the pupil and lids do not hide it
            lower = np.float32(0.8) if sharpness > np.float32(100.0) else zero
            view = (one + lower) * away
            hx, hy, hz = lx + px * view, ly + py * view, lz + pz * view
            mirror = (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz + np.float32(1e-9))
            if mirror > np.float32(0.3):
                shine = gloss * mirror**sharpness * seen
                for c in range(3):
                    out[c] += colours[lamp, c] * shine
    for c in range(3):
        out[c] += spot[c] * (spot[3 + c] * (one - glow) + glow)
